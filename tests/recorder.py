"""A model that records what it was asked, and the tables that steps make for it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer


class Recorder(RegressorMixin, BaseEstimator):
    """A fitted model that keeps a copy of every table it was asked to predict."""

    def __init__(self, function: Any = None) -> None:
        self.function = function
        self.tables: list[Any] = []

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: Any, y: Any = None) -> Recorder:
        raise AssertionError("a given model must not be fitted again")

    def predict(self, X: Any) -> np.ndarray:
        self.tables.append(copy.deepcopy(X))
        return np.zeros(len(X)) if self.function is None else self.function(X)

    @property
    def n_rows(self) -> int:
        return sum(len(table) for table in self.tables)


def recorded(X: Any, steps: Any, *, background: Any = None, **options: Any) -> tuple:
    """The effects, and the recorder with the tables that `explain` had predicted."""
    model = Recorder(options.pop("function", None))
    explainer = FMEExplainer(FrozenEstimator(model), steps, **options)
    explainer.fit(X if background is None else background)
    model.tables.clear()
    effects = explainer.explain(X)
    return effects, model


def stepped_table(X: Any, steps: Any, **options: Any) -> Any:
    """The table that the model got for the stepped rows, when every row counts."""
    options.setdefault("extrapolation", None)
    _, model = recorded(X, steps, **options)
    table = model.tables[-1]
    return (
        table[-len(X) :]
        if not isinstance(table, pa.Table)
        else table.slice(len(table) - len(X))
    )


def values_of(table: Any, name: Any) -> list:
    """One column as a list of Python objects."""
    if isinstance(table, np.ndarray):
        return table[:, name].tolist()
    if isinstance(table, pa.Table):
        return table[name].to_pylist()
    column = table[name]
    return column.to_list() if isinstance(table, pl.DataFrame) else column.tolist()
