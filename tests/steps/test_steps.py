"""Steps: what they do to a value, what they are called, and which rows count."""

from __future__ import annotations

import datetime as dt
import functools

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from skfme import (
    IQR,
    Add,
    Contrast,
    FMEExplainer,
    ForwardEffect,
    ForwardEffects,
    Quantile,
    Scale,
    SetTo,
    StdDev,
    ame,
    fme,
)
from tests.recorder import recorded, values_of

BMI = [18.0, 21.5, 24.0, 27.5, 36.0]


def bmi_of(X):
    """A model that returns one column: its FME is what the step did to it."""
    return X["bmi"]


def people():
    return pd.DataFrame(
        {
            "bmi": BMI,
            "bp": [80, 90, 100, 110, 130],
            "sex": ["s1", "s2", "s1", "s1", "s2"],
        }
    )


def doubled(column):
    return 2 * column


@pytest.mark.parametrize(
    ("steps", "name"),
    [
        ({"bmi": -2}, "bmi -2"),
        ({"bmi": 1}, "bmi +1"),
        ({"bmi": 1.0}, "bmi +1"),
        ({"bmi": 0.25}, "bmi +0.25"),
        ({"bmi": -0.5}, "bmi -0.5"),
        ({"bmi": Add(3)}, "bmi +3"),
        ({"bmi": np.int64(2)}, "bmi +2"),
        ({"bmi": np.float64(0.1)}, "bmi +0.1"),
        ({"bmi": np.float32(0.1)}, "bmi +0.1"),
        ({"bmi": Scale(1.1)}, "bmi *1.1"),
        ({"bmi": Scale(2.0)}, "bmi *2"),
        ({"bmi": StdDev(1)}, "bmi +1sd"),
        ({"bmi": StdDev(-0.5)}, "bmi -0.5sd"),
        ({"bmi": StdDev()}, "bmi +1sd"),
        ({"bmi": IQR(1)}, "bmi +1iqr"),
        ({"bmi": SetTo(0)}, "bmi = 0"),
        ({"bmi": SetTo(22.5)}, "bmi = 22.5"),
        ({"bmi": Quantile(0.9)}, "bmi = q0.9"),
        ({"bmi": Quantile(1)}, "bmi = q1"),
        ({"bmi": Contrast(20, 25.5)}, "bmi 20 -> 25.5"),
        ({"sex": "s2"}, "sex = s2"),
        ({"sex": SetTo("s2")}, "sex = s2"),
        ({"sex": Contrast("s1", "s2")}, "sex s1 -> s2"),
        ({"bmi": doubled}, "bmi doubled"),
        ({"bmi": lambda column: column}, "bmi <lambda>"),
        ({"bmi": np.log}, "bmi log"),
        ({"bmi": -2, "bp": -10}, "bmi -2, bp -10"),
        ({"bp": -10, "bmi": -2}, "bp -10, bmi -2"),
        ({"sex": "s2", "bmi": StdDev(1)}, "sex = s2, bmi +1sd"),
    ],
)
def test_an_effect_is_named_by_feature_and_change(steps, name):
    (effect,) = ame(bmi_of, people(), steps, extrapolation=None).values()
    assert effect.name == name


def test_an_effect_of_an_array_is_named_by_position():
    X = np.arange(8.0).reshape(4, 2)
    by_position = ame(lambda X: X[:, 1], X, {1: 1}, extrapolation=None)
    by_name = ame(lambda X: X[:, 1], X, {"x1": 1}, extrapolation=None)
    from_the_end = ame(lambda X: X[:, 1], X, {-1: 1}, extrapolation=None)
    assert list(by_position) == list(by_name) == list(from_the_end) == ["x1 +1"]


@pytest.mark.parametrize(
    ("delta", "name"),
    [
        (dt.timedelta(days=2), "t +2d"),
        (dt.timedelta(days=-1), "t -1d"),
        (dt.timedelta(hours=36), "t +1d12h"),
        (dt.timedelta(minutes=-90), "t -1h30min"),
    ],
)
def test_a_step_in_time_is_named_in_days_and_hours(delta, name):
    X = pd.DataFrame({"t": pd.to_datetime(["2024-01-01", "2024-02-01"])})
    effect = fme(lambda X: np.zeros(len(X)), X, {"t": delta}, extrapolation=None)
    assert effect.name == name


