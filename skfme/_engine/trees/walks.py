"""Walks of a batch of rows through an ensemble, along some moves.

Moves that start at the same values share a walk: the trees are walked once for the
rows, and again only where a move leads to another leaf.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.refusals import RowsNotReadError
from skfme._engine.trees.compiled import (
    integrals,
    jumps,
    kernels,
    small_paths,
    small_trees,
)
from skfme._engine.trees.compiled.coding import (
    Entries,
    code_block,
    code_words,
    one_column_each,
)
from skfme._engine.trees.compiled.descent import BlockRows, rows_for
from skfme._engine.trees.encoding import Move, Values, values_of
from skfme._engine.trees.ensembles import ROUNDING_ULPS, Ensemble
from skfme._engine.trees.inputs import Features
from skfme._engine.trees.packing import Packed, entries_of, pack

__all__ = ["CodedBatch", "Walked", "Walks"]

_MOST_VALUES = 2**20  # of rows that are laid out together: 8 MB
# A block and a tree share the processor's nearer caches.
_LEAST_BYTES, _MOST_BYTES = 2**18, 2**20
_LEAST_PIECES, _MOST_PIECES = 2**13, 2**18  # of a block's paths in one tree
_LOGGED = 2**19  # jumps of a block


@dataclass(frozen=True)
class Walked:
    """One move of n rows, each (n, n_margins); the NLM of its path, or None."""

    margin: np.ndarray
    delta: np.ndarray
    nlm: np.ndarray | None = None


@dataclass(frozen=True)
class Walks:
    """An ensemble that can be walked.

    Attributes
    ----------
    ensemble : Ensemble
    """

    ensemble: Ensemble

    def __getstate__(self) -> dict[str, Ensemble]:
        # Laid out anew where it is sent to, in less time than it takes to send.
        return {"ensemble": self.ensemble}

    @cached_property
    def complete(self) -> Packed:
        """The ensemble laid out for values none of which is missing."""
        return pack(self.ensemble, missing=False)

    @cached_property
    def with_missing(self) -> Packed:
        """The ensemble laid out for values that may be missing."""
        return pack(self.ensemble, missing=True)

    def respond(self, margin: np.ndarray) -> np.ndarray:
        """Predictions of margins, the base included, along the last axis."""
        return self.ensemble.respond(margin)

    def walk(
        self, features: Features, moves: Sequence[Move], takes_missing: bool
    ) -> list[Walked]:
        """Margins before some moves, without the base, and what the moves change.

        Parameters
        ----------
        features : dict of int -> ndarray of shape (n_rows,)
            All those of the rows themselves.
        moves : sequence of Move
            That start at the same values.
        takes_missing : bool
            Whether the model predicts rows with missing values.

        Raises
        ------
        RowsNotReadError
            If the model would refuse a value, or read it otherwise.
        """
        margin, delta = self._room(moves)
        n_values = len(features) + sum(len(move.end) for move in moves)
        for part in gen_batches(len(margin), max(_MOST_VALUES // n_values, 1)):
            own = {j: values[part] for j, values in features.items()}
            some = [move.at(part) for move in moves]
            batch = self.coded(own, some, takes_missing)
            _walk(batch, margin[part], delta[:, part])
        return [Walked(margin, change) for change in delta]

    def walk_paths(
        self,
        features: Features,
        moves: Sequence[Move],
        takes_missing: bool,
        resolution: float,
    ) -> list[Walked]:
        """The same, with the NLM of every path.

        Parameters
        ----------
        features, moves, takes_missing
            As in :meth:`walk`; the moves change numeric features only.
        resolution : float
            Machine epsilon of the model's own predictions.
        """
        alone = [len(move.end) == 1 for move in moves]
        if any(alone) and not all(alone) and self.complete.small is not None:
            walked = {
                kind: iter(
                    self.walk_paths(
                        features,
                        [m for m, one in zip(moves, alone, strict=True) if one is kind],
                        takes_missing,
                        resolution,
                    )
                )
                for kind in (True, False)
            }
            return [next(walked[kind]) for kind in alone]
        batch = self.coded(features, moves, takes_missing)
        margin, delta = self._room(moves)
        delta.fill(0)  # as few paths jump
        nlm = np.full(delta.shape, np.nan)
        walk = _PathWalk(self.ensemble, batch, resolution)
        nodes = batch.packed.passed(batch.entries)
        if nodes is None:
            walk.measure(margin, delta, nlm)
        else:
            walk.measure_words(nodes, (margin, delta, nlm))
        return [Walked(margin, delta[e], nlm[e]) for e in range(len(moves))]

    def coded(
        self, features: Features, moves: Sequence[Move], takes_missing: bool
    ) -> CodedBatch:
        """The values of a batch and its moves, and the ensemble laid out for them."""
        values = values_of(self.ensemble, features, moves)
        if values.missing and not takes_missing:
            raise RowsNotReadError("values are missing")
        packed = self.with_missing if values.missing else self.complete
        entries = entries_of(packed.coding, values, len(moves))
        return CodedBatch(packed, values, entries)

    def _room(self, moves: Sequence[Move]) -> tuple[np.ndarray, np.ndarray]:
        """Margins to add to, and room for what the moves change."""
        shape = (len(moves[0].counted), len(self.ensemble.base))
        return np.zeros(shape), np.empty((len(moves), *shape))


@dataclass(frozen=True)
class CodedBatch:
    """A batch's values, and the ensemble laid out for them."""

    packed: Packed
    values: Values
    entries: Entries

    @property
    def tree_bytes(self) -> int:
        """What the largest tree takes."""
        forest = self.packed.forest
        return 8 * (2 + forest.leaves.shape[1]) * int(np.diff(forest.first).max())

    @property
    def rows_per_block(self) -> int:
        """So many that reading a tree's nodes costs little beside walking them."""
        n_effects, n_columns = self.entries.place.shape
        row_bytes = 12 * n_columns + 4 * len(self.entries.row) + 8 * n_effects
        block_bytes = min(max(self.tree_bytes, _LEAST_BYTES), _MOST_BYTES)
        return int(np.clip(block_bytes // row_bytes, 64, kernels.MOST_ROWS))

    def code(self, start: int, n_rows: int, rows: BlockRows) -> None:
        """Set the codes of a block."""
        ends, codes = (self.values.base, self.values.ends), rows.codes[:n_rows]
        ranges = rows.ranges[:n_rows]
        code_block(self.packed.coding, self.entries, *ends, start, ranges, codes)

    @property
    def width(self) -> int | None:
        """Of a leaf of small trees; None where there is one output."""
        ensemble = self.packed.ensemble
        return None if len(ensemble.base) == 1 else ensemble.value.shape[1]

    def words(self, lines: Sequence[int], delta: np.ndarray) -> small_trees.Words:
        """Room for blocks of 64 rows; `lines` as :func:`small_trees.words_for` has them."""
        coding = self.packed.coding
        n_places = len(coding.feature) + len(self.entries.row)
        code = np.min_scalar_type(np.diff(coding.cut_first).max())
        row_bytes = code.itemsize * n_places
        most = int(np.clip(_MOST_BYTES // row_bytes, 64, kernels.MOST_ROWS))
        shape = (min(most // 64 * 64, delta.shape[1]), n_places)
        return small_trees.words_for(shape, code, lines, len(delta), delta.shape[2])

    def blocks_of_words(self, words: small_trees.Words) -> Iterator[tuple[int, int]]:
        """Set the codes of one block after the other: how many rows, and the first."""
        n_all, n_block = self.values.base.shape[1], words.codes.shape[0] * 64
        coding, ends = self.packed.coding, (self.values.base, self.values.ends)
        for start in range(0, n_all, n_block):
            rows = (min(n_block, n_all - start), start)
            code_words(coding, self.entries, *ends, rows, words.codes)
            yield rows

    def lines(self, single: bool, start: int, n_rows: int) -> jumps.Lines:
        """The paths of a block, of numbers in single precision or double."""
        coding, entries = self.packed.coding, self.entries
        ulps = _ulps(single)
        feature = coding.feature[entries.column]
        line = np.empty((n_rows, len(entries.row), 3))
        ends = (self.values.base, self.values.ends)
        jumps.lines_of_block(feature, entries.row, *ends, ulps, start, line)
        return jumps.Lines(line, coding.passed, coding.cut_first)


def _walk(batch: CodedBatch, margin: np.ndarray, delta: np.ndarray) -> None:
    """Add to the margins of a batch, and set what its moves change."""
    crossed = batch.packed.crossed(batch.entries)
    if crossed is None:
        _walk_rows(batch, margin, delta)
    else:
        _walk_words(batch, crossed, margin, delta)


def _walk_words(
    batch: CodedBatch,
    crossed: small_trees.Crossed,
    margin: np.ndarray,
    delta: np.ndarray,
) -> None:
    """The same of small trees, 64 rows at a time."""
    assert batch.packed.small is not None
    n_again, *n_parted = np.diff(crossed.first, axis=0).max(axis=0)
    words = batch.words((n_again, 0, sum(n_parted)), delta)
    for rows in batch.blocks_of_words(words):
        kind = (batch.packed.small.trees, batch.width)
        small_trees.walk_small(*kind, crossed, words, rows, margin, delta)


def _walk_rows(batch: CodedBatch, margin: np.ndarray, delta: np.ndarray) -> None:
    """The same of large trees, row by row."""
    n_block, entries = batch.rows_per_block, batch.entries
    scratch = kernels.scratch_for(n_block, entries, margin.shape[1])
    forest, categories = batch.packed.forest, batch.packed.categories
    for block in gen_batches(len(margin), n_block):
        n_rows = len(margin[block])
        batch.code(block.start, n_rows, scratch.rows)
        scratch.seen.fill(-1)
        scratch.changes.fill(0)
        kernels.walk(forest, categories, entries, scratch, margin[block])
        delta[:, block] = scratch.changes[:n_rows].swapaxes(0, 1)


@dataclass(frozen=True)
class _PathWalk:
    """The paths of some moves, walked block by block."""

    ensemble: Ensemble
    batch: CodedBatch
    resolution: float

    def measure(self, margin: np.ndarray, delta: np.ndarray, nlm: np.ndarray) -> None:
        """Fill the margins, what the moves change of them, and the NLM."""
        base, link = np.array(self.ensemble.base), self.ensemble.link
        number = integrals.LINKS.index(link)
        prediction = integrals.Prediction(number, base, self.resolution)
        width = self.ensemble.value.shape[1]
        log = jumps.log_for(_LOGGED, width)
        # As many as take some ten times the bytes of a tree, which is read for them.
        n_pieces = np.clip(self.batch.tree_bytes // 4, _LEAST_PIECES, _MOST_PIECES)
        most = max(1, int(n_pieces) // (len(delta) * self._deepest))
        n_block, start = min(self.batch.rows_per_block, most), 0
        while start < len(margin):
            block = margin[start : start + n_block]
            single = self.ensemble.precision.single
            lines = self.batch.lines(single, start, len(block))
            ranks = None
            if self._in_order is not None:
                ranks = integrals.Ranks(*self._in_order, lines.line, lines.passed)
            lengths = self._logged(start, block, lines if ranks is None else None, log)
            if lengths is None:  # fewer rows, or a longer log
                block[:] = 0
                if n_block == 1:
                    log = jumps.log_for(2 * len(log.t), width)
                n_block = max(n_block // 2, 1)
                continue
            scratch = integrals.scratch_for(lengths, len(base))
            given = (log, ranks, prediction, scratch, block, start)
            integrals.integrate(*given, delta, nlm)
            del scratch  # so that the next block takes the same memory
            start += n_block

    def measure_words(
        self, nodes: small_paths.PassedNodes, out: tuple[np.ndarray, ...]
    ) -> None:
        """The same of small trees and paths along one column each, 64 rows at a time."""
        packed, entries = self.batch.packed, self.batch.entries
        assert packed.small is not None
        n_reached, n_again, n_passed = np.diff(nodes.first, axis=0).max(axis=0)
        words = self.batch.words((n_again, n_reached, n_passed), out[1])
        longest = int(packed.small.test.max(initial=0))
        n_effects, _, n_outputs = out[1].shape
        cells = small_paths.cells_for(n_effects, n_outputs, longest)
        ensemble = self.ensemble
        path = small_paths.Path(
            _ulps(ensemble.precision.single), self.resolution, np.array(ensemble.base)
        )
        link = integrals.LINKS.index(ensemble.link) or None
        kind = (packed.small.trees, self.batch.width, link)
        values = (self.batch.values.base, self.batch.values.ends)
        given = (*kind, nodes, path, packed.coding, entries, *values)
        for rows in self.batch.blocks_of_words(words):
            small_paths.measure_paths(*given, words, cells, rows, out)

    @cached_property
    def _deepest(self) -> int:
        return int(self.ensemble.depth.max()) + 2

    @cached_property
    def _in_order(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Each effect's entry and first cut; None where one goes along several columns,
        whose cuts stand in no order.
        """
        entries = self.batch.entries
        if not one_column_each(entries):
            return None
        # No jump is of an effect without an entry, which is on a column of no tree.
        entry, first_cut = np.zeros((2, len(entries.place)), np.int64)
        effect = entries.effect[entries.place.shape[1] :]
        entry[effect] = np.arange(len(effect))
        first_cut[effect] = self.batch.packed.coding.cut_first[entries.column]
        return entry, first_cut

    def _logged(
        self,
        start: int,
        margin: np.ndarray,
        lines: jumps.Lines | None,
        log: jumps.Log,
    ) -> np.ndarray | None:
        """Log the jumps of a block; how many each path has, or None if the log is full."""
        packed, entries, n_rows = self.batch.packed, self.batch.entries, len(margin)
        rows = rows_for(n_rows, entries)
        self.batch.code(start, n_rows, rows)
        n_effects = len(entries.place)
        room = n_rows * n_effects * self._deepest if n_rows > 1 else len(log.t)
        pieces = jumps.pieces_for(n_rows, n_effects, room)
        trees = (packed.forest, packed.categories, entries)
        n_logged = jumps.log_jumps(*trees, rows, lines, pieces, margin, log)
        return None if n_logged < 0 else pieces.n_jumps.ravel()


def _ulps(single: bool) -> float:
    """What rounding amounts to, relative to a path's larger end."""
    return float(ROUNDING_ULPS * np.finfo(np.float32 if single else float).eps)
