"""Compiled walks through a tree ensemble, from each row and from its stepped versions.

A block of rows goes down one tree after the other, level by level and without
branches, on packed nodes and on *codes*: the code of a value is the number of cuts
of its column below it, so that every comparison is of integers and exactly the
model's own. Where a step moves a row across the node that it stands at, a second
walker starts on the other side; no other node is visited twice. Trees whose path
does not meet the step cost nothing, so that

    f(x + h) − f(x) = Σ over the trees that the step leads to another leaf

No table, model or link is known here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.coding import (
    CODE,
    CODE_BITS,
    HIGH_AT,
    LOW_AT,
    Entries,
    code_block,
    empty_codes,
)
from skfme._engine.trees.compiled.decorators import inlined, kernel

__all__ = ["MOST_ROWS", "Forest", "Scratch", "scratch_for", "walk"]

# A node is one word: the position of its left child within the tree (a leaf's own),
# the column it looks at, and its threshold among the column's cuts (or, for a
# categorical column, the number of its set); all ones at a leaf.
CHILD_BITS, COLUMN_BITS = 28, 15
MOST_NODES, MOST_COLUMNS = 2**CHILD_BITS, 2**COLUMN_BITS
MOST_CODES = 2**CODE_BITS - 1
MOST_ROWS = 2**12

_U = np.uint64
_CHILD, _COLUMN = _U(MOST_NODES - 1), _U(MOST_COLUMNS - 1)
_LEAF = _U(MOST_CODES)
_COLUMN_AT, _THRESHOLD_AT = _U(CHILD_BITS), _U(CHILD_BITS + COLUMN_BITS)
# A walker: its node, its row in the block, its effect.
_ROW, _ROW_AT, _EFFECT_AT = _U(MOST_ROWS - 1), _U(CHILD_BITS), _U(40)
_ZERO, _ONE = _U(0), _U(1)


class Forest(NamedTuple):
    """An ensemble's trees, one after the other.

    Attributes
    ----------
    words : ndarray of shape (n_nodes,), uint64
        Nodes, siblings side by side.
    leaves : ndarray of shape (n_nodes, width)
        What a leaf adds: one number, or one for each output.
    first : ndarray of shape (n_trees + 1,), int64
        Where each tree starts.
    depth, output : ndarray of shape (n_trees,), int64
        `output` is the first that a tree adds to.
    thin_out : ndarray of bool
        For each tree and level, whether to set aside what is at a leaf.
    n_numeric : int
        Columns below it are numeric.
    """

    words: np.ndarray
    leaves: np.ndarray
    first: np.ndarray
    depth: np.ndarray
    output: np.ndarray
    thin_out: np.ndarray
    n_numeric: int


class Scratch(NamedTuple):
    """What the walk of a block writes to; made by :func:`scratch_for`.

    Attributes
    ----------
    own, either : ndarray
        Codes, as :func:`skfme._engine.trees.compiled.coding.code_block` makes them.
    at, active : ndarray of shape (n_block,), uint32
        The node of each row, and the rows that are not at a leaf.
    met_row, met_word : ndarray of shape (n_block + 1,), uint32 and uint64
        Rows at a node at which some effect may part with them, and the node.
    seen : ndarray of shape (n_block, n_effects), int32
        The last tree in which an effect parted with a row.
    walkers, done : ndarray of shape (n_block * n_effects + 1,), uint64
    changes : ndarray of shape (n_block, n_effects, n_outputs)
    """

    own: np.ndarray
    either: np.ndarray
    at: np.ndarray
    active: np.ndarray
    met_row: np.ndarray
    met_word: np.ndarray
    seen: np.ndarray
    walkers: np.ndarray
    done: np.ndarray
    changes: np.ndarray


def scratch_for(n_block: int, entries: Entries, n_outputs: int) -> Scratch:
    """Made here, as every kind of array that a kernel makes takes a while to compile."""
    n_effects = entries.of.shape[0]
    most = n_block * n_effects + 1
    own, either = empty_codes(n_block, entries)
    return Scratch(
        own=own,
        either=either,
        at=np.empty(n_block, np.uint32),
        active=np.empty(n_block, np.uint32),
        met_row=np.empty(n_block + 1, np.uint32),
        met_word=np.empty(n_block + 1, np.uint64),
        seen=np.empty((n_block, n_effects), np.int32),
        walkers=np.empty(most, np.uint64),
        done=np.empty(most, np.uint64),
        changes=np.empty((n_block, n_effects, n_outputs)),
    )


@inlined
def goes_right(code, column, threshold, n_numeric, sets):
    """Whether a code goes to the right child; without sets, nothing is categorical."""
    if sets is None or column < n_numeric:
        return code > threshold
    bits = sets[threshold, code >> _U(6)]
    return ((bits >> (code & _U(63))) & _ONE) == _ONE


@inlined
def advance(nodes, n_numeric, sets, codes, active, n_active, at, met_row, met_word):
    """Take the active rows down one level; list those that some effect may part with.

    Returns
    -------
    n_met : int
    """
    n_met = _ZERO
    for k in range(n_active):
        r = _U(active[_U(k)])
        word = nodes[_U(at[r])]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        code = codes[r, column]
        low, high = (code >> LOW_AT) & CODE, code >> HIGH_AT
        right = goes_right(code & CODE, column, threshold, n_numeric, sets)
        met = (low > threshold) != (high > threshold)
        if sets is not None and column >= n_numeric:
            met = low != high
        at[r] = np.uint32((word & _CHILD) + _U(right))
        met_row[n_met] = np.uint32(r)
        met_word[n_met] = word
        n_met += _U(met)
    return np.int64(n_met)


@inlined
def still_inside(nodes, at, active, n_active):
    """Keep the active rows that are not at a leaf; return how many."""
    kept = _ZERO
    for k in range(n_active):
        r = active[_U(k)]
        active[kept] = r
        kept += _U((nodes[_U(at[_U(r)])] >> _THRESHOLD_AT) != _LEAF)
    return np.int64(kept)


@inlined
def add_leaves(leaves, output, at, margin):
    """Add the leaves that the rows of a block stand at."""
    for r in range(len(margin)):
        for j in range(leaves.shape[1]):
            margin[r, output + j] += leaves[_U(at[r]), j]


@inlined
def _part(
    n_numeric,
    sets,
    first,
    effect,
    either,
    at,
    met_row,
    met_word,
    n_met,
    tree,
    seen,
    walkers,
    n_walkers,
):
    """Start a walker for every effect that takes a met row to the other side."""
    n_walkers = _U(n_walkers)
    for k in range(n_met):
        r, word = _U(met_row[_U(k)]), met_word[_U(k)]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        right = (_U(at[r]) & _ONE) == _ONE
        other = (_U(at[r]) ^ _ONE) | (r << _ROW_AT)
        for s in range(first[column], first[column + _ONE]):
            e, code = _U(effect[_U(s)]), _U(either[r, _U(s)])
            parts = goes_right(code, column, threshold, n_numeric, sets) != right
            # Below the first node where they part, the row's own path says nothing
            # of the stepped one.
            parts &= seen[r, e] != tree
            seen[r, e] = tree if parts else seen[r, e]
            walkers[n_walkers] = other | (e << _EFFECT_AT)
            n_walkers += _U(parts)
    return np.int64(n_walkers)


@inlined
def _descend(nodes, n_numeric, sets, of, either, walkers, n_walkers):
    """Take the walkers down one level."""
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        word = nodes[walker & _CHILD]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        r = (walker >> _ROW_AT) & _ROW
        code = _U(either[r, _U(of[walker >> _EFFECT_AT, column])])
        right = goes_right(code, column, threshold, n_numeric, sets)
        walkers[_U(k)] = (walker & ~_CHILD) | ((word & _CHILD) + _U(right))


@inlined
def _set_aside(nodes, walkers, n_walkers, done, n_done):
    """Move the walkers that are at a leaf to `done`; how many stay and are there."""
    kept, n_done = _ZERO, _U(n_done)
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        leaf = _U((nodes[walker & _CHILD] >> _THRESHOLD_AT) == _LEAF)
        done[n_done] = walker
        n_done += leaf
        walkers[kept] = walker
        kept += _ONE - leaf
    return np.int64(kept), np.int64(n_done)


@inlined
def _add_changes(leaves, output, at, walkers, n_walkers, changes):
    """Add to each walker's effect what its leaf differs from the row's own."""
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        node, e = walker & _CHILD, walker >> _EFFECT_AT
        r = (walker >> _ROW_AT) & _ROW
        here = _U(at[r])
        for j in range(leaves.shape[1]):
            changes[r, e, output + j] += leaves[node, j] - leaves[here, j]


@kernel
def walk(forest, sets, coding, entries, base, ends, scratch, margin, delta):
    """Margins of every row, and what each effect changes of them.

    Parameters
    ----------
    forest : Forest
    sets : ndarray of shape (n_sets, n_words), uint64, or None
        Codes of a categorical column that go right, as bits. Asking for them costs a
        third of the time: ensembles without categories have kernels of their own.
    coding, entries, base, ends
        As :func:`skfme._engine.trees.compiled.coding.code_block` takes them.
    scratch : Scratch
        Of as many rows as are walked at once.
    margin : ndarray of shape (n_rows, n_outputs)
    delta : ndarray of shape (n_effects, n_rows, n_outputs)
        Both are added to.
    """
    n_effects, n_rows, n_outputs = delta.shape
    n_numeric = forest.n_numeric
    first, effect, of = entries.first, entries.effect, entries.of
    own, either, at, active, met_row, met_word, seen, walkers, done, changes = scratch
    n_block = len(at)
    for start in range(0, n_rows, n_block):
        n_here = n_block if start + n_block < n_rows else n_rows - start
        code_block(coding, entries, base, ends, start, n_here, own, either)
        margins = margin[start : start + n_here]
        for r in range(n_here):
            for e in range(n_effects):
                seen[r, e] = -1
                for o in range(n_outputs):
                    changes[r, e, o] = 0
        level = 0
        for tree in range(len(forest.depth)):
            nodes = forest.words[forest.first[tree] : forest.first[tree + 1]]
            leaves = forest.leaves[forest.first[tree] : forest.first[tree + 1]]
            output = forest.output[tree]
            n_active, n_walkers, n_done = np.int64(n_here), np.int64(0), np.int64(0)
            for r in range(n_here):
                at[r], active[r] = 0, r
            for _ in range(forest.depth[tree]):
                _descend(nodes, n_numeric, sets, of, either, walkers, n_walkers)
                n_met = advance(
                    nodes, n_numeric, sets, own, active, n_active, at, met_row, met_word
                )
                n_walkers = _part(
                    n_numeric,
                    sets,
                    first,
                    effect,
                    either,
                    at,
                    met_row,
                    met_word,
                    n_met,
                    tree,
                    seen,
                    walkers,
                    n_walkers,
                )
                if forest.thin_out[level]:
                    n_active = still_inside(nodes, at, active, n_active)
                    n_walkers, n_done = _set_aside(
                        nodes, walkers, n_walkers, done, n_done
                    )
                level += 1
            add_leaves(leaves, output, at, margins)
            _add_changes(leaves, output, at, walkers, n_walkers, changes)
            _add_changes(leaves, output, at, done, n_done, changes)
        for e in range(n_effects):
            for r in range(n_here):
                for o in range(n_outputs):
                    delta[e, start + r, o] += changes[r, e, o]
