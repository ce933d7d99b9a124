"""Growing a tree over effects: one grower, whatever the criterion.

A criterion says how the nodes of a layer are split; here the rows go down the tree. A
grown tree is a list of nodes in pre-order, so that children come after their parent
and no function recurses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from skfme.statsmodels._tree.covariates import Covariate, Sample, Split

__all__ = [
    "Criterion",
    "Layer",
    "Limits",
    "Node",
    "Part",
    "Tests",
    "collapsed",
    "grow",
    "leaves_of",
    "rows_below",
]


@dataclass(frozen=True)
class Limits:
    """What a node and its children must weigh, and how deep a tree may go."""

    min_leaf: float
    min_split: float
    minprob: float = 0.0
    max_depth: float = math.inf

    def least(self, total: float) -> float:
        """Weight that a child of a node of weight `total` must have."""
        return max(self.min_leaf, math.ceil(total * self.minprob))


class Tests(NamedTuple):
    """Statistic and adjusted log(1 − p) of every covariate; NaN if not tested."""

    statistic: np.ndarray
    log_1_minus_p: np.ndarray


class Node(NamedTuple):
    """One node; `left` and `right` are positions in the tree's list, −1 in a leaf.

    Attributes
    ----------
    n, weight : int, float
        Rows, and the sum of their weights.
    mean, ss : float
        Weighted mean effect, and the sum of squares about it.
    """

    depth: int
    n: int
    weight: float
    mean: float
    ss: float
    split: Split | None = None
    tests: Tests | None = None
    left: int = -1
    right: int = -1
    rows: np.ndarray | None = None

    @property
    def is_leaf(self) -> bool:
        return self.left < 0

    @property
    def sd(self) -> float:
        """SD with divisor W − 1; NaN where W ≤ 1."""
        return math.sqrt(self.ss / (self.weight - 1)) if self.weight > 1 else math.nan


class Part(NamedTuple):
    """The rows of a node, with what a criterion needs of them.

    `rows` is None in the root: all of them. `orders` has the rows in the order of
    each covariate, where the criterion sorts once.
    """

    rows: np.ndarray | None
    orders: tuple[np.ndarray | None, ...]
    deviations: np.ndarray
    weights: np.ndarray | None
    n: int
    total: float
    mean: float
    ss: float

    def of(self, values: np.ndarray) -> np.ndarray:
        """The node's entries of an array over all rows."""
        return values if self.rows is None else values.take(self.rows, axis=0)


class Layer:
    """The nodes of one depth, their rows one after another.

    Attributes
    ----------
    rows : ndarray of shape (n,) or None
        None in the root's layer.
    deviations : ndarray of shape (n,)
        Effects minus the weighted mean of their node.
    weights : ndarray of shape (n,) or None
    starts : ndarray of shape (n_nodes,)
        Where the rows of each node begin.
    totals, around : ndarray of shape (n_nodes,)
        Sum of weights, and Σ w (y − ȳ)², of each node.
    parts : list of Part
    """

    def __init__(self, sample: Sample, members: list[tuple[Any, tuple]]) -> None:
        given = [rows for rows, _ in members]
        self.rows = None if given[0] is None else np.concatenate(given)
        sizes = np.array([len(sample) if rows is None else len(rows) for rows in given])
        ends = np.cumsum(sizes)
        self.starts = ends - sizes
        effects, self.weights = sample.effects, sample.weights
        if self.rows is not None:
            effects = effects.take(self.rows)
            self.weights = (
                None if self.weights is None else self.weights.take(self.rows)
            )
        self.totals = sizes.astype(float)
        if self.weights is not None:
            self.totals = np.add.reduceat(self.weights, self.starts)
        means = np.add.reduceat(self.weighted(effects), self.starts) / self.totals
        self.deviations = effects - means.repeat(sizes)
        squares = self.weighted(self.deviations) * self.deviations
        self.around = np.add.reduceat(squares, self.starts)
        # A constant effect differs by its rounding alone.
        self.around[self.around <= self.totals * (1e-12 * np.abs(means)) ** 2] = 0.0
        numbers = zip(
            self.starts.tolist(),
            ends.tolist(),
            self.totals.tolist(),
            means.tolist(),
            self.around.tolist(),
            strict=True,
        )
        self.parts = [
            self._part(*member, *number)
            for member, number in zip(members, numbers, strict=True)
        ]

    def _part(
        self,
        rows: np.ndarray | None,
        orders: tuple,
        start: int,
        end: int,
        *numbers: float,
    ) -> Part:
        weights = None if self.weights is None else self.weights[start:end]
        return Part(
            rows, orders, self.deviations[start:end], weights, end - start, *numbers
        )

    def weighted(self, values: np.ndarray) -> np.ndarray:
        return values if self.weights is None else self.weights * values

    def of(self, values: np.ndarray) -> np.ndarray:
        """The rows' entries of an array over all rows."""
        return values if self.rows is None else values.take(self.rows, axis=0)


