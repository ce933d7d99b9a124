#!/usr/bin/env bash
# Trees take missing values, and a nullable column with a gap, but not where it is the only one.
#
# What:      fit of decision trees and forests on pandas tables of nullable (or Arrow-backed)
#            columns, of which one entry is missing.
# Versions:  scikit-learn 1.9.1, pandas 3.1.1, numpy 2.4.6, Python 3.11
# Expected:  a tree, as of the same numbers with NaN, and as of two such columns.
# Seen:      of one column pandas 3 hands over an array that cannot be written, in which the
#            trees look for missing values as if it could. Two columns are fitted, as is one
#            without a gap, and one under pandas 2.3.3; predict takes one column as well.
# Output:    one column: ValueError: buffer source array is read-only; two columns: fitted
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "scikit-learn==1.9.1" "pandas==3.1.1" "numpy==2.4.6"
"$folder/env/bin/python" - <<'PYTHON'
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.tree import DecisionTreeRegressor

y = np.arange(4.0)
one = pd.DataFrame({"v": pd.array([1.0, 2.0, 3.0, None], dtype="Float64")})
two = one.assign(w=pd.array([1.0, 2.0, 3.0, 4.0], dtype="Float64"))


def said(model, table):
    try:
        model.fit(table, y[: len(table)])
    except ValueError as error:
        return f"ValueError: {error}"
    return "fitted"


tree = DecisionTreeRegressor()
alone, beside = said(tree, one), said(tree, two)
print(f"one column: {alone}; two columns: {beside}")
assert (alone, beside) == ("ValueError: buffer source array is read-only", "fitted")
assert said(tree, one[:3]) == said(tree, one.astype("float64")) == "fitted"
assert said(HistGradientBoostingRegressor(), one) == "fitted"
PYTHON
