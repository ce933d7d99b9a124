"""What bootstrap_effects is asked to split."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from skfme import FMEExplainer
from skfme.statsmodels import bootstrap_effects

RNG = np.random.default_rng(2)
X = pd.DataFrame(RNG.normal(size=(60, 3)), columns=["bmi", "bp", "method"])
Y = X @ [1.0, 2.0, 3.0]
STEP = {"bmi": -2, "bp": -10}


def refits(attribute, X=X, step=STEP):
    explainer = FMEExplainer(Ridge(), step, extrapolation=None)
    options = {"n_resamples": 3, "method": "normal", "random_state": 0}
    return bootstrap_effects(explainer, X, Y, attribute=attribute, **options)


@pytest.mark.parametrize(
    "attribute",
    ["bmi -2, bp -10", STEP, {"step": STEP}, {"method": "path"}, {}],
    ids=["name", "step", "step as an argument", "method", "nothing"],
)
def test_a_step_is_named_or_given_or_is_the_only_effect(attribute):
    frame = refits(attribute).to_frame()
    expected = refits("bmi -2, bp -10").to_frame()
    pd.testing.assert_frame_equal(frame, expected)


def test_a_step_may_be_another_than_the_effect_and_name_columns_by_position():
    other = refits({"bmi": 1, "method": 1}).to_frame()
    assert list(other["effect"]) == ["bmi", "method"]
    unnamed = refits({0: -2, 1: -10}, X.to_numpy(), {0: 1}).to_frame()
    assert list(unnamed["effect"]) == ["x0", "x1"]


@pytest.mark.parametrize(
    ("attribute", "error", "words"),
    [
        (True, TypeError, "must be the name of a joint step"),
        ([STEP], TypeError, "must be the name of a joint step"),
        ({"steps": STEP}, ValueError, "'steps'.*Did you mean 'step'"),
        ({"step": STEP, "sample_weight": 1}, ValueError, "given beside it"),
        (
            {"step": STEP, "interactions": True},
            ValueError,
            "Only the parts are averaged",
        ),
        ({"bmi": -2, "bpp": -10}, ValueError, "'bpp'.*Did you mean 'bp'"),
        ({"step": STEP, "bmi": 1}, ValueError, "'bmi'"),
    ],
)
def test_what_names_no_step_is_refused_in_words(attribute, error, words):
    with pytest.raises(error, match=words):
        refits(attribute)
