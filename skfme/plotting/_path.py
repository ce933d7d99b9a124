"""PathDisplay: what the prediction does on the way of a step.

A difference of two predictions hides what lies between them: a bend, a jump, a return.
Few rows are drawn one by one, many as a fan of quantiles of the change since the start.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._text.labels import (
    predicted_phrases,
    read_labels,
    response_words,
    step_title,
)
from skfme.plotting._parts.canvas import (
    BLUE,
    COLOURS,
    INK,
    ORANGE,
    Display,
    check_matplotlib,
)
from skfme.plotting._parts.marks import draw_legend, draw_null, frame, key, limits_of
from skfme.plotting._parts.options import names_options
from skfme.plotting._parts.rows import rows_under
from skfme.plotting._parts.texts import wrapped
from skfme.plotting._sources import Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["PathDisplay"]

MOST_LINES = 10
SAMPLE, N_BINS = 100_000, 1000
_SHARE = "Share of the step that is done"
BANDS = {(0.05, 0.95): 0.18, (0.25, 0.75): 0.35}  # quantiles: opacity


@dataclass(eq=False, repr=False)
class PathDisplay(Display):
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

    t: np.ndarray
    predictions: np.ndarray
    _: KW_ONLY
    points: np.ndarray | None = None
    feature: str = ""
    names: Sequence[Any] | pd.Index | None = None
    title: str = ""
    response: Sequence[str] = ("prediction",)

    @classmethod
    def from_path(
        cls,
        path: Predictions,
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
        drawn = slice(None) if rows is None else np.asarray(rows, dtype=np.intp)
        texts, words = read_labels(labels), response_words(response_label)
        moved = next(iter(path.points)) if len(path.points) == 1 else None
        display = cls(
            path.t,
            path.predictions[drawn],
            points=None if moved is None else path.points[moved][drawn],
            feature="" if moved is None else texts.full(moved),
            names=path.index[drawn],
            title=step_title(path.name, path.step, texts),
            response=predicted_phrases(path.response, path.outputs, words),
        )
        return display.plot(ax=ax, kind=kind, **options)

    @names_options
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
        complete = ~np.isnan((cube[:, 0] + cube[:, -1]).sum(axis=1))
        n = np.count_nonzero(complete)
        if not n:
            raise ValueError(
                "No row has predictions along the step: its stepped values are missing."
            )
        lines = kind == "lines" or (kind == "auto" and n <= MOST_LINES)
        draw = self._draw_lines if lines else self._draw_fan
        rows = rows_under(complete)
        panels = self._open_panels(ax, len(self.response), (6.4, 4.6), 4.2, self.title)
        self.lines_: list[Any] = []
        for k, axes in enumerate(panels):
            frame(axes)
            draw(axes, k, cube[rows, :, k], rows, options)
        return self

    def _draw_lines(
        self, axes: Axes, k: int, paths: np.ndarray, rows: Any, options: dict[str, Any]
    ) -> None:
        """Predictions along the path of each row."""
        x = np.broadcast_to(self.t, paths.shape)
        if self.points is not None:
            x = self.points[rows]
        names = pd.RangeIndex(len(self.predictions))
        if self.names is not None:
            names = pd.Index(self.names)
        self.lines_ += _draw_paths(axes, x, paths, names[rows], options)
        response = self.response[k]
        axes.set_xlabel(wrapped(self.feature or _SHARE), parse_math=False)
        axes.set_ylabel(wrapped(response[:1].upper() + response[1:]), parse_math=False)

    def _draw_fan(
        self, axes: Axes, k: int, paths: np.ndarray, rows: Any, options: dict[str, Any]
    ) -> None:
        """Changes since the start, in quantiles over rows."""
        x, label = self._common_axis(rows)
        self.lines_.append(_draw_quantiles(axes, x, paths, options))
        axes.set_xlabel(wrapped(label), parse_math=False)
        axes.set_ylabel(wrapped(f"Change in {self.response[k]}"), parse_math=False)

    def _common_axis(self, rows: Any) -> tuple[np.ndarray, str]:
        """The change of the feature, where it is the same for all rows; else the share."""
        if self.points is not None:
            length = self.points[rows, -1] - self.points[rows, 0]
            if np.ptp(length) <= 1e-9 * np.abs(length).max():
                return self.t * length[0], f"Change in {self.feature}"
        return self.t, _SHARE


def _draw_paths(
    axes: Axes, x: np.ndarray, paths: np.ndarray, names: pd.Index, options: dict
) -> list[Any]:
    """Each row's path, with a dot at its start and a dotted secant."""
    lines = []
    for i, (at, path) in enumerate(zip(x, paths, strict=True)):
        style = {"color": COLOURS[i % len(COLOURS)], "linewidth": 2, "zorder": 3}
        (line,) = axes.plot(at, path, **{**style, **options})
        axes.plot(at[[0, -1]], path[[0, -1]], ":", color=INK, linewidth=1.2)
        axes.plot(at[0], path[0], "o", color=line.get_color(), zorder=4)
        lines.append(line)
    entries = [(key("o"), "start"), (key(linestyle=":"), "straight line")]
    if len(lines) > 1:
        rows = [f"row {name}" for name in names]
        entries = [*zip(lines, rows, strict=True), *entries]
    draw_legend(axes, entries)
    return lines


def _draw_quantiles(axes: Axes, x: np.ndarray, paths: np.ndarray, options: dict) -> Any:
    """Quantiles of the change since the start, the mean change and its secant."""
    draw_null(axes)
    quantiles, means = _changes(paths)
    bands: list[tuple[Any, str]] = []
    for (low, high), alpha in BANDS.items():
        style = {"color": BLUE, "alpha": alpha, "linewidth": 0, "zorder": 2}
        band = axes.fill_between(x, quantiles[low], quantiles[high], **style)
        bands.insert(0, (band, f"{high - low:.0%} of the rows"))
    (median,) = axes.plot(x, quantiles[0.5], color=BLUE, linewidth=1.5, zorder=3)
    style = {"color": ORANGE, "linewidth": 2.2, "zorder": 5}
    (mean,) = axes.plot(x, means, **{**style, **options})
    (secant,) = axes.plot(x[[0, -1]], means[[0, -1]], ":", color=INK, zorder=6)
    low, high = limits_of(*quantiles.values(), means)
    pad = 0.04 * (high - low)
    axes.set_ylim(low - pad, high + pad)
    axes.margins(x=0.02)
    lines = [(mean, "mean"), (secant, "its straight line"), (median, "median")]
    draw_legend(axes, [*lines, *bands])
    return mean


def _changes(paths: np.ndarray) -> tuple[dict[float, np.ndarray], np.ndarray]:
    """Quantiles over rows, and the mean, of the change since the start."""
    shares = sorted({0.5, *(share for band in BANDS for share in band)})
    sample = paths[:: max(len(paths) // SAMPLE, 1)]
    sample = sample - sample[:, :1]
    if len(sample) == len(paths):
        quantiles, means = np.quantile(sample, shares, axis=0), sample.mean(axis=0)
    else:
        quantiles, means = _binned(paths, sample, shares)
    return dict(zip(shares, quantiles, strict=True)), means


def _binned(
    paths: np.ndarray, sample: np.ndarray, shares: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles of very many rows by counting, in one pass.

    A sample bounds the quantiles; within its bounds rows are counted in bins narrower
    than a pixel.
    """
    low, high = np.quantile(sample, [min(shares) / 2, (1 + max(shares)) / 2], axis=0)
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
    quantiles = [np.interp(shares, reached[j], edges[j]) for j in range(n_points)]
    return np.array(quantiles).T, sums / len(paths)
