"""The command: draws of every space until the time is over, or one draw again."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Sequence

import numpy as np
from threadpoolctl import threadpool_limits

import benchmarks.fuzz as package
from benchmarks.fuzz import delta, effects, partitions, regions, regressions
from benchmarks.fuzz.choices import Space
from benchmarks.fuzz.report import Report

SPACES: dict[str, Space] = {
    room.SPACE.name: room.SPACE
    for room in (effects, regions, delta, regressions, partitions)
}
_TURNS = ("effects", "effects", "regions", "effects", "delta",
          "effects", "effects", "regions", "effects", "regressions")  # fmt: skip
# Clusters take a second for each of their draws.
TURNS = (*_TURNS, *_TURNS, *_TURNS, *_TURNS, "partitions")


def run(
    seconds: float, seed: int, draws: int = -1, turns: Sequence[str] = TURNS
) -> Report:
    """Draws, each of the number after that of the last, until the time is over."""
    report = Report(SPACES, seed)
    start = time.monotonic()
    with threadpool_limits(1):  # small tables; threads would wait for one another
        while time.monotonic() - start < seconds and report.n_draws != draws:
            report.draw(turns[report.n_draws % len(turns)])
    report.seconds = time.monotonic() - start
    return report


def again(name: str) -> None:
    """One draw, in full, by the name that it was printed under."""
    space_name, number, code = name.split(":")
    space = SPACES[space_name]
    for tried in (space.describe, space.check):
        print(tried(np.random.default_rng(int(number)), space.decoded(code)))


def main() -> int:
    parser = argparse.ArgumentParser(description=package.__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--space", choices=list(SPACES), help="of one space alone")
    parser.add_argument("--draw", metavar="NAME", help="one draw again")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.draw:
        again(arguments.draw)
        return 0
    turns = [arguments.space] if arguments.space else TURNS
    report = run(arguments.seconds, arguments.seed, turns=turns)
    print(report.text())
    return int(bool(report.failures))


if __name__ == "__main__":
    sys.exit(main())
