"""The size of a tree by cross-validation, and its honest estimates.

`cross_validated_size` finds the number of partitions by K-fold loss along the pruning
sequence, with the one-standard-error rule of Breiman et al. (1984, section 3.4.3).
`honest_halves` and `reestimated` take the partition from one half of the rows and its
numbers from the other (Athey and Imbens, 2016).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from skfme.statsmodels._tree.covariates import Sample
from skfme.statsmodels._tree.growing import Criterion, grow
from skfme.statsmodels._tree.nodes import Node, Spread, collapsed, leaves_of, node_rows
from skfme.statsmodels._tree.pruning import pruning_path

__all__ = ["cross_validated_size", "honest_halves", "reestimated"]

N_FOLDS = 5


def cross_validated_size(
    sample: Sample,
    criterion: Callable[[Sample], Criterion],
    random_state: np.random.RandomState,
    most: int | None = None,
) -> int:
    """The fewest partitions whose loss is within one standard error of the least.

    `most` bounds them; None does not.
    """
    groups = sample.groups
    n_units = len(sample) if groups is None else len(np.unique(groups))
    if n_units < 2 * N_FOLDS:
        raise ValueError(
            f"n_partitions='auto' needs {2 * N_FOLDS} "
            f"{'rows' if groups is None else 'groups'} to cross-validate, got {n_units}. "
            "Give a number."
        )
    kind = KFold if groups is None else GroupKFold
    folds = kind(N_FOLDS, shuffle=True, random_state=random_state.randint(2**31 - 1))
    by_fold = []
    for train, test in folds.split(np.empty(len(sample)), groups=groups):
        nodes = grow(sample.take(train), criterion)
        by_fold.append(_losses_by_size(nodes, sample.take(test)))
    longest = max(map(len, by_fold))
    # A fold whose tree is smaller offers its largest.
    padded = [
        np.pad(losses, ((0, longest - len(losses)), (0, 0)), mode="edge")
        for losses in by_fold
    ]
    first, second = np.sum(padded, axis=0)[:most].T
    total = sample.weights.sum
    mean = first / total
    error = np.sqrt(np.maximum(second / total - mean**2, 0) / total)
    best = int(np.argmin(mean))
    return 1 + int(np.argmax(mean <= mean[best] + error[best]))


def _losses_by_size(nodes: list[Node], sample: Sample) -> np.ndarray:
    """Σ w e² and Σ w e⁴ on new rows for 1, 2, … partitions."""
    rows_of_nodes = node_rows(nodes, leaves_of(nodes, sample.covariates))
    losses = np.empty((len(nodes), 2))
    for i, (node, rows) in enumerate(zip(nodes, rows_of_nodes, strict=True)):
        squares = (sample.effects[rows] - node.spread.mean) ** 2
        weights = sample.weights.take(rows)
        losses[i] = weights.dot(squares), weights.dot(squares**2)
    by_size = [losses[sorted(leaves)].sum(axis=0) for leaves in pruning_path(nodes)]
    return np.array(by_size[::-1])


def honest_halves(
    sample: Sample, random_state: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Rows to grow on and rows to estimate from; groups are kept together."""
    n, units = len(sample), np.arange(len(sample))
    if sample.groups is not None:
        units = np.unique(sample.groups, return_inverse=True)[1]
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
    mask = grows[units]
    return np.flatnonzero(mask), np.flatnonzero(~mask)


def reestimated(nodes: list[Node], sample: Sample, rows: np.ndarray) -> list[Node]:
    """The same partition with the numbers of these rows.

    A split with fewer than two of them on a side is undone: leaves merge upwards.
    """
    leaves, tree = leaves_of(nodes, sample.covariates)[rows], []
    for node, positions in zip(nodes, node_rows(nodes, leaves), strict=True):
        members = rows[positions]
        spread = Spread.of(sample.effects[members], sample.weights.take(members))
        members_of_leaf = members if node.is_leaf else None
        tree.append(node._replace(spread=spread, rows=members_of_leaf))
    merged = {
        i
        for i, node in enumerate(tree)
        if not node.is_leaf
        and min(tree[child].spread.n for child in (node.left, node.right)) < 2
    }
    return collapsed(tree, merged)
