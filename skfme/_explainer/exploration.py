"""What an explainer tells of the way of a step: paths, and profiles over sizes."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._engine.prediction import Response
from skfme._frames.hints import known_names, nearest
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._results.profiles import (
    PathPredictions,
    StepProfile,
    path_predictions,
    readable_sizes,
)
from skfme.quadrature import as_rule
from skfme.steps._changes import NamedStep
from skfme.steps._steps import added

if TYPE_CHECKING:
    from skfme._results.effects import ForwardEffects

__all__ = ["StepExploration"]


class StepExploration:
    """Methods of a fitted explainer that look along its steps."""

    nlm: Any
    steps_: tuple[NamedStep, ...]
    columns_: tuple[Column, ...]
    _spreads: dict[int, tuple[float, float]]
    _response: Response
    _table: Callable[[Any], Table]
    _effects: Callable[..., ForwardEffects]

    def path(self, X: Any, effect: str, n_points: int = 21) -> PathPredictions:
        """Predictions along the step, for plots and for checking.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            A few rows.
        effect : str
            An effect's name, such as ``"bmi -2"``.
        n_points : int, default=21
            Points from start to end, both included.

        Returns
        -------
        path : PathPredictions
            Numeric features move in a straight line; categories and dates stand at
            their new values all along.

        Raises
        ------
        ValueError
            If no effect has this name, or n_points is below 2.
        """
        if n_points < 2:
            raise ValueError(f"n_points must be at least 2, got {n_points!r}.")
        table = self._table(X)
        step = self._step(effect)
        index = table.index
        return path_predictions(self._response, table, step, int(n_points), index)

    def _step(self, name: str) -> NamedStep:
        named = {step.name: step for step in self.steps_}
        if name not in named:
            raise ValueError(
                f"No effect is named {name!r}."
                + (nearest(name, named) or known_names(list(named)))
            )
        return named[name]

    def step_profile(
        self, X: Any, feature: Hashable, sizes: Any = None, sample_weight: Any = None
    ) -> StepProfile:
        """Effects of one numeric feature over a range of step sizes.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        feature : column name, or position for an array
        sizes : sequence of float or None, default=None
            Amounts to add, in the feature's units. None takes fractions of the
            training SD and range, rounded to readable numbers, of both signs.
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        profile : StepProfile
            AME, SD, ANLM, share of zero effects and of extrapolation for each size;
            print it for the table. NLMs are by this explainer's rule, or by
            ``GaussLegendre(8)`` where it has none.

        Raises
        ------
        ValueError
            If the feature is not a numeric column, or a size is 0 or not finite.
        """
        table = self._table(X)
        position = table.position(feature, "step_profile names")
        column = self.columns_[position]
        if position not in self._spreads:
            raise ValueError(
                f"step_profile needs a numeric feature; {feature!r} is {column.kind}."
            )
        if sizes is None:
            sizes = readable_sizes(*self._spreads[position], column.integer)
        sizes = np.unique(np.asarray(sizes, dtype=float).ravel())
        if not len(sizes) or not np.isfinite(sizes).all() or (sizes == 0).any():
            raise ValueError(
                f"sizes must be finite and not 0, got {sizes.tolist()}; "
                f"{feature!r} may be constant in training."
            )
        name = str(column.name)
        changes = [added(column, size) for size in sizes]
        steps = tuple(NamedStep(f"{name} {c.label}", (c,)) for c in changes)
        rule = as_rule(self.nlm) or as_rule(True)
        effects = self._effects(table, steps, rule, sample_weight)
        return StepProfile(name, tuple(float(size) for size in sizes), effects)
