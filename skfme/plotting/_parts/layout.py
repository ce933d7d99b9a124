"""Room for labels around axes in a grid, measured once.

Constrained layout measures all axes twice at every draw, which took longer than all else
in most pictures. Matplotlib is imported with this file: import it on use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.layout_engine import LayoutEngine
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.transforms import Bbox

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["LabelRoom"]

_PAD = 3.0  # points, around the figure and between the labels of two axes


class LabelRoom(LayoutEngine):
    """Margins and gaps as wide as labels and titles need.

    For figures of one grid, as ``pyplot.subplots`` makes it. A label that is changed
    later is given room at the next draw.
    """

    _adjust_compatible = True
    _colorbar_gridspec = True

    def execute(self, fig: Figure) -> None:
        """Place the axes.

        Parameters
        ----------
        fig : Figure
        """
        specs = [
            (axes, axes.get_subplotspec().get_topmost_subplotspec())
            for axes in fig.axes
            if axes.get_subplotspec() is not None and axes.get_in_layout()
        ]
        if not specs:
            return
        n_rows, n_cols = specs[0][1].get_gridspec().get_geometry()
        beside, below = np.zeros((n_cols, 2)), np.zeros((n_rows, 2))
        for axes, spec in specs:
            needed = _needed(axes)
            cell = spec.get_position(fig).transformed(fig.transSubfigure)
            left, right = cell.x0 - needed.x0, needed.x1 - cell.x1
            above, under = needed.y1 - cell.y1, cell.y0 - needed.y0
            _widen(beside, spec.colspan, left, right)
            _widen(below, spec.rowspan, above, under)
        pad = _PAD * fig.dpi / 72
        left, right, wspace = _shared(beside, fig.bbox.width, pad)
        top, bottom, hspace = _shared(below, fig.bbox.height, pad)
        fig.subplots_adjust(
            left=left, right=1 - right, top=1 - top, bottom=bottom,
            wspace=wspace, hspace=hspace,
        )  # fmt: skip


def _needed(axes: Axes) -> Bbox:
    """The box of axes with their labels, titles and other texts."""
    found = [axes.bbox]
    if axes.axison:
        both = [axis for axis in (axes.xaxis, axes.yaxis) if axis.get_visible()]
        found += [axis.get_tightbbox(for_layout_only=True) for axis in both]
    found += [
        child.get_window_extent()
        for child in axes.get_children()
        if isinstance(child, (Text, Legend))
        and child.get_visible()
        and child.get_in_layout()
        and not (isinstance(child, Text) and child.get_text() == "")
    ]
    return Bbox.union([box for box in found if box is not None])


def _widen(needed: np.ndarray, span: range, before: float, after: float) -> None:
    """Make the room before and after some rows or columns at least so wide."""
    needed[span[0], 0] = max(needed[span[0], 0], before)
    needed[span[-1], 1] = max(needed[span[-1], 1], after)


def _shared(
    needed: np.ndarray, length: float, pad: float
) -> tuple[float, float, float]:
    """Margins as shares of the figure, and the gap as a share of the mean axes."""
    n = len(needed)
    first, last = needed[0, 0] + pad, needed[-1, 1] + pad
    gap = max(needed[1:, 0] + needed[:-1, 1], default=0.0) + 2 * pad
    axes = (length - first - last - (n - 1) * gap) / n
    if axes < 0.1 * length / n:  # no room for all: half of the figure stays for axes
        shrink = 0.5 * length / (length - n * axes)
        first, last, gap = first * shrink, last * shrink, gap * shrink
        axes = 0.5 * length / n
    return first / length, last / length, gap / axes
