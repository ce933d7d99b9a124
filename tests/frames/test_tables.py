"""Column types: what the model receives for every kind of table and column."""

from __future__ import annotations

import copy
import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.tree import DecisionTreeRegressor

from skfme import Add, Contrast, Scale, SetTo, fme
from tests.recorder import recorded, stepped_table, values_of

PANDAS_INTEGERS = [
    "int8",
    "int64",
    "uint8",
    "uint32",
    "Int64",
    "UInt8",
    "int64[pyarrow]",
    "uint8[pyarrow]",
]


def table_of(kind, values, dtype="uint8"):
    """A one-column table of small integers, and the key of its column."""
    array = np.array(values, dtype=dtype)
    if kind == "numpy":
        return array[:, None], 0
    if kind == "pandas":
        return pd.DataFrame({"a": array}), "a"
    if kind == "nullable":
        names = {"uint8": "UInt8", "int64": "Int64"}
        return pd.DataFrame({"a": pd.array(values, dtype=names[dtype])}), "a"
    if kind == "arrow-backed":
        return pd.DataFrame({"a": pd.array(values, dtype=f"{dtype}[pyarrow]")}), "a"
    if kind == "polars":
        return pl.DataFrame({"a": array}), "a"
    return pa.table({"a": array}), "a"


KINDS = ["numpy", "pandas", "nullable", "arrow-backed", "polars", "pyarrow"]


@pytest.mark.parametrize("dtype", PANDAS_INTEGERS)
def test_whole_step_leaves_an_integer_column_of_pandas_as_it_is(dtype):
    X = pd.DataFrame({"a": pd.array([10, 20], dtype=dtype), "b": [0.5, 1.5]})
    table = stepped_table(X, {"a": 1})
    assert list(table.dtypes) == list(X.dtypes)
    assert values_of(table, "a") == [11, 21]
    assert values_of(table, "b") == [0.5, 1.5]


@pytest.mark.parametrize("dtype", PANDAS_INTEGERS)
def test_fractional_step_makes_an_integer_column_of_pandas_float(dtype):
    X = pd.DataFrame({"a": pd.array([10, 20], dtype=dtype), "b": [1, 2]})
    table = stepped_table(X, {"a": 0.5})
    assert pd.api.types.is_float_dtype(table["a"].dtype)
    assert values_of(table, "a") == [10.5, 20.5]
    assert table["b"].dtype == X["b"].dtype


@pytest.mark.parametrize("step", [2, 2.0, np.int8(2), np.float64(2)])
def test_a_whole_step_is_whole_whatever_its_own_type(step):
    table = stepped_table(pd.DataFrame({"a": [10, 20]}), {"a": step})
    assert table["a"].dtype == np.int64
    assert values_of(table, "a") == [12, 22]


@pytest.mark.parametrize("kind", KINDS)
def test_a_sum_above_the_range_of_its_type_does_not_wrap(kind):
    X, key = table_of(kind, [200, 5])
    assert values_of(stepped_table(X, {key: 100}), key) == [300, 105]


@pytest.mark.parametrize("kind", KINDS)
def test_a_difference_below_zero_of_an_unsigned_column_does_not_wrap(kind):
    X, key = table_of(kind, [200, 5])
    assert values_of(stepped_table(X, {key: -10}), key) == [190, -5]


@pytest.mark.parametrize("kind", KINDS)
def test_a_product_above_the_range_of_its_type_does_not_wrap(kind):
    X, key = table_of(kind, [200, 5])
    assert values_of(stepped_table(X, {key: Scale(2)}), key) == [400, 10]


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_outside_the_range_of_its_type_does_not_wrap(kind):
    X, key = table_of(kind, [200, 5])
    assert values_of(stepped_table(X, {key: SetTo(-1)}), key) == [-1, -1]
    assert values_of(stepped_table(X, {key: SetTo(256)}), key) == [256, 256]


@pytest.mark.parametrize("kind", KINDS)
def test_set_to_a_fraction_is_not_truncated(kind):
    X, key = table_of(kind, [200, 5])
    assert values_of(stepped_table(X, {key: SetTo(2.5)}), key) == [2.5, 2.5]


