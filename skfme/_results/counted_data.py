"""The rows of an effect that count, for tools that know nothing of effects."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["CountedData"]


class CountedData(NamedTuple):
    """The rows that count, for any other tool.

    Parameters
    ----------
    X : array or dataframe of shape (n_counted, n_features)
        Of the kind that was explained.
    fme : ndarray of shape (n_counted,) or (n_counted, n_outputs)
        Their effects.
    sample_weight : ndarray of shape (n_counted,) or None
        Their weights.
    """

    X: Any
    fme: np.ndarray
    sample_weight: np.ndarray | None
