"""What training rows say, by hand: weighted SDs and quantiles, and who is outside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def sd_of(values: np.ndarray, weights: np.ndarray | None) -> float:
    """The SD with divisor W − 1; NaN where W ≤ 1."""
    weights = np.ones(len(values)) if weights is None else weights
    size = weights.sum()
    if size <= 1:
        return np.nan
    mean = weights @ values / size
    return float(np.sqrt(weights @ (values - mean) ** 2 / (size - 1)))


def quantiles_of(
    values: np.ndarray, q: Sequence[float], weights: np.ndarray | None
) -> np.ndarray:
    """Type 7; of weights the mean over [p, p + 1) of a staircase, p = q (W − 1)."""
    if weights is None:
        return np.quantile(values, q)
    order = np.argsort(values, kind="stable")
    values, edges = values[order], np.concatenate([[0.0], np.cumsum(weights[order])])
    found = []
    for share in q:
        low = max(share * (edges[-1] - 1), 0.0)
        high = min(low + 1, edges[-1])
        overlap = np.minimum(edges[1:], high) - np.maximum(edges[:-1], low)
        overlap = np.maximum(overlap, 0)
        found.append(values[0] + overlap @ (values - values[0]) / overlap.sum())
    return np.clip(found, values[0], values[-1])  # but for rounding, they are inside


def rescaled(weights: np.ndarray, kind: str) -> np.ndarray:
    """Weights as they count: frequencies as they are, others with a mean of 1."""
    return weights if kind == "whole" else weights * len(weights) / weights.sum()
