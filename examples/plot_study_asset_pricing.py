"""
What moved the price? Attribution in asset pricing
===================================================

A study of attribution methods in asset pricing (arXiv 2407.08953) asks which of a pricing
model's inputs is behind a change of price, and which rule may be trusted to say so:
Shapley values, or integrated gradients, which follow the straight way from the old market
to the new one. It finds that each keeps most of the rules that a desk would want, and
neither all of them. A change of market is a joint step, so that both are one call here.
The study's example, the Black-Scholes price of a call, is computed below; the numbers
beside it are those of its formula.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import FMEExplainer, Scale, attribute

# %%
# One option: the spot rises from 100 to 105, volatility from 20 % to 25 %, and a tenth of
# the year goes by.

STRIKE, RATE = 100.0, 0.03
FEATURES = ["spot", "volatility", "time"]


def call(X):
    """The Black-Scholes price of a call."""
    spot, volatility, time = np.asarray(X, dtype=float).T
    spread = volatility * np.sqrt(time)
    d = np.log(spot / STRIKE) + (RATE + volatility**2 / 2) * time
    discount = np.exp(-RATE * time)
    return spot * norm.cdf(d / spread) - STRIKE * discount * norm.cdf(
        d / spread - spread
    )


option = pd.DataFrame([[100.0, 0.20, 1.0]], columns=FEATURES)
step = {"spot": 5.0, "volatility": 0.05, "time": -0.1}
options = {"extrapolation": None, "check_rows": False}
shapley = attribute(call, option, step, interactions=True, **options)
path = attribute(call, option, step, method="path", **options)
parts = pd.DataFrame(
    {
        "shapley": [part.ame for part in shapley.values()],
        "by formula": [3.19149168, 1.86018740, -0.60231519],
        "path": [part.ame for part in path.values()],
        "formula": [3.18227488, 1.87174251, -0.60465349],
    },
    index=FEATURES,
)
print(parts.round(4))
print(f"total {shapley.total.ame:.7f}; by formula 4.4493639")

# %%
# Either way the parts add up to the change of price. The Greeks do not: delta, half of
# gamma, vega and theta times their changes come to 4.6305, 0.1811 too much. What the
# changes do together is small here, and all of it negative.

print(shapley.interactions.round(5))

# %%
# In which order the market moved nobody knows. Over all orders the spot brings anything
# between these two:

orders = attribute(call, option, step, method="sequential", **options)
lowest, highest = orders.order_range("spot")
print(f"spot: {lowest[0]:.3f} to {highest[0]:.3f}")

# %%
# Which rule does each method break? Each line below is a pair of runs that shows one.
# A larger move of a factor that helps should never be credited with less (demand
# monotonicity): the payoff on the worse of two assets breaks that for the path. A factor
# that helps wherever the market went should be credited (sign along the path): Shapley
# values, which also ask about markets that never were, break that.


def first_part(model, method, move=1.0):
    """What the first of two features brings, both from 0, the second to 1."""
    start = np.zeros((1, 2))
    found = attribute(model, start, {0: move, 1: 1.0}, method=method, **options)
    return next(iter(found.values())).ame


def worse_of_two(X):
    return X.min(axis=1)


def ridge(X):
    return X[:, 0] * (1 - 4 * (X[:, 0] - X[:, 1]) ** 2)


def mixed(X):
    """Its mixed derivative is 1 − 6(x − y)²: positive along the path."""
    x, y = X.T
    return x * y - 6 * (x**3 * y / 3 - x**2 * y**2 / 2 + x * y**3 / 3)


def larger_second(model, method):
    """The first feature's part as the second's move grows from 1 to 1.1."""
    start = np.zeros((1, 2))
    moves = [{0: 1.0, 1: second} for second in (1.0, 1.1)]
    runs = [attribute(model, start, move, method=method, **options) for move in moves]
    return [next(iter(run.values())).ame for run in runs]


rows = {
    "a larger move brings no less": lambda m: [
        first_part(worse_of_two, m, move) for move in (0.9, 1.1)
    ],
    "the sign along the path": lambda m: [first_part(ridge, m)],
    "a partner's larger move brings no less (on the path)": lambda m: larger_second(
        mixed, m
    ),
}
broken = pd.DataFrame(
    {
        m: {rule: np.round(run(m), 4) + 0.0 for rule, run in rows.items()}
        for m in ("shapley", "path")
    }
)
print(broken.to_string())

# %%
# A desk holds many options, and often a fitted model rather than a formula. Here boosted
# trees learn the price from 4,000 quotes; the book's change is split leaf by leaf, exactly
# for the trees, and lies near the formula's own split.

rng = np.random.default_rng(0)
book = pd.DataFrame(
    {
        "spot": rng.uniform(80, 120, 4000),
        "volatility": rng.uniform(0.1, 0.4, 4000),
        "time": rng.uniform(0.2, 2.0, 4000),
    }
)
explainer = FMEExplainer(
    HistGradientBoostingRegressor(random_state=0),
    {"market": {"spot": Scale(1.03), "volatility": 0.03, "time": -0.1}},
).fit(book, call(book))
learned = explainer.attribute(book)
known = attribute(call, book, {"spot": Scale(1.03), "volatility": 0.03, "time": -0.1})
compared = pd.DataFrame(
    {
        "trees": [part.ame for part in learned.values()],
        "formula": [part.ame for part in known.values()],
    },
    index=FEATURES,
)
print(learned.how)
print(compared.round(3))

# %%

learned.plot(response_label="price of a call")
plt.show()

# %%
# The headline: both methods are complete, and each breaks a rule that the other keeps.

assert np.allclose(parts["shapley"], parts["by formula"], atol=2e-8)
assert np.allclose(parts["path"], parts["formula"], atol=2e-8)
assert np.allclose(parts[["shapley", "path"]].sum(), 4.4493638982)
demand, sign, partner = broken["path"]
assert demand[0] > demand[1]
assert sign[0] > 0
assert partner[1] > partner[0]
demand, sign, partner = broken["shapley"]
assert demand[0] < demand[1]
assert sign[0] < 0
assert partner[1] < partner[0]
assert np.allclose(compared["trees"], compared["formula"], atol=0.05)
