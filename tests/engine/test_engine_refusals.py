"""What the tree engine leaves to the model: "auto" falls back, "trees" says why."""

import logging
import pickle
import sys
from dataclasses import replace

import numba
import numpy as np
import pandas as pd
import pytest
from numba.core.errors import TypingError
from sklearn._loss import HalfSquaredError
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skfme import FMEExplainer, fme
from skfme._engine import choice
from skfme._engine.refusals import MISSING_EXTRA, ModelNotReadError
from skfme._engine.trees import from_sklearn
from skfme._engine.trees.compiled import small_trees
from skfme._engine.trees.ensembles import CategorySplit, Tree, packed
from skfme._engine.trees.from_lightgbm import _levels
from skfme._engine.trees.packing import pack
from skfme._frames.tables import as_table

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 3)).round(2)
y = X[:, 0] + np.abs(X[:, 1]) + 0.1 * rng.normal(size=80)
frame = pd.DataFrame(X, columns=["a", "b", "c"])
levels = frame.assign(g=pd.Categorical(np.array(["p", "q", "r"])[np.arange(80) % 3]))


def assert_left_to_the_model(
    model, table, step, reason, monkeypatch, caplog, **options
):
    """ "auto" gives the model's own differences and logs why; "trees" raises it."""
    monkeypatch.setattr(choice, "_WORTH_LOADING", 0)
    options = {"extrapolation": None, **options}
    effects = {}
    for engine in ("auto", "predict"):
        explainer = FMEExplainer(FrozenEstimator(model), step, engine=engine, **options)
        with caplog.at_level(logging.DEBUG, logger="skfme._engine"):
            (effects[engine],) = explainer.fit(table).explain(table).values()
    assert effects["auto"].engine == "predict"
    np.testing.assert_array_equal(effects["auto"].fme, effects["predict"].fme)
    assert reason in caplog.text
    explainer = FMEExplainer(FrozenEstimator(model), step, engine="trees", **options)
    with pytest.raises(ValueError, match="engine='trees' cannot compute") as error:
        explainer.fit(table).explain(table)
    assert reason in str(error.value)


@pytest.fixture
def left(monkeypatch, caplog):
    def check(model, table, step, reason, **options):
        assert_left_to_the_model(
            model, table, step, reason, monkeypatch, caplog, **options
        )

    return check


def predictions(model, X):
    return model.predict(X)


REFUSED = {
    "no ensemble": (
        KNeighborsRegressor(),
        {},
        "KNeighborsRegressor is no tree ensemble that it reads",
    ),
    "function as response": (
        RandomForestRegressor(3),
        {"response_method": predictions},
        "response_method is a function, not a method",
    ),
    "class labels": (
        RandomForestClassifier(3),
        {"response_method": "predict"},
        "RandomForestClassifier.predict is no sum of trees",
    ),
    "start from another model": (
        GradientBoostingRegressor(init=LinearRegression(), n_estimators=3),
        {},
        "init=LinearRegression, which is not a constant",
    ),
    "loss of unknown link": (
        HistGradientBoostingRegressor(loss=HalfSquaredError(), max_iter=3),
        {},
        "its loss is an object, whose link is unknown",
    ),
}


@pytest.mark.parametrize(("model", "options", "reason"), REFUSED.values(), ids=REFUSED)
def test_a_response_that_is_no_known_sum_of_trees_is_refused(
    model, options, reason, left
):
    target = (y > 0).astype(int) if is_classifier(model) else y
    left(clone(model).fit(X, target), X, {0: 0.5}, reason, **options)


def test_trees_that_sum_to_other_predictions_than_the_models_are_refused(
    left, monkeypatch
):
    def misread(model, method, probe, read=from_sklearn.single_trees):
        ensemble, inputs = read(model, method, probe)
        return replace(ensemble, value=1.5 * ensemble.value), inputs

    monkeypatch.setattr(from_sklearn, "single_trees", misread)
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    left(model, X, {0: 0.5}, "its predictions differ from the model's by")


def test_a_walk_that_numba_cannot_compile_is_left_to_the_model(left, monkeypatch):
    def fail(*args):
        raise TypingError("of a type that it does not know")

    monkeypatch.setattr(small_trees, "walk_small", fail)
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    left(model, X, {0: 0.5}, "numba cannot compile the walk: of a type")


