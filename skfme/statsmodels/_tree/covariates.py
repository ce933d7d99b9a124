"""What a tree is grown on: covariates, effects and weights, and splits of covariates.

A numeric covariate is the column's numbers (of dates, their microseconds), a
categorical one the positions of its entries among the levels seen in fit (−1 for missing
and unseen ones). A split sends
each row to one of two children; missing values, and levels that the node has not seen,
go where most rows of the node went. How splits are found lives elsewhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from numbers import Number
from typing import Any

import numpy as np
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d

from skfme._frames.checks import checked_weights
from skfme._frames.columns import (
    as_vector,
    category_codes,
    kind_of,
    missing_in,
    mixture_in,
    numbers_in,
)
from skfme._frames.given import array_of
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._frames.time_scale import TimeScale, time_scale
from skfme._summaries.weighting import Weighting

__all__ = [
    "Covariate",
    "Sample",
    "Split",
    "counted_rows",
    "covariate_of",
    "covariates_like",
    "decimals_of",
    "effects_in",
    "learned_covariates",
    "measures_in",
    "refuse_columns",
    "refuse_levels",
    "variance_explained",
]

_MOST_DECIMALS = 4
MOST_SMALL_LEVELS = 30
"""Categories that a column may have in however few rows."""


@dataclass(frozen=True)
class Covariate:
    """One column, as the tree sees it.

    Attributes
    ----------
    name : hashable
    kind : {"numeric", "ordered", "unordered"}
    levels : tuple
        Of a categorical column, in their order.
    values : ndarray of shape (n,)
        Floats (NaN where missing), or codes of the levels (−1 where unknown).
    has_missing : bool
    ranks : tuple of int
        Of an ordered column's levels, among those that it declares.
    scale : TimeScale or None
        Of a column of dates, which is numeric.
    decimals : int or None
        Of all numbers that it was learned from; None where these are many.
    """

    name: Hashable
    kind: str
    levels: tuple
    values: np.ndarray
    has_missing: bool
    ranks: tuple[int, ...] = ()
    scale: TimeScale | None = None
    decimals: int | None = None

    def without_values(self) -> Covariate:
        """What is kept of it beside a fitted tree."""
        decimals = None
        if self.numeric and self.scale is None:
            decimals = decimals_of(self.values)
        return replace(self, values=self.values[:0].copy(), decimals=decimals)

    @property
    def numeric(self) -> bool:
        return self.kind == "numeric"

    def observed(self, values: np.ndarray) -> np.ndarray:
        """Mask of the entries that are not missing."""
        return ~np.isnan(values) if self.numeric else values >= 0

    def take(self, rows: np.ndarray) -> Covariate:
        values = self.values[rows]
        missing = self.has_missing and not self.observed(values).all()
        return replace(self, values=values, has_missing=missing)


@dataclass(frozen=True)
class Split:
    """Which rows of a node go to the left child.

    Attributes
    ----------
    covariate : int
        Position among the covariates.
    cut : float or None
        Numeric: values up to it go left. Ordered: codes up to it.
    strict : bool
        Whether values at the cut go right, as in CART.
    left, right : tuple of int
        Unordered: codes of the levels on either side.
    default_left : bool
        Whether missing values, and levels that the node has not seen, go left.
    skipped : float
        Largest share of the node's rows between neighbouring cuts that were tried.
    """

    covariate: int
    cut: float | None = None
    strict: bool = False
    left: tuple[int, ...] = ()
    right: tuple[int, ...] = ()
    default_left: bool = False
    skipped: float = 0.0

    def goes_left(self, covariate: Covariate, values: np.ndarray) -> np.ndarray:
        """Mask of the entries of this split's covariate that go left."""
        if self.cut is None:
            sides = np.full(len(covariate.levels) + 1, self.default_left)
            sides[list(self.left)] = True
            sides[list(self.right)] = False
            return sides[values]  # −1 is the last entry, the default
        left = values < self.cut if self.strict else values <= self.cut
        if not covariate.has_missing or (not self.default_left and covariate.numeric):
            return left  # comparisons with NaN are false
        return np.where(covariate.observed(values), left, self.default_left)

    def level_sides(self, covariate: Covariate) -> tuple[tuple, tuple]:
        """Levels on either side; of an unordered factor, those that the node has seen."""
        levels = covariate.levels
        if self.cut is None:
            left, right = (
                [levels[c] for c in side] for side in (self.left, self.right)
            )
            return tuple(left), tuple(right)
        first_right = int(self.cut) + 1
        return levels[:first_right], levels[first_right:]


