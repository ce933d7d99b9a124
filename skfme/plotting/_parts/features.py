"""A feature as one axis of a picture: its values, its ticks, and the step along it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._frames.columns import category_codes, kind_of, numbers_in
from skfme._frames.schema import describe_column
from skfme._frames.tables import Table
from skfme._text.labels import Labels, number
from skfme.steps._changes import Step
from skfme.steps._steps import Add, Contrast, Scale, SetTo, number_text
from skfme.steps._training import is_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FeatureAxis", "feature_axis", "moves_numbers"]

FEW = 10  # so many values or fewer stand side by side, not to scale
NOTHING = np.empty(0)


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
    """

    values: np.ndarray
    label: str = ""
    left_out: np.ndarray = field(default_factory=lambda: NOTHING)
    arrow: tuple[float, float] | None = None
    arrow_label: str = ""
    target: float | None = None
    ticks: Sequence[str] | None = None
    dates: bool = False

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


def feature_axis(
    table: Table,
    column: Hashable,
    *,
    counted: np.ndarray,
    left_out: np.ndarray,
    step: Step | None,
    categorical: bool,
    labels: Labels,
) -> FeatureAxis:
    """Read one column of the explained table.

    Parameters
    ----------
    table : Table
    column : column name, or position for an array
    counted, left_out : ndarray of shape (n_samples,)
        Masks of the rows that count, and of the extrapolation points.
    step : Step or None
        What the effect changes of this column.
    categorical : bool
        Whether to take numbers for categories.
    labels : Labels
    """
    position = table.position(column, "features name")
    name = str(table.names[position])
    entries = table.column(position)
    kind = "categorical" if categorical else kind_of(entries)
    if kind == "other":
        raise TypeError(f"{name!r} holds neither numbers, dates nor categories.")
    if kind == "categorical":
        codes, ticks = _levels(table, position)
        return FeatureAxis(
            _kept(codes, counted),
            labels.full(name),
            codes[left_out],
            ticks=ticks,
        )
    values = (
        _as_days(numbers_in(entries)) if kind == "datetime" else numbers_in(entries)
    )
    shown = _kept(values, counted)
    arrow, target = _move(step, shown)
    few = _few_values(shown) if kind == "numeric" else None
    plain = FeatureAxis(
        shown,
        labels.full(name),
        values[left_out],
        arrow,
        _step_text(step, labels.unit(name)),
        target,
        dates=kind == "datetime",
    )
    return plain if few is None else _ordinal(plain, few, step)


def _kept(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The entries under a mask as floats; no copy where all are."""
    kept = values if mask.all() else values[mask]
    return kept.astype(float, copy=False)


def _levels(table: Table, position: int) -> tuple[np.ndarray, list[str]]:
    """Position of each entry among the categories, NaN if missing; and their names."""
    entries = table.column(position)
    categories = describe_column(table, position, categorical=True).categories
    codes = category_codes(entries, categories).astype(float)
    codes[codes < 0] = np.nan
    return codes, [str(category) for category in categories]


def _as_days(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "m":
        return values / np.timedelta64(1, "D")
    from matplotlib.dates import date2num

    days: np.ndarray = date2num(values)
    return days


def _few_values(values: np.ndarray) -> np.ndarray | None:
    """The distinct values, if there are few of them, each in several rows."""
    known: np.ndarray = NOTHING
    for start in range(0, len(values), 1 << 15):
        known = np.union1d(known, values[start : start + (1 << 15)])
        known = known[~np.isnan(known)]
        if len(known) > FEW:
            return None
    return known if len(values) >= 3 * len(known) > 0 else None


def _ordinal(axis: FeatureAxis, known: np.ndarray, step: Step | None) -> FeatureAxis:
    """The same feature with its few values side by side."""

    def place(values: Any) -> np.ndarray:
        return np.interp(values, known, np.arange(len(known)))

    def positions(values: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(values), np.nan, place(values))

    arrow = None
    if isinstance(step, Add) and len(known) > 1:
        starts = known[
            (known + step.amount >= known[0]) & (known + step.amount <= known[-1])
        ]
        if len(starts):
            start = starts[len(starts) // 2]
            arrow = (float(place(start)), float(place(start + step.amount)))
    on_axis = axis.target is not None and known[0] <= axis.target <= known[-1]
    return FeatureAxis(
        positions(axis.values),
        axis.label,
        positions(axis.left_out.astype(float)),
        arrow,
        axis.arrow_label,
        float(place(axis.target)) if on_axis else None,
        [number(value, 6) for value in known],
    )


def _move(
    step: Step | None, values: np.ndarray
) -> tuple[tuple[float, float] | None, float | None]:
    """The arrow of a step that moves rows, or the value that one sets."""
    if not len(values):
        return None, None
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    if isinstance(step, Add):
        length = step.amount
        if not is_number(length):
            length = length.total_seconds() / 86400
        middle = (low + high) / 2
        return (middle - length / 2, middle + length / 2), None
    if isinstance(step, Scale):
        start = float(np.nanmedian(values))
        return (start, start * step.factor), None
    if isinstance(step, SetTo) and is_number(step.value):
        return None, float(step.value)
    return None, None


def _step_text(step: Step | None, unit: str) -> str:
    """What stands beside the arrow, or beside the value set."""
    if isinstance(step, Add):
        if not is_number(step.amount):
            days = step.amount.total_seconds() / 86400
            return f"step {'+' * (days > 0)}{number(days, 6)} d"
        return f"step {'+' * (step.amount > 0)}{number(step.amount, 4)} {unit}".rstrip()
    if isinstance(step, Scale):
        return f"step ×{number_text(step.factor)} from the median"
    if isinstance(step, SetTo):
        return f"set to {number_text(step.value)} {unit}".rstrip()
    return ""


def moves_numbers(step: Step) -> bool:
    """Whether a step takes a row from its own number or date to another."""
    if isinstance(step, SetTo):
        return is_number(step.value)
    return not isinstance(step, Contrast)
