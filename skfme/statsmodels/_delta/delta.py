"""Average marginal effects of parametric models, with standard errors by delta method.

With f(x; θ) the prediction, θ̂ the estimates with covariance V, and weights ω,
A(θ) = Σ ωᵢ [f(xᵢ⁺; θ) − f(xᵢ; θ)] / Σ ωᵢ and Var(A) ≈ J V Jᵀ, J = ∂A/∂θ; in place of the
difference there may be another comparison of both ends, or of their averages. Here is the
public function alone: the model is read in `mean.py`, the steps in `plan.py`, rows are
averaged in `averaging.py`, and the averages and their covariance are in `estimates.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import signature
from typing import Any

from statsmodels.base.covtype import descriptions

from skfme._frames.checks import checked_weights
from skfme._frames.hints import refuse_unknown
from skfme._frames.tables import as_table
from skfme._text.compared import average_note, comparison_text, null_notes
from skfme.statsmodels._delta.averaging import sums_of_effects
from skfme.statsmodels._delta.estimates import Estimates
from skfme.statsmodels._delta.identification import warn_of_unidentified
from skfme.statsmodels._delta.mean import EstimatedMean
from skfme.statsmodels._delta.plan import Plan, Rows
from skfme.statsmodels._delta.sums import Sums
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._models.estimation_sample import unused_note
from skfme.statsmodels._models.offsets import offset_of
from skfme.statsmodels._rows.clusters import cluster_notes
from skfme.statsmodels._rows.groups import Groups

__all__ = ["delta_effects"]

COVERS = ("parameters", "sample + parameters")
# What other packages ask for in the same call.
_MEANT = {
    "vcov": (
        " Another covariance is cov_type='HC3', or cov_type='cluster' with cov_kwds="
        "{'groups': …}; a matrix is cov=…."
    ),
    "groups": (
        " Clusters are cov_type='cluster', cov_kwds={'groups': …}; averages by group are "
        "by=…."
    ),
    "variables": " What is changed is steps, such as {'age': 5}.",
    **dict.fromkeys(
        ("weights", "wts"), " Weights of the averages are sample_weight=…."
    ),
    "newdata": " The rows to average over are data; see skfme.profiles for chosen values.",
    "hypothesis": " Test what is returned: effects.nonlinear_test('b1 = b2'), or pairwise().",
    "equivalence": " Test what is returned: effects.equivalence_test(low, high).",
    **dict.fromkeys(("alpha", "conf_level"), " Take effects.conf_int(alpha)."),
    "ep_method": " Extrapolation points are left out by extrapolation='envelope'.",
}


def delta_effects(
    results: Any,
    data: Any = None,
    steps: Any = None,
    *,
    by: Any = None,
    sample_weight: Any = None,
    output: str | None = None,
    comparison: Any = "difference",
    average: str = "of_rows",
    covers: str = "parameters",
    cov: Any = None,
    cov_type: str | None = None,
    cov_kwds: Mapping | None = None,
    offset: Any = None,
    exposure: Any = None,
    response_method: Any = "auto",
    background: Any = None,
    extrapolation: Any = None,
    categorical_features: Any = "auto",
    rows: str = "fit",
    batch_size: int | str = "auto",
    **unknown: Any,
) -> EffectResults:
    """Average marginal effects of a fitted parametric model, by the delta method.

    Parameters
    ----------
    results : results of a fit, fitted model, or :class:`ParametricModel`
        Results of statsmodels, or a fitted StatsmodelsEstimator: any that has ``params``,
        ``cov_params()`` and whose model predicts from parameters and a design matrix.
        Gradients are analytic for OLS, WLS, GLS, QuantReg, RLM, MixedLM, GLM and GEE of
        every family and link, Logit, Probit, Poisson, the negative binomial and
        generalised Poisson models, MNLogit and OrderedModel; central differences for
        others. Also results of linearmodels and pyfixest (fixed effects that a linear
        model absorbed leave the effects of other columns as they are), fitted models of
        glum and lifelines, and, with `cov`, linear and logistic regressions of
        scikit-learn, alone or at the end of a pipeline.
    data : dataframe or array of shape (n, n_columns)
        Rows to average over, with the columns of the formula, or of the model's
        ``exog`` (whose constant may be left out); others are ignored. Where they are the
        rows that the fit was given, or some of them, see `rows`.
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
    comparison : str or callable, default="difference"
        "difference", "ratio", "percent", "log_ratio", "log_odds_ratio", "per_unit", or a
        function of two arrays (before, after), as in :class:`skfme.FMEExplainer`.
    average : {"of_rows", "of_means"}, default="of_rows"
        The average of rows' comparisons, or the comparison of average predictions.
    covers : {"parameters", "sample + parameters"}, default="parameters"
        What the intervals cover: the estimation of the parameters, with the rows held
        fixed; or also the choice of rows, taken as independent draws.
    cov : array-like or dataframe of shape (p, p), default=None
        Covariance of the parameters instead of the fit's own, which carries through
        whatever type it has; of scikit-learn's models in the order of the intercept, then
        the coefficients, output by output. A dataframe labelled by the parameters' own
        names may have them in any order.
    cov_type, cov_kwds : str and mapping, default=None
        Another type instead of the fit's own, as in statsmodels' ``fit``, with the degrees
        of freedom of a fit of that type: of G clusters G − 1. ``{"groups": …}`` are labels
        of the fit's rows, a column of its data, or a list of two, ``{"use_t": …}`` takes
        the t or the normal distribution; by default as the fit does.
    offset, exposure : column of data, or array-like of shape (n,), default=None
        As the model was fitted with; needed where the data are not the rows it was
        fitted on, and always for glum, which keeps none. A row keeps its own, unless the
        column named is stepped.
    response_method : str or callable, default="auto"
        What a regression of lifelines predicts: such as ``"predict_median"``, or a
        function (fitter, table) -> predictions. Other models predict the mean, and
        classes' probabilities.
    background : dataframe or array, default=None
        Rows from which ranges, categories and SDs come; None takes the data. Of
        linearmodels it must be the rows of the fit where its formula learned from them.
    extrapolation : None, "envelope", Envelope or outlier detector, default=None
        Which stepped rows do not count. None counts all, unlike :func:`skfme.fme`: an
        AME of a parametric model is, by econometric convention, over all rows, and its
        functional form is what is trusted where the step leads.
    categorical_features : "auto" or list, default="auto"
        As in :class:`skfme.FMEExplainer`.
    rows : {"fit", "all"}, default="fit"
        "fit" averages over the estimation sample: rows of the fit's own data that it left
        out, because their outcome is missing, do not count, and a note says how many.
        "all" averages over them as well. New rows count under both.
    batch_size : int or "auto", default="auto"
        Rows taken at once.
    **unknown
        None is taken: words of other packages are refused with those used here.

    Returns
    -------
    effects : EffectResults
        One estimate for each effect, output and group, with their joint covariance.
        The t distribution is used where the fit uses it.

    Raises
    ------
    TypeError
        If the model is not fitted, is none that can be read, or has no covariance.
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
    and that weights are sampling weights; repeat rows for frequency weights. Of a
    comparison g of averages, ∂g/∂b (b − b̄) + ∂g/∂a (a − ā) takes the place of FME − A.

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
    known = list(signature(delta_effects).parameters)
    refuse_unknown(unknown, known[:-1], _MEANT, "delta_effects")
    if data is None:
        raise TypeError(
            "delta_effects needs data, the rows to average over: delta_effects(fit, data, "
            "{'age': 5}). The rows of the fit are those that it was given."
        )
    if covers not in COVERS:
        raise ValueError(f"covers must be one of {COVERS}, got {covers!r}.")
    if rows not in ("fit", "all"):
        raise ValueError(f"rows must be 'fit' or 'all', got {rows!r}.")
    fixed_rows = covers == "parameters"
    table = as_table(data)
    background = None if background is None else as_table(background)
    training = table if background is None else background
    mean = EstimatedMean.of(
        results, training, response_method, covers, cov, cov_type, cov_kwds
    )
    averaged = Rows(
        table,
        checked_weights(sample_weight, table),
        Groups.of(table, by),
        offset_of(mean.fitted, table, offset, exposure),
        mean.fitted.rows_not_used(table) if rows == "fit" else None,
    )
    plan = Plan.of(
        mean.fitted,
        averaged,
        background,
        steps,
        extrapolation,
        categorical_features,
        (comparison, average),
    )
    sums = sums_of_effects(mean, plan, batch_size, with_moments=not fixed_rows)
    estimates = Estimates.of(mean, plan, sums, output)
    effects = EffectResults(
        estimates.values,
        estimates.covariance,
        labels=estimates.labels,
        df=mean.covariance.df if fixed_rows else None,
        covers=covers,
        nobs=estimates.n,
        title=(
            f"Average marginal effects of {mean.fitted.name} on {mean.fitted.outcome}, "
            "delta method"
        ),
        notes=list(_notes(mean, plan, sums)),
        null=plan.comparisons[0].null,
        more=estimates.more,
    )
    warn_of_unidentified(mean, estimates.gradients, effects.names)
    return effects


