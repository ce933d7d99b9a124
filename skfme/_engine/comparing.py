"""How predictions are compared, as a user says it, read for each of some steps.

What the comparisons are is a matter of arrays, and elsewhere.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from skfme._engine.stepping import Measured
from skfme._frames.hints import nearest, shown
from skfme._summaries.comparisons import AVERAGES, KINDS, Comparison
from skfme.quadrature import Rule
from skfme.steps._changes import NamedStep
from skfme.steps._steps import Add

# marginaleffects'
_ELSEWHERE = {
    "lift": "percent",
    "lnratio": "log_ratio",
    "lnor": "log_odds_ratio",
    "dydx": "per_unit",
}

__all__ = ["compared", "read_comparisons", "refuse_nlm"]


def read_comparisons(
    comparison: Any, average: str, steps: Sequence[NamedStep]
) -> tuple[Comparison, ...]:
    """The comparison of each step.

    Parameters
    ----------
    comparison : str or callable
    average : {"of_rows", "of_means"}
    steps : sequence of NamedStep

    Raises
    ------
    ValueError
        If either is unknown, or a step has no unit to divide by.
    """
    if average not in AVERAGES:
        raise ValueError(f"average must be one of {AVERAGES}, got {shown(average)}.")
    if callable(comparison):
        name = getattr(comparison, "__name__", type(comparison).__name__)
        name = "comparison" if name == "<lambda>" else name
        return tuple(
            Comparison(name, average, step=step.name, function=comparison)
            for step in steps
        )
    if not isinstance(comparison, str) or comparison not in KINDS:
        raise ValueError(
            f"comparison must be one of {', '.join(map(repr, KINDS))} or a function of "
            f"(before, after), got {shown(comparison)}.{_meant(comparison)}"
        )
    per_unit = comparison == "per_unit"
    return tuple(
        Comparison(comparison, average, _unit(step) if per_unit else 1.0, step.name)
        for step in steps
    )


def _meant(comparison: Any) -> str:
    """A closing question that names what other packages call otherwise."""
    name = str(comparison).removesuffix("avg")
    here = _ELSEWHERE.get(name, name)
    return f" Did you mean {here!r}?" if here in KINDS else nearest(name, KINDS)


def _unit(step: NamedStep) -> float:
    """The amount that a step adds to one numeric feature."""
    changes = step.changes
    amount = changes[0].step.amount if isinstance(changes[0].step, Add) else None
    is_time = isinstance(amount, (datetime.timedelta, np.timedelta64))
    if len(changes) > 1 or amount is None or is_time or not amount:
        raise ValueError(
            f"comparison='per_unit' divides by the step, and {step.name!r} is not one "
            "number that is added to one feature. Give such a step, as {'bmi': 2} or "
            "Add(2), or another comparison."
        )
    return float(amount)


def refuse_nlm(comparisons: Sequence[Comparison], rule: Rule | None) -> None:
    """Refuse non-linearity measures beside what is no difference.

    Raises
    ------
    ValueError
        If there is a rule, and a comparison that it does not measure.
    """
    if rule is not None and not comparisons[0].is_linear:
        raise ValueError(
            "nlm measures how straight the prediction runs along the step, which reads as "
            f"an effect per unit; comparison={comparisons[0].name!r} is no difference. Set "
            "nlm=False, or explain differences beside it."
        )


def compared(measured: Measured, comparison: Comparison) -> Measured:
    """What an engine measured, with the comparison in the place of the difference."""
    if comparison.is_difference:
        return measured
    before, after = measured.before, measured.after
    after = before + measured.fme if after is None else after
    if comparison.is_linear:  # the engine's difference is the exact one
        return replace(measured, fme=measured.fme / comparison.size, after=after)
    return replace(measured, fme=comparison(before, after), after=after)
