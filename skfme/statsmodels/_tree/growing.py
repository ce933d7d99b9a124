"""Growing a tree over effects: one grower, whatever the criterion.

A criterion chooses the splits of a layer, the nodes of one depth; here the rows go down
the tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme.statsmodels._tree.covariates import Sample, Split
from skfme.statsmodels._tree.nodes import Node, Spread, Tests, collapsed

__all__ = [
    "Choice",
    "Criterion",
    "Layer",
    "Limits",
    "Part",
    "entries",
    "grow",
    "is_share",
    "without_rounding",
]

_ROUNDING = 1e-9  # of sums of weights, by the order in which they are added up

# Rows of a node, None for all of them, and the same in the order of each covariate.
Members = tuple[np.ndarray | None, tuple[np.ndarray, ...]]
Choice = tuple[Split | None, Tests | None]


@dataclass(frozen=True)
class Limits:
    """What a node and its children must weigh, and how deep a tree may go."""

    min_leaf: float
    min_split: float
    minprob: float = 0.0
    max_depth: float = math.inf

    @classmethod
    def of(cls, leaf: float, split: float, minprob: float, max_depth: float) -> Limits:
        """Limits that weights reach whose sum only rounding keeps below."""
        return cls(leaf * (1 - _ROUNDING), split * (1 - _ROUNDING), minprob, max_depth)

    def least(self, total: float) -> float:
        """Weight that a child of a node of weight `total` must have."""
        share = math.ceil(without_rounding(total * self.minprob)) * (1 - _ROUNDING)
        return max(self.min_leaf, share)


def without_rounding(total: float) -> float:
    """A sum of weights, as a whole number where only rounding keeps it from one."""
    nearest = float(round(total))
    return nearest if abs(total - nearest) <= _ROUNDING * max(1.0, total) else total


def is_share(value: float) -> bool:
    """As in scikit-learn, a float is a share and an integer a weight."""
    return not isinstance(value, Integral)


class Part(NamedTuple):
    """A node that may be split: its rows, with what a criterion needs of them.

    `rows` is None in the root: all of them. `orders` has the rows in the order of
    each covariate, where the criterion sorts once.
    """

    rows: np.ndarray | None
    orders: tuple[np.ndarray, ...]
    deviations: np.ndarray
    weights: Weighting
    spread: Spread

    def of(self, values: np.ndarray) -> np.ndarray:
        """The node's entries of an array over all rows."""
        return entries(values, self.rows)

    def positions(self) -> np.ndarray:
        return np.arange(self.spread.n) if self.rows is None else self.rows


class Layer:
    """The nodes of one depth, their rows one after another.

    Attributes
    ----------
    rows : ndarray of shape (n,) or None
        None in the root's layer.
    deviations : ndarray of shape (n,)
        Effects minus the weighted mean of their node.
    weights : Weighting
    starts : ndarray of shape (n_nodes,)
        Where the rows of each node begin.
    totals, around : ndarray of shape (n_nodes,)
        Sum of weights, and Σ w (y − ȳ)², of each node.
    parts : list of Part
    """

    def __init__(self, sample: Sample, members: list[Members]) -> None:
        arrays = [rows for rows, _ in members if rows is not None]
        self.rows, self.weights = None, sample.weights
        if arrays:
            self.rows = np.concatenate(arrays)
            self.weights = sample.weights.take(self.rows)
        sizes = np.array([len(rows) for rows in arrays] or [len(sample)])
        self.starts = np.cumsum(sizes) - sizes
        self.totals = sizes.astype(float)
        if self.weights.array is not None:
            self.totals = np.add.reduceat(self.weights.array, self.starts)
        effects = entries(sample.effects, self.rows)
        means = np.add.reduceat(self.weights.times(effects), self.starts) / self.totals
        self.deviations = effects - means.repeat(sizes)
        squares = self.weights.times(self.deviations) * self.deviations
        self.around = np.add.reduceat(squares, self.starts)
        # A constant effect differs by its rounding alone.
        self.around[self.around <= self.totals * (1e-12 * np.abs(means)) ** 2] = 0.0
        # All weights are positive here.
        sizes_of_sd = self.totals if self.weights.kind == "frequency" else sizes
        numbers = (sizes, self.totals, means, self.around, sizes_of_sd)
        spreads = map(Spread, *(of_nodes.tolist() for of_nodes in numbers))
        stretches = map(slice, self.starts.tolist(), np.cumsum(sizes).tolist())
        self.parts = [
            Part(*member, self.deviations[at], self.weights.take(at), spread)
            for member, at, spread in zip(members, stretches, spreads, strict=True)
        ]


def entries(values: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    """Entries of an array at these rows; None is all of them, without a copy."""
    return values if rows is None else values.take(rows, axis=0)


class Criterion:
    """How the nodes of a layer are split, and what their children inherit."""

    limits: Limits

    def find(self, layer: Layer) -> list[Choice]:
        """Split and tests of each node."""
        raise NotImplementedError

    def root_orders(self) -> tuple[np.ndarray, ...]:
        """Rows in the order of each covariate, where nodes inherit it."""
        return ()

    def pruned(self, nodes: list[Node]) -> list[Node]:
        """The grown tree without splits that it need not have."""
        return nodes


def grow(sample: Sample, criterion: Callable[[Sample], Criterion]) -> list[Node]:
    """Grow a tree, layer by layer: nodes in pre-order, leaves with their rows."""
    chooser = criterion(sample)
    nodes: list[Node] = []
    members: list[Members] = [(None, chooser.root_orders())]
    depth = 0
    while members:
        layer = Layer(sample, members)
        below = len(nodes) + len(members)
        choices = _choices(layer, chooser, depth)
        members = []
        for part, (split, tests) in zip(layer.parts, choices, strict=True):
            node = Node(depth, part.spread, split, tests)
            if split is None:
                nodes.append(node._replace(rows=part.positions()))
                continue
            left = below + len(members)
            nodes.append(node._replace(left=left, right=left + 1))
            members += _divide(sample, part, split, chooser.limits)
        depth += 1
    return chooser.pruned(collapsed(nodes, set()))


def _choices(layer: Layer, chooser: Criterion, depth: int) -> list[Choice]:
    """Split and tests of each node; None of those that may not be split."""
    limits, spreads = chooser.limits, [part.spread for part in layer.parts]
    large = [s.weight >= limits.min_split and s.ss > 0 for s in spreads]
    if depth >= limits.max_depth or not any(large):
        return [(None, None)] * len(large)
    choices = zip(chooser.find(layer), large, strict=True)
    return [choice if is_large else (None, None) for choice, is_large in choices]


def _divide(sample: Sample, part: Part, split: Split, limits: Limits) -> list[Members]:
    """Rows and orders of the left child, then of the right."""
    covariate = sample.covariates[split.covariate]
    goes_left = split.goes_left(covariate, part.of(covariate.values))
    positions = part.positions()
    in_left = np.zeros(len(sample) if part.orders else 0, dtype=bool)
    if part.orders:
        in_left[positions[goes_left]] = True
    children: list[Members] = []
    for is_left in (True, False):
        mask = goes_left if is_left else ~goes_left
        orders: tuple[np.ndarray, ...] = ()
        if part.orders and part.weights.take(mask).sum >= limits.min_split:
            orders = tuple(rows[in_left[rows] == is_left] for rows in part.orders)
        children.append((positions[mask], orders))
    return children
