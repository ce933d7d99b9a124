"""FMEDisplay: what is drawn where, for every kind of step and table."""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from matplotlib.collections import PathCollection, PolyCollection, QuadMesh
from matplotlib.patches import StepPatch
from matplotlib.text import Annotation
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skfme import Contrast, FMEDisplay, Scale, SetTo, fme
from skfme.plotting import FeatureAxis
from tests.plotting.pictures import (
    LABELS,
    effect_of,
    heights_of,
    legend_texts,
    outside,
    overlaps,
    people,
    risk,
)


def arrows_in(axes):
    return [t for t in axes.texts if isinstance(t, Annotation) and t.arrow_patch]


def test_few_rows_are_points_at_feature_and_effect():
    effect = effect_of({"bmi": -2})
    display = effect.plot()
    (artist,) = display.artists_.flat
    assert isinstance(artist, PathCollection)
    drawn = np.asarray(artist.get_offsets())
    bmi = effect.X["bmi"].to_numpy()[effect.counted]
    np.testing.assert_array_equal(drawn[:, 0], bmi)
    np.testing.assert_array_equal(drawn[:, 1], effect.fme[effect.counted])


def test_many_rows_are_hexagons_that_hold_every_row_that_counts():
    effect = effect_of({"bmi": -2}, n=5000)
    (artist,) = effect.plot().artists_.flat
    assert isinstance(artist, PolyCollection)
    assert artist.get_array().sum() == effect.n


def test_the_ame_is_a_line_and_stands_in_the_legend():
    effect = effect_of({"bmi": -2})
    axes = effect.plot().ax_
    heights = [
        line.get_ydata()[0] for line in axes.lines if len(set(line.get_ydata())) == 1
    ]
    assert effect.ame in heights
    ends = f"{effect.before:.4g} → {effect.after:.4g}"
    text = f"AME {effect.ame:.3g} ({ends})".replace("-", "−")
    assert text in legend_texts(axes)


@pytest.mark.parametrize("step", [-2, 3.5])
def test_the_arrow_is_as_long_as_the_step_and_points_its_way(step):
    (arrow,) = arrows_in(effect_of({"bmi": step}).plot(labels=LABELS).ax_)
    assert arrow.xy[0] - arrow.xyann[0] == pytest.approx(step)
    beside = [t.get_text() for t in arrow.axes.texts]
    assert f"step {step:+g} kg/m²".replace("-", "−") in beside


def test_a_scaled_step_starts_at_the_median():
    effect = effect_of({"bmi": Scale(0.9)})
    (arrow,) = arrows_in(effect.plot().ax_)
    median = np.median(effect.X["bmi"].to_numpy()[effect.counted])
    assert arrow.xyann[0] == pytest.approx(median)
    assert arrow.xy[0] == pytest.approx(0.9 * median)


def test_a_value_that_is_set_is_a_vertical_line():
    axes = effect_of({"bmi": SetTo(25)}).plot(labels=LABELS).ax_
    assert any(set(line.get_xdata()) == {25.0} for line in axes.lines)
    assert "set to 25 kg/m²" in [t.get_text() for t in axes.texts]
    assert not arrows_in(axes)


def test_rows_left_out_are_ticks_at_their_own_values():
    effect = effect_of({"bmi": -2})
    axes = effect.plot().ax_
    (rug,) = [
        c for c in axes.collections if c.get_transform() == axes.get_xaxis_transform()
    ]
    at = sorted(segment[0, 0] for segment in rug.get_segments())
    np.testing.assert_allclose(at, np.sort(effect.X["bmi"][effect.extrapolated]))
    n_out = effect.n_left_out["extrapolation"]
    assert f"{n_out} rows left out: extrapolation" in legend_texts(axes)


def test_labels_and_units_stand_wherever_a_person_reads():
    display = effect_of({"bmi": -2}).plot(
        labels=LABELS, response_label="disease progression (points)"
    )
    axes = display.ax_
    assert axes.get_xlabel() == "Body mass index (kg/m²)"
    assert axes.get_ylabel().replace("\n", " ") == (
        "Change in predicted disease progression (points)"
    )
    assert axes.get_title(loc="left") == "Body mass index −2 kg/m²"


