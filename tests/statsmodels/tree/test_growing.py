"""Trees equal R's partykit and rpart, node by node."""

import numpy as np
import pandas as pd
import pytest

from skfme.statsmodels import EffectTree
from tests.statsmodels.tree.cases import TABLES, reference, table, worked_example

CTREES = ("default", "a35", "univ", "maximum", "depth2", "weighted")


def _like(control):
    return EffectTree(
        alpha=control["alpha"],
        min_samples_leaf=int(control["minbucket"]),
        min_samples_split=int(control["minsplit"]),
        max_depth=control["maxdepth"],
        testtype=control["testtype"].lower(),
        teststat=control["teststat"],
    )


@pytest.mark.parametrize("configuration", CTREES)
@pytest.mark.parametrize("name", TABLES)
def test_trees_equal_partykit_node_by_node(name, configuration):
    X, y, w = table(name)
    theirs = reference(name)[configuration]
    weighted = theirs["control"]["weights"]
    tree = _like(theirs["control"]).fit(X, y, w if weighted else None)
    assert len(tree.nodes_) == len(theirs["nodes"])
    np.testing.assert_array_equal(tree.apply(X) + 1, theirs["terminal_of_row"])
    np.testing.assert_allclose(tree.predict(X), theirs["prediction"], rtol=1e-10)
    for node in theirs["nodes"]:
        _assert_same_node(tree, node, theirs["control"]["teststat"])


def _assert_same_node(tree, theirs, teststat):
    ours = tree.nodes_.loc[theirs["id"] - 1]
    if theirs["terminal"]:
        assert pd.isna(ours["variable"])
        assert (ours["left"], ours["right"]) == (-1, -1)
    else:
        _assert_same_split(ours, theirs)
    if "criterion" in theirs:
        _assert_same_tests(tree, theirs, teststat)


def _assert_same_split(ours, theirs):
    assert ours["variable"] == theirs["variable"]
    assert [ours["left"] + 1, ours["right"] + 1] == theirs["kids"]
    levels = theirs.get("levels")
    if levels is None:
        assert ours["cut"] == pytest.approx(theirs["breaks"][0], rel=1e-14)
    elif "breaks" in theirs:  # ordered: the break is a rank
        assert list(ours["levels_left"]) == levels[: int(theirs["breaks"][0])]
    else:
        for side, number in (("levels_left", 1), ("levels_right", 2)):
            pairs = zip(levels, theirs["index"], strict=True)
            assert list(ours[side]) == [k for k, child in pairs if child == number]


def _assert_same_tests(tree, theirs, teststat):
    tests = tree.tests_[tree.tests_["node"] == theirs["id"] - 1]
    criterion = theirs["criterion"]
    assert list(tests["variable"]) == criterion["covariate"]
    np.testing.assert_allclose(tests["statistic"], criterion["statistic"], rtol=1e-8)
    factor = tests["variable"].isin(["f5"]).to_numpy() & (teststat == "maximum")
    np.testing.assert_allclose(
        tests["log_1_minus_p"][~factor],
        np.array(criterion["log_1_minus_p"])[~factor],
        rtol=1e-8,
        # R takes the maximum's tail from a cdf, which leaves rounding of 1.
        atol=2e-15 if teststat == "maximum" else 0,
    )
    # R integrates by quasi-Monte-Carlo here.
    np.testing.assert_allclose(
        tests["p_value"],
        criterion["p_value"],
        rtol=0,
        atol=2e-3 if factor.any() else 1e-8,
    )


@pytest.mark.parametrize("name", TABLES[:3])
def test_cart_equals_rpart(name):
    X, y, _ = table(name)
    theirs = pd.DataFrame(reference(name)["rpart"]["frame"]).sort_values(["n", "yval"])
    ours = EffectTree("cart").fit(X, y).nodes_.sort_values(["n", "ame"])
    assert list(ours["n"]) == list(theirs["n"])
    np.testing.assert_allclose(ours["ame"], theirs["yval"], rtol=1e-9)
    squares = ours["sd"] ** 2 * (ours["n"] - 1)
    np.testing.assert_allclose(squares, theirs["dev"], rtol=1e-9)
    named = ours["variable"].fillna("<leaf>")
    assert list(named) == list(theirs["variable"])


def _leaves(tree):
    return list(tree.partitions_["n"])


