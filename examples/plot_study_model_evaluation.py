"""
Study: is one model better than another? Regressions of scores
==============================================================

Soumm (2024, arXiv 2410.01392) proposes to evaluate models as experiments are: the score of
each example is an outcome, the model and what is known of the example are factors, and OLS,
analysis of variance and logistic regression tell what matters. The paper gives no tables to
compare with. Here 300 examples are scored by three models, in a simulation whose truth is
known: accuracies of 61.7, 67.3 and 67.3 %, and 13 points less on hard examples.
"""

import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.formula.api as smf

from skfme import Contrast
from skfme.statsmodels import ConditionalEffects, compare_models, delta_effects


def scored(rng, n=300):
    """One row per example and model; how easy an example is holds for all models."""
    luck, hard = rng.normal(0, 1.5, n), rng.random(n) < 0.4
    logit = (1 + luck - 0.8 * hard)[:, None] + np.array([0, 0.35, 0.35])
    right = rng.random((n, 3)) < 1 / (1 + np.exp(-logit))
    columns = {"example": np.repeat(np.arange(n), 3), "model": np.tile(list("abc"), n)}
    columns |= {"hard": np.repeat(hard, 3) * 1, "right": right.ravel() * 1}
    return pd.DataFrame(columns)


TRUTH = {"b - a": 5.65, "c - b": 0.0, "hard": -13.05}
table = scored(np.random.default_rng(1))
names = {"model": "model", "example": "example"}

# %%
# **Which model is better?** Differences of two models on the examples that both scored, in
# percentage points, with Holm's adjustment. The truth is 5.65 for b and for c against a, and
# 0 between them; one table of 300 examples has a standard error of 3.4 points. dz and η² are
# effect sizes.

comparison = compare_models("right", table, **names)
print(comparison.to_frame().round(3).T.to_string())

# %%
# **Ordinary least squares** gives the same estimates, and plain errors are wrong both ways:
# rows of one example depend on one another, so that they are too wide for models, which are
# compared within examples, and too narrow for what belongs to an example. Clustered by
# example, the error of a contrast is the paired one, times √(899/896) = 1.00167.

regression = ConditionalEffects.from_response(table["right"], table, "model + hard")
plain, clustered = regression.fit(), regression.fit("cluster", {"groups": "example"})
terms = {"b - a": "model[T.b]", "hard": "hard"}
errors = pd.DataFrame(
    {
        "truth": [TRUTH["b - a"], TRUTH["hard"]],
        "estimate": [100 * plain.params[term] for term in terms.values()],
        "plain error": [100 * plain.bse[term] for term in terms.values()],
        "clustered error": [100 * clustered.bse[term] for term in terms.values()],
    },
    index=list(terms),
)
print(errors.round(3))

# %%
# Over 2,000 such tables plain intervals of the contrast held the truth in 98.1 % and those
# of the attribute in 88.0 %; clustered ones in 95.3 % and 95.2 %.
#
# **Analysis of variance.** The three types of sums of squares are alike where every model
# scored every example. Models account for 1 % of the variance, hardness for 2 %: small
# shares, since most of what varies is the examples themselves, and no reason to think little
# of 5 points.

anova = ConditionalEffects.from_response(
    table["right"], table, "C(model, Sum) + C(hard, Sum)"
).fit()
types = [anova.anova(typ) for typ in (1, 2, 3)]
print(types[1][["df", "sum_sq", "eta_sq", "omega_sq", "PR(>F)"]].round(4))

# %%
# **Logistic regression.** A coefficient is a log odds ratio; what can be read is its average
# effect on the probability. Where every model scored every example that of a contrast is the
# same number again, 10.67 points.

logit = smf.logit("right ~ model + hard", table).fit(disp=0)
by_example = {"cov_type": "cluster", "cov_kwds": {"groups": "example"}}
effects = delta_effects(
    logit,
    table,
    [{"model": Contrast("a", "b")}, {"hard": Contrast(0, 1)}],
    categorical_features=["hard"],
    **by_example,
)
print((100 * effects.to_frame()[["estimate", "conf_low", "conf_high"]]).round(2))

