"""Whole answers from every kind of table: the same numbers, the model's own table back.

tests/frames/test_tables.py says what a step does to each type of column.
"""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer, ame, came, fme
from skfme.metrics import effect_stability, make_monotonicity_scorer
from skfme.statsmodels import EffectTree
from tests.ecosystem.zoo import diabetes
from tests.recorder import values_of

STEPS = [{"bmi": -2}, {"sex": "s2"}, {"bmi": -2, "sex": "s2"}]
ROWS = 150


@pytest.fixture(scope="module")
def rows():
    X, y = diabetes()
    return X.iloc[:ROWS].assign(sex=X["sex"].astype("str")), y.iloc[:ROWS].to_numpy()


def modin_frame(X):
    pd_modin = pytest.importorskip(
        "modin.pandas", reason="modin is installed in the leg with pandas 2 alone"
    )
    return pd_modin.DataFrame(X)


KINDS = {
    "pandas": lambda X: X,
    "pandas of pyarrow": lambda X: X.convert_dtypes(dtype_backend="pyarrow"),
    "pandas nullable": lambda X: X.convert_dtypes(),
    "polars": pl.from_pandas,
    "pyarrow": lambda X: pa.Table.from_pandas(X, preserve_index=False),
    "modin": modin_frame,
}


class OfOneKind(RegressorMixin, BaseEstimator):
    """Rises with BMI, more so for s2; refuses any kind of table but that of fit."""

    def fit(self, X, y=None):
        self.kind_ = type(X)
        return self

    def predict(self, X):
        assert type(X) is self.kind_, f"got {type(X)}, fitted on {self.kind_}"
        bmi = np.array(values_of(X, "bmi"), dtype=float)
        s2 = np.array([sex == "s2" for sex in values_of(X, "sex")])
        return bmi**2 / 10 + np.where(s2, bmi, 0)


@pytest.fixture(autouse=True, scope="module")
def modin_without_an_engine():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODIN_ENGINE", "python")
        yield


@pytest.fixture(scope="module")
def expected(rows):
    X, y = rows
    return FMEExplainer(OfOneKind(), STEPS, nlm=True).fit(X, y).explain(X)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_has_the_same_effects(rows, expected, kind):
    X, y = rows
    table = KINDS[kind](X)
    explainer = FMEExplainer(OfOneKind(), STEPS, nlm=True).fit(table, y)
    effects = explainer.explain(table)
    pd.testing.assert_frame_equal(effects.to_frame(), expected.to_frame())
    for name, effect in effects.items():
        np.testing.assert_array_equal(effect.status, expected[name].status)
    pd.testing.assert_frame_equal(
        effects["bmi -2"].average(by="sex"), expected["bmi -2"].average(by="sex")
    )
    np.testing.assert_allclose(
        explainer.transform(table), np.column_stack([e.fme for e in expected.values()])
    )
    assert type(effects["bmi -2"].counted_data().X) is type(table)
    profile = explainer.step_profile(table, "bmi", sizes=[-2])
    assert profile.effects["bmi -2"].ame == pytest.approx(expected["bmi -2"].ame)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_table_has_the_same_partitions(rows, expected, kind):
    X, y = rows
    table = KINDS[kind](X)
    effects = FMEExplainer(OfOneKind(), STEPS).fit(table, y).explain(table)
    tree = came(effects["bmi -2"], n_partitions=3)
    same = came(expected["bmi -2"], n_partitions=3)
    columns = ["rule", "n", "ame", "sd"]
    pd.testing.assert_frame_equal(tree.partitions_[columns], same.partitions_[columns])
    np.testing.assert_array_equal(tree.apply(table), same.apply(X))


