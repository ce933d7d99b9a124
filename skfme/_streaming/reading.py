"""Batches as they come in: which of their columns are features, weights and groups.

What must be equal in all batches is checked here, and errors name the batch. What is
computed of a batch is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pandas as pd

from skfme._engine.choice import EngineChoice
from skfme._engine.prediction import Response
from skfme._frames.checks import row_weights
from skfme._frames.columns import (
    ColumnData,
    is_coded,
    kind_of,
    missing_in,
    mixture_in,
    numbers_in,
    objects_in,
)
from skfme._frames.groups import in_joint_order, label_series
from skfme._frames.hints import known_names
from skfme._frames.schema import Column
from skfme._frames.tables import Table, as_table, has_no_rows, stacked
from skfme._frames.transit import in_types_of_fit
from skfme._results.effects import ForwardEffects
from skfme._streaming.tallies import RowKeys
from skfme._summaries.weighting import Weighting
from skfme.steps._changes import Change, NamedStep
from skfme.steps._training import is_number

__all__ = [
    "Batch",
    "BatchExplainer",
    "BatchReader",
    "as_dataframe",
    "columns_needed",
    "kept",
    "labels_of",
    "naming",
    "numbered",
    "stacked_batches",
]


def labels_of(by: Any) -> list[Hashable]:
    """The columns of groups, each once, in a list of its own."""
    labels = by if isinstance(by, list) else [] if by is None else [by]
    if not all(isinstance(label, Hashable) for label in labels):
        raise TypeError(
            f"by must be a column of the batches or a list of columns, got a "
            f"{type(by).__name__}. Make groups a column of the batches."
        )
    return list(dict.fromkeys(labels))


def columns_needed(
    explainer: BatchExplainer,
    names: Sequence[Hashable] | None,
    sample_weight: Any,
    by: Any,
) -> list[Any] | None:
    """What is read of a source: columns of fit, of weights and of groups; None is all.

    Raises
    ------
    ValueError
        If the source says which columns it has, and those are not among them.
    """
    if names is None or explainer._sample.kind == "numpy":
        return None
    labels = labels_of(by)
    if sample_weight is not None and not callable(sample_weight):
        labels.append(sample_weight)
    needed = [*(column.name for column in explainer.columns_), *labels]
    missing = [name for name in dict.fromkeys(needed) if name not in names]
    if missing:
        what = ", ".join(map(repr, missing))
        raise ValueError(
            f"The source has no columns {what}, which the model was fitted on or "
            "sample_weight and by name." + known_names(tuple(names))
        )
    return None if callable(sample_weight) else list(dict.fromkeys(needed))


def numbered(batches: Iterable[Any], within: str = "") -> Iterator[tuple[str, Any]]:
    """Each batch with its place, which errors name; `within` is that of all."""
    iterator, index = iter(batches), 0
    while True:
        try:
            batch = next(iterator)
        except StopIteration:
            return
        except Exception as error:
            error.add_note(f"while reading {within}batches[{index}]")
            raise
        yield f"{within}batches[{index}]", batch
        del batch  # before the next one is read
        index += 1


def as_dataframe(batch: Any) -> Any:
    """A dict of arrays, as Ray and torch hand batches over, as a dataframe."""
    return pd.DataFrame(dict(batch)) if isinstance(batch, Mapping) else batch


@contextmanager
def naming(where: str) -> Iterator[None]:
    """Errors name the batch, or the rows, that they arose in."""
    try:
        yield
    except Exception as error:
        if type(error) in (ValueError, TypeError):
            raise type(error)(f"{where}: {error}") from error
        error.add_note(f"in {where}")
        raise


@dataclass(frozen=True)
class Batch:
    """One batch: features, weights and groups.

    Attributes
    ----------
    where : str
        How errors name it.
    features : Table of n rows
    weights : Weighting
    groups : DataFrame of n rows
        Without columns where there are no groups.
    """

    where: str
    features: Table
    weights: Weighting
    groups: pd.DataFrame

    def __len__(self) -> int:
        return len(self.features)

    def coded_groups(self) -> RowKeys:
        """The rows' groups: a missing entry is a key like any other."""
        return _coded(self.groups)

    def rows(self, rows: slice) -> Batch:
        return Batch(
            f"{self.where}, rows {rows.start} to {rows.stop - 1}",
            self.features.take(rows),
            self.weights.take(rows),
            self.groups.iloc[rows],
        )


