"""A joint step split among its features by hand: over all orders, or along the way.

Orders and coalitions are gone through one by one. Along the straight way, what a short
cell of it brings is split by Shapley: of smooth models many cells come closer and closer to
the integrals, and of jumps only those cells are kept, and halved, in which any feature can
change the prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations, permutations
from math import factorial
from typing import Any

import numpy as np

ORDERS = ("shapley", "shapley pairs", "sequential", "sequential back")
QUESTIONS = (*ORDERS, "path")
_GRID = 64
_HALVINGS = 28

# From features after their change to predictions of shape (n, n_outputs).
After = Callable[[frozenset], np.ndarray]
# From t of shape (m, n_features) to predictions of shape (m, n_outputs).
Corner = Callable[[np.ndarray], np.ndarray]


def options_of(question: str, names: Sequence[Any]) -> dict[str, Any]:
    """How the package is asked the same."""
    options: dict[str, Any] = {"method": question.partition(" ")[0]}
    if question == "shapley pairs":
        options["interactions"] = "rows"
    if question == "sequential back":
        options["order"] = list(names)[::-1]
    return options


def by_orders(names: Sequence[Any], after: After, question: str) -> np.ndarray:
    """Parts by the features' order, and then those of pairs where these are asked for."""
    known: dict[frozenset, np.ndarray] = {}

    def value(changed: frozenset) -> np.ndarray:
        if changed not in known:
            known[changed] = after(changed)
        return known[changed]

    orders = {
        "sequential": [tuple(names)],
        "sequential back": [tuple(names)[::-1]],
    }.get(question) or list(permutations(names))
    parts: dict[Any, Any] = dict.fromkeys(names, 0.0)
    for order in orders:
        for place, name in enumerate(order):
            done = frozenset(order[:place])
            parts[name] += (value(done | {name}) - value(done)) / len(orders)
    pairs = []
    if question == "shapley pairs":
        pairs = [_interaction(names, value, pair) for pair in combinations(names, 2)]
    return np.concatenate([*(parts[name] for name in names), *pairs], axis=1)


def _interaction(names: Sequence[Any], value: After, pair: tuple) -> np.ndarray:
    """The mean over orders in which a pair comes as one, of what it brings beyond both."""
    rest = [name for name in names if name not in pair]
    blocks = list(permutations([pair, *rest]))
    total: Any = 0.0
    for order in blocks:
        done = frozenset(order[: order.index(pair)])
        first, second = (done | {name} for name in pair)
        both = value(done | set(pair)) - value(first) - value(second) + value(done)
        total = total + both / len(blocks)
    return np.asarray(total)


# Along the way ------------------------------------------------------------------------


def smooth(corner: Corner, n_features: int) -> list[np.ndarray]:
    """Parts of a smooth way; none where twice as many cells do not say the same."""
    rough, fine, finest = (
        _of_cells(corner, np.arange(n) / n, np.arange(1, n + 1) / n, n_features)
        for n in (_GRID, 2 * _GRID, 4 * _GRID)
    )
    one, other = fine + (fine - rough) / 3, finest + (finest - fine) / 3
    size = 1e-6 * np.abs(other).max()
    return [other] if np.allclose(one, other, rtol=1e-6, atol=size) else []


def of_jumps(corner: Corner, n_features: int, near: float) -> list[np.ndarray]:
    """Parts of a way of jumps, each by itself, and with all that is near as one."""
    start, stop = np.arange(_GRID) / _GRID, np.arange(1, _GRID + 1) / _GRID
    for _ in range(_HALVINGS):
        moves = _moves(corner, start, stop, n_features)
        middle = (start[moves] + stop[moves]) / 2
        start = np.column_stack([start[moves], middle]).ravel()
        stop = np.column_stack([middle, stop[moves]]).ravel()
    moves = _moves(corner, start, stop, n_features)
    start, stop = start[moves], stop[moves]
    apart = start[1:] - stop[:-1] > near
    first, last = np.append(True, apart), np.append(apart, True)
    if not len(start):
        first = last = np.zeros(0, bool)
    return [
        _of_cells(corner, start, stop, n_features),
        _of_cells(
            corner,
            np.maximum(start[first] - near / 2, 0),
            np.minimum(stop[last] + near / 2, 1),
            n_features,
        ),
    ]


def _values(
    corner: Corner, start: np.ndarray, stop: np.ndarray, n_features: int
) -> np.ndarray:
    """Predictions of all coalitions of each cell, of shape (n_cells, 2^s, n_outputs)."""
    after = np.arange(2**n_features)[:, None] >> np.arange(n_features) & 1
    t = np.where(after, stop[:, None, None], start[:, None, None])
    values = corner(t.reshape(-1, n_features))
    return values.reshape(len(start), 2**n_features, -1)


def _moves(
    corner: Corner, start: np.ndarray, stop: np.ndarray, n_features: int
) -> np.ndarray:
    """Whether anything moves the prediction within a cell."""
    if not len(start):
        return np.zeros(0, bool)
    values = _values(corner, start, stop, n_features)
    return np.asarray((values != values[:, :1]).any(axis=(1, 2)))


def _of_cells(
    corner: Corner, start: np.ndarray, stop: np.ndarray, n_features: int
) -> np.ndarray:
    """Shapley values of the cells, added up: of shape (n_features, n_outputs)."""
    if not len(start):
        return np.zeros((n_features, 1))
    values, parts = _values(corner, start, stop, n_features), []
    for feature in range(n_features):
        part = 0.0
        for coalition in range(2**n_features):
            if coalition >> feature & 1:
                continue
            size = coalition.bit_count()
            orders = factorial(size) * factorial(n_features - size - 1)
            gain = values[:, coalition | 1 << feature] - values[:, coalition]
            part = part + orders / factorial(n_features) * gain.sum(axis=0)
        parts.append(part)
    return np.array(parts)
