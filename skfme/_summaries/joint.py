"""What several averages over one table have in common, in numbers that merge.

Two averages share the rows that count for both. For each pair (a, b) of columns, over
those rows, with weights v:

    V = Σ v,   mean_ab = Σ v x_a / V,   cross = Σ v (x_a − mean_ab) (x_b − mean_ba),

of which the products around any other means follow: cross + V (mean_ab − m_a)
(mean_ba − m_b). How one column is summarized lives beside this.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

__all__ = ["JointMoments"]


@dataclass(frozen=True, eq=False)
class JointMoments:
    """Pairs of K columns, in G groups of rows.

    Attributes
    ----------
    weight, mean, cross : ndarray of shape (G, K, K)
        ``mean[g, a, b]`` is that of column a over the rows that b has as well; 0 where
        there are none.
    """

    weight: np.ndarray
    mean: np.ndarray
    cross: np.ndarray

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        weights: np.ndarray | None,
        codes: np.ndarray,
        n_groups: int,
    ) -> JointMoments:
        """Of the rows of a table.

        Parameters
        ----------
        values : ndarray of shape (n, K)
            NaN where a row does not count.
        weights : ndarray of shape (n,) or None
        codes : ndarray of shape (n,)
            Each row's group.
        n_groups : int
        """
        order = np.argsort(codes, kind="stable")
        edges = np.searchsorted(codes[order], np.arange(n_groups + 1))
        cells = []
        for start, stop in pairwise(edges):
            rows = order[start:stop] if n_groups > 1 else slice(None)
            cells.append(
                _pairs(values[rows], None if weights is None else weights[rows])
            )
        return cls(*(np.array(arrays) for arrays in zip(*cells, strict=True)))

    @classmethod
    def empty(cls, n_groups: int, n_columns: int) -> JointMoments:
        none = np.zeros((n_groups, n_columns, n_columns))
        return cls(none, none, none)

    def merged(
        self, other: JointMoments, codes: np.ndarray, n_groups: int
    ) -> JointMoments:
        """The cells of both, pooled by group; `codes` are self's, then other's."""
        both = JointMoments(
            *(
                np.concatenate([getattr(self, name), getattr(other, name)])
                for name in ("weight", "mean", "cross")
            )
        )
        return both._pooled(codes, n_groups)

    def total(self) -> JointMoments:
        """All groups as one."""
        return self._pooled(np.zeros(len(self.weight), dtype=np.intp), 1)

    def products(self, means: np.ndarray) -> np.ndarray:
        """Σ v (x_a − means_a) (x_b − means_b) of each group, of shape (G, K, K).

        Parameters
        ----------
        means : ndarray of shape (G, K)
        """
        apart = self.mean - means[:, :, None]
        return self.cross + self.weight * apart * apart.transpose(0, 2, 1)

    def _pooled(self, codes: np.ndarray, n_groups: int) -> JointMoments:
        shape = (n_groups, *self.weight.shape[1:])

        def summed(cells: np.ndarray) -> np.ndarray:
            sums = np.zeros(shape)
            np.add.at(sums, codes, cells)
            return sums

        weight = summed(self.weight)
        mean = summed(self.weight * self.mean) / np.where(weight > 0, weight, 1.0)
        apart = self.mean - mean[codes]
        between = self.weight * apart * apart.transpose(0, 2, 1)
        return JointMoments(weight, mean, summed(self.cross + between))


def _pairs(
    values: np.ndarray, weights: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weight, mean and cross of each pair of columns."""
    seen = ~np.isnan(values)
    counts = np.maximum(seen.sum(axis=0), 1)
    centres = np.where(seen, values, 0.0).sum(axis=0) / counts
    centred = np.where(seen, values - centres, 0.0)
    there = seen.astype(float)
    if weights is not None:
        weighted, weighed = centred * weights[:, None], there * weights[:, None]
    else:
        weighted, weighed = centred, there
    weight = weighed.T @ there
    mean = weighted.T @ there / np.where(weight > 0, weight, 1.0)
    cross = weighted.T @ centred - weight * mean * mean.T
    return weight, np.where(weight > 0, mean + centres[:, None], 0.0), cross
