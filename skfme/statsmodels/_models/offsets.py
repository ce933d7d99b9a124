"""What is added to a linear predictor with coefficient 1: offset and log(exposure).

A fit keeps them for its own rows only, and statsmodels leaves them out without a word
where it predicts for any other table. Here they are the data's own columns (and then
may be stepped), arrays of one entry per row, or, where the data are the rows that the
model was fitted on, the fit's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skfme._frames.columns import as_vector, missing_in, numbers_in
from skfme._frames.tables import Table
from skfme.statsmodels._models.fit_rows import matched_rows
from skfme.statsmodels._models.fitted import FittedResults, given_offsets
from skfme.statsmodels._models.parametric import FittedModel

__all__ = ["Offset", "missing_offset", "offset_of"]


@dataclass(frozen=True)
class Offset:
    """The offset of any rows of a table; none where nothing is given.

    Attributes
    ----------
    columns : mapping of "offset" or "exposure" -> label
        Read from the table, stepped or not.
    values : ndarray of shape (n,) or None
        Of the rows of the data, whatever is stepped; NaN where there is none.
    fit_rows : ndarray of shape (n,), int, or None
        Where the values are the fit's own: which row of the fit each row of the data
        is, −1 for none.
    """

    columns: Mapping[str, Any] = field(default_factory=dict)
    values: np.ndarray | None = None
    fit_rows: np.ndarray | None = None

    @property
    def given(self) -> bool:
        """Whether there is one."""
        return bool(self.columns) or self.values is not None

    def positions(self, table: Table) -> dict[str, int]:
        """Where the columns are in a table."""
        return {
            kind: table.position(name, f"{kind} names")
            for kind, name in self.columns.items()
        }

    def parts(self, table: Table) -> dict[str, np.ndarray]:
        """The columns as numbers, NaN where one is missing."""
        columns = {kind: table.column(i) for kind, i in self.positions(table).items()}
        return {
            kind: np.where(missing_in(column), np.nan, numbers_in(column).astype(float))
            for kind, column in columns.items()
        }

    def at(self, table: Table | None, rows: Any) -> np.ndarray | None:
        """Offsets of some rows of the data, whose columns are those of a table.

        The table may be None where there are no rows, or no columns to be read.
        """
        parts = {} if table is None else self.parts(table)
        added = [_on_the_scale(kind, values) for kind, values in parts.items()]
        if self.values is not None:
            added.append(self.values[rows])
        return np.sum(added, axis=0) if added else None


def offset_of(fitted: FittedModel, table: Table, offset: Any, exposure: Any) -> Offset:
    """The offset of the data's rows; none where the model has none.

    Parameters
    ----------
    fitted : FittedModel
    table : Table of n rows
    offset, exposure : str, array-like of shape (n,) or None
        A column of the data, or one entry per row; None takes the model's own.

    Raises
    ------
    ValueError
        If the model has an offset that is not given and the data are not its own rows,
        or one is given and the model has none.
    """
    given = {**fitted.offset_columns, **given_offsets(offset, exposure)}
    if fitted.own_offset is None and not (given and fitted.takes_offset):
        if given:
            raise ValueError(
                f"{next(iter(given))} is given, but the {fitted.name} model was fitted "
                "without one."
            )
        return Offset()
    if not given:
        assert fitted.own_offset is not None
        return _of_fit(fitted, fitted.own_offset, table)
    lacking = [kind for kind in fitted.offset_names if kind not in given]
    if lacking:
        raise ValueError(
            f"The {fitted.name} model was fitted with {' and '.join(fitted.offset_names)}"
            f"; {lacking[0]} is not given."
        )
    columns = {kind: v for kind, v in given.items() if isinstance(v, (str, int))}
    arrays = [
        _on_the_scale(kind, as_vector(value, len(table), kind).astype(float))
        for kind, value in given.items()
        if kind not in columns
    ]
    return Offset(columns, np.sum(arrays, axis=0) if arrays else None)


def _of_fit(fitted: FittedModel, values: np.ndarray, table: Table) -> Offset:
    """The fit's own offset, where the data may be the rows that it was given."""
    fit_rows = None
    if isinstance(fitted, FittedResults):
        fit_rows = matched_rows(fitted.model, table)
    if fit_rows is None or fitted.exog is None:
        raise ValueError(missing_offset(fitted))
    return Offset({}, np.where(fit_rows >= 0, values[fit_rows], np.nan), fit_rows)


def missing_offset(fitted: FittedModel) -> str:
    """What to say where the rows of the data have no offset."""
    names = fitted.offset_names
    return (
        f"The {fitted.name} model was fitted with {' and '.join(names)}, and the data are "
        "not the rows it was fitted on. Give "
        + " and ".join(
            f"{name}= a column's name or one number per row" for name in names
        )
        + "."
    )


def _on_the_scale(kind: str, values: np.ndarray) -> np.ndarray:
    """Added as it is, or the logarithm of an exposure."""
    if kind == "offset":
        return values
    if (values <= 0).any():
        raise ValueError("exposure must be positive; its logarithm is added.")
    return np.log(values)
