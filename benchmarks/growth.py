"""How the time of explain grows with the rows and with the number of effects.

For each model and engine: time per row, as ratios to that of the fewest rows (1 is
growth in proportion), and time as ratios to that of one effect, beside the number of
predictions that differences need (effects + 1). Sizes are interleaved, round by round.

    python -P benchmarks/growth.py [--repeats R] [--json FILE]

-P, as numba would take coverage.py beside this file for the package of that name.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression

from skfme import FMEExplainer

N_FEATURES = 50
ROWS = [10_000, 30_000, 100_000, 300_000]
EFFECTS = [1, 2, 5, 10, 25, 50]
EFFECTS_FOR_ROWS = 10
ROWS_FOR_EFFECTS = 50_000
CASES: list[tuple[str, Any, str]] = [
    ("linear", LinearRegression(), "linear"),
    ("linear", LinearRegression(), "predict"),
    ("HistGradientBoosting", HistGradientBoostingRegressor(random_state=0), "trees"),
    ("HistGradientBoosting", HistGradientBoostingRegressor(random_state=0), "predict"),
]


def explain(model: Any, engine: str, X: np.ndarray, n_effects: int) -> Callable:
    steps = [{j: 0.1} for j in range(n_effects)]
    explainer = FMEExplainer(
        FrozenEstimator(model), steps, engine=engine, extrapolation=None
    ).fit(X[:1000])
    return lambda: explainer.explain(X)


def medians(runs: dict[int, Callable], repeats: int) -> dict[int, float]:
    """Median seconds of each run; the runs take turns."""
    seconds: dict[int, list[float]] = {size: [] for size in runs}
    for repeat in range(repeats + 1):
        for size, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat:  # the first round warms up
                seconds[size].append(time.perf_counter() - start)
    return {size: statistics.median(times) for size, times in seconds.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    X = np.random.default_rng(0).normal(size=(max(ROWS), N_FEATURES))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
    some = slice(0, 10_000)
    figures = []
    for name, model, engine in CASES:
        model.fit(X[some], y[some])
        runs = {n: explain(model, engine, X[:n], EFFECTS_FOR_ROWS) for n in ROWS}
        by_rows = medians(runs, options.repeats)
        rows = X[:ROWS_FOR_EFFECTS]
        runs = {k: explain(model, engine, rows, k) for k in EFFECTS}
        by_effects = medians(runs, options.repeats)
        per_row = by_rows[ROWS[0]] / ROWS[0]
        figures.append(
            {
                "model": name,
                "engine": engine,
                "time_per_row_by_rows": {
                    n: round(t / n / per_row, 2) for n, t in by_rows.items()
                },
                "time_by_effects": {
                    k: round(t / by_effects[1], 2) for k, t in by_effects.items()
                },
            }
        )
        print(json.dumps(figures[-1]), flush=True)
    print("predictions by effects:", {k: (k + 1) / 2 for k in EFFECTS})
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
