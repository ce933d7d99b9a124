"""XGBoost's and LightGBM's trees, imported by treelite.

XGBoost sends float32(x) < threshold left and LightGBM x ≤ threshold; categories that
they coded themselves, from a dataframe, are looked up in the model. What treelite is
known to read wrongly is refused by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from skfme._engine.refusals import MISSING_EXTRA, ModelNotReadError
from skfme._engine.trees.ensembles import (
    CategorySplit,
    Ensemble,
    Precision,
    Tree,
    packed,
)
from skfme._engine.trees.inputs import Inputs
from skfme._frames.schema import categorical_positions
from skfme._frames.tables import Table

__all__ = ["lightgbm", "parts", "xgboost"]

_LINKS = {
    "identity": "identity",
    "identity_multiclass": "identity",
    "sigmoid": "logistic",
    "multiclass_ova": "logistic",
    "exponential": "exponential",
    "softmax": "softmax",
}
_CATEGORICAL = 2  # treelite's type of a node that tests categories
_ZERO = float(np.float32(1e-35))  # what LightGBM takes for zero
_LESS_THAN = 2  # its code of "<"; that of "≤" is 3


def parts(model: Any) -> Iterator[Any]:
    """What the model's predictions go through: its booster.

    Raises
    ------
    ModelNotReadError
        If a parameter of its predict, which a sample may not show, changes some rows'
        predictions.
    """
    if not hasattr(model, "get_params"):  # a Booster, whose predict reads none
        return
    params = model.get_params()
    # Rows are not passed on to the last trees.
    if params.get("pred_early_stop") not in (None, False, "false", "-"):
        raise ModelNotReadError("pred_early_stop ends the sum of trees early")
    missing = params.get("missing")
    if missing is not None and not np.isnan(missing):
        raise ModelNotReadError(f"missing={missing!r} stands for no value in it")
    yield model.get_booster() if hasattr(model, "get_booster") else model.booster_


def xgboost(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """An XGBoost model of scikit-learn's interface."""
    booster = model.get_booster()
    best = booster.attr("best_iteration")
    if best is not None:  # predict leaves out what came after
        booster = booster[: int(best) + 1]
    raw = booster.save_raw(raw_format="json")
    content = json.loads(raw)
    learner = content["learner"]
    boosting = learner["gradient_booster"]
    if boosting["name"] not in ("gbtree", "dart"):
        raise ModelNotReadError(f"booster={boosting['name']!r} has no trees")
    inner = boosting.get("gbtree", boosting)["model"]
    levels = _xgboost_levels(learner, inner.get("cats"))
    if levels:  # treelite takes trees over codes only
        inner["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
        raw = json.dumps(content)
    precision = Precision(single=True, tolerance=1e-5)
    ensemble = _imported("from_xgboost_json", raw, 1.0, precision)
    positions = tuple(range(model.n_features_in_))
    # What a sparse matrix leaves out is missing to XGBoost.
    return ensemble, Inputs(positions, levels, True, takes_sparse=False)


def _xgboost_levels(learner: Mapping, cats: Mapping | None) -> dict[int, tuple]:
    """Categories of a dataframe's columns, in the order of their codes."""
    levels = {}
    for feature, coded in enumerate(cats["enc"] if cats else []):
        if coded.get("offsets"):
            text, ends = bytes(coded["values"]), coded["offsets"]
            levels[feature] = tuple(
                text[start:stop].decode() for start, stop in pairwise(ends)
            )
        elif coded.get("values"):
            levels[feature] = tuple(coded["values"])
    if not levels and learner["feature_names"] and "c" in learner["feature_types"]:
        raise ModelNotReadError(
            "it was trained on categories of a dataframe, whose codes this version of "
            "XGBoost does not keep"
        )
    return levels


def lightgbm(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """A LightGBM model of scikit-learn's interface, or a Booster."""
    booster = getattr(model, "booster_", model)
    if callable(getattr(model, "objective", None)):
        raise ModelNotReadError("its objective is a function, whose link is unknown")
    text = booster.model_to_string()
    _refuse_misread(text)
    # The logistic link's factor, which treelite keeps in single precision.
    sigmoid = re.search(r"^objective=.* sigmoid:(\S+)", text, flags=re.MULTILINE)
    factor = float(sigmoid[1]) if sigmoid else 1.0
    ensemble = _imported("from_lightgbm", booster, factor, Precision())
    cuts = {j: _beside_zero(cuts) for j, cuts in ensemble.cuts.items()}
    ensemble = replace(ensemble, cuts=cuts)
    # Integers of an array become single precision.
    exact_integers = 2**24 if probe.kind == "numpy" else 2**53
    positions = tuple(range(booster.num_feature()))
    levels = _lightgbm_levels(booster, probe)
    return ensemble, Inputs(positions, levels, True, exact_integers)


def _refuse_misread(text: str) -> None:
    if re.search(r"^is_linear=1", text, flags=re.MULTILINE):
        raise ModelNotReadError("linear_tree=True puts linear models into its leaves")
    types = re.findall(r"^decision_type=(.*)$", text, flags=re.MULTILINE)
    # Bits 2 and 3 say what is missing: nothing, zero or NaN.
    if any((int(kind) >> 2) & 3 == 1 for line in types for kind in line.split()):
        raise ModelNotReadError("zero_as_missing=True is read wrongly by treelite")


def _beside_zero(cuts: np.ndarray) -> np.ndarray:
    """Cuts as they act on rows in which numbers next to zero have become zero."""
    cuts = np.where((cuts >= -_ZERO) & (cuts < 0), np.nextafter(-_ZERO, -1), cuts)
    return np.where((cuts >= 0) & (cuts < _ZERO), _ZERO, cuts)


def _lightgbm_levels(booster: Any, probe: Table) -> dict[int, tuple]:
    """Categories of a dataframe's columns, in the order of their codes."""
    trained = booster.pandas_categorical or []
    positions = categorical_positions(probe)
    if len(trained) != len(positions):
        raise ModelNotReadError(
            f"it was trained on {len(trained)} columns of type category, the table has "
            f"{len(positions)}"
        )
    return dict(zip(positions, map(tuple, trained), strict=True))


def _imported(
    reader: str, source: Any, factor: float, precision: Precision
) -> Ensemble:
    """What treelite reads; all margins are multiplied by `factor`."""
    try:
        import treelite
    except ImportError as error:
        raise ModelNotReadError(MISSING_EXTRA) from error
    except OSError as error:  # a library of the system's that it needs
        raise ModelNotReadError(f"treelite cannot be loaded: {error}") from error
    try:
        model = getattr(treelite.frontend, reader)(source)
    except treelite.TreeliteError as error:
        raise ModelNotReadError(f"treelite does not read it: {error}") from error
    header = model.get_header_accessor()
    link = str(header.get_field("postprocessor"))
    if link not in _LINKS:
        raise ModelNotReadError(f"its link {link!r} is not known")
    if tuple(header.get_field("leaf_vector_shape")) != (1, 1):
        raise ModelNotReadError("its leaves hold vectors")
    output = _outputs(header)
    scale = np.full(model.num_tree, factor)
    if header.get_field("average_tree_output")[0]:
        scale /= np.bincount(output)[output]
    trees = [
        _tree(model.get_tree_accessor(i), float(scale[i]), int(output[i]))
        for i in range(model.num_tree)
    ]
    base = np.array(header.get_field("base_scores"), dtype=np.float64)
    return packed(trees, factor * base, _LINKS[link], precision)


def _outputs(header: Any) -> np.ndarray:
    """The class, or the target, that each tree adds to."""
    classes = header.get_field("class_id").astype(np.int64)
    targets = header.get_field("target_id").astype(np.int64)
    if targets.any() and classes.any():
        raise ModelNotReadError("it has several targets of several classes")
    return targets if targets.any() else classes


def _tree(accessor: Any, scale: float, output: int) -> Tree:
    def field(name: str, dtype: Any) -> np.ndarray:
        # A copy, as the memory is treelite's.
        return np.array(accessor.get_field(name), dtype=dtype)

    threshold = field("threshold", np.float64)
    less = field("cmp", np.int64) == _LESS_THAN
    below = np.nextafter(threshold[less].astype(np.float32), np.float32(-np.inf))
    threshold[less] = below
    first = field("category_list_begin", np.int64)
    last = field("category_list_end", np.int64)
    members = field("category_list", np.int64)
    members_right = field("category_list_right_child", bool)
    # What is not in the list takes the other side, in training or not.
    splits = {
        int(node): CategorySplit(
            members[first[node] : last[node]],
            members_left=not members_right[node],
            unknown_left=bool(members_right[node]),
        )
        for node in np.flatnonzero(field("node_type", np.int64) == _CATEGORICAL)
    }
    return Tree(
        left=field("cleft", np.int64),
        right=field("cright", np.int64),
        feature=field("split_index", np.int64),
        threshold=threshold,
        missing_left=field("default_left", bool),
        value=scale * field("leaf_value", np.float64)[:, None],
        output=output,
        splits=splits,
    )
