"""Searches, cross-validation and metadata routing over explainers and effect trees."""

import numpy as np
import pytest
import sklearn
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import Envelope, FMEExplainer, fme
from skfme.metrics import effect_stability, partition_r2_score
from skfme.statsmodels import EffectTree

BMI = {"bmi": -2}


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


@pytest.fixture(scope="module")
def regions():
    """Effects that differ by two regions of one feature, a fifth of them NaN."""
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(600, 3))
    effects = np.where(X[:, 0] < 0.4, -2.0, 1.0) + rng.normal(scale=0.3, size=600)
    effects[rng.random(600) < 0.2] = np.nan
    return X, effects


SEARCHES = {
    "grid": GridSearchCV,
    "randomized": lambda *args, **options: RandomizedSearchCV(
        *args, n_iter=4, random_state=0, **options
    ),
    "halving": lambda *args, **options: HalvingGridSearchCV(
        *args, random_state=0, factor=2, **options
    ),
}


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_tunes_the_model_and_the_explainer_at_once(diabetes, kind):
    X, y = diabetes
    explainer = FMEExplainer(DecisionTreeRegressor(random_state=0), BMI)
    grid = {
        "estimator__max_depth": [1, 3],
        "extrapolation": [None, Envelope(quantiles=(0.05, 0.95))],
    }
    search = SEARCHES[kind](explainer, grid, cv=3).fit(X, y)
    best = search.best_estimator_
    assert best.estimator_.get_depth() == search.best_params_["estimator__max_depth"]
    counted = fme(
        best.estimator_, X, BMI, extrapolation=search.best_params_["extrapolation"]
    ).n
    assert best.explain(X)["bmi -2"].n == counted
    np.testing.assert_array_equal(search.predict(X), best.predict(X))


@pytest.mark.parametrize("kind", SEARCHES)
def test_a_search_sizes_an_effect_tree_over_effects_with_nan(regions, kind):
    X, effects = regions
    grid = {"max_depth": [1, 4], "method": ["ctree", "cart"]}
    scorer = make_scorer(partition_r2_score)
    search = SEARCHES[kind](EffectTree(), grid, cv=3, scoring=scorer).fit(X, effects)
    assert search.best_score_ > 0.9
    assert search.best_estimator_.partitions_["rule"].str.contains("x0").all()


