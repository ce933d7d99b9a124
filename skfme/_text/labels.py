"""What features, steps and predictions are called where a person reads.

Names in tables are for programs; a label such as ``Body mass index (kg/m²)`` is for
people. Tables are printed, and whole sentences written, elsewhere.
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from skfme._frames.hints import shown
from skfme._frames.tables import Table
from skfme._text.printing import format_number
from skfme.steps._changes import Step
from skfme.steps._steps import Add, Contrast, Scale, SetTo, number_text

__all__ = [
    "Labels",
    "coverage_note",
    "from_to",
    "joint_phrase",
    "number",
    "predicted_phrases",
    "read_labels",
    "response_words",
    "step_title",
    "told_apart",
    "unit_of",
    "with_unit",
    "without_unit",
]

_LONG = 8  # digits and signs of a number, beyond which it is rounded
_UNIT = re.compile(r"^(?P<name>.+?)\s+\((?P<unit>[^()]+)\)$")


@dataclass(frozen=True)
class Labels:
    """Labels of columns; a column without one keeps its name.

    Attributes
    ----------
    texts : dict of str -> str
        Column name -> label. A text in parentheses at its end is the unit.
    """

    texts: Mapping[str, str] = field(default_factory=dict)

    def full(self, column: str) -> str:
        """Such as ``Body mass index (kg/m²)``, for an axis."""
        return self.texts.get(column, column)

    def short(self, column: str) -> str:
        """Such as ``Body mass index``, for a sentence."""
        return _split(self.texts[column])[0] if column in self.texts else column

    def unit(self, column: str) -> str:
        """Such as ``kg/m²``; empty if the label names none."""
        return _split(self.texts[column])[1] if column in self.texts else ""


def _split(label: str) -> tuple[str, str]:
    match = _UNIT.match(label)
    return (match["name"], match["unit"]) if match else (label, "")


def read_labels(
    labels: Mapping[Hashable, str] | None, table: Table | None = None
) -> Labels:
    """The user's labels, checked against the columns of a table where there is one.

    An empty label, as Stata's files have for columns without one, is no label.

    Raises
    ------
    TypeError
        If `labels` is no mapping of columns to texts.
    ValueError
        If it names an unknown column.
    """
    if labels is None:
        return Labels()
    if not isinstance(labels, Mapping):
        raise TypeError(
            "labels must be a mapping such as {'bmi': 'Body mass index (kg/m²)'}, got "
            f"{shown(labels)}."
        )
    texts = {}
    for key, text in labels.items():
        name = key
        if table is not None:
            name = table.names[table.position(key, "labels name")]
        if _is_given(text, f"The label of {key!r}"):
            texts[str(name)] = text
    return Labels(texts)


def response_words(*labels: str | None) -> str | None:
    """The first of several labels of the response that says something."""
    return next((text for text in labels if _is_given(text, "response_label")), None)


def _is_given(label: Any, what: str) -> bool:
    """Whether a label says something: None, NaN and blanks do not."""
    if not isinstance(label, str):
        if label is None or label is pd.NA or label != label:
            return False
        raise TypeError(f"{what} must be a text, got {shown(label)}.")
    return bool(label.strip())


def number(value: float, digits: int = 3) -> str:
    """A number for people: significant digits, no trailing zeros, a true minus."""
    if math.isnan(value):
        return "–"
    text = format_number(float(value), digits)  # fractions have no format
    mantissa, mark, exponent = text.partition("e")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    scale = f"e{int(exponent)}" if mark else ""
    return (mantissa + scale).replace("-", "−")


def from_to(before: float, after: float) -> str:
    """Such as ``from 152.1 to 144.4``, for a sentence."""
    low, high = told_apart(before, after)
    return f"at {low}" if low == high else f"from {low} to {high}"


def told_apart(before: float, after: float) -> list[str]:
    """Two numbers with the digits that tell one from the other, at least four."""
    largest, change = max(abs(before), abs(after)), abs(after - before)
    digits = 4
    if 0 < change < largest:
        digits = min(max(digits, 2 + math.ceil(math.log10(largest / change))), 12)
    return [number(value, digits) for value in (before, after)]


def step_title(name: str, steps: Mapping[str, Step], labels: Labels) -> str:
    """An effect's name with labels, units and typographic signs.

    A name that the user gave to the effect is left as it is.
    """
    features, rest, parts = list(steps), name, []
    for feature, following in zip(features, [*features[1:], None], strict=True):
        if not rest.startswith(f"{feature} "):
            return name
        rest = rest[len(feature) + 1 :]
        end = len(rest) if following is None else rest.find(f", {following} ")
        if end < 0:
            return name
        changed = _change(steps[feature], rest[:end], labels.unit(feature))
        parts.append(f"{labels.short(feature)} {changed}")
        rest = rest[end + 2 :]
    return ", ".join(parts)


def _change(step: Step, text: str, unit: str) -> str:
    if isinstance(step, Contrast):
        return with_unit(f"{_short(step.low)} → {_short(step.high)}", unit)
    if isinstance(step, Scale):
        return "×" + _short(step.factor).replace("-", "−")
    if isinstance(step, Add):
        in_time = isinstance(step.amount, datetime.timedelta)
        relative = text.endswith(("sd", "iqr"))
        if len(text) > _LONG and not (in_time or relative):
            text = text[0] + number(abs(step.amount), 4)
        return with_unit(text.replace("-", "−", 1), "" if in_time or relative else unit)
    if isinstance(step, SetTo) and not text.startswith("= q"):
        return with_unit(f"= {_short(step.value)}", unit)
    return text


def _short(value: Any) -> str:
    """A value; of a number with many digits the first ones."""
    text = number_text(value)
    return number(value, 4) if isinstance(value, float) and len(text) > _LONG else text


def predicted_phrases(
    response: str, outputs: Sequence[str], label: str | None
) -> tuple[str, ...]:
    """What is predicted, for each output: ``predicted disease progression``.

    Parameters
    ----------
    response : str
        The method that predicts.
    outputs : sequence of str
    label : str or None
        The user's own words, which take the place of the target's name.
    """
    if label is not None:
        if len(outputs) == 1:
            return (f"predicted {label}",)
        return tuple(f"predicted {label}, {output}" for output in outputs)
    if response == "predict" and tuple(outputs) == ("y",):
        return ("prediction",)
    kinds = {"predict": "predicted", "predict_proba": "predicted probability of"}
    kind = kinds.get(response, f"{response} of")
    return tuple(f"{kind} {output}" for output in outputs)


def joint_phrase(response: str, outputs: Sequence[str], label: str | None) -> str:
    """What is predicted, where one axis serves all outputs."""
    if len(outputs) == 1:
        return predicted_phrases(response, outputs, label)[0]
    if label is not None:
        return f"predicted {label}"
    return "predicted probability" if response == "predict_proba" else "predictions"


def with_unit(text: str, unit: str) -> str:
    """A number in words, and its unit if it has one."""
    return f"{text} {unit}".rstrip()


def unit_of(label: str | None) -> str:
    """The unit at the end of a response's label; empty if there is none."""
    return _split(label)[1] if label else ""


def without_unit(label: str | None) -> str | None:
    """A response's label, for a sentence that gives the unit with the number."""
    return _split(label)[0] if label else None


def coverage_note(inference: Any) -> str:
    """What the intervals of results cover, in a sentence; empty if they do not say."""
    note, covers = (getattr(inference, n, "") for n in ("coverage_note", "covers"))
    return str(note or (f"Intervals cover: {covers}." if covers else ""))
