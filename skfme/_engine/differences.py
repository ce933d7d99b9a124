"""Model-agnostic forward differences, f(x + h) − f(x), of one batch.

The base prediction is made once for all effects, rows that do not count are not
predicted, and short stepped tables share predict calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from skfme._engine.nonlinearity import StepPath, nonlinearity
from skfme._engine.prediction import Response
from skfme._engine.stepping import Measured, Stepped, selected
from skfme._frames.columns import ColumnData
from skfme._frames.tables import Table, stacked
from skfme.quadrature import Rule

__all__ = ["PredictEngine"]

# Below this many rows a predict call costs more to make than to do.
_SHARED_ROWS = 16384


@dataclass(frozen=True)
class PredictEngine:
    """Differences of predictions; a callable that joblib can ship.

    Attributes
    ----------
    response : Response
    rows_per_call : int
    """

    response: Response
    rows_per_call: int

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect on the rows that count."""
        measured = []
        for effect, (low, high) in zip(
            effects, self.predictions(batch, effects), strict=True
        ):
            nlm, lost = None, 0
            if rule is not None:
                nlm, lost = self.nonlinearity(batch, effect, low, high, rule)
            measured.append(Measured(high - low, nlm, lost))
        return measured

    def predictions(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Predictions before and after each step, for the rows that count."""
        base_rows = np.zeros(len(batch), dtype=bool)
        for effect in effects:
            if not effect.start:
                base_rows |= effect.counted
        requests: list[tuple[np.ndarray, dict[int, ColumnData]]] = [(base_rows, {})]
        for effect in effects:
            ends = (effect.start, effect.end)
            requests += [(effect.counted, columns) for columns in ends if columns]
        tables = (selected(batch, mask, columns) for mask, columns in requests)
        predictions = self._predict(tables)
        base = _spread(next(predictions), base_rows)
        for effect in effects:
            low = next(predictions) if effect.start else base[effect.counted]
            yield low, next(predictions)

    def nonlinearity(
        self,
        batch: Table,
        effect: Stepped,
        low: np.ndarray,
        high: np.ndarray,
        rule: Rule,
    ) -> tuple[np.ndarray, int]:
        """NLM of the rows that count, by quadrature, and how many did not converge."""
        rows = np.flatnonzero(effect.counted)
        path = StepPath.of_effect(
            self.response, batch.take(rows), effect.at(rows), self.rows_per_call
        )
        return nonlinearity(path, low, high, rule)

    def _predict(self, tables: Iterator[Table | None]) -> Iterator[np.ndarray]:
        """Predictions of each table; neighbours of equal schema share a call."""
        waiting: list[Table | None] = []
        n_waiting, schema = 0, None
        for table in tables:
            size = 0 if table is None else len(table)
            if table is not None:
                fits = n_waiting + size <= self._rows_to_share(table)
                if n_waiting and not (fits and table.schema() == schema):
                    yield from self._flush(waiting)
                    waiting, n_waiting = [], 0
                schema = table.schema()
            waiting.append(table)
            n_waiting += size
        yield from self._flush(waiting)

    def _rows_to_share(self, table: Table) -> int:
        """Rows that tables may share a call with; a row's label stands once in a table."""
        if self.response.needs_labels(table):
            return 0
        return min(self.rows_per_call, _SHARED_ROWS)

    def _flush(self, tables: list[Table | None]) -> Iterator[np.ndarray]:
        with_rows = [table for table in tables if table is not None]
        empty = np.empty((0, len(self.response.outputs)))
        values = self.response(stacked(with_rows)) if with_rows else empty
        position = 0
        for table in tables:
            size = 0 if table is None else len(table)
            yield values[position : position + size]
            position += size


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of the rows in the mask among all rows; NaN elsewhere."""
    if mask.all():
        return values
    among_all = np.full((len(mask), values.shape[1]), np.nan)
    among_all[mask] = values
    return among_all