def change_of_bmi(step, **options):
    effect = fme(bmi_of, people(), {"bmi": step}, extrapolation=None, **options)
    assert effect.counted.all()
    return effect.fme


def test_add_moves_every_row_by_the_amount():
    np.testing.assert_allclose(change_of_bmi(-2.5), -2.5, rtol=1e-14)


def test_scale_multiplies():
    np.testing.assert_allclose(
        change_of_bmi(Scale(1.1)), 0.1 * np.array(BMI), rtol=1e-13
    )


def test_scale_multiplies_negative_values_away_from_zero():
    X = np.array([[-10.0], [10.0]])
    effect = fme(lambda X: X[:, 0], X, {0: Scale(1.5)}, extrapolation=None)
    np.testing.assert_array_equal(effect.fme, [-5, 5])


def test_stddev_is_a_number_of_sds_with_divisor_n_minus_1():
    sd = np.sqrt(sum((b - 25.4) ** 2 for b in BMI) / 4)
    np.testing.assert_allclose(change_of_bmi(StdDev(1)), sd, rtol=1e-13)
    np.testing.assert_allclose(change_of_bmi(StdDev(-0.5)), -sd / 2, rtol=1e-13)


def test_iqr_is_the_distance_of_the_type_7_quartiles():
    np.testing.assert_allclose(change_of_bmi(IQR(2)), 2 * (27.5 - 21.5), rtol=1e-14)


@pytest.mark.parametrize("q", [0, 0.1, 0.37, 0.5, 0.9, 1])
def test_quantile_sets_the_type_7_quantile(q):
    position = q * (len(BMI) - 1)
    below = int(position)
    above = min(below + 1, len(BMI) - 1)
    value = BMI[below] + (position - below) * (BMI[above] - BMI[below])
    np.testing.assert_allclose(
        change_of_bmi(Quantile(q)), value - np.array(BMI), rtol=1e-12, atol=1e-12
    )


def test_sds_and_quantiles_come_from_the_background():
    background = people().assign(bmi=[0.0, 10, 20, 30, 40])
    sd = np.std([0, 10, 20, 30, 40], ddof=1)
    np.testing.assert_allclose(
        change_of_bmi(StdDev(1), background=background), sd, rtol=1e-13
    )
    np.testing.assert_allclose(
        change_of_bmi(Quantile(0.25), background=background), 10 - np.array(BMI)
    )


@pytest.mark.parametrize("step", [StdDev(1), IQR(1), Quantile(0.3)])
def test_sizes_under_integer_weights_are_those_of_repeated_rows(step):
    X, weights = people(), np.array([3, 1, 0, 2, 4])
    repeated = X.loc[np.repeat(X.index, weights)]
    weighted = fme(bmi_of, X, {"bmi": step}, sample_weight=weights, extrapolation=None)
    plain = fme(bmi_of, X, {"bmi": step}, background=repeated, extrapolation=None)
    np.testing.assert_allclose(weighted.fme, plain.fme, rtol=1e-13)


def test_missing_values_are_left_out_of_sds_and_quantiles():
    X = people().assign(bmi=[18.0, np.nan, 24.0, 30.0, np.nan])
    for step, size in ((StdDev(1), 6.0), (IQR(1), 6.0)):
        effect = fme(bmi_of, X, {"bmi": step}, extrapolation=None)
        np.testing.assert_allclose(effect.fme[effect.counted], size, rtol=1e-13)
        assert effect.n == 3


@pytest.mark.parametrize(
    ("step", "size"),
    [
        (StdDev(2), f"1 SD of bmi = {np.std(BMI, ddof=1):.4g}"),
        (IQR(1), "1 IQR of bmi = 6"),
        (Quantile(0.25), "quantile 0.25 of bmi = 21.5"),
    ],
)
def test_the_summary_shows_what_a_relative_size_came_to(step, size):
    effect = fme(bmi_of, people(), {"bmi": step}, extrapolation=None)
    assert effect.sizes == (size,)
    assert size in str(effect.summary())


