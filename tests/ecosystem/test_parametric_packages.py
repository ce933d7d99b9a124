"""Delta-method effects of other packages' models, against their own predictions by hand.

By hand, a package's prediction is differentiated numerically in its parameters, and J V Jᵀ
is formed of the covariance that the package has.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from skfme import fme
from skfme.statsmodels import delta_effects
from tests.ecosystem.zoo import library

N = 400
RIGHT = "x * C(g) + z"
SPLINES = "center(x) * C(g) + bs(z, df=4)"
STEPS = [{"x": 0.4}, {"z": -0.2}, {"g": "b"}, {"x": -0.2, "z": 0.1}]
Predict = Callable[[np.ndarray, pd.DataFrame], Any]

# What the packages warn of among themselves.
pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def rows() -> pd.DataFrame:
    """Numbers, a category, groups, weights and outcomes; the ends are within the knots."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.uniform(1, 4, N),
            "z": rng.uniform(-1, 1, N),
            "g": rng.choice(list("abc"), N),
            "w": rng.uniform(0.5, 2, N),
            "firm": rng.integers(0, 20, N),
            "exposed": rng.uniform(-0.5, 0.5, N),
        }
    )
    eta = 0.5 * frame["x"] - frame["z"] ** 2 + (frame["g"] == "b")
    frame["y"] = eta + rng.normal(size=N) + frame["firm"] / 5
    frame["b"] = (frame["y"] > frame["y"].median()).astype(int)
    frame["count"] = rng.poisson(np.exp(0.3 * eta))
    frame["months"] = rng.weibull(1.5, N) * np.exp(0.3 * eta)
    frame["seen"] = rng.uniform(size=N) < 0.8
    return frame


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return rows()


class Model(NamedTuple):
    """A fit, what it predicts at any parameters, and what delta_effects is told.

    Attributes
    ----------
    fit : object
    predict : callable
        Parameters and rows -> predictions of the package.
    params, cov : ndarray
    options : dict
    """

    fit: Any
    predict: Predict
    params: np.ndarray
    cov: np.ndarray
    options: dict[str, Any] = {}  # noqa: RUF012


MODELS: dict[str, tuple[str, Callable[[pd.DataFrame], Model]]] = {}


def of(package: str) -> Any:
    """List a function that fits a model, under its package."""

    def add(fit: Callable[[pd.DataFrame], Model]) -> Callable:
        MODELS[fit.__name__] = (package, fit)
        return fit

    return add


# linearmodels


def linear(results: Any) -> Model:
    levels = pd.CategoricalDtype(list("abc"))  # else those of the rows would be taken

    def predict(params, table):
        frame = results.model.predict(params, data=table.astype({"g": levels}))
        return np.asarray(frame).ravel()

    params, cov = results.params.to_numpy(), results.cov.to_numpy()
    return Model(results, predict, params, cov)


@of("linearmodels")
def linearmodels_instruments(data):
    from linearmodels.iv import IV2SLS

    model = IV2SLS.from_formula("y ~ 1 + z * C(g) + [x ~ w]", data, weights=data["w"])
    return linear(model.fit(cov_type="clustered", clusters=data["firm"]))


@of("linearmodels")
def linearmodels_robust(data):
    from linearmodels.iv import IV2SLS

    model = IV2SLS.from_formula(f"y ~ 1 + {RIGHT} + np.exp(z)", data)
    return linear(model.fit(cov_type="robust", debiased=True))


@of("linearmodels")
def linearmodels_panel(data):
    from linearmodels.panel import PanelOLS

    panel = data.assign(t=data.groupby("firm").cumcount()).set_index(["firm", "t"])
    model = PanelOLS.from_formula(f"y ~ {RIGHT} + EntityEffects", panel)
    results = model.fit(cov_type="clustered", cluster_entity=True)
    return linear(results)._replace(options={"data": panel})


# pyfixest


def fixed(fit: Any, **kind: str) -> Model:
    def predict(params, table):
        other = copy.copy(fit)
        other._beta_hat = params
        return other.predict(newdata=table.reset_index(drop=True), **kind)

    return Model(fit, predict, np.asarray(fit._beta_hat), fit._vcov)


