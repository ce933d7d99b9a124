"""What a comparison that is no difference costs: processor time ÷ the difference's.

`delta_effects` of a logit formula with an interaction, with delta-method standard errors,
for ratios, percent, log odds ratios and a function; and `FMEExplainer.explain` of gradient
boosting by either engine. Runs of one round follow one another in one process, another
one first each time; the ratio of each round is of that round's difference, and the median
over rounds is printed. Time is that of the process, which other programs do not change.

    python -P benchmarks/comparisons.py [--rows N] [--repeats R]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy.special import expit
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer
from skfme.statsmodels import delta_effects

COMPARISONS = (
    ("difference", "of_rows"),
    ("ratio", "of_rows"),
    ("ratio", "of_means"),
    ("percent", "of_rows"),
    ("log_odds_ratio", "of_rows"),
)


def delta(n: int, steps: Any) -> dict[str, Callable[[], Any]]:
    """Delta-method effects of a logit with an interaction."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(n, 3)), columns=["x", "z", "w"])
    data["g"] = np.where(rng.uniform(size=n) < 0.4, "a", "b")
    eta = 0.3 * data["x"] + 0.2 * data["x"] * (data["g"] == "b") - 0.2 * data["z"]
    data["y"] = (rng.uniform(size=n) < expit(eta)).astype(int)
    fit = smf.logit("y ~ x * C(g) + z + w", data).fit(disp=0)

    def asked(comparison: str, average: str) -> Callable[[], Any]:
        options = {"comparison": comparison, "average": average}
        return lambda: delta_effects(fit, data, steps, **options)

    return {" ".join(pair): asked(*pair) for pair in COMPARISONS}


def explained(n: int, engine: str) -> dict[str, Callable[[], Any]]:
    """Effects of gradient boosting on eight features, above zero."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 8)), columns=[f"x{j}" for j in range(8)])
    few = X.iloc[:20_000]
    y = 0.5 + 0.1 * np.sin(few["x0"]) + 0.1 * np.tanh(few["x1"] * few["x2"])
    model = FrozenEstimator(HistGradientBoostingRegressor(random_state=0).fit(few, y))
    steps = [{name: 0.5} for name in X]

    def asked(comparison: str, average: str) -> Callable[[], Any]:
        explainer = FMEExplainer(
            model,
            steps,
            extrapolation=None,
            engine=engine,
            comparison=comparison,
            average=average,
        ).fit(few)
        return lambda: [effect.ame for effect in explainer.explain(X).values()]

    return {" ".join(pair): asked(*pair) for pair in COMPARISONS}


def measured(calls: dict[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Median over rounds of each call's time over the first one's."""
    for call in calls.values():
        call()
    ratios: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(repeats):
        names = list(calls)
        seconds = {}
        for name in names[round_ % len(names) :] + names[: round_ % len(names)]:
            start = time.process_time()
            calls[name]()
            seconds[name] = time.process_time() - start
        for name in names:
            ratios[name].append(seconds[name] / seconds[names[0]])
    return {name: statistics.median(values) for name, values in ratios.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    n, several = options.rows, [{"x": 1}, {"z": 0.5}, {"w": -1}]
    tables = {
        "delta_effects, one step": delta(n, {"x": 1}),
        "delta_effects, three steps": delta(n, several),
        "explain, boosting, engine='predict'": explained(n, "predict"),
        "explain, boosting, engine='trees'": explained(n, "trees"),
    }
    for title, calls in tables.items():
        print(f"{title}, {n:,} rows: processor time ÷ the difference's")
        for name, ratio in measured(calls, options.repeats).items():
            print(f"  {name:26} {ratio:5.2f}")


if __name__ == "__main__":
    main()
