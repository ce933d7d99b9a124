"""UncertaintyLedger: the results protocol over a standard error split into its parts.

Resamples b = 1 … B, in each of which the learner is fitted with seeds s = 1 … S, give
averages A_bs over the same rows. In the model A_bs = μ + D_b + E_bs the unbiased
components are (Searle, Casella, McCulloch, 1992, section 3.5)

    seed²  = mean_b var_s(A_bs),
    refit² = var_b(mean_s A_bs) − seed² / S,

and rows² is the variance of the average given the model. The same averages over the
rows of each resample have the variance of everything drawn at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._text.printing import format_number
from skfme.statsmodels._inference.contrasts import (
    covariance_of,
    differences_of,
    without_round_off,
)
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.results import EffectResults

__all__ = ["MORE_FITS", "NestedRefits", "UncertaintyLedger"]

# The parts of a standard error, and what each comes from.
PARTS = {
    "rows": "the choice of rows",
    "refit": "the training data",
    "seed": "the learner's seed",
}
# What averages seeds out where the learner has no members to add.
MORE_FITS = "the mean of four fits under different seeds"


@dataclass(frozen=True)
class Components:
    """Covariance by resample and by seed within it, and the errors of its diagonal.

    Attributes
    ----------
    refit, seed : ndarray of shape (k, k)
        `refit` is unbiased, so that its diagonal may be negative.
    refit_error, seed_error : ndarray of shape (k,)
        Standard errors of the diagonals, for normal D and E.
    """

    refit: np.ndarray
    seed: np.ndarray
    refit_error: np.ndarray
    seed_error: np.ndarray

    @classmethod
    def of(cls, averages: np.ndarray) -> Components:
        """Split averages of shape (n_resamples, n_seeds, k)."""
        n_resamples, n_seeds, k = averages.shape
        # From one of them, so that equal averages have no variance, not even round-off.
        size = np.abs(averages)
        inside = without_round_off(averages - averages[:, :1], size)
        inside = inside.transpose(1, 0, 2)
        inside = (inside - inside.mean(axis=0)).reshape(-1, k)
        seed = inside.T @ inside / (n_resamples * (n_seeds - 1))
        means = without_round_off(averages - averages[0, 0], size).mean(axis=1)
        means = means - means.mean(axis=0)
        between = means.T @ means / (n_resamples - 1)
        b, w = np.diag(between), np.diag(seed) / n_seeds
        within_df = n_resamples * (n_seeds - 1)
        return cls(
            between - seed / n_seeds,
            seed,
            np.sqrt(2 * b**2 / (n_resamples - 1) + 2 * w**2 / within_df),
            np.sqrt(2 / within_df) * np.diag(seed),
        )


@dataclass(frozen=True)
class NestedRefits:
    """Averages by models of n_resamples training sets, under n_seeds seeds each.

    Attributes
    ----------
    fixed : ndarray of shape (n_resamples, n_seeds, k)
        Over the rows of X.
    drawn : ndarray of shape (n_resamples, n_seeds, k)
        Over the rows of the resample.
    failures : tuple of str
        The error of each resample that failed.
    """

    fixed: np.ndarray
    drawn: np.ndarray
    failures: tuple[str, ...] = ()

    def contrast(self, R: np.ndarray, q: np.ndarray) -> NestedRefits:
        """The same of linear combinations."""
        fixed, drawn = (differences_of(R, a, q) for a in (self.fixed, self.drawn))
        return NestedRefits(fixed, drawn, self.failures)


class UncertaintyLedger(EffectResults):
    """Estimates of effects, with standard errors split by where they come from.

    Made by :func:`uncertainty_ledger`. Intervals and tests take the sum of the parts;
    differences (:meth:`pairwise`, :meth:`contrasts`) have parts of their own.
    ``to_frame()`` has, beside the columns of :meth:`EffectResults.to_frame`, for each part
    ``se_rows``, ``se_refit``, ``se_seed`` and the shares of the variance ``share_rows``, …;
    ``se_together``; and ``truncated``, whether the refit part came out negative.

    Attributes
    ----------
    variances : DataFrame of shape (k, 3)
        ``rows``: the choice of rows, given the model; ``refit``: the training data;
        ``seed``: the learner's own randomness. None is negative.
    negative : Series of shape (k,)
        Unbiased estimates of ``refit`` that came out below zero, and are zero in
        `variances`; NaN elsewhere.
    mc_errors : DataFrame of shape (k, 3)
        Standard errors of the square roots of `variances`, by the number of refits; NaN
        where a root is zero, and of ``rows``, which is not simulated.
    together : Series
        Standard error of everything drawn at once. It is above ``bse`` where errors by
        rows and errors of the model fitted on them go together, below where they offset
        one another.
    refits : NestedRefits
    n_resamples : int
        Number of training sets that were fitted.
    n_seeds : int
        Number of seeds for each.
    """

    def __init__(
        self,
        params: Any,
        rows_cov: np.ndarray,
        refits: NestedRefits,
        more_seeds: str = MORE_FITS,
        **described: Any,
    ) -> None:
        parts, drawn = Components.of(refits.fixed), Components.of(refits.drawn)
        nonnegative = np.diag(parts.refit) >= 0
        refit = parts.refit * np.outer(nonnegative, nonnegative)
        cov = rows_cov + refit + parts.seed
        super().__init__(params, cov, covers="sample + refit", **described)
        self.refits, self._rows_cov, self._more_seeds = refits, rows_cov, more_seeds
        self.n_resamples, self.n_seeds, _ = refits.fixed.shape
        self._parts = parts
        variances = [np.diag(matrix) for matrix in (rows_cov, refit, parts.seed)]
        self._variances = np.column_stack(variances)
        self._together = np.maximum(np.diag(drawn.refit), 0) + np.diag(drawn.seed)

    @property
    def variances(self) -> pd.DataFrame:
        """Variance by rows, training data and seed; none is negative."""
        return pd.DataFrame(self._variances, self.names, list(PARTS), copy=True)

    @property
    def negative(self) -> pd.Series:
        """Unbiased estimates of ``refit`` that are below zero; NaN elsewhere."""
        refit = np.diag(self._parts.refit)
        return self._series(np.where(refit < 0, refit, np.nan), "negative")

    @property
    def mc_errors(self) -> pd.DataFrame:
        """Standard errors of the square roots of `variances`, by the number of refits."""
        se = self.variances**0.5
        errors = {"refit": self._parts.refit_error, "seed": self._parts.seed_error}
        halved = pd.DataFrame(errors, self.names) / (2 * se.where(se > 0))
        return halved[list(PARTS)]

    @property
    def together(self) -> pd.Series:
        """Standard errors of everything drawn at once."""
        return self._series(np.sqrt(self._together), "together")

    @property
    def shares(self) -> pd.DataFrame:
        """Share of each part in the variance; NaN where there is none."""
        total = self.variances.sum(axis=1)
        return self.variances.div(total.where(total > 0), axis=0)

    def projected(self, rows: float = 1, seeds: float = 1) -> pd.Series:
        """Standard errors that more data, or more seeds, would leave.

        Parameters
        ----------
        rows : float, default=1
            How many times the rows. The parts of rows and refit fall with their number,
            as for a learner whose error falls with its square root; slower learners
            gain less.
        seeds : float, default=1
            How many fits under different seeds are averaged; for a forest, how many
            times its trees.

        Returns
        -------
        std_error : Series

        Raises
        ------
        ValueError
            If a multiple is not above 0.
        """
        if not (rows > 0 and seeds > 0):
            raise ValueError(
                f"rows and seeds are multiples, above 0; got {rows!r} and {seeds!r}."
            )
        divided = self.variances / np.array([rows, rows, seeds], dtype=float)
        return np.sqrt(divided.sum(axis=1)).rename("std_error")

    def contrasts(
        self, R: Any, labels: pd.DataFrame | None = None
    ) -> UncertaintyLedger:
        """Linear combinations of the estimates, with parts of their own.

        Parameters
        ----------
        R : as in t_test
            A value q is subtracted.
        labels : DataFrame of m rows, default=None
            None words each combination in a column ``effect``.

        Returns
        -------
        results : UncertaintyLedger
        """
        plain = super().contrasts(R, labels)
        matrix, q = linear_hypothesis(R, self.names)
        return UncertaintyLedger(
            plain.params.to_numpy(),
            covariance_of(matrix, self._rows_cov),
            self.refits.contrast(matrix, q),
            self._more_seeds,
            labels=plain.labels,
            title=self.title,
        )

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        parts = (self.variances**0.5).add_prefix("se_")
        parts = parts.join(self.shares.add_prefix("share_"))
        frame[parts.columns] = parts.to_numpy()
        frame["se_together"] = self.together.to_numpy()
        frame["truncated"] = self.negative.notna().to_numpy()
        return super()._more_columns(frame)

    def sentences(self) -> list[str]:
        """What the parts of each estimate say, and what would help.

        Returns
        -------
        sentences : list of str
        """
        errors = [self.bse, self.projected(rows=4), self.projected(seeds=4)]
        shares = self.shares.to_dict("records")
        return [
            self._sentence(name, *figures)
            for name, *figures in zip(self.names, shares, *errors, strict=True)
        ]

    def _sentence(self, name: str, shares: dict[str, float], *errors: float) -> str:
        """`errors` are those of now, of four times the rows and of the seeds."""
        if np.isnan(errors[0]):
            return f"{name}: one row or group alone tells nothing of its spread."
        if errors[0] == 0:
            return f"{name}: nothing varies."
        largest = max(shares, key=lambda part: shares[part])
        se, with_rows, with_seeds = (format_number(error, 3) for error in errors)
        text = (
            f"{name}: {100 * shares[largest]:.0f} % of the variance is "
            f"{PARTS[largest]}. Four times the rows would halve the parts of rows and "
            f"refit, and bring the standard error from {se} to {with_rows}"
        )
        if not shares["seed"] > 0:
            return f"{text}; the seed has no part in it."
        return (
            f"{text}; {self._more_seeds} would halve the seed's, and bring it to "
            f"{with_seeds}."
        )

    def _table(self, alpha: float) -> tuple[list[str], list[list[str]]]:
        header = ["effect", "coef", "std err", *PARTS, *(f"{p} %" for p in PARTS)]
        header.append("together")
        columns = ["estimate", "std_error", *(f"se_{p}" for p in PARTS), "se_together"]
        numbers = self.to_frame(alpha)[columns].to_numpy(dtype=float)
        percent = 100 * self.shares.to_numpy()
        rows = []
        for name, (coef, se, *parts, whole), shares in zip(
            self.names, numbers, percent, strict=True
        ):
            row = [name, format_number(coef), format_number(se, 3)]
            # Below round-off of a sum there is nothing to show.
            row += [format_number(p if p > 1e-9 * se else 0, 3) for p in parts]
            row += ["-" if np.isnan(share) else f"{share:.0f}" for share in shares]
            rows.append([*row, format_number(whole, 3)])
        return header, rows

    def _precision(self) -> str:
        """How well the simulated parts are known, at the worst."""
        relative = self.mc_errors / self.variances**0.5
        precisions = [
            f"{part} to {100 * relative[part].max():.0f} %"
            for part in ("refit", "seed")
            if relative[part].notna().any()
        ]
        return f", which tell {', '.join(precisions)} or better." if precisions else "."

    def _all_notes(self) -> list[str]:
        notes = [
            "rows: the choice of rows, given the model; refit: the training data; seed: "
            "the learner's own randomness. Their squares sum to that of std err, and % "
            "are shares of it. together: all drawn at once, by one bootstrap.",
            f"{self.n_resamples} resamples, each fitted with {self.n_seeds} seeds"
            + self._precision(),
        ]
        below = self.negative.dropna()
        if len(below):
            values = (f"{n} ({format_number(v, 3)})" for n, v in below[:5].items())
            notes.append(
                "The variance by refit was estimated below zero, and set to zero: "
                + ", ".join(values)
                + (", …." if len(below) > 5 else ".")
            )
        failures = self.refits.failures
        if failures:
            notes.append(
                f"{len(failures)} resamples failed and are left out: {failures[0]}."
            )
        return [*notes, self.coverage_note, *self.notes, *self.sentences()]
