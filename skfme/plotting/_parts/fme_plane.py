"""The panel of FMEDisplay for two features: effects as colours over their plane.

Few rows are points. Many are averaged, in hexagons, or in cells where a feature has few
values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skfme.plotting._parts.canvas import GREY, INK, effect_colours
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._parts.fme_panels import Panel
from skfme.plotting._parts.hexagons import draw_hexagons, hexagons
from skfme.plotting._parts.marks import (
    ARROW,
    MANY,
    draw_legend,
    frame,
    halo,
    jittered,
    legend_letters,
    wrapped,
)
from skfme.plotting._parts.shades import effect_shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_plane"]


def draw_plane(axes: Axes, panel: Panel, **options: Any) -> Any:
    """Effects as colours over two features, with the step as an arrow."""
    first, second = panel.features
    shown = np.isfinite(first.values) & np.isfinite(second.values)
    x, y, fme = first.values, second.values, panel.fme
    weights = panel.weights.array
    if not shown.all():
        x, y, fme = x[shown], y[shown], fme[shown]
        weights = None if weights is None else weights[shown]
    options = {"cmap": effect_colours(), **options}
    if len(fme) <= MANY:
        x, y = jittered(x, first), jittered(y, second)
        artist, places = _points(axes, x, y, fme, options), np.column_stack([x, y])
    elif first.ticks is None and second.ticks is None:
        artist, places = _hexagons(axes, x, y, fme, weights, options)
    else:
        artist, places = _cells(axes, panel.features, x, y, fme, weights, options)
    frame(axes, zero=False)
    first.format(axes, "x")
    second.format(axes, "y")
    _draw_step(axes, places, first, second)
    change = "mean change" if len(fme) > MANY else "change"
    shades = effect_shades(artist, panel.ame, f"{change} in {panel.response}")
    key = wrapped(shades.label, max(legend_letters(axes) - 20, 24))
    handles, labels = [shades, _ame_handle()], [key, panel.ame_text]
    crosses = _crosses(axes, first, second)
    if crosses is not None:
        handles.append(crosses)
        labels.append(crosses.get_label())
    draw_legend(axes, handles, labels)
    return artist


def _ame_handle() -> Any:
    """As the AME is marked among the colours."""
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="|", linestyle="", color=INK, mew=2, markersize=9)


def _centred(values: np.ndarray) -> Any:
    """Colours centred on zero; the largest effects share the darkest."""
    from matplotlib.colors import CenteredNorm

    return CenteredNorm(0, float(np.quantile(np.abs(values), 0.98)) or 1.0)


def _points(
    axes: Axes, x: np.ndarray, y: np.ndarray, fme: np.ndarray, options: dict
) -> Any:
    style = {"s": 30, "edgecolors": "0.35", "linewidths": 0.3, "zorder": 2}
    return axes.scatter(x, y, c=fme, **{**style, "norm": _centred(fme), **options})


def _hexagons(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    fme: np.ndarray,
    weights: np.ndarray | None,
    options: dict,
) -> tuple[Any, np.ndarray]:
    """Mean effects in hexagons, and where these are."""
    box = axes.get_window_extent()
    across = int(np.clip(box.width / 14, 16, 50))
    aspect = box.height / (0.85 * box.width)
    found = hexagons(x, y, across=across, aspect=aspect, weights=weights, values=fme)
    assert found.mean is not None
    options = {"norm": _centred(found.mean), **options}
    return draw_hexagons(axes, found, found.mean, **options), found.centres


def _cells(
    axes: Axes,
    features: Any,
    x: np.ndarray,
    y: np.ndarray,
    fme: np.ndarray,
    weights: np.ndarray | None,
    options: dict,
) -> tuple[Any, np.ndarray]:
    """Mean effects in a grid of cells, one for each value of an ordinal feature."""
    edges = [_edges(axis, v) for axis, v in zip(features, (x, y), strict=True)]
    column, row = (
        np.clip(np.searchsorted(e, v, side="right") - 1, 0, len(e) - 2)
        for e, v in zip(edges, (x, y), strict=True)
    )
    shape = (len(edges[1]) - 1, len(edges[0]) - 1)
    cell, size = row * shape[1] + column, shape[0] * shape[1]
    total = np.bincount(cell, weights, size)
    sums = np.bincount(cell, fme if weights is None else fme * weights, size)
    means = np.divide(sums, total, out=np.full(size, np.nan), where=total > 0)
    options = {"norm": _centred(means[total > 0]), "zorder": 2, **options}
    drawn = axes.pcolormesh(
        edges[0], edges[1], np.ma.masked_invalid(means.reshape(shape)), **options
    )
    at = np.flatnonzero(total > 0)
    centres = [(e[1:] + e[:-1]) / 2 for e in edges]
    places = np.column_stack([centres[0][at % shape[1]], centres[1][at // shape[1]]])
    return drawn, places


def _edges(axis: FeatureAxis, values: np.ndarray) -> np.ndarray:
    if axis.ticks is not None:
        return np.arange(len(axis.ticks) + 1) - 0.5
    low, high = float(values.min()), float(values.max())
    return np.linspace(low, high if high > low else low + 1, 31)


def _draw_step(
    axes: Axes, places: np.ndarray, first: FeatureAxis, second: FeatureAxis
) -> None:
    """The step as one arrow, in the corner that shows the fewest points."""
    if first.arrow is None or second.arrow is None:
        return
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    size = np.array(
        [first.arrow[1] - first.arrow[0], second.arrow[1] - second.arrow[0]]
    )
    left_out = np.column_stack([first.left_out, second.left_out])
    share = (np.concatenate([places, left_out]) - low) / (high - low)
    corners = np.array([(u, v) for u in (0.03, 0.97) for v in (0.05, 0.95)])
    near = [np.count_nonzero((np.abs(share - c) < 0.22).all(axis=1)) for c in corners]
    corner = corners[int(np.argmin(near))]
    # The arrow's box reaches from the corner inwards.
    inwards = np.where(corner < 0.5, 1, -1)
    start = low + corner * (high - low) + np.where(size * inwards < 0, -size, 0)
    arrow = axes.annotate(
        "", xy=tuple(start + size), xytext=tuple(start), arrowprops=ARROW
    )
    arrow.arrow_patch.set_path_effects(halo())  # it may lie on dark colours
    axes.annotate(
        "step", tuple(start + size / 2), xytext=(9 * inwards[0], 0), path_effects=halo(),
        textcoords="offset points", fontsize="small", color=INK, va="center",
        ha="left" if inwards[0] > 0 else "right",
    )  # fmt: skip


def _crosses(axes: Axes, first: FeatureAxis, second: FeatureAxis) -> Any:
    """Rows left out, as crosses; many of them as one cross for each place."""
    x, y = jittered(first.left_out, first), jittered(second.left_out, second)
    shown = np.isfinite(x) & np.isfinite(y)
    x, y = x[shown], y[shown]
    if not len(x):
        return None
    n = len(x)
    if n > MANY:
        x, y = hexagons(x, y, across=45, aspect=0.75).centres.T
    (crosses,) = axes.plot(
        x, y, "x", color=GREY, markersize=3.8, markeredgewidth=0.8, zorder=1,
        label=f"{n:,} rows left out: extrapolation",
    )  # fmt: skip
    return crosses
