"""What users and displays read from a fitted tree.

Here rows are sent down the tree. The tables of its nodes and the words of its rules have
files of their own.
"""

from __future__ import annotations

import copy
import html
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skfme._frames.checks import checked_weights, table_as_in_fit
from skfme._frames.schema import Column
from skfme._frames.tables import Table, as_table
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.weighting import Weighting
from skfme._text.labels import Labels
from skfme._text.parts import JointStep, full_name
from skfme._text.printing import Text, notebook_page
from skfme.statsmodels._tree.covariates import (
    Covariate,
    Sample,
    counted_rows,
    covariates_like,
    effects_in,
    measures_in,
    variance_explained,
)
from skfme.statsmodels._tree.node_tables import measures_of, tables_of
from skfme.statsmodels._tree.nodes import Node, Spread, leaves_of, parents
from skfme.statsmodels._tree.rules import edges_of, queries_of, rules_of, tree_text
from skfme.statsmodels._tree.sizing import reestimated

if TYPE_CHECKING:
    from skfme.plotting import EffectTreeDisplay

__all__ = ["FittedTree", "TreeRows"]


class TreeRows(NamedTuple):
    """The rows that a tree was grown on.

    Attributes
    ----------
    table : Table
    effects : ndarray of shape (n,)
    weights : Weighting
    leaves : ndarray of shape (n,)
        Position of the leaf; −1 for rows that an honest tree does not estimate from.
    """

    table: Table
    effects: np.ndarray
    weights: Weighting
    leaves: np.ndarray


class ForDisplay(NamedTuple):
    """What a display reads of a tree.

    Attributes
    ----------
    columns : Table
        To look columns up in: the rows of fit, or one row like them.
    edges : list of str
        The condition on the edge into each node.
    rows : tuple of ndarray, ndarray, Weighting, or None
        Effects, leaves and weights behind the tree's numbers, where it carries them.
    comparison : Comparison
        What the effects are.
    title : str
        What part of a joint step they are; empty if they are none.
    """

    columns: Table
    edges: list[str]
    rows: tuple[np.ndarray, np.ndarray, Weighting] | None
    comparison: Comparison
    title: str


