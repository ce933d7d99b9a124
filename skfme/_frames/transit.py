"""Rows from elsewhere in the types that fit saw.

Files, databases and clusters hand a column over in types of their own: text for
categories, decimals for numbers, instants under another zone. What they stand for stays,
and becomes the type of fit's column; what cannot is left as it came, or refused where it
would be read wrongly. Types are taken from rows of fit and passed on: no library is asked
for a zone that it may not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.columns import (
    ColumnData,
    holds_objects,
    is_coded,
    kind_of,
    numbers_in,
)
from skfme._frames.dates import holds_dates, zone_of
from skfme._frames.tables import ArrayTable, FrameTable, Table

__all__ = ["in_categories_of_fit", "in_types_of_fit"]


def in_types_of_fit(table: Table, example: Table) -> Table:
    """The same rows in the types of a few rows of fit, position by position.

    Raises
    ------
    ValueError
        If moments have a time zone on one side only, or a type cannot hold an entry.
    """
    if len(table.names) != len(example.names) or isinstance(table, ArrayTable):
        return table
    columns = [table.column(p) for p in range(len(table.names))]
    if isinstance(example, ArrayTable):
        return _as_array(table, columns)
    examples = [example.column(p) for p in range(len(example.names))]
    alike = table.kind == example.kind
    if alike and all(map(_same_type, columns, examples)):
        return table
    for name, column, like in zip(table.names, columns, examples, strict=True):
        _refuse_another_clock(name, column, like)
    if example.kind == "pandas":
        made = dict(zip(table.names, map(_in_pandas, columns, examples), strict=True))
        index = table.native.index if table.pandas_like else None
        frame = pd.DataFrame(made, index=index, copy=False)
        result: Table = FrameTable(nw.from_native(frame, eager_only=True))
    elif example.kind in ("polars", "pyarrow"):
        result = _in_arrow_types(table, example.kind, examples)
    else:
        return table
    result._given = table.given
    return result


def in_categories_of_fit(table: Table, example: Table) -> Table:
    """Texts as the categories that fit had them as; all other columns as they came.

    A table that was read from a file again has texts, and a model that was fitted on
    categories takes none.
    """
    if isinstance(table, ArrayTable) or isinstance(example, ArrayTable):
        return table
    made = {}
    for p, name in enumerate(table.names):
        column = table.column(p)
        if p >= len(example.names) or example.names[p] != name or is_coded(column):
            continue
        like = example.column(p)
        if is_coded(like) and kind_of(column) == "categorical":
            made[p] = (
                nw.from_native(_in_pandas(column, like), series_only=True)
                if table.pandas_like
                else _in_narwhals(column, like)
            )
    if not made:
        return table
    result = table.with_columns(made)
    result._given = table.given
    return result


def _as_array(table: Table, columns: Sequence[ColumnData]) -> Table:
    """Numbers that numpy would hold as objects, such as decimals, as floats."""
    odd = any(holds_objects(c) or isinstance(c.dtype, nw.Decimal) for c in columns)
    if not odd or any(kind_of(column) != "numeric" for column in columns):
        return table
    result = ArrayTable(np.column_stack([numbers_in(c) for c in columns]).astype(float))
    result._given = table.given
    return result


def _same_type(column: nw.Series, like: nw.Series) -> bool:
    return _are_alike(_dtype(column), _dtype(like))


def _are_alike(dtype: Any, other: Any) -> bool:
    """Whether types are equal, in the order of their categories too."""
    if isinstance(dtype, pd.CategoricalDtype) and dtype == other:
        return list(dtype.categories) == list(other.categories)
    return bool(dtype == other and str(dtype) == str(other))


def _dtype(column: nw.Series) -> Any:
    native: Any = column.to_native()
    return getattr(native, "dtype", None) or native.type


def _refuse_another_clock(name: Any, column: nw.Series, like: nw.Series) -> None:
    """Refuse local times for instants, and the other way round."""
    if not (_is_of_moments(column) and _is_of_moments(like)):
        return
    zone, zone_in_fit = zone_of(column), zone_of(like)
    if (zone is None) == (zone_in_fit is None):
        return
    if zone is None:
        raise ValueError(
            f"{str(name)!r} holds local times without a time zone, and had the zone "
            f"{zone_in_fit} in fit, so that their instants are unknown. Hand over "
            "instants: of a Spark DataFrame a timestamp and not timestamp_ntz, of pandas "
            f"dt.tz_localize({str(zone_in_fit)!r})."
        )
    raise ValueError(
        f"{str(name)!r} holds instants (shown in {zone}), and was without a time zone in "
        "fit, so that which clock to read them by is unknown. Hand over local times: of a "
        "Spark DataFrame cast('timestamp_ntz') under the spark.sql.session.timeZone of "
        "these clocks, of pandas dt.tz_convert(zone).dt.tz_localize(None)."
    )


def _is_of_moments(column: nw.Series) -> bool:
    if column.dtype in (nw.Date, nw.Duration) or not holds_dates(column):
        return False
    return getattr(_dtype(column), "kind", "M") != "m"


# pandas


def _in_pandas(column: nw.Series, like: nw.Series) -> pd.Series:
    """A column as pandas has it, in the type of one of fit's."""
    dtype, native = _dtype(like), column.to_native()
    if not column.implementation.is_pandas_like():
        series = _from_arrow(column.to_arrow(), dtype).rename(column.name)
    elif isinstance(native.dtype, pd.ArrowDtype) and native.dtype != dtype:
        series = _from_arrow(column.to_arrow(), dtype).rename(column.name)
        series.index = native.index
    else:
        series = native
    return series if _are_alike(series.dtype, dtype) else _retyped(series, dtype)


