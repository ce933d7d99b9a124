"""Rows at chosen values: each combination of these, with all else typical or as observed.

A table for a model, of the kind and the types of the one that it is made of. Effects of
such rows say for whom an effect is so large; which rows a model was fitted on decides
elsewhere whether they count.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np

from skfme._frames.arithmetic import as_type, common_type, is_narrow, numeric_type
from skfme._frames.checks import checked_weights
from skfme._frames.columns import ColumnData, factorized, missing_in, numbers_in
from skfme._frames.hints import shown
from skfme._frames.schema import describe_columns
from skfme._frames.tables import Table, as_table, stacked
from skfme._summaries.weighted import weighted_mean, weighted_quantiles
from skfme.steps._training import Training, TrainingColumn

__all__ = ["profiles"]

_RESTS = ("mean", "median", "mode", "observed")
_MOST_ROWS = 10_000_000


def profiles(
    X: Any,
    values: Mapping[Hashable, Any] | None = None,
    /,
    *,
    rest: str = "mean",
    sample_weight: Any = None,
    categorical_features: str | Iterable[Hashable] = "auto",
    **columns: Any,
) -> Any:
    """Rows at chosen values of some columns, with the other columns typical or observed.

    Parameters
    ----------
    X : array-like or dataframe of shape (n_samples, n_features)
        Rows that say what is typical; it is not changed.
    values : mapping of column -> value or list of values, default=None
        Chosen values, for columns whose names are no words of Python, such as positions
        of an array's columns.
    rest : {"mean", "median", "mode", "observed"}, default="mean"
        What the other columns hold. "mean", "median": numbers are at their mean or median
        (of integers, rounded; of only two values, at the more frequent one), dates at the
        middle one, categories, texts and booleans at the most frequent one. "mode": each
        column is at its most frequent value. "observed": every row of X is copied for each
        combination ("counterfactual" rows).
    sample_weight : column of X, or array-like of shape (n_samples,), default=None
        Weights of means, medians and modes.
    categorical_features : "auto" or list, default="auto"
        Columns that are categories, as in :class:`skfme.FMEExplainer`.
    **columns : value or list of values
        Chosen values by column, ``bmi=[20, 30], sex="s1"``.

    Returns
    -------
    rows : table of the kind of X
        One row, or with "observed" n_samples rows, for each combination of the values, the
        last column's changing first.

    Raises
    ------
    ValueError
        If a column is unknown, has no values or no observed one, or a category is unknown.
    TypeError
        If a value does not fit its column, or a column has no typical entry.

    See Also
    --------
    skfme.fme : ``fme(model, profiles(X, …), steps, background=X)``.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import fme, profiles
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> model = RandomForestRegressor(min_samples_leaf=5, random_state=0).fit(X, y)
    >>> rows = profiles(X, bmi=[22, 32], sex=[1, 2])
    >>> effect = fme(model, rows, {"bp": -10}, background=X)
    >>> effect.average(by=["bmi", "sex"])[["bmi", "sex", "ame", "before", "after"]].round(1)
        bmi  sex   ame  before  after
    0  22.0  1.0  -1.7   112.9  111.3
    1  22.0  2.0  -3.1    98.8   95.7
    2  32.0  1.0 -14.5   173.0  158.5
    3  32.0  2.0 -14.6   172.9  158.2
    """
    if rest not in _RESTS:
        raise ValueError(f"rest must be one of {_RESTS}, got {shown(rest)}.")
    table = as_table(X)
    weights = checked_weights(sample_weight, table)
    schema = describe_columns(table, categorical_features)
    training = Training(table, schema, weights)
    if values is not None and not isinstance(values, Mapping):
        raise TypeError(
            "profiles takes a mapping of column -> values, such as {'bmi': [20, 30]}, or "
            f"bmi=[20, 30]; got {shown(values)}."
        )
    given: dict[Hashable, Any] = {**(values or {})}
    twice = [name for name in columns if name in given]
    if twice:
        raise ValueError(f"profiles got values for {twice[0]!r} twice.")
    chosen = _chosen(training, given | columns)
    n_rows = len(table) if rest == "observed" else 1
    n_rows *= int(np.prod([len(entries) for entries in chosen.values()], dtype=float))
    if n_rows > _MOST_ROWS:
        raise ValueError(f"These are {n_rows:,} rows; choose fewer values.")
    base = table
    if rest != "observed":
        others = [c for c in training.columns if c.column.position not in chosen]
        typical = {c.column.position: _typical(c, rest) for c in others}
        base = table.take(slice(0, 1)).with_columns(typical) if typical else table
        base = base.take(slice(0, 1))
    parts = list(_combined(base, chosen))
    return stacked(parts).relabelled().private()


def _chosen(
    training: Training, values: Mapping[Hashable, Any]
) -> dict[int, list[ColumnData]]:
    """One-entry columns of the values of each column, by its position."""
    chosen: dict[int, list[ColumnData]] = {}
    for key, given in values.items():
        position = training.table.position(key, "profiles names")
        entries = _listed(given)
        if not len(entries):
            raise ValueError(
                f"profiles got no values for {key!r}; give one or several."
            )
        if position in chosen:
            raise ValueError(f"profiles got values for {key!r} twice.")
        column = training.columns[position]
        chosen[position] = _of_one_type(column, [column.constant(v) for v in entries])
    return chosen


def _listed(given: Any) -> list[Any]:
    """A value, or several, as a list of Python's own or NumPy's values."""
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        return [given]
    entries = given.tolist() if isinstance(given, np.ndarray) else list(given)
    return entries if isinstance(entries, list) else [entries]


def _of_one_type(
    column: TrainingColumn, constants: list[ColumnData]
) -> list[ColumnData]:
    """Constants of a column in one type: the column's own where that holds them."""
    if column.column.kind != "numeric":
        return constants
    own = column.table.column(column.column.position)
    dtype = numeric_type(own) if is_narrow(own) else common_type(*constants)
    return [as_type(constant, dtype) for constant in constants]


