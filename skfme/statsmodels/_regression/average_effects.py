"""Average marginal effects of several steps, with their joint covariance.

AME_a = Σ wᵢ FME_ai / Σ wᵢ over the rows that count for effect a. A row moves it by
ψ_ai = wᵢ (FME_ai − AME_a) / Σ wᵢ, and two effects share the rows that count for both:

    Cov(AME_a, AME_b) = √(c_a c_b) Σ_i ψ_ai ψ_bi,   c_a = n_a / (n_a − 1) for HC1, HC2,

its square for HC3, one for HC0; with clusters the sums run over clusters' sums, and
c_a = G_a / (G_a − 1), or for CR3 its inverse with each sum over the others' share of the
weight. Without weights, HC1 is SD² / n.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from skfme._results.averages import described
from skfme._results.effects import ForwardEffect
from skfme._streaming.effect_summaries import EffectSummaries
from skfme._summaries.weighting import Weighting
from skfme._text.compared import null_notes
from skfme._text.outputs import outcome_notes, output_columns
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._regression.average_summaries import averages_of_summaries
from skfme.statsmodels._regression.least_squares import deviations_from
from skfme.statsmodels._regression.sandwich import (
    cluster_gram,
    gram,
    two_way_cov,
)
from skfme.statsmodels._rows.clusters import (
    CLUSTERED,
    Clusters,
    checked_cov_type,
    cluster_notes,
    clusters_of,
)
from skfme.statsmodels._rows.counted import (
    counted_rows,
    kind_for_inference,
    kind_notes,
    refuse_other,
)
from skfme.statsmodels._rows.groups import Groups

__all__ = ["average_effects"]


def average_effects(
    effects: Mapping[str, ForwardEffect] | ForwardEffect | EffectSummaries,
    *,
    by: Any = None,
    cov_type: str | None = None,
    cov_kwds: Mapping | None = None,
    groups: Any = None,
    output: str | None = None,
    weights_type: str = "auto",
    use_t: bool = True,
) -> EffectResults:
    """Average marginal effects with standard errors over rows.

    Parameters
    ----------
    effects : ForwardEffects, ForwardEffect or EffectSummaries
        Summaries of batches have covariances HC0 and HC1, all outputs or one, and the
        groups that they were made by; their weights are as the explainer has them.
    by : column of X, list of columns, or array-like of shape (n_samples,), default=None
        Averages by group (cAMEs) instead of over all rows; missing labels are a group.
    cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "CR3"}, default=None
        None is "cluster" where `groups` are given, else "HC1", which is SD / √n without
        weights.
    cov_kwds : dict, default=None
        For "cluster" and "CR3" ``{"groups": …}``, as in :meth:`ConditionalEffects.fit`.
    groups : column of X, list of two, or array-like of shape (n_samples,) or \
            (n_samples, 2), default=None
        Clusters of rows, in one way or in two; short for `cov_kwds`.
    output : str, default=None
        One output of several; None takes all.
    weights_type : {"auto", "sampling", "frequency", "importance"}, default="auto"
        What the effects' sample weights are, as in :class:`ConditionalEffects`.
    use_t : bool, default=True
        Take the t distribution with n − 1 (or G − 1) degrees of freedom, rather than
        the normal.

    Returns
    -------
    results : EffectResults
        One estimate per effect, group and output. ``conf_int(simultaneous=True)`` and
        ``pvalues_adjusted(method)`` allow for reading many at once.

    Raises
    ------
    TypeError
        If the effects are cross-fitted, whose averages are their ``results()``.
    ValueError
        If no row counts for any effect, or weights or groups are not as they should be.

    Notes
    -----
    Intervals cover the choice of rows, with the model held fixed. An effect is averaged
    over the rows that count for it; rows that count for two effects are what their
    averages have in common.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from skfme import fme
    >>> from skfme.statsmodels import average_effects
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = lambda X: X["bmi"] * X["bp"] / 20
    >>> effects = fme(model, X, [{"bmi": -2}, {"bp": -10}])
    >>> results = average_effects(effects)
    >>> results.conf_int(simultaneous=True).round(1).to_numpy().tolist()
    [[-9.7, -9.4], [-13.5, -13.0]]
    >>> bool(results.t_test("bmi -2 = bp -10").pvalue < 0.001)
    True
    """
    if hasattr(effects, "results"):
        raise TypeError(
            "These effects are cross-fitted: each row has a model of its fold, so that rows "
            "are not all there is to it. effects.results() has the averages with their "
            "standard errors, and their spread over folds."
        )
    if isinstance(effects, EffectSummaries):
        if groups is not None or cov_kwds is not None or weights_type != "auto":
            raise ValueError(
                "Clusters, and weights of another type, need the rows, which summaries do "
                "not hold: explain a table in memory, or set weights_type on the explainer."
            )
        return averages_of_summaries(effects, by, cov_type, output, use_t=use_t)
    listed: list[Any] = (
        list(effects.values()) if isinstance(effects, Mapping) else [effects]
    )
    if not listed:
        raise ValueError("There are no effects to average.")
    for effect in listed:
        refuse_other(effect)
    if groups is not None and cov_kwds is not None:
        raise ValueError(
            "groups and cov_kwds both name clusters; give one of them, such as groups=…."
        )
    kwds = cov_kwds if groups is None else {"groups": groups}
    cells = Groups.of(listed[0].table, by)
    samples = _samples(listed, weights_type, output, cells)
    weights = samples[0].weights
    kind = checked_cov_type(cov_type or ("cluster" if kwds else "HC1"), weights)
    rows = np.flatnonzero(np.logical_or.reduce([s.mask for s in samples]))
    clusters = clusters_of(listed[0].table, kind, kwds, rows)
    cov, numbers = _covariance(samples, kind, rows, clusters)
    outputs = [samples[0].effect.outputs[k] for k in samples[0].columns]
    comparison = listed[0].comparison
    notes = outcome_notes(listed[0].context, outputs, comparison)
    notes += [*null_notes(comparison), f"Covariance {kind}."]
    if clusters is not None:
        way_out = None if kind == "CR3" else "cov_type='CR3' suits few clusters"
        notes += cluster_notes(clusters.numbers, way_out)
    if weights.given:
        notes.append(f"Weights of type {weights.kind}.")
        notes += kind_notes(listed[0], weights)
    return EffectResults(
        np.concatenate([s.means for s in samples]),
        cov,
        labels=pd.concat([s.labels() for s in samples], ignore_index=True),
        df=np.maximum(numbers - 1, 1) if use_t else None,
        covers="sample",
        nobs=np.repeat([s.weights.n for s in samples], [len(s.means) for s in samples]),
        title="Average marginal effects",
        notes=notes,
        null=comparison.null,
        more=pd.concat([s.more() for s in samples], ignore_index=True),
        why_missing=f"fewer than two {'rows' if clusters is None else 'clusters'} count for it",
        # Averages of other rows each, or two ways of clusters, are no one sample.
        sample_cov=by is None and (clusters is None or len(clusters.ways) == 1),
    )


@dataclass(frozen=True, eq=False)
class _Sample:
    """One effect over the rows that count for it.

    Attributes
    ----------
    effect : ForwardEffect
    columns : list of int
        K of the effect's outputs.
    mask : ndarray of bool of shape (n_samples,)
    weights : Weighting
        Of the rows that count.
    means : ndarray of shape (K,)
        NaN where no row counts.
    still : ndarray of bool of shape (K,)
        Whether the effect is the same in every row.
    group : dict
        Labels of the group whose rows these are; empty for all rows.
    ends : pair of ndarray of shape (1, K), or None
        Average predictions before and after the step.
    """

    effect: ForwardEffect
    columns: list[int]
    mask: np.ndarray
    weights: Weighting
    means: np.ndarray
    still: np.ndarray
    group: dict[str, Any]
    ends: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(
        cls,
        effect: ForwardEffect,
        weights_type: str,
        output: str | None,
        group: dict[str, Any],
        members: np.ndarray,
    ) -> _Sample:
        columns = output_columns(effect.outputs, output)
        mask = effect.counted & (effect.weights.whole() > 0) & members
        if not mask.any():
            unknown = np.full(len(columns), np.nan)
            none = effect.weights.take(mask)
            none = replace(none, kind=kind_for_inference(none, weights_type))
            return cls(effect, columns, mask, none, unknown, unknown == 0, group)
        counted = counted_rows(effect, weights_type, output).take(np.flatnonzero(mask))
        weights, ends = counted.weights, None
        if effect.before_2d is not None:
            before, after = (
                (weights.dot(array[counted.rows][:, columns]) / weights.sum)[None]
                for array in effect.ends_2d()
            )
            ends = (before, after)
        values = _averaged(effect, counted.rows, columns, ends)
        means = weights.dot(values) / weights.sum
        still = (deviations_from(means, values) == 0).all(axis=0)
        return cls(effect, columns, mask, weights, means, still, group, ends)

    def labels(self) -> pd.DataFrame:
        labels = pd.DataFrame({"effect": [self.effect.name] * len(self.columns)})
        if len(self.effect.outputs) > 1:
            labels["output"] = [str(self.effect.outputs[k]) for k in self.columns]
        return labels.assign(**self.group)

    def more(self) -> pd.DataFrame:
        """Average predictions before and after, and how they are compared."""
        if self.effect.before_2d is None:
            return pd.DataFrame(index=range(len(self.columns)))
        unknown = np.full((2, len(self.columns)), np.nan)
        before, after = unknown if self.ends is None else np.vstack(self.ends)
        table = pd.DataFrame({"before": before, "after": after})
        return table.assign(**described(self.effect.comparison))

    def contributions(self, rows: np.ndarray, kind: str) -> np.ndarray:
        """What each row moves the averages by, of shape (b, K); 0 where it does not count."""
        mask = self.mask[rows]
        counting = rows[mask]
        values = _averaged(self.effect, counting, self.columns, self.ends)
        deviations = values - self.means
        factors = self._factors(self.effect.weights.take(counting).whole(), kind)
        moved = np.zeros((len(rows), len(self.columns)))
        moved[mask] = np.where(self.still, 0.0, deviations) * factors[:, None]
        return moved

    def _factors(self, w: np.ndarray, kind: str) -> np.ndarray:
        """ψᵢ over FMEᵢ − AME, for rows of weights w."""
        n, total = self.weights.total, self.weights.sum
        if n < 2:
            return np.full(len(w), np.nan)
        if kind == "nonrobust":
            return np.sqrt(w / (total * (n - 1)))
        if kind in CLUSTERED:
            return w / total
        power = self.weights.power
        leverages = (1.0 if self.weights.counting else w) / total
        adjustment = {"HC2": 0.5, "HC3": 1.0}.get(kind, 0.0)
        scale = np.sqrt(n / (n - 1)) if kind == "HC1" else 1.0
        return scale * w**power / total / (1 - leverages) ** adjustment

    def share_of_clusters(self, codes: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Share of each cluster in the weight of the rows that count."""
        w = np.where(self.mask, self.effect.weights.whole(), 0.0)[rows]
        weight = np.bincount(codes, w)
        return weight / max(weight.sum(), np.finfo(float).tiny)


