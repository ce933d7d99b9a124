"""Compiled walks along the step paths of a tree ensemble: where they jump.

Along γ(t) = x + t·h the prediction of a tree is constant between the thresholds that
the path crosses. Each tree is walked along the line as a ray is traced through a
hierarchy of boxes: the near side of a crossed node first, the far side later, from a
stack. What is logged are the jumps, t and size, of all trees and paths of a block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined, kernel, merged
from skfme._engine.trees.compiled.descent import (
    CHILD,
    add_leaves,
    advance,
    branches,
    column_of,
    goes_right,
    is_inner,
    node_of,
    row_of,
    start_rows,
    still_inside,
    stopped,
    threshold_of,
)

__all__ = [
    "OUTPUT_BITS",
    "Crossings",
    "Lines",
    "Log",
    "Stack",
    "crossing_time",
    "crossings_for",
    "line_of",
    "lines_of_block",
    "log_for",
    "log_jumps",
    "share_of_step",
    "stack_for",
]

_U, _ONE = np.uint64, np.uint64(1)
_BEYOND = 2.0  # an end of the path that no threshold reaches
# A jump's path, and below it the output that it is of.
OUTPUT_BITS = 20
_OUTPUT_BITS = np.int64(OUTPUT_BITS)
# In one word: a path's row in the block, and below it its effect.
_ROW_AT, _EFFECT = _U(32), _U(2**32 - 1)


class Log(NamedTuple):
    """Jumps of the paths of a block.

    Attributes
    ----------
    key : ndarray of shape (n_log,), int64
        Each jump's path, row · n_effects + effect, and its output below that.
    t : ndarray of shape (n_log,)
        The share of the step at which it is.
    change : ndarray of shape (n_log, width)
        Its size.
    """

    key: np.ndarray
    t: np.ndarray
    change: np.ndarray


class Lines(NamedTuple):
    """The paths of a block, and where they pass the cuts of their columns.

    Attributes
    ----------
    line : ndarray of shape (n_rows, n_entries, 3)
        As :func:`lines_of_block` sets it.
    passed, cut_first : ndarray
        As in :class:`skfme._engine.trees.compiled.coding.Coding`.
    """

    line: np.ndarray
    passed: np.ndarray
    cut_first: np.ndarray


class Crossings(NamedTuple):
    """The nodes of one tree that the paths of a block cross, as chains.

    Attributes
    ----------
    top : ndarray of shape (n_rows, n_effects), int64
        The last crossing pushed of each path, or −1.
    touched : ndarray of shape (n_rows * n_effects,), uint64
        Paths with a crossing: row and effect.
    node, t, below : ndarray of shape (n_rows * n_effects * deepest,)
        A crossing's far side, where on the path it is, and the one pushed before it.
    n_jumps : ndarray of shape (n_rows, n_effects), int64
        How many jumps of each path have been logged, in all trees.
    """

    top: np.ndarray
    touched: np.ndarray
    node: np.ndarray
    t: np.ndarray
    below: np.ndarray
    n_jumps: np.ndarray


class Stack(NamedTuple):
    """The crossings of one path, the first of them on top; of shape (deepest,)."""

    node: np.ndarray
    t: np.ndarray


def log_for(n: int, width: int) -> Log:
    """An empty log of so many jumps, each of `width` numbers."""
    return Log(np.empty(n, np.int64), np.empty(n), np.empty((n, width)))


def stack_for(deepest: int) -> Stack:
    """For paths that cross fewer than so many nodes of a tree."""
    return Stack(np.empty(deepest, np.uint64), np.empty(deepest))


def crossings_for(n_rows: int, n_effects: int, deepest: int) -> Crossings:
    """As :func:`stack_for`, for a block of rows."""
    n_paths = n_rows * n_effects
    return Crossings(
        top=np.full((n_rows, n_effects), -1),
        touched=np.empty(n_paths, np.uint64),
        node=np.empty(n_paths * deepest, np.uint32),
        t=np.empty(n_paths * deepest),
        below=np.empty(n_paths * deepest, np.int64),
        n_jumps=np.zeros((n_rows, n_effects), np.int64),
    )


@inlined
def line_of(before, after, ulps):
    """Where a path starts, one over how far it goes, and what is rounding of that."""
    inverse = 1.0 / (after - before)
    largest = abs(before) if abs(before) > abs(after) else abs(after)
    return before, inverse, ulps * largest * abs(inverse)


@inlined
def share_of_step(passed, before, inverse, rounding):
    """Share of the step at which a path passes a value.

    What rounding alone sets apart from an end of the path is at that end: a single
    point carries no measure, where a piece of length 1e-16 would make the NLM huge.
    """
    t = (passed - before) * inverse
    if t <= rounding:
        return 0.0
    return 1.0 if t >= 1.0 - rounding else t


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
            before, after = base[feature[k], start + r], ends[row[k], start + r]
            here = line[r, k]
            here[0], here[1], here[2] = line_of(before, after, ulps)


@inlined
def crossing_time(lines, r, s, column, test):
    """Share of the step at which a row's entry `s` passes a node's threshold."""
    line, first = lines.line, lines.cut_first
    entry = s - _U(len(first) - 1)
    passed = lines.passed[_U(first[column]) + threshold_of(test)]
    return share_of_step(
        passed, line[r, entry, 0], line[r, entry, 1], line[r, entry, 2]
    )


@inlined
def _push_crossings(
    tree, categories, entries, rows, lines, crossings, n_met, n_touched, n_pushed
):
    """Push the crossings of one level; those count that come before all above them."""
    first, effect, codes = entries.first, entries.effect, rows.codes
    top, touched, placed = crossings.top, crossings.touched, crossings.t
    node, below = crossings.node, crossings.below
    met, links, tests = rows.met, tree.links, tree.tests
    for k in range(n_met):
        r, above = row_of(met[_U(k)]), node_of(met[_U(k)])
        link, test = links[above], tests[above]
        column = column_of(link)
        right = goes_right(_U(codes[r, column]), column, test, categories)
        for s in range(first[column], first[column + _ONE]):
            if goes_right(_U(codes[r, _U(s)]), column, test, categories) == right:
                continue
            e = _U(effect[_U(s)])
            t = crossing_time(lines, r, _U(s), column, test)
            last = top[r, e]
            if last >= 0 and t >= placed[last]:
                continue
            if last < 0:
                touched[n_touched] = (r << _ROW_AT) | e
                n_touched += 1
            node[n_pushed] = np.uint32((link & CHILD) + _U(not right))
            placed[n_pushed] = t
            below[n_pushed] = last
            top[r, e] = n_pushed
            n_pushed += 1
    return n_touched, n_pushed


@inlined
def _unstack(crossings, stack, path):
    """Move a path's crossings to the stack; return how many there are."""
    top, below, node, t = crossings.top, crossings.below, crossings.node, crossings.t
    stack_node, stack_t = stack.node, stack.t
    r, e = path >> _ROW_AT, path & _EFFECT
    height, crossing = 0, top[r, e]
    while crossing >= 0:
        height, crossing = height + 1, below[crossing]
    crossing = top[r, e]
    for k in range(height - 1, -1, -1):
        stack_node[k], stack_t[k] = _U(node[crossing]), t[crossing]
        crossing = below[crossing]
    top[r, e] = -1
    return height


