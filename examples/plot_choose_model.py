"""
Which of several equally accurate models is easiest to explain?
===============================================================

Often several models predict equally well, and the difference between them is what can be
said about them. Here cross-validation scores seven models of the progression of diabetes,
on accuracy and on three properties of their effects: do effects read as linear, so that
"5 less lowers the prediction by 30" may be read as "6 per unit"? Does a higher body mass
index (BMI) always raise the prediction? And do refits agree on the effects?
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import RepeatedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer, StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeRegressor

from skfme.metrics import (
    effect_stability,
    make_anlm_scorer,
    make_monotonicity_scorer,
)

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
rising = (X.columns == "bmi").astype(int)
alphas = np.logspace(-1, 3, 9)
models = {
    "tree": DecisionTreeRegressor(min_samples_leaf=20, random_state=0),
    "forest": RandomForestRegressor(50, min_samples_leaf=5, random_state=0),
    "forest, BMI rising": RandomForestRegressor(
        50, min_samples_leaf=5, monotonic_cst=rising, random_state=0
    ),
    "boosting": GradientBoostingRegressor(
        max_depth=2, learning_rate=0.05, random_state=0
    ),
    "kernel": make_pipeline(StandardScaler(), SVR(C=50, gamma=0.03)),
    "splines": make_pipeline(
        StandardScaler(), SplineTransformer(n_knots=4, degree=2), RidgeCV(alphas)
    ),
    "linear": make_pipeline(StandardScaler(), RidgeCV(alphas)),
}

# %%
# Accuracy and effects are scored together, fold by fold. The table of all rows as
# ``background`` keeps the ranges and the SD the same in every fold. The mean of the
# non-linearity measure has no lower bound; its median does not let a few rows decide.

steps = [{"bmi": -5}, {"bp": -15}, {"s5": -0.5}]
scoring = {
    "accuracy": "r2",
    "linear": make_anlm_scorer(steps, statistic="median", background=X),
    "rising": make_monotonicity_scorer("bmi", 1, background=X),
}
cv = RepeatedKFold(n_splits=5, n_repeats=2, random_state=0)
results = {
    name: cross_validate(model, X, y, cv=cv, scoring=scoring, return_estimator=True)
    for name, model in models.items()
}
table = pd.DataFrame(
    {
        name: {
            "R2": result["test_accuracy"].mean(),
            "median NLM": result["test_linear"].mean(),
            "BMI rising": result["test_rising"].mean(),
            "agreement": effect_stability(result["estimator"], X, steps)[
                "agreement"
            ].mean(),
        }
        for name, result in results.items()
    }
).T.sort_values("R2", ascending=False)

# %%
# Models count as equally accurate if the best one leads them by less than a standard error.
# The folds' training sets overlap; the standard error of the lead allows for that as
# Nadeau and Bengio (2003, Machine Learning 52, 239-281) do: by the share of test rows.

best = results[table.index[0]]["test_accuracy"]
leads = pd.DataFrame(
    {name: best - results[name]["test_accuracy"] for name in table.index}
)
standard_error = leads.std() * np.sqrt(1 / cv.get_n_splits() + 1 / 4)
table["as good"] = leads.mean() <= standard_error
print(table.round(2))
chosen = table[table["as good"]]["median NLM"].idxmax()
print(f"\nEasiest to explain among the most accurate: {chosen}")

# %%
# Upwards in the picture, effects read as linear; to the right, predictions are better.
# The choice is the highest of the blue dots.

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
for name, row in table.iterrows():
    colour = "C0" if row["as good"] else "0.5"
    side = 1 if name == chosen else -1  # of the dot
    ax.plot(row["R2"], row["median NLM"], "o", color=colour, ms=9)
    ax.annotate(
        name,
        (row["R2"], row["median NLM"]),
        (9 * side, 0),
        textcoords="offset points",
        ha="left" if side > 0 else "right",
        va="center",
        color=colour,
        weight="bold" if side > 0 else None,
    )
ax.set_xlabel("R² in cross-validation")
ax.set_ylabel("median NLM (1: effects read as linear)")
ax.set_title("Blue: as accurate as the best model", loc="left")
ax.spines[["top", "right"]].set_visible(False)
ax.margins(0.15)
plt.show()
