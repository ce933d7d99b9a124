"""The words of a tree: rules, pandas queries and the printed tree.

A rule lists what its rows have in common, one term per column. A query repeats the
splits on the way from the root, so that on any table, with missing values and unseen
levels, it picks the rows that the tree would send there.
"""

from __future__ import annotations

import keyword
import math
from collections.abc import Hashable
from typing import NamedTuple

import numpy as np
import pandas as pd

from skfme._frames.time_scale import moment_text
from skfme._text.printing import REGION_HEADINGS, Text, format_number, text_table
from skfme.statsmodels._tree.covariates import Covariate, Split
from skfme.statsmodels._tree.nodes import Node, parents

# What DataFrame.query takes between backticks beside letters, digits and underscores.
_QUOTED = frozenset(" .,:;?!$%&|~^*/<>=+-()[]{}")

__all__ = ["cut_of", "edges_of", "queries_of", "rules_of", "tree_text"]


def cut_of(split: Split, covariate: Covariate) -> float | pd.Timestamp | pd.Timedelta:
    """The cut of a numeric covariate, of dates as a date; NaN where there is none."""
    if split.cut is None or not covariate.numeric:
        return math.nan
    if covariate.scale is None:
        return split.cut
    return covariate.scale.moment(split.cut, strict=split.strict)


MOST_LISTED = 30
"""Levels that a rule lists; queries have them all."""


class _Turn(NamedTuple):
    """One step on the way down: a split of a covariate, and the side taken."""

    covariate: Covariate
    split: Split
    left: bool

    @property
    def sign(self) -> str:
        """Of values to the cut."""
        if self.split.strict:
            return "<" if self.left else ">="
        return "<=" if self.left else ">"

    @property
    def takes_missing(self) -> bool:
        return self.left == self.split.default_left

    @property
    def cut(self) -> str:
        """The cut as people read it: to the decimals of the data, on which it is the same."""
        cut = cut_of(self.split, self.covariate)
        if not isinstance(cut, float):
            return moment_text(cut)
        if self.covariate.decimals is None:
            return f"{cut:.6g}"
        scale = 10.0**self.covariate.decimals
        whole = math.ceil if self.split.strict else math.floor
        # What rounding left of a number of the data is that number.
        near = round(cut * scale)
        steps = near if abs(near - cut * scale) < 1e-6 else whole(cut * scale)
        return f"{steps / scale:.12g}"


