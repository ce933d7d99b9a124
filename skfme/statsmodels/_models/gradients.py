"""Means of fitted models, and sums of their gradients in the parameters.

A model of linear predictors η = Xβ (+ offset) has mean μ(η; τ), with τ further
parameters such as thresholds, so that ∂μ/∂β = (∂μ/∂η) x. Only weighted sums over rows,
one vector of p entries for each output and group, are formed. A model that is none of
the known ones gets central differences of its mean, by its own predict.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats
from statsmodels.genmod.families import links

from skfme._engine.originals import method_alteration
from skfme.statsmodels._models.fitted import FittedModel, MeanInputs

__all__ = ["Index", "MeanFunction", "Numeric", "Point", "mean_function"]


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

    fitted: FittedModel
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


MeanFunction = Index | Numeric


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
    order = np.argsort(codes, kind="stable")
    groups, starts = np.unique(codes[order], return_index=True)
    for group, rows in zip(groups, np.split(order, starts[1:]), strict=True):
        yield int(group), rows


def mean_function(fitted: FittedModel, bse: np.ndarray) -> MeanFunction:
    """The mean of a fitted model, with analytic gradients where it is a known one.

    Only the very classes of statsmodels are known: a subclass may predict otherwise.
    """
    model, params, k = fitted.model, fitted.params, fitted.design.k
    is_known = type(model).__module__.startswith("statsmodels.")
    is_known &= method_alteration(model, "predict") is None
    kind = type(model).__name__ if is_known else ""
    first = np.arange(k)[None]
    if kind == "MNLogit":
        return Index(params, np.arange(len(params)).reshape(-1, k), _multinomial)
    if kind == "OrderedModel":
        return _ordered(model, params, first)
    slope = _SLOPES.get(kind)
    if kind in ("GLM", "GEE"):
        link = model.family.link
        # The link's own slope is inf/inf where the probability is 0 or 1.
        is_logit = type(link) is links.Logit
        slope = _LOGISTIC if is_logit else _single(link.inverse, link.inverse_deriv)
    return Numeric(fitted, bse) if slope is None else Index(params, first, slope)


def _single(
    mean: Callable[[np.ndarray], np.ndarray], slope: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], Slope]:
    """One predictor, one output: μ = G(η)."""
    return lambda predictors: Slope(mean(predictors), slope(predictors)[None])


def _identity(predictors: np.ndarray) -> Slope:
    return Slope(predictors, np.ones((1, 1, predictors.shape[1])))


_LINEAR = ("OLS", "WLS", "GLS", "GLSAR", "MixedLM", "QuantReg", "RLM")
_COUNTS = ("Poisson", "NegativeBinomial", "NegativeBinomialP", "GeneralizedPoisson")
_LOGISTIC = _single(special.expit, lambda eta: special.expit(eta) * special.expit(-eta))
_SLOPES = {
    **dict.fromkeys(_LINEAR, _identity),
    **dict.fromkeys(_COUNTS, _single(np.exp, np.exp)),
    "Logit": _LOGISTIC,
    "Probit": _single(special.ndtr, stats.norm.pdf),
}


def _multinomial(predictors: np.ndarray) -> Slope:
    """P = softmax(0, η), with ∂p_j/∂η_l = p_j (1{j = l} − p_l)."""
    p = np.empty((len(predictors) + 1, predictors.shape[1]))
    highest = np.maximum(predictors.max(axis=0), 0.0)
    np.negative(highest, out=p[0])
    np.subtract(predictors, highest, out=p[1:])
    np.exp(p, out=p)
    p /= p.sum(axis=0)
    slopes = p[:, None] * -p[1:]
    for j in range(1, len(p)):
        slopes[j, j - 1] += p[j]
    return Slope(p, slopes)


def _ordered(model: Any, params: np.ndarray, first: np.ndarray) -> Index:
    """p_j = F(c_j − η) − F(c_{j−1} − η), where c_j = τ₁ + e^τ₂ + … + e^τ_j."""
    k = first.shape[1]
    tau = params[k:]
    increments = np.append(1.0, np.exp(tau[1:]))  # ∂c_j/∂τ_m for m ≤ j
    cuts = np.cumsum(np.append(tau[0], increments[1:]))
    by_tau = np.tril(np.ones((len(tau), len(tau)))) * increments
    distribution = model.distr

    def at(predictors: np.ndarray) -> Slope:
        reached = cuts[:, None] - predictors
        p = np.diff(distribution.cdf(reached), prepend=0.0, append=1.0, axis=0)
        density = np.pad(distribution.pdf(reached), ((1, 1), (0, 0)))
        by_cut = np.zeros((len(p), len(tau), p.shape[1]))
        upper = np.arange(len(tau))
        by_cut[upper, upper] = density[1:-1]
        by_cut[upper + 1, upper] = -density[1:-1]
        by_extra = np.einsum("jcn,cm->jmn", by_cut, by_tau)
        return Slope(p, -np.diff(density, axis=0)[:, None], by_extra)

    return Index(params, first, at, np.arange(k, len(params)))
