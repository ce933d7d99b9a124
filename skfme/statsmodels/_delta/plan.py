"""What is changed and over which rows it is averaged, resolved against a model's columns.

Steps are read by :func:`skfme.steps.parse_steps`, as everywhere; here it is checked that
only columns that the model reads are stepped. Sums over the rows are another file's.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skfme._engine.comparing import read_comparisons
from skfme._frames.checks import refuse_infinite
from skfme._frames.hints import known_names
from skfme._frames.schema import Column, converted, describe_columns
from skfme._frames.tables import Table
from skfme._summaries.comparisons import Comparison
from skfme._summaries.weighting import Weighting
from skfme.extrapolation._support import Support, fit_support
from skfme.statsmodels._models.designs import Design
from skfme.statsmodels._models.offsets import Offset
from skfme.statsmodels._models.parametric import FittedModel
from skfme.statsmodels._rows.groups import Groups
from skfme.steps._changes import NamedStep
from skfme.steps._parsing import parse_steps
from skfme.steps._training import Training, TrainingColumn

__all__ = ["Plan", "Rows"]


@dataclass(frozen=True)
class Rows:
    """The rows to average over.

    Attributes
    ----------
    table : Table of n rows
        With all the columns that were given.
    weights : Weighting
    groups : Groups
    offset : Offset
    unused : ndarray of shape (n,), bool, or None
        Rows that the fit left out, which do not count either.
    """

    table: Table
    weights: Weighting
    groups: Groups
    offset: Offset
    unused: np.ndarray | None = None

    @property
    def measured(self) -> np.ndarray:
        """Positions of the rows that count, from which ranges and SDs come."""
        counting = self.weights.whole() > 0
        return np.flatnonzero(
            counting if self.unused is None else counting & ~self.unused
        )


@dataclass(frozen=True)
class Plan:
    """What is changed, and over which rows.

    Attributes
    ----------
    steps : tuple of NamedStep
    support : Support or None
        Judges which stepped rows count; None counts all.
    rows : Rows
        Of the columns that the model reads only, in the type of table that steps and
        support were made from.
    comparisons : tuple of Comparison
        Of each step.
    """

    steps: tuple[NamedStep, ...]
    support: Support | None
    rows: Rows
    comparisons: tuple[Comparison, ...]

    @classmethod
    def of(
        cls,
        fitted: FittedModel,
        rows: Rows,
        background: Table | None,
        steps: Any,
        extrapolation: Any,
        categorical_features: Any,
        compared: tuple[Any, str],
    ) -> Plan:
        """Read the steps; ranges come from the background, or from the rows.

        `compared` is how predictions are compared, and how that is averaged.
        """
        design, offset = fitted.design, rows.offset
        given, weights, measured = rows.table, rows.weights, rows.measured
        if background is not None:
            given, weights = background, Weighting(None, len(background))
            measured = np.arange(len(background))
        table = _columns_read(design, offset, given)
        refuse_infinite(table)
        if len(measured) < len(table):
            table, weights = table.take(measured), weights.take(measured)
        unread = set(given.names) - set(table.names)
        if isinstance(categorical_features, str):
            listed = design.categorical() or categorical_features
        else:
            listed = [key for key in categorical_features if key not in unread]
            listed += design.categorical()
        columns = describe_columns(table, listed)
        read = {*design.used(table), *offset.positions(table).values()}
        training = ModelTraining(table, columns, weights, design, read, unread)
        parsed = parse_steps(steps, training)
        if steps is None or isinstance(steps, str):  # the columns of an array stay
            parsed = tuple(
                s for s in parsed if all(c.position in read for c in s.changes)
            )
        support = fit_support(extrapolation, table, columns, weights)
        stepped = _columns_read(design, offset, rows.table)
        stepped = converted(stepped, table.kind, columns)
        comparisons = read_comparisons(*compared, parsed)
        if not fitted.has_level and not all(c.is_linear for c in comparisons):
            raise ValueError(
                f"comparison={compared[0]!r} is made of predictions, which {fitted.name} has "
                "but for the effects that it absorbed: only their differences are known. Use "
                "comparison='difference', or fit these effects as covariates."
            )
        return cls(parsed, support, replace(rows, table=stepped), comparisons)


class ModelTraining(Training):
    """Training rows of which only the columns that the model reads can be stepped."""

    def __init__(
        self,
        table: Table,
        columns: Sequence[Column],
        weights: Weighting,
        design: Design,
        read: set[int],
        unread: set[Hashable],
    ) -> None:
        super().__init__(table, columns, weights)
        self._design, self._read, self._unread = design, read, unread

    def __getitem__(self, key: Hashable) -> TrainingColumn:
        if key in self._design.absorbed:
            raise ValueError(
                f"steps change {key!r}, whose effects {self._design.wording} absorbs: the "
                "fit estimates no parameters of them, and no covariance. Fit the column as "
                f"a covariate, C({key}) in a formula, to have its effects."
            )
        if key not in self._unread:
            column = super().__getitem__(key)
            if column.column.position in self._read:
                return column
        raise ValueError(
            f"steps change {key!r}, which {self._design.wording} does not use: the "
            "effect would be zero whatever the data."
            + known_names([self.table.names[i] for i in sorted(self._read)])
        )


def _columns_read(design: Design, offset: Offset, table: Table) -> Table:
    """The table's columns that the model or its offset reads; all of an array's."""
    used = design.used(table)
    if table.kind == "numpy":
        return table
    added = set(offset.positions(table).values()) - set(used)
    # The package's own predictions, which are compared, take these columns as well.
    beside = {table.names.index(n) for n in design.absorbed if n in table.names}
    added |= beside - set(used)
    return table.select([*used, *sorted(added)])