def test_a_numba_that_cannot_be_loaded_leaves_the_model_alone(left, monkeypatch):
    # As numba raises beside a NumPy that it does not know.
    monkeypatch.setitem(sys.modules, "skfme._engine.trees.walks", None)
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    left(model, X, {0: 0.5}, "numba cannot be loaded")


def test_a_numba_that_is_kept_from_compiling_is_not_used(left, monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    left(model, X, {0: 0.5}, "NUMBA_DISABLE_JIT keeps numba from compiling")


class Parsed(TransformerMixin, BaseEstimator):
    """A model's own cast, which takes text for numbers where it looks like one."""

    def fit(self, X, y=None):
        self.n_features_in_ = X.shape[1]
        return self

    def transform(self, X):
        return X


def test_columns_of_text_are_refused_by_name(left):
    table = frame.assign(b=frame["b"].astype(str).astype(object))
    model = RandomForestRegressor(3, random_state=0).fit(table.to_numpy(), y)
    model = make_pipeline(Parsed().fit(table), model)
    left(model, table, {"a": 0.5}, "column 'b' holds text")


def test_text_that_no_sample_shows_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(choice, "_ROWS_TO_SAMPLE", 8)
    table = frame.astype({"b": object})
    model = RandomForestRegressor(3, random_state=0).fit(table, y)
    table.loc[41, "b"] = "0.25"  # scikit-learn takes it for a number
    explainer = FMEExplainer(
        FrozenEstimator(model), {"a": 0.5}, engine="trees", categorical_features=["b"]
    ).fit(table)
    with pytest.raises(
        ValueError, match="compute these effects: column 'b' holds text"
    ):
        explainer.explain(table)


@pytest.mark.filterwarnings("ignore")
def test_categories_that_are_no_whole_numbers_are_refused(left):
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    coded = np.column_stack([X[:, :2], np.arange(80) % 4])
    model = library.LGBMRegressor(
        n_estimators=3, n_jobs=1, verbose=-1, min_data_per_group=1, cat_smooth=0
    ).fit(coded, y + 5 * (coded[:, 2] == 2), categorical_feature=[2])
    # A step sets what the model takes for categories, but rows may hold anything.
    for amount, reason in (
        (0.5, "not a whole number"),
        (2.0**31, "too large a number"),
    ):
        rows = coded + [0, 0, amount]
        left(model, rows, {0: 0.5}, f"a category is {reason}")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"missing": -999.0}, "missing=-999.0 stands for no value in it"),
        ({"booster": "gblinear"}, "booster='gblinear' has no trees"),
        ({"n_estimators": 0}, "it has no trees"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_xgboost_models_without_trees_or_with_own_missing_values_are_refused(
    options, reason, left
):
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    options = {"n_estimators": 3, "n_jobs": 1, **options}
    left(library.XGBRegressor(**options).fit(X, y), X, {0: 0.5}, reason)


def test_xgboost_on_a_sparse_matrix_is_refused(left):
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    encoder = OneHotEncoder(sparse_output=True)
    model = make_pipeline(encoder, library.XGBRegressor(n_estimators=3, n_jobs=1))
    left(
        model.fit(levels[["g"]], y), levels[["g"]], {"g": "q"}, "makes a sparse matrix"
    )


def test_xgboost_with_vectors_in_its_leaves_is_refused(left):
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    model = library.XGBRegressor(
        n_estimators=3, n_jobs=1, tree_method="hist", multi_strategy="multi_output_tree"
    ).fit(X, np.column_stack([y, -y]))
    left(model, X, {0: 0.5}, "its leaves hold vectors")


def test_a_forest_reads_a_sparse_matrix_as_the_model_does():
    encoder = OneHotEncoder(sparse_output=True)
    model = make_pipeline(encoder, RandomForestRegressor(3, random_state=0))
    frozen = FrozenEstimator(model.fit(levels[["g"]], y))
    fme = {}
    for engine in ("trees", "predict"):
        explainer = FMEExplainer(frozen, {"g": "q"}, engine=engine).fit(levels[["g"]])
        fme[engine] = explainer.transform(levels[["g"]])
    np.testing.assert_allclose(fme["trees"], fme["predict"], atol=1e-12)


def own_objective(y_true, y_pred):
    return y_pred - y_true, np.ones(len(y_true))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"linear_tree": True}, "linear_tree=True puts linear models into its leaves"),
        (
            {"zero_as_missing": True},
            "zero_as_missing=True makes a number a missing value",
        ),
        ({"objective": own_objective}, "its objective is a function"),
        ({"objective": "cross_entropy_lambda"}, "its link"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_lightgbm_models_that_would_be_read_wrongly_are_refused(options, reason, left):
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    options = {"n_estimators": 3, "n_jobs": 1, "verbose": -1, **options}
    target = (y > 0).astype(float)
    zeros = X * (np.abs(X) > 0.3)
    left(library.LGBMRegressor(**options).fit(zeros, target), zeros, {0: 0.5}, reason)


@pytest.fixture
def stops_early():
    """A classifier that leaves out the last trees of few rows, which are sure."""
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    sure = np.append(np.repeat(0.0, 900), 9.0)
    table = pd.DataFrame({"a": rng.normal(size=901).clip(-1, 1), "b": sure})
    table = pd.concat([table, table.iloc[-1:]] * 20, ignore_index=True)
    target = rng.random(len(table)) < 1 / (1 + np.exp(-(table["a"] + table["b"])))
    model = library.LGBMClassifier(n_estimators=60, n_jobs=1, verbose=-1)
    return model.set_params(pred_early_stop_margin=3.0), table, target


@pytest.mark.parametrize("value", [True, "true", "+"])
def test_lightgbm_that_stops_early_in_prediction_is_refused(value, stops_early, left):
    model, table, target = stops_early
    model.set_params(pred_early_stop=value).fit(table, target)
    whole = clone(model).set_params(pred_early_stop=False).fit(table, target)
    assert (model.predict_proba(table) != whole.predict_proba(table)).any()
    left(model, table, {"a": 0.5}, "pred_early_stop ends the sum of trees early")
    search = GridSearchCV(make_pipeline(model), {}, cv=2).fit(table, target)
    left(search, table, {"a": 0.5}, "pred_early_stop ends the sum of trees early")


@pytest.mark.parametrize("value", [None, False, "false", "-"])
def test_lightgbm_that_does_not_stop_early_is_read(value, stops_early):
    model, table, target = stops_early
    model.set_params(pred_early_stop=value, n_estimators=3).fit(table, target)
    effect = fme(model, table, {"a": 0.5}, engine="trees")
    assert effect.engine == "trees"


def test_a_parameter_that_is_set_after_the_model_was_read_is_noticed(stops_early):
    model, table, target = stops_early
    model.set_params(n_estimators=3).fit(table, target)
    explainer = FMEExplainer(FrozenEstimator(model), {"a": 0.5}, engine="trees")
    explainer.fit(table).explain(table)
    model.set_params(pred_early_stop=True)
    with pytest.raises(ValueError, match="pred_early_stop"):
        explainer.explain(table)


def test_a_booster_predicts_without_the_parameters_that_it_was_trained_with(
    stops_early,
):
    _, table, target = stops_early
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    options = {"objective": "binary", "verbose": -1, "num_threads": 1}
    early = {"pred_early_stop": True, "pred_early_stop_margin": 3.0}
    data = library.Dataset(table, target)
    booster = library.train({**options, **early}, data, 60)
    moved = table.assign(a=table["a"] + 0.5)
    assert (booster.predict(table, **early) != booster.predict(table)).any()
    effect = fme(booster, table, {"a": 0.5}, extrapolation=None, engine="trees")
    by_hand = booster.predict(moved) - booster.predict(table)
    np.testing.assert_allclose(effect.fme, by_hand, atol=1e-12)


def test_lightgbm_on_integers_that_lose_digits_is_refused(left):
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    whole = (X * 1000).astype(np.int64) + 2**25
    model = library.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(whole, y)
    left(model, whole, {0: 1}, "integers of column 'x0'")


def test_lightgbm_on_other_columns_of_type_category_is_refused():
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    model = library.LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1).fit(frame, y)
    with pytest.raises(ModelNotReadError, match=r"trained on 0 columns .* has 1"):
        _levels(model.booster_, as_table(levels))


