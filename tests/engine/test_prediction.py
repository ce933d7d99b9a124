"""Responses: what is differenced for each kind of model, and what a model is asked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sklearn
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBRegressor

from skfme import Contrast, FMEExplainer, Scale, SetTo, fme
from tests.recorder import recorded

ANYWHERE = {"extrapolation": None}


@pytest.fixture(scope="module")
def iris():
    return load_iris(return_X_y=True, as_frame=True)


@pytest.fixture(scope="module")
def flowers(iris):
    """Two classes, named by text."""
    X, y = iris
    return X[50:], np.where(y[50:] == 1, "versicolor", "virginica")


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


WIDTH = "petal width (cm)"


def shifted(X, h=0.1):
    return X.assign(**{WIDTH: X[WIDTH] + h})


def test_a_regressor_is_differenced_by_predict(diabetes):
    X, y = diabetes
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    effect = fme(model, X, {"bmi": -2}, **ANYWHERE)
    expected = model.predict(X.assign(bmi=X["bmi"] - 2)) - model.predict(X)
    np.testing.assert_array_equal(effect.fme, expected)
    assert effect.fme.shape == (442,)


def test_a_regressor_of_several_outputs_has_an_effect_on_each(diabetes):
    X, y = diabetes
    Y = pd.DataFrame({"progress": y, "twice": 2 * y, "bmi again": X["bmi"]})
    effect = (
        FMEExplainer(LinearRegression(), {"bmi": -2}, **ANYWHERE)
        .fit(X, Y)
        .explain(X)["bmi -2"]
    )
    assert effect.outputs == ("progress", "twice", "bmi again")
    assert effect.fme.shape == (442, 3)
    np.testing.assert_allclose(effect.fme[:, 1], 2 * effect.fme[:, 0], rtol=1e-9)
    np.testing.assert_allclose(effect.fme[:, 2], -2, rtol=1e-9)
    np.testing.assert_allclose(effect.ame[2], -2, rtol=1e-9)


def test_outputs_without_names_are_numbered(diabetes):
    X, y = diabetes
    model = LinearRegression().fit(X, np.column_stack([y, y]))
    assert fme(model, X, {"bmi": -2}, **ANYWHERE).outputs == ("y0", "y1")


@pytest.mark.parametrize(
    "convert", [pl.from_pandas, pa.Table.from_pandas], ids=["polars", "pyarrow"]
)
def test_targets_of_any_table_library_have_their_names(diabetes, convert):
    X, y = diabetes
    Y = convert(pd.DataFrame({"progress": y, "bmi again": X["bmi"]}))
    for model in (MultiOutputRegressor(LinearRegression()), PLSRegression(2)):
        explainer = FMEExplainer(model, {"bmi": -2}, **ANYWHERE).fit(X, Y)
        effect = explainer.explain(X)["bmi -2"]
        assert effect.outputs == ("progress", "bmi again")
        expected = explainer.predict(X.assign(bmi=X["bmi"] - 2)) - explainer.predict(X)
        np.testing.assert_allclose(effect.fme, expected)


def test_a_target_in_a_table_of_one_column_has_its_name(diabetes):
    X, y = diabetes
    for table in (y.to_frame("progress"), pl.from_pandas(y.to_frame("progress"))):
        explainer = FMEExplainer(LinearRegression(), {"bmi": -2}, **ANYWHERE)
        assert explainer.fit(X, table).explain(X)["bmi -2"].outputs == ("progress",)
    unnamed = pd.DataFrame(y.to_numpy())
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2}, **ANYWHERE)
    assert explainer.fit(X, unnamed).explain(X)["bmi -2"].outputs == ("y",)


def test_a_given_models_targets_are_named_after_the_table_that_fit_gets(diabetes):
    X, y = diabetes
    Y = pd.DataFrame({"progress": y, "bmi again": X["bmi"]})
    model = MultiOutputRegressor(LinearRegression()).fit(X, Y)  # keeps no names
    explainer = FMEExplainer(FrozenEstimator(model), {"bmi": -2}, **ANYWHERE)
    effect = explainer.fit(X, Y).explain(X)["bmi -2"]
    assert effect.outputs == ("progress", "bmi again")
    np.testing.assert_allclose(effect.fme[:, 1], -2)


class TwoTargets(LinearRegression):
    target_names_ = ("near", "far")


def test_a_model_names_its_targets_wherever_it_stands(diabetes):
    X, y = diabetes
    Y = np.column_stack([y, X["bmi"]])
    search = GridSearchCV(TwoTargets(), {"fit_intercept": [True]}, cv=2)
    for model in (TwoTargets(), make_pipeline(StandardScaler(), TwoTargets()), search):
        effect = fme(model.fit(X, Y), X, {"bmi": -2}, **ANYWHERE)
        assert effect.outputs == ("near", "far")


def test_classes_of_one_target_are_not_named_after_the_targets(diabetes):
    X, y = diabetes
    Y = pd.DataFrame({"severe": y > 150, "old": X["age"] > 50})
    model = MultiOutputClassifier(GaussianNB())

    def of_severe(estimator, X):
        return estimator.predict_proba(X)[0]

    def of_true(estimator, X):
        return np.column_stack([p[:, 1] for p in estimator.predict_proba(X)])

    options = {"steps": {"bmi": -2}, **ANYWHERE}
    outputs = {}
    for response in (of_severe, of_true):
        explainer = FMEExplainer(model, response_method=response, **options).fit(X, Y)
        outputs[response] = explainer.explain(X)["bmi -2"].outputs
    assert outputs == {of_severe: ("y0", "y1"), of_true: ("severe", "old")}


def test_labels_in_a_list_are_classes_of_one_target(flowers):
    X, y = flowers

    inner = GaussianNB().fit(X, y)

    class Given:  # as AutoGluon has them
        classes_ = ["versicolor", "virginica"]  # noqa: RUF012
        predict, predict_proba = inner.predict, inner.predict_proba

    effect = fme(Given(), X, {WIDTH: 0.1}, **ANYWHERE)
    assert effect.outputs == ("virginica",)
    own = fme(inner, X, {WIDTH: 0.1}, **ANYWHERE)
    np.testing.assert_array_equal(effect.fme, own.fme)


def test_a_classifier_whose_bases_come_in_another_order_is_one(flowers):
    X, y = flowers

    class Tagged(BaseEstimator):
        def fit(self, X, y):
            self.inner_ = GaussianNB().fit(X, y)
            self.classes_ = self.inner_.classes_
            return self

        def predict_proba(self, X):
            return self.inner_.predict_proba(X)

        def __sklearn_tags__(self):
            tags = super().__sklearn_tags__()
            tags.estimator_type = "classifier"  # and no classifier_tags
            return tags

    effect = fme(Tagged().fit(X, y), X, {WIDTH: 0.1}, **ANYWHERE)
    own = fme(GaussianNB().fit(X, y), X, {WIDTH: 0.1}, **ANYWHERE)
    np.testing.assert_array_equal(effect.fme, own.fme)


def test_a_model_without_predict_is_explained_by_a_method_that_is_named(diabetes):
    X, _ = diabetes

    class Median:
        def predict_median(self, X):
            return 3 * X["bmi"] ** 2

    with pytest.raises(TypeError, match="predict method.*response_method="):
        fme(Median(), X, {"bmi": -2})
    for method in ("predict_median", lambda model, X: model.predict_median(X)):
        effect = fme(Median(), X, {"bmi": -2}, response_method=method, **ANYWHERE)
        np.testing.assert_allclose(effect.fme, 12 - 12 * X["bmi"])


def test_boosters_that_take_no_tables_are_refused_with_the_function_to_write(diabetes):
    X, y = diabetes
    xgboost, treelite = pytest.importorskip("xgboost"), pytest.importorskip("treelite")
    booster = xgboost.train({"nthread": 1}, xgboost.DMatrix(X, y), 5)
    raw = bytes(booster.save_raw("json")).decode()
    trees = treelite.frontend.from_xgboost_json(raw)
    for model in (booster, trees):
        with pytest.raises(TypeError, match="such as lambda X: ") as caught:
            fme(model, X, {"bmi": -2})
        code = str(caught.value).split("such as ")[1].rstrip(".")
        names = {"model": model, "xgboost": xgboost, "treelite": treelite}
        predict = eval(code, names)
        effect = fme(predict, X, {"bmi": -2}, **ANYWHERE)
        moved = xgboost.DMatrix(X.assign(bmi=X["bmi"] - 2))
        expected = booster.predict(moved) - booster.predict(xgboost.DMatrix(X))
        np.testing.assert_allclose(effect.fme, expected, atol=1e-4)


def test_one_column_of_predictions_is_one_output(diabetes):
    X, y = diabetes
    model = LinearRegression().fit(X, y.to_frame())
    effect = fme(model, X, {"bmi": -2}, **ANYWHERE)
    assert effect.fme.shape == (442,)
    np.testing.assert_allclose(effect.fme, -2 * model.coef_[0, 2], rtol=1e-9)


def test_a_binary_classifier_is_differenced_by_its_positive_class_alone(flowers):
    X, y = flowers
    model = LogisticRegression().fit(X, y)
    effect = fme(model, X, {WIDTH: 0.1}, **ANYWHERE)
    expected = model.predict_proba(shifted(X)) - model.predict_proba(X)
    assert effect.outputs == ("virginica",)
    np.testing.assert_allclose(effect.fme, expected[:, 1], rtol=1e-11, atol=1e-15)


def test_a_binary_classifier_has_the_closed_form_of_the_logistic_function(flowers):
    X, y = flowers
    model = LogisticRegression().fit(X, y)
    z = X.to_numpy() @ model.coef_[0] + model.intercept_[0]
    h = 0.1 * model.coef_[0, 3]
    expected = 1 / (1 + np.exp(-z - h)) - 1 / (1 + np.exp(-z))
    effect = fme(model, X, {WIDTH: 0.1}, **ANYWHERE)
    np.testing.assert_allclose(effect.fme, expected, rtol=1e-10)


def test_a_multiclass_classifier_is_differenced_by_every_class(iris):
    X, y = iris
    names = load_iris().target_names[y]
    model = LogisticRegression(max_iter=1000).fit(X, names)
    effect = fme(model, X, {WIDTH: 0.1}, **ANYWHERE)
    assert effect.outputs == ("setosa", "versicolor", "virginica")
    expected = model.predict_proba(shifted(X)) - model.predict_proba(X)
    np.testing.assert_allclose(effect.fme, expected, rtol=1e-11, atol=1e-15)
    np.testing.assert_allclose(effect.fme.sum(axis=1), 0, atol=1e-14)


def test_decision_function_of_two_classes_is_one_output(flowers):
    X, y = flowers
    model = LogisticRegression().fit(X, y)
    effect = fme(
        model, X, {WIDTH: 0.1}, response_method="decision_function", **ANYWHERE
    )
    assert effect.outputs == ("virginica",)
    np.testing.assert_allclose(effect.fme, 0.1 * model.coef_[0, 3], rtol=1e-10)


def test_two_columns_of_a_function_are_named_by_the_two_classes(flowers):
    X, y = flowers
    model = LogisticRegression().fit(X, y)

    def log_odds(estimator, X):
        return estimator.predict_log_proba(X)

    effect = fme(model, X, {WIDTH: 0.1}, response_method=log_odds, **ANYWHERE)
    assert effect.outputs == tuple(map(str, model.classes_))


def test_decision_function_of_three_classes_is_one_output_for_each(iris):
    X, y = iris
    model = LinearSVC().fit(X, y)
    effect = fme(
        model, X, {WIDTH: 0.1}, response_method="decision_function", **ANYWHERE
    )
    assert effect.outputs == ("0", "1", "2")
    for k in range(3):
        np.testing.assert_allclose(effect.fme[:, k], 0.1 * model.coef_[k, 3], rtol=1e-9)


def test_predict_log_proba_is_the_difference_of_logs(flowers):
    X, y = flowers
    model = LogisticRegression().fit(X, y)
    effect = fme(
        model, X, {WIDTH: 0.1}, response_method="predict_log_proba", **ANYWHERE
    )
    before, after = model.predict_proba(X)[:, 1], model.predict_proba(shifted(X))[:, 1]
    np.testing.assert_allclose(effect.fme, np.log(after / before), rtol=1e-9)


def test_a_callable_response_gets_the_fitted_model_and_the_table(flowers):
    X, y = flowers
    model = LogisticRegression().fit(X, y)

    def odds(estimator, X):
        assert list(X.columns) == list(flowers[0].columns)
        p = estimator.predict_proba(X)[:, 1]
        return p / (1 - p)

    effect = fme(model, X, {WIDTH: 0.1}, response_method=odds, **ANYWHERE)
    ratio = np.exp(0.1 * model.coef_[0, 3])
    before = model.predict_proba(X)[:, 1]
    before = before / (1 - before)
    np.testing.assert_allclose(effect.fme, before * (ratio - 1), rtol=1e-8)


def test_a_callable_response_chooses_one_output_of_several():
    X = np.random.default_rng(0).normal(size=(40, 2))
    model = MultiOutputClassifier(GaussianNB()).fit(X, X > 0)
    effect = fme(
        model,
        X,
        {1: 0.5},
        response_method=lambda estimator, X: estimator.predict_proba(X)[1][:, 1],
        **ANYWHERE,
    )
    single = model.estimators_[1]
    expected = single.predict_proba(X + np.array([0, 0.5])) - single.predict_proba(X)
    np.testing.assert_array_equal(effect.fme, expected[:, 1])


def test_predict_of_a_classifier_of_numbers_is_a_difference_of_labels(iris):
    X, y = iris
    model = DecisionTreeClassifier(random_state=0).fit(X, y)
    effect = fme(model, X, {WIDTH: 1}, response_method="predict", **ANYWHERE)
    expected = model.predict(shifted(X, 1)) - model.predict(X)
    np.testing.assert_array_equal(effect.fme, expected)
    assert set(effect.fme) > {0.0}


LABELS = {
    "booleans": lambda X: X[:, 0] > 1.5,
    "booleans as objects": lambda X: (X[:, 0] > 1.5).astype(object),
    "nullable booleans": lambda X: pd.Series(X[:, 0] > 1.5, dtype="boolean"),
    "categories": lambda X: pd.Series(X[:, 0].astype(int), dtype="category"),
    "dates": lambda X: X[:, 0].astype("datetime64[D]"),
    "complex numbers": lambda X: X[:, 0] * 1j,
}


@pytest.mark.parametrize("kind", LABELS)
def test_predictions_that_are_no_numbers_are_not_differenced(kind):
    X = np.array([[0.0], [1.0], [2.0]])
    with pytest.raises(ValueError, match="did not return numbers.*predict_proba"):
        fme(LABELS[kind], X, {0: 1}, **ANYWHERE)


class OfTrueAndFalse:
    """A classifier of another convention: predict returns booleans."""

    def predict(self, X):
        return X[:, 0] > 1.5

    def predict_proba(self, X):
        return 1 / (1 + np.exp(1.5 - X[:, 0]))


def test_a_classifier_that_predicts_booleans_is_explained_by_its_probabilities():
    X = np.array([[0.0], [1.0], [2.0]])
    model = OfTrueAndFalse()
    effect = fme(model, X, {0: 1}, **ANYWHERE)
    np.testing.assert_allclose(
        effect.fme, model.predict_proba(X + 1) - model.predict_proba(X), rtol=1e-14
    )
    with pytest.raises(ValueError, match="did not return numbers"):
        fme(model, X, {0: 1}, response_method="predict", **ANYWHERE)


def test_masked_predictions_are_not_taken_for_numbers():
    X = np.array([[0.0], [1.0], [2.0]])
    model = lambda X: np.ma.masked_greater(X[:, 0], 2.5)  # noqa: E731
    with pytest.raises(ValueError, match="returned NaN in 1 of"):
        fme(model, X, {0: 1}, **ANYWHERE)


class WithoutTags(BaseEstimator, ClassifierMixin):
    """In this order of bases, scikit-learn's tags say nothing of a classifier."""

    def fit(self, X, y):
        self.model_ = LogisticRegression().fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class WithoutMixin(WithoutTags, BaseEstimator):
    __sklearn_tags__ = BaseEstimator.__sklearn_tags__


