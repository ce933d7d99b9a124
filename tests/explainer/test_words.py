"""Errors name their cause, show what was given in few words, and advise what works."""

import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skfme import Add, Contrast, FMEExplainer, SetTo, ame, came, fme
from skfme.metrics import effect_stability, make_monotonicity_scorer
from skfme.statsmodels import (
    ConditionalEffects,
    EffectTree,
    average_effects,
    bootstrap_effects,
    delta_effects,
)

N = 200
RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.normal(size=N)})
Y = X["a"] + RNG.normal(size=N)
MODEL = LinearRegression().fit(X, Y)


def said(call, kind=(ValueError, TypeError)):
    with pytest.raises(kind) as caught:
        call()
    return " ".join(str(caught.value).split())


# ---- the cause ----------------------------------------------------------------------------


def test_overflow_is_not_blamed_on_a_missing_value_elsewhere():
    table = X.assign(c=np.where(np.arange(N) == 3, np.nan, 1.0))

    def model(t):
        with np.errstate(over="ignore"):
            return np.exp(np.asarray(t["a"]) * 1000)

    bad = np.isinf(np.r_[model(table), model(table + 1)]).sum()
    text = said(lambda: fme(model, table, {"a": 1}, extrapolation=None))
    assert "overflows" in text
    assert "missing" not in text
    assert 0 < int(re.search(r"in (\d+) of", text)[1]) <= bad


def test_nan_is_blamed_on_the_missing_values_of_the_same_rows():
    table = X.assign(c=np.where(np.arange(N) % 50 == 3, np.nan, 1.0))
    text = said(lambda: fme(lambda t: (t["a"] + t["c"]).to_numpy(), table, {"a": 1}))
    assert "Each of these rows lacks a value of c" in text
    elsewhere = said(
        lambda: fme(lambda t: np.where(t["c"].isna(), 1.0, np.nan), table, {"a": 1})
    )
    assert "lacks" not in elsewhere


@pytest.mark.parametrize("kind", [np.asarray, pl.from_pandas])
def test_the_cause_is_found_in_every_kind_of_table(kind):
    table = kind(X.assign(c=np.where(np.arange(N) == 3, np.nan, 1.0)))
    key = 0 if kind is np.asarray else "a"

    def overflowing(t):
        with np.errstate(over="ignore"):
            return np.exp(np.asarray(t)[:, 0] * 1000)

    def lacking(t):
        return np.asarray(t)[:, 2]

    overflow, lack = (
        said(lambda m=model: fme(m, table, {key: 1}, extrapolation=None))
        for model in (overflowing, lacking)
    )
    assert "overflows" in overflow
    assert "lacks a value of" in lack


def test_a_models_missing_columns_are_not_missing_values():
    table = X.assign(c=np.where(np.arange(N) == 3, np.nan, 1.0))
    explainer = FMEExplainer(LinearRegression(), {"a": 1}, extrapolation=None)
    explainer.fit(X.assign(c=1.0), Y)

    def predict(t):
        raise ValueError("columns are missing: d")

    explainer.estimator_.predict = predict
    assert said(lambda: explainer.explain(table)) == "columns are missing: d"


def test_numbers_of_bad_predictions_are_not_called_rows_of_the_table():
    def model(t):
        return np.where(np.asarray(t["a"]) > 2, np.nan, 1.0)

    steps = [{"a": 0.1}, {"a": 0.2}, {"a": 0.3}]
    text = said(lambda: fme(model, X, steps, extrapolation=None, batch_size=10_000))
    asked = int(re.search(r"of ([\d,]+) predictions", text)[1].replace(",", ""))
    assert asked >= N
    assert f"of {asked:,} rows" not in text


def test_a_category_that_the_model_knows_is_given_with_background():
    table = X.assign(g=RNG.choice(list("uvw"), N))
    dummies = make_column_transformer((OneHotEncoder(), ["g"]), remainder="passthrough")
    model = make_pipeline(dummies, LinearRegression()).fit(table, Y)
    some = table[table["g"] != "w"]
    text = said(lambda: fme(model, some, {"g": "w"}))
    assert "not a category of 'g' in the training rows" in text
    assert "background=" in text
    assert fme(model, some, {"g": "w"}, background=table).n == len(some)
    # Where a name is near, that is the likelier cause.
    near = said(lambda: fme(model, table.assign(g="west"), {"g": "wets"}))
    assert "Did you mean 'west'?" in near
    assert "background" not in near


def test_one_row_needs_a_background():
    with pytest.warns(
        UserWarning, match="X is one row, .*rows of training as background"
    ):
        fme(MODEL, X.head(1), {"a": 1})
    with pytest.warns(UserWarning, match="Take a smaller step"):
        fme(MODEL, X.head(1), {"a": 100}, background=X)


