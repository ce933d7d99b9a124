"""Why an exact engine leaves a model, or some rows, to the model's own predictions."""

from __future__ import annotations

__all__ = ["MISSING_EXTRA", "ModelNotReadError", "RowsNotReadError", "refusal"]

MISSING_EXTRA = "the extra `fast` is not installed (pip install 'skfme[fast]')"


class ModelNotReadError(Exception):
    """A model that cannot be promised to be read rightly; the message says why."""


class RowsNotReadError(Exception):
    """Rows whose values cannot be promised to be read as the model would."""


def refusal(engine: str, reason: str) -> ValueError:
    """The error where the user insists on an engine."""
    return ValueError(
        f"engine={engine!r} cannot compute these effects: {reason}. Under "
        "engine='auto' the model's own predictions are differenced instead."
    )
