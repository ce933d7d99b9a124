"""Games given by a table of all coalitions: their Shapley values, pairs and orders.

With v(T) the prediction once the features of T are stepped, T as bits,

    φ_j = Σ over T without j of |T|! (s − |T| − 1)! / s! · [v(T ∪ j) − v(T)],
    I_ij = Σ over T without i, j of |T|! (s − |T| − 2)! / (s − 1)! · [v(T ∪ ij) − v(T ∪ i)
           − v(T ∪ j) + v(T)].

Differences are formed before they are weighted, so that a feature without any influence
gets 0 exactly. How coalitions are predicted lives elsewhere.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["interactions_of", "order_range", "shapley_values"]

_BLOCK_BYTES = 2**18  # of a table that stays in the nearer caches


def shapley_values(values: np.ndarray) -> np.ndarray:
    """Shapley values, of shape (n_rows, n_players, n_outputs).

    Parameters
    ----------
    values : ndarray of shape (2 ** n_players, n_rows, n_outputs)
        Player p is the bit of value 2 ** p.
    """
    s, (size, n, n_outputs) = _n_players(values), values.shape
    weights, parts = _weights(s), np.empty((n, s, n_outputs))
    for rows in gen_batches(n, max(_BLOCK_BYTES // (8 * size * n_outputs), 1)):
        block = values[:, rows]
        for player in range(s):
            parts[rows, player] = _weighted(_joined(block, player), weights)
    return parts


def interactions_of(values: np.ndarray) -> np.ndarray:
    """Pairwise Shapley interactions, (n_rows, n_pairs, n_outputs): (0, 1), (0, 2), …"""
    s = _n_players(values)
    weights = _weights(s - 1)
    pairs = [
        # With j's bit taken out, the bit of i < j is where it was.
        _weighted(_joined(_joined(values, j), i), weights)
        for i, j in combinations(range(s), 2)
    ]
    return np.stack(pairs, axis=1)


def order_range(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The least and the most that a feature brings in any order of the changes."""
    changes = [_joined(values, player) for player in range(_n_players(values))]
    lowest = np.stack([change.min(axis=0) for change in changes], axis=1)
    return lowest, np.stack([change.max(axis=0) for change in changes], axis=1)


def _n_players(values: np.ndarray) -> int:
    return len(values).bit_length() - 1


def _joined(values: np.ndarray, player: int) -> np.ndarray:
    """v(T ∪ j) − v(T) of all T without j, whose bit is taken out of T."""
    size, *shape = values.shape
    by_bit = values.reshape(size >> (player + 1), 2, 1 << player, *shape)
    return (by_bit[:, 1] - by_bit[:, 0]).reshape(size // 2, *shape)


def _weights(s: int) -> np.ndarray:
    """Shapley's weights of the coalitions of s − 1 players."""
    sizes = [coalition.bit_count() for coalition in range(2 ** (s - 1))]
    return np.array([1 / (s * comb(s - 1, size)) for size in sizes])


def _weighted(changes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = weights @ changes.reshape(len(weights), -1)
    return np.asarray(weighted.reshape(changes.shape[1:]))
