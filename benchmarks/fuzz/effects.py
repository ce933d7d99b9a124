"""The space of effects: tables, models, steps and options, against differences by hand."""

from __future__ import annotations

import numpy as np

from benchmarks.fuzz import parts, tables
from benchmarks.fuzz.asking import asked, compare
from benchmarks.fuzz.choices import Chosen, Never, Outcome, Space, told
from benchmarks.fuzz.draws import drawn
from benchmarks.fuzz.models import RECIPES, NotTakenError
from benchmarks.fuzz.oracle import expected_of
from benchmarks.fuzz.outside import DETECTORS, JUDGES
from benchmarks.fuzz.steps import FINE, OF_NUMBERS, WAYS, RefusedError
from benchmarks.fuzz.tables import CATEGORIES, DATES, INTEGERS, KINDS, LIBRARIES

CHOICES = {
    "library": LIBRARIES,
    "stepped": KINDS,
    "values": (
        "plain", "huge", "subnormal", "zeros", "constant", "two values", "infinite",
    ),
    "beside": ("alone", "numbers", "mixed", "repeated"),
    "missing": ("none", "stepped", "beside"),
    "rows": ("1", "2", "9", "25", "50"),
    "labels": ("plain", "odd names", "integer names", "repeated index"),
    "training": ("the rows", "others"),
    "weights": ("none", "whole", "sampling", "importance"),
    "model": tuple(RECIPES),
    "step": WAYS,
    "joint": ("one", "two", "three"),
    "question": (
        "difference", "per_unit", "ratio", "percent", "log_ratio", "log_odds_ratio",
        "own", "means ratio", "means percent", *parts.QUESTIONS,
    ),
    "nlm": ("none", "exact", "simpson38", "gauss-legendre", "adaptive"),
    "extrapolation": tuple(JUDGES),
    "engine": ("auto", "predict", "trees", "linear"),
    "batch": ("auto", "1", "13"),
    "jobs": ("one", "two"),
    "way": ("fme", "explainer", "stream"),
}  # fmt: skip


def _models(**wanted: object) -> tuple[str, ...]:
    return tuple(
        name
        for name, recipe in RECIPES.items()
        if all(getattr(recipe, key) == value for key, value in wanted.items())
    )


def _but(values: tuple[str, ...], *left_out: str) -> tuple[str, ...]:
    return tuple(value for value in values if value not in left_out)


_ALL = _models(takes="all")
_NUMERIC, _NATIVE = _models(takes="numbers"), _models(takes="native")
_ENCODED = _models(takes="categories")
_FITTED = _but(tuple(RECIPES), *_ALL)
_POSITIVE = ("probability", "poisson", *_models(task="two"), *_models(task="three"))
_FEW = _but(CHOICES["question"], "difference", "per_unit")

