"""Parts along the path, in an order, and by sampled orders."""

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import Add, SetTo, attribute, fme
from tests.attribution import brute_force

RNG = np.random.default_rng(5)


def split(model, X, step, **options):
    options = {"extrapolation": None, **options}
    return attribute(model, X, step, **options)


def parts_of(attribution, row=0):
    return [part.fme_2d[row, 0] for part in attribution.values()]


def black_scholes(X):
    spot, sd, time = X.T
    strike, rate = 100.0, 0.03
    d = (np.log(spot / strike) + (rate + sd**2 / 2) * time) / (sd * np.sqrt(time))
    discounted = strike * np.exp(-rate * time)
    return spot * norm.cdf(d) - discounted * norm.cdf(d - sd * np.sqrt(time))


CALL = np.array([[100.0, 0.20, 1.0]]), {0: 5.0, 1: 0.05, 2: -0.1}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("shapley", [3.19149168, 1.86018740, -0.60231519]),
        ("path", [3.18227488, 1.87174251, -0.60465349]),
    ],
)
def test_parts_of_a_call_price_equal_published_formulas(method, expected):
    X, step = CALL
    found = split(black_scholes, X, step, method=method, check_rows=False)
    np.testing.assert_allclose(parts_of(found), expected, atol=2e-8)
    np.testing.assert_allclose(found.total.fme, 4.4493638982, atol=1e-9)


def test_interactions_of_a_call_price():
    X, step = CALL
    found = split(black_scholes, X, step, interactions=True, check_rows=False)
    expected = [-0.0557055, -0.0127078, -0.0947582]
    np.testing.assert_allclose(found.interactions["mean"], expected, atol=1e-7)


# Training rows of three values, so that no feature is a dummy.
HALVES = np.repeat([[0.0, 0.0], [0.5, 0.5], [1.0, 1.0]], 5, axis=0)


@pytest.mark.parametrize(
    ("cuts", "method", "expected"),
    [
        ((0.3, 0.6), "shapley", [3, 2]),
        ((0.3, 0.6), "path", [2, 3]),
        ((0.6, 0.3), "path", [4, 1]),
        ((0.5, 0.5), "path", [3, 2]),
    ],
)
def test_hand_numbers_of_one_tree(cuts, method, expected):
    corners = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    rows = np.repeat(corners, [5, 6, 7, 8], axis=0)
    values = 2 * rows[:, 0] + rows[:, 1] + 2 * rows[:, 0] * rows[:, 1]
    tree = DecisionTreeRegressor(random_state=0).fit(rows, values)
    for node in range(tree.tree_.node_count):
        if tree.tree_.feature[node] >= 0:
            tree.tree_.threshold[node] = cuts[tree.tree_.feature[node]]
    interactions = method == "shapley"
    found = split(
        tree,
        np.zeros((1, 2)),
        {0: 1.0, 1: 1.0},
        method=method,
        interactions=interactions,
        background=HALVES,
        engine="trees",
    )
    np.testing.assert_allclose(parts_of(found), expected, atol=1e-12)
    if interactions:
        np.testing.assert_allclose(found.interactions["mean"], 2, atol=1e-12)


def test_parts_of_x_squared_y():
    def model(X):
        return X[:, 0] ** 2 * X[:, 1]

    X = np.array([[0.0, 0.0], [1.0, 2.0]])
    shapley = split(model, X, {0: 2.0, 1: 3.0}, check_rows=False)
    path = split(model, X, {0: 2.0, 1: 3.0}, method="path", check_rows=False)
    np.testing.assert_allclose(
        [parts_of(shapley, r) for r in (0, 1)], [[6, 6], [28, 15]]
    )
    np.testing.assert_allclose([parts_of(path, r) for r in (0, 1)], [[8, 4], [30, 13]])


