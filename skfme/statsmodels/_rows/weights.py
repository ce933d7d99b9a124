"""Weights of rows, and what each type of weight means for a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = [
    "WEIGHTS_TYPES",
    "Weighting",
]


WEIGHTS_TYPES = ("sampling", "frequency", "importance")


@dataclass(frozen=True)
class Weighting:
    """Row weights and what they stand for.

    Attributes
    ----------
    array : ndarray of shape (n,) or None
        All positive.
    kind : {"sampling", "frequency", "importance"}
    n : int
    """

    array: np.ndarray | None
    kind: str
    n: int

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
    def power(self) -> float:
        """Of the weight in a row's share of a sum of squares, before it is squared.

        w copies of a row add w squares, a row of weight w the square of w times it.
        """
        return 0.5 if self.counting else 1.0

    def times(self, array: np.ndarray, power: float = 1.0) -> np.ndarray:
        """Rows of an array multiplied by their weights to some power."""
        if self.array is None:
            return array
        factor = self.array**power
        return array * (factor if array.ndim == 1 else factor[:, None])

    @classmethod
    def of(cls, values: np.ndarray | None, kind: str, n: int) -> Weighting:
        """Check the weights against what they are said to be."""
        if kind not in WEIGHTS_TYPES:
            raise ValueError(
                f"weights_type={kind!r} is not known; expected one of "
                f"{', '.join(map(repr, WEIGHTS_TYPES))}."
            )
        if values is not None and kind == "frequency":
            part = np.flatnonzero(values != np.round(values))
            if len(part):
                raise ValueError(
                    "weights_type='frequency' counts rows, so that weights must be "
                    f"whole; {len(part)} of {n} are not, such as {values[part[0]]:.6g}. "
                    "Take 'sampling' for inverse probabilities, 'importance' for "
                    "precisions."
                )
        return cls(values, kind, n)
