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
    weights: np.ndarray | None = None,
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
    weights : ndarray of shape (n,), default=None

    Returns
    -------
    pockets : DataFrame
        ``rule``, ``n`` and ``share`` of the rows held apart, ``estimate``,
        ``std_error``, ``conf_low``, ``conf_high``, and ``beyond``, whether the interval
        lies outside ± bound.
    """
    if np.ptp(fme) <= 1e-12 * max(np.abs(fme).max(), bound):
        return _alike(fme, bound)
    unit = rng.permutation(int(units.max()) + 1)
    searching = unit[units] < (len(unit) + 1) // 2
    searched, apart = np.flatnonzero(searching), np.flatnonzero(~searching)
    tree = clone(tree) if tree is not None else EffectTree()
    given = None if weights is None else weights[searched]
    tree.fit(table.take(searched).native, fme[searched], given, groups=units[searched])
    regions = groups_of_tree(tree, table.take(apart).native)
    w = np.ones(len(fme)) if weights is None else weights
    apart_counted = w[apart] > 0
    found = [
        _pocket(rule, fme, units, w, (rows, apart), alpha)
        for g, rule in enumerate(regions.keys["rule"])
        if len(rows := apart[(regions.codes == g) & apart_counted]) > 1
    ]
    frame = pd.DataFrame(found, columns=COLUMNS)
    outside = (frame["conf_low"] > bound) | (frame["conf_high"] < -bound)
    return frame.assign(beyond=outside)


def _alike(fme: np.ndarray, bound: float) -> pd.DataFrame:
    """One region of all rows where their one effect is beyond the bound; else none."""
    value = float(fme[0])
    line = ("all", len(fme), 1.0, value, 0.0, value, value, True)
    found = [line] if abs(value) > bound else []
    return pd.DataFrame(found, columns=[*COLUMNS, "beyond"])


def _pocket(
    rule: str,
    fme: np.ndarray,
    units: np.ndarray,
    w: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    alpha: float,
) -> tuple[Any, ...]:
    """One region's line: of the rows in it, among all that are held apart."""
    inside, apart = rows
    estimate = mean_over(fme[inside], units[inside], w[inside])
    share = w[inside].sum() / w[apart].sum()
    return (
        rule,
        len(inside),
        share,
        estimate.mean,
        estimate.se,
        *estimate.interval(alpha),
    )
