"""One column, an array or a narwhals series: what it holds, reading it, comparing it.

Computing with columns and tables of them live beside this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from numbers import Number
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.dates import holds_dates, instants, pandas_moments
from skfme._frames.given import array_of

__all__ = [
    "ColumnData",
    "as_vector",
    "broadcast",
    "category_codes",
    "chosen",
    "declared_categories",
    "differs",
    "equal_to",
    "factorized",
    "holds_objects",
    "in_order_of",
    "is_coded",
    "is_polars_categorical",
    "kind_of",
    "missing_in",
    "mixture_in",
    "numbers_in",
    "objects_in",
    "plain_series",
]

ColumnData = Any  # ndarray of shape (n,) or a narwhals series


def kind_of(column: ColumnData) -> str:
    """How a step may change a column: "numeric", "categorical", "datetime" or "other"."""
    if holds_objects(column):
        return _kind_of_objects(objects_in(column))
    if isinstance(column, np.ndarray):
        kinds = {"iuf": "numeric", "bUS": "categorical", "mM": "datetime"}
        letter = column.dtype.kind
        return next(
            (kind for dtypes, kind in kinds.items() if letter in dtypes), "other"
        )
    dtype = column.dtype
    if dtype.is_numeric():
        return "numeric"
    if dtype in (nw.Boolean, nw.String, nw.Categorical, nw.Enum):
        return "categorical"
    return "datetime" if holds_dates(column) else "other"


def holds_objects(column: ColumnData) -> bool:
    """Whether the entries are Python objects, of which each has a type of its own."""
    if isinstance(column, np.ndarray):
        return column.dtype.kind == "O"
    return bool(column.dtype == nw.Object)


def _kind_of_objects(values: np.ndarray) -> str:
    """Numbers are numeric, all else is categories; numbers among others are neither."""
    types = set(map(type, values[~missing_in(values)]))
    numbers = {t for t in types if issubclass(t, Number)} - {bool, complex}
    if numbers == types:
        return "numeric"
    return "other" if numbers else "categorical"


def mixture_in(column: ColumnData) -> str | None:
    """Two entries of a column that holds numbers among others; None for other columns."""
    if not holds_objects(column) or kind_of(column) != "other":
        return None
    entries = objects_in(column)[~missing_in(column)]
    examples: dict[str, Any] = {}
    for i, entry in enumerate(entries):
        examples.setdefault(kind_of(entries[i : i + 1]), entry)
    return " and ".join(f"{e!r} of type {type(e).__name__}" for e in examples.values())


def is_coded(column: ColumnData) -> bool:
    """Whether a dataframe itself types the column as categories."""
    coded = (nw.Categorical, nw.Enum)
    return isinstance(column, nw.Series) and column.dtype in coded


def is_polars_categorical(column: nw.Series) -> bool:
    """Whether a column is a Categorical of polars, whose categories have no order."""
    return column.implementation.is_polars() and column.dtype == nw.Categorical


def declared_categories(column: nw.Series) -> tuple[list | None, bool]:
    """The categories that a coded column declares, and whether they are ordered.

    None of a Categorical of polars, which declares none: its categories come sorted, as
    texts do, wherever in the rows they are first seen.
    """
    if is_polars_categorical(column):
        return None, False
    if column.implementation.is_polars():
        return column.cat.get_categories().to_list(), True
    native = column.to_native()
    if isinstance(dtype := getattr(native, "dtype", None), pd.CategoricalDtype):
        return list(dtype.categories), bool(dtype.ordered)
    coded = column.to_arrow()  # Arrow's dictionaries, in pandas as well
    if hasattr(coded, "unify_dictionaries"):
        coded = coded.unify_dictionaries().combine_chunks()
    return coded.dictionary.to_pylist(), bool(coded.type.ordered)


def missing_in(column: ColumnData) -> np.ndarray:
    """Mask of the missing entries (None, NaN, NaT, NA)."""
    if holds_objects(column):
        column = objects_in(column)
    if isinstance(column, np.ndarray):
        return np.asarray(pd.isna(column))
    missing = column.is_null()
    if column.dtype.is_float():
        missing = missing | column.is_nan().fill_null(True)
    return np.asarray(missing.to_numpy(), dtype=bool)


def numbers_in(column: ColumnData) -> np.ndarray:
    """Numeric entries, or instants, as an array that compares; missing is NaN or NaT."""
    if holds_objects(column):
        return _object_numbers(objects_in(column))
    if isinstance(column, np.ndarray):
        return column
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


def objects_in(column: Any) -> np.ndarray:
    """Entries of a column, or of a list, as Python objects."""
    if nw.dependencies.is_into_series(column):
        column = nw.from_native(column, series_only=True)
    if isinstance(column, nw.Series):
        column = _entries(column)
    return np.asarray(column, dtype=object)


def _entries(column: nw.Series) -> np.ndarray:
    if column.implementation.is_pyarrow() and is_coded(column):
        # pyarrow 26's to_numpy gives missing entries of a dictionary its last value.
        return np.array(column.to_list(), dtype=object)
    values: np.ndarray = column.to_numpy()
    return values


def plain_series(column: ColumnData) -> pd.Series:
    """A column as formulas take it: pandas, with numpy's types, zones or categories."""
    if is_coded(column):
        arrow = column.implementation.is_pyarrow()
        # narwhals' own to_pandas goes through pyarrow's to_numpy (see _entries).
        entries = (column.to_native() if arrow else column).to_pandas()
        entries = entries.reset_index(drop=True)
        categories, ordered = declared_categories(column)
        if categories is None:
            entries = entries.astype(object)
        elif isinstance(entries.dtype, pd.CategoricalDtype):
            return entries
        return pd.Series(pd.Categorical(entries, categories, ordered=ordered))
    if holds_dates(column):
        return pandas_moments(column)
    if kind_of(column) != "categorical" and mixture_in(column) is None:
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
    if isinstance(column, np.ndarray) or holds_objects(column):
        values = column if isinstance(column, np.ndarray) else objects_in(column)
        equal, there = np.zeros(len(values), dtype=bool), ~missing_in(column)
        equal[there] = values[there] == value  # pandas' NA equals nothing, nor differs
        return equal
    return category_codes(column, [value]) == 0


