#!/usr/bin/env bash
# pyfixest's predict of counts and classes is on the scale of the link by default.
#
# What:      fepois(…).predict(newdata=…) and feglm(…, family="logit").predict(newdata=…).
# Versions:  pyfixest 0.60.0, pandas 2.3.3, numpy 2.4.6, Python 3.11
# Expected:  its docstring says that type is "response" by default; the mean of predicted
#            counts of the fit's own rows is the mean count, a probability is below 1.
# Seen:      logarithms of counts, log odds of classes.
# Output:    counts: mean 2.40, predicted mean 0.73, by type="response" 2.40
#            classes: largest prediction 4.01, by type="response" 0.98
# Date:      2026-11-28
set -euo pipefail
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install -q "pyfixest==0.60.0" "pandas==2.3.3" "numpy==2.4.6"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import pandas as pd
import pyfixest

rng = np.random.default_rng(0)
data = pd.DataFrame({"x": rng.normal(size=500)})
data["count"] = rng.poisson(np.exp(0.8 + 0.5 * data["x"]))
data["b"] = (rng.uniform(size=500) < 1 / (1 + np.exp(-data["x"]))).astype(int)
counts = pyfixest.fepois("count ~ x", data)
mean, link = data["count"].mean(), counts.predict(newdata=data).mean()
response = counts.predict(newdata=data, type="response").mean()
print(f'counts: mean {mean:.2f}, predicted mean {link:.2f}, by type="response" {response:.2f}')
logit = pyfixest.feglm("b ~ x", data, family="logit")
highest = logit.predict(newdata=data).max()
probability = logit.predict(newdata=data, type="response").max()
print(f'classes: largest prediction {highest:.2f}, by type="response" {probability:.2f}')
assert abs(response - mean) < 1e-3 < abs(link - mean)
assert probability < 1 < highest
PYTHON
