"""Intervals and p-values read from replicates."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from skfme.statsmodels._refits.confidence import METHODS, BootstrapDistribution


@pytest.fixture(scope="module")
def skewed():
    """Means of two skewed samples: estimates, 4,999 replicates, leave-one-out means."""
    rng = np.random.default_rng(1)
    data = np.column_stack([rng.exponential(size=40), rng.lognormal(size=40)])
    draws = rng.integers(40, size=(4999, 40))
    jackknife = np.array([np.delete(data, i, axis=0).mean(axis=0) for i in range(40)])
    return data, BootstrapDistribution(
        data.mean(axis=0), data[draws].mean(axis=1), jackknife, "percentile"
    )


@pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_intervals_equal_scipys_from_the_same_replicates(skewed, method, level):
    data, distribution = skewed
    by_method = distribution.by(method)
    ends = [by_method.quantiles(p) for p in ((1 - level) / 2, (1 + level) / 2)]
    for j in range(2):
        replicates = distribution.replicates[:, j]
        expected = _by_scipy(data[:, j], replicates, method, level)
        ordered = np.sort(replicates)
        for end, by_scipy in zip(ends, expected, strict=True):
            # scipy reads quantiles one order statistic nearer the middle at most
            pair = np.array([end[j], by_scipy])
            if method == "basic":
                pair = 2 * data[:, j].mean() - pair
            ranks = np.searchsorted(ordered, pair)
            assert abs(int(ranks[0]) - int(ranks[1])) <= 2


def _by_scipy(sample, replicates, method, level):
    first = stats.bootstrap((sample,), np.mean, n_resamples=3, method="percentile")
    first.bootstrap_distribution = replicates
    interval = stats.bootstrap(
        (sample,),
        np.mean,
        n_resamples=0,
        bootstrap_result=first,
        confidence_level=level,
        method=method,
    ).confidence_interval
    return interval.low, interval.high


def test_acceleration_of_a_mean_is_a_sixth_of_its_skewness(skewed):
    data, distribution = skewed
    expected = stats.skew(data, axis=0) / (6 * np.sqrt(len(data)))
    np.testing.assert_allclose(distribution.acceleration, expected, rtol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_tails_invert_quantiles(skewed, method):
    distribution = skewed[1].by(method)
    few = 5 / len(distribution.replicates)  # levels are known to a few replicates
    for level in (0.01, 0.2, 0.5, 0.83, 0.99):
        np.testing.assert_allclose(
            distribution.tails(distribution.quantiles(level)), level, atol=few
        )


def test_quantiles_are_the_order_statistics_that_davison_and_hinkley_name():
    replicates = np.random.default_rng(0).permutation(199.0 + np.arange(199))[:, None]
    distribution = BootstrapDistribution(
        np.array([300.0]), replicates, None, "percentile"
    )
    # (B + 1) · 0.025 = 5th, and (B + 1) · 0.975 = 195th of the ordered replicates
    assert distribution.quantiles(0.025) == 199 + 4
    assert distribution.quantiles(0.975) == 199 + 194
    assert distribution.by("basic").quantiles(0.025) == 600 - (199 + 194)


def test_a_contrast_is_read_from_the_contrast_of_the_replicates(skewed):
    _, distribution = skewed
    difference = distribution.contrast(np.array([[-1.0, 1.0]]), np.array([0.5]))
    replicates = distribution.replicates @ [-1, 1] - 0.5
    assert difference.se == pytest.approx(replicates.std(ddof=1))
    expected = np.quantile(replicates, 0.1, method="weibull")
    assert difference.quantiles(0.1) == pytest.approx(expected)
    jackknife = distribution.jackknife @ [-1, 1]
    d = jackknife.mean() - jackknife
    a = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    assert difference.acceleration == pytest.approx(a)


def test_replicates_that_are_all_equal_have_no_spread():
    value = 0.1 + 0.2
    same = BootstrapDistribution(
        np.array([value]), np.full((99, 1), value), np.full((9, 1), value), "bca"
    )
    assert same.se == 0
    for method in METHODS:
        assert same.by(method).quantiles(0.025) == pytest.approx(value)
        assert same.by(method).tails(np.array([value])) == pytest.approx(0.5, abs=0.01)


def test_bca_of_an_estimate_beyond_all_replicates_is_nan_with_a_warning():
    replicates = np.linspace(0, 1, 99)[:, None]
    beyond = BootstrapDistribution(
        np.array([2.0]), replicates, np.linspace(0, 1, 9)[:, None], "bca"
    )
    with pytest.warns(RuntimeWarning, match="beyond all their replicates"):
        assert np.isnan(beyond.quantiles(0.025))


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("bootstrap-t", "one of 'percentile', 'basic', 'bca', 'normal'"),
        ("bca", "method='bca'"),
    ],
    ids=["unknown", "without a jackknife"],
)
def test_methods_that_cannot_be_read_are_refused(skewed, method, message):
    distribution = replace(skewed[1], jackknife=None)
    with pytest.raises(ValueError, match=message):
        distribution.by(method)
