"""Compiled walks along the step paths of a tree ensemble: where they jump.

Along γ(t) = x + t·h the prediction of a tree is constant between the thresholds that
the path crosses. Each tree is walked along the line as a ray is traced through a
hierarchy of boxes: the near side of a crossed node first, the far side later, from a
stack. What is logged are the jumps, t and size, of all trees and paths of a block.
"""

from __future__ import annotations

import numpy as np

from skfme._engine.compiled import inlined, kernel
from skfme._engine.kernels import (
    _CHILD,
    _COLUMN,
    _COLUMN_AT,
    _LEAF,
    _ONE,
    _THRESHOLD_AT,
    _U,
    add_leaves,
    advance,
    goes_right,
    still_inside,
)

__all__ = ["OUTPUT_BITS", "lines_of_block", "log_jumps"]

_BEYOND = 2.0  # an end of the path that no threshold reaches
# A jump's path, and below it the output that it is of.
OUTPUT_BITS = 20
_OUTPUT_BITS = np.int64(OUTPUT_BITS)


@kernel
def lines_of_block(coding, entries, base, ends, ulps, start, line):
    """Where each row's paths start, one over how far they go, and what is rounding.

    Parameters
    ----------
    coding, entries, base, ends, start
        As :func:`skfme._engine.coding.code_block` takes them.
    ulps : float
        What rounding amounts to, relative to the path's larger end.
    line : ndarray of shape (n_rows, n_entries, 3)
        Set; the last is a share of the step.
    """
    for k in range(len(entries.column)):
        low = base[coding.feature[entries.column[k]]]
        high = ends[entries.row[k]]
        for r in range(len(line)):
            here, there = low[start + r], high[start + r]
            inverse = 1.0 / (there - here)
            line[r, k, 0], line[r, k, 1] = here, inverse
            line[r, k, 2] = ulps * max(abs(here), abs(there)) * abs(inverse)


@inlined
def _crossing(line, r, s, passed):
    """Share of the step at which a row passes a place on its line.

    What rounding alone sets apart from an end of the path is at that end: a single
    point carries no measure, where a piece of length 1e-16 would make the NLM huge.
    """
    t, rounding = (passed - line[r, s, 0]) * line[r, s, 1], line[r, s, 2]
    if t <= rounding:
        return 0.0
    return 1.0 if t >= 1.0 - rounding else t


@inlined
def _push_crossings(
    forest,
    sets,
    coding,
    entries,
    either,
    line,
    at,
    met_row,
    met_word,
    n_met,
    top,
    touched,
    n_touched,
    node,
    place,
    below,
    n_pushed,
):
    """Push the crossings of one level; those count that come before all above them."""
    n_columns = _U(len(coding.feature))
    for k in range(n_met):
        r, word = _U(met_row[_U(k)]), met_word[_U(k)]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        right = (_U(at[r]) & _ONE) == _ONE
        for s in range(entries.first[column], entries.first[column + _ONE]):
            code = _U(either[r, _U(s)])
            if goes_right(code, column, threshold, forest, sets) == right:
                continue
            e = _U(entries.effect[_U(s)])
            passed = coding.passed[_U(coding.cut_first[column]) + threshold]
            t = _crossing(line, r, _U(s) - n_columns, passed)
            last = top[r, e]
            if last >= 0 and t >= place[last]:
                continue
            if last < 0:
                touched[n_touched] = (r << _U(32)) | e
                n_touched += 1
            node[n_pushed] = at[r] ^ np.uint32(1)
            place[n_pushed] = t
            below[n_pushed] = last
            top[r, e] = n_pushed
            n_pushed += 1
    return n_pushed, n_touched


@inlined
def _unstack(top, node, place, below, stack_node, stack_t):
    """Copy a path's crossings to the stack, the first of the path on top."""
    height, here = 0, top
    while here >= 0:
        height, here = height + 1, below[here]
    here = top
    for k in range(height - 1, -1, -1):
        stack_node[k] = _U(node[here])
        stack_t[k] = place[here]
        here = below[here]
    return height


