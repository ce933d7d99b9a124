"""
For whom does a lower blood pressure matter?
============================================

A random forest predicts the progression of diabetes from ten measurements of 442 people.
The question: **if someone's blood pressure were 10 mm Hg lower, by how much would the
prediction change, and is it the same for all?**
"""

# %%
# The average, and how far people are from it.

from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor

from skfme import FMEExplainer, came
from skfme.statsmodels import EffectTree, honest_regions

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
forest = RandomForestRegressor(min_samples_leaf=5, random_state=0)
explainer = FMEExplainer(forest, {"bp": -10}, response_label="progression").fit(X, y)
effect = explainer.explain(X)["bp -10"]
print(effect)

# %%
# The SD is as large as the average: one number does not describe the effect. A tree over
# the effects looks for regions in which it nearly does. Its rules are short enough to be
# read aloud.

tree = came(effect, n_partitions=4)
print(tree.export_text())
display = tree.plot(
    labels={"bp": "Blood pressure (mm Hg)", "bmi": "Body mass index (kg/m²)"}
)

# %%
# Would other people have given other regions? The tree is grown again on 50 resamples.

print(came(effect, n_partitions=2).stability(50, random_state=0))

# %%
# And how different are the regions really? Rows that chose the regions show them too far
# apart. Honest regions fit the model, find the regions and measure in them on three parts
# of the rows, so that the intervals cover.

regions = honest_regions(
    FMEExplainer(forest, {"bp": -10}),
    X,
    y,
    tree=EffectTree(n_partitions=2),
    random_state=0,
)
print(regions)
assert (regions.sample.params < 0).all()

# %%
# The regions describe the model. Whether lowering someone's blood pressure would slow the
# disease is another question, which takes causal assumptions.