def test_the_response_label_of_fme_is_the_default():
    effect = effect_of({"bmi": -2}, response_label="risk score")
    assert effect.plot().ax_.get_ylabel() == "Change in predicted risk score"
    assert "Change in the predicted risk score" in str(effect)


def test_few_values_stand_side_by_side_and_the_step_between_two_of_them():
    display = effect_of({"visits": 1}).plot()
    axes = display.ax_
    assert [t.get_text() for t in axes.get_xticklabels()] == ["1", "2", "3", "4"]
    (arrow,) = arrows_in(axes)
    assert arrow.xy[0] - arrow.xyann[0] == pytest.approx(1)
    assert arrow.xyann[0] in range(4)


def test_many_rows_of_few_values_are_strips_of_counts():
    effect = effect_of({"visits": 1}, n=6000)
    (artist,) = effect.plot().artists_.flat
    assert isinstance(artist, QuadMesh)
    assert artist.get_array().sum() == effect.n


def test_effects_can_be_drawn_against_another_column():
    effect = effect_of({"bmi": -2})
    axes = effect.plot(features="sex").ax_
    assert [t.get_text() for t in axes.get_xticklabels()] == ["f", "m"]
    assert not arrows_in(axes)


def test_the_mean_of_each_category_is_marked():
    effect = effect_of({"bmi": -2})
    axes = effect.plot(features="sex").ax_
    means = effect.average(by="sex")["ame"]
    (marks,) = [line for line in axes.lines if line.get_label() == "mean at each value"]
    np.testing.assert_allclose(marks.get_ydata(), means)


@pytest.mark.parametrize(
    "steps",
    [
        {"sex": "m"},
        {"bmi": Contrast(20, 30)},
        {"bmi": -2, "sex": "m"},
        {"bmi": -2, "bp": -10, "visits": 1},
    ],
    ids=["category", "contrast", "mixed", "three"],
)
def test_other_steps_are_a_histogram_of_all_rows_that_count(steps):
    effect = effect_of(steps)
    (artist,) = effect.plot().artists_.flat
    assert isinstance(artist, StepPatch)
    assert heights_of(artist).sum() == effect.n


def test_the_histogram_says_how_many_rise_and_fall():
    X = pd.DataFrame({"a": ["x"] * 8, "b": [1.0, 1, 1, -1, -1, 1, 1, 1]})
    X["a"] = pd.Categorical(X["a"], ["x", "y"])
    train = pd.concat([X, X.assign(a="y")])

    def model(T):
        return np.where(np.asarray(T["a"]) == "y", np.asarray(T["b"]), 0.0)

    display = fme(model, X, {"a": "y"}, background=train).plot()
    assert "falls for 25%, rises for 75% of the rows" in legend_texts(display.ax_)


def test_the_ecdf_ends_at_one_and_crosses_at_the_right_share():
    effect = effect_of({"bmi": -2}, n=400)
    (line,) = effect.plot(kind="ecdf").artists_.flat
    values = effect.fme[effect.counted]
    x, share = line.get_data()
    assert share[0] == 0
    assert share[-1] == pytest.approx(1)
    middle = (values.min() + values.max()) / 2
    expected = np.mean(values <= middle)
    assert np.interp(middle, x, share) == pytest.approx(expected, abs=0.01)


def test_weights_are_counted_instead_of_rows():
    weights = np.linspace(0.5, 2, 300)
    effect = effect_of({"sex": "m"}, sample_weight=weights)
    display = effect.plot()
    heights = heights_of(display.artists_[0, 0])
    assert heights.sum() == pytest.approx(weights[effect.counted].sum())
    assert display.ax_.get_ylabel() == "weight of rows"
    many = effect_of({"bmi": -2}, n=3000, sample_weight=np.full(3000, 0.5))
    assert many.plot().artists_[0, 0].get_array().sum() == pytest.approx(many.n / 2)


