"""The columns of the training table: kinds and categories, and tables like it.

How entries are read and changed lives beside this.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np

from skfme._frames.columns import (
    ColumnData,
    declared_categories,
    factorized,
    is_coded,
    kind_of,
    objects_in,
)
from skfme._frames.hints import shown
from skfme._frames.tables import ArrayTable, FrameTable, Table, _as_array

__all__ = [
    "Column",
    "categorical_positions",
    "converted",
    "describe_column",
    "describe_columns",
    "joint_column",
]


@dataclass(frozen=True)
class Column:
    """One column of the training table: what it holds, and how a step may change it.

    Attributes
    ----------
    position : int
        Position in the table.
    name : hashable
        The table's own label; ``x0``, ``x1``, … for arrays.
    kind : {"numeric", "categorical", "datetime", "other"}
        How a step may change the column.
    integer : bool
        Whether it holds integers.
    ordered : bool
        Whether its categories are ordered.
    categories : tuple
        The categories seen, in their own order; empty if not categorical.
    ranks : tuple of int
        Their positions among the declared categories, if those are ordered.
    """

    position: int
    name: Hashable
    kind: str
    integer: bool = False
    ordered: bool = False
    categories: tuple = ()
    ranks: tuple[int, ...] = ()


def converted(table: Table, kind: Any, columns: Sequence[Column]) -> Table:
    """The same rows as the kind of table seen in fit, which remembers what was given.

    Raises
    ------
    TypeError
        If an array of numbers stands in for a dataframe with other columns.
    """
    if table.kind == kind:
        return table
    if isinstance(table, ArrayTable):
        result: Table = FrameTable(_named_frame(table, kind, columns))
    else:
        assert isinstance(table, FrameTable)
        result = _in_library(table, kind)
    result._given = table.given
    return result


def _named_frame(table: ArrayTable, kind: Any, columns: Sequence[Column]) -> Any:
    special = [c.name for c in columns if c.kind != "numeric" or c.name != str(c.name)]
    if table.array.dtype.kind not in "iuf" or special:
        raise TypeError(
            f"X is a numpy array, but fit saw a {kind} table with columns that are "
            f"not plain numbers ({', '.join(map(repr, special[:5]))}). Give a {kind} "
            "table with the same columns."
        )
    data: dict[Any, Any] = {c.name: table.array[:, c.position] for c in columns}
    return nw.from_dict(data, backend=kind)


def _in_library(table: FrameTable, kind: Any) -> Table:
    frame = table.frame
    if kind == "numpy":
        columns = [frame.get_column(name) for name in frame.columns]
        if not any(map(is_coded, columns)):
            return ArrayTable(_as_array(frame.to_numpy()))
        return ArrayTable(np.column_stack([objects_in(column) for column in columns]))
    if kind == "pandas":
        return FrameTable(nw.from_native(frame.to_pandas(), eager_only=True))
    # Labels of rows would become a column.
    arrow = table.relabelled().frame.to_arrow()
    if kind == "pyarrow":
        return FrameTable(nw.from_native(arrow, eager_only=True))
    return FrameTable(nw.from_arrow(arrow, backend=kind))


def describe_columns(
    table: Table,
    categorical_features: str | Iterable[Hashable] = "auto",
    own: Iterable[int] = (),
) -> tuple[Column, ...]:
    """Find each column's kind, and the categories that were seen.

    Parameters
    ----------
    table : Table
        The training rows of positive weight.
    categorical_features : "auto" or list of labels or positions, default="auto"
        "auto" takes boolean, category and text columns, and objects that are no
        numbers. A list adds to it, for categories coded as numbers.
    own : iterable of int, default=()
        Positions of further categories, which a model knows by itself.
    """
    listed: Iterable[Hashable] = ()
    if isinstance(categorical_features, str):
        if categorical_features != "auto":
            raise ValueError(
                "categorical_features must be 'auto' or a list of columns, got "
                f"{shown(categorical_features)}."
            )
    else:
        listed = categorical_features
    positions = {table.position(key, "categorical_features names") for key in listed}
    positions |= set(own)
    return tuple(
        describe_column(table, position, categorical=position in positions)
        for position in range(len(table.names))
    )


def describe_column(table: Table, position: int, *, categorical: bool) -> Column:
    """One column's kind; numbers are categories where `categorical` says so."""
    name, column = table.names[position], table.column(position)
    kind = "categorical" if categorical else kind_of(column)
    if kind == "categorical":
        try:
            return _describe_categorical(position, name, column)
        except TypeError:  # entries that cannot be compared, such as lists
            return Column(position, name, "other")
    integer = kind == "numeric" and (
        column.dtype.kind in "iu"
        if isinstance(column, np.ndarray)
        else column.dtype.is_integer()
    )
    return Column(position, name, kind, integer=integer)


def _describe_categorical(position: int, name: Hashable, column: ColumnData) -> Column:
    codes, distinct = factorized(column)
    seen = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(distinct)))
    ordered, ranks = False, {}
    if is_coded(column):
        declared, ordered = declared_categories(column)
        # The declared order, with or without ranks.
        ranks = {value: i for i, value in enumerate(declared or ())}
    levels = sorted(distinct[seen], key=ranks.__getitem__ if ranks else _sort_key)
    return Column(
        position,
        name,
        "categorical",
        ordered=ordered,
        categories=tuple(map(_plain, levels)),
        ranks=tuple(ranks[level] for level in levels) if ordered else (),
    )


def joint_column(one: Column, other: Column, declared: Sequence[Any] | None) -> Column:
    """A column as the rows of two tables show it.

    Parameters
    ----------
    one, other : Column
    declared : sequence or None
        The categories that the other table declares; None where it declares none.

    Raises
    ------
    ValueError
        If it is of another kind in the other table.
    """
    if one.kind != other.kind:
        raise ValueError(
            f"{str(one.name)!r} is {other.kind} here, and was {one.kind} before. Give all "
            "batches the column types of fit, such as with a schema or dtype=."
        )
    levels = {*one.categories, *other.categories}
    ranks = {}
    if declared is not None:
        # Those that this table does not declare are the last ones.
        order = dict.fromkeys([*map(_plain, declared), *one.categories])
        ranks = {value: i for i, value in enumerate(order)}
    ordered = sorted(levels, key=ranks.__getitem__ if ranks else _sort_key)
    return replace(
        one,
        integer=one.integer and other.integer,
        categories=tuple(ordered),
        ranks=tuple(map(ranks.__getitem__, ordered)) if one.ordered else (),
    )


def _sort_key(value: Any) -> tuple:
    number = isinstance(value, (int, float, np.number, np.bool_))
    return (0, value, "") if number else (1, 0, str(value))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def categorical_positions(table: Table) -> list[int]:
    """Positions of the columns that a dataframe itself types as categories."""
    return [p for p in range(len(table.names)) if is_coded(table.column(p))]
