"""From a table to the features that a tree looks at, as the library itself gets them.

Numbers are cast as the library casts them, categories coded as it coded them in
training. In a pipeline, base and stepped tables pass through its transformers first.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from skfme._engine.affine import keeps_lines
from skfme._engine.refusals import RowsNotReadError
from skfme._engine.stepping import selected
from skfme._frames.arithmetic import integer_bounds
from skfme._frames.columns import ColumnData, category_codes, kind_of, numbers_in
from skfme._frames.tables import Table, as_table

__all__ = ["Features", "Inputs", "TransformedInputs", "transformed_table"]

Features = dict[int, np.ndarray]  # feature -> float64 values, NaN where missing


@dataclass(frozen=True)
class Inputs:
    """Columns of a table as features, one for one.

    Attributes
    ----------
    positions : tuple of int
        The column of each feature.
    levels : dict of int -> tuple
        Categories of the features that the library codes itself, in its order.
    takes_missing : bool
        Whether the model predicts rows with missing values.
    exact_integers : int
        Largest integer that the library's own cast keeps.
    takes_sparse : bool
        Whether the model reads what a sparse matrix leaves out as zeros.
    """

    positions: tuple[int, ...]
    levels: Mapping[int, tuple]
    takes_missing: bool
    exact_integers: int = 2**53
    takes_sparse: bool = True

    def features(self, table: Table) -> Features:
        """All features of a table."""
        return {
            feature: self._values(feature, table.names[p], table.column(p))
            for feature, p in enumerate(self.positions)
        }

    def changed(
        self,
        table: Table,
        before: Features,
        columns: Mapping[int, ColumnData],
        rows: np.ndarray,
    ) -> Features:
        """The features that differ from `before` where some columns are replaced.

        Parameters
        ----------
        table : Table of n rows
        before : Features
            Those of the table itself.
        columns : mapping of int -> column of n entries
        rows : ndarray of shape (n,), bool
            Rows that count; the others may hold anything.
        """
        return {
            feature: self._values(feature, table.names[p], columns[p])
            for feature, p in enumerate(self.positions)
            if p in columns
        }

    def n_values(self, n_effects: int) -> int:
        """Values of a row, before and after so many effects of a column or two."""
        return len(self.positions) + 2 * n_effects

    def is_straight(self, table: Table, moving: frozenset[int]) -> bool:
        """Whether straight paths of the table's columns are straight among the features."""
        return True

    def _values(self, feature: int, name: Hashable, column: ColumnData) -> np.ndarray:
        if feature in self.levels:
            codes = category_codes(column, self.levels[feature]).astype(np.float64)
            codes[codes < 0] = np.nan
            return codes
        _refuse_text(name, column)
        try:
            values = np.asarray(numbers_in(column))
        except (TypeError, ValueError) as error:
            raise RowsNotReadError(f"column {name!r} is no number: {error}") from error
        if values.dtype.kind not in "iufb":
            raise RowsNotReadError(
                f"column {name!r} is of type {values.dtype}, which is no number"
            )
        largest = max(map(abs, integer_bounds(values) or (0,)))
        if largest > self.exact_integers:
            raise RowsNotReadError(
                f"integers of column {name!r}, up to {largest}, lose digits"
            )
        return values.astype(np.float64, copy=False)


def _refuse_text(name: Hashable, column: ColumnData) -> None:
    """Refuse text, which a cast would take for a number where it looks like one."""
    if kind_of(column) in ("numeric", "datetime") or not len(column):
        return
    values = column if isinstance(column, np.ndarray) else column.to_numpy()
    text = values.dtype.kind in "US" or (
        values.dtype.kind == "O" and any(isinstance(v, (str, bytes)) for v in values)
    )
    if text:
        raise RowsNotReadError(f"column {name!r} holds text")


@dataclass(frozen=True)
class TransformedInputs:
    """The table behind the transformers of a pipeline.

    Attributes
    ----------
    transformers : tuple of fitted transformers
    inner : Inputs
        Of the transformed table.
    """

    transformers: tuple[Any, ...]
    inner: Inputs

    @property
    def takes_missing(self) -> bool:
        """Whether the model itself predicts rows with missing values."""
        return self.inner.takes_missing

    def features(self, table: Table) -> Features:
        """All features of a table, transformed."""
        return self.inner.features(self._transformed(table))

    def changed(
        self,
        table: Table,
        before: Features,
        columns: Mapping[int, ColumnData],
        rows: np.ndarray,
    ) -> Features:
        """The transformed features that differ from `before`."""
        stepped = selected(table, rows, dict(columns)) if columns else None
        if stepped is None:
            return {}
        changed: Features = {}
        for feature, values in self.features(stepped).items():
            if not np.array_equal(before[feature][rows], values, equal_nan=True):
                changed[feature] = before[feature].copy()
                changed[feature][rows] = values
        return changed

    def n_values(self, n_effects: int) -> int:
        """Values of a row, before and after so many effects, each of which may change
        every column.
        """
        return len(self.inner.positions) * (1 + n_effects)

    def is_straight(self, table: Table, moving: frozenset[int]) -> bool:
        """Whether straight paths of the table's columns stay straight."""
        return keeps_lines(self.transformers, table.names, moving)

    def _transformed(self, table: Table) -> Table:
        transformed, was_sparse = transformed_table(self.transformers, table)
        if was_sparse and not self.inner.takes_sparse:
            raise RowsNotReadError(
                "the pipeline makes a sparse matrix, whose zeros the model reads as "
                "missing"
            )
        if len(transformed) != len(table):
            raise RowsNotReadError("the pipeline changes the number of rows")
        return transformed


def transformed_table(transformers: Sequence[Any], table: Table) -> tuple[Table, bool]:
    """A table behind some transformers, and whether it was a sparse matrix there."""
    if not transformers:
        return table, False
    values = table.private()  # a transformer may work in place
    for transformer in transformers:
        values = transformer.transform(values)
    was_sparse = sparse.issparse(values)
    return as_table(values.toarray() if was_sparse else values), was_sparse
