"""AMEDisplay: many average effects side by side, as dots.

Dots, since an effect has no floor that a bar could stand on; the line through a dot is
an interval where one is given, else the spread of the rows, and says which.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._text.labels import coverage_note, joint_phrase, read_labels, step_title
from skfme.plotting._parts.canvas import (
    COLOURS,
    GREY,
    INK,
    MARKERS,
    PALE,
    axes_for,
    check_matplotlib,
    plain,
)
from skfme.plotting._parts.marks import frame, wrapped
from skfme.plotting._sources import Effect, Effects

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["AMEDisplay"]

_KNOWN = (
    "effect",
    "output",
    "estimate",
    "std_error",
    "statistic",
    "p_value",
    "conf_low",
    "conf_high",
)
QUARTILES = "Lines: quartiles of the rows, their spread and no confidence interval"
SPREAD = (
    "Lines: one SD of the rows to either side, their spread and no confidence interval"
)


class AMEDisplay:
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

    Attributes
    ----------
    ax_ : Axes
    axes_ : ndarray of Axes of shape (1, 1)
    figure_ : Figure
    dots_ : dict of level -> ErrorbarContainer

    See Also
    --------
    skfme.ForwardEffects.plot : The same from effects.

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

    def __init__(
        self, table: pd.DataFrame, *, line: str = "", response: str = "prediction"
    ) -> None:
        self.table = table
        self.line = line
        self.response = response

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
        first = next(iter(effects.values()))
        context = first.context
        known = read_labels(labels, effects.context.table)
        label = response_label or context.response_label
        if inference is not None:
            table, line = _inferred(effects, inference), _coverage(inference)
        elif by is not None:
            table, line = _by_group(effects, by), SPREAD
        else:
            table, line = _overall(effects), QUARTILES
        titles = {n: step_title(n, e.step, known) for n, e in effects.items()}
        table = table.assign(effect=table["effect"].map(titles))
        response = joint_phrase(context.response, first.outputs, label)
        table["level"] = pd.Categorical(table["level"], _levels(table))
        table = _sorted(table) if sort else table
        return cls(table, line=line, response=response).plot(ax=ax, **options)

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
        check_matplotlib(f"{type(self).__name__}.plot")
        table = self.table
        names = list(dict.fromkeys(table["effect"]))
        levels = _levels(table)
        places = _places(table, names, levels)
        height = 1.4 + 0.24 * len(table) + 0.16 * len(names)
        figure, grid = axes_for(ax, 1, 1, (7.2, min(height, 40)))
        axes = grid[0, 0]
        frame(axes, zero=False)
        axes.axvline(0, color=GREY, linewidth=1, zorder=1)
        axes.hlines(
            places, 0, 1, color=PALE, linewidth=0.6, linestyle=":", zorder=0,
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        self.dots_ = {
            level: self._dots(axes, level, i, places, options)
            for i, level in enumerate(levels)
        }
        axes.set_yticks(
            _middles(table, names, places),
            labels=[wrapped(name, 34) for name in names],
            parse_math=False,
        )
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(max(places, default=0) + 0.8, min(places, default=0) - 0.8)
        axes.set_xlabel(
            wrapped(f"Average change in {self.response} (AME)", 60), parse_math=False
        )
        _write_counts(axes, table, places)
        self._explain_lines(axes, levels)
        self.figure_: Figure = figure
        self.axes_: np.ndarray = grid
        self.ax_: Axes = axes
        return self

    def _dots(
        self, axes: Axes, level: str, i: int, places: np.ndarray, options: dict
    ) -> Any:
        """The dots of one group or class, and the lines through them."""
        rows = (self.table["level"] == level).to_numpy()
        part = self.table[rows]
        estimate = part["estimate"].to_numpy(dtype=float)
        ends = part[["low", "high"]].to_numpy(dtype=float).T
        colour = COLOURS[i % len(COLOURS)]
        axes.hlines(
            places[rows], *ends, color=colour, linewidth=2, alpha=0.75, zorder=2
        )
        defaults = {"fmt": MARKERS[i % len(MARKERS)], "color": colour, "zorder": 3}
        defaults |= {"markersize": 6, "markeredgecolor": "white", "label": level}
        return axes.errorbar(estimate, places[rows], **{**defaults, **options})

    def _explain_lines(self, axes: Axes, levels: list[str]) -> None:
        """What the lines are, under the axis; and a legend of groups, above."""
        if self.line:
            axes.annotate(
                wrapped(self.line, 78), (0, 0), xycoords="axes fraction",
                xytext=(0, -36 - 10 * axes.get_xlabel().count("\n")),
                textcoords="offset points", va="top",
                fontsize="small", color=GREY, parse_math=False,
            )  # fmt: skip
        if len(levels) > 1:
            legend = axes.legend(
                loc="lower left", bbox_to_anchor=(0, 1), ncols=min(len(levels), 4),
                frameon=False, fontsize="small", borderaxespad=0.2, handletextpad=0.2,
            )  # fmt: skip
            plain(legend)


def _overall(effects: Effects) -> pd.DataFrame:
    """One dot per effect and output, with the quartiles of its rows."""
    frame = effects.to_frame()
    several = len(effects.outputs) > 1
    return pd.DataFrame(
        {
            "effect": frame["effect"],
            "level": frame["output"] if several else "",
            "estimate": frame["ame"],
            "low": frame["q25"],
            "high": frame["q75"],
            "n": frame["n"],
            "left_out": frame[["n_missing", "n_at_target", "n_extrapolation"]].sum(
                axis=1
            ),
        }
    )


def _by_group(effects: Effects, by: Any) -> pd.DataFrame:
    """One dot per effect, group and output, with the SD of its rows."""
    parts = []
    for name, effect in effects.items():
        frame = effect.average(by=by)
        n_keys = list(frame.columns).index("n") - ("output" in frame)
        keys = [*frame.columns[:n_keys], *(["output"] if "output" in frame else [])]
        parts.append(
            pd.DataFrame(
                {
                    "effect": name,
                    "level": _joined(frame, keys),
                    "estimate": frame["ame"],
                    "low": frame["ame"] - frame["sd"],
                    "high": frame["ame"] + frame["sd"],
                    "n": frame["n"],
                    "left_out": np.nan,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _joined(frame: pd.DataFrame, keys: list) -> list[str]:
    """Groups as one text; with the column's name where one column makes them."""
    rows = frame[keys].astype(object).itertuples(index=False)
    if len(keys) == 1 and keys != ["group"]:
        return [f"{keys[0]} {row[0]}" for row in rows]
    return [", ".join(map(str, row)) for row in rows]


