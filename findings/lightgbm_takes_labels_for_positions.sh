#!/usr/bin/env bash
# LightGBM takes the integer label of a category column for the position of another.
#
# What:      LGBMRegressor on a pandas table with columns 2, 1 and 0, of which 0 is a category.
# Versions:  lightgbm 4.7.0, scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  the column labelled 0 is split as categories, as it is where it is called "c".
# Seen:      categories are found by their type, listed by their label, and the list is read
#            as positions where labels are integers: the numbers of the first column are
#            taken for categories, and the categories for numbers. Nothing is said.
# Output:    text labels: c as categories; integer labels: the first column as categories
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "lightgbm==4.7.0" "scikit-learn==1.9.1" "pandas==2.3.3" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import re

import lightgbm as lgb
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
X = pd.DataFrame({"a": rng.integers(0, 50, 300), "b": rng.normal(size=300)})
X["c"] = pd.Categorical(rng.choice(["x", "y", "z"], 300))
y = X["a"] + 5 * (X["c"] == "y")


def categories(table):
    """Whether each column is described by the values of categories."""
    model = lgb.LGBMRegressor(n_estimators=2, verbose=-1, n_jobs=1).fit(table, y)
    text = model.booster_.model_to_string()
    infos = re.search(r"^feature_infos=(.*)$", text, flags=re.MULTILINE)[1]
    return [not info.startswith("[") for info in infos.split(" ")]


named, numbered = categories(X), categories(X.set_axis([2, 1, 0], axis=1))
assert named == [False, False, True]
assert numbered == [True, False, False]
print("text labels: c as categories; integer labels: the first column as categories")
PYTHON
