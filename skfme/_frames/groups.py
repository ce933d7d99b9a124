"""Columns or labels that tell groups of rows apart."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import pandas as pd

from skfme._frames.columns import as_vector, objects_in
from skfme._frames.tables import Table

if TYPE_CHECKING:
    pass

__all__ = [
    "groups_in",
]


def groups_in(table: Table, by: Any) -> pd.DataFrame:
    """What tells the rows' groups apart, in one column per key.

    Parameters
    ----------
    table : Table of n rows
    by : label of a column, list of labels, or array-like of shape (n,)

    Raises
    ------
    ValueError
        If `by` names no column, or has not one entry per row.
    """
    keys = by if isinstance(by, list) else [by]
    named = all(isinstance(key, Hashable) and key in table.names for key in keys)
    if isinstance(by, (str, int)) or named:
        positions = [table.position(key, "by names") for key in keys]
        return pd.DataFrame(
            {str(table.names[p]): objects_in(table.column(p)) for p in positions}
        ).infer_objects()
    name = getattr(by, "name", None)
    return pd.DataFrame({name or "group": as_vector(by, len(table), "by")})
