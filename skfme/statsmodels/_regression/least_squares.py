"""Weighted least squares of effects, with what the weights mean.

Solves β̂ = (XᵀWX)⁻¹ XᵀWY for one or several outputs on one design: by means for cells,
by a QR decomposition else. Standard errors are made of it elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from skfme._summaries.weighting import Weighting
from skfme.statsmodels._inference.contrasts import ROUND_OFF, without_round_off
from skfme.statsmodels._regression.designs import CellDesign, EffectDesign

__all__ = ["LeastSquares", "deviations_from", "least_squares"]

# A column is dependent if no more of its length than this is independent of others.
DEPENDENT = 1e-10


@dataclass(frozen=True, eq=False)
class LeastSquares:
    """A fit of K outputs on one design.

    Attributes
    ----------
    design : EffectDesign
        Of n rows and k columns.
    weights : Weighting
    coef : ndarray of shape (k, K)
    resid : ndarray of shape (n, K)
    root : ndarray of shape (k, k)
        Upper triangular R with RᵀR = XᵀWX.
    sst : ndarray of shape (K,)
        Weighted sum of squares, about the mean where the design has a constant.
    """

    design: EffectDesign
    weights: Weighting
    coef: np.ndarray
    resid: np.ndarray
    root: np.ndarray
    sst: np.ndarray

    @cached_property
    def bread(self) -> np.ndarray:
        """(XᵀWX)⁻¹, of shape (k, k)."""
        return self.inverse_root @ self.inverse_root.T

    @cached_property
    def inverse_root(self) -> np.ndarray:
        return linalg.solve_triangular(self.root, np.eye(len(self.root)))

    @property
    def df_resid(self) -> float:
        return self.weights.total - len(self.root)

    @property
    def ssr(self) -> np.ndarray:
        """Weighted residual sum of squares of each output."""
        return self.weights.dot(self.resid**2)

    @property
    def rsquared(self) -> np.ndarray:
        """Share of the sum of squares explained; NaN where effects do not vary."""
        vary = self.sst > 0
        return np.where(vary, 1 - self.ssr / np.where(vary, self.sst, 1.0), np.nan)

    def leverages(self) -> np.ndarray:
        """xᵢᵀ (XᵀWX)⁻¹ xᵢ: of one copy of each row; times wᵢ, of the row."""
        if isinstance(self.design, CellDesign):
            return np.diag(self.bread)[self.design.codes]
        return np.sum((self.design.block(slice(None)) @ self.inverse_root) ** 2, axis=1)


def least_squares(
    design: EffectDesign, endog: np.ndarray, weights: Weighting
) -> LeastSquares:
    """Fit by least squares, or name the columns that depend on others.

    Parameters
    ----------
    design : EffectDesign of n rows and k columns
    endog : ndarray of shape (n, K)
    weights : Weighting

    Raises
    ------
    ValueError
        If columns are collinear, or there are no more observations than columns.
    """
    if isinstance(design, CellDesign):
        sizes = design.totals(weights.array)
        sums = np.transpose([design.totals(y) for y in weights.times(endog).T])
        coef, root, constant = sums / sizes[:, None], np.diag(np.sqrt(sizes)), True
        fitted = coef[design.codes]
    else:
        exog = design.block(slice(None))
        coef, root, constant = _solved(exog, endog, weights, design.names)
        fitted = exog @ coef
    if not weights.total > len(root):
        raise ValueError(
            f"{weights.total:g} rows that count cannot estimate {len(root)} coefficients "
            "and their errors; take fewer groups or terms."
        )
    resid = deviations_from(fitted, endog)
    centre = weights.dot(endog) / weights.sum if constant else 0.0
    sst = weights.dot(deviations_from(centre, endog) ** 2)
    return LeastSquares(design, weights, coef, resid, root, sst)


def _solved(
    exog: np.ndarray, endog: np.ndarray, weights: Weighting, names: Sequence[str]
) -> tuple[np.ndarray, np.ndarray, bool]:
    """Coefficients, the triangle R, and whether the design has a constant."""
    whitened = weights.times(exog, 0.5)
    orthonormal, root = np.linalg.qr(whitened)
    lengths = np.linalg.norm(whitened, axis=0)
    independent = np.zeros(exog.shape[1])
    independent[: len(root)] = np.abs(np.diag(root))
    dependent = independent <= DEPENDENT * lengths
    if dependent.any():
        shown = ", ".join(repr(names[j]) for j in np.flatnonzero(dependent)[:5])
        one = np.count_nonzero(dependent) == 1
        raise ValueError(
            f"The design is singular: {shown} can be computed from the columns before "
            f"{'it' if one else 'them'}, or {'is' if one else 'are'} zero throughout, among "
            f"the rows that count. Leave {'it' if one else 'them'} out."
        )
    projected = orthonormal.T @ weights.times(endog, 0.5)
    coef = linalg.solve_triangular(root, projected)
    constant = weights.times(np.ones(len(exog)), 0.5)
    outside = constant - orthonormal @ (orthonormal.T @ constant)
    return coef, root, bool(np.linalg.norm(outside) < 1e-8 * np.linalg.norm(constant))


def deviations_from(centre: Any, endog: np.ndarray) -> np.ndarray:
    """Effects minus what is fitted to them; zero, and not what rounding left, of equals.

    Effects that do not vary leave nothing in a row, nor do those that are fitted exactly
    in any, whatever the size of theirs.
    """
    deviations = endog - centre
    size = np.abs(endog)
    exact = np.abs(deviations).max(axis=0) <= ROUND_OFF * size.max(axis=0)
    return np.where(exact, 0.0, without_round_off(deviations, size))
