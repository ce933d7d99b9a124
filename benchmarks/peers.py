"""The same question asked of other packages: time as ratios, and peak memory.

The question: the average of f(x + h) - f(x) over the rows, for each of 8 features of a
HistGradientBoosting model; nothing is left out, no standard errors. marginaleffects is
asked for exactly that (its default is the centred f(x + h/2) - f(x - h/2)), and the
averages must agree. effector has no such average; accumulated local effects, whose
differences are over bins, are what comes nearest, and are marked as another question.

--question delta asks for an average with its standard error by the delta method: a step of
one column of a logit formula with an interaction. One call of the model's own predict is a
line of that table, and statsmodels' get_margeff, which has slopes of all columns.

Runs are interleaved in one process; ratios are each run's time ÷ skfme's in the same
round. Peak memory is that of one run in a process of its own, above what was resident
before it (/proc, so Linux only).

    pip install 'skfme[bench]'
    python -P benchmarks/peers.py [--question averages|delta] [--rows N ...]
        [--repeats R] [--json FILE]

-P, as numba would take coverage.py beside this file for the package of that name.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.frozen import FrozenEstimator

from skfme import FMEExplainer

NAMES = [f"x{j}" for j in range(8)]
STEP = 0.5
TRAINING_ROWS = 20_000
Averages = Callable[[], "np.ndarray | None"]


def table(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(rng.normal(size=(n, len(NAMES))), columns=NAMES)


def target(X: pd.DataFrame) -> pd.Series:
    return np.sin(X["x0"]) + X["x1"] * X["x2"] + X["x3"].clip(lower=0)


def model() -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(random_state=0)


def skfme_asked(X: pd.DataFrame, engine: str) -> Averages:
    train = table(TRAINING_ROWS)
    fitted = model().fit(train, target(train))
    steps = [{name: STEP} for name in NAMES]
    explainer = FMEExplainer(
        FrozenEstimator(fitted), steps, extrapolation=None, engine=engine
    ).fit(train)
    return lambda: np.array([e.ame for e in explainer.explain(X).values()])


def marginaleffects_asked(X: pd.DataFrame) -> Averages:
    import polars as pl
    from marginaleffects import avg_comparisons, fit_sklearn

    train = table(TRAINING_ROWS)
    train["y"] = target(train)

    def arrays(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        return frame["y"].to_numpy(), frame.select(NAMES).to_numpy()

    def forward(column: pl.Series) -> pl.DataFrame:
        return pl.DataFrame({"low": column, "high": column + STEP})

    fitted = fit_sklearn(arrays, data=pl.from_pandas(train), engine=model())
    rows = pl.from_pandas(X.assign(y=0.0))
    steps = dict.fromkeys(NAMES, forward)

    def averages() -> np.ndarray:
        found = avg_comparisons(fitted, variables=steps, newdata=rows, vcov=False)
        return found.data.sort("term")["estimate"].to_numpy()

    return averages


def effector_asked(X: pd.DataFrame) -> Averages:
    import effector

    train = table(TRAINING_ROWS)
    fitted = model().fit(train.to_numpy(), target(train))
    rows = X.to_numpy()

    def local_effects() -> None:
        ale = effector.ALE(rows, fitted.predict, nof_instances="all")
        ale.fit("all")

    return local_effects


def logit(X: pd.DataFrame) -> tuple[Any, pd.DataFrame]:
    """A fit of a formula with an interaction on the rows that are averaged over."""
    import statsmodels.formula.api as smf

    rng = np.random.default_rng(1)
    eta = 0.5 * X["x0"] - 0.3 * X["x1"] + 0.2 * X["x0"] * X["x1"]
    rows = X.assign(y=(rng.uniform(size=len(X)) < 1 / (1 + np.exp(-eta))).astype(int))
    others = " + ".join(NAMES[2:])
    return smf.logit(f"y ~ x0 * x1 + {others}", rows).fit(disp=0), rows


def skfme_delta(X: pd.DataFrame) -> Averages:
    from skfme.statsmodels import delta_effects

    fit, rows = logit(X)

    def with_error() -> np.ndarray:
        effects = delta_effects(fit, rows, {"x0": STEP})
        return np.append(effects.params, effects.bse)

    return with_error


def marginaleffects_delta(X: pd.DataFrame) -> Averages:
    import polars as pl
    from marginaleffects import avg_comparisons

    fit, rows = logit(X)
    rows = pl.from_pandas(rows)

    def forward(column: pl.Series) -> pl.DataFrame:
        return pl.DataFrame({"low": column, "high": column + STEP})

    def with_error() -> np.ndarray:
        found = avg_comparisons(fit, variables={"x0": forward}, newdata=rows)
        return found.data.select("estimate", "std_error").to_numpy()[0]

    return with_error


def margeff(X: pd.DataFrame) -> Averages:
    fit, _ = logit(X)

    def slopes() -> None:
        fit.get_margeff().summary_frame()

    return slopes


def one_predict(X: pd.DataFrame) -> Averages:
    fit, rows = logit(X)

    def predict() -> None:
        fit.predict(rows)

    return predict


DELTA: dict[str, Callable[[pd.DataFrame], Averages]] = {
    "skfme": skfme_delta,
    "one predict": one_predict,
    "marginaleffects": marginaleffects_delta,
    "get_margeff (slopes of all: another question)": margeff,
}
ASKED: dict[str, Callable[[pd.DataFrame], Averages]] = {
    "skfme": lambda X: skfme_asked(X, "auto"),
    "skfme, engine='predict'": lambda X: skfme_asked(X, "predict"),
    "marginaleffects": marginaleffects_asked,
    "effector (ALE: another question)": effector_asked,
}
QUESTIONS = {"averages": ASKED, "delta": DELTA}
PACKAGES = {
    "marginaleffects": ("marginaleffects", "polars"),
    "effector (ALE: another question)": ("effector",),
}


def missing(name: str) -> str | None:
    """Why a package cannot be asked, or None."""
    for package in PACKAGES.get(name, ()):
        try:
            number = version(package)
        except PackageNotFoundError:
            return f"{package} is not installed: pip install 'skfme[bench]'"
        if package == "polars" and int(number.split(".")[0]) >= 2:
            return f"it does not run under polars {number}: pip install 'polars<2'"
    return None


def _status(field: str) -> float:
    """A memory figure of this process, in MB."""
    with open("/proc/self/status") as lines:
        return (
            next(int(x.split()[1]) * 1024 for x in lines if x.startswith(field)) / 1e6
        )


def peak(question: str, name: str, n: int) -> float:
    """Peak memory of one run above what was resident before it, in MB."""
    ask = QUESTIONS[question][name]
    run = ask(table(n))
    ask(table(10_000))()  # loads what is loaded on use
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    run()
    return _status("VmHWM") - before


def measured(
    question: str, names: list[str], n: int, repeats: int
) -> list[dict[str, Any]]:
    X = table(n)
    runs = {name: QUESTIONS[question][name](X) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    averages = {}
    for repeat in range(repeats + 1):
        for name in names if repeat % 2 else names[::-1]:
            start = time.perf_counter()
            averages[name] = runs[name]()
            if repeat:  # the first round warms up
                seconds[name].append(time.perf_counter() - start)
    own = averages["skfme"]
    figures = []
    for name in names:
        pairs = zip(seconds[name], seconds["skfme"], strict=True)
        ratios = [theirs / ours for theirs, ours in pairs]
        found = averages[name]
        call = [sys.executable, "-P", __file__, "--peak", question, name, str(n)]
        done = subprocess.run(call, check=True, capture_output=True, text=True)
        figures.append(
            {
                "rows": n,
                "package": name,
                "time_ratio": round(statistics.median(ratios), 2),
                "time_ratio_min": round(min(ratios), 2),
                "time_ratio_max": round(max(ratios), 2),
                "peak_mb": round(float(done.stdout.splitlines()[-1])),
                "largest_difference": None
                if found is None
                else f"{np.abs(found - own).max():.0e}",
            }
        )
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--question", choices=QUESTIONS, default="averages")
    parser.add_argument("--rows", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", help="also write the figures to this file")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peak:
        question, name, n = options.peak
        print(peak(question, name, int(n)))
        return

    names = []
    for name in QUESTIONS[options.question]:
        why = missing(name)
        if why is None:
            names.append(name)
        else:
            print(f"left out: {name}, {why}")
    print("time ÷ that of skfme (median, least, most), peak MB, difference of averages")
    figures = []
    for n in options.rows:
        for case in measured(options.question, names, n, options.repeats):
            figures.append(case)
            print(json.dumps(case), flush=True)
    if options.json:
        Path(options.json).write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
