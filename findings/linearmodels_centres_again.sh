#!/usr/bin/env bash
# linearmodels learns centring and polynomials of a formula again from the rows it predicts.
#
# What:      results.predict(data=…) of a formula with center(x) or poly(x, 2).
# Versions:  linearmodels 7.1, formulaic 1.2.2, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  one more unit of x changes each prediction by the slope, about 2; the first
#            rows of a table have the predictions that they have in the whole table.
# Seen:      the mean prediction of x + 1 equals that of x to the last digit, since x is
#            centred anew; the first 50 rows alone are predicted otherwise than among 300.
#            statsmodels, by the same formula, keeps what its fit learned.
# Output:    centred: effect of one unit 0.000 (slope 2.040)
#            polynomial: first row 9.948 alone among 50, 10.266 among 300
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "linearmodels==7.1" "formulaic==1.2.2" "pandas==2.3.3" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
import pandas as pd
from linearmodels.iv import IV2SLS
from linearmodels.panel import PooledOLS

rng = np.random.default_rng(0)
data = pd.DataFrame({"x": rng.normal(5, 1, 300)})
data["y"] = 2 * data["x"] + rng.normal(size=300)
fit = IV2SLS.from_formula("y ~ 1 + center(x)", data).fit()
moved = np.asarray(fit.predict(data=data.assign(x=data["x"] + 1))).mean()
effect = moved - np.asarray(fit.predict(data=data)).mean()
print(f"centred: effect of one unit {effect:.3f} (slope {fit.params.iloc[1]:.3f})")

panel = data.assign(i=np.repeat(range(30), 10), t=list(range(10)) * 30).set_index(["i", "t"])
curve = PooledOLS.from_formula("y ~ 1 + poly(x, 2)", panel).fit()
alone = np.asarray(curve.predict(data=panel.head(50))).ravel()[0]
among = np.asarray(curve.predict(data=panel)).ravel()[0]
print(f"polynomial: first row {alone:.3f} alone among 50, {among:.3f} among 300")
assert abs(effect) < 1e-9 and fit.params.iloc[1] > 1.9
assert abs(alone - among) > 0.1
PYTHON
