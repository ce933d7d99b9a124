"""Predictions of a batch that a model has no memory for: asked again in halves.

Which rows make a batch is decided elsewhere; here is what happens when it was too many.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from skfme._frames.tables import Table

__all__ = ["predict_in_halves"]


def predict_in_halves(
    predict: Callable[[Table], np.ndarray], table: Table, name: str
) -> np.ndarray:
    """Predictions of all rows, in parts half as large after each `MemoryError`.

    Parameters
    ----------
    predict : callable
        Whose prediction of a row depends on that row alone.
    table : Table
    name : str
        Of what predicts, for messages.

    Raises
    ------
    MemoryError
        If there is none for a single row.
    """
    n = size = len(table)
    parts: list[np.ndarray] = []
    start = 0
    while start < n or not parts:
        part = table if size == n else table.take(slice(start, start + size))
        try:
            parts.append(predict(part))
        except MemoryError as error:
            if size <= 1:
                raise MemoryError(
                    f"{name} ran out of memory on a single row{_said(error)}. No smaller "
                    "batch can be asked for: free memory, or take a smaller model."
                ) from error
            # The next trial is made outside of this block, which holds what it had made.
            size = -(-size // 2)
        else:
            start += len(part)
    if size < n:
        warnings.warn(
            f"{name} ran out of memory on {n:,} rows at once, and was asked for {size:,} "
            f"at a time. The predictions are whole; batch_size={size} spares the trials.",
            UserWarning,
            stacklevel=3,
        )
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def _said(error: MemoryError) -> str:
    return f" ({error})" if str(error) else ""
