"""Two criteria for splitting a node: conditional inference, and least squares.

`ConditionalInference` chooses the covariate by a permutation test and cuts it where
the two-sample statistic is largest (Hothorn, Hornik and Zeileis, 2006).
`LeastSquares` searches all covariates for the largest fall of the sum of squares
(Breiman, Friedman, Olshen and Stone, 1984) and keeps the smallest subtree that
minimises SS(leaves) + cp SS(root) × leaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils._param_validation import StrOptions

from skfme.statsmodels._tree.covariates import Covariate, Sample, Split
from skfme.statsmodels._tree.growing import Choice, Criterion, Layer, Limits, Part
from skfme.statsmodels._tree.node_sums import (
    FactorLevels,
    LevelSums,
    NodeMoments,
    Scores,
)
from skfme.statsmodels._tree.nodes import Node, Spread, Tests, collapsed
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

__all__ = [
    "ConditionalInference",
    "InferenceRules",
    "LeastSquaresCriterion",
    "MethodNames",
    "level_split",
]

SPLITTRY = 2
"""Covariates tried for an admissible split, the most significant first."""


class MethodNames(StrOptions):
    """Names of the criteria; an error says which of R's packages they are like."""

    def __str__(self) -> str:
        return f"{super().__str__()}, 'cart' for R's rpart and 'ctree' for partykit"


@dataclass(frozen=True)
class InferenceRules:
    """Tests of a layer from its sums, and what a node may be split by.

    Parameters
    ----------
    limits : Limits
    alpha : float
        A covariate must have an adjusted p-value below it.
    teststat : {"quadratic", "maximum"}
    testtype : {"bonferroni", "univariate"}
    variance : float
        Of the root's effects, without weights.
    """

    limits: Limits
    alpha: float
    teststat: str
    testtype: str
    variance: float

    def tests(
        self,
        positions: tuple[list[int], list[int]],
        moments: NodeMoments | None,
        levels: LevelSums | None,
    ) -> list[Tests]:
        """Of each node; `positions` are those of scored covariates, and of factors."""
        scored, factors = positions
        # partykit's tolerance is absolute. In units of the root's SDs it treats
        # effects of 1e-9 as it does those of 1.
        least_variance = TOLERANCE * self.variance
        found = {}
        if moments is not None:
            quadratic = numeric_statistics(moments, least_variance)
            maximum = self.teststat == "maximum"
            statistic = np.sqrt(quadratic) if maximum else quadratic
            found["scored"] = scored, statistic, log_1_minus_p(quadratic)
        if levels is not None:
            tested = factor_tests(levels, least_variance, self.teststat)
            found["factors"] = factors, *tested
        n_nodes = len(next(iter(found.values()))[1])
        shape = n_nodes, len(scored) + len(factors)
        statistics, logs = np.full((2, *shape), np.nan)
        for columns, of_columns, logs_of_columns in found.values():
            statistics[:, columns], logs[:, columns] = of_columns, logs_of_columns
        return list(map(Tests, statistics, adjusted(logs, self.testtype)))

    def candidates(self, spread: Spread, tests: Tests) -> list[int]:
        """Covariates that a node may be split by, the most significant first."""
        criterion, weight = tests.log_1_minus_p, spread.weight
        threshold = math.log1p(-self.alpha)
        too_small = weight < 2 * self.limits.least(weight)
        if too_small or not (criterion > threshold).any():
            return []
        preferred = preference(criterion, tests.statistic)[:SPLITTRY]
        return [j for j in preferred if criterion[j] > threshold]


class ConditionalInference(Criterion):
    """Choose the covariate by a test; stop where none passes.

    Parameters
    ----------
    sample : Sample
    limits : Limits
    **options
        The other parameters of `InferenceRules`.
    """

    def __init__(self, sample: Sample, limits: Limits, **options: Any) -> None:
        self.sample, self.limits = sample, limits
        variance = float(np.var(sample.effects))
        self.rules = InferenceRules(limits, variance=variance, **options)
        self.scores = Scores(sample.covariates, len(sample))
        self.levels = FactorLevels(sample.covariates, len(sample))

    def find(self, layer: Layer) -> list[Choice]:
        positions = self.scores.positions, self.levels.positions
        tests = self.rules.tests(
            positions,
            self.scores.moments(layer) if positions[0] else None,
            self.levels.sums(layer) if positions[1] else None,
        )
        return [
            (self._split(part, of_part), of_part)
            for part, of_part in zip(layer.parts, tests, strict=True)
        ]

    def _split(self, part: Part, tests: Tests) -> Split | None:
        """By the most significant covariates, the first with an admissible split."""
        for j in self.rules.candidates(part.spread, tests):
            split = self._search(part, j)
            if split is not None:
                return split
        return None

    def _search(self, part: Part, j: int) -> Split | None:
        covariate = self.sample.covariates[j]
        least = self.limits.least(part.spread.weight)
        if covariate.kind == "unordered":
            present, weights, sums = _by_level(part, covariate)
            left = best_bipartition(weights, sums, least)
            if left is None:
                return None
            rows = _rows_by_level(part, covariate)
            return level_split(j, rows, present[left], present[~left])
        values = part.of(covariate.values)
        order = _sorted(covariate, values)
        values = values[order]
        cut = best_cut(values, part.weights.take(order), part.deviations[order], least)
        if cut is None:
            return None
        default_left = 2 * (cut.position + 1) > len(values)
        return Split(j, cut=float(values[cut.position]), default_left=default_left)


