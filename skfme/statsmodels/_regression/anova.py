"""Analysis of variance of effects: sums of squares by term, η² and ω².

A term is tested by what its coefficients γ₂ would be without the terms γ₃ that it is not
adjusted for: γ̂₂ less its regression on γ̂₃ in their joint distribution,

    d = γ̂₂ − V₂₃ V₃₃⁻¹ γ̂₃,   Var(d) = V₂₂ − V₂₃ V₃₃⁻¹ V₃₂.

γ₃ are the terms after it (type 1), those that contain it (type 2) or none (type 3). With
V = (XᵀWX)⁻¹, dᵀ Var(d)⁻¹ d is the fall of the residual sum of squares; with the fit's own
covariance, robust or not, it is the Wald statistic of the F test.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from skfme.statsmodels._inference.contrasts import combined, roots, wald_statistic
from skfme.statsmodels._regression.designs import CellDesign, Design
from skfme.statsmodels._regression.formula_design import FormulaDesign, Term
from skfme.statsmodels._regression.least_squares import LeastSquares

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
    for name, L, later in _hypotheses(fit.design, typ):
        df = len(L)
        square = wald_statistic(*_adjusted(coef, fit.bread, L, later))[0]
        F = np.nan
        if np.diag(cov).any():
            _refuse_unknown(cov, L, later, name)
            F = _tested(name, *_adjusted(coef, cov, L, later)) / df
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


def _hypotheses(design: Design, typ: int) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name of each term, its own combinations of coefficients, and later columns."""
    k = design.shape[1]
    if isinstance(design, CellDesign):
        equal = np.hstack([-np.ones((k - 1, 1)), np.eye(k - 1)])
        return [(design.title.removeprefix("by "), equal, np.array([], dtype=int))]
    assert isinstance(design, FormulaDesign)
    return [
        (term.name, np.eye(k)[term.columns], _later(term, design.terms, typ))
        for term in design.terms
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


def _adjusted(
    coef: np.ndarray, cov: np.ndarray, L: np.ndarray, later: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Combinations less their regression on the later coefficients; their covariance."""
    distance, own = L @ coef, combined(L, combined(L, cov.T).T)
    if not len(later):
        return distance, own
    between = combined(L, cov[:, later])
    # In units of standard errors; with few clusters the covariance is singular.
    scale = roots(np.diag(cov)[later])
    scale = np.where(scale > 0, scale, 1.0)
    inverse = np.linalg.pinv(
        cov[np.ix_(later, later)] / np.outer(scale, scale), hermitian=True
    )
    slopes = between @ (inverse / np.outer(scale, scale))
    return distance - slopes @ coef[later], own - slopes @ between.T


def _tested(term: str, distance: np.ndarray, cov: np.ndarray) -> float:
    try:
        return wald_statistic(distance, cov)[0]
    except ValueError:
        raise ValueError(
            f"There is no F test of the term {term!r}, as the covariance of the "
            "coefficients is singular: there are no more clusters than coefficients. Take "
            "typ=3, fewer terms, or cov_type='nonrobust'."
        ) from None


def _refuse_unknown(
    cov: np.ndarray, L: np.ndarray, later: np.ndarray, term: str
) -> None:
    used = np.union1d(np.flatnonzero(L.any(axis=0)), later)
    if np.isnan(cov[np.ix_(used, used)]).any():
        raise ValueError(
            f"The term {term!r} has estimates without a standard error, as single rows or "
            "clusters determine them, so that there is no F test of it. Fit with "
            "cov_type='nonrobust', or with other clusters or groups."
        )
