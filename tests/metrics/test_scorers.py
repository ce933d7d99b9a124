"""Scorers of effects: what they say, and scikit-learn's protocol of scorers."""

import copy
import datetime as dt
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import IQR, Add, FMEExplainer, Scale, StdDev, fme
from skfme.metrics import make_anlm_scorer, make_monotonicity_scorer


@pytest.fixture(scope="module")
def diabetes():
    return load_diabetes(return_X_y=True, as_frame=True, scaled=False)


@pytest.fixture
def grid():
    return pd.DataFrame({"a": np.arange(-10.0, 11.0), "b": 1.0})


def square(X):
    return X["a"].to_numpy() ** 2


def test_anlm_scorer_is_the_mean_anlm_of_the_effects(diabetes):
    X, y = diabetes
    model = make_pipeline(PolynomialFeatures(2), Ridge()).fit(X, y)
    steps = [{"bmi": -5}, {"bp": -20}]
    effects = fme(model, X, steps, nlm=True)
    expected = np.mean([effect.anlm for effect in effects.values()])
    assert make_anlm_scorer(steps)(model, X, y) == pytest.approx(expected)
    median = make_anlm_scorer({"bmi": -5}, statistic="median")(model, X, y)
    assert median == pytest.approx(np.nanmedian(effects["bmi -5"].nlm))
    share = make_anlm_scorer({"bmi": -5}, statistic="share_linear")(model, X, y)
    nlm = effects["bmi -5"].nlm
    assert share == pytest.approx(np.mean(nlm[~np.isnan(nlm)] >= 0.9))


def test_anlm_scorer_leaves_out_effects_along_which_nothing_changes(grid):
    alone = make_anlm_scorer({"a": 3})(square, grid)
    assert alone < 1
    assert make_anlm_scorer([{"a": 3}, {"b": 0.1}], extrapolation=None)(
        square, grid
    ) == pytest.approx(make_anlm_scorer({"a": 3}, extrapolation=None)(square, grid))
    with pytest.raises(ValueError, match=r"No row has an NLM for 'b \+0.1'"):
        make_anlm_scorer({"b": 0.1}, extrapolation=None)(square, grid)


def test_monotonicity_is_the_share_of_rows_without_the_opposite_sign(grid):
    # (a + 1)² − a² = 2a + 1 is negative for the ten rows below −0.5; a = 10 leaves.
    rising = make_monotonicity_scorer("a", 1, step=1)
    falling = make_monotonicity_scorer("a", -1, step=1)
    assert rising(square, grid) == pytest.approx(10 / 20)
    assert falling(square, grid) == pytest.approx(10 / 20)
    weights = (grid["a"] >= 0).astype(float)
    assert rising(square, grid, sample_weight=weights) == 1
    assert falling(square, grid, sample_weight=weights) == 0


def test_an_effect_of_zero_or_of_rounding_is_no_violation(grid):
    def plateau(X):
        noise = 1e-13 * np.sin(1e6 * X["a"].to_numpy())
        return np.where(X["a"] < 0, 0.0, 1.0) + noise

    assert make_monotonicity_scorer("a", 1, step=1)(plateau, grid) == 1
    assert (
        make_monotonicity_scorer("b", -1, step=1, extrapolation=None)(square, grid) == 1
    )


@pytest.mark.parametrize("step", [None, 2, Add(1), StdDev(0.3), IQR(0.2)])
def test_a_monotone_model_scores_1_whatever_the_step(diabetes, step):
    X, y = diabetes
    model = DecisionTreeRegressor(monotonic_cst=(X.columns == "bmi").astype(int))
    assert make_monotonicity_scorer("bmi", 1, step=step)(model.fit(X, y), X, y) == 1


def test_monotonicity_of_a_date_takes_a_timedelta():
    X = pd.DataFrame({"t": pd.date_range("2026-01-01", periods=9), "a": 1.0})
    scorer = make_monotonicity_scorer("t", 1, step=dt.timedelta(days=2))
    assert scorer(lambda X: X["t"].dt.day_of_year.to_numpy(), X) == 1


@pytest.fixture(scope="module")
def classifier():
    X, y = load_iris(return_X_y=True, as_frame=True)
    names = np.array(["setosa", "versicolor", "virginica"])[y]
    return LogisticRegression(max_iter=500).fit(X, names), X


PETAL = "petal length (cm)"


@pytest.mark.parametrize(("sign", "output"), [(1, "virginica"), (-1, "setosa")])
def test_monotonicity_is_scored_for_the_named_output(classifier, sign, output):
    assert make_monotonicity_scorer(PETAL, sign, output=output)(*classifier) == 1


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (None, "takes one.*output='virginica'"),
        ("virgin", "'virgin' is no output.*mean 'virginica'"),
    ],
    ids=["none", "unknown"],
)
def test_monotonicity_of_several_outputs_needs_one_by_name(classifier, output, message):
    with pytest.raises(ValueError, match=message):
        make_monotonicity_scorer(PETAL, 1, output=output)(*classifier)


def test_a_sign_is_1_or_minus_1():
    with pytest.raises(ValueError, match="sign must be 1 or -1, got 0"):
        make_monotonicity_scorer("a", 0)


