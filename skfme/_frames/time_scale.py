"""Dates, moments and durations on a scale of numbers, and numbers of it as dates.

Numbers are whole microseconds since the first entry, which floats hold exactly over 285
years, and whole seconds over any. A cut of the scale becomes the moment that parts a
column's own entries in the same way, in its time zone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import ColumnData
from skfme._frames.dates import holds_dates, instants, zone_of

__all__ = ["TimeScale", "moment_text", "time_scale"]


@dataclass(frozen=True)
class TimeScale:
    """How a column of dates becomes numbers.

    Attributes
    ----------
    duration : bool
        Whether it holds durations.
    origin : int
        Microseconds of the number 0, since 1970 in UTC.
    zone : object
        Time zone of its moments, or None.
    finer : bool
        Whether entries lie between microseconds; they count as the one before.
    """

    duration: bool
    origin: int = 0
    zone: Any = None
    finer: bool = False

    def numbers(self, column: ColumnData, name: object) -> np.ndarray:
        """Microseconds of a column's entries, NaN where missing.

        Raises
        ------
        TypeError
            If it holds something else than the column that the scale is of.
        """
        expected = self._what
        if not holds_dates(column):
            dtype = column.dtype
            raise TypeError(f"Column {name!r} held {expected}; got {dtype} entries.")
        other = time_scale(column)
        if other._what != expected:
            raise TypeError(f"Column {name!r} held {expected}; got {other._what}.")
        ticks = _microseconds(instants(column))
        numbers = (ticks.astype(np.int64) - self.origin).astype(float)
        numbers[np.isnat(ticks)] = np.nan
        return numbers

    @property
    def _what(self) -> str:
        if self.duration:
            return "durations"
        return f"moments {'without' if self.zone is None else 'with'} a time zone"

    def moment(self, cut: float, *, strict: bool) -> pd.Timestamp | pd.Timedelta:
        """The cut of a column: the last moment below it, or the first one above.

        Parameters
        ----------
        cut : float
            In microseconds.
        strict : bool
            Whether entries at the cut belong above.
        """
        kind = "m8" if self.duration else "M8"
        ticks = self.origin + (math.ceil(cut) if strict else math.floor(cut))
        last = np.int64(ticks).view(f"{kind}[us]")
        if self.finer and not strict:
            last = last.astype(f"{kind}[ns]") + np.timedelta64(999, "ns")
        if self.duration:
            return pd.Timedelta(last)
        moment = pd.Timestamp(last)
        return (
            moment
            if self.zone is None
            else moment.tz_localize("UTC").tz_convert(self.zone)
        )


def time_scale(column: ColumnData) -> TimeScale:
    """The scale of a column of dates, moments or durations."""
    moments = instants(column)
    whole = _microseconds(moments)
    observed = ~np.isnat(moments)
    finer = bool((whole[observed] != moments[observed]).any())
    origin = int(whole[observed].min().astype(np.int64)) if observed.any() else 0
    return TimeScale(moments.dtype.kind == "m", origin, zone_of(column), finer)


def _microseconds(moments: np.ndarray) -> np.ndarray:
    return moments.astype(f"{moments.dtype.kind}8[us]")


def moment_text(moment: pd.Timestamp | pd.Timedelta) -> str:
    """Such as ``2024-03-01``; the time of day is left out at midnight without a zone."""
    return str(moment).removesuffix(" 00:00:00")
