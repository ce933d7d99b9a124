"""A parametric model, as the delta method sees it, whatever package fitted it.

Parameters θ̂ with their covariance, and predictions as a function of them. Here are the
protocol that any object may follow, and what every model that is read has; how models
of the packages are read lives in `fitted.py` (statsmodels) and in `readers`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import Design
from skfme.statsmodels._models.gradients import MeanFunction, Numeric
from skfme.statsmodels._models.inputs import MeanInputs, inputs_of

__all__ = ["FittedModel", "ParametricModel", "compare_with_own"]


@runtime_checkable
class ParametricModel(Protocol):
    """What the delta method asks of a model: any object that has this can be given.

    Attributes
    ----------
    params : array-like of shape (p,)
        The estimates.

    Notes
    -----
    Beyond what is listed, an object may have

    - ``gradient(params, table)``, the derivatives of its predictions, of shape (n, p) or
      (n, n_outputs, p), which else are central differences;
    - ``columns``, the labels of the columns that it reads; else all of a table's;
    - ``outputs``, the names of what it predicts; else ``"y"``.

    Examples
    --------
    A Michaelis-Menten curve, whose estimates and covariance come from a paper:

    >>> import numpy as np
    >>> import pandas as pd
    >>> from skfme.statsmodels import ParametricModel, delta_effects
    >>> class Michaelis:
    ...     params = np.array([200.0, 0.05])
    ...     columns = ("dose",)
    ...
    ...     def cov_params(self):
    ...         return np.diag([49.0, 0.00007])
    ...
    ...     def predict(self, params, table):
    ...         return params[0] * table["dose"] / (params[1] + table["dose"])
    >>> isinstance(Michaelis(), ParametricModel)
    True
    >>> doses = pd.DataFrame({"dose": [0.02, 0.1, 0.5]})
    >>> effects = delta_effects(Michaelis(), doses, {"dose": 0.1})
    >>> effects.to_frame()[["effect", "estimate", "std_error"]].round(2)
          effect  estimate  std_error
    0  dose +0.1     37.83       1.54
    """

    params: Any

    def cov_params(self) -> Any:
        """The covariance of the estimates, of shape (p, p)."""

    def predict(self, params: np.ndarray, table: Any) -> Any:
        """Predictions of a table's n rows at any parameters.

        Parameters
        ----------
        params : ndarray of shape (p,)
        table : dataframe or ndarray of n rows
            Of the type that was given.

        Returns
        -------
        predictions : array-like of shape (n,) or (n, n_outputs)
        """


class FittedModel:
    """A fitted parametric model, as it was read.

    Attributes
    ----------
    params : ndarray of shape (p,)
        In the order of ``cov_params()``.
    design : Design
    offset_columns : mapping of "offset" or "exposure" -> label
        The columns that are known to hold them.
    has_level : bool
        Whether the prediction of a row is known, rather than differences alone.
    advice : str
        What to do where it predicts otherwise than what was read of it.
    takes_offset : bool
        Whether it predicts with any offset that is given, and keeps none of its fit.
    """

    params: np.ndarray
    design: Design
    offset_columns: Mapping[str, Any] = {}
    has_level: bool = True
    advice: str = (
        "Give an object with params, cov_params() and predict(params, table) "
        "(skfme.statsmodels.ParametricModel), or see bootstrap_effects."
    )
    takes_offset: bool = False

    @property
    def name(self) -> str:
        """The class of the model, for titles and errors."""
        raise NotImplementedError

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what is predicted."""
        raise NotImplementedError

    @property
    def outcome(self) -> str:
        """What is predicted, in words."""
        return ", ".join(self.outputs)

    @property
    def exog(self) -> np.ndarray | None:
        """The design of the fit, of shape (n, k), where it kept it."""
        return None

    @property
    def own_offset(self) -> np.ndarray | None:
        """What the fit added to the linear predictor, for each row it used."""
        return None

    @property
    def offset_names(self) -> list[str]:
        """Which of offset and exposure the model was fitted with, where it has one."""
        return []

    @property
    def param_names(self) -> Sequence[Hashable] | None:
        """Labels of the parameters, where they have any."""
        return None

    @property
    def df(self) -> float | None:
        """Degrees of freedom of a t distribution; None where the fit uses the normal."""
        return None

    @property
    def covariance_type(self) -> str:
        """The type of the covariance that the fit computed."""
        return "of the fit"

    @property
    def cluster_numbers(self) -> tuple[int, ...]:
        """Number of clusters of the covariance in each way, where they are known."""
        return ()

    @property
    def is_weighted(self) -> bool:
        """Whether the fit gave rows unlike weights."""
        return False

    def mean(self, params: np.ndarray, inputs: MeanInputs) -> np.ndarray:
        """Predictions at any parameters, of shape (n, n_outputs)."""
        raise NotImplementedError

    def predict(self, params: np.ndarray, table: Table) -> np.ndarray:
        """Predictions of a table's rows at any parameters, of shape (n, n_outputs)."""
        return self.mean(params, inputs_of(self.design.matrix(table), None))

    def cov_params(self) -> Any:
        """The covariance that the fit computed.

        Raises
        ------
        ValueError
            If it has none.
        """
        raise NotImplementedError

    def mean_function(self, bse: np.ndarray) -> MeanFunction:
        """The mean with its gradients, by central differences unless known.

        Parameters
        ----------
        bse : ndarray of shape (p,)
            Standard errors of the parameters.
        """
        return Numeric(self, bse)

    def own_predictions(
        self, table: Table, offset: np.ndarray | None = None
    ) -> np.ndarray | None:
        """What the package itself predicts of a table, of shape (n, n_outputs).

        None where it is compared otherwise. An offset is for what `takes_offset`.
        """
        return None

    def check(self) -> bool:
        """Compare what was read with what the fit kept.

        Returns
        -------
        compared : bool
            Whether it kept what the design can be compared with.
        """
        return False

    def is_clustered(self, cov_type: str | None) -> bool:
        """Whether the fit, or the covariance asked for, takes rows as dependent."""
        kind = (cov_type or self.covariance_type).lower()
        return any(word in kind for word in ("cluster", "hac", "crv", "kernel"))

    def rows_not_used(self, table: Table) -> np.ndarray | None:
        """Mask of the rows that the fit was given and left out; None if there are none."""
        return None

    def warn_if_not_converged(self) -> None:
        """Warn where the fit says that it did not converge."""


def compare_with_own(
    fitted: FittedModel, rebuilt: Sequence[np.ndarray], own: Sequence[np.ndarray]
) -> None:
    """Refuse a model whose package predicts otherwise than what was read of it.

    Parameters
    ----------
    fitted : FittedModel
    rebuilt, own : sequence of ndarray of shape (n, n_outputs)
        Predictions of the same rows before and after a step.

    Raises
    ------
    ValueError
        If they differ.
    """
    scale = max(np.abs(own).max(initial=0.0), np.abs(rebuilt).max(initial=0.0))
    gaps = [theirs - ours for ours, theirs in zip(rebuilt, own, strict=True)]
    gap = np.stack(gaps if fitted.has_level else [gaps[1] - gaps[0]])
    if not np.isfinite(gap).all():
        raise ValueError(
            f"{fitted.name} predicts NaN or infinity of these rows, before or after a step. "
            "An effect needs finite predictions: check the model, or leave the rows out."
        )
    if not np.abs(gap).max() <= 1e-7 * scale:
        raise ValueError(
            f"The predictions rebuilt of {fitted.name} differ from those of its own predict "
            f"by up to {np.abs(gap).max():.3g}, so that no standard error can be formed of "
            f"its parameters. {fitted.advice}"
        )
