"""Optima of average predictions over refits: resample, fit again, find the optimum anew.

v*_g of each group is found on the same rows by every refitted model. Of models that are
constant between thresholds it jumps from level to level, and intervals are percentiles;
of smooth ones they are normal, on the log scale where the feature is read so. Where more
than a twentieth of the resamples have their optimum at the edge of what was observed, it
is a bound, and has no interval. How refits are made, and an optimum found, lives below.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from statsmodels.stats.contrast import ContrastResults

from skfme._explainer.explainer import FMEExplainer
from skfme._explainer.optimum import OptimumRequest, optimum_of, read_request
from skfme._frames.tables import as_table
from skfme._results.optima import ResponseOptimum
from skfme._text.printing import Text
from skfme.statsmodels._inference.equivalence import EquivalenceResults
from skfme.statsmodels._inference.names import refuse_taken_columns
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._inference.text import WIDTH
from skfme.statsmodels._refits.bootstrap import refit_notes
from skfme.statsmodels._refits.bootstrap_results import BootstrapResults, warn_of_few
from skfme.statsmodels._refits.confidence import (
    METHODS,
    BootstrapDistribution,
    refuse_unknown,
)
from skfme.statsmodels._refits.refitting import Refitting, prepared, replicated
from skfme.statsmodels._refits.resampling import Units, check_count, seed_sequence

if TYPE_CHECKING:
    from skfme.plotting import OptimumDisplay

__all__ = ["OptimumEquality", "OptimumResults", "optimum_effects"]

MOST_AT_EDGE = 0.05
BIASED_SMOOTHER = (
    "A flexible model smooths, and smoothing moves optima by a bias that no resample "
    "shows: a test of exact equality then rejects optima that are equal. Read the "
    "equivalence test, with a margin that matters."
)


@dataclass(frozen=True, repr=False)
class OptimumEquality:
    """Whether optima are the same in all groups.

    Attributes
    ----------
    differences : EffectResults
        Of each pair of groups, the later minus the earlier: of logarithms where the
        feature is read so.
    wald : statsmodels ContrastResults
        χ² test that all are exactly equal.
    equivalence : EquivalenceResults or None
        Whether each difference lies within the margin; None without one.
    log : bool
    """

    differences: EffectResults
    wald: ContrastResults
    equivalence: EquivalenceResults | None
    log: bool

    @property
    def equivalent(self) -> bool | None:
        """Whether all pairs are equivalent; None without a margin."""
        if self.equivalence is None:
            return None
        return bool(self.equivalence.equivalent.all())

    def summary(self) -> Text:
        """Both tests in words and numbers.

        Returns
        -------
        text : str
        """
        logs = "logarithms (0.1 is about a tenth)"
        unit = logs if self.log else "the feature's units"
        wald = (
            f"Exact equality: chi2({int(self.wald.df_denom)}) = "
            f"{float(self.wald.statistic):.3g}, P = {float(self.wald.pvalue):.3g}."
        )
        parts = [f"Differences are in {unit}.", wald, BIASED_SMOOTHER]
        text = "\n".join(textwrap.fill(part, WIDTH) for part in parts)
        shown = self.differences if self.equivalence is None else self.equivalence
        return Text(f"{shown.summary()}\n\n{text}")

    def __str__(self) -> str:
        return str(self.summary())

    __repr__ = __str__


class OptimumResults(BootstrapResults):
    """Optima of average predictions, with the distribution they have over refits.

    Made by :func:`optimum_effects`. Estimates, replicates and intervals are in the
    feature's units; where the feature is read in logarithms, normal intervals are those
    of logarithms, taken back.

    Attributes
    ----------
    optimum : ResponseOptimum
        By the model fitted on all rows: curves, ranges, edges.
    share_at_edge : Series
        Resamples whose optimum lies at the edge of what was observed.
    replicates : ndarray of shape (n_resamples - n_failed, k)
        The optimum in each resample.
    method : str
        How intervals are read from the replicates.
    failures : tuple of str
        The error of each refit that failed.
    """

    def __init__(
        self,
        optimum: ResponseOptimum,
        distribution: BootstrapDistribution,
        at_edge: np.ndarray,
        failures: tuple[str, ...] = (),
        **described: Any,
    ) -> None:
        self.optimum = optimum
        self._is_bound = at_edge.mean(axis=0) > MOST_AT_EDGE
        super().__init__(distribution, failures, **described)
        self.share_at_edge = self._series(at_edge.mean(axis=0), "share_at_edge")

    @property
    def on_scale(self) -> BootstrapResults:
        """The same on the scale that the feature is read on: logarithms, or its own."""
        of, take = self._distribution, np.log if self.optimum.log else np.asarray
        labels = self.labels.copy()
        if self.optimum.log:
            labels["effect"] = [f"log {effect}" for effect in labels["effect"]]
        scaled = take(of.estimates), take(of.replicates)
        return BootstrapResults(
            BootstrapDistribution(*scaled, None, of.method),
            self.failures,
            labels=labels,
            covers=self.covers,
            title=self.title,
            notes=self.notes[:1],
        )

    def conf_int(
        self,
        alpha: float = 0.05,
        *,
        simultaneous: bool = False,
        method: str | None = None,
    ) -> pd.DataFrame:
        """Confidence intervals; NaN where the optimum is a bound.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage.
        simultaneous : bool, default=False
            As in :meth:`BootstrapResults.conf_int`.
        method : {"percentile", "basic", "normal"}, default=None
            None is the results' own.

        Returns
        -------
        intervals : DataFrame of shape (k, 2)
            Lower and upper ends in columns 0 and 1.
        """
        asked: dict[str, Any] = {"simultaneous": simultaneous, "method": method}
        if self.optimum.log:
            ends = self.on_scale.conf_int(alpha, **asked)
            intervals = pd.DataFrame(np.exp(ends.to_numpy()), self.names, ends.columns)
        else:
            intervals = super().conf_int(alpha, **asked)
        intervals[self._is_bound] = np.nan
        return intervals

    @property
    def tvalues(self) -> pd.Series:
        """Estimates over standard errors; NaN where the optimum is a bound."""
        return super().tvalues.mask(self._is_bound)

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of an optimum at 0; NaN where it is a bound."""
        return super().pvalues.mask(self._is_bound)

    def plot(self, **options: Any) -> OptimumDisplay:
        """Draw the curves of the model of all rows; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.OptimumDisplay.from_optimum`.

        Returns
        -------
        display : OptimumDisplay
        """
        return self.optimum.plot(**options)

    def equality(
        self, margin: float | None = None, *, alpha: float = 0.05
    ) -> OptimumEquality:
        """Test whether the optimum is the same in all groups.

        Parameters
        ----------
        margin : float, default=None
            Differences below it count as none: of logarithms where the feature is read
            so (0.1 is about a tenth), else in its units. None tests exact equality
            alone, which a flexible model's bias may reject though it holds.
        alpha : float, default=0.05
            Level of the equivalence test.

        Returns
        -------
        equality : OptimumEquality

        Raises
        ------
        ValueError
            If there are fewer than two groups, an optimum is a bound, or none of them
            differs in any resample.
        """
        given: Any = margin
        if margin is not None and not (
            isinstance(given, Real) and 0 < float(given) < np.inf
        ):
            raise ValueError(f"margin must be a positive number, got {margin!r}.")
        if len(self.names) < 2:
            raise ValueError(
                "equality compares the optima of groups, and there is one of all rows. "
                "Give optimum_effects the groups, by=…"
            )
        bounds = list(self.share_at_edge.index[self._is_bound])
        if bounds:
            raise ValueError(
                f"The optimum of {', '.join(bounds[:3])} lies at the edge of what was "
                "observed in more than 5 % of the resamples: a bound, which equals "
                "nothing. Observe the feature over a wider range."
            )
        scaled = self.on_scale
        differences = scaled.pairwise(None)
        tests = None
        if margin is not None:
            tests = differences.equivalence_test(-margin, margin, alpha=alpha)
        R = _within_outputs(self.labels)
        return OptimumEquality(
            differences, scaled.wald_test(R), tests, self.optimum.log
        )

    @property
    def _tests_shown(self) -> set[str]:
        return set()  # an optimum at 0 is nothing that anyone asks about

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(share_at_edge=self.share_at_edge.to_numpy())

    def _all_notes(self) -> list[str]:
        notes = super()._all_notes()
        for name, share in self.share_at_edge[self._is_bound].items():
            notes.append(
                f"{name}: {share:.0%} of the resamples have their optimum at the edge of "
                "what was observed: it is a bound, and has no interval."
            )
        if self.optimum.context.has_jumps:
            notes.append(
                "The model is constant between thresholds: it says at which level the "
                "optimum lies, and its interval leads from level to level."
            )
        elif len(self.names) > 1:
            notes.append(BIASED_SMOOTHER)
        return notes


