#!/usr/bin/env bash
# A LightGBM estimator with pred_early_stop and its own booster predict different values.
#
# What:      predict_proba of LGBMClassifier(pred_early_stop=True) and booster_.predict.
# Versions:  lightgbm 4.7.0, scikit-learn 1.9.1, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  equal predictions, or a note.
# Seen:      the estimator hands its parameters to each prediction, the Booster forgets
#            what it was trained with, and the saved model does not name the parameter. So
#            the two differ in the rows whose sum of trees ends early, 202 of 4000 here.
# Output:    the booster differs in 202 rows; pred_early_stop saved: False
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

rng = np.random.default_rng(5)
X = pd.DataFrame({"a": rng.normal(size=4000).clip(-1, 1), "b": rng.normal(size=4000)})
X.loc[:200, "b"] = 9.0
y = rng.random(4000) < 1 / (1 + np.exp(-(0.5 * X.a + 8 * (X.b > 8))))
early = {"pred_early_stop": True, "pred_early_stop_margin": 6.0}
model = lgb.LGBMClassifier(n_estimators=150, verbose=-1, n_jobs=1, **early).fit(X, y)
rows = int((model.predict_proba(X)[:, 1] != model.booster_.predict(X)).sum())
saved = "pred_early_stop" in model.booster_.model_to_string()
print(f"the booster differs in {rows} rows; pred_early_stop saved: {saved}")
assert rows and not saved
PYTHON
