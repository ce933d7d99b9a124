"""Delta-method errors of ratios, percent and log odds, by hand and by differentiation."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.special import expit
from statsmodels.miscmodels.ordinal_model import OrderedModel
from statsmodels.tools.numdiff import approx_fprime

from skfme import Contrast, fme
from skfme.statsmodels import average_effects, delta_effects

N = 500
RNG = np.random.default_rng(5)
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "z": RNG.uniform(0, 2, N),
        "g": RNG.integers(0, 2, N),
    }
)
ETA = 0.3 + 0.5 * DATA["x"] - 0.4 * DATA["z"] + 0.3 * DATA["x"] * DATA["g"]
DATA["died"] = (RNG.uniform(size=N) < expit(ETA)).astype(int)
DATA["count"] = RNG.poisson(np.exp(ETA))
DATA["cost"] = RNG.gamma(2, np.exp(ETA) / 2) + 0.01
DATA["grade"] = np.digitize(ETA + RNG.logistic(size=N), [-1, 1])
WEIGHTS = RNG.uniform(0.5, 2, N)
FORMULA = "x * C(g) + z"
H = 0.7


def excess(before, after):
    return (after - before) / (1 + before)


COMPARISONS = {
    "difference": lambda b, a: a - b,
    "ratio": lambda b, a: a / b,
    "percent": lambda b, a: 100 * (a - b) / b,
    "log_ratio": lambda b, a: np.log(a) - np.log(b),
    "log_odds_ratio": lambda b, a: np.log(a / (1 - a)) - np.log(b / (1 - b)),
    "per_unit": lambda b, a: (a - b) / H,
    excess: excess,
}
LINEAR = ("difference", "per_unit")


def design(table):
    """x, g, their product and z, in the order of the formula's parameters."""
    x, g, z = (table[name].to_numpy(float) for name in ("x", "g", "z"))
    return np.column_stack([np.ones(len(table)), g, x, x * g, z])


def ends():
    return design(DATA), design(DATA.assign(x=DATA["x"] + H))


@pytest.fixture(scope="module")
def logit():
    return smf.logit(f"died ~ {FORMULA}", DATA).fit(disp=0)


@pytest.fixture(scope="module")
def poisson():
    return smf.poisson(f"count ~ {FORMULA}", DATA).fit(disp=0)


def gradients_by_hand(comparison, average, mean, slope, params):
    """The average and ∂A/∂θ from closed forms of μ and ∂μ/∂η."""
    low, high = ends()
    w = WEIGHTS / WEIGHTS.sum()
    b, a = mean(low @ params), mean(high @ params)
    db, da = slope(b)[:, None] * low, slope(a)[:, None] * high
    if average == "of_means":
        b, a, db, da, w = w @ b, w @ a, w @ db, w @ da, np.ones(1)
        b, a, db, da = (np.atleast_1d(v) for v in (b, a, db[None], da[None]))
    b, a = b[:, None], a[:, None]
    gradient = {
        "difference": da - db,
        "per_unit": (da - db) / H,
        "ratio": da / b - a * db / b**2,
        "percent": 100 * (da / b - a * db / b**2),
        "log_ratio": da / a - db / b,
        "log_odds_ratio": da / (a * (1 - a)) - db / (b * (1 - b)),
        excess: da / (1 + b) - (1 + a) * db / (1 + b) ** 2,
    }[comparison]
    return w @ COMPARISONS[comparison](b, a)[:, 0], w @ gradient


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_logit_equals_closed_forms(logit, comparison, average):
    value, J = gradients_by_hand(
        comparison, average, expit, lambda p: p * (1 - p), logit.params.to_numpy()
    )
    options = {"comparison": comparison, "average": average, "sample_weight": WEIGHTS}
    effects = delta_effects(logit, DATA, {"x": H}, **options)
    assert effects.params.item() == pytest.approx(value, rel=1e-9)
    se = np.sqrt(J @ logit.cov_params().to_numpy() @ J)
    assert effects.bse.item() == pytest.approx(se, rel=1e-6)
    table = effects.to_frame().iloc[0]
    low, high = (expit(end @ logit.params.to_numpy()) for end in ends())
    assert table["before"] == pytest.approx(np.average(low, weights=WEIGHTS))
    assert table["after"] == pytest.approx(np.average(high, weights=WEIGHTS))


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize(
    "comparison", [c for c in COMPARISONS if c != "log_odds_ratio"]
)
def test_poisson_equals_closed_forms(poisson, comparison, average):
    params = poisson.params.to_numpy()
    value, J = gradients_by_hand(comparison, average, np.exp, lambda mu: mu, params)
    options = {"comparison": comparison, "average": average, "sample_weight": WEIGHTS}
    effects = delta_effects(poisson, DATA, {"x": H}, **options)
    assert effects.params.item() == pytest.approx(value, rel=1e-9)
    se = np.sqrt(J @ poisson.cov_params().to_numpy() @ J)
    assert effects.bse.item() == pytest.approx(se, rel=1e-6)


