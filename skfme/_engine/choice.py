"""Which engine computes the effects: the user's choice, or the fastest exact one.

An exact engine is used where it can promise the model's own results: the model is
one that it reads, and on a sample of the rows its predictions before and after every
step are the model's. Otherwise the model is asked.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np

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
    from skfme._engine.linear.linear import LinearEngine, LinearModel
    from skfme._engine.trees.trees import TreeEngine, TreeModel

__all__ = ["ENGINES", "EngineChoice"]

ENGINES = ("auto", "predict", "trees", "linear")

_LOG = logging.getLogger(__name__)
# Fewer stepped predictions than these are made before the compiled engine is loaded.
_WORTH_LOADING = 50_000
_CHECKED_PREDICTIONS = 2048
_ROWS_TO_SAMPLE = 8192

# (batch, its rows in the table) -> effects
StepRows = Callable[[Table, Any], Sequence[Stepped]]


class EngineChoice:
    """What computes the effects of one fitted model.

    Parameters
    ----------
    response : Response
    wanted : {"auto", "predict", "trees", "linear"}
    probe : Table
        A row or two, as the model gets them.
    """

    def __init__(self, response: Response, wanted: str, probe: Table) -> None:
        self.response = response
        self.wanted = wanted
        self._probe = probe
        self._models: dict[str, TreeModel | LinearModel | str] = {}

    def __getstate__(self) -> dict[str, Any]:
        # The fitted model is pickled beside it, and can be read again.
        return {**self.__dict__, "_models": {}}

    def over(self, response: Response) -> EngineChoice:
        """The same choice for another model of the same kind."""
        return EngineChoice(response, self.wanted, self._probe)

    @property
    def asks_trees(self) -> bool:
        """Whether the model's predictions ask its trees, one by one."""
        from skfme._engine.trees.models import asks_trees

        return asks_trees(self.response.estimator)

    def check(self) -> None:
        """Refuse a model that the engine wanted does not read.

        Raises
        ------
        ValueError
            If "trees" or "linear" is wanted, and the model is none that it reads.
        """
        if self.wanted in ("trees", "linear"):
            model = self._model(self.wanted)
            if isinstance(model, str):
                raise refusal(self.wanted, model)

    def _model(self, engine: str) -> TreeModel | LinearModel | str:
        """The model as an engine reads it, read once; or why it does not."""
        if engine not in self._models:
            try:
                self._models[engine] = self._read(engine)
            except ModelNotReadError as reason:
                self._models[engine] = str(reason)
        return self._models[engine]

    def _read(self, engine: str) -> TreeModel | LinearModel:
        if engine == "linear":
            return _linear_model(self.response, self._probe)
        return _tree_model(self.response, self._probe, self.wanted == "trees")

    def engine(
        self,
        table: Table,
        effects_of: StepRows,
        n_effects: int,
        rule: Rule | None,
        rows_per_call: int,
    ) -> Engine:
        """The engine for one table.

        Parameters
        ----------
        table : Table
        effects_of : callable
            Makes the steps on some of the table's rows.
        n_effects : int
        rule : Rule or None
        rows_per_call : int
            Rows of one predict call.

        Raises
        ------
        ValueError
            If the engine wanted cannot compute the effects; the message says why.
        """
        predict = PredictEngine(self.response, rows_per_call)
        exact_nlm = rule is not None and is_best(rule)
        for name in self._tried(len(table) * n_effects, exact_nlm):
            found = self._promised(name, table, effects_of, n_effects, predict, rule)
            if not isinstance(found, str):
                return found
            if self.wanted != "auto":
                raise refusal(name, found)
            if exact_nlm and found == MISSING_EXTRA:
                _warn_of_quadrature()
            _LOG.debug("engine %r is not used: %s", name, found)
        return predict

    def _tried(self, n_predictions: int, exact_nlm: bool) -> list[str]:
        """The exact engines to try, the first one first."""
        if self.wanted != "auto":
            return [name for name in ("linear", "trees") if name == self.wanted]
        # The rest of a table that came in batches needs no loading any more.
        loaded = "trees" in self._models
        worth_loading = exact_nlm or loaded or n_predictions >= _WORTH_LOADING
        return ["linear", "trees"] if worth_loading else ["linear"]

    def _promised(
        self,
        name: str,
        table: Table,
        effects_of: StepRows,
        n_effects: int,
        predict: PredictEngine,
        rule: Rule | None,
    ) -> TreeEngine | LinearEngine | str:
        """An exact engine that equals the model on a sample; or why there is none."""
        known = name in self._models
        model = self._model(name)
        if isinstance(model, str):
            return model
        rows = _sample(table, effects_of, n_effects)
        batch = table.take(rows)
        effects, every = effects_of(batch, rows), self.wanted != "auto"
        engine = model.engine(predict)
        reason = _difference(engine, batch, effects, every, rule)
        if reason is not None and known:
            # The model may have been fitted again since it was read.
            del self._models[name]
            return self._promised(name, table, effects_of, n_effects, predict, rule)
        return reason or engine


