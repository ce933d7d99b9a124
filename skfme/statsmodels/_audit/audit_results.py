"""ResponseAudit: what an audit found, as verdicts, tables and a picture.

A verdict answers one question by one rule, which its sentence states. How the numbers
came about is not known here.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from skfme._text.printing import Text, format_number, html_table, text_table
from skfme.statsmodels._inference.text import WIDTH

if TYPE_CHECKING:
    from skfme.plotting import ResponseAuditDisplay

__all__ = ["Limits", "ResponseAudit", "Verdict"]


MOST_TOLD = 3  # pockets in a sentence


class Limits(NamedTuple):
    """What counts as no response, as no leak, as enough rows; and the level."""

    bound: float
    leak: float
    share: float
    alpha: float


class Verdict(NamedTuple):
    """The answer to one question.

    Attributes
    ----------
    question : str
        "direct", "rows", "pockets", "proxy", "leakage" or "utility".
    passed : bool or None
        None where it is not decided, or there is no rule.
    sentence : str
    """

    question: str
    passed: bool | None
    sentence: str

    def __str__(self) -> str:
        undecided = "told" if self.question == "utility" else "undecided"
        mark = {True: "passed", False: "FAILED", None: undecided}[self.passed]
        return Text(f"{self.question}: {mark}. {self.sentence}")


@dataclass(frozen=True, eq=False, repr=False)
class ResponseAudit:
    """Whether a model still responds to a feature that was removed from it.

    Made by :func:`response_audit`.

    Attributes
    ----------
    sensitive : str
    limits : Limits
        ``bound``, ``leak``, ``share`` and ``alpha``.
    figures : DataFrame
        The numbers, as :meth:`to_frame` returns them.
    pockets : DataFrame
        Regions of the direct response on rows held apart: ``contrast``, ``rule``, ``n``,
        ``share``, ``estimate``, ``std_error``, ``conf_low``, ``conf_high``, ``beyond``.
    contrasts : tuple of str
        Pairs of groups, such as ``sex f -> m``.
    codes : ndarray of shape (n,), int
        The group of each row.
    groups : tuple of str
    predictions : pair of ndarray of shape (n,)
        Before and after.
    responses : dict
        "direct" and "proxy": by contrast, the responses of rows before and after.
    weights : ndarray of shape (n,) or None
    after_reads : bool
        Whether the model after gets the feature itself.
    """

    sensitive: str
    limits: Limits
    figures: pd.DataFrame = field(repr=False)
    pockets: pd.DataFrame = field(repr=False)
    contrasts: tuple[str, ...]
    codes: np.ndarray = field(repr=False)
    groups: tuple[str, ...]
    predictions: tuple[np.ndarray, ...] = field(repr=False)
    responses: dict[str, Any] = field(repr=False)
    weights: np.ndarray | None = field(default=None, repr=False)
    after_reads: bool = True

    def to_frame(self) -> pd.DataFrame:
        """One line per question, quantity and pair of groups.

        Returns
        -------
        frame : DataFrame
            ``question``, ``quantity``, ``contrast``, ``before``, ``after``, and of the
            latter ``conf_low``, ``conf_high`` (1 − 2 alpha for ``ame``, a one-sided bound
            for ``share_within``) and ``p_value`` (of equivalence for ``ame``, of a
            permutation for leakage).
        """
        return self.figures.copy()

    def _of(self, question: str, quantity: str) -> pd.DataFrame:
        chosen = self.figures["question"] == question
        return self.figures[chosen & (self.figures["quantity"] == quantity)]

    @cached_property
    def verdicts(self) -> tuple[Verdict, ...]:
        """One for each question."""
        found = [
            self._direct(),
            self._rows(),
            self._pockets(),
            self._proxy(),
            self._leakage(),
        ]
        if (self.figures["question"] == "utility").any():
            found.append(self._utility())
        return tuple(found)

    @property
    def passed(self) -> dict[str, bool | None]:
        """By question that has a rule; None where it is not decided."""
        return {v.question: v.passed for v in self.verdicts if v.question != "utility"}

    def _direct(self) -> Verdict:
        ame = self._of("direct", "ame")
        worst = _highest(ame, "p_value")
        largest = self._of("direct", "max_abs")["after"].max()
        passed = bool((ame["p_value"] < self.limits.alpha).all())
        shown = "lies within" if passed else "is not shown to lie within"
        text = (
            f"The average response to {self.sensitive} itself, "
            f"{format_number(worst['after'])}, {shown} ± {self.limits.bound:g} "
            f"(P = {worst['p_value']:.3g}); the largest of a row is "
            f"{format_number(largest)}."
        )
        if not self.after_reads:
            text += " The model does not get the feature, so that this is 0 by itself."
        for again in self._of("direct, transformed anew", "ame")["after"]:
            text += (
                " The transformation reads the feature: a row transformed anew as of "
                f"the other group changes by {format_number(again)} on average."
            )
        return Verdict("direct", passed, text)

    def _rows(self) -> Verdict:
        share = self._of("direct", "share_within")
        worst = share.sort_values("conf_low").to_dict("records")[0]
        passed = bool(worst["conf_low"] >= self.limits.share)
        return Verdict(
            "rows",
            passed,
            f"{worst['after']:.1%} of the rows respond within ± {self.limits.bound:g}, "
            f"at least {worst['conf_low']:.1%} of all; {self.limits.share:.0%} are asked "
            "for.",
        )

    def _pockets(self) -> Verdict:
        beyond = self.pockets.loc[self.pockets["beyond"].to_numpy(dtype=bool)]
        if beyond.empty:
            regions = len(self.pockets)
            text = f"None of {regions} regions, estimated on rows apart, responds."
            return Verdict("pockets", True, text if regions else "No row differs.")
        if (beyond["rule"] == "all").any():  # as the tree calls its root
            text = (
                "Nothing tells rows apart, and together they respond by "
                f"{format_number(beyond['estimate'].iloc[0])}, beyond ± "
                f"{self.limits.bound:g}."
            )
            return Verdict("pockets", False, text)
        largest = beyond.sort_values("share", ascending=False).head(MOST_TOLD)
        told = "; ".join(
            f"{row['rule']} ({row['share']:.1%} of the rows): "
            f"{format_number(row['estimate'])}"
            for row in largest.to_dict("records")
        )
        if len(beyond) > MOST_TOLD:
            told += f"; and in {len(beyond) - MOST_TOLD} regions more"
        return Verdict(
            "pockets",
            False,
            f"Where {told}, the response lies beyond ± {self.limits.bound:g}.",
        )

    def _below(self, figures: pd.DataFrame, bound: float) -> bool | None:
        """Whether all lie up to a bound; None where one is beyond it, perhaps by chance."""
        beyond = figures["after"] > bound
        if not beyond.any():
            return True
        shown = figures["p_value"] <= self.limits.alpha
        return False if (beyond & shown).any() else None

    def _proxy(self) -> Verdict:
        size = self._of("proxy", "mean_abs")
        worst = _highest(size, "after")
        margins = self._of("proxy", "mean_abs_per_feature")["after"].max()
        return Verdict(
            "proxy",
            self._below(size, self.limits.bound),
            "A row moved as if it came from the other group changes its prediction by "
            f"{format_number(worst['after'])} on average in size, where ± "
            f"{self.limits.bound:g} counts as none (P = {worst['p_value']:.3g}); through "
            f"each feature's margin alone by {format_number(margins)}.",
        )

    def _leakage(self) -> Verdict:
        distance = self._of("leakage", "w1")
        passed = self._below(distance, self.limits.leak)
        worst = _highest(distance, "after")
        auc = self._of("leakage", "cross_fitted_auc")["after"].max()
        does = {True: "do not give", False: "give", None: "may give"}[passed]
        return Verdict(
            "leakage",
            passed,
            f"Predictions {does} {self.sensitive} away: groups lie "
            f"{format_number(worst['after'])} SD apart (W1; up to {self.limits.leak:g} "
            f"counts as alike; P = {worst['p_value']:.3g}), cross-fitted AUC {auc:.3f}.",
        )

    def _utility(self) -> Verdict:
        change = self._of("utility", "change_of_loss").iloc[0]
        text = (
            f"The mean loss changes by {format_number(change['after'])} "
            f"[{format_number(change['conf_low'])}, "
            f"{format_number(change['conf_high'])}]"
        )
        r2 = self._of("utility", "r2")
        if len(r2):
            ends = r2.iloc[0]
            text += f"; R² from {ends['before']:.3f} to {ends['after']:.3f}"
        return Verdict("utility", None, f"{text}.")

    def summary(self) -> Text:
        """The verdicts, and the numbers behind them.

        Returns
        -------
        text : str
        """
        parts = [self._title(), *self._lines(), "", text_table(*self._table(), WIDTH)]
        return Text("\n".join(parts))

    def _title(self) -> str:
        return f"Audit: does the model still respond to {self.sensitive}?"

    def _lines(self) -> Iterator[str]:
        for verdict in self.verdicts:
            yield textwrap.fill(str(verdict), WIDTH, subsequent_indent="  ")

    def _table(self) -> tuple[list[str], list[list[str]]]:
        heads = {"before": "before", "after": "after", "conf_low": "[low"}
        heads |= {"conf_high": "high]", "p_value": "P"}
        several = len(self.contrasts) > 1
        rows = []
        for line in self.figures.to_dict("records"):
            of = f" ({line['contrast']})" if several and line["contrast"] else ""
            name = f"{line['question']}: {line['quantity']}{of}"
            rows.append([name, *(format_number(line[key]) for key in heads)])
        return ["quantity", *heads.values()], rows

    def plot(self, **options: Any) -> ResponseAuditDisplay:
        """Draw predictions by group and responses, before and after; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.ResponseAuditDisplay.from_audit`.

        Returns
        -------
        display : ResponseAuditDisplay
        """
        from skfme.plotting import ResponseAuditDisplay

        return ResponseAuditDisplay.from_audit(self, **options)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        verdicts = ", ".join(f"{q}: {p}" for q, p in self.passed.items())
        return f"<ResponseAudit of {self.sensitive!r}: {verdicts}>"

    def _repr_html_(self) -> str:
        caption = "\n".join([self._title(), *map(str, self.verdicts)])
        return html_table(*self._table(), caption)


def _highest(figures: pd.DataFrame, column: str) -> dict[Any, Any]:
    """The line with the largest number in a column."""
    line: dict[Any, Any] = figures.sort_values(column).to_dict("records")[-1]
    return line
