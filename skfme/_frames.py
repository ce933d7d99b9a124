"""The table boundary: numpy arrays and dataframes behind one small interface.

Everything that depends on the kind of table lives here: reading it, telling what
kind each column is, changing a column without touching the user's data, and
stacking tables of equal schema. Dataframes go through narwhals; the rest of the
package sees only :class:`ArrayTable`, :class:`FrameTable` and columns, which are
one-dimensional arrays or narwhals series.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_array

__all__ = [
    "ArrayTable",
    "Column",
    "FrameTable",
    "Table",
    "as_table",
    "as_vector",
    "broadcast",
    "converted",
    "describe_columns",
    "infinite_columns",
    "missing_in",
    "numbers_in",
    "replaced",
    "scaled",
    "shifted",
    "stacked",
    "suggestion",
]

ColumnData = Any  # ndarray of shape (n,) or a narwhals series
Rows = Any  # slice, or an integer array of row positions


@dataclass(frozen=True)
class Column:
    """What is known of one column of the training table.

    Attributes
    ----------
    position : int
        Position in the table.
    name : hashable
        The table's own label; ``x0``, ``x1``, … for arrays.
    kind : {"numeric", "categorical", "datetime", "other"}
        How a step may change the column.
    integer : bool
        Whether it holds integers.
    ordered : bool
        Whether its categories are ordered.
    categories : tuple
        The categories seen, in their own order; empty if not categorical.
    examples : ndarray, series or None
        One entry per category, typed as the column is; for a numeric or datetime
        column, one observed entry. A constant column is built from it, so that
        the column's type is kept exactly.
    """

    position: int
    name: Hashable
    kind: str
    integer: bool = False
    ordered: bool = False
    categories: tuple = ()
    examples: ColumnData = None


class Table:
    """A table of rows and named columns; immutable to its users."""

    names: tuple[Hashable, ...]
    kind: str

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def native(self) -> Any:
        """The table as a model receives it."""
        raise NotImplementedError

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, as a model's own array would need them."""
        return 8 * len(self.names)

    def column(self, position: int) -> ColumnData:
        raise NotImplementedError

    def native_column(self, position: int) -> Any:
        """One column in the user's own type."""
        raise NotImplementedError

    def take(self, rows: Rows) -> Table:
        raise NotImplementedError

    def with_columns(self, columns: Mapping[int, ColumnData]) -> Table:
        raise NotImplementedError

    def schema(self) -> object:
        """Equal for tables that can be stacked without changing a type."""
        raise NotImplementedError

    def position(self, key: Hashable, where: str = "steps name") -> int:
        """Position of a column given by its label, or of an array's by an integer."""
        matches = [i for i, name in enumerate(self.names) if name == key]
        if matches:
            return matches[0]
        if self.kind == "numpy" and isinstance(key, (int, np.integer)):
            if -len(self.names) <= key < len(self.names):
                return int(key) % len(self.names)
            raise ValueError(
                f"{where} column {key}, but X has columns 0 to {len(self.names) - 1}."
            )
        raise ValueError(
            f"{where} {key!r}, which is not a column of X."
            + suggestion(key, self.names)
        )


class ArrayTable(Table):
    """A two-dimensional numpy array."""

    kind = "numpy"

    def __init__(self, array: np.ndarray) -> None:
        self.array = array
        self.names = tuple(f"x{i}" for i in range(array.shape[1]))

    def __len__(self) -> int:
        return len(self.array)

    @property
    def native(self) -> np.ndarray:
        return self.array

    @property
    def row_bytes(self) -> int:
        return max(self.array.itemsize, 8) * self.array.shape[1]

    def column(self, position: int) -> ColumnData:
        return self.array[:, position]

    def native_column(self, position: int) -> np.ndarray:
        return self.array[:, position].copy()

    def take(self, rows: Rows) -> ArrayTable:
        return ArrayTable(self.array[rows])

    def with_columns(self, columns: Mapping[int, ColumnData]) -> ArrayTable:
        dtype = np.result_type(self.array.dtype, *(c.dtype for c in columns.values()))
        array = self.array.astype(dtype, copy=True)
        for position, values in columns.items():
            array[:, position] = values
        return ArrayTable(array)

    def schema(self) -> object:
        return self.array.dtype


class FrameTable(Table):
    """A dataframe of any library that narwhals reads eagerly."""

    def __init__(self, frame: nw.DataFrame) -> None:
        self.frame = frame
        self.names = tuple(frame.columns)
        self.kind = str(frame.implementation)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def native(self) -> Any:
        return self.frame.to_native()

    def column(self, position: int) -> ColumnData:
        return self.frame.get_column(self.names[position])

    def native_column(self, position: int) -> Any:
        return self.column(position).to_native()

    def take(self, rows: Rows) -> FrameTable:
        return FrameTable(self.frame[rows])

    def with_columns(self, columns: Mapping[int, ColumnData]) -> FrameTable:
        named = [c.alias(self.names[position]) for position, c in columns.items()]
        return FrameTable(self.frame.with_columns(*named))

    def schema(self) -> object:
        native = self.native
        # pandas' own dtypes know the categories, narwhals' need not.
        return tuple(native.dtypes) if self.kind == "pandas" else self.frame.schema


