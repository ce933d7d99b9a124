"""Which group each row is in: by columns of the table, or by labels beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.groups import groups_in
from skfme._frames.tables import Table

__all__ = ["Groups"]

# Columns of the results' tables beside the groups'.
TAKEN = {
    *("effect", "output", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "p_adjusted"),
}


@dataclass(frozen=True)
class Groups:
    """Which group each row is in, and what tells the groups apart.

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
        """By columns of the table, or one label per row; None is one group."""
        if by is None:
            return cls(np.zeros(len(table), dtype=int), pd.DataFrame(index=[0]))
        groups = groups_in(table, by)
        taken = sorted(TAKEN & set(map(str, groups.columns)))
        if taken:
            raise ValueError(
                f"by names {taken[0]!r}, which is a column of the results' tables. Rename "
                "it, or give its values as a Series of another name."
            )
        return cls.of_labels(groups)

    @classmethod
    def of_labels(cls, labels: pd.DataFrame) -> Groups:
        """By label, in sorted order; missing ones are a group of their own."""
        grouped = labels.groupby(list(labels), dropna=False, observed=True, sort=True)
        codes = grouped.ngroup().to_numpy()
        _, first = np.unique(codes, return_index=True)
        return cls(codes, labels.iloc[first].reset_index(drop=True))
