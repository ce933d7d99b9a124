"""Batches, and tables, in which no row counts for an effect."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer

from skfme import FMEExplainer

RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {"sex": ["a"] * 40 + ["b"] * 40, "age": np.arange(80.0), "z": RNG.normal(size=80)}
)
Y = X["age"] + 3 * (X["sex"] == "a") + X["z"] ** 2


def fitted(*numbers, model):
    columns = make_column_transformer(
        (OneHotEncoder(), ["sex"]), *numbers, remainder="passthrough"
    )
    return make_pipeline(columns, model).fit(X, Y)


MODELS = {
    "linear": fitted(model=LinearRegression()),
    "additive": fitted((SplineTransformer(), ["age", "z"]), model=LinearRegression()),
    "trees": fitted(model=RandomForestRegressor(5, max_depth=4, random_state=0)),
}


@pytest.mark.parametrize("nlm", [False, True, "simpson38", "adaptive"])
@pytest.mark.parametrize("engine", ["auto", "predict"])
@pytest.mark.parametrize("name", MODELS)
def test_a_batch_at_its_target_adds_no_row_and_changes_none(name, engine, nlm):
    model = MODELS[name]
    steps = [{"sex": "a"}, {"sex": "a", "age": 1.0}]
    explainer = FMEExplainer(
        FrozenEstimator(model), steps, engine=engine, nlm=nlm, batch_size=20
    ).fit(X)
    effects = explainer.explain(X)  # whose first two batches are at their target
    up = X.assign(sex="a")
    for effect, moved in zip(effects.values(), (0.0, 1.0), strict=True):
        want = model.predict(up.assign(age=up["age"] + moved)) - model.predict(X)
        want[:40] = np.nan
        want[X["age"] + moved > 79] = np.nan
        np.testing.assert_allclose(effect.fme, want, rtol=1e-9, atol=1e-9)
        assert effect.n_left_out["at_target"] == 40
    streamed = explainer.explain_batches([X[:40], X[40:]])
    at_target = explainer.explain_batches([X[:20], X[20:40]])
    for key in effects:
        assert streamed[key].ame == pytest.approx(effects[key].ame)
        assert at_target[key].n == 0
        assert np.isnan(at_target[key].ame)


def test_averages_of_no_rows_have_the_columns_of_any():
    explainer = FMEExplainer(FrozenEstimator(MODELS["linear"]), [{"sex": "a"}]).fit(X)
    some = explainer.explain(X)["sex = a"].average(by="sex")
    with pytest.warns(UserWarning, match="No row counts"):
        effect = explainer.explain(X[:40])["sex = a"]
    none = effect.average(by="sex")
    assert (len(none), list(none)) == (0, list(some))


@pytest.mark.parametrize("ask", ["explain", "path", "step_profile", "fit"])
def test_tables_without_rows_are_refused(ask):
    explainer = FMEExplainer(FrozenEstimator(MODELS["linear"]), [{"age": 1}]).fit(X)
    more = {"path": ("age +1",), "step_profile": ("age",)}.get(ask, ())
    with pytest.raises(ValueError, match="0 sample"):
        getattr(explainer, ask)(X[:0], *more)
