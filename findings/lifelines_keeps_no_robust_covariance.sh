#!/usr/bin/env bash
# lifelines keeps robust standard errors beside a covariance that is not robust.
#
# What:      variance_matrix_ of WeibullAFTFitter and CoxPHFitter fitted with robust=True.
# Versions:  lifelines 0.30.3, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  the roots of its diagonal are standard_errors_, as without robust=True.
# Seen:      standard_errors_ are robust, variance_matrix_ is the inverse of the Hessian, so
#            that any interval made of the matrix is another than the summary's, without a
#            word. The robust covariance is computed, and all but its diagonal dropped.
# Output:    Weibull: standard error 0.061 in the summary, 0.046 by variance_matrix_
#            Cox: standard error 0.047 in the summary, 0.038 by variance_matrix_
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "lifelines==0.30.3" "pandas==2.3.3" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
from lifelines import CoxPHFitter, WeibullAFTFitter

rng = np.random.default_rng(0)
data = pd.DataFrame({"x": np.repeat(rng.normal(size=100), 8), "seen": 1})
data["months"] = rng.weibull(1.5, 800) * np.exp(0.3 * data["x"] + np.repeat(rng.normal(size=100), 8))
for name, fitter in (("Weibull", WeibullAFTFitter()), ("Cox", CoxPHFitter())):
    fitter.fit(data, "months", "seen", robust=True)
    place = 0
    shown = float(np.ravel(fitter.standard_errors_)[place])
    kept = float(np.sqrt(np.diag(fitter.variance_matrix_))[place])
    print(f"{name}: standard error {shown:.3f} in the summary, {kept:.3f} by variance_matrix_")
    assert abs(shown / kept - 1) > 0.01
PYTHON
