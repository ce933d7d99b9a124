"""explain_batches: the effects of tables that come one after another."""

import pickle
import re
import warnings
import weakref
from itertools import pairwise

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
import sklearn
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression

from skfme import Contrast, FMEExplainer, GaussLegendre, StdDev
from skfme._engine import choice
from skfme._engine.trees import models
from skfme._streaming import explain_batches as streaming
from skfme.statsmodels import average_effects
from tests.recorder import Recorder

N = 700


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "age": np.where(rng.random(N) < 0.05, np.nan, rng.normal(50, 12, N)),
            "dose": rng.integers(0, 40, N),
            "sex": pd.Categorical(rng.choice(["f", "m"], N)),
            "smokes": rng.random(N) < 0.3,
        }
    )


def risk(X):
    """Smooth, with an interaction, and defined where the age is missing."""
    age = np.nan_to_num(np.asarray(X["age"], dtype=float), nan=45.0)
    dose = np.asarray(X["dose"], dtype=float)
    male = np.asarray(X["sex"]) == "m"
    return np.exp(age / 40) * (1 + male) + np.sin(dose / 5) * age


STEPS = [
    {"age": 5},
    {"dose": -3, "sex": "m"},
    {"dose": StdDev(0.5)},
    {"sex": Contrast("f", "m")},
]


def explainer_on(X, steps=STEPS, function=risk, **options):
    model = FrozenEstimator(Recorder(function))
    return FMEExplainer(model, steps, **options).fit(X)


def cut(X, *at):
    """Consecutive parts of a table of any kind."""
    edges = [0, *sorted(at), len(X)]
    return [X[low:high] for low, high in pairwise(edges)]


def assert_same(summaries, effects):
    """Counts equal, means to 1e-12, SDs to 1e-10, quartiles to 0.1 %."""
    mine, its = summaries.to_frame(), effects.to_frame()
    assert list(mine.columns) == [*its.columns, "min", "max", "std_error"]
    counts = [c for c in its if c == "effect" or c == "output" or c.startswith("n_")]
    pd.testing.assert_frame_equal(mine[["n", *counts]], its[["n", *counts]])
    np.testing.assert_allclose(mine["ame"], its["ame"], rtol=1e-12)
    scale = np.hypot(its["ame"], its["sd"])
    assert ((mine["sd"] - its["sd"]).abs() <= 1e-10 * scale).all()
    quartiles = ["q25", "median", "q75"]
    beside = np.stack([its[["q25", "median", "q75"]].abs().max(axis=1)] * 3, axis=1)
    assert (np.abs(mine[quartiles] - its[quartiles]) <= 1e-3 * beside).all(axis=None)
    if "anlm" in its:
        np.testing.assert_allclose(mine["anlm"], its["anlm"], rtol=1e-10)
        np.testing.assert_allclose(
            mine["nlm_share_linear"], its["nlm_share_linear"], rtol=1e-12
        )
        np.testing.assert_allclose(mine["nlm_median"], its["nlm_median"], rtol=1e-3)


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "record batches"])
def test_batches_give_the_numbers_of_the_stacked_table(people, kind):
    table = {
        "pandas": lambda: people,
        "polars": lambda: pl.from_pandas(people),
        "pyarrow": lambda: pa.Table.from_pandas(people),
        "record batches": lambda: pa.Table.from_pandas(people),
    }[kind]()
    explainer = explainer_on(people, nlm=GaussLegendre(4))
    if kind == "record batches":
        batches = table.to_batches(max_chunksize=90)
        assert len(batches) == 8
    else:
        batches = cut(table, 1, 300, 300, 555)
    assert_same(explainer.explain_batches(iter(batches)), explainer.explain(people))


@given(
    st.lists(st.integers(0, N), max_size=6),
    st.booleans(),
    st.sampled_from([1, 40, 10**6]),
)
@settings(max_examples=10)
def test_how_the_rows_are_cut_changes_nothing(people, cuts, weighted, fewest):
    explainer = explainer_on(people, STEPS[:2])
    column = np.random.default_rng(1).integers(0, 4, N) / 2
    batches = cut(people.assign(w=column) if weighted else people, *cuts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streaming, "_FEWEST_ROWS", fewest)
        summaries = explainer.explain_batches(batches, "w" if weighted else None)
    assert_same(summaries, explainer.explain(people, column if weighted else None))


