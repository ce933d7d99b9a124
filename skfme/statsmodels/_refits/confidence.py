"""Intervals and p-values from a bootstrap distribution: arrays in, arrays out.

Each method gives a confidence distribution, C(v) = the level at which a one-sided
interval ends in v; an interval takes its quantiles, a p-value its tails, so that both
agree. With G the distribution of the replicates around the estimate b:

- percentile: C⁻¹(p) = G⁻¹(p);
- basic: C⁻¹(p) = 2b − G⁻¹(1 − p);
- normal: C⁻¹(p) = b + z_p · SD of the replicates;
- BCa: C⁻¹(p) = G⁻¹(Φ(z₀ + (z₀ + z_p) / (1 − a(z₀ + z_p)))), z₀ = Φ⁻¹(G(b)) and
  a = Σ dⱼ³ / (6 (Σ dⱼ²)^1.5) from jackknife deviations dⱼ (Efron, 1987, section 3).

G⁻¹(p) is read at position p(B + 1) of the B ordered replicates.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtr, ndtri

from skfme.statsmodels._inference.contrasts import ROUND_OFF, differences_of

__all__ = ["METHODS", "BootstrapDistribution", "refuse_unknown"]

METHODS = ("percentile", "basic", "bca", "normal")


@dataclass(frozen=True)
class BootstrapDistribution:
    """Estimates, what they came to in each resample, and without each part of the rows.

    Attributes
    ----------
    estimates : ndarray of shape (k,)
    replicates : ndarray of shape (n_resamples, k)
    jackknife : ndarray of shape (n_parts, k) or None
        Only BCa needs it.
    method : {"percentile", "basic", "bca", "normal"}
    """

    estimates: np.ndarray
    replicates: np.ndarray
    jackknife: np.ndarray | None = None
    method: str = "percentile"

    def contrast(self, R: np.ndarray, q: np.ndarray) -> BootstrapDistribution:
        """The distribution of R·estimates − q."""
        return replace(
            self,
            estimates=differences_of(R, self.estimates, q),
            replicates=differences_of(R, self.replicates, q),
            jackknife=None
            if self.jackknife is None
            else differences_of(R, self.jackknife, q),
        )

    def by(self, method: str) -> BootstrapDistribution:
        """The same replicates read by another method.

        Raises
        ------
        ValueError
            If the method is unknown, or BCa has no jackknife to go by.
        """
        refuse_unknown("method", method, METHODS)
        if method == "bca" and self.jackknife is None:
            raise ValueError(
                "BCa intervals need refits without each part of the rows, which are made "
                "by bootstrap_effects(…, method='bca') only."
            )
        return replace(self, method=method)

    @cached_property
    def cov(self) -> np.ndarray:
        """Covariance of the replicates, of shape (k, k)."""
        cov = np.atleast_2d(np.cov(self.replicates, rowvar=False))
        # Replicates that are all the same have no spread, despite round-off.
        largest = np.abs(self.replicates).max(axis=0)
        same = np.ptp(self.replicates, axis=0) <= ROUND_OFF * largest
        cov[same] = cov[:, same] = 0.0
        return cov

    @cached_property
    def se(self) -> np.ndarray:
        return np.sqrt(np.diag(self.cov))

    @cached_property
    def bias_correction(self) -> np.ndarray:
        """z₀: how far the estimate is from the median replicate, in normal units."""
        return ndtri(self._count_below(self.estimates) / len(self.replicates))

    @cached_property
    def acceleration(self) -> np.ndarray:
        """a: how fast the standard error changes with the estimate."""
        assert self.jackknife is not None
        d = self.jackknife.mean(axis=0) - self.jackknife
        squares = (d**2).sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            a = (d**3).sum(axis=0) / (6 * squares**1.5)
        return np.where(squares > 0, a, 0.0)

    def quantiles(self, level: float) -> np.ndarray:
        """C⁻¹(level) of each estimate, of shape (k,)."""
        if self.method == "normal":
            return self.estimates + ndtri(level) * self.se
        if self.method == "basic":
            return 2 * self.estimates - self._read(1 - level)
        if self.method == "percentile":
            return self._read(level)
        shift = self.bias_correction + ndtri(level)
        with np.errstate(invalid="ignore"):  # an infinite correction is warned of below
            stretched = shift / (1 - self.acceleration * shift)
        levels = ndtr(self.bias_correction + stretched)
        return self._where_defined(self._read(levels))

    def tails(self, values: np.ndarray) -> np.ndarray:
        """C(value) of each estimate, of shape (k,)."""
        if self.method == "normal":
            with np.errstate(invalid="ignore", divide="ignore"):
                z = (values - self.estimates) / self.se
            return ndtr(np.where(values == self.estimates, 0.0, z))
        if self.method == "basic":
            return 1 - self._share_below(2 * self.estimates - values)
        below = self._share_below(values)
        if self.method == "percentile":
            return below
        w = ndtri(below) - self.bias_correction
        with np.errstate(invalid="ignore"):
            # Beyond this w the levels have run into 0 or 1.
            stretched = w / np.maximum(1 + self.acceleration * w, 1e-12)
            levels = ndtr(stretched - self.bias_correction)
        return self._where_defined(levels)

    @cached_property
    def _ordered(self) -> np.ndarray:
        return np.sort(self.replicates, axis=0)

    def _read(self, levels: float | np.ndarray) -> np.ndarray:
        """G⁻¹ of one level for all estimates, or for each; linear between replicates."""
        last = len(self._ordered) - 1
        places = np.clip(np.nan_to_num(levels) * (last + 2) - 1, 0, last)
        low = np.floor(places).astype(int)
        columns = np.arange(len(self.estimates))
        start = self._ordered[low, columns]
        end = self._ordered[np.minimum(low + 1, last), columns]
        return start + (places - low) * (end - start)

    def _count_below(self, values: np.ndarray) -> np.ndarray:
        """Replicates below one value for each estimate; ties half."""
        below = np.count_nonzero(self.replicates < values, axis=0)
        return (below + np.count_nonzero(self.replicates <= values, axis=0)) / 2

    def _share_below(self, values: np.ndarray) -> np.ndarray:
        """G of one value for each estimate, never 0 or 1."""
        return (self._count_below(values) + 0.5) / (len(self.replicates) + 1)

    def beyond_all(self, values: np.ndarray) -> np.ndarray:
        """Whether C(value) is as near to 0 or 1 as so few replicates can tell."""
        if self.method == "normal":
            return np.zeros(len(self.estimates), dtype=bool)
        if self.method == "basic":
            values = 2 * self.estimates - values
        return np.isin(self._count_below(values), (0, len(self.replicates)))

    def _where_defined(self, values: np.ndarray) -> np.ndarray:
        lost = ~np.isfinite(self.bias_correction)
        if lost.any():
            warnings.warn(
                f"{np.count_nonzero(lost)} of {len(lost)} estimates lie beyond all their "
                "replicates, where BCa is not defined: NaN. The learner fits resamples "
                "unlike the rows themselves; read the distribution in replicates, or "
                "take method='normal'.",
                RuntimeWarning,
                stacklevel=4,
            )
        return np.where(lost, np.nan, values)


def refuse_unknown(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse a choice that is none of those there are."""
    if value not in choices:
        raise ValueError(
            f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}."
        )
