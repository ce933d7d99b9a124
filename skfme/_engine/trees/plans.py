"""What is walked for an effect: which features it moves, from where, and along which path.

Only numbers move along a path; it can be integrated exactly where it is straight among
the features that the trees look at, and none of these is one of categories to them.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import partial

import numpy as np

from skfme._engine.stepping import Stepped
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.inputs import Features, Inputs, TransformedInputs
from skfme._frames.tables import Table
from skfme.quadrature import Rule, is_best

__all__ = ["Plan", "planned"]


@dataclass(frozen=True)
class Plan:
    """What is walked for one effect; the path is None without an exact NLM."""

    move: Move
    path: Move | None


def planned(
    inputs: Inputs | TransformedInputs,
    coded: Container[int],
    batch: Table,
    before: Features,
    rule: Rule | None,
    effect: Stepped,
) -> Plan:
    """The plan of one effect on a batch.

    Parameters
    ----------
    inputs : Inputs or TransformedInputs
    coded : container of int
        The features whose values the model takes for categories.
    batch : Table
    before : Features
        Those of the batch itself.
    rule : Rule or None
    effect : Stepped
    """
    changed = partial(inputs.changed, batch, before, rows=effect.counted)
    end = changed(effect.end)
    move = _move(before, changed(effect.start), end, effect.counted)
    moving = frozenset(
        bound.change.position for bound in effect.changes if bound.change.numeric
    )
    if not (rule is not None and is_best(rule) and moving):
        return Plan(move, None)
    path = move
    if len(moving) < len(effect.changes):
        # Categories and dates stand at their new value all along.
        fixed = {p: column for p, column in effect.end.items() if p not in moving}
        path = _move(before, changed(effect.start | fixed), end, effect.counted)
    if (lost := effect.without_way(batch)).any():  # they stay where they come to
        starts = {
            j: np.where(lost, e, path.start.get(j, before[j]))
            for j, e in path.end.items()
        }
        path = _move(before, starts, path.end, effect.counted)
    exact = (
        inputs.is_straight(batch, moving)
        and not _passes_categories(coded, before, path)
        and path.has_shares(before)
    )
    return Plan(move, path if exact else None)


def _passes_categories(coded: Container[int], before: Features, path: Move) -> bool:
    """Whether a path leads through numbers that the model takes for categories."""
    rows = path.counted
    return any(
        not np.array_equal(
            path.start.get(j, before[j])[rows], path.end[j][rows], equal_nan=True
        )
        for j in path.end
        if j in coded
    )


def _move(
    before: Features, start: Features, end: Features, counted: np.ndarray
) -> Move:
    """A move whose end names every feature that its start does."""
    return Move(start, {j: before[j] for j in start} | end, counted)
