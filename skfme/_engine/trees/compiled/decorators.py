"""How kernels are compiled: once per machine, without the lock, and no more than needed.

Wrappers that nothing calls, and checks for a division by zero that cannot happen,
would take a third of the compiler's time. Arrays are made for kernels, not by them. A
function inside another is optimised with each of those around it, and a tuple is taken
apart wherever it is passed on: few levels and small tuples compile fastest.

What is compiled is kept on disk, where there is a place that can be written and read;
without one, each process compiles for itself. Processes that need the same kernels at
once wait for the first one, and read what it has compiled.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
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


class _FolderLock:
    """One process at a time compiles into a folder; a thread may enter several times."""

    def __init__(self) -> None:
        self._threads = RLock()
        self._depth = 0

    @contextmanager
    def __call__(self, folder: str) -> Iterator[None]:
        with self._threads:
            file = None if self._depth else _locked(folder)
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
                if file is not None:
                    file.close()  # which unlocks it


def _locked(folder: str) -> Any:
    """A file that this process has locked; None where files cannot be."""
    try:
        import fcntl

        file = open(Path(folder) / "compiling.lock", "ab")  # noqa: SIM115
        fcntl.lockf(file, fcntl.LOCK_EX)
    except (ImportError, OSError) as error:  # Windows, or some network's files
        _LOG.debug("processes may compile at once: %s", error)
        return None
    return file


_compiling = _FolderLock()


def _one_at_a_time(compile: Callable, folder: str) -> Callable:
    """The dispatcher's own `compile`, which reads the cache first."""

    def locked(signature: Any) -> Any:
        with _compiling(folder):
            return compile(signature)

    return locked


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
            folder = dispatcher._cache.cache_path
            dispatcher.compile = _one_at_a_time(dispatcher.compile, folder)
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
