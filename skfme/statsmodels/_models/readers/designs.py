"""Designs beside a formula's and an array's: part of one, what a pipeline makes, none."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from skfme._engine.stepping import selected
from skfme._frames.hints import known_names, nearest
from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import Columns, Design

__all__ = ["MadeDesign", "PickedDesign", "TableDesign"]


class PickedDesign(Design):
    """Some columns of other designs side by side, in the order of the parameters.

    Parameters
    ----------
    parts : sequence of Design
    names : sequence
        The columns wanted.
    absorbed : sequence, default=()

    Raises
    ------
    ValueError
        If no part has one of them.
    """

    def __init__(
        self,
        parts: Sequence[Design],
        names: Sequence[Hashable],
        absorbed: Sequence[Hashable] = (),
    ) -> None:
        self.names, self._parts = tuple(names), parts
        self.wording, self.absorbed = parts[0].wording, tuple(absorbed)
        made = [name for part in parts for name in part.names]
        lacking = [name for name in names if name not in made]
        if lacking:
            raise ValueError(
                f"{self.wording} makes no column {lacking[0]!r} of these rows, of which the "
                f"fit has a parameter; it makes {', '.join(map(str, made))}."
            )
        self._positions = [made.index(name) for name in names]

    def used(self, table: Table) -> list[int]:
        return sorted({i for part in self._parts for i in part.used(table)})

    def categorical(self) -> list[Hashable]:
        return [name for part in self._parts for name in part.categorical()]

    def matrix(self, table: Table) -> np.ndarray:
        made = [part.matrix(table) for part in self._parts]
        return np.hstack(made)[:, self._positions]


class MadeDesign(Design):
    """A design that a function makes of a table in its own library's type.

    Parameters
    ----------
    make : callable
        Native table of n rows -> array of shape (n, k).
    names : sequence
        Of the design's columns.
    wording : str
    columns : sequence or None
        The columns of the table that are read; None for an array's, and for all.
    categories : sequence, default=()
        Columns that are read as categories, whatever their type.
    """

    def __init__(
        self,
        make: Callable[[Any], np.ndarray],
        names: Sequence[Hashable],
        wording: str,
        columns: Sequence[Hashable] | None,
        categories: Sequence[Hashable] = (),
    ) -> None:
        self.names, self.wording = tuple(names), wording
        self._make, self._columns = make, columns
        self._categories = list(categories)

    def categorical(self) -> list[Hashable]:
        return self._categories

    def used(self, table: Table) -> list[int]:
        return positions_of(self._columns, table, self.wording)

    def matrix(self, table: Table) -> np.ndarray:
        try:
            return np.asarray(self._make(self._read(table)), dtype=float)
        except Exception as error:
            raise ValueError(
                f"Rows of the design of {self.wording} could not be built from the data: "
                f"{error}"
            ) from error

    def _read(self, table: Table) -> Any:
        read = table if table.kind == "numpy" else table.select(self.used(table))
        return read.private()


class TableDesign(Design):
    """No design: the rows themselves, for a model that predicts from a table.

    Parameters
    ----------
    columns : sequence or None
        The columns that are read; None for all.
    wording : str
    k : int
        Numbers that a row takes, for the size of batches.
    categories : sequence, default=()
        Columns that are read as categories, whatever their type.
    """

    def __init__(
        self,
        columns: Sequence[Hashable] | None,
        wording: str,
        k: int,
        categories: Sequence[Hashable] = (),
    ) -> None:
        self.names, self.wording, self._k = tuple(columns or ()), wording, k
        self._columns, self._categories = columns, list(categories)

    def categorical(self) -> list[Hashable]:
        return self._categories

    @property
    def k(self) -> int:
        return self._k

    def used(self, table: Table) -> list[int]:
        return positions_of(self._columns, table, self.wording)

    def matrix(self, table: Table) -> Any:
        return table

    def stepped(
        self, table: Table, matrix: Any, mask: np.ndarray, columns: Columns
    ) -> Any:
        changed = selected(table, mask, columns)
        return table.take(np.empty(0, dtype=int)) if changed is None else changed


def positions_of(
    columns: Sequence[Hashable] | None, table: Table, wording: str
) -> list[int]:
    """Positions of the columns that a model reads; all of an array's.

    Raises
    ------
    ValueError
        If one is lacking.
    """
    if columns is None or table.kind == "numpy":
        return list(range(len(table.names)))
    lacking = [name for name in columns if name not in table.names]
    if lacking:
        raise ValueError(
            f"The data lack the column {lacking[0]!r} of {wording}."
            + (nearest(lacking[0], table.names) or known_names(table.names))
        )
    return [table.names.index(name) for name in columns]
