"""A tree grown over batches is that of the stacked table, and says where it cannot be."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer, came
from skfme.statsmodels import EffectTree, came_batches
from tests.statsmodels.tree.cases import TABLES, assert_same_tree, reference, table
from tests.streaming import wards

ASIDE = ["given", "step"]


class Product(RegressorMixin, BaseEstimator):
    """One more of `step` adds what the column `given` holds: effects as they are given."""

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return np.asarray(X["given"], float) * np.asarray(X["step"], float)


def explainer_of(X, effects, **options):
    X = X.assign(given=np.asarray(effects, float), step=0.0)
    model = FrozenEstimator(Product())
    options = {"extrapolation": None, **options}
    return FMEExplainer(model, {"step": 1}, **options).fit(X), X


def batches(X, size):
    return [X[start : start + size] for start in range(0, len(X), size)]


@pytest.mark.parametrize("size", [7, 150, 5000])
@pytest.mark.parametrize("name", TABLES)
def test_the_tree_is_that_of_the_stacked_table(name, size):
    X, y, _ = table(name)
    X = X.round(2)  # at most 1,000 values
    explainer, X = explainer_of(X, y)
    options = {"alpha": 0.35, "min_samples_leaf": 7, "drop": ASIDE}
    streamed = came_batches(explainer, batches(X, size), tree=EffectTree(**options))
    assert_same_tree(streamed, came(explainer.explain(X)["step +1"], **options))
    assert (streamed.cut_errors_ == 0).all()
    assert streamed.cut_errors_.index.equals(
        streamed.nodes_.index[streamed.nodes_["variable"].notna()]
    )
    assert streamed.n_partitions_ > 2 or name == "tree_noise_500"


@pytest.mark.parametrize("name", [t for t in TABLES if t != "tree_signal_2000"])
def test_the_tree_over_weighted_batches_is_that_of_partykit(name):
    X, y, w = table(name)
    theirs = reference(name)["weighted"]
    control = theirs["control"]
    explainer, X = explainer_of(X, y)
    options = EffectTree(
        alpha=control["alpha"],
        min_samples_leaf=int(control["minbucket"]),
        min_samples_split=int(control["minsplit"]),
        max_depth=control["maxdepth"],
        testtype=control["testtype"].lower(),
        teststat=control["teststat"],
        drop=ASIDE,
    )
    tree = came_batches(
        explainer, batches(X.assign(w=w), 101), sample_weight="w", tree=options
    )
    assert len(tree.nodes_) == len(theirs["nodes"])
    np.testing.assert_array_equal(tree.apply(X) + 1, theirs["terminal_of_row"])
    np.testing.assert_allclose(tree.predict(X), theirs["prediction"], rtol=1e-10)


@pytest.mark.parametrize("kind", ["auto", "sampling", "importance", "frequency"])
def test_weights_are_those_of_the_stacked_table(kind):
    X, y, w = table("tree_missing_800")
    w = np.where(w == 2, 0, w if kind == "frequency" else w * 0.37)
    explainer, X = explainer_of(X, y, weights_type=kind)
    X = X.assign(w=w)
    assert (w == 0).any()
    options = EffectTree(min_samples_leaf=20, drop=ASIDE)
    streamed = came_batches(explainer, batches(X, 90), sample_weight="w", tree=options)
    effect = explainer.explain(X.drop(columns="w"), sample_weight=w)["step +1"]
    assert_same_tree(streamed, came(effect, min_samples_leaf=20, drop=ASIDE))
    assert streamed.n_partitions_ > 2


@pytest.mark.parametrize("size", [{"n_partitions": 3}, {"max_sd": 1.6}])
def test_pruning_is_that_of_the_stacked_table(size):
    X, y, _ = table("tree_signal_2000")
    explainer, X = explainer_of(X.round(1), y)
    options = EffectTree(drop=ASIDE)
    streamed = came_batches(explainer, batches(X, 300), tree=options, **size)
    stacked = came(explainer.explain(X)["step +1"], drop=ASIDE, **size)
    assert_same_tree(streamed, stacked)
    assert options.get_params() == EffectTree(drop=ASIDE).get_params()
    assert not hasattr(options, "partitions_")


@pytest.mark.parametrize("effect", ["older", "dearer in b", "later"])
def test_a_folder_of_columns_of_all_kinds_gives_the_tree_of_its_table(tmp_path, effect):
    folder = wards.write_files(tmp_path / "wards", wards.arrow_table())
    X = wards.in_memory(folder)
    features = X[wards.FEATURES]
    explainer = wards.explainer_on(features)
    options = {"alpha": 0.9, "drop": ["born"]}
    stacked = came(explainer.explain(features)[effect], **options)
    for source in (folder, pyarrow.dataset.dataset(folder)):
        streamed = came_batches(explainer, source, effect, tree=EffectTree(**options))
        assert_same_tree(streamed, stacked)
    assert streamed.n_partitions_ > 2
    assert (streamed.apply(features) == stacked.apply(features)).all()


def test_levels_have_one_order_whatever_batches_show_them_in():
    rng = np.random.default_rng(0)
    text = rng.choice(list("dbace"), 500)
    grade = pd.Categorical(
        rng.choice(["hi", "lo", "mid"], 500), ["lo", "mid", "hi"], ordered=True
    )
    effects = (
        np.isin(text, ["d", "a"]) + 2.0 * (grade == "hi") + rng.normal(size=500) / 9
    )
    X = pd.DataFrame({"text": text, "grade": grade, "flag": rng.random(500) < 0.5})
    effects += X["flag"] / 3
    explainer, X = explainer_of(X, effects)
    by_level = [X[text == level] for level in "dbace"]
    stacked = came(explainer.explain(pd.concat(by_level))["step +1"], drop=ASIDE)
    streamed = came_batches(explainer, by_level, tree=EffectTree(drop=ASIDE))
    assert_same_tree(streamed, stacked)
    assert set(streamed.nodes_["variable"].dropna()) == {"text", "grade", "flag"}


def many_values():
    """30,000 rows of numbers, and effects with one cut."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(30_000, 2)), columns=["a", "b"])
    effects = np.where(X["a"] < 0.4, 1.0, -1.0) + rng.normal(size=30_000) / 3
    return explainer_of(X, effects)


