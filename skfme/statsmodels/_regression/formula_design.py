"""Designs made of covariates by a formula, in statsmodels' formula language.

Formulas are evaluated by statsmodels, with patsy or formulaic as it is set up; what was
learned in doing so (levels, knots, centres) makes columns of new rows alike.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from skfme._frames.contents import covariate_frame
from skfme._frames.hints import known_names, nearest, shown
from skfme._frames.tables import Table, as_table
from skfme._results.effects import ForwardEffect
from skfme.statsmodels._regression.designs import EffectDesign

__all__ = ["EffectFormulaDesign", "Term", "covariates_in", "formula_design"]


class Term(NamedTuple):
    """A term of a formula: its name, its columns, and the factors it multiplies."""

    name: str
    columns: np.ndarray
    factors: frozenset


@dataclass(frozen=True, eq=False)
class EffectFormulaDesign(EffectDesign):
    """Columns made of covariates by a formula.

    Attributes
    ----------
    exog : ndarray of shape (n, k)
    terms : tuple of Term
        In the formula's order, without the intercept.
    formula : str
    effect : ForwardEffect
    read : ndarray of int
        Positions of the rows that the formula was evaluated on, before any were left
        out for missing covariates: splines and centring remember them.
    spec : patsy's DesignInfo or formulaic's ModelSpec
        None in saved results, which evaluate the formula again.
    """

    exog: np.ndarray
    terms: tuple[Term, ...]
    formula: str
    effect: ForwardEffect
    read: np.ndarray
    spec: Any

    @property
    def names(self) -> list[str]:
        return self.labels["term"].tolist()

    def block(self, rows: Any) -> np.ndarray:
        return self.exog[rows]

    def matrix_of(self, X: Any) -> tuple[np.ndarray, np.ndarray]:
        spec = self.spec
        if spec is None:
            spec = _spec_of(_evaluated(self.formula, self.effect, self.read, 0))
        table = as_table(X)
        frame = covariates_in(self.formula, table)
        try:
            if hasattr(spec, "get_model_matrix"):  # formulaic
                exog = spec.get_model_matrix(frame, na_action="drop")
            else:
                from patsy import dmatrix

                exog = dmatrix(spec, frame, NA_action="drop", return_type="dataframe")
        except Exception as error:
            raise _unreadable(self.formula, error, table) from error
        matrix = np.full((len(frame), self.shape[1]), np.nan)
        matrix[exog.index.to_numpy()] = np.asarray(exog, dtype=float)
        return matrix, np.arange(len(matrix))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "spec": None}


def formula_design(
    formula: str, effect: ForwardEffect, rows: np.ndarray, depth: int
) -> EffectFormulaDesign:
    """The covariates of some rows, as a formula makes columns of them.

    Parameters
    ----------
    formula : str
        Right-hand side, such as "C(sex) + age".
    effect : ForwardEffect
    rows : ndarray of int
    depth : int
        How far up the stack names that are no columns are looked for.
    """
    if not isinstance(formula, str):
        raise TypeError(f"formula must be a string, got {shown(formula)}.")
    left, _, right = formula.rpartition("~")
    if left.strip():
        raise ValueError(
            f"formula={formula!r} has a left-hand side; the effect is the response. Give "
            f"{right.strip()!r}."
        )
    right = right.strip()
    model = _evaluated(right, effect, rows, depth + 1)
    spec, complete = _spec_of(model), rows[np.asarray(model.data.row_labels)]
    n_dropped = len(rows) - len(complete)
    text = f"{n_dropped} rows were left out, as a covariate is missing."
    return EffectFormulaDesign(
        pd.DataFrame({"term": list(model.exog_names)}),
        complete,
        f"on {right}",
        (text,) if n_dropped else (),
        np.asarray(model.exog, dtype=float),
        _terms(spec),
        right,
        effect,
        rows,
        spec,
    )


def _evaluated(
    formula: str, effect: ForwardEffect, rows: np.ndarray, depth: int
) -> OLS:
    table = effect.table.take(rows)
    frame = covariates_in(formula, table)
    _refuse_dates(formula, frame)
    response = "fme"
    while response in frame:
        response += "_"
    frame[response] = 0.0
    try:
        return OLS.from_formula(f"{response} ~ {formula}", frame, eval_env=depth + 1)
    except Exception as error:
        raise _unreadable(formula, error, table) from error


def covariates_in(formula: str, table: Table) -> pd.DataFrame:
    """The columns whose names occur in a formula."""
    names = [name for name in table.names if _occurs(str(name), formula)]
    return covariate_frame(table, names).rename(columns=str)


def _refuse_dates(formula: str, frame: pd.DataFrame) -> None:
    """Refuse a date as a term, which would be one category for each date."""
    outside, inside = formula, ""
    while outside != inside:  # what stands in no call
        outside, inside = re.sub(r"[\w.]+\([^()]*\)", " ", outside), outside
    terms = set(re.split(r"[^\w.]+", outside))
    for name, column in frame.items():
        if name not in terms or column.dtype.kind not in "mM":
            continue
        kind, number = (
            ("durations", f"I({name}.dt.total_seconds() / 3600) for hours")
            if column.dtype.kind == "m"
            else (
                "dates",
                f"I({name}.dt.year + {name}.dt.day_of_year / 365.25) for years",
            )
        )
        raise TypeError(
            f"Column {name!r} holds {kind}, which a formula takes as categories, one for "
            f"each. Write what number you mean, such as {number}, or C({name}) for "
            "categories."
        )


def _occurs(name: str, formula: str) -> bool:
    if not name.isidentifier():  # in Q(…), as Python writes it
        return name in formula or repr(name)[1:-1] in formula
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula) is not None


def _unreadable(formula: str, error: Exception, table: Table) -> ValueError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    hint = ""
    unknown = re.search(r"NameError: (?:name )?['`](.+?)['`]", reason)
    if unknown:
        hint = f" {unknown[1]!r} is not a column of X." + (
            nearest(unknown[1], table.names) or known_names(table.names)
        )
    return ValueError(
        f"The formula {formula!r} cannot be evaluated: {reason.rstrip('.')}.{hint}"
    )


def _spec_of(model: OLS) -> Any:
    spec = getattr(model.data, "model_spec", None)
    return model.data.design_info if spec is None else spec  # before statsmodels 0.15


def _terms(spec: Any) -> tuple[Term, ...]:
    positions = np.arange(max((s.stop for s in spec.term_slices.values()), default=0))
    terms = []
    for term, columns in spec.term_slices.items():
        factors = frozenset(str(getattr(f, "code", f)) for f in term.factors)
        if factors - {"1"}:
            name = term.name() if hasattr(term, "name") else str(term)
            terms.append(Term(name, positions[columns], factors))
    return tuple(terms)