GRID = np.round(RNG.normal(size=(150, 4)), 1)
TARGET = (
    GRID[:, 0] * GRID[:, 1] + GRID[:, 2] * GRID[:, 3] + np.sin(3 * GRID).sum(axis=1)
)
# Rising and falling steps of one size: many thresholds are passed at one time.
TIED = {0: 0.8, 1: -0.8, 2: 0.8, 3: 0.4}
TREES = {
    "forest": RandomForestRegressor(8, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=15, random_state=0),
    "hist": HistGradientBoostingRegressor(max_iter=15, min_samples_leaf=5),
}


def cuts_of(model, X, step):
    """All values at which any prediction can jump: between neighbours of a fine grid."""
    found = {}
    for tree in np.ravel(getattr(model, "estimators_", [])):
        inner = tree.tree_.feature >= 0
        for j, c in zip(
            tree.tree_.feature[inner], tree.tree_.threshold[inner], strict=True
        ):
            found.setdefault(j, []).append(c)
    for stage in getattr(model, "_predictors", []):
        for predictor in stage:
            for node in predictor.nodes:
                if not node["is_leaf"]:
                    found.setdefault(node["feature_idx"], []).append(
                        node["num_threshold"]
                    )
    # Cuts that single precision hardly tells apart are one, as far as points go.
    ordered = {int(j): np.sort(c) for j, c in found.items() if j in step}
    return {j: c[np.append(np.diff(c) > 1e-6, True)] for j, c in ordered.items()}


@pytest.mark.parametrize("name", TREES)
def test_path_parts_of_trees_equal_a_walk_over_sorted_breakpoints(name):
    model = TREES[name].fit(GRID, TARGET)
    step = {0: 0.83, 1: -0.57, 2: 0.71, 3: 0.29}  # no ties
    found = split(model, GRID, step, method="path", engine="trees")
    cuts = cuts_of(model, GRID, step)
    for row in range(0, 150, 3):
        z = GRID[row] + np.array(list(step.values()))
        expected = brute_force.along_path(model.predict, GRID[row], z, cuts)
        np.testing.assert_allclose(parts_of(found, row), expected, atol=1e-6)


def test_path_parts_of_trees_equal_smeared_thresholds_at_ties():
    # Each threshold as a steep slope of one shape: what any of them tends to.
    rows = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(4, axis=0)
    values = 2 * rows[:, 0] + rows[:, 1] + 2 * rows[:, 0] * rows[:, 1]
    tree = DecisionTreeRegressor(random_state=0).fit(rows, values)
    X = np.array([[0.0, 1.0]])
    found = split(
        tree, X, {0: 1.0, 1: -1.0}, method="path", background=HALVES, engine="trees"
    )

    def smeared(X):
        p, q = 1 / (1 + np.exp(-(X - 0.5) / 0.004)).T
        return 2 * p + q + 2 * p * q

    near = split(smeared, X, {0: 1.0, 1: -1.0}, method="path", background=HALVES)
    np.testing.assert_allclose(parts_of(found), [3, -2], atol=1e-12)
    np.testing.assert_allclose(parts_of(near), [3, -2], atol=1e-3)


@pytest.mark.parametrize("name", TREES)
def test_path_parts_add_up_where_many_thresholds_are_passed_at_once(name):
    model = TREES[name].fit(GRID, TARGET)
    found = split(model, GRID, TIED, method="path", engine="trees")
    Z = GRID + np.array([0.8, -0.8, 0.8, 0.4])
    total = sum(part.fme for part in found.values())
    np.testing.assert_allclose(
        total, model.predict(Z) - model.predict(GRID), atol=1e-10
    )


def test_path_parts_of_probabilities_equal_a_walk_over_sorted_breakpoints():
    for classes in (TARGET > 0, np.digitize(TARGET, [-0.5, 0.8])):
        model = HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=5)
        model.fit(GRID, classes)
        step = {0: 0.83, 1: -0.57, 2: 0.71}
        found = split(model, GRID, step, method="path", engine="trees")
        cuts = cuts_of(model, GRID, step)
        for row in range(0, 150, 10):
            z = GRID[row].copy()
            z[:3] += list(step.values())
            expected = brute_force.along_path(model.predict_proba, GRID[row], z, cuts)
            expected = expected[:3, 1:] if classes.dtype == bool else expected[:3]
            parts = np.stack([part.fme_2d[row] for part in found.values()])
            np.testing.assert_allclose(parts, expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["numbers", "two classes", "three classes"])
