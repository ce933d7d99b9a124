"""Results of a regression of effects: the results protocol, and what regressions add.

Analysis of variance, Welch's test, predictions, the wild cluster bootstrap.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.stats.oneway import anova_generic

from skfme._frames.tables import as_table
from skfme.statsmodels._inference.contrasts import combined
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.names import names_of
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._regression.anova import anova_table
from skfme.statsmodels._regression.designs import CellDesign, Design
from skfme.statsmodels._regression.least_squares import LeastSquares
from skfme.statsmodels._regression.sandwich import regression_cov
from skfme.statsmodels._regression.wild_bootstrap import (
    WildClusterTest,
    wild_cluster_test,
)
from skfme.statsmodels._rows.clusters import Clusters
from skfme.statsmodels._rows.counted import CountedRows

__all__ = ["ConditionalEffectsResults"]

# Below this number of clusters, robust standard errors are too small.
FEW_CLUSTERS = 40


class Regression(Protocol):
    """What results need of the model that they are of."""

    @property
    def counted(self) -> CountedRows: ...
    @property
    def design(self) -> Design: ...
    @property
    def nobs(self) -> Any: ...


class ConditionalEffectsResults(EffectResults):
    """Conditional effects with standard errors; speaks the results protocol.

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
        labels = _labels(counted, design)
        super().__init__(
            fit.coef.T.ravel(),
            regression_cov(fit, cov_type, clusters),
            labels=labels,
            df=self._degrees_of_freedom() if use_t else None,
            covers="sample",
            nobs=self._sizes(),
            title=f"Effect {counted.effect.name} {design.title}",
            notes=self._described(),
            names=_names(labels, counted, design),
            why_missing=(
                "a single cluster determines it"
                if clusters is not None
                else f"a single row determines it, whose error {cov_type} cannot know"
            ),
        )

    def _degrees_of_freedom(self) -> Any:
        design, fit = self.model.design, self._fit
        if self.cov_type == "nonrobust":
            return fit.df_resid
        if not isinstance(design, CellDesign):
            clusters = self.clusters
            return fit.df_resid if clusters is None else min(clusters.numbers) - 1
        if self.clusters is None:
            weights = fit.weights
            copies = weights.array if weights.counting else None
            own = np.bincount(design.codes, copies, design.shape[1]) - 1.0
        else:
            own = self._clusters_of_cells() - 1.0
        # A group of one has no error of its own; its tests are NaN anyway.
        return np.tile(np.maximum(own, 1.0), len(self.model.counted.outputs))

    def _clusters_of_cells(self) -> np.ndarray:
        codes, k = self.model.design.codes, self.model.design.shape[1]  # type: ignore[attr-defined]
        counts = [
            np.bincount(np.unique(np.column_stack([codes, way]), axis=0)[:, 0], None, k)
            for way in self.clusters.ways  # type: ignore[union-attr]
        ]
        return np.min(counts, axis=0)

    def _sizes(self) -> Any:
        design = self.model.design
        if isinstance(design, CellDesign):
            sizes = np.bincount(design.codes, minlength=design.shape[1])
            return np.tile(sizes, len(self.model.counted.outputs))
        return self.model.nobs

    def _described(self) -> list[str]:
        """Sentences under the summary."""
        counted, notes = self.model.counted, []
        explained = ", ".join(f"{r:.4g}" for r in self._fit.rsquared)
        notes.append(f"R-squared {explained}; covariance {self.cov_type}.")
        if self.clusters is not None:
            numbers = self.clusters.numbers
            shown = " and ".join(map(str, numbers))
            notes.append(f"{shown} clusters.")
            if min(numbers) < FEW_CLUSTERS:
                notes.append(
                    "With fewer than 40 clusters such standard errors tend to be too "
                    "small; wild_bootstrap() tests hypotheses without them."
                )
        if counted.weights.array is not None:
            notes.append(
                f"Weights of type {counted.weights.kind}; they sum to "
                f"{counted.weights.array.sum():.6g}."
            )
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
        values = self._fit.rsquared
        outputs = self.model.counted.outputs
        return float(values[0]) if len(values) == 1 else pd.Series(values, outputs)

    @property
    def resid(self) -> np.ndarray:
        """Effects less fitted effects, of shape (n,) or (n, n_outputs)."""
        resid = self._fit.resid
        return resid[:, 0] if resid.shape[1] == 1 else resid

    @property
    def fittedvalues(self) -> np.ndarray:
        """Fitted effects of the rows of the regression."""
        fitted = self.model.counted.fme - self._fit.resid
        return fitted[:, 0] if fitted.shape[1] == 1 else fitted

    def to_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """One row per estimate.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        frame : DataFrame
            As :meth:`EffectResults.to_frame` has it; for a partition also ``rule``.
        """
        frame = super().to_frame(alpha)
        rules = getattr(self.model.design, "rules", None)
        if rules is not None:
            position = list(frame).index("estimate")
            frame.insert(position, "rule", rules * len(self.model.counted.outputs))
        return frame

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
        k, outputs = self.model.design.shape[1], self.model.counted.outputs
        df = self.df_resid
        if self.clusters is not None:
            df = min(self.clusters.numbers) - 1
        tables = []
        for j in range(len(outputs)):
            own = slice(j * k, (j + 1) * k)
            tables.append(anova_table(self._fit, j, self._cov[own, own], df, typ))
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
        design, weights = self.model.design, self._fit.weights
        if not isinstance(design, CellDesign):
            raise ValueError(
                "Welch's test compares groups; for a formula take wald_test() with a "
                "robust covariance."
            )
        self._refuse_outputs("Welch's test")
        if weights.array is not None and not weights.counting:
            raise ValueError(
                f"Welch's test takes no {weights.kind} weights; take anova() after "
                "fit(cov_type='HC3')."
            )
        k = design.shape[1]
        n = np.bincount(design.codes, weights.array, k)
        squares = np.bincount(
            design.codes, weights.times(self._fit.resid[:, 0] ** 2), k
        )
        variances = np.divide(squares, n - 1, out=np.zeros(k), where=n > 1)
        still = [self.names[i] for i in np.flatnonzero(variances == 0)]
        if still:
            raise ValueError(
                "Welch's test needs a variance in each group, and there is none in "
                f"{', '.join(map(repr, still[:5]))}."
            )
        return anova_generic(self._fit.coef[:, 0], variances, n, use_var="unequal")

    def predict(self, X: Any = None) -> np.ndarray:
        """Expected effects of rows.

        Parameters
        ----------
        X : array-like or dataframe of shape (m, n_features), default=None
            Rows with the columns that the model knows; for groups given as labels, their
            labels. None takes the rows of the regression.

        Returns
        -------
        effects : ndarray of shape (m,) or (m, n_outputs)
            NaN where a covariate is missing.
        """
        if X is None:
            return self.fittedvalues
        matrix, which = self.model.design.matrix_of(X)
        effects = (matrix @ self._fit.coef)[which]
        return effects[:, 0] if effects.shape[1] == 1 else effects

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
        matrix, which = self.model.design.matrix_of(X)
        index = as_table(X).index if np.ndim(X) == 2 else None
        frames = []
        for j, output in enumerate(self.model.counted.outputs):
            numbers = self._prediction_numbers(matrix, j, alpha)[which]
            columns = ["estimate", "std_error", "conf_low", "conf_high"]
            frame = pd.DataFrame(numbers, index, columns=columns)
            if len(self.model.counted.outputs) > 1:
                frame.insert(0, "output", output)
            frames.append(frame)
        return pd.concat(frames)

    def _prediction_numbers(
        self, matrix: np.ndarray, j: int, alpha: float
    ) -> np.ndarray:
        known = ~np.isnan(matrix).any(axis=1)
        k = matrix.shape[1]
        R = np.zeros((np.count_nonzero(known), len(self.names)))
        R[:, j * k : (j + 1) * k] = matrix[known]
        effect, sd = combined(R, self._estimates), np.sqrt(self._variances_of(R))
        half = stats.t.isf(alpha / 2, self._df_of(R)) * sd
        numbers = np.full((len(matrix), 4), np.nan)
        numbers[known] = np.column_stack([effect, sd, effect - half, effect + half])
        return numbers

    def wild_bootstrap(
        self,
        R: Any,
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
        self._refuse_outputs("The wild cluster bootstrap")
        matrix, q = linear_hypothesis(R, self.names)
        if np.isnan(self._cov_of(matrix)).any():
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
        outputs = self.model.counted.outputs
        if output is None:
            self._refuse_outputs("A statsmodels regression")
            output = outputs[0]
        if output not in outputs:
            raise ValueError(f"output={output!r} is unknown; there are {outputs}.")
        j, k = outputs.index(output), self.model.design.shape[1]
        names = self.model.design.names
        exog = pd.DataFrame(self.model.design.block(slice(None)), columns=names)
        endog = pd.Series(self.model.counted.fme[:, j], name="fme")
        weights = self._fit.weights.array
        model = OLS(endog, exog) if weights is None else WLS(endog, exog, weights)
        model.df_resid = self.df_resid  # frequency weights count more than the rows
        results = model.fit(use_t=self.use_t)
        own = slice(j * k, (j + 1) * k)
        results._results.cov_params_default = self._cov[own, own]
        results._results.cov_type = self.cov_type
        if self.clusters is not None:
            results._results.df_resid_inference = min(self.clusters.numbers) - 1
        return results

    def _refuse_outputs(self, what: str) -> None:
        outputs = self.model.counted.outputs
        if len(outputs) > 1:
            raise ValueError(
                f"{what} takes one output, and the effect has {len(outputs)}; choose it "
                f"with output={outputs[0]!r} where the model is made."
            )


def _labels(counted: CountedRows, design: Design) -> pd.DataFrame:
    """Labels of the coefficients, output after output."""
    parts = []
    for output in counted.outputs:
        part = design.labels.copy()
        if len(counted.outputs) > 1:
            part.insert(0, "output", output)
        part.insert(0, "effect", counted.effect.name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def _names(labels: pd.DataFrame, counted: CountedRows, design: Design) -> list[str]:
    if "term" not in labels or isinstance(design, CellDesign):
        return names_of(labels)
    if len(counted.outputs) == 1:
        return labels["term"].tolist()
    pairs = zip(labels["term"], labels["output"], strict=True)
    return [f"{term}[{output}]" for term, output in pairs]
