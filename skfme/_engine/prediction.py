"""Response functions: (model, table) → array of shape (n_samples, n_outputs).

The one place that calls a model. Effects are differences of what is returned here,
so that a back-transformation inside the model (TransformedTargetRegressor, a link)
has been made before anything is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skfme._frames.tables import Table

__all__ = ["Response", "choose_response", "model_name", "model_title"]

_PROBABILITY_METHODS = ("predict_proba", "predict_log_proba")


@dataclass(frozen=True)
class Response:
    """A fitted model seen as a function of its table.

    Attributes
    ----------
    estimator : object
        The fitted model.
    method : str or callable
        The name of the model's method, or a callable ``(estimator, X) -> array``.
    positive_only : bool
        Whether two probability columns stand for the positive class alone.
    outputs : tuple of str
        Names of the outputs.
    resolution : float
        Machine epsilon of the predictions' own type.
    """

    estimator: Any
    method: str | Callable
    positive_only: bool
    outputs: tuple[str, ...]
    resolution: float = float(np.finfo(np.float64).eps)

    @property
    def name(self) -> str:
        """The method's name, as a summary shows it."""
        if isinstance(self.method, str):
            return self.method
        return getattr(self.method, "__name__", type(self.method).__name__)

    def __call__(self, table: Table) -> np.ndarray:
        """Predictions of shape (n_samples, n_outputs), finite and float64.

        Raises
        ------
        ValueError
            If they are not numbers, not finite, or not one row per row of X.
        """
        # A copy, as a model may return a view of the table it was given.
        values = np.array(_call(self.estimator, self.method, table), dtype=np.float64)
        if values.shape[1] == 2 and self.positive_only:
            values = values[:, 1:]
        if values.shape[1] != len(self.outputs):
            raise ValueError(
                f"{self.name} returned {values.shape[1]} outputs, expected "
                f"{len(self.outputs)} as in fit."
            )
        finite = np.isfinite(values)
        if not finite.all():
            rows = np.flatnonzero(~finite.all(axis=1))
            raise ValueError(
                f"{self.name} returned NaN or infinite predictions for {len(rows)} of "
                f"{len(values)} rows. An effect needs finite predictions before and "
                "after the step: choose another response_method, or leave these rows "
                "out."
            )
        return values


def model_name(estimator: Any) -> str:
    """The model's own name, past any FrozenEstimator around it."""
    estimator = _thawed(estimator)
    return getattr(estimator, "__name__", None) or type(estimator).__name__


def model_title(estimator: Any) -> str:
    """The model's name, and that of a pipeline's last step."""
    name, estimator = model_name(estimator), _thawed(estimator)
    if hasattr(estimator, "named_steps"):
        return f"{name} ending in {model_title(estimator.steps[-1][1])}"
    return name


def _thawed(estimator: Any) -> Any:
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def _call(estimator: Any, method: str | Callable, table: Table) -> np.ndarray:
    """What the model returns, two-dimensional and in its own precision."""
    if isinstance(method, str):
        name, raw = method, getattr(estimator, method)(table.native)
    else:
        name = getattr(method, "__name__", "response")
        raw = method(estimator, table.native)
    if isinstance(raw, list) and raw and np.ndim(raw[0]) == 2:
        raise ValueError(
            f"{name} returned one array for each of {len(raw)} outputs. Choose one with "
            "response_method=lambda estimator, X: estimator.predict_proba(X)[0]."
        )
    values = _numbers(raw, name)
    if values.ndim == 0 and len(table) == 1:  # a model that squeezes its output
        values = values.reshape(1)
    values = values.reshape(-1, 1) if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != len(table):
        raise ValueError(
            f"{name} returned an array of shape {np.shape(raw)} for {len(table)} rows; "
            "expected (n_samples,) or (n_samples, n_outputs)."
        )
    return values


def _numbers(raw: Any, name: str) -> np.ndarray:
    values = np.asarray(raw)
    text = values.dtype.kind in "USV" or (
        values.dtype.kind == "O" and any(isinstance(v, str) for v in values.flat)
    )
    try:
        if not text:
            return values if values.dtype.kind == "f" else values.astype(np.float64)
    except (TypeError, ValueError):
        pass
    raise ValueError(
        f"{name} did not return numbers, so that no difference can be formed. Set "
        "response_method to 'predict_proba', 'decision_function' or a callable."
    )


