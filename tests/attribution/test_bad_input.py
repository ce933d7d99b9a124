"""What cannot be split, or not so, is refused in words that say what to do."""

import numpy as np
import pandas as pd
import pytest
from sklearn import config_context
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

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
        (
            {"f0": 1.0, "f1": 1.0},
            {"method": "path", "n_permutations": 8},
            "method='path' samples none: leave n_permutations out",
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


def test_the_orders_that_are_said_to_suffice_bring_the_error_to_a_tenth():
    def bumpy(X):
        return np.sin(5 * X.to_numpy().sum(axis=1))

    options = {"extrapolation": None, "n_permutations": 4, "random_state": 0}
    with pytest.warns(UserWarning, match="have not settled") as caught:
        found = attribute(bumpy, NUMBERS, WIDE, **options)
    parts = np.stack([part.fme for part in found.values()])
    errors = np.stack([found.sampling_errors(name) for name in WIDE])
    # Errors fall with the root of the number of orders.
    wanted = 4 * np.mean(errors**2) / np.mean(parts**2) / 0.1**2
    told = f"n_permutations={int(np.ceil(wanted / 10)) * 10:,} would bring that to 10%"
    assert told in str(caught[0].message)


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


@pytest.mark.parametrize(
    "order",
    [5, {"f0", "f1"}, {"f0": 1, "f1": 2}, "f0", [["f0"], ["f1"]]],
    ids=["number", "set", "mapping", "text", "nested"],
)
def test_an_order_is_a_list_of_features(explainer, order):
    with pytest.raises(TypeError, match=r"order .*such as \['f0', 'f1'\]"):
        explainer.attribute(NUMBERS, "f0 +1, f1 +1", method="sequential", order=order)


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Index, pd.Series])
def test_an_order_may_be_any_sequence(explainer, kind):
    options = {"method": "sequential", "order": kind(["f1", "f0"])}
    found = explainer.attribute(NUMBERS, "f0 +1, f1 +1", **options)
    assert found.order == ("f1", "f0")


def test_a_feature_has_no_interaction_with_itself(explainer):
    found = explainer.attribute(NUMBERS, "f0 +1, f1 +1", interactions="rows")
    with pytest.raises(ValueError, match="both are 'f0'"):
        found.interaction("f0", "f0")


@pytest.mark.parametrize("row", ["3", 3.0, True])
def test_a_row_to_draw_is_a_position(explainer, row):
    found = explainer.attribute(NUMBERS, "f0 +1, f1 +1")
    with pytest.raises(TypeError, match="row must be a whole number, the position"):
        found.plot(row=row)


def test_an_nlm_is_asked_of_the_effect_and_not_of_its_parts():
    found = attribute(model, X, {"f0": 1.0, "f1": 1.0}, nlm=True)
    for effect in (found["f0"], found.total):
        with pytest.raises(
            AttributeError, match=r"explain\(X\) measures that of a step"
        ):
            _ = effect.nlm


def test_the_memory_that_interactions_take_is_told_in_its_size(explainer):
    with (
        config_context(working_memory=0.0001),
        pytest.raises(
            ValueError, match=r"take 0\.\d+ MiB, more than .* of 0\.0001 MiB"
        ),
    ):
        explainer.attribute(NUMBERS, "f0 +1, f1 +1", interactions="rows")


@pytest.mark.parametrize(
    "options",
    [{"n_permutations": 20}, {"method": "sequential"}, {"interactions": True}],
    ids=["sampled", "range", "interactions"],
)
def test_an_engine_that_is_insisted_on_leaves_no_coalitions_to_predictions(options):
    fitted = LogisticRegression().fit(NUMBERS, Y > 0)
    with pytest.raises(ValueError, match=r"engine='linear' cannot .* more than 12"):
        attribute(fitted, NUMBERS, WIDE, engine="linear", **options)
    in_order = {"method": "sequential", "order": list(WIDE)}
    found = attribute(fitted, NUMBERS, WIDE, engine="linear", **in_order)
    assert found.total.engine == "linear"


def test_an_engine_that_is_insisted_on_leaves_no_rows_to_predictions():
    filled = make_pipeline(SimpleImputer(), LinearRegression()).fit(NUMBERS, Y)
    rows = pd.concat([NUMBERS] * 60, ignore_index=True)
    gaps = rows.copy()
    gaps.loc[1, "f5"] = np.nan  # which is not among the rows that engines are tried on
    step, options = {"f0": 1.0, "f1": 1.0}, {"engine": "linear", "extrapolation": None}
    assert attribute(filled, rows, step, **options).total.engine == "linear"
    assert attribute(filled, gaps, step, extrapolation=None).total.engine == "predict"
    with pytest.raises(ValueError, match="engine='linear' cannot compute"):
        attribute(filled, gaps, step, **options)


def test_exact_parts_draw_nothing_from_the_global_generator(explainer):
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    for method in ("shapley", "path", "sequential"):
        explainer.attribute(NUMBERS, "f0 +1, f1 +1", method=method)
    explainer.attribute(NUMBERS, "f0 +1, f1 +1", n_permutations=100)
    after = np.random.get_state()[1]  # noqa: NPY002
    np.testing.assert_array_equal(after, state)
