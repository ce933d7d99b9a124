"""Models of statsmodels that predict no rows from their columns: what to do instead."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["refuse_unpredictable"]


def refuse_unpredictable(results: Any) -> None:
    """Refuse models whose predict takes no table of rows, or reads other columns.

    Raises
    ------
    TypeError
        With a call that has effects of the model.
    """
    bases = [base.__name__ for base in type(results.model).__mro__]
    for name, explained in _EXPLAINED.items():
        if name in bases:
            raise TypeError(f"{bases[0]} {explained(results)}")


def _gam(results: Any) -> str:
    model = results.model
    smooth = list(map(str, model.smoother.variable_names))
    linear = "t"
    if not hasattr(model, "formula_linear"):
        linear = f"t[{list(map(str, model.data_linear.xnames))}]"
    return (
        "predicts from splines, which are no columns of the data. Give the columns that "
        f"are smoothed by themselves: fme(lambda t: results.predict({linear}, exog_smooth="
        f"t[{smooth}]), X, steps)."
    )


def _hazards(_results: Any) -> str:
    return (
        "is a model of hazards, and predicts hazard ratios rather than outcomes. Effects "
        'of the ratio are fme(lambda t: results.predict(exog=t, pred_type="hr")'
        ".predicted_values, X, steps)."
    )


def _conditional(results: Any) -> str:
    return (
        "knows differences within groups only: without the groups' own intercepts it "
        "predicts no outcome. For outcomes, fit a model with an intercept for each group; "
        f"its linear part has effects as it is: {_linear_part(results)}."
    )


def _recursive(_results: Any) -> str:
    return (
        "estimates coefficients along a series, and predicts no rows that are given to "
        "it. Fit OLS, whose coefficients are its last ones."
    )


def _series(results: Any) -> str:
    covariates = _linear_part(results)
    if not covariates:
        return "predicts the moments of a series, and has no design matrix of rows."
    return (
        "predicts the moments of a series, and not rows that are given to it. The part of "
        f"its covariates has effects: {covariates}."
    )


def _linear_part(results: Any) -> str:
    """A call over the coefficients of the columns that were given; empty without."""
    index = list(getattr(results.params, "index", ()))
    columns, coefficients = [], []
    for name in results.model.exog_names or ():
        key = next((key for key in (name, f"beta.{name}") if key in index), None)
        if key is not None and not _MADE.search(str(name)):
            columns.append(name)
            coefficients.append(key)
    if not columns:
        return ""
    return (
        f"fme(lambda t: t[{columns}].to_numpy() @ results.params[{coefficients}]"
        ".to_numpy(), X, steps)"
    )


_MADE = re.compile(r"^(const|trend)$|\.L\d+$")  # columns that a series model makes

# By class or base class; of several the first that fits.
_EXPLAINED = {
    "GLMGam": _gam,
    "PHReg": _hazards,
    "_ConditionalModel": _conditional,
    "RecursiveLS": _recursive,
    "TimeSeriesModel": _series,
}
