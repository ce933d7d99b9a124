"""What is kept of an effect when its rows are not.

How many rows count and why others do not, moments by group, and sketches for
quantiles: arrays that do not grow with the rows, and that merge. What users read of
them lives beside this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfme._engine.stepping import STATUSES
from skfme._results.effects import ForwardEffect
from skfme._summaries.mergeable import Moments, QuantileSketch, standard_error
from skfme._summaries.weighted import LINEAR
from skfme._summaries.weighting import Weighting
from skfme.quadrature import rules_together

__all__ = ["Distribution", "RowKeys", "Tally"]


@dataclass(frozen=True)
class RowKeys:
    """The groups of rows: distinct keys, and each row's position among them.

    `orders` are the categories of each part of a key; empty where it is sorted by value.
    """

    keys: tuple[tuple, ...]
    codes: np.ndarray
    orders: tuple[tuple, ...] = ()


@dataclass(frozen=True, eq=False)
class Distribution:
    """FMEs, or NLMs: moments by group, and a sketch of each output.

    Attributes
    ----------
    moments : Moments of shape (n_groups, n_outputs)
    sketches : tuple of QuantileSketch
    """

    moments: Moments
    sketches: tuple[QuantileSketch, ...]

    @classmethod
    def of(
        cls, values: np.ndarray, weights: Weighting, groups: RowKeys
    ) -> Distribution:
        moments = Moments.of(values, weights, groups.codes, len(groups.keys))
        return cls(moments, tuple(_sketch(column, weights) for column in values.T))

    def merged(
        self, other: Distribution, codes: np.ndarray, n_groups: int
    ) -> Distribution:
        pairs = zip(self.sketches, other.sketches, strict=True)
        return Distribution(
            self.moments.merged(other.moments, codes, n_groups),
            tuple(map(QuantileSketch.merged, pairs)),
        )

    def quantiles(self, q: np.ndarray, kind: str) -> np.ndarray:
        """Quantiles over all groups, of shape (n_outputs, len(q)), by kind of weights."""
        total = self.moments.total()
        ends = zip(total.minimum, total.maximum, total.size(kind), strict=True)
        pairs = zip(self.sketches, ends, strict=True)
        return np.array([sketch.quantiles(q, *of_all) for sketch, of_all in pairs])


def _sketch(values: np.ndarray, weights: Weighting) -> QuantileSketch:
    defined = ~np.isnan(values)
    rows = slice(None) if defined.all() else defined
    return QuantileSketch.of(values[rows], weights.take(rows))


@dataclass(frozen=True, eq=False)
class Tally:
    """What is kept of one effect.

    Attributes
    ----------
    statuses : ndarray of shape (n_groups, 4), int
        Rows by status.
    fme : Distribution
    squared : Moments of shape (n_groups, n_outputs) or None
        Of the FMEs of positive weight, with the squares of the weights; None where
        there are no weights.
    nlm : Distribution or None
    positive : ndarray of shape (n_groups, n_outputs)
        Weight of the rows whose FME is above zero.
    before : ndarray of shape (n_groups, n_outputs)
        Weighted sum of the predictions before the step.
    after : ndarray of shape (n_groups, n_outputs)
        Weighted sum of the predictions after it.
    linear : ndarray of shape (n_outputs,)
        Weight of the rows whose NLM reads as a straight line.
    n_not_converged : int
    engine : str
        What computed the effects; "predict" where several did, empty without rows.
    nlm_rule : str
        What measured the NLMs.
    """

    statuses: np.ndarray
    fme: Distribution
    squared: Moments | None
    nlm: Distribution | None
    positive: np.ndarray
    before: np.ndarray
    after: np.ndarray
    linear: np.ndarray
    n_not_converged: int
    engine: str
    nlm_rule: str = ""

    @classmethod
    def empty(
        cls, n_groups: int, n_outputs: int, *, weighted: bool, has_nlm: bool
    ) -> Tally:
        """The tally of no rows."""
        groups = RowKeys(((),) * n_groups, np.zeros(0, np.intp))
        values = Distribution.of(np.empty((0, n_outputs)), Weighting(None, 0), groups)
        return cls(
            np.zeros((n_groups, len(STATUSES)), dtype=np.int64),
            values,
            values.moments if weighted else None,
            values if has_nlm else None,
            np.zeros((n_groups, n_outputs)),
            np.zeros((n_groups, n_outputs)),
            np.zeros((n_groups, n_outputs)),
            np.zeros(n_outputs),
            0,
            "",
        )

    @classmethod
    def of(cls, effect: ForwardEffect, weights: Weighting, groups: RowKeys) -> Tally:
        """The tally of one batch's effect."""
        n_groups, n_statuses = len(groups.keys), len(STATUSES)
        statuses = np.bincount(
            groups.codes * n_statuses + effect.status_codes,
            minlength=n_groups * n_statuses,
        ).reshape(n_groups, n_statuses)
        counted = slice(None) if effect.counted.all() else effect.counted
        groups = RowKeys(groups.keys, groups.codes[counted])
        weights, fme = weights.take(counted), effect.fme_2d[counted]
        rises = (fme > effect.comparison.null).astype(float)
        assert effect.before_2d is not None  # it is of a model
        before, after = effect.before_2d[counted], effect.after_2d

        def summed(values: np.ndarray) -> np.ndarray:
            return _summed(weights.times(values), groups.codes, n_groups)

        nlm, linear = None, np.zeros(len(effect.outputs))
        if effect.nlm_2d is not None:
            values = effect.nlm_2d[counted]
            nlm = Distribution.of(values, weights, groups)
            linear = weights.dot((values >= LINEAR).astype(float))
        return cls(
            statuses,
            Distribution.of(fme, weights, groups),
            _squared(fme, weights, groups),
            nlm,
            summed(rises),
            summed(before),
            summed(before + fme if after is None else after[counted]),
            linear,
            effect.n_not_converged,
            effect.engine,
            effect.nlm_rule,
        )

    def std_errors(self, *, counting: bool) -> np.ndarray:
        """Standard errors of the groups' AMEs, of shape (n_groups, n_outputs)."""
        return standard_error(self.fme.moments, self.squared, counting=counting)

    def std_error(self, *, counting: bool) -> np.ndarray:
        """Standard error of the AME over all groups, of shape (n_outputs,)."""
        squared = None if self.squared is None else self.squared.total()
        return standard_error(self.fme.moments.total(), squared, counting=counting)

    def merged(self, other: Tally, codes: np.ndarray, n_groups: int) -> Tally:
        nlm, squared = self.nlm, self.squared
        if squared is not None and other.squared is not None:
            squared = squared.merged(other.squared, codes, n_groups)
        if nlm is not None and other.nlm is not None:
            nlm = nlm.merged(other.nlm, codes, n_groups)
        return Tally(
            _summed(np.concatenate([self.statuses, other.statuses]), codes, n_groups),
            self.fme.merged(other.fme, codes, n_groups),
            squared,
            nlm,
            _summed(np.concatenate([self.positive, other.positive]), codes, n_groups),
            _summed(np.concatenate([self.before, other.before]), codes, n_groups),
            _summed(np.concatenate([self.after, other.after]), codes, n_groups),
            self.linear + other.linear,
            self.n_not_converged + other.n_not_converged,
            _engine(self.engine, other.engine),
            rules_together(self.nlm_rule, other.nlm_rule),
        )


def _summed(values: np.ndarray, codes: np.ndarray, n_groups: int) -> np.ndarray:
    """Sums of the rows of each group, of the values' own type."""
    sums = np.zeros((n_groups, values.shape[1]), dtype=values.dtype)
    for k, column in enumerate(values.T):
        sums[:, k] = np.bincount(codes, column, n_groups)
    return sums


def _squared(fme: np.ndarray, weights: Weighting, groups: RowKeys) -> Moments | None:
    """Moments with the squares of the weights, of rows of positive weight."""
    if weights.array is None:
        return None
    positive = np.flatnonzero(weights.array)
    squares = Weighting(weights.array[positive] ** 2, len(positive))
    return Moments.of(fme[positive], squares, groups.codes[positive], len(groups.keys))


def _engine(one: str, other: str) -> str:
    """The engine of both; "predict" of two that differ, empty of none."""
    return one or other if not (one and other) or one == other else "predict"
