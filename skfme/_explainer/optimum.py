"""Finding where an average prediction is best along one feature.

Curves come from the engine; of tree ensembles exact ones, of other models predictions at
values tried, then a bounded search in the best cell. What is best of a curve, and how it
is shown, is the results' job.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from numbers import Real
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd

from skfme._engine.batches import plan_rows
from skfme._engine.choice import EngineChoice
from skfme._engine.prediction import Response
from skfme._engine.response_curves import FreeFeature, exact_curves
from skfme._frames.checks import checked_weights, naming_missing_values
from skfme._frames.columns import numbers_in
from skfme._frames.contents import complete_rows
from skfme._frames.groups import groups_in, row_labels
from skfme._frames.hints import shown
from skfme._frames.schema import Column
from skfme._frames.tables import Table
from skfme._results.context import Context
from skfme._results.optima import (
    Best,
    ResponseCurve,
    ResponseOptimum,
    best_of,
    rounding_of,
)

if TYPE_CHECKING:
    from skfme._engine.trees.curves import PieceCurve

__all__ = ["OptimumRequest", "optimum_of", "read_request"]

DIRECTIONS = {"min": 1, "max": -1}
SCALES = ("auto", "linear", "log")
_N_TRIED = 121
_MOST_LEVELS = 161
_ROUNDS, _PER_ROUND = 3, 9  # of the search between values tried
_NEAR, _ALIKE = 1e-3, 1e-8  # costs of valleys, in ranges of the curve
_WIDE = 10  # positive values over such a factor are read in logarithms


class Explainer(Protocol):
    """What is read of a fitted explainer."""

    columns_: tuple[Column, ...]
    batch_size: Any
    response_label: str | None
    _response: Response
    _choice: EngineChoice


@dataclass(frozen=True)
class OptimumRequest:
    """What is asked of one table, whatever the model.

    Attributes
    ----------
    table : Table of n rows
        Those of positive weight.
    position : int
    direction : {"min", "max"}
    margin : float or None
    log : bool
    groups : ndarray of shape (n,), int
    keys : DataFrame of n_groups rows
    weight : ndarray of shape (n,)
    own : ndarray of shape (n,)
        The rows' own values of the feature, NaN where missing.
    observed : ndarray
        The distinct ones.
    """

    table: Table
    position: int
    direction: str
    margin: float | None
    log: bool
    groups: np.ndarray
    keys: pd.DataFrame
    weight: np.ndarray
    own: np.ndarray
    observed: np.ndarray

    @property
    def feature(self) -> Hashable:
        """The feature's own label."""
        return self.table.names[self.position]


def read_request(
    explainer: Explainer,
    table: Table,
    feature: Hashable,
    direction: str,
    by: Any,
    margin: float | None,
    scale: str,
    sample_weight: Any,
) -> OptimumRequest:
    """Check what is asked of a table that was checked against fit.

    Raises
    ------
    ValueError
        If the feature is no numeric column or has one value only, or a parameter is
        none that is known.
    """
    _check_options(direction, margin, scale)
    position = table.position(feature, "optimum names")
    column = explainer.columns_[position]
    if column.kind != "numeric":
        raise ValueError(
            f"optimum needs a numeric feature; {column.name!r} is {column.kind}. "
            "Compare its values with explain() and SetTo instead."
        )
    weights = checked_weights(sample_weight, table).whole()
    counted = weights > 0
    if explainer._response.complete_only:
        counted &= complete_rows(table)
    rows = np.flatnonzero(counted)
    labels = pd.DataFrame(index=range(len(rows)))
    codes, keys = np.zeros(len(rows), dtype=int), pd.DataFrame(index=[0])
    if by is not None:
        labels = row_labels(table.given, by).iloc[rows].reset_index(drop=True)
        codes, keys = groups_in(labels)
    table = table.take(rows)
    own = numbers_in(table.column(position)).astype(float)
    observed = np.unique(own[~np.isnan(own)])
    if len(observed) < 2:
        raise ValueError(
            f"{column.name!r} has {len(observed)} value in the rows of X that count; an "
            "optimum is sought among two at least."
        )
    log = _in_logs(scale, observed, column.name)
    asked = (table, position, direction, margin, log, codes, keys, weights[rows])
    return OptimumRequest(*asked, own, observed)


