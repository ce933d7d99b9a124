"""What several displays draw alike: points, lines for zero and the AME, a rug, a legend.

A display leaves a lane at the bottom of its axes for the rug and the step's arrow, and
one at the top for the legend, so that neither covers data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme.plotting._parts.canvas import BLUE, INK, ORANGE, PALE, count_colours
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._parts.hexagons import draw_hexagons, hexagons_on
from skfme.plotting._parts.rows import cell_sums, equal_bins
from skfme.plotting._parts.shades import Shades
from skfme.plotting._parts.smooth import local_mean
from skfme.plotting._parts.texts import letters_in, plain, room_in

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

__all__ = [
    "draw_ame",
    "draw_arrow",
    "draw_legend",
    "draw_null",
    "draw_points",
    "draw_rug",
    "draw_smooth",
    "frame",
    "halo",
    "inner_limits",
    "jittered",
    "key",
    "label_counts",
    "leave_lanes",
    "legend_letters",
    "limits_of",
]

MANY = 2000  # rows, beyond which points are binned
ARROW = {
    "arrowstyle": "-|>",
    "color": INK,
    "linewidth": 1.5,
    "shrinkA": 0,
    "shrinkB": 0,
    "mutation_scale": 11,
}
_STRIP = 0.38  # half width of the strip of one ordinal value


def draw_points(
    axes: Axes,
    axis: FeatureAxis,
    y: np.ndarray,
    weights: Weighting,
    norm: Normalize | None = None,
    **options: Any,
) -> Any:
    """Effects against a feature: points if few, else counts in hexagons or strips.

    No value is missing.

    Returns
    -------
    artist : PathCollection, PolyCollection or QuadMesh
    """
    x = axis.values
    if len(x) <= MANY:
        x = jittered(x, axis)
        defaults = {"s": 16, "color": BLUE, "alpha": 0.5, "linewidths": 0, "zorder": 2}
        return axes.scatter(x, y, **{**defaults, **options})
    options = {"cmap": count_colours(), "norm": norm, **options}
    if axis.ticks is not None:
        return _draw_strips(axes, x, y, weights, len(axis.ticks), **options)
    cells = hexagons_on(axes, x, y, weights, ratio=0.75)  # below and above are lanes
    options["norm"] = norm or count_norm(cells.total)
    return draw_hexagons(axes, cells, cells.total, **options)


def jittered(values: np.ndarray, axis: FeatureAxis) -> np.ndarray:
    """Positions on an ordinal axis, spread so that rows do not hide each other."""
    if axis.ticks is None:
        return values
    # Multiples of the golden ratio spread any run of rows evenly.
    spread = (np.arange(len(values)) * 0.6180339887) % 1 - 0.5
    return np.asarray(values + 1.3 * _STRIP * spread)


def _draw_strips(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    weights: Weighting,
    n_values: int,
    **options: Any,
) -> Any:
    """For each ordinal value a strip of counts over y."""
    from matplotlib.colors import PowerNorm

    n_bins = 60
    low, high = limits_of(y)

    def cells(rows: slice) -> np.ndarray:
        strip = np.rint(x[rows]).astype(np.intp)
        return strip * n_bins + equal_bins(y[rows], low, high, n_bins)

    totals, _ = cell_sums(cells, n_values * n_bins, weights)
    counts = totals.reshape(n_values, n_bins)
    # Every other column is a gap.
    edges = (np.arange(n_values)[:, None] + [-_STRIP, _STRIP]).ravel()
    grid = np.ma.MaskedArray(np.zeros((n_bins, 2 * n_values - 1)), mask=True)
    grid[:, ::2] = np.ma.masked_less_equal(counts.T, 0)
    # In a strip the outline of the distribution matters, and its tails are seen anyway.
    options["norm"] = options["norm"] or PowerNorm(0.5, 0, counts.max())
    levels = np.linspace(low, high, n_bins + 1)
    return axes.pcolormesh(edges, levels, grid, zorder=2, **options)


def count_norm(counts: np.ndarray) -> Normalize:
    """A logarithmic scale of counts, linear where they hardly differ."""
    from matplotlib.colors import LogNorm, Normalize

    low, high = float(counts.min()), float(counts.max())
    return LogNorm(low, high) if high > 10 * low else Normalize(0, high)


def draw_smooth(
    axes: Axes, axis: FeatureAxis, y: np.ndarray, weights: Weighting
) -> Any:
    """The local mean; at each value of an ordinal axis its mean. None if too few rows."""
    x = axis.values
    if axis.ticks is None:
        grid, means = local_mean(x, y, weights)
        style = {"label": "local mean"}
    else:
        totals, sums = cell_sums(
            lambda rows: np.rint(x[rows]).astype(np.intp), len(axis.ticks), weights, y
        )
        grid = np.flatnonzero(totals > 0)
        means = sums[grid] / totals[grid]
        style = {"label": "mean at each value", "marker": "o"}
        style |= {"linestyle": "none"} if axis.nominal else {}
    if not len(grid):
        return None
    (line,) = axes.plot(
        grid, means, color=INK, linewidth=1.8, markersize=5, zorder=4,
        path_effects=halo(), **style,
    )  # fmt: skip
    return line


def halo() -> list:
    """A white rim, so that a dark mark is seen on dark colours."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3.6, foreground="white")]


