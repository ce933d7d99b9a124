"""Results: the effects of one step on every row, and of several steps.

A result keeps the table it was given by reference and the effects; never the
model. What needs the model is asked of the explainer.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from skfme._engine.stepping import STATUSES
from skfme._frames.groups import groups_in
from skfme._frames.tables import as_table, row_index
from skfme._results.summary_text import effects_frame, summary_html, summary_text
from skfme._summaries.weighted import (
    NonLinearity,
    Summary,
    summarize,
    summarize_nlm,
    weighted_mean,
    weighted_sd,
)
from skfme._text.tables import Text
from skfme.steps._changes import Step

if TYPE_CHECKING:
    from skfme.plotting import AMEDisplay, FMEDisplay

__all__ = [
    "CountedData",
    "ForwardEffect",
    "ForwardEffects",
]


class CountedData(NamedTuple):
    """The rows that count, for any other tool.

    Attributes
    ----------
    X : array or dataframe of shape (n_counted, n_features)
        Of the kind that was explained.
    fme : ndarray of shape (n_counted,) or (n_counted, n_outputs)
    sample_weight : ndarray of shape (n_counted,) or None
    """

    X: Any
    fme: np.ndarray
    sample_weight: np.ndarray | None


@dataclass(frozen=True)
class Context:
    """What all effects of one call have in common."""

    X: Any
    sample_weight: np.ndarray | None
    outputs: tuple[str, ...]
    model: str
    response: str
    n_outside_before: int | None
    categorical_features: tuple[Hashable, ...] = ()
    response_label: str | None = None


@dataclass(frozen=True, eq=False, repr=False)
class ForwardEffect:
    """The forward marginal effects of one step, FME(x) = f(x + h) − f(x).

    Attributes
    ----------
    name : str
        Such as ``bmi -2``.
    fme : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        In the response's units and the input's order; NaN where a row does not
        count. Two-dimensional for several outputs.
    status : ndarray of shape (n_samples,)
        "counted", "missing" (the stepped value is missing), "at_target" (the row
        already has the category) or "extrapolation" (the stepped row leaves the
        training data).
    step : dict of str -> Step
        The changed features, with sizes in their own units.
    sizes : tuple of str
        What relative sizes came to, such as ``1 SD of bmi = 4.418``.
    n_not_converged : int
        Rows whose NLM an adaptive rule gave up on.
    engine : str
        What computed it: differences of predictions ("predict"), or an exact path
        for tree ensembles ("trees") or linear models ("linear").

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
    _fme: np.ndarray = field(repr=False)
    _status: np.ndarray = field(repr=False)
    _nlm: np.ndarray | None = field(default=None, repr=False)
    n_not_converged: int = 0
    engine: str = "predict"

    @property
    def fme(self) -> np.ndarray:
        """Effects of shape (n_samples,) or (n_samples, n_outputs), NaN if not counted."""
        return self._fme[:, 0] if len(self.outputs) == 1 else self._fme

    @property
    def nlm(self) -> np.ndarray:
        """Non-linearity measure of each row, shaped as `fme`.

        1: the prediction moves along a straight line from start to end of the step;
        0: that line explains the path no better than a constant; no lower bound. NaN
        where a row does not count, where the path is constant, or its changes fall
        between the rule's nodes, and where only categories or dates change.
        """
        if self._nlm is None:
            raise AttributeError(
                f"The effect {self.name!r} has no NLM; ask for it with nlm=True."
            )
        return self._nlm[:, 0] if len(self.outputs) == 1 else self._nlm

    @property
    def anlm(self) -> Any:
        """Weighted mean of the defined NLMs of rows that count."""
        values = [s.mean for s in self.nonlinearity]
        return values[0] if len(values) == 1 else np.array(values)

    @cached_property
    def nonlinearity(self) -> tuple[NonLinearity, ...]:
        """For each output: mean, median, share at or above 0.9, undefined rows."""
        self.nlm  # noqa: B018 - says what to do where there is none
        assert self._nlm is not None
        rows = np.flatnonzero(self.counted)
        weights = self.sample_weight
        kept = None if weights is None else weights[rows]
        return tuple(summarize_nlm(nlm, kept) for nlm in self._nlm[rows].T)

    @property
    def has_nlm(self) -> bool:
        """Whether the NLM was asked for."""
        return self._nlm is not None

    @cached_property
    def status(self) -> np.ndarray:
        status: np.ndarray = np.array(STATUSES)[self._status]
        return status

    @property
    def counted(self) -> np.ndarray:
        """Mask of the rows that count."""
        counted: np.ndarray = self._status == STATUSES.index("counted")
        return counted

    @property
    def extrapolated(self) -> np.ndarray:
        """Mask of the rows left out as extrapolation points."""
        extrapolated: np.ndarray = self._status == STATUSES.index("extrapolation")
        return extrapolated

    @property
    def X(self) -> Any:
        """The table that was explained."""
        return self.context.X

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Row weights, or None."""
        return self.context.sample_weight

    @property
    def total_weight(self) -> float | None:
        """Sum of the row weights, or None."""
        weights = self.sample_weight
        return None if weights is None else float(weights.sum())

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs: classes, or targets."""
        return self.context.outputs

    @property
    def n_rows(self) -> int:
        """Number of rows, those left out included."""
        return len(self._status)

    @property
    def n(self) -> int:
        """Number of rows that count."""
        return int(np.count_nonzero(self._status == STATUSES.index("counted")))

    @property
    def categorical_features(self) -> tuple[Hashable, ...]:
        """Names of the columns that the explainer took for categorical."""
        return self.context.categorical_features

    @property
    def n_outside_before(self) -> int | None:
        """Rows outside the training data before any step; None if not judged."""
        return self.context.n_outside_before

    @property
    def n_left_out(self) -> dict[str, int]:
        """Rows left out, by status."""
        return {
            status: int(np.count_nonzero(self._status == code))
            for code, status in enumerate(STATUSES[1:], start=1)
        }

    @cached_property
    def _summaries(self) -> tuple[Summary, ...]:
        _, fme, weights = self._counted_arrays()
        return tuple(summarize(fme[:, k], weights) for k in range(fme.shape[1]))

    def _counted_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        rows = np.flatnonzero(self.counted)
        weights = self.sample_weight
        kept = None if weights is None else weights[rows]
        return rows, self._fme[rows], kept

    def _per_output(self, name: str) -> Any:
        values = [getattr(summary, name) for summary in self._summaries]
        return values[0] if len(values) == 1 else np.array(values)

    @property
    def ame(self) -> Any:
        """Average marginal effect: the weighted mean FME over the rows that count.

        A float, or an ndarray of shape (n_outputs,) for several outputs.
        """
        return self._per_output("mean")

    @property
    def sd(self) -> Any:
        """SD of the FMEs (divisor W − 1): heterogeneity, not a standard error.

        A float, or an ndarray of shape (n_outputs,) for several outputs.
        """
        return self._per_output("sd")

    @property
    def quartiles(self) -> np.ndarray:
        """Quartiles of shape (3,) or (3, n_outputs)."""
        names = ("q25", "median", "q75")
        return np.array([self._per_output(name) for name in names])

    def counted_data(self) -> CountedData:
        """Table, effects and weights of the rows that count.

        Returns
        -------
        data : CountedData
            A named tuple of ``X``, ``fme`` and ``sample_weight``.
        """
        rows, fme, weights = self._counted_arrays()
        X = as_table(self.X).take(rows).native
        return CountedData(X, fme[:, 0] if fme.shape[1] == 1 else fme, weights)

    def to_frame(self) -> pd.DataFrame:
        """One row per row of X: the effects, the status and the weight.

        Returns
        -------
        frame : DataFrame of n_samples rows
            Columns ``fme`` (or ``fme[output]`` for several outputs), ``nlm`` alike
            where it was asked for, ``status``, and ``sample_weight`` where weights
            were given; with X's index.
        """
        single = len(self.outputs) == 1
        names = ["fme"] if single else [f"fme[{name}]" for name in self.outputs]
        frame = pd.DataFrame(self._fme.copy(), columns=names)
        if self._nlm is not None:
            for k, name in enumerate(names):
                frame[name.replace("fme", "nlm", 1)] = self._nlm[:, k]
        frame["status"] = pd.Categorical(self.status, STATUSES)
        if self.sample_weight is not None:
            frame["sample_weight"] = self.sample_weight
        return frame.set_axis(row_index(as_table(self.X)), axis=0)

    def average(self, by: Any) -> pd.DataFrame:
        """AME by group, over the rows that count.

        Parameters
        ----------
        by : column of X, list of columns, or array-like of shape (n_samples,)
            What tells the groups apart. Missing entries are a group of their own.

        Returns
        -------
        frame : DataFrame
            One row per group and output: the group, ``output`` (for several),
            ``n``, ``ame``, ``sd`` (NaN for a single row), and ``anlm`` where NLMs
            were asked for.

        Raises
        ------
        ValueError
            If `by` names no column, or has not one entry per row.
        """
        groups = groups_in(as_table(self.X), by)
        rows, fme, weights = self._counted_arrays()
        chosen = groups.iloc[rows].reset_index(drop=True)
        records = []
        grouped = chosen.groupby(list(chosen), dropna=False, observed=True, sort=True)
        for key, members in grouped.indices.items():
            part = None if weights is None else weights[members]
            keys = key if isinstance(key, tuple) else (key,)
            label: dict[Any, Any] = dict(zip(chosen, keys, strict=True))
            for k, output in enumerate(self.outputs):
                values = fme[members, k]
                which: dict[str, Any] = (
                    {"output": output} if len(self.outputs) > 1 else {}
                )
                sd = (
                    float("nan")
                    if len(values) == 1 and part is None
                    else weighted_sd(values, part)
                )
                records.append(
                    {
                        **label,
                        **which,
                        "n": len(values),
                        "ame": weighted_mean(values, part),
                        "sd": sd,
                        **self._anlm_of(rows[members], k, part),
                    }
                )
        return pd.DataFrame(records)

    def _anlm_of(
        self, rows: np.ndarray, k: int, weights: np.ndarray | None
    ) -> dict[str, float]:
        if self._nlm is None:
            return {}
        return {"anlm": summarize_nlm(self._nlm[rows, k], weights).mean}

    def summary(self) -> Text:
        """A table that reads well in a terminal.

        Returns
        -------
        text : str
            One line for each output, and why rows were left out.
        """
        return summary_text([self])

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

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        ame = self.ame
        text = (
            f"{ame:.6g}"
            if isinstance(ame, float)
            else "[" + ", ".join(f"{a:.6g}" for a in ame) + "]"
        )
        return f"ForwardEffect({self.name!r}, n={self.n}, ame={text})"

    def _repr_html_(self) -> str:
        return summary_html([self])


