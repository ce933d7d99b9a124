"""Parametric models beside statsmodels': any object with parameters, scikit-learn's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import special
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, SplineTransformer

from skfme import Contrast, ame, fme
from skfme.statsmodels import ParametricModel, delta_effects
from tests.statsmodels.models.fits import data

STEPS = [{"x": 1}, {"z": -0.3}, {"x": 0.5, "z": 0.1}, {"c": "b"}]
COLUMNS = ["x", "z", "c"]


class Curve:
    """μ = θ₁ x / (θ₂ + x), whose derivatives are known."""

    params = np.array([3.0, 0.7])
    columns = ("z",)
    cov = np.array([[0.04, 0.003], [0.003, 0.01]])

    def cov_params(self):
        return self.cov

    def predict(self, params, table):
        return params[0] * table["z"] / (params[1] + table["z"])


class CurveWithGradient(Curve):
    def gradient(self, params, table):
        z = table["z"].to_numpy()
        low = params[1] + z
        return np.column_stack([z / low, -params[0] * z / low**2])


class Shares(Curve):
    """Two outputs, which add up to one."""

    outputs = ("first", "second")
    params = np.array([0.4, -1.0])

    def predict(self, params, table):
        p = special.expit(params[0] + params[1] * np.asarray(table["z"]))
        return np.column_stack([p, 1 - p])


def by_hand(z, high, weights=None):
    """The average, and its standard error by the closed form."""

    def gradient(z):
        a, b = Curve.params
        return np.stack([z / (b + z), -a * z / (b + z) ** 2])

    J = np.average(gradient(high) - gradient(z), axis=1, weights=weights)
    a, b = Curve.params
    gap = a * high / (b + high) - a * z / (b + z)
    return np.average(gap, weights=weights), np.sqrt(J @ Curve.cov @ J)


@pytest.mark.parametrize("model", [Curve, CurveWithGradient])
@pytest.mark.parametrize("batch_size", ["auto", 37])
@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_any_object_with_parameters_has_effects_of_the_closed_form(
    model, batch_size, library
):
    table = library.DataFrame(data()[["z", "x", "d"]].to_dict("list"))
    weights = data()["w"].to_numpy()
    options = {"sample_weight": weights, "batch_size": batch_size}
    effects = delta_effects(model(), table, {"z": 0.25}, by="d", **options)
    for group in (0, 1):
        rows = (data()["d"] == group).to_numpy()
        z = data()["z"].to_numpy()[rows]
        estimate, error = by_hand(z, z + 0.25, weights[rows])
        assert effects.params.iloc[group] == pytest.approx(estimate, rel=1e-10)
        assert effects.bse.iloc[group] == pytest.approx(error, rel=1e-8)


def test_effects_of_rows_are_those_of_the_estimated_parameters():
    table = data()[["z"]]
    effect = fme(Curve(), table, {"z": 0.25}, extrapolation=None)
    a, b = Curve.params
    high = table["z"] + 0.25
    np.testing.assert_allclose(
        effect.fme, a * high / (b + high) - a * table["z"] / (b + table["z"])
    )
    average = delta_effects(Curve(), table, {"z": 0.25})
    assert effect.ame == pytest.approx(average.params.iloc[0], rel=1e-12)


def test_a_row_that_misses_a_value_does_not_count():
    table = data()[["z"]].copy()
    table.iloc[3, 0] = np.nan
    effects = delta_effects(Curve(), table, {"z": 0.25})
    z = table["z"].dropna().to_numpy()
    assert effects.params.iloc[0] == pytest.approx(by_hand(z, z + 0.25)[0], rel=1e-12)
    assert "1 missing" in " ".join(effects.notes)


def test_outputs_of_an_object_are_named_and_add_up():
    effects = delta_effects(Shares(), data(), {"z": Contrast(1, 2)})
    frame = effects.to_frame().set_index("output")
    p = special.expit(0.4 - np.array([1.0, 2.0]))
    assert frame.loc["first", "estimate"] == pytest.approx(p[1] - p[0], rel=1e-12)
    slopes = p * (1 - p)
    J = np.array([slopes[1] - slopes[0], 2 * slopes[1] - slopes[0]])
    error = np.sqrt(J @ Curve.cov @ J)
    assert frame["std_error"].to_numpy() == pytest.approx(error, rel=1e-7)
    assert frame["estimate"].sum() == pytest.approx(0, abs=1e-15)


@pytest.mark.parametrize("average", ["of_rows", "of_means"])
def test_a_ratio_has_the_same_errors_with_a_gradient_and_without(average):
    options = {"comparison": "ratio", "average": average, "by": "d"}
    given, numeric = (
        delta_effects(model(), data(), {"z": 0.25}, **options)
        for model in (CurveWithGradient, Curve)
    )
    assert given.params.to_numpy() == pytest.approx(numeric.params.to_numpy())
    assert given.bse.to_numpy() == pytest.approx(numeric.bse.to_numpy(), rel=1e-7)


def test_only_the_columns_that_an_object_reads_can_be_stepped():
    with pytest.raises(ValueError, match="'x', which the model Curve does not use"):
        delta_effects(Curve(), data(), {"x": 1})
    with pytest.raises(ValueError, match="lack the column 'z' of the model Curve"):
        delta_effects(Curve(), data()[["x"]], {"x": 1})


class Lonely(Curve):
    """Predicts otherwise when rows come alone."""

    def predict(self, params, table):
        return params[0] * (table["z"] - table["z"].mean())


class Jagged(CurveWithGradient):
    def gradient(self, params, table):
        return np.ones((len(table), 3))


class Unnamed(Shares):
    outputs = ("first",)


class Slanted(CurveWithGradient):
    def gradient(self, params, table):
        return super().gradient(params, table) * [1, 1.01]


class Unknown(Curve):
    def predict(self, params, table):
        return np.full(len(table), np.nan)


WRONG = {
    "alone": (
        Lonely,
        "rebuilt of Lonely differ from those of its own.*must be its own",
    ),
    "a wrong slope": (Slanted, "Slanted.gradient is .* in parameter 1 where its pred"),
    "no number": (Unknown, "Unknown predicts NaN or infinity of these rows"),
    "gradient": (Jagged, r"gradient returned.*\(240, 1, 3\).*expected \(240, 1, 2\)"),
    "outputs": (Unnamed, "predict has 2 outputs; its attribute outputs names 1"),
}


@pytest.mark.parametrize(("model", "match"), WRONG.values(), ids=WRONG)
def test_an_object_that_breaks_the_protocol_is_refused(model, match):
    with pytest.raises(ValueError, match=match):
        delta_effects(model(), data(), {"z": 0.25})


def test_the_protocol_is_public_and_checked_by_what_an_object_has():
    assert isinstance(Curve(), ParametricModel)
    assert not isinstance(RandomForestRegressor(), ParametricModel)


# scikit-learn


def transformed():
    """Splines, interactions and categories, as a pipeline makes them."""
    return make_column_transformer(
        (PolynomialFeatures(2, include_bias=False), ["x", "z"]),
        (SplineTransformer(4, degree=2, extrapolation="linear"), ["z"]),
        (OneHotEncoder(drop="first"), ["c"]),
    )


def design(table):
    made = transformed().fit(data()[COLUMNS]).transform(table[COLUMNS])
    return np.column_stack([np.ones(len(table)), made])


def numerically(predict, params, cov, low, high):
    """The average, and its standard error by numeric differentiation of a prediction."""

    def average(theta):
        return (predict(theta, high) - predict(theta, low)).mean(axis=0)

    steps = np.diag(1e-5 * np.maximum(1, np.abs(params)))
    J = np.stack(
        [(average(params + s) - average(params - s)) / (2 * s.max()) for s in steps]
    )
    return average(params), np.sqrt(np.sum(J * (cov @ J), axis=0))


MEANS = {
    "linear": (LinearRegression(), "y", lambda eta: eta),
    "logistic": (LogisticRegression(max_iter=2000), "b", special.expit),
    "poisson": (PoissonRegressor(alpha=1e-3, max_iter=2000), "count", np.exp),
}


def moved(table, **changes):
    return table.assign(**{k: table[k] + v for k, v in changes.items()})


@pytest.mark.parametrize(("learner", "y", "mean"), MEANS.values(), ids=MEANS)
def test_a_pipelines_regression_has_numeric_standard_errors(learner, y, mean):
    X = data()[COLUMNS]
    pipeline = make_pipeline(transformed(), learner).fit(X, data()[y])
    last = pipeline[-1]
    params = np.append(last.intercept_, last.coef_)
    A = np.random.default_rng(0).normal(size=(len(params), len(params)))
    cov = A @ A.T / 100
    rows = X.sample(frac=0.5, random_state=0)
    effects = delta_effects(FrozenEstimator(pipeline), rows, STEPS, cov=cov)
    highs = [moved(rows, x=1), moved(rows, z=-0.3), moved(rows, x=0.5, z=0.1)]
    for i, high in enumerate(highs):
        estimate, error = numerically(
            lambda theta, table: mean(design(table) @ theta), params, cov, rows, high
        )
        assert effects.params.iloc[i] == pytest.approx(estimate, rel=1e-9)
        assert effects.bse.iloc[i] == pytest.approx(error, rel=1e-6)
    own = ame(pipeline, rows, STEPS, extrapolation=None)
    assert effects.params.to_numpy() == pytest.approx([e.ame for e in own.values()])


def test_an_unpenalised_logistic_regression_has_the_errors_of_statsmodels():
    X = data()[["x", "z"]]
    learner = LogisticRegression(C=np.inf, tol=1e-10, max_iter=5000).fit(X, data()["b"])
    fit = smf.logit("b ~ x + z", data()).fit(disp=0, tol=1e-12)
    ours = delta_effects(learner, X, STEPS[:3], cov=fit.cov_params())
    theirs = delta_effects(fit, X, STEPS[:3])
    assert ours.params.to_numpy() == pytest.approx(theirs.params.to_numpy(), rel=1e-5)
    assert ours.bse.to_numpy() == pytest.approx(theirs.bse.to_numpy(), rel=1e-5)


def test_a_multinomial_regression_has_numeric_standard_errors_of_each_class():
    X = data()[["x", "z"]].to_numpy()
    learner = LogisticRegression(max_iter=2000).fit(X, data()["level"])
    params = np.column_stack([learner.intercept_, learner.coef_]).ravel()
    A = np.random.default_rng(0).normal(size=(len(params), len(params)))
    cov = A @ A.T / 100

    def predict(theta, table):
        return special.softmax(sm.add_constant(table) @ theta.reshape(3, 3).T, axis=1)

    effects = delta_effects(learner, X, {0: 1}, cov=cov)
    estimate, error = numerically(predict, params, cov, X, X + [1, 0])
    assert effects.params.to_numpy() == pytest.approx(estimate, rel=1e-9)
    assert effects.bse.to_numpy() == pytest.approx(error, rel=1e-6)
    assert list(effects.to_frame()["output"]) == ["0", "1", "2"]


def test_several_responses_have_the_errors_of_each():
    X = data()[["x", "z"]]
    learner = LinearRegression(fit_intercept=False).fit(X, data()[["y", "positive"]])
    cov = np.diag([1.0, 2.0, 3.0, 4.0])
    effects = delta_effects(learner, X, {"x": 2}, cov=cov)
    assert effects.params.to_numpy() == pytest.approx(2 * learner.coef_[:, 0])
    assert effects.bse.to_numpy() == pytest.approx(2 * np.sqrt([1.0, 3.0]))


class Doubled(LinearRegression):
    __module__ = "sklearn.linear_model._base"

    def predict(self, X):
        return 2 * super().predict(X)


def test_a_model_of_scikit_learn_without_covariance_is_refused_with_what_to_give():
    X, y = data()[["x", "z"]], data()["y"]
    learner = LinearRegression().fit(X, y)
    match = "no covariance of the coefficients.*3 rows and columns.*Intercept, x, z"
    with pytest.raises(ValueError, match=match):
        delta_effects(learner, X, {"x": 1})
    with pytest.raises(TypeError, match="RandomForestRegressor is no linear"):
        delta_effects(RandomForestRegressor(2).fit(X, y), X, {"x": 1}, cov=np.eye(3))
    with pytest.raises(TypeError, match="LinearRegression is not fitted"):
        delta_effects(LinearRegression(), X, {"x": 1}, cov=np.eye(3))
    with pytest.raises(TypeError, match="Doubled is no linear"):
        delta_effects(Doubled().fit(X, y), X, {"x": 1}, cov=np.eye(3))
    Doubled.__name__ = "LinearRegression"
    with pytest.raises(ValueError, match="differ from those of its own predict"):
        delta_effects(Doubled().fit(X, y), X, {"x": 1}, cov=np.eye(3))
