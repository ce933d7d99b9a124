"""CR3 against fits without each cluster, and two ways of clustering that are no covariance."""

import warnings

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm

from skfme.statsmodels import ConditionalEffects, average_effects
from skfme.statsmodels._regression.least_squares import deviations_from
from skfme.statsmodels._regression.sandwich import _raised
from tests.statsmodels.effects import effect_of, effects_of, sample

FORMULA = "age + bp"


@pytest.fixture(scope="module")
def data():
    return sample()


def jackknife(exog, values, codes, weights=None):
    """(G − 1)/G Σ of squared moves, from a fit without each cluster."""
    weights = np.ones(len(values)) if weights is None else weights

    def coef(rows):
        return sm.WLS(values[rows], exog[rows], weights[rows]).fit().params

    labels = np.unique(codes)
    moved = [coef(codes == codes) - coef(codes != label) for label in labels]
    return (len(labels) - 1) / len(labels) * np.transpose(moved) @ moved


@pytest.mark.parametrize("weighted", [False, True])
def test_cr3_is_the_jackknife_over_clusters(data, weighted):
    X, values, weights = data
    effect = effect_of(values, X, weights if weighted else None)
    results = ConditionalEffects.from_formula(effect, FORMULA).fit(
        "CR3", {"groups": "ward"}
    )
    exog = sm.add_constant(X[["age", "bp"]].to_numpy())
    expected = jackknife(exog, values, X["ward"], weights if weighted else None)
    np.testing.assert_allclose(results.cov_params(), expected, rtol=1e-8)
    assert (results.df == 7).all()
    assert "covariance CR3" in results.summary()
    assert "too small" not in results.summary()


def test_cr3_of_groups_is_that_of_their_indicators(data):
    X, values, _ = data
    groups = ConditionalEffects.from_groups(effect_of(values, X), by="site")
    results = groups.fit("CR3", {"groups": "ward"})
    exog = pd.get_dummies(X["site"]).to_numpy(dtype=float)
    expected = jackknife(exog, values, X["ward"])
    np.testing.assert_allclose(results.cov_params(), expected, atol=1e-12)


def test_cr3_of_rows_by_themselves_is_hc3(data):
    X, values, _ = data
    model = ConditionalEffects.from_formula(effect_of(values, X), FORMULA)
    one = model.fit("CR3", {"groups": np.arange(120)}).cov_params()
    other = model.fit("HC3").cov_params()
    np.testing.assert_allclose(one, 119 / 120 * other, rtol=1e-10)


def test_frequency_weights_equal_repeated_rows(data):
    X, values, weights = data
    copies = np.repeat(np.arange(120), weights.astype(int))
    kwds = {"cov_type": "CR3", "cov_kwds": {"groups": ["patient", "ward"]}}
    weighted = effect_of(values, X, weights)
    one = ConditionalEffects.from_formula(weighted, "age", weights_type="frequency")
    many = effect_of(values[copies], X.iloc[copies])
    other = ConditionalEffects.from_formula(many, "age")
    np.testing.assert_allclose(one.fit(**kwds).bse, other.fit(**kwds).bse, rtol=1e-10)
    averages = [
        average_effects(weighted, weights_type="frequency", **kwds),
        average_effects(many, **kwds),
    ]
    np.testing.assert_allclose(averages[0].bse, averages[1].bse, rtol=1e-10)


@pytest.mark.parametrize("groups", ["ward", ["patient", "ward"]])
def test_averages_agree_with_regressions_on_a_constant(data, groups):
    X, values, weights = data
    holes = np.where(X.index % 5 == 0, np.nan, 2 * values)
    both = effects_of({"a": values, "b": holes}, X, weights)
    kwds = {"cov_type": "CR3", "cov_kwds": {"groups": groups}}
    results = average_effects(both, **kwds)
    for name in both:
        alone = ConditionalEffects.from_formula(both[name], "1").fit(**kwds)
        assert results.bse[name] == pytest.approx(alone.bse.iloc[0], rel=1e-10)


def test_averages_by_group_agree_with_a_regression_on_groups(data):
    X, values, _ = data  # every ward has rows in every site
    effect, kwds = effect_of(values, X), {"groups": "ward"}
    by = average_effects(effect, by="site", cov_type="CR3", cov_kwds=kwds)
    cells = ConditionalEffects.from_groups(effect, by="site").fit("CR3", kwds)
    np.testing.assert_allclose(by.cov_params(), cells.cov_params(), atol=1e-14)


def test_two_ways_of_cr3_are_never_below_one(data):
    X, values, _ = data
    model = ConditionalEffects.from_formula(effect_of(values, X), FORMULA)
    single = [
        model.fit("CR3", {"groups": name}).bse.to_numpy()
        for name in ("patient", "ward")
    ]
    both = model.fit("CR3", {"groups": ["patient", "ward"]})
    assert (both.bse >= np.max(single, axis=0) * (1 - 1e-12)).all()
    assert np.linalg.eigvalsh(both.cov_params())[0] > -1e-12


def test_a_way_out_of_few_clusters_is_one_that_is_open(data):
    X, values, _ = data
    model = ConditionalEffects.from_formula(effect_of(values, X), FORMULA)
    one = model.fit("cluster", {"groups": "ward"}).summary()
    two = model.fit("cluster", {"groups": ["patient", "ward"]}).summary()
    assert "CR3" in one
    assert "CR3" in two
    assert ("wild_bootstrap" in one, "wild_bootstrap" in two) == (True, False)


def test_what_one_cluster_determines_has_no_error(data):
    X, values, _ = data
    rows = X.assign(alone=(X["ward"] == 3).astype(float))
    model = ConditionalEffects.from_formula(effect_of(values, rows), "age + alone")
    with pytest.warns(RuntimeWarning, match="'alone'"):
        results = model.fit("CR3", {"groups": "ward"})
    assert results.bse.isna().tolist() == [False, False, True]