def test_many_values_are_cut_at_quantiles_and_the_tree_says_how_fine():
    explainer, X = many_values()
    options = EffectTree(max_depth=1, drop=ASIDE)
    streamed = came_batches(explainer, batches(X, 7000), tree=options)
    stacked = came(explainer.explain(X)["step +1"], max_depth=1, drop=ASIDE)
    pd.testing.assert_frame_equal(streamed.tests_, stacked.tests_, rtol=1e-9)
    cut, best = (tree.nodes_["cut"][0] for tree in (streamed, stacked))
    (error,) = streamed.cut_errors_
    assert 0 < error < 0.005
    low, high = sorted([cut, best])
    assert ((X["a"] > low) & (X["a"] <= high)).mean() <= error
    assert cut in X["a"].to_numpy()
    again = came_batches(explainer, batches(X, 811), tree=options)
    assert again.nodes_["cut"][0] == cut


def test_few_values_in_a_node_are_cut_exactly_below_a_cut_that_is_not():
    rng = np.random.default_rng(2)
    a = np.r_[rng.normal(size=6000) - 9, rng.integers(0, 900, 6000) / 9]
    effects = 3.0 * (a > 0) + (a > 50) + rng.normal(size=12_000) / 9
    explainer, X = explainer_of(pd.DataFrame({"a": a}), effects)
    options = EffectTree(max_depth=2, drop=ASIDE)
    streamed = came_batches(explainer, batches(X, 5000), tree=options)
    stacked = came(explainer.explain(X)["step +1"], max_depth=2, drop=ASIDE)
    errors, cuts = streamed.cut_errors_, streamed.nodes_["cut"]
    assert errors[0] > 0
    exact = errors.index[(errors == 0)]
    assert len(exact) == 1
    assert cuts[exact[0]] == stacked.nodes_["cut"].max()


def test_nonlinearity_is_averaged_by_node():
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"a": rng.integers(0, 9, 400).astype(float)})
    y = np.exp(X["a"] / 2)

    class Curve(Product):
        def predict(self, X):
            return np.exp(np.asarray(X["a"]) / 2) * (1 + (np.asarray(X["a"]) > 4))

    explainer = FMEExplainer(FrozenEstimator(Curve()), {"a": 1}, nlm=True).fit(X, y)
    streamed = came_batches(explainer, batches(X, 90), n_partitions=3)
    stacked = came(explainer.explain(X)["a +1"], 3)
    assert {"anlm", "sd_nlm"} <= set(streamed.partitions_)
    assert_same_tree(streamed, stacked)


