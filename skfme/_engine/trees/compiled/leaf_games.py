"""Compiled Shapley values of a joint step in a sum of trees, leaf by leaf.

To the coalition T of stepped features a leaf adds its value where T holds all of A and
none of B (see :mod:`skfme._engine.trees.compiled.reach`). With a and b their numbers, its
game's Shapley value is value / (a C(a + b, a)) for each of A, and −value / (b C(a + b, b))
for each of B; no coalition is predicted. Of responses behind a link the margins of all
coalitions are summed up instead, by transforms over subsets.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import binom

from skfme._engine.trees.compiled.decorators import inlined, kernel
from skfme._engine.trees.compiled.descent import CHILD, branches
from skfme._engine.trees.compiled.reach import (
    Walkers,
    descend,
    is_at_leaf,
    lowest,
    moved,
    n_after_of,
    n_before_of,
    n_words,
    pair_codes,
    row_of,
    start,
    walkers_for,
    word_of,
)

__all__ = ["GameScratch", "add_parts", "scratch_for", "shares_for", "sum_coalitions"]

_U = np.uint64


class GameScratch(NamedTuple):
    """What the kernels write to, and the shares of a leaf's value.

    Attributes
    ----------
    walkers : Walkers
    shares : ndarray of shape (most + 1, most + 1, 2)
        By a and b: what each of A gets, and each of B.
    pair_shares : ndarray of shape (most + 1, most + 1, 3)
        By a and b: what two of A get, two of B, and one of either.
    players : ndarray of shape (2 * most,), int64
        Those of one leaf: of A, and then of B.
    n_players : int
    """

    walkers: Walkers
    shares: np.ndarray
    pair_shares: np.ndarray
    players: np.ndarray
    n_players: int


def shares_for(most: int) -> tuple[np.ndarray, np.ndarray]:
    """The shares of at most so many players, and those of pairs."""
    a, b = np.meshgrid(np.arange(most + 1.0), np.arange(most + 1.0), indexing="ij")
    with np.errstate(divide="ignore", invalid="ignore"):
        single = [1 / (a * binom(a + b, a)), -1 / (b * binom(a + b, b))]
        double = [
            1 / ((a - 1) * binom(a + b - 1, a - 1)),
            1 / ((b - 1) * binom(a + b - 1, b - 1)),
            -1 / ((a + b - 1) * binom(a + b - 2, a - 1)),
        ]
    shares, pair_shares = (
        np.nan_to_num(np.stack(each, axis=-1), posinf=0.0, neginf=0.0)
        for each in (single, double)
    )
    return shares, pair_shares


def scratch_for(
    n_block: int, n_columns: int, deepest: int, n_players: int, capacity: int
) -> GameScratch:
    """For blocks of at most so many rows, and trees of fewer than so many levels."""
    most = min(deepest, n_players)
    return GameScratch(
        walkers_for(n_block, n_columns, n_players, capacity),
        *shares_for(most),
        players=np.empty(2 * most, np.int64),
        n_players=n_players,
    )


@inlined
def _share(tree, leaf, bits, first, share, parts):
    """Add a share of a leaf's value to the part of each player of a word of bits."""
    while bits:
        player = first + lowest(bits)
        bits &= bits - _U(1)
        for j in range(tree.leaves.shape[1]):
            parts[player, tree.output + j] += share * tree.leaves[leaf, j]


@inlined
def _players(bits, first, players, n):
    """List the players of a word of bits; returns how many are listed then."""
    while bits:
        players[n] = first + lowest(bits)
        bits &= bits - _U(1)
        n += 1
    return n


@inlined
def _share_pairs(tree, leaf, walkers, k, scratch, n_after, n_before, interactions):
    """Add a leaf's value, shared among the pairs of whom it demands something."""
    players, n_players, n = scratch.players, scratch.n_players, 0
    shares = scratch.pair_shares[n_after, n_before]
    for i in range(n_words(walkers.after)):
        n = _players(word_of(walkers.after, k, i), 64 * i, players, n)
    n_stepped = n
    for i in range(n_words(walkers.before)):
        n = _players(word_of(walkers.before, k, i), 64 * i, players, n)
    for second in range(n):
        for first in range(second):
            i = min(players[first], players[second])
            j = max(players[first], players[second])
            kind = 0 if second < n_stepped else 1 if first >= n_stepped else 2
            pair = i * n_players - (i * (i + 1)) // 2 + j - i - 1
            for o in range(tree.leaves.shape[1]):
                value = shares[kind] * tree.leaves[leaf, o]
                interactions[pair, tree.output + o] += value


@inlined
def _share_leaves(tree, scratch, n_walkers, parts, interactions):
    """Share the leaves that walkers have come to; returns how many are left."""
    walkers, shares = scratch.walkers, scratch.shares
    n_left = 0
    for k in range(n_walkers):
        walker = walkers.words[_U(k)]
        if not is_at_leaf(tree, walker):
            moved(walkers, _U(k), _U(n_left))
            n_left += 1
            continue
        leaf, r = walker & CHILD, row_of(walker)
        a, b = n_after_of(walker), n_before_of(walker)
        to_after, to_before = shares[a, b, 0], shares[a, b, 1]
        for i in range(n_words(walkers.after)):
            after = word_of(walkers.after, _U(k), i)
            before = word_of(walkers.before, _U(k), i)
            _share(tree, leaf, after, 64 * i, to_after, parts[r])
            _share(tree, leaf, before, 64 * i, to_before, parts[r])
        if interactions.shape[1] > 0 and a + b > _U(1):
            _share_pairs(tree, leaf, walkers, _U(k), scratch, a, b, interactions[r])
    return n_left


