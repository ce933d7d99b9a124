"""How far a tree depends on the rows it happened to see.

The tree is grown again on bootstrap rows. Counted are how often each covariate splits
the root, where, and how often two rows end in the same partition.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from skfme.statsmodels._covariates import Covariate, Split

__all__ = ["Stability", "describe_root", "summarize_roots", "together"]


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


def describe_root(
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


def summarize_roots(roots: list[tuple[str, str, float]]) -> pd.DataFrame:
    """One row per variable and levels, the most frequent first."""
    frame = pd.DataFrame(roots, columns=["variable", "levels", "cut"])
    grouped = frame.groupby(["variable", "levels"], sort=False)["cut"]
    table = pd.DataFrame({"share": grouped.size() / len(frame)})
    for q in (25, 50, 75):
        table[f"cut_{q}"] = grouped.quantile(q / 100)
    return table.sort_values("share", ascending=False, kind="stable").reset_index()


def together(leaves: np.ndarray, own: np.ndarray, ids: list[int]) -> pd.DataFrame:
    """Mean share of pairs of a subspace's rows that share a resampled partition."""
    shares = np.empty(len(ids))
    for k, subspace in enumerate(ids):
        members = leaves[:, own == subspace]
        n = members.shape[1]
        pairs = [float((np.bincount(labels) ** 2.0).sum() - n) for labels in members]
        shares[k] = np.mean(pairs) / (n * (n - 1)) if n > 1 else np.nan
    return pd.DataFrame({"together": shares}, index=pd.Index(ids, name="subspace"))
