"""Effects of a table that is read more than once, batch by batch.

What needs several looks at the rows, and cannot keep them, passes over the source again:
each pass reads it, computes the effects anew, and adds them to a total, here or on the
workers of a cluster, whose totals are merged. What a total is lives with whoever asks.
"""

from __future__ import annotations

import copy
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self, TypeVar

import numpy as np
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
from skfme._streaming.sources.partitions import Partitions, total_over
from skfme._streaming.sources.telling import source_of
from skfme._summaries.weighting import Weighting
from skfme.quadrature import Rule, as_rule
from skfme.steps._changes import NamedStep

__all__ = ["Explained", "Passes", "Total"]

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


class Total:
    """What one pass adds up.

    Attributes
    ----------
    n_rows : int
        Rows that were read.
    random : Generator
        For what samples rows: the same numbers however a local source cuts its rows.
    """

    n_rows: int = 0
    random: np.random.Generator | None = None

    def add(self, part: Explained) -> None:
        """Add some rows."""
        raise NotImplementedError

    def add_total(self, other: Self) -> None:
        """Add what another total has, but for `n_rows`."""
        raise NotImplementedError

    def merge(self, other: Self) -> Self:
        """Itself, with what another total has."""
        self.add_total(other)
        self.n_rows += other.n_rows
        return self


AnyTotal = TypeVar("AnyTotal", bound=Total)


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
        If the source is used up by one pass.
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

    def fold(self, empty: AnyTotal, *, nlm: bool = False) -> AnyTotal:
        """The total of one pass; `nlm` says whether non-linearity measures are needed."""
        source = self._source()
        rule = as_rule(self._explainer.nlm) if nlm else None
        weight, strict = self._sample_weight, source.names is None
        columns = columns_needed(self._explainer, source.names, weight, None)
        work = _Adding(self._explainer, self._step, weight, strict, rule, empty)
        total = total_over(source, columns, work, copy.deepcopy(empty))
        self._check_rows(total.n_rows)
        return total

    def _source(self) -> Batches | LazyTable | Partitions:
        given = self._given
        source = source_of(given() if callable(given) else given)
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


@dataclass(frozen=True)
class _Adding:
    """The total of tables that come one after another, here or on a worker."""

    explainer: Any
    step: NamedStep
    sample_weight: Any
    strict: bool
    rule: Rule | None
    empty: Any

    def on_a_worker(self) -> _Adding:
        """The same for one of many processes, whose rows come to few cores."""
        explainer = copy.copy(self.explainer)
        explainer.n_jobs = None
        return replace(self, explainer=explainer)

    def __call__(self, tables: Iterable[Any], within: str = "") -> Any:
        total = copy.deepcopy(self.empty)
        for part in self._explained(tables, within):
            if total.random is None:
                # Partitions draw each their own numbers, which their rows decide.
                seed = zlib.crc32(part.effect.fme_2d.tobytes()) if within else 0
                total.random = np.random.default_rng(seed)
            total.n_rows += part.weights.n
            total.add(part)
        total.random = None  # not to be sent
        return total

    def _explained(self, tables: Iterable[Any], within: str) -> Iterator[Explained]:
        explainer = self.explainer
        reader = BatchReader(explainer, self.sample_weight, None, strict=self.strict)
        for neighbours in together(map(reader, numbered(tables, within))):
            batch = stacked_batches(neighbours)
            neighbours.clear()  # before the next batch is read
            for rows in gen_batches(len(batch), _MOST_ROWS):
                part = batch if len(batch) <= _MOST_ROWS else batch.rows(rows)
                with naming(part.where):
                    table = explainer._table(part.features.native)
                    effects = explainer._effects(table, (self.step,), self.rule, None)
                (effect,) = effects.values()
                yield Explained(part.where, part.features, effect, part.weights)