@merged
def _down_to_leaf(tree, categories, entries, rows, lines, stack, height, r, e):
    """Follow a path from the crossing on top of the stack to a leaf.

    Returns
    -------
    leaf, height : int
        The crossings on the way are on the stack in its place.
    """
    links, tests, places, codes = tree.links, tree.tests, entries.place, rows.codes
    stack_node, stack_t = stack.node, stack.t
    height -= 1
    node, since = stack_node[height], stack_t[height]
    until = stack_t[height - 1] if height > 0 else _BEYOND
    link = links[node]
    while is_inner(link, node):
        column, test = column_of(link), tests[node]
        s = _U(places[e, column])
        right = goes_right(_U(codes[r, column]), column, test, categories)
        far = goes_right(_U(codes[r, s]), column, test, categories)
        if far != right:
            t = crossing_time(lines, r, s, column, test)
            if t <= since:
                right = far
            elif t < until:
                stack_node[height], stack_t[height] = (link & CHILD) + _U(far), t
                height, until = height + 1, t
        node = (link & CHILD) + _U(right)
        link = links[node]
    return node, height


@inlined
def _trace(tree, categories, entries, rows, lines, stack, height, path, log, n_logged):
    """Follow one path through one tree; log where it changes leaf, and by how much.

    Returns
    -------
    n_logged : int
        −1 if the log is full.
    """
    leaves, r, e = tree.leaves, path >> _ROW_AT, path & _EFFECT
    keys, places, changes, stack_t = log.key, log.t, log.change, stack.t
    key = np.int64(r) * len(entries.place) + np.int64(e)
    key = (key << _OUTPUT_BITS) | tree.output
    before = _U(rows.at[r])
    while height > 0:
        if n_logged == len(keys):
            return np.int64(-1)
        keys[n_logged], places[n_logged] = key, stack_t[height - 1]
        leaf, height = _down_to_leaf(
            tree, categories, entries, rows, lines, stack, height, r, e
        )
        differs = False
        for j in range(leaves.shape[1]):
            change = leaves[leaf, j] - leaves[before, j]
            changes[n_logged, j] = change
            differs |= change != 0
        n_logged += np.int64(differs)
        before = leaf
    return n_logged


@kernel
def log_jumps(forest, categories, entries, rows, lines, crossings, stack, margin, log):
    """Log the jumps on all paths of a block of rows, tree by tree.

    Parameters
    ----------
    forest, categories
        As in :func:`skfme._engine.trees.compiled.kernels.walk`.
    entries : Entries
        Every effect moves numeric columns only.
    rows : BlockRows
        With the codes of the block.
    lines : Lines
    crossings : Crossings
    stack : Stack
    margin : ndarray of shape (n_rows, n_outputs)
        Added to.
    log : Log
        Set; how many jumps there are of each path is added to the crossings.

    Returns
    -------
    n_logged : int
        −1 if the log is full; the margins are then of no use.
    """
    thin_out = forest.thin_out
    touched, n_jumps = crossings.touched, crossings.n_jumps
    n_logged, level = np.int64(0), 0
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        n_active, n_touched, n_pushed = np.int64(len(margin)), np.int64(0), np.int64(0)
        start_rows(rows, len(margin))
        for _ in range(forest.depth[number]):
            n_met = advance(tree, categories, rows, n_active)
            n_touched, n_pushed = _push_crossings(
                tree,
                categories,
                entries,
                rows,
                lines,
                crossings,
                n_met,
                n_touched,
                n_pushed,
            )
            if thin_out[level]:
                n_active = still_inside(tree, rows, n_active)
            level += 1
        stopped(rows, n_active)
        for k in range(n_touched):
            path, n_before = touched[k], n_logged
            height = _unstack(crossings, stack, path)
            n_logged = _trace(
                tree,
                categories,
                entries,
                rows,
                lines,
                stack,
                height,
                path,
                log,
                n_logged,
            )
            if n_logged < 0:
                return n_logged
            n_jumps[path >> _ROW_AT, path & _EFFECT] += n_logged - n_before
        add_leaves(tree, rows, margin)
    return n_logged
