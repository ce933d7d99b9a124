"""Panels of FMEDisplay: effects against a feature, and as a distribution.

Each function draws one output of one effect on one pair of axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.weighted import LINEAR, nonlinearity_of, weighted_mean
from skfme._summaries.weighting import Weighting
from skfme._text.compared import average_text, comparison_text
from skfme._text.labels import number, told_apart
from skfme.plotting._parts.canvas import BLUE, GREY, INK, ORANGE
from skfme.plotting._parts.features import FeatureAxis
from skfme.plotting._parts.intervals import IntervalsAlong, draw_intervals
from skfme.plotting._parts.marks import (
    MANY,
    draw_ame,
    draw_arrow,
    draw_legend,
    draw_null,
    draw_points,
    draw_rug,
    draw_smooth,
    frame,
    key,
    label_counts,
    leave_lanes,
    limits_of,
)
from skfme.plotting._parts.rows import counts_between, rows_under
from skfme.plotting._parts.shades import count_shades
from skfme.plotting._parts.texts import wrapped

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
    """One output of an effect: rows that count, and what they are called.

    Attributes
    ----------
    fme, nlm : ndarray of shape (n,), or None
    weights : Weighting
    features : sequence of FeatureAxis
    response : str
    ends : tuple of float, or None
        Average predictions before and after the step.
    comparison : Comparison
    intervals : IntervalsAlong or None
        What statistics say of the effect along the one feature.
    """

    fme: np.ndarray
    nlm: np.ndarray | None
    weights: Weighting
    features: Sequence[FeatureAxis]
    response: str
    ends: tuple[float, float] | None = None
    comparison: Comparison = DIFFERENCE
    intervals: IntervalsAlong | None = None

    def take(self, rows: Any) -> Panel:
        """The same of some rows: a mask, positions or a slice."""
        features = [replace(axis, values=axis.values[rows]) for axis in self.features]
        nlm = None if self.nlm is None else self.nlm[rows]
        weights, fme = self.weights.take(rows), self.fme[rows]
        return replace(self, fme=fme, nlm=nlm, weights=weights, features=features)

    def complete(self) -> Panel:
        """The same of the rows whose values of the features are known."""
        finite = [np.isfinite(axis.values) for axis in self.features]
        return self.take(rows_under(np.logical_and.reduce(finite)))

    def of_nlm(self) -> Panel:
        """The defined NLMs, between 0 and 1, in the place of effects."""
        assert self.nlm is not None
        panel = replace(self, fme=np.clip(self.nlm, 0, 1))
        return panel.take(rows_under(~np.isnan(self.nlm)))

    @property
    def ame(self) -> float:
        if self.comparison.of_means and self.ends is not None:
            return self.comparison.of_averages([self.ends])[0]
        return weighted_mean(self.fme, self.weights)

    @property
    def ame_text(self) -> str:
        ends = "" if self.ends is None else f" ({' → '.join(told_apart(*self.ends))})"
        return f"AME {average_text(self.comparison, self.ame)}{ends}"

    @property
    def axis_text(self) -> str:
        return wrapped(comparison_text(self.comparison, self.response))


def draw_against(axes: Axes, panel: Panel, **options: Any) -> Any:
    """Effects against one feature, with the step, the AME, the local mean and a rug."""
    (axis,), rows = panel.features, panel.complete()
    frame(axes)
    draw_null(axes, panel.comparison.null)
    artist = draw_points(axes, rows.features[0], rows.fme, rows.weights, **options)
    entries = [(draw_ame(axes, panel.ame), panel.ame_text)]
    smooth = draw_smooth(axes, rows.features[0], rows.fme, rows.weights)
    if smooth is not None:
        entries.append((smooth, smooth.get_label()))
    if panel.intervals is not None:
        entries.append((draw_intervals(axes, panel.intervals), panel.intervals.text))
    leave_lanes(axes, axis, limits_of(panel.fme, null=panel.comparison.null))
    if draw_rug(axes, axis) is not None:
        tick = key("|", color=GREY, markersize=8)
        entries.append((tick, f"{len(axis.left_out):,} rows left out: extrapolation"))
    axis.format(axes)
    axes.set_ylabel(panel.axis_text, parse_math=False)
    if artist.get_array() is not None:  # single points need no key
        shades = count_shades(artist, panel.weights)
        entries.append((shades, shades.label))
    draw_arrow(axes, axis)
    draw_legend(axes, entries)
    return artist


def draw_nlm_against(axes: Axes, panel: Panel, beside: Any) -> Any:
    """NLMs against one feature, on the colours of the effects beside it."""
    rows, artist = panel.of_nlm().complete(), None
    if len(rows.fme):
        norm = beside.norm if beside.get_array() is not None else None
        artist = draw_points(axes, rows.features[0], rows.fme, rows.weights, norm)
    axes.set_ylim(-0.04, 1.04)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel(_finish_nlm(axes, panel, axes.axhline))
    axes.set_xlim(beside.axes.get_xlim())
    panel.features[0].format(axes)
    return artist


def draw_nlm_histogram(axes: Axes, panel: Panel, beside: Any) -> Any:
    """The distribution of NLMs, those below 0 in the bin at 0."""
    rows, edges = panel.of_nlm(), np.linspace(0, 1, 41)
    counts = counts_between(rows.fme, edges, rows.weights)
    artist = axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.75, zorder=2)
    label_counts(axes, panel.weights)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel(_finish_nlm(axes, panel, axes.axvline))
    return artist


def _finish_nlm(axes: Axes, panel: Panel, line: Any) -> str:
    """Lines at the median and where paths are straight; returns the axis' label."""
    assert panel.nlm is not None
    frame(axes)
    summary = nonlinearity_of(panel.nlm, panel.weights)
    entries = []
    if not np.isnan(summary.median):
        at = float(np.clip(summary.median, 0, 1))
        median = line(at, color=ORANGE, linewidth=2, zorder=5)
        entries.append((median, f"median {number(summary.median)}"))
    straight = line(LINEAR, color=INK, linestyle=":", linewidth=1.3, zorder=4)
    entries.append((straight, f"{LINEAR}: reads as a straight line"))
    if summary.n_undefined:
        entries.append((key(), f"{summary.n_undefined:,} undefined"))
    draw_legend(axes, entries)
    below = "; below 0 drawn at 0" if (panel.nlm < 0).any() else ""
    return wrapped(f"Non-linearity measure (1: straight){below}")