@pytest.mark.parametrize("kind", [WithoutTags, WithoutMixin])
@pytest.mark.parametrize("piped", [False, True])
def test_probabilities_and_classes_make_a_classifier(kind, piped):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    model = kind()
    model = make_pipeline(StandardScaler(), model) if piped else model
    model.fit(X, (X[:, 0] + rng.normal(size=200) > 0).astype(int))
    effect = fme(model, X, {0: 0.5}, **ANYWHERE)
    expected = model.predict_proba(X + [0.5, 0]) - model.predict_proba(X)
    np.testing.assert_allclose(effect.fme, expected[:, 1], rtol=1e-12, atol=1e-15)


def test_unsigned_predictions_do_not_wrap():
    X = np.array([[3.0], [1.0]])
    effect = fme(lambda X: (5 - X[:, 0]).astype("uint8"), X, {0: 2}, **ANYWHERE)
    np.testing.assert_array_equal(effect.fme, [-2, -2])


def test_a_transformed_target_is_explained_in_its_own_units(diabetes):
    X, y = diabetes
    model = TransformedTargetRegressor(
        LinearRegression(), func=np.log, inverse_func=np.exp
    ).fit(X, y)
    effect = fme(model, X, {"bmi": -2}, **ANYWHERE)
    factor = np.exp(-2 * model.regressor_.coef_[2])
    np.testing.assert_allclose(effect.fme, model.predict(X) * (factor - 1), rtol=1e-9)


