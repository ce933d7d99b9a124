"""What a fitted explainer does on a few training rows, by which two are told apart.

Summaries hold neither the model nor the rows, so that what they have in common cannot be
read from them. The effects of every step on the rows that fit tried are kept instead: they
differ where the models, the functions of steps, the SDs or the training rows do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from skfme._engine.batches import Schedule
from skfme._engine.choice import EngineChoice
from skfme._engine.forward import forward_differences
from skfme._engine.prediction import Response
from skfme._frames.tables import Table

__all__ = ["Trial"]

# Two machines may round otherwise; a single-precision model, by this much.
_TOLERANCE = 1e-5


class _Unchecked(Response):
    """A model that may have no number for some training rows, as long as none asks."""

    @classmethod
    def of(cls, response: Response) -> _Unchecked:
        return cls(**{f.name: getattr(response, f.name) for f in fields(response)})

    def __call__(self, table: Table) -> np.ndarray:
        return self.unchecked(table)


@dataclass(frozen=True, eq=False)
class Trial:
    """Predictions, effects and ranges of an explainer on a few training rows.

    Attributes
    ----------
    predictions : ndarray of shape (n_rows, n_outputs)
        Before any step.
    fme : ndarray of shape (n_effects, n_rows, n_outputs)
        NaN where a row does not count.
    statuses : ndarray of shape (n_effects, n_rows)
    bounds : tuple of (int, object, object)
        Position and range of each column of an envelope.
    """

    predictions: np.ndarray
    fme: np.ndarray
    statuses: np.ndarray
    bounds: tuple[tuple[int, Any, Any], ...]

    @classmethod
    def of(cls, explainer: Any) -> Trial:
        """The trial of a fitted explainer."""
        rows, response = explainer._sample, _Unchecked.of(explainer._response)
        choice = EngineChoice(response, "predict", rows)
        support, schedule = explainer._support, Schedule("auto", None, 0)
        with np.errstate(invalid="ignore"):  # between infinities
            differences, _ = forward_differences(
                choice, rows, explainer.steps_, support, None, schedule
            )
        envelope: Any = getattr(support, "_envelope", None)
        bounds: Mapping[int, tuple[Any, Any]] = getattr(envelope, "bounds_", {})
        return cls(
            response(rows),
            np.stack([difference.fme for difference in differences]),
            np.stack([difference.status for difference in differences]),
            tuple((position, *bounds[position]) for position in sorted(bounds)),
        )

    def difference(self, other: Trial) -> str | None:
        """What differs, in words; None for trials of one explainer."""
        for name, mine, its in (
            ("models' predictions", self.predictions, other.predictions),
            ("steps' effects", self.fme, other.fme),
        ):
            if mine.shape != its.shape:
                return "numbers of training rows"
            finite = self.predictions[np.isfinite(self.predictions)]
            scale = float(np.abs(finite).max(initial=0.0))
            if not np.isclose(
                mine, its, rtol=0, atol=_TOLERANCE * scale, equal_nan=True
            ).all():
                return name
        same = np.array_equal(self.statuses, other.statuses)
        return (
            None if same and self.bounds == other.bounds else "judges of extrapolation"
        )
