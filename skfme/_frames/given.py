"""What is given in the place of a table or of an array, and is none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from skfme._frames.hints import shown

__all__ = ["array_of", "refuse_elsewhere", "refuse_no_table"]

# What the classes of lazy tables have, and what brings them here.
_ELSEWHERE = {
    "mapInArrow": "toPandas",
    "to_delayed": "compute",
    "iter_batches": "to_pandas",
    "collect_schema": "collect",
    "fetch_arrow_reader": "df",
    "get_fragments": "to_table",
}


def array_of(values: Any, what: str) -> np.ndarray:
    """Values as an array.

    Raises
    ------
    ValueError
        If they are lists of different lengths.
    """
    try:
        return np.asarray(values)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        lengths = sorted({np.size(entry) for entry in values})
        unlike = "are nested in different ways"
        if len(lengths) > 1:
            unlike = f"have different lengths, such as {lengths[0]} and {lengths[-1]}"
        raise ValueError(
            f"{what} is ragged: its entries {unlike}. Give equally many numbers for each "
            "row."
        ) from None


def refuse_no_table(X: Any) -> None:
    """Refuse steps, models and texts in the place of X, which are easily swapped.

    Raises
    ------
    TypeError
    """
    first = X[0] if isinstance(X, list) and X else X
    if isinstance(first, Mapping):
        raise TypeError(
            f"X is {shown(X)}, and no table. If it holds steps, they come after X, as in "
            "fme(model, X, steps); if it holds columns, give pandas.DataFrame(X)."
        )
    model = hasattr(X, "predict") or hasattr(X, "fit") or hasattr(X, "explain")
    if model or isinstance(X, str):
        raise TypeError(
            f"X is {shown(X)}, and no table. The model or explainer comes first, then X, "
            "then steps or y: fme(model, X, steps), explainer.fit(X, y)."
        )


def refuse_elsewhere(X: Any) -> None:
    """Refuse a table that is lazy, in a database or on a cluster, with what takes it.

    Raises
    ------
    TypeError
    """
    for mark, brings in _ELSEWHERE.items():
        if hasattr(type(X), mark):
            raise TypeError(
                f"X is a lazy table ({type(X).__module__.split('.')[0]}'s "
                f"{type(X).__name__}). explain_batches summarizes its effects in one pass, "
                "and transform_batches has them as columns; where it fits in memory, call "
                f"its .{brings}() first."
            )
