"""Results of linearmodels, whose predict takes columns by their position."""

import numpy as np
import pandas as pd
import pytest

from skfme import fme

RNG = np.random.default_rng(0)
N = 120
X = pd.DataFrame({"one": 1.0, "x": RNG.normal(size=N), "w": RNG.normal(size=N)})
Y = 2 * X["x"] - X["w"] + RNG.normal(size=N)
PANEL = X.assign(y=Y, i=np.arange(N) // 10, t=np.arange(N) % 10).set_index(["i", "t"])
OPTIONS = {"extrapolation": None}


class Results:
    """A stand-in with the conventions of linearmodels' results of one equation."""

    __module__ = "linearmodels.iv.results"
    params = pd.Series([0.0, -1.0, 2.0], index=["one", "w", "x"])

    class model:
        formula = None

    def predict(self, exog):
        return pd.DataFrame({"predictions": np.asarray(exog) @ self.params.to_numpy()})


def test_columns_are_found_by_name_in_any_order():
    for table in (X, X[["w", "x", "one"]], X.assign(more=0.0)):
        assert fme(Results(), table, {"x": 1}, **OPTIONS).ame == pytest.approx(2)


def test_columns_of_an_array_are_those_of_the_design():
    array = X[["one", "w", "x"]].to_numpy()
    assert fme(Results(), array, {2: 1}, **OPTIONS).ame == pytest.approx(2)


@pytest.mark.parametrize(
    ("table", "step", "message"),
    [
        (X[["x", "w"]], {"x": 1}, "X lacks 'one', .* design: 'one', 'w', 'x'"),
        (X[["x", "w"]].to_numpy(), {0: 1}, "3 coefficients .* X has 2 columns"),
    ],
)
def test_another_number_of_columns_is_refused_by_name(table, step, message):
    with pytest.raises(ValueError, match=message):
        fme(Results(), table, step, **OPTIONS)


def test_a_panel_needs_its_index():
    class PanelResults(Results):
        __module__ = "linearmodels.panel.results"

    effect = fme(PanelResults(), PANEL[["x", "w", "one"]], {"x": 1}, **OPTIONS)
    assert effect.ame == pytest.approx(2)
    with pytest.raises(ValueError, match=r"index has two levels.*set_index"):
        fme(PanelResults(), X, {"x": 1}, **OPTIONS)


def test_results_of_linearmodels_have_the_effects_of_their_coefficients():
    iv = pytest.importorskip("linearmodels.iv", reason="linearmodels is not installed")
    panel = pytest.importorskip("linearmodels.panel")
    two_stage = iv.IV2SLS(Y, X[["one", "w"]], X[["x"]], X[["x"]]).fit()
    formula = iv.IV2SLS.from_formula(
        "y ~ 1 + w + [x ~ z]", X.assign(y=Y, z=X["x"] + RNG.normal(size=N))
    ).fit()
    within = panel.PanelOLS.from_formula("y ~ w + x + EntityEffects", PANEL).fit()
    for results, table in ((two_stage, X), (formula, X), (within, PANEL[["x", "w"]])):
        effect = fme(results, table, {"x": 1}, **OPTIONS)
        assert effect.ame == pytest.approx(results.params["x"])
