"""Estimates in words and small tables, at most 78 columns wide.

What the numbers are is said by the estimates; here they are laid out, and sentences under
them say what the intervals cover and what the estimates rest on.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._text.printing import (
    Text,
    format_number,
    html_table,
    notebook_page,
    text_table,
)
from skfme.statsmodels._inference.estimates import JointEstimates

if TYPE_CHECKING:
    from skfme.plotting import AMEDisplay, OptimumDisplay

__all__ = ["WIDTH", "EstimateTables"]

WIDTH = 78

# What an interval of each kind covers, in words for the summary.
COVERS = {
    "sample": (
        "Intervals cover the choice of rows (sample), with the model held fixed: not "
        "what another training set would give."
    ),
    "rows": "Intervals cover the choice of rows.",
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
# What they do not cover, and the call that does.
NEXT = {
    "sample": (
        "That may differ by far more than these standard errors: bootstrap_effects() and "
        "uncertainty_ledger() fit the model again; of results of statsmodels, "
        "delta_effects() has the error of the parameters."
    ),
}


class EstimateTables(JointEstimates):
    """Estimates that show themselves."""

    @property
    def coverage_note(self) -> str:
        """What the intervals cover, in a sentence."""
        return COVERS.get(self.covers, f"Intervals cover: {self.covers}.")

    @property
    def footnotes(self) -> list[str]:
        """What stands below the printed table, a sentence each."""
        return self._all_notes()

    def to_frame(self, alpha: float = 0.05) -> pd.DataFrame:
        """One row per estimate.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        frame : DataFrame
            ``effect``, group columns, ``output`` (for several), ``n`` (where it is known),
            ``estimate``, ``std_error``, ``statistic``, ``p_value``, ``conf_low``,
            ``conf_high``, ``p_adjusted`` for differences, and where a model predicts the
            averages ``before`` and ``after``; of comparisons that are no differences,
            ``comparison`` and ``average`` name them.
        """
        low, high = (ends for _, ends in self.conf_int(alpha).items())
        columns = [self.params, self.bse, self.tvalues, self.pvalues]
        columns += [low.rename("conf_low"), high.rename("conf_high")]
        if self.adjustment is not None:
            columns.append(self.pvalues_adjusted(self.adjustment))
        groups = [name for name in self.labels if name not in ("effect", "output")]
        outputs = ["output"] if "output" in self.labels else []
        frame = self.labels[["effect", *groups, *outputs]].copy()
        if self.nobs is not None:
            frame["n"] = self.nobs
        frame = frame.assign(**{str(c.name): c.to_numpy() for c in columns})
        return self._more_columns(frame)

    def _more_columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with what these results have more than others."""
        more = {} if self.more is None else dict(self.more.items())
        return frame.assign(**{str(k): v.to_numpy() for k, v in more.items()})

    def summary(self, alpha: float = 0.05) -> Text:
        """A table in words and numbers, at most 78 columns wide.

        Parameters
        ----------
        alpha : float, default=0.05
            One minus the coverage of the intervals.

        Returns
        -------
        text : str
        """
        rule = "=" * WIDTH
        title = textwrap.fill((self.title or "Effects").center(WIDTH).rstrip(), WIDTH)
        table = text_table(*self._table(alpha), WIDTH)
        notes = [textwrap.fill(note, WIDTH) for note in self._all_notes()]
        return Text("\n".join([title, rule, table, rule, *notes]))

    def plot(self, **options: Any) -> AMEDisplay | OptimumDisplay:
        """Draw the estimates with their intervals, one below the other; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.AMEDisplay.from_results`.

        Returns
        -------
        display : AMEDisplay
        """
        # Here, so that Matplotlib is needed only to draw.
        from skfme.plotting import AMEDisplay

        return AMEDisplay.from_results(self, **options)

    def _table(self, alpha: float) -> tuple[list[str], list[list[str]]]:
        """Header and rows, as statsmodels heads its own."""
        letter = "t" if self.use_t else "z"
        heads = {
            "estimate": "coef",
            "std_error": "std err",
            "statistic": letter,
            "p_value": f"P>|{letter}|" if "statistic" in self._tests_shown else "P",
            "p_adjusted": f"{self.adjustment} P",
            "conf_low": f"[{alpha / 2:.4g}",
            "conf_high": f"{1 - alpha / 2:.4g}]",
        }
        frame = self.to_frame(alpha)
        for name in {"statistic", "p_value"} - self._tests_shown:
            del heads[name]
        heads = {name: head for name, head in heads.items() if name in frame}
        columns = [self._texts(name, frame[name].astype(float)) for name in heads]
        rows = map(list, zip(self.names, *columns, strict=True))
        return ["effect", *heads.values()], list(rows)

    @property
    def _tests_shown(self) -> set[str]:
        """Which columns of the test of no effect the table has.

        A statistic stands there only where P is its tail: a reader would take it so.
        """
        return {"statistic", "p_value"}

    def _texts(self, column: str, values: pd.Series) -> list[str]:
        """Numbers of one column as the table shows them."""
        return [FORMATS.get(column, format_number)(value) for value in values]

    def _all_notes(self) -> list[str]:
        notes = [self.coverage_note]
        if self.covers in NEXT:
            notes.append(NEXT[self.covers])
        if self.nobs is not None:
            least, most = self.nobs.min(), self.nobs.max()
            notes.append(
                f"Rows: {least}." if least == most else f"Rows: {least} to {most}."
            )
        if self.df is not None and np.isfinite(self.df).any():
            least, most = np.nanmin(self.df), np.nanmax(self.df)
            span = f"{least:.6g}" if least == most else f"{least:.4g} to {most:.4g}"
            notes.append(f"t distribution with {span} degrees of freedom.")
        if self.adjustment is not None and len(self.names) > 1:
            notes.append(
                f"P is adjusted for {len(self.names)} tests; intervals are pointwise, each "
                "for its own estimate. conf_int(simultaneous=True) has those that hold "
                "together."
            )
        still = [repr(name) for name, se in self.bse.items() if se == 0]
        if still:
            shown = ", ".join(still[:5]) + (", …" if len(still) > 5 else "")
            notes.append(f"No spread at all, so that the standard error is 0: {shown}.")
        return [*notes, *self.notes]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.names)} estimates, covers {self.covers}>"

    def __str__(self) -> str:
        return str(self.summary())

    def _repr_html_(self) -> str:
        tables = [html_table(*self._table(0.05), self.title or "Effects")]
        return notebook_page(tables, self._all_notes())


def _p_value(value: float) -> str:
    """Three digits; what is too small for a float is not zero."""
    return "<1e-300" if 0 <= value < 1e-300 else format_number(value, 3)


FORMATS: dict[str, Callable[[float], str]] = {
    "statistic": partial(format_number, digits=3),
    "p_value": _p_value,
    "p_adjusted": _p_value,
}
