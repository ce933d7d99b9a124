"""Arrow tables of not too few and not too many rows: short ones stacked, long ones cut.

Where effects stand beside the rows, tables go out as they are computed; where rows are
only summarized, they are stacked as they are read (:mod:`skfme._streaming.reading`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from skfme._frames.arrow import arrow_table, conforming, stacked_arrow
from skfme._streaming.reading import as_dataframe, naming, numbered

__all__ = ["stacked_tables"]

_FEWEST_ROWS = 32768
_MOST_ROWS = 262_144


def stacked_tables(
    tables: Iterable[Any], schema: Any, within: str = ""
) -> Iterator[tuple[str, Any]]:
    """Arrow tables of one schema, each after the words that errors name it by.

    Parameters
    ----------
    tables : iterable of tables of any library
    schema : Schema or None
        Of Arrow; None is that of the first table.
    within : str
        Where all of them are.
    """
    waiting: list[tuple[str, Any]] = []
    n_waiting = 0
    for where, native in numbered(tables, within):
        with naming(where):
            table = arrow_table(as_dataframe(native))
            schema = table.schema if schema is None else schema
            table = conforming(table, schema)
        for start in range(0, len(table), _MOST_ROWS):
            part = table.slice(start, _MOST_ROWS)
            waiting.append((where, part))
            n_waiting += len(part)
            if n_waiting >= _FEWEST_ROWS:
                yield _as_one(waiting)
                waiting, n_waiting = [], 0
    if waiting:
        yield _as_one(waiting)


def _as_one(named: list[tuple[str, Any]]) -> tuple[str, Any]:
    first, last = named[0][0], named[-1][0]
    where = first if first == last else f"{first} to {last}"
    return where, stacked_arrow([table for _, table in named])
