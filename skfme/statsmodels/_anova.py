"""Analysis of variance of effects: sums of squares by term, η² and ω².

Each type of sums of squares tests one linear hypothesis Lγ = 0 per term. With X₁ the
columns the term is adjusted for, X₂ its own and X₃ the rest, the coefficients of X₂ in
the model without X₃ are

    Lγ̂ = γ̂₂ + (X₂ᵀM₁X₂)⁻¹ X₂ᵀM₁X₃ γ̂₃,   M₁ = W − W X₁ (X₁ᵀWX₁)⁻¹ X₁ᵀW.

X₁ are the terms before (type 1), all terms that do not contain it (type 2) or all other
terms (type 3). The sum of squares is (Lγ̂)ᵀ (L (XᵀWX)⁻¹ Lᵀ)⁻¹ Lγ̂; the F test takes the
fit's own covariance of γ̂, robust or not.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from skfme.statsmodels._contrasts import wald_statistic
from skfme.statsmodels._effect_designs import CellDesign, Design, FormulaDesign, Term
from skfme.statsmodels._least_squares import LeastSquares

__all__ = ["anova_table"]


def anova_table(
    fit: LeastSquares, output: int, cov: np.ndarray, df_denom: float, typ: int
) -> pd.DataFrame:
    """Sums of squares, tests and effect sizes of each term.

    Parameters
    ----------
    fit : LeastSquares
    output : int
        Which output.
    cov : ndarray of shape (k, k)
        Covariance of its coefficients.
    df_denom : float
        Denominator degrees of freedom of the F tests.
    typ : {1, 2, 3}

    Returns
    -------
    table : DataFrame
        Columns ``df``, ``sum_sq``, ``mean_sq``, ``F``, ``PR(>F)``, ``eta_sq``,
        ``omega_sq``; one row per term, then the residuals.
    """
    coef, total = fit.coef[:, output], fit.sst[output]
    residual = fit.ssr[output]
    error = residual / fit.df_resid
    records = {}
    for name, L in _hypotheses(fit.design, fit.root.T @ fit.root, typ):
        distance = L @ coef
        df = len(L)
        # As a quadratic form in units of the error: no spread is no obstacle here.
        square = distance @ np.linalg.solve(L @ fit.bread @ L.T, distance)
        F = np.nan
        if np.diag(cov).any():
            F = wald_statistic(distance, L @ cov @ L.T)[0] / df
        records[name] = {
            "df": df,
            "sum_sq": square,
            "mean_sq": square / df,
            "F": F,
            "PR(>F)": stats.f.sf(F, df, df_denom),
            "eta_sq": square / total if total > 0 else np.nan,
            "omega_sq": (square - df * error) / (total + error)
            if total > 0
            else np.nan,
        }
    records["Residual"] = {
        "df": fit.df_resid,
        "sum_sq": residual,
        "mean_sq": error,
    }
    return pd.DataFrame.from_dict(records, orient="index")


def _hypotheses(
    design: Design, cross: np.ndarray, typ: int
) -> list[tuple[str, np.ndarray]]:
    """Name and L of each term; `cross` is XᵀWX."""
    if isinstance(design, CellDesign):
        k = len(design.keys)
        equal = np.hstack([-np.ones((k - 1, 1)), np.eye(k - 1)])
        return [(design.title.removeprefix("by "), equal)]
    assert isinstance(design, FormulaDesign)
    terms = design.terms
    return [
        (term.name, _hypothesis(term, _later(term, terms, typ), cross))
        for term in terms
    ]


def _later(term: Term, terms: Sequence[Term], typ: int) -> np.ndarray:
    """Columns that the term is not adjusted for."""
    if typ == 1:
        others = terms[[t.name for t in terms].index(term.name) + 1 :]
    elif typ == 2:
        others = [t for t in terms if t.factors > term.factors]
    else:
        others = []
    return np.concatenate([np.array([], dtype=int), *(t.columns for t in others)])


def _hypothesis(term: Term, later: np.ndarray, cross: np.ndarray) -> np.ndarray:
    k, own = len(cross), term.columns
    before = np.setdiff1d(np.arange(k), np.concatenate([own, later]))
    L = np.zeros((len(own), k))
    L[np.arange(len(own)), own] = 1.0
    if len(later):
        # Cross products of what is left after the columns before.
        left = cross[own] - cross[np.ix_(own, before)] @ np.linalg.solve(
            cross[np.ix_(before, before)], cross[before]
        )
        L[:, later] = np.linalg.solve(left[:, own], left[:, later])
    return L
