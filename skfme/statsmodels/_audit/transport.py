"""Rows of one group moved as if they came from another: arrays in, arrays out.

Per feature, x_j ↦ F⁻¹_{z',j}(F_{z,j}(x_j)), with mid-rank distribution functions and
linear quantiles, which sees each feature's margin alone. Feature after feature, the
residual of x_j on the earlier ones is mapped, and the other group's prediction at the
mapped earlier ones is added, so that linear dependence is carried over too. For a map
that carries the law of z into that of z', the mean of f(T(x)) − f(x) over z is
E[f | z'] − E[f | z], whatever the map.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

__all__ = ["mapped_margins", "mapped_sequence"]


def mapped_margins(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Rows of `start` with each feature mapped into the margin that it has in `goal`.

    Parameters
    ----------
    start : ndarray of shape (n, n_features)
    goal : ndarray of shape (m, n_features)
    """
    mapped = [_mapped(x, y) for x, y in zip(start.T, goal.T, strict=True)]
    return np.column_stack(mapped) if mapped else start.copy()


def mapped_sequence(start: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Rows of `start` mapped feature after feature, given the earlier ones.

    Parameters
    ----------
    start : ndarray of shape (n, n_features)
    goal : ndarray of shape (m, n_features)
    """
    moved = start.copy()
    for j in range(start.shape[1]):
        here, there = _designs(start[:, :j], goal[:, :j])
        before = np.linalg.lstsq(here, start[:, j], rcond=None)[0]
        after = np.linalg.lstsq(there, goal[:, j], rcond=None)[0]
        residual = _mapped(start[:, j] - here @ before, goal[:, j] - there @ after)
        moved[:, j] = _with_ones(moved[:, :j]) @ after + residual
    return moved


def _designs(*features: np.ndarray) -> list[np.ndarray]:
    return [_with_ones(values) for values in features]


def _with_ones(values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(values)), values])


def _mapped(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The quantiles of y at the mid-ranks of x."""
    return np.quantile(y, (rankdata(x) - 0.5) / len(x), method="hazen")
