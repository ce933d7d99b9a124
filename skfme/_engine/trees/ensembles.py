"""A fitted tree ensemble as arrays: what every importer makes, and what engines read.

f(x) = link(base + Σ over trees of the leaf that x falls into). A tree comes in its
library's own order of nodes; :func:`packed` lays all of them out breadth first, and
replaces thresholds by their rank among all thresholds of their feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.special import expit, softmax

from skfme._engine.refusals import ModelNotReadError

__all__ = [
    "ROUNDING_ULPS",
    "CategorySplit",
    "Ensemble",
    "Precision",
    "Tree",
    "members_of",
    "packed",
    "passed",
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
class Precision:
    """How exactly a library reads values, and how exactly it is reproduced.

    Attributes
    ----------
    single : bool
        Whether values are compared in single precision.
    tolerance : float
        To which the model itself is reproduced, relative to its largest prediction.
    largest_category : int
        Largest category that the model's own type of categories holds.
    """

    single: bool = False
    tolerance: float = 1e-12
    largest_category: int = 2**31 - 1


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
        Sorted categories that the splits of a feature mention. A value's code is its
        place among them; then come other ones and missing values.
    sets : ndarray of shape (n_sets, n_words), uint64
        Codes that go right, as bits.
    base : ndarray of shape (n_margins,)
    link : str
        "identity", "logistic", "exponential" or "softmax".
    precision : Precision
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
    precision: Precision

    def respond(self, margin: np.ndarray) -> np.ndarray:
        """Predictions of margins, the base included, along the last axis."""
        if self.link == "logistic":
            return expit(margin)
        if self.link == "exponential":
            return np.exp(margin)
        if self.link == "softmax":
            return softmax(margin, axis=-1)
        return margin


# Within so many units in the last place, a threshold is at the end of a path.
ROUNDING_ULPS = 2
# Once this share of the rows is left on their way down, the others are set aside.
_THIN_OUT_AT = 0.7
_LAID_TOGETHER = 2**15  # nodes
_USUAL = Precision()


def packed(
    trees: Sequence[Tree],
    base: np.ndarray,
    link: str = "identity",
    precision: Precision = _USUAL,
    categories: Mapping[int, np.ndarray] | None = None,
) -> Ensemble:
    """Lay out trees for walking: an :class:`Ensemble`.

    Parameters
    ----------
    trees : sequence of Tree
    base : array-like of shape (n_margins,)
        Margin of an ensemble without trees.
    link, precision
        As in :class:`Ensemble`.
    categories : mapping of int -> ndarray of int, default=None
        Those of a feature in training, split on or not.

    Raises
    ------
    ModelNotReadError
        If a feature is split both by thresholds and by categories.
    """
    if not trees:
        raise ModelNotReadError("it has no trees")
    laid = _laid_out(trees)
    nodes, splits = laid.nodes, laid.splits
    cuts, rank = _ranked(nodes, list(splits), precision.single)
    coded, sets = _numbered_sets(nodes, splits, categories or {})
    rank[list(splits)] = np.arange(len(splits))
    both = sorted(cuts.keys() & coded.keys())
    if both:
        raise ModelNotReadError(
            f"feature {both[0]} is split both by thresholds and by categories"
        )
    return Ensemble(
        feature=nodes.feature,
        rank=rank,
        child=nodes.child,
        missing_left=nodes.missing_left,
        value=nodes.value,
        first=laid.first,
        depth=laid.depth,
        output=np.array([tree.output for tree in trees], dtype=np.int64),
        thin_out=laid.thin_out,
        cuts=cuts,
        categories=coded,
        sets=sets,
        base=np.atleast_1d(np.asarray(base, dtype=np.float64)),
        link=link,
        precision=precision,
    )


def members_of(bits: np.ndarray) -> np.ndarray:
    """The numbers that a bit set of 32-bit words holds."""
    as_bytes = np.ascontiguousarray(bits).astype("<u4").view(np.uint8)
    return np.flatnonzero(np.unpackbits(as_bytes, bitorder="little"))


class _Nodes(NamedTuple):
    """Nodes breadth first; place 1 of a tree is empty, so that left children are even."""

    feature: np.ndarray
    threshold: np.ndarray
    child: np.ndarray
    missing_left: np.ndarray
    value: np.ndarray


class _Laid(NamedTuple):
    """All trees, breadth first; splits by place among all nodes."""

    nodes: _Nodes
    first: np.ndarray
    depth: np.ndarray
    thin_out: np.ndarray
    splits: dict[int, CategorySplit]


def _laid_out(trees: Sequence[Tree]) -> _Laid:
    """All trees, several small ones at a time, whose nodes stay in the nearer caches."""
    n_nodes = np.cumsum([len(tree.left) for tree in trees])
    group = n_nodes // _LAID_TOGETHER
    ends = np.flatnonzero(np.diff(group, append=group[-1] + 1)) + 1
    parts = [
        _laid_together(trees[start:stop])
        for start, stop in pairwise([0, *ends.tolist()])
    ]
    begins = np.cumsum([0, *(part.first[-1] for part in parts)])
    return _Laid(
        _Nodes(*map(np.concatenate, zip(*(p.nodes for p in parts), strict=True))),
        np.concatenate(
            [[0], *(p.first[1:] + b for b, p in zip(begins, parts, strict=False))]
        ),
        np.concatenate([part.depth for part in parts]),
        np.concatenate([part.thin_out for part in parts]),
        {
            int(begin) + at: split
            for begin, part in zip(begins, parts, strict=False)
            for at, split in part.splits.items()
        },
    )


def _laid_together(trees: Sequence[Tree]) -> _Laid:
    sizes = np.array([len(tree.left) for tree in trees])
    start = np.cumsum([0, *sizes])
    offset = np.repeat(start[:-1], sizes)
    left, right = (
        np.concatenate([getattr(tree, side) for tree in trees])
        for side in ("left", "right")
    )
    is_leaf, left, right = left < 0, left + offset, right + offset
    levels, of_tree = [start[:-1]], [np.arange(len(trees))]
    while True:
        inner = ~is_leaf[levels[-1]]
        above, owner = levels[-1][inner], of_tree[-1][inner]
        if not len(above):
            break
        levels.append(np.stack([left[above], right[above]], axis=1).ravel())
        of_tree.append(np.repeat(owner, 2))
    tree = np.concatenate(of_tree)
    order = np.argsort(tree, kind="stable")
    source, tree = np.concatenate(levels)[order], tree[order]
    n_each = np.bincount(tree) + 1
    first = np.cumsum([0, *n_each])
    # Behind each root a place stays empty.
    within = np.arange(len(tree)) - (first[:-1] - np.arange(len(trees)))[tree]
    within += within > 0
    place = first[tree] + within
    placed = np.full(start[-1], -1)
    placed[source] = place
    splits = {
        int(at): split
        for begin, laid in zip(start, trees, strict=False)
        for node, split in laid.splits.items()
        if (at := placed[begin + node]) >= 0
    }
    inner = ~is_leaf[source]
    n_inner = np.cumsum(inner)
    own = n_inner - (n_inner - inner)[within == 0][tree]
    nodes = _empty_nodes(first, trees[0].value.shape[1])
    feature, threshold, missing_left, value = (
        np.concatenate([getattr(tree, name) for tree in trees])[source]
        for name in ("feature", "threshold", "missing_left", "value")
    )
    nodes.feature[place] = np.where(inner, feature, -1)
    nodes.threshold[place] = threshold
    # The children of the first inner node come first.
    nodes.child[place] = np.where(inner, 2 * own, within)
    nodes.missing_left[place] = missing_left
    nodes.value[place] = np.where(inner[:, None], 0.0, value)
    depth, thin_out = _thinning(is_leaf, levels, of_tree)
    return _Laid(nodes, first, depth, thin_out, splits)


def _empty_nodes(first: np.ndarray, width: int) -> _Nodes:
    n = first[-1]
    return _Nodes(
        feature=np.full(n, -1, dtype=np.int32),
        threshold=np.zeros(n),
        child=np.ones(n, dtype=np.int64),
        missing_left=np.zeros(n, dtype=bool),
        value=np.zeros((n, width)),
    )


def _thinning(
    is_leaf: np.ndarray, levels: Sequence[np.ndarray], of_tree: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The depth of each tree, and its levels at which enough rows reach a leaf, were every
    split even.
    """
    n_trees = len(of_tree[0])
    thin_out = np.zeros((n_trees, len(levels) - 1), dtype=bool)
    depth = np.zeros(n_trees, dtype=np.int64)
    share = last = np.ones(n_trees)
    for level, (nodes, tree) in enumerate(
        zip(levels[1:], of_tree[1:], strict=True), start=1
    ):
        depth[tree] = level
        leaves = np.bincount(tree[is_leaf[nodes]], minlength=n_trees)
        share = share - leaves * 2.0**-level
        enough = share < _THIN_OUT_AT * last
        thin_out[enough, level - 1] = True
        last = np.where(enough, share, last)
    thin_out[depth > 0, depth[depth > 0] - 1] = False  # no row goes on
    return depth, thin_out[np.arange(len(levels) - 1) < depth[:, None]]


