"""The algebra of linear combinations of estimates, singular and missing ones included.

A combination Rβ has covariance R V Rᵀ; Rβ = q is tested by
W = (Rβ − q)ᵀ (R V Rᵀ)⁺ (Rβ − q), with the rank of R V Rᵀ as degrees of freedom.
"""

from __future__ import annotations

import numpy as np

__all__ = [
    "ROUND_OFF",
    "combined",
    "covariance_of",
    "degrees_of_freedom",
    "differences_of",
    "ratio",
    "roots",
    "units_of",
    "variances_of",
    "wald_statistic",
    "without_round_off",
]

# Differences below this share of what is subtracted are what rounding left.
ROUND_OFF = 1e-10


def without_round_off(differences: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Differences of numbers of some size; what rounding left of equal ones is zero."""
    return np.where(np.abs(differences) <= ROUND_OFF * size, 0.0, differences)


def differences_of(
    R: np.ndarray, values: np.ndarray, q: np.ndarray | float = 0.0
) -> np.ndarray:
    """Rβ − q, zero where equal numbers cancel.

    Parameters
    ----------
    R : ndarray of shape (m, k)
    values : ndarray of shape (k,), or (..., k) for several β
    q : ndarray of shape (m,) or float

    Returns
    -------
    differences : ndarray of shape (m,) or (..., m)
    """
    columns = np.moveaxis(np.atleast_1d(values), -1, 0).reshape(len(R.T), -1)
    size = np.abs(R) @ np.abs(np.nan_to_num(columns)) + np.abs(np.reshape(q, (-1, 1)))
    differences = combined(R, columns) - np.reshape(q, (-1, 1))
    exact = without_round_off(differences, size)
    return np.moveaxis(exact.reshape(len(R), *np.shape(values)[:-1]), 0, -1)


def combined(R: np.ndarray, values: np.ndarray) -> np.ndarray:
    """R @ values, where 0 × NaN is 0: what is not involved does not matter."""
    if not np.isnan(values).any():
        product: np.ndarray = R @ values
        return product
    product = R @ np.nan_to_num(values)
    unknown = (R != 0).astype(float) @ np.isnan(values).astype(float) > 0
    product[unknown] = np.nan
    return product


def ratio(estimates: np.ndarray, se: np.ndarray) -> np.ndarray:
    """Estimates over standard errors; what is surely zero is 0 standard errors away."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = estimates / se
    return np.where((estimates == 0) & (se == 0), 0.0, t)


def roots(variances: np.ndarray) -> np.ndarray:
    """Square roots; what round-off left below zero is zero."""
    return np.sqrt(np.where(variances < 0, 0.0, variances))


def covariance_of(R: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """R V Rᵀ; NaN only for combinations of estimates that have no variance."""
    product = combined(R, combined(R, cov.T).T)
    np.fill_diagonal(product, variances_of(R, cov))
    return product


def variances_of(R: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """The diagonal of R V Rᵀ, without the rest."""
    variances = combined(R, cov.T)
    variances = np.sum(np.where(R != 0, R * variances, 0.0), axis=1)
    # What is left of cancellation is no variance.
    scale = np.abs(R) @ np.nan_to_num(roots(np.diag(cov)))
    noise = variances < 8 * np.finfo(float).eps * scale**2
    return np.where(noise, 0.0, variances)


def degrees_of_freedom(R: np.ndarray, cov: np.ndarray, df: np.ndarray) -> np.ndarray:
    """Of combinations of estimates, each with degrees of freedom of its own.

    Of independent ones those of Welch (1947), of others the smallest involved.
    """
    smallest = np.where(R != 0, df, np.inf).min(axis=1)
    variances = np.diag(cov)
    related = (cov != 0) & ~np.eye(len(df), dtype=bool)
    used = (R != 0).astype(float)
    dependent = ((used @ related) * used).any(axis=1)
    shares = np.where(R != 0, R**2 * variances, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        welch = shares.sum(axis=1) ** 2 / np.sum(shares**2 / df, axis=1)
    return np.where(dependent | np.isnan(welch), smallest, welch)


def units_of(cov: np.ndarray) -> np.ndarray:
    """Standard errors, and 1 where they are 0."""
    se = roots(np.diag(cov))
    return np.where(se > 0, se, 1.0)


def wald_statistic(distance: np.ndarray, cov: np.ndarray) -> tuple[float, int]:
    """W and its degrees of freedom.

    Raises
    ------
    ValueError
        If an estimate has no standard error, or a combination has no variance.
    """
    if np.isnan(cov).any() or np.isnan(distance).any():
        raise ValueError(
            "An estimate of the hypothesis has no standard error; leave it out of R."
        )
    # In units of standard errors, so that unlike scales do not pass for a low rank.
    scale = units_of(cov)
    values, vectors = np.linalg.eigh(cov / np.outer(scale, scale))
    spread = values > 1e-10 * max(values[-1], 0.0)
    coordinates = vectors.T @ (distance / scale)
    fixed = np.abs(coordinates[~spread])
    if not spread.any() or (fixed > 1e-6 * (1 + np.abs(coordinates).max())).any():
        raise ValueError(
            "The hypothesis restricts a combination of estimates that has no variance, "
            "so that no test statistic exists. Remove the hypotheses that are bound to "
            "be true, or bound to be false."
        )
    statistic = np.sum(coordinates[spread] ** 2 / values[spread])
    return float(statistic), int(spread.sum())