def test_two_features_are_a_plane_with_zero_in_the_middle_of_its_colours():
    effect = effect_of({"bmi": -2, "bp": -10})
    display = effect.plot(labels=LABELS)
    (artist,) = display.artists_.flat
    np.testing.assert_array_equal(artist.get_array(), effect.fme[effect.counted])
    assert artist.norm.vcenter == 0
    assert artist.norm.vmin == -artist.norm.vmax
    assert display.ax_.get_ylabel() == "Blood pressure (mm Hg)"
    (arrow,) = arrows_in(display.ax_)
    np.testing.assert_allclose(np.subtract(arrow.xy, arrow.xyann), [-2, -10])


def test_a_plane_of_many_rows_shows_means():
    effect = effect_of({"bmi": -2, "bp": -10}, n=8000)
    (artist,) = effect.plot().artists_.flat
    counted = effect.fme[effect.counted]
    assert isinstance(artist, PolyCollection)
    assert counted.min() <= artist.get_array().min()
    assert artist.get_array().max() <= counted.max()


def test_a_plane_with_few_values_has_a_cell_for_each():
    effect = effect_of({"bmi": -2, "visits": 1}, n=8000)
    (artist,) = effect.plot().artists_.flat
    assert isinstance(artist, QuadMesh)
    assert artist.get_array().shape[0] == 4
    bmi, visits = (effect.X[c].to_numpy()[effect.counted] for c in ("bmi", "visits"))
    edges = np.linspace(bmi.min(), bmi.max(), 31)
    cell = (visits == 2) & (bmi >= edges[3]) & (bmi < edges[4])
    expected = effect.fme[effect.counted][cell].mean()
    assert artist.get_array()[1, 3] == pytest.approx(expected)


def test_nlm_stands_beside_with_its_median():
    effect = effect_of({"bmi": -6}, nlm=True)
    display = effect.plot()
    assert display.axes_.shape == (1, 2)
    axes = display.axes_[0, 1]
    heights = [line.get_ydata()[0] for line in axes.lines]
    median = np.nanmedian(effect.nlm)
    assert any(h == pytest.approx(np.clip(median, 0, 1)) for h in heights)
    drawn = np.asarray(display.artists_[0, 1].get_offsets())[:, 1]
    defined = effect.nlm[effect.counted & ~np.isnan(effect.nlm)]
    np.testing.assert_allclose(drawn, np.clip(defined, 0, 1))
    assert "below 0 drawn at 0" in axes.get_ylabel().replace("\n", " ")


def test_no_nlm_panel_where_nothing_moves_along_a_line():
    assert effect_of({"sex": "m"}, nlm=True).plot().axes_.shape == (1, 1)


@pytest.fixture(scope="module")
def flowers():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    return fme(
        LogisticRegression(max_iter=1000).fit(X, names), X, {"petal length (cm)": 1}
    )


def test_each_output_has_axes_of_its_own(flowers):
    display = flowers.plot()
    assert len(display.axes_) == 3
    assert "virginica" in display.axes_[2, 0].get_ylabel()
    assert not overlaps(display.figure_)


def test_one_output_can_be_chosen(flowers):
    display = flowers.plot(output="versicolor")
    assert display.axes_.shape == (1, 1)
    drawn = np.asarray(display.artists_[0, 0].get_offsets())[:, 1]
    np.testing.assert_array_equal(drawn, flowers.fme[flowers.counted, 1])
    with pytest.raises(ValueError, match=r"output='rose' is no output.*'setosa'"):
        flowers.plot(output="rose")


def test_given_axes_are_used():
    figure, axes = plt.subplots(1, 2)
    display = effect_of({"bmi": -2}).plot(ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].collections


