"""Results: tables, groups and texts."""

import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer, StdDev, ame, fme
from skfme._text.printing import format_number


@pytest.fixture
def people():
    return pd.DataFrame(
        {
            "age": [20.0, 30.0, 40.0, 50.0, np.nan],
            "sex": pd.Categorical(["f", "m", "f", "m", None]),
        },
        index=list("abcde"),
    )


def square(X):
    return np.nan_to_num(np.asarray(X["age"], dtype=float)) ** 2


def test_rows_keep_their_labels_in_the_frame(people):
    frame = fme(square, people, {"age": 10}).to_frame()
    assert list(frame.index) == list("abcde")
    assert list(frame["status"]) == ["counted"] * 3 + ["extrapolation", "missing"]
    np.testing.assert_array_equal(frame["fme"], [500, 700, 900, np.nan, np.nan])


def test_weights_stand_in_the_frame(people):
    weights = [1.0, 2, 3, 4, 5]
    frame = fme(square, people, {"age": 10}, sample_weight=weights).to_frame()
    assert list(frame["sample_weight"]) == weights


@pytest.mark.parametrize(
    "by",
    [
        "sex",
        ["sex"],
        pd.Series(["f", "m", "f", "m", None], name="sex"),
        pl.Series("sex", ["f", "m", "f", "m", None]),
        np.array(["f", "m", "f", "m", None], dtype=object),
        ["f", "m", "f", "m", "f"],
    ],
    ids=["name", "list of names", "pandas", "polars", "array", "list"],
)
def test_average_by_group_counts_only_rows_that_count(people, by):
    table = fme(square, people, {"age": 10}).average(by=by)
    assert list(table.iloc[:, 1]) == ["f", "m"]
    assert list(table["n"]) == [2, 1]
    assert list(table["ame"]) == [700, 700]
    assert table["sd"][0] == pytest.approx(np.std([500, 900], ddof=1))
    assert np.isnan(table["sd"][1])


def test_missing_entries_are_a_group_of_their_own(people):
    effect = fme(square, people.assign(age=[20.0, 30, 40, 50, 30]), {"age": 10})
    table = effect.average(by="sex")
    assert list(table["n"]) == [2, 1, 1]
    assert pd.isna(table["sex"].iloc[-1])


def test_groups_by_two_columns_and_a_weighted_mean(people):
    X = people.assign(site=["x", "x", "y", "y", "y"])
    weights = np.array([1.0, 2, 3, 4, 5])
    effect = fme(square, X, {"age": 10}, sample_weight=weights, extrapolation=None)
    table = effect.average(by=["site", "sex"])
    assert list(zip(table["site"], table["sex"], table["ame"], strict=True)) == [
        ("x", "f", 500),
        ("x", "m", 700),
        ("y", "f", 900),
        ("y", "m", 1100),
    ]
    by_site = effect.average(by="site")
    assert by_site["ame"][0] == pytest.approx((500 + 2 * 700) / 3)


def test_the_share_of_positive_effects_goes_by_weight(people):
    effect = fme(
        lambda X: np.abs(X["age"] - 35.0),
        people.assign(age=[20.0, 30, 40, 50, 60], sex=["f", "f", "m", "m", "m"]),
        {"age": 10},
        sample_weight=[1.0, 3, 1, 1, 2],
        extrapolation=None,
    )  # -10, 0, 10, 10, 10
    assert list(effect.average(by="sex")["share_positive"]) == [0, 1]
    whole = effect.average(by=[0] * 5)
    assert whole["share_positive"][0] == 0.5


def test_unknown_groups_are_named_with_the_nearest(people):
    with pytest.raises(ValueError, match="'sx'.*mean 'sex'"):
        fme(square, people, {"age": 10}).average(by="sx")
    with pytest.raises(ValueError, match=r"by has shape \(2,\), expected \(5,\)"):
        fme(square, people, {"age": 10}).average(by=np.array([1, 2]))


def test_counted_data_keep_the_kind_of_table(people):
    frame = people.dropna()
    for table in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        weights = [1.0, 2.0, 3.0, 4.0]
        data = fme(square, table, {"age": 10}, sample_weight=weights).counted_data()
        assert type(data.X) is type(table)
        assert len(data.X) == 3
        np.testing.assert_array_equal(data.fme, [500, 700, 900])
        np.testing.assert_array_equal(data.sample_weight, [1, 2, 3])


