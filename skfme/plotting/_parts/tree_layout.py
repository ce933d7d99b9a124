"""Where the parts of a tree stand, and texts that stay within their own place.

Leaves are columns; an inner node stands over the middle of its leaves. So every node has
columns that no other node on its level has, and texts that fit their columns cannot
overlap. What the texts say is the display's.
"""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

__all__ = ["Box", "Places", "places", "write_numbers", "write_rules"]

RULE_SIZES = (10.0, 9.0, 8.0, 7.0)  # points
NUMBER_SIZES = (10.0, 9.0, 8.0, 7.0, 6.0)
_PAD = 1.5


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
    def n_levels(self) -> int:
        """Levels below the root."""
        return int(self.depth.max())

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
    """A text and the room it has, in data units of the axes.

    Attributes
    ----------
    forms : tuple of str
        Wordings, from the fullest to the shortest.
    x, y : float
        Its middle.
    width, height : float
    bold : bool
    """

    forms: tuple[str, ...]
    x: float
    y: float
    width: float
    height: float
    bold: bool = False


class _Placed(NamedTuple):
    """A text on its axes, its wordings, and its room in pixels."""

    text: Text
    forms: tuple[str, ...]
    room: np.ndarray

    def fits(self, size: float, forms: Iterable[str]) -> bool:
        """Set the size, and the first wording that fits; returns whether one does."""
        self.text.set_fontsize(size)
        for form in forms:
            self.text.set_text(form)
            extent = self.text.get_window_extent()
            if extent.width <= self.room[0] and extent.height <= self.room[1]:
                return True
        return False


def write_numbers(axes: Axes, boxes: Sequence[Box]) -> list[Text]:
    """Write texts alike: all in the first form, and the largest size, that fits all.

    Returns
    -------
    texts : list of Text
    """
    placed = _placed(axes, boxes)
    n_forms = len(boxes[0].forms) if boxes else 0
    for form, size in itertools.product(range(n_forms), NUMBER_SIZES):
        if all(p.fits(size, [p.forms[form]]) for p in placed):
            break
    return [p.text for p in placed]


def write_rules(axes: Axes, boxes: Sequence[Box]) -> list[Text]:
    """Write texts in the largest size in which all fit, wrapped where need be.

    At the smallest size, a text that is still too long ends in an ellipsis.

    Returns
    -------
    texts : list of Text
    """
    placed = _placed(axes, boxes)
    for size in RULE_SIZES:
        if all(p.fits(size, _wraps(p.forms[0])) for p in placed):
            return [p.text for p in placed]
    for p in placed:
        full = p.forms[0]
        p.fits(RULE_SIZES[-1], itertools.chain(_wraps(full), _shortened(full)))
    return [p.text for p in placed]


def _placed(axes: Axes, boxes: Sequence[Box]) -> list[_Placed]:
    """The texts at their places, in their first form."""
    engine = axes.figure.get_layout_engine()
    if engine is not None:  # the size of the axes is known only once they are laid out
        engine.execute(axes.figure)
    white = {"facecolor": "white", "edgecolor": "none", "pad": _PAD}
    ends = axes.transData.transform([(0.0, 0.0), (1.0, 1.0)])
    scale, pad = np.abs(ends[1] - ends[0]), 2 * _PAD * axes.figure.dpi / 72
    placed = []
    for box in boxes:
        text = axes.text(
            box.x, box.y, box.forms[0], ha="center", va="center", parse_math=False,
            zorder=4, weight="bold" if box.bold else "normal", linespacing=1.25,
            bbox=white, in_layout=False,
        )  # fmt: skip
        room = np.array([box.width, box.height]) * scale - pad
        placed.append(_Placed(text, box.forms, room))
    return placed


def _wraps(text: str) -> Iterator[str]:
    """The text on one line, on two, three and four."""
    yield text
    for n_lines in (2, 3, 4):
        width = -(-len(text) // n_lines)
        for extra in (0, 2, 5, 9):
            lines = textwrap.wrap(
                text, width + extra, break_long_words=False, break_on_hyphens=False
            )
            if len(lines) <= n_lines:
                yield "\n".join(lines)
                break


def _shortened(text: str) -> Iterator[str]:
    for length in range(len(text) - 1, -1, -1):
        yield text[:length].rstrip() + "…"
