"""Results of linearmodels, with the design that the fit learned.

The fit keeps a formula and the design that it made, and nothing of what it learned on the
way: centring, knots and categories are learned again from the rows that are predicted. So
they are learned here once, from rows that are the fit's, or where nothing is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import ArrayDesign, Design
from skfme.statsmodels._models.formulas import FormulaDesign
from skfme.statsmodels._models.readers.designs import PickedDesign
from skfme.statsmodels._models.readers.index_model import IndexModel, refusal
from skfme.statsmodels._models.slopes import identity

__all__ = ["read_linearmodels"]


def read_linearmodels(
    results: Any, training: Table, response_method: Any
) -> IndexModel:
    """Read the results of one equation.

    Parameters
    ----------
    results : results of IV2SLS, PanelOLS and others
        Entity and time effects that were absorbed leave the effects of columns as they
        are.
    training : Table
        The fit's own rows, where its formula learned something from them.
    response_method : str

    Raises
    ------
    TypeError
        If it is a system of equations, or not fitted.
    ValueError
        If the design cannot be learned again from these rows.
    """
    name = type(results).__name__
    model: Any = getattr(results, "model", None)
    if model is None and hasattr(results, "fit"):
        raise TypeError(f"The {name} model is not fitted. Pass what its fit() returns.")
    if not hasattr(getattr(results, "params", None), "index") or not hasattr(
        model, "exog"
    ):
        raise refusal(
            name, "are no results of one equation", "Fit the equations one by one."
        )
    if response_method not in ("auto", "predict"):
        raise ValueError(f"{name} predicts in one way; response_method must be 'auto'.")
    names = list(results.params.index)
    fitted = _fitted_design(model)
    formula = getattr(model, "formula", None)
    if formula:
        design = _of_formula(results, model, str(formula), names, training, fitted)
    else:
        design = _of_columns(name, names, fitted)
    debiased = getattr(results, "debiased", getattr(results, "_debiased", False))
    return IndexModel(
        label=type(model).__name__.lstrip("_"),
        params=results.params.to_numpy(dtype=float),
        covariance=results.cov,
        design=design,
        slope=identity,
        predicts=None,
        names=(str(_names_of(model.dependent)[0]),),
        degrees=float(results.df_resid) if debiased else None,
        kind=str(getattr(results, "cov_type", getattr(results, "_cov_type", ""))),
        has_level=not _absorbs(model),
        weighted=bool(np.ptp(_frame(model.weights).to_numpy()) > 0),
    )


def _absorbs(model: Any) -> bool:
    """Whether effects were taken out, which predictions then lack."""
    effects = ("entity_effects", "time_effects", "other_effects")
    return any(bool(getattr(model, name, False)) for name in effects) or (
        getattr(model, "absorb", None) is not None
    )


def _parts(model: Any) -> Iterator[Any]:
    """The data of the parameters: exogenous columns, then endogenous ones."""
    for part in (model.exog, getattr(model, "endog", None)):
        if part is not None and len(_names_of(part)):
            yield part


def _frame(part: Any) -> pd.DataFrame:
    return part.pandas if hasattr(part, "pandas") else part.dataframe


def _names_of(part: Any) -> list[Any]:
    return list(part.cols) if hasattr(part, "cols") else list(part.vars)


def _fitted_design(model: Any) -> pd.DataFrame:
    """The design of the fit, with the labels of its rows."""
    return pd.concat([_frame(part) for part in _parts(model)], axis=1)


def _of_columns(name: str, names: list[Any], fitted: pd.DataFrame) -> ArrayDesign:
    """A design of plain columns."""
    constant = [i for i, c in enumerate(names) if np.ptp(fitted[c].to_numpy()) == 0]
    value = float(fitted[names[constant[0]]].iloc[0]) if constant else 1.0
    wording = f"the model with columns {', '.join(map(str, names))}"
    return ArrayDesign(
        tuple(names), wording, True, constant[0] if constant else None, value
    )


def _of_formula(
    results: Any,
    model: Any,
    formula: str,
    names: list[Any],
    training: Table,
    fitted: pd.DataFrame,
) -> Design:
    """A design that a formula learns from the rows of the fit.

    Raises
    ------
    ValueError
        If the rows may not be the fit's, and the formula learns from them.
    """
    frame = training.given.native
    if not isinstance(frame, pd.DataFrame):
        frame = frame.to_pandas()
    asked = _with_entities(model, frame)
    parts = _learned(model, formula, asked)
    design = PickedDesign(parts, names)
    rebuilt = design.matrix(training)
    stateful = [part for part in parts if part.spec.transform_state]
    if stateful and not _same_rows(rebuilt, frame.index, fitted[names]):
        learned = sorted(
            {term for part in stateful for term in part.spec.transform_state}
        )
        raise ValueError(
            f"linearmodels keeps nothing of what {', '.join(learned)} of the formula "
            f"{formula!r} learned in the fit. Give the rows of the fit as background, from "
            "which it is learned again."
        )
    _compare(results, rebuilt, asked)
    return design


def _learned(model: Any, formula: str, frame: pd.DataFrame) -> list[FormulaDesign]:
    """The formula's designs of exogenous and endogenous columns."""
    from formulaic import Formula

    context = {"np": np, "pd": pd}
    if hasattr(model, "instruments"):
        parser = import_module("linearmodels.iv._utility").IVFormulaParser
        made = parser(formula, frame, context=context).components
        texts = [(made["exog"], True), (f"0 + {made['endog']}", False)]
        texts = [pair for pair in texts if pair[0] not in ("0", "0 + 0", "0 + ")]
    else:
        parser = import_module("linearmodels.panel.model").PanelFormulaParser
        texts = [(parser(formula, frame, context=context)._rhs, True)]
    specs = [
        Formula(text)
        .get_model_matrix(frame, context, ensure_full_rank=full, na_action="ignore")
        .model_spec
        for text, full in texts
    ]
    columns = list(frame.columns)
    return [FormulaDesign(spec, formula, columns, context) for spec in specs]


