"""Regressions of effects: how FMEs differ between groups and with covariates.

FME_i = z_iᵀ γ + e_i by weighted least squares. With one column per group the
coefficients are cAMEs; with a formula they say how the effect moves. Designs, least
squares and covariances have files of their own; here they become a model and results,
split as statsmodels splits them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS, WLS
from statsmodels.stats.oneway import anova_generic

from skfme._effects import ForwardEffect
from skfme._frames import as_table, row_index
from skfme.statsmodels._anova import anova_table
from skfme.statsmodels._counted import (
    CountedRows,
    checked_cov_type,
    clusters_of,
    counted_rows,
)
from skfme.statsmodels._effect_designs import (
    CellDesign,
    Design,
    formula_design,
    group_design,
    partition_design,
)
from skfme.statsmodels._hypotheses import linear_hypothesis
from skfme.statsmodels._labels import names_of
from skfme.statsmodels._least_squares import LeastSquares, least_squares
from skfme.statsmodels._mixed import MixedConditionalEffects
from skfme.statsmodels._results import EffectResults
from skfme.statsmodels._sandwich import Clusters, regression_cov
from skfme.statsmodels._sign_model import SignModel
from skfme.statsmodels._wild_bootstrap import WildClusterTest, wild_cluster_test

__all__ = ["ConditionalEffects", "ConditionalEffectsResults"]

# Below this number of clusters, robust standard errors are too small.
FEW_CLUSTERS = 40


class ConditionalEffects:
    """A regression of effects on groups, a partition, or covariates.

    Made by :meth:`from_groups`, :meth:`from_partition` and :meth:`from_formula`, each
    over the rows that count; :meth:`mixed` is for repeated measures.

    Parameters
    ----------
    counted : CountedRows
    design : Design

    Notes
    -----
    What the weights of the effect are is said by `weights_type`. All three give the
    same estimates; standard errors differ.

    - "sampling": inverse probabilities of selection. Standard errors are robust
      (HC1 where nothing is asked for) and do not depend on the weights' scale.
    - "frequency": copies of a row. Results equal those of the repeated rows.
    - "importance": precisions, Var(e_i) = σ²/w_i, as statsmodels' WLS has them. Without
      a robust covariance their scale does not matter either.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from skfme import fme
    >>> from skfme.statsmodels import ConditionalEffects
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"age": rng.uniform(20, 80, 200), "sex": ["f", "m"] * 100})
    >>> model = lambda X: X["age"] ** 2 * np.where(X["sex"] == "m", 2, 1)
    >>> effect = fme(model, X, {"age": 1})
    >>> results = ConditionalEffects.from_groups(effect, by="sex").fit(cov_type="HC3")
    >>> results.params.round(1).to_dict()
    {'age +1 | sex=f': 101.4, 'age +1 | sex=m': 199.5}
    """

    def __init__(self, counted: CountedRows, design: Design) -> None:
        self.counted = counted.take(design.rows)
        self.design = design

    @classmethod
    def from_groups(
        cls,
        effect: ForwardEffect,
        by: Any,
        *,
        output: str | None = None,
        weights_type: str = "sampling",
    ) -> ConditionalEffects:
        """Effects by group: one mean per group.

        Parameters
        ----------
        effect : ForwardEffect
        by : column of X, list of columns, or array-like of shape (n_samples,)
            What tells the groups apart.
        output : str, default=None
            One output of several; None takes all.
        weights_type : {"sampling", "frequency", "importance"}, default="sampling"
            What the effect's sample weights are.

        Returns
        -------
        model : ConditionalEffects

        Raises
        ------
        ValueError
            If no row counts, there are fewer than two groups or more than a thousand,
            or labels are missing or not one per row.
        """
        counted = counted_rows(effect, weights_type, output)
        return cls(counted, group_design(effect, by, counted.rows))

    @classmethod
    def from_partition(
        cls,
        tree: Any,
        effect: ForwardEffect,
        *,
        output: str | None = None,
        weights_type: str = "sampling",
    ) -> ConditionalEffects:
        """Effects by subspace of a tree: one cAME per subspace.

        Parameters
        ----------
        tree : EffectTree
            Fitted, on columns such as X's; or another tree with an ``apply`` method.
        effect, output, weights_type
            As in :meth:`from_groups`.

        Returns
        -------
        model : ConditionalEffects

        Notes
        -----
        Intervals take the partition as given. Where the same effects chose it, nominal
        95 % intervals of its leaves cover about half of the time; grow the tree on other
        rows than those it is read on.

        References
        ----------
        Athey, Imbens (2016). Recursive partitioning for heterogeneous causal effects.
        PNAS 113, 7353-7360.
        """
        counted = counted_rows(effect, weights_type, output)
        return cls(counted, partition_design(effect, tree, counted.rows))

    @classmethod
    def from_formula(
        cls,
        formula: str,
        effect: ForwardEffect,
        *,
        output: str | None = None,
        weights_type: str = "sampling",
    ) -> ConditionalEffects:
        """Effects as a function of covariates.

        Parameters
        ----------
        formula : str
            Right-hand side in statsmodels' formula language over the columns of X, such
            as "C(sex) + age"; the effect is the response. Rows with a missing covariate
            are left out.
        effect, output, weights_type
            As in :meth:`from_groups`.

        Returns
        -------
        model : ConditionalEffects

        Raises
        ------
        ValueError
            If the formula names no column of X, or cannot be evaluated.
        """
        counted = counted_rows(effect, weights_type, output)
        return cls(counted, formula_design(formula, effect, counted.rows, depth=2))

    @classmethod
    def mixed(
        cls,
        formula: str,
        effect: ForwardEffect,
        groups: Any,
        *,
        re_formula: str | None = None,
        vc_formula: dict[str, str] | None = None,
        output: str | None = None,
    ) -> MixedConditionalEffects:
        """Effects of repeated measures: fixed effects, and random ones of each subject.

        Parameters
        ----------
        formula : str
            Right-hand side of the fixed effects, such as "cue".
        effect : ForwardEffect
            Without weights, which mixed models do not take.
        groups : column of X, or array-like of shape (n_samples,)
            The subject of each row.
        re_formula : str, default=None
            Random effects of each subject; None is an intercept, "~ cue" adds slopes.
        vc_formula : dict of str -> str, default=None
            Variance components, as in statsmodels' MixedLM.
        output : str, default=None
            The output to model, where the effect has several.

        Returns
        -------
        model : MixedConditionalEffects

        Raises
        ------
        ValueError
            If the effect has weights, or several outputs and `output` names none.
        """
        return MixedConditionalEffects.from_formula(
            formula, effect, groups, re_formula, vc_formula, output, depth=2
        )

    @property
    def nobs(self) -> int:
        """Rows of the regression."""
        return len(self.counted.rows)

    @property
    def exog_names(self) -> list[str]:
        """Names of the design's columns."""
        return self.design.names

    def fit(
        self,
        cov_type: str | None = None,
        cov_kwds: Mapping | None = None,
        use_t: bool = True,
    ) -> ConditionalEffectsResults:
        """Estimate, with standard errors of some kind.

        Parameters
        ----------
        cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster"}, default=None
            None is "nonrobust", for sampling weights "HC1". By groups, "nonrobust" pools
            their SD, and HC2 gives each its own s/√n.
        cov_kwds : dict, default=None
            For "cluster" ``{"groups": …}``: a column of X or one label per row of X; two
            columns, or an array of shape (n_samples, 2), cluster in two ways.
        use_t : bool, default=True
            t distribution rather than normal. Its degrees of freedom are n − k; for
            clusters G − 1; and by groups with a robust covariance those of each group
            alone, n_l − 1 or G_l − 1.

        Returns
        -------
        results : ConditionalEffectsResults

        Raises
        ------
        ValueError
            If `cov_type` is unknown or wrong for the weights, the design is singular,
            or cluster labels are missing, of the wrong length, or all alike.

        References
        ----------
        MacKinnon, White (1985). Some heteroskedasticity-consistent covariance matrix
        estimators with improved finite sample properties. J. Econometrics 29, 305-325.
        Cameron, Miller (2015). A practitioner's guide to cluster-robust inference.
        J. Human Resources 50, 317-372.
        """
        kind = checked_cov_type(cov_type, self.counted.weights)
        clusters = clusters_of(self.counted.effect, kind, cov_kwds, self.counted.rows)
        fit = least_squares(self.design, self.counted.fme, self.counted.weights)
        return ConditionalEffectsResults(self, fit, kind, clusters, use_t)

    def sign_model(self, zeros: str = "exclude") -> SignModel:
        """A logistic model of the sign of the effect, on the same design.

        Parameters
        ----------
        zeros : {"exclude", "outcome"}, default="exclude"
            Effects that are exactly zero, which trees have many of: leave them out, or
            make them an outcome of their own (multinomial, against negative effects).

        Returns
        -------
        model : SignModel
        """
        return SignModel(self.counted, self.design, zeros)

    def __repr__(self) -> str:
        return (
            f"<ConditionalEffects of {self.counted.effect.name!r} {self.design.title}, "
            f"{self.nobs} rows>"
        )


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
        model: ConditionalEffects,
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
        effects = self.model.design.matrix_of(X) @ self._fit.coef
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
        matrix = self.model.design.matrix_of(X)
        known = ~np.isnan(matrix).any(axis=1)
        outputs, k = self.model.counted.outputs, matrix.shape[1]
        index = row_index(as_table(X)) if np.ndim(X) == 2 else None
        frames = []
        for j, output in enumerate(outputs):
            numbers = np.full((len(matrix), 4), np.nan)
            numbers[known] = self._prediction_numbers(matrix[known], j, k, alpha)
            columns = ["estimate", "std_error", "conf_low", "conf_high"]
            frame = pd.DataFrame(numbers, index, columns=columns)
            if len(outputs) > 1:
                frame.insert(0, "output", output)
            frames.append(frame)
        return pd.concat(frames)

    def _prediction_numbers(
        self, matrix: np.ndarray, j: int, k: int, alpha: float
    ) -> np.ndarray:
        # Equal rows have equal predictions, and groups have few rows that differ.
        distinct, which = np.unique(matrix, axis=0, return_inverse=True)
        R = np.zeros((len(distinct), len(self.names)))
        R[:, j * k : (j + 1) * k] = distinct
        test = self.t_test(R)
        numbers = np.column_stack([test.effect, test.sd, test.conf_int(alpha)])
        return numbers[which.ravel()]

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
        return names_of(labels.drop(columns="rule", errors="ignore"))
    if len(counted.outputs) == 1:
        return labels["term"].tolist()
    pairs = zip(labels["term"], labels["output"], strict=True)
    return [f"{term}[{output}]" for term, output in pairs]
