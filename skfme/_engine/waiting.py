"""One line for who waits for the compiler: what takes long is said, once, if wanted."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

__all__ = ["told_of_compiling"]

_WORTH_TELLING = 1.0  # seconds
_TOLD: list[str] = []


@contextmanager
def told_of_compiling(verbose: int) -> Iterator[None]:
    """Say that the engine was compiled, where that took longer than a second."""
    before, start = n_compiled(), perf_counter()
    yield
    took = perf_counter() - start
    if verbose and not _TOLD and took > _WORTH_TELLING and n_compiled() > before:
        line = (
            f"effects: the walk of tree ensembles was compiled in {took:.1f} s, and is kept "
            "for the next time"
        )
        print(line, file=sys.stderr)
        _TOLD.append(line)


def n_compiled() -> int:
    """Kernels that this process has compiled, other than taken from the disk."""
    module = sys.modules.get("skfme._engine.trees.compiled.decorators")
    return 0 if module is None else module.n_compiled()