def test_every_class_has_its_own_summary():
    X, y = load_iris(return_X_y=True)
    steps = [{2: -1.0}, {0: 0.5, 3: 0.2}]
    explainer = FMEExplainer(LogisticRegression(max_iter=500), steps, nlm=True)
    explainer.fit(X, y)
    summaries, effects = (
        explainer.explain_batches(cut(X, 70, 100)),
        explainer.explain(X),
    )
    assert_same(summaries, effects)
    summary, effect = summaries["x2 -1"], effects["x2 -1"]
    assert summary.outputs == ("0", "1", "2")
    np.testing.assert_allclose(summary.ame, effect.ame, rtol=1e-12)
    np.testing.assert_allclose(summary.anlm, effect.anlm, rtol=1e-10)
    assert summary.quartiles.shape == effect.quartiles.shape == (3, 3)
    np.testing.assert_array_equal(summary.min, np.nanmin(effect.fme, axis=0))
    np.testing.assert_array_equal(summary.max, np.nanmax(effect.fme, axis=0))


def test_one_batch_is_released_before_the_next_one_is_read(people, monkeypatch):
    monkeypatch.setattr(streaming, "_FEWEST_ROWS", 1)
    explainer = explainer_on(people, {"age": 5}, lambda X: np.asarray(X["dose"]))
    alive, given = [], []

    def batches():
        for low in range(0, N, 100):
            alive.append(sum(batch() is not None for batch in given))
            batch = people[low : low + 100].copy()
            given.append(weakref.ref(batch))
            yield batch
            del batch

    explainer.explain_batches(batches())
    assert alive == [0] * 7


def test_a_batch_with_large_results_is_explained_in_parts(people):
    many = pd.concat([people] * 130, ignore_index=True)
    model = Recorder(risk)
    explainer = FMEExplainer(FrozenEstimator(model), STEPS, batch_size=10**6)
    explainer.fit(people)
    with sklearn.config_context(working_memory=1):
        model.tables.clear()
        summaries = explainer.explain_batches([many])
    assert max(map(len, model.tables)) == 32768
    assert_same(summaries, explainer.explain(many))
    assert summaries.n_batches == 1


def test_rows_are_named_where_a_batch_is_explained_in_parts(people, monkeypatch):
    monkeypatch.setattr(streaming, "_FEWEST_ROWS", 300)
    many = people.copy()
    many.loc[650, "age"] = np.inf
    explainer = explainer_on(people, batch_size=1000)
    with (
        sklearn.config_context(working_memory=0.001),
        pytest.raises(
            ValueError, match=r"batches\[0\], rows 600 to 699: X contains inf"
        ),
    ):
        explainer.explain_batches([many])


# Merging


def test_parts_from_several_machines_merge_to_one_pass(people):
    explainer = explainer_on(people, nlm=True)
    table = people.assign(w=np.arange(N) % 5 / 3)
    a, b, c = (
        pickle.loads(pickle.dumps(explainer.explain_batches([part], "w", by="sex")))
        for part in cut(table, 100, 450)
    )
    one_pass = explainer.explain_batches(cut(table, 100, 450), "w", by="sex")
    for merged in (a + b + c, c + (a + b), sum([b, c, a]), a.merge(b).merge(c)):
        mine, its = merged.to_frame(), one_pass.to_frame()
        pd.testing.assert_frame_equal(mine, its, rtol=1e-13)
        for name in one_pass:
            pd.testing.assert_frame_equal(
                merged[name].average(), one_pass[name].average(), rtol=1e-12
            )
        assert (merged.n_rows, merged.n_batches) == (N, 3)
        assert merged.total_weight == pytest.approx(table["w"].sum(), rel=1e-14)
        assert str(merged) == str(one_pass)
    assert a.n_rows == 100  # the parts are left as they are


def test_quartiles_of_merged_parts_do_not_depend_on_their_order(people):
    explainer = explainer_on(people)
    parts = [explainer.explain_batches([part]) for part in cut(people, 9, 80, 500)]
    forth, back = sum(parts), sum(parts[::-1])
    np.testing.assert_array_equal(
        forth["age +5"].quartiles, back["age +5"].quartiles, strict=True
    )


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"steps": {"age": 6}}, "effects: \\('age \\+5',\\) and \\('age \\+6',\\)"),
        ({"nlm": True}, "nlm"),
        ({"extrapolation": None}, "extrapolation"),
        ({"by": "sex"}, "by"),
        ({"sample_weight": len}, "weighted"),
    ],
)
def test_summaries_of_another_question_do_not_merge(people, change, named):
    change = dict(change)
    call = {key: change.pop(key) for key in ("by",) if key in change}
    if change.pop("sample_weight", None):
        call["sample_weight"] = lambda batch: np.ones(len(batch))
    other = explainer_on(people, **{"steps": {"age": 5}, **change})
    mine = explainer_on(people, {"age": 5}).explain_batches([people])
    with pytest.raises(ValueError, match=f"differ in {named}"):
        mine.merge(other.explain_batches([people], **call))


