"""AttributionDisplay: strips over rows, and the waterfall of one."""

import numpy as np
import pytest

from skfme import AttributionDisplay, attribute
from tests.plotting.pictures import LABELS, outside, overlaps, people, risk, texts_of

STEP = {"bmi": -2, "bp": -10, "sex": "m"}


@pytest.fixture(scope="module")
def parts():
    return attribute(risk, people(), STEP)


def bars(display):
    return [(bar.get_x(), bar.get_width()) for bar in display.ax_.patches]


def test_dots_are_the_means_of_the_parts_and_of_the_total(parts):
    display = parts.plot()
    dots = [
        line.get_xdata()[0] for line in display.ax_.lines if line.get_marker() == "o"
    ]
    means = [part.ame for part in parts.values()]
    np.testing.assert_allclose(dots, [*means, parts.total.ame])
    labels = [label.get_text() for label in display.ax_.get_yticklabels()]
    assert labels == ["bmi −2", "bp −10", "sex = m", "all together"]


def test_strips_hold_the_middle_half_of_the_rows(parts):
    display = parts.plot()
    drawn = [c for c in display.ax_.collections if hasattr(c, "get_segments")]
    halves = [c.get_segments()[0][:, 0] for c in drawn]
    quartiles = [part.quartiles[[0, 2]] for part in [*parts.values(), parts.total]]
    np.testing.assert_allclose(halves, quartiles)


def test_the_waterfall_of_a_row_leads_from_zero_to_its_effect(parts):
    row = int(np.flatnonzero(parts.total.counted)[3])
    display = parts.plot(row=row, labels=LABELS)
    widths = [part.fme[row] for part in parts.values()]
    *features, total = bars(display)
    np.testing.assert_allclose([width for _, width in features], widths)
    np.testing.assert_allclose([x for x, _ in features], np.cumsum([0, *widths[:-1]]))
    np.testing.assert_allclose(total, (0, parts.total.fme[row]))


def test_labels_fit_and_do_not_meet(parts):
    row = int(np.flatnonzero(parts.total.counted)[0])
    for options in ({}, {"row": row}):
        display = parts.plot(labels=LABELS, response_label="risk (points)", **options)
        assert not overlaps(display.figure_)
        assert not outside(display.figure_)
        assert any("risk" in text.get_text() for text in texts_of(display.figure_))


def test_a_row_that_does_not_count_has_no_waterfall(parts):
    row = int(np.flatnonzero(~parts.total.counted)[0])
    with pytest.raises(ValueError, match=f"Row {row} does not count"):
        parts.plot(row=row)
    with pytest.raises(ValueError, match=r"row=1000 is no row: there are 300"):
        parts.plot(row=1000)


def test_one_of_several_outputs_is_chosen():
    def two(X):
        return np.column_stack([risk(X), -risk(X)])

    parts = attribute(two, people(), STEP)
    with pytest.raises(ValueError, match="has 2 outputs"):
        parts.plot()
    display = parts.plot(output="y1")
    dots = [
        line.get_xdata()[0] for line in display.ax_.lines if line.get_marker() == "o"
    ]
    np.testing.assert_allclose(dots[-1], parts.total.ame[1])


def test_arrays_alone_make_a_display():
    display = AttributionDisplay(np.array([[1.0, 2.0], [3.0, -1.0]]), ["a", "b"]).plot()
    dots = [
        line.get_xdata()[0] for line in display.ax_.lines if line.get_marker() == "o"
    ]
    np.testing.assert_allclose(dots, [2.0, 0.5, 2.5])
