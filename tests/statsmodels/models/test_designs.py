"""Designs rebuilt from tables: as the model codes them, or not at all."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula
import statsmodels.formula.api as smf

from skfme import Contrast, SetTo, fme
from skfme.statsmodels import delta_effects
from tests.statsmodels.models.fits import RIGHT, data

FORMULAS = [
    "y ~ bs(x, df=5)",
    "y ~ cr(x, df=4) + z",
    "y ~ bs(x, df=4, degree=2) * d",
    "y ~ center(x) * standardize(z)",
    "y ~ x + I(x**2) + I(x**3)",
    "y ~ np.log(z) * x + C(d)",
    "y ~ C(c, Treatment('b')) * x",
    "y ~ C(c, Sum) + x:d",
    "y ~ 0 + c + x",
    "y ~ np.exp(-x**2) + Q('a name')",
]


def frame():
    return data().assign(**{"c": data()["c"].astype(str), "a name": data()["w"]})


def gradient_of(results, low, high):
    """∂A/∂θ of a linear model, by statsmodels' own predict at unit parameters."""
    J = []
    for unit in np.eye(len(results.params)):
        moved = copy.copy(results._results)
        moved.params = unit
        J.append(np.mean(moved.predict(high) - moved.predict(low)))
    return np.array(J)


@pytest.mark.parametrize("formula", FORMULAS)
def test_stepped_rows_are_coded_as_statsmodels_codes_them(formula):
    rows = frame()
    results = smf.ols(formula, rows).fit()
    inner = rows[rows["x"].between(-1.5, 1.2)]  # splines know of no other
    high = inner.assign(x=inner["x"] + 0.25)
    effects = delta_effects(results, inner, {"x": 0.25})
    want = (results.predict(high) - results.predict(inner)).mean()
    assert effects.params.iloc[0] == pytest.approx(want, rel=1e-9)
    J = gradient_of(results, inner, high)
    se = np.sqrt(J @ results.cov_params().to_numpy() @ J)
    assert effects.bse.iloc[0] == pytest.approx(se, rel=1e-9)


def test_a_category_is_coded_by_the_levels_of_the_fit_not_of_the_rows():
    rows = frame()
    results = smf.logit("b ~ C(c) + x", rows).fit(disp=0)
    some = rows[rows["c"] != "b"]  # on their own they would have two levels
    effects = delta_effects(results, some, {"c": Contrast("a", "c")})
    high, low = some.assign(c="c"), some.assign(c="a")
    want = (results.predict(high) - results.predict(low)).mean()
    assert effects.params.iloc[0] == pytest.approx(want, rel=1e-12)


def test_integers_that_the_formula_calls_categories_are_categories():
    results = smf.ols("y ~ C(kind) + x", data()).fit()
    effects = delta_effects(results, data(), {"kind": 2})
    assert effects.names == ["kind = 2"]
    already = (data()["kind"] == 2).sum()
    assert effects.nobs[0] == len(data()) - already
    both = smf.ols("y ~ C(kind) + kind:x", data()).fit()
    with pytest.raises(ValueError, match=r"formula .* could not be built"):
        delta_effects(both, data(), {"kind": 2})  # a number as well, so 2 is added


def test_rows_that_miss_a_value_are_left_out_and_counted():
    rows = frame()
    rows.loc[:9, "x"] = np.nan
    rows.loc[5:19, "y"] = np.nan
    rows.loc[20:24, "c"] = None
    results = smf.ols("y ~ x * z + c", rows).fit()
    effects = delta_effects(results, rows, {"x": 1})
    whole = rows.dropna(subset=["x", "y", "z", "c"])
    assert effects.nobs[0] == len(whole) == len(rows) - 25
    own = delta_effects(results, whole, {"x": 1})
    assert effects.params.iloc[0] == pytest.approx(own.params.iloc[0], rel=1e-12)
    assert effects.bse.iloc[0] == pytest.approx(own.bse.iloc[0], rel=1e-12)
    assert "25 missing" in str(effects.summary()).replace("\n", " ")