def test_summaries_merge_with_summaries_only(people):
    explainer = explainer_on(people)
    summaries = explainer.explain_batches([people])
    with pytest.raises(TypeError, match="not ForwardEffects"):
        summaries.merge(explainer.explain(people))
    with pytest.raises(TypeError, match="unsupported operand"):
        summaries + 1
    with pytest.raises(TypeError, match="unsupported operand"):
        2 + summaries


def test_summaries_hold_neither_rows_nor_model(people):
    explainer = explainer_on(people)
    small = len(pickle.dumps(explainer.explain_batches([people])))
    large = len(pickle.dumps(explainer.explain_batches([people] * 50)))
    assert large == pytest.approx(small, rel=0.01)
    pickled = pickle.dumps(explainer.explain_batches([people]))
    assert b"tests" not in pickled
    assert b"pandas" not in pickled


# Groups


@pytest.mark.parametrize("by", ["sex", ["site"], ["site", "smokes"]])
def test_groups_are_averaged_as_an_effect_averages_them(people, by):
    site = np.array(["x", "y", None], dtype=object)[np.arange(N) // 300]
    table = people if by == "sex" else people.assign(site=site)
    explainer = explainer_on(people, nlm=True)
    summaries = explainer.explain_batches(cut(table, 310, 640), by=by)
    for name, effect in explainer.explain(people).items():
        labels = [by] if isinstance(by, str) else by
        groups = table[labels].astype(object).where(table[labels].notna(), "missing")
        keys = groups.agg(tuple, axis=1).astype(str)
        expected = effect.average(by=keys.to_numpy()).set_index("group")
        mine = summaries[name].average()
        own = mine[labels].astype(object).where(mine[labels].notna(), "missing")
        mine.index = own.agg(tuple, axis=1).astype(str)
        assert sorted(mine.index) == sorted(expected.index)
        expected = expected.loc[mine.index]
        assert list(mine["n"]) == list(expected["n"])
        tolerances = {"ame": 1e-11, "sd": 1e-10, "share_positive": 1e-12, "anlm": 1e-9}
        for column, rtol in tolerances.items():
            np.testing.assert_allclose(
                mine[column], expected[column], rtol=rtol, atol=1e-12
            )
    assert_same(summaries, explainer.explain(people))


def test_groups_are_sorted_with_the_missing_ones_last(people):
    table = people.assign(site=np.array([None, "b", "a"])[np.arange(N) % 3])
    explainer = explainer_on(people, {"age": 5})
    frame = explainer.explain_batches([table], by="site")["age +5"].average()
    assert list(frame["site"][:2]) == ["a", "b"]
    assert frame["site"].isna()[2]


def test_the_standard_error_of_a_linear_effect_is_no_rounding_noise():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)) + [1e3, 0, 0]
    model = LinearRegression().fit(X, X @ [0.1, 1, 2])
    explainer = FMEExplainer(
        FrozenEstimator(model), {0: 0.3}, extrapolation=None, engine="predict"
    ).fit(X)
    summary = explainer.explain_batches([X[:90], X[90:]], by=2)["x0 +0.3"]
    assert (summary.n, summary.std_error) == (200, 0)
    assert not summary.average()["std_error"].any()


def test_rows_without_an_nlm_are_no_part_of_its_median(people):
    # below a dose of 20 the path is constant, and has no NLM
    explainer = explainer_on(
        people,
        {"dose": 3},
        lambda X: np.maximum(np.asarray(X["dose"], float) - 20, 0) ** 3,
        nlm=True,
        extrapolation=None,
    )
    effect = explainer.explain(people)["dose +3"]
    undefined = np.count_nonzero(np.isnan(effect.nlm))
    assert 0 < undefined < effect.n / 1.5
    frame = explainer.explain_batches(cut(people, 300)).to_frame().iloc[0]
    assert frame["n_nlm_undefined"] == undefined
    assert frame["nlm_median"] == pytest.approx(np.nanmedian(effect.nlm), rel=1e-3)


