"""The steps that are drawn, and what they make of Python values."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.fuzz.tables import FLOATS, INTEGERS, Column, number, numbers
from benchmarks.fuzz.training import quantiles_of, sd_of
from skfme import IQR, Add, Contrast, Quantile, Scale, SetTo, StdDev

WAYS = (
    "plain", "add", "scale", "set", "set gaps", "contrast", "quantile", "sd", "iqr",
    "function",
)  # fmt: skip
OF_NUMBERS = ("scale", "quantile", "sd", "iqr")  # alone
FINE = ("quantile", "sd", "iqr")  # of which amounts of many digits come
_MILLIONTH = 1e-6


class RefusedError(Exception):
    """What a user is to be told, rather than given an effect; by hand."""


@dataclass
class Ends:
    """Values before and after a step, and the rows that have no value to change.

    `is_set` says that rows are set to one value, which is no number of the column's type.
    """

    before: list
    after: list
    gaps: np.ndarray
    is_set: bool = False


def drawn_step(rng: np.random.Generator, way: str, column: Column, seen: list) -> Any:
    """A step of a column, of whose training rows `seen` are the values."""
    if column.family == "category":
        return _to_category(rng, way, sorted(set(seen)))
    if way == "function":
        return _halved if column.family == "number" else _a_day_later
    if column.family == "date":
        hours = dt.timedelta(hours=int(rng.choice([-36, 5, 240])))
        moments = [seen[0] + hours, seen[-1] - hours / 2]
        return _of_values(way, hours, *moments)
    size = float(rng.choice([-2, -0.5, 0.125, 1, 3, 50]))
    low, high = float(rng.choice([-1, 0, 2.5])), float(rng.choice([3, 4.5, 200]))
    if set(seen) == {0, 1} and rng.random() < 0.7:
        low, high = 0, 1
    count = float(rng.choice([-1, 0.5, 2]))
    relative = {
        "scale": Scale(size),
        "sd": StdDev(count),
        "iqr": IQR(count),
        "quantile": Quantile(float(rng.choice([0, 0.3, 0.5, 0.95]))),
    }
    return relative.get(way) or _of_values(way, size, low, high)


def _to_category(rng: np.random.Generator, way: str, levels: list) -> Any:
    level = levels[rng.integers(len(levels))]
    if way == "contrast":
        return Contrast(levels[0], levels[-1])
    if way == "function":
        return Swapped(levels[0], levels[-1])
    return {
        "plain": level,
        "set": SetTo(level),
        "set gaps": SetTo(level, count_missing=True),
    }[way]


def _of_values(way: str, size: Any, low: Any, high: Any) -> Any:
    return {
        "plain": size,
        "add": Add(size),
        "set": SetTo(low),
        "set gaps": SetTo(high, count_missing=True),
        "contrast": Contrast(low, high),
    }[way]


def _halved(column: Any) -> np.ndarray:
    """Each number halved, and brought 1 further; of a column of any library."""
    return np.array(
        [np.nan if _is_gap(v) else float(v) / 2 + 1 for v in _listed(column)]
    )


def _a_day_later(column: Any) -> Any:
    """Dates are moved by what their library has for it."""
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return pc.add(column, pa.scalar(dt.timedelta(days=1)))
    return column + dt.timedelta(days=1)


@dataclass(frozen=True)
class Swapped:
    """Two categories change places; others stay."""

    one: Any
    other: Any

    def of(self, value: Any) -> Any:
        return {self.one: self.other, self.other: self.one}.get(value, value)

    def __call__(self, column: Any) -> np.ndarray:
        moved = [None if _is_gap(v) else self.of(v) for v in _listed(column)]
        return np.array(moved, dtype=object)


def _listed(column: Any) -> list:
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _is_gap(value: Any) -> bool:
    return value is None or bool(pd.isna(value))


# By hand --------------------------------------------------------------------------------


def ends_of(column: Column, step: Any, seen: list, weights: np.ndarray | None) -> Ends:
    """Both ends of a step, on Python values."""
    own = column.entries
    gaps = np.array([value is None for value in own])
    if isinstance(step, Contrast):
        if step.low == step.high:
            raise RefusedError("a value compared with itself")
        return Ends([step.low] * len(own), [step.high] * len(own), gaps & False, True)
    if isinstance(step, Quantile):
        step = SetTo(float(quantiles_of(numbers(seen), [step.q], weights)[0]))
    if isinstance(step, SetTo) or (column.family == "category" and not callable(step)):
        value = step.value if isinstance(step, SetTo) else step
        counting = isinstance(step, SetTo) and step.count_missing
        return Ends(own, [value] * len(own), gaps & (not counting), True)
    if isinstance(step, StdDev | IQR):
        step = step.count * _spread(step, seen, weights)
    moved = [None if value is None else _moved(value, step) for value in own]
    return Ends(own, moved, gaps)


def _spread(step: Any, seen: list, weights: np.ndarray | None) -> float:
    values = numbers(seen)
    values = values - values.min()  # large numbers would round their quantiles
    if isinstance(step, StdDev):
        spread = sd_of(values, weights)
    else:
        low, high = quantiles_of(values, [0.25, 0.75], weights)
        spread = high - low
    if not spread > 0 or len(set(values)) == 1:
        raise RefusedError("no spread to move by")
    return float(spread)


def _moved(value: Any, step: Any) -> Any:
    if step is _halved:
        return float(value) / 2 + 1
    if step is _a_day_later:
        return value + dt.timedelta(days=1)
    if isinstance(step, Swapped):
        return step.of(value)
    amount = step.amount if isinstance(step, Add) else step
    if isinstance(step, Scale):
        factor = step.factor
        if isinstance(value, Decimal):
            return value * Decimal(repr(factor))
        return value * (int(factor) if _whole(value, factor) else factor)
    if isinstance(value, Decimal):
        return value + Decimal(repr(amount))
    return value + (int(amount) if _whole(value, amount) else amount)


def _whole(value: Any, amount: Any) -> bool:
    return isinstance(value, int) and amount == int(amount)


def kind_of_ends(column: Column, ends: Ends, between: bool) -> str:
    """The type that holds both ends of a step, and what lies between if it is asked for."""
    kind = column.kind
    if column.family != "number" or kind == "object":
        return kind
    pairs = zip(ends.before, ends.after, strict=True)
    if kind == "float32":
        both = [(b, a) for b, a in pairs if b is not None and a is not None]
        return kind if all(_narrow(b, a, column, ends) for b, a in both) else "float64"
    if kind in FLOATS or between:
        return "float64"
    values = [v for pair in pairs for v in pair if v is not None]
    if not all(float(v).is_integer() for v in values):
        return "float64"
    for held in ("int64",) if ends.is_set else (kind, "int64"):
        limits = np.iinfo(held)
        if held in INTEGERS and all(limits.min <= v <= limits.max for v in values):
            return held
    return "float64"


def _narrow(before: Any, after: Any, column: Column, ends: Ends) -> bool:
    """Whether float32 holds a step to a millionth, as the explainer's docs say."""
    with np.errstate(over="ignore", invalid="ignore"):
        step = float(after) - float(before)
        held = float(np.float32(after)) - float(np.float32(before))
    is_set = len(set(ends.after)) == 1 and ends.before is column.entries
    return abs(held - step) <= _MILLIONTH * abs(step) or (is_set and held == 0)


def leaves_two_values(column: Column, seen: list, ends: Ends) -> bool:
    """Whether a numeric column of two values is taken to a third."""
    values = {number(v) for v in seen}
    if column.family != "number" or len(values) != 2:
        return False
    moved = [
        number(v) for end in (ends.before, ends.after) for v in end if v is not None
    ]
    return any(not np.isclose(v, list(values), rtol=1e-9, atol=0).any() for v in moved)
