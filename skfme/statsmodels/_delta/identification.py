"""Whether the data determine an effect at all.

Where covariates repeat one another, Xb = 0 for some b ≠ 0, and parameters that differ
by b fit alike: an effect whose gradient J has J b ≠ 0 is whatever the fit made of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
from scipy import linalg

from skfme.statsmodels._delta.mean import EstimatedMean
from skfme.statsmodels._models.gradients import Index

__all__ = ["warn_of_unidentified"]


def warn_of_unidentified(
    mean: EstimatedMean, gradients: np.ndarray, names: Sequence[str]
) -> None:
    """Warn of estimates that the covariates of the fit do not determine.

    Parameters
    ----------
    mean : EstimatedMean
    gradients : ndarray of shape (n_estimates, p)
    names : sequence of str of length n_estimates
    """
    exog = mean.fitted.exog
    if exog is None or not isinstance(mean.function, Index):
        return
    moments = exog.T @ exog
    scale = np.sqrt(np.diag(moments))
    scale[scale == 0] = 1.0
    # The squared condition number is too coarse to judge by, but settles most fits.
    if np.linalg.eigvalsh(moments / np.outer(scale, scale))[0] > 1e-9:
        return
    null = _null_space(exog / scale)
    # In units of the columns, in which what is large and what is not can be compared.
    blocks = gradients[:, mean.function.positions] / scale  # (., n_predictors, k)
    along = np.linalg.norm(blocks @ null, axis=2)
    lost = (along > 1e-6 * np.linalg.norm(blocks, axis=2)).any(axis=1)
    if lost.any():
        shown = [repr(names[i]) for i in np.flatnonzero(lost)[:5]]
        rank = exog.shape[1] - null.shape[1]
        warnings.warn(
            f"The covariates of the fit repeat one another (rank {rank} of "
            f"{exog.shape[1]}), and the data do not determine {', '.join(shown)}: the "
            "estimate is one of many that fit alike. Leave out the repeated covariates.",
            UserWarning,
            stacklevel=3,
        )


def _null_space(exog: np.ndarray) -> np.ndarray:
    """An orthonormal basis b of Xb = 0, of shape (k, n_null); mostly empty.

    Parameters
    ----------
    exog : ndarray of shape (n, k)
        Columns of length 1.
    """
    n, k = exog.shape
    rcond = max(n, k) * np.finfo(float).eps
    return linalg.null_space(np.linalg.qr(exog, mode="r"), rcond=rcond)
