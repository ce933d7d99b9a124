"""What the non-linearity measure costs.

1. Predictions a row that each rule needs for NLMs within 1e-6 on a network: the
   95th percentile of the errors against Adaptive(1e-9, max_nodes=20_000).
2. Time of an effect with NLM against one predict call on all its nodes stacked,
   for a network, a random forest and HistGradientBoosting, the two interleaved.
3. Time a row of a 200-tree forest with one Simpson interval, against the 6.5 s that
   R's fmeffects 0.1.4 took for 60 rows (0.11 s a row, one thread, ranger).

    python benchmarks/nlm.py [--rows N] [--repeats N]
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.neural_network import MLPRegressor

from skfme import Adaptive, FMEExplainer, GaussLegendre, Simpson38
from skfme.quadrature import Rule

STEP = {0: 0.5}


def explain(model: object, X: np.ndarray, rule: Rule) -> object:
    explainer = FMEExplainer(FrozenEstimator(model), STEP, extrapolation=None, nlm=rule)
    return explainer.fit(X).explain(X)["x0 +0.5"]


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def predictions_needed(network: MLPRegressor, X: np.ndarray) -> dict[str, object]:
    """Predictions a row, the two ends included, for errors within 1e-6."""
    exact = explain(network, X, Adaptive(1e-9, max_nodes=20_000)).nlm
    needed: dict[str, object] = {}
    for name, rules in (
        ("GaussLegendre", [(m + 2, GaussLegendre(m)) for m in range(2, 41)]),
        (
            "Simpson38",
            [(3 * s + 1, Simpson38(s)) for s in (1, 2, 5, 10, 20, 40, 80, 160)],
        ),
    ):
        for count, rule in rules:
            errors = np.abs(explain(network, X, rule).nlm - exact)
            if np.nanquantile(errors, 0.95) <= 1e-6:
                needed[name] = count
                break
    counted = [0]

    def count(estimator: MLPRegressor, X: np.ndarray) -> np.ndarray:
        counted[0] += len(X)
        return estimator.predict(X)

    explainer = FMEExplainer(
        FrozenEstimator(network),
        STEP,
        extrapolation=None,
        nlm=Adaptive(1e-6),
        response_method=count,
    ).fit(X)
    counted[0] = 0
    effect = explainer.explain(X)["x0 +0.5"]
    worst = float(np.nanquantile(np.abs(effect.nlm - exact), 0.95))
    needed["Adaptive(1e-6)"] = round(counted[0] / len(X), 1)
    needed["Adaptive error"] = f"{worst:.1e}"
    needed["Adaptive not converged"] = effect.n_not_converged
    return needed


def against_one_call(model: object, X: np.ndarray, rule: Rule, repeats: int) -> dict:
    """Time of the effect with its NLM, by that of one call on all its points."""
    t = np.unique(np.concatenate([[0.0, 1.0], rule._nodes()[0]]))
    points = np.tile(X, (len(t), 1))
    points[:, 0] += np.repeat(t * STEP[0], len(X))
    # The same points with those of one row together, which trees walk faster.
    by_row = points.reshape(len(t), len(X), -1).swapaxes(0, 1).reshape(points.shape)
    by_row = np.ascontiguousarray(by_row)
    explainer = FMEExplainer(FrozenEstimator(model), STEP, extrapolation=None, nlm=rule)
    explainer.fit(X)
    ratios, ratios_by_row = [], []
    for repeat in range(repeats + 1):
        ours = seconds(lambda: explainer.explain(X))
        one = seconds(lambda: model.predict(points))
        one_by_row = seconds(lambda: model.predict(by_row))
        if repeat:  # the first round warms up
            ratios.append(ours / one)
            ratios_by_row.append(ours / one_by_row)
    return {
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_min": round(min(ratios), 3),
        "ratio_max": round(max(ratios), 3),
        "ratio_to_points_ordered_by_row": round(statistics.median(ratios_by_row), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.uniform(-2, 2, size=(options.rows, 10))
    y = np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2] + rng.normal(size=len(X)) / 4
    some = slice(0, 5_000)
    tanh = MLPRegressor(activation="tanh", max_iter=100, random_state=0)
    smooth = tanh.fit(X[some], y[some])
    relu = MLPRegressor(max_iter=100, random_state=0).fit(X[some], y[some])
    few = X[:2_000]
    print("predictions a row for 1e-6 (95 % of 2,000 rows)")
    print(json.dumps({"tanh network": predictions_needed(smooth, few)}))
    print(json.dumps({"relu network": predictions_needed(relu, few)}))
    models = {
        "MLP": relu,
        "RandomForest": RandomForestRegressor(100, random_state=0),
        "HistGradientBoosting": HistGradientBoostingRegressor(random_state=0),
    }
    print(f"time of effect and NLM / one predict call on all nodes, {len(X):,} rows")
    for name, model in models.items():
        model.fit(X[some], y[some])
        for rule in (Simpson38(1), GaussLegendre(8)):
            ratio = against_one_call(model, X, rule, options.repeats)
            print(json.dumps({"model": name, "rule": repr(rule), **ratio}))
    forest = RandomForestRegressor(200, random_state=0).fit(X[some], y[some])
    ours = min(seconds(lambda: explain(forest, X, Simpson38(1))) for _ in range(3))
    print(f"200 trees, one interval: {6.5 / 60 / (ours / len(X)):,.0f} x faster than R")


if __name__ == "__main__":
    main()
