"""Regressions of lifelines: parametric models of durations, and Cox's.

Their predictions are their own, made by copies that hold other parameters. A baseline
hazard that Cox's model estimates without parameters has no covariance: its partial hazard
alone is a function of parameters.
"""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.contents import pandas_frame
from skfme._frames.hints import shown
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._models.formulas import FormulaDesign
from skfme.statsmodels._models.readers.given import TableModel
from skfme.statsmodels._models.readers.index_model import refusal

__all__ = ["read_lifelines"]

_PARTIAL = ("predict_partial_hazard", "predict_log_partial_hazard")
_SMOOTH = (*_PARTIAL, "predict_expectation", "predict_median", "predict_percentile")


def read_lifelines(fitter: Any, training: Table, response_method: Any) -> TableModel:
    """Read a regression of lifelines.

    Parameters
    ----------
    fitter : fitted regression
    training : Table
        Not needed.
    response_method : str or callable
        What is predicted: a method, or a function (fitter, table) -> predictions.

    Raises
    ------
    TypeError
        If it is no regression, or not fitted.
    ValueError
        If the method is none, or predicts from a baseline without parameters.
    """
    name = type(fitter).__name__
    holder = getattr(fitter, "_model", fitter)
    if not all(
        hasattr(holder, a) for a in ("regressors", "params_", "variance_matrix_")
    ):
        raise refusal(
            name,
            "is not fitted, or no regression with parameters",
            "Parametric regressions such as WeibullAFTFitter are read, and CoxPHFitter.",
        )
    methods = [m for m in _SMOOTH if _is_smooth(fitter, holder, m)]
    if "SemiParametric" in type(holder).__name__:  # Breslow's baseline
        methods = list(_PARTIAL)
    if callable(response_method) and methods == list(_PARTIAL):
        response_method = getattr(response_method, "__name__", "a function")
    if response_method not in methods and not callable(response_method):
        raise ValueError(
            f"Say by response_method what {name} predicts: one of "
            f"{', '.join(map(repr, methods))}, or of a parametric model a function, such as "
            "lambda model, X: model.predict_survival_function(X, times=[1.0]).T; got "
            f"{shown(response_method)}."
        )
    return TableModel(Regression(fitter, response_method), name)


def _is_smooth(fitter: Any, holder: Any, method: str) -> bool:
    """Whether it is there, and has slopes: a percentile on a grid of times has none."""
    if method in ("predict_median", "predict_percentile"):
        of_grid = type(holder).predict_percentile.__qualname__.split(".")[0]
        return of_grid != "ParametricRegressionFitter"
    return hasattr(fitter, method)


class Regression:
    """A regression of lifelines as a function of its parameters."""

    def __init__(self, fitter: Any, response_method: Any) -> None:
        self._fitter, self._method = fitter, response_method
        self._holder = getattr(fitter, "_model", fitter)
        self.params = np.asarray(self._holder.params_, dtype=float)
        self.columns, self.categories = self._read()
        what = getattr(response_method, "__name__", str(response_method))
        self.outputs = (what.removeprefix("predict_").replace("_", " "),)

    def _read(self) -> tuple[list[Hashable], list[Hashable]]:
        """Columns that the regressors take, and those that they take for categories."""
        columns: dict[Hashable, None] = {}
        categories: list[Hashable] = []
        for mapping in self._holder.regressors.mappings.values():
            if isinstance(mapping, list):
                columns |= dict.fromkeys(c for c in mapping if c != "Intercept")
                continue
            columns |= dict.fromkeys(sorted(map(str, mapping.required_variables)))
            formula = FormulaDesign(mapping, str(mapping.formula), list(columns))
            categories += formula.categorical()
        return list(columns), categories

    def cov_params(self) -> Any:
        matrix = np.asarray(self._holder.variance_matrix_, dtype=float)
        errors = np.asarray(self._holder.standard_errors_, dtype=float).ravel()
        if not np.allclose(np.sqrt(np.diag(matrix)), errors, rtol=1e-6):
            raise ValueError(
                f"{type(self._fitter).__name__} kept robust standard errors without their "
                "covariance: its variance_matrix_ is the one that is not robust. Give the "
                "robust matrix as cov, or fit with robust=False and without cluster_col."
            )
        return matrix

    def predict(self, params: np.ndarray, table: Any) -> np.ndarray:
        fitter, holder = copy.copy(self._fitter), copy.copy(self._holder)
        estimates = self._holder.params_
        holder.params_ = pd.Series(params, index=estimates.index, name=estimates.name)
        if self._holder is self._fitter:
            fitter = holder
        else:
            fitter._model = holder
        return self._predicted(fitter, table)

    def own_predictions(self, table: Any) -> np.ndarray:
        return self._predicted(self._fitter, table)

    def _predicted(self, fitter: Any, table: Any) -> np.ndarray:
        rows = as_table(table)
        frame = pandas_frame(rows, rows.names)
        try:
            if callable(self._method):
                predicted = self._method(fitter, frame)
            else:
                predicted = getattr(fitter, self._method)(frame)
            return np.asarray(predicted, dtype=float)
        except Exception as error:
            raise ValueError(
                f"{type(fitter).__name__} could not predict the rows: {error}"
            ) from error
