"""Exact engines against differences of the model's own predictions."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import Contrast, FMEExplainer, GaussLegendre, Scale, SetTo, fme
from skfme._engine.trees import packing, trees
from skfme._engine.trees.compiled import small_trees

N = 300


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 5)).round(1)  # ties, also on thresholds
    y = X[:, 0] * (X[:, 1] > 0) + np.sin(2 * X[:, 2]) + 0.1 * rng.normal(size=N)
    return X, y


STEPS = [{0: 1.0}, {1: -0.3}, {2: 0.01}, {0: 1.0, 2: -0.5}, {3: Scale(1.5)}]


def both(model, X, steps, engine, **options):
    explainer = FMEExplainer(FrozenEstimator(model), steps, **options)
    exact = explainer.set_params(engine=engine).fit(X).explain(X)
    plain = explainer.set_params(engine="predict").fit(X).explain(X)
    assert {effect.engine for effect in exact.values()} == {engine}
    assert {effect.engine for effect in plain.values()} == {"predict"}
    return exact, plain


def assert_equal_effects(exact, plain, scale, tolerance=1e-12):
    for name in plain:
        np.testing.assert_array_equal(exact[name].status, plain[name].status)
        np.testing.assert_allclose(
            exact[name].fme, plain[name].fme, rtol=0, atol=tolerance * scale
        )


REGRESSORS = {
    "tree": DecisionTreeRegressor(max_depth=6, random_state=0),
    "forest": RandomForestRegressor(20, random_state=0),
    "extra trees": ExtraTreesRegressor(20, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=30, random_state=0),
    "hist": HistGradientBoostingRegressor(max_iter=30, random_state=0),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_tree_engine_equals_differences(sample, name):
    X, y = sample
    model = REGRESSORS[name].fit(X, y)
    exact, plain = both(model, X, STEPS, "trees")
    assert_equal_effects(exact, plain, np.abs(y).max())


CLASSIFIERS = {
    "forest": RandomForestClassifier(15, max_depth=5, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=10, random_state=0),
    "hist": HistGradientBoostingClassifier(max_iter=10, random_state=0),
}


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_tree_engine_equals_differences_of_probabilities(sample, name, n_classes):
    X, y = sample
    classes = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))
    exact, plain = both(CLASSIFIERS[name].fit(X, classes), X, STEPS, "trees")
    assert_equal_effects(exact, plain, 1.0)


def test_tree_engine_takes_several_targets_and_pipelines(sample):
    X, y = sample
    Y = np.column_stack([y, X[:, 0] - y])
    forest = RandomForestRegressor(10, random_state=0).fit(X, Y)
    assert_equal_effects(*both(forest, X, STEPS, "trees"), np.abs(Y).max())
    pipe = make_pipeline(StandardScaler(), RandomForestRegressor(10, random_state=0))
    exact, plain = both(pipe.fit(X, y), X, STEPS, "trees")
    assert_equal_effects(exact, plain, np.abs(y).max())


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tree_engine_takes_missing_values_and_categories(sample):
    X, y = sample
    frame = pd.DataFrame(X.copy(), columns=list("abcde"))
    frame.loc[::7, "a"] = np.nan
    frame["g"] = pd.Categorical(np.array(["p", "q", "r", "s"])[np.arange(N) % 4])
    target = y + (frame["g"].cat.codes == 2) * 2.0
    model = HistGradientBoostingRegressor(
        max_iter=30, categorical_features="from_dtype", random_state=0
    ).fit(frame, target)
    steps = [{"a": 1.0}, {"g": "r"}, {"b": -1.0, "g": "p"}, {"g": Contrast("p", "s")}]
    exact, plain = both(model, frame, steps, "trees", extrapolation=None)
    assert_equal_effects(exact, plain, np.abs(target).max())


@pytest.mark.parametrize("name", ["xgboost", "lightgbm"])
def test_tree_engine_equals_differences_of_other_libraries(sample, name):
    library = pytest.importorskip(name, reason=f"{name} is not installed")
    X, y = sample
    if name == "xgboost":
        model, tolerance = library.XGBRegressor(n_estimators=30, max_depth=4), 1e-5
    else:
        model = library.LGBMRegressor(n_estimators=30, verbose=-1, min_child_samples=5)
        tolerance = 1e-12
    exact, plain = both(model.fit(X, y), X, STEPS, "trees")
    assert_equal_effects(exact, plain, np.abs(y).max(), tolerance)


def test_results_do_not_change_with_batches_and_jobs(sample):
    X, y = sample
    model = FrozenEstimator(RandomForestRegressor(10, random_state=0).fit(X, y))
    whole = FMEExplainer(model, STEPS, engine="trees").fit(X).transform(X)
    for batch_size, n_jobs in ((17, 1), (100, 2)):
        explainer = FMEExplainer(
            model, STEPS, engine="trees", batch_size=batch_size, n_jobs=n_jobs
        )
        np.testing.assert_allclose(explainer.fit(X).transform(X), whole, atol=1e-13)


def test_stepped_values_are_held_for_some_rows_at_a_time(sample, monkeypatch):
    X, y = sample
    model = make_pipeline(PCA(), RandomForestRegressor(10, random_state=0)).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), STEPS, engine="trees", nlm=True)
    whole = explainer.fit(X).explain(X)
    monkeypatch.setattr(trees, "MOST_VALUES", 1000)
    parts = explainer.explain(X)
    for name in whole:
        np.testing.assert_array_equal(parts[name].fme, whole[name].fme)
        np.testing.assert_array_equal(parts[name].nlm, whole[name].nlm)


def test_exact_nonlinearity_is_the_limit_of_quadrature(sample):
    X, y = sample
    model = DecisionTreeRegressor(max_depth=4, random_state=0).fit(X, y)
    steps = [{0: 0.8}, {0: 0.8, 2: -0.6}]
    exact = fme(model, X, {0: 0.8}, nlm=True, engine="trees")
    assert exact.engine == "trees"
    for step in steps:
        ours = fme(model, X, step, nlm=True, engine="trees").nlm
        many = fme(model, X, step, nlm=GaussLegendre(400), engine="predict").nlm
        few = fme(model, X, step, nlm=GaussLegendre(50), engine="predict").nlm
        seen = ~np.isnan(ours) & ~np.isnan(many) & ~np.isnan(few)
        assert seen.sum() > 50
        # A jump between two nodes is off by at most its share of a node's weight.
        far, near = np.abs(few - ours)[seen], np.abs(many - ours)[seen]
        assert np.median(near) < 0.35 * np.median(far)
        assert np.quantile(near, 0.9) < 0.05


LINEAR = {
    "ols": LinearRegression(),
    "ridge": make_pipeline(StandardScaler(), Ridge()),
    "poisson": PoissonRegressor(),
    "tweedie of a sum": TweedieRegressor(power=0),
    "tweedie of a product": TweedieRegressor(power=1.5),
    "tweedie of a product by request": TweedieRegressor(power=0, link="log"),
    "logit": LogisticRegression(),
    "logit of three": LogisticRegression(),
}


@pytest.mark.parametrize("name", LINEAR)
def test_linear_engine_equals_differences(sample, name):
    X, y = sample
    positive = np.exp(np.clip(y, -2, 2))
    target = {
        **{kind: positive for kind in LINEAR if kind.startswith("tweedie")},
        "poisson": positive,
        "logit": (y > 0).astype(int),
        "logit of three": np.digitize(y, [-0.5, 0.5]),
    }.get(name, y)
    exact, plain = both(LINEAR[name].fit(X, target), X, STEPS, "linear")
    assert_equal_effects(exact, plain, max(1.0, np.abs(target).max()))


def of_categories(encoder):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "g": np.array(["p", "q", "r"])[np.arange(60) % 3],
            "h": np.array(["no", "yes"])[np.arange(60) % 2],
            "a": rng.normal(size=60),
        }
    )
    columns = make_column_transformer((encoder, ["g", "h"]), remainder="passthrough")
    y = frame["a"] + 2 * (frame["g"] == "q") - 3 * (frame["h"] == "yes")
    return make_pipeline(columns, LinearRegression()).fit(frame, y), frame


@pytest.mark.parametrize("drop", [None, "first", "if_binary", ["q", "yes"]])
def test_categories_of_a_linear_model_equal_differences(drop):
    model, frame = of_categories(OneHotEncoder(drop=drop))
    steps = [{"g": "p"}, {"g": "r", "h": "yes"}, {"h": Contrast("yes", "no"), "a": 0.5}]
    exact, plain = both(model, frame, steps, "linear", extrapolation=None)
    assert_equal_effects(exact, plain, 1.0)


@pytest.mark.parametrize("joins", [{"max_categories": 2}, {"min_frequency": 25}])
def test_categories_that_an_encoder_joins_are_left_to_the_model(joins):
    model, frame = of_categories(OneHotEncoder(**joins))
    options = {"extrapolation": None}
    with pytest.raises(ValueError, match="joins infrequent categories"):
        fme(model, frame, {"g": "q"}, engine="linear", **options)
    effect = fme(model, frame, {"g": "q"}, **options)
    rows = frame["g"] != "q"
    expected = model.predict(frame[rows].assign(g="q")) - model.predict(frame[rows])
    np.testing.assert_array_equal(effect.fme[rows], expected)


@pytest.mark.parametrize("engine", ["linear", "predict"])
@pytest.mark.filterwarnings("ignore:No row counts")
def test_an_effect_without_rows_that_count_stands_beside_others(engine):
    rng = np.random.default_rng(0)
    group = pd.Categorical(np.array(["p", "q"])[np.arange(20) % 2])
    frame = pd.DataFrame({"a": rng.normal(size=20), "g": group})
    encoder = make_column_transformer((OneHotEncoder(), ["g"]), remainder="passthrough")
    model = make_pipeline(encoder, LinearRegression()).fit(frame, frame["a"])
    steps = [{"a": 1.0}, {"g": "q"}]
    explainer = FMEExplainer(
        FrozenEstimator(model), steps, engine=engine, extrapolation=None
    ).fit(frame)
    moved, at_target = explainer.explain(frame[frame["g"] == "q"]).values()
    assert (moved.n, at_target.n) == (10, 0)
    np.testing.assert_allclose(moved.fme, 1.0)


class Odd(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def predict(self, X):
        return np.asarray(X)[:, 0] ** 2


@pytest.mark.parametrize("engine", ["trees", "linear"])
def test_an_engine_that_cannot_compute_the_effects_says_why(sample, engine):
    X, y = sample
    model = FrozenEstimator(Odd().fit(X, y))
    with pytest.raises(ValueError, match=f"engine='{engine}' cannot compute"):
        FMEExplainer(model, {0: 1.0}, engine=engine).fit(X).explain(X)


def test_auto_falls_back_to_predictions_where_no_engine_is_exact(sample):
    X, y = sample

    class Wrong(RandomForestRegressor):
        def predict(self, X):
            return super().predict(X) + np.asarray(X)[:, 0] ** 2

    model = Wrong(5, random_state=0).fit(X, y)
    assert fme(model, X, {0: 1.0}, nlm=True).engine == "predict"
    assert fme(LinearRegression().fit(X, y), X, {0: 1.0}).engine == "linear"


@pytest.mark.parametrize("link", ["identity", "logistic"])
def test_contrasts_share_the_walk_of_other_effects(link, monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 4))
    kind = {
        "identity": HistGradientBoostingRegressor,
        "logistic": HistGradientBoostingClassifier,
    }
    target = rows[:, 0] * rows[:, 1] + rows[:, 2]
    target = target if link == "identity" else target > 0
    model = kind[link](max_iter=20).fit(rows, target)
    steps = [{0: 0.5}, {1: Contrast(-1, 1)}, {2: -0.2}, {0: Contrast(0, 1), 3: 1}]
    walks = []
    walk = small_trees.walk_small
    monkeypatch.setattr(
        small_trees, "walk_small", lambda *a: (walks.append(a), walk(*a))[1]
    )
    explainer = FMEExplainer(
        FrozenEstimator(model), steps, engine="trees", extrapolation=None
    ).fit(rows)
    effects = list(explainer.explain(rows).values())
    assert len(walks) == 2  # of the sample that is checked, and of all rows
    predict = model.predict
    if link == "logistic":
        predict = lambda table: model.predict_proba(table)[:, 1]  # noqa: E731
    low, high = rows.copy(), rows.copy()
    low[:, 1], high[:, 1] = -1, 1
    np.testing.assert_allclose(effects[1].fme, predict(high) - predict(low), atol=1e-12)
    low, high = rows.copy(), rows + [0, 0, 0, 1]
    low[:, 0], high[:, 0] = 0, 1
    np.testing.assert_allclose(effects[3].fme, predict(high) - predict(low), atol=1e-12)


def test_contrasts_replace_values_that_the_model_refuses_as_missing():
    rows = np.random.default_rng(0).normal(size=(100, 3))
    model = GradientBoostingRegressor(n_estimators=5).fit(rows, rows[:, 0])
    lacking = rows.copy()
    lacking[:10, 1] = np.nan
    steps = [{1: Contrast(-1, 1)}, {1: Contrast(0, 1)}]
    explainer = FMEExplainer(
        FrozenEstimator(model), steps, engine="trees", extrapolation=None
    ).fit(rows)
    for effect in explainer.explain(lacking).values():
        assert (effect.engine, effect.n) == ("trees", 100)


@pytest.mark.parametrize("categories", [None, [3]])
def test_codes_of_many_cuts_may_be_coarse(categories, sample, monkeypatch):
    X, y = sample
    X = X.copy()
    X[:, 3] = np.arange(N) % 4
    model = HistGradientBoostingRegressor(max_iter=30, categorical_features=categories)
    model.fit(X, y)
    steps = [{0: 1.0}, {1: -0.3}, {2: 0.1}, {0: 1.0, 2: -0.5}, {3: SetTo(2)}]
    found = []
    for coarse in (0, 1):
        monkeypatch.setattr(packing, "_coarse", lambda most, bits=coarse: bits)
        explainer = FMEExplainer(
            FrozenEstimator(model), steps, engine="trees", nlm=True, extrapolation=None
        )
        found.append(explainer.fit(X).explain(X))
    for exact, coarse in zip(*(effects.values() for effects in found), strict=True):
        assert np.nanmax(np.abs(exact.fme)) > 0
        np.testing.assert_array_equal(exact.fme, coarse.fme)
        np.testing.assert_array_equal(exact.nlm, coarse.nlm)
