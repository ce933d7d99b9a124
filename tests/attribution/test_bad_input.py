"""What cannot be split, or not so, is refused in words that say what to do."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer, SetTo, attribute

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.normal(size=(50, 14)), columns=[f"f{j}" for j in range(14)])
X["kind"] = np.where(X["f0"] > 0, "a", "b")
NUMBERS = X.drop(columns="kind")
Y = NUMBERS.sum(axis=1)
WIDE = dict.fromkeys(NUMBERS, 0.5)


def model(X):
    return X["f0"].to_numpy() * X["f1"].to_numpy() + X["f2"].to_numpy()


@pytest.fixture(scope="module")
def explainer():
    steps = [{"f0": 1.0, "f1": 1.0}, {"f2": 1.0}]
    return FMEExplainer(LinearRegression(), steps).fit(NUMBERS, Y)


@pytest.mark.parametrize(
    ("step", "options", "message"),
    [
        ("f2 +1", {}, r"changes one feature, whose part is the whole effect"),
        (None, {}, r"One joint step is split at a time, and there are 2: 'f0 \+1, f1"),
        ("f0 +1", {}, r"No effect is named 'f0 \+1'"),
        (
            {"f0": 1.0, "f1": 1.0},
            {"method": "shaply"},
            r"method='shaply' is not known; expected one of 'shapley'",
        ),
        (
            {"f0": 1.0, "f1": 1.0},
            {"method": "path", "interactions": True},
            "Interactions are those of method='shapley'",
        ),
        (
            {"f0": 1.0, "f1": 1.0},
            {"interactions": "all"},
            "expected True, False or 'rows'",
        ),
        (
            {"f0": 1.0, "f1": 1.0},
            {"order": ["f0", "f1"]},
            "order= is for method='sequential'",
        ),
        (
            {"f0": 1.0, "f1": 1.0},
            {"method": "sequential", "order": ["f0", "f2"]},
            "order names 'f2', which 'f0 \\+1, f1 \\+1' does not change",
        ),
        (
            {"f0": 1.0, "f1": 1.0},
            {"method": "sequential", "order": ["f0", "f0"]},
            "order must name each of 'f0', 'f1' once",
        ),
        (
            {"f0": 1.0, "f1": 1.0},
            {"n_permutations": 2},
            "n_permutations must be a whole number of at least 4",
        ),
        ({"f0": 1.0, "nothing": 1.0}, {}, "'nothing', which is not a column of X"),
    ],
)
def test_what_cannot_be_asked(explainer, step, options, message):
    with pytest.raises(ValueError, match=message):
        explainer.attribute(NUMBERS, step, **options)


def test_a_step_is_a_name_or_a_mapping(explainer):
    with pytest.raises(TypeError, match="an effect's name or a mapping"):
        explainer.attribute(NUMBERS, ["f0"])


def test_categories_have_no_path():
    with pytest.raises(ValueError, match=r"'kind' has not: categories and dates jump"):
        attribute(model, X, {"f0": 1.0, "kind": "a"}, method="path")


def test_rows_without_a_value_have_no_path():
    gaps = NUMBERS.assign(f1=NUMBERS["f1"].where(NUMBERS["f1"] > 0))
    step = {"f0": 1.0, "f1": SetTo(1.0, count_missing=True)}

    def filled(X):
        return X.fillna(0.0).to_numpy().sum(axis=1)

    options = {"extrapolation": None, "check_rows": False}
    with pytest.raises(ValueError, match="rows have no value of 'f1' before the step"):
        attribute(filled, gaps, step, method="path", **options)
    assert attribute(filled, gaps, step, **options).total.n == 50


def test_too_many_features_of_a_model_that_is_not_read():
    with pytest.raises(ValueError, match=r"changes 14 features.*n_permutations=100"):
        attribute(model, NUMBERS, WIDE, extrapolation=None)
    with pytest.raises(ValueError, match=r"Interactions of 14 features take 2\*\*14"):
        attribute(
            model,
            NUMBERS,
            WIDE,
            extrapolation=None,
            interactions=True,
            n_permutations=10,
        )
    with pytest.raises(ValueError, match="range over all orders of 14 features"):
        attribute(model, NUMBERS, WIDE, extrapolation=None, method="sequential")


def test_too_many_features_behind_a_link():
    trees = HistGradientBoostingClassifier(max_iter=5).fit(NUMBERS, Y > 0)
    with pytest.raises(ValueError, match="n_permutations=100"):
        attribute(trees, NUMBERS, WIDE, extrapolation=None)


def test_trees_that_are_insisted_on_are_not_left_to_sampled_orders():
    trees = HistGradientBoostingClassifier(max_iter=5).fit(NUMBERS, Y > 0)
    options = {"extrapolation": None, "n_permutations": 10, "engine": "trees"}
    with pytest.raises(ValueError, match="behind a link, coalitions of more than 12"):
        attribute(trees, NUMBERS, WIDE, **options)


def test_an_explainer_that_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        FMEExplainer(LinearRegression(), {"f0": 1.0, "f1": 1.0}).attribute(NUMBERS)


def test_any_number_of_features_of_trees_that_add_up():
    forest = RandomForestRegressor(5, random_state=0).fit(NUMBERS, Y)
    found = attribute(forest, NUMBERS, WIDE, extrapolation=None)
    assert found.how == "exact, leaf by leaf"
    np.testing.assert_allclose(
        sum(part.fme for part in found.values()),
        forest.predict(NUMBERS + 0.5) - forest.predict(NUMBERS),
        atol=1e-12,
    )


def test_interactions_of_rows_beyond_the_working_memory():
    rows = pd.concat([NUMBERS] * 60, ignore_index=True)
    with (
        config_context(working_memory=1),
        pytest.raises(ValueError, match=r"91 pairs in 3,000 rows take 2 MiB"),
    ):
        attribute(LinearRegression().fit(NUMBERS, Y), rows, WIDE, interactions="rows")


def test_sampling_that_has_not_settled_is_warned_of():
    def bumpy(X):
        return np.sin(5 * X.to_numpy().sum(axis=1))

    with pytest.warns(UserWarning, match="have not settled.*n_permutations="):
        attribute(
            bumpy, NUMBERS, WIDE, extrapolation=None, n_permutations=4, random_state=0
        )


def test_what_was_not_asked_for_is_said(explainer):
    found = explainer.attribute(NUMBERS, "f0 +1, f1 +1")
    with pytest.raises(AttributeError, match="interactions='rows'"):
        found.interaction("f0", "f1")
    with pytest.raises(AttributeError, match="method='sequential' without order="):
        found.order_range("f0")
    with pytest.raises(KeyError, match="no effect is named 'f2'"):
        found["f2"]
    assert found.interactions is None
    assert found.order == ()
    assert (found.sampling_errors("f0")[found.total.counted] == 0).all()


def test_a_step_with_no_row_that_counts_is_warned_of(explainer):
    far = {"f0": 100.0, "f1": 100.0}
    with pytest.warns(UserWarning, match="AME is NaN"):
        found = explainer.attribute(NUMBERS, far)
    assert found.total.n == 0
    assert "nothing to share" in found.summary()
    assert found.sentences() == ["No row counts, so that there is nothing to share."]


def test_a_pickled_explainer_splits_its_own_effects_and_keeps_no_rows(explainer):
    again = pickle.loads(pickle.dumps(explainer))
    assert again.attribute(NUMBERS, "f0 +1, f1 +1").total.n > 0
    with pytest.raises(ValueError, match="loaded or copied without its training rows"):
        again.attribute(NUMBERS, {"f0": 1.0, "f1": 1.0})
