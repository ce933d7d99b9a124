"""What is kept of the training rows, so that steps can be resolved once these are gone.

Of each column its spread, quantiles and an example of each category. A quantile of
more values than are kept is exact at every thousandth, and refused in between.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from skfme._frames.tables import Table
from skfme._summaries.weighted import weighted_quantiles
from skfme._summaries.weighting import Weighting
from skfme.steps._training import Training, TrainingColumn

__all__ = ["KeptTraining"]

_GRID = np.arange(1001) / 1000


class KeptTraining(Training):
    """Training rows, summed up.

    Parameters
    ----------
    training : Training
    like : Table
        A few rows that are kept anyway, whose columns are looked up by name.
    """

    def __init__(self, training: Training, like: Table) -> None:
        self.table = like
        self.schema = training.schema
        self.weights = Weighting(None, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # one row has no SD
            self.columns = [KeptColumn(column) for column in training.columns]


class KeptColumn(TrainingColumn):
    """A training column, summed up."""

    def __init__(self, training: TrainingColumn) -> None:
        self.column = training.column
        if self.column.kind == "other":
            self.held = training.held
            return
        self.examples = training.examples
        if self.column.kind == "numeric":
            self.sd, self.range = training.sd, training.range
            self.two_values = training.two_values
            self.only_values = training.only_values
            self._keep_quantiles(*training._observed)

    def _keep_quantiles(self, values: np.ndarray, weights: Weighting) -> None:
        """All values of a few, in their order; else quantiles."""
        self._few = len(values) <= len(_GRID)
        if self._few:
            order = np.argsort(values, kind="stable")
            self._observed = values[order].astype(float), weights.take(order)
        elif weights.given:
            self._grid = weighted_quantiles(values.astype(float), _GRID, weights)
        else:
            ordered = np.sort(values.astype(float))
            at = _GRID * (len(ordered) - 1)
            k = at.astype(np.intp)
            above = ordered[np.minimum(k + 1, len(ordered) - 1)]
            self._grid = ordered[k] + (at - k) * (above - ordered[k])

    def quantiles(self, q: Sequence[float]) -> np.ndarray:
        if self._few:
            return super().quantiles(q)
        places = np.asarray(q) * 1000
        whole = np.rint(places).astype(np.intp)
        between = np.abs(places - whole) > 1e-9
        if between.any():
            raise ValueError(
                f"Of the training rows' {self.name!r} an explainer keeps quantiles at every "
                f"thousandth, and {q[int(np.argmax(between))]!r} is none. Round it, or name "
                "the effect among the explainer's steps, which fit resolves by all rows."
            )
        return self._grid[whole]
