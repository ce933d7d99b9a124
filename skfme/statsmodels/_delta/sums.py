"""Sums of predictions, of their comparisons, gradients and second moments, by group.

For each effect and group: Σ ω, Σ ω μ(x), Σ ω μ(x⁺), and for g the comparison of the two,
Σ ω g(μ(x), μ(x⁺)) with its derivative in the parameters; of a comparison of means, the
derivatives of both ends instead. Where the choice of rows is to be covered, there are
second moments as well. What is added is formed in `averaging.py`, batch by batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from skfme._engine.stepping import STATUSES

__all__ = ["EffectMoments", "Sums"]

# For each step its effects, (n_counted, n_outputs), and the rows that they are of; of
# comparisons of means, the predictions before and after, one beside the other.
Effects = Sequence[tuple[np.ndarray, np.ndarray]]


class Sums:
    """Sums of each effect and group.

    Attributes
    ----------
    n : ndarray of shape (n_effects, n_groups), int
        Rows that count.
    weight : ndarray of shape (n_effects, n_groups)
    total : ndarray of shape (n_effects, n_groups, n_outputs)
        Σ ω g(μ(x), μ(x⁺)); zero of comparisons of means.
    ends : ndarray of shape (2, n_effects, n_groups, n_outputs)
        Σ ω μ(x) and Σ ω μ(x⁺).
    gradient : ndarray of shape (n_parts, n_effects, n_groups, n_outputs, p)
        The derivative of `total` in the parameters, as the one part; of comparisons of
        means, those of both ends.
    status : ndarray of shape (n_effects, n_groups, n_statuses), int
        Rows by status.
    moments : EffectMoments or None
        Where the choice of rows is to be covered.
    """

    def __init__(
        self, n_effects: int, n_groups: int, n_outputs: int, p: int, n_parts: int
    ) -> None:
        self.n = np.zeros((n_effects, n_groups), dtype=int)
        self.weight = np.zeros((n_effects, n_groups))
        self.total = np.zeros((n_effects, n_groups, n_outputs))
        self.ends = np.zeros((2, n_effects, n_groups, n_outputs))
        self.gradient = np.zeros((n_parts, n_effects, n_groups, n_outputs, p))
        self.status = np.zeros((n_effects, n_groups, len(STATUSES)), dtype=int)
        self.moments: EffectMoments | None = None

    def left_out(self, effect: int) -> dict[str, int]:
        """Rows of all groups that do not count for an effect, by their status."""
        counts = self.status[effect].sum(axis=0).tolist()
        return dict(zip(STATUSES[1:], counts[1:], strict=True))


class EffectMoments:
    """Second moments of weighted effects within groups, about a shift.

    With z the effects of a row in one vector, and m whether each counts, they are
    Σ ω² (z − s)(z − s)ᵀ, Σ ω² (z − s) mᵀ and Σ ω² m mᵀ. The shift s, a first guess of
    the means, spares the difference of large numbers.
    """

    def __init__(self, n_groups: int, n_estimates: int) -> None:
        shape = (3, n_groups, n_estimates, n_estimates)
        self._squares, self._sums, self._counts = np.zeros(shape)
        self._shift: np.ndarray | None = None

    def add(self, effects: Effects, weights: np.ndarray, codes: np.ndarray) -> None:
        """Add n rows, with the weight and the group of each.

        Parameters
        ----------
        effects : sequence of (fme, rows)
        weights, codes : ndarray of shape (n,)
        """
        shape = (len(codes), len(effects), effects[0][0].shape[1])
        fme, counts = np.zeros((2, *shape))
        for i, (values, rows) in enumerate(effects):
            fme[rows, i], counts[rows, i] = values, 1.0
        fme, counts = (array.reshape(len(codes), -1) for array in (fme, counts))
        if self._shift is None:
            self._shift = fme.sum(axis=0) / np.maximum(counts.sum(axis=0), 1)
        counting = weights[:, None] * counts
        deviations = counting * (fme - self._shift)
        for group in np.unique(codes):
            z, m = deviations[codes == group], counting[codes == group]
            self._squares[group] += z.T @ z
            self._sums[group] += z.T @ m
            self._counts[group] += m.T @ m

    def covariance(
        self,
        groups: np.ndarray,
        places: np.ndarray,
        means: np.ndarray,
        weight: np.ndarray,
    ) -> np.ndarray:
        """Σ ω² (z − A)(z − A)ᵀ / (Σω Σω) of estimates; zero between groups.

        Parameters
        ----------
        groups : ndarray of shape (k,), int
            The group of each estimate.
        places : ndarray of shape (k,), int
            Where its effect is in z.
        means, weight : ndarray of shape (k,)

        Returns
        -------
        cov : ndarray of shape (k, k)
        """
        assert self._shift is not None
        cov = np.zeros((len(groups), len(groups)))
        for group in np.unique(groups):
            rows = np.flatnonzero(groups == group)
            cells = np.ix_(places[rows], places[rows])
            gap = means[rows] - self._shift[places[rows]]
            crossed = self._sums[group][cells] * gap
            counted = self._counts[group][cells] * np.outer(gap, gap)
            central = self._squares[group][cells] - crossed - crossed.T + counted
            cov[np.ix_(rows, rows)] = central / np.outer(weight[rows], weight[rows])
        return cov
