"""All one-feature effects of a tree ensemble against one predict of the same rows.

Runs are interleaved; what is printed are ratios of time: exact effects, exact effects
with their non-linearity, and differences of predictions, each ÷ one predict.

    python -P benchmarks/tree_engine.py [--rows N] [--features P ...] [--repeats R]

-P, as numba would take coverage.py beside this file for the package of that name.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer

MODELS = {
    "forest of 100 trees, depth 10": lambda: RandomForestRegressor(
        100, max_depth=10, max_features=0.5, random_state=0, n_jobs=1
    ),
    "HistGradientBoosting of 200": lambda: HistGradientBoostingRegressor(
        max_iter=200, early_stopping=False, random_state=0
    ),
}


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(model: Any, X: np.ndarray, repeats: int) -> dict[str, float]:
    """Median ratios to one predict."""
    steps = [{j: 0.1 * float(np.ptp(X[:, j]))} for j in range(X.shape[1])]
    runs: dict[str, Callable[[], object]] = {"predict": lambda: model.predict(X)}
    for name, options in (
        ("effects", {"engine": "trees"}),
        ("with NLM", {"engine": "trees", "nlm": True}),
        ("differences", {"engine": "predict"}),
    ):
        explainer = FMEExplainer(
            FrozenEstimator(model), steps, extrapolation=None, n_jobs=1, **options
        ).fit(X)
        runs[name] = partial(explainer.explain, X)
        runs[name]()  # compiled, and read, once
    ratios: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        taken = {name: seconds(run) for name, run in runs.items()}
        for name in runs:
            ratios[name].append(taken[name] / taken["predict"])
    return {name: statistics.median(found) for name, found in ratios.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--features", type=int, nargs="+", default=[10, 50])
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    for p in options.features:
        X = rng.uniform(size=(options.rows, p))
        y = X[:, 0] * X[:, 1] + np.sin(4 * X[:, 2]) + 0.1 * rng.normal(size=len(X))
        for name, make in MODELS.items():
            model = make().fit(X[:20_000], y[:20_000])
            found = compare(model, X, options.repeats)
            ratios = ", ".join(f"{k} {v:.2f}" for k, v in found.items())
            print(f"{name}, {p} effects, one thread, ÷ one predict: {ratios}")


if __name__ == "__main__":
    main()
