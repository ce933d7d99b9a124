"""Explain time against the raw predict calls it needs, and the memory it takes.

For each model: time of explaining 10 one-feature effects of 200,000 x 10 rows
(extrapolation=None), divided by the time of the 11 predict calls that are needed,
the two interleaved; and, with scikit-learn's working_memory at 64 MiB, the peak
memory above X and the results, beside that of one predict call on one batch.

    python benchmarks/overhead.py [--rows N] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import threading
import time

import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPRegressor

from skfme import FMEExplainer
from skfme._engine.batches import plan_rows

MIB = 2**20


class PeakMemory:
    """Peak resident memory above that at entry, sampled every millisecond."""

    def __enter__(self) -> PeakMemory:
        self._start = _resident()
        self._peak = self._start
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.001):
            self._peak = max(self._peak, _resident())

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.above = (max(self._peak, _resident()) - self._start) / MIB


def _resident() -> int:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def measure(name: str, model: object, X: np.ndarray, repeats: int) -> dict:
    n_features = X.shape[1]
    steps = [{j: 0.1} for j in range(n_features)]
    explainer = FMEExplainer(FrozenEstimator(model), steps, extrapolation=None).fit(X)
    stepped = [X.copy() for _ in range(n_features)]
    for j, table in enumerate(stepped):
        table[:, j] += 0.1

    def explain() -> None:
        explainer.explain(X)

    def predict() -> None:
        for table in (X, *stepped):
            model.predict(table)

    ratios = []
    for repeat in range(repeats + 1):
        pair = [explain, predict] if repeat % 2 else [predict, explain]
        seconds = {}
        for run in pair:
            start = time.perf_counter()
            run()
            seconds[run.__name__] = time.perf_counter() - start
        if repeat:  # the first pair warms up
            ratios.append(seconds["explain"] / seconds["predict"])

    with sklearn.config_context(working_memory=64):
        rows = plan_rows(len(X), X.itemsize * n_features + 8, "auto", None)
        with PeakMemory() as one_batch:
            model.predict(X[:rows])
        with PeakMemory() as whole:
            effects = explainer.explain(X)
    # FMEs of float64 and a status byte per row and effect.
    results = len(effects) * len(X) * 9 / MIB
    return {
        "model": name,
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "memory_above_results_mib": round(whole.above - results, 1),
        "one_batch_predict_mib": round(one_batch.above, 1),
        "memory_limit_mib": round(128 + one_batch.above, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(options.rows, 10))
    y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2] + rng.normal(size=len(X)) / 4
    some = slice(0, 20_000)
    models = {
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
        "MLP": MLPRegressor(max_iter=20, random_state=0),
    }
    print(f"n = {len(X):,} x 10, 10 effects; explain / 11 predicts, then MiB")
    for name, model in models.items():
        print(
            json.dumps(measure(name, model.fit(X[some], y[some]), X, options.repeats))
        )


if __name__ == "__main__":
    main()