# %%
# A trap: statsmodels' ``get_margeff(dummy=True)`` switches one dummy on and leaves the
# others, which makes rows of two models at once.

print(f"{100 * logit.get_margeff(dummy=True).margeff[0]:.2f} instead of 10.67 points")

# %%
# **A model that was scored on easy examples only** looks better than it is. Contrasts rest on
# common examples unless told otherwise.

easy = table[(table["model"] != "b") | (table["hard"] == 0)]
on_common = compare_models("right", easy, baseline="a", **names)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    of_all = compare_models("right", easy, baseline="a", common=False, **names)
unequal = pd.DataFrame(
    {
        "all scores": comparison.params.iloc[0],
        "common examples": on_common.params.iloc[0],
        "whatever was scored": of_all.params.iloc[0],
    },
    index=["b - a"],
)
print(unequal.round(2))
print(told[0].message)

# %%
# **Few data sets.** Two equal models on 8 data sets, with 20 seeds each; which model suits a
# data set varies by 2 points. Whoever takes the 160 runs for units finds a difference half
# of the time. Conclusions about new data sets have 8 units.


def over_data_sets(rng):
    by_set = 0.02 * rng.normal(size=(2, 8, 1))
    score = 0.8 + by_set + 0.03 * rng.normal(size=(2, 8, 20))
    model, dataset, seed = np.indices(score.shape).reshape(3, -1)
    columns = {"model": model, "set": dataset, "run": 100 * dataset + seed}
    return pd.DataFrame(columns | {"score": score.ravel()})


rng = np.random.default_rng(10)
runs = {"model": "model", "example": "run", "dataset": "set"}
rejected = {"examples": 0, "datasets": 0}
for _ in range(100):
    scores = over_data_sets(rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that 8 data sets are few
        for units in rejected:
            p_value = compare_models("score", scores, units=units, **runs).pvalues.iloc[
                0
            ]
            rejected[units] += p_value < 0.05
print(pd.Series(rejected, name="equal models rejected in 100 studies"))

# %%
# Of 3,000 such studies 51 % and 4.8 % rejected; it should be 5 %.

# %%

fig, ax = plt.subplots(layout="constrained")
ends = comparison.conf_int().to_numpy()
places = np.arange(3)
ax.hlines(places, ends[:, 0], ends[:, 1], lw=3)
ax.plot(comparison.params, places, "o")
ax.plot([5.65, 5.65, 0], places, "k|", ms=22, label="truth")
ax.axvline(0, color="0.6", lw=1)
ax.set_yticks(places, comparison.names)
ax.set(xlabel="more correct answers, percentage points", ylim=(-0.5, 2.5))
ax.legend()
plt.show()

# %%
# The headline: one number by four roads, whose interval holds the truth; its plain error is
# too wide where that of an attribute is too narrow; and examples are no data sets.

assert abs(comparison.params.iloc[0] - 10.667) < 0.001
assert abs(errors["estimate"]["b - a"] - comparison.params.iloc[0]) < 1e-9
assert abs(100 * effects.params.iloc[0] - comparison.params.iloc[0]) < 1e-6
assert ends[0, 0] < TRUTH["b - a"] < ends[0, 1]
assert ends[2, 0] < TRUTH["c - b"] < ends[2, 1]
assert errors["plain error"]["b - a"] > errors["clustered error"]["b - a"]
assert errors["plain error"]["hard"] < errors["clustered error"]["hard"]
assert np.allclose(
    types[0]["sum_sq"].iloc[:2], types[2].loc[types[0].index[:2], "sum_sq"]
)
assert abs(unequal["common examples"].iloc[0] - 10.667) < of_all.params.iloc[0] - 10.667
assert rejected["examples"] > 30 > 13 > rejected["datasets"]
