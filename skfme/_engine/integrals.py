"""Compiled, exact non-linearity measure of piecewise constant paths.

The jumps of a path, sorted by t, give pieces of length d_k and value u_k (of
f(γ(t)) − f(x)). With a_k, b_k the distances u_k − t·Δ at a piece's two ends,

    ∫ (f − g)² dt = Σ d_k (a_k² + a_k b_k + b_k²) / 3,   ∫ (f − m)² dt = Σ d_k (u_k − m)²

for the straight line g from start to end, Δ its rise, and the mean m (Scholbeck et
al., 2024, definition of the NLM). Nothing is divided by Δ, and the values at the
ends are the model's own.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["LINKS", "integrate"]

IDENTITY, LOGISTIC, EXPONENTIAL, SOFTMAX = range(4)
LINKS = {
    "identity": IDENTITY,
    "logistic": LOGISTIC,
    "exponential": EXPONENTIAL,
    "softmax": SOFTMAX,
}

_CONSTANT_ULPS = 8


@njit(nogil=True, cache=True)
def _grouped(log_path, n_logged, first, order):
    """Put the jumps of one path side by side, and tell where each path's start."""
    first[:] = 0
    for k in range(n_logged):
        first[log_path[k] + 1] += 1
    for p in range(len(first) - 1):
        first[p + 1] += first[p]
    for k in range(n_logged - 1, -1, -1):
        # Filled from behind, `first` ends as the starts of the next path.
        path = log_path[k] + 1
        first[path] -= 1
        order[first[path]] = k
    for p in range(len(first) - 1):
        first[p] = first[p + 1]
    first[-1] = n_logged


@njit(nogil=True, cache=True)
def _sort(order, t):
    """Shell's sort: most paths have a few jumps, some have thousands."""
    n, gap = len(order), 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            moved, j = order[i], i
            at = t[moved]
            while j >= gap and t[order[j - gap]] > at:
                order[j] = order[j - gap]
                j -= gap
            order[j] = moved
        gap //= 3


@njit(nogil=True, cache=True)
def _respond(link, margin, response):
    """Apply the link to the margins of one row."""
    if link == LOGISTIC:
        for k in range(len(margin)):
            small = math.exp(-abs(margin[k]))
            response[k] = (1.0 if margin[k] >= 0 else small) / (1.0 + small)
    elif link == EXPONENTIAL:
        for k in range(len(margin)):
            response[k] = math.exp(margin[k])
    elif link == SOFTMAX:
        highest = margin[0]
        for k in range(len(margin)):
            highest = max(highest, margin[k])
        total = 0.0
        for k in range(len(margin)):
            response[k] = math.exp(margin[k] - highest)
            total += response[k]
        for k in range(len(margin)):
            response[k] /= total
    else:
        for k in range(len(margin)):
            response[k] = margin[k]


@njit(nogil=True, cache=True)
def _measure(t, u, n_jumps, start, resolution):
    """NLM of a path whose value is `start` + u[k] from t[k] to t[k + 1]."""
    mean, low, high = 0.0, 0.0, 0.0
    for k in range(n_jumps + 1):
        mean += (t[k + 1] - t[k]) * u[k]
        low, high = min(low, u[k]), max(high, u[k])
    rise, total, off = u[n_jumps], 0.0, 0.0
    for k in range(n_jumps + 1):
        length = t[k + 1] - t[k]
        a, b = u[k] - t[k] * rise, u[k] - t[k + 1] * rise
        off += length * (a * a + a * b + b * b) / 3.0
        total += length * (u[k] - mean) * (u[k] - mean)
    scale = max(abs(start + low), abs(start + high))
    if math.sqrt(total) <= _CONSTANT_ULPS * resolution * scale:
        return np.nan
    return 1.0 - off / total


@njit(nogil=True, cache=True)
def integrate(
    log_path,
    log_t,
    log_output,
    log_change,
    n_logged,
    link,
    base,
    resolution,
    margin,
    delta,
    nlm,
):
    """Changes of the margins and the NLM of all paths of a block, from their jumps.

    Parameters
    ----------
    log_path, log_t, log_output, log_change, n_logged
        As :func:`skfme._engine.jumps.log_jumps` makes them.
    link : int
    base : ndarray of shape (n_outputs,)
        What is added to every margin.
    resolution : float
        Machine epsilon of the model's own predictions.
    margin : ndarray of shape (n_rows, n_outputs)
    delta : ndarray of shape (n_rows, n_effects, n_outputs)
        Added to.
    nlm : ndarray of shape (n_rows, n_effects, n_outputs)
        Set; NaN where the path is constant.
    """
    n_effects, n_outputs = delta.shape[1], delta.shape[2]
    n_paths = delta.shape[0] * n_effects
    first, order = np.empty(n_paths + 1, np.int64), np.empty(n_logged, np.int64)
    _grouped(log_path, n_logged, first, order)
    longest = 0
    for path in range(n_paths):
        longest = max(longest, first[path + 1] - first[path])
    t, u = np.empty(longest + 2), np.empty((n_outputs, longest + 1))
    now, start, response = np.empty(n_outputs), np.empty(n_outputs), np.empty(n_outputs)
    t[0] = 0.0
    for path in range(n_paths):
        r, e = path // n_effects, path % n_effects
        jumps = order[first[path] : first[path + 1]]
        _sort(jumps, log_t)
        for o in range(n_outputs):
            now[o] = base[o] + margin[r, o]
            u[o, 0] = 0.0
        _respond(link, now, start)
        for k in range(len(jumps)):
            j = jumps[k]
            t[k + 1] = log_t[j]
            for i in range(log_change.shape[1]):
                o = log_output[j] + i
                delta[r, e, o] += log_change[j, i]
                now[o] = base[o] + margin[r, o] + delta[r, e, o]
            if link == IDENTITY:
                for o in range(n_outputs):
                    u[o, k + 1] = delta[r, e, o]
            else:
                _respond(link, now, response)
                for o in range(n_outputs):
                    u[o, k + 1] = response[o] - start[o]
        t[len(jumps) + 1] = 1.0
        for o in range(n_outputs):
            nlm[r, e, o] = _measure(t, u[o], len(jumps), start[o], resolution)
