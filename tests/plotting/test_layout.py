"""Room for labels: measured, shared by a grid, and given again when labels change."""

import matplotlib.pyplot as plt
import pytest

from skfme.plotting._parts.layout import LabelRoom
from tests.plotting.pictures import outside, overlaps

PAD = 3 / 72  # inches


def grid_of(n_rows, n_cols, size=(6, 4), **labels):
    figure, axes = plt.subplots(
        n_rows, n_cols, figsize=size, squeeze=False, layout=LabelRoom()
    )
    for ax in axes.flat:
        ax.set(**labels)
    figure.canvas.draw()
    return figure, axes


def test_margins_are_as_wide_as_labels_and_the_pad():
    figure, axes = grid_of(1, 1, xlabel="x", ylabel="two\nlines", title="above")
    needed, (width, height) = axes[0, 0].get_tightbbox(), figure.bbox.max
    pad = PAD * figure.dpi
    margins = (needed.x0, width - needed.x1, needed.y0, height - needed.y1)
    # Ticks are set for the new size when it is drawn, so the last may move a little.
    assert margins[0] == pytest.approx(pad, abs=1)
    assert margins[2] == pytest.approx(pad, abs=1)
    assert margins[3] == pytest.approx(pad, abs=1)
    assert 0 <= margins[1] < 4 * pad


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 3)])
def test_no_label_of_a_grid_meets_another(shape):
    figure, _ = grid_of(*shape, xlabel="below", ylabel="beside", title="above")
    assert not overlaps(figure)
    assert not outside(figure)


def test_a_label_that_grows_later_is_given_room():
    figure, axes = grid_of(1, 1, ylabel="short")
    before = axes[0, 0].get_position().x0
    axes[0, 0].set_ylabel("now\nthree\nlines")
    assert not outside(figure)
    assert axes[0, 0].get_position().x0 > before


def test_texts_beside_axes_count_unless_taken_out_of_the_layout():
    figure, axes = grid_of(1, 1)
    text = axes[0, 0].text(1.02, 0.5, "beside", transform=axes[0, 0].transAxes)
    assert not outside(figure)
    with_text = axes[0, 0].get_position().width
    text.set_in_layout(False)
    figure.canvas.draw()
    assert axes[0, 0].get_position().width > with_text


def test_axes_keep_half_of_a_figure_too_small_for_its_labels():
    figure, axes = grid_of(1, 1, size=(1, 1), ylabel="\n".join("abcdefgh"))
    assert axes[0, 0].get_position().width == pytest.approx(0.5)
    assert figure.get_size_inches().tolist() == [1, 1]


def test_a_figure_without_a_grid_is_left_as_it_is():
    figure = plt.figure(layout=LabelRoom())
    axes = figure.add_axes((0.3, 0.3, 0.4, 0.4))
    figure.canvas.draw()
    assert axes.get_position().bounds == pytest.approx((0.3, 0.3, 0.4, 0.4))


def test_the_users_own_adjustment_works_without_the_layout():
    figure, axes = grid_of(1, 1)
    figure.set_layout_engine("none")
    figure.subplots_adjust(left=0.4)
    figure.canvas.draw()
    assert axes[0, 0].get_position().x0 == pytest.approx(0.4)
