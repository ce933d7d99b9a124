"""A model that is given fitted: what stands for it, and an explainer of it.

A function, a fitted estimator, or results of statsmodels: each is used as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from skfme._decorators import VersionedPickle
from skfme._engine.adapters import refuse_without_tables
from skfme._explainer.coefficients import (
    is_by_position,
    options_of_predict,
    predicted_by_name,
)
from skfme._explainer.explainer import FMEExplainer
from skfme._explainer.fitting import without_weights
from skfme._frames.checks import checked_weights, weights_named
from skfme._frames.hints import refuse_unknown, shown
from skfme._frames.tables import as_table
from skfme._text.labels import response_words

__all__ = ["Asked", "GivenModel", "asked_of"]

# What other packages ask for in the same call.
_BY = (
    " Averages by group are effect.average(by=…), and with standard errors "
    "skfme.statsmodels.average_effects(effect, by=…)."
)
_ERRORS = (
    " Standard errors are those of skfme.statsmodels.average_effects(effect, cov_type=…), "
    "and of a fit's parameters of delta_effects(results, data, steps)."
)
_MEANT = {
    "by": _BY,
    "groups": _BY,
    "cov_type": _ERRORS,
    "cov": _ERRORS,
    "vcov": _ERRORS,
}
_MEANT["newdata"] = " The rows to explain are X; see skfme.profiles for chosen values."
_MEANT["ep_method"] = (
    " Extrapolation points are left out by extrapolation='envelope'; None counts all rows."
)
_MEANT |= dict.fromkeys(("weights", "wts"), " Weights of rows are sample_weight=….")
_MEANT["variables"] = " What is changed is steps, such as {'bmi': -2}."


class GivenModel(VersionedPickle, FrozenEstimator):
    """A fitted model that is no scikit-learn estimator: a function, or any object
    with a predict method.
    """

    def fit(self, X: Any, y: Any = None, *args: Any, **kwargs: Any) -> GivenModel:
        """Do nothing: the model is given."""
        return self

    def predict(self, X: Any) -> Any:
        """Call the model's predict, or the model itself."""
        model = self.estimator
        if is_by_position(model):
            return predicted_by_name(model, X)
        if not hasattr(model, "predict"):
            return model(X)
        if _takes_params(model):
            return model.predict(model.params, X)
        return model.predict(X, **options_of_predict(model))

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return super(FrozenEstimator, self).__sklearn_tags__()


def _takes_params(model: Any) -> bool:
    """Whether predict takes parameters and rows: skfme.statsmodels.ParametricModel."""
    if not all(hasattr(model, name) for name in ("params", "cov_params")):
        return False
    try:
        taken = signature(model.predict).parameters.values()
    except (TypeError, ValueError):
        return False
    by_place = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in taken if p.kind in by_place and p.default is Parameter.empty]
    return len(needed) == 2


def frozen(model: Any, response_method: Any) -> FrozenEstimator:
    if isinstance(model, FrozenEstimator):
        return model
    if hasattr(model, "fit") and hasattr(model, "__sklearn_tags__"):
        return FrozenEstimator(model)
    if hasattr(model, "model") and hasattr(model, "params"):
        from skfme.statsmodels._models.fitted import is_results, other_predict
        from skfme.statsmodels._models.given_results import GivenResults

        if is_results(model) and other_predict(model) is None:
            return FrozenEstimator(GivenResults(model).fit())
    if hasattr(model, "fit") and hasattr(model, "exog_names"):
        raise TypeError(
            f"The {type(model).__name__} model is not fitted. Pass what its fit() returns."
        )
    # Another method than predict may be what is explained.
    if hasattr(model, "predict") or callable(model) or response_method != "auto":
        return GivenModel(model)
    refuse_without_tables(model)
    raise TypeError(
        "model must be a fitted model with a predict method, or a function X -> "
        f"predictions; got {shown(model)}. The order is fme(model, X, steps). Of a model "
        "with other methods, name one: response_method='predict_median', for example."
    )


