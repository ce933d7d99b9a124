"""One feature's change, ready to be made on any rows; and effects as named changes.

A change is the h of one feature in f(x + h) − f(x). What the user may write for it, and
how a model's predictions are differenced, live elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._frames.columns import (
    ColumnData,
    broadcast,
    category_codes,
    equal_to,
    integer_bounds,
    missing_in,
    objects_in,
    replaced,
)
from skfme._frames.hints import known_names
from skfme._frames.tables import Table
from skfme.steps._training import TrainingColumn

__all__ = ["BoundChange", "Change", "NamedStep", "Step"]


@dataclass(frozen=True)
class Change:
    """One feature's change, resolved against the training column.

    Attributes
    ----------
    position : int
    feature : str
    label : str
        What a name shows after the feature.
    step : Step
        What the user wrote, in the feature's own units.
    size : str
        What a relative size came to in the feature's units, else empty.
    start, end : one-entry columns or None
        The values set before and after; None where the row's own value is used.
    skip_at_target : bool
        Whether rows that already have the value do not count.
    categories : tuple
        Those of a categorical feature that training rows have.
    move : callable or None
        (column, bounds) -> column, for a change that starts from the row's value.
    function : callable or None
        The user's own column -> column.
    target : object
        The value set, where rows that have it already do not count.
    numeric : bool
        Whether the feature holds numbers.
    """

    position: int
    feature: str
    label: str
    step: Step
    size: str = ""
    start: ColumnData = None
    end: ColumnData = None
    skip_at_target: bool = False
    categories: tuple = ()
    move: Callable[..., ColumnData] | None = None
    function: Callable | None = None
    target: Any = None
    numeric: bool = False

    def bind(self, table: Table) -> BoundChange:
        """Ready the change for the rows of one table, whole column first."""
        if self.function is not None:
            return BoundChange(self, values=self._function_values(table))
        if self.move is not None:
            bounds = integer_bounds(table.column(self.position))
            return BoundChange(self, bounds=bounds)
        return BoundChange(self)

    def _function_values(self, table: Table) -> ColumnData:
        """What the user's function makes of the whole column, checked."""
        assert self.function is not None
        subject = f"The step {self.label} of {self.feature!r}"
        values = self.function(table.native_column(self.position))
        if self.categories:
            self._refuse_unseen(objects_in(values), subject)
        elif self.numeric and any(isinstance(v, str) for v in objects_in(values).flat):
            raise TypeError(f"{subject} returned text; expected numbers.")
        return replaced(table.column(self.position), values, subject)

    def _refuse_unseen(self, values: np.ndarray, subject: str) -> None:
        unseen = category_codes(values, self.categories) < 0
        unseen &= ~missing_in(values)
        if unseen.any():
            row = int(np.flatnonzero(unseen)[0])
            raise ValueError(
                f"{subject} returned {values[row]!r} in row {row}, which was never seen in "
                f"training.{known_names(self.categories)}"
            )


@dataclass(frozen=True)
class BoundChange:
    """A change bound to a table; `rows` below are a slice of that table.

    Attributes
    ----------
    change : Change
    bounds : (int, int) or None
        Smallest and largest integer of the whole column.
    values : column or None
        What the user's function made of the whole column.
    """

    change: Change
    bounds: tuple[int, int] | None = None
    values: ColumnData = None

    def start(self, batch: Table) -> ColumnData | None:
        """The column before the step, or None where it is the row's own."""
        start = self.change.start
        return None if start is None else broadcast(start, len(batch))

    def end(self, batch: Table, rows: slice) -> ColumnData:
        """The column after the step."""
        change = self.change
        if change.end is not None:
            return broadcast(change.end, len(batch))
        if change.move is None:
            return self.values[rows]
        try:
            return change.move(batch.column(change.position), bounds=self.bounds)
        except ValueError as error:
            raise ValueError(f"{change.feature!r} cannot be moved: {error}.") from error

    def missing(self, end: ColumnData) -> np.ndarray | None:
        """Rows whose stepped value is missing; None where none can be."""
        return None if self.change.end is not None else missing_in(end)

    def at_target(self, batch: Table) -> np.ndarray | None:
        """Rows that are already where the step leads; None where all count."""
        change = self.change
        if not change.skip_at_target:
            return None
        return equal_to(batch.column(change.position), change.target)


@dataclass(frozen=True)
class NamedStep:
    """One effect: its name and the changes it makes at once.

    Attributes
    ----------
    name : str
    changes : tuple of Change
    """

    name: str
    changes: tuple[Change, ...]

    @classmethod
    def of(cls, *changes: Change) -> NamedStep:
        """The changes, under a name that shows each feature and its change."""
        return cls(", ".join(f"{c.feature} {c.label}" for c in changes), changes)

    @property
    def by_feature(self) -> dict[str, Step]:
        """What each feature is changed by, in its own units."""
        return {change.feature: change.step for change in self.changes}

    @property
    def sizes(self) -> tuple[str, ...]:
        """What relative sizes came to."""
        return tuple(change.size for change in self.changes if change.size)


class Step:
    """How one feature is changed. The base of all step objects."""

    def _resolve(self, training: TrainingColumn) -> Change:
        raise NotImplementedError
