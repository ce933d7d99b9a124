"""Two criteria for splitting a node: conditional inference, and least squares.

`ConditionalInference` chooses the covariate by a permutation test and cuts it where
the two-sample statistic is largest (Hothorn, Hornik and Zeileis, 2006).
`LeastSquares` searches all covariates for the largest fall of the sum of squares
(Breiman, Friedman, Olshen and Stone, 1984) and keeps the smallest subtree that
minimises SS(leaves) + cp SS(root) × leaves.
"""

from __future__ import annotations

import math

import numpy as np

from skfme.statsmodels._tree.covariates import Covariate, Sample, Split
from skfme.statsmodels._tree.growing import Layer, Limits, Node, Part, Tests, collapsed
from skfme.statsmodels._tree.node_sums import Levels, Scores
from skfme.statsmodels._tree.split_search import (
    TIE,
    best_bipartition,
    best_contiguous,
    best_cut,
)
from skfme.statsmodels._tree.split_tests import (
    TOLERANCE,
    adjusted,
    factor_tests,
    log_1_minus_p,
    numeric_statistics,
    preference,
)

__all__ = ["ConditionalInference", "LeastSquares"]

SPLITTRY = 2
"""Covariates tried for an admissible split, the most significant first."""


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
        self.scores = Scores(sample.covariates, len(sample))
        self.levels = Levels(sample.covariates, len(sample))

    def root_orders(self) -> tuple[np.ndarray | None, ...]:
        return ()

    def pruned(self, nodes: list[Node]) -> list[Node]:
        return nodes

    def find(self, layer: Layer) -> list[tuple[Split | None, Tests | None]]:
        statistics, single = self._tested(layer)
        criteria = adjusted(single, self.testtype)
        tests = map(Tests, statistics, criteria)
        return [
            (self._split(part, of_part), of_part)
            for part, of_part in zip(layer.parts, tests, strict=True)
        ]

    def _tested(self, layer: Layer) -> tuple[np.ndarray, np.ndarray]:
        """Statistics and log(1 − p), nodes as rows and covariates as columns."""
        m = len(layer.parts)
        statistics, single = np.full((2, m, len(self.sample.covariates)), np.nan)
        scored, factors = self.scores.positions, self.levels.positions
        if scored:
            found = numeric_statistics(self.scores.moments(layer), self.least_variance)
            single[:, scored] = log_1_minus_p(found)
            maximum = self.teststat == "maximum"
            statistics[:, scored] = np.sqrt(found) if maximum else found
        if factors:
            of_factors, logs = factor_tests(
                self.levels.sums(layer), self.least_variance, self.teststat
            )
            statistics[:, factors] = of_factors.reshape(m, -1)
            single[:, factors] = logs.reshape(m, -1)
        return statistics, single

    def _split(self, part: Part, tests: Tests) -> Split | None:
        """By the most significant covariates, the first with an admissible split."""
        criterion = tests.log_1_minus_p
        too_small = part.total < 2 * self.limits.least(part.total)
        if too_small or not (criterion > self.threshold).any():
            return None
        for j in preference(criterion, tests.statistic)[:SPLITTRY]:
            if not criterion[j] > self.threshold:
                break
            split = self._search(part, j)
            if split is not None:
                return split
        return None

    def _search(self, part: Part, j: int) -> Split | None:
        covariate, least = self.sample.covariates[j], self.limits.least(part.total)
        if covariate.kind == "unordered":
            weights, sums = _by_level(part, covariate)
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

    def find(self, layer: Layer) -> list[tuple[Split | None, Tests | None]]:
        return [(self._split(part), None) for part in layer.parts]

    def _split(self, part: Part) -> Split | None:
        # No split below can be worth more than the node's whole sum of squares.
        if part.ss <= self.worth or not part.orders:
            return None
        best, chosen = 0.0, None
        for j, order in enumerate(part.orders):
            gain, split = (
                self._factor(part, j)
                if order is None
                else self._numeric(j, order, part.mean)
            )
            if split is not None and gain > best * (1 + TIE):
                best, chosen = gain, split
        return chosen

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
        weights, sums = _by_level(part, covariate)
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


def _by_level(part: Part, covariate: Covariate) -> tuple[np.ndarray, np.ndarray]:
    """Σ w and Σ w (y − ȳ) by level, ȳ over the rows that have a level."""
    codes, deviations, weights = (
        part.of(covariate.values),
        part.deviations,
        part.weights,
    )
    if covariate.has_missing:
        has = codes >= 0
        codes, deviations = codes[has], deviations[has]
        weights = None if weights is None else weights[has]
        if len(codes):
            deviations = deviations - np.average(deviations, weights=weights)
    k = len(covariate.levels)
    counts = np.bincount(codes, weights, minlength=k).astype(float)
    weighted = deviations if weights is None else weights * deviations
    return counts, np.bincount(codes, weighted, minlength=k)


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