def test_effects_share_the_users_memory_without_a_copy():
    X = np.random.default_rng(0).normal(size=(50, 2))
    assert fme(lambda X: X[:, 0], X, {0: 1}).X is X
    if pd.__version__ >= "3":  # before, tables are not guarded by copy-on-write
        frame = pd.DataFrame(X, columns=["a", "b"])
        shown = fme(lambda X: X["a"], frame, {"a": 1}).X
        assert np.shares_memory(shown.to_numpy(), frame.to_numpy())


@pytest.fixture(scope="module")
def flowers():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    model = LogisticRegression(max_iter=1000).fit(X, names)
    return X, model


def test_summaries_fit_80_columns(flowers):
    X, model = flowers
    joint = {column: StdDev(-0.123456) for column in X}
    for effects in (ame(model, X), ame(model, X, "sd"), ame(model, X, [joint])):
        text = str(effects.summary())
        assert max(map(len, text.splitlines())) <= 80
        assert "virginica" in text


def test_summary_says_what_one_sd_came_to(flowers):
    X, model = flowers
    effect = fme(model, X, {"petal width (cm)": StdDev(1)})
    sd = X["petal width (cm)"].std()
    assert f"1 SD of petal width (cm) = {sd:.4g}" in str(effect.summary())


def test_summary_counts_rows_outside_before_the_step():
    X = np.arange(10.0).reshape(-1, 1)
    effect = fme(lambda X: X[:, 0], X + 2, {0: -1}, background=X)
    assert effect.n_outside_before == 2
    assert "2 rows lay outside the training data before any step" in str(effect)
    assert effect.n_left_out == {"missing": 0, "at_target": 0, "extrapolation": 1}


def test_overview_frame_has_a_row_for_each_effect_and_output(flowers):
    X, model = flowers
    frame = ame(model, X).to_frame()
    assert len(frame) == 4 * 3
    assert frame.loc[0, "ame"] == ame(model, X)["sepal length (cm) +1"].ame[0]
    assert frame["n"].iloc[0] + frame["n_extrapolation"].iloc[0] == 150


def test_html_escapes_what_comes_from_data():
    X = pd.DataFrame({"<script>alert(1)</script>": [1.0, 2.0, 3.0]})
    effects = ame(lambda X: np.asarray(X)[:, 0], X)
    html = effects._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_unknown_effect_lists_the_known_ones(people):
    effects = ame(square, people, {"age": 10})
    with pytest.raises(KeyError, match=r"no effect is named 'bmi'.*'age \+10'"):
        effects["bmi"]


def test_progress_is_shown_only_on_request(capfd):
    X = np.arange(20.0).reshape(-1, 2)
    fme(lambda X: X[:, 0], X, {0: 1}, batch_size=2)
    assert capfd.readouterr() == ("", "")
    fme(lambda X: X[:, 0], X, {0: 1}, batch_size=2, verbose=1)
    assert "effects" in capfd.readouterr().err


def test_a_target_by_name_is_named_in_the_summary(people):
    X = people[["age"]].dropna()
    y = pd.Series([1.0, 2.0, 3.0, 4.0], index=X.index, name="risk")
    explainer = FMEExplainer(LinearRegression(), {"age": 1}).fit(X, y)
    assert "the prediction of risk" in str(explainer.explain(X))


def longest_line(text):
    return max(map(len, str(text).splitlines()))


def test_summaries_of_long_names_fit_80_columns():
    long = "a column whose name says everything there is to say about it, and then some"
    X = pd.DataFrame({long: [1.0, 2, 3, 4], "x" * 120: [1e9, 2e9, 3e9, 4e9]})

    def model(T):
        return np.asarray(T).sum(axis=1)

    model.__name__ = "a_model_whose_name_does_not_fit_on_one_line_" * 3
    effects = ame(model, X, "sd", nlm=True, response_label="everything " * 12)
    text = effects.summary()
    assert longest_line(text) <= 80
    # Nothing is cut off: names, the model and the response are there in full.
    unbroken = "".join(str(text).split())
    assert "".join(long.split()) in unbroken
    assert model.__name__ in unbroken
    assert "everything" * 12 in unbroken


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234.5678, "1235"),
        (12.345678, "12.35"),
        (0.00012345678, "0.0001235"),
        (1.2345678e-7, "1.235e-07"),
        (123456789.0, "1.235e+08"),
        (0.0, "0"),
        (-3.0, "-3.000"),
        (float("nan"), "-"),
    ],
)
def test_rounding_keeps_four_significant_digits(value, text):
    assert format_number(value) == text


