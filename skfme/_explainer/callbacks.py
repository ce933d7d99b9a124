"""scikit-learn's callbacks, handed on to the model while an explainer fits it.

They came with scikit-learn 1.9; before, there is nothing to set. What a callback does
is its own.
Their module is loaded when callbacks are set, so that `import skfme` stays light.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from skfme._decorators import available_if

__all__ = ["CallbackSupport"]


def _scikit_learn_has_callbacks(_: Any) -> bool:
    return find_spec("sklearn.callback") is not None


class CallbackSupport:
    """`set_callbacks` of a meta-estimator with one model."""

    @available_if(_scikit_learn_has_callbacks)
    def set_callbacks(self, *callbacks: Any) -> Any:
        """Set scikit-learn's callbacks, such as ``sklearn.callback.ProgressBar()``.

        They follow the model's fit, where the model supports callbacks too. Only with
        scikit-learn 1.9 or newer.

        Parameters
        ----------
        *callbacks : callback instances
            None at all removes those set before.

        Returns
        -------
        self : FMEExplainer
        """
        from sklearn.callback import CallbackSupportMixin

        return CallbackSupportMixin.set_callbacks(self, *callbacks)

    @contextmanager
    def _task_of_model(self, estimator: Any, X: Any, y: Any) -> Iterator[None]:
        """While the model is fitted: the one task of this fit, which callbacks follow."""
        if not (
            hasattr(self, "_skl_callbacks") or hasattr(self, "_parent_callback_ctx")
        ):
            yield
            return
        from sklearn.callback import CallbackSupportMixin

        fit = CallbackSupportMixin._init_callback_context(self, max_subtasks=1)
        fit.call_on_fit_task_begin(estimator=self, X=X, y=y)
        task = fit.subcontext(task_name="fit-estimator")
        with task.propagate_callback_context(estimator):
            task.call_on_fit_task_begin(estimator=self, X=X, y=y)
            yield
            task.call_on_fit_task_end(estimator=self, X=X, y=y)
        fit.call_on_fit_task_end(estimator=self, X=X, y=y)
