"""What is changed and whose averages are formed, resolved against a model's columns.

Steps are read by :func:`skfme.steps.parse_steps`, as everywhere; here it is seen to that
only columns that the model reads can be stepped.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._frames.checks import refuse_infinite
from skfme._frames.hints import known_names
from skfme._frames.schema import Column, describe_columns
from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme.extrapolation import Support, fit_support
from skfme.statsmodels._models.fitted import FittedModel
from skfme.steps._changes import NamedStep
from skfme.steps._parsing import parse_steps
from skfme.steps._training import Training, TrainingColumn

__all__ = ["Plan", "columns_read"]


@dataclass(frozen=True)
class Plan:
    """What is changed, resolved against the rows that ranges come from.

    Attributes
    ----------
    steps : tuple of NamedStep
    support : Support or None
    columns : tuple of Column
    kind : str
        Of the table that these belong to.
    """

    steps: tuple[NamedStep, ...]
    support: Support | None
    columns: tuple[Column, ...]
    kind: str

    @classmethod
    def of(
        cls,
        fitted: FittedModel,
        given: Table,
        weights: Weighting,
        named: list[Any],
        steps: Any,
        extrapolation: Any,
        categorical_features: Any,
    ) -> Plan:
        table = columns_read(fitted, given, named)
        refuse_infinite(table)
        if weights.array is not None and not weights.array.all():
            positive = np.flatnonzero(weights.array)
            table, weights = table.take(positive), weights.take(positive)
        design = fitted.design
        if isinstance(categorical_features, str):
            listed = design.categorical() or categorical_features
        else:
            unread = set(given.names) - set(table.names)
            listed = [key for key in categorical_features if key not in unread]
            listed += design.categorical()
        columns = describe_columns(table, listed)
        allowed = {*design.used(table), *(table.position(name) for name in named)}
        training = ModelTraining(table, columns, weights, fitted, given.names, allowed)
        parsed = parse_steps(steps, training)
        if steps is None or isinstance(steps, str):  # the columns of an array stay
            parsed = tuple(
                s for s in parsed if all(c.position in allowed for c in s.changes)
            )
        support = fit_support(extrapolation, table, columns, weights)
        return cls(parsed, support, columns, table.kind)


class ModelTraining(Training):
    """Training rows of which only the columns that the model reads can be stepped."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column],
        weights: Weighting,
        fitted: FittedModel,
        given: Sequence[Hashable],
        allowed: set[int],
    ) -> None:
        super().__init__(table, columns, weights)
        self._fitted, self._given, self._allowed = fitted, given, allowed

    def __getitem__(self, key: Hashable) -> TrainingColumn:
        known = key in self.table.names or key not in self._given
        if known:
            column = super().__getitem__(key)
            if column.column.position in self._allowed:
                return column
        wording = self._fitted.design.wording
        raise ValueError(
            f"steps change {key!r}, which {wording} does not use: the effect would be "
            "zero whatever the data."
            + known_names([self.table.names[i] for i in sorted(self._allowed)])
        )


def columns_read(fitted: FittedModel, table: Table, named: list[Any]) -> Table:
    """The table's columns that the model or its offset reads; all of an array's."""
    used = fitted.design.used(table)
    if table.kind == "numpy":
        return table
    others = {table.position(name) for name in named} - set(used)
    return table.select([*used, *sorted(others)])
