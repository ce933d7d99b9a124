"""What a mean is taken at, row by row: a design matrix, or the rows of a table themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._frames.contents import complete_rows
from skfme._frames.tables import Table

__all__ = ["MeanInputs", "TableInputs", "inputs_of"]


@dataclass(frozen=True)
class MeanInputs:
    """What a model predicts from, row by row.

    Attributes
    ----------
    X : ndarray of shape (n, k)
        Rows of the design matrix.
    offset : ndarray of shape (n,) or None, default=None
        What is added to the linear predictor with coefficient 1.
    """

    X: Any
    offset: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> MeanInputs:
        """Some of the rows, by a mask or by positions."""
        if rows.dtype == bool and rows.all():
            return self
        return MeanInputs(
            self.X[rows], None if self.offset is None else self.offset[rows]
        )

    def complete(self) -> np.ndarray:
        """Mask of the rows that miss nothing."""
        # A sum is one fast pass, and finite if every entry is.
        finite = np.isfinite(self.X.sum())
        mask = np.ones(len(self.X), bool) if finite else ~np.isnan(self.X).any(axis=1)
        return mask if self.offset is None else mask & ~np.isnan(self.offset)


class TableInputs(MeanInputs):
    """Rows of a table, for a model that predicts from them; X is the table."""

    def take(self, rows: np.ndarray) -> MeanInputs:
        """Some of the rows, by a mask or by positions."""
        if rows.dtype == bool:
            if rows.all():
                return self
            rows = np.flatnonzero(rows)
        return TableInputs(self.X.take(rows))

    def complete(self) -> np.ndarray:
        """Mask of the rows that miss nothing."""
        return complete_rows(self.X) if len(self.X) else np.empty(0, dtype=bool)


def inputs_of(rows: np.ndarray | Table, offset: np.ndarray | None) -> MeanInputs:
    """What a model predicts from, of rows as its design makes them."""
    return TableInputs(rows) if isinstance(rows, Table) else MeanInputs(rows, offset)
