"""EffectTreeDisplay: the regions in which an effect differs, as a tree over histograms.

The tree's leaves stand over columns. All histograms share one upright axis of effects,
so that regions are compared by height.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from skfme._frames.columns import as_vector
from skfme._frames.tables import as_table
from skfme._summaries.comparisons import DIFFERENCE, Comparison
from skfme._summaries.weighting import Weighting
from skfme._text.compared import comparison_text
from skfme._text.labels import coverage_note, number, read_labels, response_words
from skfme.plotting._parts.canvas import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    Display,
    check_matplotlib,
)
from skfme.plotting._parts.marks import inner_limits
from skfme.plotting._parts.options import names_options
from skfme.plotting._parts.rows import cell_sums, equal_bins
from skfme.plotting._parts.texts import draw_title, within, wrapped
from skfme.plotting._parts.tree_layout import (
    Box,
    Places,
    places,
    write_numbers,
    write_rules,
)
from skfme.plotting._sources import DrawnTree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["EffectTreeDisplay"]

_SPREAD = (
    "Dot and line: cAME ± 1 SD of the region's rows (spread, no confidence interval)."
)
_INTERVAL = "Dot and line: cAME and its confidence interval."
_BARS = "Bars: rows by effect, to their own scale; end bins hold rows beyond."
LEAF = 0.8  # inches for the numbers of a leaf


@dataclass(eq=False, repr=False)
class EffectTreeDisplay(Display):
    """A tree over effects, with the effects' distribution in each region.

    Make it with :meth:`from_tree`, or from tables.

    Parameters
    ----------
    nodes : DataFrame
        One row per node, in pre-order: ``left`` and ``right`` (positions of the
        children, −1 for none), ``variable`` (label of what is split), ``edge`` (the
        condition that leads here), ``n``, ``ame``, ``sd``.
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
    comparison : Comparison, default=difference
        What the effects are: ``effect.comparison``.

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

    nodes: pd.DataFrame
    counts: np.ndarray
    edges: np.ndarray
    _: KW_ONLY
    intervals: np.ndarray | None = None
    covers: str = ""
    response: str = "prediction"
    title: str = ""
    comparison: Comparison = DIFFERENCE

    @classmethod
    def from_tree(
        cls,
        tree: DrawnTree,
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
            tree that was pickled, or grown over batches, does not carry.
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
            If a tree without rows is drawn without any, or `inference` is not about this
            tree's subspaces.
        """
        check_matplotlib(f"{cls.__name__}.from_tree")
        drawn = tree._for_display()
        counts, edges = _histograms(tree, *_rows(tree, X, y, drawn.rows))
        texts = read_labels(labels, drawn.columns)
        words = response_words(response_label)
        nodes = tree.nodes_.assign(edge=drawn.edges)
        nodes["variable"] = nodes["variable"].map(texts.full, na_action="ignore")
        display = cls(
            nodes,
            counts,
            edges,
            intervals=None if inference is None else _intervals(tree, inference),
            covers=coverage_note(inference),
            response="prediction" if words is None else f"predicted {words}",
            title=title or drawn.title,
            comparison=drawn.comparison,
        )
        return display.plot(ax=ax, **options)

    @names_options
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
        nodes, n_leaves = self.nodes, len(self.counts)
        where = places(nodes["left"].tolist(), nodes["right"].tolist())
        level, edge_share = _level(nodes["edge"], where)
        heights = (level * where.n_levels + LEAF, 2.3)
        width = min(max(6.4, 1.05 * n_leaves + 1.2), 24)
        size = (width, sum(heights) + 0.6)
        top, bottom = self._open(ax, 2, 1, size, height_ratios=heights)[:, 0]
        for axes in (top, bottom):
            axes.set_xlim(-0.5, n_leaves - 0.5)
        top.set_axis_off()
        foot = LEAF / level
        top.set_ylim(-where.n_levels - foot + 0.1, 0.2 if where.n_levels else 0.1)
        draw_title(top, self.title)
        self._draw_histograms(bottom, options)
        self._draw_means(bottom)
        self._label_leaves(bottom)
        _draw_branches(top, nodes, where)
        self.texts_ = write_rules(top, self._rules(where, edge_share))
        self.texts_ += write_numbers(top, self._numbers(where, foot))
        return self

    @property
    def _leaves(self) -> pd.DataFrame:
        """The nodes without children, from left to right."""
        return self.nodes[self.nodes["left"] < 0]

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

    def _numbers(self, where: Places, foot: float) -> list[Box]:
        """cAME, SD or interval, and n of each leaf, in words that take less and less."""
        middle = -where.n_levels - 0.5 * foot + 0.1
        return [
            Box(self._forms(node, leaf), leaf, middle, 0.96, foot)
            for leaf, node in enumerate(self._leaves.itertuples())
        ]

    def _forms(self, node: Any, leaf: int) -> tuple[str, ...]:
        mean, sd, n = number(node.ame), number(node.sd), f"n {node.n:,}"
        if self.intervals is None:
            full, short = f"{mean}\n± {sd} (SD)\n{n}", f"{mean}\n± {sd}\n{n}"
        else:
            low, high = map(number, self.intervals[leaf])
            full = f"{mean}\n[{low}, {high}]\nSD {sd}\n{n}"
            short = f"{mean}\n[{low},\n{high}]\n{n}"
        return f"cAME {full}", short, mean

    def _draw_histograms(self, axes: Axes, options: dict[str, Any]) -> None:
        """A histogram for each leaf, upright on the common axis."""
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.axhline(0, color=GREY, linewidth=1, zorder=3)
        defaults = {"fill": True, "color": BLUE, "alpha": 0.6, "zorder": 2}
        style = {**defaults, "orientation": "horizontal", **options}
        low, high = self.edges[0], self.edges[-1]
        for j, counts in enumerate(self.counts):
            base = j - 0.42
            bars = base + 0.7 * counts / (counts.max() or 1.0)
            axes.stairs(bars, self.edges, baseline=base, **style)
            axes.vlines(base, low, high, color=PALE, linewidth=0.8)
        axes.set_ylim(low, high)

    def _draw_means(self, axes: Axes) -> None:
        """The cAME of each leaf, with its interval or one SD to either side."""
        means = self._leaves["ame"].to_numpy()
        spread = np.nan_to_num(self._leaves["sd"].to_numpy())
        ends = self.intervals
        if ends is None:
            ends = np.column_stack([means - spread, means + spread])
        x = np.arange(len(means))
        style = {"color": ORANGE, "zorder": 4}
        axes.hlines(means, x - 0.42, x + 0.36, linewidth=1.4, **style)
        axes.vlines(x + 0.36, ends[:, 0], ends[:, 1], linewidth=2.4, **style)
        axes.plot(x + 0.36, means, "o", color=ORANGE, markersize=5, zorder=5)

    def _label_leaves(self, axes: Axes) -> None:
        """What the axis and the marks are."""
        axes.set_xticks([])
        text = comparison_text(self.comparison, self.response)
        axes.set_ylabel(wrapped(text, 32), parse_math=False)
        marks = f"{_INTERVAL} {self.covers}".rstrip()
        captions = (_SPREAD if self.intervals is None else marks, _BARS)
        lines = [within(axes, text, "legend.fontsize", 1.35) for text in captions]
        axes.set_xlabel(
            "\n".join(lines), fontsize="small", color=INK, loc="left", parse_math=False
        )


def _rows(tree: DrawnTree, X: Any, y: Any, rows_of_fit: tuple | None) -> tuple:
    """Effects, their leaves and weights: the rows of fit, or the user's."""
    if (X is None) != (y is None):
        raise ValueError("Give both X and y, the rows and their effects, or neither.")
    if X is not None:
        effects = as_vector(y, len(as_table(X)), "y").astype(float)
        finite = np.isfinite(effects)
        effects, leaves = effects[finite], tree.apply(X)[finite]
        return effects, leaves, Weighting(None, len(effects))
    if rows_of_fit is None:
        raise ValueError(
            "A tree that was pickled, or grown over batches, does not carry its rows; pass "
            "X and y, the rows and their effects."
        )
    return rows_of_fit


def _histograms(
    tree: DrawnTree, effects: np.ndarray, leaves: np.ndarray, weights: Weighting
) -> tuple[np.ndarray, np.ndarray]:
    """Rows, or their weight, by leaf and effect; and the ends of the effects' bins."""
    regions = tree.partitions_
    n_leaves, n_bins = len(regions), int(4 * np.sqrt(regions["n"].median()))
    n_bins = min(max(n_bins, 12), 40)
    low, high = inner_limits([effects], regions["ame"].to_numpy())
    row = np.zeros(regions.index.max() + 1, dtype=np.intp)
    row[regions.index] = np.arange(n_leaves)

    def cells(rows: slice) -> np.ndarray:
        bins = equal_bins(effects[rows], low, high, n_bins)
        return bins + n_bins * row[leaves[rows]]

    counts, _ = cell_sums(cells, n_leaves * n_bins, weights)
    return counts.reshape(n_leaves, n_bins), np.linspace(low, high, n_bins + 1)


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
    children = nodes[["left", "right"]].to_numpy()
    for i, child in ((i, c) for i, pair in enumerate(children) for c in pair if c >= 0):
        is_leaf = children[child, 0] < 0
        end = -where.n_levels if is_leaf else -where.depth[child]
        x, y = where.x[[i, child, child]], [-where.depth[i], -where.depth[i], end]
        style = {"linewidth": 1.2, "zorder": 1, "solid_joinstyle": "round"}
        axes.plot(x, y, color=GREY, **style)


def _intervals(tree: DrawnTree, inference: Any) -> np.ndarray:
    """Interval of each leaf, found by its subspace or rule."""
    frame = inference.to_frame().reset_index(drop=True)
    regions = tree.partitions_
    ids, rules = regions.index.tolist(), regions["rule"].tolist()
    for subspaces in (list(map(str, ids)), rules):
        for name in frame.columns:
            by_subspace = frame.set_index(frame[name].astype(str))
            by_subspace = by_subspace[by_subspace.index.isin(subspaces)]
            if sorted(by_subspace.index) == sorted(subspaces):
                ends = by_subspace.loc[subspaces, ["conf_low", "conf_high"]]
                return ends.to_numpy(dtype=float)
    raise ValueError(
        "inference has no column with this tree's subspaces, once each; expected "
        f"{ids} or the rules {rules}."
    )