NEVER = (
    # Tables
    Never("library", ("numpy",), "stepped", DATES,
          "arrays of objects hold dates that no step moves"),
    Never("library", ("numpy", "polars", "pyarrow"), "labels", ("repeated index",),
          "they have no index"),
    Never("library", ("numpy",), "labels", ("odd names", "integer names"),
          "arrays have no names"),
    Never("library", ("polars", "pyarrow"), "labels", ("integer names",),
          "their names are text"),
    Never("stepped", (*INTEGERS, "object", *CATEGORIES, *DATES), "values",
          ("subnormal", "zeros", "infinite"), "of floats alone"),
    Never("stepped", ("object", *CATEGORIES, *DATES), "values", ("huge", "two values"),
          "of numbers with a width alone"),
    Never("beside", ("alone",), "missing", ("beside",), "there is no other column"),
    Never("beside", ("alone",), "joint", ("two", "three"), "there is no other column"),
    Never("rows", ("1",), "missing", ("stepped", "beside"),
          "the only row would have nothing to be stepped"),
    # Steps
    Never("stepped", (*CATEGORIES, *DATES), "step", OF_NUMBERS, "of numbers alone"),
    Never("stepped", CATEGORIES, "step", ("add",), "categories are not added to"),
    Never("values", ("constant",), "step", ("sd", "iqr"), "there is no spread"),
    Never("stepped", ("object",), "step", FINE, "fixed decimals hold no such amount"),
    Never("values", ("constant",), "stepped", ("bool",),
          "a category alone has no other to go to"),
    # Models
    Never("model", _NUMERIC, "stepped", ("object", *CATEGORIES, *DATES),
          "they take numbers"),
    Never("model", _NUMERIC, "beside", ("mixed",), "they take numbers"),
    Never("model", _NATIVE, "stepped", ("object", "bool", "text", *DATES),
          "they take numbers and columns of categories"),
    Never("model", _ENCODED, "stepped", ("object", *DATES),
          "they take numbers and categories"),
    Never("model", _NATIVE, "library", _but(LIBRARIES, "pandas"),
          "categories of the library's own are pandas'"),
    Never("model", _ENCODED, "library", ("numpy", "nullable", "arrow-backed", "pyarrow"),
          "columns are encoded by name, of pandas or polars"),
    Never("model", _ENCODED, "labels", ("integer names",), "columns are told by name"),
    Never("model", _models(gaps=False), "missing", ("stepped", "beside"),
          "they take no missing values"),
    Never("model", ("lightgbm", "lightgbm classes"), "library", ("arrow-backed",),
          "LightGBM takes no Arrow types of pandas"),
    Never("model", tuple(name for name in RECIPES if name.startswith("catboost")),
          "library", ("pyarrow",), "CatBoost takes no tables of pyarrow"),
    Never("model", _models(engine="linear"), "values", ("huge",),
          "their sums cancel to less than the rounding of the terms"),
    Never("model", ("lightgbm categories",), "labels", ("integer names",),
          "LightGBM takes the label of a category column for a position"),
    Never("model", ("linear", "linear outputs", "logistic", "multinomial",
                    "encoded linear"), "values", ("subnormal",),
          "their coefficients are near the largest number"),
    # Questions
    Never("question", ("per_unit",), "step", _but(WAYS, "plain", "add"),
          "divides by a number that is added"),
    Never("question", ("per_unit",), "stepped", (*CATEGORIES, *DATES),
          "divides by a number that is added"),
    Never("question", ("per_unit",), "joint", ("two", "three"),
          "divides by one number"),
    Never("question", parts.QUESTIONS, "joint", ("one",), "there is nothing to split"),
    Never("question", _FEW, "nlm", _but(CHOICES["nlm"], "none"),
          "the NLM is of differences"),
    Never("question", parts.QUESTIONS, "way", ("stream",), "parts are of rows at hand"),
    Never("question", ("log_ratio",), "model", _but(tuple(RECIPES), *_POSITIVE),
          "needs positive predictions"),
    Never("question", ("log_odds_ratio",), "model",
          _but(tuple(RECIPES), *_but(_POSITIVE, "poisson")), "needs probabilities"),
    Never("stepped", ("object",), "nlm", _but(CHOICES["nlm"], "none"),
          "Decimals hold no points between"),
    Never("question", ("path",), "stepped", ("object", *CATEGORIES, *DATES),
          "there is nothing between"),
    Never("question", ("path",), "values", ("subnormal",),
          "nor between the smallest numbers"),
    Never("question", ("path",), "rows", ("25", "50"),
          "waves ask for thousands of predictions on the way of a row"),
    Never("question", ("path",), "batch", ("1",),
          "kinks are closed in on by a thousand calls a batch"),
    # Options
    Never("engine", ("trees",), "model",
          _but(tuple(RECIPES), *_models(engine="trees")), "they have no trees"),
    Never("engine", ("linear",), "model",
          _but(tuple(RECIPES), *_models(engine="linear")), "they are not linear"),
    Never("extrapolation", tuple(DETECTORS), "stepped", ("object", *CATEGORIES, *DATES),
          "detectors take numbers"),
    Never("extrapolation", tuple(DETECTORS), "beside", ("mixed",),
          "detectors take numbers"),
    Never("extrapolation", ("local outlier factor", "one-class svm"), "missing",
          ("stepped", "beside"), "they take no missing values"),
    Never("extrapolation", tuple(DETECTORS), "rows", ("1", "2"),
          "so few rows are no training rows of detectors"),
    Never("batch", ("1",), "rows", ("25", "50"), "9 batches of one row are enough"),
)  # fmt: skip


def check(rng: np.random.Generator, chosen: Chosen) -> Outcome:
    """Compare a draw, and say what came of it."""
    try:
        draw = drawn(rng, chosen)
    except NotTakenError as error:
        return Outcome(f"not taken by {chosen['model']}: {error}", counts=False)
    try:
        expected = expected_of(draw)
    except RefusedError as refused:
        return told(lambda: asked(draw), str(refused))
    try:
        answer = asked(draw)
    except ValueError as error:
        if f"engine={chosen['engine']!r} cannot" in str(error):
            reason = str(error).partition("effects: ")[2][:60]
            return Outcome(f"engine {chosen['engine']} refuses: {reason}", counts=False)
        raise
    return Outcome("equal", compare(draw, expected, answer))


def describe(rng: np.random.Generator, chosen: Chosen) -> str:
    draw = drawn(rng, chosen)
    return f"{draw.text()}\n{tables.table_of(draw.rows)}\n{draw.weights}"


SPACE = Space("effects", CHOICES, NEVER, check, describe)