def test_worked_root_tests_equal_r():
    X, effect, w = worked_example()
    tree = EffectTree(max_depth=1, min_samples_leaf=7).fit(X, effect)
    assert tree.nodes_["ame"][0] == pytest.approx(2.117753870220, abs=1e-11)
    root = tree.tests_[tree.tests_["node"] == 0].set_index("variable")
    assert list(root.index) == list("abkgo")
    statistics = [54.9810733142, 22.8774587357, 0.132422922175, 65.2031673346]
    np.testing.assert_allclose(
        root["statistic"], [*statistics, 28.8312280836], rtol=1e-9
    )
    p = [6.08480478e-13, 8.63321561e-06, 0.998150288, 1.16584781e-12, 3.94837717e-07]
    np.testing.assert_allclose(root["p_value"], p, rtol=1e-8)
    weighted = EffectTree(max_depth=1, min_samples_leaf=7).fit(X, effect, w)
    root = weighted.tests_[weighted.tests_["node"] == 0]
    statistics = [87.0533989048, 28.4926516223, 0.176518819778, 107.144095104]
    np.testing.assert_allclose(
        root["statistic"], [*statistics, 36.4373952415], rtol=1e-9
    )
    p = [5.28151768e-20, 4.70273823e-07, 0.996339494, 1.47875293e-21, 7.88246720e-09]
    np.testing.assert_allclose(root["p_value"], p, rtol=1e-8)


def test_worked_tree_a_equals_r():
    X, effect, _ = worked_example()
    tree = EffectTree(alpha=0.35).fit(X, effect)
    sizes = [18, 12, 12, 13, 7, 17, 7, 19, 18, 12, 36, 16, 19, 17, 17]
    assert _leaves(tree) == sizes
    means = [0.962814828, 1.675315198, 2.341095870, 2.866331731, 2.503738020]
    means += [1.682191878, -2.305789337, -1.190863546, 2.801433951, 3.169294158]
    means += [3.750686514, 4.478087921, 3.986889292, 0.184452268, 1.417439643]
    np.testing.assert_allclose(tree.partitions_["ame"], means, rtol=1e-8)
    assert tree.nodes_["cut"][0] == 4.3


def test_worked_trees_b_to_e_equal_r():
    X, effect, w = worked_example()
    options = {"max_depth": 2, "min_samples_leaf": 7}
    b = EffectTree(**options).fit(X, effect)
    assert _leaves(b) == [62, 43, 82, 53]
    sds = [0.799543315, 1.673698503, 0.678148410, 1.762068987]
    np.testing.assert_allclose(b.partitions_["sd"], sds, rtol=1e-8)
    second = b.tests_[b.tests_["node"] == 1]
    p = [0.991805616, 0.003375772, 0.969080623, 4.31393294e-09, 1.86842277e-07]
    np.testing.assert_allclose(second["p_value"], p, rtol=1e-6)
    c = EffectTree(**options).fit(X, effect, w)
    assert _leaves(c) == [62, 82, 36, 60]
    assert list(c.partitions_["weight"]) == [88, 132, 65, 79]
    means = [1.8957077, 3.5539613, 2.5120299, -0.3563294]
    np.testing.assert_allclose(c.partitions_["ame"], means, rtol=1e-6)
    d = EffectTree(teststat="maximum", **options).fit(X, effect)
    assert _leaves(d) == [69, 36, 55, 80]
    g = d.tests_.query("node == 0 and variable == 'g'")["p_value"].item()
    assert g == pytest.approx(1.8199e-5, rel=1e-3)
    e = EffectTree(testtype="univariate", **options).fit(X, effect)
    assert _leaves(e) == _leaves(b)


def test_worked_tree_g_with_missing_values_equals_r():
    X, effect, _ = worked_example()
    X.loc[np.arange(240) % 9 == 4, "a"] = np.nan
    tree = EffectTree(max_depth=2, min_samples_leaf=7).fit(X, effect)
    root = tree.tests_.query("node == 0 and variable == 'a'")
    assert root["statistic"].item() == pytest.approx(51.3513248812, rel=1e-10)
    assert _leaves(tree) == [55, 89, 36, 60]
    means = [1.945760765, 3.465513467, 2.898559958, -0.192246171]
    np.testing.assert_allclose(tree.partitions_["ame"], means, rtol=1e-8)


def test_worked_rpart_tree_equals_r():
    X, effect, _ = worked_example()
    tree = EffectTree("cart").fit(X, effect)
    root = tree.nodes_.loc[0]
    assert tree.n_partitions_ == 14
    assert root["sd"] ** 2 * 239 == pytest.approx(777.200856961, rel=1e-11)
    assert root["variable"] == "a"
    assert root["cut"] == pytest.approx(4.35)
    assert root["drop"] == pytest.approx(0.274332971, rel=1e-8)


@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_integer_weights_equal_repeated_rows(method):
    X, effect, w = worked_example()
    weighted = EffectTree(method).fit(X, effect, w)
    repeated = EffectTree(method).fit(X.loc[X.index.repeat(w)], np.repeat(effect, w))
    np.testing.assert_array_equal(weighted.apply(X), repeated.apply(X))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X))
    np.testing.assert_allclose(
        weighted.nodes_["statistic"], repeated.nodes_["statistic"], rtol=1e-9
    )


