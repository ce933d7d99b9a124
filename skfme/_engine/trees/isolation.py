"""Isolation forests as supports: path lengths before and after all steps from one walk.

A row's score is −2^(−Σ d / c), with the depth d of its leaf in each tree, and what the
leaf's training rows add to it; it is outside where its score is below the forest's
threshold. Sums of a walk differ from the forest's own in the last digits, so that rows
that close to the threshold are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numba.core.errors import NumbaError
from sklearn.utils import gen_batches

from skfme._engine.refusals import ModelNotReadError, RowsNotReadError
from skfme._engine.stepping import Stepped, left_out
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.forests import IsolationTrees
from skfme._engine.trees.inputs import Features
from skfme._engine.trees.trees import MOST_VALUES, grouped_by_ends
from skfme._engine.trees.walks import Walks
from skfme._frames.columns import ColumnData
from skfme._frames.tables import Table
from skfme.extrapolation._detectors import DetectorSupport

__all__ = ["WalkedForest"]

_LOG = logging.getLogger(__name__)
_CHECKED_ROWS = 512
_EXACT, _CLOSE = 1e-12, 1e-9  # of scores, and of paths relative to their usual length


@dataclass(frozen=True)
class WalkedForest:
    """A support that walks the trees of its isolation forest.

    Attributes
    ----------
    support : DetectorSupport
        Asked for rows close to the threshold, and for what cannot be read.
    forest : IsolationTrees
    walks : Walks
    """

    support: DetectorSupport
    forest: IsolationTrees
    walks: Walks

    @classmethod
    def of(cls, support: DetectorSupport, forest: IsolationTrees) -> WalkedForest:
        """The walks of a forest."""
        walks = Walks(forest.ensemble)
        walks.complete  # noqa: B018 - too large ones are refused here
        return cls(support, forest, walks)

    def check(self, table: Table) -> None:
        """Compare scores of a few rows with the forest's own.

        Raises
        ------
        ModelNotReadError
            If they differ.
        """
        rows = np.linspace(0, len(table) - 1, min(len(table), _CHECKED_ROWS))
        few = table.take(np.unique(rows.astype(np.intp)))
        few = few.take(np.flatnonzero(self.support.judgeable(few)))
        if not len(few):
            return
        try:
            features = self.forest.inputs.features(few)
            still = Move({}, {}, np.ones(len(few), dtype=bool))
            ours = self._scores(self.walks.walk(features, [still], True)[0].margin)
            own = self.support.detector.score_samples(few.private())
        except (RowsNotReadError, ValueError, TypeError) as error:
            raise ModelNotReadError(str(error)) from error
        except NumbaError as error:
            raise ModelNotReadError(
                f"numba cannot compile the walk: {error}"
            ) from error
        off = np.abs(ours - own).max()
        if not off <= _EXACT:
            raise ModelNotReadError(f"its scores differ from the forest's by {off:.3g}")

    def judged(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> tuple[list[Stepped], int]:
        """The effects without rows that leave the data, and rows outside before any."""
        most = max(MOST_VALUES // self.forest.inputs.n_values(len(effects)), 1)
        outside = np.zeros((len(effects), len(batch)), dtype=bool)
        n_outside = 0
        for rows in gen_batches(len(batch), most):
            part, some = batch, effects
            if len(batch) > most:
                part, some = batch.take(rows), [effect.at(rows) for effect in effects]
            try:
                outside[:, rows], before = self._outside(part, some)
            except (RowsNotReadError, ValueError, TypeError) as reason:
                _LOG.debug("a batch is left to the detector: %s", reason)
                outside[:, rows], before = self._asked(part, some)
            n_outside += int(np.count_nonzero(before))
        pairs = zip(effects, outside, strict=True)
        return [left_out(effect, out) for effect, out in pairs], n_outside

    def _asked(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> tuple[list[np.ndarray], np.ndarray]:
        before, _ = self.support.before(batch)
        outside = []
        for effect in effects:
            out = np.zeros(len(batch), dtype=bool)
            for columns in (effect.start, effect.end):
                if columns:
                    judged = effect.counted & ~out
                    out |= self.support.outside(batch, None, columns, judged)
            outside.append(out)
        return outside, before

    def _outside(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> tuple[list[np.ndarray], np.ndarray]:
        inputs = self.forest.inputs
        features = inputs.features(batch)
        own = Move({}, {}, np.ones(len(batch), dtype=bool))
        moves = [own, *(self._move(batch, features, effect) for effect in effects)]
        walked = grouped_by_ends(
            moves, lambda group: self.walks.walk(features, group, True)
        )
        judgeable = self.support.judgeable(batch)
        before = self._verdict(batch, {}, next(walked).margin, judgeable)
        outside = []
        for effect, walk in zip(effects, walked, strict=True):
            out = np.zeros(len(batch), dtype=bool)
            if effect.start:
                margin = walk.margin
                out = self._verdict(batch, effect.start, margin, effect.counted)
            ends = walk.margin + walk.delta
            outside.append(
                out | self._verdict(batch, effect.end, ends, effect.counted & ~out)
            )
        return outside, before

    def _move(self, batch: Table, features: Features, effect: Stepped) -> Move:
        rows, changed = effect.counted, self.forest.inputs.changed
        start = changed(batch, features, effect.start, rows)
        end = changed(batch, features, effect.end, rows)
        return Move(start, {j: features[j] for j in start} | end, rows)

    def _verdict(
        self,
        batch: Table,
        columns: dict[int, ColumnData],
        margin: np.ndarray,
        judged: np.ndarray,
    ) -> np.ndarray:
        """Which of the rows judged are outside, with some columns changed."""
        over = margin[:, 0] - self.forest.shortest
        outside = (over < 0) & judged
        close = judged & ~(np.abs(over) > _CLOSE * self.forest.usual_length)
        if close.any():
            asked = self.support.outside(batch, None, columns, close)
            outside = np.where(close, asked, outside)
        return outside

    def _scores(self, margin: np.ndarray) -> np.ndarray:
        return np.asarray(-(2.0 ** -(margin[:, 0] / self.forest.usual_length)))
