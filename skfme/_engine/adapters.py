"""Models that take tables in ways of their own, or not at all.

Boosters of XGBoost, treelite's models, river's and sessions of ONNX have types of input
of their own. Which type a table becomes, and in which precision, is for their user to
say, in a function.
"""

from __future__ import annotations

from typing import Any

__all__ = ["refuse_without_tables"]

_ONE_BY_ONE = 'model.{method}(row){value} for row in X.to_dict("records")'
# Library and type -> the function.
_FUNCTIONS = {
    ("xgboost", "Booster"): "lambda X: model.predict(xgboost.DMatrix(X))",
    ("treelite", "Model"): (
        "lambda X: treelite.gtil.predict(model, X.to_numpy('float32'))[:, 0, 0]"
    ),
    ("onnxruntime", "InferenceSession"): (
        "lambda X: model.run(None, {model.get_inputs()[0].name: X.to_numpy('float32')})[0]"
    ),
}


def refuse_without_tables(model: Any) -> None:
    """Refuse a model that is known to take no table.

    Raises
    ------
    TypeError
        Which says what function to write.
    """
    kind = type(model)
    function = _FUNCTIONS.get((kind.__module__.split(".")[0], kind.__name__))
    if function is None and not hasattr(model, "predict"):
        function = _one_by_one(model)
    if function is not None:
        raise TypeError(
            f"A {kind.__name__} of {kind.__module__.split('.')[0]} does not predict tables. "
            f"Explain a function that makes its input of one, such as {function}."
        )


def _one_by_one(model: Any) -> str | None:
    """River's models take one row at a time, and the probabilities of a classifier."""
    if not hasattr(model, "predict_one"):
        return None
    while hasattr(model, "steps"):  # a pipeline has the methods of every model
        model = list(model.steps.values())[-1]
    if hasattr(model, "predict_proba_one"):
        entries = _ONE_BY_ONE.format(method="predict_proba_one", value=".get(True, 0)")
    else:
        entries = _ONE_BY_ONE.format(method="predict_one", value="")
    return f"lambda X: [{entries}]"
