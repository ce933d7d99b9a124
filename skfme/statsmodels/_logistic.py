"""Logistic fits: by maximum likelihood, by Firth's penalty, and of several outcomes.

Maximum likelihood is statsmodels'. Where signs are separated, which trees make common,
it has no maximum; the penalty of Firth (1993) adds hᵢ(½ − pᵢ) xᵢ to the score, hᵢ the
leverage of row i, and gives finite estimates: log((s + ½)/(f + ½)) for s positive and f
negative effects of a group.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, special
from statsmodels.discrete.discrete_model import MNLogit
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM

__all__ = ["LogisticFit", "firth", "maximum_likelihood", "multinomial", "of_cells"]

# Beyond these log-odds, separation is looked for.
EXTREME = 12.0


@dataclass(frozen=True)
class LogisticFit:
    """Estimates, their information, and what each row adds to the score.

    Attributes
    ----------
    coef : ndarray of shape (p,)
    bread : ndarray of shape (p, p)
        Inverse of the weighted information.
    resid : ndarray of shape (n, J − 1)
        A row adds its covariates times these, and its weight, to the score.
    """

    coef: np.ndarray
    bread: np.ndarray
    resid: np.ndarray


def of_cells(
    codes: np.ndarray, k: int, positive: np.ndarray, weights: np.ndarray, prior: float
) -> LogisticFit:
    """One log-odds per group, in closed form.

    Parameters
    ----------
    codes : ndarray of int of shape (n,)
        0 to k − 1.
    k : int
    positive : ndarray of bool of shape (n,)
    weights : ndarray of shape (n,)
    prior : float
        Added to the number of positive and of negative effects: 0 is maximum
        likelihood, ½ Firth's penalty.
    """
    total = np.bincount(codes, weights, k)
    share = (np.bincount(codes, weights * positive, k) + prior) / (total + 2 * prior)
    pull = 2 * prior * (0.5 - share[codes]) / total[codes]
    resid = positive - share[codes] + pull
    bread = np.diag(1 / (total * share * (1 - share)))
    return LogisticFit(special.logit(share), bread, resid[:, None])


def maximum_likelihood(
    exog: np.ndarray, positive: np.ndarray, weights: np.ndarray, names: Sequence[str]
) -> LogisticFit:
    """Logistic regression of a sign.

    Parameters
    ----------
    exog : ndarray of shape (n, k)
    positive : ndarray of bool of shape (n,)
    weights : ndarray of shape (n,)
    names : sequence of str of length k

    Raises
    ------
    ValueError
        If the signs are separated, so that the likelihood has no maximum.
    """
    model = GLM(positive.astype(float), exog, Binomial(), freq_weights=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of separation, which is an error here
        coef = np.asarray(model.fit(maxiter=100, tol=1e-12).params)
    odds = exog @ coef
    if not np.abs(odds).max() < EXTREME:
        _refuse_separation(exog, positive, names)
    p = special.expit(odds)
    bread = np.linalg.inv((exog * (weights * p * (1 - p))[:, None]).T @ exog)
    return LogisticFit(coef, bread, (positive - p)[:, None])


def firth(exog: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> LogisticFit:
    """Logistic regression with Firth's penalty; arguments as above."""
    coef = np.zeros(exog.shape[1])
    best = _penalized_likelihood(coef, exog, positive, weights)
    for _ in range(200):
        bread, resid = _firth_residuals(coef, exog, positive, weights)
        step = bread @ ((weights * resid) @ exog)
        if np.abs(step).max() < 1e-10 * (1 + np.abs(coef).max()):
            return LogisticFit(coef, bread, resid[:, None])
        step *= min(1.0, 5.0 / np.abs(exog @ step).max())
        for _ in range(30):
            reached = _penalized_likelihood(coef + step, exog, positive, weights)
            if reached >= best - 1e-12 * abs(best):
                break
            step /= 2
        coef, best = coef + step, reached
    raise ValueError(
        "The penalised logistic fit did not converge. Take fewer terms, or rescale the "
        "covariates."
    )


def _firth_residuals(
    coef: np.ndarray, exog: np.ndarray, positive: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    p = special.expit(exog @ coef)
    variance = p * (1 - p)
    bread = np.linalg.inv((exog * (weights * variance)[:, None]).T @ exog)
    leverages = variance * np.einsum("ij,jk,ik->i", exog, bread, exog)
    return bread, positive - p + leverages * (0.5 - p)


def _penalized_likelihood(
    coef: np.ndarray, exog: np.ndarray, positive: np.ndarray, weights: np.ndarray
) -> float:
    odds = exog @ coef
    p = special.expit(odds)
    information = (exog * (weights * p * (1 - p))[:, None]).T @ exog
    likelihood = weights @ (positive * odds - np.logaddexp(0, odds))
    return float(likelihood + 0.5 * np.linalg.slogdet(information)[1])


def multinomial(exog: np.ndarray, codes: np.ndarray) -> LogisticFit:
    """Logistic regression of several outcomes against the first; equation by equation.

    Parameters
    ----------
    exog : ndarray of shape (n, k)
    codes : ndarray of int of shape (n,)
        0 to J − 1.
    """
    model = MNLogit(codes, exog)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = model.fit(method="newton", maxiter=100, disp=0)
    params = np.asarray(fit.params)
    odds = exog @ params
    if not (fit.mle_retvals["converged"] and np.abs(odds).max() < 2 * EXTREME):
        raise ValueError(
            "The outcomes are separated by the design, or nearly so, and their log-odds "
            "are infinite. Take fewer groups or terms, or zeros='exclude' with "
            "fit(penalty='firth')."
        )
    flat = params.ravel(order="F")
    shares = special.softmax(np.column_stack([np.zeros(len(odds)), odds]), axis=1)
    resid = (codes[:, None] == np.arange(shares.shape[1])) - shares
    return LogisticFit(flat, np.linalg.inv(-model.hessian(flat)), resid[:, 1:])


def _refuse_separation(
    exog: np.ndarray, positive: np.ndarray, names: Sequence[str]
) -> None:
    """Find a combination of columns that tells the signs apart (Konis, 2007)."""
    signed = exog * np.where(positive, 1.0, -1.0)[:, None]
    signed = np.unique(signed, axis=0) / np.maximum(np.abs(exog).max(axis=0), 1e-300)
    found = optimize.linprog(
        -signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=(-1, 1)
    )
    if found.status == 0 and -found.fun > 1e-6:
        used = [n for n, b in zip(names, found.x, strict=True) if abs(b) > 1e-6]
        raise ValueError(
            "The signs are separated: a combination of "
            f"{', '.join(map(repr, used[:5]))} tells positive effects from negative ones, "
            "so that the log-odds are infinite. Take fit(penalty='firth')."
        )
