"""What each question to a tree ensemble costs, in predicts of the same rows.

Processor time of one thread, 10 features, steps of a tenth of the range; runs are
interleaved with predicts and repeated, and medians taken. The last column is what the
model's own predictions would take: a predict for each value of the step, and one before.

    python -m benchmarks.questions [--rows N] [--repeats R] [--only MODEL ...]
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from threadpoolctl import threadpool_limits

from benchmarks.limits import seconds
from benchmarks.tree_engine import fitted, sample, with_threads
from skfme import Contrast, FMEExplainer

MODELS = ("forest of depth 10", "HistGradientBoosting", "LightGBM", "XGBoost")
P, JOINT = 10, 3
SINGLE = [{j: 0.1} for j in range(P)]
TOGETHER = dict.fromkeys(range(JOINT), 0.1)


def explained(model: Any, X: np.ndarray, steps: Any, **options: Any) -> Callable:
    explainer = FMEExplainer(
        FrozenEstimator(model), steps, extrapolation=None, engine="trees", **options
    ).fit(X[:1000])
    return lambda: explainer.explain(X)


def attributed(model: Any, X: np.ndarray, method: str, **options: Any) -> Callable:
    explainer = FMEExplainer(
        FrozenEstimator(model), [TOGETHER], extrapolation=None, engine="trees"
    ).fit(X[:1000])
    return lambda: explainer.attribute(X, TOGETHER, method=method, **options)


def curved(model: Any, X: np.ndarray) -> Callable:
    explainer = FMEExplainer(
        FrozenEstimator(model), SINGLE[:1], extrapolation=None, engine="trees"
    ).fit(X[:1000])
    return lambda: explainer.optimum(X, 0, direction="max")


def questions(model: Any, X: np.ndarray) -> dict[str, tuple[Callable, int | None]]:
    """What is asked, and the predicts that differencing takes; None if it cannot."""
    contrasts = [{j: Contrast(0.3, 0.7)} for j in range(P)]
    return {
        "1 effect": (explained(model, X, SINGLE[:1]), 2),
        "10 effects": (explained(model, X, SINGLE), P + 1),
        "10 effects with exact NLM": (explained(model, X, SINGLE, nlm=True), None),
        "10 effects in percent": (
            explained(model, X, SINGLE, comparison="percent"),
            P + 1,
        ),
        "1 joint step of 3 features": (explained(model, X, [TOGETHER]), 2),
        "10 contrasts, low against high": (explained(model, X, contrasts), 2 * P),
        "attribution of a joint step of 3": (
            attributed(model, X, "shapley"),
            2**JOINT,
        ),
        "the same with interactions": (
            attributed(model, X, "shapley", interactions=True),
            2**JOINT,
        ),
        "attribution along the path": (attributed(model, X, "path"), None),
        "optimum of a feature": (curved(model, X), None),
    }


def measured(name: str, n: int, repeats: int) -> dict[str, tuple[float, int | None]]:
    X, _ = sample(n, P)
    model = with_threads(fitted(name, P), 1)
    found = {}
    with threadpool_limits(1):
        for question, (run, calls) in questions(model, X).items():
            run()
            ratios = [
                seconds(run) / seconds(lambda: model.predict(X)) for _ in range(repeats)
            ]
            found[question] = (statistics.median(ratios), calls)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=MODELS, choices=MODELS)
    options = parser.parse_args()
    table = {
        name: measured(name, options.rows, options.repeats) for name in options.only
    }
    print(f"n = {options.rows:,}, predicts of the same rows")
    print(f"{'':34}", *(f"{name:>22}" for name in table), f"{'differencing':>14}")
    for question, (_, calls) in next(iter(table.values())).items():
        figures = (f"{found[question][0]:22.2f}" for found in table.values())
        print(f"{question:34}", *figures, f"{'—' if calls is None else calls:>14}")


if __name__ == "__main__":
    main()