@of("pyfixest")
def pyfixest_absorbed(data):
    import pyfixest

    clusters = {"CRV1": "firm"}
    formula = f"y ~ {SPLINES} | firm"
    return fixed(pyfixest.feols(formula, data, weights="w", vcov=clusters))


@of("pyfixest")
def pyfixest_poisson(data):
    import pyfixest

    fit = pyfixest.fepois(f"count ~ {SPLINES}", data, vcov="hetero")
    return fixed(fit, type="response")


@of("pyfixest")
def pyfixest_offset(data):
    import pyfixest

    fit = pyfixest.fepois(f"count ~ {RIGHT}", data, offset="exposed")
    return fixed(fit, type="response")


@of("pyfixest")
def pyfixest_logit(data):
    import pyfixest

    fit = pyfixest.feglm(f"b ~ {RIGHT}", data, family="logit")
    return fixed(fit, type="response")


@of("pyfixest")
def pyfixest_quantile(data):
    import pyfixest

    return fixed(pyfixest.quantreg(f"y ~ {RIGHT}", data, quantile=0.7))


# glum


def generalized(model: Any) -> Model:
    def predict(params, table):
        other = copy.copy(model)
        other.intercept_, other.coef_ = params[0], params[1:]
        return other.predict(table)

    params = np.append(model.intercept_, model.coef_)
    return Model(model, predict, params, model.covariance_matrix_)


@of("glum")
def glum_columns(data):
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="gamma", alpha=0, link="log", drop_first=True
    )
    X = data[["x", "z", "g"]].astype({"g": "category"})
    options = {"sample_weight": data["w"], "store_covariance_matrix": True}
    model.fit(X, data["months"], **options)
    return generalized(model)._replace(options={"data": X})


@of("glum")
def glum_formula(data):
    from glum import GeneralizedLinearRegressor

    formula = f"count ~ {SPLINES}"
    model = GeneralizedLinearRegressor(
        family="poisson", alpha=0, formula=formula, drop_first=True
    )
    clusters = data["firm"].to_numpy()
    return generalized(model.fit(data, store_covariance_matrix=True, clusters=clusters))


# lifelines


def alive(fitter, table):
    return fitter.predict_survival_function(table, times=[1.0]).T


def survival(fitter: Any, method: Any) -> Model:
    holder = getattr(fitter, "_model", fitter)
    estimates = holder.params_

    def predict(params, table):
        kept = holder.params_
        holder.params_ = pd.Series(params, index=estimates.index)
        of_fitter = method if callable(method) else getattr(type(fitter), method, None)
        predicted = np.asarray(
            getattr(fitter, method)(table)
            if of_fitter is None
            else of_fitter(fitter, table)
        ).ravel()
        holder.params_ = kept
        return predicted

    cov = holder.variance_matrix_.to_numpy(dtype=float)
    return Model(
        fitter, predict, estimates.to_numpy(), cov, {"response_method": method}
    )


DURATION = ("months", "seen")


@of("lifelines")
def lifelines_weibull(data):
    from lifelines import WeibullAFTFitter

    fitter = WeibullAFTFitter().fit(data, *DURATION, formula=SPLINES, weights_col="w")
    return survival(fitter, "predict_expectation")


@of("lifelines")
def lifelines_lognormal_with_two_regressions(data):
    from lifelines import LogNormalAFTFitter

    options = {"formula": RIGHT, "ancillary": "x"}
    return survival(
        LogNormalAFTFitter().fit(data, *DURATION, **options), "predict_median"
    )


@of("lifelines")
def lifelines_cox(data):
    from lifelines import CoxPHFitter

    fitter = CoxPHFitter().fit(data, *DURATION, formula=SPLINES)
    return survival(fitter, "predict_partial_hazard")


@of("lifelines")
def lifelines_splines(data):
    from lifelines import CoxPHFitter

    spline = CoxPHFitter(baseline_estimation_method="spline", n_baseline_knots=2)
    columns = ["x", "z", *DURATION]
    fitter = spline.fit(data[columns], *DURATION)
    return survival(fitter, alive)


def moved(table, step):
    """The rows that a step moves, before and after it."""
    if "g" in step:
        low = table[table["g"] != step["g"]]
        return low, low.assign(
            g=pd.Series(step["g"], low.index).astype(table["g"].dtype)
        )
    return table, table.assign(**{name: table[name] + h for name, h in step.items()})


