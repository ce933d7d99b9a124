"""Crossed random effects: rows that share a subject, and rows that share an article.

y_ij = x_ijᵀb + s_i + a_j + … + ε_ij, by restricted maximum likelihood. A coefficient is
known as well as the grouping that its column belongs to allows: the cue of an article
has as many observations as there are articles. Its degrees of freedom are the smallest,
over the random effects whose columns span it, of their number less that of all
coefficients that they span; of one that none spans, n less the rank of all columns.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from skfme._text.outputs import outcome_notes
from skfme.statsmodels._inference.contrasts import units_of
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._regression.crossed_reml import VarianceComponents, crossed_reml
from skfme.statsmodels._regression.formula_design import (
    EffectFormulaDesign,
    covariates_in,
    formula_design,
)
from skfme.statsmodels._regression.least_squares import LeastSquares, least_squares
from skfme.statsmodels._rows.counted import CountedRows
from skfme.statsmodels._rows.groups import complete_labels

__all__ = ["CrossedConditionalEffects", "CrossedConditionalEffectsResults"]

SPANNED = 1e-9  # share of a column that may be left outside what spans it


@dataclass(frozen=True, eq=False)
class Component:
    """Random effects of one kind.

    Attributes
    ----------
    names : list
        Of q effects: the levels of a grouping, or the columns of a formula.
    loadings : sparse matrix of shape (n, q)
    """

    names: list
    loadings: Any

    def spans(self, exog: np.ndarray) -> tuple[np.ndarray, int]:
        """Which columns are combinations of the loadings, and the loadings' rank."""
        Z = self.loadings
        values, vectors = np.linalg.eigh((Z.T @ Z).toarray())
        used = values > SPANNED * values[-1]
        sums = vectors[:, used].T @ (Z.T @ exog)
        within = np.sum(sums**2 / values[used, None], axis=0)
        return within >= (1 - SPANNED) * np.sum(exog**2, axis=0), int(used.sum())


@dataclass(repr=False, eq=False)
class CrossedConditionalEffects:
    """A linear mixed model of effects, or of responses, with several groupings.

    Made by :meth:`ConditionalEffects.mixed`.

    Parameters
    ----------
    counted : CountedRows
        Of one output.
    design : EffectFormulaDesign
        Of the fixed effects.
    groupings : dict of str -> Component
        Random intercepts.
    slopes : dict of str -> Component
        Other variance components.
    """

    counted: CountedRows
    design: EffectFormulaDesign
    groupings: dict[str, Component]
    slopes: dict[str, Component]

    @classmethod
    def from_formula(
        cls,
        counted: CountedRows,
        formula: str,
        groups: Mapping[str, Any],
        vc_formula: dict[str, str] | None,
        depth: int,
    ) -> CrossedConditionalEffects:
        """See :meth:`ConditionalEffects.mixed`."""
        effect, rows = counted.effect, counted.rows
        labels = {
            name: complete_labels(effect.table, by, rows, f"groups[{name!r}]")
            for name, by in groups.items()
        }
        texts = " ".join([formula, *(vc_formula or {}).values()])
        covariates = covariates_in(texts, effect.table.take(rows))
        rows = rows[covariates.notna().all(axis=1).to_numpy()]
        design = formula_design(formula, effect, rows, depth + 1)
        slopes = {}
        for name, text in (vc_formula or {}).items():
            columns = formula_design(text, effect, design.rows, depth + 1)
            slopes[name] = Component(columns.names, sparse.csr_array(columns.exog))
        groupings = {
            name: _grouping(name, frame.loc[design.rows])
            for name, frame in labels.items()
        }
        _refuse_equal(groupings)
        return cls(counted.take(design.rows), design, groupings, slopes)

    def fit(self, *, max_iter: int = 200) -> CrossedConditionalEffectsResults:
        """Estimate fixed effects and variances by restricted maximum likelihood.

        Parameters
        ----------
        max_iter : int, default=200

        Returns
        -------
        results : CrossedConditionalEffectsResults

        Raises
        ------
        ValueError
            If the design is singular, or a grouping has no more levels than there are
            coefficients of terms that are constant within them.

        Warns
        -----
        RuntimeWarning
            If the fit did not converge.
        """
        ols = least_squares(self.design, self.counted.fme, self.counted.weights)
        df = self._degrees_of_freedom()
        exog = self.design.exog @ ols.inverse_root
        loadings = [part.loadings for part in self.components.values()]
        fit = crossed_reml(exog, ols.resid[:, 0], loadings, max_iter)
        if not fit.converged:
            warnings.warn(
                "The crossed model did not converge, and its standard errors are not to be "
                "relied on. Take fewer random effects, or a larger max_iter.",
                RuntimeWarning,
                stacklevel=2,
            )
        return CrossedConditionalEffectsResults(self, ols, fit, df)

    @property
    def components(self) -> dict[str, Component]:
        """All random effects, intercepts first."""
        return self.groupings | self.slopes

    def _degrees_of_freedom(self) -> np.ndarray:
        """Of each coefficient, by the random effects that span its column."""
        exog = self.design.exog
        Z = sparse.hstack([c.loadings for c in self.components.values()], format="csr")
        products = np.block(
            [[exog.T @ exog, (Z.T @ exog).T], [Z.T @ exog, (Z.T @ Z).toarray()]]
        )
        lengths = units_of(products)
        products /= np.outer(lengths, lengths)
        rank = np.linalg.matrix_rank(products, SPANNED, hermitian=True)
        df = np.full(exog.shape[1], max(len(exog) - float(rank), 1.0))
        for name, component in self.components.items():
            spanned, number = component.spans(exog)
            left = number - int(spanned.sum())
            if left < 1 and spanned.any():
                raise ValueError(
                    f"{name!r} has {number} levels, and {spanned.sum()} coefficients of "
                    "the formula are constant within them, so that their errors cannot be "
                    "estimated. Take fewer such terms."
                )
            df[spanned] = np.minimum(df[spanned], left)
        return df