@pytest.mark.parametrize("size", [1e-9, 1e-3, 1e9])
@pytest.mark.parametrize("method", ["ctree", "cart"])
def test_effects_of_any_size_grow_the_same_tree(size, method):
    X, effect, _ = worked_example()
    tree = EffectTree(method).fit(X, effect)
    scaled = EffectTree(method).fit(X, effect * size)
    np.testing.assert_array_equal(tree.apply(X), scaled.apply(X))
    np.testing.assert_allclose(scaled.predict(X), tree.predict(X) * size)


def test_a_small_clean_step_is_found_which_an_absolute_tolerance_misses():
    x = np.linspace(0, 0.03, 100)
    tree = EffectTree().fit(x[:, None], 0.001 * (x > 0.015))
    assert tree.n_partitions_ == 2


def test_effects_that_differ_by_rounding_alone_are_one_partition():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    effect = -11.2 * (1 + 1e-15 * np.sign(X[:, 0]))
    assert EffectTree(n_partitions=None, alpha=0.9).fit(X, effect).n_partitions_ == 1
    assert EffectTree("cart").fit(X, effect).n_partitions_ == 1


def test_one_partition_where_there_is_nothing_to_find():
    whole = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tree = EffectTree(min_samples_leaf=7)
        tree.fit(rng.normal(size=(200, 5)), rng.normal(size=200))
        whole.append(tree.n_partitions_ == 1)
    assert 0.91 <= np.mean(whole) <= 0.99


def test_a_factor_of_many_levels_with_rare_ones_respects_minbucket():
    rng = np.random.default_rng(2)
    codes = np.r_[rng.integers(0, 20, 300), np.arange(20, 26)]
    shift = rng.normal(size=26)
    effect = shift[codes] + rng.normal(size=len(codes)) / 10
    X = pd.DataFrame({"g": pd.Categorical([f"g{c:02d}" for c in codes])})
    tree = EffectTree(min_samples_leaf=10).fit(X, effect)
    assert tree.partitions_["n"].min() >= 10
    assert tree.variance_explained_ > 0.9


def test_the_scale_of_weights_that_are_no_counts_does_not_matter():
    X, effect, w = worked_example()
    w = w * 0.37
    trees = [EffectTree().fit(X, effect, c * w) for c in (1, 1 / w.sum(), 1234.5)]
    for tree in trees:
        assert tree.n_partitions_ > 1
        assert tree.partitions_["weight"].sum() == pytest.approx(np.count_nonzero(w))
        pd.testing.assert_frame_equal(tree.nodes_, trees[0].nodes_, rtol=1e-9)


@pytest.mark.parametrize("kind", ["frequency", "sampling", "importance"])
def test_sds_of_subspaces_are_those_of_their_rows_by_the_kind_of_weights(kind):
    X, effect, w = worked_example()
    tree = EffectTree(weights_type=kind).fit(X, effect, w)
    leaves = tree.apply(X)
    for leaf, row in tree.partitions_.iterrows():
        values, v = effect[leaves == leaf], w[leaves == leaf]
        mean = np.average(values, weights=v)
        variance = np.average((values - mean) ** 2, weights=v)
        size = v.sum() if kind == "frequency" else np.count_nonzero(v)
        assert row["sd"] == pytest.approx(np.sqrt(variance * size / (size - 1)))


def test_where_the_two_best_covariates_have_no_admissible_split_a_third_is_not_tried():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({name: np.zeros(200) for name in ("rare", "rarer", "common")})
    X.loc[:2, "rare"], X.loc[3:5, "rarer"] = 1.0, 1.0
    X["common"] = np.arange(200) % 2.0
    effect = 11 * X["rare"] + 10 * X["rarer"] + X["common"] + rng.normal(0, 0.1, 200)
    assert EffectTree().fit(X, effect).n_partitions_ == 1
    tree = EffectTree(max_depth=1).fit(X.drop(columns="rarer"), effect)
    assert tree.nodes_["variable"][0] == "common"


@pytest.mark.parametrize("n", [20, 100])
def test_the_order_of_weights_decides_of_no_limit(n):
    # A root of 20 may be split, and 1 or 2 % of 100 rows are whole numbers; sums of
    # weights that stand for so many rows are above or below by rounding.
    rng = np.random.default_rng(0)
    for _ in range(40):
        X = pd.DataFrame({"x": rng.normal(size=n), "z": rng.normal(size=n)})
        effect = np.where(np.arange(n) % 5 == 0, 3.0, 0.0) + X["x"]
        weights = rng.random(n) + 0.1
        order = rng.permutation(n)
        one, other = (
            EffectTree(alpha=0.9, weights_type="sampling").fit(
                X.iloc[rows], effect.iloc[rows], weights[rows]
            )
            for rows in (np.arange(n), order)
        )
        assert len(one.tests_)
        assert str(one) == str(other)
