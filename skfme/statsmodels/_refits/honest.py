"""Honest regions: rows in three parts, to train, to partition and to estimate.

The model learns from the first part, a tree finds regions among its effects on the
second, and the effects in each region are averaged over the third: rows that neither
has seen. Intervals of a leaf's mean are then those of any mean of independent rows,
ē_l ± t · s_l / √n_l; where the partition is found on the same rows they are too short.
As the third part is independent of the first, the variance by another training set
adds to that.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from skfme._explainer.explainer import FMEExplainer
from skfme._explainer.exploration import step_named
from skfme._frames.checks import checked_weights
from skfme._frames.tables import as_table
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._text.outputs import one_output
from skfme._text.printing import Text, notebook_page
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._inference.text import WIDTH
from skfme.statsmodels._refits.bootstrap import refit_averages, refit_notes
from skfme.statsmodels._refits.bootstrap_results import BootstrapResults, warn_of_few
from skfme.statsmodels._refits.confidence import BootstrapDistribution
from skfme.statsmodels._refits.group_means import GroupMeans
from skfme.statsmodels._refits.refitting import prepared, replicated
from skfme.statsmodels._refits.resampling import (
    Units,
    check_count,
    seed_sequence,
    units_of,
)
from skfme.statsmodels._tree.effect_tree import EffectTree
from skfme.statsmodels._tree.subspaces import groups_of_tree
from skfme.steps._changes import NamedStep

__all__ = ["HonestRegions", "honest_regions"]

PARTS = ("train", "partition", "estimate")


@dataclass(frozen=True, repr=False)
class HonestRegions:
    """Regions of an effect with intervals that the search for them does not spoil.

    Made by :func:`honest_regions`.

    Attributes
    ----------
    tree : EffectTree
        The partition, with counts, cAMEs and SDs of the estimation rows.
    sample : EffectResults
        cAMEs with intervals over rows, given the model and the partition.
    refit : BootstrapResults or None
        The same cAMEs over models of other training rows, given the partition and the
        estimation rows; None if no resamples were asked for.
    effect : ForwardEffect
        Of the estimation rows.
    explainer : FMEExplainer
        Over the model, fitted on the training rows.
    rows : dict of str -> ndarray
        Positions of the rows of each part: "train", "partition", "estimate".
    """

    tree: EffectTree
    sample: EffectResults
    refit: BootstrapResults | None
    effect: ForwardEffect
    explainer: FMEExplainer
    rows: dict[str, np.ndarray]

    def to_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """One row per region.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        frame : DataFrame
            ``effect``, ``subspace``, ``rule``, ``n``, ``estimate``, and over rows
            ``std_error``, ``statistic``, ``p_value``, ``conf_low``, ``conf_high``; with
            resamples also
            ``refit_std_error``, ``refit_conf_low``, ``refit_conf_high``, and
            ``both_std_error``, of rows and refit together.
        """
        frame = self.sample.to_frame(alpha)
        if self.refit is None:
            return frame
        refit = self.refit.to_frame(alpha)[["std_error", "conf_low", "conf_high"]]
        frame = frame.join(refit.add_prefix("refit_"))
        both = np.hypot(frame["std_error"], frame["refit_std_error"])
        return frame.assign(both_std_error=both)

    def summary(self, alpha: float = 0.05) -> Text:
        """Both kinds of interval, one table each.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        text : str
        """
        notes = [textwrap.fill(note, WIDTH) for note in self._notes()]
        refit = [] if self.refit is None else ["", str(self.refit.summary(alpha))]
        return Text("\n".join([str(self.sample.summary(alpha)), *notes, *refit]))

    @property
    def coverage_note(self) -> str:
        """What the intervals over rows cover, in a sentence."""
        return self.sample.coverage_note

    def _notes(self) -> list[str]:
        counts = ", ".join(
            f"{len(rows)} rows to {part}" for part, rows in self.rows.items()
        )
        uncovered = "The model's own error is not covered; n_resamples asks for it."
        return [f"Parts: {counts}.", *([uncovered] if self.refit is None else [])]

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return f"<HonestRegions: {len(self.sample.names)} regions of {self.effect.full_name!r}>"

    def _repr_html_(self) -> str:
        refit = "" if self.refit is None else self.refit._repr_html_()
        return self.sample._repr_html_() + notebook_page([], self._notes()) + refit


def honest_regions(
    explainer: FMEExplainer,
    X: Any,
    y: Any,
    *,
    tree: EffectTree | None = None,
    effect: str | None = None,
    output: str | None = None,
    sizes: tuple[float, float, float] = (1 / 3, 1 / 3, 1 / 3),
    groups: Any = None,
    stratify: Any = None,
    sample_weight: Any = None,
    fit_params: dict[str, Any] | None = None,
    n_resamples: int = 0,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> HonestRegions:
    """Find regions of an effect, and estimate it in each from rows apart.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not; its model is cloned and fitted on the training part.
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows that no one has looked at yet.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    tree : EffectTree, default=None
        How regions are found; None is ``EffectTree()``.
    effect : str, default=None
        Which effect, where the explainer has several.
    output : str, default=None
        Which output, where the effect has several.
    sizes : tuple of three floats, default=(1/3, 1/3, 1/3)
        Shares of the rows to train, to partition and to estimate.
    groups : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Kept together in one part, and the units of standard errors and resamples.
    stratify : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Each part takes its share of every stratum.
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of the averages and of the tree.
    fit_params : dict, default=None
        Passed to fit; arrays of n_samples entries are taken row by row.
    n_resamples : int, default=0
        Bootstrap samples of the training part, for the model's own error.
    n_jobs : int, default=None
        Refits at once, through joblib.
    random_state : int, RandomState instance or None, default=None
        Of the parts, the tree where it has none, the model and the resamples.
    verbose : int, default=0
        1 shows progress of the refits.

    Returns
    -------
    regions : HonestRegions

    Raises
    ------
    TypeError
        If the model is frozen, or `tree` is no EffectTree.
    ValueError
        If y is missing, `sizes` are not three positive shares, a part has too few rows
        or groups, several effects or outputs leave a choice, or no row counts.

    Notes
    -----
    A region with fewer than two estimation rows merges into its parent. Intervals over
    rows use t with one degree of freedom less than the region has rows, or groups.

    References
    ----------
    Athey, Imbens (2016). Recursive partitioning for heterogeneous causal effects. PNAS
    113, 7353-7360.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import EffectTree, honest_regions
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(RandomForestRegressor(50), steps={"bmi": -2})
    >>> regions = honest_regions(
    ...     explainer, X, y, tree=EffectTree(n_partitions=2), random_state=0
    ... )
    >>> regions.to_frame()[["n", "std_error"]].round(1)
        n  std_error
    0  82        1.3
    1  46        2.1
    """
    if n_resamples:
        check_count("n_resamples", n_resamples)
        warn_of_few(n_resamples, 0.05, "percentile")
    table = as_table(X)
    for_parts, for_model, for_draws = seed_sequence(random_state).spawn(3)
    tree = _checked_tree(tree, for_parts)
    units = units_of(table, groups, stratify)
    rows = _three_parts(units, sizes, np.random.default_rng(for_parts))
    train, partition, estimate = rows.values()
    fitted, refitting = prepared(explainer, table, y, fit_params, for_model, rows=train)
    weights = checked_weights(sample_weight, table, explainer.weights_type)
    step = _one_step(fitted, effect)
    searched, apart = (
        fitted._explain(table.take(part), weights.take(part))[step.name]
        for part in (partition, estimate)
    )
    k = one_output(apart.outputs, output, "a tree")
    apart.refuse_of_means("a tree")
    tree = _partitioned(tree, searched, apart, k, units.codes[partition])

    effects = ForwardEffects([apart], apart.context)
    means = GroupMeans.of(effects, groups_of_tree(tree, apart.X), k)
    sample = _over_rows(means, effects, units.codes[estimate])
    refit = None
    if n_resamples:
        asked = replace(refitting, steps=(step,))
        work = partial(refit_averages, asked, fitted._table(apart.table), means, False)
        trained = units.among(train)
        draws = trained.draws(for_draws, n_resamples)
        replicates, failures = replicated(work, draws, n_resamples, n_jobs, verbose)
        distribution = BootstrapDistribution(means(effects), replicates)
        refit = _over_refits(distribution, failures, means, len(trained))
    return HonestRegions(tree, sample, refit, apart, fitted, rows)


def _checked_tree(tree: EffectTree | None, seed: np.random.SeedSequence) -> EffectTree:
    if tree is None:
        return EffectTree()
    if not isinstance(tree, EffectTree):
        raise TypeError(f"tree must be an EffectTree, got {type(tree).__name__}.")
    if tree.honest:
        raise ValueError(
            "tree has honest=True, which would split the rows once more: the estimation "
            "part does that already. Leave it False."
        )
    tree = clone(tree)
    if tree.random_state is None:
        tree.random_state = int(seed.generate_state(1)[0])
    return tree


def _three_parts(
    units: Units, sizes: Any, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Rows of each part, units whole, and every stratum in equal shares."""
    shares = np.asarray(sizes, dtype=float)
    if shares.shape != (3,) or not (shares > 0).all() or abs(shares.sum() - 1) > 1e-9:
        raise ValueError(
            "sizes must be three positive shares that sum to 1, to train, to partition "
            f"and to estimate; got {sizes!r}."
        )
    part = np.empty(len(units), dtype=int)
    for stratum in units.strata:
        order = rng.permutation(stratum)
        n_rows = units.sizes[order]
        middle = (np.cumsum(n_rows) - n_rows / 2) / n_rows.sum()
        part[order] = np.searchsorted(np.cumsum(shares)[:2], middle)
    counts = np.bincount(part, minlength=3)
    if (counts < 2).any():
        short = PARTS[int(np.argmin(counts))]
        raise ValueError(
            f"The part to {short} has {counts.min()} of {len(units)} rows, or groups, "
            "and needs two at least. Give more rows, or other sizes."
        )
    return {
        name: np.sort(units.rows_of(np.flatnonzero(part == p)))
        for p, name in enumerate(PARTS)
    }


