"""A fitted statsmodels model: its parameters, outputs, offset and mean.

The one reader of its results objects, so that every other file sees a model as a function
of its parameters, a design matrix and an offset, μ(X, o; θ). The covariance of the
parameters is read in `covariance.py`, gradients are formed in `gradients.py`, and models
of other packages are read in `readers`.
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from skfme._engine.originals import method_alteration, replaced
from skfme._frames.tables import Table
from skfme.statsmodels._models.checks import check_predictions
from skfme.statsmodels._models.designs import Design
from skfme.statsmodels._models.estimation_sample import rows_not_used
from skfme.statsmodels._models.gradients import MeanFunction
from skfme.statsmodels._models.inflation import Inflation, inflation_of
from skfme.statsmodels._models.inputs import MeanInputs
from skfme.statsmodels._models.model_designs import check_design, design_of
from skfme.statsmodels._models.parametric import FittedModel
from skfme.statsmodels._models.slopes import index_of
from skfme.statsmodels._models.unpredictable import refuse_unpredictable

__all__ = [
    "FittedResults",
    "fitted_model",
    "given_offsets",
    "is_results",
    "other_predict",
]

OFFSETS = ("offset", "exposure")


def is_results(model: Any) -> bool:
    """Whether it is a results object of statsmodels, by what such objects have."""
    return all(hasattr(model, name) for name in ("model", "params", "predict")) and (
        hasattr(model.model, "exog_names")
    )


def other_predict(given: Any) -> str | None:
    """What predicts otherwise than the model: a method replaced on results or on an
    estimator of them, or one of the estimator's class that calls no results.
    """
    results = getattr(given, "results_", given)
    asked = [(part, replaced) for part in (results, getattr(results, "_results", None))]
    if results is not given:
        asked.append((given, method_alteration))
    reasons = (
        alteration(part, method)
        for part, alteration in asked
        for method in ("predict", "predict_proba")
    )
    return next(filter(None, reasons), None)


@dataclass(frozen=True)
class FittedResults(FittedModel):
    """A results object, as a function of parameters.

    Attributes
    ----------
    results : statsmodels results
    model : statsmodels model
    params : ndarray of shape (p,)
        In the order of ``cov_params()``.
    design : Design
    classes : sequence or None, default=None
        Other names of the outputs than the model's own.
    offset_columns : mapping of "offset" or "exposure" -> label
        The columns that a StatsmodelsEstimator takes them from.
    """

    results: Any
    model: Any
    params: np.ndarray
    design: Design
    classes: Any = None
    offset_columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return type(self.model).__name__

    def mean(self, params: np.ndarray, inputs: MeanInputs) -> np.ndarray:
        """The model's own predictions, of shape (n, n_outputs)."""
        params = params.reshape(np.shape(self.results.params), order="F")
        added = {} if inputs.offset is None else {"offset": inputs.offset}
        if self.inflation is not None:
            added["exog_infl"] = self.inflation.matrix(inputs.X)
        try:
            values = self.model.predict(params, inputs.X, **added)
        except NotImplementedError as error:
            raise TypeError(
                f"{self.name} predicts nothing for rows that are given to it "
                "(statsmodels does not implement it), so that no effect can be formed."
            ) from error
        try:
            mean = np.asarray(values, dtype=float)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{self.name}.predict returned {type(values).__name__}, not an array of "
                "numbers, so that no effect on it can be formed."
            ) from error
        mean = mean[:, None] if mean.ndim == 1 else mean
        if mean.ndim != 2 or len(mean) != len(inputs.X):
            raise ValueError(
                f"{self.name}.predict returned an array of shape {np.shape(values)} for "
                f"{len(inputs.X)} rows; expected (n,) or (n, n_outputs)."
            )
        return mean

    def mean_function(self, bse: np.ndarray) -> MeanFunction:
        known = index_of(self.model, self.params, self.design.k)
        return super().mean_function(bse) if known is None else known

    def check(self) -> bool:
        compared = check_design(self.design, self.model)
        check_predictions(self, self.results)
        return compared

    @property
    def exog(self) -> np.ndarray | None:
        exog = getattr(self.model, "exog", None)
        return None if exog is None else np.asarray(exog)

    @property
    def covariance_type(self) -> str:
        return str(getattr(self.results, "cov_type", "nonrobust"))

    @property
    def cluster_numbers(self) -> tuple[int, ...]:
        kind, groups = self.covariance_type.lower(), None
        if kind.startswith("cluster"):
            groups = getattr(self.results, "cov_kwds", {}).get("groups")
        elif kind in ("robust", "bias_reduced"):  # GEE's
            labels = getattr(self.model, "group_labels", None)
            return () if labels is None else (len(labels),)
        if groups is None:
            return ()
        ways = np.atleast_2d(np.transpose(groups))
        return tuple(len(set(way.tolist())) for way in ways)

    @property
    def param_names(self) -> Sequence[Hashable] | None:
        labels = getattr(self.results.params, "index", None)
        if np.ndim(self.results.params) > 1:  # an equation a column
            try:
                labels = getattr(self.results.cov_params(), "index", None)
            except Exception:  # it has none
                return None
        return None if labels is None else list(labels)

    @property
    def df(self) -> float | None:
        if not getattr(self.results, "use_t", False):
            return None
        inference = getattr(self.results, "df_resid_inference", None)
        return float(self.results.df_resid if inference is None else inference)

    @cached_property
    def class_names(self) -> tuple[str, ...]:
        """Names of a multinomial or an ordered model's classes; empty of any other."""
        numbered = getattr(self.model, "_ynames_map", None)
        labels = getattr(self.model, "labels", None)
        if numbered:
            labels = [numbered[i] for i in range(len(numbered))]
        if labels is None or not len(labels):
            return ()
        return tuple(map(str, labels if self.classes is None else self.classes))

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: classes, or responses."""
        if self.class_names:
            return self.class_names
        names = self.model.endog_names
        if not isinstance(names, list):
            return (names if isinstance(names, str) else "y",)
        if np.ndim(self.model.endog) > 1:  # several responses
            return tuple(map(str, names))
        return (_first_of(*map(str, names))[1],)

    @property
    def label(self) -> str | None:
        """What is predicted of an outcome of two columns; None where its name says it."""
        names = self.model.endog_names
        if not isinstance(names, list) or np.ndim(self.model.endog) > 1:
            return None
        return " ".join(_first_of(*map(str, names)))

    @property
    def outcome(self) -> str:
        """What is predicted, in words."""
        if self.class_names:
            return f"the classes of {self.model.endog_names}"
        return f"the {self.label}" if self.label else ", ".join(self.outputs)

    @cached_property
    def inflation(self) -> Inflation | None:
        """The inflation part of a zero-inflated model."""
        return inflation_of(self.model)

    @cached_property
    def own_offset(self) -> np.ndarray | None:
        """What the fit added to the linear predictor, for each row it used."""
        added = getattr(self.model, "_offset_exposure", None)  # GEE's, with log made
        if added is None:
            values: list[Any] = [getattr(self.model, kind, None) for kind in OFFSETS]
            added = np.sum([array for array in values if _adds(array)], axis=0)
        return np.asarray(added, dtype=float) if _adds(added) else None

    @property
    def offset_names(self) -> list[str]:
        """Which of offset and exposure the model was fitted with, where it has one."""
        names = [kind for kind in OFFSETS if _adds(getattr(self.model, kind, None))]
        return names or ["offset"]  # GEE's constraint makes one

    @property
    def is_weighted(self) -> bool:
        """Whether the fit gave rows unlike weights."""
        bases = {base.__name__ for base in type(self.model).__mro__}
        names = ("freq_weights", "var_weights") if "GLM" in bases else ("weights",)
        weights = [np.asarray(getattr(self.model, name, 1.0)) for name in names]
        return bool(bases & {"GLM", "WLS"}) and any(np.ptp(w) > 0 for w in weights)

    def is_clustered(self, cov_type: str | None) -> bool:
        grouped = getattr(self.model, "groups", None) is not None
        return grouped or super().is_clustered(cov_type)

    def rows_not_used(self, table: Table) -> np.ndarray | None:
        return rows_not_used(self.design, self.model, table)

    def warn_if_not_converged(self) -> None:
        details = getattr(self.results, "mle_retvals", None)
        converged = getattr(self.results, "converged", None)
        if converged is None and isinstance(details, dict):
            converged = details.get("converged")
        if converged is not None and not converged:
            warnings.warn(
                f"The {self.name} fit did not converge: its parameters are not the "
                "estimates, and neither effects nor standard errors can be trusted. Fit "
                "with more iterations (maxiter) or another method.",
                ConvergenceWarning,
                stacklevel=4,
            )


def fitted_model(results: Any) -> FittedResults:
    """Read a results object of statsmodels.

    Parameters
    ----------
    results : results object, or fitted StatsmodelsEstimator
        The estimator names the classes, and the columns of offset and exposure.

    Raises
    ------
    TypeError
        If its model predicts no rows that are given to it.
    """
    estimator = results if hasattr(results, "results_") else None
    results = getattr(results, "results_", results)
    refuse_unpredictable(results)
    return FittedResults(
        results,
        results.model,
        np.asarray(results.params, dtype=float).ravel("F"),
        design_of(results.model),
        getattr(estimator, "classes_", None),
        given_offsets(*(getattr(estimator, kind, None) for kind in OFFSETS)),
    )


def _first_of(first: str, second: str) -> tuple[str, str]:
    """What a binomial model of two columns is about, as statsmodels takes the first one.

    They are levels of one outcome, as formulas code text and booleans, or counts.
    """
    (stem, level), (other, _) = (_split_level(name) for name in (first, second))
    if level and stem == other:
        return "probability of", f"{stem} = {level}"
    return "share", f"{first} / ({first} + {second})"


def _split_level(name: str) -> tuple[str, str]:
    """Such as ("smokes", "yes") of a column ``smokes[yes]``; no level of others."""
    stem, bracket, level = name.rpartition("[")
    coded = bracket and name.endswith("]")
    return (stem, level[:-1].removeprefix("T.")) if coded else (name, "")


def given_offsets(offset: Any, exposure: Any) -> dict[str, Any]:
    """Those of the two that are given, by their kind."""
    values = zip(OFFSETS, (offset, exposure), strict=True)
    return {kind: value for kind, value in values if value is not None}


def _adds(offset: Any) -> bool:
    """Whether an offset has an entry for each row, and one that is not zero."""
    return np.ndim(offset) == 1 and bool(np.any(offset))
