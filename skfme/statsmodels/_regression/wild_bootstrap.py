"""The wild cluster bootstrap: tests with few clusters, the null hypothesis imposed.

Residuals ũ of the fit restricted by Rγ = q are multiplied by one random weight v_g per
cluster, y* = Xγ̃ + v_g ũ, and the Wald statistic of Rγ = q is taken again (Cameron,
Gelbach and Miller, 2008). With A = (XᵀWX)⁻¹, S_g = X_gᵀW ũ_g and H_g = X_gᵀWX_g,

    R(γ̂* − γ̃) = Σ_g v_g R A S_g
    cluster scores of y*:  v_h S_h − H_h A Σ_g v_g S_g,

so that a resample costs sums over clusters and not over rows (Roodman, Nielsen,
MacKinnon and Webb, 2019).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize
from sklearn.utils import check_random_state

from skfme._text.printing import ShownTables, TitledTable
from skfme.statsmodels._regression.least_squares import LeastSquares

__all__ = ["WildClusterTest", "wild_cluster_test"]

N_NUMBERS = 2**22  # in memory at a time
FEW = 12  # clusters below which two-point weights have too few distinct resamples
FARTHEST = 12  # doublings of two standard errors, after which nothing changes
WEBB = np.sqrt([0.5, 1.0, 1.5])


@dataclass(frozen=True, repr=False)
class WildClusterTest(ShownTables):
    """A test of Rγ = q by the wild cluster bootstrap.

    Attributes
    ----------
    statistic : float
        Wald statistic with the cluster-robust covariance; the square of t for one
        restriction.
    pvalue : float
    effect : ndarray of shape (m,)
        Rγ̂ − q.
    resampled : ndarray of shape (n_resamples,)
        The statistic under the null hypothesis.
    n_clusters : int
    weights : {"rademacher", "webb"}
    enumerated : bool
        Whether every vector of signs was taken, so that the test has no simulation
        error.
    """

    statistic: float
    pvalue: float
    effect: np.ndarray
    resampled: np.ndarray
    n_clusters: int
    weights: str
    enumerated: bool
    _scores: _ClusterScores
    _draws: np.ndarray
    _value: float

    def conf_int(self, alpha: float = 0.05) -> tuple[float, float]:
        """The values q that are not rejected at alpha, of a single restriction.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage.

        Returns
        -------
        low, high : float
            Infinite, with a warning, where no value is rejected however far: there are
            too few clusters for this alpha.
        """
        if len(self.effect) != 1:
            raise ValueError(
                "An interval belongs to one restriction; the test was of "
                f"{len(self.effect)} jointly."
            )

        def excess(distance: float) -> float:
            statistics = self._scores.resampled(np.array([distance]), self._draws)
            # By the same sums as the resamples, so that ties stay ties.
            same = np.ones((1, self.n_clusters))
            observed = self._scores.resampled(np.array([distance]), same)[0]
            return _share(statistics, observed, self.enumerated) - alpha

        centre = self._value + float(self.effect[0])
        unit = self._scores.unit
        ends = [_crossing(excess, sign * unit) for sign in (1.0, -1.0)]
        if not np.isfinite(ends).all():
            warnings.warn(
                f"With {self.n_clusters} clusters and {self.weights} weights no value is "
                f"ever rejected at alpha={alpha:g}: the interval has no end.",
                RuntimeWarning,
                stacklevel=2,
            )
        return centre - ends[0], centre - ends[1]

    @property
    def _is_least(self) -> bool:
        """Whether the p-value is the smallest that so many resamples can show."""
        return not self.enumerated and self.pvalue * (len(self.resampled) + 1) < 1.5

    def __repr__(self) -> str:
        how = "all" if self.enumerated else f"{len(self.resampled)}"
        return (
            f"<Wild cluster bootstrap test: W={self.statistic:.6g}, p-value"
            f"{'<' if self._is_least else '='}{self.pvalue:.4g}, {self.n_clusters} "
            f"clusters, {how} {self.weights} resamples>"
        )

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        how = "all sign vectors" if self.enumerated else f"{len(self.resampled):,}"
        row = [
            f"{self.statistic:.6g}",
            f"{'<' * self._is_least}{self.pvalue:.4g}",
            str(self.n_clusters),
            how,
        ]
        header = ["W", "p-value", "clusters", "resamples"]
        effects = ", ".join(f"{value:.6g}" for value in self.effect)
        title = "Wild cluster bootstrap test"
        return [(title, header, [row])], [
            f"Estimate minus the tested value: {effects}."
        ]


@dataclass(frozen=True)
class _ClusterScores:
    """What the bootstrap needs of the rows.

    Attributes
    ----------
    scores : ndarray of shape (G, k)
        X_gᵀW û_g of the unrestricted fit.
    crosses : ndarray of shape (G, k, k)
        X_gᵀWX_g.
    bread : ndarray of shape (k, k)
    R : ndarray of shape (m, k)
    """

    scores: np.ndarray
    crosses: np.ndarray
    bread: np.ndarray
    R: np.ndarray

    @classmethod
    def of(cls, fit: LeastSquares, codes: np.ndarray, R: np.ndarray) -> _ClusterScores:
        order = np.argsort(codes, kind="stable")
        scores, crosses = [], []
        for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1):
            exog = fit.design.block(rows)
            weighted = fit.weights.take(rows).times(exog)
            scores.append(weighted.T @ fit.resid[rows, 0])
            crosses.append(weighted.T @ exog)
        return cls(np.array(scores), np.array(crosses), fit.bread, R)

    @property
    def unit(self) -> float:
        """Standard error of a single restriction, but for the correction."""
        return float(np.linalg.norm(self.scores @ self.bread @ self.R[0]))

    def statistic(self, distance: np.ndarray) -> float:
        """Wald statistic of a distance Rγ̂ − q, without the correction for few clusters."""
        moved = self.scores @ self.bread @ self.R.T
        return float(_quadratic(distance[None], (moved.T @ moved)[None])[0])

    def resampled(self, distance: np.ndarray, draws: np.ndarray) -> np.ndarray:
        """The statistic for each row of weights, under Rγ = Rγ̂ − distance."""
        spread = self.bread @ self.R.T
        shift = spread @ np.linalg.solve(self.R @ spread, distance)
        scores = self.scores + self.crosses @ shift
        moved = scores @ spread
        back = self.crosses @ spread  # (G, k, m)
        size = max(1, N_NUMBERS // moved.size)
        statistics = np.empty(len(draws))
        for start in range(0, len(draws), size):
            some = slice(start, start + size)
            v = draws[some].astype(float)
            total = v @ scores @ self.bread
            left = v[:, :, None] * moved - np.einsum("bk,gkm->bgm", total, back)
            cov = np.einsum("bgm,bgl->bml", left, left)
            statistics[some] = _quadratic(v @ moved, cov)
        return statistics


def wild_cluster_test(
    fit: LeastSquares,
    codes: np.ndarray,
    hypothesis: tuple[np.ndarray, np.ndarray],
    n_resamples: int,
    weights: str,
    random_state: Any,
) -> WildClusterTest:
    """Test Rγ = q.

    Parameters
    ----------
    fit : LeastSquares
        Of one output.
    codes : ndarray of int of shape (n,)
        Cluster of each row.
    hypothesis : (R, q), of shapes (m, k) and (m,)
    n_resamples : int
    weights : {"auto", "rademacher", "webb"}
    random_state : int, RandomState instance or None
    """
    (R, q), G = hypothesis, int(codes.max()) + 1
    if len(R) >= G:
        raise ValueError(
            f"{len(R)} restrictions cannot be tested with {G} clusters; test fewer at "
            "a time."
        )
    if weights == "auto":
        weights = "webb" if G < FEW else "rademacher"
    draws, enumerated = _draws(G, n_resamples, weights, random_state)
    scores = _ClusterScores.of(fit, codes, R)
    distance = R @ fit.coef[:, 0] - q
    statistics = scores.resampled(distance, draws)
    observed = scores.statistic(distance)
    total, k = fit.weights.total, len(fit.root)
    factor = G / (G - 1) * (total - 1) / (total - k)
    return WildClusterTest(
        observed / factor,
        _share(statistics, observed, enumerated),
        distance,
        statistics / factor,
        G,
        weights,
        enumerated,
        scores,
        draws,
        float(q[0]),
    )


def _draws(
    G: int, n_resamples: int, weights: str, random_state: Any
) -> tuple[np.ndarray, bool]:
    """Weights of the clusters, one row per resample, and whether these are all."""
    if weights not in ("rademacher", "webb"):
        raise ValueError(
            f"weights={weights!r} is not known; expected 'auto', 'rademacher' or 'webb'."
        )
    if n_resamples < 1:
        raise ValueError(f"n_resamples must be at least 1, got {n_resamples}.")
    if weights == "rademacher" and n_resamples >= 2**G:
        return np.array(list(itertools.product((1, -1), repeat=G)), dtype=np.int8), True
    random = check_random_state(random_state)
    signs = random.randint(0, 2, (n_resamples, G), dtype=np.int8) * 2 - 1
    if weights == "rademacher":
        return signs, False
    return signs * WEBB[random.randint(0, 3, (n_resamples, G))], False


def _quadratic(distance: np.ndarray, cov: np.ndarray) -> np.ndarray:
    """dᵀ C⁻¹ d for each of several; infinite where a distance has no variance."""
    if distance.shape[1] == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            return distance[:, 0] ** 2 / cov[:, 0, 0]
    inverse = np.linalg.pinv(cov, hermitian=True)
    return np.einsum("bm,bml,bl->b", distance, inverse, distance)


def _share(statistics: np.ndarray, observed: float, enumerated: bool) -> float:
    """p-value: the share of resamples at least as large, the sample among them."""
    beyond = int(np.count_nonzero(statistics >= observed * (1 - 1e-9)))
    if enumerated:
        return beyond / len(statistics)
    return (beyond + 1) / (len(statistics) + 1)


def _crossing(excess: Callable[[float], float], unit: float) -> float:
    """The distance beyond which the null hypothesis is rejected."""
    far = 2 * unit
    for _ in range(FARTHEST):
        if excess(far) <= 0:
            break
        far *= 2
    else:
        return np.inf if unit > 0 else -np.inf
    # p is a step function of the distance, and one where the distance is nothing.
    return float(optimize.bisect(excess, 1e-9 * unit, far, xtol=1e-7 * abs(unit)))
