"""Compiled attribution along the straight path of a joint step, leaf by leaf.

Along x + t·h each crossed node is passed at one time. A leaf holds the path from the last
of its entering times, E, to the first of its leaving times, O: what it adds at E belongs
to the features that it waited for, what it takes away at O to those that left first.
Where several features pass at one time, that jump is shared among them by Shapley, as any
smooth step in place of each threshold would share it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.decorators import inlined, inner, kernel
from skfme._engine.trees.compiled.descent import branches
from skfme._engine.trees.compiled.integrals import respond
from skfme._engine.trees.compiled.path_search import (
    ENTERS,
    LEAVES,
    NEVER_BEFORE,
    at_root,
    deciders,
    next_leaf,
)

__all__ = [
    "MOST_TIED",
    "Events",
    "add_path_parts",
    "add_responses",
    "events_for",
]

MOST_TIED = 12  # features that pass at once, behind a link


class Events(NamedTuple):
    """What the trees add to the margins along one path; made by :func:`events_for`.

    Attributes
    ----------
    t : ndarray of shape (n_events,)
    value : ndarray of shape (n_events, width)
    output : ndarray of shape (n_events,), int64
    after, before : ndarray of shape (n_events,), int64
        Players that must have passed, and that must not, as bits.
    order : ndarray of shape (n_events,), int64
    responses : ndarray of shape (2 ** MOST_TIED, n_outputs)
        Of the coalitions of players that pass at once.
    players : ndarray of shape (MOST_TIED,), int64
    weights : ndarray of shape (MOST_TIED + 1, MOST_TIED)
        Of a coalition, by the number of players that pass and its own.
    """

    t: np.ndarray
    value: np.ndarray
    output: np.ndarray
    after: np.ndarray
    before: np.ndarray
    order: np.ndarray
    responses: np.ndarray
    players: np.ndarray
    weights: np.ndarray


def events_for(n: int, width: int, n_outputs: int, weights: np.ndarray) -> Events:
    """Room for so many events."""
    return Events(
        t=np.empty(n),
        value=np.empty((n, width)),
        output=np.empty(n, np.int64),
        after=np.empty(n, np.int64),
        before=np.empty(n, np.int64),
        order=np.empty(n, np.int64),
        responses=np.empty((2**MOST_TIED, n_outputs)),
        players=np.empty(MOST_TIED, np.int64),
        weights=weights,
    )


@inlined
def _share(tree, leaf, search, n_passages, entered, left, tie, parts):
    """Add what a leaf brings when it is entered, and takes when it is left."""
    shares, side, leaves = search.shares, search.side, tree.leaves
    n_tied, n_after, n_before = deciders(search, n_passages, entered, left, tie)
    at_once = entered >= left - tie
    clash = False
    for k in range(n_tied):
        clash |= side[search.tied[k]] == ENTERS | LEAVES
    for k in range(n_tied):
        player, share = search.tied[k], 0.0
        if side[player] & ENTERS:
            share += shares[n_after, n_before if at_once else 0, 0]
        if side[player] & LEAVES:
            share += shares[n_after if at_once else 0, n_before, 1]
        if not (at_once and clash):
            for j in range(leaves.shape[1]):
                parts[player, tree.output + j] += share * leaves[leaf, j]
        side[player] = 0


@kernel
def add_path_parts(
    forest, categories, codes, place, player_of, lines, ties, search, parts
):
    """Parts of a block of rows along the path, of margins.

    Parameters
    ----------
    forest, categories, codes, place, player_of
        As in :func:`skfme._engine.trees.compiled.leaf_games.add_parts`; numeric columns
        alone are changed.
    lines : Lines
    ties : ndarray of shape (n_rows,)
        Times that differ by less are equal.
    search : PathScratch
    parts : ndarray of shape (n_rows, n_players, n_outputs)
        Added to.
    """
    for number in range(len(forest.depth)):
        tree = branches(forest, number)
        for r in range(len(parts)):
            height = at_root(search)
            while height > 0:
                leaf, height, n, entered, left = next_leaf(
                    tree,
                    categories,
                    codes,
                    place,
                    player_of,
                    lines,
                    ties[r],
                    r,
                    search,
                    height,
                )
                if n > 0:
                    _share(tree, leaf, search, n, entered, left, ties[r], parts[r])


@inlined
def _put(events, n_events, at, after, before, tree, leaf):
    """Log one event."""
    events.t[n_events], events.output[n_events] = at, tree.output
    events.after[n_events], events.before[n_events] = after, before
    for j in range(tree.leaves.shape[1]):
        events.value[n_events, j] = tree.leaves[leaf, j]
    return n_events + 1


@inlined
def _log(tree, leaf, search, n_passages, entered, left, tie, events, n_events):
    """Log when a leaf is entered, and when it is left; one event where that is at once."""
    side = search.side
    n_tied, _, _ = deciders(search, n_passages, entered, left, tie)
    after, before = np.int64(0), np.int64(0)
    for k in range(n_tied):
        bit = np.int64(1) << search.tied[k]
        after |= bit if side[search.tied[k]] & ENTERS else 0
        before |= bit if side[search.tied[k]] & LEAVES else 0
        side[search.tied[k]] = 0
    if entered >= left - tie:
        if after & before == 0:
            n_events = _put(events, n_events, left, after, before, tree, leaf)
        return n_events
    if after:
        n_events = _put(events, n_events, entered, after, 0, tree, leaf)
    if before:
        n_events = _put(events, n_events, left, 0, before, tree, leaf)
    return n_events


@inner
def _sort(t, order, n):
    """Order the first n by time, by Shell's method."""
    for k in range(n):
        order[k] = k
    gap = 1
    while gap < n // 3:
        gap = 3 * gap + 1
    while gap > 0:
        for i in range(gap, n):
            moved, j = order[i], i
            while j >= gap and t[order[j - gap]] > t[moved]:
                order[j] = order[j - gap]
                j -= gap
            order[j] = moved
        gap //= 3


