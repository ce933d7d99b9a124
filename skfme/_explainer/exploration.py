"""Exploring along a step: predictions on its way, steps of several sizes, the optimum.

How steps are predicted, and what is shown of them, lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from skfme._engine.choice import EngineChoice
from skfme._engine.comparing import read_comparisons
from skfme._engine.prediction import Response
from skfme._explainer.optimum import optimum_of, read_request
from skfme._frames.hints import known_names, nearest
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffects
from skfme._results.optima import ResponseOptimum
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
    comparison: Any
    average: str
    batch_size: Any
    response_label: str | None
    _response: Response
    _choice: EngineChoice
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
            ``GaussLegendre(8)`` where it has none; of comparisons that are no differences,
            they are NaN.

        Raises
        ------
        ValueError
            If the feature is not a numeric column, or a size is 0 or not finite.
        """
        table = self._table(X)
        column = self.columns_[table.position(feature, "step_profile names")]
        steps, sizes = _steps_of_sizes(column, self._spreads, sizes)
        comparisons = read_comparisons(self.comparison, self.average, steps)
        rule = as_rule(self.nlm)
        if rule is None and comparisons[0].is_linear:
            rule = as_rule(True)
        effects = self._effects(table, steps, rule, sample_weight)
        return StepProfile(str(column.name), sizes, effects)

    def optimum(
        self,
        X: Any,
        feature: Hashable,
        *,
        direction: str,
        by: Any = None,
        margin: float | None = None,
        sample_weight: Any = None,
        scale: str = "auto",
    ) -> ResponseOptimum:
        """The value of a feature at which the average prediction is best.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
            Rows to average over, each with the feature set to one value after another.
        feature : column name, or position for an array
            A numeric feature.
        direction : {"min", "max"}
            Whether low or high predictions are good.
        by : column of X, list of columns, or array-like of shape (n_samples,), default=None
            Groups of rows, each of which has an optimum of its own.
        margin : float, default=None
            What counts as no difference, in units of the prediction: the values that are
            as good as the best one up to the margin are its range. None is no difference
            at all.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the averages.
        scale : {"auto", "linear", "log"}, default="auto"
            How the feature is read, where values are spread and middles are taken.
            "auto" is "log" for positive values over a factor of 10 or more.

        Returns
        -------
        optimum : ResponseOptimum
            Print it for the table; ``plot()`` shows the curves and ranges.

        Raises
        ------
        ValueError
            If the feature is not numeric or has one value in X, or a parameter is none
            that is known.

        See Also
        --------
        skfme.statsmodels.optimum_effects : The same with intervals over refits.

        Notes
        -----
        The response curve of a group is the average of f(x with the feature at v), as
        in a partial dependence. Of a tree ensemble that the extra ``fast`` reads it is
        known at every v, from one pass over the trees (in a pipeline, at every observed
        v, where the column stays one feature); of other models with jumps up to 161
        observed values are tried, and of smooth models 121 values and a bounded search
        around the best of them, between whole numbers too.

        Values compete only where X has some: pieces of a tree ensemble between designed
        levels, and values beyond the observed range, say nothing. An optimum at the end
        of that range is a bound, and ``edge`` says so.

        The value at which the AME of a step is zero brackets the optimum and is not the
        optimum: its step starts there.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.svm import SVR
        >>> from skfme import FMEExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        >>> explainer = FMEExplainer(SVR(C=1000), {"age": 1}).fit(X, y)
        >>> optimum = explainer.optimum(X, "age", direction="min", margin=2)
        >>> optimum.to_frame()[["optimum", "range_low", "range_high"]].round(1)
           optimum  range_low  range_high
        0     44.0       30.9        57.0
        """
        asked = (direction, by, margin, scale, sample_weight)
        request = read_request(self, self._table(X), feature, *asked)
        return optimum_of(self, request)


def step_named(steps: Sequence[NamedStep], name: str) -> NamedStep:
    """The step of an effect.

    Raises
    ------
    ValueError
        If no effect has this name.
    """
    by_name = {step.name: step for step in steps}
    if not isinstance(name, str):
        raise TypeError(
            "An effect is asked for by its name, such as "
            f"{next(iter(by_name), 'bmi -2')!r}; got {name!r}. Other steps are those of "
            "another explainer: FMEExplainer(model, steps)."
        )
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
