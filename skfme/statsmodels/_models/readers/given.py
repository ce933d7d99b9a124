"""Objects that follow the protocol of a parametric model, and predict from tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import probe_rows
from skfme.statsmodels._models.gradients import Given, MeanFunction
from skfme.statsmodels._models.inputs import MeanInputs
from skfme.statsmodels._models.parametric import FittedModel, ParametricModel
from skfme.statsmodels._models.readers.designs import TableDesign
from skfme.statsmodels._models.readers.index_model import as_outputs

_NUMERIC = 1e-3  # of a parameter's slopes, up to which differences have errors

__all__ = ["TableModel", "follows_protocol"]


def follows_protocol(model: Any) -> bool:
    """Whether it has parameters, their covariance, and predictions at any of them."""
    return isinstance(model, ParametricModel) and not isinstance(model, type)


class TableModel(FittedModel):
    """A model that predicts from the rows of a table at any parameters.

    Parameters
    ----------
    model : ParametricModel
    name : str or None, default=None
        The class of the model; None for its own.
    """

    advice = "A row's prediction must be its own: the same whatever rows are predicted with it."

    def __init__(self, model: ParametricModel, name: str | None = None) -> None:
        self._model, self._name = model, name or type(model).__name__
        self.params = np.asarray(model.params, dtype=float)
        if self.params.ndim != 1 or not len(self.params):
            raise ValueError(
                f"{self._name}.params has shape {self.params.shape}; expected (p,), one "
                "entry for each parameter."
            )
        columns: Sequence | None = getattr(model, "columns", None)
        wording = f"the model {self._name}"
        categories = getattr(model, "categories", ())
        self.design = TableDesign(columns, wording, len(self.params), categories)

    @property
    def name(self) -> str:
        return self._name

    @property
    def outputs(self) -> tuple[str, ...]:
        names = getattr(self._model, "outputs", ("y",))
        return (names,) if isinstance(names, str) else tuple(map(str, names))

    def cov_params(self) -> Any:
        return self._model.cov_params()

    def mean(self, params: np.ndarray, inputs: MeanInputs) -> np.ndarray:
        n, outputs = len(inputs.X), self.outputs
        if n == 0:
            return np.empty((0, len(outputs)))
        predicted = self._model.predict(params, inputs.X.private())
        mean = as_outputs(predicted, n, self._name)
        if mean.shape[1] != len(outputs):
            raise ValueError(
                f"{self._name}.predict has {mean.shape[1]} outputs; its attribute outputs "
                f"names {len(outputs)} ({', '.join(outputs)})."
            )
        return mean

    def mean_function(self, bse: np.ndarray) -> MeanFunction:
        numeric = super().mean_function(bse)
        if getattr(self._model, "gradient", None) is None:
            return numeric
        unchecked = [numeric]

        def gradient(params: np.ndarray, inputs: MeanInputs) -> np.ndarray:
            slopes = self._gradient(params, inputs)
            if unchecked:  # once, of the first rows
                self._check_gradient(unchecked.pop(), slopes, inputs)
            return slopes

        return Given(self, gradient)

    def _check_gradient(
        self, numeric: MeanFunction, slopes: np.ndarray, inputs: MeanInputs
    ) -> None:
        """Refuse gradients that are not those of the predictions of a few rows."""
        rows = probe_rows(len(slopes))
        point = numeric.at(inputs.take(rows))
        each = np.arange(len(rows))
        expected = numeric.gradients(point, np.ones(len(rows)), each, len(rows))
        gap = np.abs(slopes[rows] - expected)
        scale = np.maximum(np.abs(slopes[rows]), np.abs(expected)).max(axis=(0, 1))
        wrong = np.flatnonzero((gap > _NUMERIC * scale).any(axis=(0, 1)))
        if len(wrong):
            row, output = np.argwhere(gap[..., wrong[0]] == gap[..., wrong[0]].max())[0]
            at = (row, output, wrong[0])
            raise ValueError(
                f"{self._name}.gradient is {slopes[rows][at]:.6g} in parameter {wrong[0]} "
                f"where its predictions have a slope of {expected[at]:.6g}. Expected the "
                "derivatives of predict in each parameter; without a gradient they are "
                "computed numerically."
            )

    def _gradient(self, params: np.ndarray, inputs: MeanInputs) -> np.ndarray:
        n, shape = len(inputs.X), (len(inputs.X), len(self.outputs), len(params))
        of_model: Any = self._model
        slopes = np.asarray(of_model.gradient(params, inputs.X.private()), dtype=float)
        if slopes.ndim == 2 and len(self.outputs) == 1:
            slopes = slopes[:, None]
        if slopes.shape != shape:
            raise ValueError(
                f"{self._name}.gradient returned an array of shape {slopes.shape} for {n} "
                f"rows; expected {shape}, a derivative for each row, output and parameter."
            )
        return slopes

    def own_predictions(
        self, table: Table, offset: np.ndarray | None = None
    ) -> np.ndarray:
        own: Any = getattr(self._model, "own_predictions", None)
        if own is not None:
            return as_outputs(own(table.private()), len(table), self._name)
        return self.mean(self.params, MeanInputs(table))
