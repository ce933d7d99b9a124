#!/usr/bin/env bash
# statsmodels' zero-inflated models predict a new table with the inflation part of the fit.
#
# What:      results.predict(exog) of ZeroInflatedPoisson with an exog_infl of its own.
# Versions:  statsmodels 0.15.0, pandas 2.3.3, numpy 2.4.6, scipy 1.16.3, Python 3.11
# Expected:  an error that asks for exog_infl, or probabilities of the new rows.
# Seen:      for as many rows as were fitted, the fit's rows of exog_infl are taken without
#            a word, whatever rows are given: rows in reverse order are predicted with the
#            inflation of other rows. For any other number of rows NumPy's broadcasting
#            fails ("operands could not be broadcast together").
# Output:    in reverse order: up to 1.982 apart; with exog_infl given: 0 apart
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "statsmodels==0.15.0" "pandas==2.3.3" "numpy==2.4.6" "scipy==1.16.3"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
import statsmodels.api as sm

rng = np.random.default_rng(0)
n = 600
X = sm.add_constant(pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)}))
zero = rng.random(n) < 1 / (1 + np.exp(-X["x"]))
count = np.where(zero, 0, rng.poisson(np.exp(0.5 + 0.4 * X["z"])))
part = X[["const", "x"]]
fit = sm.ZeroInflatedPoisson(count, X, exog_infl=part).fit(method="bfgs", disp=0, maxiter=500)
own = np.asarray(fit.predict(X, exog_infl=part))
turned = X[::-1]
silent = np.asarray(fit.predict(turned))[::-1]
told = np.asarray(fit.predict(turned, exog_infl=part[::-1]))[::-1]
gap, gap_told = np.abs(silent - own).max(), np.abs(told - own).max()
print(f"in reverse order: up to {gap:.3f} apart; with exog_infl given: {gap_told:.1g} apart")
assert gap > 0.5 and gap_told < 1e-12
PYTHON
