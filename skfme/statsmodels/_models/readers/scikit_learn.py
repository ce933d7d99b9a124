"""Linear and logistic regressions of scikit-learn, alone or at the end of a pipeline.

They know no covariance of their coefficients, which is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.gradients import Slope
from skfme.statsmodels._models.readers.designs import MadeDesign
from skfme.statsmodels._models.readers.index_model import IndexModel, refusal
from skfme.statsmodels._models.slopes import exponential, identity, logistic, softmax

__all__ = ["read_scikit_learn"]

_LINEAR = (
    *("LinearRegression", "Ridge", "RidgeCV", "Lasso", "LassoCV", "ElasticNet"),
    *("ElasticNetCV", "BayesianRidge", "ARDRegression", "HuberRegressor"),
    *(
        "QuantileRegressor",
        "Lars",
        "LarsCV",
        "LassoLars",
        "LassoLarsCV",
        "SGDRegressor",
    ),
)
_LOGARITHMIC = ("PoissonRegressor", "GammaRegressor")
_LOGISTIC = ("LogisticRegression", "LogisticRegressionCV")


def read_scikit_learn(model: Any, training: Table, response_method: Any) -> IndexModel:
    """Read a linear or logistic regression, whose parameters are intercept and coefficients.

    Parameters
    ----------
    model : fitted estimator, pipeline, or either within FrozenEstimator
    training : Table
        Not needed.
    response_method : str

    Raises
    ------
    TypeError
        If it is of another class.
    """
    while type(model).__name__ == "FrozenEstimator":
        model = model.estimator
    before, last = (
        (model[:-1], model[-1]) if hasattr(model, "named_steps") else ((), model)
    )
    name = type(last).__name__
    slope = _slope(last)
    if slope is None:
        raise refusal(
            name,
            "is no linear or logistic regression of scikit-learn, whose predictions its "
            "coefficients make",
            "For other models see average_effects (the rows' uncertainty) and "
            "bootstrap_effects (refits).",
        )
    if not hasattr(last, "coef_"):
        raise TypeError(f"{name} is not fitted. Call its fit(X, y) first.")
    classes = [str(label) for label in getattr(last, "classes_", ())]
    method = "predict_proba" if classes else "predict"
    if response_method not in ("auto", method):
        raise ValueError(
            f"response_method={response_method!r} of {name} has no standard errors here; "
            f"expected 'auto' or {method!r}."
        )
    params, names = _parameters(last)
    outputs = tuple(classes[1:] if len(classes) == 2 else classes) or tuple(
        ["y"] if len(params) == 1 else [f"y{i}" for i in range(len(params))]
    )
    columns = getattr(model, "feature_names_in_", None)
    design = MadeDesign(
        _maker(before, bool(last.fit_intercept)),
        names,
        f"the model {name}",
        None if columns is None else list(columns),
    )
    return IndexModel(
        label=name,
        params=params.ravel(),
        covariance=_no_covariance(name, names, len(params)),
        design=design,
        slope=slope,
        predicts=lambda X: _own(model, method, X),
        names=outputs,
        n_predictors=len(params),
    )


def _slope(last: Any) -> Callable[[np.ndarray], Slope] | None:
    """The mean of the linear predictors, by the very class; None of any other."""
    name = type(last).__name__
    if not type(last).__module__.startswith("sklearn.linear_model"):
        return None
    if name in _LINEAR:
        return identity
    if name in _LOGARITHMIC:
        return exponential
    if name == "TweedieRegressor":
        linear = last.link == "identity" or (last.link == "auto" and last.power <= 0)
        return identity if linear else exponential
    if name in _LOGISTIC:
        return logistic if len(getattr(last, "classes_", "01")) == 2 else softmax
    return None


def _parameters(last: Any) -> tuple[np.ndarray, list[str]]:
    """Intercept and coefficients, one row for each predictor; names of the columns."""
    coefficients = np.atleast_2d(np.asarray(last.coef_, dtype=float))
    known = getattr(last, "feature_names_in_", None)
    k = coefficients.shape[1]
    names = [f"x{i}" for i in range(k)] if known is None else list(map(str, known))
    if not last.fit_intercept:
        return coefficients, names
    constants = np.broadcast_to(np.ravel(last.intercept_), len(coefficients))
    return np.column_stack([constants, coefficients]), ["Intercept", *names]


def _maker(before: Any, with_constant: bool) -> Callable[[Any], np.ndarray]:
    """Rows of the design: what the pipeline hands to its last step, and a constant."""

    def make(X: Any) -> np.ndarray:
        made = before.transform(X) if len(before) else X
        made = (
            made.toarray()
            if hasattr(made, "toarray")
            else np.asarray(made, dtype=float)
        )
        return np.column_stack([np.ones(len(made)), made]) if with_constant else made

    return make


def _own(model: Any, method: str, X: Any) -> np.ndarray:
    predicted = getattr(model, method)(X)
    binary = method == "predict_proba" and predicted.shape[1] == 2
    return predicted[:, 1] if binary else predicted


def _no_covariance(name: str, names: list[str], n_predictors: int) -> str:
    order = ", ".join(names[:4]) + (", …" if len(names) > 4 else "")
    each = " of each output, one after another" if n_predictors > 1 else ""
    return (
        f"scikit-learn estimates no covariance of the coefficients of {name}. Give it as "
        f"cov, with {len(names) * n_predictors} rows and columns in this order: {order}"
        f"{each}; or use bootstrap_effects, which refits."
    )
