"""Parts of any model's effect, from its own predictions of coalitions or sampled orders.

Each coalition is predicted once for all features, and rows in which a feature's value
stays as it is are not predicted with and without it. Beyond twelve features orders are
sampled, each with its reverse: the pair's mean is one draw, whose parts add up to the
effect, and is exact where no three features interact.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from skfme._attribution.games import interactions_of, order_range, shapley_values
from skfme._attribution.pairs import Pairs
from skfme._attribution.questions import MOST_EXACT, Parts, Question
from skfme._engine.differences import PredictEngine
from skfme._engine.stepping import Stepped, selected
from skfme._frames.columns import ColumnData, chosen, differs
from skfme._frames.tables import Table

__all__ = ["parts_of_coalitions", "parts_of_orders", "parts_of_predictions"]


def parts_of_predictions(
    predict: PredictEngine,
    batch: Table,
    effect: Stepped,
    question: Question,
    draws: np.ndarray | None,
    pairs: Pairs | None,
) -> Parts:
    """Parts of a batch whose rows all count.

    Parameters
    ----------
    predict : PredictEngine
    batch : Table of n rows
    effect : Stepped
    question : Question
    draws : ndarray of shape (n, n_draws, n_features) or None
        Sampled orders.
    pairs : Pairs or None
        What takes interactions, where they are wanted.

    Raises
    ------
    ValueError
        If there are too many coalitions, and orders may not be sampled.
    """
    if draws is not None:
        return parts_of_orders(predict, batch, effect, draws)
    check_coalitions(question)
    values = _coalitions(predict, batch, effect)
    return parts_of_coalitions(values, question, "predict", pairs)


def check_coalitions(question: Question) -> None:
    """Refuse coalitions of too many features.

    Raises
    ------
    ValueError
    """
    s = question.n_features
    if s <= MOST_EXACT:
        return
    if question.method == "sequential":
        raise ValueError(
            f"The range over all orders of {s} features takes 2**{s} predictions of each "
            f"row; it is given for up to {MOST_EXACT}. Name one order: order=[…]."
        )
    if question.pairs:
        raise ValueError(
            f"Interactions of {s} features take 2**{s} predictions of each row of this "
            f"model; they are exact for up to {MOST_EXACT} features, and for any number "
            "where the trees of an ensemble are read (extra `fast`) and add up to the "
            "prediction. Change fewer features, or leave interactions out."
        )
    raise ValueError(
        f"The step changes {s} features, and exact parts would take 2**{s} predictions of "
        f"each row; up to {MOST_EXACT} features are split so. Sample orders instead, with "
        "standard errors: n_permutations=100, for example."
    )


def parts_of_coalitions(
    values: np.ndarray, question: Question, engine: str, pairs: Pairs | None
) -> Parts:
    """What the predictions of all coalitions, (2 ** n_features, n_rows, n_outputs), say."""
    total = values[-1] - values[0]
    source = "from the leaves of" if engine == "trees" else "with"
    how = f"exact, {source} all {question.n_coalitions:,} coalitions"
    if question.method == "sequential":
        lowest, highest = order_range(values)
        prefixes = 2 ** np.arange(question.n_features + 1) - 1
        return Parts(
            np.diff(values[prefixes], axis=0).swapaxes(0, 1),
            total,
            engine,
            how,
            lowest=lowest,
            highest=highest,
        )
    if pairs is not None:
        pairs.add(interactions_of(values))
    return Parts(shapley_values(values), total, engine, how)


def _coalitions(predict: PredictEngine, batch: Table, effect: Stepped) -> np.ndarray:
    """Predictions of every coalition, of shape (2 ** n_features, n_rows, n_outputs)."""
    positions = [bound.change.position for bound in effect.changes]
    moved = _moved(batch, effect)
    n_coalitions = 2 ** len(positions)
    values = np.empty((n_coalitions, len(batch), len(predict.response.outputs)))
    alone = [(coalition & ~moved) == 0 for coalition in range(n_coalitions)]

    def tables() -> Iterator[Table | None]:
        for coalition, rows in enumerate(alone):
            yield selected(batch, rows, _columns(effect, positions, coalition))

    predicted = predict.of_tables(batch, effect, tables())
    for coalition, (rows, found) in enumerate(zip(alone, predicted, strict=True)):
        if rows.all():
            values[coalition] = found
            continue
        values[coalition, rows] = found
        same = np.flatnonzero(~rows)
        values[coalition, same] = values[coalition & moved[same], same]
    return values


def _columns(
    effect: Stepped, positions: list[int], coalition: int
) -> dict[int, ColumnData]:
    """The columns that differ from the rows' own once a coalition is stepped."""
    stepped = [p for k, p in enumerate(positions) if coalition >> k & 1]
    return effect.before | {p: effect.end[p] for p in stepped}


def _moved(batch: Table, effect: Stepped) -> np.ndarray:
    """The features whose values the step changes in each row, as bits."""
    moved = np.zeros(len(batch), dtype=np.int64)
    for k, bound in enumerate(effect.changes):
        position = bound.change.position
        low = effect.before.get(position)
        low = batch.column(position) if low is None else low
        moved |= differs(low, effect.end[position]).astype(np.int64) << k
    return moved


def parts_of_orders(
    predict: PredictEngine, batch: Table, effect: Stepped, draws: np.ndarray
) -> Parts:
    """Means over sampled orders and their reverses, and their standard errors.

    Parameters
    ----------
    predict, batch, effect
        As in :func:`parts_of_predictions`.
    draws : ndarray of shape (n, n_draws, n_features)
        The place of each feature in an order.
    """
    n, n_draws, s = draws.shape
    every = np.ones(n, dtype=bool)
    ends = [selected(batch, every, columns) for columns in (effect.before, effect.end)]
    low, high = predict.of_tables(batch, effect, iter(ends))
    mean = np.zeros((n, s, low.shape[1]))
    squares = np.zeros(mean.shape)
    for k in range(n_draws):
        draw = _draw(predict, batch, effect, draws[:, k], low, high)
        deviation = draw - mean
        mean += deviation / (k + 1)
        squares += deviation * (draw - mean)
    errors = np.sqrt(squares / (n_draws - 1) / n_draws)
    how = f"by {2 * n_draws:,} sampled orders"
    return Parts(mean, high - low, "predict", how, errors=errors)


def _draw(
    predict: PredictEngine,
    batch: Table,
    effect: Stepped,
    place: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> np.ndarray:
    """Mean parts of one order of each row and of its reverse."""
    n, s = place.shape
    parts = np.zeros((n, s, low.shape[1]))
    for order in (place, s - 1 - place):
        tables = (_prefix(batch, effect, order < size) for size in range(1, s))
        values = [low, *predict.of_tables(batch, effect, tables), high]
        changes = np.diff(np.stack(values, axis=1), axis=1)
        parts += np.take_along_axis(changes, order[:, :, None], axis=1) / 2
    return parts


def _prefix(batch: Table, effect: Stepped, stepped: np.ndarray) -> Table:
    """The rows, each with some of its features stepped."""
    columns = dict(effect.before)
    for k, bound in enumerate(effect.changes):
        position = bound.change.position
        low = effect.before.get(position)
        low = batch.column(position) if low is None else low
        columns[position] = chosen(stepped[:, k], effect.end[position], low)
    return batch.with_columns(columns)