# The engines load what `import skfme` has no need of.


def _linear_model(response: Response, probe: Table) -> LinearModel:
    from skfme._engine.linear.linear import read_linear

    return read_linear(response, probe)


def _tree_model(response: Response, probe: Table, insisted: bool) -> TreeModel:
    from skfme._engine.trees.models import is_ensemble, read_ensemble

    if is_ensemble(response.estimator) and find_spec("numba") is None:
        raise ModelNotReadError(MISSING_EXTRA)
    ensemble, inputs = read_ensemble(response, probe)
    from skfme._engine.trees.trees import TreeModel
    from skfme._engine.trees.walks import Walks

    walks = Walks(ensemble)
    walks.complete  # noqa: B018 - too large ones are refused here
    return TreeModel(walks, inputs, insisted)


def _warn_of_quadrature() -> None:
    warnings.warn(
        "nlm=True integrates tree ensembles exactly only with the extra `fast` (pip "
        "install 'skfme[fast]'). GaussLegendre(8) is used, which sees their jumps only "
        "where its nodes fall.",
        UserWarning,
        stacklevel=2,
    )


def _sample(table: Table, effects_of: StepRows, n_effects: int) -> np.ndarray:
    """Rows that count, spread over the table; few, so that the check costs little."""
    rows = _spread(np.arange(len(table)), _ROWS_TO_SAMPLE)
    effects = effects_of(table.take(rows), rows)
    asked = np.flatnonzero(np.logical_or.reduce([e.counted for e in effects]))
    most = max(_CHECKED_PREDICTIONS // (n_effects + 1), 16)
    return rows[_spread(asked, most)]


def _spread(rows: np.ndarray, most: int) -> np.ndarray:
    """At most so many of the rows, evenly."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _difference(
    engine: TreeEngine | LinearEngine,
    batch: Table,
    effects: Sequence[Stepped],
    every: bool,
    rule: Rule | None,
) -> str | None:
    """What an engine gets wrong on some rows; None where it equals the model.

    With `every`, an effect that the engine leaves to predictions is wrong as well. The
    rule tells what will be asked of the engine, which is tried in the same way.
    """
    if not len(batch):
        return None
    try:
        own = engine.responses(batch, effects, rule)
    except RowsNotReadError as reason:
        return str(reason)
    known = [pair is not None for pair in own]
    if not any(known) or (every and not all(known)):
        return "it has no closed form for what is changed"
    kept = [effect for effect, has in zip(effects, known, strict=True) if has]
    given = list(engine.predict.predictions(batch, kept))
    ends = [
        (values, expected)
        for pair, wanted in zip(filter(None, own), given, strict=True)
        for values, expected in zip(pair, wanted, strict=True)
        if values.size
    ]
    scale = max((np.abs(expected).max() for _, expected in ends), default=0.0)
    off = max((np.abs(values - expected).max() for values, expected in ends), default=0)
    if off <= engine.model.tolerance * scale:
        return None
    return (
        f"its predictions differ from the model's by {off:.3g}, more than "
        f"{engine.model.tolerance:g} of the largest"
    )
