"""Effects of tables larger than memory: batch by batch, in one pass.

Each batch is explained as any table is, and its rows are given up for summaries that
merge. How batches are read, and what they must have in common, lives beside this.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import effective_n_jobs
from sklearn import get_config
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_is_fitted

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

if TYPE_CHECKING:
    from skfme._results.effects import ForwardEffects
    from skfme._streaming.effect_summaries import EffectSummaries

__all__ = [
    "StreamedExplanation",
    "warn_of_nothing",
]

# Rows explained at once are at least this many for each job, if their batch has them,
# and no more than have results that fit in working_memory, with what summing up copies.
_FEWEST_ROWS = 32768
_COPIES = 4


class StreamedExplanation:
    """Methods of a fitted explainer for tables that come one after another."""

    extrapolation: Any
    n_jobs: int | None
    nlm: Any
    verbose: int
    estimator_: Any
    steps_: tuple[NamedStep, ...]
    columns_: tuple[Column, ...]
    _response: Response
    _table: Callable[[Any], Table]
    _explain: Callable[[Any], ForwardEffects]

    def explain_batches(
        self, batches: Iterable[Any], sample_weight: Any = None, *, by: Any = None
    ) -> EffectSummaries:
        """Summarize the effects of tables that come one after another, in one pass.

        No row is kept, so that a file larger than memory can be explained, or parts
        of the data on several machines: the results' ``+`` merges them.

        Parameters
        ----------
        batches : iterable of tables
            Arrays or dataframes as `explain` takes them, and record batches of
            pyarrow; a generator is used up. Such as
            ``pyarrow.parquet.ParquetFile(path, pre_buffer=False).iter_batches()``,
            which holds one row group; pyarrow's default reads the whole file ahead.
            Batches without rows are passed over.
        sample_weight : label of a column, callable or None, default=None
            Weights of the averages: a column of the batches, or a function
            batch -> array of shape (n_rows,).
        by : label of a column, list of labels or None, default=None
            Columns whose values tell groups apart, for `EffectSummary.average`.
            Memory grows with the number of groups.

        Returns
        -------
        summaries : EffectSummaries
            AME, SD, counts and ANLM as `explain` has them for the batches stacked;
            quartiles within 0.1 % of their values.

        Raises
        ------
        TypeError
            If `batches` is a table or a path and no iterable of tables.
        ValueError
            If a batch differs from fit's columns or their kinds, if predictions are not
            finite numbers, or if a step's function looks at other rows; the message
            names the batch, counted from 0.

        Notes
        -----
        Columns that `sample_weight` and `by` name are taken out of each batch where
        fit did not see them; of an array, those are its last ones.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn.linear_model import LinearRegression
        >>> from skfme import FMEExplainer
        >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
        >>> explainer = FMEExplainer(LinearRegression(), {"bmi": -2}).fit(X, y)
        >>> batches = (X[start : start + 100] for start in range(0, len(X), 100))
        >>> summaries = explainer.explain_batches(batches)
        >>> summaries["bmi -2"]
        EffectSummary('bmi -2', n=422, ame=-11.2059)
        """
        check_is_fitted(self, "estimator_")
        refuse_tables(batches)
        about = _about(self, sample_weight, by)
        reader = BatchReader(self.columns_, self.steps_, self._table, sample_weight, by)
        summarized = _Summarizer(self, about)
        tables = numbered(batches)
        if self.verbose:
            total = len(batches) if isinstance(batches, Sized) else None
            tables = with_progress(tables, total, "effects", "batch")
        whole = EffectSummaries.empty(about)
        for neighbours in _together(map(reader, tables)):
            for part in summarized(neighbours):
                whole = whole.merge(part)
            neighbours.clear()  # before the next batch is read
        warn_of_nothing(whole)
        return whole


def _about(explainer: StreamedExplanation, sample_weight: Any, by: Any) -> About:
    rule = as_rule(explainer.nlm)
    return About(
        model_title(explainer.estimator_),
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

    def __init__(self, explainer: StreamedExplanation, about: About) -> None:
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
        warn_of_empty(summaries, stacklevel=4)
        return
    warnings.warn(f"{what}, so that every AME is NaN.", UserWarning, stacklevel=3)