def as_table(X: object) -> Table:
    """Wrap what the user gave, without copying it.

    Parameters
    ----------
    X : array-like or dataframe of shape (n_samples, n_features)

    Raises
    ------
    TypeError
        If X is sparse or lazy.
    ValueError
        If X is not two-dimensional, has no rows or columns, or repeats a name.
    """
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but skfme changes single columns of dense "
            "tables. Use X.toarray(), or explain the pipeline that makes the sparse "
            "matrix, with steps in its input columns."
        )
    if not nw.dependencies.is_into_dataframe(X):
        return ArrayTable(_as_array(X))
    names = list(X.columns) if hasattr(X, "columns") else []
    names = list(X.column_names) if hasattr(X, "column_names") else names
    repeated = sorted({str(n) for n in names if names.count(n) > 1})
    if repeated:
        raise ValueError(
            f"X has duplicate column names: {repeated}. Rename them, so that a step "
            "names one column."
        )
    frame = nw.from_native(X, eager_only=True)
    if frame.shape[0] == 0 or frame.shape[1] == 0:
        what = "sample(s)" if frame.shape[0] == 0 else "feature(s)"
        raise ValueError(
            f"Found array with 0 {what} (shape={frame.shape}) while a minimum of 1 is "
            "required."
        )
    return FrameTable(frame)


def _as_array(X: object) -> np.ndarray:
    if hasattr(X, "collect") and hasattr(X, "lazy"):
        raise TypeError("X is a lazy table; call its .collect() first.")
    return check_array(
        X, dtype=None, ensure_all_finite=False, input_name="X", allow_nd=False
    )


def converted(table: Table, kind: str, columns: Sequence[Column]) -> Table:
    """The same rows as the kind of table seen in fit.

    Raises
    ------
    TypeError
        If an array of numbers stands in for a dataframe with other columns.
    """
    if table.kind == kind:
        return table
    if isinstance(table, ArrayTable):
        other = [c.name for c in columns if c.kind != "numeric" or c.name != str(c.name)]
        if table.array.dtype.kind not in "iuf" or other:
            raise TypeError(
                f"X is a numpy array, but fit saw a {kind} table with columns that are "
                f"not plain numbers ({', '.join(map(repr, other[:5]))}). Give a {kind} "
                "table with the same columns."
            )
        data = {c.name: table.array[:, c.position] for c in columns}
        return FrameTable(nw.from_dict(data, backend=kind))
    assert isinstance(table, FrameTable)
    if kind == "numpy":
        return ArrayTable(_as_array(table.frame.to_numpy()))
    if kind == "pandas":
        return FrameTable(nw.from_native(table.frame.to_pandas(), eager_only=True))
    return FrameTable(
        nw.from_native(table.frame.to_arrow(), eager_only=True)
        if kind == "pyarrow"
        else nw.from_arrow(table.frame.to_arrow(), backend=kind)
    )


def stacked(tables: Sequence[Table]) -> Table:
    """Tables of equal schema, one under the other."""
    if len(tables) == 1:
        return tables[0]
    first = tables[0]
    if isinstance(first, ArrayTable):
        return ArrayTable(np.concatenate([t.native for t in tables]))
    frames = [t.frame for t in tables if isinstance(t, FrameTable)]
    return FrameTable(nw.concat(frames, how="vertical"))


def describe_columns(
    table: Table, categorical_features: str | Iterable[Hashable] = "auto"
) -> tuple[Column, ...]:
    """Tell each column's kind, and the categories that were seen.

    Parameters
    ----------
    table : Table
        The training rows of positive weight.
    categorical_features : "auto" or list of labels or positions, default="auto"
        "auto" takes boolean, category, string and object columns. A list adds to
        it, for categories coded as numbers.
    """
    listed: set[int] = set()
    if not (isinstance(categorical_features, str) and categorical_features == "auto"):
        if isinstance(categorical_features, str):
            raise ValueError(
                "categorical_features must be 'auto' or a list of columns, got "
                f"{categorical_features!r}."
            )
        listed = {
            table.position(key, "categorical_features names")
            for key in categorical_features
        }
    return tuple(
        _describe(table, position, position in listed)
        for position in range(len(table.names))
    )


