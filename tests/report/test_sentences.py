"""Sentences: true for every kind of step, sign and response."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from skfme import Contrast, Quantile, Scale, SetTo, StdDev, fme
from skfme._report.sentences import (
    Wording,
    finding,
    left_out_sentence,
    linearity_sentence,
    question,
)
from skfme._text.labels import Labels

WORDING = Wording(Labels({"bmi": "Body mass index (kg/m²)"}), "risk (points)")


@pytest.fixture(scope="module")
def X():
    return pd.DataFrame(
        {
            "bmi": np.linspace(20, 40, 101),
            "sex": pd.Categorical(["f", "m"] * 50 + ["f"]),
            "day": pd.date_range("2024-01-01", periods=101),
        }
    )


def model(T):
    bmi = np.asarray(T["bmi"], float)
    return 3 * bmi + np.where(np.asarray(T["sex"]) == "m", 5.0, 0.0)


def doubled(column):
    return 2 * column


BMI, RISK = "Body mass index", "the predicted risk"


@pytest.mark.parametrize(
    ("steps", "asked", "answered"),
    [
        (
            {"bmi": -2},
            f"{BMI} were 2 kg/m² lower",
            f"Lowering {BMI} by 2 kg/m² lowers {RISK} by 6 points",
        ),
        (
            {"bmi": 2},
            f"{BMI} were 2 kg/m² higher",
            f"Raising {BMI} by 2 kg/m² raises {RISK} by 6 points",
        ),
        (
            {"bmi": Scale(0.5)},
            f"{BMI} were multiplied by 0.5",
            f"Multiplying {BMI} by 0.5 lowers {RISK} by 45 points",
        ),
        (
            {"bmi": SetTo(25)},
            f"{BMI} were 25 kg/m²",
            f"Setting {BMI} to 25 kg/m² lowers {RISK} by 15 points",
        ),
        (
            {"bmi": Contrast(20, 30)},
            f"{BMI} were 30 kg/m² rather than 20 kg/m²",
            f"Changing {BMI} from 20 kg/m² to 30 kg/m² raises {RISK} by 30 points",
        ),
        (
            {"sex": "m"},
            "sex were m",
            f"Changing sex to m raises {RISK} by 5 points",
        ),
        (
            {"sex": Contrast("f", "m")},
            "sex were m rather than f",
            f"Changing sex from f to m raises {RISK} by 5 points",
        ),
        (
            {"bmi": doubled},
            f"{BMI} were changed by doubled",
            f"Applying doubled to {BMI} raises {RISK} by 90 points",
        ),
        (
            {"bmi": -2, "sex": "m"},
            f"{BMI} were 2 kg/m² lower and sex were m",
            f"Lowering {BMI} by 2 kg/m² and changing sex to m at once lowers {RISK} by "
            "1 points",
        ),
        (
            {"day": pd.Timedelta(days=-7)},
            "day were 7 days earlier",
            f"Moving day 7 days earlier leaves {RISK} unchanged",
        ),
        (
            {"day": pd.Timedelta(hours=1)},
            "day were 1 hour later",
            f"Moving day 1 hour later leaves {RISK} unchanged",
        ),
    ],
)
def test_every_kind_of_step_is_a_question_and_an_answer(X, steps, asked, answered):
    effect = fme(model, X, steps, extrapolation=None)
    text = question(effect, WORDING)
    assert text == (
        f"If {asked}, and all else the same, by how much would the predicted risk change?"
    )
    (answer,) = finding(effect, WORDING)
    assert answer.startswith(f"{answered} on average")


def test_relative_steps_give_the_size_they_came_to(X):
    effect = fme(model, X, {"bmi": StdDev(1)}, extrapolation=None)
    sd = X["bmi"].std()
    assert f"Raising Body mass index by {sd:.4g} kg/m²" in finding(effect, WORDING)[0]
    effect = fme(model, X, {"bmi": Quantile(0.5)}, extrapolation=None)
    assert "Setting Body mass index to 30 kg/m²" in finding(effect, WORDING)[0]


def of_values(values, **options):
    """An effect whose FMEs are the values given."""
    X = pd.DataFrame({"a": np.zeros(len(values)), "v": values})
    return fme(
        lambda T: np.asarray(T["a"]) * np.asarray(T["v"]),
        X,
        {"a": 1},
        extrapolation=None,
        **options,
    )


def test_the_middle_half_of_the_rows_lies_between_the_quartiles():
    values = np.linspace(1, 9, 801)
    (text,) = finding(of_values(values), Wording())
    assert text == (
        "Raising a by 1 raises the prediction by 5 on average, from 0 to 5; for the middle "
        "half of the rows by between 3 and 7."
    )
    (text,) = finding(of_values(-values), Wording())
    assert text == (
        "Raising a by 1 lowers the prediction by 5 on average, from 0 to −5; for the middle "
        "half of the rows by between 3 and 7."
    )


def test_mixed_signs_are_told_with_their_shares():
    values = np.concatenate([np.full(60, -3.0), np.full(30, 1.0), np.zeros(10)])
    (text,) = finding(of_values(values), Wording())
    assert "the change lies between −3 and 1." in text
    assert text.endswith(
        "The prediction falls for 60%, rises for 30% and stays the same for 10% of the rows."
    )


def test_a_few_rows_against_the_average_are_no_zero_percent():
    values = np.concatenate([np.full(999, 2.0), [-1e-3]])
    (text,) = finding(of_values(values), Wording())
    assert "rises for more than 99%" in text
    assert "falls for less than 1%" in text


def test_most_rows_may_lie_against_the_average():
    values = np.concatenate([np.full(90, -1.0), np.full(10, 100.0)])
    (text,) = finding(of_values(values), Wording())
    assert "raises the prediction by 9.1 on average" in text
    assert "for the middle half of the rows the change is about −1." in text
    assert "falls for 90% and rises for 10%" in text


def test_equal_effects_are_said_to_be_equal():
    (text,) = finding(of_values(np.full(20, 0.1)), Wording())
    assert text == (
        "Raising a by 1 raises the prediction by 0.1 on average, from 0 to 0.1, in every row "
        "by the same."
    )


def test_a_single_row_is_said_to_be_one():
    (text,) = finding(of_values(np.array([2.0])), Wording())
    assert text == (
        "Raising a by 1 raises the prediction by 2 on average, from 0 to 2; one row counts."
    )


def test_no_row_has_no_average():
    X = pd.DataFrame({"a": [0.0, 1.0]})
    (text,) = finding(fme(lambda T: np.asarray(T["a"]), X, {"a": 5}), Wording())
    assert text == "No row counts, so that there is no average."


def test_weighted_rows_are_named_so():
    weights = np.r_[np.full(50, 3.0), np.full(50, 1.0)]
    values = np.r_[np.full(50, -1.0), np.full(50, 1.0)]
    (text,) = finding(of_values(values, sample_weight=weights), Wording())
    assert "the middle half of the rows (by weight)" in text
    assert "falls for 75% and rises for 25% of the rows" in text


def test_probabilities_come_with_percentage_points_and_one_sentence_per_class():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, np.array(["a", "b", "c"])[y])
    effect = fme(model, X, {"petal length (cm)": 1})
    texts = finding(effect, Wording())
    assert len(texts) == 3
    assert "the predicted probability of c by" in texts[2]
    ame = effect.ame[2]
    assert f"{ame:.3g} ({100 * ame:.3g} percentage points) on average" in texts[2]
    assert "predicted probability of a, predicted probability of b and" in question(
        effect, Wording()
    )


def test_every_reason_for_leaving_rows_out_is_named():
    X = pd.DataFrame(
        {"bmi": [18.0, 25, 30, np.nan], "sex": pd.Categorical(["f", "f", "m", "f"])}
    )

    def model(T):
        return np.nan_to_num(np.asarray(T["bmi"], float))

    text = left_out_sentence(fme(model, X, {"bmi": -2, "sex": "m"}))
    assert text == (
        "3 of 4 rows were left out, 1 because the value to be changed is missing, 1 because "
        "they already have the category that the step sets and 1 because the step takes "
        "them outside the training data (extrapolation)."
    )
    assert left_out_sentence(fme(model, X.head(3), {"bmi": 5})) == (
        "1 of 3 rows was left out, because the step takes them outside the training data "
        "(extrapolation)."
    )
    assert (
        left_out_sentence(fme(model, X.head(3), {"bmi": SetTo(20)}))
        == "All 3 rows count."
    )


def test_straight_paths_may_be_read_per_unit_and_jumps_not(X):
    assert linearity_sentence(fme(model, X, {"bmi": -2})) == ""
    straight = linearity_sentence(fme(model, X, {"bmi": -2}, nlm=True))
    assert "nearly straight line for 100% of the rows" in straight
    assert "may be read as so much per unit" in straight

    def jump(T):
        return np.where(np.asarray(T["bmi"]) > 30, 1.0, 0.0)

    text = linearity_sentence(fme(jump, X, {"bmi": -2}, nlm=True))
    assert "should not be read as so much per unit" in text
    assert linearity_sentence(fme(model, X, {"sex": "m"}, nlm=True)) == ""
