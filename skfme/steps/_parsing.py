"""The one reader of the user's step syntax: names and values in, named steps out.

An effect changes one feature or several at once. Every form a user may write is turned
into named steps here, resolved against the training columns. What a step object means is
its own matter.
"""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from skfme._frames.hints import shown
from skfme.steps._changes import Change, NamedStep, Step
from skfme.steps._steps import IQR, Add, Apply, Contrast, SetTo, StdDev
from skfme.steps._training import Training, TrainingColumn, is_number

__all__ = ["parse_steps"]

# What steps=None and a text change each numeric feature by.
_DEFAULT_SIZES: dict[str, Callable[[TrainingColumn], Step]] = {
    "unit": lambda column: Add(0.01 if column.range <= 1 else 1),
    "sd": lambda column: StdDev(1),
    "iqr": lambda column: IQR(1),
}


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
        named = [step for entry in steps for step in _read_entry(entry, training)]
    else:
        raise TypeError(
            "steps must be a mapping such as {'bmi': -2}, a list of mappings, 'unit', "
            f"'sd', 'iqr' or None; got {shown(steps)}."
            + (
                " Tables come before steps: fme(model, X, steps)."
                * hasattr(steps, "shape")
            )
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


def _read_entry(entry: Any, training: Training) -> list[NamedStep]:
    if not isinstance(entry, Mapping):
        raise TypeError(
            "steps is a list, whose entries must be mappings such as "
            f"{{'bmi': -2}}; got {shown(entry)}."
        )
    return _read_mapping(entry, training)


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
    return [_read_effect(str(name), value, training) for name, value in steps.items()]


def _read_effect(
    name: str | None, values: Mapping[Any, Any], training: Training
) -> NamedStep:
    if not values:
        raise ValueError(f"The effect {name!r} is empty. Name at least one change.")
    changes = tuple(
        _as_step(value, training[key])._resolve(training[key])
        for key, value in values.items()
    )
    positions = [change.position for change in changes]
    if len(set(positions)) < len(positions):
        raise ValueError(f"One effect changes a feature twice: {list(values)}.")
    return NamedStep.of(*changes) if name is None else NamedStep(name, changes)


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
        f"The step of {training.name!r}, which is {training.column.kind}, is {shown(value)}; "
        f"expected {expected}, a step object such as SetTo(…), or a function. If the "
        "column holds categories, list it in categorical_features."
    )


def _default_steps(kind: str, training: Training) -> list[NamedStep]:
    if kind not in _DEFAULT_SIZES:
        raise ValueError(
            f"steps must be 'unit', 'sd' or 'iqr' when it is a text; got {kind!r}. To "
            "change one feature, give a mapping such as {'bmi': -2}."
        )
    flat = [column for column in training.columns if _is_flat(column, kind)]
    columns = [column for column in training.columns if column not in flat]
    changes = [
        change for column in columns for change in _default_changes(column, kind)
    ]
    if not changes:
        raise ValueError(
            f"steps={kind!r} finds nothing to change in {len(training.table)} sample(s): "
            "no column is categorical, or numeric with a positive step. Give a mapping "
            "such as {'bmi': -2}."
        )
    others = [c for c in columns if c.column.kind not in ("categorical", "numeric")]
    left_out = {
        f"the {kind.upper()} is not positive in the training rows.": flat,
        "only numbers and categories have a step by default; of a date, give one such as "
        "{name: timedelta(days=7)}.": others,
    }
    for reason, some in left_out.items():
        if some:
            names = ", ".join(column.name for column in some)
            message = f"steps={kind!r} leaves out {names}: {reason}"
            warnings.warn(message, UserWarning, stacklevel=4)
    return [NamedStep.of(change) for change in changes]


def _is_flat(column: TrainingColumn, kind: str) -> bool:
    """Whether a numeric feature, not one of two values, has no SD or IQR to move by."""
    if kind == "unit" or column.column.kind != "numeric" or column.two_values:
        return False
    return not getattr(column, kind) > 0


def _default_changes(column: TrainingColumn, kind: str) -> list[Change]:
    """To each category, between two values, or by one size; none of other kinds."""
    if column.column.kind == "categorical":
        return [SetTo(c)._resolve(column) for c in column.column.categories]
    if column.column.kind != "numeric":
        return []
    if column.two_values:
        return [Contrast(*column.two_values)._resolve(column)]
    return [_DEFAULT_SIZES[kind](column)._resolve(column)]
