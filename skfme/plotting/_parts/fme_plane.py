"""The panel of FMEDisplay for two features: effects as colours over their plane.

Few rows are points. Many are averaged, in hexagons, or in cells where a feature has few
values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme._text.compared import comparison_text
from skfme.plotting._parts.canvas import GREY, INK, effect_colours
from skfme.plotting._parts.features import FeatureAxis, bin_edges
from skfme.plotting._parts.fme_panels import Panel
from skfme.plotting._parts.hexagons import draw_hexagons, hexagons, hexagons_on
from skfme.plotting._parts.marks import (
    ARROW,
    MANY,
    draw_legend,
    frame,
    halo,
    jittered,
    key,
    legend_letters,
)
from skfme.plotting._parts.rows import cell_sums, equal_bins
from skfme.plotting._parts.shades import effect_shades
from skfme.plotting._parts.texts import wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_plane"]


def draw_plane(axes: Axes, panel: Panel, **options: Any) -> Any:
    """Effects as colours over two features, with the step as an arrow."""
    first, second = panel.features
    rows = panel.complete()
    options = {"cmap": effect_colours(), **options}
    many = len(rows.fme) > MANY
    if not many:
        draw = _draw_points
    elif first.ticks is None and second.ticks is None:
        draw = _draw_hexagons
    else:
        draw = _draw_cells
    artist, places = draw(axes, rows, options)
    frame(axes)
    first.format(axes, "x")
    second.format(axes, "y")
    _draw_step(axes, places, first, second)
    phrase = comparison_text(panel.comparison, panel.response)
    if panel.comparison.function is None:
        phrase = phrase[:1].lower() + phrase[1:]
    phrase = f"mean {phrase}" if many else phrase
    shades = effect_shades(artist, panel.ame, phrase, panel.comparison.null)
    text = wrapped(shades.label, max(legend_letters(axes) - 20, 24))
    # As the AME is marked among the colours.
    ame = key("|", markeredgewidth=2, markersize=9)
    entries = [(shades, text), (ame, panel.ame_text)]
    crosses = _draw_crosses(axes, first, second)
    if crosses is not None:
        entries.append((crosses, crosses.get_label()))
    draw_legend(axes, entries)
    return artist


def _centred(values: np.ndarray, null: float) -> Any:
    """Colours centred on no change; the largest effects share the darkest."""
    from matplotlib.colors import CenteredNorm

    return CenteredNorm(null, float(np.quantile(np.abs(values - null), 0.98)) or 1.0)


def _draw_points(
    axes: Axes, panel: Panel, options: dict[str, Any]
) -> tuple[Any, np.ndarray]:
    """Effects of single rows, and where these are."""
    x, y = (jittered(axis.values, axis) for axis in panel.features)
    style = {"s": 30, "edgecolors": "0.35", "linewidths": 0.3, "zorder": 2}
    options = {**style, "norm": _centred(panel.fme, panel.comparison.null), **options}
    return axes.scatter(x, y, c=panel.fme, **options), np.column_stack([x, y])


def _draw_hexagons(
    axes: Axes, panel: Panel, options: dict[str, Any]
) -> tuple[Any, np.ndarray]:
    """Mean effects in hexagons, and where these are."""
    x, y = (axis.values for axis in panel.features)
    cells = hexagons_on(axes, x, y, panel.weights, panel.fme, ratio=1 / 0.85)
    options = {"norm": _centred(cells.mean, panel.comparison.null), **options}
    return draw_hexagons(axes, cells, cells.mean, **options), cells.centres


def _draw_cells(
    axes: Axes, panel: Panel, options: dict[str, Any]
) -> tuple[Any, np.ndarray]:
    """Mean effects in a grid of cells, one for each value of an ordinal feature."""
    x, y = (bin_edges(axis, 30, axis.values) for axis in panel.features)
    shape = (len(y) - 1, len(x) - 1)

    def cells(rows: slice) -> np.ndarray:
        column, row = (
            equal_bins(axis.values[rows], edges[0], edges[-1], len(edges) - 1)
            for axis, edges in zip(panel.features, (x, y), strict=True)
        )
        return row * shape[1] + column

    totals, sums = cell_sums(cells, shape[0] * shape[1], panel.weights, panel.fme)
    occupied = totals > 0
    means = sums / np.where(occupied, totals, 1.0)
    grid = np.ma.MaskedArray(means, ~occupied).reshape(shape)
    norm = _centred(means[occupied], panel.comparison.null)
    options = {"norm": norm, "zorder": 2, **options}
    row, column = np.divmod(np.flatnonzero(occupied), shape[1])
    places = np.column_stack(
        [((edges[1:] + edges[:-1]) / 2)[i] for edges, i in ((x, column), (y, row))]
    )
    return axes.pcolormesh(x, y, grid, **options), places


def _draw_step(
    axes: Axes, places: np.ndarray, first: FeatureAxis, second: FeatureAxis
) -> None:
    """The step as one arrow, in the corner that shows the fewest points."""
    if first.arrow is None or second.arrow is None:
        return
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    size = np.diff([first.arrow, second.arrow])[:, 0]
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


def _draw_crosses(axes: Axes, first: FeatureAxis, second: FeatureAxis) -> Any:
    """Rows left out, as crosses; many of them as one cross for each place."""
    x, y = jittered(first.left_out, first), jittered(second.left_out, second)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    if not len(x):
        return None
    n = len(x)
    if n > MANY:
        cells = hexagons(x, y, Weighting(None, n), across=45, aspect=0.75)
        x, y = cells.centres.T
    (crosses,) = axes.plot(
        x, y, "x", color=GREY, markersize=3.8, markeredgewidth=0.8, zorder=1,
        label=f"{n:,} rows left out: extrapolation",
    )  # fmt: skip
    return crosses
