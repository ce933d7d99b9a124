"""
Two changes at once: which one did it?
======================================

A boosted classifier tells benign from malignant tumours by measurements of cell nuclei. The
question: **if nuclei were smaller and their outline smoother at the same time, the
predicted probability of a malignant tumour falls; which of the two brings it, for whom?**
"""

# %%
# The joint step, and its effect. Rows that would leave the data do not count.

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier

from skfme import FMEExplainer

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
X = X[["mean radius", "mean texture", "mean concave points", "mean smoothness"]]
malignant = np.where(y == 0, "malignant", "benign")
step = {"mean radius": -2.0, "mean concave points": -0.02}
model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
explainer = FMEExplainer(model, {"smaller and smoother": step}).fit(X, malignant)
print(explainer.explain(X))

# %%
# Its parts, by Shapley: what each change brings, averaged over the two orders in which they
# could be made. The parts of a row add up to its effect.

parts = explainer.attribute(X, "smaller and smoother", interactions=True)
print(parts.summary())
total = sum(part.ame for part in parts.values())
assert np.isclose(total, parts.total.ame)

# %%
# The strips show how people differ; below, the same for one tumour.

display = parts.plot()
row = int(np.nanargmin(parts.total.fme))
display = parts.plot(row=row)

# %%
# A part is an effect like any other: it has averages by group, regions and intervals.

large = np.where(X["mean radius"] > 15, "large nuclei", "small nuclei")
for feature, part in parts.items():
    print(feature, part.average(by=large)[["group", "n", "ame"]], sep="\n")
