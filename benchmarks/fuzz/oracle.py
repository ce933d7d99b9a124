"""Status and effect of each row by hand: differences of the model's own predictions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.fuzz import parts
from benchmarks.fuzz.draws import Draw, walks_between
from benchmarks.fuzz.models import predicted
from benchmarks.fuzz.outside import outside
from benchmarks.fuzz.steps import (
    Ends,
    RefusedError,
    ends_of,
    kind_of_ends,
    leaves_two_values,
)
from benchmarks.fuzz.tables import FLOATS, INTEGERS, Column, Rows, table_of
from skfme import Contrast

FEW_ROWS = 10  # below which two values say nothing of a column


@dataclass
class Expected:
    """What is to come of a draw.

    Attributes
    ----------
    status : list of str
    before, after : ndarray of shape (n_counted, n_outputs)
        Predictions at both ends.
    effects : ndarray of shape (n_counted, n_outputs)
        Comparisons of these; of parts by orders one after the other.
    stepped : dict of column name -> Ends
    """

    status: list[str]
    before: np.ndarray
    after: np.ndarray
    effects: np.ndarray
    stepped: dict[Any, Ends]


def relative(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A user's own comparison, which is defined everywhere."""
    return (after - before) / (1 + np.abs(before))


COMPARISONS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "difference": lambda before, after: after - before,
    "path": lambda before, after: after - before,  # what its parts add up to
    "per_unit": lambda before, after: after - before,  # then over the step
    "ratio": lambda before, after: after / before,
    "percent": lambda before, after: 100 * (after - before) / before,
    "log_ratio": lambda before, after: np.log(after / before),
    "log_odds_ratio": lambda before, after: np.log(
        after / (1 - after) / (before / (1 - before))
    ),
    "own": relative,
}


def expected_of(draw: Draw) -> Expected:
    """What is to come of a draw.

    Raises
    ------
    RefusedError
        If the user is to be told why there is no answer.
    """
    if draw.chosen["values"] == "infinite":
        raise RefusedError("infinity in X")
    stepped = _stepped(draw)
    status = _status(draw, stepped)
    kept = np.flatnonzero(np.array(status) == "counted")
    question = draw.chosen["question"]
    if question == "path":
        _check_path(draw, stepped, kept)
    if not len(kept):
        nothing = np.empty((0, 1))
        return Expected(status, nothing, nothing, nothing, stepped)

    def after(changed: frozenset) -> np.ndarray:
        return finite(draw, stepped_rows(draw, stepped, changed).take(kept))

    low, high = after(frozenset()), after(frozenset(draw.steps))
    if question in parts.ORDERS:
        effects = parts.by_orders(list(draw.steps), after, question)
    else:
        effects = compared(draw, low, high)
    return Expected(status, low, high, effects, stepped)


def _check_path(draw: Draw, stepped: dict[Any, Ends], kept: np.ndarray) -> None:
    """Refuse what has no way from one end to the other."""
    for column in draw.rows.columns:
        ends = stepped.get(column.name)
        if ends is None:
            continue
        if column.family != "number":
            raise RefusedError("categories and dates jump")
        if any(ends.before[row] is None for row in kept):
            raise RefusedError("no way from a missing value")


def _stepped(draw: Draw) -> dict[Any, Ends]:
    """Both ends of each stepped column."""
    stepped = {}
    for column in draw.rows.columns:
        if column.name not in draw.steps:
            continue
        seen, of_seen = draw.seen(column.name)
        step = draw.steps[column.name]
        ends = ends_of(column, step, seen, of_seen)
        if column.family == "category" and set(ends.after) - {None, *seen}:
            raise RefusedError("a category that no training row has")
        here = (
            column.entries if callable(step) else []
        )  # functions are for rows at hand,
        there = [] if callable(step) and draw.chosen["way"] != "stream" else seen
        known = Column(column.name, column.kind, [*here, *there])
        tried = ends_of(known, step, seen, of_seen)
        total = len(seen) if of_seen is None else of_seen.sum()
        if total >= FEW_ROWS and leaves_two_values(column, seen, tried):
            raise RefusedError("a third value")
        stepped[column.name] = ends
    return stepped


def stepped_rows(draw: Draw, stepped: dict[Any, Ends], changed: frozenset) -> Rows:
    """The rows with some of the columns at the end of their step, others at its start.

    Missing values make floats of all integers of an array, also of those rows without.
    """
    floats = draw.rows.library == "numpy" and any(c.missing for c in draw.rows.columns)
    columns = []
    for column in draw.rows.columns:
        ends = stepped.get(column.name)
        if ends is None:
            columns.append(column)
            continue
        kind = kind_of_ends(column, ends, walks_between(draw.chosen))
        entries = ends.after if column.name in changed else ends.before
        if floats and kind in INTEGERS:
            kind = "float64"
        if kind in FLOATS:  # Arrow turns no large integers into floats
            entries = [None if entry is None else float(entry) for entry in entries]
        columns.append(Column(column.name, kind, list(entries)))
    return Rows(draw.rows.library, columns, draw.rows.index)


def finite(draw: Draw, rows: Rows) -> np.ndarray:
    """Predictions, which must be numbers."""
    try:
        values = predicted(draw.model, table_of(rows))
    except Exception as error:
        raise RefusedError(f"a model that raises {type(error).__name__}") from error
    if not np.isfinite(values).all():
        raise RefusedError("predictions that are not finite")
    return values


def _status(draw: Draw, stepped: dict[Any, Ends]) -> list[str]:
    n = len(draw.rows)
    missing, there, categorical = np.zeros(n, bool), np.ones(n, bool), False
    for column in draw.rows.columns:
        ends = stepped.get(column.name)
        if ends is None:
            continue
        missing |= ends.gaps
        step = draw.steps[column.name]
        stays = isinstance(step, Contrast) or callable(step)
        if column.family == "category" and not stays:
            categorical = True
            there &= [a == b for a, b in zip(ends.before, ends.after, strict=True)]
    names = frozenset(draw.steps)
    set_before = {n for n, step in draw.steps.items() if isinstance(step, Contrast)}
    ends_judged = [(stepped_rows(draw, stepped, names), set(names))]
    if set_before:
        ends_judged.append((stepped_rows(draw, stepped, frozenset()), set_before))
    status = np.full(n, "counted", dtype=object)
    beyond = outside(draw, ends_judged, missing)
    status[beyond] = "extrapolation"
    if categorical:
        status[there] = "at_target"
    status[missing] = "missing"
    return status.tolist()


def compared(draw: Draw, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """What the question makes of both predictions of rows, or of their averages."""
    question = draw.chosen["question"]
    with np.errstate(all="ignore"):
        values = COMPARISONS[question.removeprefix("means ")](low, high)
    if not np.isfinite(values).all():
        raise RefusedError("a comparison that is not defined")
    if question == "per_unit":
        step = next(iter(draw.steps.values()))
        values = values / getattr(step, "amount", step)
    return values