def _one_step(explainer: FMEExplainer, effect: str | None) -> NamedStep:
    if effect is not None:
        return step_named(explainer.steps_, effect)
    steps = explainer.steps_
    if len(steps) > 1:
        raise ValueError(
            f"The explainer has {len(steps)} effects, and regions are found for one: "
            f"choose it with effect={steps[0].name!r}, for example."
        )
    return steps[0]


def _partitioned(
    tree: EffectTree,
    searched: ForwardEffect,
    apart: ForwardEffect,
    k: int,
    units: np.ndarray,
) -> EffectTree:
    """The tree over the k-th output of some rows, with the numbers of rows apart."""
    if tree.categorical_features == "auto":
        tree.categorical_features = list(searched.categorical_features)
    if tree.weights_type == "auto":
        tree.weights_type = searched.weights_type
    tree.fit(searched.X, searched.fme_2d[:, k], searched.sample_weight, groups=units)
    nlm = None if apart.nlm_2d is None else apart.nlm_2d[:, k]
    return tree._estimated_from(apart.X, apart.fme_2d[:, k], apart.sample_weight, nlm)


def _over_rows(
    means: GroupMeans, effects: ForwardEffects, units: np.ndarray
) -> EffectResults:
    """Leaf means with intervals given the model and the partition."""
    cov, n_units = means.covariance(effects, units)
    return EffectResults(
        means(effects),
        cov,
        **means.described,
        notes=[*means.outcome, *means.rules],
        df=np.maximum(n_units - 1, 1),
        covers="sample",
        title="Honest regions: over rows, given the model",
        why_missing="its rows are of one group",
    )


def _over_refits(
    distribution: BootstrapDistribution,
    failures: tuple[str, ...],
    means: GroupMeans,
    n_units: int,
) -> BootstrapResults:
    """Leaf means with intervals given the partition and the rows."""
    return BootstrapResults(
        distribution,
        failures,
        **means.described,
        covers="refit",
        title="Honest regions: over refits, given the rows",
        notes=[
            *refit_notes(f"{n_units} rows or groups to train", failures),
            *means.outcome,
        ],
    )
