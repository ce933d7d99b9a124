"""The average prediction of groups of rows as a function of one feature's value.

R_g(v) = Σ_{i in g} w_i f(x_i with x_ij := v) / Σ w_i: exact between the cuts of a tree
ensemble that can be read, and by the model's own predictions at any value. What is made
of the curves lives elsewhere.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.choice import EngineChoice
from skfme._engine.refusals import RowsNotReadError, refusal
from skfme._frames.arithmetic import as_type, column_like, common_type
from skfme._frames.columns import ColumnData
from skfme._frames.tables import Table

if TYPE_CHECKING:
    from skfme._engine.trees.curves import PieceCurve
    from skfme._engine.trees.trees import TreeModel

__all__ = ["FreeFeature", "exact_curves"]

_LOG = logging.getLogger(__name__)
_SHARED_ROWS = 16384  # below so many, a predict call costs more to make than to do
_CHECKED_ROWS, _CHECKED_VALUES = 64, 16
_ROWS_OF_GRID = 3  # that transformers in front of a model are tried on


@dataclass(frozen=True)
class FreeFeature:
    """Rows whose value of one feature is set, and how their model is asked.

    Attributes
    ----------
    choice : EngineChoice
    table : Table of n rows
    position : int
        The feature, which holds numbers.
    groups : ndarray of shape (n,), int
        The group of each row, from 0.
    weight : ndarray of shape (n,)
        Positive.
    rows_per_call : int
    """

    choice: EngineChoice
    table: Table
    position: int
    groups: np.ndarray
    weight: np.ndarray
    rows_per_call: int

    @cached_property
    def _type(self) -> ColumnData:
        column = self.table.column(self.position)
        return as_type(column[slice(0, 1)], common_type(column, continuous=True))

    @cached_property
    def _shares(self) -> np.ndarray:
        """Of each row in the average of each group, (n_groups, n)."""
        member = self.groups == np.arange(self.groups.max() + 1)[:, None]
        weights = member * self.weight
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def at(self, rows: np.ndarray) -> FreeFeature:
        """The same of some rows, as one group."""
        none = np.zeros(len(rows), dtype=int)
        weight = self.weight[rows]
        choice, n = self.choice, self.rows_per_call
        return FreeFeature(
            choice, self.table.take(rows), self.position, none, weight, n
        )

    def now(self) -> np.ndarray:
        """Average predictions of the rows as they are, (n_groups, n_outputs)."""
        predicted = [
            self.choice.response(self.table.take(rows))
            for rows in gen_batches(len(self.table), self.rows_per_call)
        ]
        return np.asarray(self._shares @ np.concatenate(predicted))

    def curves(self, values: np.ndarray) -> np.ndarray:
        """Average predictions at some values, (n_groups, n_outputs, n_values)."""
        n, response = len(self.table), self.choice.response
        together = max(1, min(self.rows_per_call, _SHARED_ROWS) // n)
        if response.needs_labels(self.table):  # each of which stands for one row
            together = 1
        averages = []
        for part in gen_batches(len(values), together):
            predicted = self._predicted(values[part]).reshape(-1, n, self._n_outputs)
            averages.append(np.einsum("gn,vno->gov", self._shares, predicted))
        return np.concatenate(averages, axis=2)

    @property
    def _n_outputs(self) -> int:
        return len(self.choice.response.outputs)

    def _predicted(self, values: np.ndarray) -> np.ndarray:
        """Predictions of all rows at each value, one after the other."""
        n, response = len(self.table), self.choice.response
        predicted = []
        for rows in gen_batches(n * len(values), self.rows_per_call):
            place = np.arange(rows.start, rows.stop)
            predicted.append(response(self.table_at(place % n, values[place // n])))
        return np.concatenate(predicted)

    def table_at(self, rows: np.ndarray, values: np.ndarray) -> Table:
        """Some rows, each with the feature at a value."""
        table = self.table.take(rows)
        if not self.choice.response.needs_labels(table):
            table = table.relabelled()
        column = column_like(self._type, values)
        return table.with_columns({self.position: column})


def exact_curves(feature: FreeFeature, observed: np.ndarray) -> PieceCurve | None:
    """Curves of a tree ensemble between its cuts; None where it is not read.

    Parameters
    ----------
    feature : FreeFeature
    observed : ndarray
        Distinct values, at some of which the curve is compared with predictions.

    Raises
    ------
    ValueError
        If ``engine="trees"`` was asked for, and cannot be had.
    """
    choice = feature.choice
    if choice.requested in ("predict", "linear"):
        return None
    reason = "its curve differs from the model's predictions"
    for _ in range(2):  # the model may have been fitted again since it was read
        model = choice.tree_model()
        if isinstance(model, str):
            reason = model
            break
        try:
            if _equals_model(model, feature, observed):
                return _walked(model, feature, observed)
        except RowsNotReadError as error:
            reason = str(error)
            break
        choice.forget_trees()
    if choice.requested == "trees":
        raise refusal("trees", reason)
    _LOG.debug("the response curve is left to predictions: %s", reason)
    return None


def _walked(model: TreeModel, feature: FreeFeature, observed: np.ndarray) -> PieceCurve:
    from skfme._engine.trees.curves import Grid, piece_curves  # loads numba

    few = _spread(len(feature.table), _ROWS_OF_GRID)
    repeated, values = np.repeat(few, len(observed)), np.tile(observed, len(few))
    grid = Grid(feature.table_at(repeated, values), observed)
    rows = (feature.table, feature.position, feature.groups, feature.weight)
    return piece_curves(model, *rows, grid)


def _equals_model(model: TreeModel, feature: FreeFeature, observed: np.ndarray) -> bool:
    sample = feature.at(_spread(len(feature.table), _CHECKED_ROWS))
    values = observed[_spread(len(observed), _CHECKED_VALUES)]
    curve, predicted = _walked(model, sample, observed), sample.curves(values)
    off = np.abs(curve.response[:, :, curve.piece_of(values)] - predicted).max()
    return bool(off <= model.tolerance * np.abs(predicted).max())


def _spread(n: int, most: int) -> np.ndarray:
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.intp))
