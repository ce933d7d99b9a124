"""The mean of a statsmodels model as a scikit-learn estimator predicts it.

What is fitted, and how a table becomes a design, is for the classes that stand on it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if

from skfme._decorators import VersionedPickle
from skfme._frames.tables import Table
from skfme.statsmodels._models.inputs import MeanInputs
from skfme.statsmodels._models.offsets import Offset
from skfme.statsmodels._models.parametric import FittedModel

__all__ = ["MeanEstimator", "mean_of_rows"]


def mean_of_rows(fitted: FittedModel, table: Table) -> np.ndarray:
    """Predictions of a model, of shape (n_samples, n_outputs)."""
    offset = Offset(fitted.offset_columns).at(table, slice(None))
    return fitted.mean(fitted.params, MeanInputs(fitted.design.matrix(table), offset))


class MeanEstimator(VersionedPickle, BaseEstimator):
    """A regressor or a classifier by the mean of a model."""

    classes_: np.ndarray

    def _classifies(self) -> bool:
        """Whether the estimator predicts classes."""
        raise NotImplementedError

    def _mean(self, X: Any) -> np.ndarray:
        """Predictions of the model, of shape (n_samples, n_outputs)."""
        raise NotImplementedError

    def predict(self, X: Any) -> np.ndarray:
        """The mean of y given X, or the most probable class.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,), or (n_samples, n_responses)
            NaN where a row misses a value that the formula needs.
        """
        if self._classifies():
            most_probable = np.argmax(self.predict_proba(X), axis=1)
            return self.classes_[most_probable]
        mean = self._mean(X)
        return mean[:, 0] if mean.shape[1] == 1 else mean

    @available_if(lambda self: self._classifies())
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array-like or dataframe of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
        """
        p = self._mean(X)
        return np.column_stack([1 - p[:, 0], p[:, 0]]) if p.shape[1] == 1 else p

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if self._classifies():
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags
