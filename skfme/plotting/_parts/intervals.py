"""Intervals of an effect along a feature, as results of statistics have them.

Results are read by their tables alone: estimates by values of the feature, a regression's
expectation along it, or one average for all rows. How rows are drawn is in the marks.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._frames.columns import factorized
from skfme._frames.tables import as_table
from skfme.plotting._parts.canvas import ORANGE
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._sources import Effect
from skfme.steps._reference_rows import profiles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["IntervalsAlong", "draw_intervals", "intervals_along"]

_N_POINTS = 60
COLOUR = "#8c2d80"
_ENDS = ["estimate", "conf_low", "conf_high"]


@dataclass(frozen=True)
class IntervalsAlong:
    """Estimates and the ends of their intervals at places of an axis.

    Attributes
    ----------
    places : ndarray of shape (m,)
        Empty for one average of all rows.
    ends : ndarray of shape (m or 1, 3)
        Estimate, lower and upper end.
    text : str
        What they are.
    joined : bool
        Whether they are points of one curve.
    """

    places: np.ndarray
    ends: np.ndarray
    text: str
    joined: bool = False


def intervals_along(
    effect: Effect, inference: Any, column: Hashable, axis: FeatureAxis, output: int
) -> IntervalsAlong:
    """What results say of one output of an effect along a column.

    Raises
    ------
    TypeError
        If they are no results.
    ValueError
        If they are of another effect, or by other groups.
    """
    if not hasattr(inference, "to_frame"):
        raise TypeError(
            "inference must be results with to_frame(), such as those of "
            f"skfme.statsmodels; got {type(inference).__name__}."
        )
    table = effect.context.table
    name = str(table.names[table.position(column)])
    covers = getattr(inference, "covers", "")
    interval = f"95 % interval ({covers})" if covers else "95 % interval"
    frame = _of_output(inference.to_frame(), effect, output)
    if name in frame:
        frame = frame[frame["effect"] == effect.name]
        places = _places(effect, column, axis)
        at = np.array([places.get(label, np.nan) for label in frame[name]], dtype=float)
        if not np.isfinite(at).any():
            raise ValueError(_other_groups(effect, name))
        ends = frame[_ENDS].to_numpy(dtype=float)
        return IntervalsAlong(at, ends, f"estimates, {interval}")
    if hasattr(inference, "prediction_frame"):
        return _of_regression(effect, inference, column, axis, output, interval)
    frame = frame[frame["effect"] == effect.name]
    if len(frame) != 1:
        raise ValueError(_other_groups(effect, name))
    ends = frame[_ENDS].to_numpy(dtype=float)
    return IntervalsAlong(np.empty(0), ends, f"average, {interval}")


def _of_output(frame: pd.DataFrame, effect: Effect, output: int) -> pd.DataFrame:
    if "output" not in frame:
        return frame
    return frame[frame["output"].astype(str) == str(effect.context.outputs[output])]


def _other_groups(effect: Effect, name: str) -> str:
    return (
        f"inference has no one estimate of {effect.name!r} for each value of {name!r}, and "
        f"none for all rows. Give results by={name!r}, a regression of the effect on it "
        f"(ConditionalEffects.from_formula), or the average of all rows."
    )


def _places(effect: Effect, column: Hashable, axis: FeatureAxis) -> dict[Any, float]:
    """Where each entry of the rows that count is on the axis."""
    table = effect.context.table
    rows = np.flatnonzero(effect.counted)
    codes, distinct = factorized(table.column(table.position(column))[rows])
    first = np.full(len(distinct), -1)
    seen, at = np.unique(codes[codes >= 0], return_index=True)
    first[seen] = np.flatnonzero(codes >= 0)[at]
    positions = np.asarray(axis.values, dtype=float)
    return {
        label: float(positions[place])
        for label, place in zip(distinct, first, strict=True)
        if place >= 0
    }


def _of_regression(
    effect: Effect,
    inference: Any,
    column: Hashable,
    axis: FeatureAxis,
    output: int,
    interval: str,
) -> IntervalsAlong:
    """The expectation at observed values of a column, with all else typical."""
    table = effect.context.table
    values, first = np.unique(axis.values, return_index=True)
    known = np.flatnonzero(np.isfinite(values))
    chosen = np.unique(np.linspace(0, len(known) - 1, _N_POINTS).astype(int))
    rows = np.flatnonzero(effect.counted)[first[known[chosen]]]
    position = table.position(column)
    typical = as_table(profiles(table.native)).take(np.zeros(len(rows), dtype=np.intp))
    points = typical.with_columns({position: table.column(position)[rows]})
    frame = inference.prediction_frame(points.private())
    ends = _of_output(frame, effect, output)[_ENDS].to_numpy(dtype=float)
    text = f"regression, all else typical, {interval}"
    return IntervalsAlong(values[known[chosen]], ends, text, joined=axis.ticks is None)


def draw_intervals(axes: Axes, intervals: IntervalsAlong) -> Any:
    """Points with their intervals, a curve with its band, or a band across."""
    estimate, low, high = intervals.ends.T
    if not len(intervals.places):
        return axes.axhspan(low[0], high[0], color=ORANGE, alpha=0.2, linewidth=0)
    if intervals.joined:
        band = axes.fill_between(
            intervals.places, low, high, color=COLOUR, alpha=0.25, linewidth=0, zorder=4
        )
        (line,) = axes.plot(
            intervals.places, estimate, color=COLOUR, linewidth=1.6, zorder=4.5
        )
        return (band, line)
    style = {"color": COLOUR, "zorder": 6, "capsize": 2.5, "markersize": 5}
    return axes.errorbar(
        intervals.places, estimate, [estimate - low, high - estimate], fmt="s", **style
    )
