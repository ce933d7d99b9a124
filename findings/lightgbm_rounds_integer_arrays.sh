#!/usr/bin/env bash
# LightGBM rounds the integers of an array to single precision, in fit and in predict.
#
# What:      LGBMRegressor.fit and predict on numpy arrays of int64 or int32.
# Versions:  lightgbm 4.7.0, scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  the model of the same numbers as float64, or as a dataframe of int64.
# Seen:      integers of arrays are turned into float32, which holds none beyond 2**24 but
#            every second one and fewer. Seconds since 1970 come in steps of 128: 400
#            seconds in a row are 4 values, and the fit knows no more. Nothing warns, and a
#            model of a dataframe predicts other values from frame.to_numpy().
# Output:    R2 of int64 0.16, float64 1.00, dataframe 1.00; predictions differ by 1.34
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "lightgbm==4.7.0" "scikit-learn==1.9.1" "pandas==2.3.3" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import lightgbm as lgb
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
seconds = 1_700_000_000 + rng.integers(0, 400, 2000)
y = np.sin((seconds - 1_700_000_000) / 20)
X = seconds[:, None]


def fitted(table):
    return lgb.LGBMRegressor(n_estimators=200, verbose=-1, n_jobs=1).fit(table, y)


tables = {"int64": X, "float64": X.astype(float), "dataframe": pd.DataFrame(X)}
r2 = {name: fitted(table).score(table, y) for name, table in tables.items()}
model = fitted(tables["dataframe"])
apart = np.abs(model.predict(tables["dataframe"]) - model.predict(X)).max()
print("R2 of", ", ".join(f"{k} {v:.2f}" for k, v in r2.items()), end="; ")
print(f"predictions differ by {apart:.2f}")
assert r2["int64"] < 0.5 and r2["float64"] > 0.99 and r2["dataframe"] > 0.99
assert apart > 1
PYTHON
