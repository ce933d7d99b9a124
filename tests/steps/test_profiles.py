"""Rows at chosen values, by hand, in every library of tables."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer, fme, profiles
from skfme.statsmodels import delta_effects

DATA = {
    "bmi": [20.0, 22.0, 27.0, None],
    "age": [30, 41, 41, 60],
    "sex": ["m", "f", "f", "f"],
    "smokes": [True, True, False, True],
    "dummy": [0, 1, 1, 1],
    "seen": [datetime.datetime(2020, 1, day) for day in (1, 5, 7, 9)],
}
LIBRARIES = {
    "pandas": lambda: pd.DataFrame(DATA).astype({"sex": "category"}),
    "polars": lambda: pl.DataFrame(DATA),
    "pyarrow": lambda: pa.table(DATA),
}


def records(table):
    if isinstance(table, pd.DataFrame):
        return table.to_dict("records")
    return table.to_pylist() if isinstance(table, pa.Table) else table.to_dicts()


@pytest.mark.parametrize("library", LIBRARIES)
def test_the_rest_is_at_means_modes_and_middle_dates(library):
    X = LIBRARIES[library]()
    rows = profiles(X, sex=["f", "m"])
    assert type(rows) is type(X)
    typical = {
        "bmi": 23.0,
        "age": 43,
        "smokes": True,
        "dummy": 1,
        "seen": datetime.datetime(2020, 1, 5),
    }
    assert records(rows) == [
        {key: ({"sex": sex} | typical)[key] for key in DATA} for sex in ("f", "m")
    ]


@pytest.mark.parametrize("library", LIBRARIES)
def test_types_are_those_of_the_rows(library):
    X = LIBRARIES[library]()
    for rest in ("mean", "mode", "observed"):
        rows = profiles(X, bmi=[20, 30], age=50, rest=rest)
        if library == "pandas":
            assert rows.dtypes.tolist() == X.dtypes.tolist()
        else:
            assert rows.schema == X.schema


@pytest.mark.parametrize("library", LIBRARIES)
def test_counterfactual_rows_are_copies_at_each_combination(library):
    X = LIBRARIES[library]()
    rows = records(profiles(X, {"bmi": [20, 30.5], "sex": "m"}, rest="observed"))
    expected = [
        {**row, "bmi": bmi, "sex": "m"} for bmi in (20.0, 30.5) for row in records(X)
    ]
    assert rows == expected
    assert len(records(X)) == 4
    assert records(X)[0]["sex"] == "m"


def test_combinations_run_through_the_last_column_first():
    rows = profiles(LIBRARIES["pandas"](), age=[1, 2], dummy=(0, 1))
    assert rows[["age", "dummy"]].to_numpy().tolist() == [
        [1, 0],
        [1, 1],
        [2, 0],
        [2, 1],
    ]
    assert rows.index.tolist() == [0, 1, 2, 3]


def test_weights_say_what_is_typical():
    X = LIBRARIES["pandas"]()
    (row,) = records(profiles(X, sample_weight=[8, 0, 1, 1]))
    assert row["bmi"] == pytest.approx((8 * 20 + 27) / 9)
    assert row["sex"] == "m"
    assert row["age"] == round((8 * 30 + 41 + 60) / 10)
    assert row["seen"] == pd.Timestamp(2020, 1, 1)


def test_medians_and_modes_by_request():
    X = LIBRARIES["pandas"]()
    assert records(profiles(X, rest="median"))[0]["age"] == 41
    row = records(profiles(X.assign(bmi=[20.0, 27.0, 27.0, 40.0]), rest="mode"))[0]
    assert (row["bmi"], row["age"]) == (27.0, 41)


def test_arrays_are_read_by_position():
    X = np.array([[1.0, 10.0], [3.0, 30.0]])
    rows = profiles(X, {1: [5, 6]})
    np.testing.assert_array_equal(rows, [[2.0, 5.0], [2.0, 6.0]])
    np.testing.assert_array_equal(profiles(X, x0=0), [[0.0, 20.0]])
    rows[:] = 0
    np.testing.assert_array_equal(X, [[1.0, 10.0], [3.0, 30.0]])


def test_single_precision_stays_single():
    X = pd.DataFrame({"a": np.array([1, 2, 6], np.float32), "b": np.float32(1)})
    rows = profiles(X, b=[0.5, 2])
    assert rows.dtypes.tolist() == [np.float32] * 2
    assert rows["a"].tolist() == [3.0, 3.0]


def test_a_fraction_on_an_integer_column_makes_it_a_float():
    rows = profiles(LIBRARIES["pandas"](), age=[30, 40.5])
    assert rows["age"].tolist() == [30.0, 40.5]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda X: profiles(X, bmii=3), ValueError, "profiles names 'bmii'.*bmi"),
        (lambda X: profiles(X, sex="x"), ValueError, "not a category of 'sex'"),
        (lambda X: profiles(X, bmi="x"), TypeError, "must be a number"),
        (lambda X: profiles(X, bmi=[]), ValueError, "no values for 'bmi'"),
        (lambda X: profiles(X, rest="zero"), ValueError, "rest must be one of"),
        (lambda X: profiles(X, {"bmi": 1}, bmi=2), ValueError, "for 'bmi' twice"),
        (lambda X: profiles(X, "bmi"), TypeError, "takes a mapping .* got 'bmi'"),
        (lambda X: profiles(X.assign(z=np.nan)), ValueError, "'z' has no observed"),
        (lambda X: profiles(X.assign(z=[[1]] * 4)), TypeError, "'z'"),
        (
            lambda X: profiles(X, age=range(4000), bmi=range(4000)),
            ValueError,
            "16,000,000 rows",
        ),
    ],
)
def test_bad_requests_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call(LIBRARIES["pandas"]())


def test_tables_of_results_keep_the_values():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.uniform(1, 5, (200, 3)), columns=["a", "b", "c"])
    X["d"] = np.tile([0, 1], 100)
    y = X["a"] * X["b"] + X["d"]
    model = LinearRegression().fit(X.assign(ab=X["a"] * X["b"]), y)

    def predict(T):
        return model.predict(T.assign(ab=T["a"] * T["b"]))

    rows = profiles(X, b=[2, 4], d=[0, 1])
    effect = fme(predict, rows, {"a": 1}, background=X, extrapolation=None)
    averages = effect.average(by=["b", "d"])
    assert averages[["b", "d"]].to_numpy().tolist() == [[2, 0], [2, 1], [4, 0], [4, 1]]
    np.testing.assert_allclose(averages["ame"], averages["b"], atol=1e-9)
    frame = effect.to_frame(columns=["b", "d"])
    assert list(frame)[:3] == ["b", "d", "fme"]
    np.testing.assert_allclose(frame["fme"], frame["b"], atol=1e-9)
    fit = smf.ols("y ~ a * b + d", X.assign(y=y)).fit()
    results = delta_effects(fit, rows, {"a": 1}, by=["b", "d"]).to_frame()
    np.testing.assert_allclose(results["estimate"], results["b"], atol=1e-9)


def test_counterfactual_averages_are_those_of_setting_every_row():
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(50, 2)), columns=["a", "b"])
    explainer = FMEExplainer(LinearRegression(), {"a": 1}, extrapolation=None)
    y = X["a"] ** 2 + X["b"]
    explainer.fit(X, y)
    rows = profiles(X, b=[0, 1], rest="observed")
    averages = explainer.explain(rows)["a +1"].average(by="b")
    for b, before in zip(averages["b"], averages["before"], strict=True):
        by_hand = explainer.estimator_.predict(X.assign(b=float(b))).mean()
        assert before == pytest.approx(by_hand)


def test_dummies_are_at_the_more_frequent_value():
    X = pd.DataFrame({"d": [0.0] * 4 + [1.0] * 6, "n": [0] * 4 + [3] * 6})
    assert records(profiles(X)) == [{"d": 1.0, "n": 3}]
