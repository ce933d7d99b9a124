"""Results: the effects of one step on every row, and of several steps.

A result keeps the table it was given by reference and the effects; never the
model. What needs the model is asked of the explainer.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from skfme._columns import as_vector, objects_in
from skfme._engine.differences import STATUSES
from skfme._frames import as_table, row_index
from skfme._summaries import Summary, summarize, weighted_mean, weighted_sd
from skfme._tables import WIDTH, Text, format_number, html_table, text_table
from skfme.steps import Step

__all__ = ["CountedData", "ForwardEffect", "ForwardEffects"]

_HEADER = ["effect", "n", "AME", "SD", "25%", "median", "75%", "left out"]
_REASONS = ("missing", "at target", "extrapolation")


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

    @property
    def fme(self) -> np.ndarray:
        return self._fme[:, 0] if len(self.outputs) == 1 else self._fme

    @cached_property
    def status(self) -> np.ndarray:
        return np.array(STATUSES)[self._status]

    @property
    def counted(self) -> np.ndarray:
        """Mask of the rows that count."""
        return self._status == STATUSES.index("counted")

    @property
    def X(self) -> Any:
        """The table that was explained."""
        return self.context.X

    @property
    def sample_weight(self) -> np.ndarray | None:
        """Row weights, or None."""
        return self.context.sample_weight

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs: classes, or targets."""
        return self.context.outputs

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
        counts = np.bincount(self._status, minlength=len(STATUSES))
        return {s: int(c) for s, c in zip(STATUSES[1:], counts[1:], strict=True)}

    @cached_property
    def _summaries(self) -> tuple[Summary, ...]:
        _, fme, weights = self._counted_arrays()
        return tuple(summarize(fme[:, k], weights) for k in range(fme.shape[1]))

    def _counted_arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        rows = np.flatnonzero(self.counted)
        weights = self.sample_weight
        kept = None if weights is None else weights[rows]
        return rows, self._fme[rows], kept

    def _per_output(self, name: str) -> float | np.ndarray:
        values = [getattr(summary, name) for summary in self._summaries]
        return values[0] if len(values) == 1 else np.array(values)

    @property
    def ame(self) -> float | np.ndarray:
        """Average marginal effect: the weighted mean FME over the rows that count."""
        return self._per_output("mean")

    @property
    def sd(self) -> float | np.ndarray:
        """SD of the FMEs (divisor W − 1): heterogeneity, not a standard error."""
        return self._per_output("sd")

    @property
    def quartiles(self) -> np.ndarray:
        """Quartiles of shape (3,) or (3, n_outputs)."""
        names = ("q25", "median", "q75")
        return np.array([self._per_output(name) for name in names])

    def counted_data(self) -> CountedData:
        """Table, effects and weights of the rows that count."""
        rows, fme, weights = self._counted_arrays()
        X = as_table(self.X).take(rows).native
        return CountedData(X, fme[:, 0] if fme.shape[1] == 1 else fme, weights)

    def to_frame(self) -> pd.DataFrame:
        """One row per row of X: the effects, the status and the weight.

        Returns
        -------
        frame : DataFrame of n_samples rows
            Columns ``fme`` (or ``fme[output]`` for several outputs), ``status``,
            and ``sample_weight`` where weights were given; with X's index.
        """
        single = len(self.outputs) == 1
        names = ["fme"] if single else [f"fme[{name}]" for name in self.outputs]
        frame = pd.DataFrame(self._fme.copy(), columns=names)
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
            ``n``, ``ame``, ``sd`` (NaN for a single row).

        Raises
        ------
        ValueError
            If `by` names no column, or has not one entry per row.
        """
        groups = self._groups(by)
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
                which = {"output": output} if len(self.outputs) > 1 else {}
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
                    }
                )
        return pd.DataFrame(records)

    def _groups(self, by: Any) -> pd.DataFrame:
        table = as_table(self.X)
        keys = by if isinstance(by, list) else [by]
        named = all(isinstance(key, Hashable) and key in table.names for key in keys)
        if isinstance(by, (str, int)) or named:
            positions = [table.position(key, "by names") for key in keys]
            return pd.DataFrame(
                {str(table.names[p]): objects_in(table.column(p)) for p in positions}
            ).infer_objects()
        name = getattr(by, "name", None)
        return pd.DataFrame({name or "group": as_vector(by, len(table), "by")})

    def _table_rows(self) -> list[list[str]]:
        left_out = str(sum(self.n_left_out.values()))
        rows = []
        for output, s in zip(self.outputs, self._summaries, strict=True):
            name = self.name if len(self.outputs) == 1 else f"{self.name}[{output}]"
            # What is left of the effects' own rounding is no heterogeneity.
            sd = 0.0 if s.sd < 1e-12 * max(abs(s.q25), abs(s.q75)) else s.sd
            numbers = (s.mean, sd, s.q25, s.median, s.q75)
            rows.append([name, str(s.n), *map(format_number, numbers), left_out])
        return rows

    def summary(self) -> Text:
        """A table that reads well in a terminal."""
        return ForwardEffects([self], self.context).summary()

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
        return ForwardEffects([self], self.context)._repr_html_()


class ForwardEffects(Mapping):
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
            ``median``, ``q75``, and rows left out: ``n_missing``, ``n_at_target``,
            ``n_extrapolation``; ``n_outside_before`` counts rows outside the
            training data before any step.
        """
        records = []
        for effect in self.values():
            counts = {f"n_{name}": count for name, count in effect.n_left_out.items()}
            for output, s in zip(effect.outputs, effect._summaries, strict=True):
                records.append(
                    {
                        "effect": effect.name,
                        "output": output,
                        "n": s.n,
                        "ame": s.mean,
                        "sd": s.sd,
                        "q25": s.q25,
                        "median": s.median,
                        "q75": s.q75,
                        **counts,
                        "n_outside_before": effect.n_outside_before,
                    }
                )
        return pd.DataFrame(records)

    def summary(self) -> Text:
        """A table that reads well in a terminal, at most 80 columns wide.

        Returns
        -------
        text : str
            Effects, then why rows were left out, then what relative sizes came to.
        """
        rows = [row for effect in self.values() for row in effect._table_rows()]
        blocks = [self._title(), text_table(_HEADER, rows)]
        counts = self._left_out_rows()
        if counts:
            blocks.append(
                "Rows left out of the averages:\n"
                + text_table(["effect", *_REASONS], counts)
            )
        blocks += [self._notes()] if self._notes() else []
        return Text("\n\n".join(blocks))

    def _title(self) -> str:
        context = self._context
        n = len(next(iter(self.values())).counted)
        lines = [f"Forward marginal effects of {context.model}, {n} rows"]
        lines.append(f"Change in {self._response_text()}")
        if context.sample_weight is not None:
            lines.append(
                f"Weighted; the weights sum to {context.sample_weight.sum():.6g}"
            )
        return "\n".join(line[:WIDTH] for line in lines)

    def _response_text(self) -> str:
        response, outputs = self._context.response, self.outputs
        single = len(outputs) == 1
        if response == "predict_proba":
            return (
                f"the predicted probability of {outputs[0]!r}"
                if single
                else "the predicted probability of each class"
            )
        if response == "predict":
            return f"the prediction of {outputs[0]}" if single else "the predictions"
        return f"{response} of {outputs[0]!r}" if single else response

    def _left_out_rows(self) -> list[list[str]]:
        return [
            [effect.name, *(str(c) for c in effect.n_left_out.values())]
            for effect in self.values()
            if any(effect.n_left_out.values())
        ]

    def _notes(self) -> str:
        lines = []
        outside = self._context.n_outside_before
        if outside:
            lines.append(
                f"{outside} rows lay outside the training data before any step."
            )
        sizes = dict.fromkeys(size for e in self.values() for size in e.sizes)
        if sizes:
            lines.append("Step sizes: " + "; ".join(sizes))
        return "\n".join(textwrap.fill(line, WIDTH) for line in lines)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return f"ForwardEffects({list(self.values())!r})"

    def _repr_html_(self) -> str:
        rows = [row for effect in self.values() for row in effect._table_rows()]
        html = html_table(_HEADER, rows, self._title().replace("\n", ". "))
        counts = self._left_out_rows()
        if counts:
            html += html_table(
                ["effect", *_REASONS], counts, "Rows left out of the averages"
            )
        return f"<div>{html}</div>"
