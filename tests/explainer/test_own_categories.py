"""Integers that a model itself takes for categories are set by a step, not added to."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
import polars as pl
import pytest
import xgboost
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    VotingRegressor,
)
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import Add, FMEExplainer, fme

LIGHTGBM = {"n_estimators": 10, "verbose": -1, "n_jobs": 1}
XGBOOST = {"n_estimators": 10, "enable_categorical": True, "n_jobs": 1}


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"x": rng.normal(size=300), "g": rng.integers(0, 4, 300)})
    return X, X["x"] + np.array([0.0, 3.0, -2.0, 1.0])[X["g"]]


def hist(categories):
    return HistGradientBoostingRegressor(
        categorical_features=categories, max_iter=10, min_samples_leaf=5
    )


TOLD = {
    "a list of names": hist(["g"]),
    "a list of positions": hist([1]),
    "a mask": hist([False, True]),
    "types of XGBoost": xgboost.XGBRegressor(**XGBOOST, feature_types=["q", "c"]),
    "a parameter of LightGBM": lgb.LGBMRegressor(**LIGHTGBM, categorical_feature=[1]),
    "a search": GridSearchCV(hist([1]), {"max_iter": [5, 10]}, cv=2),
    "a transformed target": TransformedTargetRegressor(
        hist([1]), func=np.sinh, inverse_func=np.arcsinh
    ),
    "one of a vote": VotingRegressor([("ridge", Ridge()), ("hist", hist([1]))]),
}


@pytest.mark.filterwarnings("ignore:categorical_feature keyword")
@pytest.mark.parametrize("model", TOLD.values(), ids=TOLD)
@pytest.mark.parametrize("given", [False, True], ids=["fitted here", "given"])
def test_a_step_sets_what_the_model_was_told_to_be_categories(data, model, given):
    X, y = data
    if given:
        model = FrozenEstimator(model.fit(X, y))
    explainer = FMEExplainer(model, {"g": 2}, extrapolation=None, nlm=True)
    effect = explainer.fit(X, y).explain(X)["g = 2"]
    predict = explainer.estimator_.predict
    other = (X["g"] != 2).to_numpy()
    assert effect.counted.tolist() == other.tolist()
    expected = predict(X.assign(g=2)) - predict(X)
    np.testing.assert_allclose(effect.fme[other], expected[other], atol=1e-5)
    assert np.isnan(effect.nlm).all()


def test_lightgbm_is_told_in_fit_and_its_file_still_knows(data):
    X, y = data
    model = lgb.LGBMRegressor(**LIGHTGBM)
    explainer = FMEExplainer(model, {"g": 2}, extrapolation=None)
    assert list(explainer.fit(X, y, categorical_feature=["g"]).explain(X)) == ["g = 2"]
    loaded = lgb.Booster(model_str=explainer.estimator_.booster_.model_to_string())
    effect = fme(loaded, X, {"g": 2}, extrapolation=None)
    expected = loaded.predict(X.assign(g=2)) - loaded.predict(X)
    np.testing.assert_allclose(effect.fme[effect.counted], expected[X["g"] != 2])
    assert effect.name == "g = 2"


def test_members_of_several_targets_are_asked_as_well(data):
    X, y = data
    model = MultiOutputRegressor(lgb.LGBMRegressor(**LIGHTGBM))
    model.fit(X, np.column_stack([y, -y]), categorical_feature=[1])
    assert fme(model, X, {"g": 2}, extrapolation=None).name == "g = 2"


def test_steps_of_every_feature_move_own_categories_to_each_of_their_values(data):
    X, y = data
    effects = FMEExplainer(hist(["g"]), extrapolation=None).fit(X, y).explain(X)
    assert list(effects) == ["x +1", "g = 0", "g = 1", "g = 2", "g = 3"]


@pytest.mark.parametrize(
    "model",
    [
        hist(None),
        RandomForestRegressor(5),
        lgb.LGBMRegressor(**LIGHTGBM),
        xgboost.XGBRegressor(**XGBOOST),
        # What a pipeline hands on, or a selection, need not be the table's own columns.
        make_pipeline(StandardScaler(), RandomForestRegressor(5)),
        RFE(Ridge(), n_features_to_select=1),
    ],
    ids=lambda model: type(model).__name__,
)
def test_integers_are_numbers_to_a_model_that_says_nothing_else(data, model):
    X, y = data
    explainer = FMEExplainer(model, {"g": 2}, extrapolation=None).fit(X, y)
    assert list(explainer.explain(X)) == ["g +2"]


@pytest.mark.parametrize(
    ("model", "library"),
    [
        (hist("from_dtype"), "pandas"),
        (hist("from_dtype"), "polars"),
        (lgb.LGBMRegressor(**LIGHTGBM), "pandas"),
        (xgboost.XGBRegressor(**XGBOOST), "pandas"),
    ],
)
def test_texts_are_read_as_the_categories_of_fit(model, library):
    rng = np.random.default_rng(0)
    text = pd.Series(rng.choice(["low", "mid", "high"], 300))
    X = pd.DataFrame({"dose": rng.normal(size=300), "level": text.astype("category")})
    y = X["dose"] * (text == "mid") + (text == "low")
    texts = X.assign(level=text)
    if library == "polars":
        levels = pl.Enum(["low", "mid", "high"])
        X, texts = (pl.from_pandas(t) for t in (X, texts))
        X = X.with_columns(level=texts["level"].cast(levels))
    steps = [{"dose": 0.5}, {"level": "high"}]
    explainer = FMEExplainer(model, steps).fit(X, y)
    expected, effects = explainer.explain(X), explainer.explain(texts)
    for name in expected:
        np.testing.assert_array_equal(effects[name].fme, expected[name].fme)
    assert effects["level = high"].X["level"].dtype == texts["level"].dtype


def test_where_lightgbm_takes_a_label_for_a_position_that_column_is_a_category():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({2: rng.integers(0, 50, 300), 1: rng.normal(size=300)})
    X[0] = pd.Categorical(rng.choice(["x", "y", "z"], 300))
    y = X[2] + 5.0 * (X[0] == "y")
    model = lgb.LGBMRegressor(**LIGHTGBM).fit(X, y)
    with pytest.raises(TypeError, match="does not fit '2', which is categorical"):
        fme(model, X, {2: Add(1)})
    effect = fme(model, X, {1: 0.5}, extrapolation=None)
    after, before = X.copy(), model.predict(X)
    after[1] += 0.5
    np.testing.assert_allclose(effect.fme, model.predict(after) - before, atol=1e-9)
