#!/usr/bin/env bash
# A pickled, copied or loaded CatBoost model says that it was fitted on no columns.
#
# What:      model.n_features_in_ after pickle, copy.deepcopy and load_model.
# Versions:  catboost 1.2.10, numpy 2.4.6, pandas 2.3.3, Python 3.11
# Expected:  2 columns, as the fitted model says; scikit-learn's attribute is part of the fit.
# Seen:      0 in each of the three, while predictions are equal, and feature_names_ and
#            get_cat_feature_indices() are still right.
# Output:    fitted 2, pickled 0, copied 0, loaded 0; same predictions True
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "catboost==1.2.10" "numpy==2.4.6" "pandas==2.3.3"
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import copy
import pickle

import numpy as np
import pandas as pd
from catboost import CatBoostRegressor

rng = np.random.default_rng(0)
X = pd.DataFrame({"x": rng.normal(size=300), "g": rng.integers(0, 4, 300)})
options = {"iterations": 20, "verbose": 0, "allow_writing_files": False}
model = CatBoostRegressor(**options, cat_features=["g"]).fit(X, X["x"] + X["g"])
model.save_model("model.cbm")
others = {
    "pickled": pickle.loads(pickle.dumps(model)),
    "copied": copy.deepcopy(model),
    "loaded": CatBoostRegressor().load_model("model.cbm"),
}
counts = ", ".join(f"{how} {other.n_features_in_}" for how, other in others.items())
same = all(np.array_equal(o.predict(X), model.predict(X)) for o in others.values())
print(f"fitted {model.n_features_in_}, {counts}; same predictions {same}")
assert model.n_features_in_ == 2 and same
assert all(other.n_features_in_ == 0 for other in others.values())
assert all(other.feature_names_ == ["x", "g"] for other in others.values())
PYTHON
