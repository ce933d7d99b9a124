"""The training rows that steps are measured on: SDs, quantiles, categories.

Constants are built from training entries, so that they have the column's exact type.
What a step does with them is the step's own matter.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Sequence
from functools import cached_property
from numbers import Real
from typing import Any

import numpy as np

from skfme._frames.arithmetic import integer_bounds, is_narrow, scaled, shifted, widened
from skfme._frames.columns import (
    ColumnData,
    category_codes,
    missing_in,
    mixture_in,
    numbers_in,
)
from skfme._frames.dates import distance
from skfme._frames.hints import known_names, nearest, shown
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._summaries.weighted import weighted_quantiles, weighted_sd
from skfme._summaries.weighting import Weighting

__all__ = ["GIVE_ROWS", "Training", "TrainingColumn", "check_finite", "is_number"]

_FEWEST_ROWS = 10  # of which two values are a fact about the feature, and no chance


class TrainingColumn:
    """One column of the training rows: its spread, quantiles and constants."""

    def __init__(self, table: Table, column: Column, weights: Weighting) -> None:
        self.table = table
        self.column = column
        self.weights = weights

    @property
    def name(self) -> str:
        return str(self.column.name)

    @property
    def _entries(self) -> ColumnData:
        return self.table.column(self.column.position)

    @cached_property
    def _observed(self) -> tuple[np.ndarray, Weighting]:
        """The finite numbers, and the weights of their rows."""
        values = numbers_in(self._entries)
        finite = np.isfinite(values)
        if finite.all():
            return values, self.weights
        return values[finite], self.weights.take(finite)

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

    @cached_property
    def only_values(self) -> tuple:
        """The two values that no step may leave; empty where other values may follow.

        That a few rows hold two values says nothing of the feature.
        """
        _, weights = self._observed
        return self.two_values or () if weights.total >= _FEWEST_ROWS else ()

    @cached_property
    def _first_rows(self) -> np.ndarray:
        """Per category the first row that holds it; else the first observed row."""
        if self.column.kind == "categorical":
            codes = category_codes(self._entries, self.column.categories)
            distinct, first = np.unique(codes, return_index=True)
            return first[distinct >= 0]
        values = numbers_in(self._entries)
        floats = values.dtype.kind == "f"
        observed = np.isfinite(values) if floats else ~missing_in(self._entries)
        return np.flatnonzero(observed)[:1]

    @cached_property
    def examples(self) -> ColumnData:
        """An entry of each category, or one of other columns."""
        return self._entries[self._first_rows]

    def _example(self, position: int = 0) -> ColumnData:
        """One entry, from which a constant gets the column's exact type."""
        return self.examples[slice(position, position + 1)]

    @cached_property
    def held(self) -> str:
        """What a column holds that no step changes."""
        dtype = self.table.native_type(self.column.position)
        mixture = mixture_in(self._entries)
        return f"type {dtype}" if mixture is None else f"mixed types: {mixture}"

    def require(self, kind: str, step: object) -> None:
        if self.column.kind == "other":
            raise TypeError(
                f"{shown(step)} does not fit {self.name!r}: a step cannot change columns of "
                f"{self.held}. Make it a dense column of numbers, dates or categories."
            )
        if self.column.kind != kind:
            hint = {
                "categorical": "Give a category to move to.",
                "datetime": "Give a timedelta.",
                "numeric": "Give a number.",
            }[self.column.kind]
            raise TypeError(
                f"{shown(step)} does not fit {self.name!r}, which is {self.column.kind}. "
                + hint
            )

    def constant(self, value: Any) -> ColumnData:
        """A one-entry column that holds `value`, typed as the feature is."""
        kind = self.column.kind
        if kind == "categorical":
            return self._example(self._category(value))
        if kind == "numeric":
            check_finite(value, self, "value")
        elif kind != "datetime":
            self.require("datetime", value)
        if not len(self.examples):
            raise ValueError(
                f"{self.name!r} has no observed value in the training rows."
            )
        example = self._example()
        if kind == "datetime":
            try:
                return shifted(example, distance(value, example), None)
            except ValueError as error:
                raise ValueError(
                    f"{self.name!r} is set to {shown(value)}; {error}."
                ) from error
        example = widened(example) if is_narrow(example) else example
        # From the entry to zero and on to the value: the column's type is kept.
        zero = scaled(example, 0, integer_bounds(example))
        return shifted(zero, value, integer_bounds(zero))

    def _category(self, value: Any) -> int:
        categories = self.column.categories
        matches = [i for i, c in enumerate(categories) if _same(c, value)]
        if not matches:
            raise ValueError(
                f"{shown(value)} is not a category of {self.name!r} in the training rows."
                + known_names(categories)
                + _contrast_meant(value, categories)
                + (nearest(value, categories) or GIVE_ROWS)
            )
        return matches[0]


# What other packages call comparisons of several categories.
_COMPARISONS = ("pairwise", "revpairwise", "sequential", "revsequential", "reference")


def _contrast_meant(value: Any, categories: Sequence[Any]) -> str:
    """A closing sentence where a comparison of categories may be meant."""
    numbers = is_number(value) and all(map(is_number, categories))
    listed = isinstance(value, tuple | list)
    worded = isinstance(value, str) and value in _COMPARISONS
    if len(categories) < 2 or not (listed or numbers or worded):
        return ""
    named = listed and len(value) == 2
    named = named and all(any(_same(c, v) for c in categories) for v in value)
    first, second = value if named else categories[:2]
    return (
        f" The step from one category to another is Contrast({shown(first)}, "
        f"{shown(second)})."
    )


GIVE_ROWS = (
    " If the model was fitted on rows that have it, give these as training rows: to fme "
    "and ame as background=, to FMEExplainer.fit as X."
)


class Training:
    """The training rows that steps are resolved against.

    Attributes
    ----------
    table : Table
    schema : tuple of Column
        What each of its columns holds.
    weights : Weighting
    columns : list of TrainingColumn
    """

    def __init__(
        self, table: Table, schema: Sequence[Column], weights: Weighting
    ) -> None:
        self.table = table
        self.schema = tuple(schema)
        self.weights = weights
        self.columns = [TrainingColumn(table, column, weights) for column in schema]

    def spreads(self) -> dict[int, tuple[float, float]]:
        """SD and range of each numeric column that sizes can be added to, by position."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # one row has no SD
            return {
                c.column.position: (c.sd, c.range)
                for c in self.columns
                if c.column.kind == "numeric" and not c.only_values
            }

    def __getitem__(self, key: Hashable) -> TrainingColumn:
        return self.columns[self.table.position(key)]


def _same(category: Any, value: Any) -> bool:
    try:
        return bool(category == value)
    except (TypeError, ValueError):
        return False


def is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))


def check_finite(value: Any, training: TrainingColumn, what: str) -> None:
    if not is_number(value):
        raise TypeError(
            f"The {what} of the step of {training.name!r} must be a number, got "
            f"{shown(value)}."
        )
    try:  # NumPy judges neither fractions nor integers of more than 64 bits
        held = float(value)
    except OverflowError:
        held = float("inf")
    if not np.isfinite(held) or (held == 0 and value != 0):
        raise ValueError(
            f"The {what} of the step of {training.name!r} is {shown(value)}; it must be "
            "finite, and a number that 64 bits hold."
        )
