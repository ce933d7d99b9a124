"""Spark, Ray and Dask themselves: local clusters give the numbers of one machine.

These need pyspark with Java, and Ray, which `.ci/full clusters` installs.
"""

import datetime
import os
import sys
import warnings

import cloudpickle
import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer, came
from skfme.statsmodels import (
    EffectTree,
    bootstrap_effects,
    came_batches,
    cross_fit_effects,
)
from tests.statsmodels.tree.cases import assert_same_tree
from tests.streaming.wards import (
    FEATURES,
    assert_summaries,
)

cloudpickle.register_pickle_by_value(sys.modules[__name__])

ENGINES = ["spark", "ray", "dask"]


@pytest.fixture(scope="module")
def spark():
    sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        sql.SparkSession.builder.master("local[2]")
        # Instants do not depend on it.
        .config("spark.sql.session.timeZone", "Asia/Tokyo")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


@pytest.fixture(scope="module")
def ray_data():
    ray = pytest.importorskip("ray", reason="Ray is not installed")
    data = pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    data.DataContext.get_current().enable_progress_bars = False
    yield data
    ray.shutdown()


@pytest.fixture(scope="module")
def dask_client():
    distributed = pytest.importorskip("distributed", reason="dask is not installed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def source(request, folder):
    """The folder as a table of an engine."""
    if request.param == "spark":
        return request.getfixturevalue("spark").read.parquet(str(folder))
    if request.param == "ray":
        return request.getfixturevalue("ray_data").read_parquet(str(folder))
    request.getfixturevalue("dask_client")
    return pytest.importorskip("dask.dataframe").read_parquet(folder)


def engines(*names):
    return pytest.mark.parametrize("source", names or ENGINES, indirect=True)


def as_pandas(table):
    for name in ("toPandas", "to_pandas", "compute"):
        if hasattr(type(table), name):
            frame = getattr(table, name)()
            return frame.sort_values("id").reset_index(drop=True)
    raise AssertionError(type(table))


@engines()
def test_summaries_of_a_cluster_are_those_of_one_machine(rows, explainer, source):
    summaries = explainer.explain_batches(source)
    assert summaries.n_rows == len(rows)
    assert_summaries(summaries, explainer.explain(rows[FEATURES]))


@engines()
def test_groups_weights_and_errors_are_those_of_one_machine(rows, explainer, source):
    summaries = explainer.explain_batches(source, by="ward", sample_weight="weight")
    alone = explainer.explain_batches(rows, by="ward", sample_weight="weight")
    for name in alone:
        pd.testing.assert_frame_equal(
            summaries[name].average(), alone[name].average(), rtol=1e-10
        )
        assert summaries[name].std_error == pytest.approx(
            alone[name].std_error, rel=1e-10
        )


@engines()
def test_rows_of_a_cluster_are_those_of_one_machine(rows, explainer, source):
    transformed = explainer.transform_batches(source, statuses=True)
    assert type(transformed) is type(source)
    frame = as_pandas(transformed)
    for name, effect in explainer.explain(rows[FEATURES]).items():
        np.testing.assert_allclose(frame[name].astype(float), effect.fme, rtol=1e-12)
        assert list(frame[f"{name} status"]) == list(effect.status)
    np.testing.assert_array_equal(frame["id"], rows["id"])
    assert (frame["price"].isna() == rows["price"].isna()).all()


@engines()
def test_a_tree_over_a_cluster_is_that_of_one_machine(rows, explainer, source):
    options = {"alpha": 0.9, "drop": ["born"]}
    stacked = came(explainer.explain(rows[FEATURES])["older"], **options)
    streamed = came_batches(explainer, source, "older", tree=EffectTree(**options))
    assert_same_tree(streamed, stacked)
    assert streamed.n_partitions_ > 2


@engines("spark", "ray")
def test_effects_that_do_not_count_are_null_on_a_cluster(explainer, source):
    transformed = explainer.transform_batches(source)
    n = explainer.explain_batches(source)["older"].n
    if hasattr(type(source), "mapInArrow"):
        assert transformed.where("older is null").count() == 1000 - n
    else:
        nulls = [
            table["older"].null_count
            for table in transformed.iter_batches(batch_format="pyarrow")
        ]
        assert sum(nulls) == 1000 - n


def test_refits_run_on_the_joblib_backend_of_ray(ray_data, rows):
    from ray.util.joblib import register_ray

    register_ray()
    X = rows[["id", "weight"]]
    explainer = FMEExplainer(LinearRegression(), {"weight": 1})

    def errors():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of few resamples
            return bootstrap_effects(
                explainer, X, rows["id"], n_resamples=8, random_state=0
            ).bse

    expected = errors()
    with joblib.parallel_config(backend="ray", n_jobs=2):
        np.testing.assert_allclose(errors(), expected, rtol=1e-10)
        crossed = cross_fit_effects(explainer, X, rows["id"], cv=2, random_state=0)
    assert crossed["weight +1"].n > 0


# Failures


class FailsAt(RegressorMixin, BaseEstimator):
    """Raises, or ends its process, where the id is 700."""

    def __init__(self, what="raise"):
        self.what = what

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        return self

    def predict(self, X):
        if (X["id"] == 700).any():
            if self.what == "die":
                os._exit(1)
            raise ZeroDivisionError("this row has no prediction")
        return X["id"].to_numpy(float)


def failing(what, rows):
    X = rows[["id"]].head(50)
    return FMEExplainer(
        FrozenEstimator(FailsAt(what)), {"id": 1}, extrapolation=None
    ).fit(X)


@engines()
def test_a_partition_that_raises_is_the_users_own_error(rows, source):
    with pytest.raises(ZeroDivisionError, match="no prediction") as caught:
        failing("raise", rows).explain_batches(source)
    assert any("batches[" in note for note in caught.value.__notes__)


@engines()
def test_a_worker_that_dies_leaves_nothing_half(rows, source):
    with pytest.raises(
        RuntimeError, match="did not finish, so that nothing is summarized"
    ):
        failing("die", rows).explain_batches(source)


@engines()
def test_a_cluster_table_without_the_columns_of_fit_is_refused(explainer, source):
    if hasattr(source, "to_delayed"):
        less = source.drop(columns=["sex"])
    elif hasattr(source, "mapInArrow"):
        less = source.drop("sex")
    else:
        less = source.drop_columns(["sex"])
    with pytest.raises(ValueError, match="no columns 'sex'"):
        explainer.explain_batches(less)
    with pytest.raises(TypeError, match="explain_batches"):
        explainer.explain(source)


@engines()
def test_a_cluster_table_without_rows_gives_a_warning(explainer, source):
    if hasattr(source, "to_delayed"):
        none = source[source["id"] < 0]
    elif hasattr(source, "mapInArrow"):
        none = source.where("id < 0")
    else:
        none = source.map_batches(lambda table: table[:0], batch_format="pyarrow")
    with pytest.warns(UserWarning, match="held no rows"):
        assert explainer.explain_batches(none).n_rows == 0


def test_local_times_of_spark_are_refused_where_fit_saw_instants(spark, explainer):
    zoneless = "cast(seen as timestamp_ntz) as seen"
    table = spark.createDataFrame(
        [(0, 50.0, "f", "a", None, None, datetime.datetime(2024, 3, 10), 1.0)],
        "id long, age double, sex string, ward string, price decimal(8,2), born date, "
        "seen timestamp, weight double",
    ).selectExpr("id", "age", "sex", "ward", "price", "born", zoneless, "weight")
    with pytest.raises(ValueError, match="'seen' holds local times.*timestamp_ntz"):
        explainer.explain_batches(table)
