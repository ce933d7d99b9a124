"""A fitted tree ensemble as arrays: what every importer makes, and what engines read.

f(x) = link(base + Σ over trees of the leaf that x falls into). A tree comes in its
library's own order of nodes; :func:`packed` lays all of them out breadth first, and
replaces thresholds by their rank among all thresholds of their feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from skfme._engine.refusals import ModelNotReadError

__all__ = [
    "CategorySplit",
    "Ensemble",
    "Tree",
    "packed",
]


@dataclass(frozen=True)
class CategorySplit:
    """Which categories a node sends left.

    Attributes
    ----------
    members : ndarray of int
    members_left : bool
        Whether the members go left, and the other known ones right.
    unknown_left : bool
        Where categories go that no split of the feature mentions.
    """

    members: np.ndarray
    members_left: bool
    unknown_left: bool


@dataclass(frozen=True)
class Tree:
    """One tree, in its library's own order of nodes, the root first.

    Attributes
    ----------
    left, right : ndarray of shape (n_nodes,), int
        Children; −1 at a leaf.
    feature : ndarray of shape (n_nodes,), int
    threshold : ndarray of shape (n_nodes,)
        Values up to it go left.
    missing_left : ndarray of shape (n_nodes,), bool
    value : ndarray of shape (n_nodes, width)
        What a leaf adds: one number, or one for each output.
    output : int
        The output that a tree of width one adds to.
    splits : dict of int -> CategorySplit
        By node.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    output: int = 0
    splits: dict[int, CategorySplit] = field(default_factory=dict)


@dataclass(frozen=True)
class Ensemble:
    """All trees, breadth first, one after the other, siblings side by side.

    Attributes
    ----------
    feature : ndarray of shape (n_nodes,), int32
        −1 at a leaf.
    rank : ndarray of shape (n_nodes,), int64
        Of the threshold among the feature's cuts, or the number of the node's set.
    child : ndarray of shape (n_nodes,), int64
        The left child within the tree, the right one next to it; a leaf's own place.
    missing_left : ndarray of shape (n_nodes,), bool
    value : ndarray of shape (n_nodes, width)
    first : ndarray of shape (n_trees + 1,), int64
    depth, output : ndarray of shape (n_trees,), int64
    thin_out : ndarray of bool
        For each tree and level.
    cuts : dict of int -> ndarray
        Sorted thresholds of each numeric feature.
    categories : dict of int -> ndarray of int
        Sorted categories that the splits of a feature tell apart. A value's code is
        its place among them; then come unknown ones and missing values.
    sets : ndarray of shape (n_sets, n_words), uint64
        Codes that go right, as bits.
    base : ndarray of shape (n_margins,)
    link : str
        "identity", "logistic", "exponential" or "softmax".
    single : bool
        Whether values are compared in single precision.
    tolerance : float
        To which the model itself is reproduced, relative to its largest prediction.
    largest_category : int
        Largest category that the model's own type of categories holds.
    """

    feature: np.ndarray
    rank: np.ndarray
    child: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    first: np.ndarray
    depth: np.ndarray
    output: np.ndarray
    thin_out: np.ndarray
    cuts: dict[int, np.ndarray]
    categories: dict[int, np.ndarray]
    sets: np.ndarray
    base: np.ndarray
    link: str
    single: bool
    tolerance: float
    largest_category: int


# Once this share of the rows is left on their way down, the others are set aside.
_THIN_OUT_AT = 0.7


def packed(
    trees: Sequence[Tree],
    base: np.ndarray,
    link: str = "identity",
    *,
    known: Mapping[int, np.ndarray] | None = None,
    single: bool = False,
    tolerance: float = 1e-12,
    largest_category: int = 2**31 - 1,
) -> Ensemble:
    """Lay out trees for walking: an :class:`Ensemble`.

    Parameters
    ----------
    trees : sequence of Tree
    base : array-like of shape (n_margins,)
        Margin of an ensemble without trees.
    known : mapping of int -> ndarray of int, default=None
        Categories of a feature that the model knows, split on or not.
    link, single, tolerance, largest_category
        As in :class:`Ensemble`.

    Raises
    ------
    ModelNotReadError
        If a feature is split both by thresholds and by categories.
    """
    if not trees:
        raise ModelNotReadError("it has no trees")
    laid = [_breadth_first(tree) for tree in trees]
    feature = np.concatenate([part.feature for part in laid])
    threshold = np.concatenate([part.threshold for part in laid])
    first = np.cumsum([0, *(len(part.feature) for part in laid)])
    splits = {
        int(start) + node: split
        for start, part in zip(first, laid, strict=False)
        for node, split in part.splits.items()
    }
    rank = np.zeros(len(feature), dtype=np.int64)
    is_set = np.zeros(len(feature), dtype=bool)
    is_set[list(splits)] = True
    cuts = _ranked(feature, threshold, is_set, single, rank)
    missing_left = np.concatenate([part.missing_left for part in laid])
    categories, sets = _numbered_sets(feature, missing_left, splits, known or {}, rank)
    both = sorted(cuts.keys() & categories.keys())
    if both:
        raise ModelNotReadError(
            f"feature {both[0]} is split both by thresholds and by categories"
        )
    return Ensemble(
        feature,
        rank,
        np.concatenate([part.child for part in laid]),
        missing_left,
        np.concatenate([part.value for part in laid]),
        first,
        np.array([len(part.thin_out) for part in laid], dtype=np.int64),
        np.array([tree.output for tree in trees], dtype=np.int64),
        np.concatenate([part.thin_out for part in laid]),
        cuts,
        categories,
        sets,
        np.atleast_1d(np.asarray(base, dtype=np.float64)),
        link,
        single,
        tolerance,
        largest_category,
    )


