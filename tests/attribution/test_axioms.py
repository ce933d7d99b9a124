"""Axioms that the methods keep, on models drawn at random; and those that they do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor

from skfme import Scale, attribute

METHODS = ("shapley", "path")
KINDS = ("forest", "boosting", "function")


def drawn(kind, seed, n_features=4):
    """A model, and rows: trees fitted to noise, or a polynomial of random terms."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, n_features))
    if kind == "function":
        A = rng.normal(size=(n_features, n_features, n_features))

        def model(X):
            return np.einsum("ijk,ni,nj,nk->n", A, X, X, X)

        return model, X
    y = rng.normal(size=40) + X[:, 0] * X[:, 1]
    trees = {
        "forest": RandomForestRegressor(4, random_state=seed),
        "boosting": GradientBoostingRegressor(n_estimators=8, random_state=seed),
    }
    return trees[kind].fit(X, y), X


def parts(model, X, step, **options):
    engine = "auto" if callable(model) else "trees"
    options = {"extrapolation": None, "engine": engine, **options}
    found = attribute(model, X, step, **options)
    return np.stack([part.fme for part in found.values()]), found.total.fme


def random_step(seed, n=4):
    sizes = np.random.default_rng(seed + 1).uniform(-1.5, 1.5, n)
    return dict(enumerate(sizes.tolist()))


every_model = given(kind=st.sampled_from(KINDS), seed=st.integers(0, 10_000))
few = settings(max_examples=12)


@pytest.mark.parametrize("method", [*METHODS, "sequential"])
@few
@every_model
def test_completeness(method, kind, seed):
    model, X = drawn(kind, seed)
    found, total = parts(model, X, random_step(seed), method=method)
    scale = max(np.abs(found).max(), 1.0)
    np.testing.assert_allclose(found.sum(axis=0), total, atol=1e-11 * scale)


@pytest.mark.parametrize("method", [*METHODS, "sequential"])
@few
@given(seed=st.integers(0, 10_000))
def test_a_feature_that_the_model_never_reads_brings_exactly_nothing(method, seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(40, 3))
    X[:, 1] = 0.0
    forest = RandomForestRegressor(4, random_state=seed).fit(X, rng.normal(size=40))
    X = rng.normal(size=(40, 3))
    found, _ = parts(forest, X, random_step(seed, 3), method=method)
    assert (found[1] == 0).all()
    found, _ = parts(
        lambda X: np.tanh(X[:, 0] * X[:, 2]), X, random_step(seed, 3), method=method
    )
    assert (found[1] == 0).all()


@pytest.mark.parametrize("method", METHODS)
@few
@given(seed=st.integers(0, 10_000), size=st.floats(-1.5, 1.5))
def test_features_that_play_one_role_get_one_part(method, seed, size):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=2)

    def model(X):
        return np.tanh(a * X[:, 0] * X[:, 1] + b * (X[:, 0] + X[:, 1]) * X[:, 2])

    X = rng.normal(size=(20, 3))
    X[:, 1] = X[:, 0]
    found, _ = parts(model, X, {0: size, 1: size, 2: 0.7}, method=method)
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)


@pytest.mark.parametrize("method", [*METHODS, "sequential"])
@few
@given(seed=st.integers(0, 10_000), a=st.floats(-3, 3), b=st.floats(-3, 3))
def test_linearity(method, seed, a, b):
    (f, X), (g, _) = drawn("function", seed), drawn("function", seed + 1)
    step = random_step(seed)
    of_f, of_g, of_both = (
        parts(model, X, step, method=method)[0]
        for model in (f, g, lambda X: a * f(X) + b * g(X))
    )
    scale = max(np.abs(of_f).max(), np.abs(of_g).max(), 1.0)
    np.testing.assert_allclose(of_both, a * of_f + b * of_g, atol=1e-8 * scale)


