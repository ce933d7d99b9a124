"""Linear hypotheses about named estimates: text or numbers into R and q of Rβ = q.

The names of effects contain spaces, signs and the equals sign ("bmi -2", "sex = s2"),
so that they are recognised first, the longest first; what is left is arithmetic.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from skfme._frames.given import array_of
from skfme._frames.hints import known_names, nearest

__all__ = ["PLACE", "coded", "linear_hypothesis", "unreadable"]

PLACE = "_at"  # followed by its position, stands for an estimate in arithmetic


def linear_hypothesis(R: Any, names: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """R and q of the hypothesis Rβ = q.

    Parameters
    ----------
    R : array-like of shape (k,) or (m, k), tuple (R, q), str or list of str
        A text such as "bmi -2 = bp -10", "row 1 = row 2", "2 * b1 - b3 = 0.5", several
        of them set apart by commas; without an equals sign, equal to zero.
    names : sequence of str of length k

    Returns
    -------
    R : ndarray of shape (m, k)
    q : ndarray of shape (m,)

    Raises
    ------
    ValueError
        If a matrix has the wrong shape, or a text names no estimate or is not linear.
    """
    texts = [R] if isinstance(R, str) else R
    if isinstance(texts, list) and texts and all(isinstance(t, str) for t in texts):
        forms = np.array([form for text in texts for form in _forms(text, names)])
        return forms[:, :-1], -forms[:, -1]
    q: Any = 0.0
    if isinstance(R, tuple):
        if len(R) != 2:
            raise ValueError(f"A hypothesis (R, q) is a pair, got {len(R)} parts.")
        R, q = R
    matrix = np.atleast_2d(array_of(R, "R").astype(float))
    if matrix.ndim != 2 or matrix.shape[1] != len(names) or not len(matrix):
        raise ValueError(
            f"R has shape {np.shape(R)}; expected one column for each of the "
            f"{len(names)} estimates, ({len(names)},) or (m, {len(names)})."
        )
    values = np.asarray(q, dtype=float)
    if values.ndim and values.shape != (len(matrix),):
        raise ValueError(
            f"q has shape {values.shape}; expected a number, or one for each of the "
            f"{len(matrix)} rows of R."
        )
    return matrix, np.broadcast_to(values, (len(matrix),)).copy()


def coded(text: str, names: Sequence[str]) -> str:
    """A hypothesis in which each estimate's name, or row, is a word of arithmetic."""
    # A name must not be part of a longer word or number, as "bmi -2" in "bmi -20".
    alternatives = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = rf"(?<![\w.])(?:({alternatives})|(?:row\s+|b)(\d+))(?![\w.])"
    position = {name: i for i, name in enumerate(names)}

    def symbol(match: re.Match) -> str:
        if match[1] is not None:
            return f" {PLACE}{position[match[1]]} "
        number = int(match[2])
        if not 1 <= number <= len(names):
            raise ValueError(
                f"The hypothesis {text!r} asks for row {number}; rows are 1 to "
                f"{len(names)}."
            )
        return f" {PLACE}{number - 1} "

    literal = re.search(rf"{PLACE}\d*", re.sub(pattern, " ", text))
    if literal:
        raise unreadable(literal[0], text, names)
    return re.sub(pattern, symbol, text)


def _forms(text: str, names: Sequence[str]) -> list[np.ndarray]:
    """One vector of coefficients and a constant for each hypothesis of a text."""
    comparisons = coded(text, names).split(",")
    return [_form(comparison, text, names) for comparison in comparisons]


def _form(comparison: str, text: str, names: Sequence[str]) -> np.ndarray:
    sides = comparison.split("=")
    if len(sides) > 2:
        raise ValueError(
            f"The hypothesis {text!r} has {len(sides) - 1} equals signs in one "
            "comparison; set comparisons apart by commas."
        )
    left, *right = [_side(side.strip(), text, names) for side in sides]
    form = left - right[0] if right else left
    if not form[:-1].any():
        raise ValueError(f"The hypothesis {text!r} restricts no estimate.")
    return form


def _side(side: str, text: str, names: Sequence[str]) -> np.ndarray:
    try:
        return _linear(ast.parse(side, mode="eval").body, text, names)
    except SyntaxError:
        raise unreadable(side, text, names) from None


def _linear(node: ast.expr, text: str, names: Sequence[str]) -> np.ndarray:
    """An expression as coefficients of the estimates, then a constant."""
    form = np.zeros(len(names) + 1)
    match node:
        case ast.Name(id=name) if name.startswith(PLACE):
            form[int(name.removeprefix(PLACE))] = 1.0
            return form
        case ast.Constant(value=int() | float() as value) if not isinstance(
            value, bool
        ):
            form[-1] = value
            return form
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            form = _linear(operand, text, names)
            return -form if isinstance(node.op, ast.USub) else form
        case ast.BinOp():
            left, right = (_linear(n, text, names) for n in (node.left, node.right))
            return _combination(left, node.op, right, text)
    raise unreadable(ast.unparse(node), text, names)


def _combination(
    left: np.ndarray, operator: ast.operator, right: np.ndarray, text: str
) -> np.ndarray:
    match operator:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult() if not left[:-1].any():
            return left[-1] * right
        case ast.Mult() if not right[:-1].any():
            return left * right[-1]
        case ast.Div() if not right[:-1].any() and right[-1] != 0:
            return left / right[-1]
    raise ValueError(f"The hypothesis {text!r} is not linear in the estimates.")


def unreadable(part: str, text: str, names: Sequence[str]) -> ValueError:
    """That a part of a hypothesis cannot be read."""
    words = part.strip()
    if PLACE not in text:
        words = re.sub(rf"{PLACE}(\d+)", lambda match: names[int(match[1])], words)
    return ValueError(
        f"The hypothesis {text!r} cannot be read at {words!r}: expected names of "
        "estimates (or row 1, row 2, …), numbers, + - * / and =."
        + (nearest(words, names) or known_names(names))
    )
