"""One effect as a table of its rows: effects, status, weight, and both predictions."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from skfme._engine.stepping import STATUSES
from skfme._frames.groups import row_labels
from skfme._results.by_group import EffectRows
from skfme._text.outputs import names_by_output

__all__ = ["row_table"]


class TabulatedRows(EffectRows, Protocol):
    """The rows of one effect, with what is said of each."""

    @property
    def status(self) -> np.ndarray: ...
    @property
    def sample_weight(self) -> np.ndarray | None: ...


def row_table(effect: TabulatedRows, columns: Any) -> pd.DataFrame:
    """The table of :meth:`skfme.ForwardEffect.to_frame`."""
    names = names_by_output("fme", effect.outputs)
    frame = pd.DataFrame(effect.fme_2d.copy(), columns=names)
    if effect.nlm_2d is not None:
        frame[names_by_output("nlm", effect.outputs)] = effect.nlm_2d
    frame["status"] = pd.Categorical(effect.status, STATUSES)
    if effect.sample_weight is not None:
        frame["sample_weight"] = effect.sample_weight
    if effect.before_2d is not None:
        before = np.where(effect.counted[:, None], effect.before_2d, np.nan)
        after = before + effect.fme_2d if effect.after_2d is None else effect.after_2d
        frame[names_by_output("before", effect.outputs)] = before
        frame[names_by_output("after", effect.outputs)] = after
    if columns is not None:
        frame = pd.concat([row_labels(effect.table, columns, "columns"), frame], axis=1)
    return frame.set_axis(effect.table.index, axis=0)