def kept(batch: Batch) -> Batch:
    """A batch in memory of its own, since a reader may fill its buffer again."""
    weights = batch.weights
    if weights.array is not None:
        weights = replace(weights, array=weights.array.copy())
    return Batch(batch.where, batch.features.copied(), weights, batch.groups.copy())


def stacked_batches(batches: Sequence[Batch]) -> Batch:
    """Batches of equal schema as one."""
    weights = Weighting(None, sum(map(len, batches)))
    if batches[0].weights.given:
        arrays = [batch.weights.whole() for batch in batches]
        weights = Weighting(np.concatenate(arrays), weights.n)
    first, last = batches[0].where, batches[-1].where
    return Batch(
        first if len(batches) == 1 else f"{first} to {last}",
        stacked([batch.features for batch in batches]),
        weights,
        _stacked_labels([batch.groups for batch in batches]),
    )


class BatchExplainer(Protocol):
    """A fitted explainer, as far as batches need one."""

    extrapolation: Any
    nlm: Any
    comparison: Any
    average: str
    weights_type: str
    response_label: str | None
    n_jobs: int | None
    verbose: int
    steps_: tuple[NamedStep, ...]
    columns_: tuple[Column, ...]
    _response: Response
    _choice: EngineChoice
    _sample: Table

    def _table(self, X: Any) -> Table: ...

    def _explain(self, X: Any) -> ForwardEffects: ...


class BatchReader:
    """Reads batches: which columns are features, weights and groups.

    Parameters
    ----------
    explainer : BatchExplainer
    sample_weight : label, callable or None
    by : label, list of labels or None
    strict : bool
        Whether other columns than those of fit are refused, and not passed over.
    """

    def __init__(
        self,
        explainer: BatchExplainer,
        sample_weight: Any,
        by: Any,
        *,
        strict: bool = True,
    ) -> None:
        if not (callable(sample_weight) or isinstance(sample_weight, Hashable)):
            raise TypeError(
                "sample_weight must be a column of the batches, or a function batch -> "
                f"weights, got a {type(sample_weight).__name__}."
            )
        self._explainer = explainer
        self._sample_weight = sample_weight
        self._by = labels_of(by)
        self._strict = strict
        # Checked on the first batch of several rows, and no more then.
        self._functions = [
            change
            for step in explainer.steps_
            for change in step.changes
            if change.function is not None
        ]

    def __call__(self, numbered: tuple[str, Any]) -> Batch | None:
        """The batch, its columns assigned and checked; None where it has no rows."""
        where, batch = numbered
        with naming(where):
            batch = as_dataframe(batch)
        if has_no_rows(batch):
            return None
        with naming(where):
            table = as_table(batch)
            weights = self._weights(batch, table)
            features = self._features(table)
            groups = self._groups(table, features)
            self._check(features)
        return Batch(where, features, weights, groups)

    def _weights(self, batch: Any, table: Table) -> Weighting:
        label = self._sample_weight
        if label is None:
            return Weighting(None, len(table))
        if callable(label):
            values = label(batch)
        else:
            column = table.column(table.position(label, "sample_weight names"))
            if kind_of(column) != "numeric":
                raise ValueError(
                    f"sample_weight names {label!r}, which does not hold numbers."
                )
            values = numbers_in(column)
        kind = self._explainer.weights_type
        return Weighting.of(row_weights(values, table), kind, len(table))

    def _groups(self, table: Table, features: Table) -> pd.DataFrame:
        """Labels of the groups; of a feature in its type of fit, so in its order there."""
        positions = [table.position(label, "by names") for label in self._by]
        columns = {}
        for i, position in enumerate(positions):
            name = table.names[position]
            known = table.kind != "numpy" and name in features.names
            columns[i] = _labels(
                features.column(features.names.index(name))
                if known
                else table.column(position)
            )
        return pd.DataFrame(columns, index=pd.RangeIndex(len(table)))

    def _features(self, table: Table) -> Table:
        """The columns of fit, as fit saw them; those of weights and groups alone are out."""
        fitted = [column.name for column in self._explainer.columns_]
        in_fit, has_all = set(fitted), set(fitted) <= set(table.names)
        set_aside = {table.position(label, "by names") for label in self._by}
        if self._sample_weight is not None and not callable(self._sample_weight):
            set_aside.add(table.position(self._sample_weight))
        new = [
            name
            for position, name in enumerate(table.names)
            if name not in in_fit and position not in set_aside
        ]
        if new and has_all and self._strict:
            raise ValueError(
                f"The columns {', '.join(map(repr, new))} were not seen in fit. Read "
                "its columns only, such as usecols=[…] of read_csv or columns=[…] of "
                "iter_batches, and those that "
                "sample_weight and by name."
            )
        if has_all:
            positions = [table.names.index(name) for name in fitted]
        else:
            positions = [
                position
                for position, name in enumerate(table.names)
                if name in in_fit or position not in set_aside
            ]
        if positions != list(range(len(table.names))):
            table = table.select(positions)
        return in_types_of_fit(table, self._explainer._sample)

    def _check(self, features: Table) -> None:
        """Refuse what could not be equal to the effects of the stacked table."""
        columns = self._explainer.columns_
        if features.names == tuple(column.name for column in columns):
            for column in columns:
                _check_kind(features.column(column.position), column)
        if self._functions and len(features) > 1:
            table = self._explainer._table(features.native)
            for change in self._functions:
                _check_rowwise(change, table)
            self._functions = []


