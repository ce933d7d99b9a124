"""A grown tree: a list of nodes in pre-order, and walks over it.

Children come after their parent, and the nodes below one follow it, so that no function
recurses. How trees are grown and pruned lives elsewhere.
"""

from __future__ import annotations

import math
from itertools import islice, takewhile
from typing import NamedTuple

import numpy as np

from skfme._summaries.weighted import weighted_mean
from skfme._summaries.weighting import Weighting
from skfme.statsmodels._tree.covariates import Covariate, Split

__all__ = [
    "Node",
    "Spread",
    "Tests",
    "collapsed",
    "count_leaves",
    "leaf_of_rows",
    "leaves_of",
    "node_rows",
    "parents",
]


class Tests(NamedTuple):
    """Statistic and adjusted log(1 − p) of every covariate; NaN if not tested."""

    statistic: np.ndarray
    log_1_minus_p: np.ndarray


class Spread(NamedTuple):
    """Number of rows, W = Σ w, ȳ = Σ w y / W, Σ w (y − ȳ)² about it, and their size.

    The size is the number of rows that an SD stands on, W of frequency weights.
    """

    n: int
    weight: float
    mean: float
    ss: float
    size: float

    @classmethod
    def of(cls, values: np.ndarray, weights: Weighting) -> Spread:
        mean = weighted_mean(values, weights)
        ss = float(weights.dot((values - mean) ** 2))
        return cls(len(values), weights.sum, mean, ss, weights.size)

    def merged(self, other: Spread) -> Spread:
        """That of the rows of both."""
        weight, away = self.weight + other.weight, other.mean - self.mean
        share = other.weight / weight if weight else 0.0
        between = away**2 * self.weight * share
        return Spread(
            self.n + other.n,
            weight,
            self.mean + away * share,
            self.ss + other.ss + between,
            self.size + other.size,
        )

    @property
    def sd(self) -> float:
        """SD with divisor size − 1; NaN of one row."""
        if self.size <= 1:
            return math.nan
        return math.sqrt(self.ss * (self.size / self.weight) / (self.size - 1))


class Node(NamedTuple):
    """One node; `left` and `right` are positions in the tree's list, −1 in a leaf.

    `spread` is that of its rows' effects. Until the tree is fitted, leaves hold `rows`.
    """

    depth: int
    spread: Spread
    split: Split | None = None
    tests: Tests | None = None
    left: int = -1
    right: int = -1
    rows: np.ndarray | None = None

    @property
    def is_leaf(self) -> bool:
        return self.left < 0


def count_leaves(nodes: list[Node]) -> int:
    return sum(node.is_leaf for node in nodes)


def parents(nodes: list[Node]) -> list[int]:
    """Position of each node's parent; −1 for the root."""
    above = [-1] * len(nodes)
    for i, node in enumerate(nodes):
        if not node.is_leaf:
            above[node.left] = above[node.right] = i
    return above


def collapsed(nodes: list[Node], merged: set[int]) -> list[Node]:
    """The tree with the nodes `merged` made leaves, in pre-order."""
    order, waiting = [], [0]
    while waiting:
        i = waiting.pop()
        order.append(i)
        if not nodes[i].is_leaf and i not in merged:
            waiting += [nodes[i].right, nodes[i].left]
    position = {old: new for new, old in enumerate(order)} | {-1: -1}
    tree = []
    for i in order:
        node = nodes[i]
        if i in merged:
            rows = _rows_below(nodes, i)
            node = node._replace(split=None, left=-1, right=-1, rows=rows)
        tree.append(node._replace(left=position[node.left], right=position[node.right]))
    return tree


def _rows_below(nodes: list[Node], i: int) -> np.ndarray | None:
    """Rows of a leaf, or of the leaves below a node, which follow it, in their order.

    None where no leaf holds any.
    """
    below = takewhile(lambda n: n.depth > nodes[i].depth, islice(nodes, i + 1, None))
    rows = [node.rows for node in (nodes[i], *below) if node.rows is not None]
    return np.sort(np.concatenate(rows)) if rows else None


def node_rows(nodes: list[Node], leaves: np.ndarray) -> list[np.ndarray]:
    """Rows of each node, by the leaf that each row falls into; −1 is none."""
    order = leaves.argsort(kind="stable")
    starts = leaves[order].searchsorted(np.arange(len(nodes) + 1))
    after = list(range(1, len(nodes) + 1))  # the first node that is not below
    for i in reversed(range(len(nodes))):
        if not nodes[i].is_leaf:
            after[i] = after[nodes[i].right]
    return [order[starts[i] : starts[end]] for i, end in enumerate(after)]


def leaves_of(nodes: list[Node], covariates: tuple[Covariate, ...]) -> np.ndarray:
    """Position of the leaf that each row falls into."""
    n = len(covariates[0].values)
    leaves = np.zeros(n, dtype=np.intp)
    waiting: list[tuple[int, np.ndarray]] = [(0, np.arange(n))]
    while waiting:
        i, rows = waiting.pop()
        split = nodes[i].split
        if split is None or not len(rows):
            leaves[rows] = i
            continue
        covariate = covariates[split.covariate]
        left = split.goes_left(covariate, covariate.values[rows])
        waiting += [(nodes[i].left, rows[left]), (nodes[i].right, rows[~left])]
    return leaves


def leaf_of_rows(nodes: list[Node], n: int) -> np.ndarray:
    """Leaf of each row that counted; −1 for rows that an honest tree grew on."""
    labels = np.full(n, -1, dtype=np.int32)
    for i, node in enumerate(nodes):
        if node.rows is not None:
            labels[node.rows] = i
    return labels
