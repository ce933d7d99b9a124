"""What is added to a linear predictor with coefficient 1: offset and log(exposure).

A fit keeps them for its own rows only, and statsmodels leaves them out without a word
where it predicts for any other table. Here they are the data's own columns (and then
may be stepped), arrays of one entry per row, or, where the data are the rows that the
model was fitted on, the fit's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._frames.columns import as_vector, missing_in, numbers_in
from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import kept_rows
from skfme.statsmodels._models.fitted import FittedModel

__all__ = ["Offset", "offset_columns", "offset_of"]


@dataclass(frozen=True)
class Offset:
    """The offset of any rows of a table.

    Attributes
    ----------
    columns : mapping of "offset" or "exposure" -> label
        Read from the table, stepped or not.
    values : ndarray of shape (n,) or None
        Of the rows of the data, whatever is stepped; NaN where there is none.
    own : ndarray of shape (n,), int, or None
        Where the values are the fit's own: which row of the fit each row of the data
        is, −1 for none.
    """

    columns: Mapping[str, Any]
    values: np.ndarray | None = None
    own: np.ndarray | None = None

    def at(self, table: Table, rows: np.ndarray) -> np.ndarray:
        """Offsets of a table made of the given rows of the data."""
        total = np.zeros(len(table)) if self.values is None else self.values[rows]
        for part, name in self.columns.items():
            column = table.column(table.position(name, f"{part} names"))
            values = np.asarray(numbers_in(column), dtype=float)
            values = np.where(missing_in(column), np.nan, values)
            total = total + _on_the_scale(part, values)
        return total


def offset_columns(offset: Any, exposure: Any) -> dict[str, Any]:
    """Those of the two that name a column."""
    given = {"offset": offset, "exposure": exposure}
    return {
        part: value for part, value in given.items() if isinstance(value, (str, int))
    }


def offset_of(
    fitted: FittedModel, table: Table, offset: Any, exposure: Any
) -> Offset | None:
    """The offset of the data's rows, or None where the model has none.

    Parameters
    ----------
    fitted : FittedModel
    table : Table of n rows
    offset, exposure : str, array-like of shape (n,) or None
        A column of the data, or one entry per row.

    Raises
    ------
    ValueError
        If the model has an offset that is not given and the data are not its own rows,
        or one is given and the model has none.
    """
    given = {"offset": offset, "exposure": exposure}
    given = {part: value for part, value in given.items() if value is not None}
    own = fitted.own_offset
    if own is None:
        if given:
            raise ValueError(
                f"{next(iter(given))} is given, but the {fitted.name} model was fitted "
                "without one."
            )
        return None
    if not given:
        return _own(fitted, own, len(table))
    lacking = [part for part in fitted.offset_names if part not in given]
    if lacking:
        raise ValueError(
            f"The {fitted.name} model was fitted with {' and '.join(fitted.offset_names)}"
            f"; {lacking[0]} is not given."
        )
    columns = offset_columns(offset, exposure)
    for part, name in columns.items():
        table.position(name, f"{part} names")
    arrays = [
        _on_the_scale(part, as_vector(value, len(table), part).astype(float))
        for part, value in given.items()
        if part not in columns
    ]
    return Offset(columns, np.sum(arrays, axis=0) if arrays else None)


def _own(fitted: FittedModel, own: np.ndarray, n: int) -> Offset:
    rows = kept_rows(fitted.model, n)
    if rows is None or fitted.model.exog is None:
        raise ValueError(missing_offset(fitted))
    where = np.full(n, -1)
    where[rows] = np.arange(len(rows))
    values = np.full(n, np.nan)
    values[rows] = own
    return Offset({}, values, where)


def missing_offset(fitted: FittedModel) -> str:
    """What to say where the rows of the data have no offset."""
    names = fitted.offset_names or ["offset"]
    return (
        f"The {fitted.name} model was fitted with {' and '.join(names)}, and the data are "
        "not the rows it was fitted on. Give "
        + " and ".join(
            f"{name}= a column's name or one number per row" for name in names
        )
        + "."
    )


def _on_the_scale(part: str, values: np.ndarray) -> np.ndarray:
    """Added as it is, or the logarithm of an exposure."""
    if part == "offset":
        return values
    if (values <= 0).any():
        raise ValueError("exposure must be positive; its logarithm is added.")
    return np.log(values)
