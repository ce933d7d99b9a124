"""The exact tree engine against predictions, as ratios, each beside its limit.

All one-feature effects of an ensemble ÷ one predict of the same rows; (features + 1)
predicts, which is what differencing needs, ÷ the effects; exact non-linearity; and
what the model-agnostic engine adds to the predict calls that it makes. Runs are
interleaved and repeated, and medians taken: of the process's CPU time where one thread
is asked for, of the clock's where two are.

    python -P benchmarks/tree_engine.py [--only TEXT ...] [--rows N] [--repeats R]
                                        [--json FILE] [--list]

-P, as numba would take coverage.py beside this file for the package of that name.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    IsolationForest,
    RandomForestRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

import skfme
from benchmarks.limits import (
    chosen_rows,
    parser_of,
    printed,
    seconds,
    verdict,
    written,
)
from skfme import FMEExplainer

N_TRAIN = 20_000
R_SECONDS_PER_ROW = 0.11  # R's fmeffects, NLM of a 200-tree forest, one effect
PACKAGES = (
    "sklearn",
    "numpy",
    "numba",
    "xgboost",
    "lightgbm",
)


@dataclass(frozen=True)
class Row:
    """One line of the table: what is compared, and what is asked of it.

    Attributes
    ----------
    model : str
        A key of `MODELS`.
    features : int
        As many as there are effects.
    share : float
        Step, as a share of the range.
    threads : int
        On both sides.
    measure : str
        "effects", "with NLM", "speed", "agnostic" or "R".
    limit : float or None
    """

    model: str
    features: int
    share: float
    threads: int
    measure: str
    limit: float | None = None

    @property
    def name(self) -> str:
        """What a line of the table starts with."""
        what = {
            "effects": "effects ÷ one predict",
            "with NLM": "effects and exact NLM ÷ one predict",
            "speed": f"{self.features + 1} predicts ÷ effects",
            "agnostic": f"explain ÷ {self.features + 1} predicts",
            "R": "R's 0.11 s ÷ seconds a row, one effect with exact NLM",
        }[self.measure]
        threads = "one thread" if self.threads == 1 else f"{self.threads} threads"
        return (
            f"{self.model}, {self.features} features, step {self.share:.0%}, {threads}: "
            f"{what}"
        )

    @property
    def at_least(self) -> bool:
        """Whether the limit is one from below."""
        return self.measure in ("speed", "R")


def forest(n_trees: int, depth: int | None) -> RandomForestRegressor:
    return RandomForestRegressor(
        n_trees, max_depth=depth, max_features=0.5, random_state=0, n_jobs=2
    )


def lightgbm() -> Any:
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_estimators=200, verbose=-1)


def catboost() -> Any:
    from catboost import CatBoostRegressor

    return CatBoostRegressor(
        iterations=200, depth=6, verbose=0, thread_count=2, allow_writing_files=False
    )


def xgboost() -> Any:
    from xgboost import XGBRegressor

    return XGBRegressor(n_estimators=200, max_depth=6)


MODELS: dict[str, Callable[[], Any]] = {
    "forest of depth 6": lambda: forest(100, 6),
    "forest of depth 10": lambda: forest(100, 10),
    "forest of any depth": lambda: forest(100, None),
    # As R's example has it: 731 rows of training, and ranger's smallest node.
    "forest of 200 trees": lambda: RandomForestRegressor(
        200, min_samples_split=6, max_features=1 / 3, random_state=0, n_jobs=2
    ),
    "HistGradientBoosting": lambda: HistGradientBoostingRegressor(
        max_iter=200, early_stopping=False, random_state=0
    ),
    "LightGBM": lightgbm,
    "XGBoost": xgboost,
    "CatBoost": catboost,
    "MLP": lambda: MLPRegressor(max_iter=10, random_state=0),
}
BOOSTED = ("HistGradientBoosting", "LightGBM", "XGBoost")


def rows() -> Iterator[Row]:
    """Every line of the table."""
    for p, limit in ((10, 2.0), (50, 4.0)):
        for depth in ("6", "10", "any"):
            model = (
                "forest of any depth" if depth == "any" else f"forest of depth {depth}"
            )
            for share in (0.01, 0.1, 0.3):
                asked = limit if (depth, share) == ("10", 0.1) else None
                yield Row(model, p, share, 1, "effects", asked)
        for model in BOOSTED:
            for share in (0.01, 0.1, 0.3):
                if (model, p, share) != ("XGBoost", 50, 0.1):  # below, with its limit
                    yield Row(model, p, share, 1, "effects")
            least = {10: 7.0, 50: 30.0} if model != "XGBoost" else {10: 2.5, 50: 9.0}
            for threads in (1, 2):
                asked = least[p] if threads == 2 else None
                yield Row(model, p, 0.1, threads, "speed", asked)
    for threads in (1, 2):
        yield Row("XGBoost", 50, 0.1, threads, "effects", 2.5)
    yield Row("HistGradientBoosting", 50, 0.1, 2, "effects", 1.2)
    if find_spec("catboost"):
        for p, least_speed in ((10, 5.0), (50, 20.0)):
            yield Row("CatBoost", p, 0.1, 2, "speed", least_speed)
    for share in (0.01, 0.1, 0.3):
        asked = 2.5 if share == 0.1 else None
        yield Row("forest of depth 10", 10, share, 1, "with NLM", asked)
    for model in BOOSTED:
        yield Row(model, 10, 0.1, 1, "with NLM", 1.5)
    yield Row("forest of 200 trees", 10, 0.1, 1, "R", 5000.0)
    for model in ("HistGradientBoosting", "forest of depth 10", "MLP"):
        yield Row(model, 10, 0.1, 1, "agnostic", 1.05)


def sample(n: int, p: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(n, p))
    return X, X[:, 0] * X[:, 1] + np.sin(4 * X[:, 2]) + 0.1 * rng.normal(size=n)


@cache
def fitted(name: str, p: int) -> Any:
    X, y = sample(731 if name == "forest of 200 trees" else N_TRAIN, p)
    return MODELS[name]().fit(X, y)


def with_threads(model: Any, threads: int) -> Any:
    """The model's own threads; HistGradientBoosting and networks follow threadpoolctl."""
    if "n_jobs" in model.get_params():
        model.set_params(n_jobs=threads)
    return model


