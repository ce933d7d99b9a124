"""The response curve of a tree ensemble along one feature, exact at every value.

R_g(v) = Σ_{i in g} w_i f(x_i with x_ij := v) / Σ w_i is constant between the feature's
cuts. Without a link one walk of all rows sums it; with one, the margins of each row are
made for every piece before the link is applied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.refusals import RowsNotReadError
from skfme._engine.trees.compiled.coding import code_block
from skfme._engine.trees.compiled.curves import (
    CurveRows,
    add_curves,
    scratch_for,
    summed_up,
)
from skfme._engine.trees.compiled.descent import rows_for
from skfme._engine.trees.encoding import Move, values_of
from skfme._engine.trees.inputs import Features, Inputs, TransformedInputs
from skfme._engine.trees.packing import entries_of
from skfme._engine.trees.trees import TreeModel
from skfme._engine.trees.walks import Walks
from skfme._frames.tables import Table

__all__ = ["Grid", "PieceCurve", "piece_curves"]

_MOST_VALUES = 2**21  # of the margins of a block's rows: 32 MB with compensations
_MOST_ROWS = 2**14  # whose codes stay in the processor's caches


@dataclass(frozen=True)
class PieceCurve:
    """Average predictions along a feature, for several groups of rows.

    Attributes
    ----------
    cuts : ndarray of shape (n_pieces - 1,)
        Sorted; piece k holds the values above cut k − 1 and up to cut k.
    single : bool
        Whether the model rounds values to single precision before it compares them.
    response : ndarray of shape (n_groups, n_outputs, n_pieces)
    known : pair of ndarray of shape (n_known,), or None
        Values of the feature, and what transformers in front of the model make of them,
        in whose units the cuts are then.
    """

    cuts: np.ndarray
    single: bool
    response: np.ndarray
    known: tuple[np.ndarray, np.ndarray] | None = None

    def piece_of(self, values: np.ndarray) -> np.ndarray:
        """The piece that holds each value, of those known behind transformers."""
        if self.known is not None:
            own, made = self.known
            values = made[np.minimum(np.searchsorted(own, values), len(own) - 1)]
        read = values.astype(np.float32).astype(float) if self.single else values
        return np.searchsorted(self.cuts, read, side="left")

    def ends(
        self, pieces: np.ndarray, observed: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Ends of some pieces within the observed values, sorted ones of which each has.

        Behind transformers these are the piece's own least and greatest.
        """
        if self.known is None:
            cuts = np.concatenate([[-np.inf], self.cuts, [np.inf]])
            low = np.maximum(cuts[pieces], observed[0])
            return low, np.minimum(cuts[pieces + 1], observed[-1])
        held = self.piece_of(observed)
        last = np.searchsorted(held, pieces, side="right") - 1
        return observed[np.searchsorted(held, pieces)], observed[last]


@dataclass(frozen=True)
class _Free:
    """The tree's feature that a column is, and what becomes of the column's values."""

    feature: int | None
    known: tuple[np.ndarray, np.ndarray] | None


def piece_curves(
    model: TreeModel,
    table: Table,
    position: int,
    groups: np.ndarray,
    weight: np.ndarray,
    grid: Grid | None = None,
) -> PieceCurve:
    """Average predictions of groups of rows, at every value of one column.

    Parameters
    ----------
    model : TreeModel
    table : Table of n rows
    position : int
        The column, which holds numbers.
    groups : ndarray of shape (n,), int
        The group of each row, from 0; each has a row of positive weight.
    weight : ndarray of shape (n,)
    grid : Grid or None
        Rows at known values of the column; only needed behind transformers.

    Raises
    ------
    RowsNotReadError
        If a value is none that the model reads, the column is one of categories to it,
        or transformers make more of it than one rising feature.
    """
    walks, inputs = model.walks, model.inputs
    free = _free(inputs, position, grid)
    features, ensemble = inputs.features(table), walks.ensemble
    if free.feature in ensemble.categories:
        raise RowsNotReadError("the column is no number to the model")
    if free.feature is not None:  # whatever a row has is replaced
        features[free.feature] = np.zeros(len(table))
    walk = _CurveWalk.of(walks, features, free.feature, inputs.takes_missing)
    identity = ensemble.link == "identity"
    summed = walk.summed if identity else walk.summed_responses
    response = summed(groups, weight) / np.bincount(groups, weight)[:, None, None]
    if identity:
        response += ensemble.base[:, None]
    return PieceCurve(walk.cuts, ensemble.precision.single, response, free.known)


class Grid(NamedTuple):
    """A few rows, each with the column at every one of some sorted values."""

    table: Table
    values: np.ndarray


