"""One reader of groups: columns by name, labels of rows, tables of labels."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skfme import fme
from skfme._frames.groups import groups_in, in_joint_order, row_labels
from skfme._frames.tables import as_table
from skfme.statsmodels import ConditionalEffects

SITE = ["b", "a", "b", "c"]
X = pd.DataFrame({"site": SITE, "ward": [2, 1, 2, 2], "age": [3.5, 4.5, 5.5, 6.5]})

ONE_KEY = {
    "column": ("site", "site"),
    "list": (["site"], "site"),
    "tuple": (("site",), "site"),
    "labels in a list": (SITE, "group"),
    "labels in a tuple": (tuple(SITE), "group"),
    "array": (np.array(SITE), "group"),
    "array of one column": (np.array(SITE)[:, None], "group"),
    "series": (X["site"], "site"),
    "series without a name": (pd.Series(SITE), "group"),
    "series of other rows": (X["site"].set_axis([7, 8, 9, 10]), "site"),
    "series of polars": (pl.Series("site", SITE), "site"),
    "series of polars without a name": (pl.Series(SITE), "group"),
    "column of arrow": (pa.chunked_array([SITE]), "group"),
    "categories": (pd.Categorical(SITE), "group"),
    "table": (X[["site"]], "site"),
    "table of polars": (pl.DataFrame({"site": SITE}), "site"),
    "table of arrow": (pa.table({"site": SITE}), "site"),
}


@pytest.mark.parametrize(("by", "name"), ONE_KEY.values(), ids=ONE_KEY.keys())
def test_labels_are_read_from_whatever_holds_them(by, name):
    labels = row_labels(as_table(X), by)
    assert list(labels) == [name]
    assert labels[name].tolist() == SITE
    assert list(labels.index) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        (["site", "ward"], ["site", "ward"]),
        (("site", "ward"), ["site", "ward"]),
        (X[["site", "ward"]], ["site", "ward"]),
        (pl.DataFrame({"site": SITE, "ward": [2, 1, 2, 2]}), ["site", "ward"]),
        (X[["site", "ward"]].to_numpy(), ["group1", "group2"]),
    ],
    ids=["list", "tuple", "table", "table of polars", "array"],
)
def test_several_keys_are_several_columns(by, names):
    labels = row_labels(as_table(X), by)
    assert list(labels) == names
    assert labels.to_numpy().tolist() == X[["site", "ward"]].to_numpy().tolist()


def test_a_label_of_a_column_may_be_a_tuple_or_a_number():
    columns = pd.Index([("a", 1), 2.5], tupleize_cols=False)
    table = as_table(pd.DataFrame([[1, 3], [2, 4]], columns=columns))
    assert row_labels(table, ("a", 1)).to_numpy().tolist() == [[1], [2]]
    assert row_labels(table, 2.5).to_numpy().tolist() == [[3], [4]]


def test_columns_of_arrays_are_integers():
    table = as_table(np.array([[1.0, 5], [2, 6]]))
    assert row_labels(table, 1)["x1"].tolist() == [5, 6]


@pytest.mark.parametrize(
    ("by", "message"),
    [
        ("sit", "by names 'sit', which is not a column of X. Did you mean 'site'"),
        (["sit"], "by names 'sit'.*Did you mean 'site'"),
        (["site", "wards"], "by names 'wards'.*Did you mean 'ward'"),
        (("site", "wards"), "by names 'wards'.*Did you mean 'ward'"),
        ([1, 2], r"by has shape \(2,\), expected \(4,\): one entry per row of X"),
        (1.5, r"by has shape \(\), expected \(4,\)"),
        (np.ones((3, 2)), "by has 3 rows, expected 4: one per row of X"),
        (pd.Series(SITE[:3]), "by has 3 rows, expected 4: one per row of X"),
        (np.ones((4, 1, 1)), r"by has shape \(4, 1, 1\), expected \(4,\)"),
    ],
    ids=[
        *("column", "list", "one of two", "tuple", "short labels", "number"),
        *("short array", "short series", "cube"),
    ],
)
def test_what_is_neither_a_column_nor_labels_is_refused(by, message):
    with pytest.raises(ValueError, match=message):
        row_labels(as_table(X), by)


def test_the_parameter_is_named():
    with pytest.raises(ValueError, match="groups names 'sit'"):
        row_labels(as_table(X), "sit", "groups")
    with pytest.raises(ValueError, match="groups has 3 rows"):
        row_labels(as_table(X), np.ones((3, 2)), "groups")


LEVEL, LEVELS = ["mid", "low", "mid", "high"], ["low", "mid", "high", "never"]
ORDERED = pd.Categorical(LEVEL, LEVELS)
CODED = pd.Series(ORDERED, name="level")
ENUM = pl.Series("level", LEVEL, pl.Enum(LEVELS))
DICTIONARY = pa.DictionaryArray.from_arrays([1, 0, 1, 2], LEVELS)
IN_ORDER = ["low", "mid", "high"]


@pytest.mark.parametrize(
    ("table", "by", "expected"),
    [
        (pd.DataFrame({"level": CODED}), "level", IN_ORDER),
        (pl.DataFrame({"level": ENUM}), "level", IN_ORDER),
        (pa.table({"level": DICTIONARY}), "level", IN_ORDER),
        (pd.DataFrame({"level": LEVEL}), "level", sorted(IN_ORDER)),
        (pl.DataFrame({"level": LEVEL}), "level", sorted(IN_ORDER)),
        (
            pl.DataFrame({"level": pl.Series(LEVEL, dtype=pl.Categorical)}),
            "level",
            sorted(IN_ORDER),
        ),
        (pd.DataFrame({"level": [10.0, 9, 10, 11]}), "level", [9, 10, 11]),
        (X, ORDERED, IN_ORDER),
        (X, CODED, IN_ORDER),
        (X, pd.CategoricalIndex(ORDERED), IN_ORDER),
        (X, ENUM, IN_ORDER),
        (X, pa.chunked_array([DICTIONARY]), IN_ORDER),
        (X, pd.DataFrame({"level": CODED}), IN_ORDER),
        (X, LEVEL, sorted(IN_ORDER)),
    ],
)
def test_groups_come_in_the_order_of_categories_else_sorted(table, by, expected):
    labels = row_labels(as_table(table), by)
    codes, keys = groups_in(labels)
    (name,) = keys
    assert keys[name].tolist() == expected
    assert keys[name].to_numpy()[codes].tolist() == labels[name].tolist()


def test_missing_labels_are_the_last_group():
    level = pd.Categorical(["low", None, "high", "mid"], ["mid", "low", "high"])
    codes, keys = groups_in(pd.DataFrame({"level": level}))
    assert keys["level"].tolist()[:3] == ["mid", "low", "high"]
    assert keys["level"].isna().tolist() == [False, False, False, True]
    assert codes.tolist() == [1, 3, 2, 0]


def test_groups_by_two_keys_are_in_the_order_of_both():
    labels = pd.DataFrame({"level": ORDERED, "site": SITE})
    _, keys = groups_in(labels)
    pairs = [("low", "a"), ("mid", "b"), ("high", "c")]
    assert list(keys.itertuples(index=False, name=None)) == pairs


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_days_are_groups_whatever_their_unit(unit):
    days = pd.Series(pd.to_datetime(["2020-01-02", "2021-03-04"] * 2))
    table = as_table(pd.DataFrame({"day": days.astype(f"datetime64[{unit}]")}))
    labels = row_labels(table, "day")
    assert labels["day"].tolist() == days.tolist()
    assert groups_in(labels)[1]["day"].tolist() == days.tolist()[:2]


def test_periods_are_groups():
    months = pd.period_range("2020-01", periods=4, freq="M")
    table = as_table(pd.DataFrame({"month": months}))
    labels = row_labels(table, "month")
    assert labels["month"].tolist() == list(months)
    assert groups_in(labels)[1]["month"].tolist() == list(months)


@pytest.mark.parametrize(
    ("orders", "expected"),
    [
        ([["b", "a", "c"], ["a", "c"]], ["b", "a", "c"]),
        ([["b", "c"], ["a", "c"], ["a", "b"]], ["a", "b", "c"]),
        ([["b", "c"], ["a", "b"]], ["a", "b", "c"]),
        ([["a", "b"], ["b", "a", "c"]], ["b", "a", "c"]),
        ([[], []], []),
        ([], []),
    ],
)
def test_orders_are_joined_to_one_that_keeps_each(orders, expected):
    assert in_joint_order(orders) == expected


def test_labels_and_weights_beside_a_table_follow_its_rows():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=60), "g": list("uvw") * 20})
    weights = pd.Series(rng.uniform(1, 2, 60), X.index)
    mixed = rng.permutation(60)
    square = fme(lambda T: T["a"] ** 2, X, {"a": 1}, extrapolation=None)
    pd.testing.assert_frame_equal(
        square.average(by=X["g"].iloc[mixed]), square.average(by="g")
    )
    first, second = (
        fme(
            lambda T: T["a"] ** 2, X, {"a": 1}, sample_weight=given, extrapolation=None
        ).ame
        for given in (weights, weights.iloc[mixed])
    )
    assert first == second
    scores = ConditionalEffects.from_response(X["a"].iloc[mixed], X, "a").fit()
    assert scores.params.round(9).tolist() == [0, 1]


def test_repeated_labels_in_another_order_say_nothing_of_rows():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=[0, 0, 1])
    weights = pd.Series([1.0, 2.0, 3.0], index=[0, 1, 0])
    with pytest.raises(ValueError, match="labels in another order, and labels repeat"):
        fme(lambda T: T["a"], X, {"a": 1}, sample_weight=weights)
