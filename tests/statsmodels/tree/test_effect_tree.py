"""EffectTree as a scikit-learn regressor over tables of any kind."""

import pickle
import re

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from skfme import came, fme
from skfme._summaries.weighting import Weighting
from skfme.statsmodels import EffectTree
from skfme.statsmodels._tree.covariates import Sample
from skfme.statsmodels._tree.sizing import honest_halves
from tests.statsmodels.tree.cases import table, worked_example


def _expected_failures(estimator):
    if estimator.honest:
        return {
            "check_sample_weight_equivalence_on_dense_data": (
                "repeated rows fall into either half one by one, a weight as a whole"
            )
        }
    return {}


@parametrize_with_checks(
    [EffectTree(), EffectTree(method="cart"), EffectTree(honest=True)],
    expected_failed_checks=_expected_failures,
)
def test_scikit_learn_conventions_hold(estimator, check):
    check(estimator)


@pytest.fixture
def example():
    X, effect, _ = worked_example()
    return X, effect


@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_queries_masks_and_apply_agree_on_new_rows_with_missing_values(method):
    X, y, _ = table("tree_missing_800")
    tree = EffectTree(method).fit(X.iloc[:500], y[:500])
    new = X.iloc[300:].copy()
    new["f5"] = new["f5"].cat.add_categories("z").astype(str).replace("nan", None)
    new.loc[new.index[:40], "f5"] = "z"
    new.loc[new.index[20:60], "x2"] = np.nan
    leaves, masks = tree.apply(new), tree.masks(new)
    assert (masks.sum(axis=1) == 1).all()
    assert list(masks.index) == list(new.index)
    for subspace, query in tree.queries_.items():
        picked = new.index.isin(new.query(query).index)
        np.testing.assert_array_equal(picked, leaves == subspace)
        np.testing.assert_array_equal(masks[subspace], leaves == subspace)


def test_missing_values_and_unseen_levels_go_with_most_rows():
    X = pd.DataFrame({"g": ["a"] * 60 + ["b"] * 40})
    tree = EffectTree().fit(X, np.r_[np.zeros(60), np.ones(40)])
    new = pd.DataFrame({"g": ["a", "b", "never seen", None]})
    np.testing.assert_array_equal(tree.predict(new), [0, 1, 0, 0])


@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_arrays_pandas_and_polars_grow_the_same_tree(example, method):
    X, effect = example
    polars = pl.DataFrame(
        {
            "a": X["a"].to_numpy(),
            "b": X["b"].to_numpy(),
            "k": X["k"].to_numpy(),
            "g": X["g"].astype(str).tolist(),
            "o": pl.Series(
                X["o"].astype(str).tolist(), dtype=pl.Enum(["lo", "mid", "hi"])
            ),
            "z": X["z"].to_numpy(),
        }
    )
    of_pandas = EffectTree(method).fit(X, effect)
    of_polars = EffectTree(method).fit(polars, effect)
    np.testing.assert_array_equal(of_pandas.apply(X), of_polars.apply(polars))
    assert list(of_pandas.partitions_["rule"]) == list(of_polars.partitions_["rule"])
    numbers = X[["a", "b", "k"]]
    np.testing.assert_array_equal(
        EffectTree(method).fit(numbers, effect).predict(numbers),
        EffectTree(method).fit(numbers.to_numpy(), effect).predict(numbers.to_numpy()),
    )


def test_booleans_are_factors_and_listed_codes_too(example):
    X, effect = example
    X = X.assign(flag=X["a"] > 4.3, k=X["k"].astype(int))
    tree = EffectTree(max_depth=1, categorical_features=["k"]).fit(
        X[["flag", "k"]], effect
    )
    assert tree.nodes_["variable"][0] == "flag"
    assert list(tree.nodes_["levels_left"][0]) == [False]
    tests = tree.tests_[tree.tests_["node"] == 0].set_index("variable")
    assert tests.loc["k", "p_value"] > 0.05


def test_rows_without_effect_or_weight_are_dropped_first(example):
    X, effect = example
    counts = np.arange(240) % 7 > 0
    holes = np.where(counts, effect, np.nan)
    tree = EffectTree().fit(X, holes)
    assert tree.n_dropped_ == (~counts).sum()
    alone = EffectTree().fit(X[counts], effect[counts])
    np.testing.assert_array_equal(tree.predict(X), alone.predict(X))
    assert tree.score(X, holes) == pytest.approx(alone.score(X[counts], effect[counts]))
    weighted = EffectTree().fit(X, effect, counts.astype(float))
    np.testing.assert_array_equal(weighted.apply(X), alone.apply(X))


