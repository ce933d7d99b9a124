"""Any number of each row as what a regression explains: errors, losses, correctness.

It takes the place of the effects of a step, so that the same designs, covariances and
tests serve. Where a row's number comes from is its maker's business.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfme._engine.stepping import COUNTED, STATUSES
from skfme._frames.checks import beside_rows, checked_weights
from skfme._frames.given import array_of
from skfme._frames.tables import as_table
from skfme._results.context import Context
from skfme._results.effects import ForwardEffect

__all__ = ["response_of_rows"]


def response_of_rows(y: Any, table: Any, sample_weight: Any) -> ForwardEffect:
    """Numbers of rows in the form of an effect; rows without one do not count.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
    table : array-like or dataframe of shape (n_samples, n_features)
    sample_weight : column of the table, or array-like of shape (n_samples,) or None

    Raises
    ------
    ValueError
        If `y` has not one finite or missing number per row.
    """
    rows = as_table(table)
    values = _numbers(beside_rows(rows, y, "y"))
    if len(values) != len(rows):
        raise ValueError(
            f"y has {len(values)} entries, and the table has {len(rows)} rows; one per row is "
            "expected, NaN where a row has none."
        )
    if np.isinf(values).any():
        raise ValueError(
            f"y holds infinity in {np.isinf(values).any(axis=1).sum()} rows."
        )
    names = _names(y, values.shape[1])
    missing = np.isnan(values).any(axis=1)
    status = np.full(len(values), COUNTED, dtype=np.int8)
    status[missing] = STATUSES.index("missing")
    values[missing] = np.nan
    context = Context(
        rows.guarded(),
        checked_weights(sample_weight, rows),
        names,
        "",
        "response",
        None,
    )
    name = names[0] if len(names) == 1 else "y"
    return ForwardEffect(name, {}, (), context, values, status)


def _numbers(y: Any) -> np.ndarray:
    values = np.array(pd.DataFrame(y) if hasattr(y, "to_frame") else array_of(y, "y"))
    try:
        values = values.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"y holds no numbers ({error}). Give what each row scored, such as a loss, or "
            "whether it was right as 0 and 1."
        ) from error
    if values.ndim not in (1, 2):
        raise ValueError(
            f"y has shape {values.shape}; expected one number for each row."
        )
    return values.reshape(len(values), -1)


def _names(y: Any, n_outputs: int) -> tuple[str, ...]:
    columns = getattr(y, "columns", None)
    if columns is None:
        columns = (
            [getattr(y, "name", None) or "y"] if n_outputs == 1 else range(n_outputs)
        )
    return tuple(name if isinstance(name, str) else f"y{name}" for name in columns)
