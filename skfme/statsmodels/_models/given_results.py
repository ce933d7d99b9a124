"""Results of statsmodels as a model that is given, for fme() and ame()."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from skfme._frames.tables import Table, as_table
from skfme.statsmodels._models.designs import Design
from skfme.statsmodels._models.fitted import FittedResults, fitted_model
from skfme.statsmodels._models.mean_estimator import MeanEstimator, mean_of_rows

__all__ = ["GivenResults"]


class GivenResults(MeanEstimator):
    """A results object of statsmodels, as a model that is given and never fitted.

    Parameters
    ----------
    results : results object of a statsmodels fit

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Of a multinomial or an ordered model.
    target_names_ : tuple of str
        Of any other model.
    response_label_ : str or None
        What is predicted, where the outcome's name does not say it.
    """

    def __init__(self, results: Any) -> None:
        self.results = results

    def fit(self, X: Any = None, y: Any = None) -> GivenResults:
        """Read the results, and compare what is rebuilt of them; nothing is fitted.

        Raises
        ------
        ValueError
            If a design is rebuilt otherwise than it was fitted, or the model has an
            offset, which a table alone does not hold.
        """
        fitted = fitted_model(self.results)
        fitted.check()
        if fitted.own_offset is not None:
            names = fitted.offset_names
            raise ValueError(
                f"The {fitted.name} model was fitted with {' and '.join(names)}, which X "
                f"alone does not hold. Explain lambda X: results.predict(X, {names[0]}="
                f"X['a column']), or StatsmodelsEstimator({names[0]}='a column') fitted "
                "by scikit-learn's rules."
            )
        fitted.warn_if_not_converged()
        self.__name__ = fitted.name
        self.fitted_, self.response_label_ = fitted, fitted.label
        if fitted.class_names:
            self.classes_ = np.array(fitted.class_names)
        else:
            self.target_names_ = fitted.outputs
        return self

    def columns_read(self, table: Table) -> list[int]:
        """Positions of the table's columns that the model's design reads."""
        design: Design = self.fitted_.design
        return design.used(table)

    def categorical_columns(self) -> list[Hashable]:
        """Names of the columns that the model's formula takes for categories only."""
        design: Design = self.fitted_.design
        return design.categorical()

    def rows_not_used(self, table: Table) -> np.ndarray | None:
        """Mask of the rows that the fit was given and left out; None if there are none."""
        fitted: FittedResults = self.fitted_
        return fitted.rows_not_used(table)

    def _classifies(self) -> bool:
        return hasattr(self, "classes_")

    def _mean(self, X: Any) -> np.ndarray:
        return mean_of_rows(self.fitted_, as_table(X))
