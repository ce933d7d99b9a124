"""A fitted statsmodels model: its parameters, covariance, outputs, offset and mean.

The one reader of results objects, so that every other file sees a model as a function
of its parameters, a design matrix and an offset, μ(X; θ, o).
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from statsmodels.tools.sm_exceptions import ConvergenceWarning

from skfme.statsmodels._models.designs import Design, design_of

__all__ = ["FittedModel", "fitted_model", "is_results"]


def is_results(model: Any) -> bool:
    """Whether it is a results object of statsmodels, by what such objects have."""
    return all(hasattr(model, name) for name in ("model", "params", "predict")) and (
        hasattr(model.model, "exog_names")
    )


@dataclass(frozen=True)
class FittedModel:
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
    """

    results: Any
    model: Any
    params: np.ndarray
    design: Design
    classes: Any = None

    @property
    def name(self) -> str:
        return type(self.model).__name__

    def mean(
        self, params: np.ndarray, X: np.ndarray, offset: np.ndarray | None
    ) -> np.ndarray:
        """The model's own predictions, of shape (n, n_outputs)."""
        shape = np.shape(self.results.params)
        given = params.reshape(shape, order="F") if len(shape) == 2 else params
        known = {} if offset is None else {"offset": offset}
        values = self.model.predict(given, X, **known)
        try:
            mean = np.asarray(values, dtype=float)
        except (TypeError, ValueError) as error:
            raise TypeError(
                f"{self.name}.predict returned {type(values).__name__}, not an array of "
                "numbers, so that no effect on it can be formed."
            ) from error
        mean = mean[:, None] if mean.ndim == 1 else mean
        if mean.ndim != 2 or len(mean) != len(X):
            raise ValueError(
                f"{self.name}.predict returned an array of shape {np.shape(values)} for "
                f"{len(X)} rows; expected (n,) or (n, n_outputs)."
            )
        return mean

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: the classes of a multinomial or an ordered model."""
        named = getattr(self.model, "_ynames_map", None)
        labels = getattr(self.model, "labels", None)
        if self.classes is not None and (named or labels is not None):
            return tuple(map(str, self.classes))
        if named:
            return tuple(str(named[i]) for i in range(len(named)))
        if labels is not None and len(labels):
            return tuple(map(str, labels))
        name = self.model.endog_names
        return (name if isinstance(name, str) else "y",)

    @cached_property
    def own_offset(self) -> np.ndarray | None:
        """What the fit added to the linear predictor, for each row it used."""
        both = getattr(self.model, "_offset_exposure", None)  # GEE's, with log made
        names = self.offset_names
        parts = [getattr(self.model, n) for n in names] if both is None else [both]
        given = [np.asarray(p, dtype=float) for p in parts if np.ndim(p) == 1]
        total = np.sum(given, axis=0)
        return total if given and np.any(total) else None

    @property
    def offset_names(self) -> list[str]:
        """Which of offset and exposure the model was fitted with."""
        found = (getattr(self.model, name, None) for name in ("offset", "exposure"))
        return [
            name
            for name, part in zip(("offset", "exposure"), found, strict=True)
            if part is not None and np.ndim(part) == 1 and np.any(part)
        ]

    @property
    def is_weighted(self) -> bool:
        """Whether the fit gave rows unlike weights."""
        bases = {base.__name__ for base in type(self.model).__mro__}
        names = ("freq_weights", "var_weights") if "GLM" in bases else ("weights",)
        found = [np.asarray(getattr(self.model, name, 1.0)) for name in names]
        unlike = any(w.ndim == 1 and np.ptp(w) > 0 for w in found)
        return bool(bases & {"GLM", "WLS"}) and unlike

    def is_clustered(self, cov_type: str | None) -> bool:
        """Whether the fit, or the covariance asked for, takes rows as dependent."""
        kind = cov_type or str(getattr(self.results, "cov_type", ""))
        grouped = getattr(self.model, "groups", None) is not None
        return grouped or kind.lower().startswith(("cluster", "hac"))

    def inference(
        self, cov: Any, cov_type: str | None, cov_kwds: Mapping | None
    ) -> tuple[np.ndarray, float | None]:
        """Covariance of the parameters, and the degrees of freedom of a t distribution.

        Parameters
        ----------
        cov : array-like of shape (p, p) or None
            A covariance instead of the fit's own.
        cov_type, cov_kwds : str, mapping or None
            Another of statsmodels' types instead of the fit's own.

        Returns
        -------
        cov : ndarray of shape (p, p)
        df : float or None
            None where the fit uses the normal distribution.
        """
        if cov is not None:
            if cov_type is not None:
                raise ValueError("Give either cov or cov_type, not both.")
            return _checked_matrix(cov, len(self.params), "cov"), _df(self.results)
        results = self.results
        if not hasattr(results, "cov_params"):
            raise TypeError(
                f"{type(results).__name__} has no cov_params(), as regularised fits have "
                "none. Give the covariance of the parameters as cov, or use "
                "bootstrap_effects, which refits."
            )
        if cov_type is not None:
            results = self._robust(cov_type, dict(cov_kwds or {}))
        try:
            found = results.cov_params()
        except Exception as error:
            raise ValueError(
                f"cov_params() of the {self.name} fit failed: {error}. Give the "
                "covariance of the parameters as cov."
            ) from error
        what = f"cov_params() of the {self.name} fit"
        return _checked_matrix(found, len(self.params), what), _df(results)

    def _robust(self, cov_type: str, cov_kwds: dict) -> Any:
        # A copy, as statsmodels changes the results in place.
        results = copy.copy(getattr(self.results, "_results", self.results))
        if not hasattr(results, "_get_robustcov_results"):
            raise ValueError(
                f"{self.name} results cannot take another cov_type after the fit. Refit "
                f"with fit(cov_type={cov_type!r}), or give the matrix as cov."
            )
        if cov_type == "nonrobust":
            vars(results).pop("cov_params_default", None)
        try:
            results._get_robustcov_results(cov_type=cov_type, **cov_kwds)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(
                f"cov_type={cov_type!r} with cov_kwds={cov_kwds} failed: "
                f"{type(error).__name__}: {error}"
            ) from error
        return results

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
                stacklevel=3,
            )


def _df(results: Any) -> float | None:
    if not getattr(results, "use_t", False):
        return None
    inference = getattr(results, "df_resid_inference", None)
    return float(results.df_resid if inference is None else inference)


def fitted_model(results: Any, classes: Any = None) -> FittedModel:
    """Read a results object of statsmodels.

    Parameters
    ----------
    results : results object
    classes : sequence or None, default=None
        Other names of a multinomial or ordered model's outputs than its own.

    Raises
    ------
    TypeError
        If it is not one: an unfitted model, or a model of another library.
    """
    if not is_results(results):
        raise TypeError(_what_is_wrong(results))
    params = np.asarray(results.params, dtype=float)
    design = design_of(results.model)
    return FittedModel(results, results.model, params.ravel("F"), design, classes)


def _what_is_wrong(given: Any) -> str:
    name = type(given).__name__
    if hasattr(given, "fit") and hasattr(given, "exog_names"):
        return f"The {name} model is not fitted. Pass what its fit() returns."
    if hasattr(given, "fit") or hasattr(given, "predict"):
        return (
            f"{name} is not a fitted statsmodels model, which the delta method needs: "
            "its parameters and their covariance. For other models see "
            "average_effects (the rows' uncertainty) and bootstrap_effects (refits)."
        )
    return f"Expected the results object of a statsmodels fit, got {given!r:.80}."


def _checked_matrix(cov: Any, p: int, what: str) -> np.ndarray:
    matrix = np.asarray(cov, dtype=float)
    if matrix.shape != (p, p):
        raise ValueError(
            f"{what} has shape {matrix.shape}; expected {(p, p)}, one row and column for "
            f"each of the {p} parameters."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"{what} has NaN or infinite entries: the information matrix could not be "
            "inverted, as with separated classes, or covariates that repeat one another."
        )
    scale = np.sqrt(np.abs(np.diag(matrix)))
    gap = np.abs(matrix - matrix.T) > 1e-6 * np.outer(scale, scale) + 1e-300
    if gap.any() or (np.diag(matrix) < 0).any():
        raise ValueError(
            f"{what} is not a covariance: symmetric, variances at least 0."
        )
    return (matrix + matrix.T) / 2
