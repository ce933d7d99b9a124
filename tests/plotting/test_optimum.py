"""OptimumDisplay: curves, ranges, optima and bounds."""

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer
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
def optimum():
    explainer = FMEExplainer(FrozenEstimator(GivenModel(risk)), {"bmi": 1})
    explainer.fit(people())
    return explainer.optimum(people(), "bmi", direction="min", by="sex", margin=1)


def test_curves_marks_and_ranges_are_those_of_the_optimum(optimum):
    display = optimum.plot(labels=LABELS)
    frame = optimum.to_frame()
    curves = display.ax_.lines[::3]
    for line, curve in zip(curves, optimum.curves, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), curve.response)
    for bar, row in zip(display.ax_.lines[1::3], frame.itertuples(), strict=True):
        assert list(bar.get_xdata()) == [row.range_low, row.range_high]
    marks = [line.get_xdata()[0] for line in display.ax_.lines[2::3]]
    np.testing.assert_array_equal(marks, frame["optimum"])
    np.testing.assert_allclose(marks, 28, rtol=1e-5)
    assert display.ax_.get_xlabel() == "Body mass index (kg/m²)"
    assert legend_texts(display.ax_) == ["sex=f", "sex=m", "optimum", "as good"]


def test_a_bound_is_an_open_mark(optimum):
    explainer = FMEExplainer(FrozenEstimator(GivenModel(risk)), {"bp": 1})
    explainer.fit(people())
    display = explainer.optimum(people(), "bp", direction="max").plot()
    assert display.ax_.lines[2].get_markerfacecolor() == "white"
    assert legend_texts(display.ax_) == ["bound: at the edge", "as good"]


def test_pieces_of_trees_are_steps():
    X = people().drop(columns="sex")
    y = (X["bmi"] - 28) ** 2
    explainer = FMEExplainer(RandomForestRegressor(10, random_state=0), {"bmi": 1})
    optimum = explainer.fit(X, y).optimum(X, "bmi", direction="min")
    display = optimum.plot()
    x, level = display.ax_.lines[0].get_data()
    (curve,) = optimum.curves
    np.testing.assert_array_equal(x[::3], curve.low)
    np.testing.assert_array_equal(x[1::3], curve.high)
    np.testing.assert_array_equal(level[1::3], curve.response)


def test_no_text_overlaps_or_leaves_the_figure(optimum):
    display = optimum.plot(labels=LABELS, response_label="risk of diabetes (%)")
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)