def test_set_to_counts_rows_that_already_have_the_number():
    effect = fme(bmi_of, people(), {"bmi": SetTo(24)})
    assert effect.status.tolist() == ["counted"] * 5
    np.testing.assert_array_equal(effect.fme, 24 - np.array(BMI))


def test_set_to_leaves_out_rows_that_already_have_the_category():
    effect = fme(lambda X: (X["sex"] == "s2") * 1.0, people(), {"sex": "s2"})
    expected = ["counted", "at_target", "counted", "counted", "at_target"]
    assert effect.status.tolist() == expected
    np.testing.assert_array_equal(effect.fme, [1, np.nan, 1, 1, np.nan])


def test_a_contrast_compares_every_row_at_both_values():
    def model(X):
        return X["bmi"] ** 2 * X["bp"]

    effect = fme(model, people(), {"bmi": Contrast(20, 30)})
    assert effect.status.tolist() == ["counted"] * 5
    np.testing.assert_array_equal(effect.fme, (900 - 400) * people()["bp"])


def test_a_contrast_of_categories_counts_rows_of_every_category():
    def model(X):
        return np.where(X["sex"] == "s2", X["bmi"], -X["bp"])

    effect = fme(model, people(), {"sex": Contrast("s1", "s2")})
    assert effect.n == 5
    np.testing.assert_array_equal(effect.fme, people()["bmi"] + people()["bp"])


def test_a_contrast_reversed_changes_the_sign():
    there = fme(lambda X: X["bmi"] ** 3, people(), {"bmi": Contrast(20, 30)})
    back = fme(lambda X: X["bmi"] ** 3, people(), {"bmi": Contrast(30, 20)})
    np.testing.assert_array_equal(there.fme, -back.fme)


def test_a_contrast_counts_rows_whose_value_is_missing():
    X = people().assign(bmi=[18.0, np.nan, 24.0, 30.0, 36.0])
    effects, _ = recorded(X, {"bmi": Contrast(20, 30)}, function=bmi_of)
    np.testing.assert_array_equal(effects["bmi 20 -> 30"].fme, np.full(5, 10.0))


def test_a_contrast_joint_with_a_step_starts_from_the_rows_own_other_value():
    effect = fme(
        lambda X: X["bmi"] * X["bp"],
        people(),
        {"bmi": Contrast(20, 30), "bp": 10},
        extrapolation=None,
    )
    bp = people()["bp"]
    np.testing.assert_array_equal(effect.fme, 30 * (bp + 10) - 20 * bp)


@pytest.mark.parametrize("batch_size", ["auto", 1, 2, 5])
def test_a_callable_gets_the_whole_column_whatever_the_batch_size(batch_size):
    def centred(column):
        return column - column.mean()

    effect = fme(
        bmi_of, people(), {"bmi": centred}, extrapolation=None, batch_size=batch_size
    )
    np.testing.assert_allclose(effect.fme, -25.4, rtol=1e-13)


def test_a_callable_gets_the_column_in_the_users_own_type():
    kinds = []

    def spy(column):
        kinds.append(type(column))
        return column

    frame = pd.DataFrame({"a": [1, 2]})
    for X in (frame, pl.from_pandas(frame), frame.to_numpy()):
        key = 0 if isinstance(X, np.ndarray) else "a"
        recorded(X, {key: spy}, extrapolation=None)
    assert kinds == [pd.Series, pl.Series, np.ndarray]


@pytest.mark.parametrize("values", [[7, 8, 9], (7, 8, 9), np.array([7, 8, 9])])
def test_a_callable_may_return_any_sequence_of_one_value_per_row(values):
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=[5, 6, 7])
    for X in (frame, pl.from_pandas(frame), frame.to_numpy()):
        key = 0 if isinstance(X, np.ndarray) else "a"
        _, model = recorded(X, {key: lambda column: values}, extrapolation=None)
        assert values_of(model.tables[-1], key)[-3:] == [7, 8, 9]


