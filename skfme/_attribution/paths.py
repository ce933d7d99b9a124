"""Parts along the straight way from x to x + h, of any model.

    φ_j = h_j ∫ ∂f/∂x_j (x + t h) dt

A piece of the way is split by two orders of the features, one the reverse of the other,
which is complete and has an error in even powers of its length. A piece and its halves
give Richardson's estimate; where that of a piece differs from that of its halves, they
are halved again, so that kinks and jumps are closed in on.

Two jumps that lie close together are split alike on every piece that holds both, whichever
comes first. What tells them from a smooth way is by how much the two orders differ: by
c₁h + c₃h³ + … over smooth pieces of length h, and by the jumps' interplay at any length.
What jumps together, on pieces on which rounding decides which jump comes first, is shared
by Shapley.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from sklearn.utils import gen_batches

from skfme._attribution.games import shapley_values
from skfme._attribution.questions import MOST_EXACT, Parts
from skfme._engine.differences import PredictEngine
from skfme._engine.nonlinearity import StepPath
from skfme._engine.stepping import Stepped
from skfme._frames.tables import Table

__all__ = ["parts_along_path"]

# Whole numbers pass thresholds together at simple fractions of the way, and no edge of a
# piece is to come between jumps that single precision moves apart.
_FIRST_EDGES = np.array([0.0, 0.248863, 0.4966105, 0.745986, 1.0])
_CUT = 0.3  # of a piece in whose middle something jumps
_SHORT = 24  # times what single precision tells apart: of a piece that is looked into
_CLOSE = 0.02  # of the way: the longest of these pieces
_UNEVEN = 0.1  # of an interplay, which over smooth ways is nearly as long as they are
_SEEN = 1e-3  # of an interplay, beyond which a prediction has jumped
_TOLERANCE = 1e-9  # of a row's largest change on the way
_INTERPLAY = 1e-8  # of the same: what the two orders may differ by in the limit
_ROUNDING = 8.0  # units in the last place of predictions
_SHORTEST = 2.0**-34
_MOST_PIECES = 2048  # of a row, on average
_ALL_JUMP = 6  # features whose coalitions are fewer than what finds those that jump
_COALITION_ROWS = 2**18


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
    estimate : ndarray of shape (n, n_features, n_outputs)
        Parts by Richardson's scheme, of the piece and its halves.
    interplay : ndarray of the same shape
        By how much the two orders differ, less what is proportional to the length.
    middle : ndarray of shape (n, n_outputs)
        Predictions half way.
    halves : ndarray of shape (n, 2, 2, n_features, n_outputs)
        Parts of either half by either order.
    """

    rows: np.ndarray
    start: np.ndarray
    stop: np.ndarray
    before: np.ndarray
    after: np.ndarray
    estimate: np.ndarray
    interplay: np.ndarray
    middle: np.ndarray
    halves: np.ndarray

    def take(self, which: np.ndarray) -> _Pieces:
        """Some of the pieces."""
        return _Pieces(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def by_length(self) -> np.ndarray:
        """By how much the two orders differ on the piece, which over smooth ways shrinks."""
        fine = np.diff(self.halves.sum(axis=1), axis=1)[:, 0]
        return np.asarray(-2 * fine - self.interplay)

    @property
    def uneven(self) -> np.ndarray:
        """Whether the two orders differ unlike over a smooth way."""
        return _largest(self.interplay) > _UNEVEN * _largest(self.by_length)

    def __add__(self, other: _Pieces) -> _Pieces:
        """These and others."""
        names = [field.name for field in fields(self)]
        pairs = ((getattr(self, name), getattr(other, name)) for name in names)
        return _Pieces(*map(np.concatenate, pairs))


def parts_along_path(predict: PredictEngine, batch: Table, effect: Stepped) -> Parts:
    """Parts of a batch whose rows all count; only numbers are changed."""
    path = StepPath.of_effect(predict.response, batch, effect, predict.rows_per_call)
    (low, high), *_ = predict.predictions(batch, [effect])
    way = _Way(path)
    parts = np.zeros((len(batch), len(path.ends), low.shape[1]))
    pieces = way.first(low, high)
    sizes = _sizes(pieces, len(batch), path.response.resolution)
    unsettled = np.zeros(len(batch), dtype=bool)
    room = _MOST_PIECES * len(batch)
    while len(pieces.rows):
        halves = way.halved(pieces)
        best, settled = _compared(
            pieces, halves, *(size[pieces.rows] for size in sizes)
        )
        room -= len(pieces.rows)
        ended = ~settled & way.at_one_place(pieces, ~settled)
        best[ended], known = way.shared(pieces.take(ended), best[ended])
        unsettled[pieces.rows[ended][~known]] = True
        if room <= 0:
            unsettled[pieces.rows[~settled & ~ended]] = True
        done = settled | ended | (room <= 0)
        np.add.at(parts, pieces.rows[done], best[done])
        elsewhere = way.jumps_in_the_middle(pieces, ~done)
        by_half = np.tile(~done & ~elsewhere, 2)
        pieces = halves.take(by_half) + way.cut(pieces.take(elsewhere))
    how = "by integration"
    return Parts(
        parts, high - low, "predict", how, n_not_converged=int(unsettled.sum())
    )


def _sizes(
    pieces: _Pieces, n_rows: int, resolution: float
) -> tuple[np.ndarray, np.ndarray]:
    """The largest change on each row's way, and what rounding makes of its predictions."""
    changes, values = np.zeros(n_rows), np.zeros(n_rows)
    np.maximum.at(changes, pieces.rows, _largest(pieces.halves))
    for ends in (pieces.before, pieces.after):
        np.maximum.at(values, pieces.rows, _largest(ends))
    return changes, _ROUNDING * resolution * values


def _compared(
    pieces: _Pieces, halves: _Pieces, changes: np.ndarray, rounding: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The best estimate of pieces, given their halves, and whether it is settled."""
    n = len(pieces.rows)
    both = halves.estimate[:n] + halves.estimate[n:]
    gap = both - pieces.estimate
    settled = _largest(gap) <= _TOLERANCE * changes + rounding
    settled &= _interplay_left(pieces, halves) <= _INTERPLAY * changes + rounding
    return both + np.where(settled[:, None, None], gap / 15, 0.0), settled


def _interplay_left(pieces: _Pieces, halves: _Pieces) -> np.ndarray:
    """What the two orders differ by in the limit, on the piece or on either half."""
    first, second = np.split(halves.interplay, 2)
    # The interplay of jumps in one half may cancel that in the other.
    left = np.maximum(_largest(first), _largest(second))
    both = first + second
    further = (
        both + (both - pieces.interplay) / 7
    )  # without what is cubic in the length
    shrinks = left <= _largest(pieces.interplay) / 2
    return np.where(shrinks, np.minimum(left, _largest(further)), left)


def _largest(values: np.ndarray) -> np.ndarray:
    """The largest size in each piece."""
    axes = tuple(range(1, values.ndim))
    return np.asarray(np.abs(values).max(axis=axes, initial=0.0))


@dataclass(frozen=True)
class _Way:
    """The ways of all rows."""

    path: StepPath

    def first(self, low: np.ndarray, high: np.ndarray) -> _Pieces:
        """A few pieces of each row."""
        n, n_pieces = len(low), len(_FIRST_EDGES) - 1
        rows = np.tile(np.arange(n), n_pieces)
        edges = np.repeat(_FIRST_EDGES, n)
        inner = self._predicted(rows[:-n], edges[n:-n])
        values = np.concatenate([low, inner, high])
        start, stop = edges[:-n], edges[n:]
        by_order = self._by_orders(rows, start, stop, values[:-n], values[n:])
        return self._estimated(rows, start, stop, values[:-n], values[n:], by_order)

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

    def jumps_in_the_middle(self, pieces: _Pieces, wanted: np.ndarray) -> np.ndarray:
        """Whether halves of pieces would part jumps that are at one place."""
        length, near = pieces.stop - pieces.start, 2 * self._rounding(pieces.rows)
        found = wanted & pieces.uneven & (length > 32 * near)
        few, near = pieces.take(found), near[found]
        # More than a smooth way changes.
        size = 16 * near / length[found] * _largest(few.halves)
        size += _SEEN * _largest(few.interplay)
        middle = (few.start + few.stop) / 2
        parts = self._between(few.rows, middle - near, middle + near)
        found[found] = _largest(parts) > size
        return found

    def cut(self, pieces: _Pieces) -> _Pieces:
        """Two pieces each, of other lengths than halves."""
        at = pieces.start + _CUT * (pieces.stop - pieces.start)
        value = self._predicted(pieces.rows, at)
        ends = (
            np.tile(pieces.rows, 2),
            np.concatenate([pieces.start, at]),
            np.concatenate([at, pieces.stop]),
            np.concatenate([pieces.before, value]),
            np.concatenate([value, pieces.after]),
        )
        return self._estimated(*ends, self._by_orders(*ends))

    def at_one_place(self, pieces: _Pieces, wanted: np.ndarray) -> np.ndarray:
        """Whether pieces cannot be halved further, or jump at one place.

        Jumps are at one place where single precision does not tell their places apart:
        where a window of its rounding holds all of their interplay.
        """
        length, width = pieces.stop - pieces.start, 3 * self._rounding(pieces.rows)
        ended = length <= _SHORTEST
        short = length <= np.minimum(_SHORT * width, _CLOSE)
        close = np.flatnonzero(wanted & ~ended & short & pieces.uneven)
        few, width = pieces.take(close), width[close]
        start, stop = few.start.copy(), few.stop.copy()
        together = np.ones(len(close), dtype=bool)
        some = np.arange(len(close))
        while len(some):
            inner, third = few.take(some), (stop - start)[some] / 3
            first = self._holds(inner, start[some], stop[some] - third)
            last = ~first & self._holds(inner, start[some] + third, stop[some])
            stop[some[first]] -= third[first]
            start[some[last]] += third[last]
            together[some] = first | last
            some = np.flatnonzero(together & (stop - start > width))
        ended[close] = together
        return ended

    def _holds(
        self, pieces: _Pieces, start: np.ndarray, stop: np.ndarray
    ) -> np.ndarray:
        """Whether the two orders differ as much from start to stop as on pieces."""
        by_order = self._between(pieces.rows, start, stop)
        missing = by_order[:, 0] - by_order[:, 1] - pieces.by_length
        return _largest(missing) <= _UNEVEN * _largest(pieces.by_length)

    def _between(
        self, rows: np.ndarray, start: np.ndarray, stop: np.ndarray
    ) -> np.ndarray:
        """Parts by two orders from start to stop."""
        ends = (self._predicted(rows, t) for t in (start, stop))
        return self._by_orders(rows, start, stop, *ends)

    def _rounding(self, rows: np.ndarray) -> np.ndarray:
        """What casts to single precision may move jumps apart by, as shares of the way."""
        apart = np.full(len(rows), 2 * _SHORTEST)
        for low, high in self.path.ends.values():
            low, high = low[rows], high[rows]
            size, moved = np.maximum(np.abs(low), np.abs(high)), np.abs(high - low)
            found = np.divide(size, moved, out=np.zeros(len(rows)), where=moved > 0)
            apart = np.maximum(apart, 2.0**-23 * found)
        return apart

    def shared(
        self, pieces: _Pieces, rough: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Parts of short pieces, over all orders of the features that jump.

        Returns
        -------
        parts : ndarray of shape (n, n_features, n_outputs)
            Those by two orders where too many features jump.
        known : ndarray of shape (n,), bool
        """
        parts, jumping = rough.copy(), self._jumping(pieces)
        n_jumping = jumping.sum(axis=1)
        for k in np.unique(n_jumping[n_jumping <= MOST_EXACT]):
            alike = np.flatnonzero(n_jumping == k)
            for some in gen_batches(len(alike), max(_COALITION_ROWS >> k, 1)):
                which = alike[some]
                parts[which] = self._by_coalitions(pieces.take(which), jumping[which])
        return parts, n_jumping <= MOST_EXACT

    def _jumping(self, pieces: _Pieces) -> np.ndarray:
        """The features that change a prediction after any of some orders' prefixes."""
        s = len(self.path.ends)
        jumping = np.full((len(pieces.rows), s), s <= _ALL_JUMP)
        if s > _ALL_JUMP and len(jumping):
            ends = (pieces.rows, pieces.start, pieces.stop, pieces.before, pieces.after)
            for k in range(s):
                order = np.roll(np.arange(s), k)
                for each in (order, order[::-1]):
                    parts = self._in_order(*ends, each)
                    largest = _largest(parts)[:, None]
                    jumping |= np.abs(parts).max(axis=2) > _INTERPLAY * largest
        return jumping

    def _by_coalitions(self, pieces: _Pieces, jumping: np.ndarray) -> np.ndarray:
        """Shapley values of pieces on which equally many features jump."""
        n, s = jumping.shape
        who = np.nonzero(jumping)[1].reshape(n, -1)
        k, rows = who.shape[1], np.arange(n)[:, None]
        values = np.empty((2**k, *pieces.before.shape))
        for coalition in range(2**k):
            stepped = np.zeros((n, s), dtype=bool)
            stepped[rows, who] = (coalition >> np.arange(k) & 1).astype(bool)
            shares = np.where(stepped.T, pieces.stop, pieces.start)
            values[coalition] = self._predicted(
                pieces.rows, dict(zip(self.path.ends, shares, strict=True))
            )
        parts = np.zeros((n, s, values.shape[2]))
        parts[rows, who] = shapley_values(values)
        # What features bring that do not jump is next to nothing on so short a piece.
        rest = pieces.after - pieces.before - parts.sum(axis=1)
        return np.asarray(parts + rest[:, None] / s)

    def _estimated(
        self,
        rows: np.ndarray,
        start: np.ndarray,
        stop: np.ndarray,
        before: np.ndarray,
        after: np.ndarray,
        by_order: np.ndarray,
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
        finer = halves.sum(axis=1)
        estimate = (4 * finer - by_order).mean(axis=1) / 3
        coarse, fine = (of[:, 0] - of[:, 1] for of in (by_order, finer))
        ends = (rows, start, stop, before, after)
        return _Pieces(*ends, estimate, 2 * fine - coarse, middle, halves)

    def _by_orders(
        self,
        rows: np.ndarray,
        start: np.ndarray,
        stop: np.ndarray,
        before: np.ndarray,
        after: np.ndarray,
    ) -> np.ndarray:
        """Parts of pieces by the features in their order, and by its reverse."""
        order = np.arange(len(self.path.ends))
        pieces = (rows, start, stop, before, after)
        both = [self._in_order(*pieces, each) for each in (order, order[::-1])]
        return np.stack(both, axis=1)

    def _in_order(
        self,
        rows: np.ndarray,
        start: np.ndarray,
        stop: np.ndarray,
        before: np.ndarray,
        after: np.ndarray,
        order: np.ndarray,
    ) -> np.ndarray:
        """What each feature brings on pieces after those before it."""
        positions = list(self.path.ends)
        parts = np.empty((len(rows), len(positions), before.shape[1]))
        shares, last = dict.fromkeys(positions, start), before
        for k in order:
            shares[positions[k]] = stop
            value = after if k == order[-1] else self._predicted(rows, shares)
            parts[:, k] = value - last
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
            together = [
                np.flatnonzero(turn == k) for k in range(turn.max(initial=-1) + 1)
            ]
        most = self.path.rows_per_call
        return [
            group[start : start + most]
            for group in together
            for start in range(0, len(group), most)
        ]
