"""Unknown options of pictures are named, with what was meant."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer, came
from skfme.plotting import ExtrapolationDisplay


@pytest.fixture(scope="module")
def pictures():
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200)})
    tree = DecisionTreeRegressor(max_depth=4, random_state=0)
    explainer = FMEExplainer(tree, [{"a": 1}]).fit(X, X["a"] ** 2)
    effects = explainer.explain(X)
    effect = effects["a +1"]
    return {
        "effect": effect.plot,
        "effects": effects.plot,
        "path": explainer.path(X, "a +1").plot,
        "profile": explainer.step_profile(X, "a").plot,
        "tree": came(effect, 2).plot,
        "outside": lambda **options: ExtrapolationDisplay.from_effect(
            effect, **options
        ),
    }


KINDS = ["effect", "effects", "path", "profile", "tree", "outside"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("typo", "meant"), [("lables", "labels"), ("colr", "color"), ("alhpa", "alpha")]
)
def test_a_typo_is_named_with_what_was_meant(pictures, kind, typo, meant):
    before = plt.get_fignums()
    with pytest.raises(
        TypeError, match=f"'{typo}' is no option .*mean '{meant}'"
    ) as caught:
        pictures[kind](**{typo: 1})
    assert "Options: " in str(caught.value)
    assert "labels" in str(caught.value)
    assert plt.get_fignums() == before


@pytest.mark.parametrize("kind", KINDS)
def test_options_of_matplotlib_still_pass(pictures, kind):
    assert pictures[kind](alpha=0.5).figure_ is not None


def test_an_error_of_the_drawing_itself_is_left_as_it_is(pictures):
    with pytest.raises(ValueError, match="color"):
        pictures["effect"](color="no colour")
