"""The covariance V of a fit's parameters: the fit's own, of another type, or given."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.hints import shown
from skfme.statsmodels._models.fit_rows import entries_of_fit
from skfme.statsmodels._models.fitted import FittedResults
from skfme.statsmodels._models.parametric import FittedModel

__all__ = ["ParameterCovariance"]


@dataclass(frozen=True)
class ParameterCovariance:
    """The covariance of p parameters.

    Attributes
    ----------
    matrix : ndarray of shape (p, p)
    df : float or None
        Degrees of freedom of a t distribution; None where the fit uses the normal.
    kind : str
        Its type, as a summary names it.
    """

    matrix: np.ndarray
    df: float | None
    kind: str

    @classmethod
    def of(
        cls,
        fitted: FittedModel,
        cov: Any,
        cov_type: str | None,
        cov_kwds: Mapping | None,
    ) -> ParameterCovariance:
        """Read or check the covariance.

        Parameters
        ----------
        fitted : FittedModel
        cov : array-like of shape (p, p) or None
            A covariance instead of the fit's own.
        cov_type, cov_kwds : str, mapping or None
            Another of statsmodels' types instead of the fit's own.
        """
        p = len(fitted.params)
        if cov is not None:
            if cov_type is not None:
                raise ValueError("Give either cov or cov_type, not both.")
            given = _in_order(cov, fitted.param_names)
            return cls(_checked(given, p, "cov"), fitted.df, "as given")
        name = f"cov_params() of the {fitted.name} fit"
        if isinstance(fitted, FittedResults):
            matrix = _of_results(fitted, name, cov_type, cov_kwds)
        elif cov_type is not None:
            raise ValueError(
                f"cov_type={cov_type!r} is for results of statsmodels. Fit {fitted.name} with "
                "the covariance that is wanted, or give the matrix as cov."
            )
        else:
            matrix = fitted.cov_params()
        matrix = _checked(matrix, p, name)
        kind = _kind(fitted, str(cov_type or fitted.covariance_type), matrix)
        return cls(matrix, fitted.df, kind)


def _of_results(
    fitted: FittedResults, name: str, cov_type: str | None, cov_kwds: Mapping | None
) -> Any:
    """The covariance of results of statsmodels, or another of its types."""
    results = fitted.results
    if not hasattr(results, "cov_params"):
        raise TypeError(
            f"{type(results).__name__} has no cov_params(), as regularised fits have "
            "none. Give the covariance of the parameters as cov, or use "
            "bootstrap_effects, which refits."
        )
    if cov_type is not None:
        results = _of_type(fitted, cov_type, dict(cov_kwds or {}))
    try:
        return results.cov_params()
    except Exception as error:
        raise ValueError(
            f"{name} failed: {error}. Give the covariance of the parameters as cov."
        ) from error


def _kind(fitted: FittedModel, kind: str, matrix: np.ndarray) -> str:
    """The type by what it is: of GLMs and discrete models HC1 to HC3 are HC0."""
    if kind not in ("HC1", "HC2", "HC3") or not isinstance(fitted, FittedResults):
        return kind
    try:
        plain = np.asarray(_of_type(fitted, "HC0", {}).cov_params(), dtype=float)
    except (ValueError, NotImplementedError):
        return kind
    if np.allclose(plain, matrix, rtol=1e-9, atol=0):
        return f"HC0, which statsmodels computes of {fitted.name} under the name {kind}"
    return kind


def _of_type(fitted: FittedResults, cov_type: str, cov_kwds: dict) -> Any:
    """The results with another covariance."""
    # A copy, as statsmodels changes the results in place.
    results = copy.copy(getattr(fitted.results, "_results", fitted.results))
    if not hasattr(results, "_get_robustcov_results"):
        raise ValueError(
            f"{fitted.name} results cannot take another cov_type after the fit. Refit "
            f"with fit(cov_type={cov_type!r}), or give the matrix as cov."
        )
    if fitted.model.endog is not None and cov_kwds.get("groups") is not None:
        groups = entries_of_fit(fitted.model, cov_kwds["groups"], "cov_kwds['groups']")
        missing = int(np.count_nonzero(pd.isna(groups)))
        if missing:
            raise ValueError(
                f"cov_kwds['groups'] is missing in {missing} rows of the fit. Give these rows "
                "a label of their own, or fit the model without them."
            )
        cov_kwds["groups"] = groups
    if cov_type == "nonrobust":
        vars(results).pop("cov_params_default", None)
    try:
        results._get_robustcov_results(cov_type=cov_type, **cov_kwds)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(
            f"cov_type={cov_type!r} with cov_kwds={{{_described(cov_kwds)}}} failed: "
            f"{type(error).__name__}: {error}"
        ) from error
    return results


def _described(options: Mapping) -> str:
    return ", ".join(f"{key!r}: {shown(value)}" for key, value in options.items())


def _in_order(cov: Any, names: Sequence[Hashable] | None) -> Any:
    """A dataframe in the order of the parameters, where its labels are their names."""
    if not isinstance(cov, pd.DataFrame) or names is None:
        return cov
    named = all(
        len(labels) == len(names) and set(labels) == set(names)
        for labels in (cov.index, cov.columns)
    )
    unique = cov.index.is_unique and cov.columns.is_unique
    return cov.loc[list(names), list(names)] if named and unique else cov


def _checked(cov: Any, p: int, name: str) -> np.ndarray:
    try:
        matrix = np.asarray(cov, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a matrix of shape {(p, p)}, the covariance of the parameters; "
            f"got {shown(cov)}. The name of a type goes to cov_type."
        ) from None
    if matrix.shape != (p, p):
        raise ValueError(
            f"{name} has shape {matrix.shape}; expected {(p, p)}, one row and column for "
            f"each of the {p} parameters."
        )
    if not np.isfinite(matrix).all():
        raise ValueError(
            f"{name} has NaN or infinite entries: the information matrix could not be "
            "inverted, as with separated classes, or covariates that repeat one another."
        )
    scale = np.sqrt(np.abs(np.diag(matrix)))
    gap = np.abs(matrix - matrix.T) > 1e-6 * np.outer(scale, scale) + 1e-300
    if gap.any() or (np.diag(matrix) < 0).any():
        raise ValueError(
            f"{name} is not a covariance: symmetric, variances at least 0."
        )
    return (matrix + matrix.T) / 2
