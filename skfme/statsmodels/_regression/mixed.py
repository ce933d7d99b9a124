"""Effects of repeated measures: a linear mixed model over subjects.

e_ij = z_ijᵀγ + u_i + ε_ij, with a random intercept, and slopes where asked for, of each
subject i, by statsmodels' MixedLM. The intraclass correlation σ_u²/(σ_u² + σ_ε²) says how
alike the effects of one subject are, and the design effect 1 + (m − 1) ICC by how much
the variance of their average exceeds that of as many independent rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

from skfme._results.effects import ForwardEffect
from skfme._text.outputs import one_output, outcome_notes
from skfme.statsmodels._inference.results import EffectResults
from skfme.statsmodels._regression.formula_design import (
    EffectFormulaDesign,
    covariates_in,
    formula_design,
)
from skfme.statsmodels._rows.counted import CountedRows, counted_rows
from skfme.statsmodels._rows.groups import complete_labels

__all__ = [
    "MixedConditionalEffects",
    "MixedConditionalEffectsResults",
    "rows_of_mixed_models",
]


@dataclass(repr=False, eq=False)
class MixedConditionalEffects:
    """A linear mixed model of effects.

    Made by :meth:`ConditionalEffects.mixed`.

    Parameters
    ----------
    counted : CountedRows
        Of one output.
    mixedlm : statsmodels MixedLM
    formula : str
    subjects : ndarray of shape (n,)
    """

    counted: CountedRows
    mixedlm: MixedLM
    formula: str
    subjects: np.ndarray

    @classmethod
    def from_formula(
        cls,
        counted: CountedRows,
        formula: str,
        groups: Any,
        re_formula: str | None,
        vc_formula: dict[str, str] | None,
        depth: int,
    ) -> MixedConditionalEffects:
        """See :meth:`ConditionalEffects.mixed`."""
        effect = counted.effect
        formulas = [formula, re_formula or "1", *(vc_formula or {}).values()]
        labels = _subjects(effect, groups, counted.rows, " ".join(formulas))
        counted = counted.take(labels.index.to_numpy())
        codes, subjects = pd.factorize(labels)
        designs = []
        for text in formulas:  # a loop, as a comprehension may be a frame of its own
            designs.append(formula_design(text, effect, counted.rows, depth + 1))
        fixed, random, *components = designs
        model = MixedLM(
            pd.Series(counted.fme[:, 0], name="fme"),
            pd.DataFrame(fixed.exog, columns=fixed.names),
            groups=codes,
            exog_re=pd.DataFrame(random.exog, columns=random.names),
            exog_vc=_components(list(vc_formula or {}), components, codes),
        )
        return cls(counted, model, fixed.formula, np.asarray(subjects)[codes])

    def fit(self, reml: bool = True, **options: Any) -> MixedConditionalEffectsResults:
        """Estimate fixed effects and variances.

        Parameters
        ----------
        reml : bool, default=True
            Restricted maximum likelihood, for variances; False is maximum likelihood,
            for comparing models with other fixed effects.
        **options
            Passed to statsmodels' ``MixedLM.fit``, such as ``method="powell"``.

        Returns
        -------
        results : MixedConditionalEffectsResults

        Warns
        -----
        RuntimeWarning
            If the fit did not converge.
        """
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Maximum Likelihood optimization failed")
            fit = self.mixedlm.fit(reml=reml, **options)
        if not fit.converged:
            warnings.warn(
                "The mixed model did not converge, and its standard errors are not to be "
                "relied on. Take fewer random effects, or another method, such as "
                "fit(method='powell').",
                RuntimeWarning,
                stacklevel=2,
            )
        return MixedConditionalEffectsResults(self, fit)


class MixedConditionalEffectsResults(EffectResults):
    """Fixed effects of a mixed model; speaks the results protocol.

    Attributes
    ----------
    model : MixedConditionalEffects
    mixedlm : statsmodels MixedLMResults
    """

    def __init__(self, model: MixedConditionalEffects, fit: Any) -> None:
        self.model, self.mixedlm = model, fit
        terms = list(model.mixedlm.exog_names)
        k = len(terms)
        sizes = np.unique(model.subjects, return_counts=True)[1]
        counted = model.counted
        effect = counted.effect
        name = f"the effect {effect.full_name}" if effect.step else effect.name
        notes = [
            *(outcome_notes(effect.context, counted.outputs) if effect.step else ()),
            f"{len(sizes)} subjects of {_range(sizes)} rows; "
            f"{fit.method}{'' if fit.converged else ', which did not converge'}.",
            f"Intraclass correlation {self.icc:.4g}; design effect {self.design_effect:.4g}.",
        ]
        super().__init__(
            np.asarray(fit.fe_params),
            np.asarray(fit.cov_params())[:k, :k],
            labels=pd.DataFrame({"effect": model.counted.effect.name, "term": terms}),
            covers="sample" if effect.step else "rows",
            nobs=len(model.subjects),
            title=f"Mixed model of {name} on {model.formula}",
            notes=notes,
            names=terms,
            why_missing="the fit has no covariance for it",
        )

    @property
    def variance_components(self) -> pd.Series:
        """Variances: of random effects of subjects, other components, and residuals."""
        model = self.model.mixedlm
        names = [*model.data.exog_re_names, *model.exog_vc.names]
        values = [*np.diag(np.atleast_2d(self.mixedlm.cov_re)), *self.mixedlm.vcomp]
        return pd.Series([*values, self.mixedlm.scale], [*names, "Residual"])

    @property
    def icc(self) -> float:
        """Share of the random intercept in the variance of effects around the fixed part.

        With random slopes, where these covariates are zero.
        """
        intercept = float(np.atleast_2d(self.mixedlm.cov_re)[0, 0])
        residual = float(np.sum(self.mixedlm.vcomp)) + float(self.mixedlm.scale)
        total = intercept + residual
        return intercept / total if total > 0 else float("nan")

    @property
    def design_effect(self) -> float:
        """1 + (m − 1) ICC, m the subjects' mean number of rows, weighted by it."""
        sizes = np.unique(self.model.subjects, return_counts=True)[1]
        return 1 + (float(np.sum(sizes**2) / np.sum(sizes)) - 1) * self.icc

    @property
    def random_effects(self) -> pd.DataFrame:
        """Predicted random effects, one row per subject."""
        names = dict(zip(self.model.mixedlm.groups, self.model.subjects, strict=True))
        effects = pd.DataFrame(self.mixedlm.random_effects).T
        return effects.rename(index=names).rename_axis("subject")