class FittedTree:
    """The nodes, covariates and columns that `EffectTree.fit` finds, and their tables."""

    _comparison = DIFFERENCE  # what the effects are, where they say it
    _about: tuple[str, JointStep | None] | None = (
        None  # the effect's name, and of a part
    )
    method: str
    weights_type: str
    partitions_: pd.DataFrame
    nodes_: pd.DataFrame
    tests_: pd.DataFrame
    n_dropped_: int
    n_partitions_: int
    variance_explained_: float
    _nodes: list[Node]
    _covariates: tuple[Covariate, ...]
    _columns: tuple[Column, ...]
    _split_columns: tuple[Column, ...]
    _kind: str
    _training: TreeRows | None = None

    def apply(self, X: Any) -> np.ndarray:
        """The subspace of each row, as the index of `partitions_`.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        subspace : ndarray of shape (n_samples,)
        """
        return self._leaves(self._table(X))

    def predict(self, X: Any) -> np.ndarray:
        """The cAME of each row's subspace.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        came : ndarray of shape (n_samples,)
        """
        return self._came(self._table(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R² of the effects; rows without one, or of weight 0, are left out.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None

        Returns
        -------
        score : float
        """
        table = self._table(X)
        effects, weights = effects_in(y, table), checked_weights(sample_weight, table)
        return variance_explained(effects, self._came(table), weights)

    def decision_path(self, X: Any) -> sparse.csr_matrix:
        """Which nodes each row passes through.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        indicator : csr_matrix of shape (n_samples, n_nodes)
            1 where the row passes through the node; columns are the rows of `nodes_`.
        """
        leaves = self.apply(X)
        passed = np.eye(len(self._nodes), dtype=np.int64)
        for i, parent in enumerate(parents(self._nodes)):
            if parent >= 0:
                passed[i] += passed[parent]
        return sparse.csr_matrix(passed)[leaves]

    def masks(self, X: Any) -> pd.DataFrame:
        """Which rows belong to each subspace.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        masks : DataFrame of bool of shape (n_samples, n_partitions_)
            One column per subspace, with X's index.
        """
        table, subspaces = self._table(X), self.partitions_.index
        inside = self._leaves(table)[:, None] == subspaces.to_numpy()
        return pd.DataFrame(inside, index=table.index, columns=subspaces)

    @property
    def queries_(self) -> pd.Series:
        """Per subspace, an expression for ``DataFrame.query`` that picks its rows.

        Raises
        ------
        ValueError
            If a query cannot quote the name of a column that is split; `masks` serves.
        """
        check_is_fitted(self, "partitions_")
        queries = queries_of(self._nodes, self._covariates)
        return pd.Series(queries, index=self.partitions_.index, name="query")

    def export_text(self) -> Text:
        """The tree as text, with the drop in heterogeneity of each split.

        Returns
        -------
        text : str
        """
        check_is_fitted(self, "partitions_")
        explained, count = self.variance_explained_, self.n_partitions_
        kind = "Conditional inference tree" if self.method == "ctree" else "CART"
        title = f"{kind} over {self._nodes[0].spread.n} effects: {count} partition"
        title += "s" * (count != 1)
        if not math.isnan(explained):
            title += f", {100 * explained:.1f} % of Var(FME)"
        part = self._part
        title += f"\nEffects: {part}" * bool(part)
        return tree_text(title, self._nodes, self._covariates, self.nodes_)

    @property
    def _part(self) -> str:
        """What part of a joint step the effects are; empty if they are none."""
        name, joint = self._about or ("", None)
        return full_name(name, joint) if joint is not None else ""

    def __str__(self) -> str:
        return str(self.export_text()) if hasattr(self, "partitions_") else repr(self)

    def _repr_html_(self) -> str:
        if not hasattr(self, "partitions_"):
            return f"<pre>{html.escape(repr(self))}</pre>"
        return notebook_page([f"<pre>{html.escape(str(self))}</pre>"], [])

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        # scikit-learn's own would draw the parameters.
        return {"text/plain": str(self), "text/html": self._repr_html_()}

    def plot(self, **options: Any) -> EffectTreeDisplay:
        """Draw the tree, with the effects' distribution in each leaf.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.EffectTreeDisplay.from_tree`.

        Returns
        -------
        display : EffectTreeDisplay
        """
        check_is_fitted(self, "partitions_")
        # Here, so that Matplotlib is needed only to draw.
        from skfme.plotting import EffectTreeDisplay

        return EffectTreeDisplay.from_tree(self, **options)

    def _table(self, X: Any) -> Table:
        check_is_fitted(self, "partitions_")
        read = [column.position for column in self._split_columns]
        return table_as_in_fit(self, X, self._kind, self._columns, read)

    def _leaves(self, table: Table) -> np.ndarray:
        return leaves_of(self._nodes, self._encoded(table))

    def _encoded(self, table: Table) -> tuple[Covariate, ...]:
        return covariates_like(self._covariates, table, self._split_columns)

    def _came(self, table: Table) -> np.ndarray:
        means = np.array([node.spread.mean for node in self._nodes])
        came: np.ndarray = means[self._leaves(table)]
        return came

    def _tabulate(
        self, nodes: list[Node], weighted: bool, measures: list[Spread] | None
    ) -> None:
        """Set the tables; the nodes no longer hold their rows."""
        tables = tables_of(nodes, self._covariates, weighted, measures)
        self.nodes_, self.tests_, self.partitions_ = tables
        self.n_partitions_ = len(self.partitions_)
        within = sum(node.spread.ss for node in nodes if node.is_leaf)
        total = nodes[0].spread.ss
        self.variance_explained_ = 1 - within / total if total > 0 else math.nan
        self._nodes = [node._replace(rows=None) for node in nodes]

    def _estimated_from(
        self, X: Any, y: Any, sample_weight: Any = None, nlm: Any = None
    ) -> Self:
        """The same partition with the numbers of other rows; small leaves merge."""
        table = self._table(X)
        rows, effects, weights = counted_rows(
            y, sample_weight, table, self.weights_type
        )
        sample = Sample(self._encoded(table.take(rows)), effects, weights)
        other = copy.copy(self)  # without the rows of fit
        other.n_dropped_ = len(table) - len(rows)
        nodes = reestimated(self._nodes, sample, np.arange(len(sample)))
        measures = measures_of(nodes, measures_in(nlm, table, rows), weights)
        other._tabulate(nodes, weights.given, measures)
        return other

    def _rules(self, labels: Labels) -> pd.Series:
        """The rule of each subspace, with the labels of columns."""
        covariates = tuple(
            replace(c, name=labels.full(str(c.name))) for c in self._covariates
        )
        rules = rules_of(self._nodes, covariates)
        return pd.Series(rules, index=self.partitions_.index, name="rule")

    def _for_display(self) -> ForDisplay:
        """All that a display reads, beside the public tables."""
        edges = edges_of(self._nodes, self._covariates)
        about = (self._comparison, self._part)
        if self._training is None:
            names = [column.name for column in self._columns]
            row = np.zeros((1, len(names)))
            like = row if self._kind == "numpy" else pd.DataFrame(row, columns=names)
            return ForDisplay(as_table(like), edges, None, *about)
        table, effects, weights, leaves = self._training
        estimated = leaves >= 0  # an honest tree grew on the others
        if not estimated.all():
            effects, leaves = effects[estimated], leaves[estimated]
            weights = weights.take(estimated)
        return ForDisplay(table, edges, (effects, leaves, weights), *about)
