"""What a whole table holds: complete rows, infinite numbers, columns as pandas has them."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.columns import (
    kind_of,
    missing_in,
    mixture_in,
    numbers_in,
    plain_series,
)
from skfme._frames.tables import ArrayTable, FrameTable, Table, as_table

__all__ = [
    "complete_rows",
    "covariate_frame",
    "infinite_columns",
    "lacking",
    "pandas_frame",
    "with_column",
]


def with_column(table: Table, name: str, values: np.ndarray) -> tuple[Table, str]:
    """The table with a column of numbers at its end, and what that is called.

    Parameters
    ----------
    table : Table of n rows
    name : str
        Underscores follow it where a column has it already; an array's columns are
        numbered.
    values : ndarray of shape (n,)
    """
    if isinstance(table, FrameTable):
        while name in table.names:
            name += "_"
        backend = table.frame.implementation
        column = nw.new_series(name, values, backend=backend)
        return FrameTable(table.frame.with_columns(column)), name
    wider = as_table(np.column_stack([table.native, values]))
    return wider, str(wider.names[-1])


def pandas_frame(table: Table, names: Iterable[Hashable]) -> pd.DataFrame:
    """Some columns as a pandas table of plain numpy types and categories.

    Parameters
    ----------
    table : Table of n rows
    names : iterable of labels

    Returns
    -------
    frame : DataFrame of n rows
        Indexed from 0 to n − 1; text is of type object, missing numbers are NaN.
    """
    columns = {name: plain_series(table.column(table.position(name))) for name in names}
    return pd.DataFrame(columns, index=pd.RangeIndex(len(table)))


def covariate_frame(table: Table, names: Iterable[Hashable]) -> pd.DataFrame:
    """The same, of columns that a formula reads as covariates.

    Raises
    ------
    TypeError
        If a column holds numbers among other entries, which would make categories of all.
    """
    names = list(names)
    for name in names:
        mixture = mixture_in(table.column(table.position(name)))
        if mixture is not None:
            raise TypeError(
                f"Column {name!r} mixes types: {mixture}. Make all its entries numbers, "
                "all of them booleans, or all of them text."
            )
    return pandas_frame(table, names)


def complete_rows(table: Table) -> np.ndarray:
    """Mask of the rows without a missing value."""
    missing = [missing_in(table.column(i)) for i in range(len(table.names))]
    return ~np.logical_or.reduce(missing)


def lacking(table: Table, rows: np.ndarray) -> list[str]:
    """Names of the columns of which each of some rows lacks one; empty if some lack none.

    Parameters
    ----------
    table : Table of n rows
        As a model may have left it, which was handed its memory.
    rows : ndarray of bool of shape (n,)
    """
    table = ArrayTable(table._array) if isinstance(table, ArrayTable) else table
    missing = [missing_in(table.column(i))[rows] for i in range(len(table.names))]
    if not np.logical_or.reduce(missing).all():
        return []
    pairs = zip(table.names, missing, strict=True)
    return [str(name) for name, mask in pairs if mask.any()]


def infinite_columns(table: Table, read: Sequence[int] | None = None) -> list[str]:
    """Names of the columns that hold an infinite number, of those at `read` or of all."""
    positions = range(len(table.names)) if read is None else read
    if isinstance(table, ArrayTable) and table.array.dtype.kind != "O":
        if table.array.dtype.kind != "f":
            return []
        infinite = np.isinf(table.array).any(axis=0)
        return [str(table.names[i]) for i in positions if infinite[i]]
    return [
        str(table.names[position])
        for position in positions
        if kind_of(column := table.column(position)) == "numeric"
        and (values := numbers_in(column)).dtype.kind == "f"
        and np.isinf(values).any()
    ]
