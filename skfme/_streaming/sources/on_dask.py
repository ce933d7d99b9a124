"""A Dask DataFrame: its partitions are worked on as delayed calls, on any scheduler.

With a client of dask.distributed the work is scattered once; without one it is called in
this process's threads.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from skfme._engine.sharing import Shared, call_shared
from skfme._streaming.sources.partitions import (
    AT_ONCE,
    merged,
    naming_engine,
    summarized,
)

__all__ = ["DaskTable"]


class DaskTable:
    """A Dask DataFrame as partitions."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self.names = tuple(table.columns)

    def parts(self, work: Shared, columns: Sequence[str] | None) -> Iterator[bytes]:
        """One part, merged as a tree."""
        from dask.delayed import delayed

        table = self._table if columns is None else self._table[list(columns)]
        client = _client()
        if client is None:
            shared = delayed(work, traverse=False)
        else:  # one key of the graph, that goes to each worker once
            shared = client.scatter(work, broadcast=True)
        layer = [
            delayed(_summarize)(shared, partition, f"partition {i}, ")
            for i, partition in enumerate(table.to_delayed())
        ]
        while len(layer) > 1:
            groups = range(0, len(layer), AT_ONCE)
            layer = [delayed(merged)(layer[i : i + AT_ONCE]) for i in groups]
        advice = "give the workers more memory, or the table smaller partitions."
        with naming_engine("Dask", advice):
            part = layer[0].compute() if layer else None
        return iter([] if part is None else [part])

    def mapped(self, work: Shared, names: Sequence[str], texts: Sequence[str]) -> Any:
        """The lazy DataFrame with further columns."""
        meta = work.function(self._table._meta)
        client = _client()
        # Not as a delayed value: older versions of dask ask whether it is true.
        shared = work if client is None else client.scatter(work, broadcast=True)
        return self._table.map_partitions(_extend, shared, meta=meta)


def _client() -> Any:
    """The client of dask.distributed that computes, if there is one."""
    distributed = sys.modules.get("distributed")
    with suppress(ValueError):
        return None if distributed is None else distributed.default_client()
    return None


def _summarize(work: Shared, partition: Any, within: str) -> bytes | None:
    return summarized(work, [partition], within)


def _extend(partition: Any, work: Shared) -> Any:
    return call_shared(work, partition)
