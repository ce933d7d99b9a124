"""explain_batches against a plain predict, where the table lives.

For each source (a folder of Parquet files read here, by polars and by DuckDB; the same
folder as a table of Dask, Spark and Ray on two local workers): the time of
explain_batches for 3 effects of gradient boosting, divided by the time of one prediction
of each row by the same engine in its own batches, each partition's sum sent back. Cold is
the first call of a process and its cluster, each measured in a process of its own; warm
is the median of pairs in turn, of which the first is left out. Beside these the bytes
that travel to a worker and back, the driver's peak memory above what it had before, and
how far a worker's peak is above that of the plain predict.

    python benchmarks/clusters.py [--rows N] [--repeats N] [--only ENGINE] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # a worker's share of two cores

import cloudpickle
import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import FMEExplainer
from skfme._engine.sharing import Shared, call_shared

MB = 1e6
NAMES = [f"x{j}" for j in range(10)]
N_FILES = 20
ENGINES = ["files", "polars", "duckdb", "dask", "spark", "ray"]
STEPS = [{"x0": 0.5}, {"x1": -0.5}, {"x2": 1.0}]


def write(folder: Path, n: int) -> FMEExplainer:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(20_000, 10)), columns=NAMES)
    y = X["x0"] * X["x1"] + np.sin(X["x2"]) + X["x3"]
    explainer = FMEExplainer(HistGradientBoostingRegressor(random_state=0), STEPS)
    for i in range(N_FILES):
        rows = rng.normal(size=(n // N_FILES, 10))
        pd.DataFrame(rows, columns=NAMES).to_parquet(folder / f"{i:02}.parquet")
    return explainer.fit(X, y)


# A plain predict in each engine's own batches


def predicted(model: object, batch: object) -> float:
    frame = batch if isinstance(batch, pd.DataFrame) else batch.to_pandas()
    return float(model.predict(frame).sum()) if len(frame) else 0.0


class Predict:
    """The model's sum over one table, on a worker."""

    def __init__(self, model: object) -> None:
        self.model = model

    def __call__(self, batch: object) -> float:
        return predicted(self.model, batch)


class EachOfSpark:
    def __init__(self, shared: Shared) -> None:
        self.shared = shared

    def __call__(self, batches):
        import pyarrow as pa

        total = sum(call_shared(self.shared, batch) for batch in batches)
        yield pa.RecordBatch.from_pydict({"sum": [float(total)]})


class EachOfRay:
    def __init__(self, shared: Shared) -> None:
        import ray

        self.ref = ray.put(shared)

    def __call__(self, table):
        import pyarrow as pa
        import ray

        return pa.table({"sum": [call_shared(ray.get(self.ref), table)]})


@contextmanager
def source_of(engine: str, folder: Path):
    """The folder as the engine's table, and a plain predict of it."""
    if engine == "files":
        import pyarrow.dataset as ds

        def predict(model):
            batches = ds.dataset(folder).to_batches(batch_size=65_536)
            return sum(predicted(model, batch) for batch in batches)

        yield str(folder), predict
    elif engine == "polars":
        import polars as pl

        lazy = pl.scan_parquet(folder / "*.parquet")
        yield (
            lazy,
            lambda model: sum(
                predicted(model, batch)
                for batch in lazy.collect_batches(chunk_size=65_536)
            ),
        )
    elif engine == "duckdb":
        import duckdb

        relation = duckdb.sql(f"select * from '{folder}/*.parquet'")
        yield (
            relation,
            lambda model: sum(
                predicted(model, batch) for batch in relation.to_arrow_reader(65_536)
            ),
        )
    elif engine == "dask":
        import dask.dataframe as dd
        from dask import delayed
        from distributed import Client

        with Client(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as client:
            table = dd.read_parquet(folder)

            def predict(model):
                work = Shared(Predict(model))
                shared = client.scatter(work, broadcast=True, hash=False)
                parts = [delayed(call_shared)(shared, p) for p in table.to_delayed()]
                return delayed(sum)(parts).compute()

            yield table, predict
    elif engine == "spark":
        from pyspark.sql import SparkSession

        os.environ["PYSPARK_PYTHON"] = sys.executable
        session = (
            SparkSession.builder.master("local[2]")
            .config("spark.ui.enabled", "false")
            .getOrCreate()
        )
        session.sparkContext.setLogLevel("OFF")
        table = session.read.parquet(str(folder))

        def predict(model):
            each = EachOfSpark(Shared(Predict(model)))
            rows = table.mapInArrow(each, "sum double").collect()
            return sum(row[0] for row in rows)

        yield table, predict
        session.stop()
    else:
        import ray
        import ray.data

        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        ray.data.DataContext.get_current().enable_progress_bars = False
        dataset = ray.data.read_parquet(str(folder))

        def predict(model):
            each = EachOfRay(Shared(Predict(model)))
            sums = dataset.map_batches(each, batch_format="pyarrow", batch_size=None)
            return sum(row["sum"] for row in sums.iter_rows())

        yield dataset, predict
        ray.shutdown()


# Measuring


class Watch:
    """Peak resident memory of this process above that at entry, and of its children."""

    def __enter__(self) -> Watch:
        self._process = psutil.Process()
        self._start = self._process.memory_info().rss
        self._peak, self.child = self._start, 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.05):
            self._peak = max(self._peak, self._process.memory_info().rss)
            for child in self._process.children(recursive=True):
                try:
                    if "python" in child.name() or "ray::" in child.name():
                        rss = child.memory_full_info().uss
                        self.child = max(self.child, rss / MB)
                except psutil.Error:
                    continue

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.above = (self._peak - self._start) / MB


