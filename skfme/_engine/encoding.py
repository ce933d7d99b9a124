"""A batch's values as the codes that the kernels walk on.

Each column of a packed ensemble is coded once for the rows and once more for every
effect that changes it; a path also keeps the line that its values move along.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skfme._engine.ensembles import Ensemble
from skfme._engine.inputs import Features
from skfme._engine.kernels import encode, encode_step
from skfme._engine.packing import Column, Packed
from skfme._engine.refusals import RowsNotReadError

__all__ = ["Codes", "Move", "category_places", "encoded"]

# Within so many units in the last place, a threshold is at the end of a path.
_ROUNDING_ULPS = 2


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


@dataclass(frozen=True)
class Codes:
    """What the kernels walk on.

    Attributes
    ----------
    own : ndarray of shape (n_rows, n_columns), uint64
    either : ndarray of shape (n_rows, n_columns + n_entries), uint32
        As :func:`skfme._engine.kernels.encode` makes them.
    entries : tuple of ndarray
        Where in `either` each column's entries start, their effects, and where an
        effect's code of a column is.
    lines : ndarray of shape (n_rows, n_entries, 3)
        As :func:`skfme._engine.jumps.log_jumps` takes them; no entries if not asked
        for.
    """

    own: np.ndarray
    either: np.ndarray
    entries: tuple[np.ndarray, np.ndarray, np.ndarray]
    lines: np.ndarray


@dataclass(frozen=True)
class _Entry:
    """One effect's values of one column."""

    place: int
    effect: int
    column: Column
    values: np.ndarray


def encoded(
    packed: Packed, single: bool, base: Features, moves: Sequence[Move], lines: bool
) -> Codes:
    """Code the columns before some moves, and those that the moves change.

    Parameters
    ----------
    packed : Packed
    single : bool
        Whether values are compared in single precision.
    base : dict of int -> ndarray of shape (n_rows,)
        Features before the moves; places of the categories where they are coded.
    moves : sequence of Move
        That start at the same values.
    lines : bool
        Whether the paths are asked for as well.
    """
    columns, n_rows = packed.columns, len(moves[0].counted)
    changed = [
        _Entry(place, effect, column, move.end[column.feature])
        for place, column in enumerate(columns)
        for effect, move in enumerate(moves)
        if column.feature in move.end
    ]
    own = np.zeros((n_rows, len(columns)), dtype=np.uint64)
    either = np.zeros((n_rows, len(columns) + len(changed)), dtype=np.uint32)
    for place, column in enumerate(columns[1:], start=1):
        encode(base[column.feature], *_how(column, single), place, own, either)
    for k, entry in enumerate(changed, start=len(columns)):
        how, counted = _how(entry.column, single), moves[entry.effect].counted
        encode_step(entry.values, counted, *how, entry.place, own, either, k)
    paths = np.empty((n_rows, len(changed) if lines else 0, 3))
    for k, entry in enumerate(changed if lines else []):
        paths[:, k] = _line(base[entry.column.feature], entry.values, single)
    return Codes(own, either, _entries(changed, len(columns), len(moves)), paths)


def category_places(ensemble: Ensemble, features: Features) -> Features:
    """Categories by their place among those that the splits know.

    Unknown ones and missing values come after the last.

    Raises
    ------
    RowsNotReadError
        If a category is no whole number, or too large for the model's own type.
    """
    return features | {
        feature: _places(known, features[feature], ensemble.largest_category)
        for feature, known in ensemble.categories.items()
        if feature in features
    }


def _places(known: np.ndarray, values: np.ndarray, largest: int) -> np.ndarray:
    missing = np.isnan(values)
    whole = np.where(missing, 0, values)
    if (whole != np.trunc(whole)).any():
        raise RowsNotReadError("a category is not a whole number")
    if whole.max(initial=0) > largest:
        raise RowsNotReadError("a category is too large a number")
    place = np.minimum(np.searchsorted(known, whole), len(known) - 1)
    places = np.where(known[place] == whole, place, len(known))
    return np.where(missing, len(known) + 1, places).astype(np.float64)


def _how(column: Column, single: bool) -> tuple:
    """How a column's values become codes, as the kernels take it."""
    grid = (column.cuts, column.grid, column.low, column.scale)
    return (*grid, column.missing_code, single)


def _line(low: np.ndarray, high: np.ndarray, single: bool) -> np.ndarray:
    """Where paths start, one over how far they go, and which share is rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / (high - low)
        ulp = np.finfo(np.float32 if single else np.float64).eps
        largest = np.maximum(np.abs(low), np.abs(high))
        rounding = _ROUNDING_ULPS * ulp * largest * np.abs(inverse)
    return np.stack([low, inverse, rounding], axis=1)


def _entries(
    changed: Sequence[_Entry], n_columns: int, n_effects: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    column = np.array([entry.place for entry in changed], dtype=np.int64)
    effect = np.array([entry.effect for entry in changed], dtype=np.int64)
    place = np.tile(np.arange(n_columns), (n_effects, 1))
    place[effect, column] = n_columns + np.arange(len(changed))
    return (
        n_columns + np.searchsorted(column, np.arange(n_columns + 1)),
        np.concatenate([np.full(n_columns, -1), effect]),
        place,
    )
