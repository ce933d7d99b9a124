"""came_batches against came on the same rows: time, memory, and how far the trees agree.

One effect of gradient boosting on 10 columns, of which 2 have few values, in a Parquet
file, read in batches; and explain with came on the table in memory. Each is measured in a
process of its own: seconds, and the peak memory above what it began with.

    python benchmarks/tree_batches.py [--rows N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # no waiting for cores that others use

import numpy as np
import pandas as pd
import psutil
from sklearn.ensemble import HistGradientBoostingRegressor

from skfme import FMEExplainer, came
from skfme.statsmodels import EffectTree, came_batches

NAMES = [f"x{j}" for j in range(10)]
DEPTH = 4


def table(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 10)), columns=NAMES)
    X["x8"], X["x9"] = rng.integers(0, 5, n), rng.integers(0, 40, n)
    return X


def explainer() -> FMEExplainer:
    X = table(20_000, 0)
    y = X["x0"] * X["x1"] + np.sin(X["x2"]) * (X["x8"] > 1) + X["x0"] * (X["x9"] > 20)
    model = HistGradientBoostingRegressor(random_state=0)
    return FMEExplainer(model, {"x0": 0.5}).fit(X, y)


def measured(how: str, path: Path) -> dict:
    fitted, options = explainer(), {"alpha": 0.05, "max_depth": DEPTH}
    fitted.explain(table(50_000, 2))  # the engine is loaded
    process, peak, done = psutil.Process(), 0, threading.Event()
    before = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.02):
            peak = max(peak, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.perf_counter()
    if how == "batches":
        tree = came_batches(fitted, path, tree=EffectTree(**options))
    else:
        X = pd.read_parquet(path)
        tree = came(fitted.explain(X)["x0 +0.5"], **options)
    seconds = time.perf_counter() - start
    done.set()
    watcher.join()
    nodes = tree.nodes_
    return {
        "seconds": seconds,
        "megabytes": (peak - before) / 1e6,
        "variables": [v if isinstance(v, str) else "" for v in nodes["variable"]],
        "cuts": nodes["cut"].tolist(),
        "explained": tree.variance_explained_,
        "error": float(getattr(tree, "cut_errors_", pd.Series([0.0])).max()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        how, path = options.measure
        print(json.dumps(measured(how, Path(path))))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        table(options.rows, 1).to_parquet(path, row_group_size=100_000)
        found = {}
        for how in ("batches", "memory"):
            command = [sys.executable, __file__, "--measure", how, str(path)]
            output = subprocess.run(command, check=True, capture_output=True, text=True)
            found[how] = json.loads(output.stdout.splitlines()[-1])
            print(
                f"{how:8} {found[how]['seconds']:6.1f} s, "
                f"{found[how]['megabytes']:6.0f} MB, "
                f"{100 * found[how]['explained']:.3f} % of Var(FME)"
            )
    one, other = found["batches"], found["memory"]
    print("same variables:", one["variables"] == other["variables"])
    print(f"cuts at most {one['error']:.4f} of a node's rows from the next candidate")


if __name__ == "__main__":
    main()
