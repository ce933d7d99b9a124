"""A fitted tree ensemble as arrays: what every importer makes, and what engines read.

f(x) = link(base + Σ over trees of the leaf that x falls into). A tree comes in its
library's own order of nodes; :func:`packed` lays all of them out breadth first, and
replaces thresholds by their rank among all thresholds of their feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
    laid = [_breadth_first(tree) for tree in trees]
    nodes = _Nodes(
        *map(np.concatenate, zip(*(tree.nodes for tree in laid), strict=True))
    )
    first = np.cumsum([0, *(len(tree.nodes.child) for tree in laid)])
    splits = {
        int(start) + place: split
        for start, tree in zip(first, laid, strict=False)
        for place, split in tree.splits.items()
    }
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
        first=first,
        depth=np.array([len(tree.thin_out) for tree in laid], dtype=np.int64),
        output=np.array([tree.output for tree in trees], dtype=np.int64),
        thin_out=np.concatenate([tree.thin_out for tree in laid]),
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
    """One tree, breadth first; its splits by place."""

    nodes: _Nodes
    thin_out: np.ndarray
    splits: dict[int, CategorySplit]


def _breadth_first(tree: Tree) -> _Laid:
    levels = [np.zeros(1, dtype=np.int64)]
    while len(inner := levels[-1][tree.left[levels[-1]] >= 0]):
        levels.append(np.stack([tree.left[inner], tree.right[inner]], axis=1).ravel())
    order = np.concatenate([levels[0], levels[0], *levels[1:]])
    leaf = tree.left[order] < 0
    leaf[1] = True
    place = np.zeros(len(tree.left), dtype=np.int64)
    place[order[2:]] = np.arange(2, len(order))
    nodes = _Nodes(
        feature=np.where(leaf, -1, tree.feature[order]).astype(np.int32),
        threshold=tree.threshold[order],
        # The children of the first inner node come first.
        child=np.where(leaf, np.arange(len(order)), 2 * np.cumsum(~leaf)),
        missing_left=tree.missing_left[order],
        value=np.where(leaf[:, None], tree.value[order], 0.0),
    )
    splits = {int(place[node]): split for node, split in tree.splits.items()}
    return _Laid(nodes, _thinning(tree, levels), splits)


def _thinning(tree: Tree, levels: list[np.ndarray]) -> np.ndarray:
    """Levels at which enough rows reach a leaf, were every split even."""
    thin_out = np.zeros(len(levels) - 1, dtype=bool)
    share = last = 1.0
    for level, nodes in enumerate(levels[1:], start=1):
        share -= np.count_nonzero(tree.left[nodes] < 0) * 2.0**-level
        if share < _THIN_OUT_AT * last:
            thin_out[level - 1], last = True, share
    thin_out[-1:] = False  # no row goes on
    return thin_out


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