LEVELS = ["low", "mid", "high", "never"]


@pytest.mark.parametrize(
    "as_batch",
    [
        lambda table: table,
        lambda table: pa.Table.from_pandas(table, preserve_index=False),
        lambda table: pl.DataFrame(
            {
                name: pl.Series(
                    column.astype(str).to_list()
                    if column.dtype == "category"
                    else column,
                    dtype=pl.Enum(LEVELS) if name == "level" else None,
                )
                for name, column in table.items()
            }
        ),
    ],
    ids=["pandas", "arrow", "polars"],
)
def test_groups_come_in_the_order_of_their_categories(people, as_batch):
    level = np.array(LEVELS[:3])[np.arange(N) % 3]
    table = people.assign(level=pd.Categorical(level, LEVELS))
    parts = [table[table["level"] != "low"], table[table["level"] != "high"]]
    explainer = explainer_on(people, {"age": 5})
    one, other = (explainer.explain_batches([as_batch(p)], by="level") for p in parts)
    both = explainer.explain_batches(map(as_batch, parts), by="level")
    for summaries in (one + other, other + one, both):
        groups = summaries["age +5"].average()["level"]
        assert groups.tolist() == ["low", "mid", "high"]


def test_batches_with_categories_of_their_own_join_them_in_one_order(people):
    explainer = explainer_on(people, {"age": 5})
    cells = [["low", "mid"], ["mid", "high"], ["low", "high"]]
    batches = [
        people[:60].assign(
            level=pd.Categorical(np.array(cell)[np.arange(60) % 2], cell)
        )
        for cell in cells
    ]
    groups = explainer.explain_batches(batches, by="level")["age +5"].average()["level"]
    assert groups.tolist() == ["low", "mid", "high"]


def test_an_average_without_groups_names_the_parameter_for_them(people):
    summary = explainer_on(people).explain_batches([people])["age +5"]
    with pytest.raises(ValueError, match="by="):
        summary.average()
    explainer = explainer_on(people)
    with pytest.raises(ValueError, match=r"batches\[0\]: by names 'sx'.*mean 'sex'"):
        explainer.explain_batches([people], by="sx")
    with pytest.raises(TypeError, match="Make groups a column"):
        explainer.explain_batches([people], by=np.zeros(N))


# Weights


def test_weights_are_a_column_of_the_batches_or_a_function_of_them(people):
    weights = np.arange(N) % 4 / 3
    table = people.assign(w=weights)
    explainer = explainer_on(people)
    named = explainer.explain_batches(cut(table, 200), "w")
    made = explainer.explain_batches(
        cut(people, 200), lambda batch: (np.asarray(batch.index) % 4) / 3
    )
    feature = explainer.explain_batches(cut(people, 200), "dose")
    assert_same(named, explainer.explain(people, weights))
    assert_same(made, explainer.explain(people, weights))
    assert_same(feature, explainer.explain(people, people["dose"]))
    assert "the weights sum to" in str(named)
    assert named["age +5"].total_weight == pytest.approx(weights.sum())


