"""Exact NLM of tree ensembles where no compiled engine is loaded.

Effects are differences of the model's own predictions; only what lies between the ends
of a step is read from the trees.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from skfme._engine.differences import PredictEngine
from skfme._engine.refusals import RowsNotReadError
from skfme._engine.stepping import Measured, Stepped, asked_for
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.ensembles import Ensemble
from skfme._engine.trees.inputs import Features, Inputs, TransformedInputs
from skfme._engine.trees.paths import PathWalk, responses_at
from skfme._engine.trees.plans import Plan, planned
from skfme._frames.tables import Table
from skfme.quadrature import Rule

__all__ = ["PathEngine", "PlainModel"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class PlainModel:
    """An ensemble as it was read, and how tables become its features.

    Attributes
    ----------
    ensemble : Ensemble
    inputs : Inputs or TransformedInputs
    """

    ensemble: Ensemble
    inputs: Inputs | TransformedInputs

    @property
    def tolerance(self) -> float:
        """To which the model is reproduced, relative to its largest prediction."""
        return self.ensemble.precision.tolerance

    @property
    def n_levels(self) -> int:
        """Levels of all trees: at most so many nodes are visited by a row."""
        return int(self.ensemble.depth.sum())

    def engine(self, predict: PredictEngine) -> PathEngine:
        """The engine over this model."""
        return PathEngine(self, predict)

    def n_passed(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[int]:
        """Thresholds that the rows of a batch pass with each effect.

        Raises
        ------
        RowsNotReadError
            If the model would read the rows otherwise.
        """
        batch, effects = asked_for(batch, effects)
        before, plans = self.plans(batch, effects, rule)
        return [
            0 if plan.path is None else self._walk(before, plan.path).n_passed()
            for plan in plans
        ]

    def plans(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> tuple[Features, list[Plan]]:
        """The features of a batch, and what is walked for each effect."""
        before = self.inputs.features(batch)
        plan = partial(
            planned, self.inputs, self.ensemble.categories, batch, before, rule
        )
        return before, [plan(effect) for effect in effects]

    def responses(self, features: Features) -> np.ndarray:
        """Predictions of rows with these features."""
        return responses_at(self.ensemble, features, self.inputs.takes_missing)

    def nlm(self, before: Features, plan: Plan, resolution: float) -> np.ndarray | None:
        """Exact NLM of the rows that count; None where the path cannot be integrated."""
        if plan.path is None:
            return None
        rows = np.flatnonzero(plan.path.counted)
        if not len(rows):
            return np.empty((0, len(self.ensemble.base)))
        features = {j: values[rows] for j, values in before.items()}
        return self._walk(features, plan.path.at(rows)).nlm(resolution)

    def _walk(self, features: Features, path: Move) -> PathWalk:
        return PathWalk.of(self.ensemble, features, path, self.inputs.takes_missing)


@dataclass(frozen=True)
class PathEngine:
    """Differences of predictions with the exact NLM; a callable that joblib can ship.

    Attributes
    ----------
    model : PlainModel
    predict : PredictEngine
    """

    model: PlainModel
    predict: PredictEngine
    name = PredictEngine.name

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect on the rows that count."""
        batch, effects = asked_for(batch, effects)
        if not len(batch):
            return self.predict(batch, effects, rule)
        resolution = self.predict.response.resolution
        try:
            before, plans = self.model.plans(batch, effects, rule)
            exact = [self.model.nlm(before, plan, resolution) for plan in plans]
        except RowsNotReadError as reason:
            _LOG.debug("a batch is left to the model's own predictions: %s", reason)
            return self.predict(batch, effects, rule)
        by_rule = [i for i, nlm in enumerate(exact) if nlm is None]
        measured = dict(
            zip(
                by_rule,
                self.predict(batch, [effects[i] for i in by_rule], rule),
                strict=True,
            )
        )
        rest = [i for i, nlm in enumerate(exact) if nlm is not None]
        found = self.predict(batch, [effects[i] for i in rest], None)
        for i, effect in zip(rest, found, strict=True):
            measured[i] = replace(effect, nlm=exact[i], nlm_rule="exact")
        return [measured[i] for i in range(len(effects))]

    def responses(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[tuple[np.ndarray, np.ndarray] | None]:
        """Predictions before and after each step whose path can be integrated, for the
        rows that count.

        Raises
        ------
        RowsNotReadError
            If the model would read the rows otherwise.
        """
        before, plans = self.model.plans(batch, effects, rule)
        return [
            None if plan.path is None else self._ends(before, plan.move)
            for plan in plans
        ]

    def _ends(self, before: Features, move: Move) -> tuple[np.ndarray, np.ndarray]:
        rows = np.flatnonzero(move.counted)
        before = {j: values[rows] for j, values in before.items()}
        move = move.at(rows)
        model = self.model
        return model.responses(before | move.start), model.responses(before | move.end)
