"""The table boundary: numpy arrays and dataframes behind one small interface.

Everything that depends on the kind of table lives here: reading it, changing a column
without touching the user's data, and stacking tables of equal schema. Dataframes go
through narwhals; the rest of the package sees only :class:`ArrayTable`,
:class:`FrameTable` and columns, which are one-dimensional arrays or narwhals series.
What a column holds lives beside this.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_array

from skfme._frames.arithmetic import widened
from skfme._frames.columns import ColumnData
from skfme._frames.given import array_of, refuse_elsewhere, refuse_no_table
from skfme._frames.hints import known_names, nearest

__all__ = [
    "ArrayTable",
    "FrameTable",
    "Table",
    "as_table",
    "has_no_rows",
    "is_one_table",
    "stacked",
]

# A pipeline's transformers turn a dataframe into an array unnoticed.
_UNNAMED = (
    " X is an array, whose columns have no names of their own; in a pipeline, "
    "set_output(transform='pandas') keeps the names."
)

_CHANGED = (
    "The table that these effects were computed on was changed since, so that its rows no "
    "longer belong to them. Explain the changed table, or hand over a copy: "
    "explain(X.copy())."
)

_BLOCK = 4096  # rows of a checksum at once, where memory is not contiguous

Rows = Any  # slice, or an integer array of row positions


class Table:
    """A table of rows and named columns; immutable to its users."""

    names: tuple[Hashable, ...]
    kind: str
    pandas_like: bool = False  # rows have labels, columns have pandas' types
    _given: Table | None = None

    def __reduce__(self) -> Any:
        return as_table, (self.native,)

    @property
    def given(self) -> Table:
        """What the user gave, where this is the same in another library's type."""
        return self if self._given is None else self._given

    @property
    def index(self) -> pd.Index:
        """The user's row labels: a pandas index, else 0 to n − 1."""
        given = self.given
        return given.native.index if given.pandas_like else pd.RangeIndex(len(self))

    def __len__(self) -> int:
        raise NotImplementedError

    @property
    def native(self) -> Any:
        """The table in its own library's type; not to be handed to a model."""
        raise NotImplementedError

    def private(self) -> Any:
        """The native table for a model, which may write into it: never the user's memory.

        A table that was made by a step is handed over as it is, and is then of no use.
        """
        raise NotImplementedError

    def relabelled(self) -> Table:
        """The same rows under the labels 0 to n − 1."""
        return self

    def copied(self) -> Table:
        """The same rows in memory of their own, for a reader that fills one buffer."""
        raise NotImplementedError

    def guarded(self) -> Table:
        """The same rows for a result, which outlives this call.

        Where a library shares memory safely it is shared. Elsewhere a checksum notices
        that the user changed the table, and every later use of it raises.
        """
        raise NotImplementedError

    @property
    def row_bytes(self) -> int:
        """Bytes of one row, as a model's own array would need them."""
        return 8 * len(self.names)

    def column(self, position: int) -> ColumnData:
        raise NotImplementedError

    def native_column(self, position: int) -> Any:
        """A copy of one column in the user's own library, with numbers in 64 bits."""
        raise NotImplementedError

    def native_type(self, position: int) -> Any:
        """A column's type in the user's own library."""
        return _native_type(self.column(position))

    def take(self, rows: Rows) -> Table:
        raise NotImplementedError

    def with_columns(self, columns: Mapping[int, ColumnData]) -> Table:
        raise NotImplementedError

    def select(self, positions: Sequence[int]) -> Table:
        """The table with some of its columns; an array's are then named anew."""
        raise NotImplementedError

    def narrowed(self, positions: Sequence[int]) -> Table:
        """The same with some columns, which remembers the whole; arrays stay as they are."""
        if self.kind == "numpy" or len(positions) == len(self.names):
            return self
        table = self.select(sorted(positions))
        table._given = self.given
        return table

    def schema(self) -> object:
        """Equal for tables that can be stacked without changing a type."""
        raise NotImplementedError

    def types_with(self, columns: Mapping[int, ColumnData]) -> Hashable:
        """What types the table has with columns retyped; equal where they are the same."""
        raise NotImplementedError

    def position(self, key: Hashable, where: str = "steps name") -> int:
        """Position of a column given by its label, or of an array's by an integer."""
        if key in self.names:
            return self.names.index(key)
        if self.kind == "numpy" and isinstance(key, (int, np.integer)):
            if -len(self.names) <= key < len(self.names):
                return int(key) % len(self.names)
            raise ValueError(
                f"{where} column {key}, but X has columns 0 to {len(self.names) - 1}."
            )
        unnamed = self.kind == "numpy" and isinstance(key, str)
        raise ValueError(
            f"{where} {key!r}, which is not a column of X."
            + (nearest(key, self.names) or known_names(self.names))
            + (_UNNAMED if unnamed else "")
        )


