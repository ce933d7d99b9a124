"""What changes: step objects, and the one reader of the user's step syntax.

A step says how one feature is changed, h in f(x + h) − f(x): by an amount, by a
factor, to a value, by a training SD or IQR, or between two values. An effect
changes one feature or several at once. `parse_steps` turns every form a user may
write into named steps, resolved against the training columns.
"""

from __future__ import annotations

import datetime
import itertools
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames import (
    Column,
    ColumnData,
    Table,
    broadcast,
    category_codes,
    equal_to,
    integer_bounds,
    missing_in,
    numbers_in,
    replaced,
    scaled,
    shifted,
    suggestion,
)
from skfme._summaries import weighted_quantiles, weighted_sd

__all__ = ["IQR", "Add", "Contrast", "Quantile", "Scale", "SetTo", "StdDev", "Step"]


class Step:
    """How one feature is changed. The base of all step objects."""

    def _resolve(self, training: TrainingColumn) -> Change:
        raise NotImplementedError


@dataclass(frozen=True)
class Add(Step):
    """Add an amount to a numeric or datetime feature.

    Parameters
    ----------
    amount : float or timedelta
        In the feature's own units. A whole amount leaves an integer column integer.

    Examples
    --------
    >>> from skfme.steps import Add
    >>> Add(-2)
    Add(amount=-2)
    """

    amount: Any

    def _resolve(self, training: TrainingColumn) -> Change:
        if isinstance(self.amount, (datetime.timedelta, np.timedelta64)):
            training.require("datetime", self)
            delta = pd.Timedelta(self.amount)
            if delta is pd.NaT:
                raise ValueError(f"The step of {training.name!r} is NaT.")
            moved = Add(delta.to_pytimedelta())
            return training.change(moved, _timedelta_text(delta))
        training.require("numeric", self)
        _finite(self.amount, training, "amount")
        return training.change(self, _signed(self.amount))


@dataclass(frozen=True)
class Scale(Step):
    """Multiply a numeric feature by a factor.

    Parameters
    ----------
    factor : float
        ``Scale(1.1)`` is an increase by 10 percent.
    """

    factor: float

    def _resolve(self, training: TrainingColumn) -> Change:
        training.require("numeric", self)
        _finite(self.factor, training, "factor")
        return training.change(self, f"*{number_text(self.factor)}")


@dataclass(frozen=True)
class StdDev(Step):
    """Add a number of training standard deviations (divisor n − 1).

    Parameters
    ----------
    count : float, default=1
    """

    count: float = 1

    def _resolve(self, training: TrainingColumn) -> Change:
        return _spread_step(self, training, training.sd, "sd")


@dataclass(frozen=True)
class IQR(Step):
    """Add a number of training interquartile ranges.

    Parameters
    ----------
    count : float, default=1
    """

    count: float = 1

    def _resolve(self, training: TrainingColumn) -> Change:
        return _spread_step(self, training, training.iqr, "iqr")


@dataclass(frozen=True)
class SetTo(Step):
    """Set a feature to a value: a category, a number or a date.

    Rows that already have the category of a categorical feature do not count;
    those that already have the number of a numeric one do, with an effect of 0.

    Parameters
    ----------
    value : object
        A category that was seen in training, or any finite number.
    """

    value: Any

    def _resolve(self, training: TrainingColumn) -> Change:
        target = training.constant(self.value)
        categorical = training.column.kind == "categorical"
        label = f"= {number_text(self.value)}"
        return replace(
            training.change(self, label), end=target, skip_at_target=categorical
        )


@dataclass(frozen=True)
class Quantile(Step):
    """Set a numeric feature to a quantile of its training values (type 7).

    Parameters
    ----------
    q : float
        Between 0 and 1.
    """

    q: float

    def _resolve(self, training: TrainingColumn) -> Change:
        training.require("numeric", self)
        if not (_is_number(self.q) and 0 <= self.q <= 1):
            raise ValueError(
                f"Quantile of {training.name!r} must lie between 0 and 1, got "
                f"{self.q!r}."
            )
        value = float(training.quantiles([self.q])[0])
        change = SetTo(value)._resolve(training)
        text = number_text(self.q)
        size = f"quantile {text} of {training.name} = {value:.4g}"
        return replace(change, label=f"= q{text}", size=size)


@dataclass(frozen=True)
class Contrast(Step):
    """Compare every row at two values: f(x with high) − f(x with low).

    The econometric discrete effect: where the row itself stands does not matter,
    so that every row counts.

    Parameters
    ----------
    low, high : object
        Two categories, or two numbers.
    """

    low: Any
    high: Any

    def _resolve(self, training: TrainingColumn) -> Change:
        start, end = training.constant(self.low), training.constant(self.high)
        if self.low == self.high:
            raise ValueError(
                f"Contrast of {training.name!r} compares {self.low!r} with itself."
            )
        label = f"{number_text(self.low)} -> {number_text(self.high)}"
        return replace(training.change(self, label), start=start, end=end)


