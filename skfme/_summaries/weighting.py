"""Weights of rows: none, or one for each row, and what a weight stands for.

Rows without weights are rows of weight 1, so that nothing else has to look. Frequency
weights count rows. The scale of sampling and importance weights says nothing: where a
number of rows is needed, as for an SD, theirs is the number of positive weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

__all__ = ["WEIGHTS_TYPES", "Weighting"]

WEIGHTS_TYPES = ("sampling", "frequency", "importance")


@dataclass(frozen=True, eq=False)
class Weighting:
    """Row weights and what they stand for.

    Attributes
    ----------
    array : ndarray of shape (n,) or None
        None is 1 for each row.
    n : int
        Number of rows.
    kind : {"frequency", "sampling", "importance"}
    told : bool
        Whether the kind was told, rather than read from the weights.
    """

    array: np.ndarray | None
    n: int
    kind: str = "frequency"
    told: bool = False

    @classmethod
    def of(cls, values: np.ndarray | None, kind: str, n: int) -> Weighting:
        """Check the weights against what they are said to be.

        "auto" takes whole weights for frequencies, and others for sampling weights.
        """
        if kind not in (*WEIGHTS_TYPES, "auto"):
            raise ValueError(
                f"weights_type={kind!r} is not known; expected one of "
                f"{', '.join(map(repr, WEIGHTS_TYPES))}."
            )
        if kind == "auto":
            weights = cls(values, n)
            return weights if weights.is_whole else replace(weights, kind="sampling")
        if values is not None and kind == "frequency":
            fractional = np.flatnonzero(values != np.round(values))
            if len(fractional):
                raise ValueError(
                    "weights_type='frequency' counts rows, so that weights must be "
                    f"whole; {len(fractional)} of {n} are not, such as "
                    f"{values[fractional[0]]:.6g}. Take 'sampling' for inverse "
                    "probabilities, 'importance' for precisions."
                )
        return cls(values, n, kind, told=True)

    @property
    def given(self) -> bool:
        """Whether there are weights."""
        return self.array is not None

    @property
    def counting(self) -> bool:
        """Whether a weight counts copies of its row."""
        return self.array is not None and self.kind == "frequency"

    @property
    def sampling(self) -> bool:
        """Whether a weight is an inverse probability of selection."""
        return self.array is not None and self.kind == "sampling"

    @property
    def total(self) -> float:
        """Number of observations: the sum of frequency weights, else the rows."""
        if self.array is None or not self.counting:
            return self.n
        return float(self.array.sum())

    @property
    def is_whole(self) -> bool:
        """Whether each weight is a whole number."""
        return self.array is None or bool((self.array == np.round(self.array)).all())

    @property
    def size(self) -> float:
        """Number of rows that an SD or a quantile stands on.

        The sum of frequency weights, else the number of positive ones.
        """
        if self.array is None or self.counting:
            return self.sum
        return float(np.count_nonzero(self.array))

    @property
    def sum(self) -> float:
        """Sum of the weights."""
        return float(self.n if self.array is None else self.array.sum())

    @property
    def power(self) -> float:
        """Of the weight in a row's share of a sum of squares, before it is squared.

        w copies of a row add w squares, a row of weight w the square of w times it.
        """
        return 0.5 if self.counting else 1.0

    def rescaled(self) -> Weighting:
        """The same weights, of a sum that is their size."""
        if self.array is None or self.counting:
            return self
        return replace(self, array=self.array * (self.size / self.sum))

    def take(self, rows: Any) -> Weighting:
        """Weights of some rows: a mask, positions or a slice."""
        if self.array is not None:
            positions = not isinstance(rows, slice) and rows.dtype != bool
            # NumPy takes positions faster than it indexes by them.
            array = self.array.take(rows) if positions else self.array[rows]
            return replace(self, array=array, n=len(array))
        if isinstance(rows, slice):
            return replace(self, n=len(range(*rows.indices(self.n))))
        count = np.count_nonzero(rows) if rows.dtype == bool else len(rows)
        return replace(self, n=int(count))

    def times(self, values: np.ndarray, power: float = 1.0) -> np.ndarray:
        """Rows of an array multiplied by their weights to some power."""
        if self.array is None:
            return values
        factor = self.array if power == 1.0 else self.array**power
        return values * (factor if values.ndim == 1 else factor[:, None])

    def dot(self, values: np.ndarray) -> Any:
        """Weighted sum over the rows: a number, or one for each column."""
        return values.sum(axis=0) if self.array is None else self.array @ values

    def whole(self) -> np.ndarray:
        """The weights as an array, of ones where there are none."""
        return np.ones(self.n) if self.array is None else self.array
