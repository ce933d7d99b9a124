"""Columns of a table that a statsmodels model does not read decide nothing."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.frozen import FrozenEstimator

from skfme import Envelope, FMEExplainer, ame, fme
from skfme.statsmodels import delta_effects
from skfme.statsmodels._models.given_results import GivenResults

N = 800


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(12)
    table = pd.DataFrame({"day": np.arange(N), "x": rng.normal(size=N)})
    table["x"] += table["day"] / 400
    table["g"] = rng.choice(list("abc"), N)
    table["y"] = np.exp(0.5 * table["x"]) + 0.1 * rng.normal(size=N)
    table["note"] = "text"
    table["lost"] = np.where(rng.random(N) < 0.5, np.nan, 1.0)
    return table


@pytest.fixture(scope="module")
def fits(data):
    family = sm.families.Gaussian(sm.families.links.Log())
    early = data[data["day"] < 600]
    design = sm.add_constant(early[["x"]])
    return {
        "formula": smf.glm("y ~ x", early, family=family).fit(),
        "table": sm.GLM(early["y"], design, family=family).fit(),
    }


@pytest.mark.parametrize("kind", ["formula", "table"])
@pytest.mark.parametrize(
    "extrapolation", [None, "envelope", Envelope(quantiles=(0.05, 0.95))]
)
def test_other_columns_leave_no_row_out(data, fits, kind, extrapolation):
    early, late = data[data["day"] < 600], data[data["day"] >= 400]
    options = {"extrapolation": extrapolation}
    whole = fme(fits[kind], late, {"x": 0.1}, background=early, **options)
    alone = fme(fits[kind], late[["x"]], {"x": 0.1}, background=early[["x"]], **options)
    assert (whole.n, whole.ame) == (alone.n, alone.ame)
    assert whole.n_outside_before == alone.n_outside_before
    # They stay with the effect, for groups.
    assert whole.average(by="g")["n"].sum() == whole.n
    assert list(whole.X.columns) == list(data.columns)


def test_other_columns_are_not_asked_for(data, fits):
    effect = fme(fits["formula"], data[["x"]], {"x": 0.1}, background=data)
    assert effect.n == N
    with pytest.raises(ValueError, match="'x'"):
        fme(fits["formula"], data[["day"]], {"x": 0.1}, background=data)


def test_other_columns_are_not_stepped(data, fits):
    assert list(ame(fits["formula"], data)) == ["x +1"]
    assert list(ame(fits["formula"], pl.from_pandas(data))) == ["x +1"]
    with pytest.raises(ValueError, match="day"):
        fme(fits["formula"], data, {"day": 1})


def test_other_columns_may_hold_infinity_or_text(data, fits):
    table = data.assign(day=np.inf)
    effect = fme(fits["formula"], table, {"x": 0.1})
    assert effect.n == N
    assert effect.ame == fme(fits["formula"], data, {"x": 0.1}).ame


@pytest.mark.parametrize(
    "step", [{"x": 1}, {"x": -0.3}, {"g": "b"}, {"x": 1, "g": "c"}]
)
def test_the_same_rows_count_as_in_the_delta_method(data, step):
    fit = smf.poisson("I(y * 0 + (x > 1)) ~ x * C(g)", data).fit(disp=0)
    table = data.assign(x=data["x"].where(data["day"] % 7 > 0))
    effect, inference = fme(fit, table, step), delta_effects(fit, table, step)
    assert effect.n == np.ravel(inference.nobs)[0]
    assert effect.ame == pytest.approx(inference.params.iloc[0], rel=1e-12)


def test_results_in_an_explainer_judge_extrapolation_as_any_model(data, fits):
    from sklearn.frozen import FrozenEstimator

    from skfme.statsmodels._models.given_results import GivenResults

    model = FrozenEstimator(GivenResults(fits["formula"]).fit())
    effects = FMEExplainer(model, {"x": 0.5}).fit(data).explain(data)
    inside = data["x"] + 0.5 <= data["x"].max()
    assert effects["x +0.5"].n == inside.sum()


def test_a_predict_that_was_replaced_may_read_other_columns(data):
    results = smf.ols("y ~ x", data).fit()
    own = results.predict
    results.predict = lambda X: own(X) + 2 * X["day"]
    effect = fme(results, data, {"day": 1}, extrapolation=None)
    np.testing.assert_allclose(effect.fme, 2.0, atol=1e-9)
    frozen = FrozenEstimator(GivenResults(smf.ols("y ~ x", data).fit()).fit())
    frozen.predict = lambda X: own(X) + 3 * X["day"]
    explainer = FMEExplainer(frozen, {"day": 1}, extrapolation=None).fit(data)
    np.testing.assert_allclose(explainer.transform(data), 3.0, atol=1e-9)
