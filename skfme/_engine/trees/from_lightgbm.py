"""LightGBM's trees, read from the text that it saves a model as.

A value goes left where x ≤ threshold, or where its category is in the node's set.
Categories that LightGBM coded itself, from a dataframe, are looked up in the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.ensembles import (
    CategorySplit,
    Ensemble,
    Tree,
    members_of,
    packed,
)
from skfme._engine.trees.inputs import Inputs
from skfme._frames.schema import categorical_positions
from skfme._frames.tables import Table

__all__ = ["lightgbm", "parts"]

_LINKS = {
    **dict.fromkeys(
        (
            "",  # of a Booster trained by a function: its margin is its prediction
            "regression",
            "regression_l1",
            "huber",
            "fair",
            "quantile",
            "mape",
            "lambdarank",
            "rank_xendcg",
        ),
        "identity",
    ),
    **dict.fromkeys(("binary", "cross_entropy", "multiclassova"), "logistic"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exponential"),
    "multiclass": "softmax",
}
_ZERO = float(np.float32(1e-35))  # what LightGBM takes for zero
# A node's type in bits: whether it tests categories, whether missing values go left,
# and, in two bits, what is missing to it.
_IS_CATEGORICAL, _MISSING_LEFT, _MISSING_AT = 1, 2, 2
_ZERO_IS_MISSING, _NAN_IS_MISSING = 1, 2


def parts(model: Any) -> Iterator[Any]:
    """What the model's predictions go through: its booster.

    Raises
    ------
    ModelNotReadError
        If rows that are sure are not passed on to the last trees, which a sample may
        not show.
    """
    if not hasattr(model, "get_params"):  # a Booster, whose predict reads none
        return
    early = model.get_params().get("pred_early_stop")
    if early not in (None, False, "false", "-"):
        raise ModelNotReadError("pred_early_stop ends the sum of trees early")
    yield model.booster_


def lightgbm(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """A LightGBM model of scikit-learn's interface, or a Booster."""
    booster = getattr(model, "booster_", model)
    if callable(getattr(model, "objective", None)):
        raise ModelNotReadError("its objective is a function, whose link is unknown")
    header, *sections = booster.model_to_string().split("\nTree=")
    if not sections:
        raise ModelNotReadError("it has no trees")
    link, factor = _link(header)
    sections[-1] = sections[-1].partition("\nend of trees")[0]
    n_outputs = int(_fields(header)["num_tree_per_iteration"])
    averages = re.search(r"^average_output$", header, flags=re.MULTILINE)
    scale = factor * (n_outputs / len(sections) if averages else 1.0)
    trees = [
        _tree(_fields(section), scale, number % n_outputs)
        for number, section in enumerate(sections)
    ]
    ensemble = packed(trees, np.zeros(n_outputs), link)
    cuts = {j: _beside_zero(cuts) for j, cuts in ensemble.cuts.items()}
    ensemble = replace(ensemble, cuts=cuts)
    # Integers of an array become single precision.
    exact_integers = 2**24 if probe.kind == "numpy" else 2**53
    positions = tuple(range(booster.num_feature()))
    levels = _levels(booster, probe)
    return ensemble, Inputs(positions, levels, True, exact_integers)


def _fields(section: str) -> dict[str, str]:
    """Entries of a section, each a line."""
    pairs = (line.partition("=") for line in section.splitlines())
    return {name: text for name, equals, text in pairs if equals}


def _link(header: str) -> tuple[str, float]:
    """The link of the model's objective, and what its margins are multiplied by."""
    name, *options = _fields(header).get("objective", "").split(" ")
    if name not in _LINKS or "sqrt" in options:
        raise ModelNotReadError(f"its link, of objective {name!r}, is not known")
    sigmoid = [option[8:] for option in options if option.startswith("sigmoid:")]
    return _LINKS[name], float(sigmoid[0]) if sigmoid else 1.0


def _tree(fields: dict[str, str], scale: float, output: int) -> Tree:
    if fields.get("is_linear") == "1":
        raise ModelNotReadError("linear_tree=True puts linear models into its leaves")

    def numbers(name: str, dtype: Any = np.int64) -> np.ndarray:
        return np.array(fields.get(name, "").split(), dtype=dtype)

    n_inner = int(fields["num_leaves"]) - 1
    left, right = (
        _children(numbers(name), n_inner) for name in ("left_child", "right_child")
    )
    leaf = np.zeros(n_inner + 1)
    threshold, kind = numbers("threshold", np.float64), numbers("decision_type")
    missing = (kind >> _MISSING_AT) & 3
    if (missing == _ZERO_IS_MISSING).any():
        raise ModelNotReadError("zero_as_missing=True makes a number a missing value")
    categorical = (kind & _IS_CATEGORICAL).astype(bool)
    missing_left = (kind & _MISSING_LEFT).astype(bool)
    # Where no value was missing in training, a missing one is read as zero.
    missing_left = np.where(missing == _NAN_IS_MISSING, missing_left, threshold >= 0)
    missing_left &= ~categorical  # but to sets of categories it is no member
    sets = numbers("cat_threshold", np.uint32)
    first = numbers("cat_boundaries")
    splits = {
        int(node): CategorySplit(
            members_of(sets[first[number] : first[number + 1]]),
            members_left=True,
            unknown_left=False,
        )
        for node in np.flatnonzero(categorical)
        for number in (int(threshold[node]),)
    }
    values = scale * numbers("leaf_value", np.float64)
    return Tree(
        left=left,
        right=right,
        feature=np.concatenate([numbers("split_feature"), leaf.astype(np.int64)]),
        threshold=np.concatenate([threshold, leaf]),
        missing_left=np.concatenate([missing_left, leaf.astype(bool)]),
        value=np.concatenate([np.zeros(n_inner), values])[:, None],
        output=output,
        splits=splits,
    )


def _children(child: np.ndarray, n_inner: int) -> np.ndarray:
    """Children where the leaves, numbered from −1 downwards, come after the others."""
    child = np.where(child < 0, n_inner - 1 - child, child)
    return np.concatenate([child, np.full(n_inner + 1, -1)])


def _beside_zero(cuts: np.ndarray) -> np.ndarray:
    """Cuts as they act on rows in which numbers next to zero have become zero."""
    cuts = np.where((cuts >= -_ZERO) & (cuts < 0), np.nextafter(-_ZERO, -1), cuts)
    return np.where((cuts >= 0) & (cuts < _ZERO), _ZERO, cuts)


def _levels(booster: Any, probe: Table) -> dict[int, tuple]:
    """Categories of a dataframe's columns, in the order of their codes."""
    trained = booster.pandas_categorical or []
    positions = categorical_positions(probe)
    if len(trained) != len(positions):
        raise ModelNotReadError(
            f"it was trained on {len(trained)} columns of type category, the table has "
            f"{len(positions)}"
        )
    return dict(zip(positions, map(tuple, trained), strict=True))
