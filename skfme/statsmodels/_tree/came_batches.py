"""A tree over the effects of a table that is never held: `came_batches`.

Here a source, a step and a tree's options become passes over rows that count. What is
learned of columns, what is added up, and how a tree grows of it have files of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted, validate_data

from skfme._streaming.passes import Passes
from skfme.quadrature import as_rule
from skfme.statsmodels._tree.criteria import InferenceRules
from skfme.statsmodels._tree.effect_tree import EffectTree
from skfme.statsmodels._tree.nodes import Node, Spread
from skfme.statsmodels._tree.pruning import pruned
from skfme.statsmodels._tree.streamed_growing import NodeMeasures, grow_over_batches
from skfme.statsmodels._tree.streamed_totals import Counting, Reading, Scan, Summed
from skfme.statsmodels._tree.table_scan import ColumnScan

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
        a dataset or table of pyarrow, a LazyFrame of polars, a relation of DuckDB; a table
        of Dask, Spark or Ray, whose workers compute effects and sums; a list of tables;
        or a function without arguments that returns any of these, or an iterator of tables.
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
        If the source is used up by one pass, such as a generator.

    Notes
    -----
    Tests, and so the choice of variables, are exact, and so are splits of unordered
    factors. Cuts are exact where a covariate has at most 1,000 distinct values in the
    node. Of more, about 1,000 quantiles of the node are tried, each an observed value:
    ``cut_errors_`` says how far they are apart, some 0.2 % of the node's rows.

    One pass looks at the columns; each layer of the tree takes one for its tests, and
    one for its cuts where they are not of factors alone; NLMs take a last one. Memory grows
    with columns and their levels and with open nodes, not with rows. On a cluster each
    pass sends the explainer to the workers and gets back sums. What needs single rows,
    such as `EffectTree.stability`, needs a table in memory.

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
    """Passes over the rows that count, and what the first one showed."""

    def __init__(self, tree: EffectTree, passes: Passes, output: str | None) -> None:
        self.tree, self.passes, self.output = tree, passes, output

    def scan(self, explainer: Any) -> None:
        """The first pass, of which the tree learns its columns."""
        tree, counting = self.tree, Counting(self.output)
        kind = tree.weights_type
        kind = explainer.weights_type if kind == "auto" else kind
        scan = self.passes.fold(Scan(clone(tree), counting, kind))
        if not scan.spread.n:
            raise ValueError(
                "No row has both an effect and a positive weight, so that there is no "
                "effect to partition."
            )
        assert scan.example is not None
        tree._about, tree._comparison = scan.effect[:2], scan.effect[2]
        validate_data(tree, scan.example.native, skip_check_array=True)
        tree._kind = scan.example.kind
        tree.n_dropped_ = scan.n_rows - scan.spread.n
        if kind == "auto":
            kind = "frequency" if scan.whole else "sampling"
        scale = 1.0 if kind == "frequency" else scan.spread.n / scan.weight
        self.total, self.root = scan.weight * scale, scan.spread
        means, sds = self._learn(scan.scans, scan.read)
        covariates, columns = tree._covariates, tree._split_columns
        self.reading = Reading(counting, covariates, columns, means, sds, kind, scale)

    def _learn(
        self, scans: list[ColumnScan], read: Sequence[int]
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The tree's columns and covariates; means and SDs of the latter."""
        tree, columns = self.tree, []
        for i, scan in enumerate(scans):
            assert scan.column is not None
            of_other = replace(scan.column, categories=(), ranks=())
            columns.append(scan.column if i in read else of_other)
        tree._columns = tuple(columns)
        tree._split_columns = tuple(columns[i] for i in read)
        learned = [scans[i].learned() for i in read]
        tree._covariates, means, sds = zip(*learned, strict=True)
        return means, sds

    def grown(self) -> list[Node]:
        """Grow and prune."""
        tree, root = self.tree, self.root
        options = tree._criterion(self.total).keywords
        variance = root.ss / root.n
        rules = InferenceRules(**options, variance=variance)
        nodes = grow_over_batches(self._pass, tree._covariates, rules, root)
        assert not isinstance(tree.n_partitions, str)
        return pruned(nodes, tree.n_partitions, tree.max_sd)

    def _pass(self, empty: Any) -> Any:
        return self.passes.fold(Summed(empty, self.reading)).sums

    def measures(self, nodes: list[Node]) -> list[Spread]:
        """Non-linearity measures of the nodes, in a last pass."""
        reading = replace(self.reading, counting=Counting(self.output, nlm=True))
        measured = Summed(NodeMeasures(nodes), reading)
        sums: Any = self.passes.fold(measured, nlm=True).sums
        return sums.by_node()
