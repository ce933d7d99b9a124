"""Exact NLM of tree ensembles where no compiled engine is loaded."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skfme import FMEExplainer, fme
from skfme._engine import choice

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["sex"] = pd.Categorical.from_codes(X["sex"].astype(int) - 1, ["f", "m"])
numbers = X.drop(columns="sex")
three = pd.qcut(y, 3, labels=False)
STEPS = [{"bmi": 2}, {"bp": -10.5}, {"age": 40}, {"bmi": 1, "s5": -0.3}]


def xgboost(name="XGBRegressor", **options):
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    return getattr(library, name)(
        n_estimators=100, n_jobs=1, enable_categorical=True, **options
    )


def read_by_xgboost(table):
    """The columns that the engine takes: before XGBoost 3.1 models keep no categories."""
    library = pytest.importorskip("xgboost", reason="xgboost is not installed")
    kept = hasattr(library.Booster, "get_categories")
    return table if kept else table.drop(columns="sex")


def lightgbm(name="LGBMRegressor", **options):
    library = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    return getattr(library, name)(n_estimators=100, n_jobs=1, verbose=-1, **options)


def holes(table):
    """The same rows, some of which lack a value of other columns."""
    lacking = np.random.default_rng(0).random(table.shape) < 0.2
    lacking[:, [table.columns.get_loc(j) for j in ("age", "bmi", "bp", "s5")]] = False
    return table.mask(lacking)


MODELS = {
    "forest": lambda: RandomForestRegressor(random_state=0).fit(numbers, y),
    "forest of classes": lambda: RandomForestClassifier(20, random_state=0).fit(
        numbers, three
    ),
    "boosting of classes": lambda: GradientBoostingClassifier(random_state=0).fit(
        numbers, three
    ),
    "hist": lambda: HistGradientBoostingRegressor(random_state=0).fit(X, y),
    "hist of classes": lambda: HistGradientBoostingClassifier(random_state=0).fit(
        X, y > 140
    ),
    "hist of missing values": lambda: HistGradientBoostingRegressor().fit(holes(X), y),
    "lightgbm": lambda: lightgbm().fit(X, y),
    "lightgbm of classes": lambda: lightgbm("LGBMClassifier").fit(X, three),
    "lightgbm of missing values": lambda: lightgbm().fit(holes(X), y),
    "lightgbm of counts": lambda: lightgbm(objective="poisson").fit(X, y),
    "xgboost": lambda: xgboost().fit(read_by_xgboost(X), y),
    "xgboost of classes": lambda: xgboost("XGBClassifier").fit(
        read_by_xgboost(X), y > 140
    ),
    "xgboost of missing values": lambda: xgboost().fit(read_by_xgboost(holes(X)), y),
    "pipeline": lambda: make_pipeline(
        StandardScaler(), RandomForestRegressor(20, random_state=0)
    ).fit(numbers, y),
}


@pytest.mark.parametrize("name", MODELS)
def test_small_tables_have_the_walks_nonlinearity_without_it(name):
    model = FrozenEstimator(MODELS[name]())
    table = holes(X) if "missing" in name else X
    table = table[model.feature_names_in_]
    effects = {}
    for engine in ("auto", "trees"):
        explainer = FMEExplainer(
            model, STEPS, nlm=True, engine=engine, extrapolation=None
        )
        effects[engine] = explainer.fit(table).explain(table)
    for step, walked in effects["trees"].items():
        plain = effects["auto"][step]
        assert (plain.engine, plain.nlm_rule) == ("predict", "exact")
        assert walked.nlm_rule == "exact"
        np.testing.assert_allclose(plain.nlm, walked.nlm, rtol=1e-9, atol=1e-9)


def test_a_category_that_changes_stands_at_its_new_value_all_along():
    model = HistGradientBoostingRegressor(random_state=0).fit(X, y)
    steps = [{"bmi": 2, "sex": "m"}, {"sex": "m"}]
    plain, walked = (
        [fme(model, X, step, nlm=True, engine=engine).nlm for step in steps]
        for engine in ("auto", "trees")
    )
    np.testing.assert_allclose(plain, walked, rtol=1e-9, atol=1e-9)
    assert np.isnan(plain[1]).all()  # nothing moves


def test_one_jump_has_the_closed_form():
    # A step of height 1 at share c of the way: 1 − (1/3 − c + c²) / (c − c²).
    rows = np.linspace(0, 1, 11)[:, None]
    model = HistGradientBoostingRegressor(
        max_iter=1, max_leaf_nodes=2, min_samples_leaf=1
    ).fit(rows, rows[:, 0] > 0.5)
    at = np.array([[0.3], [0.52], [0.6]])
    effect = fme(model, at, {0: 0.4}, nlm=True, extrapolation=None)
    threshold = model._predictors[0][0].nodes["num_threshold"][0]
    c = (threshold - at[:2, 0]) / 0.4
    expected = 1 - (1 / 3 - c + c**2) / (c - c**2)
    np.testing.assert_allclose(effect.nlm[:2], expected, atol=1e-12)
    assert np.isnan(effect.nlm[2])


def test_predictions_between_the_thresholds_give_the_same_nonlinearity():
    model = HistGradientBoostingRegressor(max_iter=10).fit(numbers, y)
    rows = numbers.iloc[:10]
    effect = fme(model, rows, {"bmi": 4}, nlm=True, extrapolation=None)
    nodes = np.concatenate([tree.nodes for (tree,) in model._predictors])
    nodes = nodes[nodes["is_leaf"] == 0]
    of_bmi = nodes["feature_idx"] == numbers.columns.get_loc("bmi")
    cuts = np.unique(nodes["num_threshold"][of_bmi])
    for i, (_, row) in enumerate(rows.iterrows()):
        t = (cuts - row["bmi"]) / 4
        ends = np.concatenate([[0.0], t[(t > 0) & (t < 1)], [1.0]])
        # Values at which a line and a step are compared, weighted by length.
        middle, length = (ends[1:] + ends[:-1]) / 2, np.diff(ends)
        along = pd.concat([row.to_frame().T] * len(middle))
        before, after = (
            model.predict(along.assign(bmi=row["bmi"] + h)[:1])[0] for h in (0, 4)
        )
        value = model.predict(along.assign(bmi=row["bmi"] + 4 * middle)) - before
        rise = after - before
        off = length @ ((value - middle * rise) ** 2 + (length * rise) ** 2 / 12)
        total = length @ (value - length @ value) ** 2
        expected = 1 - off / total if total else np.nan
        assert effect.nlm[i] == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_the_first_small_table_waits_for_no_compiler(tmp_path):
    code = """