@dataclass(frozen=True)
class Apply(Step):
    """Replace a feature by what a function of its column returns."""

    function: Callable

    def _resolve(self, training: TrainingColumn) -> Change:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return training.change(self, name)


def _spread_step(
    step: StdDev | IQR, training: TrainingColumn, unit: float, unit_name: str
) -> Change:
    training.require("numeric", step)
    _finite(step.count, training, "count")
    if not unit > 0:
        raise ValueError(
            f"The {unit_name.upper()} of {training.name!r} is {unit} in the training "
            f"rows, so {step!r} changes nothing. Give a size in the feature's units."
        )
    change = Add(float(step.count * unit))._resolve(training)
    size = f"1 {unit_name.upper()} of {training.name} = {unit:.4g}"
    return replace(change, label=_signed(step.count) + unit_name, size=size)


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
        One of Add, Scale, SetTo, Contrast, Apply.
    size : str
        What a relative size came to in the feature's units, else empty.
    start, end : one-entry columns or None
        The values set before and after; None where the row's own value is used.
    skip_at_target : bool
        Whether rows that already have the value do not count.
    categories : tuple
        The known categories of a categorical feature.
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

    def bind(self, table: Table) -> BoundChange:
        """Ready the change for the rows of one table, whole column first."""
        if isinstance(self.step, Apply):
            values = self._applied(table)
            return BoundChange(self, None, values)
        needs_bounds = isinstance(self.step, (Add, Scale))
        bounds = integer_bounds(table.column(self.position)) if needs_bounds else None
        return BoundChange(self, bounds, None)

    def _applied(self, table: Table) -> ColumnData:
        """What the user's function makes of the whole column, checked."""
        assert isinstance(self.step, Apply)
        column = table.column(self.position)
        what = f"The step {self.label} of {self.feature!r}"
        values = replaced(
            column, self.step.function(table.native_column(self.position)), what
        )
        if self.categories:
            new = (category_codes(values, self.categories) < 0) & ~missing_in(values)
            if new.any():
                raise ValueError(
                    f"{what} returned a category that was never seen in training "
                    f"(row {int(np.flatnonzero(new)[0])}). Known: "
                    f"{', '.join(map(repr, self.categories))}."
                )
        return values


@dataclass(frozen=True)
class BoundChange:
    """A change bound to a table; `rows` below are a slice of that table."""

    change: Change
    bounds: tuple[int, int] | None
    values: ColumnData

    def start(self, batch: Table) -> ColumnData | None:
        """The column before the step, or None where it is the row's own."""
        change = self.change
        return None if change.start is None else broadcast(change.start, len(batch))

    def end(self, batch: Table, rows: slice) -> ColumnData:
        """The column after the step."""
        change = self.change
        if change.end is not None:
            return broadcast(change.end, len(batch))
        if self.values is not None:
            return self.values[rows]
        column = batch.column(change.position)
        if isinstance(change.step, Scale):
            return scaled(column, change.step.factor, self.bounds)
        assert isinstance(change.step, Add)
        return shifted(column, change.step.amount, self.bounds)

    def missing(self, end: ColumnData) -> np.ndarray | None:
        """Rows whose stepped value is missing; None where none can be."""
        return None if self.change.end is not None else missing_in(end)

    def at_target(self, batch: Table) -> np.ndarray | None:
        """Rows that are already where the step leads; None where all count."""
        if not self.change.skip_at_target:
            return None
        assert isinstance(self.change.step, SetTo)
        return equal_to(batch.column(self.change.position), self.change.step.value)


@dataclass(frozen=True)
class NamedStep:
    """One effect: its name and the changes it makes at once."""

    name: str
    changes: tuple[Change, ...]


