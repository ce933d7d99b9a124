"""The panels of FMEDisplay: effects against a feature, over a plane, as a distribution.

Each function draws one output of one effect on one pair of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._labels import number
from skfme._summaries import LINEAR, NonLinearity, summarize_nlm, weighted_mean
from skfme.plotting._canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    effect_colours,
)
from skfme.plotting._features import FeatureAxis
from skfme.plotting._hexagons import draw_hexagons, hexagons
from skfme.plotting._marks import (
    ARROW,
    MANY,
    counts_between,
    draw_ame,
    draw_arrow,
    draw_legend,
    draw_points,
    draw_rug,
    draw_smooth,
    frame,
    leave_lanes,
    limits_of,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Panel", "draw_against", "draw_ecdf", "draw_histogram", "draw_plane"]


@dataclass(frozen=True)
class Panel:
    """One output of an effect: rows that count, and what they are called."""

    fme: np.ndarray
    nlm: np.ndarray | None
    weights: np.ndarray | None
    features: Sequence[FeatureAxis]
    response: str
    n_left_out: int

    @property
    def ame(self) -> float:
        return weighted_mean(self.fme, self.weights)

    @property
    def ame_text(self) -> str:
        return f"AME {number(self.ame)}"

    @property
    def axis_text(self) -> str:
        return wrapped(f"Change in {self.response}")


def draw_against(axes: Axes, panel: Panel, **options: Any) -> Any:
    """Effects against one feature, with the step, the AME, the local mean and a rug."""
    (axis,) = panel.features
    frame(axes)
    artist = draw_points(axes, axis, panel.fme, panel.weights, **options)
    handles, labels = [draw_ame(axes, panel.ame)], [panel.ame_text]
    smooth = draw_smooth(axes, axis, panel.fme, panel.weights)
    if smooth is not None:
        handles.append(smooth)
        labels.append(smooth.get_label())
    leave_lanes(axes, axis, limits_of(panel.fme))
    rug = draw_rug(axes, axis)
    if rug is not None:
        handles.append(_tick_handle())
        labels.append(f"{len(axis.left_out):,} rows left out: extrapolation")
    axis.format(axes)
    axes.set_ylabel(panel.axis_text, parse_math=False)
    _count_bar(axes, artist, panel.weights)
    draw_arrow(axes, axis)
    draw_legend(axes, handles, labels)
    return artist


def _tick_handle() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="|", linestyle="", color=GREY, markersize=8)


def _count_bar(axes: Axes, artist: Any, weights: np.ndarray | None) -> None:
    """What the colours of binned rows mean; single points need no key."""
    if artist.get_array() is None:
        return
    bar = axes.figure.colorbar(artist, ax=axes, pad=0.01, fraction=0.05, aspect=30)
    bar.set_label("rows" if weights is None else "weight of rows")
    bar.outline.set_visible(False)


def draw_nlm_against(axes: Axes, panel: Panel, beside: Any) -> Any:
    """NLMs against one feature, on the colours of the effects beside it."""
    assert panel.nlm is not None
    (axis,) = panel.features
    defined = ~np.isnan(panel.nlm)
    part = FeatureAxis(
        axis.values[defined], axis.label, ticks=axis.ticks, dates=axis.dates
    )
    weights = None if panel.weights is None else panel.weights[defined]
    artist = None
    if defined.any():
        norm = beside.norm if beside.get_array() is not None else None
        shown = np.clip(panel.nlm[defined], 0, 1)
        artist = draw_points(axes, part, shown, weights, norm)
    _finish_nlm(axes, panel, "y")
    low, high = beside.axes.get_xlim()
    axes.set_xlim(low, high)
    axis.format(axes)
    return artist


def draw_nlm_histogram(axes: Axes, panel: Panel, beside: Any) -> Any:
    """The distribution of NLMs, those below 0 in the bin at 0."""
    assert panel.nlm is not None
    defined = ~np.isnan(panel.nlm)
    weights = None if panel.weights is None else panel.weights[defined]
    edges = np.linspace(0, 1, 41)
    counts = counts_between(np.clip(panel.nlm[defined], 0, 1), edges, weights)
    artist = axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.75, zorder=2)
    axes.set_ylabel("rows" if panel.weights is None else "weight of rows")
    _finish_nlm(axes, panel, "x")
    return artist


def _finish_nlm(axes: Axes, panel: Panel, which: str) -> None:
    """The median, the mark of a straight line, and what is not shown."""
    assert panel.nlm is not None
    frame(axes, zero=False)
    found: NonLinearity = summarize_nlm(panel.nlm, panel.weights)
    line = axes.axhline if which == "y" else axes.axvline
    straight = line(LINEAR, color=INK, linestyle=":", linewidth=1.3, zorder=4)
    handles, labels = [straight], [f"{LINEAR}: reads as a straight line"]
    if not np.isnan(found.median):
        median = line(float(np.clip(found.median, 0, 1)), color=ORANGE, linewidth=2)
        median.set_zorder(5)
        handles.insert(0, median)
        labels.insert(0, f"median {number(found.median)}")
    text = "Non-linearity measure (1: straight)"
    if (panel.nlm < 0).any():
        text += "; below 0 drawn at 0"
    if which == "y":
        axes.set_ylim(-0.04, 1.04)
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.set_ylabel(wrapped(text))
    else:
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel(wrapped(text))
    if found.n_undefined:
        handles.append(_empty_handle())
        labels.append(f"{found.n_undefined:,} undefined")
    draw_legend(axes, handles, labels)


def _empty_handle() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle="")


def draw_plane(axes: Axes, panel: Panel, **options: Any) -> Any:
    """Effects as colours over two features, with the step as an arrow."""
    from matplotlib.colors import CenteredNorm

    first, second = panel.features
    shown = np.isfinite(first.values) & np.isfinite(second.values)
    x, y, fme = first.values, second.values, panel.fme
    weights = panel.weights
    if not shown.all():
        x, y, fme = x[shown], y[shown], fme[shown]
        weights = None if weights is None else weights[shown]
    defaults: dict[str, Any] = {"cmap": effect_colours()}
    if len(fme) <= MANY:
        half = float(np.quantile(np.abs(fme), 0.98)) or 1.0
        defaults |= {"s": 30, "edgecolors": "0.35", "linewidths": 0.3, "zorder": 2}
        defaults["norm"] = CenteredNorm(0, half)
        artist: Any = axes.scatter(x, y, c=fme, **{**defaults, **options})
    else:
        box = axes.get_window_extent()
        across = int(np.clip(box.width / 12, 16, 60))
        aspect = box.height / (0.85 * box.width)
        found = hexagons(
            x, y, across=across, aspect=aspect, weights=weights, values=fme
        )
        assert found.mean is not None
        half = float(np.quantile(np.abs(found.mean), 0.98)) or 1.0
        defaults["norm"] = CenteredNorm(0, half)
        artist = draw_hexagons(axes, found, found.mean, **{**defaults, **options})
    frame(axes, zero=False)
    _effect_bar(axes, artist, panel, half, binned=len(fme) > MANY)
    first.format(axes, "x")
    second.format(axes, "y")
    _plane_step(axes, x, y, first, second)
    if panel.n_left_out and len(first.left_out):
        _crosses(axes, first, second)
    return artist


def _effect_bar(
    axes: Axes, artist: Any, panel: Panel, half: float, binned: bool
) -> None:
    """The colour bar, with the AME marked on it."""
    beyond = "both" if np.abs(panel.fme).max() > half else "neither"
    bar = axes.figure.colorbar(
        artist, ax=axes, extend=beyond, pad=0.02, fraction=0.06, aspect=25
    )
    mean = " (mean)" if binned else ""
    bar.set_label(wrapped(f"Change in {panel.response}{mean}"), parse_math=False)
    bar.outline.set_visible(False)
    bar.ax.axhline(panel.ame, color=INK, linewidth=2)
    bar.ax.annotate(
        panel.ame_text,
        (0, panel.ame),
        xytext=(-3, 0),
        textcoords="offset points",
        xycoords=("axes fraction", "data"),
        ha="right",
        va="center",
        rotation=90,
        fontsize="small",
    )


def _plane_step(
    axes: Axes, x: np.ndarray, y: np.ndarray, first: FeatureAxis, second: FeatureAxis
) -> None:
    """The step as one arrow, in the corner that has the fewest rows."""
    if first.arrow is None or second.arrow is None:
        return
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    size = np.array([np.subtract(*first.arrow[::-1]), np.subtract(*second.arrow[::-1])])
    best, start = -1, np.zeros(2)
    for u in (0.03, 0.97):
        for v in (0.05, 0.95):
            near = (np.abs(x - x0 - u * (x1 - x0)) < 0.2 * (x1 - x0)) & (
                np.abs(y - y0 - v * (y1 - y0)) < 0.2 * (y1 - y0)
            )
            count = int(near.sum())
            if best < 0 or count < best:
                best = count
                corner = np.array([x0 + u * (x1 - x0), y0 + v * (y1 - y0)])
                low = corner - np.where(np.array([u, v]) > 0.5, np.abs(size), 0)
                start = np.where(size >= 0, low, low + np.abs(size))
    axes.annotate(
        "",
        xy=tuple(start + size),
        xytext=tuple(start),
        arrowprops=ARROW,
    )
    outwards = start[0] + size[0] / 2 > (x0 + x1) / 2
    axes.annotate(
        "step", tuple(start + size / 2), xytext=(-9 if outwards else 9, 0),
        textcoords="offset points", fontsize="small", color=INK, va="center",
        ha="right" if outwards else "left",
    )  # fmt: skip


def _crosses(axes: Axes, first: FeatureAxis, second: FeatureAxis) -> None:
    """Rows left out, as crosses; many of them as one cross for each place."""
    x, y = first.left_out, second.left_out
    shown = np.isfinite(x) & np.isfinite(y)
    x, y = x[shown], y[shown]
    if not len(x):
        return
    n = len(x)
    if n > MANY:
        places = hexagons(x, y, across=45, aspect=0.75).centres
        x, y = places.T
    crosses = axes.scatter(x, y, marker="x", s=14, color=GREY, linewidths=0.8, zorder=1)
    draw_legend(axes, [crosses], [f"{n:,} rows left out: extrapolation"])


def draw_histogram(axes: Axes, panel: Panel, **options: Any) -> Any:
    """The distribution of effects, with the AME."""
    low, high = limits_of(panel.fme)
    n_bins = 50 if len(panel.fme) > MANY else max(10, int(2 * len(panel.fme) ** 0.4))
    edges = np.linspace(low, high, n_bins + 1)
    counts = counts_between(panel.fme, edges, panel.weights)
    defaults = {"fill": True, "color": BLUE, "alpha": 0.75, "zorder": 2}
    artist = axes.stairs(counts, edges, **{**defaults, **options})
    axes.set_ylabel("rows" if panel.weights is None else "weight of rows")
    _finish_distribution(axes, panel, (low, high))
    return artist


def draw_ecdf(axes: Axes, panel: Panel, **options: Any) -> Any:
    """The share of rows whose effect is at most so much, with the AME."""
    low, high = limits_of(panel.fme)
    edges = np.linspace(low, high, 2001)  # finer than any screen
    counts = counts_between(panel.fme, edges, panel.weights)
    defaults = {"color": BLUE, "linewidth": 1.8, "zorder": 3}
    share = np.concatenate([[0.0], np.cumsum(counts) / counts.sum()])
    (artist,) = axes.plot(edges, share, **{**defaults, **options})
    axes.set_ylabel("Share of rows with at most this change")
    axes.set_ylim(0, 1.02)
    _finish_distribution(axes, panel, (low, high))
    return artist


def _finish_distribution(axes: Axes, panel: Panel, ends: tuple[float, float]) -> None:
    frame(axes, zero=False)
    axes.axvline(0, color=GREY, linewidth=1, zorder=3)
    ame = axes.axvline(panel.ame, color=ORANGE, linewidth=2, zorder=5)
    pad = 0.03 * (ends[1] - ends[0])
    axes.set_xlim(ends[0] - pad, ends[1] + pad)
    axes.set_xlabel(panel.axis_text, parse_math=False)
    below, above = _share(panel.fme < 0, panel), _share(panel.fme > 0, panel)
    handles, labels = [ame, _empty_handle()], [panel.ame_text]
    labels.append(f"falls for {below:.0%}, rises for {above:.0%} of the rows")
    draw_legend(axes, handles, labels)


def _share(rows: np.ndarray, panel: Panel) -> float:
    """Share of the rows that count, by weight, under a mask."""
    if panel.weights is None:
        return np.count_nonzero(rows) / len(rows)
    return weighted_mean(rows.astype(float), panel.weights)
