"""PathDisplay and StepProfileDisplay."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PolyCollection
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer, PathDisplay
from skfme._given_model import GivenModel
from tests.plotting.pictures import (
    LABELS,
    legend_texts,
    outside,
    overlaps,
    people,
    risk,
)


@pytest.fixture(scope="module")
def explainer():
    steps = [{"bmi": 6}, {"bmi": -4, "bp": -10}, {"bmi": -2, "sex": "m"}]
    model = FrozenEstimator(GivenModel(risk))
    return FMEExplainer(model, steps, nlm=True).fit(people())


def test_few_rows_are_lines_from_where_they_stand_with_their_secants(explainer):
    path = explainer.path(people().head(4), "bmi +6")
    display = path.plot(labels=LABELS)
    assert len(display.lines_) == 4
    for line, x, y in zip(
        display.lines_, path.points["bmi"], path.predictions, strict=True
    ):
        np.testing.assert_array_equal(line.get_xdata(), x)
        np.testing.assert_array_equal(line.get_ydata(), y)
    secants = [line for line in display.ax_.lines if line.get_linestyle() == ":"]
    ends = np.array([line.get_ydata() for line in secants])
    np.testing.assert_array_equal(ends, path.predictions[:, [0, -1]])
    assert display.ax_.get_xlabel() == "Body mass index (kg/m²)"
    assert display.ax_.get_title(loc="left") == "Body mass index +6 kg/m²"


def test_rows_can_be_chosen(explainer):
    display = explainer.path(people(), "bmi +6").plot(rows=[7, 3])
    assert len(display.lines_) == 2
    assert legend_texts(display.ax_)[:2] == ["row 7", "row 3"]


def bands_of(axes):
    return [c for c in axes.collections if isinstance(c, PolyCollection)]


def test_many_rows_are_a_fan_of_quantiles_of_the_change(explainer):
    path = explainer.path(people(), "bmi +6")
    display = path.plot()
    change = path.predictions - path.predictions[:, :1]
    (mean,) = display.lines_
    np.testing.assert_allclose(mean.get_ydata(), change.mean(axis=0))
    np.testing.assert_allclose(mean.get_xdata(), 6 * path.t)
    expected = np.quantile(change[:, -1], [0.05, 0.25, 0.75, 0.95])
    drawn = np.concatenate([b.get_paths()[0].vertices for b in bands_of(display.ax_)])
    at_end = drawn[drawn[:, 0] == 6.0, 1]
    for value in expected:
        assert np.abs(at_end - value).min() < 1e-9
    assert display.ax_.get_ylabel() == "Change in prediction"


def test_the_fan_of_very_many_rows_is_within_a_thousandth_of_its_width():
    rng = np.random.default_rng(0)
    t = np.linspace(0, 1, 5)
    ends = rng.standard_t(3, size=250_000)
    display = PathDisplay(t, 10 + np.multiply.outer(ends, t**2)).plot()
    (mean,) = display.lines_
    assert mean.get_ydata()[-1] == pytest.approx(ends.mean())
    drawn = np.concatenate([b.get_paths()[0].vertices for b in bands_of(display.ax_)])
    at_end = drawn[drawn[:, 0] == 1.0, 1]
    expected = np.quantile(ends, [0.05, 0.25, 0.75, 0.95])
    for value in expected:
        assert np.abs(at_end - value).min() < 2e-3 * np.ptp(expected)


def test_steps_of_several_features_run_over_the_share_that_is_done(explainer):
    display = explainer.path(people(), "bmi -4, bp -10").plot(labels=LABELS)
    assert display.ax_.get_xlabel() == "Share of the step that is done"
    title = display.ax_.get_title(loc="left").replace("\n", " ")
    assert title == "Body mass index −4 kg/m², Blood pressure −10 mm Hg"


def test_categories_stand_at_their_new_values_and_numbers_move(explainer):
    display = explainer.path(people(), "bmi -2, sex = m").plot(kind="lines", rows=[0])
    assert display.ax_.get_xlabel() == "bmi"


def test_rows_without_a_path_are_not_drawn(explainer):
    X = people().head(5)
    X.loc[[1, 3], "bmi"] = np.nan

    def model(T):
        return np.nan_to_num(np.asarray(T["bmi"], float))

    given = FMEExplainer(FrozenEstimator(GivenModel(model)), {"bmi": 6}).fit(people())
    assert len(given.path(X, "bmi +6").plot().lines_) == 3
    with pytest.raises(ValueError, match="No row has predictions along the step"):
        given.path(X.iloc[[1, 3]], "bmi +6").plot()


def test_unknown_kinds_are_refused(explainer):
    with pytest.raises(ValueError, match="kind must be 'auto', 'lines' or 'fan'"):
        explainer.path(people(), "bmi +6").plot(kind="tube")


@pytest.mark.parametrize("n", [5, 300])
def test_no_two_texts_overlap_on_paths(explainer, n):
    display = explainer.path(people(n), "bmi +6").plot(labels=LABELS)
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)


@pytest.fixture(scope="module")
def profile(explainer):
    return explainer.step_profile(people(), "bmi", sizes=[-8, -4, -2, 2, 4, 8])


def test_a_profile_shows_ame_anlm_and_extrapolation_by_size(profile):
    display = profile.plot(labels=LABELS)
    frame = profile.to_frame()
    top, middle, bottom = display.axes_[:, 0]
    by_size = {
        top: frame["ame"],
        middle: frame["anlm"].clip(lower=-1),
        bottom: frame["share_extrapolation"],
    }
    for axes, expected in by_size.items():
        drawn = [line for line in axes.lines if len(line.get_xdata()) == 6]
        np.testing.assert_allclose(drawn[0].get_xdata(), frame["size"])
        np.testing.assert_allclose(drawn[0].get_ydata(), expected)
    assert bottom.get_xlabel() == "Step: change in Body mass index (kg/m²)"
    assert "0.9: reads as a straight line" in legend_texts(middle)


def test_an_anlm_below_the_axis_is_marked_at_its_edge(profile):
    frame = profile.to_frame()
    axes = profile.plot().axes_[1, 0]
    below = (frame["anlm"] < -1).sum()
    marks = [line for line in axes.lines if line.get_marker() == "v"]
    assert sum(len(m.get_xdata()) for m in marks) == below
    assert ("below −1" in legend_texts(axes)) == bool(below)


def test_a_profile_divides_given_axes(profile):
    figure, axes = plt.subplots(1, 2, figsize=(11, 6), layout="constrained")
    display = profile.plot(ax=axes[0], labels=LABELS)
    assert display.figure_ is figure
    assert display.axes_.shape == (3, 1)
    assert not overlaps(figure)


def test_no_two_texts_overlap_on_a_profile(profile):
    display = profile.plot(labels=LABELS, response_label="disease progression (points)")
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)