def test_html_tables_have_captions_scopes_and_no_colours_of_their_own(people):
    effects = ame(square, people[["age"]].dropna(), [{"age": 10}, {"age": 5}])
    html = effects._repr_html_()
    assert html.count("<table") == html.count("<caption>") == 3
    assert '<th scope="col">AME</th>' in html
    assert '<th scope="row">age +10</th>' in html
    assert "prefers-color-scheme:dark" in html
    # Text takes the page's colours, so that it reads on light and dark alike.
    style = html[html.index("<style>") : html.index("</style>")]
    assert "color:inherit" in style
    assert "background:#" not in style


def test_html_says_what_the_text_says(people):
    effect = fme(square, people[["age"]].dropna(), {"age": StdDev(0.5)})
    assert "Step sizes: 1 SD of age" in effect._repr_html_()
    assert effect.name in effect._repr_html_()


def test_a_response_label_names_what_is_predicted(people):
    effects = ame(square, people, [{"age": 10}], response_label="risk in ten years")
    assert "Change in the predicted risk in ten years" in str(effects)
    assert effects["age +10"].context.response_label == "risk in ten years"
    pd.testing.assert_frame_equal(effects.X, people)


def test_extrapolated_rows_have_a_mask(people):
    effect = fme(square, people, {"age": 10})
    np.testing.assert_array_equal(effect.extrapolated, effect.status == "extrapolation")


def few(steps, **columns):
    rng = np.random.default_rng(3)
    X = pd.DataFrame({"a": np.linspace(0, 1, 200), "g": rng.choice(list("uv"), 200)})
    return fme(lambda t: t["a"].to_numpy(), X.assign(**columns), steps)


def test_a_summary_of_few_rows_says_so_in_its_first_line():
    effect = few({"a": 0.8})
    first = str(effect).split("\n")[0]
    assert first.startswith(
        f"Only {effect.n} of 200 rows count for the effect 'a +0.8'"
    )
    assert "extrapolation" in " ".join(str(effect).split("\n")[:2])
    half = few({"a": 0.4})
    assert str(half).startswith("Forward marginal effects")


def test_rows_that_are_at_the_target_do_not_cut_an_effect_short():
    effect = few({"g": "u"}, g=np.where(np.arange(200) < 150, "u", "v"))
    assert effect.n == 50
    assert str(effect).startswith("Forward marginal effects")


ADVICE = {
    "at the target": (lambda: few({"g": "u"}, g="u"), r"Contrast\(low, high\)"),
    "missing": (lambda: few({"a": 1}, a=np.nan), "count_missing=True"),
    "extrapolation": (lambda: few({"a": 2}), "smaller step"),
}


@pytest.mark.parametrize(("make", "advice"), ADVICE.values(), ids=ADVICE)
def test_where_no_row_counts_the_warning_says_what_to_write(make, advice):
    with pytest.warns(UserWarning, match=rf"No row counts.*{advice}"):
        make()


def test_an_effect_of_one_row_warns_of_its_sd_alone():
    effect = fme(
        lambda T: T["a"] ** 2, pd.DataFrame({"a": [2.0]}), {"a": 1}, extrapolation=None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert effect.ame == 5
        assert "5" in str(effect.summary())
    with pytest.warns(RuntimeWarning, match="SD of effects is not defined"):
        assert np.isnan(effect.sd)


def test_a_step_within_the_gaps_of_trees_is_told_from_no_effect():
    X = pd.DataFrame({"age": np.repeat([20.0, 25.0, 30.0], 20), "z": np.arange(60.0)})
    tree = DecisionTreeRegressor(random_state=0).fit(X, X["age"])
    assert "No prediction changes by 'age +1'." in str(fme(tree, X, {"age": 1}))
    assert "No prediction changes" not in str(fme(tree, X, {"age": 5}))
    assert "No prediction changes" not in str(fme(lambda T: T["z"], X, {"age": 1}))
