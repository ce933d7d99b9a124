"""Response curves of tree ensembles against the model's own predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer
from skfme._engine.trees.curves import piece_curves
from skfme._frames.tables import as_table

N = 240


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 4)).round(1)  # ties, also on thresholds
    y = X[:, 0] * (X[:, 1] > 0) + np.sin(2 * X[:, 2]) + 0.1 * rng.normal(size=N)
    return X, y


def boosters():
    for module, name in (("lightgbm", "LGBM"), ("xgboost", "XGB")):
        for kind in ("Regressor", "Classifier"):
            options = {"n_estimators": 20}
            if module == "lightgbm":
                options["verbose"] = -1
            yield pytest.param(module, name + kind, options, id=name + kind)


def curve_and_predictions(model, X, j):
    """The exact curve of two weighted groups, and averages of predict at many values."""
    explainer = FMEExplainer(FrozenEstimator(model), {0: 1.0}, engine="trees").fit(X)
    rng = np.random.default_rng(1)
    groups, weight = rng.integers(2, size=len(X)), rng.uniform(0.5, 2, size=len(X))
    trees = explainer._choice.tree_model()
    curve = piece_curves(trees, as_table(X), j, groups, weight)
    below = np.nextafter(curve.cuts.astype(np.float32), np.float32(-np.inf))
    above = np.nextafter(curve.cuts.astype(np.float32), np.float32(np.inf))
    own = np.asarray(X)[:, j]
    values = np.concatenate([curve.cuts, below, above, own[~np.isnan(own)], [-99, 99]])
    values = np.unique(values.astype(float))
    predicted = np.empty((2, curve.response.shape[1], len(values)))
    for k, value in enumerate(values):
        moved = X.copy()
        moved[:, j] = value
        response = explainer._response(as_table(moved))
        for g in range(2):
            rows = groups == g
            predicted[g, :, k] = np.average(
                response[rows], axis=0, weights=weight[rows]
            )
    return curve.response[:, :, curve.piece_of(values)], predicted


MODELS = {
    "tree": DecisionTreeRegressor(max_depth=6, random_state=0),
    "forest": RandomForestRegressor(15, random_state=0),
    "extra trees": ExtraTreesRegressor(15, max_depth=5, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=20, random_state=0),
    "hist": HistGradientBoostingRegressor(max_iter=20, random_state=0),
    "forest of classes": RandomForestClassifier(15, max_depth=4, random_state=0),
    "boosting of classes": GradientBoostingClassifier(n_estimators=9, random_state=0),
    "hist of two": HistGradientBoostingClassifier(max_iter=15, random_state=0),
    "poisson": HistGradientBoostingRegressor(loss="poisson", max_iter=15),
}
TARGETS = {
    "forest of classes": lambda y: np.digitize(y, [-0.5, 0.5]),
    "boosting of classes": lambda y: np.digitize(y, [-0.5, 0.5]),
    "hist of two": lambda y: (y > 0).astype(int),
    "poisson": np.exp,
}


@pytest.mark.parametrize("name", MODELS)
def test_the_curve_equals_predict_at_every_threshold_and_beside_it(sample, name):
    X, y = sample
    model = MODELS[name].fit(X, TARGETS.get(name, np.asarray)(y))
    curve, predicted = curve_and_predictions(model, X, 0)
    assert np.abs(curve - predicted).max() <= 1e-14 * np.abs(predicted).max()


@pytest.mark.parametrize(("module", "name", "options"), list(boosters()))
def test_the_curve_equals_the_boosters_own_predict(sample, module, name, options):
    library = pytest.importorskip(module)
    X, y = sample
    target = (y > 0).astype(int) if name.endswith("Classifier") else y
    model = getattr(library, name)(**options).fit(X, target)
    curve, predicted = curve_and_predictions(model, X, 2)
    # XGBoost adds and returns numbers in single precision.
    tolerance = 2e-6 if module == "xgboost" else 1e-14
    assert np.abs(curve - predicted).max() <= tolerance * np.abs(predicted).max()


def test_missing_values_of_other_features_go_where_the_model_sends_them(sample):
    X, y = sample
    X = X.copy()
    X[np.random.default_rng(2).uniform(size=X.shape) < 0.2] = np.nan
    model = HistGradientBoostingRegressor(max_iter=20, random_state=0).fit(X, y)
    curve, predicted = curve_and_predictions(model, X, 0)
    assert np.abs(curve - predicted).max() <= 1e-14 * np.abs(predicted).max()


def test_a_feature_that_no_tree_splits_on_has_one_piece(sample):
    X, y = sample
    X = np.column_stack([X, np.arange(N) % 2 * 1e-9])
    model = DecisionTreeRegressor(max_depth=2, random_state=0).fit(X, y)
    curve, predicted = curve_and_predictions(model, X, 4)
    assert np.ptp(curve, axis=2).max() == 0
    np.testing.assert_allclose(curve, predicted, rtol=1e-14)


def test_categories_beside_the_feature_are_followed(sample):
    X, y = sample
    codes = np.digitize(X[:, 3], [-1, 0, 1])
    frame = pd.DataFrame({"a": X[:, 0], "c": pd.Categorical(codes)})
    model = HistGradientBoostingRegressor(
        max_iter=20, categorical_features="from_dtype", random_state=0
    ).fit(frame, y + codes % 2)
    explainer = FMEExplainer(FrozenEstimator(model), {"a": 1.0}).fit(frame)
    optimum = explainer.optimum(frame, "a", direction="max", by="c")
    assert optimum.exact
    for g, best in enumerate(optimum.best):
        moved = frame[codes == g].assign(a=best.point)
        np.testing.assert_allclose(
            model.predict(moved).mean(), best.response, rtol=1e-13
        )
