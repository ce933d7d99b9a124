"""Means of effects, by effect, output and group, as a function of row weights.

AME and cAME of the same rows under many models: what counts and what group a row is
in are looked up once, ē = Σ w FME / Σ w is formed for each model and set of weights.
Given the model, Var(ē) = U / (U − 1) · Σ_u (Σ_{i in u} w_i (FME_i − ē))² / (Σ w)² over
U units, rows or groups of them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._results.effects import ForwardEffects
from skfme.statsmodels._inference.names import names_of
from skfme.statsmodels._rows.groups import Groups
from skfme.statsmodels._tree.subspaces import groups_of_tree

__all__ = ["GroupMeans", "Influence", "groups_asked"]


@dataclass(frozen=True)
class GroupMeans:
    """The averages asked for, in the order of effects, outputs and groups.

    Attributes
    ----------
    labels : DataFrame of k rows
        ``effect``, ``output`` (for several) and group columns.
    nobs : ndarray of shape (k,)
        Rows that count.
    rows : tuple of ndarray
        For each effect, the rows that count, of positive weight.
    cells : tuple of ndarray
        For each effect, the group of these rows.
    present : tuple of ndarray
        For each effect, the groups that have rows.
    weights : ndarray of shape (n,)
    outputs : tuple of int
        Positions of the outputs that are averaged.
    """

    labels: pd.DataFrame
    nobs: np.ndarray
    rows: tuple[np.ndarray, ...]
    cells: tuple[np.ndarray, ...]
    present: tuple[np.ndarray, ...]
    weights: np.ndarray
    outputs: tuple[int, ...]

    @classmethod
    def of(
        cls,
        effects: ForwardEffects,
        groups: Groups,
        output: int | None = None,
    ) -> GroupMeans:
        """Look up the rows and groups of some effects.

        Parameters
        ----------
        effects : ForwardEffects
        groups : Groups
        output : int or None
            Position of the one output to average; None averages all.

        Raises
        ------
        ValueError
            If no row counts for an effect.
        """
        n = len(next(iter(effects.values())).counted)
        given = effects.sample_weight
        weights = np.ones(n) if given is None else given
        codes, keys = groups.codes, groups.keys
        outputs = tuple(range(len(effects.outputs))) if output is None else (output,)
        rows, cells, present, labels, nobs = [], [], [], [], []
        for effect in effects.values():
            counted = np.flatnonzero(effect.counted & (weights > 0))
            if not len(counted):
                raise ValueError(
                    f"No row counts for the effect {effect.name!r}, so that it has no "
                    "average. Take a smaller step, or extrapolation=None."
                )
            counts = np.bincount(codes[counted], minlength=len(keys))
            kept = np.flatnonzero(counts)
            _warn_of_empty(effect.name, keys, counts)
            rows.append(counted)
            cells.append(codes[counted])
            present.append(kept)
            for k in outputs:
                part = keys.iloc[kept].reset_index(drop=True)
                if len(effects.outputs) > 1:
                    part.insert(0, "output", effects.outputs[k])
                part.insert(0, "effect", effect.name)
                labels.append(part)
                nobs.append(counts[kept])
        return cls(
            pd.concat(labels, ignore_index=True),
            np.concatenate(nobs),
            tuple(rows),
            tuple(cells),
            tuple(present),
            weights,
            outputs,
        )

    @property
    def names(self) -> list[str]:
        """Names of the averages; a subspace goes by its number."""
        return names_of(self.labels.drop(columns="rule", errors="ignore"))

    @property
    def rules(self) -> list[str]:
        """What the subspaces are, in words; empty without a partition."""
        if "rule" not in self.labels:
            return []
        known = self.labels[["subspace", "rule"]].drop_duplicates()
        return [f"Subspace {row.subspace}: {row.rule}." for row in known.itertuples()]

    def __call__(
        self, fme: Sequence[np.ndarray], counts: np.ndarray | None = None
    ) -> np.ndarray:
        """The averages under one model.

        Parameters
        ----------
        fme : sequence of ndarray of shape (n, n_outputs)
            One for each effect.
        counts : ndarray of shape (n,) or None
            How often each row is there; None is once.

        Returns
        -------
        averages : ndarray of shape (k,)

        Raises
        ------
        ValueError
            If a group has lost all its rows.
        """
        weights = self.weights if counts is None else self.weights * counts
        means = []
        for values, rows, cells, present in zip(
            fme, self.rows, self.cells, self.present, strict=True
        ):
            kept = weights[rows]
            totals = np.bincount(cells, kept)[present]
            if not totals.all():
                raise ValueError(
                    "these rows hold none that counts of some effect or group; draw "
                    "within groups, with stratify, or take population='fixed'"
                )
            for column in values[rows][:, self.outputs].T:
                means.append(np.bincount(cells, kept * column)[present] / totals)
        return np.concatenate(means)

    def influences(
        self, fme: Sequence[np.ndarray], units: np.ndarray
    ) -> Iterator[Influence]:
        """What each unit moves each average by, one average after the other.

        Parameters
        ----------
        fme : sequence of ndarray of shape (n, n_outputs)
        units : ndarray of int of shape (n,)
            Unit of each row, from 0.
        """
        n_units = int(units.max()) + 1
        for values, rows, cells, present in zip(
            fme, self.rows, self.cells, self.present, strict=True
        ):
            for column in values[rows][:, self.outputs].T:
                for cell in present:
                    members = cells == cell
                    yield Influence.of(
                        column[members],
                        self.weights[rows[members]],
                        units[rows[members]],
                        n_units,
                    )

    def covariance(self, fme: Sequence[np.ndarray], units: np.ndarray) -> np.ndarray:
        """Joint covariance of the averages given the model, of shape (k, k)."""
        columns = [one.by_unit for one in self.influences(fme, units)]
        return np.array([[a @ b for b in columns] for a in columns])


@dataclass(frozen=True)
class Influence:
    """Of the units on one average.

    Attributes
    ----------
    by_unit : ndarray of shape (n_units,)
        Its sum of squares is the variance of the average, given the model; NaN of
        fewer than two units.
    n_units : int
        Units that the average rests on.
    total : float
        Its sum of weights.
    """

    by_unit: np.ndarray
    n_units: int
    total: float

    @classmethod
    def of(
        cls, e: np.ndarray, w: np.ndarray, unit: np.ndarray, n_units: int
    ) -> Influence:
        total = float(w.sum())
        sums = np.bincount(unit, w * (e - w @ e / total), n_units)
        used = len(np.unique(unit))
        factor = np.sqrt(used / (used - 1)) if used > 1 else np.nan
        return cls(factor * sums / total, used, total)

    @property
    def variance(self) -> float:
        return float(self.by_unit @ self.by_unit)


def groups_asked(effects: ForwardEffects, by: Any, partition: Any) -> Groups:
    """The groups that `by` names, or the subspaces of a partition.

    Raises
    ------
    ValueError
        If both are given, or `by` fits neither the columns nor the rows of X.
    TypeError
        If `partition` is no EffectTree.
    """
    if partition is None:
        return Groups.of(effects.context.table, by)
    if by is not None:
        raise ValueError(
            "by and partition both name groups to average over; give one of them."
        )
    return groups_of_tree(partition, effects.X)


def _warn_of_empty(name: str, keys: pd.DataFrame, counts: np.ndarray) -> None:
    empty = keys[counts == 0]
    if len(empty):
        shown = [", ".join(map(str, row)) for row in empty.itertuples(index=False)]
        warnings.warn(
            f"No row counts for the effect {name!r} in the groups {'; '.join(shown)}, "
            "which are left out.",
            UserWarning,
            stacklevel=4,
        )
