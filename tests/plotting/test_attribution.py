"""AttributionDisplay: strips over rows, and the waterfall of one."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import AttributionDisplay, FMEExplainer, Scale, SetTo, attribute
from tests.plotting.pictures import LABELS, outside, overlaps, people, risk, texts_of

STEP = {"bmi": -2, "bp": -10, "sex": "m"}


class Risk(RegressorMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def predict(self, X):
        return risk(X)


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


def test_a_step_under_a_name_of_its_own_shows_its_sizes():
    named = FMEExplainer(FrozenEstimator(Risk().fit(people())), {"leaner": STEP})
    parts = named.fit(people()).attribute(people())
    assert parts.plot().features == ["bmi −2", "bp −10", "sex = m"]
    assert parts.changes == ("bmi -2", "bp -10", "sex = m")
    assert parts.summary().startswith("Parts of 'leaner' (bmi -2, bp -10, sex = m) of")


def test_labels_round_numbers_of_many_digits():
    step = {
        "bmi": -1.0572146478636233,
        "bp": SetTo(123.45678912),
        "visits": Scale(1 / 3),
    }
    labels = attribute(risk, people(), step).plot().features
    assert labels == ["bmi −1.057", "bp = 123.5", "visits ×0.3333"]


def test_a_few_extreme_rows_leave_the_strips_their_width():
    values = np.random.default_rng(0).normal(size=(500, 2))
    values[:3] = 1000.0
    display = AttributionDisplay(values, ["a", "b"]).plot()
    low, high = display.ax_.get_xlim()
    assert high - low < 40
    assert "hold rows beyond" in display.ax_.get_xlabel()
    strip = display.ax_.collections[0].get_paths()[0].vertices
    assert strip[:, 0].max() <= high
    plain = AttributionDisplay(values[3:], ["a", "b"]).plot()
    assert "beyond" not in plain.ax_.get_xlabel()


@pytest.mark.parametrize("n", [2, 3, 8])
def test_the_legend_stands_above_the_first_strip(n):
    values = np.random.default_rng(0).normal(size=(200, n))
    display = AttributionDisplay(values, [f"f{k}" for k in range(n)]).plot()
    display.figure_.canvas.draw()
    legend = display.ax_.get_legend().get_window_extent()
    strip = display.ax_.collections[0].get_window_extent()
    assert strip.y1 < legend.y0
