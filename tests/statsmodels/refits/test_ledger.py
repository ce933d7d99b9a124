"""Standard errors split into rows, training data and seed."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import FMEExplainer
from skfme.statsmodels import EffectResults, uncertainty_ledger
from skfme.statsmodels._refits.ledger_results import (
    Components,
    NestedRefits,
    UncertaintyLedger,
)
from tests.statsmodels.refits.learners import FailsAbove, Parabola, SeedSlope

N = 80


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    X = np.column_stack([rng.normal(size=N), np.arange(N)])
    return X, rng.normal(size=N)


def explainer_of(learner, steps=None):
    return FMEExplainer(learner, {0: 1} if steps is None else steps, extrapolation=None)


def test_components_are_unbiased_before_they_are_truncated():
    rng = np.random.default_rng(0)
    refit, seed, n_resamples, n_seeds = 0.3, 2.0, 5, 3
    simulated = []
    for _ in range(3000):
        between = rng.normal(scale=np.sqrt(refit), size=(n_resamples, 1, 1))
        within = rng.normal(scale=np.sqrt(seed), size=(n_resamples, n_seeds, 1))
        parts = Components.of(7 + between + within)
        simulated.append(
            [parts.refit[0, 0], parts.seed[0, 0], parts.refit_error[0] ** 2]
        )
    estimates = np.array(simulated)
    assert (estimates[:, 0] < 0).mean() > 0.2  # truncation would show
    se = estimates.std(axis=0) / np.sqrt(len(estimates))
    assert abs(estimates[:, 0].mean() - refit) < 4 * se[0]
    assert abs(estimates[:, 1].mean() - seed) < 4 * se[1]
    # by the chi-square distributions of the two mean squares
    m = refit + seed / n_seeds
    variance = 2 * m**2 / (n_resamples - 1)
    variance += 2 * (seed / n_seeds) ** 2 / (n_resamples * (n_seeds - 1))
    assert estimates[:, 0].var() == pytest.approx(variance, rel=0.1)


def test_components_equal_those_worked_by_hand():
    averages = np.array([[[1.0], [3.0]], [[6.0], [10.0]], [[4.0], [6.0]]])
    # within: variances 2, 8, 2, mean 4; means 2, 8, 5 have variance 9
    parts = Components.of(averages)
    assert parts.seed[0, 0] == pytest.approx(4)
    assert parts.refit[0, 0] == pytest.approx(9 - 4 / 2)


def test_a_deterministic_learner_has_no_seed_part_at_all():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    explainer = FMEExplainer(Ridge(), steps=[{2: -2}, {3: 5}])
    ledger = uncertainty_ledger(
        explainer, X, y, n_resamples=10, n_seeds=2, random_state=0
    )
    assert (ledger.variances["seed"] == 0).all()
    # ridge has one slope for all rows
    np.testing.assert_allclose(ledger.variances["rows"], 0, atol=1e-20)
    np.testing.assert_allclose(ledger.together, ledger.bse)
    assert "the seed has no part in it" in ledger.summary().replace("\n", " ")


def test_known_parts_of_training_data_and_seed_are_found(data):
    X, y = data
    learner = SeedSlope(data=3.0, noise=0.5, random_state=17)
    B, S = 100, 3
    ledger = uncertainty_ledger(
        explainer_of(learner), X, y, n_resamples=B, n_seeds=S, random_state=0
    )
    seed, refit = 0.5**2, 9 * np.var(y) / N
    variances = ledger.variances.iloc[0]
    assert variances["rows"] == pytest.approx(0, abs=1e-20)
    assert variances["seed"] == pytest.approx(
        seed, abs=4 * seed * np.sqrt(2 / (B * (S - 1)))
    )
    error = np.sqrt(2 / (B - 1)) * (refit + seed / S)
    assert variances["refit"] == pytest.approx(refit, abs=4 * error)
    assert ledger.mc_errors["seed"].iloc[0] == pytest.approx(
        np.sqrt(variances["seed"] / (2 * B * (S - 1)))
    )
    assert ledger.bse.iloc[0] == pytest.approx(np.sqrt(variances.sum()))
    assert learner.random_state == 17


def test_a_learner_that_learns_nothing_has_a_part_of_rows_alone(data):
    X, y = data
    ledger = uncertainty_ledger(
        explainer_of(Parabola()), X, y, n_resamples=100, n_seeds=2, random_state=0
    )
    effects = 2 * X[:, 0] + 1
    expected = np.std(effects, ddof=1) / np.sqrt(N)
    assert np.sqrt(ledger.variances["rows"].iloc[0]) == pytest.approx(expected)
    assert (ledger.variances[["refit", "seed"]] == 0).all(axis=None)
    assert ledger.together.iloc[0] == pytest.approx(expected, rel=0.25)
    assert ledger.shares["rows"].iloc[0] == 1


def test_groups_are_the_units_of_the_part_of_rows(data):
    X, y = data
    groups = np.arange(N) // 8
    ledger = uncertainty_ledger(
        explainer_of(Parabola()), X, y, groups=groups, n_resamples=2, n_seeds=2
    )
    means = (2 * X[:, 0] + 1).reshape(10, 8).mean(axis=1)
    expected = np.var(means, ddof=1) / 10
    assert ledger.variances["rows"].iloc[0] == pytest.approx(expected)


def test_a_negative_part_is_set_to_zero_and_reported(data):
    fixed = np.array([[[1.0], [3.0]], [[3.0], [1.0]], [[1.5], [2.5]]])
    ledger = _ledger(fixed)
    # equal means of the resamples leave −seed² / S
    seed = (2 + 2 + 0.5) / 3
    assert ledger.variances["refit"].iloc[0] == 0
    assert ledger.negative.iloc[0] == pytest.approx(-seed / 2)
    assert ledger.bse.iloc[0] == pytest.approx(np.sqrt(seed))
    assert ledger.to_frame()["truncated"].tolist() == [True]
    assert "estimated below zero" in ledger.summary()


def _ledger(fixed):
    return UncertaintyLedger(
        [2.0],
        np.zeros((1, 1)),
        NestedRefits(fixed, fixed),
        labels=pd.DataFrame({"effect": ["a"]}),
    )


def test_differences_have_parts_of_their_own(data):
    X, y = data
    steps = [{0: 1}, {0: 3}]
    ledger = uncertainty_ledger(
        explainer_of(SeedSlope(), steps), X, y, n_resamples=20, random_state=0
    )
    assert isinstance(ledger, EffectResults)
    difference = ledger.pairwise(over="effect")
    # slopes are shared, so that a step of 3 minus a step of 1 is a step of 2
    np.testing.assert_allclose(
        difference.variances.iloc[0], 4 * ledger.variances.iloc[0], atol=1e-12
    )
    assert difference.bse.iloc[0] == pytest.approx(2 * ledger.bse.iloc[0])
    assert "p_adjusted" in difference.to_frame()


def test_a_linear_model_has_no_difference_between_groups_and_no_noise_for_one():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    y, by = X @ [1.0, 2] + rng.normal(size=90), rng.integers(0, 2, 90)
    explainer = FMEExplainer(LinearRegression(), {0: 0.7}, extrapolation=None)
    ledger = uncertainty_ledger(
        explainer, X, y, by=by, n_resamples=10, n_seeds=2, random_state=0
    )
    assert (ledger.variances["rows"] == 0).all()
    assert (ledger.variances["refit"] > 1e-4).all()
    difference = ledger.pairwise()
    assert difference.params.tolist() == [0]
    assert difference.variances.to_numpy().tolist() == [[0, 0, 0]]
    assert (difference.together.iloc[0], difference.pvalues.iloc[0]) == (0, 1)


def test_differences_in_several_labels_are_summarised_by_their_names(data):
    X, y = data
    by = np.where(X[:, 0] > 0, "high", "low")
    ledger = uncertainty_ledger(
        explainer_of(SeedSlope(), [{0: 1}, {0: 3}]), X, y, by=by, n_resamples=5
    )
    differences = ledger.pairwise(within=None)
    both = next(name for name in differences.names if name.count("|") == 2)
    assert differences.variances.loc[both, "refit"] >= 0
    assert list(differences.together.index) == differences.names
    assert sum(f"{both}:" in text for text in differences.sentences()) == 1
    assert "Differences" in differences.summary()


def test_four_times_the_trees_halve_the_part_of_the_seed():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    seeds = []
    for n_trees in (2, 8):
        forest = RandomForestRegressor(n_trees, min_samples_leaf=10)
        explainer = FMEExplainer(make_pipeline(StandardScaler(), forest), {2: -2})
        ledger = uncertainty_ledger(
            explainer, X[:150], y[:150], n_resamples=15, n_seeds=5, random_state=0
        )
        seeds.append(np.sqrt(ledger.variances["seed"].iloc[0]))
        projected = ledger.projected(seeds=4).iloc[0]
        parts = ledger.variances.iloc[0] / [1, 1, 4]
        assert projected == pytest.approx(np.sqrt(parts.sum()))
        assert "four times the trees would halve" in ledger.summary().replace("\n", " ")
    # each is known to 1/√(2 · 60), 9 % of itself
    assert seeds[0] / seeds[1] == pytest.approx(2, rel=0.35)


def test_boosting_is_not_said_to_be_averaged_by_more_trees(data):
    X, y = data
    booster = HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=3)
    ledger = uncertainty_ledger(
        explainer_of(booster), X, y, n_resamples=3, n_seeds=2, random_state=0
    )
    assert "trees" not in " ".join(ledger.sentences())
    with pytest.raises(ValueError, match="rows and seeds are multiples"):
        ledger.projected(rows=0)


def test_a_seed_gives_the_same_ledger_whatever_the_jobs(data):
    X, y = data
    one, two = (
        uncertainty_ledger(
            explainer_of(SeedSlope()), X, y, n_resamples=4, n_jobs=j, random_state=0
        )
        for j in (1, 2)
    )
    np.testing.assert_array_equal(one.refits.fixed, two.refits.fixed)
    np.testing.assert_array_equal(one.refits.drawn, two.refits.drawn)


def test_failures_are_counted(data):
    X, y = data
    limit = y.mean() + 1.9 * np.std(y) / np.sqrt(N)
    with pytest.warns(UserWarning, match="resamples failed"):
        ledger = uncertainty_ledger(
            explainer_of(FailsAbove(limit)), X, y, n_resamples=100, random_state=0
        )
    assert ledger.n_resamples == 100 - len(ledger.refits.failures) < 100
    assert "resamples failed and are left out" in ledger.summary()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_seeds": 1}, ValueError, "n_seeds must be a whole number of at least 2"),
        ({"n_resamples": 0}, ValueError, "n_resamples must be a whole number"),
        ({"y": None}, ValueError, "y is None"),
        ({"groups": np.ones(N)}, ValueError, "only one group"),
    ],
    ids=["one seed", "no resample", "no target", "one group"],
)
def test_bad_input_is_refused(data, options, error, message):
    X, y = data
    with pytest.raises(error, match=message):
        uncertainty_ledger(explainer_of(Ridge()), X, **({"y": y} | options))


def test_a_frozen_model_has_no_ledger(data):
    X, y = data
    frozen = FrozenEstimator(LinearRegression().fit(X, y))
    with pytest.raises(TypeError, match="cannot be fitted again"):
        uncertainty_ledger(explainer_of(frozen), X, y)
