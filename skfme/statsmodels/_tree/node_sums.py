"""Sums over the rows of nodes, from which covariates are tested.

`Scores` holds the numeric and ordered covariates, `Levels` the unordered ones. Both
take the nodes of a whole layer of the tree: only passes over rows go node by node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skfme.statsmodels._tree.covariates import Covariate
from skfme.statsmodels._tree.growing import Layer, entries

__all__ = ["FactorLevels", "LevelSums", "NodeMoments", "Scores"]

BLOCK = 4096
"""Rows that are summed at once, so that they fit the cache."""

_LOST = 1e-5  # of a squared mean: a spread below, as their difference, has lost digits


class NodeMoments(NamedTuple):
    """Of m nodes and p covariates, over the rows that have the covariate.

    Attributes
    ----------
    totals : ndarray of shape (m, p)
        W, the sum of weights.
    around : ndarray of shape (m, p)
        SST, Σ w (y − ȳ)².
    products, squares : ndarray of shape (m, p)
        Σ w (g − ḡ)(y − ȳ) and Σ w (g − ḡ)² of the scores g.
    """

    totals: np.ndarray
    around: np.ndarray
    products: np.ndarray
    squares: np.ndarray


class LevelSums(NamedTuple):
    """Of the unordered factors of m nodes, levels one after another.

    Attributes
    ----------
    weights, sums : ndarray of shape (m, n_levels)
        Σ w and Σ w (y − ȳ), ȳ over the node's rows that have a level of the factor.
    around : ndarray of shape (m, n_factors)
        SST, Σ w (y − ȳ)², over the same rows.
    starts : ndarray of shape (n_factors,)
        Where the levels of each factor begin.
    """

    weights: np.ndarray
    sums: np.ndarray
    around: np.ndarray
    starts: np.ndarray


class Scores:
    """Numbers, and ranks of ordered levels, in the root's SDs about its mean."""

    def __init__(self, covariates: Sequence[Covariate], n: int) -> None:
        scored = [j for j, c in enumerate(covariates) if c.kind != "unordered"]
        # Columns without missing values come first, in a matrix of their own.
        self.positions = sorted(scored, key=lambda j: covariates[j].has_missing)
        matrix = np.empty((n, len(scored)))
        for k, j in enumerate(self.positions):
            matrix[:, k] = _standardised(covariates[j])
        n_complete = sum(not covariates[j].has_missing for j in scored)
        halves = np.split(matrix, [n_complete], axis=1)
        self.complete, self.holed = map(np.ascontiguousarray, halves)
        self.observed = (~np.isnan(self.holed)).astype(float)
        self.holed[self.observed == 0] = 0.0

    def moments(self, layer: Layer) -> NodeMoments:
        """The moments of every score in every node."""
        complete = _moments(self.complete, None, layer)
        if not self.holed.shape[1]:
            return complete
        pairs = zip(complete, _moments(self.holed, self.observed, layer), strict=True)
        return NodeMoments(*(np.hstack(pair) for pair in pairs))


def _moments(
    scores: np.ndarray, observed: np.ndarray | None, layer: Layer
) -> NodeMoments:
    """Moments of scores, 0 where they are missing; None says that all are observed."""
    sums, products, squares = _sums(scores, layer, powers=1)
    if observed is None:
        totals = np.broadcast_to(layer.totals[:, None], sums.shape)
        around = np.broadcast_to(layer.around[:, None], sums.shape)
        means = sums / totals
        shifts = totals * means**2
    else:
        totals, effects, effect_squares, _ = _sums(observed, layer, powers=2)
        divisors = np.where(totals > 0, totals, 1.0)
        around = np.maximum(effect_squares - effects**2 / divisors, 0.0)
        means = sums / divisors
        shifts = sums**2 / divisors
        products -= sums * effects / divisors
    squares -= shifts
    # Where a mean dwarfs the spread, the difference has lost its digits.
    lost = squares < _LOST * shifts
    if observed is not None:
        lost |= around < _LOST * effects**2 / divisors
    for i, k in zip(*np.nonzero(lost), strict=True):
        part = layer.parts[i]
        away, deviations = part.of(scores[:, k]) - means[i, k], part.deviations
        weighted = part.weights.times(away)
        if observed is not None:
            there = part.of(observed[:, k])
            weighted = weighted * there
            deviations = (deviations - effects[i, k] / divisors[i, k]) * there
            around[i, k] = part.weights.times(deviations) @ deviations
        squares[i, k], products[i, k] = weighted @ away, weighted @ deviations
    return NodeMoments(totals, around, products, squares)