def _with_offset(
    model: Any, X: Any, background: Any, options: dict[str, Any]
) -> tuple[Any, Any, str | None]:
    """Results with their offset, and rows that hold it.

    Returns
    -------
    model : object
        An estimator of results that were fitted with an offset; else as it is.
    X : dataframe or array
        With a column more where the offset is one entry for each row.
    beside : str or None
        The name of that column.
    """
    given = {kind: options.pop(kind, None) for kind in ("offset", "exposure")}
    asked = any(value is not None for value in given.values())
    of_results = hasattr(model, "model") and hasattr(model, "params")
    if of_results:
        from skfme.statsmodels._models.fitted import is_results, other_predict
        from skfme.statsmodels._models.given_results import with_offset

        if is_results(model) and other_predict(model) is None:
            return with_offset(model, X, background, **given)
    if asked:
        raise TypeError(
            "offset and exposure are for results of statsmodels; of other models, explain a "
            "function that predicts with them, such as lambda X: model.predict(X, "
            "offset=X['a column'])."
        )
    return model, X, None


def _defaults(model: FrozenEstimator) -> dict[str, Any]:
    """Options of a parametric model: all rows count, as in `delta_effects`."""
    return {"extrapolation": None} if hasattr(model, "columns_read") else {}


def _rows_not_used(model: FrozenEstimator, X: Any) -> np.ndarray | None:
    """Rows of X that a given fit left out, as a mask; None where there are none."""
    of_model = getattr(model, "rows_not_used", None)
    return None if of_model is None else of_model(as_table(X))


def _used(X: Any, sample_weight: Any, unused: np.ndarray | None) -> tuple[Any, Any]:
    """The rows that a given fit did not leave out, and their weights."""
    if unused is None:
        return X, sample_weight
    table, rows = as_table(X), np.flatnonzero(~unused)
    return table.take(rows).native, checked_weights(sample_weight, table).take(
        rows
    ).array


@dataclass(frozen=True)
class Asked:
    """A fitted explainer of a given model, and the rows that it is asked about.

    `unused` masks rows that the model's own fit left out; None where there are none.
    """

    explainer: FMEExplainer
    X: Any
    sample_weight: Any
    unused: np.ndarray | None

    @property
    def note(self) -> str:
        """Why rows that the fit did not use do not count."""
        from skfme.statsmodels._models.estimation_sample import unused_note

        return "" if self.unused is None else unused_note(self.unused)

    def words(self, response_label: str | None) -> str | None:
        """The user's words for what is predicted, else the model's own."""
        own = getattr(self.explainer.estimator, "response_label_", None)
        return response_words(response_label, own)


def asked_of(
    model: Any,
    X: Any,
    steps: Any,
    background: Any,
    sample_weight: Any,
    options: dict[str, Any],
) -> Asked:
    """An explainer of a fitted model, which has learned the columns of its rows."""
    model, X, beside = _with_offset(model, X, background, options)
    known = [name for name in signature(FMEExplainer).parameters if name != "estimator"]
    refuse_unknown(options, known, _MEANT, "FMEExplainer")
    model = frozen(model, options.get("response_method", "auto"))
    explainer = FMEExplainer(model, steps=steps, **(_defaults(model) | options))
    explainer._keeps_training = False
    if isinstance(sample_weight, str):
        name, sample_weight = sample_weight, weights_named(sample_weight, as_table(X))
        X = without_weights(model, X, name)
        if background is not None:
            background = without_weights(model, background, name)
    unused = _rows_not_used(model, X)
    if background is not None:
        explainer.fit(background)
    else:
        training, weights = _used(X, sample_weight, unused)
        explainer.fit(training, sample_weight=weights)
    if beside is not None and (steps is None or isinstance(steps, str)):
        place = explainer._table(X).position(beside)
        explainer.steps_ = tuple(
            step
            for step in explainer.steps_
            if all(change.position != place for change in step.changes)
        )
    return Asked(explainer, X, sample_weight, unused)
