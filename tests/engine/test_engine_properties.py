"""What the tree engine promises for any ensemble it reads, any rows and any step.

Models and rows are random; a part of the values, before and after the steps, lies
exactly on thresholds, or one unit in the last place beside them, in single and in
double precision. The model's own predictions are the reference. SKFME_EXAMPLES is how
many models and sets of rows each claim is tried on; the full check takes many.
"""

import os

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from skfme import Contrast, FMEExplainer, Scale, SetTo, fme
from skfme._engine.trees import packing

N_TRAIN, N_ROWS, STEP = 80, 60, 0.5
N_EXAMPLES = int(os.environ.get("SKFME_EXAMPLES", "8"))
few = settings(max_examples=N_EXAMPLES)
more = settings(max_examples=3 * N_EXAMPLES)
seeds = st.integers(0, 2**32 - 1)

FORESTS = {
    "tree": (DecisionTreeRegressor, DecisionTreeClassifier),
    "forest": (RandomForestRegressor, RandomForestClassifier),
    "extra trees": (ExtraTreesRegressor, ExtraTreesClassifier),
}
BOOSTING = {
    "boosting": (GradientBoostingRegressor, GradientBoostingClassifier),
    "hist": (HistGradientBoostingRegressor, HistGradientBoostingClassifier),
}
LARGE = {"batch_size": "auto"}  # walked as large trees are
STEPS = [
    {0: STEP},
    {1: -STEP},
    {2: 1e-3},
    {0: STEP, 2: -STEP},
    {3: Scale(-2.0)},
    {1: SetTo(0.0), 3: STEP},
    {2: Contrast(-1.0, 1.0)},
]


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Models this small take longer to share among threads than to fit."""
    with threadpool_limits(1):
        yield


def training(rng, n_classes, missing, n_targets=1):
    """Rows with ties and, if asked for, missing values; classes, or numbers."""
    X = rng.normal(size=(N_TRAIN, 4))
    if rng.random() < 0.5:
        X = X.round(1)
    X *= 10.0 ** rng.integers(-2, 3)
    y = X @ rng.normal(size=(4, n_targets)) + np.abs(X[:, :1])
    y = y[:, 0] if n_targets == 1 else y
    if n_classes:
        y = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    return X, y


def rows(rng, X, thresholds, missing):
    """Rows like those of training; every other value is at a threshold, or steps to one.

    `thresholds` are those of all features.
    """
    X = X[rng.integers(len(X), size=N_ROWS)] + rng.normal(size=(N_ROWS, X.shape[1]))
    thresholds = thresholds[np.isfinite(thresholds)]
    edges = np.concatenate([thresholds, thresholds.astype(np.float32)])
    beside = [np.nextafter(edges, way) for way in (-np.inf, np.inf)]
    single = edges.astype(np.float32)
    beside += [np.nextafter(single, np.float32(way)) for way in (-np.inf, np.inf)]
    # Half way between two single-precision numbers, and just beyond.
    half = edges + np.spacing(single) / 2
    beside += [half, np.nextafter(half, np.inf), [-1e30, 1e30, 0.0, -0.0, 1e-40]]
    edges = np.concatenate([edges, *beside]).astype(float)
    edges = np.concatenate([edges, edges - STEP, edges + STEP])
    edges = edges[np.abs(edges) < 1e38]
    chosen = rng.random(X.shape) < 0.5
    X[chosen] = rng.choice(edges, size=chosen.sum())
    X[np.isnan(X)] = 0.0
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
    return X


def assert_engines_agree(model, X, steps, *, tolerance=1e-12, **options):
    """Effects of the trees equal differences of predictions, however they are run."""
    options = {"extrapolation": None, **options}
    frozen = FrozenEstimator(model)
    plain = FMEExplainer(frozen, steps, engine="predict", **options).fit(X).explain(X)
    method = getattr(model, "predict_proba", model.predict)
    scale = np.abs(method(X)).max()
    for how in ({}, LARGE, {"batch_size": 7}, {"n_jobs": 2, "batch_size": 25}):
        with pytest.MonkeyPatch.context() as patched:
            if how is LARGE:
                patched.setattr(packing, "small_layout", lambda *given: None)
            explainer = FMEExplainer(frozen, steps, engine="trees", **options, **how)
            exact = explainer.fit(X).explain(X)
        for name, expected in plain.items():
            assert exact[name].engine == "trees"
            np.testing.assert_array_equal(exact[name].status, expected.status)
            np.testing.assert_allclose(
                exact[name].fme, expected.fme, rtol=0, atol=tolerance * scale
            )


def tree_thresholds(model):
    trees = [tree.tree_ for tree in np.ravel(getattr(model, "estimators_", [model]))]
    return np.concatenate([*(t.threshold[t.feature >= 0] for t in trees), [0.0]])


@pytest.mark.parametrize("name", FORESTS)
@few
@given(
    seed=seeds, n_classes=st.sampled_from([0, 0, 2, 3]), missing=st.booleans(),
    depth=st.sampled_from([1, 3, None]), n_targets=st.sampled_from([1, 2]),
)  # fmt: skip
def test_effects_of_forests_are_the_models_differences(
    name, seed, n_classes, missing, depth, n_targets
):
    rng = np.random.default_rng(seed)
    X, y = training(rng, n_classes, missing, 1 if n_classes else n_targets)
    model = FORESTS[name][bool(n_classes)](max_depth=depth, random_state=seed)
    if name != "tree":
        model.set_params(n_estimators=int(rng.integers(1, 7)))
    model.fit(X, y)
    given_rows = rows(rng, X, tree_thresholds(model), missing)
    assert_engines_agree(model, given_rows, STEPS)


@few
@given(
    seed=seeds, n_classes=st.sampled_from([0, 2, 3]),
    loss=st.sampled_from(["default", "other"]), zero=st.booleans(),
)  # fmt: skip
def test_effects_of_gradient_boosting_are_the_models_differences(
    seed, n_classes, loss, zero
):
    rng = np.random.default_rng(seed)
    X, y = training(rng, n_classes, missing=False)
    options = {"init": "zero"} if zero else {}
    if loss == "other" and n_classes < 3:
        options["loss"] = "exponential" if n_classes else "huber"
    model = BOOSTING["boosting"][bool(n_classes)](
        n_estimators=5, random_state=seed, **options
    ).fit(X, y)
    assert_engines_agree(model, rows(rng, X, tree_thresholds(model), False), STEPS)


def hist_thresholds(model):
    nodes = np.concatenate([p.nodes for stage in model._predictors for p in stage])
    thresholds = np.append(nodes["num_threshold"][nodes["is_leaf"] == 0], 0.0)
    return thresholds[np.isfinite(thresholds)]


@few
@given(
    seed=seeds, n_classes=st.sampled_from([0, 2, 3]), missing=st.booleans(),
    loss=st.sampled_from(["squared_error", "poisson", "gamma"]),
)  # fmt: skip
def test_effects_of_hist_boosting_are_the_models_differences(
    seed, n_classes, missing, loss
):
    rng = np.random.default_rng(seed)
    X, y = training(rng, n_classes, missing)
    options = {}
    if not n_classes:
        options["loss"] = loss
        y = y if loss == "squared_error" else np.exp(np.nan_to_num(y) / 500)
        y = np.nan_to_num(y)
    y = np.nan_to_num(y)
    model = BOOSTING["hist"][bool(n_classes)](
        max_iter=5, min_samples_leaf=3, random_state=0, **options
    ).fit(X, y)
    assert_engines_agree(model, rows(rng, X, hist_thresholds(model), missing), STEPS)


LEVELS = np.array(["p", "q", "r", "s", "t"])


def frame_of(X, rng, n_levels):
    """The rows with a column of text categories, the first few of all levels."""
    frame = pd.DataFrame(X, columns=list("abcd"))
    codes = rng.integers(n_levels, size=len(X))
    frame["g"] = pd.Categorical(LEVELS[codes], categories=LEVELS)
    return frame


MIXED = [
    {"g": "q"},
    {"a": STEP, "g": "r"},
    {"g": Contrast("p", "q"), "b": -STEP},
    {"c": STEP},
]


@few
@given(seed=seeds, missing=st.booleans())
def test_effects_of_hist_boosting_on_categories_are_the_models_differences(
    seed, missing
):
    rng = np.random.default_rng(seed)
    X, y = training(rng, 0, missing)
    frame = frame_of(X, rng, 4)
    y = np.nan_to_num(y) + 5 * (frame["g"].cat.codes.to_numpy() % 2)
    model = HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=3, categorical_features="from_dtype"
    ).fit(frame, y)
    # The level "t" was declared, and never seen.
    table = frame_of(rows(rng, X, hist_thresholds(model), missing), rng, 5)
    if missing:
        table.loc[::9, "g"] = np.nan
    assert_engines_agree(model, table, [*MIXED, {"g": "t"}])


@few
@given(seed=seeds, missing=st.booleans())
def test_effects_of_hist_boosting_on_coded_numbers_are_the_models_differences(
    seed, missing
):
    rng = np.random.default_rng(seed)
    X, y = training(rng, 0, missing)
    X[:, 3] = rng.integers(4, size=N_TRAIN)
    y = np.nan_to_num(y) + 5 * (X[:, 3] == 2)
    model = HistGradientBoostingRegressor(
        max_iter=5, min_samples_leaf=3, categorical_features=[3]
    ).fit(X, y)
    given_rows = rows(rng, X, hist_thresholds(model), missing)
    given_rows[:, 3] = rng.integers(7, size=N_ROWS)  # 4, 5, 6 are unknown
    steps = [{3: 2}, {0: STEP, 3: 1}, {1: STEP}, {3: 6}]
    assert_engines_agree(model, given_rows, steps, categorical_features=[3])


@few
@given(seed=seeds, n_classes=st.sampled_from([0, 2, 3]), missing=st.booleans())
def test_effects_of_lightgbm_are_the_models_differences(seed, n_classes, missing):
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    rng = np.random.default_rng(seed)
    X, y = training(rng, n_classes, missing)
    kind = library.LGBMClassifier if n_classes else library.LGBMRegressor
    model = kind(n_estimators=4, min_child_samples=3, verbose=-1, n_jobs=1)
    model.fit(X, np.nan_to_num(y))
    dump = model.booster_.trees_to_dataframe()["threshold"]
    thresholds = pd.to_numeric(dump, errors="coerce").dropna().to_numpy()
    given_rows = rows(rng, X, np.append(thresholds, 0.0), missing)
    assert_engines_agree(model, given_rows, STEPS)


@few
@given(seed=seeds, missing=st.booleans())
def test_effects_of_lightgbm_on_categories_are_the_models_differences(seed, missing):
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    rng = np.random.default_rng(seed)
    X, y = training(rng, 0, missing)
    frame = frame_of(X, rng, 4)
    y = np.nan_to_num(y) + 5 * (frame["g"].cat.codes.to_numpy() % 2)
    model = library.LGBMRegressor(
        n_estimators=4, min_child_samples=3, verbose=-1, n_jobs=1
    ).fit(frame, y)
    table = frame_of(rows(rng, X, np.zeros(1), missing), rng, 5)
    assert_engines_agree(model, table, [*MIXED, {"g": "t"}])


@few
@given(seed=seeds, n_classes=st.sampled_from([0, 2, 3]), missing=st.booleans())
def test_effects_of_xgboost_are_the_models_differences(seed, n_classes, missing):
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    rng = np.random.default_rng(seed)
    X, y = training(rng, n_classes, missing)
    kind = library.XGBClassifier if n_classes else library.XGBRegressor
    model = kind(n_estimators=4, max_depth=4, n_jobs=1).fit(X, np.nan_to_num(y))
    dump = model.get_booster().trees_to_dataframe()["Split"].dropna().to_numpy()
    given_rows = rows(rng, X, np.append(dump, 0.0), missing)
    assert_engines_agree(model, given_rows, STEPS, tolerance=1e-5)


@few
@given(seed=seeds)
def test_xgboost_is_read_where_it_keeps_categories_and_else_refused(seed):
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    rng = np.random.default_rng(seed)
    X, y = training(rng, 0, missing=False)
    frame = frame_of(X, rng, 5)
    y = y + 5 * (frame["g"].cat.codes.to_numpy() % 2)
    model = library.XGBRegressor(
        n_estimators=4, max_depth=4, n_jobs=1, enable_categorical=True
    ).fit(frame, y)
    table = frame_of(rows(rng, X, np.zeros(1), False), rng, 5)
    keeps = tuple(map(int, library.__version__.split(".")[:2])) >= (3, 1)
    if keeps:
        assert_engines_agree(model, table, MIXED, tolerance=1e-5)
        return
    options = {"extrapolation": None, "engine": "trees"}
    with pytest.raises(ValueError, match="this version of XGBoost does not keep"):
        fme(model, table, MIXED[0], **options)
    options["engine"] = "auto"
    assert fme(model, table, MIXED[0], **options).engine == "predict"


def forest_places(model, j):
    """Where float32(x) passes the thresholds of a feature."""
    trees = [member.tree_ for member in np.ravel(model.estimators_)]
    cuts = np.concatenate([t.threshold[t.feature == j] for t in trees])
    above = cuts.astype(np.float32)
    above[above <= cuts] = np.nextafter(above[above <= cuts], np.float32(np.inf))
    return (np.nextafter(above, np.float32(-np.inf)).astype(float) + above) / 2


def hist_places(model, j):
    nodes = np.concatenate([p.nodes for stage in model._predictors for p in stage])
    splits = (nodes["feature_idx"] == j) & (nodes["is_leaf"] == 0)
    return nodes["num_threshold"][splits]


def brute_force_nlm(respond, places, x, h):
    """NLM of one row: the model is asked between all thresholds that the path crosses."""
    crossed = [(places[j] - x[j]) / step for j, step in h.items()]
    t = np.concatenate([[0.0, 1.0], *crossed])
    t = np.unique(t[(t >= 0) & (t <= 1)])
    path = np.repeat(x[None], len(t) - 1, axis=0)
    ends = np.stack([x, x])
    for j, step in h.items():
        path[:, j] += (t[1:] + t[:-1]) / 2 * step
        ends[1, j] += step
    f, (start, stop) = respond(path), respond(ends)
    a = f - start - t[:-1, None] * (stop - start)
    b = f - start - t[1:, None] * (stop - start)
    length = np.diff(t)[:, None]
    off = (length * (a * a + a * b + b * b) / 3).sum(axis=0)
    total = (length * (f - (length * f).sum(axis=0)) ** 2).sum(axis=0)
    return np.where(total < 1e-24, np.nan, 1 - off / np.where(total > 0, total, 1))


def nlm_model(kind, rng, X):
    """A fitted model, its response with a column for each output, and its places."""
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]
    n, options = int(rng.integers(1, 12)), {"random_state": 0}
    if kind == "forest":
        model = RandomForestRegressor(n, **options).fit(
            X, np.column_stack([y, X[:, 3]])
        )
        return model, model.predict, forest_places
    if kind == "boosting":
        model = GradientBoostingRegressor(n_estimators=n, **options).fit(X, y)
        return model, lambda Z: model.predict(Z)[:, None], forest_places
    options |= {"max_iter": n, "min_samples_leaf": 3}
    if kind == "exponential":
        model = HistGradientBoostingRegressor(loss="poisson", **options)
        model.fit(X, np.exp(y))
        return model, lambda Z: model.predict(Z)[:, None], hist_places
    classes = np.digitize(y, [0.0] if kind == "logistic" else [-0.5, 0.5])
    model = HistGradientBoostingClassifier(**options).fit(X, classes)
    first = 1 if kind == "logistic" else 0
    return model, lambda Z: model.predict_proba(Z)[:, first:], hist_places


KINDS = ("forest", "boosting", "logistic", "softmax", "exponential")


@more
@given(
    seed=seeds, kind=st.sampled_from(KINDS),
    h=st.sampled_from([{0: 1.0}, {1: -0.1}, {0: 5.0, 2: -2.0, 3: 0.7}]),
)  # fmt: skip
def test_exact_nonlinearity_is_that_of_all_pieces(seed, kind, h):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N_TRAIN, 4))
    model, respond, places_of = nlm_model(kind, rng, X)
    given_rows = rng.normal(size=(12, 4))
    explainer = FMEExplainer(
        FrozenEstimator(model), h, engine="trees", nlm=True, extrapolation=None
    ).fit(given_rows)
    (effect,) = explainer.explain(given_rows).values()
    places = {j: places_of(model, j) for j in h}
    expected = np.stack([brute_force_nlm(respond, places, x, h) for x in given_rows])
    exact = effect.nlm.reshape(expected.shape)
    np.testing.assert_allclose(exact, expected, rtol=1e-6, atol=1e-9)
    pieces = explainer.set_params(batch_size=5, n_jobs=2).fit(given_rows)
    (again,) = pieces.explain(given_rows).values()
    np.testing.assert_allclose(again.nlm, effect.nlm, rtol=1e-12)
    np.testing.assert_array_equal(again.fme, effect.fme)


@pytest.mark.parametrize("share", [1e-6, 1e-5, 1 - 1e-5, 0.3])
def test_a_jump_next_to_an_end_is_seen_where_a_fine_rule_sees_none(share):
    # One jump, at the share s of the step: ∫(f−m)² = s(1−s), ∫(f−g)² = (s³+(1−s)³)/3.
    model = DecisionTreeRegressor().fit([[0.0], [1.0]], [0.0, 1.0])
    # It is where single precision rounds x to a number above 1/2.
    jump = 0.5 + float(np.spacing(np.float32(0.5))) / 2
    row = np.array([[jump - share]])
    frozen = FrozenEstimator(model)
    exact = FMEExplainer(frozen, {0: 1.0}, nlm=True, extrapolation=None, engine="trees")
    (effect,) = exact.fit(row).explain(row).values()
    off, total = (share**3 + (1 - share) ** 3) / 3, share * (1 - share)
    np.testing.assert_allclose(effect.nlm, 1 - off / total, rtol=1e-6)
    # A midpoint rule of 5,000 nodes sees a constant path, unless a node lies before.
    middle = model.predict(row + (np.arange(5000)[:, None] + 0.5) / 5000)
    assert (np.ptp(middle) == 0) == (min(share, 1 - share) < 1e-4)


def test_a_jump_that_rounding_sets_apart_from_an_end_is_at_that_end():
    # The step ends at 0.35, the threshold, but for the last digits of either. A piece of
    # 1e-7 of the path would make the NLM −2,000,000, where no rule sees a jump.
    model = DecisionTreeRegressor().fit([[0.3], [0.4]], [0.0, 1.0])
    row = np.array([[0.4]])
    exact = FMEExplainer(
        FrozenEstimator(model), {0: -0.05}, nlm=True, extrapolation=None, engine="trees"
    )
    (effect,) = exact.fit(row).explain(row).values()
    expected = model.predict(row - 0.05) - model.predict(row)
    np.testing.assert_array_equal(effect.fme, expected)
    assert np.isnan(effect.nlm[0]) or effect.nlm[0] > -3
