"""One effect and several, as they print: tables, texts, notebooks.

What the tables hold is decided in effect_tables; what the numbers are, in averages.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from skfme._results.averages import EffectAverages
from skfme._results.effect_tables import effects_frame, summary_html, summary_text
from skfme._text.printing import Text

__all__ = ["PrintedEffect", "PrintedEffects"]


class PrintedEffect(EffectAverages):
    """An effect that shows its averages."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What a summary adds."""
        notes: tuple[str, ...] = self.context.notes
        return notes

    def summary(self) -> Text:
        """A table that reads well in a terminal.

        Returns
        -------
        text : str
            One line for each output, and why rows were left out.
        """
        return summary_text([self], *self.notes)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        ame = ", ".join(f"{a:.6g}" for a in np.atleast_1d(self.ame))
        shown = ame if len(self.outputs) == 1 else f"[{ame}]"
        return f"{type(self).__name__}({self.full_name!r}, n={self.n}, ame={shown})"

    def _repr_html_(self) -> str:
        return summary_html([self], *self.notes)


E_co = TypeVar("E_co", bound=PrintedEffect, covariant=True)


class PrintedEffects(Mapping[str, E_co]):
    """Several effects by name, and their summary."""

    context: Any

    @property
    def notes(self) -> tuple[str, ...]:
        """What a summary adds."""
        notes: tuple[str, ...] = self.context.notes
        return notes

    @property
    @abstractmethod
    def _effects(self) -> Mapping[str, E_co]: ...

    def __getitem__(self, name: str) -> E_co:
        if not isinstance(name, str):
            raise TypeError(
                f"Effects are named, such as {next(iter(self._effects), 'bmi -2')!r}; got "
                f"{name!r}. list(effects.values()) has them in order."
            )
        if name not in self._effects:
            names = ", ".join(map(repr, self._effects))
            raise KeyError(f"no effect is named {name!r}; there are {names}")
        return self._effects[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._effects)

    def __len__(self) -> int:
        return len(self._effects)

    def to_frame(self) -> pd.DataFrame:
        """One row per effect and output.

        Returns
        -------
        frame : DataFrame
            Columns ``effect``, ``output``, ``n``, ``ame``, ``sd``, ``q25``,
            ``median``, ``q75``; where NLMs were measured ``anlm``, ``nlm_median``,
            ``nlm_share_linear`` (rows at or above 0.9), ``n_nlm_undefined``,
            ``n_nlm_not_converged``; and rows left out: ``n_missing``, ``n_at_target``,
            ``n_extrapolation``; ``n_outside_before`` counts rows outside the
            training data before any step; last ``before`` and ``after``, the average
            predictions over the rows that count.
        """
        return effects_frame(list(self.values()))

    def summary(self) -> Text:
        """A table that reads well in a terminal, at most 80 columns wide.

        Returns
        -------
        text : str
            Effects, average predictions before and after, non-linearity where
            measured, why rows were left out, and what relative sizes came to.
        """
        return summary_text(list(self.values()), *self.notes)

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self.values())!r})"

    def _repr_html_(self) -> str:
        return summary_html(list(self.values()), *self.notes)
