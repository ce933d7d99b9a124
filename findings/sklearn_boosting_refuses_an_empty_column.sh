#!/usr/bin/env bash
# HistGradientBoosting takes missing values, but no column that has nothing else.
#
# What:      fit with a column whose values are all missing, as a site or a year without a
#            measurement has it.
# Versions:  scikit-learn 1.9.1, numpy 2.4.6, scipy 1.16.3, Python 3.11
# Expected:  a column that is never split, as LightGBM and XGBoost have it, or an error that
#            names the column.
# Seen:      NumPy's error about the window of a sliding view, from a thread of the binning.
#            A column of one value, with or without missing ones, is fitted.
# Output:    all missing: ValueError: window shape cannot be larger than input array shape
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "scikit-learn==1.9.1" "numpy==2.4.6" "scipy==1.16.3"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

rng = np.random.default_rng(0)
seen, y = rng.normal(size=40), rng.normal(size=40)
columns = {
    "one value": np.ones(40),
    "one value and missing": np.where(rng.random(40) < 0.5, 1.0, np.nan),
    "all missing": np.full(40, np.nan),
}
said = {}
for name, column in columns.items():
    try:
        HistGradientBoostingRegressor(max_iter=2).fit(np.c_[seen, column], y)
        said[name] = "fitted"
    except ValueError as error:
        said[name] = f"ValueError: {error}"
print(f"all missing: {said['all missing']}")
assert said["one value"] == said["one value and missing"] == "fitted", said
assert "window shape" in said["all missing"], said
PYTHON
