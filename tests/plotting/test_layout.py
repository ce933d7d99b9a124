"""Room for labels: measured, shared by a grid, and given again when labels change."""

import pytest

from skfme.plotting._parts.canvas import axes_for
from tests.plotting.pictures import outside, overlaps

PAD = 3 / 72  # inches


def grid_of(n_rows, n_cols, size=(6, 4), **labels):
    figure, axes = axes_for(None, n_rows, n_cols, size)
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


def test_a_title_over_several_axes_leaves_no_gap_between_them():
    figure, axes = grid_of(1, 2)
    before = axes[0, 0].get_position().width
    axes[0, 0].set_title("a title wider than one of two axes", loc="left")
    figure.canvas.draw()
    assert axes[0, 0].get_position().width == pytest.approx(before)


def test_the_users_own_adjustment_works_without_the_layout():
    figure, axes = grid_of(1, 1)
    figure.set_layout_engine("none")
    figure.subplots_adjust(left=0.4)
    figure.canvas.draw()
    assert axes[0, 0].get_position().x0 == pytest.approx(0.4)
