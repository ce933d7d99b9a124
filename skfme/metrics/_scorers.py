"""Scorers of a fitted model's effects: scorer(estimator, X, y) → float.

They follow scikit-learn's protocol, so that searches and cross-validation take them
alone or beside scores of accuracy. The target is not used. Scores of effects that are at
hand live beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils.metadata_routing import _MetadataRequester, _routing_enabled

from skfme._functional import ame
from skfme._results.effects import ForwardEffects
from skfme._summaries.weighted import weighted_mean
from skfme._text.outputs import one_output
from skfme._text.reasons import no_row_counts, what_to_write
from skfme.steps._steps import IQR, Add, StdDev

__all__ = ["make_anlm_scorer", "make_monotonicity_scorer"]

STATISTICS = ("mean", "median", "share_linear")

# Effects this much smaller than the largest are rounding, not a direction.
_ROUNDING = 1e-9


class _EffectScorer(_MetadataRequester):
    """A score of the effects of a fitted model on the rows it is scored on.

    Parameters
    ----------
    score : callable
        ForwardEffects -> float.
    steps : object
    options : dict
        Those of :func:`~skfme.fme`.
    maker : str
        The call that made the scorer, which it shows itself as.
    """

    def __init__(
        self,
        score: Callable[[ForwardEffects], float],
        steps: Any,
        options: dict[str, Any],
        maker: str,
    ) -> None:
        self._score = score
        self._steps = steps
        self._options = options
        self._maker = maker

    def __repr__(self) -> str:
        return self._maker

    def __call__(
        self, estimator: Any, X: Any, y: Any = None, *, sample_weight: Any = None
    ) -> float:
        """Score a fitted model.

        Parameters
        ----------
        estimator : fitted model
            A pipeline or search as well; of what it was fitted does not matter.
        X : array-like or dataframe of shape (n_samples, n_features)
        y : object
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
        """
        options = {"sample_weight": sample_weight, **self._options}
        return self._score(ame(estimator, X, self._steps, **options))

    def set_score_request(self, *, sample_weight: bool | str | None) -> _EffectScorer:
        """Ask for sample_weight, under scikit-learn's metadata routing.

        Parameters
        ----------
        sample_weight : bool, str or None
            As in scikit-learn's scorers.
        """
        if not _routing_enabled():
            raise RuntimeError(
                "set_score_request needs metadata routing: call "
                "sklearn.set_config(enable_metadata_routing=True) first."
            )
        self._metadata_request = self._get_metadata_request()
        self._metadata_request.score.add_request(
            param="sample_weight", alias=sample_weight
        )
        return self

    def _accept_sample_weight(self) -> bool:
        # scikit-learn calls this on the scorers in a dictionary.
        return True


def _mean_statistic(effects: ForwardEffects, statistic: str) -> float:
    """Mean over effects and outputs of a statistic of their NLMs, where defined."""
    values = np.array(
        [
            getattr(nlm, statistic)
            for effect in effects.values()
            for nlm in effect.nonlinearity
        ]
    )
    defined = values[~np.isnan(values)]
    if not len(defined):
        raise ValueError(
            f"No row has an NLM for {', '.join(map(repr, effects))}: no row counts, "
            "or the prediction does not change along the step. Choose other steps, "
            "of numeric features."
        )
    return float(defined.mean())


def _share_not_against(effects: ForwardEffects, sign: int, output: str | None) -> float:
    """Share of the rows that count whose effect does not have the opposite sign."""
    (effect,) = effects.values()
    column = one_output(effect.outputs, output, "make_monotonicity_scorer")
    columns, weights = effect.counted_columns()
    fme = columns[:, column] - effect.comparison.null
    if not len(fme):
        raise ValueError(
            f"{no_row_counts(effect.full_name, effect.n_left_out)}. "
            + what_to_write(effect.n_left_out)
        )
    against = -sign * fme > _ROUNDING * np.abs(fme).max()
    return 1 - weighted_mean(against.astype(float), weights)


def make_anlm_scorer(
    steps: Any, *, statistic: str = "mean", **options: Any
) -> _EffectScorer:
    """Make a scorer that prefers models whose effects read as linear.

    Parameters
    ----------
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None
        As in :class:`~skfme.FMEExplainer`, in the units of the table that the search
        is given.
    statistic : {"mean", "median", "share_linear"}, default="mean"
        Of the NLMs of the scored rows: their mean is the ANLM. It has no lower bound, so
        that a few rows can decide it; the median, and the share of rows with an NLM of
        0.9 or more, have one.
    **options
        As in :func:`~skfme.fme`: ``nlm`` sets the rule (default True), ``background``
        a table for ranges and SDs that is the same in every fold.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``. The mean of the statistic over
        effects and outputs; effects without any NLM, because the prediction does not
        change along them, are left out. 1 is the best score.

    Raises
    ------
    ValueError
        If the statistic is none of the three. The scorer raises it if no row of any
        effect has an NLM.

    See Also
    --------
    make_monotonicity_scorer : Whether effects have the right sign.

    References
    ----------
    Scholbeck, Casalicchio, Molnar, Bischl, Heumann (2024). Marginal effects for
    non-linear prediction functions. Data Mining and Knowledge Discovery 38, 2997-3042,
    definition of the ANLM.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sklearn.svm import SVR
    >>> from skfme.metrics import make_anlm_scorer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> search = GridSearchCV(
    ...     make_pipeline(StandardScaler(), SVR(C=100)),
    ...     {"svr__gamma": [0.001, 0.1]},
    ...     scoring={"r2": "r2", "anlm": make_anlm_scorer({"bmi": -5})},
    ...     refit="r2",
    ... ).fit(X, y)
    >>> search.cv_results_["mean_test_anlm"].round(2)
    array([1.  , 0.71])
    """
    if statistic not in STATISTICS:
        raise ValueError(
            f"statistic must be one of {', '.join(map(repr, STATISTICS))}; got "
            f"{statistic!r}."
        )
    score = partial(_mean_statistic, statistic=statistic)
    maker = f"make_anlm_scorer({steps!r}, statistic={statistic!r})"
    return _EffectScorer(score, steps, {"nlm": True, **options}, maker)


def make_monotonicity_scorer(
    feature: Hashable,
    sign: int,
    *,
    step: Any = None,
    output: str | None = None,
    **options: Any,
) -> _EffectScorer:
    """Make a scorer of how rarely a model moves against an expected direction.

    Parameters
    ----------
    feature : column name, or position for an array
        A numeric feature (or a date, with a timedelta as its step).
    sign : {1, -1}
        1 if predictions should rise with the feature, -1 if they should fall.
    step : number > 0, Add, StdDev or IQR, default=None
        How far the feature is raised. None is half an SD: small enough that few rows
        leave the data, large enough to look past the plateaus of a tree.
    output : str, default=None
        The class or target meant, where the response has several.
    **options
        As in :func:`~skfme.fme`; a ``background`` keeps the SD the same in every fold.

    Returns
    -------
    scorer : callable
        ``scorer(estimator, X, y, sample_weight=None)``: the share of the rows that
        count whose effect does not have the opposite sign. An effect of 0 is no
        violation, nor is one below 1e-9 of the largest effect. 1 is the best score.

    Raises
    ------
    ValueError
        If the sign is not 1 or -1, or the step is not positive. The scorer raises it if
        no row counts, or the response has several outputs and none is chosen.
    TypeError
        If the step is of another kind.

    See Also
    --------
    make_anlm_scorer : Whether effects read as linear.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme.metrics import make_monotonicity_scorer
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> scorer = make_monotonicity_scorer("bmi", 1)
    >>> free = RandomForestRegressor(20, random_state=0)
    >>> bound = RandomForestRegressor(
    ...     20, random_state=0, monotonic_cst=[0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    ... )
    >>> round(scorer(free.fit(X, y), X, y), 2), scorer(bound.fit(X, y), X, y)
    (0.76, 1.0)
    """
    if sign not in (1, -1):
        raise ValueError(f"sign must be 1 or -1, got {sign!r}.")
    step = _upward(step)
    score = partial(_share_not_against, sign=int(sign), output=output)
    maker = f"make_monotonicity_scorer({feature!r}, {sign:+d}, step={step!r})"
    return _EffectScorer(score, [{feature: step}], options, maker)


def _upward(step: Any) -> Any:
    if step is None:
        return StdDev(0.5)
    size = step
    if isinstance(step, (StdDev, IQR)):
        size = step.count
    elif isinstance(step, Add):
        size = step.amount
    try:
        upward = bool(size > size - size)  # the zero of a timedelta is none of 0
    except TypeError:
        raise TypeError(
            "step must be a number, Add, StdDev or IQR, which raise the feature; got "
            f"{step!r}."
        ) from None
    if not upward:
        raise ValueError(
            f"step must raise the feature, by more than 0; got {step!r}. The direction "
            "that is expected is said by sign."
        )
    return step