@pytest.mark.parametrize("method", [*METHODS, "sequential"])
@few
@given(seed=st.integers(0, 10_000), a=st.floats(0.1, 10), b=st.floats(-5, 5))
def test_affine_scale_invariance(method, seed, a, b):
    model, X = drawn("function", seed)
    step = random_step(seed)
    plain, _ = parts(model, X, step, method=method)

    def rescaled(Z):
        Z = Z.copy()
        Z[:, 1] = (Z[:, 1] - b) / a
        return model(Z)

    Z = X.copy()
    Z[:, 1] = a * X[:, 1] + b
    found, _ = parts(rescaled, Z, step | {1: a * step[1]}, method=method)
    scale = max(np.abs(plain).max(), 1.0)
    np.testing.assert_allclose(found, plain, atol=1e-7 * scale)


@pytest.mark.parametrize("method", METHODS)
@few
@every_model
def test_the_order_in_which_a_step_names_its_features_is_nothing(method, kind, seed):
    model, X = drawn(kind, seed)
    step = random_step(seed)
    found, _ = parts(model, X, step, method=method)
    other, _ = parts(model, X, dict(reversed(step.items())), method=method)
    scale = max(np.abs(found).max(), 1.0)
    np.testing.assert_allclose(found, other[::-1], atol=1e-8 * scale)


@pytest.mark.parametrize("method", [*METHODS, "sequential"])
@few
@given(seed=st.integers(0, 10_000))
def test_models_that_predict_alike_get_alike_parts(method, seed):
    forest, X = drawn("forest", seed)
    step = random_step(seed)
    if method == "path":  # a function that jumps is not integrated exactly
        each = [parts(tree, X, step, method=method)[0] for tree in forest]
        np.testing.assert_allclose(
            parts(forest, X, step, method=method)[0], np.mean(each, axis=0), atol=1e-11
        )
        return
    found, _ = parts(forest, X, step, method=method)
    other, _ = parts(lambda X: forest.predict(X), X, step, method=method)
    np.testing.assert_allclose(found, other, atol=1e-11)


@pytest.mark.parametrize("method", [*METHODS, "sequential"])
@few
@given(seed=st.integers(0, 10_000))
def test_raising_what_the_model_rises_in_brings_no_fall(method, seed):
    rng = np.random.default_rng(seed)
    A = rng.uniform(size=(3, 3, 3))

    def rising(X):
        return np.einsum("ijk,ni,nj,nk->n", A, X, X, X)

    X = rng.uniform(size=(20, 3))
    found, _ = parts(rising, X, {0: 0.5, 1: 0.2, 2: 1.0}, method=method)
    assert (found >= 0).all()


@few
@given(seed=st.integers(0, 10_000), low=st.floats(0, 2), more=st.floats(0, 2))
def test_shapley_values_keep_demand_monotonicity(seed, low, more):
    rng = np.random.default_rng(seed)
    A = rng.uniform(size=(3, 3))

    def rising(X):
        return np.minimum(X @ A[0], np.maximum(X @ A[1], X @ A[2] - 1))

    X = rng.normal(size=(20, 3))
    small, large = (
        parts(rising, X, {0: h, 1: 0.5, 2: -0.5})[0][0] for h in (low, low + more)
    )
    assert (large >= small - 1e-12).all()


def one(model, x, step, **options):
    return parts(model, np.array([x]), step, check_rows=False, **options)[0][:, 0]


def test_path_parts_break_demand_monotonicity():
    def smaller(X):
        return X.min(axis=1)

    x = [0.0, 0.0]
    for h, shapley, path in ((0.9, 0.45, 0.9), (1.1, 0.5, 0.0)):
        step = {0: h, 1: 1.0}
        assert one(smaller, x, step)[0] == pytest.approx(shapley)
        assert one(smaller, x, step, method="path")[0] == pytest.approx(path, abs=1e-9)
    assert one(smaller, x, {0: 1.0, 1: 1.0}, method="path")[0] == pytest.approx(0.5)


def test_parts_in_an_order_break_symmetry():
    def product(X):
        return X.prod(axis=1)

    for order, expected in (([0, 1], [0, 1]), ([1, 0], [1, 0])):
        found = one(
            product, [0.0, 0.0], {0: 1.0, 1: 1.0}, method="sequential", order=order
        )
        np.testing.assert_allclose(found, expected)
    for method in METHODS:
        np.testing.assert_allclose(
            one(product, [0.0, 0.0], {0: 1.0, 1: 1.0}, method=method), 0.5
        )


