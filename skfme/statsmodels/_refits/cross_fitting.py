"""Cross-fitting: the effects of each row by a model that never saw it.

K models, each fitted without one fold, explain the rows of that fold. The AME is the
mean over all rows, Σ_k (n_k / n) ē_k; given the models, its variance is
Σ_k Σ_{i in k} w_i² (e_i − ē_k)² / (Σ w)², by rows or by sums over groups.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from sklearn.utils.parallel import Parallel, delayed

from skfme._engine.batches import with_progress
from skfme._explainer.explainer import FMEExplainer
from skfme._frames.checks import checked_weights
from skfme._frames.columns import as_vector
from skfme._frames.tables import Table, as_table
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._results.summary_text import warn_of_empty
from skfme._summaries.weighting import Weighting
from skfme._text.tables import format_number
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._refits.group_means import GroupMeans
from skfme.statsmodels._refits.refitting import Refitting, fme_of, prepared
from skfme.statsmodels._refits.resampling import seed_sequence
from skfme.statsmodels._rows.groups import Groups

__all__ = ["CrossFitResults", "CrossFittedEffects", "cross_fit_effects"]


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
        return frame.assign(
            fold_sd=self.fold_sd.to_numpy(),
            fold_sd_expected=self.fold_sd_expected.to_numpy(),
        )

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
            too little, as training sets of folds overlap.

        Raises
        ------
        ValueError
            If a fold has fewer than two rows, or groups, that count for an effect.
        """
        by_fold = GroupMeans.of(
            self, Groups.of_labels(pd.DataFrame({"fold": self.fold}))
        )
        fme = fme_of(self)
        units = np.arange(len(self.fold))
        if self.groups is not None:
            units = pd.factorize(self.groups)[0]
        folds = by_fold.labels.assign(n=by_fold.nobs, ame=by_fold(fme))
        labels = by_fold.labels.drop(columns="fold").drop_duplicates()
        estimate = folds.groupby(list(labels), sort=False).ngroup().to_numpy()
        influence = np.zeros((int(units.max()) + 1, len(labels)))
        totals, variances, df = np.empty((3, len(folds)))
        for i, one in enumerate(by_fold.influences(fme, units)):
            if one.n_units < 2:
                raise self._too_few(folds.iloc[i])
            totals[i], variances[i], df[i] = one.total, one.variance, one.n_units - 1
            influence[:, estimate[i]] += one.total * one.by_unit
        whole = np.bincount(estimate, totals)
        influence /= whole
        results = CrossFitResults(
            np.bincount(estimate, totals * folds["ame"]) / whole,
            influence.T @ influence,
            labels=labels,
            df=np.bincount(estimate, df),
            covers="sample",
            nobs=np.bincount(estimate, by_fold.nobs).astype(int),
            title="Cross-fitted effects",
            notes=[f"Each row is explained by one of {self.fold.max() + 1} models."],
        )
        results.folds = folds
        spread = folds.groupby(estimate)["ame"].std().to_numpy()
        results.fold_sd = pd.Series(spread, results.names)
        expected = np.bincount(estimate, variances) / np.bincount(estimate)
        results.fold_sd_expected = pd.Series(np.sqrt(expected), results.names)
        return results

    def _too_few(self, which: pd.Series) -> ValueError:
        what = "row" if self.groups is None else "group"
        return ValueError(
            f"Fold {which['fold']} has one {what} only that counts for the effect "
            f"{which['effect']!r}; its share of a variance needs two. Take fewer folds."
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
    groups : array-like of shape (n_samples,), default=None
        Rows of a group are explained by one model, that saw none of them.
    sample_weight : array-like of shape (n_samples,), default=None
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
    Step sizes and the extrapolation envelope are those of all rows (they know X, and
    not y), so that the rows that count are those that ``explain`` would count. A
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
    weights = checked_weights(sample_weight, table)
    kept = None if groups is None else as_vector(groups, len(table), "groups")
    _, refitting = prepared(explainer, X, y, fit_params, for_models)
    splits = _splits(cv, refitting, is_classifier(explainer), kept, for_folds)
    parallel = Parallel(n_jobs=n_jobs, return_as="generator")
    parts = parallel(
        delayed(_explained)(refitting, train, test, seed)
        for (train, test), seed in zip(
            splits, for_models.spawn(len(splits)), strict=True
        )
    )
    if verbose:
        parts = with_progress(parts, len(splits), "folds", "fold")
    fold = np.empty(len(table), dtype=int)
    for k, (_, test) in enumerate(splits):
        fold[test] = k
    effects = _assembled(list(parts), fold, table, weights)
    crossed = CrossFittedEffects(effects, effects[0].context, fold, kept)
    warn_of_empty(crossed)
    return crossed


def _splits(
    cv: Any,
    refitting: Refitting,
    classifier: bool,
    groups: np.ndarray | None,
    seed: np.random.SeedSequence,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Train and test rows of each fold; each row is tested once, by a model apart."""
    X, y, n = refitting.table.native, refitting.y, len(refitting.table)
    if isinstance(cv, Integral):
        classes = classifier and type_of_target(y) in ("binary", "multiclass")
        kinds = {
            (False, False): KFold,
            (True, False): StratifiedKFold,
            (False, True): GroupKFold,
            (True, True): StratifiedGroupKFold,
        }
        state = int(seed.generate_state(1)[0])
        kind = kinds[classes, groups is not None]
        cv = kind(int(cv), shuffle=True, random_state=state)
    pairs = check_cv(cv, y, classifier=classifier).split(X, y, groups)
    splits = [(np.arange(n)[train], np.arange(n)[test]) for train, test in pairs]
    tested = np.sort(np.concatenate([test for _, test in splits]))
    if not np.array_equal(tested, np.arange(n)):
        raise ValueError(
            f"The folds of cv={cv!r} test {len(np.unique(tested))} of {n} rows, "
            f"{len(tested)} times in all. Cross-fitting explains each row once: take a "
            "splitter whose test folds are a partition, such as KFold."
        )
    units = np.arange(n) if groups is None else groups
    for k, (train, test) in enumerate(splits):
        both = np.flatnonzero(np.isin(units[test], units[train]))
        if len(both):
            what = "" if groups is None else " or its group"
            raise ValueError(
                f"The model of fold {k} has seen row {test[both[0]]}{what}. Take a "
                "splitter that keeps "
                + ("rows apart." if groups is None else "groups apart, as GroupKFold.")
            )
    return splits


def _explained(
    refitting: Refitting,
    train: np.ndarray,
    test: np.ndarray,
    seed: np.random.SeedSequence,
) -> ForwardEffects:
    """Effects of the test rows by a model of the others."""
    return refitting.model(train, seed)._explain(refitting.table.take(test))


def _assembled(
    parts: Sequence[ForwardEffects],
    fold: np.ndarray,
    table: Table,
    weights: Weighting,
) -> list[ForwardEffect]:
    """The folds' effects in X's order."""
    order = np.argsort(np.argsort(fold, kind="stable"), kind="stable")
    judged = [part.context.n_outside_before for part in parts]
    outside = [count for count in judged if count is not None]
    context = replace(
        parts[0].context,
        table=table,
        weights=weights,
        n_outside_before=sum(outside) if outside else None,
    )

    def whole(arrays: list[np.ndarray]) -> np.ndarray:
        return np.concatenate(arrays)[order]

    together = []
    for several in zip(*(part.values() for part in parts), strict=True):
        nlm = [e.nlm_2d for e in several]
        together.append(
            replace(
                several[0],
                context=context,
                fme_2d=whole([e.fme_2d for e in several]),
                status_codes=whole([e.status_codes for e in several]),
                nlm_2d=None if nlm[0] is None else whole(nlm),
                n_not_converged=sum(e.n_not_converged for e in several),
            )
        )
    return together
