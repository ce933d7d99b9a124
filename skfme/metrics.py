"""Scores of effects and of their partitions, for searches and comparisons.

A metric here takes effects as they come, NaN where a row does not count, and leaves
those rows out; `sklearn.metrics.make_scorer` makes a scorer of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skfme._columns import as_vector
from skfme.statsmodels._covariates import variance_explained

__all__ = ["partition_r2_score"]


def partition_r2_score(fme: Any, came: Any, *, sample_weight: Any = None) -> float:
    """Share of the variance of effects that a partition accounts for.

    1 − Σ w (FME − cAME)² / Σ w (FME − AME)², over the rows that have an effect and a
    positive weight.

    Parameters
    ----------
    fme : array-like of shape (n_samples,)
        Effects, NaN where a row does not count.
    came : array-like of shape (n_samples,)
        What the partition says of each row, such as ``EffectTree.predict``.
    sample_weight : array-like of shape (n_samples,), default=None

    Returns
    -------
    score : float
        1 is perfect, 0 as good as the AME; below 0 is worse than the AME.

    Raises
    ------
    ValueError
        If the lengths differ, or no row has both an effect and a positive weight.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.metrics import make_scorer
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skfme.metrics import partition_r2_score
    >>> from skfme.statsmodels import EffectTree
    >>> x = np.linspace(0, 1, 200)[:, None]
    >>> fme = np.where(x[:, 0] < 0.5, -1.0, 2.0)
    >>> fme[::10] = np.nan
    >>> search = GridSearchCV(
    ...     EffectTree(max_depth=1),
    ...     {"method": ["ctree", "cart"]},
    ...     scoring=make_scorer(partition_r2_score),
    ... )
    >>> round(float(search.fit(x, fme).best_score_), 6)
    1.0
    """
    effects = np.asarray(fme, dtype=float)
    if effects.ndim != 1:
        raise ValueError(
            f"fme has shape {effects.shape}; expected the effects of one output, "
            "(n_samples,). Choose a column of effect.fme."
        )
    said = as_vector(came, len(effects), "came").astype(float)
    weights = None
    if sample_weight is not None:
        weights = as_vector(sample_weight, len(effects), "sample_weight").astype(float)
    return variance_explained(effects, said, weights)
