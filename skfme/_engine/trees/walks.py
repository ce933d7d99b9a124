"""Walks of a batch of rows through an ensemble, along some moves.

Moves that start at the same values share a walk: the trees are walked once for the
rows, and again only where a move leads to another leaf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, softmax

from skfme._engine.refusals import RowsNotReadError
from skfme._engine.trees.compiled import jumps, kernels
from skfme._engine.trees.compiled.coding import Entries, code_block
from skfme._engine.trees.compiled.integrals import LINKS, integrate
from skfme._engine.trees.compiled.kernels import MOST_ROWS, Forest
from skfme._engine.trees.encoding import Move, Values, entries_of, values_of
from skfme._engine.trees.ensembles import Ensemble
from skfme._engine.trees.inputs import Features
from skfme._engine.trees.packing import Packed, pack

__all__ = ["Walked", "Walks"]

# A block and a tree share the processor's nearer caches.
_LEAST_BYTES, _MOST_BYTES = 2**18, 2**20
_MOST_CROSSINGS = 2**18  # of a block's paths in one tree
_LOGGED = 2**19  # jumps of a block
# Within so many units in the last place, a threshold is at the end of a path.
_ROUNDING_ULPS = 2


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
        if self.ensemble.link == "logistic":
            return expit(margin)
        if self.ensemble.link == "exponential":
            return np.exp(margin)
        if self.ensemble.link == "softmax":
            return softmax(margin, axis=-1)
        return margin

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
        values, packed, entries = self._read(features, moves, takes_missing)
        margin, delta = self._zeros(moves)
        n_block = _rows_per_block(packed.forest, entries)
        scratch = kernels.scratch_for(n_block, entries, len(self.ensemble.base))
        given = (packed.coding, entries, values.base, values.ends, scratch)
        kernels.walk(packed.forest, packed.sets, *given, margin, delta)
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
        values, packed, entries = self._read(features, moves, takes_missing)
        margin, delta = self._zeros(moves)
        nlm = np.empty(delta.shape)
        paths = _Paths(self.ensemble, packed, entries, values, len(moves), resolution)
        paths.measure(margin, delta, nlm)
        return [Walked(margin, delta[e], nlm[e]) for e in range(len(moves))]

    def _read(
        self, features: Features, moves: Sequence[Move], takes_missing: bool
    ) -> tuple[Values, Packed, Entries]:
        values = values_of(self.ensemble, features, moves)
        if values.missing and not takes_missing:
            raise RowsNotReadError("values are missing")
        packed = self.with_missing if values.missing else self.complete
        return values, packed, entries_of(packed.coding, values, len(moves))

    def _zeros(self, moves: Sequence[Move]) -> tuple[np.ndarray, np.ndarray]:
        n_rows, n_margins = len(moves[0].counted), len(self.ensemble.base)
        delta = np.zeros((len(moves), n_rows, n_margins))
        return np.zeros((n_rows, n_margins)), delta


@dataclass(frozen=True)
class _Paths:
    """The paths of some moves, walked block by block."""

    ensemble: Ensemble
    packed: Packed
    entries: Entries
    values: Values
    n_effects: int
    resolution: float

    @cached_property
    def _deepest(self) -> int:
        return int(self.ensemble.depth.max()) + 2

    def measure(self, margin: np.ndarray, delta: np.ndarray, nlm: np.ndarray) -> None:
        """Fill the margins, what the moves change of them, and the NLM."""
        width = self.ensemble.value.shape[1]
        most = max(1, _MOST_CROSSINGS // (self.n_effects * self._deepest))
        n_block, start = min(_rows_per_block(self.packed.forest, self.entries), most), 0
        log = _log(_LOGGED, width)
        link, base = LINKS[self.ensemble.link], np.array(self.ensemble.base)
        while start < len(margin):
            block = margin[start : start + n_block]
            n_logged = self._jumps(start, block, log)
            if n_logged < 0:  # fewer rows, or a longer log
                block[:] = 0
                if n_block == 1:
                    log = _log(2 * len(log[0]), width)
                n_block = max(n_block // 2, 1)
                continue
            here = (margin[start : start + n_block], start, delta, nlm)
            integrate(*log, n_logged, link, base, self.resolution, *here)
            start += n_block

    def _jumps(
        self, start: int, margin: np.ndarray, log: tuple[np.ndarray, ...]
    ) -> int:
        """Log the jumps of a block; −1 if the log is full."""
        coding, entries = self.packed.coding, self.entries
        scratch = jumps.scratch_for(len(margin), entries, self._deepest)
        ends = (self.values.base, self.values.ends)
        codes = (scratch.own, scratch.either)
        code_block(coding, entries, *ends, start, len(margin), *codes)
        type_ = np.float32 if self.ensemble.single else np.float64
        ulps = float(_ROUNDING_ULPS * np.finfo(type_).eps)
        feature = coding.feature[entries.column]
        jumps.lines_of_block(feature, entries.row, *ends, ulps, start, scratch.line)
        trees = (self.packed.forest, self.packed.sets, coding, entries)
        return jumps.log_jumps(*trees, scratch, margin, *log)


def _rows_per_block(forest: Forest, entries: Entries) -> int:
    """So many that reading a tree's nodes costs little beside walking them."""
    n_effects, n_columns = entries.of.shape
    row_bytes = 12 * n_columns + 4 * len(entries.row) + 8 * n_effects
    tree_bytes = 8 * (1 + forest.leaves.shape[1]) * int(np.diff(forest.first).max())
    block_bytes = min(max(tree_bytes, _LEAST_BYTES), _MOST_BYTES)
    return int(np.clip(block_bytes // row_bytes, 64, MOST_ROWS))


def _log(n: int, width: int) -> tuple[np.ndarray, ...]:
    """An empty log of jumps: path and output, place, and size."""
    return np.empty(n, dtype=np.int64), np.empty(n), np.empty((n, width))
