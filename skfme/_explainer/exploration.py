"""Steps to explore: one that a user names, and one feature's over several sizes.

How steps are predicted, and what is shown of them, lives elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from skfme._frames.hints import known_names, nearest
from skfme._frames.schema import Column
from skfme._results.profiles import readable_sizes
from skfme.steps._changes import NamedStep
from skfme.steps._steps import added

__all__ = ["step_named", "steps_of_sizes"]


def step_named(steps: Sequence[NamedStep], name: str) -> NamedStep:
    """The step of an effect.

    Raises
    ------
    ValueError
        If no effect has this name.
    """
    by_name = {step.name: step for step in steps}
    if name not in by_name:
        raise ValueError(
            f"No effect is named {name!r}."
            + (nearest(name, by_name) or known_names(list(by_name)))
        )
    return by_name[name]


def steps_of_sizes(
    column: Column, spreads: Mapping[int, tuple[float, float]], sizes: Any
) -> tuple[tuple[NamedStep, ...], tuple[float, ...]]:
    """One effect for each distinct size that is added to a column, and the sizes.

    Parameters
    ----------
    column : Column
    spreads : mapping of int -> (float, float)
        SD and range of each numeric column in the training rows, by position; of none
        that holds two values only.
    sizes : sequence of float or None
        None takes readable ones.

    Raises
    ------
    ValueError
        If the column is not numeric or holds two values only, or a size is 0 or not
        finite.
    """
    if column.position not in spreads:
        two = "two-valued: Contrast compares both values"
        raise ValueError(
            "step_profile needs a numeric feature of more than two values; "
            f"{column.name!r} is {two if column.kind == 'numeric' else column.kind}."
        )
    if sizes is None:
        sizes = readable_sizes(*spreads[column.position], column.integer)
    distinct = np.unique(np.asarray(sizes, dtype=float).ravel())
    if not len(distinct) or not np.isfinite(distinct).all() or (distinct == 0).any():
        raise ValueError(
            f"sizes must be finite and not 0, got {distinct.tolist()}; "
            f"{column.name!r} may be constant in training."
        )
    steps = tuple(NamedStep.of(added(column, size)) for size in distinct)
    return steps, tuple(distinct.tolist())