def explained(row: Row, model: Any, X: np.ndarray, **options: Any) -> FMEExplainer:
    effects = 1 if row.measure == "R" else row.features
    steps = [{j: row.share * float(np.ptp(X[:, j]))} for j in range(effects)]
    return FMEExplainer(
        FrozenEstimator(model),
        steps,
        extrapolation=None,
        n_jobs=row.threads,
        **options,
    ).fit(X[:1000])


def interleaved(
    row: Row, ours: Callable[[], object], theirs: Callable[[], object], repeats: int
) -> tuple[list[float], list[float]]:
    """Seconds of either, one after the other, after a first run of both."""
    ours(), theirs()
    taken: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        taken[0].append(seconds(theirs, row.threads))
        taken[1].append(seconds(ours, row.threads))
    return taken[1], taken[0]


def measured(row: Row, n: int, repeats: int) -> list[float]:
    """The ratio of a line, once for each repeat."""
    n = 20_000 if row.measure == "R" else n
    X, _ = sample(n, row.features)
    model = with_threads(fitted(row.model, row.features), row.threads)
    calls = row.features + 1
    with threadpool_limits(row.threads):
        if row.measure == "R":
            explainer = explained(row, model, X, engine="trees", nlm=True)
            ours, _ = interleaved(row, lambda: explainer.explain(X), int, repeats)
            return [R_SECONDS_PER_ROW * n / s for s in ours]
        if row.measure == "agnostic":
            explainer = explained(row, model, X, engine="predict")
            tables = stepped(row, X)
            ours, theirs = interleaved(
                row,
                lambda: explainer.explain(X),
                lambda: [model.predict(table) for table in tables],
                repeats,
            )
            return [a / b for a, b in zip(ours, theirs, strict=True)]
        nlm = row.measure == "with NLM"
        explainer = explained(row, model, X, engine="trees", nlm=nlm)
        ours, theirs = interleaved(
            row, lambda: explainer.explain(X), lambda: model.predict(X), repeats
        )
        if row.measure == "speed":
            return [calls * b / a for a, b in zip(ours, theirs, strict=True)]
        return [a / b for a, b in zip(ours, theirs, strict=True)]


def stepped(row: Row, X: np.ndarray) -> list[np.ndarray]:
    tables = [X.copy() for _ in range(row.features + 1)]
    for j, table in enumerate(tables[1:]):
        table[:, j] += row.share * np.ptp(X[:, j])
    return tables


def imported(name: str, p: int) -> float:
    """Reading a model ÷ one predict of the rows it was trained on.

    Reading is what a fit costs more than one whose effects are differenced.
    """
    X, _ = sample(N_TRAIN, p)
    model = with_threads(fitted(name, p), 1)
    row = Row(name, p, 0.1, 1, "effects")
    ratios = []
    with threadpool_limits(1):
        for repeat in range(8):
            taken = [
                seconds(run, 1)
                for run in (
                    lambda: explained(row, model, X, engine="trees"),
                    lambda: explained(row, model, X, engine="predict"),
                    lambda: model.predict(X),
                )
            ]
            ratios += [(taken[0] - taken[1]) / taken[2]] * (repeat > 0)
    return statistics.median(ratios)


