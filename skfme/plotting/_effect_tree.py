"""EffectTreeDisplay: the regions in which an effect differs, as a tree over histograms.

The tree's leaves stand over columns. All histograms share one upright axis of effects,
so that regions are compared by height.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._frames.columns import as_vector
from skfme._frames.tables import as_table
from skfme._text.labels import Labels, coverage_note, number, read_labels
from skfme.plotting._parts.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    axes_for,
    check_matplotlib,
)
from skfme.plotting._parts.marks import BLOCK, draw_title, limits_of, within, wrapped
from skfme.plotting._parts.tree_layout import (
    Box,
    Places,
    places,
    write_numbers,
    write_rules,
)
from skfme.plotting._sources import Tree

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


__all__ = ["EffectTreeDisplay"]

_SPREAD = (
    "Dot and line: cAME ± 1 SD of the region's rows (spread, no confidence interval)."
)
LEAF = 0.8  # inches for the numbers of a leaf
_INTERVAL = "Dot and line: cAME and its confidence interval."


class EffectTreeDisplay:
    """A tree over effects, with the effects' distribution in each region.

    Make it with :meth:`from_tree`, or from tables.

    Parameters
    ----------
    nodes : DataFrame
        One row per node, in pre-order: ``left`` and ``right`` (positions of the
        children, −1 for none), ``variable`` (label of what is split), ``edge`` (the
        condition that leads here), ``n``, ``cAME``, ``SD``.
    counts : ndarray of shape (n_leaves, n_bins)
        Rows of each leaf by effect.
    edges : ndarray of shape (n_bins + 1,)
        Ends of the bins.
    intervals : ndarray of shape (n_leaves, 2), default=None
        Confidence intervals of the cAMEs; None draws one SD to either side.
    covers : str, default=""
        What the intervals cover, in a sentence.
    response : str, default="prediction"
        What is predicted.
    title : str, default=""

    Attributes
    ----------
    ax_ : Axes
        Of the tree.
    axes_ : ndarray of Axes of shape (2, 1)
        Of the tree and of the histograms.
    figure_ : Figure
    texts_ : list of Text

    See Also
    --------
    skfme.statsmodels.EffectTree.plot : The same from a tree.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.ensemble import RandomForestRegressor
    >>> from skfme import came, fme
    >>> from skfme.plotting import EffectTreeDisplay
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    >>> forest = RandomForestRegressor(min_samples_leaf=5, random_state=0).fit(X, y)
    >>> tree = came(fme(forest, X, {"bmi": -2}), n_partitions=2)
    >>> EffectTreeDisplay.from_tree(tree).counts.shape
    (2, 40)
    """

    def __init__(
        self,
        nodes: pd.DataFrame,
        counts: np.ndarray,
        edges: np.ndarray,
        *,
        intervals: np.ndarray | None = None,
        covers: str = "",
        response: str = "prediction",
        title: str = "",
    ) -> None:
        self.nodes = nodes
        self.counts = counts
        self.edges = edges
        self.intervals = intervals
        self.covers = covers
        self.response = response
        self.title = title

    @classmethod
    def from_tree(
        cls,
        tree: Tree,
        X: Any = None,
        y: Any = None,
        *,
        inference: Any = None,
        labels: Mapping[Hashable, str] | None = None,
        response_label: str | None = None,
        title: str = "",
        ax: Any = None,
        **options: Any,
    ) -> EffectTreeDisplay:
        """Draw a fitted tree.

        Parameters
        ----------
        tree : EffectTree
        X, y : table of shape (n_samples, n_features), array-like of (n_samples,)
            Rows and effects of the histograms; None takes those of ``fit``, which a
            pickled tree does not carry.
        inference : results, default=None
            Intervals of the cAMEs: an object whose ``to_frame()`` has ``conf_low``,
            ``conf_high`` and a column with the tree's subspaces (the index of
            ``tree.partitions_``, or its rules).
        labels, response_label
            As in :meth:`FMEDisplay.from_effect`.
        title : str, default=""
        ax : Axes, sequence of two Axes, or None, default=None
            One is divided.
        **options
            Passed to the histograms, :meth:`matplotlib.axes.Axes.stairs`.

        Returns
        -------
        display : EffectTreeDisplay

        Raises
        ------
        ValueError
            If a pickled tree is drawn without rows, or `inference` is not about this
            tree's subspaces.
        """
        check_matplotlib(f"{cls.__name__}.from_tree")
        drawn = tree._for_display()
        effects, leaves, weights = _rows(tree, X, y, drawn.rows)
        nodes = tree.nodes_.assign(edge=drawn.edges)
        ids = tree.partitions_.index.to_numpy()
        n_bins = int(np.clip(4 * np.sqrt(nodes.loc[ids, "n"].median()), 12, 40))
        edges = np.linspace(*_limits(effects, nodes.loc[ids, "cAME"]), n_bins + 1)
        leaf = np.full(len(nodes), -1)
        leaf[ids] = np.arange(len(ids))
        known = read_labels(labels, drawn.columns)
        display = cls(
            nodes.assign(variable=_split_labels(nodes["variable"], known)),
            _counts(effects, leaves, leaf, weights, edges, len(ids)),
            edges,
            intervals=None if inference is None else _intervals(tree, inference),
            covers=coverage_note(inference),
            response=f"predicted {response_label}" if response_label else "prediction",
            title=title,
        )
        return display.plot(ax=ax, **options)

    def plot(self, ax: Any = None, **options: Any) -> EffectTreeDisplay:
        """Draw.

        Parameters
        ----------
        ax : Axes, sequence of two Axes, or None, default=None
            One is divided.
        **options
            Passed to the histograms, :meth:`matplotlib.axes.Axes.stairs`.

        Returns
        -------
        display : EffectTreeDisplay
            Itself.
        """
        check_matplotlib(f"{type(self).__name__}.plot")
        nodes = self.nodes
        where = places(nodes["left"].tolist(), nodes["right"].tolist())
        n_levels, n_leaves = int(where.depth.max()), len(self.counts)
        level, edge_share = _level(nodes["edge"], where)
        heights = (level * n_levels + LEAF, 2.3)
        width = max(6.4, 1.05 * n_leaves + 1.2)
        figure, grid = axes_for(
            ax, 2, 1, (min(width, 24), sum(heights) + 0.6), height_ratios=heights
        )
        top, bottom = grid[:, 0]
        for axes in (top, bottom):
            axes.set_xlim(-0.5, n_leaves - 0.5)
        top.set_axis_off()
        foot = LEAF / level
        top.set_ylim(-n_levels - foot + 0.1, 0.2 if n_levels else 0.1)
        draw_title(top, self.title)
        self._draw_leaves(bottom, options)
        _draw_branches(top, nodes, where)
        self.texts_ = write_rules(top, self._rules(where, edge_share))
        self.texts_ += write_numbers(top, self._numbers(where, n_levels, foot))
        self.figure_: Figure = figure
        self.axes_: np.ndarray = grid
        self.ax_: Axes = top
        return self

    def _rules(self, where: Places, edge_share: float) -> list[Box]:
        """What is split at the nodes, and the conditions on the edges below them."""
        boxes = []
        for i, (edge, variable) in enumerate(
            zip(self.nodes["edge"], self.nodes["variable"], strict=True)
        ):
            x, room, y = where.x[i], 0.94 * where.span[i], -float(where.depth[i])
            if i:
                text = str(edge).replace("<=", "≤").replace(">=", "≥")
                middle = y + 0.2 + 0.5 * edge_share
                boxes.append(Box((text,), x, middle, room, edge_share))
            if where.span[i] > 1:
                boxes.append(Box((str(variable),), x, y, room, 0.38, bold=True))
        return boxes

    def _numbers(self, where: Places, n_levels: int, foot: float) -> list[Box]:
        """cAME, SD or interval, and n of each leaf, in words that take less and less."""
        leaves = self.nodes[self.nodes["left"] < 0]
        middle = -n_levels - 0.5 * foot + 0.1
        return [
            Box(self._forms(node, leaf), leaf, middle, 0.96, foot)
            for leaf, node in enumerate(leaves.itertuples())
        ]

    def _forms(self, node: Any, leaf: int) -> tuple[str, ...]:
        mean, sd, n = number(node.cAME), number(node.SD), f"n {node.n:,}"
        if self.intervals is None:
            return (
                f"cAME {mean}\n± {sd} (SD)\n{n}",
                f"{mean}\n± {sd}\n{n}",
                mean,
            )
        low, high = map(number, self.intervals[leaf])
        return (
            f"cAME {mean}\n[{low}, {high}]\nSD {sd}\n{n}",
            f"{mean}\n[{low},\n{high}]\n{n}",
            mean,
        )

    def _draw_leaves(self, axes: Axes, options: dict[str, Any]) -> None:
        """A histogram for each leaf, upright on the common axis, with its cAME."""
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.axhline(0, color=GREY, linewidth=1, zorder=3)
        leaves = self.nodes[self.nodes["left"] < 0]
        defaults = {"fill": True, "color": BLUE, "alpha": 0.6, "zorder": 2}
        style = {**defaults, **options}
        for j, counts in enumerate(self.counts):
            base = j - 0.42
            bars = base + 0.7 * counts / (counts.max() or 1.0)
            axes.stairs(
                bars, self.edges, baseline=base, orientation="horizontal", **style
            )
            axes.vlines(base, self.edges[0], self.edges[-1], color=PALE, linewidth=0.8)
        means = leaves["cAME"].to_numpy()
        ends = self.intervals
        if ends is None:
            spread = np.nan_to_num(leaves["SD"].to_numpy())
            ends = np.column_stack([means - spread, means + spread])
        x = np.arange(len(means))
        axes.hlines(means, x - 0.42, x + 0.36, color=ORANGE, linewidth=1.4, zorder=4)
        axes.vlines(
            x + 0.36, ends[:, 0], ends[:, 1], color=ORANGE, linewidth=2.4, zorder=4
        )
        axes.plot(x + 0.36, means, "o", color=ORANGE, markersize=5, zorder=5)
        axes.set_ylim(self.edges[0], self.edges[-1])
        axes.set_xticks([])
        axes.set_ylabel(wrapped(f"Change in {self.response}", 32), parse_math=False)
        caption = "\n".join(
            within(axes, line, "legend.fontsize", 1.35) for line in self._captions()
        )
        axes.set_xlabel(caption, fontsize="small", color=INK, loc="left")
        axes.xaxis.label.set_parse_math(False)

    def _captions(self) -> list[str]:
        """What the marks are."""
        marks = _SPREAD
        if self.intervals is not None:
            marks = f"{_INTERVAL} {self.covers}".rstrip()
        return [
            marks,
            "Bars: rows by effect, to their own scale; end bins hold rows beyond.",
        ]


def _split_labels(variables: pd.Series, labels: Labels) -> np.ndarray:
    """Label of what each node splits; None for leaves."""
    texts = [None if v is None else labels.full(str(v)) for v in variables]
    return np.array(texts, dtype=object)


def _rows(tree: Tree, X: Any, y: Any, rows_of_fit: tuple | None) -> tuple:
    """Effects, their leaves and weights: the rows of fit, or the user's."""
    if (X is None) != (y is None):
        raise ValueError("Give both X and y, the rows and their effects, or neither.")
    if X is not None:
        effects = as_vector(y, len(as_table(X)), "y").astype(float)
        kept = np.isfinite(effects)
        return effects[kept], tree.apply(X)[kept], None
    if rows_of_fit is None:
        raise ValueError(
            "A pickled tree does not carry its rows; pass X and y, the rows and their "
            "effects."
        )
    effects, leaves, weights = rows_of_fit
    return effects, leaves, weights.array


