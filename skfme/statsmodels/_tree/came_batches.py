"""A tree over the effects of a table that is never held: `came_batches`.

Here a source, a step and a tree's options become passes over rows that count. What is
learned of columns, what is added up, and how a tree grows of it have files of their own.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skfme._frames.checks import refuse_infinite
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffect
from skfme._streaming.passes import Explained, Passes
from skfme._summaries.weighting import Weighting
from skfme._text.outputs import one_output
from skfme.quadrature import as_rule
from skfme.statsmodels._tree.columns import split_positions
from skfme.statsmodels._tree.covariates import covariates_like
from skfme.statsmodels._tree.criteria import InferenceRules
from skfme.statsmodels._tree.effect_tree import EffectTree
from skfme.statsmodels._tree.layer_tallies import Rows
from skfme.statsmodels._tree.nodes import Node, Spread
from skfme.statsmodels._tree.pruning import pruned
from skfme.statsmodels._tree.streamed_growing import (
    grow_over_batches,
    measures_over_batches,
)
from skfme.statsmodels._tree.table_scan import ColumnScan, standardised

__all__ = ["came_batches"]


def came_batches(
    explainer: Any,
    source: Any,
    effect: str | None = None,
    *,
    n_partitions: int | None = None,
    max_sd: float | None = None,
    output: str | None = None,
    sample_weight: Any = None,
    tree: EffectTree | None = None,
) -> EffectTree:
    """Conditional average marginal effects of a table larger than memory.

    The tree that :func:`skfme.came` grows, from sums that batches add to: several passes
    over the source, in which effects are computed anew and no row is kept.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted.
    source : table, path, list of tables or function
        What can be read more than once: a path of a Parquet file or of a folder of them;
        a dataset or table of pyarrow, a LazyFrame of polars, a relation of DuckDB; a list
        of tables; or a function without arguments that returns an iterator of tables.
    effect : str, default=None
        Name of one of the explainer's effects, such as ``"bmi -2"``; None where there is
        only one.
    n_partitions : int >= 2, default=None
        Number of partitions; None takes that of `tree`, or lets the tests decide.
    max_sd : float, default=None
        Instead: the fewest partitions that all have an SD below it.
    output : str, default=None
        Which output to partition, where the model has several.
    sample_weight : label of a column or callable, default=None
        As in :meth:`skfme.FMEExplainer.explain_batches`.
    tree : EffectTree, default=None
        Its options, such as ``EffectTree(alpha=0.01, drop=["id"])``; it is not changed.

    Returns
    -------
    tree : EffectTree
        Fitted, with one more attribute: ``cut_errors_``, a Series of the inner nodes with
        the largest share of a node's rows between neighbouring cuts that were tried; 0
        where all were.

    Raises
    ------
    ValueError
        If no effect has that name, the size is out of reach, no row counts, or options
        need rows at hand: ``method="cart"``, ``honest=True``, ``n_partitions="auto"``.
    TypeError
        If the source is used up by one pass, such as a generator, or lives on a cluster.

    Notes
    -----
    Tests, and so the choice of variables, are exact, and so are splits of unordered
    factors. Cuts are exact where a covariate has at most 1,000 distinct values in the
    node. Of more, about 1,000 quantiles of the node are tried, each an observed value:
    ``cut_errors_`` says how far they are apart, some 0.2 % of the node's rows.

    One pass looks at the columns; each layer of the tree takes one for its tests, and
    one for its cuts where they are not of factors alone; NLMs take a last one. Memory grows
    with columns and their levels and with open nodes, not with rows. What needs single
    rows, such as `EffectTree.stability`, needs a table in memory.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import came_batches
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> forest = RandomForestRegressor(min_samples_leaf=5, random_state=0)
    >>> explainer = FMEExplainer(forest, {"bmi": -2}).fit(X, y)
    >>> tree = came_batches(explainer, [X[:200], X[200:]], n_partitions=2)
    >>> tree.n_partitions_
    2
    """
    check_is_fitted(explainer, "estimator_")
    options = {"n_partitions": n_partitions, "max_sd": max_sd}
    given = {name: value for name, value in options.items() if value is not None}
    fitted = _checked_tree(EffectTree() if tree is None else tree, given)
    by_name = {step.name: step for step in explainer.steps_}
    name = _chosen(list(by_name), effect)
    passes = Passes(explainer, source, by_name[name], sample_weight)
    work = _Streamed(fitted, passes, output)
    work.scan(explainer)
    nodes = work.grown()
    measures = work.measures(nodes) if as_rule(explainer.nlm) is not None else None
    fitted._tabulate(nodes, sample_weight is not None, measures)
    errors = {i: n.split.skipped for i, n in enumerate(nodes) if n.split is not None}
    index = pd.Index(list(errors), name="node", dtype=int)
    fitted.cut_errors_ = pd.Series(list(errors.values()), index, float, "cut_error")
    return fitted


def _chosen(names: list[str], effect: str | None) -> str:
    """The name of the one effect that is partitioned."""
    shown = ", ".join(map(repr, names))
    if effect is None:
        if len(names) > 1:
            raise ValueError(
                f"The explainer has {len(names)} effects ({shown}), and a tree partitions "
                f"one: choose it with effect={names[0]!r}, for example."
            )
        return names[0]
    if effect not in names:
        raise ValueError(
            f"effect={effect!r} is none of the explainer's effects; expected one of "
            f"{shown}."
        )
    return effect


def _checked_tree(tree: Any, given: dict[str, Any]) -> EffectTree:
    """A tree of its own to be fitted, whose options sums can serve."""
    if not isinstance(tree, EffectTree):
        raise TypeError(
            "tree must be an EffectTree that holds the options, such as "
            f"EffectTree(alpha=0.01); got {type(tree).__name__}."
        )
    fitted: EffectTree = clone(tree).set_params(**given)
    fitted._validate_params()
    fitted._check_size()
    for what, needs_rows, instead in (
        (
            "method='cart'",
            fitted.method == "cart",
            "it searches the cuts of every covariate in every node, which takes sorted "
            "rows. Take method='ctree'",
        ),
        (
            "honest=True",
            fitted.honest,
            "it halves the rows at random. Grow the tree on one source",
        ),
        (
            "n_partitions='auto'",
            fitted.n_partitions == "auto",
            "it cross-validates over folds of rows. Give a number",
        ),
    ):
        if needs_rows:
            raise ValueError(
                f"{what} is not made from sums over batches: {instead}, or take a sample "
                "of the rows, and came."
            )
    return fitted


class _Streamed:
    """Passes over the rows that count, and what the first one found."""

    def __init__(self, tree: EffectTree, passes: Passes, output: str | None) -> None:
        self.tree, self.passes, self.output = tree, passes, output
        self.scale = 1.0  # of weights, so that they sum to the number of rows

    def _counted(
        self, *, nlm: bool = False
    ) -> Iterator[tuple[Explained, np.ndarray, np.ndarray, Weighting]]:
        """Batches with the positions, effects and weights of the rows that count."""
        for part in self.passes.read(nlm=nlm):
            k = one_output(part.effect.outputs, self.output, "a tree")
            effects = part.effect.fme_2d[:, k]
            rows = np.flatnonzero(~np.isnan(effects) & (part.weights.whole() > 0))
            yield part, rows, effects[rows], part.weights.take(rows)

    def scan(self, explainer: Any) -> None:
        """The first pass: what columns hold, and how many rows, of which weight, count."""
        tree, spread, total = self.tree, Spread(0, 0.0, 0.0, 0.0, 0.0), 0.0
        kind = tree.weights_type
        kind = explainer.weights_type if kind == "auto" else kind
        whole, n_rows, scans = True, 0, None
        for part, rows, effects, weights in self._counted():
            table = part.features
            whole &= part.weights.is_whole
            if part.weights.given:
                Weighting.of(
                    part.weights.array, kind, part.weights.n
                )  # or it is refused
            n_rows += part.weights.n
            if scans is None:
                scans = self._scans(table, part.effect)
            if not len(rows):
                continue
            table = table if len(rows) == len(table) else table.take(rows)
            refuse_infinite(table, self.read)
            for scan in scans:
                scan.add(table)
            spread = spread.merged(Spread.of(effects, Weighting(None, len(rows))))
            total += weights.sum
        if not spread.n:
            raise ValueError(
                "No row has both an effect and a positive weight, so that there is no "
                "effect to partition."
            )
        assert scans is not None
        self.kind = ("frequency" if whole else "sampling") if kind == "auto" else kind
        if self.kind != "frequency":
            self.scale = spread.n / total
        self.total, self.root = total * self.scale, spread
        tree.n_dropped_ = n_rows - spread.n
        self._learn(scans)

    def _scans(self, table: Table, effect: ForwardEffect) -> list[ColumnScan]:
        """Look at the first batch as fit looks at a table."""
        tree = self.tree
        effect.refuse_of_means("a tree")
        tree._comparison = effect.comparison
        tree._about = (effect.name, effect.context.joint)
        listed: Any = tree.categorical_features
        if isinstance(listed, str) and listed == "auto":
            listed = effect.categorical_features
        names: list[Hashable] = list(listed)
        where = {table.position(key, "categorical_features names") for key in names}
        validate_data(tree, table.native, skip_check_array=True)
        tree._kind = table.kind
        self.read = split_positions(table, tree.features, tree.drop)
        return [ColumnScan(i, i in where) for i in range(len(table.names))]

    def _learn(self, scans: list[ColumnScan]) -> None:
        tree, columns = self.tree, []
        for i, scan in enumerate(scans):
            assert scan.column is not None
            of_other = replace(scan.column, categories=(), ranks=())
            columns.append(scan.column if i in self.read else of_other)
        tree._columns = tuple(columns)
        tree._split_columns = tuple(columns[i] for i in self.read)
        learned = [scans[i].learned() for i in self.read]
        covariates, means, sds = zip(*learned, strict=True)
        tree._covariates, self.standards = covariates, (means, sds)

    def _rows(self, part: Explained, rows: np.ndarray) -> Rows:
        """Rows that count, as sums need them; without effects."""
        table = part.features
        table = table if len(rows) == len(table) else table.take(rows)
        covariates = covariates_like(
            self.tree._covariates, table, self.tree._split_columns
        )
        scores = np.zeros((len(rows), len(covariates)))
        observed = np.ones(scores.shape)
        for j, covariate in enumerate(covariates):
            if covariate.has_missing:
                observed[:, j] = covariate.observed(covariate.values)
            if covariate.kind != "unordered":
                standard = standardised(covariate, *(s[j] for s in self.standards))
                scores[:, j] = np.nan_to_num(standard, nan=0.0)
        weights = part.weights.take(rows)
        array = None if weights.array is None else weights.array * self.scale
        weights = Weighting(array, len(rows), self.kind)
        drawn = self.random.random(len(rows))
        return Rows(covariates, scores, observed, np.empty(0), weights, drawn)

    def _pass(self) -> Iterator[Rows]:
        self.random = np.random.default_rng(0)  # the same however rows are cut
        for part, rows, effects, _ in self._counted():
            if len(rows):
                yield self._rows(part, rows)._replace(effects=effects)

    def grown(self) -> list[Node]:
        """Grow and prune."""
        tree, root = self.tree, self.root
        options = tree._criterion(self.total).keywords
        variance = root.ss / root.n
        rules = InferenceRules(**options, variance=variance)
        nodes = grow_over_batches(self._pass, tree._covariates, rules, root)
        assert not isinstance(tree.n_partitions, str)
        return pruned(nodes, tree.n_partitions, tree.max_sd)

    def measures(self, nodes: list[Node]) -> list[Spread]:
        """Non-linearity measures of the nodes, in a last pass."""
        self.random = np.random.default_rng(0)

        def measured() -> Iterator[tuple[Rows, np.ndarray]]:
            for part, rows, *_ in self._counted(nlm=True):
                if len(rows):
                    assert part.effect.nlm_2d is not None
                    k = one_output(part.effect.outputs, self.output, "a tree")
                    yield self._rows(part, rows), part.effect.nlm_2d[rows, k]

        return measures_over_batches(nodes, measured())
