"""Which rows of a batch a step counts, and their columns before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._changes import BoundChange
from skfme._columns import ColumnData
from skfme._frames import Table
from skfme.extrapolation import Support

__all__ = ["STATUSES", "Stepped", "selected", "step_rows"]

STATUSES = ("counted", "missing", "at_target", "extrapolation")
_COUNTED, _MISSING, _AT_TARGET, _EXTRAPOLATION = range(4)


@dataclass(frozen=True)
class Stepped:
    """One effect within a batch.

    Attributes
    ----------
    status : ndarray of shape (n,), int8
        Position in `STATUSES`.
    start, end : dict of position -> column of n rows
        What the step changes; `start` is empty where a row's own values are.
    """

    status: np.ndarray
    start: dict[int, ColumnData]
    end: dict[int, ColumnData]

    @property
    def counted(self) -> np.ndarray:
        return self.status == _COUNTED


def step_rows(
    batch: Table,
    rows: slice,
    changes: tuple[BoundChange, ...],
    support: Support | None,
    before: Any,
) -> Stepped:
    """Make the changes on one batch.

    Parameters
    ----------
    batch : Table of n rows
    rows : slice
        Where they are in the table that the changes are bound to.
    changes : tuple of BoundChange
    support : Support or None
        Judges which rows are extrapolation points; None judges none.
    before : object
        What `support` knows of the batch before any step.
    """
    start: dict[int, ColumnData] = {}
    end: dict[int, ColumnData] = {}
    status = np.full(len(batch), _COUNTED, dtype=np.int8)
    missing = np.zeros(len(batch), dtype=bool)
    for bound in changes:
        position = bound.change.position
        end[position] = bound.end(batch, rows)
        low = bound.start(batch)
        if low is not None:
            start[position] = low
        there = bound.at_target(batch)
        if there is not None:
            status[there] = _AT_TARGET
        gone = bound.missing(end[position])
        if gone is not None:
            missing |= gone
    status[missing] = _MISSING
    if support is not None:
        for columns in (start, end):
            asked = status == _COUNTED
            if columns:
                outside = support.outside(batch, before, columns, asked)
                status[outside & asked] = _EXTRAPOLATION
    return Stepped(status, start, end)


def selected(
    batch: Table, mask: np.ndarray, columns: dict[int, ColumnData]
) -> Table | None:
    """The rows that count, with the columns changed; None where no row does."""
    if not mask.any():
        return None
    if mask.all():
        return batch.with_columns(columns) if columns else batch
    rows = np.flatnonzero(mask)
    chosen = batch.take(rows)
    if not columns:
        return chosen
    return chosen.with_columns({p: column[rows] for p, column in columns.items()})
