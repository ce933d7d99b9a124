"""Sums over the rows of nodes, from which covariates are tested.

`Scores` holds the numeric and ordered covariates, `Levels` the unordered ones. Both
take the nodes of a whole layer of the tree: only passes over rows go node by node.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skfme.statsmodels._tree.covariates import Covariate
from skfme.statsmodels._tree.growing import Layer

__all__ = ["LevelSums", "Levels", "Moments", "Scores"]

BLOCK = 4096
"""Rows that are summed at once, so that they fit the cache."""


class Moments(NamedTuple):
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
    weights, sums : ndarray of shape (n_levels,)
        Σ w and Σ w (y − ȳ), ȳ over the node's rows that have a level of the factor.
    around : ndarray of shape (n_factors,)
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
        scored = [(j, c) for j, c in enumerate(covariates) if c.kind != "unordered"]
        full = [(j, c) for j, c in scored if not c.has_missing]
        holed = [(j, c) for j, c in scored if c.has_missing]
        self.positions = [j for j, _ in full + holed]
        self.complete = np.empty((n, len(full)))
        self.holed = np.empty((n, len(holed)))
        for matrix, members in ((self.complete, full), (self.holed, holed)):
            for k, (_, covariate) in enumerate(members):
                matrix[:, k] = _standardised(covariate)
        self.observed = (~np.isnan(self.holed)).astype(float)
        self.holed[self.observed == 0] = 0.0

    def moments(self, layer: Layer) -> Moments:
        """The moments of every score in every node."""
        if not self.holed.shape[1]:
            return self._of_complete(layer)
        pairs = zip(self._of_complete(layer), self._of_holed(layer), strict=True)
        return Moments(*(np.hstack(pair) for pair in pairs))

    def _of_complete(self, layer: Layer) -> Moments:
        sums, products, squares = _sums(self.complete, layer, powers=1)
        totals, around = layer.totals[:, None], layer.around[:, None]
        means = sums / totals
        shifts = totals * means**2
        squares -= shifts
        for i, k in zip(*_lost(squares, shifts), strict=True):
            part = layer.parts[i]
            away = part.of(self.complete[:, k]) - means[i, k]
            weighted = away if part.weights is None else part.weights * away
            squares[i, k], products[i, k] = weighted @ away, weighted @ part.deviations
        shape = squares.shape
        return Moments(
            np.broadcast_to(totals, shape),
            np.broadcast_to(around, shape),
            products,
            squares,
        )

    def _of_holed(self, layer: Layer) -> Moments:
        sums, products, squares = _sums(self.holed, layer, powers=1)
        totals, effects, effect_squares, _ = _sums(self.observed, layer, powers=2)
        some = np.where(totals > 0, totals, 1.0)
        around = np.maximum(effect_squares - effects**2 / some, 0.0)
        shifts = sums**2 / some
        squares, products = squares - shifts, products - sums * effects / some
        for i, k in zip(*_lost(squares, shifts), strict=True):
            part = layer.parts[i]
            weights = part.of(self.observed[:, k])
            if part.weights is not None:
                weights = weights * part.weights
            away = part.of(self.holed[:, k]) - sums[i, k] / some[i, k]
            squares[i, k] = (weights * away) @ away
            products[i, k] = (weights * away) @ part.deviations
        return Moments(totals, around, products, squares)


def _lost(squares: np.ndarray, shifts: np.ndarray) -> tuple[np.ndarray, ...]:
    """Where the mean dwarfs the spread, so that the difference has lost its digits."""
    return np.nonzero(squares < 1e-5 * shifts)


def _sums(matrix: np.ndarray, layer: Layer, powers: int) -> np.ndarray:
    """Σ w g (y − ȳ)^k for k = 0 to `powers`, then Σ w g², by node and column.

    Returns
    -------
    sums : ndarray of shape (powers + 2, n_nodes, n_columns)
    """
    factors = np.empty((powers + 1, len(layer.deviations)))
    factors[0] = 1.0 if layer.weights is None else layer.weights
    for k in range(powers):
        np.multiply(factors[k], layer.deviations, factors[k + 1])
    sums = np.zeros((len(layer.parts), powers + 2, matrix.shape[1]))
    ends = [*layer.starts[1:].tolist(), factors.shape[1]]
    for of_node, node, end in zip(sums, layer.starts.tolist(), ends, strict=True):
        for start in range(node, end, BLOCK):
            stretch = slice(start, min(start + BLOCK, end))
            block = (
                matrix[stretch]
                if layer.rows is None
                else matrix.take(layer.rows[stretch], axis=0)
            )
            of_node[:-1] += factors[:, stretch] @ block
            if layer.weights is None:
                of_node[-1] += np.einsum("ij,ij->j", block, block)
            else:
                of_node[-1] += factors[0, stretch] @ block**2
    return sums.transpose(1, 0, 2)


def _standardised(covariate: Covariate) -> np.ndarray:
    """Numbers, or ranks, in the root's SDs about its mean; 0 for a constant."""
    if covariate.numeric:
        values = covariate.values.astype(float)
    else:  # the last entry is for missing ones, whose code is −1
        values = np.append(np.array(covariate.ranks, dtype=float), np.nan)[
            covariate.values
        ]
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


