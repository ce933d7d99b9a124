"""Which kind of source a given object is, told by what its class offers.

Tables that are read here come as batches, one after another; a cluster's table is worked
on where it lives, partition by partition. How each is read lives beside this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from skfme._frames.tables import is_one_table
from skfme._streaming.sources.local import (
    Batches,
    LazyTable,
    given_batches,
    given_dataset,
    given_path,
    given_relation,
    given_stream,
    given_table,
)
from skfme._streaming.sources.on_dask import DaskTable
from skfme._streaming.sources.on_ray import RayTable
from skfme._streaming.sources.on_spark import SparkTable
from skfme._streaming.sources.partitions import Partitions

__all__ = ["source_of"]


def source_of(given: Any) -> Batches | LazyTable | Partitions:
    """How the given object is read.

    Raises
    ------
    TypeError
        If it is neither a table nor an iterable of tables.
    """
    if isinstance(given, str) or hasattr(given, "__fspath__"):
        return given_path(given)
    offers = _Offers(given)
    # Spark's tables offer Arrow's stream as well, which brings all rows here.
    if offers("mapInArrow"):
        return SparkTable(given)
    if offers("to_delayed", "map_partitions"):
        return DaskTable(given)
    if offers("map_batches", "iter_batches"):
        return RayTable(given)
    if offers("to_spark", "spark"):  # pandas' interface to Spark
        return SparkTable(given.to_spark())
    if offers("map_batches", "collect_schema"):
        return LazyTable(given)
    if offers("fetch_arrow_reader", "project"):
        return given_relation(given)
    if offers("to_batches"):
        return given_dataset(given)
    if is_one_table(given):
        return given_table(given)
    if offers("read_next_batch") or offers("__arrow_c_stream__"):
        return given_stream(given)
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise TypeError(
            f"batches is a {type(given).__name__}; expected a table, a path of Parquet "
            "files, or an iterable of tables, such as .iter_batches() of a Parquet file."
        )
    return given_batches(given)


class _Offers:
    """What the class of an object has; its columns may be attributes of the object."""

    def __init__(self, given: Any) -> None:
        self._kind = type(given)

    def __call__(self, *names: str) -> bool:
        return all(hasattr(self._kind, name) for name in names)
