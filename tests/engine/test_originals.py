"""Engines read a model only where every method on the way is its library's own.

In each test one row, which no sample shows, is predicted otherwise.
"""

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingRegressor,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, PoissonRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import FMEExplainer, fme
from skfme._engine import choice
from skfme._engine.affine import is_affine
from skfme._engine.originals import is_original

rng = np.random.default_rng(0)
X = rng.normal(size=(3000, 2)).round(2)
y = X @ [2.0, 1.0]
RARE = 1  # between the rows of the sample
X[RARE] = 40.0, 0.0


def lifted(predict):
    """The same predictions, one more far out."""

    def lifted_predict(Z, *args, **kwargs):
        far = np.asarray(Z, dtype=float)[:, 0] > 30
        return predict(Z, *args, **kwargs) + far * np.asarray(Z, dtype=float)[:, 1]

    return lifted_predict


def lift(part, method="predict"):
    setattr(part, method, lifted(getattr(part, method)))


class LiftedSearch(GridSearchCV):
    def predict(self, X):
        return lifted(super().predict)(X)


class LiftedFrozen(FrozenEstimator):
    def predict(self, X):
        return lifted(self.estimator.predict)(X)


class LiftedPipeline(Pipeline):
    def predict(self, X):
        return lifted(super().predict)(X)


MODELS = {
    "linear": LinearRegression(),
    "trees": RandomForestRegressor(3, max_depth=3, random_state=0),
}


def assert_left_to_the_model(model, engine, reason, monkeypatch):
    """ "auto" gives the model's own differences, and who insists gets the reason."""
    monkeypatch.setattr(choice, "_WORTH_LOADING", 0)
    by_hand = model.predict(X + [0.0, 0.5]) - model.predict(X)
    auto = fme(model, X, {1: 0.5}, extrapolation=None)
    assert auto.engine == "predict"
    np.testing.assert_array_equal(auto.fme, by_hand)
    with pytest.raises(ValueError, match=f"engine='{engine}' cannot .*{reason}"):
        fme(model, X, {1: 0.5}, extrapolation=None, engine=engine)


def replaced(model):
    lift(model)
    return model, f"{type(model).__name__}.predict was replaced"


def replaced_frozen(model):
    model = FrozenEstimator(model)
    lift(model)
    return model, "FrozenEstimator.predict was replaced"


def replaced_in_frozen(model):
    lift(model)
    return FrozenEstimator(model), f"{type(model).__name__}.predict was replaced"


def frozen_of_another_class(model):
    return LiftedFrozen(model), "LiftedFrozen is a class of "


def replaced_pipeline(model):
    model = make_pipeline(StandardScaler().fit(X), model)
    lift(model)
    return model, "Pipeline.predict was replaced"


def replaced_last_step(model):
    lift(model)
    model = make_pipeline(FunctionTransformer(), model)
    return model, f"{type(model[-1]).__name__}.predict was replaced"


def pipeline_of_another_class(model):
    model = LiftedPipeline([("scale", FunctionTransformer()), ("model", model)])
    return model, "LiftedPipeline is no"


def searched(model, kind=GridSearchCV):
    return kind(model, {}, cv=2).fit(X, y)


def replaced_search(model):
    model = searched(model)
    lift(model)
    return model, "GridSearchCV.predict was replaced"


def replaced_best_estimator(model):
    model = searched(model)
    lift(model.best_estimator_)
    return model, f"{type(model.best_estimator_).__name__}.predict was replaced"


def search_of_another_class(model):
    return searched(model, LiftedSearch), "LiftedSearch is a class of "