def test_one_output_is_partitioned():
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.integers(0, 9, (600, 3)).astype(float), columns=list("abc"))
    y = np.array(["u", "v", "w"])[np.minimum(X["a"] * (X["b"] > 4), 2).astype(int)]
    forest = RandomForestClassifier(5, random_state=0)
    explainer = FMEExplainer(forest, {"a": 1}).fit(X, y)
    with pytest.raises(ValueError, match="choose it with output="):
        came_batches(explainer, [X])
    streamed = came_batches(explainer, batches(X, 250), output="v")
    assert_same_tree(streamed, came(explainer.explain(X)["a +1"], output="v"))


@pytest.fixture
def small():
    X, y, _ = table("tree_signal_300")
    return explainer_of(X[["x1", "x2"]].round(2), y)


def test_sources_that_can_be_read_again_give_one_tree(small, tmp_path):
    explainer, X = small
    options = EffectTree(drop=ASIDE)
    stacked = came(explainer.explain(X)["step +1"], drop=ASIDE)
    arrow = pa.Table.from_pandas(X, preserve_index=False)
    pq.write_table(arrow, tmp_path / "rows.parquet", row_group_size=50)
    sources = [
        X,
        arrow,
        pl.from_pandas(X),
        tmp_path / "rows.parquet",
        str(tmp_path),
        arrow.to_batches(40),
        lambda: iter(batches(X, 60)),
        lambda: pq.ParquetFile(tmp_path / "rows.parquet").iter_batches(),
        lambda: tmp_path,
    ]
    if hasattr(pl.LazyFrame, "collect_batches"):  # since polars 1.34
        sources.append(pl.from_pandas(X).lazy())
    for source in sources:
        assert_same_tree(came_batches(explainer, source, tree=options), stacked)


def as_dask(X, n_partitions):
    dd = pytest.importorskip("dask.dataframe", reason="dask is not installed")
    return dd.from_pandas(X, npartitions=n_partitions, sort=False)


@pytest.mark.parametrize("name", TABLES)
def test_sums_of_partitions_merge_to_the_tree_of_their_table(name):
    X, y, w = table(name)
    explainer, X = explainer_of(X.round(2), y, weights_type="sampling")
    X = X.assign(w=w * 0.37)
    options = EffectTree(alpha=0.35, min_samples_leaf=7, drop=ASIDE)
    streamed = came_batches(explainer, as_dask(X, 7), sample_weight="w", tree=options)
    effect = explainer.explain(X.drop(columns="w"), sample_weight=X["w"])["step +1"]
    stacked = came(effect, alpha=0.35, min_samples_leaf=7, drop=ASIDE)
    assert_same_tree(streamed, stacked)


def test_many_values_of_partitions_are_cut_at_observed_quantiles():
    explainer, X = many_values()
    options = EffectTree(max_depth=1, drop=ASIDE)
    streamed = came_batches(explainer, as_dask(X, 40), tree=options)
    stacked = came(explainer.explain(X)["step +1"], max_depth=1, drop=ASIDE)
    pd.testing.assert_frame_equal(streamed.tests_, stacked.tests_, rtol=1e-9)
    (error,) = streamed.cut_errors_
    assert 0 < error < 0.005
    low, high = sorted([streamed.nodes_["cut"][0], stacked.nodes_["cut"][0]])
    assert ((X["a"] > low) & (X["a"] <= high)).mean() <= error
    assert streamed.nodes_["cut"][0] in X["a"].to_numpy()


def test_partitions_may_lack_rows_that_count_and_levels_that_others_have():
    rng = np.random.default_rng(5)
    text = np.sort(rng.choice(list("abcd"), 400))
    X = pd.DataFrame({"text": text, "n": rng.integers(0, 9, 400)})
    effects = np.isin(text, ["a", "d"]) + rng.normal(size=400) / 9
    X.loc[300:, "n"] = np.nan
    explainer, X = explainer_of(X, effects)
    X.loc[:99, "step"] = np.nan
    effect = explainer.explain(X)["step +1"]
    options = EffectTree(drop=ASIDE, min_samples_leaf=5)
    streamed = came_batches(explainer, as_dask(X, 8), tree=options)
    assert_same_tree(streamed, came(effect, drop=ASIDE, min_samples_leaf=5))
    assert streamed.n_dropped_ == 100


