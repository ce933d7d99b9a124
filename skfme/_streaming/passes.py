"""Effects of a table that is read more than once, batch by batch.

What needs several looks at the rows, and cannot keep them, passes over the source again:
each pass reads it, and computes the effects anew. What is made of the effects lives with
whoever asks.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

from sklearn.utils import gen_batches

from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffect
from skfme._streaming.explain_batches import together
from skfme._streaming.reading import (
    BatchExplainer,
    BatchReader,
    columns_needed,
    naming,
    numbered,
    stacked_batches,
)
from skfme._streaming.sources.local import Batches, LazyTable
from skfme._streaming.sources.telling import source_of
from skfme._summaries.weighting import Weighting
from skfme.quadrature import as_rule
from skfme.steps._changes import NamedStep

__all__ = ["Explained", "Passes"]

_MOST_ROWS = 262_144  # explained at once

AGAIN = (
    "Pass what can be read again: a path of Parquet files, a dataset or table of pyarrow, "
    "a list of tables, or a function that returns an iterator of tables."
)


class Explained(NamedTuple):
    """Some rows of a source, with their effects.

    Attributes
    ----------
    where : str
        How errors name them.
    features : Table of n rows
    effect : ForwardEffect
        Without weights.
    weights : Weighting
    """

    where: str
    features: Table
    effect: ForwardEffect
    weights: Weighting


class Passes:
    """A source, and the effects of one step on it, as often as they are read.

    Parameters
    ----------
    explainer : BatchExplainer
    given : table, path, iterable of tables, or function
    step : NamedStep
    sample_weight : label, callable or None

    Raises
    ------
    TypeError
        If the source is used up by one pass, or lives on a cluster.
    """

    def __init__(
        self, explainer: BatchExplainer, given: Any, step: NamedStep, sample_weight: Any
    ) -> None:
        self._given, self._sample_weight = given, sample_weight
        self._step = step
        self._explainer: Any = copy.copy(explainer)
        self._explainer.verbose = 0
        self._explainer._choice = explainer._choice.over_stream()
        self._n_rows: int | None = None
        if not callable(given):
            self._source()  # or it is refused

    def read(self, *, nlm: bool = False) -> Iterator[Explained]:
        """One pass; `nlm` says whether non-linearity measures are needed."""
        source, n_rows = self._source(), 0
        names = source.names
        explainer, weight = self._explainer, self._sample_weight
        columns = columns_needed(explainer, names, weight, None)
        reader = BatchReader(explainer, weight, None, strict=names is None)
        rule = as_rule(explainer.nlm) if nlm else None
        for neighbours in together(map(reader, numbered(source.read(columns)))):
            batch = stacked_batches(neighbours)
            neighbours.clear()  # before the next batch is read
            n_rows += len(batch)
            for rows in gen_batches(len(batch), _MOST_ROWS):
                part = batch if len(batch) <= _MOST_ROWS else batch.rows(rows)
                with naming(part.where):
                    table = explainer._table(part.features.native)
                    effects = explainer._effects(table, (self._step,), rule, None)
                (effect,) = effects.values()
                yield Explained(part.where, part.features, effect, part.weights)
        self._check_rows(n_rows)

    def _source(self) -> Batches | LazyTable:
        given = self._given
        source = source_of(given() if callable(given) else given)
        if not isinstance(source, Batches | LazyTable):
            raise TypeError(
                f"A tree is grown here, in several passes, and a {type(given).__name__} "
                f"lives on a cluster. Write it to Parquet and give the path. {AGAIN}"
            )
        if isinstance(source, Batches) and source.once and not callable(given):
            raise TypeError(
                f"A {type(given).__name__} is used up by one pass, and a tree takes "
                f"several. {AGAIN}"
            )
        return source

    def _check_rows(self, n_rows: int) -> None:
        """Refuse a source that is not the same each time."""
        if self._n_rows is None:
            self._n_rows = n_rows
        if n_rows != self._n_rows:
            raise ValueError(
                f"The source gave {self._n_rows:,} rows in the first pass and {n_rows:,} "
                f"in a later one; a tree takes several passes over the same rows. {AGAIN}"
            )
