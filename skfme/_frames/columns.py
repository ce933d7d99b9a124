"""One column, an array or a narwhals series: reading it, comparing it, changing it.

Types are kept: a whole change leaves integers integers, nothing is truncated and
nothing wraps round.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.dates import holds_dates, instants, moved_in_time

__all__ = [
    "ColumnData",
    "as_vector",
    "broadcast",
    "category_codes",
    "column_like",
    "equal_to",
    "factorized",
    "in_order_of",
    "integer_bounds",
    "kind_of",
    "missing_in",
    "numbers_in",
    "objects_in",
    "plain_series",
    "replaced",
    "scaled",
    "shifted",
    "widened",
]

ColumnData = Any  # ndarray of shape (n,) or a narwhals series


def kind_of(column: ColumnData) -> str:
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            inferred = pd.api.types.infer_dtype(column, skipna=True)
            numeric = {"integer", "floating", "mixed-integer-float", "decimal", "empty"}
            return "numeric" if inferred in numeric else "categorical"
        kinds = {"i": "numeric", "u": "numeric", "f": "numeric"}
        kinds |= {"b": "categorical", "U": "categorical", "S": "categorical"}
        kinds |= {"M": "datetime", "m": "datetime"}
        return kinds.get(column.dtype.kind, "other")
    dtype = column.dtype
    if dtype.is_numeric():
        return "numeric"
    if isinstance(
        dtype, (nw.Boolean, nw.String, nw.Categorical, nw.Enum, nw.Object)
    ) or dtype in (nw.Categorical, nw.Enum):
        return "categorical"
    return "datetime" if holds_dates(column) else "other"


def missing_in(column: ColumnData) -> np.ndarray:
    """Mask of the missing entries (None, NaN, NaT, NA)."""
    if isinstance(column, np.ndarray):
        return np.asarray(pd.isna(column))
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(True)
    return np.asarray(missing.to_numpy(), dtype=bool)


def numbers_in(column: ColumnData) -> np.ndarray:
    """Numeric entries, or instants, as an array that compares; missing is NaN or NaT."""
    if isinstance(column, np.ndarray):
        return _object_numbers(column) if column.dtype.kind == "O" else column
    if holds_dates(column):
        return instants(column)
    if isinstance(column.dtype, nw.Decimal):
        column = column.cast(nw.Float64)
    values = column.to_numpy()
    if values.dtype.kind == "O":
        values = column.cast(nw.Float64).to_numpy().astype(float)
    return values


def _object_numbers(column: np.ndarray) -> np.ndarray:
    values = np.full(len(column), np.nan)
    observed = ~missing_in(column)
    values[observed] = column[observed].astype(float)
    return values


def _each(column: np.ndarray, change: Callable[[Any], Any]) -> np.ndarray:
    """Python's own arithmetic on an object array, whose integers have no bounds."""
    changed = column.copy()
    observed = ~missing_in(column)
    changed[observed] = [
        change(v.item() if isinstance(v, np.generic) else v) for v in column[observed]
    ]
    return changed


def _as_float(column: nw.Series) -> nw.Series:
    try:
        return column.cast(nw.Float64)
    except Exception:  # Arrow refuses integers beyond 2**53
        values = column.to_numpy().astype(float)
        return nw.new_series(
            column.name, values, nw.Float64, backend=column.implementation
        )


def objects_in(column: Any) -> np.ndarray:
    """Entries of a column, or of a list, as Python objects."""
    if isinstance(column, nw.Series):
        column = column.to_numpy()
    elif nw.dependencies.is_into_series(column):
        column = nw.from_native(column, series_only=True).to_numpy()
    return np.asarray(column, dtype=object)


def plain_series(column: ColumnData) -> pd.Series:
    """A column as formulas take it: pandas, with numpy's types or pandas' categories."""
    if isinstance(column, nw.Series) and column.dtype in (nw.Categorical, nw.Enum):
        return column.to_pandas().reset_index(drop=True)
    if kind_of(column) != "categorical":
        return pd.Series(numbers_in(column))
    entries = objects_in(column)
    missing = missing_in(column)
    if not missing.any():
        return pd.Series(entries, dtype=object).infer_objects()
    entries = entries.copy()
    entries[missing] = None
    return pd.Series(entries, dtype=object)