class TrainingColumn:
    """One column of the training rows, with what sizes are measured in."""

    def __init__(
        self, table: Table, column: Column, sample_weight: np.ndarray | None
    ) -> None:
        self.table = table
        self.column = column
        self.sample_weight = sample_weight

    @property
    def name(self) -> str:
        return str(self.column.name)

    @cached_property
    def _observed(self) -> tuple[np.ndarray, np.ndarray | None]:
        values = numbers_in(self.table.column(self.column.position))
        weights = self.sample_weight
        seen = np.isfinite(values)
        if seen.all():
            return values, weights
        return values[seen], None if weights is None else weights[seen]

    @cached_property
    def sd(self) -> float:
        values, weights = self._observed
        return weighted_sd(values.astype(float), weights)

    @cached_property
    def iqr(self) -> float:
        low, high = self.quantiles([0.25, 0.75])
        return float(high - low)

    @cached_property
    def range(self) -> float:
        values, _ = self._observed
        return float(values.max() - values.min()) if len(values) else float("nan")

    def quantiles(self, q: Sequence[float]) -> np.ndarray:
        values, weights = self._observed
        return weighted_quantiles(values.astype(float), np.asarray(q), weights)

    @cached_property
    def two_values(self) -> tuple | None:
        """The two values of a numeric column that holds no others."""
        values, _ = self._observed
        if not len(values):
            return None
        low, high = values.min(), values.max()
        if low == high or not ((values == low) | (values == high)).all():
            return None
        return tuple(v.item() for v in (low, high))

    def require(self, kind: str, step: Step) -> None:
        if self.column.kind != kind:
            hint = {
                "categorical": "Give a category to move to.",
                "datetime": "Give a timedelta.",
                "numeric": "Give a number.",
            }.get(self.column.kind, "Its type cannot be changed by a step.")
            raise TypeError(
                f"{step!r} does not fit {self.name!r}, which is {self.column.kind}. "
                + hint
            )

    def change(self, step: Step, label: str) -> Change:
        column = self.column
        return Change(
            column.position, self.name, label, step, categories=column.categories
        )

    def constant(self, value: Any) -> ColumnData:
        """A one-entry column that holds `value`, typed as the feature is."""
        column = self.column
        if column.kind == "categorical":
            return column.examples[[self._category(value)]]
        if column.kind == "numeric":
            _finite(value, self, "value")
        elif column.kind == "datetime":
            value = pd.Timestamp(value)
        else:
            raise TypeError(f"{self.name!r} cannot be set by a step: its type is other.")
        if column.examples is None:
            raise ValueError(f"{self.name!r} has no observed value in the training rows.")
        example = column.examples
        here = numbers_in(example)[0]
        if column.kind == "datetime":
            return shifted(example, (value - pd.Timestamp(here)).to_pytimedelta(), None)
        # From the entry to zero and on to the value: the column's type is kept.
        zero = scaled(example, 0, integer_bounds(example))
        constant = shifted(zero, value, integer_bounds(zero))
        return constant.astype(object) if _is_object(example) else constant

    def _category(self, value: Any) -> int:
        known = self.column.categories
        matches = [i for i, c in enumerate(known) if _same(c, value)]
        if not matches:
            listed = ", ".join(map(repr, known[:20])) + (", …" if len(known) > 20 else "")
            raise ValueError(
                f"{value!r} is not a category of {self.name!r} that was seen in "
                f"training. Known: {listed}."
                + (suggestion(value, known) if isinstance(value, str) else "")
            )
        return matches[0]


def _is_object(column: ColumnData) -> bool:
    return isinstance(column, np.ndarray) and column.dtype.kind == "O"


def _same(category: Any, value: Any) -> bool:
    try:
        return bool(category == value)
    except (TypeError, ValueError):
        return False


