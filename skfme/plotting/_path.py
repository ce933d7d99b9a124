"""PathDisplay: what the prediction does on the way of a step.

A difference of two predictions hides what lies between them: a bend, a jump, a return.
Few rows are drawn one by one, many as a fan of quantiles of the change since the start.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._text.labels import Labels, predicted_phrases, step_title
from skfme.plotting._parts.canvas import (
    BLUE,
    COLOURS,
    INK,
    ORANGE,
    axes_for,
    check_matplotlib,
    columns_of,
)
from skfme.plotting._parts.marks import (
    draw_legend,
    draw_title,
    frame,
    limits_of,
    wrapped,
)
from skfme.plotting._sources import Path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["PathDisplay"]

MOST_LINES = 10
SAMPLE, N_BINS = 100_000, 1000
BANDS = ((0.05, 0.95), (0.25, 0.75))


class PathDisplay:
    """Predictions along a step, against the straight line from its start to its end.

    Make it with :meth:`from_path`, or from arrays.

    Parameters
    ----------
    t : ndarray of shape (n_points,)
        Share of the step that is done, from 0 to 1.
    predictions : ndarray of shape (n_rows, n_points) or (n_rows, n_points, n_outputs)
        Rows with a NaN are not drawn.
    points : ndarray of shape (n_rows, n_points), default=None
        Values of the feature that moves; None where several do.
    feature : str, default=""
        Its label.
    names : sequence, default=None
        What the rows are called.
    title : str, default=""
    response : sequence of str, default=("prediction",)
        What is predicted, one for each output.

    Attributes
    ----------
    ax_ : Axes
    axes_ : ndarray of Axes, one for each output
    figure_ : Figure
    lines_ : list of Line2D
        The path of each row, or the mean path.

    See Also
    --------
    skfme.PathPredictions.plot : The same from predictions along a step.

    Examples
    --------
    >>> import numpy as np
    >>> from skfme.plotting import PathDisplay
    >>> t = np.linspace(0, 1, 21)
    >>> display = PathDisplay(t, np.stack([t**2, t**3])).plot()
    >>> len(display.lines_)
    2
    """

    def __init__(
        self,
        t: np.ndarray,
        predictions: np.ndarray,
        *,
        points: np.ndarray | None = None,
        feature: str = "",
        names: Sequence[Any] | pd.Index | None = None,
        title: str = "",
        response: Sequence[str] = ("prediction",),
    ) -> None:
        self.t = t
        self.predictions = predictions
        self.points = points
        self.feature = feature
        self.names = names
        self.title = title
        self.response = response

    @classmethod
    def from_path(
        cls,
        path: Path,
        *,
        rows: Sequence[int] | None = None,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        kind: str = "auto",
        ax: Any = None,
        **options: Any,
    ) -> PathDisplay:
        """Draw predictions along a step.

        Parameters
        ----------
        path : PathPredictions
            From ``explainer.path(X, effect)``.
        rows : sequence of int, default=None
            Positions of the rows to draw; None draws all.
        labels, response_label
            As in :meth:`FMEDisplay.from_effect`.
        kind : {"auto", "lines", "fan"}, default="auto"
            "auto" draws at most ten rows one by one.
        ax : Axes, sequence of Axes or None, default=None
        **options
            Passed to the lines.

        Returns
        -------
        display : PathDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_path")
        chosen = slice(None) if rows is None else np.asarray(rows, dtype=np.intp)
        moved = list(path.points)
        known = Labels({str(key): text for key, text in (labels or {}).items()})
        single = moved[0] if len(moved) == 1 else None
        display = cls(
            path.t,
            path.predictions[chosen],
            points=None if single is None else path.points[single][chosen],
            feature="" if single is None else known.full(single),
            names=path.index[chosen],
            title=step_title(path.name, path.step, known),
            response=predicted_phrases(path.response, path.outputs, response_label),
        )
        return display.plot(ax=ax, kind=kind, **options)

    def plot(
        self, ax: Any = None, *, kind: str = "auto", **options: Any
    ) -> PathDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, sequence of Axes or None, default=None
        kind : {"auto", "lines", "fan"}, default="auto"
        **options
            Passed to the lines.

        Returns
        -------
        display : PathDisplay
            Itself.

        Raises
        ------
        ValueError
            If no row has a prediction all along, or `kind` is unknown.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        if kind not in ("auto", "lines", "fan"):
            raise ValueError(f"kind must be 'auto', 'lines' or 'fan', got {kind!r}.")
        cube = self.predictions.reshape(*self.predictions.shape[:2], -1)
        complete = np.flatnonzero(~np.isnan((cube[:, 0] + cube[:, -1]).sum(axis=1)))
        if not len(complete):
            raise ValueError(
                "No row has predictions along the step: its stepped values are missing."
            )
        n_rows, n_cols = columns_of(len(self.response))
        size = (6.4 if n_cols == 1 else 4.6 * n_cols, 4.2 * n_rows)
        figure, grid = axes_for(ax, n_rows, n_cols, size)
        lines = kind == "lines" or (kind == "auto" and len(complete) <= MOST_LINES)
        draw = self._draw_lines if lines else self._draw_fan
        self.lines_: list[Any] = []
        for unused in grid.flat[len(self.response) :]:
            unused.set_axis_off()
        for k, response in enumerate(self.response):
            axes = grid.flat[k]
            frame(axes, zero=not lines)
            draw(axes, cube[:, :, k], complete, response, options)
        draw_title(grid.flat[0], self.title, n_cols)
        self.figure_: Figure = figure
        self.axes_: np.ndarray = grid
        self.ax_: Axes = grid.flat[0]
        return self

    def _draw_lines(
        self,
        axes: Axes,
        paths: np.ndarray,
        rows: np.ndarray,
        response: str,
        options: dict,
    ) -> None:
        """Each row's path, with a dot at its start and a dotted secant."""
        names = range(len(paths)) if self.names is None else self.names
        handles = []
        for i, row in enumerate(rows):
            x = self.t if self.points is None else self.points[row]
            style = {"color": COLOURS[i % len(COLOURS)], "linewidth": 2, "zorder": 3}
            (line,) = axes.plot(x, paths[row], **{**style, **options})
            axes.plot(x[[0, -1]], paths[row][[0, -1]], ":", color=INK, linewidth=1.2)
            axes.plot(x[0], paths[row, 0], "o", color=line.get_color(), zorder=4)
            handles.append(line)
        self.lines_ += handles
        axes.set_xlabel(
            wrapped(self.feature or "Share of the step that is done"), parse_math=False
        )
        axes.set_ylabel(wrapped(response[:1].upper() + response[1:]), parse_math=False)
        start, secant = _key("o", ""), _key("", ":")
        labels = [f"row {names[row]}" for row in rows]
        if len(rows) > 1:
            handles, labels = (
                [*handles, start, secant],
                [*labels, "start", "straight line"],
            )
        else:
            handles, labels = [start, secant], ["start", "straight line"]
        draw_legend(axes, handles, labels)

    def _draw_fan(
        self,
        axes: Axes,
        paths: np.ndarray,
        rows: np.ndarray,
        response: str,
        options: dict,
    ) -> None:
        """Quantiles of the change since the start, the mean change and its secant."""
        x, label = self._common_axis(rows)
        spread, means = _changes(paths, rows)
        handles, labels = [], []
        for (low, high), alpha in zip(BANDS, (0.18, 0.35), strict=True):
            ends = (spread[low], spread[high])
            band = axes.fill_between(
                x, *ends, color=BLUE, alpha=alpha, linewidth=0, zorder=2
            )
            handles.append(band)
            labels.append(f"{high - low:.0%} of the rows")
        (median,) = axes.plot(x, spread[0.5], color=BLUE, linewidth=1.5, zorder=3)
        style = {"color": ORANGE, "linewidth": 2.2, "zorder": 5}
        (mean,) = axes.plot(x, means, **{**style, **options})
        (secant,) = axes.plot(x[[0, -1]], means[[0, -1]], ":", color=INK, zorder=6)
        self.lines_.append(mean)
        axes.set_xlabel(wrapped(label), parse_math=False)
        axes.set_ylabel(wrapped(f"Change in {response}"), parse_math=False)
        low_end, high_end = limits_of(spread[0.05], spread[0.95], means)
        pad = 0.04 * (high_end - low_end)
        axes.set_ylim(low_end - pad, high_end + pad)
        axes.margins(x=0.02)
        draw_legend(
            axes,
            [mean, secant, median, *handles[::-1]],
            ["mean", "its straight line", "median", *labels[::-1]],
        )

    def _common_axis(self, rows: np.ndarray) -> tuple[np.ndarray, str]:
        """The change of the feature, where it is the same for all rows; else the share."""
        if self.points is not None:
            every = len(rows) == len(self.points)
            points = self.points if every else self.points[rows]
            length = points[:, -1] - points[:, 0]
            if np.ptp(length) <= 1e-9 * np.abs(length).max():
                return self.t * length[0], f"Change in {self.feature}"
        return self.t, "Share of the step that is done"


