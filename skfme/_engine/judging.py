"""Which effects leave the training data: asked of the support, effect by effect, or walked.

An isolation forest is asked once for each effect, as any outlier detector; where it is
read, one walk of its trees judges all effects, in the detector's own words: rows too
close to its threshold for the rounding of sums are asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Protocol

from skfme._engine.refusals import MISSING_EXTRA, ModelNotReadError
from skfme._engine.stepping import Stepped
from skfme._frames.tables import Table
from skfme.extrapolation._detectors import DetectorSupport
from skfme.extrapolation._support import Support

__all__ = ["WalkedSupport", "walked_support"]

_LOG = logging.getLogger(__name__)
# Fewer stepped rows than these are judged before the compiled engine is loaded.
_WORTH_LOADING = 50_000


class WalkedSupport(Protocol):
    """Judges all effects of a batch at once."""

    def judged(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> tuple[list[Stepped], int]:
        """The effects without rows that leave the data, and rows outside before any."""


def walked_support(
    support: Support | None, table: Table, n_effects: int
) -> WalkedSupport | Support | None:
    """A support that judges all effects of a table at once, where there is one."""
    few = len(table) * n_effects < _WORTH_LOADING
    if few or n_effects < 2 or not isinstance(support, DetectorSupport):
        return support
    try:
        return _walked(support, table)
    except ModelNotReadError as reason:
        _LOG.debug("extrapolation is asked for effect by effect: %s", reason)
        return support


def _walked(support: DetectorSupport, table: Table) -> Any:
    # What `import skfme` has no need of.
    from skfme._engine.trees.models import read_isolation_forest

    if find_spec("numba") is None:
        raise ModelNotReadError(MISSING_EXTRA)
    forest = read_isolation_forest(support.detector, table)
    try:
        from numba import config

        from skfme._engine.trees.isolation import WalkedForest
    except (ImportError, OSError) as error:
        raise ModelNotReadError(f"numba cannot be loaded: {error}") from error
    if config.DISABLE_JIT:
        raise ModelNotReadError("NUMBA_DISABLE_JIT keeps numba from compiling")
    walked = WalkedForest.of(support, forest)
    walked.check(table)
    return walked
