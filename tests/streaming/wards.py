"""A folder of Parquet files with columns of every kind, and a model that reads them all."""

import datetime
import decimal
import sys

import cloudpickle
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer

N, N_FILES = 1000, 20
ZONE = "America/New_York"  # narwhals does not read its name of pandas' columns
FEATURES = ["age", "sex", "ward", "price", "born", "seen"]
STEPS = {
    "older": {"age": 5},
    "male": {"sex": "m"},
    "dearer in b": {"price": 3, "ward": "b"},
    "later": {"seen": datetime.timedelta(hours=2)},
}

# Workers find this module by value, wherever the tests lie.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Stay(RegressorMixin, BaseEstimator):
    """Reads text, categories, decimals, dates, wall clocks and missing entries."""

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        X = X if isinstance(X, pd.DataFrame) else X.to_pandas()
        age = np.nan_to_num(X["age"].to_numpy(float), nan=40)
        price = np.nan_to_num(X["price"].astype(float).to_numpy(), nan=7)
        days = (pd.to_datetime(X["born"]) - pd.Timestamp("1950-01-01")).dt.days
        place = X["ward"].astype(object).map({"a": 0.0, "b": 1.0, "c": 3.0})
        male = (X["sex"].astype(object) == "m").to_numpy()
        return (
            np.exp(age / 40)
            + male * X["seen"].dt.hour.to_numpy()
            + place.fillna(-1.0).to_numpy() * np.sqrt(price)
            + days.fillna(0).to_numpy() / 1000 * age
        )


def arrow_table():
    rng = np.random.default_rng(0)

    def holey(values, type=None):
        return pa.array(values, type, mask=rng.random(N) < 0.05)

    hours = np.datetime64("2024-03-09T20:00:00") + rng.integers(0, 3 * 24, N) * (
        np.timedelta64(1800, "s")
    )
    prices = [decimal.Decimal(int(cents)) / 100 for cents in rng.integers(0, 9999, N)]
    births = [
        datetime.date(1950, 1, 1) + datetime.timedelta(days=int(days))
        for days in rng.integers(0, 20000, N)
    ]
    return pa.table(
        {
            "id": np.arange(N),
            "seen": pa.array(hours.astype("datetime64[us]")).cast(
                pa.timestamp("us", tz=ZONE)
            ),
            "age": holey(rng.normal(50, 12, N)),
            "sex": holey(rng.choice(["f", "m"], N)),
            "ward": holey(rng.choice(["b", "a", "c"], N)).dictionary_encode(),
            "price": holey(prices, pa.decimal128(8, 2)),
            "born": holey(births),
            "weight": rng.integers(1, 4, N).astype(float),
        }
    )


def write_files(folder, table):
    """Each of its own categories, and one without rows."""
    folder.mkdir()
    for i in range(N_FILES - 1):
        start, stop = (j * N // (N_FILES - 1) for j in (i, i + 1))
        rows = table.slice(start, stop - start)
        ward = rows["ward"].combine_chunks().dictionary_decode().dictionary_encode()
        rows = rows.set_column(rows.schema.get_field_index("ward"), "ward", ward)
        pq.write_table(rows, folder / f"{i:02}.parquet")
    pq.write_table(table.slice(0, 0), folder / "none.parquet")
    return folder


def explainer_on(X, **options):
    return FMEExplainer(FrozenEstimator(Stay()), STEPS, **options).fit(X)


def in_memory(folder):
    """The folder's rows as one machine has them."""
    return pyarrow.dataset.dataset(folder).to_table().to_pandas()


def assert_summaries(summaries, effects):
    """Counts equal, means to 1e-12, quartiles to 0.1 %."""
    mine, its = summaries.to_frame(), effects.to_frame()
    counts = [c for c in its if c == "effect" or c.startswith("n")]
    pd.testing.assert_frame_equal(mine[counts], its[counts])
    np.testing.assert_allclose(mine["ame"], its["ame"], rtol=1e-12)
    np.testing.assert_allclose(mine["sd"], its["sd"], rtol=1e-10)
    for name, effect in effects.items():
        off = np.abs(summaries[name].quartiles - effect.quartiles)
        assert (off <= 1.0001e-3 * np.abs(effect.quartiles).max() + 1e-12).all()
