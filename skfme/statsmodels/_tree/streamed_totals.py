"""What the passes of a streamed tree add up: columns first, then sums of nodes.

Parts of the source, with their effects, become rows that count; how a tree grows of their
sums, and what a pass is, live elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._frames.checks import refuse_infinite
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffect
from skfme._streaming.passes import Explained, Total
from skfme._summaries.weighting import Weighting
from skfme._text.outputs import one_output
from skfme.statsmodels._tree.columns import split_positions
from skfme.statsmodels._tree.covariates import Covariate, covariates_like
from skfme.statsmodels._tree.effect_tree import EffectTree
from skfme.statsmodels._tree.layer_tallies import Rows
from skfme.statsmodels._tree.nodes import Spread
from skfme.statsmodels._tree.streamed_growing import LayerSums
from skfme.statsmodels._tree.table_scan import ColumnScan, standardised

__all__ = ["Counting", "Reading", "Scan", "Summed"]


@dataclass
class Counting:
    """Which rows of a part count, and for how much.

    Parameters
    ----------
    output : str or None
    nlm : bool, default=False
        Whether non-linearity measures stand in for effects.
    """

    output: str | None
    nlm: bool = False

    def __call__(self, part: Explained) -> tuple[np.ndarray, np.ndarray, Weighting]:
        """Positions, effects and weights of the rows that count."""
        k = one_output(part.effect.outputs, self.output, "a tree")
        effects = part.effect.fme_2d[:, k]
        rows = np.flatnonzero(~np.isnan(effects) & (part.weights.whole() > 0))
        if self.nlm:
            assert part.effect.nlm_2d is not None
            effects = part.effect.nlm_2d[:, k]
        return rows, effects[rows], part.weights.take(rows)


class Scan(Total):
    """The first pass: what columns hold, and how many rows, of which weight, count.

    Parameters
    ----------
    tree : EffectTree
        Its options.
    counting : Counting
    kind : str
        Of the weights.

    Attributes
    ----------
    example : Table of one row, or None before any
    effect : tuple of str, JointStep or None, and Comparison
        What the effect is.
    read : list of int
        Positions of the columns that may be split.
    scans : list of ColumnScan
    spread : Spread
        Of the effects, unweighted.
    weight : float
    whole : bool
        Whether all weights are whole.
    """

    def __init__(self, tree: EffectTree, counting: Counting, kind: str) -> None:
        self._tree, self._counting, self._kind = tree, counting, kind
        self.example: Table | None = None
        self.effect: Any = None
        self.read: list[int] = []
        self.scans: list[ColumnScan] = []
        self.spread, self.weight, self.whole = Spread(0, 0.0, 0.0, 0.0, 0.0), 0.0, True

    def add(self, part: Explained) -> None:
        rows, effects, weights = self._counting(part)
        self.whole &= part.weights.is_whole
        if part.weights.given:  # or it is refused
            Weighting.of(part.weights.array, self._kind, part.weights.n)
        if self.example is None:
            self._look(part.features, part.effect)
        if not len(rows):
            return
        table = part.features
        table = table if len(rows) == len(table) else table.take(rows)
        refuse_infinite(table, self.read)
        for scan in self.scans:
            scan.add(table)
        new = Spread.of(effects, Weighting(None, len(rows)))
        self.spread = self.spread.merged(new)
        self.weight += weights.sum

    def add_total(self, other: Scan) -> None:
        if other.example is None:
            return
        if self.example is None:
            self.example, self.effect = other.example, other.effect
            self.read, self.scans = other.read, other.scans
        else:
            for scan, more in zip(self.scans, other.scans, strict=True):
                scan.merge(more)
        self.spread = self.spread.merged(other.spread)
        self.weight += other.weight
        self.whole &= other.whole

    def _look(self, table: Table, effect: ForwardEffect) -> None:
        """At the first rows, as fit looks at a table."""
        tree = self._tree
        effect.refuse_of_means("a tree")
        self.effect = effect.name, effect.context.joint, effect.comparison
        listed: Any = tree.categorical_features
        if isinstance(listed, str) and listed == "auto":
            listed = effect.categorical_features
        names: list[Hashable] = list(listed)
        where = {table.position(key, "categorical_features names") for key in names}
        self.read = split_positions(table, tree.features, tree.drop)
        self.scans = [ColumnScan(i, i in where) for i in range(len(table.names))]
        self.example = table.take(slice(0, 1)).copied()


@dataclass
class Reading:
    """Parts as the rows that sums need: covariates in the root's units, and weights.

    Attributes
    ----------
    covariates, columns : tuple
        Of the tree.
    means, sds : tuple of float
    kind : str
        Of the weights.
    scale : float
        Of the weights, so that they sum to the number of rows.
    """

    counting: Counting
    covariates: tuple[Covariate, ...]
    columns: tuple[Column, ...]
    means: tuple[float, ...]
    sds: tuple[float, ...]
    kind: str
    scale: float

    def __call__(self, part: Explained, random: np.random.Generator) -> Rows | None:
        """The rows that count; None where there are none."""
        rows, effects, weights = self.counting(part)
        if not len(rows):
            return None
        table = part.features
        table = table if len(rows) == len(table) else table.take(rows)
        covariates = covariates_like(self.covariates, table, self.columns)
        scores = np.zeros((len(rows), len(covariates)))
        observed = np.ones(scores.shape)
        for j, covariate in enumerate(covariates):
            if covariate.has_missing:
                observed[:, j] = covariate.observed(covariate.values)
            if covariate.kind != "unordered":
                standard = standardised(covariate, self.means[j], self.sds[j])
                scores[:, j] = np.nan_to_num(standard, nan=0.0)
        array = None if weights.array is None else weights.array * self.scale
        weights = Weighting(array, len(rows), self.kind)
        drawn = random.random(len(rows))
        return Rows(covariates, scores, observed, effects, weights, drawn)


class Summed(Total):
    """Sums of nodes, as a pass makes them."""

    def __init__(self, sums: LayerSums, reading: Reading) -> None:
        self.sums, self._reading = sums, reading

    def add(self, part: Explained) -> None:
        assert self.random is not None
        rows = self._reading(part, self.random)
        if rows is not None:
            self.sums.add(rows)

    def add_total(self, other: Summed) -> None:
        self.sums.merge(other.sums)
