"""A joint step split over all rows of a table, batch by batch.

Which way is taken follows from what the engine reads: leaf by leaf, in closed form, or by
the model's own predictions. What is asked, and each of the ways, lives beside this.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from skfme._attribution.pairs import Pairs, PairSums
from skfme._attribution.paths import parts_along_path
from skfme._attribution.predictions import parts_of_predictions
from skfme._attribution.questions import MOST_EXACT, Parts, Question
from skfme._engine.batches import Schedule, plan_rows, run_batches
from skfme._engine.choice import EngineChoice, ProbeSample
from skfme._engine.differences import PredictEngine
from skfme._engine.forward import Stepping
from skfme._engine.refusals import refusal
from skfme._engine.stepping import COUNTED, STATUSES, Engine, Stepped
from skfme._engine.waiting import told_of_compiling
from skfme._frames.columns import missing_in
from skfme._frames.tables import Table
from skfme._summaries.weighting import Weighting
from skfme.extrapolation._support import Support
from skfme.steps._changes import NamedStep

__all__ = ["Split", "split_step"]


@dataclass
class Split:
    """A joint step over all rows of a table, split.

    Attributes
    ----------
    parts : ndarray of shape (n_samples, n_features, n_outputs)
        NaN where a row does not count.
    total : ndarray of shape (n_samples, n_outputs)
    status : ndarray of shape (n_samples,), int8
    engine, how : str
    errors, lowest, highest : ndarray of the shape of the parts, or None
    interactions : ndarray of shape (n_samples, n_pairs, n_outputs) or None
        Where they are kept for each row.
    pair_sums : PairSums or None
        Of the interactions.
    n_not_converged : int
    """

    parts: np.ndarray
    total: np.ndarray
    status: np.ndarray
    engine: str = ""
    how: str = ""
    errors: np.ndarray | None = None
    lowest: np.ndarray | None = None
    highest: np.ndarray | None = None
    interactions: np.ndarray | None = None
    pair_sums: PairSums | None = None
    n_not_converged: int = 0

    def fill(
        self,
        rows: slice,
        status: np.ndarray,
        parts: Parts | None,
        pairs: Pairs | None,
    ) -> None:
        """Take over the parts of some of the rows."""
        self.status[rows] = status
        if parts is None:
            return
        counted = np.flatnonzero(status == COUNTED) + rows.start
        self.parts[counted], self.total[counted] = parts.parts, parts.total
        for name in ("errors", "lowest", "highest"):
            self._put(name, counted, getattr(parts, name))
        if pairs is not None and pairs.sums is not None:
            last, sums = self.pair_sums, pairs.sums
            self.pair_sums = sums if last is None else last.merged(sums)
            self._put("interactions", counted, pairs.by_row)
        self.n_not_converged += parts.n_not_converged
        self.engine = self._together(self.engine, parts.engine, "predict")
        self.how = self._together(self.how, parts.how, f"{self.how}; {parts.how}")

    def _put(self, name: str, rows: np.ndarray, values: np.ndarray | None) -> None:
        if values is None:
            return
        if getattr(self, name) is None:
            shape = (len(self.status), *values.shape[1:])
            setattr(self, name, np.full(shape, np.nan))
        getattr(self, name)[rows] = values

    @staticmethod
    def _together(last: str, this: str, both: str) -> str:
        return this if last in ("", this) or this in last.split("; ") else both


def split_step(
    choice: EngineChoice,
    table: Table,
    step: NamedStep,
    support: Support | None,
    question: Question,
    weights: Weighting,
    schedule: Schedule,
    unused: np.ndarray | None = None,
) -> tuple[Split, int | None]:
    """The parts of every row, and how many rows were outside before the step.

    Parameters
    ----------
    choice : EngineChoice
    table : Table of n rows
    step : NamedStep
    support : Support or None
        Judges which rows are extrapolation points; None judges none.
    question : Question
    weights : Weighting
        Of the means of interactions.
    schedule : Schedule
    unused : ndarray of shape (n,), bool, or None
        Rows that do not count, as if they missed a value.

    Raises
    ------
    ValueError
        If there are too many coalitions to predict, or a row has no path.
    """
    n, n_outputs = len(table), len(choice.response.outputs)
    rows_per_batch = plan_rows(
        n,
        table.row_bytes + question.row_bytes(n_outputs),
        schedule.batch_size,
        schedule.n_jobs,
        large=choice.asks_trees,
    )
    shape = (n, question.n_features, n_outputs)
    split = Split(
        np.full(shape, np.nan), np.full((n, n_outputs), np.nan), np.empty(n, np.int8)
    )
    continuous = question.method == "path"
    bound = tuple(change.bind(table, continuous=continuous) for change in step.changes)
    stepping = Stepping([bound], support, choice.response.complete_only)
    n_points = np.inf if continuous else float(question.n_coalitions)
    sample = ProbeSample(table, stepping.effects, 1, n_points)
    with told_of_compiling(schedule.verbose):
        engine = choice.engine(sample, None, rows_per_batch)
    schedule = schedule.of_engine(engine.name)
    asked = "auto" if choice.requested == "predict" else choice.requested
    work = _Work(stepping, engine, question, weights, unused, asked)
    n_outside_before = 0
    for rows, (status, parts, pairs, n_outside) in run_batches(
        work, table, rows_per_batch, schedule
    ):
        n_outside_before += n_outside
        split.fill(rows, status, parts, pairs)
    return split, None if support is None else n_outside_before


@dataclass(frozen=True)
class _Work:
    """The work on one slice of rows; a callable that joblib can ship."""

    stepping: Stepping
    engine: Engine
    question: Question
    weights: Weighting
    unused: np.ndarray | None
    engine_asked: str  # "auto" where predictions may take over

    def __call__(
        self, batch: Table, rows: slice
    ) -> tuple[np.ndarray, Parts | None, Pairs | None, int]:
        (effect,), n_outside = self.stepping(batch, rows)
        status = effect.status
        if self.unused is not None:
            status[self.unused[rows] & (status == COUNTED)] = STATUSES.index("missing")
        counted = np.flatnonzero(status == COUNTED)
        if not len(counted):
            return status, None, None, n_outside
        if len(counted) < len(batch):
            batch, effect = batch.take(counted), effect.at(counted)
        places = rows.start + counted
        return status, *self._parts(batch, effect, places), n_outside

    def _parts(
        self, batch: Table, effect: Stepped, rows: np.ndarray
    ) -> tuple[Parts, Pairs | None]:
        pairs = None
        if self.question.pairs:
            weights = self.weights.take(rows).whole()
            pairs = Pairs(weights, self.question.keep_pairs)
        parts = self._found(batch, effect, rows, pairs)
        if self.engine_asked not in ("auto", parts.engine):
            raise self._refusal()
        return parts, pairs

    def _found(
        self, batch: Table, effect: Stepped, rows: np.ndarray, pairs: Pairs | None
    ) -> Parts:
        question = self.question
        if question.method == "path":
            _refuse_missing(batch, effect)
        if question.method == "sequential" and question.order is not None:
            return _in_order(self.engine, batch, effect, question.order)
        predict = self.engine
        if not isinstance(predict, PredictEngine):
            parts, predict = _exact(self.engine, batch, effect, question, pairs)
            if parts is not None:
                return parts
            if self.engine_asked != "auto":
                raise self._refusal()
        if question.method == "path":
            return parts_along_path(predict, batch, effect)
        draws = _draws(question, rows) if question.samples else None
        return parts_of_predictions(predict, batch, effect, question, draws, pairs)

    def _refusal(self) -> ValueError:
        """Why the engine that was insisted on has no parts, as an error."""
        reason = "rows have no closed form, as where values are missing"
        if self.question.needs_coalitions and self.question.n_features > MOST_EXACT:
            most = f"more than {MOST_EXACT} features"
            reason = f"behind a link, coalitions of {most} are not summed up"
        return refusal(self.engine_asked, reason)


def _exact(
    engine: Engine,
    batch: Table,
    effect: Stepped,
    question: Question,
    pairs: Pairs | None,
) -> tuple[Parts | None, PredictEngine]:
    """Parts by what an engine has read; and what predicts where there are none."""
    # Here, as what engines load is loaded only where one of them has read the model.
    from skfme._engine.linear.linear import LinearEngine

    if isinstance(engine, LinearEngine):
        from skfme._attribution.linear import parts_of_linear

        return parts_of_linear(engine, batch, effect, question, pairs), engine.predict
    from skfme._attribution.trees import parts_of_trees
    from skfme._engine.trees.trees import TreeEngine

    assert isinstance(engine, TreeEngine)
    return parts_of_trees(engine, batch, effect, question, pairs), engine.predict


def _in_order(
    engine: Engine, batch: Table, effect: Stepped, order: tuple[int, ...]
) -> Parts:
    """What each feature adds to those before it, by the effects of all prefixes."""
    positions = [effect.changes[k].change.position for k in order]
    own = {p: batch.column(p) for p in positions} | effect.before
    prefixes = []
    for size in range(1, len(order) + 1):
        end = own | {p: effect.end[p] for p in positions[:size]}
        prefixes.append(
            Stepped(effect.changes, effect.status, effect.start, end, effect.retyped)
        )
    measured = engine(batch, prefixes, None)
    effects = np.stack([one.fme for one in measured], axis=1)
    changes = np.diff(effects, axis=1, prepend=0.0)
    parts = changes[:, np.argsort(order)]
    return Parts(parts, effects[:, -1], measured[-1].engine, "exact")


def _draws(question: Question, rows: np.ndarray) -> np.ndarray:
    """The place of each feature in the sampled orders of some rows of the table.

    A row's orders depend on the seed and the row alone, not on how rows are batched.
    """
    assert question.n_permutations is not None
    shape = ((question.n_permutations + 1) // 2, question.n_features)
    bits = np.random.PCG64(question.seed)
    bits.advance(int(rows[0]) * shape[0] * shape[1])
    n_rows = int(rows[-1] - rows[0]) + 1
    keys = np.random.Generator(bits).random((n_rows, *shape))
    return keys[rows - rows[0]].argsort(axis=2).argsort(axis=2)


def _refuse_missing(batch: Table, effect: Stepped) -> None:
    for bound in effect.changes:
        position = bound.change.position
        before = effect.before.get(position)
        before = batch.column(position) if before is None else before
        n = int(np.count_nonzero(missing_in(before)))
        if n:
            raise ValueError(
                f"{n} rows have no value of {bound.change.feature!r} before the step, so "
                "that there is no way from it. Take method='shapley', or leave them out."
            )
