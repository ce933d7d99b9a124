"""Scores of effects, against definitions and closed forms."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from skfme import fme
from skfme.metrics import effect_stability, partition_r2_score
from skfme.statsmodels import EffectTree


@pytest.fixture
def regions():
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(600, 3))
    fme = np.where(X[:, 0] < 0.4, -2.0, 1.0) + rng.normal(scale=0.3, size=600)
    fme[rng.random(600) < 0.2] = np.nan
    return X, fme


def test_partition_r2_is_one_minus_within_over_total():
    fme = np.array([1.0, 3.0, np.nan, 10.0, 12.0])
    came = np.array([2.0, 2.0, 99.0, 11.0, 11.0])
    assert partition_r2_score(fme, came) == pytest.approx(1 - 4 / 85)
    weights = np.array([2, 1, 5, 1, 0])
    expected = r2_score([1.0, 1.0, 3.0, 10.0], [2.0, 2.0, 2.0, 11.0])
    ours = partition_r2_score(fme, came, sample_weight=weights)
    assert ours == pytest.approx(expected)


def test_partition_r2_scores_a_search_over_effects_with_nan(regions):
    X, fme = regions
    scorer = make_scorer(partition_r2_score)
    search = GridSearchCV(EffectTree(), {"max_depth": [1, 3]}, scoring=scorer)
    search.fit(X, fme)
    assert search.best_score_ > 0.8
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    ours = cross_val_score(search.best_estimator_, X, fme, scoring=scorer)
    np.testing.assert_allclose(ours, cross_val_score(search.best_estimator_, X, fme))


@pytest.mark.parametrize(
    ("fme", "came", "message"),
    [
        (np.zeros((4, 2)), np.zeros(4), "the effects of one output"),
        (np.zeros(4), np.zeros(3), r"came has shape \(3,\), expected \(4,\)"),
        (np.full(3, np.nan), np.zeros(3), "NaN in every row"),
    ],
    ids=["several outputs", "unequal lengths", "no effects"],
)
def test_partition_r2_refuses_effects_without_a_variance_of_one_output(
    fme, came, message
):
    with pytest.raises(ValueError, match=message):
        partition_r2_score(fme, came)


def slopes(*values):
    """Linear models of one feature, as functions."""
    return [lambda X, b=b: b * X["a"].to_numpy() for b in values]


@pytest.fixture
def line():
    return pd.DataFrame({"a": np.linspace(0.0, 10.0, 50), "b": np.arange(50.0)})


def test_stability_of_linear_models_is_that_of_their_slopes(line):
    b = np.array([1.0, 2.0, 4.0])
    (row,) = effect_stability(slopes(*b), line, {"a": 2}).to_dict("records")
    assert row["effect"], row["output"] == ("a +2", "y")
    assert row["n"] == (line["a"] <= 8).sum()
    assert row["ame"] == pytest.approx(2 * b.mean())
    assert row["ame_sd"] == pytest.approx(2 * b.std(ddof=1))
    assert row["refit_sd"] == pytest.approx(2 * b.std(ddof=1))
    assert row["agreement"] == pytest.approx(1 - b.var(ddof=1) / (b**2).mean())
    assert np.isnan(row["correlation"])


def test_equal_refits_agree_even_where_effects_do_not_differ_between_rows(line):
    for models in (slopes(3, 3, 3), slopes(0, 0)):
        stability = effect_stability(models, line, {"a": 1})
        assert stability["agreement"].tolist() == [1]
        assert stability["ame_sd"].tolist() == [0]


def wavy(seed):
    a, b = np.random.default_rng(seed).normal(size=2)
    return lambda X: np.sin(a + X["a"]) * X["b"] + b * X["a"] ** 2


def test_agreement_and_correlation_are_means_over_pairs_of_refits(line):
    models = [wavy(seed) for seed in range(5)]
    (row,) = effect_stability(models, line, {"a": 1.5}).to_dict("records")
    effects = [fme(model, line, {"a": 1.5}).fme for model in models]
    effects = [e[~np.isnan(e)] for e in effects]
    products = [np.mean(e * f) for e, f in combinations(effects, 2)]
    squares = [np.mean(e**2) for e in effects]
    assert row["agreement"] == pytest.approx(np.mean(products) / np.mean(squares))
    correlations = [np.corrcoef(e, f)[0, 1] for e, f in combinations(effects, 2)]
    assert row["correlation"] == pytest.approx(np.mean(correlations))
    assert row["refit_sd"] == pytest.approx(
        np.sqrt(np.mean([np.var(row, ddof=1) for row in zip(*effects, strict=True)]))
    )


def test_effects_that_are_noise_do_not_agree(line):
    rng = np.random.default_rng(0)
    b = rng.normal(size=200)
    (agreement,) = effect_stability(slopes(*b), line, {"a": 1})["agreement"]
    assert abs(agreement) < 0.05


def test_whole_weights_of_stability_equal_repeated_rows(line):
    weights = np.arange(50) % 3
    models = [wavy(seed) for seed in range(4)]
    options = {"steps": {"a": 1.5}, "background": line}
    weighted = effect_stability(models, line, sample_weight=weights, **options)
    repeated = line.loc[np.repeat(line.index, weights)].reset_index(drop=True)
    plain = effect_stability(models, repeated, **options)
    pd.testing.assert_frame_equal(weighted.drop(columns="n"), plain.drop(columns="n"))


def test_stability_has_a_line_for_each_effect_and_class():
    X, y = load_iris(return_X_y=True, as_frame=True)
    models = [LogisticRegression(C=C, max_iter=500).fit(X, y) for C in (0.1, 10)]
    steps = [{"petal length (cm)": 1}, {"petal width (cm)": 0.5}]
    stability = effect_stability(models, X, steps)
    assert stability["output"].tolist() == ["0", "1", "2"] * 2
    assert stability["effect"].nunique() == 2


def test_stability_of_one_refit_is_refused(line):
    with pytest.raises(ValueError, match="at least 2 fitted estimators, got 1"):
        effect_stability(slopes(1), line, {"a": 1})


def test_stability_without_a_row_that_counts_is_refused(line):
    with (
        pytest.warns(UserWarning, match="No row counts"),
        pytest.raises(ValueError, match=r"No row counts for the effect 'a \+100'"),
    ):
        effect_stability(slopes(1, 2), line, {"a": 100})


def test_stability_of_refits_with_unequal_classes_is_refused():
    X, y = load_iris(return_X_y=True)
    models = [LogisticRegression(max_iter=500).fit(X[k:], y[k:]) for k in (0, 50)]
    with pytest.raises(ValueError, match="different outputs: 0, 1, 2 and 2.*stratify"):
        effect_stability(models, X, {0: 1})
