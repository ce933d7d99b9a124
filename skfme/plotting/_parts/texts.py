"""Texts that keep to the room they have: long labels and titles on several lines.

How wide a text is, is estimated here by its letters; trees, whose texts must fit to the
pixel, measure theirs.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.legend import Legend

__all__ = ["draw_title", "letters_in", "plain", "room_in", "within", "wrapped"]


def wrapped(text: str, width: int = 42) -> str:
    """A long label on several lines, broken between words."""
    return "\n".join(textwrap.wrap(text, width, break_long_words=False)) or text


def within(axes: Axes, text: str, size: str, n_columns: float = 1) -> str:
    """A text on as many lines as the axes are narrow.

    Parameters
    ----------
    axes : Axes
    text : str
    size : str
        The setting of Matplotlib that holds its font size.
    n_columns : float, default=1
        Width, in axes.
    """
    from matplotlib import rcParams
    from matplotlib.font_manager import FontProperties

    points = FontProperties(size=rcParams[size]).get_size_in_points()
    return wrapped(text, max(letters_in(axes, 0.54 * points, n_columns), 12))


def letters_in(axes: Axes, points: float, n_columns: float = 1) -> int:
    """How many letters of so many points the axes are wide."""
    letter = points * axes.figure.dpi / 72
    return int(room_in(axes) * axes.get_window_extent().width * n_columns / letter)


def room_in(axes: Axes) -> float:
    """Share of the axes' width that is left when a layout has made room for labels."""
    engine = axes.figure.get_layout_engine()
    # Axes of a display's own figure, whose layout has no rect, become no narrower.
    return 1.0 if engine is None or engine.get().get("rect", ()) is None else 0.88


def draw_title(axes: Axes, text: str, n_columns: int = 1) -> None:
    """A title on the left, on as many lines as the row of axes is narrow."""
    text = within(axes, text, "axes.titlesize", n_columns)
    axes.set_title(text, loc="left", parse_math=False)


def plain(legend: Legend) -> None:
    """Take a legend's texts for what they are: a $ in a name starts no formula."""
    for text in legend.get_texts():
        text.set_parse_math(False)
