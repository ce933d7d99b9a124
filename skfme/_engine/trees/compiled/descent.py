"""Compiled descent: how the rows of a block go down one tree, level by level.

Nodes are packed words, and rows go down on *codes*: the code of a value is the number
of cuts of its column below it, so that every comparison is of integers and exactly the
model's own. No branch of the program depends on a value. What the steps do on the way
lives in :mod:`~skfme._engine.trees.compiled.kernels` and
:mod:`~skfme._engine.trees.compiled.jumps`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.coding import (
    CODE,
    CODE_AT,
    CODE_BITS,
    LOW_AT,
    Entries,
)
from skfme._engine.trees.compiled.decorators import inlined

__all__ = [
    "CHILD",
    "CHILD_BITS",
    "COLUMN_BITS",
    "LEAF",
    "MET_AT",
    "MOST_CODES",
    "MOST_COLUMNS",
    "MOST_NODES",
    "BlockRows",
    "Branches",
    "Categories",
    "Forest",
    "add_leaves",
    "advance",
    "branches",
    "column_of",
    "goes_right",
    "rows_for",
    "still_inside",
    "threshold_of",
]

# A node is one word: the position of its left child within the tree (a leaf's own),
# the column it looks at, and its threshold among the column's cuts (or, for a
# categorical column, the number of its set); all ones at a leaf.
CHILD_BITS, COLUMN_BITS = 28, 15
MOST_NODES, MOST_COLUMNS = 2**CHILD_BITS, 2**COLUMN_BITS
MOST_CODES = 2**CODE_BITS - 1

_U = np.uint64
CHILD, LEAF = _U(MOST_NODES - 1), _U(MOST_CODES)
_COLUMN, _COLUMN_AT = _U(MOST_COLUMNS - 1), _U(CHILD_BITS)
_THRESHOLD_AT = _U(CHILD_BITS + COLUMN_BITS)
MET_AT = _U(CHILD_BITS)
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
    """

    words: np.ndarray
    leaves: np.ndarray
    first: np.ndarray
    depth: np.ndarray
    output: np.ndarray
    thin_out: np.ndarray


class Branches(NamedTuple):
    """One tree of a forest: its part of the nodes and leaves, and its output."""

    words: np.ndarray
    leaves: np.ndarray
    output: int


class Categories(NamedTuple):
    """Which codes of categorical columns go right.

    Attributes
    ----------
    first : int
        The first categorical column; those before it are numeric.
    right : ndarray of shape (n_sets, n_words), uint64
        For each set, the codes that go right, as bits.
    """

    first: int
    right: np.ndarray


class BlockRows(NamedTuple):
    """The rows of a block on their way down a tree.

    Attributes
    ----------
    ranges, codes : ndarray
        As :func:`skfme._engine.trees.compiled.coding.code_block` sets them.
    at, active : ndarray of shape (n_block,), uint32
        The node of each row, and the rows that are not at a leaf.
    met : ndarray of shape (n_block + 1,), uint64
        Rows at a node at which some effect may part with them, and below them the node.
    """

    ranges: np.ndarray
    codes: np.ndarray
    at: np.ndarray
    active: np.ndarray
    met: np.ndarray


def rows_for(n_block: int, entries: Entries) -> BlockRows:
    """Made here, as every kind of array that a kernel makes takes a while to compile."""
    n_columns = entries.place.shape[1]
    return BlockRows(
        ranges=np.empty((n_block, n_columns), np.uint64),
        codes=np.empty((n_block, n_columns + len(entries.row)), np.uint32),
        at=np.empty(n_block, np.uint32),
        active=np.empty(n_block, np.uint32),
        met=np.empty(n_block + 1, np.uint64),
    )


@inlined
def branches(forest, number):
    """One tree of a forest."""
    nodes = slice(forest.first[number], forest.first[number + 1])
    return Branches(forest.words[nodes], forest.leaves[nodes], forest.output[number])


@inlined
def column_of(word):
    """The column that a node looks at."""
    return (word >> _COLUMN_AT) & _COLUMN


@inlined
def threshold_of(word):
    """A node's threshold among the cuts of its column, or the number of its set."""
    return word >> _THRESHOLD_AT


@inlined
def goes_right(code, word, categories):
    """Whether a code goes to the right child of a node."""
    if categories is None or column_of(word) < categories.first:
        return code > threshold_of(word)
    bits = categories.right[threshold_of(word), code >> _U(6)]
    return ((bits >> (code & _U(63))) & _ONE) == _ONE


@inlined
def advance(tree, categories, rows, n_active):
    """Take the active rows down one level; list those that some effect may part with.

    Returns
    -------
    n_met : int
    """
    n_met = _ZERO
    for k in range(n_active):
        r = _U(rows.active[_U(k)])
        node = _U(rows.at[r])
        word = tree.words[node]
        column = column_of(word)
        codes = rows.ranges[r, column]
        width = codes & CODE
        right = goes_right(codes >> CODE_AT, word, categories)
        # Below the lowest code this is no small number.
        met = threshold_of(word) - ((codes >> LOW_AT) & CODE) < width
        if categories is not None and column >= categories.first:
            met = width > _ZERO
        rows.at[r] = np.uint32((word & CHILD) + _U(right))
        rows.met[n_met] = (r << MET_AT) | node
        n_met += _U(met)
    return np.int64(n_met)


@inlined
def still_inside(tree, rows, n_active):
    """Keep the active rows that are not at a leaf; return how many."""
    n_inside = _ZERO
    for k in range(n_active):
        r = rows.active[_U(k)]
        rows.active[n_inside] = r
        n_inside += _U(threshold_of(tree.words[_U(rows.at[_U(r)])]) != LEAF)
    return np.int64(n_inside)


@inlined
def add_leaves(tree, rows, margin):
    """Add the leaves that the rows of a block stand at."""
    for r in range(len(margin)):
        for j in range(tree.leaves.shape[1]):
            margin[r, tree.output + j] += tree.leaves[_U(rows.at[r]), j]