@pytest.mark.parametrize("weights_type", ["auto", "sampling", "importance"])
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_a_stream_decides_at_its_end_what_its_weights_stand_for(
    people, weights_type, scale
):
    weights = 1.0 + np.arange(N) % 4
    weights[N // 2 :] += 0.25  # whole in the first half alone
    table = people.assign(w=scale * weights)
    explainer = explainer_on(people, weights_type=weights_type)
    halves = [
        explainer.explain_batches(cut(part, 90), "w", by="sex")
        for part in (table[: N // 2], table[N // 2 :])
    ]
    whole = halves[0] + halves[1]
    effects = explainer.explain(people, weights)
    for name, effect in effects.items():
        np.testing.assert_allclose(whole[name].sd, effect.sd, rtol=1e-9)
        np.testing.assert_allclose(
            whole[name].quartiles, effect.quartiles, rtol=2e-3, atol=1e-9
        )
        found = whole[name].average().set_index("sex")["sd"]
        want = effect.average(by="sex").set_index("sex")["sd"]
        np.testing.assert_allclose(found, want[found.index], rtol=1e-9)
    kind = "sampling" if weights_type == "auto" else weights_type
    assert whole.weights_type == effects["age +5"].weights_type == kind
    if weights_type == "auto" and scale == 1:
        assert halves[0].weights_type == "frequency"
    assert f"({kind} weights)" in str(whole)


def test_frequencies_of_a_stream_must_be_whole(people):
    table = people.assign(w=np.where(np.arange(N) < 200, 1.0, 0.5))
    explainer = explainer_on(people, weights_type="frequency")
    with pytest.raises(ValueError, match=r"batches\[1\]: .*'frequency' counts rows"):
        explainer.explain_batches(cut(table, 200), "w")
    other = explainer_on(people).explain_batches(cut(table, 200), "w")
    first = explainer.explain_batches([table[:200]], "w")
    with pytest.raises(ValueError, match="differ in weights_type"):
        first + other


def test_extra_columns_of_an_array_are_its_last_ones():
    X = np.random.default_rng(0).normal(size=(60, 3))
    extra = np.column_stack([X, np.arange(60) % 3, np.arange(60) % 2])
    explainer = explainer_on(X, {0: 1.0}, lambda X: X[:, 0] * X[:, 1])
    summaries = explainer.explain_batches(cut(extra, 20), 3, by=4)
    assert_same(summaries, explainer.explain(X, np.arange(60) % 3))
    assert list(summaries["x0 +1"].average()["x4"]) == [0, 1]


def test_a_batch_whose_weights_are_zero_adds_rows_and_no_weight(people):
    table = people.assign(w=np.where(np.arange(N) < 200, 0, 2.0))
    explainer = explainer_on(people)
    assert_same(
        explainer.explain_batches(cut(table, 200), "w"),
        explainer.explain(people, table["w"]),
    )
    with pytest.warns(UserWarning, match="weights of all rows are zero"):
        empty = explainer.explain_batches([table[:200]], "w")
    assert np.isnan(empty["age +5"].ame)
    assert np.isnan(empty["age +5"].min)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (-1.0, "negative in 1 rows"),
        (np.nan, "contains NaN"),
        ("heavy", "does not hold numbers"),
    ],
)
def test_bad_weights_are_named_with_their_batch(people, values, message):
    explainer = explainer_on(people)
    bad = people.assign(w=pd.Series([values] + [1.0] * (N - 1)))
    with pytest.raises(ValueError, match=rf"batches\[1\]: .*{message}"):
        explainer.explain_batches([people.assign(w=1.0), bad], "w")
    with pytest.raises(TypeError, match="sample_weight must be a column"):
        explainer.explain_batches([people], np.ones(N))


# Standard errors


@pytest.mark.parametrize("weighted", [False, True])
def test_standard_errors_are_those_of_average_effects(people, weighted):
    weights = np.arange(N) % 4 / 3
    explainer = explainer_on(people)
    summaries = explainer.explain_batches(
        cut(people.assign(w=weights) if weighted else people, 90, 400),
        "w" if weighted else None,
        by="smokes",
    )
    effects = explainer.explain(people, weights if weighted else None)
    whole = average_effects(effects)
    np.testing.assert_allclose(summaries.to_frame()["std_error"], whole.bse, rtol=1e-10)
    one = summaries["age +5"]
    assert one.std_error == pytest.approx(whole.bse.iloc[0], rel=1e-10)
    for smokes, error in one.average()[["smokes", "std_error"]].to_numpy():
        rows = people["smokes"] == smokes
        alone = explainer.explain(people[rows], weights[rows] if weighted else None)
        assert error == pytest.approx(average_effects(alone).bse.iloc[0], rel=1e-10)


# Batches that are refused


def with_infinity(X):
    return X.assign(age=np.inf)


def with_text(X):
    return X.assign(dose=X["dose"].astype(str))


def with_numbers(X):
    return X.assign(sex=1.5)


def without_age(X):
    return X.drop(columns="age")


def with_target(X):
    return X.assign(y=1)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (with_infinity, "X contains infinity in age"),
        (with_text, "'dose' is categorical here, and was numeric in fit"),
        (with_numbers, "'sex' is numeric here, and was categorical in fit"),
        (without_age, "unseen|missing"),
        (with_target, "'y' were not seen in fit. Read its columns only"),
        (lambda X: X["age"], "2-dimensional"),
        (lambda X: pl.from_pandas(X).lazy(), "lazy table"),
    ],
)
@pytest.mark.parametrize("fewest", [1, 10**6])
def test_an_error_names_the_batch(people, monkeypatch, spoil, message, fewest):
    monkeypatch.setattr(streaming, "_FEWEST_ROWS", fewest)
    explainer = explainer_on(people)
    good, bad = people[:50], spoil(people[50:90])
    with pytest.raises((ValueError, TypeError)) as caught:
        explainer.explain_batches([good, good, bad, good])
    assert re.match(r"batches\[2\]: ", str(caught.value))
    assert re.search(message, str(caught.value))


