"""Means and shares of rows with their uncertainty, over rows or clusters of them.

A mean has SE² = G/(G−1) Σ_g (Σ_{i in g} w_i (e_i − ē))² / (Σ w)² over G clusters, s²/n over
rows without weights. A share p̂ of n rows has Wilson's bound; with clusters or weights, of
the effective number of rows p̂(1 − p̂)/v, v the variance above, and t of G − 1 degrees of
freedom for z.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

__all__ = ["MeanEstimate", "lower_share", "mean_over", "wilson"]


class MeanEstimate(NamedTuple):
    """A mean, its standard error and degrees of freedom."""

    mean: float
    se: float
    df: int

    def interval(self, alpha: float) -> tuple[float, float]:
        """The 1 − alpha interval."""
        half = stats.t.isf(alpha / 2, self.df) * self.se
        return self.mean - half, self.mean + half

    def equivalence(self, bound: float) -> float:
        """p-value of "the mean is not within ± bound": the larger of two one-sided."""
        if self.se == 0:
            return float(abs(self.mean) >= bound)
        return float(stats.t.cdf((abs(self.mean) - bound) / self.se, self.df))


def mean_over(
    values: np.ndarray, units: np.ndarray, weights: np.ndarray | None = None
) -> MeanEstimate:
    """The mean of rows, of which those of a unit depend on one another.

    Parameters
    ----------
    values : ndarray of shape (n,)
    units : ndarray of shape (n,), int
    weights : ndarray of shape (n,), default=None
        Rows of weight 0 do not count.
    """
    w = np.ones(len(values)) if weights is None else weights
    mean = float(np.average(values, weights=w))
    counted = w > 0
    _, codes = np.unique(units[counted], return_inverse=True)
    sums = np.bincount(codes, (w * (values - mean))[counted]) / w.sum()
    G = len(sums)
    if G < 2:
        return MeanEstimate(mean, np.nan, 1)
    # What is left of equal values' rounding is no spread.
    here = values[counted]
    noise = np.ptp(here) <= 1e-12 * np.abs(here).max(initial=0.0)
    se = 0.0 if noise else float(np.sqrt(G / (G - 1) * (sums**2).sum()))
    return MeanEstimate(mean, se, G - 1)


def wilson(share: float, n: float, z: float) -> tuple[float, float]:
    """Ends of Wilson's interval of a share of n rows, z standard errors wide."""
    centre = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)


def lower_share(
    inside: np.ndarray,
    units: np.ndarray,
    alpha: float,
    weights: np.ndarray | None = None,
) -> float:
    """One-sided lower bound of the share of rows inside; n / (n + z²) where all are.

    Parameters
    ----------
    inside : ndarray of shape (n,), bool
    units : ndarray of shape (n,), int
    alpha : float
    weights : ndarray of shape (n,), default=None
    """
    n, (share, se, df) = len(inside), mean_over(inside.astype(float), units, weights)
    if df + 1 == n and weights is None:  # rows are the units
        return max(wilson(share, n, float(stats.norm.isf(alpha)))[0], 0.0)
    w = np.ones(n) if weights is None else weights
    most = float(w.sum() ** 2 / (w**2).sum())  # of rows that tell alike
    effective = share * (1 - share) / se**2 if se > 0 else most
    return max(wilson(share, effective, float(stats.t.isf(alpha, df)))[0], 0.0)