def _in_logs(scale: str, observed: np.ndarray, name: Hashable) -> bool:
    """Whether the feature is read in logarithms."""
    if scale == "log" and observed[0] <= 0:
        raise ValueError(
            f"scale='log' needs positive values; {name!r} has {observed[0]:g}."
        )
    wide = observed[0] > 0 and observed[-1] >= _WIDE * observed[0]
    return scale == "log" or (scale == "auto" and bool(wide))


def _check_options(direction: str, margin: float | None, scale: str) -> None:
    if direction not in DIRECTIONS:
        raise ValueError(
            "direction must be 'min' or 'max', which says whether low predictions or "
            f"high ones are good; got {direction!r}."
        )
    given: Any = margin
    known = isinstance(given, Real) and not isinstance(given, bool)
    if margin is not None and not (known and 0 <= given < np.inf):
        raise ValueError(
            "margin must be a number of at least 0, in units of the prediction, or "
            f"None; got {shown(margin)}."
        )
    if scale not in SCALES:
        raise ValueError(f"scale must be one of {SCALES}, got {scale!r}.")


def optimum_of(explainer: Explainer, request: OptimumRequest) -> ResponseOptimum:
    """The optimum of each output and group by the explainer's model."""
    table, response = request.table, explainer._response
    size = (explainer.batch_size, None)
    rows_per_call = plan_rows(len(table), table.row_bytes, *size)
    feature = FreeFeature(
        explainer._choice,
        table,
        request.position,
        request.groups,
        request.weight,
        rows_per_call,
    )
    with naming_missing_values(table):
        now = feature.now()
        exact = exact_curves(feature, request.observed)
        context = Context.of(
            table, checked_weights(None, table), response, explainer.columns_, None
        )
        search = _Search(request, feature, context.has_jumps)
        found = search.among_pieces(exact) if exact else search.by_predictions()
    curves, best = zip(*found, strict=True)
    counts = np.bincount(request.groups)
    several = len(response.outputs) > 1
    return ResponseOptimum(
        str(request.feature),
        request.direction,
        request.margin,
        request.log,
        exact is not None,
        _labels(request.keys, response.outputs if several else ()),
        np.tile(counts, len(response.outputs)),
        now.T.ravel(),
        curves,
        best,
        replace(context, response_label=explainer.response_label),
    )


def _labels(keys: pd.DataFrame, outputs: tuple[str, ...]) -> pd.DataFrame:
    if not outputs:
        return keys
    labels = pd.concat([keys] * len(outputs), ignore_index=True)
    labels.insert(0, "output", np.repeat(outputs, len(keys)))
    return labels