def by_hand(model, low, high):
    """The average effect, and its standard error from central differences."""

    def average(params):
        gap = np.asarray(model.predict(params, high)) - model.predict(params, low)
        return gap.mean()

    J = []
    for j, value in enumerate(model.params):
        step = np.zeros(len(model.params))
        step[j] = 1e-5 * max(1.0, abs(value))
        ends = average(model.params + step), average(model.params - step)
        J.append((ends[0] - ends[1]) / (2 * step[j]))
    J = np.array(J)
    return average(model.params), np.sqrt(J @ model.cov @ J)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("choice", ["the fit's", "new rows, out of order"])
def test_effects_and_standard_errors_are_those_of_the_packages_own_prediction(
    data, name, choice
):
    package, fit = MODELS[name]
    library(package, "test-packages")
    model = fit(data)
    options = dict(model.options)
    table = options.pop("data", data)
    steps = [s for s in STEPS if name != "lifelines_splines" or "g" not in s]
    inside = table.index[table["x"].between(1.3, 3.5) & table["z"].between(-0.7, 0.8)]
    table = table.loc[inside]  # splines have an end
    if choice != "the fit's":
        shuffled = table.sample(frac=0.5, random_state=1)
        table = shuffled.assign(z=shuffled["z"] * 0.9)
    effects = delta_effects(model.fit, table, steps, **options)
    for i, step in enumerate(steps):
        estimate, error = by_hand(model, *moved(table, step))
        assert effects.params.iloc[i] == pytest.approx(estimate, rel=1e-7, abs=1e-10)
        assert effects.bse.iloc[i] == pytest.approx(error, rel=1e-6)


# What linearmodels learned in a fit is learned again, once


@pytest.mark.parametrize("kind", ["OLS", "panel"])
def test_what_linearmodels_learned_is_what_statsmodels_keeps(data, kind):
    library("linearmodels", "test-packages")
    from linearmodels.iv import IV2SLS
    from linearmodels.panel import PooledOLS

    table = data.assign(t=data.groupby("firm").cumcount()).set_index(["firm", "t"])
    if kind == "OLS":
        model = IV2SLS.from_formula(f"y ~ 1 + {SPLINES}", data, weights=data["w"])
        results = model.fit(cov_type="clustered", clusters=data["firm"])
        table = data
    else:
        weights = table[["w"]]
        model = PooledOLS.from_formula(f"y ~ 1 + {SPLINES}", table, weights=weights)
        results = model.fit(cov_type="clustered", cluster_entity=True)
    own = smf.wls(f"y ~ {SPLINES}", data, weights=data["w"]).fit()
    theirs = list(map(str, results.params.index))
    # statsmodels' bases are numbered from 0 or from 1, by its formulas' library.
    plain = [re.sub(r"\[\d\]", "", name) for name in own.params.index]
    order = np.argsort(np.argsort(plain, kind="stable"), kind="stable")
    like_theirs = [re.sub(r"\[\d\]", "", name) for name in theirs]
    order = np.argsort(like_theirs, kind="stable")[order]
    cov = results.cov.to_numpy()[np.ix_(order, order)]
    new = table[table["x"].between(1.3, 3.5) & table["z"].between(-0.7, 0.8)].iloc[::-3]
    shuffled = table.sample(frac=1, random_state=3)
    effects = delta_effects(results, new, STEPS, background=shuffled)
    expected = delta_effects(own, new, STEPS, cov=cov)
    assert effects.params.to_numpy() == pytest.approx(expected.params.to_numpy())
    assert effects.bse.to_numpy() == pytest.approx(expected.bse.to_numpy(), rel=1e-7)
    with pytest.raises(ValueError, match=r"nothing of what bs\(z, df=4\), center\(x\)"):
        delta_effects(results, new, STEPS)


# Fixed effects


def test_rows_of_a_panel_need_no_entities_where_effects_do_not_depend_on_them(data):
    library("linearmodels", "test-packages")
    results = linearmodels_panel(data).fit
    panel = data.assign(t=data.groupby("firm").cumcount()).set_index(["firm", "t"])
    own = delta_effects(results, panel, STEPS)
    for rows in (data, panel.reset_index(), data.set_index("firm")):
        found = delta_effects(results, rows, STEPS)
        np.testing.assert_allclose(found.params, own.params, rtol=1e-12)
        np.testing.assert_allclose(found.bse, own.bse, rtol=1e-12)


