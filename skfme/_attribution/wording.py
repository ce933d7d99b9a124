"""What each feature brings to the effect of a joint step, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skfme._results.effects import ForwardEffect
from skfme._text.labels import Labels, number, predicted_phrases, without_unit

__all__ = ["sentences_of"]

_NONE = 1e-12  # of the largest change or part of a row: what rounding leaves


def sentences_of(
    parts: Sequence[ForwardEffect],
    total: ForwardEffect,
    labels: Labels | None = None,
    response_label: str | None = None,
) -> list[str]:
    """One sentence for each feature and output.

    Parameters
    ----------
    parts : sequence of ForwardEffect
    total : ForwardEffect
    labels : Labels, default=None
        What features are called.
    response_label : str, default=None
        What is predicted.
    """
    if not total.n:
        return ["No row counts, so that there is nothing to share."]
    labels, sizes = labels or Labels(), _sizes([*parts, total])
    context = total.context
    label = without_unit(response_label or context.response_label)
    phrases = predicted_phrases(context.response, total.outputs, label)
    return [
        _sentence(labels.short(part.name), part, total, k, phrase, sizes[k])
        for k, phrase in enumerate(phrases)
        for part in parts
    ]


def _sizes(effects: Sequence[ForwardEffect]) -> np.ndarray:
    """The largest of all parts and of the total, for each output."""
    rows = effects[0].counted
    largest = [np.abs(effect.fme_2d[rows]).max(axis=0) for effect in effects]
    return np.asarray(np.max(largest, axis=0))


def _sentence(
    name: str,
    part: ForwardEffect,
    total: ForwardEffect,
    k: int,
    phrase: str,
    largest: float,
) -> str:
    brought, whole = part.figures[k].mean, total.figures[k].mean
    fme, _ = part.counted_columns()
    if np.abs(fme[:, k]).max() <= _NONE * largest:
        return f"{name} brings nothing to the {phrase}."
    if abs(whole) <= _NONE * largest:
        return f"{name} brings {number(brought)} to the {phrase}, which stays as it is."
    share = brought / whole
    of = f"of the average change of {number(whole)} in the {phrase}"
    if 0 <= share <= 1:
        percent = "less than 1%" if 0 < share < 0.005 else f"{share:.0%}"
        return f"{name} brings {number(brought)} {of} ({percent})."
    against = "against the others" if share < 0 else "more than all of it"
    return f"{name} brings {number(brought)} {of}, {against}."
