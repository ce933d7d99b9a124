"""Units of an experiment as pairs of clusters: mean outcomes by pair, side and wave.

One cluster of a pair is treated with probability β + η, the other with β − η. A cluster's
change is its mean in the last wave less that in the baseline wave, where there is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from skfme._frames.groups import groups_in, labels_beside, row_labels
from skfme._frames.hints import shown
from skfme._frames.tables import as_table

__all__ = ["FEWEST_PAIRS", "NUMBER", "ClusterPairs", "checked_step"]

NUMBER = int | float | np.number
FEWEST_PAIRS = 4  # for which the size of the tests is known


class ClusterPairs:
    """The units of an experiment, by cluster.

    Parameters
    ----------
    outcome, pair, side, wave : as in ClusterPairExperiment
    data : dataframe or None

    Attributes
    ----------
    pairs : list
        Labels of P pairs.
    cells : ndarray of int of shape (n,)
        2 · pair + (1 on the side of β + η).
    last : ndarray of bool of shape (n,)
        The units of the last wave.
    """

    def __init__(
        self, outcome: Any, pair: Any, side: Any, wave: Any, data: Any
    ) -> None:
        self._data = None if data is None else as_table(data)
        self._n = len(outcome if self._data is None else self._data)
        self.outcome = self.numbers(outcome, "outcome")
        codes, keys = groups_in(self._labels(pair, "pair"))
        self.pairs = list(keys.itertuples(index=False, name=None))
        self.pairs = [key[0] if len(key) == 1 else key for key in self.pairs]
        sides = self.numbers(side, "side")
        if not np.isin(sides, (-1.0, 1.0)).all():
            raise ValueError(
                "side must be 1 for the units of a pair's cluster at beta + eta and -1 for "
                f"those at beta - eta; got {_shown(np.unique(sides))}."
            )
        self.cells = 2 * codes + (sides > 0)
        self.last, self.has_baseline = self._waves(wave)
        self._check_pairs()

    def numbers(self, values: Any, what: str) -> np.ndarray:
        """One finite number per unit."""
        column = self._labels(values, what).iloc[:, 0]
        numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float)
        wrong = np.flatnonzero(~np.isfinite(numbers))
        if len(wrong):
            raise ValueError(
                f"{what} is no finite number in {len(wrong)} of {self._n} units (the "
                f"first, {wrong[0]}, has {shown(column.iloc[wrong[0]])}). Give numbers, or "
                "leave these units out of all arguments."
            )
        return numbers

    def _labels(self, values: Any, what: str) -> pd.DataFrame:
        if self._data is None:
            if isinstance(values, str):
                raise TypeError(
                    f"{what}={values!r} names a column, of what? Give data=."
                )
            labels = labels_beside(values, self._n, what)
        else:
            labels = row_labels(self._data, values, what)
        missing = labels.isna().any(axis=1).to_numpy().nonzero()[0]
        if len(missing):
            raise ValueError(
                f"{what} is missing in {len(missing)} of {self._n} units (the first is "
                f"{missing[0]}). Leave these units out of all arguments."
            )
        return labels

    def _waves(self, wave: Any) -> tuple[np.ndarray, bool]:
        """Which units are of the last wave, and whether there is one before."""
        if wave is None:
            return np.ones(self._n, dtype=bool), False
        values, codes = np.unique(self.numbers(wave, "wave"), return_inverse=True)
        if len(values) > 2:
            raise ValueError(
                f"wave has {len(values)} values; expected two, the baseline and the wave "
                "of the experiment. MultiWaveExperiment takes several, one after another."
            )
        return codes == len(values) - 1, len(values) == 2

    def _check_pairs(self) -> None:
        sizes = [np.bincount(self.cells[self.last], minlength=2 * len(self.pairs))]
        if self.has_baseline:
            before = self.cells[~self.last]
            sizes.append(np.bincount(before, minlength=2 * len(self.pairs)))
        empty = np.unique(np.flatnonzero(np.min(sizes, axis=0) == 0) // 2)
        if len(empty):
            raise ValueError(
                f"Each pair has one cluster on each side, with units in every wave; "
                f"{len(empty)} of {len(self.pairs)} pairs lack one: "
                f"{_shown([self.pairs[p] for p in empty])}. Leave them out, or check `side` "
                "and `wave`."
            )
        if len(self.pairs) < FEWEST_PAIRS:
            raise ValueError(
                f"There are {len(self.pairs)} pairs of clusters, and at least "
                f"{FEWEST_PAIRS} are needed for an interval that can be relied on."
            )

    def means(self, mask: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        """Mean outcomes of some units in each cluster, of shape (P, 2); NaN without any."""
        weights = np.ones(self._n) if weights is None else weights
        length = 2 * len(self.pairs)
        cells, weights = self.cells[mask], weights[mask]
        sums = np.bincount(cells, weights * self.outcome[mask], length)
        totals = np.bincount(cells, weights, length)
        with np.errstate(invalid="ignore"):
            return (sums / totals).reshape(-1, 2)

    def changes(self) -> np.ndarray:
        """Each cluster's change since the baseline, of shape (P, 2)."""
        now = self.means(self.last)
        return now - self.means(~self.last) if self.has_baseline else now

    def treatment_gaps(self, treatment: Any, probability: Any) -> np.ndarray:
        """Treated less untreated means of each cluster in the last wave, of shape (P, 2).

        Raises
        ------
        ValueError
            If `treatment` has other values than 0 and 1, or a cluster lacks one of them.
        """
        treated = self.numbers(treatment, "treatment")
        if not np.isin(treated, (0.0, 1.0)).all():
            raise ValueError(
                f"treatment must be 0 or 1, got {_shown(np.unique(treated))}."
            )
        weights = None
        if probability is not None:
            chance = self.numbers(probability, "probability")
            if not ((chance > 0) & (chance < 1))[self.last].all():
                raise ValueError("probability must lie between 0 and 1 for every unit.")
            chance = np.where(self.last, chance, 0.5)
            weights = np.where(treated > 0, 1 / chance, 1 / (1 - chance))
        gaps = [self.means(self.last & (treated == d), weights) for d in (1, 0)]
        gap: np.ndarray = gaps[0] - gaps[1]
        lacking = np.flatnonzero(np.isnan(gap).any(axis=1))
        if len(lacking):
            raise ValueError(
                f"A cluster of pair {_shown([self.pairs[p] for p in lacking])} has no "
                "treated, or no untreated, units in the last wave, so that it shows no "
                "direct effect. Leave `treatment` out for the marginal policy effect alone."
            )
        return gap


def checked_step(eta: Any, beta: Any) -> None:
    """Refuse probabilities that are none.

    Raises
    ------
    ValueError
        If eta is not positive, or beta ± eta leaves [0, 1].
    """
    if not (isinstance(eta, NUMBER) and 0 < eta <= 0.5):
        raise ValueError(
            f"eta must be a number above 0 and of at most 0.5, got {eta!r}."
        )
    if not isinstance(beta, NUMBER | None):
        raise ValueError(f"beta must be a number between 0 and 1, got {beta!r}.")
    if beta is not None and not (beta - eta >= -1e-12 and beta + eta <= 1 + 1e-12):
        raise ValueError(
            f"beta={beta!r} with eta={eta!r} gives the probabilities {beta - eta:.4g} and "
            f"{beta + eta:.4g}, of which one lies outside [0, 1]. Take a smaller eta, or "
            "a beta farther inside."
        )


def _shown(values: Sequence | np.ndarray) -> str:
    shown = ", ".join(f"{v:g}" if isinstance(v, float) else repr(v) for v in values[:5])
    return shown + (", …" if len(values) > 5 else "")
