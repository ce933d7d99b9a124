"""Effects in plain language: the question, and one sentence for each answer.

Every statement holds for any step: amounts, factors, values, contrasts, categories,
functions, and several at once.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from skfme._summaries.weighted import LINEAR, weighted_mean, weighted_quantiles
from skfme._summaries.weighting import Weighting
from skfme._text.compared import (
    asked_phrase,
    average_text,
    compared_phrase,
    value_phrase,
)
from skfme._text.labels import (
    Labels,
    from_to,
    number,
    predicted_phrases,
    unit_of,
    with_unit,
    without_unit,
)
from skfme._text.reasons import REASONS
from skfme.plotting._parts.dots import group_columns
from skfme.steps._changes import Step
from skfme.steps._steps import Add, Contrast, Scale, SetTo, number_text
from skfme.steps._training import is_number

if TYPE_CHECKING:
    from skfme._results.effects import ForwardEffect

__all__ = [
    "Wording",
    "finding",
    "left_out_sentence",
    "linearity_sentence",
    "other_estimates",
    "question",
]

_MIDDLE = (0.25, 0.75)  # as the quartiles of the tables


@dataclass(frozen=True)
class Wording:
    """What columns and the response are called in sentences."""

    labels: Labels = field(default_factory=Labels)
    response_label: str | None = None

    def phrases(self, effect: ForwardEffect) -> tuple[str, ...]:
        """What is predicted, for each output: ``predicted disease progression``."""
        context = effect.context
        label = without_unit(self.response_label or context.response_label)
        return predicted_phrases(context.response, effect.outputs, label)

    def amount(self, effect: ForwardEffect, value: float) -> str:
        """A change of the response, with its unit."""
        context = effect.context
        label = self.response_label or context.response_label
        text = with_unit(number(value), unit_of(label))
        if context.response == "predict_proba" and label is None:
            return f"{text} ({number(100 * value)} percentage points)"
        return text

    def changes(self, effect: ForwardEffect) -> list[_Change]:
        """What the step does to each feature; of a part, the joint step."""
        joint = effect.context.joint
        return [
            _change(self.labels.short(name), step, self.labels.unit(name))
            for name, step in (joint or effect).step.items()
        ]


def question(effect: ForwardEffect, wording: Wording) -> str:
    """What the effect answers, as a question."""
    changed = _joined([change.state for change in wording.changes(effect)])
    phrases = _joined(wording.phrases(effect))
    asked = asked_phrase(effect.comparison, phrases)
    if effect.context.joint is not None:
        part = wording.labels.short(effect.name)
        asked = f"what would {part} bring to the change of the {phrases}"
    return f"If {changed}, and all else the same, {asked}?"


def finding(effect: ForwardEffect, wording: Wording) -> list[str]:
    """The answer in one or two sentences, for each output."""
    if not effect.n:
        return ["No row counts, so that there is no average."]
    doing = _joined([change.doing for change in wording.changes(effect)])
    doing, is_part = doing[:1].upper() + doing[1:], effect.context.joint is not None
    if len(wording.changes(effect)) > 1:
        doing += " at once"
    if is_part:
        part = wording.labels.short(effect.name)
        doing = f"The part of {part} in {doing[:1].lower()}{doing[1:]}"
    fme, weights = effect.counted_columns()
    changes = fme
    if not effect.comparison.is_difference:
        before, after = effect.ends_2d()
        changes = (after - before)[effect.counted]
    return [
        f"{doing} {_average(effect, k, phrase, wording)}"
        f"{_middle(effect, k, fme[:, k], weights)}"
        f"{_signs(changes[:, k], weights, is_part)}"
        for k, phrase in enumerate(wording.phrases(effect))
    ]


def _average(effect: ForwardEffect, k: int, phrase: str, wording: Wording) -> str:
    ame, null = effect.figures[k].mean, effect.comparison.null
    ends = "" if effect.ends is None else f", {from_to(*effect.ends[k])}"
    if _negligible(effect, k, ame - null):
        return f"leaves the {phrase} unchanged on average{ends}"
    if not effect.comparison.is_difference:
        return f"{compared_phrase(effect.comparison, ame, phrase)} on average{ends}"
    verb, amount = "raises" if ame > 0 else "lowers", wording.amount(effect, abs(ame))
    return f"{verb} the {phrase} by {amount} on average{ends}"


def _negligible(effect: ForwardEffect, k: int, value: float) -> bool:
    """Whether a number is what is left of the effects' own rounding."""
    largest = np.nanmax(np.abs(effect.fme_2d[:, k]))
    return abs(value) <= 1e-12 * largest


