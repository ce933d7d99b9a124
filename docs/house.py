"""Draw the rooms of the package from its imports: ``python docs/house.py FILE``.

Each row is a layer of the import contract, from the public face down. An arrow means that
a room imports from another; those that follow from others are left out. Called when the
docs are built, so that the picture stays true.
"""

from __future__ import annotations

import ast
import sys
import textwrap
from collections import Counter
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.house import arrows, layers, modules, room_of

ROW, HEIGHT, WIDTH = 1.15, 0.78, 9.2
BLUE, GREY, PALE, INK = "#1f5a94", "#5b6770", "#e8eff6", "#1b1f23"


def imports_of_rooms(found, order):
    """The rooms that each room imports from, less those that another of them reaches."""
    rooms = {room: set() for layer in order for room in layer}
    for name, targets in arrows(found).items():
        here = room_of(name, rooms)
        below = {room_of(target, rooms) for target in targets} - {here, None}
        if here is not None:
            rooms[here] |= below

    def reached(room):
        return set().union(*({below} | reached(below) for below in rooms[room]))

    return {
        room: below - set().union(*(reached(other) for other in below))
        for room, below in rooms.items()
    }


def first_line(path):
    """What a module or a room says of itself, in its first sentence."""
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    return text.split("\n\n")[0].replace("\n", " ")


def draw_arrow(axes, upper, lower, lanes):
    """Straight down to the next row; past other rows along the side of the page."""
    (x, y, width), (x_end, y_end, width_end) = upper, lower
    if y - y_end < 1.5 * ROW:
        middle = (max(x, x_end) + min(x + width, x_end + width_end)) / 2
        points = [(middle, y - HEIGHT / 2), (middle, y_end + HEIGHT / 2)]
    else:
        right = x + width == x_end + width_end
        side = x + width if right else x
        lanes[right] += 1
        lane = side + (1 if right else -1) * (0.1 + 0.1 * (lanes[right] % 4))
        offset = 0.05 * (lanes[right] % 3)
        points = [(side, y - offset), (lane, y - offset)]
        points += [(lane, y_end + offset), (side, y_end + offset)]
    for start, end in pairwise(points[:-1]):
        axes.plot(*zip(start, end, strict=True), color=GREY, linewidth=1, zorder=1)
    head = {"arrowstyle": "-|>", "mutation_scale": 10, "shrinkA": 0, "shrinkB": 0}
    axes.add_patch(FancyArrowPatch(*points[-2:], color=GREY, linewidth=1, **head))


def draw(path):
    """One box a room, with its number of files and its own first line."""
    found, order = modules(), layers()[0]
    files = Counter(
        room_of(name, {r for layer in order for r in layer}) for name in found
    )
    boxes = {}
    for i, layer in enumerate(order):
        width = (WIDTH - 0.3 * (len(layer) - 1)) / len(layer)
        for j, room in enumerate(layer):
            boxes[room] = (j * (width + 0.3), -ROW * i, width)
    figure, axes = plt.subplots(figsize=(8.4, 0.86 * len(order)), layout="constrained")
    lanes = Counter()
    for upper, below in imports_of_rooms(found, order).items():
        for lower in sorted(below):
            draw_arrow(axes, boxes[upper], boxes[lower], lanes)
    for room, (x, y, width) in boxes.items():
        style = {"boxstyle": "round,pad=0.02", "facecolor": PALE, "edgecolor": BLUE}
        corner = (x, y - HEIGHT / 2)
        axes.add_patch(FancyBboxPatch(corner, width, HEIGHT, zorder=2, **style))
        name = room.removeprefix("skfme.").replace(".", "/")
        count = "1 file" if files[room] == 1 else f"{files[room]} files"
        title = f"{name} ({count})"
        axes.text(
            x + 0.12, y + 0.16, title, va="center", zorder=3, size=9, weight="bold"
        )
        words = textwrap.shorten(
            first_line(found[room]), int(11.2 * width), placeholder=" …"
        )
        axes.text(x + 0.12, y - 0.17, words, va="center", zorder=3, size=8, color=INK)
    axes.set_xlim(-0.6, WIDTH + 0.6)
    axes.set_ylim(-ROW * (len(order) - 1) - 0.5, 0.5)
    axes.set_axis_off()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)


if __name__ == "__main__":
    draw(sys.argv[1])
