"""Bad input: an error that says what was wrong, what was expected and what to do."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.formula.api as smf
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from skfme import (
    IQR,
    Add,
    Contrast,
    FMEExplainer,
    Quantile,
    Scale,
    SetTo,
    StdDev,
    ame,
    fme,
)
from skfme.statsmodels import bootstrap_effects


def zeros(X):
    return np.zeros(len(X))


@pytest.fixture
def people():
    return pd.DataFrame(
        {
            "bmi": [20.0, 25.0, 30.0, 35.0],
            "bp": [80, 90, 100, 110],
            "sex": ["male", "female", "male", "female"],
            "seen": pd.to_datetime(["2024-01-01"] * 4),
        }
    )


@pytest.mark.parametrize(
    ("steps", "wrong", "nearest"),
    [
        ({"bmii": -2}, "bmii", "bmi"),
        ({"BMI": -2, "bp": 1}, "BMI", "Known"),
        ({"bmi": 1, "seks": "male"}, "seks", "sex"),
        ([{"bmi": -2}, {"bpp": 1}], "bpp", "bp"),
        ({"mine": {"bmi_": -2}}, "bmi_", "bmi"),
    ],
)
def test_an_unknown_feature_is_named_with_the_nearest_one(
    people, steps, wrong, nearest
):
    with pytest.raises(ValueError, match=f"'{wrong}', which is not a column") as error:
        ame(zeros, people, steps)
    assert nearest in str(error.value).split("column of X")[1]


def test_a_feature_unlike_any_gets_a_list_of_the_known_ones(people):
    with pytest.raises(ValueError, match="Known: 'bmi', 'bp', 'sex', 'seen'"):
        fme(zeros, people, {"cholesterol": 1})


@pytest.mark.parametrize("position", [3, -4, 17])
def test_a_position_outside_the_array_is_told_the_range(position):
    with pytest.raises(
        ValueError, match=f"column {position}, but X has columns 0 to 2"
    ):
        fme(zeros, np.ones((4, 3)), {position: 1})


def test_a_position_is_no_column_of_a_table_with_names(people):
    with pytest.raises(ValueError, match="0, which is not a column of X"):
        fme(zeros, people, {0: 1})


@pytest.mark.parametrize("steps", [{}, [], [{}], {"mine": {}}, ()])
def test_empty_steps_are_an_error_that_shows_an_example(people, steps):
    with pytest.raises(ValueError, match="is empty. Name"):
        ame(zeros, people, steps) if steps != {} else fme(zeros, people, steps)


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ([{"bmi": -2}, {"bmi": -2}], "bmi -2"),
        ([{"bmi": 1}, {"bmi": 1.0}], r"bmi \+1"),
        ([{"bmi": lambda c: c}, {"bmi": lambda c: 2 * c}], "bmi <lambda>"),
        ([{"a": {"bmi": 1}}, {"a": {"bp": 1}}], "a"),
    ],
)
def test_duplicate_effect_names_are_an_error(people, steps, name):
    with pytest.raises(ValueError, match=f"several effects named '{name}'"):
        ame(zeros, people, steps)


def test_one_effect_cannot_change_a_feature_twice():
    with pytest.raises(ValueError, match="twice"):
        fme(zeros, np.ones((4, 3)), {0: 1, "x0": 2})


@pytest.mark.parametrize("value", ["x", "2", None, True, [1, 2], {1}, 1j, pd.NaT])
def test_what_is_no_number_does_not_step_a_numeric_column(people, value):
    with pytest.raises(TypeError, match=r"'bmi'.*numeric.*expected a number"):
        ame(zeros, people, {"bmi": value})


@pytest.mark.parametrize(
    "step",
    [
        Add("x"),
        Scale("x"),
        Scale(None),
        SetTo("x"),
        StdDev("x"),
        IQR(None),
        SetTo(True),
    ],
    ids=str,
)
def test_what_is_no_number_does_not_fit_a_numeric_step(people, step):
    with pytest.raises(TypeError, match=r"'bmi' must be a number"):
        fme(zeros, people, {"bmi": step})


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "kind", [float, Add, Scale, SetTo, StdDev, IQR, lambda v: Contrast(0, v)]
)
def test_a_step_that_is_not_finite_is_an_error(people, kind, bad):
    with pytest.raises(ValueError, match=r"'bmi' is -?(nan|inf).*must be finite"):
        fme(zeros, people, {"bmi": kind(bad)})


@pytest.mark.parametrize("q", [-0.1, 1.1, np.nan, 90, "median"])
def test_a_quantile_outside_0_and_1_is_an_error(people, q):
    with pytest.raises(ValueError, match="'bmi' must lie between 0 and 1"):
        fme(zeros, people, {"bmi": Quantile(q)})


def test_a_contrast_of_a_value_with_itself_is_an_error(people):
    for low, high, key in ((1, 1, "bmi"), (1, 1.0, "bmi"), ("male", "male", "sex")):
        with pytest.raises(ValueError, match=f"'{key}' compares .* with itself"):
            fme(zeros, people, {key: Contrast(low, high)})


@pytest.mark.parametrize(
    "step", [Add(1), Scale(2), StdDev(1), IQR(1), Quantile(0.5)], ids=str
)
def test_a_numeric_step_does_not_fit_a_categorical_column(people, step):
    with pytest.raises(TypeError, match=r"does not fit 'sex', which is categorical"):
        fme(zeros, people, {"sex": step})


def test_a_step_class_in_place_of_an_object_is_an_error(people):
    with pytest.raises(TypeError, match=r"'bmi' is the class StdDev; give an object"):
        fme(zeros, people, {"bmi": StdDev})


def test_a_timedelta_does_not_fit_a_numeric_column(people):
    with pytest.raises(TypeError, match=r"'bmi', which is numeric. Give a number"):
        fme(zeros, people, {"bmi": dt.timedelta(days=1)})


@pytest.mark.parametrize("value", [2, 1.5, Scale(2), StdDev(1)], ids=str)
def test_a_number_does_not_fit_a_datetime_column(people, value):
    with pytest.raises(TypeError, match=r"'seen', which is datetime. Give a timedelta"):
        fme(zeros, people, {"seen": value})


@pytest.mark.parametrize("value", [None, pd.NaT, np.datetime64("NaT", "ns"), "someday"])
def test_a_datetime_column_is_not_set_to_what_is_no_date(people, value):
    with pytest.raises((ValueError, TypeError), match="'seen'"):
        fme(zeros, people, {"seen": SetTo(value)})


def test_a_timedelta_that_is_not_a_time_is_an_error(people):
    with pytest.raises((ValueError, TypeError), match="'seen'.*NaT"):
        fme(zeros, people, {"seen": np.timedelta64("NaT", "D")})


def test_a_step_in_a_feature_without_spread_is_an_error(people):
    with pytest.raises(ValueError, match="SD of 'bp' is 0"):
        fme(zeros, people.assign(bp=5), {"bp": StdDev(1)})


@pytest.mark.parametrize("step", ["femal", SetTo("femal"), Contrast("male", "femal")])
def test_an_unseen_category_lists_the_known_ones_and_the_nearest(people, step):
    message = "'femal' is not a category of 'sex'.*'female', 'male'.*mean 'female'"
    with pytest.raises(ValueError, match=message):
        fme(zeros, people, {"sex": step})


def test_the_known_categories_are_listed_once(people):
    with pytest.raises(ValueError, match="Known") as error:
        fme(zeros, people, {"sex": "x"})
    assert str(error.value).count("'female'") == 1


def test_a_declared_category_without_rows_is_unseen(people):
    sex = pd.Categorical(people["sex"], ["male", "female", "diverse"])
    with pytest.raises(ValueError, match="'diverse' is not a category of 'sex'"):
        fme(zeros, people.assign(sex=sex), {"sex": "diverse"})


def test_a_category_of_rows_of_weight_zero_only_is_unseen(people):
    people.loc[3, "sex"] = "diverse"
    with pytest.raises(ValueError, match="'diverse' is not a category of 'sex'"):
        fme(zeros, people, {"sex": "diverse"}, sample_weight=[1, 1, 1, 0])


@pytest.mark.parametrize("value", [None, 1, np.nan])
def test_a_missing_value_or_a_number_is_no_category(people, value):
    with pytest.raises(ValueError, match="is not a category of 'sex'"):
        fme(zeros, people, {"sex": value})


def test_changes_and_named_effects_cannot_be_mixed(people):
    with pytest.raises(TypeError, match="mixes changes and named effects"):
        fme(zeros, people, {"bmi": 1, "mine": {"bp": 1}})


@pytest.mark.parametrize("steps", [5, [1], ["bmi"], [("bmi", 1)], object()])
def test_steps_of_the_wrong_type_get_an_example_of_what_is_expected(people, steps):
    with pytest.raises(TypeError, match=r"mapping.*\{'bmi': -2\}"):
        ame(zeros, people, steps)


def test_an_unknown_default_gets_a_list_of_the_known_ones(people):
    with pytest.raises(ValueError, match="'unit', 'sd' or 'iqr'.*'bmi'"):
        ame(zeros, people, "bmi")


@pytest.mark.parametrize(
    ("returned", "message"),
    [(5, r"\(\), expected \(4,\)"), ([1, 2, 3], r"\(3,\), expected \(4,\)")],
)
def test_a_callable_must_return_one_value_per_row(people, returned, message):
    with pytest.raises(ValueError, match=f"'bmi' returned values of shape {message}"):
        fme(zeros, people, {"bmi": lambda column: returned})


def test_a_callable_that_returns_too_short_a_series_is_an_error(people):
    with pytest.raises(ValueError, match="'bmi' returned 2 values, expected 4"):
        fme(zeros, people, {"bmi": lambda column: column[:2]})


@pytest.mark.parametrize("kind", ["pandas", "polars", "numpy"])
def test_a_callable_that_returns_text_for_a_numeric_column_is_an_error(kind):
    frame = pd.DataFrame({"x0": [1.0, 2.0, 3.0]})
    X = {"pandas": frame, "polars": pl.from_pandas(frame), "numpy": frame.to_numpy()}
    with pytest.raises((ValueError, TypeError), match="'x0'.*number"):
        fme(zeros, X[kind], {"x0": lambda column: ["a"] * len(column)})


@pytest.mark.parametrize("kind", ["pandas", "polars", "numpy"])
def test_zero_rows_are_an_error(people, kind):
    tables = {"pandas": people[:0], "polars": pl.from_pandas(people[["bp"]])[:0]}
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        fme(zeros, tables.get(kind, np.empty((0, 3))), {"bp": 1})


def test_zero_rows_to_explain_are_an_error(people):
    explainer = FMEExplainer(LinearRegression(), {"bp": 1})
    explainer.fit(people[["bp"]], people["bmi"])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        explainer.explain(people[["bp"]][:0])


@pytest.mark.parametrize("X", [np.arange(5.0), [1, 2, 3], pd.Series([1, 2])], ids=type)
def test_a_one_dimensional_table_is_an_error(X):
    with pytest.raises(ValueError, match="(?i)2.?d"):
        fme(zeros, X, {0: 1})


@pytest.mark.parametrize(
    "kind", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix]
)
def test_sparse_data_is_an_error_that_says_what_to_do(kind):
    with pytest.raises(TypeError, match=r"(?i)sparse.*toarray\(\)"):
        fme(zeros, kind(np.eye(4)), {0: 1})


def test_a_lazy_table_is_an_error_that_says_what_to_do(people):
    with pytest.raises(TypeError, match=r"lazy.*collect\(\)"):
        fme(zeros, pl.from_pandas(people).lazy(), {"bmi": 1})


def test_repeated_column_names_are_an_error_that_names_them():
    X = pd.DataFrame(np.ones((3, 3)), columns=["a", "b", "a"])
    with pytest.raises(ValueError, match=r"duplicate column names.*'a'"):
        fme(zeros, X, {"b": 1})


@pytest.fixture
def explainer(people):
    X = people[["bmi", "bp"]]
    return FMEExplainer(LinearRegression(), {"bmi": 1}).fit(X, X["bp"])


def test_a_wrong_column_in_explain_is_named_with_the_expected_one(explainer, people):
    X = people[["bmi", "bp"]].rename(columns={"bmi": "bmj"})
    with pytest.raises(ValueError, match="(?s)bmj.*bmi"):
        explainer.explain(X)
    with pytest.raises(ValueError, match="(?s)bmj.*bmi"):
        explainer.predict(X)


def test_a_lacking_and_a_surplus_column_in_explain_are_named(explainer, people):
    with pytest.raises(ValueError, match="(?s)missing.*bp"):
        explainer.explain(people[["bmi"]])
    with pytest.raises(ValueError, match=r"(?s)unseen.*sex"):
        explainer.explain(people[["bmi", "bp", "sex"]])


def test_a_wrong_order_of_columns_in_explain_is_an_error(explainer, people):
    with pytest.raises(ValueError, match="same order"):
        explainer.explain(people[["bp", "bmi"]])


def test_a_wrong_number_of_columns_in_explain_is_an_error():
    X = np.arange(12.0).reshape(4, 3)
    explainer = FMEExplainer(LinearRegression(), {0: 1}).fit(X, X[:, 0])
    with pytest.raises(ValueError, match="X has 2 features, but .* expecting 3"):
        explainer.explain(X[:, :2])


def test_columns_that_a_fitted_model_has_not_seen_are_an_error(people):
    model = LinearRegression().fit(people[["bmi", "bp"]], people["bp"])
    with pytest.raises(ValueError, match=r"\['bmi', 'bp'\].*\['bp', 'bmi'\]"):
        fme(model, people[["bp", "bmi"]], {"bmi": 1})


def test_unknown_categorical_features_are_named_with_the_nearest(people):
    with pytest.raises(ValueError, match="categorical_features.*'sx'.*mean 'sex'"):
        fme(zeros, people, {"bmi": 1}, categorical_features=["sx"])
    with pytest.raises(ValueError, match="'auto' or a list of columns, got 'sex'"):
        fme(zeros, people, {"bmi": 1}, categorical_features="sex")


def test_every_row_an_extrapolation_point_is_a_warning_and_a_nan(people):
    message = r"'bmi \+1000' \(extrapolation: 4\).*AME is NaN.*smaller step"
    with pytest.warns(UserWarning, match=message):
        effect = fme(zeros, people, {"bmi": 1000})
    assert np.isnan(effect.ame)
    assert effect.n == 0
    assert np.isnan(effect.fme).all()
    assert "extrapolation" in str(effect.summary())
    assert np.isnan(effect.to_frame()["fme"]).all()


def test_an_effect_without_rows_leaves_the_others_as_they_are(people):
    with pytest.warns(UserWarning, match=r"bmi \+1000"):
        effects = fme(lambda X: X["bmi"], people, [{"bmi": 1000}, {"bmi": 5}])
    assert effects["bmi +5"].ame == 5
    assert effects["bmi +5"].n == 3


@pytest.mark.parametrize(
    "ask",
    [
        lambda e, X: e.explain(X),
        lambda e, X: e.transform(X),
        lambda e, X: e.predict(X),
        lambda e, X: e.score(X, np.ones(len(X))),
        lambda e, X: e.get_feature_names_out(),
    ],
    ids=["explain", "transform", "predict", "score", "get_feature_names_out"],
)
def test_unfitted_use_is_an_error(ask):
    with pytest.raises(NotFittedError, match="FMEExplainer.*not fitted"):
        ask(FMEExplainer(LinearRegression(), {0: 1}), np.ones((3, 2)))


def test_an_unfitted_model_cannot_be_explained_in_one_call():
    with pytest.raises(NotFittedError, match="LinearRegression"):
        fme(LinearRegression(), np.ones((3, 2)), {0: 1})


def test_a_fitted_model_unfrozen_and_without_y_is_told_both_ways_out():
    X = np.arange(12.0).reshape(4, 3)
    model = LinearRegression().fit(X, X[:, 0])
    with pytest.raises(ValueError, match=r"fme\(model.*FrozenEstimator"):
        FMEExplainer(model, {0: 1}).fit(X)
    assert FMEExplainer(FrozenEstimator(model), {0: 1}).fit(X).explain(X)["x0 +1"].n


class Predicts:
    def predict(self, X):
        return zeros(X)


def no_estimators():
    X = pd.DataFrame({"x": np.arange(6.0), "y": np.arange(6.0) ** 2})
    model = smf.ols("y ~ x", X)
    ways = r"fme\(model, X, steps\)"
    return {
        "a function": (zeros, f"zeros has no fit. {ways}"),
        "an object": (Predicts(), f"Predicts has no fit. {ways}"),
        "results": (
            model.fit(),
            rf"fit of statsmodels returned. {ways}.*delta_effects.*StatsmodelsEstimator",
        ),
        "a model": (model, r"OLS model of statsmodels.*StatsmodelsEstimator\(OLS"),
    }


@pytest.mark.parametrize("kind", no_estimators())
@pytest.mark.parametrize("frozen", [True, False])
def test_what_is_explained_as_it_is_makes_no_explainer_and_is_told_what_does(
    kind, frozen
):
    given, match = no_estimators()[kind]
    X = pd.DataFrame({"x": np.arange(6.0)})
    estimator = FrozenEstimator(given) if frozen else given
    explainer = FMEExplainer(estimator, [{"x": 1}])
    with pytest.raises(TypeError, match=match):
        explainer.fit(X, X["x"])
    with pytest.raises(TypeError, match=match):
        bootstrap_effects(explainer, X, X["x"], n_resamples=2)


def test_what_is_no_model_is_an_error(people):
    with pytest.raises(TypeError, match="model must be a fitted model"):
        fme("model", people, {"bmi": 1})


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 1, 1, -1], "negative in 1 rows"),
        ([0, 0, 0, 0], "zero"),
        ([1, 1, 1], "sample_weight"),
        ([1, 1, 1, np.nan], "NaN"),
    ],
)
def test_bad_weights_are_an_error(people, weights, message):
    with pytest.raises(ValueError, match=message):
        fme(zeros, people, {"bmi": 1}, sample_weight=weights)


@pytest.mark.parametrize("apart", [True, False], ids=["background", "X alone"])
def test_a_model_that_takes_no_missing_values_is_told_columns_and_rows(people, apart):
    X = people[["bmi", "bp"]].astype(float)
    model = LinearRegression().fit(X, X["bp"])
    gaps = X.copy()
    gaps.loc[[0, 2], "bp"] = np.nan
    with pytest.raises(
        ValueError, match=r"missing values of bp \(rows 0, 2; 2 in all\)"
    ):
        fme(
            model,
            gaps,
            {"bmi": 1},
            background=X if apart else None,
            extrapolation=None,
        )


def test_missing_values_elsewhere_go_to_a_model_that_takes_them(people):
    X = people[["bmi", "bp"]].astype(float)
    X.loc[1, "bp"] = np.nan
    effect = fme(lambda X: X["bmi"] + X["bp"].fillna(0), X, {"bmi": 5})
    np.testing.assert_allclose(effect.fme[:3], 5)


@pytest.mark.parametrize("size", [0, -3, 2.5, "big"])
def test_a_batch_size_that_is_none_is_an_error_that_names_it(people, size):
    with pytest.raises((ValueError, TypeError), match="batch_size"):
        fme(zeros, people, {"bmi": 1}, batch_size=size)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (
            "by",
            r"'by' is no parameter of FMEExplainer. Averages by group are effect.aver",
        ),
        ("vcov", r"Standard errors are those of .*average_effects"),
        ("newdata", "The rows to explain are X"),
        ("extrapolations", "Did you mean 'extrapolation'"),
        ("colour", "Known: 'steps'"),
    ],
)
def test_an_option_that_is_none_is_refused_with_what_may_be_meant(option, message):
    X = pd.DataFrame({"a": [1.0, 2, 3]})
    for call in (fme, ame):
        with pytest.raises(TypeError, match=message):
            call(lambda X: X["a"], X, {"a": 1}, **{option: "a"})
