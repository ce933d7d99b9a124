"""Sums of the nodes of a layer that add up over batches, so that no row is kept.

`NodeTally` has what the tests of a node need, and `ValueTally` what its cuts need of one
covariate: the rows by value where there are few, else by bins. Both are the sums that
rows at hand would give (:mod:`skfme.statsmodels._tree.node_sums`); means and moments of
batches are merged as in Chan, Golub and LeVeque (1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme.statsmodels._tree.covariates import Covariate, Split
from skfme.statsmodels._tree.node_sums import LevelSums, NodeMoments
from skfme.statsmodels._tree.nodes import Spread
from skfme.statsmodels._tree.split_search import best_cut

__all__ = ["MOST_VALUES", "NodeTally", "Rows", "ValueTally", "level_starts"]

MOST_VALUES = 1000
"""Distinct values of a covariate in a node up to which its cuts are exact."""

SAMPLED = 10 * MOST_VALUES
"""Rows of a node, on average, whose quantiles are the edges of bins."""

_BLOCK = 16_384  # rows that are centred at once


class Rows(NamedTuple):
    """Rows of one batch, as the sums need them.

    Attributes
    ----------
    covariates : tuple of Covariate
    scores, observed : ndarray of shape (n, n_covariates)
        Numbers and ranks in the root's SDs, 0 for factors and where missing; and 1 where
        an entry is observed.
    effects : ndarray of shape (n,)
    weights : Weighting
    drawn : ndarray of shape (n,)
        Uniform numbers, by which rows are sampled.
    """

    covariates: tuple[Covariate, ...]
    scores: np.ndarray
    observed: np.ndarray
    effects: np.ndarray
    weights: Weighting
    drawn: np.ndarray


def level_starts(covariates: Sequence[Covariate]) -> np.ndarray:
    """Where the levels of each unordered factor begin; a slot for missing ones is last."""
    slots = [len(c.levels) + 1 for c in covariates if c.kind == "unordered"]
    return np.cumsum([0, *slots])


class NodeTally:
    """The sums of one node, over the rows that were added.

    Parameters
    ----------
    covariates : sequence of Covariate
    center : float
        What effects are taken about, near their mean.
    expected : int
        About how many rows the node has.
    """

    def __init__(
        self, covariates: Sequence[Covariate], center: float, expected: int
    ) -> None:
        self.spread = Spread(0, 0.0, 0.0, 0.0, 0.0)
        self.scored = [j for j, c in enumerate(covariates) if c.kind != "unordered"]
        self.factors = [j for j, c in enumerate(covariates) if c.kind == "unordered"]
        self._starts = level_starts(covariates)
        self._center = center
        # W, means of scores and effects, and their squares and products about them.
        self._totals, self._at, self._mean = np.zeros((3, len(covariates)))
        self._squares, self._products, self._around = np.zeros((3, len(covariates)))
        self._level_weights, self._level_sums = np.zeros((2, self._starts[-1]))
        self._level_rows = np.zeros(self._starts[-1], dtype=np.int64)
        self._share = SAMPLED / max(expected, 1)
        self._sample = [np.empty((0, len(self.scored)))]

    def add(self, batch: Rows, rows: np.ndarray) -> None:
        """Add some rows of a batch, by their positions."""
        if not len(rows):
            return
        weights = batch.weights.take(rows)
        effects = batch.effects[rows]
        self.spread = self.spread.merged(Spread.of(effects, weights))
        effects = effects - self._center
        whole = weights.whole()
        for start in range(0, len(rows), _BLOCK):
            at = slice(start, start + _BLOCK)
            self._add_moments(batch, rows[at], effects[at], whole[at])
        for k, j in enumerate(self.factors):
            codes = batch.covariates[j].values[rows]
            self._add_levels(k, codes, effects, whole, weights.given)
        kept = rows[batch.drawn[rows] < self._share]
        columns = [_numbers(batch.covariates[j], kept) for j in self.scored]
        if columns:
            self._sample.append(np.column_stack(columns))

    def _add_moments(
        self, batch: Rows, rows: np.ndarray, effects: np.ndarray, weights: np.ndarray
    ) -> None:
        scores, observed = batch.scores[rows], batch.observed[rows]
        totals = weights @ observed
        divisors = np.where(totals > 0, totals, 1.0)
        at, mean = (
            weights @ scores / divisors,
            (weights * effects) @ observed / divisors,
        )
        scores = (scores - at) * observed
        deviations = (effects[:, None] - mean) * observed
        weighted = weights[:, None] * deviations
        squares, around = weights @ scores**2, (weighted * deviations).sum(axis=0)
        products = (weighted * scores).sum(axis=0)
        self._merge_moments((totals, at, mean), (squares, products, around))

    def _merge_moments(
        self, means: Sequence[np.ndarray], about_them: Sequence[np.ndarray]
    ) -> None:
        """Add W and the means of other rows, and their squares and products."""
        totals, at, mean = means
        squares, products, around = about_them
        both = self._totals + totals
        share = totals / np.where(both > 0, both, 1.0)
        between = self._totals * share
        at, mean = at - self._at, mean - self._mean
        self._squares = self._squares + squares + between * at**2
        self._products = self._products + products + between * at * mean
        self._around = self._around + around + between * mean**2
        self._at = self._at + share * at
        self._mean = self._mean + share * mean
        self._totals = both

    def merge(self, other: NodeTally) -> None:
        """Add the sums of other rows of the node."""
        self.spread = self.spread.merged(other.spread)
        means = other._totals, other._at, other._mean
        self._merge_moments(means, (other._squares, other._products, other._around))
        self._level_weights = self._level_weights + other._level_weights
        self._level_sums = self._level_sums + other._level_sums
        self._level_rows = self._level_rows + other._level_rows
        self._sample = [*self._sample, *other._sample]

    def _add_levels(
        self,
        k: int,
        codes: np.ndarray,
        effects: np.ndarray,
        weights: np.ndarray,
        weighted: bool,
    ) -> None:
        start, n_slots = self._starts[k], self._starts[k + 1] - self._starts[k]
        slots = slice(start, start + n_slots - 1)
        has = codes >= 0
        codes, effects, weights = codes[has], effects[has], weights[has]
        n = n_slots - 1
        counts = np.bincount(codes, minlength=n)
        self._level_rows[slots] += counts
        totals = np.bincount(codes, weights, minlength=n) if weighted else counts
        self._level_weights[slots] += totals
        self._level_sums[slots] += np.bincount(codes, weights * effects, minlength=n)

    def moments(self) -> NodeMoments:
        """Of the scored covariates."""
        j = self.scored
        return NodeMoments(
            self._totals[j], self._around[j], self._products[j], self._squares[j]
        )

    def levels(self) -> LevelSums:
        """Of the factors."""
        starts = self._starts[:-1]
        totals = np.add.reduceat(self._level_weights, starts)
        means = np.add.reduceat(self._level_sums, starts)
        means = (means / np.where(totals > 0, totals, 1.0)).repeat(
            np.diff(self._starts)
        )
        sums = self._level_sums - self._level_weights * means
        return LevelSums(self._level_weights, sums, self._around[self.factors], starts)

    def by_level(self, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows, Σ w and Σ w (y − ȳ) of each level of a factor."""
        k = self.factors.index(j)
        slots = slice(self._starts[k], self._starts[k + 1] - 1)
        levels = self.levels()
        return self._level_rows[slots], levels.weights[slots], levels.sums[slots]

    def edges(self, j: int) -> np.ndarray:
        """Upper ends of the bins of a scored covariate, but for the last one."""
        values = np.concatenate(self._sample)[:, self.scored.index(j)]
        values = values[~np.isnan(values)]
        if not len(values):
            return values
        shares = np.arange(1, MOST_VALUES) / MOST_VALUES
        return np.unique(np.quantile(values, shares, method="inverted_cdf"))


