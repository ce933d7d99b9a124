"""One effect within a batch: which rows count, and its columns before and after.

Engines get effects in this form, and return what they measured of the rows that count.
How predictions are obtained lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from skfme._frames.columns import ColumnData, missing_in
from skfme._frames.tables import Rows, Table
from skfme.extrapolation._support import Support
from skfme.quadrature import Rule
from skfme.steps._changes import BoundChange

__all__ = [
    "COUNTED",
    "STATUSES",
    "Engine",
    "Measured",
    "Stepped",
    "asked_for",
    "joined",
    "selected",
    "step_rows",
]

STATUSES = ("counted", "missing", "at_target", "extrapolation")
COUNTED, _MISSING, _AT_TARGET, _EXTRAPOLATION = range(4)


@dataclass(frozen=True)
class Stepped:
    """One effect within a batch: which rows count, and the columns before and after.

    Attributes
    ----------
    changes : tuple of BoundChange
    status : ndarray of shape (n_rows,), int8
        Position in `STATUSES`.
    start, end : dict of int -> column of n_rows entries
        The changed columns; `start` holds those that do not start at the row's own.
    """

    changes: tuple[BoundChange, ...]
    status: np.ndarray
    start: dict[int, ColumnData]
    end: dict[int, ColumnData]

    @property
    def counted(self) -> np.ndarray:
        """Mask of the rows that count."""
        return self.status == COUNTED

    def at(self, rows: Rows) -> Stepped:
        """The same effect on some of the rows."""
        return Stepped(
            self.changes,
            self.status[rows],
            {p: column[rows] for p, column in self.start.items()},
            {p: column[rows] for p, column in self.end.items()},
        )


@dataclass(frozen=True)
class Measured:
    """What an engine measured of one effect, on the rows that count.

    Attributes
    ----------
    fme : ndarray of shape (n_counted, n_outputs)
    nlm : ndarray of shape (n_counted, n_outputs) or None
        None if not measured.
    n_not_converged : int
        Rows whose NLM did not converge under an adaptive rule.
    engine : str
        What measured it.
    """

    fme: np.ndarray
    nlm: np.ndarray | None = None
    n_not_converged: int = 0
    engine: str = "predict"


class Engine(Protocol):
    """How predictions before and after the steps are obtained and differenced."""

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect; with a rule its NLM as well."""


def step_rows(
    batch: Table,
    rows: slice,
    changes: tuple[BoundChange, ...],
    support: Support | None,
    before: Any,
    *,
    complete_only: bool = False,
) -> Stepped:
    """Make one effect's changes on a batch, and find the rows that count.

    Parameters
    ----------
    batch : Table
    rows : slice
        Where the batch lies in the table that the changes are bound to.
    changes : tuple of BoundChange
    support : Support or None
        Judges which rows are extrapolation points; None judges none.
    before : object
        What the support has counted of the batch before any step.
    complete_only : bool, default=False
        Whether the model predicts no row with a missing value.
    """
    start: dict[int, ColumnData] = {}
    end: dict[int, ColumnData] = {}
    status = np.full(len(batch), COUNTED, dtype=np.int8)
    missing = np.zeros(len(batch), dtype=bool)
    for bound in changes:
        position = bound.change.position
        end[position] = bound.end(batch, rows)
        before_step = bound.start(batch)
        if before_step is not None:
            start[position] = before_step
        at_target = bound.at_target(batch)
        if at_target is not None:
            status[at_target] = _AT_TARGET
        missing_after = bound.missing(end[position])
        if missing_after is not None:
            missing |= missing_after
    if complete_only:
        for position in set(range(len(batch.names))) - set(start):
            missing |= missing_in(batch.column(position))
    status[missing] = _MISSING
    if support is not None:
        for columns in (start, end):
            judged = status == COUNTED
            if columns:
                outside = support.outside(batch, before, columns, judged)
                status[outside & judged] = _EXTRAPOLATION
    return Stepped(changes, status, start, end)


def selected(
    batch: Table, mask: np.ndarray, columns: dict[int, ColumnData]
) -> Table | None:
    """The rows in the mask, with columns changed; None where there is no row."""
    if not mask.any():
        return None
    if mask.all():
        return batch.with_columns(columns) if columns else batch
    rows = np.flatnonzero(mask)
    selection = batch.take(rows)
    if not columns:
        return selection
    return selection.with_columns({p: column[rows] for p, column in columns.items()})


def asked_for(
    batch: Table, effects: Sequence[Stepped]
) -> tuple[Table, Sequence[Stepped]]:
    """The rows of a batch that count for some effect, and the effects on them."""
    counted = np.logical_or.reduce([effect.counted for effect in effects])
    if counted.all():
        return batch, effects
    rows = np.flatnonzero(counted)
    return batch.take(rows), [effect.at(rows) for effect in effects]


def joined(parts: Sequence[Measured]) -> Measured:
    """What was measured of one effect, part by part, as one."""
    nlm = [part.nlm for part in parts if part.nlm is not None]
    return Measured(
        np.concatenate([part.fme for part in parts]),
        np.concatenate(nlm) if nlm else None,
        sum(part.n_not_converged for part in parts),
        parts[0].engine,
    )
