"""Parts of a joint step against all coalitions, predicted one by one."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skfme import Contrast, FMEExplainer, SetTo, attribute, fme
from tests.attribution import brute_force

N, P = 120, 10
STEP = dict(enumerate([0.5, -0.4, 0.6, -0.7, 0.3, 0.8, -0.5, 0.4, -0.6, 0.7]))


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, P)).round(1)  # ties, also on thresholds
    y = X[:, 0] * X[:, 1] + X[:, 2] * X[:, 3] * X[:, 4] + np.sin(X).sum(axis=1)
    return X, y


def stepped(X, step=STEP):
    Z = X.copy()
    for feature, amount in step.items():
        Z[:, feature] += amount
    return Z


def xgboost(kind, **options):
    library = pytest.importorskip("xgboost")
    return getattr(library, f"XGB{kind}")(
        n_estimators=15, max_depth=4, n_jobs=1, **options
    )


def lightgbm(kind, **options):
    library = pytest.importorskip("lightgbm")
    quiet = {"verbose": -1, "n_jobs": 1}
    options = {"n_estimators": 15, "min_child_samples": 5, **quiet, **options}
    return getattr(library, f"LGBM{kind}")(**options)


REGRESSORS = {
    "forest": lambda: RandomForestRegressor(15, random_state=0),
    "boosting": lambda: GradientBoostingRegressor(n_estimators=20, random_state=0),
    "hist": lambda: HistGradientBoostingRegressor(max_iter=20, min_samples_leaf=5),
    "xgboost": lambda: xgboost("Regressor"),
    "lightgbm": lambda: lightgbm("Regressor"),
}
CLASSIFIERS = {
    "forest": lambda: RandomForestClassifier(15, max_depth=5, random_state=0),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=10, random_state=0),
    "hist": lambda: HistGradientBoostingClassifier(max_iter=10, min_samples_leaf=5),
    "xgboost": lambda: xgboost("Classifier"),
    "lightgbm": lambda: lightgbm("Classifier"),
}


def split(model, X, step=STEP, **options):
    options = {"extrapolation": None, **options}
    return attribute(model, X, step, **options)


def stacked(attribution):
    return np.stack([part.fme_2d for part in attribution.values()])


def assert_equal(found, expected, tolerance=1e-10):
    scale = max(np.abs(expected).max(), 1.0)
    np.testing.assert_allclose(
        found, expected.reshape(found.shape), rtol=0, atol=tolerance * scale
    )


@pytest.mark.parametrize(
    ("name", "missing"),
    # GradientBoostingRegressor predicts no missing values.
    [(n, m) for n in REGRESSORS for m in (False, True) if (n, m) != ("boosting", True)],
)
def test_ten_features_of_trees_equal_all_coalitions(sample, name, missing):
    X, y = sample
    if missing:
        X = np.where(np.random.default_rng(1).random(X.shape) < 0.05, np.nan, X)
    model = REGRESSORS[name]().fit(X, y)
    found = split(model, X, interactions="rows", engine="trees")
    rows = found.total.counted
    X = X[rows]
    expected = brute_force.shapley(model.predict, X, stepped(X), list(STEP))
    pairs = brute_force.interactions(model.predict, X, stepped(X), list(STEP))
    # XGBoost and its like add up in single precision.
    tolerance = 1e-5 if name == "xgboost" else 1e-10
    assert_equal(stacked(found)[:, rows], expected, tolerance)
    features = list(found)
    found_pairs = [
        found.interaction(a, b)[rows]
        for i, a in enumerate(features)
        for b in features[i + 1 :]
    ]
    assert_equal(np.array(found_pairs), pairs, tolerance)
    assert {part.engine for part in found.values()} == {"trees"}
    assert found.how == "exact, leaf by leaf"


@pytest.mark.parametrize("kind", ["Regressor", "Classifier"])
def test_single_precision_trees_equal_all_coalitions_in_double(sample, kind):
    X, y = sample
    step = {j: STEP[j] for j in range(5)}
    model = xgboost(kind).fit(X, y if kind == "Regressor" else y > 0)
    found = split(model, X, step, interactions="rows", engine="trees")

    def change(X_mixed):  # of the trees' own sums, from the row as it is
        moved = (X_mixed != X).any(axis=0)
        if not moved.any():
            return np.zeros(N)
        joint = {j: step[j] for j in step if moved[j]}
        return fme(model, X, joint, extrapolation=None, engine="trees").fme

    expected = brute_force.shapley(change, X, stepped(X, step), list(step))
    assert_equal(stacked(found), expected)
    pairs = brute_force.interactions(change, X, stepped(X, step), list(step))
    assert_equal(found.interaction("x3", "x4"), pairs[-1])


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_of_trees_equal_all_coalitions(sample, name, n_classes):
    X, y = sample
    classes = np.digitize(y, np.quantile(y, np.linspace(0, 1, n_classes + 1)[1:-1]))
    # A forest of probabilities takes longest to predict all coalitions.
    step = {j: STEP[j] for j in range(10 if n_classes == 2 and name != "forest" else 6)}
    model = CLASSIFIERS[name]().fit(X, classes)
    found = split(model, X, step, interactions="rows", engine="trees")

    def predict(X):
        values = model.predict_proba(X)
        return values[:, 1:] if n_classes == 2 else values

    Z = stepped(X, step)
    # XGBoost adds up in single precision; in double it is compared below.
    tolerance = 1e-5 if name == "xgboost" else 1e-10
    expected = brute_force.shapley(predict, X, Z, list(step))
    assert_equal(stacked(found), expected, tolerance)
    pairs = brute_force.interactions(predict, X, Z, list(step))
    for pair, (i, j) in enumerate(combinations(step, 2)):
        assert_equal(found.interaction(f"x{i}", f"x{j}"), pairs[pair], tolerance)
    if n_classes > 2:  # probabilities add up to one before and after
        np.testing.assert_allclose(stacked(found).sum(axis=2), 0, atol=1e-7)


@pytest.mark.parametrize("name", sorted(CLASSIFIERS.keys() - {"forest"}))
def test_margins_of_boosted_classifiers_equal_all_coalitions(sample, name):
    X, y = sample
    model = CLASSIFIERS[name]().fit(X, y > 0)
    if name in ("xgboost", "lightgbm"):  # these have no method of margins
        options = {"xgboost": {"output_margin": True}, "lightgbm": {"raw_score": True}}

        def margin(model, X):
            return model.predict(X, **options[name])

        found = split(model, X, response_method=margin)
        expected = brute_force.shapley(
            lambda X: margin(model, X), X, stepped(X), list(STEP)
        )
        assert_equal(stacked(found), expected, 1e-5)
        return
    found = split(model, X, response_method="decision_function", engine="trees")
    expected = brute_force.shapley(model.decision_function, X, stepped(X), list(STEP))
    assert_equal(stacked(found), expected)


def mixed_frame(sample):
    X, y = sample
    frame = pd.DataFrame(X[:, :4], columns=list("abcd"))
    frame["kind"] = pd.Categorical.from_codes(
        np.arange(N) % 5, categories=["p", "q", "r", "s", "t"]
    )
    frame["b"] = frame["b"].where(
        np.arange(len(frame)) % 7 != 0
    )  # never the sample itself
    return frame, y + 2 * (frame["kind"] == "q") * frame["a"]


MIXED = {"a": 0.5, "kind": "q", "b": -0.4, "c": Contrast(-1.0, 1.0)}


def mixed_ends(frame):
    before = frame.assign(c=-1.0)
    kinds = pd.Categorical(["q"] * len(frame), frame["kind"].cat.categories)
    after = before.assign(a=frame["a"] + 0.5, kind=kinds, b=frame["b"] - 0.4, c=1.0)
    return before, after


@pytest.mark.parametrize("name", ["hist", "lightgbm"])
def test_categories_contrasts_and_missing_values_equal_all_coalitions(sample, name):
    frame, y = mixed_frame(sample)
    if name == "hist":
        model = HistGradientBoostingRegressor(
            max_iter=20, min_samples_leaf=5, categorical_features="from_dtype"
        )
    else:
        model = lightgbm("Regressor")
    model.fit(frame, y)
    found = split(model, frame, MIXED, engine="trees")
    before, after = mixed_ends(frame)
    expected = brute_force.shapley(model.predict, before, after, list(MIXED))
    rows = found.total.counted
    assert_equal(stacked(found)[:, rows, 0], expected[:, rows])
    assert 0 < rows.sum() < N


def test_one_hot_columns_of_a_category_are_one_player(sample):
    frame, y = mixed_frame(sample)
    frame = frame.drop(columns="b")
    step = {"a": 0.5, "kind": "q", "c": Contrast(-1.0, 1.0)}
    encoder = make_column_transformer(
        (OneHotEncoder(), ["kind"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, RandomForestRegressor(15, random_state=0))
    model.fit(frame, y)
    found = split(model, frame, step, engine="trees")
    before, after = mixed_ends(frame.assign(b=0.0))
    expected = brute_force.shapley(
        lambda X: model.predict(X[frame.columns]), before, after, list(step)
    )
    rows = found.total.counted
    assert_equal(stacked(found)[:, rows, 0], expected[:, rows])
    assert found.how == "exact, leaf by leaf"


@pytest.mark.parametrize("method", ["shapley", "path"])
def test_rows_that_stand_at_the_end_of_a_contrast_already_move_from_its_start(
    sample, method
):
    frame, y = mixed_frame(sample)
    frame = frame[["kind", "a", "c"]]
    step = {"kind": Contrast("p", "q"), "a": 0.5}
    if method == "path":  # of numbers alone
        step = {"c": Contrast(-1.0, 1.0), "a": 0.5}
    frame = frame.assign(c=np.where(np.arange(N) % 3, frame["c"], 1.0))
    encoder = make_column_transformer(
        (OneHotEncoder(), ["kind"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, RandomForestRegressor(15, random_state=0))
    model.fit(frame, y)
    options = {"engine": "trees", "method": method, "background": frame}
    at_end = frame[(frame["kind"] == "q") & (frame["c"] == 1.0)]
    assert len(at_end) > 3
    alone = split(model, at_end, step, batch_size=1, **options)
    among = split(model, frame, step, **options)
    before = frame.assign(kind="p") if method == "shapley" else frame.assign(c=-1.0)
    after = frame.assign(kind="q") if method == "shapley" else frame.assign(c=1.0)
    change = model.predict(after.assign(a=frame["a"] + 0.5)) - model.predict(before)
    assert_equal(among.total.fme, change)
    of_rows = [frame.index.get_loc(label) for label in at_end.index]
    assert_equal(stacked(alone), stacked(among)[:, of_rows])
    assert_equal(alone.total.fme, change[of_rows])


@pytest.mark.parametrize("dtype", ["boolean", "object"])
def test_parts_of_a_step_count_rows_whose_category_is_pandas_own_na(dtype):
    flags = pd.array([True, None, False, None, True, False], dtype="boolean")
    frame = pd.DataFrame({"b": pd.Series(flags).astype(dtype), "x": np.arange(6.0)})

    def model(X):
        code = X["b"].astype(object).map(lambda v: 3 if v is pd.NA else 10 * bool(v))
        return code.astype(float).to_numpy() * (1 + X["x"].to_numpy())

    step = {"b": SetTo(True, count_missing=True), "x": 1.0}
    found = split(model, frame, step)
    after = frame.assign(b=pd.Series([True] * 6, dtype="boolean").astype(dtype))
    change = model(after.assign(x=frame["x"] + 1)) - model(frame)
    rows = found.total.counted  # those that are not there yet
    assert rows.tolist() == [False, True, True, True, False, True]
    assert_equal(found.total.fme[rows], change[rows])
    assert_equal(stacked(found).sum(axis=0)[rows, 0], change[rows])


def test_features_mixed_before_the_trees_are_left_to_predictions(sample):
    X, y = sample
    X = X[:, :3]
    model = make_pipeline(
        PolynomialFeatures(2), RandomForestRegressor(10, random_state=0)
    ).fit(X, y)
    step = {j: STEP[j] for j in range(3)}
    found = split(model, np.tile(X, (200, 1)), step)
    expected = brute_force.shapley(model.predict, X, stepped(X, step), list(step))
    assert found["x0"].engine == "predict"
    assert_equal(stacked(found)[:, :N, 0], expected)
    with pytest.raises(ValueError, match="mixed before the trees"):
        split(model, X, step, engine="trees")


def test_several_targets_equal_all_coalitions(sample):
    X, y = sample
    Y = np.column_stack([y, X[:, 0] - y])
    model = RandomForestRegressor(10, random_state=0).fit(X, Y)
    found = split(model, X, engine="trees")
    expected = brute_force.shapley(model.predict, X, stepped(X), list(STEP))
    assert_equal(stacked(found), expected)
    assert list(found.to_frame()["output"]) == ["y0", "y1"] * P


@pytest.mark.parametrize("as_frame", [False, True])
def test_a_network_equals_all_coalitions(sample, as_frame):
    X, y = sample
    step = {j: STEP[j] for j in range(6)}
    table = pd.DataFrame(X, columns=[f"x{j}" for j in range(P)]) if as_frame else X
    model = MLPRegressor(hidden_layer_sizes=(20,), max_iter=50, random_state=0)
    with np.errstate(all="ignore"):
        model.fit(table, y)
    named = {f"x{j}": h for j, h in step.items()} if as_frame else step
    found = split(model, table, named, interactions="rows")

    def predict(Z):
        return model.predict(pd.DataFrame(Z, columns=table.columns) if as_frame else Z)

    assert_equal(
        stacked(found), brute_force.shapley(predict, X, stepped(X, step), list(step))
    )
    pairs = brute_force.interactions(predict, X, stepped(X, step), list(step))
    assert_equal(found.interaction("x1", "x0"), pairs[0])
    assert found.how == "exact, with all 64 coalitions"


LINEAR = {
    "identity": LinearRegression(),
    "log": PoissonRegressor(),
    "logistic": LogisticRegression(),
    "softmax": LogisticRegression(),
}


@pytest.mark.parametrize("link", LINEAR)
def test_linear_models_equal_all_coalitions(sample, link):
    X, y = sample
    targets = {
        "identity": y,
        "log": np.exp(y / 5),
        "logistic": y > 0,
        "softmax": np.digitize(y, [-1, 1]),
    }
    model = make_pipeline(StandardScaler(), LINEAR[link]).fit(X, targets[link])
    found = split(model, X, interactions="rows")

    def predict(X):
        if link in ("identity", "log"):
            return model.predict(X)
        values = model.predict_proba(X)
        return values[:, 1:] if link == "logistic" else values

    expected = brute_force.shapley(predict, X, stepped(X), list(STEP))
    assert_equal(stacked(found), expected)
    pairs = brute_force.interactions(predict, X, stepped(X), list(STEP))
    assert_equal(found.interaction("x0", "x1"), pairs[0])
    assert {part.engine for part in found.values()} == {"linear"}


def test_integers_have_one_type_at_both_ends():
    X = np.arange(40).reshape(20, 2) % 7
    seen = []

    def model(X):
        seen.append(X.dtype)
        return X[:, 0] * X[:, 1] / 2

    found = split(model, X, {0: 0.5, 1: 1})
    assert set(seen[-4:]) == {np.dtype(float)}
    expected = (X[:, 0] + 0.5) * (X[:, 1] + 1) / 2 - X[:, 0] * X[:, 1] / 2
    np.testing.assert_allclose(found.total.fme, expected)


def test_statuses_and_totals_are_those_of_the_joint_step(sample):
    X, y = sample
    model = RandomForestRegressor(15, random_state=0).fit(X, y)
    explainer = FMEExplainer(model, {0: 0.5, 3: -0.7}, engine="trees").fit(X, y)
    effect = explainer.explain(X)["x0 +0.5, x3 -0.7"]
    found = explainer.attribute(X)
    np.testing.assert_array_equal(found.total.status, effect.status)
    np.testing.assert_allclose(found.total.fme, effect.fme, atol=1e-12)
    for part in found.values():
        np.testing.assert_array_equal(part.status, effect.status)
        assert np.isnan(part.fme).sum() == N - effect.n > 0
    np.testing.assert_allclose(sum(p.ame for p in found.values()), effect.ame)


def test_batches_and_threads_give_the_same_parts(sample):
    X, y = sample
    for model in (
        RandomForestRegressor(15, random_state=0).fit(X, y),
        HistGradientBoostingClassifier(max_iter=5).fit(X, y > 0),
    ):
        whole = split(model, X, interactions=True, engine="trees")
        parts = split(
            model, X, interactions=True, engine="trees", batch_size=17, n_jobs=2
        )
        np.testing.assert_allclose(stacked(whole), stacked(parts), atol=1e-13)
        numbers = ["mean", "sd"]
        np.testing.assert_allclose(
            whole.interactions[numbers], parts.interactions[numbers], atol=1e-13
        )


def test_walkers_that_find_no_room_come_in_smaller_blocks(sample, monkeypatch):
    from skfme._engine.trees import games

    X, y = sample
    forest = RandomForestRegressor(10, max_depth=6, random_state=0).fit(X, y)
    boosted = HistGradientBoostingClassifier(max_iter=5).fit(X, y > 0)
    for model in (forest, boosted):
        usual = split(model, X, interactions="rows", engine="trees")
        with monkeypatch.context() as patch:
            patch.setattr(games, "_WALKERS", 1)
            cramped = split(model, X, interactions="rows", engine="trees")
        np.testing.assert_array_equal(stacked(usual), stacked(cramped))
        pairs = [found.interaction("x0", "x1") for found in (usual, cramped)]
        np.testing.assert_array_equal(*pairs)


def test_more_than_64_features_of_trees_add_up_and_know_no_order():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 70))
    y = X[:, :3].sum(axis=1) + X[:, 66] * X[:, 0]
    model = RandomForestRegressor(20, max_features=0.3, random_state=0).fit(X, y)
    found = split(model, X, dict.fromkeys(range(70), 0.5), interactions=True)
    change = model.predict(X + 0.5) - model.predict(X)
    np.testing.assert_allclose(stacked(found).sum(axis=0)[:, 0], change, atol=1e-12)
    order = rng.permutation(70).tolist()
    other = split(model, X, dict.fromkeys(order, 0.5), interactions="rows")
    for name, part in found.items():
        np.testing.assert_allclose(other[name].fme, part.fme, atol=1e-13)
    pairs = found.interactions.set_index(["first", "second"])["mean"]
    mean = other.interaction("x66", "x0").mean()
    np.testing.assert_allclose(pairs["x0", "x66"], mean, atol=1e-13)
    # Two features at a time, which all coalitions of four check elsewhere.
    few = split(model, X, {0: 0.5, 66: 0.5}, interactions=True)
    expected = brute_force.shapley(
        model.predict, X, stepped(X, {0: 0.5, 66: 0.5}), [0, 66]
    )
    assert_equal(stacked(few), expected)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_tables_of_every_library_are_mixed_alike(library):
    package = pytest.importorskip(library)
    rng = np.random.default_rng(0)
    columns = {f"f{j}": rng.normal(size=40) for j in range(13)}
    columns["count"] = rng.integers(0, 9, 40)
    columns["kind"] = np.where(columns["f0"] > 0, "p", "q")
    make = package.table if library == "pyarrow" else package.DataFrame
    table = make(columns)

    def model(X):
        arrays = {
            name: np.asarray(X[name]) for name in ("f0", "f1", "f12", "count", "kind")
        }
        bonus = np.where(arrays["kind"] == "p", 1.5, 0.0)
        return bonus * arrays["f1"] + arrays["f0"] * arrays["count"] + arrays["f12"]

    def expected(name, low, high, other_low, other_high):
        return (high - low) * (other_low + other_high) / 2

    few = {"f0": 0.5, "count": 1, "f1": -0.3, "kind": "p"}
    many = few | {f"f{j}": 0.25 for j in range(2, 13)}
    options = {"extrapolation": None, "background": table}
    exact = attribute(model, table, few, **options)
    sampled = attribute(model, table, many, n_permutations=4, random_state=0, **options)
    f0, count = columns["f0"], columns["count"]
    part = expected("f0", f0, f0 + 0.5, count, count + 1)
    for found in (exact, sampled):  # no three features interact: both are exact
        rows = found.total.counted
        assert 0 < rows.sum() < 40
        np.testing.assert_allclose(found["f0"].fme[rows], part[rows], atol=1e-12)


def test_each_coalition_is_predicted_once_and_equal_rows_once():
    X = np.random.default_rng(0).normal(size=(50, 3))
    X[:25, 2] = 1.0  # set to 1 below: nothing changes in half of the rows
    seen = []

    def model(X):
        seen.append(len(X))
        return X.prod(axis=1)

    step = {0: 1.0, 1: 1.0, 2: SetTo(1.0)}
    split(model, X, step, check_rows=False)
    # Two stepped features of all rows, a third one of half of them; both ends of the
    # check of an engine are none of it.
    assert seen[-1] == 4 * 50 + 4 * 25


def test_averages_and_trees_take_parts(sample):
    from skfme import came
    from skfme.statsmodels import average_effects

    X, y = sample
    frame = pd.DataFrame(X, columns=[f"x{j}" for j in range(P)])
    model = RandomForestRegressor(15, random_state=0).fit(frame, y)
    found = attribute(model, frame, {"x0": 0.5, "x1": -0.4, "x3": 0.2})
    averages = average_effects(found).to_frame()
    np.testing.assert_allclose(averages["estimate"].sum(), found.total.ame)
    assert came(found["x0"], n_partitions=2).n_partitions_ == 2
    groups = frame["x5"] > 0
    by_group = sum(part.average(groups)["ame"] for part in found.values())
    np.testing.assert_allclose(by_group, found.total.average(groups)["ame"])


def test_refits_give_parts_an_uncertainty_that_adds_up(sample):
    from sklearn.linear_model import Ridge

    from skfme.statsmodels import bootstrap_effects

    X, y = sample
    explainer = FMEExplainer(Ridge(), {0: 1.0, 1: 0.5}, extrapolation=None)
    options = {"n_resamples": 199, "random_state": 0}
    parts = bootstrap_effects(explainer, X, y, attribute={"method": "path"}, **options)
    whole = bootstrap_effects(explainer, X, y, **options)
    frame = parts.to_frame()
    assert list(frame["effect"]) == ["x0", "x1"]
    np.testing.assert_allclose(
        frame["estimate"].sum(), whole.to_frame()["estimate"].iloc[0]
    )
    np.testing.assert_allclose(
        parts.cov_params().to_numpy().sum(), whole.bse.iloc[0] ** 2
    )
    named = bootstrap_effects(explainer, X, y, attribute="x0 +1, x1 +0.5", **options)
    np.testing.assert_allclose(named.to_frame()["estimate"], frame["estimate"])


def test_fme_of_one_feature_is_refused_with_the_answer(sample):
    X, y = sample
    model = LinearRegression().fit(X, y)
    assert fme(model, X, {0: 1.0}).n
    with pytest.raises(ValueError, match=r"whole effect: see explain\(X\)\['x0 \+1'\]"):
        split(model, X, {0: 1.0})


def test_a_linear_model_of_two_outputs_has_no_interaction_in_any_row():
    X = np.random.default_rng(1).normal(size=(40, 3))
    model = LinearRegression().fit(X, X[:, :2] + X[:, 2:])
    found = split(model, X, {0: 1.0, 1: 1.0, 2: 1.0}, interactions="rows")
    assert found.total.engine == "linear"
    np.testing.assert_array_equal(found.interaction("x0", "x2"), np.zeros((40, 2)))
    assert found.interactions["mean"].tolist() == [0.0] * 6


@pytest.mark.parametrize("n", [7, 8, 12, 20])
def test_features_that_work_together_alone_share_the_change_equally(n):
    ones = np.ones((n + 1, n))
    ones[np.arange(n), np.arange(n)] = 0.0
    tree = DecisionTreeRegressor().fit(ones, [0.0] * n + [1.0])  # 1 where all are
    assert tree.get_depth() == n
    rows = np.zeros((40, n))
    options = {"background": np.vstack([rows, ones]), "engine": "trees"}
    parts = attribute(tree, rows, dict.fromkeys(range(n), SetTo(1)), **options)
    for part in parts.values():
        np.testing.assert_allclose(part.fme, 1 / n, rtol=1e-10)
