"""What a model claims of itself explains a failure, and refuses none that predicts."""

from __future__ import annotations

import pickle

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.validation import check_is_fitted

from skfme import FMEExplainer, fme

ANYWHERE = {"extrapolation": None}


@pytest.fixture
def people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 10, 200),
            "bmi": rng.normal(25, 4, 200),
            "sex": rng.choice(["f", "m"], 200),
        }
    )


class Product(RegressorMixin, BaseEstimator):
    """bmi · age, read by name; what it claims of itself is up to the test."""

    def __init__(self, **claims):
        self.__dict__.update(claims)

    def fit(self, X, y=None):
        raise AssertionError("a given model must not be fitted again")

    def predict(self, X):
        return (X["bmi"] * X["age"]).to_numpy()


class ByPlace(Product):
    """Twice the first column and three times the second."""

    def predict(self, X):
        values = np.asarray(X)[:, :2].astype(float)
        return values @ [2.0, 3.0]


@pytest.mark.parametrize(
    "claims",
    [
        {"n_features_in_": 0},  # CatBoost's pickles
        {"n_features_in_": 4},  # glum's design
        {"n_features_in_": None, "feature_names_in_": None},  # H2O's wrappers
        {"feature_names_in_": ["age", "bmi", "sex[f]", "sex[m]"]},
        {"feature_names_in_": ["age"]},
        {"_estimator_type": "regressor"},
        {"feature_names_in_": ["sex", "bmi", "age"]},  # which it does read by name
        {"feature_names_in_": ["bmi", "age"], "n_features_in_": 2},
    ],
    ids=str,
)
def test_a_model_that_predicts_is_explained_whatever_it_claims(people, claims):
    effect = fme(Product(**claims), people, {"bmi": 2}, **ANYWHERE)
    np.testing.assert_allclose(effect.fme, 2 * people["age"])


def test_a_model_without_a_fitted_attribute_is_asked_for_predictions_alone(people):
    # scikit-learn takes a model for fitted by attributes that end in an underscore.
    with pytest.raises(NotFittedError):
        check_is_fitted(Product())
    explainer = FMEExplainer(FrozenEstimator(Product()), {"bmi": 2}, **ANYWHERE)
    assert explainer.fit(people).explain(people)["bmi +2"].n == 200


@pytest.mark.parametrize(
    ("names", "right"),
    [
        (["age_y", "body_mass"], True),
        (["Age.y", "bodymass"], True),
        (["f0", "f1"], True),
        (["feature_0001", "feature_0002"], True),
        (["Column_1", "Column_0"], False),
        (["f0", "g1"], False),
        (["f1", "f3"], False),
        (["body_mass", "age_y"], False),
        (["body mass", "age y"], False),
        (["height", "weight"], False),
    ],
    ids=str,
)
def test_names_that_a_model_tidied_or_counted_are_those_of_x(names, right):
    X = pd.DataFrame({"age y": [1.0, 2.0, 4.0], "body mass": [3.0, 1.0, 2.0]})
    model = ByPlace(feature_names_in_=names)
    if right:
        effect = fme(model, X, {"body mass": 2}, **ANYWHERE)
        np.testing.assert_allclose(effect.fme, 6)
    else:
        with pytest.raises(ValueError, match=rf"(?s){names[0]}.*in this order.*age y"):
            fme(model, X, {"body mass": 2}, **ANYWHERE)


def test_lightgbm_tidies_names_and_does_not_look_at_them_when_it_predicts():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"body mass": rng.normal(size=300), "age": rng.normal(size=300)})
    model = lgb.LGBMRegressor(n_estimators=10, verbose=-1, n_jobs=1)
    model.fit(X, X["body mass"] + 2 * X["age"])
    assert list(model.feature_names_in_) == ["body_mass", "age"]
    moved = X.assign(**{"body mass": X["body mass"] + 0.5})
    swapped = X[["age", "body mass"]]
    for given in (model, model.booster_):
        effect = fme(given, X, {"body mass": 0.5}, **ANYWHERE)
        expected = model.predict(moved) - model.predict(X)
        np.testing.assert_allclose(effect.fme, expected)
        assert np.abs(given.predict(swapped) - given.predict(X)).max() > 1
        with pytest.raises(ValueError, match="in this order"):
            fme(given, swapped, {"age": 0.5}, **ANYWHERE)
    on_array = lgb.LGBMRegressor(n_estimators=10, verbose=-1, n_jobs=1)
    on_array.fit(X.to_numpy(), X["age"])
    assert on_array.booster_.feature_name() == ["Column_0", "Column_1"]
    assert fme(on_array.booster_, X, {"age": 0.5}, **ANYWHERE).n == 300


@pytest.mark.parametrize(
    "convert", [lambda X: X, pl.from_pandas], ids=["pandas", "polars"]
)
def test_columns_that_a_pipeline_picks_by_name_may_come_in_any_order(people, convert):
    picked = make_column_transformer(
        (OneHotEncoder(), ["sex"]), (StandardScaler(), ["bmi", "age"])
    )
    model = make_pipeline(picked, RandomForestRegressor(10, random_state=0))
    model.fit(convert(people), people["bmi"] * (people["sex"] == "m"))
    table = people[["bmi", "sex", "age"]].assign(id=range(200))
    effect = fme(model, convert(table), {"bmi": 2}, **ANYWHERE)
    own = fme(model, convert(people), {"bmi": 2}, **ANYWHERE)
    np.testing.assert_array_equal(effect.fme, own.fme)
    moved = convert(people.assign(bmi=people["bmi"] + 2))
    np.testing.assert_allclose(
        own.fme, model.predict(moved) - model.predict(convert(people))
    )


def test_a_model_that_reads_by_place_is_refused_other_orders_that_look_the_same(people):
    # On no row does the order change a prediction, so that none of them can tell.
    X = people[["age", "bmi"]].assign(age=1.0, bmi=1.0)
    model = ByPlace(feature_names_in_=["bmi", "age"])
    with pytest.raises(ValueError, match="in this order"):
        fme(model, X, {"age": 1}, **ANYWHERE)


class Broken(Product):
    def predict(self, X):
        raise RuntimeError("no such design")


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({}, "Broken instance is not fitted"),
        ({"coef_": 1, "n_features_in_": 2}, "expects 2 columns; X has 3"),
        (
            {"feature_names_in_": ["a", "b", "c"]},
            r"\['a', 'b', 'c'\], in this order; X has \['age', 'bmi', 'sex'\]",
        ),
    ],
    ids=["state", "count", "names"],
)
def test_a_failure_is_explained_by_what_the_model_claims(people, claims, message):
    model = Broken(**claims)
    with pytest.raises(ValueError, match=f"{message}.* said: no such design") as caught:
        fme(model, people, {"bmi": 1})
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_failure_that_no_claim_explains_is_the_models_own(people):
    with pytest.raises(RuntimeError, match="no such design"):
        fme(Broken(coef_=1, n_features_in_=3), people, {"bmi": 1})


def test_a_linear_model_of_other_columns_is_refused_by_both_accounts(people):
    model = LinearRegression().fit(people[["age", "bmi"]], people["bmi"])
    with pytest.raises(
        ValueError, match=r"(?s)\['age', 'bmi'\].*The model said.*weight"
    ):
        fme(
            model,
            people[["age", "bmi"]].set_axis(["age", "weight"], axis=1),
            {"age": 1},
        )
    copy = pickle.loads(pickle.dumps(model))
    assert fme(copy, people[["age", "bmi"]], {"bmi": 1}, **ANYWHERE).n == 200