def _ranked(
    nodes: _Nodes, sets: Sequence[int], single: bool
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Sorted thresholds of each numeric feature, and the nodes' ranks among them."""
    threshold = _rounded_down(nodes.threshold) if single else nodes.threshold
    rank = np.zeros(len(threshold), dtype=np.int64)
    by_threshold = nodes.feature >= 0
    by_threshold[list(sets)] = False
    numeric = np.flatnonzero(by_threshold)
    numeric = numeric[np.argsort(nodes.feature[numeric], kind="stable")]
    features, starts = np.unique(nodes.feature[numeric], return_index=True)
    cuts = {}
    for j, places in zip(features, np.split(numeric, starts)[1:], strict=True):
        cuts[int(j)], rank[places] = np.unique(threshold[places], return_inverse=True)
    return cuts, rank


def _rounded_down(values: np.ndarray) -> np.ndarray:
    """The largest single-precision numbers that are not above the values."""
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float32)
    above = rounded > values
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return rounded.astype(np.float64)


def passed(cuts: np.ndarray) -> np.ndarray:
    """Where values that are rounded pass cuts: half way to the next number."""
    with np.errstate(over="ignore"):
        above = np.nextafter(cuts.astype(np.float32), np.float32(np.inf))
    return np.where(np.isfinite(above), (cuts + above) / 2, cuts)


def _numbered_sets(
    nodes: _Nodes,
    splits: Mapping[int, CategorySplit],
    trained: Mapping[int, np.ndarray],
) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """Categories of each feature, and of each split those that go right, as bits."""
    if not splits:
        return {}, np.zeros((1, 1), dtype=np.uint64)
    members: dict[int, list[np.ndarray]] = {}
    for node, split in splits.items():
        j = int(nodes.feature[node])
        members.setdefault(j, [trained[j]] if j in trained else []).append(
            split.members
        )
    categories = {
        j: np.unique(np.concatenate(sets)).astype(np.int64)
        for j, sets in members.items()
    }
    most = max(map(len, categories.values()))
    right = np.zeros((len(splits), -(-(most + 2) // 64) * 64), dtype=bool)
    for row, (node, split) in zip(right, splits.items(), strict=True):
        mentioned = categories[int(nodes.feature[node])]
        n = len(mentioned)
        row[:n] = np.isin(mentioned, split.members) != split.members_left
        row[n] = not split.unknown_left
        row[n + 1] = not nodes.missing_left[node]
    return categories, np.packbits(right, axis=1, bitorder="little").view(np.uint64)
