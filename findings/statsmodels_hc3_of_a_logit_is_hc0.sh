#!/usr/bin/env bash
# statsmodels computes HC1, HC2 and HC3 of GLMs and discrete models as HC0, and says HC3.
#
# What:      Logit, Poisson and GLM fits with cov_type="HC1", "HC2" or "HC3".
# Versions:  statsmodels 0.15.0, pandas 2.3.3, numpy 2.4.6, scipy 1.16.3, Python 3.11
# Expected:  four different covariances, as of OLS, or an error for what is not there.
# Seen:      all four are the sandwich without a small-sample correction (HC0), and the
#            summary is headed with the name that was asked for.
# Output:    Logit: HC3 / HC0 = 1.000000, cov_type 'HC3'; OLS: HC3 / HC0 = 1.134907, cov_type 'HC3'
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "statsmodels==0.15.0" "pandas==2.3.3" "numpy==2.4.6" "scipy==1.16.3"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import statsmodels.api as sm
import statsmodels.formula.api as smf

data = sm.datasets.spector.load_pandas().data
formula = "GRADE ~ GPA + TUCE"
binomial = {"family": sm.families.Binomial()}
fits = {
    "Logit": lambda kind: smf.logit(formula, data).fit(disp=0, cov_type=kind),
    "Poisson": lambda kind: smf.poisson(formula, data).fit(disp=0, cov_type=kind),
    "GLM": lambda kind: smf.glm(formula, data, **binomial).fit(cov_type=kind),
    "OLS": lambda kind: smf.ols(formula, data).fit(cov_type=kind),
}
for name, fit in fits.items():
    plain = fit("HC0").bse["GPA"]
    for kind in ("HC1", "HC2", "HC3"):
        robust = fit(kind)
        ratio = robust.bse["GPA"] / plain
        if name in ("Logit", "OLS") and kind == "HC3":
            print(f"{name}: {kind} / HC0 = {ratio:.6f}, cov_type {robust.cov_type!r}")
        assert (ratio == 1) == (name != "OLS"), (name, kind, ratio)
        assert robust.cov_type == kind
PYTHON
