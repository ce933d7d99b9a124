"""Linear predictors behind transformers, as sums over the columns of a table.

    η(x) = b + Σ_c g_c(x_c),   g_c linear, or one number for each category,

so that a step changes η by Σ_c g_c(x_c + h_c) − g_c(x_c), whatever else the row
holds. The weights of a linear model are pulled back through the transformers in
front of it; only transformers known by name are.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from skfme._engine.affine import imputes_missing_only, input_positions, is_affine
from skfme._engine.originals import check_original
from skfme._engine.refusals import ModelNotReadError, RowsNotReadError
from skfme._frames.columns import ColumnData, category_codes, numbers_in

__all__ = ["Additive", "Levels", "pulled_back"]


@dataclass(frozen=True)
class Levels:
    """What each category of a column adds.

    Attributes
    ----------
    categories : tuple
    values : ndarray of shape (n_categories, n_margins)
    """

    categories: tuple
    values: np.ndarray


@dataclass(frozen=True)
class Additive:
    """A linear predictor as a sum over columns.

    Attributes
    ----------
    weights : dict of int -> ndarray of shape (n_margins,)
        Of the numeric columns, by position.
    levels : dict of int -> Levels
        Of the categorical ones.
    """

    weights: Mapping[int, np.ndarray]
    levels: Mapping[int, Levels]

    def change(
        self, position: int, before: ColumnData, after: ColumnData
    ) -> np.ndarray:
        """What a change of one column changes of the margins, (n, n_margins).

        Raises
        ------
        RowsNotReadError
            If the column's values are no numbers, or no known categories.
        """
        if position in self.levels:
            levels = self.levels[position]
            low, high = (category_codes(c, levels.categories) for c in (before, after))
            if (low < 0).any() or (high < 0).any():
                raise RowsNotReadError("a category is unknown or missing")
            return levels.values[high] - levels.values[low]
        if position not in self.weights:  # no column of the model's
            return np.zeros((len(before), 1))
        try:
            low, high = (
                np.asarray(numbers_in(c)).astype(np.float64) for c in (before, after)
            )
        except (TypeError, ValueError) as error:
            raise RowsNotReadError(str(error)) from error
        return (high - low)[:, None] * self.weights[position]


def pulled_back(
    transformers: Sequence[Any], weights: np.ndarray, names: Sequence[Hashable]
) -> Additive:
    """The weights of a linear model as a sum over a table's columns.

    Parameters
    ----------
    transformers : sequence of fitted transformers
        In front of the model, the first one first.
    weights : ndarray of shape (n_features, n_margins)
        Of the model.
    names : sequence of hashable
        Of the table's columns.

    Raises
    ------
    ModelNotReadError
        If a transformer is not known to be additive.
    """
    steps = _flat(transformers)
    while steps and type(steps[-1]) is not ColumnTransformer:
        weights = _through(steps.pop(), weights)
    if not steps:
        return Additive(dict(enumerate(weights)), {})
    if len(steps) > 1:
        raise ModelNotReadError("a ColumnTransformer is not the first transformer")
    return _by_column(steps[0], weights, names)


def _flat(transformers: Sequence[Any]) -> list[Any]:
    steps: list[Any] = []
    # "passthrough" and "drop" are no transformers.
    check_original(*(t for t in transformers if not isinstance(t, str | None)))
    for transformer in transformers:
        if type(transformer) is Pipeline:
            steps += _flat([step for _, step in transformer.steps])
        else:
            steps.append(transformer)
    return steps


def _by_column(
    transformer: ColumnTransformer, weights: np.ndarray, names: Sequence[Hashable]
) -> Additive:
    numeric: dict[int, np.ndarray] = {}
    levels: dict[int, Levels] = {}
    for name, part, columns in transformer.transformers_:
        inner = weights[transformer.output_indices_[name]]
        if not len(inner):  # dropped, for one
            continue
        positions, steps = input_positions(columns, names), _flat([part])
        if set(positions) & (numeric.keys() | levels.keys()):
            raise ModelNotReadError(
                "a column goes into two parts of a ColumnTransformer"
            )
        if type(steps[-1]) is OneHotEncoder:
            encoder = steps.pop()
            if not all(
                type(step) is SimpleImputer and imputes_missing_only(step)
                for step in steps
            ):
                raise ModelNotReadError("an encoder stands behind a transformer")
            levels |= zip(positions, _encoded(encoder, inner), strict=True)
            continue
        while steps:
            inner = _through(steps.pop(), inner)
        numeric |= zip(positions, inner, strict=True)
    return Additive(numeric, levels)


def _encoded(encoder: OneHotEncoder, weights: np.ndarray) -> list[Levels]:
    """What the categories of each column add."""
    if encoder.min_frequency is not None or encoder.max_categories is not None:
        raise ModelNotReadError("a OneHotEncoder joins infrequent categories")
    levels, start = [], 0
    for i, categories in enumerate(encoder.categories_):
        has_column = np.ones(len(categories), dtype=bool)
        if encoder.drop_idx_ is not None and encoder.drop_idx_[i] is not None:
            has_column[int(encoder.drop_idx_[i])] = False
        stop = start + int(has_column.sum())
        values = np.zeros((len(categories), weights.shape[1]))
        values[has_column] = weights[start:stop]
        levels.append(Levels(tuple(categories), values))
        start = stop
    return levels


def _through(transformer: Any, weights: np.ndarray) -> np.ndarray:
    """Weights of a transformer's input, from those of its output."""
    if not is_affine(transformer):
        raise ModelNotReadError(
            f"{type(transformer).__name__} is not known to be affine"
        )
    if transformer is None or isinstance(transformer, str):
        return weights
    kind = type(transformer)
    if kind in (StandardScaler, RobustScaler, MaxAbsScaler):
        scale = transformer.scale_
        return weights if scale is None else weights / scale[:, None]
    if kind is MinMaxScaler:
        return weights * transformer.scale_[:, None]
    if kind is PCA and transformer.whiten:
        weights = weights / np.sqrt(transformer.explained_variance_)[:, None]
    if kind in (PCA, TruncatedSVD):
        return transformer.components_.T @ weights
    if isinstance(transformer, SelectorMixin):
        selected = transformer.get_support()
        inner = np.zeros((len(selected), weights.shape[1]))
        inner[selected] = weights
        return inner
    if kind is FunctionTransformer:  # without a function, and perhaps never fitted
        return weights
    if transformer.n_features_in_ != len(weights):  # an imputer of empty columns
        raise ModelNotReadError(f"{kind.__name__} changes the number of columns")
    return weights
