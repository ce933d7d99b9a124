"""CatBoost's trees, read from the JSON that it saves a model as.

A value goes right where float32(x) > border, a category where it is the split's own. In
a symmetric tree all nodes of a level ask the same. Categories are looked up by the
model's own hashes; a model that turns them into numbers by the target (CTR features) is
refused, as it reads them through tables of its own.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from skfme._engine.refusals import ModelNotReadError, RowsNotReadError
from skfme._engine.trees.ensembles import (
    CategorySplit,
    Ensemble,
    Precision,
    Tree,
    packed,
)
from skfme._engine.trees.inputs import Inputs
from skfme._frames.columns import ColumnData, factorized
from skfme._frames.tables import Table

__all__ = ["catboost", "parts"]

_LINKS = {
    **dict.fromkeys(
        (
            "RMSE",
            "MAE",
            "MAPE",
            "Quantile",
            "MultiQuantile",
            "Expectile",
            "Huber",
            "LogCosh",
            "LogLinQuantile",
            "Lq",
            "MultiRMSE",
        ),
        "identity",
    ),
    **dict.fromkeys(("Poisson", "Tweedie"), "exponential"),
    **dict.fromkeys(("Logloss", "CrossEntropy", "MultiClassOneVsAll"), "logistic"),
    "MultiClass": "softmax",
}
_PRECISION = Precision(single=True)


def parts(model: Any) -> Iterator[Any]:
    """What the model's predictions go through: its compiled self."""
    yield model._object


