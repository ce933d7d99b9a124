"""How far a tree depends on the rows it happened to see.

The tree is grown again on bootstrap rows. Counted are how often each covariate splits
the root, where, and how often two rows end in the same partition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from skfme.statsmodels._tree.covariates import Covariate, Sample, Split
from skfme.statsmodels._tree.growing import Node, leaves_of

__all__ = ["Original", "Stability", "resampled"]


@dataclass(frozen=True)
class Stability:
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


class Original(NamedTuple):
    """The tree whose stability is asked: root split, leaf of each row, leaves."""

    root: Split | None
    leaves: np.ndarray
    ids: list[int]


def resampled(
    grown: Callable[[Sample], list[Node]],
    sample: Sample,
    original: Original,
    n_resamples: int,
    random_state: np.random.RandomState,
) -> Stability:
    """Grow trees on bootstrap rows, and compare them with the original."""
    leaves = np.empty((n_resamples, len(sample)), dtype=np.int32)
    roots, counts = [], []
    for b in range(n_resamples):
        rows = random_state.randint(len(sample), size=len(sample))
        nodes = grown(sample.take(rows))
        leaves[b] = leaves_of(nodes, sample.covariates, len(sample))
        roots.append(_describe_root(nodes[0].split, sample.covariates))
        counts.append(sum(node.is_leaf for node in nodes))
    own = _describe_root(original.root, sample.covariates)
    same = np.array([root[:2] == own[:2] for root in roots])
    if original.root is not None and not np.isnan(own[2]):
        covariate = sample.covariates[original.root.covariate]
        values = np.sort(covariate.values)
        values = values[covariate.observed(values)]
        ranks = np.searchsorted(values, [own[2], *(root[2] for root in roots)])
        same &= np.abs(ranks[1:] - ranks[0]) <= 0.05 * len(values)
    return Stability(
        _summarize_roots(roots),
        float(np.mean([root[0] == own[0] for root in roots])),
        float(np.mean(same)),
        _together(leaves, original.leaves, original.ids),
        np.array(counts),
        leaves,
    )


def _describe_root(
    split: Split | None, covariates: tuple[Covariate, ...]
) -> tuple[str, str, float]:
    """Variable, levels on the side of the first one, and cut of a root split."""
    if split is None:
        return "(none)", "", np.nan
    covariate = covariates[split.covariate]
    if covariate.numeric:
        assert split.cut is not None
        return str(covariate.name), "", split.cut
    if split.cut is None:
        left, right = set(split.left), set(split.right)
        codes = sorted(left if min(left | right) in left else right)
    else:
        codes = [c for c in range(len(covariate.levels)) if c <= split.cut]
    names = ", ".join(str(covariate.levels[c]) for c in codes)
    return str(covariate.name), names, np.nan


def _summarize_roots(roots: list[tuple[str, str, float]]) -> pd.DataFrame:
    """One row per variable and levels, the most frequent first."""
    frame = pd.DataFrame(roots, columns=["variable", "levels", "cut"])
    grouped = frame.groupby(["variable", "levels"], sort=False)["cut"]
    table = pd.DataFrame({"share": grouped.size() / len(frame)})
    for q in (25, 50, 75):
        table[f"cut_{q}"] = grouped.quantile(q / 100)
    return table.sort_values("share", ascending=False, kind="stable").reset_index()


def _together(leaves: np.ndarray, own: np.ndarray, ids: list[int]) -> pd.DataFrame:
    """Mean share of pairs of a subspace's rows that share a resampled partition."""
    shares = np.empty(len(ids))
    for k, subspace in enumerate(ids):
        members = leaves[:, own == subspace]
        n = members.shape[1]
        pairs = [float((np.bincount(labels) ** 2.0).sum() - n) for labels in members]
        shares[k] = np.mean(pairs) / (n * (n - 1)) if n > 1 else np.nan
    return pd.DataFrame({"together": shares}, index=pd.Index(ids, name="subspace"))
