"""A draw of effects: rows, training rows, model and steps, made from its choices."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.fuzz import tables
from benchmarks.fuzz.choices import Chosen
from benchmarks.fuzz.models import RECIPES, Recipe, fitted, takes
from benchmarks.fuzz.steps import FINE, OF_NUMBERS, WAYS, drawn_step
from benchmarks.fuzz.tables import Column, Rows

FIT_ROWS = 60
ODD = ["a b", "naïve ü", "from", "x'y", "$m$", "C(q)"]


@dataclass
class Draw:
    """What one draw of effects tries.

    Attributes
    ----------
    rows, others : Rows
        Those that are explained, and those that the model was fitted on.
    steps : dict of column name -> step
    weights : ndarray of shape (n,) or None
    """

    chosen: Chosen
    recipe: Recipe
    rows: Rows
    others: Rows
    model: Any = None
    steps: dict[Any, Any] = field(default_factory=dict)
    weights: np.ndarray | None = None

    @property
    def training(self) -> Rows:
        """Training rows of the explainer, of positive weight."""
        if self.chosen["training"] == "others":
            return self.others
        if self.weights is None:
            return self.rows
        return self.rows.take(np.flatnonzero(self.weights > 0))

    @property
    def training_weights(self) -> np.ndarray | None:
        if self.chosen["training"] == "others" or self.weights is None:
            return None
        return self.weights[self.weights > 0]

    def seen(self, name: Any) -> tuple[list, np.ndarray | None]:
        """What training rows have in a column, where they have anything, and weights."""
        entries = next(c for c in self.training.columns if c.name == name).entries
        there = [i for i, entry in enumerate(entries) if entry is not None]
        weights = self.training_weights
        if weights is not None:
            weights = weights[there]
            if self.chosen["weights"] != "whole":
                weights = weights * len(weights) / weights.sum()
        return [entries[i] for i in there], weights

    def text(self) -> str:
        kinds = {c.name: c.kind for c in self.rows.columns}
        return f"{len(self.rows)} rows of {kinds}; {self.steps}; {self.chosen}"


def walks_between(chosen: Chosen) -> bool:
    """Whether the choices ask for what lies between both ends of a step."""
    return chosen["nlm"] != "none" or chosen["question"] == "path"


def drawn(rng: np.random.Generator, chosen: Chosen) -> Draw:
    """The draw of some choices."""
    recipe = RECIPES[chosen["model"]]
    n = int(chosen["rows"])
    columns = _columns(rng, chosen, recipe, n + FIT_ROWS)
    index = None
    if chosen["labels"] == "repeated index":
        index = rng.integers(0, 3, n + FIT_ROWS).tolist()
    whole = Rows(chosen["library"], columns, index)
    rows, others = whole.take(range(n)), whole.take(range(n, n + FIT_ROWS))
    model = fitted(recipe, others, rng)
    draw = Draw(chosen, recipe, rows, others, model)
    draw.weights = _weights(rng, chosen["weights"], n)
    draw.steps = _steps(rng, draw)
    if chosen["values"] == "infinite":
        stepped = next(c for c in rows.columns if c.name == next(iter(draw.steps)))
        stepped.entries[int(rng.integers(n))] = float(rng.choice([-np.inf, np.inf]))
    return draw


def _columns(
    rng: np.random.Generator, chosen: Chosen, recipe: Recipe, n: int
) -> list[Column]:
    """The stepped column, and those beside it, in an order of chance."""
    kinds = [chosen["stepped"], *_beside(rng, chosen, recipe)]
    values = "plain" if chosen["values"] == "infinite" else chosen["values"]
    regimes = [values, *["plain"] * (len(kinds) - 1)]
    drawn_columns = [
        Column(None, kind, tables.drawn_entries(rng, kind, regime, n))
        for kind, regime in zip(kinds, regimes, strict=True)
    ]
    if chosen["beside"] == "repeated":
        drawn_columns[1].entries = list(drawn_columns[0].entries)
    gappy = {"none": [], "stepped": [0], "beside": [1]}[chosen["missing"]]
    for position in gappy:
        _make_gaps(rng, drawn_columns[position].entries, int(chosen["rows"]))
    names = _names(rng, chosen["labels"], len(kinds), chosen["library"])
    order = rng.permutation(len(kinds))
    for place, position in enumerate(order):
        drawn_columns[position].name = names[place]
    stepped_first = drawn_columns[0]
    in_order = [drawn_columns[position] for position in order]
    in_order.sort(key=lambda c: names.index(c.name))
    chosen["_stepped"] = stepped_first.name
    return in_order


def _beside(rng: np.random.Generator, chosen: Chosen, recipe: Recipe) -> list[str]:
    """The kinds of the columns beside the stepped one."""
    beside = chosen["beside"]
    if beside == "alone":
        return []
    kept = tables.KINDS if recipe.takes == "all" else takes(recipe)
    if chosen["library"] == "numpy":
        kept = tuple(k for k in kept if k not in tables.DATES)
    if walks_between(chosen):  # Decimals hold no points between
        kept = tuple(k for k in kept if k != "object")
    if beside != "mixed":
        kept = tuple(k for k in kept if k in (*tables.INTEGERS, *tables.FLOATS))
    fewest = {"one": 1, "two": 1, "three": 2}[chosen["joint"]]
    count = int(rng.integers(fewest, fewest + 3))
    kinds = [str(kind) for kind in rng.choice(kept, count)]
    if beside == "repeated":
        kinds[0] = chosen["stepped"]
    if beside == "mixed":
        kinds[-1] = str(rng.choice([k for k in kept if k not in tables.NUMBERS]))
    return kinds


def _make_gaps(rng: np.random.Generator, entries: list, n: int) -> None:
    """Missing values among the first n entries and after; the first entry stays."""
    gaps = rng.random(len(entries)) < 0.2
    gaps[[0, n]] = False  # what steps are made of
    gaps[[n - 1, -1]] = True
    if n == 1:
        gaps[0] = True
    for i in np.flatnonzero(gaps):
        entries[i] = None


def _names(
    rng: np.random.Generator, labels: str, count: int, library: str
) -> list[Any]:
    if library == "numpy":
        return [f"x{j}" for j in range(count)]
    if labels == "odd names":
        return [str(name) for name in rng.permutation(ODD)[:count]]
    if labels == "integer names":
        return [int(label) for label in rng.permutation(20)[:count]]
    return [f"v{j}" for j in range(count)]


def _weights(rng: np.random.Generator, kind: str, n: int) -> np.ndarray | None:
    if kind == "none":
        return None
    weights = rng.integers(0, 3, n) if kind == "whole" else rng.random(n) + 0.1
    weights[0] = 1 if kind == "whole" else 0.7
    return weights


def _steps(rng: np.random.Generator, draw: Draw) -> dict[Any, Any]:
    chosen = draw.chosen
    first = chosen.pop("_stepped")
    rest = [
        c.name for c in draw.rows.columns if c.name != first and draw.seen(c.name)[0]
    ]
    further = {"one": 0, "two": 1, "three": 2}[chosen["joint"]]
    names = [first, *(rest[i] for i in rng.permutation(len(rest)))]
    by_name = {c.name: c for c in draw.rows.columns}
    steps = {}
    for name in names[: further + 1]:
        column, (seen, _) = by_name[name], draw.seen(name)
        way = chosen["step"] if name == first else _way_beside(rng, column)
        steps[name] = drawn_step(rng, way, column, seen)
    return steps


def _way_beside(rng: np.random.Generator, column: Column) -> str:
    ways = [w for w in WAYS if column.family == "number" or w not in OF_NUMBERS]
    if column.family == "category":
        ways.remove("add")
    if column.kind == "object":
        ways = [way for way in ways if way not in FINE]
    return str(rng.choice(ways))
