"""Which rows count where a fit did not use all that it was given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.frozen import FrozenEstimator
from statsmodels.miscmodels.ordinal_model import OrderedModel

from skfme import FMEExplainer, ame, fme
from skfme.statsmodels import StatsmodelsEstimator, delta_effects

LOST = np.arange(0, 200, 7)  # rows without an outcome


def survey():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=200), "year": rng.integers(80, 83, 200)})
    rows["y"] = rows.x**2 + (rows.year == 81) + rng.normal(size=200)
    rows.loc[LOST, "y"] = np.nan
    return rows


@pytest.fixture(name="fit", scope="module")
def curved():
    return smf.ols("y ~ x + I(x ** 2) + C(year)", survey()).fit()


def mean_by_hand(fit, rows):
    return (fit.predict(rows.assign(x=rows.x + 1)) - fit.predict(rows)).mean()


@pytest.mark.parametrize("table", [pd.DataFrame, pl.from_pandas])
def test_rows_that_the_fit_did_not_use_do_not_count(fit, table):
    want = mean_by_hand(fit, survey().dropna())
    rows = table(survey())
    of_delta, of_fme = delta_effects(fit, rows, {"x": 1}), fme(fit, rows, {"x": 1})
    assert of_delta.params.iloc[0] == pytest.approx(want, rel=1e-12)
    assert of_fme.ame == pytest.approx(want, rel=1e-12)
    assert (of_delta.nobs[0], of_fme.n) == (200 - len(LOST), 200 - len(LOST))
    assert np.flatnonzero(of_fme.status == "missing").tolist() == LOST.tolist()
    for results in (of_delta, of_fme):
        assert "29 of the 200 rows do not count: the fit did not use" in str(
            results.summary()
        )


def test_part_of_the_fits_rows_is_known_by_its_labels(fit):
    part = survey()[survey().x > 0]
    want = mean_by_hand(fit, part.dropna())
    assert delta_effects(fit, part, {"x": 1}).params.iloc[0] == pytest.approx(want)
    assert fme(fit, part, {"x": 1}).ame == pytest.approx(want)


def test_rows_of_arrays_are_known_by_their_place():
    rows = survey()
    fit = sm.OLS(rows["y"], sm.add_constant(rows[["x"]]), missing="drop").fit()
    assert delta_effects(fit, rows, {"x": 1}).nobs[0] == fit.nobs
    assert delta_effects(fit, rows[:20], {"x": 1}).nobs[0] == 20  # of no known place


MODELS = {
    "glm": lambda rows: smf.glm("y ~ x", rows),
    "gee": lambda rows: smf.gee("y ~ x", "year", rows),
    "quantreg": lambda rows: smf.quantreg("y ~ x", rows),
    "mnlogit": lambda rows: smf.mnlogit("sign ~ x", rows),
    "ordered": lambda rows: OrderedModel.from_formula("sign ~ x - 1", rows),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_rows_of_every_kind_of_fit_are_found(name):
    rows = survey()
    rows["sign"] = np.sign(rows["y"].round())
    options = {"disp": 0} if name in ("mnlogit", "ordered") else {}
    fit = MODELS[name](rows).fit(**options)
    assert delta_effects(fit, rows, {"x": 1}).nobs[0] == 200 - len(LOST)
    assert fme(fit, rows, {"x": 1}).n == 200 - len(LOST)


def test_all_rows_count_where_they_are_asked_for(fit):
    effects = delta_effects(fit, survey(), {"x": 1}, rows="all")
    assert effects.params.iloc[0] == pytest.approx(mean_by_hand(fit, survey()))
    with pytest.raises(ValueError, match="rows must be 'fit' or 'all', got 'some'"):
        delta_effects(fit, survey(), {"x": 1}, rows="some")


@pytest.mark.parametrize(
    "new",
    [
        lambda rows: rows.assign(x=rows.x + 1),  # as many, under the same labels
        lambda rows: (
            rows[["x", "year"]].sample(30, random_state=0).reset_index(drop=True)
        ),
    ],
)
def test_new_rows_count_whatever_their_number_and_labels(fit, new):
    rows = new(survey())
    assert delta_effects(fit, rows, {"x": 1}).nobs[0] == len(rows)
    assert fme(fit, rows, {"x": 1}).n == len(rows)


def test_sizes_of_steps_are_measured_on_the_rows_of_the_fit(fit):
    rows = survey()
    rows.loc[LOST, "x"] *= 100
    sd = rows["x"].dropna()[rows["y"].notna()].std()
    assert f"= {sd:.4g}" in fme(fit, rows, "sd")["x +1sd"].sizes[0]
    h = delta_effects(fit, rows, "sd").params["x +1sd"]
    used = rows.dropna()
    want = (fit.predict(used.assign(x=used.x + sd)) - fit.predict(used)).mean()
    assert h == pytest.approx(want)


@pytest.mark.parametrize("named", ["auto", ["x"], []])
def test_a_number_that_the_formula_takes_for_a_category_is_one_in_both(named):
    rows = survey().dropna()
    fit = smf.ols("y ~ x * C(year)", rows).fit()
    steps = [{"year": 81}]
    if named == ["x"]:
        rows = rows.assign(x=rows.x.round())
    of_fme = fme(fit, rows, steps, categorical_features=named)
    of_delta = delta_effects(fit, rows, steps, categorical_features=named)
    others = rows[rows.year != 81]
    want = (fit.predict(others.assign(year=81)) - fit.predict(others)).mean()
    assert list(of_fme) == ["year = 81"] == of_delta.names
    assert of_fme["year = 81"].ame == pytest.approx(want)
    assert of_delta.params.iloc[0] == pytest.approx(want)


def test_default_steps_of_both_are_the_same():
    rows = survey().dropna().assign(d=lambda rows: (rows.x > 0).astype(int))
    fit = smf.ols("y ~ x + C(year) + d", rows).fit()
    names = ["x +1", "year = 80", "year = 81", "year = 82", "d 0 -> 1"]
    assert set(ame(fit, rows)) == set(delta_effects(fit, rows).names) == set(names)


def test_a_dummy_is_not_stepped_past_its_values_by_either():
    rows = survey().dropna().assign(d=lambda rows: (rows.x > 0).astype(int))
    fit = smf.ols("y ~ x + d", rows).fit()
    for explain in (fme, delta_effects):
        with pytest.raises(ValueError, match=r"takes 'd' to 2.*Contrast\(0, 1\)"):
            explain(fit, rows, {"d": 1})


@pytest.mark.parametrize("frozen", [False, True])
def test_an_estimator_with_a_formula_has_its_categories_too(frozen):
    rows = survey().dropna()
    X, y = rows[["x", "year"]], rows["y"]
    model = StatsmodelsEstimator(formula="x + C(year, Treatment(81))")
    model = FrozenEstimator(model.fit(X, y)) if frozen else model
    explainer = FMEExplainer(model, {"year": 81}).fit(X, y)
    effect = explainer.explain(X)["year = 81"]
    fitted = explainer.estimator_.results_
    own = delta_effects(fitted, rows, {"year": 81})
    assert effect.ame == pytest.approx(own.params.iloc[0])
    assert effect.n == own.nobs[0] == np.count_nonzero(rows.year != 81)


def test_a_column_that_is_a_number_as_well_is_none_of_them():
    rows = survey().dropna()
    model = StatsmodelsEstimator(formula="C(year) + year:x")
    explainer = FMEExplainer(model, {"x": 1}).fit(rows[["x", "year"]], rows["y"])
    assert [column.kind for column in explainer.columns_] == ["numeric", "numeric"]


def test_rows_in_another_order_are_known_by_their_labels(fit):
    rows = survey().sample(frac=1, random_state=0)
    want = mean_by_hand(fit, survey().dropna())
    results = delta_effects(fit, rows, {"x": 1})
    assert results.nobs[0] == fit.nobs
    assert results.params.iloc[0] == pytest.approx(want, rel=1e-12)


def test_rows_of_other_labels_are_new_rows(fit):
    rows = survey().set_axis(np.arange(200) + 1000)
    assert delta_effects(fit, rows, {"x": 1}).nobs[0] == 200
