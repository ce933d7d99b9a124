"""Differences of predictions that are hardly more than the predictions' own rounding.

Two predictions p and q of resolution ε are each rounded by up to ε|p| / 2; where q − p is
no larger than a few of these, its digits are rounding.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skfme._engine.forward import Differences

__all__ = ["rounding_note"]

_ROUNDINGS = 16  # a sixteenth of such a difference, and more, may be rounding
_ROWS = 4096  # looked at, spread over the table


def rounding_note(
    names: Sequence[str], differences: Sequence[Differences], resolution: float
) -> str | None:
    """Which effects are mostly rounding, in words; None where none is.

    Parameters
    ----------
    names : sequence of str
        Of the effects.
    differences : sequence of Differences
        Without other comparisons.
    resolution : float
        Machine epsilon of the predictions' own type.
    """
    rounded = [
        name
        for name, difference in zip(names, differences, strict=True)
        if _is_mostly_rounding(difference, resolution)
    ]
    if not rounded:
        return None
    dtype = {2: "float16", 4: "float32"}.get(_bytes_of(resolution), "float64")
    return (
        f"Hardly more than rounding: most effects of rows of {', '.join(rounded)} are up to "
        f"{_ROUNDINGS} times the rounding of predictions in {dtype}, so that their digits "
        "are not the model's. Take a larger step, or a response_method that returns numbers "
        "nearer to 0 or of more digits."
    )


def _bytes_of(resolution: float) -> int:
    found = [t for t in (np.float16, np.float32) if np.finfo(t).eps == resolution]
    return np.dtype(found[0]).itemsize if found else 8


def _is_mostly_rounding(difference: Differences, resolution: float) -> bool:
    # What is computed exactly has no rounding of two predictions.
    if difference.engine != "predict" or not len(difference.fme):
        return False
    few = np.linspace(0, len(difference.fme) - 1, min(_ROWS, len(difference.fme)))
    rows = few.astype(np.intp)
    fme, before = difference.fme[rows], difference.before[rows]
    # A feature that the model does not use has effects of 0, and rightly.
    moved = np.isfinite(fme) & (fme != 0)
    if not moved.any():
        return False
    size = np.maximum(np.abs(before), np.abs(before + fme))
    small = np.abs(fme) <= _ROUNDINGS * resolution * size
    return bool(2 * small[moved].sum() > moved.sum())
