"""Dates, moments and durations in a column: their instants, and moving them.

A column keeps its own type: models that read ticks see a change of unit as a change of a
thousand or a million times. Moments with a time zone are compared and moved as instants,
never by the wall clock. Some zones (pandas' America/New_York or Etc/GMT+5) are unknown to
narwhals, so that pandas' columns of moments are read by pandas itself.
"""

from __future__ import annotations

import datetime
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import pandas as pd

from skfme._frames.hints import shown

__all__ = [
    "distance",
    "holds_dates",
    "instants",
    "moved_in_time",
    "pandas_moments",
    "wall_clock",
    "zone_of",
]

_NANOSECONDS = {
    "D": 86_400 * 10**9,
    "s": 10**9,
    "ms": 10**6,
    "us": 10**3,
    "ns": 1,
}


def holds_dates(column: Any) -> bool:
    """Whether a column holds dates, moments or durations."""
    if isinstance(column, np.ndarray):
        return column.dtype.kind in "Mm"
    known = isinstance(column.dtype, (nw.Datetime, nw.Date, nw.Duration))
    return known or _zoned_by_pandas(column) is not None


def instants(column: Any) -> np.ndarray:
    """Moments as datetime64 in UTC, durations as timedelta64; missing is NaT."""
    return _clock(column, "UTC")


def wall_clock(column: Any) -> np.ndarray:
    """The same as clocks in the column's own time zone show them."""
    return _clock(column, None)


def _clock(column: Any, zone: str | None) -> np.ndarray:
    if isinstance(column, np.ndarray):
        return column
    native = _zoned_by_pandas(column)
    if native is not None:
        moments = native if zone is None else native.dt.tz_convert(zone)
        return np.asarray(moments.dt.tz_localize(None).to_numpy())
    if isinstance(column.dtype, nw.Datetime) and column.dtype.time_zone:
        if zone is not None:
            column = column.dt.convert_time_zone(zone)
        column = column.dt.replace_time_zone(None)
    values: np.ndarray = column.to_numpy()
    return values.astype("datetime64[us]") if values.dtype.kind == "O" else values


def _zoned_by_pandas(column: Any) -> Any:
    """Moments in a time zone as pandas' own, where pandas holds them; else None."""
    if isinstance(column, np.ndarray) or not column.implementation.is_pandas_like():
        return None
    native = column.to_native()
    arrow: Any = getattr(native.dtype, "pyarrow_dtype", None)
    if arrow is not None and getattr(arrow, "tz", None) is not None:
        return native.astype(pd.DatetimeTZDtype(arrow.unit, arrow.tz))
    return native if isinstance(native.dtype, pd.DatetimeTZDtype) else None


def pandas_moments(column: Any) -> pd.Series:
    """Moments or durations as pandas has them, moments in the column's time zone."""
    moments, zone = pd.Series(instants(column)), zone_of(column)
    return (
        moments if zone is None else moments.dt.tz_localize("UTC").dt.tz_convert(zone)
    )


def zone_of(column: Any) -> Any:
    if isinstance(column, np.ndarray):
        return None
    native = _zoned_by_pandas(column)
    return (
        getattr(column.dtype, "time_zone", None) if native is None else native.dtype.tz
    )


def distance(value: Any, entry: Any) -> pd.Timedelta:
    """From the one moment in a column of one entry to another one.

    Parameters
    ----------
    value : date, moment or duration
        Without a time zone, it is taken in the column's own.

    Raises
    ------
    ValueError
        If it is none, has a time zone and the column has none, or falls into the hour
        that clocks skip or repeat.
    """
    here = instants(entry)[0]
    if here.dtype.kind == "m":
        return _read(pd.Timedelta, value, "a duration") - pd.Timedelta(here)
    moment, zone = _read(pd.Timestamp, value, "a date"), zone_of(entry)
    if zone is None and moment.tzinfo is not None:
        raise ValueError(
            f"{shown(value)} has a time zone, and the column has none; give a moment without "
            "one, or convert the column"
        )
    if zone is not None:
        if moment.tzinfo is None:
            try:
                moment = moment.tz_localize(zone)
            except Exception as error:  # pandas 2 raises pytz's own
                raise ValueError(
                    f"{shown(value)} is no single moment in {zone}, where clocks are put "
                    "forward or back; give it with its time zone"
                ) from error
        moment = moment.tz_convert("UTC").tz_localize(None)
    return moment - pd.Timestamp(here)


