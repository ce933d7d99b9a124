"""Compiled descent: how the rows of a block go down one tree, level by level.

Nodes are two words, and rows go down on *codes*: the code of a value is the number of
cuts of its column below it, so that every comparison is of integers and exactly the
model's own. No branch of the program depends on a value. What the steps do on the way
lives in :mod:`~skfme._engine.trees.compiled.kernels` and
:mod:`~skfme._engine.trees.compiled.jumps`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.coding import (
    COARSE,
    CODE,
    CODE_AT,
    CODE_BITS,
    HIGH_AT,
    Entries,
)
from skfme._engine.trees.compiled.decorators import inlined

__all__ = [
    "CHILD",
    "CHILD_BITS",
    "COLUMN_AT",
    "LEAF",
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
    "is_inner",
    "node_of",
    "row_of",
    "rows_for",
    "start_rows",
    "still_inside",
    "stopped",
    "threshold_of",
]

# A node's link is the position of its left child within the tree (a leaf's own), and the
# column it looks at. Its test is one more than its threshold among the column's cuts
# (or, for a categorical column, than the number of its set), once beside each of the codes
# that it is subtracted from; at a leaf, more than any code. Halves of words cost no
# instruction to take.
CHILD_BITS, COLUMN_AT = 28, 32
MOST_NODES, MOST_COLUMNS = 2**CHILD_BITS, 2**15
MOST_CODES = 2**CODE_BITS - 1

_U = np.uint64
CHILD, LEAF = _U(MOST_NODES - 1), _U(MOST_CODES - 1)
_HALF, _HALF_AT = _U(2**32 - 1), _U(32)
_OWN_GUARD, _HIGHEST = _U(2 * CODE_BITS), _U(63)
_LOW_TO_HIGH = _U(CODE_BITS + CODE_BITS + 1)
_ZERO, _ONE = _U(0), _U(1)


class Forest(NamedTuple):
    """An ensemble's trees, one after the other.

    Attributes
    ----------
    links, tests : ndarray of shape (n_nodes,), uint64
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

    links: np.ndarray
    tests: np.ndarray
    leaves: np.ndarray
    first: np.ndarray
    depth: np.ndarray
    output: np.ndarray
    thin_out: np.ndarray


class Branches(NamedTuple):
    """One tree of a forest: its part of the nodes and leaves, and its output."""

    links: np.ndarray
    tests: np.ndarray
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
    at : ndarray of shape (n_block,), uint32
        The node of each row that is at the end of its way.
    active : ndarray of shape (n_block,), uint64
        Rows that are not there, and below them their node.
    met : ndarray of shape (n_block + 1,), uint64
        Those at a node at which some effect may part with them.
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
        active=np.empty(n_block, np.uint64),
        met=np.empty(n_block + 1, np.uint64),
    )


@inlined
def branches(forest, number):
    """One tree of a forest."""
    nodes = slice(forest.first[number], forest.first[number + 1])
    links, tests = forest.links[nodes], forest.tests[nodes]
    return Branches(links, tests, forest.leaves[nodes], forest.output[number])


@inlined
def column_of(link):
    """The column that a node looks at."""
    return link >> _HALF_AT


@inlined
def is_inner(link, node):
    """Whether a node has children."""
    return (link & CHILD) != node


@inlined
def threshold_of(test):
    """A node's threshold among the cuts of its column, or the number of its set."""
    return ((test >> CODE_AT) & CODE) - _ONE


@inlined
def goes_right(code, column, test, categories):
    """Whether a code goes to the right child of a node."""
    if categories is None or column < categories.first:
        return code >= (test >> CODE_AT) & CODE
    bits = categories.right[threshold_of(test), code >> _U(6)]
    return ((bits >> (code & _U(63))) & _ONE) == _ONE


@inlined
def row_of(active):
    """The row of a block on its way down."""
    return active >> _HALF_AT


@inlined
def node_of(active):
    """Where it is."""
    return active & _HALF


@inlined
def start_rows(rows, n_rows):
    """Put all rows of a block at the root."""
    for r in range(n_rows):
        rows.active[r] = _U(r) << _HALF_AT


@inlined
def advance(tree, categories, rows, n_active):
    """Take the active rows down one level; list those that some effect may part with.

    Returns
    -------
    n_met : int
    """
    n_met = _ZERO
    for k in range(n_active):
        active = rows.active[_U(k)]
        r, node = row_of(active), node_of(active)
        link, test = tree.links[node], tree.tests[node]
        column = column_of(link)
        codes = rows.ranges[r, column]
        guards = codes - test
        right = (guards >> _OWN_GUARD) & _ONE
        met = (guards ^ (guards << _LOW_TO_HIGH)) >> _HIGHEST
        if categories is not None and column >= categories.first:
            own = (codes >> CODE_AT) & CODE
            right = _U(goes_right(own, column, test, categories))
            met = _U((codes & COARSE) != (codes >> HIGH_AT) & COARSE)
        rows.active[_U(k)] = (active - node) + ((link & _HALF) + right)
        rows.met[n_met] = active
        n_met += met
    return np.int64(n_met)


@inlined
def still_inside(tree, rows, n_active):
    """Keep the active rows that are not at a leaf; return how many."""
    n_inside = _ZERO
    for k in range(n_active):
        active = rows.active[_U(k)]
        node = node_of(active)
        rows.at[row_of(active)] = np.uint32(node)
        rows.active[n_inside] = active
        n_inside += _U(is_inner(tree.links[node], node))
    return np.int64(n_inside)


@inlined
def stopped(rows, n_active):
    """Note where the last active rows are."""
    for k in range(n_active):
        active = rows.active[_U(k)]
        rows.at[row_of(active)] = np.uint32(node_of(active))


@inlined
def add_leaves(tree, rows, margin):
    """Add the leaves that the rows of a block stand at."""
    for r in range(len(margin)):
        for j in range(tree.leaves.shape[1]):
            margin[r, tree.output + j] += tree.leaves[_U(rows.at[r]), j]
