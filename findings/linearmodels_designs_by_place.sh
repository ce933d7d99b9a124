#!/usr/bin/env bash
# linearmodels multiplies a table by its parameters column by column, whatever the names.
#
# What:      results.predict(exog) of a fit on a table whose columns come in another order.
# Versions:  linearmodels 7.1, formulaic 1.2.2, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  an error, or the predictions of the same rows: the parameters are labelled
#            by the columns' names, and pandas aligns by them.
# Seen:      each parameter times another column, without a word.
# Output:    first prediction 14.428 in the fit's order, 22.835 in another
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

rng = np.random.default_rng(0)
X = pd.DataFrame({"a": rng.normal(2, 1, 300), "b": rng.normal(9, 1, 300)})
fit = IV2SLS(2 * X["a"] + X["b"] + rng.normal(size=300), X, None, None).fit()
assert list(fit.params.index) == ["a", "b"]
own = np.asarray(fit.predict(X)).ravel()[0]
other = np.asarray(fit.predict(X[["b", "a"]])).ravel()[0]
print(f"first prediction {own:.3f} in the fit's order, {other:.3f} in another")
assert abs(own - other) > 1
PYTHON
