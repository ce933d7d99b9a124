"""Compiled walks along the step paths of a tree ensemble: where they jump.

Along γ(t) = x + t·h the prediction of a tree is constant between the thresholds that
the path crosses. Each tree is walked along the line as a ray is traced through a
hierarchy of boxes: the near side of a crossed node first, the far side later, from a
stack. What is logged are the jumps, t and size, of all trees and paths of a block.
"""

from __future__ import annotations

import numpy as np
from numba import njit

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

__all__ = ["log_jumps"]

_BEYOND = 2.0  # an end of the path that no threshold reaches


@njit(nogil=True, cache=True, forceinline=True)
def _crossing(line, r, s, passed):
    """Share of the step at which a row passes a place on its line.

    What rounding alone sets apart from an end of the path is at that end: a single
    point carries no measure, where a piece of length 1e-16 would make the NLM huge.
    """
    t, rounding = (passed - line[r, s, 0]) * line[r, s, 1], line[r, s, 2]
    if t <= rounding:
        return 0.0
    return 1.0 if t >= 1.0 - rounding else t


@njit(nogil=True, cache=True, forceinline=True)
def _push_crossings(
    sets,
    n_numeric,
    cuts,
    cut_first,
    plain,
    line,
    entry_first,
    entry_effect,
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
    n_columns = len(entry_first) - 1
    for k in range(n_met):
        r, word = _U(met_row[_U(k)]), met_word[_U(k)]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        right = (_U(at[r]) & _ONE) == _ONE
        for s in range(entry_first[column], entry_first[column + _ONE]):
            code = _U(plain[r, _U(s)])
            if goes_right(code, column, threshold, sets, n_numeric) == right:
                continue
            e = _U(entry_effect[_U(s)])
            passed = cuts[_U(cut_first[column]) + threshold]
            t = _crossing(line, r, _U(s - n_columns), passed)
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


@njit(nogil=True, cache=True, forceinline=True)
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


@njit(nogil=True, cache=True, forceinline=True)
def _trace(
    nodes,
    values,
    output,
    sets,
    n_numeric,
    cuts,
    cut_first,
    plain,
    line,
    entry_of,
    r,
    e,
    leaf,
    stack_node,
    stack_t,
    height,
    log_path,
    log_t,
    log_output,
    log_change,
    n_logged,
):
    """Follow one path through one tree; log where it changes leaf, and by how much.

    Returns
    -------
    n_logged : int
        −1 if the log is full.
    """
    n_columns = entry_of.shape[1]
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
            s = _U(entry_of[e, column])
            code = _U(plain[r, column])
            right = goes_right(code, column, threshold, sets, n_numeric)
            far = goes_right(_U(plain[r, s]), column, threshold, sets, n_numeric)
            if far != right:
                passed = cuts[_U(cut_first[column]) + threshold]
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
            return -1
        differs = False
        for j in range(values.shape[1]):
            change = values[here, j] - values[leaf, j]
            log_change[n_logged, j] = change
            differs |= change != 0
        log_path[n_logged] = np.int64(r) * entry_of.shape[0] + np.int64(e)
        log_t[n_logged] = since
        log_output[n_logged] = output
        n_logged += np.int64(differs)
        leaf = here
    return n_logged


@njit(nogil=True, cache=True)
def log_jumps(
    words,
    leaves,
    first,
    depth,
    output,
    thin_out,
    sets,
    n_numeric,
    codes,
    plain,
    entry_first,
    entry_effect,
    entry_of,
    cuts,
    cut_first,
    line,
    margin,
    log_path,
    log_t,
    log_output,
    log_change,
):
    """Log the jumps on all paths of a block of rows, tree by tree.

    Parameters
    ----------
    words, leaves, first, depth, output, thin_out, sets, n_numeric
        As in :func:`skfme._engine.kernels.walk`.
    codes, plain, entry_first, entry_effect, entry_of
        Alike; every effect moves numeric columns only.
    cuts : ndarray of shape (n_cuts,)
        The cuts of all columns.
    cut_first : ndarray of shape (n_columns + 1,), int64
        Where each column's cuts start.
    line : ndarray of shape (n_rows, n_entries, 3)
        Where each row starts in a column that moves, one over how far it goes, and
        which share of the step is rounding.
    margin : ndarray of shape (n_rows, n_outputs)
        Added to.
    log_path : ndarray of shape (n_log,), int64
        Row · n_effects + effect of each jump.
    log_t : ndarray of shape (n_log,)
        Share of the step at which it is.
    log_output : ndarray of shape (n_log,), int64
    log_change : ndarray of shape (n_log, width)

    Returns
    -------
    n_logged : int
        −1 if the log is full; the margins are then of no use.
    """
    n_rows, n_effects = len(codes), entry_of.shape[0]
    deepest = 2
    for tree in range(len(depth)):
        deepest = max(deepest, depth[tree] + 2)
    at, active = np.empty(n_rows, np.uint32), np.empty(n_rows, np.uint32)
    met_row = np.empty(n_rows + 1, np.uint32)
    met_word = np.empty(n_rows + 1, np.uint64)
    top = np.full((n_rows, n_effects), -1)
    touched = np.empty(n_rows * n_effects, np.uint64)
    node = np.empty(n_rows * n_effects * deepest, np.uint32)
    place = np.empty(n_rows * n_effects * deepest)
    below = np.empty(n_rows * n_effects * deepest, np.int64)
    stack_node, stack_t = np.empty(deepest, np.uint64), np.empty(deepest)
    n_logged, level = 0, 0
    for tree in range(len(depth)):
        nodes = words[first[tree] : first[tree + 1]]
        values = leaves[first[tree] : first[tree + 1]]
        n_active, n_pushed, n_touched = n_rows, 0, 0
        for r in range(n_rows):
            at[r], active[r] = 0, r
        for _ in range(depth[tree]):
            n_met = advance(
                nodes, sets, n_numeric, codes, active, n_active, at, met_row, met_word
            )
            n_pushed, n_touched = _push_crossings(
                sets,
                n_numeric,
                cuts,
                cut_first,
                plain,
                line,
                entry_first,
                entry_effect,
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
            if thin_out[level]:
                n_active = still_inside(nodes, at, active, n_active)
            level += 1
        for k in range(n_touched):
            r, e = touched[k] >> _U(32), touched[k] & _U(0xFFFFFFFF)
            height = _unstack(top[r, e], node, place, below, stack_node, stack_t)
            top[r, e] = -1
            n_logged = _trace(
                nodes,
                values,
                output[tree],
                sets,
                n_numeric,
                cuts,
                cut_first,
                plain,
                line,
                entry_of,
                r,
                e,
                _U(at[r]),
                stack_node,
                stack_t,
                height,
                log_path,
                log_t,
                log_output,
                log_change,
                n_logged,
            )
            if n_logged < 0:
                return -1
        add_leaves(values, output[tree], at, margin)
    return n_logged
