"""Where a display is drawn: on fresh axes, on the user's, or on parts of them.

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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

__all__ = [
    "BLUE",
    "COLOURS",
    "GREY",
    "INK",
    "MARKERS",
    "ORANGE",
    "PALE",
    "axes_for",
    "check_matplotlib",
    "count_colours",
    "effect_colours",
    "plain",
    "png_of",
]

# Okabe and Ito's palette: told apart by all common kinds of colour vision.
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


def axes_for(
    ax: Any,
    n_rows: int,
    n_cols: int,
    size: tuple[float, float],
    *,
    height_ratios: Sequence[float] | None = None,
    **shared: Any,
) -> tuple[Figure, np.ndarray]:
    """A grid of axes: new ones, the user's, or the user's single one divided.

    Parameters
    ----------
    ax : Axes, sequence of n_rows * n_cols Axes, or None
    n_rows, n_cols : int
    size : (width, height)
        In inches, of a new figure.
    height_ratios : sequence of n_rows floats, default=None
    **shared
        ``sharex`` and ``sharey`` of new or divided axes.

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

        from skfme.plotting._parts.layout import LabelRoom

        return plt.subplots(
            n_rows,
            n_cols,
            figsize=size,
            layout=LabelRoom(),
            squeeze=False,
            height_ratios=height_ratios,
            **shared,
        )
    if not isinstance(ax, Axes):
        given = np.asarray(ax, dtype=object)
        if not all(isinstance(a, Axes) for a in given.flat):
            raise TypeError(f"ax must be Matplotlib axes, got {ax!r}.")
        if given.size != n_rows * n_cols:
            raise ValueError(
                f"ax has {given.size} axes; this display needs 1, which it divides, or "
                f"{n_rows * n_cols}."
            )
        return given.flat[0].figure, given.reshape(n_rows, n_cols)
    figure = ax.figure
    if n_rows * n_cols == 1:
        return figure, np.array([[ax]], dtype=object)
    if not ax.axison:
        raise ValueError(
            "These axes were divided by another display; give fresh ones, or "
            "ax=display.axes_."
        )
    ax.set_axis_off()
    grid = _grid_in(ax, n_rows, n_cols, height_ratios)
    return figure, grid.subplots(squeeze=False, **shared)


def _grid_in(
    ax: Axes, n_rows: int, n_cols: int, height_ratios: Sequence[float] | None
) -> Any:
    """A grid in the place of `ax`."""
    from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec

    spec = ax.get_subplotspec()
    if spec is None:
        place = ax.get_position()
        whole = GridSpec(
            1,
            1,
            figure=ax.figure,
            left=place.x0,
            right=place.x1,
            bottom=place.y0,
            top=place.y1,
        )
        spec = whole[0]
    return GridSpecFromSubplotSpec(
        n_rows, n_cols, spec, wspace=0.3, hspace=0.35, height_ratios=height_ratios
    )


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


def plain(legend: Legend) -> None:
    """Take a legend's texts for what they are: a $ in a name starts no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)


def png_of(figure: Figure, dpi: int = 150) -> bytes:
    """A figure as a PNG file; the figure is closed."""
    import matplotlib.pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    plt.close(figure)
    return buffer.getvalue()


def columns_of(n: int, most: int = 3) -> tuple[int, int]:
    """Rows and columns of a grid for n panels."""
    n_cols = min(n, most)
    return math.ceil(n / n_cols), n_cols