@dataclass(frozen=True)
class _Search:
    """The search for the optimum of each output and group, output by output."""

    request: OptimumRequest
    feature: FreeFeature
    has_jumps: bool

    def _best(self, curve: ResponseCurve) -> Best:
        request = self.request
        sign = DIRECTIONS[request.direction]
        return best_of(curve, sign, request.margin or 0.0, request.log)

    def among_pieces(self, exact: PieceCurve) -> list[tuple[ResponseCurve, Best]]:
        """Among the pieces that hold an observed value."""
        request, observed = self.request, self.request.observed
        pieces, first, held = np.unique(
            exact.piece_of(observed), return_index=True, return_counts=True
        )
        low, high = exact.ends(pieces, observed)
        place = np.searchsorted(pieces, exact.piece_of(request.own))
        found = []
        for response in exact.response.swapaxes(0, 1)[:, :, pieces]:
            for g, values in enumerate(response):
                weight = self._weights(g, place, len(pieces))
                places = (low, high, values, pieces, held, observed[first], weight)
                curve = ResponseCurve(*places)
                found.append((curve, self._best(curve)))
        return found

    def _weights(self, group: int, place: np.ndarray, n_places: int) -> np.ndarray:
        """Of a group's rows, by where their own values lie."""
        request = self.request
        counted = (request.groups == group) & ~np.isnan(request.own)
        at = np.minimum(place[counted], n_places - 1)
        return np.bincount(at, request.weight[counted], n_places)

    def _tried(self) -> np.ndarray:
        """Values at which the model is asked."""
        observed = self.request.observed
        if self.has_jumps:  # what lies between two of them is not known
            n = min(len(observed), _MOST_LEVELS)
            return observed[np.linspace(0, len(observed) - 1, n).astype(np.intp)]
        spaced = np.geomspace if self.request.log else np.linspace
        tried = spaced(observed[0], observed[-1], _N_TRIED)
        tried[[0, -1]] = observed[[0, -1]]  # rounding moves them
        return np.asarray(tried)

    def by_predictions(self) -> list[tuple[ResponseCurve, Best]]:
        """Among values tried, and of smooth models between them."""
        tried = self._tried()
        middle = (tried[1:] + tried[:-1]) / 2
        place = np.searchsorted(middle, np.nan_to_num(self.request.own))
        order, single = np.arange(len(tried)), np.ones(len(tried), dtype=int)
        found = []
        for o, response in enumerate(self.feature.curves(tried).swapaxes(0, 1)):
            for g, values in enumerate(response):
                weight = self._weights(g, place, len(tried))
                places = (tried, tried, values, order, single, tried, weight)
                curve = ResponseCurve(*places)
                best = self._best(curve)
                if self.has_jumps:  # at a value that was tried
                    nearest = tried[np.argmin(np.abs(tried - best.point))]
                    best = replace(best, point=float(nearest))
                else:
                    best = self._refined(curve, best, g, o)
                found.append((curve, best))
        return found

    def _refined(self, curve: ResponseCurve, best: Best, g: int, o: int) -> Best:
        """The optimum between the values tried, and the ends of its range."""
        if best.low == best.high:
            best = self._best_of_valleys(curve, self._between(curve, best, g, o), g, o)
        if self.request.margin is None:
            return replace(best, range_low=best.low, range_high=best.high)
        sign = DIRECTIONS[self.request.direction]
        most = sign * best.response + self.request.margin
        rows = self.feature.at(np.flatnonzero(self.feature.groups == g))

        def excess(values: np.ndarray) -> np.ndarray:
            return sign * rows.curves(values)[0, o] - most

        cells = _cells(curve.low, sign * curve.response > most, best.point)
        low, high = (_crossing(excess, *cell) for cell in cells)
        return replace(best, range_low=low, range_high=high)

    def _best_of_valleys(
        self, curve: ResponseCurve, best: Best, g: int, o: int
    ) -> Best:
        """The best of all valleys that may be as low, with the number of those that are."""
        sign = DIRECTIONS[self.request.direction]
        cost, least = sign * curve.response, sign * best.response
        here = int(np.argmin(np.abs(curve.low - best.point)))
        found = [best]
        for k in _valleys(cost, least + _NEAR * np.ptp(cost)):
            if abs(k - here) > 1:
                place, response = float(curve.low[k]), float(curve.response[k])
                start = replace(best, point=place, low=place, high=place)
                start = replace(start, response=response, open_side="")
                found.append(self._between(curve, start, g, o))
        costs = np.array([sign * other.response for other in found])
        alike = costs <= costs.min() + _ALIKE * np.ptp(cost)
        best = found[int(np.argmax(alike))]
        if self.request.margin is not None:  # what is as good is counted with it
            return best
        return replace(best, n_optima=int(np.count_nonzero(alike)))

    def _between(self, curve: ResponseCurve, best: Best, g: int, o: int) -> Best:
        """A bounded search in the two cells around the best value tried."""
        tried, sign = curve.low, DIRECTIONS[self.request.direction]
        k = int(np.searchsorted(tried, best.point))
        bracket = tried[max(k - 1, 0)], tried[min(k + 1, len(tried) - 1)]
        rows = self.feature.at(np.flatnonzero(self.feature.groups == g))
        log = self.request.log

        def cost(places: np.ndarray) -> np.ndarray:
            values = np.clip(np.exp(places) if log else places, *bracket)
            return sign * rows.curves(values)[0, o]

        bounds = np.log(bracket) if log else np.array(bracket)
        place, least = _lowest(cost, bounds[0], bounds[1])
        # Rounding alone leads nowhere, least of all away from an edge.
        if not least < sign * best.response - rounding_of(curve.response):
            return best
        point = float(np.clip(np.exp(place) if log else place, *bracket))
        response = sign * least
        return replace(
            best, point=point, low=point, high=point, response=response, open_side=""
        )


