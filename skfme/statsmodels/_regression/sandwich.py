"""Covariances of averages and of regression coefficients of effects.

With ψᵢ = (XᵀWX)⁻¹ xᵢ wᵢ eᵢ, what row i moves the estimate by,

    HC0, HC1, HC2, HC3      V = Σ ψᵢψᵢᵀ, times n/(n − k); or e over √(1 − h), 1 − h
    cluster                 V = G/(G − 1) · (n − 1)/(n − k) · Σ_g (Σ_{i∈g} ψᵢ)(…)ᵀ
    CR3                     leaving out one cluster at a time
    two-way                 V₁ + V₂ − V₁₂ (Cameron, Gelbach and Miller, 2011)
    nonrobust               (XᵀWX)⁻¹ · Σ wᵢ eᵢ² / (n − k)

For w copies of a row (frequency weights), n is Σw, a row adds w times the square of
one copy's ψ, and h is one copy's leverage. Several outputs, and several averages over
rows of their own, have a joint covariance by the same sums.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from skfme.statsmodels._inference.contrasts import units_of
from skfme.statsmodels._regression.least_squares import LeastSquares
from skfme.statsmodels._regression.leave_out import leave_out_cov
from skfme.statsmodels._rows.clusters import Clusters

__all__ = [
    "cluster_gram",
    "gram",
    "regression_cov",
    "two_way_cov",
    "without_negative_variance",
]

N_NUMBERS = 2**22  # in memory at a time, beyond the data
ALONE = 1e-9  # how near one a leverage determines a coefficient

Block = Callable[[slice], np.ndarray]  # rows -> what each moves p estimates by, (b, p)
Present = Callable[[np.ndarray], np.ndarray]  # codes -> numbers of clusters


def gram(block: Block, n: int, p: int) -> np.ndarray:
    """Σᵢ ψᵢψᵢᵀ of shape (p, p), in bounded memory."""
    total = np.zeros((p, p))
    for _, moved in _blocks(block, n, p):
        total += moved.T @ moved
    return total


def cluster_gram(
    block: Block,
    clusters: Clusters,
    p: int,
    present: Present | None = None,
    left_out: Callable[[np.ndarray], np.ndarray] | None = None,
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
    left_out : codes -> ndarray of shape (p, G), default=None
        For CR3, by how much more an estimate moves as a cluster is left out; the factor
        is (G − 1)/G then.
    """
    total = np.zeros((p, p))
    for sign, codes in clusters.crossed:
        G = int(codes.max()) + 1
        sums = np.zeros((p, G))
        for rows, moved in _blocks(block, len(codes), p):
            sums += [np.bincount(codes[rows], column, G) for column in moved.T]
        numbers = np.full(p, G) if present is None else present(codes)
        factors = np.full(p, np.nan)
        np.divide(numbers, numbers - 1, out=factors, where=numbers > 1)
        if left_out is not None:
            sums *= left_out(codes)
            factors = 1 / factors
        sums *= np.sqrt(factors)[:, None]
        total += sign * (sums @ sums.T)
    return total


