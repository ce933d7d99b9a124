"""Time of `from skfme import FMEExplainer, fme` against what it stands on.

Each run is a fresh process; the two alternate. The base is sklearn.base,
sklearn.utils.validation and pandas.

    python benchmarks/import_time.py [--repeats N]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"
BASE = "import sklearn.base, sklearn.utils.validation, pandas"
OURS = "from skfme import FMEExplainer, fme"


def seconds(statement: str) -> float:
    run = [sys.executable, "-c", TIMED.format(statement)]
    return float(subprocess.run(run, capture_output=True, check=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    seconds(BASE), seconds(OURS)
    ratios = [seconds(OURS) / seconds(BASE) for _ in range(repeats)]
    print(
        f"import skfme / import base: median {statistics.median(ratios):.3f}, "
        f"min {min(ratios):.3f}, max {max(ratios):.3f} ({repeats} pairs)"
    )


if __name__ == "__main__":
    main()
