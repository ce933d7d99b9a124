"""A fitted model, as it was read, against its own predictions of the rows of its fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from skfme.statsmodels._models.designs import probe_rows
from skfme.statsmodels._models.inputs import MeanInputs
from skfme.statsmodels._models.parametric import FittedModel

__all__ = ["check_predictions"]

# Of a larger fit, all rows would be predicted to look at a few.
_MOST_ROWS = 50_000


def check_predictions(fitted: FittedModel, results: Any) -> None:
    """Compare predictions from rows of the design with those that the model makes itself.

    Raises
    ------
    ValueError
        If they differ: the model has a part that its design does not hold.
    """
    exog = fitted.exog
    if exog is None or len(exog) > _MOST_ROWS:
        return
    try:
        expected = np.asarray(results.predict(), dtype=float)
    except (
        Exception
    ):  # it predicts given rows alone, or nothing; that is said elsewhere
        return
    expected = expected.reshape(len(expected), -1) if expected.ndim else expected
    if expected.ndim != 2 or len(expected) != len(exog):
        return
    rows = probe_rows(len(exog))
    offset = fitted.own_offset
    inputs = MeanInputs(exog[rows], None if offset is None else offset[rows])
    rebuilt = fitted.mean(fitted.params, inputs)
    expected = expected[rows]
    scale = np.abs(expected).max(initial=0.0)
    if rebuilt.shape != expected.shape or not np.allclose(
        rebuilt, expected, rtol=1e-7, atol=1e-9 * scale, equal_nan=True
    ):
        raise ValueError(
            f"{fitted.name} predicts other values for the rows of its own fit than from "
            "their design matrix, so that it has a part that a table of the same columns "
            "does not hold. Explain a function instead, such as lambda X: "
            "results.predict(X, …), with all that it predicts from."
        )
