"""Attributions by definition: all coalitions predicted, all orders or paths walked.

Written without the package: a function of rows, the rows, and the rows after the step.
"""

from itertools import combinations, permutations
from math import factorial

import numpy as np


def coalition(X, Z, features):
    """The rows with some of the features after the step."""
    mixed = X.copy()
    for feature in features:
        if hasattr(X, "columns"):
            mixed[feature] = Z[feature]
        else:
            mixed[:, feature] = Z[:, feature]
    return mixed


def worth(predict, X, Z, features):
    """Predictions of every coalition, by its features as a frozen set."""
    subsets = [
        c for size in range(len(features) + 1) for c in combinations(features, size)
    ]
    return {frozenset(c): predict(coalition(X, Z, c)) for c in subsets}


def shapley(predict, X, Z, features):
    """Shapley values, features first."""
    v, s = worth(predict, X, Z, features), len(features)
    parts = []
    for j in features:
        part = 0.0
        for T in v:
            if j not in T:
                weight = factorial(len(T)) * factorial(s - len(T) - 1) / factorial(s)
                part = part + weight * (v[T | {j}] - v[T])
        parts.append(part)
    return np.array(parts)


def interactions(predict, X, Z, features):
    """Shapley interactions of all pairs, pairs first."""
    v, s = worth(predict, X, Z, features), len(features)
    pairs = []
    for i, j in combinations(features, 2):
        pair = 0.0
        for T in v:
            if not {i, j} & T:
                weight = (
                    factorial(len(T)) * factorial(s - len(T) - 2) / factorial(s - 1)
                )
                pair = pair + weight * (v[T | {i, j}] - v[T | {i}] - v[T | {j}] + v[T])
        pairs.append(pair)
    return np.array(pairs)


def in_order(predict, X, Z, order):
    """What each feature adds to those before it, in that order."""
    ends = [predict(coalition(X, Z, order[:k])) for k in range(len(order) + 1)]
    return np.diff(np.array(ends), axis=0)


def along_path(predict, x, z, cuts):
    """Parts of one row along its path, for predictions that jump at known times.

    Parameters
    ----------
    predict : callable
        (n, p) array -> predictions.
    x, z : ndarray of shape (p,)
    cuts : dict of int -> ndarray
        Where the predictions jump in a feature; the value at a cut belongs below it.

    Jumps at one time are shared by Shapley, over all orders of those that pass then.
    """
    times = {
        j: np.sort(
            (c[(c >= min(x[j], z[j])) & (c < max(x[j], z[j]))] - x[j]) / (z[j] - x[j])
        )
        for j, c in cuts.items()
        if x[j] != z[j]
    }
    every = np.unique(np.concatenate([[], *times.values()]).round(12))
    edges = np.concatenate([[0.0], every, [1.0]])
    middles = (edges[:-1] + edges[1:]) / 2
    parts = np.zeros((len(x), *predict(x[None]).shape[1:]))
    for k, t in enumerate(every):
        at = [
            j
            for j, own in times.items()
            if np.isclose(own, t, rtol=0, atol=2e-12).any()
        ]
        before, after = (_between(x, z, times, edges, middles, i) for i in (k, k + 1))
        for order in permutations(at):
            point = before.copy()
            for j in order:
                last = predict(point[None])[0]
                point[j] = after[j]
                parts[j] += (predict(point[None])[0] - last) / factorial(len(at))
    return parts


def _between(x, z, times, edges, middles, k):
    """A point of the path between two times; its ends where the piece has no length."""
    point = x + middles[k] * (z - x)
    if k == 0 and edges[1] <= 1e-12:
        point = x.copy()
    if k == len(middles) - 1 and edges[-2] >= 1 - 1e-12:
        point = z.copy()
    return point
