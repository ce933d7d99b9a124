"""Rows in another library's table than fit saw."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer

NUMBERS = np.random.default_rng(0).normal(size=(30, 2))
FRAME = pd.DataFrame(NUMBERS, columns=["a", "b"])
Y = NUMBERS @ [2.0, -1.0]


def fitted(X, step):
    return FMEExplainer(LinearRegression(), step, extrapolation=None).fit(X, Y)


@pytest.mark.parametrize("other", [NUMBERS, pl.DataFrame(NUMBERS, schema=["a", "b"])])
def test_numbers_stand_in_for_the_dataframe_that_fit_saw(other):
    effect = fitted(FRAME, {"a": 1.0}).explain(other)["a +1"]
    np.testing.assert_allclose(effect.fme, 2.0)


@pytest.mark.parametrize("library", [pd.DataFrame, pl.DataFrame])
def test_a_dataframe_stands_in_for_the_array_that_fit_saw(library):
    frame = library({"x0": NUMBERS[:, 0], "x1": NUMBERS[:, 1]})
    effect = fitted(NUMBERS, {0: 1.0}).explain(frame)["x0 +1"]
    np.testing.assert_allclose(effect.fme, 2.0)


class First(LinearRegression):
    def fit(self, X, y=None):
        return super().fit(X[["a"]], y)

    def predict(self, X):
        return super().predict(X[["a"]])


def test_an_array_does_not_stand_in_for_columns_of_text():
    X = FRAME.assign(kind="x")
    explainer = FMEExplainer(First(), {"a": 1.0}, extrapolation=None).fit(X, Y)
    rows = np.column_stack([NUMBERS, NUMBERS[:, :1]])
    with pytest.raises(TypeError, match=r"fit saw .* not plain numbers \('kind'\)"):
        explainer.explain(rows)
