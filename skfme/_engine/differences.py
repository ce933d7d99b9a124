"""Model-agnostic forward differences, f(x + h) − f(x), of one batch.

The base prediction is made once for all effects, rows that do not count are not
predicted, and short stepped tables share predict calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from skfme._engine.nonlinearity import StepPath, nonlinearity
from skfme._engine.prediction import Response, model_name
from skfme._engine.stepping import Measured, Stepped, selected, shared_starts
from skfme._frames.columns import ColumnData
from skfme._frames.tables import Table, stacked
from skfme.quadrature import Rule, rule_name

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
    name = "predict"

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect on the rows that count."""
        measured = []
        for effect, (low, high) in zip(
            effects, self.predictions(batch, effects), strict=True
        ):
            nlm, lost, name = None, 0, ""
            if rule is not None:
                nlm, lost = self.nonlinearity(batch, effect, low, high, rule)
                name = rule_name(rule)
            measured.append(Measured(high - low, low, high, nlm, lost, nlm_rule=name))
        return measured

    def predictions(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Predictions before and after each step, for the rows that count."""
        with naming_refused_type(self.response, batch, effects):
            yield from self._predictions(batch, effects)

    def _predictions(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        bases = _bases(batch, effects)
        requests: list[tuple[np.ndarray, dict[int, ColumnData]]] = []
        for i, (effect, base) in enumerate(zip(effects, bases, strict=True)):
            if base.first == i:
                requests.append((base.rows, base.columns))
            requests.append((effect.counted, effect.end))
        tables = (selected(batch, mask, columns) for mask, columns in requests)
        predictions = self._predict(tables)
        values: dict[int, np.ndarray] = {}
        for i, (effect, base) in enumerate(zip(effects, bases, strict=True)):
            if base.first == i:
                values[i] = _spread(next(predictions), base.rows)
            low = values[base.first][effect.counted]
            if base.last == i:
                del values[base.first]
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
        with naming_refused_type(self.response, batch, [effect]):
            return nonlinearity(path, low, high, rule)

    def of_tables(
        self, batch: Table, effect: Stepped, tables: Iterator[Table | None]
    ) -> Iterator[np.ndarray]:
        """Predictions of tables that lie between both ends of a batch's step, in turn."""
        with naming_refused_type(self.response, batch, [effect]):
            yield from self._predict(tables)

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


@contextmanager
def naming_refused_type(
    response: Response, batch: Table, effects: Sequence[Stepped]
) -> Iterator[None]:
    """Name the column whose numbers a model does not take in 64 bits.

    Raises
    ------
    ValueError
        In place of the model's own error, where the rows as they are have a prediction.
    """
    try:
        yield
    except MemoryError:  # which says nothing of a type
        raise
    except Exception as error:
        changes = [bound for effect in effects for bound in effect.changes]
        widened = [bound for bound in changes if bound.is_widened(batch)]
        if not widened or not _predicts(response, batch.take(slice(0, 1))):
            raise
        change, dtype = widened[0].change, batch.native_type(widened[0].change.position)
        raise ValueError(
            f"{model_name(response.estimator)} does not predict {change.feature!r} in "
            f"float64 ({type(error).__name__}: {error}). The column is of type {dtype}, "
            f"which does not hold the step {change.label} to a millionth of its size, so "
            "that both ends of the step are in float64. Take a step that the type holds, "
            "or explain a function that casts for the model: "
            "fme(lambda X: model.predict(X.astype('float32')), X, …)."
        ) from error


def _predicts(response: Response, table: Table) -> bool:
    try:
        response(table)
    except Exception:  # then its error is about something else
        return False
    return True


@dataclass(frozen=True)
class _Base:
    """The rows before a step, predicted once for all effects that start from them.

    Attributes
    ----------
    first, last : int
        Of these effects.
    rows : ndarray of shape (n_rows,), bool
        Those that count for any of them.
    columns : dict of int -> column of n_rows entries
        What differs from the batch: other types, or values that a step sets.
    """

    first: int
    last: int
    rows: np.ndarray
    columns: dict[int, ColumnData]


def _bases(batch: Table, effects: Sequence[Stepped]) -> list[_Base]:
    """What each effect starts from."""
    sharing: dict[int, list[int]] = {}
    for i, start in enumerate(shared_starts(batch, effects)):
        sharing.setdefault(start, []).append(i)
    bases = {}
    for members in sharing.values():
        rows = np.logical_or.reduce([effects[i].counted for i in members])
        base = _Base(members[0], members[-1], rows, effects[members[0]].before)
        bases.update(dict.fromkeys(members, base))
    return [bases[i] for i in range(len(effects))]


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of the rows in the mask among all rows; NaN elsewhere."""
    if mask.all():
        return values
    among_all = np.full((len(mask), values.shape[1]), np.nan)
    among_all[mask] = values
    return among_all
