"""BootstrapResults: the results protocol over a distribution of replicates.

Intervals, p-values and tests of estimates and of their differences are read from the
replicates, θ*_1 … θ*_B; where these come from is not known here.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.contrast import ContrastResults

from skfme.statsmodels._inference.equivalence import EquivalenceResults
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._refits.confidence import BootstrapDistribution

__all__ = ["BootstrapResults", "warn_of_few"]

# The ends of a 95 % interval by quantiles then rest on five resamples each.
FEWEST_IN_TAIL = 5
# Bias below this share of the standard error does not matter (Efron, Tibshirani 1993).
NOTABLE_BIAS = 0.25


class BootstrapResults(EffectResults):
    """Estimates of effects with the distribution they have over refits.

    Made by :func:`bootstrap_effects`. Standard errors are SDs of the replicates;
    intervals, p-values and tests of equivalence are read from their distribution by
    `method`, those of differences (:meth:`pairwise`, :meth:`t_test`,
    :meth:`contrasts`) from the differences of the replicates. ``wald_test``, intervals
    with ``simultaneous=True`` and "max-t" use the covariance of the replicates and the
    normal distribution.

    Attributes
    ----------
    replicates : ndarray of shape (n_resamples - n_failed, k)
        The estimates in each resample.
    jackknife : ndarray of shape (n_parts, k) or None
        The estimates without each row, group or block of them; for BCa only.
    method : str
        How intervals are read from the replicates.
    failures : tuple of str
        The error of each refit that failed.
    """

    def __init__(
        self,
        distribution: BootstrapDistribution,
        failures: tuple[str, ...] = (),
        **described: Any,
    ) -> None:
        self._distribution, self.failures = distribution, failures
        self.replicates, self.jackknife = (
            distribution.replicates,
            distribution.jackknife,
        )
        self.method = distribution.method
        super().__init__(distribution.estimates, distribution.cov, **described)

    @property
    def n_failed(self) -> int:
        """Number of refits that failed, and are left out."""
        return len(self.failures)

    @property
    def bias(self) -> pd.Series:
        """Mean of the replicates minus the estimate."""
        return self._series(self.replicates.mean(axis=0) - self._estimates, "bias")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of "the estimate is zero" (or `null`), intervals inverted."""
        tails = self._distribution.tails(np.full(len(self.names), self.null))
        return self._series(2 * np.minimum(tails, 1 - tails), "p_value")

    def conf_int(
        self,
        alpha: float = 0.05,
        *,
        simultaneous: bool = False,
        method: str | None = None,
    ) -> pd.DataFrame:
        """Confidence intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage.
        simultaneous : bool, default=False
            Whether all intervals together cover with probability 1 − alpha: max-t under
            the covariance of the replicates.
        method : {"percentile", "basic", "bca", "normal"}, default=None
            None is the results' own; "bca" needs that it was asked for.

        Returns
        -------
        intervals : DataFrame of shape (k, 2)
            Lower and upper ends in columns 0 and 1.
        """
        if simultaneous:
            return super().conf_int(alpha, simultaneous=True)
        super().conf_int(alpha)  # refuses an alpha out of range
        distribution = self._distribution.by(self.method if method is None else method)
        if alpha < 0.05:
            warn_of_few(len(self.replicates), alpha, distribution.method)
        ends = [distribution.quantiles(level) for level in (alpha / 2, 1 - alpha / 2)]
        return pd.DataFrame(np.column_stack(ends), self.names, columns=[0, 1])

    def t_test(self, R: Any) -> ContrastResults:
        """Test each linear hypothesis by itself, from the replicates.

        Parameters
        ----------
        R : array-like of shape (k,) or (m, k), tuple (R, q), str or list of str
            As in :meth:`EffectResults.t_test`.

        Returns
        -------
        tests : statsmodels ContrastResults
            ``effect``, ``sd``, ``tvalue``, ``pvalue``, ``conf_int()``, ``summary()``.
        """
        return _BootstrapTests(self.contrasts(R))

    def equivalence_test(
        self, low: Any, high: Any = None, *, alpha: float = 0.05
    ) -> EquivalenceResults:
        """Show that effects are small: two one-sided tests (TOST).

        Parameters
        ----------
        low, high : float or array-like of shape (k,)
        alpha : float, default=0.05

        Returns
        -------
        tests : EquivalenceResults
            Statistics are in standard errors; p-values are read from the replicates.
        """
        tests = super().equivalence_test(low, high, alpha=alpha)
        at_low = self._distribution.tails(tests.low)
        at_upp = 1 - self._distribution.tails(tests.high)
        return replace(
            tests,
            pvalue_low=self._series(at_low, "pvalue_low"),
            pvalue_high=self._series(at_upp, "pvalue_high"),
            least=0.0 if self.method == "normal" else 0.5 / (len(self.replicates) + 1),
        )

    def contrasts(self, R: Any, labels: pd.DataFrame | None = None) -> BootstrapResults:
        """Linear combinations of the estimates, with the distribution they have.

        Parameters
        ----------
        R : as in t_test
            A value q is subtracted.
        labels : DataFrame of m rows, default=None
            None words each combination in a column ``effect``.

        Returns
        -------
        results : BootstrapResults
        """
        plain = super().contrasts(R, labels)
        matrix, q = linear_hypothesis(R, self.names)
        return BootstrapResults(
            self._distribution.contrast(matrix, q),
            self.failures,
            labels=plain.labels,
            covers=self.covers,
            title=self.title,
            notes=self.notes[:1],
        )

    @property
    def _tests_shown(self) -> set[str]:
        return {"statistic", "p_value"} if self.method == "normal" else {"p_value"}

    def _texts(self, column: str, values: pd.Series) -> list[str]:
        texts = super()._texts(column, values)
        if column not in ("p_value", "p_adjusted"):
            return texts
        # 1 / (B + 1) is the smallest that B replicates can show.
        least = self._distribution.beyond_all(np.full(len(self.names), self.null))
        return [
            f"<{text}" if at_floor and value < 1 else text
            for text, value, at_floor in zip(texts, values, least, strict=True)
        ]

    def _all_notes(self) -> list[str]:
        se, bias = self._se(), np.abs(self.bias.to_numpy())
        notable = bias > NOTABLE_BIAS * se
        notes = [f"Intervals and P: {self.method}, from {len(self.replicates)} refits."]
        if notable.any():
            names = [n for n, far in zip(self.names, notable, strict=True) if far]
            more = ", …" if len(names) > 3 else ""
            notes.append(
                f"The mean over refits is more than {NOTABLE_BIAS:g} standard errors "
                f"from the estimate of {', '.join(names[:3])}{more}: the learner fits "
                "resamples unlike the rows themselves, and intervals may miss."
            )
        return [*super()._all_notes(), *notes]


class _BootstrapTests(ContrastResults):
    """statsmodels' container, with p-values and intervals by the replicates."""

    def __init__(self, results: BootstrapResults) -> None:
        self._results = results
        super().__init__(
            effect=results.params.to_numpy(),
            statistic=results.tvalues.to_numpy(),
            sd=results.bse.to_numpy(),
            distribution="norm",
        )
        self.pvalue = np.squeeze(results.pvalues.to_numpy())
        self.c_names = results.names

    def conf_int(self, alpha: float = 0.05) -> np.ndarray:
        return self._results.conf_int(alpha).to_numpy()


def warn_of_few(n_resamples: int, alpha: float, method: str) -> None:
    """Warn where the ends of an interval rest on few replicates each."""
    in_tail = (n_resamples + 1) * alpha / 2
    if method != "normal" and in_tail < FEWEST_IN_TAIL:
        needed = int(np.ceil(2 * FEWEST_IN_TAIL / alpha)) - 1
        warnings.warn(
            f"Of {n_resamples} resamples, {in_tail:.2g} lie beyond each end of a "
            f"{100 * (1 - alpha):g} % interval by method={method!r}. Take {needed} "
            "resamples or more, or method='normal'.",
            UserWarning,
            stacklevel=3,
        )
