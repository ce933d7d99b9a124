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
from skfme._engine.trees.compiled.integrals import (
    nlm_of_pieces,
    nlm_of_sums,
    respond,
)
from skfme._engine.trees.compiled.jumps import line_of, share_of_step
from skfme._engine.trees.compiled.row_words import (
    ROWS_BITS,
    WORD_ROWS,
    at_least,
    first_row,
    lines_of_rows,
    pick,
)
from skfme._engine.trees.compiled.small_trees import (
    AGAIN,
    MOST_LEAVES,
    add_own_leaves,
    ask_all,
    fields,
    lists_of,
    tree_of,
    without_first,
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
    base : ndarray of shape (n_outputs,)
        What is added to every margin.
    """

    ulps: float
    resolution: float
    base: np.ndarray


class Cells(NamedTuple):
    """Jumps of 64 rows' paths, by cut; made by :func:`cells_for`.

    Paths are read upwards, whichever way the step goes: the NLM is the same. An effect
    has as many lines of cells as cuts are passed by the longest of its paths.

    Attributes
    ----------
    first_line, n_lines : ndarray of shape (n_effects,), int64
        Each effect's lines.
    first : ndarray of shape (n_effects, 64), int64
        The cell that the lowest cut of the column would have, for each path.
    jump : ndarray of shape (n_lines * n_outputs * 64,)
        Line after line, and output after output.
    passed, cut : ndarray of shape (64,), int64
        How many cuts the paths of one effect pass, and which of all cuts is the next.
    ends : ndarray of shape (3, 64)
        Their lower ends, one over their lengths, and what is rounding of those.
    t, u : ndarray of shape (longest + 2, 64)
        Their cuts, between 0 and 1, and what the prediction from there on differs from
        that at the lower end.
    sums : ndarray of shape (6, 64)
        What :func:`_sum_up` finds of them.
    path_t : ndarray of shape (longest + 2,)
        The jumps of one path.
    path_u : ndarray of shape (n_outputs, longest + 1)
    margin, start, changed, after : ndarray of shape (n_outputs,)
        Of one path: the margins and the prediction at the lower end, and after some jumps
        what they change of the margins, and the prediction.
    """

    first_line: np.ndarray
    n_lines: np.ndarray
    first: np.ndarray
    jump: np.ndarray
    passed: np.ndarray
    cut: np.ndarray
    ends: np.ndarray
    t: np.ndarray
    u: np.ndarray
    sums: np.ndarray
    path_t: np.ndarray
    path_u: np.ndarray
    margin: np.ndarray
    start: np.ndarray
    changed: np.ndarray
    after: np.ndarray


def cells_for(n_effects: int, n_outputs: int, longest: int) -> Cells:
    """For paths that pass so many cuts at most."""
    n, rows = longest + 2, WORD_ROWS
    return Cells(
        first_line=np.empty(n_effects, np.int64),
        n_lines=np.empty(n_effects, np.int64),
        first=np.empty((n_effects, rows), np.int64),
        jump=lines_of_rows((n_effects * longest * n_outputs * rows,), float),
        passed=np.empty(rows, np.int64),
        cut=np.empty(rows, np.int64),
        ends=lines_of_rows((3, rows), float),
        t=lines_of_rows((n, rows), float),
        u=lines_of_rows((n, rows), float),
        sums=lines_of_rows((6, rows), float),
        path_t=np.empty(n),
        path_u=np.empty((n_outputs, n)),
        margin=np.empty(n_outputs),
        start=np.empty(n_outputs),
        changed=np.empty(n_outputs),
        after=np.empty(n_outputs),
    )


@inlined
def _lay_cells(entries, codes, n_outputs, cells):
    """Give every effect its lines of cells, without jumps."""
    line, n_columns, size = np.int64(0), entries.place.shape[1], n_outputs * WORD_ROWS
    for entry in range(len(entries.column)):
        own, e = codes[entries.column[entry]], entries.effect[n_columns + entry]
        stepped, first, longest = codes[n_columns + entry], cells.first[e], np.int64(0)
        for r in range(WORD_ROWS):
            lower, upper = np.int64(own[r]), np.int64(stepped[r])
            lower, upper = min(lower, upper), max(lower, upper)
            first[r] = (line - lower) * size + r
            longest = max(longest, upper - lower)
        cells.first_line[e], cells.n_lines[e] = line, longest
        line += longest
    for at in range(line * size):
        cells.jump[at] = 0.0


@inlined
def _pass_nodes(nodes, tree, codes, words):
    """List the rows whose paths pass the nodes of a tree; how many words there are."""
    below, right, reached = words.below, words.right, words.reached
    parted, questions, ends = lists_of(words)
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
        question, sides = nodes.passed[_U(k), 0], nodes.passed[_U(k), 1]
        place, test, _, asked = fields(question)
        _, _, here, _ = fields(sides)
        rows = reached[here] & (at_least(codes, place, test) ^ right[asked])
        parted[n], questions[n], ends[n] = rows, question, sides
        n += _U(rows != _ZERO)
    return n


@inlined
def _add_jumps(tree, width, n_outputs, words, n_parted, cells):
    """Add what a tree jumps upwards to the cells of the cuts that are passed."""
    below, jump, leaves = words.below, cells.jump, tree.leaves
    parted, questions, ends = lists_of(words)
    k, rows, following = _ZERO, parted[_ZERO], parted[_ONE]
    while k < n_parted:
        r = first_row(rows)
        _, test, e, _ = fields(questions[k])
        low, high, _, _ = fields(ends[k])
        rows, spent = without_first(rows, following)
        k += spent
        following = parted[k + _ONE]
        cut = (np.int64(test) - 1) * n_outputs + tree.output
        cell = _U(cells.first[e, r] + (cut << ROWS_BITS))
        before = _U(below[(low << _ROWS_BITS) + r]) * _U(width)
        after = _U(below[(high << _ROWS_BITS) + r]) * _U(width)
        for j in range(width):
            change = leaves[after + _U(j)] - leaves[before + _U(j)]
            jump[cell + (_U(j) << _ROWS_BITS)] += change


@inlined
def _set_ends(coding, column, own, stepped, ulps, codes, rows, cells):
    """Set where the paths of an effect start and end; those of no row pass no cut.

    `codes` are two lines, before the step and after it.
    """
    (n_here, start), (passed, cut) = rows, (cells.passed, cells.cut)
    first, inverse, rounding = cells.ends[0], cells.ends[1], cells.ends[2]
    before, after = codes
    for r in range(WORD_ROWS):
        passed[r], cut[r] = 0, 0
        first[r] = inverse[r] = rounding[r] = 0.0
    for r in range(n_here):
        one, other = np.int64(before[r]), np.int64(after[r])
        if one != other:
            at, to = own[start + r], stepped[start + r]
            lower, upper = (at, to) if one < other else (to, at)
            first[r], inverse[r], rounding[r] = line_of(lower, upper, ulps)
            passed[r] = abs(other - one)
            cut[r] = coding.cut_first[column] + min(one, other)


@inlined
def _set_shares(cuts, n_lines, cells):
    """Set `t` to 0, the share of a path at each of its cuts, and 1 from its end on."""
    first, inverse, rounding = cells.ends[0], cells.ends[1], cells.ends[2]
    passed, cut = cells.passed, cells.cut
    cells.t[0, :], cells.t[n_lines + 1, :] = 0.0, 1.0
    for k in range(n_lines):
        t = cells.t[k + 1]
        for r in range(WORD_ROWS):
            t[r] = cuts[_U(cut[r])]
        for r in range(WORD_ROWS):
            share = share_of_step(t[r], first[r], inverse[r], rounding[r])
            t[r] = share if k < passed[r] else 1.0
            cut[r] += np.int64(k + 1 < passed[r])


@inlined
def _sum_up(n_lines, n_outputs, first, cells):
    """Sum up the paths of an effect, of one output and no link.

    In `sums`: the change to the upper end, the mean, the lowest and the highest, and the
    squares around the mean and three times those around the straight line.
    """
    t, u, jump, sums = cells.t, cells.u, cells.jump, cells.sums
    sums[:, :] = 0.0
    value, mean, low = sums[0], sums[1], sums[2]
    high, total, off = sums[3], sums[4], sums[5]
    u[0, :] = 0.0
    for k in range(n_lines):
        line, here = first + k * n_outputs * WORD_ROWS, u[k + 1]
        since, until = t[k + 1], t[k + 2]
        for r in range(WORD_ROWS):
            now = value[r] + jump[line + r]
            here[r] = value[r] = now
            mean[r] += (until[r] - since[r]) * now
            low[r] = now if now < low[r] else low[r]
            high[r] = now if now > high[r] else high[r]
    for k in range(n_lines + 1):
        here, since, until = u[k], t[k], t[k + 1]
        for r in range(WORD_ROWS):
            length, around = until[r] - since[r], here[r] - mean[r]
            a, b = here[r] - since[r] * value[r], here[r] - until[r] * value[r]
            off[r] += length * (a * a + a * b + b * b)
            total[r] += length * around * around


@inlined
def _measure_together(path, cells, e, words, rows, codes, delta, nlm):
    """Measure the paths of an effect, 64 at a time, as there is no link."""
    (n_here, start), (before, after) = rows, codes
    n_lines, n_outputs, sums = cells.n_lines[e], len(path.base), cells.sums
    for o in range(n_outputs):
        first = (cells.first_line[e] * n_outputs + o) * WORD_ROWS
        _sum_up(n_lines, n_outputs, first, cells)
        for r in range(n_here):
            up, rise = before[r] <= after[r], sums[0, r]
            change = rise if up else 0.0 - rise
            level = path.base[o] + words.margin[o, r]
            level = level if up else level + change
            low, high, total, off = sums[2, r], sums[3, r], sums[4, r], sums[5, r]
            delta[start + r, o] = change
            nlm[start + r, o] = nlm_of_sums(
                total, off, level + low, level + high, path.resolution
            )


@inlined
def _line_up(link, cells, e, r):
    """Set `path_t` and `path_u` to the jumps of a path with a link; how many."""
    margin, start, changed, after = (
        cells.margin,
        cells.start,
        cells.changed,
        cells.after,
    )
    n_outputs, t, u, n = len(margin), cells.path_t, cells.path_u, np.int64(0)
    t[0], changed[:], u[:, 0] = 0.0, 0.0, 0.0
    for k in range(cells.passed[r]):
        jumps, line = False, (cells.first_line[e] + k) * n_outputs
        for o in range(n_outputs):
            change = cells.jump[((line + o) << ROWS_BITS) + r]
            jumps |= change != 0
            changed[o] += change
        if jumps:
            n += 1
            t[n] = cells.t[k + 1, r]
            for o in range(n_outputs):
                after[o] = margin[o] + changed[o]
            respond(link, after)
            for o in range(n_outputs):
                u[o, n] = after[o] - start[o]
    t[n + 1] = 1.0
    return n


@inlined
def _measure_each(path, link, cells, e, words, rows, codes, delta, nlm):
    """Measure the paths of an effect one by one, through the link."""
    (n_here, start), (before, after) = rows, codes
    n_outputs = len(path.base)
    for r in range(n_here):
        if cells.passed[r] == 0:
            continue
        at, sign = start + r, 1.0 if before[r] < after[r] else -1.0
        for k in range(cells.passed[r]):
            for o in range(n_outputs):
                cell = ((cells.first_line[e] + k) * n_outputs + o) << ROWS_BITS
                delta[at, o] += sign * cells.jump[cell + r]
        for o in range(n_outputs):
            margin = path.base[o] + words.margin[o, r]
            margin = margin if sign > 0 else margin + delta[at, o]
            cells.margin[o] = cells.start[o] = margin
        respond(link, cells.start)
        n = _line_up(link, cells, e, r)
        for o in range(n_outputs):
            nlm[at, o] = nlm_of_pieces(
                cells.path_t, cells.path_u[o], n, cells.start[o], path.resolution
            )


@kernel
def measure_paths(
    trees,
    width,
    link,
    nodes,
    path,
    coding,
    entries,
    base,
    ends,
    words,
    cells,
    rows,
    out,
):
    """Margins of a block of rows, what paths change of them, and the NLM of each.

    Parameters
    ----------
    trees : SmallTrees
    width, link : int or None
        Of a leaf, as :func:`~skfme._engine.trees.compiled.small_trees.walk_small` takes
        it; position in :data:`skfme._engine.trees.compiled.integrals.LINKS`, None for the
        first one, without which less is compiled.
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
    n_outputs, n_columns = len(sums), entries.place.shape[1]
    words.right[ALWAYS] = _EVERY
    for word in range(0, n_rows, WORD_ROWS):
        codes = words.codes[word >> ROWS_BITS]
        sums[:] = 0.0
        _lay_cells(entries, codes, n_outputs, cells)
        for number in range(len(trees.output)):
            tree = tree_of(trees, 1 if width is None else width, number)
            ask_all(tree.nodes, codes, words)
            n_parted = _pass_nodes(nodes, number, codes, words)
            if width is None:
                add_own_leaves(tree, 1, words)
                _add_jumps(tree, 1, 1, words, n_parted, cells)
            else:
                add_own_leaves(tree, width, words)
                _add_jumps(tree, width, n_outputs, words, n_parted, cells)
        here = (min(n_rows - word, WORD_ROWS), start + word)
        for entry in range(len(entries.column)):
            c, e = entries.column[entry], entries.effect[n_columns + entry]
            both = (codes[c], codes[n_columns + entry])
            own, stepped = base[coding.feature[c]], ends[entries.row[entry]]
            _set_ends(coding, c, own, stepped, path.ulps, both, here, cells)
            _set_shares(coding.passed, cells.n_lines[e], cells)
            if link is None:
                _measure_together(path, cells, e, words, here, both, delta[e], nlm[e])
            else:
                _measure_each(path, link, cells, e, words, here, both, delta[e], nlm[e])
        for o in range(n_outputs):
            for r in range(here[0]):
                margin[here[1] + r, o] += sums[o, r]
