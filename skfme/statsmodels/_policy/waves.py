"""Several waves of cluster pairs: a policy improved step by step.

Pair p has a probability β_{p,t} of its own, and moves by what pair p + 1 showed:

    β_{p,t+1} = β_{p,t} + (M̂_{p+1,t} + κ(β_{p+1,t} − β_{p,t})) / (κt),   within [η, 1 − η].

A pair's probabilities depend on p + 1 … p + T − 1 alone and never on its own outcomes, so
that its estimates stay unconfounded while T ≤ P (Viviano and Rudder, 2024). Without the
κ term pairs drift apart, the alternating pattern by 1 + 1/t a wave; with it every pattern
shrinks by 1 − 1/t. The clusters of a pair swap sides from wave to wave: else the noise of
the baseline enters every wave with one sign, and the regret has a floor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfme._text.printing import ShownTables, TitledTable, format_number
from skfme.statsmodels._policy.experiment import MARGINAL, PolicyEffectResults
from skfme.statsmodels._policy.pairs import FEWEST_PAIRS, NUMBER, checked_step

__all__ = ["MultiWaveExperiment"]


class MultiWaveExperiment(ShownTables):
    """A procedure that proposes the probabilities of treatment of wave after wave.

    Treat the clusters with the :attr:`probabilities`, hand their mean outcomes to
    :meth:`record`, and so on: first a baseline, then `n_waves` waves. Larger outcomes are
    better.

    Parameters
    ----------
    n_pairs : int
        Pairs of clusters, at least 4.
    n_waves : int
        Waves after the baseline, at most as many as there are pairs.
    beta : float
        The probability of treatment to start from.
    eta : float
        The step: clusters of a pair are treated with its probability plus and minus eta.
    curvature : float
        A lower bound κ of the absolute second derivative of the mean outcome, which
        divides the steps. One that is twice too large slows the procedure badly; one that
        is too small costs less.

    Attributes
    ----------
    wave : int
        Waves recorded so far, without the baseline; -1 before it.
    betas : list of ndarray of shape (n_pairs,)
        Each pair's probability in wave 1, 2, …; the last is the proposal.
    estimates : list of ndarray of shape (n_pairs,)
        Each pair's marginal policy effect in wave 1, 2, …

    See Also
    --------
    ClusterPairExperiment : One wave.

    References
    ----------
    Viviano, Rudder (2024). Policy design in experiments with unknown interference.
    arXiv:2011.08174.

    Examples
    --------
    >>> from skfme.statsmodels import MultiWaveExperiment
    >>> experiment = MultiWaveExperiment(8, 2, beta=0.2, eta=0.1, curvature=4)
    >>> def outcomes(beta):  # here without noise, and best at 0.5
    ...     return 2 * beta - 2 * beta**2
    >>> for _ in range(3):  # the baseline and two waves
    ...     _ = experiment.record(outcomes(experiment.probabilities))
    >>> round(experiment.policy, 3)
    0.5
    """

    def __init__(
        self, n_pairs: int, n_waves: int, *, beta: float, eta: float, curvature: float
    ) -> None:
        if beta is None:
            raise ValueError(
                "beta is None; give the probability of treatment to start from."
            )
        checked_step(eta, beta)
        counts: dict[str, Any] = {"n_pairs": n_pairs, "n_waves": n_waves}
        for name, value in counts.items():
            if not isinstance(value, int | np.integer):
                raise ValueError(f"{name} must be a whole number, got {value!r}.")
        if n_pairs < FEWEST_PAIRS:
            raise ValueError(
                f"n_pairs must be at least {FEWEST_PAIRS}, got {n_pairs!r}."
            )
        if not 1 <= n_waves <= n_pairs:
            raise ValueError(
                f"n_waves must lie between 1 and n_pairs={n_pairs}, got {n_waves!r}: with "
                "more waves than pairs, a pair's probability would depend on its own "
                "outcomes. Take fewer waves, or more pairs."
            )
        if not (isinstance(curvature, NUMBER) and 0 < curvature < np.inf):
            raise ValueError(
                f"curvature must be positive, got {curvature!r}: a lower bound of the "
                "absolute second derivative of the mean outcome."
            )
        self.n_pairs, self.n_waves = n_pairs, n_waves
        self.beta, self.eta, self.curvature = beta, eta, curvature
        self.wave = -1
        self.betas = [np.full(n_pairs, float(beta))]
        self.estimates: list[np.ndarray] = []
        self._baseline = np.zeros((n_pairs, 2))

    @property
    def probabilities(self) -> pd.DataFrame:
        """Probabilities of treatment of the next wave, of shape (n_pairs, 2).

        Returns
        -------
        probabilities : DataFrame
            One row per pair, a column for each of its clusters. For the baseline all are
            beta; a baseline without treatment will do as well.
        """
        step = 0.0 if self.wave < 0 else self.eta
        signs = self._first_side(self.wave + 1) * np.array([1, -1])
        values = self.betas[-1][:, None] + step * signs
        index = pd.RangeIndex(self.n_pairs, name="pair")
        return pd.DataFrame(values, index, ["first", "second"])

    def record(self, means: Any) -> MultiWaveExperiment:
        """Take the mean outcomes of the clusters in the next wave.

        Parameters
        ----------
        means : array-like of shape (n_pairs, 2)
            In the order of :attr:`probabilities`.

        Returns
        -------
        self : MultiWaveExperiment

        Raises
        ------
        ValueError
            If there is not one number per cluster, or all waves are recorded.
        """
        outcomes = np.asarray(means, dtype=float)
        if outcomes.shape != (self.n_pairs, 2) or not np.isfinite(outcomes).all():
            raise ValueError(
                f"means must be one finite number per cluster, of shape "
                f"{(self.n_pairs, 2)}; got shape {outcomes.shape}."
            )
        if self.wave == self.n_waves:
            raise ValueError(
                f"All {self.n_waves} waves are recorded; `policy` is what they propose."
            )
        self.wave += 1
        if self.wave == 0:
            self._baseline = outcomes
            return self
        gaps = np.subtract(*(outcomes - self._baseline).T)
        self.estimates.append(self._first_side(self.wave) * gaps / (2 * self.eta))
        self.betas.append(self._moved(self.betas[-1], self.estimates[-1], self.wave))
        return self

    def _moved(self, betas: np.ndarray, estimates: np.ndarray, wave: int) -> np.ndarray:
        kappa = self.curvature
        gradient = np.roll(estimates, -1) + kappa * (np.roll(betas, -1) - betas)
        return np.clip(betas + gradient / (kappa * wave), self.eta, 1 - self.eta)

    @staticmethod
    def _first_side(wave: int) -> int:
        """Which side each pair's first cluster is on."""
        return 1 if wave % 2 else -1

    @property
    def policy(self) -> float:
        """The proposed probability of treatment: the mean over pairs."""
        return float(self.betas[-1].mean())

    def __repr__(self) -> str:
        return (
            f"<MultiWaveExperiment: {self.n_pairs} pairs, {max(self.wave, 0)} of "
            f"{self.n_waves} waves recorded, policy {self.policy:.4g}>"
        )

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        rows = [
            [
                str(t),
                *map(format_number, (betas.min(), betas.mean(), betas.max())),
                format_number(estimates.mean()),
            ]
            for t, (betas, estimates) in enumerate(
                zip(self.betas[:-1], self.estimates, strict=True), start=1
            )
        ]
        header = ["wave", "beta: least", "mean", "most", "marginal policy effect"]
        left = self.n_waves - max(self.wave, 0)
        note = f"Proposed policy {self.policy:.4g}, with {left} waves to come."
        title = (
            f"Experiment of {self.n_pairs} pairs of clusters in {self.n_waves} waves"
        )
        return [(title, header, rows)], [note]

    def results(self) -> PolicyEffectResults:
        """The last wave's marginal policy effect, averaged over the pairs' probabilities.

        Returns
        -------
        results : PolicyEffectResults
            Its intervals are conservative, as the probabilities of pairs differ.
        """
        if not self.estimates:
            raise ValueError("No wave after the baseline is recorded yet.")
        betas = self.betas[-2]
        values = pd.DataFrame(
            {MARGINAL: self.estimates[-1]}, pd.RangeIndex(self.n_pairs, name="pair")
        )
        notes = [
            f"Wave {self.wave} of {self.n_waves}, at probabilities of {betas.min():.4g} to "
            f"{betas.max():.4g} ± {self.eta:g}; proposed policy {self.policy:.4g}.",
            "The mean of the effects at the pairs' probabilities; with unlike ones the "
            "interval is too wide rather than too narrow.",
        ]
        return PolicyEffectResults(values, notes)

    def expected_regret(self, sd_mean: float) -> float:
        """How far the policy is expected to stay behind the best one.

        s² / (2PκT) with s = SD of a cluster's mean / (√2 η): for sides that swap, an even
        number T of waves, and a quadratic W with W″ = −κ. The experiment itself costs
        κη²/2 more in each wave.

        Parameters
        ----------
        sd_mean : float
            SD of a cluster's mean outcome, for clusters treated alike.

        Returns
        -------
        regret : float
            In units of the outcome.
        """
        variance = sd_mean**2 / (2 * self.eta**2)
        return variance / (2 * self.n_pairs * self.curvature * self.n_waves)
