"""Compiled walks along the step paths of a tree ensemble: where they jump.

Along γ(t) = x + t·h the prediction of a tree is constant between the thresholds that
the path crosses. Where a row meets a node on its way down that its path crosses, a piece
of the path goes on from the far side, and so where a piece crosses one; all pieces of a
block go down level by level, so that none waits for another. What is logged are the
jumps, t and size, from piece to piece, of all trees and paths of a block.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined, kernel
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
    "Lines",
    "Log",
    "Pieces",
    "crossing_time",
    "line_of",
    "lines_of_block",
    "log_for",
    "log_jumps",
    "pieces_for",
    "share_of_step",
]

_U, _ONE = np.uint64, np.uint64(1)
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
        The share of the step at which it is, or what :func:`log_jumps` has in its place.
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


class Pieces(NamedTuple):
    """Pieces of the paths of a block through one tree, beyond each path's first.

    Attributes
    ----------
    first : ndarray of shape (n_rows, n_effects), int64
        The second piece of each path, or −1.
    touched : ndarray of shape (n_rows * n_effects,), uint64
        Paths that have one: row and effect.
    path, node : ndarray of shape (n_pieces,), uint64 and uint32
        Whose a piece is, and where on its way down.
    t, later : ndarray of shape (n_pieces,)
        Where on the path it begins, as in :class:`Log`, and the piece after it, or −1.
    active : ndarray of shape (n_pieces,), int64
        Those that are not at a leaf.
    n_jumps : ndarray of shape (n_rows, n_effects), int64
        How many jumps of each path have been logged, in all trees.
    """

    first: np.ndarray
    touched: np.ndarray
    path: np.ndarray
    node: np.ndarray
    t: np.ndarray
    later: np.ndarray
    active: np.ndarray
    n_jumps: np.ndarray


def log_for(n: int, width: int) -> Log:
    """An empty log of so many jumps, each of `width` numbers."""
    return Log(np.empty(n, np.int64), np.empty(n), np.empty((n, width)))


def pieces_for(n_rows: int, n_effects: int, n_pieces: int) -> Pieces:
    """Of a block of rows, with room for so many pieces."""
    return Pieces(
        first=np.full((n_rows, n_effects), -1),
        touched=np.empty(n_rows * n_effects, np.uint64),
        path=np.empty(n_pieces, np.uint64),
        node=np.empty(n_pieces, np.uint32),
        t=np.empty(n_pieces),
        later=np.empty(n_pieces, np.int64),
        active=np.empty(n_pieces, np.int64),
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
    if not t > rounding:  # nor is what is no number, which kernels take for a place
        return 0.0
    return t if t < 1.0 - rounding else 1.0


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
def _order_of(lines, r, s, column, test, far):
    """Where a path crosses a node: the share of the step, or what orders like it.

    Along one column that is the rank of the threshold, downwards its negative, and
    nothing of the line is looked up.
    """
    if lines is None:
        rank = np.float64(threshold_of(test))
        return rank if far else -rank
    return crossing_time(lines, r, s, column, test)


@inlined
def _begin_pieces(
    tree, categories, entries, rows, lines, pieces, n_met, n_touched, n_pieces
):
    """Begin a piece where a path crosses a node of one level, before all pieces above.

    Returns
    -------
    n_touched, n_pieces : int
    """
    first, effect, codes = entries.first, entries.effect, rows.codes
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
            t = _order_of(lines, r, _U(s), column, test, not right)
            later = pieces.first[r, e]
            if later >= 0 and t >= pieces.t[later]:
                continue
            path = (r << _ROW_AT) | e
            if later < 0:
                pieces.touched[n_touched] = path
                n_touched += 1
            pieces.path[n_pieces], pieces.t[n_pieces] = path, t
            pieces.node[n_pieces] = np.uint32((link & CHILD) + _U(not right))
            pieces.later[n_pieces] = later
            pieces.first[r, e] = n_pieces
            n_pieces += 1
    return n_touched, n_pieces


@inlined
def _go_down(tree, categories, entries, rows, lines, pieces, n_active, n_pieces):
    """Take the active pieces down one level, and begin those that part from them.

    Returns
    -------
    n_active, n_pieces : int
        Both −1 if there is no room for a piece.
    """
    links, tests, places, codes = tree.links, tree.tests, entries.place, rows.codes
    active, node, since, later = pieces.active, pieces.node, pieces.t, pieces.later
    n_inside = _U(0)
    for i in range(n_active):
        k = _U(active[_U(i)])
        at, path = _U(node[k]), pieces.path[k]
        r, e = path >> _ROW_AT, path & _EFFECT
        link, test = links[at], tests[at]
        column = column_of(link)
        s = _U(places[e, column])
        right = goes_right(_U(codes[r, column]), column, test, categories)
        far = goes_right(_U(codes[r, s]), column, test, categories)
        if far != right:
            t, after = _order_of(lines, r, s, column, test, far), later[k]
            if t <= since[k]:
                right = far
            elif after < 0 or t < since[_U(after)]:
                if n_pieces == len(node):
                    return np.int64(-1), np.int64(-1)
                pieces.path[n_pieces], since[n_pieces] = path, t
                node[n_pieces] = np.uint32((link & CHILD) + _U(far))
                later[n_pieces], later[k] = after, n_pieces
                n_pieces += 1
        child = (link & CHILD) + _U(right)
        node[k], active[n_inside] = np.uint32(child), np.int64(k)
        n_inside += _U(is_inner(links[child], child))
    return np.int64(n_inside), n_pieces


@inlined
def _to_leaves(tree, categories, entries, rows, lines, pieces, n_pieces):
    """Take all pieces down to leaves; how many there are then, −1 if too many."""
    links, n_begun, n_active = tree.links, np.int64(0), np.int64(0)
    while n_begun < n_pieces or n_active > 0:
        for k in range(n_begun, n_pieces):
            at = _U(pieces.node[k])
            pieces.active[n_active] = k
            n_active += np.int64(is_inner(links[at], at))
        n_begun = n_pieces
        n_active, n_pieces = _go_down(
            tree, categories, entries, rows, lines, pieces, n_active, n_pieces
        )
    return n_pieces


@inlined
def _log_path(tree, rows, pieces, n_effects, path, log, n_logged):
    """Log where a path changes leaf in a tree, and by how much; −1 if the log is full."""
    leaves, r, e = tree.leaves, path >> _ROW_AT, path & _EFFECT
    key = np.int64(r) * n_effects + np.int64(e)
    key = (key << _OUTPUT_BITS) | tree.output
    before, k = _U(rows.at[r]), pieces.first[r, e]
    pieces.first[r, e] = -1
    while k >= 0:
        if n_logged == len(log.key):
            return np.int64(-1)
        log.key[n_logged], log.t[n_logged] = key, pieces.t[_U(k)]
        leaf, differs = _U(pieces.node[_U(k)]), False
        for j in range(leaves.shape[1]):
            change = leaves[leaf, j] - leaves[before, j]
            log.change[n_logged, j] = change
            differs |= change != 0
        n_logged += np.int64(differs)
        before, k = leaf, pieces.later[_U(k)]
    return n_logged


@kernel
def log_jumps(forest, categories, entries, rows, lines, pieces, margin, log):
    """Log the jumps on all paths of a block of rows, tree by tree.

    Parameters
    ----------
    forest, categories
        As in :func:`skfme._engine.trees.compiled.kernels.walk`.
    entries : Entries
        Every effect moves numeric columns only.
    rows : BlockRows
        With the codes of the block.
    lines : Lines or None
        None where no effect moves several columns; what is logged as t are then signed
        ranks of cuts.
    pieces : Pieces
        With room for as many as there are paths and levels.
    margin : ndarray of shape (n_rows, n_outputs)
        Added to.
    log : Log
        Set; how many jumps there are of each path is added to the pieces.

    Returns
    -------
    n_logged : int
        −1 if the log is full, or the room for pieces; the margins are then of no use.
    """
    thin_out, n_effects = forest.thin_out, len(entries.place)
    n_logged, level = np.int64(0), 0
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        n_active, n_touched, n_pieces = np.int64(len(margin)), np.int64(0), np.int64(0)
        start_rows(rows, len(margin))
        for _ in range(forest.depth[number]):
            n_met = advance(tree, categories, rows, n_active)
            n_touched, n_pieces = _begin_pieces(
                tree,
                categories,
                entries,
                rows,
                lines,
                pieces,
                n_met,
                n_touched,
                n_pieces,
            )
            if thin_out[level]:
                n_active = still_inside(tree, rows, n_active)
            level += 1
        stopped(rows, n_active)
        n_pieces = _to_leaves(tree, categories, entries, rows, lines, pieces, n_pieces)
        if n_pieces < 0:
            return n_pieces
        for i in range(n_touched):
            path, n_before = pieces.touched[i], n_logged
            n_logged = _log_path(tree, rows, pieces, n_effects, path, log, n_logged)
            if n_logged < 0:
                return n_logged
            pieces.n_jumps[path >> _ROW_AT, path & _EFFECT] += n_logged - n_before
        add_leaves(tree, rows, margin)
    return n_logged
