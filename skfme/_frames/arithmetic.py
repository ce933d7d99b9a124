"""A column moved, scaled or replaced, and the type in which its numbers are held.

A whole change leaves integers integers, nothing is truncated and nothing wraps round.
What is computed of floats is computed in double precision; which type a model then gets
is decided for a whole column at once (see `skfme.steps._changes`). Reading and comparing
columns live beside this.
"""

from __future__ import annotations

import datetime
import operator
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from skfme._frames.columns import (
    ColumnData,
    holds_objects,
    in_order_of,
    missing_in,
    numbers_in,
    objects_in,
)
from skfme._frames.dates import moved_in_time

__all__ = [
    "as_type",
    "column_like",
    "common_type",
    "integer_bounds",
    "is_narrow",
    "numeric_type",
    "replaced",
    "scaled",
    "shifted",
    "widened",
    "with_type_of",
]


def integer_bounds(column: ColumnData) -> tuple[int, int] | None:
    """Smallest and largest entry of an integer column; None for any other."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "iu" or not len(column):
            return None
        return int(column.min()), int(column.max())
    if not column.dtype.is_integer():
        return None
    if column.null_count() == len(column):
        return None
    return int(column.min()), int(column.max())


def numeric_type(column: ColumnData) -> np.dtype | None:
    """NumPy's type of the same numbers; None where they are objects, or none at all."""
    if isinstance(column, np.ndarray):
        return column.dtype if column.dtype.kind in "iuf" else None
    if not column.dtype.is_numeric():
        return None
    name = str(column.dtype).lower()
    # Decimals, and integers of 128 bits, have none.
    return np.dtype(name if name in np.sctypeDict else float)


def is_narrow(column: ColumnData) -> bool:
    """Whether a column holds floats of less than 64 bits."""
    dtype = numeric_type(column)
    return dtype is not None and dtype.kind == "f" and dtype.itemsize < 8


def common_type(*columns: ColumnData, continuous: bool = False) -> np.dtype | None:
    """The type that holds the numbers of several columns; None where all are objects.

    Parameters
    ----------
    *columns : columns
    continuous : bool, default=False
        Whether it is to hold what lies between their numbers as well.
    """
    dtypes = [numeric_type(column) for column in columns]
    if not any(dtypes):
        return None
    dtype = np.result_type(*(np.dtype(float) if d is None else d for d in dtypes))
    return np.dtype(float) if continuous and dtype.kind in "iu" else dtype


def as_type(column: ColumnData, dtype: np.dtype | None) -> ColumnData:
    """The same numbers in another type; None leaves the column as it is."""
    if dtype is None:
        return column
    if holds_objects(column):
        values = numbers_in(column).astype(dtype)
        return (
            values if isinstance(column, np.ndarray) else _floats_like(column, values)
        )
    if isinstance(column, np.ndarray):
        with np.errstate(over="ignore"):
            return column if column.dtype == dtype else column.astype(dtype)
    in_narwhals = getattr(nw, str(dtype).title().replace("Ui", "UI"))
    if column.dtype == in_narwhals:
        return column
    return _as_float(column) if dtype == np.float64 else column.cast(in_narwhals)


def _as_float(column: nw.Series) -> nw.Series:
    try:
        return column.cast(nw.Float64)
    except Exception:  # Arrow refuses integers beyond 2**53
        return _floats_like(column, column.to_numpy().astype(float))


def _floats_like(column: nw.Series, values: np.ndarray) -> nw.Series:
    dtype = nw.Float32() if values.dtype == np.float32 else nw.Float64()
    return nw.new_series(column.name, values, dtype, backend=column.implementation)


def with_type_of(example: ColumnData, column: ColumnData) -> ColumnData:
    """The same numbers in the library's own type of another column of these numbers."""
    if isinstance(column, np.ndarray) or not column.implementation.is_pandas_like():
        return column
    native, dtype = column.to_native(), example.to_native().dtype
    if native.dtype == dtype:
        return column
    return nw.from_native(native.astype(dtype), series_only=True)


def shifted(
    column: ColumnData, amount: Any, bounds: tuple[int, int] | None
) -> ColumnData:
    """Column + amount, with integers kept where the sum is whole and fits.

    `bounds` are the whole column's smallest and largest integer, so that every
    batch of one column gets the same type.
    """
    if isinstance(amount, datetime.timedelta):
        return moved_in_time(column, amount)
    moved = _computed(column, operator.add, amount, bounds)
    if bounds is None or not _is_whole(operator.add, amount, bounds):
        return moved
    dtype = column.dtype
    if not _fit(dtype, [*bounds, *(bound + int(amount) for bound in bounds)]):
        return moved
    return moved.astype(dtype) if isinstance(moved, np.ndarray) else moved.cast(dtype)


def scaled(
    column: ColumnData, factor: float, bounds: tuple[int, int] | None
) -> ColumnData:
    """Column * factor, with integers kept where the factor is whole."""
    return _computed(column, operator.mul, factor, bounds)