def _describe(table: Table, position: int, listed: bool) -> Column:
    name, column = table.names[position], table.column(position)
    kind = "categorical" if listed else _kind_of(column)
    if kind == "categorical":
        try:
            return _describe_categorical(position, name, column)
        except TypeError:  # entries that cannot be compared, such as lists
            return Column(position, name, "other")
    integer = kind == "numeric" and (
        column.dtype.kind in "iu"
        if isinstance(column, np.ndarray)
        else column.dtype.is_integer()
    )
    examples = None
    if kind in ("numeric", "datetime"):
        values = numbers_in(column)
        observed = np.flatnonzero(
            np.isfinite(values) if values.dtype.kind == "f" else ~missing_in(column)
        )
        examples = column[observed[:1]] if len(observed) else None
    return Column(position, name, kind, integer=integer, examples=examples)


def _kind_of(column: ColumnData) -> str:
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            inferred = pd.api.types.infer_dtype(column, skipna=True)
            numeric = {"integer", "floating", "mixed-integer-float", "decimal", "empty"}
            return "numeric" if inferred in numeric else "categorical"
        kinds = {"i": "numeric", "u": "numeric", "f": "numeric"}
        kinds |= {"b": "categorical", "U": "categorical", "S": "categorical"}
        return (kinds | {"M": "datetime", "m": "datetime"}).get(
            column.dtype.kind, "other"
        )
    dtype = column.dtype
    if dtype.is_numeric():
        return "numeric"
    if isinstance(
        dtype, (nw.Boolean, nw.String, nw.Categorical, nw.Enum, nw.Object)
    ) or dtype in (nw.Categorical, nw.Enum):
        return "categorical"
    if isinstance(dtype, (nw.Datetime, nw.Date, nw.Duration)):
        return "datetime"
    return "other"


def _describe_categorical(
    position: int, name: Hashable, column: ColumnData
) -> Column:
    codes, distinct = pd.factorize(_objects_in(column))
    seen, first = np.unique(codes, return_index=True)
    first = first[seen >= 0]
    ordered = False
    if isinstance(column, nw.Series) and column.dtype in (nw.Categorical, nw.Enum):
        native = column.to_native()
        ordered = (
            bool(native.dtype.ordered)
            if column.implementation.is_pandas()
            else column.dtype == nw.Enum
        )
        # .cat of a pandas column keeps the declared order, with or without ranks.
        declared = (
            list(native.cat.categories)
            if column.implementation.is_pandas()
            else column.cat.get_categories().to_list()
        )
        rank = {value: i for i, value in enumerate(declared)}
        order = sorted(range(len(distinct)), key=lambda i: rank[distinct[i]])
    else:
        order = sorted(range(len(distinct)), key=lambda i: _sort_key(distinct[i]))
    return Column(
        position,
        name,
        "categorical",
        ordered=ordered,
        categories=tuple(_plain(distinct[i]) for i in order),
        examples=column[first[order]] if len(order) else None,
    )


def _sort_key(value: Any) -> tuple:
    number = isinstance(value, (int, float, np.number, np.bool_))
    return (0, value, "") if number else (1, 0, str(value))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def missing_in(column: ColumnData) -> np.ndarray:
    """Mask of the missing entries (None, NaN, NaT, NA)."""
    if isinstance(column, np.ndarray):
        return np.asarray(pd.isna(column))
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(True)
    return np.asarray(missing.to_numpy(), dtype=bool)


def numbers_in(column: ColumnData) -> np.ndarray:
    """Numeric or datetime entries as an array that compares; missing is NaN or NaT."""
    if isinstance(column, np.ndarray):
        return column.astype(float) if column.dtype.kind == "O" else column
    if isinstance(column.dtype, nw.Datetime) and column.dtype.time_zone:
        column = column.dt.replace_time_zone(None)
    if isinstance(column.dtype, nw.Decimal):
        column = column.cast(nw.Float64)
    values = column.to_numpy()
    if values.dtype.kind == "O":
        values = column.cast(nw.Float64).to_numpy().astype(float)
    return values


def infinite_columns(table: Table) -> list[str]:
    """Names of the columns that hold an infinite number."""
    if isinstance(table, ArrayTable) and table.array.dtype.kind != "O":
        infinite = table.array.dtype.kind == "f" and np.isinf(table.array).any(axis=0)
        return [str(table.names[i]) for i in np.flatnonzero(infinite)]
    return [
        str(name)
        for position, name in enumerate(table.names)
        if _kind_of(table.column(position)) == "numeric"
        and (values := numbers_in(table.column(position))).dtype.kind == "f"
        and np.isinf(values).any()
    ]


def _objects_in(column: ColumnData) -> np.ndarray:
    values = column if isinstance(column, np.ndarray) else column.to_numpy()
    return values.astype(object)


