"""Exploring along a step: predictions on its way, and one feature's step of several sizes.

How steps are predicted, and what is shown of them, lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from skfme._engine.prediction import Response
from skfme._frames.hints import known_names, nearest
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffects
from skfme._results.profiles import (
    PathPredictions,
    StepProfile,
    path_predictions,
    readable_sizes,
)
from skfme.quadrature import as_rule
from skfme.steps._changes import NamedStep
from skfme.steps._steps import added

__all__ = ["StepExploration", "step_named"]


class StepExploration:
    """What a fitted explainer shows of a step beside its effects."""

    steps_: tuple[NamedStep, ...]
    columns_: tuple[Column, ...]
    nlm: Any
    _response: Response
    _spreads: Mapping[int, tuple[float, float]]
    _table: Callable[[Any], Table]
    _effects: Callable[..., ForwardEffects]

    def path(self, X: Any, effect: str, *, n_points: int = 21) -> PathPredictions:
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
        table = self._table(X)
        step = step_named(self.steps_, effect)
        return path_predictions(self._response, table, step, n_points)

    def step_profile(
        self,
        X: Any,
        feature: Hashable,
        *,
        sizes: Any = None,
        sample_weight: Any = None,
    ) -> StepProfile:
        """Effects of one numeric feature over a range of step sizes.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        feature : column name, or position for an array
        sizes : sequence of float or None, default=None
            Amounts to add, in the feature's units. None takes fractions of the
            training SD and range, rounded to readable numbers, of both signs.
        sample_weight : column of X, or array-like of shape (n_samples,), default=None

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
        column = self.columns_[table.position(feature, "step_profile names")]
        steps, sizes = _steps_of_sizes(column, self._spreads, sizes)
        rule = as_rule(self.nlm) or as_rule(True)
        effects = self._effects(table, steps, rule, sample_weight)
        return StepProfile(str(column.name), sizes, effects)


def step_named(steps: Sequence[NamedStep], name: str) -> NamedStep:
    """The step of an effect.

    Raises
    ------
    ValueError
        If no effect has this name.
    """
    by_name = {step.name: step for step in steps}
    if name not in by_name:
        raise ValueError(
            f"No effect is named {name!r}."
            + (nearest(name, by_name) or known_names(list(by_name)))
        )
    return by_name[name]


def _steps_of_sizes(
    column: Column, spreads: Mapping[int, tuple[float, float]], sizes: Any
) -> tuple[tuple[NamedStep, ...], tuple[float, ...]]:
    """One effect for each distinct size that is added to a column, and the sizes.

    Parameters
    ----------
    column : Column
    spreads : mapping of int -> (float, float)
        SD and range of each numeric column in the training rows, by position; of none
        that holds two values only.
    sizes : sequence of float or None
        None takes readable ones.

    Raises
    ------
    ValueError
        If the column is not numeric or holds two values only, or a size is 0 or not
        finite.
    """
    if column.position not in spreads:
        two = "two-valued: Contrast compares both values"
        raise ValueError(
            "step_profile needs a numeric feature of more than two values; "
            f"{column.name!r} is {two if column.kind == 'numeric' else column.kind}."
        )
    if sizes is None:
        sizes = readable_sizes(*spreads[column.position], column.integer)
    distinct = np.unique(np.asarray(sizes, dtype=float).ravel())
    if not len(distinct) or not np.isfinite(distinct).all() or (distinct == 0).any():
        raise ValueError(
            f"sizes must be finite and not 0, got {distinct.tolist()}; "
            f"{column.name!r} may be constant in training."
        )
    steps = tuple(NamedStep.of(added(column, size)) for size in distinct)
    return steps, tuple(distinct.tolist())
