"""A Ray Dataset: its blocks are worked on by tasks, as Arrow tables.

The work lies in the object store once; a worker unpickles the model once.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

from skfme._engine.sharing import Shared, call_shared
from skfme._frames.arrow import binary_table
from skfme._streaming.sources.partitions import (
    AT_ONCE,
    PARTS,
    merged,
    naming_engine,
    summarized,
)

__all__ = ["RayTable"]

# Ray tries a block again for ever where its worker dies.
_RETRIES = 3


class RayTable:
    """A Ray Dataset as blocks."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        schema = dataset.schema()
        self.names = () if schema is None else tuple(schema.names)

    def parts(self, work: Shared, columns: Sequence[str] | None) -> Iterator[bytes]:
        """Parts of some blocks each, one after another."""
        dataset = self._dataset
        if columns is not None:
            dataset = dataset.select_columns(list(columns))
        parts = _mapped(dataset, _Summarize(work), None)
        parts = _mapped(parts, _merge, AT_ONCE)
        advice = "give the tasks more memory, or repartition the dataset."
        with naming_engine("Ray", advice):
            for row in parts.iter_rows():
                yield row[PARTS]

    def mapped(self, work: Shared, names: Sequence[str], texts: Sequence[str]) -> Any:
        """The lazy Dataset with further columns."""
        return _mapped(self._dataset, _Extend(work), None)


def _mapped(dataset: Any, function: Any, batch_size: int | None) -> Any:
    with warnings.catch_warnings():
        # Ray deprecates the option, and has no other to limit attempts.
        warnings.simplefilter("ignore", DeprecationWarning)
        return dataset.map_batches(
            function,
            batch_size=batch_size,
            batch_format="pyarrow",
            max_retries=_RETRIES,
        )


class _InStore:
    """The work as an object of Ray's store, which every task reads in place."""

    def __init__(self, work: Shared) -> None:
        import ray

        self._work = ray.put(work)

    def _read(self) -> Shared:
        import ray

        work: Shared = ray.get(self._work)
        return work


class _Summarize(_InStore):
    def __call__(self, table: Any) -> Any:
        part = summarized(self._read(), [table], "a block, ")
        return binary_table(PARTS, [] if part is None else [part])


class _Extend(_InStore):
    def __call__(self, table: Any) -> Any:
        return call_shared(self._read(), table, "a block")


def _merge(table: Any) -> Any:
    part = merged(table.column(PARTS).to_pylist())
    return binary_table(PARTS, [] if part is None else [part])