def test_given_axes_are_divided_where_two_are_needed():
    figure, axes = plt.subplots(1, 2, figsize=(10, 4))
    place = axes[1].get_position()
    display = effect_of({"bmi": -6}, nlm=True).plot(ax=axes[1])
    assert not axes[1].axison
    for part in display.axes_.flat:
        box = part.get_position()
        assert place.x0 - 1e-9 <= box.x0 < box.x1 <= place.x1 + 1e-9
    with pytest.raises(ValueError, match=r"ax=display\.axes_"):
        effect_of({"bmi": -6}, nlm=True).plot(ax=axes[1])
    again = effect_of({"bmi": -6}, nlm=True).plot(ax=display.axes_)
    assert again.figure_ is figure


def test_axes_without_a_grid_are_divided_too():
    figure = plt.figure()
    axes = figure.add_axes((0.1, 0.2, 0.6, 0.5))
    display = effect_of({"bmi": -6}, nlm=True).plot(ax=axes)
    assert display.axes_[0, 1].get_position().x1 == pytest.approx(0.7)


def test_what_are_no_axes_is_named():
    with pytest.raises(TypeError, match="ax must be Matplotlib axes, got 'here'"):
        effect_of({"bmi": -2}).plot(ax="here")


def test_a_wrong_number_of_axes_is_refused():
    _, axes = plt.subplots(1, 3)
    with pytest.raises(ValueError, match="ax has 3 axes; this display needs 1"):
        effect_of({"bmi": -2}).plot(ax=axes)


def test_options_reach_the_artist():
    (artist,) = effect_of({"bmi": -2}).plot(s=50, alpha=0.1).artists_.flat
    assert artist.get_alpha() == 0.1


def test_arrays_are_enough_without_an_effect():
    rng = np.random.default_rng(0)
    axis = FeatureAxis(rng.normal(size=50), "Age (years)", arrow=(0.0, 1.0))
    display = FMEDisplay(rng.normal(size=50), features=[axis], title="One more").plot()
    assert display.ax_.get_xlabel() == "Age (years)"


@pytest.mark.parametrize("kind", [pl.from_pandas, pa.Table.from_pandas, np.asarray])
def test_every_kind_of_table_is_drawn_with_its_labels(kind):
    X = people()[["bmi", "bp"]]
    column = 0 if kind is np.asarray else "bmi"

    def model(T):
        return np.asarray(T[:, 0] if kind is np.asarray else T["bmi"], float) ** 2

    labels = {column: "Body mass index (kg/m²)"}
    display = fme(model, kind(X), {column: -2}).plot(labels=labels)
    assert display.ax_.get_xlabel() == "Body mass index (kg/m²)"
    assert display.ax_.get_title(loc="left") == "Body mass index −2 kg/m²"


def test_a_column_of_an_array_is_drawn_alike_by_position_and_by_name():
    def model(T):
        return np.asarray(T[:, 0], float) ** 2 + np.asarray(T[:, 1])

    X = people()[["bmi", "visits"]].to_numpy()
    effect = fme(model, X, {0: -2}, categorical_features=[1])
    (arrow,) = arrows_in(effect.plot(features=0).ax_)
    assert arrow.xy[0] - arrow.xyann[0] == pytest.approx(-2)
    by_position, by_name = (effect.plot(features=f).ax_ for f in (1, "x1"))
    ticks = [t.get_text() for t in by_name.get_xticklabels()]
    assert [t.get_text() for t in by_position.get_xticklabels()] == ticks


def test_dates_have_an_axis_of_dates():
    days = pd.date_range("2024-01-01", periods=200, freq="D")
    X = pd.DataFrame({"day": days})

    def model(T):
        return np.sin(np.asarray(T["day"]).astype("datetime64[D]").astype(float) / 20)

    display = fme(model, X, {"day": pd.Timedelta(days=7)}, extrapolation=None).plot()
    (arrow,) = arrows_in(display.ax_)
    assert arrow.xy[0] - arrow.xyann[0] == pytest.approx(7)
    display.figure_.canvas.draw()
    ticks = " ".join(tick.get_text() for tick in display.ax_.get_xticklabels())
    assert "Mar" in ticks