def main() -> None:
    parser = parser_of(__doc__.splitlines()[0], rows=100_000)
    parser.add_argument("--limits", action="store_true", help="lines with a limit")
    options = parser.parse_args()
    chosen = chosen_rows(rows(), options)
    chosen = [row for row in chosen if row.limit is not None or not options.limits]
    if options.list:
        print(*(row.name for row in chosen), sep="\n")
        return
    results = printed(chosen, measured, options)
    results["reads"] = readings(chosen)
    if options.limits and options.only == [""]:
        print(isolation_forest(options.rows, options.repeats))
        for text in first_calls():
            print(text, flush=True)
    results["versions"] = {"skfme": skfme.__version__}
    results["versions"] |= {name: import_module(name).__version__ for name in PACKAGES}
    written(results, options)


def readings(chosen: list[Row]) -> dict[str, float]:
    """What reading each model costs, beside one predict of 20,000 rows."""
    reads: dict[str, float] = {}
    for row in chosen:
        key = f"{row.model}, {row.features} features"
        if row.measure in ("effects", "speed") and key not in reads:
            reads[key] = imported(row.model, row.features)
            limit = verdict(reads[key], 0.5) if row.model == "XGBoost" else ""
            what = "reading the model ÷ one predict of 20,000 rows"
            print(f"{key}: {what}: {reads[key]:.2f}{limit}")
    return reads


def isolation_forest(n: int, repeats: int) -> str:
    """50 effects judged by a forest of isolation ÷ one score_samples of the same rows."""
    X, _ = sample(n, 50)
    detector = IsolationForest(random_state=0).fit(X[:N_TRAIN])
    linear = FrozenEstimator(LinearRegression().fit(X, X[:, 0]))
    steps = [{j: 0.1} for j in range(50)]
    runs = [
        FMEExplainer(linear, steps, extrapolation=support).fit(X[:1000])
        for support in (FrozenEstimator(detector), None)
    ]
    ratios = []
    for repeat in range(repeats + 1):
        judged, alone = (seconds(lambda: run.explain(X), 1) for run in runs)  # noqa: B023
        scored = seconds(lambda: detector.score_samples(X), 1)
        ratios += [(judged - alone) / scored] * (repeat > 0)
    median = statistics.median(ratios)
    return (
        f"IsolationForest, 50 effects ÷ one score_samples: {median:.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f}){verdict(median, 2)}"
    )


FIRST_SMALL_TABLE = """
import time
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from skfme import fme
X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
model = RandomForestRegressor(100, random_state=0).fit(X, y)
start = time.perf_counter()
assert fme(model, X, {"bmi": 2}, nlm=True).nlm_rule == "exact"
print(time.perf_counter() - start)
"""
FIRST_CALL = """
import time
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from skfme import fme
X = np.random.default_rng(0).normal(size=(500, 3))
X[:, 2] = X[:, 2] > 0
model = HistGradientBoostingRegressor(max_iter=3, categorical_features=CATEGORIES)
model.fit(X, X[:, 0])
start = time.process_time()
fme(model, X, {0: 0.5}, engine="trees", nlm=NLM, extrapolation=None)
print(time.process_time() - start)
"""


def with_empty_cache(code: str) -> float:
    """What a process prints in which nothing is compiled yet."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={**os.environ, "NUMBA_CACHE_DIR": folder},
            capture_output=True,
            text=True,
            check=True,
        )
    return float(ran.stdout)


def first_calls() -> Iterator[str]:
    """First calls in a process, where nothing is compiled yet."""
    waited = with_empty_cache(FIRST_SMALL_TABLE)
    yield (
        f"442 rows of a forest of 100 trees, bmi + 2 with exact NLM, empty cache: "
        f"{waited:.2f} s{verdict(waited, 2)}"
    )
    for categories in ("None", "[2]"):
        for nlm, limit in (("False", 2.3), ("True", 4.5)):
            code = FIRST_CALL.replace("CATEGORIES", categories).replace("NLM", nlm)
            taken = statistics.median(with_empty_cache(code) for _ in range(3))
            yield (
                f"first call, empty cache, {'no' if categories == 'None' else 'with'} "
                f"categories, {'with' if nlm == 'True' else 'without'} NLM: {taken:.2f} s "
                f"of processor time{verdict(taken, limit)}"
            )


if __name__ == "__main__":
    main()