def stump(**options):
    """A tree of one split, at 0."""
    return Tree(
        left=np.array([1, -1, -1]),
        right=np.array([2, -1, -1]),
        feature=np.zeros(3, dtype=int),
        threshold=np.zeros(3),
        missing_left=np.zeros(3, dtype=bool),
        value=np.arange(3.0)[:, None],
        **options,
    )


def test_a_feature_split_by_thresholds_and_by_categories_is_refused():
    split = CategorySplit(np.array([1]), members_left=True, unknown_left=False)
    with pytest.raises(ModelNotReadError, match="both by thresholds and by categories"):
        packed([stump(), stump(splits={0: split})], np.zeros(1))


def test_an_ensemble_of_too_many_features_is_refused():
    ensemble = packed([stump()], np.zeros(1))
    wide = replace(ensemble, cuts={j: np.zeros(1) for j in range(2**15)})
    with pytest.raises(ModelNotReadError, match="it is too large: at most"):
        pack(wide, missing=False)


def test_without_the_extra_nothing_is_walked(left, monkeypatch):
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    model = RandomForestRegressor(3, random_state=0).fit(X, y)
    left(model, X, {0: 0.5}, MISSING_EXTRA)


def test_a_model_fitted_again_in_place_is_read_again():
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), {0: 0.5}, engine="trees").fit(X)
    explainer.explain(X)
    read = explainer._choice._models["trees"]
    explainer.explain(X)
    assert explainer._choice._models["trees"] is read
    model.fit(X, -3 * y)
    fresh = FMEExplainer(FrozenEstimator(model), {0: 0.5}, engine="predict").fit(X)
    np.testing.assert_allclose(explainer.transform(X), fresh.transform(X), atol=1e-12)
    explainer.fit(X)
    assert explainer._choice._models["trees"] is not read


