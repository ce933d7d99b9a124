"""Growing a tree over effects: one grower, two criteria.

`ConditionalInference` chooses the covariate by a permutation test and cuts it where
the two-sample statistic is largest (Hothorn, Hornik and Zeileis, 2006).
`LeastSquares` searches all covariates for the largest fall of the sum of squares
(Breiman, Friedman, Olshen and Stone, 1984) and keeps the smallest subtree that
minimises SS(leaves) + cp SS(root) × leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

import numpy as np

from skfme.statsmodels._covariates import Covariate, Sample, Split
from skfme.statsmodels._split_tests import (
    TIE,
    TOLERANCE,
    adjusted,
    best_bipartition,
    best_contiguous,
    best_cut,
    factor_test,
    log_1_minus_p,
    numeric_statistics,
    preference,
)

__all__ = [
    "ConditionalInference",
    "Criterion",
    "LeastSquares",
    "Limits",
    "Node",
    "Tests",
    "collapsed",
    "grow",
    "leaves_of",
    "rows_below",
]

NOTHING = np.empty(0)

SPLITTRY = 2
"""Covariates tried for an admissible split, the most significant first."""


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

    def summary(self, keep_rows: bool) -> Part:
        """Without the arrays that only the search needs."""
        rows = self.rows if keep_rows else None
        return self._replace(rows=rows, orders=(), deviations=NOTHING, weights=None)

    def of(self, values: np.ndarray) -> np.ndarray:
        """The node's entries of an array over all rows."""
        return values if self.rows is None else values.take(self.rows, axis=0)


class Criterion(Protocol):
    """How a node is split, and what its children inherit."""

    def find(self, part: Part) -> tuple[Split | None, Tests | None]: ...

    def root_orders(self) -> tuple[np.ndarray | None, ...]: ...

    def pruned(self, nodes: list[Node]) -> list[Node]: ...


def grow(
    sample: Sample, criterion: Callable[[Sample, Limits], Criterion], limits: Limits
) -> list[Node]:
    """Grow a tree: nodes in pre-order, the root first, leaves with their rows."""
    chooser = criterion(sample, limits)
    drafts: list[tuple[int, Part, Split | None, Tests | None]] = []
    children: list[list[int]] = []
    waiting: list[tuple[Any, Any, int, int]] = [(None, chooser.root_orders(), 0, -1)]
    while waiting:
        rows, orders, depth, parent = waiting.pop()
        if parent >= 0:  # the left child comes first
            children[parent].append(len(drafts))
        part = _part(sample, rows, orders)
        split, tests = None, None
        # A constant effect differs by its rounding alone.
        if depth < limits.max_depth and part.total >= limits.min_split and part.ss > 0:
            split, tests = chooser.find(part)
        if split is not None:
            for child_rows, child_orders in _divide(sample, part, split, limits):
                waiting.append((child_rows, child_orders, depth + 1, len(drafts)))
        drafts.append((depth, part.summary(keep_rows=split is None), split, tests))
        children.append([])
    nodes = [
        _node(draft, pair, len(sample))
        for draft, pair in zip(drafts, children, strict=True)
    ]
    return chooser.pruned(nodes)


def _node(draft: tuple, children: list[int], n_all: int) -> Node:
    depth, part, split, tests = draft
    left, right = children or (-1, -1)
    rows = part.rows
    if split is None and rows is None:
        rows = np.arange(n_all)
    numbers = (part.n, part.total, part.mean, part.ss)
    return Node(depth, *numbers, split, tests, left, right, rows)


def _part(sample: Sample, rows: np.ndarray | None, orders: tuple) -> Part:
    effects, weights = sample.effects, sample.weights
    if rows is not None:
        effects = effects.take(rows)
        weights = None if weights is None else weights.take(rows)
    total = float(len(effects) if weights is None else weights.sum())
    mean = float(effects.mean() if weights is None else weights @ effects / total)
    deviations = effects - mean if rows is None else np.subtract(effects, mean, effects)
    weighted = deviations if weights is None else weights * deviations
    # Faster here than BLAS, whose threads cost more than such a sum.
    ss = float(np.einsum("i,i->", weighted, deviations))
    if ss <= total * (1e-12 * abs(mean)) ** 2:
        ss = 0.0
    return Part(rows, orders, deviations, weights, len(effects), total, mean, ss)


def _divide(sample: Sample, part: Part, split: Split, limits: Limits) -> list:
    """Rows and orders of the right child, then of the left."""
    covariate = sample.covariates[split.covariate]
    goes_left = split.goes_left(covariate, part.of(covariate.values))
    inside = np.arange(len(sample)) if part.rows is None else part.rows
    side = np.zeros(len(sample) if part.orders else 0, dtype=bool)
    if part.orders:
        side[inside[goes_left]] = True
    children = []
    for is_left in (False, True):
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


