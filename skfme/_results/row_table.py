"""Rows of an effect as a table: effects, statuses, weights and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from skfme._engine.stepping import STATUSES
from skfme._frames.groups import row_labels
from skfme._results.by_group import EffectRows
from skfme._text.outputs import names_by_output

__all__ = ["table_of_rows"]


def table_of_rows(effect: EffectRows, columns: Any) -> pd.DataFrame:
    """One row per row of X, under its labels; `columns` of X come first."""
    names = names_by_output("fme", effect.outputs)
    frame = pd.DataFrame(effect.fme_2d.copy(), columns=names)
    if effect.nlm_2d is not None:
        frame[names_by_output("nlm", effect.outputs)] = effect.nlm_2d
    frame["status"] = pd.Categorical(effect.status, STATUSES)
    if effect.weights.given:
        frame["sample_weight"] = effect.weights.array
    if effect.before_2d is not None:
        before = np.where(effect.counted[:, None], effect.before_2d, np.nan)
        after = before + effect.fme_2d if effect.after_2d is None else effect.after_2d
        frame[names_by_output("before", effect.outputs)] = before
        frame[names_by_output("after", effect.outputs)] = after
    if columns is not None:
        labels = row_labels(effect.table, columns, "columns")
        frame = pd.concat([labels, frame], axis=1)
    return frame.set_axis(effect.table.index, axis=0)
