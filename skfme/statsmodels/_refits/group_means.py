"""Means of effects, by effect, output and group, as a function of row weights.

AME and cAME of the same rows under many models: which rows count and the group of each
are looked up once, ē = Σ w FME / Σ w is formed for each model and set of weights.
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

from skfme._results.averages import Ends, described
from skfme._results.effects import ForwardEffect, ForwardEffects
from skfme._summaries.comparisons import Comparison
from skfme._text.compared import null_notes
from skfme._text.outputs import outcome_notes
from skfme._text.reasons import no_row_counts, what_to_write
from skfme.statsmodels._inference.contrasts import without_round_off
from skfme.statsmodels._inference.names import names_of
from skfme.statsmodels._rows.groups import Groups
from skfme.statsmodels._tree.subspaces import groups_of_tree

__all__ = ["GroupMeans", "groups_of"]


@dataclass(frozen=True)
class GroupMeans:
    """Averages of effects, in the order of effects, outputs and groups.

    Attributes
    ----------
    labels : DataFrame of k rows
        ``effect``, ``output`` (for several) and group columns.
    nobs : ndarray of shape (k,)
        Rows that count.
    members : tuple of (rows, cells)
        For each effect, the rows that count, of positive weight, and the cell of each:
        the number of its group among those that have rows.
    weights : ndarray of shape (n,)
    outputs : list of int
        Positions of the outputs that are averaged.
    outcome : list of str
        Sentences on what changes, where it has a name.
    comparison : Comparison
        Of the effects.
    more : DataFrame of k rows
        What predictions the averages compare, and how.
    """

    labels: pd.DataFrame
    nobs: np.ndarray
    members: tuple[tuple[np.ndarray, np.ndarray], ...]
    weights: np.ndarray
    outputs: list[int]
    outcome: list[str]
    comparison: Comparison
    more: pd.DataFrame

    @classmethod
    def of(
        cls, effects: ForwardEffects, groups: Groups, output: int | None = None
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
        weights = effects.context.weights.whole()
        comparison = next(iter(effects.values())).comparison
        outputs = list(range(len(effects.outputs))) if output is None else [output]
        labels, nobs, members = {}, [], []
        for effect in effects.values():
            rows = np.flatnonzero(effect.counted & (weights > 0))
            if not len(rows):
                raise ValueError(
                    f"{no_row_counts(effect.full_name, effect.n_left_out)}, so that it has "
                    f"no average. {what_to_write(effect.n_left_out)}"
                )
            counts = np.bincount(groups.codes[rows], minlength=len(groups.keys))
            present = counts > 0
            _warn_of_empty(effect.full_name, groups.keys[~present])
            cells = np.cumsum(present) - 1
            members.append((rows, cells[groups.codes[rows]]))
            for k in outputs:
                labels[effect.name, effects.outputs[k]] = groups.keys[present]
                nobs.append(counts[present])
        return cls(
            _label_frame(labels, len(effects.outputs) > 1),
            np.concatenate(nobs),
            tuple(members),
            weights,
            outputs,
            [
                *outcome_notes(
                    effects.context, [effects.outputs[k] for k in outputs], comparison
                ),
                *null_notes(comparison),
            ],
            comparison,
            _ends_table(effects, members, weights, outputs),
        )

    @property
    def described(self) -> dict[str, Any]:
        """Labels, names and sizes of the averages, as results take them."""
        # A subspace goes by its number.
        names = names_of(self.labels.drop(columns="rule", errors="ignore"))
        described = {"labels": self.labels, "names": names, "nobs": self.nobs}
        return described | {"null": self.comparison.null, "more": self.more}

    @property
    def rules(self) -> list[str]:
        """What the subspaces are, in words; empty without a partition."""
        if "rule" not in self.labels:
            return []
        subspaces = self.labels[["subspace", "rule"]].drop_duplicates()
        return [f"Subspace {s.subspace}: {s.rule}." for s in subspaces.itertuples()]

    def __call__(
        self, effects: ForwardEffects, draw: np.ndarray | None = None
    ) -> np.ndarray:
        """The averages under one model.

        Parameters
        ----------
        effects : ForwardEffects
            Of the same steps and rows.
        draw : ndarray of int or None
            Rows to average over, repeated ones included; None is each row once.

        Returns
        -------
        averages : ndarray of shape (k,)

        Raises
        ------
        ValueError
            If a group has lost all its rows.
        """
        weights = self.weights
        if draw is not None:
            weights = weights * np.bincount(draw, minlength=len(weights))
        means = []
        for effect, (rows, cells) in zip(effects.values(), self.members, strict=True):
            w = weights[rows]
            totals = np.bincount(cells, w)
            if not totals.all():
                raise ValueError(
                    "these rows hold none that counts of some effect or group; draw "
                    "within groups, with stratify, or take covers='refit'"
                )
            for fme in self._averaged(effect, rows, cells, w).T:
                means.append(np.bincount(cells, w * fme) / totals)
        return np.concatenate(means)

    def _averaged(
        self, effect: ForwardEffect, rows: np.ndarray, cells: np.ndarray, w: np.ndarray
    ) -> np.ndarray:
        """Values of rows whose means by cell are the averages, to first order."""
        if not effect.comparison.of_means:
            return effect.fme_2d[rows][:, self.outputs]
        before, after = (array[rows][:, self.outputs] for array in effect.ends_2d())
        means = (_cell_means(before, cells, w), _cell_means(after, cells, w))
        ends = (means[0][cells], means[1][cells])
        return effect.comparison.linearised(before, after, ends)

    def influences(
        self, effects: ForwardEffects, units: np.ndarray
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What each unit moves the averages by, for one effect and output at a time.

        Parameters
        ----------
        effects : ForwardEffects
        units : ndarray of int of shape (n,)
            Unit of each row, from 0.

        Yields
        ------
        by_unit : ndarray of shape (n_all_units, n_cells)
            Sums of squares are the variances of the averages, given the model; NaN of
            fewer than two units.
        n_units : ndarray of shape (n_cells,)
            Units that each average rests on.
        totals : ndarray of shape (n_cells,)
            Sums of weights.
        """
        for effect, (rows, cells) in zip(effects.values(), self.members, strict=True):
            w = self.weights[rows]
            totals = np.bincount(cells, w)
            shape = int(units.max()) + 1, len(totals)
            pairs = units[rows] * len(totals) + cells
            counts = np.bincount(pairs, minlength=np.prod(shape))
            n_units = np.count_nonzero(counts.reshape(shape), axis=0)
            factor = np.sqrt(n_units / np.where(n_units > 1, n_units - 1, np.nan))
            for fme in self._averaged(effect, rows, cells, w).T:
                means = np.bincount(cells, w * fme) / totals
                # Of a linear model, whose effects are all the same, no noise is left.
                deviations = without_round_off(fme - means[cells], np.abs(fme))
                sums = np.bincount(pairs, w * deviations, np.prod(shape))
                yield factor * sums.reshape(shape) / totals, n_units, totals

    def covariance(
        self, effects: ForwardEffects, units: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Joint covariance of the averages given the model, and units of each.

        Returns
        -------
        cov : ndarray of shape (k, k)
            NaN for averages over one unit.
        n_units : ndarray of shape (k,)
        """
        influences, n_units, _ = zip(*self.influences(effects, units), strict=True)
        by_unit = np.hstack(influences)
        return by_unit.T @ by_unit, np.concatenate(n_units)


def _cell_means(values: np.ndarray, cells: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Weighted means of (n, K) values by cell, of shape (n_cells, K)."""
    sums = [np.bincount(cells, w * column) for column in values.T]
    means: np.ndarray = np.stack(sums, axis=1) / np.bincount(cells, w)[:, None]
    return means


def _ends_table(
    effects: ForwardEffects,
    members: Sequence[tuple[np.ndarray, np.ndarray]],
    weights: np.ndarray,
    outputs: list[int],
) -> pd.DataFrame:
    """Average predictions before and after, and how they are compared, by estimate."""
    parts = []
    for effect, (rows, cells) in zip(effects.values(), members, strict=True):
        n_cells = int(cells.max()) + 1
        table = pd.DataFrame(index=range(n_cells * len(outputs)))
        # Parts of a joint step have no predictions of their own.
        ends = () if effect.before_2d is None else effect.ends_2d()
        for name, array in zip(Ends._fields, ends, strict=False):
            means = _cell_means(array[rows][:, outputs], cells, weights[rows])
            table[name] = means.T.ravel()
        parts.append(table.assign(**described(effect.comparison)))
    return pd.concat(parts, ignore_index=True)


def groups_of(effects: ForwardEffects, by: Any, tree: Any) -> Groups:
    """The groups that `by` names, or the subspaces of a tree.

    Raises
    ------
    ValueError
        If both are given, or `by` fits neither the columns nor the rows of X.
    TypeError
        If `tree` is no EffectTree.
    """
    if tree is None:
        return Groups.of(effects.context.table, by)
    if by is not None:
        raise ValueError(
            "by and tree both name groups to average over; give one of them."
        )
    return groups_of_tree(tree, effects.X)


def _label_frame(
    keys: dict[tuple[str, str], pd.DataFrame], several_outputs: bool
) -> pd.DataFrame:
    """Group columns of the cells, by effect and output, behind columns of these."""
    stacked = pd.concat(keys, names=["effect", "output"])
    labels = stacked.reset_index(["effect", "output"]).reset_index(drop=True)
    return labels if several_outputs else labels.drop(columns="output")


def _warn_of_empty(name: str, keys: pd.DataFrame) -> None:
    """Warn of groups without rows that count."""
    if len(keys):
        groups = [", ".join(map(str, row)) for row in keys.itertuples(index=False)]
        warnings.warn(
            f"No row counts for the effect {name!r} in the groups {'; '.join(groups)}, "
            "which are left out.",
            UserWarning,
            stacklevel=4,
        )