def test_a_pipeline_is_explained_in_the_units_of_its_input(diabetes):
    X, y = diabetes
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(X, y)
    slope = model[-1].coef_[2] / model[0].scale_[2]
    effect = fme(model, X, {"bmi": -2}, **ANYWHERE)
    np.testing.assert_allclose(effect.fme, -2 * slope, rtol=1e-9)


def test_predictions_may_be_a_series_a_list_or_a_column():
    X = np.arange(6.0).reshape(3, 2)
    for wrap in (pd.Series, list, pl.Series, lambda v: v[:, None], pd.DataFrame):
        effect = fme(lambda X, wrap=wrap: wrap(X[:, 0] ** 2), X, {0: 1}, **ANYWHERE)
        np.testing.assert_array_equal(effect.fme, [1, 5, 9])


def test_a_series_of_predictions_is_read_by_position():
    X = pd.DataFrame({"a": [1.0, 2.0, 3.0]}, index=[2, 0, 1])
    effect = fme(lambda X: X["a"] ** 2, X, {"a": 1}, **ANYWHERE)
    np.testing.assert_array_equal(effect.fme, [3, 5, 7])


def test_a_model_that_squeezes_its_output_can_be_explained():
    X = np.arange(6.0).reshape(3, 2)
    effect = fme(lambda X: (X[:, [0]] ** 2).squeeze(), X, {0: 1}, **ANYWHERE)
    np.testing.assert_array_equal(effect.fme, [1, 5, 9])