class Levels:
    """The levels of all unordered factors, one after another.

    A factor with missing values has a slot for them behind its levels.
    """

    def __init__(self, covariates: Sequence[Covariate], n: int) -> None:
        factors = [(j, c) for j, c in enumerate(covariates) if c.kind == "unordered"]
        self.positions = [j for j, _ in factors]
        self.slots = np.array(
            [len(c.levels) + c.has_missing for _, c in factors], dtype=int
        )
        ends = np.cumsum(self.slots)
        self.starts, self.n_slots = ends - self.slots, int(self.slots.sum())
        self.codes = np.empty((n, len(factors)), dtype=np.intp)
        for k, (_, covariate) in enumerate(factors):
            codes = covariate.values + self.starts[k]
            codes[covariate.values < 0] = ends[k] - 1
            self.codes[:, k] = codes
        has_missing = np.array([c.has_missing for _, c in factors], dtype=bool)
        self.missing = (ends - 1)[has_missing]

    def sums(self, layer: Layer) -> LevelSums:
        """Weights and sums of every level in every node."""
        m, codes = len(layer.parts), self._coded(layer)
        weighted = layer.weighted(layer.deviations)
        nodes = self.n_slots * np.arange(m)
        starts = np.add.outer(nodes, self.starts).ravel()
        counts = self._by_slot(codes, layer.weights, m)
        sums = self._by_slot(codes, weighted, m)
        if not len(self.missing):
            around = layer.around.repeat(len(self.starts))
            return LevelSums(counts, sums, around, starts)
        squares = self._by_slot(codes, weighted * layer.deviations, m)
        missing = np.add.outer(nodes, self.missing).ravel()
        for by_slot in (counts, sums, squares):
            by_slot[missing] = 0.0
        totals = np.add.reduceat(counts, starts)
        means = np.add.reduceat(sums, starts) / np.where(totals > 0, totals, 1.0)
        around = np.add.reduceat(squares, starts) - totals * means**2
        sums -= counts * np.repeat(means, np.tile(self.slots, m))
        return LevelSums(counts, sums, np.maximum(around, 0.0), starts)

    def _coded(self, layer: Layer) -> np.ndarray:
        """The slot of every row of every node and factor, one after another."""
        codes = layer.of(self.codes)
        if len(layer.parts) > 1:
            nodes = self.n_slots * np.arange(len(layer.parts))
            codes += nodes.repeat([part.n for part in layer.parts])[:, None]
        return codes.ravel()

    def _by_slot(
        self, codes: np.ndarray, values: np.ndarray | None, m: int
    ) -> np.ndarray:
        repeated = None if values is None else values.repeat(len(self.slots))
        counted = np.bincount(codes, repeated, minlength=m * self.n_slots)
        return counted.astype(float, copy=False)
