"""Which stepped rows leave the data that the model has seen.

A forward marginal effect is only as good as the model where the step leads. What
`extrapolation` stands for is fitted here; which rows are stepped, and how, is decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sklearn.base import clone

from skfme._frames.hints import shown
from skfme._frames.schema import Column, describe_columns
from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme.extrapolation._detectors import DetectorSupport, fit_detector
from skfme.extrapolation._envelope import Envelope, EnvelopeSupport

__all__ = ["Support", "fit_support"]

Support = EnvelopeSupport | DetectorSupport


def fit_support(
    extrapolation: Any,
    table: Table,
    columns: Sequence[Column],
    weights: Weighting,
) -> Support | None:
    """Fit what `extrapolation` stands for on the training rows.

    Parameters
    ----------
    extrapolation : None, "envelope", Envelope or outlier detector
    table : Table
        Training rows of positive weight.
    columns : sequence of Column
    weights : Weighting

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If a detector cannot take the table's columns.
    """
    if extrapolation is None:
        return None
    if isinstance(extrapolation, str):
        if extrapolation != "envelope":
            none = extrapolation.lower() in ("none", "off", "all", "false")
            raise ValueError(
                "extrapolation must be None, 'envelope', an Envelope or an outlier "
                f"detector; got {shown(extrapolation)}."
                + (" None without quotes counts all rows." if none else "")
            )
        extrapolation = Envelope()
    if _is_plain(extrapolation):
        envelope = clone(extrapolation)
        if extrapolation.categorical_features != "auto":
            columns = describe_columns(table, extrapolation.categorical_features)
        envelope._validate_params()
        return EnvelopeSupport(envelope._learn(table, columns, weights))
    if isinstance(extrapolation, type) or not hasattr(extrapolation, "fit"):
        raise TypeError(
            "extrapolation must be None, 'envelope', an Envelope or an outlier detector "
            f"with fit and predict; got {shown(extrapolation)}."
        )
    support = DetectorSupport(fit_detector(extrapolation, table, columns, weights))
    support.refuse_if_none_is_inside(table)
    support.warn_of_whole_groups(table, columns)
    return support


def _is_plain(extrapolation: Any) -> bool:
    """Whether it is an Envelope that learns and judges by the methods above."""
    return isinstance(extrapolation, Envelope) and all(
        getattr(type(extrapolation), name) is getattr(Envelope, name)
        for name in ("fit", "predict")
    )
