"""Isolation forests as supports: one walk judges as the forest does, on every row."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skfme import Contrast, FMEExplainer
from skfme._engine import judging

rng = np.random.default_rng(0)
N = 301
X = rng.normal(size=(N, 4))
X[:, 3] = X[:, 0] + 0.2 * X[:, 1]
frame = pd.DataFrame(X, columns=list("abcd")).assign(g=rng.choice(list("uvw"), N))
holes = np.where(rng.random(X.shape) < 0.1, np.nan, X)
STEPS = [{0: 1.0}, {1: -0.5}, {0: 1.0, 3: 1.0}, {2: Contrast(-1.5, 1.5)}, {3: 0.0}]
NAMED = [{"a": 1.0}, {"g": "w"}, {"b": -0.5, "g": "u"}, {"c": Contrast(-1.5, 1.5)}]


def forest(**options):
    return IsolationForest(n_estimators=30, random_state=0, **options)


def first(estimator, X):
    return np.nan_to_num(np.asarray(X)[:, 0].astype(float))


def explained(detector, table, steps, monkeypatch, *, walked):
    # A function for a model, as it takes what may be missing.
    with monkeypatch.context() as patched:
        patched.setattr(judging, "_WORTH_LOADING", 0 if walked else np.inf)
        explainer = FMEExplainer(
            FrozenEstimator(LinearRegression().fit(X, X[:, 0])),
            steps,
            extrapolation=detector,
            response_method=first,
            batch_size=100,
        )
        return explainer.fit(table).explain(table)


def assert_same_verdicts(detector, table, steps, monkeypatch):
    walked, asked = (
        explained(detector, table, steps, monkeypatch, walked=walked)
        for walked in (True, False)
    )
    outside = 0
    for name, effect in asked.items():
        np.testing.assert_array_equal(walked[name].status, effect.status)
        outside += effect.n_left_out["extrapolation"]
    assert 0 < outside < len(table) * len(steps)
    assert walked.context.n_outside_before == asked.context.n_outside_before


SUPPORTS = {
    "plain": lambda: (forest(), X, STEPS),
    "a share of outliers": lambda: (forest(contamination=0.1), X, STEPS),
    "few rows a tree": lambda: (forest(max_samples=8, contamination=0.2), X, STEPS),
    "some of the features": lambda: (forest(max_features=0.5), X, STEPS),
    "missing values": lambda: (forest(contamination=0.2), holes, STEPS),
    "fitted before": lambda: (
        FrozenEstimator(forest(contamination=0.2).fit(X)),
        X,
        STEPS,
    ),
    "in a pipeline": lambda: (
        make_pipeline(
            make_column_transformer(
                (OneHotEncoder(), ["g"]), (StandardScaler(), list("abcd"))
            ),
            forest(contamination=0.1),
        ),
        frame,
        NAMED,
    ),
}


@pytest.mark.parametrize("case", SUPPORTS.values(), ids=SUPPORTS)
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_verdicts_are_the_forests_own(case, monkeypatch):
    assert_same_verdicts(*case(), monkeypatch)


def test_rows_at_the_threshold_are_judged_by_the_forest():
    # With 301 rows the tenth percentile is a row's own score.
    detector = forest(contamination=0.1).fit(X)
    assert (detector.score_samples(X) == detector.offset_).any()


def test_the_forest_is_not_asked_for_each_effect(monkeypatch):
    steps = [{j: 0.1 * (k + 1)} for j in range(4) for k in range(5)]
    judged = []

    def outside(self, table, count, changed, rows):
        judged.append(rows.sum())
        return np.zeros(len(table), dtype=bool)

    monkeypatch.setattr(judging.DetectorSupport, "outside", outside)
    explained(forest(), X, steps, monkeypatch, walked=True)
    assert sum(judged) == 0


def test_a_forest_whose_method_was_replaced_is_asked(monkeypatch):
    detector = forest().fit(X)
    detector.predict = lambda table: np.where(np.asarray(table)[:, 0] > 1, -1, 1)
    assert_same_verdicts(FrozenEstimator(detector), X, STEPS, monkeypatch)


class Lenient(IsolationForest):
    """A class of a user's own."""

    def predict(self, X):
        return np.where(self.score_samples(X) < -0.6, -1, 1)


def test_a_users_own_forest_is_asked(monkeypatch):
    detector = Lenient(n_estimators=30, random_state=0)
    assert_same_verdicts(detector, X, STEPS, monkeypatch)


def test_without_the_extra_the_forest_is_asked(monkeypatch):
    monkeypatch.setattr(judging, "find_spec", lambda name: None)
    assert_same_verdicts(forest(contamination=0.1), X, STEPS, monkeypatch)