def differs(column: ColumnData, other: ColumnData) -> np.ndarray:
    """Mask of the rows in which two columns of one kind differ; missing equals missing."""
    # Columns of objects without any entry are numeric, whatever others hold.
    if {kind_of(column), kind_of(other)} <= {"numeric", "datetime"}:
        low, high = numbers_in(column), numbers_in(other)
    else:
        low, high = objects_in(column), objects_in(other)
    missing = missing_in(column), missing_in(other)
    unequal, there = missing[0] != missing[1], ~(missing[0] | missing[1])
    unequal[there] = low[there] != high[there]
    return np.asarray(unequal)


def chosen(mask: np.ndarray, column: ColumnData, other: ColumnData) -> ColumnData:
    """Entries of one column where the mask says so, of another of its type elsewhere."""
    if isinstance(column, np.ndarray):
        return np.where(mask, column, other)
    both = nw.concat([column.alias("both").to_frame(), other.alias("both").to_frame()])
    rows = np.arange(len(mask))
    return both.get_column("both")[np.where(mask, rows, rows + len(mask))]


def broadcast(example: ColumnData, n: int) -> ColumnData:
    """A constant column of n entries, typed as the one-entry `example`."""
    return example[np.zeros(n, dtype=np.intp)]


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
            f"{what} has values under the rows' labels in another order, and labels "
            "repeat themselves, so that they do not say which row is which. Give an "
            "array in the order of the rows, or give X unique labels."
        )
    return values


def as_vector(values: Any, n: int, what: str) -> np.ndarray:
    """One label per row, from an array, a list or a series."""
    if nw.dependencies.is_into_series(values):
        series = nw.from_native(values, series_only=True)
        values = _entries(series) if is_coded(series) else series.to_numpy()
    vector = array_of(values, what)
    if vector.shape != (n,):
        raise ValueError(
            f"{what} has shape {vector.shape}, expected ({n},): one entry per row of X."
        )
    return vector
