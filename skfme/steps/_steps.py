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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import scaled, shifted
from skfme._frames.schema import Column
from skfme.steps._changes import Change, NamedStep, Step
from skfme.steps._training import Training, TrainingColumn, check_finite, is_number

__all__ = ["IQR", "Add", "Contrast", "Quantile", "Scale", "SetTo", "StdDev"]


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
            change = _change(training, moved, _timedelta_text(delta))
            return replace(change, move=partial(shifted, amount=moved.amount))
        training.require("numeric", self)
        check_finite(self.amount, training, "amount")
        change = _change(training, self, _signed(self.amount))
        return replace(change, move=partial(shifted, amount=self.amount))


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
        change = _change(training, self, f"*{number_text(self.factor)}")
        return replace(change, move=partial(scaled, factor=self.factor))


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
    """

    value: Any

    def _resolve(self, training: TrainingColumn) -> Change:
        target = training.constant(self.value)
        categorical = training.column.kind == "categorical"
        label = f"= {number_text(self.value)}"
        return replace(
            _change(training, self, label),
            end=target,
            skip_at_target=categorical,
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
        return replace(_change(training, self, label), start=start, end=end)


@dataclass(frozen=True)
class Apply(Step):
    """Replace a feature by what a function of its column returns."""

    function: Callable[[Any], Any]

    def _resolve(self, training: TrainingColumn) -> Change:
        name = getattr(self.function, "__name__", type(self.function).__name__)
        return replace(_change(training, self, name), function=self.function)


def added(column: Column, size: float) -> Change:
    """The change of a numeric column by an amount, without its training rows."""
    text, name = _signed(size), str(column.name)
    move = partial(shifted, amount=size)
    return Change(column.position, name, text, Add(size), move=move, numeric=True)


def _change(training: TrainingColumn, step: Step, label: str) -> Change:
    column = training.column
    return Change(
        column.position,
        training.name,
        label,
        step,
        categories=column.categories,
        numeric=column.kind == "numeric",
    )


def _spread_step(
    step: StdDev | IQR, training: TrainingColumn, unit_name: str
) -> Change:
    training.require("numeric", step)
    check_finite(step.count, training, "count")
    unit: float = getattr(training, unit_name)
    if not unit > 0:
        raise ValueError(
            f"The {unit_name.upper()} of {training.name!r} is {unit} in the training "
            f"rows, so {step!r} changes nothing. Give a size in the feature's units."
        )
    change = Add(float(step.count * unit))._resolve(training)
    size = f"1 {unit_name.upper()} of {training.name} = {unit:.4g}"
    return replace(change, label=_signed(step.count) + unit_name, size=size)


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


def _read_mapping(steps: Mapping[Any, Any], training: Training) -> list[NamedStep]:
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


def _read_effect(
    name: str | None, part: Mapping[Any, Any], training: Training
) -> NamedStep:
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
    if isinstance(value, (datetime.timedelta, np.timedelta64)) or is_number(value):
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
                SetTo(category)._resolve(column)
                for category in column.column.categories
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
