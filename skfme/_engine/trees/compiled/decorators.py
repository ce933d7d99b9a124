"""How kernels are compiled: once per machine, without the lock, and no more than needed.

Wrappers that nothing calls, and checks for a division by zero that cannot happen,
would take a third of the compiler's time. Arrays are made for kernels, not by them. A
function inside another is optimised with each of those around it, and a tuple is taken
apart wherever it is passed on: few levels and small tuples compile fastest.
"""

from __future__ import annotations

from typing import Any

from numba import njit

__all__ = ["inlined", "inner", "kernel", "merged", "summed"]

_OUTER: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "no_cfunc_wrapper": True,
}
_INNER = {**_OUTER, "no_cpython_wrapper": True}

# Called from Python.
kernel = njit(**_OUTER)

# Called from kernels only.
inner = njit(**_INNER)

# Alike, and made part of the machine code of what calls it.
inlined = njit(**_INNER, forceinline=True)

# Made part of the one function that calls it before that is compiled. Only for small
# functions: of large ones the compiler makes slow code.
merged = njit(**_INNER, inline="always")

# Sums may be taken in any order, so that they use the processor's vectors.
summed = njit(**_INNER, fastmath={"reassoc", "contract"})