def _from_arrow(arrow: Any, dtype: Any) -> pd.Series:
    """A column of Arrow's types in pandas, so that no entry is lost on the way."""
    if hasattr(arrow, "unify_dictionaries"):  # chunks, of categories each its own
        arrow = arrow.unify_dictionaries()
    kind = str(arrow.type)
    if kind.startswith("decimal") and not _is_object(dtype):
        arrow = arrow.cast("float64")
    elif kind.startswith("timestamp") and "tz=" in kind:
        moments = arrow.cast(f"timestamp[{arrow.type.unit}]")  # in UTC
        return pd.Series(moments.to_pandas()).dt.tz_localize("UTC")
    elif kind.startswith("date") and getattr(dtype, "kind", "") == "M":
        arrow = arrow.cast("timestamp[s]")
    elif kind.startswith("dictionary") and (
        # The first is polars' own, which older versions of pyarrow do not convert.
        "indices=uint" in kind or not isinstance(dtype, pd.CategoricalDtype)
    ):
        arrow = arrow.cast(arrow.type.value_type)
        kind = str(arrow.type)
    if "string" in kind and _is_object(dtype):
        return pd.Series(arrow.to_numpy(zero_copy_only=False), dtype=object)
    if hasattr(dtype, "__from_arrow__") and not isinstance(
        dtype, (pd.CategoricalDtype, pd.DatetimeTZDtype)
    ):
        with suppress(Exception):  # entries that the type of fit does not hold
            return pd.Series(dtype.__from_arrow__(arrow), dtype=dtype)
    return pd.Series(arrow.to_pandas())