def _numbers(covariate: Covariate, rows: np.ndarray) -> np.ndarray:
    """Numbers, or codes of ordered levels, NaN where missing."""
    values = covariate.values[rows].astype(float)
    if not covariate.numeric:
        values[values < 0] = np.nan
    return values


class ValueTally:
    """Rows of one node by the values of one covariate: exact, or in bins where many.

    Each bin remembers its largest value, so that a cut is always an observed one.

    Parameters
    ----------
    edges : ndarray
        Upper ends of the bins, but for the last one.
    center : float
        What effects are taken about.
    """

    def __init__(self, edges: np.ndarray, center: float) -> None:
        self._edges, self._center = edges, center
        self._binned = False
        self._cells = np.empty((6, 0))  # key, low, high, n, W and Σ w (y − center)

    def add(self, batch: Rows, j: int, rows: np.ndarray) -> None:
        """Add some rows of a batch, by their positions."""
        values = _numbers(batch.covariates[j], rows)
        has = ~np.isnan(values)
        values, rows = values[has], rows[has]
        weights = batch.weights.take(rows)
        sums = weights.times(batch.effects[rows] - self._center)
        cells = values, values, values, np.ones(len(rows)), weights.whole(), sums
        new = np.stack(cells)
        self._add_cells(_aggregated(new))

    def merge(self, other: ValueTally) -> None:
        """Add the cells of other rows of the node."""
        if other._binned and not self._binned:
            self._bin()
        self._add_cells(other._cells)

    def _add_cells(self, cells: np.ndarray) -> None:
        if self._binned:
            cells = np.vstack([self._keys(cells[2]), cells[1:]])
        self._cells = _aggregated(np.hstack([self._cells, cells]))
        if not self._binned and self._cells.shape[1] > MOST_VALUES:
            self._bin()

    def _bin(self) -> None:
        self._binned = True
        self._cells[0] = self._keys(self._cells[2])
        self._cells = _aggregated(self._cells)

    def _keys(self, values: np.ndarray) -> np.ndarray:
        return np.searchsorted(self._edges, values).astype(float)

    def split(self, j: int, least: float) -> Split | None:
        """The best cut that leaves `least` on either side; None if there is none."""
        _, lows, highs, rows, weights, sums = self._cells
        if not len(rows):
            return None
        cut = best_cut(None, Weighting(weights, len(weights)), sums / weights, least)
        if cut is None:
            return None
        left, n = rows[: cut.position + 1].sum(), rows.sum()
        skipped = np.where(lows < highs, rows, 0.0).max() / n
        return Split(
            j,
            cut=float(highs[cut.position]),
            default_left=bool(2 * left > n),
            skipped=float(skipped),
        )


def _aggregated(cells: np.ndarray) -> np.ndarray:
    """Cells of equal keys as one, in the order of the keys."""
    keys, first, at = np.unique(cells[0], return_index=True, return_inverse=True)
    lows, highs = cells[1, first], cells[2, first]
    np.minimum.at(lows, at, cells[1])
    np.maximum.at(highs, at, cells[2])
    sums = [np.bincount(at, row, minlength=len(keys)) for row in cells[3:]]
    return np.stack([keys, lows, highs, *sums])
