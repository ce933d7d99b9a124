"""Step objects: how one feature is changed, h in f(x + h) − f(x).

By an amount, by a factor, to a value, by a training SD or IQR, or between two values.
Each resolves itself against the training column into a change. What else a user may
write for a step is read elsewhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.arithmetic import scaled, shifted
from skfme._frames.columns import ColumnData
from skfme._frames.schema import Column
from skfme.steps._changes import Change, Step
from skfme.steps._training import TrainingColumn, check_finite, is_number

__all__ = ["IQR", "Add", "Apply", "Contrast", "Quantile", "Scale", "SetTo", "StdDev"]


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
            if pd.isna(delta):
                raise ValueError(f"The step of {training.name!r} is NaT.")
            moved = Add(delta.to_pytimedelta())
            move = partial(shifted, amount=moved.amount)
            return _change(training, moved, _timedelta_text(delta), move=move)
        training.require("numeric", self)
        check_finite(self.amount, training, "amount")
        move = partial(shifted, amount=self.amount)
        return _change(training, self, _signed(self.amount), move=move)


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
        check_finite(self.factor, training, "factor")
        move = partial(scaled, factor=self.factor)
        return _change(training, self, f"*{number_text(self.factor)}", move=move)


@dataclass(frozen=True)
class StdDev(Step):
    """Add a number of training standard deviations (divisor n − 1).

    Parameters
    ----------
    count : float, default=1
    """

    count: float = 1

    def _resolve(self, training: TrainingColumn) -> Change:
        return _spread_step(self, training, "sd")


@dataclass(frozen=True)
class IQR(Step):
    """Add a number of training interquartile ranges.

    Parameters
    ----------
    count : float, default=1
    """

    count: float = 1

    def _resolve(self, training: TrainingColumn) -> Change:
        return _spread_step(self, training, "iqr")


@dataclass(frozen=True)
class SetTo(Step):
    """Set a feature to a value: a category, a number or a date.

    Rows that already have the category of a categorical feature do not count;
    those that already have the number of a numeric one do, with an effect of 0.

    Parameters
    ----------
    value : object
        A category that was seen in training, or any finite number.
    count_missing : bool, default=False
        Whether rows count in which the feature is missing before the step.
    """

    value: Any
    count_missing: bool = field(default=False, kw_only=True)

    def _resolve(self, training: TrainingColumn) -> Change:
        return _change(
            training,
            self,
            f"= {number_text(self.value)}",
            end=training.constant(self.value),
            skip_at_target=training.column.kind == "categorical",
            count_missing=self.count_missing,
            target=self.value,
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
        if not (is_number(self.q) and 0 <= self.q <= 1):
            raise ValueError(
                f"Quantile of {training.name!r} must lie between 0 and 1, got "
                f"{self.q!r}."
            )
        value = float(training.quantiles([float(self.q)])[0])
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
        return _change(training, self, label, start=start, end=end)


@dataclass(frozen=True)
class Apply(Step):
    """Replace a feature by what a function of its column returns.

    A plain function in `steps` stands for it.

    Parameters
    ----------
    function : callable
        From a column to values of shape (n_samples,), of each row alone. The column is a
        copy in the user's own library, with numbers in 64 bits.
    """

    function: Callable[[Any], Any]

    def _resolve(self, training: TrainingColumn) -> Change:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return _change(training, self, name, function=self.function)


def added(column: Column, size: float) -> Change:
    """The change of a numeric column by an amount, without its training rows."""
    text, name = _signed(size), str(column.name)
    move = partial(shifted, amount=size)
    return Change(column.position, name, text, Add(size), move=move, numeric=True)


def _change(training: TrainingColumn, step: Step, label: str, **details: Any) -> Change:
    column = training.column
    numeric = column.kind == "numeric"
    change = Change(
        column.position,
        training.name,
        label,
        step,
        categories=column.categories,
        numeric=numeric,
        only_values=training.only_values if numeric else (),
        **details,
    )
    if change.only_values:
        for end in _ends(change):
            change.refuse_third_value(end)
    return change


def _ends(change: Change) -> list[ColumnData]:
    """What the two values of a feature become; a function is asked when rows are there."""
    if change.move is not None:
        return [change.move(np.array(change.only_values, dtype=float), bounds=None)]
    return [end for end in (change.start, change.end) if end is not None]


def _spread_step(step: StdDev | IQR, training: TrainingColumn, unit: str) -> Change:
    """The change by a number of training SDs or IQRs; `unit` is "sd" or "iqr"."""
    training.require("numeric", step)
    check_finite(step.count, training, "count")
    spread: float = getattr(training, unit)
    if not spread > 0:
        raise ValueError(
            f"The {unit.upper()} of {training.name!r} is {spread} in the training "
            f"rows, so {step!r} changes nothing. Give a size in the feature's units."
        )
    change = Add(float(step.count * spread))._resolve(training)
    size = f"1 {unit.upper()} of {training.name} = {spread:.4g}"
    return replace(change, label=_signed(step.count) + unit, size=size)


def number_text(value: Any) -> str:
    """Shortest text of a number without a trailing .0; other values as they are."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return str(value)
    text = str(value)
    return text[:-2] if text.endswith(".0") else text


def _signed(value: Any) -> str:
    text = number_text(value)
    return text if text.startswith("-") else f"+{text}"


def _timedelta_text(delta: pd.Timedelta) -> str:
    parts = abs(delta).components
    units = zip(parts, ("d", "h", "min", "s", "ms", "us", "ns"), strict=True)
    text = "".join(f"{count}{unit}" for count, unit in units if count)
    return ("-" if delta < pd.Timedelta(0) else "+") + (text or "0d")
