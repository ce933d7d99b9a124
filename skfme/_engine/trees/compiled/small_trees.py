"""Compiled walk through small trees, 64 rows at a time.

Of a tree of up to 256 leaves every node is asked, for 64 rows in a few instructions: from
the bottom up, the leaf that a row would reach below a node is that below its left child or
its right one. At the root this is the row's own leaf, and below a node on a stepped column
that of the stepped row as well: its other child's. Only where the column is asked again
further down, the nodes in between are asked again. What a step costs beyond comparisons is
the rows that it leads to another leaf.

Large trees and categories are walked row by row
(:mod:`~skfme._engine.trees.compiled.kernels`), as most of their nodes are asked in vain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined, kernel
from skfme._engine.trees.compiled.row_words import (
    ROWS_BITS,
    WORD_ROWS,
    at_least,
    differ,
    first_row,
    pick,
)

__all__ = [
    "AGAIN",
    "FIELD_BITS",
    "INNER",
    "MOST_FIELD",
    "MOST_LEAVES",
    "Crossed",
    "SmallTrees",
    "Words",
    "add_own_leaves",
    "ask_all",
    "fields",
    "tree_of",
    "walk_small",
    "words_for",
]

# Lines of `Words.below`: a tree's leaves, its inner nodes, and nodes asked again.
MOST_LEAVES = 256
INNER, AGAIN = MOST_LEAVES, 2 * MOST_LEAVES
# Four fields are a word.
FIELD_BITS = 16
MOST_FIELD = 2**FIELD_BITS - 1

_U = np.uint64
_FIELD, _ROWS_BITS = _U(MOST_FIELD), _U(ROWS_BITS)
_ZERO, _ONE, _EVERY = _U(0), _U(1), _U(2**64 - 1)
_INNER = _U(INNER)


class SmallTrees(NamedTuple):
    """Trees one after the other, inner nodes apart from leaves.

    Attributes
    ----------
    nodes : ndarray of shape (n_nodes,), uint64
        Inner nodes, parents first: the column, the lowest code that goes right, and the
        lines of the right child and of the left one.
    first, first_leaf : ndarray of shape (n_trees + 1,), int64
        Where the nodes and the leaves of each tree start.
    leaves : ndarray of shape (n_leaves, width)
    output : ndarray of shape (n_trees,), int64
    """

    nodes: np.ndarray
    first: np.ndarray
    first_leaf: np.ndarray
    leaves: np.ndarray
    output: np.ndarray


class SmallTree(NamedTuple):
    """One of them; `root` is where the leaves below its root start."""

    nodes: np.ndarray
    leaves: np.ndarray
    output: int
    root: np.uint64


class Crossed(NamedTuple):
    """The nodes at which effects may part with a row, tree by tree.

    Attributes
    ----------
    again : ndarray of shape (n_again,), uint64
        Nodes that are asked again, as in :class:`SmallTrees`, children first; they have
        the lines from `AGAIN` on.
    upper : ndarray of shape (n_upper,), uint64
        Of those, the uppermost on an effect's columns: the line, its own once more, the
        effect, and the line of the node itself.
    alone : ndarray of shape (n_alone, 2), uint64
        Nodes below and above which an effect's columns are not asked: as in `again`, and
        the lines of the left child and the right one, the effect, and the node's own.
    first : ndarray of shape (n_trees + 1, 3), int64
        Where those of each tree start.
    """

    again: np.ndarray
    upper: np.ndarray
    alone: np.ndarray
    first: np.ndarray


class Words(NamedTuple):
    """What the walk writes to; made by :func:`words_for`.

    Attributes
    ----------
    codes : ndarray of shape (n_words, n_columns + n_entries, 64), uint16
    below : ndarray of shape (n_lines * 64,), uint8
        The leaf that each row reaches below a node, or is led to.
    right : ndarray of shape (MOST_LEAVES,), uint64
        The rows that go right at each node.
    reached : ndarray of shape (n_reached,), uint64
        Those that reach the node of a line.
    parted : ndarray of shape (n_parted, 3), uint64
        Rows that an effect parts with, those that it sends right, and two lines and the
        effect.
    margin : ndarray of shape (64, n_outputs)
    changes : ndarray of shape (n_effects, n_outputs, 64)
    """

    codes: np.ndarray
    below: np.ndarray
    right: np.ndarray
    reached: np.ndarray
    parted: np.ndarray
    margin: np.ndarray
    changes: np.ndarray


def words_for(
    n_rows: int, n_places: int, lines: Sequence[int], n_effects: int, n_outputs: int
) -> Words:
    """For so many rows, and codes of so many columns and entries.

    `lines` are how many a tree needs most of those `below` and of those `reached`, beyond
    its own, and of those `parted`.
    """
    n_again, n_reached, n_parted = lines
    below = np.zeros((AGAIN + n_again, WORD_ROWS), np.uint8)
    below[:MOST_LEAVES] = np.arange(MOST_LEAVES, dtype=np.uint8)[:, None]
    return Words(
        codes=np.zeros((-(-n_rows // WORD_ROWS), n_places, WORD_ROWS), np.uint16),
        below=below.ravel(),
        right=np.empty(MOST_LEAVES, np.uint64),
        reached=np.empty(AGAIN + n_reached, np.uint64),
        parted=np.empty((n_parted, 3), np.uint64),
        margin=np.empty((WORD_ROWS, n_outputs)),
        changes=np.empty((n_effects, n_outputs, WORD_ROWS)),
    )


@inlined
def fields(word):
    """The four fields of a word."""
    bits = _U(FIELD_BITS)
    low, high = word & _FIELD, (word >> (bits + bits)) & _FIELD
    return low, (word >> bits) & _FIELD, high, word >> (bits + bits + bits)


@inlined
def ask_all(nodes, codes, words):
    """Ask every node of a tree; set the leaves below each, and who reaches it."""
    right, reached, n = words.right, words.reached, len(nodes)
    for i in range(n - 1, -1, -1):
        column, test, there, elsewhere = fields(nodes[_U(i)])
        rows = at_least(codes, column, test)
        right[_U(i)] = rows
        pick(words.below, _INNER + _U(i), rows, there, elsewhere)
    reached[_INNER] = _EVERY
    for i in range(n):
        _, _, there, elsewhere = fields(nodes[_U(i)])
        rows, here = right[_U(i)], reached[_INNER + _U(i)]
        reached[there], reached[elsewhere] = here & rows, here & ~rows


@inlined
def tree_of(trees, number):
    """One of the trees."""
    leaves = slice(trees.first_leaf[number], trees.first_leaf[number + 1])
    nodes = trees.nodes[trees.first[number] : trees.first[number + 1]]
    root = (_INNER if len(nodes) else _ZERO) << _ROWS_BITS
    return SmallTree(nodes, trees.leaves[leaves], trees.output[number], root)


@inlined
def add_own_leaves(tree, words):
    """Add the rows' own leaves to their margins."""
    leaves, below, margin = tree.leaves, words.below, words.margin
    for r in range(WORD_ROWS):
        for j in range(leaves.shape[1]):
            margin[r, tree.output + j] += leaves[_U(below[tree.root + _U(r)]), j]


