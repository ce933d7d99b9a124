"""Functions of estimates, and their standard errors by the delta method.

g(β) has covariance G V Gᵀ, with G = ∂g/∂βᵀ at the estimates (Wald, 1943; Oehlert, 1992).
Texts of names and arithmetic are read here; what is tested of them lives beside this.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from skfme.statsmodels._inference.hypotheses import PLACE, coded, unreadable

__all__ = ["function_of_names", "gradient_of", "texts_of"]

Function = Callable[[np.ndarray], np.ndarray]  # β of shape (k,) -> (m,)

_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "abs": np.abs,
}


def function_of_names(texts: Sequence[str], names: Sequence[str]) -> Function:
    """The left sides minus the right sides of texts such as "b1 / b2 = 1".

    Raises
    ------
    ValueError
        If a text names no estimate, or is no arithmetic.
    """
    expressions = [_expression(text, names) for text in texts]

    def function(params: np.ndarray) -> np.ndarray:
        return np.array([expression(params) for expression in expressions])

    return function


def texts_of(hypotheses: Any) -> list[str]:
    """Hypotheses as a list of texts.

    Raises
    ------
    TypeError
        If they are none.
    """
    listed = isinstance(hypotheses, (list, tuple))
    if not listed or not all(isinstance(text, str) for text in hypotheses):
        raise TypeError(
            "A hypothesis is a text such as 'b1 / b2 = 1', a list of such, or a function "
            f"of the estimates; got {hypotheses!r}."
        )
    return list(hypotheses)


def _expression(text: str, names: Sequence[str]) -> Callable[[np.ndarray], float]:
    sides = coded(text, names).split("=")
    if len(sides) > 2:
        raise ValueError(
            f"The hypothesis {text!r} has {len(sides) - 1} equals signs; give several "
            "hypotheses as a list of texts."
        )
    trees = []
    for side in sides:
        try:
            trees.append(ast.parse(side.strip(), mode="eval").body)
        except SyntaxError:
            raise unreadable(side, text, names) from None
    if PLACE not in "".join(sides):
        raise ValueError(f"The hypothesis {text!r} restricts no estimate.")

    def expression(params: np.ndarray) -> float:
        left, *right = (_value(tree, params, text, names) for tree in trees)
        return float(left - right[0] if right else left)

    expression(np.ones(len(names)))  # refuses what is no arithmetic, at once
    return expression


def _value(node: ast.expr, params: np.ndarray, text: str, names: Sequence[str]) -> Any:
    match node:
        case ast.Name(id=name) if name.startswith(PLACE):
            return params[int(name.removeprefix(PLACE))]
        case ast.Constant(value=int() | float() as value) if not isinstance(
            value, bool
        ):
            return value
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            value = _value(operand, params, text, names)
            return -value if isinstance(node.op, ast.USub) else value
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            with np.errstate(all="ignore"):
                sides = (_value(side, params, text, names) for side in (left, right))
                return _OPERATORS[type(op)](*map(np.float64, sides))
        case ast.Call(func=ast.Name(id=name), args=[argument]) if name in _FUNCTIONS:
            with np.errstate(all="ignore"):
                return _FUNCTIONS[name](_value(argument, params, text, names))
    raise unreadable(ast.unparse(node), text, names)


def gradient_of(
    function: Function, params: np.ndarray, se: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A function at the estimates, and its derivatives there.

    Parameters
    ----------
    function : callable
    params, se : ndarray of shape (k,)

    Returns
    -------
    values : ndarray of shape (m,)
    gradient : ndarray of shape (m, k)

    Raises
    ------
    ValueError
        If a value or a derivative is not finite.
    """

    def flat(beta: np.ndarray) -> np.ndarray:
        return np.atleast_1d(np.asarray(function(beta), dtype=float)).ravel()

    values = flat(params)
    # A cube root of the precision balances rounding and curvature (central differences).
    sizes = np.finfo(float).eps ** (1 / 3) * np.maximum(np.abs(params), se)
    steps = np.diag(np.where(sizes > 0, sizes, 1e-6))
    gradient = np.column_stack(
        [(flat(params + h) - flat(params - h)) / (2 * h.sum()) for h in steps]
    )
    if not (np.isfinite(values).all() and np.isfinite(gradient).all()):
        raise ValueError(
            "The function of the estimates, or its slope, is not finite at the estimates, so "
            "that the delta method gives no standard error. A ratio needs an estimate "
            "beside zero below the line, a logarithm one above zero."
        )
    return values, gradient
