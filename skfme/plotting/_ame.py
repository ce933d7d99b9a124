"""AMEDisplay: many average effects side by side, as dots.

Dots, since an effect has no floor that a bar could stand on; the line through a dot is
an interval where one is given, else the spread of the rows, and says which.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._frames.groups import in_joint_order
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._text.compared import comparison_text
from skfme._text.labels import (
    coverage_note,
    joint_phrase,
    number,
    read_labels,
    response_words,
    step_title,
)
from skfme._text.parts import part_notes
from skfme.plotting._parts.canvas import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    PALE,
    Display,
    check_matplotlib,
)
from skfme.plotting._parts.dots import (
    dots_by_group,
    estimated_dots,
    inferred_dots,
    interval_line,
    overall_dots,
)
from skfme.plotting._parts.marks import frame
from skfme.plotting._parts.options import names_options
from skfme.plotting._parts.texts import plain, wrapped
from skfme.plotting._sources import Effects, Estimates

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["AMEDisplay"]

_LEGEND_LETTERS = 84  # on a line above the axes
_QUARTILES = "Lines: quartiles of the rows, their spread and no confidence interval"
_SPREAD = (
    "Lines: one SD of the rows to either side, their spread and no confidence interval"
)


@dataclass(eq=False, repr=False)
class AMEDisplay(Display):
    """Average marginal effects, compared on one axis.

    Make it with :meth:`from_effects`, or from a table of numbers.

    Parameters
    ----------
    table : DataFrame
        One row per dot: ``effect`` (its words), ``level`` (the group or class, or an
        empty text), ``estimate``, ``low`` and ``high`` (the ends of the line; NaN for
        none), and, to be shown beside the dot, ``n`` and ``left_out``.
    line : str, default=""
        What the lines are.
    response : str, default="prediction"
        What is predicted.
    comparison : Comparison, default=difference
        What the effects are: ``effect.comparison``.
    axis_label : str, default=""
        What the axis says where the dots are no averages of one response: contrasts,
        coefficients. Empty for averages.
    null : float, default=None
        Where the upright line stands: estimates where nothing changes. None is that of
        `comparison`.

    Attributes
    ----------
    ax_ : Axes
    axes_ : ndarray of Axes of shape (1, 1)
    figure_ : Figure
    dots_ : dict of level -> ErrorbarContainer

    See Also
    --------
    skfme.ForwardEffects.plot : The same from effects.
    skfme.statsmodels.EffectResults.plot : Of estimates with intervals.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.linear_model import LinearRegression
    >>> from skfme import ame
    >>> from skfme.plotting import AMEDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> effects = ame(LinearRegression().fit(X, y), X, "sd")
    >>> display = AMEDisplay.from_effects(effects)
    >>> display.table["effect"].iloc[0]
    's5 +1sd'
    """

    table: pd.DataFrame
    _: KW_ONLY
    line: str = ""
    response: str = "prediction"
    comparison: Comparison = DIFFERENCE
    axis_label: str = ""
    null: float | None = None

    @classmethod
    def from_results(
        cls,
        results: Estimates,
        *,
        alpha: float = 0.05,
        simultaneous: bool = False,
        ax: Axes | None = None,
        **options: Any,
    ) -> AMEDisplay:
        """Draw estimates with their intervals, one below the other.

        Parameters
        ----------
        results : EffectResults
            Averages, differences, contrasts or coefficients.
        alpha : float, default=0.05
            One minus the coverage.
        simultaneous : bool, default=False
            Whether all intervals together cover with probability 1 − alpha.
        ax : Axes or None, default=None
        **options
            Passed to :meth:`matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        display : AMEDisplay
        """
        check_matplotlib(f"{cls.__name__}.from_results")
        table = estimated_dots(results, alpha, simultaneous)
        kind = "simultaneous " if simultaneous else ""
        line = f"Lines: {kind}{100 * (1 - alpha):g} % confidence intervals."
        line += f" {coverage_note(results)}"
        label = results.title or "Estimate"
        display = cls(table, line=line, axis_label=label, null=results.null)
        return display.plot(ax=ax, **options)

    @classmethod
    def from_effects(
        cls,
        effects: Effects,
        *,
        by: Any = None,
        inference: Any = None,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        sort: bool = True,
        ax: Axes | None = None,
        **options: Any,
    ) -> AMEDisplay:
        """Draw the averages of several effects.

        Parameters
        ----------
        effects : ForwardEffects
        by : column of X, or array-like of shape (n_samples,), default=None
            Groups, each with a dot of its own.
        inference : results, default=None
            What carries intervals: an object whose ``to_frame()`` has the columns
            ``effect``, ``output`` (for several), those of groups, ``estimate``,
            ``conf_low`` and ``conf_high``, and whose ``covers`` says what for. Then
            estimates are its own.
        labels, response_label
            As in :meth:`FMEDisplay.from_effect`.
        sort : bool, default=True
            Order effects by their AME; else as they were asked for.
        ax : Axes or None, default=None
        **options
            Passed to :meth:`matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        display : AMEDisplay

        Raises
        ------
        ValueError
            If `inference` names an effect that `effects` does not have.
        """
        check_matplotlib(f"{cls.__name__}.from_effects")
        context = effects.context
        texts = read_labels(labels, context.table)
        if inference is not None:
            table, line = (
                inferred_dots(effects, inference, texts),
                interval_line(inference),
            )
        elif by is not None:
            table, line = dots_by_group(effects, by, texts), _SPREAD
        else:
            table, line = overall_dots(effects), _QUARTILES
        line = " ".join([*part_notes(context.joint), line])
        titles = {n: step_title(n, e.step, texts) for n, e in effects.items()}
        table["effect"] = table["effect"].map(titles)
        table["level"] = pd.Categorical(table["level"], _levels(table))
        label = response_words(response_label, context.response_label)
        response = joint_phrase(context.response, context.outputs, label)
        table = _sorted(table) if sort else table
        comparison = next((e.comparison for _, e in effects.items()), DIFFERENCE)
        display = cls(table, line=line, response=response, comparison=comparison)
        return display.plot(ax=ax, **options)

    @names_options
    def plot(self, ax: Axes | None = None, **options: Any) -> AMEDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes or None, default=None
        **options
            Passed to :meth:`matplotlib.axes.Axes.errorbar`.

        Returns
        -------
        display : AMEDisplay
            Itself.
        """
        table = self.table
        middles, places = _places(table)
        height = 1.4 + 0.24 * len(table) + 0.16 * len(middles)
        self._open(ax, 1, 1, (7.2, min(height, 40)))
        frame(self.ax_)
        null = self.comparison.null if self.null is None else self.null
        self.ax_.axvline(null, color=GREY, linewidth=1, zorder=1)
        self.ax_.hlines(
            places, 0, 1, color=PALE, linewidth=0.6, linestyle=":", zorder=0,
            transform=self.ax_.get_yaxis_transform(),
        )  # fmt: skip
        self.dots_ = {
            level: self._draw_dots(level, i, places, options)
            for i, level in enumerate(_levels(table))
        }
        self._label_axes(middles, places)
        _write_numbers(
            self.ax_, table, places, "estimate" if self.axis_label else "AME"
        )
        self._explain_lines()
        return self

    def _label_axes(self, middles: pd.Series, places: np.ndarray) -> None:
        axes = self.ax_
        names = [wrapped(name, 34) for name in middles.index]
        axes.set_yticks(middles.to_numpy(), labels=names, parse_math=False)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(max(places, default=0) + 0.8, min(places, default=0) - 0.8)
        text = comparison_text(self.comparison, self.response)
        if self.comparison.function is None:
            text = f"Average {text[:1].lower()}{text[1:]}"
        text += " (AME)"
        axes.set_xlabel(wrapped(self.axis_label or text, 60), parse_math=False)

    def _draw_dots(
        self, level: str, i: int, places: np.ndarray, options: dict[str, Any]
    ) -> Any:
        """The dots of one group or class, and the lines through them."""
        rows = (self.table["level"] == level).to_numpy()
        estimate, *ends = (
            self.table.loc[rows, column].to_numpy(dtype=float)
            for column in ("estimate", "low", "high")
        )
        colour = COLOURS[i % len(COLOURS)]
        self.ax_.hlines(
            places[rows], *ends, color=colour, linewidth=2, alpha=0.75, zorder=2
        )
        defaults = {"fmt": MARKERS[i % len(MARKERS)], "color": colour, "zorder": 3}
        defaults |= {"markersize": 6, "markeredgecolor": "white", "label": level}
        return self.ax_.errorbar(estimate, places[rows], **{**defaults, **options})

    def _explain_lines(self) -> None:
        """What the lines are, under the axis; and a legend of groups, above."""
        axes = self.ax_
        if self.line:
            line = self.line
            table = self.table
            if line == _QUARTILES and not _inside(table).all():
                line += "; a mean beside its line is drawn there by few large effects"
            axes.annotate(
                wrapped(line, 78), (0, 0), xycoords="axes fraction",
                xytext=(0, -36 - 10 * axes.get_xlabel().count("\n")),
                textcoords="offset points", va="top",
                fontsize="small", color=GREY, parse_math=False,
            )  # fmt: skip
        if len(self.dots_) > 1:
            names = [wrapped(level, 34) for level in self.dots_]
            longest = max(len(line) for name in names for line in name.split("\n"))
            legend = axes.legend(
                list(self.dots_.values()), names, loc="lower left", bbox_to_anchor=(0, 1),
                ncols=max(1, min(len(names), 4, _LEGEND_LETTERS // (longest + 4))),
                frameon=False, fontsize="small", borderaxespad=0.2, handletextpad=0.2,
            )  # fmt: skip
            plain(legend)


def _inside(table: pd.DataFrame) -> pd.Series:
    """Whether estimates lie on their lines."""
    estimate = table["estimate"]
    return estimate.isna() | ((estimate >= table["low"]) & (estimate <= table["high"]))


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Effects by their mean estimate, the largest first; those without one last."""
    means = table.groupby("effect", sort=False)["estimate"].transform("mean")
    order = means.sort_values(ascending=False, kind="stable").index
    return table.loc[order].reset_index(drop=True)


def _levels(table: pd.DataFrame) -> list[str]:
    """Groups or classes in their own order, which the effects have between them."""
    levels = table["level"]
    if isinstance(levels.dtype, pd.CategoricalDtype):
        return list(levels.cat.categories)
    by_effect = levels.groupby(table["effect"], sort=False)
    return list(map(str, in_joint_order(list(part) for _, part in by_effect)))


def _places(table: pd.DataFrame) -> tuple[pd.Series, np.ndarray]:
    """Heights of effects, one below the other, and of dots, groups within effects."""
    rows = table.groupby("effect", sort=False)
    room = 0.6 * (rows.size() - 1) + 1
    first = room.cumsum() - room
    places = table["effect"].map(first) + 0.6 * rows.cumcount()
    return first + (room - 1) / 2, places.to_numpy(dtype=float)


def _entry(name: str, value: float) -> str:
    if np.isnan(value):
        return ""
    return number(value) if name == "estimate" else f"{int(value):,}"


def _write_numbers(
    axes: Axes, table: pd.DataFrame, places: np.ndarray, estimate: str
) -> None:
    """Columns of numbers at the right: estimates, rows that count, and rows left out."""
    side = axes.get_yaxis_transform()
    style = {"xycoords": side, "textcoords": "offset points", "fontsize": "small"}
    columns = (
        ("estimate", estimate, 48),
        ("n", "n", 96),
        ("left_out", "left out", 148),
    )
    for name, title, offset in columns:
        if name not in table or table[name].isna().all():
            continue
        entries = [
            (place, _entry(name, value), "center", INK)
            for place, value in zip(places, table[name], strict=True)
        ]
        entries.append((min(places) - 0.75, title, "bottom", GREY))
        for place, text, va, colour in entries:
            axes.annotate(
                text, (1, place), xytext=(offset, 0), ha="right", va=va, color=colour,
                annotation_clip=False, **style,
            )  # fmt: skip
