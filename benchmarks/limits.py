"""Lines of ratios, each beside its limit, for the benchmarks that print such tables."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any, Protocol


class Row(Protocol):
    """One line of a table, a dataclass."""

    limit: float | None

    @property
    def name(self) -> str: ...
    @property
    def at_least(self) -> bool: ...


def seconds(run: Callable[[], object], threads: int = 1) -> float:
    """Processor time of one thread, the clock's of several."""
    clock = time.process_time if threads == 1 else time.perf_counter
    start = clock()
    run()
    return clock() - start


def verdict(value: float, limit: float, at_least: bool = False) -> str:
    """Whether a limit holds, to stand behind a figure."""
    met = value >= limit if at_least else value <= limit
    sense = "at least" if at_least else "at most"
    return f"; {sense} {limit:g} {'holds' if met else 'MISSED'}"


def line(row: Row, ratios: list[float]) -> str:
    """The median of a row's ratios, their range, and the limit."""
    median = statistics.median(ratios)
    text = f"{row.name}: {median:.3g} ({min(ratios):.3g} to {max(ratios):.3g})"
    return (
        text if row.limit is None else text + verdict(median, row.limit, row.at_least)
    )


def parser_of(description: str, rows: int) -> argparse.ArgumentParser:
    """The options that all of these benchmarks have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--rows", type=int, default=rows)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", default=[""], help="lines that contain all of these texts"
    )
    parser.add_argument("--list", action="store_true", help="name the lines, run none")
    parser.add_argument("--json", help="where to write the table")
    return parser


def chosen_rows(rows: Iterable[Any], options: argparse.Namespace) -> list[Any]:
    """The rows whose names contain all texts of ``--only``."""
    return [row for row in rows if all(text in row.name for text in options.only)]


def printed(
    rows: Iterable[Any],
    measured: Callable[[Any, int, int], list[float]],
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Measure the rows, print each line at once, and return what ``--json`` writes."""
    print(f"n = {options.rows:,}; median (lowest to highest) of {options.repeats} runs")
    table = []
    for row in rows:
        ratios = measured(row, options.rows, options.repeats)
        print(line(row, ratios), flush=True)
        table.append({**asdict(row), "name": row.name, "ratios": ratios})
    return {"rows": options.rows, "repeats": options.repeats, "table": table}


def written(results: dict[str, Any], options: argparse.Namespace) -> None:
    """Write the results where ``--json`` says."""
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
