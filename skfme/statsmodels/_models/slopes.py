"""The mean of known models at their linear predictors, with its slopes.

μ(η; τ), ∂μ/∂η and ∂μ/∂τ, for models of statsmodels by their class, and for readers of
other packages' models. Sums over rows are formed in `gradients.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special, stats
from statsmodels.genmod.families import links

from skfme._engine.originals import method_alteration
from skfme.statsmodels._models.gradients import Index, Slope

__all__ = [
    "exponential",
    "identity",
    "index_of",
    "logistic",
    "probit",
    "single",
    "softmax",
]


def index_of(model: Any, params: np.ndarray, k: int) -> Index | None:
    """The mean of a known model of statsmodels; None of any other.

    Only the very classes of statsmodels are known: a subclass may predict otherwise.

    Parameters
    ----------
    model : statsmodels model
    params : ndarray of shape (p,)
    k : int
        Columns of the design matrix.
    """
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
        slope = logistic if is_logit else single(link.inverse, link.inverse_deriv)
    return None if slope is None else Index(params, first, slope)


def single(
    mean: Callable[[np.ndarray], np.ndarray], slope: Callable[[np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], Slope]:
    """One predictor, one output: μ = G(η)."""
    return lambda predictors: Slope(mean(predictors), slope(predictors)[None])


def identity(predictors: np.ndarray) -> Slope:
    """One output for each predictor: μ = η."""
    m, n = predictors.shape
    return Slope(predictors, np.broadcast_to(np.eye(m)[:, :, None], (m, m, n)))


def logistic(predictors: np.ndarray) -> Slope:
    """μ = 1 / (1 + e^−η), whose slope is accurate on both sides."""
    # NumPy's exponential is several times faster than SciPy's function.
    small = np.exp(-np.abs(predictors))
    rest = 1.0 / (1.0 + small)  # the larger of p and 1 − p
    small *= rest
    return Slope(np.where(predictors < 0, small, rest), (small * rest)[None])


def softmax(predictors: np.ndarray) -> Slope:
    """P = softmax(η), with ∂p_j/∂η_l = p_j (1{j = l} − p_l)."""
    p = special.softmax(predictors, axis=0)
    slopes = p[:, None] * -p
    for j in range(len(p)):
        slopes[j, j] += p[j]
    return Slope(p, slopes)


exponential = single(np.exp, np.exp)
probit = single(special.ndtr, stats.norm.pdf)


_LINEAR = ("OLS", "WLS", "GLS", "GLSAR", "MixedLM", "QuantReg", "RLM")
_COUNTS = ("Poisson", "NegativeBinomial", "NegativeBinomialP", "GeneralizedPoisson")
_SLOPES = {
    **dict.fromkeys(_LINEAR, identity),
    **dict.fromkeys(_COUNTS, exponential),
    "Logit": logistic,
    "Probit": probit,
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