def _read(kind: Any, value: Any, expected: str) -> Any:
    try:
        moment = kind(value)
    except (TypeError, ValueError):
        moment = pd.NaT
    if pd.isna(moment):
        raise ValueError(f"expected {expected}, got {shown(value)}")
    return moment


def moved_in_time(column: Any, amount: datetime.timedelta) -> Any:
    """Column + amount, of the column's own type.

    Raises
    ------
    ValueError
        If that type cannot hold the moments exactly.
    """
    if isinstance(column, np.ndarray):
        return _moved_array(column, pd.Timedelta(amount).to_timedelta64())
    native, dtype = column.to_native(), column.dtype
    if isinstance(getattr(native, "dtype", None), pd.ArrowDtype):
        return _moved_arrow(native, amount)
    unit: Any = "D" if dtype == nw.Date else getattr(dtype, "time_unit", None)
    zoned = _zoned_by_pandas(column)
    if zoned is not None:
        unit = zoned.dtype.unit
    n_units, rest = divmod(_nanoseconds(amount), _NANOSECONDS[unit or "ns"])
    if rest:
        raise _not_held(amount, unit)
    if column.implementation.is_pandas_like():
        try:
            moved = (native + pd.Timedelta(amount)).astype(native.dtype)
        except (OverflowError, pd.errors.OutOfBoundsTimedelta) as error:
            raise _not_held(amount, unit) from error
        return nw.from_native(moved, series_only=True)
    if unit == "D":
        return (column + datetime.timedelta(days=n_units)).cast(dtype)
    # As numbers: durations of Python, and polars' own sums with them, end at microseconds.
    ticks = column.cast(nw.Int64)
    observed = ticks.drop_nulls()
    limits, ends = np.iinfo(np.int64), (0, 0)
    if len(observed):
        ends = int(observed.min()), int(observed.max())
    if not all(limits.min < end + n_units <= limits.max for end in ends):
        raise _not_held(amount, unit)
    return (ticks + n_units).cast(dtype)


def _moved_arrow(native: pd.Series, amount: datetime.timedelta) -> nw.Series:
    """A pandas series of Arrow's type, moved by Arrow.

    pandas' own sums are checked for overflow in missing entries as well (pyarrow 18).
    """
    chunks: Any = native.array.__arrow_array__()
    moved = moved_in_time(nw.from_native(chunks, series_only=True), amount).to_native()
    array = pd.arrays.ArrowExtensionArray(moved)
    series = pd.Series(array, index=native.index, name=native.name)
    return nw.from_native(series, series_only=True)


def _nanoseconds(amount: datetime.timedelta) -> int:
    whole = (amount.days * 86_400 + amount.seconds) * 10**6 + amount.microseconds
    return whole * 1000 + getattr(amount, "nanoseconds", 0)


def _moved_array(column: np.ndarray, amount: np.timedelta64) -> np.ndarray:
    moved = column + amount
    kept = moved.astype(column.dtype)
    observed = ~np.isnat(column)
    back = kept.astype(moved.dtype) != moved
    zero = amount - amount  # in its own unit
    wrapped = (moved < column) != (amount < zero)
    if (observed & (back | (wrapped & (amount != zero)))).any():
        raise _not_held(amount, np.datetime_data(column.dtype)[0])
    return kept


def _not_held(amount: Any, unit: str) -> ValueError:
    return ValueError(
        f"a step of {amount} leaves no whole number of the column's unit ({unit}), or its "
        "range. Convert the column to a finer unit before the model is fitted, or take "
        "another step"
    )