def _free(
    inputs: Inputs | TransformedInputs, position: int, grid: Grid | None
) -> _Free:
    if isinstance(inputs, Inputs):
        asked = [f for f, p in enumerate(inputs.positions) if p == position]
        if len(asked) != 1 or asked[0] in inputs.levels:
            raise RowsNotReadError("the column is no number to the model")
        return _Free(asked[0], None)
    if grid is None:
        raise RowsNotReadError("the column passes through transformers")
    n = len(grid.values)
    made = {f: v.reshape(-1, n) for f, v in inputs.features(grid.table).items()}
    moving = [f for f, v in made.items() if not _equal(v, v[:, :1])]
    if not moving:
        return _Free(None, (grid.values, np.zeros(n)))
    values = made[moving[0]]
    if len(moving) > 1 or not _equal(values, values[0]):
        raise RowsNotReadError("transformers mix the column with others")
    if (np.diff(values[0]) < 0).any():
        raise RowsNotReadError("a transformer turns the column's order")
    return _Free(moving[0], (grid.values, values[0]))


def _equal(values: np.ndarray, others: np.ndarray) -> bool:
    missing = np.isnan(values) & np.isnan(others)
    return bool(((values == others) | missing).all())


@dataclass(frozen=True)
class _CurveWalk:
    """Rows coded for an ensemble, one feature of which is free."""

    walks: Walks
    missing: bool
    codes: np.ndarray
    feature: int | None

    @classmethod
    def of(
        cls, walks: Walks, features: Features, feature: int | None, takes_missing: bool
    ) -> _CurveWalk:
        n = len(features[0])
        still = Move({}, {}, np.ones(n, dtype=bool))
        values = values_of(walks.ensemble, features, [still])
        if values.missing and not takes_missing:
            raise RowsNotReadError("values are missing")
        coding = (walks.with_missing if values.missing else walks.complete).coding
        entries = entries_of(coding, values, 1)
        codes = np.empty((len(coding.feature), n), dtype=np.uint32)
        scratch = rows_for(min(n, _MOST_ROWS), entries)
        for block in gen_batches(n, _MOST_ROWS):
            size = block.stop - block.start
            ranges, part = scratch.ranges[:size], scratch.codes[:size]
            ends = (values.base, values.ends)
            code_block(coding, entries, *ends, block.start, ranges, part)
            codes[:, block] = part.T
        return cls(walks, values.missing, codes, feature)

    @property
    def cuts(self) -> np.ndarray:
        if self.feature is None:
            return np.empty(0)
        return self.walks.ensemble.cuts.get(self.feature, np.empty(0))

    def _add(
        self, changes: np.ndarray, rows: slice, curve: np.ndarray, weight: np.ndarray
    ) -> None:
        packed = self.walks.with_missing if self.missing else self.walks.complete
        deepest = int(self.walks.ensemble.depth.max()) + 2
        block = CurveRows(
            np.ascontiguousarray(self.codes[:, rows]),
            weight,
            curve,
            packed.coding.feature == (-2 if self.feature is None else self.feature),
        )
        scratch = scratch_for(len(weight), len(changes), deepest)
        add_curves(packed.forest, packed.categories, block, scratch, changes)

    def _changes(self, n_curves: int) -> np.ndarray:
        n_outputs = len(self.walks.ensemble.base)
        return np.zeros((n_curves, n_outputs, len(self.cuts) + 2, 2))

    def _curves(self, changes: np.ndarray) -> np.ndarray:
        n_curves, n_outputs, n_ends, _ = changes.shape
        curves = np.empty((n_curves, n_outputs, n_ends - 1))
        summed_up(changes, curves)
        return curves

    def summed(self, groups: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weighted sums of margins by group, without the base."""
        changes = self._changes(int(groups.max()) + 1)
        for rows in gen_batches(len(groups), _MOST_ROWS):
            self._add(changes, rows, groups[rows], weight[rows])
        return self._curves(changes)

    def summed_responses(self, groups: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Weighted sums of predictions by group, the link applied row by row."""
        base = self.walks.ensemble.base
        n_pieces = len(self.cuts) + 1
        n_block = max(1, min(_MOST_ROWS, _MOST_VALUES // (len(base) * n_pieces)))
        response = np.zeros((int(groups.max()) + 1, n_pieces, len(base)))
        for rows in gen_batches(len(groups), n_block):
            n = len(groups[rows])
            changes = self._changes(n)
            self._add(changes, rows, np.arange(n), np.ones(n))
            margin = self._curves(changes).swapaxes(1, 2) + base
            values = weight[rows, None, None] * self.walks.respond(margin)
            np.add.at(response, groups[rows], values)
        return response.swapaxes(1, 2)
