"""What is asked of a joint step, and the parts that answer it for the rows of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb

import numpy as np

__all__ = ["MOST_EXACT", "Parts", "Question"]

# Coalitions of more features than these are not predicted one and all.
MOST_EXACT = 12


@dataclass(frozen=True)
class Question:
    """How a joint step is to be split.

    Attributes
    ----------
    method : str
        "shapley", "path" or "sequential".
    n_features : int
    pairs : bool
        Whether interactions are wanted.
    order : tuple of int or None
        Of the features, where one is given.
    n_permutations : int or None
        Orders that may be sampled.
    seed : int
        Of the sampled orders.
    keep_pairs : bool
        Whether the interactions of each row are wanted.
    """

    method: str
    n_features: int
    pairs: bool = False
    order: tuple[int, ...] | None = None
    n_permutations: int | None = None
    seed: int = 0
    keep_pairs: bool = False

    @property
    def n_coalitions(self) -> int:
        return 2**self.n_features

    @property
    def needs_coalitions(self) -> bool:
        """Whether the answer is one about every coalition."""
        return self.method == "shapley" or (
            self.method == "sequential" and self.order is None
        )

    @property
    def samples(self) -> bool:
        """Whether sampled orders are allowed, and ask for less than all coalitions."""
        if self.method != "shapley" or self.n_permutations is None:
            return False
        n_asked = self.n_permutations * (self.n_features - 1)
        exact = self.n_features <= MOST_EXACT and n_asked >= self.n_coalitions - 2
        return not (exact or self.pairs)

    def row_bytes(self, n_outputs: int) -> int:
        """Bytes of a row's answer, and of what it is made of."""
        s = self.n_features
        n_values = 4 * s + (comb(s, 2) if self.keep_pairs else 0)
        n_values += 320 * s if self.method == "path" else 0  # pieces of the way
        if self.samples and self.n_permutations is not None:
            n_values += 2 * self.n_permutations * s  # the orders themselves
        elif self.needs_coalitions and s <= MOST_EXACT:
            n_values += 3 * self.n_coalitions
        return 8 * n_outputs * n_values


@dataclass(frozen=True)
class Parts:
    """The parts of the effect of some rows, all of which count.

    Attributes
    ----------
    parts : ndarray of shape (n_rows, n_features, n_outputs)
    total : ndarray of shape (n_rows, n_outputs)
        The effect of the joint step.
    engine : str
        "trees", "linear" or "predict".
    how : str
        In words.
    errors : ndarray of shape (n_rows, n_features, n_outputs) or None
        Standard errors of sampling.
    lowest, highest : ndarray of shape (n_rows, n_features, n_outputs) or None
        Over all orders of the changes.
    n_not_converged : int
        Rows whose integration along the path did not settle.
    """

    parts: np.ndarray
    total: np.ndarray
    engine: str
    how: str
    errors: np.ndarray | None = None
    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    n_not_converged: int = 0
