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

from skfme._frames.hints import known_names, nearest
from skfme._frames.tables import Table, as_table
from skfme._results.effects import ForwardEffect
from skfme.statsmodels._regression.designs import Design
from skfme.statsmodels._rows.labels import frame_of

__all__ = ["FormulaDesign", "Term", "covariates_in", "formula_design", "unreadable"]


class Term(NamedTuple):
    """A term of a formula: its name, its columns, and the factors it multiplies."""

    name: str
    columns: np.ndarray
    factors: frozenset


@dataclass(frozen=True, eq=False)
class FormulaDesign(Design):
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
            spec = _spec_of(_evaluated(self.formula, self.effect, self.read, 0)[0])
        table = as_table(X)
        frame = covariates_in(self.formula, table)
        try:
            if hasattr(spec, "get_model_matrix"):  # formulaic
                part = spec.get_model_matrix(frame, na_action="drop")
            else:
                from patsy import build_design_matrices

                part = build_design_matrices(
                    [spec], frame, NA_action="drop", return_type="dataframe"
                )[0]
        except Exception as error:
            raise unreadable(self.formula, error, table) from error
        matrix = np.full((len(frame), self.shape[1]), np.nan)
        matrix[part.index.to_numpy()] = np.asarray(part, dtype=float)
        return matrix, np.arange(len(matrix))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "spec": None}


def formula_design(
    formula: str, effect: ForwardEffect, rows: np.ndarray, depth: int
) -> FormulaDesign:
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
        raise TypeError(f"formula must be a string, got {formula!r}.")
    left, _, right = formula.rpartition("~")
    if left.strip():
        raise ValueError(
            f"formula={formula!r} has a left-hand side; the effect is the response. Give "
            f"{right.strip()!r}."
        )
    model, n_dropped = _evaluated(right.strip(), effect, rows, depth + 1)
    kept = np.asarray(model.data.row_labels)
    text = f"{n_dropped} rows were left out, as a covariate is missing."
    notes = (text,) if n_dropped else ()
    return FormulaDesign(
        pd.DataFrame({"term": list(model.exog_names)}),
        rows[kept],
        f"on {right.strip()}",
        notes,
        np.asarray(model.exog, dtype=float),
        _terms(_spec_of(model)),
        right.strip(),
        effect,
        rows,
        _spec_of(model),
    )


def _evaluated(
    formula: str, effect: ForwardEffect, rows: np.ndarray, depth: int
) -> tuple[OLS, int]:
    table = effect.table.take(rows)
    frame = covariates_in(formula, table)
    response = "fme"
    while response in frame:
        response += "_"
    frame[response] = 0.0
    try:
        model = OLS.from_formula(f"{response} ~ {formula}", frame, eval_env=depth + 1)
    except Exception as error:
        raise unreadable(formula, error, table) from error
    return model, len(frame) - len(model.endog)


def covariates_in(formula: str, table: Table) -> pd.DataFrame:
    """The columns whose names occur in a formula."""
    named = [p for p, name in enumerate(table.names) if _occurs(str(name), formula)]
    frame = frame_of(table, named)
    return frame if named else pd.DataFrame(index=pd.RangeIndex(len(table)))


def _occurs(name: str, formula: str) -> bool:
    if not name.isidentifier():
        return name in formula
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula) is not None


def unreadable(formula: str, error: Exception, table: Table) -> ValueError:
    said = str(error).strip().splitlines()
    reason = said[0] if said else type(error).__name__
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
    found = getattr(model.data, "model_spec", None)
    return model.data.design_info if found is None else found  # before statsmodels 0.15


def _terms(spec: Any) -> tuple[Term, ...]:
    terms = []
    for term, columns in spec.term_slices.items():
        factors = frozenset(str(getattr(f, "code", f)) for f in term.factors)
        if factors - {"1"}:
            name = term.name() if hasattr(term, "name") else str(term)
            where = np.arange(sum(s.stop - s.start for s in spec.term_slices.values()))
            terms.append(Term(name, where[columns], factors))
    return tuple(terms)
