"""One effect without its rows: what a user reads of it.

Every figure is read from a tally, which merges. How summaries of batches, files or
machines become one lives beside this; what needs single rows is ForwardEffect's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from skfme._frames.groups import groups_in
from skfme._results.averages import Ends, described
from skfme._results.printed import PrintedEffect
from skfme._streaming.tallies import Tally
from skfme._streaming.trial import Trial
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.mergeable import Moments
from skfme._summaries.weighted import Figures, NonLinearity

__all__ = ["PRECISION", "EffectSummary", "MergeContext"]

_QUARTILES = np.array([0.25, 0.5, 0.75])

# The note of a summary whose quartiles are read from a sketch.
PRECISION = "Quartiles are within 0.1 % of their values."


@dataclass(frozen=True)
class MergeContext:
    """What summaries must have in common to be merged.

    Attributes
    ----------
    model, response : str
    outputs : tuple of str
    effects : tuple of str
        Their names.
    sizes : tuple of tuple of str
        What each effect's relative sizes came to.
    extrapolation, nlm : str
        Those of the explainer.
    trial : Trial
        What the explainer does on a few training rows.
    by : tuple of str
        Names of the columns whose values are the groups.
    weighted : bool
    has_jumps : bool
        Whether the model is of trees.
    weights_type : str
        As the explainer has it: "auto" is decided at the end of the stream.
    response_label : str or None
        What is predicted, in words.
    comparisons : tuple of Comparison
        Of each effect.
    """

    model: str
    response: str
    outputs: tuple[str, ...]
    effects: tuple[str, ...]
    sizes: tuple[tuple[str, ...], ...]
    extrapolation: str
    nlm: str
    trial: Trial
    by: tuple[str, ...]
    weighted: bool
    has_jumps: bool
    weights_type: str

    response_label: str | None = None
    comparisons: tuple[Comparison, ...] = ()
    joint: ClassVar[None] = None  # parts are not streamed


@dataclass(frozen=True, eq=False, repr=False)
class EffectSummary(PrintedEffect):
    """The effects of one step in numbers that do not grow with the rows.

    Attributes
    ----------
    name : str
        Such as ``bmi -2``.
    sizes : tuple of str
        What relative sizes came to, such as ``1 SD of bmi = 4.418``.
    n_outside_before : int or None
        Rows outside the training data before any step; None if not judged.
    total_weight : float or None
        Sum of the row weights; None where there are none.
    weights_type : {"frequency", "sampling", "importance"}
        What the weights stand for.
    """

    name: str
    sizes: tuple[str, ...]
    context: MergeContext
    n_outside_before: int | None
    total_weight: float | None
    weights_type: str
    _groups: tuple[tuple[Any, ...], ...]
    _tally: Tally
    _orders: tuple[tuple[Any, ...], ...] = ()
    comparison: Comparison = DIFFERENCE

    notes: ClassVar[tuple[str, ...]] = (PRECISION,)

    @property
    def status_counts(self) -> np.ndarray:
        """Rows by status, in the order of the statuses."""
        counts: np.ndarray = self._tally.statuses.sum(axis=0)
        return counts

    @property
    def n_not_converged(self) -> int:
        """Rows whose NLM did not converge under an adaptive rule."""
        return self._tally.n_not_converged

    @property
    def nlm_rule(self) -> str:
        """By which rules the NLMs were measured; "exact" where they were integrated."""
        return self._tally.nlm_rule

    @property
    def engine(self) -> str:
        """What computed the effects; "predict" where several engines did."""
        return self._tally.engine

    @cached_property
    def _total(self) -> Moments:
        return self._tally.fme.moments.total()

    @property
    def std_error(self) -> Any:
        """Standard error of the AME over rows, the model held fixed.

        That of :func:`skfme.statsmodels.average_effects`: SD / √n without weights;
        weights are inverse probabilities of selection, unless the explainer was told
        ``weights_type="frequency"``. NaN for fewer than two rows, and for
        average="of_means", which needs the rows.
        """
        if self.comparison.of_means:
            return self._per_output(np.full(len(self.outputs), np.nan))
        error = self._tally.std_error(counting=self._counting)
        return self._per_output(_rounded(error, self._total.defined_mean))

    @property
    def _counting(self) -> bool:
        """Whether weights were said to count copies of a row."""
        return self.context.weights_type == "frequency"

    @property
    def min(self) -> Any:
        """Smallest FME of positive weight; NaN where there is none."""
        return self._finite_per_output(self._total.minimum)

    @property
    def max(self) -> Any:
        """Largest FME of positive weight; NaN where there is none."""
        return self._finite_per_output(self._total.maximum)

    def _finite_per_output(self, values: np.ndarray) -> Any:
        return self._per_output(np.where(np.isfinite(values), values, np.nan))

    @property
    def ame(self) -> Any:
        """Average marginal effect: the weighted mean FME over the rows that count."""
        if self.comparison.of_means:
            return self._per_output(self.comparison.of_averages(self.ends))
        return self._per_output(self._total.defined_mean)

    @property
    def quartiles(self) -> np.ndarray:
        """Quartiles of shape (3,) or (3, n_outputs), each within 0.1 % of its value.

        Where a quartile lies between two effects of opposite sign, within 0.1 % of
        the larger.
        """
        return super().quartiles

    @cached_property
    def figures(self) -> tuple[Figures, ...]:
        """For each output: n, mean, SD and quartiles."""
        total = self._total
        means, sds = np.atleast_1d(self.ame), total.sd(self.weights_type)
        quantiles = self._tally.fme.quantiles(_QUARTILES, self.weights_type)
        return tuple(
            Figures(self.n, *map(float, (means[k], sds[k], *quartiles)))
            for k, quartiles in enumerate(quantiles)
        )

    @cached_property
    def ends(self) -> tuple[Ends, ...]:
        """For each output: average predictions before and after the step."""
        with np.errstate(invalid="ignore"):
            before, after = (
                sums.sum(axis=0) / self._total.weight
                for sums in (self._tally.before, self._tally.after)
            )
        return tuple(
            Ends(*map(float, pair)) for pair in zip(before, after, strict=True)
        )

    @property
    def has_nlm(self) -> bool:
        """Whether NLMs were measured."""
        return self._tally.nlm is not None

    @cached_property
    def nonlinearity(self) -> tuple[NonLinearity, ...]:
        """For each output: mean, median, share at or above 0.9, undefined rows."""
        nlm = self._tally.nlm
        if nlm is None:
            raise self._without_nlm()
        total = nlm.moments.total()
        medians = nlm.quantiles(np.array([0.5]), self.weights_type)[:, 0]
        with np.errstate(invalid="ignore"):
            shares = self._tally.linear / total.weight
        return tuple(
            NonLinearity(
                float(total.defined_mean[k]),
                float(medians[k]),
                float(shares[k]),
                self.n - int(total.n[k]),
            )
            for k in range(len(self.outputs))
        )

    def average(self) -> pd.DataFrame:
        """AME by group, over the rows that count.

        Returns
        -------
        frame : DataFrame
            One row per group with rows that count and output, as
            :meth:`ForwardEffect.average` has it: ``effect``, the group, ``output`` (for
            several), ``n``, ``ame``, ``sd`` (NaN where the weights stand for one row or
            less), ``anlm`` where NLMs were measured, ``share_positive``, ``std_error``,
            and ``before`` and ``after``, the average predictions.

        Raises
        ------
        ValueError
            If there are no groups.
        """
        if not self.context.by:
            raise ValueError(
                f"The effect {self.name!r} has no groups: name their columns in "
                "explain_batches(batches, by=…)."
            )
        fme, nlm = self._tally.fme.moments, self._tally.nlm
        columns = {
            key: [group[i] for group in self._groups for _ in self.outputs]
            for i, key in enumerate(self.context.by)
        }
        frame = pd.DataFrame(columns).infer_objects()
        if len(self.outputs) > 1:
            frame["output"] = list(self.outputs) * len(self._groups)
        frame["n"] = fme.n.ravel()
        frame["ame"] = fme.defined_mean.ravel()
        frame["sd"] = fme.sd(self.weights_type).ravel()
        if nlm is not None:
            frame["anlm"] = nlm.moments.defined_mean.ravel()
        with np.errstate(invalid="ignore"):
            frame["share_positive"] = (self._tally.positive / fme.weight).ravel()
            before = (self._tally.before / fme.weight).ravel()
            after = (self._tally.after / fme.weight).ravel()
        errors = self._tally.std_errors(counting=self._counting)
        frame["std_error"] = _rounded(errors, fme.defined_mean).ravel()
        frame["before"], frame["after"] = before, after
        if self.comparison.of_means:
            pairs = zip(before, after, strict=True)
            frame["ame"] = self.comparison.of_averages(pairs)
            frame["std_error"] = np.nan
        frame = frame.assign(**described(self.comparison))
        frame.insert(0, "effect", self.name)
        counting = frame[frame["n"] > 0].reset_index(drop=True)
        return counting.iloc[self._order_of(counting)].reset_index(drop=True)

    def _order_of(self, frame: pd.DataFrame) -> np.ndarray:
        """Rows by their groups: in the order of categories, else sorted by value."""
        labels = frame[list(self.context.by)].copy()
        for key, order in zip(labels, self._orders, strict=False):
            if order:
                entries = labels[key].astype(object)
                known = [*order, *(e for e in entries.dropna() if e not in order)]
                labels[key] = pd.Categorical(entries, list(dict.fromkeys(known)))
        codes, _ = groups_in(labels)
        return np.argsort(codes, kind="stable")


def _rounded(std_errors: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Standard errors; what rounding left of effects that are all the same is zero."""
    return np.where(std_errors <= 1e-12 * np.abs(means), 0.0, std_errors)