def _changes(
    paths: np.ndarray, rows: np.ndarray
) -> tuple[dict[float, np.ndarray], np.ndarray]:
    """Quantiles over rows, and the mean, of the change since the start."""
    asked = sorted({0.5, *(q for band in BANDS for q in band)})
    every = len(rows) == len(paths)
    start = paths[:, :1] if every else paths[rows, :1]
    some = slice(None, None, max(len(rows) // SAMPLE, 1))
    sample = (paths if every else paths[rows])[some] - start[some]
    if len(sample) == len(rows):
        quantiles, means = np.quantile(sample, asked, axis=0), sample.mean(axis=0)
    else:
        quantiles, means = _binned(paths if every else paths[rows], sample, asked)
    return dict(zip(asked, quantiles, strict=True)), means


def _binned(
    paths: np.ndarray, sample: np.ndarray, asked: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of very many rows by counting, in one pass.

    A sample bounds the quantiles; within its bounds rows are counted in bins narrower
    than a pixel.
    """
    low, high = np.quantile(sample, [min(asked) / 2, (1 + max(asked)) / 2], axis=0)
    width = np.where(high > low, high - low, 1.0) / N_BINS
    n_points = paths.shape[1]
    first = np.arange(n_points) * (N_BINS + 2)
    counts = np.zeros(n_points * (N_BINS + 2))
    sums = np.zeros(n_points)
    for begin in range(0, len(paths), 4096):
        block = paths[begin : begin + 4096]
        change = block - block[:, :1]
        sums += change.sum(axis=0)
        bins = np.clip((change - low) / width + 1, 0, N_BINS + 1).astype(np.intp)
        counts += np.bincount((bins + first).ravel(), minlength=len(counts))
    reached = np.cumsum(counts.reshape(n_points, N_BINS + 2), axis=1) / len(paths)
    edges = low[:, None] + width[:, None] * np.arange(N_BINS + 2)
    quantiles = [np.interp(asked, reached[j], edges[j]) for j in range(n_points)]
    return np.array(quantiles).T, sums / len(paths)


def _key(marker: str, linestyle: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker=marker, linestyle=linestyle, color=INK)