class Training:
    """The training rows that steps are resolved against."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column],
        sample_weight: np.ndarray | None = None,
    ) -> None:
        self.table = table
        self.columns = [TrainingColumn(table, c, sample_weight) for c in columns]

    def __getitem__(self, key: Hashable) -> TrainingColumn:
        return self.columns[self.table.position(key)]


def parse_steps(steps: Any, training: Training) -> tuple[NamedStep, ...]:
    """Read what the user wrote.

    Parameters
    ----------
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None
        See :class:`skfme.FMEExplainer`.
    training : Training

    Raises
    ------
    ValueError, TypeError
        If a feature, category or name is unknown or repeated, or a value does not
        fit its column.
    """
    if steps is None or isinstance(steps, str):
        named = _default_steps("unit" if steps is None else steps, training)
    elif isinstance(steps, Mapping):
        named = _read_mapping(steps, training)
    elif isinstance(steps, Sequence):
        parts = []
        for entry in steps:
            if not isinstance(entry, Mapping):
                raise TypeError(
                    f"steps is a list, whose entries must be mappings such as "
                    f"{{'bmi': -2}}; got {entry!r}."
                )
            parts.append(_read_mapping(entry, training))
        named = list(itertools.chain.from_iterable(parts))
    else:
        raise TypeError(
            "steps must be a mapping such as {'bmi': -2}, a list of mappings, 'unit', "
            f"'sd', 'iqr' or None; got {steps!r}."
        )
    if not named:
        raise ValueError("steps is empty. Name a change, such as {'bmi': -2}.")
    names = [step.name for step in named]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"steps has several effects named {', '.join(map(repr, repeated))}. Name "
            "them apart with a mapping of name -> changes."
        )
    return tuple(named)


def _read_mapping(steps: Mapping, training: Training) -> list[NamedStep]:
    if not steps:
        raise ValueError("steps is empty. Name a change, such as {'bmi': -2}.")
    nested = [isinstance(value, Mapping) for value in steps.values()]
    if not any(nested):
        return [_read_effect(None, steps, training)]
    if not all(nested):
        raise TypeError(
            "steps mixes changes and named effects. Use either {'bmi': -2} or "
            "{'a name': {'bmi': -2}}."
        )
    return [_read_effect(str(name), part, training) for name, part in steps.items()]


def _read_effect(name: str | None, part: Mapping, training: Training) -> NamedStep:
    if not part:
        raise ValueError(f"The effect {name!r} is empty. Name at least one change.")
    changes = tuple(
        _as_step(value, training[key])._resolve(training[key])
        for key, value in part.items()
    )
    positions = [change.position for change in changes]
    if len(set(positions)) < len(positions):
        raise ValueError(f"One effect changes a feature twice: {list(part)}.")
    text = ", ".join(f"{change.feature} {change.label}" for change in changes)
    return NamedStep(text if name is None else name, changes)


def _as_step(value: Any, training: TrainingColumn) -> Step:
    if isinstance(value, Step):
        return value
    if isinstance(value, type) and issubclass(value, Step):
        raise TypeError(
            f"The step of {training.name!r} is the class {value.__name__}; "
            f"give an object, such as {value.__name__}(1)."
        )
    if training.column.kind == "categorical" and not callable(value):
        return SetTo(value)
    if isinstance(value, (datetime.timedelta, np.timedelta64)) or _is_number(value):
        return Add(value)
    if callable(value):
        return Apply(value)
    expected = "a timedelta" if training.column.kind == "datetime" else "a number"
    raise TypeError(
        f"The step of {training.name!r}, which is {training.column.kind}, is {value!r}; "
        f"expected {expected}, a step object such as SetTo(…), or a function. If the "
        "column holds categories, list it in categorical_features."
    )


def _default_steps(kind: str, training: Training) -> list[NamedStep]:
    sizes: dict[str, Callable[[TrainingColumn], Step]] = {
        "unit": lambda column: Add(0.01 if column.range <= 1 else 1),
        "sd": lambda column: StdDev(1),
        "iqr": lambda column: IQR(1),
    }
    if kind not in sizes:
        raise ValueError(
            f"steps must be 'unit', 'sd' or 'iqr' when it is a text; got {kind!r}. To "
            "change one feature, give a mapping such as {'bmi': -2}."
        )
    named, left_out = [], []
    for column in training.columns:
        if column.column.kind == "categorical":
            changes = [
                SetTo(category)._resolve(column) for category in column.column.categories
            ]
        elif column.column.kind != "numeric":
            continue
        elif column.two_values is not None:
            changes = [
                replace(SetTo(value)._resolve(column), skip_at_target=True)
                for value in column.two_values
            ]
        elif kind != "unit" and not getattr(column, kind) > 0:
            left_out.append(column.name)
            continue
        else:
            changes = [sizes[kind](column)._resolve(column)]
        named += [NamedStep(f"{c.feature} {c.label}", (c,)) for c in changes]
    if not named:
        raise ValueError(
            f"steps={kind!r} finds nothing to change in {len(training.table)} sample(s): "
            "no column is categorical, or numeric with a positive step. Give a mapping "
            "such as {'bmi': -2}."
        )
    if left_out:
        warnings.warn(
            f"steps={kind!r} leaves out {', '.join(left_out)}: the {kind.upper()} is "
            "not positive in the training rows.",
            UserWarning,
            stacklevel=4,
        )
    return named


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def _finite(value: Any, training: TrainingColumn, what: str) -> None:
    if not _is_number(value):
        raise TypeError(
            f"The {what} of the step of {training.name!r} must be a number, got "
            f"{value!r}."
        )
    if not np.isfinite(value):
        raise ValueError(
            f"The {what} of the step of {training.name!r} is {value!r}; it must be "
            "finite."
        )


def number_text(value: Any) -> str:
    """Shortest text of a number without a trailing .0; other values as they are."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return str(value)
    text = repr(float(value)) if not isinstance(value, (int, np.integer)) else str(value)
    return text[:-2] if text.endswith(".0") else text


def _signed(value: Any) -> str:
    text = number_text(value)
    return text if text.startswith("-") else f"+{text}"


def _timedelta_text(delta: pd.Timedelta) -> str:
    parts = abs(delta).components
    units = zip(parts, ("d", "h", "min", "s", "ms", "us", "ns"), strict=True)
    text = "".join(f"{count}{unit}" for count, unit in units if count)
    return ("-" if delta < pd.Timedelta(0) else "+") + (text or "0d")
