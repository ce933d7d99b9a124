"""One effect without its rows: what a user reads of it.

Every figure is read off a tally, which merges; how summaries of batches, files or
machines become one is the mapping's business. What needs single rows is asked of
ForwardEffect.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import pandas as pd

from skfme._engine.stepping import STATUSES
from skfme._results.summary_text import summary_html, summary_text
from skfme._streaming.tallies import Tally
from skfme._summaries.mergeable import Moments
from skfme._summaries.weighted import NonLinearity, Summary, warn_of_no_sd
from skfme._text.tables import Text

__all__ = ["PRECISION", "About", "EffectSummary"]

_QUARTILES = np.array([0.25, 0.5, 0.75])

# What a summary says of figures that are read off a sketch.
PRECISION = "Quartiles are within 0.1 % of their values."


@dataclass(frozen=True)
class About:
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
        What the explainer was given for them.
    by : tuple of str
        Names of the columns that tell groups apart.
    weighted : bool
    """

    model: str
    response: str
    outputs: tuple[str, ...]
    effects: tuple[str, ...]
    sizes: tuple[tuple[str, ...], ...]
    extrapolation: str
    nlm: str
    by: tuple[str, ...]
    weighted: bool

    response_label: ClassVar[None] = None  # explainers know none


@dataclass(frozen=True, eq=False, repr=False)
class EffectSummary:
    """The effects of one step in numbers that do not grow with the rows.

    Attributes
    ----------
    name : str
        Such as ``bmi -2``.
    sizes : tuple of str
        What relative sizes came to, such as ``1 SD of bmi = 4.418``.
    n_rows : int
        Rows seen, those left out included.
    n_outside_before : int or None
        Rows outside the training data before any step; None if not judged.
    total_weight : float or None
        Sum of the row weights; None where there are none.
    """

    name: str
    sizes: tuple[str, ...]
    context: About
    n_rows: int
    n_outside_before: int | None
    total_weight: float | None
    _groups: tuple[tuple[Any, ...], ...]
    _tally: Tally

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs: classes, or targets."""
        return self.context.outputs

    @property
    def n(self) -> int:
        """Number of rows that count."""
        return int(self._tally.statuses[:, STATUSES.index("counted")].sum())

    @property
    def n_left_out(self) -> dict[str, int]:
        """Rows left out, by status."""
        counts = self._tally.statuses.sum(axis=0)
        return {s: int(c) for s, c in zip(STATUSES[1:], counts[1:], strict=True)}

    @property
    def n_not_converged(self) -> int:
        """Rows whose NLM an adaptive rule gave up on."""
        return self._tally.n_not_converged

    @property
    def engine(self) -> str:
        """What computed the effects; "predict" where several engines did."""
        return self._tally.engine

    @cached_property
    def _total(self) -> Moments:
        return self._tally.fme.moments.total()

    def _per_output(self, values: np.ndarray) -> Any:
        return float(values[0]) if len(self.outputs) == 1 else values

    @property
    def ame(self) -> Any:
        """Average marginal effect: the weighted mean FME over the rows that count."""
        return self._per_output(self._total.defined_mean)

    @property
    def sd(self) -> Any:
        """SD of the FMEs (divisor W − 1): heterogeneity, not a standard error."""
        total = float(self._total.weight[0])
        if self.n and total <= 1:
            warn_of_no_sd(total)
        return self._per_output(self._total.sd)

    @property
    def std_error(self) -> Any:
        """Standard error of the AME over rows, the model held fixed.

        That of :func:`skfme.statsmodels.average_effects`: SD / √n without weights;
        weights are inverse probabilities of selection. NaN for fewer than two rows.
        """
        return self._per_output(self._tally.std_error)

    @property
    def min(self) -> Any:
        """Smallest FME of positive weight; NaN where there is none."""
        low = self._total.minimum
        return self._per_output(np.where(np.isfinite(low), low, np.nan))

    @property
    def max(self) -> Any:
        """Largest FME of positive weight; NaN where there is none."""
        high = self._total.maximum
        return self._per_output(np.where(np.isfinite(high), high, np.nan))

    @cached_property
    def _quartiles(self) -> np.ndarray:
        return self._tally.fme.quantiles(_QUARTILES)

    @property
    def quartiles(self) -> np.ndarray:
        """Quartiles of shape (3,) or (3, n_outputs), each within 0.1 % of its value.

        Where a quartile lies between two effects of opposite sign, within 0.1 % of
        the larger.
        """
        whole = self._quartiles.T
        return whole[:, 0] if len(self.outputs) == 1 else whole

    @property
    def _summaries(self) -> tuple[Summary, ...]:
        moments, sd = self._total, np.atleast_1d(self.sd)
        return tuple(
            Summary(
                self.n, float(moments.defined_mean[k]), float(sd[k]), *map(float, q)
            )
            for k, q in enumerate(self._quartiles)
        )

    @property
    def has_nlm(self) -> bool:
        """Whether the NLM was asked for."""
        return self._tally.nlm is not None

    @property
    def anlm(self) -> Any:
        """Weighted mean of the defined NLMs of rows that count."""
        return self._per_output(np.array([m.mean for m in self.nonlinearity]))

    @cached_property
    def nonlinearity(self) -> tuple[NonLinearity, ...]:
        """For each output: mean, median, share at or above 0.9, undefined rows."""
        nlm = self._tally.nlm
        if nlm is None:
            raise AttributeError(
                f"The effect {self.name!r} has no NLM; ask for it with nlm=True."
            )
        total = nlm.moments.total()
        medians = nlm.quantiles(np.array([0.5]))[:, 0]
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
            :meth:`ForwardEffect.average` has it: the group, ``output`` (for several),
            ``n``, ``ame``, ``sd`` (NaN where the weights sum to 1 or less), ``anlm``
            where NLMs were asked for, and ``std_error``.

        Raises
        ------
        ValueError
            If no groups were asked for.
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
        frame["sd"] = fme.sd.ravel()
        if nlm is not None:
            frame["anlm"] = nlm.moments.defined_mean.ravel()
        frame["std_error"] = self._tally.std_errors.ravel()
        return _sorted(frame[frame["n"] > 0], list(self.context.by))

    def summary(self) -> Text:
        """A table that reads well in a terminal.

        Returns
        -------
        text : str
            One line for each output, and why rows were left out.
        """
        return summary_text([self], PRECISION)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        ame = ", ".join(f"{a:.6g}" for a in self._total.defined_mean)
        shown = ame if len(self.outputs) == 1 else f"[{ame}]"
        return f"EffectSummary({self.name!r}, n={self.n}, ame={shown})"

    def _repr_html_(self) -> str:
        return summary_html([self], PRECISION)


def _sorted(frame: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    with suppress(TypeError):  # texts among numbers have no order
        frame = frame.sort_values(by, kind="stable", na_position="last")
    return frame.reset_index(drop=True)
