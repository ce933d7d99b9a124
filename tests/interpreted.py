"""Kernels as plain Python: ``pytest -p tests.interpreted``.

What numba has compiled is neither traced nor mutated. With this plugin its decorator leaves
functions as they are, so that their lines are counted, and a changed kernel is what runs;
vector instructions have stand-ins in NumPy. It must be loaded before the package is
imported; imported alone it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numba
import numba.extending
import numpy as np

_ROWS = 64


def pytest_load_initial_conftests() -> None:
    """Called of plugins on the command line, before tests are collected."""
    numba.njit = _as_it_is
    numba.extending.intrinsic = _stand_in


def _as_it_is(**options: Any) -> Callable[[Callable], Any]:
    def decorate(function: Any) -> Any:
        function.stats = SimpleNamespace(cache_misses={})  # nothing was compiled
        return function

    return decorate


def _stand_in(instruction: Any) -> Callable[..., Any]:
    return {f.__name__: f for f in (at_least, differ, pick, first_row)}[
        instruction.__name__
    ]


def _line(lines: np.ndarray, line: int) -> np.ndarray:
    start = int(line) * _ROWS
    return lines.reshape(-1)[start : start + _ROWS]


def _word(rows: np.ndarray) -> np.uint64:
    return np.packbits(rows, bitorder="little").view("<u8").astype(np.uint64)[0]


def at_least(codes: np.ndarray, line: int, test: int) -> np.uint64:
    """The rows whose codes, of one line, are not below a number."""
    return _word(_line(codes, line) >= int(test))


def differ(lines: np.ndarray, one: int, other: int) -> np.uint64:
    """The rows in which two lines differ."""
    return _word(_line(lines, one) != _line(lines, other))


def pick(lines: np.ndarray, target: int, rows: int, there: int, elsewhere: int) -> None:
    """Set a line to another one in some rows, and to a third in the rest."""
    bits = np.array([rows], "<u8").view(np.uint8)
    chosen = np.unpackbits(bits, bitorder="little").astype(bool)
    _line(lines, target)[:] = np.where(
        chosen, _line(lines, there), _line(lines, elsewhere)
    )


def first_row(rows: int) -> np.uint64:
    """The lowest of the rows of a word that has some."""
    word = int(rows)
    return np.uint64((word & -word).bit_length() - 1)
