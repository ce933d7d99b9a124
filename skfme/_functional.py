"""One call: fme() and ame() for a fitted model, came() for an effect.

What they compute is FMEExplainer's and EffectTree's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from sklearn.frozen import FrozenEstimator

from skfme._decorators import VersionedPickle
from skfme._engine.adapters import refuse_without_tables
from skfme._explainer.coefficients import is_by_position, predicted_by_name
from skfme._explainer.explainer import FMEExplainer
from skfme._explainer.fitting import without_weights
from skfme._frames.checks import checked_weights, weights_named
from skfme._frames.hints import shown
from skfme._frames.tables import as_table
from skfme._results.effect_tables import warn_of_empty
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.labels import response_words
from skfme._text.outputs import one_output

if TYPE_CHECKING:
    from skfme.statsmodels import EffectTree

__all__ = ["ame", "came", "fme"]


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
        return model.predict(X) if hasattr(model, "predict") else model(X)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def __sklearn_tags__(self) -> Any:
        return super(FrozenEstimator, self).__sklearn_tags__()


def _frozen(model: Any, response_method: Any) -> FrozenEstimator:
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


_ALL_FEATURES = object()  # no steps were given, which is what ame() is for
NamedChanges = Mapping[str, Mapping[Any, Any]]  # effects under names of one's own
Changes = Mapping[Any, Any]  # feature -> change: one effect


# Of two mappings the first that fits is meant, as in parse_steps.
@overload
def fme(
    model: Any,
    X: Any,
    steps: NamedChanges,
    *,
    background: Any = None,
    sample_weight: Any = None,
    **options: Any,
) -> ForwardEffects: ...


@overload
def fme(
    model: Any,
    X: Any,
    steps: Changes,
    *,
    background: Any = None,
    sample_weight: Any = None,
    **options: Any,
) -> ForwardEffect: ...


@overload
def fme(
    model: Any,
    X: Any,
    steps: Sequence[Changes] | str | None,
    *,
    background: Any = None,
    sample_weight: Any = None,
    **options: Any,
) -> ForwardEffects: ...


def fme(
    model: Any,
    X: Any,
    steps: Any = _ALL_FEATURES,
    *,
    background: Any = None,
    sample_weight: Any = None,
    response_label: str | None = None,
    **options: Any,
) -> ForwardEffect | ForwardEffects:
    """Forward marginal effects of a fitted model.

    Parameters
    ----------
    model : fitted estimator, statsmodels results, object with predict, or function
        Used as it is, never fitted again. A function takes X and returns predictions;
        results of statsmodels find their columns by name, take those that the formula
        has by ``C(…)`` only for categories, and explain each class of a multinomial or
        ordered model. Of a model without predict, `response_method` names the method.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows to explain.
    steps : mapping, list of mappings or str
        As in :class:`FMEExplainer`.
    background : array-like or dataframe, default=None
        Training rows, from which ranges, categories and SDs come; None takes X.
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of the averages. Without `background`, they also weight SDs and
        quantiles, and rows of weight 0 widen no range.
    response_label : str, default=None
        What the model predicts, such as ``"disease progression"``, for summaries and
        pictures. Results of statsmodels know the name of their outcome; of a text or
        boolean one, binomial models predict the probability of the first level.
    **options
        The other parameters of :class:`FMEExplainer`. For results of statsmodels
        `extrapolation` is None unless given, as in
        :func:`skfme.statsmodels.delta_effects`, and rows that the fit was given and did
        not use have the status "missing": the same rows count in both.

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
    if steps is _ALL_FEATURES:
        raise TypeError(
            "fme() needs steps, such as {'bmi': -2}. ame(model, X) has the average effects of "
            "all features by one unit each."
        )
    model = _frozen(model, options.get("response_method", "auto"))
    explainer = FMEExplainer(model, steps=steps, **(_defaults(model) | options))
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
    effects = explainer._explain(X, sample_weight)
    alone = background is None and len(effects.context.table) == 1
    if unused is not None:
        from skfme.statsmodels._models.estimation_sample import unused_note

        effects = effects._without(unused, unused_note(unused))
    warn_of_empty(effects, alone=alone)
    words = response_words(response_label, getattr(model, "response_label_", None))
    if words is not None:
        effects = effects._with_response_label(words)
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
    response_label: str | None = None,
    **options: Any,
) -> ForwardEffects:
    """Average marginal effects of a fitted model, over every feature by default.

    Parameters
    ----------
    model : fitted estimator, any object with predict, or a function X -> predictions
        Used as it is, never fitted again.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows to explain.
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None, default=None
        None is one unit of each feature, each category, and low -> high of two values.
    background : array-like or dataframe, default=None
        Training rows, as in :func:`fme`.
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of the averages, as in :func:`fme`.
    response_label : str, default=None
        What the model predicts, in words, as in :func:`fme`.
    **options
        The other parameters of :class:`FMEExplainer`.

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
        model,
        X,
        steps,
        background=background,
        sample_weight=sample_weight,
        response_label=response_label,
        **options,
    )
    assert isinstance(effects, ForwardEffects)
    return effects


def came(
    effect: ForwardEffect,
    n_partitions: int | str | None = None,
    *,
    max_sd: float | None = None,
    output: str | None = None,
    groups: Any = None,
    features: Sequence[Any] | None = None,
    drop: Sequence[Any] | None = None,
    **options: Any,
) -> EffectTree:
    """Conditional average marginal effects: where an effect differs, found by a tree.

    Parameters
    ----------
    effect : ForwardEffect
        Rows that do not count are left out; its weights are used.
    n_partitions : int >= 2, "auto" or None, default=None
        Number of partitions; None lets the tests decide, "auto" cross-validates it and
        stops at ``max_partitions=8``.
    max_sd : float, default=None
        Instead: the fewest partitions that all have an SD below it.
    output : str, default=None
        Which output to partition, where the effect has several.
    groups : column of X, or array-like of shape (n_samples,), default=None
        Rows kept together by ``honest=True`` and ``n_partitions="auto"``.
    features : list of columns, default=None
        The columns that the tree may split; None takes all but `drop`.
    drop : list of columns, default=None
        Instead: the columns that it may not, such as ids.
    **options
        The other parameters of :class:`skfme.statsmodels.EffectTree`.

    Returns
    -------
    tree : EffectTree
        Fitted; print ``tree.export_text()``, or see ``tree.partitions_``.

    Raises
    ------
    ValueError
        If the size is out of reach, or the effect has several outputs and `output`
        names none of them.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import came, fme
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> forest = RandomForestRegressor(min_samples_leaf=5, random_state=0).fit(X, y)
    >>> tree = came(fme(forest, X, {"bmi": -2}), n_partitions=2)
    >>> tree.n_partitions_
    2
    """
    # Here, so that importing skfme stays light.
    from skfme.statsmodels import EffectTree

    if not isinstance(effect, ForwardEffect):
        raise TypeError(
            f"came takes one ForwardEffect, got {type(effect).__name__}. Pick one, such as "
            "effects['bmi -2']."
        )
    column = one_output(effect.outputs, output, "a tree")
    effect.refuse_of_means("a tree")
    fme, nlm = effect.fme_2d[:, column], effect.nlm_2d
    options.setdefault("categorical_features", list(effect.categorical_features))
    options.setdefault("weights_type", effect.weights_type)
    options |= {"features": features, "drop": drop}
    tree = EffectTree(n_partitions=n_partitions, max_sd=max_sd, **options)
    nlm = None if nlm is None else nlm[:, column]
    return tree.fit(effect.X, fme, effect.sample_weight, nlm=nlm, groups=groups)