class ArrayTable(Table):
    """A two-dimensional numpy array."""

    kind = "numpy"

    def __init__(
        self, array: np.ndarray, *, own: bool = False, checksum: int | None = None
    ) -> None:
        self._array = array
        self._own, self._spent = own, False
        self._checksum = checksum
        self.names = tuple(f"x{i}" for i in range(array.shape[1]))

    def __len__(self) -> int:
        return len(self._array)

    @property
    def array(self) -> np.ndarray:
        """The array.

        Raises
        ------
        ValueError
            If a result keeps it, and it was changed since.
        """
        assert not self._spent, (
            "a model was handed this memory, and may have changed it"
        )
        if self._checksum is not None and _checksum(self._array) != self._checksum:
            raise ValueError(_CHANGED)
        return self._array

    @property
    def native(self) -> np.ndarray:
        return self.array

    def private(self) -> np.ndarray:
        if not self._own:
            return self.array.copy(order="K")
        array, self._spent = self.array, True
        return array

    def copied(self) -> ArrayTable:
        return ArrayTable(self.array.copy())

    def guarded(self) -> ArrayTable:
        return ArrayTable(self._array, checksum=_checksum(self._array))

    @property
    def row_bytes(self) -> int:
        return max(self._array.itemsize, 8) * self._array.shape[1]

    def column(self, position: int) -> ColumnData:
        return self.array[:, position]

    def native_column(self, position: int) -> np.ndarray:
        return np.array(widened(self.array[:, position]))

    def take(self, rows: Rows) -> ArrayTable:
        return ArrayTable(self.array[rows])

    def with_columns(self, columns: Mapping[int, ColumnData]) -> ArrayTable:
        dtype = np.result_type(self.array.dtype, *(c.dtype for c in columns.values()))
        array = self.array.astype(dtype, copy=True)
        for position, values in columns.items():
            array[:, position] = values
        return ArrayTable(array, own=True)

    def select(self, positions: Sequence[int]) -> ArrayTable:
        return ArrayTable(self.array[:, list(positions)])

    def schema(self) -> object:
        return self.array.dtype

    def types_with(self, columns: Mapping[int, ColumnData]) -> Hashable:
        dtypes = (column.dtype for column in columns.values())
        return np.result_type(self.array.dtype, *dtypes)


def _checksum(array: np.ndarray) -> int:
    """CRC-32 of the entries in their order; of objects, of which ones they are."""
    if array.flags.c_contiguous or array.flags.f_contiguous:
        # Its transpose lies in memory as it is read.
        return zlib.crc32(array if array.flags.c_contiguous else array.T)
    value = 0
    for start in range(0, len(array), _BLOCK):
        block = np.ascontiguousarray(array[start : start + _BLOCK])
        value = zlib.crc32(block, value)
    return value


class FrameTable(Table):
    """A dataframe of any library that narwhals reads eagerly."""

    def __init__(self, frame: nw.DataFrame, *, checksum: int | None = None) -> None:
        self._frame = frame
        self._checksum = checksum
        self.names = tuple(frame.columns)
        self.kind = str(frame.implementation)
        self.pandas_like = frame.implementation.is_pandas_like()
        self._columns: dict[int, ColumnData] = {}

    def __len__(self) -> int:
        return len(self._frame)

    @property
    def frame(self) -> nw.DataFrame:
        """The dataframe behind narwhals' interface.

        Raises
        ------
        ValueError
            If a result keeps it, and it was changed since.
        """
        if self._checksum is not None and self._checksum_now() != self._checksum:
            raise ValueError(_CHANGED)
        return self._frame

    @property
    def native(self) -> Any:
        return self.frame.to_native()

    def private(self) -> Any:
        if not self.pandas_like:
            return self.frame.clone().to_native()
        return self.native.copy(deep=not _copies_on_write(self.frame.implementation))

    def relabelled(self) -> FrameTable:
        if not self.pandas_like:
            return self
        native = self.native.set_axis(pd.RangeIndex(len(self)), axis=0)
        return FrameTable(nw.from_native(native, eager_only=True))

    def copied(self) -> FrameTable:
        return FrameTable(self.frame.clone())

    def guarded(self) -> FrameTable:
        # A frame of its own over the same memory.
        if not self.pandas_like or _copies_on_write(self.frame.implementation):
            return FrameTable(nw.from_native(self.private(), eager_only=True))
        try:
            checksum = self._checksum_now()
        except TypeError:  # entries such as lists, which pandas cannot hash
            return self.copied()
        shallow = nw.from_native(self.native.copy(deep=False), eager_only=True)
        return FrameTable(shallow, checksum=checksum)

    def _checksum_now(self) -> int:
        native = self._frame.to_pandas()
        # The index too: it says which labels the rows have.
        return zlib.crc32(pd.util.hash_pandas_object(native).to_numpy())

    def column(self, position: int) -> ColumnData:
        # Small tables are read several times over, and a look-up costs more than a sum.
        if position not in self._columns:
            name: Any = self.names[position]
            self._columns[position] = self.frame.get_column(name)
        return self._columns[position]

    def native_column(self, position: int) -> Any:
        native = widened(self.column(position)).to_native()
        # Columns of other libraries cannot be written to.
        return native.copy() if self.pandas_like else native

    def take(self, rows: Rows) -> FrameTable:
        return FrameTable(self.frame[rows])

    def with_columns(self, columns: Mapping[int, ColumnData]) -> FrameTable:
        named = [c.alias(self.names[position]) for position, c in columns.items()]
        return FrameTable(self.frame.with_columns(*named))

    def select(self, positions: Sequence[int]) -> FrameTable:
        names: list[Any] = [self.names[position] for position in positions]
        return FrameTable(self.frame.select(names))

    def schema(self) -> object:
        native = self.native
        # Only the libraries' own types hold categories, and part string from large_string.
        return tuple(native.dtypes) if self.pandas_like else native.schema

    def types_with(self, columns: Mapping[int, ColumnData]) -> Hashable:
        return tuple(sorted((p, str(_native_type(c))) for p, c in columns.items()))


