"""Equivalence of effects to zero, by two one-sided tests (Schuirmann, 1987).

Against bounds (low, high): z_low = (b − low) / se with p_low = P(T > z_low), and
z_high = (b − high) / se with p_upp = P(T < z_high). The effect is equivalent at level α
where the larger p is below α, which is where the 1 − 2α interval lies inside.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from skfme._frames.hints import shown
from skfme._text.labels import coverage_note
from skfme._text.printing import (
    Text,
    format_number,
    html_table,
    notebook_page,
    text_table,
)
from skfme.statsmodels._inference.estimates import JointEstimates, check_alpha
from skfme.statsmodels._inference.text import WIDTH

__all__ = ["EquivalenceResults", "two_one_sided_tests"]


@dataclass(frozen=True, repr=False)
class EquivalenceResults:
    """Two one-sided tests of each estimate.

    Attributes
    ----------
    statistic_low, pvalue_low : Series
        Test of "the effect is at or below `low`".
    statistic_high, pvalue_high : Series
        Test of "the effect is at or above `high`".
    pvalues : Series
        The larger of the two: p-value of "not equivalent".
    equivalent : Series of bool
    alpha : float
    least : float
        The smallest p-value that resamples can show, printed as "<"; 0 without any.
    coverage_note : str
        What the intervals cover, in a sentence.
    """

    statistic_low: pd.Series
    pvalue_low: pd.Series
    statistic_high: pd.Series
    pvalue_high: pd.Series
    alpha: float
    low: np.ndarray
    high: np.ndarray
    estimates: np.ndarray
    intervals: np.ndarray
    labels: pd.DataFrame
    least: float = 0.0
    coverage_note: str = ""

    @property
    def pvalues(self) -> pd.Series:
        """The larger of the two one-sided p-values."""
        both = pd.concat([self.pvalue_low, self.pvalue_high], axis=1)
        return both.max(axis=1, skipna=False).rename("p_value")

    @property
    def equivalent(self) -> pd.Series:
        """Whether both one-sided tests reject at alpha."""
        return (self.pvalues < self.alpha).rename("equivalent")

    def conf_int(self) -> pd.DataFrame:
        """The 1 − 2 alpha intervals, to be compared with the bounds.

        Returns
        -------
        intervals : DataFrame of shape (k, 2)
            Lower and upper ends in columns 0 and 1.
        """
        return pd.DataFrame(self.intervals, self.pvalue_low.index, columns=[0, 1])

    def to_frame(self) -> pd.DataFrame:
        """One row per estimate.

        Returns
        -------
        frame : DataFrame
            ``effect``, ``output``, group columns, ``estimate``, ``low``, ``high``,
            ``statistic_low``, ``p_value_low``, ``statistic_high``, ``p_value_high``,
            ``p_value``, ``conf_low``, ``conf_high`` (1 − 2 alpha), ``equivalent``.
        """
        numbers = {
            "estimate": self.estimates,
            "low": self.low,
            "high": self.high,
            "statistic_low": self.statistic_low.to_numpy(),
            "p_value_low": self.pvalue_low.to_numpy(),
            "statistic_high": self.statistic_high.to_numpy(),
            "p_value_high": self.pvalue_high.to_numpy(),
            "p_value": self.pvalues.to_numpy(),
            "conf_low": self.intervals[:, 0],
            "conf_high": self.intervals[:, 1],
            "equivalent": self.equivalent.to_numpy(),
        }
        return self.labels.assign(**numbers)

    def summary(self) -> Text:
        """A table in words and numbers, at most 78 columns wide.

        Returns
        -------
        text : str
        """
        notes = [textwrap.fill(note, WIDTH) for note in self._notes()]
        table = text_table(*self._table(), WIDTH)
        return Text("\n".join([self._title(), "", table, *notes]))

    def _title(self) -> str:
        return (
            f"Equivalence (two one-sided tests) at level {self.alpha:g}\n"
            f"Intervals cover {1 - 2 * self.alpha:.4g}"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        heads = {"estimate": "coef", "low": "low", "high": "high", "p_value": "P"}
        heads |= {"conf_low": "[interval", "conf_high": "]"}
        numbers = self.to_frame()[list(heads)].to_numpy(dtype=float)
        place = list(heads).index("p_value")
        rows = []
        for (name, equivalent), values in zip(
            self.equivalent.items(), numbers, strict=True
        ):
            texts = list(map(format_number, values))
            if values[place] <= self.least:
                texts[place] = f"<{texts[place]}"
            rows.append([str(name), *texts, "yes" if equivalent else "no"])
        return ["effect", *heads.values(), "equivalent"], rows

    def __str__(self) -> str:
        return str(self.summary())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return notebook_page([html_table(*self._table(), self._title())], self._notes())

    def _notes(self) -> list[str]:
        return [self.coverage_note] if self.coverage_note else []


def two_one_sided_tests(
    results: JointEstimates, bounds: tuple[Any, Any], alpha: float
) -> EquivalenceResults:
    """Test k estimates against bounds.

    Parameters
    ----------
    results : JointEstimates
    bounds : pair of float or array-like of shape (k,)
    alpha : float
    """
    check_alpha(alpha)
    if bounds[1] is None:
        given = bounds[0]
        pair = tuple(given) if np.ndim(given) and len(given) == 2 else (-1, 1)
        raise TypeError(
            "equivalence_test takes two bounds, low and high: "
            f"equivalence_test({shown(pair[0])}, {shown(pair[1])}); got {shown(given)} alone."
        )
    estimates, se, df = results.params, results.bse, results._df()
    low, high = (_bound(bound, len(estimates)) for bound in bounds)
    if not (low < high).all():
        raise ValueError(
            f"The bounds of equivalence must satisfy low < high, got {shown(bounds[0])} and "
            f"{shown(bounds[1])}."
        )
    z_low, z_high = (estimates - low) / se, (estimates - high) / se
    return EquivalenceResults(
        z_low.rename("statistic_low"),
        pd.Series(stats.t.sf(z_low, df), z_low.index, name="p_value_low"),
        z_high.rename("statistic_high"),
        pd.Series(stats.t.cdf(z_high, df), z_high.index, name="p_value_high"),
        alpha,
        low,
        high,
        estimates.to_numpy(),
        results.conf_int(2 * alpha).to_numpy(),
        results.labels,
        coverage_note=coverage_note(results),
    )


def _bound(value: Any, k: int) -> np.ndarray:
    bound = np.asarray(value, dtype=float)
    if bound.ndim and bound.shape != (k,):
        raise ValueError(
            f"A bound of equivalence has shape {bound.shape}; expected a number, or one "
            f"for each of the {k} estimates."
        )
    return np.broadcast_to(bound, (k,)).copy()