def _notes(mean: EstimatedMean, plan: Plan, sums: Sums) -> Iterator[str]:
    """Sentences under the summary."""
    comparison = plan.comparisons[0]
    if not comparison.is_difference:
        what = f"the prediction of {mean.fitted.outcome}"
        yield f"{comparison_text(comparison, what)}."
        yield from filter(None, [average_note(comparison)])
        yield from null_notes(comparison)
    yield f"Covariance of the parameters: {mean.covariance.kind}."
    if mean.covariance.clusters:
        yield from cluster_notes(mean.covariance.clusters, _way_out(mean))
    if plan.rows.offset.given:
        yield "Rows keep their offset, unless its column is stepped."
    if mean.fitted.is_weighted and not plan.rows.weights.given:
        yield "The fit was weighted; these averages are not (sample_weight)."
    unused = plan.rows.unused
    if unused is not None:
        yield f"{unused_note(unused)} rows='all' takes them."
    for effect, step in enumerate(plan.steps):
        counts = sums.left_out(effect).items()
        reasons = [f"{n} {status.replace('_', ' ')}" for status, n in counts if n]
        if reasons:
            yield f"Rows left out of {step.name!r}: {', '.join(reasons)}."


def _way_out(mean: EstimatedMean) -> str | None:
    """What suits few clusters; None where the covariance does."""
    if mean.covariance.kind in ("cluster-crv3", "cluster-jk", "bias_reduced"):
        return None
    if mean.covariance.kind == "robust":
        return "fit GEE with cov_type='bias_reduced'"
    draws = "bootstrap_effects(…, groups=…) refits on clusters drawn anew"
    if mean.fitted.name in ("OLS", "WLS") and "cluster-crv3" in descriptions:
        return f"cov_type='cluster-crv3' suits few clusters, and {draws}"
    return draws