def test_searches_take_effects_with_missing_ones(example):
    X, effect = example
    effect = np.where(np.arange(240) % 9 == 0, np.nan, effect)
    scores = cross_val_score(EffectTree(), X, effect, cv=4)
    assert np.isfinite(scores).all()
    grid = {"max_depth": [1, 4], "method": ["ctree", "cart"]}
    search = GridSearchCV(EffectTree(), grid, cv=3).fit(X, effect)
    assert search.best_params_["max_depth"] == 4


def test_ordered_levels_are_scored_by_their_declared_ranks(example):
    X, effect = example
    declared = pd.CategoricalDtype(["lo", "unused", "mid", "hi"], ordered=True)
    ranks = X["o"].map({"lo": 0.0, "mid": 2.0, "hi": 3.0}).astype(float)
    tests = [
        EffectTree(alpha=1 - 1e-9, max_depth=1).fit(column.to_frame("o"), effect).tests_
        for column in (
            X["o"].astype(declared),
            ranks,
            X["o"].astype(pd.CategoricalDtype(["lo", "mid", "hi"], ordered=True)),
        )
    ]
    root = [table["statistic"].iloc[0] for table in tests]
    assert root[0] == pytest.approx(root[1], rel=1e-12)
    assert root[0] != pytest.approx(root[2], rel=1e-3)


def test_groups_reach_the_tree_by_metadata_routing(example):
    X, effect = example
    groups = np.arange(240) // 4
    with sklearn.config_context(enable_metadata_routing=True):
        tree = EffectTree(honest=True, random_state=0).set_fit_request(groups=True)
        search = GridSearchCV(tree, {"max_depth": [1, 2]}, cv=GroupKFold(3))
        search.fit(X, effect, groups=groups)
    assert search.best_estimator_.n_partitions_ >= 1


def test_tables_describe_every_node(example):
    X, effect = example
    tree = EffectTree(n_partitions=3).fit(X, effect, nlm=np.linspace(0, 1, 240))
    leaves = tree.apply(X)
    for subspace, row in tree.partitions_.iterrows():
        inside = leaves == subspace
        assert row["n"] == inside.sum()
        assert row["ame"] == pytest.approx(effect[inside].mean())
        assert row["sd"] == pytest.approx(effect[inside].std(ddof=1))
        assert row["anlm"] == pytest.approx(np.linspace(0, 1, 240)[inside].mean())
    assert list(tree.partitions_["rule"]) == [
        "a <= 4.3",
        "a > 4.3 & g in {p, r, s}",
        "a > 4.3 & g in {q, t}",
    ]
    explained = tree.score(X, effect)
    assert tree.variance_explained_ == pytest.approx(explained)
    assert tree.nodes_["drop"].sum() == pytest.approx(explained)


def test_decision_path_marks_the_nodes_passed(example):
    X, effect = example
    tree = EffectTree().fit(X, effect)
    path = tree.decision_path(X).toarray()
    np.testing.assert_array_equal(path.sum(axis=0), tree.nodes_["n"])
    depth = tree.nodes_["depth"].to_numpy()[tree.apply(X)]
    np.testing.assert_array_equal(path.sum(axis=1), depth + 1)


def test_printed_tree_fits_a_terminal(example):
    X, effect = example
    text = EffectTree(n_partitions=3).fit(X, effect).export_text()
    assert max(map(len, text.splitlines())) <= 80
    assert "3 partitions" in text
    assert "|  |  g in {p, r, s}" in text


def test_honest_numbers_come_from_the_other_half():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.random(1000), "patient": np.arange(1000) // 5})
    effect = (X["x"] > 0.5) + rng.normal(size=1000)
    tree = EffectTree(honest=True, n_partitions=2, random_state=1)
    tree.fit(X[["x"]], effect, groups=X["patient"])
    assert tree.partitions_["n"].sum() == 500
    estimated_from = tree._training.leaves >= 0
    assert not set(X["patient"][estimated_from]) & set(X["patient"][~estimated_from])
    inside = (tree.apply(X[["x"]]) == tree.partitions_.index[0]) & estimated_from
    assert tree.partitions_["ame"].iloc[0] == pytest.approx(effect[inside].mean())


