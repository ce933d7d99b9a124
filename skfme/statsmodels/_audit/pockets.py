"""Pockets: regions of rows in which a model still responds, found and estimated apart.

A tree over the effects of half of the rows finds regions; means and intervals come from
the other half, which did not choose them. An average that passes says nothing of these.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from skfme._frames.tables import Table
from skfme.statsmodels._audit.shares import mean_over
from skfme.statsmodels._tree.effect_tree import EffectTree
from skfme.statsmodels._tree.subspaces import groups_of_tree

__all__ = ["pockets_of"]

COLUMNS = ["rule", "n", "share", "estimate", "std_error", "conf_low", "conf_high"]


def pockets_of(
    table: Table,
    fme: np.ndarray,
    units: np.ndarray,
    tree: EffectTree | None,
    bound: float,
    alpha: float,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Regions of the effects, with honest means.

    Parameters
    ----------
    table : Table of n rows
        Among whose columns regions are sought.
    fme : ndarray of shape (n,)
    units : ndarray of shape (n,), int
        Rows of a unit stay in one half.
    tree : EffectTree or None
        How regions are sought.
    bound : float
    alpha : float
        One minus the coverage.
    rng : Generator

    Returns
    -------
    pockets : DataFrame
        ``rule``, ``n`` and ``share`` of the rows held apart, ``estimate``,
        ``std_error``, ``conf_low``, ``conf_high``, and ``beyond``, whether the interval
        lies outside ± bound.
    """
    if np.ptp(fme) <= 1e-12 * max(np.abs(fme).max(), bound):
        return pd.DataFrame(columns=[*COLUMNS, "beyond"])
    unit = rng.permutation(int(units.max()) + 1)
    searching = unit[units] < (len(unit) + 1) // 2
    searched, apart = np.flatnonzero(searching), np.flatnonzero(~searching)
    tree = clone(tree) if tree is not None else EffectTree()
    tree.fit(table.take(searched).native, fme[searched], groups=units[searched])
    regions = groups_of_tree(tree, table.take(apart).native)
    found = [
        _pocket(rule, fme[rows], units[rows], len(apart), alpha)
        for g, rule in enumerate(regions.keys["rule"])
        if len(rows := apart[regions.codes == g]) > 1
    ]
    frame = pd.DataFrame(found, columns=COLUMNS)
    outside = (frame["conf_low"] > bound) | (frame["conf_high"] < -bound)
    return frame.assign(beyond=outside)


def _pocket(
    rule: str, fme: np.ndarray, units: np.ndarray, n_apart: int, alpha: float
) -> tuple[Any, ...]:
    estimate = mean_over(fme, units)
    ends = estimate.interval(alpha)
    return rule, len(fme), len(fme) / n_apart, estimate.mean, estimate.se, *ends