def _averaged(
    effect: ForwardEffect,
    rows: np.ndarray,
    columns: list[int],
    ends: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """Values of some rows whose mean is the average, to first order."""
    if not effect.comparison.of_means or ends is None:
        return effect.fme_2d[rows][:, columns]
    before, after = (array[rows][:, columns] for array in effect.ends_2d())
    return effect.comparison.linearised(before, after, ends)


def _samples(
    effects: list[ForwardEffect], weights_type: str, output: str | None, cells: Groups
) -> list[_Sample]:
    """Each effect over its rows, by group; an error if there are none for any."""
    _refuse_other_rows(effects)
    samples = []
    for effect in effects:
        for k in range(len(cells.keys)):
            group = cells.keys.iloc[k].to_dict()
            members = cells.codes == k
            if cells.keys.empty or (effect.counted & members).any():
                labels = {str(name): label for name, label in group.items()}
                samples.append(
                    _Sample.of(effect, weights_type, output, labels, members)
                )
    if not any(sample.weights.n for sample in samples):
        counted_rows(effects[0], weights_type)  # says why no row counts
    return samples


def _refuse_other_rows(effects: list[ForwardEffect]) -> None:
    if len({effect.comparison.null for effect in effects}) > 1:
        raise ValueError(
            "Some of these effects are ratios, and others are not: average them apart."
        )
    sizes = {len(effect.counted) for effect in effects}
    if len(sizes) > 1:
        raise ValueError(
            f"The effects are of tables with {' and '.join(map(str, sorted(sizes)))} rows; "
            "a joint covariance needs effects of the same rows."
        )


def _covariance(
    samples: list[_Sample], kind: str, rows: np.ndarray, clusters: Clusters | None
) -> tuple[np.ndarray, np.ndarray]:
    """Joint covariance, and how many rows (or clusters) each average rests on."""
    sizes = [len(sample.columns) for sample in samples]

    def block(some: slice) -> np.ndarray:
        return np.hstack([s.contributions(rows[some], kind) for s in samples])

    def present(codes: np.ndarray) -> np.ndarray:
        counts = [np.count_nonzero(np.bincount(codes[s.mask[rows]])) for s in samples]
        return np.repeat(counts, sizes)

    def left_out(codes: np.ndarray) -> np.ndarray:
        """By how much more the averages move as each cluster is left out."""
        shares = [s.share_of_clusters(codes, rows) for s in samples]
        with np.errstate(divide="ignore"):
            return np.repeat(1 / (1 - np.array(shares)), sizes, axis=0)

    def clustered(ways: Clusters) -> np.ndarray:
        more = left_out if kind == "CR3" else None
        return marked(cluster_gram(block, ways, sum(sizes), present, more))

    def marked(cov: np.ndarray) -> np.ndarray:
        cov[numbers < 2] = cov[:, numbers < 2] = np.nan
        return cov

    if clusters is None:
        numbers = np.repeat([sample.weights.total for sample in samples], sizes)
        return marked(gram(block, len(rows), sum(sizes))), numbers
    numbers = np.min([present(codes) for codes in clusters.ways], axis=0)
    return two_way_cov(clustered, clusters, kind), numbers