def _inferred(effects: Effects, inference: Any) -> pd.DataFrame:
    """One dot per estimate, with its interval."""
    frame = inference.to_frame().reset_index(drop=True)
    unknown = [name for name in frame["effect"].unique() if name not in effects]
    if unknown:
        raise ValueError(
            f"inference is about {unknown[0]!r}, which is none of the effects: "
            f"{', '.join(map(repr, effects))}."
        )
    groups = [c for c in frame.columns if c not in _KNOWN]
    several = "output" in frame and len(effects.outputs) > 1
    keys = groups + (["output"] if several else [])
    whole = [effects[name] for name in frame["effect"]]
    return pd.DataFrame(
        {
            "effect": frame["effect"],
            "level": _joined(frame, keys) if keys else "",
            "estimate": frame["estimate"],
            "low": frame["conf_low"],
            "high": frame["conf_high"],
            "n": np.nan if groups else [e.n for e in whole],
            "left_out": np.nan if groups else [_left_out(e) for e in whole],
        }
    )


def _left_out(effect: Effect) -> int:
    return sum(effect.n_left_out.values())


def _coverage(inference: Any) -> str:
    note = coverage_note(inference)
    return "Lines: confidence intervals." + (f" {note}" if note else "")


def _sorted(table: pd.DataFrame) -> pd.DataFrame:
    """Effects by their mean estimate, the largest first; those without one last."""
    order = table.groupby("effect", sort=False)["estimate"].mean()
    order = order.sort_values(ascending=False, kind="stable", na_position="last")
    rank = {name: i for i, name in enumerate(order.index)}
    return table.sort_values(
        "effect", key=lambda names: names.map(rank), kind="stable", ignore_index=True
    )


def _levels(table: pd.DataFrame) -> list[str]:
    """Groups or classes in their own order, which the fullest effect has."""
    own = table["level"]
    if isinstance(own.dtype, pd.CategoricalDtype):
        return list(own.cat.categories)
    by_effect = [list(part) for _, part in own.groupby(table["effect"], sort=False)]
    fullest = max(by_effect, key=len, default=[])
    return list(dict.fromkeys([*fullest, *own]))


def _places(table: pd.DataFrame, names: list[str], levels: list[str]) -> np.ndarray:
    """Height of each dot: effects one below the other, groups within them."""
    places, at = np.empty(len(table)), 0.0
    for name in names:
        rows = np.flatnonzero(table["effect"] == name)
        places[rows] = at + 0.6 * np.arange(len(rows))
        at += 0.6 * (len(rows) - 1) + 1
    return places


def _middles(table: pd.DataFrame, names: list[str], places: np.ndarray) -> list[float]:
    own = table["effect"].to_numpy()
    return [float(np.mean(places[own == name])) for name in names]


def _write_counts(axes: Axes, table: pd.DataFrame, places: np.ndarray) -> None:
    """Columns of numbers at the right: rows that count, and rows left out."""
    columns = [("n", "n", 52), ("left_out", "left out", 104)]
    side = axes.get_yaxis_transform()
    style = {"xycoords": side, "textcoords": "offset points", "fontsize": "small"}
    for name, title, offset in columns:
        if name not in table or table[name].isna().all():
            continue
        for place, value in zip(places, table[name], strict=True):
            text = "" if value != value else f"{int(value):,}"
            axes.annotate(
                text, (1, place), xytext=(offset, 0), ha="right", va="center",
                color=INK, annotation_clip=False, **style,
            )  # fmt: skip
        top = min(places) - 0.75
        axes.annotate(
            title, (1, top), xytext=(offset, 0), ha="right", va="bottom",
            color=GREY, annotation_clip=False, **style,
        )  # fmt: skip