# ---- advice that works --------------------------------------------------------------------


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        MultiOutputClassifier(LogisticRegression()),
        MLPClassifier(max_iter=300, random_state=0),
        ClassifierChain(LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_advice_for_several_outputs_works(model):
    target = np.column_stack([X["a"] > 0, X["b"] > 0]).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(X, target)
    text = said(lambda: fme(model, X, {"a": 0.5}))
    advice = re.search(r"lambda estimator, X: (.+)\.$", text)[1]
    effect = fme(
        model, X, {"a": 0.5}, response_method=lambda estimator, X: eval(advice)
    )
    probabilities = model.predict_proba(X.assign(a=X["a"] + 0.5))
    before = model.predict_proba(X)
    if isinstance(before, list):
        right = (probabilities[0] - before[0])[:, 1]
    else:
        right = (probabilities - before)[:, 0]
    counted = effect.counted
    np.testing.assert_allclose(effect.fme[counted], right[counted], atol=1e-12)


def test_the_advice_for_a_list_of_predictions_works():
    class Lists:
        def predict(self, X):
            one = np.asarray(X["a"]) ** 2
            return [np.column_stack([one, -one])] * 3

    text = said(lambda: fme(Lists(), X, {"a": 0.5}))
    advice = re.search(r"lambda estimator, X: (.+)\.$", text)[1]
    effect = fme(
        Lists(),
        X,
        {"a": 0.5},
        response_method=lambda m, X: eval(advice, {"estimator": m.estimator, "X": X}),
    )
    assert effect.outputs == ("y",)


def test_no_smaller_step_is_advised_where_it_does_not_help():
    table = X.assign(g="u")
    table.loc[:3, "g"] = "v"
    calls = [
        lambda: make_monotonicity_scorer("a", 1)(MODEL, X.assign(a=np.nan)),
        lambda: average_effects(_at_target(table)),
        lambda: ConditionalEffects.from_groups(_at_target(table)["g = u"], "g"),
        lambda: effect_stability(
            [lambda t: t["a"].to_numpy()] * 2,
            table[table["g"] == "u"],
            {"g": "u"},
            background=table,
        ),
    ]
    for call in calls[1:]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            text = said(call)
        assert "there already" in text
        assert "smaller step" not in text


def _at_target(table):
    model = FMEExplainer(_Frozen(), [{"g": "u"}]).fit(table, Y)
    return model.explain(table[table["g"] == "u"])


class _Frozen(LinearRegression):
    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.asarray(X["a"])

    def __sklearn_is_fitted__(self):
        return True


# ---- what was given -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda given: fme(MODEL, X, {"a": given}),
        lambda given: fme(MODEL, X, given),
        lambda given: fme(MODEL, X, [given]),
        lambda given: fme(given, X, {"a": 1}),
        lambda given: fme(MODEL, X, {"a": SetTo(given)}),
        lambda given: fme(MODEL, X, {"a": Add(given)}),
        lambda given: fme(MODEL, X, {"a": Contrast(given, 1)}),
        lambda given: fme(MODEL, X, {"a": 1}, nlm=given),
        lambda given: fme(MODEL, X, {"a": 1}).plot(labels=given),
        lambda given: fme(MODEL, X, {"a": 1}).plot(labels={"a": given}),
        lambda given: came(fme(MODEL, X, {"a": 1}), output=given),
        lambda given: delta_effects(given, X, {"a": 1}),
    ],
)
@pytest.mark.parametrize(
    "given", [X["a"], pl.Series(X["a"]), np.zeros(N), list(range(10_000))], ids=type
)
def test_a_long_value_is_shown_in_few_words(call, given):
    text = said(call, Exception)
    assert len(text) < 400
    assert "0.640" not in text


RAGGED = [[1, 2], [3]] * (N // 2)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: fme(lambda t: t[:, 0], RAGGED, {0: 1}), "X is ragged"),
        (lambda: fme(lambda t: RAGGED[: len(t)], X, {"a": 1}), "What predict returned"),
        (lambda: fme(MODEL, X, {"a": 1}, sample_weight=RAGGED), "sample_weight is"),
        (lambda: fme(MODEL, X, {"a": 1}).average(by=RAGGED), "by is ragged"),
        (lambda: EffectTree().fit(X, RAGGED), "y is ragged"),
        (lambda: came(fme(MODEL, X, {"a": 1}), groups=RAGGED), "groups is ragged"),
        (lambda: average_effects(ame(MODEL, X)).t_test([[1, 2], [3]]), "R is ragged"),
    ],
)
def test_ragged_lists_are_named(call, what):
    text = said(call)
    assert what in text
    assert "inhomogeneous" not in text


