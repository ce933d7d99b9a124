"""Regions found on some rows and estimated from others."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from skfme import FMEExplainer
from skfme.statsmodels import EffectTree, honest_regions
from tests.statsmodels.refits.learners import Remembers


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


def forest_of(steps=None, **options):
    forest = RandomForestRegressor(8, min_samples_leaf=5)
    return FMEExplainer(forest, {"bmi": -2} if steps is None else steps, **options)


@pytest.fixture(scope="module")
def regions(diabetes):
    X, y = diabetes
    tree = EffectTree("cart", n_partitions=3)
    return honest_regions(forest_of(), X, y, tree=tree, random_state=0)


def test_the_three_parts_are_all_rows_once(diabetes, regions):
    X, _ = diabetes
    parts = list(regions.rows.values())
    assert list(regions.rows) == ["train", "partition", "estimate"]
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(len(X)))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_regions_are_estimated_from_the_estimation_rows(diabetes, regions):
    X, _ = diabetes
    apart = X.iloc[regions.rows["estimate"]]
    effect = regions.explainer.explain(apart)["bmi -2"]
    leaves = pd.Series(regions.tree.apply(apart))[effect.counted]
    fme = pd.Series(effect.fme)[effect.counted].groupby(leaves)
    np.testing.assert_allclose(regions.sample.params, fme.mean())
    np.testing.assert_allclose(regions.sample.bse, fme.std() / np.sqrt(fme.size()))
    np.testing.assert_allclose(regions.tree.partitions_["ame"], fme.mean())
    np.testing.assert_allclose(regions.tree.partitions_["sd"], fme.std())
    low = stats.t.interval(
        0.95, fme.size() - 1, fme.mean(), fme.std() / fme.size() ** 0.5
    )
    np.testing.assert_allclose(regions.sample.conf_int()[0], low[0])
    frame = regions.to_frame()
    assert frame["n"].tolist() == fme.size().tolist()
    assert frame["rule"].tolist() == regions.tree.partitions_["rule"].tolist()
    assert regions.sample.covers == "sample"
    assert "model's own error is not covered" in regions.summary()


def test_weights_are_of_one_kind_in_all_parts(diabetes, regions):
    X, y = diabetes
    weights = np.full(len(X), 2.0)
    weights[regions.rows["train"]] = 0.5  # and whole in the other two
    tree = EffectTree("cart", n_partitions=3)
    weighted = honest_regions(
        forest_of(), X, y, tree=tree, sample_weight=weights, random_state=0
    )
    assert weighted.tree.weights_type == "sampling"
    assert weighted.effect.weights_type == "sampling"
    # All weights of a part are equal, and their scale does not matter.
    np.testing.assert_allclose(
        weighted.tree.partitions_[["ame", "sd"]],
        regions.tree.partitions_[["ame", "sd"]],
    )


def test_estimation_rows_have_no_say_in_model_or_partition(diabetes, regions):
    X, y = diabetes
    rows = regions.rows["estimate"]
    other, shifted = y.copy(), X.copy()
    other.iloc[rows] = 1e6
    shifted.iloc[rows, :] = X.iloc[rows[::-1], :].to_numpy()
    again = honest_regions(
        forest_of(),
        shifted,
        other,
        tree=EffectTree("cart", n_partitions=3),
        random_state=0,
    )
    np.testing.assert_array_equal(again.rows["estimate"], rows)
    rules = regions.tree.partitions_["rule"].tolist()
    assert again.tree.partitions_["rule"].tolist() == rules
    np.testing.assert_array_equal(
        again.explainer.predict(X), regions.explainer.predict(X)
    )


def test_partition_rows_do_not_train(diabetes):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=90), np.arange(90)])
    Remembers.fitted.clear()
    explainer = FMEExplainer(Remembers(), {0: 1}, extrapolation=None)
    regions = honest_regions(explainer, X, X[:, 0], random_state=0)
    np.testing.assert_array_equal(
        np.sort(Remembers.fitted[0][0][:, 1]), regions.rows["train"]
    )
    # no row of the others was seen, so that there is no effect and nothing to split
    assert regions.tree.n_partitions_ == 1
    assert regions.sample.params.tolist() == [0.0]


def test_the_models_own_error_is_stated_apart():
    rng = np.random.default_rng(2)
    X = rng.uniform(-1, 1, size=(240, 2))
    y = X[:, 0] * np.sign(X[:, 1]) + 0.3 * rng.normal(size=240)
    learner = DecisionTreeRegressor(min_samples_leaf=15)
    regions = honest_regions(
        FMEExplainer(learner, {0: 0.5}),
        X,
        y,
        tree=EffectTree(n_partitions=2),
        random_state=0,
        n_resamples=199,
    )
    assert regions.refit.covers == "refit"
    assert regions.refit.replicates.shape == (199, 2)
    np.testing.assert_array_equal(regions.refit.params, regions.sample.params)
    frame = regions.to_frame()
    both = np.hypot(frame["std_error"], frame["refit_std_error"])
    np.testing.assert_allclose(frame["both_std_error"], both)
    assert (frame["refit_conf_low"] < frame["refit_conf_high"]).all()
    assert "over refits" in str(regions)
    assert repr(regions) == "<HonestRegions: 2 regions of 'x0 +0.5'>"
    assert regions._repr_html_().count("<table") == 2


def test_groups_stay_in_one_part_and_are_the_units(diabetes):
    X, y = diabetes
    groups = np.arange(len(X)) % 60
    regions = honest_regions(
        forest_of(),
        X,
        y,
        groups=groups,
        tree=EffectTree(n_partitions=2),
        sizes=(0.5, 0.25, 0.25),
        random_state=0,
    )
    train, partition, estimate = (set(groups[rows]) for rows in regions.rows.values())
    assert not train & partition | partition & estimate
    assert len(train) + len(partition) + len(estimate) == 60
    assert len(regions.rows["train"]) == pytest.approx(len(X) / 2, abs=8)
    assert regions.sample.df.max() <= len(estimate) - 1


def test_small_regions_merge_until_two_rows_estimate_them():
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"a": rng.normal(size=150), "b": rng.uniform(size=150)})
    y = X["a"] * X["b"]
    explainer = FMEExplainer(RandomForestRegressor(5), {"a": 0.5})
    tree = EffectTree("cart", min_samples_leaf=1, min_samples_split=2, cp=0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regions = honest_regions(explainer, X, y, tree=tree, random_state=0)
    assert regions.tree.partitions_["n"].min() >= 2
    assert len(regions.sample.params) == regions.tree.n_partitions_
    with pytest.raises(ValueError, match="rows that the tree was grown on"):
        regions.tree.stability()


def test_one_output_and_one_effect_are_chosen():
    X, y = load_iris(return_X_y=True, as_frame=True)
    explainer = FMEExplainer(
        DecisionTreeClassifier(max_depth=3),
        steps=[{"petal length (cm)": -1}, {"petal width (cm)": -1}],
        extrapolation=None,
        nlm=True,
    )
    options = {
        "tree": EffectTree("cart", n_partitions=2),
        "random_state": 0,
        "stratify": y,
    }
    with pytest.raises(ValueError, match="2 effects, and regions are found for one"):
        honest_regions(explainer, X, y, output="1", **options)
    with pytest.raises(ValueError, match="3 outputs"):
        honest_regions(explainer, X, y, effect="petal width (cm) -1", **options)
    regions = honest_regions(
        explainer, X, y, effect="petal width (cm) -1", output="1", **options
    )
    assert regions.effect.name == "petal width (cm) -1"
    assert regions.sample.labels["output"].tolist() == ["1", "1"]
    assert "anlm" in regions.tree.partitions_


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"sizes": (0.5, 0.5)}, ValueError, "three positive shares that sum to 1"),
        ({"sizes": (0.5, 0.5, 0.0)}, ValueError, "three positive shares"),
        ({"sizes": (0.5, 0.4, 0.4)}, ValueError, "three positive shares"),
        ({"sizes": (0.001, 0.5, 0.499)}, ValueError, "part to train has 0 of 442"),
        ({"groups": [0, 1] * 221}, ValueError, "part to partition has 0 of 2"),
        (
            {"tree": EffectTree(honest=True)},
            ValueError,
            "honest=True, which would split",
        ),
        ({"tree": "cart"}, TypeError, "tree must be an EffectTree, got str"),
        ({"effect": "bmi"}, ValueError, "No effect is named 'bmi'"),
        ({"n_resamples": 1}, ValueError, "n_resamples must be a whole number"),
        ({"y": None}, ValueError, "y is None"),
        ({"y": [1, 2]}, ValueError, "y has 2 entries; X has 442 rows"),
    ],
    ids=[
        *("two sizes", "a size of zero", "sizes above one", "no training rows"),
        *("two groups", "honest tree", "no tree", "unknown effect", "one resample"),
        *("no target", "short target"),
    ],
)
@pytest.mark.filterwarnings("ignore:Resampling draws:UserWarning")
def test_bad_input_is_refused(diabetes, options, error, message):
    X, y = diabetes
    with pytest.raises(error, match=message):
        honest_regions(forest_of(), X, **({"y": y, "random_state": 0} | options))


def test_a_frozen_model_is_refused(diabetes):
    X, y = diabetes
    frozen = FrozenEstimator(LinearRegression().fit(X, y))
    with pytest.raises(TypeError, match="cannot be fitted again"):
        honest_regions(FMEExplainer(frozen, {"bmi": 1}), X, y)