@pytest.mark.parametrize("kind", KINDS)
def test_a_scaled_integer_column_is_not_truncated(kind):
    X, key = table_of(kind, [200, 5])
    assert values_of(stepped_table(X, {key: Scale(0.5)}), key) == [100.0, 2.5]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_steps_are_exact_beyond_the_integers_that_floats_hold(kind):
    big = 2**53 + 1
    X, key = table_of(kind, [big, 7], dtype="int64")
    assert values_of(stepped_table(X, {key: 2}), key) == [big + 2, 9]
    assert values_of(stepped_table(X, {key: Scale(3)}), key) == [3 * big, 21]
    assert values_of(stepped_table(X, {key: SetTo(big)}), key) == [big, big]


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_beyond_int64_does_not_wrap(kind):
    X, key = table_of(kind, [2**63 - 1, 7], dtype="int64")
    assert values_of(stepped_table(X, {key: 1}), key) == [2.0**63, 8.0]


@pytest.mark.parametrize("step", [0.5, Scale(1.5), SetTo(0.25), Add(1)])
def test_a_float32_column_stays_float32(step):
    X = pd.DataFrame({"a": np.array([1, 2], dtype="float32")})
    assert stepped_table(X, {"a": step})["a"].dtype == np.float32
    array = np.array([[1, 2], [3, 4]], dtype="float32")
    assert stepped_table(array, {0: step}).dtype == np.float32
    frame = pl.DataFrame({"a": [1.0, 2.0]}, schema={"a": pl.Float32})
    assert stepped_table(frame, {"a": step}).schema["a"] == pl.Float32


def test_set_to_a_whole_number_leaves_an_integer_column_integer():
    for kind in ("pandas", "nullable", "arrow-backed"):
        X, _ = table_of(kind, [4, 5], dtype="int64")
        table = stepped_table(X, {"a": SetTo(2)})
        assert table["a"].dtype == X["a"].dtype
        assert values_of(table, "a") == [2, 2]
    X, _ = table_of("polars", [4, 5], dtype="int64")
    assert stepped_table(X, {"a": SetTo(2)}).schema == X.schema


@pytest.mark.parametrize("dtype", ["bool", "boolean", "bool[pyarrow]"])
def test_a_boolean_column_moves_to_a_value_and_stays_boolean(dtype):
    X = pd.DataFrame({"a": pd.array([False, True, False], dtype=dtype), "b": 1})
    effects, model = recorded(X, {"a": True}, extrapolation=None)
    (table,) = model.tables
    assert table["a"].dtype == X["a"].dtype
    assert values_of(table, "a") == [False, False, True, True]
    (effect,) = effects.values()
    assert effect.name == "a = True"
    assert effect.status.tolist() == ["counted", "at_target", "counted"]


@pytest.mark.parametrize("ordered", [False, True])
def test_set_to_keeps_the_categories_of_a_category_column_unused_ones_too(ordered):
    dtype = pd.CategoricalDtype(["c", "unused", "a", "b"], ordered=ordered)
    X = pd.DataFrame({"a": pd.Series(["a", "b", "c"], dtype=dtype), "b": 1})
    _, model = recorded(X, {"a": "b"}, extrapolation=None)
    for table in model.tables:
        assert table["a"].dtype == dtype
        assert table["a"].dtype.ordered is ordered
    assert values_of(model.tables[-1], "a")[-2:] == ["b", "b"]


@pytest.mark.parametrize("dtype", ["str", "object", "string", "string[pyarrow]"])
def test_set_to_keeps_the_type_of_a_text_column(dtype):
    X = pd.DataFrame({"a": pd.Series(["u", "v", "u"], dtype=dtype), "b": 1})
    effects, model = recorded(X, {"a": "v"}, extrapolation=None)
    (table,) = model.tables
    assert table["a"].dtype == X["a"].dtype
    assert values_of(table, "a") == ["u", "u", "v", "v"]
    assert effects["a = v"].status.tolist() == ["counted", "at_target", "counted"]


@pytest.mark.parametrize("dtype", [pl.Int16, pl.Int64, pl.UInt8])
def test_whole_step_leaves_an_integer_column_of_polars_as_it_is(dtype):
    X = pl.DataFrame({"a": [10, 20], "b": ["u", "v"]}, schema_overrides={"a": dtype})
    table = stepped_table(X, {"a": 1})
    assert table.schema == X.schema
    assert table.rows() == [(11, "u"), (21, "v")]


