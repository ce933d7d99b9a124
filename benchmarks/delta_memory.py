"""Memory and time of delta-method averages of a multinomial logit on 400,000 rows.

statsmodels' own get_margeff() on such a fit asks for more memory than most machines
have (statsmodels issue 4158), as it holds an array of rows × parameters × parameters;
it is measured here on fewer rows, each size in a process of its own.

    python benchmarks/delta_memory.py [--rows N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import statistics
import threading
import time
import warnings

import numpy as np
import pandas as pd
import statsmodels.api as sm

MEGABYTE = 2**20


def resident() -> float:
    """Megabytes in use by this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / MEGABYTE


class Peak:
    """The most memory in use while a block runs, above what was in use before."""

    def __enter__(self) -> Peak:
        self._before = self._most = resident()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def _watch(self) -> None:
        while not self._done.wait(0.002):
            self._most = max(self._most, resident())

    def __exit__(self, *error: object) -> None:
        self._done.set()
        self._thread.join()
        self.megabytes = max(self._most, resident()) - self._before


def fitted(n: int):
    """Six covariates, four outcomes."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 6)), columns=[f"x{i}" for i in range(1, 7)])
    slopes = rng.normal(scale=0.4, size=(6, 4))
    utility = X.to_numpy() @ slopes + rng.gumbel(size=(n, 4))
    exog = sm.add_constant(X)
    return sm.MNLogit(utility.argmax(axis=1), exog).fit(disp=0), exog


def ours(n: int) -> None:
    from skfme.statsmodels import delta_effects

    results, exog = fitted(n)
    data = exog.memory_usage(deep=True).sum() / MEGABYTE
    delta_effects(results, exog.head(1000))  # imports, and what is made once
    with Peak() as peak:
        effects = delta_effects(results, exog)
    ratios = []
    for _ in range(7):
        start = time.perf_counter()
        results.predict(exog)
        middle = time.perf_counter()
        delta_effects(results, exog)
        ratios.append((time.perf_counter() - middle) / (middle - start))
    ratio, low, high = statistics.median(ratios), min(ratios), max(ratios)
    print(
        f"delta_effects  {n:>9,} rows: {len(effects.params)} estimates, peak "
        f"{peak.megabytes:,.0f} MB above the data's {data:.0f} MB, {ratio:.1f} predict "
        f"calls ({low:.1f} to {high:.1f})",
        flush=True,
    )


def theirs(n: int) -> None:
    results, exog = fitted(n)
    start = time.perf_counter()
    with Peak() as peak:
        results.get_margeff()
    middle = time.perf_counter()
    results.predict(exog)
    calls = (middle - start) / (time.perf_counter() - middle)
    print(
        f"get_margeff    {n:>9,} rows: peak {peak.megabytes:,.0f} MB, {calls:.0f} predict "
        "calls",
        flush=True,
    )


def alone(function, n: int) -> None:
    """In a process of its own, whose memory nothing else has touched."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=(n,))
    process.start()
    process.join()
    if process.exitcode:
        print(f"{function.__name__} on {n:,} rows ended with {process.exitcode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=400_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    alone(ours, options.rows)
    for n in (2_000, 4_000, 8_000):
        alone(theirs, n)


if __name__ == "__main__":
    main()
