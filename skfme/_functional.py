"""One call: fme(), ame() and attribute() for a fitted model, came() for an effect.

What they compute is FMEExplainer's and EffectTree's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import TYPE_CHECKING, Any, overload

from skfme._attribution.step_attribution import StepAttribution
from skfme._frames.hints import refuse_unknown
from skfme._given_model import asked_of
from skfme._results.effect_tables import warn_of_empty
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.outputs import one_output

if TYPE_CHECKING:
    from skfme.statsmodels import EffectTree

__all__ = ["ame", "attribute", "came", "fme"]

# What other packages call the size of a tree.
_SIZES_MEANT = dict.fromkeys(
    ("number_partitions", "num_partitions", "n_regions", "max_leaf_nodes"),
    " The number of partitions is n_partitions=….",
)


class _Required:
    def __repr__(self) -> str:
        return "<required>"


_REQUIRED = _Required()  # steps that are not given: all features are what ame() is for
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
    steps: Any = _REQUIRED,
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
        The other parameters of :class:`FMEExplainer`. Results of statsmodels take
        `offset` and `exposure` as well, a column of X or one entry per row, as they were
        fitted with; needed where X are not the rows of the fit. For them
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
    if steps is _REQUIRED:
        raise TypeError(
            "fme() needs steps, such as {'bmi': -2}. ame(model, X) has the average effects of "
            "all features by one unit each."
        )
    asked = asked_of(model, X, steps, background, sample_weight, options)
    effects = asked.explainer._explain(asked.X, asked.sample_weight)
    if asked.unused is not None:
        effects = effects._without(asked.unused, asked.note)
    warn_of_empty(effects, alone=background is None and len(effects.context.table) == 1)
    words = asked.words(response_label)
    if words is not None:
        effects = effects._with_response_label(words)
    single = isinstance(steps, Mapping) and not any(
        isinstance(value, Mapping) for value in steps.values()
    )
    return next(iter(effects.values())) if single else effects


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
        Orders to sample where exact values would take more predictions; an odd number is
        taken as one more.
    random_state : int, RandomState instance or None, default=None
        For sampled orders.
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
    asked = asked_of(model, X, step, background, sample_weight, options)
    explainer = asked.explainer
    joint, question = explainer._asked(
        None, method, order, interactions, n_permutations, random_state
    )
    table = explainer._table(asked.X)
    attribution = explainer._attribution(
        table, joint, question, asked.sample_weight, asked.unused
    )
    if asked.unused is not None:
        attribution = attribution._noting(asked.note)
    warn_of_empty({attribution.name: attribution.total})
    words = asked.words(response_label)
    return attribution if words is None else attribution._with_response_label(words)


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
    known = list(signature(EffectTree).parameters)
    refuse_unknown(options, known, _SIZES_MEANT, "EffectTree")
    tree = EffectTree(n_partitions=n_partitions, max_sd=max_sd, **options)
    nlm = None if nlm is None else nlm[:, column]
    tree.fit(effect.X, fme, effect.sample_weight, nlm=nlm, groups=groups)
    tree._comparison = effect.comparison
    tree._about = (effect.name, effect.context.joint)
    return tree
