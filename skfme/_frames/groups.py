"""Labels of rows: which group, cluster or subject each row of a table belongs to.

Labels are columns of the table, by name, or come beside it: one for each row, or a table
of them. Which groups are formed, and what becomes of missing labels, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import as_vector, kind_of, objects_in, plain_series
from skfme._frames.given import array_of
from skfme._frames.tables import Table, as_table

__all__ = [
    "columns_named",
    "groups_in",
    "labels_beside",
    "labels_in",
    "one_label",
    "row_labels",
]


def row_labels(table: Table, by: Any, what: str = "by") -> pd.DataFrame:
    """Labels of all rows, in one column per key; categories keep their order.

    Parameters
    ----------
    table : Table of n rows
    by : label of a column, list of labels, or array-like of shape (n,) or (n, m)
    what : str
        The parameter, for errors.

    Raises
    ------
    ValueError
        If `by` names no column, or has not one entry per row.
    """
    columns = columns_named(by, table)
    if columns is None:
        return labels_beside(by, len(table), what)
    return labels_in(table, columns, what)


def one_label(table: Table, by: Any, what: str) -> np.ndarray:
    """One label of each row, from the column that is named or as given."""
    if isinstance(by, str):
        return objects_in(table.column(table.position(by, f"{what} names")))
    return as_vector(by, len(table), what)


def groups_in(table: Table, by: Any) -> pd.DataFrame:
    """Labels of all rows, to be sorted by value: the entries of categories."""
    labels = row_labels(table, by)
    categories = labels.select_dtypes("category").columns
    return labels.astype(dict.fromkeys(categories, object)).infer_objects()


def columns_named(by: Any, table: Table) -> tuple[Hashable, ...] | None:
    """Labels of columns, or None where `by` holds the rows' own labels."""

    def is_column(key: Any) -> bool:
        return isinstance(key, Hashable) and key in table.names

    if isinstance(by, (str, int, np.integer)) or is_column(by):
        return (by,)
    if not isinstance(by, (list, tuple)) or not by:
        return None
    columns = [is_column(key) for key in by]
    words = all(isinstance(key, str) for key in by) and len(by) != len(table)
    misspelt = words and (len(by) == 1 or any(columns))
    return tuple(by) if all(columns) or misspelt else None


def labels_in(table: Table, columns: Sequence[Hashable], what: str) -> pd.DataFrame:
    """Columns of a table as labels."""
    labels = {}
    for key in columns:
        position = table.position(key, f"{what} names")
        column = table.column(position)
        other = kind_of(column) == "other"
        entries = pd.Series(objects_in(column)) if other else plain_series(column)
        labels[str(table.names[position])] = entries
    return pd.DataFrame(labels)


def labels_beside(labels: Any, n: int, what: str) -> pd.DataFrame:
    """Labels that do not come from the table: one per row, or a table of them."""
    if hasattr(labels, "to_frame"):  # a series of pandas or polars
        labels = labels.to_frame()
    shaped = labels if hasattr(labels, "shape") else array_of(labels, what)
    if len(shaped.shape) != 2:
        return pd.DataFrame({"group": as_vector(labels, n, what)}).infer_objects()
    table = as_table(labels)
    if len(table) != n:
        raise ValueError(
            f"{what} has {len(table)} rows, expected {n}: one per row of X."
        )
    frame = labels_in(table, table.names, what)
    if table.kind != "numpy":
        return frame.rename(columns={"0": "group", "": "group"})
    several = frame.shape[1] > 1
    return frame.set_axis(
        [f"group{j + 1}" if several else "group" for j in range(frame.shape[1])], axis=1
    )
