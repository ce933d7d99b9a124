"""A batch for which a model has no memory is asked again in halves, and told."""

import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer, fme
from skfme.statsmodels import response_audit

N = 200
RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(N, 2)), columns=["a", "b"])
BY_HAND = 2 * X["a"] + 1


class SmallMemory(RegressorMixin, BaseEstimator):
    """Predicts a² + b, of so many rows at most; the model counts what it is asked for."""

    def __init__(self, most):
        self.most = most
        self.asked = []

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        self.asked.append(len(X))
        if len(X) > self.most:
            raise MemoryError(f"Unable to allocate {len(X)} rows")
        table = np.asarray(X)
        return table[:, 0] ** 2 + table[:, 1]


def explainer_of(most, **options):
    options = {"extrapolation": None} | options
    return FMEExplainer(FrozenEstimator(SmallMemory(most)), {"a": 1}, **options)


@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.parametrize("most", [150, 100, 37, 1])
def test_effects_of_a_model_with_little_memory_are_whole(most, n_jobs):
    explainer = explainer_of(most, n_jobs=n_jobs, batch_size=160, nlm=True)
    with pytest.warns(UserWarning, match="ran out of memory on .* rows at once"):
        effect = explainer.fit(X).explain(X)["a +1"]
    assert effect.n == N
    np.testing.assert_allclose(effect.fme, BY_HAND, rtol=1e-12, atol=1e-12)
    plenty = explainer_of(10**6, nlm=True).fit(X).explain(X)["a +1"]
    np.testing.assert_array_equal(effect.fme, plenty.fme)
    np.testing.assert_array_equal(effect.nlm, plenty.nlm)


def test_the_size_that_served_is_told_and_asks_for_no_more_trials():
    with pytest.warns(UserWarning, match="memory") as told:
        fme(SmallMemory(60), X, {"a": 1}, extrapolation=None)
    text = str(told[0].message)
    assert text == (
        "predict ran out of memory on 400 rows at once, and was asked for 50 at a time. "
        "The predictions are whole; batch_size=50 spares the trials."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        effect = fme(SmallMemory(60), X, {"a": 1}, extrapolation=None, batch_size=50)
    np.testing.assert_allclose(effect.fme, BY_HAND, rtol=1e-12, atol=1e-12)


def test_rows_keep_their_order_and_no_row_is_asked_for_twice():
    model = SmallMemory(60)
    explainer = FMEExplainer(FrozenEstimator(model), {"a": 1}, extrapolation=None)
    explainer.fit(X)
    model.asked.clear()
    with pytest.warns(UserWarning, match="50 at a time"):
        explainer.explain(X)
    # The rows before and after the step share a call.
    assert model.asked == [400, 200, 100, *8 * [50]]


def test_one_row_without_memory_is_refused_in_words():
    explainer = explainer_of(10**6).fit(X)
    explainer.estimator_.estimator.most = 0
    with pytest.raises(MemoryError, match=r"predict ran out of memory on a single row"):
        explainer.explain(X)


def test_in_processes_the_answer_is_whole_as_well():
    explainer = explainer_of(60, n_jobs=2, batch_size=100).fit(X)
    with joblib.parallel_config(backend="loky"):
        effect = explainer.explain(X)["a +1"]
    np.testing.assert_allclose(effect.fme, BY_HAND, rtol=1e-12, atol=1e-12)


def test_other_errors_are_never_tried_again():
    model = SmallMemory(10**6)
    explainer = FMEExplainer(FrozenEstimator(model), {"a": 1}, extrapolation=None)
    explainer.fit(X)
    model.asked.clear()
    model.predict = lambda rows: model.asked.append(len(rows)) or 1 / 0
    with pytest.raises(ZeroDivisionError):
        explainer.explain(X)
    assert model.asked == [2 * N]


def test_rows_that_depend_on_each_other_are_never_taken_apart():
    def ranked(rows):
        if len(rows) > 60:
            raise MemoryError
        return rows["a"].rank()

    with pytest.raises(MemoryError, match=r"200 rows at once.*not asked for in halves"):
        fme(ranked, X, {"a": 1}, check_rows=False, extrapolation=None)


def test_a_check_of_rows_is_not_lost_to_a_lack_of_memory():
    def centred(rows):
        if len(rows) > 10:
            raise MemoryError
        return rows["a"] - rows["a"].mean()

    with (
        pytest.warns(UserWarning, match="ran out of memory"),
        pytest.raises(ValueError, match="predicts a row otherwise"),
    ):
        fme(centred, X, {"a": 1})


def test_an_attribution_a_path_and_an_optimum_are_whole():
    answers = []
    for most in (30, 10**6):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            explainer = explainer_of(most).fit(X)
            answers.append(
                (
                    explainer.attribute(X, {"a": 1, "b": 2}).to_frame(),
                    explainer.path(X, "a +1").predictions,
                    explainer.optimum(X, "a", direction="min").to_frame(),
                )
            )
    pd.testing.assert_frame_equal(answers[0][0], answers[1][0])
    np.testing.assert_array_equal(answers[0][1], answers[1][1])
    pd.testing.assert_frame_equal(answers[0][2], answers[1][2])


def test_a_column_that_was_widened_is_not_blamed_for_a_lack_of_memory():
    narrow = X.astype("float32")
    explainer = explainer_of(10**6)
    explainer.set_params(steps={"a": 1 / 3}).fit(narrow)
    explainer.estimator_.estimator.most = 0
    with pytest.raises(MemoryError, match="single row"):
        explainer.explain(narrow)


def test_an_audit_is_whole():
    table = pd.DataFrame({"group": np.arange(N) % 2, "score": RNG.normal(size=N)})
    answers = []
    for most in (30, 10**6):
        model = SmallMemory(most)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            audit = response_audit(
                model, model, table, "group", bound=1, random_state=0
            )
        answers.append(audit.to_frame())
    pd.testing.assert_frame_equal(*answers)
