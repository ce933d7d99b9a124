"""FMEExplainer as a scikit-learn estimator."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from skfme import FMEExplainer, StdDev


@parametrize_with_checks(
    [
        FMEExplainer(LinearRegression()),
        FMEExplainer(Ridge(), steps="sd", extrapolation=None),
        FMEExplainer(LogisticRegression()),
        FMEExplainer(DecisionTreeClassifier(random_state=0)),
        FMEExplainer(DecisionTreeRegressor(random_state=0), steps="iqr"),
    ]
)
def test_scikit_learn_conventions_hold(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


def test_transform_equals_the_effects_column_by_column(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(LinearRegression(), steps=[{"bmi": -2}, {"bp": 5}])
    columns = explainer.fit_transform(X, y)
    effects = explainer.explain(X)
    np.testing.assert_array_equal(columns[:, 0], effects["bmi -2"].fme)
    np.testing.assert_array_equal(columns[:, 1], effects["bp +5"].fme)
    assert np.isnan(columns).any()


def test_feature_names_out_name_effects_and_classes():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    explainer = FMEExplainer(
        LogisticRegression(max_iter=500), steps={"petal length (cm)": -2}
    ).fit(X, names)
    assert list(explainer.get_feature_names_out()) == [
        "petal length (cm) -2[setosa]",
        "petal length (cm) -2[versicolor]",
        "petal length (cm) -2[virginica]",
    ]
    assert explainer.explain(X)["petal length (cm) -2"].fme.shape == (150, 3)


@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output_names_the_columns(diabetes, container):
    X, y = diabetes
    explainer = FMEExplainer(LinearRegression(), steps={"bmi": -2})
    frame = explainer.set_output(transform=container).fit(X, y).transform(X)
    assert type(frame).__module__.split(".")[0] == container
    assert list(frame.columns) == ["bmi -2"]


def test_predictions_and_score_are_the_models_own(diabetes):
    X, y = diabetes
    model = LinearRegression().fit(X, y)
    explainer = FMEExplainer(LinearRegression(), steps={"bmi": -2}).fit(X, y)
    np.testing.assert_array_equal(explainer.predict(X), model.predict(X))
    assert explainer.score(X, y) == model.score(X, y)
    assert not hasattr(explainer, "predict_proba")
    assert not hasattr(explainer, "classes_")


def test_classes_are_delegated_only_once_fitted():
    X, y = load_iris(return_X_y=True)
    explainer = FMEExplainer(DecisionTreeClassifier(random_state=0))
    assert not hasattr(explainer, "classes_")
    assert list(explainer.fit(X, y).classes_) == [0, 1, 2]


def test_pipeline_ending_in_an_explainer_predicts_and_is_searched(diabetes):
    X, y = diabetes
    pipeline = make_pipeline(StandardScaler(), FMEExplainer(Ridge(), steps="unit"))
    search = GridSearchCV(pipeline, {"fmeexplainer__estimator__alpha": [1e-3, 1e6]})
    search.fit(X, y)
    assert search.best_params_ == {"fmeexplainer__estimator__alpha": 1e-3}
    assert search.predict(X).shape == (442,)


def test_search_over_explainer_parameters_refits_each(diabetes):
    X, y = diabetes
    search = GridSearchCV(
        FMEExplainer(Ridge()), {"steps": [{"bmi": -2}, {"bmi": StdDev(1)}]}
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 2


def test_inner_transformer_goes_on_after_an_imputer(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(LinearRegression(), steps=[{"bmi": -2}, {"s5": 0.5}])
    make_pipeline(explainer, SimpleImputer(), Ridge()).fit(X, y).predict(X)
    with pytest.raises(ValueError, match="NaN"):
        make_pipeline(explainer, Ridge()).fit(X, y)


def test_frozen_model_needs_no_target_and_stays_as_it_is(diabetes):
    X, y = diabetes
    model = LinearRegression().fit(X, y)
    before = model.coef_.copy()
    explainer = FMEExplainer(FrozenEstimator(model), steps={"bmi": -2}).fit(X)
    assert explainer.estimator_.estimator is model
    np.testing.assert_array_equal(model.coef_, before)


def test_fitted_model_without_target_is_refused_by_name(diabetes):
    X, y = diabetes
    with pytest.raises(ValueError, match=r"FrozenEstimator.*|skfme\.fme"):
        FMEExplainer(LinearRegression().fit(X, y), steps={"bmi": -2}).fit(X)


def test_frozen_model_refuses_columns_in_another_order(diabetes):
    X, y = diabetes
    frozen = FrozenEstimator(LinearRegression().fit(X, y))
    with pytest.raises(ValueError, match="in this order"):
        FMEExplainer(frozen, steps={"bmi": -2}).fit(X[X.columns[::-1]])


def test_clone_pickle_and_joblib_keep_the_effects(diabetes, tmp_path):
    X, y = diabetes
    steps = [{"bmi": -2}, {"bmi": StdDev(1), "sex": 2}]
    X = X.assign(sex=X["sex"].astype(int).astype("category"))
    explainer = FMEExplainer(RandomForestRegressor(5, random_state=0), steps).fit(X, y)
    expected = explainer.transform(X)
    again = clone(explainer).fit(X, y)
    np.testing.assert_array_equal(again.transform(X), expected)
    np.testing.assert_array_equal(
        pickle.loads(pickle.dumps(explainer)).transform(X), expected
    )
    joblib.dump(explainer, tmp_path / "explainer.joblib")
    loaded = joblib.load(tmp_path / "explainer.joblib")
    np.testing.assert_array_equal(loaded.transform(X), expected)


def test_results_can_be_pickled_and_hold_no_model(diabetes):
    X, y = diabetes
    effects = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y).explain(X)
    assert b"LinearRegression()" not in pickle.dumps(effects)
    assert b"sklearn.linear_model" not in pickle.dumps(effects)


def test_unfitted_use_is_scikit_learns_own_error(diabetes):
    X, _ = diabetes
    for method in ("explain", "transform", "predict"):
        with pytest.raises(NotFittedError):
            getattr(FMEExplainer(LinearRegression()), method)(X)


def test_rows_of_weight_zero_widen_nothing(diabetes):
    X, y = diabetes
    weights = np.ones(len(X))
    weights[X["bmi"] > 35] = 0
    kept = weights > 0
    steps = [{"bmi": 3}, {"bmi": StdDev(1)}]
    weighted = FMEExplainer(LinearRegression(), steps).fit(X, y, sample_weight=weights)
    dropped = FMEExplainer(LinearRegression(), steps).fit(X[kept], y[kept])
    np.testing.assert_allclose(
        weighted.transform(X), dropped.transform(X), rtol=1e-9, equal_nan=True
    )


def test_weights_for_a_model_without_them_are_refused(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(KNeighborsRegressor(), {"bmi": -2})
    with pytest.raises(ValueError, match=r"takes no sample_weight.*explain"):
        explainer.fit(X, y, sample_weight=np.ones(len(X)))


def test_metadata_routing_sends_weights_where_they_are_requested(diabetes):
    X, y = diabetes
    weights = np.arange(len(X)) % 3
    with sklearn.config_context(enable_metadata_routing=True):
        inner = Ridge().set_fit_request(sample_weight=True)
        inner.set_score_request(sample_weight=True)
        explainer = FMEExplainer(inner, {"bmi": -2}).set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        scaler.set_output(transform="pandas")
        pipeline = make_pipeline(scaler, explainer)
        pipeline.fit(X, y, sample_weight=weights)
        routed = pipeline[-1].estimator_.coef_
        direct = Ridge().fit(
            StandardScaler().fit_transform(X), y, sample_weight=weights
        )
        np.testing.assert_allclose(routed, direct.coef_)
        score = explainer.fit(X, y, sample_weight=weights).score(
            X, y, sample_weight=weights
        )
        own = Ridge().fit(X, y, sample_weight=weights)
        assert score == pytest.approx(own.score(X, y, sample_weight=weights))


def test_table_of_another_kind_is_converted_for_the_model(diabetes):
    import polars as pl
    import pyarrow as pa

    X, y = diabetes
    explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
    expected = explainer.explain(X)["bmi -2"].fme
    for other in (pl.from_pandas(X), pa.Table.from_pandas(X)):
        np.testing.assert_array_equal(explainer.explain(other)["bmi -2"].fme, expected)
        on_other = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(other, y)
        np.testing.assert_allclose(on_other.explain(X)["bmi -2"].fme, expected)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        from_array = explainer.explain(X.to_numpy())["bmi -2"].fme
    np.testing.assert_array_equal(from_array, expected)


def test_memory_budget_bounds_the_rows_of_a_predict_call(diabetes):
    X, y = diabetes
    sizes = []

    def spy(estimator, X):
        sizes.append(len(X))
        return estimator.predict(X)

    X = pd.concat([X] * 50, ignore_index=True)
    y = np.tile(y, 50)
    explainer = FMEExplainer(
        LinearRegression(), {"bmi": -2}, response_method=spy, extrapolation=None
    ).fit(X, y)
    sizes.clear()
    with sklearn.config_context(working_memory=1):
        explainer.explain(X)
    assert max(sizes) * X.shape[1] * 8 * 4 <= 2**20
    assert sum(sizes) == 2 * len(X)