def factorized(column: ColumnData) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the entries, −1 if missing, and the distinct entries as objects."""
    if isinstance(column, nw.Series) and column.implementation.is_pandas():
        native = column.to_native()
        if isinstance(native.dtype, pd.CategoricalDtype):  # coded already
            return native.cat.codes.to_numpy(), objects_in(native.cat.categories)
    return pd.factorize(objects_in(column))


def category_codes(column: ColumnData, categories: Sequence) -> np.ndarray:
    """Position of each entry in `categories`; −1 if unknown or missing."""
    known = {category: i for i, category in enumerate(categories)}
    codes, distinct = factorized(column)
    positions = [known.get(value, -1) for value in distinct]
    return np.array([*positions, -1], dtype=np.intp)[codes]


def equal_to(column: ColumnData, value: Any) -> np.ndarray:
    """Mask of the entries equal to a value; missing entries are not."""
    if isinstance(column, np.ndarray) or column.dtype == nw.Object:
        values = column if isinstance(column, np.ndarray) else column.to_numpy()
        return np.asarray(values == value, dtype=bool) & ~missing_in(column)
    return category_codes(column, [value]) == 0


def broadcast(example: ColumnData, n: int) -> ColumnData:
    """A constant column of n entries, typed as the one-entry `example`."""
    return example[np.zeros(n, dtype=np.intp)]


def integer_bounds(column: ColumnData) -> tuple[int, int] | None:
    """Smallest and largest entry of an integer column; None for any other."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind not in "iu" or not len(column):
            return None
        return int(column.min()), int(column.max())
    if not column.dtype.is_integer():
        return None
    low, high = column.min(), column.max()
    return None if low is None or pd.isna(low) else (int(low), int(high))


def shifted(
    column: ColumnData, amount: Any, bounds: tuple[int, int] | None
) -> ColumnData:
    """Column + amount, with integers kept where the sum is whole and fits.

    `bounds` are the whole column's smallest and largest integer, so that every
    batch of one column gets the same type.
    """
    if isinstance(amount, datetime.timedelta):
        return moved_in_time(column, amount)
    ends = [] if bounds is None else [*bounds, *(b + int(amount) for b in bounds)]
    whole = _whole(amount, ends)
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            return _each(column, lambda v: v + _integral(amount))
        if column.dtype.kind == "f":
            return column + column.dtype.type(amount)
        if not whole:
            return column.astype(float) + float(amount)
        moved = column.astype(np.int64) + int(amount)
        return moved.astype(column.dtype) if _fits(column.dtype, ends) else moved
    dtype = column.dtype
    if dtype.is_float():
        return (column + float(amount)).cast(dtype)
    if not whole:
        return _as_float(column) + float(amount)
    moved = column.cast(nw.Int64) + int(amount)
    fits = _fits(np.dtype(str(dtype).lower()), ends)
    return moved.cast(dtype) if fits else moved


def _whole(amount: Any, ends: Sequence[int]) -> bool:
    """Whether the change of an integer column is whole and stays within int64."""
    inside = all(-(2**63) <= end < 2**63 for end in ends)
    return bool(ends) and inside and float(amount).is_integer()


def _integral(amount: Any) -> Any:
    return int(amount) if float(amount).is_integer() else float(amount)


def _fits(dtype: np.dtype, ends: Sequence[int]) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= min(ends) and max(ends) <= limits.max


def scaled(
    column: ColumnData, factor: float, bounds: tuple[int, int] | None
) -> ColumnData:
    """Column * factor, with integers kept where the factor is whole."""
    ends = [] if bounds is None else [*bounds, *(b * int(factor) for b in bounds)]
    whole = _whole(factor, ends)
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            return _each(column, lambda v: v * _integral(factor))
        if column.dtype.kind == "f":
            return column * column.dtype.type(factor)
        return (
            column.astype(np.int64) * int(factor) if whole else column * float(factor)
        )
    if column.dtype.is_float():
        return (column * float(factor)).cast(column.dtype)
    if whole:
        return column.cast(nw.Int64) * int(factor)
    return _as_float(column) * float(factor)


