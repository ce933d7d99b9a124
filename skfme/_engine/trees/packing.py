"""An ensemble in the form that the kernels walk through, and values as its codes.

A column here is a feature as the trees look at it. Where values may be missing, a
feature has two: one whose missing values lie above all cuts, for the nodes that send
them right, and one whose missing values lie below, for those that send them left, so
that no walk has to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.compiled.coding import (
    COARSE,
    CODE_AT,
    HIGH_AT,
    Coding,
    Entries,
)
from skfme._engine.trees.compiled.descent import (
    COLUMN_AT,
    LEAF,
    MOST_CODES,
    MOST_COLUMNS,
    MOST_NODES,
    Categories,
    Forest,
)
from skfme._engine.trees.compiled.small_paths import PassedNodes
from skfme._engine.trees.compiled.small_trees import Crossed
from skfme._engine.trees.encoding import Values
from skfme._engine.trees.ensembles import Ensemble, passed
from skfme._engine.trees.small_paths import passed_by
from skfme._engine.trees.small_trees import SmallLayout, crossed_by, small_layout

__all__ = ["Packed", "entries_of", "pack"]

_U = np.uint64
# Most buckets of a column are to hold no cut, so that nothing is searched for, but not
# more of them than stay in the processor's nearest cache.
_BUCKETS_A_CUT, _MOST_SPARE_BUCKETS = 8, 2**12


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
    ensemble : Ensemble
    """

    forest: Forest
    categories: Categories | None
    coding: Coding
    ensemble: Ensemble
    _last: dict[str, tuple[np.ndarray, Any]] = field(default_factory=dict, init=False)

    @cached_property
    def small(self) -> SmallLayout | None:
        """The same trees to be walked 64 rows at a time; None if they are large."""
        column = (self.forest.links >> _U(COLUMN_AT)).astype(np.int64)
        return small_layout(self.ensemble, column)

    def crossed(self, entries: Entries) -> Crossed | None:
        """Where effects cross small trees; None where they are walked row by row."""
        return None if self.small is None else self._found(crossed_by, entries)

    def passed(self, entries: Entries) -> PassedNodes | None:
        """Where paths pass their nodes; None where they are followed one by one."""
        return None if self.small is None else self._found(passed_by, entries)

    def _found(self, find: Callable, entries: Entries) -> Any:
        """What a function finds; the batches of a table ask alike."""
        place, found = self._last.get(find.__name__, (None, None))
        if place is None or not np.array_equal(place, entries.place):
            found = find(self.small, entries)
            self._last[find.__name__] = (entries.place, found)
        return found


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
    coding = _coding(ensemble, features, len(numeric))
    forest = Forest(
        _links(ensemble, features, len(below)),
        _tests(ensemble, coding.coarse),
        _writable(ensemble.value),
        _writable(ensemble.first),
        _writable(ensemble.depth),
        _writable(ensemble.output),
        _writable(ensemble.thin_out),
    )
    first = len(features) - len(categorical)
    categories = Categories(first, _writable(ensemble.sets)) if categorical else None
    return Packed(forest, categories, coding, ensemble)


def _coding(ensemble: Ensemble, features: list[int], n_numeric: int) -> Coding:
    cuts = [_cuts(ensemble, j) for j in features]
    every, single = np.concatenate(cuts), ensemble.precision.single
    missing_code = np.zeros(len(features), dtype=np.int64)
    above = slice(1, 1 + n_numeric)
    missing_code[above] = [len(values) for values in cuts[above]]
    grid, low, scale = zip(*map(_grid, cuts), strict=True)
    return Coding(
        feature=np.array(features, dtype=np.int64),
        cuts=np.append(every, np.inf),
        cut_first=np.cumsum([0, *map(len, cuts)]),
        passed=passed(every) if single else every,
        grid=np.concatenate(grid),
        grid_first=np.cumsum([0, *map(len, grid)]),
        low=np.array(low),
        scale=np.array(scale),
        halvings=np.array([_halvings(counts) for counts in grid]),
        missing_code=missing_code,
        coarse=_coarse(max(map(len, cuts))),
        single=single,
    )


