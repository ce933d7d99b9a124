"""Estimates of effects with their joint covariance: standard errors and intervals.

Estimates β with covariance V have standard errors √diag(V), statistics t = β / √diag(V)
and intervals β ± c √diag(V), with c of the t or the normal distribution, or of the
largest of all |t|. Tests of hypotheses and tables stand on these.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

from skfme._frames.hints import shown
from skfme.statsmodels._inference.contrasts import degrees_of_freedom, ratio, roots
from skfme.statsmodels._inference.names import families_of, names_of, unique_names
from skfme.statsmodels._inference.simultaneous import max_t_quantiles, max_t_tails

__all__ = ["JointEstimates", "check_alpha"]


# What R calls adjustments.
_METHODS_MEANT = {
    **dict.fromkeys(("tukey", "dunnett", "mvt", "single-step"), "max-t"),
    **dict.fromkeys(("bh", "fdr"), "fdr_bh"),
    "by": "fdr_by",
}


class JointEstimates:
    """Estimates with their joint covariance; for parameters see EffectResults."""

    def __init__(
        self,
        params: Any,
        cov: Any,
        *,
        labels: pd.DataFrame,
        df: Any = None,
        covers: str,
        nobs: Any = None,
        title: str = "",
        notes: Sequence[str] = (),
        names: Sequence[str] | None = None,
        why_missing: str = "",
        sample_cov: bool = False,
        null: float = 0.0,
        more: pd.DataFrame | None = None,
    ) -> None:
        self._estimates = np.array(params, dtype=float)
        k = len(self._estimates)
        if len(labels) != k or np.shape(cov) != (k, k):
            raise ValueError(
                f"{k} estimates came with {len(labels)} rows of labels and a "
                f"covariance of shape {np.shape(cov)}; expected {k} and {(k, k)}."
            )
        self._cov = np.array(cov, dtype=float)
        self.labels = labels.reset_index(drop=True)
        self.names = unique_names(names_of(labels) if names is None else names)
        self.df = None if df is None else np.broadcast_to(df, (k,)).astype(float)
        self._own_variances = np.ndim(df) == 1
        self.nobs = None if nobs is None else np.broadcast_to(nobs, (k,)).copy()
        self.sample_cov = sample_cov
        self.covers, self.title, self.notes = covers, title, tuple(notes)
        self.null, self.more = null, more
        self.adjustment: str | None = None
        self._warn_of_missing(why_missing)

    def _warn_of_missing(self, reason: str) -> None:
        missing = [repr(n) for n, se in self.bse.items() if np.isnan(se)]
        if missing:
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            cause = f": {reason}" if reason else ""
            warnings.warn(
                f"No standard error for {', '.join(missing[:5])}{more}{cause}. Its "
                "interval and tests are NaN.",
                RuntimeWarning,
                stacklevel=4,
            )

    @property
    def params(self) -> pd.Series:
        """The estimates, named."""
        return self._series(self._estimates, "estimate")

    @property
    def bse(self) -> pd.Series:
        """Standard errors."""
        return self._series(self._se(), "std_error")

    @property
    def tvalues(self) -> pd.Series:
        """Estimates, less what they are if nothing changes, over standard errors."""
        return self._series(ratio(self._estimates - self.null, self._se()), "statistic")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of "the estimate is zero", or `null` where that is set."""
        t = self.tvalues.to_numpy()
        return self._series(2 * stats.t.sf(np.abs(t), self._df()), "p_value")

    @property
    def use_t(self) -> bool:
        """Whether the t distribution is used, rather than the normal."""
        return self.df is not None

    def cov_params(self) -> pd.DataFrame:
        """Joint covariance of the estimates.

        Returns
        -------
        cov : DataFrame of shape (k, k)
        """
        return pd.DataFrame(self._cov.copy(), self.names, self.names)

    def conf_int(
        self, alpha: float = 0.05, *, simultaneous: bool = False
    ) -> pd.DataFrame:
        """Confidence intervals.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage.
        simultaneous : bool, default=False
            Whether all intervals together cover with probability 1 − alpha, by the
            largest absolute t under the joint covariance (single-step max-t).

        Returns
        -------
        intervals : DataFrame of shape (k, 2)
            Lower and upper ends in columns 0 and 1.

        References
        ----------
        Hothorn, Bretz, Westfall (2008). Simultaneous inference in general parametric
        models. Biometrical Journal 50, 346-363, equation 4.
        """
        check_alpha(alpha)
        if simultaneous:
            quantiles = max_t_quantiles(self._cov, alpha, self._df())
        else:
            quantiles = stats.t.isf(alpha / 2, self._df())
        half = quantiles * self._se()
        ends = np.column_stack([self._estimates - half, self._estimates + half])
        return pd.DataFrame(ends, self.names, columns=[0, 1])

    def pvalues_adjusted(
        self, method: str = "holm", *, within: str | Sequence[str] | None = None
    ) -> pd.Series:
        """Adjusted p-values, for the number of tests.

        Parameters
        ----------
        method : str, default="holm"
            "holm" or "bonferroni" bound the chance of any false rejection, "max-t" does
            so by the joint covariance; "fdr_bh" bounds the share of false rejections.
            Any method of :func:`statsmodels.stats.multitest.multipletests` will do.
        within : label column, list of label columns or None, default=None
            Estimates that agree in these are a family each: "effect" adjusts every
            effect for the number of its outcomes. None takes all as one family.

        Returns
        -------
        pvalues : Series
        """
        adjusted = np.empty(len(self.names))
        for family in families_of(self.labels, within):
            adjusted[family] = self._adjusted(method, family)
        return self._series(adjusted, "p_adjusted")

    def _adjusted(self, method: str, family: np.ndarray) -> np.ndarray:
        """Adjusted p-values of some of the estimates, as if there were no others."""
        if method == "max-t":
            cov, statistics = self._cov[np.ix_(family, family)], self.tvalues.to_numpy()
            return max_t_tails(cov, statistics[family], self._df()[family])
        pvalues = self.pvalues.to_numpy()[family]
        tested = ~np.isnan(pvalues)
        try:
            if tested.any():
                pvalues[tested] = multipletests(pvalues[tested], method=method)[1]
        except ValueError:
            meant = _METHODS_MEANT.get(str(method).lower())
            raise ValueError(
                f"method={method!r} is not known; expected 'holm', 'fdr_bh', "
                "'bonferroni', 'max-t' or another method of "
                "statsmodels.stats.multitest.multipletests."
                + (f" Did you mean {meant!r}?" if meant else "")
            ) from None
        return np.asarray(pvalues)

    def _series(self, values: np.ndarray, name: str) -> pd.Series:
        return pd.Series(values, self.names, name=name)

    def _se(self) -> np.ndarray:
        return roots(np.diag(self._cov))

    def _df(self) -> np.ndarray:
        """Degrees of freedom of each estimate; infinite for the normal."""
        return np.full(len(self.names), np.inf) if self.df is None else self.df

    def _df_of(self, R: np.ndarray) -> np.ndarray:
        """Degrees of freedom of each combination (Welch, 1947; else the smallest)."""
        df = self._df()
        if not self._own_variances:
            return np.full(len(R), df[0])
        return degrees_of_freedom(R, self._cov, df)


def check_alpha(alpha: float) -> None:
    """Refuse a level that is none."""
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {shown(alpha)}.")