def widened(column: ColumnData) -> ColumnData:
    """Integers in 64 bits, in which a user's arithmetic does not wrap round."""
    if isinstance(column, np.ndarray):
        narrow = column.dtype.kind in "iu" and column.dtype != np.int64
        return column.astype(np.int64) if narrow and _fit_int64(column) else column
    if not column.dtype.is_integer() or column.dtype == nw.Int64:
        return column
    return column.cast(nw.Int64) if _fit_int64(column) else column


def _fit_int64(column: ColumnData) -> bool:
    bounds = integer_bounds(column)
    return bounds is None or _fits(np.dtype(np.int64), bounds)


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
    shape = (
        (len(values),) if nw.dependencies.is_into_series(values) else np.shape(values)
    )
    if shape != (len(column),):
        returned = (
            f"{shape[0]} values" if len(shape) == 1 else f"values of shape {shape}"
        )
        raise ValueError(
            f"{what} returned {returned}, expected {len(column)}: one per row."
        )
    if isinstance(column, np.ndarray):
        return _as_small(np.asarray(values), column.dtype)
    if nw.dependencies.is_into_series(values):
        series = nw.from_native(values, series_only=True)
    else:
        entries = np.asarray(values).tolist()
        series = nw.new_series("values", entries, backend=column.implementation)
    if column.dtype.is_integer() and series.dtype.is_integer():
        bounds = integer_bounds(series)
        if bounds is not None and _fits(np.dtype(str(column.dtype).lower()), bounds):
            series = series.cast(column.dtype)
    if column.implementation.is_pandas():
        native = column.to_native()
        fresh = series.to_native().set_axis(native.index)
        if not column.dtype.is_numeric() and fresh.dtype != native.dtype:
            fresh = fresh.astype(native.dtype)
        return nw.from_native(fresh, series_only=True)
    numeric = column.dtype.is_numeric()
    return (
        series if numeric or series.dtype == column.dtype else series.cast(column.dtype)
    )


def _as_small(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Integers in a column's own type, where they fit."""
    integers = dtype.kind in "iu" and values.dtype.kind in "iu" and len(values) > 0
    if integers and _fits(dtype, (int(values.min()), int(values.max()))):
        return values.astype(dtype)
    return values


def in_order_of(index: pd.Index, values: Any, what: str) -> Any:
    """Values that carry the rows' labels in another order, in the rows' own order.

    Parameters
    ----------
    index : Index of n labels
        Of the rows.
    values : object
        Only a Series or a DataFrame of pandas has labels. All else is left as it is; so
        are other labels, which say nothing of the rows, and the RangeIndex that pandas
        gives to a Series made without labels.

    Raises
    ------
    ValueError
        If the labels are the rows', in another order, and repeat themselves.
    """
    labels = getattr(values, "index", None)
    if not isinstance(labels, pd.Index) or len(labels) != len(index):
        return values
    unlabelled = isinstance(labels, pd.RangeIndex) and labels.equals(
        pd.RangeIndex(len(labels))
    )
    if unlabelled or labels.equals(index) or not labels.isin(index).all():
        return values
    if index.is_unique and labels.is_unique:
        return values.loc[index]
    if index.is_unique or Counter(labels) == Counter(index):
        raise ValueError(
            f"{what} returned values under the rows' labels in another order, and labels "
            "repeat themselves, so that they do not say which row is which. Return an "
            "array in the order of the rows, or give X unique labels."
        )
    return values


def column_like(column: ColumnData, values: np.ndarray) -> ColumnData:
    """Floats as a column of the same library, in single precision where it is."""
    if isinstance(column, np.ndarray):
        return values.astype(column.dtype) if column.dtype.kind == "f" else values
    dtype = nw.Float32() if column.dtype == nw.Float32 else nw.Float64()
    return nw.new_series(column.name, values, dtype, backend=column.implementation)


def as_vector(values: Any, n: int, what: str) -> np.ndarray:
    """One label per row, from an array, a list or a series."""
    if nw.dependencies.is_into_series(values):
        values = nw.from_native(values, series_only=True).to_numpy()
    vector = np.asarray(values)
    if vector.shape != (n,):
        raise ValueError(
            f"{what} has shape {vector.shape}, expected ({n},): one entry per row of X."
        )
    return vector
