"""What a summary reads of an effect, and its numbers as one table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import pandas as pd

from skfme._summaries.weighted import NonLinearity, Summary

__all__ = ["Summarized", "effects_frame"]


class Summarized(Protocol):
    """What a summary reads of an effect, or of the summary of one."""

    @property
    def name(self) -> str: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def sizes(self) -> tuple[str, ...]: ...
    @property
    def context(self) -> Any: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def total_weight(self) -> float | None: ...
    @property
    def n_left_out(self) -> dict[str, int]: ...
    @property
    def n_outside_before(self) -> int | None: ...
    @property
    def n_not_converged(self) -> int: ...
    @property
    def has_nlm(self) -> bool: ...
    @property
    def nonlinearity(self) -> tuple[NonLinearity, ...]: ...
    @property
    def _summaries(self) -> tuple[Summary, ...]: ...


def effects_frame(effects: Sequence[Summarized]) -> pd.DataFrame:
    """One row per effect and output, as :meth:`ForwardEffects.to_frame` has them."""
    records = []
    for effect in effects:
        nonlinear = (
            [
                {
                    "anlm": m.mean,
                    "nlm_median": m.median,
                    "nlm_share_linear": m.share_linear,
                    "n_nlm_undefined": m.n_undefined,
                    "n_nlm_not_converged": effect.n_not_converged,
                }
                for m in effect.nonlinearity
            ]
            if effect.has_nlm
            else [{} for _ in effect.outputs]
        )
        counts = {f"n_{name}": count for name, count in effect.n_left_out.items()}
        for output, s, extra in zip(
            effect.outputs, effect._summaries, nonlinear, strict=True
        ):
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
                    **extra,
                    **counts,
                    "n_outside_before": effect.n_outside_before,
                }
            )
    return pd.DataFrame(records)
