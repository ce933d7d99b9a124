"""Peak memory of explaining many rows, and of explaining a file in one pass.

Whole tables: the peak resident memory of explain(X) above X and its results (an FME
of 8 bytes and a status of 1 byte per row and effect), scikit-learn's working_memory
at 64 MiB, for growing numbers of rows and of effects; each in a process of its own,
which is asked for its peak above what was resident before (/proc, so Linux only).

A Parquet file: the peak of explain_batches above what the process had before it, as a
share of the file's rows in memory, for growing files; its time as a ratio of explain's
on the whole table, read included on both sides; and how far the averages differ.

    python benchmarks/memory.py [--rows N] [--json FILE]
"""

from __future__ import annotations

import argparse
import gc
import json
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer

MB = 1e6
N_FEATURES = 10
NAMES = [f"x{j}" for j in range(N_FEATURES)]
LIMIT_MB = 500
CHUNK = 1_000_000
BOOSTED = "HistGradientBoosting"
FOREST = "RandomForest"
MODELS = {
    "linear": LinearRegression(),
    BOOSTED: HistGradientBoostingRegressor(random_state=0),
    FOREST: RandomForestRegressor(max_depth=10, random_state=0),
}
# Rows as a share of --rows: differences of predictions take ten times as long.
WHOLE = [
    *(("linear", "auto", share, k) for share, k in [(0.1, 10), (1, 1), (1, 10)]),
    *((BOOSTED, "trees", share, k) for share, k in [(0.1, 10), (1, 1), (1, 10)]),
    (BOOSTED, "predict", 0.2, 10),
    (FOREST, "predict", 0.1, 10),
]


def _status(field: str) -> float:
    """A memory figure of this process, in MB."""
    with open("/proc/self/status") as lines:
        return next(int(x.split()[1]) * 1024 for x in lines if x.startswith(field)) / MB


def start() -> float:
    """Forget the peak so far, and return what is resident now."""
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    return _status("VmRSS")


def peak() -> float:
    return _status("VmHWM")


def rows(n: int) -> np.ndarray:
    """The table, filled in place so that it is all that is ever in memory."""
    X = np.empty((n, N_FEATURES))
    for first in range(0, n, CHUNK):
        part = X[first : first + CHUNK]
        np.random.default_rng(first).standard_normal(out=part)
    return X


def named(X: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(X, columns=NAMES)


def explainer_of(
    model: str, engine: str, n_effects: int, frame: bool = False
) -> FMEExplainer:
    X = rows(20_000)
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    table = named(X) if frame else X
    fitted = MODELS[model].fit(table, y)
    steps = [{NAMES[j] if frame else j: 0.1} for j in range(n_effects)]
    return FMEExplainer(FrozenEstimator(fitted), steps, engine=engine).fit(table)


def whole(model: str, engine: str, n: int, n_effects: int) -> dict:
    explainer = explainer_of(model, engine, n_effects)
    X = rows(n)
    explainer.explain(X[:100_000])
    before = start()
    with sklearn.config_context(working_memory=64):
        effects = explainer.explain(X)
    explained = peak() - before
    results = n_effects * n * 9 / MB
    start()
    effects.summary()
    return {
        "model": model,
        "engine": next(iter(effects.values())).engine,
        "rows": n,
        "effects": n_effects,
        "X_mb": round(X.nbytes / MB),
        "results_mb": round(results),
        "explain_above_mb": round(explained - results),
        "summary_above_mb": round(peak() - before - results),
    }


def streamed(model: str, engine: str, path: str, n_effects: int) -> dict:
    import pyarrow.parquet as pq

    explainer = explainer_of(model, engine, n_effects, frame=True)
    # Else the file is read whole, ahead of its row groups.
    file = pq.ParquetFile(path, pre_buffer=False)
    X_mb = file.metadata.num_rows * N_FEATURES * 8 / MB
    explainer.explain_batches([named(rows(100_000))])
    before, began = start(), time.perf_counter()
    with sklearn.config_context(working_memory=64):
        summaries = explainer.explain_batches(file.iter_batches())
        ours = summaries.to_frame()
    seconds, above = time.perf_counter() - began, peak() - before

    began = time.perf_counter()
    whole = explainer.explain(pq.read_table(path).to_pandas()).to_frame()
    ratio = seconds / (time.perf_counter() - began)
    size = np.hypot(whole["ame"], whole["sd"])
    quartiles = ["q25", "median", "q75"]
    apart = (ours[quartiles] / whole[quartiles] - 1).abs()
    return {
        "model": model,
        "rows": file.metadata.num_rows,
        "effects": n_effects,
        "file_mb": round(Path(path).stat().st_size / MB),
        "explain_batches_above_mb": round(above),
        "share_of_X": round(above / X_mb, 3),
        "time_ratio_to_explain": round(ratio, 2),
        "ame_difference": f"{(ours['ame'] / whole['ame'] - 1).abs().max():.0e}",
        "sd_difference": f"{((ours['sd'] - whole['sd']) / size).abs().max():.0e}",
        "quartiles_difference": f"{apart.max(axis=None):.0e}",
        "pickled_kb": round(len(pickle.dumps(summaries)) / 1e3),
    }


def write(path: str, n: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for first in range(0, n, CHUNK):
        part = np.random.default_rng(first).standard_normal(
            (min(CHUNK, n - first), N_FEATURES)
        )
        table = pa.Table.from_pandas(named(part))
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def apart(function: str, *arguments: object) -> dict:
    """Call one of the functions above in a new process."""
    call = [sys.executable, __file__, "--call", function, *map(str, arguments)]
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--call", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.call:
        function, model, engine, what, n_effects = options.call
        known = {"whole": (whole, int), "streamed": (streamed, str)}
        called, kind = known[function]
        print(json.dumps(called(model, engine, kind(what), int(n_effects))))
        return

    n = options.rows
    figures: dict[str, list[dict]] = {"whole": [], "streamed": []}
    print(f"explain: MB above X and results; the limit is {LIMIT_MB}")
    for model, engine, share, n_effects in WHOLE:
        case = apart("whole", model, engine, int(share * n), n_effects)
        figures["whole"].append(case)
        print(json.dumps(case), flush=True)
    print("explain_batches: MB above the process, of a Parquet file read once")
    with tempfile.TemporaryDirectory() as folder:
        for n_rows in (n // 10, n):
            path = f"{folder}/{n_rows}.parquet"
            write(path, n_rows)
            for model in MODELS:
                case = apart("streamed", model, "auto", path, 10)
                figures["streamed"].append(case)
                print(json.dumps(case), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
