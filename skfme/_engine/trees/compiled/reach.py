"""Compiled search for the leaves that mixtures of a row and its stepped version reach.

A mixture takes some features from x and the others from x + h. At a node whose two ends
part, the search goes both ways, and notes what each way demands: that the feature be
stepped, or that it be not. What a leaf's value is worth to whom is counted elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined
from skfme._engine.trees.compiled.descent import (
    CHILD,
    LEAF,
    column_of,
    goes_right,
    threshold_of,
)

__all__ = [
    "AFTER",
    "BEFORE",
    "Search",
    "next_leaf",
    "pair_codes",
    "restart",
    "search_for",
]

_U = np.uint64
_HALF, _LOW = _U(32), _U(2**32 - 1)
FREE, AFTER, BEFORE = np.int8(0), np.int8(1), np.int8(2)


class Search(NamedTuple):
    """Where the search of one row in one tree stands; made by :func:`search_for`.

    Attributes
    ----------
    node, kept, player : ndarray of shape (deepest,), int64
        Nodes still to be searched; how many demands hold at each, and the player that
        it demands to be stepped besides, or −1.
    demand : ndarray of shape (n_players,), int64
        The players of whom the leaf at hand demands something.
    side : ndarray of shape (n_players,), int8
        What it demands of each.
    """

    node: np.ndarray
    kept: np.ndarray
    player: np.ndarray
    demand: np.ndarray
    side: np.ndarray


def search_for(deepest: int, n_players: int) -> Search:
    """For trees of fewer than so many levels."""
    return Search(
        node=np.zeros(deepest, np.int64),
        kept=np.zeros(deepest, np.int64),
        player=np.zeros(deepest, np.int64),
        demand=np.zeros(n_players, np.int64),
        side=np.zeros(n_players, np.int8),
    )


@inlined
def pair_codes(codes, place, n_rows, pairs):
    """Put the codes before and after the step into one word for each row and column."""
    for r in range(n_rows):
        for c in range(len(place)):
            pairs[r, c] = _U(codes[r, c]) | (_U(codes[r, place[c]]) << _HALF)


@inlined
def restart(search):
    """Begin at the root; returns the height of the stack."""
    search.node[0], search.kept[0], search.player[0] = 0, 0, -1
    return 1


@inlined
def next_leaf(
    tree, categories, pairs, r, player_of, search, height, n_demands, n_after
):
    """Go down to a leaf from the node on top of the stack.

    Returns
    -------
    leaf : uint64
    height : int
    n_demands, n_after : int
        Players of whom the leaf demands something, and that they be stepped.
    """
    demand, side, words = search.demand, search.side, tree.words
    height -= 1
    while n_demands > search.kept[height]:
        n_demands -= 1
        n_after -= np.int64(side[demand[n_demands]] == AFTER)
        side[demand[n_demands]] = FREE
    player = search.player[height]
    if player >= 0:
        demand[n_demands], side[player] = player, AFTER
        n_demands, n_after = n_demands + 1, n_after + 1
    node = _U(search.node[height])
    word = words[node]
    while threshold_of(word) != LEAF:
        column = column_of(word)
        codes = pairs[r, column]
        right = goes_right(codes & _LOW, word, categories)
        far = goes_right(codes >> _HALF, word, categories)
        if far != right:
            player = player_of[column]
            if side[player] == FREE:
                search.node[height] = np.int64((word & CHILD) + _U(far))
                search.kept[height], search.player[height] = n_demands, player
                height += 1
                demand[n_demands], side[player] = player, BEFORE
                n_demands += 1
            elif side[player] == AFTER:
                right = far
        node = (word & CHILD) + _U(right)
        word = words[node]
    return node, height, n_demands, n_after