def test_a_failure_of_the_model_names_the_batch(people):
    def fails(X):
        if (X["dose"] > 1000).any():
            raise RuntimeError("out of order")
        return np.zeros(len(X))

    explainer = explainer_on(people, {"age": 5}, fails, extrapolation=None)
    bad = people.assign(dose=5000)
    with pytest.raises(RuntimeError, match="out of order") as caught:
        explainer.explain_batches([people, bad])
    assert caught.value.__notes__ == ["in batches[1]"]


def test_a_failure_of_the_reader_names_the_batch(people):
    def broken():
        yield people
        raise OSError("disk")

    with pytest.raises(OSError, match="disk") as caught:
        explainer_on(people).explain_batches(broken())
    assert caught.value.__notes__ == ["while reading batches[1]"]


def test_a_column_missing_throughout_a_batch_is_no_other_kind(people):
    explainer = explainer_on(people, {"age": 5}, lambda X: np.zeros(len(X)))
    blank = people[:40].assign(sex=np.nan)
    assert explainer.explain_batches([people, blank]).n_rows == N + 40


@pytest.mark.parametrize("given", [3, b"rows.parquet", np.mean])
def test_what_is_no_source_of_tables_is_refused(people, given):
    with pytest.raises(TypeError, match="expected a table, a path of Parquet files"):
        explainer_on(people).explain_batches(given)


def test_an_explainer_must_be_fitted(people):
    with pytest.raises(NotFittedError):
        FMEExplainer(LogisticRegression()).explain_batches([people])


@pytest.mark.parametrize(
    ("feature", "function"),
    [
        ("age", lambda column: column - column.mean()),
        ("dose", lambda column: column.clip(upper=column.max() - 1)),
        ("sex", lambda column: column.iloc[::-1].to_numpy()),
    ],
)
def test_a_step_that_looks_at_other_rows_is_refused(people, feature, function):
    people = people.assign(dose=np.arange(N))
    explainer = explainer_on(people, {feature: function})
    with pytest.raises(
        ValueError, match=r"batches\[0\]: The step .* of half|among half"
    ):
        explainer.explain_batches([people])


