"""What must hold for every model, table and step."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor

from skfme import FMEExplainer, fme

finite = st.floats(-50, 50, allow_nan=False).map(lambda v: round(v, 3))


def of_three_values(X):
    """The table with three values or more in every column, which any step may leave."""
    X[1:3] += [[101.0], [202.0]]
    return X


shapes = st.tuples(st.integers(3, 25), st.just(3))
tables = arrays(float, shapes, elements=finite).map(of_three_values)


def smooth(X):
    X = np.asarray(X)
    return np.sin(X[:, 0]) * X[:, 1] + np.abs(X[:, 2]) ** 1.5


@given(tables)
def test_a_zero_step_gives_zero(X):
    effect = fme(smooth, X, {"x0": 0, "x2": 0})
    assert np.array_equal(effect.fme, np.zeros(len(X)))


@given(
    tables,
    arrays(float, 3, elements=st.floats(-10, 10)),
    arrays(float, 3, elements=st.floats(-10, 10)),
)
def test_a_linear_model_gives_h_times_beta(X, h, beta):
    steps = {f"x{j}": float(h[j]) for j in range(3)}
    effect = fme(lambda X: X @ beta, X, steps, extrapolation=None)
    np.testing.assert_allclose(effect.fme, h @ beta, rtol=1e-9, atol=1e-9)


@given(tables, st.integers(-64, 64), st.integers(-64, 64))
def test_steps_compose(X, h1, h2):
    X = np.round(X * 8) / 8  # so that x + h1 + h2 is exact
    h1, h2 = h1 / 8, h2 / 8
    moved = X + np.array([h1, 0, 0])
    options = {"extrapolation": None}
    whole = fme(smooth, X, {"x0": h1 + h2}, **options).fme
    first = fme(smooth, X, {"x0": h1}, **options).fme
    second = fme(smooth, moved, {"x0": h2}, **options).fme
    np.testing.assert_allclose(whole, first + second, rtol=1e-12, atol=1e-9)


@given(tables, st.randoms(use_true_random=False))
def test_permuting_rows_permutes_effects(X, random):
    order = list(range(len(X)))
    random.shuffle(order)
    straight = fme(smooth, X, {"x0": 1.5, "x1": -2})
    permuted = fme(smooth, X[order], {"x0": 1.5, "x1": -2})
    np.testing.assert_array_equal(permuted.fme, straight.fme[order])
    np.testing.assert_array_equal(permuted.status, straight.status[order])


@given(tables, st.integers(1, 30), st.integers(1, 3))
def test_batch_size_and_n_jobs_change_nothing(X, batch_size, n_jobs):
    steps = [{"x0": 1.5}, {"x1": -2, "x2": 1}, {"x2": lambda c: c - c.mean()}]
    plain = fme(smooth, X, steps)
    cut = fme(smooth, X, steps, batch_size=batch_size, n_jobs=n_jobs)
    for name, effect in plain.items():
        np.testing.assert_array_equal(cut[name].fme, effect.fme)
        np.testing.assert_array_equal(cut[name].status, effect.status)


@given(tables, st.data())
def test_integer_weights_equal_repeated_rows(X, data):
    weights = np.array(
        data.draw(st.lists(st.integers(0, 4), min_size=len(X), max_size=len(X)))
    )
    weights[:3] += 1
    repeated = fme(smooth, np.repeat(X, weights, axis=0), {"x0": 1}, extrapolation=None)
    weighted = fme(smooth, X, {"x0": 1}, sample_weight=weights, extrapolation=None)
    close = {"rel": 1e-9, "abs": 1e-9}
    assert weighted.ame == pytest.approx(repeated.ame, **close)
    assert weighted.sd == pytest.approx(repeated.sd, **close)
    assert weighted.quartiles == pytest.approx(repeated.quartiles, **close)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.floats(-3, 3))
def test_class_effects_sum_to_zero(seed, h):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(60, 3))
    y = rng.integers(0, 3, 60)
    model = RandomForestClassifier(5, max_depth=3, random_state=0).fit(X, y)
    effect = fme(model, X, {"x0": h}, extrapolation=None)
    np.testing.assert_allclose(effect.fme.sum(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(effect.ame.sum(), 0, atol=1e-12)


def test_every_kind_of_table_gives_the_same_effects():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(80, 3)), columns=["a", "b", "c"])
    y = frame["a"] ** 2 + frame["b"]
    model = RandomForestRegressor(10, random_state=0).fit(frame.to_numpy(), y)
    expected = fme(model, frame.to_numpy(), {"x0": 0.5, "x1": -0.25})
    assert 0 < expected.n < 80
    for table in (frame, pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        model = RandomForestRegressor(10, random_state=0).fit(table, y)
        effect = fme(model, table, {"a": 0.5, "b": -0.25})
        np.testing.assert_array_equal(effect.fme, expected.fme)
        np.testing.assert_array_equal(effect.status, expected.status)


def test_categorical_effects_agree_over_dataframe_libraries():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=60),
            "g": pd.Categorical(rng.choice(["lo", "hi"], 60), ["lo", "hi"]),
        }
    )

    def model(X):
        column = X["g"].to_pylist() if isinstance(X, pa.Table) else list(X["g"])
        bonus = np.array([{"lo": 0.0, "hi": 2.0}[v] for v in column])
        return np.asarray(X["x"], dtype=float) * (1 + bonus)

    expected = fme(model, frame, {"g": "hi", "x": 0.5})
    np.testing.assert_allclose(
        expected.fme[expected.counted],
        (3 * (frame["x"] + 0.5) - frame["x"])[expected.counted],
    )
    assert set(expected.status) == {"counted", "at_target", "extrapolation"}
    for table in (pl.from_pandas(frame), pa.Table.from_pandas(frame)):
        effect = fme(model, table, {"g": "hi", "x": 0.5})
        np.testing.assert_array_equal(effect.fme, expected.fme)
        np.testing.assert_array_equal(effect.status, expected.status)


def test_effects_of_a_transformed_target_are_in_the_targets_units():
    rng = np.random.default_rng(2)
    X = rng.uniform(0, 1, size=(100, 2))
    y = np.exp(X @ [1.0, 2.0])
    model = TransformedTargetRegressor(
        LinearRegression(), func=np.log, inverse_func=np.exp
    )
    effect = fme(model.fit(X, y), X, {"x0": 0.5}, extrapolation=None)
    np.testing.assert_allclose(effect.fme, y * (np.exp(0.5) - 1), rtol=1e-9)


def test_batches_change_a_network_only_in_its_last_digits():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(500, 4))
    explainer = FMEExplainer(
        MLPRegressor(hidden_layer_sizes=(20,), max_iter=50, random_state=0), "sd"
    )
    whole = explainer.fit(X, X[:, 0] * X[:, 1]).transform(X)
    cut = explainer.set_params(batch_size=37, n_jobs=2).transform(X)
    np.testing.assert_allclose(cut, whole, rtol=1e-9, atol=1e-12)
