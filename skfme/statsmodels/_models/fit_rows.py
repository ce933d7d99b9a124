"""Which rows of a table a model was fitted on, by their number or their labels.

statsmodels drops rows that miss a value, and keeps what belongs to the rest. Here what
came with the fit's rows is found again for rows of a table, and the other way round.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.hints import known_names, nearest
from skfme._frames.tables import Table

__all__ = ["entries_of_fit", "matched_rows", "rows_of_fit"]


def rows_of_fit(model: Any, n: int) -> np.ndarray | None:
    """Positions, among n rows of data, of those that the model was fitted on.

    None where the model was fitted on another number of rows, or kept none of them.
    """
    missing = getattr(model.data, "missing_row_idx", None)
    missing = [] if missing is None else missing
    if model.endog is None or n != len(model.endog) + len(missing):
        return None
    return np.delete(np.arange(n), missing) if len(missing) else np.arange(n)


def matched_rows(model: Any, table: Table) -> np.ndarray | None:
    """Which row of the fit each row of a table is, −1 for none.

    By labels where the table's are the fit's, so that their order does not matter, else
    by position. None where the table has another number of rows than the fit was given.
    """
    rows = rows_of_fit(model, len(table))
    if rows is None:
        return None
    labels, index = _labels(model), table.index
    if labels is not None and not _only_numbers(index):
        by_label = labels.get_indexer(index)
        if np.count_nonzero(by_label >= 0) == len(labels):
            return np.asarray(by_label)
    matched = np.full(len(table), -1)
    matched[rows] = np.arange(len(rows))
    return matched


def entries_of_fit(model: Any, values: Any, what: str) -> np.ndarray:
    """What is given for the rows of the fit, or for those before some were dropped.

    Parameters
    ----------
    model : statsmodels model
    values : str, array-like of shape (n,) or (n, m), or list of one or two of these
        Text is a column of the data frame that the model was fitted on.
    what : str
        The argument, for errors.

    Raises
    ------
    ValueError
        If it has not one entry for each row.
    """
    if isinstance(values, list | tuple) and len(values) <= 2 < len(model.endog):
        columns = [entries_of_fit(model, part, what) for part in values]
        return np.array(pd.DataFrame(dict(enumerate(columns))))
    if isinstance(values, str):
        values = _column_of_fit(model, values, what)
    entries, index = np.asarray(values), getattr(values, "index", None)
    n = len(entries) if entries.ndim else 0
    rows = np.arange(n) if n == len(model.endog) else rows_of_fit(model, n)
    if isinstance(index, pd.Index) and (rows is None or not _only_numbers(index)):
        labels = _labels(model)
        if labels is not None and index.is_unique and labels.isin(index).all():
            return np.asarray(values.loc[labels])
    if rows is not None:
        return entries[rows]
    raise ValueError(
        f"{what} has shape {entries.shape}; expected one entry for each of the "
        f"{len(model.endog)} rows of the fit."
    )


def _column_of_fit(model: Any, name: str, what: str) -> Any:
    frame: Any = getattr(model.data, "frame", None)
    if name in getattr(frame, "columns", ()):
        return frame[name]
    known = list(getattr(frame, "columns", ()))
    raise ValueError(
        f"{what}={name!r} names no column of the data that the model keeps. Give one entry "
        "for each row of the fit."
        + (nearest(name, known) or (known_names(known) if known else ""))
    )


def _only_numbers(index: pd.Index) -> bool:
    """Whether labels say no more than the position: those that pandas makes up."""
    return not index.is_unique or index.equals(pd.RangeIndex(len(index)))


def _labels(model: Any) -> pd.Index | None:
    """Labels of the rows of the fit, where they say which is which."""
    labels = getattr(model.data, "row_labels", None)
    if not isinstance(labels, pd.Index) or not labels.is_unique:
        return None
    return (
        labels if model.endog is not None and len(labels) == len(model.endog) else None
    )
