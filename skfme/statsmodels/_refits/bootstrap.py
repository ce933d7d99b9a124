"""Refit uncertainty by the bootstrap: draw rows, fit again, explain, average.

The whole procedure is repeated on rows drawn with replacement: θ* = A(f* fitted on the
draw), A the average of effects over rows and groups. How draws, refits, averages and
intervals are made is in the files this one imports.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from skfme._explainer.explainer import FMEExplainer
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._refits.attributed import arguments_of
from skfme.statsmodels._refits.bootstrap_results import BootstrapResults, warn_of_few
from skfme.statsmodels._refits.confidence import (
    METHODS,
    BootstrapDistribution,
    refuse_unknown,
)
from skfme.statsmodels._refits.group_means import GroupMeans, groups_of
from skfme.statsmodels._refits.refitting import Refitting, prepared, replicated
from skfme.statsmodels._refits.resampling import (
    Units,
    check_count,
    seed_sequence,
    units_of,
)

__all__ = ["bootstrap_effects", "refit_averages", "refit_notes"]

# Refits for BCa's acceleration, whose standard error is 0.65 / 200 for blocks.
MOST_BLOCKS = 200
COVERS = ("refit", "sample + refit")


def bootstrap_effects(
    explainer: FMEExplainer,
    X: Any,
    y: Any,
    *,
    n_resamples: int = 999,
    groups: Any = None,
    stratify: Any = None,
    sample_weight: Any = None,
    fit_params: dict[str, Any] | None = None,
    by: Any = None,
    tree: Any = None,
    attribute: str | Mapping[Any, Any] | None = None,
    covers: str = "refit",
    method: str = "percentile",
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> BootstrapResults:
    """AMEs and cAMEs with the uncertainty of fitting the model again.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not: a clone is fitted on all rows for the estimates, and its model
        again on each resample. A ``FrozenEstimator`` cannot be.
    X : array-like or dataframe of shape (n_samples, n_features)
        Training rows.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    n_resamples : int, default=999
    groups : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Rows of a group are drawn together: patients, schools, sessions.
    stratify : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Draws keep the size of each stratum; give y where a resample could lack a class.
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of the averages, as in :meth:`FMEExplainer.explain`.
    fit_params : dict, default=None
        Passed to fit, such as ``{"sample_weight": w}``; arrays of n_samples entries are
        taken row by row.
    by : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Averages by group (cAMEs) instead of over all rows.
    tree : EffectTree, default=None
        A fitted tree, whose subspaces are the groups. They are held fixed.
    attribute : str, mapping or None, default=None
        A joint step whose parts are averaged instead of the effects: its name, the step
        ``{"bmi": -2, "bp": -10}``, or arguments of :meth:`FMEExplainer.attribute`, such
        as ``{"step": {"bmi": -2, "bp": -10}, "method": "path"}``; ``{}`` is the
        explainer's only effect.
    covers : {"refit", "sample + refit"}, default="refit"
        What intervals cover, by which rows are averaged over. "refit": the rows of X, in
        every resample. "sample + refit": the rows drawn; intervals also cover the choice
        of rows, for the population that they are a sample of.
    method : {"percentile", "basic", "bca", "normal"}, default="percentile"
        How intervals are read from the replicates. BCa needs up to 200 refits more.
    n_jobs : int, default=None
        Refits at once, through joblib.
    random_state : int, RandomState instance or None, default=None
        The result is the same for an int, whatever n_jobs (to the round-off of threaded
        linear algebra).
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    results : BootstrapResults

    Raises
    ------
    TypeError
        If the model is frozen, or explainer is no FMEExplainer.
    ValueError
        If y is missing, a parameter is unknown or has the wrong length, or there are
        fewer than two rows or groups (of a stratum) to draw from.
    RuntimeError
        If more than a tenth of the refits fail. Fewer are counted in ``failures``, with
        a warning.

    Warns
    -----
    UserWarning
        If `n_resamples` is below 199 and the method reads quantiles, groups are fewer
        than 10, or refits fail.

    See Also
    --------
    uncertainty_ledger : What part of it more rows, or more seeds, would take away.
    cross_fit_effects : Effects by models that never saw the row.

    Notes
    -----
    The estimand is held fixed: step sizes such as ``StdDev(1)`` are those of all rows,
    and so is the extrapolation envelope, so that the same rows count in every resample.
    Only the model is learned again.

    Each resample has a child of the ``SeedSequence`` made of `random_state`, for its
    draws and for the model: parameters called ``random_state`` (of a pipeline's parts
    too) that are None are set from it, so that intervals include the learner's own
    randomness. Those that are set keep their value. Generators hidden in other
    parameters, such as a shuffling splitter, need an int of their own.

    BCa's acceleration comes from leaving out each row (or group) where there are at most
    200, else each of 200 random blocks of them; these fits share one seed.

    A learner that tunes itself inside fit finds copies of a row on both sides of its
    own splits. A search by GroupKFold keeps them together where it is given the rows'
    numbers as groups: ``fit_params={"groups": np.arange(n)}``.
    Forests and boosted trees are biased by resampling: compare ``bias`` with ``bse``.

    References
    ----------
    Efron (1987). Better bootstrap confidence intervals. JASA 82, 171-185.
    Davison, Hinkley (1997). Bootstrap methods and their application, section 5.2.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import Ridge
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import bootstrap_effects
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(Ridge(), steps=[{"bmi": -2}, {"bp": -10}])
    >>> results = bootstrap_effects(explainer, X, y, n_resamples=199, random_state=0)
    >>> results.bse.round(1)
    bmi -2    1.5
    bp -10    2.3
    Name: std_error, dtype: float64
    """
    refuse_unknown("method", method, METHODS)
    refuse_unknown("covers", covers, COVERS)
    check_count("n_resamples", n_resamples)
    warn_of_few(n_resamples, 0.05, method)
    fit_seed, draw_seed, block_seed = seed_sequence(random_state).spawn(3)
    table = as_table(X)
    units = units_of(table, groups, stratify)
    fitted, refitting = prepared(explainer, table, y, fit_params, fit_seed)
    if attribute is None:
        effects = fitted._explain(table, sample_weight)
    else:
        split = fitted._asked(**arguments_of(attribute, fitted, table))
        refitting = replace(refitting, split=split)
        effects = fitted._attribution(fitted._table(table), *split, sample_weight)
    means = GroupMeans.of(effects, groups_of(effects, by, tree))
    work = partial(
        refit_averages, refitting, refitting.table, means, covers == "sample + refit"
    )
    draws = units.draws(draw_seed, n_resamples)
    replicates, failures = replicated(work, draws, n_resamples, n_jobs, verbose)
    jackknife = None
    if method == "bca":
        remaining = units.left_out(MOST_BLOCKS, np.random.default_rng(block_seed))
        tasks = [(rows, fit_seed) for rows in remaining]
        jackknife, lost = replicated(
            work, tasks, len(tasks), n_jobs, verbose, "jackknife refit"
        )
        failures += lost
    notes = refit_notes(_drawn_from(units, groups, stratify), failures, tree)
    return BootstrapResults(
        BootstrapDistribution(means(effects), replicates, jackknife, method),
        failures,
        **means.described,
        covers=covers,
        title=f"Effects over refits of {effects.context.model}",
        notes=[*notes, *means.outcome, *means.rules],
    )


def refit_averages(
    refitting: Refitting,
    table: Table,
    means: GroupMeans,
    resampled: bool,
    rows: np.ndarray,
    seed: np.random.SeedSequence,
) -> np.ndarray:
    """Averages by a model of some rows: over a table, or over those rows of it."""
    effects = refitting.effects(rows, seed, table)
    return means(effects, rows if resampled else None)


def _drawn_from(units: Units, groups: Any, stratify: Any) -> str:
    drawn = f"{len(units)} rows"
    if groups is not None:
        drawn = f"{len(units)} groups of {len(units.codes)} rows"
    return drawn + (f" in {len(units.strata)} strata" if stratify is not None else "")


def refit_notes(
    drawn_from: str, failures: Sequence[str], tree: Any = None
) -> list[str]:
    """Sentences for a summary on how the replicates were made."""
    notes = [f"Each resample draws {drawn_from} with replacement."]
    if failures:
        notes.append(f"{len(failures)} refits failed and are left out: {failures[0]}.")
    if tree is not None:
        notes.append("The partition is held fixed: how it was found is not covered.")
    return notes