def _halvings(grid: np.ndarray) -> int:
    """Of the cuts in the fullest bucket, until one is found."""
    return int(np.diff(grid).max()).bit_length()


def _coarse(most_cuts: int) -> int:
    """By how many bits the lowest and highest codes are cut short to fit."""
    return int(most_cuts >= COARSE)


def _cuts(ensemble: Ensemble, feature: int) -> np.ndarray:
    if feature in ensemble.categories:
        # A category's code is its own: there is a cut below each but the first.
        return np.arange(len(ensemble.categories[feature]) + 1) + 0.5
    return ensemble.cuts.get(feature, np.empty(0))


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


def _links(ensemble: Ensemble, features: list[int], n_below: int) -> np.ndarray:
    """The child of each node, and the column that it looks at.

    The first `n_below` columns after the leaves' have missing values above all cuts, and
    as many after them have those below, for the nodes that send them left.
    """
    column_of = np.zeros(max(features) + 2, dtype=np.int64)  # a leaf's is 0
    column_of[features[::-1]] = np.arange(len(features))[::-1]
    column = column_of[ensemble.feature]
    column[ensemble.missing_left & (column > 0) & (column <= n_below)] += n_below
    return ensemble.child.astype(np.uint64) | (
        column.astype(np.uint64) << _U(COLUMN_AT)
    )


def _tests(ensemble: Ensemble, coarse: int) -> np.ndarray:
    """What is subtracted from the codes of a row at each node."""
    is_leaf = ensemble.feature < 0
    rank = np.where(is_leaf, LEAF, ensemble.rank.astype(np.uint64))
    end = np.minimum((rank >> _U(coarse)) + _U(1), COARSE)
    return end | ((rank + _U(1)) << CODE_AT) | (end << HIGH_AT)


def _grid(cuts: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Cuts below each of some evenly spaced buckets, the lowest cut, and the scale.

    A value's bucket only says where to look for its code: rounding moves values and
    cuts alike, so that the code itself is exact.
    """
    finite = cuts[np.isfinite(cuts)]
    n = max(len(finite), min(_BUCKETS_A_CUT * len(finite), _MOST_SPARE_BUCKETS), 1)
    low, high = (finite[0], finite[-1]) if len(finite) else (np.float64(0),) * 2
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        scale = n / (high - low)
        if not np.isfinite(scale):
            scale = np.float64(0)
        bucket = np.nan_to_num((cuts - low) * scale, nan=n - 1, posinf=n - 1)
    bucket = np.clip(bucket, 0, n - 1).astype(np.int64)
    counts = np.searchsorted(bucket, np.arange(n + 1), side="left")
    return counts.astype(np.int32), float(low), float(scale)


def entries_of(coding: Coding, values: Values, n_effects: int) -> Entries:
    """Which columns of a packed ensemble the ends concern."""
    columns_of: dict[int, list[int]] = {}
    for at, feature in enumerate(coding.feature.tolist()):
        columns_of.setdefault(feature, []).append(at)
    named = sorted(
        (at, effect, row)
        for (feature, effect), row in values.row_of.items()
        for at in columns_of.get(feature, ())
    )
    n_columns = len(coding.feature)
    column, effect, row = np.array(named, dtype=np.int64).reshape(-1, 3).T.copy()
    # Small, as it is looked into at every node.
    place = np.tile(np.arange(n_columns, dtype=np.uint32), (n_effects, 1))
    place[effect, column] = n_columns + np.arange(len(named))
    return Entries(
        first=n_columns + np.searchsorted(column, np.arange(n_columns + 1)),
        effect=np.concatenate([np.zeros(n_columns, dtype=np.int64), effect]),
        column=column,
        row=row,
        place=place,
    )
