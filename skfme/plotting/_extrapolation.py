"""ExtrapolationDisplay: where the rows lie whose stepped version leaves the data.

A model's prediction there is not supported by data, so these rows do not count. The
picture tells whether they are a fringe, or whole regions of which an average says
nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._text.labels import read_labels, step_title
from skfme.plotting._parts.canvas import (
    BLUE,
    ORANGE,
    axes_for,
    check_matplotlib,
    columns_of,
)
from skfme.plotting._parts.features import FeatureAxis, feature_axis
from skfme.plotting._parts.marks import (
    counts_between,
    draw_arrow,
    draw_legend,
    draw_title,
    frame,
    label_counts,
)
from skfme.plotting._sources import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["ExtrapolationDisplay"]


class ExtrapolationDisplay:
    """Which rows an effect distrusts, along one or several features.

    Make it with :meth:`from_effect`, or from arrays.

    Parameters
    ----------
    features : sequence of FeatureAxis
        ``values`` of the rows that count, ``left_out`` of those that do not.
    title : str, default=""

    Attributes
    ----------
    ax_ : Axes
        The first.
    axes_ : ndarray of Axes
        One for each feature.
    figure_ : Figure

    See Also
    --------
    skfme.Envelope : Which rows these are.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import fme
    >>> from skfme.plotting import ExtrapolationDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> effect = fme(LinearRegression().fit(X, y), X, {"bmi": -2, "bp": -10})
    >>> ExtrapolationDisplay.from_effect(effect).axes_.size
    2
    """

    def __init__(self, features: Sequence[FeatureAxis], *, title: str = "") -> None:
        self.features = features
        self.title = title

    @classmethod
    def from_effect(
        cls,
        effect: Effect,
        *,
        features: Any = None,
        labels: Mapping[Hashable, str] | None = None,
        ax: Any = None,
        **options: Any,
    ) -> ExtrapolationDisplay:
        """Draw the rows that an effect leaves out as extrapolation points.

        Parameters
        ----------
        effect : ForwardEffect
        features : column, or list of columns, default=None
            Along which to look; None takes what the step changes.
        labels
            As in :meth:`FMEDisplay.from_effect`.
        ax : Axes, sequence of Axes or None, default=None
            One is divided where several are needed.
        **options
            Passed to the histogram of the rows left out.

        Returns
        -------
        display : ExtrapolationDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_effect")
        table = effect.table
        known = read_labels(labels, table)
        if features is None:
            features = [name for name in table.names if str(name) in effect.step]
        chosen = list(features) if isinstance(features, (list, tuple)) else [features]
        counted, outside = effect.counted, effect.extrapolated
        axes = [
            feature_axis(
                table,
                column,
                counted=counted,
                left_out=outside,
                step=effect.step.get(str(column)),
                categorical=column in effect.categorical_features,
                labels=known,
            )
            for column in chosen
        ]
        n, n_out = effect.n, int(np.count_nonzero(outside))
        share = n_out / (n + n_out) if n + n_out else 0.0
        title = (
            f"{step_title(effect.name, effect.step, known)}: {n_out:,} of "
            f"{n + n_out:,} rows ({share:.1%}) leave the data"
        )
        return cls(axes, title=title).plot(ax=ax, **options)

    def plot(self, ax: Any = None, **options: Any) -> ExtrapolationDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, sequence of Axes or None, default=None
        **options
            Passed to the histogram of the rows left out.

        Returns
        -------
        display : ExtrapolationDisplay
            Itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        n_rows, n_cols = columns_of(len(self.features))
        size = (6.4 if n_cols == 1 else 4.4 * n_cols, 3.8 * n_rows)
        figure, grid = axes_for(ax, n_rows, n_cols, size)
        for unused in grid.flat[len(self.features) :]:
            unused.set_axis_off()
        for axes, feature in zip(grid.flat, self.features, strict=False):
            _draw(axes, feature, options)
        draw_title(grid.flat[0], self.title, n_cols)
        self.figure_: Figure = figure
        self.axes_: np.ndarray = grid
        self.ax_: Axes = grid.flat[0]
        return self


def _draw(axes: Axes, feature: FeatureAxis, options: dict[str, Any]) -> None:
    """Stacked counts of both kinds of rows along one feature."""
    frame(axes, zero=False)
    inside, outside = _known(feature.values), _known(feature.left_out)
    edges = _edges(feature, inside, outside)
    below, above = (counts_between(values, edges) for values in (inside, outside))
    gap = {"edgecolor": "white", "linewidth": 0.4} if feature.ticks is None else {}
    handles = [
        axes.stairs(below, edges, fill=True, color=BLUE, alpha=0.55, **gap),
        axes.stairs(
            below + above,
            edges,
            baseline=below,
            **{"fill": True, "color": ORANGE, "hatch": "////", **gap, **options},
        ),
    ]
    highest = float((below + above).max()) if len(edges) > 1 else 1.0
    axes.set_ylim(0, 1.16 * highest or 1.0)  # the step's lane is above the bars
    feature.format(axes)
    label_counts(axes)
    draw_legend(
        axes,
        handles,
        [f"{len(inside):,} count", f"{len(outside):,} left out: extrapolation"],
    )
    draw_arrow(axes, feature, 1.09 * highest / axes.get_ylim()[1])


def _known(values: np.ndarray) -> np.ndarray:
    """The entries that are not missing; no copy where none are."""
    shown = np.isfinite(values)
    return values if shown.all() else values[shown]


def _edges(feature: FeatureAxis, inside: np.ndarray, outside: np.ndarray) -> np.ndarray:
    if feature.ticks is not None:
        return np.arange(len(feature.ticks) + 1) - 0.5
    both = [values for values in (inside, outside) if len(values)]
    if not both:
        return np.array([0.0, 1.0])
    low = float(min(values.min() for values in both))
    high = float(max(values.max() for values in both))
    n_bins = 50 if len(inside) + len(outside) > 2000 else 30
    return (
        np.linspace(low, high, n_bins + 1)
        if high > low
        else np.array([low - 0.5, low + 0.5])
    )
