"""Conditional-inference tests of a covariate in a node, and its best binary split.

The permutation statistics of Strasser and Weber (1999) for one numeric response, in
closed form. With W the sum of weights, r the correlation, SSB and SST the sums of
squares between levels and in all, and n_l, ȳ_l the weight and mean of level l:

- numeric and ordered: c_quad = (W − 1) r², c_max = √(W − 1) |r|;
- unordered: c_quad = (W − 1) SSB / SST on (levels − 1) degrees of freedom, and
  c_max = max_l |n_l (ȳ_l − ȳ)| / √(v n_l (W − n_l) / (W − 1)), v = SST / W;
- a split into weights a and W − a whose left side has S = Σ w (y − ȳ):
  z² ∝ S² / (a (W − a)), which is the between-group sum of squares, CART's criterion.

p-values live on the scale log(1 − p), so that 1e-20 and 1e-200 still differ.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, ndtr, wofz

__all__ = [
    "TIE",
    "TOLERANCE",
    "Cut",
    "adjusted",
    "best_bipartition",
    "best_contiguous",
    "best_cut",
    "factor_test",
    "log_1_minus_p",
    "numeric_statistics",
    "preference",
]

TOLERANCE = float(np.sqrt(np.finfo(float).eps))
"""Variances of a statistic below this, in units of the root, count as none."""

TIE = 1e-12
"""Splits whose gains differ by less, relatively, are tied: that is rounding."""

ENUMERATED = 12
"""Levels up to which all bipartitions are tried, so that ties fall as in R."""

BLOCK = 4096
"""Rows whose moments are summed at once."""

MOST_ENUMERATED = 16
"""The same for real weights, where minbucket forbids the best bipartition."""


def numeric_statistics(
    scores: np.ndarray,
    rows: np.ndarray | None,
    deviations: np.ndarray,
    weights: np.ndarray | None,
    least_variance: float,
) -> np.ndarray:
    """c_quad of numeric covariates; NaN where one is constant.

    Parameters
    ----------
    scores : ndarray of shape (n_all, p)
        Covariates without missing values, near unit variance and zero mean.
    rows : ndarray of shape (n,) or None
        The node's; None takes all.
    deviations : ndarray of shape (n,)
        Effects minus their weighted mean.
    weights : ndarray of shape (n,) or None
    least_variance : float
        A covariate is constant where the variance of its linear statistic is below.
    """
    total = len(deviations) if weights is None else weights.sum()
    if total <= 1:
        return np.full(scores.shape[1], np.nan)
    moments = _moments(scores, rows, deviations, weights)
    around, means = moments[1, 1], moments[0, 2:] / total
    products, squares = moments[1, 2:], np.diag(moments)[2:] - total * means**2
    # Where the mean dwarfs the spread, the difference above has lost its digits.
    lost = np.flatnonzero(squares < 1e-5 * total * means**2)
    if len(lost):
        products, squares = products.copy(), squares.copy()
    for j in lost:
        away = (scores[:, j] if rows is None else scores[rows, j]) - means[j]
        weighted = away if weights is None else weights * away
        squares[j], products[j] = weighted @ away, weighted @ deviations
    testable = squares * around / (total - 1) > least_variance
    statistics = np.full(len(squares), np.nan)
    squared = products[testable] ** 2 / (squares[testable] * around)
    statistics[testable] = (total - 1) * np.minimum(squared, 1.0)
    return statistics


def _moments(
    scores: np.ndarray,
    rows: np.ndarray | None,
    deviations: np.ndarray,
    weights: np.ndarray | None,
) -> np.ndarray:
    """Bᵀ diag(w) B of B = [1, y − ȳ, scores], in blocks of rows that fit the cache."""
    n, p = len(deviations), scores.shape[1]
    moments = np.zeros((p + 2, p + 2))
    buffer = np.ones((min(n, BLOCK), p + 2))
    for start in range(0, n, BLOCK):
        part = slice(start, min(start + BLOCK, n))
        block = buffer[: part.stop - start]
        block[:, 1] = deviations[part]
        block[:, 2:] = scores[part] if rows is None else scores.take(rows[part], axis=0)
        weighted = block if weights is None else weights[part, None] * block
        moments += block.T @ weighted
    return moments


def factor_test(
    weights: np.ndarray,
    sums: np.ndarray,
    around: float,
    least_variance: float,
    teststat: str,
) -> tuple[float, float]:
    """Statistic and log(1 − p) of an unordered factor; NaN where it is constant.

    Parameters
    ----------
    weights, sums : ndarray of shape (n_levels,)
        Σ w and Σ w (y − ȳ) by level.
    around : float
        SST, Σ w (y − ȳ)² over the rows that have a level.
    """
    total = weights.sum()
    present = weights > 0
    weights, sums = weights[present], sums[present]
    if len(weights) < 2 or total <= 1:
        return np.nan, np.nan
    variances = weights * (total - weights) * (around / (total * (total - 1)))
    if not variances.max() > least_variance:
        return np.nan, np.nan
    if teststat == "maximum":
        largest = float(np.max(np.abs(sums) / np.sqrt(variances)))
        return largest, _log_1_minus_p_of_maximum(largest, weights / total)
    statistic = float((total - 1) * (sums**2 / weights).sum() / around)
    return statistic, float(np.log1p(-chdtrc(len(weights) - 1, statistic)))


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
    """Bonferroni in Šidák's form: times the number of covariates tested in the node."""
    if testtype == "univariate":
        return log_1_minus_p
    return np.count_nonzero(~np.isnan(log_1_minus_p)) * log_1_minus_p


