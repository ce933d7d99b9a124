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

import numpy as np
from numba import njit

__all__ = ["encode", "encode_step", "walk"]

# A node is one word: the position of its left child within the tree (a leaf's own),
# the column it looks at, and its threshold among the column's cuts (or, for a
# categorical column, the number of its set); all ones at a leaf.
CHILD_BITS, COLUMN_BITS, CODE_BITS = 28, 15, 21
MOST_NODES, MOST_COLUMNS = 2**CHILD_BITS, 2**COLUMN_BITS
MOST_CODES = 2**CODE_BITS - 1
MOST_ROWS = 2**12

_U = np.uint64
_CHILD, _COLUMN, _CODE = _U(MOST_NODES - 1), _U(MOST_COLUMNS - 1), _U(MOST_CODES)
_LEAF = _CODE
_COLUMN_AT, _THRESHOLD_AT = _U(CHILD_BITS), _U(CHILD_BITS + COLUMN_BITS)
# A row's code in a column, and the lowest and highest that any effect gives it.
_LOW_AT, _HIGH_AT = _U(CODE_BITS), _U(2 * CODE_BITS)
# A walker: its node, its row in the block, its effect.
_ROW, _ROW_AT, _EFFECT_AT = _U(MOST_ROWS - 1), _U(CHILD_BITS), _U(40)
_ZERO, _ONE = _U(0), _U(1)


@njit(nogil=True, cache=True)
def _code(x, cuts, grid, low, scale, missing_code, single):
    """The number of cuts below x; what is missing lies above or below all."""
    if single:
        x = np.float64(np.float32(x))
    if np.isnan(x):
        return missing_code
    place = (x - low) * scale
    bucket = np.int64(0)
    if place > 0:  # not so for NaN, where a difference of huge values overflows
        bucket = np.int64(min(place, len(grid) - 2.0))
    first, last = np.int64(grid[bucket]), np.int64(grid[bucket + 1])
    while first < last:
        middle = (first + last) >> 1
        if cuts[middle] < x:
            first = middle + 1
        else:
            last = middle
    return first


@njit(nogil=True, cache=True)
def encode(values, cuts, grid, low, scale, missing_code, single, column, codes, plain):
    """Write the codes of a column's values before any step.

    Parameters
    ----------
    values : ndarray of shape (n_rows,)
    cuts : ndarray of shape (n_cuts,)
        Sorted thresholds of the column.
    grid : ndarray of shape (n_buckets + 1,), int32
        Cuts below each of some evenly spaced buckets.
    low, scale : float
        A value's bucket is (value − low) · scale.
    missing_code : int
    single : bool
        Whether the model compares values in single precision.
    column : int
    codes : ndarray of shape (n_rows, n_columns), uint64
        A row's code, and the lowest and highest that any effect gives it.
    plain : ndarray of shape (n_rows, n_columns + n_entries), uint32
        A row's codes, and those that effects give it.
    """
    for r in range(len(values)):
        code = _U(_code(values[r], cuts, grid, low, scale, missing_code, single))
        plain[r, column] = code
        codes[r, column] = code | (code << _LOW_AT) | (code << _HIGH_AT)


@njit(nogil=True, cache=True)
def encode_step(
    values,
    counted,
    cuts,
    grid,
    low,
    scale,
    missing_code,
    single,
    column,
    codes,
    plain,
    entry,
):
    """Write the codes of a column's values after one effect's step.

    Parameters
    ----------
    values, cuts, grid, low, scale, missing_code, single, column, codes, plain
        As in :func:`encode`, which comes first.
    counted : ndarray of shape (n_rows,), bool
        Other rows stay where they are.
    entry : int
        Where in `plain`.
    """
    for r in range(len(values)):
        own = codes[r, column]
        code = own & _CODE
        if counted[r]:
            code = _U(_code(values[r], cuts, grid, low, scale, missing_code, single))
        plain[r, entry] = code
        lowest = min((own >> _LOW_AT) & _CODE, code)
        highest = max(own >> _HIGH_AT, code)
        codes[r, column] = (own & _CODE) | (lowest << _LOW_AT) | (highest << _HIGH_AT)


@njit(nogil=True, cache=True, forceinline=True)
def goes_right(code, column, threshold, sets, n_numeric):
    """Whether a code goes to the right child; without sets, nothing is categorical."""
    if sets is None or column < n_numeric:
        return code > threshold
    return ((sets[threshold, code >> _U(6)] >> (code & _U(63))) & _ONE) == _ONE


@njit(nogil=True, cache=True, forceinline=True)
def advance(nodes, sets, n_numeric, codes, active, n_active, at, met_row, met_word):
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
        low, high = (code >> _LOW_AT) & _CODE, code >> _HIGH_AT
        right = goes_right(code & _CODE, column, threshold, sets, n_numeric)
        met = (low > threshold) != (high > threshold)
        if sets is not None and column >= n_numeric:
            met = low != high
        at[r] = np.uint32((word & _CHILD) + _U(right))
        met_row[n_met] = np.uint32(r)
        met_word[n_met] = word
        n_met += _U(met)
    return np.int64(n_met)


@njit(nogil=True, cache=True, forceinline=True)
def still_inside(nodes, at, active, n_active):
    """Keep the active rows that are not at a leaf; return how many."""
    kept = _ZERO
    for k in range(n_active):
        r = active[_U(k)]
        active[kept] = r
        kept += _U((nodes[_U(at[_U(r)])] >> _THRESHOLD_AT) != _LEAF)
    return np.int64(kept)


