"""Labels, units, and titles of effects."""

import numpy as np
import pandas as pd
import pytest

from skfme import IQR, Contrast, Quantile, Scale, SetTo, StdDev, fme
from skfme._text.labels import Labels, number, predicted_phrases, step_title

LABELS = Labels({"bmi": "Body mass index (kg/m²)", "sex": "Sex", "log": "log(income)"})


@pytest.fixture(scope="module")
def X():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "bmi": rng.uniform(18, 40, 60),
            "bp": rng.uniform(60, 130, 60),
            "sex": pd.Categorical(rng.choice(["f", "m"], 60)),
        }
    )


@pytest.mark.parametrize(
    ("label", "short", "unit"),
    [
        ("Body mass index (kg/m²)", "Body mass index", "kg/m²"),
        ("log(income)", "log(income)", ""),
        ("Age", "Age", ""),
        ("Rate (new) (1/h)", "Rate (new)", "1/h"),
        ("(all)", "(all)", ""),
    ],
)
def test_a_text_in_parentheses_at_the_end_is_the_unit(label, short, unit):
    labels = Labels({"x": label})
    assert (labels.short("x"), labels.unit("x")) == (short, unit)
    assert labels.full("x") == label


def test_a_column_name_is_never_split():
    labels = Labels()
    assert labels.short("petal length (cm)") == "petal length (cm)"
    assert labels.unit("petal length (cm)") == ""


def log10(column):
    return np.log10(column)


@pytest.mark.parametrize(
    ("steps", "title"),
    [
        ({"bmi": -2}, "Body mass index −2 kg/m²"),
        ({"bmi": 0.5}, "Body mass index +0.5 kg/m²"),
        ({"bp": -2}, "bp −2"),
        ({"bmi": Scale(0.9)}, "Body mass index ×0.9"),
        ({"bmi": StdDev(-1)}, "Body mass index −1sd"),
        ({"bmi": IQR(1)}, "Body mass index +1iqr"),
        ({"bmi": SetTo(25)}, "Body mass index = 25 kg/m²"),
        ({"bmi": Quantile(0.9)}, "Body mass index = q0.9"),
        ({"bmi": Contrast(20, 30)}, "Body mass index 20 → 30 kg/m²"),
        ({"sex": "m"}, "Sex = m"),
        ({"sex": Contrast("f", "m")}, "Sex f → m"),
        ({"bmi": log10}, "Body mass index log10"),
        ({"bmi": -2, "sex": "m"}, "Body mass index −2 kg/m², Sex = m"),
        ({"my own -2": {"bmi": -2}}, "my own -2"),
    ],
)
def test_titles_of_effects(X, steps, title):
    found = fme(lambda T: np.asarray(T["bmi"], float), X, steps)
    effect = found if not hasattr(found, "values") else next(iter(found.values()))
    assert step_title(effect.name, effect.step, LABELS) == title


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7.0, "7"),
        (-7.1234, "−7.12"),
        (0.000123, "0.000123"),
        (1234567.0, "1234567"),
        (2.5e9, "2.5e9"),
        (-1e-7, "−1e−7"),
        (float("nan"), "–"),
        (0.0, "0"),
        (100.0, "100"),
    ],
)
def test_numbers_for_people_keep_significant_digits(value, text):
    assert number(value) == text


@pytest.mark.parametrize(
    ("response", "outputs", "label", "phrases"),
    [
        ("predict", ["y"], None, ["prediction"]),
        ("predict", ["risk"], None, ["predicted risk"]),
        (
            "predict_proba",
            ["a", "b"],
            None,
            ["predicted probability of a", "predicted probability of b"],
        ),
        (
            "predict",
            ["north", "south"],
            "load (MW)",
            ["predicted load (MW), north", "predicted load (MW), south"],
        ),
        ("decision_function", ["sick"], None, ["decision_function of sick"]),
    ],
    ids=["unnamed", "target", "classes", "labelled", "decision"],
)
def test_each_output_is_called_what_is_predicted(response, outputs, label, phrases):
    assert predicted_phrases(response, outputs, label) == tuple(phrases)