def _native_type(column: ColumnData) -> Any:
    native: Any = column if isinstance(column, np.ndarray) else column.to_native()
    return getattr(native, "dtype", None) or native.type


def _copies_on_write(implementation: nw.Implementation) -> bool:
    """Whether the library shares memory between tables until one of them is changed."""
    if not implementation.is_pandas():
        return False  # modin
    return int(pd.__version__.split(".")[0]) >= 3 or (
        pd.get_option("mode.copy_on_write") is True
    )


def as_table(X: Any) -> Table:
    """Wrap what the user gave, without copying it; a wrapped table stays as it is.

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
    if isinstance(X, Table):
        return X
    if sparse.issparse(X):
        raise TypeError(
            "Sparse data was passed for X, but skfme changes single columns of dense "
            "tables. Use X.toarray(), or explain the pipeline that makes the sparse "
            "matrix, with steps in its input columns."
        )
    if not nw.dependencies.is_into_dataframe(X):
        refuse_elsewhere(X)
        if not _is_arrow_stream(X):
            return ArrayTable(_as_array(X))
        X = nw.from_arrow(X, backend="pyarrow").to_native()
    names = list(getattr(X, "column_names", getattr(X, "columns", ())))
    repeated = sorted({str(n) for n in names if names.count(n) > 1})
    if repeated:
        raise ValueError(
            f"X has duplicate column names: {repeated}. Rename them, so that a step "
            "names one column."
        )
    frame = nw.from_native(X, eager_only=True)
    if 0 in frame.shape:
        missing = "sample(s)" if frame.shape[0] == 0 else "feature(s)"
        raise ValueError(
            f"Found array with 0 {missing} (shape={frame.shape}) while a minimum of 1 is "
            "required."
        )
    return FrameTable(frame)


def _is_arrow_stream(X: Any) -> bool:
    """Whether X is a record batch, or a reader of them; a lazy table is neither."""
    streams = hasattr(X, "__arrow_c_stream__") and hasattr(X, "schema")
    return streams and not hasattr(X, "collect")


def has_no_rows(X: Any) -> bool:
    """Whether X is a table of no rows, as a partition may be."""
    shape = getattr(X, "shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 2):
        return False
    # The shape of a lazy table may hold what is no number yet.
    return isinstance(shape[0], int) and shape[0] == 0


def is_one_table(X: Any) -> bool:
    """Whether X is one table, and no iterable of tables."""
    return isinstance(X, np.ndarray) or hasattr(X, "columns") or sparse.issparse(X)


def _as_array(X: Any) -> np.ndarray:
    refuse_no_table(X)
    if isinstance(X, np.ma.MaskedArray):
        X = np.ma.filled(X.astype(np.result_type(X.dtype, np.float32)), np.nan)
    X = X if hasattr(X, "shape") else array_of(X, "X")
    return check_array(X, dtype=None, ensure_all_finite=False, input_name="X")


def stacked(tables: Sequence[Table]) -> Table:
    """Tables of equal schema, one under the other; pandas' rows get labels of their own."""
    if len(tables) == 1:
        return tables[0]
    if isinstance(tables[0], ArrayTable):
        return ArrayTable(np.concatenate([t.native for t in tables]), own=True)
    frames = [t.frame for t in tables if isinstance(t, FrameTable)]
    return FrameTable(nw.concat(frames, how="vertical")).relabelled()
