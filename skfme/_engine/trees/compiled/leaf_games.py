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
from skfme._engine.trees.compiled.descent import branches
from skfme._engine.trees.compiled.reach import (
    AFTER,
    Search,
    next_leaf,
    pair_codes,
    restart,
    search_for,
)

__all__ = ["GameScratch", "add_parts", "scratch_for", "sum_coalitions"]


class GameScratch(NamedTuple):
    """What the kernels write to, and the shares of a leaf's value.

    Attributes
    ----------
    pairs : ndarray of shape (n_block, n_columns), uint64
    search : Search
    shares : ndarray of shape (most + 1, most + 1, 2)
        By a and b: what each of A gets, and each of B.
    pair_shares : ndarray of shape (most + 1, most + 1, 3)
        By a and b: what two of A get, two of B, and one of either.
    """

    pairs: np.ndarray
    search: Search
    shares: np.ndarray
    pair_shares: np.ndarray


def scratch_for(
    n_block: int, n_columns: int, deepest: int, n_players: int
) -> GameScratch:
    """For blocks of at most so many rows."""
    most = min(deepest, n_players)
    a, b = np.meshgrid(np.arange(most + 1.0), np.arange(most + 1.0), indexing="ij")
    with np.errstate(divide="ignore", invalid="ignore"):
        single = [1 / (a * binom(a + b, a)), -1 / (b * binom(a + b, b))]
        double = [
            1 / ((a - 1) * binom(a + b - 1, a - 1)),
            1 / ((b - 1) * binom(a + b - 1, b - 1)),
            -1 / ((a + b - 1) * binom(a + b - 2, a - 1)),
        ]
    return GameScratch(
        pairs=np.empty((n_block, n_columns), np.uint64),
        search=search_for(deepest, n_players),
        shares=np.nan_to_num(np.stack(single, axis=-1), posinf=0.0, neginf=0.0),
        pair_shares=np.nan_to_num(np.stack(double, axis=-1), posinf=0.0, neginf=0.0),
    )


@inlined
def _share(tree, leaf, search, shares, n_demands, n_after, parts):
    """Add a leaf's value, shared among the players of whom it demands something."""
    demand, side, leaves = search.demand, search.side, tree.leaves
    to_after = shares[n_after, n_demands - n_after, 0]
    to_before = shares[n_after, n_demands - n_after, 1]
    for k in range(n_demands):
        player = demand[k]
        share = to_after if side[player] == AFTER else to_before
        for j in range(leaves.shape[1]):
            parts[player, tree.output + j] += share * leaves[leaf, j]


@inlined
def _share_pairs(tree, leaf, search, shares, n_demands, n_after, interactions):
    """The same for every two of them."""
    demand, side, leaves = search.demand, search.side, tree.leaves
    by_number = shares[n_after, n_demands - n_after]
    n_players = len(side)
    for k in range(n_demands):
        for m in range(k):
            i, j = min(demand[k], demand[m]), max(demand[k], demand[m])
            n_stepped = np.int64(side[i] == AFTER) + np.int64(side[j] == AFTER)
            share = by_number[0 if n_stepped == 2 else 1 if n_stepped == 0 else 2]
            pair = i * n_players - (i * (i + 1)) // 2 + j - i - 1
            for o in range(leaves.shape[1]):
                interactions[pair, tree.output + o] += share * leaves[leaf, o]


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
    """
    search, pairs, shares = scratch.search, scratch.pairs, scratch.shares
    pair_codes(codes, place, len(parts), pairs)
    n_demands, n_after = 0, 0
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        for r in range(len(parts)):
            height = restart(search)
            while height > 0:
                leaf, height, n_demands, n_after = next_leaf(
                    tree,
                    categories,
                    pairs,
                    r,
                    player_of,
                    search,
                    height,
                    n_demands,
                    n_after,
                )
                if n_demands > 0:
                    _share(tree, leaf, search, shares, n_demands, n_after, parts[r])
                if n_demands > 1 and interactions.shape[1] > 0:
                    _share_pairs(
                        tree,
                        leaf,
                        search,
                        scratch.pair_shares,
                        n_demands,
                        n_after,
                        interactions[r],
                    )


@inlined
def _add_subsets(table, start, others, tree, leaf):
    """Add a leaf to `start` joined with every subset of `others`, with alternating signs."""
    leaves, subset = tree.leaves, others
    while True:
        bits, odd = subset, False
        while bits:
            bits, odd = bits & (bits - 1), not odd
        for j in range(leaves.shape[1]):
            value = leaves[leaf, j]
            table[start | subset, tree.output + j] += -value if odd else value
        if subset == 0:
            break
        subset = (subset - 1) & others


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
    """
    search, pairs = scratch.search, scratch.pairs
    n_players, full = len(search.side), margins.shape[1] - 1
    pair_codes(codes, place, len(margins), pairs)
    n_demands, n_after = 0, 0
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        for r in range(len(margins)):
            height = restart(search)
            while height > 0:
                leaf, height, n_demands, n_after = next_leaf(
                    tree,
                    categories,
                    pairs,
                    r,
                    player_of,
                    search,
                    height,
                    n_demands,
                    n_after,
                )
                after, before = 0, 0
                for k in range(n_demands):
                    bit = 1 << search.demand[k]
                    if search.side[search.demand[k]] == AFTER:
                        after |= bit
                    else:
                        before |= bit
                if n_demands - n_after <= n_after:
                    _add_subsets(margins[r], after, before, tree, leaf)
                else:
                    _add_subsets(excluded[r], before, after, tree, leaf)
    for r in range(len(margins)):
        _sum_subsets(margins[r], n_players)
        _sum_subsets(excluded[r], n_players)
        for coalition in range(full + 1):
            for o in range(margins.shape[2]):
                margins[r, coalition, o] += excluded[r, full ^ coalition, o]
