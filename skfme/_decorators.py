"""What scikit-learn does for its own estimators only, done for ours.

Its decorators have no types, and an untyped decorator leaves what it decorates untyped:
whoever calls ``FMEExplainer(…).fit(X, y).explain(X)`` would be told nothing. Its pickles
know the version that wrote them where the class is scikit-learn's.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.metaestimators import available_if as _available_if

__all__ = ["OtherVersionWarning", "VersionedPickle", "available_if", "fit_context"]

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


class OtherVersionWarning(InconsistentVersionWarning):
    """A pickle was written by another version of skfme."""

    def __str__(self) -> str:
        return (
            f"This {self.estimator_name} was pickled by skfme "
            f"{self.original_sklearn_version}, and is read by "
            f"{self.current_sklearn_version}: it may break, or have other results. Fit it "
            "again, or read it with the version that wrote it."
        )


class VersionedPickle:
    """An estimator that warns where another version of skfme has pickled it."""

    def __getstate__(self) -> dict[str, Any]:
        state: Any = super().__getstate__()
        return {**(state or {}), "_skfme_version": _version()}

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        written = state.get("_skfme_version", "before 0.1.0")
        if written != _version():
            warnings.warn(
                OtherVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=_version(),
                    original_sklearn_version=written,
                ),
                stacklevel=2,
            )
        kept = {name: part for name, part in state.items() if name != "_skfme_version"}
        super().__setstate__(kept)  # type: ignore[misc]


def _version() -> str:
    version: str = sys.modules["skfme"].__version__
    return version