def _within_outputs(labels: pd.DataFrame) -> np.ndarray:
    """Each group of an output minus its first."""
    outputs = labels["output"] if "output" in labels else pd.Series(0, labels.index)
    one, found = np.eye(len(labels)), outputs.groupby(outputs, sort=False).indices
    rows = [one[p] - one[places[0]] for places in found.values() for p in places[1:]]
    if not rows:
        raise ValueError("equality compares groups, and each output has one only.")
    return np.array(rows)


def optimum_effects(
    explainer: FMEExplainer,
    X: Any,
    y: Any,
    feature: Hashable,
    *,
    direction: str,
    by: Any = None,
    margin: float | None = None,
    scale: str = "auto",
    n_resamples: int = 199,
    groups: Any = None,
    stratify: Any = None,
    sample_weight: Any = None,
    fit_params: dict[str, Any] | None = None,
    method: str | None = None,
    n_jobs: int | None = None,
    random_state: Any = None,
    verbose: int = 0,
) -> OptimumResults:
    """The value of a feature at which the average prediction is best, with intervals.

    Parameters
    ----------
    explainer : FMEExplainer
        Fitted or not: a clone is fitted on all rows for the estimates, and its model
        again on each resample. A ``FrozenEstimator`` cannot be.
    X : array-like or dataframe of shape (n_samples, n_features)
        Training rows, over which all curves are averaged.
    y : array-like of shape (n_samples,) or (n_samples, n_targets)
    feature : column name, or position for an array
    direction : {"min", "max"}
    by : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Groups of rows, each of which has an optimum of its own.
    margin : float, default=None
        Of the ranges in ``results.optimum``, as in :meth:`FMEExplainer.optimum`.
    scale : {"auto", "linear", "log"}, default="auto"
        How the feature is read, as in :meth:`FMEExplainer.optimum`.
    n_resamples : int, default=199
    groups : array-like of shape (n_samples,), default=None
        Rows of a group are drawn together: families of runs, patients.
    stratify : array-like of shape (n_samples,), default=None
        Draws keep the size of each stratum.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the averages.
    fit_params : dict, default=None
        Passed to fit; arrays of n_samples entries are taken row by row.
    method : {"percentile", "basic", "normal"}, default=None
        How intervals are read. None is "percentile" for models that are constant between
        thresholds, and "normal" for smooth ones.
    n_jobs : int, default=None
        Refits at once, through joblib.
    random_state : int, RandomState instance or None, default=None
    verbose : int, default=0
        1 shows progress.

    Returns
    -------
    results : OptimumResults
        ``results.equality(margin)`` tests whether groups have the same optimum,
        ``results.optimum`` has the curves.

    Raises
    ------
    TypeError
        If the model is frozen, or explainer is no FMEExplainer.
    ValueError
        If the feature has one value or is not numeric, or a parameter is unknown.
    RuntimeError
        If more than a tenth of the refits fail.

    Notes
    -----
    Intervals cover the noise of the training rows, not the model's own bias: a smoother
    rounds a valley off and moves its lowest point. Where a law is known, fit it, and take
    its optimum as a function of its parameters.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import SplineTransformer
    >>> from sklearn.linear_model import Ridge
    >>> from skfme import FMEExplainer
    >>> from skfme.statsmodels import optimum_effects
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = make_pipeline(SplineTransformer(3), Ridge())
    >>> explainer = FMEExplainer(model, steps={"s3": 1})
    >>> results = optimum_effects(
    ...     explainer, X, y, "s3", direction="min", n_resamples=20, random_state=0
    ... )
    >>> results.share_at_edge.to_numpy() > 0.05  # a bound: no interval
    array([ True])
    """
    check_count("n_resamples", n_resamples)
    if method is not None:
        refuse_unknown("method", method, [m for m in METHODS if m != "bca"])
    fit_seed, draw_seed = seed_sequence(random_state).spawn(2)
    table = as_table(X)
    units = Units.of(len(table), groups, stratify)
    fitted, refitting = prepared(explainer, table, y, fit_params, fit_seed)
    asked = (feature, direction, by, margin, scale, sample_weight)
    request = read_request(fitted, refitting.table, *asked)
    refuse_taken_columns(request.keys, "share_at_edge")
    optimum = optimum_of(fitted, request)
    if method is None:
        method = "percentile" if optimum.context.has_jumps else "normal"
    warn_of_few(n_resamples, 0.05, method)
    work = partial(_refitted_optimum, refitting, request)
    draws = units.draws(draw_seed, n_resamples)
    outcomes, failures = replicated(work, draws, n_resamples, n_jobs, verbose)
    return _results(optimum, outcomes, method, failures, len(units))


def _refitted_optimum(
    refitting: Refitting,
    request: OptimumRequest,
    rows: np.ndarray,
    seed: np.random.SeedSequence,
) -> np.ndarray:
    """The optima by a model of some rows, and whether they lie at the edge."""
    best = optimum_of(refitting._over(rows, seed), request).best
    return np.array([[b.point, bool(b.open_side)] for b in best], dtype=float)


def _results(
    optimum: ResponseOptimum,
    outcomes: np.ndarray,
    method: str,
    failures: tuple[str, ...],
    n_units: int,
) -> OptimumResults:
    labels = optimum.labels.copy()
    labels.insert(0, "effect", optimum.feature)
    kind = "lowest" if optimum.direction == "min" else "highest"
    notes: Sequence[str] = refit_notes(f"{n_units} rows or groups", failures)
    return OptimumResults(
        optimum,
        BootstrapDistribution(optimum.points, outcomes[:, :, 0], None, method),
        outcomes[:, :, 1],
        failures,
        labels=labels,
        nobs=optimum.n,
        covers="refit",
        title=f"{optimum.feature} at which {optimum.context.model} predicts {kind}",
        notes=notes,
    )