def test_without_interaction_ratios_are_the_coefficients_own():
    poisson = smf.poisson("count ~ x + z", DATA).fit(disp=0)
    logit = smf.logit("died ~ x + z", DATA).fit(disp=0)
    for fit, comparison in ((poisson, "log_ratio"), (logit, "log_odds_ratio")):
        effects = delta_effects(fit, DATA, {"x": H}, comparison=comparison)
        assert effects.params.item() == pytest.approx(H * fit.params["x"])
        assert effects.bse.item() == pytest.approx(H * fit.bse["x"])
        assert effects.pvalues.item() == pytest.approx(fit.pvalues["x"])
    percent = delta_effects(poisson, DATA, {"x": H}, comparison="percent")
    factor = np.exp(H * poisson.params["x"])
    assert percent.params.item() == pytest.approx(100 * (factor - 1))
    assert percent.bse.item() == pytest.approx(100 * H * factor * poisson.bse["x"])


def predictions(fit):
    """(params, table) -> means of shape (n, n_outputs), by statsmodels' own predict."""
    model = fit.model

    def predict(params, table):
        X = design(table) if "Intercept" in model.exog_names else design(table)[:, 1:]
        shaped = params
        if hasattr(model, "J"):
            shaped = params.reshape(model.K, -1, order="F")
        values = np.asarray(model.predict(shaped, X))
        return values.reshape(len(table), -1)

    return predict


