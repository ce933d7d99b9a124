"""Compiled walks through a tree ensemble, from each row and from its stepped versions.

Rows go down one tree after the other. Where a step moves a row across the node that it
stands at, a second walker starts on the other side; no other node is visited twice.
Trees whose path does not meet the step cost nothing, so that

    f(x + h) − f(x) = Σ over the trees that the step leads to another leaf

No table, model or link is known here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.coding import Entries
from skfme._engine.trees.compiled.decorators import inlined, kernel
from skfme._engine.trees.compiled.descent import (
    CHILD,
    CHILD_BITS,
    BlockRows,
    add_leaves,
    advance,
    branches,
    column_of,
    goes_right,
    is_inner,
    node_of,
    row_of,
    rows_for,
    start_rows,
    still_inside,
    stopped,
)

__all__ = ["MOST_ROWS", "Scratch", "scratch_for", "walk"]

MOST_ROWS = 2**12

# A walker: its node, its row in the block, its effect.
_U = np.uint64
_ROW, _ROW_AT, _EFFECT_AT = _U(MOST_ROWS - 1), _U(CHILD_BITS), _U(40)
_ZERO, _ONE = _U(0), _U(1)


class Scratch(NamedTuple):
    """What the walk of a block writes to; made by :func:`scratch_for`.

    Attributes
    ----------
    rows : BlockRows
    seen : ndarray of shape (n_block, n_effects), int32
        The last tree in which an effect parted with a row.
    walkers, done : ndarray of shape (n_block * n_effects + 1,), uint64
    changes : ndarray of shape (n_block, n_effects, n_outputs)
    """

    rows: BlockRows
    seen: np.ndarray
    walkers: np.ndarray
    done: np.ndarray
    changes: np.ndarray


def scratch_for(n_block: int, entries: Entries, n_outputs: int) -> Scratch:
    """For blocks of at most so many rows."""
    n_effects = len(entries.place)
    most = n_block * n_effects + 1
    return Scratch(
        rows=rows_for(n_block, entries),
        seen=np.empty((n_block, n_effects), np.int32),
        walkers=np.empty(most, np.uint64),
        done=np.empty(most, np.uint64),
        changes=np.empty((n_block, n_effects, n_outputs)),
    )


@inlined
def _start_walkers(tree, categories, entries, scratch, number, n_met, n_walkers):
    """Start a walker for every effect that takes a met row to the other side."""
    rows, seen, n_walkers = scratch.rows, scratch.seen, _U(n_walkers)
    for k in range(n_met):
        met = rows.met[_U(k)]
        r, node = row_of(met), node_of(met)
        link, test = tree.links[node], tree.tests[node]
        column = column_of(link)
        right = goes_right(_U(rows.codes[r, column]), column, test, categories)
        other = ((link & CHILD) + _U(not right)) | (r << _ROW_AT)
        for s in range(entries.first[column], entries.first[column + _ONE]):
            e, code = _U(entries.effect[_U(s)]), _U(rows.codes[r, _U(s)])
            parts = goes_right(code, column, test, categories) != right
            # Below the first node where they part, the row's own path says nothing
            # of the stepped one.
            parts &= seen[r, e] != number
            seen[r, e] = number if parts else seen[r, e]
            scratch.walkers[n_walkers] = other | (e << _EFFECT_AT)
            n_walkers += _U(parts)
    return np.int64(n_walkers)


@inlined
def _descend(tree, categories, entries, scratch, n_walkers):
    """Take the walkers down one level."""
    codes, walkers = scratch.rows.codes, scratch.walkers
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        node = walker & CHILD
        link, column = tree.links[node], column_of(tree.links[node])
        r, e = (walker >> _ROW_AT) & _ROW, walker >> _EFFECT_AT
        code = _U(codes[r, _U(entries.place[e, column])])
        right = goes_right(code, column, tree.tests[node], categories)
        walkers[_U(k)] = (walker - node) + ((link & CHILD) + _U(right))


@inlined
def _set_aside(tree, scratch, n_walkers, n_done):
    """Move the walkers that are at a leaf to `done`; how many stay and are there."""
    walkers, done = scratch.walkers, scratch.done
    n_left, n_done = _ZERO, _U(n_done)
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        node = walker & CHILD
        inner = _U(is_inner(tree.links[node], node))
        done[n_done] = walker
        n_done += _ONE - inner
        walkers[n_left] = walker
        n_left += inner
    return np.int64(n_left), np.int64(n_done)


@inlined
def _add_changes(tree, at, walkers, n_walkers, changes):
    """Add to each walker's effect what its leaf differs from the row's own."""
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        leaf, e = walker & CHILD, walker >> _EFFECT_AT
        r = (walker >> _ROW_AT) & _ROW
        before = _U(at[r])
        for j in range(tree.leaves.shape[1]):
            change = tree.leaves[leaf, j] - tree.leaves[before, j]
            changes[r, e, tree.output + j] += change


@kernel
def walk(forest, categories, entries, scratch, margin):
    """Margins of a block of rows, and what each effect changes of them.

    Parameters
    ----------
    forest : Forest
    categories : Categories or None
        Asking for them costs a third of the time: ensembles without categories have
        kernels of their own.
    entries : Entries
    scratch : Scratch
        With the codes of the block, `seen` below 0, and `changes` to add to.
    margin : ndarray of shape (n_rows, n_outputs)
        Added to.
    """
    rows, changes = scratch.rows, scratch.changes
    level = 0
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        n_active, n_walkers, n_done = np.int64(len(margin)), np.int64(0), np.int64(0)
        start_rows(rows, len(margin))
        for _ in range(forest.depth[number]):
            _descend(tree, categories, entries, scratch, n_walkers)
            n_met = advance(tree, categories, rows, n_active)
            n_walkers = _start_walkers(
                tree, categories, entries, scratch, number, n_met, n_walkers
            )
            if forest.thin_out[level]:
                n_active = still_inside(tree, rows, n_active)
                n_walkers, n_done = _set_aside(tree, scratch, n_walkers, n_done)
            level += 1
        stopped(rows, n_active)
        add_leaves(tree, rows, margin)
        _add_changes(tree, rows.at, scratch.walkers, n_walkers, changes)
        _add_changes(tree, rows.at, scratch.done, n_done, changes)