MULTILABEL = [
    RandomForestClassifier(3),
    KNeighborsClassifier(),
    MultiOutputClassifier(LogisticRegression()),
    OneVsRestClassifier(LogisticRegression()),
    ClassifierChain(LogisticRegression()),
    MLPClassifier((4,), solver="lbfgs", max_iter=500, random_state=0),
    make_pipeline(
        StandardScaler(),
        MLPClassifier((4,), solver="lbfgs", max_iter=500, random_state=0),
    ),
]


@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("model", MULTILABEL, ids=lambda m: type(m).__name__)
def test_a_multilabel_classifier_is_an_error_that_names_response_method(
    model, n_labels
):
    X = np.random.default_rng(0).normal(size=(60, 3))
    Y = (X[:, :n_labels] > 0).astype(int)
    with pytest.raises(ValueError, match="response_method"):
        FMEExplainer(model, {0: 0.1}, **ANYWHERE).fit(X, Y)
    with pytest.raises(ValueError, match="response_method"):
        fme(model.fit(X, Y), X, {0: 0.1}, **ANYWHERE)


@pytest.mark.parametrize("model", [RidgeClassifier(), LinearSVC()], ids=str)
def test_a_classifier_without_probabilities_is_an_error_that_names_it(model, flowers):
    X, y = flowers
    name = type(model).__name__
    message = rf"{name} .*without predict_proba.*response_method='decision_function'"
    with pytest.raises(ValueError, match=message):
        FMEExplainer(model, {WIDTH: 0.1}).fit(X, y)
    with pytest.raises(ValueError, match=message):
        fme(model.fit(X, y), X, {WIDTH: 0.1})


