"""Ranges within groups: where rows of each category, or of each of two integers, lie.

A row that is moved into another group, such as from untreated to treated, is compared with
the rows that are there (common support). Ranges over all rows live beside this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import ColumnData, category_codes, numbers_in
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._summaries.weighted import weighted_quantiles
from skfme._summaries.weighting import Weighting

__all__ = ["GroupRanges", "grouping_columns"]


def grouping_columns(table: Table, columns: Sequence[Column]) -> dict[int, tuple]:
    """The levels of each column of categories, or of two integers, by position."""
    levels: dict[int, tuple] = {}
    for column in columns:
        if column.kind == "categorical":
            levels[column.position] = column.categories
        elif column.integer:
            values = numbers_in(table.column(column.position))
            distinct = np.unique(values[~np.isnan(values.astype(float))])
            if len(distinct) == 2:
                levels[column.position] = tuple(distinct.tolist())
    return levels


@dataclass(frozen=True)
class GroupRanges:
    """Where the rows of each level of one column lie.

    Attributes
    ----------
    levels : tuple of length n_levels
    bounds : mapping of int -> (ndarray, ndarray) of shape (n_levels,)
        Lowest and highest value of other columns; missing for a level without any.
    """

    levels: tuple
    bounds: Mapping[int, tuple[np.ndarray, np.ndarray]]

    @classmethod
    def learn(
        cls,
        table: Table,
        position: int,
        levels: tuple,
        ranged: Iterable[int],
        quantiles: np.ndarray | None,
        weights: Weighting,
    ) -> GroupRanges:
        """The ranges, or quantiles, of some columns within the levels of another."""
        codes = category_codes(table.column(position), levels)
        bounds = {}
        for other in ranged:
            if other == position:
                continue
            values = numbers_in(table.column(other))
            if quantiles is not None and values.dtype.kind not in "mM":
                bounds[other] = _quantiles(
                    values, codes, len(levels), quantiles, weights
                )
                continue
            by_level = pd.Series(values).groupby(codes)
            low, high = (
                extreme.reindex(range(len(levels))).to_numpy()
                for extreme in (by_level.min(), by_level.max())
            )
            bounds[other] = low, high
        return cls(levels, bounds)

    def outside(
        self, table: Table, changed: Mapping[int, ColumnData], group: ColumnData
    ) -> np.ndarray:
        """Rows outside the ranges of the group that they are moved into."""
        codes = category_codes(group, self.levels)
        outside = np.zeros(len(table), dtype=bool)
        for position, (low, high) in self.bounds.items():
            column = changed.get(position)
            values: Any = numbers_in(
                table.column(position) if column is None else column
            )
            outside |= (values < low[codes]) | (values > high[codes])
        return outside & (codes >= 0)


def _quantiles(
    values: np.ndarray,
    codes: np.ndarray,
    n_levels: int,
    quantiles: np.ndarray,
    weights: Weighting,
) -> tuple[np.ndarray, np.ndarray]:
    """Weighted quantiles of the values of each level."""
    values = values.astype(float)
    bounds = np.full((n_levels, 2), np.nan)
    for level in range(n_levels):
        rows = np.flatnonzero((codes == level) & ~np.isnan(values))
        if len(rows):
            bounds[level] = weighted_quantiles(
                values[rows], quantiles, weights.take(rows)
            )
    return bounds[:, 0], bounds[:, 1]
