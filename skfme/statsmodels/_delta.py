"""Average marginal effects of statsmodels models, with standard errors by delta method.

With f(x; θ) the prediction, θ̂ the estimates with covariance V, and weights ω,
A(θ) = Σ ωᵢ [f(xᵢ⁺; θ) − f(xᵢ; θ)] / Σ ωᵢ and Var(A) ≈ J V Jᵀ, J = ∂A/∂θ; the Js of all
effects, groups and outputs are stacked, so that their covariance is joint. Rows are
taken in batches, of which only sums of p entries are kept. How a model's design and
gradients are made is told in `_designs.py` and `_gradients.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn import get_config

from skfme._changes import NamedStep
from skfme._effects import groups_in
from skfme._engine.stepping import STATUSES
from skfme._frames import (
    Column,
    Table,
    as_table,
    converted,
    describe_columns,
    known_names,
    nearest,
)
from skfme._training import Training, TrainingColumn
from skfme._validation import checked_weights, refuse_infinite
from skfme.extrapolation import Support, fit_support
from skfme.statsmodels._averaging import Rows, Sums, sums_of_effects
from skfme.statsmodels._designs import check_design
from skfme.statsmodels._fitted import FittedModel, fitted_model
from skfme.statsmodels._gradients import Index, mean_function
from skfme.statsmodels._identification import warn_of_unidentified
from skfme.statsmodels._offsets import offset_columns, offset_of
from skfme.statsmodels._results import EffectResults
from skfme.steps import parse_steps

__all__ = ["delta_effects"]

COVERS = ("parameters", "sample + parameters")
# Columns of the results' tables beside the groups'.
TAKEN = {
    *("effect", "output", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "p_adjusted"),
}


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
        Weights of the averages. They say nothing of the model, whose own weights are
        those of its fit.
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
    0              age +5   -0.0004     0.0061
    1  religious 1 -> 4   -0.1946     0.0197
    """
    if covers not in COVERS:
        raise ValueError(f"covers must be one of {COVERS}, got {covers!r}.")
    if hasattr(results, "results_"):  # a StatsmodelsEstimator, which knows its columns
        offset = results.offset if offset is None else offset
        exposure = results.exposure if exposure is None else exposure
    classes = getattr(results, "classes_", None)
    fitted = fitted_model(getattr(results, "results_", results), classes)
    fitted.warn_if_not_converged()
    V, df = fitted.inference(cov, cov_type, cov_kwds)
    verified = check_design(fitted.design, fitted.model)

    table = as_table(data)
    weights = checked_weights(sample_weight, table)
    groups = Groups.of(table, by)
    added = offset_of(fitted, table, offset, exposure)
    named = list(offset_columns(offset, exposure).values())
    inner = _columns_read(fitted, table, named)
    plan = Plan.of(
        fitted,
        table if background is None else as_table(background),
        weights if background is None else None,
        named,
        steps,
        extrapolation,
        categorical_features,
    )
    rows = Rows(
        converted(inner, plan.kind, plan.columns),
        np.ones(len(table)) if weights is None else weights,
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
        notes=_notes(sums, fitted, plan.steps, cov, cov_type, added is not None),
    )
    if isinstance(mean, Index) and fitted.model.exog is not None:
        warn_of_unidentified(
            fitted.model.exog, estimates.gradients, mean.positions, effects.names
        )
    return effects


@dataclass(frozen=True)
class Groups:
    """Which group each row is in, and what tells the groups apart.

    Attributes
    ----------
    codes : ndarray of shape (n,), int
    keys : DataFrame of n_groups rows
        Without columns where there is one group of all rows.
    """

    codes: np.ndarray
    keys: pd.DataFrame

    @classmethod
    def of(cls, table: Table, by: Any) -> Groups:
        if by is None:
            return cls(np.zeros(len(table), dtype=int), pd.DataFrame(index=[0]))
        groups = groups_in(table, by)
        taken = sorted(TAKEN & set(map(str, groups.columns)))
        if taken:
            raise ValueError(
                f"by names {taken[0]!r}, which is a column of the results' tables. Rename "
                "it, or give its values as a Series of another name."
            )
        grouped = groups.groupby(list(groups), dropna=False, observed=True, sort=True)
        codes = grouped.ngroup().to_numpy()
        _, first = np.unique(codes, return_index=True)
        return cls(codes, groups.iloc[first].reset_index(drop=True))


