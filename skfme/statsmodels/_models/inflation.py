"""The inflation part of zero-inflated models, rebuilt for rows that were not fitted.

statsmodels keeps this part's design apart from the other one, and takes the fit's own rows
of it for any table that it predicts. Here its columns are read off the design of the
counts: each must be a constant or repeat a column there.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = ["Inflation", "inflation_of"]


class Inflation(NamedTuple):
    """Where each column of the inflation part comes from.

    Attributes
    ----------
    columns : tuple of int or None
        A column of the design of the counts; None for a constant.
    values : tuple of float
        What the constants hold.
    """

    columns: tuple[int | None, ...]
    values: tuple[float, ...]

    def matrix(self, X: np.ndarray) -> np.ndarray:
        """Rows of the inflation part, for rows of the design of the counts."""
        columns = [
            np.full(len(X), value) if position is None else X[:, position]
            for position, value in zip(self.columns, self.values, strict=True)
        ]
        return np.stack(columns, axis=1)


def inflation_of(model: Any) -> Inflation | None:
    """The inflation part of a fitted model; None where it has none.

    Raises
    ------
    ValueError
        If it has a column that the design of the counts has not.
    """
    inflated = getattr(model, "exog_infl", None)
    if inflated is None:
        return None
    inflated, exog = (
        np.asarray(inflated, dtype=float),
        np.asarray(model.exog, dtype=float),
    )
    names = list(getattr(model.data, "xnames", []))[: inflated.shape[1]]
    columns: list[int | None] = []
    for j, column in enumerate(inflated.T):
        if np.ptp(column) == 0:
            columns.append(None)
            continue
        same = [i for i, other in enumerate(exog.T) if np.array_equal(column, other)]
        if not same:
            raise ValueError(
                f"The inflation part of the {type(model).__name__} model has a column of its "
                f"own, {names[j]!r}, which a table of the other columns does not hold "
                "(exog_infl); for other rows than the fit's, statsmodels predicts from the "
                "fit's. Put it among the model's columns as well, or explain lambda X: "
                "results.predict(X, exog_infl=…), a function of every column."
            )
        columns.append(same[0])
    return Inflation(tuple(columns), tuple(map(float, inflated[0])))