def category_codes(column: ColumnData, categories: Sequence) -> np.ndarray:
    """Position of each entry in `categories`; −1 if unknown or missing."""
    index = pd.Index(np.array([*categories, None], dtype=object)[:-1])
    return index.get_indexer(pd.Index(_objects_in(column), dtype=object))


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
    """column + amount, with integers kept where the sum is whole and fits.

    `bounds` are the whole column's smallest and largest integer, so that every
    batch of one column gets the same type.
    """
    if isinstance(amount, datetime.timedelta):
        return _moved_in_time(column, amount)
    ends = [] if bounds is None else [*bounds, *(b + int(amount) for b in bounds)]
    whole = _whole(amount, ends)
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            return column.astype(float) + amount
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
        return column.cast(nw.Float64) + float(amount)
    moved = column.cast(nw.Int64) + int(amount)
    fits = _fits(np.dtype(str(dtype).lower()), ends)
    return moved.cast(dtype) if fits else moved


def _whole(amount: Any, ends: Sequence[int]) -> bool:
    """Whether the change of an integer column is whole and stays within int64."""
    inside = all(-(2**63) <= end < 2**63 for end in ends)
    return bool(ends) and inside and float(amount).is_integer()


def _fits(dtype: np.dtype, ends: Sequence[int]) -> bool:
    limits = np.iinfo(dtype)
    return limits.min <= min(ends) and max(ends) <= limits.max


def scaled(
    column: ColumnData, factor: float, bounds: tuple[int, int] | None
) -> ColumnData:
    """column * factor, with integers kept where the factor is whole."""
    ends = [] if bounds is None else [*bounds, *(b * int(factor) for b in bounds)]
    whole = _whole(factor, ends)
    if isinstance(column, np.ndarray):
        if column.dtype.kind == "O":
            return column.astype(float) * factor
        if column.dtype.kind == "f":
            return column * column.dtype.type(factor)
        return column.astype(np.int64) * int(factor) if whole else column * float(factor)
    if column.dtype.is_float():
        return (column * float(factor)).cast(column.dtype)
    if whole:
        return column.cast(nw.Int64) * int(factor)
    return column.cast(nw.Float64) * float(factor)


def _moved_in_time(column: ColumnData, amount: datetime.timedelta) -> ColumnData:
    if isinstance(column, np.ndarray):
        return column + np.timedelta64(amount)
    if column.dtype == nw.Date and amount % datetime.timedelta(days=1):
        column = column.cast(nw.Datetime("us"))
    return column + amount


def replaced(column: ColumnData, values: Any, what: str) -> ColumnData:
    """A column holding what a user's function returned for `column`.

    The column's type is kept where the values allow it.

    Raises
    ------
    ValueError
        If the values are not one per row.
    """
    n = len(column)
    if isinstance(column, np.ndarray):
        array = np.asarray(values)
        if array.shape != (n,):
            raise ValueError(
                f"{what} returned values of shape {array.shape}, expected ({n},): one "
                "per row."
            )
        return array
    if nw.dependencies.is_into_series(values):
        series = nw.from_native(values, series_only=True)
    else:
        array = np.asarray(values)
        if array.shape != (n,):
            raise ValueError(
                f"{what} returned values of shape {array.shape}, expected ({n},): one "
                "per row."
            )
        series = nw.new_series(
            "values", array.tolist(), backend=column.implementation
        )
    if len(series) != n:
        raise ValueError(
            f"{what} returned {len(series)} values, expected {n}: one per row."
        )
    if column.implementation.is_pandas():
        native = column.to_native()
        fresh = series.to_native().set_axis(native.index)
        if not column.dtype.is_numeric() and fresh.dtype != native.dtype:
            fresh = fresh.astype(native.dtype)
        return nw.from_native(fresh, series_only=True)
    numeric = column.dtype.is_numeric()
    return series if numeric or series.dtype == column.dtype else series.cast(column.dtype)


def as_vector(values: object, n: int, what: str) -> np.ndarray:
    """One label per row, from an array, a list or a series."""
    if nw.dependencies.is_into_series(values):
        values = nw.from_native(values, series_only=True).to_numpy()
    vector = np.asarray(values)
    if vector.shape != (n,):
        raise ValueError(
            f"{what} has shape {vector.shape}, expected ({n},): one entry per row of X."
        )
    return vector


def row_index(table: Table) -> pd.Index:
    """The user's row labels: a pandas index, else 0 to n − 1."""
    native = table.native
    return native.index if table.kind == "pandas" else pd.RangeIndex(len(table))


def suggestion(key: object, known: Iterable[object]) -> str:
    """A closing sentence that names the nearest known name."""
    names = [str(name) for name in known]
    close = difflib.get_close_matches(str(key), names, n=1)
    if close:
        return f" Did you mean {close[0]!r}?"
    shown = ", ".join(repr(n) for n in names[:10]) + (", …" if len(names) > 10 else "")
    return f" Known: {shown}."
