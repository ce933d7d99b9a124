"""What fit is given, checked and described before the model is fitted.

How steps are read, and the model fitted, lives elsewhere.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, NamedTuple

from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.validation import (
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from skfme._engine.claims import check_names
from skfme._engine.originals import frozen_original
from skfme._engine.prediction import Response, choose_response, model_name
from skfme._engine.row_checks import check_rows, ignores_labels
from skfme._engine.stepping import as_before
from skfme._explainer.own_categories import own_categories
from skfme._frames.checks import (
    checked_weights,
    one_target,
    refuse_infinite,
    rows_of_positive_weight,
    weights_named,
)
from skfme._frames.schema import describe_columns
from skfme._frames.tables import Table, as_table
from skfme.quadrature import as_rule
from skfme.steps._training import Training

__all__ = [
    "FitInput",
    "columns_read",
    "fitted",
    "over_model",
    "params_of_fit",
    "read_input",
    "refuse_no_estimator",
    "response_of",
    "without_weights",
]


class FitInput(NamedTuple):
    """What fit was given.

    Attributes
    ----------
    table : Table
        Every row, which the model is fitted on.
    y : object
        The target, a vector where the response needs one.
    training : Training
        The rows of positive weight, which steps and ranges are measured on.
    params : dict
        What the model's own fit takes besides X and y.
    """

    table: Table
    y: Any
    training: Training
    params: dict[str, Any]


def read_input(
    explainer: BaseEstimator, X: Any, y: Any, sample_weight: Any, params: dict[str, Any]
) -> FitInput:
    """Check what fit was given, and describe the training rows.

    Raises
    ------
    ValueError, TypeError
        As :meth:`skfme.FMEExplainer.fit`.
    """
    _refuse_swapped(X, y)
    table = columns_read(explainer.estimator, as_table(X))
    _refuse_fitted_without_y(explainer.estimator, y)
    validate_data(explainer, table.native, skip_check_array=True)
    refuse_infinite(table)
    as_rule(explainer.nlm)
    sample_weight = weights_named(sample_weight, table)
    params = params_of_fit(explainer, sample_weight, params)
    weights = checked_weights(sample_weight, table, explainer.weights_type)
    rows, weights = rows_of_positive_weight(table, weights)
    own = own_categories(explainer.estimator, rows, params)
    columns = describe_columns(rows, explainer.categorical_features, own)
    if explainer._wants_one_target() and y is not None:
        y = one_target(y, model_name(explainer.estimator))
    return FitInput(table, y, Training(rows, columns, weights), params)


def refuse_no_estimator(estimator: Any) -> None:
    """Refuse a model that is explained as it is, and cannot be fitted or cloned.

    Raises
    ------
    TypeError
        Which says what explains it.
    """
    while type(estimator) is FrozenEstimator:
        estimator = estimator.estimator
    if isinstance(estimator, type) or hasattr(estimator, "__sklearn_tags__"):
        return
    name = getattr(estimator, "__name__", type(estimator).__name__)
    explained = (
        "fme(model, X, steps) explains it as it is, with ranges from background="
    )
    if hasattr(estimator, "exog_names"):
        what = f"the {name} model of statsmodels is none"
        explained = (
            f"StatsmodelsEstimator({name}, formula=…) is one over the same model"
        )
    elif hasattr(getattr(estimator, "model", None), "exog_names"):
        what = f"{name} is what a fit of statsmodels returned"
        explained += (
            ", delta_effects(results, data, steps) has standard errors by the covariance of "
            "the fit, and StatsmodelsEstimator(model, formula=…) is an estimator"
        )
    elif not hasattr(estimator, "fit") and (
        callable(estimator) or hasattr(estimator, "predict")
    ):
        what = f"{name} has no fit"
    else:
        return
    raise TypeError(
        f"FMEExplainer takes an estimator of scikit-learn's kind, and fits it; {what}. "
        f"{explained}."
    )


def _refuse_swapped(X: Any, y: Any) -> None:
    """Refuse a target in the place of the table, and a column's name for the target."""
    if isinstance(y, str):
        raise TypeError(
            f"y is the text {y!r}; expected the target's values, one for each row: "
            f"fit(X.drop(columns={y!r}), X[{y!r}]) where X is a dataframe that holds them."
        )
    if len(getattr(X, "shape", ())) == 1 and len(getattr(y, "shape", ())) == 2:
        raise ValueError(
            f"X has shape {X.shape} and y has shape {y.shape}: they are swapped. The order "
            "is fit(X, y)."
        )


