"""How far a tree depends on the rows it happened to see.

The tree is grown again on bootstrap rows. Counted are how often each covariate splits
the root, where, and how often two rows end in the same partition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skfme._frames.time_scale import TimeScale
from skfme._text.printing import ShownTables, TitledTable, format_number
from skfme.statsmodels._tree.covariates import Covariate, Sample, Split
from skfme.statsmodels._tree.nodes import Node, count_leaves, leaves_of

__all__ = ["Stability", "resampled"]


@dataclass(frozen=True, repr=False)
class Stability(ShownTables):
    """How often a tree's features recur over bootstrap rows.

    Attributes
    ----------
    roots : DataFrame
        One row per root split found: ``variable`` and ``levels`` (the side of a
        categorical split, else empty), its ``share`` of the resamples, and the
        quartiles of its cut, ``cut_25``, ``cut_50``, ``cut_75``. ``(none)`` is a tree
        of one partition.
    root_variable : float
        Share of the resamples whose root splits the same variable.
    root_split : float
        Share whose root has the same levels, or a cut that lies no further than 5 %
        of the rows from the tree's.
    partitions : DataFrame
        Per subspace: ``together``, how often two of its rows share a partition in a
        resample.
    n_partitions : ndarray of shape (n_resamples,)
    leaves : ndarray of shape (n_resamples, n_rows)
        Partition of every row that counted in fit, by resample.
    """

    roots: pd.DataFrame
    root_variable: float
    root_split: float
    partitions: pd.DataFrame
    n_partitions: np.ndarray
    leaves: np.ndarray

    def co_membership(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Share of the resamples in which two rows are in the same partition.

        Parameters
        ----------
        rows : array-like of int, default=None
            Positions among the rows that counted in fit; None takes them all, and a
            square of that size.

        Returns
        -------
        share : ndarray of shape (n_rows, n_rows)
        """
        leaves = self.leaves if rows is None else self.leaves[:, np.asarray(rows)]
        share = np.zeros((leaves.shape[1], leaves.shape[1]))
        for labels in leaves:
            share += labels[:, None] == labels
        return share / len(leaves)

    def __repr__(self) -> str:
        return (
            f"<Stability of {len(self.n_partitions)} trees: {self.root_variable:.0%} split "
            f"the root by the same variable, {self.root_split:.0%} at the same place>"
        )

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        roots = [
            [
                f"{row['variable']}" + (f" ({row['levels']})" if row["levels"] else ""),
                f"{row['share']:.0%}",
                *(_cut(row[f"cut_{q}"]) for q in (25, 50, 75)),
            ]
            for row in self.roots.to_dict("records")
        ]
        together = [
            [str(subspace), _percent(share)]
            for subspace, share in self.partitions["together"].items()
        ]
        b, low, high = (
            len(self.n_partitions),
            self.n_partitions.min(),
            self.n_partitions.max(),
        )
        tables: list[TitledTable] = [
            (
                f"Roots of {b} trees of resampled rows",
                ["variable", "share", "25% of cuts", "median", "75%"],
                roots,
            ),
            (
                "Two rows of a subspace share one in a resample",
                ["subspace", "share"],
                together,
            ),
        ]
        same = (
            f"The root splits the same variable in {self.root_variable:.0%} of the "
            f"resamples, and at the same place in {self.root_split:.0%}. They have "
            f"{low if low == high else f'{low} to {high}'} partitions."
        )
        return tables, [same]


def _cut(value: Any) -> str:
    return format_number(value) if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{share:.0%}"


class _Root(NamedTuple):
    """The split of a root: variable, levels on the side of the first one, and cut."""

    variable: str
    levels: str = ""
    cut: float = np.nan

    @classmethod
    def of(cls, split: Split | None, covariates: tuple[Covariate, ...]) -> _Root:
        if split is None:
            return cls("(none)")
        covariate = covariates[split.covariate]
        if covariate.numeric and split.cut is not None:
            return cls(str(covariate.name), cut=split.cut)
        sides = split.level_sides(covariate)
        levels = min(sides, key=lambda side: covariate.levels.index(side[0]))
        return cls(str(covariate.name), ", ".join(map(str, levels)))


def resampled(
    grown: Callable[[Sample], list[Node]],
    sample: Sample,
    root: Split | None,
    leaves_in_fit: np.ndarray,
    n_resamples: int,
    random_state: np.random.RandomState,
) -> Stability:
    """Grow trees on bootstrap rows, and compare them with the root and leaves of fit."""
    leaves = np.empty((n_resamples, len(sample)), dtype=np.int32)
    counts, splits = [], []
    for b in range(n_resamples):
        rows = random_state.randint(len(sample), size=len(sample))
        nodes = grown(sample.take(rows))
        leaves[b] = leaves_of(nodes, sample.covariates)
        counts.append(count_leaves(nodes))
        splits.append(_Root.of(nodes[0].split, sample.covariates))
    roots, original = pd.DataFrame(splits), _Root.of(root, sample.covariates)
    same_variable = roots["variable"] == original.variable
    same = same_variable & (roots["levels"] == original.levels)
    if root is not None and not np.isnan(original.cut):
        covariate = sample.covariates[root.covariate]
        values = np.sort(covariate.values)
        values = values[covariate.observed(values)]
        ranks = np.searchsorted(values, [original.cut, *roots["cut"]])
        same &= np.abs(ranks[1:] - ranks[0]) <= 0.05 * len(values)
    scales = {str(c.name): c.scale for c in sample.covariates if c.scale is not None}
    return Stability(
        _with_dates(_frequencies(roots), scales),
        float(same_variable.mean()),
        float(same.mean()),
        _together(leaves, leaves_in_fit),
        np.array(counts),
        leaves,
    )


def _frequencies(roots: pd.DataFrame) -> pd.DataFrame:
    """One row per variable and levels, the most frequent first."""
    grouped = roots.groupby(["variable", "levels"], sort=False)["cut"]
    table = pd.DataFrame({"share": grouped.size() / len(roots)})
    for q in (25, 50, 75):
        table[f"cut_{q}"] = grouped.quantile(q / 100)
    return table.sort_values("share", ascending=False, kind="stable").reset_index()


def _with_dates(table: pd.DataFrame, scales: dict[str, TimeScale]) -> pd.DataFrame:
    """The same with the quartiles of cuts of dates as dates."""
    variables = table["variable"]
    if not variables.isin(scales).any():
        return table
    dated = {
        name: pd.array(
            [
                scales[variable].moment(cut, strict=True) if variable in scales else cut
                for variable, cut in zip(variables, table[name], strict=True)
            ],
            dtype=object,
        )
        for name in ("cut_25", "cut_50", "cut_75")
    }
    return table.assign(**dated)


def _together(leaves: np.ndarray, leaves_in_fit: np.ndarray) -> pd.DataFrame:
    """Mean share of pairs of a subspace's rows that share a resampled partition."""
    members = np.unique(leaves_in_fit[leaves_in_fit >= 0]).astype(int)
    subspaces = pd.Index(members, name="subspace")
    shares = np.full(len(subspaces), np.nan)
    for k, subspace in enumerate(subspaces):
        labels_of_rows = leaves[:, leaves_in_fit == subspace]
        n = labels_of_rows.shape[1]
        pairs = [(np.bincount(labels) ** 2.0).sum() - n for labels in labels_of_rows]
        if n > 1:
            shares[k] = np.mean(pairs) / (n * (n - 1))
    return pd.DataFrame({"together": shares}, index=subspaces)
