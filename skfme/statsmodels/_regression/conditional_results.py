"""Results of a regression of effects: the results protocol, and what regressions add.

Analysis of variance, Welch's test, predictions, the wild cluster bootstrap. The fit, its
covariance and the tests are computed in files of their own.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS, WLS

from skfme._frames.tables import as_table
from skfme._text.outputs import one_output, outcome_notes
from skfme.statsmodels._inference.contrasts import combined, covariance_of, variances_of
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.names import names_of
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._regression.anova import anova_table, welch_test
from skfme.statsmodels._regression.designs import CellDesign, EffectDesign
from skfme.statsmodels._regression.least_squares import LeastSquares
from skfme.statsmodels._regression.sandwich import regression_cov
from skfme.statsmodels._regression.wild_bootstrap import (
    WildClusterTest,
    wild_cluster_test,
)
from skfme.statsmodels._rows.clusters import Clusters, cluster_notes
from skfme.statsmodels._rows.counted import CountedRows, kind_notes

__all__ = ["ConditionalEffectsResults"]

_AFTER_GROUPS = ("output", "n", "estimate")  # columns of the tables


class Regression(Protocol):
    """What results need of the model that they are of."""

    counted: CountedRows
    design: EffectDesign


class ConditionalEffectsResults(EffectResults):
    """Conditional effects with standard errors; speaks the results protocol.

    For a partition, ``to_frame()`` has the column ``rule`` before the estimates.

    Attributes
    ----------
    model : ConditionalEffects
    cov_type : str
    clusters : Clusters or None
    """

    def __init__(
        self,
        model: Regression,
        fit: LeastSquares,
        cov_type: str,
        clusters: Clusters | None,
        use_t: bool,
    ) -> None:
        self.model, self._fit = model, fit
        self.cov_type, self.clusters = cov_type, clusters
        counted, design = model.counted, model.design
        labels = pd.concat([design.labels] * len(counted.outputs), ignore_index=True)
        if len(counted.outputs) > 1:
            labels.insert(0, "output", np.repeat(counted.outputs, design.shape[1]))
        names = labels.assign(effect=counted.effect.name)
        if not isinstance(design, CellDesign):
            names = labels.rename(columns={"term": "effect"})
        labels.insert(0, "effect", counted.effect.name)
        super().__init__(
            fit.coef.T.ravel(),
            regression_cov(fit, cov_type, clusters),
            labels=labels,
            df=self._degrees_of_freedom() if use_t else None,
            covers="sample" if counted.effect.step else "rows",
            nobs=self._sizes(),
            title=self._title(),
            notes=self._described(),
            names=names_of(names),
            why_missing=(
                f"a single row determines it, whose error {cov_type} cannot know"
                if clusters is None
                else "a single cluster determines it"
            ),
        )

    def _title(self) -> str:
        effect = self.model.counted.effect
        name = f"Effect {effect.full_name}" if effect.step else effect.name
        return f"{name} {self.model.design.title}"

    def _degrees_of_freedom(self) -> Any:
        design, weights, clusters = self.model.design, self._fit.weights, self.clusters
        if self.cov_type == "nonrobust":
            return self._fit.df_resid
        if not isinstance(design, CellDesign):
            return self._fit.df_resid if clusters is None else clusters.df
        if clusters is None:
            numbers = design.totals(weights.array if weights.counting else None)
        else:
            numbers = clusters.numbers_within(design.codes, design.shape[1])
        # A group of one has no error of its own; its tests are NaN anyway.
        return np.tile(np.maximum(numbers - 1.0, 1.0), self._fit.resid.shape[1])

    def _sizes(self) -> Any:
        design = self.model.design
        if isinstance(design, CellDesign):
            return np.tile(design.totals(), self._fit.resid.shape[1])
        return len(design.rows)

    def _described(self) -> list[str]:
        """Sentences under the summary."""
        explained = ", ".join(f"{r:.4g}" for r in self._fit.rsquared)
        counted = self.model.counted
        comparison = counted.effect.comparison
        notes = outcome_notes(counted.effect.context, counted.outputs, comparison)
        if comparison.null:
            notes.append(
                "Statistics and P test that a coefficient is 0, also of a ratio: t_test or "
                "comparison='log_ratio' tests for no change."
            )
        notes.append(f"R-squared {explained}; covariance {self.cov_type}.")
        if self.clusters is not None:
            way_out = "cov_type='CR3' suits few clusters"
            if len(self.clusters.ways) == 1:
                way_out += ", and wild_bootstrap() tests without standard errors"
            suits_few = self.cov_type == "CR3"
            notes += cluster_notes(
                self.clusters.numbers, None if suits_few else way_out
            )
        weights = self._fit.weights
        if weights.given:
            notes.append(
                f"Weights of type {weights.kind}; they sum to {weights.sum:.6g}."
            )
            notes += kind_notes(counted.effect, weights)
        return [*notes, *self.model.design.notes]

    @property
    def df_resid(self) -> float:
        """Observations less coefficients."""
        return self._fit.df_resid

    @property
    def rsquared(self) -> float | pd.Series:
        """Share of Var(FME) accounted for; a Series over several outputs.

        For groups and partitions it is η².
        """
        values, outputs = self._fit.rsquared, self.model.counted.outputs
        return float(values[0]) if len(values) == 1 else pd.Series(values, outputs)

    @property
    def resid(self) -> np.ndarray:
        """Effects less fitted effects, of shape (n,) or (n, n_outputs)."""
        return _squeezed(self._fit.resid)

    @property
    def fittedvalues(self) -> np.ndarray:
        """Fitted effects of the rows of the regression."""
        return _squeezed(self.model.counted.fme - self._fit.resid)

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        rules = getattr(self.model.design, "rules", None)
        if rules is not None:
            position = next(i for i, c in enumerate(frame) if c in _AFTER_GROUPS)
            frame.insert(position, "rule", rules * len(self.model.counted.outputs))
        return super()._more_columns(frame)

    def anova(self, typ: int = 1) -> pd.DataFrame:
        """Analysis of variance: which terms account for the heterogeneity.

        Parameters
        ----------
        typ : {1, 2, 3}, default=1
            Sums of squares: sequential; each term after all that do not contain it; each
            after all others. Type 3 depends on how categories are coded: take
            "C(sex, Sum)". Groups and partitions are one term, for which all are alike.

        Returns
        -------
        table : DataFrame
            One row per term, then the residuals: ``df``, ``sum_sq``, ``mean_sq``, ``F``,
            ``PR(>F)``, and the effect sizes ``eta_sq`` (η², share of the total sum of
            squares) and ``omega_sq`` (ω², which a useless term does not raise on
            average). Several outputs are levels of the index. The F tests take the
            covariance of the fit.
        """
        if typ not in (1, 2, 3):
            raise ValueError(f"typ must be 1, 2 or 3, got {typ!r}.")
        df = self.df_resid if self.clusters is None else self.clusters.df
        outputs = self.model.counted.outputs
        tables = [
            anova_table(self._fit, j, self._cov_of_output(j), df, typ)
            for j in range(len(outputs))
        ]
        if len(tables) == 1:
            return tables[0]
        return pd.concat(tables, keys=outputs, names=["output"])

    def welch_test(self) -> Any:
        """Test that all groups have the same mean, whatever their SDs (Welch, 1951).

        Returns
        -------
        test : statsmodels AnovaResult
            ``statistic``, ``pvalue``, ``df``.

        Raises
        ------
        ValueError
            If there are no groups, several outputs, weights that are no counts, or a
            group without spread.
        """
        one_output(self.model.counted.outputs, None, "Welch's test")
        return welch_test(self._fit, self.names)

    def predict(self, X: Any = None) -> np.ndarray:
        """Expected effects of rows.

        Parameters
        ----------
        X : array-like or dataframe of shape (m, n_features), default=None
            Rows with the columns of the model; for groups given as labels, their labels.
            None takes the rows of the regression.

        Returns
        -------
        effects : ndarray of shape (m,) or (m, n_outputs)
            NaN where a covariate is missing.
        """
        if X is None:
            return self.fittedvalues
        matrix, places = self.model.design.matrix_of(X)
        return _squeezed((matrix @ self._fit.coef)[places])

    def prediction_frame(self, X: Any, alpha: float = 0.05) -> pd.DataFrame:
        """Expected effects of rows with intervals of the expectation.

        Parameters
        ----------
        X : as in predict
        alpha : float, default=0.05

        Returns
        -------
        frame : DataFrame
            One row per row of X (and ``output``): ``estimate``, ``std_error``,
            ``conf_low``, ``conf_high``; with X's index.
        """
        matrix, places = self.model.design.matrix_of(X)
        index = as_table(X).index if np.ndim(X) == 2 else None
        columns = ["estimate", "std_error", "conf_low", "conf_high"]
        frames = []
        for j, output in enumerate(self.model.counted.outputs):
            numbers = self._predictions(matrix, j, alpha)[places]
            frame = pd.DataFrame(numbers, index, columns)
            if len(self.model.counted.outputs) > 1:
                frame.insert(0, "output", output)
            frames.append(frame)
        return pd.concat(frames)

    def _predictions(self, matrix: np.ndarray, j: int, alpha: float) -> np.ndarray:
        """Expectation of one output, its error and interval, for each row of a design."""
        complete = ~np.isnan(matrix).any(axis=1)
        R = np.zeros((np.count_nonzero(complete), len(self.names)))
        R[:, self._places(j)] = matrix[complete]
        estimate, se = combined(R, self._estimates), np.sqrt(variances_of(R, self._cov))
        half = stats.t.isf(alpha / 2, self._df_of(R)) * se
        numbers = np.full((len(matrix), 4), np.nan)
        numbers[complete] = np.transpose(
            [estimate, se, estimate - half, estimate + half]
        )
        return numbers

    def wild_bootstrap(
        self,
        R: Any,
        *,
        n_resamples: int = 9999,
        weights: str = "auto",
        random_state: Any = None,
    ) -> WildClusterTest:
        """Test a hypothesis with few clusters, by the wild cluster bootstrap.

        Parameters
        ----------
        R : as in t_test
            Several rows are tested jointly.
        n_resamples : int, default=9999
            All 2^G vectors of signs are taken instead where they are no more.
        weights : {"auto", "rademacher", "webb"}, default="auto"
            Weight of each cluster's residuals: -1 or 1, or one of Webb's six points;
            "auto" takes these with fewer than 12 clusters.
        random_state : int, RandomState instance or None, default=None

        Returns
        -------
        test : WildClusterTest
            ``statistic``, ``pvalue``, and ``conf_int(alpha)`` for one restriction.

        Raises
        ------
        ValueError
            If the fit has no clusters, or two ways of them, or several outputs.

        References
        ----------
        Cameron, Gelbach, Miller (2008). Bootstrap-based improvements for inference with
        clustered errors. Review of Economics and Statistics 90, 414-427.
        Webb (2023). Reworking wild bootstrap-based inference for clustered errors.
        Canadian Journal of Economics 56, 839-858.
        """
        if self.clusters is None or len(self.clusters.ways) > 1:
            raise ValueError(
                "The wild cluster bootstrap needs clusters in one way; fit with "
                "cov_type='cluster', cov_kwds={'groups': …}."
            )
        one_output(self.model.counted.outputs, None, "the wild cluster bootstrap")
        matrix, q = linear_hypothesis(R, self.names)
        if np.isnan(covariance_of(matrix, self._cov)).any():
            raise ValueError(
                "An estimate of the hypothesis has no standard error; leave it out of R."
            )
        return wild_cluster_test(
            self._fit,
            self.clusters.ways[0],
            (matrix, q),
            n_resamples,
            weights,
            random_state,
        )

    def to_statsmodels(self, output: str | None = None) -> Any:
        """The same regression as statsmodels' own results, for its diagnostics.

        Parameters
        ----------
        output : str, default=None
            Needed where the effect has several.

        Returns
        -------
        results : statsmodels RegressionResults
            Of OLS, or of WLS with the effect's weights; with this covariance.
        """
        counted, weights = self.model.counted, self._fit.weights
        j = one_output(counted.outputs, output, "a statsmodels regression")
        design = self.model.design
        exog = pd.DataFrame(design.block(slice(None)), columns=design.names)
        endog = pd.Series(counted.fme[:, j], name="fme")
        model = WLS(endog, exog, weights.array) if weights.given else OLS(endog, exog)
        model.df_resid = self.df_resid  # frequency weights count more than the rows
        results = model.fit(use_t=self.use_t)
        results._results.cov_params_default = self._cov_of_output(j)
        results._results.cov_type = self.cov_type
        if self.clusters is not None:
            results._results.df_resid_inference = self.clusters.df
        return results

    def _places(self, j: int) -> slice:
        """Places of one output's coefficients."""
        k = self.model.design.shape[1]
        return slice(j * k, (j + 1) * k)

    def _cov_of_output(self, j: int) -> np.ndarray:
        return self._cov[self._places(j), self._places(j)]


def _squeezed(values: np.ndarray) -> np.ndarray:
    """A vector where there is one output."""
    return values[:, 0] if values.shape[1] == 1 else values
