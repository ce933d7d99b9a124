"""Models of linear predictors, of any package, as the delta method sees them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import Design
from skfme.statsmodels._models.gradients import Index, Slope
from skfme.statsmodels._models.inputs import MeanInputs
from skfme.statsmodels._models.parametric import FittedModel

__all__ = ["IndexModel", "as_outputs", "refusal"]


@dataclass(frozen=True)
class IndexModel(FittedModel):
    """A model whose mean is a known function of linear predictors.

    Attributes
    ----------
    label : str
        The class of the model.
    params : ndarray of shape (p,)
    covariance : array-like of shape (p, p), or str
        The fit's own, or why there is none and what to do.
    design : Design
    slope : callable
        Linear predictors of shape (n_predictors, n) -> Slope.
    predicts : callable or None
        A native table, and the offset of a model that takes one -> what the package
        itself predicts of it; None where that was compared as the model was read.
    names : tuple of str
        Of the outputs.
    n_predictors : int, default=1
        Their coefficients follow one another in the parameters.
    """

    label: str = field()
    params: np.ndarray = field()
    covariance: Any = field()
    design: Design = field()
    slope: Callable[[np.ndarray], Slope] = field()
    predicts: Callable[..., Any] | None = field()
    names: tuple[str, ...] = field()
    n_predictors: int = 1
    degrees: float | None = None
    kind: str = "of the fit"
    has_level: bool = True
    takes_offset: bool = False
    weighted: bool = False
    offsets: np.ndarray | None = None
    offset_columns: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.label

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.names

    @property
    def param_names(self) -> Sequence[Hashable] | None:
        return self.design.names if self.n_predictors == 1 else None

    @property
    def df(self) -> float | None:
        return self.degrees

    @property
    def covariance_type(self) -> str:
        return self.kind

    @property
    def is_weighted(self) -> bool:
        return self.weighted

    @property
    def own_offset(self) -> np.ndarray | None:
        return self.offsets

    @property
    def offset_names(self) -> list[str]:
        return list(self.offset_columns)

    def mean(self, params: np.ndarray, inputs: MeanInputs) -> np.ndarray:
        return self._index(params).at(inputs).mean

    def mean_function(self, bse: np.ndarray) -> Index:
        return self._index(self.params)

    def _index(self, params: np.ndarray) -> Index:
        positions = np.arange(len(params)).reshape(self.n_predictors, -1)
        return Index(params, positions, self.slope)

    def cov_params(self) -> Any:
        if isinstance(self.covariance, str):
            raise ValueError(self.covariance)
        return self.covariance

    def own_predictions(
        self, table: Table, offset: np.ndarray | None = None
    ) -> np.ndarray | None:
        if self.predicts is None:
            return None
        added = {"offset": offset} if self.takes_offset else {}
        predicted = self.predicts(table.private(), **added)
        return as_outputs(predicted, len(table), self.label)


def as_outputs(predicted: Any, n: int, name: str) -> np.ndarray:
    """Predictions as an array of shape (n, n_outputs).

    Raises
    ------
    ValueError
        If they are of another shape.
    """
    values = np.asarray(predicted, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    if values.ndim != 2 or len(values) != n:
        raise ValueError(
            f"{name}.predict returned an array of shape {np.shape(predicted)} for {n} rows; "
            "expected (n,) or (n, n_outputs)."
        )
    return values


def refusal(name: str, why: str, advice: str) -> TypeError:
    """An error about a model that cannot be rebuilt."""
    return TypeError(f"{name} {why}, so that the delta method cannot be used. {advice}")