def test_a_step_that_is_a_function_of_each_row_is_taken(people):
    steps = [
        {"age": lambda column: np.sqrt(column) * 7},
        {"sex": lambda column: column.map({"f": "m", "m": "f"})},
        {"dose": lambda column: column // 2},
    ]
    explainer = explainer_on(people, {str(i): step for i, step in enumerate(steps)})
    assert_same(
        explainer.explain_batches(cut(people, 100, 101)), explainer.explain(people)
    )


# Nothing to summarize


@pytest.mark.parametrize("batches", [[], [None], iter(())])
def test_no_rows_at_all_give_a_warning_and_merge_as_nothing(people, batches):
    batches = [people[:0]] if batches == [None] else batches
    explainer = explainer_on(people, nlm=True)
    with pytest.warns(UserWarning, match="batches held no rows"):
        empty = explainer.explain_batches(batches, by="sex")
    assert (empty.n_rows, empty["age +5"].n) == (0, 0)
    assert np.isnan(empty["age +5"].ame)
    assert np.isnan(empty["age +5"].quartiles).all()
    assert len(empty["age +5"].average()) == 0
    whole = explainer.explain_batches([people], by="sex")
    for merged in (empty + whole, whole + empty):
        pd.testing.assert_frame_equal(merged.to_frame(), whole.to_frame())


def test_an_effect_of_which_no_row_counts_gives_a_warning(people):
    explainer = explainer_on(people, {"age": 500})
    with pytest.warns(UserWarning, match="No row counts for the effect 'age \\+500'"):
        summaries = explainer.explain_batches(cut(people, 30))
    assert np.isnan(summaries["age +500"].ame)
    assert summaries["age +500"].n_left_out["extrapolation"] > 0


def test_the_sd_of_one_row_is_nan_with_a_warning(people):
    summaries = explainer_on(people, {"dose": 1}).explain_batches([people[5:6]])
    with pytest.warns(RuntimeWarning, match="must exceed 1"):
        assert np.isnan(summaries["dose +1"].sd)


# Readers


def test_files_and_lazy_tables_are_read_in_batches(people, tmp_path):
    people = people.assign(sex=people["sex"].astype(str))
    explainer = explainer_on(people)
    effects = explainer.explain(people)
    path = tmp_path / "people.parquet"
    people.assign(w=1.0, y=0.0).to_parquet(path, row_group_size=200)
    columns = [*people.columns, "w"]
    file = pq.ParquetFile(path)
    assert_same(
        explainer.explain_batches(file.iter_batches(90, columns=columns), by="w"),
        effects,
    )
    dataset = pa.dataset.dataset(path)
    young = pa.dataset.field("age") < 30  # most row groups' batches are then short
    assert_same(
        explainer.explain_batches(
            dataset.to_batches(columns=list(people.columns), filter=young)
        ),
        explainer.explain(people[people["age"] < 30]),
    )
    assert_same(
        explainer.explain_batches(
            dataset.scanner(columns=list(people.columns)).to_reader()
        ),
        effects,
    )
    lazy = pl.scan_parquet(path).select(people.columns)
    if hasattr(lazy, "collect_batches"):  # polars 1.34
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # polars calls it unstable
            assert_same(
                explainer.explain_batches(lazy.collect_batches(chunk_size=64)), effects
            )


def test_a_record_batch_is_a_table_for_explain_too(people):
    batch = pa.RecordBatch.from_pandas(people)
    explainer = explainer_on(people)
    np.testing.assert_array_equal(
        explainer.explain(batch)["age +5"].fme, explainer.explain(people)["age +5"].fme
    )


# How it reads


def test_the_summary_is_that_of_the_effects_with_a_word_on_precision(people):
    explainer = explainer_on(people, {"age": 5}, lambda X: 3 * np.nan_to_num(X["age"]))
    summaries, effects = (
        explainer.explain_batches(cut(people, 9)),
        explainer.explain(people),
    )
    text = str(summaries)
    assert text.startswith(str(effects))
    assert text.endswith("Quartiles are within 0.1 % of their values.")
    assert max(map(len, text.splitlines())) <= 80
    assert str(summaries["age +5"]) == text
    page, shown = summaries._repr_html_(), effects._repr_html_()
    assert page.startswith(shown.removesuffix("</div>"))
    assert "<p>Quartiles are within 0.1 % of their values.</p>" in page
    assert repr(summaries) == (
        f"EffectSummaries([EffectSummary('age +5', n={effects['age +5'].n}, ame=15)])"
    )


def test_equal_effects_have_exact_quartiles_and_no_sd(people):
    explainer = explainer_on(people, {"dose": 1}, lambda X: 0.7 * np.asarray(X["dose"]))
    summary = explainer.explain_batches(cut(people, 20))["dose +1"]
    np.testing.assert_allclose(summary.quartiles, 0.7, rtol=1e-13)
    assert summary.sd < 1e-12


def test_unknown_effects_are_named(people):
    summaries = explainer_on(people).explain_batches([people])
    with pytest.raises(
        KeyError, match="no effect is named 'age'; there are 'age \\+5'"
    ):
        summaries["age"]
    assert list(summaries) == list(explainer_on(people).explain(people))
    with pytest.raises(AttributeError, match="nlm=True"):
        _ = summaries["age +5"].anlm


def test_progress_counts_batches(people, capsys, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "tqdm.auto", None)
    explainer_on(people, verbose=1).explain_batches(cut(people, 300))
    explainer_on(people, verbose=1).explain_batches(iter(cut(people, 300)))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "effects: batch 1 of 2",
        "effects: batch 2 of 2",
        "effects: batch 1",
        "effects: batch 2",
    ]


