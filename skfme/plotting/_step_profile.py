"""StepProfileDisplay: what becomes of an effect as the step grows."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._summaries.weighted import LINEAR
from skfme._text.labels import joint_phrase, read_labels
from skfme.plotting._parts.canvas import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    axes_for,
    check_matplotlib,
)
from skfme.plotting._parts.marks import draw_legend, frame, wrapped
from skfme.plotting._sources import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["StepProfileDisplay"]

LOWEST_NLM = -1.0  # the ANLM has no lower bound, but a picture has


class StepProfileDisplay:
    """AME, non-linearity and extrapolation against the size of a step.

    Make it with :meth:`from_profile`, or from a table of numbers.

    Parameters
    ----------
    table : DataFrame
        One row per size and output: ``size``, ``output``, ``ame``, ``q25``, ``q75``,
        ``anlm``, ``share_zero`` and ``share_extrapolation``.
    feature : str, default=""
        Its label.
    response : str, default="prediction"

    Attributes
    ----------
    ax_ : Axes
        The first.
    axes_ : ndarray of Axes of shape (3, 1)
        AME, ANLM, and the shares of rows.
    figure_ : Figure

    See Also
    --------
    skfme.StepProfile.plot : The same from a profile.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.svm import SVR
    >>> from skfme import FMEExplainer
    >>> from skfme.plotting import StepProfileDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> explainer = FMEExplainer(SVR(C=100), {"bmi": -2}).fit(X, y)
    >>> profile = explainer.step_profile(X, "bmi", sizes=[-4, -2, 2, 4])
    >>> StepProfileDisplay.from_profile(profile).axes_.shape
    (3, 1)
    """

    def __init__(
        self, table: pd.DataFrame, *, feature: str = "", response: str = "prediction"
    ) -> None:
        self.table = table
        self.feature = feature
        self.response = response

    @classmethod
    def from_profile(
        cls,
        profile: Profile,
        *,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        ax: Any = None,
        **options: Any,
    ) -> StepProfileDisplay:
        """Draw a profile over step sizes.

        Parameters
        ----------
        profile : StepProfile
            From ``explainer.step_profile(X, feature)``.
        labels, response_label
            As in :meth:`FMEDisplay.from_effect`.
        ax : Axes, sequence of three Axes, or None, default=None
            One is divided.
        **options
            Passed to the lines.

        Returns
        -------
        display : StepProfileDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_profile")
        effects = profile.effects
        context = next(iter(effects.values())).context
        known = read_labels(labels, context.table)
        overview = effects.to_frame()
        frame = profile.to_frame()
        table = frame.assign(
            output=overview["output"], q25=overview["q25"], q75=overview["q75"]
        )
        label = response_label or context.response_label
        response = joint_phrase(context.response, effects.outputs, label)
        display = cls(table, feature=known.full(profile.feature), response=response)
        return display.plot(ax=ax, **options)

    def plot(self, ax: Any = None, **options: Any) -> StepProfileDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, sequence of three Axes, or None, default=None
        **options
            Passed to the lines.

        Returns
        -------
        display : StepProfileDisplay
            Itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        figure, grid = axes_for(
            ax, 3, 1, (6.4, 6.6), height_ratios=(1.5, 1, 1), sharex=True
        )
        top, middle, bottom = grid[:, 0]
        outputs = list(dict.fromkeys(self.table["output"]))
        for axes in (top, middle, bottom):
            frame(axes, zero=axes is top)
            axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
        self._draw_effect(top, outputs, options)
        self._draw_nonlinearity(middle, outputs, options)
        self._draw_shares(bottom, outputs, options)
        for axes in (top, middle):
            axes.tick_params(labelbottom=False)
        bottom.set_xlabel(
            wrapped(f"Step: change in {self.feature}", 60), parse_math=False
        )
        self.figure_: Figure = figure
        self.axes_: np.ndarray = grid
        self.ax_: Axes = top
        return self

    def _draw_effect(self, axes: Axes, outputs: list, options: dict) -> None:
        handles = []
        for i, output in enumerate(outputs):
            part, style = self._of(output), _style(i, options)
            x = part["size"].to_numpy()
            axes.fill_between(
                x,
                part["q25"],
                part["q75"],
                color=style["color"],
                alpha=0.15,
                linewidth=0,
            )
            handles += axes.plot(x, part["ame"], **style)
        axes.set_ylabel(wrapped(f"Change in {self.response}", 32), parse_math=False)
        several = len(outputs) > 1
        labels = [f"AME, {output}" if several else "AME" for output in outputs]
        draw_legend(axes, [*handles, _band()], [*labels, "middle half of the rows"])

    def _draw_nonlinearity(self, axes: Axes, outputs: list, options: dict) -> None:
        from matplotlib.ticker import MaxNLocator

        lowest = 0.0
        for i, output in enumerate(outputs):
            part, style = self._of(output), _style(i, options)
            x, anlm = part["size"].to_numpy(), part["anlm"].to_numpy()
            axes.plot(x, np.maximum(anlm, LOWEST_NLM), **style)
            beyond = anlm < LOWEST_NLM
            axes.plot(
                x[beyond], np.full(beyond.sum(), LOWEST_NLM), "v", color=INK, zorder=6
            )
            lowest = (
                min(lowest, float(np.nanmin(anlm)))
                if not np.isnan(anlm).all()
                else lowest
            )
        straight = axes.axhline(LINEAR, color=INK, linestyle=":", linewidth=1.3)
        low = max(lowest, LOWEST_NLM)
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, 1.0)
        axes.set_yticks(ticks[(ticks >= low - 1e-9) & (ticks <= 1 + 1e-9)])
        axes.set_ylim(low - 0.08, 1.06)
        axes.set_ylabel("ANLM\n(1: straight)")
        handles, labels = [straight], [f"{LINEAR}: reads as a straight line"]
        if lowest < LOWEST_NLM:
            handles.append(_marker())
            labels.append(f"below {LOWEST_NLM:g}".replace("-", "−"))
        draw_legend(axes, handles, labels)

    def _draw_shares(self, axes: Axes, outputs: list, options: dict) -> None:
        """Rows left out as extrapolation, and rows whose effect is exactly zero."""
        from matplotlib.ticker import PercentFormatter

        part = self._of(outputs[0])
        x = part["size"].to_numpy()
        outside = {
            "color": COLOURS[1],
            "marker": "o",
            "linewidth": 1.8,
            "markersize": 4,
        }
        handles = axes.plot(x, part["share_extrapolation"], **{**outside, **options})
        labels, highest = ["extrapolation"], float(part["share_extrapolation"].max())
        if (self.table["share_zero"] > 0).any():
            zero = self.table.groupby("size")["share_zero"].min()
            handles += axes.plot(x, zero[x], "--", color=GREY, marker="s", markersize=4)
            labels.append("effect exactly 0")
            highest = max(highest, float(zero.max()))
        axes.set_ylim(-0.02, max(1.05 * highest, 0.1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylabel("Share of rows")
        draw_legend(axes, handles, labels)

    def _of(self, output: Any) -> pd.DataFrame:
        return self.table[self.table["output"] == output]


def _style(i: int, options: dict) -> dict[str, Any]:
    style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
    return {**style, "linewidth": 1.8, "markersize": 4.5, "zorder": 3, **options}


def _band() -> Any:
    from matplotlib.patches import Patch

    return Patch(facecolor=COLOURS[0], alpha=0.2, linewidth=0)


def _marker() -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], marker="v", linestyle="", color=INK)
