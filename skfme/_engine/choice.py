"""Which engine computes the effects: the user's choice, or the fastest exact one.

An exact engine is used where it reads the model and, on a sample of the rows, its
predictions before and after every step equal the model's. Otherwise predictions are
differenced. How each engine works is a matter of its own file.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.differences import PredictEngine
from skfme._engine.prediction import Response
from skfme._engine.refusals import (
    MISSING_EXTRA,
    ModelNotReadError,
    RowsNotReadError,
    refusal,
)
from skfme._engine.stepping import Engine, Stepped
from skfme._frames.tables import Table
from skfme.quadrature import Rule, is_best

if TYPE_CHECKING:
    from skfme._engine.linear.linear import LinearEngine
    from skfme._engine.trees.plain import PathEngine, PlainModel
    from skfme._engine.trees.trees import TreeEngine, TreeModel

__all__ = ["ENGINES", "EngineChoice", "ProbeSample"]

ENGINES = ("auto", "predict", "trees", "linear")

_LOG = logging.getLogger(__name__)
# Fewer stepped predictions than these are made before the compiled engine is loaded.
_WORTH_LOADING = 50_000
# Fewer nodes than these are visited by NumPy, in about a second, before walks that
# integrate paths are compiled, which takes several.
_WORTH_COMPILING = 20_000_000
# Without a compiler, paths of more rows are integrated only where all of them together
# pass no more thresholds than that: 50 predictions of 100,000 rows.
_MOST_PLAIN_ROWS, _MOST_PASSED = 100_000, 5_000_000
_CHECKED_PREDICTIONS = 2048
_ROWS_TO_SAMPLE = 8192
# Of each later table of a stream: all of them together are checked on more rows.
_CHECKED_AGAIN = 256
_ROWS_TO_SAMPLE_AGAIN = 512

# Threads of one process read a model's trees once.
_READING = RLock()

# (batch, its rows in the table) -> effects
StepRows = Callable[[Table, Any], Sequence[Stepped]]


class EngineChoice:
    """What computes the effects of one fitted model.

    Parameters
    ----------
    response : Response
    requested : {"auto", "predict", "trees", "linear"}
    probe : Table
        Rows as the model gets them, of which the first is kept.
    """

    def __init__(self, response: Response, requested: str, probe: Table) -> None:
        self.response = response
        self.requested = requested
        self._probe = probe.take(slice(0, 1))
        self._models: dict[str, Any] = {}  # as an engine reads the model; or why not
        self._n_visits = 0
        self._n_streamed: float | None = None  # predictions, of tables of one stream
        self._equalled = (
            False  # whether an exact engine did so, on a table of the stream
        )

    def __getstate__(self) -> dict[str, Any]:
        # The fitted model is pickled beside it, and can be read again.
        return {**self.__dict__, "_models": {}}

    def over(self, response: Response) -> EngineChoice:
        """The same choice for another model of the same kind."""
        return EngineChoice(response, self.requested, self._probe)

    def over_stream(self) -> EngineChoice:
        """The same choice for tables that come one after another, which count together."""
        if self._n_streamed is not None:
            return self
        stream = self.over(self.response)
        stream._models, stream._n_streamed = self._models, 0
        return stream

    @property
    def asks_trees(self) -> bool:
        """Whether a prediction visits the model's trees one by one, in Python."""
        from skfme._engine.trees.models import asks_trees

        return asks_trees(self.response.estimator)

    def check(self) -> None:
        """Refuse a model that the requested engine does not read.

        Raises
        ------
        ValueError
            If "trees" or "linear" is requested, and it cannot read the model.
        """
        if self.requested in ("trees", "linear"):
            model = self._model(self.requested)
            if isinstance(model, str):
                raise refusal(self.requested, model)

    def _model(self, engine: str) -> Any:
        """The model as an engine reads it, its trees once; or why it does not."""
        try:
            if engine == "linear":
                from skfme._engine.linear.linear import read_linear

                return read_linear(self.response, self._probe)
            return self._trees(engine)
        except ModelNotReadError as reason:
            return str(reason)

    def _trees(self, engine: str) -> Any:
        """The model's trees, compiled or plain; or why they are not read."""
        from skfme._engine.trees.models import check_ensemble

        check_ensemble(self.response)
        models = self._models
        with _READING:
            if engine not in models:
                try:
                    models[engine] = self._read(engine)
                except ModelNotReadError as reason:
                    models[engine] = str(reason)
            return models[engine]

    def _read(self, engine: str) -> TreeModel | PlainModel:
        # What `import skfme` has no need of.
        from skfme._engine.trees.models import read_ensemble
        from skfme._engine.trees.plain import PlainModel

        if engine == "plain":
            return PlainModel(*read_ensemble(self.response, self._probe))
        if find_spec("numba") is None:
            raise ModelNotReadError(MISSING_EXTRA)
        plain = self._trees("plain")
        if isinstance(plain, str):
            raise ModelNotReadError(plain)
        return _compiled(plain, insisted=self.requested == "trees")

    def tree_model(self) -> TreeModel | str:
        """The model's trees, whatever the number of predictions; or why not."""
        model: TreeModel | str = self._model("trees")
        return model

    def forget_trees(self) -> None:
        """Read the trees anew when they are next asked for."""
        self._models.clear()

    def engine(
        self, sample: ProbeSample, rule: Rule | None, rows_per_call: int
    ) -> Engine:
        """The engine for one table.

        Parameters
        ----------
        sample : ProbeSample
            Of the table's rows.
        rule : Rule or None
        rows_per_call : int
            Rows of one predict call.

        Raises
        ------
        ValueError
            If the requested engine cannot compute the effects; the message says why.
        """
        predict = PredictEngine(self.response, rows_per_call)
        exact_nlm = rule is not None and is_best(rule)
        n_predictions = sample.n_predictions
        if self._n_streamed is not None:
            n_predictions += self._n_streamed
            self._n_streamed = n_predictions
        for name in self._tried(sample, n_predictions, exact_nlm):
            sample.is_first = not self._equalled
            engine = self._checked_engine(name, sample, predict, rule)
            if not isinstance(engine, str):
                self._equalled = self._n_streamed is not None
                return engine
            if self.requested != "auto":
                raise refusal(name, engine)
            _LOG.debug("engine %r is not used: %s", name, engine)
        return predict

    def _tried(
        self, sample: ProbeSample, n_predictions: float, exact_nlm: bool
    ) -> list[str]:
        """The exact engines to try, the first one first."""
        if self.requested != "auto":
            return [name for name in ("linear", "trees") if name == self.requested]
        # The rest of a table that came in batches needs no loading any more.
        loaded = "trees" in self._models
        if exact_nlm:
            few = not loaded and self._are_few_visits(sample)
            return ["linear", *(("plain", "trees") if few else ("trees", "plain"))]
        many = sample.n_effects * sample.n_points >= self._least_points
        worth_loading = loaded or n_predictions >= _WORTH_LOADING
        worth_loading &= many
        return ["linear", "trees"] if worth_loading else ["linear"]

    @property
    def _least_points(self) -> int:
        """Stepped predictions of a row, fewer of which cost less than a walk."""
        from skfme._engine.trees.models import least_points

        return least_points(self.response.estimator)

    def _are_few_visits(self, sample: ProbeSample) -> bool:
        """Whether the paths of a table visit fewer nodes than compiling is worth.

        Those of earlier tables count as well, as of one that comes in batches.
        """
        model = self._model("plain")
        if isinstance(model, str):
            return False
        visits = len(sample.table) * sample.n_effects * model.n_levels
        few = self._n_visits + visits <= _WORTH_COMPILING
        self._n_visits += visits * few
        return few

    def _checked_engine(
        self, name: str, sample: ProbeSample, predict: PredictEngine, rule: Rule | None
    ) -> Engine | str:
        """An exact engine that equals the model on a sample; or why there is none."""
        read_before = name != "linear" and bool(self._models)
        model = self._model(name)
        if isinstance(model, str):
            return model
        if name == "plain" and _passes_too_many(model, sample, rule, predict):
            _warn_of_quadrature()
            return "its paths pass too many thresholds"
        engine = model.engine(predict)
        reason = _mismatch(engine, sample, rule, every=self.requested != "auto")
        if reason is not None and read_before:
            # The model may have been fitted again since it was read.
            self.forget_trees()
            return self._checked_engine(name, sample, predict, rule)
        return reason or engine