@pytest.mark.parametrize(
    ("call", "order"),
    [
        (lambda: fme(MODEL, {"a": 1}, X), "fme(model, X, steps)"),
        (lambda: fme(MODEL, [{"a": 1}], X), "fme(model, X, steps)"),
        (lambda: ame(MODEL, "sd", X), "fme(model, X, steps)"),
        (lambda: fme(X, MODEL, {"a": 1}), "fme(model, X, steps)"),
        (lambda: fme({"a": 1}, X, MODEL), "fme(model, X, steps)"),
        (lambda: FMEExplainer(MODEL, X).fit(X, Y), "fme(model, X, steps)"),
        (
            lambda: bootstrap_effects(X, FMEExplainer(MODEL, {"a": 1}), Y),
            "explainer comes first, then X",
        ),
        (lambda: fme(MODEL, {"a": [1.0], "b": [2.0]}, {"a": 1}), "pandas.DataFrame(X)"),
    ],
)
def test_arguments_in_another_order_are_told_their_order(call, order):
    assert order in said(call)


# ---- columns by name ----------------------------------------------------------------------


@pytest.fixture
def survey():
    return X.assign(popwt=1.0 + np.arange(N) % 3)


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_weights_are_the_column_that_is_named(survey, kind):
    table = survey if kind == "pandas" else pl.from_pandas(survey)

    def model(t):
        return np.asarray(t["a"]) ** 2 * np.asarray(t["b"])

    named = fme(model, table, {"a": 0.5}, sample_weight="popwt")
    given = fme(model, table, {"a": 0.5}, sample_weight=survey["popwt"].to_numpy())
    assert (named.n, named.ame, named.sd) == (given.n, given.ame, given.sd)
    assert str(named) == str(given)


def test_weights_beside_the_columns_of_a_model_are_no_feature(survey):
    named = ame(MODEL, survey, sample_weight="popwt")
    given = ame(MODEL, X, sample_weight=survey["popwt"])
    assert str(named) == str(given)
    with_background = ame(MODEL, survey, sample_weight="popwt", background=survey)
    for name, effect in with_background.items():
        assert effect.n == ame(MODEL, X, background=X)[name].n
    assert "popwt" in named["a +1"].X


def test_the_fit_takes_the_weights_of_the_column_that_is_named(survey):
    named, given = (
        FMEExplainer(LinearRegression(), {"a": 1}).fit(survey, Y, sample_weight=weights)
        for weights in ("popwt", survey["popwt"])
    )
    np.testing.assert_array_equal(named.estimator_.coef_, given.estimator_.coef_)
    plain = FMEExplainer(LinearRegression(), {"a": 1}).fit(survey, Y)
    assert (named.estimator_.coef_ != plain.estimator_.coef_).any()


def test_a_tree_takes_weights_and_groups_by_name(survey):
    effect = survey["a"] ** 2 + RNG.normal(size=N) / 9
    table = survey.assign(school=np.arange(N) // 10)
    named = EffectTree(n_partitions=3, honest=True, random_state=0).fit(
        table, effect, "popwt", groups="school"
    )
    given = EffectTree(n_partitions=3, honest=True, random_state=0).fit(
        table, effect, table["popwt"], groups=table["school"]
    )
    assert named.export_text() == given.export_text()


def test_unknown_and_unfit_columns_of_weights_are_refused(survey):
    assert "Did you mean 'popwt'?" in said(
        lambda: fme(lambda t: t["a"].to_numpy(), survey, {"a": 1}, sample_weight="popw")
    )
    text = said(
        lambda: fme(
            lambda t: t["a"].to_numpy(),
            survey.assign(g="x"),
            {"a": 1},
            sample_weight="g",
        )
    )
    assert "'g', a column that holds no numbers" in text


# ---- hypotheses ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["_at99 = 0", "_at0", "2 * _at1 = a +1", "_at = 0"])
def test_a_placeholder_is_no_name_in_a_hypothesis(text):
    results = average_effects(ame(MODEL, X))
    assert "cannot be read at '_at" in said(lambda: results.t_test(text))


def test_names_that_contain_the_placeholder_are_names():
    table = X.rename(columns={"a": "x_at99"})
    results = average_effects(ame(LinearRegression().fit(table, Y), table))
    assert results.t_test("x_at99 +1 = 0").effect == results.params.iloc[:1].to_numpy()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: explained()[:1], "Effects are named, such as 'a +1'"),
        (lambda: fitted().path(X, {"a": 5}), "An effect is asked for by its name"),
        (lambda: FMEExplainer(MODEL, {"a": 1}).fit(Y, X), "they are swapped"),
        (lambda: FMEExplainer(MODEL, {"a": 1}).fit(X, "b"), "y is the text 'b'"),
        (lambda: EffectTree().fit(explained()), "One effect is expected, and 2 were"),
    ],
)
def test_what_is_given_in_the_wrong_place_is_told_so(call, text):
    assert text in said(call)


def explained():
    return fme(MODEL, X, [{"a": 1}, {"b": 1}])


def fitted():
    return FMEExplainer(LinearRegression(), {"a": 1}).fit(X, Y)