def test_absorbed_effects_leave_the_others_as_dummies_would(data):
    pyfixest = library("pyfixest", "test-packages")
    absorbed = pyfixest.feols("y ~ x * z | firm", data, vcov={"CRV1": "firm"})
    dummies = smf.ols("y ~ x * z + C(firm)", data).fit()
    expected = delta_effects(dummies, data, STEPS[:2]).params
    unseen = data.assign(firm=99)
    for table in (data, unseen, data.drop(columns="firm")):
        effects = delta_effects(absorbed, table, STEPS[:2])
        assert effects.params.to_numpy() == pytest.approx(expected.to_numpy())


def test_fits_whose_effects_depend_on_absorbed_ones_are_refused(data):
    pyfixest = library("pyfixest", "test-packages")
    counts = pyfixest.fepois("count ~ x | firm", data)
    with pytest.raises(TypeError, match="absorbed the fixed effects of firm"):
        delta_effects(counts, data, {"x": 1})
    linear = pyfixest.feols("y ~ x | firm", data)
    with pytest.raises(
        ValueError, match="'firm', whose effects the formula .* absorbs"
    ):
        delta_effects(linear, data, {"firm": 1})
    with pytest.raises(TypeError, match=r"IV2SLS fits the same model"):
        delta_effects(pyfixest.feols("y ~ z | x ~ w", data), data, {"x": 1})
    with pytest.raises(TypeError, match=r"terms of i\(\)"):
        delta_effects(pyfixest.feols("y ~ i(g, x)", data), data, {"x": 1})
    with pytest.raises(TypeError, match="holds several fits"):
        delta_effects(pyfixest.feols("y + b ~ x", data), data, {"x": 1})


def test_comparisons_of_predictions_that_lack_absorbed_effects_are_refused(data):
    pyfixest = library("pyfixest", "test-packages")
    absorbed = pyfixest.feols("y ~ x * z | firm", data)
    with pytest.raises(ValueError, match="comparison='ratio' is made of predictions"):
        delta_effects(absorbed, data, {"x": 1}, comparison="ratio")
    effects = delta_effects(absorbed, data, {"x": 2}, comparison="per_unit")
    whole = delta_effects(absorbed, data, {"x": 2})
    assert effects.params.iloc[0] == pytest.approx(whole.params.iloc[0] / 2)
    assert effects.to_frame()[["before", "after"]].isna().all(axis=None)


def test_a_ratio_of_counts_is_differentiated_in_the_packages_own_prediction(data):
    package, fit = MODELS["pyfixest_poisson"]
    library(package, "test-packages")
    model = fit(data)
    table = data[data["x"].between(1.3, 3.5) & data["z"].between(-0.7, 0.8)]
    effects = delta_effects(model.fit, table, {"x": 0.4}, comparison="ratio")
    low, high = moved(table, {"x": 0.4})

    def ratio(params):
        return (
            np.asarray(model.predict(params, high)) / model.predict(params, low)
        ).mean()

    steps = 1e-6 * np.eye(len(model.params))
    J = [(ratio(model.params + s) - ratio(model.params - s)) / 2e-6 for s in steps]
    assert effects.params.iloc[0] == pytest.approx(ratio(model.params), rel=1e-9)
    error = np.sqrt(np.array(J) @ model.cov @ J)
    assert effects.bse.iloc[0] == pytest.approx(error, rel=1e-6)


# Refused by name