@inlined
def _added(events, k, passed, margin):
    """Add to the margins what one event brings once some players have passed."""
    after, before = events.after[k], events.before[k]
    factor = np.float64(after & ~passed == 0 and before & passed == 0)
    factor -= np.float64(after == 0)
    for j in range(events.value.shape[1]):
        margin[events.output[k] + j] += factor * events.value[k, j]


@inner
def _share_jump(events, start, stop, union, link, margin, parts):
    """Share the jump of events at one time; move the margins on. False if too many."""
    players, responses, order = events.players, events.responses, events.order
    n_tied = 0
    for player in range(len(parts)):
        if (union >> player) & 1:
            if n_tied == MOST_TIED:
                return False
            players[n_tied] = player
            n_tied += 1
    for coalition in range(1 << n_tied):
        passed = np.int64(0)
        for k in range(n_tied):
            passed |= np.int64((coalition >> k) & 1) << players[k]
        response = responses[coalition]
        for o in range(len(margin)):
            response[o] = margin[o]
        for i in range(start, stop):
            _added(events, order[i], passed, response)
        respond(link, response)
    for coalition in range((1 << n_tied) - 1):
        size = 0
        for k in range(n_tied):
            size += (coalition >> k) & 1
        weight = events.weights[n_tied, size]
        for k in range(n_tied):
            if not (coalition >> k) & 1:
                joined = coalition | (1 << k)
                for o in range(len(margin)):
                    change = responses[joined, o] - responses[coalition, o]
                    parts[players[k], o] += weight * change
    for i in range(start, stop):
        _added(events, order[i], union, margin)
    return True


@inner
def _share_all(events, n_events, tie, link, margin, parts):
    """Share the jumps of one path, in the order of their times. False if too many tie."""
    t, order = events.t, events.order
    _sort(t, order, n_events)
    start = 0
    while start < n_events:
        stop, union = start, np.int64(0)
        while stop < n_events and t[order[stop]] <= t[order[start]] + tie:
            union |= events.after[order[stop]] | events.before[order[stop]]
            stop += 1
        if not _share_jump(events, start, stop, union, link, margin, parts):
            return False
        start = stop
    return True


@kernel
def add_responses(
    forest,
    categories,
    codes,
    place,
    player_of,
    lines,
    ties,
    search,
    events,
    prediction,
    margin,
    parts,
    row,
):
    """Parts of the rows of a block from `row` on, of responses behind a link.

    Parameters
    ----------
    forest, categories, codes, place, player_of, lines, ties, search
        As in :func:`add_path_parts`; of at most 63 players.
    events : Events
    prediction : Prediction
    margin : ndarray of shape (n_outputs,)
        Written to.
    parts : ndarray of shape (n_rows, n_players, n_outputs)
        Added to.
    row : int
        The first row.

    Returns
    -------
    row : int
        Where the log of events was full; the number of rows if it never was.
    tied : bool
        Whether so many features passed at once that a jump could not be shared.
    """
    for r in range(row, len(parts)):
        for o in range(len(margin)):
            margin[o] = prediction.base[o]
        n_events = 0
        for number in range(len(forest.depth)):
            tree = branches(forest, number)
            height = at_root(search)
            while height > 0:
                leaf, height, n, entered, left = next_leaf(
                    tree,
                    categories,
                    codes,
                    place,
                    player_of,
                    lines,
                    ties[r],
                    r,
                    search,
                    height,
                )
                if n_events + 2 > len(events.t):
                    return r, False
                if entered == NEVER_BEFORE:
                    for j in range(tree.leaves.shape[1]):
                        margin[tree.output + j] += tree.leaves[leaf, j]
                if n > 0:
                    n_events = _log(
                        tree, leaf, search, n, entered, left, ties[r], events, n_events
                    )
        if not _share_all(events, n_events, ties[r], prediction.link, margin, parts[r]):
            return r, True
    return len(parts), False
