"""Families of scikit-learn's own models that trees and lines do not stand for."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import (
    GammaRegressor,
    HuberRegressor,
    PoissonRegressor,
    QuantileRegressor,
    Ridge,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler
from sklearn.svm import SVC, SVR, LinearSVC

from skfme import FMEExplainer, fme
from tests.ecosystem.zoo import STEPS, assert_differences_of, diabetes


@pytest.fixture(scope="module")
def data():
    return diabetes()


def encoded(model, numbers=None):
    """The model behind an encoder of the category and a scaler of the numbers."""
    numbers = StandardScaler() if numbers is None else numbers
    encoder = make_column_transformer(
        (OneHotEncoder(drop="first"), ["sex"]), remainder=numbers, sparse_threshold=0
    )
    return make_pipeline(encoder, model)


RBF_WITH_NOISE = RBF(3.0) + WhiteKernel(0.5)
MODELS = {
    "additive splines": encoded(Ridge(0.1), SplineTransformer(n_knots=4)),
    "support vectors": encoded(SVR(C=50)),
    "kernel ridge": encoded(KernelRidge(kernel="rbf", gamma=0.1)),
    "Gaussian process": encoded(
        GaussianProcessRegressor(RBF_WITH_NOISE, optimizer=None, normalize_y=True)
    ),
    "neighbours": encoded(KNeighborsRegressor(15)),
    "network": encoded(
        MLPRegressor(
            hidden_layer_sizes=(8,), solver="lbfgs", max_iter=50, random_state=0
        )
    ),
    "quantile, linear": encoded(QuantileRegressor(quantile=0.9, alpha=0)),
    "quantile, boosted": encoded(
        GradientBoostingRegressor(
            loss="quantile", alpha=0.9, n_estimators=20, random_state=0
        )
    ),
    "Poisson": encoded(PoissonRegressor(max_iter=500)),
    "gamma": encoded(GammaRegressor(max_iter=500)),
    "robust": encoded(HuberRegressor(max_iter=500)),
    "categories in trees": HistGradientBoostingRegressor(
        max_iter=10, categorical_features="from_dtype"
    ),
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
def test_effects_are_differences_of_the_models_own_predictions(data, name):
    X, y = data
    explainer = FMEExplainer(MODELS[name], STEPS).fit(X, y)
    assert_differences_of(explainer.explain(X), explainer.estimator_.predict, X, 1e-8)


def test_the_spread_that_a_gaussian_process_predicts_has_effects_too(data):
    X, y = data

    def spread(estimator, X):
        return estimator.predict(X, return_std=True)[1]

    explainer = FMEExplainer(MODELS["Gaussian process"], STEPS, response_method=spread)
    explainer.fit(X, y)

    def own(X):
        return spread(explainer.estimator_, X)

    assert_differences_of(explainer.explain(X), own, X, 1e-8)


def test_margins_of_a_classifier_without_probabilities(data):
    X, y = data
    for model in (LinearSVC(dual=False), SVC()):
        fitted = encoded(model).fit(X, y > 150)
        with pytest.raises(ValueError, match="response_method='decision_function'"):
            fme(fitted, X, STEPS)
        effects = fme(fitted, X, STEPS, response_method="decision_function")
        assert_differences_of(effects, fitted.decision_function, X, 1e-8)


def test_probabilities_of_a_gaussian_process(data):
    X, y = data
    model = GaussianProcessClassifier(RBF(3.0), optimizer=None)
    explainer = FMEExplainer(encoded(model), STEPS).fit(X, y > 150)

    def probability(X):
        return explainer.estimator_.predict_proba(X)[:, 1]

    assert_differences_of(explainer.explain(X), probability, X, 1e-8)


def test_an_additive_models_joint_effect_is_the_sum_of_its_parts(data):
    X, y = data
    explainer = FMEExplainer(
        MODELS["additive splines"], [{"bmi": -2}, {"bp": -5}, {"bmi": -2, "bp": -5}]
    ).fit(X, y)
    bmi, bp, both = (effect.fme for effect in explainer.explain(X).values())
    counted = ~np.isnan(both)
    np.testing.assert_allclose((bmi + bp)[counted], both[counted], atol=1e-9)
