"""CatBoost's trees in the engine: borders, missing values, categories, and refusals."""

import json
import logging
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import Contrast, FMEExplainer, fme
from skfme._engine import choice
from skfme._engine.trees import models
from tests.ecosystem.zoo import assert_engines_agree, library

rng = np.random.default_rng(0)
N = 300
X = pd.DataFrame(
    {
        "a": rng.normal(size=N),
        "g": rng.choice(["u", "v", "w"], N),
        "b": rng.normal(size=N).round(1),
        "k": rng.integers(0, 5, N),
    }
)
y = X["b"] + X["a"] ** 2 + 3 * (X["g"] == "u") + 4 * (X["k"] == 2) * X["b"]
thirds = pd.qcut(y, 3, labels=False).to_numpy()
holes = X.assign(a=X["a"].where(rng.random(N) < 0.8))
numbers = X[["a", "b"]]
OPTIONS = {"iterations": 20, "verbose": 0, "allow_writing_files": False}
OPTIONS |= {"thread_count": 1}
ONE_HOT = {"cat_features": ["g", "k"], "one_hot_max_size": 10}
STEPS = [{"a": 0.5}, {"b": -1}, {"b": 0.1, "a": 1}]
CATEGORIES = [{"g": "v"}, {"k": Contrast(1, 2)}, {"g": "u", "b": 0.3}]


def regressor(**options):
    return library("catboost").CatBoostRegressor(**OPTIONS, **options)


def classifier(**options):
    return library("catboost").CatBoostClassifier(**OPTIONS, **options)


assert_same_effects = partial(assert_engines_agree, atol=1e-10)

FITTED = {
    "numbers": lambda: (regressor().fit(numbers, y), numbers),
    "categories": lambda: (regressor(**ONE_HOT).fit(X, y), X),
    "missing below": lambda: (
        regressor(**ONE_HOT, nan_mode="Min").fit(holes, y),
        holes,
    ),
    "missing above": lambda: (
        regressor(**ONE_HOT, nan_mode="Max").fit(holes, y),
        holes,
    ),
    "never missing": lambda: (regressor(**ONE_HOT).fit(X, y), holes),
    "two classes": lambda: (classifier(**ONE_HOT).fit(X, thirds > 0), X),
    "classes": lambda: (classifier(**ONE_HOT).fit(X, thirds), X),
    "one against all": lambda: (
        classifier(**ONE_HOT, loss_function="MultiClassOneVsAll").fit(X, thirds),
        X,
    ),
    "counts": lambda: (
        regressor(**ONE_HOT, loss_function="Poisson").fit(X, thirds),
        X,
    ),
    "quantiles": lambda: (
        regressor(**ONE_HOT, loss_function="MultiQuantile:alpha=0.1,0.9").fit(X, y),
        X,
    ),
    "free trees": lambda: (
        regressor(**ONE_HOT, grow_policy="Lossguide").fit(holes, y),
        holes,
    ),
    "free trees of classes": lambda: (
        classifier(**ONE_HOT, grow_policy="Depthwise").fit(holes, thirds),
        holes,
    ),
}


@pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)
def test_walked_effects_are_differences_of_predictions(fitted):
    model, table = fitted()
    steps = STEPS + CATEGORIES * ("g" in table)
    assert_same_effects(model, table, steps)


def test_values_on_borders_and_beside_them_fall_as_in_the_model(tmp_path):
    model = regressor().fit(numbers, y)
    model.save_model(str(tmp_path / "model.json"), format="json")
    content = json.loads((tmp_path / "model.json").read_text())
    borders = np.concatenate(
        [feature["borders"] for feature in content["features_info"]["float_features"]]
    ).astype(np.float32)
    infinity = np.float32(np.inf)
    beside = [np.nextafter(borders, way) for way in (-infinity, infinity)]
    half = borders + np.spacing(borders) / np.float64(2)
    edges = np.concatenate([borders, *beside, half, np.nextafter(half, np.inf)])
    edges = edges.astype(float)
    table = pd.DataFrame({"a": edges, "b": edges[::-1]})
    assert_same_effects(model, table, [{"a": 0.5}, {"b": -1}, {"a": 1e-6}])