def _computed(
    column: ColumnData,
    operation: Callable[[Any, Any], Any],
    operand: Any,
    bounds: tuple[int, int] | None,
) -> ColumnData:
    """Numbers computed with one other: int64 where all is whole and fits, else floats."""
    if holds_objects(column):
        return _each(column, operation, operand)
    if _is_whole(operation, operand, bounds):
        whole = np.dtype(np.int64)
        return operation(as_type(column, whole), int(operand))
    return operation(as_type(column, np.dtype(float)), float(operand))


def _each(
    column: ColumnData, operation: Callable[[Any, Any], Any], operand: Any
) -> ColumnData:
    """Python's own arithmetic on objects, whose integers have no bounds."""
    number = int(operand) if float(operand).is_integer() else float(operand)
    decimal = Decimal(repr(number))  # as it is written: a Decimal takes no float

    def compute(value: Any) -> Any:
        if isinstance(value, Decimal):
            return operation(value, decimal)
        return operation(
            value.item() if isinstance(value, np.generic) else value, number
        )

    changed = objects_in(column).copy()
    observed = ~missing_in(column)
    changed[observed] = [compute(value) for value in changed[observed]]
    return _object_column(column, changed)


def _object_column(column: ColumnData, values: np.ndarray) -> ColumnData:
    """Objects as a column of the same library, of as many rows under their labels."""
    if isinstance(column, np.ndarray):
        return values
    native = column.to_native()
    if column.implementation.is_pandas_like():
        same_rows = len(values) == len(native)
        index = native.index if same_rows else None
        fresh = type(native)(values, index=index, name=native.name, dtype=object)
    else:
        fresh = type(native)(column.name, values.tolist(), dtype=native.dtype)
    return nw.from_native(fresh, series_only=True)


def _is_whole(
    operation: Callable[[int, int], int], operand: Any, bounds: tuple[int, int] | None
) -> bool:
    """Whether what is computed of an integer column is whole and stays within int64."""
    if bounds is None or not float(operand).is_integer():
        return False
    ends = [*bounds, *(operation(bound, int(operand)) for bound in bounds)]
    return _fit("int64", ends)


def widened(column: ColumnData) -> ColumnData:
    """Numbers in 64 bits, in which a user's arithmetic neither wraps round nor rounds."""
    if is_narrow(column):
        return as_type(column, np.dtype(float))
    bounds = integer_bounds(column)
    if bounds is None or not _fit("int64", bounds):
        return column
    return as_type(column, np.dtype(np.int64))


def _fit(dtype: Any, ends: Sequence[int]) -> bool:
    """Whether integers fit in a type of integers."""
    limits = np.iinfo(str(dtype).lower())
    return bool(limits.min <= min(ends) and max(ends) <= limits.max)


def replaced(column: ColumnData, values: Any, what: str) -> ColumnData:
    """A column holding what a user's function returned for `column`.

    Values with the labels of the column's rows are put in the rows' order. The column's
    type is kept where the values allow it.

    Raises
    ------
    ValueError
        If the values are not one per row, or their labels do not say which row is which.
    """
    if isinstance(column, nw.Series) and column.implementation.is_pandas_like():
        values = in_order_of(column.to_native().index, values, what)
    as_series = isinstance(column, nw.Series) and nw.dependencies.is_into_series(values)
    entries: Any = (
        nw.from_native(values, series_only=True) if as_series else np.asarray(values)
    )
    n = len(column)
    if entries.shape != (n,):
        mistake = f"values of shape {entries.shape}, expected ({n},)"
        if as_series:
            mistake = f"{len(entries)} values, expected {n}"
        raise ValueError(f"{what} returned {mistake}: one per row.")
    if isinstance(column, np.ndarray):
        return _in_type_of(column, entries)
    series = entries
    if not as_series:
        backend = column.implementation
        series = nw.new_series("values", entries.tolist(), backend=backend)
    series = _in_type_of(column, series)
    if column.implementation.is_pandas():
        native = column.to_native()
        fresh = series.to_native().set_axis(native.index)
        if not column.dtype.is_numeric() and fresh.dtype != native.dtype:
            fresh = fresh.astype(native.dtype)
        return nw.from_native(fresh, series_only=True)
    as_is = column.dtype.is_numeric() or series.dtype == column.dtype
    return series if as_is else series.cast(column.dtype)


def _in_type_of(column: ColumnData, values: ColumnData) -> ColumnData:
    """Integers in the type of an integer column, where they fit."""
    bounds = integer_bounds(values)
    if (
        bounds is None
        or integer_bounds(column) is None
        or not _fit(column.dtype, bounds)
    ):
        return values
    if isinstance(values, np.ndarray):
        return values.astype(column.dtype)
    return values.cast(column.dtype)


def column_like(column: ColumnData, values: np.ndarray) -> ColumnData:
    """Floats as a column of the same library: objects, or of its own precision."""
    if holds_objects(column):
        return _object_column(column, values.astype(object))
    values = values.astype(np.float32) if is_narrow(column) else values
    if isinstance(column, np.ndarray):
        return values.astype(column.dtype) if column.dtype.kind == "f" else values
    return with_type_of(column, _floats_like(column, values))