@pytest.mark.parametrize("other", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_gets_the_kind_of_table_that_it_was_fitted_on(rows, kind, other):
    X, y = rows
    fitted = FMEExplainer(OfOneKind(), STEPS).fit(KINDS[kind](X), y)
    effects = fitted.explain(KINDS[other](X))  # OfOneKind refuses any other
    assert effects["bmi -2, sex = s2"].n > 0
    assert fitted.predict(KINDS[other](X)).shape == (ROWS,)


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([f"patient {i}" for i in range(ROWS)], name="who"),
        pd.date_range("2026-01-01", periods=ROWS, name="day"),
        pd.MultiIndex.from_product(
            [range(ROWS // 2), ["a", "b"]], names=["pair", "of"]
        ),
        pd.RangeIndex(ROWS, 0, -1),
        pd.Index([7] * ROWS),
    ],
    ids=["text", "dates", "levels", "range", "repeated"],
)
def test_the_index_of_a_pandas_table_is_kept(rows, index):
    X, y = rows
    table = X.set_axis(index)
    effect = fme(OfOneKind().fit(table), table, {"bmi": -2})
    pd.testing.assert_index_equal(effect.to_frame().index, index)
    path = FMEExplainer(OfOneKind(), {"bmi": -2}).fit(table, y).path(table, "bmi -2")
    pd.testing.assert_index_equal(path.index, index)
    counted = effect.counted_data().X.index
    pd.testing.assert_index_equal(counted, index[effect.counted])


def test_the_index_of_modin_is_kept_and_that_of_others_counts_rows(rows):
    X, _ = rows
    for table in (pl.from_pandas(X), pa.Table.from_pandas(X)):
        effect = fme(OfOneKind().fit(table), table, {"bmi": -2})
        pd.testing.assert_index_equal(effect.to_frame().index, pd.RangeIndex(ROWS))
    table = modin_frame(X.set_axis(range(5, ROWS + 5)))
    effect = fme(OfOneKind().fit(table), table, {"bmi": -2})
    assert effect.to_frame().index[0] == 5


@pytest.mark.parametrize(
    "make", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array]
)
def test_sparse_tables_are_refused_wherever_they_are_given(rows, make):
    X, y = rows
    dense = X[["age", "bmi"]].to_numpy()
    table = make(dense)
    explainer = FMEExplainer(LinearRegression(), {1: -2}).fit(dense, y)
    tree = EffectTree().fit(dense, y)
    calls = [
        lambda: FMEExplainer(LinearRegression()).fit(table, y),
        lambda: explainer.explain(table),
        lambda: explainer.transform(table),
        lambda: explainer.predict(table),
        lambda: explainer.path(table, "x1 -2"),
        lambda: explainer.step_profile(table, 1),
        lambda: fme(explainer.estimator_, table, {1: -2}),
        lambda: ame(explainer.estimator_, table),
        lambda: EffectTree().fit(table, y),
        lambda: tree.predict(table),
        lambda: effect_stability([explainer, explainer], table, {1: -2}),
        lambda: make_monotonicity_scorer(1, 1)(explainer, table, y),
    ]
    for call in calls:
        with pytest.raises(TypeError, match=r"Sparse data was passed.*toarray\(\)"):
            call()


def test_a_sparse_column_is_refused_by_its_type_and_others_are_explained(rows):
    X, _ = rows
    table = X.assign(bmi=pd.arrays.SparseArray(X["bmi"]))
    with pytest.raises(TypeError, match=r"'bmi'.*Sparse\[float64.*dense column"):
        fme(OfOneKind().fit(table), table, {"bmi": -2})
    assert fme(OfOneKind().fit(table), table, {"sex": "s2"}).ame > 0


def test_masked_entries_of_an_array_are_missing(rows):
    X, y = rows
    values = X[["age", "bmi"]].to_numpy()
    mask = np.zeros(values.shape, dtype=bool)
    mask[3:9, 1] = True
    masked = np.ma.MaskedArray(values, mask)
    model = DecisionTreeRegressor(random_state=0).fit(values, y)
    effect = fme(model, masked, {1: -2})
    assert (effect.status == "missing").tolist() == mask[:, 1].tolist()
    other = fme(model, np.where(mask, np.nan, values), {1: -2})
    np.testing.assert_array_equal(effect.fme, other.fme)
    integers = np.ma.MaskedArray(X[["age"]].to_numpy().astype(int), mask[:, 1:])
    assert fme(model.fit(values[:, :1], y), integers, {0: 1}).n_left_out["missing"] == 6


def test_a_narwhals_table_is_the_table_inside(rows):
    nw = pytest.importorskip("narwhals.stable.v2")
    X, _ = rows
    for native in (X, pl.from_pandas(X)):
        effect = fme(OfOneKind().fit(native), nw.from_native(native), {"bmi": -2})
        assert type(effect.X) is type(native)