class ConditionalInference:
    """Choose the covariate by a test; stop where none passes.

    Parameters
    ----------
    sample : Sample
    limits : Limits
    alpha : float
        A covariate must have an adjusted p-value below it.
    teststat : {"quadratic", "maximum"}
    testtype : {"bonferroni", "univariate"}
    """

    def __init__(
        self, sample: Sample, limits: Limits, alpha: float, teststat: str, testtype: str
    ) -> None:
        self.sample, self.limits = sample, limits
        self.threshold = math.log1p(-alpha)
        self.teststat, self.testtype = teststat, testtype
        # partykit's tolerance is absolute. In units of the root's SDs it treats
        # effects of 1e-9 as it does those of 1.
        self.least_variance = TOLERANCE * float(np.var(sample.effects))
        scored = [j for j, c in enumerate(sample.covariates) if c.kind != "unordered"]
        self.complete = [j for j in scored if not sample.covariates[j].has_missing]
        self.holed = {
            j: _standardised(sample.covariates[j])
            for j in scored
            if sample.covariates[j].has_missing
        }
        self.factors = [
            j for j, c in enumerate(sample.covariates) if c.kind == "unordered"
        ]
        self.scores = np.empty((len(sample), len(self.complete)))
        for k, j in enumerate(self.complete):
            self.scores[:, k] = _standardised(sample.covariates[j])

    def root_orders(self) -> tuple[np.ndarray | None, ...]:
        return ()

    def pruned(self, nodes: list[Node]) -> list[Node]:
        return nodes

    def find(self, part: Part) -> tuple[Split | None, Tests | None]:
        statistic, single = self._test(part)
        criterion = adjusted(single, self.testtype)
        tests = Tests(statistic, criterion)
        if not (criterion > self.threshold).any():
            return None, tests
        for j in preference(criterion, statistic)[:SPLITTRY]:
            if not criterion[j] > self.threshold:
                break
            split = self._search(part, int(j))
            if split is not None:
                return split, tests
        return None, tests

    def _test(self, part: Part) -> tuple[np.ndarray, np.ndarray]:
        statistic = np.full(len(self.sample.covariates), np.nan)
        single = statistic.copy()
        if self.complete:
            statistic[self.complete] = numeric_statistics(
                self.scores,
                part.rows,
                part.deviations,
                part.weights,
                self.least_variance,
            )
        for j, scores in self.holed.items():
            statistic[j] = self._holed_statistic(part, part.of(scores))
        scored = [*self.complete, *self.holed]
        single[scored] = log_1_minus_p(statistic[scored])
        if self.teststat == "maximum":
            statistic[scored] = np.sqrt(statistic[scored])
        for j in self.factors:
            weights, sums, around = _by_level(part, self.sample.covariates[j])
            statistic[j], single[j] = factor_test(
                weights, sums, around, self.least_variance, self.teststat
            )
        return statistic, single

    def _holed_statistic(self, part: Part, scores: np.ndarray) -> float:
        """Of the rows that have the covariate."""
        has = ~np.isnan(scores)
        if not has.any():
            return math.nan
        deviations = part.deviations[has]
        weights = None if part.weights is None else part.weights[has]
        deviations = deviations - np.average(deviations, weights=weights)
        return float(
            numeric_statistics(
                scores[has, None], None, deviations, weights, self.least_variance
            )[0]
        )

    def _search(self, part: Part, j: int) -> Split | None:
        covariate, least = self.sample.covariates[j], self.limits.least(part.total)
        if covariate.kind == "unordered":
            weights, sums, _ = _by_level(part, covariate)
            present = np.flatnonzero(weights > 0)
            left = best_bipartition(weights[present], sums[present], least)
            return (
                None if left is None else _of_levels(j, part, covariate, present, left)
            )
        values = part.of(covariate.values)
        order = _sorted(covariate, values)
        kept = None if part.weights is None else part.weights[order]
        ordered = values[order]
        cut = best_cut(ordered, kept, part.deviations[order], least)
        if cut is None:
            return None
        default_left = cut.last + 1 > len(ordered) - cut.last - 1
        return Split(j, cut=float(ordered[cut.last]), default_left=default_left)


