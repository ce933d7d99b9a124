"""StatsmodelsEstimator: scikit-learn's rules, and statsmodels' own numbers."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import statsmodels.api as sm
import statsmodels.formula.api as smf
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version
from statsmodels.miscmodels.ordinal_model import OrderedModel

from skfme import FMEExplainer, ame, fme
from skfme.statsmodels import StatsmodelsEstimator, delta_effects
from tests.statsmodels.models.fits import data

F = sm.families
BFGS = {"method": "bfgs"}
OLD_SKLEARN = parse_version(sklearn.__version__) < parse_version("1.7")
NO_WEIGHTS = "the model takes no weights, and refuses them rather than lose them"
WEIGHT_CHECKS = (
    "check_sample_weights_pandas_series",
    "check_sample_weights_not_an_array",
    "check_sample_weights_list",
    "check_sample_weights_shape",
    "check_sample_weights_not_overwritten",
    "check_sample_weight_equivalence_on_dense_data",
    "check_classifiers_one_label_sample_weights",
)


class BinomialGLM(sm.GLM):
    """A family without an address in its name, so that tests can be named."""

    def __init__(self, endog, exog, family=None, **kwds):
        super().__init__(endog, exog, family=F.Binomial(), **kwds)


ESTIMATORS = [
    StatsmodelsEstimator(),
    StatsmodelsEstimator(sm.GLM, fit_intercept=False),
    StatsmodelsEstimator(sm.Logit, fit_kwds=BFGS),
    StatsmodelsEstimator(sm.MNLogit, fit_kwds=BFGS),
    StatsmodelsEstimator(OrderedModel, fit_kwds=BFGS),
    # Its data are separated, and further steps to infinity would agree on nothing.
    StatsmodelsEstimator(
        BinomialGLM, fit_kwds={"maxiter": 4}, estimator_type="classifier"
    ),
    StatsmodelsEstimator(formula="x0"),
]


def expected_failures(estimator):
    failures = {}
    if estimator.model in (sm.Logit, sm.MNLogit, OrderedModel):
        failures = dict.fromkeys(WEIGHT_CHECKS, NO_WEIGHTS)
    if estimator.model is OrderedModel:
        failures["check_classifiers_train"] = "the classes of its data have no order"
    if estimator.formula is not None:
        failures["check_regressors_train"] = "the formula takes one column of its ten"
    if estimator.estimator_type == "classifier" and OLD_SKLEARN:
        failures["check_sample_weight_equivalence_on_dense_data"] = (
            "the check of scikit-learn 1.6 relabels two classes unlike in its two fits"
        )
    return failures


@pytest.mark.filterwarnings("ignore")  # separated and constant data, on purpose
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=expected_failures)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


# The same numbers as statsmodels


@pytest.fixture
def frame():
    return data()[["x", "z", "d"]].assign(c=data()["c"].astype(str))


CASES = {
    "arrays": (sm.OLS, "y", None, {}),
    "formula": (sm.OLS, "y", "y ~ bs(x, df=4) + C(c) * z", {}),
    "right side": (sm.OLS, "y", "x + C(c)", {}),
    "tilde": (sm.OLS, "y", "~ np.log(z) + x", {}),
    "poisson": (sm.Poisson, "count", "count ~ x + z", {}),
    "gamma": (
        *(sm.GLM, "positive", "positive ~ x * z"),
        {"family": F.Gamma(sm.families.links.Log())},
    ),
    "mixed": (sm.GLM, "count", None, {"family": F.Poisson()}),
}


@pytest.mark.parametrize("case", CASES)
def test_a_regressor_predicts_as_statsmodels_does(case, frame):
    kind, response, formula, kwds = CASES[case]
    X = frame if formula else frame[["x", "z", "d"]]
    model = StatsmodelsEstimator(kind, formula=formula, model_kwds=kwds)
    model.fit(X, data()[response])
    quiet = {"disp": 0} if kind is sm.Poisson else {}
    if formula:
        right = formula.partition("~")[2] or formula
        own = kind.from_formula(f"{response} ~ {right}", data(), **kwds).fit(**quiet)
        want = own.predict(data())
    else:
        exog = sm.add_constant(X)
        own = kind(data()[response], exog, **kwds).fit(**quiet)
        want = own.predict(exog)
    np.testing.assert_allclose(model.predict(X), want, rtol=1e-10)
    np.testing.assert_allclose(model.results_.bse, own.bse, rtol=1e-8)
    assert is_regressor(model)
    assert not hasattr(model, "predict_proba")


def test_a_linear_fit_is_scikit_learns():
    X, y, w = data()[["x", "z", "d"]], data()["y"], data()["w"]
    own = StatsmodelsEstimator().fit(X, y, sample_weight=w)
    other = LinearRegression().fit(X, y, sample_weight=w)
    np.testing.assert_allclose(own.predict(X), other.predict(X), rtol=1e-10)
    assert own.score(X, y) == pytest.approx(other.score(X, y))
    assert own.results_.params.index.tolist() == ["const", "x", "z", "d"]


def test_classes_may_be_text_and_keep_their_order():
    X = data()[["x", "z"]]
    names = np.array(["lo", "mid", "hi"])[data()["level"]]
    y = pd.Series(pd.Categorical(names, ["lo", "mid", "hi"], ordered=True))
    model = StatsmodelsEstimator(
        OrderedModel, model_kwds={"distr": "logit"}, fit_kwds=BFGS
    ).fit(X, y)
    own = OrderedModel(data()["level"], X, distr="logit").fit(**BFGS, disp=0)
    assert model.classes_.tolist() == ["lo", "mid", "hi"]
    np.testing.assert_allclose(model.predict_proba(X), own.predict(X), rtol=1e-5)
    most = np.array(["lo", "mid", "hi"])[np.argmax(own.predict(X).to_numpy(), axis=1)]
    assert (model.predict(X) == most).all()
    assert model.score(X, y) == pytest.approx((most == names).mean())
    unordered = StatsmodelsEstimator(sm.MNLogit).fit(X, names)
    assert unordered.classes_.tolist() == ["hi", "lo", "mid"]
    assert is_classifier(model)


def test_two_classes_have_two_columns_of_probability():
    X = data()[["x", "z"]]
    y = np.where(data()["b"], "yes", "no")
    own = smf.logit("b ~ x + z", data()).fit(disp=0)
    for model in (
        StatsmodelsEstimator(sm.Logit, formula="x + z"),
        StatsmodelsEstimator(BinomialGLM, estimator_type="classifier"),
    ):
        p = model.fit(X, y).predict_proba(X)
        np.testing.assert_allclose(p[:, 1], own.predict(X), rtol=1e-6)
        np.testing.assert_allclose(p.sum(axis=1), 1)


# Weights, offsets


def test_whole_weights_of_a_glm_are_repeated_rows_and_others_can_be_chosen():
    X, y = data()[["x", "z"]], data()["count"]
    weights = 1 + np.arange(len(X)) % 3
    poisson = StatsmodelsEstimator(sm.GLM, model_kwds={"family": F.Poisson()})
    own = clone(poisson).fit(X, y, sample_weight=weights)
    rows = np.repeat(np.arange(len(X)), weights)
    repeated = clone(poisson).fit(X.iloc[rows], y.iloc[rows])
    np.testing.assert_allclose(own.results_.bse, repeated.results_.bse, rtol=1e-8)
    assert own.results_.df_resid == repeated.results_.df_resid
    precise = clone(poisson).set_params(weights="var_weights")
    precise.fit(X, y, sample_weight=weights)
    assert precise.results_.df_resid == len(X) - 3


def test_an_exposure_is_a_column_that_is_no_covariate(frame):
    X = frame[["x", "z"]].assign(time=data()["time"])
    y = data()["count"]
    own = smf.poisson("count ~ x + z", data(), exposure=data()["time"]).fit(disp=0)
    want = own.predict(data(), exposure=data()["time"])
    for formula in (None, "x + z"):
        model = StatsmodelsEstimator(sm.Poisson, formula=formula, exposure="time")
        model.fit(X, y)
        assert len(model.results_.params) == 3
        np.testing.assert_allclose(model.predict(X), want, rtol=1e-6)
        half = cross_val_score(model, X, y, cv=3)  # of rows that were not fitted on
        assert np.isfinite(half).all()
        effects = delta_effects(model, X, {"x": 1})
        direct = delta_effects(own, data(), {"x": 1})
        assert effects.bse.iloc[0] == pytest.approx(direct.bse.iloc[0], rel=1e-5)
        effect = fme(model, X, {"x": 1}, extrapolation=None)
        assert effect.ame == pytest.approx(direct.params.iloc[0], rel=1e-6)
    array = StatsmodelsEstimator(sm.Poisson, exposure=2).fit(X.to_numpy(), y)
    np.testing.assert_allclose(array.predict(X.to_numpy()), want, rtol=1e-6)
    effects = delta_effects(array, X.to_numpy(), {0: 1})
    assert effects.bse.iloc[0] == pytest.approx(direct.bse.iloc[0], rel=1e-5)


# In company


def test_pipelines_searches_and_explainers_take_it(frame):
    y = data()["positive"]
    gamma = StatsmodelsEstimator(
        sm.GLM, model_kwds={"family": F.Gamma(sm.families.links.Log())}
    )
    pipeline = make_pipeline(StandardScaler(), gamma)
    X = frame[["x", "z", "d"]]
    assert pipeline.fit(X, y).score(X, y) > 0.1
    formulas = ["x", "x + z", "x * z + d"]
    search = GridSearchCV(
        StatsmodelsEstimator(sm.OLS), {"formula": formulas, "fit_kwds": [None]}, cv=3
    )
    assert search.fit(frame, data()["y"]).best_params_["formula"] in formulas
    explainer = FMEExplainer(StatsmodelsEstimator(formula="x * z + C(c)"))
    effects = explainer.fit(frame, data()["y"]).explain(frame)
    assert {"c = a", "x +1"} <= set(effects)


def test_it_pickles_with_its_formula(frame):
    model = StatsmodelsEstimator(formula="bs(x, df=4) + C(c) + np.log(z)")
    model.fit(frame, data()["y"])
    back = pickle.loads(pickle.dumps(model))
    np.testing.assert_allclose(back.predict(frame), model.predict(frame))
    own = delta_effects(model, frame, {"z": 0.1})
    assert delta_effects(back, frame, {"z": 0.1}).bse.iloc[0] == own.bse.iloc[0]


def test_polars_tables_serve_formulas(frame):
    table = pl.DataFrame(frame.to_dict("list"))
    model = StatsmodelsEstimator(formula="x + C(c)").fit(table, data()["y"].to_numpy())
    other = StatsmodelsEstimator(formula="x + C(c)").fit(frame, data()["y"])
    np.testing.assert_allclose(model.predict(table), other.predict(frame))
    assert model.feature_names_in_.tolist() == ["x", "z", "d", "c"]


def test_regularised_fits_predict():
    X, y = data()[["x", "z", "d"]], data()["y"]
    model = StatsmodelsEstimator(
        fit_method="fit_regularized", fit_kwds={"alpha": 0.1, "L1_wt": 0.0}
    ).fit(X, y)
    plain = StatsmodelsEstimator().fit(X, y)
    assert np.std(model.predict(X)) < np.std(plain.predict(X))
    with pytest.raises(TypeError, match=r"has no cov_params\(\).*bootstrap_effects"):
        delta_effects(model, X, {"x": 1})


# Bad input


ONES = np.ones(240)


@pytest.mark.parametrize(
    ("estimator", "y", "weights", "match"),
    [
        (
            StatsmodelsEstimator(sm.Logit),
            *(data()["b"], ONES, "Logit takes no .*a binomial GLM is a Logit"),
        ),
        (
            StatsmodelsEstimator(),
            *(data()["b"], 0 * ONES, "zero in every row|at least one non-zero"),
        ),
        (StatsmodelsEstimator(), data()["b"], -ONES, "[Nn]egative values"),
        (
            StatsmodelsEstimator(formula="np.log(y) ~ x"),
            *(data()["b"], None, "left side .*TransformedTargetRegressor"),
        ),
        (StatsmodelsEstimator(sm.Logit), 0 * ONES, None, "one class only"),
        (
            StatsmodelsEstimator(sm.Logit),
            *(data()["kind"], None, "sm.MNLogit takes more classes"),
        ),
        (
            StatsmodelsEstimator(sm.GLM, offset="zz"),
            *(data()["b"], None, "offset names 'zz'.*Did you mean"),
        ),
        (
            StatsmodelsEstimator(formula="x"),
            *([1.0, 2.0, 3.0], None, "y has 3|inconsistent numbers"),
        ),
        (StatsmodelsEstimator(), None, None, "requires y to be passed"),
    ],
    ids=[
        *("weights not taken", "zero weights", "negative weights", "left side"),
        *("one class", "many classes", "unknown offset", "short y", "no y"),
    ],
)
def test_what_cannot_be_fitted_is_refused(estimator, y, weights, match, frame):
    with pytest.raises(ValueError, match=match):
        estimator.fit(frame[["x", "z"]], y, sample_weight=weights)


def test_columns_of_another_order_are_refused(frame):
    fitted = StatsmodelsEstimator(formula="x").fit(frame[["x", "z"]], data()["b"])
    with pytest.raises(ValueError, match="feature names"):
        fitted.predict(frame[["z", "x"]])


def test_nothing_is_predicted_before_a_fit(frame):
    with pytest.raises(NotFittedError):
        StatsmodelsEstimator(formula="x").predict(frame[["x", "z"]])


@pytest.mark.parametrize("exog", ["names", "positions"])
def test_an_exposure_that_is_no_covariate_can_be_stepped(exog, frame):
    X = frame[["x", "z"]].assign(time=data()["time"])
    X = X if exog == "names" else X.to_numpy()
    column = "time" if exog == "names" else 2
    model = StatsmodelsEstimator(sm.Poisson, exposure=column).fit(X, data()["count"])
    effects = delta_effects(model, X, {column: 1})
    rate = model.predict(X) / data()["time"]
    assert effects.params.iloc[0] == pytest.approx(rate.mean())


def test_one_column_can_be_offset_and_exposure(frame):
    X = frame[["x", "z"]].assign(time=data()["time"])
    model = StatsmodelsEstimator(sm.Poisson, offset="time", exposure="time")
    time = data()["time"]
    both = smf.poisson("count ~ x + z", data(), offset=time, exposure=time).fit(disp=0)
    fitted = model.fit(X, data()["count"]).results_
    np.testing.assert_allclose(fitted.params, both.params, rtol=1e-6)


def test_rows_that_miss_a_value_have_no_prediction(frame):
    X = frame.copy()
    X.loc[3, "x"] = np.nan
    model = StatsmodelsEstimator(formula="x + z").fit(X, data()["y"])
    assert model.results_.nobs == len(X) - 1
    assert np.flatnonzero(np.isnan(model.predict(X))).tolist() == [3]
    weights = data()["w"]
    weighted = clone(model).fit(X, data()["y"], sample_weight=weights)
    own = smf.wls("y ~ x + z", data().drop(index=3), weights=weights.drop(3)).fit()
    np.testing.assert_allclose(weighted.results_.params, own.params)
    with pytest.raises(ValueError, match="missing values of x .rows 3"):
        ame(model, X, [{"z": 0.1}])
