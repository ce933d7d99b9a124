"""What displays draw: the members of results and trees that they read.

Displays import none of these classes, which import the displays.
"""

from __future__ import annotations

from collections.abc import Hashable, ItemsView, Iterator
from typing import Any, Protocol

import numpy as np
import pandas as pd

from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme.steps._changes import Step

__all__ = [
    "Attribution",
    "DrawnTree",
    "Effect",
    "EffectContext",
    "Effects",
    "Predictions",
    "Profile",
]


class EffectContext(Protocol):
    """What all effects of one call have in common."""

    @property
    def table(self) -> Table: ...
    @property
    def weights(self) -> Weighting: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def response(self) -> str: ...
    @property
    def response_label(self) -> str | None: ...
    @property
    def categorical_features(self) -> tuple[Hashable, ...]: ...


class Effect(Protocol):
    """An effect with its rows."""

    @property
    def name(self) -> str: ...
    @property
    def step(self) -> dict[str, Step]: ...
    @property
    def context(self) -> EffectContext: ...
    @property
    def fme_2d(self) -> np.ndarray: ...
    @property
    def nlm_2d(self) -> np.ndarray | None: ...
    @property
    def counted(self) -> np.ndarray: ...
    @property
    def extrapolated(self) -> np.ndarray: ...
    @property
    def n(self) -> int: ...
    @property
    def n_left_out(self) -> dict[str, int]: ...
    def average(self, by: Any) -> pd.DataFrame: ...


class Effects(Protocol):
    """Several effects of one call, by name."""

    @property
    def context(self) -> EffectContext: ...
    def __iter__(self) -> Iterator[str]: ...
    def items(self) -> ItemsView[str, Effect]: ...
    def to_frame(self) -> pd.DataFrame: ...


class Attribution(Effects, Protocol):
    """The parts of one effect, by feature."""

    @property
    def total(self) -> Effect: ...


class Profile(Protocol):
    """Effects over sizes of a step."""

    @property
    def feature(self) -> str: ...
    @property
    def effects(self) -> Effects: ...
    def to_frame(self) -> pd.DataFrame: ...


class Predictions(Protocol):
    """Predictions along a step."""

    @property
    def name(self) -> str: ...
    @property
    def step(self) -> dict[str, Step]: ...
    @property
    def t(self) -> np.ndarray: ...
    @property
    def points(self) -> dict[str, np.ndarray]: ...
    @property
    def predictions(self) -> np.ndarray: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def index(self) -> pd.Index: ...
    @property
    def response(self) -> str: ...


class DrawnTree(Protocol):
    """A fitted tree over effects."""

    @property
    def nodes_(self) -> pd.DataFrame: ...
    @property
    def partitions_(self) -> pd.DataFrame: ...

    def _for_display(self) -> Any: ...
    def apply(self, X: Any) -> np.ndarray: ...
