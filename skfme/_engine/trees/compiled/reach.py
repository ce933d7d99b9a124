"""Compiled search for the leaves that mixtures of a row and its stepped version reach.

A mixture takes some features from x and the others from x + h. Walkers go down a tree
level by level; at a node whose two ends part, one walker becomes two, and each notes what
its way demands: that the feature be stepped, or that it be not. What a leaf's value is
worth to whom is counted elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined
from skfme._engine.trees.compiled.descent import (
    CHILD,
    CHILD_BITS,
    column_of,
    goes_right,
    is_inner,
)

__all__ = [
    "MOST_ROWS",
    "Walkers",
    "descend",
    "is_at_leaf",
    "lowest",
    "moved",
    "n_after_of",
    "n_before_of",
    "n_words",
    "pair_codes",
    "row_of",
    "start",
    "walkers_for",
    "word_of",
]

# A walker: its node, its row in the block, and how many players must be stepped and must
# not.
MOST_ROWS, _COUNT_BITS = 2**12, 12
_U = np.uint64
_ROW_AT = _U(CHILD_BITS)
_AFTER_AT, _BEFORE_AT = _U(CHILD_BITS + 12), _U(CHILD_BITS + 12 + _COUNT_BITS)
_ROW, _COUNT = _U(MOST_ROWS - 1), _U(2**_COUNT_BITS - 1)
_ZERO, _ONE, _HALF, _LOW = _U(0), _U(1), _U(32), _U(2**32 - 1)

# The place of a single bit: its product with this number has it in the highest six.
_DE_BRUIJN, _HIGHEST = _U(0x03F79D71B4CB0A89), _U(58)
_PLACES = np.zeros(64, np.int64)
for _place in range(64):
    _PLACES[int(_DE_BRUIJN) * 2**_place % 2**64 >> 58] = _place


class Walkers(NamedTuple):
    """The walkers of a block in one tree; made by :func:`walkers_for`.

    Attributes
    ----------
    words : ndarray of shape (capacity,), uint64
        A walker each.
    after, before : ndarray of shape (capacity,) or (capacity, n_words), uint64
        The players that must be stepped, and that must not, as bits: of one word where
        that holds them, as it mostly does.
    pairs : ndarray of shape (n_block, n_columns), uint64
        A row's codes before the step, and above them those after it.
    """

    words: np.ndarray
    after: np.ndarray
    before: np.ndarray
    pairs: np.ndarray


def walkers_for(n_block: int, n_columns: int, n_players: int, capacity: int) -> Walkers:
    """Room for so many walkers."""
    n_words = -(-n_players // 64)
    shape = (capacity, n_words) if n_words > 1 else (capacity,)
    return Walkers(
        words=np.empty(capacity, np.uint64),
        after=np.empty(shape, np.uint64),
        before=np.empty(shape, np.uint64),
        pairs=np.empty((n_block, n_columns), np.uint64),
    )


@inlined
def pair_codes(codes, place, n_rows, pairs):
    """Put the codes before and after the step into one word for each row and column."""
    for r in range(n_rows):
        for c in range(len(place)):
            pairs[r, c] = _U(codes[r, c]) | (_U(codes[r, place[c]]) << _HALF)


# What numba knows of an array, its dimensions, decides which of the branches is compiled.
@inlined
def n_words(bits):
    """Words of the bits of one walker."""
    return 1 if bits.ndim == 1 else bits.shape[1]


@inlined
def word_of(bits, k, i):
    """A word of the bits of a walker."""
    if bits.ndim == 1:
        return bits[k]
    return bits[k, i]


@inlined
def _set_word(bits, k, i, word):
    if bits.ndim == 1:
        bits[k] = word
    else:
        bits[k, i] = word


@inlined
def _copy(bits, source, target):
    for i in range(n_words(bits)):
        _set_word(bits, target, i, word_of(bits, source, i))


@inlined
def start(walkers, n_rows):
    """A walker for each row, at the root; returns how many there are."""
    for r in range(n_rows):
        walkers.words[r] = _U(r) << _ROW_AT
        for i in range(n_words(walkers.after)):
            _set_word(walkers.after, r, i, _ZERO)
            _set_word(walkers.before, r, i, _ZERO)
    return n_rows


@inlined
def descend(tree, categories, player_of, walkers, n_walkers):
    """Take the walkers down one level; returns how many there are then.

    There must be room for twice as many.
    """
    words, after, before, pairs = walkers
    n = _U(n_walkers)
    for k in range(n_walkers):
        walker = words[_U(k)]
        link, test = tree.links[walker & CHILD], tree.tests[walker & CHILD]
        column, child = column_of(link), link & CHILD
        codes = pairs[(walker >> _ROW_AT) & _ROW, column]
        right = goes_right(codes & _LOW, column, test, categories)
        far = goes_right(codes >> _HALF, column, test, categories)
        kept = walker & ~CHILD
        if right == far:
            words[_U(k)] = kept | (child + _U(right))
            continue
        player = _U(player_of[column])
        place, bit = player >> _U(6), _ONE << (player & _U(63))
        stepped, kept_back = word_of(after, _U(k), place), word_of(before, _U(k), place)
        if stepped & bit:
            words[_U(k)] = kept | (child + _U(far))
        elif kept_back & bit:
            words[_U(k)] = kept | (child + _U(right))
        else:
            words[n] = (kept | (child + _U(far))) + (_ONE << _AFTER_AT)
            words[_U(k)] = (kept | (child + _U(right))) + (_ONE << _BEFORE_AT)
            _copy(after, _U(k), n)
            _copy(before, _U(k), n)
            _set_word(after, n, place, stepped | bit)
            _set_word(before, _U(k), place, kept_back | bit)
            n += _ONE
    return np.int64(n)


@inlined
def is_at_leaf(tree, walker):
    """Whether a walker is at the end of its way."""
    node = walker & CHILD
    return not is_inner(tree.links[node], node)


@inlined
def moved(walkers, source, target):
    """Put a walker into another's place."""
    walkers.words[target] = walkers.words[source]
    _copy(walkers.after, source, target)
    _copy(walkers.before, source, target)


@inlined
def row_of(walker):
    """The row of a walker in its block."""
    return (walker >> _ROW_AT) & _ROW


@inlined
def n_after_of(walker):
    """Players that must be stepped."""
    return (walker >> _AFTER_AT) & _COUNT


@inlined
def n_before_of(walker):
    """Players that must not be stepped."""
    return (walker >> _BEFORE_AT) & _COUNT


@inlined
def lowest(bits):
    """The place of the lowest bit of a word that has one."""
    return _PLACES[((bits & (~bits + _ONE)) * _DE_BRUIJN) >> _HIGHEST]