@kernel
def add_parts(
    forest, categories, codes, place, player_of, scratch, parts, interactions
):
    """Shapley values of a block of rows.

    Parameters
    ----------
    forest, categories
        As in :func:`skfme._engine.trees.compiled.kernels.walk`.
    codes : ndarray of shape (n_block, n_columns + n_entries), uint32
        As :func:`skfme._engine.trees.compiled.coding.code_block` sets them.
    place : ndarray of shape (n_columns,), int64
        Where the code of a column after the step is.
    player_of : ndarray of shape (n_columns,), int64
        Who changes a column.
    scratch : GameScratch
    parts : ndarray of shape (n_rows, n_players, n_outputs)
        Added to.
    interactions : ndarray of shape (n_rows, n_pairs, n_outputs)
        Added to; pairs (0, 1), (0, 2), …. Without any pair it is left alone.

    Returns
    -------
    done : bool
        Whether there was room for all walkers; else what was added is of no use.
    """
    walkers, level = scratch.walkers, 0
    pair_codes(codes, place, len(parts), walkers.pairs)
    for number in range(len(forest.depth)):
        tree, n_walkers = branches(forest, number), start(walkers, len(parts))
        for _ in range(forest.depth[number]):
            if 2 * n_walkers > len(walkers.words):
                return False
            n_walkers = descend(tree, categories, player_of, walkers, n_walkers)
            if forest.thin_out[level]:
                n_walkers = _share_leaves(tree, scratch, n_walkers, parts, interactions)
            level += 1
        _share_leaves(tree, scratch, n_walkers, parts, interactions)
    return True


@inlined
def _add_subsets(table, fixed, others, tree, leaf):
    """Add a leaf to `fixed` joined with every subset of `others`, with alternating signs."""
    leaves, subset = tree.leaves, others
    while True:
        bits, odd = subset, False
        while bits:
            bits, odd = bits & (bits - _U(1)), not odd
        for j in range(leaves.shape[1]):
            value = leaves[leaf, j]
            table[fixed | subset, tree.output + j] += -value if odd else value
        if not subset:
            break
        subset = (subset - _U(1)) & others


@inlined
def _tabulate_leaves(tree, walkers, n_walkers, margins, excluded):
    """Enter the leaves that walkers have come to; returns how many are left."""
    n_left = 0
    for k in range(n_walkers):
        walker = walkers.words[_U(k)]
        if not is_at_leaf(tree, walker):
            moved(walkers, _U(k), _U(n_left))
            n_left += 1
            continue
        leaf, r = walker & CHILD, row_of(walker)
        after = word_of(walkers.after, _U(k), 0)
        before = word_of(walkers.before, _U(k), 0)
        if n_before_of(walker) <= n_after_of(walker):
            _add_subsets(margins[r], after, before, tree, leaf)
        else:
            _add_subsets(excluded[r], before, after, tree, leaf)
    return n_left


@inlined
def _sum_subsets(table, n_players):
    """Replace each entry by the sum over its subsets."""
    for player in range(n_players):
        bit = 1 << player
        for coalition in range(len(table)):
            if coalition & bit:
                for o in range(table.shape[1]):
                    table[coalition, o] += table[coalition ^ bit, o]


@kernel
def sum_coalitions(
    forest, categories, codes, place, player_of, scratch, margins, excluded
):
    """Margins of every coalition, without the base, of a block of rows.

    With A all in T and B all out of it as products of 1 and −1 over subsets, each leaf is
    a few entries of one of two tables, and the sums over subsets of both are the margins.

    Parameters
    ----------
    forest, categories, codes, place, player_of, scratch
        As in :func:`add_parts`.
    margins : ndarray of shape (n_rows, 2 ** n_players, n_outputs)
        Zeros, to be filled; player p is the bit of value 2 ** p.
    excluded : ndarray of the same shape
        Zeros; of no use afterwards.

    Returns
    -------
    done : bool
        As in :func:`add_parts`.
    """
    walkers, level, full = scratch.walkers, 0, margins.shape[1] - 1
    pair_codes(codes, place, len(margins), walkers.pairs)
    for number in range(len(forest.depth)):
        tree, n_walkers = branches(forest, number), start(walkers, len(margins))
        for _ in range(forest.depth[number]):
            if 2 * n_walkers > len(walkers.words):
                return False
            n_walkers = descend(tree, categories, player_of, walkers, n_walkers)
            if forest.thin_out[level]:
                n_walkers = _tabulate_leaves(
                    tree, walkers, n_walkers, margins, excluded
                )
            level += 1
        _tabulate_leaves(tree, walkers, n_walkers, margins, excluded)
    for r in range(len(margins)):
        _sum_subsets(margins[r], scratch.n_players)
        _sum_subsets(excluded[r], scratch.n_players)
        for coalition in range(full + 1):
            for o in range(margins.shape[2]):
                margins[r, coalition, o] += excluded[r, full ^ coalition, o]
    return True
