"""Designs of regressions of effects; here the cells of groups or of a partition.

A design is what a regression needs of the rows that count: the matrix X, the names of
its columns, and how new rows become rows of it. Errors are estimated elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.groups import columns_named, labels_beside, labels_in, row_labels
from skfme._frames.hints import known_names, shown
from skfme._frames.tables import as_table
from skfme._results.effects import ForwardEffect
from skfme.statsmodels._inference.names import RESULT_COLUMNS
from skfme.statsmodels._rows.groups import Groups

__all__ = ["CellDesign", "EffectDesign", "group_design", "partition_design"]

# Groups are read one by one and compared in pairs.
MOST_GROUPS = 1000


@dataclass(frozen=True, eq=False)
class EffectDesign:
    """What a regression needs of the rows that count.

    Attributes
    ----------
    labels : DataFrame of k rows
        Labels of the coefficients: group columns, or ``term``.
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
        places : ndarray of int of shape (n_new,)
            The row of `matrix` for each row of X.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class CellDesign(EffectDesign):
    """One column per group, so that the coefficients are the groups' means.

    Attributes
    ----------
    codes : ndarray of int of shape (n,)
        The group of each row.
    keys : list of tuple
        The labels of each group.
    keys_of : X -> DataFrame
        The keys of new rows.
    rules : list of str or None
        Of a partition, what the rows of each subspace have in common.
    """

    codes: np.ndarray
    keys: list[tuple]
    keys_of: Callable[[Any], pd.DataFrame]
    rules: list[str] | None = None

    @property
    def names(self) -> list[str]:
        return [_shown(key) for key in self.keys]

    def totals(self, values: np.ndarray | None = None) -> np.ndarray:
        """Sums by group, of shape (k,); None counts rows."""
        return np.bincount(self.codes, values, len(self.keys))

    def block(self, rows: Any) -> np.ndarray:
        codes = self.codes[rows]
        cells = np.zeros((len(codes), len(self.keys)))
        cells[np.arange(len(codes)), codes] = 1.0
        return cells

    def matrix_of(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        position = {key: i for i, key in enumerate(self.keys)}
        groups = Groups.of_labels(self.keys_of(X))
        keys = list(groups.keys.itertuples(index=False, name=None))
        unknown = [key for key in keys if key not in position]
        if unknown:
            raise ValueError(
                "X has rows of groups without an estimate: "
                f"{', '.join(map(_shown, unknown[:5]))}." + known_names(self.names)
            )
        places = np.array([position[key] for key in keys])
        return np.eye(len(self.keys)), places[groups.codes]


def _shown(key: tuple) -> str:
    return str(key[0] if len(key) == 1 else key)


def group_design(effect: ForwardEffect, by: Any, rows: np.ndarray) -> CellDesign:
    """One cell per group, or combination of groups, among some rows."""
    labels = row_labels(effect.table, by).iloc[rows]
    dated = any(dtype.kind in "mM" for dtype in labels.dtypes)
    if dated and len(labels) > 1 and not labels.duplicated().any():
        raise ValueError(
            f"by gives each of the {len(labels)} rows that count a date of its own, so that "
            "no error can be estimated. Take a part of it, such as by=X['day'].dt.month."
        )
    columns = columns_named(by, effect.table)
    title = f"by {' and '.join(map(str, labels))}"
    return _cells(labels, rows, title, partial(_labels_again, columns))


def _labels_again(columns: tuple[Hashable, ...] | None, X: Any) -> pd.DataFrame:
    """Labels of new rows: their columns, or (None) the rows are labels themselves."""
    if columns is None:
        return labels_beside(X, len(X), "X")
    return labels_in(as_table(X), columns, "by")


def partition_design(effect: ForwardEffect, tree: Any, rows: np.ndarray) -> CellDesign:
    """One cell per subspace of a fitted tree."""
    if not hasattr(tree, "apply"):
        raise TypeError(
            "from_tree takes a fitted EffectTree, such as came(effect), or another "
            f"tree with an apply method; got {shown(tree)}."
        )
    subspace_of = partial(_subspaces, tree)
    design = _cells(subspace_of(effect.X).iloc[rows], rows, "by partition", subspace_of)
    notes = [
        "The partition is taken as given: if the same rows' effects chose it, the "
        "intervals are too narrow. Grow it on other rows."
    ]
    partitions = getattr(tree, "partitions_", None)
    if partitions is None:
        return replace(design, notes=tuple(notes))
    subspaces = design.labels["subspace"]
    rules = partitions["rule"].reindex(subspaces).tolist()
    notes += [
        f"Subspace {key}: {rule}." for key, rule in zip(subspaces, rules, strict=True)
    ]
    empty = partitions.index.difference(subspaces, sort=False)
    if len(empty):
        notes.append(
            f"No row that counts lies in subspace {', '.join(map(str, empty))}."
        )
    return replace(design, rules=rules, notes=tuple(notes))


def _subspaces(tree: Any, X: Any) -> pd.DataFrame:
    return pd.DataFrame({"subspace": np.asarray(tree.apply(X))})


def _cells(
    labels: pd.DataFrame,
    rows: np.ndarray,
    title: str,
    keys_of: Callable[[Any], pd.DataFrame],
) -> CellDesign:
    groups = Groups.of_labels(labels)
    keys = groups.keys.astype(object)
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
        keys.rename(columns=lambda n: f"{n}_" if n in RESULT_COLUMNS else n),
        rows,
        title,
        (),
        groups.codes,
        list(keys.itertuples(index=False, name=None)),
        keys_of,
    )