def test_fractional_step_makes_an_integer_column_of_polars_float():
    table = stepped_table(pl.DataFrame({"a": [10, 20]}), {"a": 0.5})
    assert table.schema["a"] == pl.Float64
    assert table["a"].to_list() == [10.5, 20.5]


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.Enum(["v", "unused", "u"])]
)
def test_set_to_keeps_the_type_of_a_categorical_polars_column(dtype):
    X = pl.DataFrame({"a": ["u", "v", "u"], "b": 1}, schema_overrides={"a": dtype})
    effects, model = recorded(X, {"a": "v"}, extrapolation=None)
    (table,) = model.tables
    assert table.schema == X.schema
    assert table["a"].to_list() == ["u", "u", "v", "v"]
    assert effects["a = v"].status.tolist() == ["counted", "at_target", "counted"]


def test_whole_step_leaves_an_integer_column_of_pyarrow_as_it_is():
    X = pa.table({"a": pa.array([1, 2], pa.int8()), "b": ["u", "v"]})
    table = stepped_table(X, {"a": 1})
    assert table.schema == X.schema
    assert table.to_pydict() == {"a": [2, 3], "b": ["u", "v"]}


@pytest.mark.parametrize("encoded", [False, True])
def test_set_to_keeps_the_type_of_a_pyarrow_text_column(encoded):
    texts = pa.array(["u", "v", "u"])
    X = pa.table({"a": texts.dictionary_encode() if encoded else texts, "b": [1, 2, 3]})
    effects, model = recorded(X, {"a": "v"}, extrapolation=None)
    (table,) = model.tables
    assert table.schema == X.schema
    assert table["a"].to_pylist() == ["u", "u", "v", "v"]
    assert effects["a = v"].status.tolist() == ["counted", "at_target", "counted"]


@pytest.mark.parametrize("dtype", ["int64", "uint8", "int16"])
def test_whole_step_leaves_an_integer_array_integer(dtype):
    X = np.array([[1, 2], [3, 4]], dtype=dtype)
    table = stepped_table(X, {1: 1})
    assert table.dtype == dtype
    assert table.tolist() == [[1, 3], [3, 5]]


def test_fractional_step_makes_an_integer_array_float():
    table = stepped_table(np.array([[1, 2], [3, 4]]), {1: 0.5})
    assert table.dtype == np.float64
    assert table.tolist() == [[1, 2.5], [3, 4.5]]


def test_object_array_takes_numeric_and_categorical_steps_together():
    X = np.array([[1, "u"], [2, "v"], [3, "u"]], dtype=object)
    effects, model = recorded(X, {0: 0.5, 1: "v"}, extrapolation=None)
    assert list(effects) == ["x0 +0.5, x1 = v"]
    assert model.tables[-1][-2:].tolist() == [[1.5, "v"], [3.5, "v"]]


@pytest.mark.parametrize("step", [Add(1), SetTo(5), Scale(2)])
def test_whole_step_leaves_the_integers_of_an_object_array_integers(step):
    X = np.array([[1, "u"], [2, "v"]], dtype=object)
    table = stepped_table(X, {0: step})
    assert all(type(value) is int for value in table[:, 0])


def test_missing_na_in_an_object_array_is_missing():
    X = pd.DataFrame(
        {"a": pd.array([1, None, 3], "Int64"), "b": list("uvw")}
    ).to_numpy()
    effect = fme(lambda X: np.zeros(len(X)), X, {0: 1}, extrapolation=None)
    assert effect.status.tolist() == ["counted", "missing", "counted"]


NUMBERS_WITH_A_GAP = {
    "float64": pd.DataFrame({"a": [1.0, np.nan, 3.0]}),
    "Int64": pd.DataFrame({"a": pd.array([1, None, 3], "Int64")}),
    "Float64": pd.DataFrame({"a": pd.array([1, None, 3], "Float64")}),
    "arrow-backed": pd.DataFrame({"a": pd.array([1, None, 3], "int64[pyarrow]")}),
    "polars null": pl.DataFrame({"a": [1, None, 3]}),
    "polars NaN": pl.DataFrame({"a": [1.0, float("nan"), 3.0]}),
    "pyarrow": pa.table({"a": [1, None, 3]}),
    "object array": np.array([[1], [None], [3]], dtype=object),
    "float array": np.array([[1.0], [np.nan], [3.0]]),
}


