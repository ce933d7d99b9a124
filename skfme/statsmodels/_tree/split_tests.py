"""Conditional-inference tests of the covariates in a node.

The permutation statistics of Strasser and Weber (1999) for one numeric response, in
closed form. With W the sum of weights, r the correlation, SSB and SST the sums of
squares between levels and in all, and n_l, ȳ_l the weight and mean of level l:

- numeric and ordered: c_quad = (W − 1) r², c_max = √(W − 1) |r|;
- unordered: c_quad = (W − 1) SSB / SST on (levels − 1) degrees of freedom, and
  c_max = max_l |n_l (ȳ_l − ȳ)| / √(v n_l (W − n_l) / (W − 1)), v = SST / W.

p-values live on the scale log(1 − p), so that 1e-20 and 1e-200 still differ.
"""

from __future__ import annotations

import math
import sys

import numpy as np
from scipy.special import chdtrc, ndtr, wofz

from skfme.statsmodels._tree.node_sums import LevelSums, NodeMoments

__all__ = [
    "TOLERANCE",
    "adjusted",
    "factor_tests",
    "log_1_minus_p",
    "numeric_statistics",
    "preference",
]

TOLERANCE = float(np.sqrt(np.finfo(float).eps))
"""Variances of a statistic below this, in units of the root, count as none."""


def numeric_statistics(moments: NodeMoments, least_variance: float) -> np.ndarray:
    """c_quad of numeric covariates; NaN where one is constant.

    Parameters
    ----------
    moments : NodeMoments
        Of m nodes and p covariates.
    least_variance : float
        A covariate is constant where the variance of its linear statistic is below.

    Returns
    -------
    statistics : ndarray of shape (m, p)
    """
    totals, around, products, squares = moments
    variances = squares * around
    testable = (totals > 1) & (variances > least_variance * (totals - 1))
    variances[~testable] = np.nan
    return (totals - 1) * np.minimum(products**2 / variances, 1.0)


def factor_tests(
    levels: LevelSums, least_variance: float, teststat: str
) -> tuple[np.ndarray, np.ndarray]:
    """Statistics and log(1 − p) of unordered factors; NaN where one is constant.

    Parameters
    ----------
    levels : LevelSums
        Of m nodes and n_factors factors.
    least_variance : float
        As for `numeric_statistics`.
    teststat : {"quadratic", "maximum"}

    Returns
    -------
    statistics, log_1_minus_p : ndarray of shape (m, n_factors)
    """
    weights, sums, around, starts = levels
    totals = np.add.reduceat(weights, starts, axis=1)
    slots = np.diff(starts, append=weights.shape[1])
    variances = weights * (totals.repeat(slots, axis=1) - weights)
    with np.errstate(divide="ignore", invalid="ignore"):  # p = 1 is −∞
        unit = around / (totals * (totals - 1))
        largest_variance = np.maximum.reduceat(variances, starts, axis=1) * unit
        tested = (totals > 1) & (largest_variance > least_variance)
        if teststat == "maximum":
            statistics, logs = np.full((2, *tested.shape), np.nan)
            for i, k in zip(*np.nonzero(tested), strict=True):
                factor = i, slice(starts[k], starts[k] + slots[k])
                statistics[i, k], logs[i, k] = _maximum_test(
                    weights[factor], sums[factor], unit[i, k]
                )
            return statistics, logs
        between = np.where(weights > 0, sums**2 / weights, 0.0)
        between = np.add.reduceat(between, starts, axis=1)
        statistics = np.where(tested, (totals - 1) * between / around, np.nan)
        present = np.add.reduceat(weights > 0, starts, axis=1, dtype=np.intp)
        return statistics, np.log1p(-chdtrc(present - 1, statistics))


def _maximum_test(
    weights: np.ndarray, sums: np.ndarray, unit: float
) -> tuple[float, float]:
    """c_max of one factor and its log(1 − p); `unit` is SST / (W (W − 1))."""
    present = weights > 0
    weights, sums = weights[present], sums[present]
    total = weights.sum()
    sds = np.sqrt(weights * (total - weights) * unit)
    largest = float(np.max(np.abs(sums) / sds))
    return largest, _log_1_minus_p_of_maximum(largest, weights / total)


def log_1_minus_p(statistics: np.ndarray) -> np.ndarray:
    """log(1 − p) of quadratic statistics on one degree of freedom."""
    with np.errstate(divide="ignore"):  # p = 1 is −∞
        return np.log1p(-2 * ndtr(-np.sqrt(statistics)))


def _log_1_minus_p_of_maximum(largest: float, shares: np.ndarray) -> float:
    """log(1 − p) of the maximum statistic of a factor with the given level shares."""
    tail = float(2 * ndtr(-largest))
    if len(shares) == 2:  # the two components are one and its negative
        return float(np.log1p(-tail)) if tail < 1 else -np.inf
    bound = len(shares) * tail
    if bound < 1e-3:  # Bonferroni within the factor, tight out here
        return float(np.log1p(-bound))
    inside = _probability_inside(largest, shares)
    return float(np.log(inside)) if inside > 0 else -np.inf


def _probability_inside(largest: float, shares: np.ndarray, n: int = 2048) -> float:
    """P(max |Z_l| ≤ c) under the correlations of a factor's components.

    Z_l is U_l / √(p_l (1 − p_l)) for independent U_l ~ N(0, p_l) given Σ U_l = 0, so
    the probability is √(2π) times the density at 0 of the sum of the U_l, each kept
    within ±c √(p_l (1 − p_l)). That sum has bounded support, hence the trapezoid rule
    for the Fourier integral of its density has no aliasing.
    """
    bounds = largest * np.sqrt(1 - shares)
    width = float(np.sum(bounds * np.sqrt(shares)))
    if width == 0:
        return 0.0
    step = np.pi / width
    t = step * np.arange(n)[:, None] * np.sqrt(shares)
    edge = np.exp(-(bounds**2) / 2 - 1j * bounds * t)
    transform = np.exp(-(t**2) / 2) - np.real(
        edge * wofz((1j * bounds - t) / np.sqrt(2))
    )
    values = np.prod(transform, axis=1)
    integral = step * (values.sum() - values[0] / 2)
    return float(np.clip(integral * np.sqrt(2 / np.pi), 0.0, 1.0))


def adjusted(log_1_minus_p: np.ndarray, testtype: str) -> np.ndarray:
    """Bonferroni in Šidák's form: times the number of covariates tested in the node.

    Nodes are rows, covariates columns.
    """
    if testtype == "univariate":
        return log_1_minus_p
    tested = np.count_nonzero(~np.isnan(log_1_minus_p), axis=-1, keepdims=True)
    return tested * log_1_minus_p


def preference(log_1_minus_p: np.ndarray, statistics: np.ndarray) -> list[int]:
    """Tested covariates, most significant first.

    Where p-values are too small to differ the larger statistic wins, and of equals
    the later column.
    """
    largest = np.fmax.reduce(log_1_minus_p)
    tied = log_1_minus_p >= largest - math.sqrt(sys.float_info.min)
    keys = np.where(tied, statistics, 0.0), np.where(tied, np.inf, log_1_minus_p)
    order = np.lexsort(keys)[::-1]
    tested: list[int] = order[~np.isnan(log_1_minus_p[order])].tolist()
    return tested
