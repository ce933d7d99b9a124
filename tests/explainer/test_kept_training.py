"""What an explainer keeps of its training rows, and resolves later steps by."""

import copy
import datetime
import gc
import pickle
import weakref

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from skfme import IQR, Contrast, FMEExplainer, Quantile, SetTo, StdDev, fme

RNG = np.random.default_rng(6)


def people(n, library="pandas"):
    columns = {
        "age": RNG.integers(18, 90, n),
        "bmi": RNG.gamma(9, 3, n),
        "narrow": RNG.normal(size=n).astype("float32"),
        "treated": RNG.integers(0, 2, n),
        "sex": RNG.choice(["f", "m"], n),
        "seen": np.datetime64("2026-01-01", "ms") + RNG.integers(0, 9000, n),
    }
    if library == "polars":
        return pl.DataFrame(columns)
    return pd.DataFrame(columns)


class Model(LinearRegression):
    """Of the numeric columns alone."""

    def _numbers(self, X):
        return np.column_stack([np.asarray(X[c]) for c in ("age", "bmi", "narrow")])

    def fit(self, X, y=None):
        return super().fit(self._numbers(X), np.asarray(X["age"]) * 1.0)

    def predict(self, X):
        return super().predict(self._numbers(X))

    def __sklearn_tags__(self):
        return super().__sklearn_tags__()


STEPS = [
    {"age": -2, "bmi": 0.5},
    {"age": StdDev(1), "bmi": IQR(-0.5), "narrow": StdDev(0.5)},
    {"age": Quantile(0.9), "bmi": Quantile(0.025), "narrow": Quantile(0.5)},
    {"sex": "m", "treated": Contrast(0, 1)},
    {"sex": Contrast("f", "m"), "age": SetTo(40), "narrow": SetTo(1.5)},
    {"seen": datetime.timedelta(hours=1), "bmi": 1},
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n", [300, 2500])
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_later_steps_are_those_that_fit_resolves(library, n, weighted):
    X = people(n, library)
    weights = {"sample_weight": RNG.integers(1, 4, n) + 0.5} if weighted else {}
    options = {"extrapolation": None}
    late = FMEExplainer(Model(), {"age": 1}, **options)
    early = FMEExplainer(Model(), STEPS, **options)
    if weighted:
        late.set_params(estimator=Weighted())
        early.set_params(estimator=Weighted())
    late.fit(X, np.zeros(n), **weights)
    early.fit(X, np.zeros(n), **weights)
    again = pickle.loads(pickle.dumps(late))
    for step, resolved in zip(STEPS, early.steps_, strict=True):
        expected = early._effects(early._table(X), (resolved,), None, None)[
            resolved.name
        ]
        for explainer in (late, again, copy.copy(late), copy.deepcopy(late)):
            found = explainer.attribute(X, step).total
            assert found.name == resolved.name
            assert found.sizes == resolved.sizes
            np.testing.assert_array_equal(found.status, expected.status)
            np.testing.assert_allclose(found.fme, expected.fme, atol=1e-12)


class Weighted(Model):
    def fit(self, X, y=None, sample_weight=None):
        return super().fit(X, y)


@pytest.mark.parametrize("kind", ["numpy", "numpy in columns", "pandas"])
def test_changes_of_the_training_rows_in_place_change_no_later_step(kind):
    array = RNG.normal(size=(200, 2))
    X = array.copy(order="F" if kind == "numpy in columns" else "C")
    given = pd.DataFrame(X, copy=False) if kind == "pandas" else X
    explainer = FMEExplainer(LinearRegression(), {0: 1}).fit(given, array.sum(axis=1))
    step = {0: Quantile(0.75), 1: StdDev(1)}
    X[:] = 1e6
    rows = pd.DataFrame(array) if kind == "pandas" else array
    found = explainer.attribute(rows, step)
    size = f"= {np.quantile(array[:, 0], 0.75):.4g}"
    assert size in found["0" if kind == "pandas" else "x0"].sizes[0]


def test_an_explainer_does_not_keep_its_training_rows_alive():
    X = RNG.normal(size=(5000, 2))
    explainer = FMEExplainer(LinearRegression(), {0: 1}).fit(X, X.sum(axis=1))
    alive = weakref.ref(X)
    del X
    gc.collect()
    assert alive() is None
    assert len(pickle.dumps(explainer)) < 5000 * 8


def test_quantiles_in_between_those_kept_are_refused():
    X = RNG.normal(size=(2000, 2))
    explainer = FMEExplainer(LinearRegression(), {0: 1}).fit(X, X.sum(axis=1))
    with pytest.raises(
        ValueError, match="keeps quantiles at every thousandth, and 0.33"
    ):
        explainer.attribute(X, {0: Quantile(1 / 3), 1: 1})
    few = FMEExplainer(LinearRegression(), {0: 1}).fit(X[:900], X[:900].sum(axis=1))
    found = few.attribute(X, {0: Quantile(1 / 3), 1: 1}, method="path")
    assert f"{np.quantile(X[:900, 0], 1 / 3):.4g}" in found["x0"].sizes[0]


def test_what_a_step_cannot_change_is_refused_as_by_fit():
    X = pd.DataFrame({"a": RNG.normal(size=30), "b": [[1]] * 30})
    explainer = FMEExplainer(Reads(), {"a": 1}, extrapolation=None, check_rows=False)
    explainer.fit(X, X["a"])
    with pytest.raises(TypeError, match="a step cannot change columns of"):
        explainer.attribute(X, {"a": 1, "b": 1})
    with pytest.raises(TypeError, match="a step cannot change columns of"):
        fme(lambda X: X["a"], X, {"b": 1}, extrapolation=None)


class Reads(LinearRegression):
    def fit(self, X, y=None):
        return super().fit(X[["a"]], y)

    def predict(self, X):
        return super().predict(X[["a"]])
