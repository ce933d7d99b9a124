"""Every effect over all rows, batch by batch, by whichever engine was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from skfme._engine.batches import plan_rows, run_batches
from skfme._engine.choice import EngineChoice
from skfme._engine.stepping import Engine, Stepped, step_rows
from skfme._frames.tables import Table
from skfme.extrapolation import Support
from skfme.quadrature import Rule
from skfme.steps._changes import BoundChange, NamedStep

__all__ = ["Differences", "forward_differences"]


@dataclass
class Differences:
    """One effect over all rows.

    Attributes
    ----------
    fme : ndarray of shape (n_samples, n_outputs)
        NaN where a row does not count.
    status : ndarray of shape (n_samples,), int8
        Position in `STATUSES`.
    nlm : ndarray of shape (n_samples, n_outputs) or None
        NaN where a row does not count or has no NLM; None if not asked for.
    n_not_converged : int
        Rows whose NLM an adaptive rule gave up on.
    engine : str
        What computed it; "predict" where some rows were left to predictions.
    """

    fme: np.ndarray
    status: np.ndarray
    nlm: np.ndarray | None = None
    n_not_converged: int = 0
    engine: str = ""


def forward_differences(
    choice: EngineChoice,
    table: Table,
    steps: Sequence[NamedStep],
    support: Support | None,
    rule: Rule | None = None,
    *,
    batch_size: int | str = "auto",
    n_jobs: int | None = None,
    verbose: int = 0,
) -> tuple[list[Differences], int]:
    """FMEs of every effect, and how many rows were outside before any step.

    Parameters
    ----------
    choice : EngineChoice
    table : Table of n rows
    steps : sequence of NamedStep
    support : Support or None
        Judges which rows are extrapolation points; None judges none.
    rule : Rule or None
        Measures the NLM of rows that count; None does not.
    batch_size, n_jobs, verbose
        As in :class:`skfme.FMEExplainer`.

    Returns
    -------
    differences : list of Differences
        One per effect.
    n_outside_before : int
    """
    n, n_outputs = len(table), len(choice.response.outputs)
    bound = [tuple(change.bind(table) for change in step.changes) for step in steps]
    results = [
        Differences(
            np.full((n, n_outputs), np.nan),
            np.empty(n, dtype=np.int8),
            None if rule is None else np.full((n, n_outputs), np.nan),
        )
        for _ in steps
    ]
    row_bytes = table.row_bytes + 8 * n_outputs
    forest = choice.asks_trees
    rows_per_batch = plan_rows(n, row_bytes, batch_size, n_jobs, forest=forest)
    step = _Stepping(bound, support)
    engine = choice.engine(table, step.effects, len(steps), rule, rows_per_batch)
    work = _Batch(step, engine, rule)
    n_outside_before = 0
    for rows, (parts, outside) in run_batches(
        work, table, rows_per_batch, n_jobs, verbose
    ):
        n_outside_before += outside
        for result, part in zip(results, parts, strict=True):
            result.fme[rows] = part.fme
            result.status[rows] = part.status
            if result.nlm is not None:
                result.nlm[rows] = part.nlm
            result.n_not_converged += part.n_not_converged
            same = result.engine in ("", part.engine)
            result.engine = part.engine if same else "predict"
    return results, n_outside_before


@dataclass(frozen=True)
class _Stepping:
    """The steps of one slice of rows, and who counts."""

    bound: list[tuple[BoundChange, ...]]
    support: Support | None

    def __call__(self, batch: Table, rows: slice) -> tuple[list[Stepped], int]:
        n_outside, before = 0, None
        if self.support is not None:
            outside, before = self.support.before(batch)
            n_outside = int(np.count_nonzero(outside))
        stepped = [
            step_rows(batch, rows, changes, self.support, before)
            for changes in self.bound
        ]
        return stepped, n_outside

    def effects(self, batch: Table, rows: slice) -> list[Stepped]:
        return self(batch, rows)[0]


@dataclass(frozen=True)
class _Batch:
    """The work on one slice of rows; a callable that joblib can ship."""

    step: _Stepping
    engine: Engine
    rule: Rule | None

    def __call__(self, batch: Table, rows: slice) -> tuple[list[Differences], int]:
        effects, n_outside = self.step(batch, rows)
        parts = []
        for effect, measured in zip(
            effects, self.engine(batch, effects, self.rule), strict=True
        ):
            counted = effect.counted
            parts.append(
                Differences(
                    _spread(measured.fme, counted),
                    effect.status,
                    None if measured.nlm is None else _spread(measured.nlm, counted),
                    measured.n_not_converged,
                    measured.engine,
                )
            )
        return parts, n_outside


def _spread(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Values of the rows in the mask among all rows; NaN elsewhere."""
    if mask.all():
        return values
    spread = np.full((len(mask), values.shape[1]), np.nan)
    spread[mask] = values
    return spread
