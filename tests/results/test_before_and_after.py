"""From what to what: average predictions before and after a step, in every form."""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import GradientBoostingClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor

from skfme import Contrast, FMEExplainer, SetTo, fme
from skfme._text.labels import from_to
from skfme.statsmodels import cross_fit_effects

N = 400
RNG = np.random.default_rng(1)
X = pd.DataFrame(
    {
        "bmi": RNG.uniform(18, 40, N),
        "age": RNG.integers(20, 70, N),
        "sex": np.tile([0.0, 1.0], N // 2),
    }
)
Y = np.exp(0.03 * X["bmi"] + 0.01 * X["age"] * X["sex"] + RNG.normal(size=N) / 5)
CLASSES = np.digitize(Y, np.quantile(Y, [0.3, 0.7]))
WEIGHTS = RNG.uniform(0.5, 2, N)
STEPS = [
    {"bmi": -2},
    {"age": 2.5},  # retypes an integer column
    {"sex": Contrast(0, 1)},
    {"bmi": Contrast(20, 30), "age": 3},
]

MODELS = {
    "linear": (LinearRegression(), Y, "linear"),
    "log": (PoissonRegressor(alpha=0), Y, "linear"),
    "logistic": (LogisticRegression(C=100, max_iter=5000), Y > 2.5, "linear"),
    "softmax": (LogisticRegression(C=100, max_iter=5000), CLASSES, "linear"),
    "forest": (RandomForestRegressor(10, random_state=0), Y, "trees"),
    "boosting": (GradientBoostingClassifier(n_estimators=9), CLASSES, "trees"),
}


def stepped(effect_steps, end):
    """Both ends of a step, made by hand."""
    table = X.copy()
    for name, step in effect_steps.items():
        if isinstance(step, Contrast):
            table[name] = step.high if end else step.low
        elif end:
            table[name] = table[name] + step
    return table


def predicted(explainer, table):
    model = explainer.estimator_
    method = getattr(model, "predict_proba", model.predict)
    values = np.asarray(method(table), dtype=float).reshape(len(table), -1)
    return values[:, 1:] if values.shape[1] == 2 else values


@pytest.mark.parametrize("engine", ["predict", "exact"])
@pytest.mark.parametrize("kind", MODELS)
def test_before_and_after_are_the_models_own_average_predictions(kind, engine):
    model, y, exact = MODELS[kind]
    engine = exact if engine == "exact" else engine
    explainer = FMEExplainer(model, STEPS, extrapolation="envelope", engine=engine)
    effects = explainer.fit(X, y).explain(X, sample_weight=WEIGHTS)
    for step, effect in zip(STEPS, effects.values(), strict=True):
        assert effect.engine == engine
        counted = effect.counted
        for end, value in enumerate((effect.before, effect.after)):
            values = predicted(explainer, stepped(step, end))[counted]
            by_hand = np.average(values, axis=0, weights=WEIGHTS[counted])
            np.testing.assert_allclose(np.atleast_1d(value), by_hand, rtol=1e-9)
        np.testing.assert_allclose(effect.after - effect.before, effect.ame, atol=1e-12)
    frame = effects.to_frame()
    assert list(frame)[-2:] == ["before", "after"]
    before = np.concatenate([np.atleast_1d(e.before) for e in effects.values()])
    np.testing.assert_array_equal(frame["before"], before)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_batches_and_jobs_leave_the_averages_as_they_are(n_jobs):
    model = RandomForestRegressor(5, random_state=0)
    whole = FMEExplainer(model, STEPS, engine="predict").fit(X, Y)
    parted = FMEExplainer(model, STEPS, engine="predict", batch_size=37, n_jobs=n_jobs)
    effects, parts = whole.explain(X), parted.fit(X, Y).explain(X)
    for name, effect in effects.items():
        np.testing.assert_array_equal(effect.before_2d, parts[name].before_2d)
        assert effect.before == parts[name].before


def test_the_prediction_before_is_made_once_for_steps_of_the_same_rows():
    calls = []

    def model(table):
        calls.append(len(table))
        return table["bmi"].to_numpy() ** 2

    few = X.iloc[:100]
    steps = [{"bmi": -2}, {"bmi": 1}, {"age": 3}]
    effects = FMEExplainer(None, steps, extrapolation=None)
    effects = fme(model, few, steps, extrapolation=None, check_rows=False)
    one, two, three = effects.values()
    assert one.before_2d is two.before_2d is three.before_2d
    assert sum(calls) <= 4 * 100 + 64  # one base, three steps, and what fit tries


@pytest.mark.parametrize("kind", ["linear", "boosting"])
def test_summaries_of_batches_have_the_same_ends_by_group(kind):
    model, y, _ = MODELS[kind]
    table = X.assign(w=WEIGHTS)
    explainer = FMEExplainer(model, STEPS).fit(X, y)
    effects = explainer.explain(X, sample_weight=WEIGHTS)
    halves = [
        explainer.explain_batches([part], sample_weight="w", by="sex")
        for part in (table[:123], table[123:])
    ]
    summaries = halves[0] + halves[1]
    for name, effect in effects.items():
        np.testing.assert_allclose(summaries[name].before, effect.before, rtol=1e-12)
        np.testing.assert_allclose(summaries[name].after, effect.after, rtol=1e-12)
        names = ["n", "before", "after"]
        np.testing.assert_allclose(
            summaries[name].average()[names],
            effect.average(by="sex")[names],
            rtol=1e-12,
        )


def test_rows_have_their_own_ends_where_they_count():
    model = LinearRegression().fit(X, Y)
    effect = fme(
        model, X, {"sex": SetTo(1)}, background=X, categorical_features=["sex"]
    )
    frame = effect.to_frame()
    assert frame.loc[X["sex"] == 1, ["fme", "before", "after"]].isna().all(axis=None)
    rest = X[X["sex"] == 0]
    np.testing.assert_allclose(frame.loc[rest.index, "before"], model.predict(rest))
    after = model.predict(rest.assign(sex=1.0))
    np.testing.assert_allclose(frame.loc[rest.index, "after"], after)


def test_cross_fitted_effects_have_the_ends_of_their_folds():
    explainer = FMEExplainer(RandomForestRegressor(5, random_state=0), STEPS)
    effect = cross_fit_effects(explainer, X, Y, random_state=0)["bmi -2"]
    frame = effect.to_frame()[effect.counted]
    assert effect.before == pytest.approx(frame["before"].mean())
    assert effect.after - effect.before == pytest.approx(effect.ame)


def test_the_summary_says_from_what_to_what():
    effect = fme(lambda T: 2 * T["bmi"].to_numpy(), X, {"bmi": -2}, extrapolation=None)
    text = " ".join(str(effect).split())
    before = 2 * X["bmi"].mean()
    assert f"bmi -2 {before:.2f} {before - 4:.2f}" in text


@pytest.mark.parametrize(
    ("ends", "text"),
    [
        ((152.13, 144.38), "from 152.1 to 144.4"),
        ((152.13, 152.14), "from 152.13 to 152.14"),
        ((0.5, 0.5), "at 0.5"),
        ((0.0, -3.0), "from 0 to −3"),
    ],
)
def test_as_many_digits_are_shown_as_tell_both_ends_apart(ends, text):
    assert from_to(*ends) == text
