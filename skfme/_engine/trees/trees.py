"""Exact forward differences of tree ensembles, and their exact NLM.

What this costs grows with the number of nodes that the steps cross, not with the
number of effects (see the compiled `kernels` and `jumps`).
What is walked for each effect is planned elsewhere; this module groups the walks of a
batch.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numba.core.errors import NumbaError
from sklearn.utils import gen_batches

from skfme._engine.differences import PredictEngine
from skfme._engine.refusals import RowsNotReadError, refusal
from skfme._engine.stepping import Measured, Stepped, asked_for, joined
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.inputs import Inputs, TransformedInputs
from skfme._engine.trees.plans import planned
from skfme._engine.trees.walks import Walked, Walks
from skfme._frames.tables import Table
from skfme.quadrature import Rule, rule_name

__all__ = ["MOST_VALUES", "TreeEngine", "TreeModel", "grouped_by_ends"]

_LOG = logging.getLogger(__name__)
MOST_VALUES = 2**24  # stepped values that are held at once: 128 MB


@dataclass(frozen=True)
class TreeModel:
    """An ensemble that can be walked, and how tables become its features.

    Attributes
    ----------
    walks : Walks
    inputs : Inputs or TransformedInputs
    insisted : bool
        Whether rows that cannot be read are an error, and not left to predictions.
    """

    walks: Walks
    inputs: Inputs | TransformedInputs
    insisted: bool = False

    @property
    def tolerance(self) -> float:
        """To which the model is reproduced, relative to its largest prediction."""
        return self.walks.ensemble.precision.tolerance

    def engine(self, predict: PredictEngine) -> TreeEngine:
        """The engine over this model."""
        return TreeEngine(self, predict)


@dataclass(frozen=True)
class TreeEngine:
    """Effects of a tree ensemble; a callable that joblib can ship.

    Attributes
    ----------
    model : TreeModel
    predict : PredictEngine
        For batches that cannot be read, and for quadrature.
    """

    model: TreeModel
    predict: PredictEngine
    name = "trees"

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect on the rows that count."""
        batch, effects = asked_for(batch, effects)
        try:
            return self._measured_in_parts(batch, effects, rule)
        except RowsNotReadError as reason:
            if self.model.insisted:
                raise refusal(self.name, str(reason)) from reason
            _LOG.debug("a batch is left to the model's own predictions: %s", reason)
            return self.predict(batch, effects, rule)

    def _measured_in_parts(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        if not len(batch):
            empty = np.empty((0, len(self.predict.response.outputs)))
            nlm = None if rule is None else empty
            return [Measured(empty, empty, nlm=nlm, engine=self.name) for _ in effects]
        most = max(MOST_VALUES // self.model.inputs.n_values(len(effects)), 1)
        if len(batch) <= most:
            return self._measured_at_once(batch, effects, rule)
        measured = [
            self._measured_at_once(
                batch.take(rows), [effect.at(rows) for effect in effects], rule
            )
            for rows in gen_batches(len(batch), most)
        ]
        return [joined(parts) for parts in zip(*measured, strict=True)]

    def responses(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Predictions before and after each step, for the rows that count.

        Raises
        ------
        RowsNotReadError
            If the model would read the rows otherwise, or the walk cannot be compiled.
        """
        try:
            return [
                self._ends(walked, effect.counted)
                for effect, walked in self._walked(batch, effects, rule)
            ]
        except NumbaError as error:
            raise RowsNotReadError(f"numba cannot compile the walk: {error}") from error

    def _measured_at_once(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        measured = []
        last, start = None, np.empty(0)  # most walks start alike
        for effect, walked in self._walked(batch, effects, rule):
            if walked.margin is not last:
                last = walked.margin
                start = self.model.walks.respond(self.model.walks.ensemble.base + last)
            measured.append(self._measured(batch, effect, walked, start, rule))
        return measured

    def _measured(
        self,
        batch: Table,
        effect: Stepped,
        walked: Walked,
        start: np.ndarray,
        rule: Rule | None,
    ) -> Measured:
        """What a walk found of one effect, on the rows that count."""
        rows: Any = slice(None) if effect.counted.all() else effect.counted
        fme, low, lost = walked.delta[rows], start[rows], 0
        nlm = None if walked.nlm is None else walked.nlm[rows]
        quadrature = rule if nlm is None else None
        high = None
        if quadrature is not None or self.model.walks.ensemble.link != "identity":
            _, high = self._ends(walked, rows)
            fme = high - low
        if quadrature is not None:
            assert high is not None
            nlm, lost = self.predict.nonlinearity(batch, effect, low, high, quadrature)
        name = (
            "" if rule is None else "exact" if quadrature is None else rule_name(rule)
        )
        return Measured(fme, low, high, nlm, lost, self.name, name)

    def _ends(self, walked: Walked, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        """Predictions before and after the step."""
        walks = self.model.walks
        margin = walks.ensemble.base + walked.margin[rows]
        return walks.respond(margin), walks.respond(margin + walked.delta[rows])

    def _walked(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> Iterator[tuple[Stepped, Walked]]:
        """Every effect, and the walk of its move, with the exact NLM of its path."""
        before = self.model.inputs.features(batch)
        inputs, coded = self.model.inputs, self.model.walks.ensemble.categories
        plan_of = partial(planned, inputs, coded, batch, before, rule)
        plans = [plan_of(effect) for effect in effects]
        walks, missing = self.model.walks, inputs.takes_missing
        resolution = self.predict.response.resolution
        # Where values are missing that the model refuses, and a move replaces them.
        apart = not inputs.takes_missing and any(
            np.isnan(before[j]).any() for plan in plans for j in plan.move.start
        )
        moves = (grouped if apart else grouped_by_ends)(
            [plan.move for plan in plans if plan.path is not plan.move],
            lambda group: walks.walk(before, group, missing),
        )
        paths = grouped(
            [plan.path for plan in plans if plan.path is not None],
            lambda group: walks.walk_paths(before, group, missing, resolution),
        )
        for effect, plan in zip(effects, plans, strict=True):
            if plan.path is None:
                yield effect, next(moves)
            elif plan.path is plan.move:
                yield effect, next(paths)
            else:
                yield effect, replace(next(moves), nlm=next(paths).nlm)


def grouped(
    moves: Sequence[Move], walk: Callable[[Sequence[Move]], list[Walked]]
) -> Iterator[Walked]:
    """The walks of some moves; those that start at the row's own values share one."""
    sharing = [move for move in moves if not move.start]
    shared = iter(walk(sharing) if sharing else [])
    for move in moves:
        yield walk([move])[0] if move.start else next(shared)


def grouped_by_ends(
    moves: Sequence[Move], walk: Callable[[Sequence[Move]], list[Walked]]
) -> Iterator[Walked]:
    """The same of moves without paths, which all share one walk.

    One that starts elsewhere is what the row's way to its end changes more than that to
    its start.
    """
    if len(moves) < 2:
        yield from grouped(moves, walk)
        return
    ways = [
        Move({}, end, move.counted)
        for move in moves
        for end in ([move.start, move.end] if move.start else [move.end])
    ]
    walked = iter(walk(ways))
    for move in moves:
        first = next(walked)
        if not move.start:
            yield first
            continue
        yield Walked(first.margin + first.delta, next(walked).delta - first.delta)
