"""The local mean of effects along a feature, in one pass over any number of rows.

Rows are counted and summed in equal bins; a line is fitted to the bins around each
point of a grid, with tricube weights that fall to zero at the nearest so-many rows
(local linear regression as in Cleveland, 1979). The line stops where rows stop: it crosses
no gap wider than a tenth of the range, and stays within the means that it is fitted to.
"""

from __future__ import annotations

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme.plotting._parts.rows import cell_sums, equal_bins

__all__ = ["local_mean"]

N_BINS, N_POINTS = 400, 120
WIDEST_GAP = 0.1  # of the range
LEAST_ROWS = 20


def local_mean(
    x: np.ndarray, y: np.ndarray, weights: Weighting
) -> tuple[np.ndarray, np.ndarray]:
    """Local mean of y along x.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Finite.
    weights : Weighting of n rows

    Returns
    -------
    grid, means : ndarray of shape (n_points,)
        NaN in gaps without rows; both empty for fewer than 20 rows or a constant x.
    """
    low, high = (float(x.min()), float(x.max())) if len(x) else (0.0, 0.0)
    if len(x) < LEAST_ROWS or not high > low:
        return np.empty(0), np.empty(0)
    total, sums = cell_sums(
        lambda rows: equal_bins(x[rows], low, high, N_BINS), N_BINS, weights, y
    )
    occupied = total > 0
    centres = low + (np.flatnonzero(occupied) + 0.5) * (high - low) / N_BINS
    total, means = total[occupied], sums[occupied] / total[occupied]
    grid = np.linspace(low, high, N_POINTS)
    share = min(max(len(x) ** -0.2, 0.05), 0.4)
    distance = np.abs(grid[:, None] - centres)
    reach = np.maximum(
        _nearest_reach(distance, total, share), 2.5 * (high - low) / N_BINS
    )
    kernel = np.clip(1 - (distance / reach[:, None]) ** 3, 0, None) ** 3 * total
    fitted = _local_lines(grid, centres, means, kernel)
    near = kernel > 0
    lowest = np.where(near, means, np.inf).min(axis=1)
    highest = np.where(near, means, -np.inf).max(axis=1)
    fitted = np.clip(fitted, lowest, highest)
    fitted[_in_gap(grid, centres, (high - low) / N_BINS)] = np.nan
    return grid, fitted


def _in_gap(grid: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    """Mask of the points in a wide gap between occupied bins."""
    right = np.searchsorted(centres, grid).clip(1, len(centres) - 1)
    before, after = centres[right - 1], centres[right]
    wide = after - before > WIDEST_GAP * N_BINS * width
    nearest = np.minimum(np.abs(grid - before), np.abs(grid - after))
    return wide & (nearest > width / 2 * (1 + 1e-9))


def _nearest_reach(distance: np.ndarray, total: np.ndarray, share: float) -> np.ndarray:
    """Distance from each grid point within which a share of the weight lies."""
    order = np.argsort(distance, axis=1, kind="stable")
    reached = np.cumsum(total[order], axis=1) >= share * total.sum() * (1 - 1e-12)
    last = np.take_along_axis(order, reached.argmax(axis=1)[:, None], axis=1)
    return np.take_along_axis(distance, last, axis=1)[:, 0] * 1.0001


def _local_lines(
    grid: np.ndarray, centres: np.ndarray, means: np.ndarray, kernel: np.ndarray
) -> np.ndarray:
    """Value at each grid point of the weighted line through the bins around it."""
    mass = kernel.sum(axis=1)
    mass[mass == 0] = np.nan
    middle = kernel @ centres / mass
    level = kernel @ means / mass
    off = centres - middle[:, None]
    spread = (kernel * off**2).sum(axis=1)
    slope = (kernel * off * (means - level[:, None])).sum(axis=1)
    slope = np.divide(slope, spread, out=np.zeros_like(slope), where=spread > 0)
    return np.asarray(level + slope * (grid - middle))
