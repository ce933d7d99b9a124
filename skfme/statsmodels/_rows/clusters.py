"""Clusters of rows, and the types of covariance that take them or do not.

Covariances are computed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme.statsmodels._rows.groups import complete_labels

__all__ = ["CLUSTERED", "Clusters", "checked_cov_type", "cluster_notes", "clusters_of"]

CLUSTERED = ("cluster", "CR3")
# Below this number of clusters, robust standard errors are too small.
FEW_CLUSTERS = 40
COV_TYPES = ("nonrobust", "HC0", "HC1", "HC2", "HC3", *CLUSTERED)


@dataclass(frozen=True)
class Clusters:
    """Rows that belong together, in one way or in two.

    Attributes
    ----------
    ways : tuple of ndarray of int of shape (n,)
        For each way the cluster of each row, from 0 to G − 1.
    """

    ways: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, labels: pd.DataFrame) -> Clusters:
        return cls(tuple(pd.factorize(column)[0] for _, column in labels.items()))

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

    @property
    def df(self) -> int:
        """G − 1, in the way with fewer clusters."""
        return min(self.numbers) - 1

    def numbers_within(self, cells: np.ndarray, n_cells: int) -> np.ndarray:
        """Clusters with rows in each cell, in the way where they are fewer."""
        ways = zip(self.ways, self.numbers, strict=True)
        pairs = [np.unique(cells * G + codes) // G for codes, G in ways]
        return np.min([np.bincount(cell, None, n_cells) for cell in pairs], axis=0)


def checked_cov_type(cov_type: str | None, weights: Weighting) -> str:
    """The kind of covariance; None is statsmodels' default, robust for sampling weights."""
    if cov_type is None:
        return "HC1" if weights.sampling else "nonrobust"
    if cov_type not in COV_TYPES:
        raise ValueError(
            f"cov_type={cov_type!r} is not known; expected one of "
            f"{', '.join(map(repr, COV_TYPES))}."
        )
    if cov_type == "nonrobust" and weights.sampling:
        raise ValueError(
            "cov_type='nonrobust' is wrong for sampling weights, whose standard errors "
            "need a robust covariance, such as cov_type='HC1'. If the weights are "
            "precisions or counts, say weights_type='importance' or 'frequency'."
        )
    return cov_type


def cluster_notes(numbers: Sequence[int], way_out: str | None) -> list[str]:
    """How many clusters there are, and that they are few.

    Parameters
    ----------
    numbers : sequence of int
        Of each way.
    way_out : str or None
        What to do where they are few; None where the covariance suits few.
    """
    notes = [f"{' and '.join(map(str, numbers))} clusters."]
    if way_out is not None and min(numbers) < FEW_CLUSTERS:
        notes.append(
            f"With fewer than {FEW_CLUSTERS} clusters such standard errors tend "
            f"to be too small; {way_out}."
        )
    return notes


def clusters_of(
    table: Table, cov_type: str, cov_kwds: Mapping | None, rows: np.ndarray
) -> Clusters | None:
    """Clusters of some rows, where the covariance takes them.

    Raises
    ------
    ValueError
        If groups are missing, not one label per row of X, or fewer than two.
    """
    options = dict(cov_kwds or {})
    groups = options.pop("groups", None)
    if options or (cov_type not in CLUSTERED and groups is not None):
        names = sorted(options) or ["groups"]
        raise ValueError(
            f"cov_kwds has {', '.join(map(repr, names))}, which cov_type={cov_type!r} does "
            "not take; cov_type='cluster' takes 'groups', and so does 'CR3'."
        )
    if cov_type not in CLUSTERED:
        return None
    if groups is None:
        raise ValueError(
            f"cov_type={cov_type!r} needs cov_kwds={{'groups': …}}: a column of X, or one "
            "label per row of X; two columns cluster in two ways."
        )
    labels = complete_labels(table, groups, rows, "groups")
    if labels.shape[1] > 2:
        raise ValueError(
            f"groups has {labels.shape[1]} columns; rows can be clustered in one way or "
            "in two."
        )
    clusters = Clusters.of(labels)
    if clusters.df < 1:
        raise ValueError(
            "groups puts all rows that count in one cluster; at least two are expected."
        )
    return clusters
