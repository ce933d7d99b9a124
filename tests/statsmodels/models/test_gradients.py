"""Gradients of means: analytic against central differences, and against other tools."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.othermod.betareg import BetaModel

from skfme import Contrast
from skfme.statsmodels import delta_effects
from skfme.statsmodels._models.fitted import fitted_model
from skfme.statsmodels._models.gradients import Index, Numeric
from skfme.statsmodels._models.inputs import MeanInputs
from tests.statsmodels.models.fits import FITS, data, fit

pytestmark = pytest.mark.filterwarnings(
    "ignore::statsmodels.tools.sm_exceptions.DomainWarning",
    "ignore:Negative binomial dispersion parameter",
)


def gradients(name, kind):
    """The mean at the model's own rows, and weighted sums of gradients in 3 groups."""
    results = fit(name)
    fitted = fitted_model(results)
    bse = np.sqrt(np.diag(results.cov_params()))
    mean = fitted.mean_function(bse) if kind is Index else Numeric(fitted, bse)
    assert isinstance(mean, kind)
    X = np.asarray(results.model.exog)[:60]
    offset = None if fitted.own_offset is None else fitted.own_offset[:60]
    point = mean.at(MeanInputs(X, offset))
    weights, codes = np.linspace(0.5, 2, 60), np.arange(60) % 3
    return point.mean, mean.gradients(point, weights, codes, 3)


@pytest.mark.parametrize("name", FITS)
def test_analytic_means_and_gradients_equal_differences_of_the_models_own_mean(name):
    mean, analytic = gradients(name, Index)
    own, numeric = gradients(name, Numeric)
    np.testing.assert_allclose(mean, own, rtol=1e-10, atol=1e-13)
    scale = np.abs(numeric).max(axis=(0, 1))
    gap = np.abs(analytic - numeric) / np.maximum(scale, 1e-3 * scale.max())
    assert gap.max() < 1e-8


def test_groups_add_up_to_one_group():
    fitted = fitted_model(fit("mnlogit"))
    mean = fitted.mean_function(np.ones(len(fitted.params)))
    point = mean.at(MeanInputs(fit("mnlogit").model.exog))
    weights = data()["w"].to_numpy()
    parts = mean.gradients(point, weights, data()["firm"].to_numpy(), 24)
    whole = mean.gradients(point, weights, np.zeros(len(weights), int), 1)
    np.testing.assert_allclose(parts.sum(axis=0), whole[0], rtol=1e-10, atol=1e-12)


class OwnLogit(sm.Logit):
    """A subclass, whose mean the library must not take for known."""

    def predict(self, params, exog=None, which="mean", offset=None):
        p = super().predict(params, exog)
        return 0.1 + 0.8 * p


def replaced_logit(formula, table):
    """The same by another predict of one model, no subclass."""
    model = sm.Logit.from_formula(formula, table)
    own = model.predict
    model.predict = lambda params, exog=None, **kwds: 0.1 + 0.8 * own(params, exog)
    return model


@pytest.mark.parametrize("logit", [OwnLogit.from_formula, replaced_logit])
def test_a_model_of_another_predict_is_differenced_rather_than_taken_for_known(logit):
    results = logit("b ~ x + z", data()).fit(disp=0)
    effects = delta_effects(results, data(), {"x": 1})
    X = results.model.exog
    high = X + [0, 1, 0]

    def p(X):
        return 1 / (1 + np.exp(-X @ results.params.to_numpy()))

    def slope(X):
        return ((p(X) * (1 - p(X)))[:, None] * X).mean(axis=0)

    J = 0.8 * (slope(high) - slope(X))
    se = np.sqrt(J @ results.cov_params().to_numpy() @ J)
    assert effects.params.iloc[0] == pytest.approx(0.8 * (p(high) - p(X)).mean())
    assert effects.bse.iloc[0] == pytest.approx(se, rel=1e-8)