def draw_histogram(axes: Axes, panel: Panel, **options: Any) -> Any:
    """The distribution of effects, with the AME."""
    low, high = limits_of(panel.fme, null=panel.comparison.null)
    n_bins = 50 if len(panel.fme) > MANY else max(10, int(2 * len(panel.fme) ** 0.4))
    edges = np.linspace(low, high, n_bins + 1)
    counts = counts_between(panel.fme, edges, panel.weights)
    defaults = {"fill": True, "color": BLUE, "alpha": 0.75, "zorder": 2}
    artist = axes.stairs(counts, edges, **{**defaults, **options})
    label_counts(axes, panel.weights)
    _finish_distribution(axes, panel, (low, high))
    return artist


def draw_ecdf(axes: Axes, panel: Panel, **options: Any) -> Any:
    """The share of rows whose effect is at most so much, with the AME."""
    low, high = limits_of(panel.fme, null=panel.comparison.null)
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
    frame(axes)
    null = panel.comparison.null
    axes.axvline(null, color=GREY, linewidth=1, zorder=3)
    ame = axes.axvline(panel.ame, color=ORANGE, linewidth=2, zorder=5)
    pad = 0.03 * (ends[1] - ends[0])
    axes.set_xlim(ends[0] - pad, ends[1] + pad)
    axes.set_xlabel(panel.axis_text, parse_math=False)
    falls, rises = (
        weighted_mean(rows.astype(float), panel.weights)
        for rows in (panel.fme < null, panel.fme > null)
    )
    shares = f"falls for {falls:.0%}, rises for {rises:.0%} of the rows"
    if not panel.comparison.is_difference:
        shares = f"below {null:g}: {falls:.0%}, above: {rises:.0%} of the rows"
    draw_legend(axes, [(ame, panel.ame_text), (key(), shares)])
