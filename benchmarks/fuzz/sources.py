"""Where the parts of a table live: files, lazy tables, and clusters that are installed.

A cluster is started when it is first drawn, and ends with the process.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cloudpickle
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset

from benchmarks.fuzz import models, tables

# Workers are sent these modules, and need not find them.
for _module in (models, tables):
    cloudpickle.register_pickle_by_value(_module)


def _files(folder: Path) -> Any:
    return str(folder)


def _dataset(folder: Path) -> Any:
    return pyarrow.dataset.dataset(folder)


def _polars(folder: Path) -> Any:
    return pl.scan_parquet(folder / "*.parquet")


def _duckdb(folder: Path) -> Any:
    import duckdb

    return duckdb.read_parquet(str(folder / "*.parquet"))


def _dask(folder: Path) -> Any:
    import dask.dataframe

    return dask.dataframe.read_parquet(folder)


@cache
def _spark_session() -> Any:
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.sql.session.timeZone", "Asia/Tokyo")
        .config("spark.sql.files.openCostInBytes", "1g")  # a partition for each file
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("OFF")
    atexit.register(session.stop)
    return session


def _spark(folder: Path) -> Any:
    return _spark_session().read.parquet(str(folder))


@cache
def _ray_data() -> Any:
    import ray
    from ray import data

    logging.getLogger("ray.data").setLevel(logging.ERROR)
    ray.init(
        num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level="error"
    )
    data.DataContext.get_current().enable_progress_bars = False
    atexit.register(ray.shutdown)
    return data


def _ray(folder: Path) -> Any:
    return _ray_data().read_parquet(str(folder))


SOURCES: dict[str, Callable[[Path], Any]] = {
    "files": _files,
    "dataset": _dataset,
}
if hasattr(pl.LazyFrame, "collect_batches"):  # of polars 1.34
    SOURCES["polars"] = _polars
if find_spec("duckdb"):
    SOURCES["duckdb"] = _duckdb
if find_spec("dask"):
    SOURCES["dask"] = _dask
if find_spec("pyspark") and shutil.which("java"):
    SOURCES["spark"] = _spark
if find_spec("ray"):
    SOURCES["ray"] = _ray


def as_pandas(table: Any) -> pd.DataFrame:
    """All rows of what transform_batches returns."""
    if isinstance(table, pa.RecordBatchReader):
        return table.read_all().to_pandas()
    if isinstance(table, pl.LazyFrame):
        return table.collect().to_pandas()
    for name in ("toPandas", "to_pandas", "compute"):
        if hasattr(type(table), name):
            return getattr(table, name)()
    raise AssertionError(type(table))
