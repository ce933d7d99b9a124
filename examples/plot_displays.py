"""
From a fitted model to an answer for others
===========================================

A clinic has a model that predicts how far diabetes will have progressed in a year. A
physician asks: **what moves this prediction, for whom, and how far can I trust it?** No
formula and no code should be needed to read the answer, so we give pictures, and in the
end a page to send.
"""

# %%
# What moves the prediction?
# --------------------------
# One standard deviation of each measurement makes them comparable. Dots, not bars: zero
# is no floor. The lines are the spread over people, and the picture says so.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import ExtrapolationDisplay, ame, came, fme, write_report

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = X["sex"].map({1: "s1", 2: "s2"}).astype("category")
model = HistGradientBoostingRegressor(max_iter=60, random_state=0).fit(X, y)

words = {
    "labels": {
        "bmi": "Body mass index (kg/m²)",
        "bp": "Blood pressure (mm Hg)",
        "s5": "Log triglycerides",
        "age": "Age (years)",
        "sex": "Sex",
    },
    "response_label": "disease progression",
}
overview = ame(model, X, "sd")
overview.plot(**words)

# %%
# For whom?
# ---------
# A single step, person by person. To the right is where a person stands today; the arrow
# is the step. The local mean shows where the average comes from.

effect = fme(
    model, X, {"bmi": -2}, nlm=True, **{"response_label": "disease progression"}
)
effect.plot(labels=words["labels"])

# %%
# The right-hand picture says that "2 less" must not be read as "twice 1 less": hardly
# anyone's prediction moves in a straight line, since trees jump.
#
# Two changes at once are coloured over the plane of both.

both = fme(model, X, {"bmi": -2, "bp": -10})
both.plot(**words)

# %%
# In which groups is the effect nearly one number?
# ------------------------------------------------
# A tree over the effects finds regions. Their histograms share one axis.

tree = came(effect, n_partitions=4, method="cart")
tree.plot(**words)

# %%
# How far can I trust it?
# -----------------------
# Some rows do not count, since their changed version leaves the data. Here they are a
# fringe. Were they a whole region, the average would say nothing about it.

ExtrapolationDisplay.from_effect(both, labels=words["labels"])

# %%
# Several answers go into one figure, for a paper or a slide.

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
fme(model, X, {"bmi": -2}).plot(ax=left, **words)
fme(model, X, {"sex": "s2"}).plot(ax=right, kind="ecdf", **words)
plt.show()

# %%
# A page to send
# --------------
# ``write_report`` puts all of this on one HTML page that needs no network: the questions
# in words, a sentence for each answer, tables, pictures, the regions, and how it was
# computed.

with tempfile.TemporaryDirectory() as folder:
    page = write_report(effect, Path(folder) / "report.html", tree=tree, **words)
    print(f"{page.stat().st_size / 1e3:.0f} kB")
