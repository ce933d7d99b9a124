"""Scores of effects, against definitions and in scikit-learn's searches."""

import numpy as np
import pytest
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score

from skfme.metrics import partition_r2_score
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


def test_partition_r2_refuses_what_it_cannot_score():
    with pytest.raises(ValueError, match="the effects of one output"):
        partition_r2_score(np.zeros((4, 2)), np.zeros(4))
    with pytest.raises(ValueError, match=r"came has shape \(3,\), expected \(4,\)"):
        partition_r2_score(np.zeros(4), np.zeros(3))
    with pytest.raises(ValueError, match="NaN in every row"):
        partition_r2_score(np.full(3, np.nan), np.zeros(3))
