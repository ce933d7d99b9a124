"""What a grown tree says of rows and to people.

The tables of its nodes are in `_node_tables`, the words of its rules in `_rules`; here
rows are sent down the tree.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from skfme._frames.checks import checked_weights, table_as_in_fit
from skfme._frames.schema import Column
from skfme._frames.tables import Table, as_table
from skfme._text.printing import Text
from skfme.statsmodels._tree.covariates import (
    Covariate,
    covariates_in,
    effects_in,
    variance_explained,
)
from skfme.statsmodels._tree.growing import Node, leaves_of
from skfme.statsmodels._tree.rules import parents, queries_of, tree_text

__all__ = ["FittedTree"]


class FittedTree:
    """Reads the nodes, covariates and columns that `EffectTree.fit` has set."""

    method: str
    partitions_: pd.DataFrame
    nodes_: pd.DataFrame
    n_partitions_: int
    variance_explained_: float
    _nodes: list[Node]
    _covariates: tuple[Covariate, ...]
    _columns: tuple[Column, ...]
    _kind: str
    _leaf_values: np.ndarray

    def _table(self, X: Any) -> Table:
        check_is_fitted(self, "partitions_")
        return table_as_in_fit(self, X, self._kind, self._columns)

    def apply(self, X: Any) -> np.ndarray:
        """The subspace of each row, as the index of `partitions_`.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        subspace : ndarray of shape (n_samples,)
        """
        table = self._table(X)
        covariates = covariates_in(table, self._columns)
        return leaves_of(self._nodes, covariates, len(table))

    def predict(self, X: Any) -> np.ndarray:
        """The cAME of each row's subspace.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        came : ndarray of shape (n_samples,)
        """
        leaves = self.apply(X)  # first, as it checks that the tree is fitted
        came: np.ndarray = self._leaf_values[leaves]
        return came

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
        came, table = self.predict(X), as_table(X)
        effects, weights = (
            effects_in(y, table),
            checked_weights(sample_weight, table).array,
        )
        return variance_explained(effects, came, weights)

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
        above = parents(self._nodes)
        passed = np.zeros((len(above), len(above)), dtype=np.int64)
        for i, parent in enumerate(above):
            if parent >= 0:
                passed[i] = passed[parent]
            passed[i, i] = 1
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
        leaves, ids = self.apply(X), self.partitions_.index
        member = leaves[:, None] == ids.to_numpy()
        return pd.DataFrame(member, index=as_table(X).index, columns=ids)

    @property
    def queries_(self) -> pd.Series:
        """Per subspace, an expression for ``DataFrame.query`` that picks its rows."""
        check_is_fitted(self, "partitions_")
        ids = self.partitions_.index
        texts = queries_of(self._nodes, list(ids), self._covariates)
        return pd.Series(texts, index=ids, name="query")

    def export_text(self) -> Text:
        """The tree as text, with the drop in heterogeneity of each split.

        Returns
        -------
        text : str
        """
        check_is_fitted(self, "partitions_")
        explained = self.variance_explained_
        share = (
            "" if math.isnan(explained) else f", {100 * explained:.1f} % of Var(FME)"
        )
        kind = "Conditional inference tree" if self.method == "ctree" else "CART"
        plural = "s" * (self.n_partitions_ != 1)
        root = self._nodes[0]
        title = f"{kind} over {root.n} effects: {self.n_partitions_} partition{plural}{share}"
        extra = {"cANLM": list(self.nodes_["cANLM"])} if "cANLM" in self.nodes_ else {}
        return tree_text(title, self._nodes, self._covariates, extra)