def _paths(nodes: list[Node], covariates: tuple[Covariate, ...]) -> list[list[_Turn]]:
    """The turns from the root to each node."""
    paths: list[list[_Turn]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        if node.split is None:
            continue
        covariate = covariates[node.split.covariate]
        for child, left in ((node.left, True), (node.right, False)):
            paths[child] = [*paths[i], _Turn(covariate, node.split, left)]
    return paths


def rules_of(nodes: list[Node], covariates: tuple[Covariate, ...]) -> list[str]:
    """Of each leaf, such as ``bmi <= 25.3 & sex in {s1, s2}``; ``all`` for the root."""
    above = parents(nodes)
    terms: list[dict[int, str]] = [{} for _ in nodes]
    for i, path in enumerate(_paths(nodes, covariates)):
        if path:  # a child differs from its parent by one term
            term = {path[-1].split.covariate: _term(_last_turns(path))}
            terms[i] = terms[above[i]] | term
    return [
        " & ".join(terms[i].values()) or "all"
        for i, node in enumerate(nodes)
        if node.is_leaf
    ]


def _last_turns(path: list[_Turn]) -> list[_Turn]:
    """The turns at the covariate that the last one is at."""
    return [turn for turn in path if turn.covariate is path[-1].covariate]


def _term(turns: list[_Turn]) -> str:
    """What turns at one covariate leave of it."""
    covariate = turns[0].covariate
    if covariate.numeric:
        text = _interval(turns)
    elif len(levels := _levels(turns)) == 1:
        text = f"{covariate.name} = {levels[0]}"
    else:
        text = f"{covariate.name} in {{{_listed(levels)}}}"
    if covariate.has_missing and all(turn.takes_missing for turn in turns):
        return f"({text} or missing)"
    return text


def _interval(turns: list[_Turn]) -> str:
    # Deeper cuts lie inside those above them.
    bounds = {turn.left: turn for turn in turns}
    upper = bounds.get(True, turns[-1])
    text = f"{upper.covariate.name} {upper.sign} {upper.cut}"
    if len(bounds) == 1:
        return text
    lower = bounds[False]
    return f"{lower.cut} {'<=' if lower.split.strict else '<'} {text}"


def _levels(turns: list[_Turn]) -> list[str]:
    """Levels that pass all turns at one categorical covariate."""
    covariate = turns[0].covariate
    codes = np.arange(len(covariate.levels))
    for turn in turns:
        codes = codes[turn.split.goes_left(covariate, codes) == turn.left]
    return [str(covariate.levels[code]) for code in codes]


def _listed(levels: list[str]) -> str:
    """Levels in a line; of very many the first ones, and how many there are."""
    if len(levels) <= MOST_LISTED:
        return ", ".join(levels)
    first = ", ".join(levels[: MOST_LISTED // 3])
    return f"{first}, … {len(levels) - MOST_LISTED // 3:,} more"


def edges_of(nodes: list[Node], covariates: tuple[Covariate, ...]) -> list[str]:
    """What sent a row here from the parent, without the column: ``<= 25.3``, ``s1, s2``.

    Empty for the root.
    """
    return [_edge(path) if path else "" for path in _paths(nodes, covariates)]


def _edge(path: list[_Turn]) -> str:
    last, covariate = path[-1], path[-1].covariate
    if covariate.numeric:
        text = f"{last.sign} {last.cut}"
    else:
        text = _listed(_levels(_last_turns(path)))
    goes_here = covariate.has_missing and last.takes_missing
    return f"{text} or missing" if goes_here else text


def queries_of(nodes: list[Node], covariates: tuple[Covariate, ...]) -> list[str]:
    """Of each leaf, for ``DataFrame.query``; ``index == index`` for the root.

    Raises
    ------
    ValueError
        If a query cannot quote the name of a column that is split.
    """
    paths = zip(nodes, _paths(nodes, covariates), strict=True)
    return [
        " and ".join(map(_query_term, path)) or "index == index"
        for node, path in paths
        if node.is_leaf
    ]


def _query_term(turn: _Turn) -> str:
    if turn.takes_missing:
        # Whatever does not belong to the other side, missing and unseen values too.
        return f"not ({_comparison(turn._replace(left=not turn.left))})"
    return f"({_comparison(turn)})"


def _comparison(turn: _Turn) -> str:
    name = _quoted(turn.covariate.name)
    if turn.covariate.numeric:
        cut = cut_of(turn.split, turn.covariate)
        return f"{name} {turn.sign} {cut if isinstance(cut, float) else str(cut)!r}"
    left, right = turn.split.level_sides(turn.covariate)
    return f"{name} in {list(left if turn.left else right)!r}"


def _quoted(name: Hashable) -> str:
    if not isinstance(name, str) or not name or not _is_safe(name):
        raise ValueError(
            f"DataFrame.query cannot quote the column name {name!r}: it takes texts of "
            f"letters, digits, underscores and {''.join(sorted(_QUOTED))!r}. Rename the "
            "column, or take the rows of each region from tree.masks(X)."
        )
    plain = name.isidentifier() and not keyword.iskeyword(name) and name != "index"
    return name if plain else f"`{name}`"


def _is_safe(name: str) -> bool:
    # A letter or digit is what could stand in an identifier.
    return all(char in _QUOTED or f"_{char}".isidentifier() for char in name)


def tree_text(
    title: str,
    nodes: list[Node],
    covariates: tuple[Covariate, ...],
    node_table: pd.DataFrame,
) -> Text:
    """The tree, one line per node: its condition, n, cAME, SD and drop.

    `drop` is the share of the root's sum of squares that the node's split explains.
    """
    columns = [name for name in ("ame", "sd", "anlm") if name in node_table]
    records = node_table[[*columns, "drop"]].to_numpy().tolist()
    paths, rows = _paths(nodes, covariates), []
    for node, path, (*values, share) in zip(nodes, paths, records, strict=True):
        numbers = map(format_number, values)
        drop = "" if node.is_leaf else _percent(share)
        label = "|  " * node.depth + (_term(path[-1:]) if path else "all")
        rows.append([label, str(node.spread.n), *numbers, drop])
    headings = [REGION_HEADINGS[name] for name in columns]
    body = text_table(["node", "n", *headings, "drop"], rows)
    return Text("\n".join([title, "", *(line.rstrip() for line in body.split("\n"))]))


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.1f} %"