@pytest.mark.parametrize("method", ["predict_proba", "decide"])
def test_a_method_the_model_lacks_is_an_error_that_names_both(diabetes, method):
    X, y = diabetes
    model = LinearRegression().fit(X, y)
    message = rf"LinearRegression has no method '{method}'.*response_method"
    with pytest.raises(ValueError, match=message):
        fme(model, X, {"bmi": -2}, response_method=method)


@pytest.mark.parametrize(
    "labels", [["no", "yes"], ["0", "1"], np.array(["1", "2"], dtype=object)], ids=str
)
def test_text_predictions_are_an_error_even_where_they_look_like_numbers(iris, labels):
    X, y = iris
    model = GaussianNB().fit(X, np.asarray(labels)[(y > 0).astype(int)])
    with pytest.raises(ValueError, match=r"did not return numbers.*response_method"):
        fme(model, X, {WIDTH: 0.1}, response_method="predict")


@pytest.mark.parametrize(
    "predict",
    [
        lambda X: np.zeros(len(X) + 1),
        lambda X: np.zeros((len(X), 2, 2)),
        lambda X: np.zeros((1, 5 * len(X))).T,
        lambda X: 0.0,
    ],
    ids=["longer", "three axes", "five times as long", "scalar"],
)
def test_predictions_of_the_wrong_shape_are_an_error(predict):
    X = np.arange(12.0).reshape(6, 2)
    message = r"returned an array of shape .* for \d+ rows?; expected \(n_samples,\)"
    with pytest.raises(ValueError, match=message):
        fme(predict, X, {0: 1}, **ANYWHERE)