class LeastSquares:
    """Search every covariate for the largest between-group sum of squares."""

    def __init__(self, sample: Sample, limits: Limits, cp: float) -> None:
        self.sample, self.limits = sample, limits
        mean = np.average(sample.effects, weights=sample.weights)
        squares = (sample.effects - mean) ** 2
        weights = sample.weights
        self.worth = cp * float(squares.sum() if weights is None else weights @ squares)

    def root_orders(self) -> tuple[np.ndarray | None, ...]:
        """Rows in the order of each covariate, missing ones left out."""
        orders: list[np.ndarray | None] = []
        self.distinct = []
        for covariate in self.sample.covariates:
            self.distinct.append(False)
            if covariate.kind == "unordered":
                orders.append(None)
                continue
            order = _sorted(covariate, covariate.values)
            values = covariate.values[order]
            self.distinct[-1] = bool((values[1:] != values[:-1]).all())
            orders.append(order)
        return tuple(orders)

    def find(self, part: Part) -> tuple[Split | None, Tests | None]:
        # No split below can be worth more than the node's whole sum of squares.
        if part.ss <= self.worth or not part.orders:
            return None, None
        best, chosen = 0.0, None
        for j, order in enumerate(part.orders):
            gain, split = (
                self._factor(part, j)
                if order is None
                else self._numeric(j, order, part.mean)
            )
            if split is not None and gain > best * (1 + TIE):
                best, chosen = gain, split
        return chosen, None

    def _numeric(
        self, j: int, order: np.ndarray, mean: float
    ) -> tuple[float, Split | None]:
        sample, covariate = self.sample, self.sample.covariates[j]
        if not len(order):
            return 0.0, None
        values = None if self.distinct[j] else covariate.values.take(order)
        weights = None if sample.weights is None else sample.weights.take(order)
        deviations = sample.effects.take(order)
        deviations -= mean
        cut = best_cut(values, weights, deviations, self.limits.min_leaf)
        if cut is None:
            return 0.0, None
        total = len(order) if weights is None else weights.sum()
        below, above = covariate.values[order[cut.last : cut.last + 2]].tolist()
        middle = below + (above - below) / 2
        # Between neighbouring floats the middle is one of them.
        middle = above if middle <= below else middle
        majority = cut.last + 1 > len(order) - cut.last - 1
        if covariate.kind == "ordered":
            return cut.gain * total, Split(
                j, cut=math.ceil(middle) - 1.0, default_left=majority
            )
        return cut.gain * total, Split(
            j, cut=middle, strict=True, default_left=majority
        )

    def _factor(self, part: Part, j: int) -> tuple[float, Split | None]:
        covariate = self.sample.covariates[j]
        weights, sums, _ = _by_level(part, covariate)
        present = np.flatnonzero(weights > 0)
        if len(present) < 2:
            return 0.0, None
        found = best_contiguous(weights[present], sums[present], self.limits.min_leaf)
        if found is None:
            return 0.0, None
        left, gain = found
        split = _of_levels(j, part, covariate, present, left)
        return gain * float(weights.sum()), split

    def pruned(self, nodes: list[Node]) -> list[Node]:
        """The smallest subtree of least SS(leaves) + cp SS(root) × leaves."""
        cost = np.empty(len(nodes))
        gone = set()
        for i in range(len(nodes) - 1, -1, -1):  # children come after their parent
            node = nodes[i]
            cost[i] = node.ss + self.worth
            if not node.is_leaf:
                below = cost[node.left] + cost[node.right]
                if cost[i] <= below:
                    gone.add(i)
                else:
                    cost[i] = below
        return collapsed(nodes, gone)


def _sorted(covariate: Covariate, values: np.ndarray) -> np.ndarray:
    """The order of a column's entries, missing ones left out."""
    if not covariate.numeric and len(covariate.levels) < 2**15:
        values = values.astype(np.int16)  # sorted by radix
    order = np.argsort(values, kind=None if covariate.numeric else "stable")
    if not covariate.has_missing:
        return order
    return order[covariate.observed(values[order])]


def _standardised(covariate: Covariate) -> np.ndarray:
    """Numbers, or codes, in the root's SDs about its mean; 0 for a constant."""
    values = covariate.values.astype(float)
    if covariate.has_missing:
        values[~covariate.observed(covariate.values)] = np.nan
    observed = values[~np.isnan(values)] if covariate.has_missing else values
    if not len(observed) or observed.min() == observed.max():
        return values * 0.0
    with np.errstate(over="ignore"):
        mean, spread = observed.mean(), observed.std()
    if not np.isfinite(spread) or spread == 0:
        # Squares of the numbers would leave the range of floats.
        unit = np.abs(observed).max()
        values, observed = values / unit, observed / unit
        mean, spread = observed.mean(), observed.std()
    values -= mean
    values /= spread
    return values


def _by_level(part: Part, covariate: Covariate) -> tuple[np.ndarray, np.ndarray, float]:
    """Σ w and Σ w (y − ȳ) by level, and SST, over the rows that have a level."""
    codes, deviations, weights = (
        part.of(covariate.values),
        part.deviations,
        part.weights,
    )
    around = part.ss
    if covariate.has_missing:
        has = codes >= 0
        codes, deviations = codes[has], deviations[has]
        weights = None if weights is None else weights[has]
        if len(codes):
            deviations = deviations - np.average(deviations, weights=weights)
        squares = deviations**2
        around = float(squares.sum() if weights is None else weights @ squares)
    k = len(covariate.levels)
    counts = np.bincount(codes, weights, minlength=k).astype(float)
    weighted = deviations if weights is None else weights * deviations
    return counts, np.bincount(codes, weighted, minlength=k), around


def _of_levels(
    j: int, part: Part, covariate: Covariate, present: np.ndarray, left: np.ndarray
) -> Split:
    """A split by levels; what the node does not know goes where more rows went."""
    codes = part.of(covariate.values)
    rows = np.bincount(codes[codes >= 0], minlength=len(covariate.levels))[present]
    return Split(
        j,
        left=tuple(present[left].tolist()),
        right=tuple(present[~left].tolist()),
        default_left=bool(rows[left].sum() > rows[~left].sum()),
    )


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