def _compiled(plain: PlainModel, *, insisted: bool) -> TreeModel:
    try:
        from numba import config

        from skfme._engine.trees.trees import TreeModel
        from skfme._engine.trees.walks import Walks
    except (ImportError, OSError) as error:  # beside a NumPy that it does not know
        raise ModelNotReadError(f"numba cannot be loaded: {error}") from error
    if config.DISABLE_JIT:
        raise ModelNotReadError("NUMBA_DISABLE_JIT keeps numba from compiling")
    walks = Walks(plain.ensemble)
    walks.complete  # noqa: B018 - too large ones are refused here
    return TreeModel(walks, plain.inputs, insisted)


def _passes_too_many(
    model: PlainModel, sample: ProbeSample, rule: Rule | None, predict: PredictEngine
) -> bool:
    """Whether paths are too many, and too long, to be integrated without a compiler."""
    table = sample.table
    if len(table) <= _MOST_PLAIN_ROWS:
        return False
    passed = np.zeros(sample.n_effects)
    for rows in gen_batches(len(table), predict.rows_per_call):
        batch = table.take(rows)
        with suppress(RowsNotReadError):  # then the batch is left to predictions
            passed += model.n_passed(batch, sample.effects_of(batch, rows), rule)
    return bool(passed.max(initial=0) > _MOST_PASSED)


