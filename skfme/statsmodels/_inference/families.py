"""Separate fits as one family of estimates: what they must share, and how they stack.

Estimates of different fits are taken for independent, so that the family's covariance is
block-diagonal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import block_diag

from skfme._frames.hints import shown
from skfme.statsmodels._inference.estimates import JointEstimates
from skfme.statsmodels._inference.names import RESULT_COLUMNS

INDEPENDENT = "Estimates of different fits are taken for independent."

__all__ = ["INDEPENDENT", "stacked"]


def stacked(results: Mapping[str, JointEstimates], label: str) -> dict[str, Any]:
    """What EffectResults is made of, for several results one below the other.

    Parameters
    ----------
    results : mapping of str -> JointEstimates
    label : str
        The column of labels that their names become.

    Raises
    ------
    ValueError
        If there are none, they have not the same intervals and null, or the column is
        there already.
    """
    if not isinstance(results, Mapping) or not results:
        raise ValueError("concat takes a mapping of name -> results, of one or more.")
    parts = list(results.values())
    for name, part in results.items():
        if not isinstance(part, JointEstimates):
            raise TypeError(
                f"concat takes results of skfme.statsmodels; {name!r} is {shown(part)}."
            )
    covers = {part.covers for part in parts}
    if len(covers) > 1:
        raise ValueError(
            f"The intervals of these results do not cover the same: {sorted(covers)}."
        )
    nulls = {part.null for part in parts}
    if len(nulls) > 1:
        raise ValueError(
            "Some of these results are ratios, and others are not: they are no family."
        )
    if any(label in part.labels or label in RESULT_COLUMNS for part in parts):
        raise ValueError(
            f"label={label!r} is a column of these results; take another name."
        )
    labels = [part.labels.assign(**{label: name}) for name, part in results.items()]
    counts = [part.nobs for part in parts if part.nobs is not None]
    with_t = any(part.use_t for part in parts)
    return {
        "params": np.concatenate([part.params for part in parts]),
        "cov": block_diag(*(part.cov_params() for part in parts)),
        "labels": pd.concat(labels, ignore_index=True),
        "df": np.concatenate([part._df() for part in parts]) if with_t else None,
        "covers": covers.pop(),
        "nobs": np.concatenate(counts) if len(counts) == len(parts) else None,
        "title": f"{len(parts)} fits, {sum(len(part.names) for part in parts)} estimates",
        "notes": [INDEPENDENT],
        "null": nulls.pop(),
    }
