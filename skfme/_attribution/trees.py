"""Parts of a tree ensemble's effect, by the walks of :mod:`skfme._engine.trees.games`.

Only this file of the room needs numba, and is imported where an ensemble was read.
"""

from __future__ import annotations

import logging

import numpy as np

from skfme._attribution.pairs import Pairs
from skfme._attribution.predictions import parts_of_coalitions
from skfme._attribution.questions import MOST_EXACT, Parts, Question
from skfme._engine.refusals import RowsNotReadError, refusal
from skfme._engine.stepping import Stepped
from skfme._engine.trees.games import TreeGame
from skfme._engine.trees.trees import TreeEngine
from skfme._frames.tables import Table

__all__ = ["parts_of_trees"]

_LOG = logging.getLogger(__name__)


def parts_of_trees(
    engine: TreeEngine,
    batch: Table,
    effect: Stepped,
    question: Question,
    pairs: Pairs | None,
) -> Parts | None:
    """Parts of a batch whose rows all count; None where they are left to predictions."""
    game = TreeGame(engine.model.walks, engine.model.inputs, batch, effect)
    try:
        parts = _parts(game, question, pairs)
        if parts is None and engine.model.insisted:
            raise RowsNotReadError(
                f"behind a link, coalitions of more than {MOST_EXACT} features are not "
                "summed up"
            )
        return parts
    except RowsNotReadError as reason:
        if engine.model.insisted:
            raise refusal(engine.name, str(reason)) from reason
        _LOG.debug("a batch is left to the model's own predictions: %s", reason)
        return None


def _parts(game: TreeGame, question: Question, pairs: Pairs | None) -> Parts | None:
    name = TreeEngine.name
    if question.method == "path":
        return _of(game.along_path())
    if question.method == "shapley" and not game.is_linked:
        return _of(game.shapley(None if pairs is None else pairs.add))
    if question.n_features > MOST_EXACT:
        return None
    return parts_of_coalitions(game.coalitions().swapaxes(0, 1), question, name, pairs)


def _of(parts: np.ndarray) -> Parts:
    return Parts(parts, parts.sum(axis=1), TreeEngine.name, "exact, leaf by leaf")