@pytest.mark.parametrize(
    "dtype", ["category", "str", "object", pl.String, pl.Enum(["u", "v"])], ids=str
)
def test_a_callable_may_swap_categories(dtype):
    def swapped(column):
        return [{"u": "v", "v": "u"}[value] for value in column]

    if isinstance(dtype, str):
        X = pd.DataFrame({"a": pd.Series(["u", "v"], dtype=dtype)})
    else:
        X = pl.DataFrame({"a": ["u", "v"]}, schema={"a": dtype})
    effects, model = recorded(X, {"a": swapped})
    assert effects["a swapped"].n == 2
    (table,) = model.tables
    assert values_of(table, "a") == ["u", "v", "v", "u"]
    assert (
        table.dtypes if isinstance(table, pl.DataFrame) else list(table.dtypes)
    ) == (X.dtypes if isinstance(X, pl.DataFrame) else list(X.dtypes))


@pytest.mark.parametrize(
    "dtype", ["category", "str", "object", pl.String, pl.Enum(["u", "v"])], ids=str
)
def test_a_callable_that_returns_an_unknown_category_is_an_error(dtype):
    if isinstance(dtype, str):
        X = pd.DataFrame({"a": pd.Series(["u", "v"], dtype=dtype)})
    else:
        X = pl.DataFrame({"a": ["u", "v"]}, schema={"a": dtype})
    with pytest.raises(ValueError, match=r"'a'.*never seen in training.*'u', 'v'"):
        recorded(X, {"a": lambda column: ["u", "zzz"]})


def test_a_row_for_which_a_callable_returns_nothing_is_missing():
    effect = fme(
        bmi_of,
        people(),
        {"bmi": lambda column: column.where(column > 20)},
        extrapolation=None,
    )
    assert effect.status.tolist() == ["missing"] + ["counted"] * 4


def test_a_partial_function_has_a_name():
    step = functools.partial(np.clip, a_min=20, a_max=30)
    effect = fme(bmi_of, people(), {"bmi": step}, extrapolation=None)
    assert effect.name == "bmi partial"
    np.testing.assert_array_equal(effect.fme, [2, 0, 0, 0, -6])


def test_one_mapping_is_one_effect_and_changes_its_features_at_once():
    effect = fme(
        lambda X: X["bmi"] * X["bp"], people(), {"bmi": 2, "bp": 5}, extrapolation=None
    )
    assert isinstance(effect, ForwardEffect)
    X = people()
    np.testing.assert_allclose(effect.fme, 2 * X["bp"] + 5 * X["bmi"] + 10, rtol=1e-13)


def test_a_list_is_one_effect_for_each_entry_in_its_order():
    effects = fme(
        bmi_of, people(), [{"bp": 1}, {"bmi": 2, "bp": 1}], extrapolation=None
    )
    assert isinstance(effects, ForwardEffects)
    assert list(effects) == ["bp +1", "bmi +2, bp +1"]
    assert [effect.ame for effect in effects.values()] == [0, 2]


def test_a_mapping_of_mappings_gives_effects_their_own_names():
    effects = fme(
        bmi_of,
        people(),
        {"diet": {"bmi": -2}, "diet and sport": {"bmi": -3, "bp": -5}},
        extrapolation=None,
    )
    assert list(effects) == ["diet", "diet and sport"]
    assert [effect.ame for effect in effects.values()] == [-2, -3]


def test_a_list_may_hold_effects_with_names_of_their_own():
    steps = [{"bmi": -2}, {"diet": {"bmi": -3}}]
    effects = fme(bmi_of, people(), steps, extrapolation=None)
    assert list(effects) == ["bmi -2", "diet"]


def test_effects_keep_their_steps():
    effects = fme(bmi_of, people(), [{"bmi": -2, "sex": "s1"}], extrapolation=None)
    assert effects["bmi -2, sex = s1"].step == {"bmi": Add(-2), "sex": SetTo("s1")}


def mixed():
    return pd.DataFrame(
        {
            "wide": [0.0, 1.5, 1.0, 1.25],
            "narrow": [0.1, 0.2, 0.3, 1.1],
            "treated": [0, 1, 1, 0],
            "dose": [0.5, 2.5, 2.5, 0.5],
            "sex": ["m", "f", "f", "m"],
            "region": pd.Categorical(["n", "s", "n", "w"], ["w", "s", "n", "never"]),
            "day": pd.to_datetime(["2024-01-01"] * 4),
        }
    )


