"""Which fitted models are read as tree ensembles, and by which importer.

Only exact types are read: a subclass may predict otherwise. Frozen estimators,
searches and pipelines are looked through (see :mod:`skfme._engine.originals`).
"""

from __future__ import annotations

from importlib import import_module
from itertools import chain
from typing import Any

from sklearn.utils import get_tags

from skfme._engine.originals import check_original, looked_through
from skfme._engine.prediction import Response, model_name
from skfme._engine.refusals import ModelNotReadError
from skfme._engine.trees.ensembles import Ensemble
from skfme._engine.trees.forests import IsolationTrees, isolation_trees
from skfme._engine.trees.inputs import Inputs, TransformedInputs, transformed_table
from skfme._frames.tables import Table

__all__ = [
    "asks_trees",
    "check_ensemble",
    "has_jumps",
    "least_points",
    "read_ensemble",
    "read_isolation_forest",
]

# Library and type -> module and function (model, method, probe) -> Ensemble, Inputs. Each
# module has a function `parts`: model -> objects that predictions go through.
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
_CATBOOST = ("CatBoostRegressor", "CatBoostClassifier")
_INTERPRET = ("ExplainableBoostingRegressor", "ExplainableBoostingClassifier")
_READERS: dict[tuple[str, str], tuple[str, str]] = {
    **{
        ("sklearn", f"{name}{kind}"): ("from_sklearn", reader)
        for name, reader in _SKLEARN.items()
        for kind in ("Regressor", "Classifier")
    },
    **{("xgboost", name): ("from_xgboost", "xgboost") for name in _XGBOOST},
    **{("lightgbm", name): ("from_lightgbm", "lightgbm") for name in _LIGHTGBM},
    **{("catboost", name): ("from_catboost", "catboost") for name in _CATBOOST},
    **{
        ("interpret", name): ("from_interpret", "boosting_machine")
        for name in _INTERPRET
    },
}


def has_jumps(estimator: Any) -> bool:
    """Whether predictions are those of trees, and so jump."""
    model = looked_through(estimator)[0]
    known = _key(model) in _READERS or _key(model)[0] == "catboost"
    return known or asks_trees(estimator)


def asks_trees(estimator: Any) -> bool:
    """Whether the last model inside calls scikit-learn's trees, one by one."""
    members = getattr(looked_through(estimator)[0], "estimators_", None)
    # Not so gradient boosting, whose trees are an array and called at once.
    return isinstance(members, list) and any(hasattr(m, "tree_") for m in members[:1])


def least_points(estimator: Any) -> int:
    """Stepped predictions of a row, fewer of which cost less than a walk."""
    # CatBoost asks all rows a level's one question in a few instructions.
    return 6 if _key(looked_through(estimator)[0])[0] == "catboost" else 1


def _key(model: Any) -> tuple[str, str]:
    return type(model).__module__.split(".")[0], type(model).__name__


def check_ensemble(response: Response) -> None:
    """Refuse a response that is none of an ensemble, or not by its library's own code.

    This costs little beside reading the trees, and is asked again of a model that has
    been read: methods and parameters may have been set since.

    Raises
    ------
    ModelNotReadError
        The message says why.
    """
    model, _, wrappers = looked_through(response.estimator)
    name = model_name(model)
    if _key(model) not in _READERS:
        raise ModelNotReadError(f"{name} is no tree ensemble that it reads")
    if not isinstance(response.method, str):
        raise ModelNotReadError("response_method is a function, not a method")
    check_original(*wrappers, model)
    _check_method(model, response.method, name)
    check_original(*_reader(model).parts(model))


def _reader(model: Any) -> Any:
    return import_module(f"skfme._engine.trees.{_READERS[_key(model)][0]}")


def read_ensemble(
    response: Response, probe: Table
) -> tuple[Ensemble, Inputs | TransformedInputs]:
    """The ensemble behind a response, and how tables become its features.

    Parameters
    ----------
    response : Response
        That :func:`check_ensemble` does not refuse.
    probe : Table
        A row or two, as the model gets them.

    Raises
    ------
    ModelNotReadError
        If the ensemble cannot be promised to be read rightly; the message says why.
    """
    model, transformers, _ = looked_through(response.estimator)
    probe, _ = transformed_table(transformers, probe)
    reader = getattr(_reader(model), _READERS[_key(model)][1])
    ensemble, inputs = reader(model, response.method, probe)
    if len(ensemble.base) != len(response.outputs):
        raise ModelNotReadError(
            f"{model_name(model)} has {len(ensemble.base)} margins for "
            f"{len(response.outputs)} outputs"
        )
    if transformers:
        return ensemble, TransformedInputs(tuple(transformers), inputs)
    return ensemble, inputs


def read_isolation_forest(detector: Any, table: Table) -> IsolationTrees:
    """The path lengths of an isolation forest, plain or at the end of a pipeline.

    Raises
    ------
    ModelNotReadError
        If it is none, or may judge otherwise than by its library's own code.
    """
    model, transformers, wrappers = looked_through(detector)
    if _key(model) != ("sklearn", "IsolationForest"):
        raise ModelNotReadError(f"{model_name(model)} is no isolation forest")
    check_original(*wrappers, model)
    members = ((member, member.tree_) for member in model.estimators_)
    check_original(*chain.from_iterable(members))
    return isolation_trees(model, transformers)


def _check_method(model: Any, method: str, name: str) -> None:
    # A booster is no estimator; its predict is a regressor's.
    classifies = (
        hasattr(model, "fit") and get_tags(model).estimator_type == "classifier"
    )
    # Labels cannot be subtracted.
    sums = ("predict_proba", "decision_function") if classifies else ("predict",)
    if method not in sums:
        raise ModelNotReadError(f"{name}.{method} is no sum of trees")