def test_jumps_at_one_time_are_shared_by_all_their_orders(kind):
    X = np.round(GRID * 4) / 4  # thresholds half way: every time is a quarter
    targets = {
        "numbers": TARGET,
        "two classes": TARGET > 0,
        "three classes": np.digitize(TARGET, [-0.5, 0.8]),
    }
    learner = (
        HistGradientBoostingRegressor
        if kind == "numbers"
        else HistGradientBoostingClassifier
    )
    model = learner(max_iter=8, min_samples_leaf=5).fit(X, targets[kind])
    step = {0: 0.5, 1: -0.5, 2: 0.5, 3: -1.0}
    found = split(model, X, step, method="path", engine="trees")
    predict = model.predict if kind == "numbers" else model.predict_proba
    n_tied = 0
    for row in range(0, 150, 6):
        z = X[row] + np.array(list(step.values()))
        cuts = cuts_of(model, X, step)
        expected = brute_force.along_path(predict, X[row], z, cuts)
        expected = expected[:, 1:] if kind == "two classes" else expected
        parts = np.stack([part.fme_2d[row] for part in found.values()])
        np.testing.assert_allclose(parts, expected.reshape(parts.shape), atol=1e-10)
        crossed = [((c - X[row, j]) / step[j]) for j, c in cuts.items()]
        times = np.concatenate([np.unique(t[(t > 0) & (t < 1)]) for t in crossed])
        n_tied += len(times) - len(np.unique(times.round(9)))
    assert n_tied > 20


def fine_path(predict, X, step, n=4000):
    """Parts by central differences at many points of the path."""
    h = np.zeros(X.shape[1])
    h[list(step)] = list(step.values())
    parts = 0.0
    for t in (np.arange(n) + 0.5) / n:
        point, eps = X + t * h, 1e-5
        slopes = []
        for j in step:
            ahead, behind = point.copy(), point.copy()
            ahead[:, j] += eps
            behind[:, j] -= eps
            slopes.append((predict(ahead) - predict(behind)) / (2 * eps) * h[j])
        parts = parts + np.array(slopes) / n
    return parts


LINKED = {
    "log": (PoissonRegressor(), np.exp(TARGET / 5)),
    "logistic": (LogisticRegression(), TARGET > 0),
    "softmax": (LogisticRegression(), np.digitize(TARGET, [-0.5, 0.8])),
}


@pytest.mark.parametrize("link", LINKED)
def test_path_parts_behind_a_link_equal_fine_integration(link):
    model, y = LINKED[link]
    model = make_pipeline(StandardScaler(), model).fit(GRID, y)
    step = {0: 1.5, 1: -2.0, 3: 4.0}
    found = split(model, GRID, step, method="path")
    assert found["x0"].engine == "linear"
    predict = model.predict if link == "log" else model.predict_proba
    expected = fine_path(predict, GRID, step, n=400)
    expected = expected[..., 1:] if link == "logistic" else expected
    parts = np.stack([part.fme for part in found.values()])
    np.testing.assert_allclose(parts, expected.reshape(parts.shape), atol=1e-6)


def test_path_parts_of_any_smooth_model_equal_fine_integration():
    def model(X):
        return np.sin(X[:, 0] * X[:, 1]) + np.exp(X[:, 2] / 2) * X[:, 0]

    step = {0: 0.5, 1: 1.0, 2: -0.7}
    found = split(model, GRID, step, method="path")
    expected = fine_path(model, GRID, step)
    parts = np.stack([part.fme for part in found.values()])
    np.testing.assert_allclose(parts, expected, atol=1e-6)
    assert found.n_not_converged == 0


