"""What a notebook shows of results: the table, and every note under the printed one."""

import html
import re

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer
from skfme.statsmodels import (
    ConditionalEffects,
    average_effects,
    bootstrap_effects,
    cross_fit_effects,
    delta_effects,
    honest_regions,
    uncertainty_ledger,
)

RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=160), "g": np.repeat(list("uv"), 80)})
Y = X["a"] ** 2 + RNG.normal(size=160)
NUMBERS = X[["a"]]


def _explainer(model=None):
    return FMEExplainer(model or DecisionTreeRegressor(max_depth=4), [{"a": 0.5}])


def _effect():
    from sklearn.compose import make_column_transformer
    from sklearn.pipeline import make_pipeline

    alone = make_column_transformer(("passthrough", ["a"]))
    model = make_pipeline(alone, DecisionTreeRegressor(max_depth=4, random_state=0))
    explainer = FMEExplainer(model, {"a": 0.5}, extrapolation=None)
    (effect,) = explainer.fit(X, Y).explain(X).values()
    return effect


RESULTS = {
    "average": lambda: average_effects(_explainer().fit(NUMBERS, Y).explain(NUMBERS)),
    "equivalence": lambda: average_effects(
        _explainer().fit(NUMBERS, Y).explain(NUMBERS)
    ).equivalence_test(-1, 1),
    "groups": lambda: ConditionalEffects.from_groups(_effect(), "g").fit(),
    "pairwise": lambda: ConditionalEffects.from_groups(_effect(), "g").fit().pairwise(),
    "mixed": lambda: ConditionalEffects.mixed(
        _effect(), "g", groups=np.arange(160) // 5
    ).fit(method="powell"),
    "delta": lambda: delta_effects(
        smf.ols("y ~ a", X.assign(y=Y)).fit(), X.assign(y=Y), {"a": 1}
    ),
    "bootstrap": lambda: bootstrap_effects(
        _explainer(LinearRegression()), NUMBERS, Y, n_resamples=20, random_state=0
    ),
    "cross-fit": lambda: cross_fit_effects(_explainer(), NUMBERS, Y).results(),
    "ledger": lambda: uncertainty_ledger(
        _explainer(), NUMBERS, Y, n_resamples=6, random_state=0
    ),
    "honest": lambda: honest_regions(_explainer(), NUMBERS, Y, random_state=0),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", RESULTS)
def test_a_notebook_has_every_sentence_that_the_printed_results_have(kind):
    results = RESULTS[kind]()
    page = html.unescape(re.sub(r"<[^>]+>", " ", results._repr_html_()))
    page = " ".join(page.split())
    printed = " ".join(str(results).split())
    (covers,) = re.findall(r"Intervals cover(?! 0|ed)[^.]*\.", printed)
    assert covers in page
    for note in re.findall(r"(?:Rows|Parts|Each row|Each resample)[^.]*\.", printed):
        assert note in page
