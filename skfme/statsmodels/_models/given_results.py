"""Results of statsmodels as a model that is given, for fme() and ame()."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from skfme._frames.contents import with_column
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._models.designs import Design
from skfme.statsmodels._models.fitted import FittedResults, fitted_model
from skfme.statsmodels._models.inputs import MeanInputs
from skfme.statsmodels._models.mean_estimator import MeanEstimator
from skfme.statsmodels._models.offsets import Offset, missing_offset, offset_of

__all__ = ["GivenResults", "with_offset"]


class GivenResults(MeanEstimator):
    """A results object of statsmodels, as a model that is given and never fitted.

    Parameters
    ----------
    results : results object of a statsmodels fit
    offset_columns : mapping or None, default=None
        Of "offset" and "exposure", the columns of X that hold them.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Of a multinomial or an ordered model.
    target_names_ : tuple of str
        Of any other model.
    response_label_ : str or None
        What is predicted, where the outcome's name does not say it.
    """

    def __init__(
        self, results: Any, offset_columns: Mapping[str, Any] | None = None
    ) -> None:
        self.results = results
        self.offset_columns = offset_columns

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
        if fitted.own_offset is not None and not self.offset_columns:
            raise ValueError(missing_offset(fitted))
        fitted = replace(fitted, offset_columns=dict(self.offset_columns or {}))
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
        if table.kind == "numpy":
            return list(range(len(table.names)))
        design: Design = self.fitted_.design
        used = design.used(table)
        return [*used, *sorted(set(self._added(table)) - set(used))]

    def categorical_columns(self) -> list[Hashable]:
        """Names of the columns that the model's formula takes for categories only."""
        design: Design = self.fitted_.design
        return design.categorical()

    def rows_not_used(self, table: Table) -> np.ndarray | None:
        """Mask of the rows that the fit was given and left out; None if there are none."""
        fitted: FittedResults = self.fitted_
        return fitted.rows_not_used(self._of_design(table))

    def _classifies(self) -> bool:
        return hasattr(self, "classes_")

    def _mean(self, X: Any) -> np.ndarray:
        table, fitted = as_table(X), self.fitted_
        offset = Offset(fitted.offset_columns).at(table, slice(None))
        design = fitted.design.matrix(self._of_design(table))
        return fitted.mean(fitted.params, MeanInputs(design, offset))

    def _added(self, table: Table) -> list[int]:
        """Positions of the columns of offset and exposure."""
        return list(Offset(self.fitted_.offset_columns).positions(table).values())

    def _of_design(self, table: Table) -> Table:
        """The table without offset, where the design goes by the columns' places."""
        added = self._added(table)
        if table.kind != "numpy" or not added:
            return table
        return table.select([i for i in range(len(table.names)) if i not in added])


def with_offset(
    results: Any, X: Any, background: Any, offset: Any, exposure: Any
) -> tuple[Any, Any, str | None]:
    """Results with their offset, and rows that hold it.

    Parameters
    ----------
    results : results object of a statsmodels fit
    X : dataframe or array of n rows
    background : dataframe, array or None
    offset, exposure : column of X, array-like of shape (n,) or None
        None takes the fit's own, where X are the rows that it was given.

    Returns
    -------
    model : object
        An estimator, or the results as they are where they have no offset.
    X : dataframe or array
        With a column more where the offset is one entry for each row.
    beside : str or None
        The name of that column.

    Raises
    ------
    ValueError
        If an offset is lacking, given to a model without one, or given by rows where the
        background has others.
    """
    fitted, table = fitted_model(results), as_table(X)
    added = offset_of(fitted, table, offset, exposure)
    if not added.given:
        return results, X, None
    if added.values is None:
        return GivenResults(results, added.columns).fit(), X, None
    if background is not None:
        names = " and ".join(fitted.offset_names)
        raise ValueError(
            f"{names} is given for the rows of X, and the background has rows of its own. "
            f"Give {names} as the name of a column that both have."
        )
    kind = "exposure" if "offset" in added.columns else "offset"
    values = np.nan_to_num(added.values)  # rows that the fit did not use do not count
    values = np.exp(values) if kind == "exposure" else values
    wider, name = with_column(table, kind, values)
    return (
        GivenResults(results, {**added.columns, kind: name}).fit(),
        wider.native,
        name,
    )
