"""XGBoost's trees, read from the model that it saves.

A value goes left where float32(x) < threshold. Categories that XGBoost coded itself,
from a dataframe, are looked up in the model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.special import logit

from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.ensembles import (
    CategorySplit,
    Ensemble,
    Precision,
    Tree,
    packed,
)
from skfme._engine.trees.inputs import Inputs
from skfme._engine.trees.ubjson import from_ubjson
from skfme._frames.tables import Table

__all__ = ["parts", "xgboost"]

_LINKS = {
    **dict.fromkeys(
        (
            "reg:squarederror",
            "reg:squaredlogerror",
            "reg:pseudohubererror",
            "reg:absoluteerror",
            "reg:quantileerror",
            "reg:expectileerror",
            "rank:pairwise",
            "rank:ndcg",
            "rank:map",
            "binary:logitraw",
        ),
        "identity",
    ),
    **dict.fromkeys(("reg:logistic", "binary:logistic"), "logistic"),
    **dict.fromkeys(
        (
            "count:poisson",
            "reg:gamma",
            "reg:tweedie",
            "survival:cox",
            "survival:aft",
        ),
        "exponential",
    ),
    **dict.fromkeys(("multi:softprob", "multi:softmax"), "softmax"),
}


def parts(model: Any) -> Iterator[Any]:
    """What the model's predictions go through: its booster.

    Raises
    ------
    ModelNotReadError
        If a value stands for a missing one, which a sample may not show.
    """
    missing = model.get_params().get("missing")
    if missing is not None and not np.isnan(missing):
        raise ModelNotReadError(f"missing={missing!r} stands for no value in it")
    yield model.get_booster()


def xgboost(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """An XGBoost model of scikit-learn's interface."""
    booster = model.get_booster()
    best = booster.attr("best_iteration")
    if best is not None:  # predict leaves out what came after
        booster = booster[: int(best) + 1]
    learner = from_ubjson(booster.save_raw(raw_format="ubj"))["learner"]
    boosting = learner["gradient_booster"]
    if boosting["name"] not in ("gbtree", "dart"):
        raise ModelNotReadError(f"booster={boosting['name']!r} has no trees")
    objective = learner["objective"]["name"]
    if objective not in _LINKS:
        raise ModelNotReadError(f"its link, of objective {objective!r}, is not known")
    inner = boosting.get("gbtree", boosting)["model"]
    scale = boosting.get("weight_drop", np.ones(len(inner["trees"])))
    trees = [
        _tree(tree, float(factor), int(output))
        for tree, factor, output in zip(
            inner["trees"], scale, inner["tree_info"], strict=True
        )
    ]
    base = _base(learner["learner_model_param"], objective)
    precision = Precision(single=True, tolerance=1e-5)
    ensemble = packed(trees, base, _LINKS[objective], precision)
    levels = _levels(learner, inner.get("cats"))
    positions = tuple(range(model.n_features_in_))
    # What a sparse matrix leaves out is missing to XGBoost.
    return ensemble, Inputs(positions, levels, True, takes_sparse=False)


def _base(parameters: Mapping, objective: str) -> np.ndarray:
    """The margins of a model without trees, from its prediction."""
    scores = parameters["base_score"].strip("[]").split(",")
    prediction = np.array(scores, dtype=np.float32).astype(np.float64)
    n_outputs = max(int(parameters["num_class"]), int(parameters["num_target"]), 1)
    base = np.array(np.broadcast_to(prediction, n_outputs))
    if _LINKS[objective] == "logistic":
        return np.asarray(logit(base))
    return np.log(base) if _LINKS[objective] == "exponential" else base


def _tree(tree: Mapping, scale: float, output: int) -> Tree:
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise ModelNotReadError("its leaves hold vectors")
    conditions = np.asarray(tree["split_conditions"], dtype=np.float32)
    first, members = np.asarray(tree["categories_segments"]), tree["categories"]
    sizes = tree["categories_sizes"]
    # Members go right, and what training has not seen goes left.
    splits = {
        int(node): CategorySplit(
            np.array(members[start : start + size], dtype=np.int64),
            members_left=False,
            unknown_left=True,
        )
        for node, start, size in zip(
            tree["categories_nodes"], first, sizes, strict=True
        )
    }
    return Tree(
        left=np.asarray(tree["left_children"], dtype=np.int64),
        right=np.asarray(tree["right_children"], dtype=np.int64),
        feature=np.asarray(tree["split_indices"], dtype=np.int64),
        threshold=np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64),
        missing_left=np.asarray(tree["default_left"]).astype(bool),
        value=scale * conditions.astype(np.float64)[:, None],
        output=output,
        splits=splits,
    )


def _levels(learner: Mapping, cats: Mapping | None) -> dict[int, tuple]:
    """Categories of a dataframe's columns, in the order of their codes."""
    levels = {}
    for feature, coded in enumerate(cats["enc"] if cats else []):
        values = np.asarray(coded.get("values", ()))
        if len(coded.get("offsets", ())):
            text = values.astype(np.uint8).tobytes()
            levels[feature] = tuple(
                text[start:stop].decode() for start, stop in pairwise(coded["offsets"])
            )
        elif len(values):
            levels[feature] = tuple(values.tolist())
    if not levels and learner["feature_names"] and "c" in learner["feature_types"]:
        raise ModelNotReadError(
            "it was trained on categories of a dataframe, whose codes this version of "
            "XGBoost does not keep"
        )
    return levels
