"""Models that predict no table of rows: what is said of them, and that it works."""

import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.discrete.conditional_models import ConditionalLogit
from statsmodels.gam.api import BSplines, GLMGam

from skfme import fme
from skfme.statsmodels import delta_effects

N = 200
RNG = np.random.default_rng(0)
X = pd.DataFrame({"x": RNG.normal(size=N), "z": RNG.normal(size=N)})
Y = X["x"] + RNG.normal(size=N)
TIMES = pd.Series(RNG.exponential(size=N) * np.exp(-X["x"]), name="t")
SPLINES = BSplines(X[["x"]], df=[5], degree=[3])
SERIES = sm.tsa

MODELS = {
    "GLMGam, formula": lambda: GLMGam.from_formula(
        "y ~ z", X.assign(y=Y), smoother=SPLINES
    ).fit(),
    "GLMGam": lambda: GLMGam(Y, X[["z"]], smoother=SPLINES).fit(),
    "PHReg, formula": lambda: smf.phreg("t ~ x + z", X.assign(t=TIMES)).fit(),
    "PHReg": lambda: sm.PHReg(TIMES, X).fit(),
    "ConditionalLogit": lambda: ConditionalLogit(
        (Y > 0).astype(int), X, groups=np.arange(N) // 10
    ).fit(disp=0),
    "SARIMAX": lambda: SERIES.SARIMAX(Y, exog=X, order=(1, 0, 0)).fit(disp=0),
    "AutoReg": lambda: SERIES.AutoReg(Y, 1, exog=X).fit(),
    "UnobservedComponents": lambda: SERIES.UnobservedComponents(
        Y, "llevel", exog=X
    ).fit(disp=0),
}


def said(call):
    with pytest.raises(TypeError) as caught:
        call()
    return str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_the_call_that_is_advised_has_effects(name):
    results = MODELS[name]()
    text = said(lambda: fme(results, X, {"x": 0.1}))
    assert text == said(lambda: delta_effects(results, X, {"x": 0.1}))
    assert text.startswith(name.split(",")[0])
    call = re.search(r"fme\(.*, X, steps\)", text)[0]
    names = {"fme": fme, "results": results, "X": X, "steps": {"x": 0.1}}
    effect = eval(call, names)
    assert effect.n > 190
    params = np.ravel(results.params)
    if "GLMGam" in name:
        moved = X.assign(x=X["x"] + 0.1)[effect.counted]
        here = X[effect.counted]
        linear = [] if "formula" in name else [["z"]]
        predicted = [
            results.predict(*([t[c] for c in linear] or [t]), exog_smooth=t[["x"]])
            for t in (moved, here)
        ]
        right = np.mean(predicted[0] - predicted[1])
    elif "PHReg" in name:
        ratios = np.exp(X.to_numpy() @ params)[effect.counted]
        right = np.mean(ratios * (np.exp(0.1 * params[0]) - 1))
    else:
        position = {"AutoReg": 2, "UnobservedComponents": 2}.get(name, 0)
        right = 0.1 * params[position]
    assert effect.ame == pytest.approx(right, rel=1e-9)


@pytest.mark.filterwarnings("ignore")
def test_recursive_least_squares_end_where_least_squares_are():
    exog = sm.add_constant(X)
    results = sm.RecursiveLS(Y, exog).fit()
    assert "Fit OLS" in said(lambda: fme(results, exog, {"x": 1}))
    effect = fme(sm.OLS(Y, exog).fit(), exog, {"x": 1})
    assert effect.ame == pytest.approx(results.params["x"])


def test_a_model_that_is_not_fitted_is_said_to_be_none():
    model = sm.OLS(Y, X)
    for call in (fme, delta_effects):
        assert "OLS model is not fitted" in said(lambda f=call: f(model, X, {"x": 1}))


def test_a_function_that_is_not_implemented_says_what_to_set():
    def model(t):
        raise NotImplementedError

    text = said(lambda: fme(model, X, {"x": 1}))
    assert "does not implement predict" in text
    assert "response_method" in text
