"""An explainer around, at the end of and inside scikit-learn's composite estimators."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import (
    ColumnTransformer,
    TransformedTargetRegressor,
    make_column_transformer,
)
from sklearn.datasets import load_diabetes
from sklearn.ensemble import (
    BaggingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingRegressor,
    VotingClassifier,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.utils import estimator_html_repr

from skfme import FMEExplainer, fme

BMI = {"bmi": -2}


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    X["sex"] = X["sex"].map({1: "s1", 2: "s2"}).astype("category")
    return X, y


@pytest.fixture(scope="module")
def numbers(diabetes):
    X, y = diabetes
    return X.drop(columns="sex"), y


def test_around_a_pipeline_steps_are_in_the_units_of_the_users_table(diabetes):
    X, y = diabetes
    encoder = make_column_transformer(
        (OneHotEncoder(), ["sex"]), remainder=StandardScaler()
    )
    model = make_pipeline(encoder, RandomForestRegressor(10, random_state=0))
    explainer = FMEExplainer(model, [BMI, {"bmi": -2, "sex": "s2"}])
    effects = explainer.fit(X, y).explain(X)
    own = explainer.estimator_
    both = X.assign(bmi=X["bmi"] - 2, sex=pd.Categorical(["s2"] * 442, ["s1", "s2"]))
    expected = own.predict(both) - own.predict(X)
    effect = effects["bmi -2, sex = s2"]
    counted = effect.counted
    np.testing.assert_allclose(effect.fme[counted], expected[counted], atol=1e-9)


def test_at_the_end_of_a_pipeline_steps_are_in_transformed_units(numbers):
    X, y = numbers
    scaler = StandardScaler().set_output(transform="pandas")
    pipeline = make_pipeline(scaler, FMEExplainer(Ridge(), {"bmi": -1})).fit(X, y)
    last = pipeline[-1].explain(pipeline[:-1].transform(X))["bmi -1"]
    whole = make_pipeline(StandardScaler(), Ridge()).fit(X, y)
    around = fme(whole, X, {"bmi": -X["bmi"].std(ddof=0)})
    np.testing.assert_array_equal(last.status, around.status)
    np.testing.assert_allclose(last.fme, around.fme)
    np.testing.assert_array_equal(pipeline.transform(X)[:, 0], last.fme)
    assert pipeline.get_feature_names_out().tolist() == ["bmi -1"]
    np.testing.assert_allclose(pipeline.predict(X), whole.predict(X))


def test_arrays_between_steps_lose_the_names_and_the_error_says_so(numbers):
    X, y = numbers
    pipeline = make_pipeline(StandardScaler(), FMEExplainer(Ridge(), BMI))
    with pytest.raises(ValueError, match=r"'bmi'.*X is an array.*set_output"):
        pipeline.fit(X, y)
    pipeline.set_output(transform="pandas").fit(X, y)
    by_position = make_pipeline(StandardScaler(), FMEExplainer(Ridge(), {1: -2}))
    by_position.fit(X, y)
    np.testing.assert_allclose(by_position.transform(X), pipeline.transform(X))


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output_reaches_the_model_and_names_the_effects(numbers, library):
    X, y = numbers
    pipeline = make_pipeline(StandardScaler(), FMEExplainer(Ridge(), BMI))
    frame = pipeline.set_output(transform=library).fit(X, y).transform(X)
    assert type(frame).__module__.split(".")[0] == library
    assert list(frame.columns) == ["bmi -2"]
    assert list(pipeline[-1].estimator_.feature_names_in_) == list(X.columns)


def test_a_sparse_matrix_before_the_explainer_is_refused_with_the_way_out(diabetes):
    X, y = diabetes
    pipeline = make_pipeline(OneHotEncoder(), FMEExplainer(Ridge()))
    with pytest.raises(TypeError, match=r"Sparse data.*explain the pipeline that"):
        pipeline.fit(X[["sex"]], y)
    around = FMEExplainer(make_pipeline(OneHotEncoder(), Ridge()))
    assert set(around.fit(X[["sex"]], y).explain(X[["sex"]])) == {
        "sex = s1",
        "sex = s2",
    }


def test_effects_as_features_need_an_imputer_after_them(numbers):
    X, y = numbers
    explainer = FMEExplainer(
        RandomForestRegressor(10, random_state=0), [BMI, {"bp": -10}]
    )
    with pytest.raises(ValueError, match=r"contains NaN(.|\n)*imputer transformer"):
        make_pipeline(explainer, Ridge()).fit(X, y)
    imputer = SimpleImputer(add_indicator=True)
    pipeline = make_pipeline(explainer, imputer, Ridge()).set_output(transform="pandas")
    pipeline.fit(X, y)
    features = pipeline[:-1].transform(X)
    assert list(features.columns) == [
        "bmi -2",
        "bp -10",
        "missingindicator_bmi -2",
        "missingindicator_bp -10",
    ]
    effects = pipeline[0].explain(X)
    outside = features["missingindicator_bmi -2"] == 1
    np.testing.assert_array_equal(outside, ~effects["bmi -2"].counted)


def test_inside_a_column_transformer_it_sees_its_own_columns(diabetes):
    X, y = diabetes
    own = ["age", "bmi", "bp"]
    columns = ColumnTransformer(
        [
            ("effect", FMEExplainer(LinearRegression(), BMI), own),
            ("scaled", StandardScaler(), ["s1"]),
        ]
    )
    values = columns.fit_transform(X, y)
    assert columns.get_feature_names_out().tolist() == ["effect__bmi -2", "scaled__s1"]
    alone = FMEExplainer(LinearRegression(), BMI).fit(X[own], y)
    np.testing.assert_array_equal(values[:, :1], alone.transform(X[own]))
    for library, kind in (("pandas", pd.DataFrame), ("polars", pl.DataFrame)):
        frame = columns.set_output(transform=library).fit_transform(X, y)
        assert isinstance(frame, kind)
        assert list(frame.columns) == ["effect__bmi -2", "scaled__s1"]


def test_a_feature_union_puts_effects_beside_the_features(numbers):
    X, y = numbers
    union = FeatureUnion(
        [
            ("raw", FunctionTransformer(feature_names_out="one-to-one")),
            ("effect", FMEExplainer(LinearRegression(), BMI)),
        ]
    ).set_output(transform="pandas")
    frame = union.fit_transform(X, y)
    assert list(frame.columns) == [f"raw__{name}" for name in X] + ["effect__bmi -2"]
    assert make_pipeline(union, SimpleImputer(), Ridge()).fit(X, y).score(X, y) > 0.4
    with_explainer = make_union(FMEExplainer(Ridge(), BMI), FMEExplainer(Ridge(), BMI))
    assert with_explainer.fit_transform(X, y).shape == (442, 2)


def test_effects_on_a_transformed_target_are_in_the_targets_own_units(numbers):
    X, y = numbers
    model = TransformedTargetRegressor(
        LinearRegression(), func=np.log, inverse_func=np.exp
    ).fit(X, y)
    effect = fme(model, X, BMI)
    logs = np.log(model.predict(X))
    slope = model.regressor_.coef_[list(X.columns).index("bmi")]
    expected = np.exp(logs - 2 * slope) - np.exp(logs)
    np.testing.assert_allclose(effect.fme[effect.counted], expected[effect.counted])


def test_effects_of_a_calibrated_classifier_are_of_calibrated_probabilities(numbers):
    X, y = numbers
    model = CalibratedClassifierCV(
        make_pipeline(StandardScaler(), LogisticRegression()), method="isotonic", cv=3
    )
    explainer = FMEExplainer(model, BMI).fit(X, y > 150)
    effect = explainer.explain(X)["bmi -2"]
    stepped = X.assign(bmi=X["bmi"] - 2)
    own = explainer.estimator_
    expected = (own.predict_proba(stepped) - own.predict_proba(X))[:, 1]
    np.testing.assert_allclose(effect.fme[effect.counted], expected[effect.counted])
    assert effect.outputs == ("True",)


def test_explainers_stand_in_for_their_models_inside_ensembles(numbers):
    X, y = numbers
    bare, wrapped = Ridge(), FMEExplainer(Ridge(), BMI)
    pairs = [
        (StackingRegressor([("m", m)], Ridge()), StackingRegressor([("m", w)], Ridge()))
        for m, w in [(bare, wrapped)]
    ]
    pairs.append(
        (
            BaggingRegressor(bare, 3, random_state=0),
            BaggingRegressor(FMEExplainer(bare, {1: -2}), 3, random_state=0),
        )
    )
    for expected, ours in pairs:
        np.testing.assert_allclose(
            ours.fit(X, y).predict(X), expected.fit(X, y).predict(X)
        )
    classifier = make_pipeline(StandardScaler(), LogisticRegression())
    for ensemble in (
        lambda m: CalibratedClassifierCV(m, cv=3),
        lambda m: VotingClassifier([("m", m)], voting="soft"),
    ):
        np.testing.assert_allclose(
            ensemble(FMEExplainer(classifier, BMI)).fit(X, y > 150).predict_proba(X),
            ensemble(classifier).fit(X, y > 150).predict_proba(X),
        )


def test_stacked_and_thresholded_models_are_explained_as_one(numbers):
    X, y = numbers
    stack = StackingRegressor(
        [("line", LinearRegression()), ("forest", RandomForestRegressor(5))], cv=3
    )
    effect = FMEExplainer(stack, BMI).fit(X, y).explain(X)["bmi -2"]
    assert effect.ame < 0
    threshold = TunedThresholdClassifierCV(LogisticRegression(max_iter=5000), cv=3)
    explainer = FMEExplainer(threshold, BMI).fit(X, y > 150)
    own = explainer.estimator_.estimator_
    inner = fme(own, X, BMI)
    np.testing.assert_allclose(explainer.explain(X)["bmi -2"].fme, inner.fme)


@pytest.mark.parametrize(
    "model",
    [
        LinearRegression(),
        RandomForestRegressor(5, random_state=0),
        MultiOutputRegressor(Ridge()),
        RegressorChain(Ridge()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_several_targets_have_an_effect_each_named_as_in_y(numbers, model):
    X, y = numbers
    targets = pd.DataFrame({"progression": y, "pressure": X["bp"] * 2})
    explainer = FMEExplainer(model, {"bp": -10}).fit(X, targets)
    effect = explainer.explain(X)["bp -10"]
    assert effect.outputs == ("progression", "pressure")
    assert explainer.get_feature_names_out().tolist() == [
        "bp -10[progression]",
        "bp -10[pressure]",
    ]
    moved = explainer.predict(X.assign(bp=X["bp"] - 10)) - explainer.predict(X)
    np.testing.assert_allclose(effect.fme[effect.counted], moved[effect.counted])


@pytest.mark.parametrize(
    "model",
    [
        RandomForestClassifier(5, random_state=0),
        MultiOutputClassifier(RandomForestClassifier(5, random_state=0)),
    ],
    ids=lambda model: type(model).__name__,
)
def test_a_classifier_of_several_targets_asks_which_one_is_meant(numbers, model):
    X, y = numbers
    targets = np.column_stack([y > 150, X["s5"] > 4.6])
    with pytest.raises(ValueError, match="response_method"):
        FMEExplainer(model, BMI).fit(X, targets)

    def high_s5(estimator, X):
        return estimator.predict_proba(X)[1][:, 1]

    explainer = FMEExplainer(model, BMI, response_method=high_s5).fit(X, targets)
    assert explainer.explain(X)["bmi -2"].fme.shape == (442,)


def test_a_chain_of_classifiers_is_explained_through_a_callable(numbers):
    X, y = numbers
    targets = np.column_stack([y > 150, X["s5"] > 4.6])
    model = ClassifierChain(LogisticRegression(max_iter=5000)).fit(X, targets)

    def first(estimator, X):
        return estimator.predict_proba(X)[:, 0]

    effect = fme(model, X, BMI, response_method=first)
    alone = LogisticRegression(max_iter=5000).fit(X, targets[:, 0])
    np.testing.assert_allclose(effect.fme, fme(alone, X, BMI).fme, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("steps", [BMI, [BMI], None], ids=["mapping", "list", "none"])
def test_a_pipeline_that_ends_in_an_explainer_is_a_model_like_any(numbers, steps):
    X, y = numbers
    for model, target in ((Ridge(), y), (LogisticRegression(max_iter=5000), y > 150)):
        scaler = StandardScaler().set_output(transform="pandas")
        pipeline = make_pipeline(scaler, FMEExplainer(model, steps)).fit(X, target)
        bare = make_pipeline(StandardScaler(), model).fit(X, target)
        effect = fme(pipeline, X, BMI)
        np.testing.assert_allclose(effect.fme, fme(bare, X, BMI).fme, rtol=1e-6)
        assert "Pipeline ending in FMEExplainer" in str(effect)
    again = FMEExplainer(FrozenEstimator(pipeline), BMI).fit(X)
    np.testing.assert_array_equal(again.explain(X)["bmi -2"].fme, effect.fme)


def test_scikit_learns_own_inspection_takes_an_explainer_for_its_model(numbers):
    X, y = numbers
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    explainer = FMEExplainer(RandomForestRegressor(5, random_state=0), BMI).fit(X, y)
    curves = [
        partial_dependence(m, X, ["bmi"], grid_resolution=5, method="brute")["average"]
        for m in (explainer, model)
    ]
    np.testing.assert_allclose(*curves)
    importances = [
        permutation_importance(m, X, y, n_repeats=1, random_state=0).importances
        for m in (explainer, model)
    ]
    np.testing.assert_allclose(*importances)


def test_the_diagram_shows_the_explainer_and_its_model(numbers):
    X, y = numbers
    pipeline = make_pipeline(StandardScaler(), FMEExplainer(Ridge(), {1: -2}))
    for estimator in (pipeline, pipeline.fit(X, y), FMEExplainer(pipeline, BMI)):
        html = estimator_html_repr(estimator)
        assert "FMEExplainer" in html
        assert "estimator: Ridge" in html
