"""What is audited: a model before or after, and the groups of a sensitive feature.

A model is a function of a table's rows, any transformation in front of it included; it
gets the columns that it names. How rows are moved, and what is measured, lives beside
this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme._engine.claims import names_claimed
from skfme._engine.prediction import Response, choose_response, unfrozen
from skfme._engine.row_checks import rows_are_alone
from skfme._explainer.explainer import FMEExplainer
from skfme._frames.arithmetic import as_type, column_like, common_type
from skfme._frames.columns import ColumnData, kind_of, numbers_in
from skfme._frames.groups import columns_named, groups_in, row_labels
from skfme._frames.hints import shown
from skfme._frames.tables import Table, as_table
from skfme._text.outputs import one_output
from skfme.steps._steps import Contrast

__all__ = ["Audited", "Sensitive", "audited", "labels_of"]

MOST_GROUPS = 12
FEWEST_ROWS = 10


@dataclass(frozen=True)
class Sensitive:
    """The feature that predictions should not respond to, and its groups.

    Attributes
    ----------
    name : str
    key : hashable or None
        Of its column in the table; None where it lies beside it.
    codes : ndarray of shape (n,), int
        The group of each row.
    values : tuple
        Of the groups.
    """

    name: str
    key: Any
    codes: np.ndarray
    values: tuple

    @classmethod
    def of(cls, table: Table, sensitive: Any, counted: np.ndarray) -> Sensitive:
        """Read a column of the table, or labels beside it.

        Parameters
        ----------
        table : Table of n rows
        sensitive : column of the table, or array-like of shape (n,)
        counted : ndarray of shape (n,), bool
            Rows that have a weight.

        Raises
        ------
        ValueError
            If there is one group only or too many, a label is missing, or a group has
            too few rows.
        """
        columns = columns_named(sensitive, table)
        labels = row_labels(table, sensitive, "sensitive")
        if labels.shape[1] != 1:
            raise ValueError(
                f"sensitive has {labels.shape[1]} columns; an audit is about one. Join "
                "them into one label a row to audit their combinations."
            )
        name = str(labels.columns[0])
        if labels.isna().any(axis=None):
            raise ValueError(
                f"sensitive {name!r} is missing in {int(labels.isna().sum().sum())} rows. "
                "Leave these rows out, or give them a label of their own."
            )
        codes, keys = groups_in(labels)
        values = tuple(keys.iloc[:, 0])
        sizes = np.bincount(codes[counted], minlength=len(values))
        if len(values) < 2:
            raise ValueError(
                f"sensitive {name!r} has one value, {values[0]!r}, in all rows: nothing "
                "can respond to it. Give rows of two groups at least."
            )
        if len(values) > MOST_GROUPS:
            raise ValueError(
                f"sensitive {name!r} has {len(values)} values; an audit compares up to "
                f"{MOST_GROUPS} groups. Bin a number first, such as by pandas.qcut."
            )
        if sizes.min() < FEWEST_ROWS:
            few = int(np.argmin(sizes))
            raise ValueError(
                f"{name}={values[few]} has {sizes[few]} rows; {FEWEST_ROWS} at least are "
                "needed in each group. Join small groups, or leave them out."
            )
        return cls(name, None if columns is None else columns[0], codes, values)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """Each group against the first."""
        return [(0, k) for k in range(1, len(self.values))]

    def ends(self, pair: tuple[int, int]) -> tuple[Any, Any]:
        """Both groups' values."""
        values = self.values
        return values[pair[0]], values[pair[1]]

    def title(self, pair: tuple[int, int]) -> str:
        """Such as ``sex f -> m``."""
        low, high = self.ends(pair)
        return f"{self.name} {low} -> {high}"


class _Function(RegressorMixin, BaseEstimator):
    """One output of a response as a model of its own, behind a transformation."""

    def __init__(self, audited: Any = None, transformed: bool = False) -> None:
        self.audited = audited
        self.transformed = transformed

    def fit(self, X: Any, y: Any = None) -> _Function:
        return self

    def predict(self, X: Any) -> np.ndarray:
        table = as_table(X)
        if self.transformed:
            table = self.audited.transformed(table)
        return np.asarray(self.audited.predict(table))


