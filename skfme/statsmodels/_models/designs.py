"""From a table to the rows of a fitted statsmodels model's design matrix.

A formula's splines, centring and categorical codes are made by the design machinery
that the model itself kept (patsy's or formulaic's), never by hand, so that a stepped
row x⁺ is coded as the model would code it. What is rebuilt is compared with the design
that the model was fitted with. What is predicted from a design is in `fitted.py`.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._engine.stepping import selected
from skfme._frames.columns import ColumnData, numbers_in
from skfme._frames.contents import covariate_frame
from skfme._frames.hints import known_names, nearest
from skfme._frames.tables import Table, as_table
from skfme.statsmodels._models.fit_rows import rows_of_fit

__all__ = [
    "ArrayDesign",
    "Design",
    "FormulaDesign",
    "categorical_in",
    "check_design",
    "compare_designs",
    "design_of",
    "probe_rows",
]

_PROBE_ROWS = 64

Columns = dict[int, ColumnData]  # of a table, by position


class Design:
    """The model's own map from rows of a table to rows of its design matrix.

    Attributes
    ----------
    names : tuple
        The model's names of the design's columns.
    wording : str
        The model's right-hand side, as an error shows it.
    absorbed : tuple
        Columns whose effects the fit took out, without parameters for them.
    """

    names: tuple[Hashable, ...]

    wording: str

    absorbed: tuple[Hashable, ...] = ()

    @property
    def k(self) -> int:
        """Number of columns of the design matrix."""
        return len(self.names)

    def used(self, table: Table) -> list[int]:
        """Positions of the table's columns that the design reads, no constant."""
        raise NotImplementedError

    def categorical(self) -> list[Hashable]:
        """Columns that the design takes for categories, whatever their type."""
        return []

    def matrix(self, table: Table) -> np.ndarray:
        """Rows of the design matrix, of shape (n, k); NaN where a value is missing."""
        raise NotImplementedError

    def stepped(
        self, table: Table, matrix: np.ndarray, mask: np.ndarray, columns: Columns
    ) -> np.ndarray:
        """Rows of the design matrix with some of the table's columns changed.

        Parameters
        ----------
        table : Table of n rows
        matrix : ndarray of shape (n, k)
            Its design before the change.
        mask : ndarray of shape (n,), bool
            The rows wanted.
        columns : dict of position -> column of n rows
        """
        changed = selected(table, mask, columns)
        return np.empty((0, self.k)) if changed is None else self.matrix(changed)


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
        frame = covariate_frame(table, [table.names[i] for i in self.used(table)])
        try:
            rows = self._built(frame)
        except Exception as error:
            raise ValueError(
                f"Rows of the design of {self.wording} could not be built from the data: "
                f"{error}"
            ) from error
        if len(rows) < len(frame):
            rows = rows.reindex(frame.index)
        return rows.to_numpy(dtype=float)

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


@dataclass(frozen=True)
class ArrayDesign(Design):
    """The design of a model fitted on arrays: its columns, by name or position.

    Attributes
    ----------
    names : tuple of hashable
        The model's own names of its columns.
    wording : str
    by_name : bool
        Whether they are the user's, rather than made up for an array.
    constant : int or None
        Position of a constant column, which a table may leave out.
    value : float, default=1.0
        What the constant column holds.
    """

    names: tuple[Hashable, ...]
    wording: str
    by_name: bool
    constant: int | None = None
    value: float = 1.0

    def used(self, table: Table) -> list[int]:
        positions = self._positions(table)
        if self.constant is not None:
            del positions[self.constant]
        return [position for position in positions if position is not None]

    def _positions(self, table: Table) -> list[int | None]:
        """Where each column of the design is in the table; None for the constant."""
        names = table.names
        if self.by_name:
            position = {name: i for i, name in enumerate(names)}
            constant = None if self.constant is None else self.names[self.constant]
            lacking = [n for n in self.names if n not in position and n != constant]
            if not lacking:
                return [position.get(name) for name in self.names]
            if table.kind != "numpy":
                raise ValueError(
                    f"The data lack the column {lacking[0]!r} of {self.wording}."
                    + (nearest(lacking[0], names) or known_names(names))
                )
        positions: list[int | None] = list(range(len(names)))
        if self.constant is not None and len(names) == self.k - 1:
            positions.insert(self.constant, None)
        if len(positions) != self.k:
            raise ValueError(
                f"The data have {len(names)} columns; {self.wording} expects {self.k}, "
                "in this order."
            )
        return positions

    def matrix(self, table: Table) -> np.ndarray:
        matrix = np.empty((len(table), self.k))
        if self.constant is not None:
            matrix[:, self.constant] = self.value
        columns = {position: table.column(position) for position in self.used(table)}
        return self._filled(matrix, table, columns, slice(None))

    def stepped(
        self, table: Table, matrix: np.ndarray, mask: np.ndarray, columns: Columns
    ) -> np.ndarray:
        rows = slice(None) if mask.all() else np.flatnonzero(mask)
        return self._filled(np.array(matrix[rows]), table, columns, rows)

    def _filled(
        self, matrix: np.ndarray, table: Table, columns: Columns, rows: Any
    ) -> np.ndarray:
        """A matrix for some of the rows, with the table's columns put in."""
        for i, position in enumerate(self._positions(table)):
            if position not in columns:
                continue
            try:
                matrix[:, i] = np.asarray(numbers_in(columns[position]), float)[rows]
            except (TypeError, ValueError) as error:
                raise ValueError(
                    f"Column {self.names[i]!r} is not numeric, but {self.wording} was "
                    "fitted on numbers. Encode it as for the fit."
                ) from error
        return matrix


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


def probe_rows(n: int) -> np.ndarray:
    """A few of n rows, spread evenly; never all, so that what others add is seen."""
    return np.arange(0, n, max(2, n // _PROBE_ROWS))


def compare_designs(
    design: Design, table: Table, expected: np.ndarray, source: str
) -> None:
    """Refuse a design whose rows depend on which others are built beside them.

    Parameters
    ----------
    design : Design
    table : Table of n rows
    expected : ndarray of shape (n, k)
        The rows as they were built before.
    source : str
        Where the rows come from, as an error says it.
    """
    rebuilt = design.matrix(table)
    if rebuilt.shape != expected.shape:
        raise ValueError(
            f"The design matrix of {design.wording}, rebuilt for {len(rebuilt)} rows "
            f"{source}, has {rebuilt.shape[1]} columns; the model was fitted with "
            f"{expected.shape[1]}. Effects need a design that the formula makes alone."
        )
    scale = np.maximum(np.abs(expected).max(axis=0, initial=0), 1e-300)
    gap = np.abs(rebuilt - expected) / scale
    wrong = ~(gap.max(axis=0, initial=0) < 1e-8)
    if wrong.any():
        columns = [repr(design.names[i]) for i in np.flatnonzero(wrong)]
        raise ValueError(
            f"The design matrix of {design.wording}, rebuilt for {len(rebuilt)} rows "
            f"{source}, differs from the one that the model was fitted with, in "
            f"{', '.join(columns[:3])}. Either the formula looks at "
            "other rows, as x - x.mean() does (center(x) and standardize(x) keep what "
            "they learnt), or the data frame has changed since the fit."
        )
