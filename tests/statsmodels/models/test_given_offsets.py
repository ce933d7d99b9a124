"""fme() of results with an offset: the same rows and effects as the delta method's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression

from skfme import ame, attribute, fme
from skfme.statsmodels import delta_effects
from tests.statsmodels.models.fits import data

RIGHT = "count ~ x * z + C(c)"
OFFSETS = {
    "the fit's own rows": {},
    "a column": {"exposure": "time"},
    "entries": {"exposure": data()["time"].to_numpy()},
}


def poisson():
    return smf.poisson(RIGHT, data(), exposure=data()["time"]).fit(disp=0)


@pytest.mark.parametrize("given", OFFSETS.values(), ids=OFFSETS)
def test_effects_with_an_exposure_are_differences_of_the_models_own_predictions(given):
    results = poisson()
    effect = fme(results, data(), {"x": 0.5}, **given)
    ends = [
        results.predict(data().assign(x=data()["x"] + h), exposure=data()["time"])
        for h in (0, 0.5)
    ]
    assert effect.fme == pytest.approx((ends[1] - ends[0]).to_numpy(), rel=1e-10)
    delta = delta_effects(results, data(), {"x": 0.5}, **given)
    assert effect.ame == pytest.approx(delta.params.iloc[0], rel=1e-12)


def test_an_exposure_that_is_a_column_can_be_stepped_and_entries_are_no_feature():
    results = poisson()
    stepped = fme(results, data(), {"time": 1}, exposure="time")
    rate = results.predict(data(), exposure=np.ones(len(data())))
    assert stepped.fme == pytest.approx(rate.to_numpy())
    entries = {"exposure": data()["time"].to_numpy()}
    names = list(ame(results, data(), **entries))
    assert names == ["x +1", "z +1", "c = a", "c = b", "c = c"]
    assert "time +1" in ame(results, data(), exposure="time")


def test_offsets_and_exposures_add_up_in_tables_and_arrays():
    exog = data()[["x", "z"]].to_numpy()
    offset, exposure = data()["w"].to_numpy(), data()["time"].to_numpy()
    results = sm.Poisson(
        data()["count"].to_numpy(), exog, offset=offset, exposure=exposure
    ).fit(disp=0)
    new = exog[::-2] + 0.1
    added = {"offset": offset[::2], "exposure": exposure[::-2]}
    effect = fme(results, new, {0: 1}, **added)
    ends = [results.predict(new + [h, 0], **added) for h in (0, 1)]
    assert effect.fme == pytest.approx(ends[1] - ends[0])
    frame = pl.DataFrame({"x": new[:, 0], "z": new[:, 1], "t": added["exposure"]})
    named = sm.Poisson(
        data()["count"], data()[["x", "z"]], offset=offset, exposure=exposure
    ).fit(disp=0)
    mixed = {"offset": added["offset"], "exposure": "t"}
    found = fme(named, frame, {"x": 1}, **mixed)
    assert found.fme == pytest.approx(effect.fme, rel=1e-6)


def test_rows_that_a_fit_with_an_exposure_left_out_do_not_count():
    rows = data().copy()
    rows.loc[[3, 8], "count"] = np.nan
    results = smf.poisson(RIGHT, rows, exposure=rows["time"]).fit(disp=0)
    effect = fme(results, rows, {"x": 1})
    delta = delta_effects(results, rows, {"x": 1})
    assert effect.n == len(rows) - 2
    assert effect.ame == pytest.approx(delta.params.iloc[0], rel=1e-12)


def test_a_joint_step_is_attributed_with_an_exposure():
    parts = attribute(poisson(), data(), {"x": 1, "z": 0.5}, exposure="time")
    whole = fme(poisson(), data(), {"x": 1, "z": 0.5}, exposure="time")
    assert sum(part.ame for part in parts.values()) == pytest.approx(whole.ame)


def test_an_offset_that_is_lacking_or_of_no_use_is_an_error():
    new = data().head(50)
    with pytest.raises(ValueError, match="fitted with exposure.*Give exposure="):
        fme(poisson(), new, {"x": 1})
    with pytest.raises(ValueError, match="background has rows of its own"):
        fme(poisson(), new, {"x": 1}, background=data(), exposure=np.ones(50))
    found = fme(poisson(), new, {"x": 1}, background=data(), exposure="time")
    assert found.n == 50
    plain = smf.ols("y ~ x", data()).fit()
    with pytest.raises(ValueError, match="OLS model was fitted without one"):
        fme(plain, data(), {"x": 1}, offset="w")
    learner = LinearRegression().fit(data()[["x"]], data()["y"])
    with pytest.raises(TypeError, match="offset and exposure are for results"):
        fme(learner, pd.DataFrame(data()[["x"]]), {"x": 1}, offset="x")


@pytest.mark.parametrize("row", [0, 1, -1])
def test_rows_of_which_one_has_changed_are_not_those_of_the_fit(row):
    changed = data().copy()
    changed.loc[changed.index[row], "x"] += 0.5
    with pytest.raises(
        ValueError, match="not the rows it was fitted on. Give exposure="
    ):
        delta_effects(poisson(), changed, {"x": 0.5})