def choose_response(
    estimator: Any, response_method: str | Callable, probe: Table, y: Any = None
) -> Response:
    """The response of a fitted model, its outputs named by one trial prediction.

    Parameters
    ----------
    estimator : fitted model
    response_method : "auto", str or callable
    probe : Table
        A row or two to predict.
    y : object
        The target given to fit, whose names several outputs of a regressor take.

    Raises
    ------
    TypeError
        If `response_method` is neither a text nor callable.
    ValueError
        If the model lacks the method, or a classifier has several outputs.
    """
    method = _method_of(estimator, response_method)
    if method in _PROBABILITY_METHODS and _has_several_targets(estimator):
        raise ValueError(
            f"{model_name(estimator)} has several outputs with classes of their own. "
            "Choose one with response_method, such as lambda estimator, X: "
            "estimator.predict_proba(X)[0]."
        )
    trial = _call(estimator, method, probe)
    n_outputs, resolution = trial.shape[1], float(np.finfo(trial.dtype).eps)
    classes: Any = getattr(estimator, "classes_", None)
    listed = classes is None or isinstance(classes, list)
    labels = () if listed else tuple(str(label) for label in classes)
    if method in _PROBABILITY_METHODS and n_outputs == len(labels) == 2:
        return Response(estimator, method, True, labels[1:], resolution)
    if method != "predict" and len(labels) == n_outputs > 1:
        outputs = labels
    elif method == "decision_function" and len(labels) == 2 and n_outputs == 1:
        outputs = labels[1:]
    else:
        outputs = _target_names(y, n_outputs)
    return Response(estimator, method, False, outputs, resolution)


def _has_several_targets(estimator: Any) -> bool:
    """Whether a classifier predicts several targets."""
    estimator = _thawed(estimator)
    # Not by `steps`, which an explainer at the end of a pipeline has as well.
    while hasattr(estimator, "named_steps"):
        estimator = _thawed(estimator.steps[-1][1])
    return (
        isinstance(getattr(estimator, "classes_", None), list)
        or bool(getattr(estimator, "multilabel_", False))
        # A network's outputs are one softmax, or a logistic for each label.
        or (
            getattr(estimator, "n_outputs_", 1) > 1
            and getattr(estimator, "out_activation_", None) == "logistic"
        )
    )


def _method_of(estimator: Any, response_method: str | Callable) -> str | Callable:
    if callable(response_method):
        return response_method
    if not isinstance(response_method, str):
        raise TypeError(
            "response_method must be 'auto', a method's name or a callable "
            f"(estimator, X) -> array; got {response_method!r}."
        )
    if response_method == "auto":
        return _default_method(estimator)
    if not hasattr(estimator, response_method):
        raise ValueError(
            f"{model_name(estimator)} has no method {response_method!r}. Set "
            "response_method to one that it has, or to a callable (estimator, X) -> "
            "array."
        )
    return response_method


def _default_method(estimator: Any) -> str:
    """Probabilities of a classifier, predictions of any other model."""
    if _is_classifier(estimator):
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                f"{model_name(estimator)} is a classifier without predict_proba. Set "
                "response_method='decision_function', or a callable (estimator, X) -> "
                "array, to say what effects are differences of."
            )
        return "predict_proba"
    if not hasattr(estimator, "predict"):
        raise ValueError(
            f"{model_name(estimator)} has no predict. Set response_method to a method's "
            "name or to a callable (estimator, X) -> array."
        )
    return "predict"


def _is_classifier(estimator: Any) -> bool:
    try:
        return get_tags(estimator).estimator_type == "classifier"
    except (AttributeError, TypeError):
        return hasattr(estimator, "predict_proba") and hasattr(estimator, "classes_")


def _target_names(y: Any, n_outputs: int) -> tuple[str, ...]:
    columns = getattr(y, "columns", None)
    if n_outputs > 1 and columns is not None and len(columns) == n_outputs:
        return tuple(str(name) for name in columns)
    name = getattr(y, "name", None)
    if n_outputs == 1:
        return (name if isinstance(name, str) and name else "y",)
    return tuple(f"y{i}" for i in range(n_outputs))