import sys
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from skfme import fme
X = np.random.default_rng(0).normal(size=(50, 3))
model = RandomForestRegressor(5).fit(X, X[:, 0])
assert fme(model, X, {0: 0.5}, nlm=True).nlm_rule == "exact"
print("numba" in sys.modules)
"""
    root = Path(__file__).parents[2]
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)},
    )
    assert ran.stdout.strip() == "False"


def forest_and_rows():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    return RandomForestRegressor(5, random_state=0).fit(rows, rows[:, 0]), rows


def test_rows_that_do_not_count_are_not_transformed():
    forest, rows = forest_and_rows()
    model = make_pipeline(PCA(), forest).fit(rows, rows[:, 0])  # PCA refuses NaN
    lacking = rows.copy()
    lacking[:5, 0] = np.nan
    effect = fme(model, lacking, {0: 0.5}, nlm=True, extrapolation=None)
    assert (effect.n, effect.nlm_rule) == (55, "exact")
    complete = fme(model, rows[5:], {0: 0.5}, nlm=True, extrapolation=None)
    np.testing.assert_array_equal(effect.nlm[5:], complete.nlm)


def test_large_tables_are_walked_and_so_is_the_rest_of_one_in_batches(monkeypatch):
    model, rows = forest_and_rows()
    options = {"nlm": True, "extrapolation": None}
    with monkeypatch.context() as patched:
        patched.setattr(choice, "_WORTH_COMPILING", 10)
        assert fme(model, rows, {0: 0.5}, **options).engine == "trees"
    explainer = FMEExplainer(FrozenEstimator(model), {0: 0.5}, **options).fit(rows)
    explainer.explain(rows)
    visits = explainer._choice._n_visits
    monkeypatch.setattr(choice, "_WORTH_COMPILING", 2 * visits)
    engines = [next(iter(explainer.explain(rows).values())).engine for _ in range(3)]
    assert engines == ["predict", "trees", "trees"]


def test_without_the_extra_long_paths_of_many_rows_go_by_the_rule(monkeypatch):
    monkeypatch.setattr(choice, "find_spec", lambda name: None)
    monkeypatch.setattr(choice, "_WORTH_COMPILING", 10)
    model, rows = forest_and_rows()
    options = {"nlm": True, "extrapolation": None, "batch_size": 25}
    assert fme(model, rows, {0: 0.5}, **options).nlm_rule == "exact"
    monkeypatch.setattr(choice, "_MOST_PLAIN_ROWS", 59)
    assert fme(model, rows, {0: 0.5}, **options).nlm_rule == "exact"
    cuts = np.unique(
        np.concatenate(
            [
                tree.tree_.threshold[tree.tree_.feature == 0]
                for tree in model.estimators_
            ]
        )
    )
    passed = ((rows[:, :1] <= cuts) & (cuts < rows[:, :1] + 0.5)).sum()
    monkeypatch.setattr(choice, "_MOST_PASSED", passed)
    assert fme(model, rows, {0: 0.5}, **options).nlm_rule == "exact"
    monkeypatch.setattr(choice, "_MOST_PASSED", passed - 1)
    with pytest.warns(UserWarning, match=r"skfme\[fast\]"):
        effect = fme(model, rows, {0: 0.5}, **options)
    assert effect.nlm_rule == "GaussLegendre(n_nodes=8)"
    summary = " ".join(str(effect).split())
    assert "by GaussLegendre(n_nodes=8)" in summary
    assert "pip install 'skfme[fast]'" in summary


def test_a_model_fitted_again_is_read_again_before_its_paths_are_walked():
    model, rows = forest_and_rows()
    explainer = FMEExplainer(
        FrozenEstimator(model), {0: 0.5}, nlm=True, extrapolation=None
    )
    explainer.fit(rows).explain(rows)
    model.fit(rows, np.sin(5 * rows[:, 0]))
    (again,) = explainer.explain(rows).values()
    fresh = fme(model, rows, {0: 0.5}, nlm=True, extrapolation=None, engine="trees")
    np.testing.assert_allclose(again.nlm, fresh.nlm, rtol=1e-9, atol=1e-9)


def test_a_stream_of_small_tables_is_integrated_exactly():
    model, rows = forest_and_rows()
    explainer = FMEExplainer(
        FrozenEstimator(model), {0: 0.5}, nlm=True, extrapolation=None
    ).fit(rows)
    (summary,) = explainer.explain_batches(np.array_split(rows, 4)).values()
    assert summary.nlm_rule == "exact"


REFERENCES = {
    "forest": ("sklearn.ensemble", "RandomForestRegressor"),
    "hist": ("sklearn.ensemble", "HistGradientBoostingRegressor"),
    "lightgbm": ("lightgbm", "LGBMRegressor"),
    "xgboost": ("xgboost", "XGBRegressor"),
}
REFERENCE_STEPS = [{"bmi": 2}, {"bp": -10}, {"age": 30, "s5": 0.3}]


def reference_nlm(name, engine):
    """NLMs of all rows, each step in a row of its own."""
    module, kind = REFERENCES[name]
    library = pytest.importorskip(module, reason=f"{module} is not installed")
    threads = {} if name == "hist" else {"n_jobs": 1}
    model = getattr(library, kind)(random_state=0, **threads).fit(numbers, y)
    options = {"nlm": True, "engine": engine, "extrapolation": None}
    effects = [fme(model, numbers, step, **options) for step in REFERENCE_STEPS]
    assert {effect.nlm_rule for effect in effects} == {"exact"}
    return np.array([effect.nlm for effect in effects])


WITHOUT_NUMBA = """
import sys
import numpy as np
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
from tests.engine.test_plain_paths import reference_nlm
np.save(sys.argv[2], reference_nlm(sys.argv[1], "auto"))
assert "numba" not in sys.modules
"""


@pytest.mark.parametrize("name", REFERENCES)
def test_without_numba_nonlinearity_is_what_the_walk_finds(name, tmp_path):
    walked = reference_nlm(name, "trees")
    root, path = Path(__file__).parents[2], tmp_path / "nlm.npy"
    subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA, name, str(path)],
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
    )
    assert walked.shape == (len(REFERENCE_STEPS), 442)
    assert np.isfinite(walked).mean() > 0.5
    np.testing.assert_allclose(np.load(path), walked, rtol=1e-9, atol=1e-9)