@pytest.mark.parametrize("as_frame", [False, True])
def test_jumps_of_a_model_that_is_not_read_are_closed_in_on(as_frame):
    def model(X):
        X = np.asarray(X)
        return (X[:, 0] > 0.123) * (1 + X[:, 1]) + np.abs(X[:, 1] - 0.4)

    step = {0: 1.0, 1: 1.0}
    X, named = GRID, step
    if as_frame:  # whose labels a function may look at
        X = pd.DataFrame(GRID, columns=list("abcd"), index=np.arange(150)[::-1])
        named = {"a": 1.0, "b": 1.0}
    found = split(model, X, named, method="path")
    total = sum(part.fme for part in found.values())
    np.testing.assert_allclose(total, found.total.fme, atol=1e-12)
    t = 0.123 - GRID[:, 0]
    passes = (t >= 0) & (t < 1)
    jump = np.where(passes, 1 + GRID[:, 1] + t, 0.0)
    parts = np.stack([part.fme for part in found.values()])
    np.testing.assert_allclose(parts[0], jump, atol=1e-7)
    assert found.n_not_converged == 0


def test_a_model_of_too_many_jumps_is_said_not_to_have_settled(monkeypatch):
    from skfme._attribution import paths

    monkeypatch.setattr(paths, "_MOST_PIECES", 8)

    def model(X):
        return (X[:, 0] > 0.123) * (1 + X[:, 1])

    found = split(model, GRID, {0: 1.0, 1: 1.0}, method="path")
    total = sum(part.fme for part in found.values())
    np.testing.assert_allclose(total, found.total.fme, atol=1e-12)
    assert found.n_not_converged > 0
    assert "has not settled" in " ".join(found.summary().split())


@pytest.mark.parametrize("kind", ["forest", "linear", "function"])
def test_an_order_adds_each_feature_to_those_before_it(kind):
    models = {
        "forest": RandomForestRegressor(8, random_state=0).fit(GRID, TARGET),
        "linear": LinearRegression().fit(GRID, TARGET),
    }
    predict = models[kind].predict if kind in models else (lambda X: X.prod(axis=1))
    model = models.get(kind, predict)
    engine = {"forest": "trees", "linear": "linear"}.get(kind, "auto")
    step = {0: 0.8, 1: -0.8, 2: 0.3}
    found = split(
        model, GRID, step, method="sequential", order=[2, 0, 1], engine=engine
    )
    Z = GRID.copy()
    Z[:, :3] += list(step.values())
    expected = brute_force.in_order(predict, GRID, Z, (2, 0, 1))
    parts = np.stack([found[name].fme for name in ("x2", "x0", "x1")])
    np.testing.assert_allclose(parts, expected, atol=1e-10)
    np.testing.assert_allclose(found.total.fme, predict(Z) - predict(GRID), atol=1e-10)
    assert found.order == ("x2", "x0", "x1")


@pytest.mark.parametrize("engine", ["trees", "predict"])
def test_the_range_over_orders_holds_every_order(engine):
    from itertools import permutations

    model = RandomForestRegressor(8, random_state=0).fit(GRID, TARGET)
    step = {0: 0.8, 1: -0.8, 2: 0.3}
    found = split(model, GRID, step, method="sequential", engine=engine)
    Z = GRID.copy()
    Z[:, :3] += list(step.values())
    of_orders = [
        dict(
            zip(order, brute_force.in_order(model.predict, GRID, Z, order), strict=True)
        )
        for order in permutations(range(3))
    ]
    for j in range(3):
        values = np.array([parts[j] for parts in of_orders])
        lowest, highest = found.order_range(f"x{j}")
        np.testing.assert_allclose(lowest, values.min(axis=0), atol=1e-10)
        np.testing.assert_allclose(highest, values.max(axis=0), atol=1e-10)
    np.testing.assert_allclose(
        found["x1"].fme, of_orders[0][1], atol=1e-10
    )  # as the step names them
    np.testing.assert_allclose(
        found.to_frame()["lowest"][0], found.order_range("x0")[0].mean()
    )


def many(X):
    return np.tanh(X @ np.linspace(-1, 1, X.shape[1])) * (1 + X[:, 0] * X[:, 3])


