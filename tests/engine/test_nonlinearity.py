"""NLM of effects, paths and step profiles on real models and tables."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import (
    Contrast,
    FMEExplainer,
    GaussLegendre,
    Quantile,
    Scale,
    SetTo,
    Simpson38,
    ame,
    fme,
)
from skfme._engine.trees import walks

ANYWHERE = {"extrapolation": None}


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return X.assign(sex=X["sex"].map({1: "s1", 2: "s2"}).astype("category")), y


def by_sex(X):
    """Linear in bmi for s1, and quadratic for s2."""
    s2 = np.array([value == "s2" for value in list(X["sex"])])
    bmi = np.asarray(X["bmi"], dtype=float)
    return np.where(s2, (bmi - 30) ** 2, 3 * bmi)


def test_a_mixed_step_is_measured_at_the_new_category(diabetes):
    X, _ = diabetes
    effect = fme(by_sex, X, {"bmi": 2, "sex": "s1"}, nlm=True, **ANYWHERE)
    np.testing.assert_allclose(effect.nlm[effect.counted], 1, rtol=1e-9)
    curved = fme(by_sex, X, {"bmi": 2, "sex": "s2"}, nlm=True, **ANYWHERE)
    a = (X["bmi"] - 30) / 2
    exact = 1 - (1 / 30) / (4 / 45 + a / 3 + a**2 / 3)
    kept = curved.counted
    np.testing.assert_allclose(curved.nlm[kept], exact[kept], rtol=1e-8)


def test_a_categorical_step_has_no_nlm(diabetes):
    X, _ = diabetes
    effect = fme(by_sex, X, {"sex": "s2"}, nlm=True)
    assert np.isnan(effect.nlm).all()
    assert np.isnan(effect.anlm)
    assert effect.nonlinearity[0].n_undefined == effect.n
    assert "undefined" in str(effect)


@pytest.mark.parametrize("nlm", [True, "simpson38", "gauss-legendre", "adaptive"])
@pytest.mark.parametrize("engine", ["predict", "trees"])
def test_there_is_no_way_from_a_missing_value_to_a_number(engine, nlm):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 2))
    model = HistGradientBoostingRegressor(max_iter=5, min_samples_leaf=5)
    X[::4, 0] = np.nan
    model.fit(X, np.sin(2 * X[:, 1]) + np.nan_to_num(X[:, 0]))
    X[4:20, 0] = np.nan
    step = {0: SetTo(0.5, count_missing=True), 1: 0.25}
    options = {"nlm": nlm, "engine": engine, "background": X, **ANYWHERE}
    whole, gaps = fme(model, X, step, **options), np.isnan(X[:, 0])
    there = fme(model, X[~gaps], step, **options)
    assert whole.n == 120
    assert np.isnan(whole.nlm[gaps]).all()
    np.testing.assert_array_equal(whole.nlm[~gaps], there.nlm)
    assert np.isfinite(there.nlm).any()
    moved = np.column_stack([np.full(120, 0.5), X[:, 1] + 0.25])
    change = model.predict(moved) - model.predict(X)
    np.testing.assert_allclose(whole.fme, change, rtol=1e-9, atol=1e-12)


def test_a_constant_path_is_undefined_and_counted():
    X = np.arange(6.0).reshape(-1, 1)
    effect = fme(lambda X: np.maximum(X[:, 0], 3.5), X, {0: 1}, nlm=True, **ANYWHERE)
    assert list(np.isnan(effect.nlm)) == [True, True, True, False, False, False]
    assert effect.nonlinearity[0].n_undefined == 3
    assert effect.anlm == pytest.approx(np.mean(effect.nlm[3:]))
    np.testing.assert_allclose(effect.nlm[4:], 1)


def test_a_path_that_returns_to_its_start_has_an_nlm():
    X = np.array([[-1.0]])
    effect = fme(lambda X: X[:, 0] ** 2, X, {0: 2}, nlm=True, **ANYWHERE)
    assert effect.fme[0] == 0
    assert effect.nlm[0] == pytest.approx(-5)


def test_a_line_of_small_slope_on_a_large_level_is_a_line():
    X = np.arange(5.0).reshape(-1, 1)
    effect = fme(lambda X: 1000 + 1e-6 * X[:, 0], X, {0: 1}, nlm=True, **ANYWHERE)
    np.testing.assert_allclose(effect.nlm, 1, atol=1e-6)


def test_single_precision_noise_is_no_path():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(50, 2))

    def model(X):
        noise = 1e-7 * np.sin(1e9 * X[:, 0])
        return (100 * (1 + noise)).astype(np.float32)

    assert np.isnan(fme(model, X, {0: 1}, nlm=True, **ANYWHERE).nlm).all()


@pytest.mark.parametrize(
    "step", [Scale(1.3), SetTo(40), Quantile(0.9), Contrast(20, 40), lambda c: c + 5]
)
def test_every_numeric_step_has_a_straight_path(diabetes, step):
    X, _ = diabetes
    line = fme(lambda X: np.asarray(X["bmi"]), X, {"bmi": step}, nlm=True, **ANYWHERE)
    defined = ~np.isnan(line.nlm)
    assert defined.mean() > 0.9
    np.testing.assert_allclose(line.nlm[defined], 1, atol=1e-8)


def test_a_contrast_is_measured_between_its_two_values():
    X = np.array([[7.0], [8.0]])
    step = {0: Contrast(0, 1)}
    effect = fme(lambda X: X[:, 0] ** 2, X, step, nlm=True, **ANYWHERE)
    np.testing.assert_allclose(effect.nlm, 0.625)


def test_integer_columns_pass_through_fractions():
    X = pd.DataFrame({"n": [0, 1, 2, 3]})
    effect = fme(lambda X: np.asarray(X["n"]) ** 2.0, X, {"n": 2}, nlm=True, **ANYWHERE)
    a = np.array([0, 1, 2, 3]) / 2
    exact = 1 - (1 / 30) / (4 / 45 + a / 3 + a**2 / 3)
    np.testing.assert_allclose(effect.nlm, exact, rtol=1e-10)


def test_tables_of_every_kind_agree(diabetes):
    X, _ = diabetes
    expected = fme(by_sex, X, {"bmi": 2, "sex": "s2"}, nlm="simpson38")
    moved = X.set_axis(np.arange(len(X)) + 7)
    for table in (moved, pl.from_pandas(X), pa.Table.from_pandas(X)):

        def model(T):
            frame = T if isinstance(T, pd.DataFrame | pl.DataFrame) else T.to_pandas()
            return by_sex(frame)

        effect = fme(model, table, {"bmi": 2, "sex": "s2"}, nlm="simpson38")
        np.testing.assert_array_equal(effect.nlm, expected.nlm)


def test_batches_and_jobs_change_no_nlm(diabetes):
    X, _ = diabetes
    plain = fme(by_sex, X, {"bmi": 2}, nlm="adaptive")
    cut = fme(by_sex, X, {"bmi": 2}, nlm="adaptive", batch_size=17, n_jobs=2)
    np.testing.assert_array_equal(cut.nlm, plain.nlm)


def test_each_class_has_its_own_nlm():
    X, y = load_iris(return_X_y=True, as_frame=True)
    model = LogisticRegression(max_iter=1000).fit(X, y)
    effect = fme(model, X, {"petal width (cm)": 0.5}, nlm=True)
    assert effect.nlm.shape == (150, 3)
    assert effect.anlm.shape == (3,)
    assert list(effect.to_frame().columns[3:6]) == ["nlm[0]", "nlm[1]", "nlm[2]"]
    frame = ame(model, X, nlm=True).to_frame()
    assert {"anlm", "nlm_median", "nlm_share_linear"} <= set(frame.columns)


def test_weights_average_the_nlms():
    X = np.array([[-1.0], [3.0]])
    effect = fme(
        lambda X: X[:, 0] ** 2, X, {0: 2}, nlm=True, sample_weight=[3, 1], **ANYWHERE
    )
    assert effect.anlm == pytest.approx((3 * effect.nlm[0] + effect.nlm[1]) / 4)
    assert effect.nonlinearity[0].share_linear == pytest.approx(1 / 4)
    groups = effect.average(by=["a", "b"])
    assert list(groups["anlm"]) == pytest.approx(list(effect.nlm))


def test_an_nlm_that_was_not_measured_is_an_error_that_names_nlm():
    X = np.arange(4.0).reshape(-1, 1)
    with pytest.raises(AttributeError, match="nlm=True"):
        fme(lambda X: X[:, 0], X, {0: 1}).nlm  # noqa: B018


def test_start_and_end_are_not_predicted_again():
    sizes = []

    def model(X):
        sizes.append(len(X))
        return X[:, 0] ** 2

    X = np.arange(100.0).reshape(-1, 1)
    explainer = FMEExplainer(
        LinearRegression(),
        {0: 1},
        response_method=lambda estimator, X: model(X),
        nlm=Simpson38(2),
        **ANYWHERE,
    ).fit(X, X[:, 0])
    sizes.clear()
    explainer.explain(X)
    assert sum(sizes) == 100 * (2 + 5)


def test_path_runs_from_the_prediction_to_the_stepped_one(diabetes):
    X, y = diabetes
    X = X.drop(columns="sex")
    forest = RandomForestRegressor(20, random_state=0).fit(X, y)
    explainer = FMEExplainer(forest, [{"bmi": -2, "bp": 5}]).fit(X, y)
    few = X.iloc[3:8]
    path = explainer.path(few, "bmi -2, bp +5", n_points=5)
    moved = few.assign(bmi=few["bmi"] - 2, bp=few["bp"] + 5)
    assert path.predictions.shape == (5, 5)
    np.testing.assert_array_equal(path.predictions[:, 0], explainer.predict(few))
    np.testing.assert_array_equal(path.predictions[:, -1], explainer.predict(moved))
    half = few.assign(bmi=few["bmi"] - 1, bp=few["bp"] + 2.5)
    np.testing.assert_array_equal(path.predictions[:, 2], explainer.predict(half))
    np.testing.assert_allclose(path.points["bmi"][:, 2], half["bmi"])
    frame = path.to_frame()
    assert list(frame.columns) == ["row", "t", "bmi", "bp", "prediction", "secant"]
    assert list(frame["row"].unique()) == list(few.index)
    assert frame["secant"][2] == pytest.approx(path.predictions[0, [0, -1]].mean())


def test_path_of_an_unknown_effect_names_the_nearest(diabetes):
    X, y = diabetes
    X = X.drop(columns="sex")
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
    with pytest.raises(ValueError, match=r"'bmi -3'.*mean 'bmi -2'"):
        explainer.path(X, "bmi -3")


def test_a_path_of_one_point_is_refused(diabetes):
    X, y = diabetes
    X = X.drop(columns="sex")
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
    with pytest.raises(ValueError, match="n_points must be at least 2"):
        explainer.path(X, "bmi -2", n_points=1)


@pytest.fixture(scope="module")
def curved():
    X = np.linspace(0, 10, 201).reshape(-1, 1)
    X = np.hstack([X, X % 3])
    model = FMEExplainer(
        LinearRegression(), {0: 1}, response_method=lambda e, X: X[:, 0] ** 2
    )
    return model.fit(X, X[:, 0]), X


def test_step_profile_shows_effects_and_extrapolation_over_sizes(curved):
    explainer, X = curved
    profile = explainer.step_profile(X, 0, sizes=[1, -1, 5])
    frame = profile.to_frame().set_index("size")
    assert list(frame.index) == [-1, 1, 5]
    assert frame.loc[5, "share_extrapolation"] == pytest.approx(100 / 201)
    assert frame.loc[1, "n"] == 181
    assert frame.loc[1, "ame"] == pytest.approx(np.mean(2 * X[:181, 0] + 1))
    direct = FMEExplainer(
        LinearRegression(), {0: 5}, response_method=lambda e, X: X[:, 0] ** 2, nlm=True
    )
    effect = direct.fit(X, X[:, 0]).explain(X)["x0 +5"]
    assert frame.loc[5, "anlm"] == pytest.approx(effect.anlm)
    assert frame.loc[5, "sd"] == pytest.approx(effect.sd)


def test_largest_step_stays_on_the_data_and_reads_as_linear(curved):
    explainer, X = curved
    profile = explainer.step_profile(X, 0, sizes=[0.1, 0.2, 0.5, 1, 5])
    largest = profile.largest_step(extrapolation=0.05, anlm=0.9)
    table = profile.to_frame()
    fits = table[(table["share_extrapolation"] <= 0.05) & (table["anlm"] >= 0.9)]
    assert largest.size == fits["size"].max() == 0.5
    assert "The largest step of x0" in largest.sentence
    assert "+0.5" in str(largest)
    assert str(largest) in str(profile).replace("\n", " ")
    assert max(map(len, str(profile).splitlines())) <= 80


def test_no_fitting_step_is_said_in_words(curved):
    explainer, X = curved
    none = explainer.step_profile(X, 0, sizes=[9, -9]).largest_step()
    assert none.size is None
    assert none.sentence.startswith("No step of x0")


def test_default_sizes_are_readable_and_of_both_signs(diabetes):
    X, y = diabetes
    X = X.drop(columns="sex").astype({"age": int})
    explainer = FMEExplainer(LinearRegression(), {"bmi": 1}).fit(X, y)
    sizes = np.array(explainer.step_profile(X, "bmi").sizes)
    np.testing.assert_array_equal(sizes, -sizes[::-1])
    lead = np.unique([float(f"{s:.0e}"[0]) for s in sizes[sizes > 0]])
    assert set(lead) <= {1, 2, 5}
    assert sizes.max() >= X["bmi"].std()
    ages = np.array(explainer.step_profile(X, "age").sizes)
    np.testing.assert_array_equal(ages, np.round(ages))


def test_a_trees_plateau_shows_as_a_share_of_zero_effects():
    X = np.linspace(0, 1, 101).reshape(-1, 1)
    explainer = FMEExplainer(
        LinearRegression(), {0: 0.1}, response_method=lambda e, X: (X[:, 0] > 0.5) * 1.0
    ).fit(X, X[:, 0])
    table = explainer.step_profile(X, 0, sizes=[0.1]).to_frame()
    assert table["n"][0] == 91
    assert table["share_zero"][0] == pytest.approx(81 / 91)


@pytest.mark.parametrize(
    ("feature", "sizes", "message"),
    [
        ("sex", None, "'sex' is categorical"),
        ("bm", None, "'bm'.*mean 'bmi'"),
        ("bmi", [], "sizes must be finite and not 0"),
        ("bmi", [0.0], "sizes must be finite and not 0"),
        ("bmi", [np.nan], "sizes must be finite and not 0"),
    ],
    ids=["categorical", "unknown", "no size", "zero", "NaN"],
)
def test_a_profile_needs_a_numeric_feature_and_sizes(diabetes, feature, sizes, message):
    X, _ = diabetes
    frozen = FrozenEstimator(DummyRegressor().fit(X, X["bmi"]))
    explainer = FMEExplainer(frozen, {"bmi": 1}).fit(X)
    with pytest.raises(ValueError, match=message):
        explainer.step_profile(X, feature, sizes=sizes)


def test_gauss_agrees_with_many_simpson_intervals_on_a_real_model(diabetes):
    X, y = diabetes
    X = X.drop(columns="sex")
    network = make_pipeline(
        StandardScaler(),
        MLPRegressor(
            hidden_layer_sizes=(10,), activation="tanh", max_iter=300, random_state=0
        ),
    ).fit(X, y)
    fine = fme(network, X, {"bmi": 5}, nlm=Simpson38(40))
    gauss = fme(network, X, {"bmi": 5}, nlm=GaussLegendre(12))
    np.testing.assert_allclose(gauss.nlm, fine.nlm, atol=1e-5)


RULES = {
    "trees, exactly": (RandomForestRegressor(3), True, "integrated exactly", False),
    "trees by nodes": (RandomForestRegressor(3), "simpson38", "Simpson38", True),
    "trees, adaptively": (RandomForestRegressor(3), "adaptive", "Adaptive", False),
    "a line": (LinearRegression(), True, "GaussLegendre(n_nodes=8)", False),
}


@pytest.mark.parametrize(("model", "nlm", "name", "warns"), RULES.values(), ids=RULES)
def test_a_summary_names_the_rule_and_warns_of_trees_under_a_fixed_one(
    model, nlm, name, warns
):
    pytest.importorskip("numba", reason="the extra fast integrates exactly")
    X = np.random.default_rng(0).normal(size=(80, 2))
    explainer = FMEExplainer(model, {0: 0.5}, nlm=nlm).fit(X, X[:, 0] ** 2)
    for effects in (explainer.explain(X), explainer.explain_batches([X[:40], X[40:]])):
        text = " ".join(str(effects).split())
        assert name in text
        assert ("see" in text and "only where its nodes fall" in text) == warns


@pytest.mark.parametrize("kind", [RandomForestRegressor, GradientBoostingClassifier])
def test_paths_that_jump_more_often_than_is_logged_are_walked_in_smaller_blocks(
    kind, monkeypatch
):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X[:, 0] * X[:, 1] + np.sin(3 * X[:, 2])
    target = y if kind is RandomForestRegressor else y > 0
    model = kind(n_estimators=30, random_state=0).fit(X, target)
    options = {"nlm": True, "engine": "trees", "extrapolation": None}
    usual = fme(model, X, {0: 1.0, 2: -1.5}, **options)
    monkeypatch.setattr(walks, "_LOGGED", 8)
    cramped = fme(model, X, {0: 1.0, 2: -1.5}, **options)
    assert cramped.n_not_converged == usual.n_not_converged == 0
    np.testing.assert_array_equal(cramped.nlm, usual.nlm)
    np.testing.assert_array_equal(cramped.fme, usual.fme)


def test_a_step_of_a_column_that_no_tree_looks_at_disturbs_no_other():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(3000, 3))
    X[:, 0] = 1.0
    model = RandomForestRegressor(5, random_state=0).fit(X, X[:, 1] * X[:, 2])
    assert min(tree.get_n_leaves() for tree in model.estimators_) > 256

    def nlm(steps):
        options = {"extrapolation": None, "nlm": True, "engine": "trees"}
        effects = FMEExplainer(FrozenEstimator(model), steps, **options).fit(X)
        return [effect.nlm for effect in effects.explain(X[:200]).values()]

    nothing, *others = nlm([{0: 5.0}, {1: 0.7}, {2: -0.4}])
    assert np.isnan(nothing).all()
    for ours, alone in zip(others, ({1: 0.7}, {2: -0.4}), strict=True):
        np.testing.assert_array_equal(ours, nlm([alone])[0])


@pytest.mark.parametrize("size", [1e-310, 1.2e308])
def test_ways_whose_shares_are_no_numbers_are_measured_by_prediction(size):
    # One over the first is infinite; the second is beyond the largest number.
    x = np.linspace(-1, 1, 400)
    X = pd.DataFrame({"x": x * size})
    model = HistGradientBoostingRegressor(max_iter=5).fit(X, np.sin(3 * x))
    step = {"x": Contrast(-0.9 * size, 0.8 * size)}
    effect = fme(model, X[:1], step, extrapolation=None, nlm=True, background=X)
    if size > 1:
        assert np.isnan(effect.nlm[0])
        return
    t = (np.arange(20_000) + 0.5) / 20_000
    way = model.predict(pd.DataFrame({"x": (-0.9 + 1.7 * t) * size}))
    line = way[0] + t * (way[-1] - way[0])
    by_hand = 1 - ((way - line) ** 2).mean() / way.var()
    assert effect.nlm[0] == pytest.approx(by_hand, abs=0.1)
