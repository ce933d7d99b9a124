"""What may be asked of a joint step: the options of attribute(), checked."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence, Set
from dataclasses import replace
from math import comb
from numbers import Integral
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils import check_random_state

from skfme._attribution.questions import Question
from skfme._frames.hints import known_names, nearest, shown
from skfme.steps._changes import NamedStep

__all__ = ["METHODS", "check_memory", "question_of"]

METHODS = ("shapley", "path", "sequential")
_LEAST_PERMUTATIONS = 4  # two orders and their reverses have an SD


def question_of(
    step: NamedStep,
    method: str,
    order: Sequence[Hashable] | None,
    interactions: bool | str,
    n_permutations: int | None,
    random_state: Any,
) -> Question:
    """What is asked, where it can be asked of the step."""
    if method not in METHODS:
        raise ValueError(
            f"method={method!r} is not known; expected one of "
            f"{', '.join(map(repr, METHODS))}.{nearest(method, METHODS)}"
        )
    if interactions not in (True, False, "rows"):
        raise ValueError(
            f"interactions={interactions!r} is not known; expected True, False or 'rows'."
        )
    if interactions and method != "shapley":
        raise ValueError(
            f"Interactions are those of method='shapley'; method={method!r} has none."
        )
    if n_permutations is not None:
        _check_orders(method, n_permutations)
    if len(step.changes) == 1:
        raise ValueError(
            f"{step.name!r} changes one feature, whose part is the whole effect: see "
            f"explain(X)[{step.name!r}]. Name a step of several features."
        )
    if method == "path":
        _check_numeric(step)
    question = Question(
        method,
        len(step.changes),
        bool(interactions),
        None if order is None else _places(step, method, order),
        None if n_permutations is None else int(n_permutations),
        keep_pairs=interactions == "rows",
    )
    generator = check_random_state(random_state)
    if not question.samples:  # nothing is drawn, of a generator that others share
        return question
    return replace(question, seed=int(generator.randint(np.iinfo(np.int32).max)))


def _check_orders(method: str, n_permutations: Any) -> None:
    """Refuse a number of sampled orders that is none, or that nothing would sample."""
    if not isinstance(n_permutations, Integral) or (
        int(n_permutations) < _LEAST_PERMUTATIONS
    ):
        raise ValueError(
            f"n_permutations must be a whole number of at least {_LEAST_PERMUTATIONS}, "
            f"got {n_permutations!r}."
        )
    if method != "shapley":
        raise ValueError(
            f"Orders are sampled for method='shapley', and method={method!r} samples none: "
            "leave n_permutations out."
        )


def _check_numeric(step: NamedStep) -> None:
    fixed = [change.feature for change in step.changes if not change.numeric]
    if fixed:
        raise ValueError(
            f"method='path' moves features through the values in between, which "
            f"{', '.join(map(repr, fixed))} has not: categories and dates jump. Take "
            "method='shapley'."
        )


def _places(step: NamedStep, method: str, order: Sequence[Hashable]) -> tuple[int, ...]:
    """The features of an order by their place in the step."""
    if method != "sequential":
        raise ValueError(f"order= is for method='sequential', not {method!r}.")
    features = [change.feature for change in step.changes]
    places: dict[Any, int] = {c.position: k for k, c in enumerate(step.changes)}
    named = {feature: k for k, feature in enumerate(features)}
    _check_sequence(order, features)
    found = []
    for entry in order:
        place = named.get(str(entry), places.get(entry))
        if place is None:
            raise ValueError(
                f"order names {entry!r}, which {step.name!r} does not change."
                + (nearest(entry, features) or known_names(features))
            )
        found.append(place)
    if sorted(found) != list(range(len(features))):
        raise ValueError(
            f"order must name each of {', '.join(map(repr, features))} once, got "
            f"{list(order)!r}."
        )
    return tuple(found)


def _check_sequence(order: Any, features: list[str]) -> None:
    """Refuse an order that is no list of single features."""
    is_listed = isinstance(order, Sequence) or hasattr(order, "__array__")
    if isinstance(order, (str, Mapping, Set)) or not is_listed:
        raise TypeError(
            f"order must be a list of features such as {features!r}, got {shown(order)}."
        )
    nested = [entry for entry in order if not isinstance(entry, Hashable)]
    if nested:
        raise TypeError(
            f"order names one feature after the other, such as {features!r}; one of its "
            f"entries is {shown(nested[0])}."
        )


def check_memory(n_rows: int, n_features: int, n_outputs: int) -> None:
    """Refuse interactions of rows that do not fit into `working_memory`."""
    n_bytes = 8 * n_rows * comb(n_features, 2) * n_outputs
    budget = get_config()["working_memory"]
    if n_bytes > budget * 2**20:
        raise ValueError(
            f"Interactions of {comb(n_features, 2):,} pairs in {n_rows:,} rows take "
            f"{_mib(n_bytes / 2**20)} MiB, more than scikit-learn's working_memory of "
            f"{_mib(budget)} MiB. interactions=True keeps their means and SDs; or explain "
            "fewer rows at a time."
        )


def _mib(size: float) -> str:
    return f"{size:,.0f}" if size >= 1 else f"{size:.2g}"
