"""A feature as one axis of a picture: its values, its ticks, and the step along it.

Here a column of the explained table is read; how its rows are drawn is in the marks.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._frames.columns import category_codes, kind_of, numbers_in
from skfme._frames.schema import describe_column
from skfme._frames.tables import Table
from skfme._text.labels import Labels, number
from skfme.plotting._parts.rows import rows_under
from skfme.plotting._sources import Effect
from skfme.steps._changes import Step
from skfme.steps._steps import Add, Contrast, Scale, SetTo, number_text
from skfme.steps._training import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FeatureAxis", "bin_edges", "feature_axis", "moves_along_axis"]

FEW = 10  # so many values or fewer stand side by side, not to scale


@dataclass(frozen=True)
class FeatureAxis:
    """A feature's values, ready for drawing.

    Parameters
    ----------
    values : ndarray of shape (n_counted,)
        Of the rows that count; positions 0, 1, … where `ticks` names them. NaN is not
        drawn.
    label : str, default=""
        Such as ``Body mass index (kg/m²)``.
    left_out : ndarray of shape (n_left_out,), default=empty
        Values of the rows left out as extrapolation points.
    arrow : (start, end) or None, default=None
        The step, as an arrow along the axis.
    arrow_label : str, default=""
    target : float or None, default=None
        The value that the step sets.
    ticks : sequence of str or None, default=None
        Names of the positions of an ordinal axis.
    dates : bool, default=False
        Whether values are days since 1970.
    nominal : bool, default=False
        Whether positions have no order, so that no line joins them.
    """

    values: np.ndarray
    label: str = ""
    left_out: np.ndarray = field(default_factory=lambda: np.empty(0))
    arrow: tuple[float, float] | None = None
    arrow_label: str = ""
    target: float | None = None
    ticks: Sequence[str] | None = None
    dates: bool = False
    nominal: bool = False

    def format(self, axes: Axes, which: str = "x") -> None:
        """Label one axis and set its ticks.

        Parameters
        ----------
        axes : Matplotlib Axes
        which : {"x", "y"}, default="x"
        """
        axis = getattr(axes, f"{which}axis")
        axis.set_label_text(self.label, parse_math=False)
        if self.dates:
            from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

            locator = AutoDateLocator()
            axis.set_major_locator(locator)
            axis.set_major_formatter(ConciseDateFormatter(locator))
        if self.ticks is not None:
            turned = which == "x" and sum(map(len, self.ticks)) > 48
            axis.set_ticks(
                range(len(self.ticks)),
                labels=[_short(tick) for tick in self.ticks],
                parse_math=False,
                **({"rotation": 30, "ha": "right"} if turned else {}),
            )


def _short(text: str, most: int = 24) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def feature_axis(effect: Effect, column: Hashable, labels: Labels) -> FeatureAxis:
    """Read one column of the table that was explained.

    Parameters
    ----------
    effect : Effect
    column : column name, or position for an array
    labels : Labels
    """
    table = effect.context.table
    position = table.position(column, "features name")
    name, entries = str(table.names[position]), table.column(position)
    categorical = table.names[position] in effect.context.categorical_features
    kind = "categorical" if categorical else kind_of(entries)
    if kind == "other":
        raise TypeError(f"{name!r} holds neither numbers, dates nor categories.")
    nominal = False
    if kind == "categorical":
        values, ticks, nominal = _category_positions(table, position)
    else:
        values, ticks = _as_floats(numbers_in(entries)), None
    axis = FeatureAxis(
        values[rows_under(effect.counted)],
        labels.full(name),
        values[effect.extrapolated],
        ticks=ticks,
        dates=kind == "datetime",
        nominal=nominal,
    )
    if kind == "categorical":
        return axis
    return _with_step(axis, effect.step.get(name), labels.unit(name))


def _with_step(axis: FeatureAxis, step: Step | None, unit: str) -> FeatureAxis:
    """A numeric axis with the step on it; few values stand side by side."""
    arrow, target = _move(step, axis.values)
    text = _step_text(step, unit)
    axis = replace(axis, arrow=arrow, arrow_label=text, target=target)
    distinct = None if axis.dates else _few_values(axis.values)
    return axis if distinct is None else _side_by_side(axis, distinct, step)


def bin_edges(axis: FeatureAxis, n_bins: int, *values: np.ndarray) -> np.ndarray:
    """Ends of bins that hold some values; one for each position of an ordinal axis."""
    if axis.ticks is not None:
        return np.arange(len(axis.ticks) + 1) - 0.5
    low = min((float(v.min()) for v in values if len(v)), default=0.0)
    high = max((float(v.max()) for v in values if len(v)), default=1.0)
    if high > low:
        return np.linspace(low, high, n_bins + 1)
    return np.array([low - 0.5, low + 0.5])


def _category_positions(
    table: Table, position: int
) -> tuple[np.ndarray, list[str], bool]:
    """Positions among the categories, NaN if missing; their names; if without order."""
    column = describe_column(table, position, categorical=True)
    categories = column.categories
    codes = category_codes(table.column(position), categories).astype(float)
    codes[codes < 0] = np.nan
    nominal = not column.ordered and not all(map(is_number, categories))
    return codes, [str(category) for category in categories], nominal


def _as_floats(values: np.ndarray) -> np.ndarray:
    """Numbers as they are, dates in days."""
    if values.dtype.kind == "m":
        return values / np.timedelta64(1, "D")
    if values.dtype.kind == "M":
        from matplotlib.dates import date2num

        values = date2num(values)
    return values.astype(float, copy=False)


def _few_values(values: np.ndarray) -> np.ndarray | None:
    """The distinct values, if there are few of them, each in several rows."""
    distinct: np.ndarray = np.empty(0)
    for start in range(0, len(values), 1 << 15):
        distinct = np.union1d(distinct, values[start : start + (1 << 15)])
        distinct = distinct[~np.isnan(distinct)]
        if len(distinct) > FEW:
            return None
    return distinct if len(values) >= 3 * len(distinct) > 0 else None


def _side_by_side(
    axis: FeatureAxis, distinct: np.ndarray, step: Step | None
) -> FeatureAxis:
    """The same feature with its few values side by side."""

    def place(values: Any) -> Any:  # NaN stays NaN
        return np.interp(values, distinct, np.arange(len(distinct)))

    arrow = None
    if isinstance(step, Add) and len(distinct) > 1:
        ends = distinct + step.amount
        starts = distinct[(ends >= distinct[0]) & (ends <= distinct[-1])]
        if len(starts):
            start = starts[len(starts) // 2]
            arrow = (float(place(start)), float(place(start + step.amount)))
    target = axis.target
    on_axis = target is not None and distinct[0] <= target <= distinct[-1]
    return replace(
        axis,
        values=place(axis.values),
        left_out=place(axis.left_out),
        arrow=arrow,
        target=float(place(target)) if on_axis else None,
        ticks=[number(value, 6) for value in distinct],
    )


def _move(
    step: Step | None, values: np.ndarray
) -> tuple[tuple[float, float] | None, float | None]:
    """The arrow of a step that moves rows, or the value that one sets."""
    if not len(values):
        return None, None
    if isinstance(step, Add):
        middle = (float(np.nanmin(values)) + float(np.nanmax(values))) / 2
        length = _length(step)
        return (middle - length / 2, middle + length / 2), None
    if isinstance(step, Scale):
        start = float(np.nanmedian(values))
        return (start, start * step.factor), None
    if isinstance(step, SetTo) and is_number(step.value):
        return None, float(step.value)
    return None, None


def _length(step: Add) -> float:
    """In the feature's units; in days along dates."""
    amount: Any = step.amount
    return float(amount if is_number(amount) else amount.total_seconds() / 86400)


def _step_text(step: Step | None, unit: str) -> str:
    """What stands beside the arrow, or beside the value set."""
    if isinstance(step, Add):
        length = _length(step)
        digits, unit = (4, unit) if is_number(step.amount) else (6, "d")
        return f"step {'+' * (length > 0)}{number(length, digits)} {unit}".rstrip()
    if isinstance(step, Scale):
        return f"step ×{number_text(step.factor)} from the median"
    if isinstance(step, SetTo):
        return f"set to {number_text(step.value)} {unit}".rstrip()
    return ""


def moves_along_axis(effect: Effect, column: Hashable) -> bool:
    """Whether a step takes rows from their own number or date to another."""
    table, step = effect.context.table, effect.step[str(column)]
    if isinstance(step, Contrast) or column in effect.context.categorical_features:
        return False
    if isinstance(step, SetTo) and not is_number(step.value):
        return False
    kind = kind_of(table.column(table.position(column)))
    return kind in ("numeric", "datetime")