def _middle(effect: ForwardEffect, k: int, fme: np.ndarray, weights: Weighting) -> str:
    """Where the middle half of the rows lies, if they differ."""
    if len(fme) == 1:
        return "; one row counts."
    low, high = weighted_quantiles(fme, np.array(_MIDDLE), weights)
    if np.isnan(low):
        return "."
    if _negligible(effect, k, float(np.ptp(fme))):
        return ", in every row by the same."
    rows = "the middle half of the rows" + " (by weight)" * weights.given
    ame = effect.figures[k].mean
    value = value_phrase(effect.comparison)
    ends = sorted((low, high), key=abs)
    small, large = (number(abs(end)) for end in ends)
    if small == large and low * high > 0:
        return f"; for {rows} {value} is about {number(low)}."
    if low * high > 0 and low * ame > 0 and effect.comparison.is_difference:
        return f"; for {rows} by between {small} and {large}."
    return f"; for {rows} {value} lies between {number(low)} and {number(high)}."


def _signs(fme: np.ndarray, weights: Weighting, is_part: bool) -> str:
    """How many rows fall, rise and stay, where signs are mixed."""
    shares = [
        weighted_mean(rows.astype(float), weights)
        for rows in (fme < 0, fme > 0, fme == 0)
    ]
    verbs = ("falls", "rises", "stays the same")
    if is_part:
        verbs = ("is negative", "is positive", "is zero")
    parts = [
        f"{verb} for {_percent(share)}"
        for verb, share in zip(verbs, shares, strict=True)
        if share > 0
    ]
    subject = "part" if is_part else "prediction"
    return f" The {subject} {_joined(parts)} of the rows." if len(parts) > 1 else ""


def _percent(share: float) -> str:
    if 0 < share < 0.005:
        return "less than 1%"
    return "more than 99%" if 0.995 <= share < 1 else f"{share:.0%}"


def left_out_sentence(effect: ForwardEffect) -> str:
    """How many rows do not count, and why."""
    counts, n = effect.n_left_out, len(effect.counted)
    total = sum(counts.values())
    if not total:
        return f"All {n:,} rows count."
    parts = [f"{c:,} because {REASONS[s]}" for s, c in counts.items() if c]
    if len(parts) == 1:
        parts = [parts[0].split(" ", 1)[1]]
    verb = "was" if total == 1 else "were"
    return f"{total:,} of {n:,} rows {verb} left out, {_joined(parts)}."


def linearity_sentence(effect: ForwardEffect) -> str:
    """Whether the effect may be read per unit; empty where nothing was measured."""
    if not effect.has_nlm:
        return ""
    adds = all(isinstance(step, Add) for step in effect.step.values())
    texts = []
    for output, summary in zip(effect.outputs, effect.nonlinearity, strict=True):
        if np.isnan(summary.median):
            continue
        of = f" of {output}" if len(effect.outputs) > 1 else ""
        may = "may" if summary.share_linear >= LINEAR else "should not"
        advice = f", so that the effect {may} be read as so much per unit"
        texts.append(
            f"Along the step, the prediction{of} runs in a nearly straight line for "
            f"{_percent(summary.share_linear)} of the rows (NLM of at least {LINEAR}; "
            f"median {number(summary.median)}){advice if adds else ''}."
        )
    return " ".join(texts)