def test_the_scale_and_the_bias_of_a_model_are_its_own():
    model = regressor(**ONE_HOT).fit(X, y)
    model.set_scale_and_bias(-2.0, 0.5)
    assert_same_effects(model, X, STEPS)


@pytest.mark.parametrize("type_", ["category", "object", "str"])
def test_categories_of_every_type_are_hashed_as_the_model_does(type_):
    table = X.assign(g=X["g"].astype(type_))
    assert_same_effects(regressor(**ONE_HOT).fit(table, y), table, CATEGORIES)
    coded = table.assign(k=X["k"].astype("category"))
    assert_same_effects(regressor(**ONE_HOT).fit(coded, y), coded, CATEGORIES)


def test_categories_that_training_did_not_have_are_no_splits_own():
    model = regressor(**ONE_HOT).fit(X, y)
    rows = X.assign(k=X["k"] + 3, g=X["g"].replace("w", "another"))
    assert_same_effects(model, rows, STEPS)


def test_a_pipeline_ends_in_it():
    model = make_pipeline(StandardScaler(), regressor()).fit(numbers, y)
    assert_same_effects(model, numbers, STEPS)


def test_nonlinearity_is_exact_with_the_walk_and_without():
    model = FrozenEstimator(regressor(**ONE_HOT).fit(holes, y))
    steps = [*STEPS, {"g": "u", "b": 0.3}]
    nlm = {}
    for engine in ("auto", "trees"):
        explainer = FMEExplainer(
            model, steps, engine=engine, nlm=True, extrapolation=None
        )
        effects = explainer.fit(holes).explain(holes).values()
        assert {effect.nlm_rule for effect in effects} == {"exact"}
        nlm[engine] = [effect.nlm for effect in effects]
    np.testing.assert_allclose(nlm["auto"], nlm["trees"], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"cat_features": ["g", "k"], "one_hot_max_size": 2}, "CTR features"),
        ({**ONE_HOT, "loss_function": "RMSEWithUncertainty"}, "its link, of loss"),
    ],
)
def test_what_is_not_read_is_refused_by_name_and_differenced(
    options, reason, monkeypatch, caplog
):
    model = regressor(**options).fit(X, y)
    monkeypatch.setattr(choice, "_WORTH_LOADING", 0)
    monkeypatch.setattr(models, "least_points", lambda estimator: 1)
    with caplog.at_level(logging.DEBUG, logger="skfme._engine"):
        effect = fme(model, X, {"b": 0.5}, extrapolation=None)
    assert effect.engine == "predict"
    assert reason in caplog.text
    by_hand = model.predict(X.assign(b=X["b"] + 0.5)) - model.predict(X)
    np.testing.assert_array_equal(effect.fme, by_hand)
    with pytest.raises(ValueError, match="cannot compute these effects") as error:
        fme(model, X, {"b": 0.5}, engine="trees")
    assert reason in str(error.value)


def test_few_effects_are_differenced_as_its_predictions_cost_little(monkeypatch):
    monkeypatch.setattr(choice, "_WORTH_LOADING", 0)
    model = FrozenEstimator(regressor().fit(numbers, y))
    for n_steps, engine in ((5, "predict"), (6, "trees")):
        steps = [{"b": 0.1 * (i + 1)} for i in range(n_steps)]
        effects = FMEExplainer(model, steps, extrapolation=None).fit(numbers)
        assert {e.engine for e in effects.explain(numbers).values()} == {engine}


def test_a_replaced_method_is_noticed():
    model = regressor().fit(numbers, y)
    model.predict = lambda X: np.zeros(len(X))
    with pytest.raises(ValueError, match="predict was replaced"):
        fme(model, numbers, {"b": 0.5}, engine="trees")