class ForwardEffects(Mapping[str, ForwardEffect]):
    """The effects of several steps: a mapping of name -> ForwardEffect.

    Parameters
    ----------
    effects : list of ForwardEffect
    context : Context
    """

    def __init__(self, effects: list[ForwardEffect], context: Context) -> None:
        self._effects = {effect.name: effect for effect in effects}
        self._context = context

    def __getitem__(self, name: str) -> ForwardEffect:
        if name not in self._effects:
            known = ", ".join(map(repr, self._effects))
            raise KeyError(f"no effect is named {name!r}; there are {known}")
        return self._effects[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._effects)

    def __len__(self) -> int:
        return len(self._effects)

    def _with_response_label(self, label: str) -> ForwardEffects:
        """The same effects, with the user's words for what is predicted."""
        context = replace(self._context, response_label=label)
        return ForwardEffects(
            [replace(effect, context=context) for effect in self.values()], context
        )

    @property
    def X(self) -> Any:
        """The table that was explained."""
        return self._context.X

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Row weights, or None."""
        return self._context.sample_weight

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs."""
        return self._context.outputs

    def to_frame(self) -> pd.DataFrame:
        """One row per effect and output.

        Returns
        -------
        frame : DataFrame
            Columns ``effect``, ``output``, ``n``, ``ame``, ``sd``, ``q25``,
            ``median``, ``q75``; where NLMs were asked for ``anlm``, ``nlm_median``,
            ``nlm_share_linear`` (rows at or above 0.9), ``n_nlm_undefined``,
            ``n_nlm_not_converged``; and rows left out: ``n_missing``, ``n_at_target``,
            ``n_extrapolation``; ``n_outside_before`` counts rows outside the
            training data before any step.
        """
        return effects_frame(list(self.values()))

    def summary(self) -> Text:
        """A table that reads well in a terminal, at most 80 columns wide.

        Returns
        -------
        text : str
            Effects, their non-linearity where asked for, why rows were left out, and
            what relative sizes came to.
        """
        return summary_text(list(self.values()))

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

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return f"ForwardEffects({list(self.values())!r})"

    def _repr_html_(self) -> str:
        return summary_html(list(self.values()))
