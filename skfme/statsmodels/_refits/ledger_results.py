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

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from skfme._text.tables import format_number
from skfme.statsmodels._inference.hypotheses import linear_hypothesis
from skfme.statsmodels._inference.results import EffectResults

__all__ = ["PARTS", "NestedRefits", "UncertaintyLedger"]

PARTS = ("rows", "refit", "seed")
WORDS = dict(
    zip(
        PARTS,
        ("the choice of rows", "the training data", "the learner's seed"),
        strict=True,
    )
)


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
        inside = (averages - averages[:, :1]).transpose(1, 0, 2)
        inside = (inside - inside.mean(axis=0)).reshape(-1, k)
        seed = inside.T @ inside / (n_resamples * (n_seeds - 1))
        means = (averages - averages[0, 0]).mean(axis=1)
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
        What each resample that failed said.
    """

    fixed: np.ndarray
    drawn: np.ndarray
    failures: tuple[str, ...] = ()

    def contrast(self, R: np.ndarray, q: np.ndarray) -> NestedRefits:
        """The same of linear combinations."""
        return NestedRefits(self.fixed @ R.T - q, self.drawn @ R.T - q, self.failures)


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
    """

    def __init__(
        self,
        params: Any,
        rows_cov: np.ndarray,
        refits: NestedRefits,
        *,
        labels: pd.DataFrame,
        names: Sequence[str] | None = None,
        nobs: Any = None,
        title: str = "",
        notes: Sequence[str] = (),
        more_seeds: str = "the mean of four fits under different seeds",
    ) -> None:
        parts = Components.of(refits.fixed)
        known = np.diag(parts.refit) >= 0
        refit = parts.refit * np.outer(known, known)
        super().__init__(
            params,
            rows_cov + refit + parts.seed,
            labels=labels,
            covers="sample + refit",
            names=names,
            nobs=nobs,
            title=title,
            notes=notes,
        )
        self.refits, self._rows_cov, self._more_seeds = refits, rows_cov, more_seeds
        found = [np.diag(cov) for cov in (rows_cov, refit, parts.seed)]
        self.variances = pd.DataFrame(dict(zip(PARTS, found, strict=True)), self.names)
        below = np.where(known, np.nan, np.diag(parts.refit))
        self.negative = self._series(below, "negative")
        self.mc_errors = self._mc_errors(parts)
        whole = Components.of(refits.drawn)
        total = np.maximum(np.diag(whole.refit), 0) + np.diag(whole.seed)
        self.together = self._series(np.sqrt(total), "together")

    def _mc_errors(self, parts: Components) -> pd.DataFrame:
        se = np.sqrt(self.variances[["refit", "seed"]].to_numpy())
        errors = np.column_stack([parts.refit_error, parts.seed_error])
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = np.where(se > 0, errors / (2 * se), np.nan)
        frame = pd.DataFrame(errors, self.names, ["refit", "seed"])
        return frame.reindex(columns=list(PARTS))

    @property
    def n_resamples(self) -> int:
        """Number of training sets that were fitted."""
        return self.refits.fixed.shape[0]

    @property
    def n_seeds(self) -> int:
        """Number of seeds for each."""
        return self.refits.fixed.shape[1]

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
            matrix @ self._rows_cov @ matrix.T,
            self.refits.contrast(matrix, q),
            labels=plain.labels,
            title=self.title,
            more_seeds=self._more_seeds,
        )

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        for part in PARTS:
            frame[f"se_{part}"] = np.sqrt(self.variances[part].to_numpy())
        for part in PARTS:
            frame[f"share_{part}"] = self.shares[part].to_numpy()
        frame["se_together"] = self.together.to_numpy()
        frame["truncated"] = self.negative.notna().to_numpy()
        return frame

    def sentences(self) -> list[str]:
        """What the parts of each estimate say, and what would help.

        Returns
        -------
        sentences : list of str
        """
        return [self._sentence(name) for name in self.names]

    def _sentence(self, name: str) -> str:
        if np.isnan(self.bse[name]):
            return f"{name}: one row or group alone tells nothing of its spread."
        if self.bse[name] == 0:
            return f"{name}: nothing varies."
        shares = self.shares.loc[name]
        se, data, seeds = (
            format_number(self.projected(**more)[name], 3)
            for more in ({}, {"rows": 4}, {"seeds": 4})
        )
        largest = str(shares.idxmax())
        text = (
            f"{name}: {100 * shares[largest]:.0f} % of the variance is "
            f"{WORDS[largest]}. Four times the rows would halve the parts of rows and "
            f"refit, and bring the standard error from {se} to {data}"
        )
        if not shares["seed"] > 0:
            return f"{text}; the seed has no part in it."
        return f"{text}; {self._more_seeds} would halve the seed's, and bring it to {seeds}."

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
        known = [
            f"{part} to {100 * relative[part].max():.0f} %"
            for part in ("refit", "seed")
            if relative[part].notna().any()
        ]
        return f", which tell {', '.join(known)} or better." if known else "."

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
        return [*notes, *self.notes, *self.sentences()]
