"""Restricted maximum likelihood of variance components, crossed or nested; numbers only.

y = Xb + Σ_k Z_k u_k + ε with Var u_k = σ²γ_k. With r = √γ on the diagonal and
L Lᵀ = I + r ZᵀZ r of size q, the number of random effects,

    A = L⁻¹ r ZᵀX,  c = L⁻¹ r Zᵀy,  XᵀV⁻¹X = XᵀX − AᵀA,  rss = yᵀV⁻¹y − bᵀXᵀV⁻¹y,

and (n − p) log rss + log|V| + log|XᵀV⁻¹X| is smallest at the estimates; its derivative
by γ_k is tr(Z_kᵀPZ_k) − (n − p) |Z_kᵀPy|² / rss. No matrix of n rows is inverted. What is
handed over has orthonormal X and residuals y, so that units and offsets do not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import linalg, optimize, sparse

__all__ = ["VarianceComponents", "crossed_reml"]

BOUNDS = (-12.0, 12.0)  # of log γ; where the lower one is reached, γ is zero
STARTS = np.log([0.01, 0.1, 1.0])
NEAR_ZERO = -8.0  # log γ below which zero is tried, too
STEEP = 1e-3  # a slope of the deviance by log γ that an optimum does not have


@dataclass(frozen=True, eq=False)
class VarianceComponents:
    """Estimates of a model with variance components.

    Attributes
    ----------
    coef : ndarray of shape (p,)
    cov : ndarray of shape (p, p)
    variances : ndarray of shape (K,)
        Of the random effects of each component.
    scale : float
        Variance of residuals.
    effects : list of ndarray of shape (q_k,)
        Predicted random effects.
    converged : bool
    """

    coef: np.ndarray
    cov: np.ndarray
    variances: np.ndarray
    scale: float
    effects: list[np.ndarray]
    converged: bool


def crossed_reml(
    exog: np.ndarray, endog: np.ndarray, loadings: Sequence[Any], max_iter: int
) -> VarianceComponents:
    """Estimate by restricted maximum likelihood.

    Parameters
    ----------
    exog : ndarray of shape (n, p)
        Orthonormal columns.
    endog : ndarray of shape (n,)
        Orthogonal to them.
    loadings : K sparse matrices of shape (n, q_k)
        Of the random effects of each component.
    max_iter : int
    """
    n, p = exog.shape
    spread = float(np.sqrt(endog @ endog / (n - p)))
    if spread == 0:
        nothing = [np.zeros(Z.shape[1]) for Z in loadings]
        still = np.zeros(len(loadings))
        return VarianceComponents(
            np.zeros(p), np.zeros((p, p)), still, 0.0, nothing, True
        )
    sums = _Sums.of(exog, endog / spread, loadings)
    logs, converged = _smallest_deviance(sums, max_iter)
    gammas = np.exp(logs)
    at = sums.at(gammas)
    scale = spread**2 * at.rss / (n - p)
    moved = gammas[sums.components] * at.scores * spread
    return VarianceComponents(
        at.coef * spread,
        scale * at.inverse,
        scale * gammas,
        scale,
        np.split(moved, np.cumsum(sums.sizes)[:-1]),
        converged,
    )


def _smallest_deviance(sums: _Sums, max_iter: int) -> tuple[np.ndarray, bool]:
    """Log γ of each component, −∞ for a variance of zero, and whether it is an optimum."""
    K = len(sums.sizes)
    start = min((np.full(K, s) for s in STARTS), key=lambda s: sums.deviance(s)[0])
    logs, free = start, np.ones(K, dtype=bool)
    while free.any():
        logs, slope = _descended(sums, logs, free, max_iter)
        zero = free & (logs < NEAR_ZERO)
        without = np.where(zero, -np.inf, logs)
        if not zero.any() or sums.deviance(without)[0] > sums.deviance(logs)[0] + 1e-6:
            return logs, bool(np.abs(slope[free]).max() < STEEP)
        logs, free = without, free & ~zero
    return logs, True


def _descended(
    sums: _Sums, logs: np.ndarray, free: np.ndarray, max_iter: int
) -> tuple[np.ndarray, np.ndarray]:
    """The free components moved to the smallest deviance, and its slope there."""

    def placed(values: np.ndarray) -> np.ndarray:
        full = logs.copy()
        full[free] = values
        return full

    def objective(values: np.ndarray) -> tuple[float, np.ndarray]:
        deviance, slope = sums.deviance(placed(values))
        return deviance, slope[free]

    found = optimize.minimize(
        objective,
        logs[free],
        jac=True,
        method="L-BFGS-B",
        bounds=[BOUNDS] * int(free.sum()),
        options={"maxiter": max_iter, "ftol": 1e-15, "gtol": 1e-7},
    )
    best = placed(found.x)
    slope = sums.deviance(best)[1]
    return best, np.where((best <= BOUNDS[0]) & (slope > 0), 0.0, slope)


@dataclass(frozen=True, eq=False)
class _At:
    """What the variance ratios make of the sums."""

    coef: np.ndarray
    inverse: np.ndarray  # (XᵀV⁻¹X)⁻¹
    rss: float
    scores: np.ndarray  # ZᵀPy
    traces: np.ndarray  # diagonal of ZᵀPZ
    log_determinants: float


@dataclass(frozen=True, eq=False)
class _Sums:
    """Sums over rows, all that the likelihood needs of them."""

    df: int
    ZZ: np.ndarray
    ZX: np.ndarray
    Zy: np.ndarray
    yy: float
    sizes: list[int]
    components: np.ndarray  # of each random effect

    @classmethod
    def of(cls, exog: np.ndarray, endog: np.ndarray, loadings: Sequence[Any]) -> _Sums:
        Z = sparse.hstack(loadings, format="csr")
        sizes = [matrix.shape[1] for matrix in loadings]
        return cls(
            exog.shape[0] - exog.shape[1],
            (Z.T @ Z).toarray(),
            Z.T @ exog,
            Z.T @ endog,
            float(endog @ endog),
            sizes,
            np.repeat(np.arange(len(sizes)), sizes),
        )

    def at(self, gammas: np.ndarray) -> _At:
        root = np.sqrt(gammas)[self.components]
        inner = root[:, None] * self.ZZ * root
        inner[np.diag_indices_from(inner)] += 1.0
        L = linalg.cholesky(inner, lower=True)
        wide = root[:, None] * np.column_stack([self.ZX, self.Zy, self.ZZ])
        solved = linalg.solve_triangular(L, wide, lower=True)
        p = self.ZX.shape[1]
        A, c, B = solved[:, :p], solved[:, p], solved[:, p + 1 :]
        XVX, XVy = np.eye(p) - A.T @ A, -A.T @ c
        triangle = linalg.cholesky(XVX, lower=True)
        inverse = linalg.cho_solve((triangle, True), np.eye(p))
        coef = inverse @ XVy
        ZVX = self.ZX - B.T @ A
        traces = np.diag(self.ZZ) - np.sum(B**2, axis=0)
        return _At(
            coef,
            inverse,
            float(self.yy - c @ c - coef @ XVy),
            self.Zy - B.T @ c - ZVX @ coef,
            traces - np.sum((ZVX @ inverse) * ZVX, axis=1),
            2 * float(np.log(np.diag(L)).sum() + np.log(np.diag(triangle)).sum()),
        )

    def deviance(self, logs: np.ndarray) -> tuple[float, np.ndarray]:
        """−2 log likelihood up to a constant, and its slope by each log γ."""
        gammas = np.exp(logs)
        at = self.at(gammas)
        each = at.traces - self.df * at.scores**2 / at.rss
        slope = gammas * np.bincount(self.components, each, len(gammas))
        return self.df * float(np.log(at.rss)) + at.log_determinants, slope
