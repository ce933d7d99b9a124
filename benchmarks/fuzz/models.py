"""The models that are explained, each fitted on rows of a draw's columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from benchmarks.fuzz.tables import (
    CATEGORIES,
    FLOATS,
    INTEGERS,
    Rows,
    numbers,
    table_of,
    values_in,
)

HAS_CATBOOST = find_spec("catboost") is not None
if HAS_CATBOOST:
    from catboost import CatBoostClassifier, CatBoostRegressor


def reader(table: Any) -> np.ndarray:
    """A function that reads every column of any table, and is smooth in none."""
    columns = [numbers(values) for values in values_in(table)]
    total = sum((j + 1) * np.sin(c / (3 + j)) for j, c in enumerate(columns))
    with np.errstate(over="ignore"):
        return np.asarray(total + columns[0] * columns[-1] / 50)


def positive_reader(table: Any) -> np.ndarray:
    """One of probabilities, for comparisons that need them."""
    with np.errstate(over="ignore"):
        return 0.05 + 0.9 / (1 + np.exp(-np.clip(reader(table) / 10, -30, 30)))


def two_readers(table: Any) -> np.ndarray:
    """One of two outputs."""
    return np.column_stack([reader(table), -positive_reader(table)])


class Function(RegressorMixin, BaseEstimator):
    """A function as an estimator, for what takes no plain function."""

    def __init__(self, function: Callable[[Any], np.ndarray]) -> None:
        self.function = function

    def fit(self, X: Any, y: Any = None) -> Function:
        return self

    def predict(self, X: Any) -> np.ndarray:
        return self.function(X)

    def __sklearn_is_fitted__(self) -> bool:
        return True


@dataclass(frozen=True)
class Recipe:
    """How a model is made, and of what.

    Attributes
    ----------
    make : callable (columns) -> model, not fitted
    task : {"function", "number", "positive", "outputs", "two", "three"}
        What it learns: numbers, several of them, or two or three classes.
    engine : {"", "trees", "linear"}
        What reads it exactly.
    takes : {"numbers", "categories"}
    gaps : bool
        Whether it takes missing values.
    single : bool
        Whether it predicts in single precision.
    """

    make: Callable[[list], Any]
    task: str
    engine: str = ""
    takes: str = "numbers"
    gaps: bool = False
    single: bool = False


def _encoded(model: Any) -> Callable[[list], Any]:
    """A pipeline that encodes categories by column names in front of a model."""

    def make(columns: list) -> Any:
        named = [c.name for c in columns if c.kind in CATEGORIES]
        encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        encode = make_column_transformer((encoder, named), remainder="passthrough")
        return make_pipeline(encode, model())

    return make


def _scaled(model: Any) -> Callable[[list], Any]:
    return lambda columns: make_pipeline(
        SimpleImputer(keep_empty_features=True), StandardScaler(), model()
    )


def _of(kind: Any, **settings: Any) -> Callable[[list], Any]:
    return lambda columns=None: kind(**settings)


_FEW = {"n_estimators": 4, "random_state": 0}
_HIST = {"max_iter": 5, "min_samples_leaf": 3}
_LGBM = {"n_estimators": 5, "min_child_samples": 3, "verbose": -1, "n_jobs": 1}
_XGB = {"n_estimators": 5, "n_jobs": 1, "max_depth": 4}
_NET = {"hidden_layer_sizes": (5,), "max_iter": 15, "random_state": 0}
_CAT = {"iterations": 5, "depth": 3, "verbose": 0, "thread_count": 1,
        "allow_writing_files": False}  # fmt: skip

RECIPES = {
    "function": Recipe(_of(lambda: reader), "function", takes="all", gaps=True),
    "probability": Recipe(
        _of(lambda: positive_reader), "function", takes="all", gaps=True
    ),
    "two functions": Recipe(
        _of(lambda: two_readers), "function", takes="all", gaps=True
    ),
    "linear": Recipe(_of(LinearRegression), "number", "linear"),
    "linear outputs": Recipe(_of(LinearRegression), "outputs", "linear"),
    "logistic": Recipe(_of(LogisticRegression, max_iter=20), "two", "linear"),
    "multinomial": Recipe(_of(LogisticRegression, max_iter=20), "three", "linear"),
    "poisson": Recipe(_scaled(PoissonRegressor), "positive", "linear", gaps=True),
    "scaled linear": Recipe(_scaled(LinearRegression), "number", "linear", gaps=True),
    "encoded linear": Recipe(
        _encoded(LinearRegression), "number", "linear", "categories"
    ),
    "forest": Recipe(_of(RandomForestRegressor, **_FEW), "number", "trees", gaps=True),
    "extra trees": Recipe(
        _of(ExtraTreesRegressor, **_FEW), "outputs", "trees", gaps=True
    ),
    "forest classes": Recipe(
        _of(RandomForestClassifier, **_FEW), "three", "trees", gaps=True
    ),
    "encoded forest": Recipe(
        _encoded(_of(RandomForestRegressor, **_FEW)), "number", "trees", "categories"
    ),
    "boosting": Recipe(
        _of(GradientBoostingRegressor, **_FEW), "number", "trees"
    ),
    "boosting classes": Recipe(
        _of(GradientBoostingClassifier, **_FEW), "three", "trees"
    ),
    "hist": Recipe(
        _of(HistGradientBoostingRegressor, **_HIST), "number", "trees", gaps=True
    ),
    "hist classes": Recipe(
        _of(HistGradientBoostingClassifier, **_HIST), "two", "trees", gaps=True
    ),
    "hist categories": Recipe(
        _of(HistGradientBoostingRegressor, **_HIST, categorical_features="from_dtype"),
        "number", "trees", "native", gaps=True,
    ),
    "lightgbm": Recipe(_of(LGBMRegressor, **_LGBM), "number", "trees", gaps=True),
    "lightgbm classes": Recipe(_of(LGBMClassifier, **_LGBM), "three", "trees", gaps=True),
    "lightgbm categories": Recipe(
        _of(LGBMRegressor, **_LGBM, cat_smooth=1, min_data_per_group=2),
        "number", "trees", "native", gaps=True,
    ),
    "xgboost": Recipe(
        _of(XGBRegressor, **_XGB), "number", "trees", gaps=True, single=True
    ),
    "xgboost classes": Recipe(
        _of(XGBClassifier, **_XGB), "three", "trees", gaps=True, single=True
    ),
    "xgboost categories": Recipe(
        _of(XGBRegressor, **_XGB, enable_categorical=True),
        "number", "trees", "native", gaps=True, single=True,
    ),
    "network": Recipe(_scaled(_of(MLPRegressor, **_NET)), "number", gaps=True),
    "network classes": Recipe(_scaled(_of(MLPClassifier, **_NET)), "three", gaps=True),
}  # fmt: skip
if HAS_CATBOOST:
    RECIPES |= {
        "catboost": Recipe(
            _of(CatBoostRegressor, **_CAT), "number", "trees", gaps=True
        ),
        "catboost classes": Recipe(
            _of(CatBoostClassifier, **_CAT), "three", "trees", gaps=True
        ),
    }


def takes(recipe: Recipe) -> tuple[str, ...]:
    """The kinds of columns that a model takes."""
    if recipe.takes == "native":
        return (*INTEGERS, *FLOATS, "category")
    extra = {"numbers": (), "categories": CATEGORIES}[recipe.takes]
    return (*INTEGERS, *FLOATS, *extra)


class NotTakenError(Exception):
    """A model that its library does not fit on a table; the message says why."""


def fitted(recipe: Recipe, rows: Rows, rng: np.random.Generator) -> Any:
    """The model of a recipe, fitted on rows; a function is there already."""
    model = recipe.make(rows.columns)
    if recipe.task == "function":
        return model
    try:
        return model.fit(table_of(rows), _target(recipe.task, rows, rng))
    except Exception as error:
        text = " ".join(str(error).split())[:100]
        raise NotTakenError(f"{type(error).__name__} in fit: {text}") from error


def _target(task: str, rows: Rows, rng: np.random.Generator) -> np.ndarray:
    ranks = np.argsort(np.argsort(_signal(rows)))  # whatever the scale of the columns
    y = ranks / len(ranks) + rng.normal(scale=0.1, size=len(ranks))
    if task == "two":
        return y > np.median(y)
    if task == "three":
        return np.digitize(y, np.quantile(y, [0.4, 0.7]))
    if task == "outputs":
        return np.column_stack([y, np.sin(3 * y)])
    return np.exp(y) if task == "positive" else 3 * y


def _signal(rows: Rows) -> np.ndarray:
    total = np.zeros(len(rows))
    for j, column in enumerate(rows.columns):
        values = numbers(column.entries)
        span = np.ptp(values)
        total += (values / span if np.isfinite(span) and span > 0 else 0) * (1 + j % 2)
    return total


def predicted(model: Any, table: Any) -> np.ndarray:
    """The model's own predictions, in two dimensions."""
    if not hasattr(model, "predict"):
        raw = model(table)
    elif not hasattr(model, "predict_proba"):
        raw = model.predict(table)
    else:
        probabilities = np.asarray(model.predict_proba(table), dtype=float)
        return probabilities[:, 1:] if probabilities.shape[1] == 2 else probabilities
    values = np.asarray(raw, dtype=float)
    return values.reshape(len(values), -1)
