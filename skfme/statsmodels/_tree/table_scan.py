"""What one pass over a table shows of its columns, for a tree that is grown over batches.

Kinds, levels in their order, scales of dates, decimals, means and SDs: what a tree learns
of a table at hand (:mod:`skfme.statsmodels._tree.covariates`), merged batch by batch.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import replace

import numpy as np

from skfme._frames.columns import declared_categories, is_coded, missing_in
from skfme._frames.schema import Column, describe_column, joint_column
from skfme._frames.tables import Table
from skfme._frames.time_scale import TimeScale, time_scale
from skfme._summaries.weighting import Weighting
from skfme.statsmodels._tree.covariates import (
    Covariate,
    covariate_of,
    decimals_of,
    refuse_columns,
    refuse_levels,
)
from skfme.statsmodels._tree.nodes import Spread

__all__ = ["ColumnScan", "standardised"]

_MANY_LEVELS = 10_000  # from which on they are looked at before the end


class ColumnScan:
    """One column, as far as batches have shown it.

    Parameters
    ----------
    position : int
    categorical : bool
        Whether its numbers are categories.
    """

    def __init__(self, position: int, categorical: bool) -> None:
        self._position, self._categorical = position, categorical
        self.column: Column | None = None
        self._scale: TimeScale | None = None
        self._decimals: int | None = 0
        self._has_missing = False
        self._spread = Spread(0, 0.0, 0.0, 0.0, 0.0)
        self._range = math.inf, -math.inf
        self._counts: Counter[Hashable] = Counter()
        self._declared: list | None = None

    def add(self, table: Table) -> None:
        """Look at some more rows."""
        entries = table.column(self._position)
        missing = missing_in(entries)
        self._has_missing |= bool(missing.any())
        if missing.all() and self.column is not None:
            return
        column = describe_column(table, self._position, categorical=self._categorical)
        refuse_columns(table, [column])
        declared = declared_categories(entries)[0] if is_coded(entries) else None
        scale = time_scale(entries) if column.kind == "datetime" else None
        self._join(column, declared, scale)
        covariate = covariate_of(table, column, self._scale)
        if covariate.numeric:
            self._add_numbers(covariate.values[covariate.observed(covariate.values)])
            return
        codes = covariate.values[covariate.values >= 0]
        counts = np.bincount(codes, minlength=len(column.categories)).tolist()
        self._counts.update(dict(zip(column.categories, counts, strict=True)))
        if len(self._counts) > _MANY_LEVELS:
            assert self.column is not None
            refuse_levels(self.column, self._n_observed)

    def merge(self, other: ColumnScan) -> None:
        """Add what a scan of other rows has seen."""
        self._has_missing |= other._has_missing
        if other.column is None or (self.column is not None and not other._n_observed):
            return
        self._join(other.column, other._declared, other._scale)
        self._spread = self._spread.merged(other._spread)
        (low, high), (other_low, other_high) = self._range, other._range
        self._range = min(low, other_low), max(high, other_high)
        if self._decimals is not None:
            both = other._decimals
            self._decimals = None if both is None else max(self._decimals, both)
        self._counts.update(other._counts)

    def _join(
        self, column: Column, declared: list | None, scale: TimeScale | None
    ) -> None:
        """Learn of the same column in other rows; before their numbers are added."""
        known = self.column if self._n_observed else None
        if known is None:
            self.column, self._declared, self._scale = column, declared, scale
            return
        self.column = joint_column(known, column, declared)
        self._declared = declared
        if scale is not None:
            before = self._scale or scale
            self._scale = replace(before, finer=before.finer or scale.finer)

    def _add_numbers(self, values: np.ndarray) -> None:
        if not len(values):
            return
        with np.errstate(over="ignore", invalid="ignore"):
            new = Spread.of(values, Weighting(None, len(values)))
            self._spread = self._spread.merged(new)
        low, high = self._range
        self._range = min(low, float(values.min())), max(high, float(values.max()))
        if self._decimals is not None and self._scale is None:
            decimals = decimals_of(values)
            both = None if decimals is None else max(self._decimals, decimals)
            self._decimals = both

    @property
    def _n_observed(self) -> int:
        return self._spread.n + sum(self._counts.values())

    def learned(self) -> tuple[Covariate, float, float]:
        """The covariate, without values; mean and SD of its numbers or ranks.

        The SD is infinite of a constant.

        Raises
        ------
        ValueError
            If its categories name rows rather than groups, or its numbers are too large.
        TypeError
            If its categories are of several types.
        """
        column = self.column
        assert column is not None
        refuse_levels(column, self._n_observed)
        name, missing = column.name, self._has_missing
        if column.kind in ("numeric", "datetime"):
            decimals = None if self._scale is not None else self._decimals
            covariate = Covariate(
                name, "numeric", (), np.empty(0), missing, (), self._scale, decimals
            )
            return covariate, *self._mean_and_sd(self._spread, *self._range)
        kind = "ordered" if column.ordered else "unordered"
        codes = np.empty(0, dtype=np.intp)
        covariate = Covariate(
            name, kind, column.categories, codes, missing, column.ranks
        )
        if kind == "unordered" or not column.ranks:
            return covariate, 0.0, math.inf
        counts = np.array([self._counts[level] for level in column.categories], float)
        spread = Spread.of(
            np.array(column.ranks, float), Weighting(counts, len(counts))
        )
        return covariate, *self._mean_and_sd(spread, column.ranks[0], column.ranks[-1])

    def _mean_and_sd(
        self, spread: Spread, low: float, high: float
    ) -> tuple[float, float]:
        if low >= high:
            return 0.0, math.inf
        sd = math.sqrt(spread.ss / spread.weight)
        if not 0 < sd < math.inf:
            assert self.column is not None
            raise ValueError(
                f"The numbers of {self.column.name!r} have squares beyond the range of "
                f"floats (from {low:.3g} to {high:.3g}). Give it in other units, or leave "
                f"it out: drop=[{self.column.name!r}]."
            )
        return spread.mean, sd


def standardised(covariate: Covariate, mean: float, sd: float) -> np.ndarray:
    """Numbers or ranks of a column in the root's SDs about its mean; NaN if missing."""
    if covariate.numeric:
        values = covariate.values
    else:  # the last entry is for missing ones, whose code is −1
        values = np.array([*covariate.ranks, np.nan], dtype=float)[covariate.values]
    return (values - mean) / sd
