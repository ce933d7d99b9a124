"""The rows of an effect that count for inference, with what their weights stand for.

Rows of weight 0 are no rows: they would add to the degrees of freedom and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skfme._results.effects import ForwardEffect
from skfme._summaries.weighting import Weighting
from skfme._text.outputs import output_columns
from skfme._text.reasons import no_row_counts, what_to_write

__all__ = [
    "CountedRows",
    "counted_rows",
    "kind_for_inference",
    "kind_notes",
    "refuse_other",
]


@dataclass(frozen=True, eq=False)
class CountedRows:
    """What inference needs of an effect.

    Attributes
    ----------
    effect : ForwardEffect
    outputs : tuple of str
        Of length K: all outputs, or the one chosen.
    rows : ndarray of int of shape (n,)
        Positions in the table that was explained.
    fme : ndarray of shape (n, K)
    weights : Weighting
    """

    effect: ForwardEffect
    outputs: tuple[str, ...]
    rows: np.ndarray
    fme: np.ndarray
    weights: Weighting

    def take(self, rows: np.ndarray) -> CountedRows:
        """The same for some of its rows, by their positions in the table."""
        if len(rows) == len(self.rows):
            return self
        places = np.searchsorted(self.rows, rows)
        weights = self.weights.take(places)
        return replace(self, rows=rows, fme=self.fme[places], weights=weights)


def counted_rows(
    effect: ForwardEffect, weights_type: str, output: str | None = None
) -> CountedRows:
    """Rows that have an effect and a positive weight.

    Raises
    ------
    TypeError
        If `effect` is not one ForwardEffect.
    ValueError
        If no row counts, `output` is unknown, or weights are not of their type.
    """
    refuse_other(effect)
    rows = np.flatnonzero(effect.counted & (effect.weights.whole() > 0))
    if not len(rows):
        raise ValueError(
            f"{no_row_counts(effect.full_name, effect.n_left_out)}, so that there is nothing "
            f"to estimate. {what_to_write(effect.n_left_out)}"
        )
    columns = output_columns(effect.outputs, output)
    weights = effect.weights.take(rows)
    kind = kind_for_inference(weights, weights_type)
    weights = Weighting.of(weights.array, kind, len(rows))
    outputs = tuple(str(effect.outputs[k]) for k in columns)
    fme = effect.fme_2d[rows][:, columns]
    return CountedRows(effect, outputs, rows, fme, weights)


def kind_for_inference(weights: Weighting, weights_type: str) -> str:
    """What weights stand for: "auto" is what the explainer was told, else "sampling".

    Whole survey weights would pass for frequencies, whose standard errors are smaller.
    """
    if weights_type != "auto":
        return weights_type
    return weights.kind if weights.told else "sampling"


def kind_notes(effect: ForwardEffect, weights: Weighting) -> list[str]:
    """Why weights are of another type than the effect calls them, in a sentence."""
    if effect.weights.told or weights.kind != "sampling" or effect.weights.sampling:
        return []
    return [
        f"The effect calls these weights {effect.weights.kind}, as they are whole numbers. "
        "Survey weights may be, too, and standard errors of counts are smaller: "
        "weights_type='frequency' says that they are counts."
    ]


def refuse_other(effect: Any) -> None:
    """Refuse what is not one effect."""
    if isinstance(effect, Mapping):
        raise TypeError(
            f"One effect is expected, and {len(effect)} were given; choose one, such as "
            f"effects[{next(iter(effect), 'bmi -2')!r}]. average_effects() takes several."
        )
    if not isinstance(effect, ForwardEffect):
        raise TypeError(
            f"effect must be a ForwardEffect, as fme() returns; got {type(effect).__name__}."
        )
