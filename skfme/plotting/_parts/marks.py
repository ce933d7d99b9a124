"""What several displays draw alike: points, lines for zero and the AME, a rug, a legend.

A display leaves a lane at the bottom of its axes for the rug and the step's arrow, and
one at the top for the legend, so that neither covers data.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme.plotting._parts.canvas import BLUE, INK, ORANGE, PALE, count_colours, plain
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._parts.hexagons import draw_hexagons, hexagons
from skfme.plotting._parts.shades import Shades
from skfme.plotting._parts.smooth import local_mean

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

__all__ = [
    "counts_between",
    "draw_ame",
    "draw_arrow",
    "draw_legend",
    "draw_points",
    "draw_rug",
    "draw_smooth",
    "draw_title",
    "frame",
    "halo",
    "jittered",
    "label_counts",
    "leave_lanes",
    "legend_letters",
    "limits_of",
    "within",
    "wrapped",
]

BLOCK = 1 << 14  # rows at once, so that the work stays in the cache
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


def draw_title(axes: Axes, text: str, n_columns: int = 1) -> None:
    """A title on the left, on as many lines as the row of axes is narrow."""
    text = within(axes, text, "axes.titlesize", n_columns)
    axes.set_title(text, loc="left", parse_math=False)


def within(axes: Axes, text: str, size: str, n_columns: float = 1) -> str:
    """A text on as many lines as the axes are narrow.

    Parameters
    ----------
    axes : Axes
    text : str
    size : str
        The setting of matplotlib that holds its font size.
    n_columns : float, default=1
        Width, in axes.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    points = FontProperties(size=rcParams[size]).get_size_in_points()
    letter = 0.54 * points * axes.figure.dpi / 72
    room = _room(axes) * axes.get_window_extent().width * n_columns
    return wrapped(text, max(int(room / letter), 12))


def _room(axes: Axes) -> float:
    """Share of the axes' width that is left when a layout has made room for labels."""
    from skfme.plotting._parts.layout import LabelRoom

    engine = axes.figure.get_layout_engine()
    return 1.0 if engine is None or isinstance(engine, LabelRoom) else 0.88


def wrapped(text: str, width: int = 42) -> str:
    """A long label on several lines."""
    return "\n".join(textwrap.wrap(text, width)) or text


def draw_points(
    axes: Axes,
    axis: FeatureAxis,
    y: np.ndarray,
    weights: np.ndarray | None,
    norm: Normalize | None = None,
    **options: Any,
) -> Any:
    """Effects against a feature: points if few, else counts in hexagons or strips.

    Returns
    -------
    artist : PathCollection, PolyCollection or QuadMesh
    """
    x = axis.values
    shown = np.isfinite(x)
    if not shown.all():
        x, y = x[shown], y[shown]
        weights = None if weights is None else weights[shown]
    if len(x) <= MANY:
        x = jittered(x, axis)
        defaults = {"s": 16, "color": BLUE, "alpha": 0.5, "linewidths": 0, "zorder": 2}
        return axes.scatter(x, y, **{**defaults, **options})
    options = {"cmap": count_colours(), "norm": norm, **options}
    if axis.ticks is not None:
        return _draw_strips(axes, x, y, weights, len(axis.ticks), **options)
    box = axes.get_window_extent()
    across = int(np.clip(box.width / 14, 16, 50))
    found = hexagons(
        x, y, across=across, aspect=0.75 * box.height / box.width, weights=weights
    )
    options["norm"] = norm or count_norm(found.total)
    return draw_hexagons(axes, found, found.total, **options)


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
    weights: np.ndarray | None,
    n_values: int,
    **options: Any,
) -> Any:
    """For each ordinal value a strip of counts over y."""
    from matplotlib.colors import PowerNorm

    n_bins = 60
    low, high = limits_of(y)
    bins = np.minimum(((y - low) * (n_bins / (high - low))).astype(np.intp), n_bins - 1)
    cell = np.rint(x).astype(np.intp) * n_bins + bins
    counts = np.bincount(cell, weights, n_values * n_bins).reshape(n_values, n_bins)
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
    axes: Axes, axis: FeatureAxis, y: np.ndarray, weights: np.ndarray | None
) -> Any:
    """The local mean; at each value of an ordinal axis its mean. None if too few rows."""
    shown = np.isfinite(axis.values)
    every = bool(shown.all())
    x = axis.values if every else axis.values[shown]
    y = y if every else y[shown]
    if weights is not None and not every:
        weights = weights[shown]
    if axis.ticks is None:
        grid, means = local_mean(x, y, weights)
        marker = ""
    else:
        codes = np.rint(x).astype(np.intp)
        total = np.bincount(codes, weights, len(axis.ticks))
        weighted = y if weights is None else y * weights
        sums = np.bincount(codes, weighted, len(axis.ticks))
        grid = np.flatnonzero(total > 0)
        means, marker = sums[grid] / total[grid], "o"
    if not len(grid):
        return None
    (line,) = axes.plot(
        grid, means, color=INK, linewidth=1.8, marker=marker, markersize=5, zorder=4,
        label="local mean" if axis.ticks is None else "mean at each value",
        path_effects=halo(),
    )  # fmt: skip
    return line


