"""Compiled, exact NLM of paths along one column through small trees, 64 rows at a time.

Where a path passes a cut of its column, a tree jumps by what it holds just above the cut
less what it holds just below, whatever the path has passed before. So no path is followed:
for each node on the column, and 64 rows together, the leaves on its two sides are found as
in :mod:`~skfme._engine.trees.compiled.small_trees`, with the column at the cut. What all
trees jump at a cut is added up in the cut's own cell, in which a path finds its jumps in
order; nothing is sorted.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined, kernel
from skfme._engine.trees.compiled.integrals import IDENTITY, nlm_of_pieces, respond
from skfme._engine.trees.compiled.jumps import line_of, share_of_step
from skfme._engine.trees.compiled.row_words import (
    ROWS_BITS,
    WORD_ROWS,
    at_least,
    first_row,
    pick,
)
from skfme._engine.trees.compiled.small_trees import (
    AGAIN,
    MOST_LEAVES,
    add_own_leaves,
    ask_all,
    fields,
    tree_of,
)

__all__ = ["ALWAYS", "Cells", "PassedNodes", "Path", "cells_for", "measure_paths"]

_U = np.uint64
_ZERO, _ONE, _EVERY = _U(0), _U(1), _U(2**64 - 1)
_ROWS_BITS = _U(ROWS_BITS)
# The node, in `Words.right`, at which every row goes right: beyond those that there are.
ALWAYS = MOST_LEAVES - 1


class PassedNodes(NamedTuple):
    """The nodes on columns that paths go along, tree by tree.

    Attributes
    ----------
    reached : ndarray of shape (n_reached,), uint64
        Nodes below another one of a column, parents first: the line of the parent, the
        node that is asked for the way, and whether to the left; they have the lines of
        `Words.reached` from `AGAIN` on.
    again : ndarray of shape (n_again,), uint64
        Nodes above another one of a column, with that at a cut, children first: the node
        that is asked, and the lines of the right child and the left one.
    passed : ndarray of shape (n_passed, 2), uint64
        Nodes on a column: the stepped code's place, the lowest that goes right, the
        effect, the node; and the lines of the leaves just below the cut and above it, and
        of the rows that reach it.
    first : ndarray of shape (n_trees + 1, 3), int64
        Where those of each tree start.
    """

    reached: np.ndarray
    again: np.ndarray
    passed: np.ndarray
    first: np.ndarray


class Path(NamedTuple):
    """What a path is measured with.

    Attributes
    ----------
    ulps, resolution : float
        What rounding amounts to, relative to the path's larger end; machine epsilon of
        the model's own predictions.
    link : int
        Position in :data:`skfme._engine.trees.compiled.integrals.LINKS`.
    base : ndarray of shape (n_outputs,)
        What is added to every margin.
    """

    ulps: float
    resolution: float
    link: int
    base: np.ndarray


class Cells(NamedTuple):
    """Jumps of 64 rows' paths, by cut; made by :func:`cells_for`.

    Attributes
    ----------
    first : ndarray of shape (n_effects, 64), int64
        Where a path's cells start, less its lowest code.
    jump : ndarray of shape (n_cells, n_outputs)
    t : ndarray of shape (longest + 2,)
        The jumps of one path, between 0 and 1.
    u : ndarray of shape (n_outputs, longest + 1)
        What the prediction between them differs from that before the step.
    margin, before, after : ndarray of shape (n_outputs,)
    """

    first: np.ndarray
    jump: np.ndarray
    t: np.ndarray
    u: np.ndarray
    margin: np.ndarray
    before: np.ndarray
    after: np.ndarray


def cells_for(n_effects: int, n_outputs: int, longest: int) -> Cells:
    """For paths that pass so many cuts at most."""
    return Cells(
        first=np.zeros((n_effects, WORD_ROWS), np.int64),
        jump=np.empty((n_effects * WORD_ROWS * longest + 1, n_outputs)),
        t=np.zeros(longest + 2),
        u=np.zeros((n_outputs, longest + 1)),
        margin=np.empty(n_outputs),
        before=np.empty(n_outputs),
        after=np.empty(n_outputs),
    )


@inlined
def _lay_cells(entries, codes, cells):
    """Give every path a cell for each cut that it passes."""
    n, n_columns = np.int64(0), entries.place.shape[1]
    for entry in range(len(entries.column)):
        own, e = codes[entries.column[entry]], entries.effect[n_columns + entry]
        stepped = codes[n_columns + entry]
        for r in range(WORD_ROWS):
            before, after = np.int64(own[r]), np.int64(stepped[r])
            cells.first[e, r] = n - min(before, after)
            n += abs(after - before)
    for k in range(n):
        for o in range(cells.jump.shape[1]):
            cells.jump[k, o] = 0.0


@inlined
def _pass_nodes(nodes, tree, codes, words):
    """List the rows whose paths pass the nodes of a tree; how many words there are."""
    below, right, reached, parted = (
        words.below,
        words.right,
        words.reached,
        words.parted,
    )
    first, last = nodes.first[tree], nodes.first[tree + 1]
    for k in range(first[0], last[0]):
        above, asked, to_left, _ = fields(nodes.reached[_U(k)])
        way = right[asked] ^ (_ZERO - to_left)
        reached[_U(AGAIN + k - first[0])] = reached[above] & way
    for k in range(first[1], last[1]):
        asked, there, elsewhere, _ = fields(nodes.again[_U(k)])
        pick(below, _U(AGAIN + k - first[1]), right[asked], there, elsewhere)
    n = _ZERO
    for k in range(first[2], last[2]):
        question, ends = nodes.passed[_U(k), 0], nodes.passed[_U(k), 1]
        place, test, _, asked = fields(question)
        _, _, here, _ = fields(ends)
        rows = reached[here] & (at_least(codes, place, test) ^ right[asked])
        parted[n, 0], parted[n, 1], parted[n, 2] = rows, question, ends
        n += _U(rows != _ZERO)
    return np.int64(n)


@inlined
def _add_jumps(leaves, output, words, n_parted, cells):
    """Add what the trees jump to the cells of the cuts that are passed."""
    below, parted, jump = words.below, words.parted, cells.jump
    for k in range(n_parted):
        rows = parted[_U(k), 0]
        _, test, e, _ = fields(parted[_U(k), 1])
        low, high, _, _ = fields(parted[_U(k), 2])
        while rows != _ZERO:
            r = first_row(rows)
            rows &= rows - _ONE
            cell = cells.first[e, r] + np.int64(test) - 1
            before = _U(below[(low << _ROWS_BITS) + r])
            after = _U(below[(high << _ROWS_BITS) + r])
            for j in range(leaves.shape[1]):
                jump[cell, output + j] += leaves[after, j] - leaves[before, j]


@inlined
def _add_up(cuts, line, n_cuts, step, cells):
    """Set `t` and `u` to the jumps of a path of one margin and no link.

    Returns
    -------
    n : int
        How many there are.
    value : float
        Their sum.
    """
    t, u, jump = cells.t, cells.u[0], cells.jump
    first, first_cut, before, inverse, rounding = line
    n, value = np.int64(0), 0.0
    for i in range(n_cuts):
        k = i * step
        change = jump[first + k, 0]
        value += change * step
        t[n + 1] = share_of_step(cuts[first_cut + k], before, inverse, rounding)
        u[n + 1] = value
        # Whether a path jumps at a cut cannot be foreseen: what does not count is written
        # over.
        n += np.int64(change != 0)
    t[n + 1] = 1.0
    return n, value


@inlined
def _line_up(path, cuts, line, n_cuts, step, cells, changed):
    """Set `t` and `u` to the jumps of a path, and `changed` to their sum; how many.

    Cells are visited from `first`, `step` ahead each time; a path downwards jumps by less.
    """
    t, u, margin, jump = cells.t, cells.u, cells.margin, cells.jump
    first, first_cut, before, inverse, rounding = line
    n = np.int64(0)
    for i in range(n_cuts):
        k, jumps = i * step, False
        for o in range(len(changed)):
            change = jump[first + k, o]
            jumps |= change != 0
            changed[o] += change * step
        if jumps:
            n += 1
            t[n] = share_of_step(cuts[first_cut + k], before, inverse, rounding)
            _respond(path.link, margin, cells.before, cells.after, changed, u[:, n])
    t[n + 1] = 1.0
    return n


@inlined
def _respond(link, margin, before, after, changed, u):
    """Set what the prediction differs by from that before the step."""
    if link == IDENTITY:
        for o in range(len(changed)):
            u[o] = changed[o]
        return
    for o in range(len(changed)):
        after[o] = margin[o] + changed[o]
    respond(link, after)
    for o in range(len(changed)):
        u[o] = after[o] - before[o]


@inlined
def _measure(path, coding, entries, base, ends, codes, words, cells, rows, delta, nlm):
    """Measure the paths of up to 64 rows, the jumps of which are in the cells."""
    n_columns, (n_here, start) = entries.place.shape[1], rows
    margin, before = cells.margin, cells.before
    for entry in range(len(entries.column)):
        c, e = entries.column[entry], entries.effect[n_columns + entry]
        own, stepped = base[coding.feature[c]], ends[entries.row[entry]]
        for r in range(n_here):
            at = start + r
            low, high = np.int64(codes[c, r]), np.int64(codes[n_columns + entry, r])
            if low == high:
                continue
            changed = delta[e, at]
            for o in range(len(changed)):
                margin[o] = before[o] = path.base[o] + words.margin[r, o]
            step = 1 if high > low else -1
            nearest = low if high > low else low - 1
            place = (cells.first[e, r] + nearest, coding.cut_first[c] + nearest)
            line = place + line_of(own[at], stepped[at], path.ulps)
            respond(path.link, before)
            n_cuts = abs(high - low)
            if path.link == IDENTITY and len(changed) == 1:  # by far the most frequent
                n, changed[0] = _add_up(coding.passed, line, n_cuts, step, cells)
            else:
                n = _line_up(path, coding.passed, line, n_cuts, step, cells, changed)
            for o in range(len(changed)):
                u, level = cells.u[o], before[o]
                nlm[e, at, o] = nlm_of_pieces(cells.t, u, n, level, path.resolution)


@kernel
def measure_paths(
    trees, nodes, path, coding, entries, base, ends, words, cells, rows, out
):
    """Margins of a block of rows, what paths change of them, and the NLM of each.

    Parameters
    ----------
    trees : SmallTrees
    nodes : PassedNodes
    path : Path
    coding, entries, base, ends
        As :func:`skfme._engine.trees.compiled.coding.code_words` takes them; no effect has
        several entries.
    words : Words
        With the codes of the block.
    cells : Cells
    rows : tuple of (int, int)
        How many the block has, and where it starts among all rows.
    out : tuple of ndarray
        Of shapes (n_all_rows, n_outputs), margins that are added to, and (n_effects,
        n_all_rows, n_outputs), changes that are 0 and NLM that is NaN where a path passes
        no cut.
    """
    (n_rows, start), (margin, delta, nlm), sums = rows, out, words.margin
    words.right[ALWAYS] = _EVERY
    for word in range(0, n_rows, WORD_ROWS):
        codes = words.codes[word >> ROWS_BITS]
        sums[:] = 0.0
        _lay_cells(entries, codes, cells)
        for number in range(len(trees.output)):
            tree = tree_of(trees, number)
            ask_all(tree.nodes, codes, words)
            add_own_leaves(tree, words)
            n_parted = _pass_nodes(nodes, number, codes, words)
            _add_jumps(tree.leaves, tree.output, words, n_parted, cells)
        here = (min(n_rows - word, WORD_ROWS), start + word)
        _measure(
            path, coding, entries, base, ends, codes, words, cells, here, delta, nlm
        )
        for r in range(here[0]):
            for o in range(sums.shape[1]):
                margin[here[1] + r, o] += sums[r, o]
