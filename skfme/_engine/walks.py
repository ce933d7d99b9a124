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

from skfme._engine.encoding import Codes, Move, category_places, encoded
from skfme._engine.ensembles import Ensemble
from skfme._engine.inputs import Features
from skfme._engine.integrals import LINKS, integrate
from skfme._engine.jumps import log_jumps
from skfme._engine.kernels import walk
from skfme._engine.packing import Packed, pack

__all__ = ["Walked", "Walks"]

_BLOCK_BYTES = 2**16  # a block's codes stay in the processor's nearest caches
_MOST_CROSSINGS = 2**18  # of a block's paths in one tree
_LOGGED = 2**18  # jumps of a block


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

    def walk(self, features: Features, moves: Sequence[Move]) -> list[Walked]:
        """Margins before some moves, without the base, and what the moves change.

        Parameters
        ----------
        features : dict of int -> ndarray of shape (n_rows,)
            Those of the rows themselves.
        moves : sequence of Move
            That start at the same values.
        """
        packed, codes = self._encoded(features, moves, lines=False)
        margin, delta = self._zeros(moves)
        n_block = _rows_per_block(codes)
        given = (codes.own, codes.either, *codes.entries, n_block)
        walk(*self._forest(packed), *given, margin, delta)
        return [Walked(margin, delta[:, e]) for e in range(len(moves))]

    def walk_paths(
        self, features: Features, moves: Sequence[Move], resolution: float
    ) -> list[Walked]:
        """The same, with the NLM of every path.

        Parameters
        ----------
        features, moves
            As in :meth:`walk`; the moves change numeric features only.
        resolution : float
            Machine epsilon of the model's own predictions.
        """
        packed, codes = self._encoded(features, moves, lines=True)
        margin, delta = self._zeros(moves)
        nlm = np.empty(delta.shape)
        link, base = LINKS[self.ensemble.link], self.ensemble.base
        width = self.ensemble.value.shape[1]
        deepest = int(self.ensemble.depth.max()) + 2
        most = max(1, _MOST_CROSSINGS // (len(moves) * deepest))
        n_block, log, start = min(_rows_per_block(codes), most), _log(_LOGGED, width), 0
        while start < len(margin):
            rows = slice(start, start + n_block)
            margin[rows] = 0
            n_logged = log_jumps(
                *self._forest(packed),
                codes.own[rows],
                codes.either[rows],
                *codes.entries,
                packed.cuts,
                packed.cut_first,
                codes.lines[rows],
                margin[rows],
                *log,
            )
            if n_logged < 0:  # fewer rows, or a longer log
                if n_block == 1:
                    log = _log(2 * len(log[0]), width)
                n_block = max(n_block // 2, 1)
                continue
            block = (margin[rows], delta[rows], nlm[rows])
            integrate(*log, n_logged, link, base, resolution, *block)
            start += n_block
        return [Walked(margin, delta[:, e], nlm[:, e]) for e in range(len(moves))]

    def _encoded(
        self, features: Features, moves: Sequence[Move], lines: bool
    ) -> tuple[Packed, Codes]:
        used = {*self.ensemble.cuts, *self.ensemble.categories}
        base = _only(used, features | moves[0].start)
        ends = [_only(used, move.end) for move in moves]
        missing = any(
            np.isnan(values.min(initial=np.inf))
            for part in (base, *ends)
            for values in part.values()
        )
        packed = self.with_missing if missing else self.complete
        coded = [
            Move({}, category_places(self.ensemble, end), move.counted)
            for move, end in zip(moves, ends, strict=True)
        ]
        base = category_places(self.ensemble, base)
        return packed, encoded(packed, self.ensemble.single, base, coded, lines)

    def _zeros(self, moves: Sequence[Move]) -> tuple[np.ndarray, np.ndarray]:
        n_rows, n_margins = len(moves[0].counted), len(self.ensemble.base)
        delta = np.zeros((n_rows, len(moves), n_margins))
        return np.zeros((n_rows, n_margins)), delta

    def _forest(self, packed: Packed) -> tuple:
        """The trees, as the kernels take them."""
        ensemble = self.ensemble
        return (
            packed.words,
            ensemble.value,
            ensemble.first,
            ensemble.depth,
            ensemble.output,
            ensemble.thin_out,
            ensemble.sets if ensemble.categories else None,
            packed.n_numeric,
        )


def _only(used: set[int], features: Features) -> Features:
    return {j: values for j, values in features.items() if j in used}


def _rows_per_block(codes: Codes) -> int:
    row_bytes = 8 * codes.own.shape[1] + 4 * codes.either.shape[1]
    return int(np.clip(_BLOCK_BYTES // row_bytes, 64, 1024))


def _log(n: int, width: int) -> tuple[np.ndarray, ...]:
    """An empty log of jumps: path, place, output and size."""
    return (
        np.empty(n, dtype=np.int64),
        np.empty(n),
        np.empty(n, dtype=np.int64),
        np.empty((n, width)),
    )