def test_predictions_whose_width_changes_are_an_error():
    X = np.arange(12.0).reshape(6, 2)
    explainer = FMEExplainer(
        FrozenEstimator(LinearRegression().fit(X, X[:, 0])),
        {0: 1},
        response_method=lambda estimator, X: np.zeros((len(X), 2 + (X[0, 0] > 50))),
        **ANYWHERE,
    ).fit(X)
    with pytest.raises(ValueError, match="returned 3 outputs, expected 2"):
        explainer.explain(X + 100)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_predictions_that_are_not_finite_are_an_error_that_counts_them(bad):
    X = np.arange(12.0).reshape(6, 2)
    message = r"returned (NaN|infinite values) in \d+ of \d+ predictions"
    with pytest.raises(ValueError, match=message):
        fme(lambda X: np.where(X[:, 0] > 9, bad, 0.0), X, {0: 1}, **ANYWHERE)


def test_predictions_after_a_step_that_are_not_finite_are_an_error():
    X = np.array([[1.0], [2.0]])
    with pytest.raises(ValueError, match="returned NaN in"):
        fme(lambda X: np.where(X[:, 0] > 2, np.nan, X[:, 0]), X, {0: 1}, **ANYWHERE)


def test_a_row_that_does_not_count_need_not_have_a_finite_prediction():
    X = np.array([[1.0], [2.0], [3.0]])
    effect = fme(lambda X: np.where(X[:, 0] > 3, np.nan, X[:, 0]), X, {0: 1})
    np.testing.assert_array_equal(effect.fme, [1, 1, np.nan])


