"""A batch's values before and after some moves, as the kernels take them.

Numbers and categories stand in one row for each feature, and in one for each feature
that a move changes. Codes are made of the values where they are walked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from skfme._engine.refusals import RowsNotReadError
from skfme._engine.trees.ensembles import Ensemble
from skfme._engine.trees.inputs import Features
from skfme._frames.tables import Rows

__all__ = ["Move", "Values", "values_of"]

_SINGLE_MAX = float(np.finfo(np.float32).max)
_SHORTEST = 2.0**-1022  # of a way; one over a shorter one may be infinite


@dataclass(frozen=True)
class Move:
    """A change of features, from the row's own values or from others.

    Attributes
    ----------
    start, end : dict of int -> ndarray of shape (n_rows,)
        The features that differ from the row's own before and after the move.
    counted : ndarray of shape (n_rows,), bool
        Other rows stay where they are.
    """

    start: Features
    end: Features
    counted: np.ndarray

    def has_shares(self, before: Features) -> bool:
        """Whether floats hold the length of every way, and one over it; some may have none.

        Parameters
        ----------
        before : Features
            The rows' own.
        """
        for j, end in self.end.items():
            with np.errstate(over="ignore", invalid="ignore"):
                length = np.abs(end - self.start.get(j, before[j]))
            if np.fmax.reduce(length, initial=0.0) == np.inf:
                return False
            short = length < _SHORTEST
            if short.any() and (length[short] > 0).any():
                return False
        return True

    def at(self, rows: Rows) -> Move:
        """The same move of some of the rows."""
        start, end = (
            {j: values[rows] for j, values in features.items()}
            for features in (self.start, self.end)
        )
        return Move(start, end, self.counted[rows])


@dataclass(frozen=True)
class Values:
    """Values before and after some moves that start alike.

    Attributes
    ----------
    base : ndarray of shape (n_features, n_rows)
        Places of the categories where they are coded; NaN where missing.
    ends : ndarray of shape (n_ends, n_rows)
        Those of the rows that do not count are the row's own.
    row_of : dict of (int, int) -> int
        Which of the ends are of a feature and an effect.
    missing : bool
        Whether any value is missing.
    """

    base: np.ndarray
    ends: np.ndarray
    row_of: Mapping[tuple[int, int], int]
    missing: bool


def values_of(ensemble: Ensemble, features: Features, moves: Sequence[Move]) -> Values:
    """Lay out a batch's values.

    Parameters
    ----------
    ensemble : Ensemble
    features : dict of int -> ndarray of shape (n_rows,)
        All features of the rows themselves.
    moves : sequence of Move
        That start at the same values.

    Raises
    ------
    RowsNotReadError
        If a value is too large for the model's own type of numbers, or a category
        is no whole number.
    """
    before = features | moves[0].start
    base = np.stack([_places(ensemble, j, before[j]) for j in range(len(before))])
    named = [(feature, e) for e, move in enumerate(moves) for feature in move.end]
    ends = np.empty((len(named), base.shape[1]))
    for row, (feature, e) in zip(ends, named, strict=True):
        row[:] = _places(ensemble, feature, moves[e].end[feature])
        if not moves[e].counted.all():
            np.copyto(row, base[feature], where=~moves[e].counted)
    if ensemble.precision.single and max(map(_largest, (base, ends))) > _SINGLE_MAX:
        raise RowsNotReadError("values are too large for single precision")
    missing = any(np.isnan(values.min(initial=0.0)) for values in (base, ends))
    return Values(base, ends, {at: k for k, at in enumerate(named)}, missing)


def _largest(values: np.ndarray) -> float:
    """The largest magnitude."""
    low = np.fmin.reduce(values, axis=None, initial=0.0)
    return float(max(-low, np.fmax.reduce(values, axis=None, initial=0.0)))


def _places(ensemble: Ensemble, feature: int, values: np.ndarray) -> np.ndarray:
    """Categories by their place among those that the splits mention; numbers as given.

    Other ones and missing values come after the last.
    """
    if feature not in ensemble.categories:
        return values
    categories = ensemble.categories[feature]
    missing = np.isnan(values)
    whole = np.where(missing, 0, values)
    if (whole != np.trunc(whole)).any():
        raise RowsNotReadError("a category is not a whole number")
    if whole.max(initial=0) > ensemble.precision.largest_category:
        raise RowsNotReadError("a category is too large a number")
    nearest = np.minimum(np.searchsorted(categories, whole), len(categories) - 1)
    places = np.where(categories[nearest] == whole, nearest, len(categories))
    return np.where(missing, len(categories) + 1, places).astype(np.float64)
