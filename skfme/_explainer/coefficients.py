"""Results of econometric packages, whose predict has ways of its own.

That of linearmodels goes by position, and pyfixest's is on the scale of the link.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["is_by_position", "options_of_predict", "predicted_by_name"]


def options_of_predict(model: Any) -> dict[str, str]:
    """What predict must be told to predict outcomes: of fepois and feglm the mean."""
    library = type(model).__module__.partition(".")[0]
    bends = getattr(model, "_method", "").startswith(("fepois", "feglm"))
    return {"type": "response"} if library == "pyfixest" and bends else {}


def is_by_position(model: Any) -> bool:
    """Whether it is a results object of linearmodels, of one equation."""
    library, _, rest = type(model).__module__.partition(".")
    coefficients = hasattr(getattr(model, "params", None), "index")
    return library == "linearmodels" and not rest.startswith("system") and coefficients


def predicted_by_name(results: Any, X: Any) -> Any:
    """Predictions of a table, whose columns are found by their names.

    Raises
    ------
    ValueError
        If X lacks a column of the design, has another number of columns than it and no
        names, or is no panel where one is needed.
    """
    name = type(results).__name__
    if (
        ".panel." in type(results).__module__
        and getattr(getattr(X, "index", None), "nlevels", 1) != 2
    ):
        raise ValueError(
            f"{name} predicts a pandas table whose index has two levels, entity and time; "
            "X has no such index. Set it with X.set_index([entity, time])."
        )
    if getattr(results.model, "formula", None):
        return results.predict(data=X)
    design = list(results.params.index)
    if not hasattr(X, "columns"):
        if np.shape(X)[1] != len(design):
            raise ValueError(
                f"{name} has {len(design)} coefficients ({_listed(design)}), and X has "
                f"{np.shape(X)[1]} columns; expected one column for each."
            )
        return results.predict(X)
    lacking = [column for column in design if column not in X.columns]
    if lacking:
        raise ValueError(
            f"X lacks {_listed(lacking)}, which {name} has a coefficient of. Give all "
            f"columns of its design: {_listed(design)}."
        )
    return results.predict(X[design])


def _listed(names: list[Any]) -> str:
    return ", ".join(map(repr, names))
