"""The covariance of leaving one cluster out at a time, CR3.

With S_g = X_gᵀW_g e_g and H_g = X_gᵀW_gX_g, cluster g moves the coefficients by
δ_g = (XᵀWX − H_g)⁻¹ S_g, as a fit without it shows, and V = (G − 1)/G · Σ δ_g δ_gᵀ (Bell
and McCaffrey, 2002). It covers with few clusters, and covariates that are constant within
them, where the cluster sums of the ordinary covariance are too small.
"""

from __future__ import annotations

import numpy as np

from skfme.statsmodels._regression.designs import CellDesign
from skfme.statsmodels._regression.least_squares import LeastSquares
from skfme.statsmodels._rows.clusters import Clusters

__all__ = ["leave_out_cov"]


def leave_out_cov(fit: LeastSquares, clusters: Clusters) -> np.ndarray:
    """Joint covariance of the coefficients, output after output; V₁ + V₂ − V₁₂ of two ways.

    Parameters
    ----------
    fit : LeastSquares
        K outputs on k columns.
    clusters : Clusters

    Returns
    -------
    cov : ndarray of shape (k * K, k * K)
    """
    k, K = fit.coef.shape
    total = np.zeros((k * K, k * K))
    for sign, codes in clusters.crossed:
        G = int(codes.max()) + 1
        order = np.argsort(codes, kind="stable")
        starts = np.flatnonzero(np.diff(codes[order])) + 1
        for rows in np.split(order, starts):
            moved = _moved(fit, rows).T.ravel()
            total += sign * (G - 1) / G * np.outer(moved, moved)
    return total


def _moved(fit: LeastSquares, rows: np.ndarray) -> np.ndarray:
    """Coefficients less those of a fit without some rows, of shape (k, K)."""
    weights = fit.weights.take(rows)
    exog = fit.design.block(rows)
    scores = exog.T @ weights.times(fit.resid[rows])
    if isinstance(fit.design, CellDesign):
        rest = 1 / np.diag(fit.bread) - weights.times(exog).sum(axis=0)
        inverse = np.divide(1.0, rest, out=np.zeros_like(rest), where=rest > 0)
        cells: np.ndarray = inverse[:, None] * scores
        return cells
    whitened = weights.times(exog @ fit.inverse_root, 0.5)
    rest = np.eye(len(fit.root)) - whitened.T @ whitened
    # What a cluster alone determines has no error by any method, and is marked elsewhere.
    solved = np.linalg.pinv(rest, 1e-9, hermitian=True) @ (fit.inverse_root.T @ scores)
    moved: np.ndarray = fit.inverse_root @ solved
    return moved
