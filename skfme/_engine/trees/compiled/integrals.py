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
from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import (
    inlined,
    inner,
    kernel,
    merged,
    summed,
)
from skfme._engine.trees.compiled.jumps import OUTPUT_BITS, share_of_step
from skfme.quadrature import CONSTANT_ULPS

__all__ = [
    "IDENTITY",
    "LINKS",
    "IntegralScratch",
    "Prediction",
    "Ranks",
    "integrate",
    "nlm_of_pieces",
    "nlm_of_sums",
    "respond",
    "scratch_for",
]

LINKS = ("identity", "logistic", "exponential", "softmax")
IDENTITY, LOGISTIC, EXPONENTIAL, SOFTMAX = range(4)

_BUCKETS = 4  # for each jump of a path, so that few share one
_OUTPUT_BITS, _OUTPUT = np.int64(OUTPUT_BITS), np.int64(2**OUTPUT_BITS - 1)


class Prediction(NamedTuple):
    """How margins become predictions.

    Attributes
    ----------
    link : int
        Position in `LINKS`.
    base : ndarray of shape (n_outputs,)
        What is added to every margin.
    resolution : float
        Machine epsilon of the model's own predictions.
    """

    link: int
    base: np.ndarray
    resolution: float


class Ranks(NamedTuple):
    """Paths along one column each, whose jumps are logged by the rank of their cut.

    Attributes
    ----------
    entry, first_cut : ndarray of shape (n_effects,), int64
        The entry of each effect, and the first cut of its column.
    line : ndarray of shape (n_rows, n_entries, 3)
        As :func:`skfme._engine.trees.compiled.jumps.lines_of_block` sets it.
    passed : ndarray of shape (n_cuts,)
        As in :class:`skfme._engine.trees.compiled.coding.Coding`.
    """

    entry: np.ndarray
    first_cut: np.ndarray
    line: np.ndarray
    passed: np.ndarray


class IntegralScratch(NamedTuple):
    """What the integration of a block writes to; made by :func:`scratch_for`.

    Attributes
    ----------
    first : ndarray of shape (n_paths + 1,), int64
        Where the jumps of each path start, once they stand side by side; where they
        end until then.
    unsorted_t, logged : ndarray of shape (n_jumps,)
        The jumps side by side: where they are, and their places in the log.
    t : ndarray of shape (longest + 2,)
        The jumps of one path, sorted, between 0 and 1.
    order, counts : ndarray of shape (longest + 1,), int64
        Their places in the log; how many there are in each bucket.
    u : ndarray of shape (n_outputs, longest + 1)
        What the prediction between the jumps differs from that before the step.
    margin, before, after : ndarray of shape (n_outputs,)
        Of one row: the margins and the prediction before the step, and that after
        some jumps.
    """

    first: np.ndarray
    unsorted_t: np.ndarray
    logged: np.ndarray
    t: np.ndarray
    order: np.ndarray
    counts: np.ndarray
    u: np.ndarray
    margin: np.ndarray
    before: np.ndarray
    after: np.ndarray


def scratch_for(lengths: np.ndarray, n_outputs: int) -> IntegralScratch:
    """For paths of so many jumps each."""
    n_jumps, longest = int(lengths.sum()), int(lengths.max())
    return IntegralScratch(
        first=np.append(np.cumsum(lengths), n_jumps),
        unsorted_t=np.empty(n_jumps),
        logged=np.empty(n_jumps, np.int64),
        t=np.empty(longest + 2),
        order=np.empty(longest + 1, np.int64),
        counts=np.empty(_BUCKETS * longest + 1, np.int64),
        u=np.empty((n_outputs, longest + 1)),
        margin=np.empty(n_outputs),
        before=np.empty(n_outputs),
        after=np.empty(n_outputs),
    )


@merged
def _group(log, scratch):
    """Put the jumps of each path side by side."""
    first, t, logged = scratch.first, scratch.unsorted_t, scratch.logged
    for k in range(len(t) - 1, -1, -1):  # from behind, as `first` has their ends
        path = log.key[k] >> _OUTPUT_BITS
        first[path] -= 1
        t[first[path]], logged[first[path]] = log.t[k], k


@merged
def _insert(t, order, n, farthest):
    """Sort the first n by Shell's method; none is farther from its place than that."""
    gap = 1
    while gap < farthest // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            at, moved, j = t[i], order[i], i
            while j >= gap and t[j - gap] > at:
                t[j], order[j] = t[j - gap], order[j - gap]
                j -= gap
            t[j], order[j] = at, moved
        gap //= 3


@inner
def _sort(t, logged, counts, sorted_t, order):
    """Sort by t: into four times as many buckets as there are jumps, then by Shell's method.

    Jumps are spread fairly evenly along most paths, so that few are out of place
    within their bucket; none is farther than the fullest bucket is long.
    """
    n, low, high = len(t), np.inf, -np.inf
    n_buckets = _BUCKETS * n
    for k in range(n):
        low, high = t[k] if t[k] < low else low, t[k] if t[k] > high else high
    scale = (n_buckets - 1) / (high - low) if high > low else 0.0
    for b in range(n_buckets + 1):
        counts[b] = 0
    for k in range(n):
        counts[np.int64((t[k] - low) * scale) + 1] += 1
    fullest = 0
    for b in range(n_buckets):
        fullest = counts[b + 1] if counts[b + 1] > fullest else fullest
        counts[b + 1] += counts[b]
    for k in range(n):
        bucket = np.int64((t[k] - low) * scale)
        place = counts[bucket]
        sorted_t[place], order[place] = t[k], logged[k]
        counts[bucket] = place + 1
    _insert(sorted_t, order, n, fullest)


