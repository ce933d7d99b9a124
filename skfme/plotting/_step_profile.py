"""StepProfileDisplay: the AME, its non-linearity and extrapolation over step sizes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.weighted import LINEAR
from skfme._text.compared import comparison_text
from skfme._text.labels import joint_phrase, read_labels, response_words
from skfme.plotting._parts.canvas import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    Display,
    check_matplotlib,
)
from skfme.plotting._parts.marks import draw_legend, draw_null, frame, key
from skfme.plotting._parts.options import names_options
from skfme.plotting._parts.texts import wrapped
from skfme.plotting._sources import Profile

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["StepProfileDisplay"]

LOWEST_NLM = -1.0  # the ANLM has no lower bound, but a picture has


@dataclass(eq=False, repr=False)
class StepProfileDisplay(Display):
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
    comparison : Comparison, default=difference

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

    table: pd.DataFrame
    _: KW_ONLY
    feature: str = ""
    response: str = "prediction"
    comparison: Comparison = DIFFERENCE

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
        context, overview = profile.effects.context, profile.effects.to_frame()
        table = profile.to_frame().assign(**overview[["output", "q25", "q75"]])
        feature = read_labels(labels, context.table).full(profile.feature)
        label = response_words(response_label, context.response_label)
        response = joint_phrase(context.response, context.outputs, label)
        comparison = next(e.comparison for _, e in profile.effects.items())
        words = {"feature": feature, "response": response}
        return cls(table, **words, comparison=comparison).plot(ax=ax, **options)

    @names_options
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
        grid = self._open(ax, 3, 1, (6.4, 6.6), height_ratios=(1.5, 1, 1), sharex=True)
        top, middle, bottom = grid[:, 0]
        for axes in (top, middle, bottom):
            frame(axes)
            axes.axvline(0, color=GREY, linewidth=0.8, linestyle=":", zorder=1)
        draw_null(top, self.comparison.null)
        self._draw_effect(top, options)
        self._draw_nonlinearity(middle, options)
        self._draw_shares(bottom, options)
        for axes in (top, middle):
            axes.tick_params(labelbottom=False)
        text = f"Step: change in {self.feature}"
        bottom.set_xlabel(wrapped(text, 60), parse_math=False)
        return self

    def _by_output(self) -> dict[Any, pd.DataFrame]:
        """Rows of the table, output by output."""
        return dict(list(self.table.groupby("output", sort=False)))

    def _draw_effect(self, axes: Axes, options: dict[str, Any]) -> None:
        """The AME, and the quartiles of the rows as a band."""
        from matplotlib.patches import Patch

        entries = []
        tables = self._by_output()
        for i, (output, rows) in enumerate(tables.items()):
            style = _style(i, options)
            band = {"color": style["color"], "alpha": 0.15, "linewidth": 0}
            axes.fill_between(rows["size"], rows["q25"], rows["q75"], **band)
            (line,) = axes.plot(rows["size"], rows["ame"], **style)
            entries.append((line, f"AME, {output}" if len(tables) > 1 else "AME"))
        axes.set_ylabel(
            wrapped(comparison_text(self.comparison, self.response), 32),
            parse_math=False,
        )
        band = Patch(facecolor=COLOURS[0], alpha=0.2, linewidth=0)
        draw_legend(axes, [*entries, (band, "middle half of the rows")])

    def _draw_nonlinearity(self, axes: Axes, options: dict[str, Any]) -> None:
        """The ANLM, and marks where it lies below the axis."""
        from matplotlib.ticker import MaxNLocator

        for i, rows in enumerate(self._by_output().values()):
            shown = rows["anlm"].clip(lower=LOWEST_NLM)
            axes.plot(rows["size"], shown, **_style(i, options))
            below = rows.loc[rows["anlm"] < LOWEST_NLM, "size"]
            axes.plot(below, [LOWEST_NLM] * len(below), "v", color=INK, zorder=6)
        straight = axes.axhline(LINEAR, color=INK, linestyle=":", linewidth=1.3)
        lowest = min(0.0, self.table["anlm"].min(skipna=True))
        low = max(lowest, LOWEST_NLM)
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, 1.0)
        axes.set_yticks(ticks[(ticks >= low - 1e-9) & (ticks <= 1 + 1e-9)])
        axes.set_ylim(low - 0.08, 1.06)
        axes.set_ylabel("ANLM\n(1: straight)")
        entries = [(straight, f"{LINEAR}: reads as a straight line")]
        if lowest < LOWEST_NLM:
            entries.append((key("v"), f"below {LOWEST_NLM:g}".replace("-", "−")))
        draw_legend(axes, entries)

    def _draw_shares(self, axes: Axes, options: dict[str, Any]) -> None:
        """Rows left out as extrapolation, and rows whose effect is exactly zero."""
        from matplotlib.ticker import PercentFormatter

        style = {"color": COLOURS[1], "linewidth": 1.8, "marker": "o", "markersize": 4}
        sizes = self.table.groupby("size", sort=False)
        outside = sizes["share_extrapolation"].first()
        (line,) = axes.plot(outside.index, outside, **{**style, **options})
        entries = [(line, "extrapolation")]
        highest = float(outside.max())
        if (self.table["share_zero"] > 0).any():
            zero = sizes["share_zero"].min()
            (line,) = axes.plot(
                zero.index, zero, "--", color=GREY, marker="s", markersize=4
            )
            entries.append((line, "no change"))
            highest = max(highest, float(zero.max()))
        axes.set_ylim(-0.02, max(1.05 * highest, 0.1))
        axes.yaxis.set_major_formatter(PercentFormatter(1))
        axes.set_ylabel("Share of rows")
        draw_legend(axes, entries)


def _style(i: int, options: dict[str, Any]) -> dict[str, Any]:
    style = {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
    return {**style, "linewidth": 1.8, "markersize": 4.5, "zorder": 3, **options}