@dataclass(frozen=True)
class Sample:
    """Rows to grow a tree on.

    Attributes
    ----------
    covariates : tuple of Covariate
    effects : ndarray of shape (n,)
    weights : Weighting
        All positive.
    groups : ndarray of shape (n,) or None
        Rows kept together in honest halves and in folds.
    """

    covariates: tuple[Covariate, ...]
    effects: np.ndarray
    weights: Weighting
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.effects)

    @property
    def surely_finite(self) -> bool:
        """Whether the sums of all numbers are finite; if not, some may be missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            return all(np.isfinite(c.values.sum()) for c in self.covariates)

    def take(self, rows: np.ndarray) -> Sample:
        return Sample(
            tuple(c.take(rows) for c in self.covariates),
            self.effects[rows],
            self.weights.take(rows),
            None if self.groups is None else self.groups[rows],
        )


def learned_covariates(
    table: Table, columns: Sequence[Column]
) -> tuple[Covariate, ...]:
    """The columns that a tree is grown on, encoded.

    Raises
    ------
    TypeError
        If a column is neither numbers nor categories nor dates.
    ValueError
        If the categories of a column name rows rather than groups.
    """
    refuse_columns(table, columns)
    for column in columns:
        missing = missing_in(table.column(column.position))
        refuse_levels(column, len(table) - int(missing.sum()))
    scales = [
        time_scale(table.column(column.position)) if column.kind == "datetime" else None
        for column in columns
    ]
    return tuple(map(partial(covariate_of, table), columns, scales))


def decimals_of(values: np.ndarray) -> int | None:
    """How many decimals the numbers have, if they are few."""
    for decimals in range(_MOST_DECIMALS + 1):
        few, scale = values[:100], 10.0**decimals
        if all(
            np.array_equal(np.round(v * scale) / scale, v, True) for v in (few, values)
        ):
            return decimals
    return None


def covariates_like(
    learned: Sequence[Covariate], table: Table, columns: Sequence[Column]
) -> tuple[Covariate, ...]:
    """The same columns of another table, encoded by what fit learned of them."""
    scales = [covariate.scale for covariate in learned]
    return tuple(map(partial(covariate_of, table), columns, scales))


def covariate_of(table: Table, column: Column, scale: TimeScale | None) -> Covariate:
    entries = table.column(column.position)
    if column.kind in ("numeric", "datetime"):
        if scale is None:
            values = np.asarray(numbers_in(entries), dtype=float)
        else:
            values = scale.numbers(entries, column.name)
        # A sum is one fast pass, and NaN if any entry is.
        has_missing = bool(np.isnan(values.sum()) and np.isnan(values).any())
        return Covariate(column.name, "numeric", (), values, has_missing, scale=scale)
    codes = category_codes(entries, column.categories).astype(np.intp, copy=False)
    kind = "ordered" if column.ordered else "unordered"
    missing = bool(len(codes) and codes.min() < 0)
    return Covariate(column.name, kind, column.categories, codes, missing, column.ranks)


def refuse_columns(table: Table, columns: Sequence[Column]) -> None:
    """Refuse columns that no tree can split, by name."""
    for column in columns:
        mixture = mixture_in(table.column(column.position))
        if mixture is not None and column.kind == "other":
            raise _mixed(column, mixture)
        if column.kind == "other":
            raise TypeError(
                f"Column {column.name!r} holds {_what(table, column)}; a tree splits "
                "numbers, categories and dates: each argument must be a string or a "
                f"number. Convert the column, or leave it out: drop=[{column.name!r}]."
            )


def refuse_levels(column: Column, observed: int) -> None:
    """Refuse levels that are of several types, or that name rows, of those observed."""
    _refuse_names_of_rows(column, observed)
    families: dict[str, Any] = {}
    for level in column.categories:
        families.setdefault(_family(level), level)
    if len(families) > 1:
        examples = list(families.values())[:2]
        shown = (f"{e!r} of type {type(e).__name__}" for e in examples)
        raise _mixed(column, " and ".join(shown))


def _mixed(column: Column, examples: str) -> TypeError:
    return TypeError(
        f"Column {column.name!r} mixes types: {examples}. Make all its entries numbers, "
        "all of them booleans, or all of them text: each argument must be a string or a "
        f"number. Or leave the column out: drop=[{column.name!r}]."
    )


def _refuse_names_of_rows(column: Column, observed: int) -> None:
    """Refuse categories, such as ids, of which most rows have one of their own."""
    n_levels = len(column.categories)
    if column.ordered or n_levels <= MOST_SMALL_LEVELS:
        return
    if 2 * n_levels <= observed:
        return
    dates = all(isinstance(level, datetime.date) for level in column.categories)
    raise ValueError(
        f"Column {column.name!r} has {n_levels:,} categories in {observed:,} rows: they "
        "name rows rather than groups, and a tree that splits them fits noise. "
        + (
            "Make it a column of dates (pandas.to_datetime), or leave"
            if dates
            else "Leave"
        )
        + f" it out: drop=[{column.name!r}]."
    )


def _family(level: Any) -> str:
    if isinstance(level, (bool, np.bool_)):
        return "boolean"
    return "number" if isinstance(level, Number) else type(level).__name__


def _what(table: Table, column: Column) -> str:
    entries = table.column(column.position)
    if kind_of(entries) == "categorical":
        observed = entries[np.flatnonzero(~missing_in(entries))]
        types = sorted({type(entry).__name__ for entry in observed})
        return f"objects ({', '.join(types)})"
    return f"entries of type {entries.dtype}"


def effects_in(y: Any, table: Table) -> np.ndarray:
    """The effects as a vector of floats, NaN where a row has none."""
    shape = array_of(y, "y").shape
    if len(shape) == 2 and shape[1] > 1:
        raise ValueError(
            f"y has shape {shape}: the effects of {shape[1]} outputs. A tree partitions "
            "one: give effect.fme[:, k], or choose it with output= in "
            "skfme.came(effect, output=…)."
        )
    entries = column_or_1d(y, warn=True)
    if np.iscomplexobj(entries):
        raise ValueError(f"Complex data not supported\n{entries}\n")
    effects = np.array(entries, dtype=float)  # the user's own may change
    if len(effects) != len(table):
        raise ValueError(
            f"y has {len(effects)} effects, but X has {len(table)} rows; one per row is "
            "expected, NaN where a row does not count."
        )
    infinite = np.flatnonzero(np.isinf(effects))
    if len(infinite):
        raise ValueError(
            f"y contains infinity in {len(infinite)} rows (the first is row "
            f"{infinite[0]}); expected finite effects, or NaN where a row does not count."
        )
    return effects


def counted_rows(
    y: Any, sample_weight: Any, table: Table, weights_type: str
) -> tuple[np.ndarray, np.ndarray, Weighting]:
    """Positions of the rows with an effect and a weight; these effects and weights.

    Weights that are no frequencies come rescaled to sum to the number of these rows.
    """
    effects = effects_in(y, table)
    weights = checked_weights(sample_weight, table, weights_type)
    rows = _counting(effects, weights)
    return rows, effects[rows], weights.take(rows).rescaled()


def _counting(effects: np.ndarray, weights: Weighting) -> np.ndarray:
    counts = ~np.isnan(effects)
    if not counts.any():
        raise ValueError(
            "y is NaN in every row, so that there is no effect to partition."
        )
    counts &= weights.whole() > 0
    if not counts.any():
        raise ValueError("No row has both an effect and a positive sample_weight.")
    return np.flatnonzero(counts)


def measures_in(nlm: Any, table: Table, rows: np.ndarray) -> np.ndarray | None:
    """Non-linearity measures of the rows that count."""
    return (
        None if nlm is None else as_vector(nlm, len(table), "nlm")[rows].astype(float)
    )


def variance_explained(
    effects: np.ndarray, came: np.ndarray, weights: Weighting
) -> float:
    """R² over the rows that count."""
    rows = _counting(effects, weights)
    score = r2_score(effects[rows], came[rows], sample_weight=weights.take(rows).array)
    return float(score)
