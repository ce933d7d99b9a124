"""Random tables, models and steps, each against differences of the model's predictions.

A draw is a table (its library, the type of each column, missing values), a model, one
effect, a question (the difference, another comparison, the parts of a joint step), what
judges extrapolation, weights, an engine and a batch size. The reference
makes the step on plain Python values, builds the table anew and asks the model itself:
status, effect, mean and SD must be equal, and parts those of all coalitions.

    python -P benchmarks/fuzz.py [--seconds 60] [--seed 0]     draws until the time is over
    python -P benchmarks/fuzz.py --draw 1234                   one draw again, in full

A draw that fails is printed with its number, and belongs into the tests. Draws that an
engine refuses, since it was insisted on, are counted apart.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
from lightgbm import LGBMRegressor
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from skfme import Contrast, Scale, SetTo, attribute, fme

EPOCH = dt.datetime(2024, 1, 1)
LEVELS = ["low", "mid", "high", "other"]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
KINDS = [*INTEGERS, "float32", "float64", "object", "bool", "text", "category", "date"]
LIBRARIES = ["numpy", "pandas", "nullable", "arrow-backed", "polars", "pyarrow"]


@dataclass
class Column:
    """One column as Python values, and the type that tables give it."""

    name: str
    kind: str
    entries: list
    missing: bool = False

    @property
    def family(self) -> str:
        if self.kind in ("bool", "text", "category"):
            return "category"
        return "date" if self.kind == "date" else "number"


@dataclass
class Draw:
    """What one draw tries."""

    library: str
    columns: list[Column]
    model: Any = None
    steps: dict[str, Any] = field(default_factory=dict)
    weights: np.ndarray | None = None
    options: dict[str, Any] = field(default_factory=dict)
    question: str = "difference"
    background: int = 0  # how many rows from the top are the training rows; 0 for all

    def training(self, column: Column) -> list:
        """What training rows of positive weight have, where they have anything."""
        entries = column.entries[: self.background or None]
        if self.weights is not None and not self.background:
            entries = [e for e, w in zip(entries, self.weights, strict=True) if w > 0]
        return [entry for entry in entries if entry is not None]

    def text(self) -> str:
        types = ", ".join(
            f"{c.name}: {c.kind}{' with gaps' * c.missing}" for c in self.columns
        )
        name = getattr(self.model, "__name__", type(self.model).__name__)
        return (
            f"{self.library} of {len(self.columns[0].entries)} rows ({types}); {name}; "
            f"{self.question}; {self.steps}; {self.options}; "
            f"weights: {self.weights is not None}; "
            f"training rows: {self.background or 'all'}"
        )

    def key(self) -> tuple:
        steps = tuple(type(step).__name__ for step in self.steps.values())
        kinds = tuple(sorted({(c.kind, c.missing) for c in self.columns}))
        stepped = tuple(c.kind for c in self.columns if c.name in self.steps)
        weights = None if self.weights is None else self.weights.dtype.kind
        options = tuple(sorted((k, str(v)) for k, v in self.options.items()))
        model = getattr(self.model, "__name__", type(self.model).__name__)
        question = self.question
        return self.library, kinds, stepped, steps, model, weights, options, question


# Tables -----------------------------------------------------------------------------


def table_of(draw: Draw, rows: slice = slice(None)) -> Any:
    """The table of a draw in its library."""
    columns = {c.name: (c, c.entries[rows]) for c in draw.columns}
    if draw.library == "numpy":
        return _array(columns)
    if draw.library == "pyarrow":
        return pa.table({n: _arrow(c, v) for n, (c, v) in columns.items()})
    if draw.library == "polars":
        return pl.from_arrow(
            pa.table({n: _arrow(c, v) for n, (c, v) in columns.items()})
        )
    series = {n: _pandas(draw.library, c, v) for n, (c, v) in columns.items()}
    return pd.DataFrame(series)


def _array(columns: dict[str, tuple[Column, list]]) -> np.ndarray:
    kinds = {c.kind for c, _ in columns.values()}
    gaps = any(c.missing for c, _ in columns.values())
    if len(kinds) == 1 and not gaps and (kind := kinds.pop()) in (*INTEGERS, "float32"):
        return np.column_stack([np.array(v, dtype=kind) for _, v in columns.values()])
    if all(c.family == "number" for c, _ in columns.values()):
        filled = [[np.nan if x is None else x for x in v] for _, v in columns.values()]
        return np.column_stack([np.array(v, dtype=float) for v in filled])
    array = np.empty((len(next(iter(columns.values()))[1]), len(columns)), dtype=object)
    for j, (_, values) in enumerate(columns.values()):
        array[:, j] = values
    return array


def _arrow(column: Column, entries: list) -> pa.Array:
    if column.kind == "object":
        entries = [
            None if v is None else Decimal(repr(v) if isinstance(v, float) else v)
            for v in entries
        ]
    return pa.array(entries, _arrow_type(column))


def _arrow_type(column: Column) -> pa.DataType:
    return {
        "object": pa.decimal128(20, 6),
        "text": pa.string(),
        "category": pa.dictionary(pa.int32(), pa.string()),
        "date": pa.timestamp("ms"),
        "bool": pa.bool_(),
        "float32": pa.float32(),
        "float64": pa.float64(),
    }.get(column.kind) or getattr(pa, column.kind)()


def _pandas(library: str, column: Column, values: list) -> Any:
    kind = column.kind
    if kind == "object":
        return pd.Series(values, dtype=object)
    if kind == "category":
        return pd.Series(pd.Categorical(values, categories=LEVELS))
    if library == "arrow-backed":
        return pd.Series(pd.array(values, dtype=pd.ArrowDtype(_arrow_type(column))))
    if kind == "date":
        return pd.Series(pd.to_datetime(values)).astype("datetime64[ms]")
    if kind == "text":
        return pd.Series(values, dtype=object)
    if library == "nullable":
        name = {"bool": "boolean"}.get(kind) or kind.title().replace("Ui", "UI")
        return pd.Series(pd.array(values, dtype=name))
    if column.missing and kind == "bool":
        return pd.Series(values, dtype=object)
    if column.missing:
        filled = [np.nan if v is None else v for v in values]
        return pd.Series(filled, dtype="float32" if kind == "float32" else float)
    return pd.Series(values, dtype=kind)


def values_in(table: Any) -> list[list]:
    """The columns of any table as Python values, None where missing."""
    if isinstance(table, np.ndarray):
        columns = [table[:, j].tolist() for j in range(table.shape[1])]
    elif isinstance(table, pa.Table):
        columns = [column.to_pylist() for column in table.columns]
    elif isinstance(table, pl.DataFrame):
        columns = [column.to_list() for column in table.get_columns()]
    else:
        columns = [table[name].astype(object).tolist() for name in table.columns]
    return [[None if pd.isna(v) else v for v in column] for column in columns]


def numbers(values: list) -> np.ndarray:
    """Any column as floats, which differ where its values do; missing is a number too."""
    return np.array([_number(value) for value in values])


def _number(value: Any) -> float:
    if value is None:
        return 0.37
    if isinstance(value, str):
        return {level: 1.0 + i**2 for i, level in enumerate(LEVELS)}[value]
    if isinstance(value, dt.datetime):
        return (pd.Timestamp(value) - pd.Timestamp(EPOCH)).total_seconds() / 86400
    return float(value)


# Models -----------------------------------------------------------------------------


def reader(table: Any) -> np.ndarray:
    """A function that reads every column of any table, and is smooth in none."""
    columns = [numbers(values) for values in values_in(table)]
    total = sum((j + 1) * np.sin(c / (3 + j)) for j, c in enumerate(columns))
    return total + columns[0] * columns[-1] / 50


EXACT = {
    "linear": [LinearRegression, LogisticRegression, PoissonRegressor],
    "trees": [
        RandomForestRegressor,
        RandomForestClassifier,
        GradientBoostingRegressor,
        HistGradientBoostingRegressor,
        HistGradientBoostingClassifier,
        LGBMRegressor,
        XGBRegressor,
    ],
    "predict": [MLPRegressor],
}
SETTINGS = {
    "RandomForestRegressor": {"n_estimators": 5},
    "RandomForestClassifier": {"n_estimators": 5},
    "GradientBoostingRegressor": {"n_estimators": 8},
    "HistGradientBoostingRegressor": {"max_iter": 8, "min_samples_leaf": 3},
    "HistGradientBoostingClassifier": {"max_iter": 8, "min_samples_leaf": 3},
    "LGBMRegressor": {"n_estimators": 8, "min_child_samples": 3, "verbose": -1},
    "XGBRegressor": {"n_estimators": 8, "n_jobs": 1},
    "MLPRegressor": {"hidden_layer_sizes": (5,), "max_iter": 30},
}
TAKE_GAPS = ("Hist", "LGBM", "XGB")


def fitted(rng: np.random.Generator, draw: Draw) -> tuple[Any, list[str]]:
    """A model of the draw's training rows, and the engines that may be insisted on."""
    plain = all(c.kind in (*INTEGERS, "float32", "float64") for c in draw.columns)
    gaps = any(c.missing for c in draw.columns)
    if draw.library not in ("numpy", "pandas") or not plain or rng.random() < 0.3:
        return reader, []
    family = rng.choice(list(EXACT), p=[0.3, 0.6, 0.1])
    kind = EXACT[family][rng.integers(len(EXACT[family]))]
    if gaps and not kind.__name__.startswith(TAKE_GAPS):
        return reader, []
    if not all(map(draw.training, draw.columns)):
        return reader, []  # which HistGradientBoosting of scikit-learn 1.9 cannot bin
    X = table_of(draw, slice(draw.background or None))
    y = np.array(reader(X))
    if hasattr(kind, "predict_proba"):
        y = (
            np.digitize(y, np.quantile(y, [0.4, 0.7]))
            if rng.random() < 0.5
            else y > y.mean()
        )
    elif kind is PoissonRegressor:
        y = np.exp(y / (1 + np.abs(y).max()))
    if len(np.unique(y)) < 2:
        return reader, []
    model = kind(**SETTINGS.get(kind.__name__, {}))
    if family == "linear" and rng.random() < 0.5:
        model = make_pipeline(StandardScaler(), model)
    return model.fit(X, y), [str(family)] if family != "predict" else []


