"""AttributionDisplay: what each feature brings to a joint step, over rows or in one row.

Over rows each feature has a strip: how its parts are spread, their middle half, and their
mean; the joint step's effect stands at the foot. In one row the parts follow each other
down a waterfall to the effect.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.weighted import weighted_mean, weighted_quantiles
from skfme._summaries.weighting import Weighting
from skfme._text.labels import joint_phrase, number, read_labels, step_title
from skfme._text.outputs import one_output
from skfme.plotting._parts.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    Display,
    check_matplotlib,
)
from skfme.plotting._parts.marks import draw_legend, frame, inner_limits, key, limits_of
from skfme.plotting._parts.texts import wrapped
from skfme.plotting._sources import Attribution

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AttributionDisplay"]

_N_BINS = 60
_HALF_STRIP = 0.38  # of the room of a feature
_BAR = 0.6
_TAIL = 0.025  # share of a strip's rows that may lie beyond either end
_TOTAL = "all together"
_BEYOND = "(the strips' ends hold rows beyond)"


@dataclass(eq=False, repr=False)
class AttributionDisplay(Display):
    """The parts of a joint step's effect, feature by feature.

    Make it with :meth:`from_attribution`, or from arrays.

    Parameters
    ----------
    parts : ndarray of shape (n_rows, n_features)
        What each feature brings, in the rows that count. They add up to the effect.
    features : list of str
        What the features are called.
    weights : Weighting or None, default=None
        Of the rows.
    response : str, default="prediction"
    row : int or None, default=None
        The row of the table whose parts are drawn as a waterfall; None draws strips.

    Attributes
    ----------
    ax_ : Axes
    axes_ : ndarray of Axes of shape (1, 1)
    figure_ : Figure

    See Also
    --------
    skfme.StepAttribution.plot : The same from an attribution.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.svm import SVR
    >>> from skfme import attribute
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> parts = attribute(SVR(C=100).fit(X, y), X, {"bmi": -2, "bp": -10})
    >>> parts.plot().features
    ['bmi −2', 'bp −10']
    >>> parts.plot(row=0).parts.shape
    (1, 2)
    """

    parts: np.ndarray
    features: list[str]
    _: KW_ONLY
    weights: Weighting | None = None
    response: str = "prediction"
    row: int | None = None

    @classmethod
    def from_attribution(
        cls,
        attribution: Attribution,
        *,
        row: int | None = None,
        output: str | None = None,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        ax: Axes | None = None,
        **options: Any,
    ) -> AttributionDisplay:
        """Draw an attribution.

        Parameters
        ----------
        attribution : StepAttribution
        row : int or None, default=None
            Position of one row, whose parts are drawn as a waterfall; None draws all
            rows as strips.
        output : str or None, default=None
            Which output, where there are several.
        labels, response_label
            As in :meth:`FMEDisplay.from_effect`.
        ax : Axes or None, default=None
        **options
            Passed to the dots of the means, or to the bars.

        Returns
        -------
        display : AttributionDisplay

        Raises
        ------
        ValueError
            If the row does not count, or there is none at this position.
        """
        check_matplotlib(f"{cls.__name__}.from_attribution")
        total, context = attribution.total, attribution.total.context
        column = one_output(context.outputs, output, "a picture of parts")
        texts = read_labels(labels, context.table)
        rows = np.flatnonzero(total.counted)
        if row is not None:
            rows = np.array([_counted(total.counted, row)])
        parts = [part.fme_2d[rows, column] for _, part in attribution.items()]
        features = [
            step_title(name, {feature: total.step[feature]}, texts)
            for name, feature in zip(attribution.changes, total.step, strict=True)
        ]
        label = response_label or context.response_label
        display = cls(
            np.stack(parts, axis=1),
            features,
            weights=context.weights.take(rows),
            response=joint_phrase(context.response, (context.outputs[column],), label),
            row=row,
        )
        return display.plot(ax=ax, **options)

    def plot(self, ax: Axes | None = None, **options: Any) -> AttributionDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
        **options
            Passed to the dots of the means, or to the bars.

        Returns
        -------
        display : AttributionDisplay
            Itself.
        """
        n = len(self.features) + 1
        self._open(ax, 1, 1, (7.2, min(1.6 + 0.5 * n, 40)))
        frame(self.ax_)
        self.ax_.axvline(0, color=PALE, linewidth=1, zorder=1)
        self._label_axes()
        if self.row is None:
            self._draw_strips(options)
        else:
            self._draw_waterfall(options)
        return self

    def _label_axes(self) -> None:
        axes, n = self.ax_, len(self.features)
        axes.axhline(n - 0.5, color=GREY, linewidth=0.8)
        names = [wrapped(name, 34) for name in (*self.features, _TOTAL)]
        axes.set_yticks(np.arange(n + 1), labels=names, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(n + 0.6, -0.6)
        what = "Part of the change" if self.row is None else f"Row {self.row}: change"
        text = f"{what} in {self.response}"
        axes.set_xlabel(wrapped(text, 60), parse_math=False)

    def _draw_strips(self, options: dict[str, Any]) -> None:
        """How parts are spread, their middle half and their mean; the total below."""
        columns = [*self.parts.T, self.parts.sum(axis=1)]
        weights = self.weights or Weighting(None, len(self.parts))
        if not len(self.parts):
            return
        low, high, cut = _range_of(columns, weights)
        edges = np.linspace(low, high, _N_BINS + 1)
        for place, values in enumerate(columns):
            colour = ORANGE if place == len(self.features) else BLUE
            self._draw_strip(values, weights, edges, place, colour, options)
        entries = [
            (key("o", color=INK), "mean"),
            (key(linestyle="-", color=INK, linewidth=3), "middle half of the rows"),
        ]
        draw_legend(self.ax_, entries)
        if cut:
            text = f"{self.ax_.get_xlabel()}\n{_BEYOND}"
            self.ax_.set_xlabel(text, parse_math=False)

    def _draw_strip(
        self,
        values: np.ndarray,
        weights: Weighting,
        edges: np.ndarray,
        place: int,
        colour: str,
        options: dict[str, Any],
    ) -> None:
        axes, mean = self.ax_, weighted_mean(values, weights)
        inside = np.clip(values, edges[0], edges[-1])
        counts, _ = np.histogram(inside, bins=edges, weights=weights.array)
        half = _HALF_STRIP * counts / max(counts.max(), 1e-300)
        axes.fill_between(
            edges, place - np.append(half, 0), place + np.append(half, 0),
            step="post", color=colour, alpha=0.3, linewidth=0, zorder=2,
        )  # fmt: skip
        q25, q75 = weighted_quantiles(values, np.array([0.25, 0.75]), weights)
        axes.hlines(place, q25, q75, color=colour, linewidth=3, zorder=3)
        style = {"color": colour, "markeredgecolor": "white", "markersize": 8}
        axes.plot([mean], [place], "o", **{**style, "zorder": 4, **options})
        axes.annotate(
            number(mean), (1, place), xycoords=axes.get_yaxis_transform(),
            xytext=(48, 0), textcoords="offset points", ha="right", va="center",
            fontsize="small", color=INK, annotation_clip=False, parse_math=False,
        )  # fmt: skip

    def _draw_waterfall(self, options: dict[str, Any]) -> None:
        """Each part from where the last one ended; the total from zero."""
        axes, parts = self.ax_, self.parts[0]
        ends = np.cumsum(parts)
        starts = np.append(ends - parts, 0.0)
        widths = np.append(parts, ends[-1])
        places = np.arange(len(widths))
        rising, falling = ORANGE, BLUE
        colours = [rising if width > 0 else falling for width in widths[:-1]] + [GREY]
        style = {"color": colours, "height": _BAR, "zorder": 2}
        axes.barh(places, widths, left=starts, **{**style, **options})
        for place, end in enumerate(ends):
            span = [place - _BAR / 2, place + 1 + _BAR / 2]
            axes.plot([end, end], span, color=INK, linewidth=0.8, zorder=3)
        axes.use_sticky_edges = False  # the values stand beside the bars' ends
        axes.margins(x=0.16)
        for place, (start, width) in enumerate(zip(starts, widths, strict=True)):
            side = 1 if width >= 0 else -1
            axes.annotate(
                ("+" if width > 0 else "") + number(width), (start + width, place),
                xytext=(5 * side, 0), textcoords="offset points", va="center",
                ha="left" if side > 0 else "right", fontsize="small", color=INK,
                parse_math=False,
            )  # fmt: skip


def _counted(counted: np.ndarray, row: Any) -> int:
    """The position of a row that counts.

    Raises
    ------
    TypeError, ValueError
    """
    n = len(counted)
    if isinstance(row, bool) or not isinstance(row, Integral):
        raise TypeError(
            f"row must be a whole number, the position of a row from 0 to {n - 1}; got "
            f"{row!r}."
        )
    place = int(row)
    if not -n <= place < n:
        raise ValueError(f"row={row} is no row: there are {n}, counted from 0.")
    if not counted[place]:
        raise ValueError(
            f"Row {row} does not count for this step, so that it has no parts; see "
            f"attribution.total.status[{row}]."
        )
    return place % n


def _range_of(
    columns: list[np.ndarray], weights: Weighting
) -> tuple[float, float, bool]:
    """The range that all strips share, and whether tails lie beyond it."""
    means = np.array([weighted_mean(values, weights) for values in columns])
    low, high = limits_of(*columns)
    near, far = inner_limits(columns, means, _TAIL)
    return near, far, near > low or far < high
