"""Covariances of averages and of regression coefficients of effects.

With ψᵢ = (XᵀWX)⁻¹ xᵢ wᵢ eᵢ, what row i moves the estimate by,

    HC0, HC1, HC2, HC3      V = Σ ψᵢψᵢᵀ, times n/(n − k); or e over √(1 − h), 1 − h
    cluster                 V = G/(G − 1) · (n − 1)/(n − k) · Σ_g (Σ_{i∈g} ψᵢ)(…)ᵀ
    two-way                 V₁ + V₂ − V₁₂ (Cameron, Gelbach and Miller, 2011)
    nonrobust               (XᵀWX)⁻¹ · Σ wᵢ eᵢ² / (n − k)

For w copies of a row (frequency weights), n is Σw, a row adds w times the square of
one copy's ψ, and h is one copy's leverage. Several outputs, and several averages over
rows of their own, have a joint covariance by the same sums.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme.statsmodels._regression.least_squares import LeastSquares
from skfme.statsmodels._rows.clusters import Clusters

__all__ = [
    "cluster_gram",
    "contributions",
    "gram",
    "regression_cov",
    "without_negative_variance",
]


N_NUMBERS = 2**22  # in memory at a time, beyond the data
ALONE = 1e-9  # how near one a leverage determines a coefficient

Block = Callable[[slice], np.ndarray]  # rows -> their (b, p) contributions
Present = Callable[[np.ndarray], np.ndarray]  # codes -> numbers of clusters


def _blocks(n: int, p: int) -> Iterator[slice]:
    size = max(1, N_NUMBERS // p)
    for start in range(0, n, size):
        yield slice(start, min(start + size, n))


def gram(block: Block, n: int, p: int) -> np.ndarray:
    """Σᵢ ψᵢψᵢᵀ of shape (p, p), in bounded memory."""
    total = np.zeros((p, p))
    for rows in _blocks(n, p):
        part = block(rows)
        total += part.T @ part
    return total


def cluster_gram(
    block: Block, clusters: Clusters, p: int, present: Present | None = None
) -> np.ndarray:
    """Σ_g (Σ_{i∈g} ψᵢ)(…)ᵀ · G/(G − 1), of shape (p, p); two ways by V₁ + V₂ − V₁₂.

    Parameters
    ----------
    block : rows -> ndarray of shape (b, p)
    clusters : Clusters
    p : int
    present : codes -> ndarray of shape (p,), default=None
        In how many clusters each estimate has rows; None is in all. NaN for an estimate
        that has them in one.
    """
    n = len(clusters.codes)
    total = np.zeros((p, p))
    for sign, codes in clusters.crossed:
        G = int(codes.max()) + 1
        sums = np.zeros((G, p))
        for rows in _blocks(n, p):
            part = block(rows)
            for j in range(p):
                sums[:, j] += np.bincount(codes[rows], part[:, j], G)
        numbers = np.full(p, G) if present is None else present(codes)
        with np.errstate(divide="ignore"):
            factors = np.sqrt(numbers / (numbers - 1.0))
        factors[numbers < 2] = np.nan
        total += sign * (sums.T @ sums) * np.outer(factors, factors)
    return total


def without_negative_variance(cov: np.ndarray) -> np.ndarray:
    """The covariance of two ways of clustering, with negative eigenvalues set to 0."""
    known = np.flatnonzero(~np.isnan(np.diag(cov)))
    part = np.ix_(known, known)
    values, vectors = np.linalg.eigh(cov[part])
    if not len(known) or values[0] >= -1e-10 * max(values[-1], 0.0):
        return cov
    warnings.warn(
        "The two-way cluster covariance has a negative variance, which happens with few "
        "clusters; it is set to zero (Cameron, Gelbach and Miller, 2011). Its standard "
        "errors are not to be relied on.",
        RuntimeWarning,
        stacklevel=5,
    )
    fixed = cov.copy()
    fixed[part] = (vectors * np.clip(values, 0.0, None)) @ vectors.T
    return fixed


def regression_cov(
    fit: LeastSquares, cov_type: str, clusters: Clusters | None
) -> np.ndarray:
    """Joint covariance of the coefficients, output after output.

    Parameters
    ----------
    fit : LeastSquares
    cov_type : one of COV_TYPES
    clusters : Clusters or None

    Returns
    -------
    cov : ndarray of shape (k * K, k * K)
        NaN for coefficients that a single row, or cluster, determines: a robust
        covariance knows no error of theirs.
    """
    (n, k), K = fit.design.shape, fit.resid.shape[1]
    if cov_type == "nonrobust":
        products = fit.resid.T @ fit.weights.times(fit.resid)
        return np.kron(products / fit.df_resid, fit.bread)
    total = fit.weights.total
    if clusters is not None:
        meat = cluster_gram(
            contributions(fit.design.block, fit.resid, fit.weights, 1.0),
            clusters,
            k * K,
        )
        meat *= (total - 1) / (total - k)
        alone = _alone_in_cluster(fit, clusters)
    else:
        resid, alone = _adjusted(fit, cov_type)
        power = fit.weights.power
        meat = gram(
            contributions(fit.design.block, resid, fit.weights, power), n, k * K
        )
        meat *= total / (total - k) if cov_type == "HC1" else 1.0
    bread = np.kron(np.eye(K), fit.bread)
    cov = bread @ meat @ bread
    cov = (cov + cov.T) / 2
    unknown = np.tile(alone, K)
    cov[unknown] = cov[:, unknown] = np.nan
    if clusters is not None and len(clusters.ways) > 1:
        return without_negative_variance(cov)
    return cov


def contributions(
    design: Block, resid: np.ndarray, weights: Weighting, power: float
) -> Block:
    """Rows -> xᵢ wᵢ^power eᵢ for each of K outputs, of shape (b, k * K).

    Parameters
    ----------
    design : rows -> their (b, k) rows of the matrix
    resid : ndarray of shape (n, K)
    weights : Weighting
    power : float
    """

    def block(rows: slice) -> np.ndarray:
        errors = resid[rows]
        if weights.array is not None:
            errors = errors * (weights.array[rows] ** power)[:, None]
        products = errors[:, :, None] * design(rows)[:, None, :]
        return products.reshape(len(errors), -1)

    return block


def _adjusted(fit: LeastSquares, cov_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of HC2 and HC3, and the coefficients that one row determines."""
    copies = fit.leverages()
    leverages = copies if fit.weights.counting else fit.weights.times(copies)
    alone = np.zeros(len(fit.root), dtype=bool)
    full = leverages > 1 - ALONE
    for row in np.flatnonzero(full):
        alone |= _determined(fit, np.array([row]))
    power = {"HC2": 0.5, "HC3": 1.0}.get(cov_type, 0.0)
    if not power:
        return fit.resid, alone
    remaining = np.where(full, 1.0, 1 - leverages)
    return fit.resid / remaining[:, None] ** power, alone


def _alone_in_cluster(fit: LeastSquares, clusters: Clusters) -> np.ndarray:
    """Mask of the coefficients that could not be estimated without one cluster."""
    alone = np.zeros(len(fit.root), dtype=bool)
    leverages = fit.weights.times(fit.leverages())
    for codes in clusters.ways:
        # Rows with a leverage below one in all determine nothing.
        for g in np.flatnonzero(np.bincount(codes, leverages) > 1 - ALONE):
            alone |= _determined(fit, np.flatnonzero(codes == g))
    return alone


def _determined(fit: LeastSquares, rows: np.ndarray) -> np.ndarray:
    """Mask of the coefficients that could not be estimated without some rows."""
    part = fit.design.block(rows) @ fit.inverse_root
    if fit.weights.array is not None:
        part *= np.sqrt(fit.weights.array[rows])[:, None]
    values, vectors = np.linalg.eigh(part.T @ part)
    moved = np.abs(fit.inverse_root @ vectors[:, values > 1 - ALONE])
    return (moved > ALONE * np.sqrt(np.diag(fit.bread))[:, None]).any(axis=1)
