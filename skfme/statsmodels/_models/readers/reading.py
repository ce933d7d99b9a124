"""Which reader a fitted model is for, told by the module of its class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skfme._frames.hints import shown
from skfme._frames.tables import Table
from skfme.statsmodels._models.fitted import fitted_model, is_results
from skfme.statsmodels._models.parametric import FittedModel
from skfme.statsmodels._models.readers.given import TableModel, follows_protocol
from skfme.statsmodels._models.readers.glum import read_glum
from skfme.statsmodels._models.readers.lifelines import read_lifelines
from skfme.statsmodels._models.readers.linearmodels import read_linearmodels
from skfme.statsmodels._models.readers.pyfixest import read_pyfixest
from skfme.statsmodels._models.readers.scikit_learn import read_scikit_learn

__all__ = ["read_model"]

Reader = Callable[[Any, Table, Any], FittedModel]
_READERS: dict[str, Reader] = {
    "glum": read_glum,
    "lifelines": read_lifelines,
    "linearmodels": read_linearmodels,
    "pyfixest": read_pyfixest,
    "sklearn": read_scikit_learn,
}


def read_model(model: Any, training: Table, response_method: Any) -> FittedModel:
    """Read a fitted parametric model of any package.

    Parameters
    ----------
    model : results, fitted model, or object that follows the protocol
    training : Table
        Rows that a design is learned from again, where the fit did not keep what it
        learned.
    response_method : str or callable
        What is predicted.

    Raises
    ------
    TypeError
        If it is none: a model that is not fitted, or has no parameters.
    """
    kind = type(model)
    reader = _READERS.get(kind.__module__.partition(".")[0])
    if reader is not None:
        return reader(model, training, response_method)
    if response_method != "auto":
        raise ValueError(
            f"response_method={shown(response_method)} is for models with several methods "
            f"that predict; {kind.__name__} has one."
        )
    estimates = getattr(model, "results_", model)
    if is_results(estimates):
        return fitted_model(model)
    if follows_protocol(model):
        return TableModel(model)
    raise TypeError(_what_is_wrong(estimates))


def _what_is_wrong(given: Any) -> str:
    name = type(given).__name__
    if hasattr(given, "fit") and hasattr(given, "exog_names"):
        return f"The {name} model is not fitted. Pass what its fit() returns."
    if name == "StatsmodelsEstimator":
        return f"The {name} is not fitted. Call its fit(X, y) first."
    if hasattr(given, "fit") or hasattr(given, "predict") or callable(given):
        return (
            f"{name} is not a fitted parametric model that can be read: one of statsmodels, "
            "linearmodels, pyfixest, glum or lifelines, a linear or logistic regression of "
            "scikit-learn with cov=, or an object with params, cov_params() and "
            "predict(params, table). For other models see average_effects (the rows' "
            "uncertainty) and bootstrap_effects (refits)."
        )
    return f"Expected the results of a fit, got {shown(given)}."
