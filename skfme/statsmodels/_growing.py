"""Growing a tree over effects: one grower, whatever the criterion.

A criterion says how the nodes of a level are split; here the rows go down the tree. A
grown tree is a list of nodes in pre-order, so that children come after their parent
and no function recurses.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from skfme.statsmodels._covariates import Covariate, Sample, Split

__all__ = [
    "Criterion",
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


@dataclass(frozen=True)
class Node:
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
    rows: np.ndarray | None = field(default=None, repr=False, compare=False)

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


class Criterion(Protocol):
    """How the nodes of a level are split, and what their children inherit."""

    def find(self, parts: list[Part]) -> list[tuple[Split | None, Tests | None]]: ...

    def root_orders(self) -> tuple[np.ndarray | None, ...]: ...

    def pruned(self, nodes: list[Node]) -> list[Node]: ...


def grow(
    sample: Sample, criterion: Callable[[Sample, Limits], Criterion], limits: Limits
) -> list[Node]:
    """Grow a tree, level by level: nodes in pre-order, leaves with their rows."""
    chooser = criterion(sample, limits)
    nodes: list[Node] = []
    level: list[tuple[Any, Any]] = [(None, chooser.root_orders())]
    depth = 0
    while level:
        parts = [_part(sample, rows, orders) for rows, orders in level]
        found = _found(chooser, parts, limits) if depth < limits.max_depth else {}
        below = len(nodes) + len(parts)
        level = []
        for i, part in enumerate(parts):
            split, tests = found.get(i, (None, None))
            children, rows = (-1, -1), None
            if split is None:
                rows = np.arange(len(sample)) if part.rows is None else part.rows
            else:
                children = (below + len(level), below + len(level) + 1)
                level += _divide(sample, part, split, limits)
            numbers = (part.n, part.total, part.mean, part.ss)
            nodes.append(Node(depth, *numbers, split, tests, *children, rows))
        depth += 1
    return chooser.pruned(collapsed(nodes, set()))


def _found(chooser: Criterion, parts: list[Part], limits: Limits) -> dict:
    """Split and tests of the nodes that are large enough, by their place."""
    # A constant effect differs by its rounding alone.
    large = [i for i, p in enumerate(parts) if p.total >= limits.min_split and p.ss > 0]
    if not large:
        return {}
    return dict(zip(large, chooser.find([parts[i] for i in large]), strict=True))


def _part(sample: Sample, rows: np.ndarray | None, orders: tuple) -> Part:
    effects, weights = sample.effects, sample.weights
    if rows is not None:
        effects = effects.take(rows)
        weights = None if weights is None else weights.take(rows)
    total = float(len(effects) if weights is None else weights.sum())
    mean = float(effects.sum() if weights is None else weights @ effects) / total
    deviations = effects - mean if rows is None else np.subtract(effects, mean, effects)
    weighted = deviations if weights is None else weights * deviations
    # Faster here than BLAS, whose threads cost more than such a sum.
    ss = float(np.einsum("i,i->", weighted, deviations))
    if ss <= total * (1e-12 * abs(mean)) ** 2:
        ss = 0.0
    return Part(rows, orders, deviations, weights, len(effects), total, mean, ss)


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
            fresh.append(replace(node, split=None, left=-1, right=-1, rows=rows))
        elif node.is_leaf:
            fresh.append(node)
        else:
            left, right = position[node.left], position[node.right]
            fresh.append(replace(node, left=left, right=right))
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