def halo() -> list:
    """A white rim, so that a dark mark is seen on dark colours."""
    from matplotlib.patheffects import withStroke

    return [withStroke(linewidth=3.6, foreground="white")]


def draw_rug(axes: Axes, axis: FeatureAxis) -> Any:
    """A tick at the bottom for every place where rows were left out; None for none."""
    values = axis.left_out[np.isfinite(axis.left_out)]
    if not len(values):
        return None
    shade: Any = 1.0
    if len(values) > 200:  # one tick for each of as many places, darker for more rows
        low, high = float(values.min()), float(values.max())
        width = (high - low) / 200 or 1.0
        places = np.rint((values - low) / width).astype(np.intp)
        counts = np.bincount(places)
        places = np.flatnonzero(counts)
        values = low + places * width
        shade = 0.1 + 0.9 * np.sqrt(counts[places] / counts.max())
    from matplotlib.collections import LineCollection

    places = np.stack([values, values], axis=1)
    ticks = LineCollection(
        np.stack([places, np.broadcast_to([0, 0.03], places.shape)], axis=2),
        colors=INK, linewidths=1, alpha=shade, zorder=3,
        transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    axes.add_collection(ticks, autolim=False)
    return ticks


def draw_arrow(axes: Axes, axis: FeatureAxis, height: float = 0.075) -> Any:
    """The step in a lane: an arrow, or a line where the step sets a value.

    `height` is the lane's, as a share of the axes.
    """
    text = {"fontsize": "small", "va": "center", "color": INK, "parse_math": False}
    bottom = axes.get_xaxis_transform()
    if axis.target is not None:
        axes.axvline(
            axis.target, color=INK, linewidth=1, linestyle=(0, (4, 3)), zorder=3
        )
        left = _share(axes, axis.target) > 0.6
        return axes.annotate(
            axis.arrow_label, (axis.target, height), xycoords=bottom,
            xytext=(-5 if left else 5, 0), textcoords="offset points",
            ha="right" if left else "left", **text,
        )  # fmt: skip
    if axis.arrow is None:
        return None
    start, end = axis.arrow
    left = _share(axes, max(start, end)) > 0.6
    beside = min(start, end) if left else max(start, end)
    axes.annotate(
        axis.arrow_label, (beside, height), xycoords=bottom, xytext=(-6 if left else 6, 0),
        textcoords="offset points", ha="right" if left else "left", **text,
    )  # fmt: skip
    return axes.annotate(
        "",
        xy=(end, height),
        xytext=(start, height),
        xycoords=bottom,
        textcoords=bottom,
        arrowprops=ARROW,
    )


def _share(axes: Axes, x: float) -> float:
    low, high = axes.get_xlim()
    return (x - low) / (high - low)


def limits_of(*values: Any) -> tuple[float, float]:
    """Least and greatest of some numbers; with zero where that lies near, and a width."""
    low = min(float(np.min(v)) for v in values if np.size(v))
    high = max(float(np.max(v)) for v in values if np.size(v))
    # Effects that are equal but for rounding have no range of their own.
    width = high - low
    if width <= 1e-9 * max(abs(low), abs(high)):
        width = 0.0
    if (low > 0 and low <= 2 * width) or width == 0:
        low = min(low, 0.0)
    if (high < 0 and -high <= 2 * width) or width == 0:
        high = max(high, 0.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def leave_lanes(axes: Axes, axis: FeatureAxis, y: tuple[float, float]) -> None:
    """Limits that leave the bottom 15 % of the axes free of data, and a margin."""
    drawn = [axis.values, axis.left_out]
    ends = [
        (np.nanmin(v), np.nanmax(v)) for v in drawn if len(v) and not np.isnan(v).all()
    ]
    if axis.ticks is not None:
        axes.set_xlim(-0.6, len(axis.ticks) - 0.4)
    elif ends:
        low, high = min(e[0] for e in ends), max(e[1] for e in ends)
        pad = 0.045 * (high - low) or 0.5  # room for half a hexagon
        axes.set_xlim(low - pad, high + pad)
    span = y[1] - y[0]
    axes.set_ylim(y[0] - 0.18 * span, y[1] + 0.04 * span)


def draw_legend(axes: Axes, handles: Sequence[Any], labels: Sequence[str]) -> Any:
    """A legend in a lane of its own above the data, in as few lines as fit."""
    if not handles:
        return None
    low, high = axes.get_ylim()
    box = axes.get_window_extent()
    room = _room(axes)
    drawn_here = {handle: handle for handle in handles if isinstance(handle, Shades)}
    for n_columns in range(_columns_within(axes, labels), 0, -1):
        legend = axes.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(0.005, 1),
            ncols=n_columns, framealpha=1,
            edgecolor="none", facecolor=axes.get_facecolor(), fontsize="small",
            handlelength=1.5, columnspacing=1.2, handletextpad=0.5, borderaxespad=0,
            borderpad=0.2, handler_map=drawn_here,
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

    letter = 0.52 * 0.83 * rcParams["font.size"] * axes.figure.dpi / 72
    return int(_room(axes) * axes.get_window_extent().width / letter)


def _columns_within(axes: Axes, labels: Sequence[str]) -> int:
    """About as many columns of a legend as the axes are wide; each try takes time."""
    room = legend_letters(axes)
    widths = np.array([len(label) for label in labels]) + 6  # and the handle
    for n_columns in range(len(labels), 1, -1):
        columns = np.array_split(widths, n_columns)
        if sum(column.max() for column in columns) <= room:
            return n_columns
    return 1


def counts_between(
    values: np.ndarray, edges: np.ndarray, weights: np.ndarray | None = None
) -> np.ndarray:
    """Rows, or their weight, between equally spaced edges; block by block.

    Values beyond either end are counted in the last bin there.
    """
    n = len(edges) - 1
    counts, scale = np.zeros(n), n / (edges[-1] - edges[0])
    for start in range(0, len(values), BLOCK):
        part = slice(start, start + BLOCK)
        bins = ((values[part] - edges[0]) * scale).astype(np.intp)
        np.clip(bins, 0, n - 1, out=bins)
        counts += np.bincount(bins, None if weights is None else weights[part], n)
    return counts


def label_counts(axes: Axes, weights: np.ndarray | None = None) -> None:
    """The y axis counts rows, or adds up their weights."""
    axes.set_ylabel("rows" if weights is None else "weight of rows")
    if axes.get_ylim()[1] >= 1000:
        axes.yaxis.set_major_formatter("{x:,.0f}")


def frame(axes: Axes, zero: bool = True) -> None:
    """Open axes of few ticks, each of which takes time, with a line at zero."""
    from matplotlib.ticker import AutoLocator

    axes.spines[["top", "right"]].set_visible(False)
    for axis in (axes.xaxis, axes.yaxis):
        locator = axis.get_major_locator()
        if isinstance(locator, AutoLocator):
            locator.set_params(nbins=6)
    if zero:
        axes.axhline(0, color=PALE, linewidth=1, zorder=1)


def draw_ame(axes: Axes, ame: float) -> Any:
    """The AME as a line across."""
    return axes.axhline(ame, color=ORANGE, linewidth=2, zorder=5)