@dataclass(frozen=True)
class Plan:
    """What is changed, resolved against the rows that ranges come from.

    Attributes
    ----------
    steps : tuple of NamedStep
    support : Support or None
    columns : tuple of Column
    kind : str
        Of the table that these belong to.
    """

    steps: tuple[NamedStep, ...]
    support: Support | None
    columns: tuple[Column, ...]
    kind: str

    @classmethod
    def of(
        cls,
        fitted: FittedModel,
        given: Table,
        weights: np.ndarray | None,
        named: list[Any],
        steps: Any,
        extrapolation: Any,
        categorical_features: Any,
    ) -> Plan:
        table = _columns_read(fitted, given, named)
        refuse_infinite(table)
        if weights is not None and not weights.all():
            table, weights = table.take(np.flatnonzero(weights)), weights[weights > 0]
        design = fitted.design
        if isinstance(categorical_features, str):
            listed = design.categorical() or categorical_features
        else:
            unread = set(given.names) - set(table.names)
            listed = [key for key in categorical_features if key not in unread]
            listed += design.categorical()
        columns = describe_columns(table, listed)
        allowed = {*design.used(table), *(table.position(name) for name in named)}
        training = ModelTraining(table, columns, weights, fitted, given.names, allowed)
        parsed = parse_steps(steps, training)
        if steps is None or isinstance(steps, str):  # the columns of an array stay
            parsed = tuple(
                s for s in parsed if all(c.position in allowed for c in s.changes)
            )
        support = fit_support(extrapolation, table, columns, weights)
        return cls(parsed, support, columns, table.kind)


class ModelTraining(Training):
    """Training rows of which only the columns that the model reads can be stepped."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column],
        weights: np.ndarray | None,
        fitted: FittedModel,
        given: Sequence[Hashable],
        allowed: set[int],
    ) -> None:
        super().__init__(table, columns, weights)
        self._fitted, self._given, self._allowed = fitted, given, allowed

    def __getitem__(self, key: Hashable) -> TrainingColumn:
        known = key in self.table.names or key not in self._given
        if known:
            column = super().__getitem__(key)
            if column.column.position in self._allowed:
                return column
        wording = self._fitted.design.wording
        raise ValueError(
            f"steps change {key!r}, which {wording} does not use: the effect would be "
            "zero whatever the data."
            + known_names([self.table.names[i] for i in sorted(self._allowed)])
        )


def _columns_read(fitted: FittedModel, table: Table, named: list[Any]) -> Table:
    """The table's columns that the model or its offset reads; all of an array's."""
    used = fitted.design.used(table)
    if table.kind == "numpy":
        return table
    others = {table.position(name) for name in named} - set(used)
    return table.select([*used, *sorted(others)])


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


def _notes(
    sums: Sums,
    fitted: FittedModel,
    steps: tuple[NamedStep, ...],
    cov: Any,
    cov_type: str | None,
    has_offset: bool,
) -> list[str]:
    own = getattr(fitted.results, "cov_type", "nonrobust")
    kind = "as given" if cov is not None else (cov_type or own)
    notes = [f"Covariance of the parameters: {kind}."]
    if has_offset:
        notes.append("Rows keep their offset, unless its column is stepped.")
    for step, rows in zip(steps, sums.rows.sum(axis=1), strict=True):
        if reasons := _reasons(rows):
            notes.append(f"Rows left out of {step.name!r}: {reasons}.")
    return notes