def test_a_pickled_explainer_does_not_hold_the_trees_twice():
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(model), {0: 0.5}, engine="trees").fit(X)
    expected = explainer.transform(X)
    sent = pickle.dumps(explainer)
    assert len(sent) < 1.2 * len(pickle.dumps(model)) + 20_000
    np.testing.assert_array_equal(pickle.loads(sent).transform(X), expected)


def test_kernels_are_compiled_for_one_layout_only():
    from skfme._engine.trees.compiled import coding, integrals, jumps

    compiled = (
        coding.code_block,
        coding.code_words,
        small_trees.walk_small,
        jumps.lines_of_block,
        jumps.log_jumps,
        integrals.integrate,
    )
    model = RandomForestRegressor(3, random_state=0).fit(X, y)
    frozen = FrozenEstimator(model)
    read_only = np.asfortranarray(X)
    read_only.flags.writeable = False
    wide = pd.DataFrame(np.repeat(X, 2, axis=1)).iloc[::1, ::2]
    wide.columns = ["a", "b", "c"]
    tables = [X, np.asfortranarray(X), read_only, X[::-1], X.astype(np.float32), wide]
    before = [len(kernel.signatures) for kernel in compiled]
    for table in tables:
        for nlm in (False, True):
            explainer = FMEExplainer(
                frozen, {0: 0.5} if table is not wide else {"a": 0.5}
            )
            explainer.set_params(engine="trees", nlm=nlm).fit(table).explain(table)
    # As joblib ships it: pickled, its arrays mapped from a file that is only read.
    explainer = FMEExplainer(frozen, {0: 0.5}, engine="trees", nlm=True).fit(X)
    expected = explainer.transform(X)
    shipped = pickle.loads(pickle.dumps(explainer._choice._models["trees"]))
    for value in vars(shipped.walks.ensemble).values():
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    explainer._choice._models["trees"] = shipped
    np.testing.assert_array_equal(explainer.transform(X), expected)
    assert explainer._choice._models["trees"] is shipped
    # By two of these at most: bytes or more as codes, one output or several, categories or
    # none, paths along one column each or along several.
    after = [len(kernel.signatures) for kernel in compiled]
    assert max(after) <= 4
    assert all(now - then <= 1 for now, then in zip(after, before, strict=True))
