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
from skfme._engine.ensembles import MISSING_EXTRA, NotImportedError
from skfme._engine.inputs import CannotEncodeError
from skfme._engine.models import is_ensemble, read_ensemble
from skfme._engine.prediction import Response
from skfme._engine.stepping import Engine, Stepped
from skfme._frames import Table
from skfme.quadrature import Rule, is_best

if TYPE_CHECKING:
    from skfme._engine.trees import TreeEngine, TreeModel

__all__ = ["ENGINES", "EngineChoice"]

ENGINES = ("auto", "predict", "trees", "linear")

_LOG = logging.getLogger(__name__)
# Loading the compiled engine takes longer than fewer predictions than these.
_WORTH_ROWS = 50_000
_CHECKED_PREDICTIONS = 2048

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

    Raises
    ------
    ValueError
        If "trees" or "linear" is wanted, and the model is none that it reads.
    """

    def __init__(self, response: Response, wanted: str, probe: Table) -> None:
        self.response = response
        self._probe = probe
        self.wanted = wanted
        self._trees: TreeModel | None = None
        self._no_trees: str | None = None
        if wanted == "trees" and self.tree_model() is None:
            raise self._refusal()

    def _refusal(self) -> ValueError:
        return ValueError(
            f"engine='trees' cannot compute these effects: {self._no_trees}. With "
            "engine='auto' the model's own predictions are differenced instead."
        )

    def tree_model(self) -> TreeModel | None:
        """The model as an ensemble, read once; None where it is none."""
        if self._trees is None and self._no_trees is None:
            try:
                self._trees = _tree_model(self.response, self._probe)
            except NotImportedError as reason:
                self._no_trees = str(reason)
                _LOG.debug("the tree engine is not used: %s", reason)
        return self._trees

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
        """
        predict = PredictEngine(self.response, rows_per_call)
        if self.wanted == "predict":
            return predict
        exact_nlm = rule is not None and is_best(rule)
        worth = len(table) * n_effects >= _WORTH_ROWS or exact_nlm
        if self.wanted == "auto" and not worth:
            return predict
        model = self.tree_model()
        if model is None:
            if exact_nlm and self._no_trees == MISSING_EXTRA:
                _warn_of_quadrature()
            return predict
        from skfme._engine.trees import TreeEngine

        trees = TreeEngine(model, predict)
        rows = _sample(len(table), n_effects)
        batch = table.take(rows)
        reason = _difference(trees, batch, effects_of(batch, rows))
        if reason is None:
            return trees
        if self.wanted == "trees":
            raise ValueError(
                f"engine='trees' cannot compute these effects: {reason}. With "
                "engine='auto' the model's own predictions are differenced instead."
            )
        _LOG.debug("the tree engine is not used: %s", reason)
        return predict


def _tree_model(response: Response, probe: Table) -> TreeModel:
    if is_ensemble(response.estimator):
        # Found without being loaded.
        missing = [name for name in ("numba",) if find_spec(name) is None]
        if missing:
            raise NotImportedError(MISSING_EXTRA)
    from skfme._engine.trees import TreeModel

    model = TreeModel(*read_ensemble(response, probe))
    model.complete  # noqa: B018 - too large ones are refused here
    return model


def _warn_of_quadrature() -> None:
    warnings.warn(
        "nlm=True integrates tree ensembles exactly only with the extra `fast` (pip "
        "install 'skfme[fast]'). GaussLegendre(8) is used, which sees their jumps only "
        "where its nodes fall.",
        UserWarning,
        stacklevel=6,
    )


def _sample(n_rows: int, n_effects: int) -> np.ndarray:
    """Rows spread over the table, few enough that the check costs next to nothing."""
    n = int(np.clip(_CHECKED_PREDICTIONS // (n_effects + 1), 16, n_rows))
    return np.unique(np.linspace(0, n_rows - 1, min(n, n_rows)).astype(np.intp))


def _difference(
    trees: TreeEngine, batch: Table, effects: Sequence[Stepped]
) -> str | None:
    """What the engine gets wrong on some rows; None where it equals the model."""
    try:
        own = trees.responses(batch, effects)
    except CannotEncodeError as reason:
        return str(reason)
    given = list(trees.predict.predictions(batch, effects))
    tolerance = trees.model.ensemble.tolerance
    scale = max(
        (np.abs(values).max() for pair in given for values in pair if values.size),
        default=0.0,
    )
    for pair, expected in zip(own, given, strict=True):
        for values, wanted in zip(pair, expected, strict=True):
            off = float(np.abs(values - wanted).max()) if values.size else 0.0
            if not off <= tolerance * scale:
                return (
                    f"its predictions differ from the model's by {off:.3g}, more than "
                    f"{tolerance:g} of the largest"
                )
    return None
