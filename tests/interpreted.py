"""Kernels as plain Python: ``pytest -p tests.interpreted``.

What numba has compiled is neither traced nor mutated. With this plugin its decorator leaves
functions as they are, so that their lines are counted, and a changed kernel is what runs.
Loaded before the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numba


def _as_it_is(**options: Any) -> Callable[[Callable], Any]:
    def decorate(function: Any) -> Any:
        function.stats = SimpleNamespace(cache_misses={})  # nothing was compiled
        return function

    return decorate


numba.njit = _as_it_is
