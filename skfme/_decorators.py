"""scikit-learn's decorators, with types.

scikit-learn ships none, and an untyped decorator leaves what it decorates untyped:
whoever calls ``FMEExplainer(…).fit(X, y).explain(X)`` would be told nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.utils.metaestimators import available_if as _available_if

__all__ = ["available_if", "fit_context"]

Method = TypeVar("Method", bound=Callable[..., Any])


def available_if(check: Callable[[Any], bool]) -> Callable[[Method], Method]:
    """The method is there only for objects of which the check is true."""
    decorator: Callable[[Method], Method] = _available_if(check)
    return decorator


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Declared parameters are validated before fit, callbacks torn down after."""
    decorator: Callable[[Method], Method] = _fit_context(
        prefer_skip_nested_validation=prefer_skip_nested_validation
    )
    return decorator
