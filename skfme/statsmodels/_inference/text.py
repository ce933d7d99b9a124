"""Estimates in words and small tables, at most 78 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from skfme._text.printing import format_number

__all__ = ["WIDTH", "covers_sentence", "estimate_table", "size_notes"]

WIDTH = 78

# What an interval of each kind covers, in words for the summary.
COVERS = {
    "sample": (
        "Intervals cover the choice of rows (sample), with the model held fixed: not "
        "what another training set would give."
    ),
    "parameters": (
        "Intervals cover the model's estimated parameters, with the rows held fixed."
    ),
    "sample + parameters": (
        "Intervals cover the model's estimated parameters and the choice of rows."
    ),
    "refit": "Intervals cover the refitting of the model on other training rows.",
    "sample + refit": (
        "Intervals cover the refitting of the model and the choice of rows."
    ),
}


def covers_sentence(covers: str) -> str:
    """What the intervals cover, in a sentence."""
    return COVERS.get(covers, f"Intervals cover: {covers}.")


def estimate_table(
    names: Sequence[str],
    frame: pd.DataFrame,
    use_t: bool,
    alpha: float,
    adjustment: str | None,
) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a table of estimates, as statsmodels heads its own.

    Parameters
    ----------
    names : sequence of str of length k
    frame : DataFrame of k rows
        As :meth:`EffectResults.to_frame` has it.
    use_t : bool
    alpha : float
    adjustment : str or None
        Of the p-values.
    """
    letter = "t" if use_t else "z"
    columns = ["estimate", "std_error", "statistic", "p_value"]
    header = ["effect", "coef", "std err", letter, f"P>|{letter}|"]
    if adjustment is not None:
        columns.append("p_adjusted")
        header.append(f"{adjustment} P")
    columns += ["conf_low", "conf_high"]
    header += [f"[{alpha / 2:.4g}", f"{1 - alpha / 2:.4g}]"]
    formats = [_FORMATS.get(column, format_number) for column in columns]
    rows = [
        [name, *(shown(v) for v, shown in zip(values, formats, strict=True))]
        for name, values in zip(
            names, frame[columns].to_numpy(dtype=float), strict=True
        )
    ]
    return header, rows


def size_notes(
    nobs: np.ndarray | None, df: np.ndarray | None, still: Sequence[str]
) -> list[str]:
    """Sentences on rows, degrees of freedom, and estimates without spread."""
    notes = []
    if nobs is not None:
        least, most = nobs.min(), nobs.max()
        notes.append(
            f"Rows: {least}." if least == most else f"Rows: {least} to {most}."
        )
    if df is not None and np.isfinite(df).any():
        least, most = np.nanmin(df), np.nanmax(df)
        span = f"{least:.6g}" if least == most else f"{least:.4g} to {most:.4g}"
        notes.append(f"t distribution with {span} degrees of freedom.")
    if still:
        shown = ", ".join(map(repr, still[:5])) + (", …" if len(still) > 5 else "")
        notes.append(f"No spread at all, so that the standard error is 0: {shown}.")
    return notes


def _statistic(value: float) -> str:
    return format_number(value, 3)


def _p_value(value: float) -> str:
    """Three digits; what is too small for a float is not zero."""
    return "<1e-300" if 0 <= value < 1e-300 else format_number(value, 3)


_FORMATS = {"statistic": _statistic, "p_value": _p_value, "p_adjusted": _p_value}
