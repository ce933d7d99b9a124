"""Where paths along one column pass the nodes of small trees.

At a cut, each node on its column has two sides: the leaves that its left child leads to
with the column just below the cut, and its right child just above it. Other nodes on the
column, above and below, then have a known way, and need not be asked; but those in
between are asked again for each cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from skfme._engine.trees.compiled.coding import Entries, one_column_each
from skfme._engine.trees.compiled.small_paths import ALWAYS, PassedNodes
from skfme._engine.trees.compiled.small_trees import AGAIN, INNER, MOST_FIELD
from skfme._engine.trees.small_trees import (
    SmallLayout,
    numbers_within,
    parents_of,
    words_of,
)

__all__ = ["MOST_CELLS", "passed_by"]

# Cuts of a column: each is visited that a path passes, jump or none.
MOST_CELLS = 2**10


class _Climb(NamedTuple):
    """The way from nodes on stepped columns up to others on the same.

    Attributes
    ----------
    upper, lower : ndarray of int
        Pairs of nodes on a column, one above the other.
    side : ndarray of int
        The child of the upper one that leads to the lower one.
    node : ndarray of int
        For every pair, the nodes from the lower one up to below the upper one; `pair`
        says which.
    pair : ndarray of int
    """

    upper: np.ndarray
    lower: np.ndarray
    side: np.ndarray
    node: np.ndarray
    pair: np.ndarray


def passed_by(layout: SmallLayout, entries: Entries) -> PassedNodes | None:
    """The nodes that paths pass; None where one goes along several columns.

    Or if there are too many cuts or nodes.
    """
    n_columns = entries.place.shape[1]
    effect = entries.effect[n_columns:]
    if not one_column_each(entries) or layout.test.max(initial=0) > MOST_CELLS:
        return None
    climb = _climbed(layout, np.isin(layout.column, entries.column))
    again, low, high = _sides(layout, climb)
    reached, here = _reached(layout, climb)
    order = np.argsort(layout.column, kind="stable")
    bounds = np.searchsorted(layout.column[order], np.arange(n_columns + 1))
    nodes = [order[bounds[c] : bounds[c + 1]] for c in entries.column]
    which = np.repeat(np.arange(len(nodes)), [len(some) for some in nodes])
    node = np.concatenate([np.empty(0, np.int64), *nodes])
    which, node = (each[_alive(layout, climb)[node]] for each in (which, node))
    kept = np.lexsort((which, layout.tree[node]))
    which, node = which[kept], node[kept]
    place, line = n_columns + which, layout.line - INNER
    most = (low, high, here, place, np.array([len(entries.place)]))
    if max(each.max(initial=0) for each in most) > MOST_FIELD:
        return None
    question = words_of(place, layout.test[node], effect[which], line[node])
    ends = words_of(low[node], high[node], here[node])
    starts = np.arange(len(layout.trees.first))
    trees = (reached[0], again[0], layout.tree[node])
    return PassedNodes(
        reached=reached[1],
        again=again[1],
        passed=np.stack([question, ends], axis=1),
        first=np.stack([np.searchsorted(tree, starts) for tree in trees], axis=1),
    )


def _climbed(layout: SmallLayout, stepped: np.ndarray) -> _Climb:
    """Climb from every node on a stepped column to the root."""
    parent, side = parents_of(layout)
    start = at = np.flatnonzero(stepped)
    ways: list[tuple[np.ndarray, np.ndarray]] = []
    pairs = []
    while len(at):
        ways.append((start, at))
        up = parent[at]
        start, at, up = start[up >= 0], at[up >= 0], up[up >= 0]
        on = layout.column[up] == layout.column[start]
        pairs.append((up[on], start[on], side[at[on]], np.full(on.sum(), len(ways))))
        at = up
    nothing = np.empty(0, np.int64)
    upper, lower, sides, length = (
        (np.concatenate([nothing, *some]) for some in zip(*pairs, strict=True))
        if pairs
        else (nothing,) * 4
    )
    node, pair = [nothing], [nothing]
    for passed, (origin, visited) in enumerate(ways):
        above = np.flatnonzero(length > passed)
        pair.append(above)
        node.append(visited[np.searchsorted(origin, lower[above])])
    return _Climb(upper, lower, sides, np.concatenate(node), np.concatenate(pair))


def _alive(layout: SmallLayout, climb: _Climb) -> np.ndarray:
    """Nodes that are reached on both sides of their cut."""
    alive = np.ones(len(layout.column), dtype=bool)
    test, above = layout.test[climb.lower], layout.test[climb.upper]
    below_cut, above_cut = test - 1 >= above, test >= above
    right = climb.side == 1
    alive[climb.lower[(below_cut != right) | (above_cut != right)]] = False
    return alive


def _reached(
    layout: SmallLayout, climb: _Climb
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """The rows that reach a node by what other columns ask, where one is above it.

    Returns
    -------
    tree, words : ndarray
    line : ndarray of shape (n_nodes,)
        Where the rows stand that reach a node whatever its column holds.
    """
    n = len(layout.column)
    column = layout.column[climb.lower[climb.pair]]
    key = np.unique(column * n + climb.node)
    column, node = np.divmod(key, max(n, 1))
    parent, side = parents_of(layout)
    tree = layout.tree[node]
    number = AGAIN + numbers_within(tree, node, np.ones(len(node), dtype=bool), column)
    above = parent[node]
    at = _index(key, column * n + above, above)
    line = layout.line[above]
    line = np.where(at < 0, line, number[at]) if len(at) else line
    own = layout.column[above] == column
    asked = np.where(own, ALWAYS, layout.line[above] - INNER)
    to_left = np.where(own, 0, side[node] == 0)
    here = layout.line.copy()
    mine = layout.column[node] == column
    here[node[mine]] = number[mine]
    order = np.lexsort((column, node, tree))
    return (tree[order], words_of(line, asked, to_left)[order]), here


def _sides(
    layout: SmallLayout, climb: _Climb
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray, np.ndarray]:
    """The leaves just below and above the cut of each node.

    Returns
    -------
    tree, words : ndarray
        The nodes that are asked again.
    low, high : ndarray of shape (n_nodes,)
        Lines of leaves.
    """
    n = len(layout.column)
    # One side of one node, and a node below that leads to others on its column.
    upper, side = climb.upper[climb.pair], climb.side[climb.pair]
    key = np.unique((2 * upper + side) * n + climb.node)
    owner, node = np.divmod(key, max(n, 1))
    upper, side = np.divmod(owner, 2)
    own = layout.column[node] == layout.column[upper]
    tree = layout.tree[node]
    line = AGAIN + numbers_within(tree, -node, ~own, owner)
    # On its own column, with the code at the cut, a node is its child on that side.
    code = layout.test[upper] - 1 + side
    way = (code >= layout.test[node]).astype(np.int64)
    rows = np.arange(len(node))
    onward = layout.children[node, way]
    resolved = np.where(own, -1, line)
    pending = own.copy()
    while pending.any():
        at = rows[pending]
        target = _index(key, owner[at] * n + onward[at], onward[at])
        known = np.where(target < 0, layout.lines[node[at], way[at]], resolved[target])
        resolved[at] = known
        pending[at] = known < 0
    left, right = (_resolved(key, owner, layout, node, k, resolved) for k in (0, 1))
    order = np.flatnonzero(~own)
    order = order[np.lexsort((owner[order], -node[order], tree[order]))]
    words = words_of(layout.line[node] - INNER, right, left)
    every = np.arange(n)
    low, high = (
        _resolved(key, 2 * every + k, layout, every, k, resolved) for k in (0, 1)
    )
    return (tree[order], words[order]), low, high


def _resolved(
    key: np.ndarray,
    owner: np.ndarray,
    layout: SmallLayout,
    node: np.ndarray,
    k: int,
    resolved: np.ndarray,
) -> np.ndarray:
    """The line of a child of a node, as a side of a node sees it."""
    child = layout.children[node, k]
    at = _index(key, owner * len(layout.column) + child, child)
    if not len(resolved):
        return layout.lines[node, k]
    return np.where(at < 0, layout.lines[node, k], resolved[at])


def _index(key: np.ndarray, wanted: np.ndarray, child: np.ndarray) -> np.ndarray:
    """Where keys stand; −1 where they do not, or where there is no child."""
    if not len(key):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(key, wanted), len(key) - 1)
    return np.where((child >= 0) & (key[at] == wanted), at, -1)