def preference(log_1_minus_p: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """Tested covariates, most significant first.

    Where p-values are too small to differ the larger statistic wins, and of equals
    the later column.
    """
    tested = np.flatnonzero(~np.isnan(log_1_minus_p))
    if not len(tested):
        return tested
    criteria, sizes = log_1_minus_p[tested], statistics[tested]
    top = criteria.max()
    tied = criteria >= top - np.sqrt(np.finfo(float).tiny)
    order = np.lexsort(
        (tested, np.where(tied, sizes, 0), np.where(tied, top, criteria))
    )
    return tested[order[::-1]]


class Cut(NamedTuple):
    """The best cut of sorted values: after position `last`, with its S² / (a (W − a))."""

    last: int
    gain: float


def best_cut(
    values: np.ndarray | None,
    weights: np.ndarray | None,
    deviations: np.ndarray,
    least: float,
) -> Cut | None:
    """The first best cut between distinct values, or None if none is admissible.

    Parameters
    ----------
    values : ndarray of shape (n,) or None
        Sorted, none missing; None says that all are distinct.
    weights, deviations : ndarray of shape (n,)
        In the same order; weights may be None.
    least : float
        Weight that either side must have.
    """
    n = len(deviations)
    weighted = deviations if weights is None else weights * deviations
    sums = np.cumsum(weighted)
    left = np.arange(1.0, n + 1) if weights is None else np.cumsum(weights)
    total = float(left[-1])
    # Deviations are from the node's mean, which missing values move.
    shift = float(sums[-1]) / total
    low = int(np.searchsorted(left, least))
    high = int(np.searchsorted(left[: n - 1], total - least, side="right"))
    if low >= high:
        return None
    last = None
    if values is not None:
        last = low + np.flatnonzero(values[low + 1 : high + 1] != values[low:high])
        sums, left = sums[last], left[last]
    else:
        sums, left = sums[low:high], left[low:high]
    chosen = _first_best(sums - left * shift, left, total)
    if chosen is None:
        return None
    at = low + chosen[0] if last is None else int(last[chosen[0]])
    return Cut(at, chosen[1])


def _first_best(
    sums: np.ndarray, left: np.ndarray, total: float
) -> tuple[int, float] | None:
    """Position and gain, S² / (a (W − a)), of the first best split."""
    if not len(sums):
        return None
    gains = np.square(sums)
    gains /= left
    gains /= total - left
    best = float(gains.max())
    return (int(np.argmax(gains >= best * (1 - TIE))), best) if best > 0 else None


def _first_admissible(
    sums: np.ndarray, left: np.ndarray, total: float, least: float
) -> tuple[int, float] | None:
    """The first best of the splits that leave `least` on either side."""
    right = total - left
    fits = np.flatnonzero((left >= least) & (right >= least) & (left > 0) & (right > 0))
    chosen = _first_best(sums[fits], left[fits], total)
    return None if chosen is None else (int(fits[chosen[0]]), chosen[1])


def best_bipartition(
    weights: np.ndarray, sums: np.ndarray, least: float
) -> np.ndarray | None:
    """The best admissible bipartition of the levels of an unordered factor.

    Parameters
    ----------
    weights, sums : ndarray of shape (n_levels,)
        Σ w, positive, and Σ w (y − ȳ) by level, with ȳ over these levels.
    least : float
        Weight that either side must have.

    Returns
    -------
    left : ndarray of bool of shape (n_levels,), or None
        The first level is always in it. None if nothing is admissible.

    Notes
    -----
    The best bipartition is contiguous in the order of the level means (Fisher, 1958).
    If `least` forbids it, the best admissible one need not be: for whole weights it
    is found exactly, as a knapsack; for real ones by enumeration up to 16 levels, and
    beyond that the best contiguous one is taken.
    """
    if len(weights) < 2:
        return None
    if len(weights) <= ENUMERATED:
        return _enumerated(weights, sums, least)
    free = best_contiguous(weights, sums, 0.0)
    if free is None:
        return None
    if least <= min(weights[free[0]].sum(), weights[~free[0]].sum()):
        left: np.ndarray | None = free[0]
    elif (weights == np.floor(weights)).all():
        left = _knapsack(weights.astype(np.int64), sums, least)
    elif len(weights) <= MOST_ENUMERATED:
        left = _enumerated(weights, sums, least)
    else:
        bounded = best_contiguous(weights, sums, least)
        left = None if bounded is None else bounded[0]
    return left if left is None or left[0] else ~left


def best_contiguous(
    weights: np.ndarray, sums: np.ndarray, least: float
) -> tuple[np.ndarray, float] | None:
    """The best cut of the levels in the order of their means: left mask and gain."""
    order = np.argsort(sums / weights, kind="stable")
    cumulated = np.cumsum(weights[order])[:-1]
    chosen = _first_admissible(
        np.cumsum(sums[order])[:-1], cumulated, weights.sum(), least
    )
    if chosen is None:
        return None
    left = np.zeros(len(weights), dtype=bool)
    left[order[: chosen[0] + 1]] = True
    return left, chosen[1]


def _enumerated(
    weights: np.ndarray, sums: np.ndarray, least: float
) -> np.ndarray | None:
    """All bipartitions, in R's order: bit k of the number puts level k + 2 right."""
    numbers = np.arange(1, 2 ** (len(weights) - 1))
    right = (numbers[:, None] >> np.arange(len(weights) - 1)) & 1
    total = weights.sum()
    chosen = _first_admissible(
        right @ sums[1:], total - right @ weights[1:], float(total), least
    )
    return None if chosen is None else np.r_[True, right[chosen[0]] == 0]


def _knapsack(weights: np.ndarray, sums: np.ndarray, least: float) -> np.ndarray | None:
    """The best bipartition with at least `least` of whole weights on either side.

    For every weight a that some set of levels has, the largest S among such sets,
    level by level. Sets of small S need no search: their complements have large S.
    """
    total = int(weights.sum())
    largest = np.full(total + 1, -np.inf)
    largest[0] = 0.0
    added, reached = [], 0
    for weight, value in zip(weights.tolist(), sums.tolist(), strict=True):
        reached += weight
        extended = largest[: reached - weight + 1] + value
        better = extended > largest[weight : reached + 1]
        largest[weight : reached + 1][better] = extended[better]
        added.append(np.packbits(better))
    left_weights = np.arange(total + 1, dtype=float)
    feasible = np.flatnonzero(largest > 0)
    chosen = _first_admissible(
        largest[feasible], left_weights[feasible], float(total), least
    )
    if chosen is None:
        return None
    rest, left = int(feasible[chosen[0]]), np.zeros(len(weights), dtype=bool)
    for level in range(len(weights) - 1, -1, -1):
        at = rest - int(weights[level])
        bits = added[level]
        if 0 <= at < 8 * len(bits) and bits[at // 8] >> (7 - at % 8) & 1:
            left[level], rest = True, at
    return left
