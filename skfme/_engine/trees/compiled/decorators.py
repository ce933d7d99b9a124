"""How kernels are compiled: once per machine, without the lock, and no more than needed.

Wrappers that nothing calls, and checks for a division by zero that cannot happen,
would take a third of the compiler's time. Arrays are made for kernels, not by them. A
function inside another is optimised with each of those around it, and a tuple is taken
apart wherever it is passed on: few levels and small tuples compile fastest.

What is compiled is kept on disk, where there is a place that can be written and read;
without one, each process compiles for itself.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from numba import njit
from numba.core.caching import FunctionCache

__all__ = ["inlined", "inner", "kernel", "merged", "n_compiled", "summed"]

_LOG = logging.getLogger(__name__)


def _source_digest() -> str:
    """Of the files in this folder, which call each other's kernels."""
    digest = hashlib.sha256()
    with suppress(OSError):  # in an archive
        for file in sorted(Path(__file__).parent.glob("*.py")):
            digest.update(file.read_bytes())
    return digest.hexdigest()


_SOURCES = _source_digest()


class _LenientCache(FunctionCache):
    """A cache whose failures cost time and nothing else.

    numba's own raises where a file is damaged, unreadable or of a class that is gone, or
    where the disk is full. It also takes a kernel for fresh while the file that it is
    written in stays the same, whatever becomes of the functions that it calls.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # unpickling raises anything
            _LOG.debug("%s is compiled, as its cache fails: %r", self._name, error)
            with suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            _LOG.debug("%s is not kept on disk: %r", self._name, error)

    def _index_key(self, sig: Any, codegen: Any) -> tuple[Any, ...]:
        return (*super()._index_key(sig, codegen), _SOURCES)


_DISPATCHERS: list[Any] = []


def _compiled(**options: Any) -> Callable[[Callable], Any]:
    """A decorator that compiles a function when it is first called, and keeps it."""
    # No kernel makes an array, so that references need not be counted: a tenth of the
    # compiler's time.
    options = {"nogil": True, "no_cfunc_wrapper": True, "_nrt": False, **options}
    compiled = njit(error_model="numpy", **options)

    def decorate(function: Callable) -> Any:
        dispatcher = compiled(function)
        try:
            dispatcher._cache = _LenientCache(function)
        except Exception as error:  # no place on disk, or none that can be written
            _LOG.debug("%s is compiled in each process: %s", function.__name__, error)
        _DISPATCHERS.append(dispatcher)
        return dispatcher

    return decorate


def n_compiled() -> int:
    """Kernels that were compiled, and not taken from the disk."""
    return sum(sum(d.stats.cache_misses.values()) for d in _DISPATCHERS)


# Called from Python.
kernel = _compiled()

# Called from kernels only.
inner = _compiled(no_cpython_wrapper=True)

# Alike, and made part of the machine code of what calls it.
inlined = _compiled(no_cpython_wrapper=True, forceinline=True)

# Made part of the one function that calls it before that is compiled. Only for small
# functions: of large ones the compiler makes slow code.
merged = _compiled(no_cpython_wrapper=True, inline="always")

# Sums may be taken in any order, so that they use the processor's vectors.
summed = _compiled(no_cpython_wrapper=True, fastmath={"reassoc", "contract"})
