"""Which rows a resample holds: rows, or whole groups, drawn with replacement.

Nothing here knows models or effects. A unit is what is drawn: a row, or a group of
rows that is kept whole; units are drawn within their stratum, as many as it has.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skfme._frames.columns import as_vector

__all__ = ["Units", "check_count", "seed_sequence"]

# Below this many units, draws with replacement repeat a few patterns, and quantiles
# of an estimate say little.
_FEW_UNITS = 10


@dataclass(frozen=True)
class Units:
    """The units of a table, and the rows of each.

    Attributes
    ----------
    order : ndarray of shape (n_rows,)
        Rows, sorted by unit.
    starts : ndarray of shape (n_units + 1,)
        Where each unit's rows begin in `order`.
    strata : tuple of ndarray
        Units of each stratum; together they are all units.
    """

    order: np.ndarray
    starts: np.ndarray
    strata: tuple[np.ndarray, ...]

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
        codes = np.arange(n_rows) if groups is None else _codes(groups, n_rows)[0]
        n_units = int(codes.max()) + 1
        what = "row" if groups is None else "group"
        if n_units < 2:
            raise ValueError(
                f"Resampling draws {what}s with replacement, but there is only one "
                f"{what}, of which every resample would be a copy. Give two at least."
            )
        if n_units < _FEW_UNITS:
            warnings.warn(
                f"Resampling draws from {n_units} {what}s only; intervals from so few "
                "are too short as a rule.",
                UserWarning,
                stacklevel=3,
            )
        order = np.argsort(codes, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
        strata: tuple[np.ndarray, ...] = (np.arange(n_units),)
        if stratify is not None:
            strata = _strata(stratify, codes, order[starts[:-1]], what)
        return cls(order, starts, strata)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def n_rows(self) -> int:
        return len(self.order)

    @property
    def codes(self) -> np.ndarray:
        """Unit of each row."""
        codes = np.empty(self.n_rows, dtype=np.intp)
        codes[self.order] = np.repeat(np.arange(len(self)), np.diff(self.starts))
        return codes

    def rows_of(self, units: np.ndarray) -> np.ndarray:
        """Rows of the units named, those of a repeated unit repeated."""
        lengths = np.diff(self.starts)[units]
        ends = np.cumsum(lengths)
        within = np.arange(int(ends[-1])) - np.repeat(ends - lengths, lengths)
        return self.order[np.repeat(self.starts[units], lengths) + within]

    def among(self, rows: np.ndarray) -> Units:
        """The units of some rows, which are numbered anew; these hold units whole."""
        old = self.codes[rows]
        codes = np.unique(old, return_inverse=True)[1]
        order = np.argsort(codes, kind="stable")
        kept = np.unique(old)
        stratum = np.empty(len(self), dtype=np.intp)
        for s, units in enumerate(self.strata):
            stratum[units] = s
        strata = tuple(
            np.flatnonzero(stratum[kept] == s) for s in range(len(self.strata))
        )
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
        return Units(order, starts, tuple(s for s in strata if len(s)))

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """Rows of one resample."""
        units = [s[rng.integers(len(s), size=len(s))] for s in self.strata]
        return self.rows_of(np.concatenate(units))

    def left_out(self, most: int, rng: np.random.Generator) -> list[np.ndarray]:
        """Rows that remain when each unit, or each of `most` random blocks, is gone.

        Blocks take their units from every stratum alike.
        """
        spread = np.concatenate([rng.permutation(units) for units in self.strata])
        block = np.empty(len(self), dtype=np.intp)
        n_blocks = min(len(self), most)
        block[spread] = np.arange(len(self)) % n_blocks
        return [self.rows_of(np.flatnonzero(block != b)) for b in range(n_blocks)]


def check_count(name: str, value: Any) -> None:
    """A number of repetitions; a variance needs two."""
    if not isinstance(value, Integral) or value < 2:
        raise ValueError(f"{name} must be a whole number of at least 2, got {value!r}.")


def seed_sequence(random_state: Any) -> np.random.SeedSequence:
    """The root of all draws of a call, from what scikit-learn calls random_state."""
    entropy = check_random_state(random_state).randint(2**31 - 1, size=4)
    return np.random.SeedSequence([int(word) for word in entropy])


def _codes(values: Any, n_rows: int, name: str = "groups") -> tuple[np.ndarray, Any]:
    """Codes of the distinct entries in order of appearance, and these entries."""
    labels = as_vector(values, n_rows, name)
    missing = pd.isna(labels)
    if missing.any():
        raise ValueError(
            f"{name} is missing in {np.count_nonzero(missing)} rows (first in row "
            f"{int(np.argmax(missing))}). Leave these rows out, or give them an entry."
        )
    return pd.factorize(labels)


def _strata(
    stratify: Any, codes: np.ndarray, firsts: np.ndarray, what: str
) -> tuple[np.ndarray, ...]:
    """Units of each stratum, given the unit of each row and a first row of each."""
    of_row, labels = _codes(stratify, len(codes), "stratify")
    of_unit = of_row[firsts]
    astray = np.flatnonzero(of_unit[codes] != of_row)
    if len(astray):
        raise ValueError(
            f"A group is drawn whole, within one stratum, but the group of row "
            f"{astray[0]} has rows in several strata. Give stratify the same entry in "
            "all rows of a group."
        )
    strata = tuple(np.flatnonzero(of_unit == s) for s in range(len(labels)))
    lone = [str(label) for label, s in zip(labels, strata, strict=True) if len(s) < 2]
    if lone:
        raise ValueError(
            f"The strata {', '.join(lone[:5])} have one {what} each, of which every "
            "resample would hold a copy. Join them with others; stratify wants few "
            "distinct entries."
        )
    return strata