def _warn_of_quadrature() -> None:
    warnings.warn(
        f"nlm=True integrates tree ensembles exactly over more than {_MOST_PLAIN_ROWS:,} "
        "rows only with the extra `fast` (pip install 'skfme[fast]'). GaussLegendre(8) is "
        "used, which sees their jumps only where its nodes fall.",
        UserWarning,
        stacklevel=2,
    )


@dataclass(eq=False)
class ProbeSample:
    """Few rows that count, spread over a table, and the effects on them.

    Attributes
    ----------
    table : Table
    effects_of : callable
        Makes the steps on some of the table's rows.
    n_effects : int
    n_points : float
        Points of each row that are to be predicted for an effect.
    is_first : bool
        Whether no table before it has been checked.
    """

    table: Table
    effects_of: StepRows
    n_effects: int
    n_points: float = 1
    is_first: bool = True

    @property
    def n_predictions(self) -> float:
        """Predictions of stepped rows that the effects need."""
        return len(self.table) * self.n_effects * self.n_points

    @cached_property
    def stepped(self) -> tuple[Table, Sequence[Stepped]]:
        """The rows, and each effect on them."""
        first = self.is_first
        most = _ROWS_TO_SAMPLE if first else _ROWS_TO_SAMPLE_AGAIN
        rows = _spread(np.arange(len(self.table)), most)
        effects = self.effects_of(self.table.take(rows), rows)
        counted = np.logical_or.reduce([effect.counted for effect in effects])
        checked = _CHECKED_PREDICTIONS if first else _CHECKED_AGAIN
        most = max(checked // (self.n_effects + 1), 16)
        rows = rows[_spread(np.flatnonzero(counted), most)]
        batch = self.table.take(rows)
        return batch, self.effects_of(batch, rows)


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _mismatch(
    engine: TreeEngine | PathEngine | LinearEngine,
    sample: ProbeSample,
    rule: Rule | None,
    *,
    every: bool,
) -> str | None:
    """What an engine gets wrong on a sample; None where it equals the model.

    With `every`, an effect that the engine leaves to predictions is wrong as well. The
    rule is that of the effects, as the engine is tried for all that it has to measure.
    """
    batch, effects = sample.stepped
    if not len(batch):
        return None
    try:
        responses = engine.responses(batch, effects, rule)
    except RowsNotReadError as reason:
        return str(reason)
    pairs = {i: pair for i, pair in enumerate(responses) if pair is not None}
    if not pairs or (every and len(pairs) < len(effects)):
        return "it has no closed form for what is changed"
    predictions = engine.predict.predictions(batch, [effects[i] for i in pairs])
    ends = [
        (values, predicted)
        for pair, predicted_pair in zip(pairs.values(), predictions, strict=True)
        for values, predicted in zip(pair, predicted_pair, strict=True)
        if values.size
    ]
    scale = max((np.abs(predicted).max() for _, predicted in ends), default=0.0)
    off = max(
        (np.abs(values - predicted).max() for values, predicted in ends), default=0
    )
    if off <= engine.model.tolerance * scale:
        return None
    return (
        f"its predictions differ from the model's by {off:.3g}, more than "
        f"{engine.model.tolerance:g} of the largest"
    )
