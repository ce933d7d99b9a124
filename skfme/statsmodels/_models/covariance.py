"""The covariance V of a fit's parameters: the fit's own, of another type, or given."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.hints import shown
from skfme.statsmodels._models.covariance_types import of_type
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
    clusters : tuple of int, default=()
        Number of clusters in each way, where they are known.
    """

    matrix: np.ndarray
    df: float | None
    kind: str
    clusters: tuple[int, ...] = ()

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
        if cov_type is None and cov_kwds:
            names = ", ".join(map(repr, cov_kwds))
            raise ValueError(
                f"cov_kwds has {names}, which goes with a cov_type, such as "
                "cov_type='cluster', cov_kwds={'groups': …}."
            )
        if cov is not None:
            if cov_type is not None:
                raise ValueError("Give either cov or cov_type, not both.")
            given = _in_order(cov, fitted.param_names)
            return cls(_checked(given, p, "cov"), fitted.df, "as given")
        name = f"cov_params() of the {fitted.name} fit"
        if isinstance(fitted, FittedResults):
            if cov_type is not None and hasattr(fitted.results, "cov_params"):
                fitted = of_type(fitted, cov_type, cov_kwds)
            matrix = _own(fitted, name)
        elif cov_type is not None:
            raise ValueError(
                f"cov_type={cov_type!r} is for results of statsmodels. Fit {fitted.name} with "
                "the covariance that is wanted, or give the matrix as cov."
            )
        else:
            matrix = fitted.cov_params()
        matrix = _checked(matrix, p, name)
        kind = _kind(fitted, str(cov_type or fitted.covariance_type), matrix)
        return cls(matrix, fitted.df, kind, fitted.cluster_numbers)


def _own(fitted: FittedResults, name: str) -> Any:
    """The covariance that results of statsmodels have."""
    results = fitted.results
    if not hasattr(results, "cov_params"):
        raise TypeError(
            f"{type(results).__name__} has no cov_params(), as regularised fits have "
            "none. Give the covariance of the parameters as cov, or use "
            "bootstrap_effects, which refits."
        )
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
        plain = of_type(fitted, "HC0", {}).results.cov_params()
    except (ValueError, NotImplementedError):
        return kind
    if np.allclose(np.asarray(plain, dtype=float), matrix, rtol=1e-9, atol=0):
        return f"HC0, which statsmodels computes of {fitted.name} under the name {kind}"
    return kind


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
            f"{name} is not a covariance: symmetric, variances at least 0. Clusters in two "
            "ways may give a negative variance where there are few: cluster in the one way "
            "that has the fewer clusters, or bootstrap_effects(…, groups=…)."
        )
    return (matrix + matrix.T) / 2
