"""One reader of groups: columns by name, labels of rows, tables of labels."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skfme._frames.groups import groups_in, row_labels
from skfme._frames.tables import as_table

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


@pytest.mark.parametrize("read", [row_labels, groups_in])
@pytest.mark.parametrize(("by", "name"), ONE_KEY.values(), ids=ONE_KEY.keys())
def test_labels_are_read_from_whatever_holds_them(read, by, name):
    labels = read(as_table(X), by)
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
    for read in (row_labels, groups_in):
        with pytest.raises(ValueError, match=message):
            read(as_table(X), by)


def test_the_parameter_is_named():
    with pytest.raises(ValueError, match="groups names 'sit'"):
        row_labels(as_table(X), "sit", "groups")
    with pytest.raises(ValueError, match="groups has 3 rows"):
        row_labels(as_table(X), np.ones((3, 2)), "groups")


def test_categories_keep_their_order_or_are_sorted_by_value():
    level = pd.Categorical(["low", "high", "mid", None], ["low", "mid", "high"])
    table = as_table(pd.DataFrame({"level": level}))
    labels = row_labels(table, "level")["level"]
    assert list(labels.cat.categories) == ["low", "mid", "high"]
    values = groups_in(table, "level")["level"]
    assert values.isna().tolist() == [False, False, False, True]
    assert sorted(values.dropna()) == ["high", "low", "mid"]


@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_days_are_groups_whatever_their_unit(unit):
    days = pd.Series(pd.to_datetime(["2020-01-02", "2021-03-04"] * 2))
    table = as_table(pd.DataFrame({"day": days.astype(f"datetime64[{unit}]")}))
    for read in (row_labels, groups_in):
        assert read(table, "day")["day"].tolist() == days.tolist()


def test_periods_are_groups():
    months = pd.period_range("2020-01", periods=4, freq="M")
    table = as_table(pd.DataFrame({"month": months}))
    for read in (row_labels, groups_in):
        assert read(table, "month")["month"].tolist() == list(months)
