"""Results of statsmodels as a model that is given, for fme() and ame()."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags
from sklearn.utils.metaestimators import available_if

from skfme._frames.tables import Table, as_table
from skfme.statsmodels._models.designs import Design, check_design
from skfme.statsmodels._models.fitted import FittedModel, fitted_model

__all__ = ["GivenResults"]


class GivenResults(BaseEstimator):
    """A results object of statsmodels, as a model that is given and never fitted.

    Parameters
    ----------
    results : results object of a statsmodels fit

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Of a multinomial or an ordered model.
    """

    def __init__(self, results: Any) -> None:
        self.results = results

    def fit(self, X: Any = None, y: Any = None) -> GivenResults:
        """Read the results, and compare what is rebuilt of them; nothing is fitted.

        Raises
        ------
        ValueError
            If a design is rebuilt otherwise than it was fitted, or the model has an
            offset, which a table alone does not tell.
        """
        fitted = fitted_model(self.results)
        check_design(fitted.design, fitted.model)
        if fitted.own_offset is not None:
            names = " and ".join(fitted.offset_names or ["offset"])
            part = (fitted.offset_names or ["offset"])[0]
            raise ValueError(
                f"The {fitted.name} model was fitted with {names}, which X alone does not "
                f"tell. Explain lambda X: results.predict(X, {part}=X['a column']), or "
                f"StatsmodelsEstimator({part}='a column') fitted by scikit-learn's rules."
            )
        fitted.warn_if_not_converged()
        self.__name__ = fitted.name
        self.fitted_ = fitted
        if len(fitted.outputs) > 1:
            self.classes_ = np.array(fitted.outputs)
        return self

    def columns_read(self, table: Table) -> list[int]:
        """Positions of the table's columns that the model's design reads."""
        design: Design = self.fitted_.design
        return design.used(table)

    def predict(self, X: Any) -> np.ndarray:
        """The model's mean, of shape (n_samples,); the most probable class's name."""
        if hasattr(self, "classes_"):
            most = np.argmax(self.predict_proba(X), axis=1)
            return self.classes_[most]
        return self._mean(X)[:, 0]

    @available_if(lambda self: hasattr(self, "classes_"))
    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities of the outputs, of shape (n_samples, n_outputs)."""
        return self._mean(X)

    def _mean(self, X: Any) -> np.ndarray:
        fitted: FittedModel = self.fitted_
        matrix = fitted.design.matrix(as_table(X))
        return fitted.mean(fitted.params, matrix, None)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "fitted_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if hasattr(self, "classes_"):
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags()
        else:
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
        return tags
