"""The section of a report that splits a joint step among its features."""

from __future__ import annotations

from typing import Any

from skfme._attribution.step_attribution import StepAttribution
from skfme._attribution.tables import attribution_tables
from skfme._attribution.wording import sentences_of
from skfme._report.page import Markup, figure, paragraph, section, table
from skfme._report.sentences import Wording
from skfme._text.labels import step_title
from skfme.plotting import AttributionDisplay
from skfme.plotting._parts.canvas import png_of

__all__ = ["attribution_section"]

_MEANING = {
    "shapley": (
        "A feature's part is what it brings when the changes are made one after the other, "
        "averaged over all their orders (Shapley values)."
    ),
    "path": (
        "A feature's part is what it brings while all features move together along the "
        "straight way of the step (integrated gradients)."
    ),
    "sequential": "A feature's part is what it adds to those that were changed before it.",
}


def attribution_section(
    attribution: StepAttribution, wording: Wording, words: dict[str, Any]
) -> Markup:
    """Which change did it: the parts in words, as a picture and as tables.

    Parameters
    ----------
    attribution : StepAttribution
    wording : Wording
    words : dict
        The labels, as displays take them.
    """
    total = attribution.total
    told = attribution._told()
    sentences = sentences_of(told.parts, total, wording.labels, wording.response_label)
    meaning = (
        f"{_MEANING[attribution.method]} In every row the parts add up to the effect."
    )
    parts = [
        paragraph(meaning),
        *(paragraph(text, "finding") for text in sentences),
    ]
    for output in attribution.outputs if total.n else ():
        display = AttributionDisplay.from_attribution(
            attribution, output=output, **words
        )
        width = round(100 * display.figure_.get_figwidth())
        caption = output if len(attribution.outputs) > 1 else ""
        drawn = png_of(display.figure_)
        parts.append(figure(drawn, " ".join(sentences), caption, width))
    tables = attribution_tables(told)
    parts += [table(header, rows, title) for title, header, rows in tables]
    name = step_title(attribution.name, total.step, wording.labels)
    return section(f"Which change did it: {name}", *parts)