@pytest.mark.parametrize("step", [1, 0.5, Scale(2)], ids=str)
@pytest.mark.parametrize("kind", NUMBERS_WITH_A_GAP)
def test_a_row_whose_stepped_number_is_missing_does_not_count(kind, step):
    X = NUMBERS_WITH_A_GAP[kind]
    key = 0 if isinstance(X, np.ndarray) else "a"
    effects, model = recorded(X, {key: step}, extrapolation=None)
    (effect,) = effects.values()
    assert effect.status.tolist() == ["counted", "missing", "counted"]
    assert np.isnan(effect.fme).tolist() == [False, True, False]
    assert model.n_rows == 4


@pytest.mark.parametrize("kind", NUMBERS_WITH_A_GAP)
def test_set_to_counts_a_row_whose_number_is_missing_where_it_is_told(kind):
    X = NUMBERS_WITH_A_GAP[kind]
    key = 0 if isinstance(X, np.ndarray) else "a"
    table = stepped_table(X, {key: SetTo(2, count_missing=True)})
    assert values_of(table, key) == [2, 2, 2]
    assert values_of(recorded(X, {key: SetTo(2)})[1].tables[-1], key)[-2:] == [2, 2]


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["u", None, "v"], dtype="str"),
        pd.Series(["u", None, "v"], dtype=object),
        pd.Series(["u", None, "v"], dtype="category"),
        pd.Series(["u", None, "v"], dtype="string[pyarrow]"),
        pl.Series(["u", None, "v"]),
        pl.Series(["u", None, "v"], dtype=pl.Enum(["u", "v"])),
    ],
    ids=lambda s: f"{type(s).__module__.split('.')[0]}-{s.dtype}",
)
def test_set_to_counts_a_row_whose_category_is_missing_where_it_is_told(column):
    frame = pl.DataFrame if isinstance(column, pl.Series) else pd.DataFrame
    X = frame({"a": column})
    effects, _ = recorded(X, {"a": "v"})
    assert effects["a = v"].status.tolist() == ["counted", "missing", "at_target"]
    effects, model = recorded(X, {"a": SetTo("v", count_missing=True)})
    assert effects["a = v"].status.tolist() == ["counted", "counted", "at_target"]
    assert values_of(model.tables[-1], "a")[-2:] == ["v", "v"]


@pytest.mark.parametrize("index", [[30, 10, 20], ["p", "q", "r"], [7, 7, 7]])
def test_rows_are_matched_by_position_whatever_the_pandas_index(index):
    X = pd.DataFrame({"a": [1, 2, 3], "s": ["u", "v", "u"]}, index=index)
    effects, model = recorded(
        X, {"a": 10, "s": "v"}, extrapolation=None, function=lambda X: X["a"]
    )
    effect = effects["a +10, s = v"]
    np.testing.assert_array_equal(effect.fme, [10, np.nan, 10])
    assert values_of(model.tables[-1], "a")[-2:] == [11, 13]
    assert effect.to_frame().index.tolist() == index


def test_a_callable_keeps_rows_in_their_order_whatever_the_pandas_index():
    X = pd.DataFrame({"a": [3, 1, 2]}, index=[9, 9, 8])
    table = stepped_table(X, {"a": lambda column: column.to_numpy() * 10})
    assert values_of(table, "a") == [30, 10, 20]


def test_columns_named_by_integers_are_changed_by_label():
    X = pd.DataFrame([[1, 2], [3, 4]], columns=[1, 0])
    table = stepped_table(X, {1: 10})
    assert table.to_numpy().tolist() == [[11, 2], [13, 4]]


@pytest.mark.parametrize("batch_size", ["auto", 1])
def test_the_users_table_is_never_modified(batch_size):
    frame = pd.DataFrame({"a": np.array([5, 200, 7], "uint8"), "s": list("uvu")})
    steps = [
        {"a": 1},
        {"a": 0.5},
        {"a": -100},
        {"a": Scale(2)},
        {"a": SetTo(3)},
        {"a": Contrast(1, 2)},
        {"s": "v"},
        {"a": 100, "s": "v"},
    ]
    for X in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        before = copy.deepcopy(X)
        effects, _ = recorded(X, steps, extrapolation=None, batch_size=batch_size)
        assert len(effects) == len(steps)
        assert X.equals(before)
        if isinstance(X, pd.DataFrame):
            assert list(X.dtypes) == list(before.dtypes)


def test_a_read_only_array_can_be_explained():
    X = np.arange(12.0).reshape(6, 2)
    X.setflags(write=False)
    effect = fme(lambda X: X[:, 0] * X[:, 1], X, {0: 2}, extrapolation=None)
    np.testing.assert_array_equal(effect.fme, 2 * X[:, 1])


