"""Predictions along the step path γ(t) = x + t·h, and the NLM of every row.

Numeric features move in a straight line from their value before the step to that
after it. Categories and dates do not pass through values in between: they stand at
their new value along the whole path, so that the NLM of a mixed step is that of its
numeric part at the new categories.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_even_slices

from skfme._engine.prediction import Response
from skfme._engine.stepping import Stepped, step_rows
from skfme._frames.arithmetic import column_like
from skfme._frames.columns import ColumnData, numbers_in
from skfme._frames.tables import Table
from skfme.quadrature import Rule
from skfme.steps._changes import NamedStep

__all__ = ["StepPath", "nonlinearity"]


@dataclass(frozen=True)
class StepPath:
    """The paths of some rows, as a function that can be evaluated in batches.

    Attributes
    ----------
    response : Response
    table : Table of n rows
        The rows, with categories and dates at their new values.
    ends : dict of int -> (ndarray of shape (n,), ndarray of shape (n,))
        Each moving feature's values before and after the step.
    types : dict of int -> column of at most one entry
        The types of these features at both ends, and so between them.
    has_fixed : bool
        Whether a category or a date was changed.
    rows_per_call : int
    """

    response: Response
    table: Table
    ends: Mapping[int, tuple[np.ndarray, np.ndarray]]
    types: Mapping[int, ColumnData]
    has_fixed: bool
    rows_per_call: int

    @classmethod
    def of_effect(
        cls, response: Response, table: Table, effect: Stepped, rows_per_call: int
    ) -> StepPath:
        """The path of rows, each of which has a step."""
        ends: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        types: dict[int, ColumnData] = {}
        fixed: dict[int, ColumnData] = {}
        for bound in effect.changes:
            position = bound.change.position
            after = effect.end[position]
            if not bound.change.numeric:
                fixed[position] = after
                continue
            types[position] = after[slice(0, 1)]
            before = effect.before.get(position)
            before = table.column(position) if before is None else before
            low, high = numbers_in(before), numbers_in(after)
            ends[position] = (low.astype(float), high.astype(float))
        table = table.with_columns(fixed) if fixed else table
        return cls(response, table, ends, types, bool(fixed), rows_per_call)

    @classmethod
    def of_step(
        cls, response: Response, table: Table, step: NamedStep, rows_per_call: int
    ) -> StepPath:
        """The path of a whole table's rows."""
        changes = tuple(change.bind(table, continuous=True) for change in step.changes)
        effect = step_rows(table, slice(0, len(table)), changes, None, None)
        return cls.of_effect(response, table, effect, rows_per_call)

    def __call__(self, rows: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Predictions of shape (r, m, n_outputs) at t of shape (r, m)."""
        r, m = t.shape
        if self.response.needs_labels(self.table):  # each of which stands for one row
            points = [self._predicted(rows, t[:, j]) for j in range(m)]
            return np.stack(points, axis=1)
        return self._predicted(np.repeat(rows, m), t.ravel()).reshape(r, m, -1)

    def _predicted(self, rows: np.ndarray, t: np.ndarray) -> np.ndarray:
        values = np.empty((len(rows), len(self.response.outputs)))
        n_calls = max(1, -(-len(rows) // self.rows_per_call))
        for points in gen_even_slices(len(rows), n_calls):
            values[points] = self.response(self.at(rows[points], t[points]))
        return values

    def at(self, rows: np.ndarray, t: np.ndarray) -> Table:
        """The table of the points (row, t)."""
        return self.at_shares(rows, dict.fromkeys(self.ends, t))

    def at_shares(
        self, rows: np.ndarray, shares: Mapping[int, np.ndarray | float]
    ) -> Table:
        """The table of rows in which each feature has come a share of its own way."""
        table = self.table.take(rows)
        if not self.response.needs_labels(table):
            table = table.relabelled()
        return table.with_columns(
            {
                position: column_like(
                    self.types[position],
                    low[rows] + shares[position] * (high - low)[rows],
                )
                for position, (low, high) in self.ends.items()
            }
        )


def nonlinearity(
    path: StepPath, before: np.ndarray, after: np.ndarray, rule: Rule
) -> tuple[np.ndarray, int]:
    """NLM of rows, and how many of them did not converge.

    Parameters
    ----------
    path : StepPath of n rows
    before, after : ndarray of shape (n, n_outputs)
        Predictions before and after the step, used again at the path's ends.
    rule : Rule

    Returns
    -------
    nlm : ndarray of shape (n, n_outputs)
        NaN where nothing numeric moves, a number is missing before the step, or the path
        is constant.
    n_not_converged : int
    """
    if not path.ends or not len(before):
        return np.full(before.shape, np.nan), 0
    if path.has_fixed:
        rows = np.arange(len(before))
        before = path(rows, np.zeros((len(rows), 1)))[:, 0]
    nlm = np.full(before.shape, np.nan)
    ends = [end for both in path.ends.values() for end in both]
    rows = np.flatnonzero(~np.isnan(ends).any(axis=0))  # there is no way from a gap
    nlm[rows], converged = rule._measure(
        lambda some, t: path(rows[some], t),
        before[rows],
        after[rows],
        path.response.resolution,
    )
    return nlm, int(np.count_nonzero(~converged))
