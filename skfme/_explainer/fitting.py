"""What fit is given, checked and described before the model is fitted.

How steps are read, and the model fitted, lives elsewhere.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils.metadata_routing import _routing_enabled, process_routing
from sklearn.utils.validation import (
    check_is_fitted,
    has_fit_parameter,
    validate_data,
)

from skfme._engine.prediction import model_name
from skfme._frames.checks import (
    check_same_columns,
    checked_weights,
    one_target,
    refuse_infinite,
    rows_of_positive_weight,
)
from skfme._frames.schema import describe_columns
from skfme._frames.tables import Table, as_table, complete_rows
from skfme.quadrature import as_rule
from skfme.steps._training import Training

__all__ = ["FitInput", "complete_row", "params_of_fit", "read_input"]


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
    table = as_table(X)
    _refuse_fitted_without_y(explainer.estimator, y)
    validate_data(explainer, table.native, skip_check_array=True)
    if isinstance(explainer.estimator, FrozenEstimator):
        check_same_columns(explainer.estimator, explainer)
    refuse_infinite(table)
    as_rule(explainer.nlm)
    params = params_of_fit(explainer, sample_weight, params)
    weights = checked_weights(sample_weight, table)
    rows, weights = rows_of_positive_weight(table, weights)
    columns = describe_columns(rows, explainer.categorical_features)
    if explainer._wants_one_target() and y is not None:
        y = one_target(y, model_name(explainer.estimator))
    return FitInput(table, y, Training(rows, columns, weights), params)


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


def complete_row(table: Table) -> Table:
    """One row, without missing values if there is one."""
    row = int(np.argmax(complete_rows(table)))
    return table.take(slice(row, row + 1))