def test_an_error_on_a_partition_is_the_users_to_read(small):
    explainer, X = small
    with pytest.raises(ValueError, match=r"^partition \d, batches\[0\]: X contains"):
        came_batches(explainer, as_dask(X.assign(x1=np.inf), 3))


def test_a_tree_of_batches_is_a_fitted_tree(small):
    explainer, X = small
    tree = came_batches(explainer, [X], tree=EffectTree(drop=ASIDE))
    again = pickle.loads(pickle.dumps(tree))
    np.testing.assert_array_equal(again.predict(X), tree.predict(X))
    assert tree.masks(X).sum().tolist() == tree.partitions_["n"].tolist()
    assert tree.plot(X=X, y=X["given"]).figure_ is not None
    with pytest.raises(ValueError, match="does not carry its rows"):
        tree.plot()
    with pytest.raises(ValueError, match="needs the rows"):
        tree.stability(2)


def test_sources_that_one_pass_uses_up_are_refused_with_what_to_pass(small):
    explainer, X = small
    arrow = pa.Table.from_pandas(X, preserve_index=False)
    for source in ((part for part in [X]), iter([X]), arrow.to_reader()):
        with pytest.raises(TypeError, match=r"used up by one pass.*path of Parquet"):
            came_batches(explainer, source)
    used = iter(batches(X, 100))
    with pytest.raises(ValueError, match=r"300 rows in the first pass and 0.*function"):
        came_batches(explainer, lambda: used)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "cart"}, "method='cart' is not made from sums"),
        ({"honest": True}, "honest=True is not made from sums"),
        ({"n_partitions": "auto"}, "n_partitions='auto' is not made from sums"),
        ({"n_partitions": 2, "max_sd": 1.0}, "are both given"),
        ({"n_partitions": 90}, "n_partitions=90 is out of reach"),
        ({"drop": ["nobody"]}, "drop names"),
        ({"alpha": 2}, "'alpha' parameter"),
    ],
)
def test_options_that_need_rows_are_refused_by_name(small, options, said):
    explainer, X = small
    with pytest.raises(ValueError, match=said):
        came_batches(explainer, [X], tree=EffectTree(**options))


def test_bad_input_is_refused_in_words(small):
    explainer, X = small
    with pytest.raises(ValueError, match=r"effect='bmi' is none.*'step \+1'"):
        came_batches(explainer, [X], "bmi")
    two = FMEExplainer(FrozenEstimator(Product()), [{"step": 1}, {"x1": 1}]).fit(X)
    with pytest.raises(ValueError, match="2 effects .* choose it with effect="):
        came_batches(two, [X])
    with pytest.raises(TypeError, match="tree must be an EffectTree"):
        came_batches(explainer, [X], tree=3)
    with pytest.raises(ValueError, match="No row has both an effect"):
        came_batches(explainer, [X.assign(w=0)], sample_weight="w")
    with pytest.raises(ValueError, match="No row has both an effect"):
        came_batches(explainer, [])
    ids = X.assign(id=[f"p{i}" for i in range(len(X))])
    named, _ = explainer_of(ids, X["given"])
    with pytest.raises(ValueError, match="300 categories in 300 rows: they name rows"):
        came_batches(named, batches(ids, 40))


def test_a_constant_effect_has_one_partition():
    X = pd.DataFrame({"a": np.arange(400.0), "b": 1.0})
    explainer, X = explainer_of(X, np.full(400, 0.1))
    tree = came_batches(explainer, batches(X, 30), tree=EffectTree(drop=ASIDE))
    assert tree.n_partitions_ == 1
    assert tree.partitions_["sd"].tolist() == [0.0]
    assert np.isnan(tree.variance_explained_)


def test_effects_of_two_values_are_parted_once():
    X = pd.DataFrame({"a": np.arange(400.0), "b": np.arange(400.0) % 7})
    explainer, X = explainer_of(X, np.where(X["a"] < 100, 0.1, 0.7))
    tree = came_batches(explainer, batches(X, 30), tree=EffectTree(drop=ASIDE))
    assert tree.partitions_["rule"].tolist() == ["a <= 99", "a > 99"]
    assert tree.partitions_["sd"].tolist() == [0.0, 0.0]
