"""An effect's averages and counts, with its rows at hand or no longer kept.

Results derive from this: they supply figures for each output, and it reads from them
what users read. Tables and texts are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from skfme._engine.stepping import STATUSES
from skfme._summaries.comparisons import Comparison
from skfme._summaries.weighted import warn_of_no_sd
from skfme._text.parts import full_name

__all__ = ["EffectAverages", "Ends", "described"]


def described(comparison: Comparison) -> dict[str, str]:
    """Columns that name what is averaged and how; none of a difference."""
    if comparison.is_difference:
        return {}
    return {"comparison": comparison.name, "average": comparison.average}


class Ends(NamedTuple):
    """Average predictions before and after the step, over the rows that count."""

    before: float
    after: float


class EffectAverages:
    """An effect's averages and counts.

    Attributes
    ----------
    name : str
    sizes : tuple of str
        What relative sizes came to.
    context : object
        What effects of one call have in common.
    total_weight : float or None
        Sum of the row weights.
    weights_type : str
        What the weights stand for.
    n_outside_before : int or None
        Rows outside the training data before any step.
    n_not_converged : int
        Rows whose NLM did not converge.
    nlm_rule : str
        What measured the NLMs.
    status_counts : ndarray of shape (4,)
        Rows by status, in the order of the statuses.
    has_nlm : bool
        Whether there are NLMs.
    figures : tuple of Figures
        For each output.
    comparison : Comparison
        How predictions after the step are compared with those before it.
    ends : tuple of Ends or None
        For each output; None where no model predicts.
    nonlinearity : tuple of NonLinearity
        For each output.
    """

    name: str
    sizes: tuple[str, ...]
    context: Any
    total_weight: Any
    weights_type: Any
    n_outside_before: Any
    n_not_converged: Any
    nlm_rule: Any
    status_counts: Any
    has_nlm: Any
    figures: Any
    ends: Any
    comparison: Any
    nonlinearity: Any

    @property
    def full_name(self) -> str:
        """The name; of a part such as ``part of bmi in 'bmi -2, bp -10'``."""
        return full_name(self.name, self.context.joint)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the response's outputs: classes, or targets."""
        outputs: tuple[str, ...] = self.context.outputs
        return outputs

    @property
    def n_rows(self) -> int:
        """Number of rows, those left out included."""
        return int(self.status_counts.sum())

    @property
    def n(self) -> int:
        """Number of rows that count."""
        return int(self.status_counts[STATUSES.index("counted")])

    @property
    def n_left_out(self) -> dict[str, int]:
        """Rows left out, by status."""
        return dict(zip(STATUSES[1:], self.status_counts[1:].tolist(), strict=True))

    @property
    def ame(self) -> Any:
        """Average marginal effect: the weighted mean FME over the rows that count.

        With average="of_means", the comparison of the average predictions. A float, or
        an ndarray of shape (n_outputs,) for several outputs.
        """
        return self._per_output([figure.mean for figure in self.figures])

    @property
    def before(self) -> Any:
        """Average prediction before the step, over the rows that count.

        A float, or an ndarray of shape (n_outputs,) for several outputs.
        """
        return self._per_output([ends.before for ends in self._checked_ends()])

    @property
    def after(self) -> Any:
        """Average prediction after the step, over the same rows; shaped as `before`."""
        return self._per_output([ends.after for ends in self._checked_ends()])

    def _checked_ends(self) -> Sequence[Ends]:
        if self.ends is None:
            raise AttributeError(
                f"The effect {self.full_name!r} has no predictions before and after, as "
                "parts of a joint step and effects of no model have none."
            )
        return self.ends

    @property
    def sd(self) -> Any:
        """SD of the FMEs (divisor W − 1): heterogeneity, not a standard error.

        A float, or an ndarray of shape (n_outputs,) for several outputs.
        """
        if self.n and np.isnan(self.figures[0].sd):
            warn_of_no_sd()
        return self._per_output([figure.sd for figure in self.figures])

    @property
    def quartiles(self) -> np.ndarray:
        """Quartiles of shape (3,) or (3, n_outputs)."""
        rows = [(figure.q25, figure.median, figure.q75) for figure in self.figures]
        return np.array(rows[0]) if len(rows) == 1 else np.array(rows).T

    @property
    def anlm(self) -> Any:
        """Weighted mean of the defined NLMs of rows that count."""
        return self._per_output([figure.mean for figure in self.nonlinearity])

    def refuse_of_means(self, what: str) -> None:
        """Refuse comparisons of average predictions where single rows are read.

        Parameters
        ----------
        what : str
            What reads single rows, for the error.

        Raises
        ------
        ValueError
            If the averages are no means over rows.
        """
        if self.comparison.of_means:
            raise ValueError(
                f"{what} reads the effect of each row, whose mean is not the "
                f"{self.comparison.name} of average predictions that {self.name!r} is "
                "(average='of_means'). Explain with average='of_rows', or take "
                "average_effects(effect, by=…) or bootstrap_effects, which compare averages."
            )

    def _per_output(self, values: Sequence[float] | np.ndarray) -> Any:
        return float(values[0]) if len(self.outputs) == 1 else np.asarray(values)

    def _without_nlm(self) -> AttributeError:
        what = f"The effect {self.full_name!r} has no NLM"
        if self.ends is None:
            return AttributeError(
                f"{what}, as parts of a joint step, what they add up to and effects of no "
                "model have none; explain(X) measures that of a step, with nlm=True."
            )
        return AttributeError(f"{what}; ask for it with nlm=True.")