@njit(nogil=True, cache=True, forceinline=True)
def add_leaves(leaves, output, at, margin):
    """Add the leaves that the rows of a block stand at."""
    for r in range(len(margin)):
        for j in range(leaves.shape[1]):
            margin[r, output + j] += leaves[_U(at[r]), j]


@njit(nogil=True, cache=True, forceinline=True)
def _part(
    sets,
    n_numeric,
    entry_first,
    entry_effect,
    plain,
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
        for s in range(entry_first[column], entry_first[column + _ONE]):
            e, code = _U(entry_effect[_U(s)]), _U(plain[r, _U(s)])
            parts = goes_right(code, column, threshold, sets, n_numeric) != right
            # Below the first node where they part, the row's own path says nothing
            # of the stepped one.
            parts &= seen[r, e] != tree
            seen[r, e] = tree if parts else seen[r, e]
            walkers[n_walkers] = other | (e << _EFFECT_AT)
            n_walkers += _U(parts)
    return np.int64(n_walkers)


@njit(nogil=True, cache=True, forceinline=True)
def _descend(nodes, sets, n_numeric, entry_of, plain, walkers, n_walkers):
    """Take the walkers down one level."""
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        word = nodes[walker & _CHILD]
        column, threshold = (word >> _COLUMN_AT) & _COLUMN, word >> _THRESHOLD_AT
        r = (walker >> _ROW_AT) & _ROW
        code = _U(plain[r, _U(entry_of[walker >> _EFFECT_AT, column])])
        right = goes_right(code, column, threshold, sets, n_numeric)
        walkers[_U(k)] = (walker & ~_CHILD) | ((word & _CHILD) + _U(right))


@njit(nogil=True, cache=True, forceinline=True)
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


@njit(nogil=True, cache=True, forceinline=True)
def _add_changes(leaves, output, at, walkers, n_walkers, delta):
    """Add to each walker's effect what its leaf differs from the row's own."""
    for k in range(n_walkers):
        walker = walkers[_U(k)]
        node, e = walker & _CHILD, walker >> _EFFECT_AT
        r = (walker >> _ROW_AT) & _ROW
        here = _U(at[r])
        for j in range(leaves.shape[1]):
            delta[r, e, output + j] += leaves[node, j] - leaves[here, j]


@njit(nogil=True, cache=True)
def walk(
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
    n_block,
    margin,
    delta,
):
    """Add up the margins of every row, and what each effect changes of them.

    Parameters
    ----------
    words : ndarray of shape (n_nodes,), uint64
        Nodes of all trees, one tree after the other, siblings side by side.
    leaves : ndarray of shape (n_nodes, width)
        What a leaf adds: one number, or one for each output.
    first : ndarray of shape (n_trees + 1,), int64
        Where each tree starts.
    depth, output : ndarray of shape (n_trees,), int64
        `output` is the first that a tree adds to.
    thin_out : ndarray of bool
        For each tree and level, whether to set aside what is at a leaf.
    sets : ndarray of shape (n_sets, n_words), uint64, or None
        Codes of a categorical column that go right, as bits.
    n_numeric : int
        Columns below it are numeric.
    codes, plain
        As :func:`encode` and :func:`encode_step` make them.
    entry_first : ndarray of shape (n_columns + 1,), int64
        Where in `plain` the entries of each column start.
    entry_effect : ndarray of shape (n_columns + n_entries,), int64
        The effect of each entry.
    entry_of : ndarray of shape (n_effects, n_columns), int64
        Where in `plain` an effect's code of a column is.
    n_block : int
        Rows at once.
    margin : ndarray of shape (n_rows, n_outputs)
    delta : ndarray of shape (n_rows, n_effects, n_outputs)
        Both are added to.
    """
    n_rows, n_effects = delta.shape[0], delta.shape[1]
    at, active = np.empty(n_block, np.uint32), np.empty(n_block, np.uint32)
    met_row = np.empty(n_block + 1, np.uint32)
    met_word = np.empty(n_block + 1, np.uint64)
    seen = np.empty((n_block, n_effects), np.int32)
    walkers = np.empty(n_block * n_effects + 1, np.uint64)
    done = np.empty(n_block * n_effects + 1, np.uint64)
    for start in range(0, n_rows, n_block):
        stop = min(start + n_block, n_rows)
        own, either = codes[start:stop], plain[start:stop]
        changes, margins = delta[start:stop], margin[start:stop]
        seen[:] = -1
        level = 0
        for tree in range(len(depth)):
            nodes = words[first[tree] : first[tree + 1]]
            values = leaves[first[tree] : first[tree + 1]]
            n_active, n_walkers, n_done = stop - start, 0, 0
            for r in range(n_active):
                at[r], active[r] = 0, r
            for _ in range(depth[tree]):
                _descend(nodes, sets, n_numeric, entry_of, either, walkers, n_walkers)
                n_met = advance(
                    nodes, sets, n_numeric, own, active, n_active, at, met_row, met_word
                )
                n_walkers = _part(
                    sets,
                    n_numeric,
                    entry_first,
                    entry_effect,
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
                if thin_out[level]:
                    n_active = still_inside(nodes, at, active, n_active)
                    n_walkers, n_done = _set_aside(
                        nodes, walkers, n_walkers, done, n_done
                    )
                level += 1
            add_leaves(values, output[tree], at, margins)
            _add_changes(values, output[tree], at, walkers, n_walkers, changes)
            _add_changes(values, output[tree], at, done, n_done, changes)