def other_estimates(
    effect: ForwardEffect, inference: Any, wording: Wording
) -> list[str]:
    """What the results with intervals have for the effect, where it is another number."""
    if inference is None:
        return []
    frame = inference.to_frame().reset_index(drop=True)
    if group_columns(frame):
        return []
    nobs = getattr(inference, "nobs", None)
    frame["n"] = -1 if nobs is None else nobs
    texts = []
    for row in frame[frame["effect"] == effect.name].to_dict("records"):
        output = row.get("output", effect.outputs[0])
        if output not in effect.outputs:
            continue
        ame = effect.figures[effect.outputs.index(output)].mean
        if math.isclose(row["estimate"], ame, rel_tol=1e-6):
            continue
        of = f" of {output}" if len(effect.outputs) > 1 else ""
        rows = f", over {row['n']:,} rows" if row["n"] >= 0 else ""
        because = (
            "other rows count there"
            if row["n"] not in (-1, effect.n)
            else "it is of other rows, other weights or models fitted again"
        )
        low, high = (number(row[name]) for name in ("conf_low", "conf_high"))
        amount = average_text(effect.comparison, row["estimate"])
        if effect.comparison.is_difference:
            amount = wording.amount(effect, row["estimate"])
        texts.append(
            f"The results with intervals have another average{of}: "
            f"{amount}{rows}, with an interval from "
            f"{low} to {high}. The one above, over {effect.n:,} rows, differs because "
            f"{because}."
        )
    return texts


class _Change(NamedTuple):
    """A change of one feature in words.

    Attributes
    ----------
    state : str
        What would be so after it: ``Body mass index were 2 kg/m² lower``.
    doing : str
        What makes it so: ``lowering Body mass index by 2 kg/m²``.
    """

    state: str
    doing: str


def _change(name: str, step: Step, unit: str) -> _Change:
    if isinstance(step, Add):
        return _addition(name, step, unit)
    if isinstance(step, Scale):
        factor = number_text(step.factor)
        return _Change(
            f"{name} were multiplied by {factor}", f"multiplying {name} by {factor}"
        )
    if isinstance(step, SetTo):
        value = _value(step.value, unit)
        verb = "setting" if is_number(step.value) else "changing"
        return _Change(f"{name} were {value}", f"{verb} {name} to {value}")
    if isinstance(step, Contrast):
        low, high = _value(step.low, unit), _value(step.high, unit)
        return _Change(
            f"{name} were {high} rather than {low}",
            f"changing {name} from {low} to {high}",
        )
    function = getattr(step, "function", step)
    called = getattr(function, "__name__", type(function).__name__)
    return _Change(f"{name} were changed by {called}", f"applying {called} to {name}")


def _addition(name: str, step: Add, unit: str) -> _Change:
    """Such as ``lowering x by 2 kg``, or ``moving x 7 days earlier``."""
    amount: Any = step.amount
    if isinstance(amount, datetime.timedelta):
        seconds = amount.total_seconds()
        size, word = _duration(abs(seconds)), "earlier" if seconds < 0 else "later"
        return _Change(f"{name} were {size} {word}", f"moving {name} {size} {word}")
    text = number_text(abs(amount))
    size = with_unit(text if len(text) <= 8 else number(abs(amount), 4), unit)
    verb, word = ("lowering", "lower") if amount < 0 else ("raising", "higher")
    return _Change(f"{name} were {size} {word}", f"{verb} {name} by {size}")


def _duration(seconds: float) -> str:
    """In the largest unit of which it is a whole number."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds % length == 0:
            count = seconds / length
            return f"{number(count, 6)} {unit}{'s' * (count != 1)}"
    return f"{number(seconds, 6)} seconds"


def _value(value: object, unit: str) -> str:
    text = number_text(value)
    return with_unit(text.replace("-", "−") if is_number(value) else text, unit)


def _joined(parts: Sequence[str]) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"
