"""From options to a tree of the size asked for, and its honest estimates.

A recipe grows a tree and prunes it. `cross_validated_size` finds the number of
partitions by K-fold loss along the pruning sequence, with the one-standard-error rule
of Breiman et al. (1984, section 3.4.3). `honest_halves` and `reestimated` take the
partition from one half of the rows and its numbers from the other (Athey and Imbens,
2016).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from skfme.statsmodels._tree.covariates import Sample
from skfme.statsmodels._tree.criteria import ConditionalInference, LeastSquares
from skfme.statsmodels._tree.growing import (
    Limits,
    Node,
    collapsed,
    grow,
    leaves_of,
    rows_below,
)
from skfme.statsmodels._tree.pruning import (
    count_leaves,
    merge_order,
    prune_to_sd,
    prune_to_size,
)

__all__ = [
    "Recipe",
    "cart_recipe",
    "cross_validated_size",
    "ctree_recipe",
    "honest_halves",
    "reestimated",
]

N_FOLDS = 5


@dataclass(frozen=True)
class Recipe:
    """How a tree is grown from any sample."""

    criterion: Callable[[Sample, Limits], Any]
    limits: Limits

    def grow(self, sample: Sample) -> list[Node]:
        """Grow it in full."""
        return grow(sample, self.criterion, self.limits)

    def sized(
        self, sample: Sample, n_partitions: int | None, max_sd: float | None
    ) -> list[Node]:
        """Grow it and prune it to the size asked for."""
        nodes = self.grow(sample)
        if n_partitions is not None:
            return prune_to_size(nodes, n_partitions)
        return nodes if max_sd is None else prune_to_sd(nodes, max_sd)

    def sized_if_possible(
        self, sample: Sample, n_partitions: int | None, max_sd: float | None
    ) -> list[Node]:
        """The same, or the whole tree where the size is out of reach."""
        nodes = self.grow(sample)
        if n_partitions is not None:
            return prune_to_size(nodes, min(n_partitions, count_leaves(nodes)))
        try:
            return nodes if max_sd is None else prune_to_sd(nodes, max_sd)
        except ValueError:
            return nodes


def ctree_recipe(limits: Limits, alpha: float, teststat: str, testtype: str) -> Recipe:
    """Conditional inference."""
    return Recipe(
        lambda sample, limits: ConditionalInference(
            sample, limits, alpha, teststat, testtype
        ),
        limits,
    )


def cart_recipe(limits: Limits, cp: float) -> Recipe:
    """CART, as rpart."""
    return Recipe(lambda sample, limits: LeastSquares(sample, limits, cp), limits)


def cross_validated_size(
    recipe: Recipe,
    sample: Sample,
    groups: np.ndarray | None,
    random_state: np.random.RandomState,
) -> int:
    """The fewest partitions whose loss is within one standard error of the least."""
    n_units = len(sample) if groups is None else len(np.unique(groups))
    if n_units < 2 * N_FOLDS:
        raise ValueError(
            f"n_partitions='auto' needs {2 * N_FOLDS} "
            f"{'rows' if groups is None else 'groups'} to cross-validate, got {n_units}. "
            "Give a number."
        )
    kind = KFold if groups is None else GroupKFold
    folds = kind(N_FOLDS, shuffle=True, random_state=random_state.randint(2**31 - 1))
    fold_losses = []
    for train, test in folds.split(np.empty(len(sample)), groups=groups):
        nodes = recipe.grow(sample.take(train))
        fold_losses.append(_losses_by_size(nodes, sample.take(test)))
    longest = max(len(losses) for losses in fold_losses)
    # A fold whose tree is smaller offers its largest.
    padded = [
        np.pad(losses, ((0, longest - len(losses)), (0, 0)), mode="edge")
        for losses in fold_losses
    ]
    first, second = np.sum(padded, axis=0).T
    mean = first / sample.total
    error = np.sqrt(np.maximum(second / sample.total - mean**2, 0) / sample.total)
    best = int(np.argmin(mean))
    return 1 + int(np.argmax(mean <= mean[best] + error[best]))


def _losses_by_size(nodes: list[Node], sample: Sample) -> np.ndarray:
    """Σ w e² and Σ w e⁴ on new rows for 1, 2, … partitions."""
    leaves = leaves_of(nodes, sample.covariates, len(sample))
    members = {i: np.flatnonzero(leaves == i) for i, n in enumerate(nodes) if n.is_leaf}
    weights = np.ones(len(sample)) if sample.weights is None else sample.weights

    def loss(i: int) -> np.ndarray:
        squares = (sample.effects[members[i]] - nodes[i].mean) ** 2
        w = weights[members[i]]
        return np.array([w @ squares, w @ squares**2])

    current = {i: loss(i) for i in members}
    losses = [sum(current.values())]
    for i in merge_order(nodes):
        children = nodes[i].left, nodes[i].right
        members[i] = np.concatenate([members.pop(child) for child in children])
        for child in children:
            del current[child]
        current[i] = loss(i)
        losses.append(sum(current.values()))
    return np.array(losses[::-1])


def honest_halves(
    n: int, groups: np.ndarray | None, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to grow on and rows to estimate from; groups are kept together."""
    units = (
        np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    )
    sizes = np.bincount(units)
    if len(sizes) < 2:
        raise ValueError(
            f"honest=True grows on one part of the rows and estimates from the other; got "
            f"n_samples = {n} in one group. Give two at least."
        )
    order = random_state.permutation(len(sizes))
    before = np.cumsum(sizes[order]) - sizes[order]
    grows = np.zeros(len(sizes), dtype=bool)
    grows[order] = before + sizes[order] / 2 <= n / 2
    if not grows.any():  # one group is most of the rows
        grows[order[0]] = True
    chosen = grows[units]
    if chosen.all():
        chosen = units != order[-1]
    return np.flatnonzero(chosen), np.flatnonzero(~chosen)


def reestimated(nodes: list[Node], sample: Sample) -> list[Node]:
    """The same partition with the numbers of other rows.

    A split with fewer than two of them on a side is undone: leaves merge upwards.
    """
    leaves = leaves_of(nodes, sample.covariates, len(sample))
    order = np.argsort(leaves, kind="stable")
    bounds = np.searchsorted(leaves[order], np.arange(len(nodes) + 1))
    routed = [
        node._replace(rows=order[bounds[i] : bounds[i + 1]]) if node.is_leaf else node
        for i, node in enumerate(nodes)
    ]
    fresh = [_described(routed, i, sample) for i in range(len(nodes))]
    gone = {
        i
        for i, node in enumerate(fresh)
        if not node.is_leaf and min(fresh[node.left].n, fresh[node.right].n) < 2
    }
    return collapsed(fresh, gone)


def _described(nodes: list[Node], i: int, sample: Sample) -> Node:
    rows = rows_below(nodes, i)
    assert rows is not None
    effects = sample.effects[rows]
    weights = None if sample.weights is None else sample.weights[rows]
    if not len(rows):
        return nodes[i]._replace(n=0, weight=0.0, mean=math.nan, ss=0.0, rows=rows)
    total = float(len(rows) if weights is None else weights.sum())
    mean = float(np.average(effects, weights=weights))
    squares = (effects - mean) ** 2
    ss = float(squares.sum() if weights is None else weights @ squares)
    kept = rows if nodes[i].is_leaf else None
    return nodes[i]._replace(n=len(rows), weight=total, mean=mean, ss=ss, rows=kept)
