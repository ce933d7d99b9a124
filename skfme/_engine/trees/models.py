"""Which fitted models are read as tree ensembles, and by which importer.

Only exact types are read: a subclass may predict otherwise. Frozen estimators,
searches and pipelines are looked through.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils import get_tags

from skfme._engine.prediction import Response, model_name
from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.ensembles import Ensemble
from skfme._engine.trees.inputs import Inputs, TransformedInputs, transformed_table
from skfme._frames.tables import Table

__all__ = ["asks_trees", "is_ensemble", "looked_through", "read_ensemble"]

# Library and type -> module and function (model, method, probe) -> Ensemble, Inputs.
_SKLEARN = {
    "DecisionTree": "single_trees",
    "ExtraTree": "single_trees",
    "RandomForest": "single_trees",
    "ExtraTrees": "single_trees",
    "GradientBoosting": "gradient_boosting",
    "HistGradientBoosting": "hist_gradient_boosting",
}
_XGBOOST = ("XGBRegressor", "XGBClassifier", "XGBRFRegressor", "XGBRFClassifier")
_LIGHTGBM = ("LGBMRegressor", "LGBMClassifier", "Booster")
_READERS: dict[tuple[str, str], tuple[str, str]] = {
    **{
        ("sklearn", f"{name}{kind}"): ("from_sklearn", reader)
        for name, reader in _SKLEARN.items()
        for kind in ("Regressor", "Classifier")
    },
    **{("xgboost", name): ("from_boosters", "xgboost") for name in _XGBOOST},
    **{("lightgbm", name): ("from_boosters", "lightgbm") for name in _LIGHTGBM},
}


def looked_through(estimator: Any) -> tuple[Any, list[Any]]:
    """The last model inside, and the transformers in front of it, first one first."""
    transformers: list[Any] = []
    while True:
        if isinstance(estimator, FrozenEstimator):
            estimator = estimator.estimator
        elif isinstance(estimator, BaseSearchCV):
            estimator = getattr(estimator, "best_estimator_", None)
        elif type(estimator) is Pipeline:
            if len(estimator.steps) > 1:
                transformers.append(estimator[:-1])
            estimator = estimator.steps[-1][1]
        else:
            return estimator, transformers


def is_ensemble(estimator: Any) -> bool:
    """Whether the last model inside is a tree ensemble of a type that is read."""
    return _key(looked_through(estimator)[0]) in _READERS


def asks_trees(estimator: Any) -> bool:
    """Whether the last model inside calls scikit-learn's trees, one by one."""
    members = getattr(looked_through(estimator)[0], "estimators_", None)
    # Not so gradient boosting, whose trees are an array and called at once.
    return isinstance(members, list) and any(hasattr(m, "tree_") for m in members[:1])


def _key(model: Any) -> tuple[str, str]:
    return type(model).__module__.split(".")[0], type(model).__name__


def read_ensemble(
    response: Response, probe: Table
) -> tuple[Ensemble, Inputs | TransformedInputs]:
    """The ensemble behind a response, and how tables become its features.

    Parameters
    ----------
    response : Response
    probe : Table
        A row or two, as the model gets them.

    Raises
    ------
    ModelNotReadError
        If the response is no tree ensemble's, or one that cannot be promised to be
        read rightly; the message says why.
    """
    model, transformers = looked_through(response.estimator)
    name = model_name(model)
    if _key(model) not in _READERS:
        raise ModelNotReadError(f"{name} is no tree ensemble that it reads")
    if not isinstance(response.method, str):
        raise ModelNotReadError("response_method is a function, not a method")
    _check_method(model, response.method, name)
    probe, _ = transformed_table(transformers, probe)
    module, function = _READERS[_key(model)]
    reader = getattr(import_module(f"skfme._engine.trees.{module}"), function)
    ensemble, inputs = reader(model, response.method, probe)
    if len(ensemble.base) != len(response.outputs):
        raise ModelNotReadError(
            f"{name} has {len(ensemble.base)} margins for {len(response.outputs)} outputs"
        )
    if transformers:
        return ensemble, TransformedInputs(tuple(transformers), inputs)
    return ensemble, inputs


def _check_method(model: Any, method: str, name: str) -> None:
    # A booster is no estimator; its predict is a regressor's.
    classifies = (
        hasattr(model, "fit") and get_tags(model).estimator_type == "classifier"
    )
    # Labels cannot be subtracted.
    sums = ("predict_proba", "decision_function") if classifies else ("predict",)
    if method not in sums:
        raise ModelNotReadError(f"{name}.{method} is no sum of trees")
