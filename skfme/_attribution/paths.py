"""Parts along the straight way from x to x + h, of any model.

    φ_j = h_j ∫ ∂f/∂x_j (x + t h) dt

A piece of the way is split by two orders of the features, one the reverse of the other,
which is complete and has an error in even powers of its length. A piece and its halves
give Richardson's estimate; where that of a piece differs from that of its halves, they
are halved again, so that kinks and jumps are closed in on.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from skfme._attribution.questions import Parts
from skfme._engine.differences import PredictEngine
from skfme._engine.nonlinearity import StepPath
from skfme._engine.stepping import Stepped
from skfme._frames.tables import Table

__all__ = ["parts_along_path"]

_FIRST_PIECES = 4
_TOLERANCE = 1e-9  # of a row's largest change on the way
_SHORTEST = 2.0**-34
_MOST_PIECES = 2048  # of a row, on average


@dataclass(frozen=True)
class _Pieces:
    """Pieces of the ways of some rows; a row may have several.

    Attributes
    ----------
    rows : ndarray of shape (n,), int
    start, stop : ndarray of shape (n,)
        Shares of the step.
    before, after : ndarray of shape (n, n_outputs)
        Predictions there.
    plain : ndarray of shape (n, n_features, n_outputs)
        Parts by two orders.
    estimate : ndarray of the same shape
        Parts by Richardson's scheme, of the piece and its halves.
    middle : ndarray of shape (n, n_outputs)
        Predictions half way.
    halves : ndarray of shape (n, 2, n_features, n_outputs)
        Parts of either half by two orders.
    """

    rows: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    before: np.ndarray
    after: np.ndarray
    plain: np.ndarray
    estimate: np.ndarray
    middle: np.ndarray
    halves: np.ndarray

    def take(self, which: np.ndarray) -> _Pieces:
        """Some of the pieces."""
        return _Pieces(*(getattr(self, field.name)[which] for field in fields(self)))


def parts_along_path(predict: PredictEngine, batch: Table, effect: Stepped) -> Parts:
    """Parts of a batch whose rows all count; only numbers are changed."""
    path = StepPath.of_effect(predict.response, batch, effect, predict.rows_per_call)
    (low, high), *_ = predict.predictions(batch, [effect])
    way = _Way(path)
    parts = np.zeros((len(batch), len(path.ends), low.shape[1]))
    pieces = way.first(low, high)
    scale = np.zeros(len(batch))
    np.maximum.at(scale, pieces.rows, np.abs(pieces.halves).max(axis=(1, 2, 3)))
    unsettled = np.zeros(len(batch), dtype=bool)
    room = _MOST_PIECES * len(batch)
    while len(pieces.rows):
        halves = way.halved(pieces)
        n = len(pieces.rows)
        both = halves.estimate[:n] + halves.estimate[n:]
        gap = both - pieces.estimate
        length = pieces.stop - pieces.start
        settled = np.abs(gap).max(axis=(1, 2)) <= _TOLERANCE * scale[pieces.rows]
        room -= n
        if room <= 0:
            unsettled[pieces.rows[~settled]] = True
        done = settled | (length <= _SHORTEST) | (room <= 0)
        best = both + np.where(settled[:, None, None], gap / 15, 0.0)
        np.add.at(parts, pieces.rows[done], best[done])
        pieces = halves.take(np.flatnonzero(np.tile(~done, 2)))
    how = "by integration"
    return Parts(
        parts, high - low, "predict", how, n_not_converged=int(unsettled.sum())
    )


@dataclass(frozen=True)
class _Way:
    """The ways of all rows."""

    path: StepPath

    def first(self, low: np.ndarray, high: np.ndarray) -> _Pieces:
        """A few pieces of each row."""
        n = len(low)
        rows = np.tile(np.arange(n), _FIRST_PIECES)
        edges = np.repeat(np.arange(_FIRST_PIECES + 1.0) / _FIRST_PIECES, n)
        inner = self._predicted(rows[:-n], edges[n:-n])
        values = np.concatenate([low, inner, high])
        start, stop = edges[:-n], edges[n:]
        plain = self._by_orders(rows, start, stop, values[:-n], values[n:])
        return self._estimated(rows, start, stop, values[:-n], values[n:], plain)

    def halved(self, pieces: _Pieces) -> _Pieces:
        """The first halves of some pieces, and then the second ones."""
        middle = (pieces.start + pieces.stop) / 2
        return self._estimated(
            np.tile(pieces.rows, 2),
            np.concatenate([pieces.start, middle]),
            np.concatenate([middle, pieces.stop]),
            np.concatenate([pieces.before, pieces.middle]),
            np.concatenate([pieces.middle, pieces.after]),
            np.concatenate([pieces.halves[:, 0], pieces.halves[:, 1]]),
        )

    def _estimated(
        self,
        rows: np.ndarray,
        start: np.ndarray,
        stop: np.ndarray,
        before: np.ndarray,
        after: np.ndarray,
        plain: np.ndarray,
    ) -> _Pieces:
        half = (start + stop) / 2
        middle = self._predicted(rows, half)
        halves = np.stack(
            [
                self._by_orders(rows, start, half, before, middle),
                self._by_orders(rows, half, stop, middle, after),
            ],
            axis=1,
        )
        estimate = (4 * halves.sum(axis=1) - plain) / 3
        return _Pieces(
            rows, start, stop, before, after, plain, estimate, middle, halves
        )

    def _by_orders(
        self,
        rows: np.ndarray,
        start: np.ndarray,
        stop: np.ndarray,
        before: np.ndarray,
        after: np.ndarray,
    ) -> np.ndarray:
        """Parts of pieces, by the features in their order and in its reverse."""
        positions = list(self.path.ends)
        parts = np.zeros((len(rows), len(positions), before.shape[1]))
        for order in (positions, positions[::-1]):
            shares, last = dict.fromkeys(positions, start), before
            for position in order:
                shares[position] = stop
                is_end = position == order[-1]
                value = after if is_end else self._predicted(rows, shares)
                parts[:, positions.index(position)] += (value - last) / 2
                last = value
        return parts

    def _predicted(
        self, rows: np.ndarray, shares: dict[int, np.ndarray] | np.ndarray
    ) -> np.ndarray:
        """Predictions, in as many calls as the model is asked in."""
        if not isinstance(shares, dict):
            shares = dict.fromkeys(self.path.ends, shares)
        values = np.empty((len(rows), len(self.path.response.outputs)))
        for some in self._calls(rows):
            at = {position: t[some] for position, t in shares.items()}
            values[some] = self.path.response(self.path.at_shares(rows[some], at))
        return values

    def _calls(self, rows: np.ndarray) -> list[np.ndarray]:
        """Pieces that are predicted together; of rows with labels each row once."""
        together = [np.arange(len(rows))]
        if self.path.response.needs_labels(self.path.table):
            order = np.argsort(rows, kind="stable")
            first = np.searchsorted(rows[order], rows[order])
            turn = np.empty(len(rows), dtype=np.intp)
            turn[order] = np.arange(len(rows)) - first
            together = [np.flatnonzero(turn == k) for k in range(turn.max() + 1)]
        most = self.path.rows_per_call
        return [
            group[start : start + most]
            for group in together
            for start in range(0, len(group), most)
        ]
