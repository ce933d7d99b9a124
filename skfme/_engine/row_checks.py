"""Whether a model's prediction of a row depends on that row alone.

An effect is a difference of predictions of one row. A function that centres on the rows
it is given, ranks them, or returns them in another order has no such difference; it is
found here on a few training rows, which are predicted together, in reverse and alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from skfme._engine.originals import has_replaced_methods
from skfme._engine.prediction import Response, unfrozen
from skfme._frames.contents import complete_rows
from skfme._frames.tables import Table

__all__ = ["check_rows", "ignores_labels", "rows_are_alone", "sample_rows"]

_ROWS = 32
_TOLERANCE = 1e-6  # of the predictions' standard deviation
_ROUNDINGS = 64  # units of the predictions' own precision


def sample_rows(table: Table) -> Table:
    """A few rows, spread over a table, without missing values if there are any."""
    rows = np.flatnonzero(complete_rows(table))
    if not len(rows):
        return table.take(np.array([0]))
    return table.take(
        rows[np.linspace(0, len(rows) - 1, min(_ROWS, len(rows))).astype(int)]
    )


def check_rows(response: Response, table: Table) -> None:
    """Predict a few rows together, in reverse and alone, and compare.

    Parameters
    ----------
    response : Response
    table : Table
        A few rows without missing values.

    Raises
    ------
    ValueError
        If a row's prediction depends on the rows beside it, or on their order.
    """
    n = len(table)
    together = _predicted(response, table)
    if together is None or n < 2:
        return
    finite = np.isfinite(together).all(axis=1)
    if finite.sum() < 2:
        return
    tolerance = _TOLERANCE * together[finite].std(axis=0)
    tolerance += _ROUNDINGS * response.resolution * np.abs(together[finite]).max(axis=0)
    trials = [("in reverse order", np.arange(n)[::-1])]
    # A model that cannot predict one row alone is tried with several.
    trials += [("among fewer rows", np.arange(0, n, 3))]
    trials += [("alone", np.array([row])) for row in (n - 1, n // 2)]
    for how, rows in trials:
        values = _predicted(response, table.take(rows))
        if values is None:
            continue
        with np.errstate(invalid="ignore"):  # of infinite ones
            gap = np.where(finite[rows, None], np.abs(values - together[rows]), 0.0)
        if not (gap <= tolerance).all():
            raise ValueError(_message(response, how, float(gap.max()), n))


def rows_are_alone(response: Response, table: Table) -> bool:
    """Whether :func:`check_rows` finds nothing in a few rows of a table."""
    try:
        check_rows(response, sample_rows(table))
    except ValueError:
        return False
    return True


def _predicted(response: Response, table: Table) -> np.ndarray | None:
    """Predictions, or None where the model cannot make them."""
    try:
        with np.errstate(all="ignore"):
            return response.unchecked(table)
    except Exception:  # whatever a model raises, it raises again where it matters
        return None


def _message(response: Response, how: str, gap: float, n: int) -> str:
    return (
        f"{response.name} predicts a row otherwise {how} than among {n} training rows (by "
        f"up to {gap:.3g}), so that a prediction is not its row's own, and no effect of a "
        "row can be formed. The model may centre, scale or rank the rows that it is given, "
        "learn terms of its formula from them again, return them in another order, or draw "
        "random numbers. Let it learn such terms in fit alone, and return one value per row "
        "in the rows' order. If rows are meant to depend on each other, as in ranks among "
        "peers or market shares, say check_rows=False: effects then compare tables in which "
        "every row is stepped."
    )


def ignores_labels(response: Response, table: Table) -> bool:
    """Whether rows of pandas may come to the model under other labels than their own.

    Only estimators are tried; a function may look its rows up by their labels.
    """
    if not table.pandas_like:
        return True
    estimator = unfrozen(response.estimator)
    is_estimator = hasattr(estimator, "fit") and hasattr(estimator, "__sklearn_tags__")
    # A method that was replaced is a function as well.
    is_estimator &= not has_replaced_methods(response.estimator)
    if not is_estimator or not isinstance(response.method, str) or len(table) < 2:
        return False
    # Without the first row, the labels are not those that a fresh table has.
    rows = table.take(np.arange(1, len(table)))
    own, fresh = _predicted(response, rows), _predicted(response, rows.relabelled())
    same: Any = (
        own is not None and fresh is not None and np.array_equal(own, fresh, True)
    )
    return bool(same)
