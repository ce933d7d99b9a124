"""Where the parts of a tree stand, and texts that stay within their own place.

Leaves are columns; an inner node stands over the middle of its leaves. So every node
owns a stretch of columns that it shares with nobody on its level, and texts that fit
their stretch cannot overlap.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Box", "Places", "fit_texts", "places"]

SIZES = (10.0, 9.0, 8.0, 7.0, 6.0, 5.0)  # points


@dataclass(frozen=True)
class Places:
    """Columns and levels of a tree's nodes.

    Attributes
    ----------
    x : ndarray of shape (n_nodes,)
        Columns; leaves stand at 0, 1, …
    first, last : ndarray of shape (n_nodes,)
        The leaves below each node.
    depth : ndarray of shape (n_nodes,)
    """

    x: np.ndarray
    first: np.ndarray
    last: np.ndarray
    depth: np.ndarray

    @property
    def span(self) -> np.ndarray:
        """Columns that each node owns."""
        return np.asarray(self.last - self.first + 1)


def places(left: Sequence[int], right: Sequence[int]) -> Places:
    """Columns and levels of nodes in pre-order; −1 for no child.

    Parameters
    ----------
    left, right : sequence of int
        Positions of each node's children.
    """
    n = len(left)
    first, last, depth = (np.zeros(n, dtype=np.intp) for _ in range(3))
    leaves = [i for i in range(n) if left[i] < 0]
    first[leaves] = last[leaves] = np.arange(len(leaves))
    for i in reversed(range(n)):  # children come after their parent
        if left[i] >= 0:
            first[i], last[i] = first[left[i]], last[right[i]]
    for i in range(n):
        if left[i] >= 0:
            depth[[left[i], right[i]]] = depth[i] + 1
    return Places((first + last) / 2, first, last, depth)


@dataclass(frozen=True)
class Box:
    """A text and the room it has, in data units of the axes."""

    text: str
    x: float
    y: float
    width: float
    height: float
    bold: bool = False
    fill: bool = False


def fit_texts(axes: Axes, boxes: Sequence[Box]) -> list[Any]:
    """Write texts as large as all of them fit their boxes, wrapped where need be.

    At the smallest size, a text that is still too long ends in an ellipsis.

    Returns
    -------
    texts : list of Text
    """
    engine = axes.figure.get_layout_engine()
    if engine is not None:  # the size of the axes is known only once they are laid out
        engine.execute(axes.figure)
    texts = [_written(axes, box) for box in boxes]
    scale = np.abs(
        axes.transData.transform((1.0, 1.0)) - axes.transData.transform((0.0, 0.0))
    )
    for size in SIZES:
        if all(
            _fits(t, b, size, scale, False) for t, b in zip(texts, boxes, strict=True)
        ):
            return texts
    for text, box in zip(texts, boxes, strict=True):
        _fits(text, box, SIZES[-1], scale, True)
    return texts


def _written(axes: Axes, box: Box) -> Any:
    white = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
    text = axes.text(
        box.x, box.y, box.text, ha="center", va="center", parse_math=False, zorder=4,
        weight="bold" if box.bold else "normal", linespacing=1.25,
        bbox=white if box.fill else None,
    )  # fmt: skip
    text.set_in_layout(False)
    return text


def _fits(text: Any, box: Box, size: float, scale: np.ndarray, shorten: bool) -> bool:
    """Set the first wording that fits; at last, shortened ones."""
    text.set_fontsize(size)
    for wording in _wordings(box.text, shorten):
        text.set_text(wording)
        extent = text.get_window_extent()
        pad = 2 * 1.5 * text.figure.dpi / 72
        wide = extent.width + pad <= box.width * scale[0]
        if wide and extent.height + pad <= box.height * scale[1]:
            return True
    return False


def _wordings(text: str, shorten: bool) -> Iterator[str]:
    """The text as it is, on two lines, on three; then shorter and shorter."""
    yield text
    if "\n" in text:
        return
    for n_lines in (2, 3):
        width = -(-len(text) // n_lines)
        for extra in (0, 2, 5, 9):
            lines = textwrap.wrap(text, width + extra, break_long_words=False)
            if len(lines) <= n_lines:
                yield "\n".join(lines)
                break
    if shorten:
        for length in range(len(text) - 1, 0, -1):
            yield text[:length].rstrip() + "…"
