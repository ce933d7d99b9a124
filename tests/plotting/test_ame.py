"""AMEDisplay: dots, what their lines are, counts, groups and classes."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skfme import AMEDisplay, ame
from skfme.statsmodels import EffectResults, average_effects
from tests.plotting.pictures import LABELS, outside, overlaps, people, risk


@pytest.fixture(scope="module")
def effects():
    return ame(risk, people())


class Inference:
    """Results as skfme.statsmodels gives them."""

    covers = "other people, with the model as it is"

    def __init__(self, frame):
        self.frame = frame

    def to_frame(self):
        return self.frame


def with_intervals(effects):
    frame = effects.to_frame()
    return pd.DataFrame(
        {
            "effect": frame["effect"],
            "estimate": frame["ame"],
            "std_error": 1.0,
            "statistic": frame["ame"],
            "p_value": 0.5,
            "conf_low": frame["ame"] - 2,
            "conf_high": frame["ame"] + 2,
        }
    )


def lines_of(display):
    """Ends of the line through each dot, by its height."""
    drawn = [c for c in display.ax_.collections if c.get_linewidth()[0] == 2]
    return {
        round(s[0, 1], 6): (s[0, 0], s[1, 0]) for c in drawn for s in c.get_segments()
    }


def dots_of(display):
    dots = display.dots_.values()
    return {
        round(y, 6): x
        for d in dots
        for x, y in zip(*d.lines[0].get_data(), strict=True)
    }


def test_dots_are_the_averages_from_the_largest_to_the_smallest(effects):
    display = effects.plot()
    names = [t.get_text() for t in display.ax_.get_yticklabels()]
    expected = effects.to_frame().sort_values("ame", ascending=False, kind="stable")
    assert [n.replace("−", "-") for n in names] == expected["effect"].tolist()
    np.testing.assert_allclose(list(dots_of(display).values()), expected["ame"])
    top, bottom = display.ax_.get_ylim()[::-1]
    assert top < bottom  # the first stands at the top


def test_effects_can_stand_as_they_were_asked_for(effects):
    names = effects.plot(sort=False).table["effect"]
    assert [n.replace("−", "-") for n in names] == list(effects)


def test_lines_are_quartiles_and_said_to_be_no_interval(effects):
    display = effects.plot(sort=False)
    frame = effects.to_frame()
    np.testing.assert_allclose(list(lines_of(display).values()), frame[["q25", "q75"]])
    texts = " ".join(t.get_text() for t in display.ax_.texts).replace("\n", " ")
    assert "quartiles of the rows, their spread and no confidence interval" in texts


def test_lines_are_intervals_where_they_are_given_and_say_what_they_cover(effects):
    display = effects.plot(sort=False, inference=Inference(with_intervals(effects)))
    means = effects.to_frame()["ame"].to_numpy()
    expected = np.column_stack([means - 2, means + 2])
    np.testing.assert_allclose(list(lines_of(display).values()), expected)
    texts = " ".join(t.get_text() for t in display.ax_.texts).replace("\n", " ")
    assert "confidence intervals. Intervals cover: other people" in texts
    assert "spread" not in texts


def test_lines_are_the_intervals_of_average_effects(effects):
    averages = average_effects(effects)
    display = effects.plot(sort=False, inference=averages)
    np.testing.assert_allclose(list(lines_of(display).values()), averages.conf_int())
    texts = " ".join(t.get_text() for t in display.ax_.texts).replace("\n", " ")
    assert "with the model held fixed" in texts
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)


def test_intervals_of_groups_have_dots_of_their_own(effects):
    frame = with_intervals(effects)
    both = pd.concat([frame.assign(sex="f"), frame.assign(sex="m", estimate=0.0)])
    display = effects.plot(inference=Inference(both))
    assert list(display.dots_) == ["sex f", "sex m"]
    assert set(display.dots_["sex m"].lines[0].get_xdata()) == {0.0}


def test_intervals_of_other_effects_are_refused(effects):
    frame = with_intervals(effects).assign(effect="age +1")
    with pytest.raises(
        ValueError, match="inference is about 'age \\+1', which is none"
    ):
        effects.plot(inference=Inference(frame))


def test_rows_that_count_and_rows_left_out_stand_beside(effects):
    display = effects.plot(sort=False)
    texts = [t.get_text() for t in display.ax_.texts]
    for effect in effects.values():
        assert str(effect.n) in texts
        assert str(sum(effect.n_left_out.values())) in texts
    assert "n" in texts
    assert "left out" in texts


def test_groups_have_dots_with_one_sd(effects):
    display = effects.plot(by="sex", sort=False)
    assert list(display.dots_) == ["sex f", "sex m"]
    first = next(iter(effects.values())).average(by="sex")
    dots, lines = dots_of(display), lines_of(display)
    places = sorted(dots)[:2]
    np.testing.assert_allclose([dots[p] for p in places], first["ame"])
    expected = np.column_stack([first["ame"] - first["sd"], first["ame"] + first["sd"]])
    np.testing.assert_allclose([lines[p] for p in places], expected)
    texts = " ".join(t.get_text() for t in display.ax_.texts).replace("\n", " ")
    assert "one SD of the rows" in texts
    assert "no confidence interval" in texts


def test_groups_without_rows_of_an_effect_keep_their_place_among_the_others():
    rows = people().assign(
        level=pd.Categorical(np.array(["low", "mid", "high"])[np.arange(300) % 3])
    )
    rows["level"] = rows["level"].cat.set_categories(["low", "mid", "high"])
    levels = [{"level": level} for level in ("low", "mid", "high")]
    model = lambda X: risk(X.drop(columns="level"))  # noqa: E731
    display = ame(model, rows, levels).plot(by="level")
    assert list(display.dots_) == ["level low", "level mid", "level high"]


def test_classes_differ_by_colour_and_by_marker():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, np.array(["a", "b", "c"])[y])
    display = ame(model, X).plot()
    lines = [d.lines[0] for d in display.dots_.values()]
    assert list(display.dots_) == ["a", "b", "c"]
    assert len({line.get_color() for line in lines}) == 3
    assert len({line.get_marker() for line in lines}) == 3
    assert display.ax_.get_xlabel() == "Average change in predicted probability (AME)"
    assert not overlaps(display.figure_)


def test_an_effect_without_rows_is_listed_last_without_a_dot():
    effects = ame(risk, people(), [{"bmi": 100}, {"bmi": 1}, {"bp": -1}])
    display = effects.plot()
    assert display.table["effect"].iloc[-1] == "bmi +100"
    assert np.isnan(display.table["estimate"].iloc[-1])
    assert "0" in [t.get_text() for t in display.ax_.texts]


def test_an_effect_without_rows_has_no_dot_among_groups():
    effects = ame(risk, people(), [{"bmi": 100}, {"bmi": 1}])
    display = effects.plot(by="sex")
    assert display.table["effect"].tolist() == ["bmi +1", "bmi +1"]
    assert list(display.dots_) == ["sex f", "sex m"]


def test_labels_name_effects_and_the_response(effects):
    display = effects.plot(labels=LABELS, response_label="risk (points)")
    names = [t.get_text() for t in display.ax_.get_yticklabels()]
    assert "Body mass index +1 kg/m²" in names
    assert display.ax_.get_xlabel() == "Average change in predicted risk (points) (AME)"


@pytest.mark.parametrize("n", [2, 12, 40])
def test_no_two_texts_overlap(n):
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {f"feature number {i} with a name": rng.normal(size=50) for i in range(n)}
    )
    slopes = rng.normal(size=n)
    effects = ame(lambda T: np.asarray(T) @ slopes, X, extrapolation=None)
    display = effects.plot(
        response_label="something with a rather long name (in its units)"
    )
    assert not overlaps(display.figure_)
    assert not outside(display.figure_)


def test_a_table_of_numbers_is_enough():
    table = pd.DataFrame(
        {"effect": ["a"], "level": [""], "estimate": [1.0], "low": [0.0], "high": [2.0]}
    )
    display = AMEDisplay(table, response="load").plot()
    assert dots_of(display) == {0.0: 1.0}


def test_long_names_of_groups_stay_within_the_picture(effects):
    names = ["people who are older than fifty years at the start", "all of the others"]
    by = np.array(names)[np.arange(len(effects.X)) % 2]
    display = effects.plot(by=by)
    assert not outside(display.figure_)
    assert not overlaps(display.figure_)


def test_averages_stand_beside_and_a_mean_off_its_line_is_explained():
    X = pd.DataFrame({"a": np.zeros(100), "v": np.r_[np.zeros(90), np.full(10, 50.0)]})
    skew = ame(lambda T: T["a"] * T["v"], X, {"a": 1}, extrapolation=None)
    display = skew.plot()
    texts = " ".join(t.get_text() for t in display.ax_.texts).split()
    assert "5" in texts
    assert "by few large effects" in " ".join(texts)
    even = ame(lambda T: 2 * T["a"], X, {"a": 1}, extrapolation=None).plot()
    assert "few large" not in " ".join(t.get_text() for t in even.ax_.texts)


def test_rows_without_a_group_are_called_missing():
    X = pd.DataFrame({"a": np.arange(60.0), "g": ["x", "y", None] * 20})
    display = ame(lambda T: T["a"], X, [{"a": 1}, {"a": 2}]).plot(by="g")
    assert {"g x", "g y", "g missing"} == set(display.dots_)


def ratios_with_intervals():
    labels = pd.DataFrame({"effect": ["age +10", "age +10"], "sex": ["f", "m"]})
    cov = [[0.04, 0.01], [0.01, 0.09]]
    options = {"labels": labels, "covers": "rows", "title": "Ratios", "null": 1.0}
    return EffectResults([1.2, 0.6], cov, **options)


def test_results_draw_each_estimate_with_its_interval_and_a_line_where_nothing_changes():
    display = ratios_with_intervals().plot(alpha=0.1)
    half = stats.norm.isf(0.05) * np.array([0.2, 0.3])
    np.testing.assert_allclose(
        list(lines_of(display).values()),
        [[1.2 - half[0], 1.2 + half[0]], [0.6 - half[1], 0.6 + half[1]]],
    )
    assert list(dots_of(display).values()) == [1.2, 0.6]
    names = [tick.get_text() for tick in display.ax_.get_yticklabels()]
    assert names == ["age +10 | sex=f", "age +10 | sex=m"]
    assert display.ax_.get_xlabel() == "Ratios"
    assert display.ax_.lines[0].get_xdata() == [1, 1]
    texts = " ".join(text.get_text() for text in display.ax_.texts)
    assert (
        "Lines: 90 % confidence intervals. Intervals cover the choice of rows." in texts
    )


def test_simultaneous_intervals_are_wider_and_say_so():
    results = ratios_with_intervals()
    plain, together = results.plot(), results.plot(simultaneous=True)
    width = [np.diff(list(lines_of(d).values())) for d in (plain, together)]
    assert (width[1] > width[0]).all()
    assert "simultaneous 95 %" in " ".join(t.get_text() for t in together.ax_.texts)
