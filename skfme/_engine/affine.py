"""Transformers that are affine in the columns they get: x ↦ A x + b.

Straight paths stay straight behind them, and a linear model behind them is linear
in their columns. Only transformers of listed types are taken for affine, and only where
they transform by their library's own code. Which models are linear is read elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.feature_selection import SelectorMixin
from sklearn.impute import SimpleImputer
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from skfme._engine.originals import is_original

__all__ = ["imputes_missing_only", "input_positions", "is_affine", "keeps_lines"]

_AFFINE = (StandardScaler, RobustScaler, MaxAbsScaler, PCA, TruncatedSVD)


def keeps_lines(
    transformers: Sequence[Any], names: Sequence[Hashable], moving: frozenset[int]
) -> bool:
    """Whether paths along which only some columns move straight stay straight.

    Parameters
    ----------
    transformers : sequence of fitted transformers
        Applied one after the other.
    names : sequence of hashable
        Of the columns that the first one gets.
    moving : frozenset of int
        Positions of the columns that move.
    """
    if not transformers or not moving:
        return True
    first, *later = transformers
    return _keeps_lines(first, names, moving) and all(map(is_affine, later))


def _keeps_lines(
    transformer: Any, names: Sequence[Hashable], moving: frozenset[int]
) -> bool:
    if not _may_be_affine(transformer):
        return False
    if type(transformer) is Pipeline:
        steps = [step for _, step in transformer.steps]
        return keeps_lines(steps, names, moving)
    if type(transformer) is ColumnTransformer:
        return all(
            is_affine(part)
            for _, part, columns in transformer.transformers_
            if moving & set(input_positions(columns, names))
        )
    return is_affine(transformer)


def is_affine(transformer: Any) -> bool:
    """Whether a transformer is affine in all its columns together."""
    if not _may_be_affine(transformer):
        return False
    if transformer is None or isinstance(transformer, str):
        return True
    kind = type(transformer)
    if kind is Pipeline:
        return all(is_affine(step) for _, step in transformer.steps)
    if kind is FeatureUnion:
        return all(is_affine(part) for _, part in transformer.transformer_list)
    if kind is ColumnTransformer:
        return all(is_affine(part) for _, part, _ in transformer.transformers_)
    if kind is MinMaxScaler:
        return not transformer.clip
    if kind is FunctionTransformer:
        return transformer.func is None
    # On a moving column, whose values are observed, an imputer of NaN changes nothing.
    if kind is SimpleImputer:
        return imputes_missing_only(transformer) and not transformer.add_indicator
    return kind in _AFFINE or isinstance(transformer, SelectorMixin)


def _may_be_affine(transformer: Any) -> bool:
    # "passthrough" and "drop" are no transformers.
    is_word = transformer is None or isinstance(transformer, str)
    return is_word or is_original(transformer)


def imputes_missing_only(imputer: SimpleImputer) -> bool:
    """Whether an imputer keeps every value but missing ones; it may impute any number."""
    code = imputer.missing_values
    return code is None or code is pd.NA or (isinstance(code, float) and np.isnan(code))


def input_positions(columns: Any, names: Sequence[Hashable]) -> list[int]:
    """Positions of the columns that one part of a ColumnTransformer gets, in order."""
    every = list(range(len(names)))
    place = {name: position for position, name in enumerate(names)}
    if isinstance(columns, slice):
        ends = (columns.start, columns.stop)
        if any(isinstance(end, str) for end in ends):  # both ends belong to it
            first, last = (place.get(end) for end in ends)
            columns = slice(first, None if last is None else last + 1)
        return every[columns]
    if isinstance(columns, str) or np.isscalar(columns):
        columns = [columns]
    keys = list(columns)
    if keys and all(isinstance(key, (bool, np.bool_)) for key in keys):
        return np.flatnonzero(keys).tolist()
    return [place[key] if key in place else every[key] for key in keys]
