"""From a table to the rows of a fitted model's design matrix.

What a design is, and the one of plain columns; formulas are in `formulas.py`, and which
design a model of statsmodels has is in `model_designs.py`. Designs are compared here: a
row must be built alike whatever others stand beside it.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._engine.stepping import selected
from skfme._frames.columns import ColumnData, numbers_in
from skfme._frames.hints import known_names, nearest
from skfme._frames.tables import Table

__all__ = ["ArrayDesign", "Columns", "Design", "compare_designs", "probe_rows"]

_PROBE_ROWS = 64

Columns = dict[int, ColumnData]  # of a table, by position


class Design:
    """The model's own map from rows of a table to rows of its design matrix.

    Attributes
    ----------
    names : tuple
        The model's names of the design's columns.
    wording : str
        The model's right-hand side, as an error shows it.
    absorbed : tuple
        Columns whose effects the fit took out, without parameters for them.
    """

    names: tuple[Hashable, ...]

    wording: str

    absorbed: tuple[Hashable, ...] = ()

    @property
    def k(self) -> int:
        """Number of columns of the design matrix."""
        return len(self.names)

    def used(self, table: Table) -> list[int]:
        """Positions of the table's columns that the design reads, no constant."""
        raise NotImplementedError

    def categorical(self) -> list[Hashable]:
        """Columns that the design takes for categories, whatever their type."""
        return []

    def matrix(self, table: Table) -> np.ndarray:
        """Rows of the design matrix, of shape (n, k); NaN where a value is missing."""
        raise NotImplementedError

    def stepped(
        self, table: Table, matrix: np.ndarray, mask: np.ndarray, columns: Columns
    ) -> np.ndarray:
        """Rows of the design matrix with some of the table's columns changed.

        Parameters
        ----------
        table : Table of n rows
        matrix : ndarray of shape (n, k)
            Its design before the change.
        mask : ndarray of shape (n,), bool
            The rows wanted.
        columns : dict of position -> column of n rows
        """
        changed = selected(table, mask, columns)
        return np.empty((0, self.k)) if changed is None else self.matrix(changed)


@dataclass(frozen=True)
class ArrayDesign(Design):
    """The design of a model fitted on arrays: its columns, by name or position.

    Attributes
    ----------
    names : tuple of hashable
        The model's own names of its columns.
    wording : str
    by_name : bool
        Whether they are the user's, rather than made up for an array.
    constant : int or None
        Position of a constant column, which a table may leave out.
    value : float, default=1.0
        What the constant column holds.
    """

    names: tuple[Hashable, ...]
    wording: str
    by_name: bool
    constant: int | None = None
    value: float = 1.0

    def used(self, table: Table) -> list[int]:
        positions = self._positions(table)
        if self.constant is not None:
            del positions[self.constant]
        return [position for position in positions if position is not None]

    def _positions(self, table: Table) -> list[int | None]:
        """Where each column of the design is in the table; None for the constant."""
        names = table.names
        if self.by_name:
            position = {name: i for i, name in enumerate(names)}
            constant = None if self.constant is None else self.names[self.constant]
            lacking = [n for n in self.names if n not in position and n != constant]
            if not lacking:
                return [position.get(name) for name in self.names]
            if table.kind != "numpy":
                raise ValueError(
                    f"The data lack the column {lacking[0]!r} of {self.wording}."
                    + (nearest(lacking[0], names) or known_names(names))
                )
        positions: list[int | None] = list(range(len(names)))
        if self.constant is not None and len(names) == self.k - 1:
            positions.insert(self.constant, None)
        if len(positions) != self.k:
            raise ValueError(
                f"The data have {len(names)} columns; {self.wording} expects {self.k}, "
                "in this order."
            )
        return positions

    def matrix(self, table: Table) -> np.ndarray:
        matrix = np.empty((len(table), self.k))
        if self.constant is not None:
            matrix[:, self.constant] = self.value
        columns = {position: table.column(position) for position in self.used(table)}
        return self._filled(matrix, table, columns, slice(None))

    def stepped(
        self, table: Table, matrix: np.ndarray, mask: np.ndarray, columns: Columns
    ) -> np.ndarray:
        rows = slice(None) if mask.all() else np.flatnonzero(mask)
        return self._filled(np.array(matrix[rows]), table, columns, rows)

    def _filled(
        self, matrix: np.ndarray, table: Table, columns: Columns, rows: Any
    ) -> np.ndarray:
        """A matrix for some of the rows, with the table's columns put in."""
        for i, position in enumerate(self._positions(table)):
            if position not in columns:
                continue
            try:
                matrix[:, i] = np.asarray(numbers_in(columns[position]), float)[rows]
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"Column {self.names[i]!r} is not numeric, but {self.wording} was "
                    "fitted on numbers. Encode it as for the fit."
                ) from error
        return matrix


def probe_rows(n: int) -> np.ndarray:
    """A few of n rows, spread evenly; never all, so that what others add is seen."""
    return np.arange(0, n, max(2, n // _PROBE_ROWS))


def compare_designs(
    design: Design, table: Table, expected: np.ndarray, source: str
) -> None:
    """Refuse a design whose rows depend on which others are built beside them.

    Parameters
    ----------
    design : Design
    table : Table of n rows
    expected : ndarray of shape (n, k)
        The rows as they were built before.
    source : str
        Where the rows come from, as an error says it.
    """
    rebuilt = design.matrix(table)
    if rebuilt.shape != expected.shape:
        raise ValueError(
            f"The design matrix of {design.wording}, rebuilt for {len(rebuilt)} rows "
            f"{source}, has {rebuilt.shape[1]} columns; the model was fitted with "
            f"{expected.shape[1]}. Effects need a design that the formula makes alone."
        )
    scale = np.maximum(np.abs(expected).max(axis=0, initial=0), 1e-300)
    gap = np.abs(rebuilt - expected) / scale
    wrong = ~(gap.max(axis=0, initial=0) < 1e-8)
    if wrong.any():
        columns = [repr(design.names[i]) for i in np.flatnonzero(wrong)]
        raise ValueError(
            f"The design matrix of {design.wording}, rebuilt for {len(rebuilt)} rows "
            f"{source}, differs from the one that the model was fitted with, in "
            f"{', '.join(columns[:3])}. Either the formula looks at "
            "other rows, as x - x.mean() does (center(x) and standardize(x) keep what "
            "they learnt), or the data frame has changed since the fit."
        )