@inlined
def _share_ranks(ranks, r, e, t):
    """Replace the signed ranks of a path's jumps by the shares of the step."""
    line, first = ranks.line[r, ranks.entry[e]], ranks.first_cut[e]
    for k in range(len(t)):
        cut = ranks.passed[first + np.int64(abs(t[k]))]
        t[k] = share_of_step(cut, line[0], line[1], line[2])


@inner
def respond(link, margin):
    """Replace the margins of one row by what the link makes of them."""
    if link == LOGISTIC:
        for k in range(len(margin)):
            small = math.exp(-abs(margin[k]))
            margin[k] = (1.0 if margin[k] >= 0 else small) / (1.0 + small)
    elif link == EXPONENTIAL:
        for k in range(len(margin)):
            margin[k] = math.exp(margin[k])
    elif link == SOFTMAX:
        highest = margin[0]
        for k in range(len(margin)):
            highest = margin[k] if margin[k] > highest else highest
        total = 0.0
        for k in range(len(margin)):
            margin[k] = math.exp(margin[k] - highest)
            total += margin[k]
        for k in range(len(margin)):
            margin[k] /= total


@inlined
def nlm_of_sums(total, off, lowest, highest, resolution):
    """NLM from squares around the mean, and three times those around the line.

    NaN for a path that is constant, but for rounding of its lowest or highest prediction.
    """
    lowest, highest = math.fabs(lowest), math.fabs(highest)
    scale = lowest if lowest > highest else highest
    if math.sqrt(total) <= CONSTANT_ULPS * resolution * scale:
        return np.nan
    return 1.0 - off / (3.0 * total)


@summed
def nlm_of_pieces(t, u, n_jumps, start, resolution):
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
    return nlm_of_sums(total, off, start + low, start + high, resolution)


@merged
def _add_up(log, scratch, n_jumps, start):
    """Set `u` between the jumps where there is one margin and no link; its last value."""
    u, order, value = scratch.u, scratch.order, start
    u[0, 0] = 0.0
    for k in range(n_jumps):
        value += log.change[order[k], 0]
        u[0, k + 1] = value
    return value


@merged
def _respond_along(log, prediction, scratch, n_jumps, changed):
    """Set `u` between the jumps of a path; add all its changes to `changed`."""
    link, margin, before = prediction.link, scratch.margin, scratch.before
    u, order, after = scratch.u, scratch.order, scratch.after
    for o in range(len(u)):
        u[o, 0] = 0.0
    for k in range(n_jumps):
        j = order[k]
        output = log.key[j] & _OUTPUT
        for i in range(log.change.shape[1]):
            changed[output + i] += log.change[j, i]
        if link == IDENTITY:
            for o in range(len(u)):
                u[o, k + 1] = changed[o]
            continue
        for o in range(len(u)):
            after[o] = margin[o] + changed[o]
        respond(link, after)
        for o in range(len(u)):
            u[o, k + 1] = after[o] - before[o]


@kernel
def integrate(log, ranks, prediction, scratch, margin, start, delta, nlm):
    """Changes of the margins and the NLM of all paths of a block, from their jumps.

    Parameters
    ----------
    log : Log
    ranks : Ranks or None
        None where the log has shares of the step.
    prediction : Prediction
    scratch : IntegralScratch
        Made for the jumps of the block.
    margin : ndarray of shape (n_rows, n_outputs)
        Of the block.
    start : int
        Where the block starts among all rows.
    delta : ndarray of shape (n_effects, n_all_rows, n_outputs)
        Added to.
    nlm : ndarray of shape (n_effects, n_all_rows, n_outputs)
        Set; NaN where the path is constant.
    """
    n_effects, n_outputs = len(delta), delta.shape[2]
    link, base, resolution = prediction.link, prediction.base, prediction.resolution
    unsorted_t, logged, order = scratch.unsorted_t, scratch.logged, scratch.order
    first, t, u, before = scratch.first, scratch.t, scratch.u, scratch.before
    t[0], inner_t = 0.0, t[1:]
    _group(log, scratch)
    for path in range(len(first) - 1):
        r, e = path // n_effects, path % n_effects
        jumps = slice(first[path], first[path + 1])
        n_jumps = jumps.stop - jumps.start
        _sort(unsorted_t[jumps], logged[jumps], scratch.counts, inner_t, order)
        if ranks is not None:
            _share_ranks(ranks, r, e, inner_t[:n_jumps])
        t[n_jumps + 1] = 1.0
        for o in range(n_outputs):
            before[o] = scratch.margin[o] = base[o] + margin[r, o]
        respond(link, before)
        changed = delta[e, start + r]
        if link == IDENTITY and n_outputs == 1:  # by far the most frequent
            changed[0] = _add_up(log, scratch, n_jumps, changed[0])
        else:
            _respond_along(log, prediction, scratch, n_jumps, changed)
        for o in range(n_outputs):
            nlm[e, start + r, o] = nlm_of_pieces(
                t, u[o], n_jumps, before[o], resolution
            )
