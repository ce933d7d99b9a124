"""Labels of rows: which group, cluster or subject each row of a table belongs to."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import as_vector, plain_series
from skfme._frames.tables import Table, as_table
from skfme._results.effects import ForwardEffect

__all__ = ["columns_named", "frame_of", "label_frame", "refuse_missing", "row_labels"]


def row_labels(effect: ForwardEffect, by: Any, what: str) -> pd.DataFrame:
    """Labels of all rows of X: columns of X by name, or labels that came with them.

    Parameters
    ----------
    effect : ForwardEffect
    by : column of X, list of columns, or array-like of shape (n,) or (n, m)
    what : str
        The parameter, for errors.
    """
    table = effect.table
    columns = columns_named(by, table)
    if columns is None:
        return label_frame(by, len(table), what)
    return frame_of(table, [table.position(key, f"{what} names") for key in columns])


def columns_named(by: Any, table: Table) -> tuple[Hashable, ...] | None:
    """Names of columns, or None where `by` holds the labels themselves."""
    if isinstance(by, (str, int, np.integer)):
        return (by,)
    if not isinstance(by, (list, tuple)) or not by:
        return None
    known = [isinstance(key, Hashable) and key in table.names for key in by]
    words = all(isinstance(key, str) for key in by) and len(by) != len(table)
    meant = words and (len(by) == 1 or any(known))  # misspelt, rather than labels
    return tuple(by) if all(known) or meant else None


def label_frame(labels: Any, n: int | None, what: str) -> pd.DataFrame:
    if hasattr(labels, "to_frame"):  # a series of pandas or polars
        labels = labels.to_frame()
    if len(np.shape(labels)) != 2:
        size = len(labels) if n is None else n
        return pd.DataFrame({"group": as_vector(labels, size, what)}).infer_objects()
    table = as_table(labels)
    if n is not None and len(table) != n:
        raise ValueError(
            f"{what} has {len(table)} rows, expected {n}: one per row of X."
        )
    frame = frame_of(table, list(range(len(table.names))))
    if table.kind == "numpy" and frame.shape[1] > 1:
        frame.columns = [f"group{j + 1}" for j in range(frame.shape[1])]
    frame = frame.rename(columns={"x0": "group"} if table.kind == "numpy" else {})
    return frame.rename(columns={"0": "group", "": "group"})


def frame_of(table: Table, positions: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {str(table.names[p]): plain_series(table.column(p)) for p in positions}
    )


def refuse_missing(labels: pd.DataFrame, rows: np.ndarray, what: str) -> None:
    """Refuse labels that are missing in rows that count."""
    missing = np.flatnonzero(labels.iloc[rows].isna().any(axis=1).to_numpy())
    if len(missing):
        raise ValueError(
            f"{what} is missing in {len(missing)} of {len(rows)} rows that count (the "
            f"first is row {rows[missing[0]]}). Fill the labels in, or give these rows a "
            "label of their own."
        )