def test_path_parts_depend_on_a_recoding_that_is_not_affine():
    def product(X):
        return X.prod(axis=1)

    def of_logs(X):
        return np.exp(X.sum(axis=1))

    x, doubled = [1.0, 1.0], {0: 1.0, 1: 3.0}
    logs = {0: np.log(2), 1: np.log(4)}
    np.testing.assert_allclose(one(product, x, doubled), [2.5, 4.5])
    np.testing.assert_allclose(one(of_logs, [0.0, 0.0], logs), [2.5, 4.5])
    np.testing.assert_allclose(one(product, x, {0: Scale(2), 1: Scale(4)}), [2.5, 4.5])
    np.testing.assert_allclose(one(product, x, doubled, method="path"), [2.5, 4.5])
    np.testing.assert_allclose(
        one(of_logs, [0.0, 0.0], logs, method="path"), [7 / 3, 14 / 3]
    )


def test_shapley_values_are_not_proportional_where_a_sum_alone_matters():
    def cubed(X):
        return X.sum(axis=1) ** 3

    np.testing.assert_allclose(one(cubed, [0.0, 0.0], {0: 1.0, 1: 3.0}), [19, 45])
    path = one(cubed, [0.0, 0.0], {0: 1.0, 1: 3.0}, method="path")
    np.testing.assert_allclose(path, [16, 48])


def test_signs_that_hold_on_the_path_alone_bind_the_path_alone():
    def ridge(X):
        x, y = X.T
        return x * (1 - 4 * (x - y) ** 2)

    step = {0: 1.0, 1: 1.0}
    np.testing.assert_allclose(one(ridge, [0.0, 0.0], step), [-1, 2], atol=1e-12)
    path = one(ridge, [0.0, 0.0], step, method="path")
    np.testing.assert_allclose(path, [1, 0], atol=1e-8)


def test_signs_that_hold_at_the_corners_alone_bind_shapley_values_alone():
    def bump(X):
        x, y = X.T
        return x + 120 * x * (1 - x) * y**2 * (1 - y)

    step = {0: 1.0, 1: 1.0}
    np.testing.assert_allclose(one(bump, [0.0, 0.0], step), [1, 0], atol=1e-12)
    path = one(bump, [0.0, 0.0], step, method="path")
    np.testing.assert_allclose(path, [-1, 2], atol=1e-8)


def test_mixed_slopes_on_the_path_alone_bind_the_path_alone():
    def f(X):
        x, y = X.T
        return x * y - 6 * (x**3 * y / 3 - x**2 * y**2 / 2 + x * y**3 / 3)

    before, after = (
        [one(f, [0.0, 0.0], {0: 1.0, 1: h}, method=m)[0] for m in METHODS]
        for h in (1.0, 1.1)
    )
    change = np.subtract(after, before)
    np.testing.assert_allclose(change, [-0.066, 0.0495], atol=1e-8)


def test_interactions_do_not_add_up_with_the_parts_and_the_split_of_them_does():
    def f(X):
        return X.prod(axis=1)

    X = np.array([[1.0, 2.0, 3.0]])
    found = attribute(
        f, X, {0: 1.0, 1: 1.0, 2: 1.0}, interactions=True, extrapolation=None,
        check_rows=False,
    )  # fmt: skip
    pairs = found.interactions
    assert set(pairs.columns) == {"first", "second", "mean", "sd"}
    total = found.total.fme[0]
    whole = sum(part.fme[0] for part in found.values())
    assert whole == pytest.approx(total)
    assert whole + pairs["mean"].sum() != pytest.approx(total, rel=1e-3)
    own = {
        name: part.fme[0]
        - pairs["mean"][(pairs["first"] == name) | (pairs["second"] == name)].sum() / 2
        for name, part in found.items()
    }
    assert sum(own.values()) + pairs["mean"].sum() == pytest.approx(total)