def test_parameters_of_the_envelope_are_nested_ones(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(Ridge(), BMI, extrapolation=Envelope())
    grid = {"extrapolation__quantiles": [(0.01, 0.99), (0.2, 0.8)]}
    search = GridSearchCV(explainer, grid, n_jobs=2, cv=2).fit(X, y)
    # Extrapolation changes no prediction: the first candidate wins the tie.
    assert search.best_params_ == {"extrapolation__quantiles": (0.01, 0.99)}
    wide = search.best_estimator_.explain(X)["bmi -2"].n
    narrow = search.best_estimator_.set_params(extrapolation__quantiles=(0.2, 0.8))
    assert narrow.fit(X, y).explain(X)["bmi -2"].n < wide


def test_an_explainer_around_a_search_explains_the_best_model(diabetes):
    X, y = diabetes
    pipeline = make_pipeline(StandardScaler(), Ridge())
    search = GridSearchCV(pipeline, {"ridge__alpha": [1e-3, 1e4]})
    explainer = FMEExplainer(search, BMI).fit(X, y)
    chosen = explainer.estimator_.best_estimator_
    np.testing.assert_allclose(
        explainer.explain(X)["bmi -2"].fme, fme(chosen, X, BMI).fme
    )


def test_cross_validation_shows_how_effects_vary_over_folds(diabetes):
    X, y = diabetes
    folds = cross_validate(FMEExplainer(Ridge(), BMI), X, y, return_estimator=True)
    ames = [explainer.explain(X)["bmi -2"].ame for explainer in folds["estimator"]]
    assert len(set(np.round(ames, 6))) == 5
    (row,) = effect_stability(folds["estimator"], X, BMI).to_dict("records")
    # Every explainer has its own range; effect_stability takes one for all.
    models = [explainer.estimator_ for explainer in folds["estimator"]]
    same_rows = [fme(model, X, BMI).ame for model in models]
    assert row["ame"] == pytest.approx(np.mean(same_rows))
    assert row["ame_sd"] == pytest.approx(np.std(same_rows, ddof=1))


def test_out_of_fold_effects_come_from_the_estimators_of_the_folds(diabetes):
    X, y = diabetes
    folds = cross_validate(
        FMEExplainer(Ridge(), BMI), X, y, return_estimator=True, return_indices=True
    )
    effects = np.full(len(X), np.nan)
    for explainer, rows in zip(
        folds["estimator"], folds["indices"]["test"], strict=True
    ):
        effects[rows] = explainer.transform(X.iloc[rows])[:, 0]
    assert np.isfinite(effects).mean() > 0.9


class Witness(RegressorMixin, BaseEstimator):
    """A model that keeps the weights and groups that it was fitted with."""

    def fit(self, X, y, sample_weight=None, groups=None):
        self.sample_weight_, self.groups_, self.rows_ = sample_weight, groups, len(X)
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_routing_carries_weights_and_groups_through_pipeline_and_explainer(diabetes):
    X, y = diabetes
    weights, groups = np.arange(len(X)) % 3 + 1.0, np.arange(len(X)) % 7
    with sklearn.config_context(enable_metadata_routing=True):
        witness = Witness().set_fit_request(sample_weight=True, groups=True)
        witness.set_score_request(sample_weight=True)
        inside = make_pipeline(StandardScaler().set_fit_request(sample_weight=False))
        inside.steps.append(("model", witness))
        explainer = FMEExplainer(inside, BMI).set_fit_request(sample_weight=True)
        cv = GroupKFold(3)
        search = GridSearchCV(explainer, {"extrapolation": [None]}, cv=cv)
        search.fit(X, y, sample_weight=weights, groups=groups)
        folds = cross_validate(
            explainer,
            X,
            y,
            cv=cv,
            params={"sample_weight": weights, "groups": groups},
            return_estimator=True,
            return_indices=True,
        )
    model = search.best_estimator_.estimator_.named_steps["model"]
    np.testing.assert_array_equal(model.sample_weight_, weights)
    np.testing.assert_array_equal(model.groups_, groups)
    for fitted, rows, test in zip(
        folds["estimator"],
        folds["indices"]["train"],
        folds["indices"]["test"],
        strict=True,
    ):
        model = fitted.estimator_.named_steps["model"]
        np.testing.assert_array_equal(model.sample_weight_, weights[rows])
        np.testing.assert_array_equal(model.groups_, groups[rows])
        assert not set(groups[rows]) & set(groups[test])


def test_routing_carries_weights_groups_and_nlm_to_an_effect_tree(regions):
    X, effects = regions
    weights, groups = np.arange(600) % 3 + 1.0, np.arange(600) % 60
    with sklearn.config_context(enable_metadata_routing=True):
        tree = EffectTree(n_partitions="auto", random_state=0)
        tree.set_fit_request(sample_weight=True, groups=True, nlm=True)
        tree.set_score_request(sample_weight=True)
        search = GridSearchCV(tree, {"method": ["ctree", "cart"]}, cv=GroupKFold(3))
        search.fit(
            X, effects, sample_weight=weights, groups=groups, nlm=np.full(600, 0.5)
        )
    partitions = search.best_estimator_.partitions_
    assert partitions["weight"].sum() == weights[~np.isnan(effects)].sum()
    assert partitions["anlm"].tolist() == [0.5] * len(partitions)


def test_weights_nobody_asked_for_are_scikit_learns_own_error(diabetes):
    X, y = diabetes
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"set_fit_request\({metadata}=True/False\)"),
    ):
        FMEExplainer(Ridge(), BMI).fit(X, y, sample_weight=np.ones(len(X)))


def test_without_routing_weights_go_by_the_name_of_the_step(diabetes):
    X, y = diabetes
    weights = np.arange(len(X)) % 3
    model = make_pipeline(StandardScaler(), Ridge())
    direct = model.fit(X, y, ridge__sample_weight=weights)[-1].coef_
    around = FMEExplainer(model, BMI).fit(X, y, ridge__sample_weight=weights)
    np.testing.assert_allclose(around.estimator_[-1].coef_, direct)
    last = make_pipeline(StandardScaler(), FMEExplainer(Ridge(), {2: -1}))
    last.fit(X, y, fmeexplainer__sample_weight=weights)
    np.testing.assert_allclose(last[-1].estimator_.coef_, direct)


def test_a_weighted_search_without_routing_weights_fit_and_score_without_a_warning(
    diabetes, recwarn
):
    X, y = diabetes
    weights = np.arange(len(X)) % 3 + 1.0
    search = GridSearchCV(FMEExplainer(Ridge(), BMI), {"estimator__alpha": [1.0]})
    bare = GridSearchCV(Ridge(), {"alpha": [1.0]})
    search.fit(X, y, sample_weight=weights)
    bare.fit(X, y, sample_weight=weights)
    assert not recwarn.list
    assert search.best_score_ == pytest.approx(bare.best_score_)


def test_a_forest_is_tuned_with_batches_in_threads(diabetes):
    X, y = diabetes
    forest = RandomForestRegressor(5, random_state=0)
    explainer = FMEExplainer(forest, BMI, n_jobs=2, batch_size=100)
    search = GridSearchCV(explainer, {"estimator__max_depth": [2, 4]}, n_jobs=2, cv=2)
    search.fit(X, y)
    alone = fme(search.best_estimator_.estimator_, X, BMI)
    np.testing.assert_array_equal(search.transform(X)[:, 0], alone.fme)
