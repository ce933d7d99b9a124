"""The results protocol: estimates of effects with their joint covariance.

Everything that carries an estimate and its uncertainty speaks it: estimates β with
covariance V, tests of Rβ = q by t = (Rβ − q) / √diag(R V Rᵀ) and by
W = (Rβ − q)ᵀ (R V Rᵀ)⁺ (Rβ − q), intervals, equivalence and many tests at once.
Where V comes from is other files' business.
"""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.contrast import ContrastResults
from statsmodels.stats.multitest import multipletests

from skfme._text.printing import Text, html_table, text_table
from skfme.statsmodels._inference.contrasts import (
    combined,
    covariance_of,
    degrees_of_freedom,
    ratio,
    roots,
    variances_of,
    wald_statistic,
)
from skfme.statsmodels._inference.equivalence import (
    EquivalenceResults,
    two_one_sided_tests,
)
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.names import (
    difference_labels,
    difference_names,
    names_of,
    unique_names,
    wording,
)
from skfme.statsmodels._inference.simultaneous import max_t_quantiles, max_t_tails
from skfme.statsmodels._inference.text import (
    WIDTH,
    covers_sentence,
    estimate_table,
    size_notes,
)

__all__ = ["WIDTH", "EffectResults"]


class EffectResults:
    """Estimates of effects, with their joint covariance.

    Parameters
    ----------
    params : array-like of shape (k,)
        The estimates.
    cov : array-like of shape (k, k)
        Their covariance; may be singular. NaN on the diagonal where an estimate has no
        standard error: a warning names it.
    labels : DataFrame of k rows
        First the column ``effect``, then ``output`` where the model has several, then
        group columns. The names of the estimates are made of them: "bmi -2",
        "bmi -2[setosa]", "bmi -2 | sex=s1".
    df : float, array-like of shape (k,) or None, default=None
        Degrees of freedom: a number of one variance estimate that all share, an array
        where each has its own; None takes the normal distribution.
    covers : str
        What the intervals cover: "sample", "parameters", "sample + parameters",
        "refit", "sample + refit"; anything else is shown as it is.
    nobs : int, array-like of shape (k,) or None, default=None
        Rows that each estimate rests on.
    title : str, default=""
    notes : sequence of str, default=()
        Sentences shown under the summary.
    names : sequence of str of length k, default=None
        Other names than those made of the labels.
    why_missing : str, default=""
        Why some estimates have no standard error, for the warning.

    Examples
    --------
    >>> import pandas as pd
    >>> from skfme.statsmodels import EffectResults
    >>> results = EffectResults(
    ...     [1.2, -0.4],
    ...     [[0.04, 0.01], [0.01, 0.09]],
    ...     labels=pd.DataFrame({"effect": ["bmi -2", "bp -10"]}),
    ...     df=100,
    ...     covers="sample",
    ... )
    >>> results.t_test("bmi -2 = bp -10").effect.round(1).tolist()
    [1.6]
    >>> results.equivalence_test(-1, 1).equivalent.tolist()
    [False, True]
    """

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
    ) -> None:
        estimates = np.array(params, dtype=float)
        k = len(estimates)
        self.labels = labels.reset_index(drop=True)
        if len(self.labels) != k or np.shape(cov) != (k, k):
            raise ValueError(
                f"{k} estimates came with {len(self.labels)} rows of labels and a "
                f"covariance of shape {np.shape(cov)}; expected {k} and {(k, k)}."
            )
        found = names_of(self.labels) if names is None else [str(n) for n in names]
        self.names = unique_names(found)
        self._estimates, self._cov = estimates, np.array(cov, dtype=float)
        self.df = None if df is None else np.broadcast_to(df, (k,)).astype(float)
        self._own_variances = np.ndim(df) == 1
        self.nobs = None if nobs is None else np.broadcast_to(nobs, (k,)).copy()
        self.covers, self.title, self.notes = covers, title, tuple(notes)
        self.adjustment: str | None = None
        self._warn_of_missing(why_missing)

    def _warn_of_missing(self, reason: str) -> None:
        lacking = [n for n, se in zip(self.names, self._se(), strict=True) if se != se]
        if lacking:
            shown = ", ".join(map(repr, lacking[:5]))
            more = f" and {len(lacking) - 5} more" if len(lacking) > 5 else ""
            cause = f": {reason}" if reason else ""
            warnings.warn(
                f"No standard error for {shown}{more}{cause}. Its interval and tests are "
                "NaN.",
                RuntimeWarning,
                stacklevel=4,
            )

    # Estimates

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
        """Estimates over standard errors."""
        return self._series(ratio(self._estimates, self._se()), "statistic")

    @property
    def pvalues(self) -> pd.Series:
        """Two-sided p-values of "the estimate is zero"."""
        t = self.tvalues.to_numpy()
        return self._series(2 * stats.t.sf(np.abs(t), self._df()), "p_value")

    @property
    def coverage_note(self) -> str:
        """What the intervals cover, in a sentence."""
        return covers_sentence(self.covers)

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

    def conf_int(self, alpha: float = 0.05, simultaneous: bool = False) -> pd.DataFrame:
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
        _check_alpha(alpha)
        quantile = stats.t.isf(alpha / 2, self._df())
        if simultaneous:
            kept = self._with_spread()
            if kept.any():
                cov, df = self._cov[np.ix_(kept, kept)], self._df()[kept]
                quantile[kept] = max_t_quantiles(cov, alpha, df)
        half = quantile * self._se()
        ends = np.column_stack([self._estimates - half, self._estimates + half])
        return pd.DataFrame(ends, self.names, columns=[0, 1])

    # Tests

    def t_test(self, R: Any) -> ContrastResults:
        """Test each linear hypothesis by itself.

        Parameters
        ----------
        R : array-like of shape (k,) or (m, k), tuple (R, q), str or list of str
            Rβ = q; or a text of names, such as "bmi -2 = bp -10", or of rows, as in
            "row 1 = row 2" or "b1 = b2" (the first is 1).

        Returns
        -------
        tests : statsmodels ContrastResults
            ``effect``, ``sd``, ``tvalue``, ``pvalue``, ``conf_int()``, ``summary()``.
        """
        matrix, q = linear_hypothesis(R, self.names)
        effect = combined(matrix, self._estimates) - q
        sd = np.sqrt(self._variances_of(matrix))
        t = ratio(effect, sd)
        if self.df is None:
            tests = ContrastResults(
                effect=effect, statistic=t, sd=sd, distribution="norm"
            )
        else:
            df = self._df_of(matrix)
            df = df[0] if (df == df[0]).all() else df
            tests = ContrastResults(effect=effect, t=t, sd=sd, df_denom=df)
        tests.c_names = wording(matrix, q, self.names)
        return tests

    def wald_test(self, R: Any = None) -> ContrastResults:
        """Test all linear hypotheses together: χ², or F where there are df.

        Parameters
        ----------
        R : as in t_test, default=None
            None tests that every estimate is zero.

        Returns
        -------
        test : statsmodels ContrastResults
            ``statistic``, ``pvalue``, ``df_num`` and ``df_denom`` (the smallest of the
            estimates involved) for F, ``df_denom`` for χ².

        Raises
        ------
        ValueError
            If an estimate involved has no standard error, or a combination of them has
            no variance.

        Notes
        -----
        Redundant hypotheses count once: the degrees of freedom are the rank of R V Rᵀ.
        """
        matrix, q = linear_hypothesis(
            np.eye(len(self.names)) if R is None else R, self.names
        )
        distance = combined(matrix, self._estimates) - q
        statistic, rank = wald_statistic(distance, self._cov_of(matrix))
        if self.df is None:
            return ContrastResults(
                statistic=statistic, distribution="chi2", df_denom=rank
            )
        involved = self._df()[(matrix != 0).any(axis=0)]
        return ContrastResults(F=statistic / rank, df_num=rank, df_denom=involved.min())

    def equivalence_test(
        self, low: Any, upp: Any, alpha: float = 0.05
    ) -> EquivalenceResults:
        """Show that effects are small: two one-sided tests (TOST).

        Parameters
        ----------
        low, upp : float or array-like of shape (k,)
            Bounds of what counts as practically no effect, in the effect's units.
        alpha : float, default=0.05
            An estimate is equivalent where both tests reject at alpha, which is where
            its 1 − 2 alpha interval lies between the bounds.

        Returns
        -------
        tests : EquivalenceResults

        References
        ----------
        Schuirmann (1987). A comparison of the two one-sided tests procedure and the
        power approach. J. Pharmacokinetics and Biopharmaceutics 15, 657-680.
        """
        _check_alpha(alpha)
        intervals = self.conf_int(2 * alpha).to_numpy()
        return two_one_sided_tests(
            self.params,
            self._se(),
            self._df(),
            intervals,
            (low, upp),
            alpha,
            self.labels,
        )

    def pvalues_adjusted(self, method: str = "holm") -> pd.Series:
        """Adjusted p-values, for the number of tests.

        Parameters
        ----------
        method : str, default="holm"
            "holm" or "bonferroni" bound the chance of any false rejection, "max-t" does
            so by the joint covariance; "fdr_bh" bounds the share of false rejections.
            Any method of :func:`statsmodels.stats.multitest.multipletests` will do.

        Returns
        -------
        pvalues : Series
        """
        pvalues = self.pvalues.to_numpy().copy()
        if method == "max-t":
            kept, t = self._with_spread(), self.tvalues.to_numpy()
            if kept.any():
                cov, df = self._cov[np.ix_(kept, kept)], self._df()[kept]
                pvalues[kept] = max_t_tails(cov, t[kept], df)
            return self._series(pvalues, "p_adjusted")
        known = ~np.isnan(pvalues)
        try:
            if known.any():
                pvalues[known] = multipletests(pvalues[known], method=method)[1]
        except ValueError:
            raise ValueError(
                f"method={method!r} is not known; expected 'holm', 'fdr_bh', "
                "'bonferroni', 'max-t' or another method of "
                "statsmodels.stats.multitest.multipletests."
            ) from None
        return self._series(pvalues, "p_adjusted")

    def contrasts(self, R: Any, labels: pd.DataFrame | None = None) -> EffectResults:
        """Linear combinations of the estimates, as results of their own.

        Parameters
        ----------
        R : as in t_test
            A value q is subtracted.
        labels : DataFrame of m rows, default=None
            None words each combination in a column ``effect``.

        Returns
        -------
        results : EffectResults
            With covariance R V Rᵀ. Where each estimate has a variance estimate of its
            own, a combination of independent ones has Welch and Satterthwaite's degrees
            of freedom, any other the smallest involved.
        """
        matrix, q = linear_hypothesis(R, self.names)
        if labels is None:
            labels = pd.DataFrame({"effect": wording(matrix, q, self.names)})
        return EffectResults(
            combined(matrix, self._estimates) - q,
            self._cov_of(matrix),
            labels=labels,
            df=None if self.df is None else self._df_of(matrix),
            covers=self.covers,
            title=self.title,
        )

    def pairwise(self, method: str | None = "holm") -> EffectResults:
        """All differences of two estimates, each the second minus the first.

        Parameters
        ----------
        method : str or None, default="holm"
            Adjustment of the p-values, as in :meth:`pvalues_adjusted`.

        Returns
        -------
        differences : EffectResults
            Its tables have a column of adjusted p-values, ``p_adjusted``.
        """
        k = len(self.names)
        if k < 2:
            raise ValueError(
                f"pairwise compares estimates with one another, and there is {k}."
            )
        pairs = list(combinations(range(k), 2))
        R = np.zeros((len(pairs), k))
        for row, (i, j) in enumerate(pairs):
            R[row, i], R[row, j] = -1.0, 1.0
        differences = self.contrasts(R, difference_labels(self.labels, pairs))
        differences.names = difference_names(
            self.names, differences.names, self.labels, pairs
        )
        differences.adjustment = method
        if method is not None:
            differences.pvalues_adjusted(method)  # refuses an unknown method at once
        differences.title = "Differences" + (f": {self.title}" if self.title else "")
        return differences

    # Tables

    def to_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """One row per estimate.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        frame : DataFrame
            ``effect``, ``output`` (for several), group columns, ``estimate``,
            ``std_error``, ``statistic``, ``p_value``, ``conf_low``, ``conf_high``, and
            ``p_adjusted`` for differences.
        """
        intervals = self.conf_int(alpha)
        numbers = {
            "estimate": self.params,
            "std_error": self.bse,
            "statistic": self.tvalues,
            "p_value": self.pvalues,
            "conf_low": intervals[0],
            "conf_high": intervals[1],
        }
        if self.adjustment is not None:
            numbers["p_adjusted"] = self.pvalues_adjusted(self.adjustment)
        frame = self.labels.copy()
        for name, column in numbers.items():
            frame[name] = column.to_numpy()
        return frame

    def summary(self, alpha: float = 0.05) -> Text:
        """A table in words and numbers, at most 78 columns wide.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        text : str
        """
        rule = "=" * WIDTH
        header, rows = self._table(alpha)
        table = text_table(header, rows, WIDTH)
        notes = [textwrap.fill(note, WIDTH) for note in self._all_notes()]
        heading = [textwrap.fill(line, WIDTH) for line in self._heading()]
        return Text("\n".join([*heading, rule, table, rule, *notes]))

    def _heading(self) -> list[str]:
        """Lines above the table."""
        return [(self.title or "Effects").center(WIDTH).rstrip()]

    def _table(self, alpha: float) -> tuple[list[str], list[list[str]]]:
        return estimate_table(
            self.names, self.to_frame(alpha), self.use_t, alpha, self.adjustment
        )

    def _all_notes(self) -> list[str]:
        still = [n for n, se in zip(self.names, self._se(), strict=True) if se == 0]
        sizes = size_notes(self.nobs, self.df, still)
        return [*sizes, self.coverage_note, *self.notes]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.names)} estimates, covers {self.covers}>"

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        header, rows = self._table(0.05)
        return html_table(header, rows, self.title or "Effects")

    # Shared

    def _series(self, values: np.ndarray, name: str) -> pd.Series:
        return pd.Series(values, self.names, name=name)

    def _se(self) -> np.ndarray:
        return roots(np.diag(self._cov))

    def _df(self) -> np.ndarray:
        """Degrees of freedom of each estimate; infinite for the normal."""
        return np.full(len(self.names), np.inf) if self.df is None else self.df

    def _with_spread(self) -> np.ndarray:
        """Mask of the estimates with a positive standard error."""
        return self._se() > 0

    def _cov_of(self, R: np.ndarray) -> np.ndarray:
        """R V Rᵀ; NaN only for combinations of estimates that have no variance."""
        return covariance_of(R, self._cov)

    def _variances_of(self, R: np.ndarray) -> np.ndarray:
        """The diagonal of R V Rᵀ, of as many combinations as there may be."""
        return variances_of(R, self._cov)

    def _df_of(self, R: np.ndarray) -> np.ndarray:
        """Degrees of freedom of each combination (Welch, 1947; else the smallest)."""
        df = self._df()
        if not self._own_variances:
            return np.full(len(R), df[0])
        return degrees_of_freedom(R, self._cov, df)


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must lie between 0 and 0.5, got {alpha!r}.")
