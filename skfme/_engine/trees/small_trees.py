"""Small trees laid out to be walked 64 rows at a time, and where effects cross them.

Walked so are ensembles whose trees have up to 256 leaves, and no categories: all nodes
of a small tree are asked in less time than a row takes down its path, and the more
leaves a tree has, the more nodes are asked in vain.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfme._engine.trees.compiled.coding import Entries
from skfme._engine.trees.compiled.small_trees import (
    AGAIN,
    FIELD_BITS,
    INNER,
    MOST_FIELD,
    MOST_LEAVES,
    Crossed,
    SmallTrees,
)
from skfme._engine.trees.ensembles import Ensemble

__all__ = [
    "SmallLayout",
    "crossed_by",
    "numbers_within",
    "parents_of",
    "small_layout",
    "words_of",
]

_U = np.uint64


@dataclass(frozen=True)
class SmallLayout:
    """An ensemble of small trees.

    Attributes
    ----------
    trees : SmallTrees
    column, test : ndarray of shape (n_nodes,), int64
        What inner nodes ask.
    children, lines : ndarray of shape (n_nodes, 2), int64
        The left child and the right one: among all inner nodes, −1 for a leaf; and their
        lines.
    tree, line : ndarray of shape (n_nodes,), int64
        The tree and the line of each inner node.
    """

    trees: SmallTrees
    column: np.ndarray
    test: np.ndarray
    children: np.ndarray
    lines: np.ndarray
    tree: np.ndarray
    line: np.ndarray


def small_layout(ensemble: Ensemble, column: np.ndarray) -> SmallLayout | None:
    """Lay out an ensemble whose nodes look at some columns; None if it is not small."""
    inner = ensemble.feature >= 0
    n_trees, place = len(ensemble.depth), np.arange(len(inner))
    tree = np.repeat(np.arange(n_trees), np.diff(ensemble.first))
    leaf = ~inner & (place != ensemble.first[tree] + 1)
    first, first_leaf = (
        np.cumsum([0, *np.bincount(tree[kind], minlength=n_trees)])
        for kind in (inner, leaf)
    )
    most_cuts = max(map(len, ensemble.cuts.values()), default=0)
    if (
        ensemble.categories
        or np.diff(first_leaf).max() > MOST_LEAVES
        or max(most_cuts, column.max()) >= MOST_FIELD
    ):
        return None
    number = np.where(inner, np.cumsum(inner), np.cumsum(leaf)) - 1
    line = number - np.where(inner, first[tree], first_leaf[tree])
    line[inner] += INNER
    child = (ensemble.first[tree] + ensemble.child)[inner]
    children = np.stack([child, child + 1], axis=1)
    lines, test = line[children], ensemble.rank[inner] + 1
    return SmallLayout(
        SmallTrees(
            words_of(column[inner], test, lines[:, 1], lines[:, 0]),
            first,
            first_leaf,
            ensemble.value[leaf].ravel(),
            np.require(ensemble.output, requirements=("C", "W")),
        ),
        column[inner],
        test,
        np.where(inner[children], number[children], -1),
        lines,
        tree[inner],
        line[inner],
    )


def crossed_by(layout: SmallLayout, entries: Entries) -> Crossed | None:
    """Where effects cross the trees; None where there are too many to be numbered."""
    every, has_upper = _with_nodes_between(layout, _on_columns(layout, entries))
    effect, node = np.divmod(every, max(len(layout.column), 1))
    tree, own = layout.tree[node], layout.line[node]
    place = entries.place[effect, layout.column[node]].astype(np.int64)
    below = _places_among(every, effect, layout.children[node], layout)
    is_again = (below >= 0).any(axis=1) | has_upper
    line = AGAIN + numbers_within(tree, -node, is_again, effect)
    if max(line.max(initial=0), place.max(initial=0), len(entries.place)) > MOST_FIELD:
        return None
    left, right = np.where(below >= 0, line[below], layout.lines[node]).T
    question = words_of(place, layout.test[node], right, left)
    again, upper, alone = (
        np.flatnonzero(kind)[np.lexsort((effect[kind], -node[kind], tree[kind]))]
        for kind in (is_again, is_again & ~has_upper, ~is_again)
    )
    ends = words_of(left, right, effect, own)
    return Crossed(
        again=question[again],
        upper=words_of(line, line, effect, own)[upper],
        alone=np.stack([question, ends], axis=1)[alone],
        first=np.stack(
            [
                np.searchsorted(tree[kind], np.arange(len(layout.trees.first)))
                for kind in (again, upper, alone)
            ],
            axis=1,
        ),
    )


def _on_columns(layout: SmallLayout, entries: Entries) -> np.ndarray:
    """Nodes on the columns that effects change: effect · n_nodes + node, sorted."""
    by_column = np.argsort(layout.column, kind="stable")
    first = np.searchsorted(layout.column[by_column], np.arange(len(entries.first)))
    effect = entries.effect[len(entries.first) - 1 :]
    nodes = [by_column[first[c] : first[c + 1]] for c in entries.column]
    keys = [e * len(layout.column) + at for e, at in zip(effect, nodes, strict=True)]
    return np.sort(np.concatenate([np.empty(0, np.int64), *keys]))


def _with_nodes_between(
    layout: SmallLayout, on: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The nodes, and those between two of them; whether there is one above each."""
    n = max(len(layout.column), 1)
    parent, _ = parents_of(layout)
    owner, node = np.arange(len(on)), on % n
    between, has_upper = [], np.zeros(len(on), dtype=bool)
    while len(owner):
        node = parent[node]
        owner, node = owner[node >= 0], node[node >= 0]
        above = on[owner] - on[owner] % n + node
        found = _contains(on, above)
        has_upper[owner[found]] = True
        owner, node = owner[~found], node[~found]
        between.append((owner, above[~found]))
    under = [above[has_upper[owner]] for owner, above in between]
    passed = np.unique(np.concatenate([np.empty(0, np.int64), *under]))
    every = np.concatenate([on, passed])
    order = np.argsort(every, kind="stable")
    return every[order], np.append(has_upper, np.ones(len(passed), dtype=bool))[order]


