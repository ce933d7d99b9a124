"""An ensemble in the form that the kernels walk through, and values as its codes.

A column here is a feature as the trees look at it. Where values may be missing, a
feature has two: one whose missing values lie above all cuts, for the nodes that send
them right, and one whose missing values lie below, for those that send them left, so
that no walk has to ask.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.compiled.coding import Coding
from skfme._engine.trees.compiled.descent import (
    CHILD_BITS,
    COLUMN_BITS,
    MOST_CODES,
    MOST_COLUMNS,
    MOST_NODES,
    Categories,
    Forest,
)
from skfme._engine.trees.ensembles import Ensemble

__all__ = ["Packed", "pack"]


@dataclass(frozen=True)
class Packed:
    """An ensemble ready to be walked.

    Attributes
    ----------
    forest : Forest
    categories : Categories or None
        None without categorical columns.
    coding : Coding
        Numeric columns first; the very first is one that only leaves look at.
    """

    forest: Forest
    categories: Categories | None
    coding: Coding


def pack(ensemble: Ensemble, missing: bool) -> Packed:
    """Lay out an ensemble for values that may be missing, or for complete ones.

    Raises
    ------
    ModelNotReadError
        If it is too large for the layout.
    """
    numeric, categorical = sorted(ensemble.cuts), sorted(ensemble.categories)
    below = numeric if missing else []
    features = [-1, *numeric, *below, *categorical]
    _check_size(ensemble, len(features))
    cuts = [np.empty(0), *(ensemble.cuts[j] for j in (*numeric, *below))]
    # A category's code is its own: there is a cut below each but the first.
    cuts += [np.arange(len(ensemble.categories[j]) + 1) + 0.5 for j in categorical]
    missing_code = np.zeros(len(features), dtype=np.int64)
    missing_code[1 : 1 + len(numeric)] = [len(ensemble.cuts[j]) for j in numeric]
    n_numeric = len(features) - len(categorical)
    grid, low, scale = zip(*map(_grid, cuts), strict=True)
    coding = Coding(
        np.array(features, dtype=np.int64),
        np.concatenate(cuts),
        np.cumsum([0, *map(len, cuts)]),
        _passed(np.concatenate(cuts), ensemble.single),
        np.concatenate(grid),
        np.cumsum([0, *map(len, grid)]),
        np.array(low),
        np.array(scale),
        missing_code,
        ensemble.single,
    )
    words = _words(ensemble, numeric, categorical, n_numeric, missing)
    forest = Forest(
        words,
        _writable(ensemble.value),
        _writable(ensemble.first),
        _writable(ensemble.depth),
        _writable(ensemble.output),
        _writable(ensemble.thin_out),
    )
    categories = (
        Categories(n_numeric, _writable(ensemble.sets)) if categorical else None
    )
    return Packed(forest, categories, coding)


def _passed(cuts: np.ndarray, single: bool) -> np.ndarray:
    """Where values pass cuts: half way to the next number, if they are rounded."""
    if not single:
        return cuts
    with np.errstate(over="ignore"):
        above = np.nextafter(cuts.astype(np.float32), np.float32(np.inf))
    return np.where(np.isfinite(above), (cuts + above) / 2, cuts)


def _writable(array: np.ndarray) -> np.ndarray:
    """The same array, of the one layout that the kernels are compiled for."""
    return np.require(array, requirements=("C", "W"))


def _check_size(ensemble: Ensemble, n_columns: int) -> None:
    most_cuts = max((len(cuts) for cuts in ensemble.cuts.values()), default=0)
    if (
        np.diff(ensemble.first).max() >= MOST_NODES
        or max(most_cuts, len(ensemble.sets)) >= MOST_CODES
        or n_columns >= MOST_COLUMNS
    ):
        raise ModelNotReadError(
            f"it is too large: at most {MOST_NODES - 1:,} nodes a tree, "
            f"{MOST_CODES - 1:,} thresholds a feature and {MOST_COLUMNS - 1:,} features "
            "are read"
        )


def _words(
    ensemble: Ensemble,
    numeric: list[int],
    categorical: list[int],
    n_numeric: int,
    missing: bool,
) -> np.ndarray:
    inner = ensemble.feature >= 0
    column_of = np.zeros(max([*numeric, *categorical, 0]) + 1, dtype=np.int64)
    column_of[numeric] = 1 + np.arange(len(numeric))
    column_of[categorical] = n_numeric + np.arange(len(categorical))
    column = np.where(inner, column_of[np.where(inner, ensemble.feature, 0)], 0)
    if missing:
        column[ensemble.missing_left & inner & (column < n_numeric)] += len(numeric)
    rank = np.where(inner, ensemble.rank, MOST_CODES).astype(np.uint64)
    return (
        ensemble.child.astype(np.uint64)
        | (column.astype(np.uint64) << np.uint64(CHILD_BITS))
        | (rank << np.uint64(CHILD_BITS + COLUMN_BITS))
    )


def _grid(cuts: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Cuts below each of some evenly spaced buckets, the lowest cut, and the scale.

    A value's bucket only says where to look for its code: rounding moves values and
    cuts alike, so that the code itself is exact.
    """
    finite = cuts[np.isfinite(cuts)]
    n = max(len(finite), 1)
    low, high = (finite[0], finite[-1]) if len(finite) else (np.float64(0),) * 2
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scale = n / (high - low)
        if not np.isfinite(scale):
            scale = np.float64(0)
        bucket = np.nan_to_num((cuts - low) * scale, nan=n - 1, posinf=n - 1)
    bucket = np.clip(bucket, 0, n - 1).astype(np.int64)
    counts = np.searchsorted(bucket, np.arange(n + 1), side="left")
    return counts.astype(np.int32), float(low), float(scale)
