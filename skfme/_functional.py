"""One call: fme(), ame() and attribute() for a fitted model, came() for an effect.

What they compute is FMEExplainer's and EffectTree's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

from sklearn.frozen import FrozenEstimator

from skfme._attribution.step_attribution import StepAttribution
from skfme._engine.adapters import design_names, reads_data, refuse_without_tables
from skfme._explainer.explainer import FMEExplainer
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.outputs import one_output

if TYPE_CHECKING:
    from skfme.statsmodels import EffectTree

__all__ = ["ame", "attribute", "came", "fme"]


class GivenModel(FrozenEstimator):
    """A fitted model that is no scikit-learn estimator: a function, or any object
    with a predict method.
    """

    def fit(self, X: Any, y: Any = None, *args: Any, **kwargs: Any) -> GivenModel:
        """Do nothing: the model is given."""
        return self

    def predict(self, X: Any) -> Any:
        """Call the model's predict, or the model itself."""
        model = self.estimator
        if reads_data(model):
            return model.predict(data=X)
        return model.predict(X) if hasattr(model, "predict") else model(X)

    @property
    def feature_names_in_(self) -> Any:
        """The columns that the model says it was fitted on."""
        names = design_names(self.estimator)
        return self.estimator.feature_names_in_ if names is None else names

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
    # Another method than predict may be what is explained.
    if hasattr(model, "predict") or callable(model) or response_method != "auto":
        return GivenModel(model)
    refuse_without_tables(model)
    raise TypeError(
        "model must be a fitted model with a predict method, or a function X -> "
        f"predictions; got {model!r:.80}. Of a model with other methods, name one: "
        "response_method='predict_median', for example."
    )


def _defaults(model: FrozenEstimator) -> dict[str, Any]:
    """Options of a parametric model: all rows count, as in `delta_effects`."""
    return {"extrapolation": None} if hasattr(model, "columns_read") else {}


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
    steps: Any,
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
        results of statsmodels find their columns by name, and explain each class of a
        multinomial or ordered model. Of a model without predict, `response_method` names
        the method.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows to explain.
    steps : mapping, list of mappings or str
        As in :class:`FMEExplainer`.
    background : array-like or dataframe, default=None
        Training rows, from which ranges, categories and SDs come; None takes X.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the averages. Without `background`, they also weight SDs and
        quantiles, and rows of weight 0 widen no range.
    response_label : str, default=None
        What the model predicts, such as ``"disease progression"``, for summaries and
        pictures; a model has no name of its target.
    **options
        The other parameters of :class:`FMEExplainer`. For results of statsmodels
        `extrapolation` is None unless given, as in
        :func:`skfme.statsmodels.delta_effects`: the same rows count in both.

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
    explainer = _explainer(model, X, steps, background, sample_weight, options)
    effects = explainer.explain(X, sample_weight)
    if response_label is not None:
        effects = effects._with_response_label(response_label)
    single = isinstance(steps, Mapping) and not any(
        isinstance(value, Mapping) for value in steps.values()
    )
    return next(iter(effects.values())) if single else effects


def _explainer(
    model: Any,
    X: Any,
    steps: Any,
    background: Any,
    sample_weight: Any,
    options: Mapping[str, Any],
) -> FMEExplainer:
    """An explainer of a fitted model, which has learned the columns of its rows."""
    model = _frozen(model, options.get("response_method", "auto"))
    explainer = FMEExplainer(model, steps=steps, **{**_defaults(model), **options})
    if background is None:
        return explainer.fit(X, sample_weight=sample_weight)
    return explainer.fit(background)


def attribute(
    model: Any,
    X: Any,
    step: Mapping[Any, Any],
    *,
    method: str = "shapley",
    order: Sequence[Any] | None = None,
    interactions: bool | str = False,
    n_permutations: int | None = None,
    random_state: Any = None,
    background: Any = None,
    sample_weight: Any = None,
    response_label: str | None = None,
    **options: Any,
) -> StepAttribution:
    """The effect of a joint step, split among the features that it changes.

    Parameters
    ----------
    model : fitted estimator, any object with predict, or a function X -> predictions
        Used as it is, never fitted again.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows to explain.
    step : mapping of feature -> change
        Of two features or more, such as ``{"bmi": -2, "bp": -10}``.
    method : {"shapley", "path", "sequential"}, default="shapley"
        How interplay is shared; this and what follows as in
        :meth:`FMEExplainer.attribute`.
    order : sequence of features or None, default=None
        For "sequential".
    interactions : bool or "rows", default=False
        Whether to find the interaction of every two features.
    n_permutations : int or None, default=None
        Orders to sample where exact values would take more predictions.
    random_state : int, RandomState instance or None, default=None
        For sampled orders.
    background : array-like or dataframe, default=None
        Training rows, as in :func:`fme`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the averages, as in :func:`fme`.
    response_label : str, default=None
        What the model predicts, in words, as in :func:`fme`.
    **options
        The other parameters of :class:`FMEExplainer`.

    Returns
    -------
    attribution : StepAttribution
        Print ``attribution.summary()`` for the table.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import attribute
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> forest = RandomForestRegressor(min_samples_leaf=5, random_state=0).fit(X, y)
    >>> parts = attribute(forest, X, {"bmi": -2, "bp": -10})
    >>> list(parts)
    ['bmi', 'bp']
    """
    explainer = _explainer(model, X, step, background, sample_weight, options)
    attribution = explainer.attribute(
        X,
        method=method,
        order=order,
        interactions=interactions,
        n_permutations=n_permutations,
        random_state=random_state,
        sample_weight=sample_weight,
    )
    if response_label is None:
        return attribution
    return attribution._with_response_label(response_label)


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
        None is one unit of each feature, and each category.
    background : array-like or dataframe, default=None
        Training rows, as in :func:`fme`.
    sample_weight : array-like of shape (n_samples,), default=None
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
    **options: Any,
) -> EffectTree:
    """Conditional average marginal effects: where an effect differs, found by a tree.

    Parameters
    ----------
    effect : ForwardEffect
        Rows that do not count are left out; its weights are used.
    n_partitions : int >= 2, "auto" or None, default=None
        Number of partitions; None lets the tests decide.
    max_sd : float, default=None
        Instead: the fewest partitions that all have an SD below it.
    output : str, default=None
        Which output to partition, where the effect has several.
    groups : array-like of shape (n_samples,), default=None
        Rows kept together by ``honest=True`` and ``n_partitions="auto"``.
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
    fme, nlm = effect.fme_2d[:, column], effect.nlm_2d
    options.setdefault("categorical_features", list(effect.categorical_features))
    options.setdefault("weights_type", effect.weights_type)
    tree = EffectTree(n_partitions=n_partitions, max_sd=max_sd, **options)
    nlm = None if nlm is None else nlm[:, column]
    return tree.fit(effect.X, fme, effect.sample_weight, nlm=nlm, groups=groups)
