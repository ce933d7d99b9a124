"""One effect within a batch: which rows count, and its columns before and after.

Engines get effects in this form, and return what they measured of the rows that count.
How predictions are obtained lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from skfme._frames.columns import ColumnData, missing_in
from skfme._frames.tables import Rows, Table
from skfme.extrapolation._support import Support
from skfme.quadrature import Rule, rules_together
from skfme.steps._changes import BoundChange, NamedStep

__all__ = [
    "COUNTED",
    "STATUSES",
    "Engine",
    "Measured",
    "Stepped",
    "as_before",
    "asked_for",
    "joined",
    "left_out",
    "selected",
    "shared_starts",
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
    retyped : dict of int -> column of n_rows entries
        The row's own values, in the type of the changed ones, where it is another.
    """

    changes: tuple[BoundChange, ...]
    status: np.ndarray
    start: dict[int, ColumnData]
    end: dict[int, ColumnData]
    retyped: dict[int, ColumnData]

    @property
    def counted(self) -> np.ndarray:
        """Mask of the rows that count."""
        return self.status == COUNTED

    @property
    def before(self) -> dict[int, ColumnData]:
        """The columns of what is predicted before the step; empty for the rows as they are."""
        return self.retyped | self.start

    def without_way(self, batch: Table) -> np.ndarray:
        """Rows that get a number where they have none: nothing lies between the two."""
        lost = np.zeros(len(batch), dtype=bool)
        for change in (bound.change for bound in self.changes):
            if change.numeric and change.count_missing:
                lost |= missing_in(batch.column(change.position))
        return lost

    def at(self, rows: Rows) -> Stepped:
        """The same effect on some of the rows."""
        columns = [
            {position: column[rows] for position, column in changed.items()}
            for changed in (self.start, self.end, self.retyped)
        ]
        return Stepped(self.changes, self.status[rows], *columns)


@dataclass(frozen=True)
class Measured:
    """What an engine measured of one effect, on the rows that count.

    Attributes
    ----------
    fme : ndarray of shape (n_counted, n_outputs)
    before : ndarray of shape (n_counted, n_outputs)
        Predictions before the step.
    after : ndarray of shape (n_counted, n_outputs) or None
        Predictions after it; None where they are `before` + `fme` to rounding.
    nlm : ndarray of shape (n_counted, n_outputs) or None
        None if not measured.
    n_not_converged : int
        Rows whose NLM did not converge under an adaptive rule.
    engine : str
        What measured it.
    nlm_rule : str
        By which rule its NLM was measured, or "exact"; empty where it was not.
    """

    fme: np.ndarray
    before: np.ndarray
    after: np.ndarray | None = None
    nlm: np.ndarray | None = None
    n_not_converged: int = 0
    engine: str = "predict"
    nlm_rule: str = ""


class Engine(Protocol):
    """How predictions before and after the steps are obtained and differenced."""

    @property
    def name(self) -> str:
        """As users ask for it."""

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
    retyped: dict[int, ColumnData] = {}
    status = np.full(len(batch), COUNTED, dtype=np.int8)
    missing = np.zeros(len(batch), dtype=bool)
    at_target: np.ndarray | None = None
    for bound in changes:
        position = bound.change.position
        end[position] = bound.end(batch, rows)
        before_step = bound.start(batch)
        own = bound.own(batch, end[position]) if before_step is None else None
        if before_step is not None:
            start[position] = before_step
        elif own is not None:
            retyped[position] = own
        there = bound.at_target(batch)
        if there is not None:  # a joint step is at its target where all changes are
            at_target = there if at_target is None else at_target & there
        without_value = bound.missing(batch, end[position])
        if without_value is not None:
            missing |= without_value
    if complete_only:
        for position in set(range(len(batch.names))) - set(start):
            missing |= missing_in(batch.column(position))
    if at_target is not None:
        status[at_target] = _AT_TARGET
    status[missing] = _MISSING
    if support is not None:
        for columns in (start, end):
            judged = status == COUNTED
            if columns:
                outside = support.outside(batch, before, columns, judged)
                status[outside & judged] = _EXTRAPOLATION
    return Stepped(changes, status, start, end, retyped)


def left_out(effect: Stepped, outside: np.ndarray) -> Stepped:
    """An effect without the rows that are outside."""
    status = effect.status.copy()
    status[outside & (status == COUNTED)] = _EXTRAPOLATION
    return replace(effect, status=status)


def as_before(table: Table, step: NamedStep, *, continuous: bool) -> Table:
    """Rows in the types that a model sees them in before a step, to be asked repeatedly."""
    changes = [
        change.bind(table, continuous=continuous)
        for change in step.changes
        if change.function is None  # a user's function is for whole tables
    ]
    ends = [bound.end(table, slice(0, len(table))) for bound in changes]
    columns = {
        bound.change.position: column
        for bound, end in zip(changes, ends, strict=True)
        if (column := bound.own(table, end)) is not None
    }
    return table.with_columns(columns).copied() if columns else table


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


def shared_starts(batch: Table, effects: Sequence[Stepped]) -> list[int]:
    """A number for what each effect starts from; most of them, from the rows as they are."""
    keys = [
        (i,) if effect.start else batch.types_with(effect.retyped)
        for i, effect in enumerate(effects)
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    return [numbers[key] for key in keys]


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

    def whole(name: str) -> np.ndarray | None:
        arrays = [getattr(part, name) for part in parts]
        return None if arrays[0] is None else np.concatenate(arrays)

    return Measured(
        np.concatenate([part.fme for part in parts]),
        np.concatenate([part.before for part in parts]),
        whole("after"),
        whole("nlm"),
        sum(part.n_not_converged for part in parts),
        parts[0].engine,
        rules_together(*(part.nlm_rule for part in parts)),
    )