def test_a_contrast_needs_no_value_of_the_feature_it_sets():
    rows = frame()
    results = smf.ols("y ~ x + d", rows).fit()
    rows = rows.astype({"d": float})
    rows.loc[:9, "d"] = np.nan
    effects = delta_effects(results, rows, [{"d": Contrast(0, 1)}, {"d": SetTo(1)}])
    assert effects.nobs.tolist() == [len(rows), len(rows) - 10]


# Offsets and exposure


@pytest.mark.parametrize("kind", ["offset", "exposure"])
def test_the_fits_own_offset_is_kept_through_missing_rows(kind):
    rows = frame()
    rows.loc[3:12, "x"] = np.nan
    rows.loc[40:44, "count"] = np.nan
    added = np.log(rows["time"]) if kind == "offset" else rows["time"]
    family = sm.families.Poisson()
    model = smf.glm("count ~ x + z", rows, family=family, **{kind: added})
    results = model.fit()
    effects = delta_effects(results, rows, {"z": 1})
    kept = rows.dropna(subset=["x", "count"])
    ends = [
        results.predict(kept.assign(z=kept["z"] + h), **{kind: added[kept.index]})
        for h in (0, 1)
    ]
    assert effects.nobs[0] == len(kept)
    assert effects.params.iloc[0] == pytest.approx((ends[1] - ends[0]).mean())
    own = delta_effects(results, kept, {"z": 1}, **{kind: added[kept.index]})
    assert own.params.iloc[0] == pytest.approx(effects.params.iloc[0])
    assert own.bse.iloc[0] == pytest.approx(effects.bse.iloc[0])
    if kind == "exposure":
        named = delta_effects(results, kept, {"z": 1}, exposure="time")
        assert named.bse.iloc[0] == pytest.approx(effects.bse.iloc[0])


def test_an_exposure_that_is_a_column_can_be_stepped():
    results = exposed()
    effects = delta_effects(results, data(), {"time": 1}, exposure="time")
    rate = results.predict(data(), exposure=np.ones(len(data())))
    assert effects.params.iloc[0] == pytest.approx(rate.mean())


def exposed():
    return smf.poisson("count ~ x", data(), exposure=data()["time"]).fit(disp=0)


SOME = data().iloc[:100]


@pytest.mark.parametrize(
    ("rows", "kwds", "match"),
    [
        (SOME, {}, r"fitted with exposure.*Give exposure="),
        (pd.concat([data(), SOME]), {}, r"fitted with exposure.*Give exposure="),
        (data().assign(x=data()["x"] + 1), {}, r"not the rows it was fitted on"),
        (SOME, {"exposure": np.zeros(100)}, r"exposure must be positive"),
        (SOME, {"exposure": np.ones(99)}, r"exposure has shape \(99,\)"),
        (SOME, {"exposure": "times"}, r"exposure names 'times'.*Did you mean 'time'"),
        (SOME, {"offset": "time"}, r"fitted with exposure; exposure is not given"),
    ],
    ids=[
        "fewer",
        "more",
        "as many",
        "not positive",
        "too few",
        "unknown",
        "the other kind",
    ],
)
def test_other_rows_need_an_offset_of_their_own(rows, kwds, match):
    with pytest.raises(ValueError, match=match):
        delta_effects(exposed(), rows, {"x": 1}, **kwds)


@pytest.mark.parametrize("n", [1, 50, 199, 201])
def test_other_rows_than_those_of_a_fit_that_dropped_some_are_refused(n):
    rows = frame().head(200)
    rows.loc[[150, 180, 199], "z"] = np.nan
    results = smf.poisson("count ~ x + z", rows, exposure=rows["time"]).fit(disp=0)
    given = pd.concat([rows, rows]).head(n)
    with pytest.raises(ValueError, match=r"with exposure.*Give exposure= a column's"):
        delta_effects(results, given, {"x": 1})
    effects = delta_effects(results, given, {"x": 1}, exposure="time")
    kept = given.dropna(subset="z").reset_index(drop=True)
    time = kept["time"]
    ends = [
        results.predict(kept.assign(x=kept["x"] + h), exposure=time) for h in (0, 1)
    ]
    assert effects.params.iloc[0] == pytest.approx((ends[1] - ends[0]).mean())