def _blocks(block: Block, n: int, p: int) -> Iterator[tuple[slice, np.ndarray]]:
    size = max(1, N_NUMBERS // p)
    for start in range(0, n, size):
        rows = slice(start, min(start + size, n))
        yield rows, block(rows)


def two_way_cov(
    cov_of: Callable[[Clusters], np.ndarray], clusters: Clusters, cov_type: str
) -> np.ndarray:
    """The covariance of one or two ways of clustering, made one where it is none.

    V₁ + V₂ − V₁₂ may have negative variances. Then its negative eigenvalues are set to
    zero, and each variance is raised to the larger one of a single way; by CR3 all are.

    Parameters
    ----------
    cov_of : Clusters -> ndarray of shape (p, p)
    clusters : Clusters
    cov_type : {"cluster", "CR3"}
    """
    cov = cov_of(clusters)
    if len(clusters.ways) == 1:
        return cov
    positive, negative = without_negative_variance(cov)
    if not negative and cov_type != "CR3":
        return cov
    if negative and cov_type != "CR3":
        warnings.warn(
            "The two-way cluster covariance has a negative variance, which happens with few "
            "clusters; each variance is taken to be at least the larger one of clustering "
            "in one way.",
            RuntimeWarning,
            stacklevel=5,
        )
    single = [np.diag(cov_of(Clusters((codes,)))) for codes in clusters.ways]
    return _raised(positive, np.max(single, axis=0))


def without_negative_variance(cov: np.ndarray) -> tuple[np.ndarray, bool]:
    """The nearest covariance to a matrix, and whether it had negative eigenvalues."""
    estimated = np.flatnonzero(~np.isnan(np.diag(cov)))
    among = np.ix_(estimated, estimated)
    # In units of each estimate's own, so that small ones count as large ones do.
    scale = units_of(np.diag(np.abs(np.diag(cov)[estimated])))
    values, vectors = np.linalg.eigh(cov[among] / np.outer(scale, scale))
    if not len(estimated) or values[0] >= -1e-10 * max(values[-1], 0.0):
        return cov, False
    fixed = cov.copy()
    clipped = (vectors * np.clip(values, 0.0, None)) @ vectors.T
    fixed[among] = clipped * np.outer(scale, scale)
    return fixed, True


def _raised(cov: np.ndarray, least: np.ndarray) -> np.ndarray:
    """Variances of at least some size, with the correlations as they are."""
    variances = np.diag(cov)
    raised = np.fmax(variances, least)
    factors = np.zeros(len(cov))
    np.divide(raised, variances, out=factors, where=variances > 1e-12 * raised)
    result = cov * np.sqrt(np.outer(factors, factors))
    np.fill_diagonal(result, np.where(np.isnan(variances), np.nan, raised))
    result[np.isnan(cov)] = np.nan
    return result


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
        NaN for coefficients that a single row, or cluster, determines: there is no
        robust error of theirs.
    """
    if cov_type == "nonrobust":
        products = fit.resid.T @ fit.weights.times(fit.resid)
        return np.kron(products / fit.df_resid, fit.bread)
    (n, k), K = fit.design.shape, fit.resid.shape[1]
    total = fit.weights.total
    bread = np.kron(np.eye(K), fit.bread)

    def completed(cov: np.ndarray, alone: np.ndarray) -> np.ndarray:
        undetermined = np.tile(alone, K)
        cov = (cov + cov.T) / 2
        cov[undetermined] = cov[:, undetermined] = np.nan
        return cov

    def clustered(ways: Clusters) -> np.ndarray:
        alone = _alone_in_cluster(fit, ways)
        if cov_type == "CR3":
            return completed(leave_out_cov(fit, ways), alone)
        meat = cluster_gram(_scores(fit, fit.resid, 1.0), ways, k * K)
        return completed(bread @ meat @ bread * (total - 1) / (total - k), alone)

    if clusters is not None:
        return two_way_cov(clustered, clusters, cov_type)
    errors, alone = _adjusted(fit, cov_type)
    meat = gram(_scores(fit, errors, fit.weights.power), n, k * K)
    meat *= total / (total - k) if cov_type == "HC1" else 1.0
    return completed(bread @ meat @ bread, alone)


def _scores(fit: LeastSquares, errors: np.ndarray, power: float) -> Block:
    """Rows -> xᵢ wᵢ^power eᵢ for each of K outputs, of shape (b, k * K)."""

    def block(rows: slice) -> np.ndarray:
        weighted = fit.weights.take(rows).times(errors[rows], power)
        products = weighted[:, :, None] * fit.design.block(rows)[:, None, :]
        return products.reshape(len(weighted), -1)

    return block


def _adjusted(fit: LeastSquares, cov_type: str) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of HC2 and HC3, and the coefficients that one row determines."""
    copies = fit.leverages()
    leverages = copies if fit.weights.counting else fit.weights.times(copies)
    full = leverages > 1 - ALONE
    alone = _determined(fit, ([row] for row in np.flatnonzero(full)))
    power = {"HC2": 0.5, "HC3": 1.0}.get(cov_type, 0.0)
    remaining = np.where(full, 1.0, 1 - leverages)
    return fit.resid / remaining[:, None] ** power, alone


def _alone_in_cluster(fit: LeastSquares, clusters: Clusters) -> np.ndarray:
    """Mask of the coefficients that could not be estimated without one cluster."""
    leverages = fit.weights.times(fit.leverages())
    # Rows with a leverage below one in all determine nothing.
    return _determined(
        fit,
        (
            np.flatnonzero(codes == g)
            for codes in clusters.ways
            for g in np.flatnonzero(np.bincount(codes, leverages) > 1 - ALONE)
        ),
    )


def _determined(fit: LeastSquares, sets: Iterable[Any]) -> np.ndarray:
    """Mask of the coefficients that could not be estimated without one set of rows."""
    scale = ALONE * np.sqrt(np.diag(fit.bread))
    mask = np.zeros(len(scale), dtype=bool)
    for rows in map(np.asarray, sets):
        exog = fit.design.block(rows) @ fit.inverse_root
        exog = fit.weights.take(rows).times(exog, 0.5)
        values, vectors = np.linalg.eigh(exog.T @ exog)
        moved = np.abs(fit.inverse_root @ vectors[:, values > 1 - ALONE])
        mask |= (moved > scale[:, None]).any(axis=1)
    return mask
