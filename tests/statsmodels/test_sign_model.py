"""Logistic models of the sign of effects."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import optimize, special
from sklearn.datasets import load_diabetes
from sklearn.tree import DecisionTreeRegressor

from skfme import came, fme
from skfme.statsmodels import ConditionalEffects
from tests.statsmodels.effects import effect_of, sample


@pytest.fixture
def data():
    X, values, weights = sample()
    return X, values - np.median(values), weights


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "cluster"])
def test_log_odds_are_statsmodels(data, cov_type):
    X, values, _ = data
    model = ConditionalEffects.from_formula("C(sex) + age", effect_of(values, X))
    clustered = cov_type == "cluster"
    results = model.sign_model().fit(
        cov_type, {"groups": "patient"} if clustered else None
    )
    known = smf.logit("y ~ C(sex) + age", X.assign(y=(values > 0).astype(float))).fit(
        disp=0,
        cov_type=cov_type,
        **({"cov_kwds": {"groups": X["patient"]}} if clustered else {}),
    )
    np.testing.assert_allclose(results.params, known.params, rtol=1e-6)
    # statsmodels' Logit leaves the correction of HC1 out.
    factor = np.sqrt(120 / 117) if cov_type == "HC1" else 1.0
    np.testing.assert_allclose(results.bse, factor * known.bse, rtol=1e-5)
    assert list(results.params.index) == list(known.params.index)
    new = X.iloc[:5]
    np.testing.assert_allclose(results.predict(new), known.predict(new), rtol=1e-5)


def test_groups_have_their_shares(data):
    X, values, _ = data
    model = ConditionalEffects.from_groups(effect_of(values, X), by="site").sign_model()
    results = model.fit()
    positive = pd.Series(values > 0).groupby(X["site"].to_numpy()).mean()
    frame = results.shares(0.1)
    np.testing.assert_allclose(frame["share"], positive)
    np.testing.assert_allclose(results.params, special.logit(positive))
    n = X["site"].value_counts().sort_index()
    np.testing.assert_allclose(results.bse, 1 / np.sqrt(n * positive * (1 - positive)))
    ends = special.expit(results.conf_int(0.1))
    np.testing.assert_allclose(frame["conf_low"], ends[0])
    np.testing.assert_allclose(
        results.predict(X.iloc[:3]), positive[X["site"].iloc[:3]]
    )


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "HC1", "cluster"])
@pytest.mark.parametrize("penalty", [None, "firth"])
@pytest.mark.parametrize("kind", ["groups", "formula"])
def test_frequency_weights_equal_repeated_rows(data, cov_type, penalty, kind):
    X, values, weights = data
    copies = np.repeat(np.arange(len(X)), weights.astype(int))
    kwds = {"groups": "patient"} if cov_type == "cluster" else None

    def fitted(effect):
        model = (
            ConditionalEffects.from_groups(effect, "sex", weights_type="frequency")
            if kind == "groups"
            else ConditionalEffects.from_formula(
                "age + sex", effect, weights_type="frequency"
            )
        )
        return model.sign_model().fit(cov_type, kwds, penalty=penalty)

    weighted = fitted(effect_of(values, X, weights))
    repeated = fitted(effect_of(values[copies], X.iloc[copies]))
    np.testing.assert_allclose(weighted.params, repeated.params, rtol=1e-8)
    np.testing.assert_allclose(weighted.bse, repeated.bse, rtol=1e-8)


def test_sampling_weights_are_robust_and_know_no_scale(data):
    X, values, weights = data
    models = [
        ConditionalEffects.from_formula("age", effect_of(values, X, w)).sign_model()
        for w in (weights, 0.1 * weights)
    ]
    one, other = (model.fit() for model in models)
    assert one.cov_type == "HC1"
    np.testing.assert_allclose(one.bse, other.bse, rtol=1e-6)


def test_firths_penalty_maximises_its_likelihood(data):
    X, values, _ = data
    X, values = X.iloc[:25], values[:25]
    results = (
        ConditionalEffects.from_formula("age + sex", effect_of(values, X))
        .sign_model()
        .fit(penalty="firth")
    )
    exog = smf.ols("y ~ age + sex", X.assign(y=values)).exog

    def loss(coef):
        p = special.expit(exog @ coef)
        information = (exog * (p * (1 - p))[:, None]).T @ exog
        y = values > 0
        return (
            -np.sum(np.log(np.where(y, p, 1 - p)))
            - 0.5 * np.linalg.slogdet(information)[1]
        )

    known = optimize.minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-7})
    scale = np.abs(exog).max(axis=0)
    np.testing.assert_allclose(
        results.params * scale, known.x * scale, rtol=1e-3, atol=1e-3
    )
    assert loss(results.params.to_numpy()) <= known.fun + 1e-10


def test_firths_penalty_of_groups_adds_a_half():
    by = np.repeat(["a", "b"], [6, 9])
    values = np.where(np.arange(15) % 3 == 0, -1.0, 1.0)
    values[:6] = 1.0  # group a: all positive
    effect = effect_of(values)
    results = (
        ConditionalEffects.from_groups(effect, by=by).sign_model().fit(penalty="firth")
    )
    np.testing.assert_allclose(results.params, [np.log(6.5 / 0.5), np.log(6.5 / 3.5)])
    formula = effect_of(values, pd.DataFrame({"g": by}))
    again = (
        ConditionalEffects.from_formula("0 + g", formula)
        .sign_model()
        .fit(penalty="firth")
    )
    np.testing.assert_allclose(again.params, results.params, rtol=1e-7)
    np.testing.assert_allclose(again.bse, results.bse, rtol=1e-7)


def test_separation_is_reported():
    X = pd.DataFrame({"a": np.arange(30.0), "b": np.arange(30) % 7})
    effect = effect_of(np.where(X["a"] > 12, 1.0, -1.0), X)
    model = ConditionalEffects.from_formula("a + b", effect).sign_model()
    with pytest.raises(ValueError, match="signs are separated.*'a'.*penalty='firth'"):
        model.fit()
    assert np.isfinite(model.fit(penalty="firth").bse).all()


def test_quasi_separation_is_reported():
    # At a = 1 both signs occur, at a = 0 one of them.
    X = pd.DataFrame({"a": [0.0] * 10 + [1.0] * 10})
    effect = effect_of([-1.0] * 10 + [1.0, -1.0] * 5, X)
    with pytest.raises(ValueError, match="separated"):
        ConditionalEffects.from_formula("a", effect).sign_model().fit()


def test_certain_signs_are_not_mistaken_for_separation():
    # Log-odds beyond 12 at the ends, and yet both signs in the middle.
    rng = np.random.default_rng(0)
    a = np.concatenate([rng.uniform(-1, 1, 400), [-60.0, 60.0]])
    values = np.where(rng.random(402) < special.expit(a), 1.0, -1.0)
    values[-2:] = -1, 1
    X = pd.DataFrame({"a": a})
    results = (
        ConditionalEffects.from_formula("a", effect_of(values, X)).sign_model().fit()
    )
    known = sm.Logit(values > 0, sm.add_constant(a)).fit(disp=0)
    np.testing.assert_allclose(results.params, known.params, rtol=1e-5)


def test_a_rule_that_determines_the_sign_is_reported():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    effect = fme(DecisionTreeRegressor(max_depth=2).fit(X, y), X, {"s5": 1})
    tree = came(effect, n_partitions=2, method="cart")
    model = ConditionalEffects.from_partition(tree, effect).sign_model(zeros="outcome")
    with pytest.raises(ValueError, match="signs are separated"):
        model.fit()


def test_zeros_are_left_out_and_counted(data):
    X, values, _ = data
    values = np.where(np.arange(120) % 5 == 0, 0.0, values)
    kept = values != 0
    results = (
        ConditionalEffects.from_formula("age", effect_of(values, X)).sign_model().fit()
    )
    known = (
        ConditionalEffects.from_formula("age", effect_of(values[kept], X[kept]))
        .sign_model()
        .fit()
    )
    np.testing.assert_allclose(results.params, known.params)
    assert "24 effects are exactly zero and left out" in results.summary()
    clustered = (
        ConditionalEffects.from_formula("age", effect_of(values, X))
        .sign_model()
        .fit("cluster", {"groups": "patient"})
    )
    assert clustered.df[0] == X.loc[kept, "patient"].nunique() - 1


@pytest.mark.parametrize("cov_type", ["nonrobust", "HC0", "cluster"])
def test_zeros_as_an_outcome_are_statsmodels_multinomial(data, cov_type):
    X, values, _ = data
    values = np.where(np.arange(120) % 4 == 0, 0.0, values)
    model = ConditionalEffects.from_formula("age + sex", effect_of(values, X))
    clustered = cov_type == "cluster"
    kwds = {"groups": "patient"} if clustered else None
    results = model.sign_model(zeros="outcome").fit(cov_type, kwds)
    exog = smf.ols("y ~ age + sex", X.assign(y=values)).exog
    known = sm.MNLogit(np.sign(values), exog).fit(disp=0, cov_type="nonrobust")
    np.testing.assert_allclose(
        results.params, np.asarray(known.params).ravel(order="F"), rtol=1e-6
    )
    assert list(results.labels["outcome"]) == ["zero"] * 3 + ["positive"] * 3
    if cov_type == "nonrobust":
        np.testing.assert_allclose(
            results.bse, np.asarray(known.bse).ravel(order="F"), rtol=1e-6
        )
    else:
        flat = np.asarray(known.params).ravel(order="F")
        scores = known.model.score_obs(flat)
        bread = np.linalg.inv(known.model.hessian(flat))
        factor = 1.0
        if clustered:
            scores = (
                pd.DataFrame(scores).groupby(X["patient"].to_numpy()).sum().to_numpy()
            )
            G = len(scores)
            factor = G / (G - 1) * 119 / 117
        cov = factor * bread @ scores.T @ scores @ bread
        np.testing.assert_allclose(results.bse, np.sqrt(np.diag(cov)), rtol=1e-6)
    shares = np.asarray(known.predict(exog))
    np.testing.assert_allclose(results.predict(X), shares[:, -1], rtol=1e-6)
    with pytest.raises(ValueError, match="predict"):
        results.shares()


def test_what_is_refused(data):
    X, values, weights = data
    effect = effect_of(values, X)
    model = ConditionalEffects.from_groups(effect, by="sex")
    weighted = ConditionalEffects.from_groups(effect_of(values, X, weights), by="sex")
    positive = ConditionalEffects.from_groups(
        effect_of(np.abs(values) + 1, X), by="sex"
    )
    zero = ConditionalEffects.from_groups(effect_of(0 * values, X), by="sex")
    cases = [
        (lambda: model.sign_model("drop"), "zeros='drop' is not known"),
        (lambda: positive.sign_model(), "Every effect is positive"),
        (lambda: zero.sign_model(), "Every effect is zero"),
        (lambda: model.sign_model().fit(penalty="l2"), "penalty='l2' is not known"),
        (lambda: model.sign_model().fit("HC3"), "cov_type='HC3' is not known"),
        (lambda: weighted.sign_model("outcome").fit(), "neither weights nor a penalty"),
    ]
    for call, message in cases:
        with pytest.raises(ValueError, match=message):
            call()