def _valleys(cost: np.ndarray, most: float) -> list[int]:
    """Places below their neighbours' costs, whose parabola goes as low as given."""
    left, middle, right = cost[:-2], cost[1:-1], cost[2:]
    bend = left - 2 * middle + right
    bent = (middle <= left) & (middle <= right) & (bend > 0)
    depth = np.divide(
        (left - right) ** 2, 8 * bend, out=np.zeros_like(bend), where=bent
    )
    return [int(k) + 1 for k in np.flatnonzero(bent & (middle - depth <= most))]


def _lowest(
    cost: Callable[[np.ndarray], np.ndarray], low: float, high: float
) -> tuple[float, float]:
    """Where a cost is lowest between two bounds, and how low: ever finer, then a parabola.

    Several places are asked at once, as a call costs a model more than a row.
    """
    for _ in range(_ROUNDS):
        places = np.linspace(low, high, _PER_ROUND)
        costs = cost(places)
        k = int(np.clip(np.argmin(costs), 1, _PER_ROUND - 2))
        low, high = places[k - 1], places[k + 1]
    bend = costs[k - 1] - 2 * costs[k] + costs[k + 1]
    found = [(float(costs[j]), float(places[j])) for j in (k - 1, k, k + 1)]
    if bend > 0:
        shift = (costs[k - 1] - costs[k + 1]) / (2 * bend)
        vertex = places[k] + float(np.clip(shift, -1, 1)) * (high - low) / 2
        found.append((float(cost(np.array([vertex]))[0]), float(vertex)))
    least, place = min(found)
    return place, least


def _cells(
    values: np.ndarray, above: np.ndarray, point: float
) -> list[tuple[float, float]]:
    """On either side of a point, the last value below and the first above; twice an edge."""
    cells = []
    for side in (values[values < point][::-1], values[values > point]):
        places = np.append(point, side)
        worse = np.flatnonzero(above[np.searchsorted(values, side)])
        k = int(worse[0]) + 1 if len(worse) else len(side)
        cells.append((float(places[k - 1 if len(worse) else k]), float(places[k])))
    return cells


def _crossing(
    excess: Callable[[np.ndarray], np.ndarray], inner: float, outer: float
) -> float:
    """Where something below zero at one place, and above at another, is zero."""
    if inner == outer:
        return inner
    for _ in range(_ROUNDS - 1):
        places = np.linspace(inner, outer, _PER_ROUND)
        found = excess(places)
        above = np.flatnonzero(found > 0)
        if not len(above) or not above[0]:  # by rounding alone
            return outer if not len(above) else inner
        inner, outer = places[above[0] - 1], places[above[0]]
        below, over = found[above[0] - 1], found[above[0]]
    return float(inner + below / (below - over) * (outer - inner))
