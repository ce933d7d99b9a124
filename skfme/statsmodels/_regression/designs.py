"""Designs of regressions of effects; here the cells of groups or of a partition.

A design is what a regression needs of the rows that count: the matrix X, the names of
its columns, and how new rows become rows of it. It knows nothing of errors.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.hints import known_names
from skfme._frames.tables import as_table
from skfme._results.effects import ForwardEffect
from skfme.statsmodels._rows.labels import (
    columns_named,
    frame_of,
    label_frame,
    refuse_missing,
    row_labels,
)

__all__ = ["CellDesign", "Design", "group_design", "partition_design"]

# Groups are read one by one and compared in pairs.
MOST_GROUPS = 1000

# What the tables of results call their own columns.
RESERVED = {
    *("effect", "output", "rule", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "p_adjusted"),
}


@dataclass(frozen=True, eq=False)
class Design:
    """What a regression needs of the rows that count.

    Attributes
    ----------
    labels : DataFrame of k rows
        What tells the coefficients apart: group columns, or ``term``.
    rows : ndarray of int of shape (n,)
        Positions of the design's rows in the table that was explained.
    title : str
        Such as "by sex".
    notes : tuple of str
    """

    labels: pd.DataFrame
    rows: np.ndarray
    title: str
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of columns."""
        return len(self.rows), len(self.labels)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        raise NotImplementedError

    def block(self, rows: Any) -> np.ndarray:
        """Some rows of the matrix, of shape (b, k)."""
        raise NotImplementedError

    def matrix_of(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        """Rows of the matrix for new rows.

        Returns
        -------
        matrix : ndarray of shape (m, k)
            Distinct rows; NaN where a covariate is missing.
        which : ndarray of int of shape (n_new,)
            The row of `matrix` for each row of X.
        """
        raise NotImplementedError


# Cells


@dataclass(frozen=True)
class Groups:
    """Groups told apart by columns, or (None) by labels that came with the rows."""

    columns: tuple[Hashable, ...] | None

    def keys_of(self, X: Any) -> pd.DataFrame:
        if self.columns is None:
            return label_frame(X, None, "X")
        table = as_table(X)
        positions = [table.position(key, "by names") for key in self.columns]
        return frame_of(table, positions).astype(object)


@dataclass(frozen=True)
class Subspaces:
    """Subspaces of a fitted tree."""

    tree: Any

    def keys_of(self, X: Any) -> pd.DataFrame:
        return pd.DataFrame({"subspace": np.asarray(self.tree.apply(X))})


@dataclass(frozen=True, eq=False)
class CellDesign(Design):
    """One column per group, so that the coefficients are the groups' means.

    Attributes
    ----------
    codes : ndarray of int of shape (n,)
        The group of each row.
    keys : list of tuple
        What tells each group apart.
    source : Groups or Subspaces
        How new rows are sorted into groups.
    rules : list of str or None
        Of a partition, what the rows of each subspace have in common.
    """

    codes: np.ndarray
    keys: list[tuple]
    source: Groups | Subspaces
    rules: list[str] | None = None

    @property
    def names(self) -> list[str]:
        return [str(key[0] if len(key) == 1 else key) for key in self.keys]

    def block(self, rows: Any) -> np.ndarray:
        codes = self.codes[rows]
        cells = np.zeros((len(codes), len(self.keys)))
        cells[np.arange(len(codes)), codes] = 1.0
        return cells

    def matrix_of(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        position = {key: i for i, key in enumerate(self.keys)}
        found = list(self.source.keys_of(X).itertuples(index=False, name=None))
        unknown = [key for key in dict.fromkeys(found) if key not in position]
        if unknown:
            shown = ", ".join(str(k[0] if len(k) == 1 else k) for k in unknown[:5])
            raise ValueError(
                f"X has rows of groups without an estimate: {shown}."
                + known_names(self.names)
            )
        return np.eye(len(self.keys)), np.array([position[key] for key in found])


def group_design(effect: ForwardEffect, by: Any, rows: np.ndarray) -> CellDesign:
    """One cell per group, or combination of groups, among some rows."""
    labels = row_labels(effect, by, "by")
    refuse_missing(labels, rows, "by")
    columns = columns_named(by, effect.table)
    return _cells(
        labels.iloc[rows].reset_index(drop=True),
        rows,
        f"by {' and '.join(map(str, labels))}",
        Groups(columns),
    )


def partition_design(effect: ForwardEffect, tree: Any, rows: np.ndarray) -> CellDesign:
    """One cell per subspace of a fitted tree."""
    if not hasattr(tree, "apply"):
        raise TypeError(
            "from_partition takes a fitted EffectTree, such as came(effect), or another "
            f"tree with an apply method; got {tree!r}."
        )
    subspaces = pd.DataFrame({"subspace": np.asarray(tree.apply(effect.X))[rows]})
    design = _cells(subspaces, rows, "by partition", Subspaces(tree))
    notes = [
        "The partition is taken as given: if the same rows' effects chose it, the "
        "intervals are too narrow. Grow it on other rows."
    ]
    found = getattr(tree, "partitions_", None)
    if found is None:
        return replace(design, notes=tuple(notes))
    rules = found["rule"].reindex(design.labels["subspace"]).tolist()
    notes += [
        f"Subspace {key}: {rule}."
        for key, rule in zip(design.labels["subspace"], rules, strict=True)
    ]
    empty = [key for key in found.index if key not in set(design.labels["subspace"])]
    if empty:
        notes.append(
            f"No row that counts lies in subspace {', '.join(map(str, empty))}."
        )
    return replace(design, rules=rules, notes=tuple(notes))


def _cells(
    labels: pd.DataFrame, rows: np.ndarray, title: str, source: Groups | Subspaces
) -> CellDesign:
    grouped = labels.groupby(list(labels), sort=True, observed=True)
    keys = grouped.size().index.to_frame(index=False).astype(object)
    if len(keys) < 2:
        raise ValueError(
            f"There is one group {title}, {keys.iloc[0, 0]!r}, among the rows that count; "
            "at least two are expected. average_effects() gives the average of all rows."
        )
    if len(keys) > MOST_GROUPS:
        raise ValueError(
            f"There are {len(keys)} groups {title} among {len(rows)} rows that count, and "
            f"at most {MOST_GROUPS} can be compared. Bin the column, or model it: "
            "from_formula(), or mixed() for subjects."
        )
    return CellDesign(
        keys.rename(columns=lambda name: f"{name}_" if name in RESERVED else name),
        rows,
        title,
        (),
        grouped.ngroup().to_numpy(),
        list(keys.itertuples(index=False, name=None)),
        source,
    )
