"""Response functions: (model, table) → array of shape (n_samples, n_outputs).

The one place that calls a model. Effects are differences of what is returned here,
so that a back-transformation inside the model (TransformedTargetRegressor, a link)
has been made before anything is subtracted.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skfme._engine.adapters import refuse_without_tables
from skfme._engine.claims import broken_claim
from skfme._engine.halving import predict_in_halves
from skfme._frames.checks import PredictionError
from skfme._frames.columns import in_order_of
from skfme._frames.contents import lacking
from skfme._frames.given import array_of
from skfme._frames.hints import shown
from skfme._frames.tables import Table

__all__ = ["Response", "choose_response", "model_name", "model_title", "unfrozen"]

_LARGEST = 1e150  # of a prediction: the squares of 10⁸ rows add up
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
    ignores_labels : bool
        Whether rows may come under other labels than their own.
    complete_only : bool
        Whether a row with a missing value has no prediction, and does not count.
    divisible : bool
        Whether a batch may be predicted in parts, as no row depends on another.
    """

    estimator: Any
    method: str | Callable
    positive_only: bool
    outputs: tuple[str, ...]
    resolution: float = float(np.finfo(np.float64).eps)
    ignores_labels: bool = False
    complete_only: bool = False
    divisible: bool = False

    @property
    def name(self) -> str:
        """The method's name, as a summary shows it."""
        if isinstance(self.method, str):
            return self.method
        return getattr(self.method, "__name__", type(self.method).__name__)

    def needs_labels(self, table: Table) -> bool:
        """Whether a table's rows must come under their own labels, each of them once."""
        return table.pandas_like and not self.ignores_labels

    def __call__(self, table: Table) -> np.ndarray:
        """Predictions of shape (n_samples, n_outputs), finite and float64.

        Raises
        ------
        ValueError
            If they are not numbers, not finite or beyond :data:`_LARGEST`, or not one row
            per row of X.
        """
        values = self.unchecked(table)
        finite = (np.abs(values) <= _LARGEST).all(axis=1)  # not so NaN
        if not finite.all():
            raise self._not_finite(table, values, ~finite)
        return values

    def _not_finite(
        self, table: Table, values: np.ndarray, bad: np.ndarray
    ) -> ValueError:
        """What a model's NaN and infinities come from.

        The table may hold rows several times, before their steps and after them.
        """
        if np.isinf(values).any():
            fault = "infinite values"
            advice = "It overflows there, or takes log(0): take a smaller step. "
        elif np.isnan(values).any():
            fault, advice = "NaN", ""
        else:
            fault = f"values beyond {_LARGEST:.0e}"
            advice = "Their squares overflow: predict in a larger unit. "
        text = (
            f"{self.name} returned {fault} in {np.count_nonzero(bad):,} of "
            f"{len(values):,} predictions (of rows before or after a step). An effect "
            "needs finite predictions. "
        )
        columns = lacking(table, bad) if fault == "NaN" else []
        if columns:
            columns_text = ", ".join(columns)
            return ValueError(
                f"{text}Each of these rows lacks a value of {columns_text}."
            )
        advice += "Choose another response_method, or leave these rows out."
        return PredictionError(text + advice)

    def unchecked(self, table: Table) -> np.ndarray:
        """The same, finite or not."""
        if self.divisible:
            return predict_in_halves(self._at_once, table, self.name)
        try:
            return self._at_once(table)
        except MemoryError as error:
            raise MemoryError(
                f"{self.name} ran out of memory on {len(table):,} rows at once. They are "
                "not asked for in halves, as a prediction may depend on the rows beside "
                "it. Free memory, or give fewer rows."
            ) from error

    def _at_once(self, table: Table) -> np.ndarray:
        # A copy, as a model may return a view of the table it was given.
        values = np.array(_call(self.estimator, self.method, table), dtype=np.float64)
        if values.shape[1] == 2 and self.positive_only:
            values = values[:, 1:]
        if values.shape[1] != len(self.outputs):
            raise ValueError(
                f"{self.name} returned {values.shape[1]} outputs, expected "
                f"{len(self.outputs)} as in fit."
            )
        return values


