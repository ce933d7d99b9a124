"""Effects of tables larger than memory: batch by batch, in one pass.

Each batch is explained as any table is, and only summaries of it are kept, which merge.
How batches are read, and what they must have in common, lives beside this.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Sized
from typing import Any, Protocol

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.utils import gen_batches

from skfme._engine.batches import with_progress
from skfme._engine.prediction import Response, model_title
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffects
from skfme._results.summary_text import warn_of_empty
from skfme._streaming.effect_summaries import EffectSummaries
from skfme._streaming.effect_summary import About
from skfme._streaming.reading import (
    Batch,
    BatchReader,
    labels_of,
    named,
    numbered,
    refuse_tables,
    stacked_batches,
)
from skfme.quadrature import as_rule
from skfme.steps._changes import NamedStep

__all__ = ["summarize_batches", "warn_of_nothing"]

# Rows explained at once are at least this many for each job, if their batch has them,
# and no more than have results that fit in working_memory, with what summing up copies.
_FEWEST_ROWS = 32768
_COPIES = 4


class BatchExplainer(Protocol):
    """A fitted explainer, as far as batches need one."""

    extrapolation: Any
    nlm: Any
    n_jobs: int | None
    verbose: int
    steps_: tuple[NamedStep, ...]
    columns_: tuple[Column, ...]
    _response: Response

    def _table(self, X: Any) -> Table: ...

    def _explain(self, X: Any) -> ForwardEffects: ...


def summarize_batches(
    explainer: BatchExplainer, batches: Iterable[Any], sample_weight: Any, by: Any
) -> EffectSummaries:
    """Explain each batch, and keep summaries alone.

    Parameters and errors are those of :meth:`skfme.FMEExplainer.explain_batches`.
    """
    refuse_tables(batches)
    about = _about(explainer, sample_weight, by)
    reader = BatchReader(
        explainer.columns_, explainer.steps_, explainer._table, sample_weight, by
    )
    summarized = _Summarizer(explainer, about)
    tables = numbered(batches)
    if explainer.verbose:
        total = len(batches) if isinstance(batches, Sized) else None
        tables = with_progress(tables, total, "effects", "batch")
    whole = EffectSummaries.empty(about)
    for neighbours in _together(map(reader, tables)):
        for part in summarized(neighbours):
            whole = whole.merge(part)
        neighbours.clear()  # before the next batch is read
    warn_of_nothing(whole)
    return whole


def _about(explainer: BatchExplainer, sample_weight: Any, by: Any) -> About:
    rule = as_rule(explainer.nlm)
    return About(
        model_title(explainer._response.estimator),
        explainer._response.name,
        explainer._response.outputs,
        tuple(step.name for step in explainer.steps_),
        tuple(
            tuple(change.size for change in step.changes if change.size)
            for step in explainer.steps_
        ),
        _given(explainer.extrapolation),
        "" if rule is None else repr(rule),
        tuple(
            f"x{key}" if isinstance(key, (int, np.integer)) else str(key)
            for key in labels_of(by)
        ),
        sample_weight is not None,
    )


def _given(judge: Any) -> str:
    """What judges extrapolation, in a word; empty where nothing does."""
    if judge is None:
        return ""
    return judge if isinstance(judge, str) else type(judge).__name__


def _together(batches: Iterator[Batch | None]) -> Iterator[list[Batch]]:
    """Short neighbours of equal schema, to be explained as one."""
    waiting: list[Batch] = []
    n_waiting = 0
    for batch in batches:
        if batch is None:
            continue
        if waiting and batch.features.schema() != waiting[0].features.schema():
            yield waiting
            waiting, n_waiting = [], 0
        waiting.append(batch)
        n_waiting += len(batch)
        del batch
        if n_waiting >= _FEWEST_ROWS:
            yield waiting
            waiting, n_waiting = [], 0
    if waiting:
        yield waiting


class _Summarizer:
    """Explains batches, and gives up their rows."""

    def __init__(self, explainer: BatchExplainer, about: About) -> None:
        self._explainer = copy.copy(explainer)
        self._explainer.verbose = 0  # progress is that of batches
        self._about = about

    def __call__(self, neighbours: list[Batch]) -> Iterator[EffectSummaries]:
        if len(neighbours) > 1:
            try:
                whole = self._summaries(stacked_batches(neighbours), len(neighbours))
            except Exception:
                pass  # one by one, the batch at fault is found
            else:
                yield whole
                return
        for batch in neighbours:
            slices = list(gen_batches(len(batch), self._rows_at_once()))
            for rows in slices:
                part = batch if len(slices) == 1 else batch.rows(rows)
                with named(part.where):
                    summaries = self._summaries(part, int(rows.start == 0))
                yield summaries

    def _summaries(self, batch: Batch, n_batches: int) -> EffectSummaries:
        effects = self._explainer._explain(batch.features.native)
        groups = batch.coded_groups()
        return EffectSummaries.of(
            self._about, effects, batch.weights, groups, n_batches
        )

    def _rows_at_once(self) -> int:
        """Rows whose results fit in working_memory, and that give each job a batch."""
        about = self._about
        columns = len(about.effects) * len(about.outputs) * (2 if about.nlm else 1)
        budget = get_config()["working_memory"] * 2**20
        fit = int(budget // (_COPIES * 8 * columns))
        jobs: int = effective_n_jobs(self._explainer.n_jobs)
        return max(fit, _FEWEST_ROWS * jobs)


def warn_of_nothing(summaries: EffectSummaries) -> None:
    """Warn where batches leave an AME undefined."""
    if not summaries.n_rows:
        what = "batches held no rows; a generator can be used only once"
    elif summaries.total_weight == 0:
        what = "The weights of all rows are zero"
    else:
        warn_of_empty(summaries, stacklevel=5)
        return
    warnings.warn(f"{what}, so that every AME is NaN.", UserWarning, stacklevel=4)
