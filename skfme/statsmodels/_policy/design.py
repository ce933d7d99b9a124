"""The design of an experiment with cluster pairs: its step and its number of pairs.

With σ_Δ the SD of one cluster's change, a pair has SD σ_p = σ_Δ / (√2 η), and the t test
over P pairs the power of a noncentral t with ncp = √P M / σ_p. The bias is at most
η²B / 6 for |W‴| ≤ B, and at most ρ standard errors for η ≤ (6ρσ_Δ / (B√(2P)))^(1/3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from skfme._text.printing import ShownTables, TitledTable, format_number
from skfme.statsmodels._policy.pairs import FEWEST_PAIRS, NUMBER, checked_step

__all__ = ["PairDesign", "pair_design"]

MOST_PAIRS = 100_000


@dataclass(frozen=True)
class PairDesign(ShownTables):
    """An experiment to be made.

    Attributes
    ----------
    n_pairs : int
    eta : float
        Step in the probability of treatment.
    power : float
        Of the t test, for the effect that was given; NaN for none.
    std_error : float
        Expected standard error of the marginal policy effect.
    bias : float
        Bound of the bias; NaN without one of the third derivative.
    coverage : float
        Least coverage of 95 % intervals under this bias; NaN without.
    eta_mse : float
        The step of the smallest squared error, whose intervals cover less; NaN without.
    """

    n_pairs: int
    eta: float
    power: float
    std_error: float
    bias: float
    coverage: float
    eta_mse: float

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        rows = [
            ["pairs of clusters", str(self.n_pairs)],
            ["step eta", format_number(self.eta)],
            ["power of the t test", format_number(self.power)],
            ["standard error", format_number(self.std_error)],
            ["bias, at most", format_number(self.bias)],
            ["coverage of 95 % intervals, at least", format_number(self.coverage)],
            ["step of the smallest squared error", format_number(self.eta_mse)],
        ]
        return [("Design of cluster pairs", ["quantity", "value"], rows)], []


def pair_design(
    sd_change: float,
    effect: float | None,
    n_pairs: int | None,
    power: float,
    eta: float | None,
    third_derivative: float | None,
    bias_ratio: float,
    n_units: int | None,
    beta: float | None,
    alpha: float,
) -> PairDesign:
    """See :meth:`ClusterPairExperiment.design`."""
    _check_numbers(
        sd_change=sd_change,
        bias_ratio=bias_ratio,
        third_derivative=third_derivative,
        n_units=n_units,
    )
    if effect is not None and not (isinstance(effect, NUMBER) and np.isfinite(effect)):
        raise ValueError(f"effect must be a finite number, got {effect!r}.")
    if eta is not None:
        checked_step(eta, beta)
    if not (isinstance(alpha, NUMBER) and 0 < alpha < 1):
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha!r}.")
    if n_pairs is None and not effect:
        raise ValueError(
            "Say how many pairs there are (n_pairs=), or which effect is to be found "
            "(effect=, not 0), so that the number of pairs follows from the power."
        )
    if eta is None and third_derivative is None and n_units is None:
        raise ValueError(
            "The step needs eta= itself, third_derivative= (a bound, for a small bias) or "
            "n_units= (of a cluster, for its power -1/4)."
        )
    whole = isinstance(n_pairs, int | np.integer)
    if n_pairs is not None and (not whole or n_pairs < FEWEST_PAIRS):
        raise ValueError(
            f"n_pairs must be a whole number of at least {FEWEST_PAIRS}, got {n_pairs!r}."
        )

    def step(pairs: int) -> float:
        if eta is not None:
            return eta
        if third_derivative is None:
            return float(n_units or np.nan) ** -0.25
        room = 6 * bias_ratio * sd_change / (third_derivative * np.sqrt(2 * pairs))
        return min(float(np.cbrt(room)), _widest(beta))

    def reached(pairs: int) -> float:
        return _power(pairs, effect, sd_change / (np.sqrt(2) * step(pairs)), alpha)

    if n_pairs is None:
        if not (isinstance(power, NUMBER) and alpha < power < 1):
            raise ValueError(f"power must lie between alpha and 1, got {power!r}.")
        n_pairs = FEWEST_PAIRS
        while reached(n_pairs) < power:
            n_pairs += 1 + n_pairs // 1000
            if n_pairs > MOST_PAIRS:
                raise ValueError(
                    f"More than {MOST_PAIRS} pairs would be needed for effect={effect!r} "
                    f"and sd_change={sd_change!r}. Take a larger eta."
                )
    checked_step(step(n_pairs), beta)
    return _described(
        n_pairs, step(n_pairs), reached(n_pairs), sd_change, third_derivative
    )


def _check_numbers(**values: Any) -> None:
    """Refuse what is given and no positive number."""
    for name, value in values.items():
        if value is not None and not (isinstance(value, NUMBER) and 0 < value < np.inf):
            raise ValueError(f"{name} must be a positive number, got {value!r}.")


def _widest(beta: float | None) -> float:
    """The largest step that leaves beta ± eta in [0, 1]."""
    return 0.5 if beta is None else max(min(beta, 1 - beta), 0.0)


def _power(n_pairs: int, effect: float | None, sd: float, alpha: float) -> float:
    """Power of the two-sided t test over pairs."""
    if effect is None:
        return float("nan")
    df, ncp = n_pairs - 1, np.sqrt(n_pairs) * abs(effect) / sd
    quantile = stats.t.isf(alpha / 2, df)
    tails = stats.nct.sf(quantile, df, ncp) + stats.nct.cdf(-quantile, df, ncp)
    return float(tails) if np.isfinite(tails) else 1.0  # ncp beyond what nct can do


def _described(
    n_pairs: int, eta: float, power: float, sd_change: float, bound: float | None
) -> PairDesign:
    std_error = float(sd_change / (np.sqrt(2 * n_pairs) * eta))
    if bound is None:
        return PairDesign(n_pairs, eta, power, std_error, *(float("nan"),) * 3)
    bias = eta**2 * bound / 6
    ratio, z = bias / std_error, stats.norm.isf(0.025)
    coverage = float(stats.norm.cdf(z - ratio) - stats.norm.cdf(-z - ratio))
    least_squares = (9 * sd_change**2 / (n_pairs * bound**2)) ** (1 / 6)
    return PairDesign(n_pairs, eta, power, std_error, bias, coverage, least_squares)
