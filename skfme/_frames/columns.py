"""One column, an array or a narwhals series: reading it, comparing it, changing it.

Types are kept: a whole change leaves integers integers, nothing is truncated and
nothing wraps round. Tables of columns live beside this.
"""

from __future__ import annotations

import datetime
import operator
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
    "declared_categories",
    "equal_to",
    "factorized",
    "in_order_of",
    "integer_bounds",
    "is_coded",
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
        kinds = {"iuf": "numeric", "bUS": "categorical", "mM": "datetime"}
        letter = column.dtype.kind
        return next(
            (kind for dtypes, kind in kinds.items() if letter in dtypes), "other"
        )
    dtype = column.dtype
    if dtype.is_numeric():
        return "numeric"
    if dtype in (nw.Boolean, nw.String, nw.Categorical, nw.Enum, nw.Object):
        return "categorical"
    return "datetime" if holds_dates(column) else "other"


def is_coded(column: ColumnData) -> bool:
    """Whether a dataframe itself types the column as categories."""
    coded = (nw.Categorical, nw.Enum)
    return isinstance(column, nw.Series) and column.dtype in coded


def declared_categories(column: nw.Series) -> tuple[list, bool]:
    """The categories that a coded column declares, and whether they are ordered."""
    if column.implementation.is_polars():
        return column.cat.get_categories().to_list(), column.dtype == nw.Enum
    native = column.to_native()
    if isinstance(dtype := getattr(native, "dtype", None), pd.CategoricalDtype):
        return list(dtype.categories), bool(dtype.ordered)
    coded = column.to_arrow()  # Arrow's dictionaries, in pandas as well
    if hasattr(coded, "unify_dictionaries"):
        coded = coded.unify_dictionaries().combine_chunks()
    return coded.dictionary.to_pylist(), bool(coded.type.ordered)


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
    if is_coded(column):
        entries = column.to_pandas().reset_index(drop=True)
        if isinstance(entries.dtype, pd.CategoricalDtype):
            return entries
        categories, ordered = declared_categories(column)
        return pd.Series(pd.Categorical(entries, categories, ordered=ordered))
    if kind_of(column) != "categorical":
        return pd.Series(numbers_in(column))
    entries, missing = pd.Series(objects_in(column), dtype=object), missing_in(column)
    return entries.where(~missing, None) if missing.any() else entries.infer_objects()


def factorized(column: ColumnData) -> tuple[np.ndarray, np.ndarray]:
    """Codes of the entries, −1 if missing, and the distinct entries as objects."""
    if isinstance(column, nw.Series) and column.implementation.is_pandas():
        native = column.to_native()
        if isinstance(native.dtype, pd.CategoricalDtype):  # coded already
            return native.cat.codes.to_numpy(), objects_in(native.cat.categories)
    return pd.factorize(objects_in(column))


def category_codes(column: ColumnData, categories: Sequence) -> np.ndarray:
    """Position of each entry in `categories`; −1 if unknown or missing."""
    place = {category: i for i, category in enumerate(categories)}
    codes, distinct = factorized(column)
    positions = [place.get(value, -1) for value in distinct]
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
    whole = _is_whole(operation, operand, bounds)
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            number = int(operand) if float(operand).is_integer() else float(operand)
            return _each(column, lambda value: operation(value, number))
        if column.dtype.kind == "f":
            return operation(column, column.dtype.type(operand))
        if whole:
            return operation(column.astype(np.int64), int(operand))
        return operation(column.astype(float), float(operand))
    if column.dtype.is_float():
        return operation(column, float(operand)).cast(column.dtype)
    if whole:
        return operation(column.cast(nw.Int64), int(operand))
    return operation(_as_float(column), float(operand))


def _is_whole(
    operation: Callable[[int, int], int], operand: Any, bounds: tuple[int, int] | None
) -> bool:
    """Whether what is computed of an integer column is whole and stays within int64."""
    if bounds is None or not float(operand).is_integer():
        return False
    ends = [*bounds, *(operation(bound, int(operand)) for bound in bounds)]
    return all(-(2**63) <= end < 2**63 for end in ends)


def widened(column: ColumnData) -> ColumnData:
    """Integers in 64 bits, in which a user's arithmetic does not wrap round."""
    bounds = integer_bounds(column)
    if bounds is None or not _fit("int64", bounds):
        return column
    if isinstance(column, np.ndarray):
        return column.astype(np.int64)
    return column if column.dtype == nw.Int64 else column.cast(nw.Int64)


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
