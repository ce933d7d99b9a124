"""Which numeric columns a model itself takes for categories.

CatBoost, LightGBM, XGBoost, histogram gradient boosting, pyGAM, InterpretML and formulas
code integers as categories where they are told to. A step sets such a column, as no number
lies between two of its values. Each way of saying so is a reader of its own: what a
fitted model knows, or what a model that is not fitted yet was told.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Iterator
from typing import Any

import numpy as np

from skfme._engine.claims import names_claimed
from skfme._engine.prediction import unfrozen
from skfme._frames.columns import kind_of
from skfme._frames.tables import Table

__all__ = ["own_categories"]

# Parameters of models, or of their fit, that list columns: CatBoost, scikit-learn, LightGBM.
_LISTS = ("cat_features", "categorical_features", "categorical_feature")
# What XGBoost and InterpretML call the type of a column of categories.
_TYPES = {"c", "nominal", "ordinal"}
# Where a model keeps others that get its own table: fitted ones, else those to be fitted.
_INSIDE = (
    ("best_estimator_", "regressor_", "estimators_"),
    ("estimator", "regressor", "estimators"),
)
_DEPTH = 5  # a search of a transformed target of a stack is 3

Keys = Iterable[Any]  # labels or positions of columns


def own_categories(estimator: Any, table: Table, params: dict[str, Any]) -> set[int]:
    """Positions of numeric columns that a model takes for categories.

    Parameters
    ----------
    estimator : estimator
        Fitted and frozen, or about to be fitted.
    table : Table
        Rows as the model gets them.
    params : dict
        What its fit takes besides X and y.
    """
    keys = [key for name in _LISTS for key in _listed(params.get(name))]
    for model in _inside(estimator):
        names = names_claimed(model)
        for key in [*_known(model), *_told(model)]:
            # A model that finds its columns by name counts them in its own order.
            if names is not None and isinstance(key, int) and key < len(names):
                key = names[key] if names[key] in table.names else key
            keys.append(key)
    positions = {_position(key, table) for key in keys}
    return {
        position
        for position in positions
        if position is not None and kind_of(table.column(position)) == "numeric"
    }


def _position(key: Any, table: Table) -> int | None:
    """The place of a column; None where the table has none, as the model will say."""
    if isinstance(key, int):
        return key if 0 <= key < len(table.names) else None
    return table.names.index(key) if key in table.names else None


def _inside(model: Any, depth: int = 0) -> Iterator[Any]:
    """A model, and those that it hands its own table to."""
    model = unfrozen(model)
    yield model
    # Some hand on some of the columns, and a pipeline what it made of them.
    some = hasattr(model, "get_support") or hasattr(model, "estimators_features_")
    if some or depth == _DEPTH:
        return
    for names in _INSIDE:
        parts = [part for name in names for part in _parts(model, name)]
        for part in parts:
            yield from _inside(part, depth + 1)
        if parts:
            return


def _parts(model: Any, name: str) -> list[Any]:
    try:
        value = getattr(model, name, None)
    except Exception:  # a property of a model that is not fitted
        return []
    parts = value if isinstance(value, list) else [value]
    parts = [part[1] if isinstance(part, tuple) else part for part in parts]
    return [part for part in parts if hasattr(part, "predict")]


def _known(model: Any) -> Iterator[Any]:
    """What a fitted model knows: positions, or labels, of its categories."""
    for reader in (_catboost, _lightgbm, _pygam, _formula):
        try:
            yield from reader(model)
        except Exception:  # not fitted, or another package's attribute of that name
            continue
    types = getattr(model, "feature_types_in_", None)
    yield from _of_type(types)


def _catboost(model: Any) -> list[int]:
    return list(map(int, model.get_cat_feature_indices()))


def _lightgbm(model: Any) -> list[int]:
    """Its text lists the values of categories, and the range of numbers."""
    booster = getattr(model, "booster_", model)
    text = booster.model_to_string(num_iteration=1)
    described = re.search(r"^feature_infos=(.*)$", text, flags=re.MULTILINE)
    columns = described[1].split(" ") if described else []
    return [i for i, column in enumerate(columns) if re.match(r"-?\d", column)]


def _pygam(model: Any) -> list[int]:
    return [term.feature for term in model.terms if term.dtype == "categorical"]


def _formula(model: Any) -> list[Hashable]:
    """What a formula of statsmodels has by ``C(…)`` only."""
    labels: list[Hashable] = model.categorical_columns()
    return labels


def _told(model: Any) -> Iterator[Any]:
    """What the parameters of a model say."""
    for name in _LISTS:
        yield from _listed(getattr(model, name, None))
    try:
        params = model.get_params(deep=False)
    except Exception:  # no estimator
        return
    for name in _LISTS:  # LightGBM and CatBoost keep theirs aside
        yield from _listed(params.get(name))
    yield from _of_type(params.get("feature_types"))


def _listed(value: Any) -> Keys:
    """The columns of a list of labels or positions, or of a mask; a text is a rule."""
    if value is None or isinstance(value, str) or not np.iterable(value):
        return []
    keys = list(value)
    if keys and all(isinstance(key, bool | np.bool_) for key in keys):
        return np.flatnonzero(keys).tolist()
    return [int(key) if isinstance(key, np.integer) else key for key in keys]


def _of_type(types: Any) -> Keys:
    if types is None or isinstance(types, str) or not np.iterable(types):
        return []
    return [
        i for i, kind in enumerate(types) if isinstance(kind, str) and kind in _TYPES
    ]