def test_a_callable_that_writes_into_its_column_leaves_the_users_table_alone():
    def zeroed(column):
        column[:] = 0
        return column

    array = np.array([[1.0, 2.0], [3.0, 4.0]])
    frame = pd.DataFrame({"a": [1.0, 3.0]})
    assert values_of(stepped_table(array, {0: zeroed}), 0) == [0, 0]
    assert values_of(stepped_table(frame, {"a": zeroed}), "a") == [0, 0]
    assert array.tolist() == [[1, 2], [3, 4]]
    assert frame["a"].tolist() == [1, 3]


DAY = dt.datetime(2024, 2, 28)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize(
    "delta", [dt.timedelta(hours=36), np.timedelta64(36, "h"), pd.Timedelta("36h")]
)
def test_a_timedelta_moves_a_datetime_column_of_pandas(unit, delta):
    X = pd.DataFrame({"t": pd.Series([DAY, None]).astype(f"datetime64[{unit}]")})
    effects, model = recorded(X, {"t": delta}, extrapolation=None)
    assert list(effects) == ["t +1d12h"]
    assert effects["t +1d12h"].status.tolist() == ["counted", "missing"]
    moved = values_of(model.tables[-1], "t")[-1]
    assert moved == pd.Timestamp(2024, 2, 29, 12)


def test_a_timedelta_moves_a_datetime_column_with_a_time_zone():
    X = pd.DataFrame({"t": pd.Series([DAY, DAY]).dt.tz_localize("Europe/Berlin")})
    table = stepped_table(X, {"t": dt.timedelta(days=-1)})
    assert table["t"].dtype == X["t"].dtype
    assert table["t"].iloc[0] == pd.Timestamp("2024-02-27", tz="Europe/Berlin")


DATES = {
    "numpy": lambda: np.array([["2024-02-28"], ["2024-02-29"]], dtype="datetime64[D]"),
    "polars": lambda: pl.DataFrame({"t": [DAY.date(), dt.date(2023, 12, 31)]}),
    "pyarrow": lambda: pa.table({"t": pa.array([DAY.date()], pa.date32())}),
    "seconds": lambda: pd.DataFrame({"t": pd.to_datetime([DAY]).as_unit("s")}),
}


@pytest.mark.parametrize("kind", DATES)
def test_a_step_that_the_columns_unit_cannot_hold_is_refused_by_name(kind):
    X = DATES[kind]()
    step = dt.timedelta(hours=12) if kind != "seconds" else dt.timedelta(milliseconds=1)
    key = 0 if kind == "numpy" else "t"
    with pytest.raises(ValueError, match=r"t'|x0'.*unit \((D|s)\)"):
        stepped_table(X, {key: step})


UNITS = {
    "numpy seconds": lambda: np.array([["2024-02-28T01"]], dtype="datetime64[s]"),
    "numpy days": lambda: np.array([["2024-02-28"]], dtype="datetime64[D]"),
    "numpy durations": lambda: np.array([[90]], dtype="timedelta64[m]"),
    "pandas": lambda: pd.DataFrame({"t": pd.to_datetime([DAY]).as_unit("ms")}),
    "pandas durations": lambda: pd.DataFrame(
        {"t": pd.to_timedelta([3], unit="h").as_unit("s")}
    ),
    "New York": lambda: pd.DataFrame(
        {"t": pd.to_datetime([DAY]).tz_localize("America/New_York").as_unit("s")}
    ),
    "west of GMT": lambda: pd.DataFrame(
        {"t": pd.to_datetime([DAY]).tz_localize("Etc/GMT+5").as_unit("ms")}
    ),
    "Arrow in pandas": lambda: pd.DataFrame(
        {
            "t": pd.Series(
                [DAY], dtype=pd.ArrowDtype(pa.timestamp("s", "America/New_York"))
            )
        }
    ),
    "polars": lambda: pl.DataFrame({"t": pl.Series([DAY]).dt.cast_time_unit("ms")}),
    "polars with a zone": lambda: pl.DataFrame(
        {"t": pl.Series([DAY]).dt.replace_time_zone("America/New_York")}
    ),
    "pyarrow": lambda: pa.table({"t": pa.array([DAY], pa.timestamp("s"))}),
    "pyarrow with a zone": lambda: pa.table(
        {"t": pa.array([DAY], pa.timestamp("ns", "Etc/GMT+5"))}
    ),
}