CATEGORIES = ["sex = f", "sex = m", "region = w", "region = s", "region = n"]
TWO_VALUES = ["treated 0 -> 1", "dose 0.5 -> 2.5"]


@pytest.mark.parametrize("steps", [None, "unit"])
def test_unit_steps_are_1_or_a_hundredth_and_each_category(steps):
    effects = ame(lambda X: X["narrow"], mixed(), steps, extrapolation=None)
    assert list(effects) == ["wide +1", "narrow +0.01", *TWO_VALUES, *CATEGORIES]
    assert effects["narrow +0.01"].ame == pytest.approx(0.01, rel=1e-12)


@pytest.mark.parametrize("unit", ["sd", "iqr"])
def test_sd_and_iqr_steps_replace_the_unit_of_numeric_features(unit):
    effects = ame(lambda X: X["wide"], mixed(), unit, extrapolation=None)
    names = [f"wide +1{unit}", f"narrow +1{unit}"]
    assert list(effects) == [*names, *TWO_VALUES, *CATEGORIES]
    low, high = np.quantile(mixed()["wide"], [0.25, 0.75])
    size = {"sd": np.std(mixed()["wide"], ddof=1), "iqr": high - low}[unit]
    assert effects[names[0]].ame == pytest.approx(size, rel=1e-13)


def test_a_range_of_exactly_1_takes_a_hundredth():
    X = pd.DataFrame({"a": [3.0, 3.5, 4.0], "b": [3.0, 3.5, 4.01]})
    effects = ame(lambda X: X["a"], X, extrapolation=None)
    assert list(effects) == ["a +0.01", "b +1"]


def test_a_two_valued_feature_is_contrasted_low_to_high_over_all_rows():
    effects = ame(lambda X: 3.0 * X["dose"] ** 2, mixed(), extrapolation=None)
    effect = effects["dose 0.5 -> 2.5"]
    assert (effect.n, effect.ame) == (4, 3 * (2.5**2 - 0.5**2))


def test_a_two_valued_integer_feature_stays_integer():
    _, model = recorded(mixed()[["treated", "sex"]], None)
    assert {str(table["treated"].dtype) for table in model.tables} == {"int64"}


def test_a_two_valued_feature_is_contrasted_in_rows_with_gaps_too():
    X = pd.DataFrame({"a": [0.0, 1.0, np.nan], "b": [1.0, 2.0, 3.0]})
    effects = ame(lambda X: X["b"], X, extrapolation=None)
    assert effects["a 0 -> 1"].n == 3


def dummies(n=10, values=(0, 1)):
    """Rows of which the last column holds two values only."""
    treated = np.array(values)[np.arange(n) % 2]
    return pd.DataFrame({"age": np.arange(n, dtype=float), "treated": treated})


def flipped(column):
    return 1 - column


def halved(column):
    return column / 2


@pytest.mark.parametrize(
    "step",
    [1, -1, 0.5, Scale(2), StdDev(1), IQR(-1), SetTo(2), Contrast(0, 2), halved],
)
@pytest.mark.parametrize("extrapolation", [None, "envelope"])
def test_no_step_takes_a_dummy_to_a_third_value(step, extrapolation):
    X = dummies()
    with pytest.raises(ValueError, match=r"0 and 1 only.*Contrast\(0, 1\).*SetTo\(1\)"):
        fme(lambda X: X["age"], X, {"treated": step}, extrapolation=extrapolation)


@pytest.mark.parametrize(
    ("step", "ame"),
    [
        (Contrast(0, 1), 1),
        (Contrast(1, 0), -1),
        (SetTo(1), 0.5),
        (Quantile(0.9), 0.5),
        (Scale(0), -0.5),
        (flipped, 0),
    ],
)
def test_a_step_from_one_value_of_a_dummy_to_the_other_is_taken(step, ame):
    effect = fme(lambda X: X["treated"] * 1.0, dummies(), {"treated": step})
    assert (effect.n, effect.ame) == (10, ame)


def test_two_values_that_floats_hold_inexactly_may_be_exchanged():
    X = dummies(values=(0.1, 0.3))
    step = {"treated": Contrast(0.3 - 0.2, 0.1 * 3)}
    effect = fme(lambda X: X["treated"], X, step, extrapolation=None)
    assert effect.ame == pytest.approx(0.2)


