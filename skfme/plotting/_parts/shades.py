"""What colours mean, as entries of a legend: a strip of them, and three of their values.

A colour bar has axes of its own, with ticks and layout: with one, 30,000 rows against a
feature took 2.4 times as long as Matplotlib's ``hexbin``; with a strip they take 1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme._text.labels import number
from skfme.plotting._parts.canvas import INK

__all__ = ["Shades", "count_shades", "effect_shades"]

_N = 48  # shades of a strip, finer than the eye can see


@dataclass(frozen=True, eq=False)
class Shades:
    """A handle of a legend: the colours of an artist, from the least to the greatest.

    Parameters
    ----------
    artist : ScalarMappable
    label : str
        What the legend says beside the strip.
    width : float
        Of the strip, in font sizes.
    mark : float or None, default=None
        A value to mark.
    """

    artist: Any
    label: str
    width: float
    mark: float | None = None

    def legend_artist(self, legend: Any, handle: Any, size: float, box: Any) -> Any:
        """Draw the strip in the box of a handle, which becomes as wide.

        Matplotlib calls this where it finds the object in a legend's ``handler_map``.
        """
        from matplotlib.collections import QuadMesh
        from matplotlib.lines import Line2D

        box.width = self.width * size
        across = np.linspace(0, box.width, _N + 1)
        corners = np.dstack(np.meshgrid(across, [0, box.height]))
        strip = QuadMesh(corners, array=np.arange(_N)[None], cmap=self.artist.cmap)
        box.add_artist(strip)
        if self.mark is not None:
            place = float(np.clip(self.artist.norm(self.mark), 0, 1)) * box.width
            ends = [-0.25 * box.height, 1.25 * box.height]
            box.add_artist(Line2D([place, place], ends, color=INK, linewidth=2))
        return strip


def count_shades(artist: Any, weights: Weighting) -> Shades:
    """Rows, or their weight, in a hexagon or cell: least, middle shade, most."""
    values = artist.norm.inverse(np.array([0.0, 0.5, 1.0]))
    written = number if weights.given else "{:,.0f}".format
    unit = "weight of rows" if weights.given else "rows"
    return Shades(artist, f"{' · '.join(map(written, values))} {unit}", 3.5)


def effect_shades(artist: Any, ame: float, phrase: str, null: float = 0.0) -> Shades:
    """Effects from the lowest colour over no change to the highest."""
    low, high = artist.norm.vmin, artist.norm.vmax
    ends = [number(low), number(high)]
    if np.abs(artist.get_array() - null).max() > high - null:
        ends = [f"≤ {ends[0]}", f"≥ {ends[1]}"]
    return Shades(artist, f"{ends[0]} · {null:g} · {ends[1]} {phrase}", 9, ame)
