"""A joint step as a game of its features, in the trees of an ensemble.

Which features a player changes is found here, and the walks are planned: Shapley values
and interactions of sums of trees, the predictions of every coalition behind a link, and
attribution along the straight path. What a leaf is worth to whom is counted in the
compiled `leaf_games` and `leaf_paths`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from math import comb
from typing import Any

import numpy as np
from numba.core.errors import NumbaError
from sklearn.utils import gen_batches

from skfme._engine.refusals import RowsNotReadError
from skfme._engine.stepping import Stepped
from skfme._engine.trees.compiled import (
    integrals,
    leaf_games,
    leaf_paths,
    path_search,
)
from skfme._engine.trees.compiled.descent import BlockRows, rows_for
from skfme._engine.trees.compiled.jumps import Lines
from skfme._engine.trees.encoding import Move
from skfme._engine.trees.inputs import Features, Inputs, TransformedInputs
from skfme._engine.trees.walks import CodedBatch, Walks
from skfme._frames.tables import Table

__all__ = ["TreeGame"]

_BLOCK_BYTES = 2**20  # of a block's coalitions; it shares the nearer caches with a tree
_PAIR_BYTES = 2**21  # of a block's interactions
_MOST_ROWS = 512  # whose walkers stay in the nearer caches
_WALKERS = 64  # of a row in one tree, on average, twice over
_EVENTS = 2**14
# Of the step: what rounding may set apart; a model in single precision rounds the most.
_TIES = (1e-12, 1e-3)
_MOST_PLAYERS_OF_EVENTS = 63


@dataclass(frozen=True)
class TreeGame:
    """The features of one joint step on a batch, whose rows all count.

    Attributes
    ----------
    walks : Walks
    inputs : Inputs or TransformedInputs
    batch : Table
    effect : Stepped
    """

    walks: Walks
    inputs: Inputs | TransformedInputs
    batch: Table
    effect: Stepped

    @property
    def n_players(self) -> int:
        """Features that the step changes."""
        return len(self.effect.changes)

    @property
    def is_linked(self) -> bool:
        """Whether predictions are no sums of trees."""
        return self.walks.ensemble.link != "identity"

    def shapley(self, pairs: Callable[[np.ndarray], None] | None = None) -> np.ndarray:
        """Shapley values of margins, and the interactions of all pairs.

        Parameters
        ----------
        pairs : callable or None, default=None
            Gets the interactions of the next rows, (n, n_pairs, n_outputs), with pairs
            (0, 1), (0, 2), …; their memory is used again.

        Returns
        -------
        parts : ndarray of shape (n_rows, n_players, n_outputs)

        Raises
        ------
        RowsNotReadError
            If the trees do not see each player's features by themselves.
        """
        n_outputs = len(self.walks.ensemble.base)
        parts = np.empty((len(self.batch), self.n_players, n_outputs))
        n_pairs = 0 if pairs is None else comb(self.n_players, 2)
        row_bytes = 8 * max(n_pairs * n_outputs, 1)
        most = max(min(_MOST_ROWS, _PAIR_BYTES // row_bytes), 1)
        buffer = np.empty((most, n_pairs, n_outputs))

        def fill(rows: slice, walk: tuple, scratch: leaf_games.GameScratch) -> bool:
            block = parts[rows], buffer[: rows.stop - rows.start]
            for array in block:
                array[:] = 0
            done: bool = self._compiled(leaf_games.add_parts, walk, scratch, *block)
            if done and pairs is not None:
                pairs(block[1])
            return done

        self._fill(fill, most)
        return parts

    def coalitions(self) -> np.ndarray:
        """Predictions of every coalition, of shape (n_rows, 2 ** n_players, n_outputs).

        Player p is the bit of value 2 ** p.

        Raises
        ------
        RowsNotReadError
            As in :meth:`shapley`.
        """
        shape = (2**self.n_players, len(self.walks.ensemble.base))
        values = np.empty((len(self.batch), *shape))

        def fill(rows: slice, walk: tuple, scratch: leaf_games.GameScratch) -> bool:
            block = values[rows]
            block[:] = 0
            tables = block, np.zeros(block.shape)
            done: bool = self._compiled(
                leaf_games.sum_coalitions, walk, scratch, *tables
            )
            if done:
                block += self.walks.ensemble.base
                block[:] = self.walks.respond(block)
            return done

        # Two tables of a block share the nearer caches with a tree.
        most = int(_BLOCK_BYTES // (16 * np.prod(shape)))
        self._fill(fill, min(max(most, 1), _MOST_ROWS))
        return values

    def along_path(self) -> np.ndarray:
        """Parts along the straight path, of shape (n_rows, n_players, n_outputs).

        Raises
        ------
        RowsNotReadError
            As in :meth:`shapley`, or if the path is not straight among the features that
            the trees look at.
        """
        self._check_straight()
        if self.is_linked:
            return self._along_path_with_link()
        n_outputs = len(self.walks.ensemble.base)
        parts = np.zeros((len(self.batch), self.n_players, n_outputs))
        for rows, walk in self._blocks():
            search, lines = self._path_scratch, self._lines(rows)
            self._compiled(leaf_paths.add_path_parts, walk, *lines, search, parts[rows])
        return parts

    def _along_path_with_link(self) -> np.ndarray:
        if self.n_players > _MOST_PLAYERS_OF_EVENTS:
            raise RowsNotReadError("too many features move at once")
        ensemble = self.walks.ensemble
        base, width = np.array(ensemble.base), ensemble.value.shape[1]
        link, weights = integrals.LINKS.index(ensemble.link), _weights()
        prediction = integrals.Prediction(link, base, 0.0)
        parts = np.zeros((len(self.batch), self.n_players, len(base)))
        events = leaf_paths.events_for(_EVENTS, width, len(base), weights)
        for rows, walk in self._blocks():
            block, lines, row = parts[rows], self._lines(rows), 0
            while row < len(block):
                row, tied = self._compiled(
                    leaf_paths.add_responses,
                    walk,
                    *lines,
                    self._path_scratch,
                    events,
                    prediction,
                    np.empty(len(base)),
                    block,
                    row,
                )
                if tied:
                    raise RowsNotReadError(
                        f"more than {leaf_paths.MOST_TIED} features pass at once"
                    )
                if row < len(block):
                    n_events = 2 * len(events.t)
                    events = leaf_paths.events_for(n_events, width, len(base), weights)
        return parts

    def _compiled(self, kernel: Callable, walk: tuple, *arguments: Any) -> Any:
        try:
            return kernel(*walk, *arguments)
        except NumbaError as error:
            raise RowsNotReadError(f"numba cannot compile the walk: {error}") from error

    def _fill(self, fill: Callable[..., bool], most: int) -> None:
        """Fill block by block, in smaller ones where walkers find no room."""
        coded, n, start = self._coded, len(self.batch), 0
        n_block = min(most, n, coded.rows_per_block)
        scratch, block_rows = self._scratch(n_block), rows_for(n_block, coded.entries)
        while start < n:
            rows = slice(start, min(start + n_block, n))
            if fill(rows, self._walk(rows, block_rows), scratch):
                start = rows.stop
            else:
                n_block = max(n_block // 2, 1)

    def _blocks(self) -> Iterator[tuple[slice, tuple]]:
        """The rows of each block, and its walk."""
        most = self._coded.rows_per_block
        block_rows = rows_for(min(most, len(self.batch)), self._coded.entries)
        for rows in gen_batches(len(self.batch), most):
            yield rows, self._walk(rows, block_rows)

    def _walk(self, rows: slice, block_rows: BlockRows) -> tuple:
        """The forest, and the codes and players of a block."""
        coded = self._coded
        coded.code(rows.start, rows.stop - rows.start, block_rows)
        packed, place = coded.packed, coded.entries.place[0]
        trees = packed.forest, packed.categories
        return *trees, block_rows.codes, place, self._player_of

    @property
    def _deepest(self) -> int:
        return int(self.walks.ensemble.depth.max()) + 2

    def _scratch(self, n_block: int) -> leaf_games.GameScratch:
        n_columns = self._coded.entries.place.shape[1]
        # One row alone has at most a walker for each leaf.
        largest = int(np.diff(self.walks.ensemble.first).max())
        capacity = max(_WALKERS * n_block, 2 * largest)
        sizes = n_block, n_columns, self._deepest, self.n_players, capacity
        return leaf_games.scratch_for(*sizes)

    @cached_property
    def _path_scratch(self) -> path_search.PathScratch:
        shares, _ = leaf_games.shares_for(min(self._deepest, self.n_players))
        return path_search.scratch_for(self._deepest, self.n_players, shares)

    def _lines(self, rows: slice) -> tuple[Lines, np.ndarray]:
        """The paths of a block, and what rounding makes of equal times in each row."""
        single = self.walks.ensemble.precision.single
        lines = self._coded.lines(single, rows.start, rows.stop - rows.start)
        rounding = np.where(np.isfinite(lines.line[:, :, 2]), lines.line[:, :, 2], 0.0)
        return lines, np.clip(rounding.max(axis=1, initial=0.0), *_TIES)

    @cached_property
    def _coded(self) -> CodedBatch:
        move, _ = self._moves
        return self.walks.coded(self._before, [move], self.inputs.takes_missing)

    @cached_property
    def _player_of(self) -> np.ndarray:
        """Who changes each column of the laid-out trees; −1 for nobody."""
        owner = self._moves[1]
        feature = self._coded.packed.coding.feature
        return np.array([owner.get(int(j), -1) for j in feature], dtype=np.int64)

    @cached_property
    def _before(self) -> Features:
        return self.inputs.features(self.batch)

    @cached_property
    def _moves(self) -> tuple[Move, dict[int, int]]:
        """The joint move of features, and which player each of them belongs to.

        Raises
        ------
        RowsNotReadError
            If a feature that the trees look at is made of several of the players'.
        """
        effect, rows = self.effect, self.effect.counted
        start = self._changed(effect.start)
        before = self._features_with(effect.start)
        owner: dict[int, int] = {}
        end: Features = {}
        for player, bound in enumerate(effect.changes):
            position = bound.change.position
            alone = effect.start | {position: effect.end[position]}
            for j, values in self._features_with(alone).items():
                if np.array_equal(values[rows], before[j][rows], equal_nan=True):
                    continue
                if j in owner:
                    raise RowsNotReadError("features are mixed before the trees")
                owner[j], end[j] = player, values
        joint = self._features_with(effect.start | effect.end)
        if any(
            not np.array_equal(joint[j], end.get(j, before[j]), equal_nan=True)
            for j in joint
        ):
            raise RowsNotReadError("features are mixed before the trees")
        return Move(start, {j: before[j] for j in start} | end, rows), owner

    def _features_with(self, columns: dict) -> Features:
        """All features with some columns replaced, back to the row's own among them."""
        return self._before | self._changed(columns)

    def _changed(self, columns: dict) -> Features:
        """Those that differ from the row's own."""
        return self.inputs.changed(
            self.batch, self._before, columns, self.effect.counted
        )

    def _check_straight(self) -> None:
        moving = frozenset(bound.change.position for bound in self.effect.changes)
        if not self.inputs.is_straight(self.batch, moving):
            raise RowsNotReadError("straight paths are bent before the trees")
        if self._moves[1].keys() & self.walks.ensemble.categories.keys():
            raise RowsNotReadError("the model takes numbers that move for categories")
        if not self._moves[0].has_shares(self._before):
            raise RowsNotReadError("a step is too short, or too long, to be shared out")


def _weights() -> np.ndarray:
    """Shapley's weights |T|! (m − |T| − 1)! / m!, by m and |T|."""
    most = leaf_paths.MOST_TIED
    weights = np.zeros((most + 1, most))
    for m in range(1, most + 1):
        weights[m, :m] = [1 / (m * comb(m - 1, size)) for size in range(m)]
    return weights
