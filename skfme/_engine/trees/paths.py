"""The paths of steps through a tree ensemble, by NumPy alone, and their exact NLM.

All rows go down all trees at once, level by level. Where a path passes the threshold of
a node that it reaches, it goes on on both sides: on the near one up to that point, and
on the far one from it. What the leaves of a tree add from one piece of a path to the
next are the jumps of its prediction; the equations are those of the compiled
`integrals`. Nothing here waits for a compiler, and each node costs several times as much.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from sklearn.utils import gen_batches

from skfme._engine.refusals import RowsNotReadError
from skfme._engine.trees.encoding import Move, Values, values_of
from skfme._engine.trees.ensembles import ROUNDING_ULPS, Ensemble, passed
from skfme._engine.trees.inputs import Features
from skfme.quadrature import CONSTANT_ULPS

__all__ = ["PathWalk", "responses_at"]

_MOST_PATHS = 2**15  # of rows through trees, whose numbers stay in the nearer caches
_BEFORE, _BEYOND = -1.0, 2.0  # ends of a path that no threshold reaches


class _Paths(NamedTuple):
    """Pieces of paths on their way down: their node, their row, and where they hold."""

    node: np.ndarray
    row: np.ndarray
    since: np.ndarray
    until: np.ndarray

    def at(self, chosen: np.ndarray) -> _Paths:
        return _Paths(*(values[chosen] for values in self))

    def and_(self, others: _Paths) -> _Paths:
        return _Paths(*map(np.concatenate, zip(self, others, strict=True)))


class _Jumps(NamedTuple):
    """Jumps of the margins of a block, ordered by row and along the path."""

    row: np.ndarray
    t: np.ndarray
    change: np.ndarray


def responses_at(
    ensemble: Ensemble, features: Features, takes_missing: bool
) -> np.ndarray:
    """Predictions of rows with these features, of shape (n_rows, n_outputs)."""
    still = Move({}, {}, np.ones(len(features[0]), dtype=bool))
    walk = PathWalk.of(ensemble, features, still, takes_missing)
    margins = [walk.walked(rows)[0] for rows in walk.blocks()]
    return ensemble.respond(ensemble.base + np.concatenate(margins))


@dataclass(frozen=True)
class PathWalk:
    """One step of some rows, coded for an ensemble.

    Attributes
    ----------
    ensemble : Ensemble
    values : Values
        Before the step, and after it.
    """

    ensemble: Ensemble
    values: Values

    @classmethod
    def of(
        cls, ensemble: Ensemble, features: Features, move: Move, takes_missing: bool
    ) -> PathWalk:
        """The walk of a move of numeric features.

        Raises
        ------
        RowsNotReadError
            If the model would refuse a value, or read it otherwise.
        """
        values = values_of(ensemble, features, [move])
        if values.missing and not takes_missing:
            raise RowsNotReadError("values are missing")
        return cls(ensemble, values)

    def n_passed(self) -> int:
        """Thresholds that the steps of all rows pass."""
        return int(
            sum(
                np.abs(self._codes[j] - ends).sum()
                for j, ends in zip(self._moving, self._end_codes, strict=True)
            )
        )

    def nlm(self, resolution: float) -> np.ndarray:
        """NLM of every row, of shape (n_rows, n_outputs); NaN where nothing changes.

        Parameters
        ----------
        resolution : float
            Machine epsilon of the model's own predictions.
        """
        ensemble = self.ensemble
        nlm = np.full((self.values.base.shape[1], len(ensemble.base)), np.nan)
        for rows in self.blocks():
            margin, jumps = self.walked(rows)
            if not len(jumps.t):
                continue
            margin = ensemble.base + margin
            at = np.flatnonzero(np.diff(jumps.row, prepend=-1))  # each row's first jump
            among, row = np.repeat(at, np.diff(at, append=len(jumps.t))), jumps.row
            changed = np.cumsum(jumps.change, axis=0)
            changed -= (changed - jumps.change)[among]
            start = ensemble.respond(margin)
            u = changed
            if ensemble.link != "identity":
                u = ensemble.respond(margin[row] + changed) - start[row]
            start = start[row[at]]
            nlm[rows][row[at]] = _nlm_of_pieces(jumps.t, u, at, start, resolution)
        return nlm

    def blocks(self) -> Iterator[slice]:
        """The rows of each block."""
        n, n_trees = self.values.base.shape[1], len(self.ensemble.depth)
        return gen_batches(n, max(1, _MOST_PATHS // n_trees))

    def walked(self, rows: slice) -> tuple[np.ndarray, _Jumps]:
        """Margins of a block before the step, without the base, and all their jumps."""
        n_rows, roots = rows.stop - rows.start, self.ensemble.first[:-1]
        n = n_rows * len(roots)
        paths = _Paths(
            np.tile(roots, n_rows),
            np.repeat(np.arange(rows.start, rows.stop), len(roots)),
            np.full(n, _BEFORE),
            np.full(n, _BEYOND),
        )
        leaves = []
        while True:
            inside = self.ensemble.feature[paths.node] >= 0
            if not inside.all():
                leaves.append(paths.at(~inside))
                paths = paths.at(inside)
            if not len(paths.node):
                break
            paths = self._advanced(paths)
        reached = leaves[0]
        for others in leaves[1:]:
            reached = reached.and_(others)
        reached = reached._replace(row=reached.row - rows.start)
        return self._margins(reached, n_rows), self._jumps(reached)

    def _advanced(self, paths: _Paths) -> _Paths:
        """The paths one level down, and those that start there on the other side."""
        ensemble, node, row = self.ensemble, paths.node, paths.row
        feature = ensemble.feature[node]
        right = self._goes_right(feature, node, self._codes[feature, row])
        child = self._child[node]
        others = None
        if self._moving:
            place = self._place[feature]
            k = np.flatnonzero(place >= 0)
            far = self._end_codes[place[k], row[k]]
            far = self._goes_right(feature[k], node[k], far)
            k, far = k[far != right[k]], far[far != right[k]]
            t = self._crossing(place[k], row[k], feature[k], node[k])
            passed_before = t <= paths.since[k]
            right[k[passed_before]] = far[passed_before]
            parts = ~passed_before & (t < paths.until[k])
            k, t = k[parts], t[parts]
            others = _Paths(child[k] + far[parts], row[k], t, paths.until[k])
            paths.until[k] = t
        paths = paths._replace(node=child + right)
        return paths if others is None else paths.and_(others)

    def _goes_right(
        self, feature: np.ndarray, node: np.ndarray, code: np.ndarray
    ) -> np.ndarray:
        ensemble = self.ensemble
        right = code > ensemble.rank[node]
        if self.values.missing:
            right |= (code < 0) & ~ensemble.missing_left[node]
        if ensemble.categories:
            k = np.flatnonzero(self._is_coded[feature])
            bit = code[k].astype(np.uint64)
            word = ensemble.sets[ensemble.rank[node[k]], code[k] >> 6]
            right[k] = (word >> (bit & np.uint64(63))) & np.uint64(1)
        return right

    def _crossing(
        self, place: np.ndarray, row: np.ndarray, feature: np.ndarray, node: np.ndarray
    ) -> np.ndarray:
        """Share of the step at which a path passes a node's threshold.

        What rounding alone sets apart from an end of the path is at that end.
        """
        cut = self._passed[self._first_cut[feature] + self.ensemble.rank[node]]
        inverse = self._inverse[place, row]
        t = (cut - self.values.base[feature, row]) * inverse
        rounding = self._rounding[place, row]
        t[t >= 1 - rounding] = 1.0
        t[t <= rounding] = 0.0
        return t

    def _margins(self, reached: _Paths, n_rows: int) -> np.ndarray:
        ensemble = self.ensemble
        own = reached.since == _BEFORE
        row, node = reached.row[own], reached.node[own]
        n_outputs = len(ensemble.base)
        place, margin = (
            row * n_outputs + self._outputs(node),
            np.zeros(n_rows * n_outputs),
        )
        for j in range(ensemble.value.shape[1]):
            added = ensemble.value[node, j]
            margin += np.bincount(place + j, added, minlength=len(margin))
        return margin.reshape(n_rows, n_outputs)

    def _outputs(self, node: np.ndarray) -> np.ndarray:
        """The first output that each leaf adds to."""
        if not self.ensemble.output.any():
            return np.zeros(len(node), dtype=np.int64)
        tree = np.searchsorted(self.ensemble.first, node, side="right") - 1
        return self.ensemble.output[tree]

    def _jumps(self, reached: _Paths) -> _Jumps:
        """What the leaves of a tree add from each piece of a path to the next."""
        ensemble = self.ensemble
        several = (reached.since > _BEFORE) | (reached.until < _BEYOND)
        _, row, since, _ = paths = reached.at(several)
        tree = np.searchsorted(ensemble.first, paths.node, side="right") - 1
        order = np.lexsort((since, tree, row))
        node, row, since = paths.node[order], row[order], since[order]
        change = np.diff(ensemble.value[node], axis=0, prepend=0.0)
        jumps = (since > _BEFORE) & (change != 0).any(axis=1)
        tree, row, t, change = (
            tree[order][jumps],
            row[jumps],
            since[jumps],
            change[jumps],
        )
        if change.shape[1] < len(ensemble.base):
            of_tree, change = change, np.zeros((len(t), len(ensemble.base)))
            change[np.arange(len(t)), ensemble.output[tree]] = of_tree[:, 0]
        order = np.lexsort((t, row))
        return _Jumps(row[order], t[order], change[order])

    # What follows is made once for all blocks.

    @cached_property
    def _moving(self) -> list[int]:
        """The features that move, in the order of the values after the step."""
        return [feature for feature, _ in self.values.row_of]

    @cached_property
    def _place(self) -> np.ndarray:
        """Where the values of each feature after the step are; −1 where it stays."""
        place = np.full(len(self.values.base), -1)
        place[self._moving] = np.arange(len(self._moving))
        return place

    @cached_property
    def _codes(self) -> np.ndarray:
        return np.stack([self._coded(j, x) for j, x in enumerate(self.values.base)])

    @cached_property
    def _end_codes(self) -> np.ndarray:
        ends = zip(self._moving, self.values.ends, strict=True)
        coded = [self._coded(j, x) for j, x in ends]
        return np.array(coded).reshape(self.values.ends.shape)

    def _coded(self, feature: int, values: np.ndarray) -> np.ndarray:
        """Cuts below each value, −1 where it is missing; a category's place."""
        ensemble = self.ensemble
        if feature in ensemble.categories:
            return values.astype(np.int64)
        if ensemble.precision.single:
            values = values.astype(np.float32).astype(np.float64)
        cuts = ensemble.cuts.get(feature, np.empty(0))
        return np.where(np.isnan(values), -1, np.searchsorted(cuts, values))

    @cached_property
    def _is_coded(self) -> np.ndarray:
        return np.isin(np.arange(len(self.values.base)), list(self.ensemble.categories))

    @cached_property
    def _child(self) -> np.ndarray:
        """The left child of each node, among all trees'."""
        first = self.ensemble.first
        return self.ensemble.child + np.repeat(first[:-1], np.diff(first))

    @cached_property
    def _first_cut(self) -> np.ndarray:
        cuts = self.ensemble.cuts
        sizes = [len(cuts.get(j, ())) for j in range(len(self.values.base))]
        return np.cumsum([0, *sizes])

    @cached_property
    def _passed(self) -> np.ndarray:
        cuts = self.ensemble.cuts
        every = np.concatenate([cuts[j] for j in sorted(cuts)] or [np.empty(0)])
        return passed(every) if self.ensemble.precision.single else every

    @cached_property
    def _inverse(self) -> np.ndarray:
        """One over how far each feature moves."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 1.0 / (self.values.ends - self.values.base[self._moving])

    @cached_property
    def _rounding(self) -> np.ndarray:
        """What rounding amounts to, as a share of the step."""
        type_ = np.float32 if self.ensemble.precision.single else np.float64
        before, ends = self.values.base[self._moving], self.values.ends
        largest = np.maximum(np.abs(before), np.abs(ends))
        with np.errstate(invalid="ignore"):
            return ROUNDING_ULPS * np.finfo(type_).eps * largest * np.abs(self._inverse)


def _nlm_of_pieces(
    t: np.ndarray,
    u: np.ndarray,
    first: np.ndarray,
    start: np.ndarray,
    resolution: float,
) -> np.ndarray:
    """NLM of paths whose value is `start` up to their first jump, and `start` + u after.

    Parameters
    ----------
    t : ndarray of shape (n_jumps,)
    u : ndarray of shape (n_jumps, n_outputs)
    first : ndarray of shape (n_paths,)
        Where the jumps of each path begin.
    start : ndarray of shape (n_paths, n_outputs)
    resolution : float
    """
    n_each = np.diff(first, append=len(t))
    last = first + n_each - 1
    until = np.append(t[1:], 1.0)
    until[last] = 1.0
    t, until, length = t[:, None], until[:, None], (until - t)[:, None]
    up_to_first, rise = t[first], u[last]

    def summed(values: np.ndarray) -> np.ndarray:
        return np.asarray(np.add.reduceat(values, first, axis=0))

    mean = summed(length * u)
    total = summed(length * (u - np.repeat(mean, n_each, axis=0)) ** 2)
    total += up_to_first * mean**2
    line = np.repeat(rise, n_each, axis=0)
    a, b = u - t * line, u - until * line
    off = summed(length * (a * a + a * b + b * b)) + up_to_first**3 * rise**2
    low = np.minimum(np.minimum.reduceat(u, first, axis=0), 0)
    high = np.maximum(np.maximum.reduceat(u, first, axis=0), 0)
    scale = np.maximum(np.abs(start + low), np.abs(start + high))
    nlm = np.full(start.shape, np.nan)
    varies = np.sqrt(total) > CONSTANT_ULPS * resolution * scale
    np.divide(off, 3 * total, out=nlm, where=varies)
    return 1 - nlm