@pytest.mark.parametrize(
    "step", [-1, Add(-1), StdDev(0), dt.timedelta(days=-1), float("nan")], ids=repr
)
def test_a_step_that_does_not_raise_the_feature_is_refused(step):
    with pytest.raises(ValueError, match="step must raise the feature"):
        make_monotonicity_scorer("a", 1, step=step)


@pytest.mark.parametrize("step", [Scale(2), "up"], ids=repr)
def test_a_step_without_a_size_is_refused(step):
    with pytest.raises(TypeError, match="step must be a number, Add, StdDev"):
        make_monotonicity_scorer("a", 1, step=step)


def test_an_unknown_statistic_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="statistic must be one of 'mean', 'median'"):
        make_anlm_scorer({"a": 1}, statistic="mode")


def test_nothing_to_score_is_an_error(grid):
    scorer = make_monotonicity_scorer("a", 1, step=100)
    with (
        pytest.warns(UserWarning, match="No row counts"),
        pytest.raises(ValueError, match="No row counts for the effect 'a \\+100'"),
    ):
        scorer(square, grid)


SCORERS = {
    "anlm": make_anlm_scorer({"bmi": -2}),
    "rising": make_monotonicity_scorer("bmi", 1),
}


@pytest.mark.parametrize("name", SCORERS)
def test_scorers_can_be_pickled_copied_and_read(diabetes, name):
    X, y = diabetes
    model = RandomForestRegressor(5, random_state=0).fit(X, y)
    scorer = SCORERS[name]
    expected = scorer(model, X, y)
    for again in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert again(model, X, y) == expected
    assert repr(scorer) in (
        "make_anlm_scorer({'bmi': -2}, statistic='mean')",
        "make_monotonicity_scorer('bmi', +1, step=StdDev(count=0.5))",
    )


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scorers_serve_beside_accuracy_in_a_search_over_pipelines(diabetes, n_jobs):
    X, y = diabetes
    pipeline = make_pipeline(PolynomialFeatures(1), StandardScaler(), Ridge())
    search = GridSearchCV(
        pipeline,
        {"polynomialfeatures__degree": [1, 3]},
        scoring={"r2": "r2", **SCORERS},
        refit="anlm",
        n_jobs=n_jobs,
        cv=3,
    ).fit(X, y)
    assert search.best_params_ == {"polynomialfeatures__degree": 1}
    assert search.best_score_ == pytest.approx(1)
    assert search.cv_results_["mean_test_rising"][0] == 1


def test_a_scorer_alone_scores_an_explainer_as_any_model(diabetes):
    X, y = diabetes
    explainer = FMEExplainer(LinearRegression(), {"bp": 1})
    scores = cross_validate(explainer, X, y, scoring=SCORERS["anlm"], cv=3)
    np.testing.assert_allclose(scores["test_score"], 1)


@pytest.mark.skipif(
    not hasattr(GridSearchCV, "_check_scorers_accept_sample_weight"),
    reason="the searches of this scikit-learn give weights to no scorer",
)
def test_weights_of_a_search_reach_the_scorers(diabetes):
    X, y = diabetes
    weights = (X["bmi"] > X["bmi"].median()).to_numpy().astype(float)
    cv = GroupKFold(2)
    groups = np.arange(len(X)) % 2
    model = DecisionTreeRegressor(random_state=0)
    search = GridSearchCV(
        model, {"max_depth": [4]}, scoring=SCORERS, refit="anlm", cv=cv
    ).fit(X, y, sample_weight=weights, groups=groups)
    expected = []
    for train, test in cv.split(X, y, groups):
        model.set_params(max_depth=4).fit(X.iloc[train], y.iloc[train], weights[train])
        expected.append(
            SCORERS["anlm"](model, X.iloc[test], sample_weight=weights[test])
        )
    assert search.best_score_ == pytest.approx(np.mean(expected))


def test_weights_are_routed_to_a_scorer_that_requests_them(diabetes):
    X, y = diabetes
    weights = (X["bmi"] > X["bmi"].median()).to_numpy().astype(float)
    with pytest.raises(RuntimeError, match="enable_metadata_routing"):
        make_anlm_scorer({"bmi": -2}).set_score_request(sample_weight=True)
    model = DecisionTreeRegressor(max_depth=4, random_state=0)

    def anlm(asked):
        scorer = make_anlm_scorer({"bmi": -2}).set_score_request(sample_weight=asked)
        scores = cross_validate(
            model,
            X,
            y,
            scoring={"anlm": scorer, "r2": r2},
            params={"sample_weight": weights},
        )
        return scores["test_anlm"].mean()

    with sklearn.config_context(enable_metadata_routing=True):
        model.set_fit_request(sample_weight=False)
        r2 = make_scorer(r2_score).set_score_request(sample_weight=True)
        asked, not_asked = anlm(True), anlm(False)
    plain = cross_validate(model, X, y, scoring=make_anlm_scorer({"bmi": -2}))
    assert not_asked == pytest.approx(plain["test_score"].mean())
    assert asked != pytest.approx(not_asked, rel=1e-3)