def _labels(column: ColumnData) -> pd.Series:
    """Labels of one batch: categories, or entries as they are."""
    if is_coded(column):
        return label_series(column)
    return pd.Series(objects_in(column), dtype=object)


def _stacked_labels(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Labels of several batches; categories that differ are joined in one order."""
    columns = {}
    for name in frames[0]:
        parts = [frame[name] for frame in frames]
        if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
            joint = in_joint_order(list(part.cat.categories) for part in parts)
            parts = [part.cat.set_categories(joint) for part in parts]
        columns[name] = pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, index=pd.RangeIndex(sum(map(len, frames))))


def _order(labels: pd.Series) -> tuple:
    coded = isinstance(labels.dtype, pd.CategoricalDtype)
    return tuple(map(_plain, labels.cat.categories)) if coded else ()


def _coded(frame: pd.DataFrame) -> RowKeys:
    """Distinct rows of the frame as keys; a missing entry is a key like any other."""
    if not len(frame.columns):
        return RowKeys(((),), np.zeros(len(frame), dtype=np.intp))
    grouped = frame.groupby(list(frame), dropna=False, observed=True, sort=False)
    codes = grouped.ngroup().to_numpy()
    _, first = np.unique(codes, return_index=True)
    keys = [
        tuple(map(_plain, row))
        for row in frame.iloc[first].itertuples(index=False, name=None)
    ]
    position = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    orders = tuple(_order(labels) for _, labels in frame.items())
    codes = np.array([position[key] for key in keys])[codes]
    return RowKeys(tuple(position), codes, orders)


def _plain(value: Any) -> Any:
    """A key that is equal in all batches, whatever their types and kinds of missing."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _check_kind(entries: ColumnData, column: Column) -> None:
    kind = kind_of(entries)
    codes = column.kind == "categorical" and all(map(is_number, column.categories))
    if kind == column.kind or (codes and kind == "numeric"):
        return
    if column.kind == "categorical" and mixture_in(entries) is not None:
        return  # that the first batches held text alone says nothing of the rest
    if column.kind != "other" and not missing_in(entries).all():
        raise ValueError(
            f"{str(column.name)!r} is {kind} here, and was {column.kind} in fit. Give all "
            "batches the column types of fit, such as with a schema or dtype=."
        )


def _check_rowwise(change: Change, table: Table) -> None:
    """Refuse a user's function whose values depend on the other rows."""
    whole, middle = change.bind(table), len(table) // 2
    for rows in (slice(0, middle), slice(middle, len(table))):
        half = table.take(rows)
        among_all = whole.end(half, rows)
        among_half = change.bind(half).end(half, slice(0, len(half)))
        if not _equal(among_all, among_half, change.numeric):
            raise ValueError(
                f"The step {change.label} of {change.feature!r} gives a row another value "
                "among half of the rows than among all, so that its effects would depend "
                "on the batches. Make it a function of each row alone."
            )


def _equal(one: ColumnData, other: ColumnData, numeric: bool) -> bool:
    if numeric:
        numbers = numbers_in(one), numbers_in(other)
        return np.allclose(*numbers, rtol=1e-9, atol=0, equal_nan=True)
    return pd.Series(objects_in(one)).equals(pd.Series(objects_in(other)))
