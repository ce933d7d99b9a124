#!/usr/bin/env bash
# A binomial GLM of a boolean or a text outcome predicts its first level in statsmodels.
#
# What:      smf.glm("flag ~ x", family=Binomial()) of a boolean flag, and of a text.
# Versions:  statsmodels 0.15.0, pandas 3.1.1, Python 3.11
# Expected:  the probability of True, as R's glm() and statsmodels' own Logit on numbers
#            have it (R: "the first level denotes failure and all others success").
# Seen:      the formula makes two columns, flag[False] and flag[True], which the family
#            takes for successes and failures: predictions are of False, and every sign is
#            the other way round. predict() has no word of it.
# Output:    slope of number: 0.979, slope of flag: -0.979
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "statsmodels==0.15.0" "pandas==3.1.1"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

rng = np.random.default_rng(0)
rows = pd.DataFrame({"x": rng.normal(size=400)})
rows["flag"] = rng.random(400) < 1 / (1 + np.exp(-rows["x"]))
rows["number"] = rows["flag"].astype(int)
fits = {
    left: smf.glm(f"{left} ~ x", rows, family=sm.families.Binomial()).fit()
    for left in ("number", "flag")
}
slopes = {left: fit.params["x"] for left, fit in fits.items()}
print(", ".join(f"slope of {left}: {slope:.3f}" for left, slope in slopes.items()))
assert np.isclose(slopes["flag"], -slopes["number"])
PYTHON
