"""Generalised linear models of glum."""

from __future__ import annotations

import copy
from collections.abc import Hashable
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.formulas import FormulaDesign
from skfme.statsmodels._models.readers.designs import MadeDesign
from skfme.statsmodels._models.readers.index_model import IndexModel, refusal
from skfme.statsmodels._models.slopes import single

__all__ = ["read_glum"]


def read_glum(model: Any, training: Table, response_method: Any) -> IndexModel:
    """Read a fitted GeneralizedLinearRegressor, whose covariance it may have stored.

    Parameters
    ----------
    model : GeneralizedLinearRegressor or GeneralizedLinearRegressorCV
    training : Table
        Not needed.
    response_method : str

    Raises
    ------
    TypeError
        If it is not fitted, or of another class.
    """
    name = type(model).__name__
    if not hasattr(model, "link_instance") or not hasattr(model, "linear_predictor"):
        raise refusal(name, "is no generalised linear model of glum", "")
    if not hasattr(model, "coef_"):
        raise TypeError(f"The {name} model is not fitted. Call its fit(X, y) first.")
    if response_method not in ("auto", "predict"):
        raise ValueError(
            f"response_method={response_method!r} of {name} has no standard errors here; "
            "expected 'auto' or 'predict'."
        )
    link, names = model.link_instance, list(map(str, model.feature_names_))
    params = np.asarray(model.coef_, dtype=float)
    if model.fit_intercept:
        params, names = (
            np.append(float(model.intercept_), params),
            ["intercept", *names],
        )
    columns, categories = _columns(model)
    design = MadeDesign(
        lambda X: _design(model, X), names, f"the model {name}", columns, categories
    )
    return IndexModel(
        label=name,
        params=params,
        covariance=_covariance(model),
        design=design,
        slope=single(link.inverse, link.inverse_derivative),
        predicts=model.predict,
        names=(_outcome(model),),
        takes_offset=True,  # and keeps none of the fit
    )


def _outcome(model: Any) -> str:
    """The name that the formula has for it, if there is one."""
    formula = getattr(model, "formula", None)
    left = str(formula).partition("~")[0].strip() if formula is not None else ""
    return left or "y"


def _columns(model: Any) -> tuple[list[Hashable] | None, list[Hashable]]:
    """Columns that are read, None for those of an array, and those read as categories."""
    spec = getattr(model, "X_model_spec_", None)
    if spec is not None:
        formula = FormulaDesign(spec, str(model.formula), None)
        read = list[Hashable](sorted(map(str, spec.required_variables)))
        return read, formula.categorical()
    terms: list[Hashable] = list(dict.fromkeys(model.term_names_))
    of_array = all(str(term).startswith("_col_") for term in terms)
    return (None if of_array else terms), []


def _design(model: Any, X: Any) -> np.ndarray:
    """Rows of the design: linear predictors where one coefficient is 1, the others 0."""
    unit = copy.copy(model)
    k = len(model.coef_)
    unit.intercept_ = 0.0
    columns = [np.ones(len(X))] if model.fit_intercept else []
    for j in range(k):
        unit.coef_ = np.eye(k)[j]
        columns.append(np.asarray(unit.linear_predictor(X), dtype=float))
    return np.column_stack(columns)


def _covariance(model: Any) -> Any:
    name, advice = type(model).__name__, "or give the matrix as cov"
    alpha = getattr(model, "alpha_", getattr(model, "alpha", None))
    if np.any(np.asarray(alpha if alpha is not None else 0.0) > 0):
        return (
            f"The {name} model is penalised (alpha={alpha}), of which glum's covariance is "
            f"not valid, as it says itself. Fit with alpha=0, {advice}."
        )
    stored = getattr(model, "covariance_matrix_", None)
    if stored is None:
        return (
            f"The {name} model stored no covariance of its parameters. Fit with "
            f"store_covariance_matrix=True, {advice}."
        )
    return stored
