"""Averages of one effect over some of its rows, and by group.

AME = Σ w FME / Σ w over the rows of a group that count, with what was predicted before
and after the step. Inference about them is no matter of this room.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import pandas as pd

from skfme._frames.groups import groups_in, row_labels
from skfme._frames.tables import Table
from skfme._results.averages import Ends, described
from skfme._summaries.comparisons import Comparison
from skfme._summaries.weighted import nonlinearity_of, weighted_mean, weighted_sd
from skfme._summaries.weighting import Weighting

__all__ = ["EffectRows", "averages_by_group", "ends_of"]


class EffectRows(Protocol):
    """The rows of one effect."""

    @property
    def name(self) -> str: ...
    @property
    def outputs(self) -> tuple[str, ...]: ...
    @property
    def table(self) -> Table: ...
    @property
    def weights(self) -> Weighting: ...
    @property
    def counted(self) -> np.ndarray: ...
    @property
    def status(self) -> np.ndarray: ...
    @property
    def fme_2d(self) -> np.ndarray: ...
    @property
    def nlm_2d(self) -> np.ndarray | None: ...
    @property
    def before_2d(self) -> np.ndarray | None: ...
    @property
    def after_2d(self) -> np.ndarray | None: ...
    @property
    def comparison(self) -> Comparison: ...


def averages_by_group(effect: EffectRows, by: Any) -> pd.DataFrame:
    """The table of :meth:`skfme.ForwardEffect.average`."""
    rows = np.flatnonzero(effect.counted)
    names = ["output"] if len(effect.outputs) > 1 else []
    names += [
        "n",
        "ame",
        "sd",
        *["anlm"] * (effect.nlm_2d is not None),
        "share_positive",
    ]
    names += [] if effect.before_2d is None else Ends._fields
    labels = row_labels(effect.table, by).iloc[rows].reset_index(drop=True)
    codes, keys = groups_in(labels)
    by_group = rows[np.argsort(codes, kind="stable")]
    ends = np.searchsorted(np.sort(codes), np.arange(1, len(keys)))
    labels_of: list[dict[Any, Any]] = keys.to_dict("records")
    records = []
    # Of no rows, split makes one part.
    for label, members in zip(labels_of, np.split(by_group, ends), strict=False):
        for k, output in enumerate(effect.outputs):
            several = {"output": output} if len(effect.outputs) > 1 else {}
            records.append({**label, **several, **_figures(effect, members, k)})
    frame = pd.DataFrame(records, columns=[*labels.columns, *names])
    frame.insert(0, "effect", effect.name)
    return frame.assign(**described(effect.comparison))


def _figures(effect: EffectRows, rows: np.ndarray, k: int) -> dict[str, float]:
    """Averages of one output over some rows."""
    fme, weights = effect.fme_2d[rows, k], effect.weights.take(rows)
    rises = fme > effect.comparison.null
    figures = {
        "n": len(rows),
        "ame": weighted_mean(fme, weights),
        "sd": weighted_sd(fme, weights),
        "share_positive": weighted_mean(rises.astype(float), weights),
    }
    if effect.nlm_2d is not None:
        figures["anlm"] = nonlinearity_of(effect.nlm_2d[rows, k], weights).mean
    if effect.before_2d is not None:
        ends = ends_of(effect, rows, k)
        figures |= ends._asdict()
        if effect.comparison.of_means:
            (figures["ame"],) = effect.comparison.of_averages([ends])
    return figures


def ends_of(effect: EffectRows, rows: np.ndarray, k: int) -> Ends:
    """Average predictions of one output over some rows."""
    assert effect.before_2d is not None
    weights = effect.weights.take(rows)
    before = weighted_mean(effect.before_2d[rows, k], weights)
    if effect.after_2d is None:
        return Ends(before, before + weighted_mean(effect.fme_2d[rows, k], weights))
    return Ends(before, weighted_mean(effect.after_2d[rows, k], weights))
