"""What all effects of one call have in common: the table, weights, outputs and names."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from skfme._engine.prediction import Response, model_title
from skfme._engine.trees.models import has_jumps
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme._text.parts import JointStep

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """What all effects of one call have in common."""

    table: Table
    weights: Weighting
    outputs: tuple[str, ...]
    model: str
    response: str
    n_outside_before: int | None
    categorical_features: tuple[Hashable, ...] = ()
    response_label: str | None = None
    has_jumps: bool = False
    notes: tuple[str, ...] = ()
    joint: JointStep | None = None  # of which the effects are parts
    resolution: float = (
        0.0  # machine epsilon of predictions; 0 where none are differenced
    )

    @classmethod
    def of(
        cls,
        table: Table,
        weights: Weighting,
        response: Response,
        columns: Sequence[Column],
        n_outside_before: int | None,
        response_label: str | None = None,
    ) -> Context:
        """What the effects of a response have in common; `columns` are those of fit."""
        return cls(
            table.given.guarded(),
            weights,
            response.outputs,
            model_title(response.estimator),
            response.name,
            n_outside_before,
            tuple(c.name for c in columns if c.kind == "categorical"),
            response_label,
            has_jumps=has_jumps(response.estimator),
            resolution=response.resolution,
        )

    @property
    def X(self) -> Any:
        """The table that was explained; of a dataframe, one whose columns may be set."""
        return self.table.native if self.table.kind == "numpy" else self.table.private()