def timed(call) -> tuple[float, Watch]:
    with Watch() as watch:
        start = time.perf_counter()
        call()
        seconds = time.perf_counter() - start
    return seconds, watch


def measured(engine: str, what: str, folder: Path, repeats: int) -> dict:
    """In a process of its own: what was measured, as `what` says."""
    explainer = pickle.loads((folder.parent / "explainer.pickle").read_bytes())
    cloudpickle.register_pickle_by_value(sys.modules["__main__"])
    model = explainer.estimator_
    with source_of(engine, folder) as (source, predict):
        calls = {
            "explain": lambda: explainer.explain_batches(source),
            "predict": lambda: predict(model),
        }
        if what != "warm":
            return {"seconds": timed(calls[what])[0]}
        ratios, above, children = [], [], {"explain": [], "predict": []}
        for repeat in range(repeats + 1):
            seconds = {}
            for name in sorted(calls, reverse=bool(repeat % 2)):
                seconds[name], watch = timed(calls[name])
                children[name].append(watch.child)
                if name == "explain" and repeat:
                    above.append(watch.above)
            if repeat:
                ratios.append(seconds["explain"] / seconds["predict"])
        summaries = explainer.explain_batches(source)
    return {
        "warm": statistics.median(ratios),
        "driver_mb": max(above),
        "worker_mb": max(children["explain"]) - max(children["predict"]),
        "back_kb": len(pickle.dumps(summaries)) / 1e3,
        "ame": [effect.ame for effect in summaries.values()],
        "n": [effect.n for effect in summaries.values()],
    }


def in_a_process(engine: str, what: str, folder: Path, repeats: int) -> dict:
    command = [sys.executable, __file__, "--child", engine, what, str(folder)]
    done = subprocess.run(
        [*command, "--repeats", str(repeats)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", choices=ENGINES, action="append")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3)
    options = parser.parse_args()
    if options.child:
        engine, what, folder = options.child
        result = measured(engine, what, Path(folder), options.repeats)
        print(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "rows"
        folder.mkdir()
        explainer = write(folder, options.rows)
        pickled = pickle.dumps(explainer)
        (Path(top) / "explainer.pickle").write_bytes(pickled)
        alone = explainer.explain(pd.read_parquet(folder))
        print(f"to a worker: {len(pickled) / 1e3:.0f} kB, {options.rows:,} rows")
        print("engine    cold  warm  driver MB  worker MB  back kB  off by")
        table = {}
        for engine in options.only or ENGINES:
            cold = [
                in_a_process(engine, what, folder, 0)["seconds"]
                for what in ("explain", "predict")
            ]
            row = in_a_process(engine, "warm", folder, options.repeats)
            off = max(
                abs(ame / effect.ame - 1)
                for ame, effect in zip(row["ame"], alone.values(), strict=True)
            )
            assert row["n"] == [effect.n for effect in alone.values()]
            row |= {"cold": cold[0] / cold[1], "off_by": off}
            table[engine] = row
            print(
                f"{engine:8}  {row['cold']:4.2f}  {row['warm']:4.2f}  "
                f"{row['driver_mb']:9.0f}  {row['worker_mb']:9.0f}  "
                f"{row['back_kb']:7.0f}  {off:.0e}",
                flush=True,
            )
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
