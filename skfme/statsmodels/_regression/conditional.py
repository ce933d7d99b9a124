"""Regressions of effects: how FMEs differ between groups and with covariates.

FME_i = z_iᵀ γ + e_i by weighted least squares. With one column per group the
coefficients are cAMEs; with a formula they say how the effect moves. Here is the model;
designs, least squares, covariances and results have files of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, overload

from skfme._frames.hints import shown
from skfme._results.effects import ForwardEffect
from skfme.statsmodels._regression.conditional_results import ConditionalEffectsResults
from skfme.statsmodels._regression.crossed import CrossedConditionalEffects
from skfme.statsmodels._regression.designs import (
    EffectDesign,
    group_design,
    partition_design,
)
from skfme.statsmodels._regression.formula_design import formula_design
from skfme.statsmodels._regression.least_squares import least_squares
from skfme.statsmodels._regression.mixed import (
    MixedConditionalEffects,
    rows_of_mixed_models,
)
from skfme.statsmodels._regression.responses import response_of_rows
from skfme.statsmodels._rows.clusters import checked_cov_type, clusters_of
from skfme.statsmodels._rows.counted import CountedRows, counted_rows

__all__ = ["ConditionalEffects"]


class ConditionalEffects:
    """A regression of effects on groups, a partition, or covariates.

    Made by :meth:`from_groups`, :meth:`from_tree` and :meth:`from_formula`, each
    over the rows that count; :meth:`mixed` is for repeated measures.

    Parameters
    ----------
    counted : CountedRows
    design : EffectDesign

    Notes
    -----
    What the weights of the effect are is said by `weights_type`; "auto" is what the
    explainer was told, else "sampling". All give the same estimates; standard errors
    differ.

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
    {'age +1 | sex=f': 104.4, 'age +1 | sex=m': 207.7}
    """

    def __init__(self, counted: CountedRows, design: EffectDesign) -> None:
        if not isinstance(counted, CountedRows):
            raise TypeError(
                "ConditionalEffects is made by from_formula(effect, formula), "
                "from_groups(effect, by), from_tree(effect, tree), from_response(y, X, "
                f"formula) or mixed(effect, formula, groups); got {shown(counted)}."
            )
        self.counted = counted.take(design.rows)
        self.design = design

    @classmethod
    def from_groups(
        cls,
        effect: ForwardEffect,
        by: Any,
        *,
        output: str | None = None,
        weights_type: str = "auto",
    ) -> ConditionalEffects:
        """Effects by group: one mean per group.

        Parameters
        ----------
        effect : ForwardEffect
        by : column of X, list of columns, or array-like of shape (n_samples,) or \
                (n_samples, n_keys)
            The groups.
        output : str, default=None
            One output of several; None takes all.
        weights_type : {"auto", "sampling", "frequency", "importance"}, default="auto"
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
        effect.refuse_of_means("ConditionalEffects")
        return cls(counted, group_design(effect, by, counted.rows))

    @classmethod
    def from_tree(
        cls,
        effect: ForwardEffect,
        tree: Any,
        *,
        output: str | None = None,
        weights_type: str = "auto",
    ) -> ConditionalEffects:
        """Effects by subspace of a tree: one cAME per subspace.

        Parameters
        ----------
        effect : ForwardEffect
        tree : EffectTree
            Fitted, on columns such as X's; or another tree with an ``apply`` method.
        output, weights_type
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
        effect.refuse_of_means("ConditionalEffects")
        return cls(counted, partition_design(effect, tree, counted.rows))

    @classmethod
    def from_formula(
        cls,
        effect: ForwardEffect,
        formula: str,
        *,
        output: str | None = None,
        weights_type: str = "auto",
    ) -> ConditionalEffects:
        """Effects as a function of covariates.

        Parameters
        ----------
        effect : ForwardEffect
        formula : str
            Right-hand side in statsmodels' formula language over the columns of X, such
            as "C(sex) + age"; the effect is the response. Rows with a missing covariate
            are left out.
        output, weights_type
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
        effect.refuse_of_means("ConditionalEffects")
        return cls(counted, formula_design(formula, effect, counted.rows, depth=2))

    @classmethod
    def from_response(
        cls,
        y: Any,
        table: Any,
        formula: str,
        *,
        sample_weight: Any = None,
        weights_type: str = "auto",
    ) -> ConditionalEffects:
        """Any number of each row, such as an error or a loss, as a function of covariates.

        Parameters
        ----------
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            NaN where a row has none; a name of its own is kept.
        table : array-like or dataframe of shape (n_samples, n_features)
        formula : str
            Right-hand side over the table's columns, as in :meth:`from_formula`.
        sample_weight : column of the table, or array-like of shape (n_samples,), \
                default=None
        weights_type : {"auto", "sampling", "frequency", "importance"}, default="auto"
            What the weights are.

        Returns
        -------
        model : ConditionalEffects

        Raises
        ------
        ValueError
            If `y` has not one number for each row, or the formula cannot be evaluated.

        Examples
        --------
        >>> import pandas as pd
        >>> from skfme.statsmodels import ConditionalEffects
        >>> table = pd.DataFrame({"model": list("aabb"), "item": [1, 2, 1, 2]})
        >>> loss = pd.Series([0.5, 0.7, 0.1, 0.3], name="loss")
        >>> model = ConditionalEffects.from_response(loss, table, "C(model)")
        >>> model.fit(cov_type="cluster", cov_kwds={"groups": "item"}).params.round(2).tolist()
        [0.6, -0.4]
        """
        effect = response_of_rows(y, table, sample_weight)
        counted = counted_rows(effect, weights_type)
        effect.refuse_of_means("ConditionalEffects")
        return cls(counted, formula_design(formula, effect, counted.rows, depth=2))

    @overload
    @classmethod
    def mixed(
        cls,
        effect: Any,
        formula: str,
        *,
        groups: Mapping[str, Any],
        re_formula: str | None = None,
        vc_formula: dict[str, str] | None = None,
        output: str | None = None,
        table: Any = None,
    ) -> MixedConditionalEffects | CrossedConditionalEffects: ...

    @overload
    @classmethod
    def mixed(
        cls,
        effect: Any,
        formula: str,
        *,
        groups: Any,
        re_formula: str | None = None,
        vc_formula: dict[str, str] | None = None,
        output: str | None = None,
        table: Any = None,
    ) -> MixedConditionalEffects: ...

    @classmethod
    def mixed(
        cls,
        effect: Any,
        formula: str,
        *,
        groups: Any,
        re_formula: str | None = None,
        vc_formula: dict[str, str] | None = None,
        output: str | None = None,
        table: Any = None,
    ) -> MixedConditionalEffects | CrossedConditionalEffects:
        """Effects of repeated measures: fixed effects, and random ones of each subject.

        Parameters
        ----------
        effect : ForwardEffect, or array-like of shape (n_samples,)
            Without weights, which mixed models do not take. With `table`, any number of
            each row, as in :meth:`from_response`.
        formula : str
            Right-hand side of the fixed effects, such as "cue".
        groups : column of X, array-like of shape (n_samples,), or mapping of names to them
            The subject of each row. A mapping of several, such as ``{"subject": "s",
            "article": "a"}``, has random intercepts of each, crossed or nested.
        re_formula : str, default=None
            Random effects of each subject; None is an intercept, "~ cue" adds slopes. For
            one grouping.
        vc_formula : dict of str -> str, default=None
            Variance components, as in statsmodels' MixedLM; with several groupings slopes
            are such, as in ``{"slope": "0 + C(s):cue"}``.
        output : str, default=None
            The output to model, where the effect has several.
        table : array-like or dataframe of shape (n_samples, n_features), default=None
            The rows of numbers that are no effects.

        Returns
        -------
        model : MixedConditionalEffects or CrossedConditionalEffects
            The latter for several groupings.

        Raises
        ------
        ValueError
            If the effect has weights, or several outputs and `output` names none, or the
            groups cannot be told apart.

        References
        ----------
        Baayen, Davidson, Bates (2008). Mixed-effects modeling with crossed random effects
        for subjects and items. J. Memory and Language 59, 390-412.
        """
        effect = effect if table is None else response_of_rows(effect, table, None)
        counted = rows_of_mixed_models(effect, output)
        if not isinstance(groups, Mapping) or len(groups) == 1:
            one = next(iter(groups.values())) if isinstance(groups, Mapping) else groups
            return MixedConditionalEffects.from_formula(
                counted, formula, one, re_formula, vc_formula, depth=2
            )
        if not groups or re_formula is not None:
            raise ValueError(
                "With several groupings slopes are variance components, as in vc_formula="
                "{'slope': '0 + C(subject):cue'}; re_formula is for one."
                if groups
                else "groups is empty; give {'subject': …, 'article': …}, for example."
            )
        return CrossedConditionalEffects.from_formula(
            counted, formula, groups, vc_formula, depth=2
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
        *,
        use_t: bool = True,
    ) -> ConditionalEffectsResults:
        """Estimate, with standard errors of some kind.

        Parameters
        ----------
        cov_type : {"nonrobust", "HC0", "HC1", "HC2", "HC3", "cluster", "CR3"}, default=None
            None is "nonrobust", for sampling weights "HC1". By groups, "nonrobust" pools
            their SD, and HC2 gives each its own s/√n.
        cov_kwds : dict, default=None
            For "cluster" and "CR3", which leaves out one cluster at a time and suits few
            ones, ``{"groups": …}``: a column of X or one label per row of X; two
            columns, or an array of shape (n_samples, 2), cluster in two ways.
        use_t : bool, default=True
            Take the t distribution rather than the normal. Its degrees of freedom are
            n − k; for clusters G − 1; and by groups with a robust covariance those of
            each group alone, n_l − 1 or G_l − 1.

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
        Bell, McCaffrey (2002). Bias reduction in standard errors for linear regression
        with multi-stage samples. Survey Methodology 28, 169-181.
        MacKinnon, White (1985). Some heteroskedasticity-consistent covariance matrix
        estimators with improved finite sample properties. J. Econometrics 29, 305-325.
        Cameron, Miller (2015). A practitioner's guide to cluster-robust inference.
        J. Human Resources 50, 317-372.
        """
        counted, weights = self.counted, self.counted.weights
        kind = checked_cov_type(cov_type, weights)
        clusters = clusters_of(counted.effect.table, kind, cov_kwds, counted.rows)
        fit = least_squares(self.design, counted.fme, weights)
        return ConditionalEffectsResults(self, fit, kind, clusters, use_t)

    def __repr__(self) -> str:
        return (
            f"<ConditionalEffects of {self.counted.effect.full_name!r} {self.design.title}, "
            f"{self.nobs} rows>"
        )
