"""Clusters of rows, and the types of covariance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

__all__ = [
    "COV_TYPES",
    "Clusters",
]


COV_TYPES = ("nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster")


@dataclass(frozen=True)
class Clusters:
    """Rows that belong together, in one way or in two.

    Attributes
    ----------
    codes : ndarray of int of shape (n, n_ways)
        0 to G − 1 in each column.
    """

    codes: np.ndarray

    @classmethod
    def of(cls, labels: pd.DataFrame) -> Clusters:
        columns = [pd.factorize(labels.iloc[:, j])[0] for j in range(labels.shape[1])]
        return cls(np.column_stack(columns))

    @cached_property
    def ways(self) -> tuple[np.ndarray, ...]:
        """Codes of each way."""
        return tuple(self.codes.T)

    @cached_property
    def crossed(self) -> tuple[tuple[float, np.ndarray], ...]:
        """Codes to add up over, each with its sign: V₁ + V₂ − V₁₂."""
        if len(self.ways) == 1:
            return ((1.0, self.ways[0]),)
        first, second = self.ways
        both = np.unique(first * (second.max() + 1) + second, return_inverse=True)[1]
        return ((1.0, first), (1.0, second), (-1.0, both))

    @property
    def numbers(self) -> tuple[int, ...]:
        """Number of clusters in each way."""
        return tuple(int(codes.max()) + 1 for codes in self.ways)

    def within(self, members: np.ndarray) -> int:
        """Clusters that some rows belong to, in the way that has fewest."""
        return min(len(np.unique(codes[members])) for codes in self.ways)

    def take(self, rows: np.ndarray) -> Clusters:
        return Clusters.of(pd.DataFrame(self.codes[rows]))