def rows_of_mixed_models(effect: ForwardEffect, output: str | None) -> CountedRows:
    """The rows that count, of one output and without weights."""
    counted = counted_rows(effect, "importance", output)
    effect.refuse_of_means("ConditionalEffects.mixed")
    one_output(counted.outputs, None, "a mixed model")
    if np.ptp(counted.weights.whole()) > 0:
        raise ValueError(
            "A mixed model takes no weights, and the effect has sample_weight. Explain "
            "the rows without weights, or take from_formula() with clusters."
        )
    return counted


def _subjects(
    effect: ForwardEffect, groups: Any, rows: np.ndarray, formulas: str
) -> pd.Series:
    """Subjects of the rows without a missing covariate, indexed by these rows."""
    labels = complete_labels(effect.table, groups, rows, "groups")
    if labels.shape[1] > 1:
        raise ValueError(
            f"groups has {labels.shape[1]} columns; a mixed model has one grouping "
            "factor. Several are a mapping, such as groups={'subject': …, 'article': …}."
        )
    covariates = covariates_in(formulas, effect.table.take(rows))
    subjects = labels.iloc[:, 0][covariates.notna().all(axis=1).to_numpy()]
    if not len(subjects):
        raise ValueError(
            f"Each of the {len(rows)} rows that count lacks a covariate of the formulas."
        )
    if subjects.nunique() < 2:
        raise ValueError(
            "groups has 1 subject among the rows that count; at least two are expected."
        )
    if subjects.is_unique:
        raise ValueError(
            "groups gives every row a subject of its own, so that a subject's variance "
            "cannot be told from the residual's; repeated measures are expected."
        )
    return subjects


def _components(
    names: list[str], designs: Sequence[EffectFormulaDesign], codes: np.ndarray
) -> VCSpec | None:
    """Variance components as statsmodels takes them: a matrix for each subject."""
    if not names:
        return None
    columns: list[list[list[str]]] = [[] for _ in names]
    matrices: list[list[np.ndarray]] = [[] for _ in names]
    for subject in np.unique(codes):
        rows = np.flatnonzero(codes == subject)
        for i, design in enumerate(designs):
            exog = design.exog[rows]
            used = np.flatnonzero(exog.any(axis=0))
            matrices[i].append(exog[:, used])
            columns[i].append([design.names[j] for j in used])
    return VCSpec(names, columns, matrices)


def _range(sizes: np.ndarray) -> str:
    low, high = sizes.min(), sizes.max()
    return str(low) if low == high else f"{low} to {high}"
