"""Tests of covariates and searches for splits, against definitions and brute force."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2, norm

from skfme._summaries.weighting import Weighting
from skfme.statsmodels import EffectTree
from skfme.statsmodels._tree.covariates import Covariate, Sample
from skfme.statsmodels._tree.growing import Layer
from skfme.statsmodels._tree.layer_tallies import NodeTally
from skfme.statsmodels._tree.node_sums import FactorLevels, NodeMoments, Scores
from skfme.statsmodels._tree.split_search import (
    _knapsack,
    best_bipartition,
    best_contiguous,
    best_cut,
)
from skfme.statsmodels._tree.split_tests import (
    _probability_inside,
    adjusted,
    factor_tests,
    log_1_minus_p,
    numeric_statistics,
    preference,
)


def _strasser_weber(g, y, w):
    """Linear statistic, expectation and covariance by their definitions."""
    total = w.sum()
    mean = w @ y / total
    v = w @ (y - mean) ** 2 / total
    sums = w @ g
    covariance = v * (
        total / (total - 1) * (g.T * w) @ g - np.outer(sums, sums) / (total - 1)
    )
    return (w * y) @ g, mean * sums, covariance


def _layer(effects, weights=None, rows=None):
    every = np.zeros(len(effects) if rows is None else rows.max() + 1)
    every[slice(None) if rows is None else rows] = effects
    return Layer(Sample((), every, Weighting(weights, len(every))), [(rows, ())])


def _numeric(x):
    return [
        Covariate(f"x{j}", "numeric", (), x[:, j], bool(np.isnan(x[:, j]).any()))
        for j in range(x.shape[1])
    ]


@pytest.fixture(params=[False, True], ids=["unweighted", "weighted"])
def node(request):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(60, 3)), rng.normal(size=60)
    levels = rng.integers(0, 4, 60)
    w = rng.integers(1, 4, 60).astype(float) if request.param else np.ones(60)
    return x, y, levels, w, w if request.param else None


def test_closed_form_of_numeric_statistic_is_the_definition(node):
    x, y, _, w, given_weights = node
    deviations = y - np.average(y, weights=w)
    ours = numeric_statistics(
        Scores(_numeric(x), len(y)).moments(_layer(deviations, given_weights)), 0.0
    )[0]
    for j in range(3):
        t, mu, sigma = _strasser_weber(x[:, [j]], y, w)
        assert ours[j] == pytest.approx(((t - mu) ** 2 / sigma[0]).item(), rel=1e-11)


def test_closed_forms_of_factor_statistics_are_the_definitions(node):
    _, y, levels, w, given_weights = node
    t, mu, sigma = _strasser_weber(np.eye(4)[levels], y, w)
    quadratic = (t - mu) @ np.linalg.pinv(sigma) @ (t - mu)
    deviations = y - np.average(y, weights=w)
    factor = Covariate("f", "unordered", tuple("abcd"), levels, False)
    sums = FactorLevels([factor], len(y)).sums(_layer(deviations, given_weights))
    ((statistic,),), ((log_p,),) = factor_tests(sums, 0.0, "quadratic")
    assert statistic == pytest.approx(quadratic, rel=1e-10)
    assert log_p == pytest.approx(np.log1p(-chi2.sf(quadratic, 3)), rel=1e-9)
    ((maximum,),), _ = factor_tests(sums, 0.0, "maximum")
    assert maximum == pytest.approx(np.max(np.abs(t - mu) / np.sqrt(np.diag(sigma))))


@pytest.mark.parametrize("shares", [[0.2, 0.3, 0.5], [0.05, 0.15, 0.2, 0.6]])
@pytest.mark.parametrize("largest", [0.4, 1.0, 2.0, 3.0])
def test_maximum_of_correlated_normals_equals_their_integral(shares, largest):
    p = np.array(shares)
    odds = np.sqrt(p / (1 - p))
    correlation = -np.outer(odds, odds)
    np.fill_diagonal(correlation, 1)
    draws = np.random.default_rng(0).multivariate_normal(
        np.zeros(len(p)), correlation, 400_000, method="eigh"
    )
    simulated = np.mean(np.abs(draws).max(axis=1) <= largest)
    assert _probability_inside(largest, p) == pytest.approx(simulated, abs=4e-3)


def test_maximum_of_independent_normals_is_their_product():
    shares = np.full(400, 1 / 400)
    inside = _probability_inside(3.0, shares)
    assert inside == pytest.approx((1 - 2 * norm.sf(3.0)) ** 400, rel=5e-3)


def test_p_values_of_any_size_keep_their_order():
    logs = log_1_minus_p(np.array([50.0, 500.0, 1000.0]))
    assert (np.diff(logs) > 0).all()
    assert -logs[1] == pytest.approx(chi2.sf(500.0, 1), rel=1e-10)


def test_bonferroni_counts_only_what_was_tested():
    logs = np.array([-0.1, np.nan, -0.2])
    np.testing.assert_allclose(adjusted(logs, "bonferroni"), [-0.2, np.nan, -0.4])
    np.testing.assert_array_equal(adjusted(logs, "univariate"), logs)


def test_larger_statistic_wins_where_p_values_vanish_and_later_column_of_equals():
    zero, some = np.array([-0.0, -0.0, -1e-9]), np.array([2000.0, 3000.0, 40.0])
    assert list(preference(zero, some)) == [1, 0, 2]
    assert list(preference(np.array([-0.1, -0.1]), np.array([5.0, 5.0]))) == [1, 0]


def test_constant_covariates_are_not_tested():
    rng = np.random.default_rng(0)
    x = np.column_stack([np.full(50, 0.1), rng.normal(size=50)])
    y = rng.normal(size=50)
    moments = Scores(_numeric(x), 50).moments(_layer(y - y.mean()))
    ours = numeric_statistics(moments, 1.5e-8)[0]
    assert np.isnan(ours[0])
    assert ours[1] > 0


@pytest.mark.parametrize("holed", [False, True])
def test_statistic_survives_a_mean_far_from_zero(holed):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(500, 1)), rng.normal(size=500)
    y -= y.mean()
    far = np.vstack([x * 1e-4 + 1e3, rng.normal(size=(500, 1))])
    far[-1] = np.nan if holed else far[-1]
    node = _layer(y, rows=np.arange(500))
    near = numeric_statistics(Scores(_numeric(x), 500).moments(_layer(y)), 0.0)
    ours = numeric_statistics(Scores(_numeric(far), 1000).moments(node), 0.0)
    np.testing.assert_allclose(ours, near, rtol=1e-7)


@pytest.mark.parametrize("weighted", [False, True])
def test_rows_without_a_covariate_do_not_count_in_its_test(weighted):
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(80, 2)), rng.normal(size=80)
    w = rng.uniform(0.5, 2, 80) if weighted else None
    levels = rng.integers(0, 3, 80)
    missing = rng.random(80) < 0.4
    y[missing] += 5
    x[missing, 0] = np.nan
    w_seen = None if w is None else w[~missing]
    whole = _layer(y - np.average(y, weights=w), w)
    seen = _layer(y[~missing] - np.average(y[~missing], weights=w_seen), w_seen)
    ours = numeric_statistics(Scores(_numeric(x), 80).moments(whole), 0.0)
    n_seen = (~missing).sum()
    alone = numeric_statistics(Scores(_numeric(x[~missing]), n_seen).moments(seen), 0.0)
    # Columns with missing values come last.
    assert ours[0, 1] == pytest.approx(alone[0, 0], rel=1e-12)
    codes = np.where(missing, -1, levels)
    factor = Covariate("f", "unordered", tuple("abc"), codes, True)
    full = Covariate("g", "unordered", tuple("abc"), levels, False)
    ((with_holes, _),), _ = factor_tests(
        FactorLevels([factor, full], 80).sums(whole), 0.0, "quadratic"
    )
    observed = Covariate("f", "unordered", tuple("abc"), levels[~missing], False)
    ((complete,),), _ = factor_tests(
        FactorLevels([observed], n_seen).sums(seen), 0.0, "quadratic"
    )
    assert with_holes == pytest.approx(complete, rel=1e-12)


def _brute_cut(x, y, w, least):
    best, where = 0.0, None
    for cut in np.unique(x)[:-1]:
        left = x <= cut
        a, total = w[left].sum(), w.sum()
        if a < least or total - a < least:
            continue
        gain = (w * y)[left].sum() ** 2 / (a * (total - a))
        if gain > best * (1 + 1e-12):
            best, where = gain, cut
    return where


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([1, 4, 15]))
def test_best_cut_is_the_first_best_of_all(seed, weighted, least):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.integers(0, 12, 30)).astype(float)
    w = rng.integers(1, 4, 30).astype(float) if weighted else np.ones(30)
    y = np.round(rng.normal(size=30), 1)
    y = y - np.average(y, weights=w)
    cut = best_cut(x, Weighting(w if weighted else None, 30), y, least)
    expected = _brute_cut(x, y, w, least)
    assert (None if cut is None else x[cut.position]) == expected


def _brute_bipartition(weights, sums, least):
    best, sides = 0.0, None
    rest = range(1, len(weights))
    total = weights.sum()
    for number in range(1, 2 ** (len(weights) - 1)):
        right = [k for k in rest if number >> (k - 1) & 1]
        a = total - weights[right].sum()
        if a < least or total - a < least:
            continue
        gain = sums[right].sum() ** 2 / (a * (total - a))
        if gain > best * (1 + 1e-12):
            best, sides = gain, right
    return best, sides


def _levels(seed, k, real=False):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 9, k).astype(float)
    if real:
        weights += rng.random(k)
    sums = rng.normal(size=k) * weights
    return weights, sums - weights * sums.sum() / weights.sum()


@pytest.mark.parametrize("mean", [0.0, 5.0, -40.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_best_cut_does_not_depend_on_what_deviations_are_from(mean, weighted):
    rng = np.random.default_rng(3)
    y = np.where(np.arange(30) < 11, 0.0, 2.0) + rng.normal(size=30)
    w = rng.integers(1, 4, 30) if weighted else np.ones(30)
    given = Weighting(w.astype(float) if weighted else None, 30)
    best = best_cut(None, given, y + mean, 3)
    sums, left = np.cumsum(w * (y - np.average(y, weights=w))), np.cumsum(w)
    gains = (sums**2 / left / np.maximum(w.sum() - left, 1e-9))[:-1]
    gains[(left[:-1] < 3) | (w.sum() - left[:-1] < 3)] = 0
    assert best.position == gains.argmax()
    assert best.gain == pytest.approx(gains.max())


def test_one_level_or_equal_means_have_no_bipartition():
    assert best_bipartition(np.ones(1), np.zeros(1), 0.0) is None
    assert best_bipartition(np.ones(20), np.zeros(20), 0.0) is None


@pytest.mark.parametrize("k", [12, 20])
def test_real_weights_of_many_levels_have_an_admissible_bipartition(k):
    weights, sums = _levels(5, k)
    weights = weights + 0.5
    sums = sums - weights * sums.sum() / weights.sum()
    least = 0.45 * weights.sum()
    left = best_bipartition(weights, sums, least)
    assert left[0]
    assert min(weights[left].sum(), weights[~left].sum()) >= least
    gain = best_contiguous(weights, sums, least)[1]
    a, total = weights[left].sum(), weights.sum()
    assert sums[left].sum() ** 2 / (a * (total - a)) >= gain * (1 - 1e-12)


def test_equal_effects_have_no_best_split():
    assert best_cut(None, Weighting(None, 9), np.zeros(9), 1) is None
    assert best_contiguous(np.ones(4), np.zeros(4), 0.0) is None


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 8))
def test_best_bipartition_is_contiguous_in_the_means(seed, k):
    weights, sums = _levels(seed, k)
    left, gain = best_contiguous(weights, sums, 0.0)
    best, _ = _brute_bipartition(weights, sums, 0.0)
    assert gain == pytest.approx(best, rel=1e-10)
    assert 0 < left.sum() < k


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 8), st.integers(1, 20), st.booleans())
def test_best_admissible_bipartition_equals_brute_force(seed, k, least, real):
    weights, sums = _levels(seed, k, real)
    left = best_bipartition(weights, sums, least)
    _, right = _brute_bipartition(weights, sums, least)
    assert (None if left is None else list(np.flatnonzero(~left))) == right


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(1, 25))
def test_knapsack_equals_brute_force(seed, k, least):
    weights, sums = _levels(seed, k)
    left = _knapsack(weights.astype(int), sums, least)
    best, _ = _brute_bipartition(weights, sums, least)
    if best == 0:
        assert left is None
        return
    a, total = weights[left].sum(), weights.sum()
    assert min(a, total - a) >= least
    assert sums[left].sum() ** 2 / (a * (total - a)) == pytest.approx(best, rel=1e-10)


def test_many_levels_under_a_binding_minbucket_beat_every_contiguous_cut():
    weights, sums = _levels(5, 20)
    sums = sums - weights * sums.sum() / weights.sum()
    least = weights.sum() / 2 - 1
    left = best_bipartition(weights, sums, least)
    a, total = weights[left].sum(), weights.sum()
    assert min(a, total - a) >= least
    assert left[0]
    contiguous = best_contiguous(weights, sums, least)
    gain = sums[left].sum() ** 2 / (a * (total - a))
    assert contiguous is None or gain >= contiguous[1] * (1 - 1e-12)


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("share", [0.0, 0.49])
def test_the_first_of_many_levels_is_on_the_left_whatever_its_mean(sign, share):
    weights, sums = _levels(5, 20)
    sums = sign * (sums - weights * sums.sum() / weights.sum())
    assert best_bipartition(weights, sums, share * weights.sum())[0]


def test_ties_fall_on_the_first_bipartition_of_the_enumeration():
    weights, sums = np.ones(4), np.array([1.0, -1.0, 1.0, -1.0])
    left = best_bipartition(weights, sums, 0)
    assert list(left) == [True, False, True, False]
    triple = best_bipartition(np.ones(3), np.array([1.0, -1.0, 0.0]), 0)
    assert list(triple) == [True, False, True]


@pytest.mark.parametrize("total", [2.0, 101.0, 5000.0])
def test_a_covariate_is_constant_where_its_statistic_has_less_than_the_least_variance(
    total,
):
    # by Strasser and Weber the linear statistic has variance Σ w g² · Σ w y² / (W − 1)
    around, squares, products = 4.0, 2.0, 1.0
    variance = around * squares / (total - 1)
    moments = NodeMoments(
        *(np.array([[x]]) for x in (total, around, products, squares))
    )
    known = (total - 1) * products**2 / (around * squares)
    assert numeric_statistics(moments, 0.999 * variance)[0, 0] == pytest.approx(known)
    assert np.isnan(numeric_statistics(moments, 1.001 * variance)[0, 0])


def test_a_node_of_which_no_row_is_expected_has_no_sums():
    tally = NodeTally(_numeric(np.ones((3, 1))), 0.0, expected=0)
    assert tally.spread.n == 0


def _share_explained(parts):
    """(N − 1) SSB / SST of weights and effects by part, in rational numbers."""
    every = [pair for part in parts for pair in part]
    total = sum(w for w, _ in every)
    mean = sum(w * y for w, y in every) / total
    between = Fraction(0)
    for part in parts:
        own = sum(w for w, _ in part)
        between += own * (sum(w * y for w, y in part) / own - mean) ** 2
    return float((total - 1) * between / sum(w * (y - mean) ** 2 for w, y in every))


@pytest.mark.parametrize("as_number", [True, False])
def test_rows_without_the_covariate_cost_the_others_no_digits(as_number):
    # Those with it are 100 away from the node's mean, and within 0.01 of one another.
    rng = np.random.default_rng(0)
    n, n_missing = 150, 50
    group, missing = rng.integers(0, 2, n), np.arange(n) < n_missing
    effect = np.where(missing, 150.0, -75.0) + 0.01 * rng.normal(size=n)
    weights = rng.integers(1, 5, n)
    column = group.astype(float) if as_number else np.array(["a", "b"])[group]
    X = pd.DataFrame({"x": pd.Series(column).where(~missing)})
    tree = EffectTree(max_depth=1).fit(X, effect, weights)
    exact = [
        (Fraction(int(w)), Fraction(y)) for w, y in zip(weights, effect, strict=True)
    ]
    parts = [
        [exact[i] for i in range(n_missing, n) if group[i] == level] for level in (0, 1)
    ]
    # Of two groups the squared correlation is the share between them.
    assert tree.tests_["statistic"][0] == pytest.approx(
        _share_explained(parts), rel=2e-12
    )