def parents_of(layout: SmallLayout) -> tuple[np.ndarray, np.ndarray]:
    """The parent of each inner node, −1 for a root, and which child it is."""
    parent, side = np.full((2, len(layout.column)), -1)
    for k, child in enumerate(layout.children.T):
        parent[child[child >= 0]] = np.flatnonzero(child >= 0)
        side[child[child >= 0]] = k
    return parent, side


def _contains(ordered: np.ndarray, values: np.ndarray) -> np.ndarray:
    at = np.minimum(np.searchsorted(ordered, values), len(ordered) - 1)
    return np.asarray(ordered[at] == values)


def _places_among(
    every: np.ndarray, effect: np.ndarray, node: np.ndarray, layout: SmallLayout
) -> np.ndarray:
    """Where pairs of an effect and a node stand; −1 where they do not, or for no node."""
    if not len(every):
        return np.full(node.shape, -1)
    key = effect[:, None] * len(layout.column) + node
    at = np.minimum(np.searchsorted(every, key), len(every) - 1)
    return np.where((node >= 0) & (every[at] == key), at, -1)


def numbers_within(
    tree: np.ndarray, rank: np.ndarray, chosen: np.ndarray, owner: np.ndarray
) -> np.ndarray:
    """Number the chosen ones of each tree, by rank and then by owner.

    Nodes of a level stand together, so that none waits for the one before it.
    """
    order = np.flatnonzero(chosen)
    order = order[np.lexsort((owner[order], rank[order], tree[order]))]
    first = np.searchsorted(tree[order], tree[order], side="left")
    numbers = np.zeros(len(tree), dtype=np.int64)
    numbers[order] = np.arange(len(order)) - first
    return numbers


def words_of(*fields: np.ndarray) -> np.ndarray:
    """Four fields as words, the lowest first."""
    words = np.zeros(len(fields[0]), np.uint64)
    for k, field in enumerate(fields):
        words |= field.astype(np.uint64) << _U(k * FIELD_BITS)
    return words
