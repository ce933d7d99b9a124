"""Whether objects still predict by their library's own code.

An engine that reads a model, or looks through what stands around it, computes what the
library would. Where a method was replaced, on the object or on its class, or where the
class is a user's own, predictions may differ in a few rows that no sample shows. What
else an engine reads of a model is its own matter.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

from sklearn.frozen import FrozenEstimator

from skfme._engine.refusals import ModelNotReadError

__all__ = [
    "alteration",
    "check_original",
    "frozen_original",
    "has_replaced_methods",
    "is_original",
    "links",
    "looked_through",
    "method_alteration",
    "replaced",
]

_LIBRARIES = frozenset(
    {"_catboost", "catboost", "interpret", "lightgbm", "sklearn", "skfme", "skopt"}
    | {"statsmodels", "xgboost"}
)
# Where decorators come from that the libraries put around their methods.
_DECORATORS = frozenset(
    {"abc", "contextlib", "dataclasses", "functools", "numpy", "pandas", "scipy"}
    | {"typing"}
)
_OUTPUTS = frozenset(
    {"predict", "predict_proba", "predict_log_proba", "decision_function", "transform"}
)
# What loggers of experiments replace, and no prediction asks.
_NOT_ASKED = frozenset({"fit", "fit_predict", "fit_transform", "partial_fit", "score"})


def looked_through(estimator: Any) -> tuple[Any, list[Any], list[Any]]:
    """The model inside frozen estimators, searches and pipelines.

    Returns
    -------
    model : object
    transformers : list
        In front of the model, the first one first.
    wrappers : list
        What was looked through, the outermost one first; whether it is the library's
        own is for :func:`check_original`.
    """
    # What `import skfme` has no need of.
    from sklearn.model_selection._search import BaseSearchCV
    from sklearn.pipeline import Pipeline

    transformers: list[Any] = []
    wrappers: list[Any] = []
    while True:
        if isinstance(estimator, FrozenEstimator):
            inner = estimator.estimator
        elif isinstance(estimator, BaseSearchCV):
            inner = getattr(estimator, "best_estimator_", None)
        elif type(estimator) is Pipeline:
            if len(estimator.steps) > 1:
                transformers.append(estimator[:-1])
            inner = estimator.steps[-1][1]
        else:
            return estimator, transformers, wrappers
        wrappers.append(estimator)
        estimator = inner


def frozen_original(estimator: Any) -> Any | None:
    """The model inside any FrozenEstimator around it; None if it, or one of these, may
    predict otherwise than the model's class says.
    """
    while isinstance(estimator, FrozenEstimator):
        if not is_original(estimator):
            return None
        estimator = estimator.estimator
    return estimator if _of_object(estimator) is None else None


def check_original(*parts: Any) -> None:
    """Refuse objects that may predict otherwise than their library.

    Raises
    ------
    ModelNotReadError
        The message names the object, and what was replaced.
    """
    # Members of an ensemble share their class, which is looked at once.
    reasons = [_of_class(kind) for kind in dict.fromkeys(map(type, parts))]
    reasons += [_of_object(part) for part in parts]
    for reason in filter(None, reasons):
        raise ModelNotReadError(reason)


def has_replaced_methods(estimator: Any) -> bool:
    """Whether a method was replaced on a model, or on what stands around it; classes of
    users are as they should be.
    """
    model, _, wrappers = looked_through(estimator)
    return any(_of_object(part) is not None for part in (*wrappers, model))


def links(model: Any) -> Iterator[Any]:
    """The loss that a model of scikit-learn was fitted by, and its link."""
    for name in ("_loss", "_base_loss"):
        loss = getattr(model, name, None)
        if loss is not None:
            yield loss
            yield loss.link


def is_original(part: Any) -> bool:
    """Whether an object predicts and transforms by its library's own code."""
    return alteration(part) is None


def alteration(part: Any) -> str | None:
    """What may make an object predict otherwise than its library; None if nothing."""
    return _of_class(type(part)) or _of_object(part)


def replaced(part: Any, method: str) -> str | None:
    """What was put in a method's place on one object; None if nothing."""
    is_own = method in _own_attributes(part)
    return f"{type(part).__name__}.{method} was replaced" if is_own else None


def method_alteration(part: Any, method: str) -> str | None:
    """The same as `alteration` of one method, on a class that users may extend."""
    kind = type(part)
    base = next((base for base in kind.__mro__ if method in vars(base)), object)
    if _is_librarys(vars(base).get(method)):
        return replaced(part, method)
    return f"{base.__name__}.{method} is none of a library's own"


def _of_class(kind: type) -> str | None:
    if not (_is_of(kind.__module__, _LIBRARIES) and _is_found(kind)):
        return (
            f"{kind.__name__} is a class of {kind.__module__}, which may predict otherwise "
            "than a library's own"
        )
    for base in kind.__mro__:
        for name, value in vars(base).items():
            if name in _NOT_ASKED or _is_librarys(value):
                continue
            if _is_asked(kind, name):
                return f"{base.__name__}.{name} was replaced for the whole class"
    return None


def _of_object(part: Any) -> str | None:
    kind = type(part)
    for name, value in _own_attributes(part).items():
        shadows = callable(value) and callable(getattr(kind, name, None))
        if name in _OUTPUTS or (shadows and name not in _NOT_ASKED):
            return f"{kind.__name__}.{name} was replaced"
    return None


def _is_asked(kind: type, name: str) -> bool:
    """Whether predicting may come to an attribute of a class: its own methods name it.

    What a package adds beside them, as survival packages do to all pipelines, is asked by
    that package alone.
    """
    if name in _OUTPUTS or name.startswith("__"):  # those Python asks itself
        return True
    values = (value for base in kind.__mro__ for value in vars(base).values())
    functions = (f for value in values for f in _functions(value) if _is_own_code(f))
    return any(name in _names(getattr(f, "__code__", None)) for f in functions)


def _names(code: CodeType | None) -> Iterator[str]:
    """What a function's code names, texts included, as they may be attributes."""
    if code is not None:
        yield from code.co_names
        for constant in code.co_consts:
            if isinstance(constant, str):
                yield constant
            elif isinstance(constant, CodeType):
                yield from _names(constant)


def _own_attributes(part: Any) -> dict[str, Any]:
    try:  # results of statsmodels answer for another object
        own: dict[str, Any] = object.__getattribute__(part, "__dict__")
    except AttributeError:
        return {}
    return own


def _is_found(kind: type) -> bool:
    """Whether a class stands where it says that it comes from."""
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind


def _is_librarys(value: Any) -> bool:
    """Whether an entry of a class, and all that it wraps, is code of the libraries."""
    return all(_is_own_code(function) for function in _functions(value))


def _functions(value: Any) -> Iterator[Any]:
    """A method, and the methods that it wraps."""
    if isinstance(value, staticmethod | classmethod):
        value = value.__func__
    elif isinstance(value, property):
        value = value.fget
    value = getattr(value, "fn", value)  # of a method that is there on a condition
    while value is not None:
        yield value
        value = getattr(value, "__wrapped__", None)


def _is_own_code(value: Any) -> bool:
    if isinstance(value, FunctionType):
        # Its module can be set, and decorators do; its globals are where it was written.
        module = value.__globals__.get("__name__", "")
        return _is_of(module, _LIBRARIES | _DECORATORS)
    if isinstance(value, type) or not callable(value):
        return True
    kind = type(value).__module__
    return _is_of(
        kind, _LIBRARIES | {"builtins", "types", "typing"}
    ) or kind.startswith("_cython")


def _is_of(module: str, roots: frozenset[str]) -> bool:
    return module.partition(".")[0] in roots
