"""Outputs of a response, by name and in words: classes, or one or several targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skfme._frames.hints import known_names, nearest, shown
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._text.compared import average_note, comparison_text
from skfme._text.parts import part_notes

__all__ = [
    "names_by_output",
    "one_output",
    "outcome_notes",
    "outcome_text",
    "output_columns",
]


def output_columns(outputs: Sequence[str], output: str | None) -> list[int]:
    """Positions of the chosen outputs; None chooses all.

    Raises
    ------
    ValueError
        If there is no such output.
    """
    names = list(map(str, outputs))
    if output is None:
        return list(range(len(names)))
    if str(output) not in names:
        raise ValueError(
            f"output={shown(output)} is no output of the effect."
            + (nearest(output, names) or known_names(names))
        )
    return [names.index(str(output))]


def one_output(outputs: Sequence[str], output: str | None, purpose: str) -> int:
    """Position of the one output that `purpose` takes; None where there is only one.

    Raises
    ------
    ValueError
        If there is no such output, or there are several and none is chosen.
    """
    columns = output_columns(outputs, output)
    if len(columns) > 1:
        raise ValueError(
            f"The effect has {len(columns)} outputs "
            f"({', '.join(map(repr, map(str, outputs)))}), and {purpose} takes one: "
            f"choose it with output={str(outputs[-1])!r}, for example."
        )
    return columns[0]


def names_by_output(name: str, outputs: Sequence[str]) -> list[str]:
    """Such as ``bmi -2``; for several outputs ``bmi -2[setosa]`` for each."""
    return [name] if len(outputs) == 1 else [f"{name}[{output}]" for output in outputs]


def outcome_text(context: Any, outputs: Sequence[str]) -> str:
    """What changes, such as ``the prediction of bmi``.

    Parameters
    ----------
    context : object
        With the method that predicts as `response`, and the user's own words, or None, as
        `response_label`.
    outputs : sequence of str
    """
    single, response = len(outputs) == 1, context.response
    if context.response_label is not None:
        return f"the predicted {context.response_label}"
    if response == "predict":
        return f"the prediction of {outputs[0]}" if single else "the predictions"
    if response == "predict_proba":
        of = repr(outputs[0]) if single else "each class"
        return f"the predicted probability of {of}"
    return f"{response} of {outputs[0]!r}" if single else str(response)


def outcome_notes(
    context: Any, outputs: Sequence[str], comparison: Comparison = DIFFERENCE
) -> list[str]:
    """Sentences on what changes; none where it has no name, or no model predicts."""
    parts = part_notes(context.joint)
    unnamed = context.response_label is None and tuple(outputs) == ("y",)
    if not context.model or (unnamed and comparison.is_difference):
        return parts
    notes = [f"{comparison_text(comparison, outcome_text(context, outputs))}."]
    return [*parts, *notes, *filter(None, [average_note(comparison)])]