@pytest.mark.parametrize("batch_size", ["auto", 1, 4])
def test_the_base_prediction_is_shared_by_all_effects(batch_size):
    X = np.arange(20.0).reshape(10, 2) + 0.25
    steps = [{0: 1}, {1: 2}, {0: 0.5, 1: 1}, {0: Scale(3)}]
    _, model = recorded(X, steps, batch_size=batch_size, **ANYWHERE)
    assert model.n_rows == 10 * (len(steps) + 1)
    rows = np.vstack(model.tables).tolist()
    assert all(rows.count(row) == 1 for row in X.tolist())


def test_a_fractional_step_has_floats_at_both_ends_and_others_keep_integers():
    X = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
    _, model = recorded(X, [{"a": 1}, {"a": 0.5}, {"b": 1}], **ANYWHERE)
    types = [str(table["a"].dtype) for table in model.tables for _ in range(len(table))]
    assert types.count("float64") == 4
    assert types.count("int64") == 6


def test_rows_that_do_not_count_are_not_predicted():
    X = pd.DataFrame(
        {
            "a": [1.0, np.nan, 2.0, 3.0, 8.0],
            "s": ["u", "u", "v", "u", "u"],
            "id": [0, 1, 2, 3, 4],
        }
    )
    effects, model = recorded(X, {"a": 5, "s": "v"})
    expected = ["counted", "missing", "at_target", "counted", "extrapolation"]
    assert effects["a +5, s = v"].status.tolist() == expected
    predicted = pd.concat(model.tables)
    assert predicted["id"].tolist() == [0, 3, 0, 3]
    assert predicted["a"].tolist() == [1, 3, 6, 8]
    assert predicted["s"].tolist() == ["u", "u", "v", "v"]


def test_the_base_of_rows_that_count_for_any_effect_is_predicted_once():
    X = np.array([[0.0], [5.0], [9.0], [10.0]])
    effects, model = recorded(X, [{0: 1}, {0: -1}, {0: 100}][:2])
    assert [effect.n for effect in effects.values()] == [3, 3]
    rows = np.vstack(model.tables)[:, 0].tolist()
    assert sorted(rows) == sorted([0, 5, 9, 10, 1, 6, 10, 4, 8, 9])


def test_a_contrast_needs_no_base_prediction():
    X = np.array([[0.0], [5.0], [10.0]])
    _, model = recorded(X, {0: Contrast(2, 3)})
    rows = np.vstack(model.tables)[:, 0].tolist()
    assert sorted(rows) == [2, 2, 2, 3, 3, 3]


def test_a_model_is_not_called_when_no_row_counts():
    X = pd.DataFrame({"a": [1.0, 2.0]})
    with pytest.warns(UserWarning, match="No row counts"):
        effects, model = recorded(X, {"a": SetTo(100)})
    assert model.tables == []
    assert np.isnan(effects["a = 100"].ame)


@pytest.mark.parametrize("batch_size", [1, 3, 7])
def test_no_predict_call_on_stepped_rows_exceeds_the_batch(batch_size):
    X = np.arange(40.0).reshape(20, 2)
    _, model = recorded(X, [{0: 1}, {1: 1}], batch_size=batch_size, **ANYWHERE)
    assert max(map(len, model.tables)) <= batch_size
    assert model.n_rows == 60


