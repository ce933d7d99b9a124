"""Results: the effects of one step on every row, and of several steps.

A result keeps the table it was given by reference and the effects; never the model.
What needs the model is computed by the explainer.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from skfme._engine.forward import Differences
from skfme._engine.stepping import STATUSES
from skfme._frames.groups import groups_in, row_labels
from skfme._frames.tables import Table
from skfme._results.context import Context
from skfme._results.printed import PrintedEffect, PrintedEffects
from skfme._summaries.weighted import (
    Figures,
    NonLinearity,
    figures_of,
    nonlinearity_of,
    weighted_mean,
    weighted_sd,
)
from skfme._summaries.weighting import Weighting
from skfme._text.outputs import names_by_output
from skfme.steps._changes import NamedStep, Step

if TYPE_CHECKING:
    from skfme.plotting import AMEDisplay, FMEDisplay

__all__ = ["CountedData", "ForwardEffect", "ForwardEffects"]


class CountedData(NamedTuple):
    """The rows that count, for any other tool.

    Parameters
    ----------
    X : array or dataframe of shape (n_counted, n_features)
        Of the kind that was explained.
    fme : ndarray of shape (n_counted,) or (n_counted, n_outputs)
        Their effects.
    sample_weight : ndarray of shape (n_counted,) or None
        Their weights.
    """

    X: Any
    fme: np.ndarray
    sample_weight: np.ndarray | None


@dataclass(frozen=True, eq=False, repr=False)
class ForwardEffect(PrintedEffect):
    """The forward marginal effects of one step, FME(x) = f(x + h) − f(x).

    Attributes
    ----------
    name : str
        Such as ``bmi -2``.
    fme : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        In the response's units and the input's order; NaN where a row does not
        count. Two-dimensional for several outputs.
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

    def __post_init__(self) -> None:
        for array in (self.fme_2d, self.nlm_2d, self.status_codes):
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
        return tuple(figures_of(column, weights) for column in fme.T)

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
        fme, nlm = (
            None if array is None else np.where(rows[:, None], np.nan, array)
            for array in (self.fme_2d, self.nlm_2d)
        )
        assert fme is not None
        return replace(self, fme_2d=fme, nlm_2d=nlm, status_codes=status)

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

    def to_frame(self) -> pd.DataFrame:
        """One row per row of X: the effects, the status and the weight.

        Returns
        -------
        frame : DataFrame of n_samples rows
            Columns ``fme`` (or ``fme[output]`` for several outputs), ``nlm`` alike
            where it was measured, ``status``, and ``sample_weight`` where weights
            were given; with X's index.
        """
        names = names_by_output("fme", self.outputs)
        frame = pd.DataFrame(self.fme_2d.copy(), columns=names)
        if self.nlm_2d is not None:
            frame[names_by_output("nlm", self.outputs)] = self.nlm_2d
        frame["status"] = pd.Categorical(self.status, STATUSES)
        if self.sample_weight is not None:
            frame["sample_weight"] = self.sample_weight
        return frame.set_axis(self.table.index, axis=0)

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
            (NaN for a single row), ``anlm`` where NLMs were measured, and
            ``share_positive`` (share of effects above zero).

        Raises
        ------
        ValueError
            If `by` names no column, or has not one entry per row.
        """
        rows = np.flatnonzero(self.counted)
        names = ["output"] if len(self.outputs) > 1 else []
        names += ["n", "ame", "sd", *["anlm"] * self.has_nlm, "share_positive"]
        labels = row_labels(self.table, by).iloc[rows].reset_index(drop=True)
        codes, keys = groups_in(labels)
        by_group = rows[np.argsort(codes, kind="stable")]
        ends = np.searchsorted(np.sort(codes), np.arange(1, len(keys)))
        labels_of: list[dict[Any, Any]] = keys.to_dict("records")
        records = []
        # Of no rows, split makes one part.
        for label, members in zip(labels_of, np.split(by_group, ends), strict=False):
            for k, output in enumerate(self.outputs):
                several = {"output": output} if len(self.outputs) > 1 else {}
                records.append({**label, **several, **self._figures(members, k)})
        frame = pd.DataFrame(records, columns=[*labels.columns, *names])
        frame.insert(0, "effect", self.name)
        return frame

    def _figures(self, rows: np.ndarray, k: int) -> dict[str, float]:
        """Averages of one output over some rows."""
        fme, weights = self.fme_2d[rows, k], self.weights.take(rows)
        figures = {
            "n": len(rows),
            "ame": weighted_mean(fme, weights),
            "sd": weighted_sd(fme, weights),
            "share_positive": weighted_mean((fme > 0).astype(float), weights),
        }
        if self.nlm_2d is not None:
            figures["anlm"] = nonlinearity_of(self.nlm_2d[rows, k], weights).mean
        return figures

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
    ) -> ForwardEffects:
        """The effects of some steps, as the engine computed them."""
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
            )
            for step, difference in zip(steps, differences, strict=True)
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
