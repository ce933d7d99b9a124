"""
Study: the tour of forward marginal effects, on visits to the doctor
====================================================================

Löwe and co-authors (2024, The R Journal 16(3), arXiv 2310.02008) introduced forward marginal
effects with the R package fmeffects and a tour over 731 days of bicycle rentals. This is
the same tour, section by section, on a table that statsmodels ships: the RAND Health
Insurance Experiment, which gave families insurances at random and counted their visits to
the doctor. What the tour reported of bicycles is said beside each section; numbers of other
data cannot agree, and what must hold of any model is asserted.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

from skfme import FMEExplainer, ame, came, fme
from skfme.statsmodels import ConditionalEffects, average_effects

people = sm.datasets.randhie.load_pandas().data.sample(4000, random_state=0)
health = np.select(
    [people[h] == 1 for h in ("hlthp", "hlthf", "hlthg")],
    ["poor", "fair", "good"],
    "excellent",
)
X = pd.DataFrame(
    {
        "coinsurance": np.expm1(people["lncoins"]).round(
            1
        ),  # per cent paid by the family
        "deductible": np.where(people["idp"] == 1, "yes", "no"),
        "conditions": people["disea"],  # an index of chronic ones
        "limited": np.where(people["physlm"] > 0, "yes", "no"),
        "health": health,
    }
).reset_index(drop=True)
visits = people["mdvis"].reset_index(drop=True).rename("visits")

forest = make_pipeline(
    make_column_transformer(
        (OneHotEncoder(), ["deductible", "limited", "health"]), remainder="passthrough"
    ),
    RandomForestRegressor(100, min_samples_leaf=20, random_state=0),
).fit(X, visits)

# %%
# Univariate effects
# ------------------
# Five more chronic conditions, and all else the same. (Bicycles: 5 °C warmer, 304 more
# rentals a day on average, SD 620, 48 of 731 days left out since nothing so warm was seen.)

of_visits = {"response_label": "visits"}
more = fme(forest, X, {"conditions": 5}, nlm=True, **of_visits)
print(more.summary())
more.plot()

# %%
# By hand, for the rows that count, it is a difference of two predictions.

counted = more.counted
by_hand = forest.predict(X.assign(conditions=X["conditions"] + 5)) - forest.predict(X)

# %%
# Bivariate effects
# -----------------
# Both at once is one step. (Bicycles: 5 °C and 10 points less of humidity, 403; 304 and 103
# each, over different days.) The explainer keeps what it learned of all people, the range of
# each feature, and explains those who can pay 25 points less: so that the three averages are
# of the same rows, and the interaction is what both do beyond their sum.

steps = [
    {"conditions": 5},
    {"coinsurance": -25},
    {"conditions": 5, "coinsurance": -25},
]
explainer = FMEExplainer(FrozenEstimator(forest), steps).fit(X, visits)
three = explainer.explain(X[(X["coinsurance"] >= 25) & (X["conditions"] < 50)])
one, other, joint = three.values()
interaction = average_effects(three).interaction(one.name, other.name)
print(three.summary())
print(interaction.to_frame()[["estimate", "std_error", "p_value"]].round(3))
joint.plot()

# %%
# Non-linearity
# -------------
# How far may the effect be read as proportional to the step? The measure is 1 where the
# prediction moves along a straight line, and below 0 where the mean describes the path
# better than the line. (Bicycles: 0.34 on average for both steps at once.) Forests jump, so
# that hardly anybody's effect may be read so. A smooth model has the same question, and
# rows that reach 0.9, for whom "half the step, half the effect" holds.

smooth = make_pipeline(
    make_column_transformer(
        (OneHotEncoder(drop="first"), ["deductible", "limited", "health"]),
        (SplineTransformer(), ["coinsurance", "conditions"]),
    ),
    StandardScaler(),
    PoissonRegressor(alpha=0.01, max_iter=1000),
).fit(X, visits)
along = fme(smooth, X, {"conditions": 5}, nlm=True)
linear = along.nlm >= 0.9
told = pd.DataFrame(
    {
        "average NLM": [more.anlm, along.anlm],
        "reach 0.9": [(more.nlm >= 0.9).sum(), linear.sum()],
        "AME": [more.ame, along.ame],
    },
    index=["forest", "smooth"],
)
print(told.round(2))
print(f"AME of those who reach 0.9: {along.fme[linear].mean():.2f}")

# %%
# Three features
# --------------
# Higher steps work alike, and lose more rows. (Bicycles: 117 of 731.)

trivariate = fme(forest, X, {**steps[2], "health": "fair"}, **of_visits)
print(trivariate.summary())

# %%
# Categorical effects
# -------------------
# Everybody in poor health who is not: rows that are poor already are at the target. (Bicycles:
# rain instead of other weather, 699 fewer rentals, over 710 days.) Only 1.5 % of the people
# are in poor health, too few for this forest to learn much of: a small effect of a model is
# not one of the world.

poor = fme(forest, X, {"health": "poor"}, **of_visits)
print(poor.summary())
poor.plot()

# %%
# Categorical interactions
# ------------------------
# Two categories at once. The R package leaves a row out as soon as one of them is there
# already, which is the question of those in whom both change: give these rows. (Bicycles:
# clear weather and no working day, over the 193 days that were neither.)

neither = X[(X["health"] != "poor") & (X["limited"] == "no")]
two = [{"health": "poor"}, {"limited": "yes"}, {"health": "poor", "limited": "yes"}]
double = FMEExplainer(FrozenEstimator(forest), two).fit(X, visits).explain(neither)
print(double.summary())
print(average_effects(double).interaction("health = poor", "limited = yes"))

# %%
# Overview of all features
# ------------------------
# One row a feature, or category: +1 for numbers. (Bicycles: by far the most for the year and
# the winter.) Families paid 0, 25, 50, 95 or 100 per cent, so that one point more crosses no
# level that a forest could tell apart: ``"sd"`` in place of the default makes numbers
# comparable.

overview = ame(forest, X, **of_visits)
print(overview.summary())
overview.plot()

# %%
# Regional effects
# ----------------
# An average hides who it is of. A tree finds regions in which the effect is nearly one
# number. (Bicycles: 730 more below 16 °C, 205 fewer above, of 304 in all.) Here a deductible
# parts the people.

regions = came(more, n_partitions=2)
print(regions.partitions_.round(3).to_string(index=False))
regions.plot()

# %%
# Beyond the tour
# ---------------
# An interval for each region, with the rows as the sample, and whether the two differ. The
# tree chose the regions on the same rows, which such intervals do not allow for;
# ``honest_regions`` does, by fitting model and tree on others.

by_region = ConditionalEffects.from_tree(more, regions).fit("HC2")
print(by_region)
print(by_region.pairwise().to_frame()[["estimate", "std_error", "p_adjusted"]].round(3))
plt.show()

# %%
# The headline: an effect is a difference of predictions, and its regions make up the average;
# of a smooth model it may be read along the step, of a forest not; rows at a target or beyond
# the data do not count; being limited brings visits, with poor health or without.

np.testing.assert_allclose(more.fme[counted], by_hand[counted], rtol=1e-9, atol=1e-12)
table = regions.partitions_
assert abs((table["n"] * table["ame"]).sum() / table["n"].sum() - more.ame) < 1e-9
assert along.anlm > 0.9 > 0 > more.anlm
assert one.n == other.n == joint.n
assert trivariate.n < joint.n < more.n
assert poor.n == (X["health"] != "poor").sum()
assert all(effect.n == len(neither) for effect in double.values())
assert more.ame > 0.5
assert double["limited = yes"].ame > 5 * double["health = poor"].ame