def test_beta_regression_equals_its_closed_form_though_unknown():
    results = BetaModel.from_formula("share ~ x + z", data()).fit(disp=0)
    effects = delta_effects(results, data(), {"z": 0.5})
    X = results.model.exog
    high = X + [0, 0, 0.5]
    beta = results.params.to_numpy()[:3]

    def mean(X):
        return 1 / (1 + np.exp(-X @ beta))

    slopes = [((mean(A) * (1 - mean(A)))[:, None] * A).mean(axis=0) for A in (high, X)]
    J = np.append(slopes[0] - slopes[1], 0.0)  # the precision moves no mean
    want = np.sqrt(J @ results.cov_params().to_numpy() @ J)
    assert effects.params.iloc[0] == pytest.approx((mean(high) - mean(X)).mean())
    assert effects.bse.iloc[0] == pytest.approx(want, rel=1e-7)


def test_an_ordered_model_takes_any_distribution():
    frame = data().assign(level=pd.Categorical(data()["level"], ordered=True))
    model = OrderedModel.from_formula("level ~ x + d", frame, distr=stats.gumbel_r)
    results = model.fit(method="bfgs", disp=0)
    fitted = fitted_model(results)
    bse = np.sqrt(np.diag(results.cov_params()))
    weights, codes = np.ones(len(frame)), np.zeros(len(frame), int)
    found = []
    for mean in (fitted.mean_function(bse), Numeric(fitted, bse)):
        point = mean.at(MeanInputs(model.exog))
        found.append(mean.gradients(point, weights, codes, 1))
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7, atol=1e-6)


# Other tools


@pytest.mark.parametrize(
    ("kind", "response"),
    [
        (sm.Logit, "b"),
        (sm.Probit, "b"),
        (sm.Poisson, "count"),
        (sm.MNLogit, "kind"),
    ],
)
def test_a_contrast_of_a_dummy_equals_statsmodels_get_margeff(kind, response):
    results = kind.from_formula(f"{response} ~ x + z + d", data()).fit(disp=0)
    own = results.get_margeff(at="overall", dummy=True)
    effects = delta_effects(results, data(), {"d": Contrast(0, 1)})
    position = list(results.model.exog_names).index("d") - 1
    want, se = np.asarray(own.margeff), np.asarray(own.margeff_se)
    np.testing.assert_allclose(effects.params, np.atleast_1d(want[position]), rtol=1e-9)
    np.testing.assert_allclose(effects.bse, np.atleast_1d(se[position]), rtol=1e-7)


# marginaleffects differentiates these by jax; others by forward differences.
ANALYTIC = (
    *("ols", "gaussian identity", "gaussian log", "gamma inverse", "gamma log"),
    *("binomial logit", "binomial probit", "binomial cloglog", "poisson log"),
)
NUMERIC = (
    *("wls", "rlm", "mixedlm", "logit", "probit", "poisson", "nb2", "gpoisson"),
    *("mnlogit", "ordered logit", "ordered probit", "inverse gaussian", "tweedie"),
)


@pytest.fixture(scope="module")
def avg_comparisons():
    polars = pytest.importorskip("polars")
    if int(polars.__version__.split(".")[0]) >= 2:
        pytest.skip(
            "marginaleffects does not run under polars 2; see the extra test-peers"
        )
    peer = pytest.importorskip(
        "marginaleffects", reason="the extra test-peers is not installed"
    )
    return peer.avg_comparisons


@pytest.mark.parametrize("name", [*ANALYTIC, *NUMERIC])
def test_averages_equal_those_of_marginaleffects(name, avg_comparisons):
    step = 0.2
    # Its contrast is centred, x ± h/2, so that x + h/2 makes it forward.
    rows = data().assign(z=data()["z"] + step / 2)
    peer = avg_comparisons(fit(name), variables={"z": step}, newdata=rows).data
    peer = peer.sort("group") if "group" in peer.columns else peer
    effects = delta_effects(fit(name), data(), {"z": step})
    tolerance = 1e-6 if name in ANALYTIC else 1e-4
    for own, theirs in (
        (effects.params, peer["estimate"]),
        (effects.bse, peer["std_error"]),
    ):
        np.testing.assert_allclose(own, theirs, rtol=tolerance)
