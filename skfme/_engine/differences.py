"""Model-agnostic forward differences, f(x + h) − f(x), batch by batch.

Within a batch the base prediction is made once for all effects, rows that do not
count are not predicted, and short stepped tables share predict calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skfme._changes import BoundChange, NamedStep
from skfme._columns import ColumnData
from skfme._engine.batches import plan_rows, run_batches
from skfme._engine.nonlinearity import StepPath, nonlinearity
from skfme._engine.prediction import Response
from skfme._engine.stepping import STATUSES, Stepped, selected, step_rows
from skfme._frames import Table, stacked
from skfme.extrapolation import Support
from skfme.quadrature import Rule

__all__ = ["STATUSES", "Differences", "forward_differences"]

# Below this many rows a predict call costs more to make than to do.
_SHARED_ROWS = 16384


@dataclass
class Differences:
    """One effect over all rows.

    Attributes
    ----------
    fme : ndarray of shape (n_samples, n_outputs)
        NaN where a row does not count.
    status : ndarray of shape (n_samples,), int8
        Position in `STATUSES`.
    nlm : ndarray of shape (n_samples, n_outputs) or None
        NaN where a row does not count or has no NLM; None if not asked for.
    n_not_converged : int
        Rows whose NLM an adaptive rule gave up on.
    """

    fme: np.ndarray
    status: np.ndarray
    nlm: np.ndarray | None = None
    n_not_converged: int = 0


def forward_differences(
    response: Response,
    table: Table,
    steps: Sequence[NamedStep],
    support: Support | None,
    rule: Rule | None = None,
    *,
    batch_size: int | str = "auto",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> tuple[list[Differences], int]:
    """FMEs of every effect, and how many rows were outside before any step.

    Parameters
    ----------
    response : Response
    table : Table of n rows
    steps : sequence of NamedStep
    support : Support or None
        Judges which rows are extrapolation points; None judges none.
    rule : Rule or None
        Measures the NLM of rows that count; None does not.
    batch_size, n_jobs, verbose
        As in :class:`skfme.FMEExplainer`.

    Returns
    -------
    differences : list of Differences
        One per effect.
    n_outside_before : int
    """
    n, n_outputs = len(table), len(response.outputs)
    bound = [tuple(change.bind(table) for change in step.changes) for step in steps]
    results = [
        Differences(
            np.full((n, n_outputs), np.nan),
            np.empty(n, dtype=np.int8),
            None if rule is None else np.full((n, n_outputs), np.nan),
        )
        for _ in steps
    ]
    rows_per_batch = plan_rows(n, table.row_bytes + 8 * n_outputs, batch_size, n_jobs)
    work = _Batch(response, bound, support, rule, rows_per_batch)
    n_outside_before = 0
    for rows, (parts, outside) in run_batches(
        work, table, rows_per_batch, n_jobs, verbose
    ):
        n_outside_before += outside
        for result, part in zip(results, parts, strict=True):
            result.fme[rows] = part.fme
            result.status[rows] = part.status
            if result.nlm is not None:
                result.nlm[rows] = part.nlm
            result.n_not_converged += part.n_not_converged
    return results, n_outside_before


@dataclass(frozen=True)
class _Batch:
    """The work on one slice of rows; a callable that joblib can ship."""

    response: Response
    bound: list[tuple[BoundChange, ...]]
    support: Support | None
    rule: Rule | None
    rows_per_call: int

    def __call__(self, batch: Table, rows: slice) -> tuple[list[Differences], int]:
        n_outside, before = 0, None
        if self.support is not None:
            outside, before = self.support.before(batch)
            n_outside = int(np.count_nonzero(outside))
        stepped = [
            step_rows(batch, rows, changes, self.support, before)
            for changes in self.bound
        ]
        parts: list[Differences] = []
        for effect, (low, high) in zip(
            stepped, self._predicted(batch, stepped), strict=True
        ):
            part = Differences(_spread(high - low, effect.counted), effect.status)
            if self.rule is not None:
                at = len(parts)
                nlm, lost = self._nonlinearity(batch, self.bound[at], effect, low, high)
                part.nlm, part.n_not_converged = _spread(nlm, effect.counted), lost
            parts.append(part)
        return parts, n_outside

    def _predicted(
        self, batch: Table, effects: list[Stepped]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Predictions before and after each step, for the rows that count."""
        base_rows = np.zeros(len(batch), dtype=bool)
        for effect in effects:
            if not effect.start:
                base_rows |= effect.counted
        wanted: list[tuple[np.ndarray, dict[int, ColumnData]]] = [(base_rows, {})]
        for effect in effects:
            ends = (effect.start, effect.end)
            wanted += [(effect.counted, columns) for columns in ends if columns]
        jobs = (selected(batch, mask, columns) for mask, columns in wanted)
        predictions = self._predict(jobs)
        base = _spread(next(predictions), base_rows)
        for effect in effects:
            low = next(predictions) if effect.start else base[effect.counted]
            yield low, next(predictions)

    def _nonlinearity(
        self,
        batch: Table,
        changes: tuple[BoundChange, ...],
        effect: Stepped,
        low: np.ndarray,
        high: np.ndarray,
    ) -> tuple[np.ndarray, int]:
        assert self.rule is not None
        chosen = np.flatnonzero(effect.counted)
        path = StepPath.between(
            self.response,
            batch.take(chosen),
            changes,
            {position: column[chosen] for position, column in effect.start.items()},
            {position: column[chosen] for position, column in effect.end.items()},
            self.rows_per_call,
        )
        return nonlinearity(path, low, high, self.rule)

    def _predict(self, tables: Iterator[Table | None]) -> Iterator[np.ndarray]:
        """Predictions of each table; neighbours of equal schema share a call."""
        waiting: list[Table | None] = []
        n_waiting, schema = 0, None
        for table in tables:
            size = 0 if table is None else len(table)
            fits = n_waiting + size <= min(self.rows_per_call, _SHARED_ROWS)
            if (
                table is not None
                and n_waiting
                and not (fits and table.schema() == schema)
            ):
                yield from self._flush(waiting)
                waiting, n_waiting = [], 0
            if table is not None:
                schema = table.schema()
            waiting.append(table)
            n_waiting += size
        yield from self._flush(waiting)

    def _flush(self, tables: list[Table | None]) -> Iterator[np.ndarray]:
        given = [table for table in tables if table is not None]
        empty = np.empty((0, len(self.response.outputs)))
        values = self.response(stacked(given)) if given else empty
        position = 0
        for table in tables:
            size = 0 if table is None else len(table)
            yield values[position : position + size]
            position += size


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of the rows in the mask among all rows; NaN elsewhere."""
    if mask.all():
        return values
    spread = np.full((len(mask), values.shape[1]), np.nan)
    spread[mask] = values
    return spread
