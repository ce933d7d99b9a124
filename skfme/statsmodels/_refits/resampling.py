"""Which rows a resample holds: rows, or whole groups, drawn with replacement.

A unit is what is drawn: a row, or a group of rows that is kept whole; n_s units are
drawn from the n_s units of each stratum s. Models and effects are not known here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skfme._frames.columns import as_vector
from skfme._frames.groups import one_label
from skfme._frames.tables import Table

__all__ = ["Units", "check_count", "seed_sequence", "units_of"]

# Below this many units, draws with replacement repeat a few patterns, and quantiles
# of an estimate say little.
_FEW_UNITS = 10


@dataclass(frozen=True)
class Units:
    """The units of a table, and their strata.

    Attributes
    ----------
    codes : ndarray of int of shape (n_rows,)
        Unit of each row, from 0.
    stratum : ndarray of int of shape (n_units,)
        Stratum of each unit.
    """

    codes: np.ndarray
    stratum: np.ndarray

    @classmethod
    def of(cls, n_rows: int, groups: Any = None, stratify: Any = None) -> Units:
        """Read the units and strata of a table.

        Parameters
        ----------
        n_rows : int
        groups, stratify : array-like of shape (n_rows,), default=None

        Raises
        ------
        ValueError
            If an entry is missing, a length is wrong, a group lies in two strata, or
            there are fewer than two units in the table or in a stratum.
        """
        codes = np.arange(n_rows)
        if groups is not None:
            codes = _codes(groups, n_rows, "groups")[0]
        n_units = int(codes.max()) + 1
        unit = "row" if groups is None else "group"
        if n_units < 2:
            raise ValueError(
                f"Resampling draws {unit}s with replacement, but there is only one "
                f"{unit}, of which every resample would be a copy. Give two at least."
            )
        if n_units < _FEW_UNITS:
            warnings.warn(
                f"Resampling draws from {n_units} {unit}s only; intervals from so few "
                "are too short as a rule.",
                UserWarning,
                stacklevel=3,
            )
        if stratify is None:
            return cls(codes, np.zeros(n_units, dtype=np.intp))
        return cls(codes, _stratum_of_units(stratify, codes, unit))

    def __len__(self) -> int:
        return len(self.stratum)

    @cached_property
    def strata(self) -> list[np.ndarray]:
        """Units of each stratum."""
        return [np.flatnonzero(self.stratum == s) for s in np.unique(self.stratum)]

    @cached_property
    def sizes(self) -> np.ndarray:
        """Number of rows of each unit."""
        return np.bincount(self.codes)

    @cached_property
    def _sorted_rows(self) -> np.ndarray:
        """Rows, sorted by unit."""
        return np.argsort(self.codes, kind="stable")

    def rows_of(self, units: np.ndarray) -> np.ndarray:
        """Rows of the units named, those of a repeated unit repeated."""
        sizes = self.sizes[units]
        starts = np.cumsum(self.sizes) - self.sizes
        # From the place of a row in the result to its place among the sorted rows.
        shifts = starts[units] - (np.cumsum(sizes) - sizes)
        return self._sorted_rows[np.arange(sizes.sum()) + np.repeat(shifts, sizes)]

    def among(self, rows: np.ndarray) -> Units:
        """The units of some rows, which are numbered anew; these hold units whole."""
        units, codes = np.unique(self.codes[rows], return_inverse=True)
        return Units(codes, self.stratum[units])

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Rows of one resample."""
        units = [s[rng.integers(len(s), size=len(s))] for s in self.strata]
        return self.rows_of(np.concatenate(units))

    def draws(
        self, seed: np.random.SeedSequence, n_resamples: int, n_models: int = 1
    ) -> Iterator[tuple[Any, ...]]:
        """Rows of each resample, then a seed for each model that is fitted on them."""
        for child in seed.spawn(n_resamples):
            for_rows, *for_models = child.spawn(1 + n_models)
            yield self.drawn(np.random.default_rng(for_rows)), *for_models

    def left_out(self, most: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Rows that remain without each unit, or each of `most` random blocks of units.

        Blocks take their units from every stratum alike.
        """
        shuffled = np.concatenate([rng.permutation(units) for units in self.strata])
        n_blocks = min(len(self), most)
        block = np.empty(len(self), dtype=np.intp)
        block[shuffled] = np.arange(len(self)) % n_blocks
        return [self.rows_of(np.flatnonzero(block != b)) for b in range(n_blocks)]


def check_count(name: str, value: Any) -> None:
    """A number of repetitions; a variance needs two."""
    if not isinstance(value, Integral) or value < 2:
        raise ValueError(f"{name} must be a whole number of at least 2, got {value!r}.")


def units_of(table: Table, groups: Any, stratify: Any) -> Units:
    """The units of a table, whose groups and strata are columns or come beside it."""
    labels = [
        None if by is None else one_label(table, by, what)
        for by, what in ((groups, "groups"), (stratify, "stratify"))
    ]
    return Units.of(len(table), *labels)


def seed_sequence(random_state: Any) -> np.random.SeedSequence:
    """The root of all draws of a call, from what scikit-learn calls random_state."""
    entropy = check_random_state(random_state).randint(2**31 - 1, size=4)
    return np.random.SeedSequence([int(word) for word in entropy])


def _codes(values: Any, n_rows: int, name: str) -> tuple[np.ndarray, Any]:
    """Codes of the distinct entries in order of appearance, and these entries."""
    labels = as_vector(values, n_rows, name)
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(
            f"{name} is missing in {np.count_nonzero(missing)} rows (first in row "
            f"{int(np.argmax(missing))}). Leave these rows out, or give them an entry."
        )
    return pd.factorize(labels)


def _stratum_of_units(stratify: Any, codes: np.ndarray, unit: str) -> np.ndarray:
    """Stratum of each unit, given the unit of each row."""
    by_row, labels = _codes(stratify, len(codes), "stratify")
    by_unit = by_row[np.unique(codes, return_index=True)[1]]
    astray = np.flatnonzero(by_unit[codes] != by_row)
    if len(astray):
        raise ValueError(
            f"A group is drawn whole, within one stratum, but the group of row "
            f"{astray[0]} has rows in several strata. Give stratify the same entry in "
            "all rows of a group."
        )
    lone = labels[np.bincount(by_unit) < 2]
    if len(lone):
        raise ValueError(
            f"The strata {', '.join(map(str, lone[:5]))} have one {unit} each, of which "
            "every resample would hold a copy. Join them with others; stratify needs "
            "few distinct entries."
        )
    return by_unit
