"""Every effect over all rows, batch by batch, by whichever engine was chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from skfme._engine.batches import Schedule, plan_rows, run_batches
from skfme._engine.choice import EngineChoice, ProbeSample
from skfme._engine.comparing import compared
from skfme._engine.judging import WalkedSupport, walked_support
from skfme._engine.stepping import (
    COUNTED,
    Engine,
    Measured,
    Stepped,
    shared_starts,
    step_rows,
)
from skfme._engine.waiting import told_of_compiling
from skfme._frames.tables import Table
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme.extrapolation._support import Support
from skfme.quadrature import Rule, rules_together
from skfme.steps._changes import BoundChange, NamedStep

__all__ = ["Differences", "Stepping", "forward_differences"]


@dataclass
class Differences:
    """One effect over all rows.

    Attributes
    ----------
    fme : ndarray of shape (n_samples, n_outputs)
        The comparison of predictions; NaN where a row does not count.
    status : ndarray of shape (n_samples,), int8
        Position in `STATUSES`.
    before : ndarray of shape (n_samples, n_outputs)
        Predictions before the step; effects that start from the same rows share it, so
        that it also has rows that count for another one.
    after : ndarray of shape (n_samples, n_outputs) or None
        Predictions after the step; None where they are `before` + `fme`.
    nlm : ndarray of shape (n_samples, n_outputs) or None
        NaN where a row does not count or has no NLM; None if not measured.
    n_not_converged : int
        Rows whose NLM did not converge under an adaptive rule.
    engine : str
        What computed it; "predict" where some rows were left to predictions.
    nlm_rule : str
        What measured its NLM.
    """

    fme: np.ndarray
    status: np.ndarray
    before: np.ndarray
    after: np.ndarray | None = None
    nlm: np.ndarray | None = None
    n_not_converged: int = 0
    engine: str = ""
    nlm_rule: str = ""

    @classmethod
    def unfilled(
        cls, before: np.ndarray, *, has_after: bool, has_nlm: bool
    ) -> Differences:
        """Room for the rows of `before`, of which `fill` has filled none."""
        fme, after, nlm = (
            np.empty(before.shape) if has_it else None
            for has_it in (True, has_after, has_nlm)
        )
        assert fme is not None
        return cls(fme, np.empty(len(before), dtype=np.int8), before, after, nlm)

    def fill(self, rows: slice, status: np.ndarray, measured: Measured) -> None:
        """Take over what an engine measured of some of the rows."""
        mask = status == COUNTED
        every = bool(mask.all())
        counted = slice(None) if every else mask
        for filled in (self.fme, self.after, self.nlm):
            if filled is not None and not every:
                filled[rows][~mask] = np.nan
        self.fme[rows][counted] = measured.fme
        self.before[rows][counted] = measured.before
        if self.after is not None:
            self.after[rows][counted] = measured.after
        self.status[rows] = status
        if self.nlm is not None:
            self.nlm[rows][counted] = measured.nlm
        self.n_not_converged += measured.n_not_converged
        self.nlm_rule = rules_together(self.nlm_rule, measured.nlm_rule)
        same = self.engine in ("", measured.engine)
        self.engine = measured.engine if same else "predict"


def forward_differences(
    choice: EngineChoice,
    table: Table,
    steps: Sequence[NamedStep],
    support: Support | None,
    rule: Rule | None,
    schedule: Schedule,
    comparisons: Sequence[Comparison] | None = None,
) -> tuple[list[Differences], int | None]:
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
    schedule : Schedule
    comparisons : sequence of Comparison or None
        One per step; None takes differences.

    Returns
    -------
    differences : list of Differences
        One per effect.
    n_outside_before : int or None
        None if not judged.
    """
    n, n_outputs = len(table), len(choice.response.outputs)
    rows_per_batch = plan_rows(
        n,
        table.row_bytes + 8 * n_outputs,
        schedule.batch_size,
        schedule.n_jobs,
        large=choice.asks_trees,
    )
    has_nlm = rule is not None
    bound = [
        tuple(change.bind(table, continuous=has_nlm) for change in step.changes)
        for step in steps
    ]
    few = slice(0, 1)
    starts = shared_starts(
        table.take(few),
        [step_rows(table.take(few), few, changes, None, None) for changes in bound],
    )
    # What stays is allocated before what is freed, so that the heap need not grow again.
    before = [np.full((n, n_outputs), np.nan) for _ in range(max(starts) + 1)]
    comparisons = [DIFFERENCE] * len(steps) if comparisons is None else comparisons
    results = [
        Differences.unfilled(
            before[i], has_after=not comparison.is_difference, has_nlm=has_nlm
        )
        for i, comparison in zip(starts, comparisons, strict=True)
    ]
    judge = walked_support(support, table, len(steps))
    stepping = Stepping(bound, judge, choice.response.complete_only)
    sample = ProbeSample(table, stepping.effects, len(steps))
    with told_of_compiling(schedule.verbose):
        engine = choice.engine(sample, rule, rows_per_batch)
    work = _Work(stepping, engine, rule, comparisons)
    n_outside_before = 0
    schedule = schedule.of_engine(engine.name)
    for rows, (parts, n_outside) in run_batches(work, table, rows_per_batch, schedule):
        n_outside_before += n_outside
        for result, (status, measured) in zip(results, parts, strict=True):
            result.fill(rows, status, measured)
    return results, None if support is None else n_outside_before


@dataclass(frozen=True)
class Stepping:
    """The steps of one slice of rows, and which rows count."""

    bound: list[tuple[BoundChange, ...]]
    support: WalkedSupport | Support | None
    complete_only: bool

    def __call__(self, batch: Table, rows: slice) -> tuple[list[Stepped], int]:
        if self.support is None:
            return self._stepped(batch, rows, None, None), 0
        if not isinstance(self.support, Support):
            stepped = self._stepped(batch, rows, None, None)
            return self.support.judged(batch, stepped)
        outside, before = self.support.before(batch)
        n_outside = int(np.count_nonzero(outside))
        return self._stepped(batch, rows, self.support, before), n_outside

    def _stepped(
        self, batch: Table, rows: slice, support: Support | None, before: Any
    ) -> list[Stepped]:
        complete_only = self.complete_only
        return [
            step_rows(
                batch, rows, changes, support, before, complete_only=complete_only
            )
            for changes in self.bound
        ]

    def effects(self, batch: Table, rows: slice) -> list[Stepped]:
        return self(batch, rows)[0]


@dataclass(frozen=True)
class _Work:
    """The work on one slice of rows; a callable that joblib can ship."""

    stepping: Stepping
    engine: Engine
    rule: Rule | None
    comparisons: Sequence[Comparison]

    def __call__(
        self, batch: Table, rows: slice
    ) -> tuple[list[tuple[np.ndarray, Measured]], int]:
        effects, n_outside = self.stepping(batch, rows)
        measured = [
            compared(one, comparison)
            for one, comparison in zip(
                self.engine(batch, effects, self.rule), self.comparisons, strict=True
            )
        ]
        # What was stepped is not kept, nor sent back by other processes.
        statuses = [effect.status for effect in effects]
        return list(zip(statuses, measured, strict=True)), n_outside
