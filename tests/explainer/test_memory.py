"""What belongs to the user stays as it is, and what a result shows stays true."""

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, OutlierMixin, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import FMEExplainer, ame, fme
from skfme.statsmodels import ConditionalEffects, EffectTree
from tests.recorder import Recorder

N = 600
RNG = np.random.default_rng(0)
ARRAY = RNG.normal(5, 3, size=(N, 2))
Y = ARRAY @ [1.0, 2.0]
TABLES = {
    "numpy": lambda: ARRAY.copy(),
    "numpy by columns": lambda: np.asfortranarray(ARRAY),
    "every other row": lambda: np.repeat(ARRAY, 2, axis=0)[::2],
    "pandas": lambda: pd.DataFrame(ARRAY, columns=["a", "b"]),
    "polars": lambda: pl.DataFrame(ARRAY, schema=["a", "b"]),
    "pyarrow": lambda: pa.table({"a": ARRAY[:, 0], "b": ARRAY[:, 1]}),
}


class Writes(RegressorMixin, BaseEstimator):
    """A model that spoils what it is given, in fit and in predict."""

    def fit(self, X, y=None):
        self._spoil(X)
        self.n_features_in_ = 2
        return self

    def predict(self, X):
        prediction = np.asarray(X) @ [1.0, 2.0]
        self._spoil(X)
        return prediction

    def _spoil(self, X):
        if isinstance(X, np.ndarray):
            X[:] = -1e6
        elif isinstance(X, pd.DataFrame):
            X.iloc[:, :] = -1e6
            X["new"] = 0.0
        elif isinstance(X, pl.DataFrame):
            X[0, "a"] = -1e6
            X.insert_column(0, pl.Series("new", np.zeros(len(X))))


class WritesAsDetector(OutlierMixin, Writes):
    def predict(self, X):
        n = len(X)
        super().predict(X)
        return np.ones(n, dtype=int)


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("batch_size", ["auto", 70])
def test_no_model_writes_into_the_users_table(kind, batch_size):
    X, before = TABLES[kind](), np.asarray(TABLES[kind]())
    keys = [0, 1] if isinstance(X, np.ndarray) else ["a", "b"]
    explainer = FMEExplainer(
        Writes(),
        [{keys[0]: 1.0}, {keys[1]: 1.0}],
        batch_size=batch_size,
        extrapolation=WritesAsDetector(),
        nlm=True,
    )
    explainer.fit(X, Y)
    effects = explainer.explain(X)
    explainer.predict(X)
    explainer.path(X, next(iter(effects)))
    for effect, slope in zip(effects.values(), [1.0, 2.0], strict=True):
        assert effect.n == N
        np.testing.assert_allclose(effect.fme, slope, rtol=1e-9)
    np.testing.assert_array_equal(np.asarray(X), before)


def test_a_scaler_in_place_leaves_rows_and_ranges_alone():
    X = ARRAY.copy()
    model = make_pipeline(StandardScaler(copy=False), LinearRegression())
    explainer = FMEExplainer(model, [{0: 1.0}, {1: 1.0}]).fit(X, Y)
    effects = explainer.explain(X)
    inside = X[:, 0] + 1 <= X[:, 0].max()
    assert effects["x0 +1"].n == inside.sum()
    assert [effect.ame for effect in effects.values()] == pytest.approx([1, 2])
    np.testing.assert_array_equal(X, ARRAY)


@pytest.mark.parametrize("engine", ["trees", "linear", "predict"])
def test_no_engine_scales_the_users_table_in_place(engine):
    forest = RandomForestRegressor(20, max_depth=3, random_state=0)
    last = LinearRegression() if engine == "linear" else forest
    model = make_pipeline(StandardScaler(copy=False), last).fit(ARRAY.copy(), Y)
    careful = make_pipeline(StandardScaler(), model[-1]).fit(ARRAY, Y)
    X = ARRAY.copy()
    effects = ame(model, X, [{0: 1.0}, {1: -2.0}], engine=engine, batch_size=150)
    np.testing.assert_array_equal(X, ARRAY)
    for effect, step in zip(effects.values(), ([1, 0], [0, -2]), strict=True):
        expected = careful.predict(ARRAY + step) - careful.predict(ARRAY)
        rows = effect.counted
        np.testing.assert_allclose(effect.fme[rows], expected[rows], atol=1e-9)


def slope(t):
    return np.where(t["g"] == "u", t["a"], 5 * t["a"])


def grouped():
    rng = np.random.default_rng(1)
    return pd.DataFrame({"a": rng.normal(size=N), "g": rng.choice(list("uv"), N)})


