"""What users guess works everywhere: the same words, columns, readers and forms."""

import inspect
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression

import skfme
from skfme import FMEExplainer, came, fme
from skfme.statsmodels import (
    ConditionalEffects,
    EffectResults,
    average_effects,
    bootstrap_effects,
    cross_fit_effects,
    delta_effects,
    honest_regions,
    uncertainty_ledger,
)

N = 120
RNG = np.random.default_rng(0)
X = pd.DataFrame(
    {
        "bmi": RNG.uniform(18, 40, N),
        "age": RNG.uniform(20, 70, N),
        "sex": np.tile([0.0, 1.0, 2.0], N // 3),
        "village": np.arange(N) // 6,
        "popwt": RNG.uniform(1, 3, N),
    }
)
Y = (X["bmi"] - 28) ** 2 + X["sex"] * X["age"] / 9 + RNG.normal(size=N)


def curve(table):
    return (table["bmi"].to_numpy() - 28) ** 2 + table["sex"].to_numpy()


@pytest.fixture(scope="module")
def effect():
    return fme(curve, X, {"bmi": -2}, extrapolation=None, nlm=True)


@pytest.fixture(scope="module")
def explainer():
    model = RandomForestRegressor(3, max_depth=3, random_state=0)
    return FMEExplainer(model, [{"bmi": -2}], extrapolation=None)


@pytest.fixture(scope="module")
def results(effect, explainer):
    """One of every kind of results."""
    few = {"n_resamples": 20, "random_state": 0}
    tree = came(effect, 2)
    regression = ConditionalEffects.from_formula(effect, "C(sex) + age")
    with pytest.warns(UserWarning, match="resamples"):
        bootstrapped = bootstrap_effects(explainer, X, Y, by="sex", **few)
        ledger = uncertainty_ledger(
            explainer, X, Y, n_resamples=3, n_seeds=2, random_state=0
        )
    fit = smf.ols("bmi ~ age * C(sex)", X).fit()
    averages = average_effects(effect, by="sex")
    return {
        "average": averages,
        "delta": delta_effects(fit, X, {"age": 5}, by="sex"),
        "bootstrap": bootstrapped,
        "ledger": ledger,
        "cross-fitting": cross_fit_effects(explainer, X, Y, random_state=0).results(),
        "groups": ConditionalEffects.from_groups(effect, "sex").fit(),
        "tree": ConditionalEffects.from_tree(effect, tree).fit(),
        "formula": regression.fit(cov_type="HC3"),
        "response": ConditionalEffects.from_response(Y, X, "age").fit(),
        "mixed": ConditionalEffects.mixed(effect, "age", groups="village").fit(),
        "honest": honest_regions(explainer, X, Y, random_state=0),
        "concat": EffectResults.concat({"one": averages, "other": averages}),
        "nonlinear": averages.nonlinear_test("b1 / b2"),
    }


KINDS = [
    *("average", "delta", "bootstrap", "ledger", "cross-fitting", "groups", "tree"),
    *("formula", "response", "mixed", "honest", "concat", "nonlinear"),
]
INFERENCE = ["estimate", "std_error", "statistic", "p_value", "conf_low", "conf_high"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_every_table_of_results_has_the_same_columns_and_forms(results, kind):
    result = results[kind]
    columns = list(result.to_frame())
    assert columns[0] == "effect"
    start = columns.index("estimate")
    assert columns[start : start + 6] == INFERENCE
    before = columns[1:start]
    order = [name for name in before if name in ("rule", "output", "n")]
    assert order == [name for name in ("rule", "output", "n") if name in before]
    assert not any(name != name.lower() for name in columns)
    for form in (str(result), result._repr_html_()):
        assert len(form) > 100
    assert "Intervals cover" in str(result)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "honest"])
def test_every_result_speaks_the_protocol(results, kind):
    result = results[kind]
    k = len(result.params)
    assert len(result.bse) == len(result.pvalues) == len(result.tvalues) == k
    assert result.cov_params().shape == (k, k)
    assert result.conf_int().shape == (k, 2)
    assert isinstance(result.covers, str)
    assert len(result.equivalence_test(low=-1, high=1).equivalent) == k
    if k > 1 and not result.bse.isna().any():
        assert len(result.pairwise(within=None).params) == k * (k - 1) // 2


@pytest.mark.filterwarnings("ignore")
def test_tables_without_inference_have_the_same_columns(effect, explainer):
    figures = ["n", "ame", "sd", "anlm", "share_positive"]
    ends = ["before", "after"]
    assert list(effect.average(by="sex")) == ["effect", "sex", *figures, *ends]
    fitted = FMEExplainer(LinearRegression(), [{"bmi": -2}], nlm=True).fit(X, Y)
    summaries = fitted.explain_batches([X], by="sex")
    expected = ["effect", "sex", *figures, "std_error"]
    assert list(summaries.average()) == expected + ends
    assert list(fitted.explain(X).average(by="sex")) == expected[:-1] + ends
    regions = list(came(effect, 2).partitions_)
    assert regions == ["rule", "n", "ame", "sd", "anlm", "sd_nlm"]


