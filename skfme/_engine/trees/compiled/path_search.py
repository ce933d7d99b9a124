"""Compiled search for the leaves that the straight path of a joint step passes through.

Along x + t·h each crossed node is passed at one time. A leaf holds the path from the last
of its entering times to the first of its leaving times. What a leaf brings to whom is
counted elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined
from skfme._engine.trees.compiled.descent import (
    CHILD,
    column_of,
    goes_right,
    is_inner,
)
from skfme._engine.trees.compiled.jumps import crossing_time

__all__ = [
    "ENTERS",
    "LEAVES",
    "NEVER_BEFORE",
    "PathScratch",
    "at_root",
    "deciders",
    "next_leaf",
    "scratch_for",
]

_U = np.uint64
NEVER_BEFORE, NEVER_AFTER = -1.0, 2.0  # no entering time, no leaving time
ENTERS, LEAVES = np.int8(1), np.int8(2)


class PathScratch(NamedTuple):
    """Where the search of one path in one tree stands; made by :func:`scratch_for`.

    Attributes
    ----------
    node, kept, player : ndarray of shape (deepest,), int64
        Nodes still to be searched; how many passages hold at each, and the player whose
        passage leads there.
    entered, left, time : ndarray of shape (deepest,)
        The last entering and first leaving time at each, and when that passage is.
    passing, passed_at, how : ndarray of shape (deepest,)
        The passages on the way to the leaf at hand: who, when, and whether by then the
        leaf is entered or left.
    tied, side : ndarray of shape (n_players,)
        The players that decide over a leaf, and what they do.
    shares : ndarray
        As in :class:`skfme._engine.trees.compiled.leaf_games.GameScratch`.
    """

    node: np.ndarray
    kept: np.ndarray
    player: np.ndarray
    entered: np.ndarray
    left: np.ndarray
    time: np.ndarray
    passing: np.ndarray
    passed_at: np.ndarray
    how: np.ndarray
    tied: np.ndarray
    side: np.ndarray
    shares: np.ndarray


def scratch_for(deepest: int, n_players: int, shares: np.ndarray) -> PathScratch:
    """For trees of fewer than so many levels."""
    return PathScratch(
        node=np.zeros(deepest, np.int64),
        kept=np.zeros(deepest, np.int64),
        player=np.zeros(deepest, np.int64),
        entered=np.zeros(deepest),
        left=np.zeros(deepest),
        time=np.zeros(deepest),
        passing=np.zeros(deepest, np.int64),
        passed_at=np.zeros(deepest),
        how=np.zeros(deepest, np.int8),
        tied=np.zeros(n_players, np.int64),
        side=np.zeros(n_players, np.int8),
        shares=shares,
    )


@inlined
def at_root(search):
    """Begin at the root; returns the height of the stack."""
    search.node[0], search.kept[0], search.player[0] = 0, 0, -1
    search.entered[0], search.left[0] = NEVER_BEFORE, NEVER_AFTER
    return 1


@inlined
def next_leaf(tree, categories, codes, place, player_of, lines, tie, r, search, height):
    """Go down to a leaf that the path holds, from the node on top of the stack.

    Returns
    -------
    leaf : uint64
    height, n_passages : int
    entered, left : float
    """
    passing, passed_at, how = search.passing, search.passed_at, search.how
    height -= 1
    n, entered, left = search.kept[height], search.entered[height], search.left[height]
    if search.player[height] >= 0:
        passing[n], passed_at[n] = search.player[height], search.time[height]
        how[n] = ENTERS
        n += 1
    node = _U(search.node[height])
    link = tree.links[node]
    while is_inner(link, node):
        column, test = column_of(link), tree.tests[node]
        s = place[column]
        right = goes_right(_U(codes[r, column]), column, test, categories)
        far = goes_right(_U(codes[r, s]), column, test, categories)
        if far != right:
            t = crossing_time(lines, r, _U(s), column, test)
            near_left = t if t < left else left
            far_entered = t if t > entered else entered
            passing[n], passed_at[n] = player_of[column], t
            if entered > near_left + tie:  # passed by then
                how[n], right, entered = ENTERS, far, far_entered
            else:
                if far_entered <= left + tie:
                    search.node[height] = np.int64((link & CHILD) + _U(far))
                    search.kept[height], search.player[height] = n, player_of[column]
                    search.entered[height], search.left[height] = far_entered, left
                    search.time[height] = t
                    height += 1
                how[n], left = LEAVES, near_left
            n += 1
        node = (link & CHILD) + _U(right)
        link = tree.links[node]
    return node, height, n, entered, left


@inlined
def deciders(search, n_passages, entered, left, tie):
    """List who decides when a leaf is entered and left.

    Returns
    -------
    n_tied, n_after, n_before : int
        All zero where one player would have to have passed and not at once.
    """
    side, tied = search.side, search.tied
    n_tied, n_after, n_before = 0, 0, 0
    for k in range(n_passages):
        at, how = search.passed_at[k], search.how[k]
        if (how == ENTERS and at < entered - tie) or (
            how == LEAVES and at > left + tie
        ):
            continue
        player = search.passing[k]
        if side[player] == 0:
            tied[n_tied] = player
            n_tied += 1
        if side[player] & how == 0:
            n_after += int(how == ENTERS)
            n_before += int(how == LEAVES)
            side[player] |= how
    return n_tied, n_after, n_before
