"""
A table that does not fit into memory
=====================================

The question is the same as ever, the table is not: here a million rows come in batches of
50,000, as a database cursor or a folder of files would hand them over. No row is kept.
"""

# %%
# A model is fitted on a sample, as large tables ask for.

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import FMEExplainer


def batch(number, n=50_000):
    """The orders of a day in a shop, as long as the seed is its number."""
    rng = np.random.default_rng(number)
    rows = pd.DataFrame(
        {
            "price": rng.uniform(5, 20, n),
            "rating": rng.integers(1, 6, n),
            "weekend": rng.choice(["yes", "no"], n, p=[2 / 7, 5 / 7]),
        }
    )
    rows["weekend"] = rows["weekend"].astype("category")
    return rows


def demand(rows):
    weekend = (rows["weekend"] == "yes").to_numpy()
    noise = np.random.default_rng(len(rows)).normal(size=len(rows))
    return 40 - rows["price"] * (1.5 - 0.6 * weekend) + 2 * rows["rating"] + noise


sample = batch(0, 20_000)
model = HistGradientBoostingRegressor(categorical_features="from_dtype", random_state=0)
steps = [{"price": 1}, {"rating": 1}]
explainer = FMEExplainer(model, steps, response_label="orders").fit(
    sample, demand(sample)
)

# %%
# One pass over twenty batches. The summary is that of all rows in one table: means and SDs
# to rounding, quartiles within a thousandth of their size.

summaries = explainer.explain_batches(batch(day) for day in range(1, 21))
print(summaries)

# %%
# Groups work as they do for one table, and summaries of parts add up with ``+``, so that
# days, files or machines can be taken apart.

first = explainer.explain_batches((batch(day) for day in range(1, 11)), by="weekend")
second = explainer.explain_batches((batch(day) for day in range(11, 21)), by="weekend")
by_weekend = (first + second).average()
print(by_weekend[["effect", "weekend", "n", "ame", "std_error"]])
assert by_weekend["n"].sum() == summaries["price +1"].n + summaries["rating +1"].n

# %%
# Pictures and regions need rows: a sample of them, spread over the batches, says enough.

few = pd.concat(batch(day, 200) for day in range(1, 21))
display = explainer.explain(few)["price +1"].plot()
