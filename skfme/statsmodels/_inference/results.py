"""The results protocol: estimates of effects, and tests of hypotheses about them.

Everything that carries an estimate and its uncertainty speaks it: estimates β with
covariance V, tests of Rβ = q by t = (Rβ − q) / √diag(R V Rᵀ) and by
W = (Rβ − q)ᵀ (R V Rᵀ)⁺ (Rβ − q), differences and equivalence. Standard errors, intervals
and tables are in the files below; V comes from the models.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.contrast import ContrastResults

from skfme.statsmodels._inference.contrasts import (
    covariance_of,
    differences_of,
    ratio,
    variances_of,
    wald_statistic,
)
from skfme.statsmodels._inference.equivalence import (
    EquivalenceResults,
    two_one_sided_tests,
)
from skfme.statsmodels._inference.families import INDEPENDENT, stacked
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.names import (
    comparison_notes,
    difference_labels,
    difference_names,
    interaction_rows,
    pairs_within,
    refuse_other_rows,
    refuse_unknown_label,
    wording,
)
from skfme.statsmodels._inference.nonlinear import (
    function_of_names,
    gradient_of,
    texts_of,
)
from skfme.statsmodels._inference.text import EstimateTables

__all__ = ["EffectResults"]


class EffectResults(EstimateTables):
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
    sample_cov : bool, default=False
        Whether the covariance is that of `df` + 1 independent units, such as rows, pairs
        or clusters, rather than one variance times a known matrix. Joint tests by F are
        Hotelling's then, without which they reject too often over few units.
    null : float, default=0
        What estimates are where nothing changes, such as 1 of ratios: statistics and
        p-values test it.
    more : DataFrame of k rows, default=None
        Further columns of the table, behind the intervals.

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
        effect = differences_of(matrix, self._estimates, q)
        sd = np.sqrt(variances_of(matrix, self._cov))
        statistic, df = ratio(effect, sd), self._df_of(matrix)
        if self.df is None:
            options = {"statistic": statistic, "distribution": "norm"}
        else:
            options = {"t": statistic, "df_denom": df[0] if len({*df}) == 1 else df}
        tests = ContrastResults(effect=effect, sd=sd, **options)
        tests.c_names = wording(matrix, q, self.names)
        return tests

    def wald_test(self, R: Any = None) -> ContrastResults:
        """Test all linear hypotheses together: χ², or F where there are df.

        Parameters
        ----------
        R : as in t_test, default=None
            None tests that every estimate is zero, or `null` where that is set.

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
        Redundant hypotheses count once: the degrees of freedom are the rank r of R V Rᵀ.
        Where V is the covariance of a sample of units with ν degrees of freedom,
        F = W (ν − r + 1) / (ν r) has r and ν − r + 1; else F = W / r has r and ν.

        References
        ----------
        Hotelling (1931). The generalization of Student's ratio. Annals of Mathematical
        Statistics 2, 360-378.
        """
        if R is None:
            R = (np.eye(len(self.names)), np.full(len(self.names), self.null))
        matrix, q = linear_hypothesis(R, self.names)
        distance = differences_of(matrix, self._estimates, q)
        W, rank = wald_statistic(distance, covariance_of(matrix, self._cov))
        if self.df is None:
            return ContrastResults(statistic=W, distribution="chi2", df_denom=rank)
        df = self.df[(matrix != 0).any(axis=0)].min()
        left = df - rank + 1 if self.sample_cov else df
        if left <= 0:
            raise ValueError(
                f"{rank} hypotheses cannot be tested together over {df + 1:g} units; test "
                "fewer, or each by t_test."
            )
        return ContrastResults(F=W * left / (df * rank), df_num=rank, df_denom=left)

    def nonlinear_test(
        self, f: str | Sequence[str] | Callable[[np.ndarray], Any]
    ) -> EffectResults:
        """Test functions of the estimates, such as a ratio, by the delta method.

        Parameters
        ----------
        f : str, list of str or callable
            A text of names, or rows, and arithmetic (+ - * / ** exp log sqrt abs), such as
            "bmi -2 / bp -10 = 1" or "b1 / b2 = 1"; several as a list. Or a function of the
            estimates, an array of shape (k,), to a number or an array of shape (m,).

        Returns
        -------
        results : EffectResults
            Of left side minus right side, or of the function's values: an estimate of zero
            is what is tested.

        Raises
        ------
        ValueError
            If a text names no estimate or cannot be read, or a value or slope is not
            finite.

        References
        ----------
        Oehlert (1992). A note on the delta method. The American Statistician 46, 27-29.

        Examples
        --------
        >>> import pandas as pd
        >>> from skfme.statsmodels import EffectResults
        >>> labels = pd.DataFrame({"effect": ["bmi -2", "bp -10"]})
        >>> results = EffectResults(
        ...     [3.0, 2.0], [[0.04, 0], [0, 0.01]], labels=labels, covers="sample"
        ... )
        >>> ratio = results.nonlinear_test("bmi -2 / bp -10 = 1")
        >>> ratio.params.round(3).tolist(), ratio.bse.round(3).tolist()
        ([0.5], [0.125])
        """
        if callable(f):
            function, texts = f, None
        else:
            texts = [f] if isinstance(f, str) else texts_of(f)
            function = function_of_names(texts, self.names)
        values, gradient = gradient_of(function, self._estimates, self._se())
        if texts is None:
            name = getattr(f, "__name__", "f").strip("<>")
            texts = [
                f"{name} {i + 1}" if len(values) > 1 else name
                for i in range(len(values))
            ]
        return EffectResults(
            values,
            covariance_of(gradient, self._cov),
            labels=pd.DataFrame({"effect": texts}),
            df=None if self.df is None else self._df_of(gradient),
            covers=self.covers,
            title=self.title,
            sample_cov=self.sample_cov,
        )

    @classmethod
    def concat(
        cls, results: Mapping[str, EffectResults], *, label: str = "fit"
    ) -> EffectResults:
        """Results of separate fits as one family, for differences and adjusted p-values.

        Parameters
        ----------
        results : mapping of str -> EffectResults
        label : str, default="fit"
            The column of labels that their names become, such as "outcome".

        Returns
        -------
        family : EffectResults
            Estimates of different fits are taken for independent of one another, as those
            of different people are. Fits of several outcomes of the same rows are not:
            adjusted p-values ("holm") and differences within a fit hold all the same, and
            differences between fits do not. Those need one call with all outcomes, which
            has their covariance: ``average_effects``, ``bootstrap_effects``, or
            ``ConditionalEffects.from_response``.

        Raises
        ------
        ValueError
            If there are none, their intervals do not cover the same, or the label is taken.

        Examples
        --------
        >>> import pandas as pd
        >>> from skfme.statsmodels import EffectResults
        >>> labels = pd.DataFrame({"effect": ["strength +1"] * 2, "side": ["left", "right"]})
        >>> cov, options = [[0.01, 0], [0, 0.01]], {"labels": labels, "covers": "parameters"}
        >>> water = EffectResults([0.1, 0.3], cov, **options)
        >>> vermin = EffectResults([0.2, 0.7], cov, **options)
        >>> family = EffectResults.concat({"water": water, "vermin": vermin}, label="concept")
        >>> sides = family.pairwise(over="side")  # differences within a concept
        >>> sides.to_frame()[["concept", "estimate", "p_adjusted"]].round(4)
          concept  estimate  p_adjusted
        0   water       0.2      0.1573
        1  vermin       0.5      0.0008
        >>> family.pvalues_adjusted("holm", within="side").round(3).tolist()
        [0.317, 0.003, 0.091, 0.0]
        """
        return EffectResults(**stacked(results, label))

    def interaction(self, first: str, second: str) -> EffectResults:
        """How far two steps together do more than the sum of each: second differences.

        Parameters
        ----------
        first, second : str
            Names of two effects; their joint step must be among the estimates.

        Returns
        -------
        results : EffectResults
            Joint effect minus both, for each output and group.

        Raises
        ------
        ValueError
            If one of the three effects is missing, they are averages over different
            numbers of rows, or ratios.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from skfme import fme
        >>> from skfme.statsmodels import average_effects
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        >>> steps = [{"bmi": -2}, {"bp": -10}, {"bmi": -2, "bp": -10}]
        >>> effects = fme(lambda X: X["bmi"] * X["bp"], X, steps, extrapolation=None)
        >>> results = average_effects(effects).interaction("bmi -2", "bp -10")
        >>> results.params.round(6).tolist()
        [20.0]
        """
        if self.null:
            raise ValueError(
                "Ratios multiply, so that their difference is no interaction. Take "
                "comparison='log_ratio', or nonlinear_test('b3 / (b1 * b2) = 1')."
            )
        R, labels = interaction_rows(self.labels, first, second)
        refuse_other_rows(R, self.nobs)
        return self.contrasts(R, labels)

    def equivalence_test(
        self, low: Any, high: Any = None, *, alpha: float = 0.05
    ) -> EquivalenceResults:
        """Show that effects are small: two one-sided tests (TOST).

        Parameters
        ----------
        low, high : float or array-like of shape (k,)
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
        return two_one_sided_tests(self, (low, high), alpha)

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
            differences_of(matrix, self._estimates, q),
            covariance_of(matrix, self._cov),
            labels=labels,
            df=None if self.df is None else self._df_of(matrix),
            covers=self.covers,
            title=self.title,
            sample_cov=self.sample_cov,
        )

    def pairwise(
        self,
        method: str | None = "holm",
        *,
        within: str | Sequence[str] | None = ("effect", "output"),
        over: str | None = None,
    ) -> EffectResults:
        """Differences of two estimates, each the later minus the earlier.

        Parameters
        ----------
        method : str or None, default="holm"
            Adjustment of the p-values, as in :meth:`pvalues_adjusted`.
        within : label column, list of label columns or None, \
                default=("effect", "output")
            Only estimates that agree in these are compared. By default those of one
            effect and output, such as two groups': other steps have other units, and
            probabilities of several classes sum to one. None compares all.
        over : label column or None, default=None
            Instead: only estimates that differ in this and agree in all else, such as
            "effect" or "sex". Differences of differences are ``pairwise(over="sex")`` once
            more.

        Returns
        -------
        differences : EffectResults
            Its tables have a column of adjusted p-values, ``p_adjusted``.

        Raises
        ------
        ValueError
            If there is nothing to compare.
        """
        k = len(self.names)
        if k < 2:
            raise ValueError(
                f"pairwise compares estimates with one another, and there is {k}."
            )
        if over is not None:
            refuse_unknown_label(self.labels, over, "over")
            within = [str(name) for name in self.labels if name != over]
        pairs = pairs_within(self.labels, within)
        first, second = np.transpose(pairs)
        R = np.eye(k)[second] - np.eye(k)[first]
        differences = self.contrasts(R, difference_labels(self.labels, pairs))
        short_names = differences.names
        differences.names = difference_names(
            self.names, short_names, self.labels, pairs
        )
        differences.adjustment = method
        if method is not None:
            differences.pvalues_adjusted(method)  # refuses an unknown method at once
        differences.notes += comparison_notes(self.labels, pairs, self.nobs)
        if INDEPENDENT in self.notes and (self._cov[first, second] == 0).any():
            differences.notes += (INDEPENDENT,)
        differences.title = "Differences" + (f": {self.title}" if self.title else "")
        return differences