def test_two_values_in_a_few_rows_are_no_dummy():
    effect = fme(lambda X: X["treated"], dummies(9), {"treated": 1}, extrapolation=None)
    assert effect.ame == 1


def test_rows_of_a_dummy_are_counted_by_their_weights_as_if_repeated():
    for weights in (np.full(5, 2), np.array([10, 1, 0, 0, 0])):
        with pytest.raises(ValueError, match=r"Contrast\(0, 1\)"):
            fme(treatment, dummies(5), {"treated": 1}, sample_weight=weights)
    assert fme(treatment, dummies(5), {"treated": 1}, sample_weight=np.ones(5)).ame == 1


def test_the_training_rows_decide_what_a_dummy_is():
    X, three = dummies(), dummies(12).assign(treated=np.arange(12) % 3)
    assert (
        fme(treatment, X, {"treated": 1}, background=three, extrapolation=None).n == 10
    )
    with pytest.raises(ValueError, match="Contrast"):
        fme(treatment, three, {"treated": 1}, background=X, extrapolation=None)


def treatment(X):
    return X["treated"] * 1.0


def test_a_profile_over_step_sizes_needs_more_than_two_values():
    explainer = FMEExplainer(LinearRegression(), {"age": 1}).fit(dummies(), range(10))
    with pytest.raises(
        ValueError, match="more than two values; 'treated' is two-valued"
    ):
        explainer.step_profile(dummies(), "treated")


def test_a_default_step_leaves_out_a_feature_without_spread_and_says_so():
    X = pd.DataFrame({"a": [1.0, 2.0, 4.0], "flat": [5.0, 5.0, 5.0]})
    with pytest.warns(UserWarning, match="flat"):
        effects = ame(lambda X: X["a"], X, "sd", extrapolation=None)
    assert list(effects) == ["a +1sd"]


def test_a_category_never_seen_in_training_is_no_default_target():
    effects = ame(lambda X: X["wide"], mixed(), extrapolation=None)
    assert "region = never" not in effects


def test_ordered_categories_keep_their_order_in_the_defaults():
    X = pd.DataFrame(
        {"size": pd.Categorical(["l", "s", "m"], ["s", "m", "l"], ordered=True)}
    )
    effects = ame(lambda X: np.zeros(len(X)), X)
    assert list(effects) == ["size = s", "size = m", "size = l"]


def test_a_joint_step_leaves_out_rows_at_all_of_its_categories():
    X = pd.DataFrame({"a": ["u", "v", "u", "v"], "b": ["x", "x", "y", "y"]})
    effect = fme(lambda X: np.ones(len(X)), X, {"a": "v", "b": "y"})
    expected = ["counted", "counted", "counted", "at_target"]
    assert effect.status.tolist() == expected


def test_a_joint_step_needs_all_its_numbers():
    X = pd.DataFrame({"a": [1, np.nan, 1, np.nan], "b": [1, 1, np.nan, np.nan]})
    effect = fme(lambda X: np.ones(len(X)), X, {"a": 1, "b": 1}, extrapolation=None)
    assert effect.status.tolist() == ["counted", "missing", "missing", "missing"]


def test_missing_comes_before_at_target_and_at_target_before_extrapolation():
    X = pd.DataFrame(
        {
            "s": ["u", "v", "v", "u", "u"],
            "a": [np.nan, np.nan, 9.0, 9.0, 1.0],
        }
    )
    background = pd.DataFrame({"s": ["u", "v"], "a": [0.0, 10.0]})
    effect = fme(
        lambda X: np.ones(len(X)), X, {"s": "v", "a": 5}, background=background
    )
    expected = ["missing", "missing", "at_target", "extrapolation", "counted"]
    assert effect.status.tolist() == expected


def test_missing_comes_before_extrapolation():
    X = pd.DataFrame({"a": [np.nan, 1.0, 1.0], "outside": [99.0, 99.0, 1.0]})
    background = pd.DataFrame({"a": [0.0, 5.0], "outside": [0.0, 1.0]})
    effect = fme(lambda X: np.ones(len(X)), X, {"a": 1}, background=background)
    assert effect.status.tolist() == ["missing", "extrapolation", "counted"]


