"""OptimumDisplay: average predictions along a feature, with their optima and ranges."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._text.labels import joint_phrase, read_labels
from skfme.plotting._parts.canvas import (
    COLOURS,
    INK,
    MARKERS,
    Display,
    check_matplotlib,
)
from skfme.plotting._parts.marks import draw_legend, frame, key
from skfme.plotting._parts.texts import wrapped
from skfme.plotting._sources import Optimum

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["OptimumDisplay"]


@dataclass(eq=False, repr=False)
class OptimumDisplay(Display):
    """Average predictions along a feature, with the optimum and its range.

    Make it with :meth:`from_optimum`, or from tables of numbers.

    Parameters
    ----------
    curves : sequence of (x, y) pairs of ndarray
        One for each group; NaN breaks a line.
    optima : DataFrame
        One row per group: ``optimum``, ``response``, ``range_low``, ``range_high`` and
        ``edge``.
    names : sequence of str
        Of the groups.
    feature : str, default=""
        Its label.
    response : str, default="prediction"
    log : bool, default=False
        Whether the feature has a logarithmic axis.

    Attributes
    ----------
    ax_ : Axes
    axes_ : ndarray of Axes of shape (1, 1)
    figure_ : Figure

    See Also
    --------
    skfme.ResponseOptimum.plot : The same from an optimum.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.svm import SVR
    >>> from skfme import FMEExplainer
    >>> from skfme.plotting import OptimumDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(SVR(C=100), {"bmi": -2}).fit(X, y)
    >>> optimum = explainer.optimum(X, "bmi", direction="min", by="sex", margin=5)
    >>> OptimumDisplay.from_optimum(optimum).axes_.shape
    (1, 1)
    """

    curves: Sequence[tuple[np.ndarray, np.ndarray]]
    optima: pd.DataFrame
    names: Sequence[str]
    _: KW_ONLY
    feature: str = ""
    response: str = "prediction"
    log: bool = False

    @classmethod
    def from_optimum(
        cls,
        optimum: Optimum,
        *,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> OptimumDisplay:
        """Draw the curves of an optimum.

        Parameters
        ----------
        optimum : ResponseOptimum
            From ``explainer.optimum(X, feature, direction=…)``.
        labels, response_label
            As in :meth:`FMEDisplay.from_effect`.
        ax : Axes or None, default=None
        **options
            Passed to the lines.

        Returns
        -------
        display : OptimumDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_optimum")
        context = optimum.context
        feature = read_labels(labels, context.table).full(optimum.feature)
        label = response_label or context.response_label
        response = joint_phrase(context.response, context.outputs, label)
        curves = [_line(curve, optimum.exact) for curve in optimum.curves]
        drawn = cls(
            curves,
            optimum.to_frame(),
            optimum.names,
            feature=feature,
            response=response,
            log=optimum.log,
        )
        return drawn.plot(ax=ax, **options)

    def plot(self, ax: Any = None, **options: Any) -> OptimumDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
        **options
            Passed to the lines.

        Returns
        -------
        display : OptimumDisplay
            Itself.
        """
        axes = self._open(ax, 1, 1, (6.4, 4.4))[0, 0]
        frame(axes)
        if self.log:
            _log_axis(axes)
        for i, ((x, y), best) in enumerate(
            zip(self.curves, self.optima.to_dict("records"), strict=True)
        ):
            colour = COLOURS[i % len(COLOURS)]
            axes.plot(x, y, **{"color": colour, "linewidth": 1.8, **options})
            _draw_best(axes, best, colour, MARKERS[i % len(MARKERS)])
        text = wrapped(f"Average {self.response}", 40)
        axes.set_xlabel(wrapped(self.feature, 60), parse_math=False)
        axes.set_ylabel(text, parse_math=False)
        axes.margins(y=0.1)
        draw_legend(axes, self._entries())
        return self

    def _entries(self) -> list[tuple[Any, str]]:
        """Groups, and what the marks mean."""
        entries = []
        for i, name in enumerate(self.names if len(self.names) > 1 else ()):
            style = {"color": COLOURS[i % len(COLOURS)], "markersize": 5}
            entries.append((key(MARKERS[i % len(MARKERS)], "-", **style), name))
        edge = self.optima["edge"].to_numpy(dtype=bool)
        if not edge.all():
            entries.append((key("o"), "optimum"))
        if edge.any():
            entries.append((key("o", markerfacecolor="white"), "bound: at the edge"))
        entries.append((key("", "-", linewidth=6, alpha=0.3), "as good"))
        return entries


def _line(curve: Any, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """A curve as a line: steps of pieces, with gaps where nothing was observed."""
    if not exact:
        return curve.low, curve.response
    x = np.column_stack([curve.low, curve.high, np.full(len(curve.low), np.nan)])
    y = np.repeat(curve.response[:, None], 3, axis=1)
    # Neighbours are joined by a rise, others by nothing.
    joined = np.append(np.diff(curve.piece) == 1, False)
    x[joined, 2] = curve.high[joined]
    y[joined, 2] = curve.response[1:][joined[:-1]]
    return x.ravel(), y.ravel()


def _draw_best(axes: Axes, best: Mapping[Any, Any], colour: str, marker: str) -> None:
    """The optimum as a mark, open where it is a bound, on the bar of its range."""
    ends, level = [best["range_low"], best["range_high"]], best["response"]
    axes.plot(
        ends, [level, level], color=colour, linewidth=6, alpha=0.3, zorder=2,
        solid_capstyle="butt",
    )  # fmt: skip
    face = "white" if best["edge"] else colour
    axes.plot(
        best["optimum"], level, marker, color=colour, markerfacecolor=face,
        markeredgecolor=colour if best["edge"] else INK, markersize=7, zorder=5,
    )  # fmt: skip


def _log_axis(axes: Axes) -> None:
    """Logarithms with ticks that read as numbers."""
    from matplotlib.ticker import LogLocator, StrMethodFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter("")
