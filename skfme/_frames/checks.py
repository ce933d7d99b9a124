"""What fit and explain refuse, in words that name the column, the row and the cure.

What a table or a column is lives beside this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.validation import check_array, validate_data

from skfme._frames.columns import in_order_of, kind_of, missing_in, numbers_in
from skfme._frames.contents import complete_rows, infinite_columns
from skfme._frames.given import array_of
from skfme._frames.schema import Column, converted
from skfme._frames.tables import Table, as_table
from skfme._summaries.weighting import Weighting

__all__ = [
    "PredictionError",
    "beside_rows",
    "check_columns_as_in_fit",
    "checked_weights",
    "naming_missing_values",
    "one_target",
    "refuse_infinite",
    "row_weights",
    "rows_of_positive_weight",
    "table_as_in_fit",
    "weights_named",
]


def one_target(y: Any, model: str) -> np.ndarray:
    """The target of a classifier as a vector; (n, 1) is ravelled with a warning."""
    shape = array_of(y, "y").shape
    if len(shape) == 2 and shape[1] != 1:
        raise ValueError(
            f"y has shape {shape}: {model} would have several outputs with classes of "
            "their own. Choose one with response_method: lambda estimator, X: "
            "estimator.predict_proba(X)[0][:, 1] where that is a list of arrays, one for "
            "each output; estimator.predict_proba(X)[:, 0] where it is one array."
        )
    return column_or_1d(y, warn=True) if len(shape) == 2 else y


def check_columns_as_in_fit(estimator: Any, X: Any) -> None:
    """The names, or the number, of X's columns must be those of fit."""
    validate_data(estimator, X, skip_check_array=True, reset=False)


def table_as_in_fit(
    estimator: Any,
    X: Any,
    kind: str,
    columns: Sequence[Column],
    read: Sequence[int] | None = None,
) -> Table:
    """X checked against the columns seen in fit, as the kind of table seen there.

    Numbers must be finite in the columns at the positions `read`; None is all of them.
    """
    table = as_table(X)
    check_columns_as_in_fit(estimator, table.native)
    refuse_infinite(table, read)
    return converted(table, kind, columns)


def refuse_infinite(table: Table, read: Sequence[int] | None = None) -> None:
    """Refuse a table that holds an infinite number, in the columns at `read` or in any."""
    columns = infinite_columns(table, read)
    if columns:
        raise ValueError(
            f"X contains infinity in {', '.join(columns)}; expected finite numbers or "
            "missing values (NaN)."
        )


def beside_rows(table: Table, values: Any, what: str) -> Any:
    """Values given beside a table, in the order of its rows where both have labels."""
    return in_order_of(table.index, values, what) if table.given.pandas_like else values


def weights_named(sample_weight: Any, table: Table) -> Any:
    """Weights of rows, read from the table where they are given as a column's name."""
    if not isinstance(sample_weight, str):
        return beside_rows(table, sample_weight, "sample_weight")
    table = table.given
    position = table.position(sample_weight, "sample_weight names")
    if kind_of(column := table.column(position)) != "numeric":
        raise TypeError(
            f"sample_weight names {sample_weight!r}, a column that holds no numbers."
        )
    return numbers_in(column)


def checked_weights(
    sample_weight: Any, table: Table, weights_type: str = "auto"
) -> Weighting:
    """Weights of rows, or the name of their column, of which some are positive.

    A Weighting, such as that of some of the rows, keeps its kind.
    """
    if isinstance(sample_weight, Weighting):
        sample_weight, weights_type = sample_weight.array, sample_weight.kind
    if sample_weight is None:
        return Weighting(None, len(table))
    weights = row_weights(sample_weight, table)
    if not weights.any():
        raise ValueError("sample_weight is zero in every row, so that no row counts.")
    weights = np.array(weights)  # the user's own may change
    weights.flags.writeable = False
    return Weighting.of(weights, weights_type, len(weights))


def row_weights(sample_weight: Any, table: Table) -> np.ndarray:
    """Weights of rows that may all be zero, as in one batch of many."""
    weights = weights_named(sample_weight, table)
    weights = check_array(
        array_of(weights, "sample_weight"),
        dtype=np.float64,
        ensure_2d=False,
        input_name="sample_weight",
    )
    if weights.shape != (len(table),):
        raise ValueError(
            f"sample_weight has shape {weights.shape}, expected ({len(table)},): one "
            "weight per row of X."
        )
    if (weights < 0).any():
        raise ValueError(
            f"sample_weight is negative in {np.count_nonzero(weights < 0)} rows; weights "
            "must be at least 0."
        )
    return weights


def rows_of_positive_weight(
    table: Table, weights: Weighting
) -> tuple[Table, Weighting]:
    """The rows whose weight is not 0, and their weights."""
    if weights.array is None or weights.array.all():
        return table, weights
    positive = np.flatnonzero(weights.array)
    return table.take(positive), weights.take(positive)


class PredictionError(ValueError):
    """Unusable predictions; the error names its cause, to which nothing is to be added."""


# "These columns are missing" is about something else.
_MISSING = re.compile(
    r"\b(nan|nans|nulls?|na)\b|missing (value|data|entr)", re.IGNORECASE
)


@contextmanager
def naming_missing_values(table: Table) -> Iterator[None]:
    """A model's error about missing values names the columns and rows that have them."""
    try:
        yield
    except PredictionError:
        raise
    except ValueError as error:
        text = str(error)
        if not _MISSING.search(text):
            raise
        columns = [
            str(name)
            for position, name in enumerate(table.names)
            if missing_in(table.column(position)).any()
        ]
        if not columns:
            raise
        rows = np.flatnonzero(~complete_rows(table))
        shown = ", ".join(map(str, rows[:5])) + (", …" if len(rows) > 5 else "")
        raise ValueError(
            f"The model cannot take the missing values of {', '.join(columns)} (rows "
            f"{shown}; {len(rows)} in all). Impute them in a pipeline in front of the "
            f"model, or leave these rows out. The model said: {text}"
        ) from error
