"""ExtrapolationDisplay: where the rows lie whose stepped version leaves the data.

A model's prediction there is not supported by data, so these rows do not count. The
picture shows whether they are a fringe, or whole regions of which an average says
nothing.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from skfme._summaries.weighting import Weighting
from skfme._text.labels import read_labels
from skfme._text.parts import effect_title
from skfme.plotting._parts.canvas import BLUE, ORANGE, Display, check_matplotlib
from skfme.plotting._parts.features import FeatureAxis, bin_edges, feature_axis
from skfme.plotting._parts.marks import draw_arrow, draw_legend, frame, label_counts
from skfme.plotting._parts.options import names_options
from skfme.plotting._parts.rows import counts_between, rows_under
from skfme.plotting._sources import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ExtrapolationDisplay"]


@dataclass(eq=False, repr=False)
class ExtrapolationDisplay(Display):
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

    features: Sequence[FeatureAxis]
    _: KW_ONLY
    title: str = ""

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
        table = effect.context.table
        texts = read_labels(labels, table)
        if features is None:
            features = [name for name in table.names if str(name) in effect.step]
        several = isinstance(features, (list, tuple))
        axes = [
            feature_axis(effect, column, texts)
            for column in (features if several else [features])
        ]
        n_out = effect.n_left_out["extrapolation"]
        n = effect.n + n_out
        title = (
            f"{effect_title(effect, texts)}: {n_out:,} of "
            f"{n:,} rows ({n_out / n if n else 0:.1%}) leave the data"
        )
        return cls(axes, title=title).plot(ax=ax, **options)

    @names_options
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
        panels = self._open_panels(ax, len(self.features), (6.4, 4.4), 3.8, self.title)
        for axes, feature in zip(panels, self.features, strict=True):
            _draw(axes, feature, options)
        return self


def _draw(axes: Axes, feature: FeatureAxis, options: dict[str, Any]) -> None:
    """Stacked counts of both kinds of rows along one feature."""
    frame(axes)
    inside, outside = (
        values[rows_under(np.isfinite(values))]
        for values in (feature.values, feature.left_out)
    )
    n_bins = 50 if len(inside) + len(outside) > 2000 else 30
    edges = bin_edges(feature, n_bins, inside, outside)
    below, above = (
        counts_between(values, edges, Weighting(None, len(values)))
        for values in (inside, outside)
    )
    gap = {"edgecolor": "white", "linewidth": 0.4} if feature.ticks is None else {}
    defaults = {"fill": True, "color": ORANGE, "hatch": "////", **gap}
    lower = axes.stairs(below, edges, fill=True, color=BLUE, alpha=0.55, **gap)
    upper = axes.stairs(below + above, edges, baseline=below, **{**defaults, **options})
    highest = float((below + above).max(initial=0.0)) or 1.0
    axes.set_ylim(0, 1.16 * highest)  # the step's lane is above the bars
    feature.format(axes)
    label_counts(axes, Weighting(None, len(inside)))
    left_out = f"{len(outside):,} left out: extrapolation"
    draw_legend(axes, [(lower, f"{len(inside):,} count"), (upper, left_out)])
    draw_arrow(axes, feature, 1.09 * highest / axes.get_ylim()[1])
