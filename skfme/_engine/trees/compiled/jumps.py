"""Compiled walks along the step paths of a tree ensemble: where they jump.

Along γ(t) = x + t·h the prediction of a tree is constant between the thresholds that
the path crosses. Each tree is walked along the line as a ray is traced through a
hierarchy of boxes: the near side of a crossed node first, the far side later, from a
stack. What is logged are the jumps, t and size, of all trees and paths of a block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.coding import Entries, empty_codes
from skfme._engine.trees.compiled.decorators import inlined, kernel
from skfme._engine.trees.compiled.kernels import (
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

__all__ = ["OUTPUT_BITS", "Scratch", "lines_of_block", "log_jumps", "scratch_for"]

_BEYOND = 2.0  # an end of the path that no threshold reaches
# A jump's path, and below it the output that it is of.
OUTPUT_BITS = 20
_OUTPUT_BITS = np.int64(OUTPUT_BITS)


class Scratch(NamedTuple):
    """What the walk of a block along its paths writes to; made by :func:`scratch_for`.

    Attributes
    ----------
    line : ndarray of shape (n_rows, n_entries, 3)
        As :func:`lines_of_block` makes it.
    own, either, at, active, met_row, met_word
        As in :class:`skfme._engine.trees.compiled.kernels.Scratch`.
    top : ndarray of shape (n_rows, n_effects), int64
        The last crossing pushed of each path, or −1.
    touched : ndarray of shape (n_rows * n_effects,), uint64
        Paths with a crossing in this tree: row and effect.
    node, place, below : ndarray of shape (n_rows * n_effects * deepest,)
        A crossing's far side, where on the path it is, and the one pushed before it.
    stack_node, stack_t : ndarray of shape (deepest,)
        The crossings of one path.
    """

    line: np.ndarray
    own: np.ndarray
    either: np.ndarray
    at: np.ndarray
    active: np.ndarray
    met_row: np.ndarray
    met_word: np.ndarray
    top: np.ndarray
    touched: np.ndarray
    node: np.ndarray
    place: np.ndarray
    below: np.ndarray
    stack_node: np.ndarray
    stack_t: np.ndarray


def scratch_for(n_rows: int, entries: Entries, deepest: int) -> Scratch:
    """For paths that cross fewer than so many nodes of a tree."""
    n_effects = entries.of.shape[0]
    n_paths = n_rows * n_effects
    own, either = empty_codes(n_rows, entries)
    return Scratch(
        line=np.empty((n_rows, len(entries.row), 3)),
        own=own,
        either=either,
        at=np.empty(n_rows, np.uint32),
        active=np.empty(n_rows, np.uint32),
        met_row=np.empty(n_rows + 1, np.uint32),
        met_word=np.empty(n_rows + 1, np.uint64),
        top=np.full((n_rows, n_effects), -1),
        touched=np.empty(n_paths, np.uint64),
        node=np.empty(n_paths * deepest, np.uint32),
        place=np.empty(n_paths * deepest),
        below=np.empty(n_paths * deepest, np.int64),
        stack_node=np.empty(deepest, np.uint64),
        stack_t=np.empty(deepest),
    )


@kernel
def lines_of_block(feature, row, base, ends, ulps, start, line):
    """Where each row's paths start, one over how far they go, and what is rounding.

    Parameters
    ----------
    feature, row : ndarray of shape (n_entries,), int64
        Where each entry's values are before the step, and after it.
    base, ends, start
        As :func:`skfme._engine.trees.compiled.coding.code_block` takes them.
    ulps : float
        What rounding amounts to, relative to the path's larger end.
    line : ndarray of shape (n_rows, n_entries, 3)
        Set; the last is a share of the step.
    """
    for k in range(len(row)):
        for r in range(len(line)):
            here, there = base[feature[k], start + r], ends[row[k], start + r]
            inverse = 1.0 / (there - here)
            largest = abs(here) if abs(here) > abs(there) else abs(there)
            line[r, k, 0], line[r, k, 1] = here, inverse
            line[r, k, 2] = ulps * largest * abs(inverse)


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
    n_numeric,
    sets,
    cut_first,
    passed,
    first,
    effect,
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
    n_columns = _U(len(cut_first) - 1)
    for k in range(n_met):
        r, word = _U(met_row[_U(k)]), met_word[_U(k)]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        right = (_U(at[r]) & _ONE) == _ONE
        for s in range(first[column], first[column + _ONE]):
            code = _U(either[r, _U(s)])
            if goes_right(code, column, threshold, n_numeric, sets) == right:
                continue
            e = _U(effect[_U(s)])
            cut = _U(cut_first[column]) + threshold
            t = _crossing(line, r, _U(s) - n_columns, passed[cut])
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
    n_numeric,
    sets,
    cut_first,
    passed,
    of,
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
    n_effects, n_columns = of.shape
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
            s = _U(of[e, column])
            code = _U(either[r, column])
            right = goes_right(code, column, threshold, n_numeric, sets)
            far = goes_right(_U(either[r, s]), column, threshold, n_numeric, sets)
            if far != right:
                cut = _U(cut_first[column]) + threshold
                t = _crossing(line, r, s - _U(n_columns), passed[cut])
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
    forest, sets, coding, entries, scratch, margin, log_key, log_t, log_change
):
    """Log the jumps on all paths of a block of rows, tree by tree.

    Parameters
    ----------
    forest, sets
        As in :func:`skfme._engine.trees.compiled.kernels.walk`.
    coding, entries
        As `code_block` takes them; every effect moves numeric columns only.
    scratch : Scratch
        With the lines and codes of the block.
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
    n_rows = len(margin)
    n_numeric, cut_first, passed = forest.n_numeric, coding.cut_first, coding.passed
    first, effect, of = entries.first, entries.effect, entries.of
    line, own, either, at, active, met_row, met_word, top, touched = scratch[:9]
    node, place, below, stack_node, stack_t = scratch[9:]
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
                nodes, n_numeric, sets, own, active, n_active, at, met_row, met_word
            )
            n_pushed, n_touched = _push_crossings(
                n_numeric,
                sets,
                cut_first,
                passed,
                first,
                effect,
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
                n_numeric,
                sets,
                cut_first,
                passed,
                of,
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
