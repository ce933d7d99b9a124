"""Averages of effects with their joint covariance, from sums over rows.

A = Σ ω g(μ(x), μ(x⁺)) / Σ ω of each effect, output and group, or g of the average
predictions, and Var(A) ≈ J V Jᵀ with J = ∂A/∂θ; the Js of all are stacked, so that their
covariance is joint.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn import get_config

from skfme._engine.stepping import STATUSES
from skfme._results.averages import Ends, described
from skfme._text.outputs import output_columns
from skfme._text.reasons import no_row_counts
from skfme.statsmodels._delta.mean import EstimatedMean
from skfme.statsmodels._delta.plan import Plan
from skfme.statsmodels._delta.sums import EffectMoments, Sums

__all__ = ["Estimates"]


@dataclass(frozen=True)
class Estimates:
    """Averages of effects over groups, with their gradients in the parameters.

    Attributes
    ----------
    values : ndarray of shape (n_estimates,)
    covariance : ndarray of shape (n_estimates, n_estimates)
    gradients : ndarray of shape (n_estimates, p)
    n : ndarray of shape (n_estimates,), int
    labels : DataFrame of n_estimates rows
    more : DataFrame of n_estimates rows
        The average predictions that are compared, and how.
    """

    values: np.ndarray
    covariance: np.ndarray
    gradients: np.ndarray
    n: np.ndarray
    labels: pd.DataFrame
    more: pd.DataFrame

    @classmethod
    def of(
        cls, mean: EstimatedMean, plan: Plan, sums: Sums, output: str | None
    ) -> Estimates:
        """Estimates of what some rows count for; a warning names the rest."""
        outputs = mean.fitted.outputs
        chosen = np.array(output_columns(outputs, output))
        _warn_of_empty(sums, plan)
        counting = np.repeat(sums.weight[:, None] > 0, len(chosen), axis=1)
        effects, positions, groups = np.nonzero(counting)
        columns = chosen[positions]
        _refuse_too_many(len(effects))
        if sums.moments is not None:
            _refuse_single_rows(sums, plan)
        weight = sums.weight[effects, groups]
        cells = (effects, groups, columns)
        ends = np.array([end[cells] / weight for end in sums.ends])
        parts = np.array([part[cells] / weight[:, None] for part in sums.gradient])
        comparison = plan.comparisons[0]
        # What estimates are made of, and their slopes in it.
        if comparison.of_means:
            before, after = ends[:, :, None]
            values = comparison(before, after)[:, 0]
            slopes = np.array(comparison.slopes(before, after))[:, :, 0]
        else:
            values = sums.total[cells] / weight
            slopes = np.ones((1, len(values)))
        gradients = np.einsum("ik,ikp->kp", slopes, parts)
        cov = gradients @ mean.covariance.matrix @ gradients.T
        if sums.moments is not None:
            means = ends if comparison.of_means else values[None]
            cov += _moved_by_rows(sums.moments, cells, means, weight, slopes, outputs)
        labels = pd.DataFrame({"effect": [plan.steps[i].name for i in effects]})
        if len(outputs) > 1:
            labels["output"] = [outputs[i] for i in columns]
        for name, keys in plan.rows.groups.keys.items():
            labels[name] = keys.to_numpy()[groups]
        n = sums.n[effects, groups]
        known = ends if mean.fitted.has_level else np.full_like(ends, np.nan)
        more = pd.DataFrame(dict(zip(Ends._fields, known, strict=True)))
        more = more.assign(**described(comparison))
        return cls(values, (cov + cov.T) / 2, gradients, n, labels, more)


def _moved_by_rows(
    moments: EffectMoments,
    cells: tuple[np.ndarray, np.ndarray, np.ndarray],
    means: np.ndarray,
    weight: np.ndarray,
    slopes: np.ndarray,
    outputs: Sequence[str],
) -> np.ndarray:
    """Covariance by the choice of rows, of estimates with slopes in some means."""
    effects, groups, columns = cells
    n_parts, k = means.shape
    # Of each effect in z, the outputs of one part lie behind those of the other.
    place = effects * len(outputs) * n_parts + columns
    places = np.concatenate([place + i * len(outputs) for i in range(n_parts)])
    joint = moments.covariance(
        np.tile(groups, n_parts), places, means.ravel(), np.tile(weight, n_parts)
    )
    moved = joint.reshape(n_parts, k, n_parts, k)
    cov: np.ndarray = np.einsum("ik,ikjl,jl->kl", slopes, moved, slopes)
    return cov


def _warn_of_empty(sums: Sums, plan: Plan) -> None:
    """Name what no row counts for; refuse if that is everything."""
    empty = sums.weight <= 0
    if empty.all():
        reasons = no_row_counts(plan.steps[0].name, sums.left_out(0))
        raise ValueError(f"{reasons}, so that there is no average.")
    # A group may well be where the step leads, and then nothing is amiss.
    at_target = sums.status[:, :, STATUSES.index("at_target")]
    amiss = empty & (at_target < sums.status.sum(axis=2))
    if amiss.any():
        warnings.warn(
            f"No row counts for {_cells(amiss, plan)}: left out.",
            UserWarning,
            stacklevel=4,
        )


def _refuse_single_rows(sums: Sums, plan: Plan) -> None:
    """Refuse to cover the choice of rows where there is one row, which has no variance."""
    single = (sums.weight > 0) & (sums.n == 1)
    if single.any():
        raise ValueError(
            "covers='sample + parameters' needs two rows at least, and one row counts for "
            f"{_cells(single, plan)}: its variance over the choice of rows is unknown. "
            "Take covers='parameters', also for rows that profiles(…) makes, which are no "
            "sample."
        )


def _cells(mask: np.ndarray, plan: Plan) -> str:
    """Effects and groups in words, of a mask of shape (n_effects, n_groups)."""
    texts = []
    for effect, group in np.argwhere(mask):
        labels = plan.rows.groups.keys.iloc[group].items()
        key = ", ".join(f"{name}={label}" for name, label in labels)
        where = f" where {key}" if key else ""
        texts.append(f"{plan.steps[effect].name!r}{where}")
    more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
    return "; ".join(texts[:5]) + more


def _refuse_too_many(n_estimates: int) -> None:
    megabytes = 8 * n_estimates**2 / 2**20
    if megabytes > get_config()["working_memory"]:
        raise ValueError(
            f"{n_estimates:,} estimates have a joint covariance of {megabytes:,.0f} MB, "
            "more than scikit-learn's working_memory. Use fewer groups or effects, or "
            "sklearn.set_config(working_memory=…)."
        )
