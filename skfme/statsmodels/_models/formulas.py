"""Designs that a formula makes, of patsy or formulaic.

Splines, centring and categorical codes are made by the design machinery that the model
itself kept, never by hand, so that a stepped row x⁺ is coded as the model would code it.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.columns import (
    ColumnData,
    holds_objects,
    kind_of,
    missing_in,
    mixture_in,
    numbers_in,
    plain_series,
)
from skfme._frames.contents import covariate_frame
from skfme._frames.hints import known_names, nearest
from skfme._frames.schema import describe_columns
from skfme._frames.tables import Table
from skfme.statsmodels._models.designs import Columns, Design

__all__ = ["FormulaDesign", "categorical_in"]


class FormulaDesign(Design):
    """The design of a formula, by the specification that the fit kept.

    Parameters
    ----------
    spec : patsy DesignInfo or formulaic ModelSpec
    formula : str
    columns : sequence or None
        Of the data frame that the model was fitted on, where it kept it.
    context : mapping or None, default=None
        What a formula of formulaic may call beside its own functions.
    """

    def __init__(
        self,
        spec: Any,
        formula: str,
        columns: Sequence[Hashable] | None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        self.spec, self.wording = spec, f"the formula {formula!r}"
        self._context = context
        self.names = tuple(spec.column_names)
        self._patsy = hasattr(spec, "factor_infos")
        self._read = self._variables()
        if columns is not None:
            self._read &= set(map(str, columns))
        self._certain = columns is not None
        self._parts: dict[frozenset[str], tuple[Any, np.ndarray] | None] = {}

    def _factors(self) -> Iterator[ast.AST]:
        """The expressions that the formula is made of."""
        factors = self.spec.factor_infos if self._patsy else self.spec.factors
        return _parsed(
            getattr(factor, "code", None) or str(factor) for factor in factors
        )

    def _variables(self) -> set[str]:
        """Names in the formula: columns, functions and what they are called on."""
        if not self._patsy:
            return set(map(str, self.spec.required_variables))
        nodes = [node for factor in self._factors() for node in ast.walk(factor)]
        quoted = [arguments for node in nodes if (arguments := _arguments(node, "Q"))]
        return _plain_names(nodes) | {str(ast.literal_eval(q[0])) for q in quoted}

    def used(self, table: Table) -> list[int]:
        lacking = sorted(self._read - set(map(str, table.names)))
        if lacking and self._certain:
            raise ValueError(
                f"The data lack the column {lacking[0]!r}, which {self.wording} uses."
                + (nearest(lacking[0], table.names) or known_names(table.names))
            )
        return [i for i, name in enumerate(table.names) if name in self._read]

    def categorical(self) -> list[Hashable]:
        return list[Hashable](sorted(_coded_in(self._factors()) & self._read))

    def matrix(self, table: Table) -> np.ndarray:
        used = self.used(table)
        if self._patsy:
            columns = {table.names[i]: table.column(i) for i in used}
            built = _by_arrays(self.spec, columns, len(table))
            if built is not None:
                return built
        frame = covariate_frame(table, [table.names[i] for i in used])
        try:
            rows = self._built(frame)
        except Exception as error:
            raise ValueError(
                f"Rows of the design of {self.wording} could not be built from the data: "
                f"{error}{_between_categories(error, self.categorical(), table)}"
            ) from error
        if len(rows) < len(frame):
            rows = rows.reindex(frame.index)
        return rows.to_numpy(dtype=float)

    def stepped(
        self, table: Table, matrix: np.ndarray, mask: np.ndarray, columns: Columns
    ) -> np.ndarray:
        """Only the terms that read a changed column are built again."""
        rows = slice(None) if mask.all() else np.flatnonzero(mask)
        result = np.array(matrix[rows])
        part = self._terms_of(frozenset(str(table.names[i]) for i in columns))
        if part is None or not (len(result) and np.isfinite(result.sum())):
            return super().stepped(table, matrix, mask, columns)
        spec, places = part
        read = {
            table.names[i]: columns[i] if i in columns else table.column(i)
            for i in self._used_by(spec, table)
        }
        taken = {n: c if mask.all() else c[rows] for n, c in read.items()}
        built = _by_arrays(spec, taken, len(result))
        if built is None:
            return super().stepped(table, matrix, mask, columns)
        result[:, places] = built
        return result

    def _terms_of(self, names: frozenset[str]) -> tuple[Any, np.ndarray] | None:
        """The part of a formula of patsy that reads some columns, and where it stands."""
        if names not in self._parts:
            self._parts[names] = _part_of(self.spec, names) if self._patsy else None
        return self._parts[names]

    def _used_by(self, spec: Any, table: Table) -> list[int]:
        """Positions of the columns that a part of a formula may read."""
        texts = (factor.code for factor in spec.factor_infos)
        read = {name for text in texts for name in _names_in(text) or table.names}
        return [i for i in self.used(table) if str(table.names[i]) in read]

    def _built(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Design rows of the complete rows, indexed by their positions."""
        if self._patsy:
            from patsy import build_design_matrices

            return build_design_matrices(
                [self.spec], frame, NA_action="drop", return_type="dataframe"
            )[0]
        from formulaic.errors import DataMismatchWarning

        with warnings.catch_warnings():
            # Levels that the fit never saw would otherwise pass for the reference.
            warnings.simplefilter("error", DataMismatchWarning)
            return self.spec.get_model_matrix(
                frame, self._context, na_action="drop", output="pandas"
            )