def unfrozen(estimator: Any) -> Any:
    """The model inside any FrozenEstimator around it."""
    while isinstance(estimator, FrozenEstimator):
        estimator = estimator.estimator
    return estimator


def model_name(estimator: Any) -> str:
    """The model's own name, past any FrozenEstimator around it."""
    estimator = unfrozen(estimator)
    return getattr(estimator, "__name__", None) or type(estimator).__name__


def model_title(estimator: Any) -> str:
    """The model's name, and that of a pipeline's last step."""
    name, estimator = model_name(estimator), unfrozen(estimator)
    if hasattr(estimator, "named_steps"):
        return f"{name} ending in {model_title(estimator.steps[-1][1])}"
    return name


def _call(estimator: Any, method: str | Callable, table: Table) -> np.ndarray:
    """What the model returns, two-dimensional and in its own precision."""
    n_rows, X = len(table), table.private()
    if isinstance(method, str):
        name, predict = method, getattr(estimator, method)
    else:
        name = getattr(method, "__name__", "response")
        predict = partial(method, estimator)
    try:
        raw = predict(X)
    except NotImplementedError as error:
        raise TypeError(
            f"{model_name(estimator)} does not implement {name} for rows that are given to "
            "it, so that no effect can be formed. Set response_method to a callable "
            "(estimator, X) -> array that computes what it predicts."
            + f" It said: {error}"
            * bool(str(error))
        ) from error
    if _is_list_of_outputs(raw):
        call = "predict_proba" if callable(method) else method
        raise ValueError(
            f"{name} returned one array for each of {len(raw)} outputs. Choose one with "
            f"response_method=lambda estimator, X: estimator.{call}(X)"
            f"{_first_output(raw)}."
        )
    if isinstance(getattr(raw, "index", None), pd.Index):
        raw = in_order_of(table.index, raw, name)
    values = _numbers(raw, name)
    if values.ndim == 0 and n_rows == 1:  # a model that squeezes its output
        values = values.reshape(1)
    values = values.reshape(-1, 1) if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n_rows:
        raise ValueError(
            f"{name} returned an array of shape {np.shape(raw)} for {n_rows} rows; "
            "expected (n_samples,) or (n_samples, n_outputs)."
        )
    return values


def _is_list_of_outputs(raw: Any) -> bool:
    return isinstance(raw, list) and bool(raw) and np.ndim(raw[0]) == 2


def _first_output(raw: Any) -> str:
    """What picks the last class of the first output from probabilities of several."""
    if not _is_list_of_outputs(raw):
        return "[:, 0]"  # of each label, the probability that it holds
    return "[0][:, 1]" if np.shape(raw[0])[1] == 2 else "[0]"


class LabelsError(ValueError):
    """Predictions are labels, which have no differences."""


def _numbers(raw: Any, name: str) -> np.ndarray:
    if isinstance(raw, np.ma.MaskedArray):
        raw = np.ma.filled(raw.astype(np.result_type(raw.dtype, np.float32)), np.nan)
    values = array_of(raw, f"What {name} returned")
    categories = isinstance(getattr(raw, "dtype", None), pd.CategoricalDtype)
    if values.dtype.kind == "f" and not categories:
        return values
    if values.dtype.kind in "iuO" and not categories and _are_real(values):
        return values.astype(np.float64)
    entry = shown(next(iter(values.flat), None))
    raise LabelsError(
        f"{name} did not return numbers but values such as {entry}, so that no difference "
        "can be formed. Set response_method to 'predict_proba', 'decision_function' or a "
        "callable (estimator, X) -> array of numbers."
    )


