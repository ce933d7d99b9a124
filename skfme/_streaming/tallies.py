"""What is kept of an effect when its rows are given up.

How many rows count and why others do not, moments by group, and sketches for
quantiles: arrays that do not grow with the rows, and that merge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfme._engine.stepping import STATUSES
from skfme._results.effects import ForwardEffect
from skfme._summaries.mergeable import Moments, QuantileSketch, standard_error
from skfme._summaries.weighted import LINEAR

__all__ = ["Groups", "Tally", "Values"]


@dataclass(frozen=True)
class Groups:
    """Rows' groups: distinct keys, and each row's position among them."""

    keys: tuple[tuple, ...]
    codes: np.ndarray


@dataclass(frozen=True, eq=False)
class Values:
    """Effects, or NLMs: moments by group, and a sketch of each output.

    Attributes
    ----------
    moments : Moments of shape (n_groups, n_outputs)
    sketches : tuple of QuantileSketch
    """

    moments: Moments
    sketches: tuple[QuantileSketch, ...]

    @classmethod
    def of(
        cls, values: np.ndarray, weights: np.ndarray | None, groups: Groups
    ) -> Values:
        moments = Moments.of(values, weights, groups.codes, len(groups.keys))
        return cls(moments, tuple(_sketch(column, weights) for column in values.T))

    def merged(self, other: Values, codes: np.ndarray, n_groups: int) -> Values:
        pairs = zip(self.sketches, other.sketches, strict=True)
        return Values(
            self.moments.merged(other.moments, codes, n_groups),
            tuple(map(QuantileSketch.merged, pairs)),
        )

    def quantiles(self, q: np.ndarray) -> np.ndarray:
        """Quantiles over all groups, of shape (n_outputs, len(q))."""
        total = self.moments.total()
        ends = zip(self.sketches, total.minimum, total.maximum, strict=True)
        return np.array([sketch.quantiles(q, low, high) for sketch, low, high in ends])


def _sketch(values: np.ndarray, weights: np.ndarray | None) -> QuantileSketch:
    seen = ~np.isnan(values)
    if seen.all():
        return QuantileSketch.of(values, weights)
    return QuantileSketch.of(values[seen], None if weights is None else weights[seen])


@dataclass(frozen=True, eq=False)
class Tally:
    """What is kept of one effect.

    Attributes
    ----------
    statuses : ndarray of shape (n_groups, 4), int
        Rows by status.
    fme : Values
    squared : Moments of shape (n_groups, n_outputs) or None
        Of the FMEs of positive weight, with the squares of the weights; None where
        there are no weights.
    nlm : Values or None
    linear : ndarray of shape (n_outputs,)
        Weight of the rows whose NLM reads as a straight line.
    n_not_converged : int
    engine : str
        What computed the effects; "predict" where several did, empty without rows.
    """

    statuses: np.ndarray
    fme: Values
    squared: Moments | None
    nlm: Values | None
    linear: np.ndarray
    n_not_converged: int
    engine: str

    @classmethod
    def empty(
        cls, n_groups: int, n_outputs: int, *, weighted: bool, has_nlm: bool
    ) -> Tally:
        """The tally of no rows."""
        groups = Groups(((),) * n_groups, np.zeros(0, np.intp))
        values = Values.of(np.empty((0, n_outputs)), None, groups)
        return cls(
            np.zeros((n_groups, len(STATUSES)), dtype=np.int64),
            values,
            values.moments if weighted else None,
            values if has_nlm else None,
            np.zeros(n_outputs),
            0,
            "",
        )

    @classmethod
    def of(
        cls, effect: ForwardEffect, weights: np.ndarray | None, groups: Groups
    ) -> Tally:
        """The tally of one batch's effect."""
        n_groups, n_statuses = len(groups.keys), len(STATUSES)
        statuses = np.bincount(
            groups.codes * n_statuses + effect._status, minlength=n_groups * n_statuses
        ).reshape(n_groups, n_statuses)
        counted = effect.counted
        whole = bool(counted.all())
        here = groups if whole else Groups(groups.keys, groups.codes[counted])
        kept = weights if weights is None or whole else weights[counted]
        fme = effect._fme if whole else effect._fme[counted]
        nlm, linear = None, np.zeros(len(effect.outputs))
        if effect._nlm is not None:
            nlms = effect._nlm if whole else effect._nlm[counted]
            nlm = Values.of(nlms, kept, here)
            straight = (nlms >= LINEAR).astype(float)
            linear = straight.sum(axis=0) if kept is None else kept @ straight
        return cls(
            statuses,
            Values.of(fme, kept, here),
            None if kept is None else _squared(fme, kept, here),
            nlm,
            linear,
            effect.n_not_converged,
            effect.engine,
        )

    @property
    def std_errors(self) -> np.ndarray:
        """Standard errors of the groups' AMEs, of shape (n_groups, n_outputs)."""
        return standard_error(self.fme.moments, self.squared)

    @property
    def std_error(self) -> np.ndarray:
        """Standard error of the AME over all groups, of shape (n_outputs,)."""
        squared = None if self.squared is None else self.squared.total()
        return standard_error(self.fme.moments.total(), squared)

    def merged(self, other: Tally, codes: np.ndarray, n_groups: int) -> Tally:
        statuses = np.zeros((n_groups, len(STATUSES)), dtype=np.int64)
        np.add.at(statuses, codes, np.concatenate([self.statuses, other.statuses]))
        squared, nlm = None, None
        if self.squared is not None and other.squared is not None:
            squared = self.squared.merged(other.squared, codes, n_groups)
        if self.nlm is not None and other.nlm is not None:
            nlm = self.nlm.merged(other.nlm, codes, n_groups)
        return Tally(
            statuses,
            self.fme.merged(other.fme, codes, n_groups),
            squared,
            nlm,
            self.linear + other.linear,
            self.n_not_converged + other.n_not_converged,
            _engine(self.engine, other.engine),
        )


def _squared(fme: np.ndarray, weights: np.ndarray, groups: Groups) -> Moments:
    """Moments with the squares of the weights, of rows of positive weight."""
    seen = weights > 0
    squares = weights[seen] ** 2
    return Moments.of(fme[seen], squares, groups.codes[seen], len(groups.keys))


def _engine(mine: str, its: str) -> str:
    if not (mine and its) or mine == its:
        return mine or its
    return "predict"
