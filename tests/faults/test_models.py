"""Models that fail in the middle of the rows: no call returns a part of its answer."""

import warnings

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer

N = 400
X = np.random.default_rng(0).normal(size=(N, 2))
LATE = 10.0  # in the first column: rows that no trial of fit sees


class BrokenError(Exception):
    """An error that no one but the model raises."""


def raises(values):
    raise BrokenError("the server is gone")


def with_last(value):
    return lambda values: np.append(values[:-1], value)


# How predictions go wrong, and what the refusal says.
FAULTS = {
    "raises": (raises, BrokenError, "the server is gone"),
    "NaN": (with_last(np.nan), ValueError, "returned NaN in"),
    "infinite": (with_last(np.inf), ValueError, "returned infinite values in"),
    "minus infinite": (with_last(-np.inf), ValueError, "returned infinite values in"),
    "too large to be squared": (
        with_last(-1.5e308),
        ValueError,
        "returned values beyond 1e\\+150 in",
    ),
    "complex": (lambda v: v + 1j, ValueError, "did not return numbers"),
    "complex without an imaginary part": (
        lambda v: v.astype(complex),
        ValueError,
        "did not return numbers",
    ),
    "masked": (
        lambda v: np.ma.array(v, mask=np.arange(len(v)) == len(v) - 1),
        ValueError,
        "returned NaN in",
    ),
    "masked integers": (
        lambda v: np.ma.array(v.astype(int), mask=np.arange(len(v)) == 0),
        ValueError,
        "returned NaN in",
    ),
    "dates": (
        lambda v: np.datetime64("2024-01-01", "s") + v.astype("timedelta64[s]"),
        ValueError,
        "did not return numbers",
    ),
    "spans of time": (
        lambda v: v.astype("timedelta64[s]"),
        ValueError,
        "did not return numbers",
    ),
    "text": (lambda v: v.astype(str), ValueError, "did not return numbers"),
    "too short": (lambda v: v[:-1], ValueError, "returned an array of shape"),
    "too long": (lambda v: np.append(v, 0), ValueError, "returned an array of shape"),
    "two outputs": (
        lambda v: np.column_stack([v, v]),
        ValueError,
        "returned 2 outputs, expected 1",
    ),
    "one number": (lambda v: v.mean(), ValueError, "returned an array of shape"),
    "nothing": (lambda v: None, ValueError, "returned an array of shape"),
}
CALLS = {
    "explain": lambda e, rows: e.explain(rows),
    "transform": lambda e, rows: e.transform(rows),
    "explain_batches": lambda e, rows: e.explain_batches([rows[:150], rows[150:]]),
    "attribute": lambda e, rows: e.attribute(rows, {0: 1, 1: 1}),
    "path": lambda e, rows: e.path(rows, "x0 +1"),
    "optimum": lambda e, rows: e.optimum(rows, 0, direction="min"),
}


class FailsLate(RegressorMixin, BaseEstimator):
    """Predicts x₀² + x₁, and what `fault` makes of it where a late row is asked for."""

    def __init__(self, fault):
        self.fault = fault

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        values = X[:, 0] ** 2 + X[:, 1]
        return self.fault(values) if (X[:, 0] > LATE / 2).any() else values


def explainer_of(fault, **options):
    model = FrozenEstimator(FailsLate(fault))
    options = {"batch_size": 100, "extrapolation": None} | options
    return FMEExplainer(model, {0: 1}, **options).fit(X)


def rows_with_a_late_one():
    late = X.copy()
    late[-3, 0] = LATE
    return late


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("call", CALLS)
def test_a_fault_in_a_late_row_is_the_end_of_the_whole_call(call, n_jobs):
    for fault, error, message in FAULTS.values():
        explainer = explainer_of(fault, n_jobs=n_jobs)
        with pytest.raises(error, match=message):
            CALLS[call](explainer, rows_with_a_late_one())


@pytest.mark.parametrize("fault", FAULTS)
def test_after_a_refusal_the_explainer_answers_as_before(fault):
    explainer = explainer_of(FAULTS[fault][0], nlm=True)
    before = explainer.explain(X)["x0 +1"]
    with pytest.raises(FAULTS[fault][1]):
        explainer.explain(rows_with_a_late_one())
    after = explainer.explain(X)["x0 +1"]
    np.testing.assert_array_equal(after.fme, before.fme)
    np.testing.assert_array_equal(after.nlm, before.nlm)
    np.testing.assert_allclose(after.fme, 2 * X[:, 0] + 1, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_model_that_draws_random_numbers_is_refused_at_any_scale(scale):
    rng = np.random.default_rng(0)
    noisy = lambda rows: scale * (rows[:, 0] + 0.01 * rng.normal(size=len(rows)))  # noqa: E731
    explainer = FMEExplainer(
        FrozenEstimator(FailsLate(None)),
        {0: 1},
        response_method=lambda model, rows: noisy(rows),
    )
    with pytest.raises(ValueError, match="draw random numbers"):
        explainer.fit(X)


def test_a_model_that_changes_with_every_call_is_refused():
    calls = []

    def drifts(model, rows):
        calls.append(len(rows))
        return rows[:, 0] + len(calls)

    explainer = FMEExplainer(
        FrozenEstimator(FailsLate(None)), {0: 1}, response_method=drifts
    )
    with pytest.raises(ValueError, match="predicts a row otherwise"):
        explainer.fit(X)


def test_a_warning_of_the_model_costs_nothing_of_the_answer():
    def warns(values):
        warnings.warn("old weights", UserWarning, stacklevel=2)
        return values

    with pytest.warns(UserWarning, match="old weights"):
        effect = explainer_of(warns).explain(rows_with_a_late_one())["x0 +1"]
    assert effect.n == N
    by_hand = 2 * rows_with_a_late_one()[:, 0] + 1
    np.testing.assert_allclose(effect.fme, by_hand, rtol=1e-12, atol=1e-12)


def test_a_model_that_exits_in_a_thread_does_not_end_in_half_an_answer():
    def leaves(values):
        raise SystemExit("out of licences")

    for n_jobs in (None, 2):
        with pytest.raises(SystemExit, match="out of licences"):
            explainer_of(leaves, n_jobs=n_jobs).explain(rows_with_a_late_one())