@dataclass(frozen=True)
class Audited:
    """A model as a function of the rows that it is given.

    Attributes
    ----------
    response : Response
    output : int
        Position of the output that is audited.
    columns : list of str or None
        The columns that the model names; None is all.
    transform : callable or None
        What makes the model's table of the rows.
    table : Table of n rows
        The rows as the model gets them.
    """

    response: Response
    output: int
    columns: list[str] | None
    transform: Callable[[Any], Any] | None
    table: Table

    def transformed(self, table: Table) -> Table:
        """Other rows as the model gets them."""
        return _transformed(self.transform, table)

    def predict(self, table: Table) -> np.ndarray:
        """Predictions of rows as the model gets them, of shape (n,)."""
        return self.response(_named(table, self.columns))[:, self.output]

    @cached_property
    def predictions(self) -> np.ndarray:
        """Of the rows themselves."""
        return self.predict(self.table)

    def direct(self, sensitive: Sensitive, pair: tuple[int, int]) -> np.ndarray:
        """FMEs of a change of the sensitive feature, all that the model is given held."""
        return self._contrasted(self.table, sensitive, pair, transformed=False)

    def direct_through(
        self, table: Table, sensitive: Sensitive, pair: tuple[int, int]
    ) -> np.ndarray:
        """The same of the raw rows, which are transformed anew."""
        return self._contrasted(table, sensitive, pair, transformed=True)

    def _contrasted(
        self,
        table: Table,
        sensitive: Sensitive,
        pair: tuple[int, int],
        *,
        transformed: bool,
    ) -> np.ndarray:
        key = sensitive.key
        if key is None or not (transformed or self.reads(key)):
            return np.zeros(len(table))
        low, high = sensitive.ends(pair)
        explainer = FMEExplainer(
            FrozenEstimator(_Function(self, transformed)),
            {key: Contrast(low, high)},
            extrapolation=None,
        ).fit(table.native)
        (effect,) = explainer.explain(table.native).values()
        return np.array(effect.fme)

    def reads(self, key: Any) -> bool:
        """Whether the model gets a column."""
        if self.columns is not None and str(key) not in self.columns:
            return False
        return key in self.table.names or self.table.kind == "numpy"

    def with_numbers(
        self, rows: np.ndarray, positions: list[int], numbers: np.ndarray
    ) -> Table:
        """Some rows with other numbers in some columns."""
        table = self.table.take(rows).relabelled()
        columns = {
            p: column_like(_in_floats(table.column(p)), numbers[:, k])
            for k, p in enumerate(positions)
        }
        return table.with_columns(columns) if columns else table

    def target(self, y: np.ndarray) -> np.ndarray:
        """The target as numbers; of a class that is predicted, whether it is that."""
        classes = getattr(unfrozen(self.response.estimator), "classes_", None)
        name = self.response.outputs[self.output]
        known = [] if classes is None else list(classes)
        labels = list(map(str, known))
        if name in labels:
            given = pd.Series(y)
            unknown = given[~given.isin(known) & given.notna()]
            if len(unknown):
                raise ValueError(
                    f"y has {shown(unknown.iloc[0])}, which is no class of the model "
                    f"({', '.join(labels)})."
                )
            matches = given == known[labels.index(name)]
            return matches.where(given.notna(), np.nan).to_numpy(dtype=float)
        try:
            return y.astype(float)
        except (TypeError, ValueError):
            raise ValueError(
                f"y must be numbers, whose loss can be formed; got {shown(y[0])}."
            ) from None

    @property
    def numeric(self) -> list[int]:
        """Positions of the numeric columns that the model gets."""
        return [
            position
            for position, name in enumerate(self.table.names)
            if (self.columns is None or str(name) in self.columns)
            and kind_of(self.table.column(position)) == "numeric"
        ]

    def numbers(self, positions: list[int]) -> np.ndarray:
        """Numeric columns of the rows, of shape (n, n_columns)."""
        columns = [numbers_in(self.table.column(p)).astype(float) for p in positions]
        return np.column_stack(columns) if columns else np.empty((len(self.table), 0))


def audited(
    model: Any,
    table: Table,
    response_method: Any,
    output: str | None,
    transform: Callable[[Any], Any] | None,
) -> Audited:
    """A fitted model, or a function of a table, ready to be asked.

    Raises
    ------
    TypeError
        If the model is neither.
    """
    if not hasattr(model, "predict") and response_method == "auto":
        if not callable(model):
            raise TypeError(
                "before and after must be fitted models or functions of a table, got "
                f"{type(model).__name__}."
            )
        response_method = model_itself
    given = _transformed(transform, table)
    names = names_claimed(unfrozen(model))
    read = names if names and set(names) <= set(map(str, given.names)) else None
    asked = _named(given, read)
    response = choose_response(model, response_method, asked)
    response = replace(response, divisible=rows_are_alone(response, asked))
    k = one_output(response.outputs, output, "an audit")
    return Audited(response, k, read, transform, given)


def model_itself(model: Any, X: Any) -> Any:
    return model(X)


def _transformed(transform: Callable[[Any], Any] | None, table: Table) -> Table:
    if transform is None:
        return table
    if not callable(transform):
        raise TypeError(
            "transform must be a function of a table that returns the table that the "
            f"model gets, such as transformer.transform; got {shown(transform)}."
        )
    made = as_table(transform(table.private()))
    if len(made) != len(table):
        raise ValueError(
            f"transform made {len(made)} rows of {len(table)}; expected one for each."
        )
    return made


def _named(table: Table, columns: list[str] | None) -> Table:
    if columns is None or columns == list(map(str, table.names)):
        return table
    places = {str(name): p for p, name in enumerate(table.names)}
    return table.select([places[name] for name in columns])


def _in_floats(column: ColumnData) -> ColumnData:
    return as_type(column, common_type(column, continuous=True))


def labels_of(values: Any, table: Table, what: str) -> np.ndarray:
    """One code a row, of clusters or strata; a unit of its own for each row if None."""
    if values is None:
        return np.arange(len(table))
    labels = row_labels(table, values, what)
    if labels.isna().any(axis=None):
        raise ValueError(f"{what} is missing in some rows. Give each row a label.")
    codes, _ = groups_in(pd.DataFrame(labels))
    return np.asarray(codes)
