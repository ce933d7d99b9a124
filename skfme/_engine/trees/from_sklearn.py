"""scikit-learn's tree ensembles, read from their own arrays.

DecisionTree, RandomForest, ExtraTrees and GradientBoosting keep Cython trees, which
compare float32(x) with a float64 threshold; HistGradientBoosting keeps records,
which compare float64, and bit sets of categories.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.tree import BaseDecisionTree
from sklearn.utils import get_tags

from skfme._engine.originals import links
from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.ensembles import (
    CategorySplit,
    Ensemble,
    Precision,
    Tree,
    members_of,
    packed,
)
from skfme._engine.trees.inputs import Inputs
from skfme._frames.tables import Table

__all__ = [
    "gradient_boosting",
    "hist_gradient_boosting",
    "parts",
    "single_trees",
    "tree_of",
]

_SINGLE = Precision(single=True)
_CONSTANT = (DummyClassifier, DummyRegressor)


def parts(model: Any) -> Iterator[Any]:
    """What the model's predictions go through: its members, and what they are made of.

    Raises
    ------
    ModelNotReadError
        If a member is no tree.
    """
    yield from links(model)
    if hasattr(model, "_predictors"):  # HistGradientBoosting
        yield from chain.from_iterable(model._predictors)
        if model._preprocessor is not None:
            yield model._preprocessor
            yield model._preprocessor.named_transformers_["encoder"]
        return
    members = getattr(model, "estimators_", [model])
    for member in chain.from_iterable(members) if np.ndim(members) == 2 else members:
        if not isinstance(member, BaseDecisionTree):
            raise ModelNotReadError(f"a {type(member).__name__} is among its trees")
        yield from (member, member.tree_)


def single_trees(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """A decision tree, or the mean of a forest's."""
    estimators = getattr(model, "estimators_", None)
    members = [model] if estimators is None else list(estimators)
    n_classes = model.n_classes_ if method == "predict_proba" else 0
    # The second of two classes stands for both.
    classes = slice(1 if n_classes == 2 else 0, n_classes)
    trees = []
    for member in members:
        values = member.tree_.value
        values = values[:, 0, classes] if n_classes else values[:, :, 0]
        trees.append(tree_of(member.tree_, values / len(members)))
    base = np.zeros(trees[0].value.shape[1])
    return packed(trees, base, precision=_SINGLE), _plain_inputs(model)


def _plain_inputs(model: Any) -> Inputs:
    takes_missing = bool(get_tags(model).input_tags.allow_nan)
    return Inputs(tuple(range(model.n_features_in_)), {}, takes_missing)


def tree_of(tree: Any, value: np.ndarray, output: int = 0) -> Tree:
    """A Cython tree whose leaves add some values."""
    missing = getattr(tree, "missing_go_to_left", None)
    if missing is None or len(missing) != tree.node_count:
        missing = np.zeros(tree.node_count)
    return Tree(
        left=tree.children_left,
        right=tree.children_right,
        feature=tree.feature,
        threshold=tree.threshold,
        missing_left=np.asarray(missing).astype(bool),
        value=np.ascontiguousarray(value, dtype=np.float64),
        output=output,
    )


def gradient_boosting(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """GradientBoosting, whose first prediction is a constant."""
    # The parameter may have been set after the fit.
    starts = [model.init] if model.init is not None else []
    starts += [] if type(model.init_) in _CONSTANT else [model.init_]
    for start in starts:
        if not isinstance(start, str):  # "zero"
            raise ModelNotReadError(
                "it starts from the estimator "
                f"init={type(start).__name__}, which is not a constant"
            )
    stages = model.estimators_
    link, factor = "identity", 1.0
    if method == "predict_proba":
        link = "logistic" if stages.shape[1] == 1 else "softmax"
        # The exponential loss estimates half the log-odds.
        factor = 2.0 if model.loss == "exponential" else 1.0
    scale = factor * model.learning_rate
    trees = [
        tree_of(member.tree_, scale * member.tree_.value[:, 0, :], output)
        for stage in stages
        for output, member in enumerate(stage)
    ]
    row = np.zeros((1, model.n_features_in_), dtype=np.float32)
    base = np.asarray(model._raw_predict_init(row), dtype=np.float64).ravel()
    return packed(trees, factor * base, link, _SINGLE), _plain_inputs(model)


def hist_gradient_boosting(
    model: Any, method: str, probe: Table
) -> tuple[Ensemble, Inputs]:
    """HistGradientBoosting, with its categorical splits and missing values."""
    trees = [
        _record_tree(predictor, output)
        for predictors in model._predictors
        for output, predictor in enumerate(predictors)
    ]
    link = "identity"
    if method == "predict_proba":
        link = "logistic" if model.n_trees_per_iteration_ == 1 else "softmax"
    elif method == "predict" and model.loss in ("poisson", "gamma"):
        link = "exponential"
    elif not isinstance(model.loss, str):
        raise ModelNotReadError("its loss is an object, whose link is unknown")
    base = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    # Categories are read as unsigned bytes.
    precision = Precision(largest_category=255)
    categories = dict(_trained_categories(model))
    return packed(trees, base, link, precision, categories), _encoded_inputs(model)


def _encoded_inputs(model: Any) -> Inputs:
    """Categorical columns come first, as their places among the categories seen."""
    if model._preprocessor is None:
        return Inputs(tuple(range(model.n_features_in_)), {}, True)
    coded = np.flatnonzero(model.is_categorical_)
    numeric = np.flatnonzero(~model.is_categorical_)
    encoder = model._preprocessor.named_transformers_["encoder"]
    levels = {
        feature: tuple(categories[~pd.isna(categories)])
        for feature, categories in enumerate(encoder.categories_)
    }
    return Inputs((*coded.tolist(), *numeric.tolist()), levels, True)


def _trained_categories(model: Any) -> Iterator[tuple[int, np.ndarray]]:
    bits, place = model._bin_mapper.make_known_categories_bitsets()
    for feature in np.flatnonzero(model._bin_mapper.is_categorical_):
        yield int(feature), members_of(bits[place[feature]])


def _record_tree(predictor: Any, output: int) -> Tree:
    nodes = predictor.nodes
    leaf = nodes["is_leaf"].astype(bool)
    missing_left = nodes["missing_go_to_left"].astype(bool)
    splits = {
        int(node): CategorySplit(
            members_of(predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]),
            members_left=True,
            # An unknown category is treated as a missing value.
            unknown_left=bool(missing_left[node]),
        )
        for node in np.flatnonzero(nodes["is_categorical"].astype(bool) & ~leaf)
    }
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=missing_left,
        value=nodes["value"].astype(np.float64)[:, None],
        output=output,
        splits=splits,
    )