class LeastSquaresCriterion(Criterion):
    """Search every covariate for the largest between-group sum of squares."""

    def __init__(self, sample: Sample, limits: Limits, cp: float) -> None:
        self.sample, self.limits = sample, limits
        self.worth = cp * Spread.of(sample.effects, sample.weights).ss

    def root_orders(self) -> tuple[np.ndarray, ...]:
        """Rows in the order of each covariate, missing ones left out."""
        orders = []
        self.distinct = []
        for covariate in self.sample.covariates:
            unordered = covariate.kind == "unordered"  # no order is needed
            values = covariate.values[:0] if unordered else covariate.values
            orders.append(_sorted(covariate, values))
            values = values[orders[-1]]
            self.distinct.append(bool((values[1:] != values[:-1]).all()))
        return tuple(orders)

    def find(self, layer: Layer) -> list[Choice]:
        return [(self._split(part), None) for part in layer.parts]

    def _split(self, part: Part) -> Split | None:
        # No split below can be worth more than the node's whole sum of squares.
        if part.spread.ss <= self.worth or not part.orders:
            return None
        largest, best = 0.0, None
        for j, covariate in enumerate(self.sample.covariates):
            search = self._bipartition if covariate.kind == "unordered" else self._cut
            gain, split = search(part, j)
            if split is not None and gain > largest * (1 + TIE):
                largest, best = gain, split
        return best

    def _cut(self, part: Part, j: int) -> tuple[float, Split | None]:
        sample, covariate = self.sample, self.sample.covariates[j]
        order = part.orders[j]
        if not len(order):
            return 0.0, None
        values = None if self.distinct[j] else covariate.values.take(order)
        weights = sample.weights.take(order)
        deviations = sample.effects.take(order)
        deviations -= part.spread.mean
        cut = best_cut(values, weights, deviations, self.limits.min_leaf)
        if cut is None:
            return 0.0, None
        below, above = covariate.values[order[cut.position : cut.position + 2]].tolist()
        middle = below + (above - below) / 2
        # Between neighbouring floats the middle is one of them.
        middle = above if middle <= below else middle
        ordered = covariate.kind == "ordered"
        split = Split(
            j,
            cut=math.ceil(middle) - 1.0 if ordered else middle,
            strict=not ordered,
            default_left=2 * (cut.position + 1) > len(order),
        )
        return cut.gain * weights.sum, split

    def _bipartition(self, part: Part, j: int) -> tuple[float, Split | None]:
        covariate = self.sample.covariates[j]
        present, weights, sums = _by_level(part, covariate)
        contiguous = best_contiguous(weights, sums, self.limits.min_leaf)
        if contiguous is None:
            return 0.0, None
        left, gain = contiguous
        rows = _rows_by_level(part, covariate)
        split = level_split(j, rows, present[left], present[~left])
        return gain * float(weights.sum()), split

    def pruned(self, nodes: list[Node]) -> list[Node]:
        """The smallest subtree of least SS(leaves) + cp SS(root) × leaves."""
        cost = [node.spread.ss + self.worth for node in nodes]
        merged = set()
        for i in reversed(range(len(nodes))):  # children come after their parent
            node = nodes[i]
            if node.is_leaf:
                continue
            below = cost[node.left] + cost[node.right]
            if cost[i] <= below:
                merged.add(i)
            cost[i] = min(cost[i], below)
        return collapsed(nodes, merged)


def _sorted(covariate: Covariate, values: np.ndarray) -> np.ndarray:
    """The order of a column's entries, missing ones left out."""
    if not covariate.numeric and len(covariate.levels) < 2**15:
        values = values.astype(np.int16)  # sorted by radix
    order = values.argsort(kind=None if covariate.numeric else "stable")
    if not covariate.has_missing:
        return order
    return order[covariate.observed(values[order])]


def _by_level(
    part: Part, covariate: Covariate
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levels that the node has, their Σ w, and Σ w (y − ȳ), ȳ over rows with a level."""
    codes = part.of(covariate.values)
    deviations, weights = part.deviations, part.weights
    if covariate.has_missing:
        has = codes >= 0
        codes, deviations, weights = codes[has], deviations[has], weights.take(has)
        if len(codes):
            deviations = deviations - np.average(deviations, weights=weights.array)
    totals = np.bincount(codes, weights.array).astype(float)
    sums = np.bincount(codes, weights.times(deviations))
    present = np.flatnonzero(totals > 0)
    return present, totals[present], sums[present]


def _rows_by_level(part: Part, covariate: Covariate) -> np.ndarray:
    codes = part.of(covariate.values)
    return np.bincount(codes[codes >= 0], minlength=len(covariate.levels))


def level_split(j: int, rows: np.ndarray, left: np.ndarray, right: np.ndarray) -> Split:
    """A split of levels; what the node has not seen goes where more rows went.

    `rows` are the node's numbers of rows by level.
    """
    more_left = bool(rows[left].sum() > rows[right].sum())
    codes_left, codes_right = tuple(left.tolist()), tuple(right.tolist())
    return Split(j, left=codes_left, right=codes_right, default_left=more_left)
