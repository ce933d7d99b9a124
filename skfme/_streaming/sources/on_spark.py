"""A Spark DataFrame, classic or Connect: worked on by its Python workers through Arrow.

Timestamps come as instants under the session's time zone. The work travels in the
closure, which Spark broadcasts where it is large; a worker unpickles the model once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from skfme._engine.sharing import Shared, call_shared
from skfme._frames.arrow import binary_table
from skfme._streaming.sources.partitions import (
    PARTS,
    merged,
    naming_engine,
    summarized,
)
from skfme._streaming.stacking import stacked_tables

__all__ = ["SparkTable"]

_MERGERS = 2  # tasks that merge what the partitions' tasks made


class SparkTable:
    """A Spark DataFrame as partitions."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.names = tuple(table.columns)

    def parts(self, work: Shared, columns: Sequence[str] | None) -> Iterator[bytes]:
        """One merged part for each of few tasks."""
        table = self._table
        if columns is not None:
            table = table.select(*(f"`{name.replace('`', '``')}`" for name in columns))
        schema = f"{PARTS} binary"
        parts = table.mapInArrow(_Summarize(work), schema)
        parts = parts.repartition(_MERGERS).mapInArrow(_merge, schema)
        advice = "give the executors more memory, or the table smaller partitions."
        with naming_engine("Spark", advice):
            rows = parts.collect()
        return (bytes(row[0]) for row in rows)

    def mapped(self, work: Shared, names: Sequence[str], texts: Sequence[str]) -> Any:
        """The lazy DataFrame with further columns."""
        schema = copy.deepcopy(self._table.schema)
        for name in names:
            schema = schema.add(name, "double", True)
        for name in texts:
            schema = schema.add(name, "string", True)
        return self._table.mapInArrow(_Extend(work), schema)


def _within_partition() -> str:
    from pyspark import TaskContext

    task = TaskContext.get()
    return "" if task is None else f"partition {task.partitionId()}, "


class _Summarize:
    def __init__(self, work: Shared) -> None:
        self._work = work

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        part = summarized(self._work, batches, _within_partition())
        if part is not None:
            yield from binary_table(PARTS, [part]).to_batches()


def _merge(batches: Iterable[Any]) -> Iterator[Any]:
    part = merged(value.as_py() for batch in batches for value in batch.column(0))
    if part is not None:
        yield from binary_table(PARTS, [part]).to_batches()


class _Extend:
    def __init__(self, work: Shared) -> None:
        self._work = work

    def __call__(self, batches: Iterable[Any]) -> Iterator[Any]:
        for where, table in stacked_tables(batches, None, _within_partition()):
            yield from call_shared(self._work, table, where).to_batches()
