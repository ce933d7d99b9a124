"""Designs of regressions of effects: cells of groups or of a partition, or a formula.

A design is what a regression needs of the rows that count: the matrix X, the names of
its columns, its terms, and how new rows become rows of it. It knows nothing of errors.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from statsmodels.regression.linear_model import OLS

from skfme._columns import as_vector, plain_series
from skfme._effects import ForwardEffect
from skfme._frames import Table, as_table, known_names, nearest

__all__ = [
    "CellDesign",
    "Design",
    "FormulaDesign",
    "Term",
    "covariates_in",
    "formula_design",
    "group_design",
    "partition_design",
    "refuse_missing",
    "row_labels",
    "unreadable",
]

# Groups are read one by one and compared in pairs.
MOST_GROUPS = 1000

# What the tables of results call their own columns.
RESERVED = {
    *("effect", "output", "rule", "estimate", "std_error", "statistic", "p_value"),
    *("conf_low", "conf_high", "p_adjusted"),
}


class Term(NamedTuple):
    """A term of a formula: its name, its columns, and the factors it multiplies."""

    name: str
    columns: np.ndarray
    factors: frozenset


@dataclass(frozen=True, eq=False)
class Design:
    """What a regression needs of the rows that count.

    Attributes
    ----------
    labels : DataFrame of k rows
        What tells the coefficients apart: group columns, or ``term``.
    rows : ndarray of int of shape (n,)
        Positions of the design's rows in the table that was explained.
    title : str
        Such as "by sex".
    notes : tuple of str
    """

    labels: pd.DataFrame
    rows: np.ndarray
    title: str
    notes: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of rows and of columns."""
        return len(self.rows), len(self.labels)

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        raise NotImplementedError

    def block(self, rows: Any) -> np.ndarray:
        """Some rows of the matrix, of shape (b, k)."""
        raise NotImplementedError

    def matrix_of(self, X: Any) -> np.ndarray:
        """Rows of the matrix for new rows; NaN where a covariate is missing."""
        raise NotImplementedError


# Cells


@dataclass(frozen=True)
class Groups:
    """Groups told apart by columns, or (None) by labels that came with the rows."""

    columns: tuple[Hashable, ...] | None

    def keys_of(self, X: Any) -> pd.DataFrame:
        if self.columns is None:
            return _label_frame(X, None, "X")
        table = as_table(X)
        positions = [table.position(key, "by names") for key in self.columns]
        return _frame_of(table, positions).astype(object)


@dataclass(frozen=True)
class Subspaces:
    """Subspaces of a fitted tree."""

    tree: Any

    def keys_of(self, X: Any) -> pd.DataFrame:
        return pd.DataFrame({"subspace": np.asarray(self.tree.apply(X))})


@dataclass(frozen=True, eq=False)
class CellDesign(Design):
    """One column per group, so that the coefficients are the groups' means.

    Attributes
    ----------
    codes : ndarray of int of shape (n,)
        The group of each row.
    keys : list of tuple
        What tells each group apart.
    source : Groups or Subspaces
        How new rows are sorted into groups.
    """

    codes: np.ndarray
    keys: list[tuple]
    source: Groups | Subspaces

    @property
    def names(self) -> list[str]:
        return [str(key[0] if len(key) == 1 else key) for key in self.keys]

    def block(self, rows: Any) -> np.ndarray:
        codes = self.codes[rows]
        cells = np.zeros((len(codes), len(self.keys)))
        cells[np.arange(len(codes)), codes] = 1.0
        return cells

    def matrix_of(self, X: Any) -> np.ndarray:
        position = {key: i for i, key in enumerate(self.keys)}
        found = list(self.source.keys_of(X).itertuples(index=False, name=None))
        unknown = [key for key in dict.fromkeys(found) if key not in position]
        if unknown:
            shown = ", ".join(str(k[0] if len(k) == 1 else k) for k in unknown[:5])
            raise ValueError(
                f"X has rows of groups without an estimate: {shown}."
                + known_names(self.names)
            )
        return np.eye(len(self.keys))[[position[key] for key in found]]


def row_labels(effect: ForwardEffect, by: Any, what: str) -> pd.DataFrame:
    """Labels of all rows of X: columns of X by name, or labels that came with them.

    Parameters
    ----------
    effect : ForwardEffect
    by : column of X, list of columns, or array-like of shape (n,) or (n, m)
    what : str
        The parameter, for errors.
    """
    table = as_table(effect.X)
    columns = _columns_named(by, table)
    if columns is None:
        return _label_frame(by, len(table), what)
    return _frame_of(table, [table.position(key, f"{what} names") for key in columns])


def _columns_named(by: Any, table: Table) -> tuple[Hashable, ...] | None:
    """Names of columns, or None where `by` holds the labels themselves."""
    if isinstance(by, (str, int, np.integer)):
        return (by,)
    if not isinstance(by, (list, tuple)) or not by:
        return None
    known = all(isinstance(key, Hashable) and key in table.names for key in by)
    names = all(isinstance(key, str) for key in by) and len(by) != len(table)
    return tuple(by) if known or names else None


