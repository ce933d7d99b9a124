"""Fits of pyfixest: least squares with absorbed fixed effects, counts and classes without.

Absorbed effects have no covariance. In a linear model they leave the effects of all other
columns as they are; where the mean bends, these depend on them, and are refused.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from skfme._frames.tables import Table
from skfme.statsmodels._models.formulas import FormulaDesign
from skfme.statsmodels._models.readers.designs import PickedDesign
from skfme.statsmodels._models.readers.index_model import IndexModel, refusal
from skfme.statsmodels._models.slopes import exponential, identity, logistic, probit

__all__ = ["read_pyfixest"]

_SLOPES = {
    "Feols": identity,
    "Fegaussian": identity,
    "Quantreg": identity,
    "Fepois": exponential,
    "Felogit": logistic,
    "Feprobit": probit,
}


def read_pyfixest(fit: Any, training: Table, response_method: Any) -> IndexModel:
    """Read one fit of pyfixest.

    Parameters
    ----------
    fit : Feols, Fepois, Felogit, Feprobit, Fegaussian or Quantreg
    training : Table
        Not needed.
    response_method : str

    Raises
    ------
    TypeError
        If it is of another kind, has instruments or terms of i(), or fixed effects under
        a mean that bends.
    """
    name = type(fit).__name__
    _refuse(fit, name)
    if response_method not in ("auto", "predict"):
        raise ValueError(
            f"response_method={response_method!r} of {name} has no standard errors here; "
            "expected 'auto', which is the mean of the outcome."
        )
    absorbed = re.split(r"\s*[+^]\s*", fit._fixef) if fit._has_fixef else []
    data = fit._data if len(getattr(fit._data, "columns", ())) else None
    formula = FormulaDesign(
        fit._model_spec.second_stage.rhs,
        str(fit._fml),
        None if data is None else list(data.columns),
        fit._context if isinstance(fit._context, dict) else None,
    )
    names = list(map(str, fit._coefnames))
    linear = _SLOPES[name] is identity
    offset = getattr(fit, "_offset_name", None)
    return IndexModel(
        label=name,
        params=np.asarray(fit._beta_hat, dtype=float).ravel(),
        covariance=fit._vcov,
        design=PickedDesign([formula], names, absorbed),
        slope=_SLOPES[name],
        predicts=_predictor(fit, linear, absorbed),
        names=(str(fit._depvar),),
        degrees=None
        if fit._method.startswith(("fepois", "feglm"))
        else float(fit._df_t),
        kind=str(fit._vcov_type_detail),
        has_level=not absorbed,
        weighted=bool(fit._has_weights),
        offsets=None if offset is None else np.ones(1),
        offset_columns={} if offset is None else {"offset": offset},
    )


def _refuse(fit: Any, name: str) -> None:
    """Refuse what cannot be rebuilt."""
    if name == "FixestMulti":
        raise refusal(
            name, "holds several fits", "Pass one of them, fit.fetch_model(0)."
        )
    if getattr(fit, "_is_iv", False):
        raise refusal(
            name,
            "has instruments, of which pyfixest predicts nothing to compare with",
            "linearmodels.iv.IV2SLS fits the same model, and is read.",
        )
    if name not in _SLOPES or not hasattr(fit, "_vcov"):
        raise refusal(
            name, "is no model of pyfixest that is known here", "Fit feols or fepois."
        )
    if getattr(fit, "_icovars", None) is not None:
        raise refusal(
            name,
            "has terms of i(), of which pyfixest predicts nothing to compare with",
            "Write them as C(a):b.",
        )
    if fit._has_fixef and _SLOPES[name] is not identity:
        raise refusal(
            name,
            f"absorbed the fixed effects of {fit._fixef}, on which effects on the mean "
            "depend, and estimated no covariance of them",
            "Fit them as covariates, C(…), where they are few; or see bootstrap_effects.",
        )


def _predictor(fit: Any, linear: bool, absorbed: list[str]) -> Any:
    """The package's own predictions; levels of fixed effects are taken as known ones."""

    def predict(X: Any) -> np.ndarray:
        X = X.to_pandas() if hasattr(X, "to_pandas") else X.reset_index(drop=True)
        if absorbed:  # they cancel, and may be of levels that the fit has not seen
            first = fit._data[absorbed].iloc[[0] * len(X)].reset_index(drop=True)
            X = X.drop(columns=[c for c in absorbed if c in X]).join(first)
        return fit.predict(newdata=X, **({} if linear else {"type": "response"}))

    return predict
