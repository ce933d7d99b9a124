"""Optima over refits: against refits by hand, closed forms, bounds and equality."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skfme import FMEExplainer
from skfme.statsmodels import optimum_effects


def terms(X):
    """G and 1/G, alone and where N is 1: the law is linear in them."""
    G, N = X["G"], X["N"]
    return np.column_stack([G, 1 / G, N, N * G, N / G])


LAW = make_pipeline(FunctionTransformer(terms), LinearRegression())


def runs(n=150, best=(6.78, 6.78), noise=0.004, seed=0):
    """Losses e·G + e·best²/G with one optimum for each N."""
    rng = np.random.default_rng(seed)
    levels = [1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0]
    X = pd.DataFrame({"G": rng.choice(levels, n), "N": rng.choice([0.0, 1.0], n)})
    optimum = np.where(X["N"] == 0, *best)
    y = 0.004 * (X["G"] + optimum**2 / X["G"]) + noise * rng.normal(size=n)
    return X, y


def results_of(model, X, y, **options):
    explainer = FMEExplainer(model, {"G": 1})
    options = {"by": "N", "n_resamples": 40, "random_state": 0, **options}
    return optimum_effects(explainer, X, y, "G", direction="min", **options)


def test_replicates_are_the_optima_of_refits_and_intervals_are_normal_in_logs():
    X, y = runs()
    results = results_of(LAW, X, y)
    weights = LAW.fit(X, y)[-1].coef_
    closed = [
        np.sqrt(weights[1] / weights[0]),
        np.sqrt((weights[1] + weights[4]) / (weights[0] + weights[3])),
    ]
    np.testing.assert_allclose(results.params, closed, rtol=1e-5)
    logs = np.log(results.replicates)
    half = stats.norm.isf(0.025) * logs.std(axis=0, ddof=1)
    ends = np.exp(np.log(results.params.to_numpy())[:, None] + np.outer(half, [-1, 1]))
    np.testing.assert_allclose(results.conf_int(), ends, rtol=1e-10)
    assert results.method == "normal"
    assert ((ends[:, 0] < 6.78) & (ends[:, 1] > 6.78)).all()
    assert results.to_frame()["share_at_edge"].tolist() == [0, 0]


def test_the_printed_table_has_intervals_and_no_test_of_an_optimum_at_zero():
    X, y = runs()
    head = str(results_of(LAW, X, y)).splitlines()[2]
    assert head.split() == ["effect", "coef", "std", "err", "[0.025", "0.975]"]


def test_equal_optima_are_equivalent_and_unequal_ones_are_told_apart():
    X, y = runs()
    equality = results_of(LAW, X, y).equality(0.2)
    assert equality.equivalent
    assert equality.wald.pvalue > 0.05
    X, y = runs(best=(6.78, 3.5))
    results = results_of(LAW, X, y)
    equality = results.equality(0.2)
    assert not equality.equivalent
    assert equality.wald.pvalue < 1e-6
    difference = np.diff(np.log(results.params))
    np.testing.assert_allclose(equality.differences.params, difference)
    variance = np.diff(np.log(results.replicates)).var(ddof=1)
    assert float(equality.wald.statistic) == pytest.approx(
        difference[0] ** 2 / variance
    )
    assert "bias that no" in str(equality)


def test_boosting_answers_with_levels_and_percentiles():
    X, y = runs(n=120)
    model = GradientBoostingRegressor(n_estimators=40, random_state=0)
    results = results_of(model, X, y, n_resamples=199)
    assert results.method == "percentile"
    levels = {1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0}
    middles = {np.sqrt(5 * 10.0)}  # of a plateau over 6 and 8
    assert set(results.replicates.ravel()) <= levels | middles
    ordered = np.sort(results.replicates, axis=0)
    np.testing.assert_allclose(results.conf_int()[0], ordered[4])  # 0.025 · 200
    assert "from level to level" in " ".join(str(results).split())


def test_an_optimum_at_the_edge_has_no_interval_and_equals_nothing():
    X, y = runs(best=(6.78, 40.0))
    results = results_of(LAW, X, y)
    assert results.share_at_edge.tolist() == [0, 1]
    missing = results.conf_int().isna().all(axis=1)
    assert missing.tolist() == [False, True]
    assert results.pvalues.isna().tolist() == [False, True]
    assert np.isnan(results.to_frame()["statistic"].iloc[1])
    assert results.plot().ax_ is not None
    assert "it is a bound, and has no interval" in " ".join(str(results).split())
    with pytest.raises(ValueError, match="a bound, which equals nothing"):
        results.equality(0.1)


def test_one_group_has_no_equality_to_test():
    X, y = runs()
    results = results_of(LAW, X, y, by=None, n_resamples=5)
    with pytest.raises(ValueError, match="there is one of all rows"):
        results.equality(0.1)


def test_a_margin_that_is_none_is_refused():
    results = results_of(LAW, *runs(), n_resamples=5)
    for margin in ("small", 0, -0.1, np.inf):
        with pytest.raises(ValueError, match="margin must be a positive number, got"):
            results.equality(margin)


def test_a_frozen_model_and_unknown_choices_are_refused():
    X, y = runs()
    with pytest.raises(TypeError, match="cannot be fitted again"):
        results_of(FrozenEstimator(LAW.fit(X, y)), X, y)
    with pytest.raises(ValueError, match="method must be one of"):
        results_of(LAW, X, y, method="bca")
    with pytest.raises(ValueError, match="is a column of the results' tables"):
        results_of(LAW, X, y, by=pd.Series(X["N"], name="estimate"))
