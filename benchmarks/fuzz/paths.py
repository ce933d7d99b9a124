"""The NLM of a few rows by hand, from predictions along the step.

NLM = 1 − ∫ (f(t) − f(0) − t Δ)² dt / ∫ (f(t) − m)² dt. A rule is a weighted sum over its
nodes. For the exact value of trees all jumps of the prediction are found by halving, and
the pieces between them are integrated; of smooth models, by many nodes of Gauss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.fuzz.draws import Draw
from benchmarks.fuzz.oracle import Expected, finite
from benchmarks.fuzz.parts import Corner
from benchmarks.fuzz.steps import Ends, kind_of_ends
from benchmarks.fuzz.tables import Column, Rows

MOST_ROWS = 2
_GRID = 65
_HALVINGS = 28


@dataclass(frozen=True)
class Integrals:
    """What is off the line, and all that varies; arrays of shape (n_outputs,)."""

    off: np.ndarray
    total: np.ndarray

    @property
    def nlm(self) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1 - self.off / self.total


Line = Callable[
    [np.ndarray], np.ndarray
]  # t of shape (m,) -> predictions (m, n_outputs)


def line_of(draw: Draw, expected: Expected, row: int) -> Line:
    """Predictions along the step of one row; categories and dates stand at its end."""
    corner = corner_of(draw, expected, row)
    return lambda t: corner(np.tile(t[:, None], len(draw.steps)))


def corner_of(draw: Draw, expected: Expected, row: int) -> Corner:
    """Predictions of one row whose features are each somewhere on their way."""

    def at(t: np.ndarray) -> np.ndarray:
        shares = dict(zip(draw.steps, t.T, strict=True))
        columns = [
            _on_the_way(c, expected.stepped, row, shares.get(c.name, t[:, 0]))
            for c in draw.rows.columns
        ]
        index = None if draw.rows.index is None else [draw.rows.index[row]] * len(t)
        return finite(draw, Rows(draw.rows.library, columns, index))

    return at


def _on_the_way(
    column: Column, stepped: dict[Any, Ends], row: int, t: np.ndarray
) -> Column:
    """One column of the points at t."""
    ends = stepped.get(column.name)
    if ends is None or column.family != "number":
        entry = (column.entries if ends is None else ends.after)[row]
        return Column(column.name, column.kind, [entry] * len(t))
    low, high = float(ends.before[row]), float(ends.after[row])
    kind = kind_of_ends(column, ends, between=True)
    return Column(column.name, kind, (low + t * (high - low)).tolist())


def by_rule(line: Line, nodes: np.ndarray, weights: np.ndarray) -> Integrals:
    """Both integrals as sums over the nodes of a rule."""
    start, end = line(np.array([0.0, 1.0]))
    values = line(nodes) - start
    mean = weights @ values
    total = weights @ (values - mean) ** 2
    off = weights @ (values - np.outer(nodes, end - start)) ** 2
    return Integrals(off, total)


def gauss(n_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(n_nodes)
    return (nodes + 1) / 2, weights / 2


def panels(n_panels: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Gauss over many pieces, for lines that bend at points."""
    nodes, weights = gauss(8)
    starts = np.arange(n_panels)[:, None]
    return ((starts + nodes) / n_panels).ravel(), np.tile(weights / n_panels, n_panels)


def settled(line: Line) -> list[Integrals]:
    """Over many pieces, if twice as many say the same; of waves beyond count nothing."""
    rough, fine = (by_rule(line, *panels(n)) for n in (20, 40))
    close = np.allclose(rough.nlm, fine.nlm, rtol=1e-6, atol=1e-6, equal_nan=True)
    return [fine] if close else []


def simpson38() -> tuple[np.ndarray, np.ndarray]:
    return np.arange(4) / 3, np.array([1, 3, 3, 1]) / 8


def exact(line: Line) -> Integrals:
    """Both integrals over the pieces between the jumps of a piecewise constant line."""
    t = np.linspace(0, 1, _GRID)
    values = line(t)
    edges = np.concatenate([[0.0], _jumps(line, t, values), [1.0]])
    lengths = np.diff(edges)
    heights = line((edges[:-1] + edges[1:]) / 2)
    start, end = values[0], values[-1]
    u, delta = heights - start, end - start
    mean = lengths @ u
    total = lengths @ (u - mean) ** 2
    low, high = edges[:-1, None], edges[1:, None]
    # ∫ (u − Δ t)² dt over a piece
    off = (
        u**2 * (high - low) - u * delta * (high**2 - low**2)
        + delta**2 * (high**3 - low**3) / 3
    ).sum(axis=0)  # fmt: skip
    return Integrals(off, total)


def _jumps(line: Line, t: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Where the line jumps: between points whose values differ, halved again and again."""
    low, high = t[:-1], t[1:]
    at_low, at_high = values[:-1], values[1:]
    for _ in range(_HALVINGS):
        differ = (at_low != at_high).any(axis=1)
        low, high = low[differ], high[differ]
        at_low, at_high = at_low[differ], at_high[differ]
        if not len(low):
            break
        middle = (low + high) / 2
        at_middle = line(middle)
        low, high = np.concatenate([low, middle]), np.concatenate([middle, high])
        at_low = np.concatenate([at_low, at_middle])
        at_high = np.concatenate([at_middle, at_high])
    differ = (at_low != at_high).any(axis=1)
    return np.unique(((low + high) / 2)[differ])
