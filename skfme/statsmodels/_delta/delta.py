"""Average marginal effects of statsmodels models, with standard errors by delta method.

With f(x; θ) the prediction, θ̂ the estimates with covariance V, and weights ω,
A(θ) = Σ ωᵢ [f(xᵢ⁺; θ) − f(xᵢ; θ)] / Σ ωᵢ and Var(A) ≈ J V Jᵀ, J = ∂A/∂θ; the Js of all
effects, groups and outputs are stacked, so that their covariance is joint. Rows are
taken in batches, of which only sums of p entries are kept. How a model's design and
gradients are made is told in `_designs.py` and `_gradients.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config

from skfme._engine.stepping import STATUSES
from skfme._frames.checks import checked_weights
from skfme._frames.hints import known_names, nearest
from skfme._frames.schema import converted
from skfme._frames.tables import as_table
from skfme._summaries.weighting import Weighting
from skfme.statsmodels._delta.averaging import Rows, Sums, sums_of_effects
from skfme.statsmodels._delta.identification import warn_of_unidentified
from skfme.statsmodels._delta.plan import Plan, columns_read
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._models.designs import check_design
from skfme.statsmodels._models.fitted import FittedModel, fitted_model
from skfme.statsmodels._models.gradients import Index, mean_function
from skfme.statsmodels._models.offsets import Offset, offset_columns, offset_of
from skfme.statsmodels._rows.groups import Groups
from skfme.steps._changes import NamedStep

__all__ = ["delta_effects"]

COVERS = ("parameters", "sample + parameters")


def delta_effects(
    results: Any,
    data: Any,
    steps: Any = None,
    *,
    by: Any = None,
    sample_weight: Any = None,
    output: str | None = None,
    covers: str = "parameters",
    cov: Any = None,
    cov_type: str | None = None,
    cov_kwds: Mapping | None = None,
    offset: Any = None,
    exposure: Any = None,
    background: Any = None,
    extrapolation: Any = None,
    categorical_features: Any = "auto",
    batch_size: int | str = "auto",
) -> EffectResults:
    """Average marginal effects of a fitted statsmodels model, by the delta method.

    Parameters
    ----------
    results : results object of a statsmodels fit, or fitted StatsmodelsEstimator
        Any that has ``params``, ``cov_params()`` and whose model predicts from
        parameters and a design matrix. Gradients are analytic for OLS, WLS, GLS,
        QuantReg, RLM, MixedLM, GLM and GEE of every family and link, Logit, Probit,
        Poisson, the negative binomial and generalised Poisson models, MNLogit and
        OrderedModel; central differences for others.
    data : dataframe or array of shape (n, n_columns)
        Rows to average over, with the columns of the formula, or of the model's
        ``exog`` (whose constant may be left out); others are ignored.
    steps : mapping, list of mappings, "unit", "sd", "iqr" or None, default=None
        What is changed, as in :class:`skfme.FMEExplainer`. A column that the formula
        takes by ``C(…)`` only is categorical, whatever its type.
    by : column of data, list of columns, or array-like of shape (n,), default=None
        Groups whose averages (cAMEs) are formed. A group is where the row stands
        before the step.
    sample_weight : array-like of shape (n,), default=None
        Weights of the averages. They say nothing of the model: the weights of its fit,
        of whatever kind, are in its own covariance, and are not taken over.
    output : str, default=None
        One output of a multinomial or an ordered model; None takes all.
    covers : {"parameters", "sample + parameters"}, default="parameters"
        What the intervals cover: the estimation of the parameters, with the rows held
        fixed; or also the choice of rows, taken as independent draws.
    cov : array-like of shape (p, p), default=None
        Covariance of the parameters instead of the fit's own, which carries through
        whatever type it has.
    cov_type, cov_kwds : str and mapping, default=None
        Another type instead of the fit's own, as in statsmodels' ``fit``.
    offset, exposure : column of data, or array-like of shape (n,), default=None
        As the model was fitted with; needed where the data are not the rows it was
        fitted on. A row keeps its own, unless the column named is stepped.
    background : dataframe or array, default=None
        Rows from which ranges, categories and SDs come; None takes the data.
    extrapolation : None, "envelope", Envelope or outlier detector, default=None
        Which stepped rows do not count. None counts all, unlike :func:`skfme.fme`: an
        AME of a parametric model is, by econometric convention, over all rows, and its
        functional form is what is trusted where the step leads.
    categorical_features : "auto" or list, default="auto"
        As in :class:`skfme.FMEExplainer`.
    batch_size : int or "auto", default="auto"
        Rows taken at once.

    Returns
    -------
    effects : EffectResults
        One estimate for each effect, output and group, with their joint covariance.
        The t distribution is used where the fit uses it.

    Raises
    ------
    TypeError
        If the model is not fitted, not of statsmodels, or has no covariance.
    ValueError
        If the rebuilt design, or the predictions made from it, differ from the model's
        own, or an input does not fit the model or the data.

    Warns
    -----
    ConvergenceWarning
        If the fit did not converge.

    Notes
    -----
    With weights ω, Var ≈ J V Jᵀ, and Σ ω² (FME − A)² / (Σ ω)² is added where the choice
    of rows is covered, which supposes that the conditional mean is correctly specified
    and that weights are sampling weights; repeat rows for frequency weights.

    References
    ----------
    Dowd, Greene, Norton (2014). Computation of standard errors. Health Services
    Research 49, 731-750, section on the delta method.

    Terza (2016). Inference using sample means of parametric nonlinear data
    transformations. Health Services Research 51, 1109-1113.

    Examples
    --------
    >>> import statsmodels.api as sm
    >>> import statsmodels.formula.api as smf
    >>> from skfme import Contrast
    >>> from skfme.statsmodels import delta_effects
    >>> data = sm.datasets.fair.load_pandas().data
    >>> data["affair"] = (data["affairs"] > 0).astype(int)
    >>> fit = smf.logit("affair ~ age + C(religious) + children", data).fit(disp=0)
    >>> effects = delta_effects(fit, data, [{"age": 5}, {"religious": Contrast(1, 4)}])
    >>> effects.to_frame()[["effect", "estimate", "std_error"]].round(4)
                 effect  estimate  std_error
    0            age +5    0.0290     0.0057
    1  religious 1 -> 4   -0.2644     0.0206
    """
    if covers not in COVERS:
        raise ValueError(f"covers must be one of {COVERS}, got {covers!r}.")
    if hasattr(results, "results_"):  # a StatsmodelsEstimator, which knows its columns
        offset = results.offset if offset is None else offset
        exposure = results.exposure if exposure is None else exposure
    classes = getattr(results, "classes_", None)
    fitted = fitted_model(getattr(results, "results_", results), classes)
    fitted.warn_if_not_converged()
    if covers != "parameters" and fitted.is_clustered(cov_type):
        raise ValueError(
            f"covers={covers!r} takes the rows as independent draws, which the covariance "
            f"of this {fitted.name} fit does not. Use covers='parameters', or "
            "bootstrap_effects with groups."
        )
    V, df = fitted.inference(cov, cov_type, cov_kwds)
    verified = check_design(fitted.design, fitted.model)

    table = as_table(data)
    weights = checked_weights(sample_weight, table)
    groups = Groups.of(table, by)
    added = offset_of(fitted, table, offset, exposure)
    named = list(offset_columns(offset, exposure).values())
    inner = columns_read(fitted, table, named)
    plan = Plan.of(
        fitted,
        table if background is None else as_table(background),
        weights if background is None else Weighting(None, len(as_table(background))),
        named,
        steps,
        extrapolation,
        categorical_features,
    )
    rows = Rows(
        converted(inner, plan.kind, plan.columns),
        weights.whole(),
        groups.codes,
        len(groups.keys),
        added,
    )
    mean = mean_function(fitted, np.sqrt(np.diag(V)))
    sums = sums_of_effects(
        *(fitted, mean, rows, plan.steps, plan.support, batch_size),
        verified=verified,
        with_moments=covers != "parameters",
    )
    estimates = Estimates.of(sums, fitted, plan.steps, groups, output)
    effects = EffectResults(
        estimates.values,
        estimates.covariance(V, sums),
        labels=estimates.labels,
        df=None if sums.moments is not None else df,
        covers=covers,
        nobs=estimates.n,
        title=f"Average marginal effects of {fitted.name}, delta method",
        notes=[
            *_notes_on_model(fitted, cov, cov_type, added, weights),
            *_notes_on_rows(sums, plan.steps),
        ],
    )
    if isinstance(mean, Index) and fitted.model.exog is not None:
        warn_of_unidentified(
            fitted.model.exog, estimates.gradients, mean.positions, effects.names
        )
    return effects


@dataclass(frozen=True)
class Estimates:
    """Averages of effects over groups, with their gradients in the parameters.

    Attributes
    ----------
    values : ndarray of shape (n_estimates,)
    gradients : ndarray of shape (n_estimates, p)
    n : ndarray of shape (n_estimates,), int
    labels : DataFrame of n_estimates rows
    cells : ndarray of shape (n_estimates, 3), int
        Effect, output and group of each.
    """

    values: np.ndarray
    gradients: np.ndarray
    n: np.ndarray
    labels: pd.DataFrame
    cells: np.ndarray

    @classmethod
    def of(
        cls,
        sums: Sums,
        fitted: FittedModel,
        steps: tuple[NamedStep, ...],
        groups: Groups,
        output: str | None,
    ) -> Estimates:
        n_effects, n_groups, n_outputs = sums.total.shape
        outputs = _chosen(fitted.outputs, output)
        cells = np.array(
            [
                (effect, output, group)
                for effect in range(n_effects)
                for output in outputs
                for group in range(n_groups)
                if sums.weight[effect, group] > 0
            ]
        )
        _warn_of_empty(sums, steps, groups)
        _refuse_too_many(len(cells))
        effect, which, group = cells.T
        weight = sums.weight[effect, group]
        labels = pd.DataFrame({"effect": [steps[i].name for i in effect]})
        if n_outputs > 1:
            labels["output"] = [fitted.outputs[i] for i in which]
        for name in groups.keys:
            labels[name] = groups.keys[name].to_numpy()[group]
        return cls(
            sums.total[effect, group, which] / weight,
            sums.gradient[effect, group, which] / weight[:, None],
            sums.n[effect, group],
            labels,
            cells,
        )

    def covariance(self, V: np.ndarray, sums: Sums) -> np.ndarray:
        """J V Jᵀ, and what the choice of rows adds where it is covered."""
        cov = self.gradients @ V @ self.gradients.T
        if sums.moments is not None:
            effect, which, group = self.cells.T
            n_outputs = sums.total.shape[2]
            for g in np.unique(group):
                weight = np.maximum(sums.weight[:, g], np.finfo(float).tiny)
                means = (sums.total[:, g] / weight[:, None]).ravel()
                found = sums.moments.covariance(g, means, np.repeat(weight, n_outputs))
                mine = np.flatnonzero(group == g)
                at = effect[mine] * n_outputs + which[mine]
                cov[np.ix_(mine, mine)] += found[np.ix_(at, at)]
        return (cov + cov.T) / 2


def _chosen(outputs: tuple[str, ...], output: str | None) -> list[int]:
    if output is None:
        return list(range(len(outputs)))
    if str(output) not in outputs:
        raise ValueError(
            f"output={output!r} is no output of the model."
            + known_names(outputs)
            + nearest(output, outputs)
        )
    return [outputs.index(str(output))]


def _warn_of_empty(sums: Sums, steps: tuple[NamedStep, ...], groups: Groups) -> None:
    """Name what no row counts for; refuse if that is everything."""
    empty = sums.weight <= 0
    if empty.all():
        reasons = _reasons(sums.rows[0].sum(axis=0))
        raise ValueError(
            f"No row counts for {steps[0].name!r}, so that there is no average"
            + (f" ({reasons})." if reasons else ".")
        )
    # A group may well be where the step leads, and then nothing is amiss.
    there = sums.rows[:, :, STATUSES.index("at_target")] == sums.rows.sum(axis=2)
    texts = []
    for effect, group in np.argwhere(empty & ~there):
        key = ", ".join(f"{k}={v}" for k, v in groups.keys.iloc[group].items())
        texts.append(f"{steps[effect].name!r}{f' where {key}' if key else ''}")
    if texts:
        more = f" and {len(texts) - 5} more" if len(texts) > 5 else ""
        warnings.warn(
            f"No row counts for {'; '.join(texts[:5])}{more}: left out.",
            UserWarning,
            stacklevel=4,
        )


def _reasons(rows: np.ndarray) -> str:
    """Rows left out, by status, in words."""
    return ", ".join(
        f"{count} {status.replace('_', ' ')}"
        for status, count in zip(STATUSES[1:], rows[1:].tolist(), strict=True)
        if count
    )


def _refuse_too_many(n_estimates: int) -> None:
    megabytes = 8 * n_estimates**2 / 2**20
    if megabytes > get_config()["working_memory"]:
        raise ValueError(
            f"{n_estimates:,} estimates have a joint covariance of {megabytes:,.0f} MB, "
            "more than scikit-learn's working_memory. Use fewer groups or effects, or "
            "sklearn.set_config(working_memory=…)."
        )


def _notes_on_model(
    fitted: FittedModel,
    cov: Any,
    cov_type: str | None,
    added: Offset | None,
    weights: Weighting,
) -> list[str]:
    own = getattr(fitted.results, "cov_type", "nonrobust")
    kind = "as given" if cov is not None else (cov_type or own)
    notes = [f"Covariance of the parameters: {kind}."]
    if added is not None:
        notes.append("Rows keep their offset, unless its column is stepped.")
    if not weights.given and fitted.is_weighted:
        notes.append("The fit was weighted; these averages are not (sample_weight).")
    return notes


def _notes_on_rows(sums: Sums, steps: tuple[NamedStep, ...]) -> list[str]:
    found = zip(steps, map(_reasons, sums.rows.sum(axis=1)), strict=True)
    return [
        f"Rows left out of {s.name!r}: {reasons}." for s, reasons in found if reasons
    ]