def _limits(effects: np.ndarray, means: pd.Series) -> tuple[float, float]:
    """The range of effects, without tails that would leave the rest flat."""
    low, high = limits_of(effects)
    some = effects[:: max(len(effects) // 100_000, 1)]
    inner = np.quantile(some, [0.005, 0.995])
    if high - low > 1.6 * (inner[1] - inner[0]) > 0:
        low, high = limits_of(inner, means.to_numpy())
    pad = 0.02 * (high - low)
    return low - pad, high + pad


def _counts(
    effects: np.ndarray,
    leaves: np.ndarray,
    leaf: np.ndarray,
    weights: np.ndarray | None,
    edges: np.ndarray,
    n_leaves: int,
) -> np.ndarray:
    """Rows, or their weight, by leaf and effect; `leaf` numbers the nodes' leaves."""
    n_bins = len(edges) - 1
    counts, scale = np.zeros(n_leaves * n_bins), n_bins / (edges[-1] - edges[0])
    for start in range(0, len(effects), BLOCK):
        part = slice(start, start + BLOCK)
        bins = np.clip((effects[part] - edges[0]) * scale, 0, n_bins - 1)
        cell = bins.astype(np.intp) + n_bins * leaf[leaves[part]]
        weight = None if weights is None else weights[part]
        counts += np.bincount(cell, weight, len(counts))
    return counts.reshape(n_leaves, n_bins)


def _level(edges: pd.Series, where: Places) -> tuple[float, float]:
    """Inches from one level to the next, and the share of it that is the edges'."""
    # About 15 letters fit a column.
    lines = [
        -(-len(edge) // (15 * span))
        for edge, span in zip(edges, where.span, strict=True)
    ]
    text = 0.26 + 0.16 * (min(max(lines), 4) - 1)
    level = 0.52 + text
    return level, text / level


def _draw_branches(axes: Axes, nodes: pd.DataFrame, where: Places) -> None:
    """From each node sideways, then down to its child; a leaf's branch ends below."""
    n_levels = int(where.depth.max())
    children = nodes[["left", "right"]].to_numpy()
    for i, pair in enumerate(children):
        for child in pair[pair >= 0]:
            is_leaf = children[child, 0] < 0
            end = -n_levels if is_leaf else -where.depth[child]
            y = -where.depth[i]
            axes.plot(
                [where.x[i], where.x[child], where.x[child]],
                [y, y, end],
                color=GREY,
                linewidth=1.2,
                zorder=1,
                solid_joinstyle="round",
            )


def _intervals(tree: Tree, inference: Any) -> np.ndarray:
    """Interval of each leaf, found by its subspace or rule."""
    frame = inference.to_frame().reset_index(drop=True)
    regions = tree.partitions_
    for key in (list(regions.index), regions["rule"].tolist()):
        for column in frame.columns:
            own = frame[column]
            matches = own.isin(key) | own.astype(str).isin([str(k) for k in key])
            if matches.sum() == len(key) and own[matches].nunique() == len(key):
                ordered = frame[matches].set_index(own[matches].astype(str))
                ends = ordered.loc[[str(k) for k in key], ["conf_low", "conf_high"]]
                return ends.to_numpy(dtype=float)
    raise ValueError(
        "inference has no column with this tree's subspaces, once each; expected "
        f"{list(regions.index)} or the rules {regions['rule'].tolist()}."
    )
