"""Cross-fitting: the effects of each row by a model that never saw it.

K models, each fitted without one fold, explain the rows of that fold. The AME is the
mean over all rows, Σ_k (n_k / n) ē_k; given the models, its variance is
Σ_k Σ_{i in k} w_i² (e_i − ē_k)² / (Σ w)², by rows or by sums over groups.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import delayed

from skfme._engine.batches import in_order, with_progress
from skfme._explainer.explainer import FMEExplainer
from skfme._frames.checks import checked_weights
from skfme._frames.groups import one_label
from skfme._frames.tables import Table, as_table
from skfme._results.effect_tables import warn_of_empty
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._summaries.weighting import Weighting
from skfme._text.printing import format_number
from skfme.quadrature import as_rule
from skfme.statsmodels._inference.contrasts import ROUND_OFF
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._refits.group_means import GroupMeans
from skfme.statsmodels._refits.refitting import Refitting, prepared
from skfme.statsmodels._refits.resampling import seed_sequence
from skfme.statsmodels._rows.groups import Groups

__all__ = ["CrossFitResults", "CrossFittedEffects", "cross_fit_effects"]

_SAME_IN_ALL_ROWS = (
    "No standard error where each model gives all its rows the same effect, as linear "
    "models do: the models differ, and not the rows."
)


class CrossFitResults(EffectResults):
    """AMEs of cross-fitted effects, with how far the folds' models disagree.

    ``to_frame()`` has the columns ``fold_sd`` and ``fold_sd_expected`` too.

    Attributes
    ----------
    folds : DataFrame
        ``effect``, ``output`` (for several), ``fold``, ``n`` and ``ame``.
    fold_sd : Series
        SD of the folds' AMEs.
    fold_sd_expected : Series
        SD that they would have by their choice of rows alone, under one model.
    """

    folds: pd.DataFrame
    fold_sd: pd.Series
    fold_sd_expected: pd.Series

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame["fold_sd"] = self.fold_sd.to_numpy()
        frame["fold_sd_expected"] = self.fold_sd_expected.to_numpy()
        return super()._more_columns(frame)

    def _all_notes(self) -> list[str]:
        spread = ", ".join(
            f"{name} {format_number(sd, 3)} ({format_number(expected, 3)})"
            for name, sd, expected in zip(
                self.names, self.fold_sd, self.fold_sd_expected, strict=True
            )
        )
        return [
            *super()._all_notes(),
            "SD of the folds' AMEs, each by a model of its own (in brackets what the "
            f"choice of rows alone would give): {spread}.",
        ]


class CrossFittedEffects(ForwardEffects):
    """Effects of each row by a model that never saw it.

    A :class:`skfme.ForwardEffects`, made by :func:`cross_fit_effects`.

    Attributes
    ----------
    fold : ndarray of shape (n_samples,)
        The fold of each row, whose model was fitted on the others.
    groups : ndarray of shape (n_samples,) or None
        The groups that were kept together.
    """

    def __init__(
        self,
        effects: list[ForwardEffect],
        context: Any,
        fold: np.ndarray,
        groups: np.ndarray | None,
    ) -> None:
        super().__init__(effects, context)
        self.fold, self.groups = fold, groups

    def results(self) -> CrossFitResults:
        """AMEs with standard errors given the models, and the spread over folds.

        Returns
        -------
        results : CrossFitResults
            Covers the sample: rows, or groups where they were given. That another
            training set would give other models shows in ``fold_sd`` only, and there
            too little, as training sets of folds overlap. NaN, with a warning, where
            each model gives all its rows the same effect.

        Raises
        ------
        ValueError
            If a fold has fewer than two rows, or groups, that count for an effect.
        """
        whole = GroupMeans.of(self, Groups.of(self.context.table, None))
        fold = pd.DataFrame({"fold": self.fold})
        by_fold = GroupMeans.of(self, Groups.of_labels(fold))
        folds = by_fold.labels.assign(n=by_fold.nobs, ame=by_fold(self))
        units = np.arange(len(fold))
        if self.groups is not None:
            units = pd.factorize(self.groups)[0]
        influence, df, variances = [], [], []
        for by_unit, n_units, totals in by_fold.influences(self, units):
            influence.append(by_unit @ totals / totals.sum())
            df.append(n_units - 1)
            variances.append(np.mean(np.sum(by_unit**2, axis=0)))
        self._refuse_lone_units(folds, np.concatenate(df))
        spread = folds.groupby(list(whole.labels), sort=False)["ame"].std().to_numpy()
        cov = np.array(influence) @ np.array(influence).T
        # Rows say nothing of effects that differ between the folds' models alone.
        unknown = (np.diag(cov) == 0) & (spread > ROUND_OFF * np.abs(whole(self)))
        cov[unknown] = cov[:, unknown] = np.nan
        models = f"Each row is explained by one of {self.fold.max() + 1} models."
        notes = [*whole.outcome, models]
        results = CrossFitResults(
            whole(self),
            cov,
            **whole.described,
            df=[np.sum(df_by_fold) for df_by_fold in df],
            covers="sample",
            title="Cross-fitted effects",
            notes=[*notes, _SAME_IN_ALL_ROWS] if unknown.any() else notes,
            why_missing="each model gives all its rows the same effect",
        )
        results.folds = folds
        results.fold_sd = pd.Series(spread, results.names)
        results.fold_sd_expected = pd.Series(np.sqrt(variances), results.names)
        return results

    def _refuse_lone_units(self, folds: pd.DataFrame, df: np.ndarray) -> None:
        if not df.all():
            fold = folds.iloc[int(np.argmin(df))]
            unit = "row" if self.groups is None else "group"
            raise ValueError(
                f"Fold {fold['fold']} has one {unit} only that counts for the effect "
                f"{fold['effect']!r}; its share of a variance needs two. Take fewer "
                "folds."
            )


def cross_fit_effects(
    explainer: FMEExplainer,
    X: Any,
    y: Any,
    *,
    cv: Any = 5,
    groups: Any = None,
    sample_weight: Any = None,
    fit_params: dict[str, Any] | None = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> CrossFittedEffects:
    """Effects of each row by a model that never saw it.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not; its model is cloned and fitted for each fold.
    X : array-like or dataframe of shape (n_samples, n_features)
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    cv : int, splitter or iterable of (train, test), default=5
        An int shuffles rows into as many folds, with classes of a classifier in equal
        shares, and groups kept together where they are given.
    groups : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Rows of a group are explained by one model, that saw none of them.
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of the averages.
    fit_params : dict, default=None
        Passed to fit, such as ``{"sample_weight": w}``; arrays of n_samples entries are
        taken row by row.
    n_jobs : int, default=None
        Folds at once, through joblib.
    random_state : int, RandomState instance or None, default=None
        Of the shuffling, and of the models as in :func:`bootstrap_effects`.
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    effects : CrossFittedEffects
        Effects in X's order, for anything that takes a ForwardEffects; ``results()``
        has the AMEs with standard errors.

    Raises
    ------
    TypeError
        If the model is frozen.
    ValueError
        If y is missing, or the folds do not hold each row once, or a fold's model saw
        one of its rows or groups.

    Notes
    -----
    Step sizes and the extrapolation envelope are those of all rows (made from X, and
    not from y), so that the rows that count are those that ``explain`` would count. A
    function among the steps is given the columns of one fold at a time.

    References
    ----------
    Chernozhukov et al. (2018). Double/debiased machine learning for treatment and
    structural parameters. Econometrics Journal 21, C1-C68, section 3.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import cross_fit_effects
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(RandomForestRegressor(20), steps={"bmi": -2})
    >>> effects = cross_fit_effects(explainer, X, y, random_state=0)
    >>> effects["bmi -2"].fme.shape
    (442,)
    >>> int(effects.results().folds["n"].sum())  # rows that count
    422
    """
    for_models, for_folds = seed_sequence(random_state).spawn(2)
    table = as_table(X)
    if groups is not None:
        groups = one_label(table, groups, "groups")
    fitted, refitting = prepared(explainer, table, y, fit_params, for_models)
    weights = checked_weights(sample_weight, table, explainer.weights_type)
    if isinstance(cv, Integral):
        cv = _shuffled_folds(int(cv), refitting, groups, for_folds)
    splits = _splits(cv, refitting, groups)
    seeds, rule = for_models.spawn(len(splits)), as_rule(fitted.nlm)
    by_fold = in_order(
        (
            delayed(refitting.effects)(train, seed, refitting.table.take(test), rule)
            for (train, test), seed in zip(splits, seeds, strict=True)
        ),
        n_jobs,
    )
    if verbose:
        by_fold = with_progress(by_fold, len(splits), "folds", "fold")
    order = np.argsort(np.concatenate([test for _, test in splits]))
    fold = np.repeat(np.arange(len(splits)), [len(test) for _, test in splits])[order]
    effects = _assembled(list(by_fold), order, table, weights)
    crossed = CrossFittedEffects(effects, effects[0].context, fold, groups)
    warn_of_empty(crossed)
    return crossed


def _shuffled_folds(
    n_folds: int,
    refitting: Refitting,
    groups: np.ndarray | None,
    seed: np.random.SeedSequence,
) -> Any:
    """A splitter that keeps the shares of classes, and groups together."""
    target = type_of_target(refitting.y)
    plain, grouped = KFold, GroupKFold
    if is_classifier(refitting.explainer) and target in ("binary", "multiclass"):
        plain, grouped = StratifiedKFold, StratifiedGroupKFold
    state = int(seed.generate_state(1)[0])
    kind = plain if groups is None else grouped
    return kind(n_folds, shuffle=True, random_state=state)


def _splits(
    cv: Any, refitting: Refitting, groups: np.ndarray | None
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Train and test rows of each fold; each row is tested once, by a model apart."""
    splitter = check_cv(cv, refitting.y, classifier=is_classifier(refitting.explainer))
    pairs = splitter.split(refitting.table.native, refitting.y, groups)
    rows = np.arange(len(refitting.table))
    splits = [(rows[train], rows[test]) for train, test in pairs]
    tested = np.sort(np.concatenate([test for _, test in splits]))
    if not np.array_equal(tested, rows):
        raise ValueError(
            f"The folds of cv={cv!r} test {len(np.unique(tested))} of {len(rows)} rows, "
            f"{len(tested)} times in all. Cross-fitting explains each row once: take a "
            "splitter whose test folds are a partition, such as KFold."
        )
    units = rows if groups is None else groups
    for k, (train, test) in enumerate(splits):
        seen = test[np.isin(units[test], units[train])]
        if len(seen):
            group, apart = "", "rows apart."
            if groups is not None:
                group, apart = " or its group", "groups apart, as GroupKFold."
            raise ValueError(
                f"The model of fold {k} has seen row {seen[0]}{group}. Take a splitter "
                f"that keeps {apart}"
            )
    return splits


def _assembled(
    by_fold: list[ForwardEffects],
    order: np.ndarray,
    table: Table,
    weights: Weighting,
) -> list[ForwardEffect]:
    """The folds' effects together, put into X's order."""
    counts = [effects.context.n_outside_before for effects in by_fold]
    judged = [count for count in counts if count is not None]
    context = replace(
        by_fold[0].context,
        table=table,
        weights=weights,
        n_outside_before=sum(judged) if judged else None,
    )

    def whole(arrays: Iterable[np.ndarray]) -> np.ndarray:
        return np.concatenate([*arrays])[order]

    assembled = []
    for parts in zip(*(effects.values() for effects in by_fold), strict=True):
        nlm = [part.nlm_2d for part in parts if part.nlm_2d is not None]
        after = [part.after_2d for part in parts if part.after_2d is not None]
        assembled.append(
            replace(
                parts[0],
                context=context,
                fme_2d=whole(part.fme_2d for part in parts),
                status_codes=whole(part.status_codes for part in parts),
                before_2d=whole(part.before_2d for part in parts),
                after_2d=whole(after) if after else None,
                nlm_2d=whole(nlm) if nlm else None,
                n_not_converged=sum(part.n_not_converged for part in parts),
            )
        )
    return assembled
