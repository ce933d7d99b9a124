"""What is read and written through Arrow: files, streams and columns beside a table.

The one file that imports pyarrow, and only where a table is of Arrow's kind or is to
become one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.tables import ArrayTable, as_table

__all__ = [
    "BATCH_ROWS",
    "arrow_table",
    "binary_table",
    "conforming",
    "one_stream",
    "parquet_dataset",
    "reader_of",
    "refuse_taken",
    "scanned",
    "stacked_arrow",
    "with_columns_beside",
]

BATCH_ROWS = 65_536  # rows that a reader is asked for at once


def _missing(package: str) -> ImportError:
    return ImportError(
        f"Reading this takes {package}, which is not installed: pip install {package}."
    )


def _arrow() -> Any:
    try:
        import pyarrow
    except ImportError as error:
        raise _missing("pyarrow") from error
    return pyarrow


def parquet_dataset(path: Any) -> Any:
    """The Parquet file at a path, or the files in a folder, as a dataset.

    Raises
    ------
    ValueError, FileNotFoundError
        If nothing is there, or nothing of Parquet.
    """
    arrow = _arrow()
    import pyarrow.dataset

    where = path if isinstance(path, str) else str(path)
    try:
        dataset = pyarrow.dataset.dataset(where, format="parquet", partitioning="hive")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"There is no file or folder {where!r}; expected a Parquet file, or a folder "
            "of them."
        ) from None
    except (arrow.ArrowInvalid, OSError) as error:
        raise ValueError(
            f"{where!r} is not read as Parquet ({error}). Of other formats give batches, "
            "such as pyarrow.dataset.dataset(path, format='csv')."
        ) from error
    if not dataset.files:
        raise ValueError(
            f"The folder {where!r} holds no files; expected Parquet files."
        )
    return dataset


def scanned(dataset: Any, columns: Sequence[str] | None) -> Iterator[Any]:
    """Batches of a dataset, of whose Parquet about one row group is held at a time."""
    import pyarrow.dataset

    if hasattr(dataset, "children"):  # datasets of other formats or places, joined
        for child in dataset.children:
            yield from scanned(child.replace_schema(dataset.schema), columns)
        return
    options = {}
    file_format = getattr(dataset, "format", None)
    if isinstance(file_format, pyarrow.dataset.ParquetFileFormat):
        options["fragment_scan_options"] = pyarrow.dataset.ParquetFragmentScanOptions(
            pre_buffer=False  # which holds what was read until the file ends
        )
    yield from dataset.to_batches(
        columns=None if columns is None else list(columns),
        batch_size=BATCH_ROWS,
        batch_readahead=1,
        fragment_readahead=1,
        use_threads=False,  # threads read small row groups ahead, as many as there are
        **options,
    )


def one_stream(source: Any) -> Any:
    """A reader of whatever offers Arrow's stream."""
    return _arrow().RecordBatchReader.from_stream(source)


def reader_of(schema: Any, batches: Iterable[Any]) -> Any:
    """Record batches that are made when they are read."""
    return _arrow().RecordBatchReader.from_batches(schema, batches)


def arrow_table(native: Any) -> Any:
    """A table of any library as Arrow's; an array's columns are named x0, x1, …"""
    arrow = _arrow()
    if isinstance(native, arrow.Table):
        return native
    if isinstance(native, arrow.RecordBatch):
        return arrow.Table.from_batches([native])
    table = as_table(native)
    if isinstance(table, ArrayTable):
        columns = dict(zip(table.names, table.array.T, strict=True))
        return arrow.table({str(name): list(c) for name, c in columns.items()})
    if table.pandas_like:
        return arrow.Table.from_pandas(table.native, preserve_index=False)
    return nw.from_native(table.native, eager_only=True).to_arrow()


def conforming(table: Any, schema: Any) -> Any:
    """An Arrow table in the columns and types of a schema.

    Raises
    ------
    ValueError
        If it has other columns, or entries that the types do not hold.
    """
    if table.schema.equals(schema):
        return table
    if set(table.column_names) != set(schema.names):
        raise ValueError(
            f"The columns are {', '.join(table.column_names)}, and were "
            f"{', '.join(schema.names)} in the first table."
        )
    return table.select(schema.names).cast(schema)


def stacked_arrow(tables: Sequence[Any]) -> Any:
    """Arrow tables of one schema, one under the other."""
    return tables[0] if len(tables) == 1 else _arrow().concat_tables(tables)


def binary_table(name: str, values: Sequence[bytes]) -> Any:
    """A table of one column of bytes."""
    arrow = _arrow()
    return arrow.table({name: arrow.array(list(values), type=arrow.binary())})


def with_columns_beside(native: Any, columns: Mapping[str, np.ndarray]) -> Any:
    """A dataframe with further columns of numbers or texts, in its own library.

    A number that is missing is null where the library tells null from NaN.

    Raises
    ------
    ValueError
        If the dataframe has a column of such a name.
    """
    frame = nw.from_native(native, eager_only=True)
    refuse_taken(frame.columns, columns)
    if frame.implementation.is_pandas_like():
        result = native.copy(deep=False)
        for name, values in columns.items():
            dtype = float if values.dtype.kind == "f" else str
            result[name] = pd.Series(values, index=native.index, dtype=dtype)
        return result
    backend = frame.implementation
    return frame.with_columns(
        *(_series(name, values, backend) for name, values in columns.items())
    ).to_native()


def refuse_taken(names: Iterable[Hashable], new: Iterable[str]) -> None:
    """Refuse columns of effects where the table has columns of these names."""
    taken = sorted(set(new) & {str(name) for name in names})
    if taken:
        raise ValueError(
            f"The table has columns {', '.join(map(repr, taken))} already, as the effects "
            "would be called. Rename them, or name the effects: steps={'name': {…}}."
        )


def _series(name: str, values: np.ndarray, backend: Any) -> nw.Series:
    if values.dtype.kind != "f":
        return nw.new_series(name, values.tolist(), nw.String, backend=backend)
    series = nw.new_series(name, values, nw.Float64, backend=backend)
    missing = np.isnan(values)
    if not missing.any():
        return series
    frame = series.to_frame()
    return frame.select(nw.when(~nw.col(name).is_nan()).then(nw.col(name)).alias(name))[
        name
    ]
