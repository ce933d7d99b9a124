"""Rows of a table that a fit was given and did not use, such as rows without an outcome.

They are found only where the table is the fit's own, or some of its rows. What becomes of
them is decided where effects are averaged.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import Design, probe_rows
from skfme.statsmodels._models.fit_rows import rows_of_fit

__all__ = ["rows_not_used", "unused_note"]


def rows_not_used(design: Design, model: Any, table: Table) -> np.ndarray | None:
    """Mask of the rows that the fit left out; None where it left out none.

    Rows are the fit's by their place, or by the labels of the data frame that it kept, and
    where the design of a few is the one that it was fitted with. Of all other tables
    nothing is left out: they hold new rows.
    """
    exog: Any = getattr(model, "exog", None)
    frame: Any = getattr(model.data, "frame", None)
    index = frame.index if hasattr(frame, "columns") else pd.RangeIndex(len(table))
    used = _used(model, index)
    places = _places(table, index)
    if exog is None or used is None or places is None:
        return None
    in_fit = np.full(len(index), -1)
    in_fit[used] = np.arange(len(used))
    fit_rows = in_fit[places]
    shared = np.flatnonzero(fit_rows >= 0)
    if len(shared) in (0, len(table)):
        return None
    shared = shared[probe_rows(len(shared))]
    try:
        rebuilt = design.matrix(table.take(shared))
    except ValueError:  # what the design lacks is said elsewhere
        return None
    expected = exog[fit_rows[shared]]
    same = rebuilt.shape == expected.shape and np.allclose(rebuilt, expected, rtol=1e-8)
    return fit_rows < 0 if same else None


def _used(model: Any, index: pd.Index) -> np.ndarray | None:
    """Where the rows of the fit are in its data, in the order of its design."""
    rows = rows_of_fit(model, len(index))
    labels = getattr(model.data, "row_labels", None)
    if rows is not None or labels is None or model.endog is None:
        return rows
    if len(labels) != len(model.endog):
        return rows
    # GEE's formula drops rows by itself, and keeps the labels of the others.
    known = index.is_unique and pd.Index(labels).isin(index).all()
    return index.get_indexer(labels) if known else None


def _places(table: Table, index: pd.Index) -> np.ndarray | None:
    """Where each row of a table is in the fit's data; None where some are not in it."""
    labels, by_place = table.index, np.arange(len(index))
    if table.given.pandas_like and not labels.equals(index):
        if index.is_unique and labels.is_unique:
            places = index.get_indexer(labels)
            if (places >= 0).all():
                return places
        if not labels.equals(pd.RangeIndex(len(labels))):
            return None
    return by_place if len(table) == len(index) else None


def unused_note(unused: np.ndarray) -> str:
    """A sentence under a summary."""
    return (
        f"{np.count_nonzero(unused):,} of the {len(unused):,} rows do not count: the fit "
        "did not use them, since their outcome is missing, for example."
    )
