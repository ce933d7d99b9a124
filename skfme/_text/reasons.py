"""Why an effect has no average: which rows were left out."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["no_row_counts"]


def no_row_counts(effect: str, n_left_out: Mapping[str, int]) -> str:
    """The beginning of a sentence, such as ``No row counts for 'bmi -2' (missing: 3)``."""
    reasons = ", ".join(f"{status}: {n}" for status, n in n_left_out.items() if n)
    return f"No row counts for the effect {effect!r}" + (
        f" ({reasons})" if reasons else ""
    )