def _sums(matrix: np.ndarray, layer: Layer, powers: int) -> np.ndarray:
    """Σ w g (y − ȳ)^k for k = 0 to `powers`, then Σ w g², by node and column.

    Returns
    -------
    sums : ndarray of shape (powers + 2, n_nodes, n_columns)
    """
    factors = np.empty((powers + 1, len(layer.deviations)))
    factors[0] = 1.0 if layer.weights.array is None else layer.weights.array
    for k in range(powers):
        np.multiply(factors[k], layer.deviations, factors[k + 1])
    sums = np.zeros((len(layer.parts), powers + 2, matrix.shape[1]))
    ends = [*layer.starts[1:].tolist(), factors.shape[1]]
    for of_node, node, end in zip(sums, layer.starts.tolist(), ends, strict=True):
        for start in range(node, end, BLOCK):
            stretch = slice(start, min(start + BLOCK, end))
            rows = None if layer.rows is None else layer.rows[stretch]
            block = matrix[stretch] if rows is None else entries(matrix, rows)
            of_node[:-1] += factors[:, stretch] @ block
            if layer.weights.given:
                of_node[-1] += factors[0, stretch] @ block**2
            else:
                of_node[-1] += np.einsum("ij,ij->j", block, block)
    return sums.transpose(1, 0, 2)


def _standardised(covariate: Covariate) -> np.ndarray:
    """Numbers, or ranks, in the root's SDs about its mean; 0 for a constant."""
    if covariate.numeric:
        values = covariate.values.astype(float)
    else:  # the last entry is for missing ones, whose code is −1
        ranks = np.array([*covariate.ranks, np.nan], dtype=float)
        values = ranks[covariate.values]
    observed = values[~np.isnan(values)] if covariate.has_missing else values
    if not len(observed) or (observed == observed[0]).all():
        return values * 0.0
    with np.errstate(over="ignore"):
        mean, spread = _mean_and_sd(observed)
    if not np.isfinite(spread) or spread == 0:
        # Squares of the numbers would leave the range of floats.
        unit = np.abs(observed).max()
        values, observed = values / unit, observed / unit
        mean, spread = _mean_and_sd(observed)
    values -= mean
    values /= spread
    return values


def _mean_and_sd(values: np.ndarray) -> tuple[float, float]:
    mean = float(values.sum()) / len(values)
    away = values - mean
    return mean, float(np.sqrt(np.einsum("i,i->", away, away) / len(values)))


class FactorLevels:
    """The levels of all unordered factors, one after another.

    A factor with missing values has a slot for them behind its levels.
    """

    def __init__(self, covariates: Sequence[Covariate], n: int) -> None:
        factors = [(j, c) for j, c in enumerate(covariates) if c.kind == "unordered"]
        self.positions = [j for j, _ in factors]
        has_missing = np.array([c.has_missing for _, c in factors], dtype=bool)
        self.slots = has_missing + np.array([len(c.levels) for _, c in factors], int)
        ends = np.cumsum(self.slots)
        self.starts, self.missing = ends - self.slots, (ends - 1)[has_missing]
        self.codes = np.empty((n, len(factors)), dtype=np.intp)
        for k, (_, covariate) in enumerate(factors):
            codes = covariate.values + self.starts[k]
            codes[covariate.values < 0] = ends[k] - 1
            self.codes[:, k] = codes

    def sums(self, layer: Layer) -> LevelSums:
        """Weights and sums of every level in every node."""
        shape = len(layer.parts), int(self.slots.sum())
        slots = entries(self.codes, layer.rows)
        if shape[0] > 1:
            firsts = shape[1] * np.arange(shape[0])
            slots += firsts.repeat([part.spread.n for part in layer.parts])[:, None]

        def by_slot(values: np.ndarray | None) -> np.ndarray:
            repeated = None if values is None else values.repeat(len(self.slots))
            sums = np.bincount(slots.ravel(), repeated, minlength=shape[0] * shape[1])
            return sums.astype(float, copy=False).reshape(shape)

        weighted = layer.weights.times(layer.deviations)
        counts, sums = by_slot(layer.weights.array), by_slot(weighted)
        if not len(self.missing):
            around = layer.around[:, None].repeat(len(self.starts), axis=1)
            return LevelSums(counts, sums, around, self.starts)
        squares = by_slot(weighted * layer.deviations)
        for of_slots in (counts, sums, squares):
            of_slots[:, self.missing] = 0.0
        totals = np.add.reduceat(counts, self.starts, axis=1)
        means = np.add.reduceat(sums, self.starts, axis=1)
        means /= np.where(totals > 0, totals, 1.0)
        shifts = totals * means**2
        around = np.add.reduceat(squares, self.starts, axis=1) - shifts
        sums -= counts * means.repeat(self.slots, axis=1)
        # As with numbers, about the mean of the rows that have a level.
        for i, k in zip(*np.nonzero(around < _LOST * shifts), strict=True):
            part, start, n_slots = layer.parts[i], self.starts[k], self.slots[k]
            codes = part.of(self.codes[:, k])
            has = ~np.isin(codes, self.missing)
            deviations = (part.deviations - means[i, k]) * has
            weighted = part.weights.times(deviations)
            of_slots = np.bincount(codes - start, weighted, minlength=n_slots)
            sums[i, start : start + n_slots] = of_slots
            around[i, k] = weighted @ deviations
        return LevelSums(counts, sums, np.maximum(around, 0.0), self.starts)
