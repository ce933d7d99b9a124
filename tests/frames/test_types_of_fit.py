"""Columns that come in other types than fit saw, put into its types where these hold them."""

from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skfme._frames.tables import as_table
from skfme._frames.transit import in_types_of_fit


def in_types_of(given, example):
    return in_types_of_fit(as_table(given), as_table(example)).native


DECIMALS = [Decimal("1.5"), Decimal("2.25")]
DAYS = [pd.Timestamp("2026-01-02"), pd.Timestamp("2026-03-04")]
DICTIONARY = pa.array(["a", "b"]).dictionary_encode()


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        (pa.array(DECIMALS), [1.5, 2.25]),
        (pa.array([d.date() for d in DAYS]), DAYS),
        (DICTIONARY, pd.Series(["a", "b"], dtype=object)),
        (DICTIONARY, pd.Categorical(["a", "b"])),
        (
            pa.chunked_array([DICTIONARY, pa.array(["c"]).dictionary_encode()]),
            list("abc"),
        ),
        (pa.array([1, 2], pa.int8()), np.array([1.0, 2.0], np.float32)),
        (pd.array([1, 2], dtype=object), [1.0, 2.0]),
        (pd.Categorical(["a", "b"]), pd.array(["a", "b"], dtype="string")),
        (np.array([1.0, 2.0]), np.array([1, 2], np.int16)),
    ],
)
def test_entries_are_the_same_in_the_type_of_fit(given, fit):
    table = pa.table({"x": given}) if "Array" in type(given).__name__ else None
    rows = pd.DataFrame({"x": given}) if table is None else table
    example = pd.DataFrame({"x": fit})
    found = in_types_of(rows, example)
    assert found["x"].dtype == example["x"].dtype
    assert found["x"].tolist() == example["x"].tolist()


@pytest.mark.parametrize(
    ("given", "fit"),
    [
        ([1.5, 2.0], [1, 2]),
        ([1.0, np.nan], [1, 2]),
        (["a", "b"], [1, 2]),
        (DAYS, ["a", "b"]),
    ],
)
def test_what_the_type_of_fit_does_not_hold_stays_as_it_came(given, fit):
    rows = pd.DataFrame({"x": given})
    found = in_types_of(rows, pd.DataFrame({"x": fit}))
    pd.testing.assert_frame_equal(found, rows)


def test_decimals_are_floats_in_an_array():
    found = in_types_of(pl.DataFrame({"x": DECIMALS, "y": [1, 2]}), np.zeros((1, 2)))
    np.testing.assert_array_equal(found, [[1.5, 1.0], [2.25, 2.0]])


def test_tables_of_another_shape_or_without_types_stay():
    rows = pd.DataFrame({"x": [1, 2]})
    assert in_types_of(rows, pd.DataFrame({"x": [1], "y": [2]})) is rows
    array = np.zeros((2, 1))
    assert in_types_of(array, rows) is array


@pytest.mark.parametrize("backend", ["polars", "pyarrow"])
def test_columns_of_arrow_are_cast_to_those_of_fit(backend):
    make = pl.DataFrame if backend == "polars" else pa.table
    rows = pd.DataFrame({"i": [1, 2], "t": ["a", "b"]})
    example = make({"i": [1.0], "t": ["a"]})
    found = in_types_of(rows, example)
    types = found.schema if backend == "polars" else found.schema.types
    expected = example.schema if backend == "polars" else example.schema.types
    assert types == expected
