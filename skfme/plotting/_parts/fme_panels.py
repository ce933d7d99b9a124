"""Panels of FMEDisplay: effects against a feature, and as a distribution.

Each function draws one output of one effect on one pair of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.weighted import (
    LINEAR,
    NonLinearity,
    nonlinearity_of,
    weighted_mean,
)
from skfme._summaries.weighting import Weighting
from skfme._text.labels import number
from skfme.plotting._parts.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
)
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._parts.marks import (
    MANY,
    counts_between,
    draw_ame,
    draw_arrow,
    draw_legend,
    draw_points,
    draw_rug,
    draw_smooth,
    frame,
    label_counts,
    leave_lanes,
    limits_of,
    wrapped,
)
from skfme.plotting._parts.shades import count_shades

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "Panel",
    "draw_against",
    "draw_ecdf",
    "draw_histogram",
    "draw_nlm_against",
    "draw_nlm_histogram",
]


@dataclass(frozen=True)
class Panel:
    """One output of an effect: rows that count, and what they are called."""

    fme: np.ndarray
    nlm: np.ndarray | None
    weights: Weighting
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
    artist = draw_points(axes, axis, panel.fme, panel.weights.array, **options)
    handles, labels = [draw_ame(axes, panel.ame)], [panel.ame_text]
    smooth = draw_smooth(axes, axis, panel.fme, panel.weights.array)
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
    if artist.get_array() is not None:  # single points need no key
        shades = count_shades(artist, panel.weights.array)
        handles.append(shades)
        labels.append(shades.label)
    draw_arrow(axes, axis)
    draw_legend(axes, handles, labels)
    return artist


def _tick_handle() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="|", linestyle="", color=GREY, markersize=8)


def draw_nlm_against(axes: Axes, panel: Panel, beside: Any) -> Any:
    """NLMs against one feature, on the colours of the effects beside it."""
    assert panel.nlm is not None
    (axis,) = panel.features
    defined = ~np.isnan(panel.nlm)
    part = FeatureAxis(
        axis.values[defined], axis.label, ticks=axis.ticks, dates=axis.dates
    )
    weights = panel.weights.take(defined).array
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
    weights = panel.weights.take(defined).array
    edges = np.linspace(0, 1, 41)
    counts = counts_between(np.clip(panel.nlm[defined], 0, 1), edges, weights)
    artist = axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.75, zorder=2)
    label_counts(axes, panel.weights.array)
    _finish_nlm(axes, panel, "x")
    return artist


def _finish_nlm(axes: Axes, panel: Panel, which: str) -> None:
    """The median, the mark of a straight line, and what is not shown."""
    assert panel.nlm is not None
    frame(axes, zero=False)
    found: NonLinearity = nonlinearity_of(panel.nlm, panel.weights)
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


def draw_histogram(axes: Axes, panel: Panel, **options: Any) -> Any:
    """The distribution of effects, with the AME."""
    low, high = limits_of(panel.fme)
    n_bins = 50 if len(panel.fme) > MANY else max(10, int(2 * len(panel.fme) ** 0.4))
    edges = np.linspace(low, high, n_bins + 1)
    counts = counts_between(panel.fme, edges, panel.weights.array)
    defaults = {"fill": True, "color": BLUE, "alpha": 0.75, "zorder": 2}
    artist = axes.stairs(counts, edges, **{**defaults, **options})
    label_counts(axes, panel.weights.array)
    _finish_distribution(axes, panel, (low, high))
    return artist


def draw_ecdf(axes: Axes, panel: Panel, **options: Any) -> Any:
    """The share of rows whose effect is at most so much, with the AME."""
    low, high = limits_of(panel.fme)
    edges = np.linspace(low, high, 2001)  # finer than any screen
    counts = counts_between(panel.fme, edges, panel.weights.array)
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
    return weighted_mean(rows.astype(float), panel.weights)