class Criterion(Protocol):
    """How the nodes of a layer are split, and what their children inherit."""

    def find(self, layer: Layer) -> list[tuple[Split | None, Tests | None]]: ...

    def root_orders(self) -> tuple[np.ndarray | None, ...]: ...

    def pruned(self, nodes: list[Node]) -> list[Node]: ...


def grow(
    sample: Sample, criterion: Callable[[Sample, Limits], Criterion], limits: Limits
) -> list[Node]:
    """Grow a tree, layer by layer: nodes in pre-order, leaves with their rows."""
    chooser = criterion(sample, limits)
    nodes: list[Node] = []
    members: list[tuple[Any, tuple]] = [(None, chooser.root_orders())]
    depth = 0
    while members:
        layer = Layer(sample, members)
        large = [p.total >= limits.min_split and p.ss > 0 for p in layer.parts]
        found: list = [(None, None)] * len(large)
        if depth < limits.max_depth and any(large):
            found = chooser.find(layer)
        below = len(nodes) + len(large)
        members = []
        for part, splits, (split, tests) in zip(layer.parts, large, found, strict=True):
            numbers = (part.n, part.total, part.mean, part.ss)
            if not splits or split is None:
                rows = np.arange(len(sample)) if part.rows is None else part.rows
                tested = tests if splits else None
                nodes.append(Node(depth, *numbers, tests=tested, rows=rows))
                continue
            at = below + len(members)
            nodes.append(Node(depth, *numbers, split, tests, at, at + 1))
            members += _divide(sample, part, split, limits)
        depth += 1
    return chooser.pruned(collapsed(nodes, set()))


def _divide(sample: Sample, part: Part, split: Split, limits: Limits) -> list:
    """Rows and orders of the left child, then of the right."""
    covariate = sample.covariates[split.covariate]
    goes_left = split.goes_left(covariate, part.of(covariate.values))
    inside = np.arange(len(sample)) if part.rows is None else part.rows
    side = np.zeros(len(sample) if part.orders else 0, dtype=bool)
    if part.orders:
        side[inside[goes_left]] = True
    children = []
    for is_left in (True, False):
        members = goes_left if is_left else ~goes_left
        rows = inside[members]
        weights = part.weights
        total = len(rows) if weights is None else weights[members].sum()
        orders: tuple = ()
        if part.orders and total >= limits.min_split:
            orders = tuple(
                order if order is None else order[side[order] == is_left]
                for order in part.orders
            )
        children.append((rows, orders))
    return children


def collapsed(nodes: list[Node], gone: set[int]) -> list[Node]:
    """The tree with the inner nodes `gone` made leaves, in pre-order again."""
    kept: list[int] = []
    waiting = [0]
    while waiting:
        i = waiting.pop()
        kept.append(i)
        if not nodes[i].is_leaf and i not in gone:
            waiting += [nodes[i].right, nodes[i].left]
    position = {old: new for new, old in enumerate(kept)}
    fresh = []
    for i in kept:
        node = nodes[i]
        if i in gone:
            rows = rows_below(nodes, i)
            fresh.append(node._replace(split=None, left=-1, right=-1, rows=rows))
        elif node.is_leaf:
            fresh.append(node)
        else:
            left, right = position[node.left], position[node.right]
            fresh.append(node._replace(left=left, right=right))
    return fresh


def rows_below(nodes: list[Node], root: int) -> np.ndarray | None:
    parts, waiting = [], [root]
    while waiting:
        node = nodes[waiting.pop()]
        if node.is_leaf:
            parts.append(node.rows)
        else:
            waiting += [node.right, node.left]
    if any(rows is None for rows in parts):
        return None
    return np.sort(np.concatenate([rows for rows in parts if rows is not None]))


def leaves_of(
    nodes: list[Node], covariates: tuple[Covariate, ...], n: int
) -> np.ndarray:
    """Position of the leaf that each of n rows falls into."""
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