class CrossedConditionalEffectsResults(EffectResults):
    """Fixed effects of a crossed model; speaks the results protocol.

    Attributes
    ----------
    model : CrossedConditionalEffects
    converged : bool
    variance_components : Series
        Variances of each grouping, of other components, and of residuals.
    random_effects : dict of str -> Series
        Predicted effects of the levels of each grouping.
    """

    def __init__(
        self,
        model: CrossedConditionalEffects,
        ols: LeastSquares,
        fit: VarianceComponents,
        df: np.ndarray,
    ) -> None:
        self.model, self.converged = model, fit.converged
        parts = model.components
        self.variance_components = pd.Series(
            [*fit.variances, fit.scale], [*parts, "Residual"], name="variance"
        )
        self.random_effects = {
            name: pd.Series(effects, part.names, name=name)
            for (name, part), effects in zip(parts.items(), fit.effects, strict=True)
        }
        effect, terms = model.counted.effect, model.design.names
        name = f"the effect {effect.full_name}" if effect.step else effect.name
        super().__init__(
            ols.coef[:, 0] + ols.inverse_root @ fit.coef,
            ols.inverse_root @ fit.cov @ ols.inverse_root.T,
            labels=pd.DataFrame({"effect": effect.name, "term": terms}),
            df=df,
            covers="sample" if effect.step else "rows",
            nobs=len(model.counted.rows),
            title=f"Crossed mixed model of {name} {model.design.title}",
            notes=self._described(),
            names=terms,
        )

    def _described(self) -> list[str]:
        model, effect = self.model, self.model.counted.effect
        notes = outcome_notes(effect.context, effect.outputs) if effect.step else []
        levels = [f"{len(part.names)} {name}" for name, part in model.groupings.items()]
        ending = "" if self.converged else ", which did not converge"
        notes.append(
            f"Levels of random effects: {', '.join(levels)}; by restricted maximum "
            f"likelihood{ending}. Intervals hold for other levels, too."
        )
        deviations = self.variance_components.pow(0.5)
        shown = (f"{name} {sd:.4g}" for name, sd in deviations.items())
        notes.append(f"Standard deviations: {', '.join(shown)}.")
        zero = [name for name, sd in deviations.items() if sd == 0]
        if zero:
            notes.append(
                f"The variance of {', '.join(map(str, zero))} is estimated as zero: the "
                "data show none beyond the residuals'. Degrees of freedom still count it."
            )
        return [*notes, *model.design.notes]


def _grouping(name: str, labels: pd.DataFrame) -> Component:
    """Random intercepts of the levels of one grouping."""
    if labels.shape[1] > 1:
        raise ValueError(
            f"groups[{name!r}] has {labels.shape[1]} columns; each grouping is one column, "
            "or one label per row."
        )
    codes, levels = pd.factorize(labels.iloc[:, 0], sort=True)
    n, q = len(codes), len(levels)
    if q < 2:
        raise ValueError(
            f"groups[{name!r}] has {q} level among the rows that count; at least two are "
            "expected."
        )
    if q == n:
        raise ValueError(
            f"groups[{name!r}] gives every row a level of its own, so that its variance "
            "cannot be told from the residual's. Leave it out."
        )
    ones = sparse.csr_array((np.ones(n), (np.arange(n), codes)), shape=(n, q))
    return Component(list(levels), ones)


def _refuse_equal(groupings: dict[str, Component]) -> None:
    """Refuse two groupings of the same rows, whose variances cannot be told apart."""
    seen: list[tuple[str, Component]] = []
    for name, grouping in groupings.items():
        for other, before in seen:
            both = (grouping.loadings.T @ before.loadings).nnz
            if both == len(grouping.names) == len(before.names):
                raise ValueError(
                    f"groups {other!r} and {name!r} group the rows alike, so that their "
                    "variances cannot be told apart. Leave one out."
                )
        seen.append((name, grouping))