@pytest.mark.parametrize("kind", ["offset", "exposure", "a column's name"])
def test_an_offset_of_glum_is_taken_as_that_of_statsmodels(data, kind):
    glum = library("glum", "test-packages")
    options = {"family": "poisson", "alpha": 0, "drop_first": True}
    model = glum.GeneralizedLinearRegressor(formula=f"count ~ {RIGHT}", **options)
    model.fit(data, offset=data["exposed"], store_covariance_matrix=True)
    own = smf.poisson(f"count ~ {RIGHT}", data, offset=data["exposed"]).fit(disp=0)
    table = data.iloc[::-2].reset_index(drop=True)
    given = {
        "offset": {"offset": table["exposed"].to_numpy()},
        "exposure": {"exposure": np.exp(table["exposed"]).to_numpy()},
        "a column's name": {"offset": "exposed"},
    }[kind]
    theirs = delta_effects(own, table, STEPS[:2], offset=table["exposed"].to_numpy())
    ours = delta_effects(model, table, STEPS[:2], **given)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-3)
    without = delta_effects(model, table, STEPS[:2])
    assert not np.allclose(ours.params, without.params, rtol=1e-3)
    predicted = [
        model.predict(rows, offset=table["exposed"])
        for rows in (table, table.assign(x=table["x"] + 0.4))
    ]
    gap = np.mean(predicted[1] - predicted[0])
    assert ours.params.iloc[0] == pytest.approx(gap, rel=1e-10)
    assert "on count" in ours.title


def test_models_of_glum_without_a_valid_covariance_are_refused(data):
    library("glum", "test-packages")
    from glum import GeneralizedLinearRegressor

    X, y = data[["x", "z"]], data["count"]
    plain = GeneralizedLinearRegressor(family="poisson", alpha=0).fit(X, y)
    with pytest.raises(ValueError, match="store_covariance_matrix=True"):
        delta_effects(plain, X, {"x": 1})
    penalised = GeneralizedLinearRegressor(family="poisson", alpha=0.1).fit(X, y)
    with pytest.raises(ValueError, match=r"penalised \(alpha=0.1\)"):
        delta_effects(penalised, X, {"x": 1})
    assert delta_effects(penalised, X, {"x": 1}, cov=np.eye(3)).bse.iloc[0] > 0


def test_models_of_lifelines_are_asked_what_they_predict(data):
    lifelines = library("lifelines", "test-packages")
    columns = data[["x", "z", *DURATION]]
    cox = lifelines.CoxPHFitter().fit(columns, *DURATION)
    with pytest.raises(ValueError, match="one of 'predict_partial_hazard'"):
        delta_effects(cox, columns, {"x": 1})
    with pytest.raises(ValueError, match="got 'predict_median'"):
        delta_effects(cox, columns, {"x": 1}, response_method="predict_median")
    robust = lifelines.WeibullAFTFitter().fit(columns, *DURATION, robust=True)
    with pytest.raises(ValueError, match="robust standard errors without their"):
        delta_effects(robust, columns, {"x": 1}, response_method="predict_median")
    additive = lifelines.AalenAdditiveFitter().fit(columns, *DURATION)
    with pytest.raises(TypeError, match="no regression with parameters"):
        delta_effects(additive, columns, {"x": 1})


def test_a_function_of_a_survival_curve_has_standard_errors(data):
    lifelines = library("lifelines", "test-packages")
    fitter = lifelines.WeibullAFTFitter().fit(data[["x", *DURATION]], *DURATION)

    effects = delta_effects(fitter, data, {"x": 0.4}, response_method=alive)
    scale = fitter.params_["lambda_"]
    rho = np.exp(fitter.params_["rho_"].iloc[0])

    def survival(x):
        return np.exp(-(np.exp(-(scale["Intercept"] + scale["x"] * x)) ** rho))

    expected = (survival(data["x"] + 0.4) - survival(data["x"])).mean()
    assert effects.params.iloc[0] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("name", [n for n in MODELS if "panel" not in n])
def test_effects_are_those_of_fme(data, name):
    package, fit = MODELS[name]
    library(package, "test-packages")
    model = fit(data)
    options = dict(model.options)
    table = options.pop("data", data)
    table = table[table["x"].between(1.3, 3.5) & table["z"].between(-0.7, 0.8)]
    method = options.get("response_method", "auto")
    if name.startswith("linearmodels") and method == "auto":
        options["background"] = data
    effects = delta_effects(model.fit, table, {"x": 0.4}, **options)
    columns = [c for c in ("x", "z", "g", "w", "firm", "exposed") if c in table]
    effect = fme(
        model.fit,
        table[columns],
        {"x": 0.4},
        extrapolation=None,
        response_method=method,
    )
    assert effects.params.iloc[0] == pytest.approx(effect.ame, rel=1e-8)
