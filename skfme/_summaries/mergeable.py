"""Summaries that merge: those of two tables make that of both.

Moments are exact to rounding, quantiles within a bounded relative error, and neither
grows with the rows, so that no table need be in memory as a whole. What weights stand for
is asked only where an SD or a quantile is read. Summaries of rows at hand live beside this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields

import numpy as np

from skfme._summaries.weighted import quantiles_of_size, sd_of_size
from skfme._summaries.weighting import Weighting

__all__ = ["Moments", "QuantileSketch", "standard_error"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Count, weight, mean, squares and ends of values, in cells of any equal shape.

    Attributes
    ----------
    n : ndarray of int
        Values, those of weight 0 included.
    positive : ndarray of int
        Of these, values of positive weight.
    weight : ndarray
        W, the sum of weights.
    mean, residue : ndarray
        Their sum is the mean, to about twice the digits of one number, so that
        squares do not lose digits from merge to merge; 0 where W is 0.
    squares : ndarray
        Σ w (x − mean)².
    minimum, maximum : ndarray
        Over values of positive weight; ±inf where there are none.
    """

    n: np.ndarray
    positive: np.ndarray
    weight: np.ndarray
    mean: np.ndarray
    residue: np.ndarray
    squares: np.ndarray
    minimum: np.ndarray
    maximum: np.ndarray

    @classmethod
    def of(
        cls,
        values: np.ndarray,
        weights: Weighting,
        codes: np.ndarray,
        n_groups: int,
    ) -> Moments:
        """Moments of each group and column.

        Parameters
        ----------
        values : ndarray of shape (n, n_outputs)
            NaN is no value.
        weights : Weighting
        codes : ndarray of shape (n,)
            Each row's group, from 0 to n_groups − 1.
        n_groups : int

        Returns
        -------
        moments : Moments of shape (n_groups, n_outputs)
        """
        seen = ~np.isnan(values)
        weight = weights.times(seen.astype(float))
        filled = np.where(seen, values, 0.0)
        rows = cls(
            seen.astype(np.int64),
            (weight > 0).astype(np.int64),
            weight,
            filled,
            np.zeros_like(filled),
            np.zeros_like(filled),
            np.where(weight > 0, filled, np.inf),
            np.where(weight > 0, filled, -np.inf),
        )
        return rows.pooled(codes, n_groups)

    def pooled(self, codes: np.ndarray, n_groups: int) -> Moments:
        """The cells of each group as one; groups without a cell are empty.

        The combination of Chan, Golub and LeVeque (1983, The American Statistician 37,
        242-247) for any number of cells at once, with a second pass that takes the
        rounding of the first out of the mean.
        """
        shape = (n_groups, *self.mean.shape[1:])
        if not len(codes):
            return Moments._empty(shape)
        order = np.argsort(codes, kind="stable")
        groups, starts, lengths = np.unique(
            codes[order], return_index=True, return_counts=True
        )

        def reduced(cells: np.ndarray, ufunc: np.ufunc = np.add) -> np.ndarray:
            return ufunc.reduceat(cells, starts, axis=0)

        cells = self if n_groups == 1 else self._map(lambda array: array[order])
        weight = reduced(cells.weight)
        divisor = np.where(weight > 0, weight, 1.0)
        centre = reduced(cells.weight * cells.mean) / divisor
        deviations = cells.mean - np.repeat(centre, lengths, axis=0) + cells.residue
        shift = reduced(cells.weight * deviations) / divisor
        squares = reduced(cells.squares + cells.weight * deviations**2)
        mean = centre + shift
        pooled = Moments(
            reduced(cells.n),
            reduced(cells.positive),
            weight,
            mean,
            centre - mean + shift,
            np.maximum(squares - weight * shift**2, 0.0),
            reduced(cells.minimum, np.minimum),
            reduced(cells.maximum, np.maximum),
        )
        return pooled if len(groups) == n_groups else pooled._placed(groups, shape)

    def _placed(self, groups: np.ndarray, shape: tuple[int, ...]) -> Moments:
        """These cells at their places among all groups."""

        def placed(empty: np.ndarray, cells: np.ndarray) -> np.ndarray:
            array = empty.copy()
            array[groups] = cells
            return array

        return Moments._empty(shape)._map(placed, self)

    @classmethod
    def _empty(cls, shape: tuple[int, ...]) -> Moments:
        none, ends = np.zeros(shape), np.full(shape, np.inf)
        counts = none.astype(np.int64)
        return cls(counts, counts, none, none, none, none, ends, -ends)

    def _map(self, function: Callable[..., np.ndarray], *others: Moments) -> Moments:
        """A function of each array, and of the same ones of other moments."""
        names = [field.name for field in fields(self)]
        each = ([getattr(m, name) for m in (self, *others)] for name in names)
        return Moments(*(function(*arrays) for arrays in each))

    def merged(self, other: Moments, codes: np.ndarray, n_groups: int) -> Moments:
        """The cells of both, pooled by group; `codes` are self's, then other's."""
        both = self._map(lambda *arrays: np.concatenate(arrays), other)
        return both.pooled(codes, n_groups)

    def total(self) -> Moments:
        """All groups as one, of shape (n_outputs,)."""
        pooled = self.pooled(np.zeros(len(self.mean), dtype=np.intp), 1)
        return pooled._map(lambda array: array[0])

    @property
    def defined_mean(self) -> np.ndarray:
        """The mean; NaN where W is 0."""
        return np.where(self.weight > 0, self.mean, np.nan)

    def size(self, kind: str) -> np.ndarray:
        """Rows that an SD stands on, for weights of a kind: see `Weighting.size`."""
        return self.weight if kind == "frequency" else self.positive

    def sd(self, kind: str) -> np.ndarray:
        """SD for weights of a kind; NaN where they stand for one row or less."""
        sd: np.ndarray = sd_of_size(self.squares, self.weight, self.size(kind))
        return sd