@pytest.mark.parametrize("kind", UNITS)
def test_a_step_in_time_keeps_the_unit_and_the_zone_of_its_column(kind):
    X = UNITS[kind]()
    key = 0 if isinstance(X, np.ndarray) else "t"
    table = stepped_table(X, {key: dt.timedelta(days=3)})
    if isinstance(X, np.ndarray):
        assert table.dtype == X.dtype
    else:
        own = (lambda t: t.dtypes["t"]) if isinstance(X, pd.DataFrame) else None
        own = own or (
            lambda t: t.schema["t"] if isinstance(t, pl.DataFrame) else t["t"].type
        )
        assert own(table) == own(X)
    [before], [after] = values_of(X, key), values_of(table, key)
    assert pd.Timedelta(3, "D") == (
        pd.Timedelta(after - before)
        if not isinstance(after, int)
        else pd.Timedelta(after - before, np.datetime_data(X.dtype)[0])
    )


def test_whole_days_leave_a_polars_date_column_a_date_column():
    X = pl.DataFrame({"t": [DAY.date(), dt.date(2023, 12, 31)]})
    table = stepped_table(X, {"t": dt.timedelta(days=2)})
    assert table.schema == X.schema
    assert table["t"].to_list() == [dt.date(2024, 3, 1), dt.date(2024, 1, 2)]


def test_the_envelope_judges_dates():
    days = [dt.date(2024, 1, day) for day in (1, 2, 3, 4)]
    for X in (pl.DataFrame({"t": days}), pd.DataFrame({"t": pd.to_datetime(days)})):
        effect = fme(lambda X: np.zeros(len(X)), X, {"t": dt.timedelta(days=2)})
        assert effect.status.tolist() == ["counted"] * 2 + ["extrapolation"] * 2


@pytest.mark.parametrize("kind", ["numpy", "pandas", "nullable", "polars", "pyarrow"])
def test_a_plain_number_moves_an_integer_coded_category_to_that_code(kind):
    X, key = table_of(kind, [1, 2, 3, 1], dtype="int64")
    effects, model = recorded(X, {key: 3}, categorical_features=[key])
    (effect,) = effects.values()
    assert effect.name == ("x0 = 3" if kind == "numpy" else "a = 3")
    assert effect.status.tolist() == ["counted", "counted", "at_target", "counted"]
    assert values_of(model.tables[-1], key) == [1, 2, 1, 3, 3, 3]


def test_a_joint_step_changes_columns_of_every_type_at_once():
    X = pd.DataFrame(
        {
            "i": [1, 2],
            "f": [0.5, 1.5],
            "c": pd.Categorical(["u", "u"], categories=["u", "v"]),
            "b": [False, False],
            "t": pd.to_datetime(["2024-01-01", "2024-01-02"]),
            "kept": ["x", "y"],
        }
    )
    background = pd.concat(
        [X, X.assign(b=True, c=pd.Categorical(["v", "v"], ["u", "v"]))]
    )
    steps = {"i": 1, "f": Scale(2), "c": "v", "b": True, "t": dt.timedelta(days=1)}
    table = stepped_table(X, steps, background=background)
    assert list(table.dtypes) == list(X.dtypes)
    assert table.iloc[0].tolist() == [2, 1, "v", True, pd.Timestamp("2024-01-02"), "x"]
    assert table.iloc[1].tolist() == [3, 3, "v", True, pd.Timestamp("2024-01-03"), "y"]


@pytest.mark.parametrize("dtype", ["Float64", "double[pyarrow]"])
def test_a_tree_explains_one_nullable_column_with_gaps(dtype):
    numbers = pd.DataFrame({"v": [1.0, 2.0, np.nan, 4.0, 5.0]})
    tree = DecisionTreeRegressor(random_state=0).fit(numbers, [0.0, 1.0, 2.0, 3.0, 9.0])
    table = pd.DataFrame({"v": pd.array([1.0, 2.0, None, 4.0, 5.0], dtype=dtype)})
    effect = fme(tree, table, {"v": 1}, extrapolation=None)
    expected = tree.predict(numbers + 1) - tree.predict(numbers)
    expected[2] = np.nan  # a step from nowhere
    np.testing.assert_array_equal(effect.fme, expected)
    assert np.nanmax(expected) > 0
