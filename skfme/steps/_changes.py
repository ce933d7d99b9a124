"""One feature's change, ready to be made on any rows; and effects as named changes.

A change is the h of one feature in f(x + h) − f(x). What the user may write for it, and
how a model's predictions are differenced, live elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skfme._frames.arithmetic import (
    as_type,
    common_type,
    integer_bounds,
    is_narrow,
    numeric_type,
    replaced,
    widened,
    with_type_of,
)
from skfme._frames.columns import (
    ColumnData,
    broadcast,
    category_codes,
    equal_to,
    missing_in,
    numbers_in,
    objects_in,
)
from skfme._frames.hints import known_names, shown
from skfme._frames.tables import Table
from skfme.steps._training import GIVE_ROWS, TrainingColumn

__all__ = ["BoundChange", "Change", "NamedStep", "Step"]

_EXACT = 1e-6  # of the step: what the rounding of narrow floats may change of it


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
    count_missing : bool
        Whether rows that have no value yet count.
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
    only_values : tuple
        The two values of a feature that holds no others, which no step may leave.
    """

    position: int
    feature: str
    label: str
    step: Step
    size: str = ""
    start: ColumnData = None
    end: ColumnData = None
    skip_at_target: bool = False
    count_missing: bool = False
    categories: tuple = ()
    move: Callable[..., ColumnData] | None = None
    function: Callable | None = None
    target: Any = None
    numeric: bool = False
    only_values: tuple = ()

    def bind(self, table: Table, *, continuous: bool = False) -> BoundChange:
        """Ready the change for the rows of one table, whole column first.

        Parameters
        ----------
        table : Table
        continuous : bool, default=False
            Whether the model will also see points between both ends of the step.
        """
        column = table.column(self.position)
        values, bounds = None, None
        if self.function is not None:
            values = self._function_values(table)
        elif self.move is not None:
            bounds = integer_bounds(column)
        bound = BoundChange(self, bounds, values)
        if not self.numeric:
            return bound
        if self.move is not None and numeric_type(column) == np.float64:
            return replace(bound, dtype=np.dtype(float))
        dtype = bound.type_of_ends(column, continuous=continuous)
        bound = replace(bound, dtype=dtype)
        return replace(bound, casts=bound.needs_casts(column))

    def _function_values(self, table: Table) -> ColumnData:
        """What the user's function makes of the whole column, checked."""
        assert self.function is not None
        subject = f"The step {self.label} of {self.feature!r}"
        values = self.function(table.native_column(self.position))
        if self.categories:
            self._refuse_unseen(objects_in(values), subject)
        elif self.numeric and any(isinstance(v, str) for v in objects_in(values).flat):
            raise TypeError(f"{subject} returned text; expected numbers.")
        column = replaced(table.column(self.position), values, subject)
        if self.only_values:
            self.refuse_third_value(column)
        return column

    def refuse_third_value(self, column: ColumnData) -> None:
        """Refuse stepped values beside the two that the feature has.

        Raises
        ------
        ValueError
            If there is one: what a model makes of it nobody has seen.
        """
        low, high = self.only_values
        values = numbers_in(column).astype(float)
        near = np.isclose(values[:, None], [low, high], rtol=1e-9, atol=0).any(axis=1)
        others = values[~near & ~np.isnan(values)]
        if len(others):
            raise ValueError(
                f"The step {self.label} takes {self.feature!r} to {others[0]:g}, but its "
                f"training rows hold {low:g} and {high:g} only. Use "
                f"Contrast({low:g}, {high:g}), which compares every row at both, or "
                f"SetTo({high:g}), which sets every row to one."
            )

    def _refuse_unseen(self, values: np.ndarray, subject: str) -> None:
        unseen = category_codes(values, self.categories) < 0
        unseen &= ~missing_in(values)
        if unseen.any():
            row = int(np.flatnonzero(unseen)[0])
            raise ValueError(
                f"{subject} returned {shown(values[row])} in row {row}, which was never "
                f"seen in training.{known_names(self.categories)}{GIVE_ROWS}"
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
    dtype : numpy dtype or None
        Of the numbers before and after the step; None leaves them as they come.
    casts : bool
        Whether the column, or its end, comes in another type than these.
    """

    change: Change
    bounds: tuple[int, int] | None = None
    values: ColumnData = None
    dtype: np.dtype | None = None
    casts: bool = False

    def start(self, batch: Table) -> ColumnData | None:
        """The column before the step, or None where it is the row's own."""
        return self._start(len(batch))

    def _start(self, n: int) -> ColumnData | None:
        start = self.change.start
        return None if start is None else broadcast(self._cast(start), n)

    def end(self, batch: Table, rows: slice) -> ColumnData:
        """The column after the step."""
        return self._end(self._column(batch), rows)

    def _end(self, column: ColumnData, rows: slice) -> ColumnData:
        change = self.change
        if change.end is not None:
            return broadcast(self._cast(change.end), len(column))
        if change.move is None:
            return self._cast(self.values[rows])
        if self.casts and is_narrow(column):
            column = widened(column)
        try:
            return self._cast(change.move(column, bounds=self.bounds))
        except ValueError as error:
            raise ValueError(f"{change.feature!r} cannot be moved: {error}.") from error

    def _cast(self, column: ColumnData) -> ColumnData:
        return as_type(column, self.dtype) if self.casts else column

    def own(self, batch: Table, end: ColumnData) -> ColumnData | None:
        """The row's own numbers in the type of the step's end; None where they are."""
        if not self.casts:
            return None
        column = self._column(batch)
        retyped = with_type_of(end, as_type(column, self.dtype))
        return None if retyped is column else retyped

    def is_widened(self, table: Table) -> bool:
        """Whether narrow floats are in 64 bits at both ends of the step."""
        return self.dtype == np.float64 and is_narrow(self._column(table))

    def _column(self, table: Table) -> ColumnData:
        return table.column(self.change.position)

    def needs_casts(self, column: ColumnData) -> bool:
        """Whether the column, or its end, comes in another type than the step's ends."""
        few = column[slice(0, 1)]
        ends = [self._start(len(few)), self._end(few, slice(0, 1))]
        ends = [few if end is None else end for end in ends]
        return any(
            with_type_of(ends[-1], as_type(each, self.dtype)) is not each
            for each in (few, *ends)
        )

    def type_of_ends(self, column: ColumnData, *, continuous: bool) -> np.dtype | None:
        """The type that holds both ends of the step on every row of a column."""
        narrow = is_narrow(column)
        if not narrow:  # the whole column's bounds decide: one row shows the type
            column = column[slice(0, 1)]
        wide = replace(self, casts=True) if narrow else self
        start, end = self._start(len(column)), wide._end(column, slice(0, len(column)))
        start = column if start is None else start
        dtype = common_type(column)
        if narrow and dtype is not None and self._is_exact(start, end, dtype):
            return dtype
        return common_type(start, end, continuous=continuous)

    def _is_exact(self, start: ColumnData, end: ColumnData, dtype: np.dtype) -> bool:
        """Whether a type of narrow floats holds x + h up to a small part of h."""
        low, high = (numbers_in(column).astype(float) for column in (start, end))
        with np.errstate(invalid="ignore", over="ignore"):
            step = high - low
            held = high.astype(dtype).astype(float) - low.astype(dtype).astype(float)
            exact = np.abs(held - step) <= _EXACT * np.abs(step)
        if self.change.end is not None and self.change.start is None:
            # A row has the value already, as far as its type holds it.
            exact |= held == 0
        return bool((exact | ~np.isfinite(step)).all())

    def missing(self, batch: Table, end: ColumnData) -> np.ndarray | None:
        """Rows that have no value to be changed, or none after it; None if all count."""
        if self.change.start is not None or self.change.count_missing:
            return None
        return missing_in(self._column(batch) if self.change.end is not None else end)

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