def _same_rows(rebuilt: np.ndarray, index: pd.Index, fitted: pd.DataFrame) -> bool:
    """Whether rows are the fit's, in any order, and their design is its design."""
    table = pd.DataFrame(rebuilt, index=index).dropna()
    if len(table) != len(fitted):
        return False
    if table.index.is_unique and fitted.index.isin(table.index).all():
        table = table.loc[fitted.index]
    return np.allclose(
        table.to_numpy(), fitted.to_numpy(dtype=float), rtol=1e-8, atol=1e-10
    )


def _with_entities(model: Any, frame: pd.DataFrame) -> pd.DataFrame:
    """Rows as a panel model takes them, each an entity where they name none."""
    index = frame.index
    if hasattr(model, "instruments") or (index.nlevels == 2 and index.is_unique):
        return frame
    rows = np.arange(len(frame))
    return frame.set_axis(pd.MultiIndex.from_arrays([rows, np.zeros_like(rows)]))


def _compare(results: Any, rebuilt: np.ndarray, frame: pd.DataFrame) -> None:
    """The package's own predictions of the same rows, from which it learns as well."""
    # Which looks for np and pd where it is called.
    own = np.asarray(results.predict(data=frame), dtype=float)
    ours = rebuilt @ results.params.to_numpy(dtype=float)
    ours = ours[np.isfinite(ours)]
    own = own.ravel()[np.isfinite(own.ravel())]
    if own.shape != ours.shape or not np.allclose(
        np.sort(own), np.sort(ours), rtol=1e-7, atol=1e-9 * np.abs(own).max(initial=0)
    ):
        raise ValueError(
            f"{type(results).__name__} predicts other values for these rows than the design "
            "of its formula makes of them, so that no standard error can be formed. Fit the "
            "columns of the design themselves, without a formula."
        )
