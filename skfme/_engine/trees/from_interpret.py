"""Explainable boosting machines of interpret, read from the tables of their terms.

A term is a table of scores over the bins of one feature or a few; a tree that finds the
bin of each feature in turn has the term's scores at its leaves. A number is in the bin
above a cut from the cut on, categories are known by what they are as text, and missing
and unknown values have bins of their own, the first and the last.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from skfme._engine.refusals import ModelNotReadError, RowsNotReadError
from skfme._engine.trees.ensembles import CategorySplit, Ensemble, Tree, packed
from skfme._engine.trees.inputs import Inputs
from skfme._frames.columns import ColumnData, factorized
from skfme._frames.tables import Table

__all__ = ["boosting_machine", "parts"]

_LINKS = {
    "identity": "identity",
    "log": "exponential",
    "logit": "logistic",
    "mlogit": "softmax",
}


def parts(model: Any) -> Iterator[Any]:
    """What predictions go through: nothing but the model and its arrays."""
    return iter(())


def boosting_machine(model: Any, method: str, probe: Table) -> tuple[Ensemble, Inputs]:
    """An ExplainableBoostingRegressor or ExplainableBoostingClassifier."""
    if model.link_ not in _LINKS:
        raise ModelNotReadError(f"its link {model.link_!r} is not known")
    link = "identity" if method == "decision_function" else _LINKS[model.link_]
    known = {
        feature: {name: i for i, name in enumerate(sorted(set().union(*levels)))}
        for feature, levels in enumerate(model.bins_)
        if model.feature_types_in_[feature] != "continuous"
    }
    base = np.ravel(np.asarray(model.intercept_, dtype=np.float64))
    trees = [
        _tree([_axis(model, feature, len(features), known) for feature in features], of)
        for features, of in zip(model.term_features_, model.term_scores_, strict=True)
    ]
    positions = _positions(list(model.feature_names_in_), probe)
    inputs = _NamedInputs(positions, {}, True, known=known)
    return packed(trees, base, link), inputs


def _positions(names: list[str], probe: Table) -> tuple[int, ...]:
    """The column of each feature: that of its name, or its own place."""
    place = {str(name): position for position, name in enumerate(probe.names)}
    if all(name in place for name in names):
        return tuple(place[name] for name in names)
    return tuple(range(len(names)))


class _Axis(NamedTuple):
    """A feature of a term: its cuts, or the codes of the categories of each bin."""

    feature: int
    cuts: np.ndarray | None
    members: list[np.ndarray]


def _axis(
    model: Any, feature: int, n_features: int, known: Mapping[int, Mapping[str, int]]
) -> _Axis:
    levels = model.bins_[feature]
    bins = levels[min(len(levels), n_features) - 1]  # coarser where there are several
    if feature not in known:
        return _Axis(feature, np.asarray(bins, dtype=np.float64), [])
    members: list[list[int]] = [[] for _ in range(max(bins.values(), default=0))]
    for name, number in bins.items():
        members[number - 1].append(known[feature][name])
    return _Axis(feature, None, [np.array(codes, dtype=np.int64) for codes in members])


def _tree(axes: list[_Axis], scores: np.ndarray) -> Tree:
    """The tree of a term, of which each leaf is an entry of its table."""
    scores = np.asarray(scores, dtype=np.float64)
    nodes = _Nodes(scores.shape[len(axes) :])
    nodes.grow(axes, scores)
    left, right, feature = (
        np.array(numbers, dtype=np.int64)
        for numbers in (nodes.left, nodes.right, nodes.feature)
    )
    return Tree(
        left=left,
        right=right,
        feature=feature,
        threshold=np.array(nodes.threshold),
        missing_left=np.array(nodes.missing_left, dtype=bool),
        value=np.array(nodes.value).reshape(len(left), -1),
        splits=nodes.splits,
    )


class _Nodes:
    """The nodes of a tree while it grows."""

    def __init__(self, width: tuple[int, ...]) -> None:
        self._none = np.zeros(width)
        self.left: list[int] = []
        self.right: list[int] = []
        self.feature: list[int] = []
        self.threshold: list[float] = []
        self.missing_left: list[bool] = []
        self.value: list[np.ndarray] = []
        self.splits: dict[int, CategorySplit] = {}

    def grow(self, axes: list[_Axis], scores: np.ndarray) -> int:
        """A table's tree, which first asks what is missing or unknown; its root."""
        if not axes:
            return self._added(value=scores)
        axis, *rest = axes
        if axis.cuts is not None:
            root = self._added(axis.feature, np.inf, missing_left=False)
            self.left[root] = self._halved(axis, rest, scores, 1, len(axis.cuts) + 1)
            self.right[root] = self.grow(rest, scores[0])
            return root
        every = np.concatenate([np.empty(0, dtype=np.int64), *axis.members])
        # Unknown categories go right at the root, missing ones below it.
        root = self._added(axis.feature, split=_left(every), missing_left=True)
        given = self._added(axis.feature, split=_left(every), missing_left=False)
        self.left[root], self.right[root] = given, self.grow(rest, scores[-1])
        self.left[given] = self._halved(axis, rest, scores, 1, len(axis.members))
        self.right[given] = self.grow(rest, scores[0])
        return root

    def _halved(
        self, axis: _Axis, rest: list[_Axis], scores: np.ndarray, low: int, high: int
    ) -> int:
        """A tree over the bins from `low` to `high`; its root."""
        if low >= high:
            return self.grow(rest, scores[low])
        middle = (low + high) // 2
        if axis.cuts is not None:
            threshold = np.nextafter(axis.cuts[middle - 1], -np.inf)
            root = self._added(axis.feature, threshold)
        else:
            members = np.concatenate(axis.members[low - 1 : middle])
            root = self._added(axis.feature, split=_left(members))
        self.left[root] = self._halved(axis, rest, scores, low, middle)
        self.right[root] = self._halved(axis, rest, scores, middle + 1, high)
        return root

    def _added(
        self,
        feature: int = 0,
        threshold: float = 0.0,
        *,
        missing_left: bool = True,
        split: CategorySplit | None = None,
        value: np.ndarray | None = None,
    ) -> int:
        node = len(self.left)
        self.left.append(-1)
        self.right.append(-1)
        self.feature.append(feature)
        self.threshold.append(float(threshold))
        self.missing_left.append(missing_left)
        self.value.append(self._none if value is None else value)
        if split is not None:
            self.splits[node] = split
        return node


def _left(members: np.ndarray) -> CategorySplit:
    return CategorySplit(members, members_left=True, unknown_left=False)


@dataclass(frozen=True)
class _NamedInputs(Inputs):
    """Columns of a table as features; categories by their code among the known ones.

    Attributes
    ----------
    known : dict of int -> dict of str -> int
        The code of each category, as text, of the features of categories.
    """

    known: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    def _values(self, feature: int, name: Hashable, column: ColumnData) -> np.ndarray:
        if feature not in self.known:
            return super()._values(feature, name, column)
        codes, distinct = factorized(column)
        known = self.known[feature]
        places = [known.get(_text_of(value, name), len(known)) for value in distinct]
        return np.array([*places, np.nan])[codes]


def _text_of(value: Any, name: Hashable) -> str:
    """A category as interpret knows it."""
    if isinstance(value, str):
        return value
    if isinstance(value, (int, np.integer)) and not isinstance(value, bool):
        return str(int(value))
    raise RowsNotReadError(f"column {name!r} holds the category {value!r}")
