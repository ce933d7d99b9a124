"""Models of other packages: given to fme() as they are, and right by their own predictions.

Each model is fitted by its own package, without a word about skfme. Its effects must be
the differences that its own predictions have by hand.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge

from skfme import Contrast, ame, fme
from tests.ecosystem.zoo import diabetes, library, moved

ANYWHERE: dict[str, Any] = {"extrapolation": None}
BMI = {"bmi": -2}


class Given(NamedTuple):
    """A fitted model, the rows to explain, and what it predicts of a table.

    Attributes
    ----------
    model : object
        What fme() gets.
    X : DataFrame
    predict : callable
        The model's own predictions, one row or column for each output of the effect.
    options : dict
        What fme() is told besides.
    """

    model: Any
    X: pd.DataFrame
    predict: Callable[[pd.DataFrame], Any]
    options: dict[str, Any] = {}  # noqa: RUF012


class Data(NamedTuple):
    """The diabetes data, and what is derived of them."""

    X: pd.DataFrame
    y: pd.Series

    @property
    def numbers(self) -> pd.DataFrame:
        return self.X.drop(columns="sex")

    @property
    def table(self) -> pd.DataFrame:
        return self.X.assign(y=self.y)

    @property
    def treated(self) -> np.ndarray:
        """A treatment drawn at random."""
        return np.random.default_rng(0).integers(0, 2, len(self.y))

    @property
    def treated_outcome(self) -> np.ndarray:
        """y with an effect of the treatment that grows with the square of bmi."""
        return (self.y + self.treated * self.X["bmi"] ** 2).to_numpy()


@pytest.fixture(scope="module")
def data() -> Data:
    return Data(*diabetes())


MODELS: dict[str, tuple[str, Callable[[Data], Given]]] = {}


def of(package: str) -> Callable[[Callable[[Data], Given]], Callable[[Data], Given]]:
    """List a function that fits a model, under the name by which its package is imported."""

    def add(fit: Callable[[Data], Given]) -> Callable[[Data], Given]:
        MODELS[fit.__name__] = (package, fit)
        return fit

    return add


# Econometrics and survival


@of("linearmodels")
def linearmodels_instrument(data):
    from linearmodels.iv import IV2SLS

    results = IV2SLS.from_formula("y ~ 1 + age + bp + [bmi ~ s5]", data.table).fit()
    return Given(results, data.X, lambda X: results.predict(data=X))


@of("linearmodels")
def linearmodels_panel(data):
    from linearmodels.panel import PanelOLS

    table = data.table.assign(i=np.arange(442) // 13, t=np.arange(442) % 13)
    table = table.set_index(["i", "t"])
    formula = "y ~ bmi * age + np.log(bp) + EntityEffects"
    results = PanelOLS.from_formula(formula, table).fit()
    X = table.drop(columns="y")
    return Given(results, X, lambda X: results.predict(data=X))


@of("linearmodels")
def linearmodels_design(data):
    from linearmodels.iv import IV2SLS

    results = IV2SLS(data.y, data.numbers, None, None).fit()
    return Given(results, data.numbers, results.predict)


@of("pyfixest")
def pyfixest_fixed_effects(data):
    import pyfixest

    fit = pyfixest.feols("y ~ bmi * age | sex", data.table.astype({"sex": object}))
    X = data.X.astype({"sex": object})
    return Given(fit, X, lambda X: fit.predict(newdata=X))


@of("pyfixest")
def pyfixest_poisson(data):
    import pyfixest

    fit = pyfixest.fepois("y ~ bmi * C(sex) + log(bp)", data.table)
    return Given(fit, data.X, lambda X: fit.predict(newdata=X, type="response"))


@of("lifelines")
def lifelines_cox(data):
    from lifelines import CoxPHFitter

    fitter = CoxPHFitter().fit(
        data.numbers.assign(T=data.y, E=1), "T", "E", formula="bmi * age"
    )
    hazard = {"response_method": "predict_partial_hazard"}
    return Given(fitter, data.numbers, fitter.predict_partial_hazard, hazard)


def test_recidivism_has_the_published_hazards():
    """Rossi, Berk and Lenihan (1980) in Allison (1995): financial aid, age, convictions."""
    library("lifelines", "test-packages")
    from lifelines import CoxPHFitter
    from lifelines.datasets import load_rossi

    rossi = load_rossi()
    fitter = CoxPHFitter().fit(rossi, "week", "arrest")
    X = rossi.drop(columns=["week", "arrest"])
    options = {"response_method": "predict_log_partial_hazard", **ANYWHERE}
    published = {
        "age": (1, -0.057),
        "prio": (1, 0.091),
        "fin": (Contrast(0, 1), -0.379),
    }
    for column, (step, coefficient) in published.items():
        effect = fme(fitter, X, {column: step}, **options)
        assert round(effect.ame, 3) == coefficient


@of("lifelines")
def lifelines_weibull(data):
    from lifelines import WeibullAFTFitter

    fitter = WeibullAFTFitter().fit(data.numbers.assign(T=data.y, E=1), "T", "E")
    median = {"response_method": lambda fitter, X: fitter.predict_median(X)}
    return Given(fitter, data.numbers, fitter.predict_median, median)


@of("sksurv")
def scikit_survival_boosting(data):
    from sksurv.ensemble import GradientBoostingSurvivalAnalysis
    from sksurv.util import Surv

    model = GradientBoostingSurvivalAnalysis(n_estimators=20, random_state=0)
    model.fit(data.numbers, Surv.from_arrays(data.y > 100, data.y))
    return Given(model, data.numbers, model.predict)


# Generalized linear and additive models


@of("glum")
def glum_with_a_category(data):
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(
        family="gamma", link="log", alpha=0, drop_first=True
    ).fit(data.X, data.y)
    assert model.n_features_in_ == 5
    return Given(model, data.X, model.predict)


@of("glum")
def glum_formula(data):
    from glum import GeneralizedLinearRegressor

    model = GeneralizedLinearRegressor(family="normal", formula="bmi * C(sex) + bp")
    model.fit(data.X, data.y)
    return Given(model, data.X, model.predict)


@of("pygam")
def pygam_regression(data):
    from pygam import LinearGAM, s

    model = LinearGAM(s(0) + s(1) + s(2)).fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("pygam")
def pygam_classifier(data):
    from pygam import LogisticGAM, s

    model = LogisticGAM(s(0) + s(1)).fit(data.numbers, data.y > 150)
    return Given(model, data.numbers, model.predict_proba)


@of("interpret")
def interpret_regression(data):
    from interpret.glassbox import ExplainableBoostingRegressor

    model = ExplainableBoostingRegressor(max_rounds=50, n_jobs=1, random_state=0)
    model.fit(data.X, data.y)
    return Given(model, data.X, model.predict)


@of("interpret")
def interpret_finds_its_columns_by_name(data):
    from interpret.glassbox import ExplainableBoostingRegressor

    model = ExplainableBoostingRegressor(max_rounds=50, n_jobs=1, random_state=0)
    model.fit(data.X, data.y)
    X = data.X[data.X.columns[::-1]].assign(id=np.arange(442))
    return Given(model, X, model.predict)


@of("interpret")
def interpret_on_an_array(data):
    from interpret.glassbox import ExplainableBoostingClassifier

    model = ExplainableBoostingClassifier(max_rounds=50, n_jobs=1, random_state=0)
    model.fit(data.numbers.to_numpy(), data.y > 150)
    assert model.feature_names_in_[0] == "feature_0000"
    return Given(model, data.numbers, lambda X: model.predict_proba(X)[:, 1])


@of("skglm")
def skglm_lasso(data):
    from skglm import Lasso

    model = Lasso(0.1).fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("skglm")
def skglm_general(data):
    from skglm import GeneralizedLinearEstimator

    model = GeneralizedLinearEstimator()
    model.fit(data.numbers.to_numpy(), data.y.to_numpy())
    return Given(model, data.numbers, model.predict)


@of("mord")
def mord_ordinal(data):
    import mord

    thirds = pd.qcut(data.y, 3, labels=False).to_numpy()
    model = mord.LogisticAT().fit(data.numbers.to_numpy(), thirds)
    return Given(model, data.numbers, model.predict_proba)


# Distributions and intervals


@of("ngboost")
def ngboost_mean(data):
    from ngboost import NGBRegressor

    model = NGBRegressor(n_estimators=20, verbose=False, random_state=0)
    model.fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("ngboost")
def ngboost_spread(data):
    from ngboost import NGBRegressor

    model = NGBRegressor(n_estimators=20, verbose=False, random_state=0)
    model.fit(data.numbers, data.y)

    def spread(model, X):
        return model.pred_dist(X).params["scale"]

    options = {"response_method": spread}
    return Given(model, data.numbers, lambda X: spread(model, X), options)


@of("quantile_forest")
def quantile_forest(data):
    from quantile_forest import RandomForestQuantileRegressor

    model = RandomForestQuantileRegressor(
        20, default_quantiles=[0.1, 0.9], random_state=0
    ).fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("mapie")
def mapie_split(data):
    from mapie.regression import SplitConformalRegressor

    forest = RandomForestRegressor(20, random_state=0)
    model = SplitConformalRegressor(forest, prefit=False)
    model.fit(data.numbers[:200], data.y[:200])
    model.conformalize(data.numbers[200:], data.y[200:])
    return Given(model, data.numbers, model.predict)


@of("mapie")
def mapie_upper_end(data):
    from mapie.regression import CrossConformalRegressor

    model = CrossConformalRegressor(Ridge()).fit_conformalize(data.numbers, data.y)

    def upper(model, X):
        return model.predict_interval(X)[1][:, 1, 0]

    options = {"response_method": upper}
    return Given(model, data.numbers, lambda X: upper(model, X), options)


# Effects of treatments


@of("econml")
def econml_linear(data):
    from econml.dml import LinearDML

    model = LinearDML(random_state=0)
    model.fit(data.treated_outcome, data.treated, X=data.numbers)
    effect = {"response_method": "effect"}
    return Given(model, data.numbers, model.effect, effect)


@of("econml")
def econml_forest(data):
    from econml.dml import CausalForestDML

    model = CausalForestDML(n_estimators=20, random_state=0)
    model.fit(data.treated_outcome, data.treated, X=data.numbers)
    effect = {"response_method": "effect"}
    return Given(model, data.numbers, model.effect, effect)


# Trees, rules and ensembles


@of("imblearn")
def imbalanced_learn_forest(data):
    from imblearn.ensemble import BalancedRandomForestClassifier

    model = BalancedRandomForestClassifier(20, random_state=0)
    model.fit(data.numbers, data.y > 200)
    return Given(model, data.numbers, lambda X: model.predict_proba(X)[:, 1])


@of("imblearn")
def imbalanced_learn_pipeline(data):
    from imblearn.over_sampling import SMOTE
    from imblearn.pipeline import make_pipeline

    model = make_pipeline(SMOTE(random_state=0), LogisticRegression(max_iter=5000))
    model.fit(data.numbers, data.y > 200)
    return Given(model, data.numbers, lambda X: model.predict_proba(X)[:, 1])


@of("imodels")
def imodels_sums_of_trees(data):
    from imodels import FIGSRegressor

    model = FIGSRegressor(max_rules=8)
    model.fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("imodels")
def imodels_shrunken_tree(data):
    from imodels import HSTreeRegressor

    model = HSTreeRegressor()
    model.fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("imodels")
def imodels_rules(data):
    from imodels import RuleFitClassifier

    model = RuleFitClassifier(random_state=0)
    model.fit(data.numbers, (data.y > 150).astype(int))
    return Given(model, data.numbers, lambda X: model.predict_proba(X)[:, 1])


@of("mlxtend")
def mlxtend_stack(data):
    from mlxtend.regressor import StackingRegressor

    model = StackingRegressor(
        [Ridge(), RandomForestRegressor(5, random_state=0)], Ridge()
    )
    model.fit(data.numbers, data.y)
    return Given(model, data.numbers, model.predict)


@of("mlxtend")
def mlxtend_vote(data):
    from mlxtend.classifier import EnsembleVoteClassifier

    members = [
        LogisticRegression(max_iter=5000),
        LogisticRegression(C=0.01, max_iter=5000),
    ]
    model = EnsembleVoteClassifier(members, voting="soft")
    model.fit(data.numbers, data.y > 150)
    return Given(model, data.numbers, lambda X: model.predict_proba(X)[:, 1])


def catboost_model(data, **options):
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(
        iterations=20, verbose=0, thread_count=1, allow_writing_files=False, **options
    )
    return model.fit(data.X if options else data.numbers, data.y)


@of("catboost")
def catboost_unpickled(data):
    model = pickle.loads(pickle.dumps(catboost_model(data)))
    assert model.n_features_in_ == 0
    return Given(model, data.numbers, model.predict)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.filterwarnings("ignore")
def test_effects_are_differences_of_the_models_own_predictions(data, name):
    package, fit = MODELS[name]
    library(package, "test-packages")
    given = fit(data)
    effect = fme(given.model, given.X, BMI, **ANYWHERE, **given.options)
    ends = [
        np.asarray(given.predict(X), dtype=float).reshape(effect.fme.shape)
        for X in (given.X.assign(bmi=given.X["bmi"] - 2), given.X)
    ]
    expected = ends[0] - ends[1]
    assert effect.n == 442
    scale = np.abs(ends[1]).max()
    np.testing.assert_allclose(effect.fme, expected, rtol=1e-7, atol=1e-9 * scale)
    assert np.abs(expected).max() > 1e-3 * np.abs(ends[1]).std()


@pytest.mark.filterwarnings("ignore")
def test_catboost_from_a_file_still_knows_its_categories(data, tmp_path):
    catboost = library("catboost", "test-packages")
    file = str(tmp_path / "model.cbm")
    coded = data.X.assign(sex=(data.X["sex"] == "s2").astype(int))
    catboost_model(Data(coded, data.y), cat_features=["sex"]).save_model(file)
    model = catboost.CatBoostRegressor().load_model(file)
    effects = ame(model, coded, [BMI, {"sex": 1}], nlm=True, **ANYWHERE)
    assert list(effects) == ["bmi -2", "sex = 1"]
    before = model.predict(coded)
    changed = moved(coded, bmi=-2), coded.assign(sex=1)
    for effect, X in zip(effects.values(), changed, strict=True):
        expected = (model.predict(X) - before)[effect.counted]
        np.testing.assert_allclose(effect.fme[effect.counted], expected, atol=1e-9)
    assert effects["sex = 1"].counted.tolist() == (coded["sex"] == 0).tolist()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("package", ["interpret", "pygam"])
def test_integers_that_a_model_takes_for_categories_are_set(data, package):
    library(package, "test-packages")
    X = data.X[["bmi"]].assign(sex=(data.X["sex"] == "s2").astype(int))
    if package == "interpret":
        from interpret.glassbox import ExplainableBoostingRegressor

        types = ["continuous", "nominal"]
        model: Any = ExplainableBoostingRegressor(
            feature_types=types, max_rounds=20, n_jobs=1
        )
        model.fit(X, data.y)
    else:
        from pygam import LinearGAM, f, s

        model = LinearGAM(s(0) + f(1)).fit(X, data.y)
    effect = fme(model, X, {"sex": 1}, **ANYWHERE)
    assert effect.name == "sex = 1"
    expected = model.predict(X.assign(sex=1)) - model.predict(X)
    men = (X["sex"] == 0).to_numpy()
    np.testing.assert_allclose(effect.fme[men], expected[men])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("term", ["center(bmi)", "poly(bmi, 2)"])
def test_terms_that_linearmodels_learns_again_are_refused(data, term):
    library("linearmodels", "test-packages")
    from linearmodels.iv import IV2SLS

    results = IV2SLS.from_formula(f"y ~ 1 + {term}", data.table).fit()
    for model in (results, lambda X: results.predict(data=X)):
        with pytest.raises(ValueError, match="Let it learn such terms in fit alone"):
            fme(model, data.X, BMI)


def test_a_design_of_linearmodels_may_come_in_another_order(data):
    library("linearmodels", "test-packages")
    from linearmodels.iv import IV2SLS

    results = IV2SLS(data.y, data.numbers, None, None).fit()
    table = data.numbers[["bmi", "age", "s5", "bp"]]
    effect = fme(results, table, BMI, extrapolation=None)
    assert effect.ame == pytest.approx(results.params["bmi"] * BMI["bmi"])


def test_a_model_of_river_is_refused_with_the_function_to_write(data):
    library("river", "test-packages")
    from river import linear_model, preprocessing

    rows = data.numbers.to_dict("records")
    for model, target in (
        (linear_model.LinearRegression(), data.y),
        (linear_model.LogisticRegression(), data.y > 150),
    ):
        model = preprocessing.StandardScaler() | model
        for row, value in zip(rows, target, strict=True):
            model.learn_one(row, value)
        with pytest.raises(TypeError, match="such as lambda X: ") as caught:
            fme(model, data.numbers, BMI)
        code = str(caught.value).split("such as ")[1].rstrip(".")
        predict = eval(code, {"model": model})
        effect = fme(predict, data.numbers, BMI, **ANYWHERE)
        after = predict(data.numbers.assign(bmi=data.numbers["bmi"] - 2))
        expected = np.subtract(after, predict(data.numbers))
        np.testing.assert_allclose(effect.fme, expected)
        assert np.abs(expected).max() > 1e-3


def test_a_detector_of_pyod_is_refused_with_the_adapter_to_write(data):
    library("pyod", "test-packages")
    from pyod.models.iforest import IForest

    model = Ridge().fit(data.numbers, data.y)
    with pytest.raises(ValueError, match=r"outlier.*1 - 2 \* label"):
        fme(model, data.numbers, BMI, extrapolation=IForest(random_state=0))

    class Adapter(IForest):
        def predict(self, X, return_confidence=False):
            return 1 - 2 * super().predict(X)

    effect = fme(model, data.numbers, BMI, extrapolation=Adapter(random_state=0))
    outside = IForest(random_state=0).fit(data.numbers).predict(data.numbers)
    assert effect.n_outside_before == outside.sum() > 0
