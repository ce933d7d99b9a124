"""Pruning a grown tree: to a number of partitions, or to a maximum SD.

As fmeffects does it, one pair of sibling leaves at a time: of the inner nodes whose
two children are leaves, the one whose own rows have the smallest SD of effects
(divisor W − 1) becomes a leaf; the first in pre-order of equals. The rule looks at the
merged SD, not at what the merge costs.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator

from skfme.statsmodels._tree.nodes import Node, collapsed, count_leaves, parents

__all__ = ["pruned", "pruning_path"]


def pruning_path(nodes: list[Node]) -> Iterator[set[int]]:
    """Leaves of the whole tree, and after each merge, down to the root alone.

    They are one set, which changes.
    """
    above = parents(nodes)
    leaves = {i for i, node in enumerate(nodes) if node.is_leaf}
    yield leaves
    waiting = [
        (_merged_sd(node), i)
        for i, node in enumerate(nodes)
        if {node.left, node.right} <= leaves
    ]
    heapq.heapify(waiting)
    while waiting:
        _, i = heapq.heappop(waiting)
        leaves -= {nodes[i].left, nodes[i].right}
        leaves.add(i)
        yield leaves
        parent = nodes[above[i]]
        if above[i] >= 0 and {parent.left, parent.right} <= leaves:
            heapq.heappush(waiting, (_merged_sd(parent), above[i]))


def _merged_sd(node: Node) -> float:
    return math.inf if math.isnan(node.spread.sd) else node.spread.sd


def pruned(
    nodes: list[Node], n_partitions: int | None, max_sd: float | None
) -> list[Node]:
    """The tree of the size asked for; the whole one where none is.

    Raises
    ------
    ValueError
        If it is out of reach; the message names what can be reached.
    """
    if n_partitions is not None:
        return _to_size(nodes, n_partitions)
    return nodes if max_sd is None else _to_sd(nodes, max_sd)


def _to_size(nodes: list[Node], n_partitions: int) -> list[Node]:
    grown = count_leaves(nodes)
    for leaves in pruning_path(nodes):
        if len(leaves) == n_partitions:
            return collapsed(nodes, leaves)
    raise ValueError(
        f"n_partitions={n_partitions} is out of reach: the tree grew "
        f"{grown} partition{'s' * (grown != 1)}. Ask for at most {grown}, or let "
        "more grow with a larger alpha (ctree), a smaller cp (cart) or a smaller "
        "min_samples_leaf."
    )


def _to_sd(nodes: list[Node], max_sd: float) -> list[Node]:
    """The smallest tree on the way down to two leaves whose SDs are all below.

    Leaves of weight 1 have no SD and are passed over. The largest SD can fall as well
    as rise on the way, so that the tree found may be smaller than trees that fail.
    """
    smallest, best, grown = math.inf, None, count_leaves(nodes)
    for leaves in pruning_path(nodes):
        if len(leaves) == 1 < grown:
            break
        sds = [nodes[i].spread.sd for i in leaves]
        largest = max((sd for sd in sds if not math.isnan(sd)), default=0.0)
        smallest = min(smallest, largest)
        best = set(leaves) if largest < max_sd else best
    if best is None:
        raise ValueError(
            f"max_sd={max_sd:.6g} is out of reach: of the trees with at most "
            f"{grown} partitions that were grown, the best has a largest SD "
            f"of {smallest:.6g}. Ask for more than that, or let more grow with a larger "
            "alpha (ctree), a smaller cp (cart) or a smaller min_samples_leaf."
        )
    return collapsed(nodes, best)
