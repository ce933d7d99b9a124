"""Models behind transformers: what is affine is read, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)

from skfme import Contrast, fme
from skfme._engine.affine import is_affine, keeps_lines

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 4)) * [1, 2, 5, 0.1] + 3
Y = X[:, 0] * 2 - X[:, 1] + np.sin(X[:, 2]) + X[:, 3]
STEP = {0: 0.7, 2: -0.4}
OPTIONS = {"extrapolation": None}

AFFINE = {
    "standard": StandardScaler(),
    "about the mean": StandardScaler(with_std=False),
    "robust": RobustScaler(),
    "largest": MaxAbsScaler(),
    "range": MinMaxScaler(),
    "components": PCA(3),
    "whitened components": PCA(3, whiten=True),
    "singular vectors": TruncatedSVD(3),
    "some columns": SelectKBest(f_regression, k=3),
    "nothing": FunctionTransformer(),
    "imputer": SimpleImputer(),
    "pipeline": make_pipeline(RobustScaler(), "passthrough", PCA(2)),
}
OTHERS = {
    "clipped range": MinMaxScaler(clip=True),
    "function": FunctionTransformer(np.tanh),
    "imputer of 0": SimpleImputer(missing_values=0),
    "imputer with marks": SimpleImputer(add_indicator=True),
    "function in a pipeline": make_pipeline(PCA(3), FunctionTransformer(np.tanh)),
    "function in a union": make_union(PCA(3), FunctionTransformer(np.tanh)),
}


@pytest.mark.parametrize("name", AFFINE)
def test_a_linear_model_behind_an_affine_transformer_is_read(name):
    model = make_pipeline(AFFINE[name], Ridge()).fit(X, Y)
    effect = fme(model, X, STEP, engine="linear", **OPTIONS)
    moved = X + [0.7, 0, -0.4, 0]
    expected = model.predict(moved) - model.predict(X)
    np.testing.assert_allclose(effect.fme, expected, atol=1e-11)


@pytest.mark.parametrize("name", AFFINE)
def test_the_nlm_behind_an_affine_transformer_is_that_of_the_transformed_step(name):
    transformer = AFFINE[name].fit(X, Y)
    Z = transformer.transform(X)
    forest = RandomForestRegressor(5, max_depth=4, random_state=0).fit(Z, Y)
    model = make_pipeline(transformer, forest)
    found = fme(model, X, STEP, nlm=True, engine="trees", **OPTIONS)
    # The same vector for every row.
    moved = transformer.transform(X[:1] + [0.7, 0, -0.4, 0]) - Z[:1]
    step = {k: float(h) for k, h in enumerate(moved[0]) if h}
    expected = fme(forest, Z, step, nlm=True, engine="trees", **OPTIONS)
    defined = ~np.isnan(expected.nlm)
    assert (np.isnan(found.nlm) == ~defined).all()
    np.testing.assert_allclose(found.nlm[defined], expected.nlm[defined], atol=1e-6)


@pytest.mark.parametrize("name", OTHERS)
def test_what_bends_or_adds_columns_is_not_affine(name):
    transformer = OTHERS[name].fit(X, Y)
    assert not is_affine(transformer)
    assert not keeps_lines([transformer], range(4), frozenset({0}))
    model = make_pipeline(transformer, Ridge()).fit(X, Y)
    with pytest.raises(ValueError, match="not known to be affine"):
        fme(model, X, STEP, engine="linear", **OPTIONS)


def test_unions_and_columns_of_affine_parts_are_affine():
    union = make_union(PCA(2), make_pipeline(StandardScaler(), PCA(1))).fit(X)
    columns = make_column_transformer(
        (StandardScaler(), [0, 1]), (MinMaxScaler(), slice(2, 4))
    )
    assert is_affine(union)
    assert is_affine(columns.fit(X))


@pytest.mark.parametrize(
    ("bent", "moving", "kept"),
    [
        ([3], {0}, True),
        ([3], {0, 3}, False),
        ([True, False, False, False], {0}, False),
        (slice(1, 3), {0, 3}, True),
        (slice(1, 3), {2}, False),
    ],
)
def test_lines_stay_straight_where_nothing_that_moves_is_bent(bent, moving, kept):
    columns = make_column_transformer(
        (FunctionTransformer(np.tanh), bent), remainder=StandardScaler()
    ).fit(X)
    for transformer in (columns, make_pipeline(columns, PCA(2).fit(X))):
        found = keeps_lines([transformer], range(4), frozenset(moving))
        assert found is kept


def people():
    kinds = RNG.choice(["a", "b", "c"], 120).astype(object)
    return pd.DataFrame({"kind": kinds, "age": RNG.normal(size=120)})


def test_categories_behind_an_imputer_are_read_and_equal_differences():
    frame = people()
    encoder = make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder())
    columns = make_column_transformer((encoder, ["kind"]), remainder=StandardScaler())
    model = make_pipeline(columns, Ridge()).fit(frame, Y)
    step = {"kind": Contrast("c", "a"), "age": 0.5}
    effect = fme(model, frame, step, engine="linear", **OPTIONS)
    before, after = (
        frame.assign(kind="c"),
        frame.assign(kind="a", age=frame["age"] + 0.5),
    )
    expected = model.predict(after) - model.predict(before)
    np.testing.assert_allclose(effect.fme, expected, atol=1e-12)


@pytest.mark.parametrize(
    ("transformers", "reason"),
    [
        (
            [(make_pipeline(FunctionTransformer(), OneHotEncoder()), ["kind"])],
            "encoder st",
        ),
        (
            [(OneHotEncoder(), ["kind"]), (OneHotEncoder(drop="first"), ["kind"])],
            "two parts",
        ),
    ],
)
def test_categories_that_are_read_twice_or_changed_are_left_to_the_model(
    transformers, reason
):
    columns = make_column_transformer(*transformers, remainder="passthrough")
    frame = people()
    model = make_pipeline(columns, Ridge()).fit(frame, Y)
    with pytest.raises(ValueError, match=reason):
        fme(model, frame, {"kind": "a"}, engine="linear", **OPTIONS)


def test_the_nlm_behind_a_function_that_bends_is_that_of_predictions():
    bent = FunctionTransformer(lambda Z: np.tanh(np.asarray(Z) / 4))
    forest = RandomForestRegressor(5, max_depth=4, random_state=0)
    model = make_pipeline(bent, forest).fit(X, Y)
    found = fme(model, X, STEP, nlm=True, engine="trees", **OPTIONS)
    plain = fme(model, X, STEP, nlm=True, engine="predict", **OPTIONS)
    np.testing.assert_allclose(found.fme, plain.fme, atol=1e-12)
    np.testing.assert_allclose(found.nlm, plain.nlm, atol=1e-8)
