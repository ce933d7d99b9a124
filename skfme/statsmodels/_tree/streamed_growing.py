"""Growing a conditional-inference tree over batches: passes over the rows for each layer.

The first pass of a layer adds up what its tests need, exactly; the second one, over the
covariates that were chosen, what their cuts need. Between passes only sums are kept. The
rules are those of trees of rows at hand (:mod:`skfme.statsmodels._tree.criteria`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from skfme.statsmodels._tree.covariates import Covariate, Split
from skfme.statsmodels._tree.criteria import InferenceRules, level_split
from skfme.statsmodels._tree.layer_tallies import NodeTally, Rows, ValueTally
from skfme.statsmodels._tree.node_sums import LevelSums, NodeMoments
from skfme.statsmodels._tree.nodes import Node, Spread, Tests, collapsed, leaves_of
from skfme.statsmodels._tree.split_search import best_bipartition

__all__ = ["LayerSums", "NodeMeasures", "Pass", "grow_over_batches"]


class LayerSums(Protocol):
    """Sums of some nodes, which batches and other sums are added to."""

    def add(self, batch: Rows) -> None: ...
    def merge(self, other: Any) -> None: ...


Sums = TypeVar("Sums", bound=LayerSums)


class Pass(Protocol):
    """One pass over the rows: what was empty, with all of them added."""

    def __call__(self, empty: Sums) -> Sums: ...


@dataclass
class _Tests:
    """What the tests of a layer need: a tally for each of its nodes."""

    nodes: list[Node]
    layer: Sequence[int]
    tallies: list[NodeTally]

    def add(self, batch: Rows) -> None:
        at_nodes = _rows_of(self.nodes, self.layer, batch)
        for tally, at in zip(self.tallies, at_nodes, strict=True):
            tally.add(batch, at)

    def merge(self, other: _Tests) -> None:
        for tally, more in zip(self.tallies, other.tallies, strict=True):
            tally.merge(more)


@dataclass
class _Cuts:
    """What the cuts of nodes need, by the covariates that were chosen."""

    nodes: list[Node]
    by_value: dict[int, dict[int, ValueTally]]

    def add(self, batch: Rows) -> None:
        at_nodes = _rows_of(self.nodes, list(self.by_value), batch)
        for tallies, at in zip(self.by_value.values(), at_nodes, strict=True):
            for j, tally in tallies.items():
                tally.add(batch, j, at)

    def merge(self, other: _Cuts) -> None:
        for i, tallies in self.by_value.items():
            for j, tally in tallies.items():
                tally.merge(other.by_value[i][j])


def grow_over_batches(
    fold: Pass, covariates: Sequence[Covariate], rules: InferenceRules, root: Spread
) -> list[Node]:
    """Grow a tree, layer by layer: nodes in pre-order.

    Parameters
    ----------
    fold : callable
        Makes a pass.
    covariates : sequence of Covariate
        Without values.
    rules : InferenceRules
    root : Spread
        Of all effects.
    """
    nodes, layer, expected = [Node(0, root)], [0], [root.n]
    while layer:
        tallies = [NodeTally(covariates, root.mean, n) for n in expected]
        tallies = fold(_Tests(nodes, layer, tallies)).tallies
        for i, tally in zip(layer, tallies, strict=True):
            nodes[i] = nodes[i]._replace(spread=_without_rounding(tally.spread))
        open_ones = _tested(nodes, layer, tallies, rules)
        layer, expected = [], []
        for i, split in _splits(fold, nodes, open_ones, rules).items():
            left, depth = len(nodes), nodes[i].depth + 1
            nodes[i] = nodes[i]._replace(split=split, left=left, right=left + 1)
            nodes += [Node(depth, nodes[i].spread)] * 2
            layer += [left, left + 1]
            # At most those of the parent: sampling more rows than needed is no harm.
            expected += [nodes[i].spread.n // 2] * 2
    return collapsed(nodes, set())


def _rows_of(
    nodes: list[Node], layer: Sequence[int], batch: Rows
) -> Iterable[np.ndarray]:
    """Positions of the rows of each node of a layer."""
    leaves = leaves_of(nodes, batch.covariates)
    return (np.flatnonzero(leaves == i) for i in layer)


def _without_rounding(spread: Spread) -> Spread:
    """A constant effect differs by its rounding alone."""
    constant = spread.ss <= spread.weight * (1e-12 * abs(spread.mean)) ** 2
    return spread._replace(ss=0.0) if constant else spread


def _tested(
    nodes: list[Node],
    layer: Sequence[int],
    tallies: Sequence[NodeTally],
    rules: InferenceRules,
) -> dict[int, tuple[NodeTally, Tests]]:
    """Test the nodes that may be split, and set their tests."""
    limits = rules.limits
    found = {
        i: tally
        for i, tally in zip(layer, tallies, strict=True)
        if nodes[i].depth < limits.max_depth
        and nodes[i].spread.weight >= limits.min_split
        and nodes[i].spread.ss > 0
    }
    if not found:
        return {}
    first = tallies[0]
    moments = [tally.moments() for tally in found.values()]
    tests = rules.tests(
        (first.scored, first.factors),
        NodeMoments(*map(np.stack, zip(*moments, strict=True)))
        if first.scored
        else None,
        _stacked_levels([tally.levels() for tally in found.values()])
        if first.factors
        else None,
    )
    tested = dict(zip(found, tests, strict=True))
    for i, of_node in tested.items():
        nodes[i] = nodes[i]._replace(tests=of_node)
    return {i: (tally, tested[i]) for i, tally in found.items()}


def _stacked_levels(levels: Sequence[LevelSums]) -> LevelSums:
    weights, sums, around, starts = zip(*levels, strict=True)
    return LevelSums(np.stack(weights), np.stack(sums), np.stack(around), starts[0])


def _splits(
    fold: Pass,
    nodes: list[Node],
    tested: dict[int, tuple[NodeTally, Tests]],
    rules: InferenceRules,
) -> dict[int, Split]:
    """Splits of the nodes that have one, by the first covariate with an admissible one."""
    chosen = {
        i: rules.candidates(nodes[i].spread, tests) for i, (_, tests) in tested.items()
    }
    by_value = {
        i: {
            j: ValueTally(tested[i][0].edges(j), nodes[i].spread.mean)
            for j in candidates
            if j in tested[i][0].scored
        }
        for i, candidates in chosen.items()
    }
    by_value = {i: tallies for i, tallies in by_value.items() if tallies}
    if by_value:
        by_value = fold(_Cuts(nodes, by_value)).by_value
    found = {}
    for i, candidates in chosen.items():
        least = rules.limits.least(nodes[i].spread.weight)
        for j in candidates:
            if j in tested[i][0].scored:
                split = by_value[i][j].split(j, least)
            else:
                split = _bipartition(tested[i][0], j, least)
            if split is not None:
                found[i] = split
                break
    return found


def _bipartition(tally: NodeTally, j: int, least: float) -> Split | None:
    rows, weights, sums = tally.by_level(j)
    present = np.flatnonzero(weights > 0)
    left = best_bipartition(weights[present], sums[present], least)
    if left is None:
        return None
    return level_split(j, rows, present[left], present[~left])


class NodeMeasures:
    """Non-linearity measures of the rows that have one, by node.

    Parameters
    ----------
    nodes : list of Node
    """

    def __init__(self, nodes: list[Node]) -> None:
        self._nodes = nodes
        self._leaves = [i for i, node in enumerate(nodes) if node.is_leaf]
        self._spreads = [Spread(0, 0.0, 0.0, 0.0, 0.0)] * len(nodes)

    def add(self, batch: Rows) -> None:
        """Add a batch whose effects are NLMs, NaN where there is none."""
        at_leaves = _rows_of(self._nodes, self._leaves, batch)
        for i, at in zip(self._leaves, at_leaves, strict=True):
            at = at[~np.isnan(batch.effects[at])]
            if len(at):
                new = Spread.of(batch.effects[at], batch.weights.take(at))
                self._spreads[i] = self._spreads[i].merged(new)

    def merge(self, other: NodeMeasures) -> None:
        """Add those of other rows."""
        pairs = zip(self._spreads, other._spreads, strict=True)
        self._spreads = [one.merged(more) for one, more in pairs]

    def by_node(self) -> list[Spread]:
        """Of inner nodes too; the mean is NaN where there is none."""
        spreads = list(self._spreads)
        for i in reversed(range(len(spreads))):  # children come after their parent
            node = self._nodes[i]
            if not node.is_leaf:
                spreads[i] = spreads[node.left].merged(spreads[node.right])
        return [s if s.n else s._replace(mean=np.nan) for s in spreads]