@pytest.mark.parametrize("labels", ["numbers", "names"])
def test_the_fits_own_offset_follows_its_rows_labels_into_another_order(labels):
    rows = frame()
    if labels == "names":
        rows.index = [f"r{i}" for i in range(len(rows))]
    # A design of two values alone, so that it cannot tell rows apart.
    rows["up"] = (rows["z"] > rows["z"].median()).astype(float)
    rows.iloc[3:12, rows.columns.get_loc("up")] = np.nan
    results = smf.poisson("count ~ up", rows, exposure=rows["time"]).fit(disp=0)
    kept = rows.dropna(subset="up")
    want = delta_effects(results, kept, {"up": Contrast(0, 1)}, by="d", exposure="time")
    for given in (rows, rows.sample(frac=1, random_state=0)):
        effects = delta_effects(results, given, {"up": Contrast(0, 1)}, by="d")
        np.testing.assert_allclose(effects.params, want.params, rtol=1e-12)
        np.testing.assert_allclose(effects.bse, want.bse, rtol=1e-12)


def test_a_fit_that_was_stripped_of_its_data_needs_an_offset_again():
    results = exposed()
    want = delta_effects(results, data(), {"x": 1}, exposure="time").params
    results.remove_data()
    with pytest.raises(ValueError, match=r"Give exposure= a column's"):
        delta_effects(results, data(), {"x": 1})
    found = delta_effects(results, data(), {"x": 1}, exposure="time").params
    np.testing.assert_allclose(found, want, rtol=1e-12)


def test_an_offset_that_the_fit_had_not_is_refused():
    plain = smf.poisson("count ~ x", data()).fit(disp=0)
    with pytest.raises(ValueError, match="offset is given, but the Poisson model"):
        delta_effects(plain, data(), {"x": 1}, offset="time")


# Arrays


@pytest.fixture
def by_arrays():
    X = sm.add_constant(data()[["x", "z", "d"]])
    return sm.Logit(data()["b"], X).fit(disp=0), X


def test_columns_of_a_frame_are_found_by_name(by_arrays):
    results, X = by_arrays
    own = delta_effects(results, X, {"z": 1}, by="d")
    for other in (
        data()[["firm", "d", "z", "x"]],  # another order, more columns, no constant
        pl.from_pandas(X[["z", "x", "const", "d"]]),
    ):
        effects = delta_effects(results, other, {"z": 1}, by="d")
        pd.testing.assert_frame_equal(
            effects.to_frame(), own.to_frame(), check_dtype=False
        )
    formula = smf.logit("b ~ x + z + d", data()).fit(disp=0)
    same = delta_effects(formula, data(), {"z": 1}, by="d")
    np.testing.assert_allclose(own.bse, same.bse, rtol=1e-6)


def test_fme_finds_columns_by_name_too(by_arrays):
    results, X = by_arrays
    own = fme(results, X, {"z": 0.1})
    other = fme(results, data()[["d", "z", "x"]], {"z": 0.1})
    np.testing.assert_allclose(own.fme, other.fme)
    want = results.predict(X.assign(z=X["z"] + 0.1)) - results.predict(X)
    np.testing.assert_allclose(own.fme[own.counted], want[own.counted])


def test_columns_of_an_array_are_found_by_position(by_arrays):
    results, X = by_arrays
    own = delta_effects(results, X, {"z": 1})
    array = sm.Logit(data()["b"].to_numpy(), X.to_numpy()).fit(disp=0)
    whole = delta_effects(array, X.to_numpy(), {2: 1})
    short = delta_effects(array, X.to_numpy()[:, 1:], {1: 1})
    for effects in (whole, short):
        np.testing.assert_allclose(effects.params, own.params)
        np.testing.assert_allclose(effects.bse, own.bse)
    every = delta_effects(array, X.to_numpy())
    assert [name.split()[0] for name in every.names] == ["x1", "x2", "x3"]


def test_the_constant_need_not_be_one():
    X = data()[["x", "z"]].assign(level=2.5)
    results = sm.OLS(data()["y"], X).fit()
    effects = delta_effects(results, data(), {"x": 1})
    assert effects.bse.iloc[0] == pytest.approx(results.bse["x"])


# Formulas that look at other rows, and data that changed


