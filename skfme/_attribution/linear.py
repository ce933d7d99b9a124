"""Parts of a linear predictor's effect, in closed form.

Without a link a feature's part is its own change of the predictor, in any order and along
any way. Behind a link the margins of coalitions are sums of these changes, and the parts
along the path are φ_j = Δη_j ∫ g'(η + t Δη) dt: for one margin a share Δη_j / Δη of the
effect.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.special import expit, exprel

from skfme._attribution.pairs import Pairs
from skfme._attribution.predictions import parts_of_coalitions
from skfme._attribution.questions import MOST_EXACT, Parts, Question
from skfme._engine.linear.linear import LinearEngine, LinearModel
from skfme._engine.stepping import Stepped
from skfme._frames.tables import Table

__all__ = ["parts_of_linear"]

_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(16)
_PIECE = 2.0  # of a margin, over which 16 nodes integrate a link exactly
_MOST_PIECES = 512


def parts_of_linear(
    engine: LinearEngine,
    batch: Table,
    effect: Stepped,
    question: Question,
    pairs: Pairs | None,
) -> Parts | None:
    """Parts of a batch whose rows all count; None where there is no closed form."""
    found = engine.by_feature(batch, effect)
    if found is None:
        return None
    base, changes = found
    model, total = engine.model, engine.model.ends(base, changes.sum(axis=1))[0]
    if model.link == "identity":
        if pairs is not None:
            s = question.n_features
            pairs.add(np.zeros((len(total), s * (s - 1) // 2, total.shape[1])))
        return _without_link(changes, total, question)
    if question.method == "path":
        parts = _along_path(model, base, changes)
        return Parts(parts, total, engine.name, "in closed form")
    if question.n_features > MOST_EXACT:
        return None
    values = model.respond(base, _sums(changes))
    return parts_of_coalitions(values, question, engine.name, pairs)


def _without_link(changes: np.ndarray, total: np.ndarray, question: Question) -> Parts:
    ranges = question.method == "sequential" and question.order is None
    return Parts(
        changes,
        total,
        "linear",
        "in closed form",
        lowest=changes if ranges else None,
        highest=changes if ranges else None,
    )


def _sums(changes: np.ndarray) -> np.ndarray:
    """Changes of the margins by every coalition, of shape (2 ** s, n, n_outputs)."""
    sums = np.zeros((1, len(changes), changes.shape[2]))
    for k in range(changes.shape[1]):
        sums = np.concatenate([sums, sums + changes[:, k]])
    return sums


def _along_path(
    model: LinearModel, base: np.ndarray, changes: np.ndarray
) -> np.ndarray:
    """Each feature's change of the margins, times the link's mean slope on the way."""
    total = changes.sum(axis=1)
    if model.link == "softmax":
        return _along_softmax(model, base, changes, total)
    if model.link == "log":
        slope = base * exprel(total)
    else:
        slope = _integral(lambda t: _logistic_slope(base + t * total))
        far = np.abs(total) > _PIECE
        slope[far] = model.ends(base, total)[0][far] / total[far]
    return changes * slope[:, None]


def _logistic_slope(margin: np.ndarray) -> np.ndarray:
    slope: np.ndarray = expit(margin) * expit(-margin)
    return slope


def _along_softmax(
    model: LinearModel, base: np.ndarray, changes: np.ndarray, total: np.ndarray
) -> np.ndarray:
    def slopes(t: float) -> np.ndarray:
        response = model.respond(base, t * total)[:, None]
        mean = (response * changes).sum(axis=2, keepdims=True)
        return np.asarray(response * (changes - mean))

    spread = float(np.ptp(total, axis=1).max(initial=0.0))
    n_pieces = int(np.clip(np.ceil(spread / _PIECE), 1, _MOST_PIECES))
    return _integral(slopes, n_pieces)


def _integral(function: Callable[[float], np.ndarray], n_pieces: int = 1) -> np.ndarray:
    """∫ function(t) dt from 0 to 1."""
    values = [
        weight / 2 / n_pieces * function((piece + (node + 1) / 2) / n_pieces)
        for piece in range(n_pieces)
        for node, weight in zip(_NODES, _NODE_WEIGHTS, strict=True)
    ]
    return np.add.reduce(values)
