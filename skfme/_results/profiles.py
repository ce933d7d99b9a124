"""Predictions along a step, and the effects of one feature over several step sizes.

Along a step, f(x + t·h) for t from 0 to 1. Single effects live elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from skfme._engine.nonlinearity import StepPath
from skfme._engine.prediction import Response
from skfme._frames.tables import Table
from skfme._results.effects import ForwardEffects
from skfme._summaries.weighted import weighted_mean
from skfme._summaries.weighting import Weighting
from skfme._text.printing import (
    ShownTables,
    Text,
    TitledTable,
    format_number,
    notebook_page,
)
from skfme.steps._changes import NamedStep, Step

if TYPE_CHECKING:
    from skfme.plotting import PathDisplay, StepProfileDisplay

__all__ = [
    "LargestStep",
    "PathPredictions",
    "StepProfile",
    "path_predictions",
    "readable_sizes",
]

_MOST_ROWS = 10  # of paths that are printed


@dataclass(frozen=True)
class PathPredictions(ShownTables):
    """Predictions along a step, f(x + t·h) for t from 0 to 1.

    Attributes
    ----------
    name : str
        The effect.
    t : ndarray of shape (n_points,)
        Share of the step that is done.
    points : dict of str -> ndarray of shape (n_samples, n_points)
        The moving features along the way.
    predictions : ndarray of shape (n_samples, n_points) or \
            (n_samples, n_points, n_outputs)
        NaN where the stepped value is missing.
    outputs : tuple of str
    index : Index of n_samples row labels
    response : str
        The method that predicted.
    step : dict of str -> Step
        The changed features.
    """

    name: str
    t: np.ndarray
    points: dict[str, np.ndarray]
    predictions: np.ndarray
    outputs: tuple[str, ...]
    index: pd.Index
    response: str = "predict"
    step: dict[str, Step] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """One line per row, point and output.

        Returns
        -------
        frame : DataFrame
            Columns ``row``, ``t``, the moving features, ``output`` (for several),
            ``prediction`` and ``secant``, the straight line from start to end.
        """
        n, m = self.predictions.shape[:2]
        k = len(self.outputs)
        cube = self.predictions.reshape(n, m, k)
        secant = cube[:, :1] + self.t[:, None] * (cube[:, -1:] - cube[:, :1])
        columns = {"row": np.repeat(self.index.to_numpy(), m * k)}
        columns["t"] = np.tile(np.repeat(self.t, k), n)
        for feature, moved in self.points.items():
            columns[feature] = np.repeat(moved.ravel(), k)
        if k > 1:
            columns["output"] = np.tile(np.array(self.outputs), n * m)
        columns |= {"prediction": cube.ravel(), "secant": secant.ravel()}
        return pd.DataFrame(columns)

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        n, k = len(self.predictions), len(self.outputs)
        cube = self.predictions.reshape(n, -1, k)
        rows = []
        for i, label in enumerate(self.index[:_MOST_ROWS]):
            for name, path in zip(self.outputs, cube[i].T, strict=True):
                ends = path[0], path[-1], path[-1] - path[0]
                of = f"{label}[{name}]" if k > 1 else str(label)
                rows.append([of, *map(format_number, ends)])
        title = f"Predictions along {self.name}, {len(self.t)} points"
        more = n - _MOST_ROWS
        notes = (
            [f"And {more:,} more rows: see to_frame() and plot()."] if more > 0 else []
        )
        return [(title, ["row", "before", "after", "change"], rows)], notes

    def plot(self, **options: Any) -> PathDisplay:
        """Draw the predictions along the step; needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.PathDisplay.from_path`.

        Returns
        -------
        display : PathDisplay
        """
        # Here and below, so that Matplotlib is needed only to draw.
        from skfme.plotting import PathDisplay

        return PathDisplay.from_path(self, **options)


class LargestStep(NamedTuple):
    """The largest size that stays on the data and reads as linear.

    Attributes
    ----------
    size : float or None
        In the feature's units; None where no size does both.
    sentence : str
        The finding in words.
    """

    size: float | None
    sentence: str

    def __str__(self) -> str:
        return Text(self.sentence)

    def _repr_html_(self) -> str:
        return notebook_page([], [self.sentence])


@dataclass(frozen=True)
class StepProfile(ShownTables):
    """One feature's effects over a range of step sizes.

    Attributes
    ----------
    feature : str
    sizes : tuple of float
    effects : ForwardEffects
        One effect for each size.
    """

    feature: str
    sizes: tuple[float, ...]
    effects: ForwardEffects

    def to_frame(self) -> pd.DataFrame:
        """One line per size and output.

        Returns
        -------
        frame : DataFrame
            Columns ``size``, ``output`` (for several), ``n``, ``ame``, ``sd``,
            ``anlm``, ``share_zero`` (rows that count whose prediction does not change: a
            tree's plateau), ``share_extrapolation`` (of the rows that count or
            would, but for the extrapolation).
        """
        effects, n_outputs = list(self.effects.values()), len(self.effects.outputs)
        columns = ["output", "n", "ame", "sd", "anlm"]
        frame = self.effects.to_frame().reindex(columns=columns)
        frame.insert(0, "size", np.repeat(self.sizes, n_outputs))
        frame["share_zero"] = [
            _share(zero, effect.counted, effect.weights)
            for effect in effects
            for zero in (effect.fme_2d == effect.comparison.null).T
        ]
        shares = [
            _share(e.extrapolated, e.extrapolated | e.counted, e.weights)
            for e in effects
        ]
        frame["share_extrapolation"] = np.repeat(shares, n_outputs)
        return frame if n_outputs > 1 else frame.drop(columns="output")

    def largest_step(
        self, *, extrapolation: float = 0.05, anlm: float = 0.9
    ) -> LargestStep:
        """The largest size that stays on the data and reads as linear.

        Parameters
        ----------
        extrapolation : float, default=0.05
            Share of rows that may leave the data.
        anlm : float, default=0.9
            Least average non-linearity measure, of every output.

        Returns
        -------
        largest : LargestStep
            Its size, None if there is none, and a sentence.
        """
        by_size = self.to_frame().groupby("size", sort=False)
        shares = by_size["share_extrapolation"].max()
        # A NaN is no evidence of a straight line.
        anlms = by_size["anlm"].agg(lambda values: values.min(skipna=False))
        sizes = shares.index[(shares <= extrapolation) & (anlms >= anlm)]
        limits = (
            f"at most {extrapolation:.0%} of the rows extrapolated and an ANLM of "
            f"at least {anlm:g}"
        )
        if sizes.empty:
            return LargestStep(
                None, f"No step of {self.feature} among the sizes tried has {limits}."
            )
        size = max(sizes, key=lambda s: (abs(s), s))
        return LargestStep(
            float(size),
            f"The largest step of {self.feature} with {limits} is {size:+g}: "
            f"{shares[size]:.1%} extrapolated, ANLM {anlms[size]:.2f}.",
        )

    def plot(self, **options: Any) -> StepProfileDisplay:
        """Draw effects, non-linearity and extrapolation against the size of the step.

        Needs Matplotlib.

        Parameters
        ----------
        **options
            As in :meth:`skfme.plotting.StepProfileDisplay.from_profile`.

        Returns
        -------
        display : StepProfileDisplay
        """
        from skfme.plotting import StepProfileDisplay

        return StepProfileDisplay.from_profile(self, **options)

    def _shown(self) -> tuple[list[TitledTable], list[str]]:
        shares = ("share_zero", "share_extrapolation")
        rows = [
            [
                f"{row['size']:+g}" + (f"[{row['output']}]" if "output" in row else ""),
                str(row["n"]),
                *(format_number(row[key]) for key in ("ame", "sd", "anlm")),
                *("-" if math.isnan(row[k]) else f"{row[k]:.0%}" for k in shares),
            ]
            for row in self.to_frame().to_dict("records")
        ]
        header = [self.feature, "n", "AME", "SD", "ANLM", "zero", "extrapolated"]
        return [("", header, rows)], [self.largest_step().sentence]


def _share(rows: np.ndarray, of: np.ndarray, weights: Weighting) -> float:
    """Share of the rows under one mask among those under another, by weight."""
    return weighted_mean(rows[of].astype(float), weights.take(of))


def path_predictions(
    response: Response, table: Table, step: NamedStep, n_points: int
) -> PathPredictions:
    """Predict `n_points` of the path of every row whose stepped value is not missing."""
    if n_points < 2:
        raise ValueError(f"n_points must be at least 2, got {n_points!r}.")
    n_points = int(n_points)
    path = StepPath.of_step(response, table, step, n_points * len(table))
    t = np.linspace(0, 1, n_points)
    complete = np.ones(len(table), dtype=bool)
    for low, high in path.ends.values():
        complete &= ~np.isnan(low + high)
    outputs = response.outputs
    predictions = np.full((len(table), n_points, len(outputs)), np.nan)
    rows = np.flatnonzero(complete)
    if len(rows):
        predictions[rows] = path(rows, np.broadcast_to(t, (len(rows), n_points)))
    values = {
        str(table.names[position]): low[:, None] + t * (high - low)[:, None]
        for position, (low, high) in path.ends.items()
    }
    if len(outputs) == 1:
        predictions = predictions[:, :, 0]
    return PathPredictions(
        step.name,
        t,
        values,
        predictions,
        outputs,
        table.index,
        response.name,
        step.by_feature,
    )


def readable_sizes(sd: float, spread: float, integer: bool) -> list[float]:
    """Step sizes of both signs, at fractions of a training SD and of the range.

    Each is rounded to 1, 2 or 5 times a power of ten; whole for integers.
    """
    fractions = [share * sd for share in (0.1, 0.25, 0.5, 1, 2)]
    fractions += [share * spread for share in (0.01, 0.05, 0.1, 0.25, 0.5)]
    sizes = {_readable(f) for f in fractions if math.isfinite(f) and f > 0}
    if integer:
        sizes = {float(max(round(size), 1)) for size in sizes}
    return sorted(s for size in sizes for s in (-size, size))


def _readable(value: float) -> float:
    power = math.floor(math.log10(value))
    nice: Sequence[int] = (1, 2, 5, 10)
    lead = min(nice, key=lambda n: abs(math.log(value / (n * 10.0**power))))
    return float(f"{lead}e{power}")