def test_honest_partitions_left_empty_merge_upwards():
    x = np.r_[np.zeros(30), 1 + np.arange(30) / 100]
    effect = np.r_[np.zeros(30), np.ones(30)]
    tree = EffectTree(
        "cart", honest=True, min_samples_leaf=1, min_samples_split=2, cp=0
    )
    rng = np.random.default_rng(0)
    tree.set_params(random_state=0).fit(x[:, None], effect + rng.normal(size=60) / 9)
    assert tree.partitions_["n"].min() >= 2
    assert tree.n_partitions_ == len(tree.partitions_)


@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_auto_finds_the_size(method):
    rng = np.random.default_rng(0)
    x = rng.random((900, 4))
    effect = np.select([x[:, 0] < 0.4, x[:, 1] < 0.5], [-3.0, 0.0], 4.0)
    effect = effect + rng.normal(size=900)
    tree = EffectTree(method, n_partitions="auto", random_state=0)
    assert tree.fit(x, effect).n_partitions_ == 3


@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_auto_stops_at_a_readable_size_unless_told(method):
    rng = np.random.default_rng(0)
    x = rng.random((2000, 1))
    effect = np.floor(12 * x[:, 0]) + 0.1 * rng.normal(size=2000)  # twelve steps
    sizes = {}
    for most in (2, 5, 8, None):
        tree = EffectTree(
            method, "auto", max_partitions=most, min_samples_leaf=20, random_state=0
        )
        sizes[most] = tree.fit(x, effect).n_partitions_
    assert sizes == {2: 2, 5: 5, 8: 8, None: 12}
    default = EffectTree(method, "auto", min_samples_leaf=20, random_state=0)
    assert default.fit(x, effect).n_partitions_ == 8
    asked_for = EffectTree(method, 10, min_samples_leaf=20).fit(x, effect)
    assert asked_for.n_partitions_ == 10


def test_auto_leaves_noise_whole():
    rng = np.random.default_rng(0)
    x, effect = rng.random((900, 4)), rng.normal(size=900)
    tree = EffectTree(n_partitions="auto", random_state=0)
    assert tree.fit(x, effect).n_partitions_ == 1


def test_stability_counts_what_recurs(example):
    X, effect = example
    tree = EffectTree(n_partitions=3, random_state=0).fit(X, effect)
    stability = tree.stability(20)
    assert stability.roots["share"].sum() == pytest.approx(1)
    assert 0 < stability.root_split <= stability.root_variable <= 1
    assert (stability.n_partitions == 3).all()
    assert "They have 3 partitions." in " ".join(str(stability).split())
    share = stability.co_membership()
    inside = tree.apply(X) == tree.partitions_.index[1]
    pairs = share[np.ix_(inside, inside)][np.triu_indices(inside.sum(), 1)]
    assert stability.partitions["together"].iloc[1] == pytest.approx(pairs.mean())
    with pytest.raises(ValueError, match="Fit the tree again"):
        pickle.loads(pickle.dumps(tree)).stability(2)


def test_a_pickled_tree_predicts_the_same(example):
    X, effect = example
    tree = EffectTree(n_partitions=3).fit(X, effect)
    copy = pickle.loads(pickle.dumps(tree))
    np.testing.assert_array_equal(copy.predict(X), tree.predict(X))
    assert clone(tree).get_params() == tree.get_params()


def test_came_takes_the_effect_as_it_is():
    X, classes = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=500).fit(X, classes)
    effect = fme(model, X, {"petal length (cm)": -1}, sample_weight=np.arange(150) % 3)
    with pytest.raises(ValueError, match="3 outputs .*output="):
        came(effect, 2)
    with pytest.raises(ValueError, match="'9' is no output"):
        came(effect, 2, output="9")
    tree = came(effect, 2, output=effect.outputs[1])
    direct = EffectTree(n_partitions=2).fit(X, effect.fme[:, 1], effect.sample_weight)
    np.testing.assert_array_equal(tree.apply(X), direct.apply(X))
    with pytest.raises(TypeError, match="one ForwardEffect, got DataFrame"):
        came(X)