WIDE = RNG.normal(size=(300, 14))
WIDE_STEP = {j: 0.5 * (-1) ** j for j in range(14)}


def test_standard_errors_of_sampled_orders_are_those_of_the_exact_parts():
    # Two of the features do nothing, so that all coalitions of twelve are exact.
    def model(X):
        return many(X[:, :12])

    exact = split(model, WIDE, {j: WIDE_STEP[j] for j in range(12)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = split(model, WIDE, WIDE_STEP, n_permutations=60, random_state=0)
    deviations = [found[name].fme - part.fme for name, part in exact.items()]
    errors = [found.sampling_errors(name) for name in exact]
    assert 0.9 < np.mean(np.square(deviations)) / np.mean(np.square(errors)) < 1.1
    np.testing.assert_allclose(found["x13"].fme, 0, atol=1e-15)
    total = sum(part.fme for part in found.values())
    np.testing.assert_allclose(total, found.total.fme, atol=1e-12)
    frame = found.to_frame().set_index("effect")
    error = np.sqrt((found.sampling_errors("x0") ** 2).sum()) / 300
    np.testing.assert_allclose(frame.loc["x0", "sampling_error"], error)


def test_sampled_orders_depend_on_the_seed_and_not_on_batches():
    options = {"n_permutations": 20, "random_state": 3}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        whole = split(many, WIDE, WIDE_STEP, **options)
        parts = split(many, WIDE, WIDE_STEP, batch_size=7, **options)
        other = split(many, WIDE, WIDE_STEP, n_permutations=20, random_state=4)
    np.testing.assert_allclose(whole["x3"].fme, parts["x3"].fme, atol=1e-12)
    assert np.abs(whole["x3"].fme - other["x3"].fme).max() > 1e-3


def test_sampled_orders_are_exact_where_no_three_features_interact():
    def pairs(X):
        return X[:, 0] * X[:, 1] + X[:, 2] * X[:, 13] - X[:, 4]

    found = split(pairs, WIDE, WIDE_STEP, n_permutations=4, random_state=0)
    before, after = WIDE, WIDE + np.array(list(WIDE_STEP.values()))
    middle = (before + after) / 2
    expected = middle[:, 1] * WIDE_STEP[0]
    np.testing.assert_allclose(found["x0"].fme, expected, atol=1e-12)
    assert found.how == "by 4 sampled orders"


def test_sampled_orders_take_mixed_tables():
    frame = pd.DataFrame(WIDE, columns=[f"f{j}" for j in range(14)])
    frame["f0"] = pd.Categorical(np.where(WIDE[:, 0] > 0, "a", "b"))
    frame.index = frame.index[::-1] // 2  # labels that repeat

    def model(X):
        assert str(X["f0"].dtype) == "category"
        rest = X.drop(columns="f0").to_numpy()
        return (X["f0"] == "a").to_numpy() * rest[:, 0] + np.tanh(rest.sum(axis=1))

    step = {"f0": "a", **{f"f{j}": Add(0.3) for j in range(1, 14)}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = split(model, frame, step, n_permutations=8, random_state=0)
    total = fme(model, frame, step, extrapolation=None)
    summed = sum(part.fme for part in found.values())
    np.testing.assert_allclose(summed, total.fme, atol=1e-12)


def test_a_batch_without_any_text_is_split_as_others_are():
    # The second batch has None alone in a column that another row's step fills.
    X = np.array([[92, "tiny"], [6, None], [7, "large"]], dtype=object)

    def length(X):
        return np.array([a * (0 if b is None else len(b)) for a, b in X], dtype=float)

    step = {1: SetTo("large", count_missing=True), 0: 1}
    parts = attribute(
        length, X, step, extrapolation=None, batch_size=1, engine="predict"
    )
    np.testing.assert_allclose(parts["x1"].fme, [92.5, 6.5 * 5, np.nan])
    np.testing.assert_allclose(parts["x0"].fme, [4.5, 2.5, np.nan])
