"""Where a display is drawn: on new axes, on the user's, or on parts of them.

Also the colours all displays share, and pictures as bytes. Matplotlib is imported
here and in the other files of this folder, always on use.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._frames.hints import shown
from skfme.plotting._parts.texts import draw_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import LayoutEngine

__all__ = [
    "BLUE",
    "COLOURS",
    "GREY",
    "INK",
    "MARKERS",
    "ORANGE",
    "PALE",
    "Display",
    "axes_for",
    "check_matplotlib",
    "count_colours",
    "effect_colours",
    "png_of",
]

# Okabe and Ito's palette: different for all common kinds of colour vision.
BLUE, ORANGE, INK = "#0072B2", "#D55E00", "#222222"
GREY, PALE = "#666666", "#D0D0D0"
COLOURS = (BLUE, ORANGE, "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
MARKERS = ("o", "s", "D", "^", "v", "P", "X")


def check_matplotlib(caller: str) -> None:
    """Raise an ImportError that says what to install.

    Parameters
    ----------
    caller : str
        What the user called.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{caller} needs Matplotlib. Install it with pip install 'skfme[plot]'."
        ) from error


class Display:
    """What all displays keep of their drawing: the figure and its axes."""

    figure_: Figure
    axes_: np.ndarray
    ax_: Axes

    def _open(
        self,
        ax: Any,
        n_rows: int,
        n_cols: int,
        size: tuple[float, float],
        **shape: Any,
    ) -> np.ndarray:
        """Axes to draw on, as :func:`axes_for` finds them."""
        check_matplotlib(f"{type(self).__name__}.plot")
        self.figure_, self.axes_ = axes_for(ax, n_rows, n_cols, size, **shape)
        self.ax_ = self.axes_.flat[0]
        return self.axes_

    def _open_panels(
        self, ax: Any, n: int, widths: tuple[float, float], height: float, title: str
    ) -> list[Axes]:
        """Axes for n panels side by side, with a title over all.

        `widths` are inches, of a single column and of each of several.
        """
        n_cols = min(n, 3)
        n_rows = math.ceil(n / n_cols)
        width = widths[0] if n_cols == 1 else widths[1] * n_cols
        grid = self._open(ax, n_rows, n_cols, (width, height * n_rows))
        for unused in grid.flat[n:]:
            unused.set_axis_off()
        draw_title(self.ax_, title, min(n_cols, 2))  # longer, it would part the axes
        return list(grid.flat[:n])


def axes_for(
    ax: Any, n_rows: int, n_cols: int, size: tuple[float, float], **shape: Any
) -> tuple[Figure, np.ndarray]:
    """A grid of axes: new ones, the user's, or the user's single one divided.

    Parameters
    ----------
    ax : Axes, sequence of n_rows * n_cols Axes, or None
    n_rows, n_cols : int
    size : (width, height)
        In inches, of a new figure.
    **shape
        ``height_ratios``, ``sharex`` and ``sharey`` of new or divided axes.

    Returns
    -------
    figure : Figure
    axes : ndarray of Axes of shape (n_rows, n_cols)

    Raises
    ------
    TypeError, ValueError
        If `ax` is none of these, or was divided before.
    """
    from matplotlib.axes import Axes

    if ax is None:
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots(
            n_rows, n_cols, figsize=size, layout=_label_room(), squeeze=False, **shape
        )
        for spine in (spine for a in axes.flat for spine in a.spines.values()):
            spine.set_in_layout(False)  # measuring labels and axes is enough
        return figure, axes
    if isinstance(ax, Axes):
        return ax.figure, _divided(ax, n_rows, n_cols, **shape)
    grid = np.asarray(ax, dtype=object)
    if not all(isinstance(a, Axes) for a in grid.flat):
        raise TypeError(f"ax must be Matplotlib axes, got {shown(ax)}.")
    if grid.size != n_rows * n_cols:
        raise ValueError(
            f"ax has {grid.size} axes; this display needs 1, which it divides, or "
            f"{n_rows * n_cols}."
        )
    return grid.flat[0].figure, grid.reshape(n_rows, n_cols)


def _divided(
    ax: Axes,
    n_rows: int,
    n_cols: int,
    height_ratios: Sequence[float] | None = None,
    **shared: Any,
) -> np.ndarray:
    """A grid of axes in the place of `ax`; itself where it is enough."""
    if n_rows * n_cols == 1:
        return np.array([[ax]], dtype=object)
    if not ax.axison:
        raise ValueError(
            "These axes were divided by another display; give fresh ones, or "
            "ax=display.axes_."
        )
    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is None:
        left, bottom, right, top = ax.get_position().extents
        spec = ax.figure.add_gridspec(
            1, 1, left=left, right=right, bottom=bottom, top=top
        )[0]
    grid = spec.subgridspec(
        n_rows, n_cols, wspace=0.3, hspace=0.35, height_ratios=height_ratios
    )
    return np.asarray(grid.subplots(squeeze=False, **shared))


def _label_room() -> LayoutEngine:
    """Room for labels, as narrow as they are.

    Without a `rect`, Matplotlib measures labels once a draw, else twice, as constrained
    layout does: a plane of 30,000 rows took 1.64 times as long as ``hexbin``, not 1.44.
    """
    from matplotlib.layout_engine import TightLayoutEngine

    return TightLayoutEngine(pad=0.3, w_pad=0.6, h_pad=0.6, rect=None)


@cache
def count_colours() -> Colormap:
    """Blues for counts, none of them near white: a single row stays visible."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    blues = matplotlib.colormaps["Blues"](np.linspace(0.22, 1, 256))
    return LinearSegmentedColormap.from_list("counts", list(blues))


@cache
def effect_colours() -> Colormap:
    """From purple (negative) through light grey to orange (positive)."""
    from matplotlib.colors import LinearSegmentedColormap

    stops = [
        "#40004B",
        "#7B4FA0",
        "#B7A6CF",
        "#DEDEDE",
        "#F5B878",
        "#D9720C",
        "#7A3300",
    ]
    return LinearSegmentedColormap.from_list("effects", stops)


def png_of(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as a PNG file; the figure is closed."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()