def _is_object(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind == "O"


def _retyped(series: pd.Series, dtype: Any) -> pd.Series:
    """A column in a type of fit that says the same; as it came where none does."""
    if isinstance(dtype, pd.CategoricalDtype):
        return _in_categories(series, dtype)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if isinstance(dtype, pd.DatetimeTZDtype):
        zoned = isinstance(series.dtype, pd.DatetimeTZDtype)
        return _in_unit(series.dt.tz_convert(dtype.tz), dtype) if zoned else series
    if getattr(dtype, "kind", "") == "M" and series.dtype.kind == "M":
        return _in_unit(series, dtype)
    if isinstance(dtype, np.dtype) and dtype.kind in "iuf":
        return _in_numbers(series, dtype)
    text = pd.api.types.is_string_dtype(series) or series.isna().all()
    if isinstance(dtype, pd.StringDtype) and text:
        return series.astype(dtype)
    if _is_object(dtype) and isinstance(series.dtype, pd.StringDtype):
        return series.astype(object).where(series.notna(), None)
    return series


def _in_categories(series: pd.Series, dtype: pd.CategoricalDtype) -> pd.Series:
    """Entries among the categories of fit; those that it did not see come after them."""
    coded = isinstance(series.dtype, pd.CategoricalDtype)
    entries = series.cat.remove_unused_categories().cat.categories if coded else series
    numbers = pd.api.types.is_numeric_dtype(entries.dtype)
    if numbers and not pd.api.types.is_numeric_dtype(dtype.categories.dtype):
        return series
    seen = pd.Index(entries if coded else series.dropna().unique())
    categories = [*dtype.categories, *seen.difference(dtype.categories, sort=False)]
    if not coded:
        made = pd.Categorical(series, categories, ordered=dtype.ordered)
        return pd.Series(made, index=series.index, name=series.name)
    among = series.cat.set_categories(categories).cat
    return among.as_ordered() if dtype.ordered else among.as_unordered()


def _in_unit(moments: pd.Series, dtype: Any) -> pd.Series:
    """Moments in the unit of fit, where that holds them."""
    converted = moments.astype(dtype)
    if not converted.astype(moments.dtype).equals(moments):
        raise ValueError(
            f"{str(moments.name)!r} holds moments that the type of fit, {dtype}, cannot "
            "hold. Fit the explainer on a finer unit."
        )
    return converted


def _in_numbers(series: pd.Series, dtype: np.dtype) -> pd.Series:
    """Numbers as floats where they are objects, and in fit's type where it holds them."""
    if _is_object(series.dtype):
        column = nw.from_native(series, series_only=True)
        if not series.isna().all() and kind_of(column) != "numeric":
            return series
        values = series.where(series.notna(), np.nan).astype(float)
        return values
    if series.dtype.kind not in "iuf" or series.dtype.kind == "f" == dtype.kind:
        return series
    if dtype.kind != "f" and (series.dtype.kind == "f" and series.isna().any()):
        return series
    converted = series.astype(dtype)
    return converted if (converted == series).all() else series


# polars and pyarrow


def _in_arrow_types(table: Table, kind: Any, examples: Sequence[nw.Series]) -> Table:
    assert isinstance(table, FrameTable)
    frame = table.relabelled().frame
    if table.kind != kind:
        frame = nw.from_arrow(frame.to_arrow(), backend=kind)
    columns = [
        _in_narwhals(frame.get_column(name), like)
        for name, like in zip(frame.columns, examples, strict=True)
    ]
    return FrameTable(frame.with_columns(*columns))


def _in_narwhals(column: nw.Series, like: nw.Series) -> nw.Series:
    """A column in the type of one of fit's, in a library that shares Arrow's types."""
    if _same_type(column, like):
        return column
    mine, its = column.dtype, like.dtype
    if isinstance(mine, nw.Datetime) and isinstance(its, nw.Datetime):
        if its.time_zone is not None:
            column = column.dt.convert_time_zone(its.time_zone)
        return column.cast(its)
    numeric = mine.is_numeric() and (its.is_float() or isinstance(its, nw.Decimal))
    text = (nw.String, nw.Categorical, nw.Enum)
    empty = bool(column.is_null().all())
    if numeric or (mine in text and its in text) or (mine == nw.Date != its) or empty:
        return _cast(column, like)
    return column


def _cast(column: nw.Series, like: nw.Series) -> nw.Series:
    try:
        if column.implementation.is_pyarrow():
            native: Any = column.to_native()
            arrow = native.cast(like.to_native().type)
            return nw.from_native(arrow, series_only=True).alias(column.name)
        return column.cast(like.dtype)
    except Exception as error:
        raise ValueError(
            f"{column.name!r} of type {_dtype(column)} holds entries that the type of fit, "
            f"{_dtype(like)}, does not: {error}"
        ) from error
