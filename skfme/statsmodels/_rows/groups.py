"""Which group each row is in: by columns of the table, or by labels beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.groups import groups_in, row_labels
from skfme._frames.tables import Table
from skfme.statsmodels._inference.names import refuse_taken_columns

__all__ = ["Groups", "complete_labels"]


@dataclass(frozen=True)
class Groups:
    """Which group each row is in, and the labels of the groups.

    Attributes
    ----------
    codes : ndarray of shape (n,), int
    keys : DataFrame of n_groups rows
        Without columns where there is one group of all rows.
    """

    codes: np.ndarray
    keys: pd.DataFrame

    @classmethod
    def of(cls, table: Table, by: Any) -> Groups:
        """By columns of the table, or labels of its rows; None is one group."""
        if by is None:
            return cls(np.zeros(len(table), dtype=int), pd.DataFrame(index=[0]))
        labels = row_labels(table, by)
        refuse_taken_columns(labels)
        return cls.of_labels(labels)

    @classmethod
    def of_labels(cls, labels: pd.DataFrame) -> Groups:
        """By label, in the order of groups; missing ones are a group of their own."""
        return cls(*groups_in(labels))


def complete_labels(
    table: Table, by: Any, rows: np.ndarray, what: str = "by"
) -> pd.DataFrame:
    """Labels of the rows that count, indexed by their positions in the table.

    Raises
    ------
    ValueError
        If `by` fits neither the columns nor the rows, or a label is missing.
    """
    labels = row_labels(table, by, what).iloc[rows]
    missing = np.flatnonzero(labels.isna().any(axis=1))
    if len(missing):
        raise ValueError(
            f"{what} is missing in {len(missing)} of {len(rows)} rows that count (the "
            f"first is row {rows[missing[0]]}). Fill the labels in, or give these rows a "
            "label of their own."
        )
    return labels