@dataclass(frozen=True)
class _Laid:
    """One tree, breadth first; place 1 is empty, so that left children are even."""

    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray
    thin_out: np.ndarray
    splits: dict[int, CategorySplit]


def _breadth_first(tree: Tree) -> _Laid:
    levels = [np.zeros(1, dtype=np.int64)]
    while True:
        inner = levels[-1][tree.left[levels[-1]] >= 0]
        if not len(inner):
            break
        levels.append(np.stack([tree.left[inner], tree.right[inner]], axis=1).ravel())
    order = np.concatenate(levels)
    places = np.arange(1, len(order) + 1)
    places[0] = 0
    place = np.zeros(len(tree.left), dtype=np.int64)
    place[order] = places
    n = len(order) + 1
    leaf = tree.left[order] < 0
    feature = np.full(n, -1, dtype=np.int32)
    feature[places] = np.where(leaf, -1, tree.feature[order])
    threshold = np.zeros(n)
    threshold[places] = tree.threshold[order]
    child = np.arange(n)
    child[places[~leaf]] = place[tree.left[order[~leaf]]]
    missing_left = np.zeros(n, dtype=bool)
    missing_left[places] = tree.missing_left[order]
    value = np.zeros((n, tree.value.shape[1]))
    value[places[leaf]] = tree.value[order[leaf]]
    return _Laid(
        feature,
        threshold,
        child,
        missing_left,
        value,
        _thinning(tree, levels),
        {int(place[node]): split for node, split in tree.splits.items()},
    )


def _thinning(tree: Tree, levels: list[np.ndarray]) -> np.ndarray:
    """Levels at which enough rows reach a leaf, were every split even."""
    thin_out = np.zeros(len(levels) - 1, dtype=bool)
    share = last = 1.0
    for level, nodes in enumerate(levels[1:], start=1):
        share -= np.count_nonzero(tree.left[nodes] < 0) * 2.0**-level
        if share < _THIN_OUT_AT * last:
            thin_out[level - 1], last = True, share
    thin_out[-1:] = False  # nobody walks on
    return thin_out


def _ranked(
    feature: np.ndarray,
    threshold: np.ndarray,
    is_set: np.ndarray,
    single: bool,
    rank: np.ndarray,
) -> dict[int, np.ndarray]:
    """Sorted thresholds of each numeric feature; fills the nodes' ranks among them."""
    if single:
        threshold = _rounded_down(threshold)
    numeric = np.flatnonzero((feature >= 0) & ~is_set)
    if not len(numeric):
        return {}
    numeric = numeric[np.argsort(feature[numeric], kind="stable")]
    features, starts = np.unique(feature[numeric], return_index=True)
    cuts = {}
    for j, nodes in zip(features, np.split(numeric, starts[1:]), strict=True):
        cuts[int(j)], rank[nodes] = np.unique(threshold[nodes], return_inverse=True)
    return cuts


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """The largest single-precision numbers that are not above the values."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    above = rounded > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded.astype(np.float64)


def _numbered_sets(
    feature: np.ndarray,
    missing_left: np.ndarray,
    splits: dict[int, CategorySplit],
    known: Mapping[int, np.ndarray],
    rank: np.ndarray,
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Categories of each feature, and of each node those that go right, as bits."""
    if not splits:
        return {}, np.zeros((1, 1), dtype=np.uint64)
    members: dict[int, list[np.ndarray]] = {}
    for node, split in splits.items():
        j = int(feature[node])
        members.setdefault(j, [known[j]] if j in known else []).append(split.members)
    categories = {
        j: np.unique(np.concatenate(parts)).astype(np.int64)
        for j, parts in members.items()
    }
    most = max(map(len, categories.values()))
    right = np.zeros((len(splits), -(-(most + 2) // 64) * 64), dtype=bool)
    for number, (node, split) in enumerate(splits.items()):
        own = categories[int(feature[node])]
        right[number, : len(own)] = np.isin(own, split.members) != split.members_left
        right[number, len(own)] = not split.unknown_left
        right[number, len(own) + 1] = not missing_left[node]
        rank[node] = number
    bits = np.packbits(right, axis=1, bitorder="little").view(np.uint64)
    return categories, bits
