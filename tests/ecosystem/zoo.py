"""What the tests of other people's models share: their imports, data and expectation."""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer, ForwardEffects

# The full check sets this, so that a model that cannot be imported is no silent gap.
EVERY_LIBRARY = os.environ.get("SKFME_TEST_MODELS") == "all"

STEPS = [{"bmi": -2}, {"sex": "s2"}, {"bmi": -2, "sex": "s2"}]


def library(name: str, extra: str = "test-models") -> ModuleType:
    """The library, or a skip that names the extra with which it comes."""
    if EVERY_LIBRARY:
        return __import__(name)
    return pytest.importorskip(name, reason=f"{name} comes with the extra {extra!r}")


def diabetes() -> tuple[pd.DataFrame, pd.Series]:
    """Four numbers and a category."""
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X["sex"] = X["sex"].map({1: "s1", 2: "s2"}).astype("category")
    return X[["age", "sex", "bmi", "bp", "s5"]], y


def moved(X: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """X with a number added to, or a category put into, each named column."""
    table = X.copy()
    for name, change in changes.items():
        if isinstance(change, str):
            values = np.full(len(X), change, dtype=object)
            table[name] = pd.Series(values, index=X.index).astype(X[name].dtype)
        else:
            table[name] = X[name] + change
    return table


def assert_differences_of(
    effects: ForwardEffects,
    predict: Callable[[pd.DataFrame], Any],
    X: pd.DataFrame,
    atol: float = 1e-5,
) -> None:
    """The effects of STEPS are what the model itself predicts after and before."""
    before = np.asarray(predict(X), dtype=float)
    assert list(effects) == ["bmi -2", "sex = s2", "bmi -2, sex = s2"]
    for effect, change in zip(effects.values(), STEPS, strict=True):
        after = np.asarray(predict(moved(X, **change)), dtype=float)
        counted = effect.counted
        assert counted.sum() > 200
        expected = (after - before).reshape(effect.fme.shape)
        np.testing.assert_allclose(effect.fme[counted], expected[counted], atol=atol)
        assert np.abs(expected[counted]).max() > 1e-3


def assert_engines_agree(
    model: Any, table: Any, steps: Any, atol: float, **options: Any
) -> None:
    """Effects of the tree engine are f(x + h) − f(x), by the engine that asks the model."""
    effects = {}
    for engine in ("trees", "predict"):
        explainer = FMEExplainer(
            FrozenEstimator(model), steps, engine=engine, extrapolation=None, **options
        )
        effects[engine] = explainer.fit(table).explain(table)
    moved = 0.0
    for name, expected in effects["predict"].items():
        exact = effects["trees"][name]
        assert exact.engine == "trees"
        np.testing.assert_array_equal(exact.status, expected.status)
        np.testing.assert_allclose(exact.fme, expected.fme, rtol=0, atol=atol)
        moved = max(moved, np.nanmax(np.abs(expected.fme)))
    assert moved > 0.01