def columns_read(estimator: Any, table: Table) -> Table:
    """The columns that a given model says it reads; all of them where it says nothing.

    Columns that it does not read, such as a day or an id, neither leave rows out nor are
    stepped; the effects keep the whole table, so that it can be grouped by them.
    """
    positions = getattr(frozen_original(estimator), "columns_read", None)
    return table if positions is None else table.narrowed(positions(table))


def without_weights(model: Any, X: Any, name: str) -> Table:
    """A table without its column of weights, if the model was fitted without."""
    table = as_table(X)
    known = getattr(model, "feature_names_in_", None)
    if known is None or name in known:
        return table
    return table.narrowed([p for p, n in enumerate(table.names) if n != name])


def _refuse_fitted_without_y(estimator: Any, y: Any) -> None:
    if y is not None or isinstance(estimator, FrozenEstimator):
        return
    try:
        check_is_fitted(estimator)
    except (NotFittedError, TypeError):
        return
    raise ValueError(
        f"{type(estimator).__name__} is fitted already, and y is missing. To "
        "explain it as it is, use skfme.fme(model, X, steps) or "
        "FMEExplainer(FrozenEstimator(model)); to fit a clone of it, pass y."
    )


def params_of_fit(
    explainer: BaseEstimator, sample_weight: Any, params: dict[str, Any]
) -> dict[str, Any]:
    """What the model's own fit takes besides X and y."""
    if _routing_enabled():
        routed = process_routing(
            explainer, "fit", sample_weight=sample_weight, **params
        )
        return dict(routed.estimator.fit)
    estimator = explainer.estimator
    if sample_weight is None or isinstance(estimator, FrozenEstimator):
        return params
    if not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"{type(estimator).__name__}.fit takes no sample_weight. Weights "
            "of averages belong to explain(X, sample_weight=…); a pipeline passes "
            "weights on with sklearn.set_config(enable_metadata_routing=True)."
        )
    return {**params, "sample_weight": sample_weight}


def fitted(model: Any, X: Any, y: Any, params: dict[str, Any]) -> Any:
    """The model, fitted where it is not frozen.

    A frozen one is not asked whether it is fitted: packages answer in ways of their own,
    and a model that is not fitted does not predict.
    """
    return model if isinstance(model, FrozenEstimator) else model.fit(X, y, **params)


def response_of(explainer: BaseEstimator, rows: Table, y: Any) -> Response:
    """The fitted model as a function of its table, tried on a few training rows.

    They come in the types that the first effect has before its step, in which the model
    will be asked; as they are, where it takes no others.

    Raises
    ------
    ValueError
        If the model lacks the method, or a row's prediction depends on other rows.
    """
    model, method = explainer.estimator_, explainer.response_method
    asked = as_before(rows, explainer.steps_[0], continuous=explainer.nlm is not False)
    try:
        response = choose_response(model, method, asked, y)
    except Exception:
        if asked is rows:
            raise
        asked, response = rows, choose_response(model, method, rows, y)
    response = replace(response, divisible=explainer.check_rows)
    if isinstance(model, FrozenEstimator):
        check_names(response, asked)
    if explainer.check_rows:
        check_rows(response, asked)
    return replace(
        response,
        ignores_labels=ignores_labels(response, asked),
        # What says which columns it reads needs each of them.
        complete_only=hasattr(frozen_original(explainer.estimator_), "columns_read"),
    )


def over_model(explainer: BaseEstimator, estimator: Any) -> Any:
    """The same explainer over another fitted model; steps and ranges stay."""
    other: Any = copy.copy(explainer)
    other.estimator_ = estimator
    other._response = replace(explainer._response, estimator=estimator)
    other._choice = explainer._choice.over(other._response)
    return other
