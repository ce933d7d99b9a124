"""What an explainer passes on to its model: predictions, score, metadata and tags.

A pipeline that ends in an explainer still predicts, and a search can score it. Fitting
and explaining live beside this.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags
from sklearn.utils.metadata_routing import (
    UNUSED,
    MetadataRouter,
    MethodMapping,
    _routing_enabled,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted

from skfme._decorators import available_if

if TYPE_CHECKING:
    from skfme._frames.tables import Table

__all__ = ["DelegatedPredictions"]


def _estimator_has(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        # Raises the inner estimator's own AttributeError.
        getattr(getattr(self, "estimator_", self.estimator), method)
        return True

    return check


class DelegatedPredictions:
    """Methods of the fitted model, after the explainer's own check of X."""

    # Whether a score takes weights is requested on the model. The signature names them all
    # the same, since searches without routing look for them there.
    __metadata_request__score: ClassVar = {"sample_weight": UNUSED}

    estimator: Any
    estimator_: Any
    response_method: str | Callable[..., Any]
    _table: Callable[[Any], Table]

    @available_if(_estimator_has("predict"))
    def predict(self, X: Any) -> Any:
        """Predictions of the fitted model."""
        table = self._table(X)
        return self.estimator_.predict(table.private())

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: Any) -> Any:
        """Class probabilities of the fitted model."""
        table = self._table(X)
        return self.estimator_.predict_proba(table.private())

    @available_if(_estimator_has("predict_log_proba"))
    def predict_log_proba(self, X: Any) -> Any:
        """Log class probabilities of the fitted model."""
        table = self._table(X)
        return self.estimator_.predict_log_proba(table.private())

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: Any) -> Any:
        """Decision function of the fitted model."""
        table = self._table(X)
        return self.estimator_.decision_function(table.private())

    @available_if(_estimator_has("score"))
    def score(
        self, X: Any, y: Any = None, sample_weight: Any = None, **params: Any
    ) -> float:
        """Score of the fitted model.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)
        y : array-like, default=None
        sample_weight : array-like of shape (n_samples,), default=None
        **params : dict
            Passed to the model's score with the weights, or routed to it.

        Returns
        -------
        score : float
        """
        table = self._table(X)
        if sample_weight is not None:
            params["sample_weight"] = sample_weight
        if _routing_enabled():
            params = dict(process_routing(self, "score", **params).estimator.score)
        score: float = self.estimator_.score(table.private(), y, **params)
        return score

    @property
    def classes_(self) -> Any:
        """Class labels of the fitted model."""
        try:
            check_is_fitted(self, "estimator_")
        except NotFittedError as error:
            raise AttributeError(str(error)) from error
        return self.estimator_.classes_

    def get_metadata_routing(self) -> MetadataRouter:
        """Where metadata go: `fit` and `score` pass them on to the model.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        mapping = mapping.add(caller="score", callee="score")
        router = MetadataRouter(owner=type(self).__name__).add_self_request(self)
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        try:
            inner = get_tags(self.estimator)
        except (AttributeError, TypeError):
            return tags
        names = ("estimator_type", "classifier_tags", "regressor_tags", "target_tags")
        for name in (*names, "input_tags", "non_deterministic"):
            setattr(tags, name, getattr(inner, name))
        # Sparse tables have no columns that could be changed one at a time.
        tags.input_tags.sparse = False
        if self._wants_one_target():
            if tags.classifier_tags is not None:  # its bases may come in another order
                tags.classifier_tags.multi_label = False
            tags.target_tags.multi_output = False
        if isinstance(self.estimator, FrozenEstimator):
            tags.target_tags.required = False
        return tags

    def _wants_one_target(self) -> bool:
        """Classifiers of several outputs need a response_method."""
        return self.response_method == "auto" and is_classifier(self.estimator)
