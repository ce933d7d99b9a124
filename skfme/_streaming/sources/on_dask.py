"""A Dask DataFrame: its partitions are worked on as delayed calls, on any scheduler.

With a client of dask.distributed the work is scattered once; without one it is called in
this process's threads.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
        shared = (
            delayed(work, traverse=False) if client is None else _sent(client, work)
        )
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
        shared = work if client is None else _sent(client, work)
        return self._table.map_partitions(_extend, shared, meta=meta)


def _client() -> Any:
    """The client of dask.distributed that would compute; None for other schedulers."""
    from dask.base import get_scheduler

    client = getattr(get_scheduler(), "__self__", None)  # type: ignore[no-untyped-call]
    return client if hasattr(client, "scatter") else None


def _sent(client: Any, work: Shared) -> Any:
    """One key of a graph, that goes to each worker once.

    A name of its own for each call: under that of its content it could be released, as
    what the last call sent, while it is sent again. Workers know the content.
    """
    return client.scatter(work, broadcast=True, hash=False)


def _summarize(work: Shared, partition: Any, within: str) -> bytes | None:
    return summarized(work, [partition], within)


def _extend(partition: Any, work: Shared) -> Any:
    return call_shared(work, partition)
