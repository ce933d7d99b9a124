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
    lines_of_rows,
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
    "lists_of",
    "tree_of",
    "walk_small",
    "without_first",
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
    leaves : ndarray of shape (n_leaves * width,)
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
    codes : ndarray of shape (n_words, n_columns + n_entries, 64), uint8 or uint16
    below : ndarray of shape (n_lines * 64,), uint8
        The leaf that each row reaches below a node, or is led to.
    right : ndarray of shape (MOST_LEAVES,), uint64
        The rows that go right at each node.
    reached : ndarray of shape (n_reached,), uint64
        Those that reach the node of a line.
    parted : ndarray of shape (3, n_parted + 2), uint64
        Rows that an effect parts with, those that it sends right, and two lines and the
        effect; and what is read beyond the last.
    margin : ndarray of shape (n_outputs, 64)
    changes : ndarray of shape (n_effects * n_outputs * 64,)
    """

    codes: np.ndarray
    below: np.ndarray
    right: np.ndarray
    reached: np.ndarray
    parted: np.ndarray
    margin: np.ndarray
    changes: np.ndarray


def words_for(
    shape: tuple[int, int],
    code: np.dtype,
    lines: Sequence[int],
    n_effects: int,
    n_outputs: int,
) -> Words:
    """For so many rows, and codes of so many columns and entries.

    `code` is the narrowest type of the codes. `lines` are how many a tree needs most of
    those `below` and of those `reached`, beyond its own, and of those `parted`.
    """
    (n_rows, n_places), (n_again, n_reached, n_parted) = shape, lines
    below = lines_of_rows((AGAIN + n_again, WORD_ROWS), np.uint8)
    below[:MOST_LEAVES] = np.arange(MOST_LEAVES, dtype=np.uint8)[:, None]
    codes = lines_of_rows((-(-n_rows // WORD_ROWS), n_places, WORD_ROWS), code)
    codes.fill(0)
    return Words(
        codes=codes,
        below=below.ravel(),
        right=np.empty(MOST_LEAVES, np.uint64),
        reached=np.empty(AGAIN + n_reached, np.uint64),
        parted=np.empty((3, n_parted + 2), np.uint64),
        margin=lines_of_rows((n_outputs, WORD_ROWS), float),
        changes=lines_of_rows((n_effects * n_outputs * WORD_ROWS,), float),
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
def tree_of(trees, width, number):
    """One of the trees."""
    first, last = trees.first_leaf[number], trees.first_leaf[number + 1]
    leaves = trees.leaves[first * width : last * width]
    nodes = trees.nodes[trees.first[number] : trees.first[number + 1]]
    root = (_INNER if len(nodes) else _ZERO) << _ROWS_BITS
    return SmallTree(nodes, leaves, trees.output[number], root)


@inlined
def add_own_leaves(tree, width, words):
    """Add the rows' own leaves to their margins."""
    leaves, below, output = tree.leaves, words.below, tree.output
    for j in range(width):
        margin = words.margin[output + j]
        for r in range(WORD_ROWS):
            leaf = _U(below[tree.root + _U(r)])
            margin[r] += leaves[leaf * _U(width) + _U(j)]


@inlined
def lists_of(words):
    """The three lines of `Words.parted`."""
    return words.parted[0], words.parted[1], words.parted[2]


@inlined
def _part(crossed, tree, codes, words):
    """List the rows that effects part with in a tree; how many words there are."""
    below, reached = words.below, words.reached
    parted, parted_right, parted_ends = lists_of(words)
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
        parted[n], parted_right[n], parted_ends[n] = rows, _ZERO, ends
        n += _U(rows != _ZERO)
    for k in range(first[2], last[2]):
        place, test, _, _ = fields(crossed.alone[_U(k), 0])
        ends = crossed.alone[_U(k), 1]
        own, rows = ends >> _U(3 * FIELD_BITS), at_least(codes, place, test)
        parted_right[n], parted_ends[n] = rows, ends
        rows = reached[own] & (rows ^ words.right[own - _INNER])
        parted[n] = rows
        n += _U(rows != _ZERO)
    return n


@inlined
def without_first(rows, following):
    """A word without its lowest row, or the next one where nothing is left; and whether.

    Without a branch, as how many rows a word has cannot be foreseen.
    """
    rows &= rows - _ONE
    spent = _U(rows == _ZERO)
    return rows | (following & (_ZERO - spent)), spent


@inlined
def _add_changes(tree, width, n_outputs, words, n_parted):
    """Add to each effect what the leaves that it leads to differ from the rows' own."""
    below, changes = words.below, words.changes
    parted, parted_right, parted_ends = lists_of(words)
    leaves, output, root = tree.leaves, tree.output, tree.root
    k, rows, following = _ZERO, parted[_ZERO], parted[_ONE]
    while k < n_parted:
        r, right, ends = first_row(rows), parted_right[k], parted_ends[k]
        rows, spent = without_first(rows, following)
        k += spent
        following = parted[k + _ONE]
        _, _, e, _ = fields(ends)
        line = (ends >> (((right >> r) & _ONE) * _U(FIELD_BITS))) & _FIELD
        after, before = below[(line << _ROWS_BITS) + r], below[root + r]
        after, before = _U(after) * _U(width), _U(before) * _U(width)
        at = ((e * _U(n_outputs) + _U(output)) << _ROWS_BITS) + r
        for j in range(width):
            change = leaves[after + _U(j)] - leaves[before + _U(j)]
            changes[at + (_U(j) << _ROWS_BITS)] += change


@kernel
def walk_small(trees, width, crossed, words, rows, margin, delta):
    """Margins of a block of rows, and what each effect changes of them.

    Parameters
    ----------
    trees : SmallTrees
    width : int or None
        Of a leaf; None where there is one output, for which less is compiled, and faster.
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
    n_outputs = len(sums)
    for word in range(0, n_rows, WORD_ROWS):
        codes = words.codes[word >> ROWS_BITS]
        sums[:], changes[:] = 0.0, 0.0
        for number in range(len(trees.output)):
            tree = tree_of(trees, 1 if width is None else width, number)
            ask_all(tree.nodes, codes, words)
            n_parted = _part(crossed, number, codes, words)
            if width is None:
                add_own_leaves(tree, 1, words)
                _add_changes(tree, 1, 1, words, n_parted)
            else:
                add_own_leaves(tree, width, words)
                _add_changes(tree, width, n_outputs, words, n_parted)
        n_here, first = min(n_rows - word, WORD_ROWS), start + word
        for o in range(n_outputs):
            for r in range(n_here):
                margin[first + r, o] += sums[o, r]
            for e in range(len(delta)):
                here = (e * n_outputs + o) << ROWS_BITS
                for r in range(n_here):
                    delta[e, first + r, o] = changes[here + r]