def test_a_step_on_training_data_with_gaps_fits_a_model_that_takes_none():
    X = np.array([[np.nan, 1.0], [1.0, 2.0], [2.0, 5.0], [3.0, 1.0]])
    model = LinearRegression().fit(X[1:], [1.0, 2.0, 4.0])
    effect = fme(model, X, {0: 1}, extrapolation=None)
    assert effect.status.tolist() == ["missing", "counted", "counted", "counted"]
    np.testing.assert_allclose(effect.fme[1:], model.coef_[0], rtol=1e-12)


def test_a_step_is_resolved_in_fit_and_not_again_in_explain():
    X = people()[["bmi", "bp"]]
    explainer = FMEExplainer(LinearRegression(), {"bmi": StdDev(1)})
    explainer.fit(X, X["bmi"])
    effects = explainer.set_params(steps={"bp": 1}).explain(X.assign(bmi=25.0))
    effect = effects["bmi +1sd"]
    sd = np.std(BMI, ddof=1)
    np.testing.assert_allclose(effect.fme[effect.counted], sd, rtol=1e-12)


def statuses(steps, **columns):
    X = pd.DataFrame(columns)
    return fme(lambda t: np.zeros(len(t)), X, steps, extrapolation=None).status.tolist()


def test_a_joint_step_is_at_its_target_where_all_its_categories_are():
    colours = {"c_G": [False, True, False], "c_B": [True, False, False]}
    assert statuses({"c_G": True, "c_B": False}, **colours) == [
        "counted",
        "at_target",
        "counted",
    ]
    texts = {"s": ["u", "u", "v"], "t": ["x", "y", "x"], "a": [0.0, 1.0, 2.0]}
    assert statuses({"s": "u", "t": "x", "a": 1}, **texts) == [
        "at_target",
        "counted",
        "counted",
    ]


@pytest.mark.parametrize(
    ("column", "value"),
    [(["u", None, "v"], "u"), ([1.0, np.nan, 2.0], 1.0)],
    ids=["category", "number"],
)
def test_a_row_without_a_value_is_missing_unless_it_is_to_count(column, value):
    assert statuses({"s": SetTo(value)}, s=column)[1] == "missing"
    counting = {"s": SetTo(value, count_missing=True)}
    assert statuses(counting, s=column)[1] == "counted"
    high = column[2]
    assert statuses({"s": Contrast(value, high)}, s=column)[1] == "counted"


def test_default_steps_name_the_columns_of_dates_that_they_leave_out():
    X = pd.DataFrame(
        {"age": [30.0, 40.0, 50.0], "seen": pd.date_range("2024", periods=3)}
    )
    with pytest.warns(UserWarning, match=r"leaves out seen: only numbers .*timedelta"):
        effects = ame(lambda table: table["age"], X)
    assert list(effects) == ["age +1"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"sex": ["s1", np.array(["a", "b"])]}, r"'sex'.*Contrast\('s1', 's2'\)"),
        ({"one": ["a", "b"]}, "'one' in the training rows. Known: 'a'. If the model"),
    ],
    ids=["an array in a list", "one category"],
)
def test_a_list_of_categories_is_no_category(step, words):
    X = people().assign(one="a")
    with pytest.raises(ValueError, match=rf"is not a category of {words}"):
        fme(bmi_of, X, step, extrapolation=None)


def test_a_narrow_float_that_is_near_the_value_set_already_stays_narrow():
    X = pd.DataFrame({"bmi": np.array([0.1, 0.5, 0.9], dtype=np.float32)})
    effects, model = recorded(X, {"bmi": SetTo(0.1)}, extrapolation=None)
    assert {table["bmi"].dtype for table in model.tables} == {np.dtype("float32")}
    assert effects["bmi = 0.1"].n == 3
    # A step as small as a float's rounding needs more digits.
    _, model = recorded(X, {"bmi": Contrast(0.1, 0.1 + 1e-9)}, extrapolation=None)
    assert {table["bmi"].dtype for table in model.tables} == {np.dtype("float64")}