def test_came_knows_categories_coded_as_numbers(example):
    X = example[0][["a", "b", "k"]]
    result = fme(lambda d: d["a"] * d["k"], X, {"a": 1}, categorical_features=["k"])
    tree = came(result)
    assert tree.nodes_["levels_left"][0] is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            {"n_partitions": 1}, "'n_partitions' parameter", id="one partition"
        ),
        pytest.param(
            {"n_partitions": 99}, "out of reach: the tree grew 15", id="beyond reach"
        ),
        pytest.param({"n_partitions": 3, "max_sd": 1}, "both given", id="two sizes"),
        pytest.param(
            {"min_samples_leaf": 1.5}, "'min_samples_leaf' parameter", id="leaf share"
        ),
        pytest.param(
            {"min_samples_leaf": 0}, "'min_samples_leaf' parameter", id="leaf of none"
        ),
    ],
)
def test_bad_options_are_refused_by_name(example, options, message):
    with pytest.raises(ValueError, match=message):
        EffectTree(**options).fit(*example)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            lambda X, y: (X, y[:-1]), "239 effects, but X has 240", id="wrong length"
        ),
        pytest.param(lambda X, y: (X, y * np.nan), "NaN in every row", id="all NaN"),
        pytest.param(
            lambda X, y: (X, np.where(y > 4, np.inf, y)),
            "y contains infinity in",
            id="infinite",
        ),
        pytest.param(
            lambda X, y: (X, np.column_stack([y, y])),
            "2 outputs.*output=",
            id="several outputs",
        ),
        pytest.param(
            lambda X, y: (X, None),
            "requires y to be passed, but the target y is None",
            id="no y",
        ),
        pytest.param(
            lambda X, y: (X, y, -np.ones(240)),
            "sample_weight is negative",
            id="negative weights",
        ),
        pytest.param(
            lambda X, y: (X.set_axis(list("aakgoz"), axis=1), y),
            "duplicate column names: \\['a'\\]",
            id="duplicate names",
        ),
    ],
)
def test_bad_rows_are_refused_by_name(example, arguments, message):
    with pytest.raises(ValueError, match=message):
        EffectTree().fit(*arguments(*example))


@pytest.mark.parametrize("labels", ["groups", "nlm"])
def test_labels_of_another_length_are_refused_by_name(example, labels):
    with pytest.raises(ValueError, match=f"{labels} has shape"):
        EffectTree(honest=True).fit(*example, **{labels: [1, 2]})


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ([1, "one"], "1 of type int and 'one' of type str"),
        (
            [2.5, True],
            "2.5 of type float and True of type bool",
        ),
    ],
    ids=["number and text", "number and boolean"],
)
def test_columns_of_mixed_types_are_refused_by_name(example, pair, message):
    X, effect = example
    mixed = X.assign(a=np.array(pair * 120, dtype=object))
    with pytest.raises(TypeError, match=f"Column 'a' mixes types: ({message})"):
        EffectTree().fit(mixed, effect)


def test_infinite_entries_are_refused_in_rows_that_count_and_in_others(example):
    X, effect = example
    infinite = X.assign(a=X["a"].where(X.index != 7, np.inf))
    for y in (effect, np.where(X.index == 7, np.nan, effect)):
        with pytest.raises(ValueError, match="X contains infinity in a"):
            EffectTree().fit(infinite, y)


def test_a_column_vector_is_ravelled_with_a_warning(example):
    X, effect = example
    with pytest.warns(DataConversionWarning):
        tree = EffectTree().fit(X, effect[:, None])
    assert tree.n_partitions_ > 1


@pytest.mark.parametrize(
    "read",
    [
        lambda tree, X: tree.predict(X),
        lambda tree, X: tree.masks(X),
        lambda tree, X: tree.export_text(),
        lambda tree, X: tree.queries_,
        lambda tree, X: tree.plot(),
        lambda tree, X: tree.stability(),
    ],
    ids=["predict", "masks", "export_text", "queries_", "plot", "stability"],
)
def test_an_unfitted_tree_is_refused(example, read):
    with pytest.raises(NotFittedError):
        read(EffectTree(), example[0])


def test_a_display_reads_columns_edges_and_rows_of_fit(example):
    X, effect = example
    weights = 1.0 + np.arange(240) % 3
    tree = EffectTree(n_partitions=3).fit(X, effect, weights)
    drawn = tree._for_display()
    assert list(drawn.columns.names) == list(X.columns)
    assert drawn.edges == ["", "<= 4.3", "> 4.3", "p, r, s", "q, t"]
    effects, leaves, weighting = drawn.rows
    np.testing.assert_array_equal(effects, effect)
    np.testing.assert_array_equal(leaves, tree.apply(X))
    np.testing.assert_array_equal(weighting.array, weights)
    pickled = pickle.loads(pickle.dumps(tree))._for_display()
    assert list(pickled.columns.names) == list(X.columns)
    assert pickled.rows is None


