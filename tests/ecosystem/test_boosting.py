"""Boosted trees of XGBoost, LightGBM and CatBoost, with their own categories."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV

from skfme import Contrast, FMEExplainer, ame, fme
from tests.ecosystem.zoo import STEPS, assert_differences_of, diabetes, library, moved


@pytest.fixture(scope="module")
def data():
    return diabetes()


@pytest.fixture(scope="module")
def thirds(data):
    return pd.qcut(data[1], 3, labels=False).to_numpy()


XGBOOST = {"n_estimators": 20, "enable_categorical": True, "n_jobs": 1}
LIGHTGBM = {"n_estimators": 20, "n_jobs": 1, "verbose": -1}
CATBOOST = {
    "iterations": 20,
    "verbose": 0,
    "thread_count": 1,
    "allow_writing_files": False,
}


class TestXGBoost:
    def test_regressor_with_categories(self, data):
        xgboost = library("xgboost", "test")
        X, y = data
        explainer = FMEExplainer(xgboost.XGBRegressor(**XGBOOST), STEPS)
        effects = explainer.fit(X, y).explain(X)
        assert_differences_of(effects, explainer.estimator_.predict, X, atol=1e-3)
        everyone = fme(explainer.estimator_, X, {"sex": Contrast("s1", "s2")})
        assert everyone.n == 442

    def test_classifier_has_probabilities_of_each_class(self, data, thirds):
        xgboost = library("xgboost", "test")
        X, _ = data
        model = xgboost.XGBClassifier(**XGBOOST).fit(X, thirds)
        effects = ame(model, X, STEPS)
        assert_differences_of(effects, model.predict_proba, X)
        fmes = effects["bmi -2"].fme
        np.testing.assert_allclose(np.nansum(fmes, axis=1), 0, atol=1e-5)
        binary = xgboost.XGBClassifier(**XGBOOST).fit(X, thirds > 0)
        assert ame(binary, X, STEPS).outputs == ("1",)

    def test_booster_goes_through_a_function(self, data):
        xgboost = library("xgboost", "test")
        X, y = data

        def matrix(X):
            return xgboost.DMatrix(X, enable_categorical=True)

        training = xgboost.DMatrix(X, y, enable_categorical=True)
        booster = xgboost.train({"nthread": 1}, training, 20)

        def predict(X):
            return booster.predict(matrix(X))

        assert_differences_of(ame(predict, X, STEPS), predict, X, atol=1e-3)

    @pytest.mark.parametrize(
        ("objective", "outputs"),
        [
            ({"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.9]}, 2),
            ({"objective": "survival:cox"}, 1),
            ({"objective": "count:poisson"}, 1),
        ],
        ids=["quantiles", "cox", "poisson"],
    )
    def test_objectives_have_effects_of_what_they_predict(
        self, data, objective, outputs
    ):
        xgboost = library("xgboost", "test")
        X, y = data
        model = xgboost.XGBRegressor(**XGBOOST, **objective).fit(X, y)
        effects = ame(model, X, STEPS)
        assert len(effects.outputs) == outputs
        scale = np.abs(model.predict(X)).max()
        assert_differences_of(effects, model.predict, X, atol=1e-5 * scale)

    def test_a_polars_table_reaches_the_model(self, data):
        xgboost = library("xgboost", "test")
        X, y = data
        table = pl.from_pandas(X.drop(columns="sex"))
        model = xgboost.XGBRegressor(n_estimators=20, n_jobs=1).fit(table, y)
        effect = fme(model, table, {"bmi": -2})
        stepped = table.with_columns(pl.col("bmi") - 2)
        expected = model.predict(stepped) - model.predict(table)
        np.testing.assert_allclose(
            effect.fme[effect.counted], expected[effect.counted], atol=1e-3
        )


class TestLightGBM:
    def test_regressor_with_categories(self, data):
        lightgbm = library("lightgbm", "test")
        X, y = data
        explainer = FMEExplainer(lightgbm.LGBMRegressor(**LIGHTGBM), STEPS)
        effects = explainer.fit(X, y).explain(X)
        assert_differences_of(effects, explainer.estimator_.predict, X)

    def test_classifier_has_probabilities_of_each_class(self, data, thirds):
        lightgbm = library("lightgbm", "test")
        X, _ = data
        model = lightgbm.LGBMClassifier(**LIGHTGBM).fit(X, thirds)
        assert_differences_of(ame(model, X, STEPS), model.predict_proba, X)

    def test_booster_is_a_model_as_it_is(self, data):
        lightgbm = library("lightgbm", "test")
        X, y = data
        options = {"verbose": -1, "num_threads": 1}
        booster = lightgbm.train(options, lightgbm.Dataset(X, y), 20)
        assert_differences_of(ame(booster, X, STEPS), booster.predict, X)

    def test_integer_arrays_are_read_in_single_precision(self):
        # LightGBM 4.7 does: of 400 seconds since 1970 it tells 4 apart.
        lightgbm = library("lightgbm", "test")
        seconds = 1_700_000_000 + np.arange(400)[:, None]
        wave = np.sin(np.arange(400) / 20)
        model = lightgbm.LGBMRegressor(**LIGHTGBM).fit(seconds.astype(float), wave)
        assert len(np.unique(model.predict(seconds))) <= 4
        for X in (seconds, seconds.astype(float)):
            effect = fme(model, X, {0: 60}, extrapolation=None)
            by_hand = model.predict(X + 60) - model.predict(X)
            np.testing.assert_allclose(effect.fme, by_hand, atol=1e-12)

    def test_ranker_and_quantile_have_effects_of_what_they_predict(self, data):
        lightgbm = library("lightgbm", "test")
        X, y = data
        ranker = lightgbm.LGBMRanker(**LIGHTGBM)
        ranker.fit(X, (y // 50).astype(int), group=[200, 242])
        assert_differences_of(ame(ranker, X, STEPS), ranker.predict, X)
        upper = lightgbm.LGBMRegressor(**LIGHTGBM, objective="quantile", alpha=0.9)
        upper.fit(X, y)
        assert_differences_of(ame(upper, X, STEPS), upper.predict, X)

    def test_is_searched_inside_the_explainer(self, data):
        lightgbm = library("lightgbm", "test")
        X, y = data
        explainer = FMEExplainer(lightgbm.LGBMRegressor(**LIGHTGBM), STEPS)
        search = GridSearchCV(explainer, {"estimator__num_leaves": [4, 8]}, cv=2)
        best = search.fit(X, y).best_estimator_
        assert_differences_of(best.explain(X), best.estimator_.predict, X)


class TestCatBoost:
    @pytest.mark.parametrize("kind", ["category", "str", "object"])
    def test_own_categories_of_every_text_type(self, data, kind):
        catboost = library("catboost")
        X, y = data
        X = X.assign(sex=X["sex"].astype(kind))
        # A list would not survive scikit-learn's clone: catboost/catboost#3078.
        model = catboost.CatBoostRegressor(**CATBOOST, cat_features=("sex",))
        explainer = FMEExplainer(model, STEPS).fit(X, y)
        assert_differences_of(explainer.explain(X), explainer.estimator_.predict, X)

    def test_categories_may_be_named_in_fit(self, data):
        catboost = library("catboost")
        X, y = data
        explainer = FMEExplainer(catboost.CatBoostRegressor(**CATBOOST), STEPS)
        explainer.fit(X, y, cat_features=["sex"])
        assert explainer.estimator_.get_cat_feature_indices() == [1]
        assert_differences_of(explainer.explain(X), explainer.estimator_.predict, X)

    def test_categories_coded_as_integers_are_moved_not_added_to(self, data):
        catboost = library("catboost")
        X, y = data
        X = X.assign(sex=(X["sex"] == "s2").astype(int))
        model = catboost.CatBoostRegressor(**CATBOOST, cat_features=["sex"])
        model.fit(X, y)
        effect = fme(model, X, {"sex": 1}, nlm=True)  # the model knows
        assert effect.name == "sex = 1"
        assert np.isnan(effect.nlm).all()
        expected = model.predict(X.assign(sex=1)) - model.predict(X)
        counted = effect.counted
        assert counted.tolist() == (X["sex"] == 0).tolist()
        np.testing.assert_allclose(effect.fme[counted], expected[counted])

    def test_classifier_has_probabilities_of_each_class(self, data, thirds):
        catboost = library("catboost")
        X, _ = data
        names = np.array(["low", "middle", "high"])[thirds]
        model = catboost.CatBoostClassifier(**CATBOOST, cat_features=["sex"])
        explainer = FMEExplainer(FrozenEstimator(model.fit(X, names)), STEPS).fit(X)
        effects = explainer.explain(X)
        assert effects.outputs == ("high", "low", "middle")
        assert_differences_of(effects, model.predict_proba, X)

    def test_uncertainty_and_quantiles_are_outputs(self, data):
        catboost = library("catboost")
        X, y = data
        for loss in ("RMSEWithUncertainty", "MultiQuantile:alpha=0.1,0.9"):
            model = catboost.CatBoostRegressor(
                **CATBOOST, cat_features=["sex"], loss_function=loss
            ).fit(X, y)
            effects = ame(model, X, STEPS)
            assert len(effects.outputs) == 2
            assert_differences_of(effects, model.predict, X, atol=1e-6)

    def test_a_category_never_seen_is_refused_before_the_model_sees_it(self, data):
        catboost = library("catboost")
        X, y = data
        model = catboost.CatBoostRegressor(**CATBOOST, cat_features=["sex"])
        model.fit(X, y)
        with pytest.raises(ValueError, match="s3"):
            fme(model, X, {"sex": "s3"})


def test_the_expectation_of_these_tests_moves_what_it_says():
    X, _ = diabetes()
    table = moved(X, bmi=-2, sex="s2")
    assert table["sex"].dtype == X["sex"].dtype
    assert (table["sex"] == "s2").all()
    np.testing.assert_allclose(table["bmi"], X["bmi"] - 2)