def draw_rug(axes: Axes, axis: FeatureAxis) -> Any:
    """A tick at the bottom for every place where rows were left out; None for none."""
    from matplotlib.collections import LineCollection

    values = axis.left_out[np.isfinite(axis.left_out)]
    if not len(values):
        return None
    shade: Any = 1.0
    if len(values) > 200:  # one tick for each of as many places, darker for more rows
        low, high = float(values.min()), float(values.max())
        width = (high - low) / 200 or 1.0
        counts = np.bincount(np.rint((values - low) / width).astype(np.intp))
        places = np.flatnonzero(counts)
        values = low + places * width
        shade = 0.1 + 0.9 * np.sqrt(counts[places] / counts.max())
    ends = np.broadcast_to([0, 0.03], (len(values), 2))
    ticks = LineCollection(
        np.dstack([np.stack([values, values], axis=1), ends]), colors=INK, linewidths=1,
        alpha=shade, zorder=3, transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.add_collection(ticks, autolim=False)  # vlines would scale the axes anew
    return ticks


def draw_arrow(axes: Axes, axis: FeatureAxis, height: float = 0.075) -> None:
    """The step in a lane: an arrow, or a line where the step sets a value.

    `height` is the lane's, as a share of the axes.
    """
    lane = {"xycoords": axes.get_xaxis_transform()}
    if axis.target is not None:
        start = end = axis.target
        axes.axvline(end, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=3)
    elif axis.arrow is not None:
        start, end = axis.arrow
        ends = {"xy": (end, height), "xytext": (start, height)}
        axes.annotate("", **ends, **lane, arrowprops=ARROW)
    else:
        return
    left = _share(axes, max(start, end)) > 0.6
    beside = min(start, end) if left else max(start, end)
    axes.annotate(
        axis.arrow_label, (beside, height), xytext=(-6 if left else 6, 0),
        textcoords="offset points", ha="right" if left else "left", va="center",
        fontsize="small", color=INK, parse_math=False, **lane,
    )  # fmt: skip


def _share(axes: Axes, x: float) -> float:
    low, high = axes.get_xlim()
    return (x - low) / (high - low)


def limits_of(*values: Any, null: float = 0.0) -> tuple[float, float]:
    """Least and greatest of some numbers; with no change where that lies near, and a width."""
    low = min(float(np.min(v)) for v in values if np.size(v)) - null
    high = max(float(np.max(v)) for v in values if np.size(v)) - null
    # Effects that are equal but for rounding have no range of their own.
    width = high - low
    if width <= 1e-9 * max(abs(low), abs(high)):
        width = 0.0
    if (low > 0 and low <= 2 * width) or width == 0:
        low = min(low, 0.0)
    if (high < 0 and -high <= 2 * width) or width == 0:
        high = max(high, 0.0)
    low, high = low + null, high + null
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def inner_limits(
    values: Sequence[np.ndarray], means: Any, tail: float = 0.005
) -> tuple[float, float]:
    """The range of several groups of rows, without tails that would leave the rest flat."""
    low, high = limits_of(*values)
    inner = np.array(
        [
            np.quantile(group[:: max(len(group) // 100_000, 1)], [tail, 1 - tail])
            for group in values
        ]
    )
    if high - low > 1.6 * np.ptp(inner) > 0:
        low, high = limits_of(inner, means)
    pad = 0.02 * (high - low)
    return low - pad, high + pad


def leave_lanes(axes: Axes, axis: FeatureAxis, y: tuple[float, float]) -> None:
    """Limits that leave the bottom 15 % of the axes free of data, and a margin."""
    drawn = [v for v in (axis.values, axis.left_out) if not np.isnan(v).all()]
    if axis.ticks is not None:
        axes.set_xlim(-0.6, len(axis.ticks) - 0.4)
    elif drawn:
        low, high = min(map(np.nanmin, drawn)), max(map(np.nanmax, drawn))
        pad = 0.045 * (high - low) or 0.5  # room for half a hexagon
        axes.set_xlim(low - pad, high + pad)
    span = y[1] - y[0]
    axes.set_ylim(y[0] - 0.18 * span, y[1] + 0.04 * span)


def draw_legend(axes: Axes, entries: Sequence[tuple[Any, str]]) -> Any:
    """A legend in a lane of its own above the data, in as few lines as fit.

    `entries` are handles with their labels.
    """
    handles, labels = zip(*entries, strict=True)
    low, high = axes.get_ylim()
    box, room = axes.get_window_extent(), room_in(axes)
    own_drawing = {handle: handle for handle in handles if isinstance(handle, Shades)}
    for n_columns in range(_columns_within(axes, labels), 0, -1):
        legend = axes.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(0.005, 1),
            ncols=n_columns, framealpha=1,
            edgecolor="none", facecolor=axes.get_facecolor(), fontsize="small",
            handlelength=1.5, columnspacing=1.2, handletextpad=0.5, borderaxespad=0,
            borderpad=0.2, handler_map=own_drawing,
        )  # fmt: skip
        legend.set_zorder(6)  # above lines that run the height of the axes
        plain(legend)
        extent = legend.get_window_extent()
        if extent.width <= room * box.width:
            legend.set_in_layout(False)  # it lies within the axes
            break
    lane = min(extent.height / (room * box.height) + 0.02, 0.5)
    axes.set_ylim(low, low + (high - low) / (1 - lane))
    return legend


def legend_letters(axes: Axes) -> int:
    """About as many letters of a legend as the axes are wide."""
    from matplotlib import rcParams

    return letters_in(axes, 0.52 * 0.83 * rcParams["font.size"])


def _columns_within(axes: Axes, labels: Sequence[str]) -> int:
    """About as many columns of a legend as the axes are wide; each try takes time."""
    room = legend_letters(axes)
    widths = np.array([len(label) for label in labels]) + 6  # and the handle
    for n_columns in range(len(labels), 1, -1):
        columns = np.array_split(widths, n_columns)
        if sum(column.max() for column in columns) <= room:
            return n_columns
    return 1


def key(marker: str = "", linestyle: str = "", **style: Any) -> Any:
    """A mark for a legend that stands nowhere in the picture."""
    from matplotlib.lines import Line2D

    return Line2D(
        [], [], **{"marker": marker, "linestyle": linestyle, "color": INK, **style}
    )


def label_counts(axes: Axes, weights: Weighting) -> None:
    """The y axis counts rows, or adds up their weights."""
    axes.set_ylabel("weight of rows" if weights.given else "rows")
    if axes.get_ylim()[1] >= 1000:
        axes.yaxis.set_major_formatter("{x:,.0f}")


def frame(axes: Axes) -> None:
    """Open axes of few ticks, each of which takes time."""
    from matplotlib.ticker import AutoLocator

    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        locator = axis.get_major_locator()
        if isinstance(locator, AutoLocator):
            locator.set_params(nbins=6)


def draw_null(axes: Axes, null: float = 0.0) -> None:
    """No change, as a line across."""
    axes.axhline(null, color=PALE, linewidth=1, zorder=1)


def draw_ame(axes: Axes, ame: float) -> Any:
    """The AME as a line across."""
    return axes.axhline(ame, color=ORANGE, linewidth=2, zorder=5)
