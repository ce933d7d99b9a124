"""Scores of effects and of their partitions, for searches and comparisons.

A metric here takes effects as they come, NaN where a row does not count, and leaves
those rows out; `sklearn.metrics.make_scorer` makes a scorer of a score of arrays.
Scorers that compute a model's effects live beside this.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import as_vector
from skfme._functional import ame
from skfme._results.effects import ForwardEffects
from skfme._summaries.weighting import Weighting
from skfme._text.reasons import what_to_write
from skfme.statsmodels._tree.covariates import variance_explained

__all__ = ["effect_stability", "partition_r2_score"]


def partition_r2_score(fme: Any, came: Any, *, sample_weight: Any = None) -> float:
    """Share of the variance of effects that a partition accounts for.

    1 − Σ w (FME − cAME)² / Σ w (FME − AME)², over the rows that have an effect and a
    positive weight.

    Parameters
    ----------
    fme : array-like of shape (n_samples,)
        Effects, NaN where a row does not count.
    came : array-like of shape (n_samples,)
        The partition's effect for each row, such as ``EffectTree.predict``.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    score : float
        1 is perfect, 0 as good as the AME; below 0 is worse than the AME.

    Raises
    ------
    ValueError
        If the lengths differ, or no row has both an effect and a positive weight.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import make_scorer
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skfme.metrics import partition_r2_score
    >>> from skfme.statsmodels import EffectTree
    >>> x = np.linspace(0, 1, 200)[:, None]
    >>> fme = np.where(x[:, 0] < 0.5, -1.0, 2.0)
    >>> fme[::10] = np.nan
    >>> search = GridSearchCV(
    ...     EffectTree(max_depth=1),
    ...     {"method": ["ctree", "cart"]},
    ...     scoring=make_scorer(partition_r2_score),
    ... )
    >>> round(float(search.fit(x, fme).best_score_), 6)
    1.0
    """
    effects = np.asarray(fme, dtype=float)
    if effects.ndim != 1:
        raise ValueError(
            f"fme has shape {effects.shape}; expected the effects of one output, "
            "(n_samples,). Choose a column of effect.fme."
        )
    predicted = as_vector(came, len(effects), "came").astype(float)
    weights = None
    if sample_weight is not None:
        weights = as_vector(sample_weight, len(effects), "sample_weight").astype(float)
    return variance_explained(effects, predicted, Weighting(weights, len(effects)))


def effect_stability(
    estimators: Iterable[Any],
    X: Any,
    steps: Any,
    *,
    sample_weight: Any = None,
    **options: Any,
) -> pd.DataFrame:
    r"""Agreement of effects across refits of one learner.

    Parameters
    ----------
    estimators : iterable of fitted models
        Refits of one learner, at least two, such as ``cross_validate(…,
        return_estimator=True)["estimator"]``. Used as they are.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows whose effects are compared, the same for every refit.
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None
        As in :class:`~skfme.FMEExplainer`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the averages over rows.
    **options
        As in :func:`~skfme.fme`, such as ``background`` or ``response_method``.

    Returns
    -------
    frame : DataFrame
        One row per effect and output, with the columns

        - ``effect``, ``output``, ``n`` (rows that count);
        - ``ame``, ``ame_sd``: mean and SD (divisor R − 1) of the R refits' AMEs;
        - ``refit_sd``: how far the effect of one row scatters over refits, the root of
          the mean over rows of its variance over refits, in the response's units;
        - ``agreement``: the share of the mean squared effect on which refits agree, see
          Notes;
        - ``correlation``: mean Pearson correlation of two refits' effects over rows,
          the agreement on which rows have larger effects than others. NaN where a
          refit's effects do not differ between rows, as those of a linear model.

    Raises
    ------
    ValueError
        If there are fewer than two estimators, their outputs differ, or no row counts.

    Notes
    -----
    With :math:`F_{ir}` the effect of row i under refit r,

    .. math:: \text{agreement} = 1 - \frac{\text{mean}_i \, \text{Var}_r(F_{ir})}
        {\text{mean}_{i,r} \, F_{ir}^2}

    which equals the mean over pairs of refits of :math:`\text{mean}_i F_{ir} F_{is}`
    over the mean square of all effects: a coefficient of congruence, or an intraclass
    correlation about zero rather than about the mean. It is 1 where every refit has the
    same effects (or every effect is 0), and 0 on average where effects are noise; it
    can be slightly negative. A correlation about the mean would call a linear model
    unstable, because its effects leave no variance between rows to agree upon.

    The training sets of cross-validation overlap, so that ``ame_sd`` is no standard
    error.

    References
    ----------
    Tucker (1951). A method for synthesis of factor analysis studies. Personnel Research
    Section Report 984, Department of the Army (coefficient of congruence).
    Shrout, Fleiss (1979). Intraclass correlations: uses in assessing rater reliability.
    Psychological Bulletin 86, 420-428, eq. for ICC(1, 1).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.model_selection import cross_validate
    >>> from skfme.metrics import effect_stability
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> folds = cross_validate(LinearRegression(), X, y, return_estimator=True)
    >>> stability = effect_stability(folds["estimator"], X, {"bmi": -2})
    >>> stability[["effect", "ame", "ame_sd", "agreement"]].round(3)
       effect     ame  ame_sd  agreement
    0  bmi -2 -11.169   0.659      0.997
    """
    refits = [
        ame(estimator, X, steps, sample_weight=sample_weight, **options)
        for estimator in estimators
    ]
    _check_comparable(refits)
    records = []
    for name in refits[0]:
        effects = [refit[name] for refit in refits]
        effects[0].refuse_of_means("effect_stability")
        counted = np.logical_and.reduce([effect.counted for effect in effects])
        if not counted.any():
            raise ValueError(
                f"No row counts for the effect {name!r} in every refit, so that there is "
                f"nothing to compare. {what_to_write(effects[0].n_left_out)}"
            )
        weights = refits[0].context.weights.take(counted).whole()
        for k, output in enumerate(effects[0].outputs):
            columns = np.column_stack([e.fme_2d[counted, k] for e in effects])
            record = {"effect": name, "output": output, "n": len(columns)}
            shares, null = weights / weights.sum(), effects[0].comparison.null
            agreement = _agreement(columns - null, shares)
            records.append(record | agreement | {"ame": agreement["ame"] + null})
    return pd.DataFrame(records)


def _check_comparable(refits: list[ForwardEffects]) -> None:
    if len(refits) < 2:
        raise ValueError(
            f"effect_stability needs at least 2 fitted estimators, got {len(refits)}."
        )
    for refit in refits[1:]:
        if refit.outputs != refits[0].outputs:
            raise ValueError(
                "The estimators have different outputs: "
                f"{', '.join(refits[0].outputs)} and {', '.join(refit.outputs)}. A class "
                "may be missing from a training set; stratify the folds."
            )


def _agreement(fme: np.ndarray, weights: np.ndarray) -> dict[str, float]:
    """How far the refits, columns of (n, R) effects, agree; weights sum to 1."""
    ames = weights @ fme
    between_refits = float(weights @ fme.var(axis=1, ddof=1))
    mean_square = float(weights @ (fme**2).mean(axis=1))
    return {
        "ame": float(ames.mean()),
        "ame_sd": float(ames.std(ddof=1)),
        "refit_sd": float(np.sqrt(between_refits)),
        "agreement": 1 - between_refits / mean_square if mean_square > 0 else 1.0,
        "correlation": _mean_correlation(fme, weights),
    }


def _mean_correlation(fme: np.ndarray, weights: np.ndarray) -> float:
    """Mean Pearson correlation over pairs of columns; NaN if one is constant."""
    centred = fme - weights @ fme
    size = np.sqrt(weights @ centred**2)
    # Differences of equal predictions agree to a few units of their own resolution.
    if (size <= 1e-9 * np.abs(fme).max(axis=0)).any():
        return float("nan")
    correlations = (centred * weights[:, None]).T @ centred / np.outer(size, size)
    return float(correlations[np.triu_indices(len(correlations), 1)].mean())
