"""
Study: who calls migrants a flood? One effect over several outcomes
===================================================================

Mendelsohn and Budak (2025, arXiv 2502.13246) scored 400,000 tweets on immigration for
seven dehumanising metaphors, and asked by how much conservative authors use each more than
liberal ones, and whether ideologically stronger authors do. Each metaphor is an outcome of
its own regression, on the author's side, the strength of the ideology and controls; Holm's
adjustment is over the seven. The tweets are not public, so that the corpus is simulated
here, a tenth as large, with the published effects as its truth.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import statsmodels.api as sm
import statsmodels.formula.api as smf

from skfme import Contrast
from skfme.statsmodels import ConditionalEffects, EffectResults, delta_effects

# The published average effects, times 1,000: of the conservative side, and of one SD of
# strength among liberals and among conservatives.
PUBLISHED = pd.DataFrame(
    {
        "animal": (11.811, 1.402, 4.013),
        "commodity": (9.851, -1.897, 1.403),
        "parasite": (8.373, 2.055, 3.500),
        "pressure": (13.349, -0.770, 3.045),
        "vermin": (8.446, 1.104, 2.909),
        "war": (17.158, -0.116, 5.167),
        "water": (16.623, -2.416, 0.757),
    },
    index=["side", "strength, liberal", "strength, conservative"],
).T


def corpus(rng, n_authors=2000, n_tweets=20):
    """Tweets by authors whose own habits, and not only their side, colour the language."""
    author = np.repeat(np.arange(n_authors), n_tweets)
    conservative = (
        rng.random(n_authors) < 0.606
    )  # the share that the study's averages tell
    strength = rng.gamma(4, size=n_authors)
    for side in (True, False):  # centred within sides
        strength[conservative == side] -= strength[conservative == side].mean()
    strength /= strength.std()
    tweets = pd.DataFrame(
        {
            "author": author,
            "side": pd.Categorical.from_codes(
                conservative.astype(int)[author], ["liberal", "conservative"]
            ),
            "strength": strength[author],
            "log_followers": rng.normal(6, 2, n_authors)[author],
            "reply": rng.integers(2, size=len(author)),
        }
    )
    right, s = conservative[author], tweets["strength"]
    for concept, (side, liberal, other) in (PUBLISHED / 1000).iterrows():
        habit = rng.normal(0, 0.02, n_authors)[author]
        tweets[concept] = (
            0.1
            + side * right
            + np.where(right, other, liberal) * s
            + 0.001 * tweets["log_followers"]
            - 0.005 * tweets["reply"]
            + habit
            + rng.normal(0, 0.08, len(author))
        )
    return tweets


tweets = corpus(np.random.default_rng(0))
concepts = list(PUBLISHED.index)

# %%
# One regression a concept, as the study made them. The effect of the side is a contrast of
# two categories; that of strength one SD more, averaged by side.

fits = {
    concept: smf.ols(
        f"{concept} ~ side * strength + log_followers + reply", tweets
    ).fit()
    for concept in concepts
}
SIDE = {"side": Contrast("liberal", "conservative")}


def effects(steps, by=None, **errors):
    """The effects of all concepts, as one family."""
    by_concept = {
        concept: delta_effects(fit, tweets, steps, by=by, **errors)
        for concept, fit in fits.items()
    }
    return EffectResults.concat(by_concept, label="concept")


# %%
# **The side.** The study's standard errors take each tweet for a unit. Tweets of one author
# are alike, and a side belongs to an author, not to a tweet: ``cov_type="cluster"`` is the
# same call with errors that allow for it. Their size beside the plain ones, and Holm's
# adjustment over the seven concepts:

plain = effects(SIDE)
clustered = effects(SIDE, cov_type="cluster", cov_kwds={"groups": "author"})
side = pd.DataFrame(
    {
        "published": PUBLISHED["side"].to_numpy(),
        "estimate": 1000 * clustered.params.to_numpy(),
        "plain error": 1000 * plain.bse.to_numpy(),
        "clustered error": 1000 * clustered.bse.to_numpy(),
        "holm p": clustered.pvalues_adjusted("holm").to_numpy(),
    },
    index=concepts,
)
print(side.round(3))

# %%
# **Strength, by side.** Two effects a concept; the p-values are adjusted over the concepts
# of each side. The published pattern: among conservatives strength goes with more metaphor
# of every kind; among liberals with more talk of creatures, and less of water.

by_side = effects(
    {"strength": 1}, by="side", cov_type="cluster", cov_kwds={"groups": "author"}
)
strength = by_side.to_frame()[["concept", "side", "estimate", "std_error"]]
strength["published"] = (
    PUBLISHED[["strength, liberal", "strength, conservative"]].to_numpy().ravel()
)
strength["holm p"] = by_side.pvalues_adjusted("holm", within="side").to_numpy()
strength[["estimate", "std_error"]] *= 1000
print(strength.round(3).to_string(index=False))

# %%
# Does strength move the sides differently? Differences within a concept, adjusted over the
# seven. By the published numbers conservatives lie above by 1.4 (parasite) to 5.3 (war); a
# corpus of a tenth of the size is sure of the largest alone.

differences = by_side.pairwise(over="side")
print(differences.to_frame()[["concept", "side", "estimate", "p_adjusted"]].round(4))

# %%
# **Between concepts.** All outcomes are of the same tweets, and separate fits do not know
# how they vary together; ``concat`` takes them for independent. One regression of all
# outcomes does know. Strength is centred, so that the coefficient of the side is its average
# effect. War and water are not told apart (published: 17.2 and 16.6); both are used far more
# by one side than vermin (8.4).

joint = ConditionalEffects.from_response(
    tweets[concepts], tweets, "side * strength + log_followers + reply"
).fit("cluster", {"groups": "author"})
term = "side[T.conservative]"
between = joint.contrasts(
    [
        f"{term}[war] - {term}[water]",
        f"{term}[war] - {term}[vermin]",
        f"{term}[water] - {term}[vermin]",
    ],
    labels=pd.DataFrame({"effect": ["war - water", "war - vermin", "water - vermin"]}),
)
print(between.to_frame()[["effect", "estimate", "p_value"]].round(5))

# %%
# **A real ideology.** In the American National Election Study of 1996 people placed
# themselves and both candidates between 1 (extremely liberal) and 7 (extremely
# conservative). By the side and the strength of the self-placement, what does one more step
# of strength go with? Both sides' strong adherents place Clinton further to the left, by
# 0.4 of a step; of Dole and of watching the news strength tells nothing. Nobody published
# these numbers; they are what the regressions say.

people = sm.datasets.anes96.load_pandas().data
people = people[people["selfLR"] != 4].reset_index(drop=True)
people["side"] = np.where(people["selfLR"] > 4, "conservative", "liberal")
people["strength"] = (people["selfLR"] - 4).abs()
placed = {}
for outcome in ("ClinLR", "DoleLR", "TVnews"):
    fit = smf.ols(f"{outcome} ~ side * strength + age + educ + income", people).fit()
    placed[outcome] = delta_effects(
        fit, people, {"strength": 1}, by="side", cov_type="HC3"
    )
real = EffectResults.concat(placed, label="outcome")
real_frame = real.to_frame()[["outcome", "side", "n", "estimate", "std_error"]]
real_frame["holm p"] = real.pvalues_adjusted("holm").to_numpy()
print(real_frame.round(4).to_string(index=False))

# %%

fig, ax = plt.subplots(layout="constrained")
for offset, (label, results) in zip(
    (-0.15, 0.15), {"plain": plain, "by author": clustered}.items(), strict=True
):
    ends = 1000 * results.conf_int().to_numpy()
    places = np.arange(len(concepts)) + offset
    ax.hlines(
        places,
        ends[:, 0],
        ends[:, 1],
        color="C0" if offset < 0 else "C1",
        lw=3,
        label=label,
    )
ax.plot(PUBLISHED["side"], np.arange(len(concepts)), "k|", ms=22, label="published")
ax.set_yticks(range(len(concepts)), concepts)
ax.set(xlabel="more metaphor on the conservative side, times 1,000")
ax.legend()
plt.show()

# %%
# The headline: conservatives use every metaphor more, by amounts that intervals clustered
# by author hold; these are half as wide again as plain ones.

assert (side["holm p"] < 0.001).all()
assert (
    (side["estimate"] - side["published"]).abs() < 4 * side["clustered error"]
).all()
assert (side["clustered error"] > 1.3 * side["plain error"]).all()
off = (strength["estimate"] - strength["published"]).abs()
assert (off < 4 * strength["std_error"]).all()
assert (differences.params > 0).all()
assert between.pvalues.iloc[0] > 0.05 > 0.001 > between.pvalues.iloc[1:].max()
told = real_frame["holm p"] < 0.05
assert (told == (real_frame["outcome"] == "ClinLR")).all()
