"""The best binary split of a covariate: cuts of numbers, bipartitions of levels.

A split into weights a and W − a whose left side has S = Σ w (y − ȳ) has
z² ∝ S² / (a (W − a)). That is the two-sample statistic of conditional inference, and
the between-group sum of squares, CART's criterion, both.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from skfme._summaries.weighting import Weighting

__all__ = ["TIE", "best_bipartition", "best_contiguous", "best_cut"]

TIE = 1e-12
"""Splits whose gains differ by less, relatively, are tied: that is rounding."""

ENUMERATED = 12
"""Levels up to which all bipartitions are tried, so that ties fall as in R."""

MOST_ENUMERATED = 16
"""The same for real weights, where minbucket forbids the best bipartition."""


class Best(NamedTuple):
    """The best of several splits: its position, and its S² / (a (W − a))."""

    position: int
    gain: float


def best_cut(
    values: np.ndarray | None, weights: Weighting, deviations: np.ndarray, least: float
) -> Best | None:
    """The first best cut, after a position, between distinct values; None if there is none.

    Parameters
    ----------
    values : ndarray of shape (n,) or None
        Sorted, none missing; None says that all are distinct.
    weights : Weighting of n rows
    deviations : ndarray of shape (n,)
        In the same order.
    least : float
        Weight that either side must have.
    """
    n, w = weights.n, weights.array
    sums = weights.times(deviations).cumsum()
    left = np.arange(1.0, n + 1) if w is None else w.cumsum()
    total = float(left[-1])
    low = int(left.searchsorted(least))
    high = int(left[:-1].searchsorted(total - least, side="right"))
    if low >= high:
        return None
    # Deviations are from the node's mean, which missing values move.
    shift = float(sums[-1]) / total
    ends: Any = slice(low, high)
    if values is not None:
        ends = low + np.flatnonzero(values[low + 1 : high + 1] != values[low:high])
    best = _first_best(sums[ends] - left[ends] * shift, left[ends], total)
    if best is None:
        return None
    return Best(
        low + best.position if values is None else int(ends[best.position]), best.gain
    )


def _first_best(sums: np.ndarray, left: np.ndarray, total: float) -> Best | None:
    """Position and gain, S² / (a (W − a)), of the first best split."""
    if not len(sums):
        return None
    gains = np.square(sums)
    gains /= left
    gains /= total - left
    best = float(gains.max())
    return Best(int((gains >= best * (1 - TIE)).argmax()), best) if best > 0 else None


def _first_admissible(
    sums: np.ndarray, left: np.ndarray, total: float, least: float
) -> Best | None:
    """The first best of the splits that leave `least` on either side."""
    right = total - left
    fits = np.flatnonzero((left >= least) & (right >= least) & (left > 0) & (right > 0))
    best = _first_best(sums[fits], left[fits], total)
    return None if best is None else Best(int(fits[best.position]), best.gain)


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
    contiguous = best_contiguous(weights, sums, 0.0)
    if contiguous is None:
        return None
    left: np.ndarray | None = contiguous[0]
    if least > min(weights[left].sum(), weights[~contiguous[0]].sum()):
        left = _best_under(weights, sums, least)
    return left if left is None or left[0] else ~left


def _best_under(
    weights: np.ndarray, sums: np.ndarray, least: float
) -> np.ndarray | None:
    """The best bipartition of many levels where `least` forbids the contiguous one."""
    if (weights == np.floor(weights)).all():
        return _knapsack(weights.astype(np.int64), sums, least)
    if len(weights) <= MOST_ENUMERATED:
        return _enumerated(weights, sums, least)
    contiguous = best_contiguous(weights, sums, least)
    return None if contiguous is None else contiguous[0]


def best_contiguous(
    weights: np.ndarray, sums: np.ndarray, least: float
) -> tuple[np.ndarray, float] | None:
    """The best cut of the levels in the order of their means: left mask and gain."""
    order = (sums / weights).argsort(kind="stable")
    left_sums, left_weights = sums[order].cumsum(), weights[order].cumsum()
    total = float(weights.sum())
    cut = _first_admissible(left_sums[:-1], left_weights[:-1], total, least)
    if cut is None:
        return None
    left = np.zeros(len(weights), dtype=bool)
    left[order[: cut.position + 1]] = True
    return left, cut.gain


def _enumerated(
    weights: np.ndarray, sums: np.ndarray, least: float
) -> np.ndarray | None:
    """All bipartitions, in R's order: bit k of the number puts level k + 2 right."""
    numbers = np.arange(1, 2 ** (len(weights) - 1))
    right = (numbers[:, None] >> np.arange(len(weights) - 1)) & 1
    total = float(weights.sum())
    left_weights = total - right @ weights[1:]
    best = _first_admissible(right @ sums[1:], left_weights, total, least)
    return None if best is None else np.r_[True, right[best.position] == 0]


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
    feasible = np.flatnonzero(largest > 0)
    best = _first_admissible(largest[feasible], feasible.astype(float), total, least)
    if best is None:
        return None
    rest, left = int(feasible[best.position]), np.zeros(len(weights), dtype=bool)
    for level in range(len(weights) - 1, -1, -1):
        at = rest - int(weights[level])
        bits = added[level]
        if 0 <= at < 8 * len(bits) and bits[at // 8] >> (7 - at % 8) & 1:
            left[level], rest = True, at
    return left
