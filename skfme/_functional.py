"""One call for a fitted model: fme() and ame()."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator

from skfme._effects import ForwardEffect, ForwardEffects
from skfme._explainer import FMEExplainer

__all__ = ["ame", "fme"]


class GivenModel(FrozenEstimator):
    """A fitted model that is no scikit-learn estimator: a function, or any object
    with a predict method.
    """

    def fit(self, X: Any, y: Any = None, *args: Any, **kwargs: Any) -> GivenModel:
        """Do nothing: the model is given."""
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Call the model's predict, or the model itself."""
        model = self.estimator
        return model.predict(X) if hasattr(model, "predict") else model(X)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return super(FrozenEstimator, self).__sklearn_tags__()


def _frozen(model: Any) -> FrozenEstimator:
    if isinstance(model, FrozenEstimator):
        return model
    if hasattr(model, "fit") and hasattr(model, "__sklearn_tags__"):
        return FrozenEstimator(model)
    if hasattr(model, "predict") or callable(model):
        return GivenModel(model)
    raise TypeError(
        "model must be a fitted model with a predict method, or a function X -> "
        f"predictions; got {model!r}."
    )


def fme(
    model: Any,
    X: Any,
    steps: Any,
    *,
    background: Any = None,
    sample_weight: Any = None,
    **options: Any,
) -> ForwardEffect | ForwardEffects:
    """Forward marginal effects of a fitted model.

    Parameters
    ----------
    model : fitted estimator, any object with predict, or a function X -> predictions
        Used as it is, never fitted again.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows to explain.
    steps : mapping, list of mappings or str
        As in :class:`FMEExplainer`.
    background : array-like or dataframe, default=None
        Training rows, from which ranges, categories and SDs come; None takes X.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the averages. Without `background`, they also weight SDs and
        quantiles, and rows of weight 0 widen no range.
    **options
        The other parameters of :class:`FMEExplainer`.

    Returns
    -------
    effect : ForwardEffect or ForwardEffects
        ForwardEffect where `steps` is one mapping of feature -> change, else
        ForwardEffects.

    Raises
    ------
    ValueError, TypeError
        As in :class:`FMEExplainer`.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import fme
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> fme(LinearRegression().fit(X, y), X, {"bmi": -2})
    ForwardEffect('bmi -2', n=422, ame=-11.2059)
    """
    explainer = FMEExplainer(_frozen(model), steps=steps, **options)
    own = {"sample_weight": sample_weight} if background is None else {}
    explainer.fit(X if background is None else background, **own)
    effects = explainer.explain(X, sample_weight)
    single = isinstance(steps, Mapping) and not any(
        isinstance(value, Mapping) for value in steps.values()
    )
    return next(iter(effects.values())) if single else effects


def ame(
    model: Any,
    X: Any,
    steps: Any = None,
    *,
    background: Any = None,
    sample_weight: Any = None,
    **options: Any,
) -> ForwardEffects:
    """Average marginal effects of a fitted model, over every feature by default.

    Parameters
    ----------
    model, X, background, sample_weight, **options
        As in :func:`fme`.
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None, default=None
        None is one unit of each feature, and each category.

    Returns
    -------
    effects : ForwardEffects
        Print it for the table.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import ame
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> effects = ame(LinearRegression().fit(X, y), X)
    >>> round(effects["bmi +1"].ame, 3)
    5.603
    """
    steps = [steps] if isinstance(steps, Mapping) else steps
    effects = fme(
        model, X, steps, background=background, sample_weight=sample_weight, **options
    )
    assert isinstance(effects, ForwardEffects)
    return effects
