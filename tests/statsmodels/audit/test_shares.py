"""Shares, means and transport maps of the audit: closed forms and small cases by hand."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.regression.linear_model import WLS

from skfme.statsmodels._audit.shares import lower_share, mean_over, wilson
from skfme.statsmodels._audit.transport import mapped_margins, mapped_sequence


def coverage(n, p, covers):
    """Exact probability that an interval made of k of n rows covers p."""
    k = np.arange(n + 1)
    held = np.array([covers(i / n) for i in k])
    return stats.binom.pmf(k, n, p)[held].sum()


@pytest.mark.parametrize(
    ("n", "p", "expected"), [(100, 0.95, 0.966), (100, 0.99, 0.922), (500, 0.99, 0.960)]
)
def test_wilsons_interval_covers_as_simulated(n, p, expected):
    z = stats.norm.isf(0.025)

    def covers(share):
        low, high = wilson(share, n, z)
        return low <= p <= high

    assert coverage(n, p, covers) == pytest.approx(
        expected, abs=0.003
    )  # of that simulation


def test_the_one_sided_bound_covers_where_walds_does_not():
    n, p, z = 100, 0.95, stats.norm.isf(0.05)
    rows = np.arange(n)

    def wilsons(share):
        return lower_share(rows < round(share * n), rows, 0.05) <= p

    def walds(share):
        return share - z * np.sqrt(share * (1 - share) / n) <= p

    assert coverage(n, p, wilsons) == pytest.approx(0.963, abs=0.002)
    assert coverage(n, p, walds) == pytest.approx(0.882, abs=0.002)


def test_where_all_rows_are_inside_the_bound_is_n_over_n_plus_z_squared():
    n, z = 40, stats.norm.isf(0.05)
    bound = lower_share(np.ones(n, dtype=bool), np.arange(n), 0.05)
    assert bound == pytest.approx(n / (n + z**2), rel=1e-12)


def test_with_clusters_the_bound_rests_on_the_effective_number_of_rows():
    rng = np.random.default_rng(0)
    units = np.repeat(np.arange(40), 25)
    inside = rng.uniform(size=1000) < np.repeat(rng.uniform(0.7, 1, 40), 25)
    share = inside.mean()
    sums = [(inside[units == g] - share).sum() for g in range(40)]
    variance = 40 / 39 * np.square(sums).sum() / 1000**2
    effective = share * (1 - share) / variance
    expected = wilson(share, effective, stats.t.isf(0.05, 39))[0]
    assert lower_share(inside, units, 0.05) == pytest.approx(expected, rel=1e-12)
    assert expected < lower_share(inside, np.arange(1000), 0.05)


def test_a_mean_over_rows_has_students_error_and_its_equivalence_test():
    values = np.random.default_rng(1).normal(0.01, 0.3, 200)
    estimate = mean_over(values, np.arange(200))
    assert estimate.se == pytest.approx(values.std(ddof=1) / np.sqrt(200), rel=1e-12)
    low = stats.ttest_1samp(values, -0.05, alternative="greater").pvalue
    high = stats.ttest_1samp(values, 0.05, alternative="less").pvalue
    assert estimate.equivalence(0.05) == pytest.approx(max(low, high), rel=1e-10)
    assert mean_over(np.full(9, 0.1), np.arange(9)).equivalence(0.2) == 0


def test_rows_mapped_into_their_own_group_stay():
    x = np.random.default_rng(2).normal(size=(50, 3))
    np.testing.assert_allclose(mapped_margins(x, x), x, atol=1e-12)
    np.testing.assert_allclose(mapped_sequence(x, x), x, atol=1e-12)


def test_both_maps_carry_a_shift_and_a_scale():
    x = np.random.default_rng(3).normal(size=(60, 1))
    np.testing.assert_allclose(
        mapped_margins(x, 5 - 2 * x[::-1]).mean(), 5 - 2 * x.mean()
    )
    np.testing.assert_allclose(mapped_margins(x, 3 + 2 * x), 3 + 2 * x, atol=1e-10)
    np.testing.assert_allclose(mapped_sequence(x, 3 + 2 * x), 3 + 2 * x, atol=1e-10)


def test_the_sequential_map_carries_a_dependence_and_the_margins_do_not():
    rng = np.random.default_rng(4)
    e, u = rng.normal(size=(2, 2, 4000))
    start = np.column_stack([e[0], -0.6 * e[0] + 0.8 * e[1]])
    goal = np.column_stack([u[0], 0.6 * u[0] + 0.8 * u[1]])
    moved = np.corrcoef(mapped_sequence(start, goal).T)[0, 1]
    assert moved == pytest.approx(np.corrcoef(goal.T)[0, 1], abs=0.02)
    margins = np.corrcoef(mapped_margins(start, goal).T)[0, 1]
    assert margins == pytest.approx(np.corrcoef(start.T)[0, 1], abs=0.02)


@pytest.mark.parametrize(
    ("n", "ame", "declared"),
    [(200, 0.05, 0.05), (1000, 0.05, 0.05), (50, 0.0, 0.0), (200, 0.0, 0.519)],
)
def test_equivalence_is_declared_as_often_as_simulated(n, ame, declared):
    # SD 0.3 and a bound of 0.05; 50 rows cannot show it, whose interval does not fit.
    rng, runs = np.random.default_rng(0), 2000
    shown = [
        mean_over(rng.normal(ame, 0.3, n), np.arange(n)).equivalence(0.05) < 0.05
        for _ in range(runs)
    ]
    error = np.sqrt(declared * (1 - declared) / runs)
    assert abs(np.mean(shown) - declared) <= 4 * error


def test_weights_of_rows_are_those_of_a_regression_on_a_constant():
    rng = np.random.default_rng(3)
    units, weights = np.repeat(np.arange(20), 5), rng.uniform(0.2, 4, 100)
    values = rng.normal(size=100) + units % 3
    known = WLS(values, np.ones(100), weights).fit(
        cov_type="cluster", cov_kwds={"groups": units}
    )
    found = mean_over(values, units, weights)
    assert found.mean == pytest.approx(known.params[0])
    # statsmodels' factor is G/(G − 1) · (n − 1)/(n − 1).
    assert found.se == pytest.approx(known.bse[0])
    assert found.df == 19


def test_where_all_weighted_rows_are_inside_the_bound_is_of_their_effective_number():
    weights = np.array([4.0, 1, 1, 1, 1])
    n, t = weights.sum() ** 2 / (weights**2).sum(), stats.t.isf(0.05, 4)
    bound = lower_share(np.ones(5, dtype=bool), np.arange(5), 0.05, weights)
    assert bound == pytest.approx(n / (n + t**2))


def test_a_map_of_weighted_rows_has_the_weighted_mean_of_its_goal():
    rng = np.random.default_rng(4)
    start, goal = rng.normal(size=(400, 2)), rng.normal(2, 3, size=(300, 2))
    goal[:, 1] += goal[:, 0]
    weights = rng.uniform(0.2, 2, 400), np.where(goal[:, 0] > 2, 3.0, 1.0)
    for mapped in (mapped_margins, mapped_sequence):
        moved = np.average(mapped(start, goal, weights), axis=0, weights=weights[0])
        wanted = np.average(goal, axis=0, weights=weights[1])
        np.testing.assert_allclose(moved, wanted, atol=0.1)
        assert abs(wanted - goal.mean(axis=0)).min() > 0.5
