"""Trees over tables of any columns: dates, ids, and columns that no tree can split."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from skfme import came, fme
from skfme.statsmodels import ConditionalEffects, EffectTree

DAYS = 300


@pytest.fixture
def dated():
    """Effects that jump at a day, over days in no order."""
    rng = np.random.default_rng(0)
    n = rng.permutation(DAYS)
    effect = np.where(n <= 120, 1.0, 4.0) + (n > 200) + rng.normal(size=DAYS) / 10
    return n, effect


def _moments(n, **options):
    days = pd.date_range("2024-01-01", periods=DAYS, **options)
    return pd.DataFrame({"day": days[n], "noise": np.sin(n * 7.0)})


@pytest.mark.parametrize("method", ["ctree", "cart"])
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_a_tree_over_dates_is_the_tree_over_their_numbers(dated, method, unit):
    n, effect = dated
    X = _moments(n)
    X["day"] = X["day"].astype(f"datetime64[{unit}]")
    numbered = EffectTree(method, n_partitions=3).fit(X.assign(day=n), effect)
    tree = EffectTree(method, n_partitions=3).fit(X, effect)
    np.testing.assert_array_equal(tree.apply(X), numbered.apply(X.assign(day=n)))
    cut = pd.Timestamp("2024-01-01") + pd.Timedelta(days=numbered.nodes_["cut"][0])
    assert tree.nodes_["cut"][0] == cut
    assert str(cut).removesuffix(" 00:00:00") in tree.partitions_["rule"].iloc[0]
    assert str(cut)[:10] in tree.export_text()


@pytest.mark.parametrize("method", ["ctree", "cart"])
@pytest.mark.parametrize(
    "column",
    [
        lambda n: _moments(n)["day"].astype("datetime64[ns]") + pd.Timedelta(7, "ns"),
        lambda n: _moments(n, tz="America/New_York")["day"],
        lambda n: pd.Series(pd.to_timedelta(n, unit="h")) - pd.Timedelta(days=3),
        lambda n: pd.Series(
            pd.Timestamp("2024-01-01").as_unit("ns").value + n * 100
        ).astype("datetime64[ns]"),
        lambda n: pd.Series(-(10**9) + n).astype("datetime64[us]"),
    ],
    ids=[
        "with nanoseconds",
        "zone",
        "durations",
        "within microseconds",
        "before 1970",
    ],
)
def test_queries_and_masks_agree_on_dates_and_missing_ones(dated, method, column):
    n, effect = dated
    X = pd.DataFrame({"day": column(n), "noise": np.sin(n * 7.0)})
    X.loc[:20, "day"] = pd.NaT
    tree = EffectTree(method, n_partitions=3, min_samples_leaf=10).fit(X, effect)
    masks = tree.masks(X)
    assert "day" in set(tree.nodes_["variable"])
    for subspace, query in tree.queries_.items():
        picked = X.index.isin(X.query(query).index)
        np.testing.assert_array_equal(picked, masks[subspace])


def test_missing_dates_go_with_most_rows(dated):
    n, effect = dated
    X = _moments(n)[["day"]]
    tree = EffectTree(n_partitions=2).fit(X, effect)
    missing = tree.predict(X.head(1).assign(day=[pd.NaT]))
    assert missing == [tree.partitions_.sort_values("n")["ame"].iloc[-1]]


def test_every_library_grows_the_same_tree_over_dates(dated):
    n, effect = dated
    X = _moments(n, tz="Europe/Berlin")
    expected = EffectTree(n_partitions=3).fit(X, effect)
    tables = pl.from_pandas(X), pa.Table.from_pandas(X)
    for table in (*tables, X.convert_dtypes(dtype_backend="pyarrow")):
        tree = EffectTree(n_partitions=3).fit(table, effect)
        assert (
            tree.partitions_["rule"].tolist() == expected.partitions_["rule"].tolist()
        )
        np.testing.assert_array_equal(tree.apply(table), expected.apply(X))
    assert "2024-04-30 00:00:00+02:00" in expected.partitions_["rule"].iloc[0]


def test_an_array_of_dates_is_split_at_dates(dated):
    n, effect = dated
    days = (np.datetime64("2024-01-01") + n)[:, None]
    tree = EffectTree(n_partitions=2).fit(days, effect)
    assert tree.partitions_["rule"].tolist() == ["x0 <= 2024-04-30", "x0 > 2024-04-30"]
    np.testing.assert_array_equal(tree.masks(days).iloc[:, 0], n <= 120)


def test_instants_decide_and_not_the_clock_on_the_wall(dated):
    n, effect = dated
    X = _moments(n, tz="America/New_York")
    tree = EffectTree(n_partitions=2).fit(X, effect)
    elsewhere = X.assign(day=X["day"].dt.tz_convert("Asia/Tokyo"))
    np.testing.assert_array_equal(tree.apply(elsewhere), tree.apply(X))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda X: X.assign(day=X["day"].dt.tz_localize("UTC")), "with a time zone"),
        (lambda X: X.assign(day=X["day"] - X["day"].min()), "durations"),
        (lambda X: X.assign(day=np.arange(len(X))), "Int64"),
    ],
)
def test_other_entries_than_the_dates_of_fit_are_refused(dated, other, message):
    n, effect = dated
    X = _moments(n)
    tree = EffectTree().fit(X, effect)
    with pytest.raises(TypeError, match=rf"'day' held moments without .*{message}"):
        tree.predict(other(X))


def test_stability_gives_the_cuts_of_dates_as_dates(dated):
    n, effect = dated
    tree = EffectTree(n_partitions=2).fit(_moments(n), effect)
    roots = tree.stability(5, random_state=0).roots
    assert abs(roots["cut_50"][0] - pd.Timestamp("2024-04-30")) < pd.Timedelta(days=5)


def test_pictures_show_dates(dated):
    n, effect = dated
    tree = EffectTree(n_partitions=2).fit(_moments(n), effect)
    shown = " ".join(text.get_text() for text in tree.plot().texts_)
    assert "2024-04-30" in shown.replace("\n", "")


# ---- columns that may be split -----------------------------------------------------------


@pytest.fixture
def people(dated):
    n, effect = dated
    return pd.DataFrame(
        {
            "age": n,
            "noise": np.sin(n * 7.0),
            "id": [f"person {i}" for i in n],
            "tags": [["a"]] * DAYS,
            "far": np.where(n == 3, np.inf, 1.0),
        }
    ), effect


def test_columns_left_out_are_not_read_and_stay_in_the_table(people):
    X, effect = people
    alone = EffectTree(n_partitions=3).fit(X[["age", "noise"]], effect)
    for options in ({"features": ["noise", "age"]}, {"drop": ["id", "tags", "far"]}):
        tree = EffectTree(n_partitions=3, **options).fit(X, effect)
        assert tree.export_text() == alone.export_text()
        np.testing.assert_array_equal(tree.apply(X), alone.apply(X[["age", "noise"]]))
        assert tree.n_features_in_ == 5
        assert set(tree.tests_["variable"]) <= {"age", "noise"}


def test_positions_name_the_columns_of_an_array(people):
    X, effect = people
    array = X[["age", "noise"]].to_numpy()
    options = {"n_partitions": 2, "alpha": 0.99, "min_samples_leaf": 1}
    for drop in ([0], 0, [-2], np.array([0])):
        tree = EffectTree(drop=drop, **options).fit(array, effect)
        assert set(tree.nodes_["variable"].dropna()) == {"x1"}


def test_came_takes_features_and_drop(people):
    X, _ = people
    X = X[["age", "noise", "id"]]
    effect = fme(
        lambda t: t["age"].to_numpy() ** 2.0, X, {"age": 1}, extrapolation=None
    )
    left_out = came(effect, n_partitions=2, drop=["id"])
    named = came(effect, n_partitions=2, features=["age", "noise"])
    assert left_out.export_text() == named.export_text()
    assert came(effect, features="noise").n_features_in_ == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"drop": ["ag"]},
            "drop names 'ag', which is not a column of X. Did you mean 'age'",
        ),
        ({"features": ["ag"]}, "features names 'ag'.*Did you mean 'age'"),
        ({"features": ["age"], "drop": ["id"]}, "both given"),
        ({"features": []}, "features names no column of X"),
        ({"drop": ["age", "noise", "id", "tags", "far"]}, "drop leaves no column of X"),
        (
            {"drop": ["tags", "far"]},
            r"'id' has 300 categories in 300 rows.*drop=\['id'\]",
        ),
        ({"drop": ["id", "far"]}, r"'tags' holds objects \(list\).*drop=\['tags'\]"),
        ({"drop": ["id", "tags"]}, "infinity in far"),
    ],
)
def test_what_cannot_be_split_is_refused_with_what_to_write(people, options, message):
    X, effect = people
    with pytest.raises((ValueError, TypeError), match=message):
        EffectTree(**options).fit(X, effect)


def test_days_in_a_column_of_objects_are_referred_to_pandas(dated):
    n, effect = dated
    day = datetime.date(2024, 1, 1)
    X = pd.DataFrame(
        {"day": [day + datetime.timedelta(int(i)) for i in n]}, dtype=object
    )
    with pytest.raises(ValueError, match=r"pandas\.to_datetime"):
        EffectTree().fit(X, effect)


def test_large_groups_named_by_text_are_split(dated):
    n, effect = dated
    X = pd.DataFrame({"town": [f"town {i // 2}" for i in n]})
    tree = EffectTree(n_partitions=2).fit(X, effect)
    assert tree.n_partitions_ == 2


def test_a_rule_lists_few_of_very_many_levels_and_a_query_all(dated):
    n, effect = dated
    X = pd.DataFrame({"town": [f"town {i // 2}" for i in n]})
    tree = EffectTree(n_partitions=2).fit(X, effect)
    rules, queries = tree.partitions_["rule"], tree.queries_
    levels = {i: query.count("town ") - 1 for i, query in queries.items()}
    for i, rule in rules.items():
        assert len(rule) < 200
        assert rule.endswith(f", … {levels[i] - 10} more}}") or "not" in queries[i]
    assert rules.is_unique
    assert max(map(len, tree.export_text().splitlines())) <= 80


@pytest.mark.parametrize("backwards", [False, True])
def test_categories_of_polars_come_in_the_order_of_texts(backwards):
    # polars numbers them as it meets them: by the order of rows.
    rng = np.random.default_rng(0)
    ward = np.array(["low", "b", "high"])[np.arange(90) % 3]
    effect = np.where(ward == "b", 3.0, 1.0) + rng.normal(size=90) / 10
    rows = np.arange(90)[:: -1 if backwards else 1]
    X = pl.DataFrame({"ward": ward[rows]})
    coded = X.with_columns(pl.col("ward").cast(pl.Categorical))
    texts, categories = (
        EffectTree(n_partitions=3).fit(table, effect[rows]) for table in (X, coded)
    )
    assert texts.nodes_["levels_left"][0] == ("b",)
    assert str(categories) == str(texts)


def test_the_reference_of_a_formula_does_not_depend_on_the_order_of_rows():
    ward = np.array(["low", "b", "high"])[np.arange(90) % 3]
    X = pl.DataFrame(
        {"ward": pl.Series(ward, dtype=pl.Categorical), "x": np.arange(90.0)}
    )
    for table in (X, X.reverse()):
        effect = fme(lambda X: np.asarray(X["x"]) ** 2, table, {"x": 1})
        fit = ConditionalEffects.from_formula(effect, "C(ward)").fit()
        assert list(fit.params.index) == [
            "Intercept", "C(ward)[T.high]", "C(ward)[T.low]",
        ]  # fmt: skip
