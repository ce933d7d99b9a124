"""Exact forward differences of tree ensembles, and their exact NLM.

What this costs grows with the number of nodes that the steps cross, not with the
number of effects (see the compiled `kernels` and `jumps`).
This module plans the walks of a batch: which features change, from where, and whose
paths can be integrated.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skfme._engine.differences import PredictEngine
from skfme._engine.refusals import RowsNotReadError, refusal
from skfme._engine.stepping import Measured, Stepped, asked_for, joined
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.inputs import Features, Inputs, TransformedInputs
from skfme._engine.trees.walks import Walked, Walks
from skfme._frames.tables import Table
from skfme.quadrature import Rule, is_best

__all__ = ["TreeEngine", "TreeModel"]

_LOG = logging.getLogger(__name__)
_MOST_VALUES = 2**24  # stepped values that are held at once: 128 MB


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
        return self.walks.ensemble.tolerance

    def engine(self, predict: PredictEngine) -> TreeEngine:
        """The engine over this model."""
        return TreeEngine(self, predict)


@dataclass(frozen=True)
class _Plan:
    """What is walked for one effect; the path is None without an exact NLM."""

    move: Move
    path: Move | None


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
        try:
            return self.measured(batch, effects, rule)
        except RowsNotReadError as reason:
            if self.model.insisted:
                raise refusal(self.name, str(reason)) from reason
            _LOG.debug("a batch is left to the model's own predictions: %s", reason)
            return self.predict(batch, effects, rule)

    def measured(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """The same, without a way out.

        Raises
        ------
        RowsNotReadError
            If the rows cannot be read as the model reads them.
        """
        batch, effects = asked_for(batch, effects)
        if not len(batch):
            empty = np.empty((0, len(self.predict.response.outputs)))
            nlm = None if rule is None else empty
            return [Measured(empty, nlm, engine=self.name) for _ in effects]
        most = max(_MOST_VALUES // self.model.inputs.n_values(len(effects)), 1)
        parts = [slice(k, k + most) for k in range(0, len(batch), most)]
        if len(parts) == 1:
            return self._walked_at_once(batch, effects, rule)
        measured = [
            self._walked_at_once(
                batch.take(rows), [effect.at(rows) for effect in effects], rule
            )
            for rows in parts
        ]
        return [joined(found) for found in zip(*measured, strict=True)]

    def _walked_at_once(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        before = self.model.inputs.features(batch)
        plans = [self._plan(batch, before, effect, rule) for effect in effects]
        walked = self._walked(before, plans)
        return [
            self._measured(batch, effect, one, rule)
            for effect, one in zip(effects, walked, strict=True)
        ]

    def _measured(
        self, batch: Table, effect: Stepped, one: Walked, rule: Rule | None
    ) -> Measured:
        """What was found of one effect, on the rows that count."""
        rows: Any = slice(None) if effect.counted.all() else effect.counted
        fme, nlm, lost = one.delta[rows], one.nlm, 0
        if nlm is not None:
            nlm = nlm[rows]
        asked = rule if nlm is None else None
        if asked is not None or self.model.walks.ensemble.link != "identity":
            low, high = self._ends(one, rows)
            if self.model.walks.ensemble.link != "identity":
                fme = high - low
            if asked is not None:
                nlm, lost = self.predict.nonlinearity(batch, effect, low, high, asked)
        return Measured(fme, nlm, lost, self.name)

    def responses(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Predictions before and after each step, for the rows that count."""
        before = self.model.inputs.features(batch)
        plans = [self._plan(batch, before, effect, rule) for effect in effects]
        walked = self._walked(before, plans)
        return [
            self._ends(one, effect.counted)
            for effect, one in zip(effects, walked, strict=True)
        ]

    def _ends(self, one: Walked, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        margin = self.model.walks.ensemble.base + one.margin[rows]
        after = margin + one.delta[rows]
        return self.model.walks.respond(margin), self.model.walks.respond(after)

    def _plan(
        self, batch: Table, before: Features, effect: Stepped, rule: Rule | None
    ) -> _Plan:
        counted, inputs = effect.counted, self.model.inputs
        start: Features = {}
        if effect.start:
            start = inputs.changed(batch, before, effect.start, counted)
        end = inputs.changed(batch, before, effect.end, counted)
        move = _move(before, start, end, counted)
        moving = frozenset(
            bound.change.position for bound in effect.changes if bound.change.numeric
        )
        if not (rule is not None and is_best(rule) and moving):
            return _Plan(move, None)
        path = move
        if len(moving) < len(effect.changes):
            # Categories and dates stand at their new value all along.
            fixed = {p: c for p, c in effect.end.items() if p not in moving}
            fixed |= {p: c for p, c in effect.start.items() if p in moving}
            held = inputs.changed(batch, before, fixed, counted)
            path = _move(before, held, end, counted)
        exact = inputs.is_straight(batch, moving) and not self._passes_categories(
            before, path
        )
        return _Plan(move, path if exact else None)

    def _passes_categories(self, before: Features, path: Move) -> bool:
        """Whether a path leads through numbers that the model takes for categories."""
        coded = path.end.keys() & self.model.walks.ensemble.categories.keys()
        rows = path.counted
        return any(
            not np.array_equal(
                path.start.get(j, before[j])[rows], path.end[j][rows], equal_nan=True
            )
            for j in coded
        )

    def _walked(self, before: Features, plans: Sequence[_Plan]) -> list[Walked]:
        """Walk every plan's move, and its path."""
        jobs = [(plan.move, plan.path is plan.move) for plan in plans]
        apart = []
        for k, plan in enumerate(plans):
            if plan.path is not None and plan.path is not plan.move:
                apart.append(k)
                jobs.append((plan.path, True))
        done: dict[int, Walked] = {}
        for exact in (False, True):
            own = [k for k, (_, wanted) in enumerate(jobs) if wanted is exact]
            # Moves that start at the row's own values share a walk.
            shared = [k for k in own if not jobs[k][0].start]
            groups = [shared] if shared else []
            groups += [[k] for k in own if jobs[k][0].start]
            for group in groups:
                moves = [jobs[k][0] for k in group]
                done |= zip(group, self._group(before, moves, exact), strict=True)
        for place, k in enumerate(apart, start=len(plans)):
            done[k] = replace(done[k], nlm=done[place].nlm)
        return [done[k] for k in range(len(plans))]

    def _group(
        self, before: Features, moves: Sequence[Move], exact: bool
    ) -> list[Walked]:
        walks, takes_missing = self.model.walks, self.model.inputs.takes_missing
        if not exact:
            return walks.walk(before, moves, takes_missing)
        resolution = self.predict.response.resolution
        return walks.walk_paths(before, moves, takes_missing, resolution)


def _move(
    before: Features, start: Features, end: Features, counted: np.ndarray
) -> Move:
    """A move whose end names every feature that its start does."""
    return Move(start, {j: before[j] for j in start} | end, counted)
