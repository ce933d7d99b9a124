"""average_effects of summaries: the joint inference that the rows would give."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from skfme import FMEExplainer
from skfme.statsmodels import average_effects
from tests.recorder import Recorder

N = 400
STEPS = [{"age": 5}, {"dose": -3}, {"age": 5, "dose": 2}]


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": rng.normal(50, 12, N),
            "dose": rng.integers(0, 40, N),
            "ward": pd.Categorical(rng.choice(["b", "a", "c"], N), ["c", "a", "b"]),
            "w": rng.choice([0.0, 1.0, 2.0, 3.0], N),
        }
    )


def explainer_on(people, **options):
    def risk(X):
        return np.exp(X["age"] / 40) * (1 + X["dose"] / 10) + np.sin(X["dose"])

    X = people[["age", "dose"]]
    return FMEExplainer(FrozenEstimator(Recorder(risk)), STEPS, **options).fit(X)


def parts(people):
    return [people[:1], people[1:130], people[130:]]


def assert_same(mine, its):
    np.testing.assert_allclose(mine.params, its.params, rtol=1e-11)
    np.testing.assert_allclose(
        mine.cov_params(), its.cov_params(), rtol=1e-9, atol=1e-13
    )
    pd.testing.assert_frame_equal(
        mine.to_frame(), its.to_frame(), rtol=1e-8, check_dtype=False
    )
    np.testing.assert_array_equal(mine.nobs, its.nobs)


@pytest.mark.parametrize("weights_type", ["auto", "sampling", "frequency"])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("cov_type", ["HC0", "HC1"])
def test_joint_covariances_are_those_of_the_rows(
    people, weighted, cov_type, weights_type
):
    explainer = explainer_on(people, weights_type=weights_type)
    weights = "w" if weighted else None
    columns = ["age", "dose", *(["w"] if weighted else [])]
    tables = [part[columns] for part in parts(people)]
    summaries = explainer.explain_batches(tables, sample_weight=weights)
    effects = explainer.explain(
        people[["age", "dose"]], sample_weight=people["w"] if weighted else None
    )
    # Not all rows count for all of them.
    assert len({effect.n for effect in effects.values()}) > 1
    mine = average_effects(summaries, cov_type=cov_type)
    assert_same(mine, average_effects(effects, cov_type=cov_type))
    test = mine.t_test("age +5 = dose -3")
    assert test.pvalue == pytest.approx(
        average_effects(effects, cov_type=cov_type).t_test("age +5 = dose -3").pvalue,
        rel=1e-8,
    )


def test_groups_are_those_that_the_summaries_were_made_by(people):
    explainer = explainer_on(people)
    tables = [part[["age", "dose", "ward"]] for part in parts(people)]
    summaries = explainer.explain_batches(tables, by="ward")
    effects = explainer.explain(people[["age", "dose"]])
    its = average_effects(effects, by=people["ward"].rename("ward"))
    mine = average_effects(summaries, by="ward")
    np.testing.assert_allclose(mine.params, its.params, rtol=1e-11)
    np.testing.assert_allclose(
        mine.cov_params(), its.cov_params(), rtol=1e-9, atol=1e-13
    )
    assert list(mine.to_frame()["ward"]) == ["c", "a", "b"] * 3
    assert_same(average_effects(summaries), average_effects(effects))
    with pytest.raises(ValueError, match=r"by='age' is not.*\['ward'\]"):
        average_effects(summaries, by="age")


def test_outputs_share_their_rows():
    X, y = load_iris(return_X_y=True, as_frame=True)
    X.columns = ["a", "b", "c", "d"]
    explainer = FMEExplainer(LogisticRegression(max_iter=500), [{"a": 0.5}, {"c": -1}])
    explainer.fit(X, y)
    summaries = explainer.explain_batches([X[:40], X[40:]])
    effects = explainer.explain(X)
    assert_same(average_effects(summaries), average_effects(effects))
    assert_same(
        average_effects(summaries, output="1"), average_effects(effects, output="1")
    )


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"cov_type": "HC3"}, "needs the rows"),
        ({"groups": "ward"}, "need the rows"),
        ({"weights_type": "frequency"}, "on the explainer"),
    ],
)
def test_what_needs_the_rows_is_refused(people, asked, message):
    summaries = explainer_on(people).explain_batches([people[["age", "dose"]]])
    with pytest.raises(ValueError, match=message):
        average_effects(summaries, **asked)


def test_many_effects_are_joint_over_all_rows_alone(people):
    def risk(X):
        return np.sqrt(X["age"]) * X["dose"]

    X = people[["age", "dose"]]
    steps = [{"dose": -float(h)} for h in range(1, 13)]
    explainer = FMEExplainer(FrozenEstimator(Recorder(risk)), steps).fit(X)
    tables = [part[["age", "dose", "ward"]] for part in parts(people)]
    summaries = explainer.explain_batches(tables, by="ward")
    assert summaries._joint.weight.shape == (1, 12, 12)
    assert_same(average_effects(summaries), average_effects(explainer.explain(X)))
    with pytest.raises(ValueError, match="up to 10 effects.*these are 12"):
        average_effects(summaries, by="ward")


def test_averages_of_means_need_the_rows(people):
    explainer = explainer_on(people, average="of_means", comparison="ratio")
    summaries = explainer.explain_batches([people[["age", "dose"]]])
    with pytest.raises(ValueError, match="of_means.*need the rows"):
        average_effects(summaries)
