"""How kernels are compiled: once per machine, without the lock, and no more than needed.

Wrappers that nothing calls, and checks for a division by zero that cannot happen,
would take a third of the compiler's time. Arrays are made for kernels, not by them, and
inner functions get the arrays that they read, not the tuples that hold them.
"""

from __future__ import annotations

from numba import njit

__all__ = ["inlined", "inner", "kernel", "summed"]

# Called from Python.
kernel = njit(nogil=True, cache=True, error_model="numpy", no_cfunc_wrapper=True)

# Called from kernels only.
inner = njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    no_cpython_wrapper=True,
)

# Alike, and made part of what calls it.
inlined = njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    no_cpython_wrapper=True,
    forceinline=True,
)

# Sums may be taken in any order, so that they use the processor's vectors.
summed = njit(
    nogil=True,
    cache=True,
    error_model="numpy",
    no_cfunc_wrapper=True,
    no_cpython_wrapper=True,
    fastmath={"reassoc", "contract"},
)
