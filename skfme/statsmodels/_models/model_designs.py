"""The design of a fitted statsmodels model, and whether it is rebuilt as it was."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from skfme._frames.tables import as_table
from skfme.statsmodels._models.designs import (
    ArrayDesign,
    Design,
    compare_designs,
    probe_rows,
)
from skfme.statsmodels._models.fit_rows import rows_of_fit
from skfme.statsmodels._models.formulas import FormulaDesign

__all__ = ["check_design", "design_of"]


def design_of(model: Any) -> Design:
    """The design of a statsmodels model.

    Raises
    ------
    ValueError
        If the model has no design matrix.
    """
    data, formula = model.data, getattr(model, "formula", None)
    before_0_15 = getattr(data, "design_info", None)
    spec = getattr(data, "model_spec", before_0_15)
    if formula is not None and spec is not None:
        columns = getattr(getattr(data, "frame", None), "columns", None)
        return FormulaDesign(spec, str(formula), columns)
    names = getattr(data, "xnames", None)
    if not names:
        raise ValueError(
            f"{type(model).__name__} has no design matrix, so that no effect of a "
            "covariate can be formed."
        )
    exog, constant, value = getattr(model, "exog", None), None, 1.0
    if exog is not None:  # else the results were stripped of their data
        names = _own_names(model, list(names), exog.shape[1])
        constant = getattr(data, "const_idx", None)
        value = 1.0 if constant is None else float(exog[0, constant])
    wording = f"the model with columns {', '.join(map(str, names))}"
    by_name = type(data).__name__.startswith("Pandas")
    return ArrayDesign(tuple(names), wording, by_name, constant, value)


# A response of several levels becomes several rows of the design.
_EXPANDED = ("NominalGEE", "OrdinalGEE")


def _own_names(model: Any, names: list[Hashable], k: int) -> list[Hashable]:
    """Names of the design's k columns, whatever other parameters have names as well.

    Those of an inflation part or of a hurdle come first, of scales and thresholds last.
    """
    if type(model).__name__ in _EXPANDED:
        raise ValueError(
            f"{type(model).__name__} makes several rows of each row of a table, so that no "
            "effect of a row can be formed. MNLogit or OrderedModel fit one row for one."
        )
    columns = getattr(getattr(model.data, "orig_exog", None), "columns", None)
    if columns is not None and len(columns) == k:
        return list(columns)
    first = getattr(model, "k_inflate", 0) or 0
    return names[first : first + k]


def check_design(design: Design, model: Any) -> bool:
    """Rebuild some rows of the model's own data, and compare them with its design.

    Returns
    -------
    compared : bool
        Whether the model still has what to compare with.

    Raises
    ------
    ValueError
        If they differ: the formula looks at other rows, or its data have changed.
    """
    if not isinstance(design, FormulaDesign):
        return True
    frame: Any = getattr(model.data, "frame", None)
    exog = getattr(model, "exog", None)
    if exog is None or not hasattr(frame, "columns"):
        return False
    rows = rows_of_fit(model, len(frame))
    if rows is None:
        return False
    probe = probe_rows(len(rows))
    table = as_table(frame).take(rows[probe])
    compare_designs(design, table, exog[probe], "of the model's own data")
    return True