def _are_real(values: np.ndarray) -> bool:
    """Whether entries are real numbers or missing; True and False are labels."""
    return values.dtype.kind != "O" or all(
        value is None
        or (isinstance(value, Real | Decimal) and not isinstance(value, bool))
        for value in values.flat
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
        A few rows, of which the first is predicted; all, where one alone is refused.
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
        raw = getattr(estimator, method)(probe.take(slice(0, 1)).private())
        raise ValueError(
            f"{model_name(estimator)} has several outputs with classes of their own. "
            "Choose one with response_method, such as lambda estimator, X: "
            f"estimator.{method}(X){_first_output(raw)}."
        )
    try:
        trial = _trial(estimator, method, probe)
    except LabelsError:
        if response_method != "auto" or not hasattr(estimator, "predict_proba"):
            raise
        # A classifier of another convention, which has probabilities.
        method = "predict_proba"
        trial = _trial(estimator, method, probe)
    n_outputs, resolution = trial.shape[1], float(np.finfo(trial.dtype).eps)
    classes: Any = getattr(estimator, "classes_", None)
    unnamed = classes is None or _are_of_several_targets(classes)
    labels = () if unnamed else tuple(str(label) for label in classes)
    if method in _PROBABILITY_METHODS and n_outputs == len(labels) == 2:
        return Response(estimator, method, True, labels[1:], resolution)
    if method != "predict" and len(labels) == n_outputs > 1:
        outputs = labels
    elif method == "decision_function" and len(labels) == 2 and n_outputs == 1:
        outputs = labels[1:]
    else:
        outputs = _target_names(estimator, y, trial, method)
    return Response(estimator, method, False, outputs, resolution)


def _trial(estimator: Any, method: str | Callable, probe: Table) -> np.ndarray:
    try:
        return _call(estimator, method, probe.take(slice(0, 1)))
    except LabelsError:
        raise
    except Exception as error:
        if isinstance(error, ValueError | TypeError | IndexError):
            # Perhaps one row alone is refused.
            with suppress(ValueError, TypeError, IndexError):
                return _call(estimator, method, probe)
        claim = broken_claim(unfrozen(estimator), probe, error)
        if claim is None:
            raise
        raise claim from error


def _last_model(estimator: Any) -> Any:
    """The model at the end of pipelines and searches."""
    while True:
        estimator = unfrozen(estimator)
        # Not by `steps`, which an explainer at the end of a pipeline has as well.
        if hasattr(estimator, "named_steps"):
            estimator = estimator.steps[-1][1]
        elif hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        else:
            return estimator


def _are_of_several_targets(classes: Any) -> bool:
    """Whether classes are a list for each target, and no list of labels."""
    return isinstance(classes, list) and any(np.ndim(entry) == 1 for entry in classes)


def _has_several_targets(estimator: Any) -> bool:
    """Whether a classifier predicts several targets."""
    estimator = _last_model(estimator)
    return (
        _are_of_several_targets(getattr(estimator, "classes_", None))
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
            f"(estimator, X) -> array; got {shown(response_method)}."
        )
    if response_method == "auto":
        return _default_method(estimator)
    if not hasattr(estimator, response_method):
        raise ValueError(
            f"{model_name(estimator)} has no method {shown(response_method)}. Set "
            "response_method to one that it has, or to a callable (estimator, X) -> "
            "array."
        )
    return response_method


def _default_method(estimator: Any) -> str:
    """Probabilities of a classifier, predictions of any other model."""
    refuse_without_tables(unfrozen(estimator))
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
    """Whether it says so, or, where it says nothing, has probabilities of classes."""
    try:
        kind = get_tags(estimator).estimator_type
    except (AttributeError, TypeError):
        kind = None
    if kind is not None:
        return bool(kind == "classifier")
    classes = getattr(estimator, "classes_", None)
    return hasattr(estimator, "predict_proba") and classes is not None


def _target_names(
    estimator: Any, y: Any, trial: np.ndarray, method: str | Callable
) -> tuple[str, ...]:
    """Names of the targets: the model's own, else those of y, else numbers."""
    n_outputs = trial.shape[1]
    names = getattr(_last_model(estimator), "target_names_", ())
    if len(names) == n_outputs:
        return tuple(names)
    # What a function returns may be one target's classes.
    are_classes = callable(method) and np.allclose(trial.sum(axis=1), 1)
    names = _names_of(y)
    if len(names) == n_outputs and not (n_outputs > 1 and are_classes):
        return names
    return ("y",) if n_outputs == 1 else tuple(f"y{i}" for i in range(n_outputs))


def _names_of(y: Any) -> tuple[str, ...]:
    """Names of the columns of a target, of any table library."""
    names = getattr(y, "column_names", getattr(y, "columns", None))
    if names is None:
        names = [getattr(y, "name", None)]
    if len(names) == 1:  # a number is pandas' own
        names = [name for name in names if isinstance(name, str) and name]
    return tuple(map(str, names))
