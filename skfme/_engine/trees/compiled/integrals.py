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

from skfme._engine.trees.compiled.decorators import inner, kernel, summed
from skfme._engine.trees.compiled.jumps import OUTPUT_BITS

__all__ = ["LINKS", "integrate"]

IDENTITY, LOGISTIC, EXPONENTIAL, SOFTMAX = range(4)
LINKS = {
    "identity": IDENTITY,
    "logistic": LOGISTIC,
    "exponential": EXPONENTIAL,
    "softmax": SOFTMAX,
}

_CONSTANT_ULPS = 8
_OUTPUT_BITS, _OUTPUT = np.int64(OUTPUT_BITS), np.int64(2**OUTPUT_BITS - 1)


@inner
def _grouped(log_key, log_t, n_logged, first, t, which):
    """Put the jumps of one path side by side, and tell where each path's start."""
    for p in range(len(first)):
        first[p] = 0
    for k in range(n_logged):
        first[(log_key[k] >> _OUTPUT_BITS) + 1] += 1
    for p in range(len(first) - 1):
        first[p + 1] += first[p]
    for k in range(n_logged - 1, -1, -1):
        # Filled from behind, `first` ends as the starts of the next path.
        path = (log_key[k] >> _OUTPUT_BITS) + 1
        first[path] -= 1
        t[first[path]], which[first[path]] = log_t[k], k
    for p in range(len(first) - 1):
        first[p] = first[p + 1]
    first[-1] = n_logged


@inner
def _sort(t, which, count, sorted_t, order):
    """Sort by t: into as many buckets as there are jumps, then by Shell's method.

    Jumps are spread fairly evenly along most paths, so that few are out of place
    within their bucket; the fullest bucket tells how far any is.
    """
    n, low, high = len(t), np.inf, -np.inf
    for k in range(n):
        low, high = t[k] if t[k] < low else low, t[k] if t[k] > high else high
    scale = (n - 1) / (high - low) if high > low else 0.0
    for b in range(n + 1):
        count[b] = 0
    for k in range(n):
        count[np.int64((t[k] - low) * scale) + 1] += 1
    fullest = 0
    for b in range(n):
        fullest = count[b + 1] if count[b + 1] > fullest else fullest
        count[b + 1] += count[b]
    for k in range(n):
        bucket = np.int64((t[k] - low) * scale)
        place = count[bucket]
        sorted_t[place], order[place] = t[k], which[k]
        count[bucket] = place + 1
    gap = 1
    while gap < fullest // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            at, moved, j = sorted_t[i], order[i], i
            while j >= gap and sorted_t[j - gap] > at:
                sorted_t[j], order[j] = sorted_t[j - gap], order[j - gap]
                j -= gap
            sorted_t[j], order[j] = at, moved
        gap //= 3


@inner
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
            highest = margin[k] if margin[k] > highest else highest
        total = 0.0
        for k in range(len(margin)):
            response[k] = math.exp(margin[k] - highest)
            total += response[k]
        for k in range(len(margin)):
            response[k] /= total
    else:
        for k in range(len(margin)):
            response[k] = margin[k]


@summed
def _measure(t, u, n_jumps, start, resolution):
    """NLM of a path whose value is `start` + u[k] from t[k] to t[k + 1]."""
    mean, low, high = 0.0, 0.0, 0.0
    for k in range(n_jumps + 1):
        mean += (t[k + 1] - t[k]) * u[k]
        low, high = u[k] if u[k] < low else low, u[k] if u[k] > high else high
    rise, total, off = u[n_jumps], 0.0, 0.0
    for k in range(n_jumps + 1):
        length = t[k + 1] - t[k]
        a, b = u[k] - t[k] * rise, u[k] - t[k + 1] * rise
        off += length * (a * a + a * b + b * b)
        total += length * (u[k] - mean) * (u[k] - mean)
    scale = math.fabs(start + low)
    scale = math.fabs(start + high) if math.fabs(start + high) > scale else scale
    if math.sqrt(total) <= _CONSTANT_ULPS * resolution * scale:
        return np.nan
    return 1.0 - off / (3.0 * total)


@kernel
def integrate(
    log_key,
    log_t,
    log_change,
    n_logged,
    link,
    base,
    resolution,
    margin,
    start,
    delta,
    nlm,
):
    """Changes of the margins and the NLM of all paths of a block, from their jumps.

    Parameters
    ----------
    log_key, log_t, log_change, n_logged
        As :func:`skfme._engine.trees.compiled.jumps.log_jumps` makes them.
    link : int
    base : ndarray of shape (n_outputs,)
        What is added to every margin.
    resolution : float
        Machine epsilon of the model's own predictions.
    margin : ndarray of shape (n_rows, n_outputs)
        Of the block.
    start : int
        Where the block starts among all rows.
    delta : ndarray of shape (n_effects, n_all_rows, n_outputs)
        Added to.
    nlm : ndarray of shape (n_effects, n_all_rows, n_outputs)
        Set; NaN where the path is constant.
    """
    n_effects, n_outputs = delta.shape[0], delta.shape[2]
    n_paths = len(margin) * n_effects
    first = np.empty(n_paths + 1, np.int64)
    of_path, which = np.empty(n_logged), np.empty(n_logged, np.int64)
    _grouped(log_key, log_t, n_logged, first, of_path, which)
    longest = 0
    for path in range(n_paths):
        n_jumps = first[path + 1] - first[path]
        longest = n_jumps if n_jumps > longest else longest
    t, order = np.empty(longest + 2), np.empty(longest, np.int64)
    count = np.empty(longest + 1, np.int64)
    u = np.empty((n_outputs, longest + 1))
    now, before, response = (
        np.empty(n_outputs),
        np.empty(n_outputs),
        np.empty(n_outputs),
    )
    t[0], inner_t = 0.0, t[1:]
    for path in range(n_paths):
        r, e = path // n_effects, path % n_effects
        n_jumps = first[path + 1] - first[path]
        jumps = slice(first[path], first[path + 1])
        _sort(of_path[jumps], which[jumps], count, inner_t, order)
        t[n_jumps + 1] = 1.0
        changed = delta[e, start + r]
        for o in range(n_outputs):
            now[o] = base[o] + margin[r, o]
            u[o, 0] = 0.0
        _respond(link, now, before)
        if link == IDENTITY and n_outputs == 1:  # by far the most frequent
            value = changed[0]
            for k in range(n_jumps):
                value += log_change[order[k], 0]
                u[0, k + 1] = value
            changed[0] = value
            nlm[e, start + r, 0] = _measure(t, u[0], n_jumps, before[0], resolution)
            continue
        for k in range(n_jumps):
            j = order[k]
            output = log_key[j] & _OUTPUT
            for i in range(log_change.shape[1]):
                changed[output + i] += log_change[j, i]
            if link == IDENTITY:
                for o in range(n_outputs):
                    u[o, k + 1] = changed[o]
                continue
            for o in range(n_outputs):
                now[o] = base[o] + margin[r, o] + changed[o]
            _respond(link, now, response)
            for o in range(n_outputs):
                u[o, k + 1] = response[o] - before[o]
        for o in range(n_outputs):
            nlm[e, start + r, o] = _measure(t, u[o], n_jumps, before[o], resolution)
