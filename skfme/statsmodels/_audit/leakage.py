"""What predictions give away of a group: distances of their distributions, and tests.

Of the predictions f in two groups: the difference of means; Kolmogorov and Smirnov's
largest distance of distribution functions, KS = max |F_b − F_a|; the distance of
Wasserstein in units of the predictions' SD, W1 = ∫ |F_b − F_a| / SD(f); the AUC of f for
the group; and the cross-fitted AUC of a histogram of f, which needs no order. Mean and
AUC see shifts of location only. p-values are by permutation, (1 + #{≥}) / (B + 1).

Intervals are percentiles over draws of rows. KS and W1 are norms of δ = F_b − F_a, which
draws enlarge, so that percentiles lie too high, and above 0 where groups are alike. As
‖δ̂‖ − ‖δ‖ ≤ ‖δ̂ − δ‖, their low ends are ‖δ̂‖ less a quantile of ‖δ* − δ̂‖.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

__all__ = [
    "Distances",
    "Leakage",
    "cross_fitted_auc",
    "leakage_of",
    "p_value",
    "permuted_labels",
]

N_FOLDS, N_BINS = 5, 12
Pair = tuple[np.ndarray, np.ndarray]  # weights of both groups' rows


@dataclass(frozen=True)
class Distances:
    """Distances of predictions between two groups, of shape (n_draws,) each."""

    mean_difference: np.ndarray
    ks: np.ndarray
    w1: np.ndarray
    auc: np.ndarray


@dataclass(frozen=True)
class Leakage:
    """What the predictions of two groups of rows give away.

    Attributes
    ----------
    estimates, low, high, pvalues : dict of str -> float
        By quantity; NaN where there is no interval.
    """

    estimates: dict[str, float]
    low: dict[str, float]
    high: dict[str, float]
    pvalues: dict[str, float]


@dataclass(frozen=True)
class _Sorted:
    """Predictions in order, for distances under many weights of the rows."""

    f: np.ndarray
    weights: np.ndarray

    @cached_property
    def order(self) -> np.ndarray:
        return np.argsort(self.f, kind="stable")

    @cached_property
    def sd(self) -> float:
        n = np.count_nonzero(self.weights)
        mean = np.average(self.f, weights=self.weights)
        variance = np.average((self.f - mean) ** 2, weights=self.weights)
        return float(np.sqrt(variance * n / max(n - 1, 1)))

    def distances(self, first: np.ndarray, second: np.ndarray) -> Distances:
        """Under several weights of the two groups' rows, each (n_draws, n)."""
        f = self.f[self.order]
        a, b = self._shares(first), self._shares(second)
        ks, w1 = self._norms(a - b)
        return Distances((b - a) @ f, ks, w1, _auc(f, a, b))

    def deviations(self, drawn: Pair, here: Pair) -> tuple[np.ndarray, np.ndarray]:
        """KS and W1 of what draws move the distance of the groups by: of ‖δ* − δ̂‖."""
        of_draws, of_rows = (
            self._shares(first) - self._shares(second)
            for first, second in (drawn, here)
        )
        return self._norms(of_draws - of_rows)

    def _shares(self, weights: np.ndarray) -> np.ndarray:
        """Of a group's weight, in the order of predictions."""
        w = (weights * self.weights)[:, self.order]
        return np.asarray(w / w.sum(axis=1, keepdims=True))

    def _norms(self, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """KS and W1 of differences of shares."""
        gaps = np.diff(self.f[self.order])
        apart = np.cumsum(shares, axis=1)[:, :-1]
        between = np.abs(np.where(gaps > 0, apart, 0.0))  # within ties nothing is apart
        return between.max(axis=1, initial=0.0), between @ gaps / (self.sd or 1.0)


def _auc(f: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """P(f_b > f_a) + P(f_b = f_a) / 2, ties by the middle of their weights.

    Parameters
    ----------
    f : ndarray of shape (n,)
        In order.
    a, b : ndarray of shape (n_draws, n)
        Shares of both groups' weights.
    """
    start = np.flatnonzero(np.append(True, np.diff(f) > 0))
    a, b = (np.add.reduceat(part, start, axis=1) for part in (a, b))
    below = np.cumsum(a, axis=1) - a / 2
    return np.asarray((below * b).sum(axis=1))


def leakage_of(
    f: np.ndarray,
    member: np.ndarray,
    permuted: tuple[np.ndarray, np.ndarray],
    units: np.ndarray,
    n_resamples: int,
    alpha: float,
    rng: np.random.Generator,
    weights: np.ndarray | None = None,
) -> Leakage:
    """What predictions give away of two groups.

    Parameters
    ----------
    f : ndarray of shape (n,)
    member : ndarray of shape (n,), bool
        Rows of the second group.
    permuted : pair of ndarray of shape (n,), int
        Units, each of one group, whose labels are permuted, and the strata within which
        they are.
    units : ndarray of shape (n,), int
        Rows of a unit are drawn together.
    n_resamples : int
        Permutations, and draws of rows for the intervals.
    alpha : float
        One minus the coverage.
    rng : Generator
    weights : ndarray of shape (n,), default=None
        Of rows, with which they stay as labels are permuted.
    """
    w = np.ones(len(f)) if weights is None else weights
    of = _Sorted(f, w)
    both = ~member[None], member[None]
    here = of.distances(*both)
    whole, strata = permuted
    shuffled = np.stack(
        [permuted_labels(member, whole, strata, rng) for _ in range(n_resamples)]
    )
    null = of.distances(~shuffled, shuffled)
    cross = cross_fitted_auc(f, member, _folds(member, whole, rng), w)
    null_cross = [
        cross_fitted_auc(f, labels, _folds(labels, whole, rng), w)
        for labels in shuffled
    ]
    counts = _drawn(units, n_resamples, rng)
    draws = counts * ~member, counts * member
    drawn = of.distances(*draws)
    moved = dict(zip(("ks", "w1"), of.deviations(draws, both), strict=True))
    estimates, low, high, pvalues = {}, {}, {}, {}
    for name, centre in (
        ("mean_difference", 0.0),
        ("ks", 0.0),
        ("w1", 0.0),
        ("auc", 0.5),
    ):
        value, nulls = float(getattr(here, name)[0]), getattr(null, name)
        estimates[name] = value
        pvalues[name] = p_value(abs(value - centre), np.abs(nulls - centre))
        ends = np.nanquantile(getattr(drawn, name), [alpha / 2, 1 - alpha / 2])
        low[name], high[name] = map(float, ends)
        if name in moved:
            low[name] = max(value - np.nanquantile(moved[name], 1 - alpha / 2), 0.0)
            high[name] = max(high[name], value)
    name = "cross_fitted_auc"
    estimates[name], pvalues[name] = cross, p_value(cross, np.array(null_cross))
    low[name] = high[name] = np.nan
    return Leakage(estimates, low, high, pvalues)


def p_value(value: float, nulls: np.ndarray) -> float:
    """Share of permutations that reach a value, which is counted among them."""
    same = 1e-12 * max(abs(value), 1e-300)
    return float((1 + np.count_nonzero(nulls >= value - same)) / (len(nulls) + 1))


def permuted_labels(
    member: np.ndarray, units: np.ndarray, strata: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Labels of whole units permuted within strata."""
    first = np.unique(units, return_index=True)[1]
    labels, stratum = member[first], strata[first]
    shuffled = labels.copy()
    for s in np.unique(stratum):
        places = np.flatnonzero(stratum == s)
        shuffled[places] = labels[rng.permutation(places)]
    return np.asarray(shuffled[units])


def _drawn(units: np.ndarray, n_draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each row is drawn, its unit as a whole, of shape (n_draws, n)."""
    n = int(units.max()) + 1
    return rng.multinomial(n, np.full(n, 1 / n), size=n_draws)[:, units].astype(float)


def _folds(
    member: np.ndarray, units: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """A fold for each row, units whole, each with its share of both groups."""
    first = np.unique(units, return_index=True)[1]
    fold = np.empty(len(first), dtype=int)
    start = 0
    for group in (False, True):
        places = rng.permutation(np.flatnonzero(member[first] == group))
        fold[places] = (start + np.arange(len(places))) % N_FOLDS
        start += len(places)
    return np.asarray(fold[units])


def cross_fitted_auc(
    f: np.ndarray,
    member: np.ndarray,
    folds: np.ndarray,
    weights: np.ndarray | None = None,
) -> float:
    """AUC of a group by its share in bins of predictions, which other folds learned.

    Parameters
    ----------
    f : ndarray of shape (n,)
    member : ndarray of shape (n,), bool
    folds : ndarray of shape (n,), int
    weights : ndarray of shape (n,), default=None

    Returns
    -------
    auc : float
        Mean over the folds that hold rows of both groups.
    """
    w = np.ones(len(f)) if weights is None else weights / weights[weights > 0].mean()
    aucs, levels = [], np.arange(1, N_BINS) / N_BINS
    for fold in np.unique(folds):
        test = folds == fold
        edges = np.unique(np.quantile(f[~test], levels))
        learned = np.searchsorted(edges, f[~test], side="left")
        total = np.bincount(learned, w[~test], len(edges) + 1)
        inside = np.bincount(learned, (w * member)[~test], len(edges) + 1)
        share = np.average(member[~test], weights=w[~test])
        score = (inside + share) / (total + 1)
        held = score[np.searchsorted(edges, f[test], side="left")]
        order = np.argsort(held, kind="stable")
        a, b = ((w * group)[test][order] for group in (~member, member))
        if a.any() and b.any():
            aucs.append(_auc(held[order], a[None] / a.sum(), b[None] / b.sum())[0])
    return float(np.mean(aucs)) if aucs else np.nan