@pytest.mark.parametrize("cov_type", ["cluster", "CR3"])
@pytest.mark.parametrize("unit", [1.0, 1e-9])
@pytest.mark.filterwarnings("ignore:The two-way cluster covariance")
def test_a_negative_variance_becomes_the_larger_one_of_one_way(cov_type, unit):
    rng = np.random.default_rng(5)
    a, b = (m.ravel() for m in np.mgrid[:6, :6])
    table = pd.DataFrame({"a": a, "b": b, "x": (a + b) % 2, "z": rng.normal(size=36)})
    # The sums over each way cancel, so that V₁ + V₂ < V₁₂.
    y = unit * (table["z"] - table.groupby("a")["z"].transform("mean"))
    y -= y.groupby(table["b"]).transform("mean")
    model = ConditionalEffects.from_response(y, table, "x")

    def variances(groups):
        return np.diag(model.fit(cov_type, {"groups": groups}).cov_params())

    larger = np.maximum(variances("a"), variances("b"))
    both = variances(["a", "b"])
    assert (both >= larger * (1 - 1e-12)).all()
    np.testing.assert_allclose(both[0], larger[0], rtol=1e-9)


def test_the_rule_is_told():
    rng = np.random.default_rng(0)
    a, b = (m.ravel() for m in np.mgrid[:6, :6])
    table = pd.DataFrame({"a": a, "b": b})
    y = rng.normal(size=(6, 6))
    y += y.mean() - y.mean(axis=0) - y.mean(axis=1)[:, None]
    model = ConditionalEffects.from_response(y.ravel(), table, "1")
    with pytest.warns(RuntimeWarning, match="at least the larger one"):
        model.fit("cluster", {"groups": ["a", "b"]})


@pytest.mark.parametrize(
    ("kwds", "message"),
    [
        (None, "cov_type='CR3' needs cov_kwds"),
        ({"groups": np.ones(120)}, "one cluster"),
        ({"maxlags": 3}, "'maxlags'"),
    ],
)
def test_cr3_needs_clusters(data, kwds, message):
    X, values, _ = data
    with pytest.raises(ValueError, match=message):
        ConditionalEffects.from_formula(effect_of(values, X), "age").fit("CR3", kwds)


def test_variances_are_raised_with_the_correlations_as_they_are():
    cov = np.array([[1.0, 0.5, 0.0], [0.5, 4.0, 0.3], [0.0, 0.3, 9.0]])
    raised = _raised(cov, np.array([4.0, 1.0, 36.0]))
    expected = [[4.0, 1.0, 0.0], [1.0, 4.0, 0.6], [0.0, 0.6, 36.0]]
    np.testing.assert_allclose(raised, expected)


def test_r_squared_without_a_constant_is_about_zero(data):
    X, values, _ = data
    fit = ConditionalEffects.from_formula(effect_of(values, X), "age + bp - 1").fit()
    known = sm.OLS(values, X[["age", "bp"]].to_numpy()).fit()
    assert fit.rsquared == pytest.approx(known.rsquared)
    small = effect_of(values * 1e-4, X)
    again = ConditionalEffects.from_formula(small, "age + bp - 1").fit()
    assert again.rsquared == pytest.approx(known.rsquared)
    np.testing.assert_allclose(fit.params, known.params)


def test_what_rounding_leaves_is_judged_by_the_largest_effect():
    effects = np.array([[1e8], [1.0]])
    rounding = np.array([[0.0], [1e-8]])
    assert (deviations_from(effects - rounding, effects) == 0).all()
    apart = deviations_from(effects - rounding - [[1.0], [0.0]], effects)
    np.testing.assert_allclose(apart, [[1.0], [1e-8]])


def test_effects_that_do_not_vary_have_no_r_squared(data):
    X, values, _ = data
    effect = effect_of(np.full(len(values), 2.0), X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(ConditionalEffects.from_formula(effect, "age").fit().rsquared)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (["twice"], r"'twice' can be computed from the columns before it, or is zero"),
        (["twice", "half"], "'half' can be computed .* before them, or are zero"),
    ],
)
def test_what_repeats_other_columns_is_named(data, extra, told):
    X, values, _ = data
    more = X.assign(twice=2 * X["age"], half=X["bp"] / 2)
    formula = " + ".join(["age", "bp", *extra])
    with pytest.raises(
        ValueError, match=f"The design is singular: .*{told} throughout"
    ):
        ConditionalEffects.from_formula(effect_of(values, more), formula).fit()


def test_a_group_within_one_cluster_leaves_the_others_their_cr3(data):
    X, values, _ = data
    X = X.assign(g=np.where(X["ward"] == X["ward"].iloc[0], "alone", "rest"))
    X.loc[X.index[::7], "g"] = np.where(X["g"][::7] == "alone", "alone", "seventh")
    fit = ConditionalEffects.from_groups(effect_of(values, X), "g")
    cov = fit.fit("CR3", {"groups": "ward"}).cov_params().to_numpy()
    codes = X["ward"].to_numpy()
    known = np.isnan(cov).all(axis=0)
    assert known.tolist() == [True, False, False]
    rows = (X["g"] != "alone").to_numpy()
    exog = pd.get_dummies(X["g"][rows]).to_numpy(float)
    expected = jackknife(exog, values[rows], codes[rows])
    # A cluster more, which moves neither, has a part in (G − 1)/G alone.
    G = len(np.unique(codes))
    factor = (G - 1) / G / ((G - 2) / (G - 1))
    np.testing.assert_allclose(cov[1:, 1:], expected * factor, rtol=1e-8)