WAYS = [
    replaced,
    replaced_frozen,
    replaced_in_frozen,
    frozen_of_another_class,
    replaced_pipeline,
    replaced_last_step,
    pipeline_of_another_class,
    replaced_search,
    replaced_best_estimator,
    search_of_another_class,
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("engine", MODELS)
def test_a_predict_that_is_not_the_librarys_is_asked_for_every_row(
    engine, way, monkeypatch
):
    fitted = type(MODELS[engine])(**MODELS[engine].get_params()).fit(X, y)
    model, reason = way(fitted)
    assert_left_to_the_model(model, engine, reason, monkeypatch)


def test_a_method_that_predict_calls_may_be_replaced_as_well(monkeypatch):
    model = LinearRegression().fit(X, y)
    lift(model, "_decision_function")
    reason = "LinearRegression._decision_function was replaced"
    assert_left_to_the_model(model, "linear", reason, monkeypatch)
    model = GradientBoostingRegressor(n_estimators=2).fit(X, y)

    def raw(Z, own=model._raw_predict):
        return own(Z) + ((Z[:, 0] > 30) * Z[:, 1])[:, None]

    model._raw_predict = raw
    reason = "GradientBoostingRegressor._raw_predict was replaced"
    assert_left_to_the_model(model, "trees", reason, monkeypatch)


def test_a_method_replaced_for_the_whole_class_is_none_of_the_librarys(monkeypatch):
    model = LinearRegression().fit(X, y)
    own = LinearRegression.predict

    def predict(self, Z):
        return lifted(lambda Z: own(self, Z))(Z)

    predict.__module__ = own.__module__  # as decorators set it
    monkeypatch.setattr(LinearRegression, "predict", predict, raising=False)
    reason = "LinearRegression.predict was replaced for the whole class"
    assert_left_to_the_model(model, "linear", reason, monkeypatch)


def test_an_object_in_place_of_a_method_is_none_of_the_librarys(monkeypatch):
    model = LinearRegression().fit(X, y)
    own = model.predict

    class Lifted:
        def __call__(self, Z):
            return lifted(own)(Z)

    monkeypatch.setattr(LinearRegression, "predict", Lifted(), raising=False)
    reason = "LinearRegression.predict was replaced for the whole class"
    assert_left_to_the_model(model, "linear", reason, monkeypatch)


def test_a_class_that_only_says_that_it_is_the_librarys_is_not_read(monkeypatch):
    class Own(LinearRegression):
        def predict(self, Z):
            return lifted(super().predict)(Z)

    Own.__module__, Own.__name__ = "sklearn.linear_model._base", "LinearRegression"
    Own.__qualname__ = "LinearRegression"
    reason = "LinearRegression is a class of sklearn.linear_model._base"
    assert_left_to_the_model(Own().fit(X, y), "linear", reason, monkeypatch)


def lifted_member(model):
    lift(model.estimators_[1])
    return "DecisionTreeRegressor.predict was replaced"


class Member(LinearRegression):
    def predict(self, X, check_input=True):
        return super().predict(X)


def other_member(model):
    model.estimators_[1] = Member().fit(X, y)
    return "a Member is among its trees"


@pytest.mark.parametrize("change", [lifted_member, other_member])
def test_members_of_a_forest_are_its_librarys_own_trees(change, monkeypatch):
    model = RandomForestRegressor(3, max_depth=3, random_state=0).fit(X, y)
    assert_left_to_the_model(model, "trees", change(model), monkeypatch)


def test_stages_and_predictors_of_boosting_are_its_librarys_own(monkeypatch):
    model = HistGradientBoostingRegressor(max_iter=3).fit(X, y)
    lift(model._predictors[1][0])
    reason = "TreePredictor.predict was replaced"
    assert_left_to_the_model(model, "trees", reason, monkeypatch)
    model = GradientBoostingRegressor(n_estimators=3).fit(X, y)
    lift(model.estimators_[1, 0])
    reason = "DecisionTreeRegressor.predict was replaced"
    with pytest.raises(ValueError, match=reason):
        fme(model, X, {1: 0.5}, engine="trees")


def test_gradient_boosting_starts_from_what_it_was_fitted_with(monkeypatch):
    class Lifted(LinearRegression):
        def predict(self, Z):
            return lifted(lambda Z: np.zeros(len(Z)))(Z)

    model = GradientBoostingRegressor(n_estimators=2, init=Lifted()).fit(X, y)
    model.set_params(init=None)  # of the next fit
    assert_left_to_the_model(model, "trees", "init=Lifted", monkeypatch)


@pytest.mark.parametrize("library", ["lightgbm", "xgboost"])
def test_boosters_inside_their_models_are_their_librarys_own(library, monkeypatch):
    module = pytest.importorskip(library, reason=f"{library} is not installed")
    if library == "lightgbm":
        model = module.LGBMRegressor(n_estimators=2, n_jobs=1, verbose=-1).fit(X, y)
        booster, method = model.booster_, "predict"
        own = booster.predict
        booster.predict = lambda Z, **kwargs: lifted(lambda Z: own(Z, **kwargs))(Z)
    else:
        model = module.XGBRegressor(n_estimators=2, n_jobs=1).fit(X, y)
        booster, method = model.get_booster(), "inplace_predict"
        own = booster.inplace_predict
        booster.inplace_predict = lambda data, **kwargs: lifted(
            lambda Z: own(Z, **kwargs)
        )(data)
    reason = f"Booster.{method} was replaced"
    assert_left_to_the_model(model, "trees", reason, monkeypatch)


@pytest.mark.parametrize("engine", MODELS)
def test_a_predict_that_is_replaced_later_is_noticed(engine):
    fitted = type(MODELS[engine])(**MODELS[engine].get_params()).fit(X, y)
    explainer = FMEExplainer(FrozenEstimator(fitted), {1: 0.5}, engine=engine).fit(X)
    before = explainer.transform(X)
    lift(fitted)
    with pytest.raises(ValueError, match="predict was replaced"):
        explainer.explain(X)
    del fitted.predict
    np.testing.assert_array_equal(explainer.transform(X), before)


def test_a_transform_that_was_replaced_is_neither_affine_nor_linear(monkeypatch):
    scaler = StandardScaler().fit(X)
    model = make_pipeline(scaler, LinearRegression().fit(scaler.transform(X), y))
    assert is_affine(scaler)
    own = scaler.transform

    def transform(Z):
        far = np.asarray(Z)[:, :1] > 30
        return own(Z) + far * np.asarray(Z)[:, 1:] ** 2

    scaler.transform = transform
    reason = "StandardScaler.transform was replaced"
    assert not is_affine(scaler)
    assert_left_to_the_model(model, "linear", reason, monkeypatch)
    # Trees ask each transformer, and only their paths are straight no more.
    forest = RandomForestRegressor(3, max_depth=3, random_state=0)
    forest = make_pipeline(scaler, forest.fit(scaler.transform(X), y))
    effect = fme(forest, X, {1: 0.5}, extrapolation=None, engine="trees")
    by_hand = forest.predict(X + [0.0, 0.5]) - forest.predict(X)
    np.testing.assert_allclose(effect.fme, by_hand, atol=1e-12)


def test_a_transformer_without_a_function_needs_no_fit_to_be_linear():
    model = make_pipeline(FunctionTransformer(), LinearRegression().fit(X, y))
    effect = fme(model, X, {1: 0.5}, extrapolation=None)
    assert effect.engine == "linear"
    np.testing.assert_allclose(effect.fme, 0.5 * model[-1].coef_[1], atol=1e-12)


def test_an_imputer_of_a_number_is_not_affine(monkeypatch):
    imputer = SimpleImputer(missing_values=0.25, strategy="mean")
    table = np.where(X == 0.25, 0.24, X)
    table[RARE] = 0.0, -0.25  # the only row that is moved to the number
    table[:, 1] = np.where((table[:, 1] == -0.25) & (table[:, 0] != 0), 1, table[:, 1])
    model = make_pipeline(imputer, LinearRegression()).fit(table, y)
    by_hand = model.predict(table + [0.0, 0.5]) - model.predict(table)
    effect = fme(model, table, {1: 0.5}, extrapolation=None)
    assert np.ptp(by_hand) > 0.1
    np.testing.assert_allclose(effect.fme, by_hand, atol=1e-12)
    assert is_affine(SimpleImputer().fit(X))


def test_a_link_that_was_replaced_is_asked_for_every_row(monkeypatch):
    model = PoissonRegressor().fit(X / 100, np.exp(y / 100))
    link = model._base_loss.link
    own = link.inverse
    link.inverse = lambda eta, out=None: np.minimum(own(eta), 1.9)
    assert_left_to_the_model(
        model, "linear", "LogLink.inverse was replaced", monkeypatch
    )


@pytest.mark.parametrize("where", ["model", "best estimator"])
def test_a_predict_that_was_replaced_may_look_rows_up_by_their_labels(where):
    table = pd.DataFrame(X, columns=["a", "b"]).set_axis(np.arange(9000, 12000))
    bonus = pd.Series({9000 + RARE: 5.0})
    model = LinearRegression().fit(table, y)
    if where == "best estimator":
        model = GridSearchCV(model, {}, cv=2).fit(table, y)
    asked = model if where == "model" else model.best_estimator_
    own = asked.predict
    asked.predict = lambda Z: own(Z) + Z["a"] * bonus.reindex(Z.index).fillna(0.0)
    effects = fme(model, table, [{"a": 0.5}, {"b": 0.5}], extrapolation=None)
    expected = 0.5 * own.__self__.coef_[0] + 2.5 * (table.index == 9000 + RARE)
    np.testing.assert_allclose(effects["a +0.5"].fme, expected, atol=1e-9)


def test_fit_and_score_may_be_replaced_as_no_prediction_asks_them():
    model = LinearRegression().fit(X, y)
    model.fit, model.score = (lambda *args: model), (lambda *args: 0.0)
    assert is_original(model)
    assert fme(model, X, {1: 0.5}, extrapolation=None).engine == "linear"


def test_an_answer_that_a_package_adds_to_all_pipelines_keeps_no_engine_away(
    monkeypatch,
):
    def predict_survival(self, Z):
        return 2.0 + self.predict(Z) ** 2

    monkeypatch.setattr(Pipeline, "predict_survival", predict_survival, raising=False)
    monkeypatch.setattr(Pipeline, "_risk", property(lambda self: 1.0), raising=False)
    model = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=4)).fit(
        X, y
    )
    by_engine = fme(model, X, {0: 0.5}, engine="trees")
    by_hand = fme(model, X, {0: 0.5}, engine="predict")
    np.testing.assert_allclose(by_engine.fme, by_hand.fme, rtol=1e-9)
    asked = fme(model, X, {0: 0.5}, response_method="predict_survival")
    expected = fme(model.predict_survival, X, {0: 0.5})
    np.testing.assert_array_equal(asked.fme, expected.fme)
    assert asked.engine == "predict"
    with pytest.raises(ValueError, match="engine='trees' cannot"):
        fme(model, X, {0: 0.5}, response_method="predict_survival", engine="trees")


def test_a_step_of_predicting_that_a_package_replaces_keeps_engines_away(monkeypatch):
    own = Pipeline._iter

    def _iter(self, **options):
        return own(self, **options)

    monkeypatch.setattr(Pipeline, "_iter", _iter)
    model = make_pipeline(StandardScaler(), DecisionTreeRegressor(max_depth=4)).fit(
        X, y
    )
    with pytest.raises(ValueError, match="Pipeline._iter was replaced for the whole"):
        fme(model, X, {0: 0.5}, engine="trees")
