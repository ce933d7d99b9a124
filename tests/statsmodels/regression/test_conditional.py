"""Regressions of effects: estimates, covariances, analysis of variance, prediction."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.api as sm
import statsmodels.formula
import statsmodels.formula.api as smf
from scipy import stats
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.oneway import anova_oneway

from skfme import came, fme
from skfme.statsmodels import ConditionalEffects
from tests.statsmodels.effects import effect_of, sample

COV_TYPES = ["nonrobust", "HC0", "HC1", "HC2", "HC3"]
FORMULA = "C(sex) * age + site"


@pytest.fixture
def data():
    X, fme_, weights = sample()
    return X, fme_, weights


def by_hand(X, fme_):
    """Mean, SD and size of each sex."""
    grouped = pd.Series(fme_).groupby(np.asarray(X["sex"]))
    return (
        grouped.mean().to_numpy(),
        grouped.std().to_numpy(),
        grouped.size().to_numpy(),
    )


# Groups


def test_hc2_by_groups_is_each_groups_own_standard_error(data):
    X, values, _ = data
    mean, sd, n = by_hand(X, values)
    model = ConditionalEffects.from_groups(effect_of(values, X), by="sex")
    results = model.fit(cov_type="HC2")
    assert list(results.params.index) == ["x +1 | sex=f", "x +1 | sex=m"]
    np.testing.assert_allclose(results.params, mean, rtol=1e-14)
    np.testing.assert_allclose(results.bse, sd / np.sqrt(n), rtol=1e-13)
    np.testing.assert_array_equal(results.df, n - 1)
    hc3 = model.fit(cov_type="HC3")
    np.testing.assert_allclose(
        hc3.bse, sd / np.sqrt(n) * np.sqrt(n / (n - 1)), rtol=1e-13
    )
    np.testing.assert_array_equal(results.nobs, n)


def test_nonrobust_by_groups_pools_the_sd(data):
    X, values, _ = data
    _, sd, n = by_hand(X, values)
    results = ConditionalEffects.from_groups(effect_of(values, X), by="sex").fit()
    pooled = np.sqrt(np.sum((n - 1) * sd**2) / np.sum(n - 1))
    np.testing.assert_allclose(results.bse, pooled / np.sqrt(n), rtol=1e-13)
    assert results.df_resid == len(values) - 2


@pytest.mark.parametrize("equal_var", [True, False], ids=["student", "welch"])
def test_differences_of_two_groups_are_t_tests(data, equal_var):
    X, values, _ = data
    model = ConditionalEffects.from_groups(effect_of(values, X), by="sex")
    difference = model.fit(cov_type="nonrobust" if equal_var else "HC2").pairwise()
    men, women = values[X["sex"] == "m"], values[X["sex"] == "f"]
    known = stats.ttest_ind(men, women, equal_var=equal_var)
    assert difference.tvalues.iloc[0] == pytest.approx(known.statistic, rel=1e-12)
    assert difference.df[0] == pytest.approx(known.df, rel=1e-12)
    assert difference.pvalues.iloc[0] == pytest.approx(known.pvalue, rel=1e-9)
    interval = known.confidence_interval(0.9)
    np.testing.assert_allclose(difference.conf_int(0.1).iloc[0], interval, rtol=1e-10)


def test_intervals_by_groups_with_hc2_are_one_sample_intervals(data):
    X, values, _ = data
    results = ConditionalEffects.from_groups(effect_of(values, X), by="sex").fit("HC2")
    for sex, ends in zip("fm", results.conf_int(0.05).to_numpy(), strict=True):
        known = stats.ttest_1samp(values[X["sex"] == sex], 0).confidence_interval(0.95)
        np.testing.assert_allclose(ends, known, rtol=1e-12)


def test_welch_test_is_statsmodels(data):
    X, values, _ = data
    results = ConditionalEffects.from_groups(effect_of(values, X), by="site").fit()
    known = anova_oneway(values, np.asarray(X["site"]), use_var="unequal")
    test = results.welch_test()
    assert test.statistic == pytest.approx(known.statistic, rel=1e-11)
    assert test.pvalue == pytest.approx(known.pvalue, rel=1e-9)


def test_groups_may_be_columns_labels_or_combinations(data):
    X, values, _ = data
    effect = effect_of(values, X)
    by_name = ConditionalEffects.from_groups(effect, by="site").fit()
    for by in (
        X["site"].to_numpy(),
        X["site"].tolist(),
        pl.Series("site", X["site"].tolist()),
        X["site"].rename("site"),
        np.asarray(X[["site"]]),
    ):
        other = ConditionalEffects.from_groups(effect, by=by).fit()
        np.testing.assert_array_equal(other.params, by_name.params)
    both = ConditionalEffects.from_groups(effect, by=["sex", "site"]).fit()
    assert both.params.index[1] == "x +1 | sex=f, site=b"
    assert both.params.iloc[1] == pytest.approx(
        values[(X["sex"] == "f") & (X["site"] == "b")].mean()
    )


def test_ordered_categories_keep_their_order():
    level = pd.Categorical(
        ["low", "mid", "high"] * 5, ["low", "mid", "high"], ordered=True
    )
    values = np.arange(15.0) ** 2
    for X in (
        pd.DataFrame({"level": level}),
        pl.DataFrame(
            {"level": pl.Series(level.tolist(), dtype=pl.Enum(["low", "mid", "high"]))}
        ),
    ):
        results = ConditionalEffects.from_groups(effect_of(values, X), by="level").fit()
        assert list(results.labels["level"]) == ["low", "mid", "high"]


def test_a_group_column_may_have_a_name_that_results_use():
    X = pd.DataFrame({"effect": ["a", "b"] * 5, "term": ["c", "c", "d", "d", "d"] * 2})
    effect = effect_of(np.arange(10.0), X)
    frame = (
        ConditionalEffects.from_groups(effect, by=["effect", "term"]).fit().to_frame()
    )
    assert list(frame.columns[:3]) == ["effect", "effect_", "term"]


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "numpy"])
def test_every_kind_of_table_gives_the_same(kind):
    rng = np.random.default_rng(0)
    columns = {"x0": rng.normal(size=60).round(2), "x1": rng.integers(0, 3, 60)}
    values = rng.normal(size=60)
    make = {
        "pandas": pd.DataFrame,
        "polars": pl.DataFrame,
        "pyarrow": pa.table,
        "numpy": lambda c: np.column_stack(list(c.values())),
    }
    known = effect_of(values, pd.DataFrame(columns))
    X = make[kind](columns)
    effect = effect_of(values, X)
    by = 1 if kind == "numpy" else "x1"
    cells = ConditionalEffects.from_groups(effect, by=by).fit("HC3")
    other = ConditionalEffects.from_groups(known, by="x1").fit("HC3")
    np.testing.assert_array_equal(cells.bse, other.bse)
    formula = ConditionalEffects.from_formula(effect, "C(x1) + x0").fit("HC3")
    other = ConditionalEffects.from_formula(known, "C(x1) + x0").fit("HC3")
    np.testing.assert_array_equal(formula.bse, other.bse)
    assert formula.predict(X).shape == (60,)
    np.testing.assert_allclose(formula.predict(X), formula.fittedvalues, rtol=1e-12)
    np.testing.assert_allclose(cells.predict(X), cells.fittedvalues, rtol=1e-12)


# Formulas


@pytest.mark.parametrize("cov_type", COV_TYPES)
@pytest.mark.parametrize("weighted", [False, True])
def test_formulas_agree_with_statsmodels(data, cov_type, weighted):
    X, values, weights = data
    effect = effect_of(values, X, weights if weighted else None)
    results = ConditionalEffects.from_formula(
        effect, FORMULA, weights_type="importance"
    ).fit(cov_type)
    frame = X.assign(y=values)
    model = (
        smf.wls(f"y ~ {FORMULA}", frame, weights=weights)
        if weighted
        else smf.ols(f"y ~ {FORMULA}", frame)
    )
    known = model.fit(cov_type=cov_type, use_t=True)
    assert list(results.params.index) == list(known.params.index)
    np.testing.assert_allclose(results.params, known.params, rtol=1e-9)
    np.testing.assert_allclose(
        results.cov_params(), known.cov_params(), rtol=1e-8, atol=1e-12
    )
    np.testing.assert_allclose(results.pvalues, known.pvalues, rtol=1e-7)
    np.testing.assert_allclose(results.conf_int(), known.conf_int(), rtol=1e-8)
    assert results.rsquared == pytest.approx(known.rsquared, rel=1e-10)


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_agree_with_statsmodels(data, ways, weighted):
    X, values, weights = data
    columns = ["patient", "ward"][:ways]
    effect = effect_of(values, X, weights if weighted else None)
    model = ConditionalEffects.from_formula(effect, "age + bp")
    results = model.fit("cluster", {"groups": columns})
    frame = X.assign(y=values)
    known = smf.wls("y ~ age + bp", frame, weights=weights if weighted else 1.0)
    codes = np.column_stack([pd.factorize(X[c])[0] for c in columns])
    known = known.fit(
        cov_type="cluster",
        cov_kwds={"groups": codes[:, 0] if ways == 1 else codes},
        use_t=True,
    )
    np.testing.assert_allclose(results.cov_params(), known.cov_params(), rtol=1e-7)
    clusters = X["patient"].nunique() if ways == 1 else 8
    assert set(results.df) == {clusters - 1}
    again = model.fit("cluster", {"groups": X[columns].to_numpy()})
    np.testing.assert_allclose(again.bse, results.bse, rtol=1e-12)


def test_two_way_clusters_equal_the_formula_of_sums_over_pairs(data):
    # Σ ψᵢψⱼᵀ over pairs that share a cluster in either way, without corrections.
    X, values, _ = data
    a, b = np.asarray(X["patient"]), np.asarray(X["ward"])
    exog = np.column_stack([np.ones(len(X)), X["age"]])
    bread = np.linalg.inv(exog.T @ exog)
    resid = values - exog @ (bread @ exog.T @ values)
    n, scores = len(X), exog * resid[:, None]

    def meat(same, G):
        return G / (G - 1) * (n - 1) / (n - 2) * (scores.T @ same @ scores)

    one, two = a[:, None] == a, b[:, None] == b
    both = len({*zip(a, b, strict=True)})
    middle = meat(one, len(set(a))) + meat(two, 8) - meat(one & two, both)
    results = ConditionalEffects.from_formula(effect_of(values, X), "age").fit(
        "cluster", {"groups": ["patient", "ward"]}
    )
    np.testing.assert_allclose(results.cov_params(), bread @ middle @ bread, rtol=1e-9)


def test_negative_variances_of_two_way_clusters_are_reported():
    X = pd.DataFrame({"x": [0.0, 0, 1, 1], "a": list("uuvv"), "b": list("uvuv")})
    effect = effect_of([1.0, -1, -1, 1], X)
    with pytest.warns(RuntimeWarning, match="negative variance"):
        results = ConditionalEffects.from_formula(effect, "1").fit(
            "cluster", {"groups": ["a", "b"]}
        )
    assert (np.diag(results.cov_params()) >= 0).all()


def test_formulas_see_numpy_and_the_callers_functions(data):
    X, values, _ = data

    def halved(column):
        return column / 2

    results = ConditionalEffects.from_formula(
        effect_of(values, X), "np.log(bp) + halved(age)"
    ).fit()
    exog = sm.add_constant(np.column_stack([np.log(X["bp"]), X["age"] / 2]))
    np.testing.assert_allclose(results.params, sm.OLS(values, exog).fit().params)


def test_rows_with_missing_covariates_are_left_out_and_counted(data):
    X, values, _ = data
    X = X.assign(age=X["age"].where(X.index % 7 != 0))
    values = values.copy()
    values[:10] = np.nan
    results = ConditionalEffects.from_formula(effect_of(values, X), "age + sex").fit(
        "HC1"
    )
    known = smf.ols("y ~ age + sex", X.assign(y=values)).fit(cov_type="HC1")
    np.testing.assert_allclose(results.bse, known.bse, rtol=1e-10)
    dropped = np.isnan(X["age"].to_numpy()[10:]).sum()
    assert f"{dropped} rows were left out" in results.summary()
    predicted = results.predict(X)
    np.testing.assert_array_equal(np.isnan(predicted), np.isnan(X["age"]))
    frame = results.prediction_frame(X)
    assert frame["std_error"].isna().sum() == X["age"].isna().sum()


def test_predictions_equal_statsmodels_for_rows_that_splines_remember(data):
    X, values, _ = data
    formula = "bs(age, df=4) + center(bp) + C(sex)"
    results = ConditionalEffects.from_formula(effect_of(values, X), formula).fit("HC3")
    known = smf.ols(f"y ~ {formula}", X.assign(y=values)).fit(
        cov_type="HC3", use_t=True
    )
    new = X.iloc[[3, 50, 7]].assign(age=[30.0, 40.0, 50.0])
    table = known.get_prediction(new).summary_frame(alpha=0.1)
    for found in (results, pickle.loads(pickle.dumps(results))):
        frame = found.prediction_frame(new, alpha=0.1)
        np.testing.assert_allclose(found.predict(new), table["mean"], rtol=1e-9)
        np.testing.assert_allclose(frame["std_error"], table["mean_se"], rtol=1e-7)
        np.testing.assert_allclose(frame["conf_low"], table["mean_ci_lower"], rtol=1e-7)
        assert list(frame.index) == list(new.index)


@pytest.mark.skipif(
    not hasattr(statsmodels.formula, "options"),
    reason="statsmodels takes formulaic's formulas from 0.15 on",
)
def test_formulaic_evaluates_formulas_as_patsy_does(data, monkeypatch):
    X, values, _ = data
    effect, formula = effect_of(values, X), "bs(age, df=4) + C(sex) * np.log(bp)"
    known = ConditionalEffects.from_formula(effect, formula).fit("HC3")
    monkeypatch.setattr(statsmodels.formula.options, "formula_engine", "formulaic")
    results = ConditionalEffects.from_formula(effect, formula).fit("HC3")
    np.testing.assert_allclose(results.fittedvalues, known.fittedvalues, rtol=1e-8)
    np.testing.assert_allclose(
        results.anova(2), known.anova(2).loc[results.anova(2).index]
    )
    frame = results.prediction_frame(X.iloc[:9])
    pd.testing.assert_frame_equal(frame, known.prediction_frame(X.iloc[:9]))
    with pytest.raises(ValueError, match="Did you mean 'age'"):
        ConditionalEffects.from_formula(effect, "agee")


def test_results_become_statsmodels_own(data):
    X, values, weights = data
    for weighted in (None, weights):
        model = ConditionalEffects.from_formula(
            effect_of(values, X, weighted), "age + sex"
        )
        results = model.fit("cluster", {"groups": "patient"})
        own = results.to_statsmodels()
        np.testing.assert_allclose(own.bse, results.bse, rtol=1e-9)
        np.testing.assert_allclose(own.pvalues, results.pvalues, rtol=1e-8)
        np.testing.assert_allclose(own.resid, results.resid, atol=1e-10)


# Partitions


def test_a_partition_gives_its_cames_and_explains_its_share_of_variance():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    model = DecisionTreeRegressor(min_samples_leaf=20, random_state=0).fit(X, y)
    effect = fme(model, X, {"bmi": -2})
    tree = came(effect, n_partitions=4, method="cart")
    results = ConditionalEffects.from_tree(effect, tree).fit()
    np.testing.assert_allclose(results.params, tree.partitions_["ame"], rtol=1e-12)
    np.testing.assert_array_equal(results.nobs, tree.partitions_["n"])
    assert results.rsquared == pytest.approx(tree.variance_explained_, rel=1e-10)
    table = results.anova()
    assert table.loc["partition", "eta_sq"] == pytest.approx(
        tree.variance_explained_, rel=1e-10
    )
    assert list(results.to_frame()["rule"]) == list(tree.partitions_["rule"])
    ids = list(tree.partitions_.index)
    name = f"bmi -2 | subspace={ids[1]} - {ids[0]}"
    assert results.pairwise().params.index[0] == name
    assert tree.partitions_["rule"].iloc[0] in results.summary()
    np.testing.assert_allclose(results.predict(X), tree.predict(X), rtol=1e-12)


def test_any_tree_with_apply_is_a_partition(data):
    X, values, _ = data
    tree = DecisionTreeRegressor(max_leaf_nodes=3).fit(X[["age", "bp"]], values)
    effect = effect_of(values, X[["age", "bp"]])
    results = ConditionalEffects.from_tree(effect, tree).fit("HC2")
    assert len(results.params) == 3
    np.testing.assert_allclose(
        results.predict(X[["age", "bp"]]), tree.predict(X[["age", "bp"]])
    )


# Weights


@pytest.mark.parametrize("cov_type", [*COV_TYPES, "cluster", "two-way"])
@pytest.mark.parametrize("kind", ["groups", "formula"])
def test_frequency_weights_equal_repeated_rows(data, cov_type, kind):
    X, values, weights = data
    copies = np.repeat(np.arange(len(X)), weights.astype(int))
    cov_kwds = {
        "cluster": {"groups": "patient"},
        "two-way": {"groups": ["patient", "ward"]},
    }.get(cov_type)
    cov_type = "cluster" if cov_kwds else cov_type

    def fitted(effect):
        make = (
            ConditionalEffects.from_formula(effect, FORMULA, weights_type="frequency")
            if kind == "formula"
            else ConditionalEffects.from_groups(effect, "sex", weights_type="frequency")
        )
        return make.fit(cov_type, cov_kwds)

    weighted = fitted(effect_of(values, X, weights))
    repeated = fitted(effect_of(values[copies], X.iloc[copies]))
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-12)
    np.testing.assert_allclose(weighted.bse, repeated.bse, rtol=1e-12)
    np.testing.assert_allclose(weighted.conf_int(), repeated.conf_int(), rtol=1e-11)
    pd.testing.assert_frame_equal(
        weighted.anova(3), repeated.anova(3), rtol=1e-9, check_dtype=False
    )
    assert weighted.rsquared == pytest.approx(repeated.rsquared, rel=1e-12)
    if kind == "groups":
        assert weighted.welch_test().pvalue == pytest.approx(
            repeated.welch_test().pvalue, rel=1e-10
        )


def test_sampling_weights_have_a_robust_covariance_that_knows_no_scale(data):
    X, values, weights = data
    results = [
        ConditionalEffects.from_groups(effect_of(values, X, w), by="sex").fit()
        for w in (weights, 0.01 * weights)
    ]
    assert results[0].cov_type == "HC1"
    np.testing.assert_allclose(results[0].bse, results[1].bse, rtol=1e-12)
    women = np.asarray(X["sex"] == "f")
    w, e = weights[women], values[women]
    mean = w @ e / w.sum()
    se = np.sqrt(np.sum(w**2 * (e - mean) ** 2)) / w.sum() * np.sqrt(120 / 118)
    assert results[0].params.iloc[0] == pytest.approx(mean, rel=1e-13)
    assert results[0].bse.iloc[0] == pytest.approx(se, rel=1e-12)


def test_importance_weights_are_precisions(data):
    X, values, weights = data
    exog = pd.get_dummies(X["sex"]).astype(float)
    known = sm.WLS(values, exog, weights).fit()
    results = ConditionalEffects.from_groups(
        effect_of(values, X, weights), by="sex", weights_type="importance"
    ).fit()
    np.testing.assert_allclose(results.bse, known.bse, rtol=1e-12)
    assert results.df_resid == known.df_resid


def test_the_three_kinds_of_weights_differ_in_standard_errors_only(data):
    X, values, weights = data
    effect = effect_of(values, X, weights)
    results = [
        ConditionalEffects.from_groups(effect, by="sex", weights_type=kind).fit()
        for kind in ("frequency", "sampling", "importance")
    ]
    params, bse = (
        np.array([getattr(r, name) for r in results]) for name in ("params", "bse")
    )
    np.testing.assert_allclose(params[1:], params[:-1], rtol=1e-13)
    assert len(np.unique(bse[:, 0].round(9))) == 3


def test_rows_of_weight_zero_are_no_rows(data):
    X, values, weights = data
    weights = np.where(X.index % 3 == 0, 0.0, weights)
    kept = np.flatnonzero(weights)
    zero = ConditionalEffects.from_formula(effect_of(values, X, weights), "age").fit()
    none = ConditionalEffects.from_formula(
        effect_of(values[kept], X.iloc[kept], weights[kept]), "age"
    ).fit()
    np.testing.assert_array_equal(zero.bse, none.bse)
    np.testing.assert_array_equal(zero.nobs, len(kept))


# Analysis of variance


TERMS = "C(sex, Sum) * age + C(site, Sum) * age + bp"


@pytest.mark.parametrize("typ", [1, 2, 3])
def test_anova_agrees_with_statsmodels(data, typ):
    X, values, _ = data
    found = (
        ConditionalEffects.from_formula(effect_of(values, X), TERMS).fit().anova(typ)
    )
    table = anova_lm(smf.ols(f"y ~ {TERMS}", X.assign(y=values)).fit(), typ=typ)
    columns = ["df", "sum_sq", "F", "PR(>F)"]
    np.testing.assert_allclose(
        found[columns].astype(float), table.loc[found.index, columns], rtol=1e-7
    )
    assert set(table.index) - set(found.index) <= {"Intercept"}


@pytest.mark.parametrize("typ", [2, 3])
def test_robust_anova_agrees_with_statsmodels(data, typ):
    X, values, _ = data
    found = ConditionalEffects.from_formula(effect_of(values, X), TERMS).fit("HC3")
    known = smf.ols(f"y ~ {TERMS}", X.assign(y=values)).fit()
    table = anova_lm(known, typ=typ, robust="hc3")
    found = found.anova(typ).iloc[:-1]
    np.testing.assert_allclose(found["F"], table.loc[found.index, "F"], rtol=1e-6)


def test_weighted_sequential_sums_of_squares_are_falls_of_nested_fits(data):
    # statsmodels' anova_lm leaves weights out of type 1.
    X, values, weights = data
    effect = effect_of(values, X, weights)
    terms = ["age", "C(sex)", "bp", "C(sex):age"]
    formula = " + ".join(terms)
    model = ConditionalEffects.from_formula(effect, formula, weights_type="importance")
    found = model.fit().anova(1)
    order = [name for name in found.index if name != "Residual"]
    frame = X.assign(y=values)
    rss = [
        smf.wls("y ~ " + " + ".join(["1", *order[:i]]), frame, weights=weights)
        .fit()
        .ssr
        for i in range(len(order) + 1)
    ]
    np.testing.assert_allclose(found["sum_sq"].iloc[:-1], -np.diff(rss), rtol=1e-8)
    shares = found["sum_sq"].sum()
    np.testing.assert_allclose(found["eta_sq"].iloc[:-1], -np.diff(rss) / shares)


def test_effect_sizes_of_a_partition_are_those_by_hand(data):
    X, values, _ = data
    table = (
        ConditionalEffects.from_groups(effect_of(values, X), by="site").fit().anova()
    )
    sites = pd.Series(values).groupby(np.asarray(X["site"]))
    within = sites.apply(lambda e: np.sum((e - e.mean()) ** 2)).sum()
    total = np.sum((values - values.mean()) ** 2)
    error = within / (len(values) - 4)
    row = table.loc["site"]
    assert row["eta_sq"] == pytest.approx(1 - within / total, rel=1e-12)
    omega = (total - within - 3 * error) / (total + error)
    assert row["omega_sq"] == pytest.approx(omega, rel=1e-12)
    known = stats.f_oneway(*(e for _, e in sites))
    assert row["F"] == pytest.approx(known.statistic, rel=1e-11)
    assert row["PR(>F)"] == pytest.approx(known.pvalue, rel=1e-9)


def test_omega_squared_of_a_useless_partition_is_zero_on_average():
    rng = np.random.default_rng(0)
    sizes = []
    for _ in range(100):
        effect = effect_of(rng.normal(size=60))
        by = rng.integers(0, 4, 60)
        row = ConditionalEffects.from_groups(effect, by=by).fit().anova().iloc[0]
        sizes.append([row["omega_sq"], row["eta_sq"]])
    omega, eta = np.transpose(sizes)
    assert abs(omega.mean()) < 3 * omega.std() / 10
    assert eta.mean() > 10 * eta.std() / 10


# Several outputs


@pytest.fixture
def classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    return fme(model, X, {"petal width (cm)": 0.3}), y.to_numpy()


@pytest.mark.parametrize("cov_type", [*COV_TYPES, "cluster"])
def test_effects_on_probabilities_cancel_with_their_covariance(classes, cov_type):
    effect, y = classes
    n = len(effect.fme)
    kwds = {"groups": np.arange(n) % 20} if cov_type == "cluster" else None
    results = ConditionalEffects.from_groups(effect, by=y).fit(cov_type, kwds)
    assert list(results.labels.columns) == ["effect", "output", "group"]
    R = np.zeros((3, 9))  # the sum over outputs, in each group
    R[np.arange(9) % 3, np.arange(9)] = 1.0
    sums = results.contrasts(R)
    np.testing.assert_allclose(sums.params, 0, atol=1e-14)
    np.testing.assert_array_equal(sums.bse, 0)


@pytest.mark.parametrize("cov_type", COV_TYPES)
def test_each_output_has_the_results_that_it_has_alone(classes, cov_type):
    effect, y = classes
    together = ConditionalEffects.from_groups(effect, by=y).fit(cov_type)
    for k, output in enumerate(effect.outputs):
        alone = ConditionalEffects.from_groups(effect, by=y, output=output).fit(
            cov_type
        )
        own = slice(3 * k, 3 * k + 3)
        np.testing.assert_allclose(together.bse.iloc[own], alone.bse, rtol=1e-12)
        np.testing.assert_allclose(together.rsquared[output], alone.rsquared)
        table = together.anova().loc[output]
        pd.testing.assert_frame_equal(table, alone.anova(), check_names=False)


def test_covariance_between_outputs_is_that_of_a_stacked_regression(classes):
    # Both outputs in one column, with interactions, and rows as clusters.
    effect, _ = classes
    X, both, _ = effect.counted_data()
    X = X.rename(columns=lambda name: name[:7].replace(" ", "_"))
    pair, n = effect_of(both[:, :2], X), len(both)
    results = ConditionalEffects.from_formula(pair, "sepal_l").fit("HC0")
    exog = sm.add_constant(X["sepal_l"].to_numpy())
    known = sm.OLS(both[:, :2].T.ravel(), np.kron(np.eye(2), exog)).fit(
        cov_type="cluster",
        cov_kwds={"groups": np.tile(np.arange(n), 2), "use_correction": False},
    )
    np.testing.assert_allclose(results.cov_params(), known.cov_params(), rtol=1e-8)
    assert results.params.index[1] == "sepal_l[y0]"
    predicted = results.predict(X)
    np.testing.assert_allclose(predicted.T.ravel(), known.fittedvalues, rtol=1e-9)


# Where there is nothing to estimate an error from


@pytest.mark.parametrize("cov_type", ["HC0", "HC1", "HC2", "HC3"])
def test_a_group_of_one_row_has_no_robust_standard_error(cov_type):
    X = pd.DataFrame({"g": ["lone", *"aaabbb"]})
    effect = effect_of([5.0, 1, 2, 4, 3, 3, 6], X)
    with pytest.warns(RuntimeWarning, match="g=lone.*a single row determines it"):
        results = ConditionalEffects.from_groups(effect, by="g").fit(cov_type)
    assert np.isnan(results.bse["x +1 | g=lone"])
    assert results.bse.notna().sum() == 2
    assert results.params["x +1 | g=lone"] == 5
    with pytest.warns(RuntimeWarning):
        differences = results.pairwise()
    assert differences.pvalues.isna().sum() == 2
    assert differences.pvalues_adjusted("holm").notna().sum() == 1
    with pytest.raises(ValueError, match="no F test"):
        results.anova()
    pooled = ConditionalEffects.from_groups(effect, by="g").fit()
    assert pooled.bse.notna().all()


def test_a_row_that_a_coefficient_hangs_on_has_no_robust_standard_error():
    X = pd.DataFrame({"a": np.arange(8.0), "lone": [0.0] * 7 + [3.0]})
    effect = effect_of(np.arange(8.0) ** 2, X)
    with pytest.warns(RuntimeWarning, match="'lone'"):
        results = ConditionalEffects.from_formula(effect, "a + lone").fit("HC3")
    known = smf.ols("y ~ a", X.assign(y=effect.fme).iloc[:7]).fit(cov_type="HC3")
    np.testing.assert_allclose(results.bse[["Intercept", "a"]], known.bse, rtol=1e-9)
    assert np.isnan(results.bse["lone"])


def test_a_group_within_one_cluster_has_no_standard_error():
    X = pd.DataFrame({"g": list("aabbbb"), "c": [1, 1, 2, 2, 3, 3]})
    effect = effect_of([1.0, 2, 1, 3, 5, 4], X)
    model = ConditionalEffects.from_groups(effect, by="g")
    with pytest.warns(RuntimeWarning, match="g=a.*a single cluster determines it"):
        results = model.fit("cluster", {"groups": "c"})
    assert list(results.bse.isna()) == [True, False]
    model = ConditionalEffects.from_formula(effect, "C(g, Sum)")
    with pytest.warns(RuntimeWarning, match="a single cluster"):
        results = model.fit("cluster", {"groups": "c"})
    assert results.bse.isna().all()  # both are differences from group a


def test_groups_have_the_degrees_of_freedom_of_their_own_clusters(data):
    X, values, _ = data
    X = X.assign(cluster=np.where(X["sex"] == "m", X["patient"] % 5, X["patient"]))
    model = ConditionalEffects.from_groups(effect_of(values, X), by="sex")
    results = model.fit("cluster", {"groups": "cluster"})
    women = X.loc[X["sex"] == "f", "cluster"].nunique()
    assert list(results.df) == [women - 1, 4]
    assert "fewer than 40 clusters" in results.summary()


def test_effects_without_spread_have_no_error():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    effect = fme(LinearRegression().fit(X, y), X, {"bmi": -2})
    results = ConditionalEffects.from_groups(effect, by=X["sex"]).fit("HC3")
    np.testing.assert_array_equal(results.bse, 0)
    assert "No spread at all" in results.summary()
    assert np.isnan(results.rsquared)
    table = results.anova()
    assert np.isnan(table["F"]).all()
    with pytest.raises(ValueError, match="variance in each group"):
        results.welch_test()


# Bad input


def sampled(values=None, scale=None):
    """The effect of the sample, or of other values; with its weights times a scale."""
    X, fme_, weights = sample()
    values = fme_ if values is None else values
    return effect_of(values, X, None if scale is None else scale * weights)


def by_sex(effect=None, **options):
    effect = sampled() if effect is None else effect
    return ConditionalEffects.from_groups(effect, by="sex", **options)


def grouped(by):
    return ConditionalEffects.from_groups(sampled(), by=by)


def on(formula):
    return ConditionalEffects.from_formula(sampled(), formula)


def test_rows_without_a_label_are_a_group_of_their_own():
    effect = sampled()
    labels = pd.Series(np.where(np.arange(120) < 30, None, "seen"))
    results = ConditionalEffects.from_groups(effect, labels).fit()
    averages = effect.average(labels)
    assert results.to_frame()["n"].tolist() == averages["n"].tolist() == [90, 30]
    np.testing.assert_allclose(results.params, averages["ame"])
    assert results.names[1].endswith("=missing")


REFUSED_GROUPS = {
    "misspelt": ("sexx", "by names 'sexx'.*Did you mean 'sex'"),
    "one of two misspelt": (["sex", "cite"], "Did you mean 'site'"),
    "one group": (np.ones(120), "at least two are expected"),
    "too few labels": (["f", "m", "f"], r"by has shape \(3,\), expected \(120,\)"),
    "too few rows of labels": (np.zeros((3, 2)), "by has 3 rows, expected 120"),
}


@pytest.mark.parametrize(
    ("by", "message"), REFUSED_GROUPS.values(), ids=REFUSED_GROUPS.keys()
)
def test_groups_that_do_not_fit_the_rows_are_refused(by, message):
    with pytest.raises(ValueError, match=message):
        grouped(by)


REFUSED_MODELS = {
    "unknown output": (lambda: by_sex(output="no"), "'no' is no output.*'y0'"),
    "unknown weights_type": (
        lambda: by_sex(weights_type="analytic"),
        "weights_type='analytic' is not known",
    ),
    "counts that are not whole": (
        lambda: by_sex(sampled(scale=1.0 + 1 / 7), weights_type="frequency"),
        "must be whole; 120 of 120 are not, such as",
    ),
    "weights of zero": (lambda: by_sex(sampled(scale=0)), "No row counts"),
    "no effects": (
        lambda: by_sex(sampled(np.full(120, np.nan))),
        "No row counts for the effect 'x .1' .missing: 120",
    ),
    "too many groups": (
        lambda: ConditionalEffects.from_groups(
            effect_of(np.zeros(1200)), by=np.arange(1200)
        ),
        "1200 groups by group among 1200 rows.*at most 1000",
    ),
    "a misspelt covariate": (
        lambda: on("agee"),
        "'agee' is not a column of X. Did you mean 'age'",
    ),
    "a response in the formula": (lambda: on("fme ~ age"), "left-hand side"),
    "a formula that ends early": (lambda: on("age +"), "cannot be evaluated"),
}


@pytest.mark.parametrize(
    ("call", "message"), REFUSED_MODELS.values(), ids=REFUSED_MODELS.keys()
)
def test_models_without_rows_weights_or_columns_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


REFUSED_FITS = {
    "as many groups as rows": (
        lambda: grouped(np.arange(120)).fit(),
        "120 rows that count cannot estimate 120",
    ),
    "unknown cov_type": (lambda: by_sex().fit("HC4"), "cov_type='HC4' is not known"),
    "no clusters": (lambda: by_sex().fit("cluster"), "needs cov_kwds"),
    "clusters without their cov_type": (
        lambda: by_sex().fit("HC1", {"groups": "site"}),
        "'groups', which cov_type='HC1' does not take",
    ),
    "unknown cov_kwds": (
        lambda: by_sex().fit("cluster", {"maxlags": 2}),
        "'maxlags'.*takes 'groups'",
    ),
    "too few clusters' labels": (
        lambda: by_sex().fit("cluster", {"groups": np.ones(7)}),
        r"groups has shape \(7,\), expected \(120,\)",
    ),
    "one cluster": (
        lambda: by_sex().fit("cluster", {"groups": np.ones(120)}),
        "all rows that count in one cluster",
    ),
    "clusters missing": (
        lambda: by_sex().fit(
            "cluster", {"groups": np.where(np.arange(120) < 5, np.nan, 1)}
        ),
        "groups is missing in 5 of 120",
    ),
    "three ways of clustering": (
        lambda: by_sex().fit("cluster", {"groups": ["site", "sex", "patient"]}),
        "groups has 3 columns",
    ),
    "sampling weights without a robust covariance": (
        lambda: by_sex(sampled(scale=1)).fit("nonrobust"),
        "wrong for sampling weights",
    ),
    "collinear covariates": (
        lambda: on("age + I(2 * age) + bp").fit(),
        "singular: 'I.2 . age.' can be computed from the columns before it",
    ),
}


@pytest.mark.parametrize(
    ("call", "message"), REFUSED_FITS.values(), ids=REFUSED_FITS.keys()
)
def test_fits_that_estimate_nothing_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


REFUSED_QUESTIONS = {
    "Welch's test of a formula": (
        lambda: on("age").fit().welch_test(),
        "compares groups",
    ),
    "Welch's test with sampling weights": (
        lambda: by_sex(sampled(scale=1)).fit().welch_test(),
        "no sampling weights",
    ),
    "an unknown type of anova": (
        lambda: by_sex().fit().anova(4),
        "typ must be 1, 2 or 3",
    ),
    "predictions of unknown groups": (
        lambda: by_sex().fit().predict(sample()[0].assign(sex="x")),
        "groups without an estimate: x.*Known: 'f', 'm'",
    ),
}


@pytest.mark.parametrize(
    ("call", "message"), REFUSED_QUESTIONS.values(), ids=REFUSED_QUESTIONS.keys()
)
def test_questions_that_results_cannot_answer_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


WRONG_TYPES = {
    "several effects": (
        lambda: ConditionalEffects.from_groups({"a": sampled()}, "sex"),
        r"effects\['a'\]",
    ),
    "numbers": (
        lambda: ConditionalEffects.from_groups(sample()[1], "sex"),
        "got ndarray",
    ),
    "no tree": (
        lambda: ConditionalEffects.from_tree(sampled(), "tree"),
        "fitted EffectTree",
    ),
    "no formula": (lambda: on(3), "must be a string"),
}


@pytest.mark.parametrize(
    ("call", "message"), WRONG_TYPES.values(), ids=WRONG_TYPES.keys()
)
def test_what_is_no_effect_tree_or_formula_is_refused(call, message):
    with pytest.raises(TypeError, match=message):
        call()


ONE_OUTPUT = {
    "Welch's test": lambda results: results.welch_test(),
    "statsmodels": lambda results: results.to_statsmodels(),
    "wild bootstrap": lambda results: results.wild_bootstrap("row 1 = row 2"),
    "mixed model": lambda results: ConditionalEffects.mixed(
        results.model.counted.effect, "1", groups=np.arange(150) % 9
    ),
}


@pytest.mark.parametrize("call", ONE_OUTPUT.values(), ids=ONE_OUTPUT.keys())
def test_what_takes_one_output_names_the_parameter(classes, call):
    effect, y = classes
    results = ConditionalEffects.from_groups(effect, by=y).fit(
        "cluster", {"groups": np.arange(150) % 9}
    )
    with pytest.raises(ValueError, match="output="):
        call(results)


def test_one_output_of_several_becomes_a_statsmodels_regression(classes):
    effect, y = classes
    results = ConditionalEffects.from_groups(effect, by=y).fit(
        "cluster", {"groups": np.arange(150) % 9}
    )
    assert results.to_statsmodels("0").params.shape == (3,)


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "HC2", "HC3"])
def test_what_rounding_leaves_of_equal_effects_is_no_error(cov_type):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=99), "b": np.arange(99) % 3})
    # in each of two groups the effect is 16.5 in every row, up to rounding
    table = X.assign(group=X["b"])
    effect = fme(
        lambda X: np.where(X["b"] > 1, X["a"] ** 2, 3.3 * X["a"] + X["b"]),
        table,
        {"a": 5},
        extrapolation=None,
    )
    results = ConditionalEffects.from_groups(effect, "group").fit(cov_type=cov_type)
    if cov_type != "nonrobust":  # which pools the groups' variances
        assert results.bse.iloc[:2].tolist() == [0, 0]
        assert results.bse.iloc[2] > 0.1
        pair = results.pairwise().to_frame().iloc[0]
        assert pair[["std_error", "statistic", "p_value"]].tolist() == [0, 0, 1]
    assert results.pairwise().params.iloc[0] == 0


@pytest.fixture
def dated():
    """An effect that grows by 2 a year, over days in New York."""
    day = pd.date_range("2021-01-01 23:30", periods=730, tz="America/New_York")
    X = pd.DataFrame({"x": 1.0 + np.arange(730) / 365.25, "day": day})
    X["wait"] = X["day"] - X["day"].min()
    return fme(lambda t: t["x"].to_numpy() ** 2, X, {"x": 1.0}, extrapolation=None)


@pytest.mark.parametrize("formula", ["day", "x + day", "wait:x", "(day + x) * x"])
def test_a_date_is_no_term_of_a_formula_by_itself(dated, formula):
    column, write = (
        ("wait", "total_seconds") if "wait" in formula else ("day", "dt.year")
    )
    with pytest.raises(
        TypeError, match=rf"Column '{column}' holds .*{write}.*C\({column}\)"
    ):
        ConditionalEffects.from_formula(dated, formula)
    with pytest.raises(TypeError, match=f"Column '{column}' holds"):
        ConditionalEffects.mixed(dated, formula, groups=np.arange(730) // 5)


def test_numbers_of_a_date_are_terms(dated):
    years = "I(day.dt.year + day.dt.day_of_year / 365.25)"
    fitted = ConditionalEffects.from_formula(dated, years).fit()
    assert fitted.params.iloc[1] == pytest.approx(2, rel=0.01)
    hours = ConditionalEffects.from_formula(
        dated, "I(wait.dt.total_seconds() / 3600)"
    ).fit()
    assert hours.params.iloc[1] == pytest.approx(2 / 365.25 / 24, rel=1e-3)


def test_formulas_read_the_clock_of_the_columns_time_zone(dated):
    day = "C(day.dt.month) + C(day.dt.hour)"
    names = ConditionalEffects.from_formula(dated, day).exog_names
    assert len(names) == 12  # all at half past 23 there, at two hours in UTC


def test_dates_are_categories_where_the_formula_says_so(dated):
    firsts = dated.X["day"].dt.normalize().where(dated.X["day"].dt.day < 20)
    X = dated.X.assign(
        day=firsts.ffill().dt.tz_localize(None).dt.to_period("Y").dt.start_time
    )
    effect = fme(lambda t: t["x"].to_numpy() ** 2, X, {"x": 1.0}, extrapolation=None)
    by_term = ConditionalEffects.from_formula(effect, "C(day)").fit()
    by_group = ConditionalEffects.from_groups(effect, "day").fit()
    assert by_term.params.iloc[0] == pytest.approx(by_group.params.iloc[0])
    assert len(by_term.params) == len(by_group.params) == 2


def test_groups_of_one_row_each_are_refused_with_a_part_of_a_date(dated):
    with pytest.raises(
        ValueError, match=r"each of the 730 rows .* by=X\['day'\].dt.month"
    ):
        ConditionalEffects.from_groups(dated, "day")
    months = ConditionalEffects.from_groups(dated, dated.X["day"].dt.month).fit()
    assert len(months.params) == 12


def test_a_response_is_no_change_of_a_prediction():
    table = pd.DataFrame({"x": np.arange(30.0), "g": np.arange(30) % 3})
    loss = pd.Series(np.sin(np.arange(30)), name="loss")
    results = ConditionalEffects.from_response(loss, table, "C(g)").fit()
    right = sm.OLS(
        loss, pd.get_dummies(table["g"], drop_first=True, dtype=float).assign(c=1)
    ).fit()
    assert results.params.iloc[0] == pytest.approx(right.params["c"])
    text = str(results)
    assert "loss" in text
    assert "Change in" not in text
    assert "model held fixed" not in text
    missing = loss.where(np.arange(30) > 4)
    assert ConditionalEffects.from_response(missing, table, "C(g)").fit().nobs[0] == 25
    for bad in (loss[:5], ["a"] * 30, loss.replace(loss[3], np.inf)):
        with pytest.raises(ValueError, match="y h"):
            ConditionalEffects.from_response(bad, table, "x")


def test_an_effect_is_no_regression_yet():
    effect = fme(lambda X: X["a"] ** 2, pd.DataFrame({"a": [1.0, 2, 3]}), {"a": 1})
    with pytest.raises(TypeError, match=r"made by from_formula\(effect, formula\)"):
        ConditionalEffects(effect, "a")
