"""The best binary split of a covariate: cuts of numbers, bipartitions of levels.

A split into weights a and W − a whose left side has S = Σ w (y − ȳ) has
z² ∝ S² / (a (W − a)). That is the two-sample statistic of conditional inference, and
the between-group sum of squares, CART's criterion, both.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

__all__ = ["TIE", "Cut", "best_bipartition", "best_contiguous", "best_cut"]

TIE = 1e-12
"""Splits whose gains differ by less, relatively, are tied: that is rounding."""

ENUMERATED = 12
"""Levels up to which all bipartitions are tried, so that ties fall as in R."""

MOST_ENUMERATED = 16
"""The same for real weights, where minbucket forbids the best bipartition."""


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
    if weights is None:
        left, total = np.arange(1.0, n + 1), float(n)
        low, high = max(math.ceil(least) - 1, 0), min(math.floor(n - least), n - 1)
    else:
        left = np.cumsum(weights)
        total = float(left[-1])
        low = int(np.searchsorted(left, least))
        high = int(np.searchsorted(left[: n - 1], total - least, side="right"))
    # Deviations are from the node's mean, which missing values move.
    shift = float(sums[-1]) / total
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