def catboost(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """A CatBoostRegressor or CatBoostClassifier of numbers and one-hot categories."""
    content = _saved(model)
    loss = content["model_info"]["params"]["loss_function"]["type"]
    if loss not in _LINKS:
        raise ModelNotReadError(f"its link, of loss {loss!r}, is not known")
    features = _features(content["features_info"])
    scale, bias = content["scale_and_bias"]
    symmetric = content.get("oblivious_trees", ())
    trees = [_symmetric(tree, features, scale, len(bias)) for tree in symmetric]
    trees += [_free(tree, features, scale) for tree in content.get("trees", ())]
    ensemble = packed(trees, np.array(bias), _LINKS[loss], _PRECISION)
    hashed = {f.place: f.number for f in features.values() if f.values is not None}
    positions = tuple(feature.position for feature in features.values())
    return ensemble, _HashedInputs(positions, {}, True, hashed=hashed, model=model)


def _saved(model: Any) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.json"
        model.save_model(str(file), format="json")
        content: dict[str, Any] = json.loads(file.read_text())
    return content


@dataclass(frozen=True)
class _Feature:
    """A feature that the model knows.

    Attributes
    ----------
    place : int
        Among all features.
    number : int
        Among those of its kind.
    position : int
        Of its column.
    missing_left : bool
    values : list of int or None
        Hashes of the categories that are asked for; None for numbers.
    """

    place: int
    number: int
    position: int
    missing_left: bool
    values: list[int] | None


_KINDS = {"FloatFeature": "float", "OneHotFeature": "cat"}
_Features = Mapping[tuple[str, int], _Feature]  # by kind and number


def _features(info: Mapping) -> _Features:
    known = (("float_features", "float"), ("categorical_features", "cat"))
    others = sorted(info.keys() - {name for name, _ in known} - {"ctrs"})
    if others:
        raise ModelNotReadError(f"it has {others[0].replace('_', ' ')}")
    features: dict[tuple[str, int], _Feature] = {}
    for name, kind in known:
        for feature in info.get(name) or ():
            number = feature["feature_index"]
            features[kind, number] = _Feature(
                len(features),
                number,
                feature["flat_feature_index"],
                feature.get("nan_value_treatment") != "AsTrue",
                feature.get("values", []) if kind == "cat" else None,
            )
    return features


def _asked(
    split: Mapping, features: _Features
) -> tuple[_Feature, float, CategorySplit | None]:
    """The feature that a split asks, its border, and the category that goes right."""
    kind = _KINDS.get(split["split_type"])
    if kind is None:
        raise ModelNotReadError(
            f"its splits are of type {split['split_type']}: categories that the target "
            "turned into numbers (CTR features)"
            if split["split_type"] == "OnlineCtr"
            else f"its splits are of type {split['split_type']}"
        )
    feature = features[kind, split[f"{kind}_feature_index"]]
    if feature.values is None:
        return feature, split["border"], None
    member = np.array([feature.values.index(split["value"])])
    return feature, 0.0, CategorySplit(member, members_left=False, unknown_left=True)


def _symmetric(tree: Mapping, features: _Features, scale: float, width: int) -> Tree:
    """A tree whose nodes of one level all ask the same, the last split first."""
    asked = [_asked(split, features) for split in reversed(tree.get("splits") or ())]
    n_inner = 2 ** len(asked) - 1
    inner, leaves = np.arange(n_inner), np.full(n_inner + 1, -1)
    level = np.repeat(np.arange(len(asked)), 2 ** np.arange(len(asked)))

    def at_nodes(values: list, leaf: Any) -> np.ndarray:
        return np.append(np.array(values)[level], np.full(n_inner + 1, leaf))

    values = scale * np.reshape(tree["leaf_values"], (n_inner + 1, width))
    return Tree(
        left=np.append(2 * inner + 1, leaves),
        right=np.append(2 * inner + 2, leaves),
        feature=at_nodes([feature.place for feature, _, _ in asked], 0),
        threshold=at_nodes([border for _, border, _ in asked], 0.0),
        missing_left=at_nodes([feature.missing_left for feature, _, _ in asked], False),
        value=np.append(np.zeros((n_inner, width)), values, axis=0),
        splits={
            int(node): split
            for k, (_, _, split) in enumerate(asked)
            if split is not None
            for node in np.flatnonzero(level == k)
        },
    )


def _free(tree: Mapping, features: _Features, scale: float) -> Tree:
    """A tree whose nodes ask each for itself."""
    nodes, children = [tree], []
    for node in nodes:  # which grows
        inner = "split" in node
        children.append((len(nodes), len(nodes) + 1) if inner else (-1, -1))
        nodes.extend([node["left"], node["right"]] if inner else [])
    asked = {
        i: _asked(node["split"], features)
        for i, node in enumerate(nodes)
        if "split" in node
    }
    feature = np.zeros(len(nodes), dtype=np.int64)
    threshold, missing_left = np.zeros(len(nodes)), np.zeros(len(nodes), dtype=bool)
    for i, (known, border, _) in asked.items():
        feature[i], threshold[i] = known.place, border
        missing_left[i] = known.missing_left
    width = max(np.size(node.get("value", 0)) for node in nodes)
    values = [np.ravel(node.get("value", np.zeros(width))) for node in nodes]
    left, right = np.array(children).T
    return Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        missing_left=missing_left,
        value=scale * np.stack(values),
        splits={i: split for i, (_, _, split) in asked.items() if split is not None},
    )


@dataclass(frozen=True)
class _HashedInputs(Inputs):
    """Columns of a table as features; categories by their place among the hashes.

    Attributes
    ----------
    hashed : dict of int -> int
        The number of each feature of categories among all of these.
    model : CatBoost
    """

    hashed: Mapping[int, int] = field(default_factory=dict)
    model: Any = None

    def _values(self, feature: int, name: Hashable, column: ColumnData) -> np.ndarray:
        if feature not in self.hashed:
            return super()._values(feature, name, column)
        codes, distinct = factorized(column)
        if (codes < 0).any():
            raise RowsNotReadError(f"column {name!r} of categories lacks a value")
        places = [
            self.model._object._calc_cat_feature_perfect_hash(
                _text_of(value, name), self.hashed[feature]
            )
            for value in distinct
        ]
        return np.array(places, dtype=np.float64)[codes]


def _text_of(value: Any, name: Hashable) -> str:
    """A category as CatBoost writes it before it is hashed."""
    if isinstance(value, str):
        return value
    try:
        whole = int(value)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None or whole != value:
        raise RowsNotReadError(f"column {name!r} holds the category {value!r}")
    return str(whole)
