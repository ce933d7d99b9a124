"""Keys of colours in legends: the values of their shades, and what is marked."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import CenteredNorm, LogNorm, Normalize

from skfme._summaries.weighting import Weighting
from skfme.plotting._parts.marks import draw_legend
from skfme.plotting._parts.shades import count_shades, effect_shades

UNWEIGHTED = Weighting(None, 2)
WEIGHTED = Weighting(np.ones(2), 2)


def coloured(values, norm):
    _, axes = plt.subplots()
    return axes.scatter(range(len(values)), values, c=values, norm=norm, cmap="Blues")


def strip_of(shades):
    """The colours of a strip and its mark, as a legend draws them."""
    _, axes = plt.subplots()
    legend = draw_legend(axes, [(shades, shades.label)])
    axes.figure.canvas.draw()
    (box,) = [b for b in legend.findobj() if type(b).__name__ == "DrawingArea"]
    strip, *marks = box.get_children()
    return box, strip.get_facecolors(), marks


def test_the_middle_shade_of_counts_is_named_on_their_scale():
    assert count_shades(coloured([1, 100], LogNorm(1, 100)), UNWEIGHTED).label == (
        "1 · 10 · 100 rows"
    )
    shades = count_shades(coloured([0, 4000], Normalize(0, 4000)), UNWEIGHTED)
    assert shades.label == "0 · 2,000 · 4,000 rows"


def test_weights_keep_their_digits():
    shades = count_shades(coloured([0, 0.5], Normalize(0, 0.5)), WEIGHTED)
    assert shades.label == "0 · 0.25 · 0.5 weight of rows"


def test_a_strip_runs_through_the_colours_of_the_picture():
    artist = coloured([1, 100], LogNorm(1, 100))
    _, colours, marks = strip_of(count_shades(artist, UNWEIGHTED))
    assert colours[0] == pytest.approx(artist.cmap(0), abs=0.02)
    assert colours[-1] == pytest.approx(artist.cmap(255), abs=0.02)
    assert not marks


def test_ends_say_where_effects_lie_beyond_them():
    within = effect_shades(coloured([-3, 5], CenteredNorm(0, 5)), 1, "change")
    beyond = effect_shades(coloured([-3, 9], CenteredNorm(0, 5)), 1, "change")
    assert within.label == "−5 · 0 · 5 change"
    assert beyond.label == "≤ −5 · 0 · ≥ 5 change"


@pytest.mark.parametrize(("ame", "place"), [(0, 0.5), (2.5, 0.75), (-99, 0)])
def test_the_ame_is_marked_among_the_colours(ame, place):
    shades = effect_shades(coloured([-5, 5], CenteredNorm(0, 5)), ame, "change")
    box, _, (mark,) = strip_of(shades)
    assert mark.get_xdata()[0] == pytest.approx(place * box.width)