def _typical(column: TrainingColumn, rest: str) -> ColumnData:
    """What a column holds where nothing was chosen for it."""
    entries, kind = column.table.column(column.column.position), column.column.kind
    if kind == "other":
        column.require("numeric", f"rest={rest!r} of profiles")
    seen = np.flatnonzero(~missing_in(entries) & (column.weights.whole() > 0))
    if not len(seen):
        raise ValueError(
            f"{column.name!r} has no observed value in the rows. Choose one, or leave the "
            "column out."
        )
    if kind == "categorical" or rest == "mode" or column.only_values:
        return entries[seen[_most_frequent(column, entries, seen)]]
    numbers, weights = numbers_in(entries)[seen], column.weights.take(seen)
    if kind == "datetime":
        order = np.argsort(numbers, kind="stable")
        reached = np.cumsum(weights.whole()[order]) >= weights.sum / 2
        return entries[seen[order[[int(np.argmax(reached))]]]]
    values = numbers.astype(float)
    value = float(weighted_quantiles(values, np.array([0.5]), weights)[0])
    if rest == "mean" or np.isnan(value):
        value = weighted_mean(values, weights)
    value = round(value) if column.column.integer else value
    return _of_one_type(column, [column.constant(value)])[0]


def _most_frequent(
    column: TrainingColumn, entries: ColumnData, seen: np.ndarray
) -> np.ndarray:
    """Where, among the rows seen, the first entry of the greatest weight is."""
    codes, _ = factorized(entries[seen])
    weight = np.bincount(codes, column.weights.take(seen).whole())
    return np.flatnonzero(codes == int(np.argmax(weight)))[:1]


def _combined(base: Table, chosen: Mapping[int, list[ColumnData]]) -> Iterator[Table]:
    """The rows at each combination of the values."""
    for constants in product(*chosen.values()):
        rows = np.zeros(len(base), dtype=np.intp)
        columns = dict(zip(chosen, (c[rows] for c in constants), strict=True))
        yield base.with_columns(columns) if columns else base
