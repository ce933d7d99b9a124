"""Model-agnostic forward differences, f(x + h) − f(x), batch by batch.

Within a batch the base prediction is made once for all effects, rows that do not
count are not predicted, and short stepped tables share predict calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._changes import BoundChange, NamedStep
from skfme._columns import ColumnData
from skfme._engine.batches import plan_rows, run_batches
from skfme._engine.prediction import Response
from skfme._frames import Table, stacked
from skfme.extrapolation import Support

__all__ = ["STATUSES", "Differences", "forward_differences"]

STATUSES = ("counted", "missing", "at_target", "extrapolation")
# Below this many rows a predict call costs more to make than to do.
_SHARED_ROWS = 16384
_COUNTED, _MISSING, _AT_TARGET, _EXTRAPOLATION = range(4)


@dataclass
class Differences:
    """One effect over all rows.

    Attributes
    ----------
    fme : ndarray of shape (n_samples, n_outputs)
        NaN where a row does not count.
    status : ndarray of shape (n_samples,), int8
        Position in `STATUSES`.
    """

    fme: np.ndarray
    status: np.ndarray


@dataclass(frozen=True)
class _Stepped:
    """One effect within a batch: who counts, and the columns before and after."""

    status: np.ndarray
    start: dict[int, ColumnData]
    end: dict[int, ColumnData]


def forward_differences(
    response: Response,
    table: Table,
    steps: Sequence[NamedStep],
    support: Support | None,
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
        Differences(np.full((n, n_outputs), np.nan), np.empty(n, dtype=np.int8))
        for _ in steps
    ]
    rows_per_batch = plan_rows(n, table.row_bytes + 8 * n_outputs, batch_size, n_jobs)
    work = _Batch(response, bound, support, min(rows_per_batch, _SHARED_ROWS))
    n_outside_before = 0
    for rows, (parts, outside) in run_batches(
        work, table, rows_per_batch, n_jobs, verbose
    ):
        n_outside_before += outside
        for result, (fme, status) in zip(results, parts, strict=True):
            result.fme[rows] = fme
            result.status[rows] = status
    return results, n_outside_before


@dataclass(frozen=True)
class _Batch:
    """The work on one slice of rows; a callable that joblib can ship."""

    response: Response
    bound: list[tuple[BoundChange, ...]]
    support: Support | None
    shared_rows: int

    def __call__(
        self, batch: Table, rows: slice
    ) -> tuple[list[tuple[np.ndarray, np.ndarray]], int]:
        n_outside, before = 0, None
        if self.support is not None:
            outside, before = self.support.before(batch)
            n_outside = int(np.count_nonzero(outside))
        stepped = [self._step(batch, rows, changes, before) for changes in self.bound]
        fmes = self._difference(batch, stepped)
        parts = [(fme, s.status) for fme, s in zip(fmes, stepped, strict=True)]
        return parts, n_outside

    def _step(
        self,
        batch: Table,
        rows: slice,
        changes: tuple[BoundChange, ...],
        before: Any,
    ) -> _Stepped:
        start: dict[int, ColumnData] = {}
        end: dict[int, ColumnData] = {}
        status = np.full(len(batch), _COUNTED, dtype=np.int8)
        missing = np.zeros(len(batch), dtype=bool)
        for bound in changes:
            position = bound.change.position
            end[position] = bound.end(batch, rows)
            low = bound.start(batch)
            if low is not None:
                start[position] = low
            there = bound.at_target(batch)
            if there is not None:
                status[there] = _AT_TARGET
            gone = bound.missing(end[position])
            if gone is not None:
                missing |= gone
        status[missing] = _MISSING
        if self.support is not None:
            for columns in (start, end):
                asked = status == _COUNTED
                if columns:
                    outside = self.support.outside(batch, before, columns, asked)
                    status[outside & asked] = _EXTRAPOLATION
        return _Stepped(status, start, end)

    def _difference(self, batch: Table, effects: list[_Stepped]) -> list[np.ndarray]:
        n, n_outputs = len(batch), len(self.response.outputs)
        counted = [s.status == _COUNTED for s in effects]
        base_rows = np.zeros(n, dtype=bool)
        for effect, mask in zip(effects, counted, strict=True):
            if not effect.start:
                base_rows |= mask
        masks = [base_rows]
        changes: list[dict[int, ColumnData]] = [{}]
        for effect, mask in zip(effects, counted, strict=True):
            for columns in (effect.start, effect.end):
                if columns:
                    masks.append(mask)
                    changes.append(columns)
        jobs = (
            _selected(batch, mask, columns)
            for mask, columns in zip(masks, changes, strict=True)
        )
        predictions = self._predict(jobs)
        base = np.full((n, n_outputs), np.nan)
        base[base_rows] = next(predictions)
        fmes = []
        for effect, mask in zip(effects, counted, strict=True):
            fme = np.full((n, n_outputs), np.nan)
            before = next(predictions) if effect.start else base[mask]
            fme[mask] = next(predictions) - before
            fmes.append(fme)
        return fmes

    def _predict(self, tables: Iterator[Table | None]) -> Iterator[np.ndarray]:
        """Predictions of each table; neighbours of equal schema share a call."""
        waiting: list[Table | None] = []
        n_waiting, schema = 0, None
        for table in tables:
            size = 0 if table is None else len(table)
            fits = n_waiting + size <= self.shared_rows
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


def _selected(
    batch: Table, mask: np.ndarray, columns: dict[int, ColumnData]
) -> Table | None:
    """The rows that count, with the columns changed; None where no row does."""
    if not mask.any():
        return None
    if mask.all():
        return batch.with_columns(columns) if columns else batch
    rows = np.flatnonzero(mask)
    chosen = batch.take(rows)
    if not columns:
        return chosen
    return chosen.with_columns({p: column[rows] for p, column in columns.items()})
