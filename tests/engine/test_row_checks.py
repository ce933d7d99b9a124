"""Predictions that depend on other rows are refused, labelled ones are read by label."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skfme import FMEExplainer, ame, fme
from tests.recorder import Recorder

RNG = np.random.default_rng(0)
N = 120
X = pd.DataFrame({"x": RNG.normal(size=N), "z": RNG.normal(size=N)})
ANYWHERE = {"extrapolation": None}

DEPENDENT = {
    "centred": lambda t: 2 * (t["x"] - t["x"].mean()),
    "scaled": lambda t: (t["x"] / t["x"].std()).to_numpy(),
    "ranked": lambda t: t["x"].rank(),
    "cumulated": lambda t: t["x"].cumsum(),
    "market shares": lambda t: np.exp(t["x"]) / np.exp(t["x"]).sum(),
    "sorted": lambda t: np.sort(t["x"].to_numpy()),
    "lagged": lambda t: t["x"].shift(1, fill_value=0.0),
    "random": lambda t: t["x"] + np.random.default_rng().normal(size=len(t)),
    "of the first row": lambda t: t["x"] * t["z"].iloc[0],
}


@pytest.mark.parametrize("kind", DEPENDENT)
def test_a_prediction_that_depends_on_other_rows_is_refused(kind):
    for call in (
        lambda: fme(DEPENDENT[kind], X, {"x": 1}, **ANYWHERE),
        lambda: ame(DEPENDENT[kind], X, [{"x": 1}, {"z": 1}]),
    ):
        with pytest.raises(ValueError, match=r"predicts a row otherwise.*check_rows=F"):
            call()


def test_a_transformer_that_learns_from_the_rows_it_is_given_is_refused():
    centre = FunctionTransformer(lambda t: t - t.mean(axis=0))
    model = make_pipeline(centre, LinearRegression()).fit(X, X["x"] + X["z"])
    with pytest.raises(ValueError, match="predicts a row otherwise"):
        fme(model, X, {"x": 1}, **ANYWHERE)


def test_models_whose_rows_are_meant_to_depend_on_each_other_are_taken():
    shares = DEPENDENT["market shares"]
    effect = fme(shares, X, {"x": 1}, check_rows=False, **ANYWHERE)
    # All rows step at once, so that no share changes.
    np.testing.assert_allclose(effect.fme, 0, atol=1e-15)
    with pytest.raises(ValueError, match="check_rows"):
        fme(shares, X, {"x": 1}, check_rows="no")


@pytest.mark.parametrize("kind", ["numpy", "polars"])
def test_the_check_takes_any_table(kind):
    table, key = (X.to_numpy(), 0) if kind == "numpy" else (pl.from_pandas(X), "x")
    column = (lambda t: t[:, 0]) if kind == "numpy" else (lambda t: t["x"].to_numpy())
    assert fme(column, table, {key: 1}, **ANYWHERE).ame == pytest.approx(1)
    with pytest.raises(ValueError, match="predicts a row otherwise"):
        fme(lambda t: column(t) - column(t).mean(), table, {key: 1})


def test_single_precision_and_networks_pass():
    network = MLPRegressor(hidden_layer_sizes=(20, 20), max_iter=300, random_state=0)
    network.fit(X, X["x"] ** 2)
    assert fme(network, X, {"x": 0.5}, **ANYWHERE).n == N
    narrow = lambda t: (1e3 + network.predict(t)).astype("float32")  # noqa: E731
    assert fme(narrow, X, {"x": 0.5}, **ANYWHERE).n == N


def test_a_model_that_takes_no_single_row_is_tried_with_several():
    def several(t):
        if len(t) < 2:
            raise ValueError("expected at least two rows")
        return t["x"].to_numpy()

    assert fme(several, X, {"x": 1}, **ANYWHERE).ame == pytest.approx(1)
    with pytest.raises(ValueError, match="predicts a row otherwise"):
        fme(lambda t: several(t) - several(t).mean(), X, {"x": 1}, **ANYWHERE)
    with pytest.raises(ValueError, match="at least two rows"):
        fme(several, X[:1], {"x": 1}, **ANYWHERE)


def test_only_fit_pays_for_the_check():
    sizes = []

    def model(t):
        sizes.append(len(t))
        return t["x"].to_numpy()

    explainer = FMEExplainer(
        FrozenEstimator(Recorder(model)), {"x": 1}, extrapolation=None
    )
    explainer.fit(X)
    assert sum(sizes) <= 5 * 32
    sizes.clear()
    explainer.explain(X)
    assert sum(sizes) == 2 * N


LABELS = {
    "text": [f"r{i}" for i in range(N)],
    "numbers": np.arange(N) * 10 + 5,
    "dates": pd.date_range("2024-01-01", periods=N),
    "pairs": pd.MultiIndex.from_product([range(N // 4), list("abcd")]),
    "shuffled": np.random.default_rng(1).permutation(N),
}


def by_group(t):
    """Predictions group by group, as of a stratified model: another order of rows."""
    slopes = {True: 2.0, False: 5.0}
    return pd.concat([part["x"] * slopes[key] for key, part in t.groupby(t["z"] > 0)])


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("framed", [False, True])
def test_predictions_under_the_rows_labels_belong_to_their_rows(kind, framed):
    table = X.set_axis(pd.Index(LABELS[kind]), axis=0)
    model = (lambda t: by_group(t).to_frame("risk")) if framed else by_group
    for batch_size in ("auto", 37):
        effect = fme(model, table, {"x": 1}, batch_size=batch_size, **ANYWHERE)
        expected = np.where(table["z"] > 0, 2.0, 5.0)
        np.testing.assert_allclose(effect.fme, expected, rtol=1e-12)


def test_predictions_without_labels_of_their_own_are_read_by_place():
    table = X.set_axis(pd.Index(LABELS["shuffled"]), axis=0)
    model = lambda t: pd.Series(t["x"].to_numpy() * t["z"].to_numpy())  # noqa: E731
    effect = fme(model, table, {"x": 1}, **ANYWHERE)
    np.testing.assert_allclose(effect.fme, table["z"], rtol=1e-9)


def test_repeated_labels_in_another_order_are_refused():
    table = X.set_axis(pd.Index([0, 1] * (N // 2)), axis=0)
    with pytest.raises(ValueError, match="labels repeat themselves"):
        fme(by_group, table, {"x": 1}, check_rows=False, **ANYWHERE)


@pytest.mark.parametrize("kind", LABELS)
def test_every_table_that_a_function_gets_has_the_rows_own_labels_once(kind):
    table, seen = X.set_axis(pd.Index(LABELS[kind]), axis=0), []

    def model(t):
        seen.append(t.index.is_unique and t.index.isin(table.index).all())
        return t["x"].to_numpy()

    fme(model, table, [{"x": 1}, {"z": 1}, {"x": 1, "z": 2}], nlm=True)
    assert all(seen)


class LooksRowsUp(LinearRegression):
    """A random intercept for each label, as of a panel."""

    def predict(self, X):
        return super().predict(X) + self.intercepts_.loc[X.index].to_numpy()


def test_a_model_that_looks_rows_up_by_label_gets_each_label_once():
    table = X.set_axis(pd.Index(LABELS["numbers"]), axis=0)
    model = LooksRowsUp().fit(table, 3 * table["x"] + table["z"])
    model.intercepts_ = pd.Series(RNG.normal(size=N), table.index)
    effects = fme(model, table, [{"x": 1}, {"z": 1}], engine="predict", **ANYWHERE)
    np.testing.assert_allclose(effects["x +1"].fme, 3)
    np.testing.assert_allclose(effects["z +1"].fme, 1)
