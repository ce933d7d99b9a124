#!/usr/bin/env bash
# Importing scikit-survival adds attributes to scikit-learn's own Pipeline.
#
# What:      the attributes of sklearn.pipeline.Pipeline before and after an import.
# Versions:  scikit-survival 0.28.0, scikit-learn 1.9.1, Python 3.11
# Expected:  a package extends scikit-learn by classes of its own.
# Seen:      every pipeline of the process has predict_survival_function and
#            predict_cumulative_hazard_function in its class, and a property
#            _predict_risk_score, also those of other models, so that the class is no longer
#            what scikit-learn made.
# Output:    added: _predict_risk_score, predict_cumulative_hazard_function,
#            predict_survival_function
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "scikit-survival==0.28.0" "scikit-learn==1.9.1"
"$folder/env/bin/python" - <<'PYTHON'
from sklearn.pipeline import Pipeline

before = set(vars(Pipeline))
import sksurv.ensemble

added = sorted(set(vars(Pipeline)) - before)
print(f"added: {', '.join(added)}")
functions = ["predict_cumulative_hazard_function", "predict_survival_function"]
assert added == ["_predict_risk_score", *functions], added
assert vars(Pipeline)[added[1]].fn.__module__.startswith("sksurv"), added
PYTHON