def standard_error(
    moments: Moments, squared: Moments | None, *, counting: bool = False
) -> np.ndarray:
    """Standard error of the mean of independent rows, √(c Σ w² (x − mean)²) / W.

    c = n / (n − 1) for n rows of positive weight. Weights are inverse probabilities of
    selection, as HC1 of a regression on a constant has them; without weights this is
    SD / √n, as it is where weights count copies of a row.

    Parameters
    ----------
    moments : Moments
    squared : Moments or None
        Of the rows of positive weight, with the squares of the weights; None where
        there are no weights.
    counting : bool
        Whether weights count copies of a row.

    Returns
    -------
    std_error : ndarray
        Shaped as the moments; NaN for fewer than two rows.
    """
    if counting:
        return np.asarray(moments.sd("frequency") / np.sqrt(moments.weight))
    if squared is None:
        squared = moments
    n = np.where(squared.n > 1, squared.n, np.nan)
    apart = squared.mean - moments.mean + (squared.residue - moments.residue)
    squares = squared.squares + squared.weight * apart**2
    return np.sqrt(squares * n / (n - 1)) / moments.weight


# A bucket is the numbers that share sign, exponent and the first 9 bits of the
# mantissa: 512 buckets for each power of 2.
_BITS = 9
_SHIFT = 52 - _BITS


@dataclass(frozen=True, eq=False)
class QuantileSketch:
    """A histogram over buckets of equal relative width, from which quantiles are read.

    Each value stands at the middle of its bucket, within 2⁻¹⁰ < 0.1 % of itself, and
    so do quantiles. Buckets are the same for all tables, so that merging adds
    weights, and its order does not matter. The idea is that of Masson, Rim and Lee
    (2019, DDSketch, PVLDB 12(12), 2195-2205, section 2), with buckets that are linear
    between powers of 2, which are read off a number's own bits.

    Attributes
    ----------
    buckets : ndarray of shape (m,), int32
        Increasing, as are the values in them; negative for negative values.
    weights : ndarray of shape (m,)
    """

    buckets: np.ndarray
    weights: np.ndarray

    # How far a quantile may be from its exact value, relative to the values beside it.
    error = 2.0 ** -(_BITS + 1)

    @classmethod
    def of(cls, values: np.ndarray, weights: Weighting) -> QuantileSketch:
        """Sketch of finite values; those of weight 0 leave no trace."""
        array = weights.array
        if array is not None and not array.all():
            values, array = values[array > 0], array[array > 0]
        bits = np.abs(np.ascontiguousarray(values, dtype=np.float64)).view(np.int64)
        magnitude = (bits >> _SHIFT).astype(np.int32)
        buckets = np.where(values < 0, -magnitude, magnitude)
        if array is None:
            distinct, counts = np.unique(buckets, return_counts=True)
            return cls(distinct, counts.astype(float))
        return cls._summed(buckets, array)

    @classmethod
    def _summed(cls, buckets: np.ndarray, weights: np.ndarray) -> QuantileSketch:
        distinct, codes = np.unique(buckets, return_inverse=True)
        return cls(distinct, np.bincount(codes, weights, len(distinct)))

    @classmethod
    def merged(cls, sketches: Iterable[QuantileSketch]) -> QuantileSketch:
        """The sketch of all values."""
        several = list(sketches)
        return cls._summed(
            np.concatenate([sketch.buckets for sketch in several]),
            np.concatenate([sketch.weights for sketch in several]),
        )

    def quantiles(
        self, q: np.ndarray, low: float, high: float, size: float
    ) -> np.ndarray:
        """Quantiles of type 7 of the buckets' middles.

        Parameters
        ----------
        q : ndarray of shape (k,)
        low, high : float
            Smallest and largest value, which no quantile passes.
        size : float
            Number of rows that the weights stand for; below 1, quantiles are NaN.
        """
        if size < 1:
            return np.full(np.shape(q), np.nan)
        values = quantiles_of_size(self._middles(), q, self.weights, size)
        return np.clip(values, low, high)

    def _middles(self) -> np.ndarray:
        bits = np.abs(self.buckets).astype(np.int64) << _SHIFT
        bits |= 1 << (_SHIFT - 1)
        middles = np.where(self.buckets == 0, 0.0, bits.view(np.float64))
        return np.copysign(middles, self.buckets)