def test_missing_values_of_the_feature_are_not_drawn():
    X = people()
    X.loc[:9, "bp"] = np.nan
    effect = fme(lambda T: np.asarray(T["bmi"]) ** 2, X, {"bmi": -2})
    (artist,) = effect.plot(features="bp").artists_.flat
    shown = effect.counted & X["bp"].notna().to_numpy()
    assert len(artist.get_offsets()) == shown.sum()


def test_an_effect_that_is_constant_but_for_rounding_is_drawn_flat():
    X = people()
    effect = fme(lambda T: 0.1 * np.asarray(T["bmi"]), X, {"bmi": -2})
    low, high = effect.plot().ax_.get_ylim()
    assert low < -0.2 < 0 < high
    assert high - low < 1


def test_names_that_look_like_formulas_or_markup_are_taken_literally():
    X = people().rename(columns={"bmi": "$x^2$ & <b> $\\frac{", "sex": "s$e$x"})
    name = X.columns[0]
    display = fme(lambda T: np.asarray(T[name]) ** 2, X, {name: -2}).plot()
    display.figure_.canvas.draw()
    assert display.ax_.get_xlabel() == name
    assert not display.ax_.xaxis.label.get_parse_math()


@pytest.mark.parametrize(
    ("steps", "n", "options"),
    [
        ({"bmi": -2}, 300, {}),
        ({"bmi": -2}, 30_000, {}),
        ({"visits": 1}, 300, {}),
        ({"visits": 1}, 30_000, {}),
        ({"bmi": -2, "bp": -10}, 300, {}),
        ({"bmi": -2, "bp": -10}, 30_000, {}),
        ({"sex": "m"}, 300, {}),
        ({"bmi": -6}, 300, {"nlm": True}),
        ({"bmi": SetTo(25)}, 300, {}),
    ],
)
def test_no_two_texts_overlap_and_none_is_cut_off(steps, n, options):
    effect = effect_of(steps, n, **options)
    words = {
        "labels": LABELS,
        "response_label": "disease progression after a year (points)",
    }
    display = effect.plot(**words)
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)


def test_no_two_texts_overlap_in_small_subplots():
    figure, axes = plt.subplots(2, 2, figsize=(9, 7), layout="constrained")
    steps = [{"bmi": -2}, {"sex": "m"}, {"bmi": -2, "bp": -10}, {"visits": 1}]
    for step, ax in zip(steps, axes.flat, strict=True):
        effect_of(step).plot(ax=ax, labels=LABELS, response_label="disease progression")
    assert not overlaps(figure)
    assert not outside(figure)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"kind": "violin"}, ValueError, "kind must be one of"),
        (
            {"features": ["bmi", "bp", "visits"]},
            ValueError,
            "features takes one or two columns",
        ),
        ({"features": "bmj"}, ValueError, "features name 'bmj'.*mean 'bmi'"),
        (
            {"labels": {"bmj": "Body mass index"}},
            ValueError,
            "labels name 'bmj'.*mean 'bmi'",
        ),
        ({"labels": ["Body mass index"]}, TypeError, "labels must be a mapping"),
        ({"labels": {"bmi": 3}}, TypeError, "label of 'bmi' must be a text"),
    ],
    ids=[
        "unknown kind",
        "three features",
        "unknown feature",
        "label of an unknown column",
        "labels in a list",
        "label that is no text",
    ],
)
def test_a_bad_request_is_refused_with_what_to_do(options, error, message):
    with pytest.raises(error, match=message):
        effect_of({"bmi": -2}).plot(**options)


def test_an_effect_without_rows_says_so():
    effect = fme(risk, people(), {"bmi": 100})
    with pytest.raises(ValueError, match="No row counts for the effect 'bmi \\+100'"):
        effect.plot()


def test_without_matplotlib_the_error_names_the_extra(monkeypatch):
    effect = effect_of({"bmi": -2})
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'skfme\[plot\]'"):
        effect.plot()
