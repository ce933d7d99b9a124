"""Results: the effects of one step on every row, and of several steps.

A result keeps the table it was given by reference and the effects; never the model.
What needs the model is computed by the explainer.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._engine.forward import Differences
from skfme._engine.stepping import STATUSES
from skfme._frames.tables import Table
from skfme._results.averages import Ends
from skfme._results.by_group import averages_by_group, ends_of
from skfme._results.context import Context
from skfme._results.counted_data import CountedData
from skfme._results.printed import PrintedEffect, PrintedEffects
from skfme._results.rounding import rounding_note
from skfme._results.row_table import table_of_rows
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.weighted import (
    Figures,
    NonLinearity,
    figures_of,
    nonlinearity_of,
    with_mean,
)
from skfme._summaries.weighting import Weighting
from skfme.steps._changes import NamedStep, Step

if TYPE_CHECKING:
    from skfme.plotting import AMEDisplay, FMEDisplay

__all__ = ["ForwardEffect", "ForwardEffects"]


@dataclass(frozen=True, eq=False, repr=False)
class ForwardEffect(PrintedEffect):
    """The forward marginal effects of one step, FME(x) = f(x + h) − f(x).

    Attributes
    ----------
    name : str
        Such as ``bmi -2``.
    fme : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        In the response's units, or those of `comparison`, and the input's order; NaN
        where a row does not count. Two-dimensional for several outputs.
    status : ndarray of shape (n_samples,)
        "counted", "missing" (the stepped value is missing, or for results of a fit a
        value without which it left the row out), "at_target" (the row already has the
        category) or "extrapolation" (the stepped row leaves the training data).
    step : dict of str -> Step
        The changed features, with sizes in their own units.
    sizes : tuple of str
        What relative sizes came to, such as ``1 SD of bmi = 4.418``.
    n_not_converged : int
        Rows whose NLM did not converge under an adaptive rule.
    engine : str
        What computed it: differences of predictions ("predict"), or an exact path
        for tree ensembles ("trees") or linear models ("linear").
    nlm_rule : str
        By which rule the NLM was measured; "exact" where it was integrated exactly, and
        empty where it was not measured.
    comparison : Comparison
        How the prediction after the step is compared with the one before it, and whether
        that is averaged ("of_rows") or compares averages ("of_means").

    References
    ----------
    Scholbeck, Casalicchio, Molnar, Bischl, Heumann (2024). Marginal effects for
    non-linear prediction functions. Data Mining and Knowledge Discovery 38,
    2997-3042.
    """

    name: str
    step: dict[str, Step]
    sizes: tuple[str, ...]
    context: Context = field(repr=False)
    fme_2d: np.ndarray = field(repr=False)
    status_codes: np.ndarray = field(repr=False)
    nlm_2d: np.ndarray | None = field(default=None, repr=False)
    n_not_converged: int = 0
    engine: str = "predict"
    nlm_rule: str = ""
    before_2d: np.ndarray | None = field(default=None, repr=False)
    after_2d: np.ndarray | None = field(default=None, repr=False)
    comparison: Comparison = DIFFERENCE

    def __post_init__(self) -> None:
        ends = (self.before_2d, self.after_2d)
        for array in (self.fme_2d, self.nlm_2d, self.status_codes, *ends):
            if array is not None:
                array.flags.writeable = False

    @property
    def fme(self) -> np.ndarray:
        """Effects of shape (n_samples,) or (n_samples, n_outputs), NaN if not counted."""
        return self.fme_2d[:, 0] if len(self.outputs) == 1 else self.fme_2d

    @property
    def nlm(self) -> np.ndarray:
        """Non-linearity measure of each row, shaped as `fme`.

        1: the prediction moves along a straight line from start to end of the step;
        0: that line explains the path no better than a constant; no lower bound. NaN
        where a row does not count, where the path is constant, or its changes fall
        between the rule's nodes, and where only categories or dates change.
        """
        nlm = self._checked_nlm()
        return nlm[:, 0] if len(self.outputs) == 1 else nlm

    def _checked_nlm(self) -> np.ndarray:
        if self.nlm_2d is None:
            raise self._without_nlm()
        return self.nlm_2d

    @property
    def has_nlm(self) -> bool:
        """Whether NLMs were measured."""
        return self.nlm_2d is not None

    @cached_property
    def nonlinearity(self) -> tuple[NonLinearity, ...]:
        """For each output: mean, median, share at or above 0.9, undefined rows."""
        rows = np.flatnonzero(self.counted)
        nlm, weights = self._checked_nlm()[rows], self.weights.take(rows)
        return tuple(nonlinearity_of(column, weights) for column in nlm.T)

    @cached_property
    def figures(self) -> tuple[Figures, ...]:
        """For each output: n, mean, SD and quartiles."""
        fme, weights = self.counted_columns()
        figures = tuple(figures_of(column, weights) for column in fme.T)
        if not self.comparison.of_means:
            return figures
        means = self.comparison.of_averages(self._checked_ends())
        return tuple(map(with_mean, figures, means))

    @cached_property
    def ends(self) -> tuple[Ends, ...] | None:
        """For each output: average predictions before and after the step."""
        if self.before_2d is None:
            return None
        rows = np.flatnonzero(self.counted)
        return tuple(ends_of(self, rows, k) for k in range(len(self.outputs)))

    def ends_2d(self) -> tuple[np.ndarray, np.ndarray]:
        """Predictions before and after the step.

        Returns
        -------
        before, after : ndarray of shape (n_samples, n_outputs)
            What stands where a row does not count has no meaning.
        """
        if self.before_2d is None:
            self._checked_ends()  # says why there are none
        assert self.before_2d is not None
        after = self.after_2d
        return self.before_2d, self.before_2d + self.fme_2d if after is None else after

    @cached_property
    def status(self) -> np.ndarray:
        status: np.ndarray = np.array(STATUSES)[self.status_codes]
        return status

    @cached_property
    def status_counts(self) -> np.ndarray:
        """Rows by status, in the order of the statuses."""
        # Four passes over bytes take less than one that widens them.
        codes = self.status_codes
        return np.array([np.count_nonzero(codes == i) for i in range(len(STATUSES))])

    @property
    def counted(self) -> np.ndarray:
        """Mask of the rows that count."""
        counted: np.ndarray = self.status_codes == STATUSES.index("counted")
        return counted

    @property
    def extrapolated(self) -> np.ndarray:
        """Mask of the rows left out as extrapolation points."""
        extrapolated: np.ndarray = self.status_codes == STATUSES.index("extrapolation")
        return extrapolated

    def counted_columns(self) -> tuple[np.ndarray, Weighting]:
        """Effects of shape (n_counted, n_outputs), and weights, of rows that count.

        Returns
        -------
        fme : ndarray of shape (n_counted, n_outputs)
        weights : Weighting
        """
        rows = np.flatnonzero(self.counted)
        return self.fme_2d[rows], self.weights.take(rows)

    @property
    def table(self) -> Table:
        """The table that was explained, behind the package's own interface."""
        return self.context.table

    @property
    def X(self) -> Any:
        """The table that was explained."""
        return self.context.X

    @property
    def weights(self) -> Weighting:
        """Row weights, whether there are any or not."""
        return self.context.weights

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Row weights, or None."""
        return self.context.weights.array

    @property
    def total_weight(self) -> float | None:
        """Sum of the row weights, or None."""
        return self.weights.sum if self.weights.given else None

    @property
    def weights_type(self) -> str:
        """What the weights stand for: "frequency", "sampling" or "importance"."""
        return self.weights.kind

    @property
    def categorical_features(self) -> tuple[Hashable, ...]:
        """Names of the columns that the explainer took for categorical."""
        return self.context.categorical_features

    @property
    def n_outside_before(self) -> int | None:
        """Rows outside the training data before any step; None if not judged."""
        return self.context.n_outside_before

    def _without(self, rows: np.ndarray) -> ForwardEffect:
        """The same effect, of which the rows in a mask miss a value."""
        status = self.status_codes.copy()
        status[rows & self.counted] = STATUSES.index("missing")
        fme, nlm, after = (
            None if array is None else np.where(rows[:, None], np.nan, array)
            for array in (self.fme_2d, self.nlm_2d, self.after_2d)
        )
        assert fme is not None
        return replace(
            self, fme_2d=fme, nlm_2d=nlm, after_2d=after, status_codes=status
        )

    def counted_data(self) -> CountedData:
        """Table, effects and weights of the rows that count.

        Returns
        -------
        data : CountedData
            A named tuple of ``X``, ``fme`` and ``sample_weight``.
        """
        rows = np.flatnonzero(self.counted)
        weights = self.weights.take(rows).array
        return CountedData(self.table.take(rows).native, self.fme[rows], weights)

    def to_frame(self, *, columns: Any = None) -> pd.DataFrame:
        """One row per row of X: the effects, the status and the weight.

        Parameters
        ----------
        columns : column of X, or list of columns, default=None
            Columns that the table shows first, such as those of :func:`skfme.profiles`.

        Returns
        -------
        frame : DataFrame of n_samples rows
            Columns ``fme`` (or ``fme[output]`` for several outputs), ``nlm`` alike
            where it was measured, ``status``, ``sample_weight`` where weights were
            given, and the predictions ``before`` and ``after`` of the rows that count,
            named as ``fme``; with X's index.
        """
        return table_of_rows(self, columns)

    def average(self, by: Any) -> pd.DataFrame:
        """AME by group, over the rows that count.

        Parameters
        ----------
        by : column of X, list of columns, or array-like of shape (n_samples,)
            What the groups are. Missing entries are a group of their own.

        Returns
        -------
        frame : DataFrame
            One row per group and output, groups in the order of their categories, else
            sorted: ``effect``, the group, ``output`` (for several), ``n``, ``ame``, ``sd``
            (NaN for a single row), ``anlm`` where NLMs were measured,
            ``share_positive`` (share of effects above zero), and ``before`` and
            ``after`` (average predictions).

        Raises
        ------
        ValueError
            If `by` names no column, or has not one entry per row.
        """
        return averages_by_group(self, by)

    def plot(self, **options: Any) -> FMEDisplay:
        """Draw the effects row by row; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.FMEDisplay.from_effect`.

        Returns
        -------
        display : FMEDisplay
        """
        # Here and below, so that Matplotlib is needed only to draw.
        from skfme.plotting import FMEDisplay

        return FMEDisplay.from_effect(self, **options)


class ForwardEffects(PrintedEffects[ForwardEffect]):
    """The effects of several steps: a mapping of name -> ForwardEffect.

    Parameters
    ----------
    effects : list of ForwardEffect
    context : Context
    """

    context: Context

    def __init__(self, effects: list[ForwardEffect], context: Context) -> None:
        self._by_name = {effect.name: effect for effect in effects}
        self.context = context

    @classmethod
    def of(
        cls,
        context: Context,
        steps: Sequence[NamedStep],
        differences: Sequence[Differences],
        comparisons: Sequence[Comparison],
    ) -> ForwardEffects:
        """The effects of some steps, as the engine computed them."""
        if all(comparison.is_difference for comparison in comparisons):
            names = [step.name for step in steps]
            note = rounding_note(names, differences, context.resolution)
            if note is not None:
                context = replace(context, notes=(*context.notes, note))
        effects = [
            ForwardEffect(
                step.name,
                step.by_feature,
                step.sizes,
                context,
                difference.fme,
                difference.status,
                difference.nlm,
                difference.n_not_converged,
                difference.engine,
                difference.nlm_rule,
                difference.before,
                difference.after,
                comparison,
            )
            for step, difference, comparison in zip(
                steps, differences, comparisons, strict=True
            )
        ]
        return cls(effects, context)

    @property
    def _effects(self) -> dict[str, ForwardEffect]:
        return self._by_name

    def average(self, by: Any) -> pd.DataFrame:
        """AMEs by group, over the rows that count for each effect.

        Parameters
        ----------
        by : column of X, list of columns, or array-like of shape (n_samples,)
            What the groups are, as in :meth:`ForwardEffect.average`.

        Returns
        -------
        frame : DataFrame
            One row per effect, group and output.
        """
        frames = [effect.average(by) for effect in self.values()]
        return pd.concat(frames, ignore_index=True)

    def _with_response_label(self, label: str) -> ForwardEffects:
        """The same effects, with the user's words for what is predicted."""
        return self._in(replace(self.context, response_label=label))

    def _in(self, context: Context) -> ForwardEffects:
        effects = [replace(effect, context=context) for effect in self.values()]
        return ForwardEffects(effects, context)

    def _without(self, rows: np.ndarray, note: str) -> ForwardEffects:
        """The same effects, of which some rows do not count, by a mask, and why."""
        context = replace(self.context, notes=(*self.context.notes, note))
        effects = [effect._without(rows) for effect in self.values()]
        return ForwardEffects(effects, self.context)._in(context)

    @property
    def X(self) -> Any:
        """The table that was explained."""
        return self.context.X

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Row weights, or None."""
        return self.context.weights.array

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs."""
        return self.context.outputs

    def plot(self, **options: Any) -> AMEDisplay:
        """Draw the averages side by side; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.AMEDisplay.from_effects`.

        Returns
        -------
        display : AMEDisplay
        """
        from skfme.plotting import AMEDisplay

        return AMEDisplay.from_effects(self, **options)
