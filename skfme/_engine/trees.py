"""Exact forward differences of tree ensembles, and their exact NLM.

The trees are walked once for the rows and again only where a step leads to another
leaf (see :mod:`skfme._engine.kernels` and :mod:`skfme._engine.jumps`); what this
costs does not grow with the number of effects but with the number of nodes that
they cross. This module plans the walks of a batch: which columns change, from where,
and which effects can share a walk.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import expit, softmax

from skfme._engine.differences import PredictEngine
from skfme._engine.ensembles import Ensemble
from skfme._engine.inputs import Features, Inputs, TransformedInputs
from skfme._engine.jumps import LINKS, integrate, log_jumps
from skfme._engine.kernels import encode, encode_step, walk
from skfme._engine.packing import Packed, pack
from skfme._engine.refusals import RowsNotReadError
from skfme._engine.stepping import Measured, Stepped, asked_for
from skfme._frames import Table
from skfme.quadrature import Rule, is_best

__all__ = ["TreeEngine", "TreeModel"]

_LOG = logging.getLogger(__name__)
_BLOCK_BYTES = 2**16  # a block's codes stay in the processor's nearest cache
_MOST_CROSSINGS = 2**18  # of a block's paths in one tree
_LOGGED = 2**18  # jumps of a block
_ROUNDING_ULPS = 2
_SINGLE_MAX = float(np.finfo(np.float32).max)


@dataclass(frozen=True)
class TreeModel:
    """An ensemble, and how tables become its features.

    Attributes
    ----------
    ensemble : Ensemble
    inputs : Inputs or TransformedInputs
    """

    ensemble: Ensemble
    inputs: Inputs | TransformedInputs

    def engine(self, predict: PredictEngine) -> TreeEngine:
        """The engine over this model."""
        return TreeEngine(self, predict)

    @property
    def tolerance(self) -> float:
        """To which the model itself is reproduced."""
        return self.ensemble.tolerance

    @cached_property
    def complete(self) -> Packed:
        """The ensemble laid out for values none of which is missing."""
        return pack(self.ensemble, missing=False)

    @cached_property
    def with_missing(self) -> Packed:
        """The ensemble laid out for values that may be missing."""
        return pack(self.ensemble, missing=True)

    @cached_property
    def used(self) -> list[int]:
        """The features that some node looks at."""
        return sorted({*self.ensemble.cuts, *self.ensemble.categories})

    def forest(self, packed: Packed) -> tuple:
        """The trees, as the kernels take them."""
        ensemble = self.ensemble
        return (
            packed.words,
            ensemble.value,
            ensemble.first,
            ensemble.depth,
            ensemble.output,
            ensemble.thin_out,
            ensemble.sets if ensemble.categories else None,
            packed.n_numeric,
        )

    def respond(self, margin: np.ndarray) -> np.ndarray:
        """Predictions of margins (the base included) along the last axis."""
        if self.ensemble.link == "logistic":
            return expit(margin)
        if self.ensemble.link == "exponential":
            return np.exp(margin)
        if self.ensemble.link == "softmax":
            return softmax(margin, axis=-1)
        return margin


@dataclass(frozen=True)
class _Move:
    """A change of features, from the row's own values or from others.

    Attributes
    ----------
    start, end : Features
        Those that differ from the row's own before and after the move.
    counted : ndarray of shape (n_rows,), bool
    """

    start: Features
    end: Features
    counted: np.ndarray


@dataclass(frozen=True)
class _Plan:
    """What is walked for one effect; the path is None without an exact NLM."""

    move: _Move
    path: _Move | None


@dataclass(frozen=True)
class _Walked:
    """One move: margins before it, their change, and the NLM of its path."""

    margin: np.ndarray
    delta: np.ndarray
    nlm: np.ndarray | None


@dataclass(frozen=True)
class _Codes:
    """What the kernels walk on.

    Attributes
    ----------
    packed : Packed
    own : ndarray of shape (n_rows, n_columns), uint64
    either : ndarray of shape (n_rows, n_columns + n_entries), uint32
    lines : ndarray of shape (n_rows, n_entries, 3)
    entries : tuple of ndarray
        As in :func:`skfme._engine.kernels.walk`.
    """

    packed: Packed
    own: np.ndarray
    either: np.ndarray
    lines: np.ndarray
    entries: tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class TreeEngine:
    """Effects of a tree ensemble; a callable that joblib can ship.

    Attributes
    ----------
    model : TreeModel
    predict : PredictEngine
        For batches that cannot be read, and for quadrature.
    """

    model: TreeModel
    predict: PredictEngine
    name = "trees"

    def __call__(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """Measure every effect on the rows that count."""
        try:
            return self.measured(batch, effects, rule)
        except RowsNotReadError as reason:
            _LOG.debug("a batch is left to the model's own predictions: %s", reason)
            return self.predict(batch, effects, rule)

    def measured(
        self, batch: Table, effects: Sequence[Stepped], rule: Rule | None
    ) -> list[Measured]:
        """The same, without a way out.

        Raises
        ------
        RowsNotReadError
            If the rows cannot be read as the model reads them.
        """
        batch, effects = asked_for(batch, effects)
        if not len(batch):
            empty = np.empty((0, len(self.predict.response.outputs)))
            nlm = None if rule is None else empty
            return [Measured(empty, nlm, engine=self.name) for _ in effects]
        before = self.model.inputs.features(batch)
        plans = [self._plan(batch, before, effect, rule) for effect in effects]
        self._refuse_unreadable(before, [plan.move for plan in plans])
        walked = self._walked(before, plans)
        identity = self.model.ensemble.link == "identity"
        measured = []
        for effect, one in zip(effects, walked, strict=True):
            low, high = self._ends(one, effect.counted)
            fme = one.delta[effect.counted] if identity else high - low
            nlm, lost = None, 0
            if one.nlm is not None:
                nlm = one.nlm[effect.counted]
            elif rule is not None:
                nlm, lost = self.predict.nonlinearity(batch, effect, low, high, rule)
            measured.append(Measured(fme, nlm, lost, self.name))
        return measured

    def responses(
        self, batch: Table, effects: Sequence[Stepped]
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Predictions before and after each step, for the rows that count."""
        before = self.model.inputs.features(batch)
        plans = [self._plan(batch, before, effect, None) for effect in effects]
        self._refuse_unreadable(before, [plan.move for plan in plans])
        walked = self._walked(before, plans)
        return [
            self._ends(one, effect.counted)
            for effect, one in zip(effects, walked, strict=True)
        ]

    def _ends(self, one: _Walked, counted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        margin = self.model.ensemble.base + one.margin[counted]
        after = margin + one.delta[counted]
        return self.model.respond(margin), self.model.respond(after)

    def _plan(
        self, batch: Table, before: Features, effect: Stepped, rule: Rule | None
    ) -> _Plan:
        counted, inputs = effect.counted, self.model.inputs
        start: Features = {}
        if effect.start:
            start = inputs.changed(batch, before, effect.start, counted)
        end = inputs.changed(batch, before, effect.end, counted)
        move = _move(before, start, end, counted)
        moving = frozenset(
            bound.change.position for bound in effect.changes if bound.change.numeric
        )
        if not (rule is not None and is_best(rule) and moving):
            return _Plan(move, None)
        path = move
        if len(moving) < len(effect.changes):
            # Categories and dates stand at their new value all along.
            fixed = {p: c for p, c in effect.end.items() if p not in moving}
            fixed |= {p: c for p, c in effect.start.items() if p in moving}
            held = inputs.changed(batch, before, fixed, counted)
            path = _move(before, held, end, counted)
        exact = inputs.is_straight(batch, moving) and not self._passes_categories(
            before, path
        )
        return _Plan(move, path if exact else None)

    def _passes_categories(self, before: Features, path: _Move) -> bool:
        """Whether a path leads through numbers that the model takes for categories."""
        coded = path.end.keys() & self.model.ensemble.categories.keys()
        rows = path.counted
        return any(
            not np.array_equal(
                path.start.get(j, before[j])[rows], path.end[j][rows], equal_nan=True
            )
            for j in coded
        )

    def _refuse_unreadable(self, before: Features, moves: Sequence[_Move]) -> None:
        """Leave to the model what it would refuse, or read otherwise."""
        parts = [before, *(part for move in moves for part in (move.start, move.end))]
        for values in (v for part in parts for v in part.values()):
            low, high = values.min(), values.max()
            if np.isnan(low):
                if not self.model.inputs.takes_missing:
                    raise RowsNotReadError("values are missing")
                low, high = np.fmin.reduce(values), np.fmax.reduce(values)
            if self.model.ensemble.single and max(-low, high) > _SINGLE_MAX:
                raise RowsNotReadError("values are too large for single precision")

    def _walked(self, before: Features, plans: Sequence[_Plan]) -> list[_Walked]:
        """Walk every plan's move, and its path."""
        jobs = [(plan.move, plan.path is plan.move) for plan in plans]
        apart = []
        for k, plan in enumerate(plans):
            if plan.path is not None and plan.path is not plan.move:
                apart.append(k)
                jobs.append((plan.path, True))
        done: dict[int, _Walked] = {}
        for exact in (False, True):
            own = [k for k, (_, wanted) in enumerate(jobs) if wanted is exact]
            # Moves that start at the row's own values share a walk.
            shared = [k for k in own if not jobs[k][0].start]
            groups = [shared] if shared else []
            groups += [[k] for k in own if jobs[k][0].start]
            for group in groups:
                moves = [jobs[k][0] for k in group]
                done |= zip(group, self._walk(before, moves, exact), strict=True)
        for place, k in enumerate(apart, start=len(plans)):
            done[k] = replace(done[k], nlm=done[place].nlm)
        return [done[k] for k in range(len(plans))]

    def _walk(
        self, before: Features, moves: Sequence[_Move], exact: bool
    ) -> list[_Walked]:
        """Walk moves that start at the same values."""
        ensemble, n_rows = self.model.ensemble, len(moves[0].counted)
        codes = self._encoded(before | moves[0].start, moves, with_lines=exact)
        n_outputs = len(ensemble.base)
        margin = np.zeros((n_rows, n_outputs))
        delta = np.zeros((n_rows, len(moves), n_outputs))
        if not exact:
            walk(
                *self.model.forest(codes.packed),
                codes.own,
                codes.either,
                *codes.entries,
                self._rows_per_block(codes),
                margin,
                delta,
            )
            return [_Walked(margin, delta[:, e], None) for e in range(len(moves))]
        nlm = np.empty(delta.shape)
        self._walk_paths(codes, margin, delta, nlm)
        return [_Walked(margin, delta[:, e], nlm[:, e]) for e in range(len(moves))]

    def _walk_paths(
        self, codes: _Codes, margin: np.ndarray, delta: np.ndarray, nlm: np.ndarray
    ) -> None:
        """Fill the margins, their changes and the NLM, block by block."""
        ensemble, packed = self.model.ensemble, codes.packed
        forest, link = self.model.forest(packed), LINKS[ensemble.link]
        deepest = int(ensemble.depth.max()) + 2
        n_block = self._rows_per_block(codes)
        n_block = min(n_block, max(1, _MOST_CROSSINGS // (delta.shape[1] * deepest)))
        log = _log(_LOGGED, ensemble.value.shape[1])
        start = 0
        while start < len(margin):
            rows = slice(start, start + n_block)
            margin[rows] = 0
            n_logged = log_jumps(
                *forest,
                codes.own[rows],
                codes.either[rows],
                *codes.entries,
                packed.cuts,
                packed.cut_first,
                codes.lines[rows],
                margin[rows],
                *log,
            )
            if n_logged < 0:  # fewer rows, or a longer log
                if n_block == 1:
                    log = _log(2 * len(log[0]), ensemble.value.shape[1])
                n_block = max(n_block // 2, 1)
                continue
            integrate(
                *log,
                n_logged,
                link,
                ensemble.base,
                self.predict.response.resolution,
                margin[rows],
                delta[rows],
                nlm[rows],
            )
            start += n_block

    def _encoded(
        self, base: Features, moves: Sequence[_Move], with_lines: bool
    ) -> _Codes:
        """The codes of all columns before the moves, and of those that they change."""
        used = self.model.used
        coded = {j: self._coded(j, base[j]) for j in used}
        ends = [
            (j, e, self._coded(j, values))
            for e, move in enumerate(moves)
            for j, values in move.end.items()
            if j in used
        ]
        missing = any(
            np.isnan(values.min())
            for values in (*coded.values(), *(values for *_, values in ends))
            if len(values)
        )
        packed = self.model.with_missing if missing else self.model.complete
        columns = packed.columns
        changed = sorted(
            (
                (c, e, values)
                for j, e, values in ends
                for c, column in enumerate(columns)
                if column.feature == j
            ),
            key=lambda entry: entry[:2],
        )
        n_rows, n_columns = len(moves[0].counted), len(columns)
        own = np.zeros((n_rows, n_columns), dtype=np.uint64)
        either = np.zeros((n_rows, n_columns + len(changed)), dtype=np.uint32)
        lines = np.empty((n_rows, len(changed) if with_lines else 0, 3))
        single = self.model.ensemble.single
        for c, column in enumerate(columns[1:], start=1):
            how = (column.cuts, column.grid, column.low, column.scale)
            missing_code = column.missing_code
            encode(coded[column.feature], *how, missing_code, single, c, own, either)
        for s, (c, e, values) in enumerate(changed):
            column = columns[c]
            encode_step(
                values,
                moves[e].counted,
                column.cuts,
                column.grid,
                column.low,
                column.scale,
                column.missing_code,
                single,
                c,
                own,
                either,
                n_columns + s,
            )
            if with_lines:
                lines[:, s] = _line(coded[column.feature], values, single)
        return _Codes(packed, own, either, lines, _entries(changed, n_columns, moves))

    def _coded(self, feature: int, values: np.ndarray) -> np.ndarray:
        """Values of a feature; the codes of its categories where it has such."""
        known = self.model.ensemble.categories.get(feature)
        if known is None:
            return values
        missing = np.isnan(values)
        whole = np.where(missing, 0, values)
        if (whole != np.trunc(whole)).any():
            raise RowsNotReadError("a category is not a whole number")
        if whole.max() > self.model.ensemble.largest_category:
            raise RowsNotReadError("a category is too large a number")
        place = np.minimum(np.searchsorted(known, whole), len(known) - 1)
        codes = np.where(known[place] == whole, place, len(known))
        return np.where(missing, len(known) + 1, codes).astype(np.float64)

    def _rows_per_block(self, codes: _Codes) -> int:
        row_bytes = 8 * codes.own.shape[1] + 4 * codes.either.shape[1]
        return int(np.clip(_BLOCK_BYTES // row_bytes, 64, 1024))


def _line(low: np.ndarray, high: np.ndarray, single: bool) -> np.ndarray:
    """Where paths start, one over how far they go, and which share is rounding."""
    with np.errstate(divide="ignore", invalid="ignore"):
        inverse = 1 / (high - low)
        ulp = np.finfo(np.float32 if single else np.float64).eps
        largest = np.maximum(np.abs(low), np.abs(high))
        rounding = _ROUNDING_ULPS * ulp * largest * np.abs(inverse)
    return np.stack([low, inverse, rounding], axis=1)


def _log(n: int, width: int) -> tuple[np.ndarray, ...]:
    """An empty log of jumps: path, place, output and size."""
    return (
        np.empty(n, dtype=np.int64),
        np.empty(n),
        np.empty(n, dtype=np.int64),
        np.empty((n, width)),
    )


def _entries(
    changed: Sequence[tuple[int, int, np.ndarray]],
    n_columns: int,
    moves: Sequence[_Move],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each column's entries start, their effects, and an effect's entry."""
    column = np.array([c for c, _, _ in changed], dtype=np.int64)
    effect = np.array([e for _, e, _ in changed], dtype=np.int64)
    place = np.tile(np.arange(n_columns), (len(moves), 1))
    place[effect, column] = n_columns + np.arange(len(changed))
    return (
        n_columns + np.searchsorted(column, np.arange(n_columns + 1)),
        np.concatenate([np.full(n_columns, -1), effect]),
        place,
    )


def _move(
    before: Features, start: Features, end: Features, counted: np.ndarray
) -> _Move:
    """A move whose end names every feature that its start does."""
    return _Move(start, {j: before[j] for j in start} | end, counted)
