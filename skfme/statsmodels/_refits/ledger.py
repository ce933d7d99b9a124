"""The ledger: how much of a standard error rows, training data and seed have.

Here the learner is fitted again, on resamples b and under several seeds s for each,
which gives averages A_bs; how the parts are estimated from these is in
`ledger_results.py`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from sklearn import ensemble

from skfme._explainer.explainer import FMEExplainer
from skfme._frames.tables import as_table
from skfme.statsmodels._refits.group_means import GroupMeans, groups_of
from skfme.statsmodels._refits.ledger_results import (
    MORE_FITS,
    NestedRefits,
    UncertaintyLedger,
)
from skfme.statsmodels._refits.refitting import (
    Refitting,
    last_step,
    prepared,
    replicated,
)
from skfme.statsmodels._refits.resampling import (
    check_count,
    seed_sequence,
    units_of,
)

__all__ = ["uncertainty_ledger"]

# Learners whose members differ by their seeds alone, so that more of them average
# these out; boosting is not among them.
AVERAGING = {
    ensemble.BaggingClassifier: "four times the estimators",
    ensemble.BaggingRegressor: "four times the estimators",
    ensemble.ExtraTreesClassifier: "four times the trees",
    ensemble.ExtraTreesRegressor: "four times the trees",
    ensemble.RandomForestClassifier: "four times the trees",
    ensemble.RandomForestRegressor: "four times the trees",
}


def uncertainty_ledger(
    explainer: FMEExplainer,
    X: Any,
    y: Any,
    *,
    n_resamples: int = 50,
    n_seeds: int = 4,
    groups: Any = None,
    stratify: Any = None,
    sample_weight: Any = None,
    fit_params: dict[str, Any] | None = None,
    by: Any = None,
    tree: Any = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> UncertaintyLedger:
    """Split the standard error of each AME into rows, training data and seed.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not; its model is cloned and fitted ``n_resamples * n_seeds`` times.
    X : array-like or dataframe of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    n_resamples : int, default=50
        Training sets. Fifty leave a standard error of 10 % on that of the refit part;
        ``mc_errors`` has them all.
    n_seeds : int, default=4
        Seeds for each training set, at least 2.
    groups, stratify, sample_weight, fit_params, by, tree : optional
        As in :func:`bootstrap_effects`.
    n_jobs : int, default=None
        Training sets at once, through joblib.
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    ledger : UncertaintyLedger
        Print it for the table and what it says; ``projected`` for other numbers of rows
        and seeds.

    Raises
    ------
    TypeError, ValueError, RuntimeError
        As :func:`bootstrap_effects`.

    Notes
    -----
    Every parameter called ``random_state`` of the model or its parts is set, also those
    that have a value: the seed part is what another value would have given. A learner
    without any is fitted `n_seeds` times all the same, so that randomness that takes no
    seed shows too.

    The refit part is that of the average over the rows of X, by models of resampled
    rows; the rows part is that of the mean effect of the model fitted on all rows. As
    these are the same rows, the two errors can be correlated, which no sum of parts
    shows: ``together`` is the standard error with everything drawn at once.

    References
    ----------
    Searle, Casella, McCulloch (1992). Variance components, section 3.5.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import uncertainty_ledger
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(Ridge(), steps={"bmi": -2})
    >>> ledger = uncertainty_ledger(explainer, X, y, n_resamples=20, random_state=0)
    >>> ledger.shares.round(2)  # one effect for all rows, and nothing random
            rows  refit  seed
    bmi -2   0.0    1.0   0.0
    """
    check_count("n_resamples", n_resamples)
    check_count("n_seeds", n_seeds)
    fit_seed, draw_seed = seed_sequence(random_state).spawn(2)
    table = as_table(X)
    units = units_of(table, groups, stratify)
    fitted, refitting = prepared(
        explainer, table, y, fit_params, fit_seed, every_seed=True
    )
    effects = fitted._explain(table, sample_weight)
    means = GroupMeans.of(effects, groups_of(effects, by, tree))
    work = partial(_nested_averages, refitting, means)
    draws = units.draws(draw_seed, n_resamples, n_seeds)
    nested, failures = replicated(work, draws, n_resamples, n_jobs, verbose, "resample")
    return UncertaintyLedger(
        means(effects),
        means.covariance(effects, units.codes)[0],
        NestedRefits(nested[:, :, 0], nested[:, :, 1], failures),
        AVERAGING.get(type(last_step(explainer.estimator)), MORE_FITS),
        **means.described,
        notes=[*means.outcome, *means.rules],
        title=f"Where the standard errors of {effects.context.model} come from",
    )


def _nested_averages(
    refitting: Refitting,
    means: GroupMeans,
    rows: np.ndarray,
    *seeds: np.random.SeedSequence,
) -> np.ndarray:
    """Averages by models of some rows: (n_seeds, 2, k), over all rows and over those."""
    averages = []
    for seed in seeds:
        effects = refitting.effects(rows, seed, refitting.table)
        averages.append([means(effects), means(effects, rows)])
    return np.array(averages)