@inlined
def _part(crossed, tree, codes, words):
    """List the rows that effects part with in a tree; how many words there are."""
    below, reached, parted = words.below, words.reached, words.parted
    first, last = crossed.first[tree], crossed.first[tree + 1]
    for k in range(first[0], last[0]):
        place, test, there, elsewhere = fields(crossed.again[_U(k)])
        rows = at_least(codes, place, test)
        pick(below, _U(AGAIN + k - first[0]), rows, there, elsewhere)
    n = _ZERO
    for k in range(first[1], last[1]):
        ends = crossed.upper[_U(k)]
        line, _, _, own = fields(ends)
        rows = reached[own] & differ(below, line, own)
        parted[n, 0], parted[n, 1], parted[n, 2] = rows, _ZERO, ends
        n += _U(rows != _ZERO)
    for k in range(first[2], last[2]):
        place, test, _, _ = fields(crossed.alone[_U(k), 0])
        ends = crossed.alone[_U(k), 1]
        own, rows = ends >> _U(3 * FIELD_BITS), at_least(codes, place, test)
        parted[n, 1], parted[n, 2] = rows, ends
        rows = reached[own] & (rows ^ words.right[own - _INNER])
        parted[n, 0] = rows
        n += _U(rows != _ZERO)
    return np.int64(n)


@inlined
def _add_changes(tree, words, n_parted):
    """Add to each effect what the leaves that it leads to differ from the rows' own."""
    below, changes, parted = words.below, words.changes, words.parted
    leaves, output, root = tree.leaves, tree.output, tree.root
    for k in range(n_parted):
        rows, right, ends = parted[_U(k), 0], parted[_U(k), 1], parted[_U(k), 2]
        _, _, e, _ = fields(ends)
        while rows != _ZERO:
            r = first_row(rows)
            rows &= rows - _ONE
            line = (ends >> (((right >> r) & _ONE) * _U(FIELD_BITS))) & _FIELD
            after, before = below[(line << _ROWS_BITS) + r], below[root + r]
            for j in range(leaves.shape[1]):
                change = leaves[_U(after), j] - leaves[_U(before), j]
                changes[e, output + j, r] += change


@kernel
def walk_small(trees, crossed, words, rows, margin, delta):
    """Margins of a block of rows, and what each effect changes of them.

    Parameters
    ----------
    trees : SmallTrees
    crossed : Crossed
    words : Words
        With the codes of the block.
    rows : tuple of (int, int)
        How many the block has, and where it starts among all rows.
    margin : ndarray of shape (n_all_rows, n_outputs)
        Added to.
    delta : ndarray of shape (n_effects, n_all_rows, n_outputs)
        Set.
    """
    (n_rows, start), sums, changes = rows, words.margin, words.changes
    for word in range(0, n_rows, WORD_ROWS):
        codes = words.codes[word >> ROWS_BITS]
        sums[:], changes[:] = 0.0, 0.0
        for number in range(len(trees.output)):
            tree = tree_of(trees, number)
            ask_all(tree.nodes, codes, words)
            add_own_leaves(tree, words)
            n_parted = _part(crossed, number, codes, words)
            _add_changes(tree, words, n_parted)
        n_here, first = min(n_rows - word, WORD_ROWS), start + word
        for o in range(sums.shape[1]):
            for r in range(n_here):
                margin[first + r, o] += sums[r, o]
            for e in range(len(delta)):
                for r in range(n_here):
                    delta[e, first + r, o] = changes[e, o, r]
