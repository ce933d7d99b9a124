"""Hexagonal binning of many points, with weights and means.

Hexagon centres form two rectangular lattices, one shifted by half a cell in either
direction. A point belongs to the nearer of its nearest two centres. With u and v in
units of the lattices' spacing, which are in the ratio 1 : √3 in a regular hexagon, the
squared distance is du² + 3 dv².
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PolyCollection

__all__ = ["Hexagons", "draw_hexagons", "hexagons"]

_BLOCK = 1 << 14  # points at once, so that the work stays in the cache


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
    mean : ndarray of shape (n_hexagons,) or None
        Weighted mean of the values given.
    """

    centres: np.ndarray
    width: float
    height: float
    total: np.ndarray
    mean: np.ndarray | None = None


def hexagons(
    x: np.ndarray,
    y: np.ndarray,
    *,
    across: int,
    aspect: float,
    weights: np.ndarray | None = None,
    values: np.ndarray | None = None,
) -> Hexagons:
    """Bin points into hexagons.

    Parameters
    ----------
    x, y : ndarray of shape (n,)
        Finite.
    across : int
        Hexagons along x.
    aspect : float
        Height of the axes ÷ their width, on which hexagons are regular.
    weights : ndarray of shape (n,), default=None
    values : ndarray of shape (n,), default=None
        To be averaged in each hexagon.
    """
    (x0, width), (y0, height) = _spans(x, y, across, aspect)
    n_u = across + 1
    n_v = int(np.ceil((y.max() - y0) / height)) + 1
    size = 2 * (n_u + 1) * (n_v + 1)
    total, sums = np.zeros(size), np.zeros(size)
    for start in range(0, len(x), _BLOCK):
        part = slice(start, start + _BLOCK)
        u, v = (x[part] - x0) / width, (y[part] - y0) / height
        cell = _cells(u, v, n_v + 1, size // 2)
        weight = None if weights is None else weights[part]
        total += np.bincount(cell, weight, size)
        if values is not None:
            weighted = values[part] if weight is None else values[part] * weight
            sums += np.bincount(cell, weighted, size)
    occupied = np.flatnonzero(total > 0)
    lattice, place = np.divmod(occupied, size // 2)
    i, j = np.divmod(place, n_v + 1)
    centres = np.column_stack(
        [x0 + (i + lattice / 2) * width, y0 + (j + lattice / 2) * height]
    )
    mean = None if values is None else sums[occupied] / total[occupied]
    return Hexagons(centres, width, height, total[occupied], mean)


def _spans(x: np.ndarray, y: np.ndarray, across: int, aspect: float) -> tuple:
    """Origin and spacing of the lattices in x and in y."""
    x0, y0 = float(x.min()), float(y.min())
    # A little wider, so that the last point has one nearest hexagon, not two.
    width = (float(x.max()) - x0) / across * (1 + 1e-9) or 1.0
    along = across * aspect / np.sqrt(3)
    height = (float(y.max()) - y0) / along or 1.0
    return (x0, width), (y0, height)


def _cells(u: np.ndarray, v: np.ndarray, n_v: int, n: int) -> np.ndarray:
    """Number of each point's hexagon: the first lattice's, then the second's."""
    i1, j1 = np.rint(u), np.rint(v)
    i2, j2 = np.floor(u), np.floor(v)
    first = (u - i1) ** 2 + 3 * (v - j1) ** 2
    second = (u - i2 - 0.5) ** 2 + 3 * (v - j2 - 0.5) ** 2
    cell = np.where(first <= second, i1 * n_v + j1, i2 * n_v + j2 + n)
    return cell.astype(np.intp)


def draw_hexagons(
    axes: Axes, found: Hexagons, colour: np.ndarray, **options: Any
) -> PolyCollection:
    """Add the hexagons to axes, coloured by one number each."""
    from matplotlib.collections import PolyCollection
    from matplotlib.transforms import AffineDeltaTransform

    corners = np.array(
        [
            [0.5, 1 / 6],
            [0, 1 / 3],
            [-0.5, 1 / 6],
            [-0.5, -1 / 6],
            [0, -1 / 3],
            [0.5, -1 / 6],
        ]
    )
    # A little too large, so that no seams show; edges would take as long as the areas.
    outline = 1.03 * corners * [found.width, found.height]
    options = {"linewidths": 0, "zorder": 2, **options}
    # One shape at many places is built and drawn faster than as many shapes.
    drawn = PolyCollection(
        [outline],
        offsets=found.centres,
        offset_transform=AffineDeltaTransform(axes.transData),
        array=colour,
        **options,
    )
    axes.add_collection(drawn, autolim=False)
    half = outline.max(axis=0)
    lowest, highest = found.centres.min(axis=0), found.centres.max(axis=0)
    axes.update_datalim([lowest - half, highest + half])
    axes.autoscale_view()
    return drawn
