"""The mean of a fitted model with the covariance of its parameters, as it is averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.covariance import ParameterCovariance
from skfme.statsmodels._models.fitted import other_predict
from skfme.statsmodels._models.gradients import MeanFunction
from skfme.statsmodels._models.parametric import FittedModel
from skfme.statsmodels._models.readers.reading import read_model

__all__ = ["EstimatedMean"]


@dataclass(frozen=True)
class EstimatedMean:
    """μ(x; θ) at the estimates θ̂, whose covariance is V.

    Attributes
    ----------
    fitted : FittedModel
    function : MeanFunction
    covariance : ParameterCovariance
    compared : bool
        Whether the design was compared with the model's own.
    """

    fitted: FittedModel
    function: MeanFunction
    covariance: ParameterCovariance
    compared: bool

    @classmethod
    def of(
        cls,
        results: Any,
        training: Table,
        response_method: Any,
        covers: str,
        cov: Any,
        cov_type: str | None,
        cov_kwds: Mapping | None,
    ) -> EstimatedMean:
        """Read the results of a fit, and check what is rebuilt of them.

        Parameters
        ----------
        results
        training : Table
            Rows that a design is learned from again, where the fit did not keep what it
            learned.
        response_method, covers, cov, cov_type, cov_kwds
            As in :func:`delta_effects`.
        """
        fitted = read_model(results, training, response_method)
        reason = other_predict(results)
        if reason is not None:
            raise ValueError(
                f"{reason}; the delta method would predict from the parameters without "
                "it. Explain the model with skfme.fme, and see bootstrap_effects."
            )
        fitted.warn_if_not_converged()
        if covers != "parameters" and fitted.is_clustered(cov_type):
            raise ValueError(
                f"covers={covers!r} takes the rows as independent draws, which the "
                f"covariance of this {fitted.name} fit does not. Use "
                "covers='parameters', or bootstrap_effects with groups."
            )
        covariance = ParameterCovariance.of(fitted, cov, cov_type, cov_kwds)
        compared = fitted.check()
        function = fitted.mean_function(np.sqrt(np.diag(covariance.matrix)))
        return cls(fitted, function, covariance, compared)
