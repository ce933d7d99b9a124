"""Weighted summaries of effects: mean, SD and quantiles.

Frequency weights count rows: they give exactly what repeated rows give. Sampling and
importance weights are first rescaled to sum to the number of positive ones, so that
their scale does not matter. With W = Σ wᵢ, the SD has divisor W − 1, and the quantile at
q is type 7 of Hyndman and Fan (1996), at position q(W − 1) of the cumulated weights. For
weights that are not whole, the same position p is read off as the mean over [p, p + 1) of
the step function that holds value i for a length of wᵢ; with whole weights that is type 7.

Here are summaries of rows that are at hand; those that merge live beside this.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skfme._summaries.weighting import Weighting

__all__ = [
    "Figures",
    "NonLinearity",
    "figures_of",
    "nonlinearity_of",
    "quantiles_of_size",
    "sd_of_size",
    "warn_of_no_sd",
    "weighted_mean",
    "weighted_quantiles",
    "weighted_sd",
    "with_mean",
]


@dataclass(frozen=True)
class Figures:
    """One column of effects in a few numbers; NaN where they are not defined."""

    n: int
    mean: float
    sd: float
    q25: float
    median: float
    q75: float


def with_mean(figures: Figures, mean: float) -> Figures:
    """The same figures with another average, as of a comparison of means."""
    return replace(figures, mean=mean)


@dataclass(frozen=True)
class NonLinearity:
    """NLMs of one effect in a few numbers.

    The lower tail of the NLM has no bound, so that the mean alone misleads.
    """

    mean: float
    median: float
    share_linear: float
    n_undefined: int


# At and above this NLM a path reads as a straight line (Löwe et al., 2024).
LINEAR = 0.9


def nonlinearity_of(nlm: np.ndarray, weights: Weighting) -> NonLinearity:
    """Figures of the NLMs of rows that count; undefined ones are left out."""
    defined = ~np.isnan(nlm)
    values, weights = nlm[defined], weights.take(defined)
    return NonLinearity(
        weighted_mean(values, weights),
        float(weighted_quantiles(values, np.array([0.5]), weights)[0]),
        weighted_mean((values >= LINEAR).astype(float), weights),
        int(np.count_nonzero(~defined)),
    )


def weighted_mean(values: np.ndarray, weights: Weighting) -> float:
    """Mean; NaN of no rows, or of weights that sum to zero."""
    total = weights.sum
    return float(weights.dot(values) / total) if total > 0 else float("nan")


def weighted_sd(values: np.ndarray, weights: Weighting) -> float:
    """Standard deviation with divisor W − 1; NaN where W ≤ 1."""
    if len(values) == 0:
        return float("nan")
    size = weights.size
    if size <= 1:
        return float("nan")
    values = values - values[0]  # so that equal ones have an SD of 0, not of rounding
    deviations = values - weighted_mean(values, weights)
    squares = weights.times(deviations**2).sum()
    return float(sd_of_size(squares, weights.sum, size))


def sd_of_size(squares: Any, total: Any, size: Any) -> Any:
    """SDs of weights that sum to `total` and stand for `size` rows; NaN of one row.

    Parameters
    ----------
    squares : float or ndarray
        Σ w (x − mean)².
    total, size : float or ndarray
    """
    divisor = np.where(size > 1, size - 1, np.nan)
    scale = size / np.where(total > 0, total, np.nan)  # 1 of frequencies
    return np.sqrt(squares * scale / divisor)


def warn_of_no_sd() -> None:
    """Say why an SD that was asked for is NaN."""
    warnings.warn(
        "The SD of effects is not defined: the rows of positive weight, or the sum of "
        "frequency weights, must exceed 1.",
        RuntimeWarning,
        stacklevel=3,
    )


def weighted_quantiles(
    values: np.ndarray, q: np.ndarray, weights: Weighting
) -> np.ndarray:
    """Quantiles of type 7; NaN where there is less than one row."""
    q = np.asarray(q, dtype=float)
    if weights.size < 1:
        return np.full(q.shape, np.nan)
    if weights.array is None:
        return _quantiles(values, q)
    return quantiles_of_size(values, q, weights.array, weights.size)


def quantiles_of_size(
    values: np.ndarray, q: np.ndarray, weights: np.ndarray, size: float
) -> np.ndarray:
    """The same of weights that stand for `size` rows, whatever their sum."""
    order = np.argsort(values, kind="stable")
    ends = np.concatenate([[0.0], np.cumsum(weights[order])])
    ends *= size / ends[-1]
    ordered = values[order]
    places = np.maximum(q * (ends[-1] - 1), 0.0)
    return np.array([_window_mean(ordered, ends, at) for at in places])


def _quantiles(values: np.ndarray, q: np.ndarray) -> np.ndarray:
    """The same of at least one value, none of them NaN, without weights.

    Each partition goes on where the last one ended; NumPy's own, of all at once, takes
    longer than sorting.
    """
    rest, quantiles = values.astype(float), np.empty(q.shape)
    last, start = len(rest) - 1, 0
    for i in np.argsort(q):
        k = int(q[i] * last)
        rest[start:].partition(k - start)
        above = rest[k + 1 :].min() if k < last else rest[k]
        quantiles[i] = rest[k] + (q[i] * last - k) * (above - rest[k])
        start = k
    return quantiles


def _window_mean(ordered: np.ndarray, ends: np.ndarray, low: float) -> float:
    """Mean over [low, low + 1) of the function that is value i on [ends[i], ends[i+1])."""
    first = int(np.searchsorted(ends, low, side="right")) - 1
    last = int(np.searchsorted(ends, low + 1, side="left"))
    first, last = min(first, len(ordered) - 1), min(last, len(ordered))
    lengths = np.diff(np.clip(ends[first : last + 1], low, low + 1))
    inside = ordered[first:last]
    mean = lengths @ inside / lengths.sum()
    # The mean of equal values is theirs to the last digit.
    return float(np.clip(mean, inside[0], inside[-1]))


def figures_of(values: np.ndarray, weights: Weighting) -> Figures:
    """Figures of the effects that count, all finite."""
    quartiles = weighted_quantiles(values, np.array([0.25, 0.5, 0.75]), weights)
    return Figures(
        len(values),
        weighted_mean(values, weights),
        weighted_sd(values, weights),
        *(float(v) for v in quartiles),
    )
