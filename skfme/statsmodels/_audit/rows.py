"""The rows of an audit: which depend on one another, which are exchanged, what they weigh.

Averages over them are here; what is averaged is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._audit.audited import Sensitive, labels_of
from skfme.statsmodels._audit.shares import MeanEstimate, mean_over

__all__ = ["AuditedRows"]


@dataclass(frozen=True)
class AuditedRows:
    """Which rows go together, and what they weigh.

    Attributes
    ----------
    units : ndarray of shape (n,), int
        Clusters, or each row.
    permuted, strata : ndarray of shape (n,), int
        Units of one group each, whose labels are permuted within strata.
    weights : ndarray of shape (n,) or None
    """

    units: np.ndarray
    permuted: np.ndarray
    strata: np.ndarray
    weights: np.ndarray | None

    @classmethod
    def of(
        cls, table: Table, clusters: Any, strata: Any, group: Sensitive, weights: Any
    ) -> AuditedRows:
        units = labels_of(clusters, table, "clusters")
        within = np.zeros(len(table), dtype=int)
        if strata is not None:
            within = labels_of(strata, table, "strata")
        n_units = int(units.max()) + 1
        if n_units < 2:
            raise ValueError(
                "clusters puts all rows in one cluster; give two at least."
            )
        if within.any() and len(np.unique(within)) == len(
            np.unique(within * len(group.values) + group.codes)
        ):
            raise ValueError(
                f"Each of the strata has rows of one group of {group.name!r} alone, within "
                "which nothing can be permuted. Give strata that hold several groups."
            )
        pairs = np.unique(units * len(group.values) + group.codes)
        if len(pairs) == n_units:
            return cls(units, units, within, weights)
        # Groups vary within clusters, within which rows are exchangeable.
        n = len(table)
        strata_of = units * (int(within.max()) + 1) + within
        return cls(units, np.arange(n), strata_of, weights)

    def at(self, rows: np.ndarray) -> AuditedRows:
        """Some of the rows."""
        parts = (self.units, self.permuted, self.strata)
        units, permuted, strata = (
            np.unique(p[rows], return_inverse=True)[1] for p in parts
        )
        weights = None if self.weights is None else self.weights[rows]
        return AuditedRows(units, permuted, strata, weights)

    @cached_property
    def w(self) -> np.ndarray:
        """The weights, 1 where there are none."""
        return np.ones(len(self.units)) if self.weights is None else self.weights

    def mean(self, values: np.ndarray) -> float:
        """Of the rows that have a value and count."""
        known = ~np.isnan(values) & (self.w > 0)
        if not known.any():
            return np.nan
        return float(np.average(values[known], weights=self.w[known]))

    def estimate(self, values: np.ndarray) -> MeanEstimate:
        """The mean, with its error over units."""
        return mean_over(values, self.units, self.weights)