@inlined
def _trace(
    nodes,
    leaves,
    output,
    forest,
    sets,
    coding,
    entries,
    either,
    line,
    r,
    e,
    leaf,
    stack_node,
    stack_t,
    height,
    log_key,
    log_t,
    log_change,
    n_logged,
):
    """Follow one path through one tree; log where it changes leaf, and by how much.

    Returns
    -------
    n_logged : int
        −1 if the log is full.
    """
    n_effects, n_columns = entries.of.shape
    key = (((np.int64(r) * n_effects) + np.int64(e)) << _OUTPUT_BITS) | output
    while height > 0:
        height -= 1
        here, since = stack_node[height], stack_t[height]
        until = stack_t[height - 1] if height > 0 else _BEYOND
        while True:
            word = nodes[here]
            threshold = word >> _THRESHOLD_AT
            if threshold == _LEAF:
                break
            column = (word >> _COLUMN_AT) & _COLUMN
            s = _U(entries.of[e, column])
            code = _U(either[r, column])
            right = goes_right(code, column, threshold, forest, sets)
            far = goes_right(_U(either[r, s]), column, threshold, forest, sets)
            if far != right:
                passed = coding.passed[_U(coding.cut_first[column]) + threshold]
                t = _crossing(line, r, s - _U(n_columns), passed)
                if t <= since:
                    right = far
                elif t < until:
                    stack_node[height] = (word & _CHILD) + _U(far)
                    stack_t[height] = t
                    height += 1
                    until = t
            here = (word & _CHILD) + _U(right)
        if n_logged == len(log_t):
            return np.int64(-1)
        differs = False
        for j in range(leaves.shape[1]):
            change = leaves[here, j] - leaves[leaf, j]
            log_change[n_logged, j] = change
            differs |= change != 0
        log_key[n_logged], log_t[n_logged] = key, since
        n_logged += np.int64(differs)
        leaf = here
    return n_logged


@kernel
def log_jumps(
    forest, sets, coding, entries, own, either, line, margin, log_key, log_t, log_change
):
    """Log the jumps on all paths of a block of rows, tree by tree.

    Parameters
    ----------
    forest, sets
        As in :func:`skfme._engine.kernels.walk`.
    coding, entries, own, either
        As :func:`skfme._engine.coding.code_block` takes and makes them; every effect
        moves numeric columns only.
    line : ndarray of shape (n_rows, n_entries, 3)
        As :func:`lines_of_block` makes it.
    margin : ndarray of shape (n_rows, n_outputs)
        Added to.
    log_key : ndarray of shape (n_log,), int64
        Set to each jump's path, row · n_effects + effect, and its output below that.
    log_t : ndarray of shape (n_log,)
        Set to the share of the step at which it is.
    log_change : ndarray of shape (n_log, width)
        Set to its size.

    Returns
    -------
    n_logged : int
        −1 if the log is full; the margins are then of no use.
    """
    n_rows, n_effects = len(line), entries.of.shape[0]
    deepest = 2
    for tree in range(len(forest.depth)):
        deepest = max(deepest, forest.depth[tree] + 2)
    at, active = np.empty(n_rows, np.uint32), np.empty(n_rows, np.uint32)
    met_row = np.empty(n_rows + 1, np.uint32)
    met_word = np.empty(n_rows + 1, np.uint64)
    top = np.empty((n_rows, n_effects), np.int64)
    for r in range(n_rows):
        for e in range(n_effects):
            top[r, e] = -1
    touched = np.empty(n_rows * n_effects, np.uint64)
    node = np.empty(n_rows * n_effects * deepest, np.uint32)
    place = np.empty(n_rows * n_effects * deepest)
    below = np.empty(n_rows * n_effects * deepest, np.int64)
    stack_node, stack_t = np.empty(deepest, np.uint64), np.empty(deepest)
    n_logged, level = np.int64(0), 0
    for tree in range(len(forest.depth)):
        nodes = forest.words[forest.first[tree] : forest.first[tree + 1]]
        leaves = forest.leaves[forest.first[tree] : forest.first[tree + 1]]
        output = forest.output[tree]
        n_active, n_pushed, n_touched = np.int64(n_rows), np.int64(0), np.int64(0)
        for r in range(n_rows):
            at[r], active[r] = 0, r
        for _ in range(forest.depth[tree]):
            n_met = advance(
                nodes, forest, sets, own, active, n_active, at, met_row, met_word
            )
            n_pushed, n_touched = _push_crossings(
                forest,
                sets,
                coding,
                entries,
                either,
                line,
                at,
                met_row,
                met_word,
                n_met,
                top,
                touched,
                n_touched,
                node,
                place,
                below,
                n_pushed,
            )
            if forest.thin_out[level]:
                n_active = still_inside(nodes, at, active, n_active)
            level += 1
        for k in range(n_touched):
            r, e = touched[k] >> _U(32), touched[k] & _U(0xFFFFFFFF)
            height = _unstack(top[r, e], node, place, below, stack_node, stack_t)
            top[r, e] = -1
            n_logged = _trace(
                nodes,
                leaves,
                output,
                forest,
                sets,
                coding,
                entries,
                either,
                line,
                r,
                e,
                _U(at[r]),
                stack_node,
                stack_t,
                height,
                log_key,
                log_t,
                log_change,
                n_logged,
            )
            if n_logged < 0:
                return n_logged
        add_leaves(leaves, output, at, margin)
    return n_logged
