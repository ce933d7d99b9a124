"""Sources that are read here: paths, Arrow's things, lazy tables, databases, iterables.

Each becomes batches, read one after another, of which only the columns that are needed
are read where the source can leave out others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from skfme._frames.arrow import (
    BATCH_ROWS,
    one_stream,
    parquet_dataset,
    scanned,
)

__all__ = [
    "Batches",
    "LazyTable",
    "given_batches",
    "given_dataset",
    "given_path",
    "given_relation",
    "given_stream",
    "given_table",
]

Columns = Sequence[str] | None  # None is all of them


@dataclass(frozen=True)
class Batches:
    """Tables that are read here, one after another.

    Attributes
    ----------
    read : callable
        Columns that are needed -> iterable of tables, which may have others as well.
    names : tuple of str or None
        Names of the columns; None where they are only seen in the tables.
    schema : object
        Of Arrow; None where it is only seen in the tables.
    once : bool
        Whether reading uses it up.
    """

    read: Callable[[Columns], Iterable[Any]]
    names: tuple[str, ...] | None = None
    schema: Any = None
    once: bool = False


def given_batches(tables: Iterable[Any]) -> Batches:
    return Batches(lambda columns: tables, once=isinstance(tables, Iterator))


def given_table(table: Any) -> Batches:
    """One table in memory."""
    names = getattr(table, "column_names", getattr(table, "columns", None))
    return Batches(
        lambda columns: [table],
        None if names is None else tuple(names),
        getattr(table, "schema", None) if hasattr(table, "column_names") else None,
    )


def given_path(path: Any) -> Batches:
    return given_dataset(parquet_dataset(path))


def given_dataset(source: Any) -> Batches:
    """A dataset, scanner or table of pyarrow."""
    if hasattr(source, "get_fragments"):
        return Batches(
            lambda columns: scanned(source, columns),
            tuple(source.schema.names),
            source.schema,
        )
    schema = getattr(source, "projected_schema", None) or source.schema
    return Batches(lambda columns: source.to_batches(), tuple(schema.names), schema)


def given_stream(source: Any) -> Batches:
    """A reader of record batches, or anything that exports Arrow's stream."""
    reader = source if hasattr(source, "read_next_batch") else one_stream(source)
    names = tuple(reader.schema.names)
    return Batches(lambda columns: reader, names, reader.schema, once=True)


def given_relation(relation: Any) -> Batches:
    """A relation of DuckDB: a query that runs as its batches are read."""

    def read(columns: Columns) -> Any:
        quoted = ['"' + name.replace('"', '""') + '"' for name in columns or ()]
        asked = relation.project(", ".join(quoted)) if quoted else relation
        # The second name is the older one.
        named = "to_arrow_reader", "fetch_arrow_reader"
        reading = next(name for name in named if hasattr(type(asked), name))
        return getattr(asked, reading)(BATCH_ROWS)

    return Batches(read, tuple(relation.columns))


class LazyTable:
    """A lazy table of polars, which is collected batch by batch."""

    def __init__(self, lazy: Any) -> None:
        self.lazy = lazy
        self.names = tuple(lazy.collect_schema().names())

    def read(self, columns: Columns) -> Iterator[Any]:
        lazy = self.lazy if columns is None else self.lazy.select(list(columns))
        if not hasattr(lazy, "collect_batches"):
            raise TypeError(
                "This polars cannot collect a LazyFrame in batches; polars 1.34 can. Give "
                "[lazy.collect()] where it fits in memory."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # polars calls it unstable
            batches: Iterator[Any] = lazy.collect_batches(chunk_size=BATCH_ROWS)
        return iter(batches)

    def mapped(self, function: Callable[[Any], Any]) -> Any:
        """The lazy table with further columns, which are computed as it is collected."""
        schema = function(self.lazy.clear().collect()).schema
        return self.lazy.map_batches(function, schema=schema, streamable=True)
