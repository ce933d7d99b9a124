"""The same effects wherever batches run: joblib's backends, and dask's own tables."""

import functools
import operator
import pickle
import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from joblib.parallel import ThreadingBackend
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor, IsolationForest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_info

from skfme import FMEExplainer, GaussLegendre, StdDev
from skfme._engine.batches import in_order
from skfme.statsmodels import bootstrap_effects, cross_fit_effects

N = 300


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(0)
    X = pd.DataFrame(
        {
            "age": rng.normal(50, 12, N),
            "dose": rng.integers(0, 40, N),
            "sex": rng.choice(["f", "m"], N),
        }
    )
    y = np.sin(X["dose"] / 5) * X["age"] + (X["sex"] == "m") * X["age"]
    return X, y


STEPS = [
    {"age": 5},
    {"dose": lambda column: column + 3},  # as a user writes it in a notebook
    {"dose": StdDev(0.5), "sex": "m"},
]


def explainer_on(X, y, **options):
    encoder = make_column_transformer(
        (OrdinalEncoder(), ["sex"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, DecisionTreeRegressor(max_depth=6, random_state=0))
    options = {"nlm": GaussLegendre(2), "batch_size": 100, "n_jobs": 2} | options
    return FMEExplainer(model, STEPS, **options).fit(X, y)


def assert_equal_effects(some, others):
    for name, effect in others.items():
        np.testing.assert_array_equal(some[name].status, effect.status)
        np.testing.assert_allclose(some[name].fme, effect.fme, rtol=1e-13)
        np.testing.assert_allclose(some[name].nlm, effect.nlm, rtol=1e-13)


class ListsOnly(ThreadingBackend):
    """Returns lists and no generators, as the backends of Ray and Spark do."""

    supports_return_generator = False


joblib.register_parallel_backend("lists only", ListsOnly)


@pytest.mark.parametrize(
    "backend", ["threading", "loky", "multiprocessing", "lists only"]
)
def test_joblib_backends_give_equal_effects(people, backend):
    X, y = people
    explainer = explainer_on(X, y)
    expected = explainer.set_params(n_jobs=None).explain(X)
    explainer.set_params(n_jobs=2)
    with joblib.parallel_config(backend=backend):
        effects = explainer.explain(X)
        columns = explainer.transform(X)
        summaries = explainer.explain_batches([X[:200], X[200:]], by="sex")
    assert_equal_effects(effects, expected)
    np.testing.assert_allclose(columns[:, 0], expected["age +5"].fme, rtol=1e-13)
    np.testing.assert_allclose(
        summaries["age +5"].ame, expected["age +5"].ame, rtol=1e-12
    )


@pytest.mark.parametrize("backend", ["threading", "loky"])
def test_the_tree_engine_gives_equal_effects_in_threads_and_processes(people, backend):
    pytest.importorskip("numba", reason="the extra fast is not installed")
    X, y = people[0][["age", "dose"]], people[1]
    model = HistGradientBoostingRegressor(max_iter=10, random_state=0).fit(X, y)
    explainer = FMEExplainer(
        FrozenEstimator(model), [{"age": 5}, {"dose": 2}], engine="trees", batch_size=90
    ).fit(X)
    expected = explainer.set_params(engine="predict").fit(X).explain(X)
    explainer.set_params(engine="trees").fit(X)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        effects = explainer.explain(X)
    for name, effect in effects.items():
        assert effect.engine == "trees"
        np.testing.assert_allclose(effect.fme, expected[name].fme, atol=1e-11)


def test_functions_for_the_response_and_detectors_run_in_processes(people):
    X, y = people[0][["age", "dose"]].to_numpy(), people[1]
    explainer = FMEExplainer(
        LinearRegression(),
        {0: 2.0},
        response_method=lambda model, X: np.exp(model.predict(X) / 100),
        extrapolation=IsolationForest(n_estimators=10, random_state=0),
        batch_size=200,
    ).fit(X, y)
    expected = explainer.explain(X)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        np.testing.assert_allclose(
            explainer.transform(X)[:, 0], expected["x0 +2"].fme, rtol=1e-13
        )


class CountsPickles(RegressorMixin, BaseEstimator):
    """A fitted model that leaves a file behind each time it is pickled or unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        return X[:, 0] ** 2

    def _mark(self, what):
        joblib.dump(
            what, f"{self.folder}/{what}-{np.random.default_rng().integers(2**60)}"
        )

    def __getstate__(self):
        self._mark("pickled")
        return {"folder": self.folder}

    def __setstate__(self, state):
        self.folder = state["folder"]
        self._mark("unpickled")


def test_a_model_is_pickled_once_and_unpickled_once_per_process(tmp_path):
    X = np.random.default_rng(0).normal(size=(400, 2))
    model = CountsPickles(str(tmp_path))
    explainer = FMEExplainer(FrozenEstimator(model), {0: 1.0}, batch_size=20).fit(X)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        fme = explainer.transform(X)[:, 0]
    counted = ~np.isnan(fme)
    np.testing.assert_allclose(fme[counted], 2 * X[counted, 0] + 1, rtol=1e-9)
    marks = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert marks.count("pickled") == 1
    assert 1 <= marks.count("unpickled") <= 2


def test_an_error_in_a_process_is_the_users_to_read(people):
    X, y = people
    explainer = FMEExplainer(
        LinearRegression(), {"age": 1}, batch_size=100, extrapolation=None
    ).fit(X[["age", "dose"]], y)
    spoilt = X[["age", "dose"]].assign(dose=np.where(np.arange(N) == 250, np.nan, 1.0))
    with (
        joblib.parallel_config(backend="loky", n_jobs=2),
        pytest.raises(
            ValueError, match=r"missing values of dose \(rows 250; 1 in all\)"
        ),
    ):
        explainer.explain(spoilt)


# dask


@pytest.fixture(scope="module")
def cluster():
    distributed = pytest.importorskip(
        "distributed", reason="dask is not installed (extra dask)"
    )
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def dask_table(people):
    frame = pytest.importorskip(
        "dask.dataframe", reason="dask is not installed (extra dask)"
    )
    return frame.from_pandas(people[0], npartitions=4)


def test_a_dask_cluster_gives_equal_effects(people, cluster):
    X, y = people
    explainer = explainer_on(X, y)
    expected = explainer.explain(X)
    with joblib.parallel_config(backend="dask"):
        effects = explainer.explain(X)
    assert_equal_effects(effects, expected)


def test_a_model_that_calls_joblib_does_so_in_its_worker(cluster):
    X = np.random.default_rng(0).normal(size=(60, 2))
    explainer = FMEExplainer(
        LinearRegression(),
        {0: 1.0},
        response_method=lambda model, X: X[:, 0] * joblib.effective_n_jobs(None),
        extrapolation=None,
        batch_size=20,
    ).fit(X, X[:, 0])
    with joblib.parallel_config(backend="dask"):  # of two workers
        np.testing.assert_allclose(explainer.transform(X)[:, 0], 1, rtol=1e-12)


def test_a_model_is_scattered_once_over_a_dask_cluster(cluster, tmp_path):
    X = np.random.default_rng(0).normal(size=(400, 2))
    model = CountsPickles(str(tmp_path))
    explainer = FMEExplainer(FrozenEstimator(model), {0: 1.0}, batch_size=20).fit(X)
    with joblib.parallel_config(backend="dask"):
        explainer.transform(X)
    marks = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert marks.count("pickled") <= 2  # a worker may hand it on to the other
    assert 1 <= marks.count("unpickled") <= 2


@pytest.mark.parametrize("scheduler", ["synchronous", "threads", None])
def test_a_dask_table_is_computed_by_the_scheduler_that_is_set(
    people, cluster, dask_table, scheduler
):
    explainer = explainer_on(*people, n_jobs=None)
    expected = explainer.explain(people[0])
    with pytest.importorskip("dask").config.set(scheduler=scheduler):
        summaries = explainer.explain_batches(dask_table)
        columns = explainer.transform_batches(dask_table).compute()
    for name, effect in expected.items():
        np.testing.assert_allclose(summaries[name].ame, effect.ame, rtol=1e-12)
        np.testing.assert_allclose(columns[name], effect.fme, rtol=1e-12)


def test_a_second_call_finds_the_model_in_the_workers(cluster, tmp_path):
    X = pd.DataFrame(np.random.default_rng(0).normal(size=(400, 2)), columns=["a", "b"])
    model = CountsPickles(str(tmp_path))
    explainer = FMEExplainer(
        FrozenEstimator(model),
        {"a": 1.0},
        response_method=lambda model, X: model.predict(X.to_numpy()),
    ).fit(X)
    frame = pytest.importorskip("dask.dataframe").from_pandas(X, npartitions=8)
    first, second = (explainer.explain_batches(frame) for _ in range(2))
    pd.testing.assert_frame_equal(first.to_frame(), second.to_frame(), rtol=1e-12)
    marks = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert marks.count("unpickled") <= 2  # once in each worker


def test_partitions_of_a_dask_table_are_transformed_with_their_names(
    people, cluster, dask_table
):
    X, y = people
    explainer = explainer_on(X, y, n_jobs=None, nlm=False)
    explainer.set_output(transform="pandas")
    meta = explainer.transform(X.head(0))
    lazy = dask_table.map_partitions(explainer.transform, meta=meta)
    assert list(lazy.columns) == list(explainer.get_feature_names_out())
    computed = lazy.compute()
    pd.testing.assert_frame_equal(computed, explainer.transform(X))
    assert (computed.dtypes == meta.dtypes).all()


def test_an_empty_partition_is_transformed_to_no_rows(people, cluster, dask_table):
    X, y = people
    explainer = explainer_on(X, y, n_jobs=None).set_output(transform="pandas")
    old = dask_table[dask_table["age"] > X["age"].quantile(0.995)]  # one partition's
    assert 0 in old.map_partitions(len).compute().tolist()
    meta = explainer.transform(X.head(0))
    computed = old.map_partitions(explainer.transform, meta=meta).compute()
    pd.testing.assert_frame_equal(
        computed, explainer.transform(X[X["age"] > X["age"].quantile(0.995)])
    )


def test_partitions_are_summarized_where_they_are_and_merged(
    people, cluster, dask_table
):
    X, y = people
    explainer = explainer_on(X, y, n_jobs=None)
    delayed = pytest.importorskip("dask").delayed
    parts = [
        delayed(explainer.explain_batches)([part], by="sex")
        for part in dask_table.to_delayed()
    ]
    merged = delayed(functools.partial(functools.reduce, operator.add))(parts).compute()
    one_pass = explainer.explain_batches(
        (part.compute() for part in dask_table.partitions), by="sex"
    )
    expected = explainer.explain(X)
    for summaries in (merged, one_pass):
        assert summaries.n_rows == N
        for name, effect in expected.items():
            assert summaries[name].n == effect.n
            np.testing.assert_allclose(summaries[name].ame, effect.ame, rtol=1e-12)
            np.testing.assert_allclose(summaries[name].sd, effect.sd, rtol=1e-10)
    pd.testing.assert_frame_equal(merged.to_frame(), one_pass.to_frame(), rtol=1e-12)


def test_parts_are_pickled_and_summed_as_workers_of_spark_do_it(people):
    X, y = people
    explainer = explainer_on(X, y, n_jobs=None)

    def summarize(batches):  # as documented for mapInPandas
        part = pickle.dumps(explainer.explain_batches(batches))
        yield pd.DataFrame({"part": [part]})

    partitions = [iter([X[:90], X[90:100]]), iter([X[100:]])]
    rows = [next(summarize(batches)) for batches in partitions]
    whole = sum(pickle.loads(frame["part"][0]) for frame in rows)
    expected = explainer.explain(X)
    assert whole.n_rows == N
    for name, effect in expected.items():
        np.testing.assert_allclose(whole[name].ame, effect.ame, rtol=1e-12)


# Tables without rows, as partitions may be


@pytest.mark.parametrize("kind", ["pandas", "polars", "pyarrow", "numpy"])
def test_a_table_without_rows_is_transformed_to_no_rows(people, kind):
    X, y = people[0][["age", "dose"]], people[1]
    explainer = FMEExplainer(LinearRegression(), [{"age": 1}, {"dose": 2}]).fit(X, y)
    none = X.head(0)
    if kind == "polars":
        none = pytest.importorskip("polars").from_pandas(none)
    elif kind == "pyarrow":
        none = pytest.importorskip("pyarrow").Table.from_pandas(none)
    elif kind == "numpy":
        none = none.to_numpy()
    assert explainer.transform(none).shape == (0, 2)
    again = pickle.loads(pickle.dumps(explainer)).set_output(transform="pandas")
    frame = again.transform(none)
    assert list(frame.columns) == ["age +1", "dose +2"]
    assert set(frame.dtypes) == {np.dtype(float)}


def test_a_table_without_rows_must_still_have_the_columns_of_fit(people):
    X, y = people[0][["age", "dose"]], people[1]
    explainer = FMEExplainer(LinearRegression(), {"age": 1}).fit(X, y)
    with pytest.raises(ValueError, match="unseen at fit time|seen at fit time"):
        explainer.transform(X.head(0).rename(columns={"age": "years"}))


# Refits


def refitted(people, **options):
    X, y = people[0][["age", "dose"]], people[1]
    explainer = FMEExplainer(LinearRegression(), [{"age": 1}, {"dose": 2}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of few resamples
        boots = bootstrap_effects(
            explainer, X, y, n_resamples=12, random_state=0, **options
        )
    crossed = cross_fit_effects(explainer, X, y, cv=3, random_state=0, **options)
    return boots.bse, crossed["age +1"].fme


@pytest.mark.parametrize("backend", ["multiprocessing", "lists only"])
def test_refits_run_on_backends_without_generators(people, backend):
    expected = refitted(people)
    with joblib.parallel_config(backend=backend, n_jobs=2):
        errors, fme = refitted(people)
    np.testing.assert_allclose(errors, expected[0], rtol=1e-12)
    np.testing.assert_allclose(fme, expected[1], rtol=1e-12)


def threads_of(rows):
    return max((pool["num_threads"] for pool in threadpool_info()), default=1)


def test_threads_in_processes_are_no_more_than_there_are_cores():
    with joblib.parallel_config(backend="multiprocessing"):
        found = list(in_order((joblib.delayed(threads_of)(i) for i in range(4)), 2))
    assert max(found) <= max(1, joblib.cpu_count() // 2)


class OfACluster(ThreadingBackend):
    """Sends rows to other machines, as its name says."""


OfACluster.__name__ = "DaskDistributedBackend"
joblib.register_parallel_backend("of a cluster", OfACluster)


def test_trees_stay_in_this_process_unless_told_and_say_so(people):
    pytest.importorskip("numba", reason="the extra fast is not installed")
    X, y = people[0][["age", "dose"]], people[1]
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    explainer = FMEExplainer(model, {"age": 5}, engine="trees").fit(X, y)
    expected = explainer.explain(X)["age +5"].fme
    with joblib.parallel_config(backend="of a cluster", n_jobs=2):
        with pytest.warns(UserWarning, match="stays in this process.*insists"):
            fme = explainer.explain(X)["age +5"].fme
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            explainer.set_params(n_jobs=2).explain(X)
            explainer.set_params(n_jobs=None, engine="predict").fit(X, y).explain(X)
    np.testing.assert_array_equal(fme, expected)


def test_parts_of_trees_stay_in_this_process_as_well(people):
    pytest.importorskip("numba", reason="the extra fast is not installed")
    X, y = people[0][["age", "dose"]], people[1]
    model = HistGradientBoostingRegressor(max_iter=5, random_state=0)
    step = {"both": {"age": 5, "dose": 1}}
    explainer = FMEExplainer(model, step, engine="trees").fit(X, y)
    expected = explainer.attribute(X)["age"].fme
    of_a_cluster = joblib.parallel_config(backend="of a cluster", n_jobs=2)
    with (
        of_a_cluster,
        pytest.warns(UserWarning, match="stays in this process.*insists"),
    ):
        fme = explainer.attribute(X)["age"].fme
    np.testing.assert_array_equal(fme, expected)
