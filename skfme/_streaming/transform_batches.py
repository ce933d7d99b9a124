"""Effects as further columns of a table that lives elsewhere: one pass, nothing kept.

Small tables are stacked before their effects are computed. What is read here is handed
back as record batches; lazy tables and clusters' tables stay their engine's own.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np

from skfme._engine.sharing import Shared
from skfme._engine.stepping import STATUSES
from skfme._frames.arrow import (
    arrow_table,
    conforming,
    reader_of,
    refuse_taken,
    with_columns_beside,
)
from skfme._streaming.reading import (
    BatchExplainer,
    BatchReader,
    as_dataframe,
    columns_needed,
    naming,
)
from skfme._streaming.sources.local import Batches, LazyTable
from skfme._streaming.sources.telling import source_of
from skfme._streaming.stacking import stacked_tables
from skfme._text.outputs import names_by_output

__all__ = ["transformed_batches"]


def transformed_batches(
    explainer: BatchExplainer, batches: Any, *, statuses: bool
) -> Any:
    """The source with effects as further columns.

    Parameters and errors are those of :meth:`skfme.FMEExplainer.transform_batches`.
    """
    source = source_of(batches)
    columns_needed(explainer, source.names, None, None)  # or they are refused
    work = _Extending(explainer, statuses, source.names is None)
    refuse_taken(source.names or (), [*work.names, *work.texts])
    if isinstance(source, Batches):
        return _as_reader(work.over_stream(), source)
    work = work.on_a_worker()
    if isinstance(source, LazyTable):
        return source.mapped(work)
    return source.mapped(Shared(work), work.names, work.texts)


def _as_reader(work: _Extending, source: Batches) -> Any:
    """Record batches that are computed as they are read."""
    tables = iter(source.read(None))
    schema = source.schema
    if schema is None:
        first = next(tables, None)
        if first is None:
            raise ValueError(
                "There are no tables, so that their columns are unknown; a generator can "
                "be used only once."
            )
        first = arrow_table(as_dataframe(first))
        schema, tables = first.schema, chain([first], tables)
    beside = work(schema.empty_table()).schema
    return reader_of(
        beside,
        (
            batch
            for where, table in stacked_tables(tables, schema)
            for batch in conforming(work(table, where), beside).to_batches()
        ),
    )


@dataclass(frozen=True)
class _Extending:
    """Tables with their effects beside them, here or on a worker."""

    explainer: BatchExplainer
    statuses: bool
    strict: bool

    @property
    def names(self) -> list[str]:
        """Columns of numbers that are added."""
        outputs = self.explainer._response.outputs
        return [
            name
            for step in self.explainer.steps_
            for name in names_by_output(step.name, outputs)
        ]

    @property
    def texts(self) -> list[str]:
        """Columns of texts that are added."""
        if not self.statuses:
            return []
        return [f"{step.name} status" for step in self.explainer.steps_]

    def on_a_worker(self) -> _Extending:
        """The same for one of many processes, whose rows come to few cores."""
        explainer = copy.copy(self.explainer)
        explainer.n_jobs, explainer.verbose = None, 0
        return replace(self, explainer=explainer).over_stream()

    def over_stream(self) -> _Extending:
        """The same for tables that count together where an engine is chosen."""
        explainer = copy.copy(self.explainer)
        explainer._choice = explainer._choice.over_stream()
        return replace(self, explainer=explainer)

    def __call__(self, native: Any, where: str = "a partition") -> Any:
        """A table of any library with its effects beside it."""
        reader = BatchReader(self.explainer, None, None, strict=self.strict)
        batch = reader((where, native))
        with naming(where):
            columns = self._columns(None if batch is None else batch.features)
            return with_columns_beside(native, columns)

    def _columns(self, features: Any) -> dict[str, np.ndarray]:
        """The columns beside rows of features; none of them where there are no rows."""
        if features is None:
            empty: Sequence[tuple[str, np.ndarray]] = [
                *((name, np.empty(0)) for name in self.names),
                *((name, np.empty(0, dtype=object)) for name in self.texts),
            ]
            return dict(empty)
        effects = list(self.explainer._explain(features.native).values())
        fme = np.hstack([effect.fme_2d for effect in effects])
        columns = dict(zip(self.names, fme.T, strict=True))
        if self.statuses:
            labels = np.array(STATUSES, dtype=object)
            codes = (labels[effect.status_codes] for effect in effects)
            columns |= dict(zip(self.texts, codes, strict=True))
        return columns
