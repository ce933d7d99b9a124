"""What the outcome of a statsmodels model is called, and which of its levels is predicted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf

from skfme import fme
from skfme.statsmodels import ConditionalEffects, average_effects, delta_effects

BINOMIAL = {"family": sm.families.Binomial()}


@pytest.fixture(name="rows", scope="module")
def smokers():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.normal(size=400), "g": rng.integers(0, 40, 400)})
    smokes = rng.random(400) < 1 / (1 + np.exp(-rows["x"]))  # more often for a large x
    rows["text"] = np.where(smokes, "yes", "no")
    rows["flag"] = smokes
    rows["level"] = pd.Categorical(rows["text"], ["yes", "no"])
    rows["number"] = smokes.astype(int)
    rows["hits"] = rng.binomial(9, 1 / (1 + np.exp(-rows["x"])))
    rows["misses"] = 9 - rows["hits"]
    rows["wage"] = np.exp(rows["x"] + rng.normal(size=400))
    return rows


@pytest.mark.parametrize("model", ["glm", "gee"])
@pytest.mark.parametrize(
    ("left", "name", "sign"),
    [
        ("text", "probability of text = no", -1),
        ("flag", "probability of flag = False", -1),
        ("level", "probability of level = yes", 1),
        ("C(number)", "probability of C(number) = 0", -1),
        ("hits + misses", "share hits / (hits + misses)", 1),
    ],
)
def test_the_level_that_a_binomial_model_predicts_is_named(
    rows, model, left, name, sign
):
    if model == "gee" and left == "hits + misses":
        pytest.skip("GEE takes no counts")
    groups = ["g"] if model == "gee" else []
    fit = getattr(smf, model)(f"{left} ~ x", *groups, data=rows, **BINOMIAL).fit()
    effect, effects = fme(fit, rows, {"x": 1}), delta_effects(fit, rows, {"x": 1})
    want = (fit.predict(rows.assign(x=rows.x + 1)) - fit.predict(rows)).mean()
    assert np.sign(want) == sign  # the name says whose probability it is
    assert effect.ame == pytest.approx(want)
    assert effects.params.tolist() == [pytest.approx(want)]
    assert f"\nChange in the predicted {name}\n" in str(effect)
    assert f"on the {name}, delta method" in " ".join(effects.summary().split())
    for results in (average_effects(effect), by_g(effect)):
        assert f"Change in the predicted {name}." in str(results.summary())


def by_g(effect):
    return ConditionalEffects.from_groups(effect, effect.X["g"] > 20).fit()


@pytest.mark.parametrize("left", ["np.log(wage)", "wage", "number"])
def test_summaries_keep_the_name_of_the_outcome(rows, left):
    fit = smf.ols(f"{left} ~ x", rows).fit()
    effect = fme(fit, rows, {"x": 1})
    assert effect.outputs == (left,)
    assert f"Change in the prediction of {left}\n" in str(effect)
    assert f"Change in the prediction of {left}." in average_effects(effect).summary()
    assert f"of OLS on {left}," in delta_effects(fit, rows, {"x": 1}).summary()


def test_the_users_own_words_come_first(rows):
    fit = smf.glm("text ~ x", rows, **BINOMIAL).fit()
    effect = fme(fit, rows, {"x": 1}, response_label="risk of smoking")
    assert "Change in the predicted risk of smoking" in str(effect)


def test_classes_are_named_by_their_outcome(rows):
    fit = smf.mnlogit("kind ~ x", rows.assign(kind=rows["hits"] % 3)).fit(disp=0)
    effects = delta_effects(fit, rows, {"x": 1})
    assert "of MNLogit on the classes of kind" in " ".join(effects.summary().split())
