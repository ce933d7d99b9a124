"""Analysis of variance of effects: sums of squares by term, η² and ω², and Welch's test.

A term is tested by what its coefficients γ₂ would be without the terms γ₃ that it is not
adjusted for: γ̂₂ less its regression on γ̂₃ in their joint distribution,

    d = γ̂₂ − V₂₃ V₃₃⁻¹ γ̂₃,   Var(d) = V₂₂ − V₂₃ V₃₃⁻¹ V₃₂.

γ₃ are the terms after it (type 1), those that contain it (type 2) or none (type 3). With
V = (XᵀWX)⁻¹, dᵀ Var(d)⁻¹ d is the fall of the residual sum of squares; with the fit's own
covariance, robust or not, it is the Wald statistic of the F test. Welch's test compares
groups whatever their SDs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.oneway import anova_generic

from skfme.statsmodels._inference.contrasts import combined, units_of, wald_statistic
from skfme.statsmodels._regression.designs import CellDesign, EffectDesign
from skfme.statsmodels._regression.formula_design import EffectFormulaDesign, Term
from skfme.statsmodels._regression.least_squares import LeastSquares

__all__ = ["anova_table", "welch_test"]


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
    terms, coef = _hypotheses(fit.design, typ), fit.coef[:, output]
    squares = [wald_statistic(*_adjusted(coef, fit.bread, *t))[0] for _, *t in terms]
    df = np.array([len(combinations) for _, combinations, _ in terms])
    names = [name for name, *_ in terms]
    table = pd.DataFrame({"df": df, "sum_sq": np.array(squares)}, names)
    error = fit.ssr[output] / fit.df_resid
    total = fit.sst[output] if fit.sst[output] > 0 else np.nan
    table["mean_sq"] = table["sum_sq"] / table["df"]
    table["F"] = np.nan
    if np.diag(cov).any():
        table["F"] = [_wald(coef, cov, *term) for term in terms] / table["df"]
    table["PR(>F)"] = stats.f.sf(table["F"], table["df"], df_denom)
    table["eta_sq"] = table["sum_sq"] / total
    table["omega_sq"] = (table["sum_sq"] - table["df"] * error) / (total + error)
    residual = {"df": fit.df_resid, "sum_sq": fit.ssr[output], "mean_sq": error}
    return pd.concat([table, pd.DataFrame(residual, ["Residual"])])


def welch_test(fit: LeastSquares, names: list[str]) -> Any:
    """Welch's test of equal means of one output's groups, by statsmodels.

    Raises
    ------
    ValueError
        If there are no groups, weights that are no counts, or a group without spread.
    """
    design, weights = fit.design, fit.weights
    if not isinstance(design, CellDesign):
        raise ValueError(
            "Welch's test compares groups; for a formula take wald_test() with a "
            "robust covariance."
        )
    if weights.given and not weights.counting:
        raise ValueError(
            f"Welch's test takes no {weights.kind} weights; take anova() after "
            "fit(cov_type='HC3')."
        )
    n = design.totals(weights.array)
    squares = design.totals(weights.times(fit.resid[:, 0] ** 2))
    variances = np.divide(squares, n - 1, out=np.zeros(len(n)), where=n > 1)
    still = [repr(names[i]) for i in np.flatnonzero(variances == 0)]
    if still:
        raise ValueError(
            "Welch's test needs a variance in each group, and there is none in "
            f"{', '.join(still[:5])}."
        )
    return anova_generic(fit.coef[:, 0], variances, n, use_var="unequal")


def _hypotheses(
    design: EffectDesign, typ: int
) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Name of each term, its own combinations of coefficients, and later columns."""
    k = design.shape[1]
    if isinstance(design, CellDesign):
        equal = np.hstack([-np.ones((k - 1, 1)), np.eye(k - 1)])
        return [(design.title.removeprefix("by "), equal, np.array([], dtype=int))]
    assert isinstance(design, EffectFormulaDesign)
    return [
        (term.name, np.eye(k)[term.columns], _later(term, design.terms, typ))
        for term in design.terms
    ]


def _later(term: Term, terms: Sequence[Term], typ: int) -> np.ndarray:
    """Columns that the term is not adjusted for."""
    later: Sequence[Term] = []
    if typ == 1:
        later = terms[[t.name for t in terms].index(term.name) + 1 :]
    elif typ == 2:
        later = [t for t in terms if t.factors > term.factors]
    return np.concatenate([np.array([], dtype=int), *(t.columns for t in later)])


def _adjusted(
    coef: np.ndarray, cov: np.ndarray, L: np.ndarray, later: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Combinations less their regression on the later coefficients; their covariance."""
    distance, variance = L @ coef, combined(L, combined(L, cov.T).T)
    if not len(later):
        return distance, variance
    between = combined(L, cov[:, later])
    # In units of standard errors; with few clusters the covariance is singular.
    among = cov[np.ix_(later, later)]
    units = np.outer(units_of(among), units_of(among))
    inverse = np.linalg.pinv(among / units, hermitian=True) / units
    slopes = between @ inverse
    return distance - slopes @ coef[later], variance - slopes @ between.T


def _wald(
    coef: np.ndarray, cov: np.ndarray, term: str, L: np.ndarray, later: np.ndarray
) -> float:
    """Wald statistic of a term, under the covariance of the fit."""
    involved = np.union1d(np.flatnonzero(L.any(axis=0)), later)
    if np.isnan(cov[np.ix_(involved, involved)]).any():
        raise ValueError(
            f"The term {term!r} has estimates without a standard error, as single rows or "
            "clusters determine them, so that there is no F test of it. Fit with "
            "cov_type='nonrobust', or with other clusters or groups."
        )
    try:
        return wald_statistic(*_adjusted(coef, cov, L, later))[0]
    except ValueError:
        raise ValueError(
            f"There is no F test of the term {term!r}, as the covariance of the "
            "coefficients is singular: there are no more clusters than coefficients. Take "
            "typ=3, fewer terms, or cov_type='nonrobust'."
        ) from None
