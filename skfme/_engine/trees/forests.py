"""Isolation forests, read from scikit-learn's own arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.ensembles import Ensemble, Precision, packed
from skfme._engine.trees.from_sklearn import tree_of
from skfme._engine.trees.inputs import Inputs, TransformedInputs

__all__ = ["IsolationTrees", "isolation_trees"]


@dataclass(frozen=True)
class IsolationTrees:
    """Path lengths of a forest's trees as a sum, and what becomes of it.

    Attributes
    ----------
    ensemble : Ensemble
    inputs : Inputs or TransformedInputs
    usual_length : float
        Of a path, times the number of trees.
    shortest : float
        Sum of the paths of a row at the threshold of the scores.
    """

    ensemble: Ensemble
    inputs: Inputs | TransformedInputs
    usual_length: float
    shortest: float


def isolation_trees(model: Any, transformers: Sequence[Any]) -> IsolationTrees:
    """An IsolationForest's trees, each leaf with the length of the paths into it.

    Parameters
    ----------
    model : IsolationForest
    transformers : sequence of fitted transformers
        In front of it.

    Raises
    ------
    ModelNotReadError
        If this version of scikit-learn keeps them otherwise.
    """
    try:
        depths, added = (
            model._decision_path_lengths,
            model._average_path_length_per_tree,
        )
        usual = _average_path_length(model._max_samples)
        members = zip(
            model.estimators_, model.estimators_features_, depths, added, strict=True
        )
        trees = []
        for member, features, depth, more in members:
            length = np.asarray(depth) + np.asarray(more) - 1.0
            tree = tree_of(member.tree_, length[:, None])
            inner = tree.left >= 0
            own = np.where(inner, np.asarray(features)[tree.feature * inner], -1)
            trees.append(replace(tree, feature=own))
    except AttributeError as error:
        raise ModelNotReadError(f"it keeps no path lengths: {error}") from error
    if not usual > 0:
        raise ModelNotReadError("its trees were fitted on one row")
    ensemble = packed(trees, np.zeros(1), precision=Precision(single=True))
    inputs: Inputs | TransformedInputs
    inputs = Inputs(tuple(range(model.n_features_in_)), {}, True)
    if transformers:
        inputs = TransformedInputs(tuple(transformers), inputs)
    length = len(trees) * usual
    with np.errstate(divide="ignore", invalid="ignore"):
        shortest = float(-length * np.log2(-model.offset_))
    return IsolationTrees(ensemble, inputs, length, shortest)


def _average_path_length(n: int) -> float:
    """Of an unsuccessful search among n rows (Liu et al., 2008, equation 1)."""
    if n <= 2:
        return float(n > 1)
    return float(2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n)
