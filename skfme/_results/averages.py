"""An effect's averages and counts, with its rows at hand or no longer kept.

Results derive from this: they supply figures for each output, and it reads from them
what users read. Tables and texts are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from skfme._engine.stepping import STATUSES
from skfme._summaries.weighted import warn_of_no_sd

__all__ = ["EffectAverages"]


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
    nonlinearity: Any

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

        A float, or an ndarray of shape (n_outputs,) for several outputs.
        """
        return self._per_output([figure.mean for figure in self.figures])

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

    def _per_output(self, values: Sequence[float] | np.ndarray) -> Any:
        return float(values[0]) if len(self.outputs) == 1 else np.asarray(values)

    def _without_nlm(self) -> AttributeError:
        return AttributeError(
            f"The effect {self.name!r} has no NLM; ask for it with nlm=True."
        )