def test_a_display_reads_only_the_rows_that_an_honest_tree_estimates_from(example):
    X, effect = example
    tree = EffectTree(honest=True, random_state=0).fit(X, effect)
    effects, leaves, weighting = tree._for_display().rows
    assert len(effects) == weighting.n == tree.partitions_["n"].sum()
    means = tree.partitions_["ame"]
    for subspace in tree.partitions_.index:
        assert effects[leaves == subspace].mean() == pytest.approx(means[subspace])


def test_names_that_no_query_quotes_are_refused_and_masks_serve(example):
    X, effect = example
    numbered = X.set_axis(range(X.shape[1]), axis=1)
    for named in (X.rename(columns={"a": "a`b"}), numbered):
        tree = EffectTree(n_partitions=2).fit(named, effect)
        with pytest.raises(ValueError, match=r"cannot quote .*(?s:.)*tree\.masks"):
            _ = tree.queries_
        assert tree.masks(named).to_numpy().sum() == len(X)
    spaced = X.rename(columns={"a": "blood pressure (mm Hg)"})
    tree = EffectTree(n_partitions=2).fit(spaced, effect)
    for column, query in tree.queries_.items():
        assert len(spaced.query(query)) == tree.masks(spaced)[column].sum()


def test_an_effect_alone_stands_for_its_table_weights_and_categories():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200), "g": rng.integers(0, 3, 200)})
    weights = rng.integers(1, 3, 200)
    effect = fme(
        lambda t: t["a"].to_numpy() ** 2 * (t["g"] == 1),
        X,
        {"a": 0.5},
        nlm=True,
        sample_weight=weights,
        categorical_features=["g"],
    )
    alone, came_tree = EffectTree(n_partitions=3).fit(effect), came(effect, 3)
    pd.testing.assert_frame_equal(alone.partitions_, came_tree.partitions_)
    assert alone.partitions_["rule"].str.contains("g = 1").any()
    assert (alone.predict(X) == came_tree.predict(X)).all()


CUTS = {
    "one decimal": (lambda x: x.round(1), r"-?\d+(\.\d)?"),
    "whole numbers": (lambda x: (10 * x).round(), r"-?\d+"),
}


@pytest.mark.parametrize(("rounded", "pattern"), CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_cuts_are_printed_to_the_decimals_of_the_data(rounded, pattern, method):
    x = rounded(np.random.default_rng(0).normal(20, 5, 300))
    X = pd.DataFrame({"bmi": x})
    tree = EffectTree(method, n_partitions=3).fit(X, (x - x.mean()) ** 3)
    rules = tree.partitions_["rule"]
    for rule, mask in zip(rules, tree.masks(X).to_numpy().T, strict=True):
        assert re.fullmatch(rf"({pattern} <=? )?bmi (<|<=|>|>=) {pattern}", rule), rule
        # As printed, the rule is that of the tree on these data.
        text = rule.replace(" & ", " and ")
        parts = re.fullmatch(r"(?:(\S+) (<=?) )?bmi (\S+) (\S+)", text)
        inside = np.ones(len(x), dtype=bool)
        if parts[1]:
            low = float(parts[1])
            inside &= (x > low) if parts[2] == "<" else (x >= low)
        bound = float(parts[4])
        inside &= {"<": x < bound, "<=": x <= bound, ">": x > bound, ">=": x >= bound}[
            parts[3]
        ]
        assert (inside == mask).all()


def test_honest_halves_take_two_groups_and_refuse_one():
    numbers = (), np.arange(4.0), Weighting(None, 4)
    halves = honest_halves(
        Sample(*numbers, groups=np.array([7, 7, 9, 9])), np.random.RandomState(0)
    )
    assert sorted(rows.tolist() for rows in halves) == [[0, 1], [2, 3]]
    with pytest.raises(ValueError, match="n_samples = 4 in one group"):
        honest_halves(Sample(*numbers, groups=np.ones(4)), np.random.RandomState(0))


def test_of_an_odd_number_of_rows_the_part_that_grows_the_tree_has_one_more():
    sample = Sample((), np.arange(7.0), Weighting(None, 7))
    grows, estimates = honest_halves(sample, np.random.RandomState(0))
    assert (len(grows), len(estimates)) == (4, 3)


@pytest.mark.parametrize("groups", [None, np.arange(9)])
def test_a_size_by_cross_validation_needs_two_rows_or_groups_in_each_fold(groups):
    unit = "rows" if groups is None else "groups"
    with pytest.raises(ValueError, match=f"needs 10 {unit} to cross-validate, got 9"):
        EffectTree(n_partitions="auto").fit(
            np.eye(9)[:, :2], np.arange(9.0), groups=groups
        )