def _part_of(spec: Any, names: frozenset[str]) -> tuple[Any, np.ndarray] | None:
    """Terms of a DesignInfo whose factors name one of some columns, and their places."""
    terms = []
    for term in spec.terms:
        read = [_names_in(factor.code) for factor in term.factors]
        if any(found is None or found & names for found in read):
            terms.append(term)
    if not terms or len(terms) == len(spec.terms):
        return None
    places = [np.arange(len(spec.column_names))[spec.term_slices[t]] for t in terms]
    part = spec.subset(terms)
    order = np.concatenate(places)
    made = [spec.column_names[i] for i in order]
    return (part, order) if list(part.column_names) == made else None


def _by_arrays(
    spec: Any, columns: Mapping[Any, ColumnData], n: int
) -> np.ndarray | None:
    """Rows that patsy builds of arrays, which it takes faster than pandas' columns.

    Missing numbers pass through to their columns. None where an entry that is no number
    is missing, or a factor is not for arrays: then pandas' columns say what is wrong.
    """
    from patsy import NAAction, build_design_matrices

    arrays: dict[Any, Any] = {}
    for name, column in columns.items():
        if kind_of(column) == "numeric" and not holds_objects(column):
            arrays[name] = numbers_in(column)
        elif mixture_in(column) is None and not missing_in(column).any():
            arrays[name] = plain_series(column)
        else:
            return None
    try:
        with warnings.catch_warnings(action="error"):
            rows = build_design_matrices([spec], arrays, NAAction("raise", []))[0]
    except Exception:
        return None
    return np.asarray(rows, dtype=float) if len(rows) == n else None


def _names_in(text: str) -> set[str] | None:
    """Names in the code of a factor, functions included; None where it does not parse."""
    try:
        nodes = list(ast.walk(ast.parse(text.strip(), mode="eval")))
    except SyntaxError:
        return None
    quoted = [arguments for node in nodes if (arguments := _arguments(node, "Q"))]
    if any(not isinstance(q[0], ast.Constant) for q in quoted):
        return None
    return _plain_names(nodes) | {str(ast.literal_eval(q[0])) for q in quoted}


def categorical_in(formula: str) -> list[Hashable]:
    """Columns that the right side of a formula takes for categories, before any fit."""
    from patsy import ModelDesc, PatsyError

    try:
        terms = ModelDesc.from_formula(f"~ {formula.partition('~')[2] or formula}")
    except PatsyError:  # of formulaic's own grammar; the fit says what is wrong
        return []
    texts = (factor.code for term in terms.rhs_termlist for factor in term.factors)
    return list[Hashable](sorted(_coded_in(_parsed(texts))))


def _parsed(factors: Iterable[str]) -> Iterator[ast.AST]:
    for text in factors:
        try:
            yield ast.parse(text.strip(), mode="eval").body
        except SyntaxError:  # a name in backticks
            yield ast.Name(text.strip().strip("`"))


def _coded_in(factors: Iterable[ast.AST]) -> set[str]:
    """Columns coded by C(…) and used in no other way."""
    coded, plain = set(), set()
    for factor in factors:
        arguments = _arguments(factor, "C")
        if arguments and isinstance(arguments[0], ast.Name):
            coded.add(arguments[0].id)
        else:
            plain |= _plain_names(ast.walk(factor))
    return coded - plain


def _plain_names(nodes: Iterable[ast.AST]) -> set[str]:
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _arguments(node: ast.AST, name: str) -> list[ast.expr]:
    """Arguments of a call of a function by its name; none of anything else."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.args if node.func.id == name else []
    return []


def _between_categories(error: Exception, names: list[Hashable], table: Table) -> str:
    """What to do where rows hold numbers between those that C(…) knows, as means do."""
    columns = describe_columns(table, "auto")
    numeric = [c.name for c in columns if c.kind == "numeric" and c.name in names]
    if not numeric or "level" not in str(error):
        return ""
    return (
        f" If profiles(…) made these rows, say categorical_features={numeric} there: the "
        "formula takes such numbers as categories, which have a mode and no mean."
    )