@pytest.mark.parametrize("n", [240, 30])
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ I(x - x.mean())",
        "y ~ x.rank()",
        "y ~ I(x / np.std(x)) + z",
        "y ~ x.shift(1).fillna(0)",
    ],
)
def test_a_formula_that_looks_at_other_rows_is_refused(formula, n):
    rows = frame().head(n)
    results = smf.ols(formula, rows).fit()
    with pytest.raises(
        ValueError, match=r"differs from the one .* looks at other rows"
    ):
        delta_effects(results, rows, {"x": 1})
    with pytest.raises(ValueError, match="looks at other rows"):
        fme(results, rows, {"x": 1})
    results.model.data.frame = None  # with nothing left to compare with but itself
    with pytest.raises(ValueError, match="by themselves, differs"):
        delta_effects(results, rows, {"x": 1})


def test_data_that_changed_since_the_fit_are_refused():
    rows = frame()
    results = smf.ols("y ~ x + z", rows).fit()
    rows["x"] *= 2
    with pytest.raises(ValueError, match="the data frame has changed since the fit"):
        delta_effects(results, rows, {"x": 1})


def test_a_variable_from_outside_the_data_is_refused():
    outside = np.arange(len(data())) / 100.0  # noqa: F841 - the formula reads it
    results = smf.ols("y ~ x + outside", frame()).fit()
    with pytest.raises(ValueError, match="could not be built from the data"):
        delta_effects(results, frame(), {"x": 1})


def shifted_by(x):
    return x - OFFSET["of the function"]


OFFSET = {"of the function": 1.0}


def test_a_function_that_changed_since_the_fit_is_refused():
    results = smf.ols("y ~ shifted_by(x)", frame()).fit()
    own = delta_effects(results, frame(), {"x": 1})
    assert own.params.iloc[0] == pytest.approx(results.params.iloc[1])
    try:
        OFFSET["of the function"] = 2.0
        with pytest.raises(ValueError, match="differs from the one"):
            delta_effects(results, frame(), {"x": 1})
    finally:
        OFFSET["of the function"] = 1.0


# The other formula engine


@pytest.fixture
def formulaic():
    options = getattr(statsmodels.formula, "options", None)
    if options is None:
        pytest.skip("statsmodels before 0.15 knows patsy only")
    pytest.importorskip("formulaic")
    before = options.formula_engine
    options.formula_engine = "formulaic"
    yield
    options.formula_engine = before


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ bs(x, df=5) + C(c)",
        "y ~ center(x) * scale(z)",
        "y ~ poly(x, 3) + w",
        "y ~ np.log(z) * x + C(d)",
    ],
)
def test_formulaic_designs_are_rebuilt_as_well(formula, formulaic):
    rows = frame()
    rows.loc[:4, "d"] = np.nan
    results = smf.ols(formula, rows).fit()
    inner = rows[rows["x"].between(-1.5, 1.2)].dropna()
    high = inner.assign(x=inner["x"] + 0.25)
    effects = delta_effects(results, inner, {"x": 0.25})
    want = (results.predict(high) - results.predict(inner)).mean()
    assert effects.params.iloc[0] == pytest.approx(want, rel=1e-9)
    J = gradient_of(results, inner, high)
    se = np.sqrt(J @ results.cov_params().to_numpy() @ J)
    assert effects.bse.iloc[0] == pytest.approx(se, rel=1e-8)
    left_out = 5 * ("C(d)" in formula)
    assert delta_effects(results, rows, {"x": 0}).nobs[0] == len(rows) - left_out


def test_formulaic_levels_that_the_fit_never_saw_are_refused(formulaic):
    rows = frame()
    results = smf.ols("y ~ C(c) + x", rows).fit()
    other = rows.assign(c=rows["c"].replace("b", "new"))
    with pytest.raises(ValueError, match="could not be built"):
        delta_effects(results, other, {"x": 1})
    with pytest.raises(ValueError, match="differs from the one"):
        delta_effects(smf.ols("y ~ I(x - x.mean())", rows).fit(), rows, {"x": 1})


def test_both_engines_agree(formulaic):
    own = delta_effects(smf.ols(f"y ~ {RIGHT}", frame()).fit(), frame())
    statsmodels.formula.options.formula_engine = "patsy"
    other = delta_effects(smf.ols(f"y ~ {RIGHT}", frame()).fit(), frame())
    pd.testing.assert_frame_equal(own.to_frame(), other.to_frame())
