"""Which columns of a table a tree may split."""

from __future__ import annotations

from typing import Any

from skfme._frames.hints import known_names
from skfme._frames.tables import Table

__all__ = ["split_positions"]


def split_positions(table: Table, features: Any, drop: Any) -> list[int]:
    """Positions of the columns that may be split.

    Parameters
    ----------
    table : Table
    features, drop : list of columns, one column, or None
        Those that may be split, or instead those that may not.

    Raises
    ------
    ValueError
        If both are given, one names no column, or none is left.
    """
    if features is not None and drop is not None:
        raise ValueError(
            "features and drop are both given; one follows from the other. Leave one of "
            "them None."
        )
    everything = range(len(table.names))
    if features is not None:
        chosen = _named(features, table, "features")
        positions = [i for i in everything if i in chosen]
    else:
        dropped = _named(() if drop is None else drop, table, "drop")
        positions = [i for i in everything if i not in dropped]
    if not positions:
        which = "features names" if drop is None else "drop leaves"
        raise ValueError(
            f"{which} no column of X, so that there is none to split."
            + known_names(table.names)
        )
    return positions


def _named(keys: Any, table: Table, what: str) -> set[int]:
    """Positions of the columns that a parameter names; one may stand alone."""
    if isinstance(keys, (str, int)):
        keys = [keys]
    return {table.position(key, f"{what} names") for key in keys}
