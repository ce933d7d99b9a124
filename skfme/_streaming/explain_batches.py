"""Effects of tables larger than memory: batch by batch, in one pass.

Each batch is explained as any table is, and only summaries of it are kept, which merge.
How batches are read, and what they must have in common, lives beside this; so do the
sources that they come from.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterable, Iterator, Sized
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.utils import gen_batches

from skfme._engine.batches import with_progress
from skfme._engine.comparing import read_comparisons
from skfme._engine.prediction import model_title
from skfme._engine.trees.models import has_jumps
from skfme._results.effect_tables import warn_of_empty
from skfme._streaming.effect_summaries import EffectSummaries
from skfme._streaming.effect_summary import MergeContext
from skfme._streaming.reading import (
    Batch,
    BatchExplainer,
    BatchReader,
    columns_needed,
    kept,
    labels_of,
    naming,
    numbered,
    stacked_batches,
)
from skfme._streaming.sources.partitions import total_over
from skfme._streaming.sources.telling import source_of
from skfme._streaming.trial import Trial
from skfme.quadrature import as_rule

__all__ = ["summarize_batches", "together"]

# Rows explained at once are at least this many for each job, if their batch has them,
# and no more than have results that fit in working_memory, with what summing up copies.
_FEWEST_ROWS = 32768
_COPIES = 4


def summarize_batches(
    explainer: BatchExplainer, batches: Any, sample_weight: Any, by: Any
) -> EffectSummaries:
    """Explain each batch of a source, and keep summaries alone.

    Parameters and errors are those of :meth:`skfme.FMEExplainer.explain_batches`.
    """
    source = source_of(batches)
    about = _merge_context(explainer, sample_weight, by)
    columns = columns_needed(explainer, source.names, sample_weight, by)
    work = _Summarizing(explainer, about, sample_weight, by, source.names is None)
    total = total_over(source, columns, work, EffectSummaries.empty(about))
    _warn_of_nothing(total)
    return total


@dataclass(frozen=True)
class _Summarizing:
    """Summaries of tables that come one after another, here or on a worker."""

    explainer: BatchExplainer
    about: MergeContext
    sample_weight: Any
    by: Any
    strict: bool

    def on_a_worker(self) -> _Summarizing:
        """The same for one of many processes, whose rows come to few cores."""
        explainer = copy.copy(self.explainer)
        explainer.n_jobs, explainer.verbose = None, 0
        explainer._choice = explainer._choice.over_stream()
        return replace(self, explainer=explainer)

    def __call__(self, tables: Iterable[Any], within: str = "") -> EffectSummaries:
        reader = BatchReader(
            self.explainer, self.sample_weight, self.by, strict=self.strict
        )
        batches = numbered(tables, within)
        if self.explainer.verbose:
            n_batches = len(tables) if isinstance(tables, Sized) else None
            batches = with_progress(batches, n_batches, "effects", "batch")
        quiet = copy.copy(self.explainer)
        quiet.verbose = 0  # progress is that of batches
        quiet._choice = self.explainer._choice.over_stream()
        total = EffectSummaries.empty(self.about)
        for neighbours in together(map(reader, batches)):
            for summaries in _summarized(quiet, self.about, neighbours):
                total = total.merge(summaries)
            neighbours.clear()  # before the next batch is read
        return total


def _merge_context(
    explainer: BatchExplainer, sample_weight: Any, by: Any
) -> MergeContext:
    rule = as_rule(explainer.nlm)
    return MergeContext(
        model_title(explainer._response.estimator),
        explainer._response.name,
        explainer._response.outputs,
        tuple(step.name for step in explainer.steps_),
        tuple(step.sizes for step in explainer.steps_),
        _detector_name(explainer.extrapolation),
        "" if rule is None else repr(rule),
        Trial.of(explainer),
        tuple(
            f"x{key}" if isinstance(key, (int, np.integer)) else str(key)
            for key in labels_of(by)
        ),
        sample_weight is not None,
        has_jumps(explainer._response.estimator),
        explainer.weights_type,
        explainer.response_label,
        read_comparisons(explainer.comparison, explainer.average, explainer.steps_),
    )


def _detector_name(extrapolation: Any) -> str:
    """What judges extrapolation, in a word; empty where nothing does."""
    if extrapolation is None:
        return ""
    named = isinstance(extrapolation, str)
    return extrapolation if named else type(extrapolation).__name__


def together(batches: Iterator[Batch | None]) -> Iterator[list[Batch]]:
    """Short neighbours of equal schema, to be explained as one."""
    waiting: list[Batch] = []
    n_waiting = 0
    for batch in batches:
        if batch is None:
            continue
        if waiting and batch.features.schema() != waiting[0].features.schema():
            yield waiting
            waiting, n_waiting = [], 0
        n_waiting += len(batch)
        if n_waiting >= _FEWEST_ROWS:
            yield [*waiting, batch]
            waiting, n_waiting = [], 0
        else:
            waiting.append(kept(batch))
        del batch
    if waiting:
        yield waiting


def _summarized(
    explainer: BatchExplainer, about: MergeContext, neighbours: list[Batch]
) -> Iterator[EffectSummaries]:
    """Summaries of all neighbours at once, else of each, in slices that fit memory."""

    def summaries(batch: Batch, n_batches: int) -> EffectSummaries:
        effects = explainer._explain(batch.features.native)
        groups = batch.coded_groups()
        return EffectSummaries.of(about, effects, batch.weights, groups, n_batches)

    if len(neighbours) > 1:
        try:
            together = summaries(stacked_batches(neighbours), len(neighbours))
        except Exception:
            pass  # one by one, the batch at fault is found
        else:
            yield together
            return
    most = _rows_at_once(about, explainer.n_jobs)
    for batch in neighbours:
        for rows in gen_batches(len(batch), most):
            part = batch if len(batch) <= most else batch.rows(rows)
            with naming(part.where):
                alone = summaries(part, int(rows.start == 0))
            yield alone


def _rows_at_once(about: MergeContext, n_jobs: int | None) -> int:
    """Rows whose results fit in working_memory, and that give each job a batch."""
    kinds = 4 if about.nlm else 3  # effects, predictions before and after, and NLMs
    columns = len(about.effects) * len(about.outputs) * kinds
    budget = get_config()["working_memory"] * 2**20
    jobs: int = effective_n_jobs(n_jobs)
    return max(int(budget // (_COPIES * 8 * columns)), _FEWEST_ROWS * jobs)


def _warn_of_nothing(summaries: EffectSummaries) -> None:
    """Warn where batches leave an AME undefined."""
    if not summaries.n_rows:
        what = "batches held no rows; a generator can be used only once"
    elif summaries.total_weight == 0:
        what = "The weights of all rows are zero"
    else:
        warn_of_empty(summaries, stacklevel=5)
        return
    warnings.warn(f"{what}, so that every AME is NaN.", UserWarning, stacklevel=4)