def _label_frame(labels: Any, n: int | None, what: str) -> pd.DataFrame:
    if hasattr(labels, "to_frame"):  # a series of pandas or polars
        labels = labels.to_frame()
    if len(np.shape(labels)) != 2:
        size = len(labels) if n is None else n
        return pd.DataFrame({"group": as_vector(labels, size, what)}).infer_objects()
    table = as_table(labels)
    if n is not None and len(table) != n:
        raise ValueError(
            f"{what} has {len(table)} rows, expected {n}: one per row of X."
        )
    frame = _frame_of(table, list(range(len(table.names))))
    if table.kind == "numpy":
        frame.columns = [f"group{j + 1}" for j in range(frame.shape[1])]
    return frame.rename(columns={"0": "group", "": "group"})


def _frame_of(table: Table, positions: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {str(table.names[p]): plain_series(table.column(p)) for p in positions}
    )


def refuse_missing(labels: pd.DataFrame, rows: np.ndarray, what: str) -> None:
    """Refuse labels that are missing in rows that count."""
    missing = np.flatnonzero(labels.iloc[rows].isna().any(axis=1).to_numpy())
    if len(missing):
        raise ValueError(
            f"{what} is missing in {len(missing)} of {len(rows)} rows that count (the "
            f"first is row {rows[missing[0]]}). Fill the labels in, or give these rows a "
            "label of their own."
        )


def group_design(effect: ForwardEffect, by: Any, rows: np.ndarray) -> CellDesign:
    """One cell per group, or combination of groups, among some rows."""
    labels = row_labels(effect, by, "by")
    refuse_missing(labels, rows, "by")
    columns = _columns_named(by, as_table(effect.X))
    return _cells(
        labels.iloc[rows].reset_index(drop=True),
        rows,
        f"by {' and '.join(map(str, labels))}",
        Groups(columns),
    )


def partition_design(effect: ForwardEffect, tree: Any, rows: np.ndarray) -> CellDesign:
    """One cell per subspace of a fitted tree."""
    if not hasattr(tree, "apply"):
        raise TypeError(
            "from_partition takes a fitted EffectTree, such as came(effect), or another "
            f"tree with an apply method; got {tree!r}."
        )
    subspaces = pd.DataFrame({"subspace": np.asarray(tree.apply(effect.X))[rows]})
    design = _cells(subspaces, rows, "by partition", Subspaces(tree))
    notes = [
        "The partition is taken as given: if the same rows' effects chose it, the "
        "intervals are too narrow. Grow it on other rows."
    ]
    found = getattr(tree, "partitions_", None)
    if found is None:
        return replace(design, notes=tuple(notes))
    rules = found["rule"].reindex(design.labels["subspace"]).tolist()
    notes += [
        f"Subspace {key}: {rule}."
        for key, rule in zip(design.labels["subspace"], rules, strict=True)
    ]
    empty = [key for key in found.index if key not in set(design.labels["subspace"])]
    if empty:
        notes.append(
            f"No row that counts lies in subspace {', '.join(map(str, empty))}."
        )
    return replace(design, labels=design.labels.assign(rule=rules), notes=tuple(notes))


def _cells(
    labels: pd.DataFrame, rows: np.ndarray, title: str, source: Groups | Subspaces
) -> CellDesign:
    grouped = labels.groupby(list(labels), sort=True, observed=True)
    keys = grouped.size().index.to_frame(index=False).astype(object)
    if len(keys) < 2:
        raise ValueError(
            f"There is one group {title}, {keys.iloc[0, 0]!r}, among the rows that count; "
            "at least two are expected. average_effects() gives the average of all rows."
        )
    if len(keys) > MOST_GROUPS:
        raise ValueError(
            f"There are {len(keys)} groups {title} among {len(rows)} rows that count, and "
            f"at most {MOST_GROUPS} can be compared. Bin the column, or model it: "
            "from_formula(), or mixed() for subjects."
        )
    return CellDesign(
        keys.rename(columns=lambda name: f"{name}_" if name in RESERVED else name),
        rows,
        title,
        (),
        grouped.ngroup().to_numpy(),
        list(keys.itertuples(index=False, name=None)),
        source,
    )


# Formulas


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

    def matrix_of(self, X: Any) -> np.ndarray:
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
        return matrix

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
    table = as_table(effect.X).take(rows)
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
    frame = _frame_of(table, named)
    return frame if named else pd.DataFrame(index=pd.RangeIndex(len(table)))


def _occurs(name: str, formula: str) -> bool:
    if not name.isidentifier():
        return name in formula
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", formula) is not None


def unreadable(formula: str, error: Exception, table: Table) -> ValueError:
    said = str(error).strip().splitlines()
    reason = said[0] if said else type(error).__name__
    hint = ""
    if "is not defined" in reason:
        name = reason.split("'")[1] if "'" in reason else reason
        hint = f" {name!r} is not a column of X." + (
            nearest(name, table.names) or known_names(table.names)
        )
    return ValueError(f"The formula {formula!r} cannot be evaluated: {reason}.{hint}")


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
