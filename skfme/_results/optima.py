"""The value of a feature at which an average prediction is best, and where it is as good.

v*_g = argmin (argmax) of R_g(v), the response curve of a group. Among the pieces of a
tree ensemble, or the values tried of any other model, only those compete that hold an
observed value: gaps between designed levels say nothing. How curves are computed lives in
the engine, how they are drawn in the displays; intervals are the statistics' job.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._results.context import Context
from skfme._text.printing import WIDTH, Text, format_number, html_table, text_table

if TYPE_CHECKING:
    from skfme.plotting import OptimumDisplay

__all__ = ["Best", "ResponseCurve", "ResponseOptimum", "best_of", "rounding_of"]

_SAME_ULPS = 8  # responses that differ by so little are equally good


@dataclass(frozen=True, eq=False)
class ResponseCurve:
    """Average predictions at the competing places of a feature.

    Attributes
    ----------
    low, high : ndarray of shape (n_places,)
        Ends of each place within the observed range; equal for a single value.
    response : ndarray of shape (n_places,)
    piece : ndarray of shape (n_places,), int
        Numbers of the places; those that adjoin follow each other.
    observed : ndarray of shape (n_places,), int
        Distinct observed values in each place.
    level : ndarray of shape (n_places,)
        One of them.
    weight : ndarray of shape (n_places,)
        Of the rows whose own value lies there.
    """

    low: np.ndarray
    high: np.ndarray
    response: np.ndarray
    piece: np.ndarray
    observed: np.ndarray
    level: np.ndarray
    weight: np.ndarray

    def runs(self, chosen: np.ndarray) -> list[np.ndarray]:
        """Chosen places, in runs of neighbours, whatever lies unobserved between them."""
        places = np.flatnonzero(chosen)
        breaks = np.flatnonzero(np.diff(places) != 1) + 1
        return np.split(places, breaks)


@dataclass(frozen=True)
class Best:
    """Where a curve is best.

    Attributes
    ----------
    point : float
    low, high : float
        Ends of the set of equally good values around it.
    response : float
        The average prediction there.
    range_low, range_high : float
        Ends of the values around it that are as good up to the margin.
    open_side : str
        "low", "high" or "both" where the set reaches that end of what was observed, so
        that the optimum is a bound; else empty.
    n_optima : int
        Separate sets of equally good values, up to the margin.
    """

    point: float
    low: float
    high: float
    response: float
    range_low: float
    range_high: float
    open_side: str
    n_optima: int


def best_of(curve: ResponseCurve, sign: int, margin: float, log: bool) -> Best:
    """Where a curve is lowest (sign 1) or highest (sign −1).

    Parameters
    ----------
    curve : ResponseCurve
    sign : {1, -1}
    margin : float
        What counts as no difference, in units of the response.
    log : bool
        Whether the middle of a set is that of logarithms.
    """
    cost = sign * curve.response
    least = cost.min()
    same = rounding_of(cost)
    runs = curve.runs(cost <= least + same)
    run = max(runs, key=lambda places: curve.weight[places].sum())
    low, high = curve.low[run[0]], curve.high[run[-1]]
    point = _point_of(curve, run, log)
    near = curve.runs(cost <= least + same + margin)
    around = next(places for places in near if run[0] in places)
    at_low, at_high = run[0] == 0, run[-1] == len(cost) - 1
    side = ("both" if at_high else "low") if at_low else ("high" if at_high else "")
    return Best(
        point,
        float(low),
        float(high),
        float(curve.response[run[0]]),
        float(curve.low[around[0]]),
        float(curve.high[around[-1]]),
        side,
        len(near),
    )


def rounding_of(response: np.ndarray) -> float:
    """Up to which responses differ by rounding alone."""
    return float(_SAME_ULPS * np.spacing(np.abs(response).max()))


def _point_of(curve: ResponseCurve, run: np.ndarray, log: bool) -> float:
    """The one observed value in a set of places, else their middle.

    Where nothing was observed in the middle, the nearest observed value.
    """
    low, high = curve.low[run], curve.high[run]
    if curve.observed[run].sum() == 1:
        return float(curve.level[run][0])
    middle = np.sqrt(low[0] * high[-1]) if log else (low[0] + high[-1]) / 2
    if ((low <= middle) & (middle <= high)).any() or (low == high).all():
        return float(middle)
    levels = curve.level[run]
    return float(levels[np.argmin(np.abs(levels - middle))])


@dataclass(frozen=True, eq=False, repr=False)
class ResponseOptimum:
    """Where the average prediction of each group is best along a feature.

    Made by :meth:`FMEExplainer.optimum`.

    Attributes
    ----------
    feature : str
    direction : {"min", "max"}
    margin : float or None
        What counts as no difference, in units of the response.
    log : bool
        Whether the feature is read in logarithms.
    exact : bool
        Whether the curves are those of a tree ensemble at every value; else they are
        predictions at the values tried.
    labels : DataFrame of k rows
        ``output`` (for several) and group columns.
    n : ndarray of shape (k,)
        Rows of each group.
    now : ndarray of shape (k,)
        Average prediction of the rows as they are.
    curves : tuple of ResponseCurve
    best : tuple of Best
    """

    feature: str
    direction: str
    margin: float | None
    log: bool
    exact: bool
    labels: pd.DataFrame
    n: np.ndarray
    now: np.ndarray
    curves: tuple[ResponseCurve, ...] = field(repr=False)
    best: tuple[Best, ...]
    context: Context = field(repr=False)

    @property
    def points(self) -> np.ndarray:
        """The optimum of each group, of shape (k,)."""
        return np.array([best.point for best in self.best])

    @property
    def names(self) -> list[str]:
        """Of the groups, such as ``sex=s1``."""
        if not len(self.labels.columns):
            return ["all rows"]
        return [
            ", ".join(f"{c}={v}" for c, v in zip(self.labels, row, strict=True))
            for row in self.labels.itertuples(index=False)
        ]

    def to_frame(self) -> pd.DataFrame:
        """One line per output and group.

        Returns
        -------
        frame : DataFrame
            ``output`` (for several), group columns, ``n``; ``optimum``, and ``low`` to
            ``high``, the values that are equally good; ``response`` there, and ``gain``,
            by how much that is better than the rows' present average; ``range_low`` to
            ``range_high``, the values that are as good up to the margin; ``edge``,
            whether the optimum lies at an end of what was observed, and so is a bound,
            and ``open_side``, which end; ``n_optima``, separate sets of values that are
            as good up to the margin.
        """
        response = np.array([best.response for best in self.best])
        sign = 1 if self.direction == "min" else -1
        columns = {
            "n": self.n,
            "optimum": self.points,
            "low": [best.low for best in self.best],
            "high": [best.high for best in self.best],
            "response": response,
            "gain": sign * (self.now - response),
            "range_low": [best.range_low for best in self.best],
            "range_high": [best.range_high for best in self.best],
            "edge": [bool(best.open_side) for best in self.best],
            "open_side": [best.open_side for best in self.best],
            "n_optima": [best.n_optima for best in self.best],
        }
        return self.labels.assign(**columns)

    def curve_frame(self) -> pd.DataFrame:
        """The response curves, one line per output, group and place.

        Returns
        -------
        frame : DataFrame
            ``output`` (for several), group columns, ``low`` and ``high``, the ends of a
            place (equal for a single value), and ``response``.
        """
        sizes = [len(curve.low) for curve in self.curves]
        frame = self.labels.loc[np.repeat(self.labels.index, sizes)]
        columns = {
            name: np.concatenate([getattr(curve, name) for curve in self.curves])
            for name in ("low", "high", "response")
        }
        return frame.reset_index(drop=True).assign(**columns)

    def plot(self, **options: Any) -> OptimumDisplay:
        """Draw the curves with their optima and ranges; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.OptimumDisplay.from_optimum`.

        Returns
        -------
        display : OptimumDisplay
        """
        from skfme.plotting import OptimumDisplay

        return OptimumDisplay.from_optimum(self, **options)

    def summary(self) -> Text:
        """A table in words and numbers, and what to know of it.

        Returns
        -------
        text : str
        """
        notes = [textwrap.fill(note, WIDTH) for note in self._notes()]
        table = text_table(*self._table(), WIDTH)
        return Text("\n".join([self._title(), "", table, "", *notes]))

    def _title(self) -> str:
        kind = "lowest" if self.direction == "min" else "highest"
        return f"{self.feature} at which the average prediction is {kind}"

    def _table(self) -> tuple[list[str], list[list[str]]]:
        heads = {"optimum": "optimum", "response": "prediction", "gain": "gain"}
        heads |= {"range_low": "[as good", "range_high": "]"}
        rows = [
            [name, str(row["n"]), *(format_number(row[key]) for key in heads)]
            for name, row in zip(
                self.names, self.to_frame().to_dict("records"), strict=True
            )
        ]
        return ["rows", "n", *heads.values()], rows

    def _notes(self) -> Iterator[str]:
        if self.margin is None:
            yield "As good: the same average prediction."
        else:
            yield f"As good: within {self.margin:g} of the best average prediction."
        for name, best in zip(self.names, self.best, strict=True):
            of = f" of {name}" if len(self.names) > 1 else ""
            if best.open_side == "both":
                yield (
                    f"The average prediction{of} is the same at all values that were "
                    "observed: none is better than another."
                )
            elif best.open_side:
                side = {"low": "lowest", "high": "highest"}
                yield (
                    f"The optimum{of} lies at the {side[best.open_side]} values that "
                    "were observed: a bound, not an optimum."
                )
            if best.n_optima > 1:
                yield (
                    f"{best.n_optima} separate ranges{of} are as good; the one with "
                    "the best prediction and most rows is shown."
                )
        if self.exact:
            yield "Exact at every value: the model is constant between its thresholds."
        elif self.context.has_jumps:
            yield (
                "The model's trees are not read: observed values were tried, and what "
                "lies between two of them is not known."
            )

    def __str__(self) -> str:
        return str(self.summary())

    def __repr__(self) -> str:
        return f"<ResponseOptimum of {self.feature!r}: {len(self.best)} curves>"

    def _repr_html_(self) -> str:
        return html_table(*self._table(), self._title())
