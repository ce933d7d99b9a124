"""Explainable boosting machines in the engine: bins, categories, pairs, and refusals."""

import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import Contrast, FMEExplainer, fme
from tests.ecosystem.zoo import assert_engines_agree, library

rng = np.random.default_rng(0)
N = 400
X = pd.DataFrame(
    {
        "a": rng.normal(size=N),
        "g": rng.choice(["u", "v", "w"], N),
        "b": rng.normal(size=N).round(1),
        "k": rng.integers(0, 3, N),
    }
)
y = X["b"] * (X["a"] > 0) + X["a"] ** 2 + 3 * (X["g"] == "u") + X["k"] * X["b"]
thirds = pd.qcut(y, 3, labels=False).to_numpy()
holes = X.assign(a=X["a"].where(rng.random(N) < 0.8))
numbers = X[["a", "b"]]
TYPES = ["continuous", "nominal", "continuous", "nominal"]
STEPS = [{"a": 0.5}, {"b": -1}, {"b": 0.1, "a": 1}]
CATEGORIES = [{"g": "v"}, {"g": "u", "b": 0.3}, {"g": Contrast("u", "w")}]


def machine(name="Regressor", **options):
    library("interpret", "test-packages")
    from interpret import glassbox

    options = {"max_rounds": 60, "n_jobs": 1, "random_state": 0} | options
    return getattr(glassbox, f"ExplainableBoosting{name}")(**options)


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


assert_same_effects = partial(assert_engines_agree, atol=1e-12)

FITTED = {
    "numbers": lambda: (machine().fit(numbers, y), numbers),
    "no pairs": lambda: (machine(interactions=0).fit(numbers, y), numbers),
    "categories": lambda: (machine(feature_types=TYPES).fit(X, y), X),
    "triples": lambda: (
        machine(feature_types=TYPES, interactions=[("a", "b", "g"), ("a", "k")]).fit(
            X, y
        ),
        X,
    ),
    "missing values": lambda: (machine(feature_types=TYPES).fit(holes, y), holes),
    "never missing": lambda: (machine(feature_types=TYPES).fit(X, y), holes),
    "two classes": lambda: (
        machine("Classifier", feature_types=TYPES).fit(X, thirds > 0),
        X,
    ),
    "classes": lambda: (
        machine("Classifier", feature_types=TYPES, interactions=0).fit(X, thirds),
        X,
    ),
    "counts": lambda: (
        machine(feature_types=TYPES, objective="poisson_deviance").fit(X, thirds),
        X,
    ),
}


@pytest.mark.parametrize("fitted", FITTED.values(), ids=FITTED)
def test_walked_effects_are_differences_of_predictions(fitted):
    model, table = fitted()
    steps = STEPS + CATEGORIES * ("g" in table)
    assert_same_effects(model, table, steps)


def test_effects_by_hand():
    model = machine(feature_types=TYPES).fit(X, y)
    effect = fme(model, X, {"b": 0.5}, engine="trees", extrapolation=None)
    by_hand = model.predict(X.assign(b=X["b"] + 0.5)) - model.predict(X)
    np.testing.assert_allclose(effect.fme, by_hand, rtol=0, atol=1e-12)


def test_margins_are_sums_of_terms():
    model = machine("Classifier").fit(numbers, thirds > 0)
    options = {"response_method": "decision_function"}
    assert_same_effects(model, numbers, STEPS, **options)


def test_a_feature_in_no_pair_moves_its_own_term_alone():
    model = machine(interactions=0).fit(numbers, y)
    effect = fme(model, numbers, {"a": 0.5}, engine="trees", extrapolation=None)
    (term,) = [i for i, features in enumerate(model.term_features_) if features == (0,)]
    cuts, scores = model.bins_[0][0], model.term_scores_[term]
    bins = [1 + np.searchsorted(cuts, numbers["a"] + h, side="right") for h in (0, 0.5)]
    np.testing.assert_allclose(
        effect.fme, scores[bins[1]] - scores[bins[0]], atol=1e-12
    )


def test_values_on_cuts_and_beside_them_fall_as_in_the_model():
    model = machine().fit(numbers, y)
    cuts = np.concatenate([model.bins_[0][0], model.bins_[1][0]])
    edges = np.concatenate(
        [cuts, *(np.nextafter(cuts, way) for way in (-np.inf, np.inf))]
    )
    table = pd.DataFrame({"a": edges, "b": edges[::-1]})
    assert_same_effects(model, table, [{"a": 0.5}, {"b": -1}])


def test_categories_that_training_did_not_have_are_in_the_last_bin():
    model = machine(feature_types=TYPES).fit(X, y)
    rows = X.assign(k=X["k"] + 2, g=X["g"].replace("w", "another"))
    assert_same_effects(model, rows, STEPS)


@pytest.mark.parametrize("type_", ["category", "object", "str"])
def test_categories_of_every_type_are_known_by_their_text(type_):
    table = X.assign(g=X["g"].astype(type_), k=X["k"].astype("category"))
    model = machine(feature_types=TYPES).fit(table, y)
    assert_same_effects(model, table, CATEGORIES)


def test_columns_are_found_by_name():
    model = machine(feature_types=TYPES).fit(X, y)
    table = X[["k", "b", "g", "a"]].assign(id=np.arange(N))
    assert_same_effects(model, table, STEPS)


def test_a_pipeline_ends_in_it():
    model = make_pipeline(StandardScaler(), machine()).fit(numbers, y)
    assert_same_effects(model, numbers, STEPS)


def test_nonlinearity_is_exact_with_the_walk_and_without():
    model = FrozenEstimator(machine(feature_types=TYPES).fit(X, y))
    steps = [*STEPS, {"g": "u", "b": 0.3}]
    nlm = {}
    for engine in ("auto", "trees"):
        explainer = FMEExplainer(
            model, steps, engine=engine, nlm=True, extrapolation=None
        )
        effects = explainer.fit(X).explain(X).values()
        assert {effect.nlm_rule for effect in effects} == {"exact"}
        nlm[engine] = [effect.nlm for effect in effects]
    np.testing.assert_allclose(nlm["auto"], nlm["trees"], rtol=1e-9, atol=1e-9)


def test_a_link_that_is_not_known_is_refused_by_name_and_differenced():
    model = machine("Classifier", feature_types=TYPES, interactions=0).fit(X, thirds)
    model.link_ = "vlogit"
    with pytest.raises(ValueError, match="its link 'vlogit' is not known"):
        fme(model, X, {"b": 0.5}, engine="trees", extrapolation=None)
    effect = fme(model, X, {"b": 0.5}, extrapolation=None)
    assert effect.engine == "predict"