BY = {
    "a name": "sex",
    "names": ["sex", "village"],
    "an array": X["sex"].to_numpy(),
    "a series": X["sex"],
    "a frame": X[["sex", "village"]],
    "an array of two": X[["sex", "village"]].to_numpy(),
    "a mixture": ["sex", X["age"].to_numpy() > 45],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("by", BY.values(), ids=BY)
def test_groups_are_read_the_same_way_everywhere(effect, explainer, by):
    counts = effect.average(by=by)["n"].tolist()
    assert average_effects(effect, by=by).to_frame()["n"].tolist() == counts
    groups = ConditionalEffects.from_groups(effect, by).fit()
    assert groups.to_frame()["n"].tolist() == counts
    fit = smf.ols("bmi ~ age", X).fit()
    assert delta_effects(fit, X, {"age": 5}, by=by).to_frame()["n"].tolist() == counts
    few = {"n_resamples": 2, "random_state": 0}
    bootstrapped = bootstrap_effects(explainer, X, Y, by=by, **few)
    assert len(bootstrapped.params) == len(counts)


@pytest.mark.filterwarnings("ignore")
def test_names_of_columns_stand_for_their_entries(effect, explainer):
    village, weights = X["village"].to_numpy(), X["popwt"].to_numpy()
    named, given = (
        average_effects(effect, cov_type="cluster", cov_kwds={"groups": groups})
        for groups in ("village", village)
    )
    assert named.bse.tolist() == given.bse.tolist()
    for function in (bootstrap_effects, cross_fit_effects):
        options = {"random_state": 0}
        if function is bootstrap_effects:
            options["n_resamples"] = 3
        pair = [
            function(explainer, X, Y, groups=groups, sample_weight=weight, **options)
            for groups, weight in (("village", "popwt"), (village, weights))
        ]
        assert str(pair[0]) == str(pair[1])
    weighted = fme(curve, X, {"bmi": -2}, extrapolation=None, sample_weight="popwt")
    assert weighted.ame == pytest.approx(np.average(effect.fme, weights=weights))


def test_steps_that_are_forgotten_point_to_ame():
    with pytest.raises(TypeError, match=r"ame\(model, X\)"):
        fme(curve, X)


def test_rooms_are_there_after_importing_the_package():
    assert skfme.statsmodels.EffectTree is type(came(fme(curve, X, {"bmi": -2}), 2))
    assert set(dir(skfme)) == {*skfme.__all__, "__version__"}


def test_a_label_of_the_response_is_the_explainers_own():
    model = FMEExplainer(LinearRegression(), {"bmi": -2}, response_label="risk (%)")
    effects = model.fit(X, Y).explain(X)
    assert "Change in the predicted risk (%)" in str(effects)
    summaries = model.explain_batches([X])
    assert "risk (%)" in str(summaries)


def test_a_tree_prints_its_rules_and_its_drop(effect):
    tree = came(effect, 3)
    assert str(tree) == str(tree.export_text())
    assert "of Var(FME)" in str(tree)
    assert "cAME" in tree._repr_html_()
    stability = tree.stability(n_resamples=5, random_state=0)
    assert "Roots of 5 trees" in str(stability)
    assert "<table" in stability._repr_html_()
    assert repr(came).startswith("<function")


def test_options_after_the_second_argument_are_given_by_name():
    estimators = ("fit", "score")  # scikit-learn's own order
    lax = []
    for name in skfme.statsmodels.__all__:
        thing = getattr(skfme.statsmodels, name)
        functions = [(name, thing)] if inspect.isfunction(thing) else []
        if inspect.isclass(thing):
            functions = [
                (f"{name}.{key}", function)
                for key, function in inspect.getmembers(thing, inspect.isfunction)
                if not key.startswith("_") and key not in estimators
            ]
        for label, function in functions:
            if not function.__module__.startswith("skfme."):
                continue
            parameters = list(inspect.signature(function).parameters.values())
            placed = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
            placed = [p for p in placed if p.name not in ("self", "cls")]
            lax += [label for p in placed[2:] if p.default is not p.empty]
    # Results or explainer, data, and what of them, as fme() has them.
    assert set(lax) <= {"came_batches", "delta_effects"}


@pytest.mark.parametrize("engine", ["auto", "predict"])
def test_a_fitted_explainer_may_be_used_from_several_threads(engine):
    model = RandomForestRegressor(5, max_depth=4, random_state=0)
    steps = [{"bmi": -2}, {"age": 5, "bmi": -1}]
    explainer = FMEExplainer(model, steps, engine=engine, nlm=True).fit(X, Y)
    tables = [X.sample(frac=1, random_state=i) for i in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(explainer.explain, tables))
    for table, effects in zip(tables, together, strict=True):
        for name, effect in explainer.explain(table).items():
            np.testing.assert_array_equal(effects[name].fme, effect.fme)
            np.testing.assert_array_equal(effects[name].nlm, effect.nlm)
