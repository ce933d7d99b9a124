"""Moments of pairs of columns, each over the rows that have both, by hand."""

import numpy as np
import pytest

from skfme._summaries.comparisons import Comparison
from skfme._summaries.joint import _pairs


@pytest.mark.parametrize("weighted", [False, True])
def test_each_pair_has_the_moments_of_the_rows_that_have_both(weighted):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 3)) + [5.0, -100.0, 0.0]
    values[::3, 0] = values[1::4, 2] = np.nan
    w = rng.integers(1, 5, 50).astype(float) if weighted else np.ones(50)
    weight, mean, cross = _pairs(values, w if weighted else None)
    for j in range(3):
        for k in range(3):
            both = ~np.isnan(values[:, j]) & ~np.isnan(values[:, k])
            x, y, of = values[both, j], values[both, k], w[both]
            assert weight[j, k] == pytest.approx(of.sum())
            x_mean, y_mean = np.average(x, weights=of), np.average(y, weights=of)
            assert mean[j, k] == pytest.approx(x_mean, rel=1e-12)
            expected = of @ ((x - x_mean) * (y - y_mean))
            assert cross[j, k] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("size", [1.0, 2.0, -0.5])
def test_a_rate_is_the_difference_over_the_size_of_the_step(size):
    rate = Comparison("per_unit", "of_rows", size)
    found = rate(np.array([[1.0], [2.0]]), np.array([[4.0], [0.0]]))
    assert found.tolist() == [[3 / size], [-2 / size]]