OTHERS = {
    "probit": lambda: smf.probit(f"died ~ {FORMULA}", DATA).fit(disp=0),
    "gamma": lambda: smf.glm(
        f"cost ~ {FORMULA}", DATA, family=sm.families.Gamma(sm.families.links.Log())
    ).fit(),
    "cloglog": lambda: smf.glm(
        f"died ~ {FORMULA}",
        DATA,
        family=sm.families.Binomial(sm.families.links.CLogLog()),
    ).fit(),
    "multinomial": lambda: smf.mnlogit(f"grade ~ {FORMULA}", DATA).fit(disp=0),
    "ordered": lambda: OrderedModel.from_formula(
        f"grade ~ {FORMULA}", DATA, distr="logit"
    ).fit(disp=0, method="bfgs"),
}
CASES = [
    (kind, comparison)
    for kind in OTHERS
    for comparison in COMPARISONS
    if (kind, comparison) != ("gamma", "log_odds_ratio")  # costs are no probabilities
]


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize(("kind", "comparison"), CASES)
def test_other_models_equal_numeric_differentiation(kind, comparison, average):
    fit = OTHERS[kind]()
    predict, by_hand = predictions(fit), COMPARISONS[comparison]
    params = np.asarray(fit.params).ravel(order="F")
    w = WEIGHTS / WEIGHTS.sum()

    def averages(theta):
        b, a = (predict(theta, table) for table in (DATA, DATA.assign(x=DATA["x"] + H)))
        if average == "of_means":
            return by_hand(w @ b, w @ a)
        return w @ by_hand(b, a)

    options = {"comparison": comparison, "average": average, "sample_weight": WEIGHTS}
    effects = delta_effects(fit, DATA, {"x": H}, **options)
    np.testing.assert_allclose(effects.params, averages(params), rtol=1e-9)
    J = np.atleast_2d(approx_fprime(params, averages, centered=True))
    cov = J @ np.asarray(fit.cov_params()) @ J.T
    np.testing.assert_allclose(effects.bse, np.sqrt(np.diag(cov)), rtol=1e-6)
    scale = np.sqrt(np.outer(np.diag(cov), np.diag(cov)))
    assert np.abs(effects.cov_params() - cov).max().max() <= 1e-6 * scale.max()


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_groups_and_several_effects_have_their_own_averages(logit, comparison, average):
    steps = [{"x": H}, {"z": Contrast(0.5, 1.5)}]
    if comparison == "per_unit":
        steps = [{"x": H}, {"x": H, "z": 0}][:1]
    options = {"comparison": comparison, "average": average}
    joint = delta_effects(logit, DATA, steps, by="g", batch_size=64, **options)
    for group, table in DATA.groupby("g"):
        alone = delta_effects(logit, table, steps, **options)
        chosen = (joint.labels["g"] == group).to_numpy()
        np.testing.assert_allclose(joint.params[chosen], alone.params, rtol=1e-10)
        np.testing.assert_allclose(joint.bse[chosen], alone.bse, rtol=1e-8)


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
@pytest.mark.parametrize("comparison", COMPARISONS)
def test_the_choice_of_rows_adds_what_average_effects_has(logit, comparison, average):
    options = {"comparison": comparison, "average": average}
    steps = {"x": H}
    both = delta_effects(logit, DATA, steps, covers="sample + parameters", **options)
    fixed = delta_effects(logit, DATA, steps, **options)
    rows = average_effects(fme(logit, DATA, steps, **options), cov_type="HC0")
    assert both.params.item() == pytest.approx(rows.params.item(), rel=1e-9)
    expected = np.sqrt(fixed.bse.item() ** 2 + rows.bse.item() ** 2)
    assert both.bse.item() == pytest.approx(expected, rel=1e-8)


def test_ratios_are_tested_against_one(logit):
    effects = delta_effects(logit, DATA, {"x": H}, comparison="ratio", by="g")
    z = (effects.params - 1) / effects.bse
    np.testing.assert_allclose(effects.tvalues, z)
    text = " ".join(str(effects).split())
    assert "Ratio of the prediction of died, after over before." in text
    assert "mean over rows" in text or "means over rows" in text
    assert "an estimate is 1" in text
    table = effects.to_frame()
    assert list(table)[-4:] == ["before", "after", "comparison", "average"]


@pytest.mark.parametrize("name", ["ratio", "log_odds_ratio"])
def test_a_function_is_tested_against_its_value_of_no_change(logit, name):
    def own(before, after):
        return COMPARISONS[name](before, after)

    ours = delta_effects(logit, DATA, {"x": H}, comparison=own)
    theirs = delta_effects(logit, DATA, {"x": H}, comparison=name)
    np.testing.assert_allclose(ours.tvalues, theirs.tvalues, rtol=1e-6)
    np.testing.assert_allclose(ours.pvalues, theirs.pvalues, rtol=1e-4)
    assert ("an estimate is 1" in str(ours)) == (name == "ratio")


def test_undefined_comparisons_are_refused(poisson):
    with pytest.raises(
        ValueError, match="log_odds_ratio' of .* needs predictions between"
    ):
        delta_effects(poisson, DATA, {"x": H}, comparison="log_odds_ratio")
    with pytest.raises(ValueError, match="per_unit' divides by the step"):
        delta_effects(poisson, DATA, {"z": Contrast(0, 1)}, comparison="per_unit")
    with pytest.raises(ValueError, match="comparison must be one of"):
        delta_effects(poisson, DATA, {"x": H}, comparison="lift")
