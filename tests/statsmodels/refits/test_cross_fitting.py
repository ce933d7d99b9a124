"""Effects by models that never saw the row."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold, ShuffleSplit
from sklearn.tree import DecisionTreeClassifier

from skfme import FMEExplainer, ForwardEffects
from skfme.statsmodels import cross_fit_effects
from tests.statsmodels.refits.learners import MeanSlope, Parabola, Remembers, SeedSlope

N = 60


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(size=N), np.arange(N)])
    return X, rng.exponential(size=N)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


def explainer_of(learner, **options):
    return FMEExplainer(learner, {0: 1}, extrapolation=None, **options)


def test_no_row_is_explained_by_a_model_that_saw_it(data):
    X, y = data
    # the effect is 1 in rows that the model has seen, and 0 in others
    assert explainer_of(Remembers()).fit(X, y).explain(X)["x0 +1"].ame == 1
    Remembers.fitted.clear()
    effects = cross_fit_effects(explainer_of(Remembers()), X, y, cv=4, random_state=0)
    np.testing.assert_array_equal(effects["x0 +1"].fme, 0)
    for k, (rows, target, _) in enumerate(Remembers.fitted[1:]):
        ids = rows[:, 1].astype(int)
        np.testing.assert_array_equal(
            np.setdiff1d(range(N), ids), np.flatnonzero(effects.fold == k)
        )
        np.testing.assert_array_equal(target, y[ids])
    assert np.bincount(effects.fold).tolist() == [15] * 4


def test_no_group_is_explained_by_a_model_that_saw_it(data):
    X, y = data
    groups = np.arange(N) % 13
    Remembers.fitted.clear()
    effects = cross_fit_effects(
        explainer_of(Remembers()), X, y, groups=groups, random_state=0
    )
    assert len(np.unique(np.column_stack([groups, effects.fold]), axis=0)) == 13
    for k, (rows, *_) in enumerate(Remembers.fitted[1:]):
        seen = groups[rows[:, 1].astype(int)]
        assert not np.isin(groups[effects.fold == k], seen).any()


def test_effects_are_those_of_the_folds_models_in_the_inputs_order(diabetes):
    X, y = diabetes
    X = X.set_axis(np.arange(len(X))[::-1], axis=0)
    cv = KFold(3, shuffle=True, random_state=4)
    explainer = FMEExplainer(LinearRegression(), steps=[{"bmi": -2}, {"bp": 5}])
    effects = cross_fit_effects(explainer, X, y, cv=cv)
    assert isinstance(effects, ForwardEffects)
    whole = explainer.fit(X, y).explain(X)
    for k, (train, test) in enumerate(cv.split(X)):
        model = LinearRegression().fit(X.iloc[train], y.iloc[train])
        slope = model.coef_[list(X.columns).index("bmi")]
        counted = whole["bmi -2"].counted[test]
        np.testing.assert_allclose(effects["bmi -2"].fme[test][counted], -2 * slope)
        assert (effects.fold[test] == k).all()
    for name in whole:
        np.testing.assert_array_equal(effects[name].status, whole[name].status)
    assert effects["bp +5"].n_outside_before == whole["bp +5"].n_outside_before
    assert effects["bp +5"].to_frame().index.equals(X.index)
    pd.testing.assert_frame_equal(effects["bp +5"].X, X)


def test_effects_that_only_models_vary_have_a_spread_and_no_standard_error(data):
    X, y = data
    effects = cross_fit_effects(
        explainer_of(SeedSlope(data=0.0)), X, y, cv=4, random_state=0
    )
    # within a fold the effect is constant, so that only models differ
    with pytest.warns(RuntimeWarning, match="gives all its rows the same effect"):
        results = effects.results()
    assert np.isnan(results.bse.iloc[0])
    assert np.isnan(results.pvalues.iloc[0])
    assert results.fold_sd.iloc[0] > 0.1
    assert results.fold_sd_expected.iloc[0] == 0
    assert "bootstrap_effects()" in results.summary()


def test_an_effect_that_neither_rows_nor_models_vary_has_no_error(data):
    X, y = data
    effects = cross_fit_effects(explainer_of(MeanSlope()), X, 0 * y + 3, random_state=0)
    results = effects.results()
    assert (results.bse.iloc[0], results.fold_sd.iloc[0]) == (0, 0)


def test_standard_errors_are_those_of_means_of_independent_folds(data):
    X, y = data
    effects = cross_fit_effects(explainer_of(Parabola()), X, y, cv=7, random_state=0)
    results, fme = effects.results(), 2 * X[:, 0] + 1
    by_fold = pd.Series(fme).groupby(effects.fold)
    shares = by_fold.size() / N
    expected = np.sqrt(np.sum(shares**2 * by_fold.var() / by_fold.size()))
    assert results.params.iloc[0] == pytest.approx(fme.mean())
    assert results.bse.iloc[0] == pytest.approx(expected)
    assert results.fold_sd.iloc[0] == pytest.approx(by_fold.mean().std())
    spread = np.sqrt(np.mean(by_fold.var() / by_fold.size()))
    assert results.fold_sd_expected.iloc[0] == pytest.approx(spread)
    np.testing.assert_allclose(results.folds["ame"], by_fold.mean())
    assert results.covers == "sample"
    assert {"fold_sd", "fold_sd_expected"} <= set(results.to_frame())
    assert "of 7 models" in results.summary()


def test_groups_are_the_units_of_standard_errors(data):
    X, y = data
    groups = np.arange(N) // 6
    effects = cross_fit_effects(
        explainer_of(Parabola()), X, y, cv=2, groups=groups, random_state=0
    )
    fme = 2 * X[:, 0] + 1
    variance = 0
    for k in range(2):
        inside = effects.fold == k
        sums = pd.Series(fme - fme[inside].mean())[inside].groupby(groups[inside]).sum()
        variance += 5 / 4 * np.sum(sums**2) / N**2
    assert effects.results().bse.iloc[0] == pytest.approx(np.sqrt(variance))


def test_weights_count_rows(data):
    X, y = data
    weights = np.arange(N) % 3
    effects = cross_fit_effects(
        explainer_of(Parabola()), X, y, sample_weight=weights, random_state=0
    )
    expected = np.average(2 * X[:, 0] + 1, weights=weights)
    assert effects["x0 +1"].ame == pytest.approx(expected)
    results = effects.results()
    assert results.params.iloc[0] == pytest.approx(expected)
    assert results.nobs.tolist() == [np.count_nonzero(weights)]


def test_folds_of_a_classifier_hold_every_class():
    X, y = load_iris(return_X_y=True)
    rows = [*range(50), *range(50, 56), *range(100, 150)]
    explainer = FMEExplainer(
        DecisionTreeClassifier(max_depth=2), steps={2: -1}, nlm=True
    )
    effects = cross_fit_effects(explainer, X[rows], y[rows], cv=3, random_state=0)
    assert np.bincount(effects.fold, y[rows] == 1).tolist() == [2, 2, 2]
    effect = effects["x2 -1"]
    assert effect.fme.shape == effect.nlm.shape == (106, 3)
    results = effects.results()
    assert results.labels["output"].tolist() == ["0", "1", "2"]
    assert results.params.sum() == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(results.cov_params().sum(), 0, atol=1e-12)


def test_a_seed_gives_the_same_whatever_the_jobs_and_the_table(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(SeedSlope(), steps={"bmi": 1}, extrapolation=None)
    calls = [(X, y, 1), (X, y, 2), (pl.from_pandas(X), pl.from_pandas(y), 1)]
    first, *repeated = (
        cross_fit_effects(explainer, table, target, n_jobs=n_jobs, random_state=8)
        for table, target, n_jobs in calls
    )
    for again in repeated:
        np.testing.assert_array_equal(first["bmi +1"].fme, again["bmi +1"].fme)


def test_a_plain_explanation_is_what_one_model_for_all_folds_gives(data):
    X, _ = data
    effects = cross_fit_effects(
        explainer_of(MeanSlope()), X, np.ones(N), random_state=0
    )
    np.testing.assert_allclose(effects["x0 +1"].fme, 1)
    assert "of MeanSlope, 60 rows" in str(effects)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": ShuffleSplit(3)}, "test folds are a partition"),
        ({"cv": RepeatedKFold(n_splits=3, n_repeats=2)}, "120 times in all"),
        ({"cv": [(np.arange(N), np.arange(N))]}, "model of fold 0 has seen row 0."),
        (
            {"cv": KFold(3), "groups": np.arange(N) % 2},
            "row 0 or its group.*GroupKFold",
        ),
        ({"cv": 1}, "k-fold cross-validation requires at least one train/test split"),
        ({"groups": np.ones(5)}, r"groups has shape \(5,\)"),
        ({"sample_weight": -np.ones(N)}, "negative"),
    ],
    ids=[
        *("untested rows", "rows tested twice", "rows seen", "groups seen", "one fold"),
        *("short groups", "negative weights"),
    ],
)
@pytest.mark.filterwarnings("ignore:The groups parameter is ignored:UserWarning")
def test_folds_that_would_not_keep_rows_apart_are_refused(data, options, message):
    X, y = data
    with pytest.raises(ValueError, match=message):
        cross_fit_effects(explainer_of(MeanSlope()), X, y, **options)


def test_own_splitters_and_iterables_are_taken(data):
    X, y = data
    groups = np.arange(N) % 4
    whole = cross_fit_effects(
        explainer_of(MeanSlope()), X, y, cv=GroupKFold(4), groups=groups
    )
    assert len(np.unique(np.column_stack([groups, whole.fold]), axis=0)) == 4
    halves = [(np.arange(30), np.arange(30, 60)), (np.arange(30, 60), np.arange(30))]
    effects = cross_fit_effects(explainer_of(MeanSlope()), X, y, cv=halves)
    np.testing.assert_allclose(effects["x0 +1"].fme[:30], y[30:].mean())


def test_effects_are_in_the_inputs_order_where_folds_are_not(data):
    X, y = data
    shuffled = np.random.default_rng(0).permutation(N)
    halves = [(shuffled[30:], shuffled[:30]), (shuffled[:30], shuffled[30:])]
    effects = cross_fit_effects(explainer_of(Parabola()), X, y, cv=halves)
    np.testing.assert_allclose(effects["x0 +1"].fme, 2 * X[:, 0] + 1)
    np.testing.assert_array_equal(effects.fold[shuffled], np.repeat([0, 1], 30))


def test_a_frozen_model_is_refused(data):
    X, y = data
    frozen = FrozenEstimator(LinearRegression().fit(X, y))
    with pytest.raises(TypeError, match="cannot be fitted again"):
        cross_fit_effects(FMEExplainer(frozen), X, y)


def test_a_missing_target_is_refused(data):
    with pytest.raises(ValueError, match="y is None"):
        cross_fit_effects(explainer_of(MeanSlope()), data[0], None)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": N}, "Fold 0 has one row only"),
        ({"cv": 3, "groups": np.arange(N) % 3}, "Fold 0 has one group only"),
    ],
    ids=["row", "group"],
)
def test_folds_of_one_unit_have_no_standard_error(data, options, message):
    X, y = data
    effects = cross_fit_effects(explainer_of(MeanSlope()), X, y, **options)
    with pytest.raises(ValueError, match=message):
        effects.results()
