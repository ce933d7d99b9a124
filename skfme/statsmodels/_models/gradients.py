"""Means of parametric models, and sums of their gradients in the parameters.

A model of linear predictors η = Xβ (+ offset) has mean μ(η; τ), with τ further
parameters such as thresholds, so that ∂μ/∂β = (∂μ/∂η) x. Only weighted sums over rows,
one vector of p entries for each output and group, are formed. A model that is none of
the known ones gets central differences of its mean, by its own predict. Which slope a
model has is known in `slopes.py`, and by its reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from skfme.statsmodels._models.inputs import MeanInputs

__all__ = [
    "Given",
    "Index",
    "MeanFunction",
    "Numeric",
    "Point",
    "Slope",
    "group_sums",
    "weighted_sums",
]


class Mean(Protocol):
    """A fitted model, of which only this is asked here."""

    @property
    def params(self) -> np.ndarray: ...

    def mean(self, params: np.ndarray, inputs: MeanInputs) -> np.ndarray: ...


class Slope(NamedTuple):
    """The mean and its slopes at some rows, which come last: so each is one stretch.

    Attributes
    ----------
    mean : ndarray of shape (n_outputs, n)
    by_predictor : ndarray of shape (n_outputs, n_predictors, n) or None
        ∂μ/∂η.
    by_extra : ndarray of shape (n_outputs, n_extra, n) or None
        ∂μ/∂τ.
    """

    mean: np.ndarray
    by_predictor: np.ndarray | None = None
    by_extra: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Slope:
        taken: list[Any] = [None if a is None else a[..., rows] for a in self]
        return Slope(*taken)


@dataclass(frozen=True)
class Point:
    """Rows at which the mean was taken, with what its gradient needs again."""

    inputs: MeanInputs
    slope: Slope

    @property
    def mean(self) -> np.ndarray:
        """The mean, of shape (n, n_outputs)."""
        return self.slope.mean.T

    def take(self, rows: np.ndarray) -> Point:
        return Point(self.inputs.take(rows), self.slope.take(rows))


@dataclass(frozen=True)
class Index:
    """The mean of a model of linear predictors, and weighted sums of ∂μ/∂θ.

    Attributes
    ----------
    params : ndarray of shape (p,)
    positions : ndarray of shape (n_predictors, k), int
        Where each predictor's coefficients are in the parameters.
    slope : callable
        Linear predictors of shape (n_predictors, n) -> Slope.
    extra : ndarray of int, default=()
        Where the further parameters are.
    """

    params: np.ndarray
    positions: np.ndarray
    slope: Callable[[np.ndarray], Slope]
    extra: Any = ()

    def at(self, inputs: MeanInputs) -> Point:
        """The mean at some rows."""
        predictors = self.params[self.positions] @ inputs.X.T
        if inputs.offset is not None:
            predictors += inputs.offset
        return Point(inputs, self.slope(predictors))

    def gradients(
        self, point: Point, weights: np.ndarray, codes: np.ndarray, n_groups: int
    ) -> np.ndarray:
        """Σ wᵢ ∂μᵢ/∂θ over the rows of each group.

        Parameters
        ----------
        point : Point of n rows
        weights : ndarray of shape (n,) or (n_outputs, n)
        codes : ndarray of shape (n,)
            Each row's group, 0 to n_groups − 1.
        n_groups : int

        Returns
        -------
        sums : ndarray of shape (n_groups, n_outputs, p)
        """
        X, (_, by_predictor, by_extra) = point.inputs.X, point.slope
        assert by_predictor is not None
        n_outputs, n_predictors, n = by_predictor.shape
        sums = np.zeros((n_groups, n_outputs, len(self.params)))
        weights = np.atleast_2d(weights)
        slopes = by_predictor * weights[:, None]
        slopes = slopes.reshape(n_outputs * n_predictors, n)
        for group, rows in _members(codes, n_groups):
            blocks = slopes[:, rows] @ X[rows]
            blocks = blocks.reshape(n_outputs, n_predictors, X.shape[1])
            for i, position in enumerate(self.positions):
                sums[group][:, position] += blocks[:, i]
            if by_extra is not None:
                slope = by_extra[..., rows] @ weights[:, rows, None]
                sums[group][:, self.extra] += slope[..., 0]
        return sums


@dataclass(frozen=True)
class Numeric:
    """The mean of any model that predicts from parameters and a design matrix.

    Central differences, with steps of ∛ε relative to a parameter or, where that is
    larger, to its standard error, which is the scale on which the mean may bend.
    """

    fitted: Mean
    bse: np.ndarray

    def at(self, inputs: MeanInputs) -> Point:
        """The mean at some rows."""
        return Point(inputs, Slope(self.fitted.mean(self.fitted.params, inputs).T))

    def gradients(
        self, point: Point, weights: np.ndarray, codes: np.ndarray, n_groups: int
    ) -> np.ndarray:
        """Σ wᵢ ∂μᵢ/∂θ over the rows of each group, as of :class:`Index`."""
        params, mean = self.fitted.params, self.fitted.mean
        scale = np.maximum(np.abs(params), np.nan_to_num(self.bse))
        steps = np.diag(np.cbrt(np.finfo(float).eps) * np.where(scale == 0, 1.0, scale))
        sums = np.zeros((n_groups, point.mean.shape[1], len(params)))
        for j, step in enumerate(steps):
            high, low = params + step, params - step
            gap = mean(high, point.inputs) - mean(low, point.inputs)
            # What is representable is what divides.
            slopes = gap / (high[j] - low[j]) * np.atleast_2d(weights).T
            sums[:, :, j] = group_sums(slopes, codes, n_groups)
        return sums


@dataclass(frozen=True)
class Given:
    """The mean of a model that has gradients of its own, row by row.

    Attributes
    ----------
    fitted : Mean
    gradient : callable
        Parameters and inputs of n rows -> ∂μ/∂θ, of shape (n, n_outputs, p).
    """

    fitted: Mean
    gradient: Callable[[np.ndarray, MeanInputs], np.ndarray]

    def at(self, inputs: MeanInputs) -> Point:
        """The mean at some rows."""
        return Point(inputs, Slope(self.fitted.mean(self.fitted.params, inputs).T))

    def gradients(
        self, point: Point, weights: np.ndarray, codes: np.ndarray, n_groups: int
    ) -> np.ndarray:
        """Σ wᵢ ∂μᵢ/∂θ over the rows of each group, as of :class:`Index`."""
        n, n_outputs = point.mean.shape
        p = len(self.fitted.params)
        if n == 0:
            return np.zeros((n_groups, n_outputs, p))
        slopes = self.gradient(self.fitted.params, point.inputs)
        weighted = slopes * np.atleast_2d(weights).T[:, :, None]
        sums = group_sums(weighted.reshape(n, n_outputs * p), codes, n_groups)
        return sums.reshape(n_groups, n_outputs, p)


MeanFunction = Index | Numeric | Given


def weighted_sums(
    values: np.ndarray, weights: np.ndarray, codes: np.ndarray, n_groups: int
) -> np.ndarray:
    """Σ wᵢ vᵢ of the rows of each group, of shape (n_groups, n_columns)."""
    if n_groups == 1:
        return (weights @ values)[None]
    return group_sums(values * weights[:, None], codes, n_groups)


def group_sums(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums of the rows of each group, of shape (n_groups, n_columns)."""
    if n_groups == 1:
        return values.sum(axis=0, keepdims=True)
    return np.stack([np.bincount(codes, v, n_groups) for v in values.T], axis=1)


def _members(codes: np.ndarray, n_groups: int) -> Iterator[tuple[int, Any]]:
    """Each group that is present, with its rows."""
    if n_groups == 1:
        yield 0, slice(None)
        return
    if not len(codes):  # np.split makes one part of none
        return
    order = np.argsort(codes, kind="stable")
    groups, starts = np.unique(codes[order], return_index=True)
    for group, rows in zip(groups, np.split(order, starts[1:]), strict=True):
        yield int(group), rows
