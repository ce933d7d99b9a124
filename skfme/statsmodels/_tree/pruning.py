"""Pruning a grown tree: to a number of partitions, or to a maximum SD.

As fmeffects does it, one pair of sibling leaves at a time: of the inner nodes whose
two children are leaves, the one whose own rows have the smallest SD of effects
(divisor W − 1) becomes a leaf; the first in pre-order of equals. The rule looks at the
merged SD, not at what the merge costs.
"""

from __future__ import annotations

import heapq
import math

from skfme.statsmodels._tree.growing import Node, collapsed

__all__ = ["count_leaves", "merge_order", "prune_to_sd", "prune_to_size"]


def count_leaves(nodes: list[Node]) -> int:
    return sum(node.is_leaf for node in nodes)


def merge_order(nodes: list[Node]) -> list[int]:
    """Inner nodes in the order in which they become leaves, the root last."""
    parent = {}
    for i, node in enumerate(nodes):
        if not node.is_leaf:
            parent[node.left] = parent[node.right] = i
    leaf = [node.is_leaf for node in nodes]

    def ready(i: int) -> bool:
        return leaf[nodes[i].left] and leaf[nodes[i].right]

    inner = [i for i, node in enumerate(nodes) if not node.is_leaf]
    heap = [(_merged_sd(nodes[i]), i) for i in inner if ready(i)]
    heapq.heapify(heap)
    order = []
    while heap:
        _, i = heapq.heappop(heap)
        leaf[i] = True
        order.append(i)
        if i in parent and ready(parent[i]):
            heapq.heappush(heap, (_merged_sd(nodes[parent[i]]), parent[i]))
    return order


def _merged_sd(node: Node) -> float:
    return math.inf if math.isnan(node.sd) else node.sd


def prune_to_size(nodes: list[Node], n_partitions: int) -> list[Node]:
    """The tree pruned to exactly `n_partitions` leaves.

    Raises
    ------
    ValueError
        If it has fewer.
    """
    leaves = count_leaves(nodes)
    if leaves < n_partitions:
        raise ValueError(
            f"n_partitions={n_partitions} is out of reach: the tree grew "
            f"{leaves} partition{'s' * (leaves != 1)}. Ask for at most {leaves}, or let "
            "more grow with a larger alpha (ctree), a smaller cp (cart) or a smaller "
            "min_samples_leaf."
        )
    return collapsed(nodes, set(merge_order(nodes)[: leaves - n_partitions]))


def prune_to_sd(nodes: list[Node], max_sd: float) -> list[Node]:
    """The smallest tree on the way down to two leaves whose SDs are all below.

    Leaves of weight 1 have no SD and are passed over. The largest SD can fall as well
    as rise on the way, so that the tree found may be smaller than trees that fail.

    Raises
    ------
    ValueError
        If no tree qualifies; the message names the smallest SD that was reached.
    """
    order = merge_order(nodes)
    leaves = {i: node.sd for i, node in enumerate(nodes) if node.is_leaf}
    reached, best = _largest(leaves), None
    if reached < max_sd:
        best = 0
    for step, i in enumerate(order[:-1], start=1):
        del leaves[nodes[i].left], leaves[nodes[i].right]
        leaves[i] = nodes[i].sd
        largest = _largest(leaves)
        reached = min(reached, largest)
        if largest < max_sd:
            best = step
    if best is None:
        raise ValueError(
            f"max_sd={max_sd:.6g} is out of reach: of the trees with at most "
            f"{count_leaves(nodes)} partitions that were grown, the best has a largest SD "
            f"of {reached:.6g}. Ask for more than that, or let more grow with a larger "
            "alpha (ctree), a smaller cp (cart) or a smaller min_samples_leaf."
        )
    return collapsed(nodes, set(order[:best]))


def _largest(leaves: dict[int, float]) -> float:
    return max((sd for sd in leaves.values() if not math.isnan(sd)), default=0.0)
