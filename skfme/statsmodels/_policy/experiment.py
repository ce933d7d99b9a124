"""One wave of cluster pairs: the marginal policy effect, and whether a policy is best.

With Δ± the changes of a pair's clusters since the baseline,

    M̂_p = (Δ₊ − Δ₋) / (2η),   M̂ = mean of M̂_p,   SE = SD / √P,   t with P − 1

(Viviano and Rudder, 2024): one number per pair, so that interference within clusters may
be of any kind. The direct part of a pair is the mean over its clusters of treated less
untreated means, the spillover part what is left of M̂_p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from skfme._text.printing import ShownTables, TitledTable, format_number
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._policy.design import PairDesign, pair_design
from skfme.statsmodels._policy.pairs import ClusterPairs, checked_step

__all__ = ["ClusterPairExperiment", "OptimalityTest", "PolicyEffectResults"]

MARGINAL, DIRECT, SPILLOVER = (
    "marginal policy effect",
    "direct effect",
    "spillover effect",
)
ALL_FLIPS = 14  # pairs up to which every pattern of signs is taken
ENOUGH_PAIRS = 6  # from which sign flips can reject at 5 %


class ClusterPairExperiment:
    """An experiment on pairs of clusters whose units interfere with one another.

    Each unit of one cluster of a pair was treated with probability beta + eta, of the
    other with beta − eta. The difference of the clusters' mean outcomes, divided by 2 eta,
    estimates M(β) = W′(β), by how much the mean outcome moves with the probability of
    treatment, spillovers included.

    Parameters
    ----------
    outcome : array-like of shape (n,)
        One row per unit and wave.
    pair : array-like of shape (n,)
        The pair of the unit's cluster.
    side : array-like of shape (n,)
        1 for units of the cluster at beta + eta, -1 for those at beta − eta.
    wave : array-like of shape (n,), default=None
        Two values: of the baseline, where all clusters are treated alike or not at all,
        and a larger one of the experiment. None is an experiment without a baseline, whose
        errors have all lasting differences between clusters in them.
    eta : float
        The step in the probability of treatment.
    beta : float, default=None
        The probability of treatment that the experiment is about.
    treatment : array-like of shape (n,), default=None
        1 for treated units, 0 for others; splits the effect into direct and spillover.
    probability : array-like of shape (n,), default=None
        Known probabilities of treatment, where those of one cluster differ.
    data : dataframe, default=None
        A table whose columns the arguments above may name.

    See Also
    --------
    MultiWaveExperiment : Several waves, each at the probabilities that the last one
        proposes.

    Notes
    -----
    The marginal policy effect is a central difference divided by its step, and no forward
    marginal effect. Its bias is η²W‴/6, none where W is quadratic; :meth:`design` chooses
    a step for which it does not matter. Clusters must be large, pairs may be few.

    References
    ----------
    Viviano, Rudder (2024). Policy design in experiments with unknown interference.
    arXiv:2011.08174.
    Ibragimov, Müller (2010). t-statistic based correlation and heterogeneity robust
    inference. J. Business and Economic Statistics 28, 453-468.

    Examples
    --------
    >>> import numpy as np
    >>> from skfme.statsmodels import ClusterPairExperiment
    >>> rng = np.random.default_rng(0)
    >>> pair, side, wave = (a.ravel() for a in np.mgrid[:8, :2, :2])
    >>> side = 2 * side - 1
    >>> beta = 0.3 + 0.1 * side * wave
    >>> means = 2 * beta - 2 * beta**2 + rng.normal(scale=0.02, size=32)  # of 32 clusters
    >>> results = ClusterPairExperiment(means, pair, side, wave, eta=0.1, beta=0.3).fit()
    >>> results.params.round(1).to_dict()  # 2 − 4 · 0.3
    {'marginal policy effect': 0.8}
    """

    def __init__(
        self,
        outcome: Any,
        pair: Any,
        side: Any,
        wave: Any = None,
        *,
        eta: float,
        beta: float | None = None,
        treatment: Any = None,
        probability: Any = None,
        data: Any = None,
    ) -> None:
        checked_step(eta, beta)
        if probability is not None and treatment is None:
            raise ValueError(
                "probability belongs to treatment, which is missing: 1 for treated units "
                "and 0 for others."
            )
        self.eta, self.beta = eta, beta
        self.clusters = ClusterPairs(outcome, pair, side, wave, data)
        changes = self.clusters.changes()
        columns = {MARGINAL: (changes[:, 1] - changes[:, 0]) / (2 * eta)}
        if treatment is not None:
            gaps = self.clusters.treatment_gaps(treatment, probability)
            columns[DIRECT] = gaps.mean(axis=1)
            columns[SPILLOVER] = columns[MARGINAL] - columns[DIRECT]
        index = pd.Index(self.clusters.pairs, name="pair")
        self.pair_values = pd.DataFrame(columns, index)

    def fit(self) -> PolicyEffectResults:
        """Estimate by the mean over pairs.

        Returns
        -------
        results : PolicyEffectResults
        """
        return PolicyEffectResults(self.pair_values, self._notes())

    def _notes(self) -> list[str]:
        at = "" if self.beta is None else f" at a probability of {self.beta:g}"
        last = self.clusters.last
        notes = [
            f"A central difference of mean outcomes{at}, of steps of {self.eta:g}, divided "
            f"by them; {np.count_nonzero(last)} units in {2 * len(self.pair_values)} "
            "clusters."
        ]
        if not self.clusters.has_baseline:
            notes.append(
                "Without a baseline wave, lasting differences between clusters are part "
                "of the errors."
            )
        return notes

    def __repr__(self) -> str:
        at = "" if self.beta is None else f", beta={self.beta:g}"
        return f"<ClusterPairExperiment: {len(self.pair_values)} pairs, eta={self.eta:g}{at}>"

    @staticmethod
    def design(
        sd_change: float,
        *,
        effect: float | None = None,
        n_pairs: int | None = None,
        power: float = 0.8,
        eta: float | None = None,
        third_derivative: float | None = None,
        bias_ratio: float = 0.25,
        n_units: int | None = None,
        beta: float | None = None,
        alpha: float = 0.05,
    ) -> PairDesign:
        """Choose the step, and how many pairs a wanted power needs.

        Parameters
        ----------
        sd_change : float
            SD of one cluster's change since the baseline, over clusters that are treated
            alike: √2 times the standard error of a cluster's mean outcome.
        effect : float, default=None
            The marginal policy effect to be found.
        n_pairs : int, default=None
            None is the smallest number for the wanted power, at least 4.
        power : float, default=0.8
            Probability of finding the effect, by the two-sided t test.
        eta : float, default=None
            The step. None is the largest whose bias is at most `bias_ratio` standard
            errors where `third_derivative` is given, else ``n_units ** -0.25``.
        third_derivative : float, default=None
            A bound of the absolute third derivative of the mean outcome, W‴.
        bias_ratio : float, default=0.25
            Bias over standard error; 95 % intervals cover 94.3 % at 0.25.
        n_units : int, default=None
            Units of a cluster.
        beta : float, default=None
            The probability of treatment: an eta that leaves [0, 1] is refused.
        alpha : float, default=0.05
            Level of the test.

        Returns
        -------
        design : PairDesign

        Raises
        ------
        ValueError
            If neither `effect` nor `n_pairs` is given, nothing tells eta, or beta ± eta
            leaves [0, 1].

        Examples
        --------
        >>> from skfme.statsmodels import ClusterPairExperiment
        >>> ClusterPairExperiment.design(0.1148, effect=0.5, eta=0.1).n_pairs
        23
        """
        return pair_design(
            sd_change,
            effect,
            n_pairs,
            power,
            eta,
            third_derivative,
            bias_ratio,
            n_units,
            beta,
            alpha,
        )


class PolicyEffectResults(EffectResults):
    """Marginal policy effect, direct and spillover parts; speaks the results protocol.

    Attributes
    ----------
    pair_values : DataFrame of shape (P, 1) or (P, 3)
        The estimates of each pair.
    """

    def __init__(self, pair_values: pd.DataFrame, notes: list[str]) -> None:
        self.pair_values = pair_values
        n_pairs = len(pair_values)
        values = pair_values.to_numpy()
        # Parts of one pair are related: their variances never add up.
        cov = np.atleast_2d(np.cov(values, rowvar=False)) / n_pairs
        super().__init__(
            values.mean(axis=0),
            cov,
            labels=pd.DataFrame({"effect": list(pair_values)}),
            df=n_pairs - 1,
            covers="the choice of pairs of clusters, and of who is treated in them",
            title="Marginal policy effect",
            notes=[f"{n_pairs} pairs of clusters.", *notes],
            sample_cov=True,
        )

    def optimality_test(
        self, *, n_resamples: int = 9999, random_state: Any = None
    ) -> OptimalityTest:
        """Test that the policy is at its best: M(β) = 0.

        Parameters
        ----------
        n_resamples : int, default=9999
            Random sign flips; up to 14 pairs all are taken instead.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        test : OptimalityTest
            By t with P − 1 degrees of freedom, and by flipping the signs of pairs, which
            is exact whatever their distribution where it is symmetric.

        Notes
        -----
        A policy inside (0, 1) that is best has M(β) = 0; at 0 or 1 the best policy may
        have another M.
        """
        values = self.pair_values[MARGINAL].to_numpy()
        t, p_value = float(self.tvalues.iloc[0]), float(self.pvalues.iloc[0])
        flips, complete = _sign_flips(len(values), n_resamples, random_state)
        observed = abs(values.sum()) * (1 - 1e-12)  # so that ties stay ties
        reached = np.count_nonzero(np.abs(flips @ values) >= observed)
        share = reached / len(flips) if complete else (reached + 1) / (len(flips) + 1)
        return OptimalityTest(
            t, len(values) - 1, p_value, float(share), len(flips), complete
        )


@dataclass(frozen=True, repr=False)
class OptimalityTest(ShownTables):
    """A test that a policy is at its best.

    Attributes
    ----------
    statistic : float
        Mean over its standard error.
    df : int
        P − 1.
    pvalue : float
        Two-sided, by the t distribution.
    pvalue_flips : float
        Two-sided, by sign flips of pairs; at least 2^(1 − P).
    n_flips : int
    enumerated : bool
        Whether every pattern of signs was taken.
    """

    statistic: float
    df: int
    pvalue: float
    pvalue_flips: float
    n_flips: int
    enumerated: bool

    def __repr__(self) -> str:
        return (
            f"<Optimality test: t={self.statistic:.4g} with {self.df} df, "
            f"p-value={self.pvalue:.4g}, by sign flips {self.pvalue_flips:.4g}>"
        )

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        how = "all" if self.enumerated else "random"
        rows = [
            [
                f"t with {self.df} df",
                format_number(self.statistic),
                f"{self.pvalue:.4g}",
            ],
            [f"{how} {self.n_flips:,} sign flips", "-", f"{self.pvalue_flips:.4g}"],
        ]
        notes = ["Tests that the policy is at its best, M = 0, inside (0, 1)."]
        if self.df + 1 < ENOUGH_PAIRS:
            notes.append(
                f"Flips of {self.df + 1} pairs never show less than {2.0**-self.df:.4g}."
            )
        return [("Optimality test", ["by", "statistic", "p-value"], rows)], notes


def _sign_flips(n: int, n_resamples: int, random_state: Any) -> tuple[np.ndarray, bool]:
    """Patterns of signs as rows, and whether they are all."""
    if n <= ALL_FLIPS:
        patterns = np.arange(2**n)[:, None] >> np.arange(n) & 1
        return 2.0 * patterns - 1, True
    random = check_random_state(random_state)
    return random.choice([-1.0, 1.0], (n_resamples, n)), False