def predicted(model: Any, table: Any) -> np.ndarray:
    """The model's own predictions, in two dimensions."""
    if model is reader:
        return reader(table)[:, None]
    if not hasattr(model, "predict_proba"):
        return np.asarray(model.predict(table), dtype=float).reshape(len(table), -1)
    probabilities = np.asarray(model.predict_proba(table), dtype=float)
    return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities


# Draws ------------------------------------------------------------------------------


def drawn(seed: int) -> Draw:
    """The draw of a number."""
    rng = np.random.default_rng(seed)
    n = int(rng.choice([1, 2, 7, 40, 150]))
    library = str(rng.choice(LIBRARIES))
    only_numbers = rng.random() < 0.6
    kinds = KINDS[:10] if only_numbers else KINDS
    if rng.random() < 0.3:
        kinds = [str(rng.choice(kinds))]
    columns = [
        _column(
            rng, f"x{j}" if library == "numpy" else f"v{j}", str(rng.choice(kinds)), n
        )
        for j in range(rng.integers(1, 6))
    ]
    if library == "numpy":  # dates among objects are no column that steps move
        columns = [
            c if c.kind != "date" else _column(rng, c.name, "text", n) for c in columns
        ]
    draw = Draw(library, columns)
    draw.background = (
        int(rng.integers(n // 2, n)) if n > 20 and rng.random() < 0.4 else 0
    )
    weights = [None, rng.integers(0, 3, n), rng.random(n) + 0.1]
    draw.weights = weights[rng.choice(3, p=[0.5, 0.25, 0.25])]
    if draw.weights is not None and not draw.weights.sum():
        draw.weights = None
    draw.model, engines = fitted(rng, draw)
    candidates = [c for c in columns if draw.training(c)]
    if not candidates:
        return drawn(seed + 10**9)
    stepped = rng.permutation(len(candidates))[: rng.choice([1, 1, 1, 2])]
    draw.steps = {
        candidates[j].name: _step(rng, draw, candidates[j]) for j in sorted(stepped)
    }
    if len(draw.steps) > 1 and rng.random() < 0.6:
        draw.question = "parts"
    elif rng.random() < 0.25:
        draw.question = str(rng.choice(["relative", "percent"]))
    draw.options = {
        "extrapolation": str(rng.choice(["none", "envelope"])),
        "engine": str(rng.choice(["auto", "predict", *engines])),
        "batch_size": int(rng.choice([0, 1, 13])),
    }
    return draw


def _column(rng: np.random.Generator, name: str, kind: str, n: int) -> Column:
    values = _values(rng, kind, n)
    gappy = kind != "date" and rng.random() < 0.25
    if gappy:
        values = [None if rng.random() < 0.2 else value for value in values]
    return Column(name, kind, values, any(value is None for value in values))


def _values(rng: np.random.Generator, kind: str, n: int) -> list:
    if kind in INTEGERS:
        low = 0 if kind.startswith("u") else -100
        high = 100 if kind in ("int8", "uint8") or rng.random() < 0.7 else 30_000
        return rng.integers(low if high == 100 else -low, high, n).tolist()
    if kind == "float32":  # eighths, which it holds at both ends of any step here
        return (rng.integers(-800, 800, n) / 8).tolist()
    if kind == "float64":
        scale = 10.0 ** rng.integers(-3, 6)
        return (rng.normal(size=n) * scale).round(int(rng.integers(0, 8))).tolist()
    if kind == "object":
        numbers = rng.integers(-50, 50, n).tolist()
        return [Decimal(v) / 4 if rng.random() < 0.5 else v for v in numbers]
    if kind == "bool":
        return (rng.random(n) < 0.5).tolist()
    if kind == "date":
        return [EPOCH + dt.timedelta(hours=int(h)) for h in rng.integers(0, 9000, n)]
    return [str(v) for v in rng.choice(LEVELS[:3], n)]


def _step(rng: np.random.Generator, draw: Draw, column: Column) -> Any:
    observed = draw.training(column)
    if column.family == "date":
        return dt.timedelta(hours=int(rng.choice([-36, 5, 240])))
    if column.family == "category":
        levels = sorted(set(observed))
        if len(levels) > 1 and rng.random() < 0.4:
            return Contrast(levels[0], levels[-1])
        step = levels[rng.integers(len(levels))]
        return step if rng.random() < 0.7 else SetTo(step, count_missing=True)
    size = float(rng.choice([-2, -0.5, 0.125, 1, 3, 50]))
    low, high = float(rng.choice([-1, 0, 2.5])), float(rng.choice([3, 4.5, 200]))
    steps = [size, size, Scale(size), SetTo(low), SetTo(high, count_missing=True)]
    return [*steps, Contrast(low, high)][rng.integers(6)]


# The reference ------------------------------------------------------------------------


def ends_of(column: Column, step: Any) -> tuple[list, list, list[bool]]:
    """Values before and after the step, and whether the row has no value to change."""
    own = column.entries
    gaps = [value is None for value in own]
    if isinstance(step, Contrast):
        return [step.low] * len(own), [step.high] * len(own), [False] * len(own)
    if isinstance(step, SetTo) or column.family == "category":
        value = step.value if isinstance(step, SetTo) else step
        counting = isinstance(step, SetTo) and step.count_missing
        return own, [value] * len(own), [gap and not counting for gap in gaps]
    if isinstance(step, Scale):
        return own, [None if v is None else _times(v, step.factor) for v in own], gaps
    return own, [None if v is None else _plus(v, step) for v in own], gaps


def _plus(value: Any, step: Any) -> Any:
    if isinstance(value, Decimal):
        return value + Decimal(repr(step))
    if isinstance(value, int) and step == int(step):
        return value + int(step)
    return value + step


def _times(value: Any, factor: float) -> Any:
    if isinstance(value, Decimal):
        return value * Decimal(repr(factor))
    return value * (
        int(factor) if isinstance(value, int) and factor == int(factor) else factor
    )


def reference(draw: Draw) -> tuple[list[str], np.ndarray]:
    """The status of each row and its effect, by hand."""
    n = len(draw.columns[0].entries)
    before, after = [], []
    missing, there = np.zeros(n, bool), np.ones(n, bool)
    outside, categorical = np.zeros(n, bool), False
    judges_start = any(isinstance(step, Contrast) for step in draw.steps.values())
    for column in draw.columns:
        step = draw.steps.get(column.name)
        low, high, gaps = column.entries, column.entries, [False] * n
        if step is not None:
            low, high, gaps = ends_of(column, step)
            missing |= np.array(gaps)
            if column.family == "category" and not isinstance(step, Contrast):
                categorical = True
                there &= [a == b for a, b in zip(low, high, strict=True)]
        before.append(low)
        after.append(high)
        if column.family != "category" and (observed := draw.training(column)):
            bounds = (
                float(min(map(_number, observed))),
                float(max(map(_number, observed))),
            )
            for end in (low, high) if judges_start else (high,):
                outside |= [
                    v is not None and not bounds[0] <= _number(v) <= bounds[1]
                    for v in end
                ]
    status = np.full(n, "counted", dtype=object)
    if draw.options["extrapolation"] == "envelope":
        status[outside] = "extrapolation"
    if categorical:
        status[there] = "at_target"
    status[missing] = "missing"
    return status.tolist(), _answer(draw, before, after, status == "counted")


def relative(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A comparison that is defined everywhere."""
    return (after - before) / (1 + np.abs(before))


def _answer(draw: Draw, before: list, after: list, counted: np.ndarray) -> np.ndarray:
    """What the question asks of each counted row; parts one after the other."""
    rows = np.flatnonzero(counted)
    if not len(rows):
        return np.empty((0, 1))

    def after_changes(changed: set[str]) -> np.ndarray:
        columns = [
            Column(c.name, _kind_of_ends(c, draw.steps.get(c.name), before[j], after[j]),
                   [(after if c.name in changed else before)[j][i] for i in rows],
                   c.missing)
            for j, c in enumerate(draw.columns)
        ]  # fmt: skip
        return predicted(draw.model, table_of(Draw(draw.library, columns)))

    low, high = after_changes(set()), after_changes(set(draw.steps))
    if draw.question == "parts":
        first, second = (after_changes({name}) for name in draw.steps)
        one = ((first - low) + (high - second)) / 2
        two = ((second - low) + (high - first)) / 2
        return np.concatenate([one, two], axis=1)
    if draw.question == "relative":
        return relative(low, high)
    if draw.question == "percent":
        with np.errstate(divide="ignore", invalid="ignore"):
            return 100 * (high - low) / low
    return high - low


def _kind_of_ends(column: Column, step: Any, *ends: list) -> str:
    """A type that holds both ends: the column's own where it does."""
    if step is None or column.family != "number" or column.kind == "object":
        return column.kind
    if column.kind == "float32":
        return "float32"
    values = [v for end in ends for v in end if v is not None]
    if column.kind not in INTEGERS or not all(float(v).is_integer() for v in values):
        return "float64"
    limits = np.iinfo(column.kind)
    fits = all(limits.min <= v <= limits.max for v in values)
    return column.kind if fits else "int64"


# The comparison -----------------------------------------------------------------------


def compare(draw: Draw) -> str:
    """ "equal", or "refused" by an engine that was insisted on.

    Raises
    ------
    AssertionError
        If anything differs.
    """
    options = dict(draw.options)
    options["extrapolation"] = (
        None if options["extrapolation"] == "none" else "envelope"
    )
    options["batch_size"] = options["batch_size"] or "auto"
    table = table_of(draw)
    background = table_of(draw, slice(draw.background)) if draw.background else None
    options |= {"background": background, "sample_weight": draw.weights}
    status, expected = reference(draw)
    if draw.question in ("relative", "percent"):
        options["comparison"] = relative if draw.question == "relative" else "percent"
    undefined = not np.isfinite(expected).all()  # a percentage of a prediction of 0
    try:
        if draw.question == "parts":
            parts = attribute(draw.model, table, draw.steps, **options)
            effect = parts.total
        else:
            effect = fme(draw.model, table, draw.steps, **options)
    except ValueError as error:
        if f"engine={options['engine']!r} cannot" in str(error):
            return "refused"
        if undefined and "percent" in str(error):
            return "undefined, and said so"
        if "training rows hold" in str(error) and _leaves_two_values(draw):
            return "two values, and said so"
        raise
    assert not undefined, "a percentage of 0 was not refused"
    assert effect.status.tolist() == status, (effect.status.tolist(), status)
    counted = np.array(status) == "counted"
    effects = effect.fme.reshape(len(status), -1)
    if draw.question == "parts":
        each = [part.fme.reshape(len(status), -1) for part in parts.values()]
        effects = np.concatenate(each, axis=1)
    assert np.isnan(effects[~counted]).all()
    if not counted.any():
        return "equal"
    ends = np.abs(predicted(draw.model, table_of(draw))).max()
    if draw.question == "percent":  # rounding of what is divided by a small prediction
        ends = 1e3 * (1 + np.abs(expected).max())
    # XGBoost predicts in single precision, as linear models do of columns that NumPy joins
    # to float32; others are equal to rounding.
    kinds = {column.kind for column in draw.columns}
    single = "float32" in kinds and kinds <= {
        "float32",
        "int8",
        "int16",
        "uint8",
        "uint16",
    }
    unit = 2e-6 if single or "XGB" in type(draw.model).__name__ else 1e-9
    np.testing.assert_allclose(
        effects[counted], expected, rtol=1e-7, atol=unit * (1 + ends)
    )
    weights = np.ones(len(status)) if draw.weights is None else draw.weights
    weights = np.asarray(weights, float)[counted]
    if weights.sum() and draw.question != "parts":
        mean = weights @ expected / weights.sum()
        np.testing.assert_allclose(
            np.ravel(effect.ame), mean, rtol=1e-7, atol=unit * (1 + ends)
        )
        whole = draw.weights is None or draw.weights.dtype.kind == "i"
        if whole and weights.sum() > 1:
            deviations = weights @ (expected - mean) ** 2 / (weights.sum() - 1)
            np.testing.assert_allclose(
                np.ravel(effect.sd),
                np.sqrt(deviations),
                rtol=1e-6,
                atol=unit * (1 + ends),
            )
    return "equal"


def _leaves_two_values(draw: Draw) -> bool:
    """Whether a numeric column of two values is taken to a third."""
    for column in draw.columns:
        step = draw.steps.get(column.name)
        values = set(draw.training(column))
        if step is not None and column.family == "number" and len(values) == 2:
            ends = ends_of(column, step)[:2]
            if any(v is not None and v not in values for end in ends for v in end):
                return True
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--draw", type=int)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.draw is not None:
        draw = drawn(arguments.draw)
        print(draw.text())
        print(table_of(draw))
        print(compare(draw))
        return 0
    outcomes: Counter[str] = Counter()
    distinct: set[tuple] = set()
    start, number = time.monotonic(), arguments.seed
    while time.monotonic() - start < arguments.seconds:
        draw = None
        try:
            draw = drawn(number)
            distinct.add(draw.key())
            outcomes[compare(draw)] += 1
        except Exception as error:
            outcomes["failed"] += 1
            place = traceback.extract_tb(error.__traceback__)[-1]
            message = " ".join(str(error).split())[:300]
            print(f"--draw {number}: {type(error).__name__}: {message}")
            text = draw.text() if draw else "while it was drawn"
            print(f"    {place.filename.rpartition('/')[2]}:{place.lineno}  {text}")
        number += 1
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    print(
        f"{number - arguments.seed} draws, {len(distinct)} of them distinct: {counts}"
    )
    return int(outcomes["failed"] > 0)


if __name__ == "__main__":
    sys.exit(main())