class RecordingForest(RandomForestRegressor):
    def predict(self, X):
        self.asked_ = [*getattr(self, "asked_", []), len(X)]
        return super().predict(X)


def test_forests_get_larger_batches_within_the_working_memory():
    X = np.random.default_rng(0).normal(size=(40_000, 2))
    _, other = recorded(X, {0: 1}, **ANYWHERE)
    assert max(map(len, other.tables)) == 32_768
    forest = RecordingForest(3, max_depth=2).fit(X[:100], X[:100, 0])
    model = FrozenEstimator(make_pipeline(FunctionTransformer(), forest))
    explainer = FMEExplainer(model, {0: 1}, engine="predict", **ANYWHERE).fit(X[:100])
    forest.asked_ = []
    effect = explainer.explain(X)["x0 +1"]
    assert forest.asked_ == [40_000, 40_000]
    with sklearn.config_context(working_memory=1):
        forest.asked_ = []
        again = explainer.explain(X)["x0 +1"]
    assert max(forest.asked_) < 12_000
    np.testing.assert_array_equal(effect.fme, again.fme)


def test_the_model_gets_the_kind_of_table_it_was_fitted_with():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "s": ["u", "v", "u"]}, index=[4, 5, 6])
    for X in (frame, pl.from_pandas(frame)):
        _, model = recorded(X, [{"a": 1}, {"s": "v"}], **ANYWHERE)
        for table in model.tables:
            assert type(table) is type(X)
            assert list(table.columns) == ["a", "s"]


def test_the_model_is_not_changed_and_not_kept_by_the_effect(diabetes):
    X, y = diabetes
    model = LinearRegression().fit(X, y)
    state = {name: np.copy(value) for name, value in vars(model).items()}
    effect = fme(model, X, {"bmi": -2})
    for name, value in state.items():
        np.testing.assert_array_equal(getattr(model, name), value)
    kept = [*vars(effect).values(), *vars(effect.context).values()]
    assert all(value is not model for value in kept)


def test_a_booster_is_said_to_be_of_its_library(diabetes):
    X, y = diabetes
    booster = XGBRegressor(n_estimators=1).fit(X, y).get_booster()
    with pytest.raises(TypeError, match="A Booster of xgboost does not predict tables"):
        fme(booster, X, {"bmi": -2})


class Online:
    """As river's models are: of one row at a time."""

    def predict_one(self, row):
        return row["bmi"]


class OnlineClassifier(Online):
    def predict_proba_one(self, row):
        return {True: 0.3, False: 0.7}


class OnlinePipeline(Online):
    def __init__(self, last):
        self.steps = {"scale": Online(), "model": last}


@pytest.mark.parametrize(
    ("model", "method"),
    [
        (Online(), r"predict_one\("),
        (OnlineClassifier(), r"predict_proba_one\(.*get\(True, 0\)"),
        (OnlinePipeline(Online()), r"predict_one\("),
        (OnlinePipeline(OnlineClassifier()), r"predict_proba_one\("),
    ],
    ids=["regressor", "classifier", "pipeline", "pipeline of a classifier"],
)
def test_a_model_of_one_row_at_a_time_is_told_the_function_to_write(
    model, method, diabetes
):
    with pytest.raises(TypeError, match=f"does not predict tables.*{method}"):
        fme(model, diabetes[0], {"bmi": -2})


class Grades:
    """Of numbers that it lists, and no probabilities: no classifier."""

    classes_ = np.array([1.0, 2.0, 3.0])

    def predict(self, X):
        return np.clip(np.round(np.asarray(X)[:, 0]), 1, 3)


def test_a_model_with_classes_and_no_probabilities_predicts_numbers():
    X = np.array([[1.0], [1.4], [2.0], [3.0]])
    effect = fme(Grades(), X, {0: 1.0}, **ANYWHERE)
    assert effect.fme.tolist() == [1.0, 1.0, 1.0, 0.0]
