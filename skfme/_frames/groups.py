"""Labels of rows: which group, cluster or subject each row of a table belongs to.

Labels are columns of the table, by name, or come beside it: one for each row, or a table
of them. The order of groups is decided here, for everything that has groups; what becomes
of missing labels is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import chain, pairwise
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.checks import beside_rows
from skfme._frames.columns import (
    ColumnData,
    as_vector,
    is_coded,
    is_polars_categorical,
    kind_of,
    objects_in,
    plain_series,
)
from skfme._frames.given import array_of
from skfme._frames.tables import Table, as_table

__all__ = [
    "columns_named",
    "groups_in",
    "in_joint_order",
    "label_series",
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
    by : label of a column, list of labels, array-like of shape (n,) or (n, m), or a list of \
            such
    what : str
        The parameter, for errors.

    Raises
    ------
    ValueError
        If `by` names no column, or has not one entry per row.
    """
    columns = columns_named(by, table)
    if columns is not None:
        return labels_in(table, columns, what)
    if not _is_mixture(by, len(table)):
        return labels_beside(beside_rows(table, by, what), len(table), what)
    parts = [row_labels(table, part, what) for part in by]
    unnamed = [part for part in parts if list(part) == ["group"]]
    for i, part in enumerate(unnamed if len(unnamed) > 1 else []):
        part.columns = [f"group{i + 1}"]
    return pd.concat(parts, axis=1)


def _is_mixture(by: Any, n: int) -> bool:
    """Whether it is a short list of columns' names and of labels of n rows."""
    if not isinstance(by, (list, tuple)) or len(by) == n:
        return False
    return any(not isinstance(part, str) and np.shape(part)[:1] == (n,) for part in by)


def groups_in(labels: pd.DataFrame) -> tuple[np.ndarray, pd.DataFrame]:
    """The groups that rows with equal labels form, in order.

    Categories come in the order that their column declares, all else sorted by value, and
    missing labels, a group of their own, last.

    Parameters
    ----------
    labels : DataFrame of n rows

    Returns
    -------
    codes : ndarray of shape (n,), int
        The group of each row.
    keys : DataFrame of n_groups rows
        The groups' labels, as the entries of their columns.
    """
    coded = labels.select_dtypes("category").columns
    ranks = labels.copy()
    for name in coded:
        ranks[name] = _ranks(labels[name])
    grouped = ranks.groupby(list(ranks), dropna=False, sort=True)
    codes = grouped.ngroup().to_numpy()
    first = pd.Series(codes).drop_duplicates().sort_values().index
    keys = labels.astype(dict.fromkeys(coded, object)).iloc[first]
    return codes, keys.reset_index(drop=True).infer_objects()


def _ranks(labels: pd.Series) -> np.ndarray:
    """Places of labels among the categories; the last for missing ones."""
    places = labels.cat.codes.to_numpy().astype(np.intp)
    return np.where(places < 0, len(labels.cat.categories), places)


def in_joint_order(orders: Iterable[Sequence[Hashable]]) -> list[Hashable]:
    """The entries of several orders, each behind those that one of them has before it."""
    orders = sorted(orders, key=len, reverse=True)
    waiting = list(dict.fromkeys(chain.from_iterable(orders)))
    if orders and len(waiting) == len(orders[0]):
        return waiting
    before: dict[Hashable, set[Hashable]] = {entry: set() for entry in waiting}
    for first, second in chain.from_iterable(map(pairwise, orders)):
        before[second].add(first)
    placed: dict[Hashable, None] = {}
    while waiting:
        free = (entry for entry in waiting if before[entry] <= placed.keys())
        entry = next(free, waiting[0])  # orders that contradict one another
        waiting.remove(entry)
        placed[entry] = None
    return list(placed)


def one_label(table: Table, by: Any, what: str) -> np.ndarray:
    """One label of each row: an entry, or of several columns a number for each combination.

    Raises
    ------
    ValueError
        If a label is missing, which says of no row where it belongs.
    """
    labels = row_labels(table, by, what)
    missing = labels.isna().any(axis=1).to_numpy()
    if missing.any():
        raise ValueError(
            f"{what} is missing in {np.count_nonzero(missing)} rows (first in row "
            f"{int(np.argmax(missing))}). Leave these rows out, or give them an entry."
        )
    if labels.shape[1] > 1:
        return groups_in(labels)[0]
    entries: np.ndarray = labels.iloc[:, 0].to_numpy()
    return entries


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
        labels[str(table.names[position])] = label_series(column)
    return pd.DataFrame(labels)


def label_series(column: ColumnData) -> pd.Series:
    """One column as labels: categories where it declares an order of them.

    A Categorical of polars does not, and is sorted as text is.
    """
    if is_coded(column):
        if is_polars_categorical(column):
            return pd.Series(objects_in(column))
        if column.implementation.is_pyarrow():  # narwhals makes text of a dictionary
            categories = column.cat.get_categories().to_list()
            return pd.Series(pd.Categorical(objects_in(column), categories))
    if kind_of(column) == "other":
        return pd.Series(objects_in(column))
    return plain_series(column)


def labels_beside(labels: Any, n: int, what: str) -> pd.DataFrame:
    """Labels that do not come from the table: one per row, or a table of them."""
    if isinstance(labels, pd.Categorical):
        labels = pd.Series(labels)
    if hasattr(labels, "to_frame"):  # a series of pandas or polars
        labels = labels.to_frame()
    elif nw.dependencies.is_pyarrow_chunked_array(labels) and len(labels) == n:
        column = nw.from_native(labels, series_only=True)
        return pd.DataFrame({"group": label_series(column)})
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