OTHERS = {
    "another model": lambda X: explainer_on(X, function=lambda t: 2 * risk(t)),
    "another box": lambda X: explainer_on(pd.concat([X, X.assign(age=X["age"] * 9)])),
    "other training rows": lambda X: explainer_on(X[len(X) // 2 :]),
}


@pytest.mark.parametrize("make", OTHERS.values(), ids=OTHERS)
def test_summaries_of_other_explainers_do_not_add_up(people, make):
    mine, other = explainer_on(people), make(people)
    with pytest.raises(ValueError, match="other explainers do not add up|differ in"):
        mine.explain_batches([people]) + other.explain_batches([people])


def test_training_rows_without_a_finite_prediction_do_not_keep_batches_apart():
    X = pd.DataFrame({"x": np.arange(-20.0, 20)})

    class Reciprocal(LinearRegression):
        def predict(self, X):
            with np.errstate(divide="ignore", invalid="ignore"):
                return np.sqrt(X["x"].to_numpy()) / (X["x"].to_numpy() != 2)

    explainer = FMEExplainer(FrozenEstimator(Reciprocal().fit(X, X["x"])), {"x": 1.0})
    few = X[X["x"] > 4]
    whole = explainer.fit(X).explain(few)["x +1"]
    parts = explainer.explain_batches([few[:7], few[7:]])["x +1"]
    assert parts.n == whole.n == 14
    assert parts.ame == pytest.approx(whole.ame, rel=1e-12)


def test_functions_of_one_name_are_told_apart(people):
    def times(factor):
        def changed(column):
            return column * factor

        return changed

    parts = [
        explainer_on(people, {"age": times(f)}).explain_batches([people])
        for f in (1.01, 1.02)
    ]
    with pytest.raises(ValueError, match="steps' effects differ|judges"):
        parts[0] + parts[1]


def test_a_pickled_explainer_makes_summaries_that_add_up(people):
    explainer = explainer_on(people)
    copied = pickle.loads(pickle.dumps(explainer))
    whole = explainer.explain_batches([people]) + copied.explain_batches([people])
    assert whole.n_rows == 2 * len(people)


# The engine of a stream


@pytest.fixture
def boosted(people):
    pytest.importorskip("numba", reason="the extra fast is not installed")
    X = people[["age", "dose"]]
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    return FMEExplainer(model, {"age": 5}).fit(X, X["dose"])


@pytest.fixture
def engines(monkeypatch):
    """The engine of each table, in turn."""
    used = []
    chosen = choice.EngineChoice.engine

    def spy(self, *args):
        engine = chosen(self, *args)
        used.append(getattr(engine, "name", "predict"))
        return engine

    monkeypatch.setattr(choice.EngineChoice, "engine", spy)
    return used


def test_tables_of_one_stream_count_together_where_the_engine_is_chosen(
    people, boosted, engines, monkeypatch
):
    monkeypatch.setattr(choice, "_WORTH_LOADING", 250)
    monkeypatch.setattr(streaming, "_FEWEST_ROWS", 1)
    X = people[["age", "dose"]]
    batches = [X[i : i + 100] for i in range(0, N, 100)]
    boosted.explain_batches(batches)
    trial, *rest = engines
    assert trial == "predict"
    assert rest == ["predict", "predict", *["trees"] * 5]
    engines.clear()
    boosted._choice.forget_trees()
    boosted.explain(X[:100])
    assert engines == ["predict"]  # which is no stream


def test_partitions_of_one_process_count_together_and_read_the_trees_once(
    people, boosted, engines, monkeypatch
):
    monkeypatch.setattr(choice, "_WORTH_LOADING", 250)
    read = []
    read_ensemble = models.read_ensemble
    monkeypatch.setattr(
        models, "read_ensemble", lambda *args: read.append(1) or read_ensemble(*args)
    )
    dask = pytest.importorskip("dask", reason="dask is not installed")
    table = pytest.importorskip("dask.dataframe").from_pandas(
        people[["age", "dose"]], npartitions=7
    )
    with dask.config.set(scheduler="synchronous"):
        summaries = boosted.explain_batches(table)
    assert summaries.n_rows == N
    assert engines[0] == "predict"
    assert engines[-1] == "trees"
    assert len(read) == 1


def test_each_later_table_of_a_stream_is_checked_too(people, monkeypatch):
    pytest.importorskip("numba", reason="the extra fast is not installed")
    monkeypatch.setattr(choice, "_WORTH_LOADING", 0)
    monkeypatch.setattr(streaming, "_FEWEST_ROWS", 1)
    X = people[["age", "dose"]]
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    explainer = FMEExplainer(model, {"age": 5}, extrapolation=None).fit(X, X["dose"])

    def batches():
        yield X[:300]
        # The leaves of the trees that were read are no longer the model's.
        for (tree,) in explainer.estimator_._predictors:
            tree.nodes["value"] *= 2
        yield X[300:]

    whole = explainer.explain_batches(batches())["age +5"]
    doubled = FMEExplainer(
        FrozenEstimator(explainer.estimator_), {"age": 5}, extrapolation=None
    ).fit(X)
    first, late = (doubled.explain(rows)["age +5"] for rows in (X[:300], X[300:]))
    expected = first.ame / 2 * first.n + late.ame * late.n
    assert whole.ame == pytest.approx(expected / whole.n)
