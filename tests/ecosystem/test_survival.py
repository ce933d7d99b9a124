"""Survival models through a risk function, with scikit-survival."""

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skfme import FMEExplainer
from tests.ecosystem.zoo import library, moved


@pytest.fixture(scope="module")
def trial():
    """686 women with breast cancer: hormone therapy, tumour, time to recurrence."""
    library("sksurv")
    from sksurv.datasets import load_gbsg2

    return load_gbsg2()


def encoded(model):
    encoder = make_column_transformer(
        (OneHotEncoder(drop="first"), ["horTh", "menostat", "tgrade"]),
        remainder=StandardScaler(),
        sparse_threshold=0,
    )
    return make_pipeline(encoder, model)


def risk_within_five_years(estimator, X):
    """1 − S(t | x) at five years."""
    curves = estimator.predict_survival_function(X, return_array=False)
    return np.array([1 - curve(5 * 365.25) for curve in curves])


STEPS = [{"horTh": "yes"}, {"pnodes": 2.0}, {"horTh": "yes", "pnodes": 2.0}]


def test_effects_on_the_risk_of_a_cox_model(trial):
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    X, times = trial
    explainer = FMEExplainer(
        encoded(CoxPHSurvivalAnalysis()), STEPS, response_method=risk_within_five_years
    ).fit(X, times)
    effects = explainer.explain(X)
    fitted = explainer.estimator_
    # S(t | x) = S0(t) ** exp(x'b): the risk after the step in closed form.
    survival = 1 - risk_within_five_years(fitted, X)
    names = list(fitted[0].get_feature_names_out())
    b = fitted[-1].coef_[names.index("onehotencoder__horTh_yes")]
    expected = survival - survival ** np.exp(b)
    effect = effects["horTh = yes"]
    counted = effect.counted
    assert counted.tolist() == (X["horTh"] == "no").tolist()
    np.testing.assert_allclose(effect.fme[counted], expected[counted], rtol=1e-6)
    assert effect.ame < -0.05


def test_default_is_the_risk_score_and_the_model_scores_by_concordance(trial):
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    X, times = trial
    explainer = FMEExplainer(encoded(CoxPHSurvivalAnalysis()), STEPS).fit(X, times)
    effect = explainer.explain(X)["pnodes +2"]
    names = list(explainer.estimator_[0].get_feature_names_out())
    b = explainer.estimator_[-1].coef_[names.index("remainder__pnodes")]
    np.testing.assert_allclose(effect.ame, 2 * b / X["pnodes"].std(ddof=0))
    assert 0.6 < explainer.score(X, times) < 0.8


def test_a_survival_forest_has_effects_on_risk(trial):
    from sksurv.ensemble import RandomSurvivalForest

    X, times = trial
    model = RandomSurvivalForest(10, min_samples_leaf=15, random_state=0)
    explainer = FMEExplainer(
        encoded(model), STEPS, response_method=risk_within_five_years
    ).fit(X, times)
    effects = explainer.explain(X)
    before = risk_within_five_years(explainer.estimator_, X)
    for effect, change in zip(effects.values(), STEPS, strict=True):
        after = risk_within_five_years(explainer.estimator_, moved(X, **change))
        counted = effect.counted
        np.testing.assert_allclose(effect.fme[counted], (after - before)[counted])
    assert (np.abs(before) <= 1).all()


def test_survival_curves_are_refused_with_the_way_out(trial):
    from sksurv.linear_model import CoxPHSurvivalAnalysis

    X, times = trial
    explainer = FMEExplainer(
        encoded(CoxPHSurvivalAnalysis()),
        STEPS,
        response_method="predict_survival_function",
    )
    with pytest.raises(ValueError, match=r"did not return numbers.*a callable"):
        explainer.fit(X, times)