# ruff: noqa: PD002 - tables that change under a result are what is tested
CHANGES = {
    "sorted": lambda X: X.sort_values("a", inplace=True),
    "overwritten": lambda X: X.__setitem__("g", "u"),
    "one entry": lambda X: X.__setitem__("g", np.r_[["w"], X["g"].to_numpy()[1:]]),
    "one entry in place": lambda X: X.iloc.__setitem__((0, 1), "w"),
    "a column dropped": lambda X: X.drop(columns="g", inplace=True),
    "rows dropped": lambda X: X.drop(index=range(N // 2), inplace=True),
    "relabelled": lambda X: X.set_index("a", inplace=True),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("change", CHANGES)
def test_results_keep_a_dataframe_as_it_was_explained(change):
    X = grouped()
    effect = fme(slope, X, {"a": 1.0}, extrapolation=None)
    CHANGES[change](X)
    if pd.__version__ < "3" and change == "one entry in place":  # no copy-on-write
        with pytest.raises(ValueError, match="was changed since"):
            effect.average(by="g")
        return
    averages = effect.average(by="g")
    assert averages["ame"].tolist() == pytest.approx([1.0, 5.0])
    results = ConditionalEffects.from_groups(effect, by="g").fit()
    assert results.params.tolist() == pytest.approx([1.0, 5.0])
    assert list(effect.X.columns) == ["a", "g"]
    assert effect.to_frame().index.equals(pd.RangeIndex(N))


ARRAYS = {
    "by rows": lambda: ARRAY.copy(),
    "by columns": lambda: np.asfortranarray(ARRAY),
    "every other row": lambda: np.repeat(ARRAY, 2, axis=0)[::2],
    "single precision": lambda: ARRAY.astype("float32"),
    "objects": lambda: ARRAY.astype(object),
}
USES = {
    "average": lambda effect: effect.average(by=1),
    "X": lambda effect: effect.X,
    "counted_data": lambda effect: effect.counted_data(),
    "regression": lambda effect: ConditionalEffects.from_groups(effect, by=1),
}


@pytest.mark.parametrize("kind", ARRAYS)
@pytest.mark.parametrize("use", USES)
def test_results_notice_that_an_array_was_changed(kind, use):
    for spoil in (
        lambda X: X.__setitem__((N - 1, 1), 0.0),
        lambda X: X.__setitem__(slice(None), X[::-1].copy()),
    ):
        X = ARRAYS[kind]()
        effect = fme(
            lambda X: np.asarray(X[:, 0], dtype=float), X, {0: 1.0}, extrapolation=None
        )
        assert len(effect.average(by=[0, 1] * (N // 2))) == 2
        spoil(X)
        with pytest.raises(ValueError, match="was changed since"):
            USES[use](effect)
        assert effect.ame == pytest.approx(1)  # what needs no table stays


def test_a_tree_keeps_the_rows_that_it_was_grown_on():
    y = np.where(ARRAY[:, 0] > 5, 1.0, 0.0) + 0.1 * ARRAY[:, 1]
    X, effects = pd.DataFrame(ARRAY, columns=["a", "b"]), y.copy()
    tree = EffectTree(n_partitions=2).fit(X, effects)
    expected = tree.stability(n_resamples=4, random_state=0)
    X["a"] = 0.0
    effects[:] = 0
    again = tree.stability(n_resamples=4, random_state=0)
    pd.testing.assert_frame_equal(again.roots, expected.roots)
    array = ARRAY.copy()
    grown = EffectTree(n_partitions=2).fit(array, y)
    array[:] = 0
    with pytest.raises(ValueError, match="was changed since"):
        grown.stability(n_resamples=4, random_state=0)


def test_what_a_result_shows_cannot_be_written_to():
    X, weights = grouped(), np.full(N, 2.0)
    effect = fme(
        slope, X, {"a": 1.0}, sample_weight=weights, extrapolation=None, nlm=True
    )
    arrays = (effect.fme, effect.nlm, effect.status_codes, effect.sample_weight)
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    weights[:] = 0
    assert effect.total_weight == 2 * N
    effect.X["a"] = 0.0
    assert effect.average(by="g")["ame"].tolist() == pytest.approx([1.0, 5.0])
    again = pickle.loads(pickle.dumps(effect))
    assert again.average(by="g")["n"].sum() == N


def refilled(framed, size=100):
    """Batches in one buffer, as a reader of binary files yields them."""
    buffer = np.empty((size, 2))
    for start in range(0, N, size):
        buffer[:] = ARRAY[start : start + size]
        yield pd.DataFrame(buffer, columns=["a", "b"], copy=False) if framed else buffer


@pytest.mark.parametrize("framed", [False, True])
def test_a_reader_may_fill_one_buffer_again(framed):
    X = pd.DataFrame(ARRAY, columns=["a", "b"]) if framed else ARRAY
    key = "a" if framed else 0
    positive = lambda batch: np.asarray(batch)[:, 1] ** 2  # noqa: E731
    model = lambda t: np.asarray(t)[:, 0] ** 2  # noqa: E731
    whole = ame(model, X, [{key: 1.0}], extrapolation=None, sample_weight=positive(X))
    explainer = FMEExplainer(
        FrozenEstimator(Recorder(model)), {key: 1.0}, extrapolation=None
    ).fit(X)
    (effect,) = whole.values()
    (summary,) = explainer.explain_batches(refilled(framed), positive).values()
    assert summary.ame == pytest.approx(effect.ame, rel=1e-12)
    assert summary.sd == pytest.approx(effect.sd, rel=1e-9)
