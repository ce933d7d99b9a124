"""Effects against a moderator, with what statistics say of them."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf

from skfme import ame, fme
from skfme.statsmodels import (
    ConditionalEffects,
    average_effects,
    delta_effects,
)
from tests.plotting.pictures import people, risk

N = 400
RNG = np.random.default_rng(3)
X = pd.DataFrame(
    {
        "dose": RNG.uniform(0, 5, N),
        "age": RNG.uniform(20, 70, N),
        "children": RNG.integers(0, 4, N),
        "sex": np.where(RNG.uniform(size=N) < 0.5, "f", "m"),
    }
)


def model(table):
    noise = np.sin(7 * table["dose"]) / 5
    return table["dose"] * (table["age"] / 50 + table["children"]) + noise


@pytest.fixture(scope="module")
def effect():
    return fme(model, X, {"dose": 1}, extrapolation=None)


def bars(axes):
    """Places, estimates and ends of the error bars."""
    (container,) = axes.containers
    line, _, (segments,) = container.lines
    ends = np.array([segment[:, 1] for segment in segments.get_segments()])
    return line.get_xdata(), line.get_ydata(), ends


def legend_of(axes):
    return " ".join(text.get_text() for text in axes.get_legend().get_texts())


def test_the_local_mean_is_drawn_along_the_moderator(effect):
    axes = effect.plot(against="age").ax_
    assert axes.get_xlabel() == "age"
    assert "local mean" in legend_of(axes)
    (smooth,) = (line for line in axes.lines if line.get_label() == "local mean")
    grid, means = smooth.get_data()
    inside = (grid > 30) & (grid < 60)
    truth = grid[inside] / 50 + X["children"].mean()
    assert np.abs(means[inside] - truth).max() < 0.6


def test_estimates_by_value_stand_at_their_values(effect):
    results = average_effects(effect, by="children")
    axes = effect.plot(against="children", inference=results).ax_
    places, estimates, ends = bars(axes)
    frame = results.to_frame()
    np.testing.assert_array_equal(places, [0, 1, 2, 3])
    np.testing.assert_allclose(estimates, frame["estimate"])
    np.testing.assert_allclose(ends, frame[["conf_low", "conf_high"]])
    assert "95 % interval (sample)" in legend_of(axes)


def test_categories_find_their_places(effect):
    results = ConditionalEffects.from_groups(effect, "sex").fit()
    axes = effect.plot(against="sex", inference=results).ax_
    labels = [text.get_text() for text in axes.get_xticklabels()]
    places, estimates, _ = bars(axes)
    assert [labels[int(place)] for place in places] == ["f", "m"]
    np.testing.assert_allclose(estimates, results.to_frame()["estimate"])


def test_values_of_a_wide_range_stand_to_scale():
    table = X.assign(children=RNG.integers(0, 40, N))
    effect = fme(model, table, {"dose": 1}, extrapolation=None)
    results = average_effects(effect, by="children")
    places, _, _ = bars(effect.plot(against="children", inference=results).ax_)
    np.testing.assert_array_equal(places, results.to_frame()["children"])


def test_the_delta_methods_estimates_are_drawn_as_well(effect):
    fit = smf.ols("y ~ dose * C(children)", X.assign(y=model(X))).fit()
    results = delta_effects(fit, X, {"dose": 1}, by="children")
    _, estimates, _ = bars(effect.plot(against="children", inference=results).ax_)
    np.testing.assert_allclose(estimates, results.params)


def test_a_regression_is_a_curve_with_its_band(effect):
    results = ConditionalEffects.from_formula(effect, "age + children").fit()
    axes = effect.plot(against="age", inference=results).ax_
    (curve,) = (line for line in axes.lines if line.get_zorder() == 4.5)
    ages, fitted = curve.get_data()
    typical = pd.DataFrame({"age": ages, "children": round(X["children"].mean())})
    np.testing.assert_allclose(fitted, results.predict(typical))
    expected = results.prediction_frame(typical)
    (band,) = (c for c in axes.collections if c.get_zorder() == 4)
    vertices = band.get_paths()[0].vertices
    assert vertices[:, 1].min() == pytest.approx(expected["conf_low"].min())
    assert vertices[:, 1].max() == pytest.approx(expected["conf_high"].max())
    assert "regression, all else typical" in legend_of(axes)


def test_one_average_is_a_band_across(effect):
    results = average_effects(effect)
    axes = effect.plot(against="age", inference=results).ax_
    (band,) = (patch for patch in axes.patches if patch.get_alpha() == 0.2)
    low, high = results.conf_int().to_numpy()[0]
    corners = band.get_path().vertices if not hasattr(band, "get_height") else None
    if corners is None:
        ends = (band.get_y(), band.get_y() + band.get_height())
    else:
        ends = (corners[:, 1].min(), corners[:, 1].max())
    assert ends == pytest.approx((low, high))


def test_the_feature_that_the_step_moves_needs_no_name(effect):
    axes = effect.plot(inference=average_effects(effect)).ax_
    assert axes.get_xlabel() == "dose"
    assert "average, 95 % interval" in legend_of(axes)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"against": "agee"}, ValueError, "features name 'agee'"),
        ({"against": ["age", "sex"]}, ValueError, "against takes one column"),
        ({"against": "age", "features": "sex"}, ValueError, "give one"),
        ({"against": "age", "inference": 3}, TypeError, "results with to_frame"),
        ({"features": ["age", "dose"], "inference": 3}, ValueError, "along one column"),
        ({"kind": "histogram", "inference": 3}, ValueError, "along one column"),
    ],
)
def test_bad_requests_say_what_is_wrong(effect, options, error, message):
    with pytest.raises(error, match=message):
        effect.plot(**options)


def test_results_of_other_groups_or_effects_are_refused(effect):
    other = average_effects(fme(model, X, {"age": 1}, extrapolation=None))
    with pytest.raises(ValueError, match=r"no one estimate of 'dose \+1'"):
        effect.plot(against="age", inference=other)
    by_sex = average_effects(effect, by="sex")
    with pytest.raises(ValueError, match="results by='age'"):
        effect.plot(against="age", inference=by_sex)


def test_one_effect_is_found_among_several():
    effects = ame(model, X, [{"dose": 1}, {"age": 5}], extrapolation=None)
    results = average_effects(effects, by="children")
    chosen = effects["age +5"].plot(against="children", inference=results)
    _, estimates, _ = bars(chosen.ax_)
    frame = results.to_frame()
    np.testing.assert_allclose(
        estimates, frame.loc[frame["effect"] == "age +5", "estimate"]
    )


def test_unordered_categories_have_means_and_no_line_between_them():
    X = people()
    effect = fme(risk, X, {"bmi": -2})
    assert _line_of(effect.plot(against="sex")).get_linestyle() == "None"
    X["sex"] = X["sex"].cat.as_ordered()
    effect = fme(risk, X, {"bmi": -2})
    assert _line_of(effect.plot(against="sex")).get_linestyle() == "-"


def _line_of(display):
    lines = display.ax_.lines
    return next(line for line in lines if line.get_label() == "mean at each value")


def test_a_plot_by_groups_of_one_effect_says_what_to_call():
    with pytest.raises(TypeError, match=r"effects\.plot\(by=…\)"):
        fme(risk, people(), {"bmi": -2}).plot(by="sex")
