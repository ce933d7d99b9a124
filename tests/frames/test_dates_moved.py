"""Dates and durations that are moved: exactly, in every library and unit, or refused."""

import datetime
from itertools import product

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skfme import Contrast, SetTo, fme
from skfme._frames.dates import moved_in_time

TICKS = np.array([1_704_067_200_000_000_001, 1_704_153_600_000_000_000])
LIBRARIES = {
    "pandas": lambda arrow: arrow.to_pandas(),
    "arrow-backed": lambda arrow: arrow.to_pandas(types_mapper=pd.ArrowDtype),
    "polars": pl.from_arrow,
    "pyarrow": lambda arrow: arrow,
}
TYPES = {
    "moment": pa.timestamp,
    "moment in a zone": lambda unit: pa.timestamp(unit, "Europe/Vienna"),
    "duration": pa.duration,
}


def column_of(library, dtype, ticks):
    arrow = pa.chunked_array([pa.array(ticks).cast(dtype)])
    return nw.from_native(LIBRARIES[library](arrow), series_only=True)


def ticks_of(column):
    native = column.to_native()
    if isinstance(native, pd.Series):
        native = pa.array(native)
    arrow = native.to_arrow() if isinstance(native, pl.Series) else native
    return arrow.cast(pa.int64()).to_pylist()


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize(
    "amount",
    [pd.Timedelta("3ns"), pd.Timedelta("-1us 3ns"), datetime.timedelta(hours=1)],
    ids=str,
)
def test_nanoseconds_are_moved_to_the_nanosecond(library, kind, amount):
    column = column_of(library, TYPES[kind]("ns"), TICKS)
    moved = moved_in_time(column, amount)
    assert moved.dtype == column.dtype
    expected = TICKS + pd.Timedelta(amount).value
    assert ticks_of(moved) == expected.tolist()


TOO_FINE = {
    "s": datetime.timedelta(milliseconds=1),
    "ms": datetime.timedelta(microseconds=1500),
    "us": pd.Timedelta("3ns"),
}


@pytest.mark.parametrize(
    ("library", "unit"),
    # polars has no columns of seconds.
    [pair for pair in product(LIBRARIES, TOO_FINE) if pair != ("polars", "s")],
)
@pytest.mark.parametrize("kind", TYPES)
def test_what_the_unit_of_the_column_does_not_hold_is_refused(library, kind, unit):
    column = column_of(library, TYPES[kind](unit), np.arange(3))
    with pytest.raises(ValueError, match=rf"of the column's unit \({unit}\)"):
        moved_in_time(column, TOO_FINE[unit])


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("years", [270, 300])  # which nanoseconds hold, and do not
def test_moments_beyond_the_range_of_the_unit_are_refused(library, years):
    column = column_of(library, pa.timestamp("ns"), TICKS)
    with pytest.raises(ValueError, match="or its range"):
        moved_in_time(column, datetime.timedelta(days=years * 365))


@pytest.mark.parametrize("library", LIBRARIES)
def test_dates_beside_missing_ones_are_set_and_compared(library):
    days = [datetime.datetime(2024, 1, 1), None, datetime.datetime(2024, 1, 3)]
    arrow = pa.table({"seen": pa.array(days, pa.timestamp("us")), "x": [1.0, 2.0, 3.0]})
    X = LIBRARIES[library](arrow)

    def seen(X):
        column = nw.from_native(X)["seen"]
        return np.nan_to_num(column.dt.timestamp("ms").to_numpy().astype(float)) / 864e5

    options = {"extrapolation": None, "engine": "predict"}
    to = fme(seen, X, {"seen": SetTo(datetime.datetime(2024, 1, 2))}, **options)
    np.testing.assert_allclose(to.fme, [1, np.nan, -1])
    pair = Contrast(datetime.datetime(2024, 1, 1), datetime.datetime(2024, 1, 3))
    np.testing.assert_allclose(fme(seen, X, {"seen": pair}, **options).fme, [2, 2, 2])
