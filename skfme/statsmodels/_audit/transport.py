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

__all__ = ["mapped_margins", "mapped_sequence"]


Weights = tuple[np.ndarray, np.ndarray]  # of the rows of both groups


def mapped_margins(
    start: np.ndarray, goal: np.ndarray, weights: Weights | None = None
) -> np.ndarray:
    """Rows of `start` with each feature mapped into the margin that it has in `goal`.

    Parameters
    ----------
    start : ndarray of shape (n, n_features)
    goal : ndarray of shape (m, n_features)
    weights : pair of ndarray of shape (n,) and (m,), default=None
    """
    weights = weights or (np.ones(len(start)), np.ones(len(goal)))
    mapped = [_mapped(x, y, weights) for x, y in zip(start.T, goal.T, strict=True)]
    return np.column_stack(mapped) if mapped else start.copy()


def mapped_sequence(
    start: np.ndarray, goal: np.ndarray, weights: Weights | None = None
) -> np.ndarray:
    """Rows of `start` mapped feature after feature, given the earlier ones.

    Parameters
    ----------
    start : ndarray of shape (n, n_features)
    goal : ndarray of shape (m, n_features)
    weights : pair of ndarray of shape (n,) and (m,), default=None
    """
    weights = weights or (np.ones(len(start)), np.ones(len(goal)))
    moved = start.copy()
    for j in range(start.shape[1]):
        here, there = _designs(start[:, :j], goal[:, :j])
        before = _fitted(here, start[:, j], weights[0])
        after = _fitted(there, goal[:, j], weights[1])
        residual = _mapped(
            start[:, j] - here @ before, goal[:, j] - there @ after, weights
        )
        moved[:, j] = _with_ones(moved[:, :j]) @ after + residual
    return moved


def _designs(*features: np.ndarray) -> list[np.ndarray]:
    return [_with_ones(values) for values in features]


def _with_ones(values: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(values)), values])


def _fitted(design: np.ndarray, y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Coefficients by weighted least squares."""
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0])


def _mapped(x: np.ndarray, y: np.ndarray, weights: Weights) -> np.ndarray:
    """The quantiles of y at the mid-ranks of x; with equal weights, Hazen's."""
    places, _, members = _middles(x, weights[0])
    levels, values, _ = _middles(y, weights[1], apart=True)
    return np.interp(places[members], levels, values)


def _middles(
    x: np.ndarray, weights: np.ndarray, *, apart: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The middle of each value's share of the weight, the value, and whose it is.

    Equal values share one place, unless they are to stay apart.
    """
    if apart:
        order = np.argsort(x, kind="stable")
        values, members, mass = x[order], order, weights[order]
    else:
        values, members = np.unique(x, return_inverse=True)
        mass = np.bincount(members, weights)
    return (np.cumsum(mass) - mass / 2) / mass.sum(), values, members
