"""Interactions of pairs over many rows: their means and SDs, or each row's own.

There may be thousands of pairs, so that rows are pooled block by block, by the
combination of Chan, Golub and LeVeque (1983, The American Statistician 37, 242-247).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from skfme._summaries.weighted import sd_of_size
from skfme._summaries.weighting import Weighting

__all__ = ["PairSums", "Pairs"]


@dataclass(frozen=True, eq=False)
class PairSums:
    """Weight, means and squares of the interactions of some rows.

    Attributes
    ----------
    weight : float
    mean, squares : ndarray of shape (n_pairs, n_outputs)
        `squares` is Σ w (x − mean)².
    """

    weight: float
    mean: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, weights: np.ndarray) -> PairSums:
        """Those of rows of shape (n, n_pairs, n_outputs)."""
        total = float(weights.sum())
        flat = values.reshape(len(values), -1)
        mean = weights @ flat / (total or 1.0)
        deviations = flat - mean
        np.multiply(deviations, deviations, out=deviations)
        shape = values.shape[1:]
        return cls(total, mean.reshape(shape), (weights @ deviations).reshape(shape))

    def merged(self, other: PairSums) -> PairSums:
        """Those of both."""
        total = self.weight + other.weight
        if not total:
            return self
        gap, share = other.mean - self.mean, other.weight / total
        squares = self.squares + other.squares + self.weight * share * gap**2
        return PairSums(total, self.mean + share * gap, squares)

    def sd(self, weights: Weighting) -> np.ndarray:
        """SDs, of rows with these weights."""
        return np.asarray(sd_of_size(self.squares, weights.sum, weights.size))


@dataclass
class Pairs:
    """Interactions that come block by block.

    Attributes
    ----------
    weights : ndarray of shape (n_rows,)
    keep : bool
        Whether to keep those of each row.
    sums : PairSums or None
    blocks : list of ndarray
    """

    weights: np.ndarray
    keep: bool
    sums: PairSums | None = None
    blocks: list[np.ndarray] = field(default_factory=list)
    _n: int = 0

    def add(self, values: np.ndarray) -> None:
        """Take over the next rows."""
        weights = self.weights[self._n : self._n + len(values)]
        self._n += len(values)
        sums = PairSums.of(values, weights)
        self.sums = sums if self.sums is None else self.sums.merged(sums)
        if self.keep:
            self.blocks.append(values.copy())

    @property
    def by_row(self) -> np.ndarray | None:
        """Those of each row, where they are kept."""
        return np.concatenate(self.blocks) if self.blocks else None
